/* SPDX-License-Identifier: MIT */
/*
 * The score options (mech/score_options, solvers/score_steps, score_bias,
 * score_table, score_class, plan/bind_score; mech/one_attend and the mechanisms rmha, rcmha
 * and complexformer, whose steps are solvers/map_conv, map_euler and, for
 * pointer, map_additive):
 * what must be equal to what, a step that equals its row of the prefill, and
 * what is refused.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

static const double NEAR = 3e-6;

/* Runs the body for every solver by name, and NULL, the planner's choice. */
#define FOR_EACH_SOLVER(name)                                                                     \
    for (size_t at_ = 0, go_ = 1; go_; go_ = attn_solver_at(at_) != NULL, at_++)                  \
        for (const char *name = attn_solver_at(at_), *once_ = ""; once_; once_ = NULL)

/* ---- equal options ---- */

static const struct {
    const char *a, *b;
} equal[] = {
    /* scale is 1/4 unless set */
    {"head_scale=[0.5,0.5,0.5]", "scale=0.125"},
    {"head_scale=[0.5,2,-1] scale=1 alibi", "head_scale=[2,8,-4] alibi"},
    {"logn_train=37", ""},
    {"logn_train=5000 causal softcap=3", "causal softcap=3"},
    {"ssmax logn_count=keys", "scale=0.90272947829068"}, /* ln(37) / 4 */
    {"logn_train=6.0827625302982193 logn_count=keys", "scale=0.5"}, /* root of 37 */
};

START_TEST(equal_options)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof equal / sizeof equal[0]; n++)
        FOR_EACH_SOLVER(solver) {
            struct dense x;
            char text[256];
            float out[3 * 19 * 8];
            dense_make(&x, 1, 3, 3, 19, 37, 16, 8);
            snprintf(text, sizeof text, "softmax h=3 q=19 k=37 d=16/8 %s", equal[n].a);
            bool ran = dense_run(ctx, text, solver, &x);
            memcpy(out, x.out, sizeof out);
            dense_clear(&x);
            snprintf(text, sizeof text, "softmax h=3 q=19 k=37 d=16/8 %s", equal[n].b);
            ck_assert(dense_run(ctx, text, solver, &x) == ran);
            double d = ran ? dense_distance(out, x.out, x.n_out) : 0;
            ck_assert_msg(d < NEAR, "%s: '%s' and '%s' are %g apart", solver, equal[n].a,
                          equal[n].b, d);
            dense_free(&x);
        }
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- a step is the last row of the prefill ---- */

static const char *const stepping[] = {
    "causal logn_train=4",
    "causal ssmax softcap=9",
    "ssmax window=7,0 alibi",
};

START_TEST(step_is_last_row)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof stepping / sizeof stepping[0]; n++)
        FOR_EACH_SOLVER(solver) {
            struct dense x;
            char text[256];
            float last[2 * 12];
            dense_make(&x, 1, 2, 2, 33, 33, 16, 12);
            snprintf(text, sizeof text, "softmax h=2 q=33 k=33 d=16/12 %s", stepping[n]);
            bool ran = dense_run(ctx, text, solver, &x);
            for (int h = 0; h < 2; h++)
                memcpy(last + h * 12, x.out + (h * 33 + 32) * 12, 12 * sizeof(float));
            attn_tensor *q = dense_view(&x, ATTN_ROLE_Q), *out = dense_view(&x, ATTN_ROLE_OUT);
            attn_tensor *lse = dense_view(&x, ATTN_ROLE_LSE);
            q->shape[2] = out->shape[2] = lse->shape[2] = 1;
            q->data = x.q + 32 * 16;
            out->stride[1] = 12;
            ck_assert(dense_run(ctx, text, solver, &x) == ran);
            double d = ran ? dense_distance(last, x.out, 24) : 0;
            ck_assert_msg(d < NEAR, "%s: '%s': the step is %g from the last row", solver,
                          stepping[n], d);
            dense_free(&x);
        }
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- mechanisms whose tables say nothing ---- */

/* Mechanism, options, roles of zeros; filters that change nothing. */
static const struct {
    const char *mech, *options;
    struct {
        int32_t role, rank;
        int64_t shape[3];
    } zero[3];
    bool identity;
    const char *same; /* as softmax with these */
} plain[] = {
    {"rmha", "causal q_bias_content",
     {{ATTN_ROLE_QUERY_TABLE, 3, {3, 9, 16}}, {ATTN_ROLE_Q_BIAS_CONTENT, 2, {3, 16}}}, false,
     "causal"},
    {"rcmha", "alibi", {{ATTN_ROLE_QUERY_TABLE, 3, {3, 9, 16}}}, true, "alibi"},
    {"complexformer", "softcap=3", {{0}}, false, "rope=interleaved softcap=3"},
    {"complexformer", "rope=none", {{ATTN_ROLE_EULER_SHIFT, 2, {3, 8}}}, false, ""},
};

START_TEST(plain_mechanisms)
{
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof plain / sizeof plain[0]; n++)
        FOR_EACH_SOLVER(solver) {
            static const int32_t filters[] = {ATTN_ROLE_CONV_Q, ATTN_ROLE_CONV_K,
                                              ATTN_ROLE_CONV_V};
            struct dense x, y;
            char text[256];
            dense_make(&x, 1, 3, 3, 19, 37, 16, 8);
            dense_make(&y, 1, 3, 3, 19, 37, 16, 8);
            for (int i = 0; i < 3 && plain[n].zero[i].role; i++)
                dense_add(&x, plain[n].zero[i].role, ATTN_DTYPE_F32, plain[n].zero[i].rank,
                          plain[n].zero[i].shape, NULL);
            for (int i = 0; i < 3 && plain[n].identity; i++) {
                int64_t shape[2] = {i < 2 ? 16 : 8, 3};
                float *w = dense_add(&x, filters[i], ATTN_DTYPE_F32, 2, shape, NULL)->data;
                for (int64_t c = 0; c < shape[0]; c++)
                    w[c * 3 + 2] = 1;
            }
            snprintf(text, sizeof text, "%s h=3 q=19 k=37 d=16/8 %s", plain[n].mech,
                     plain[n].options);
            bool ran = dense_run(ctx, text, solver, &x);
            snprintf(text, sizeof text, "softmax h=3 q=19 k=37 d=16/8 %s", plain[n].same);
            ran = dense_run(ctx, text, solver, &y) && ran;
            double d = ran ? dense_distance(y.out, x.out, x.n_out) : 0;
            ck_assert_msg(d < NEAR, "%s %s by %s is %g from softmax %s", plain[n].mech,
                          plain[n].options, solver ? solver : "(chosen)", d, plain[n].same);
            dense_free(&x);
            dense_free(&y);
        }
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *options;
    int32_t status;
    const char *word; /* in the message */
} refused[] = {
    {"head_scale=[1,2]", ATTN_ERR_INVALID, "head_scale has 2"},
    {"logn_train=20 ssmax", ATTN_ERR_INVALID, "ssmax"},
    {"logn_count=keys", ATTN_ERR_INVALID, "logn_count"},
    {"bias_table alibi", ATTN_ERR_UNSUPPORTED, "alibi and bias_table"},
    {"grid_w=2 t5_buckets=8", ATTN_ERR_UNSUPPORTED, "t5_buckets and grid_w"},
    {"table_zero=3", ATTN_ERR_INVALID, "bias_table"},
    {"class_rows=3", ATTN_ERR_INVALID, "class_terms"},
    {"query_table_zero=3", ATTN_ERR_INVALID, "query_table_zero"},
    {"q_bias_table", ATTN_ERR_INVALID, "q_bias_table"},
    {"swin_h=3", ATTN_ERR_INVALID, "swin_w"},
    {"t5_bidirectional", ATTN_ERR_INVALID, "t5_buckets"},
    {"t5_buckets=7 t5_bidirectional", ATTN_ERR_INVALID, "t5_buckets is 7"},
    {"t5_buckets=2 t5_bidirectional", ATTN_ERR_INVALID, "t5_buckets is 2"},
    {"t5_buckets=32 t5_max_distance=16", ATTN_ERR_INVALID, "t5_max_distance is 16"},
};

START_TEST(refused_options)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof refused / sizeof refused[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        char text[256];
        snprintf(text, sizeof text, "softmax h=3 q=5 k=6 d=16/8 %s", refused[n].options);
        ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
        ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), refused[n].status);
        ck_assert_msg(strstr(dense_error(), refused[n].word), "%s: '%s' does not say '%s'", text,
                      dense_error(), refused[n].word);
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- tables that do not fit ---- */

static const struct {
    const char *options;
    struct {
        int32_t role, rank;
        int64_t shape[4];
    } in[2];
    int32_t status;
    const char *word;
} unfit[] = {
    {"bias_table", {{ATTN_ROLE_BIAS_TABLE, 2, {3, 0}}}, ATTN_ERR_SHAPE, "bias_table"},
    {"bias_table table_zero=4", {{ATTN_ROLE_BIAS_TABLE, 2, {3, 4}}}, ATTN_ERR_SHAPE, "at least 5"},
    {"bias_table", {{ATTN_ROLE_BIAS_TABLE, 2, {2, 4}}}, ATTN_ERR_SHAPE, "bias_table has extent 2"},
    {"bias_table", {{0}}, ATTN_ERR_ROLE, "bias_table is missing"},
    {"t5_buckets=8", {{ATTN_ROLE_T5_WEIGHT, 2, {3, 8}}}, ATTN_ERR_SHAPE, "t5_weight"},
    {"grid_w=3", {{ATTN_ROLE_GRID_X, 4, {1, 3, 5, 3}}, {ATTN_ROLE_GRID_Y, 4, {1, 3, 5, 3}}},
     ATTN_ERR_SHAPE, "has 6 keys, expected 3 x 3"},
    {"grid_w=3", {{ATTN_ROLE_GRID_X, 4, {1, 3, 5, 2}}, {ATTN_ROLE_GRID_Y, 4, {1, 3, 5, 2}}},
     ATTN_ERR_SHAPE, "grid_x has extent 2"},
    {"swin_h=2 swin_w=3", {{ATTN_ROLE_SWIN_TABLE, 2, {15, 3}}}, ATTN_ERR_SHAPE, "has 5 rows"},
    {"swin_h=2 swin_w=3", {{ATTN_ROLE_SWIN_TABLE, 2, {14, 3}}}, ATTN_ERR_SHAPE, "swin_table"},
    {"class_terms=4", {{ATTN_ROLE_CLASS_TERMS, 3, {2, 3, 4}}}, ATTN_ERR_ROLE, "class_k"},
    {"query_table query_table_zero=4", {{ATTN_ROLE_QUERY_TABLE, 3, {3, 4, 16}}}, ATTN_ERR_SHAPE,
     "at least 5"},
    {"query_table", {{ATTN_ROLE_QUERY_TABLE, 3, {3, 4, 15}}}, ATTN_ERR_SHAPE, "extent 15"},
    {"query_table query_table_bias",
     {{ATTN_ROLE_QUERY_TABLE, 3, {3, 4, 16}}, {ATTN_ROLE_QUERY_TABLE_BIAS, 2, {3, 5}}},
     ATTN_ERR_SHAPE, "expected the 4"},
    {"", {{ATTN_ROLE_ROW_SCALE, 3, {1, 1, 1}}}, ATTN_ERR_ROLE, "row_scale"},
    {"row_scale", {{ATTN_ROLE_ROW_SCALE, 3, {1, 2, 1}}}, ATTN_ERR_SHAPE, "row_scale has extent 2"},
};

START_TEST(unfit_tables)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof unfit / sizeof unfit[0]; n++) {
        struct dense x;
        char text[256];
        dense_make(&x, 1, 3, 3, 5, 6, 16, 8);
        snprintf(text, sizeof text, "softmax h=3 q=5 k=6 d=16/8 %s", unfit[n].options);
        for (int i = 0; i < 2 && unfit[n].in[i].role; i++)
            dense_add(&x, unfit[n].in[i].role, ATTN_DTYPE_F32, unfit[n].in[i].rank,
                      unfit[n].in[i].shape, NULL);
        attn_plan *plan = dense_plan(ctx, text, NULL);
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), unfit[n].status);
        ck_assert_msg(strstr(dense_error(), unfit[n].word), "%s: '%s' does not say '%s'", text,
                      dense_error(), unfit[n].word);
        ck_assert_msg(isnan(x.out[0]), "%s: out was written", text);
        attn_plan_destroy(plan);
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("score", unfit_tables, plain_mechanisms, equal_options, step_is_last_row, refused_options)
