/* SPDX-License-Identifier: MIT */
/*
 * decode: few query rows against many keys (split-KV, Flash-Decoding, Dao et
 * al., 2023). K and V are read once, in order, for all rows of all query
 * heads that share them. The keys are cut into chunks of fixed size; a chunk
 * is a unit of work, and partial results are joined in a fixed tree.
 */
#include "solvers/chunk_tree.h"
#include "solvers/finish.h"
#include "solvers/rows_load.h"
#include "solvers/score_steps.h"
#include "solvers/solvers.h"
#include "solvers/units.h"

enum {
    MAX_ROWS = 32, /* rows that pass over K and V together */
    BLOCK = 256,   /* keys between changes of stream from K to V */
    FETCH = 4096,  /* bytes ahead of their use that K and V are asked for */
    NEAR = 2 << 20, /* unless all that is read of them is no more than this */
    SLAB = 128,    /* keys whose values are summed by themselves */
    CHUNK = 1024,  /* keys of a unit */
};

/*
 * An item is what one pass over the keys serves: up to MAX_ROWS rows, row r
 * being query i0 + r / heads of output head h0 + r % heads.
 */
struct item {
    int64_t h0, heads, i0, queries;
};

struct worker {
    float *q;      /* [rows][d], scaled */
    float *s;      /* [rows][BLOCK] */
    float *o;      /* [rows][dv], sums of a slab, then finished rows */
    float *m, *l;  /* [rows] */
    float *k, *v;  /* [BLOCK][d], [BLOCK][dv]: only for odd strides */
    struct attn__score_work score;
    struct attn__row_scratch exact;
    /* Items that are not all this worker's: the end of one begun by a worker
     * before, and the beginning of one that goes on after it. */
    struct attn__tree tail, head;
    int64_t tail_unit, head_unit; /* first unit of the item; -1: none */
};

struct state {
    const struct attn__exec *x;
    struct attn__units *units;
    struct worker *worker;
    int64_t workers;
};

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)p;
    (void)m;
    (void)q;
    (void)k;
    return (struct attn__tiles){.rows = MAX_ROWS, .keys = BLOCK, .chunk = CHUNK};
}

/* The numbers here and in the other solvers were fitted to the times of some
 * hundred random shapes (attn-bench --random). */
static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    double rate = attn__machine_rate(m), width = (double)(p->d + p->dv);
    /* What an item computes: what its rows see, and the edge between them. */
    double queries = (double)attn__min_i64(q, MAX_ROWS / attn__min_i64(p->max_group, MAX_ROWS));
    double keys = attn__vis_share(p, q, k) * (double)k + (p->n_pieces ? queries / 2 : 0);
    double rows = (double)p->hout * (double)q;
    keys = keys > (double)k ? (double)k : keys;
    double passes =
        (double)p->n_groups * (double)((p->max_group * q + MAX_ROWS - 1) / MAX_ROWS);
    double score = 2.4 + attn__score_cost(p) / rate + (p->mask || p->segments ? 1 : 0);
    double convert = p->kv_dtype == ATTN_DTYPE_F32 ? 0 : 0.35 * width / rate;
    return rows * (keys * (1.16 * width / rate + score) + 12.5 * width / rate + 150) +
           passes * (keys * convert + attn__stream_cost(p, k, keys, 2.5) + 720);
}

static int64_t item_rows(const struct attn__problem *p)
{
    int64_t most;
    if (!attn__mul_i64(p->max_group, attn__max_i64(p->q, 1), &most))
        return MAX_ROWS;
    return attn__min_i64(most, MAX_ROWS);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    int64_t rows = item_rows(p);
    int64_t chunks = p->k == ATTN_UNBOUNDED ? -1 : p->k / CHUNK + 1;
    int32_t depth = attn__tree_depth(chunks);
    attn__units_take(s, p, start);
    st->worker = ATTN__TAKE(s, m->threads, struct worker);
    for (int64_t n = 0; n < m->threads; n++) {
        struct worker w = {.tail_unit = -1, .head_unit = -1};
        w.q = ATTN__TAKE(s, rows * p->d, float);
        w.s = ATTN__TAKE(s, rows * BLOCK, float);
        w.o = ATTN__TAKE(s, rows * p->dv, float);
        w.m = ATTN__TAKE(s, rows, float);
        w.l = ATTN__TAKE(s, rows, float);
        w.k = ATTN__TAKE(s, BLOCK * p->d, float);
        w.v = ATTN__TAKE(s, BLOCK * p->dv, float);
        attn__score_work_take(s, p, 1, BLOCK, &w.score);
        attn__row_scratch_take(s, p, &w.exact);
        attn__tree_take(s, rows, p->dv, depth, &w.tail);
        attn__tree_take(s, rows, p->dv, depth, &w.head);
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

/* Items of a head group: its heads go together as far as MAX_ROWS reaches,
 * then as many queries as still fit. */
static void group_shape(const struct attn__problem *p, int64_t g, int64_t *heads,
                        int64_t *head_parts, int64_t *queries)
{
    int64_t all = p->group[g + 1] - p->group[g];
    *heads = attn__min_i64(all, MAX_ROWS);
    *head_parts = (all + *heads - 1) / *heads;
    *queries = MAX_ROWS / *heads;
}

static int64_t chunks_of(const struct attn__seq *s)
{
    return attn__max_i64((s->nk + CHUNK - 1) / CHUNK, 1);
}

static int64_t group_units(const struct attn__exec *x, const struct attn__seq *s, int64_t g)
{
    int64_t heads, parts, queries;
    group_shape(x->call->p, g, &heads, &parts, &queries);
    return parts * attn__max_i64((s->nq + queries - 1) / queries, 1) * chunks_of(s);
}

static struct item find_item(const struct attn__exec *x, const struct attn__seq *s, int64_t index)
{
    const struct attn__problem *p = x->call->p;
    int64_t heads, parts, queries, g = attn__units_find_group(x, s, group_units, &index);
    int64_t n = index / chunks_of(s);
    group_shape(p, g, &heads, &parts, &queries);
    struct item it;
    it.h0 = p->group[g] + n % parts * heads;
    it.heads = attn__min_i64(heads, p->group[g + 1] - it.h0);
    it.i0 = n / parts * queries;
    it.queries = attn__min_i64(queries, s->nq - it.i0);
    return it;
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    return attn__units_of_groups(x, s, group_units);
}

/* One item as a worker sees it. */
struct pass {
    const struct state *st;
    const struct attn__call *c;
    const struct attn__kernels *kern;
    const struct attn__seq *s;
    struct worker *w;
    struct item it;
    int64_t rows;
    struct attn__rows k, v;
    int64_t r0;           /* its first row, as visibility counts them */
    struct attn__vis vis;
    struct attn__score score;
    int64_t lo, hi;       /* no row sees a key outside */
    int64_t fetch;
};

static void begin(struct pass *ps)
{
    const struct attn__problem *p = ps->c->p;
    ps->rows = ps->it.heads * ps->it.queries;
    ps->k = attn__call_k(ps->c, ps->s, ps->it.h0);
    ps->v = attn__call_v(ps->c, ps->s, ps->it.h0);
    ps->r0 = ps->it.i0 * ps->it.heads;
    ps->vis = attn__call_vis(ps->c, ps->s, ps->it.h0, ps->it.heads);
    ps->score = (struct attn__score){ps->c,       ps->kern,     ps->s,
                                     ps->it.h0, ps->it.heads, &ps->w->score};
    if (ps->rows > 0)
        attn__vis_hull(&ps->vis, ps->r0, ps->r0 + ps->rows, &ps->lo, &ps->hi);
    /* in double: sizes of views may be anything */
    double bytes = (double)(ps->hi - ps->lo) * (double)(p->d + p->dv) *
                   (double)attn__dtype_size(p->kv_dtype);
    ps->fetch = bytes * (double)p->n_groups * (double)ps->c->n_seq > NEAR ? FETCH : 0;
    for (int64_t r = 0; r < ps->rows; r++) {
        struct attn__rows q = attn__call_q(ps->c, ps->s, ps->it.h0 + r % ps->it.heads);
        float *row = ps->w->q + r * p->d;
        attn__rows_to_f32(ps->kern, &q, ps->it.i0 + r / ps->it.heads, 1, 0, p->d, row, p->d);
        double f = attn__score_scale(ps->c, ps->s, ps->it.h0 + r % ps->it.heads,
                                     ps->it.i0 + r / ps->it.heads);
        ps->kern->vec_scale(row, p->d, (float)(p->score.steps ? f : f * M_LOG2E));
    }
}

static void row_qk(const struct pass *ps, int64_t j0, int64_t nk)
{
    const struct attn__rows *k = &ps->k;
    int64_t d = ps->c->p->d, ld;
    const void *at = attn__rows_at(k, j0);
    struct worker *w = ps->w;
    if (attn__rows_plain(k, ATTN_DTYPE_F16)) {
        ps->kern->row_qk_f16(at, k->row, nk, d, w->q, d, ps->rows, w->s, BLOCK,
                             ps->fetch);
    } else if (attn__rows_plain(k, ATTN_DTYPE_BF16)) {
        ps->kern->row_qk_bf16(at, k->row, nk, d, w->q, d, ps->rows, w->s, BLOCK,
                              ps->fetch);
    } else {
        const float *f = attn__rows_f32(ps->kern, k, j0, nk, d, w->k, &ld);
        ps->kern->row_qk_f32(f, ld, nk, d, w->q, d, ps->rows, w->s, BLOCK,
                             ps->fetch);
    }
}

/* o += the weights of keys at..at+nk-1 of the block at j0 times their V. */
static void row_pv(const struct pass *ps, int64_t j0, int64_t at, int64_t nk, float *o)
{
    const struct attn__rows *v = &ps->v;
    const struct attn__kernels *kern = ps->kern;
    int64_t dv = ps->c->p->dv, rows = ps->rows, ld;
    const void *first = attn__rows_at(v, j0 + at);
    const float *p = ps->w->s + at;
    if (attn__rows_plain(v, ATTN_DTYPE_F16)) {
        kern->row_pv_f16(first, v->row, nk, dv, p, BLOCK, rows, o, dv, ps->fetch);
    } else if (attn__rows_plain(v, ATTN_DTYPE_BF16)) {
        kern->row_pv_bf16(first, v->row, nk, dv, p, BLOCK, rows, o, dv, ps->fetch);
    } else {
        const float *f = attn__rows_f32(kern, v, j0 + at, nk, dv, ps->w->v, &ld);
        kern->row_pv_f32(f, ld, nk, dv, p, BLOCK, rows, o, dv, ps->fetch);
    }
}

/* The same for the whole block in slabs: one chain of additions over all keys
 * would gather an error that grows with their number. */
static void block_pv(const struct pass *ps, int64_t j0, int64_t nk, float *o)
{
    int64_t n = ps->rows * ps->c->p->dv;
    float *part = ps->w->o;
    for (int64_t at = 0; at < nk; at += SLAB) {
        memset(part, 0, (size_t)n * sizeof *part);
        row_pv(ps, j0, at, attn__min_i64(SLAB, nk - at), part);
        for (int64_t e = 0; e < n; e++)
            o[e] += part[e];
    }
}

/*
 * One block of keys into the state (m, l, o) of all rows. A row with l = 0 has
 * seen nothing yet, and its o has no meaning: it is cleared when it first sees
 * a key, so that what is masked costs nothing.
 */
static void block(const struct pass *ps, int64_t j0, int64_t j1, float *m, float *l, float *o)
{
    int64_t nk = j1 - j0, dv = ps->c->p->dv;
    enum attn__tile class = attn__vis_tile(&ps->vis, ps->r0, ps->r0 + ps->rows, j0, j1);
    if (class == ATTN__TILE_EMPTY)
        return;
    row_qk(ps, j0, nk);
    for (int64_t r = 0; r < ps->rows && ps->c->p->score.steps; r++) {
        float *s = ps->w->s + r * BLOCK;
        attn__score_row_steps(&ps->score, ATTN__STEPS_ALL, ps->r0 + r, j0, nk, s);
        ps->kern->vec_scale(s, nk, (float)M_LOG2E);
    }
    for (int64_t r = 0; r < ps->rows && class == ATTN__TILE_PARTIAL; r++)
        attn__vis_hide(&ps->vis, ps->r0 + r, j0, j1, ps->w->s + r * BLOCK);
    bool seen = false;
    for (int64_t r = 0; r < ps->rows; r++) {
        float *s = ps->w->s + r * BLOCK;
        float max = ps->kern->row_max(s, nk);
        if (max == -INFINITY) { /* nothing to see: weights 0 */
            memset(s, 0, (size_t)nk * sizeof *s);
            continue;
        }
        seen = true;
        if (l[r] == 0) {
            memset(o + r * dv, 0, (size_t)dv * sizeof *o);
            m[r] = max;
        } else if (!(max <= m[r])) {
            float f = exp2f(m[r] - max);
            l[r] *= f;
            ps->kern->vec_scale(o + r * dv, dv, f);
            m[r] = max;
        }
        l[r] += ps->kern->row_exp2(s, nk, m[r]);
    }
    if (!seen)
        return;
    for (int64_t r = 0; r < ps->rows; r++)
        if (l[r] == 0)
            memset(o + r * dv, 0, (size_t)dv * sizeof *o);
    block_pv(ps, j0, nk, o);
}

/* The state of chunk n, at the top of the tree. */
static void chunk(const struct pass *ps, int64_t n, struct attn__tree *t)
{
    float *m = attn__tree_m(t, t->n), *l = attn__tree_l(t, t->n), *o = attn__tree_o(t, t->n);
    for (int64_t r = 0; r < t->rows; r++) {
        m[r] = -INFINITY;
        l[r] = 0;
    }
    int64_t lo = attn__max_i64(n * CHUNK, ps->lo);
    int64_t hi = attn__min_i64(attn__min_i64((n + 1) * CHUNK, ps->s->nk), ps->hi);
    for (int64_t j = lo; j < hi; j += BLOCK - j % BLOCK)
        block(ps, j, attn__min_i64(hi, j + BLOCK - j % BLOCK), m, l, o);
    attn__tree_push(ps->kern, t, 0, n);
}

/* Sink logits come in once, at the end; then the rows are written. */
static void finish_item(const struct pass *ps, struct attn__tree *t)
{
    const struct item *it = &ps->it;
    struct worker *w = ps->w;
    int64_t dv = ps->c->p->dv;
    attn__tree_finish(ps->kern, t);
    for (int64_t r = 0; r < ps->rows; r++) {
        double sink = -INFINITY;
        if (ps->c->p->sink_logits)
            sink = attn__call_sink(ps->c, ps->s, it->h0 + r % it->heads, it->i0 + r / it->heads);
        float m = attn__tree_m(t, 0)[r], l = attn__tree_l(t, 0)[r], f = 1;
        float *o = w->o + r * dv;
        if (l != 0)
            memcpy(o, attn__tree_o(t, 0) + r * dv, (size_t)dv * sizeof *o);
        else
            memset(o, 0, (size_t)dv * sizeof *o);
        if (sink != -INFINITY) {
            float extra = (float)(sink * M_LOG2E), top = m > extra ? m : extra;
            f = m == -INFINITY ? 0 : exp2f(m - top);
            l = l * f + exp2f(extra - top);
            m = top;
        }
        w->m[r] = m;
        w->l[r] = l;
        ps->kern->vec_scale(o, dv, f * attn__finish_factor(l));
    }
    for (int64_t h = 0; h < it->heads && it->i0 == 0; h++)
        attn__rows_pad(ps->c, ps->s, it->h0 + h);
    attn__finish_rows(ps->c, ps->kern, ps->s, it->h0, it->heads, ps->r0, ps->rows, w->o, dv, w->m,
                      w->l, &w->exact);
    t->n = 0;
}

static struct pass pass_of(const struct state *st, struct worker *w, const struct attn__seq *s,
                           int64_t index)
{
    struct pass ps = {.st = st, .c = st->x->call, .kern = st->x->machine->kern, .s = s, .w = w};
    ps.it = find_item(st->x, s, index);
    begin(&ps);
    return ps;
}

/* Worker t has the units t / workers to (t + 1) / workers of all: a run, so
 * that at most its first and its last item are shared with others. */
static void work(void *arg, int64_t worker)
{
    struct state *st = arg;
    struct worker *w = &st->worker[worker];
    int64_t n_seq = st->x->call->n_seq, total = st->units->start[n_seq];
    int64_t share = total / st->workers, more = total % st->workers;
    int64_t u0 = worker * share + attn__min_i64(worker, more);
    int64_t u1 = u0 + share + (worker < more);
    while (u0 < u1) {
        int64_t at = attn__units_find(st->units, u0);
        struct attn__seq s = attn__call_seq(st->x->call, at);
        int64_t index = u0 - st->units->start[at], n = chunks_of(&s);
        int64_t c0 = index % n, c1 = attn__min_i64(n, c0 + (u1 - u0)), first = u0 - c0;
        struct pass ps = pass_of(st, w, &s, index);
        bool whole = c0 == 0 && c1 == n;
        struct attn__tree *t = c0 > 0 ? &w->tail : &w->head;
        t->rows = ps.rows;
        for (int64_t c = c0; c < c1; c++)
            chunk(&ps, c, t);
        if (whole)
            finish_item(&ps, t);
        else if (c0 > 0)
            w->tail_unit = first;
        else
            w->head_unit = first;
        u0 += c1 - c0;
    }
}

/* Items that several workers had a part in, joined from left to right. */
static void join_shared(struct state *st)
{
    for (int64_t n = 0; n < st->workers; n++) {
        struct worker *w = &st->worker[n];
        if (w->head_unit < 0)
            continue;
        int64_t at = attn__units_find(st->units, w->head_unit);
        struct attn__seq s = attn__call_seq(st->x->call, at);
        struct pass ps = pass_of(st, w, &s, w->head_unit - st->units->start[at]);
        for (int64_t r = n + 1; r < st->workers; r++) {
            if (st->worker[r].tail_unit != w->head_unit)
                break;
            attn__tree_append(ps.kern, &w->head, &st->worker[r].tail);
        }
        finish_item(&ps, &w->head);
    }
}

static void run(const struct attn__exec *x)
{
    const struct attn__problem *p = x->call->p;
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct state st = {.x = x};
    struct attn__units u = {.x = x, .count = count};
    carve(&s, p, x->machine, &st, &u.start);
    st.units = &u;
    st.workers = attn__min_i64(x->machine->threads, attn__units_count(&u));
    attn__threads_run(x->threads, st.workers, work, &st);
    join_shared(&st);
}

const struct attn__solver attn__solver_decode = {
    .name = "decode",
    .verb = ATTN__VERB_ATTEND,
    .applicable = attn__finish_applicable,
    .tiles = tiles,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
