/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms that are another one at some setting, with every option in turn:
 * what the one does not refuse gives the same result in both. So no option is
 * lost on the way to a stage.
 */
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

enum { B = 2, H = 2, N = 7, D = 8, TURNED = 4, RANK = 16, MOST = 32 };

static const struct {
    const char *one, *other;
    const char *skip; /* options that begin so mean something else; NULL: none */
} pairs[] = {
    {"act b=2 h=2 q=7 k=7 d=8 act_beta=1 act_threshold=0.02",
     "softmax b=2 h=2 q=7 k=7 d=8 causal", "causal"},
    {"var b=2 h=2 q=7 k=7 d=8 var_p=1 var_rho=1 var_summ=0", "softmax b=2 h=2 q=7 k=7 d=8", NULL},
    {"kdgqa b=2 h=2 q=7 k=7 d=8 k_head=[0,1] v_head=[0,1]", "softmax b=2 h=2 q=7 k=7 d=8", NULL},
    {"complexformer b=2 h=2 q=7 k=7 d=8", "softmax b=2 h=2 q=7 k=7 d=8 rope=interleaved", "rope"},
    {"rcmha b=2 h=2 q=7 k=7 d=8", "rmha b=2 h=2 q=7 k=7 d=8", NULL},
    {"mla b=2 h=2/1 q=7 k=7 d=12/8 mla_rank=16 mla_rope_dim=4",
     "mla b=2 h=2/1 q=7 k=7 d=12/8 mla_rank=16 mla_rope_dim=4 mla_form=naive", NULL},
};

static const char *const options[] = {
    "",
    "causal",
    "causal align=top_left",
    "window=2,1",
    "causal window=2,0 sink_tokens=1",
    "causal prefix=3",
    "segments",
    "mask",
    "positions causal",
    "positions alibi",
    "scale=0.3",
    "softcap=0.5",
    "bias",
    "alibi",
    "sink_logits",
    "normalizer=relu",
    "normalizer=softplus",
    "normalizer=sparsemax",
    "head_scale=[0.5,2]",
    "row_scale",
    "logn_train=3",
    "ssmax",
    "bias_table",
    "t5_buckets=8 t5_max_distance=20",
    "grid_w=7",
    "swin_h=1 swin_w=7",
    "query_table",
    "q_bias_content",
    "class_terms=4",
    "qk_norm=rms",
    "qk_norm=l2",
    "rope=half",
    "rope=interleaved rope_dim=4",
    "rope=half positions",
    "rope=half rope_scaling=yarn rope_factor=4 rope_original=4 rope_mscale=1",
    "out_gate=sigmoid",
    "head_factor",
    "head_gate",
    "head_mix",
    "out_norm=rms",
    "out_scale=3 out_gate=multiply",
    "must=band[1,1,0,1]",
    "any=band[1,0,0,1] any=band[-2,inf,0,1]",
    "must=pair[1,15,15,15]",
    "must=stride[2,2,0]",
};

struct given {
    attn_tensor t[MOST];
    attn_arg arg[MOST];
    size_t n;
};

static double value(int32_t role, int64_t i, int64_t last, double x)
{
    switch (role) {
    case ATTN_ROLE_CLASS_K:
    case ATTN_ROLE_CLASS_Q: return (double)(i % last % 4);
    case ATTN_ROLE_SEG_Q:
    case ATTN_ROLE_SEG_K: return (double)(i % last / 3);
    case ATTN_ROLE_POS_Q:
    case ATTN_ROLE_POS_K: return (double)(i % last * 2 + 1);
    case ATTN_ROLE_MASK: return x > -0.5;
    case ATTN_ROLE_GATE: return x > -0.3 ? x : 0;
    case ATTN_ROLE_MIX_ALPHA: return 1 / (1 + x * x);
    case ATTN_ROLE_CONV_Q:
    case ATTN_ROLE_CONV_K:
    case ATTN_ROLE_CONV_V: return i % last == last - 1; /* the token itself */
    default: return x;
    }
}

/* The same numbers for a role whatever the problem. */
static void fill(attn_tensor *t, int32_t role)
{
    struct rng r = {(uint64_t)role + 1};
    int64_t n = 1, last = t->shape[t->rank - 1];
    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    t->data = calloc((size_t)n + 1, 8);
    ck_assert_ptr_nonnull(t->data);
    for (int64_t i = 0; i < n; i++) {
        double x = value(role, i, last, rng_normal(&r));
        if (t->dtype == ATTN_DTYPE_F32)
            ((float *)t->data)[i] = (float)x;
        else if (t->dtype == ATTN_DTYPE_I32)
            ((int32_t *)t->data)[i] = (int32_t)x;
        else
            ((uint8_t *)t->data)[i] = (uint8_t)x;
    }
}

static void add(const attn_plan *plan, struct given *g, int32_t role)
{
    static const struct {
        int32_t role, rank;
        int64_t shape[4];
    } known[] = {{ATTN_ROLE_Q, 4, {B, H, N, D}},
                 {ATTN_ROLE_K, 4, {B, H, N, D}},
                 {ATTN_ROLE_Q_NOPE, 4, {B, H, N, D}},
                 {ATTN_ROLE_LATENT, 4, {B, 1, N, RANK + TURNED}},
                 {ATTN_ROLE_SINK_LOGITS, 1, {H}},
                 {ATTN_ROLE_BIAS_TABLE, 2, {H, 2 * N + 1}},
                 {ATTN_ROLE_QUERY_TABLE, 3, {H, 2 * N + 1, D}},
                 {ATTN_ROLE_GRID_Y, 4, {1, 1, 1, 1}},
                 {ATTN_ROLE_CONV_Q, 2, {D, 3}},
                 {ATTN_ROLE_CONV_K, 2, {D, 3}},
                 {ATTN_ROLE_CONV_V, 2, {D, 3}}};
    attn_tensor *t = &g->t[g->n];
    bool told = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0] && !told; i++) {
        told = known[i].role == role;
        if (told)
            ck_assert_int_eq(attn_tensor_init(t, g, ATTN_DTYPE_F32, known[i].rank, known[i].shape),
                             ATTN_OK);
    }
    if (!told)
        ck_assert_msg(attn_plan_shape(plan, g->arg, g->n, role, t) == ATTN_OK, "%s",
                      dense_error());
    fill(t, role);
    g->arg[g->n++] = (attn_arg){.role = role, .object = t};
}

static bool tells_lengths(int32_t role)
{
    return role == ATTN_ROLE_Q || role == ATTN_ROLE_K || role == ATTN_ROLE_Q_NOPE ||
           role == ATTN_ROLE_LATENT;
}

/* False if the problem is refused. */
static bool run(attn_ctx *ctx, const char *problem, const char *option, float out[B * H * N * D])
{
    char text[512];
    struct given g = {0};
    attn_desc *desc;
    attn_plan *plan;
    int32_t role, required;
    snprintf(text, sizeof text, "%s %s", problem, option);
    if (attn_desc_parse(ctx, text, &desc) != ATTN_OK)
        return false; /* said twice */
    int32_t status = attn_plan_create(ctx, desc, &plan);
    attn_desc_destroy(desc);
    if (status != ATTN_OK)
        return false;
    for (int lengths = 1; lengths >= 0; lengths--)
        for (size_t i = 0; (role = attn_plan_role_at(plan, i, &required)) != 0; i++)
            if (required && tells_lengths(role) == (lengths == 1))
                add(plan, &g, role);
    ck_assert_msg(attn_plan_execute(plan, g.arg, g.n, NULL, 0) == ATTN_OK, "%s: %s", text,
                  dense_error());
    for (size_t i = 0; i < g.n; i++) {
        if (g.arg[i].role == ATTN_ROLE_OUT)
            memcpy(out, g.t[i].data, B * H * N * D * sizeof *out);
        free(g.t[i].data);
    }
    attn_plan_destroy(plan);
    return true;
}

START_TEST(same_with_every_option)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof pairs / sizeof pairs[0]; n++) {
        int compared = 0;
        for (size_t o = 0; o < sizeof options / sizeof options[0]; o++) {
            float one[B * H * N * D], other[B * H * N * D];
            if (pairs[n].skip && strstr(options[o], pairs[n].skip))
                continue;
            if (!run(ctx, pairs[n].one, options[o], one))
                continue;
            ck_assert_msg(run(ctx, pairs[n].other, options[o], other), "%s %s: %s", pairs[n].other,
                          options[o], dense_error());
            double far = dense_distance(other, one, B * H * N * D);
            ck_assert_msg(far < 1e-5, "%s and %s, with '%s': relative RMS %g", pairs[n].one,
                          pairs[n].other, options[o], far);
            compared++;
        }
        ck_assert_msg(compared >= 15, "%s: only %d options were compared", pairs[n].one, compared);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("equals", same_with_every_option)
