/* SPDX-License-Identifier: MIT */
/*
 * The keys that a few query rows with one list have to look at, in order and
 * packed into blocks: entries of the list and, where rules add keys of their
 * own (lists=or), the runs that those may show. Neighbouring runs become one,
 * scattered keys fill blocks together.
 */
#ifndef ATTN_SOLVERS_LIST_WALK_H
#define ATTN_SOLVERS_LIST_WALK_H

#include "problem/vis_piece.h"
#include "solvers/blocks.h"

/* What the rules say by themselves, of keys that are listed and of others:
 * problems that differ from the caller's in their pieces alone. */
struct attn__list_rules {
    struct attn__problem listed, others;
    bool adds; /* lists=or: others may be visible */
};

/* lists=or: may rules show keys that no list has? */
bool attn__list_rules_add(const struct attn__problem *p);

void attn__list_rules_of(const struct attn__problem *p, struct attn__list_rules *rules);

/* Keys j0..j0+n-1 at places at..at+n-1 of the block. */
struct attn__list_run {
    int64_t j0;
    int32_t at, n;
    bool listed;
    float logit; /* base 2; 0 where the entry is `replace` */
};

struct attn__list_block {
    int64_t keys, runs, listed; /* of all keys, those in entries */
    bool logits;                /* some run has one */
    /* The block is of an entry that is normalised by itself, and its last. */
    bool alone, ends;
    float logit; /* of that, base 2 */
    /* The bulk of scattered lists: run n is key[n] alone, listed, without a
     * logit, and is not written down. */
    bool singles;
    struct attn__list_run run[ATTN__BLOCK_MAX];
    int32_t key[ATTN__BLOCK_MAX]; /* at each place */
};

static inline struct attn__list_run attn__list_run_at(const struct attn__list_block *b, int64_t n)
{
    return b->singles ? (struct attn__list_run){b->key[n], (int32_t)n, 1, true, 0} : b->run[n];
}

struct attn__list_walk {
    const struct attn__select_rows *rows;
    int64_t most;                 /* keys of a block */
    int64_t e, end;               /* entries that are left */
    int64_t j, hi;                /* keys that are left */
    int32_t n_spans, span;        /* what rules may add */
    struct attn__vis_span spans[ATTN__MAX_PIECES];
    /* a stretch that did not fit into the block before: keys from..to-1 */
    int64_t from, to, of; /* of: its entry or -1 */
};

/*
 * The walk for lines r0..r1-1 of v, which share entries of row `row`; v is the
 * visibility of the whole problem.
 */
void attn__list_walk_begin(struct attn__list_walk *w, const struct attn__list_rules *rules,
                           const struct attn__vis *v, int64_t row, int64_t r0, int64_t r1,
                           int64_t most);

/* Of a walk that has begun only keys j0..j1-1. */
void attn__list_walk_within(struct attn__list_walk *w, int64_t j0, int64_t j1);

/* A block of keys j0..j0+n-1, all of them listed. */
void attn__list_block_of(int64_t j0, int64_t n, struct attn__list_block *b);

/* The next block; false after the last. */
bool attn__list_walk_next(struct attn__list_walk *w, struct attn__list_block *b);

#endif /* ATTN_SOLVERS_LIST_WALK_H */
