/* SPDX-License-Identifier: MIT */
/*
 * How decode cuts an execute. A job is a sequence; an item is what one pass
 * over its keys serves, up to 32 rows of one head group; a unit is one chunk
 * of keys of an item. Where common prefixes are read first there are two
 * phases: in the first a job is a prefix (prefixes.h) with the rows of all its
 * members, in the second sequences go on from where those end. Units are the
 * same for any number of threads; each takes a run of them, cut so that all
 * read as many bytes of K and V (lean attention, Sanovar et al., 2024, with
 * chunks that hang on the sequence alone).
 */
#ifndef ATTN_SOLVERS_DECODE_CUT_H
#define ATTN_SOLVERS_DECODE_CUT_H

#include "solvers/active.h"
#include "solvers/prefixes.h"

/* Rows that pass over K and V together. */
enum { ATTN__DECODE_ROWS = 32 };

struct attn__decode_cut {
    const struct attn__exec *x;
    const struct attn__prefixes *pre; /* NULL: nothing is shared */
    bool prefixes;                    /* jobs are the prefixes */
    int64_t jobs;
    int64_t *start; /* [jobs + 1]: first unit of each, and the end */
    double *bytes;  /* [jobs + 1]: bytes read for those in front, and for all */
};

/*
 * Row r of an item is query i0 + r / heads of output head h0 + r % heads. With
 * head gates these are active rows of head group g from row `first` on, and
 * those of a prefix as prefixes.h counts them.
 */
struct attn__decode_item {
    struct attn__seq s;                       /* whose keys; of a prefix its first member's */
    const struct attn__prefix *prefix;        /* whose rows, or NULL */
    const struct attn__prefix_member *member; /* what the item goes on from, or NULL */
    int64_t g, h0, heads, i0, rows, first;
    int64_t from, to; /* chunks */
    int64_t unit;     /* the first of its units */
};

/* Room for the lists. */
void attn__decode_cut_take(struct attn__scratch *s, const struct attn__problem *p,
                           struct attn__decode_cut *cut);

/* x and pre are set, and prefixes. Fills the rest; returns the number of units. */
int64_t attn__decode_cut_begin(struct attn__decode_cut *cut);

/* The item that unit n is of. */
struct attn__decode_item attn__decode_cut_item(const struct attn__decode_cut *cut, int64_t n);

/* The first unit of worker n of `workers`; n = workers: the number of units. */
int64_t attn__decode_cut_worker(const struct attn__decode_cut *cut, int64_t n, int64_t workers);

/* Bytes of K and V that units n0 to n1 - 1 read. */
double attn__decode_cut_bytes(const struct attn__decode_cut *cut, int64_t n0, int64_t n1);

/* Chunks of a sequence, at least one, and its items. */
int64_t attn__decode_cut_chunks(const struct attn__seq *s);
int64_t attn__decode_cut_items(const struct attn__exec *x, const struct attn__seq *s);

#endif /* ATTN_SOLVERS_DECODE_CUT_H */
