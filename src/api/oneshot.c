/* SPDX-License-Identifier: MIT */
/*
 * Calls that do everything at once, made of nothing but public functions: the
 * bits are those of a plan.
 */
#include <attn/attn.h>

static int32_t set_sizes(attn_desc *desc, const int64_t *sizes)
{
    static const int32_t params[] = {ATTN_PARAM_B, ATTN_PARAM_HQ, ATTN_PARAM_HK,
                                     ATTN_PARAM_Q, ATTN_PARAM_K,  ATTN_PARAM_D,
                                     ATTN_PARAM_CAUSAL};
    int32_t status = ATTN_OK;

    for (size_t i = 0; i < sizeof params / sizeof params[0] && status == ATTN_OK; i++)
        status = attn_desc_set_i64(desc, params[i], sizes[i]);
    return status;
}

int32_t attn_softmax_f32(attn_ctx *ctx, int64_t b, int64_t hq, int64_t hk, int64_t nq, int64_t nk,
                         int64_t d, int32_t causal, const float *q, const float *k, const float *v,
                         float *out)
{
    const int64_t sizes[] = {b, hq, hk, nq, nk, d, causal};
    const int64_t q_shape[] = {b, hq, nq, d}, k_shape[] = {b, hk, nk, d};
    attn_tensor tq, tk, tv, to;
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    int32_t status;

    status = attn_desc_create(ctx, ATTN_MECH_SOFTMAX, &desc);
    if (status != ATTN_OK)
        return status;
    status = set_sizes(desc, sizes);
    /* The views are only read through where they are inputs. */
    if (status == ATTN_OK)
        status = attn_tensor_init(&tq, (void *)q, ATTN_DTYPE_F32, 4, q_shape);
    if (status == ATTN_OK)
        status = attn_tensor_init(&tk, (void *)k, ATTN_DTYPE_F32, 4, k_shape);
    if (status == ATTN_OK)
        status = attn_tensor_init(&tv, (void *)v, ATTN_DTYPE_F32, 4, k_shape);
    if (status == ATTN_OK)
        status = attn_tensor_init(&to, out, ATTN_DTYPE_F32, 4, q_shape);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, desc, &plan);
    if (status == ATTN_OK) {
        const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq},
                                 {ATTN_ROLE_K, 0, &tk},
                                 {ATTN_ROLE_V, 0, &tv},
                                 {ATTN_ROLE_OUT, 0, &to}};
        status = attn_plan_execute(plan, args, sizeof args / sizeof args[0], NULL, 0);
    }
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    return status;
}
