/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms that are more than one ATTEND: a recipe of stages. The problem
 * of the mechanism says what a caller sees (roles, shapes, limits); each
 * ATTEND stage is a problem of its own, planned like any other. At execute
 * the recipe runs once: it lays out its intermediate arrays in the workspace,
 * lets stages run on calls that it puts together from the caller's tensors
 * and those arrays, and does the steps between them with the functions of
 * solvers/map_*.h.
 */
#ifndef ATTN_PROBLEM_RECIPE_H
#define ATTN_PROBLEM_RECIPE_H

#include "problem/call.h"
#include "problem/params.h"
#include "problem/solver.h"

/* One execute of a recipe. */
struct attn__recipe_run {
    const struct attn__call *call; /* the caller's arguments, checked */
    const struct attn__machine *machine;
    struct attn__threads *threads;
    char *ws; /* what `workspace` asked for, 64-byte aligned */
    char *stage_ws; /* of the stages, which have it one after another */
    /* Runs ATTEND stage n; call->p is set here. */
    void (*attend)(const struct attn__recipe_run *r, int32_t n, struct attn__call *call);
    const void *plan;
    struct attn__did *did; /* of all stages; NULL: nobody wants to know */
};

/* What selecting takes for one sequence, whatever its numbers are. */
struct attn__select_price {
    double operations; /* multiplications, additions and comparisons */
    double bytes;      /* of the rows that are compared, each once */
    double entries;    /* of lists, at most */
    double pairs;      /* of queries and keys, of all heads, that they list at most */
};

struct attn__recipe {
    int32_t n_stages; /* ATTEND stages */
    /* Packed batches come one sequence after another, each as a batch of one
     * (problem/sequences.h); else they come as they are. */
    bool by_sequence;
    /* The problem of stage n, from the parameters of the mechanism. Called in
     * order at planning; fails as attn__mech_problem does. */
    int32_t (*stage)(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p);
    /* Bytes of the intermediate arrays at the maxima; false: overflow. */
    bool (*workspace)(const struct attn__problem *whole, const struct attn__machine *m,
                      size_t *bytes);
    /* What may fail, as it hangs on the caller's data: selecting. Nothing of
     * the caller's is written before it ends. NULL: there is nothing. */
    int32_t (*select)(const struct attn__recipe_run *r);
    /* What that takes for q queries and k keys; NULL: not told. */
    void (*price)(const struct attn__problem *whole, int64_t q, int64_t k,
                  struct attn__select_price *price);
    /* NULL: selecting is all. */
    void (*run)(const struct attn__recipe_run *r);
};

/* A call for a stage that works on the sequences of the whole: lengths,
 * offsets, VIEW and USER are those of the caller, no tensor is set yet. */
struct attn__call attn__recipe_call(const struct attn__recipe_run *r);

/*
 * Rows of queries of a packed batch may begin anywhere in their tensors. Puts
 * into *c the whole's call with views that begin where the first sequence does
 * and end where the last does, and offsets [n_seq + 1] that go with them, so
 * that arrays in the workspace need no other rows. Of a batch that is not
 * packed it is the call as it is.
 */
void attn__recipe_rebase(const struct attn__recipe_run *r, int64_t *offsets,
                         struct attn__call *c);
/* Does the same to the rows of keys of such a call. */
void attn__recipe_rebase_keys(int64_t *offsets, struct attn__call *c);

/* Gives the call a tensor. */
static inline void attn__recipe_give(struct attn__call *c, enum attn__slot slot,
                                     const attn_tensor *t)
{
    c->t[slot] = *t;
    c->has[slot] = true;
}

/* Gives the call what the caller gave for `from`, if anything. */
static inline void attn__recipe_pass(struct attn__call *c, enum attn__slot slot,
                                     const struct attn__call *whole, enum attn__slot from)
{
    if (whole->has[from])
        attn__recipe_give(c, slot, &whole->t[from]);
}

/* Gives the call every tensor that the caller gave: the inputs, or the outputs
 * as well. */
void attn__recipe_pass_inputs(struct attn__call *c, const struct attn__call *whole);
void attn__recipe_pass_all(struct attn__call *c, const struct attn__call *whole);

/* A dense view of rank 4 or, with d < 0, 3. */
attn_tensor attn__recipe_view(void *data, int32_t dtype, int64_t b, int64_t h, int64_t n,
                              int64_t d);

/* A view [b,h,n,d] of one element, which all of it is. */
attn_tensor attn__recipe_constant(void *data, int32_t dtype, int64_t b, int64_t h, int64_t n,
                                  int64_t d);

/* Rows i0 to i0 + n - 1 of a [B,H,N] or [B,H,N,D] view. */
attn_tensor attn__recipe_rows(const attn_tensor *t, int64_t i0, int64_t n);

/* n blocks of `rows` rows each, which follow each other from row i0 of batch entry b
 * on, as a batch of n. */
attn_tensor attn__recipe_blocks(const attn_tensor *t, int64_t b, int64_t i0, int64_t rows,
                                int64_t n);

#endif /* ATTN_PROBLEM_RECIPE_H */
