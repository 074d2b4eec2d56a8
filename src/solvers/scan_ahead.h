/* SPDX-License-Identifier: MIT */
/*
 * What a recurrence will read and write next, for the cache to have it.
 */
#ifndef ATTN_SOLVERS_SCAN_AHEAD_H
#define ATTN_SOLVERS_SCAN_AHEAD_H

#include "solvers/ahead.h"

/* Adds what state head `head` needs for m tokens from number i of the scan on:
 * rows of q, k, v, gates and of OUT. */
void attn__scan_ahead_tokens(struct attn__ahead *a, const struct attn__call *c,
                             const struct attn__seq *s, int64_t head, int64_t i, int64_t m,
                             bool reverse);

/* Of `heads` states from `head` on, what the first token of each needs; states have
 * keys and values of their own. */
void attn__scan_ahead_wave(struct attn__ahead *a, const struct attn__call *c,
                           const struct attn__seq *s, int64_t head, int64_t heads);

#endif /* ATTN_SOLVERS_SCAN_AHEAD_H */
