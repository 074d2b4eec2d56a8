/* SPDX-License-Identifier: MIT */
/*
 * A task is a head, which decides by itself. Scores are f32 (f64 with f64
 * tensors), all that is summed of them is double.
 */
#include "solvers/select_flex.h"

#include "solvers/select_pick.h"
#include "solvers/select_reps.h"
#include "solvers/select_stripes.h"
#include "solvers/select_tasks.h"
#include "solvers/select_view.h"

struct job {
    const struct attn__recipe_run *r;
    const struct attn__pooled *m;
    const struct attn__pooled_size *z;
    struct attn__select_rows *rows;
    char *desks;
    size_t desk_bytes;
    int64_t tasks, workers;
};

struct desk {
    struct attn__stripes t;
    double *order;            /* a heap of keys, or of pairs of blocks */
    char *q, *k;              /* means of blocks [blocks][d] */
    char *s;                  /* a row of products [blocks] */
    double *pair;             /* weights of pairs of blocks [blocks][blocks] */
    double *column, *slash;   /* of blocks */
    double *pick;             /* [blocks] */
    uint8_t *is_column, *is_slash;
    uint8_t *active;          /* [blocks][blocks] */
};

static int64_t blocks_of(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z)
{
    return attn__pooled_parts(z->k, spec->k_block);
}

static void desk_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, struct desk *k)
{
    int64_t blocks = blocks_of(spec, z), pairs = 0, means = 0;
    size_t size = z->exact ? sizeof(double) : sizeof(float);
    s->ok = s->ok && attn__mul_i64(blocks, blocks, &pairs) && attn__mul_i64(blocks, z->d, &means);
    attn__stripes_take(s, z, &k->t);
    k->order = ATTN__TAKE(s, attn__max_i64(z->k, pairs), double);
    k->q = attn__scratch_take(s, means, size);
    k->k = attn__scratch_take(s, means, size);
    k->s = attn__scratch_take(s, blocks, size);
    k->pair = ATTN__TAKE(s, pairs, double);
    k->column = ATTN__TAKE(s, blocks, double);
    k->slash = ATTN__TAKE(s, blocks, double);
    k->pick = ATTN__TAKE(s, blocks, double);
    k->is_column = ATTN__TAKE(s, blocks, uint8_t);
    k->is_slash = ATTN__TAKE(s, blocks, uint8_t);
    k->active = ATTN__TAKE(s, pairs, uint8_t);
}

bool attn__flex_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                        int64_t *entries)
{
    *entries = attn__max_i64(blocks_of(spec, z), 1);
    return true;
}

void *attn__flex_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads)
{
    struct attn__scratch one = {.ok = true};
    struct desk k;
    desk_take(&one, spec, z, &k);
    return attn__select_desks(s, &one, threads);
}

static void sum_blocks(const double *x, int64_t n, int64_t block, double *to)
{
    for (int64_t j = 0; j < n; j++)
        to[j / block] = (j % block ? to[j / block] : 0) + x[j];
}

/* Blocks of keys that hold the share gamma of what a statistic has. */
static int64_t budget(const struct attn__pooled_spec *spec, const double *x, int64_t n,
                      int64_t blocks, double *heap)
{
    int64_t most = attn__min_i64(spec->stripes.most, blocks);
    int64_t keys = attn__pick_within(x, n, spec->mass, heap, NULL) + 1;
    int64_t want = attn__max_i64(keys / spec->k_block + 1, spec->stripes.least);
    return attn__min_i64(want, most);
}

static void mean_of(const struct job *x, const struct attn__rows *rows, int64_t lo, int64_t hi,
                    void *to, int64_t at, double *rep)
{
    const struct attn__pooled_spec mean = {.rep = ATTN__REP_MEAN};
    attn__reps_row(x->r->machine->kern, &mean, rows, x->z->d, lo, hi, x->z->exact, to, at, rep);
}

/* to = softmax of the products of n blocks with the mean at q; false for NaN or
 * inf. */
static bool pooled_row(const struct job *x, const void *q, const void *means, int64_t n,
                       const struct desk *k, double *to)
{
    struct attn__rows rows = {.base = (char *)means, .row = x->z->d, .col = 1,
                              .dtype = x->z->exact ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32};
    double top = -INFINITY, sum = 0;
    attn__stripes_products(x->r, x->z, q, 1, &rows, n, k->s, n, k->t.piece);
    for (int64_t j = 0; j < n; j++) {
        to[j] = x->z->exact ? ((double *)k->s)[j] : (double)((float *)k->s)[j];
        to[j] *= x->m->spec->scale;
        top = to[j] > top || isnan(to[j]) ? to[j] : top;
    }
    if (!(fabs(top) < INFINITY))
        return false;
    for (int64_t j = 0; j < n; j++)
        sum += to[j] = exp(to[j] - top);
    for (int64_t j = 0; j < n; j++)
        to[j] /= sum;
    return true;
}

/* The square root of the Jensen-Shannon divergence; NaN where one has a 0. */
static double unlike(const double *a, const double *b, int64_t n)
{
    double sum = 0;
    for (int64_t j = 0; j < n; j++) {
        double m = (a[j] + b[j]) / 2;
        sum += a[j] * log(a[j] / m) + b[j] * log(b[j] / m);
    }
    return sqrt(sum / 2);
}

static void pick(const double *score, uint8_t *state, int64_t n, int64_t forced, int64_t top,
                 double *room)
{
    const struct attn__pick p = {.rule = ATTN__PICK_TOP, .top = top};
    for (int64_t j = 0; j < n; j++)
        state[j] = j == forced ? ATTN__PICK_IN : ATTN__PICK_MAY;
    attn__pick_row(&p, score, state, n, room);
}

/* Pairs of blocks that are active, in k->active; false for NaN or inf. */
static bool decide(const struct job *x, const struct attn__seq *s, int64_t h, int64_t blocks,
                   const struct desk *k)
{
    const struct attn__pooled_spec *spec = x->m->spec;
    struct attn__rows q = attn__stripes_q(x->m, s, h), key = attn__stripes_k(x->m, s, h);
    int64_t n = s->nk, block = spec->k_block, size = x->z->exact ? 8 : 4;
    int64_t queries = attn__min_i64(spec->stripes.queries, n);
    if (!attn__stripes_make(x->r, x->m, x->z, s, h, queries, &k->t))
        return false;
    for (int64_t j = 0; j < blocks; j++)
        mean_of(x, &key, j * block, attn__min_i64((j + 1) * block, n), k->k, j * x->z->d,
                k->t.rep);
    mean_of(x, &q, n - queries, n, k->q, 0, k->t.rep);
    if (!pooled_row(x, k->q, k->k, blocks, k, k->pick))
        return false;
    sum_blocks(k->t.column, n, block, k->column);
    sum_blocks(k->t.slash, n, block, k->slash);
    bool aware = unlike(k->pick, k->column, blocks) < spec->stripes.tau;
    int64_t columns = budget(spec, k->t.column, n, blocks, k->order);
    int64_t slashes = budget(spec, k->t.slash, n, blocks, k->order);
    if (aware)
        columns = slashes = attn__min_i64(spec->stripes.least, blocks);
    pick(k->column, k->is_column, blocks, 0, columns, k->pick);
    pick(k->slash, k->is_slash, blocks, blocks - 1, slashes, k->pick);
    for (int64_t i = 0; i < blocks; i++)
        for (int64_t j = 0; j < blocks; j++)
            k->active[i * blocks + j] =
                j <= i && (k->is_column[j] == ATTN__PICK_IN ||
                           k->is_slash[blocks - 1 - (i - j)] == ATTN__PICK_IN);
    if (!aware)
        return true;
    for (int64_t i = 0; i < blocks; i++) {
        mean_of(x, &q, i * block, attn__min_i64((i + 1) * block, n), k->q, i * x->z->d, k->t.rep);
        double *row = k->pair + i * blocks;
        if (!pooled_row(x, k->q + i * x->z->d * size, k->k, i + 1, k, row))
            return false;
        for (int64_t j = i + 1; j < blocks; j++)
            row[j] = 0;
    }
    attn__pick_within(k->pair, blocks * blocks, spec->mass * (double)blocks, k->order, k->active);
    return true;
}

static void write_rows(const struct job *x, int64_t row0, int64_t n, int64_t blocks, bool all,
                       bool good, const struct desk *k)
{
    int64_t block = x->m->spec->k_block;
    for (int64_t i = 0; i < blocks; i++) {
        struct attn__select_writer out = attn__select_row_begin(x->rows, row0 + i);
        if (!good)
            attn__select_put_fault(&out, ATTN__SELECT_NAN);
        for (int64_t j = 0; j <= i && good; j++)
            if (all || k->active[i * blocks + j])
                attn__select_put(&out, j * block, attn__min_i64(block, n - j * block), 0, false);
        attn__select_row_end(&out);
    }
}

static void task(void *arg, int64_t worker)
{
    const struct job *x = arg;
    const struct attn__pooled_spec *spec = x->m->spec;
    struct attn__scratch s = {.base = x->desks + (size_t)worker * x->desk_bytes, .ok = true};
    struct desk k;
    desk_take(&s, spec, x->z, &k);
    for (int64_t a = worker; a < x->tasks; a += x->workers) {
        struct attn__seq seq = attn__call_seq(x->r->call, a / x->rows->sets);
        int64_t blocks = attn__pooled_parts(seq.nk, spec->k_block);
        bool all = blocks <= attn__max_i64(2, spec->stripes.least);
        bool good = all || decide(x, &seq, a % x->rows->sets, blocks, &k);
        write_rows(x, a * x->rows->blocks, seq.nk, blocks, all, good, &k);
    }
}

int32_t attn__flex_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                       const struct attn__pooled_size *z, struct attn__select_rows *rows,
                       int64_t per_row, void *room)
{
    struct job x = {.r = r, .m = m, .z = z, .rows = rows, .desks = room};
    struct attn__scratch one = {.ok = true};
    struct desk k;
    desk_take(&one, m->spec, z, &k);
    x.desk_bytes = one.used;
    x.tasks = rows->n_batch * rows->sets;
    x.workers = attn__min_i64(r->machine->threads, x.tasks);
    attn__select_begin(rows, per_row);
    attn__threads_run(r->threads, x.workers, task, &x);
    return attn__select_end(rows, "selection");
}
