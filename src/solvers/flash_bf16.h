/* SPDX-License-Identifier: MIT */
/*
 * The part of flash that is different when both products are of pairs of bf16
 * (compute=bf16): a block of K and V in the form they want, and the steps of a
 * tile over it. K is used where it lies if its rows are plain, even and in one
 * run (of pages: copied run by run); V is packed in pairs of keys, once per block.
 */
#ifndef ATTN_SOLVERS_FLASH_BF16_H
#define ATTN_SOLVERS_FLASH_BF16_H

#include "problem/solver.h"
#include "solvers/qk_load.h"
#include "solvers/scratch.h"

/* Of a worker; empty where bf16 does not serve. */
struct attn__flash_bf16 {
    uint16_t *k;      /* [keys][d + d % 2] */
    uint16_t *v;      /* [keys][dv] */
    uint32_t *vt, *pt; /* [(keys + 1) / 2][dv], [(keys + 1) / 2][w] */
};

struct attn__flash_bf16_block {
    const uint16_t *k;
    int64_t ldk;
    int64_t pairs, dv; /* of columns; columns of V */
    uint32_t *vt, *pt;
};

/* Whether the caller allows it, the data are stored so and the processor
 * multiplies pairs. */
bool attn__flash_bf16_serves(const struct attn__problem *p, const struct attn__machine *m);

void attn__flash_bf16_take(struct attn__scratch *s, const struct attn__problem *p, int64_t keys,
                           int64_t w, struct attn__flash_bf16 *out);

/* Keys j0..j0+n-1 of output head h. k_room and v_room are [keys][d] and [keys][dv]. */
struct attn__flash_bf16_block
attn__flash_bf16_load(const struct attn__kernels *kern, const struct attn__qk *qk, int64_t h,
                      const struct attn__rows *k, const struct attn__rows *v, int64_t j0,
                      int64_t n, float *k_room, float *v_room, const struct attn__flash_bf16 *wk);

/* Scores of the block's keys skip..skip+nk-1 against a tile. */
void attn__flash_bf16_scores(const struct attn__kernels *kern,
                             const struct attn__flash_bf16_block *b, int64_t skip, int64_t nk,
                             const uint32_t *qt, int64_t w, float scale, float *st);

/* Softmax of those scores and the sum of the values; skip is even. */
void attn__flash_bf16_values(const struct attn__kernels *kern,
                             const struct attn__flash_bf16_block *b, int64_t skip, int64_t nk,
                             const float *st, int64_t w, float *m, float *l, float *ot);

#endif /* ATTN_SOLVERS_FLASH_BF16_H */
