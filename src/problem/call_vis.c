/* SPDX-License-Identifier: MIT */
/*
 * From the tensors of an execute to the visibility of one sequence.
 */
#include "problem/call.h"

/* Row `first` on of a tensor [B?,N]. */
static struct attn__vis_ids ids(const struct attn__call *c, enum attn__slot slot,
                                const struct attn__seq *s, int64_t first)
{
    const attn_tensor *t = &c->t[slot];
    struct attn__vis_ids d = {.dtype = t->dtype, .stride = t->stride[1]};

    if (!c->has[slot])
        return (struct attn__vis_ids){0};
    d.data = t->data;
    d.at = (t->shape[0] == 1 ? 0 : s->b * t->stride[0]) + first * t->stride[1];
    return d;
}

struct attn__vis attn__call_vis(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                                int64_t group)
{
    struct attn__vis v = {.p = c->p, .nk = s->nk, .off = s->off, .h0 = h, .group = group};

    v.seg_q = ids(c, ATTN__SLOT_SEG_Q, s, s->q0);
    v.seg_k = ids(c, ATTN__SLOT_SEG_K, s, s->k0);
    if (c->has[ATTN__SLOT_MASK]) {
        struct attn__rows m = attn__call_pairs(c, ATTN__SLOT_MASK, s, h);
        const attn_tensor *t = &c->t[ATTN__SLOT_MASK];
        v.mask = (const uint8_t *)m.base;
        v.mask_head = t->shape[1] == 1 ? 0 : t->stride[1];
        v.mask_row = m.row;
        v.mask_col = m.col;
    }
    return v;
}
