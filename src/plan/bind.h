/* SPDX-License-Identifier: MIT */
/*
 * The arguments of an execute, checked. bind_rules.c tells once for a plan
 * what its roles have to look like, bind.c goes over the arguments,
 * bind_shape.c compares types and shapes, bind_values.c the lists whose
 * entries have limits. An execute costs by the roles that its plan takes, not
 * by those that there are.
 */
#ifndef ATTN_PLAN_BIND_H
#define ATTN_PLAN_BIND_H

#include "problem/call.h"

/* An extent: so much more than a length that only the execute knows, exactly;
 * or 1 as well, or more as well, or anything. */
struct attn__extent_rule {
    uint16_t of; /* offset of the length in struct attn__dims */
    bool one_too, at_least, any;
    int64_t add;
};

struct attn__shape_rule {
    int32_t rank;
    struct attn__extent_rule e[ATTN_TENSOR_MAX_RANK];
};

enum { ATTN__SHAPES_MAX = 3 };

/* A role that the problem takes. Shapes differ in rank. */
struct attn__role_rule {
    enum attn__slot slot;
    bool must;
    int32_t type[2]; /* the ones it may have, the first is the one to make; 0: no tensor */
    int32_t n_shapes;
    struct attn__shape_rule shape[ATTN__SHAPES_MAX];
};

/* All of them, in the order of the slots. */
struct attn__rules {
    const struct attn__problem *p;
    uint8_t at[ATTN__ROLE_COUNT]; /* place in rule[], of those that p takes */
    int32_t n;
    struct attn__role_rule rule[];
};

/* p has to stay where it is, and as it is. ATTN_ERR_NOMEM. */
int32_t attn__rules_make(const struct attn__problem *p, const struct attn__mem *mem,
                         struct attn__rules **rules);
void attn__rules_free(struct attn__rules *rules, const struct attn__mem *mem);

/* What extents and types are checked against. */
struct attn__dims {
    const struct attn__rules *rules;
    const struct attn__problem *p; /* of the rules */
    struct attn__call *call;
    int64_t none;          /* 0 */
    int64_t b;             /* batch of Q, K, V, OUT: 1 if packed */
    int64_t s;             /* sequences */
    int64_t nq, nk;        /* rows and keys of Q and K: all tokens if packed */
    int64_t n2;            /* keys of K2 */
    int64_t picked;        /* entries of ROWS */
    int64_t max_q, max_k;  /* of one sequence */
};

/* Checks all arguments and fills *call. */
int32_t attn__bind(const struct attn__rules *rules, const attn_arg *args, size_t n_args,
                   struct attn__call *call);

/* The same without outputs, which may be there. */
int32_t attn__bind_inputs(const struct attn__rules *rules, const attn_arg *args, size_t n_args,
                          struct attn__call *call);

/* The shape and type that a role of the problem has with these arguments, of
 * which only those that tell lengths need be there. */
int32_t attn__bind_role(const struct attn__rules *rules, const attn_arg *args, size_t n_args,
                        enum attn__slot slot, attn_tensor *t);

/* bind_shape.c: type and shape of one role that is taken; or what they would
 * be. */
int32_t attn__bind_shape(const struct attn__dims *d, enum attn__slot slot);
int32_t attn__bind_tell(const struct attn__dims *d, enum attn__slot slot, attn_tensor *t);

/* bind_values.c: offsets of a packed batch, whose type and shape are checked
 * here because they give the lengths; then the entries of all other lists. */
int32_t attn__bind_offsets(struct attn__dims *d);
int32_t attn__bind_values(const struct attn__dims *d);

/* bind_view.c: of plans with a view, what comes in place of K and V, and the
 * number of keys; then whether each sequence may have its rows. */
int32_t attn__bind_view(struct attn__dims *d);
int32_t attn__bind_view_rows(const struct attn__dims *d);

/* bind_score.c: do biases fit the lengths? */
int32_t attn__bind_score(const struct attn__dims *d);
/* bind_pieces.c: what pieces of visibility have come at execute. */
int32_t attn__bind_pieces(const struct attn__dims *d);

#endif /* ATTN_PLAN_BIND_H */
