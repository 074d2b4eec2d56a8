/* SPDX-License-Identifier: MIT */
/*
 * The golden results of the score options, by every solver and in every
 * element type.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "golden_score.h"
#include "oracle.h"

enum { ROOM = 256, MORE = 5 };

/* An input besides Q, K and V: element i is ((i * a + b) mod 61 - 30) / 16. */
struct more {
    int32_t role, rank;
    int64_t shape[4];
    int a, b;
};

struct golden {
    const char *text; /* options */
    int64_t b, hq, hk, nq, nk, d, dv;
    const double *out;
    struct more more[MORE]; /* role 0: no more */
};

static const struct golden cases[] = {
    {"scale=1 causal t5_buckets=8 t5_max_distance=6", 1, 2, 2, 5, 7, 4, 3, golden_t5_decoder,
     {{ATTN_ROLE_T5_WEIGHT, 2, {8, 2}, 13, 3}}},
    {"scale=1 t5_buckets=8 t5_max_distance=5 t5_bidirectional", 1, 2, 2, 9, 9, 4, 3,
     golden_t5_encoder, {{ATTN_ROLE_T5_WEIGHT, 2, {8, 2}, 13, 3}}},
    {"swin_h=2 swin_w=3", 2, 2, 2, 6, 6, 4, 3, golden_swin,
     {{ATTN_ROLE_SWIN_TABLE, 2, {15, 2}, 13, 3}}},
    {"grid_w=3", 1, 2, 1, 3, 6, 4, 3, golden_grid,
     {{ATTN_ROLE_GRID_X, 4, {1, 2, 3, 3}, 13, 3}, {ATTN_ROLE_GRID_Y, 4, {1, 2, 3, 2}, 19, 2}}},
    {"bias_table table_zero=4", 1, 3, 1, 4, 8, 4, 3, golden_toeplitz,
     {{ATTN_ROLE_BIAS_TABLE, 2, {3, 7}, 13, 3}}},
    {"causal logn_train=6", 1, 2, 2, 5, 9, 4, 3, golden_logn, {{0}}},
    {"causal ssmax head_scale=[0.5,1.25]", 1, 2, 2, 5, 9, 4, 3, golden_ssmax, {{0}}},
    {"row_scale softcap=2 alibi", 1, 2, 2, 5, 9, 4, 3, golden_row_scale,
     {{ATTN_ROLE_ROW_SCALE, 3, {1, 2, 5}, 13, 3}}},
    {"causal query_table query_table_zero=6 q_bias_content q_bias_table", 1, 2, 2, 4, 6, 4, 3,
     golden_xl,
     {{ATTN_ROLE_QUERY_TABLE, 3, {2, 10, 4}, 13, 3},
      {ATTN_ROLE_Q_BIAS_CONTENT, 2, {2, 4}, 19, 2},
      {ATTN_ROLE_Q_BIAS_TABLE, 2, {2, 4}, 11, 8}}},
    {"scale=0.75 query_table query_table_zero=6 q_bias_content query_table_bias", 1, 2, 2, 4, 6, 4,
     3, golden_labml,
     {{ATTN_ROLE_QUERY_TABLE, 3, {2, 10, 4}, 13, 3},
      {ATTN_ROLE_Q_BIAS_CONTENT, 2, {2, 4}, 19, 2},
      {ATTN_ROLE_QUERY_TABLE_BIAS, 2, {2, 10}, 37, 9}}},
};

struct tensors {
    size_t n;
    attn_arg arg[4 + MORE];
    attn_tensor t[4 + MORE];
    double memory[4 + MORE][ROOM];
};

static void add(struct tensors *x, const struct more *m, int32_t dtype)
{
    attn_tensor *t = &x->t[x->n];
    int64_t n = 1;
    for (int32_t i = 0; i < m->rank; i++)
        n *= m->shape[i];
    ck_assert_int_le(n, ROOM);
    ck_assert_int_eq(attn_tensor_init(t, x->memory[x->n], dtype, m->rank, m->shape), ATTN_OK);
    for (int64_t i = 0; i < n; i++)
        oracle_store((char *)t->data + i * (int64_t)attn_dtype_size(dtype), dtype,
                     (double)((i * m->a + m->b) % 61 - 30) / 16);
    x->arg[x->n++] = (attn_arg){.role = m->role, .object = t};
}

static void make(struct tensors *x, const struct golden *g, int32_t dtype)
{
    const struct more main[] = {{ATTN_ROLE_Q, 4, {g->b, g->hq, g->nq, g->d}, 17, 5},
                                {ATTN_ROLE_K, 4, {g->b, g->hk, g->nk, g->d}, 23, 1},
                                {ATTN_ROLE_V, 4, {g->b, g->hk, g->nk, g->dv}, 29, 7},
                                {ATTN_ROLE_OUT, 4, {g->b, g->hq, g->nq, g->dv}, 0, 0}};
    int32_t row = dtype == ATTN_DTYPE_F64 ? dtype : ATTN_DTYPE_F32;
    x->n = 0;
    for (int i = 0; i < 4; i++)
        add(x, &main[i], dtype);
    for (int i = 0; i < MORE && g->more[i].role; i++)
        add(x, &g->more[i], row);
}

static void solve(attn_ctx *ctx, const struct golden *g, int32_t dtype, const char *solver)
{
    static const double tolerance[] = {
        [ATTN_DTYPE_F32] = 2e-6, [ATTN_DTYPE_F64] = 1e-9, [ATTN_DTYPE_F16] = 6e-4,
        [ATTN_DTYPE_BF16] = 5e-3};
    struct tensors x;
    char text[512], message[256];
    attn_desc *desc;
    attn_plan *plan;
    make(&x, g, dtype);
    snprintf(text, sizeof text, "softmax b=%d h=%d/%d q=%d k=%d d=%d/%d dtype=%s %s", (int)g->b,
             (int)g->hq, (int)g->hk, (int)g->nq, (int)g->nk, (int)g->d, (int)g->dv,
             attn_dtype_name(dtype), g->text);
    ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
    if (solver)
        ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_SOLVER, solver), ATTN_OK);
    int32_t status = attn_plan_create(ctx, desc, &plan);
    attn_desc_destroy(desc);
    if (status == ATTN_ERR_UNSUPPORTED && solver)
        return;
    if (status == ATTN_OK)
        status = attn_plan_execute(plan, x.arg, x.n, NULL, 0);
    attn_last_error(message, sizeof message);
    ck_assert_msg(status == ATTN_OK, "%s: %s", text, message);
    attn_plan_destroy(plan);
    for (int64_t i = 0; i < g->b * g->hq * g->nq * g->dv; i++) {
        double got = oracle_element(
            (const char *)x.t[3].data + i * (int64_t)attn_dtype_size(dtype), dtype);
        ck_assert_msg(fabs(got - g->out[i]) <= tolerance[dtype] * fmax(1, fabs(g->out[i])),
                      "%s by %s: element %d is %.9g, expected %.9g", text,
                      solver ? solver : "(chosen)", (int)i, got, g->out[i]);
    }
}

START_TEST(golden_results)
{
    static const int32_t dtypes[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_F16,
                                     ATTN_DTYPE_BF16};
    attn_ctx *ctx;
    const char *solver;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++)
        for (size_t t = 0; t < sizeof dtypes / sizeof dtypes[0]; t++) {
            for (size_t s = 0; (solver = attn_solver_at(s)) != NULL; s++)
                solve(ctx, &cases[n], dtypes[t], solver);
            solve(ctx, &cases[n], dtypes[t], NULL);
        }
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("score_golden", golden_results)
