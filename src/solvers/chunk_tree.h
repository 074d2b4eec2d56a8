/* SPDX-License-Identifier: MIT */
/*
 * Joining the partial results of key chunks in a fixed binary tree over
 * chunk numbers: node (level, index) covers chunks index * 2^level up to the
 * next index, and is node(level - 1, 2 index) joined with its right
 * neighbour. Whoever computed the leaves, the joins are the same, and so are
 * the bits. A run of chunks from anywhere in the tree is held as the few
 * nodes that cover it (at most two per level).
 */
#ifndef ATTN_SOLVERS_CHUNK_TREE_H
#define ATTN_SOLVERS_CHUNK_TREE_H

#include "kernels/kernels.h"
#include "solvers/scratch.h"

enum { ATTN__TREE_MAX = 64 };

struct attn__tree_node {
    int32_t level;
    int64_t index;
};

/* A stack of nodes from left to right; node n's state is m[n * rows],
 * l[n * rows], o[n * rows * dv] (m in base 2). A row with l = 0 has seen no
 * key, and its o is not read. */
struct attn__tree {
    int32_t n;
    int64_t rows, dv;
    struct attn__tree_node *node; /* [depth] */
    float *m, *l, *o;
};

/* depth: nodes that must fit, see attn__tree_depth. */
void attn__tree_take(struct attn__scratch *s, int64_t rows, int64_t dv, int32_t depth,
                     struct attn__tree *t);

/* Nodes needed for runs of at most `chunks` chunks, plus the one being
 * filled; chunks < 0: any number. */
int32_t attn__tree_depth(int64_t chunks);

static inline float *attn__tree_m(const struct attn__tree *t, int32_t n)
{
    return t->m + n * t->rows;
}

static inline float *attn__tree_l(const struct attn__tree *t, int32_t n)
{
    return t->l + n * t->rows;
}

static inline float *attn__tree_o(const struct attn__tree *t, int32_t n)
{
    return t->o + n * t->rows * t->dv;
}

/* The state at position t->n, which the caller filled, becomes node (level,
 * index) on top of the stack and is joined as far as its siblings are there. */
void attn__tree_push(const struct attn__kernels *kern, struct attn__tree *t, int32_t level,
                     int64_t index);

/* Chunks from..to-1 in which no row sees a key; those before are there. */
void attn__tree_skip(const struct attn__kernels *kern, struct attn__tree *t, int64_t from,
                     int64_t to);

/* Appends the nodes of `right`, which cover the chunks after those of t. */
void attn__tree_append(const struct attn__kernels *kern, struct attn__tree *t,
                       const struct attn__tree *right);

/* All chunks are there: joins what is left, from the right, into node 0. */
void attn__tree_finish(const struct attn__kernels *kern, struct attn__tree *t);

#endif /* ATTN_SOLVERS_CHUNK_TREE_H */
