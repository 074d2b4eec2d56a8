/* SPDX-License-Identifier: MIT */
/*
 * The sums of list_attend.c, in tiles whose lanes are lines (as flash.c) or row by row
 * where lines are fewer than lanes (as row_pass.c).
 */
#include "solvers/list_pass.h"

#include "solvers/flash_cost.h"
#include "solvers/rows_load.h"

/* Rows between the one that is asked for and the one that is used. */
enum { LEAD = 16 };

void attn__list_room_take(struct attn__scratch *s, const struct attn__problem *p,
                          const struct attn__machine *m, int64_t lines,
                          struct attn__list_room *room)
{
    int64_t w = 2 * m->kern->lanes, keys = attn__block_keys(p);
    int64_t all = attn__max_i64(lines, w), own = p->select.logits ? all : 0;
    room->q = ATTN__TAKE(s, all * p->d, float);
    room->tq = attn__score_has_table(p) ? ATTN__TAKE(s, all * p->d, float) : NULL;
    room->rows = ATTN__TAKE(s, w * attn__max_i64(p->d, p->dv), float);
    room->s = ATTN__TAKE(s, w * keys, float);
    room->part = ATTN__TAKE(s, w * p->dv, float);
    room->k = ATTN__TAKE(s, keys * p->d, float);
    room->v = ATTN__TAKE(s, keys * p->dv, float);
    room->f = ATTN__TAKE(s, all, float);
    room->place = ATTN__TAKE(s, 2 * keys + LEAD, const void *);
    room->bits = ATTN__TAKE(s, keys, uint64_t);
    room->lines = ATTN__TAKE(s, all, int64_t);
    room->sum.o = ATTN__TAKE(s, all * p->dv, float);
    room->sum.m = ATTN__TAKE(s, all, float);
    room->sum.l = ATTN__TAKE(s, all, float);
    room->own.o = ATTN__TAKE(s, own * p->dv, float);
    room->own.m = ATTN__TAKE(s, own, float);
    room->own.l = ATTN__TAKE(s, own, float);
    attn__score_work_take(s, p, w, attn__max_i64(keys, ATTN__SCORE_RUN), &room->score);
    attn__row_scratch_take(s, p, &room->exact);
}

void attn__list_pass_begin(struct attn__list_pass *ps, const int64_t *lines)
{
    const struct attn__problem *p = ps->c->p;
    ps->vis = attn__call_vis(ps->c, ps->s, ps->h0, ps->heads);
    ps->vis.lines = lines;
    ps->listed = ps->others = ps->vis;
    attn__vis_set_rules(&ps->listed, &ps->rules->listed);
    attn__vis_set_rules(&ps->others, &ps->rules->others);
    ps->qk = attn__qk_begin(ps->c, ps->s, ps->room->exact.qk);
    ps->k = attn__call_k(ps->c, ps->s, ps->h0);
    ps->v = attn__call_v(ps->c, ps->s, ps->h0);
    ps->score = (struct attn__score){ps->c, ps->kern, ps->s, &ps->vis, &ps->room->score, NULL, 0};
    ps->norm = attn__norm_pass_of(p, ps->s);
    ps->scale = (float)((p->score.own_rows ? 1 : p->scale) *
                        (p->score.steps ? 1 : attn__norm_pass_base(p)));
}

/* ---- keys and values of a block ---- */

/* Rows that stand one behind the other in a tensor, as `type`. */
static bool is_dense(const struct attn__rows *r, int32_t type)
{
    return !r->paged && attn__rows_plain(r, type);
}

/* Dense f32 rows, which need nothing but to be put together. */
static void gather(const struct attn__list_block *b, const struct attn__rows *r, int64_t width,
                   float *to)
{
    size_t bytes = (size_t)width * sizeof *to;
    for (int64_t n = -LEAD; n < b->keys; n++) {
        const char *later = attn__rows_at(r, b->key[attn__min_i64(n + LEAD, b->keys - 1)]);
        for (size_t byte = 0; byte < bytes; byte += 64)
            __builtin_prefetch(later + byte, 0, 3);
        if (n >= 0)
            memcpy(to + n * width, attn__rows_at(r, b->key[n]), bytes);
    }
}

static const float *keys_of(const struct attn__list_pass *ps, const struct attn__list_block *b,
                            int64_t *ld)
{
    int64_t d = ps->c->p->d;
    float *to = ps->room->k;
    if (b->runs == 1)
        return attn__qk_k(&ps->qk, ps->kern, ps->h0, &ps->k, b->key[0], b->keys, to, ld);
    *ld = d;
    if (!attn__qk_changes_k(ps->c->p) && is_dense(&ps->k, ATTN_DTYPE_F32)) {
        gather(b, &ps->k, d, to);
        return to;
    }
    for (int64_t n = 0; n < b->runs; n++) {
        struct attn__list_run run = attn__list_run_at(b, n);
        attn__qk_load_k(&ps->qk, ps->kern, ps->h0, &ps->k, run.j0, run.n, to + run.at * d, d);
    }
    return to;
}

static const float *values_of(const struct attn__list_pass *ps, const struct attn__list_block *b,
                              int64_t *ld)
{
    int64_t dv = ps->c->p->dv;
    float *to = ps->room->v;
    if (b->runs == 1)
        return attn__rows_f32(ps->kern, &ps->v, b->key[0], b->keys, dv, to, ld);
    *ld = dv;
    if (is_dense(&ps->v, ATTN_DTYPE_F32)) {
        gather(b, &ps->v, dv, to);
        return to;
    }
    for (int64_t n = 0; n < b->runs; n++) {
        struct attn__list_run run = attn__list_run_at(b, n);
        attn__rows_to_f32(ps->kern, &ps->v, run.j0, run.n, 0, dv, to + run.at * dv, dv);
    }
    return to;
}

/* ---- visibility ---- */

static const struct attn__vis *vis_of(const struct attn__list_pass *ps,
                                      const struct attn__list_run *run)
{
    return run->listed ? &ps->listed : &ps->others;
}

/* Do lines r0..r0+n-1 see all keys of the block? Most often one look at all
 * keys from the first to the last tells. */
static bool all_seen(const struct attn__list_pass *ps, const struct attn__list_block *b,
                     int64_t r0, int64_t n)
{
    return b->listed == b->keys &&
           attn__vis_tile(&ps->listed, r0, r0 + n, b->key[0], (int64_t)b->key[b->keys - 1] + 1) ==
               ATTN__TILE_FULL;
}

static enum attn__tile run_class(const struct attn__list_pass *ps,
                                 const struct attn__list_run *run, int64_t r0, int64_t n)
{
    return attn__vis_tile(vis_of(ps, run), r0, r0 + n, run->j0, run->j0 + run->n);
}

/* Are there keys that some line sees? */
static bool any_seen(const struct attn__list_pass *ps, const struct attn__list_block *b,
                     int64_t r0, int64_t n)
{
    for (int64_t k = 0; k < b->runs; k++) {
        struct attn__list_run run = attn__list_run_at(b, k);
        if (run_class(ps, &run, r0, n) != ATTN__TILE_EMPTY)
            return true;
    }
    return false;
}

/* ---- tiles ---- */

/* Lines r0..r0+n-1, which begin `at` lines into the pass. */
struct tile {
    int64_t r0, n, at, w;
};

/* What QUERY_TABLE is multiplied with of line `at` of the pass; NULL without. */
static float *table_row(const struct attn__list_pass *ps, int64_t at)
{
    return ps->room->tq ? ps->room->tq + at * ps->c->p->d : NULL;
}

/* Queries of lines r0..r0+n-1, with `lines` set each by itself. */
static void load_queries(struct attn__list_pass *ps, int64_t r0, int64_t n, float *to)
{
    int64_t d = ps->c->p->d, step;
    bool lines = ps->vis.lines;
    for (int64_t r = 0, run = 1; r < n && (lines || r < ps->heads); r += lines ? run : 1) {
        run = attn__score_run(&ps->score, r0 + r, n - r, &step);
        attn__qk_load_q(&ps->qk, ps->kern, attn__vis_head(&ps->vis, r0 + r),
                        attn__vis_query(&ps->vis, r0 + r), run, to + r * d, step * d);
    }
}

static void begin_tile(struct attn__list_pass *ps, const struct tile *t)
{
    const struct attn__problem *p = ps->c->p;
    float *rows = ps->room->rows;
    load_queries(ps, t->r0, t->n, rows);
    for (int64_t n = 0; n < t->n && p->score.own_rows; n++)
        attn__score_query(&ps->score, t->r0 + n, rows + n * p->d, table_row(ps, t->at + n));
    ps->kern->tile_pack_q(rows, p->d, t->n, p->d, ps->scale, t->w, ps->room->q + t->at * p->d);
}

static void clear(const struct attn__list_sums *x, int64_t at, int64_t n, int64_t dv)
{
    memset(x->o + at * dv, 0, (size_t)(n * dv) * sizeof *x->o);
    for (int64_t r = at; r < at + n; r++) {
        x->m[r] = -INFINITY;
        x->l[r] = 0;
    }
}

static void tile_logits(const struct attn__list_block *b, int64_t w, float *st)
{
    for (int64_t k = 0; k < b->runs && b->logits; k++) {
        const struct attn__list_run *run = &b->run[k];
        for (int64_t e = run->at * w; e < (run->at + run->n) * w; e++)
            st[e] += run->logit;
    }
}

static void tile_hide(const struct attn__list_pass *ps, const struct attn__list_block *b,
                      const struct tile *t)
{
    uint64_t *bits = ps->room->bits;
    for (int64_t k = 0; k < b->runs; k++) {
        struct attn__list_run run = attn__list_run_at(b, k);
        enum attn__tile class = run_class(ps, &run, t->r0, t->n);
        if (class == ATTN__TILE_PARTIAL)
            attn__vis_bits(vis_of(ps, &run), t->r0, t->r0 + t->n, run.j0, run.j0 + run.n,
                           bits + run.at);
        for (int64_t j = run.at; j < run.at + run.n && class != ATTN__TILE_PARTIAL; j++)
            bits[j] = class == ATTN__TILE_FULL ? UINT64_MAX : 0;
    }
    ps->kern->tile_mask(ps->room->s, b->keys, t->w, bits);
}

static void tile_block(struct attn__list_pass *ps, const struct attn__list_block *b,
                       const struct tile *t, const float *k, int64_t ldk, const float *v,
                       int64_t ldv)
{
    const struct attn__problem *p = ps->c->p;
    const struct attn__list_sums *x = b->alone ? &ps->room->own : &ps->room->sum;
    float *st = ps->room->s;
    bool full = all_seen(ps, b, t->r0, t->n);
    if (!full && !any_seen(ps, b, t->r0, t->n))
        return;
    ps->did_pairs += t->n * b->keys;
    ps->did_tiles++;
    ps->kern->tile_qk(k, ldk, b->keys, p->d, ps->room->q + t->at * p->d, t->w, st);
    ps->score.tq = table_row(ps, t->at);
    ps->score.tq_r0 = t->r0;
    for (int64_t n = 0; n < b->runs && p->score.steps; n++) {
        struct attn__list_run run = attn__list_run_at(b, n);
        struct attn__score_tile at = {st + run.at * t->w, t->w, t->r0, t->n, run.j0, run.n};
        attn__score_tile_steps(&ps->score, &at);
    }
    tile_logits(b, t->w, st);
    if (!full)
        tile_hide(ps, b, t);
    if (ps->norm.kind < 0)
        ps->kern->tile_softmax(st, b->keys, t->w, x->m + t->at, x->l + t->at, x->o + t->at * p->dv,
                               p->dv);
    else
        ps->kern->tile_weights(ps->norm.kind, ps->norm.shift, st, b->keys, t->w, x->l + t->at);
    ps->kern->tile_pv(v, ldv, b->keys, p->dv, st, t->w, x->o + t->at * p->dv);
}

/* ---- entries that are normalised by themselves ---- */

/*
 * Lane or row r of sums x takes that of the entry in, with a logit (base 2) in
 * place of its log-sum-exp; element e of r is at o[r * row + e * col].
 */
static void take_in(const struct attn__list_sums *x, const struct attn__list_sums *own,
                    float logit, int64_t r, int64_t at, int64_t row, int64_t col, int64_t dv)
{
    if (own->l[r] == 0)
        return;
    float top = x->m[r] > logit ? x->m[r] : logit, a = exp2f(x->m[r] - top);
    float b = exp2f(logit - top), f = b / own->l[r];
    for (int64_t e = 0; e < dv; e++)
        x->o[at + row + e * col] = x->o[at + row + e * col] * a + own->o[at + row + e * col] * f;
    x->l[r] = x->l[r] * a + b;
    x->m[r] = top;
}

/* ---- results ---- */

/* Rows r0..r0+n-1, `at` rows into the pass, are finished. */
static void give_rows(struct attn__list_pass *ps, int64_t r0, int64_t n, int64_t at, float *o,
                      float *m, float *l)
{
    int64_t dv = ps->c->p->dv;
    if (!ps->kept) {
        attn__finish_rows(ps->c, ps->kern, ps->s, &ps->vis, r0, n, o, dv, m, l,
                          &ps->room->exact, NULL);
        return;
    }
    memcpy(ps->kept->o + at * dv, o, (size_t)(n * dv) * sizeof *o);
    for (int64_t r = 0; r < n; r++) {
        bool sound = isfinite(l[r]) && ps->kern->rows_finite(o + r * dv, dv, 1, dv);
        ps->kept->lse[at + r] = !sound      ? NAN
                                : l[r] == 0 ? -INFINITY
                                            : ((double)m[r] + log2((double)l[r])) * M_LN2;
    }
}

/* ---- rows ---- */

static void begin_rows(struct attn__list_pass *ps, int64_t r0, int64_t n)
{
    int64_t d = ps->c->p->d;
    for (int64_t r = 0; r < n; r++) {
        float *row = ps->room->q + r * d;
        attn__qk_load_q(&ps->qk, ps->kern, attn__vis_head(&ps->vis, r0 + r),
                        attn__vis_query(&ps->vis, r0 + r), 1, row, d);
        if (ps->c->p->score.own_rows)
            attn__score_query(&ps->score, r0 + r, row, table_row(ps, r));
        ps->kern->vec_scale(row, d, ps->scale);
    }
}

/* From q.k to final scores of line r. */
static void row_scores(struct attn__list_pass *ps, const struct attn__list_block *b, int64_t r,
                       bool full, float *s)
{
    bool steps = ps->c->p->score.steps != 0;
    for (int64_t k = 0; k < b->runs && steps; k++) {
        struct attn__list_run run = attn__list_run_at(b, k);
        attn__score_row_steps(&ps->score, ATTN__STEPS_ALL, r, run.j0, run.n, s + run.at);
    }
    if (steps && ps->norm.kind < 0)
        ps->kern->vec_scale(s, b->keys, (float)M_LOG2E);
    for (int64_t k = 0; k < b->runs && b->logits; k++) {
        const struct attn__list_run *run = &b->run[k];
        for (int64_t j = run->at; j < run->at + run->n; j++)
            s[j] += run->logit;
    }
    for (int64_t k = 0; k < b->runs && !full; k++) {
        struct attn__list_run run = attn__list_run_at(b, k);
        attn__vis_hide(vis_of(ps, &run), r, run.j0, run.j0 + run.n, s + run.at);
    }
}

void attn__list_pass_scores(struct attn__list_pass *ps, const struct attn__list_block *b,
                            int64_t r, float *s)
{
    row_scores(ps, b, r, all_seen(ps, b, r, 1), s);
}

/* Are keys and values used where they lie, wherever that is? In pages they may
 * be missing. */
static bool used_in_place(const struct attn__list_pass *ps, const struct attn__list_block *b)
{
    int32_t type = ps->k.dtype;
    bool floats = type == ATTN_DTYPE_F32 || type == ATTN_DTYPE_F16 || type == ATTN_DTYPE_BF16;
    return b->runs > 1 && floats && !ps->vis.odd && !attn__qk_changes_k(ps->c->p) &&
           attn__rows_plain(&ps->k, type) && attn__rows_plain(&ps->v, type);
}

/* The keys that are used behind those of a block: of the next block or, after the
 * last, of the next list, which most often is that of the next pass. */
struct later {
    const int32_t *key;
    int64_t n;
};

static struct later later_keys(const struct attn__list_pass *ps,
                               const struct attn__list_walk *walk,
                               const struct attn__list_block *next)
{
    if (next)
        return (struct later){next->key, attn__min_i64(next->keys, LEAD)};
    if (ps->k.paged) /* the next list may be of another sequence, which has other pages */
        return (struct later){NULL, 0};
    const int32_t *key = walk->rows->start + walk->end;
    int64_t left = attn__min_i64(walk->rows->n - walk->end, LEAD), n = 0;
    while (n < left && key[n] < ps->s->nk) /* ... or of a longer one */
        n++;
    return (struct later){key, n};
}

/* Neighbours are looked for together: in pages that takes a while. */
static void places_in_pages(const struct attn__rows *r, const int32_t *key, int64_t n,
                            const void **place)
{
    int64_t step = r->row * (int64_t)attn__dtype_size(r->dtype);
    for (int64_t j = 0, run; j < n; j += run) {
        char *at;
        for (run = 1; j + run < n && key[j + run] == key[j] + run;)
            run++;
        run = attn__rows_run(r, key[j], run, &at);
        for (int64_t i = 0; i < run; i++)
            place[j + i] = at + i * step;
    }
}

static void places_of(const struct attn__rows *r, const int32_t *key, int64_t n,
                      const void **place)
{
    const char *base = r->base;
    int64_t step = r->row * (int64_t)attn__dtype_size(r->dtype);
    if (r->paged) {
        places_in_pages(r, key, n, place);
        return;
    }
    for (int64_t j = 0; j < n; j++)
        place[j] = base + key[j] * step;
}

/* Where the block's keys and values lie, then the keys behind them: the order in
 * which they are used. */
static void tell_places(const struct attn__list_pass *ps, const struct attn__list_block *b,
                        struct later later, const void **place)
{
    int64_t n = b->keys;
    places_of(&ps->k, b->key, n, place);
    places_of(&ps->v, b->key, n, place + n);
    places_of(&ps->k, later.key, later.n, place + 2 * n);
    for (int64_t j = later.n; j < LEAD; j++)
        place[2 * n + j] = place[0];
}

/* The cast of an array of places; what they lead to has the type. */
#define ATTN__PLACES(type, place) ((const type *const *)(const void *)(place))

/* s[r * lds + j]: products of the block's keys with the rows. */
static void row_products(struct attn__list_pass *ps, const struct attn__list_block *b, int64_t n,
                         float *s, int64_t lds)
{
    int64_t d = ps->c->p->d, ldk;
    const float *q = ps->room->q;
    const void **at = ps->room->place, **ask = at + LEAD;
    if (!used_in_place(ps, b)) {
        const float *k = keys_of(ps, b, &ldk);
        ps->kern->row_qk_f32(k, ldk, b->keys, d, q, d, n, s, lds, 0);
    } else if (ps->k.dtype == ATTN_DTYPE_F32) {
        ps->kern->row_qk_each_f32(ATTN__PLACES(float, at), b->keys, d, q, d, n, s, lds,
                                  ATTN__PLACES(float, ask));
    } else {
        (ps->k.dtype == ATTN_DTYPE_F16 ? ps->kern->row_qk_each_f16 : ps->kern->row_qk_each_bf16)(
            ATTN__PLACES(uint16_t, at), b->keys, d, q, d, n, s, lds, ATTN__PLACES(uint16_t, ask));
    }
}

/* o[r * dv + e] += the weighted sum of the block's values. */
static void row_values(struct attn__list_pass *ps, const struct attn__list_block *b, int64_t n,
                       const float *s, int64_t lds, float *o)
{
    int64_t dv = ps->c->p->dv, ldv;
    const void **at = ps->room->place + b->keys, **ask = at + LEAD;
    if (!used_in_place(ps, b)) {
        const float *v = values_of(ps, b, &ldv);
        ps->kern->row_pv_f32(v, ldv, b->keys, dv, s, lds, n, o, dv, 0);
    } else if (ps->v.dtype == ATTN_DTYPE_F32) {
        ps->kern->row_pv_each_f32(ATTN__PLACES(float, at), b->keys, dv, s, lds, n, o, dv,
                                  ATTN__PLACES(float, ask));
    } else {
        (ps->v.dtype == ATTN_DTYPE_F16 ? ps->kern->row_pv_each_f16 : ps->kern->row_pv_each_bf16)(
            ATTN__PLACES(uint16_t, at), b->keys, dv, s, lds, n, o, dv,
            ATTN__PLACES(uint16_t, ask));
    }
}

static void rows_block(struct attn__list_pass *ps, const struct attn__list_block *b,
                       struct later later, int64_t r0, int64_t n)
{
    const struct attn__problem *p = ps->c->p;
    const struct attn__list_sums *x = b->alone ? &ps->room->own : &ps->room->sum;
    int64_t lds = attn__block_keys(p);
    bool full = all_seen(ps, b, r0, n), seen = false;
    float *s = ps->room->s, *part = ps->room->part;
    if (!full && !any_seen(ps, b, r0, n))
        return;
    ps->did_pairs += n * b->keys;
    ps->did_tiles++;
    if (used_in_place(ps, b))
        tell_places(ps, b, later, ps->room->place);
    row_products(ps, b, n, s, lds);
    for (int64_t r = 0; r < n; r++) {
        float f = 1;
        row_scores(ps, b, r0 + r, full, s + r * lds);
        if (ps->norm.kind < 0) {
            f = ps->kern->row_softmax(s + r * lds, b->keys, &x->m[r], &x->l[r]);
        } else {
            ps->kern->row_weights(ps->norm.kind, ps->norm.shift, s + r * lds, b->keys, &x->l[r]);
            x->m[r] = x->l[r] == 0 ? -INFINITY : 0;
        }
        if (f != 1)
            ps->kern->vec_scale(x->o + r * p->dv, p->dv, f);
        seen |= x->m[r] != -INFINITY;
    }
    if (!seen)
        return;
    /* By themselves, as in row_pass.c: a long chain gathers a large error. */
    memset(part, 0, (size_t)(n * p->dv) * sizeof *part);
    row_values(ps, b, n, s, lds, part);
    for (int64_t e = 0; e < n * p->dv; e++)
        x->o[e] += part[e];
}

static void sum_rows(struct attn__list_pass *ps, struct attn__list_walk *walk, int64_t r0,
                     int64_t n)
{
    const struct attn__list_room *room = ps->room;
    int64_t dv = ps->c->p->dv;
    struct attn__list_block block[2];
    bool open = false; /* own is of an entry that has begun */
    ps->score.tq = table_row(ps, 0);
    ps->score.tq_r0 = r0;
    begin_rows(ps, r0, n);
    clear(&room->sum, 0, n, dv);
    bool more = attn__list_walk_next(walk, &block[0]);
    for (int at = 0; more; at ^= 1) {
        const struct attn__list_block *b = &block[at];
        more = attn__list_walk_next(walk, &block[at ^ 1]);
        if (b->alone && !open)
            clear(&room->own, 0, n, dv);
        open = b->alone && !b->ends;
        rows_block(ps, b, later_keys(ps, walk, more ? &block[at ^ 1] : NULL), r0, n);
        for (int64_t r = 0; r < n && b->alone && b->ends; r++)
            take_in(&room->sum, &room->own, b->logit, r, 0, r * dv, 1, dv);
    }
}

static void finish_rows(struct attn__list_pass *ps, int64_t r0, int64_t n,
                        const struct attn__list_sums *sum)
{
    int64_t dv = ps->c->p->dv;
    attn__finish_factors(ps->c, ps->s, &ps->vis, r0, n, sum->m, sum->l, ps->room->f);
    for (int64_t r = 0; r < n; r++)
        ps->kern->vec_scale(sum->o + r * dv, dv, ps->room->f[r]);
    give_rows(ps, r0, n, 0, sum->o, sum->m, sum->l);
}

/* ---- tiles together ---- */

/* Tile i of lines r0..r0+n-1. */
static struct tile tile_at(int64_t r0, int64_t n, int64_t w, int64_t i)
{
    return (struct tile){r0 + i * w, attn__min_i64(w, n - i * w), i * w, w};
}

/* A block for all tiles of lines r0..r0+n-1. */
static void block_for_tiles(struct attn__list_pass *ps, const struct attn__list_block *b,
                            int64_t r0, int64_t n, int64_t w)
{
    int64_t ldk, ldv;
    const float *k = keys_of(ps, b, &ldk), *v = values_of(ps, b, &ldv);
    for (int64_t i = 0; i * w < n; i++) {
        struct tile t = tile_at(r0, n, w, i);
        tile_block(ps, b, &t, k, ldk, v, ldv);
    }
}

static void sum_tiles(struct attn__list_pass *ps, struct attn__list_walk *walk, int64_t r0,
                      int64_t n, int64_t w)
{
    const struct attn__list_room *room = ps->room;
    int64_t dv = ps->c->p->dv, tiles = (n + w - 1) / w;
    struct attn__list_block b;
    bool open = false;
    for (int64_t i = 0; i < tiles; i++) {
        struct tile t = tile_at(r0, n, w, i);
        begin_tile(ps, &t);
        clear(&room->sum, i * w, w, dv);
    }
    while (attn__list_walk_next(walk, &b)) {
        if (b.alone && !open)
            clear(&room->own, 0, tiles * w, dv);
        open = b.alone && !b.ends;
        block_for_tiles(ps, &b, r0, n, w);
        for (int64_t r = 0; r < tiles * w && b.alone && b.ends; r++)
            take_in(&room->sum, &room->own, b.logit, r, r / w * w * dv, r % w, w, dv);
    }
}

static void finish_tile(struct attn__list_pass *ps, const struct tile *t)
{
    const struct attn__list_room *room = ps->room;
    int64_t dv = ps->c->p->dv;
    float *m = room->sum.m + t->at, *l = room->sum.l + t->at;
    attn__finish_factors(ps->c, ps->s, &ps->vis, t->r0, t->n, m, l, room->f);
    ps->kern->tile_unpack_o(room->sum.o + t->at * dv, t->w, t->n, dv, room->f, room->rows, dv);
    give_rows(ps, t->r0, t->n, t->at, room->rows, m, l);
}

/* The sums of n lines as rows. */
static void unpack(const struct attn__list_pass *ps, int64_t n, int64_t w,
                   const struct attn__list_sums *to)
{
    const struct attn__list_room *room = ps->room;
    int64_t dv = ps->c->p->dv;
    for (int64_t r = 0; r < w; r++)
        room->f[r] = 1;
    for (int64_t i = 0; i * w < n; i++) {
        struct tile t = tile_at(0, n, w, i);
        ps->kern->tile_unpack_o(room->sum.o + t.at * dv, w, t.n, dv, room->f, to->o + t.at * dv,
                                dv);
    }
}

/* ---- both ---- */

/* Lanes of a tile of n lines; 0: they go row by row. */
static int64_t lanes_of(const struct attn__list_pass *ps, int64_t n)
{
    int64_t lanes = ps->kern->lanes;
    return 8 * n < 7 * lanes ? 0 : n > lanes ? 2 * lanes : lanes;
}

int64_t attn__list_pass_tiles(const struct attn__list_pass *ps, int64_t n)
{
    int64_t w = lanes_of(ps, n), keys = attn__block_keys(ps->c->p);
    return (w == 0 ? 1 : (n + w - 1) / w) * ((ps->s->nk + keys - 1) / keys);
}

static void sum_lines(struct attn__list_pass *ps, struct attn__list_walk *walk, int64_t r0,
                      int64_t n, int64_t w)
{
    if (w == 0)
        sum_rows(ps, walk, r0, n);
    else
        sum_tiles(ps, walk, r0, n, w);
}

void attn__list_pass_lines(struct attn__list_pass *ps, int64_t row, int64_t r0, int64_t n)
{
    int64_t w = lanes_of(ps, n);
    struct attn__list_walk walk;
    attn__list_walk_begin(&walk, ps->rules, &ps->vis, row, r0, r0 + n,
                          attn__block_keys(ps->c->p));
    sum_lines(ps, &walk, r0, n, w);
    if (w == 0)
        finish_rows(ps, r0, n, &ps->room->sum);
    for (int64_t i = 0; w > 0 && i * w < n; i++) {
        struct tile t = tile_at(r0, n, w, i);
        finish_tile(ps, &t);
    }
}

void attn__list_pass_part(struct attn__list_pass *ps, int64_t row, int64_t r0, int64_t n,
                          int64_t j0, int64_t j1, const struct attn__list_sums *to)
{
    const struct attn__list_sums *sum = &ps->room->sum;
    int64_t w = lanes_of(ps, n), dv = ps->c->p->dv;
    struct attn__list_walk walk;
    attn__list_walk_begin(&walk, ps->rules, &ps->vis, row, r0, r0 + n,
                          attn__block_keys(ps->c->p));
    attn__list_walk_within(&walk, j0, j1);
    sum_lines(ps, &walk, r0, n, w);
    memcpy(to->m, sum->m, (size_t)n * sizeof *to->m);
    memcpy(to->l, sum->l, (size_t)n * sizeof *to->l);
    if (w == 0)
        memcpy(to->o, sum->o, (size_t)(n * dv) * sizeof *to->o);
    else
        unpack(ps, n, w, to);
}

void attn__list_pass_join(const struct attn__list_sums *to, const struct attn__list_sums *part,
                          int64_t n, int64_t dv)
{
    for (int64_t r = 0; r < n; r++) {
        if (part->m[r] == -INFINITY)
            continue;
        float top = to->m[r] > part->m[r] ? to->m[r] : part->m[r];
        float a = exp2f(to->m[r] - top), b = exp2f(part->m[r] - top);
        for (int64_t e = r * dv; e < (r + 1) * dv; e++)
            to->o[e] = to->o[e] * a + part->o[e] * b;
        to->l[r] = to->l[r] * a + part->l[r] * b;
        to->m[r] = top;
    }
}

void attn__list_pass_finish(struct attn__list_pass *ps, int64_t r0, int64_t n,
                            const struct attn__list_sums *sum)
{
    finish_rows(ps, r0, n, sum);
}

/* ---- lines that bring their sums along ---- */

/* A row number at[r] for each row r of a tile, put together. */
static const float *collect(const struct attn__list_pass *ps, const float *from,
                            const int64_t *at, int64_t n, int64_t width)
{
    for (int64_t r = 0; r < n; r++)
        memcpy(ps->room->rows + r * width, from + at[r] * width, (size_t)width * sizeof *from);
    return ps->room->rows;
}

static void tile_in(const struct attn__list_pass *ps, const struct tile *t, const int64_t *at,
                    const float *q, const struct attn__list_sums *sum)
{
    const struct attn__list_room *room = ps->room;
    int64_t d = ps->c->p->d, dv = ps->c->p->dv;
    ps->kern->tile_pack_q(collect(ps, q, at, t->n, d), d, t->n, d, ps->scale, t->w,
                          room->q + t->at * d);
    ps->kern->tile_pack_q(collect(ps, sum->o, at, t->n, dv), dv, t->n, dv, 1, t->w,
                          room->sum.o + t->at * dv);
    for (int64_t r = 0; r < t->w; r++) {
        room->sum.m[t->at + r] = r < t->n ? sum->m[at[r]] : -INFINITY;
        room->sum.l[t->at + r] = r < t->n ? sum->l[at[r]] : 0;
    }
}

/* What n rows have summed up goes where it came from. */
static void put_back(const struct attn__list_sums *sum, const int64_t *at, int64_t n, int64_t dv,
                     const float *o, const float *m, const float *l)
{
    for (int64_t r = 0; r < n; r++) {
        memcpy(sum->o + at[r] * dv, o + r * dv, (size_t)dv * sizeof *o);
        sum->m[at[r]] = m[r];
        sum->l[at[r]] = l[r];
    }
}

static void tile_out(const struct attn__list_pass *ps, const struct tile *t, const int64_t *at,
                     const struct attn__list_sums *sum)
{
    const struct attn__list_room *room = ps->room;
    int64_t dv = ps->c->p->dv;
    ps->kern->tile_unpack_o(room->sum.o + t->at * dv, t->w, t->n, dv, room->f, room->rows, dv);
    put_back(sum, at, t->n, dv, room->rows, room->sum.m + t->at, room->sum.l + t->at);
}

static void rows_in(const struct attn__list_pass *ps, const int64_t *at, int64_t n,
                    const float *q, const struct attn__list_sums *sum)
{
    const struct attn__list_room *room = ps->room;
    int64_t d = ps->c->p->d, dv = ps->c->p->dv;
    for (int64_t r = 0; r < n; r++) {
        memcpy(room->q + r * d, q + at[r] * d, (size_t)d * sizeof *q);
        memcpy(room->sum.o + r * dv, sum->o + at[r] * dv, (size_t)dv * sizeof *q);
        room->sum.m[r] = sum->m[at[r]];
        room->sum.l[r] = sum->l[at[r]];
    }
    ps->kern->vec_scale(room->q, n * d, ps->scale);
}

void attn__list_pass_queries(struct attn__list_pass *ps, int64_t n, float *q)
{
    load_queries(ps, 0, n, q);
}

/* Keys j0..j1-1, which are all in entries, for the n lines of a pass. */
static void stretch(struct attn__list_pass *ps, int64_t n, int64_t w, int64_t j0, int64_t j1)
{
    int64_t most = attn__block_keys(ps->c->p);
    struct attn__list_block b;
    for (int64_t j = j0; j < j1; j += most) {
        attn__list_block_of(j, attn__min_i64(most, j1 - j), &b);
        if (w == 0)
            rows_block(ps, &b, (struct later){NULL, 0}, 0, n);
        else
            block_for_tiles(ps, &b, 0, n, w);
    }
}

void attn__list_pass_along(struct attn__list_pass *ps, const int64_t *at, int64_t n, int64_t j0,
                           int64_t j1, const float *q, const struct attn__list_sums *sum)
{
    int64_t w = lanes_of(ps, n);
    if (w == 0) {
        rows_in(ps, at, n, q, sum);
        stretch(ps, n, w, j0, j1);
        put_back(sum, at, n, ps->c->p->dv, ps->room->sum.o, ps->room->sum.m, ps->room->sum.l);
        return;
    }
    for (int64_t r = 0; r < w; r++)
        ps->room->f[r] = 1;
    for (int64_t i = 0; i * w < n; i++) {
        struct tile t = tile_at(0, n, w, i);
        tile_in(ps, &t, at + t.at, q, sum);
    }
    stretch(ps, n, w, j0, j1);
    for (int64_t i = 0; i * w < n; i++) {
        struct tile t = tile_at(0, n, w, i);
        tile_out(ps, &t, at + t.at, sum);
    }
}
