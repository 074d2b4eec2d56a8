/* SPDX-License-Identifier: MIT */
/*
 * flash: tiles of query rows against blocks of keys with the online softmax
 * (Milakov and Gimelshein, 2018; Dao et al., FlashAttention, 2022), nothing
 * of the size of the scores kept.
 *
 * The query rows of a tile are the lanes of the vectors: scores, weights and
 * the output are held transposed, K and V are read in place one element at a
 * time and broadcast, and the row-wise softmax runs down columns without any
 * horizontal step. Blocks start at multiples of their size counted from the
 * sequence's first key; EMPTY ones are skipped and only PARTIAL ones are
 * masked. Scores are kept times log2 e, so that exp is 2^x.
 *
 * The rows of the heads that share K and V alternate, query by query, so that
 * a tile is full even if a head has few rows, and narrow in queries. A unit of
 * work is a few tiles that go over the keys together, so that a block is
 * fetched, and converted if its storage is not f32, once. A row's bits do not
 * depend on the other rows of its tile; with head gates these are the next
 * active ones.
 */
#include "solvers/active.h"
#include "solvers/ahead.h"
#include "solvers/blocks.h"
#include "solvers/chunk_tree.h"
#include "solvers/epilogue.h"
#include "solvers/finish.h"
#include "solvers/flash_bf16.h"
#include "solvers/flash_cost.h"
#include "solvers/norm_pass.h"
#include "solvers/qk_load.h"
#include "solvers/row_again.h"
#include "solvers/rows_load.h"
#include "solvers/score_steps.h"
#include "solvers/solvers.h"
#include "solvers/units.h"

/* Keys whose visibility is judged as one before it is looked up singly, and
 * between which other memory may be asked for. */
enum { PART_KEYS = 16 };

/* Rows r0..r0+n-1 of a head group, as ps->vis counts them. */
struct tile {
    int64_t r0, n;
    int64_t lo, hi;         /* no row sees a key outside */
    float *qt, *ot, *m, *l; /* [d][w], [dv][w], [w], [w] */
    float *tq;              /* [n][d], for QUERY_TABLE; NULL without */
    uint32_t *qt_bf16;      /* [(d + 1) / 2][w], in place of qt */
    /* invariant=chunk: m, l and ot are of chunk `chunk` alone, and what chunks
     * 0..joined-1 gave is in the tree. */
    struct attn__tree tree;
    int64_t chunk, joined;
};

struct worker {
    struct tile *tile;        /* [ATTN__FLASH_ROWS / lanes] */
    float *st;                /* [keys][w] */
    float *f;                 /* [w] */
    float *rows;              /* [w][max(d, dv)]: queries in, results out */
    float *k, *v;             /* [keys][d], [keys][dv] */
    struct attn__score_work score;
    uint64_t *bits;           /* [keys] */
    int64_t *lines;           /* [ATTN__FLASH_ROWS], with head gates */
    struct attn__flash_bf16 bf16;
    struct attn__row_scratch exact;
    /* invariant=chunk */
    struct attn__tree tree; /* room of all tiles' */
    int32_t depth;
    struct attn__row_again again;
};

struct state {
    const struct attn__exec *x;
    struct worker *worker;
    int64_t *heads; /* [hout + 1]: 0, 1, ..; with a score function */
    bool far; /* the tensors do not fit in the near caches */
    struct attn__active active;
};

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    int64_t w = 2 * m->kern->lanes, keys = attn__block_keys(p);
    int64_t rows = attn__max_i64(ATTN__FLASH_ROWS, w), n_tiles = rows / m->kern->lanes;
    attn__units_take(s, p, start);
    attn__active_take(s, p, false, &st->active);
    st->heads = ATTN__TAKE(s, p->score.user ? p->hout + 1 : 0, int64_t);
    st->worker = ATTN__TAKE(s, m->threads, struct worker);
    for (int64_t n = 0; n < m->threads; n++) {
        struct worker k = {0};
        k.tile = ATTN__TAKE(s, n_tiles, struct tile);
        /* tiles of either width share this room: tile t begins at row t * w */
        bool bf16 = attn__flash_bf16_serves(p, m);
        float *qt = ATTN__TAKE(s, bf16 ? 0 : rows * p->d, float);
        uint32_t *qt_bf16 = ATTN__TAKE(s, bf16 ? rows * ((p->d + 1) / 2) : 0, uint32_t);
        float *ot = ATTN__TAKE(s, rows * p->dv, float);
        float *ml = ATTN__TAKE(s, 2 * rows, float);
        bool table = attn__score_has_table(p);
        float *tq = ATTN__TAKE(s, table ? rows * p->d : 0, float);
        if (k.tile)
            k.tile[0] = (struct tile){.qt = qt, .qt_bf16 = qt_bf16, .tq = table ? tq : NULL,
                                      .ot = ot, .m = ml, .l = ml + rows};
        k.st = ATTN__TAKE(s, w * keys, float);
        k.f = ATTN__TAKE(s, w, float);
        k.rows = ATTN__TAKE(s, w * attn__max_i64(p->d, p->dv), float);
        k.k = ATTN__TAKE(s, keys * p->d, float);
        k.v = ATTN__TAKE(s, keys * p->dv, float);
        attn__score_work_take(s, p, w, keys, &k.score);
        k.bits = ATTN__TAKE(s, keys, uint64_t);
        k.lines = ATTN__TAKE(s, p->epilogue.head_gate ? rows : 0, int64_t);
        if (bf16)
            attn__flash_bf16_take(s, p, keys, w, &k.bf16);
        attn__row_scratch_take(s, p, &k.exact);
        if (p->invariant == ATTN_INVARIANT_CHUNK) {
            int32_t depth = attn__tree_depth(p->k == ATTN_UNBOUNDED ? -1 : p->k / ATTN__CHUNK + 1);
            attn__tree_take(s, rows, p->dv, depth, &k.tree);
            k.tree.node = ATTN__TAKE(s, depth * n_tiles, struct attn__tree_node);
            k.depth = depth;
            attn__row_again_take(s, p, &k.again);
        }
        if (st->worker)
            st->worker[n] = k;
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

/* A unit at work. */
struct pass {
    const struct attn__call *c;
    const struct attn__kernels *kern;
    const struct attn__seq *s;
    struct worker *wk;
    int64_t w;
    bool bf16;  /* products of pairs of bf16 */
    bool chunked; /* invariant=chunk */
    float scale;
    struct attn__norm_pass norm;
    int64_t h0, group; /* the heads */
    struct attn__score score;
    int64_t rows;      /* of all tiles */
    struct attn__rows k, v;
    struct attn__qk qk;
    struct attn__vis vis;
    /* The block at hand. */
    int64_t j0, j1;
    bool loaded;
    int64_t ldk, ldv;
    const float *kf, *vf;
    struct attn__flash_bf16_block pairs;
    struct attn__ahead ahead;
    int64_t fetch; /* rows to fetch per part of a product */
    int64_t did_pairs, did_tiles; /* blocks against tiles */
};

static void clear(const struct pass *ps, struct tile *t)
{
    memset(t->ot, 0, (size_t)(ps->c->p->dv * ps->w) * sizeof *t->ot);
    for (int64_t n = 0; n < ps->w; n++) {
        t->m[n] = -INFINITY;
        t->l[n] = 0;
    }
}

static void begin_tile(const struct pass *ps, struct tile *t)
{
    const struct attn__problem *p = ps->c->p;
    bool own = p->score.own_rows;
    int64_t ld = p->d, step;
    const float *q = ps->wk->rows;
    if (ps->group == 1 && !own && attn__score_run(&ps->score, t->r0, t->n, &step) == t->n) {
        q = attn__qk_q(&ps->qk, ps->kern, ps->h0, attn__vis_query(&ps->vis, t->r0), t->n,
                       ps->wk->rows, &ld);
    } else {
        bool lines = ps->vis.lines;
        for (int64_t n = 0, run = 1; n < t->n && (lines || n < ps->group); n += lines ? run : 1) {
            run = attn__score_run(&ps->score, t->r0 + n, t->n - n, &step);
            attn__qk_load_q(&ps->qk, ps->kern, attn__vis_head(&ps->vis, t->r0 + n),
                            attn__vis_query(&ps->vis, t->r0 + n), run, ps->wk->rows + n * p->d,
                            step * p->d);
        }
        for (int64_t n = 0; n < t->n && own; n++)
            attn__score_query(&ps->score, t->r0 + n, ps->wk->rows + n * p->d,
                              t->tq ? t->tq + n * p->d : NULL);
    }
    if (ps->bf16)
        ps->kern->tile_pack_q_bf16(q, ld, t->n, p->d, ps->w, t->qt_bf16);
    else
        ps->kern->tile_pack_q(q, ld, t->n, p->d, ps->scale, ps->w, t->qt);
    clear(ps, t);
    attn__vis_hull(&ps->vis, t->r0, t->r0 + t->n, &t->lo, &t->hi);
}

/* What the tile has of its chunk goes into its tree. */
static void end_chunk(const struct pass *ps, struct tile *t)
{
    struct attn__tree *tree = &t->tree;
    int64_t dv = ps->c->p->dv;
    attn__tree_skip(ps->kern, tree, t->joined, t->chunk);
    for (int64_t n = 0; n < t->n; n++)
        ps->wk->f[n] = 1;
    ps->kern->tile_unpack_o(t->ot, ps->w, t->n, dv, ps->wk->f, attn__tree_o(tree, tree->n), dv);
    memcpy(attn__tree_m(tree, tree->n), t->m, (size_t)t->n * sizeof *t->m);
    memcpy(attn__tree_l(tree, tree->n), t->l, (size_t)t->n * sizeof *t->l);
    attn__tree_push(ps->kern, tree, 0, t->chunk);
    t->joined = t->chunk + 1;
    clear(ps, t);
}

/* The block at hand as the products want it, for the first tile that does. */
static void load_block(struct pass *ps)
{
    const struct attn__problem *p = ps->c->p;
    struct worker *wk = ps->wk;
    int64_t n = ps->j1 - ps->j0;
    if (ps->loaded)
        return;
    ps->loaded = true;
    if (ps->bf16) {
        ps->pairs = attn__flash_bf16_load(ps->kern, &ps->qk, ps->h0, &ps->k, &ps->v, ps->j0, n,
                                          wk->k, wk->v, &wk->bf16);
        return;
    }
    ps->kf = attn__qk_k(&ps->qk, ps->kern, ps->h0, &ps->k, ps->j0, n, wk->k, &ps->ldk);
    ps->vf = attn__rows_f32(ps->kern, &ps->v, ps->j0, n, p->dv, wk->v, &ps->ldv);
}

/*
 * Which rows of the tile see keys j0..j1-1 of a block that is PARTIAL: looked
 * up pair by pair only where a part of the block is PARTIAL too.
 */
static void look_up(const struct pass *ps, const struct tile *t, int64_t j0, int64_t j1,
                    uint64_t *bits)
{
    int64_t r1 = t->r0 + t->n, from = j0; /* from..: keys still to be looked up */
    for (int64_t j = j0, end; j < j1; j = end) {
        end = attn__min_i64(j + PART_KEYS, j1);
        enum attn__tile class = attn__vis_tile(&ps->vis, t->r0, r1, j, end);
        if (class == ATTN__TILE_PARTIAL && end < j1)
            continue;
        int64_t to = class == ATTN__TILE_PARTIAL ? end : j;
        if (from < to)
            attn__vis_bits(&ps->vis, t->r0, r1, from, to, bits + (from - j0));
        for (int64_t n = to; n < end; n++)
            bits[n - j0] = class == ATTN__TILE_FULL ? UINT64_MAX : 0;
        from = end;
    }
}

/* Products of the block's keys skip..skip+nk-1 with the queries of a tile. What
 * is fetched ahead is asked for in between: all at once would be waited for. */
static void product(struct pass *ps, const struct tile *t, int64_t skip, int64_t nk, float *st)
{
    int64_t step = ps->fetch > 0 ? PART_KEYS : nk;
    for (int64_t j = 0; j < nk; j += step, st += step * ps->w) {
        const struct attn__kernels *kern = ps->kern;
        int64_t at = skip + j, n = attn__min_i64(step, nk - j);
        attn__ahead_fetch(&ps->ahead, ps->fetch);
        if (ps->bf16)
            attn__flash_bf16_scores(kern, &ps->pairs, at, n, t->qt_bf16, ps->w, ps->scale, st);
        else
            kern->tile_qk(ps->kf + at * ps->ldk, ps->ldk, n, ps->c->p->d, t->qt, ps->w, st);
    }
}

/* The block against one tile. */
static void tile_block(struct pass *ps, struct tile *t)
{
    const struct attn__problem *p = ps->c->p;
    struct worker *wk = ps->wk;
    /* Keys that no row sees are not computed; by fours, which the products
     * like. In front of those looked at is a multiple of the lanes, see below. */
    int64_t lanes = ps->kern->lanes;
    int64_t j0 = ps->j0 + attn__max_i64(t->lo - ps->j0, 0) / lanes * lanes;
    int64_t j1 = attn__min_i64(ps->j1, ps->j0 + (t->hi - ps->j0 + 3) / 4 * 4);
    enum attn__tile class = attn__vis_tile(&ps->vis, t->r0, t->r0 + t->n, j0, j1);
    if (class == ATTN__TILE_EMPTY)
        return;
    const uint64_t *bits = wk->bits;
    if (class == ATTN__TILE_PARTIAL) {
        look_up(ps, t, j0, j1, wk->bits);
        while (j1 - j0 >= 4 && !(bits[0] | bits[1] | bits[2] | bits[3])) {
            bits += 4;
            j0 += 4;
        }
        int64_t last = j1 - j0;
        while (last > 0 && !bits[last - 1])
            last--;
        j1 = attn__min_i64(j1, j0 + (last + 3) / 4 * 4);
        if (last == 0)
            return;
    }
    ps->did_pairs += t->n * (j1 - j0);
    ps->did_tiles++;
    load_block(ps);
    if (ps->chunked && t->chunk != ps->j0 / ATTN__CHUNK) {
        if (t->chunk >= 0)
            end_chunk(ps, t);
        t->chunk = ps->j0 / ATTN__CHUNK;
    }
    /* Those in front are masked back to a multiple of the lanes: where a
     * weight is summed goes by its key's number. */
    int64_t nk = j1 - j0, skip = j0 - ps->j0, front = skip % lanes;
    float *st = wk->st + front * ps->w;
    product(ps, t, skip, nk, st);
    if (p->score.steps) {
        ps->score.tq = t->tq;
        ps->score.tq_r0 = t->r0;
        struct attn__score_tile at = {st, ps->w, t->r0, t->n, j0, nk};
        attn__score_tile_steps(&ps->score, &at);
    }
    if (class == ATTN__TILE_PARTIAL)
        ps->kern->tile_mask(wk->st, front + nk, ps->w, bits - front);
    if (ps->bf16) {
        attn__flash_bf16_values(ps->kern, &ps->pairs, skip, nk, st, ps->w, t->m, t->l, t->ot);
        return;
    }
    if (ps->norm.kind < 0)
        ps->kern->tile_softmax(wk->st, front + nk, ps->w, t->m, t->l, t->ot, p->dv);
    else
        ps->kern->tile_weights(ps->norm.kind, ps->norm.shift, wk->st, front + nk, ps->w, t->l);
    ps->kern->tile_pv(ps->vf + skip * ps->ldv, ps->ldv, nk, p->dv, st, ps->w, t->ot);
}

/* The results from the tree; a row that saw no key has none there. */
static void tree_rows(const struct pass *ps, const struct tile *t)
{
    int64_t dv = ps->c->p->dv;
    for (int64_t n = 0; n < t->n; n++) {
        float *row = ps->wk->rows + n * dv;
        if (attn__tree_l(&t->tree, 0)[n] != 0)
            memcpy(row, attn__tree_o(&t->tree, 0) + n * dv, (size_t)dv * sizeof *row);
        else
            memset(row, 0, (size_t)dv * sizeof *row);
        ps->kern->vec_scale(row, dv, ps->wk->f[n]);
    }
}

static void finish_tile(const struct pass *ps, struct tile *t)
{
    struct worker *wk = ps->wk;
    int64_t dv = ps->c->p->dv;
    bool several = ps->chunked && t->joined > 0;
    if (several) {
        end_chunk(ps, t);
        attn__tree_finish(ps->kern, &t->tree);
        memcpy(t->m, attn__tree_m(&t->tree, 0), (size_t)t->n * sizeof *t->m);
        memcpy(t->l, attn__tree_l(&t->tree, 0), (size_t)t->n * sizeof *t->l);
    }
    attn__finish_factors(ps->c, ps->s, &ps->vis, t->r0, t->n, t->m, t->l, wk->f);
    if (several)
        tree_rows(ps, t);
    else
        ps->kern->tile_unpack_o(t->ot, ps->w, t->n, dv, wk->f, wk->rows, dv);
    attn__finish_rows(ps->c, ps->kern, ps->s, &ps->vis, t->r0, t->n, wk->rows, dv, t->m, t->l,
                      &wk->exact, ps->chunked ? &wk->again : NULL);
}

static int64_t group_rows(const struct attn__exec *x, const struct attn__seq *s, int64_t g)
{
    const struct attn__problem *p = x->call->p;
    return x->active ? attn__active_count(x, s, g) : (p->group[g + 1] - p->group[g]) * s->nq;
}

/* Tiles of head group g. */
static int64_t group_tiles(const struct attn__exec *x, const struct attn__seq *s, int64_t g)
{
    int64_t w = attn__exec_choice(x, s)->tiles.rows;
    return (group_rows(x, s, g) + w - 1) / w;
}

static int64_t group_units(const struct attn__exec *x, const struct attn__seq *s, int64_t g)
{
    int64_t pass = attn__exec_choice(x, s)->tiles.pass;
    return attn__max_i64((group_tiles(x, s, g) + pass - 1) / pass, x->active ? 0 : 1);
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    return attn__units_of_groups(x, s, group_units);
}

/* For the first unit of a head; it leaves K and V in a nearer cache for the
 * others, or they are too long for that and come in order. */
static void next_block(const struct pass *ps, struct attn__ahead *a)
{
    int64_t n = attn__min_i64(ps->j1 - ps->j0, ps->s->nk - ps->j1);
    attn__ahead_add(a, &ps->k, ps->j1, n, ps->c->p->d);
    attn__ahead_add(a, &ps->v, ps->j1, n, ps->c->p->dv);
}

/*
 * Where the results go, and what the unit that this worker probably does next
 * begins with: a guess that only costs time where it is wrong.
 */
static void next_unit(const struct pass *ps, const struct state *st, int64_t index, int64_t g,
                      struct attn__ahead *a)
{
    const struct attn__call *c = ps->c;
    const struct attn__problem *p = c->p;
    const struct attn__seq *s = ps->s;
    struct attn__seq next = *s;
    if (ps->group == 1) {
        struct attn__rows out = attn__call_out(c, s, ps->h0);
        int64_t i0 = attn__vis_query(&ps->vis, ps->wk->tile[0].r0);
        attn__ahead_add(a, &out, i0, attn__min_i64(ps->rows, s->nq - i0), p->dv);
    }
    index += st->x->machine->threads;
    int64_t units = count(st->x, s);
    if (index >= units) {
        if (s->index + 1 >= c->n_seq)
            return;
        next = attn__call_seq(c, s->index + 1);
        index -= units;
        if (!attn__exec_mine(st->x, &next) || index >= count(st->x, &next))
            return;
    }
    const struct attn__tiles *tl = &attn__exec_choice(st->x, &next)->tiles;
    int64_t g1 = attn__units_find_group(st->x, &next, group_units, &index);
    int64_t h0 = p->group[g1], group = p->group[g1 + 1] - h0;
    int64_t rows = (int64_t)tl->pass * tl->rows;
    int64_t r0 = (group_units(st->x, &next, g1) - 1 - index) * rows;
    if (group == 1 && !st->x->active) {
        struct attn__rows q = attn__call_q(c, &next, h0);
        attn__ahead_add(a, &q, r0, attn__min_i64(rows, next.nq - r0), p->d);
    }
    if (g1 != g || next.index != s->index) { /* else K and V are there already */
        int64_t n = attn__min_i64(tl->keys, next.nk);
        struct attn__rows k = attn__call_k(c, &next, h0), v = attn__call_v(c, &next, h0);
        attn__ahead_add(a, &k, 0, n, p->d);
        attn__ahead_add(a, &v, 0, n, p->dv);
    }
}

/* Tile i of the unit gets its rows, from `first_row` on, and its part of the room. */
static void place_tile(struct pass *ps, int64_t i, int64_t first_row, int64_t rows)
{
    const struct attn__problem *p = ps->c->p;
    struct worker *wk = ps->wk;
    struct tile *t = &wk->tile[i], *room = &wk->tile[0];
    int64_t before = i * ps->w; /* rows of the tiles before */
    t->r0 = first_row + before;
    t->n = attn__min_i64(ps->w, rows - t->r0);
    if (ps->bf16)
        t->qt_bf16 = room->qt_bf16 + before * ((p->d + 1) / 2);
    else
        t->qt = room->qt + before * p->d;
    t->tq = room->tq ? room->tq + before * p->d : NULL;
    t->ot = room->ot + before * p->dv;
    t->m = room->m + before;
    t->l = room->l + before;
    ps->rows += t->n;
    if (ps->chunked) {
        before *= wk->depth;
        t->tree = (struct attn__tree){.rows = t->n, .dv = p->dv};
        t->tree.node = wk->tree.node + i * wk->depth;
        t->tree.m = wk->tree.m + before;
        t->tree.l = wk->tree.l + before;
        t->tree.o = wk->tree.o + before * p->dv;
        t->chunk = -1;
        t->joined = 0;
    }
}

/* All that a unit of head group g needs but its tiles. */
static struct pass pass_begin(const struct state *st, const struct attn__seq *s, int64_t g,
                              struct worker *wk)
{
    const struct attn__call *c = st->x->call;
    const struct attn__problem *p = c->p;
    struct pass ps = {.c = c, .kern = st->x->machine->kern, .s = s, .wk = wk};
    ps.w = attn__exec_choice(st->x, s)->tiles.rows;
    ps.scale = (float)((p->score.own_rows ? 1 : p->scale) *
                       (p->score.steps ? 1 : attn__norm_pass_base(p)));
    ps.norm = attn__norm_pass_of(p, s);
    ps.bf16 = attn__flash_bf16_serves(p, st->x->machine);
    ps.chunked = p->invariant == ATTN_INVARIANT_CHUNK;
    ps.h0 = p->group[g];
    ps.group = p->group[g + 1] - ps.h0;
    ps.k = attn__call_k(c, s, ps.h0);
    ps.qk = attn__qk_begin(c, s, wk->exact.qk);
    ps.v = attn__call_v(c, s, ps.h0);
    attn__call_vis_into(&ps.vis, c, s, ps.h0, ps.group);
    return ps;
}

/* The block at hand against the unit's n tiles, between whose parts `ahead` is asked for. */
static void block(struct pass *ps, int64_t n)
{
    struct tile *tile = ps->wk->tile;
    int64_t parts = 1;
    for (int64_t i = 0; i < n; i++)
        parts += attn__max_i64(attn__min_i64(tile[i].hi, ps->j1) -
                                   attn__max_i64(tile[i].lo, ps->j0), 0) / PART_KEYS;
    ps->fetch = (attn__ahead_rows(&ps->ahead) + parts - 1) / parts;
    ps->loaded = false;
    for (int64_t i = 0; i < n; i++) {
        if (tile[i].lo < ps->j1 && tile[i].hi > ps->j0)
            tile_block(ps, &tile[i]);
    }
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t index)
{
    struct state *st = arg;
    const struct attn__call *c = st->x->call;
    const struct attn__problem *p = c->p;
    const struct attn__tiles *tl = &attn__exec_choice(st->x, s)->tiles;
    int64_t index_all = index, g = attn__units_find_group(st->x, s, group_units, &index);
    bool skip = attn__epilogue_skips(c, s, p->group[g], p->group[g + 1] - p->group[g]);
    for (int64_t h = p->group[g]; h < p->group[g + 1] && index == 0 && !st->x->active; h++) {
        if (skip)
            attn__rows_none(c, s, h);
        else
            attn__rows_pad(c, s, h);
    }
    /* The last rows see the most keys when causal: long units first. */
    int64_t first = (group_units(st->x, s, g) - 1 - index) * tl->pass;
    int64_t n = attn__min_i64(tl->pass, group_tiles(st->x, s, g) - first);
    int64_t blocks = (s->nk + tl->keys - 1) / tl->keys, first_row = first * tl->rows;
    int64_t rows = group_rows(st->x, s, g);
    if (skip)
        attn__exec_did(st->x, 0, 0, n * blocks);
    if (s->nq == 0 || skip)
        return;

    struct worker *wk = &st->worker[worker];
    struct pass ps = pass_begin(st, s, g, wk);
    ps.score = (struct attn__score){c, ps.kern, s, &ps.vis, &wk->score, NULL, 0};
    if (st->x->active) {
        rows = attn__min_i64(rows - first_row, n * ps.w);
        attn__active_lines(st->x, s, g, first_row, rows, wk->lines);
        ps.vis.lines = wk->lines;
        first_row = 0;
    }
    int64_t lo = s->nk, hi = 0;
    for (int64_t i = 0; i < n; i++) {
        place_tile(&ps, i, first_row, rows);
        begin_tile(&ps, &wk->tile[i]);
        lo = attn__min_i64(lo, wk->tile[i].lo);
        hi = attn__max_i64(hi, wk->tile[i].hi);
    }
    for (int64_t j = lo - lo % tl->keys; j < hi; j += tl->keys) {
        ps.j0 = j;
        ps.j1 = attn__min_i64(j + tl->keys, s->nk);
        ps.ahead = (struct attn__ahead){.runs = 0};
        if (st->far && ps.j1 < hi && index == 0)
            next_block(&ps, &ps.ahead);
        else if (st->far && ps.j1 >= hi)
            next_unit(&ps, st, index_all, g, &ps.ahead);
        block(&ps, n);
    }
    attn__exec_did(st->x, ps.did_pairs, ps.did_tiles, st->x->active ? 0 : n * blocks);
    for (int64_t i = 0; i < n; i++)
        finish_tile(&ps, &wk->tile[i]);
}

static bool far(const struct attn__call *c)
{
    static const enum attn__slot slots[] = {ATTN__SLOT_Q, ATTN__SLOT_K, ATTN__SLOT_V,
                                            ATTN__SLOT_OUT};
    double bytes = 0;
    for (size_t n = 0; n < sizeof slots / sizeof slots[0]; n++) {
        const attn_tensor *t = &c->t[slots[n]];
        if (!c->has[slots[n]])
            return true; /* keys in pages */
        bytes += (double)t->shape[0] * (double)t->shape[1] * (double)t->shape[2] *
                 (double)t->shape[3] * (double)attn__dtype_size(t->dtype);
    }
    return bytes > 1 << 20;
}

/* The tiles that there would be without head gates, for COUNTS. */
static void tell_all_tiles(const struct attn__exec *x)
{
    for (int64_t n = 0; n < x->call->n_seq; n++) {
        struct attn__seq s = attn__call_seq(x->call, n);
        struct attn__exec all = *x;
        all.active = NULL;
        if (!attn__exec_mine(x, &s))
            continue;
        int64_t keys = attn__exec_choice(x, &s)->tiles.keys, blocks = (s.nk + keys - 1) / keys;
        for (int64_t g = 0; g < x->call->p->n_groups; g++)
            attn__exec_did(x, 0, 0, group_tiles(&all, &s, g) * blocks);
    }
}

/*
 * A score function gets the rows of one head at a time. Where those of several
 * alternate they are few and apart, which no loop over them likes: then heads
 * do not share a tile, as long as each has rows enough to fill some.
 */
static bool wants_heads_alone(const struct attn__exec *x)
{
    enum { TILES = 4 };
    const struct attn__call *c = x->call;
    int64_t rows = c->t[ATTN__SLOT_Q].shape[2];
    if (c->p->packed)
        rows /= attn__max_i64(c->n_seq, 1);
    return c->p->score.user && c->p->max_group > 1 && !c->p->epilogue.head_gate &&
           rows >= TILES * x->machine->kern->lanes;
}

static void set_heads_alone(const struct state *st, struct attn__problem *p)
{
    for (int64_t h = 0; h <= p->hout; h++)
        st->heads[h] = h;
    p->group = st->heads;
    p->n_groups = p->hout;
    p->max_group = 1;
    p->even_groups = true;
}

static void run(const struct attn__exec *x)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct attn__exec mine = *x;
    struct state st = {.x = &mine, .far = far(x->call)};
    struct attn__units u = {.x = &mine, .count = count, .unit = unit, .arg = &st};
    struct attn__problem p;
    struct attn__call c;
    carve(&s, x->call->p, x->machine, &st, &u.start);
    if (wants_heads_alone(x)) {
        p = *x->call->p;
        set_heads_alone(&st, &p);
        c = *x->call;
        c.p = &p;
        mine.call = &c;
    }
    mine.active = attn__active_begin(&mine, &st.active);
    if (mine.active && x->did)
        tell_all_tiles(&mine);
    attn__units_run(&u);
}

const struct attn__solver attn__solver_flash = {
    .name = "flash",
    .verb = ATTN__VERB_ATTEND,
    .reads_pages = true,
    .applicable = attn__finish_applicable,
    .tiles = attn__flash_tiles,
    .more_tiles = attn__flash_more_tiles,
    .cost = attn__flash_cost,
    .workspace = workspace,
    .run = run,
};
