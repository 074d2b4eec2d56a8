#include <attn/attn.h>
#include <stdio.h>
static float q[8 * 100 * 64], k[2 * 100 * 64], v[2 * 100 * 64], out[8 * 100 * 64];
int main(void)
{
    const int64_t many[] = {1, 8, 100, 64}, few[] = {1, 2, 100, 64}; /* [B, H, N, D] */
    attn_ctx *ctx = NULL; attn_desc *desc = NULL; attn_plan *plan = NULL;
    attn_tensor tq, tk, tv, to;
    attn_tensor_init(&tq, q, ATTN_DTYPE_F32, 4, many);
    attn_tensor_init(&tk, k, ATTN_DTYPE_F32, 4, few);
    attn_tensor_init(&tv, v, ATTN_DTYPE_F32, 4, few);
    attn_tensor_init(&to, out, ATTN_DTYPE_F32, 4, many);
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq}, {ATTN_ROLE_K, 0, &tk},
                             {ATTN_ROLE_V, 0, &tv}, {ATTN_ROLE_OUT, 0, &to}};
    for (int i = 0; i < 2 * 100 * 64; i++) v[i] = 1; /* so every output is 1 */
    int32_t status = attn_ctx_create(NULL, &ctx);
    if (!status) status = attn_desc_parse(ctx, "softmax h=8/2 n=100 d=64 causal", &desc);
    if (!status) status = attn_plan_create(ctx, desc, &plan);
    if (!status) status = attn_plan_execute(plan, args, 4, NULL, 0);
    printf("%s: out[0] = %g\n", attn_status_text(status), out[0]);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    return status != ATTN_OK || out[0] != 1.0f;
}
