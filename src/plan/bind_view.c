/* SPDX-License-Identifier: MIT */
/*
 * VIEW and LAYER: which pages of a cache take the place of K and V.
 */
#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"
#include "plan/bind.h"
#include "state/cache_view.h"

static int32_t check_lengths(const struct attn__dims *d, const attn_view *view)
{
    const struct attn__problem *p = d->p;
    if (view->paged.n_seq != d->s)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "the view has %" PRId64 " query sequences, the arguments have "
                               "%" PRId64,
                               view->paged.n_seq, d->s);
    for (int64_t i = 0; i < d->s; i++)
        if (p->k != ATTN_UNBOUNDED && view->paged.keys[i] > p->k)
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "sequence %" PRId64 " of the view has %" PRId64
                                   " keys, the plan was made for at most %" PRId64,
                                   i, view->paged.keys[i], p->k);
    return ATTN_OK;
}

int32_t attn__bind_view(struct attn__dims *d)
{
    struct attn__call *c = d->call;
    const attn_view *view = c->object[ATTN__SLOT_VIEW];
    const attn_tensor *layer = &c->t[ATTN__SLOT_LAYER];
    if (!view)
        return attn__error_set(ATTN_ERR_NULL, "the object of role view is NULL");
    if (view->tag != ATTN__VIEW_TAG)
        return attn__error_set(ATTN_ERR_INVALID, "the object of role view is something else, or "
                                                 "was destroyed");
    int32_t status = attn__bind_shape(d, ATTN__SLOT_LAYER);
    if (status == ATTN_OK)
        status = attn__view_usable(view, d->p, attn__load_i64(layer->data, 0, layer->dtype),
                                  &c->view_row);
    if (status == ATTN_OK && d->p->view.observe)
        status = attn__view_observable(view);
    if (status == ATTN_OK)
        status = check_lengths(d, view);
    if (status != ATTN_OK)
        return status;
    c->view = &view->paged;
    for (int64_t i = 0; i < d->s; i++)
        d->max_k = attn__max_i64(d->max_k, view->paged.keys[i]);
    d->nk = d->max_k;
    return ATTN_OK;
}

int32_t attn__bind_view_rows(const struct attn__dims *d)
{
    int32_t status = ATTN_OK;
    for (int64_t i = 0; i < d->s && status == ATTN_OK; i++) {
        struct attn__seq s = attn__call_seq(d->call, i);
        status = attn__view_usable_rows(d->call->object[ATTN__SLOT_VIEW], d->p, d->call->view_row,
                                       i, s.nq);
    }
    return status;
}
