/* SPDX-License-Identifier: MIT */
/*
 * Small problems of mechanisms that select keys, and the tensors that each of
 * them takes.
 */
#ifndef ATTN_MECH_SELECT_DATA_H
#define ATTN_MECH_SELECT_DATA_H

#include "dense.h"

enum { B = 2, H = 4, HK = 2, N = 96, D = 16 };

#define GQA "b=2 h=4/2 q=96 k=96 d=16 "
#define SELF "b=2 h=4 q=96 k=96 d=16 "

/* A problem for each mechanism with one selection, of which it leaves out some. */
enum { SELECT_ALL = 13 };
extern const char *const select_all[SELECT_ALL];

/* Are there tensors that it selects by, besides q and k? */
bool select_is_given(const char *text);

/* Are queries and keys of the same tokens? */
bool select_is_tied(const char *text);

/* Random SELECT_Q and SELECT_K. */
void select_give(struct dense *x, int64_t heads, int64_t k_heads, int64_t rows, int64_t width);

/* What a problem takes, with N keys and a batch of B or with other sizes. */
void select_make(struct dense *x, const char *text, int64_t nq);
void select_make_sized(struct dense *x, const char *text, int64_t b, int64_t nq, int64_t nk);

#endif /* ATTN_MECH_SELECT_DATA_H */
