/* SPDX-License-Identifier: MIT */
/*
 * What tokens do to a state, joined: S <- M2 (M1 S + X1) + X2.
 */
#ifndef ATTN_STATE_SCAN_SEGMENT_H
#define ATTN_STATE_SCAN_SEGMENT_H

#include "state/scan_state.h"

/* One head: `to`, zeros of the layout of like, becomes segment `second` after
 * `first`, which has the same layout: a segment, or a state. to is neither. */
void attn__segment_after(const struct attn_state *like, const struct attn__state_head *to,
                         const struct attn__state_head *first, const struct attn_state *of_second,
                         const struct attn__state_head *second);

/* Its count after both. */
int64_t attn__segment_count(const struct attn_state *first, int64_t first_slot,
                            const struct attn_state *second, int64_t second_slot);

#endif /* ATTN_STATE_SCAN_SEGMENT_H */
