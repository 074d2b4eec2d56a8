/* SPDX-License-Identifier: MIT */
/*
 * The arguments of an execute, checked. bind.c goes over them all,
 * bind_shape.c knows types and shapes, bind_values.c the lists whose entries
 * have limits.
 */
#ifndef ATTN_PLAN_BIND_H
#define ATTN_PLAN_BIND_H

#include "problem/call.h"

/* What extents and types are checked against. */
struct attn__dims {
    const struct attn__problem *p;
    struct attn__call *call;
    int64_t b;             /* batch of Q, K, V, OUT: 1 if packed */
    int64_t s;             /* sequences */
    int64_t nq, nk;        /* rows and keys of Q and K: all tokens if packed */
    int64_t n2;            /* keys of K2 */
    int64_t picked;        /* entries of ROWS */
    int64_t max_q, max_k;  /* of one sequence */
};

/* Checks all arguments and fills *call. */
int32_t attn__bind(const struct attn__problem *p, const attn_arg *args, size_t n_args,
                   struct attn__call *call);

/* The shape and type that a role of the problem has with these arguments, of
 * which only those that tell lengths need be there. */
int32_t attn__bind_role(const struct attn__problem *p, const attn_arg *args, size_t n_args,
                        enum attn__slot slot, attn_tensor *t);

/* bind_shape.c: type and shape of one role; or what they would be. */
int32_t attn__bind_shape(const struct attn__dims *d, enum attn__slot slot);
int32_t attn__bind_tell(const struct attn__dims *d, enum attn__slot slot, attn_tensor *t);

/* bind_values.c: offsets of a packed batch, whose type and shape are checked
 * here because they give the lengths; then the entries of all other lists. */
int32_t attn__bind_offsets(struct attn__dims *d);
int32_t attn__bind_values(const struct attn__dims *d);

/* bind_score.c: do biases fit the lengths? */
int32_t attn__bind_score(const struct attn__dims *d);
/* bind_pieces.c: what pieces of visibility have come at execute. */
int32_t attn__bind_pieces(const struct attn__dims *d);

#endif /* ATTN_PLAN_BIND_H */
