/* SPDX-License-Identifier: MIT */
/*
 * Bad input of mechanisms other than softmax: the status, a text that names
 * the culprit, nothing written. The steps between stages (src/solvers/
 * map_gemm.c, map_kron.c, map_rows.c, map_pick.c, map_gate.c, map_act.c,
 * map_classes.c, map_noise.c, map_lama.c, src/mech/class_merge.c, pgqa.c) are
 * held against golden files by test_mechs.
 */
#include <math.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

static const struct {
    const char *text;
    int32_t status;
    const char *word; /* in the message */
} plans[] = {
    {"pwca q=1 k=1 d=1", ATTN_ERR_UNSET, "pwca needs h"},
    {"pwca h=1 q=1 k=1 d=1 causal", ATTN_ERR_INVALID, "causal is set, but pwca"},
    {"pwca h=1 q=1 k=1 d=1 want=probs", ATTN_ERR_INVALID, "want is set, but pwca"},
    {"pwca h=65536 q=1000000000 k=1 d=65536", ATTN_ERR_OVERFLOW, "pwca"},
    {"pwca h=1 q=1 k=1 d=1 normalizer=relu", ATTN_ERR_INVALID, "normalizer is set, but pwca"},
    {"pwca h=1 q=1 k=1 d=1 row_scale", ATTN_ERR_INVALID, "row_scale is set, but pwca"},
    {"glca h=1 q=1 k=1 d=1 must=band[1,1,0,1]", ATTN_ERR_INVALID, "glca has no pieces"},
    {"act h=2 q=4 k=4 d=1 act_heads=[0,2]", ATTN_ERR_INVALID, "act_heads[1] is 2"},
    {"act h=2 q=4 k=4 d=1 causal=0", ATTN_ERR_INVALID, "causal is 0, but act settles it as 1"},
    {"act h=2 q=4 k=inf d=1", ATTN_ERR_UNSUPPORTED, "k is inf"},
    {"softmax h=2 q=4 k=4 d=1 act_beta=0.5", ATTN_ERR_INVALID, "act_beta is set, which is of act"},
    {"diff_attention h=3 q=4 k=4 d=1", ATTN_ERR_INVALID, "h=3/3/1"},
    {"diff_attention h=8/4/1 q=4 k=4 d=1", ATTN_ERR_INVALID, "h=8/4/1"},
    {"diff_attention h=4 q=4 k=4 d=1 q_head=[0,1]", ATTN_ERR_INVALID, "q_head is set"},
    {"diff_attention h=4 q=4 k=4 d=1 head_factor", ATTN_ERR_INVALID, "head_factor is set"},
    {"sqa h=2/3 q=4 k=4 d=1", ATTN_ERR_INVALID, "3 key heads"},
    {"shsa h=2 q=4 k=4 d=16/8", ATTN_ERR_INVALID, "hq is 2"},
    {"shsa q=4 k=4 d=16/8 causal", ATTN_ERR_INVALID, "causal is set"},
    {"lowformer_mhsa h=2 q=4 k=4 d=8 window=1,1", ATTN_ERR_INVALID, "window_left is set"},
    {"soft_injection h=2 q=4 k=4 d=8 head_mix=0", ATTN_ERR_INVALID, "head_mix is 0"},
    {"mla h=2/1 q=4 k=4 d=12/8", ATTN_ERR_UNSET, "mla_rank"},
    {"mla h=2/2 q=4 k=4 d=12/8 mla_rank=16", ATTN_ERR_INVALID, "hk is 2"},
    {"mla h=2/1 q=4 k=4 d=12/8 mla_rank=16 mla_rope_dim=12", ATTN_ERR_INVALID, "mla_rope_dim is"},
    {"mla h=2/1 q=4 k=inf d=12/8 mla_rank=16 mla_form=naive", ATTN_ERR_UNSUPPORTED, "k is inf"},
    {"mla h=2/1 q=4 k=4 d=12/8 mla_rank=16 rope=half", ATTN_ERR_INVALID, "rope is set"},
    {"reversed_attention h=1 q=1 k=inf d=1", ATTN_ERR_UNSUPPORTED, "k is inf"},
    {"reversed_attention h=1 q=1 k=1 d=1 causal", ATTN_ERR_INVALID, "causal is set"},
    {"tensor_attention h=1 q=1 k=inf d=1", ATTN_ERR_UNSUPPORTED, "at most 1024"},
    {"tensor_attention h=1 q=1 k=1025 d=1", ATTN_ERR_UNSUPPORTED, "k is 1025"},
    {"tensor_attention h=1 q=1 k=1 d=1 window=1,1", ATTN_ERR_INVALID, "window_left is set"},
    {"glca h=1 q=1 k=1 d=1 causal=0", ATTN_ERR_INVALID, "causal is set, but glca"},
    {"act h=1 q=4 k=4 d=1 out_norm=rms", ATTN_ERR_INVALID, "out_norm is set, but act"},
    {"act h=1 q=4 k=4 d=1 head_mix", ATTN_ERR_INVALID, "head_mix is set, but act"},
    {"act h=1 q=4 k=4 d=1 positions", ATTN_ERR_INVALID, "positions is set, but act"},
    {"act h=1 q=4 k=4 d=1 invariant=chunk", ATTN_ERR_INVALID, "invariant is 1, but act"},
    {"act h=1 q=4 k=4 d=1 must=band[1,1,0,1]", ATTN_ERR_INVALID, "act has no pieces"},
    {"var h=1 q=4 k=4 d=1 out_norm=rms", ATTN_ERR_INVALID, "out_norm is set, but var"},
    {"var h=1 q=4 k=4 d=1 class_terms=4", ATTN_ERR_INVALID, "class_terms is set, but var"},
    {"var h=1 q=4 k=4 d=1 must=pair[1,3]", ATTN_ERR_INVALID, "var has its own classes"},
    {"mla h=2/1 q=4 k=4 d=12/8 mla_rank=16 query_table", ATTN_ERR_INVALID, "query_table is set"},
    {"mla h=2/1 q=4 k=4 d=12/8 mla_rank=16 q_bias_content", ATTN_ERR_INVALID, "q_bias_content is"},
    {"rcmha h=2 q=4 k=4 d=4 invariant=chunk", ATTN_ERR_INVALID, "invariant is 1, but rcmha"},
    {"complexformer h=2 q=4 k=4 d=4 rope=half", ATTN_ERR_INVALID, "rope is half"},
    {"complexformer h=2 q=4 k=4 d=4 rope_apply=q", ATTN_ERR_INVALID, "rope_apply is set"},
    {"pointer h=1 q=4 k=4 d=4 softcap=5", ATTN_ERR_INVALID, "softcap is set, but pointer"},
    {"pointer h=1 q=4 k=4 d=4 ssmax", ATTN_ERR_INVALID, "ssmax is set, but pointer"},
    {"pointer h=1 q=4 k=4 d=4 head_scale=[2]", ATTN_ERR_INVALID, "head_scale is set, but pointer"},
    {"pointer h=1 q=4 k=4 d=4 row_scale", ATTN_ERR_INVALID, "row_scale is set, but pointer"},
    {"pointer h=1 q=4 k=4 d=4 out_scale=2", ATTN_ERR_INVALID, "out_scale is set, but pointer"},
    {"pointer h=1 q=4 k=4 d=4/8", ATTN_ERR_INVALID, "dv is set, but pointer"},
    {"pointer h=1 q=4 k=4 d=4 want=scores_raw", ATTN_ERR_INVALID, "want has scores_raw"},
    {"lama h=2/2 q=1 k=4 d=4", ATTN_ERR_INVALID, "hk is 2, but lama settles it as 1"},
    {"lama h=2/1 q=2 k=4 d=4", ATTN_ERR_INVALID, "q is 2, but lama settles it as 1"},
    {"lama h=2 k=4 d=4/8", ATTN_ERR_INVALID, "d=4/8"},
    {"lama h=2 k=inf d=4", ATTN_ERR_UNSUPPORTED, "k is inf"},
    {"lama h=2 k=4 d=4 causal", ATTN_ERR_INVALID, "causal is set, but lama"},
    {"lama h=2 k=4 d=4 want=scores_capped", ATTN_ERR_INVALID, "but lama has no scores before"},
    {"kdgqa h=4/2 q=4 k=4 d=4", ATTN_ERR_UNSET, "kdgqa needs kv_head"},
    {"kdgqa h=4/2 q=4 k=4 d=4 k_head=[0,0,0,1]", ATTN_ERR_UNSET, "kdgqa needs kv_head"},
    {"dgqa h=4/2 q=4 k=4 d=4 kv_head=[0,1,0,1]", ATTN_ERR_INVALID, "kv_head[2] is 0 after 1"},
    {"dgqa h=2/2 q=4 k=4 d=4 k_head=[0,1] v_head=[0,0]", ATTN_ERR_INVALID, "one map for both"},
    {"kdgqa h=4/2 q=4 k=4 d=4 kv_head=[0,0,2,2]", ATTN_ERR_INVALID, "k_head[2] is 2"},
    {"kdgqa h=4/2 q=4 k=4 d=4 kv_head=[0,0,1]", ATTN_ERR_INVALID, "k_head has 3 entries"},
    {"kdgqa h=2/2 q=4 k=4 d=4 kv_head=[0,1] q_head=[0,1]", ATTN_ERR_INVALID, "q_head is set"},
    {"pgqa h=4/2 q=4 k=4 d=4 causal", ATTN_ERR_INVALID, "causal is set, but pgqa"},
    {"pgqa h=4/2/1 q=4 k=4 d=4", ATTN_ERR_INVALID, "h=4/2/1"},
    {"pgqa h=4/2 q=4 k=4 d=4 out_norm=rms", ATTN_ERR_INVALID, "out_norm is set, but pgqa"},
    {"pgqa h=4/2 q=4 k=4 d=4 kv_head=[0,0,1,1]", ATTN_ERR_INVALID, "k_head is set, but pgqa"},
    {"pgqa b=2 h=65536 q=1000000000 k=1 d=65536", ATTN_ERR_OVERFLOW, "pgqa"},
    {"lssa h=1 q=4 k=4 d=4 positions causal", ATTN_ERR_INVALID, "positions is set, but lssa"},
};

START_TEST(plan_create)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        attn_desc *desc;
        attn_plan *plan = (attn_plan *)(void *)ctx;
        ck_assert_int_eq(attn_desc_parse(ctx, plans[n].text, &desc), ATTN_OK);
        ck_assert_msg(attn_plan_create(ctx, desc, &plan) == plans[n].status, "%s: %s",
                      plans[n].text, dense_error());
        ck_assert_ptr_null(plan);
        ck_assert_msg(strstr(dense_error(), plans[n].word), "%s: %s", plans[n].text,
                      dense_error());
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

static int32_t all_visible(void *user, uint8_t *visible, int64_t q_stride, int64_t k_stride,
                           int64_t b, int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    (void)user, (void)visible, (void)q_stride, (void)k_stride, (void)b, (void)h;
    (void)q0, (void)nq, (void)k0, (void)nk;
    return 1;
}

static void own_score(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b,
                      int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    (void)user, (void)s, (void)q_stride, (void)k_stride, (void)b, (void)h;
    (void)q0, (void)nq, (void)k0, (void)nk;
}

/* What no problem string can say. */
START_TEST(functions)
{
    static const struct {
        const char *text;
        bool score;
        const char *word;
    } rows[] = {{"act h=1 q=4 k=4 d=4", false, "act has no pieces of visibility and no mask"},
                {"lssa h=1 q=4 k=4 d=4", false, "lssa has no pieces of visibility and no mask"},
                {"pwca h=1 q=4 k=4 d=4", false, "pwca has no pieces of visibility and no mask"},
                {"pwca h=1 q=4 k=4 d=4", true, "pwca has no score function"}};
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        ck_assert_int_eq(attn_desc_parse(ctx, rows[n].text, &desc), ATTN_OK);
        ck_assert_int_eq(attn_desc_set_score_fn(desc, rows[n].score ? own_score : NULL), ATTN_OK);
        ck_assert_int_eq(attn_desc_set_mask_fn(desc, rows[n].score ? NULL : all_visible),
                         ATTN_OK);
        ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_INVALID);
        ck_assert_msg(strstr(dense_error(), rows[n].word), "%s: %s", rows[n].text, dense_error());
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Executes and expects a failure; nothing was written. */
static void refused(const char *text, struct dense *x, int32_t status, const char *word)
{
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = dense_plan(ctx, text, NULL);
    dense_clear(x);
    ck_assert_int_eq(attn_plan_execute(plan, x->arg, x->n, NULL, 0), status);
    ck_assert_msg(strstr(dense_error(), word), "%s: %s", text, dense_error());
    for (size_t n = 0; n < x->n_out; n++)
        ck_assert(isnan(x->out[n]));
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}

START_TEST(two_sources)
{
    static const int64_t k2[4] = {1, 2, 3, 4}, v2[4] = {1, 2, 2, 4}, long_k[4] = {1, 2, 9, 4};
    struct dense x;
    dense_make(&x, 1, 2, 2, 5, 5, 4, 4);
    refused("pwca h=2 q=5 k=5 d=4", &x, ATTN_ERR_ROLE, "k2 is missing");
    dense_add(&x, ATTN_ROLE_K2, ATTN_DTYPE_F32, 4, k2, NULL);
    refused("pwca h=2 q=5 k=5 d=4", &x, ATTN_ERR_ROLE, "v2 is missing");
    attn_tensor *t = dense_add(&x, ATTN_ROLE_V2, ATTN_DTYPE_F32, 4, v2, NULL);
    refused("pwca h=2 q=5 k=5 d=4", &x, ATTN_ERR_SHAPE, "v2 has extent 2 in dimension 2");
    refused("softmax h=2 q=5 k=5 d=4", &x, ATTN_ERR_ROLE, "k2 was not declared");
    attn_tensor_init(t, t->data, ATTN_DTYPE_F32, 4, k2);
    refused("tensor_attention h=2 q=5 k=5 d=4 causal", &x, ATTN_ERR_SHAPE, "k2 have 5, 5 and 3");
    dense_free(&x);
    dense_make(&x, 1, 2, 2, 5, 5, 4, 4);
    dense_add(&x, ATTN_ROLE_K2, ATTN_DTYPE_F32, 4, long_k, NULL);
    dense_add(&x, ATTN_ROLE_V2, ATTN_DTYPE_F32, 4, long_k, NULL);
    refused("pwca h=2 q=5 k=5 d=4", &x, ATTN_ERR_SHAPE, "k2 has extent 9 in dimension 2");
    dense_free(&x);
}
END_TEST

START_TEST(picked_rows)
{
    static const int64_t three[2] = {1, 3}, six[2] = {1, 6}, outs[4] = {1, 2, 3, 4};
    static const int64_t lses[3] = {1, 2, 3};
    static int32_t rows[6] = {0, 4, 5, 0, 0, 0};
    struct dense x;
    dense_make(&x, 1, 2, 2, 5, 5, 4, 4);
    attn_tensor *t = dense_view(&x, ATTN_ROLE_OUT);
    attn_tensor_init(t, t->data, ATTN_DTYPE_F32, 4, outs);
    t = dense_view(&x, ATTN_ROLE_LSE);
    attn_tensor_init(t, t->data, ATTN_DTYPE_F32, 3, lses);
    refused("glca h=2 q=5 k=5 d=4", &x, ATTN_ERR_ROLE, "rows is missing");
    t = dense_add(&x, ATTN_ROLE_ROWS, ATTN_DTYPE_I32, 2, three, rows);
    refused("glca h=2 q=5 k=5 d=4", &x, ATTN_ERR_RANGE, "rows[0,2] is 5, expected 0 to 4");
    rows[1] = -1;
    refused("glca h=2 q=5 k=5 d=4", &x, ATTN_ERR_RANGE, "rows[0,1] is -1, expected 0 to 4");
    attn_tensor_init(t, rows, ATTN_DTYPE_I32, 2, six);
    refused("glca h=2 q=5 k=5 d=4", &x, ATTN_ERR_SHAPE, "out has extent 3 in dimension 2");
    dense_free(&x);
}
END_TEST

START_TEST(pooling)
{
    static const int64_t outs[4] = {1, 2, 1, 4}, weights[2] = {2, 4}, rows[4] = {1, 1, 5, 5};
    static const int64_t masks[4] = {1, 1, 1, 5}, noise[3] = {1, 5, 4};
    struct dense x;
    dense_make(&x, 1, 2, 2, 5, 5, 4, 4);
    x.n = 0; /* tokens and OUT alone */
    dense_add(&x, ATTN_ROLE_OUT, ATTN_DTYPE_F32, 4, outs, x.out);
    attn_tensor *k = dense_add(&x, ATTN_ROLE_K, ATTN_DTYPE_F32, 4, rows, x.k);
    k->shape[3] = 4;
    refused("lama h=2/1 k=5 d=4", &x, ATTN_ERR_ROLE, "lama_p is missing");
    dense_add(&x, ATTN_ROLE_LAMA_P, ATTN_DTYPE_F32, 2, weights, x.q);
    refused("lama h=2/1 k=5 d=4", &x, ATTN_ERR_ROLE, "lama_q is missing");
    dense_add(&x, ATTN_ROLE_LAMA_Q, ATTN_DTYPE_F32, 2, weights, x.q + 8);
    attn_tensor *mask = dense_add(&x, ATTN_ROLE_MASK, ATTN_DTYPE_U8, 4, rows, NULL);
    refused("lama h=2/1 k=5 d=4 mask", &x, ATTN_ERR_SHAPE, "mask has extent 5 in dimension 2");
    attn_tensor_init(mask, mask->data, ATTN_DTYPE_U8, 4, masks);
    dense_add(&x, ATTN_ROLE_V, ATTN_DTYPE_F32, 4, rows, x.v);
    refused("lama h=2/1 k=5 d=4 mask", &x, ATTN_ERR_ROLE, "v was not declared");

    /* Masked tokens may hold anything. */
    attn_ctx *ctx = dense_ctx(1);
    memset(mask->data, 1, 5);
    ((uint8_t *)mask->data)[3] = 0;
    x.n--;
    ck_assert(dense_run(ctx, "lama h=2/1 k=5 d=4 mask", NULL, &x));
    float first[8];
    memcpy(first, x.out, sizeof first);
    for (int e = 0; e < 4; e++)
        x.k[3 * k->stride[2] + e] = NAN;
    ck_assert(dense_run(ctx, "lama h=2/1 k=5 d=4 mask", NULL, &x));
    ck_assert(dense_distance(first, x.out, 8) < 1e-6);
    attn_ctx_destroy(ctx);
    dense_free(&x);

    dense_make(&x, 1, 2, 1, 5, 5, 4, 4);
    refused("pgqa h=2/1 q=5 k=5 d=4", &x, ATTN_ERR_ROLE, "pgqa_noise is missing");
    dense_add(&x, ATTN_ROLE_PGQA_NOISE, ATTN_DTYPE_F32, 3, noise, x.q);
    refused("pgqa h=2/1 q=5 k=5 d=4", &x, ATTN_ERR_SHAPE, "pgqa_noise has extent 1");
    dense_free(&x);
}
END_TEST

UNIT_MAIN("mech_errors", plan_create, functions, two_sources, picked_rows, pooling)
