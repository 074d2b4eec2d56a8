/* SPDX-License-Identifier: MIT */
/*
 * Attention as the public headers define it, in double precision and
 * in the plainest way: every pair is judged by the visibility formula, every
 * row goes twice over its keys. It shares no line with the library and reads
 * the same tensor views, so it says what an execute must give.
 */
#ifndef ATTN_ORACLE_ORACLE_H
#define ATTN_ORACLE_ORACLE_H

#include <stdbool.h>

#include <attn/attn.h>

#include "oracle_pieces.h"
#include "oracle_rows.h"
#include "oracle_score.h"
#include "oracle_norm.h"

/* The options. Lists may be NULL for the default of the header. */
struct oracle_options {
    int64_t hout, hk, hv, d, dv;
    const int64_t *q_head, *k_head, *v_head; /* [hout] */
    bool packed, causal, top_left, alibi;
    int64_t window_left, window_right; /* ATTN_UNBOUNDED: none */
    int64_t sink_tokens, prefix;
    int64_t n_pieces; /* added ones */
    const struct oracle_piece *pieces;
    const struct oracle_lists *lists; /* NULL: none */
    bool lists_or;
    bool no_segments; /* SEG_Q and SEG_K are for a piece alone */
    /* the rule of attn_desc_set_mask_fn for one pair, or NULL */
    bool (*mask_fn)(int64_t n, int64_t h, int64_t i, int64_t j);
    double scale;         /* NAN: 1/sqrt(d) */
    double softcap;       /* 0: none */
    const double *slopes; /* [hout] */
    struct oracle_score score;
    struct oracle_norm norm;
    struct oracle_qk_norm qk_norm;
    struct oracle_rope rope;
    struct oracle_epilogue epilogue; /* what the tensors do not say */
};

/* The inputs; NULL where there is none. */
struct oracle_inputs {
    const attn_tensor *q, *k, *v, *bias, *mask, *sink_logits, *seg_q, *seg_k;
    const attn_tensor *q_norm_w, *k_norm_w, *q_norm_b, *k_norm_b, *rope_pos_q, *rope_pos_k;
    const attn_tensor *out_norm_w, *out_gate, *head_factor, *mix_target, *mix_alpha;
    const attn_tensor *gate;
    const attn_tensor *q_offsets, *k_offsets, *q_len, *k_len, *k_start;
    struct oracle_score_inputs score;
    struct oracle_piece_inputs piece; /* segments are above */
};

/* BEYOND: terms of the pair's product are NaN or so large that f32 may overflow
 * where they cancel. */
enum { ORACLE_COUNTED = 1, ORACLE_BEYOND = 2 };

/*
 * The results, dense arrays of the shapes of the roles: b of Q, n_seq
 * sequences, nq rows of Q; pair_q x pair_k is the room per sequence of the
 * per-pair outputs. All are filled.
 */
struct oracle_result {
    int64_t b, n_seq, nq, nk, pair_q, pair_k;
    double *out, *lse, *rowmax, *entropy;
    double *out_size; /* as out, of sum p |v|: what rounding is measured by */
    /* Of each number, to first order: the error, in units of 8 eps, that the
     * bound 8 eps (1 + max_logit / 4) on all of them stands for. */
    double *out_error, *probs_error, *colsum_error;
    bool multiplied; /* they may be more than that bound: a normaliser or a norm
                      * multiplies errors */
    int64_t all_pairs, visible_pairs; /* of rows and keys that count */
    double *probs, *scores_raw, *scores_capped, *scores_biased, *colsum;
    double *scores_weighed;  /* scores_biased with the logits of lists */
    unsigned char *owned;   /* [b][nq]: the row belongs to a sequence */
    unsigned char *counted; /* [n_seq][hout][pair_q][pair_k]: enum below, 0 for padding */
    double max_logit;       /* of the finite visible scores, capped or not, and of
                             * the root of their squared terms; with lssar times
                             * what that makes of their errors */
};

/* False if there is no memory; else oracle_free gives it back. pair_q and
 * pair_k 0: as many as the longest sequence has. */
bool oracle_run(const struct oracle_options *o, const struct oracle_inputs *in, int64_t pair_q,
                int64_t pair_k, struct oracle_result *r);
void oracle_free(struct oracle_result *r);

/* Does row i of output head h see key j? Rows and keys of sequence n are
 * counted from its first ones in the tensors. */
bool oracle_visible(const struct oracle_options *o, const struct oracle_inputs *in, int64_t n,
                    int64_t h, int64_t i, int64_t j);

/* Element at coordinates of a view of any type, and one element. */
double oracle_load(const attn_tensor *t, const int64_t *index);
double oracle_element(const void *data, int32_t dtype);
/* The same with indices along extents of 1 taken as 0: broadcast. */
double oracle_load4(const attn_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d);

/* x rounded to the type once, to nearest and ties to even. */
double oracle_round(double x, int32_t dtype);
void oracle_store(void *data, int32_t dtype, double x);

#endif /* ATTN_ORACLE_ORACLE_H */
