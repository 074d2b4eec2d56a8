/* SPDX-License-Identifier: MIT */
/*
 * decode: few query rows against many keys (split-KV, Flash-Decoding, Dao et
 * al., 2023). K and V are read once, in order, for all rows of all query
 * heads that share them. The keys are cut into chunks of fixed size; a chunk
 * is a unit of work, and partial results are joined in a fixed tree.
 */
#include "solvers/active.h"
#include "solvers/blocks.h"
#include "solvers/chunk_tree.h"
#include "solvers/finish.h"
#include "solvers/row_again.h"
#include "solvers/row_pass.h"
#include "solvers/row_tops.h"
#include "solvers/score_steps.h"
#include "solvers/solvers.h"
#include "solvers/units.h"

/* Rows that pass over K and V together. */
enum { MAX_ROWS = 32 };

/*
 * An item is what one pass over the keys serves: up to MAX_ROWS rows, row r
 * being query i0 + r / heads of output head h0 + r % heads. With head gates
 * these are the next active rows of a head group from `first` on.
 */
struct item {
    int64_t h0, heads, i0, rows;
    int64_t g, first;
};

struct worker {
    struct attn__row_room room;
    float *o;      /* [rows][dv], finished rows */
    float *m, *l;  /* [rows] */
    int64_t *lines; /* [rows], with head gates */
    struct attn__row_scratch exact;
    struct attn__row_again again; /* invariant=chunk */
    /* Items that are not all this worker's: the end of one begun by a worker
     * before, and the beginning of one that goes on after it. */
    struct attn__tree tail, head;
    struct attn__row_tops tail_tops, head_tops;
    int64_t tail_unit, head_unit; /* first unit of the item; -1: none */
};

struct state {
    const struct attn__exec *x;
    struct attn__units *units;
    struct worker *worker;
    int64_t workers;
    struct attn__active active;
};

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    return attn__finish_applicable_with(
        p, ATTN_WANT_COUNTS | ATTN_WANT_ROWMAX | ATTN_WANT_ARGMAX, why);
}

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)m;
    (void)q;
    (void)k;
    return (struct attn__tiles){
        .rows = MAX_ROWS, .keys = attn__block_keys(p), .chunk = ATTN__CHUNK};
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
    double score = 2.4 + (attn__score_cost(p) + attn__norm_pass_cost(&p->norm)) / rate +
                   (p->mask || p->segments ? 1 : 0) +
                   (p->want & (ATTN_WANT_ROWMAX | ATTN_WANT_ARGMAX) ? 0.3 : 0);
    double convert = p->kv_dtype == ATTN_DTYPE_F32 ? 0 : 0.35 * width / rate;
    convert += attn__qk_cost_k(p) * (double)p->d / rate;
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
    int64_t chunks = p->k == ATTN_UNBOUNDED ? -1 : p->k / ATTN__CHUNK + 1;
    int32_t depth = attn__tree_depth(chunks);
    attn__units_take(s, p, start);
    attn__active_take(s, p, false, &st->active);
    st->worker = ATTN__TAKE(s, m->threads, struct worker);
    for (int64_t n = 0; n < m->threads; n++) {
        struct worker w = {.tail_unit = -1, .head_unit = -1};
        attn__row_room_take(s, p, rows, &w.room);
        w.o = ATTN__TAKE(s, rows * p->dv, float);
        w.m = ATTN__TAKE(s, rows, float);
        w.l = ATTN__TAKE(s, rows, float);
        w.lines = ATTN__TAKE(s, p->epilogue.head_gate ? rows : 0, int64_t);
        attn__row_scratch_take(s, p, &w.exact);
        if (p->invariant == ATTN_INVARIANT_CHUNK)
            attn__row_again_take(s, p, &w.again);
        attn__tree_take(s, rows, p->dv, depth, &w.tail);
        attn__tree_take(s, rows, p->dv, depth, &w.head);
        attn__row_tops_take(s, p, rows, &w.tail_tops);
        attn__row_tops_take(s, p, rows, &w.head_tops);
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
    return attn__max_i64((s->nk + ATTN__CHUNK - 1) / ATTN__CHUNK, 1);
}

static int64_t group_units(const struct attn__exec *x, const struct attn__seq *s, int64_t g)
{
    int64_t heads, parts, queries;
    if (x->active)
        return (attn__active_count(x, s, g) + MAX_ROWS - 1) / MAX_ROWS * chunks_of(s);
    group_shape(x->call->p, g, &heads, &parts, &queries);
    return parts * attn__max_i64((s->nq + queries - 1) / queries, 1) * chunks_of(s);
}

static struct item find_item(const struct attn__exec *x, const struct attn__seq *s, int64_t index)
{
    const struct attn__problem *p = x->call->p;
    int64_t heads, parts, queries, g = attn__units_find_group(x, s, group_units, &index);
    int64_t n = index / chunks_of(s);
    group_shape(p, g, &heads, &parts, &queries);
    struct item it = {.h0 = p->group[g], .heads = p->group[g + 1] - p->group[g], .g = g};
    if (x->active) {
        it.first = n * MAX_ROWS;
        it.rows = attn__min_i64(attn__active_count(x, s, g) - it.first, MAX_ROWS);
        return it;
    }
    it.h0 = p->group[g] + n % parts * heads;
    it.heads = attn__min_i64(heads, p->group[g + 1] - it.h0);
    it.i0 = n / parts * queries;
    it.rows = it.heads * attn__min_i64(queries, s->nq - it.i0);
    return it;
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    return attn__units_of_groups(x, s, group_units);
}

static void begin_pass(const struct state *st, struct worker *w, const struct attn__seq *s,
                       int64_t index, struct attn__row_pass *ps)
{
    struct item it = find_item(st->x, s, index);
    if (st->x->active)
        attn__active_lines(st->x, s, it.g, it.first, it.rows, w->lines);
    *ps = (struct attn__row_pass){
        .c = st->x->call,
        .kern = st->x->machine->kern,
        .s = s,
        .room = &w->room,
        .h0 = it.h0,
        .heads = it.heads,
        .i0 = it.i0,
        .rows = it.rows,
        .lines = st->x->active ? w->lines : NULL,
    };
    attn__row_pass_begin(ps);
}

/* Sink logits come in once, at the end; then the rows are written. ps->tops
 * are those of all chunks. */
static void finish_item(const struct attn__row_pass *ps, struct worker *w, struct attn__tree *t)
{
    int64_t dv = ps->c->p->dv;
    attn__tree_finish(ps->kern, t);
    for (int64_t r = 0; r < ps->rows; r++) {
        float *o = w->o + r * dv;
        w->m[r] = attn__tree_m(t, 0)[r];
        w->l[r] = attn__tree_l(t, 0)[r];
        if (w->l[r] != 0)
            memcpy(o, attn__tree_o(t, 0) + r * dv, (size_t)dv * sizeof *o);
        else
            memset(o, 0, (size_t)dv * sizeof *o);
    }
    float f[MAX_ROWS];
    attn__finish_factors(ps->c, ps->s, &ps->vis, ps->r0, ps->rows, w->m, w->l, f);
    for (int64_t r = 0; r < ps->rows; r++)
        ps->kern->vec_scale(w->o + r * dv, dv, f[r]);
    for (int64_t h = 0; h < ps->heads && ps->i0 == 0 && !ps->lines; h++)
        attn__rows_pad(ps->c, ps->s, ps->h0 + h);
    attn__row_tops_store(&ps->tops, ps->c, ps->s, &ps->vis, ps->r0, ps->rows,
                         attn__norm_pass_base(ps->c->p));
    attn__finish_rows(ps->c, ps->kern, ps->s, &ps->vis, ps->r0, ps->rows, w->o, dv, w->m, w->l,
                      &w->exact,
                      ps->c->p->invariant == ATTN_INVARIANT_CHUNK ? &w->again : NULL);
    t->n = 0;
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
        struct attn__row_pass ps;
        begin_pass(st, w, &s, index, &ps);
        bool whole = c0 == 0 && c1 == n;
        struct attn__tree *t = c0 > 0 ? &w->tail : &w->head;
        int64_t spans = 0;
        t->rows = ps.rows;
        ps.tops = c0 > 0 ? w->tail_tops : w->head_tops;
        attn__row_tops_clear(&ps.tops, ps.rows);
        for (int64_t c = c0; c < c1; c++) {
            attn__row_pass_chunk(&ps, c, attn__tree_m(t, t->n), attn__tree_l(t, t->n),
                                 attn__tree_o(t, t->n));
            attn__tree_push(ps.kern, t, 0, c);
            spans += attn__row_pass_spans(&ps, c);
        }
        attn__exec_did(st->x, ps.did_pairs, ps.did_tiles, st->x->active ? 0 : spans);
        if (whole)
            finish_item(&ps, w, t);
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
        struct attn__row_pass ps;
        begin_pass(st, w, &s, w->head_unit - st->units->start[at], &ps);
        ps.tops = w->head_tops;
        for (int64_t r = n + 1; r < st->workers; r++) {
            if (st->worker[r].tail_unit != w->head_unit)
                break;
            attn__tree_append(ps.kern, &w->head, &st->worker[r].tail);
            attn__row_tops_join(&w->head_tops, &st->worker[r].tail_tops, ps.rows);
        }
        finish_item(&ps, w, &w->head);
    }
}

/* The spans that there would be without head gates, for COUNTS. */
static void tell_all_spans(const struct attn__exec *x)
{
    for (int64_t n = 0; n < x->call->n_seq; n++) {
        struct attn__seq s = attn__call_seq(x->call, n);
        struct attn__row_pass ps = {.s = &s, .rows = s.nq};
        int64_t spans = 0;
        if (!attn__exec_mine(x, &s))
            continue;
        for (int64_t c = 0; c < chunks_of(&s); c++)
            spans += attn__row_pass_spans(&ps, c);
        attn__exec_did(x, 0, 0, count(x, &s) / chunks_of(&s) * spans);
    }
}

static void run(const struct attn__exec *x)
{
    const struct attn__problem *p = x->call->p;
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct attn__exec mine = *x;
    struct state st = {.x = &mine};
    struct attn__units u = {.x = &mine, .count = count};
    carve(&s, p, x->machine, &st, &u.start);
    mine.active = attn__active_begin(x, &st.active);
    if (mine.active && x->did)
        tell_all_spans(x);
    st.units = &u;
    st.workers = attn__min_i64(x->machine->threads, attn__units_count(&u));
    attn__threads_run(x->threads, st.workers, work, &st);
    join_shared(&st);
}

const struct attn__solver attn__solver_decode = {
    .name = "decode",
    .verb = ATTN__VERB_ATTEND,
    .reads_pages = true,
    .applicable = applicable,
    .tiles = tiles,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
