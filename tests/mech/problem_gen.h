/* SPDX-License-Identifier: MIT */
/*
 * Random problems: a problem string, tensors in awkward memory for one
 * execute of it, and the same options as the oracle takes them.
 */
#ifndef ATTN_MECH_PROBLEM_GEN_H
#define ATTN_MECH_PROBLEM_GEN_H

#include "oracle.h"

enum { GEN_ROLES = 51, GEN_HEADS = 12, GEN_PIECES = 4, GEN_GROUPS = 5 };

/* One tensor and the block of memory that it is a view of. */
struct gen_tensor {
    int32_t role;
    bool used;
    attn_tensor t;
    unsigned char *block;
    size_t bytes;
    unsigned char *before; /* inputs: a copy; outputs: 1 for bytes of elements */
};

/* Role SELECTION as groups; q_ptr NULL: it is lists. */
struct gen_groups {
    int64_t n;
    int32_t combine;
    int32_t *batch, *head, *query, *key;
    int64_t *q_ptr, *k_ptr;
};

struct gen_problem {
    char text[4096];
    struct oracle_options options;
    struct oracle_inputs inputs;
    struct gen_tensor tensor[GEN_ROLES];
    int64_t q_head[GEN_HEADS], k_head[GEN_HEADS], v_head[GEN_HEADS];
    double rope_freqs[160];
    double slopes[GEN_HEADS], head_scale[GEN_HEADS];
    struct oracle_piece piece[GEN_PIECES];
    struct oracle_lists lists; /* of role SELECTION, if options.lists is set */
    struct gen_groups groups;
    int64_t piece_value[GEN_PIECES][4 * GEN_HEADS];
    int64_t table_entries; /* of BIAS_TABLE; 0: none */
    bool row_scale, q_bias_content, q_bias_table, query_table_bias;
    int64_t query_table_rows; /* of QUERY_TABLE; 0: none */
    int64_t classes;          /* of CLASS_TERMS; 0: none */
    int64_t mass_classes;     /* of CLASSMASS; 0: none */
    const attn_tensor *class_k; /* CLASS_K; NULL: none */
    attn_score_fn score_fn; /* NULL: none */
    int32_t dtype, kv_dtype, row_dtype, want;
    bool compute_bf16;
    int64_t pair_q, pair_k; /* room per sequence of the per-pair outputs */
    int threads;            /* 1 to 3: what to run it with if nothing else is asked */
    bool own_workspace;     /* pass NULL */
    bool any_k;             /* k=inf */
};

/* To be set if options.mask_fn is, for problem strings cannot tell it. */
int32_t gen_mask_fn(void *user, uint8_t *visible, int64_t q_stride, int64_t k_stride, int64_t b,
                    int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk);

/* The problem of a seed. False if there is no memory. */
bool gen_make(struct gen_problem *p, uint64_t seed);
void gen_free(struct gen_problem *p);

struct gen_tensor *gen_find(struct gen_problem *p, int32_t role);

/* Fills args with every tensor, in random-looking order; returns how many. There
 * is room for one more. */
size_t gen_args(const struct gen_problem *p, attn_arg args[GEN_ROLES]);

/* The selection of a problem that has lists, to be destroyed; NULL if it could
 * not be made. */
attn_selection *gen_selection(const struct gen_problem *p, attn_ctx *ctx);

/* Outputs get a pattern that is no result. */
void gen_reset_outputs(struct gen_problem *p);

/* NULL, or the name of a role that was written where it must not be. */
const char *gen_trespass(const struct gen_problem *p);

/* One line about sizes and strides of all tensors. */
void gen_describe(const struct gen_problem *p, char *buf, size_t len);

#endif /* ATTN_MECH_PROBLEM_GEN_H */
