/* SPDX-License-Identifier: MIT */
/*
 * The softmax of the last queries, summed along columns and diagonals; a task is
 * a head. Each row of queries then has the chosen columns and, for each chosen
 * diagonal, the run of keys that its block meets: both in rising order, so that
 * they are merged like two sorted lists.
 */
#include "solvers/select_stripes.h"

#include "solvers/rows_load.h"
#include "solvers/select_pick.h"
#include "solvers/select_reps.h"
#include "solvers/select_tasks.h"
#include "solvers/select_view.h"

#define LOG2E 1.4426950408889634074

void attn__stripes_take(struct attn__scratch *s, const struct attn__pooled_size *z,
                        struct attn__stripes *t)
{
    int64_t q = 0, scores = 0, piece = 0;
    size_t size = z->exact ? sizeof(double) : sizeof(float);
    s->ok = s->ok && attn__mul_i64(ATTN__POOLED_ROWS, z->d, &q) &&
            attn__mul_i64(ATTN__POOLED_ROWS, z->k, &scores) &&
            attn__mul_i64(ATTN__POOLED_PIECE, z->d, &piece);
    t->column = ATTN__TAKE(s, z->k, double);
    t->slash = ATTN__TAKE(s, z->k, double);
    t->q = attn__scratch_take(s, q, size);
    t->s = attn__scratch_take(s, scores, size);
    t->piece = ATTN__TAKE(s, piece, float);
    t->rep = ATTN__TAKE(s, attn__reps_room(z->d), double);
}

struct attn__rows attn__stripes_q(const struct attn__pooled *m, const struct attn__seq *s,
                                  int64_t h)
{
    return attn__pooled_head(&m->q, s->b, m->q_head ? m->q_head[h] : h, s->q0);
}

struct attn__rows attn__stripes_k(const struct attn__pooled *m, const struct attn__seq *s,
                                  int64_t h)
{
    return attn__pooled_head(&m->k, s->b, m->k_head ? m->k_head[h] : h, s->k0);
}

void attn__stripes_products(const struct attn__recipe_run *r, const struct attn__pooled_size *z,
                            const void *q, int64_t n, const struct attn__rows *k, int64_t hi,
                            void *s, int64_t ld, float *piece)
{
    const struct attn__kernels *kern = r->machine->kern;
    const double *wide = q;
    for (int64_t i = 0; i < n && z->exact; i++)
        for (int64_t j = 0; j < hi; j++) {
            double sum = 0;
            for (int64_t e = 0; e < z->d; e++)
                sum += wide[i * z->d + e] * attn__rows_load(k, j, e);
            ((double *)s)[i * ld + j] = sum;
        }
    for (int64_t j = 0; j < hi && !z->exact; j += ATTN__POOLED_PIECE) {
        int64_t step, m = attn__min_i64(ATTN__POOLED_PIECE, hi - j);
        const float *p = attn__rows_f32(kern, k, j, m, z->d, piece, &step);
        kern->row_qk_f32(p, step, m, z->d, q, z->d, n, (float *)s + j, ld, 0);
    }
}

bool attn__stripes_softmax(const struct attn__kernels *kern, double scale, bool exact, void *row,
                           int64_t n, double *factor)
{
    double top = -INFINITY, sum = 0;
    if (exact) {
        double *s = row;
        for (int64_t j = 0; j < n; j++) {
            s[j] *= scale;
            top = s[j] > top || isnan(s[j]) ? s[j] : top;
        }
        for (int64_t j = 0; j < n && fabs(top) < INFINITY; j++)
            sum += s[j] = exp(s[j] - top);
    } else {
        kern->vec_scale(row, n, (float)(scale * LOG2E));
        top = kern->row_max(row, n);
        if (fabs(top) < INFINITY)
            sum = kern->row_exp2(row, n, (float)top);
    }
    *factor = 1 / sum;
    return fabs(top) < INFINITY;
}

bool attn__stripes_make(const struct attn__recipe_run *r, const struct attn__pooled *m,
                        const struct attn__pooled_size *z, const struct attn__seq *s, int64_t h,
                        int64_t n, const struct attn__stripes *t)
{
    const struct attn__pooled_spec mean = {.rep = ATTN__REP_MEAN};
    struct attn__rows q = attn__stripes_q(m, s, h), k = attn__stripes_k(m, s, h);
    int64_t all = s->nk, size = z->exact ? 8 : 4;
    for (int64_t j = 0; j < all; j++)
        t->column[j] = t->slash[j] = 0;
    for (int64_t i0 = 0; i0 < n; i0 += ATTN__POOLED_ROWS) {
        int64_t rows = attn__min_i64(ATTN__POOLED_ROWS, n - i0);
        for (int64_t i = 0; i < rows; i++) {
            int64_t at = all - n + i0 + i;
            attn__reps_row(r->machine->kern, &mean, &q, z->d, at, at + 1, z->exact, t->q,
                           i * z->d, t->rep);
        }
        attn__stripes_products(r, z, t->q, rows, &k, all - n + i0 + rows, t->s, z->k, t->piece);
        for (int64_t i = 0; i < rows; i++) {
            void *row = t->s + i * z->k * size;
            int64_t seen = all - n + i0 + i + 1, back = n - 1 - (i0 + i);
            double f;
            if (!attn__stripes_softmax(r->machine->kern, m->spec->scale, z->exact, row, seen, &f))
                return false;
            f /= (double)n;
            for (int64_t j = 0; j < seen; j++) {
                double p = f * (z->exact ? ((double *)row)[j] : (double)((float *)row)[j]);
                t->column[j] += p;
                t->slash[j + back] += p; /* at most all - 1 */
            }
        }
    }
    return true;
}

/* ---- columns and diagonals as lists ---- */

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
    double *pick;
    uint8_t *column, *slash; /* whether they are taken */
};

static void desk_take(struct attn__scratch *s, const struct attn__pooled_size *z, struct desk *k)
{
    attn__stripes_take(s, z, &k->t);
    k->pick = ATTN__TAKE(s, z->k, double);
    k->column = ATTN__TAKE(s, z->k, uint8_t);
    k->slash = ATTN__TAKE(s, z->k, uint8_t);
}

bool attn__stripes_per_row(const struct attn__pooled_spec *spec,
                           const struct attn__pooled_size *z, int64_t *entries)
{
    int64_t columns = attn__min_i64(spec->stripes.columns, z->k);
    int64_t slashes = attn__min_i64(spec->stripes.slashes, z->k);
    *entries = attn__max_i64(attn__min_i64(columns + slashes, z->k), 1);
    return true;
}

void *attn__stripes_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                         const struct attn__pooled_size *z, int64_t threads)
{
    struct attn__scratch one = {.ok = true};
    struct desk k;
    (void)spec;
    desk_take(&one, z, &k);
    return attn__select_desks(s, &one, threads);
}

/* Columns and runs of diagonals that start at the same place or later, in
 * order: the numbers of both are next ones to be written. */
static void write_row(const struct job *x, int64_t row, int64_t first, int64_t n,
                      const struct desk *k)
{
    struct attn__select_writer out = attn__select_row_begin(x->rows, row);
    int64_t tile = x->m->spec->q_block, end = attn__min_i64(first + tile, n);
    int64_t c = 0; /* of diagonals: place in the last query; its distance is n - 1 - c */
    c = attn__max_i64(0, n - (first + tile)); /* longer ones do not reach the block */
    for (int64_t j = 0; j < end || c < n;) {
        while (j < end && k->column[j] == 0)
            j++;
        while (c < n && k->slash[c] == 0)
            c++;
        int64_t start = attn__max_i64(first - (n - 1 - c), 0);
        if (c < n && (j >= end || start <= j)) {
            attn__select_put(&out, start, attn__min_i64(tile, n - start), 0, false);
            c++;
        } else if (j < end) {
            attn__select_put(&out, j++, 1, 0, false);
        }
    }
    attn__select_row_end(&out);
}

static void fail_rows(const struct job *x, int64_t row0, int64_t n)
{
    for (int64_t t = 0; t < n; t++) {
        struct attn__select_writer out = attn__select_row_begin(x->rows, row0 + t);
        attn__select_put_fault(&out, ATTN__SELECT_NAN);
        attn__select_row_end(&out);
    }
}

/* What is taken of one of the statistics. */
static void pick(double *score, uint8_t *state, int64_t n, int64_t from, int64_t to, int64_t top,
                 double *room)
{
    const struct attn__pick p = {.rule = ATTN__PICK_TOP, .top = top};
    for (int64_t j = 0; j < n; j++) {
        state[j] = ATTN__PICK_MAY;
        if (j >= from && j < to)
            score[j] = INFINITY;
    }
    attn__pick_row(&p, score, state, n, room);
}

static void task(void *arg, int64_t worker)
{
    const struct job *x = arg;
    const struct attn__stripes_spec *spec = &x->m->spec->stripes;
    struct attn__scratch s = {.base = x->desks + (size_t)worker * x->desk_bytes, .ok = true};
    struct desk k;
    desk_take(&s, x->z, &k);
    for (int64_t a = worker; a < x->tasks; a += x->workers) {
        struct attn__seq seq = attn__call_seq(x->r->call, a / x->rows->sets);
        int64_t n = seq.nk, row0 = a * x->rows->blocks, queries;
        queries = attn__min_i64(spec->queries, n);
        if (n == 0)
            continue;
        if (!attn__stripes_make(x->r, x->m, x->z, &seq, a % x->rows->sets, queries, &k.t)) {
            fail_rows(x, row0, x->rows->blocks);
            continue;
        }
        pick(k.t.column, k.column, n, 0, spec->first, spec->columns, k.pick);
        pick(k.t.slash, k.slash, n, n - spec->near, n, spec->slashes, k.pick);
        for (int64_t t = 0; t * x->rows->q_block < n; t++)
            write_row(x, row0 + t, t * x->rows->q_block, n, &k);
    }
}

int32_t attn__stripes_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                          const struct attn__pooled_size *z, struct attn__select_rows *rows,
                          int64_t per_row, void *room)
{
    struct job x = {.r = r, .m = m, .z = z, .rows = rows, .desks = room};
    struct attn__scratch one = {.ok = true};
    struct desk k;
    desk_take(&one, z, &k);
    x.desk_bytes = one.used;
    x.tasks = rows->n_batch * rows->sets;
    x.workers = attn__min_i64(r->machine->threads, x.tasks);
    attn__select_begin(rows, per_row);
    attn__threads_run(r->threads, x.workers, task, &x);
    return attn__select_end(rows, "selection");
}
