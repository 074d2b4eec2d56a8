/* SPDX-License-Identifier: MIT */
/*
 * The scores of a chunk: what tokens read of what earlier tokens of the chunk
 * wrote. With G_i the sum of the log decays of tokens 0..i,
 *
 *     a_ij = sum_c x_ic y_jc exp(reads_ic - G_jc)     for j <= i
 *
 * where `reads` is G, or G - g for rows that read before the decay of their
 * token. Nothing is written right of the diagonal that may be read.
 */
#ifndef ATTN_SOLVERS_SCAN_SCORES_H
#define ATTN_SOLVERS_SCAN_SCORES_H

#include "solvers/scan_core.h"

/*
 * Sets of rows that read at once, and the stride of their scores: whole vectors
 * of them stay inside of a row.
 */
enum { ATTN__SCAN_SETS = 4, ATTN__SCAN_LD = ATTN__SCAN_CHUNK + 16 };

/* One set of rows that read, and its results. */
struct attn__scan_set {
    const float *x;      /* [n][dk16] */
    int32_t before;      /* 1: reads before the decay of its token */
    const float *scaled; /* [n][dk16]: x exp(reads), for the product with S */
    float *room;         /* [64][dk16], where `scaled` is unless it is x */
    float *part;         /* [64][dk16] */
    float *a[2];         /* [64][ATTN__SCAN_LD]: scores with each writer */
};

/* What a chunk is worked on with. */
struct attn__scan_work {
    const struct attn__kernels *kernels;
    int64_t n, dk, dk16, dv16;
    int32_t decay;
    int32_t writers;         /* 1 or 2 */
    const float *writer[2];  /* [n][dk16] */
    const float *carried[2]; /* [n][dk16]: what S takes over, before h is applied */
    float *carried_room[2];
    float *writer_part;      /* [64][dk16] */
    float *hi, *lo;          /* sums before token 0..n: [65], or [65][dk16] with CHANNEL */
    float *fade;             /* SCALAR: [65] exp of them, then [64] what is left until the end */
    float *f, *h;            /* [dk16]: S = f S + h (carried^T values) */
    float *ones;             /* [dk16], and at least [64] */
    float *ref;              /* [dk16] */
    bool mild;               /* CHANNEL: the start of the chunk serves as reference for all */
    struct attn__scan_set set[ATTN__SCAN_SETS];
};

/* Prepares gates, carried, f and h from the log decays g. */
void attn__scan_scores_begin(struct attn__scan_work *, const float *g);

/* Makes `scaled` and `a` of the first `count` sets. */
void attn__scan_scores(struct attn__scan_work *, int32_t count);

#endif /* ATTN_SOLVERS_SCAN_SCORES_H */
