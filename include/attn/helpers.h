/* SPDX-License-Identifier: MIT */
/*
 * Functions on top of, or beside, plans.
 */
#ifndef ATTN_HELPERS_H
#define ATTN_HELPERS_H

#include <attn/context.h>
#include <attn/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Joins partial results over disjoint sets of keys: with m = max_p lse_p and
 * w_p = exp(lse_p - m), out = sum_p w_p out_p / sum_p w_p and
 * lse = m + ln sum_p w_p. Parts with lse = -inf have no weight and their out
 * is not read. n_parts >= 1; part_out[n_parts] views of [B,H,N,D] in f32,
 * f64, f16 or bf16 and part_lse[n_parts] views of [B,H,N] in f32 (f64 with
 * f64), all of one shape and type; out likewise; lse may be NULL. out and
 * lse may be exactly the memory of one part. At most one part may carry sink
 * logits. Joined results agree with a single execute up to rounding.
 * ATTN_ERR_NULL, ATTN_ERR_INVALID (n_parts is 0), ATTN_ERR_DTYPE,
 * ATTN_ERR_SHAPE, ATTN_ERR_STRIDE. Allocates nothing, uses the calling
 * thread only. Any thread. Since 0.1.
 */
ATTN_API int32_t attn_merge(size_t n_parts, const attn_tensor *part_out,
                            const attn_tensor *part_lse,
                            const attn_tensor *out, const attn_tensor *lse);

/*
 * One call for plain softmax attention on dense [B,H,N,D] f32 arrays:
 * q [b,hq,nq,d], k and v [b,hk,nk,d], out [b,hq,nq,d]; scale 1/sqrt(d);
 * causal: 0 or 1 (bottom-right). Plans, executes and forgets the plan: the
 * bits are those of the plan, the cost is that of planning as well. Errors as
 * attn_desc_set_i64, attn_plan_create and attn_plan_execute. Allocates. One
 * thread at a time per ctx. Since 0.1.
 */
ATTN_API int32_t attn_softmax_f32(attn_ctx *ctx, int64_t b, int64_t hq,
                                  int64_t hk, int64_t nq, int64_t nk,
                                  int64_t d, int32_t causal, const float *q,
                                  const float *k, const float *v, float *out);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_HELPERS_H */
