/* SPDX-License-Identifier: MIT */
/*
 * What stands around the attention of a layer: slopes of decays and biases,
 * the short convolution in front of recurrences, learned biases of an image.
 *
 * Tensors may have any strides and are f32, f64, f16 or bf16. Arguments are
 * borrowed until the call returns, results belong to the caller and overlap
 * no argument. All functions allocate nothing and work on the calling thread;
 * any number of threads may call them at once. Nothing has been written when
 * one fails.
 */
#ifndef ATTN_LAYER_HELPERS_H
#define ATTN_LAYER_HELPERS_H

#include <attn/context.h>
#include <attn/tensor.h>

/* Rules of attn_lightning_slopes. */
enum {
    ATTN_LIGHTNING_CODE = 0, /* of the published code and weights */
    ATTN_LIGHTNING_PAPER = 1 /* of the paper's equation */
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The slopes of ALiBi (Train Short, Test Long, Press et al., 2021):
 * slopes[h] = 2^(-8 (h + 1) / heads) for a power of two; else those of the
 * next lower power n, then every second one of 2 n. slopes: [heads], the
 * caller's. ATTN_ERR_NULL, ATTN_ERR_INVALID (heads, 1 to 65536). Since 0.1.
 */
ATTN_API int32_t attn_alibi_slopes(size_t heads, double *slopes);

/*
 * The slopes of one layer of TransNormerLLM and Lightning Attention (Qin et
 * al., 2023, 2024), for ATTN_PARAM_ALIBI_SLOPES of the mechanism lightning. By
 * rule:
 *
 *     ATTN_LIGHTNING_CODE   alibi[h] (1 - layer / (layers - 1) + 1e-5),
 *                           layer 0 to layers - 1, layers 2 or more
 *     ATTN_LIGHTNING_PAPER  (8 h / heads) (1 - layer / layers),
 *                           layer 0 or 1 to layers (the paper counts from 1,
 *                           flash-linear-attention from 0)
 *
 * They differ a lot: by the second head 0 never decays. Weights were trained
 * with one of them. slopes: [heads], the caller's. ATTN_ERR_NULL,
 * ATTN_ERR_INVALID. Since 0.1.
 */
ATTN_API int32_t attn_lightning_slopes(size_t heads, int32_t rule,
                                       int64_t layer, int64_t layers,
                                       double *slopes);

/*
 * A short causal convolution of each channel, as layers of the linear family
 * have in front of q, k and v:
 *
 *     y[b,n,c] = act(bias[c] + sum over i < W of
 *                    weight[c,i] x[b,n - W + 1 + i,c])
 *
 * x, y: [B,N,C]; weight: [C,W], W 1 to 64, the last one for the token itself;
 * bias: [C] or NULL; silu: 1 for act(s) = s sigmoid(s), 0 for none. state:
 * [B,W-1,C], the inputs in front of x, oldest first, which become those in
 * front of what follows, so that a sequence may come in any pieces; NULL: none
 * were in front, and none are kept. Start a sequence with zeros. Sums are f64,
 * the sigmoid is f32 but for f64 y. ctx: whose instruction set is used, and, if
 * there is much to do, whose threads; the bits are those of one thread.
 * ATTN_ERR_NULL, ATTN_ERR_INVALID (silu), ATTN_ERR_DTYPE, ATTN_ERR_SHAPE,
 * ATTN_ERR_STRIDE, ATTN_ERR_THREAD (no threads could be started). Since 0.1.
 */
ATTN_API int32_t attn_short_conv(attn_ctx *ctx, const attn_tensor *x,
                                 const attn_tensor *weight,
                                 const attn_tensor *bias, int32_t silu,
                                 const attn_tensor *state,
                                 const attn_tensor *y);

/*
 * The learned biases of Agent Attention (Han et al., 2024) for one size of
 * image, made once and given to every execute:
 *
 *     to[h,n,F + y * W + x] = T(h,n,y,x) + rows[h,n,y] + columns[h,n,x]
 *
 * with T table resized to H x W (bilinear, half-pixel centres, edges
 * repeated), F = 1 and to[h,n,0] = first[h,n] if there is a class token, else
 * F = 0. table: [heads,agents,any,any]; rows: [heads,agents,H]; columns:
 * [heads,agents,W]; first: [heads,agents] or NULL; to: [heads,agents,F+H*W],
 * the role AGENT_K_BIAS. AGENT_Q_BIAS is the same with the last two extents
 * and strides of `to` exchanged, and with views of rows [heads,H,agents]
 * likewise. ATTN_ERR_NULL, ATTN_ERR_DTYPE, ATTN_ERR_SHAPE, ATTN_ERR_STRIDE.
 * Since 0.1.
 */
ATTN_API int32_t attn_agent_bias(const attn_tensor *table,
                                 const attn_tensor *rows,
                                 const attn_tensor *columns,
                                 const attn_tensor *first,
                                 const attn_tensor *to);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_LAYER_HELPERS_H */
