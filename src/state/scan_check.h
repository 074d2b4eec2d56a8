/* SPDX-License-Identifier: MIT */
/*
 * What an execute of a recurrence checks besides types and shapes, and the
 * slot that a sequence has.
 */
#ifndef ATTN_STATE_SCAN_CHECK_H
#define ATTN_STATE_SCAN_CHECK_H

#include "problem/call.h"
#include "state/scan_state.h"

int32_t attn__scan_check_call(const struct attn__call *c);

/* True if scan_reference was asked for, which makes no segments. */
bool attn__scan_is_exact(const struct attn__problem *p);

/* NULL: this execute has none. */
static inline struct attn_state *attn__scan_state(const struct attn__call *c)
{
    return c->has[ATTN__SLOT_STATE]
               ? (struct attn_state *)(uintptr_t)c->object[ATTN__SLOT_STATE]
               : NULL;
}

static inline int64_t attn__scan_slot(const struct attn__call *c, int64_t seq)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_STATE_INDEX];
    return c->has[ATTN__SLOT_STATE_INDEX]
               ? attn__load_i64(t->data, seq * t->stride[0], t->dtype)
               : seq;
}

#endif /* ATTN_STATE_SCAN_CHECK_H */
