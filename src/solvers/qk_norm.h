/* SPDX-License-Identifier: MIT */
/*
 * Normalising the rows of Q and K before their product (Henry et al., 2020;
 * layer norm in ViT-22B, 2023, RMS norm in Qwen 3 and Gemma 3, 2025, cosine in
 * Swin V2, 2022).
 */
#ifndef ATTN_SOLVERS_QK_NORM_H
#define ATTN_SOLVERS_QK_NORM_H

#include "kernels/kernels.h"
#include "problem/call.h"

/* Rows x[i * ld ..] of Q, or of K, of output head h. */
void attn__qk_norm_rows(const struct attn__call *c, const struct attn__kernels *kern, bool keys,
                        int64_t h, int64_t rows, float *x, int64_t ld);

/* One row of doubles. */
void attn__qk_norm_f64(const struct attn__call *c, bool keys, int64_t h, double *x);

#endif /* ATTN_SOLVERS_QK_NORM_H */
