/* SPDX-License-Identifier: MIT */
/*
 * Where solvers cut the keys of a sequence. Cuts are multiples of these
 * numbers counted from the sequence's first key, never from the first one that
 * is visible, so that equal keys are summed in equal order whoever asks.
 */
#ifndef ATTN_SOLVERS_BLOCKS_H
#define ATTN_SOLVERS_BLOCKS_H

#include "base/checked.h"
#include "problem/problem.h"

/* Keys whose partial results are joined in a tree (chunk_tree.h). */
enum { ATTN__CHUNK = 1024 };

/* Most keys of a block. */
enum { ATTN__BLOCK_MAX = 128 };

/*
 * Keys of a block: they take one step of the online softmax, and the sum of
 * their values is one chain, added to the rows' output once. K, V and the
 * scores of a tile should stay in L1 or L2.
 */
static inline int32_t attn__block_keys(const struct attn__problem *p)
{
    int64_t width = attn__max_i64(p->d, p->dv);
    return width <= 128 ? ATTN__BLOCK_MAX : width <= 256 ? 64 : 32;
}

#endif /* ATTN_SOLVERS_BLOCKS_H */
