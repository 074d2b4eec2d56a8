/* SPDX-License-Identifier: MIT */
/*
 * Pieces of visibility. Which keys a query sees is a short list of rules:
 * a pair (query i, key j) is visible if every MUST piece shows it and, where
 * there are ANY pieces, at least one of them does; lengths, segments and
 * masks come on top. causal, window, sink_tokens and prefix are shorthand for
 * such pieces, and added ones stand beside them without changing them.
 *
 * Positions: query i stands at i + off, key j at j, where off is k_len - q_len
 * of the sequence (align=bottom_right) or 0 (top_left), unless execute brings
 * others.
 */
#ifndef ATTN_PIECES_H
#define ATTN_PIECES_H

#include <attn/desc.h>

/*
 * Kinds of pieces, with the values of each. All are since 0.1. `inf` below is
 * ATTN_UNBOUNDED. In a problem string a piece is must=KIND[values] or
 * any=KIND[values].
 *
 * | no. | kind   | values                    | shows the pair if            |
 * |-----|--------|---------------------------|------------------------------|
 * |   1 | band   | left,right,off,unit       | -left <= J - I <= right with |
 * |     |        |                           | I = floor(position of i +    |
 * |     |        |                           | off, unit), J = floor(       |
 * |     |        |                           | position of j, unit)         |
 * |   2 | rect   | q0,q1,k0,k1               | q0 <= i < q1, k0 <= j < k1   |
 * |   3 | prefix | p                         | j < p                        |
 * |   4 | stride | unit,stride,phase         | floor(position of j, unit) + |
 * |     |        |                           | phase is a multiple of stride|
 * |   5 | segment|                           | SEG_Q[i] = SEG_K[j]          |
 * |   6 | pair   | see of class 0, class 1.. | bit CLASS_K[j] of            |
 * |     |        |                           | see[CLASS_Q[i]] is set       |
 * |   7 | list   | q_block,k_block           | the list of the query's block|
 * |     |        |                           | has the key's block          |
 * |   8 | tree   | t                         | j is none of the last t keys,|
 * |     |        |                           | or its bit in TREE_BITS is 1 |
 *
 * band: left and right may be negative, or inf for no limit; off is added to
 * the position; unit 1 counts keys, more counts blocks. rect counts queries
 * and keys of the sequence from its first; q1 and k1 may be inf. Values of
 * the first four are given once for all heads, or once for each output head,
 * one head after the other (Hout times as many).
 *
 * Values that come at execute, in roles that the piece declares:
 *  - rect and prefix without values: any of the rectangles RECTS, all keys
 *    below PREFIX_LEN. At most one piece each.
 *  - segment: the roles of the parameter `segments`, which is this piece as
 *    a MUST.
 *  - pair: up to 64 classes; -2^63, bit 63 alone, is written inf.
 *  - list: LIST_INDEX holds the lists of key blocks, each in rising order;
 *    list b,h,n is entries LIST_OFFSETS[b,h,n] to LIST_OFFSETS[b,h,n+1] for
 *    queries n * q_block and on. q_block inf: one list for all queries.
 *  - tree: bit x of TREE_BITS[b,i] (64 to a word, lowest first) is key
 *    k_len - t + x; t inf: as many keys as the sequence has queries. That is
 *    for speculative decoding, where each draft token sees all of the past,
 *    itself and its ancestors.
 * With the parameter `positions`, POS_Q[i] and POS_K[j] are the positions of
 * band and stride, and so of causal and window, and turn rows where there is
 * rope.
 */
enum {
    ATTN_PIECE_BAND = 1,
    ATTN_PIECE_RECT = 2,
    ATTN_PIECE_PREFIX = 3,
    ATTN_PIECE_STRIDE = 4,
    ATTN_PIECE_SEGMENT = 5,
    ATTN_PIECE_PAIR = 6,
    ATTN_PIECE_LIST = 7,
    ATTN_PIECE_TREE = 8
};

/* How a piece counts: MUST all show a pair, one of the ANY has to. */
enum { ATTN_MODE_MUST = 0, ATTN_MODE_ANY = 1 };

/* Pieces that a descriptor holds at most. */
enum { ATTN_PIECES_MAX = 16 };

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Adds a piece behind those that are there. kind: ATTN_PIECE_*; mode:
 * ATTN_MODE_*; values[n], copied, may be NULL when n is 0. ATTN_ERR_NULL,
 * ATTN_ERR_INVALID (an unknown kind or mode, a value out of bounds, a number
 * of values the kind does not have, or ATTN_PIECES_MAX are there),
 * ATTN_ERR_NOMEM. Allocates. One thread at a time per descriptor. Since 0.1.
 */
ATTN_API int32_t attn_desc_add_piece(attn_desc *desc, int32_t kind,
                                     int32_t mode, const int64_t *values,
                                     size_t n);

/*
 * *n: the number of added pieces. ATTN_ERR_NULL. Any thread while nobody
 * sets. Since 0.1.
 */
ATTN_API int32_t attn_desc_piece_count(const attn_desc *desc, size_t *n);

/*
 * Reads piece number `index` from 0, in the order they were added. kind, mode
 * may be NULL; at most `room` values are copied, *n is how many there are.
 * ATTN_ERR_NULL, ATTN_ERR_RANGE (no such piece). Any thread while nobody
 * sets. Since 0.1.
 */
ATTN_API int32_t attn_desc_piece_at(const attn_desc *desc, size_t index,
                                    int32_t *kind, int32_t *mode,
                                    int64_t *values, size_t room, size_t *n);

/*
 * Takes all added pieces away. ATTN_ERR_NULL. Since 0.1.
 */
ATTN_API int32_t attn_desc_clear_pieces(attn_desc *desc);

/*
 * A rule of the caller's own, a MUST besides all pieces, called from any
 * thread: does query q0..q0+nq-1 of output head h in sequence b see key
 * k0..k0+nk-1 (all counted as rect counts them)? Returns 0 if none of the
 * pairs is visible, 1 if all are, else 2, and then, unless visible is NULL,
 * visible[q * q_stride + k * k_stride] is 0 or not for each. A NULL, with
 * strides of 0, asks only for the class of the tile: good classes are what
 * makes a rule fast. user is the object of role USER. It must not fail, and
 * its answer about a pair must not depend on the tile. Since 0.1.
 */
typedef int32_t (*attn_mask_fn)(void *user, uint8_t *visible,
                                int64_t q_stride, int64_t k_stride, int64_t b,
                                int64_t h, int64_t q0, int64_t nq, int64_t k0,
                                int64_t nk);

/*
 * Sets the rule; NULL takes it away. Problem strings show it as mask=user,
 * which cannot be parsed. dtype=f64 refuses it when planning. ATTN_ERR_NULL
 * (desc). One thread at a time per descriptor. Since 0.1.
 */
ATTN_API int32_t attn_desc_set_mask_fn(attn_desc *desc, attn_mask_fn fn);

/*
 * Kinds by number and name ("band"). _kind_at walks the table (0 past its
 * end); _name gives NULL for a number that is none; _find: ATTN_ERR_NULL,
 * ATTN_ERR_UNKNOWN_NAME. Static strings; any thread. Since 0.1.
 */
ATTN_API int32_t attn_piece_kind_at(size_t index);
ATTN_API const char *attn_piece_name(int32_t kind);
ATTN_API int32_t attn_piece_find(const char *name, int32_t *kind);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_PIECES_H */
