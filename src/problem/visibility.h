/* SPDX-License-Identifier: MIT */
/*
 * Which pairs of a sequence are visible: the static pieces of the problem
 * with the sequence's lengths, segments and mask. Keys are counted within the
 * sequence. The heads that share K and V are taken together: line n of them is
 * query n / group of head h0 + n % group. Rows are those lines, or with `lines`
 * some of them, row r being line lines[r].
 */
#ifndef ATTN_PROBLEM_VISIBILITY_H
#define ATTN_PROBLEM_VISIBILITY_H

#include "problem/paged.h"
#include "problem/problem.h"
#include "problem/select_lists.h"

/* Numbers that execute brought, in a row. */
struct attn__vis_ids {
    const void *data; /* NULL: none */
    int32_t dtype;
    int64_t at, stride; /* elements */
};

struct attn__vis_pieces {
    const struct attn__piece *piece;
    int32_t n;
    bool plain;
};

struct attn__vis {
    const struct attn__problem *p;
    /* The problem's, and those of a cache's rule: a pair must pass both lists. */
    struct attn__vis_pieces own, rule;
    int64_t nq, nk, off;
    int64_t h0, group;    /* heads whose rows alternate */
    const int64_t *lines; /* rising; NULL: all of them */
    /* one for each query or key */
    struct attn__vis_ids seg_q, seg_k, pos_q, pos_k, class_q, class_k;
    const uint8_t *mask; /* NULL: no mask */
    int64_t mask_head, mask_row, mask_col;
    /* What comes instead of the values of pieces. */
    int64_t prefix_len;
    struct attn__vis_ids rects; /* of the first; the stride divides corners */
    int64_t n_rects, rect_stride;
    struct attn__vis_ids list_offsets, list_index; /* of head 0, one a block */
    int64_t list_head;                             /* stride of heads */
    const struct attn__select_rows *rows;          /* of role SELECTION */
    int64_t rows_b;                                /* its batch entry */
    struct attn__vis_ids tree;                     /* of query 0, one a word */
    int64_t tree_row, tree_words;                  /* stride of queries; words */
    const struct attn__paged *odd; /* paged keys that are looked up singly; NULL: none */
    /* For the callback. */
    void *user;
    int64_t seq;
};

/* Looks by the pieces of another problem with the same data. */
static inline void attn__vis_set_rules(struct attn__vis *v, const struct attn__problem *p)
{
    v->p = p;
    v->own = (struct attn__vis_pieces){p->piece, p->n_pieces, p->plain_pieces};
}

static inline int64_t attn__vis_line(const struct attn__vis *v, int64_t r)
{
    return v->lines ? v->lines[r] : r;
}

static inline int64_t attn__vis_query(const struct attn__vis *v, int64_t r)
{
    return attn__vis_line(v, r) / v->group;
}

static inline int64_t attn__vis_head(const struct attn__vis *v, int64_t r)
{
    return v->h0 + attn__vis_line(v, r) % v->group;
}

enum attn__tile { ATTN__TILE_EMPTY, ATTN__TILE_PARTIAL, ATTN__TILE_FULL };

/* Class of the tile of rows r0..r1-1 and keys j0..j1-1 (neither empty, both
 * inside the sequence). PARTIAL may be said of a tile that is not. */
enum attn__tile attn__vis_tile(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0,
                               int64_t j1);

/* Keys outside *j0..*j1-1 are invisible to all rows r0..r1-1. */
void attn__vis_hull(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t *j0, int64_t *j1);

/* bits[j - j0], bit r - r0: does row r see key j; at most 64 rows. */
void attn__vis_bits(const struct attn__vis *v, int64_t r0, int64_t r1, int64_t j0, int64_t j1,
                    uint64_t *bits);

/* The scores s[j - j0] of row r that are not visible become -inf. */
void attn__vis_hide(const struct attn__vis *v, int64_t r, int64_t j0, int64_t j1, float *s);

/* The share of all pairs that the static pieces leave visible, estimated from
 * some of the rows: for costs. What execute brings is taken as visible. */
double attn__vis_share(const struct attn__problem *p, int64_t nq, int64_t nk);

#endif /* ATTN_PROBLEM_VISIBILITY_H */
