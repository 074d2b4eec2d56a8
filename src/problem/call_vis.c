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

/* Sequence s of a tensor [S?,...], its last dimension in a row. */
static struct attn__vis_ids part(const struct attn__call *c, enum attn__slot slot,
                                 const struct attn__seq *s)
{
    const attn_tensor *t = &c->t[slot];

    if (!c->has[slot])
        return (struct attn__vis_ids){0};
    return (struct attn__vis_ids){.data = t->data,
                                  .dtype = t->dtype,
                                  .at = t->shape[0] == 1 ? 0 : s->index * t->stride[0],
                                  .stride = t->stride[t->rank - 1]};
}

static int64_t stride_of(const attn_tensor *t, int32_t n)
{
    return t->shape[n] == 1 ? 0 : t->stride[n];
}

static void selected(const struct attn__call *c, const struct attn__seq *s, struct attn__vis *v)
{
    if (!c->has[ATTN__SLOT_SELECTION])
        return;
    const struct attn__select *sel = c->object[ATTN__SLOT_SELECTION];
    v->rows = sel->layout == ATTN_SELECTION_ROWS ? &sel->rows : NULL;
    v->rows_b = s->index;
}

/* What pieces have no values for. */
static void given(const struct attn__call *c, const struct attn__seq *s, struct attn__vis *v)
{
    const attn_tensor *t = c->t;

    v->rects = part(c, ATTN__SLOT_RECTS, s);
    if (v->rects.data) {
        v->n_rects = t[ATTN__SLOT_RECTS].shape[1];
        v->rect_stride = t[ATTN__SLOT_RECTS].stride[1];
    }
    if (c->has[ATTN__SLOT_PREFIX_LEN]) {
        struct attn__vis_ids d = part(c, ATTN__SLOT_PREFIX_LEN, s);
        v->prefix_len = attn__load_i64(d.data, d.at, d.dtype);
    }
    v->list_offsets = part(c, ATTN__SLOT_LIST_OFFSETS, s);
    if (v->list_offsets.data) {
        const attn_tensor *x = &t[ATTN__SLOT_LIST_INDEX];
        v->list_head = stride_of(&t[ATTN__SLOT_LIST_OFFSETS], 1);
        v->list_index = (struct attn__vis_ids){x->data, x->dtype, 0, x->stride[0]};
    }
    selected(c, s, v);
    v->tree = part(c, ATTN__SLOT_TREE_BITS, s);
    if (v->tree.data) {
        v->tree_row = stride_of(&t[ATTN__SLOT_TREE_BITS], 1);
        v->tree_words = t[ATTN__SLOT_TREE_BITS].shape[2];
    }
}

static void masked(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                   struct attn__vis *v)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_MASK];
    if (!c->has[ATTN__SLOT_MASK])
        return;
    struct attn__rows m = attn__call_pairs(c, ATTN__SLOT_MASK, s, h);
    v->mask = (const uint8_t *)m.base;
    v->mask_head = t->shape[1] == 1 ? 0 : t->stride[1];
    v->mask_row = m.row;
    v->mask_col = m.col;
}

/* The rule of a cache is all that hides keys, or it hides more than causal does. Lists may
 * name keys that its window has dropped. */
static void paged(const struct attn__call *c, const struct attn__seq *s,
                  const struct attn__paged *t, struct attn__vis *v)
{
    const struct attn__view_spec *spec = &c->p->view;
    const struct attn__vis_pieces rule = {t->piece, t->n_pieces, true};

    if (spec->causal && !spec->own_pieces)
        v->own = rule;
    else if (spec->causal && t->window != ATTN_UNBOUNDED)
        v->rule = rule;
    selected(c, s, v);
    v->odd = t->odd || v->rule.n > 0 ? t : NULL;
}

void attn__call_vis_into(struct attn__vis *v, const struct attn__call *c,
                         const struct attn__seq *s, int64_t h, int64_t group)
{
    memset(v, 0, sizeof *v);
    attn__vis_set_rules(v, c->p);
    v->nq = s->nq;
    v->nk = s->nk;
    v->off = s->off;
    v->h0 = h;
    v->group = group;
    v->user = (void *)(uintptr_t)c->object[ATTN__SLOT_USER];
    v->seq = c->first_seq + s->index;
    masked(c, s, h, v);
    if (c->view) {
        paged(c, s, attn__call_paged(c, s, h), v);
        return;
    }
    v->seg_q = ids(c, ATTN__SLOT_SEG_Q, s, s->q0);
    v->seg_k = ids(c, ATTN__SLOT_SEG_K, s, s->k0);
    v->pos_q = ids(c, ATTN__SLOT_POS_Q, s, s->q0);
    v->pos_k = ids(c, ATTN__SLOT_POS_K, s, s->k0);
    v->class_q = ids(c, ATTN__SLOT_CLASS_Q, s, s->q0);
    v->class_k = ids(c, ATTN__SLOT_CLASS_K, s, s->k0);
    if (!c->p->plain_pieces || c->has[ATTN__SLOT_PREFIX_LEN])
        given(c, s, v);
}
