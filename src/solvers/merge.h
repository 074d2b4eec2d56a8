/* SPDX-License-Identifier: MIT */
/*
 * Joining partial results over disjoint sets of keys.
 */
#ifndef ATTN_SOLVERS_MERGE_H
#define ATTN_SOLVERS_MERGE_H

#include <stddef.h>

#include <attn/tensor.h>

/* Arguments as those of attn_merge, all checked. */
void attn__merge_run(size_t n_parts, const attn_tensor *part_out,
                     const attn_tensor *part_lse, const attn_tensor *out,
                     const attn_tensor *lse);

#endif
