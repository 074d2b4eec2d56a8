/* SPDX-License-Identifier: MIT */
/*
 * Blocks of K and V as pairs of bf16, and a tile's steps over them.
 */
#include "solvers/flash_bf16.h"

#include <attn/context.h>

#include "problem/norm.h"
#include "solvers/rows_load.h"

static bool stored_so(const struct attn__problem *p)
{
    for (int64_t h = 0; h < p->hk && p->view.is; h++)
        if (p->view.k_dtype[h] != ATTN_DTYPE_BF16 || p->view.v_dtype[h] != ATTN_DTYPE_BF16)
            return false;
    return p->view.is || p->kv_dtype == ATTN_DTYPE_BF16;
}

bool attn__flash_bf16_serves(const struct attn__problem *p, const struct attn__machine *m)
{
    /* decode has no such products, and invariant=chunk wants its bits */
    return p->compute == ATTN_COMPUTE_BF16 && p->invariant == ATTN_INVARIANT_BATCH &&
           stored_so(p) && m->kern->isa == ATTN_ISA_AVX512_BF16 &&
           attn__norm_traits(p->norm.kind)->base2;
}

void attn__flash_bf16_take(struct attn__scratch *s, const struct attn__problem *p, int64_t keys,
                           int64_t w, struct attn__flash_bf16 *out)
{
    int64_t pairs = (keys + 1) / 2;
    out->k = ATTN__TAKE(s, keys * (p->d + p->d % 2), uint16_t);
    out->v = ATTN__TAKE(s, keys * p->dv, uint16_t);
    out->vt = ATTN__TAKE(s, pairs * p->dv, uint32_t);
    out->pt = ATTN__TAKE(s, pairs * w, uint32_t);
}

/* Rows that were in other memory than plain one, or changed, come as f32. */
static const uint16_t *narrow(const struct attn__kernels *kern, const float *room, int64_t n,
                              int64_t width, uint16_t *out, int64_t ld)
{
    kern->cvt_f32_bf16(out, ld, room, width, n, width);
    for (int64_t j = 0; j < n && ld > width; j++)
        out[j * ld + width] = 0;
    return out;
}

/* Plain rows where they are, *ld apart, if they follow each other; else copied to
 * `out`, where they are as far apart as they are wide. */
static const uint16_t *gather(const struct attn__rows *r, int64_t j0, int64_t n, int64_t width,
                              uint16_t *out, int64_t *ld)
{
    for (int64_t j = 0, run; j < n; j += run) {
        char *at;
        run = attn__rows_run(r, j0 + j, n - j, &at);
        if (run == n && at) {
            *ld = r->row;
            return (const uint16_t *)(const void *)at;
        }
        for (int64_t i = 0; i < run; i++) {
            uint16_t *row = out + (j + i) * width;
            if (at)
                memcpy(row, at + i * r->row * (int64_t)sizeof *row, (size_t)width * sizeof *row);
            else
                memset(row, 0, (size_t)width * sizeof *row);
        }
    }
    *ld = width;
    return out;
}

struct attn__flash_bf16_block
attn__flash_bf16_load(const struct attn__kernels *kern, const struct attn__qk *qk, int64_t h,
                      const struct attn__rows *k, const struct attn__rows *v, int64_t j0,
                      int64_t n, float *k_room, float *v_room, const struct attn__flash_bf16 *wk)
{
    const struct attn__problem *p = qk->c->p;
    struct attn__flash_bf16_block b = {.pairs = (p->d + 1) / 2, .dv = p->dv, .vt = wk->vt,
                                       .pt = wk->pt};
    if (!attn__qk_changes_k(p) && attn__rows_plain(k, ATTN_DTYPE_BF16) && p->d % 2 == 0) {
        b.k = gather(k, j0, n, p->d, wk->k, &b.ldk);
    } else {
        b.ldk = p->d + p->d % 2;
        attn__qk_load_k(qk, kern, h, k, j0, n, k_room, p->d);
        b.k = narrow(kern, k_room, n, p->d, wk->k, b.ldk);
    }
    const uint16_t *rows = wk->v;
    int64_t ldv = p->dv;
    if (attn__rows_plain(v, ATTN_DTYPE_BF16)) {
        rows = gather(v, j0, n, p->dv, wk->v, &ldv);
    } else {
        attn__rows_to_f32(kern, v, j0, n, 0, p->dv, v_room, p->dv);
        narrow(kern, v_room, n, p->dv, wk->v, p->dv);
    }
    kern->pack_v_bf16(rows, ldv, n, p->dv, wk->vt);
    return b;
}

void attn__flash_bf16_scores(const struct attn__kernels *kern,
                             const struct attn__flash_bf16_block *b, int64_t skip, int64_t nk,
                             const uint32_t *qt, int64_t w, float scale, float *st)
{
    kern->tile_qk_bf16(b->k + skip * b->ldk, b->ldk, nk, b->pairs, qt, w, scale, st);
}

void attn__flash_bf16_values(const struct attn__kernels *kern,
                             const struct attn__flash_bf16_block *b, int64_t skip, int64_t nk,
                             const float *st, int64_t w, float *m, float *l, float *ot)
{
    kern->tile_softmax_bf16(st, nk, w, m, l, ot, b->dv, b->pt);
    kern->tile_pv_bf16(b->vt + skip / 2 * b->dv, (nk + 1) / 2, b->dv, b->pt, w, ot);
}
