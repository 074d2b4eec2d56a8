/* SPDX-License-Identifier: MIT */
/*
 * Properties and bad input of flow_attention (src/mech/flow_attention.c, src/
 * solvers/flow.c), whose numbers test_mechs holds against golden files and
 * whose pieces test_scan puts together.
 */
#include <math.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

static void drop_lse(struct dense *x)
{
    for (size_t n = 0; n < x->n; n++)
        if (x->arg[n].role == ATTN_ROLE_LSE)
            x->arg[n] = x->arg[--x->n];
}

static void run(const char *text, struct dense *x)
{
    static const char *const solvers[] = {"flow", "flow_reference"};
    attn_ctx *ctx = dense_ctx(1);
    drop_lse(x);
    for (int n = 0; n < 2; n++) {
        float first = x->out[0];
        dense_clear(x);
        ck_assert_msg(dense_run(ctx, text, solvers[n], x), "%s", dense_error());
        if (n > 0)
            ck_assert_float_eq_tol(x->out[0], first, 1e-5f);
    }
    attn_ctx_destroy(ctx);
}

START_TEST(equal_tokens)
{
    enum { H = 2, N = 50, D = 8 };
    const double want = 1 / (1 + exp(-1.0));
    struct dense x;
    dense_make(&x, 1, H, H, 20, N, D, D);
    for (int h = 0; h < H; h++)
        for (int n = 0; n < N; n++) {
            memcpy(x.k + (h * N + n) * D, x.k + h * N * D, D * sizeof(float));
            if (n < 20)
                memcpy(x.q + (h * 20 + n) * D, x.q + h * 20 * D, D * sizeof(float));
        }
    run("flow_attention h=2 q=20 k=50 d=8 flow_eps=0", &x);
    for (int h = 0; h < H; h++)
        for (int e = 0; e < D; e++) {
            double mean = 0;
            for (int n = 0; n < N; n++)
                mean += (double)x.v[(h * N + n) * D + e] / N;
            for (int i = 0; i < 20; i++)
                ck_assert_double_eq_tol(x.out[(h * 20 + i) * D + e], want * mean, 1e-6);
        }
    dense_free(&x);
}
END_TEST

START_TEST(first_token_and_order)
{
    enum { H = 2, N = 40, D = 8 };
    const double want = 1 / (1 + exp(-1.0));
    struct dense x, y;
    dense_make(&x, 1, H, H, N, N, D, D);
    run("flow_attention h=2 q=40 d=8 causal flow_eps=0", &x);
    for (int h = 0; h < H; h++)
        for (int e = 0; e < D; e++)
            ck_assert_double_eq_tol(x.out[h * N * D + e], want * (double)x.v[h * N * D + e], 1e-6);
    /* the same numbers, keys the other way round */
    dense_make(&y, 1, H, H, N, N, D, D);
    for (int h = 0; h < H; h++)
        for (int n = 0; n < N; n++) {
            memcpy(y.k + (h * N + n) * D, x.k + (h * N + N - 1 - n) * D, D * sizeof(float));
            memcpy(y.v + (h * N + n) * D, x.v + (h * N + N - 1 - n) * D, D * sizeof(float));
        }
    run("flow_attention h=2 n=40 d=8", &x);
    run("flow_attention h=2 n=40 d=8", &y);
    ck_assert(dense_distance(x.out, y.out, x.n_out) < 1e-6);
    dense_free(&x);
    dense_free(&y);
}
END_TEST

/* What is behind the lengths is never read, and rows there come out as 0. */
START_TEST(poison)
{
    enum { H = 2, NQ = 40, NK = 50, D = 8, Q = 33, K = 35 };
    static const char *const solvers[] = {"flow", "flow_reference"};
    static const int32_t q_len[] = {Q}, k_len[] = {K};
    for (int n = 0; n < 4; n++) {
        bool causal = n > 1;
        int64_t nk = causal ? NQ : NK, k = causal ? Q : K;
        struct dense x, y;
        attn_ctx *ctx = dense_ctx(1);
        dense_make(&x, 1, H, H, NQ, nk, D, D);
        dense_make(&y, 1, H, H, NQ, nk, D, D); /* the same numbers */
        for (int h = 0; h < H; h++) {
            for (int i = Q * D; i < NQ * D; i++)
                x.q[h * NQ * D + i] = NAN;
            for (int64_t i = k * D; i < nk * D; i++)
                x.k[h * nk * D + i] = x.v[h * nk * D + i] = NAN;
        }
        drop_lse(&x);
        drop_lse(&y);
        dense_list(&x, ATTN_ROLE_Q_LEN, q_len, 1);
        dense_list(&y, ATTN_ROLE_Q_LEN, q_len, 1);
        if (!causal) {
            dense_list(&x, ATTN_ROLE_K_LEN, k_len, 1);
            dense_list(&y, ATTN_ROLE_K_LEN, k_len, 1);
        }
        const char *text = causal ? "flow_attention h=2 q=40 d=8 causal"
                                  : "flow_attention h=2 q=40 k=50 d=8";
        ck_assert_msg(dense_run(ctx, text, solvers[n % 2], &x), "%s", dense_error());
        ck_assert_msg(dense_run(ctx, text, solvers[n % 2], &y), "%s", dense_error());
        ck_assert_mem_eq(x.out, y.out, x.n_out * sizeof *x.out);
        for (int h = 0; h < H; h++)
            for (int i = Q * D; i < NQ * D; i++)
                ck_assert(x.out[h * NQ * D + i] == 0);
        attn_ctx_destroy(ctx);
        dense_free(&x);
        dense_free(&y);
    }
}
END_TEST

static const struct {
    const char *text;
    int32_t status;
    const char *word; /* in the message */
} plans[] = {
    {"flow_attention h=4/2 n=9 d=4", ATTN_ERR_UNSUPPORTED, "2 query heads read one key head"},
    {"flow_attention h=2 n=9 d=4 scale=0.5", ATTN_ERR_INVALID, "scale is 0.5"},
    {"flow_attention h=2 n=9 d=4 state_norm=sum", ATTN_ERR_INVALID, "state_norm is 1"},
    {"flow_attention h=2 n=9 d=4 feature_map=relu", ATTN_ERR_INVALID, "feature_map is"},
    {"flow_attention h=2 n=9 d=4 decay=token", ATTN_ERR_INVALID, "decay is"},
    {"flow_attention h=2 n=9 d=4 gate=exp", ATTN_ERR_INVALID, "gate is set"},
    {"flow_attention h=2 n=9 d=4 l2norm", ATTN_ERR_INVALID, "l2norm is set"},
    {"flow_attention h=2 n=9 d=4 skip", ATTN_ERR_INVALID, "skip is set"},
    {"flow_attention h=2 n=9 d=4 softcap=5", ATTN_ERR_INVALID, "softcap is set"},
    {"flow_attention h=2 n=9 d=4 mask", ATTN_ERR_INVALID, "mask is set"},
    {"flow_attention h=2 n=9 d=4 reset", ATTN_ERR_UNSUPPORTED, "reset with direction=full"},
    {"flow_attention h=2 n=9 d=4 direction=reverse", ATTN_ERR_UNSUPPORTED, "direction is neither"},
    {"flow_attention h=2 n=9 d=4 direction=symmetric", ATTN_ERR_UNSUPPORTED, "direction is"},
    {"flow_attention h=2 q=9 k=8 d=4 causal", ATTN_ERR_INVALID, "k is 8 and q 9"},
    {"flow_attention h=2 n=9 d=4 solver=scan_step", ATTN_ERR_UNSUPPORTED, "another kind"},
    {"linear_attention h=2 n=9 d=4 solver=flow", ATTN_ERR_UNSUPPORTED, "another kind"},
    {"softmax h=2 n=9 d=4 flow_clamp=1", ATTN_ERR_INVALID, "flow_clamp is set, which is of flow"},
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
    attn_desc *desc;
    ck_assert_int_ne(attn_desc_parse(ctx, "flow_attention h=1 n=1 d=1 flow_clamp=0", &desc),
                     ATTN_OK);
    ck_assert_int_ne(attn_desc_parse(ctx, "flow_attention h=1 n=1 d=1 flow_clamp=81", &desc),
                     ATTN_OK);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Sums behind S: two numbers each, Dv to a row; and whose state it is. */
START_TEST(states)
{
    enum { D = 8, DV = 3, ROWS = D + (8 * D + 2 + DV - 1) / DV };
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = dense_plan(ctx, "flow_attention h=1 q=9 d=8/3 causal", NULL);
    attn_plan *full = dense_plan(ctx, "flow_attention h=1 n=9 d=8/3", NULL);
    attn_plan *other = dense_plan(ctx, "linear_attention h=1 q=9 d=8/3 causal", NULL);
    attn_state *state, *none;
    attn_tensor t;
    static float part[ROWS * DV];
    struct dense x;
    dense_make(&x, 1, 1, 1, 9, 9, D, DV);
    drop_lse(&x);
    ck_assert_int_eq(attn_state_create(ctx, full, 1, &none), ATTN_ERR_UNSUPPORTED);
    ck_assert_int_eq(attn_state_create(ctx, plan, 1, &state), ATTN_OK);
    ck_assert_int_eq(attn_state_shape(state, ATTN_STATE_PART_S, &t), ATTN_OK);
    ck_assert(t.shape[0] == 1 && t.shape[1] == ROWS && t.shape[2] == DV);
    x.arg[x.n++] = (attn_arg){ATTN_ROLE_STATE, 0, state};
    ck_assert_int_eq(attn_plan_execute(other, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    ck_assert_msg(strstr(dense_error(), "another plan"), "%s", dense_error());
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_OK);
    t.data = part;
    ck_assert_int_eq(attn_state_export(state, 0, ATTN_STATE_PART_S, &t), ATTN_OK);
    for (int e = 0; e < D; e++) {
        double sum = 0;
        for (int n = 0; n < 9; n++)
            sum += 1 / (1 + exp(-(double)x.k[n * D + e]));
        ck_assert_double_eq_tol((double)part[D * DV + 2 * e] + (double)part[D * DV + 2 * e + 1],
                                sum, 1e-6);
    }
    attn_state_destroy(state);
    attn_plan_destroy(plan);
    attn_plan_destroy(full);
    attn_plan_destroy(other);
    attn_ctx_destroy(ctx);
    dense_free(&x);
}
END_TEST

UNIT_MAIN("flow", equal_tokens, first_token_and_order, poison, bad_plans, states)
