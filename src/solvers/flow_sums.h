/* SPDX-License-Identifier: MIT */
/*
 * The flows of flow_attention (Wu et al., 2022) of one head: running sums in
 * double, and what they make of a token. q and k are rows behind the sigmoid;
 * a.b below is sum over d of (a_d + eps)(b_d + eps).
 */
#ifndef ATTN_SOLVERS_FLOW_SUMS_H
#define ATTN_SOLVERS_FLOW_SUMS_H

#include <stdbool.h>
#include <stdint.h>

#include "problem/problem.h"
#include "solvers/scratch.h"

struct attn__flow {
    int64_t d, n; /* n: tokens so far */
    double eps, clamp;
    double *k, *q;           /* sums of the rows: [d] each */
    double *k_out, *q_in;    /* of keys by their outgoing flow, queries by incoming */
    double weights;          /* of e to the competition of keys */
};

/* What a token's rows are multiplied with. */
struct attn__flow_factors {
    double q, v, out;
};

void attn__flow_take(struct attn__scratch *s, int64_t d, struct attn__flow *f);
void attn__flow_clear(const struct attn__problem *p, struct attn__flow *f);

/* A token of the causal form: the sums move on by it. */
struct attn__flow_factors attn__flow_token(struct attn__flow *f, const double *q,
                                           const double *k);

/*
 * Without an order of tokens, for nq queries and nk keys (1 or more each), in
 * three passes: all rows to attn__flow_add; then all to _flow, which gives the
 * flow in or out; all keys to _weigh; then the factors of each.
 */
void attn__flow_add(double *sum, int64_t d, const double *row);
double attn__flow_in(const struct attn__flow *f, const double *q);
double attn__flow_out(const struct attn__flow *f, const double *k);
void attn__flow_add_flow(double *sum, int64_t d, const double *row, double flow);
/* e to the competition of a key: its share of `weights` */
double attn__flow_weight(const struct attn__flow *f, const double *k);
double attn__flow_allocation(const struct attn__flow *f, const double *q, double ratio);

/*
 * In an attn_state: behind the d rows of S, the sums (k, q, k_out, q_in,
 * weights), each number as its f32 and the f32 of what is left.
 */
static inline int64_t attn__flow_state_rows(int64_t d, int64_t dv)
{
    return (2 * (4 * d + 1) + dv - 1) / dv;
}

/* S: rows of ld numbers, of which dv count. */
void attn__flow_load(struct attn__flow *f, const float *S, int64_t ld, int64_t dv);
void attn__flow_store(const struct attn__flow *f, float *S, int64_t ld, int64_t dv);

#endif /* ATTN_SOLVERS_FLOW_SUMS_H */
