/* SPDX-License-Identifier: MIT */
/*
 * Scores of low rank. With the projections of the paper, keys become Kb rows
 * kd = P^T (K Wk^T + bk) and the coefficients of a query the softmax of
 * (Wq q + bq) . kd: here kd is multiplied with Wq once for each key head, so that
 * a query is multiplied with Kb rows as it is. The few largest coefficients times
 * rows of the basis are the scores that tokens are picked by.
 */
#include "solvers/select_predict.h"

#include "solvers/rows_load.h"
#include "solvers/select_pick.h"
#include "solvers/select_stripes.h"
#include "solvers/select_tasks.h"
#include "solvers/select_view.h"

/* For all workers; floats, or doubles if scores are. */
struct made {
    char *down;    /* [basis][k]: P, across */
    char *up;      /* [basis][k]: |R| across, small numbers 0 */
    double *wq, *wk; /* [width][d] */
    char *rows;    /* [b][k_heads][basis][d]: kd Wq */
    double *terms; /* [b][k_heads][basis]: kd . bq */
    char *desks;
};

struct desk {
    char *q;            /* [ATTN__POOLED_ROWS][d] */
    char *s;            /* [ATTN__POOLED_ROWS][basis]: products */
    char *sum;          /* [basis][d]: P^T K */
    float *piece;       /* [ATTN__POOLED_PIECE][d] */
    double *kd, *sum_q; /* [width], [d]: a row of kd, and of kd Wq */
    double *coef, *pick; /* [basis], [max(basis, k)] */
    double *line;       /* [k]: scores of a row */
    float *narrow;      /* [k]: the same before they are widened */
    float *weight;      /* [basis] */
    const float **each; /* [basis]: rows of the basis that count */
    uint8_t *state;     /* [max(basis, k)] */
};

static void desk_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, struct desk *k)
{
    bool given = spec->predict.given;
    int64_t basis = given ? 0 : spec->predict.basis, d = given ? 0 : z->d, most;
    int64_t q = 0, scores = 0, sums = 0, piece = 0;
    size_t size = attn__select_size(z->exact);
    most = attn__max_i64(basis, z->k);
    s->ok = s->ok && attn__mul_i64(ATTN__POOLED_ROWS, d, &q) &&
            attn__mul_i64(ATTN__POOLED_ROWS, basis, &scores) && attn__mul_i64(basis, d, &sums) &&
            attn__mul_i64(ATTN__POOLED_PIECE, d, &piece);
    k->q = attn__scratch_take(s, q, size);
    k->s = attn__scratch_take(s, scores, size);
    k->sum = attn__scratch_take(s, sums, size);
    k->piece = ATTN__TAKE(s, piece, float);
    k->kd = ATTN__TAKE(s, given ? 0 : spec->predict.width, double);
    k->sum_q = ATTN__TAKE(s, d, double);
    k->coef = ATTN__TAKE(s, basis, double);
    k->pick = ATTN__TAKE(s, most, double);
    k->line = ATTN__TAKE(s, z->k, double);
    k->narrow = ATTN__TAKE(s, given ? 0 : z->k, float);
    k->weight = ATTN__TAKE(s, basis, float);
    k->each = ATTN__TAKE(s, basis, const float *);
    k->state = ATTN__TAKE(s, most, uint8_t);
}

static void made_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads, struct made *m)
{
    struct attn__scratch one = {.ok = true};
    struct desk k;
    int64_t basis = spec->predict.given ? 0 : spec->predict.basis;
    int64_t side = 0, terms = 0, rows = 0, weights = 0;
    size_t size = attn__select_size(z->exact);
    s->ok = s->ok && attn__mul_i64(basis, z->k, &side) && attn__mul_i64(z->b, z->k_heads, &terms) &&
            attn__mul_i64(terms, basis, &terms) && attn__mul_i64(terms, z->d, &rows) &&
            attn__mul_i64(spec->predict.given ? 0 : spec->predict.width, z->d, &weights);
    desk_take(&one, spec, z, &k);
    m->down = attn__scratch_take(s, side, size);
    m->up = attn__scratch_take(s, side, size);
    m->wq = ATTN__TAKE(s, weights, double);
    m->wk = ATTN__TAKE(s, weights, double);
    m->rows = attn__scratch_take(s, rows, size);
    m->terms = ATTN__TAKE(s, terms, double);
    m->desks = attn__select_desks(s, &one, threads);
}

bool attn__predict_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                           int64_t *entries)
{
    *entries = attn__max_i64(attn__min_i64(spec->top, z->k), 1);
    return true;
}

void *attn__predict_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                         const struct attn__pooled_size *z, int64_t threads)
{
    struct attn__scratch at = attn__select_part_begin(s);
    struct made m;
    made_take(&at, spec, z, threads, &m);
    return attn__select_part_end(s, &at);
}

static struct desk desk_of(const struct attn__select_tasks *x, char *memory)
{
    struct attn__scratch s = {.base = memory, .ok = true};
    struct desk k;
    desk_take(&s, x->m->spec, x->z, &k);
    return k;
}

/* ---- the basis, and what stands for the keys ---- */

static double given(const struct attn__select_tasks *x, enum attn__slot slot, int64_t i, int64_t j)
{
    const attn_tensor *t = &x->r->call->t[slot];
    return attn__load_f64(t->data, i * t->stride[0] + (t->rank > 1 ? j * t->stride[1] : 0),
                          t->dtype);
}

static void store(bool exact, char *to, int64_t at, double value)
{
    if (exact)
        ((double *)(void *)to)[at] = value;
    else
        ((float *)(void *)to)[at] = (float)value;
}

/* Each number is wanted for each row of the basis. */
static void load_weights(const struct attn__select_tasks *x, const struct made *made)
{
    for (int64_t w = 0; w < x->m->spec->predict.width; w++)
        for (int64_t e = 0; e < x->z->d; e++) {
            made->wq[w * x->z->d + e] = given(x, ATTN__SLOT_PREDICT_WQ, w, e);
            made->wk[w * x->z->d + e] = given(x, ATTN__SLOT_PREDICT_WK, w, e);
        }
}

/* Both of its sides, across. */
static void make_basis(const struct attn__select_tasks *x, int64_t n, const struct made *made)
{
    const struct attn__predict_spec *spec = &x->m->spec->predict;
    for (int64_t j = 0; j < n; j++)
        for (int64_t c = 0; c < spec->basis; c++) {
            double up = fabs(given(x, ATTN__SLOT_PREDICT_UP, j, c));
            store(x->z->exact, made->down, c * n + j, given(x, ATTN__SLOT_PREDICT_DOWN, j, c));
            store(x->z->exact, made->up, c * n + j, up <= spec->least ? 0 : up);
        }
}

/* k->sum = P^T K of a key head. */
static void sum_keys(const struct attn__select_tasks *x, const struct attn__select_part *part,
                     const struct desk *k)
{
    const struct made *made = x->made;
    struct attn__rows rows = attn__pooled_head(&x->m->k, part->s.b, part->h, part->s.k0);
    int64_t basis = x->m->spec->predict.basis, d = x->z->d, n = part->s.nk;
    memset(k->sum, 0, (size_t)(basis * d) * attn__select_size(x->z->exact));
    for (int64_t j = 0; j < n && x->z->exact; j++)
        for (int64_t c = 0; c < basis; c++) {
            double p = ((const double *)(void *)made->down)[c * n + j];
            double *sum = (double *)(void *)k->sum + c * d;
            for (int64_t e = 0; e < d; e++)
                sum[e] += p * attn__rows_load(&rows, j, e);
        }
    for (int64_t j = 0; j < n && !x->z->exact; j += ATTN__POOLED_PIECE) {
        const struct attn__kernels *kern = x->r->machine->kern;
        int64_t ld, m = attn__min_i64(ATTN__POOLED_PIECE, n - j);
        const float *v = attn__rows_f32(kern, &rows, j, m, d, k->piece, &ld);
        kern->row_pv_f32(v, ld, m, d, (const float *)(void *)made->down + j, n, basis,
                         (float *)(void *)k->sum, d, 0);
    }
}

/* Rows and terms of a key head. */
static void make_rows_of_keys(const struct attn__select_tasks *x,
                              const struct attn__select_part *part, char *desk)
{
    const struct made *made = x->made;
    struct desk k = desk_of(x, desk);
    bool exact = x->z->exact;
    int64_t basis = x->m->spec->predict.basis, width = x->m->spec->predict.width, d = x->z->d;
    int64_t head = part->s.index * x->z->k_heads + part->h;
    sum_keys(x, part, &k);
    for (int64_t c = 0; c < basis; c++) {
        double all = 0, term = 0;
        for (int64_t j = 0; j < part->s.nk; j++)
            all += attn__select_at(exact, made->down, c * part->s.nk + j);
        for (int64_t w = 0; w < width; w++) {
            k.kd[w] = all * given(x, ATTN__SLOT_PREDICT_BK, w, 0);
            for (int64_t e = 0; e < d; e++)
                k.kd[w] += attn__select_at(exact, k.sum, c * d + e) * made->wk[w * d + e];
            term += k.kd[w] * given(x, ATTN__SLOT_PREDICT_BQ, w, 0);
        }
        made->terms[head * basis + c] = term;
        memset(k.sum_q, 0, (size_t)d * sizeof *k.sum_q);
        for (int64_t w = 0; w < width; w++)
            for (int64_t e = 0; e < d; e++)
                k.sum_q[e] += k.kd[w] * made->wq[w * d + e];
        for (int64_t e = 0; e < d; e++)
            store(exact, made->rows, (head * basis + c) * d + e, k.sum_q[e]);
    }
}

/* ---- scores of rows ---- */

/* Coefficients from the products of a query in s; false for NaN or inf. */
static bool coefficients(const struct attn__select_tasks *x, const double *terms, const char *s,
                         const struct desk *k)
{
    const struct attn__predict_spec *spec = &x->m->spec->predict;
    const struct attn__pick pick = {.rule = ATTN__PICK_TOP, .top = spec->top};
    double top = -INFINITY, sum = 0;
    for (int64_t c = 0; c < spec->basis; c++) {
        k->coef[c] = x->m->spec->scale * (attn__select_at(x->z->exact, s, c) + terms[c]);
        top = k->coef[c] > top || isnan(k->coef[c]) ? k->coef[c] : top;
        k->state[c] = ATTN__PICK_MAY;
    }
    if (!(fabs(top) < INFINITY))
        return false;
    for (int64_t c = 0; c < spec->basis; c++)
        sum += k->coef[c] = exp(k->coef[c] - top);
    attn__pick_row(&pick, k->coef, k->state, spec->basis, k->pick);
    for (int64_t c = 0; c < spec->basis; c++)
        k->coef[c] = k->state[c] == ATTN__PICK_IN ? k->coef[c] / sum : 0;
    return true;
}

/* k->line[j] = sum of coefficients times column j of the basis, j < n. */
static void combine(const struct attn__select_tasks *x, int64_t n, const struct desk *k)
{
    const struct made *made = x->made;
    int64_t basis = x->m->spec->predict.basis, count = 0;
    if (x->z->exact) {
        for (int64_t j = 0; j < n; j++)
            k->line[j] = 0;
        for (int64_t c = 0; c < basis; c++)
            for (int64_t j = 0; j < n && k->coef[c] > 0; j++)
                k->line[j] += k->coef[c] * ((const double *)(void *)made->up)[c * n + j];
        return;
    }
    for (int64_t c = 0; c < basis; c++) {
        if (k->coef[c] <= 0)
            continue;
        k->weight[count] = (float)k->coef[c];
        k->each[count++] = (const float *)(void *)made->up + c * n;
    }
    memset(k->narrow, 0, (size_t)n * sizeof *k->narrow);
    x->r->machine->kern->row_pv_each_f32(k->each, count, n, k->weight, basis, 1, k->narrow, n,
                                         NULL);
    for (int64_t j = 0; j < n; j++)
        k->line[j] = k->narrow[j];
}

static void load_line(const struct attn__select_tasks *x, const struct attn__select_part *part,
                      int64_t i, const struct desk *k)
{
    const attn_tensor *t = &x->r->call->t[ATTN__SLOT_SELECT_SCORES];
    int64_t at = i * t->stride[2] + part->s.k_skip * t->stride[3];
    at += t->shape[0] > 1 ? part->s.b * t->stride[0] : 0;
    at += t->shape[1] > 1 ? part->h * t->stride[1] : 0;
    for (int64_t j = 0; j < part->s.nk; j++)
        k->line[j] = attn__load_f64(t->data, at + j * t->stride[3], t->dtype);
}

static void write_row(const struct attn__select_tasks *x, int64_t row, int64_t n, bool full,
                      const uint8_t *state)
{
    enum { RUN = 64 }; /* keys that are written at a time */
    struct attn__select_writer out = attn__select_row_begin(x->rows, row);
    if (full)
        attn__select_put(&out, 0, n, 0, false);
    for (int64_t j0 = 0; j0 < n && !full; j0 += RUN) {
        int64_t end = attn__min_i64(j0 + RUN, n), found = 0;
        int32_t key[RUN];
        for (int64_t j = j0; j < end; j++) { /* without a branch */
            key[found] = (int32_t)j;
            found += state[j] == ATTN__PICK_IN;
        }
        attn__select_put_keys(&out, key, found);
    }
    attn__select_row_end(&out);
}

static void make_rows(const struct attn__select_tasks *x, const struct attn__select_part *part,
                      char *desk)
{
    const struct made *made = x->made;
    const struct attn__predict_spec *spec = &x->m->spec->predict;
    const struct attn__pick pick = {.rule = ATTN__PICK_TOP, .top = x->m->spec->top};
    struct desk k = desk_of(x, desk);
    bool exact = x->z->exact;
    int64_t rows = attn__min_i64(part->n, part->s.nq - part->at), n = part->s.nk, d = x->z->d;
    int64_t head = part->s.index * x->z->k_heads + (x->m->k_head ? x->m->k_head[part->h] : part->h);
    if (rows > 0 && !spec->given) {
        struct attn__rows q = attn__stripes_q(x->m, &part->s, part->h);
        struct attn__rows to = attn__select_dense(
            exact, made->rows + (size_t)(head * spec->basis * d) * attn__select_size(exact), d);
        attn__select_load(x->r->machine->kern, &q, part->at, rows, d, exact, k.q);
        attn__stripes_products(x->r, x->z, k.q, rows, &to, spec->basis, k.s, spec->basis, k.piece);
    }
    for (int64_t i = 0; i < rows; i++) {
        int64_t row = attn__select_row_of(x, part, part->h, part->at + i);
        bool full = part->at + i < spec->full, good = true;
        const char *s = k.s + (size_t)(i * spec->basis) * attn__select_size(exact);
        if (!full && spec->given)
            load_line(x, part, part->at + i, &k);
        else if (!full)
            good = coefficients(x, made->terms + head * spec->basis, s, &k);
        if (!full && !spec->given && good)
            combine(x, n, &k);
        for (int64_t j = 0; j < n; j++)
            k.state[j] = ATTN__PICK_MAY;
        if (good && (full || attn__pick_row(&pick, k.line, k.state, n, k.pick)))
            write_row(x, row, n, full, k.state);
        else
            attn__select_row_nan(x->rows, row);
    }
}

int32_t attn__predict_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                          const struct attn__pooled_size *z, struct attn__select_rows *rows,
                          int64_t per_row, void *room)
{
    struct attn__scratch s = {.base = room, .ok = true}, one = {.ok = true};
    struct made made;
    struct desk k;
    made_take(&s, m->spec, z, r->machine->threads, &made);
    desk_take(&one, m->spec, z, &k);
    const struct attn__select_tasks x = {.r = r, .m = m, .z = z, .rows = rows, .made = &made,
                                         .desks = made.desks, .desk_bytes = one.used};
    attn__select_begin(rows, per_row);
    if (!m->spec->predict.given) {
        load_weights(&x, &made);
        make_basis(&x, r->call->t[ATTN__SLOT_K].shape[2], &made);
        attn__select_tasks_run(&x, z->k_heads, 1, 1, make_rows_of_keys);
    }
    attn__select_tasks_run(&x, rows->sets, rows->blocks, ATTN__POOLED_ROWS, make_rows);
    return attn__select_end(rows, "selection");
}
