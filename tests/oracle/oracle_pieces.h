/* SPDX-License-Identifier: MIT */
/*
 * Pieces of visibility, pair by pair and by the words of <attn/pieces.h>.
 */
#ifndef ATTN_ORACLE_ORACLE_PIECES_H
#define ATTN_ORACLE_ORACLE_PIECES_H

#include <stdbool.h>

#include <attn/attn.h>

struct oracle_piece {
    int32_t kind;
    bool any;
    int64_t n; /* values in all */
    const int64_t *v;
};

/*
 * Lists of role SELECTION: row (b * heads / head_group + h / head_group) *
 * ceil(queries / q_block) + i / q_block, b being 0 if batch is 1, is entries
 * row_ptr[row] to row_ptr[row + 1] - 1 of keys start to start + length - 1.
 */
struct oracle_lists {
    int64_t batch, heads, head_group, queries, q_block;
    int64_t *row_ptr;
    int32_t *start, *length;
    float *logit;           /* of each entry; NULL: none has one */
    unsigned char *replace; /* instead of its log-sum-exp; NULL: nowhere */
};

/* The entry that lists key j for query i of head h in sequence n; -1: none. */
int64_t oracle_entry(const struct oracle_lists *l, int64_t n, int64_t h, int64_t i, int64_t j);

/* What execute brings for them; NULL where there is none. */
struct oracle_piece_inputs {
    const attn_tensor *pos_q, *pos_k, *class_q, *class_k, *rects, *prefix_len;
    const attn_tensor *list_offsets, *list_index, *tree_bits, *seg_q, *seg_k;
};

/* A pair and where it is: of sequence n and output head h, query i of q_len
 * and key j of k_len, both counted from the first that counts; b, row and key
 * find the numbers of a query and a key in their tensors. */
struct oracle_pair {
    const struct oracle_piece_inputs *in;
    int64_t n, h, i, j, q_len, k_len;
    int64_t b, row, key;
    int64_t at_q, at_k; /* positions */
};

bool oracle_piece_shows(const struct oracle_piece *e, const struct oracle_pair *x);

/* Whole number of a tensor; extents of 1 are for all. */
int64_t oracle_piece_number(const attn_tensor *t, int64_t a, int64_t b, int64_t c);

#endif /* ATTN_ORACLE_ORACLE_PIECES_H */
