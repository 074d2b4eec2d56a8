/* SPDX-License-Identifier: MIT */
/*
 * Keys and values that lie in pages, of a cache or of the caller's own pools, as
 * an execute reads them; state/cache_view.c and raw_view.c make all of this.
 *
 * Keys of a sequence are numbered by their positions, and the tokens of an open
 * step go on from there in their order: so a key has the same number whatever
 * its cache has dropped, blocks and chunks of keys are cut at the same places,
 * and paged rows give the bits that the same rows give in one tensor. Numbers
 * without a stored key are invisible.
 */
#ifndef ATTN_PROBLEM_PAGED_H
#define ATTN_PROBLEM_PAGED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attn__piece;

/* A stored token of a layer and head group. */
struct attn__cache_cell {
    int64_t pos;
    int32_t page, slot;
    float score; /* where the group has them and the rule no window */
};

/* The keys that one sequence of the cache gives: numbers base to base + past -
 * 1 stand at positions 0 to past - 1, then come the tokens of its step. */
struct attn__paged_part {
    int64_t base, past, fresh;
    const struct attn__cache_cell *cell; /* of the past, in order; then all fresh ones */
    int64_t stored;                      /* cells of the past */
    /* Instead of cells, of a caller's pools: position x is slot x % page_size of
     * page[x / page_size]. NULL: cells. */
    const int32_t *page;
    int64_t page_size;
    /* Of the cells so many, from the first on, stand at the positions 0, 1, 2 ...
     * and in the slots 0, 1, 2 ... of one page after the other: to find out where
     * a run of them ends nobody needs to look at each. */
    int64_t straight;
    /* Keys at positions from here on lie in open pages, where those of kivi are
     * floats still; at most `past`. */
    int64_t open;
};

/* Bounds of the keys of pages, kept by a cache: page n of the list has how many
 * cells they are of, an int64_t, then the smallest numbers of all heads of the
 * group, and then the largest. */
struct attn__paged_bounds {
    const char *data; /* NULL: none */
    size_t bytes;     /* of a page */
    const int32_t *page;
    int64_t pages;
    int64_t numbers; /* of the smallest */
};

/* The open step of a sequence. */
struct attn__paged_step {
    int64_t first;        /* number of its first token */
    int64_t tokens;       /* 0: no step */
    const int64_t *depth; /* [tokens], ancestors of each; NULL: they follow each other */
    const uint64_t *see;  /* [tokens][words]: bit n: token n is an ancestor, or itself */
    int64_t words;
};

/* What one query sequence reads of one layer and head group. */
struct attn__paged {
    const struct attn__paged_part *part;
    int64_t parts;
    const struct attn__paged_step *step;
    /* The rule of the cache as pieces; n_pieces without causal if `all`. */
    const struct attn__piece *piece;
    int32_t n_pieces;
    int64_t window, sink; /* the rule itself, for steps that branch and for sums */
    /* Sums of the rows that the window dropped, where the rule folds: of
     * n_folded keys of all heads of the group, then of values. NULL: none. */
    const double *fold;
    int64_t n_folded;
    struct attn__paged_bounds bounds;
    /* Keys are missing that the rule does not hide, or the step branches: each
     * pair is to be looked up. */
    bool odd;
};

/* Where a page of a cache has its rows. The pages of a block of memory lie head by
 * head, so that what one head has in pages beside each other is one array: from
 * one head of a page to the next it is `beside` times the bytes of a head. */
struct attn__paged_memory {
    char *k, *v; /* of the first head; k NULL: nowhere yet */
    int64_t beside;
};

/* Where a head's rows are in a page: bytes behind those of its first head (were
 * it alone in its block), elements a row (of stored types bytes). */
struct attn__paged_head {
    int32_t group;
    int32_t k_stored, v_stored; /* types, in slabs (base/dtype.h) or not */
    int64_t k_at, v_at, k_row, v_row;
    /* The same of open pages, where both are f32; rows 0: there are none. */
    int64_t open_k_at, open_v_at, open_k_row, open_v_row;
    int64_t fold_k, fold_v; /* where its sums begin */
    int64_t bounds;         /* and its bounds */
};

/* The first page of a caller's pools of one layer. */
struct attn__paged_pool {
    const char *k, *v;
};

struct attn__paged_view {
    int64_t n_seq;
    /* Tables of a sequence, and of a row (0: all rows have the same). */
    int64_t seq_tables, row_tables;
    const struct attn__paged_memory *page; /* that of page n page_step * n bytes on */
    size_t page_step;
    /* Or, with pools [rows]: n times so many bytes from their begin on. */
    const struct attn__paged_pool *pool;
    int64_t k_page, v_page;
    const int64_t *keys;                  /* [n_seq], numbers of each */
    const struct attn__paged_step *step;  /* [n_seq] */
    const struct attn__paged *table;      /* [n_seq][rows][groups], rows as told above */
    const struct attn__paged_head *head;  /* [KV heads] */
    const float *k_scale, *v_scale;       /* [rows][KV heads] of fp8; NULL: 1 */
};

static inline const struct attn__paged_memory *attn__paged_page(const struct attn__paged_view *v,
                                                                int32_t page)
{
    const char *first = (const char *)v->page;
    return (const void *)(first + (size_t)page * v->page_step);
}

/* Where a row is. */
struct attn__paged_place {
    int32_t page, slot; /* page -1: it is not stored */
};

/* The key with number j. Returns how many from it on, at most n, lie one behind
 * the other in a page, *at being the first; or how many are not stored. */
int64_t attn__paged_find(const struct attn__paged *p, int64_t j, int64_t n,
                         struct attn__paged_place *at);

/* The same of cells: how many from key j on follow each other, *cell being the
 * index of the first; or how many are not stored, with *cell -1. */
int64_t attn__paged_cells(const struct attn__paged *p, int64_t j, int64_t n, int64_t *cell);

/* Is key j in an open page? *n, how many keys there are from j on, becomes for
 * how many of them the answer is the same. */
bool attn__paged_open(const struct attn__paged *p, int64_t j, int64_t *n);

/* The number of the first key of the part that key j is in; *n, how many keys
 * there are from j on, becomes how many of those are in the part. */
int64_t attn__paged_base(const struct attn__paged *p, int64_t j, int64_t *n);

/* Where key j stands, or the query that is the same token; *rows: how many there
 * are from it on, and then how many of those stand one behind the other. */
static inline int64_t attn__paged_place(const struct attn__paged_step *s, int64_t j, int64_t *rows)
{
    int64_t n = j - s->first, run = 1;
    if (!s->depth)
        return j;
    if (n < 0) {
        *rows = *rows < -n ? *rows : -n;
        return j;
    }
    while (run < *rows && s->depth[n + run] == s->depth[n] + run)
        run++;
    *rows = run;
    return s->first + s->depth[n];
}

/* Of keys j0..j0+n-1, at most 64, those that query i sees as far as `odd`
 * tables tell; i counts the rows of the sequence. */
uint64_t attn__paged_word(const struct attn__paged *p, int64_t i, int64_t j0, int64_t n);

/* True if all of keys j0..j1-1 are stored and before any step that branches;
 * *none: none is. */
bool attn__paged_all(const struct attn__paged *p, int64_t j0, int64_t j1, bool *none);

/* The smallest numbers of keys j0..j1-1 in a head that has its bounds at `head`,
 * if bounds are kept that are of these keys alone; else NULL. */
const float *attn__paged_low(const struct attn__paged *p, int64_t head, int64_t j0, int64_t j1);

#endif /* ATTN_PROBLEM_PAGED_H */
