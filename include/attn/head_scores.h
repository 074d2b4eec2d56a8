/* SPDX-License-Identifier: MIT */
/*
 * Figures that tell heads apart, and settings made of them: functions of
 * what executes gave out (probabilities, argmax, head outputs), to be used in
 * later descriptors and arguments. They need no context.
 *
 * Shapes as in plan.h: B batch, H output heads, N rows. Tensors may have any
 * strides; floats are f32, f64, f16 or bf16, indices i32 or i64, results f32
 * or f64. Sums are taken in f64. Arguments are borrowed until the call
 * returns, results belong to the caller and overlap no argument. All of them
 * allocate nothing, use the calling thread only, and may be called from any
 * thread. Errors of all: ATTN_ERR_NULL (a pointer without "may be NULL"),
 * ATTN_ERR_DTYPE, ATTN_ERR_SHAPE (rank or an extent), ATTN_ERR_STRIDE,
 * ATTN_ERR_INVALID (a number out of its range); nothing has been written then.
 */
#ifndef ATTN_HEAD_SCORES_H
#define ATTN_HEAD_SCORES_H

#include <attn/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Retrieval scores (Retrieval Head Mechanistically Explains Long-Context
 * Factuality, Wu et al., 2024): how much of a needle, prompt[needle_start]
 * to prompt[needle_end - 1], each head copies while the answer is generated.
 * positions [T,H] or [T,H,K]: for each of the T generated tokens the position
 * that a head's last row gave most weight to (want=argmax), or the K such
 * positions (those outside of the prompt, such as -1, count for nothing);
 * generated [T] and
 * prompt [P]: token ids. For each token and head, if one of the positions
 * lies in the needle and the prompt has the generated id there,
 *
 *     scores[h] += 1 / (needle_end - needle_start),
 *
 * once, from 0. scores [H]. 0 <= needle_start < needle_end <= P. The paper
 * takes the mean over tests that found the needle, and from 0.1 on a head is a
 * retrieval head. Since 0.1.
 */
ATTN_API int32_t attn_retrieval_head_scores(const attn_tensor *positions,
                                            const attn_tensor *generated,
                                            const attn_tensor *prompt,
                                            int64_t needle_start,
                                            int64_t needle_end,
                                            const attn_tensor *scores);

/*
 * Echo and induction scores of RazorAttention (Tang et al., 2024). probs
 * [B,H,N,N]: causal probabilities over `bos` leading tokens and then a string
 * of `period` random tokens again and again. echo[b,h]: mean over the rows
 * from bos + period on of the weight on earlier copies of the row's own token;
 * induction[b,h]: on the tokens right behind those copies. echo, induction
 * [B,H]; 0 where there is no such row. period >= 1, bos >= 0. The paper takes
 * the largest of the query heads that share keys, and as retrieval heads the
 * first 1 % of the model by echo and 14 % by induction. Since 0.1.
 */
ATTN_API int32_t attn_razor_head_scores(const attn_tensor *probs,
                                        int64_t period, int64_t bos,
                                        const attn_tensor *echo,
                                        const attn_tensor *induction);

/*
 * The spans of MoA (Mixture of Sparse Attention, Fu et al., 2024) for n
 * tokens, prompt and new ones together, from each head's line
 * alpha + beta * n:
 *
 *     spans[h] = max(min(trunc(alpha[h] + beta[h] n), n), minimum)
 *                rounded up to a multiple of unit
 *     bands[h] = max(1, trunc(floor(alpha[h] / unit) + beta[h] n / unit))
 *
 * spans: tokens that a decoding head keeps, of which the first min(span,
 * unit) are sinks; bands: ATTN_PARAM_MOA_BANDS of a prefill, at most 2^40.
 * alpha, beta, spans, bands: [n_heads]; spans or bands may be NULL. The paper
 * has minimum 128 and unit 64. n >= 0, minimum >= 0, unit >= 1; alpha finite,
 * beta finite and at most 1, alpha + beta n not negative. ATTN_ERR_OVERFLOW
 * (a span above 2^63 - 1). Since 0.1.
 */
ATTN_API int32_t attn_moa_span_rule(size_t n_heads, const double *alpha,
                                    const double *beta, int64_t n,
                                    int64_t minimum, int64_t unit,
                                    int64_t *spans, int64_t *bands);

/*
 * How many heads keep all under Task-KV (He et al., 2025) in layer 0 to
 * layers - 1, and how many tokens the others keep in the middle, of a prompt
 * of n tokens and a budget of `budget` tokens over all heads of the layer:
 *
 *     x = heads share - (heads share - least) / max(layers - 1, 1) layer
 *     full = floor(x + 1/2), at least 0 and at most heads
 *     middle = trunc((budget - n full) / (heads - full)) - sink - recent
 *
 * middle is at least 0, and 0 if all heads keep all. heads >= 1, layers >= 1,
 * share 0 to 1, 0 <= least <= heads, n, budget, sink and recent >= 0.
 * ATTN_ERR_OVERFLOW (n heads, sink + recent). Since 0.1.
 */
ATTN_API int32_t attn_task_kv_rule(int64_t heads, int64_t layer, int64_t layers,
                                   double share, double least, int64_t n,
                                   int64_t budget, int64_t sink, int64_t recent,
                                   int64_t *full, int64_t *middle);

/*
 * Which heads these are. weights [H,N] floats: what each key head gets from the
 * prompt's last rows, the mean of attn_cache_scores over rows and query heads
 * that share it; v [H,N,Dv] floats. vectors[h]: the sum of weights[h,j] v[h,j]
 * over the `top` largest weights (among equal ones the first; all if there are
 * fewer); distances[h]: from the mean of all vectors; full[h]: true for the
 * n_full - 1 heads farthest from it and the nearest one, or the farthest one if
 * n_full is 1. vectors [H,Dv] and distances [H]: f32 or f64; full [H]: i32 or
 * i64, 1 or 0. top >= 1, 0 <= n_full <= H. Since 0.1.
 */
ATTN_API int32_t attn_task_kv_heads(const attn_tensor *weights,
                                    const attn_tensor *v, int64_t top,
                                    int64_t n_full, const attn_tensor *vectors,
                                    const attn_tensor *distances,
                                    const attn_tensor *full);

/*
 * Vision-aware head divergence (VHR, He et al., 2025): the distance of head
 * outputs with and without the image,
 *
 *     distances[b,h,n] = | out_with[b,h,n,:] - out_without[b,h,n,:] |_2.
 *
 * out_with, out_without [B,H,N,Dv] floats, usually the last row (N = 1) of
 * each; distances [B,H,N]. The mechanism vhr takes the factors of its heads
 * from the same figure. Since 0.1.
 */
ATTN_API int32_t attn_vhd(const attn_tensor *out_with,
                          const attn_tensor *out_without,
                          const attn_tensor *distances);

/*
 * One layer of attention rollout (Abnar and Zuidema, 2020): with A the mean of
 * probs over the heads,
 *
 *     after[b] = (residual A[b] + (1 - residual) I) before[b].
 *
 * probs [B,H,N,N] floats; before [B,N,N] floats, what this function gave for
 * the layer below, or NULL for the identity, in front of the first layer;
 * after [B,N,N], other memory than before. H >= 1, residual 0 to 1, usually
 * 0.5. Row 0 of the last layer tells how much of each token reached a first
 * class token; glca's ROWS are the largest of it. Since 0.1.
 */
ATTN_API int32_t attn_rollout(const attn_tensor *probs, double residual,
                              const attn_tensor *before,
                              const attn_tensor *after);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_HEAD_SCORES_H */
