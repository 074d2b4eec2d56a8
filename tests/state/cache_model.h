/* SPDX-License-Identifier: MIT */
/*
 * A cache as simple as possible, to compare the library with: no memory to
 * run out of, everything counted anew each time, sequences known by their
 * place in an array. It says the same statuses, lengths, positions and page
 * counts. Instead of rows, cells hold the number of the token and by how much
 * its keys were turned on; those of kivi, which are rounded together with
 * others, hold rows.
 */
#ifndef ATTN_TESTS_CACHE_MODEL_H
#define ATTN_TESTS_CACHE_MODEL_H

#include <attn/attn.h>

#include <stdbool.h>

#ifndef MODEL_PAGE
#define MODEL_PAGE 8 /* 32: rows of q8_0 and q4_0 are in slabs, and kivi is there */
#endif

enum {
    MODEL_SEQS = 8,
    MODEL_ROWS = 3,
    MODEL_GROUPS = 2,
    MODEL_HEADS = 3,
    MODEL_WIDTH = 32, /* most channels of keys and of values */
    MODEL_TURNED = 4, /* the first of a key turn, in two pairs */
    MODEL_PAGES = 40,
    MODEL_BLOCK = MODEL_PAGE < 32 ? MODEL_PAGE : 32, /* rows that are rounded together, if 32 */
    MODEL_CELLS = MODEL_PAGE * MODEL_PAGES,
    MODEL_TOKENS = MODEL_PAGE < 32 ? 12 : 40, /* of a step and sequence */
    MODEL_STEPS = 2
};

struct model_rule {
    int64_t window, sink, slack;
    bool fold;
};

struct model_page {
    int refs;
    bool closed; /* has blocks of kivi */
    bool used[MODEL_PAGE];
    int serial[MODEL_PAGE];
    int64_t turn[MODEL_PAGE];
    bool turned[MODEL_PAGE]; /* at least once: rounded anew each time */
    /* of kivi: key and value as they are read, keys that never turned */
    float row[MODEL_PAGE][MODEL_HEADS][2 * MODEL_WIDTH];
};

struct model_cell {
    int64_t pos;
    int page, slot;
};

struct model_table {
    int kivi; /* its type, if it is one of kivi */
    int n_cells, n_pages;
    struct model_cell cell[MODEL_CELLS];
    int page[MODEL_PAGES];
    int64_t lost_end, pruned_at, folded;
    double fold[MODEL_HEADS][2 * MODEL_WIDTH]; /* key, then value */
};

struct model_seq {
    bool live, open;
    int64_t next, last;
    int64_t changes; /* after each of which its views are old */
    struct model_table table[MODEL_ROWS][MODEL_GROUPS];
};

struct model_step {
    bool open, done;
    int n;
    int seq[MODEL_SEQS], count[MODEL_SEQS];
    int32_t parent[MODEL_SEQS][MODEL_TOKENS];
    bool written[MODEL_ROWS];
};

struct model {
    int rows, groups, heads, pages, seqs, width;
    int group_of[MODEL_HEADS];
    int64_t max_position;
    bool turns, knows_turn; /* keys are stored turned; it is known how */
    struct model_rule rule[MODEL_ROWS][MODEL_GROUPS];
    int kivi[MODEL_GROUPS], residual; /* types; cells that stay open */

    struct model_page page[MODEL_PAGES];
    struct model_seq seq[MODEL_SEQS];
    struct model_step step[MODEL_STEPS];
    int used, peak;
    int64_t copies, blocks; /* blocks: that were closed */
};

/* What the token has in a channel of a head's key (0..3) or value (4..7);
 * small whole numbers. A turn is that of frequencies 1 and 0.01, channels c
 * and c + 2 together. */
double model_value(int width, int serial, int row, int head, int channel, int64_t turn);

/* As attn_cache_* and attn_step_*; sequences, rows and steps are places in
 * the arrays, -1 a handle that is none. */
int32_t model_seq_create(struct model *m, int *seq);
int32_t model_seq_free(struct model *m, int seq);
int32_t model_fork(struct model *m, int seq, int64_t upto, int32_t flags, int *fork);
int32_t model_truncate(struct model *m, int seq, int64_t next, int32_t flags);
int32_t model_remove(struct model *m, int seq, int64_t p0, int64_t p1);
int32_t model_shift(struct model *m, int seq, int64_t p0, int64_t delta);
int32_t model_prune(struct model *m, int seq, int row, int group, const int64_t *keep, int n);
int32_t model_reorder(struct model *m, int n, const int *old, const int32_t *parent, int *seq);
int32_t model_begin(struct model *m, int n, const int *seq, const int64_t *counts,
                    const int32_t *parents, int step);
int32_t model_write(struct model *m, int step, int row, int serial);
int32_t model_commit(struct model *m, int step, const int64_t *n_keep, const int32_t *keep);
int32_t model_abort(struct model *m, int step);
int32_t model_append(struct model *m, int seq, int from);
/* A saved sequence loaded: the same one in pages of its own. */
int32_t model_load(struct model *m, int seq, int *made);

#endif /* ATTN_TESTS_CACHE_MODEL_H */
