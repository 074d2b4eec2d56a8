/* SPDX-License-Identifier: MIT */
/*
 * Rows against a chunk of keys.
 */
#include "solvers/row_pass.h"

#include "cpu/cpu.h"
#include "solvers/epilogue.h"
#include "solvers/page_rows.h"
#include "solvers/rows_load.h"

enum {
    SPAN = ATTN__ROW_SPAN,
    RUN = ATTN__CHUNK,  /* keys between changes from K to V where the rows are few */
    RUN_ROWS = 4,
    RUN_LD = RUN + 16,  /* 4 KB apart would be in each other's way in L1 */
    BLOCKS = 4,     /* of a run whose values are summed after the weights of all */
    NEAR = 2 << 20, /* bytes of K and V in all that stay near, */
    NEAR_PARTS = 4, /* and what part of L3 does: asking costs more than it brings */
    NARROW = 160,   /* bytes of a key */
    ALIGN = 16,     /* where a weight is summed goes by its key's number modulo
                     * the lanes, which divide this */
};

void attn__row_room_take(struct attn__scratch *s, const struct attn__problem *p, int64_t rows,
                         struct attn__row_room *room)
{
    room->q = ATTN__TAKE(s, rows * p->d, float);
    room->tq = attn__score_has_table(p) ? ATTN__TAKE(s, rows * p->d, float) : NULL;
    bool int8 = p->compute == ATTN_COMPUTE_INT8;
    room->code = int8 ? ATTN__TAKE(s, rows * p->d, int8_t) : NULL;
    room->factor = int8 ? ATTN__TAKE(s, rows * attn__int8_factors(p->d), float) : NULL;
    room->slab = p->view.is ? ATTN__TAKE(s, rows * (p->d / 32), struct attn__slab_query) : NULL;
    int64_t few = attn__min_i64(rows, RUN_ROWS);
    room->s = ATTN__TAKE(s, attn__max_i64(rows * SPAN, few * RUN_LD), float);
    room->part = ATTN__TAKE(s, attn__max_i64(rows, few * BLOCKS) * p->dv, float);
    room->k = ATTN__TAKE(s, SPAN * p->d, float);
    room->v = ATTN__TAKE(s, attn__row_pass_block(p) * p->dv, float);
    attn__score_work_take(s, p, 1, SPAN, &room->score);
    room->qk = attn__qk_room_take(s, p);
}

/* Is K used where it lies? */
static bool reads_in_place(const struct attn__row_pass *ps)
{
    const struct attn__rows *k = &ps->k;
    return (ps->c->p->view.local || !attn__qk_changes_k(ps->c->p)) &&
           (ps->slabs || attn__rows_plain(k, ATTN_DTYPE_F32) ||
            attn__rows_plain(k, ATTN_DTYPE_F16) || attn__rows_plain(k, ATTN_DTYPE_BF16));
}

/* Keys so narrow that four neighbours are one stream, for rows so few that they
 * wait: the processor follows that as it is, wherever it comes from, and requests
 * only take its time. */
static bool follows_itself(const struct attn__row_pass *ps)
{
    const struct attn__problem *p = ps->c->p;
    double bytes = attn__dtype_bytes(p->kv_dtype);
    return !p->view.is && reads_in_place(ps) && (double)ps->rows <= bytes &&
           (double)attn__max_i64(p->d, p->dv) * bytes <= NARROW && ps->k.row == p->d &&
           ps->v.row == p->dv;
}

/* Where K and V are likely to be, if all of them were used a moment ago; in
 * double: sizes of views may be anything. */
static int64_t place_of(const struct attn__row_pass *ps)
{
    const struct attn__problem *p = ps->c->p;
    double l3 = (double)attn__cpu_get()->l3;
    if (follows_itself(ps))
        return ATTN__FROM_L2;
    double bytes = (double)(ps->hi - ps->lo) * (double)(p->d + p->dv) *
                   attn__dtype_bytes(p->kv_dtype) * (double)p->n_groups *
                   (double)ps->c->n_seq;
    if (bytes <= NEAR || NEAR_PARTS * bytes <= l3)
        return ATTN__FROM_L2;
    return 2 * bytes <= l3 ? ATTN__FROM_L3 : ATTN__FROM_RAM;
}

void attn__row_pass_open(struct attn__row_pass *ps)
{
    const struct attn__problem *p = ps->c->p;
    ps->norm = attn__norm_pass_of(p, ps->s);
    ps->qk = attn__qk_begin(ps->c, ps->s, ps->room->qk);
    ps->k = attn__call_k(ps->c, ps->s, ps->h0);
    ps->v = attn__call_v(ps->c, ps->s, ps->h0);
    ps->r0 = ps->i0 * ps->heads;
    attn__call_vis_into(&ps->vis, ps->c, ps->s, ps->h0, ps->heads);
    ps->vis.lines = ps->lines;
    ps->score = (struct attn__score){ps->c, ps->kern, ps->s, &ps->vis, &ps->room->score,
                                     ps->room->tq, ps->r0};
    if (ps->rows > 0)
        attn__vis_hull(&ps->vis, ps->r0, ps->r0 + ps->rows, &ps->lo, &ps->hi);
    if (attn__epilogue_skips(ps->c, ps->s, ps->h0, ps->heads))
        ps->hi = ps->lo;
    ps->from = place_of(ps);
    bool as_stored =
        p->invariant == ATTN_INVARIANT_BATCH && (p->view.local || !attn__qk_changes_k(p));
    ps->slabs = as_stored && attn__page_rows_slabs(ps->k.dtype);
    ps->int8 = as_stored && p->compute == ATTN_COMPUTE_INT8 &&
               (ps->slabs || attn__page_rows_int8(ps->k.dtype));
    ps->runs = ps->rows <= RUN_ROWS && !p->score.steps && reads_in_place(ps);
    ps->turns = ps->runs && attn__page_rows_turns(&ps->v, p->dv, ps->rows, ps->from);
    ps->lds = ps->runs ? RUN_LD : SPAN;
}

void attn__row_pass_query(const struct attn__row_pass *ps, const struct attn__seq *s, int64_t r,
                          int64_t h, int64_t i)
{
    const struct attn__problem *p = ps->c->p;
    bool own = p->score.own_rows;
    double scale = (own ? 1 : p->scale) * (p->score.steps ? 1 : attn__norm_pass_base(p));
    struct attn__qk qk = ps->qk;
    float *row = ps->room->q + r * p->d;
    if (s != ps->s)
        qk = attn__qk_begin(ps->c, s, ps->room->qk);
    attn__qk_load_q(&qk, ps->kern, h, i, 1, row, p->d);
    if (own)
        attn__score_query(&ps->score, ps->r0 + r, row,
                          ps->room->tq ? ps->room->tq + r * p->d : NULL);
    ps->kern->vec_scale(row, p->d, (float)scale);
    int64_t ld = attn__int8_factors(p->d);
    int8_t *code = ps->int8 ? ps->room->code + r * p->d : NULL;
    float *factor = ps->int8 ? ps->room->factor + r * ld : NULL;
    if (ps->int8)
        ps->kern->row_codes_int8(row, 1, p->d, code, factor, ld);
    if (ps->slabs)
        ps->kern->slab_query(row, p->d, code, factor, ps->room->slab + r * (p->d / 32));
}

static void load_row(const struct attn__row_pass *ps, int64_t r)
{
    attn__row_pass_query(ps, ps->s, r, attn__vis_head(&ps->vis, ps->r0 + r),
                         attn__vis_query(&ps->vis, ps->r0 + r));
}

void attn__row_pass_begin(struct attn__row_pass *ps)
{
    attn__row_pass_open(ps);
    for (int64_t r = 0; r < ps->rows; r++)
        load_row(ps, r);
}

/* As flash adds up scores; K that is not f32 is converted as far as it stays
 * in L1. */
static void row_chain(const struct attn__row_pass *ps, int64_t j0, int64_t nk)
{
    enum { PART = 32 };
    bool plain = attn__rows_plain(&ps->k, ATTN_DTYPE_F32) && !attn__qk_changes_k(ps->c->p) &&
                 !ps->k.paged;
    int64_t d = ps->c->p->d, ld, part = plain ? nk : PART;
    for (int64_t j = 0; j < nk; j += part) {
        int64_t n = attn__min_i64(part, nk - j);
        const float *f =
            attn__qk_k(&ps->qk, ps->kern, ps->h0, &ps->k, j0 + j, n, ps->room->k, &ld);
        ps->kern->row_chain(f, ld, n, d, ps->room->q, d, ps->rows, ps->room->s + j, ps->lds,
                            ps->from);
    }
}

/* Scores of stored keys as they lie, into s. */
static void pages_qk(const struct attn__row_pass *ps, int64_t j0, int64_t nk, float *s)
{
    int64_t d = ps->c->p->d;
    if (ps->slabs) {
        attn__page_rows_qk_slabs(ps->kern, &ps->k, j0, nk, ps->hi, d, ps->room->slab, ps->int8,
                                 ps->rows, s, ps->lds, ps->from);
    } else if (ps->int8) {
        const struct attn__int8_rows q = {ps->room->code, ps->room->factor, attn__int8_factors(d)};
        attn__page_rows_qk_int8(ps->kern, &ps->k, j0, nk, ps->hi, d, &q, ps->rows, s, ps->lds,
                                ps->from);
    } else {
        attn__page_rows_qk(ps->kern, &ps->k, j0, nk, ps->hi, d, ps->room->q, ps->rows, s, ps->lds,
                           ps->from);
    }
}

/* block_local: queries are turned back by where a part of the view begins, as
 * its keys were turned without regard to that. */
static void parts_qk(struct attn__row_pass *ps, int64_t j0, int64_t nk)
{
    float *s = ps->room->s;
    for (int64_t j = 0, n; j < nk; j += n) {
        n = nk - j;
        int64_t base = attn__paged_base(ps->k.paged, j0 + j, &n);
        bool turned = ps->qk.base == base;
        ps->qk.base = base;
        for (int64_t r = 0; r < ps->rows && !turned; r++)
            load_row(ps, r);
        pages_qk(ps, j0 + j, n, s + j);
    }
}

static void row_qk(struct attn__row_pass *ps, int64_t j0, int64_t nk)
{
    const struct attn__rows *k = &ps->k;
    int64_t d = ps->c->p->d, ld, rows = ps->rows, lds = ps->lds;
    const struct attn__source source = {.from = ps->from};
    const float *q = ps->room->q;
    float *s = ps->room->s;
    bool changed = attn__qk_changes_k(ps->c->p);
    if (ps->c->p->view.local) {
        parts_qk(ps, j0, nk);
        return;
    }
    if (ps->c->p->invariant == ATTN_INVARIANT_CHUNK) {
        row_chain(ps, j0, nk);
        return;
    }
    if (k->paged && !changed) {
        pages_qk(ps, j0, nk, s);
        return;
    }
    const void *at = attn__rows_at(k, j0);
    if (!changed && attn__rows_plain(k, ATTN_DTYPE_F16)) {
        ps->kern->row_qk_f16(at, k->row, nk, d, q, d, rows, s, lds, &source);
    } else if (!changed && attn__rows_plain(k, ATTN_DTYPE_BF16)) {
        ps->kern->row_qk_bf16(at, k->row, nk, d, q, d, rows, s, lds, &source);
    } else {
        const float *f = attn__qk_k(&ps->qk, ps->kern, ps->h0, k, j0, nk, ps->room->k, &ld);
        ps->kern->row_qk_f32(f, ld, nk, d, q, d, rows, s, lds, &source);
    }
}

/* o[r] += sum_j p[r * lds + j] v[j0 + j] */
static void row_pv(const struct attn__row_pass *ps, int64_t j0, int64_t nk, const float *p,
                   float *o)
{
    const struct attn__rows *v = &ps->v;
    const struct attn__kernels *kern = ps->kern;
    int64_t dv = ps->c->p->dv, rows = ps->rows, lds = ps->lds, ld;
    const struct attn__source source = {.from = ps->from};
    /* flash adds up widened values */
    bool widened = ps->c->p->invariant == ATTN_INVARIANT_CHUNK && attn__dtype_slabs(v->dtype);
    if (v->paged && !widened) {
        attn__page_rows_pv(kern, v, j0, nk, ps->hi, dv, p, lds,
                           ps->c->p->compute == ATTN_COMPUTE_INT8, rows, o, ps->from);
        return;
    }
    const void *first = widened ? NULL : attn__rows_at(v, j0);
    if (attn__rows_plain(v, ATTN_DTYPE_F16)) {
        kern->row_pv_f16(first, v->row, nk, dv, p, lds, rows, o, dv, &source);
    } else if (attn__rows_plain(v, ATTN_DTYPE_BF16)) {
        kern->row_pv_bf16(first, v->row, nk, dv, p, lds, rows, o, dv, &source);
    } else {
        const float *f = attn__rows_f32(kern, v, j0, nk, dv, ps->room->v, &ld);
        kern->row_pv_f32(f, ld, nk, dv, p, lds, rows, o, dv, &source);
    }
}

/* The scores s of a block become weights; f[r]: what the sums before it are
 * multiplied by. False: no row has seen a key yet. */
static bool weights(const struct attn__row_pass *ps, int64_t nk, float *s, float *m, float *l,
                    float *f)
{
    bool seen = false;
    int64_t r = 0;
    for (; r + 4 <= ps->rows && ps->norm.kind < 0 && nk % ALIGN == 0; r += 4)
        ps->kern->row_softmax_rows4(s + r * ps->lds, ps->lds, nk, m + r, l + r, f + r);
    for (; r < ps->rows; r++) {
        f[r] = 1;
        if (ps->norm.kind < 0) {
            f[r] = ps->kern->row_softmax(s + r * ps->lds, nk, &m[r], &l[r]);
        } else {
            ps->kern->row_weights(ps->norm.kind, ps->norm.shift, s + r * ps->lds, nk, &l[r]);
            m[r] = l[r] == 0 ? -INFINITY : 0;
        }
    }
    for (r = 0; r < ps->rows; r++)
        seen = seen || m[r] != -INFINITY;
    return seen;
}

/* o[r] = f[r] o[r] + part[r] */
static void add_part(const struct attn__row_pass *ps, const float *f, const float *part, float *o)
{
    int64_t dv = ps->c->p->dv, n = ps->rows * dv;
    for (int64_t r = 0; r < ps->rows; r++)
        if (f[r] != 1)
            ps->kern->vec_scale(o + r * dv, dv, f[r]);
    for (int64_t e = 0; e < n; e++)
        o[e] += part[e];
}

/* The block at j0, whose scores are s, into the state of the rows. Its values are
 * summed by themselves: one chain of additions over all keys would gather an
 * error that grows with their number. */
static void block(const struct attn__row_pass *ps, int64_t j0, int64_t nk, float *s, float *m,
                  float *l, float *o)
{
    float *part = ps->room->part, f[ATTN__ROW_PASS_MOST];
    bool shown[ATTN__BLOCK_MAX];
    for (int64_t j = 0; j < nk && ps->careful; j++)
        shown[j] = s[j] != -INFINITY;
    if (!weights(ps, nk, s, m, l, f))
        return;
    memset(part, 0, (size_t)(ps->rows * ps->c->p->dv) * sizeof *part);
    if (!ps->careful)
        row_pv(ps, j0, nk, s, part);
    for (int64_t j = 0, end; j < nk && ps->careful; j = end) {
        for (end = j; end < nk && shown[end] == shown[j];)
            end++;
        if (shown[j])
            row_pv(ps, j0 + j, end - j, s + j, part);
    }
    add_part(ps, f, part, o);
}

/* weights of BLOCKS blocks, one after the other; seen[b]: after block b */
static void weights_of_blocks(const struct attn__row_pass *ps, int64_t nk, float *s, float *m,
                              float *l, float f[BLOCKS][RUN_ROWS], bool seen[BLOCKS])
{
    if (ps->norm.kind >= 0) {
        for (int b = 0; b < BLOCKS; b++)
            seen[b] = weights(ps, nk, s + b * nk, m, l, f[b]);
        return;
    }
    memset(seen, 0, BLOCKS * sizeof *seen);
    for (int64_t r = 0; r < ps->rows; r++) {
        float high[BLOCKS], factor[BLOCKS];
        ps->kern->row_softmax_blocks4(s + r * ps->lds, nk, m[r], &l[r], high, factor);
        m[r] = high[BLOCKS - 1];
        for (int b = 0; b < BLOCKS; b++) {
            f[b][r] = factor[b];
            seen[b] = seen[b] || high[b] != -INFINITY;
        }
    }
}

/* The same of BLOCKS blocks. What is done between two blocks is more than the
 * processor looks ahead, so that the memory would rest each time. */
static void blocks(const struct attn__row_pass *ps, int64_t j0, int64_t nk, float *s, float *m,
                   float *l, float *o)
{
    int64_t n = ps->rows * ps->c->p->dv;
    float *part = ps->room->part, f[BLOCKS][RUN_ROWS];
    bool seen[BLOCKS];
    weights_of_blocks(ps, nk, s, m, l, f, seen);
    memset(part, 0, (size_t)(BLOCKS * n) * sizeof *part);
    if (ps->turns && seen[0]) /* then the others as well */
        attn__page_rows_pv_turns(ps->kern, &ps->v, j0, nk, ps->hi, ps->c->p->dv, s, ps->lds,
                                 ps->rows, part);
    else
        for (int b = 0; b < BLOCKS; b++)
            if (seen[b])
                row_pv(ps, j0 + b * nk, nk, s + b * nk, part + b * n);
    for (int b = 0; b < BLOCKS; b++)
        if (seen[b])
            add_part(ps, f[b], part + b * n, o);
}

static enum attn__tile class_of(const struct attn__row_pass *ps, int64_t j0, int64_t j1)
{
    return attn__vis_tile(&ps->vis, ps->r0, ps->r0 + ps->rows, j0, j1);
}

static void scores(struct attn__row_pass *ps, enum attn__tile class, int64_t j0, int64_t j1)
{
    int64_t nk = j1 - j0;
    float *s = ps->room->s;
    row_qk(ps, j0, nk);
    for (int64_t r = 0; r < ps->rows; r++) {
        if (ps->c->p->score.steps) {
            attn__score_row_steps(&ps->score, ATTN__STEPS_ALL, ps->r0 + r, j0, nk, s + r * ps->lds);
            if (ps->norm.kind < 0)
                ps->kern->vec_scale(s + r * ps->lds, nk, (float)M_LOG2E);
        }
        if (class == ATTN__TILE_PARTIAL)
            attn__vis_hide(&ps->vis, ps->r0 + r, j0, j1, s + r * ps->lds);
    }
}

bool attn__row_pass_scores(struct attn__row_pass *ps, int64_t j0, int64_t j1)
{
    enum attn__tile class = class_of(ps, j0, j1);
    if (class == ATTN__TILE_EMPTY)
        return false;
    scores(ps, class, j0, j1);
    return true;
}

/* A span, or several that are FULL. */
static void run(struct attn__row_pass *ps, enum attn__tile class, int64_t j0, int64_t j1, float *m,
                float *l, float *o)
{
    int64_t nk = j1 - j0, block_keys = attn__row_pass_block(ps->c->p);
    float *s = ps->room->s;
    ps->did_pairs += ps->rows * nk;
    scores(ps, class, j0, j1);
    for (int64_t r = 0; r < ps->rows && ps->tops.top; r++)
        attn__row_tops_see(&ps->tops, ps->kern, r, s + r * ps->lds, j0, nk);
    for (int64_t j = j0, end; j < j1; j = end) {
        end = attn__min_i64(j1, j + block_keys - j % block_keys);
        if (ps->runs && !ps->careful && j % block_keys == 0 && j + BLOCKS * block_keys <= j1) {
            end = j + BLOCKS * block_keys;
            blocks(ps, j, block_keys, s + (j - j0), m, l, o);
        } else {
            block(ps, j, end - j, s + (j - j0), m, l, o);
        }
    }
}

void attn__row_pass_chunk(struct attn__row_pass *ps, int64_t n, float *m, float *l, float *o)
{
    int64_t lo = attn__max_i64(n * ATTN__CHUNK, ps->lo - ps->lo % ALIGN);
    int64_t hi = attn__min_i64(attn__min_i64((n + 1) * ATTN__CHUNK, ps->s->nk), ps->hi);
    for (int64_t r = 0; r < ps->rows; r++) {
        m[r] = -INFINITY;
        l[r] = 0;
    }
    if (lo < hi)
        memset(o, 0, (size_t)(ps->rows * ps->c->p->dv) * sizeof *o);
    for (int64_t j = lo, end; j < hi; j = end) {
        end = attn__min_i64(hi, j + SPAN - j % SPAN);
        enum attn__tile class = class_of(ps, j, end);
        if (class == ATTN__TILE_EMPTY)
            continue;
        ps->did_tiles++;
        while (class == ATTN__TILE_FULL && ps->runs && end < hi) {
            int64_t next = attn__min_i64(hi, end + SPAN);
            if (class_of(ps, end, next) != ATTN__TILE_FULL)
                break;
            ps->did_tiles++;
            end = next;
        }
        run(ps, class, j, end, m, l, o);
    }
}

int64_t attn__row_pass_spans(const struct attn__row_pass *ps, int64_t n)
{
    int64_t keys = attn__min_i64(ATTN__CHUNK, ps->s->nk - n * ATTN__CHUNK);
    return ps->rows == 0 ? 0 : (keys + SPAN - 1) / SPAN;
}
