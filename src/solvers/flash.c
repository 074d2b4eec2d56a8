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
 */
#include <stdio.h>

#include "solvers/finish.h"
#include "solvers/rows_load.h"
#include "solvers/solvers.h"
#include "solvers/units.h"

struct worker {
    float *qt, *st, *ot;      /* [d][w], [keys][w], [dv][w] */
    float *m, *l, *f;         /* [w] */
    float *rows;              /* [w][max(d, dv)]: queries in, results out */
    float *k, *v, *bias;      /* [keys][d], [keys][dv], [w][keys] */
    uint64_t *bits;           /* [keys] */
    struct attn__row_scratch exact;
};

struct state {
    const struct attn__exec *x;
    struct worker *worker;
    bool steps; /* is there anything between q.k and the softmax? */
};

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    const char *reason = NULL;
    if (p->dtype == ATTN_DTYPE_F64)
        reason = "computes in f32, dtype is f64";
    else if (p->want)
        reason = "keeps no scores, and want= asks for outputs made from them";
    if (reason)
        snprintf(why, ATTN__WHY_MAX, "%s", reason);
    return !reason;
}

/* Keys of a block: K, V and the scores of a tile should stay in L1 or L2. */
static int32_t block_keys(const struct attn__problem *p)
{
    int64_t d = attn__max_i64(p->d, p->dv);
    return d <= 128 ? 128 : d <= 256 ? 64 : 32;
}

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)k;
    /* A causal tile computes a triangle it throws away, so where that weighs
     * tiles are narrow; few rows would leave a wide tile's lanes empty. */
    bool narrow = q <= m->kern->lanes || (p->n_pieces > 0 && q <= 16 * m->kern->lanes);
    return (struct attn__tiles){.rows = m->kern->lanes * (narrow ? 1 : 2), .keys = block_keys(p)};
}

static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    struct attn__tiles t = tiles(p, m, q, k);
    double lanes = m->kern->lanes, vectors = (double)t.rows / lanes;
    double n_tiles = (double)((q + t.rows - 1) / t.rows);
    /* Keys computed per tile: what its rows see, and the edge of the tile. */
    double keys = attn__vis_share(p, q, k) * (double)k + (p->n_pieces ? t.rows / 2.0 : 0);
    keys = keys > (double)k ? (double)k : keys;
    double fma = vectors * (double)(p->d + p->dv) * (t.rows > lanes ? 1.1 : 1.35);
    double softmax = vectors * (10 + (p->softcap > 0 ? 25 : 0) + (p->bias ? 8 : 0) +
                                (p->slopes ? 3 : 0) + (p->mask || p->segments ? 6 : 0));
    double convert = p->kv_dtype == ATTN_DTYPE_F32 ? 0 : 2.0 * (double)(p->d + p->dv) / lanes;
    double edges = 3.0 * (double)t.rows * (double)(p->d + p->dv) / lanes + 300;
    return (double)p->hout * n_tiles * (keys * (fma + softmax + convert) + edges);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    int64_t w = 2 * m->kern->lanes, keys = block_keys(p);
    attn__units_take(s, p, start);
    st->worker = ATTN__TAKE(s, m->threads, struct worker);
    for (int64_t n = 0; n < m->threads; n++) {
        struct worker k = {0};
        k.qt = ATTN__TAKE(s, w * p->d, float);
        k.st = ATTN__TAKE(s, w * keys, float);
        k.ot = ATTN__TAKE(s, w * p->dv, float);
        k.m = ATTN__TAKE(s, w, float);
        k.l = ATTN__TAKE(s, w, float);
        k.f = ATTN__TAKE(s, w, float);
        k.rows = ATTN__TAKE(s, w * attn__max_i64(p->d, p->dv), float);
        k.k = ATTN__TAKE(s, keys * p->d, float);
        k.v = ATTN__TAKE(s, keys * p->dv, float);
        k.bias = ATTN__TAKE(s, p->bias ? w * keys : 0, float);
        k.bits = ATTN__TAKE(s, keys, uint64_t);
        attn__row_scratch_take(s, p, &k.exact);
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

/* What one tile needs to know. */
struct tile {
    const struct attn__call *c;
    const struct attn__kernels *kern;
    const struct attn__seq *s;
    struct attn__vis vis;
    struct attn__rows k, v, bias;
    int64_t h, i0, rows, w;
    bool steps;
    struct worker *wk;
};

/* Softcap, bias and ALiBi on natural scores, then the factor log2 e. */
static void score_steps(const struct tile *t, int64_t j0, int64_t nk)
{
    const struct attn__problem *p = t->c->p;
    float *st = t->wk->st;
    if (p->softcap > 0)
        t->kern->vec_softcap(st, nk * t->w, (float)p->softcap);
    if (p->slopes)
        t->kern->tile_alibi(st, nk, t->w, (float)p->slopes[t->h],
                            (float)(t->i0 + t->s->off - j0));
    if (p->bias) {
        const struct attn__rows *b = &t->bias;
        if (b->dtype == ATTN_DTYPE_F32) {
            const float *at = (const float *)attn__rows_at(b, t->i0) + j0 * b->col;
            t->kern->tile_bias(st, nk, t->w, t->rows, at, b->row, b->col);
        } else {
            attn__rows_to_f32(t->kern, b, t->i0, t->rows, j0, nk, t->wk->bias, nk);
            t->kern->tile_bias(st, nk, t->w, t->rows, t->wk->bias, nk, 1);
        }
    }
    t->kern->vec_scale(st, nk * t->w, (float)M_LOG2E);
}

static void block(const struct tile *t, int64_t j0, int64_t j1)
{
    const struct attn__problem *p = t->c->p;
    struct worker *wk = t->wk;
    enum attn__tile class = attn__vis_tile(&t->vis, t->i0, t->i0 + t->rows, j0, j1);
    if (class == ATTN__TILE_EMPTY)
        return;
    const uint64_t *bits = wk->bits;
    if (class == ATTN__TILE_PARTIAL) {
        attn__vis_bits(&t->vis, t->i0, t->i0 + t->rows, j0, j1, wk->bits);
        while (j0 < j1 && bits[0] == 0) {
            bits++;
            j0++;
        }
        while (j0 < j1 && bits[j1 - j0 - 1] == 0)
            j1--;
        if (j0 == j1)
            return;
    }
    int64_t nk = j1 - j0, ld;
    const float *k = attn__rows_f32(t->kern, &t->k, j0, nk, p->d, wk->k, &ld);
    t->kern->tile_qk(k, ld, nk, p->d, wk->qt, t->w, wk->st);
    if (t->steps)
        score_steps(t, j0, nk);
    if (class == ATTN__TILE_PARTIAL)
        t->kern->tile_mask(wk->st, nk, t->w, bits);
    t->kern->tile_softmax(wk->st, nk, t->w, wk->m, wk->l, wk->ot, p->dv);
    const float *v = attn__rows_f32(t->kern, &t->v, j0, nk, p->dv, wk->v, &ld);
    t->kern->tile_pv(v, ld, nk, p->dv, wk->st, t->w, wk->ot);
}

static void run_tile(const struct tile *t, int64_t keys)
{
    const struct attn__problem *p = t->c->p;
    struct worker *wk = t->wk;
    struct attn__rows q = attn__call_q(t->c, t->s, t->h);
    int64_t ld;
    const float *rows = attn__rows_f32(t->kern, &q, t->i0, t->rows, p->d, wk->rows, &ld);
    double scale = t->steps ? p->scale : p->scale * M_LOG2E;
    t->kern->tile_pack_q(rows, ld, t->rows, p->d, (float)scale, t->w, wk->qt);
    memset(wk->ot, 0, (size_t)(p->dv * t->w) * sizeof *wk->ot);
    for (int64_t r = 0; r < t->w; r++) {
        double sink = r < t->rows ? attn__call_sink(t->c, t->s, t->h, t->i0 + r) : -INFINITY;
        wk->m[r] = (float)(sink * M_LOG2E);
        wk->l[r] = sink == -INFINITY ? 0 : 1;
    }

    int64_t lo, hi;
    attn__vis_hull(&t->vis, t->i0, t->i0 + t->rows, &lo, &hi);
    for (int64_t j = lo - lo % keys; j < hi; j += keys)
        block(t, j, attn__min_i64(j + keys, t->s->nk));

    for (int64_t r = 0; r < t->rows; r++)
        wk->f[r] = attn__finish_factor(wk->l[r]);
    t->kern->tile_unpack_o(wk->ot, t->w, t->rows, p->dv, wk->f, wk->rows, p->dv);
    attn__finish_rows(t->c, t->kern, t->s, &t->vis, t->h, t->i0, t->rows, wk->rows, p->dv, wk->m,
                      wk->l, &wk->exact);
}

static int64_t row_tiles(const struct attn__exec *x, const struct attn__seq *s)
{
    int64_t w = attn__exec_choice(x, s)->tiles.rows;
    return s->nq <= w ? 1 : (s->nq + w - 1) / w;
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    return x->call->p->hout * row_tiles(x, s);
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t index)
{
    struct state *st = arg;
    const struct attn__call *c = st->x->call;
    const struct attn__tiles *tl = &attn__exec_choice(st->x, s)->tiles;
    int64_t n = row_tiles(st->x, s);
    struct tile t = {.c = c, .kern = st->x->machine->kern, .s = s, .w = tl->rows};
    t.h = index / n;
    /* The last rows see the most keys when causal: long units first. */
    t.i0 = (n - 1 - index % n) * tl->rows;
    t.rows = attn__min_i64(tl->rows, s->nq - t.i0);
    t.vis = attn__call_vis(c, s, t.h);
    if (index % n == 0)
        attn__rows_pad(c, s, t.h);
    if (t.rows <= 0)
        return;
    t.k = attn__call_k(c, s, t.h);
    t.v = attn__call_v(c, s, t.h);
    t.steps = st->steps;
    t.wk = &st->worker[worker];
    if (c->p->bias)
        t.bias = attn__call_pairs(c, ATTN__SLOT_BIAS, s, t.h);
    run_tile(&t, tl->keys);
}

static void run(const struct attn__exec *x)
{
    const struct attn__problem *p = x->call->p;
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct state st = {.x = x, .steps = p->softcap > 0 || p->slopes || p->bias};
    struct attn__units u = {.x = x, .count = count, .unit = unit, .arg = &st};
    carve(&s, p, x->machine, &st, &u.start);
    attn__units_run(&u);
}

const struct attn__solver attn__solver_flash = {
    .name = "flash",
    .verb = ATTN__VERB_ATTEND,
    .applicable = applicable,
    .tiles = tiles,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
