/* SPDX-License-Identifier: MIT */
/*
 * Properties and bad input of agent_attention and agent_sd (src/mech/
 * agent_attention.c; src/solvers/map_pool.c, map_depthwise.c), whose numbers
 * test_mechs holds against golden files.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

static void run(const char *text, struct dense *x, int64_t threads)
{
    attn_ctx *ctx = dense_ctx(threads);
    size_t n = 0;
    dense_clear(x);
    while (n < x->n && x->arg[n].role != ATTN_ROLE_LSE)
        n++;
    ck_assert_uint_lt(n, x->n); /* two softmaxes have no lse of one */
    x->arg[n] = x->arg[--x->n];
    ck_assert_msg(dense_run(ctx, text, NULL, x), "%s", dense_error());
    attn_ctx_destroy(ctx);
}

static void plain(struct dense *x, struct dense *like)
{
    attn_ctx *ctx = dense_ctx(1);
    char text[128];
    memcpy(x->q, like->q, (size_t)(x->b * x->hq * x->nq * x->d) * sizeof *x->q);
    memcpy(x->k, like->k, (size_t)(x->b * x->hk * x->nk * x->d) * sizeof *x->k);
    memcpy(x->v, like->v, (size_t)(x->b * x->hk * x->nk * x->dv) * sizeof *x->v);
    snprintf(text, sizeof text, "softmax b=%d h=%d/%d q=%d k=%d d=%d/%d", (int)x->b, (int)x->hq,
             (int)x->hk, (int)x->nq, (int)x->nk, (int)x->d, (int)x->dv);
    ck_assert(dense_run(ctx, text, NULL, x));
    attn_ctx_destroy(ctx);
}

/* Agents that are the queries, each seen by its own alone. */
START_TEST(agents_that_are_the_queries)
{
    enum { H = 2, N = 37, D = 8 };
    static float bias[N * N];
    static const int64_t shape[3] = {1, N, N}, agents[4] = {2, H, N, D};
    struct dense x, y;
    dense_make(&x, 2, H, 1, N, 50, D, D);
    dense_make(&y, 2, H, 1, N, 50, D, D);
    for (int i = 0; i < N * N; i++)
        bias[i] = i % (N + 1) == 0 ? 0 : -1e9f;
    dense_add(&x, ATTN_ROLE_AGENT_Q_BIAS, ATTN_DTYPE_F32, 3, shape, bias);
    dense_add(&x, ATTN_ROLE_AGENTS, ATTN_DTYPE_F32, 4, agents, x.q);
    run("agent_attention b=2 h=2/1 q=37 k=50 d=8 agent_tokens=37 agent_q_bias", &x, 1);
    plain(&y, &x);
    ck_assert(dense_distance(x.out, y.out, x.n_out) < 1e-6);
    dense_free(&x);
    dense_free(&y);
}
END_TEST

/* One agent: every row gets what it gathered. Equal values: that value. */
START_TEST(one_agent_and_equal_values)
{
    enum { H = 2, D = 8 };
    static const int64_t one[4] = {1, H, 1, D};
    struct dense x, y;
    dense_make(&x, 1, H, H, 5, 70, D, D);
    dense_make(&y, 1, H, H, 5, 70, D, D);
    attn_tensor *a = dense_add(&x, ATTN_ROLE_AGENTS, ATTN_DTYPE_F32, 4, one, NULL);
    for (int h = 0; h < H; h++)
        memcpy((float *)a->data + h * D, x.q + h * 5 * D, D * sizeof(float));
    run("agent_attention h=2 q=5 k=70 d=8 agent_tokens=1", &x, 1);
    plain(&y, &x);
    for (int h = 0; h < H; h++)
        for (int i = 0; i < 5; i++)
            ck_assert(dense_distance(x.out + (h * 5 + i) * D, y.out + h * 5 * D, D) < 1e-6);
    dense_free(&x);
    dense_free(&y);

    dense_make(&x, 1, H, H, 12, 12, D, D);
    for (int i = 0; i < H * 12 * D; i++)
        x.v[i] = 1.5f;
    run("agent_attention h=2 n=12 d=8 agent_tokens=9 agent_h=4 agent_w=3", &x, 1);
    for (size_t i = 0; i < x.n_out; i++)
        ck_assert_float_eq_tol(x.out[i], 1.5f, 1e-6f);
    dense_free(&x);
}
END_TEST

/* Given agents with lengths of queries and keys: what the rows that count give by
 * themselves, NaN behind them, and zeros in OUT. */
START_TEST(lengths)
{
    enum { B = 3, H = 2, NQ = 20, NK = 33, D = 8, N = 5 };
    static const int64_t agents[4] = {B, H, N, D}, one[4] = {1, H, N, D}, batch[1] = {B};
    static int64_t q_len[B] = {20, 7, 0}, k_len[B] = {30, 1, 9}, k_start[B] = {3, 32, 0};
    static const char *text = "agent_attention b=3 h=2 q=20 k=33 d=8 agent_tokens=5";
    struct dense x, y;
    attn_tensor *t;
    dense_make(&x, B, H, H, NQ, NK, D, D);
    t = dense_add(&x, ATTN_ROLE_AGENTS, ATTN_DTYPE_F32, 4, agents, NULL);
    float *a = t->data;
    for (int i = 0; i < B * H * N * D; i++)
        a[i] = (float)(i * 37 % 64 - 32) / 32;
    dense_add(&x, ATTN_ROLE_Q_LEN, ATTN_DTYPE_I64, 1, batch, q_len);
    dense_add(&x, ATTN_ROLE_K_LEN, ATTN_DTYPE_I64, 1, batch, k_len);
    dense_add(&x, ATTN_ROLE_K_START, ATTN_DTYPE_I64, 1, batch, k_start);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++) {
            float *q = x.q + (b * H + h) * NQ * D, *k = x.k + (b * H + h) * NK * D;
            float *v = x.v + (b * H + h) * NK * D;
            for (int64_t i = q_len[b] * D; i < NQ * D; i++)
                q[i] = NAN;
            for (int64_t i = 0; i < NK * D; i++)
                if (i / D < k_start[b] || i / D >= k_start[b] + k_len[b])
                    k[i] = v[i] = NAN;
        }
    run(text, &x, 2);
    for (int b = 0; b < B; b++) {
        for (int h = 0; h < H; h++)
            for (int64_t i = q_len[b] * D; i < NQ * D; i++)
                ck_assert_float_eq(x.out[(b * H + h) * NQ * D + i], 0);
        if (q_len[b] == 0)
            continue;
        dense_make(&y, 1, H, H, (int)q_len[b], (int)k_len[b], D, D);
        dense_add(&y, ATTN_ROLE_AGENTS, ATTN_DTYPE_F32, 4, one, a + b * H * N * D);
        for (int h = 0; h < H; h++) {
            size_t nq = (size_t)(q_len[b] * D), nk = (size_t)(k_len[b] * D);
            float *from = x.k + ((b * H + h) * NK + k_start[b]) * D;
            memcpy(y.q + (size_t)h * nq, x.q + (b * H + h) * NQ * D, nq * sizeof(float));
            memcpy(y.k + (size_t)h * nk, from, nk * sizeof(float));
            from = x.v + ((b * H + h) * NK + k_start[b]) * D;
            memcpy(y.v + (size_t)h * nk, from, nk * sizeof(float));
        }
        char alone[96];
        snprintf(alone, sizeof alone, "agent_attention h=2 q=%d k=%d d=8 agent_tokens=5",
                 (int)q_len[b], (int)k_len[b]);
        run(alone, &y, 1);
        for (int h = 0; h < H; h++)
            ck_assert(dense_distance(x.out + (b * H + h) * NQ * D, y.out + h * q_len[b] * D,
                                     (size_t)(q_len[b] * D)) < 1e-6);
        dense_free(&y);
    }
    dense_free(&x);
}
END_TEST

/* The same bits with several threads, and for a batch element by itself. */
START_TEST(same_bits)
{
    static const char *text = "agent_attention b=2 h=3 q=50 k=22 d=70 agent_tokens=16 agent_h=7 "
                              "agent_w=7 agent_kv_h=7 agent_kv_w=3 agent_class agent_conv";
    static const int64_t filter[3] = {210, 3, 3}, bias[1] = {210};
    struct dense x, y;
    dense_make(&x, 2, 3, 3, 50, 22, 70, 70);
    dense_make(&y, 2, 3, 3, 50, 22, 70, 70);
    for (int n = 0; n < 2; n++) {
        struct dense *z = n ? &y : &x;
        attn_tensor *f = dense_add(z, ATTN_ROLE_AGENT_CONV, ATTN_DTYPE_F32, 3, filter, NULL);
        for (int i = 0; i < 210 * 9; i++)
            ((float *)f->data)[i] = (float)(i % 17 - 8) / 8;
        dense_add(z, ATTN_ROLE_AGENT_CONV_BIAS, ATTN_DTYPE_F32, 1, bias, NULL);
    }
    run(text, &x, 1);
    run(text, &y, 3);
    ck_assert_mem_eq(x.out, y.out, x.n_out * sizeof *x.out);
    for (size_t n = 0; n < y.n; n++) { /* the second of the batch */
        attn_tensor *t = dense_view(&y, y.arg[n].role);
        if (t->rank != 4)
            continue;
        t->shape[0] = 1;
        if (y.arg[n].role != ATTN_ROLE_OUT)
            t->data = (float *)t->data + t->stride[0];
    }
    dense_clear(&y);
    attn_ctx *ctx = dense_ctx(1);
    ck_assert(dense_run(ctx, text, NULL, &y));
    attn_ctx_destroy(ctx);
    ck_assert_mem_eq(x.out + x.n_out / 2, y.out, x.n_out / 2 * sizeof *x.out);
    dense_free(&x);
    dense_free(&y);
}
END_TEST

static const struct {
    const char *text;
    int32_t status;
    const char *word; /* in the message */
} plans[] = {
    {"agent_attention h=1 n=9 d=4", ATTN_ERR_UNSET, "agent_tokens is not set"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 causal", ATTN_ERR_INVALID, "causal is set"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 packed agent_h=3 agent_w=3",
     ATTN_ERR_UNSUPPORTED, "packed and agent_h are set"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 packed agent_q_bias", ATTN_ERR_UNSUPPORTED,
     "packed and agent_q_bias are set"},
    {"agent_sd h=1 n=9 d=4 agent_sd_tokens=9 packed", ATTN_ERR_INVALID, "packed is set"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 bias", ATTN_ERR_INVALID, "bias is set"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 softcap=5", ATTN_ERR_INVALID, "softcap is set"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 want=probs", ATTN_ERR_INVALID, "want is set"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 agent_h=3", ATTN_ERR_INVALID, "agent_h is set"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 agent_w=3", ATTN_ERR_INVALID, "agent_w is set"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 agent_class", ATTN_ERR_INVALID, "agent_class"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=9 agent_conv", ATTN_ERR_INVALID, "agent_conv"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=8 agent_h=3 agent_w=3", ATTN_ERR_INVALID,
     "agent_tokens is 8, expected a square"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=4 agent_h=3 agent_w=4", ATTN_ERR_INVALID,
     "q is 9, expected 12"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=4 agent_h=3 agent_w=3 agent_class", ATTN_ERR_INVALID,
     "q is 9, expected 10"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=4 agent_h=3 agent_w=3 agent_kv_h=3 agent_kv_w=3",
     ATTN_ERR_INVALID, "agent_conv is not"},
    {"agent_attention h=1 n=9 d=4 agent_tokens=4 agent_sd_power=1", ATTN_ERR_INVALID,
     "agent_sd_power is set, which is of agent_sd"},
    {"agent_sd h=1 n=9 d=4", ATTN_ERR_UNSET, "agent_sd_tokens is not set"},
    {"agent_sd h=1 n=9 d=4 agent_sd_tokens=4 scale=-1", ATTN_ERR_INVALID, "scale is -1"},
    {"agent_sd h=1 n=9 d=4 agent_sd_tokens=4 agent_class", ATTN_ERR_INVALID, "agent_class is set"},
    {"agent_sd h=1 n=9 d=4 agent_sd_tokens=4 causal", ATTN_ERR_INVALID, "causal is set"},
    {"agent_sd h=65536 q=1000000000 k=1 d=65536 agent_sd_tokens=65536 b=1000000000",
     ATTN_ERR_OVERFLOW, "agent_sd"},
};

START_TEST(bad_plans)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        ck_assert_msg(attn_desc_parse(ctx, plans[n].text, &desc) == ATTN_OK, "%s", dense_error());
        int32_t status = attn_plan_create(ctx, desc, &plan);
        ck_assert_msg(status == plans[n].status && strstr(dense_error(), plans[n].word),
                      "%s: %d, %s", plans[n].text, (int)status, dense_error());
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

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

START_TEST(bad_arguments)
{
    static const int64_t agents[4] = {1, 2, 4, 4}, filter[3] = {8, 3, 3}, bias[1] = {8};
    struct dense x;
    dense_make(&x, 1, 2, 2, 9, 9, 4, 4);
    refused("agent_attention h=2 n=9 d=4 agent_tokens=4", &x, ATTN_ERR_ROLE, "role lse");
    for (size_t n = 0; n < x.n; n++)
        if (x.arg[n].role == ATTN_ROLE_LSE)
            x.arg[n] = x.arg[--x.n];
    refused("agent_attention h=2 n=9 d=4 agent_tokens=4", &x, ATTN_ERR_ROLE, "agents is missing");
    refused("agent_attention h=2 q=12 k=12 d=4 agent_tokens=4 agent_h=4 agent_w=3", &x,
            ATTN_ERR_SHAPE, "q has 9 rows, expected 12");
    refused("agent_attention h=2 n=9 d=4 agent_tokens=4 agent_h=3 agent_w=3 agent_conv", &x,
            ATTN_ERR_ROLE, "agent_conv is missing");
    dense_add(&x, ATTN_ROLE_AGENT_CONV, ATTN_DTYPE_F32, 3, filter, NULL);
    dense_add(&x, ATTN_ROLE_AGENT_CONV_BIAS, ATTN_DTYPE_F32, 1, bias, NULL);
    refused("agent_attention h=2 n=9 d=4 agent_tokens=4 agent_h=3 agent_w=3 agent_conv "
            "agent_kv_h=2 agent_kv_w=4",
            &x, ATTN_ERR_SHAPE, "k has 9 rows, expected 8");
    dense_drop(&x, 2);
    attn_tensor *t = dense_add(&x, ATTN_ROLE_AGENTS, ATTN_DTYPE_F32, 4, agents, NULL);
    refused("agent_attention h=2 n=9 d=4 agent_tokens=4 agent_h=3 agent_w=3", &x, ATTN_ERR_ROLE,
            "agents was not declared");
    refused("agent_attention h=2 n=9 d=4 agent_tokens=4 agent_k_bias", &x, ATTN_ERR_ROLE,
            "agent_k_bias is missing");
    t->shape[2] = 3;
    refused("agent_attention h=2 n=9 d=4 agent_tokens=4", &x, ATTN_ERR_SHAPE,
            "agents has extent 3 in dimension 2, expected 4");
    t->shape[2] = 4;
    dense_view(&x, ATTN_ROLE_K)->shape[2] = dense_view(&x, ATTN_ROLE_V)->shape[2] = 8;
    refused("agent_sd h=2 n=9 d=4 agent_sd_tokens=4", &x, ATTN_ERR_SHAPE, "agent_sd_shortcut");
    dense_free(&x);
}
END_TEST

UNIT_MAIN("agent", agents_that_are_the_queries, one_agent_and_equal_values, lengths, same_bits,
          bad_plans, bad_arguments)
