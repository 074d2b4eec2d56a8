/* SPDX-License-Identifier: MIT */
/*
 * rows: whole rows of scores of a few queries, without BLAS. The solver for
 * normalisers that need all scores of a row, and for outputs made from scores
 * where gemm is not to be had.
 *
 * An item is a few rows of the heads that share K and V, as in decode: the keys
 * are read in order for q.k, the rows become weights, and the values are
 * summed in slabs. Slabs in which no row has a weight are skipped.
 */
#include <stdio.h>

#include "solvers/active.h"
#include "solvers/epilogue.h"
#include "solvers/finish.h"
#include "solvers/norm_pass.h"
#include "solvers/qk_load.h"
#include "solvers/score_row.h"
#include "solvers/solvers.h"
#include "solvers/units.h"

enum {
    MOST_ROWS = 32,
    LEAST_ROWS = 4,
    BLOCK_SCORES = 1 << 18, /* of an item: they should stay in L2 */
    SPAN = 256,             /* keys between looks at K */
    SLAB = 128,             /* keys whose values are summed by themselves */
    ALIGN = 16,             /* sums of a row go by the key's number modulo the
                             * lanes, whoever its neighbours are */
};

struct worker {
    float *q, *s;    /* [rows][d], [rows][k] */
    float *tq;       /* [rows][d], for QUERY_TABLE; NULL without */
    float *o, *part; /* [rows][dv] */
    float *m, *l;    /* [rows] */
    int64_t *lines;  /* [rows], with head gates */
    float *k, *v; /* [SPAN][d], [SLAB][dv]: only for odd strides */
    double *col;  /* [k] */
    struct attn__score_work score;
    struct attn__row_scratch exact;
};

struct state {
    const struct attn__exec *x;
    const struct attn__call *without; /* the call without COLSUM */
    struct worker *worker;
    struct attn__active active;
    bool colsum; /* then a unit is all rows of a head, in order */
};

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    const char *reason = NULL;
    if (p->dtype == ATTN_DTYPE_F64)
        reason = "computes in f32, dtype is f64";
    else if (p->select.logits)
        reason = "knows no logits of lists";
    else if (p->invariant == ATTN_INVARIANT_CHUNK)
        reason = "invariant=chunk, and sums a row in one piece";
    else if (p->k == ATTN_UNBOUNDED)
        reason = "keeps whole rows of scores, and k is inf";
    if (reason)
        snprintf(why, ATTN__WHY_MAX, "%s", reason);
    return !reason;
}

static int64_t item_rows(const struct attn__problem *p)
{
    int64_t rows = BLOCK_SCORES / attn__max_i64(p->k, 1);
    return attn__max_i64(LEAST_ROWS, attn__min_i64(rows, MOST_ROWS));
}

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)m;
    (void)q;
    (void)k;
    return (struct attn__tiles){.rows = (int32_t)item_rows(p)};
}

static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    double rate = attn__machine_rate(m), width = (double)(p->d + p->dv);
    double item = (double)attn__min_i64(item_rows(p), attn__max_i64(q * p->max_group, 1));
    double keys = attn__vis_share(p, q, k) * (double)k + (p->n_pieces ? item / 2 : 0);
    keys = keys > (double)k || attn__score_row_all_pairs(p) ? (double)k : keys;
    double rows = (double)p->hout * (double)q, passes = ceil(rows / item);
    double score = 34 + attn__score_cost(p) + attn__score_row_cost(p) +
                   (p->mask || p->segments ? 15 : 0);
    double convert = p->kv_dtype == ATTN_DTYPE_F32 ? 0 : 0.35 * width / rate;
    convert += attn__qk_cost_k(p) * (double)p->d / rate;
    return rows * (keys * (1.15 * width + score) / rate + 12.5 * width / rate + 285) +
           passes * (keys * convert + attn__stream_cost(p, q, k, keys, 5, 9) + 830);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    int64_t rows = item_rows(p), k = attn__max_i64(p->k, 1), pairs = 0;
    s->ok = s->ok && attn__mul_i64(rows, k, &pairs);
    attn__units_take(s, p, start);
    attn__active_take(s, p, true, &st->active);
    st->worker = ATTN__TAKE(s, m->threads, struct worker);
    for (int64_t n = 0; n < m->threads; n++) {
        struct worker w = {0};
        w.q = ATTN__TAKE(s, rows * p->d, float);
        w.tq = attn__score_has_table(p) ? ATTN__TAKE(s, rows * p->d, float) : NULL;
        w.s = ATTN__TAKE(s, pairs, float);
        w.o = ATTN__TAKE(s, rows * p->dv, float);
        w.part = ATTN__TAKE(s, rows * p->dv, float);
        w.m = ATTN__TAKE(s, rows, float);
        w.l = ATTN__TAKE(s, rows, float);
        w.lines = ATTN__TAKE(s, p->epilogue.head_gate ? rows : 0, int64_t);
        w.k = ATTN__TAKE(s, SPAN * p->d, float);
        w.v = ATTN__TAKE(s, SLAB * p->dv, float);
        w.col = ATTN__TAKE(s, p->want & ATTN_WANT_COLSUM ? k : 0, double);
        attn__score_work_take(s, p, 1, ATTN__SCORE_RUN, &w.score);
        attn__row_scratch_take(s, p, &w.exact);
        if (st->worker)
            st->worker[n] = w;
    }
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct state st = {0};
    int64_t *start;
    carve(&s, p, m, &st, &start);
    *bytes = s.used;
    return s.ok;
}

/* A head group is cut into parts of `heads` heads, and those into items of
 * `queries` queries. */
struct shape {
    int64_t heads, parts, queries, blocks;
};

static struct shape shape_of(const struct attn__problem *p, const struct attn__seq *s, int64_t g)
{
    int64_t all = p->group[g + 1] - p->group[g], rows = item_rows(p);
    struct shape h = {.heads = attn__min_i64(all, rows)};
    if (p->want & ATTN_WANT_COLSUM || p->epilogue.any) /* head by head */
        h.heads = 1;
    h.parts = (all + h.heads - 1) / h.heads;
    h.queries = rows / h.heads;
    h.blocks = attn__max_i64((s->nq + h.queries - 1) / h.queries, 1);
    return h;
}

static int64_t group_units(const struct attn__exec *x, const struct attn__seq *s, int64_t g)
{
    struct shape h = shape_of(x->call->p, s, g);
    return x->call->p->want & ATTN_WANT_COLSUM ? h.parts : h.parts * h.blocks;
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    return attn__units_of_groups(x, s, group_units);
}

/* An item at work: row r is query i0 + r / heads of output head h0 + r % heads;
 * with head gates it is line w->lines[r] of one head. */
struct item {
    const struct state *st;
    const struct attn__call *c;
    const struct attn__kernels *kern;
    const struct attn__seq *s;
    struct worker *w;
    int64_t h0, heads, i0, rows;
    int64_t j0, j1; /* the keys at hand */
    struct attn__qk qk;
    struct attn__vis vis;
    struct attn__score score;
};

static void load_queries(const struct item *it)
{
    const struct attn__problem *p = it->c->p;
    float *tq = it->w->tq;
    for (int64_t r = 0; r < it->rows; r++) {
        int64_t at = it->i0 * it->heads + r;
        int64_t h = attn__vis_head(&it->vis, at), i = attn__vis_query(&it->vis, at);
        float *row = it->w->q + r * p->d;
        attn__qk_load_q(&it->qk, it->kern, h, i, 1, row, p->d);
        if (p->score.own_rows)
            attn__score_query(&it->score, it->i0 * it->heads + r, row, tq ? tq + r * p->d : NULL);
        else
            it->kern->vec_scale(row, p->d, (float)p->scale);
    }
}

static void scores(const struct item *it)
{
    const struct attn__problem *p = it->c->p;
    struct attn__rows k = attn__call_k(it->c, it->s, it->h0);
    int64_t lds = it->j1 - it->j0, d = p->d, ld;
    bool plain = !attn__qk_changes_k(p);
    for (int64_t j = it->j0; j < it->j1; j += SPAN) {
        int64_t n = attn__min_i64(SPAN, it->j1 - j);
        float *s = it->w->s + (j - it->j0);
        const void *at = attn__rows_at(&k, j);
        if (plain && attn__rows_plain(&k, ATTN_DTYPE_F16)) {
            it->kern->row_qk_f16(at, k.row, n, d, it->w->q, d, it->rows, s, lds, 0);
        } else if (plain && attn__rows_plain(&k, ATTN_DTYPE_BF16)) {
            it->kern->row_qk_bf16(at, k.row, n, d, it->w->q, d, it->rows, s, lds, 0);
        } else {
            const float *f =
                attn__qk_k(&it->qk, it->kern, it->h0, &k, j, n, it->w->k, &ld);
            it->kern->row_qk_f32(f, ld, n, d, it->w->q, d, it->rows, s, lds, 0);
        }
    }
}

static void weights(const struct item *it)
{
    int64_t n = it->j1 - it->j0;
    for (int64_t r = 0; r < it->rows; r++) {
        struct attn__score_row row = {&it->score, &it->vis, it->i0 * it->heads + r,
                                      it->j0,     it->j1,   it->w->exact.x};
        attn__score_row_weights(&row, it->w->s + r * n, &it->w->m[r], &it->w->l[r]);
    }
}

static bool has_weight(const float *p, int64_t ld, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < n; j++)
            if (p[r * ld + j] != 0)
                return true;
    return false;
}

static void values(const struct item *it)
{
    struct attn__rows v = attn__call_v(it->c, it->s, it->h0);
    int64_t dv = it->c->p->dv, lds = it->j1 - it->j0, all = it->rows * dv, ld;
    float *part = it->w->part, *o = it->w->o;
    memset(o, 0, (size_t)all * sizeof *o);
    for (int64_t j = it->j0, end; j < it->j1; j = end) {
        end = attn__min_i64(it->j1, j + SLAB - j % SLAB);
        const float *p = it->w->s + (j - it->j0);
        const void *at = attn__rows_at(&v, j);
        if (!has_weight(p, lds, it->rows, end - j))
            continue;
        memset(part, 0, (size_t)all * sizeof *part);
        if (attn__rows_plain(&v, ATTN_DTYPE_F16)) {
            it->kern->row_pv_f16(at, v.row, end - j, dv, p, lds, it->rows, part, dv, 0);
        } else if (attn__rows_plain(&v, ATTN_DTYPE_BF16)) {
            it->kern->row_pv_bf16(at, v.row, end - j, dv, p, lds, it->rows, part, dv, 0);
        } else {
            const float *f = attn__rows_f32(it->kern, &v, j, end - j, dv, it->w->v, &ld);
            it->kern->row_pv_f32(f, ld, end - j, dv, p, lds, it->rows, part, dv, 0);
        }
        for (int64_t e = 0; e < all; e++)
            o[e] += part[e];
    }
}

/* For COUNTS, spans of items are the tiles. */
static int64_t spans(int64_t keys)
{
    return (keys + SPAN - 1) / SPAN;
}

static void run_item(struct item *it)
{
    int64_t n;
    struct worker *w = it->w;
    it->j0 = 0;
    it->j1 = it->s->nk;
    if (!attn__score_row_all_pairs(it->c->p))
        attn__vis_hull(&it->vis, it->i0 * it->heads, it->i0 * it->heads + it->rows, &it->j0,
                       &it->j1);
    it->j0 -= it->j0 % ALIGN;
    n = it->j1 - it->j0;
    attn__exec_did(it->st->x, it->rows * n, spans(n), spans(it->s->nk));
    it->score = (struct attn__score){it->c,     it->kern, it->s, &it->vis,
                                     &w->score, w->tq,    it->i0 * it->heads};
    load_queries(it);
    scores(it);
    weights(it);
    values(it);
    if (it->st->colsum) /* one head: row r is query i0 + r */
        for (int64_t r = 0; r < it->rows; r++)
            for (int64_t j = 0; j < n; j++)
                w->col[j] += (double)w->s[r * n + j];
    attn__finish_rows(it->st->without, it->kern, it->s, &it->vis, it->i0 * it->heads, it->rows,
                      w->o, it->c->p->dv, w->m, w->l, &w->exact,
                      NULL);
}

/* Of the item's rows those that are active ones of the head's list; false: the
 * list is not that long. */
static bool gather(struct item *it)
{
    int64_t first = it->i0, all = attn__active_count(it->st->x, it->s, it->h0);
    it->rows = attn__min_i64(it->rows, all - first);
    it->i0 = 0;
    it->vis.lines = it->w->lines;
    if (it->rows > 0)
        attn__active_lines(it->st->x, it->s, it->h0, first, it->rows, it->w->lines);
    return it->rows > 0;
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t index)
{
    struct state *st = arg;
    const struct attn__call *c = st->x->call;
    struct worker *w = &st->worker[worker];
    int64_t g = attn__units_find_group(st->x, s, group_units, &index);
    struct shape shape = shape_of(c->p, s, g);
    struct item it = {.st = st, .c = c, .kern = st->x->machine->kern, .s = s, .w = w};
    int64_t part = st->colsum ? index : index / shape.blocks;
    int64_t b0 = st->colsum ? 0 : index % shape.blocks;
    int64_t b1 = st->colsum ? shape.blocks : b0 + 1;
    it.h0 = c->p->group[g] + part * shape.heads;
    it.heads = attn__min_i64(shape.heads, c->p->group[g + 1] - it.h0);
    bool skip = attn__epilogue_skips(c, s, it.h0, it.heads);
    for (int64_t h = 0; h < it.heads && b0 == 0 && skip && !st->x->active; h++)
        attn__rows_none(c, s, it.h0 + h);
    if (skip) {
        int64_t items = s->nq > 0 ? b1 - b0 : 0;
        attn__exec_did(st->x, 0, 0, items * spans(s->nk));
        return;
    }
    it.qk = attn__qk_begin(c, s, w->exact.qk);
    attn__call_vis_into(&it.vis, c, s, it.h0, it.heads);
    for (int64_t h = 0; h < it.heads && b0 == 0 && !st->x->active; h++)
        attn__rows_pad(c, s, it.h0 + h);
    for (int64_t j = 0; j < s->nk && st->colsum; j++)
        w->col[j] = 0;
    for (int64_t b = b0; b < b1 && s->nq > 0; b++) {
        it.i0 = b * shape.queries;
        it.rows = attn__min_i64(shape.queries, s->nq - it.i0) * it.heads;
        if (!st->x->active || gather(&it))
            run_item(&it);
        else
            attn__exec_did(st->x, 0, 0, spans(s->nk));
    }
    if (st->colsum && c->has[ATTN__SLOT_COLSUM]) {
        struct attn__rows out = attn__call_colsum(c, s, it.h0);
        for (int64_t j = 0; j < s->nk; j++)
            attn__rows_store(&out, j, 0, w->col[j]);
    }
}

static void run(const struct attn__exec *x)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct attn__exec mine = *x;
    struct attn__call copy; /* is long: only where it is needed */
    struct state st = {.x = &mine, .without = x->call};
    struct attn__units u = {.x = &mine, .count = count, .unit = unit, .arg = &st};
    carve(&s, x->call->p, x->machine, &st, &u.start);
    if (x->call->has[ATTN__SLOT_COLSUM]) {
        copy = *x->call;
        copy.has[ATTN__SLOT_COLSUM] = false;
        st.without = &copy;
    }
    mine.active = attn__active_begin(x, &st.active);
    st.colsum = (x->call->p->want & ATTN_WANT_COLSUM) != 0;
    attn__units_run(&u);
}

const struct attn__solver attn__solver_rows = {
    .name = "rows",
    .verb = ATTN__VERB_ATTEND,
    .applicable = applicable,
    .tiles = tiles,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
