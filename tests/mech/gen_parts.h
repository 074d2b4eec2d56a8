/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the random generator share: the problem being made, and
 * tensors in awkward memory. Each part decides by itself whether its option is
 * there, says it in the problem string and tells the oracle.
 */
#ifndef ATTN_MECH_GEN_PARTS_H
#define ATTN_MECH_GEN_PARTS_H

#include "problem_gen.h"
#include "rng.h"

enum { GEN_PATTERN = 0xA5 };

/* What is being made. */
struct maker {
    struct gen_problem *p;
    struct rng rng;
    int64_t b, hq, n_seq, nq, nk; /* extents of Q and K; n_seq = b unless packed */
    int64_t q_rows[8], k_rows[8]; /* of each sequence in the tensors */
    int64_t longest_q, longest_k;
    int64_t grid_h, grid_w; /* every sequence has that many keys; 0: no such */
    bool square;            /* ... and as many rows */
    double amplitude; /* of the logits, about a quarter of the largest */
    bool ok;
};

/* One of the numbers. */
#define PICK(r, ...)                                                                              \
    gen_pick(r, (const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

int64_t gen_pick(struct rng *r, const int64_t *from, int64_t n);

/* Adds to the problem string. */
void gen_say(struct gen_problem *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int64_t gen_count(const attn_tensor *t);
void gen_unflatten(const attn_tensor *t, int64_t flat, int64_t *index);
unsigned char *gen_element(const attn_tensor *t, const int64_t *index);
void gen_set(const attn_tensor *t, double x, int64_t a, int64_t b, int64_t c, int64_t d);
/* No two indices of it share memory. */
bool gen_unshared(const attn_tensor *t);

/* A tensor of a role, not filled. */
struct gen_tensor *gen_add(struct maker *m, int32_t role, int32_t dtype, int32_t rank,
                           const int64_t *shape);
attn_tensor *gen_fill_normal(struct maker *m, struct gen_tensor *g, double deviation);
int32_t gen_index_type(struct maker *m);
attn_tensor *gen_index_list(struct maker *m, int32_t role, const int64_t *values, int64_t n);

/* The shape of BIAS and MASK. */
void gen_pair_shape(struct maker *m, int64_t *shape);

/* The parts. */
void gen_pieces(struct maker *m);
void gen_norm(struct maker *m);
void gen_rule(struct maker *m); /* when the types are known */
void gen_lists(struct maker *m); /* for a problem that has some */
void gen_lists_free(struct gen_problem *p);
void gen_score(struct maker *m);
void gen_score_tensors(struct maker *m); /* when types are known */
/* CLASS_K, which may be there already. */
const attn_tensor *gen_classes_of_keys(struct maker *m);
/* The function of those problems that have one; user: the problem. */
void gen_score_fn(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b, int64_t h,
                  int64_t q0, int64_t nq, int64_t k0, int64_t nk);
void gen_rows(struct maker *m); /* after the types are chosen */

/* The weights of a row sum to 1, so that it has an entropy. */
bool gen_is_distribution(int32_t normalizer);

#endif /* ATTN_MECH_GEN_PARTS_H */
