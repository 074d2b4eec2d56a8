/* SPDX-License-Identifier: MIT */
/*
 * The object attn_selection, and what an execute asks of one.
 */
#ifndef ATTN_STATE_SELECTION_OBJECT_H
#define ATTN_STATE_SELECTION_OBJECT_H

#include <attn/selection.h>

#include "base/ctx.h"
#include "problem/call.h"
#include "state/selection.h"

struct attn_selection {
    struct attn__select lists; /* first: solvers know nothing else of it */
    struct attn_ctx *ctx;      /* a reference */
    void *memory;              /* of the lists */
    size_t bytes;
};

/* The selection of a call; NULL without. */
static inline const struct attn__select *attn__selection_of(const struct attn__call *c)
{
    return c->has[ATTN__SLOT_SELECTION] ? c->object[ATTN__SLOT_SELECTION] : NULL;
}

/* Is the object of role SELECTION made for this execute? ATTN_ERR_NULL,
 * ATTN_ERR_INVALID, ATTN_ERR_SHAPE, ATTN_ERR_RANGE or ATTN_ERR_UNSUPPORTED. */
int32_t attn__selection_check_call(const struct attn__call *c);

#endif /* ATTN_STATE_SELECTION_OBJECT_H */
