/* SPDX-License-Identifier: MIT */
/*
 * A chunk of a recurrence token by token: S goes by once for each, so that
 * for few tokens, and for one above all, the memory sets the pace. The same
 * words as scan_core.h; a token's results do not depend on the chunk it came
 * in.
 */
#ifndef ATTN_SOLVERS_SCAN_TOKENS_H
#define ATTN_SOLVERS_SCAN_TOKENS_H

#include "solvers/scan_core.h"

typedef void attn__scan_core_fn(const struct attn__kernels *, const struct attn__scan_kind *,
                                const struct attn__scan_chunk *, int64_t v_first, int64_t v_n,
                                float *S, float *z, void *scratch);
typedef size_t attn__scan_scratch_fn(const struct attn__scan_kind *);

attn__scan_scratch_fn attn__scan_tokens_scratch;
attn__scan_core_fn attn__scan_tokens_run;

static inline int64_t attn__scan_round16(int64_t n)
{
    return (n + 15) / 16 * 16;
}

#endif /* ATTN_SOLVERS_SCAN_TOKENS_H */
