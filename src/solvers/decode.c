/* SPDX-License-Identifier: MIT */
/*
 * decode: few query rows against many keys (split-KV, Flash-Decoding, Dao et
 * al., 2023). K and V are read once, in order, for all rows of all query
 * heads that share them. The keys are cut into chunks of fixed size; a chunk
 * is a unit of work (decode_cut.h), and partial results are joined in a fixed
 * tree. What several sequences of a view begin with is read first, for all of
 * them (prefixes.h).
 */
#include "solvers/blocks.h"
#include "solvers/chunk_tree.h"
#include "solvers/decode_cut.h"
#include "solvers/finish.h"
#include "solvers/row_again.h"
#include "solvers/row_pass.h"
#include "solvers/row_tops.h"
#include "solvers/score_steps.h"
#include "solvers/solvers.h"

/* Rows that pass over K and V together. */
enum { MAX_ROWS = ATTN__DECODE_ROWS };
_Static_assert(MAX_ROWS <= (int)ATTN__ROW_PASS_MOST, "a pass takes the rows of an item");

struct worker {
    struct attn__row_room room;
    float *o;      /* [rows][dv], finished rows */
    float *m, *l;  /* [rows] */
    int64_t *lines; /* [rows], with head gates, and of a prefix */
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
    struct attn__decode_cut cut;
    struct worker *worker;
    int64_t workers;
    struct attn__active active;
    struct attn__prefixes prefixes;
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
        .rows = MAX_ROWS, .keys = attn__row_pass_block(p), .chunk = ATTN__CHUNK};
}

/* The numbers here and in the other solvers were fitted to the times of some
 * hundred random shapes (attn-bench --random). */
static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    double rate = attn__machine_rate(m), width = (double)(p->d + p->dv);
    double products = width - (p->compute == ATTN_COMPUTE_INT8 ? 0.5 * (double)p->d : 0);
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
    return rows * (keys * (1.16 * products / rate + score) + 12.5 * width / rate + 130) +
           passes * (keys * convert + attn__stream_cost(p, q, k, keys, 2.5, 4) + 1260);
}

static int64_t item_rows(const struct attn__problem *p)
{
    int64_t most;
    if (p->view.is || !attn__mul_i64(p->max_group, attn__max_i64(p->q, 1), &most))
        return MAX_ROWS; /* of a view: rows of several sequences */
    return attn__min_i64(most, MAX_ROWS);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st)
{
    int64_t rows = item_rows(p);
    int64_t chunks = p->k == ATTN_UNBOUNDED ? -1 : p->k / ATTN__CHUNK + 1;
    int32_t depth = attn__tree_depth(chunks);
    bool lines = p->epilogue.head_gate || p->view.is;
    attn__decode_cut_take(s, p, &st->cut);
    attn__active_take(s, p, false, &st->active);
    attn__prefixes_take(s, p, &st->prefixes);
    st->worker = ATTN__TAKE(s, m->threads, struct worker);
    for (int64_t n = 0; n < m->threads; n++) {
        struct worker w = {.tail_unit = -1, .head_unit = -1};
        attn__row_room_take(s, p, rows, &w.room);
        w.o = ATTN__TAKE(s, rows * p->dv, float);
        w.m = ATTN__TAKE(s, rows, float);
        w.l = ATTN__TAKE(s, rows, float);
        w.lines = ATTN__TAKE(s, lines ? rows : 0, int64_t);
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
    carve(&s, p, m, &st);
    *bytes = s.used;
    return s.ok;
}

/* Rows of several sequences, which see all of what they share: the lines are
 * those of a row that does. */
static void load_prefix(const struct state *st, const struct attn__decode_item *it,
                        struct attn__row_pass *ps)
{
    const struct attn__prefix_member *member = &st->prefixes.member[it->prefix->first];
    struct attn__seq s = it->s;
    for (int64_t r = 0; r < it->rows; r++) {
        int64_t n = it->first + r, query = n / it->heads;
        while (query >= member->before + s.nq)
            s = attn__call_seq(st->x->call, (++member)->seq);
        attn__row_pass_query(ps, &s, r, it->h0 + n % it->heads, query - member->before);
    }
    (void)attn__qk_begin(ps->c, ps->s, ps->room->qk);
}

static void begin_pass(const struct state *st, struct worker *w,
                       const struct attn__decode_item *it, struct attn__row_pass *ps)
{
    if (st->x->active)
        attn__active_lines(st->x, &it->s, it->g, it->first, it->rows, w->lines);
    for (int64_t r = 0; r < it->rows && it->prefix; r++)
        w->lines[r] = 0;
    memset(ps, 0, sizeof *ps); /* a copy of so long a struct would be waited for */
    ps->c = st->x->call;
    ps->kern = st->x->machine->kern;
    ps->s = &it->s;
    ps->room = &w->room;
    ps->h0 = it->h0;
    ps->heads = it->heads;
    ps->i0 = it->i0;
    ps->rows = it->rows;
    ps->lines = st->x->active || it->prefix ? w->lines : NULL;
    if (!it->prefix) {
        attn__row_pass_begin(ps);
        return;
    }
    attn__row_pass_open(ps);
    load_prefix(st, it, ps);
}

/* The tree of an item that begins: what its rows have of their prefix. */
static void begin_tree(const struct state *st, const struct attn__decode_item *it,
                       struct attn__tree *t)
{
    const struct attn__prefix *of;
    int64_t heads = st->x->call->p->group[it->g + 1] - st->x->call->p->group[it->g];
    if (!it->member)
        return;
    of = &st->prefixes.prefix[it->member->prefix];
    for (int64_t r = 0; r < it->rows; r++) {
        int64_t query = it->member->before + it->i0 + r / it->heads;
        int64_t head = it->h0 - st->x->call->p->group[it->g] + r % it->heads;
        attn__prefixes_load(&st->prefixes, st->x, of, it->g, query * heads + head, t, r);
    }
    attn__prefixes_resume(of, t);
}

/* Sink logits come in once, at the end; then the rows are written. ps->tops
 * are those of all chunks. */
static void write_rows(const struct attn__row_pass *ps, struct worker *w, struct attn__tree *t)
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
}

static void finish_item(const struct state *st, const struct attn__decode_item *it,
                        const struct attn__row_pass *ps, struct worker *w, struct attn__tree *t)
{
    if (it->prefix)
        attn__prefixes_keep(&st->prefixes, st->x, it->prefix, it->g, it->first, t);
    else
        write_rows(ps, w, t);
    t->n = 0;
}

/* Chunks c0..c1-1 into the tree: those that some row may see, and nothing for the
 * others, of which there are many beside a window. */
static void run_chunks(struct attn__row_pass *ps, struct attn__tree *t, int64_t c0, int64_t c1)
{
    int64_t seen0 = attn__min_i64(attn__max_i64(c0, ps->lo / ATTN__CHUNK), c1);
    int64_t seen1 = attn__max_i64(
        attn__min_i64(c1, (ps->hi + ATTN__CHUNK - 1) / ATTN__CHUNK), seen0);
    attn__tree_skip(ps->kern, t, c0, seen0);
    for (int64_t c = seen0; c < seen1; c++) {
        attn__row_pass_chunk(ps, c, attn__tree_m(t, t->n), attn__tree_l(t, t->n),
                             attn__tree_o(t, t->n));
        attn__tree_push(ps->kern, t, 0, c);
    }
    attn__tree_skip(ps->kern, t, seen1, c1);
}

/* Each worker has a run of units, so that at most its first and its last item
 * are shared with others. */
static void work(void *arg, int64_t worker)
{
    struct state *st = arg;
    struct worker *w = &st->worker[worker];
    int64_t u0 = attn__decode_cut_worker(&st->cut, worker, st->workers);
    int64_t u1 = attn__decode_cut_worker(&st->cut, worker + 1, st->workers);
    while (u0 < u1) {
        struct attn__decode_item it = attn__decode_cut_item(&st->cut, u0);
        int64_t c0 = it.from + u0 - it.unit, c1 = attn__min_i64(it.to, c0 + (u1 - u0));
        struct attn__row_pass ps;
        begin_pass(st, w, &it, &ps);
        bool first = c0 == it.from;
        struct attn__tree *t = first ? &w->head : &w->tail;
        int64_t spans = 0;
        t->rows = ps.rows;
        if (first)
            begin_tree(st, &it, t);
        ps.tops = first ? w->head_tops : w->tail_tops;
        attn__row_tops_clear(&ps.tops, ps.rows);
        run_chunks(&ps, t, c0, c1);
        for (int64_t c = c0; c < c1 && st->x->did; c++)
            spans += attn__row_pass_spans(&ps, c);
        attn__exec_did(st->x, ps.did_pairs, ps.did_tiles, st->x->active ? 0 : spans);
        if (first && c1 == it.to)
            finish_item(st, &it, &ps, w, t);
        else if (first)
            w->head_unit = it.unit;
        else
            w->tail_unit = it.unit;
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
        struct attn__decode_item it = attn__decode_cut_item(&st->cut, w->head_unit);
        struct attn__row_pass ps;
        begin_pass(st, w, &it, &ps);
        ps.tops = w->head_tops;
        for (int64_t r = n + 1; r < st->workers; r++) {
            struct worker *next = &st->worker[r];
            if (next->tail_unit != w->head_unit)
                continue;
            attn__tree_append(ps.kern, &w->head, &next->tail);
            attn__row_tops_join(&w->head_tops, &next->tail_tops, ps.rows);
            next->tail.n = 0;
            next->tail_unit = -1;
        }
        finish_item(st, &it, &ps, w, &w->head);
        w->head_unit = -1;
    }
}

static void run_phase(struct state *st)
{
    int64_t units = attn__decode_cut_begin(&st->cut);
    st->workers = attn__min_i64(st->x->machine->threads, units);
    attn__threads_run(st->x->threads, st->workers, work, st);
    join_shared(st);
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
        for (int64_t c = 0; c < attn__decode_cut_chunks(&s); c++)
            spans += attn__row_pass_spans(&ps, c);
        attn__exec_did(x, 0, 0, attn__decode_cut_items(x, &s) * spans);
    }
}

static void run(const struct attn__exec *x)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct attn__exec mine = *x;
    struct state st = {.x = &mine};
    carve(&s, x->call->p, x->machine, &st);
    mine.active = attn__active_begin(x, &st.active);
    if (mine.active && x->did)
        tell_all_spans(x);
    st.cut.x = &mine;
    if (attn__prefixes_find(&mine, &st.prefixes)) {
        st.cut.pre = &st.prefixes;
        st.cut.prefixes = true;
        run_phase(&st);
        st.cut.prefixes = false;
    }
    run_phase(&st);
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
