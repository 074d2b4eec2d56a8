/* SPDX-License-Identifier: MIT */
/*
 * Joining partial results as a step of a recipe, on all threads.
 */
#ifndef ATTN_SOLVERS_MAP_MERGE_H
#define ATTN_SOLVERS_MAP_MERGE_H

#include <attn/tensor.h>

#include "thread/parallel.h"

/* Parts that are joined at a time. */
enum { ATTN__MAP_MERGE_PARTS = 8 };

/*
 * out, lse (may be NULL) = the parts over disjoint key sets joined by their
 * lse: part_out[p] [B,H,N,Dv], part_lse[p] [B,H,N], 1 to
 * ATTN__MAP_MERGE_PARTS of them, of any float type; out may be one of them.
 */
void attn__map_merge(struct attn__threads *threads, size_t n_parts, const attn_tensor *part_out,
                     const attn_tensor *part_lse, const attn_tensor *out, const attn_tensor *lse);

#endif /* ATTN_SOLVERS_MAP_MERGE_H */
