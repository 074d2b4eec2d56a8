/* SPDX-License-Identifier: MIT */
/*
 * Does a selection fit an execute: made for its batch, heads and queries, with
 * keys that are there.
 */
#include "state/selection_object.h"

#include <inttypes.h>

#include "base/error.h"

static int32_t check_number(const char *what, int64_t found, int64_t expected)
{
    if (found == expected)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "selection was made for %" PRId64 " %s, expected %" PRId64, found, what,
                           expected);
}

int32_t attn__selection_check_call(const struct attn__call *c)
{
    const struct attn__select *s = attn__selection_of(c);
    int64_t b = c->t[ATTN__SLOT_Q].shape[0], nk = c->t[ATTN__SLOT_K].shape[2];
    int32_t status;
    if (!s)
        return attn__error_set(ATTN_ERR_NULL, "the object of role selection is NULL");
    if (s->tag != ATTN__SELECT_TAG)
        return attn__error_set(ATTN_ERR_INVALID,
                               "the object of role selection is no attn_selection, or one that "
                               "was destroyed");
    if (s->rows.logit && !c->p->select.logits)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "selection has logits, expected none or a plan with "
                               "lists_logits=1");
    if (s->rows.n_batch != 1 && s->rows.n_batch != b)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "selection was made for a batch of %" PRId64
                               ", expected 1 or %" PRId64,
                               s->rows.n_batch, b);
    status = check_number("output heads", s->heads, c->p->hout);
    if (status == ATTN_OK)
        status = check_number("queries", s->rows.n_queries, c->t[ATTN__SLOT_Q].shape[2]);
    if (status != ATTN_OK || s->end_key <= nk)
        return status;
    return attn__error_set(ATTN_ERR_RANGE,
                           "selection has key %" PRId64 ", expected at most %" PRId64
                           " (k has %" PRId64 " keys)",
                           s->end_key - 1, nk - 1, nk);
}
