/* SPDX-License-Identifier: MIT */
/*
 * Query sequences of a view that begin with the same pages (forks, or several
 * sequences with a common prefix in front): which they are, how many whole
 * chunks of keys they share, and the states of their rows after those, which
 * one pass makes for all of them (Hydragen, Juravsky et al., 2024; the cascade
 * of FlashInfer, Ye et al., 2025). A state is that of the same chunks read for
 * one sequence, so who shares changes no bits.
 */
#ifndef ATTN_SOLVERS_PREFIXES_H
#define ATTN_SOLVERS_PREFIXES_H

#include "problem/solver.h"
#include "solvers/chunk_tree.h"
#include "solvers/scratch.h"

/* Nodes of a row's tree after its prefix: so many ones the number of chunks
 * shared has at most, counted in binary. */
enum { ATTN__PREFIX_NODES = 4 };

/* What several sequences share in one head group of the cache. */
struct attn__prefix {
    int64_t first, n; /* its members */
    int64_t queries;  /* of all of them */
    int64_t chunks;   /* from the first key on */
    int64_t group;    /* of the cache */
    int64_t at;       /* its first row of the states */
};

struct attn__prefix_member {
    int64_t seq;
    int64_t before; /* queries of the members in front */
    int64_t prefix;
};

struct attn__prefixes {
    int64_t n, groups;
    struct attn__prefix *prefix;
    struct attn__prefix_member *member;
    int64_t *of;   /* [sequences][groups]: number of the member; -1: shares nothing */
    int64_t *key;  /* [sequences]: where the first key lies; -1: not to be shared (any more) */
    int64_t *same; /* [sequences]: chunks in common with the one being looked at */
    /* Of row n node i: m[n * NODES + i], l, o[(n * NODES + i) * dv ..]. */
    int64_t rows;
    float *m, *l, *o;
};

/* Nothing for problems that share nothing. */
void attn__prefixes_take(struct attn__scratch *s, const struct attn__problem *p,
                         struct attn__prefixes *out);

/* Fills all but the states, for the sequences that are x->self's. False if
 * nothing is shared. */
bool attn__prefixes_find(const struct attn__exec *x, struct attn__prefixes *out);

/* The member that sequence s is in head group g of the problem, or NULL. */
const struct attn__prefix_member *attn__prefixes_member(const struct attn__prefixes *pre,
                                                        const struct attn__exec *x, int64_t s,
                                                        int64_t g);

/* The group of the cache that head group g of the problem reads. */
int64_t attn__prefixes_group(const struct attn__exec *x, int64_t g);

/*
 * Row n of a prefix in head group g is query n / heads of its members, one
 * behind the other, and head n % heads of the group's. Keeps the states of rows
 * n to n + t->rows - 1, of which t has all chunks.
 */
void attn__prefixes_keep(const struct attn__prefixes *pre, const struct attn__exec *x,
                         const struct attn__prefix *of, int64_t g, int64_t n,
                         const struct attn__tree *t);

/* Row r of t, which is empty, begins with the state of row n. After all rows
 * attn__prefixes_resume makes that its nodes. */
void attn__prefixes_load(const struct attn__prefixes *pre, const struct attn__exec *x,
                         const struct attn__prefix *of, int64_t g, int64_t n,
                         struct attn__tree *t, int64_t r);
void attn__prefixes_resume(const struct attn__prefix *of, struct attn__tree *t);

#endif /* ATTN_SOLVERS_PREFIXES_H */
