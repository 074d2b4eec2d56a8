/* SPDX-License-Identifier: MIT */
/*
 * What rope and qk_norm (mech/prologue) must equal, and which settings they
 * refuse.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

enum { B = 2, H = 4, HK = 2, NQ = 37, NK = 150, D = 24, DV = 20 };

#define SIZES "softmax b=2 h=4/2 q=40 k=inf d=24/20 causal "

static const double NEAR = 4e-6;
static const char *const SOLVERS[] = {"flash", "decode", "reference"};

static void make(struct dense *x)
{
    dense_make(x, B, H, HK, NQ, NK, D, DV);
}

/* The distance of two problems on the same data; the second may have had its
 * data changed in between. */
static double distance(attn_ctx *ctx, const char *solver, struct dense *a, const char *one,
                       struct dense *b, const char *other)
{
    ck_assert(dense_run(ctx, one, solver, a));
    ck_assert(dense_run(ctx, other, solver, b));
    double lse = dense_distance(a->lse, b->lse, a->n_lse);
    double out = dense_distance(a->out, b->out, a->n_out);
    return lse > out ? lse : out;
}

static void positions(struct dense *x, int64_t first)
{
    const int32_t roles[2] = {ATTN_ROLE_ROPE_POS_Q, ATTN_ROLE_ROPE_POS_K};
    for (int side = 0; side < 2; side++) {
        int64_t shape[2] = {1, side == 0 ? NQ : NK};
        attn_tensor *t = dense_add(x, roles[side], ATTN_DTYPE_I64, 2, shape, NULL);
        for (int64_t n = 0; n < shape[1]; n++)
            ((int64_t *)t->data)[n] = first + n + (side == 0 ? NK - NQ : 0);
    }
}

/* Scores depend on the difference of positions alone. */
START_TEST(shift_changes_nothing)
{
    static const int64_t shifts[] = {0, 1, -3000, 123456789, INT64_C(1) << 45};
    attn_ctx *ctx = dense_ctx(1);
    struct dense a, b;
    make(&a);
    for (size_t i = 0; i < sizeof shifts / sizeof shifts[0]; i++)
        for (size_t s = 0; s < 3; s++) {
            make(&b);
            positions(&b, shifts[i]);
            ck_assert_double_lt(distance(ctx, SOLVERS[s], &a, SIZES "rope=half", &b,
                                         SIZES "rope=half rope_positions"),
                                NEAR);
            dense_free(&b);
        }
    dense_free(&a);
    attn_ctx_destroy(ctx);
}
END_TEST

/* POS_Q and POS_K turn rows too, unless ROPE_POS_Q and ROPE_POS_K tell. */
START_TEST(positions_turn)
{
    static const int32_t moved[2] = {ATTN_ROLE_POS_Q, ATTN_ROLE_POS_K};
    attn_ctx *ctx = dense_ctx(1);
    for (size_t s = 0; s < 3; s++)
        for (int order = 0; order < 2; order++) {
            struct dense a, b;
            make(&a);
            make(&b);
            for (int side = 0; side < 2; side++) {
                int64_t shape[2] = {1, side == 0 ? NQ : NK};
                int64_t *at = dense_add(&a, moved[side], ATTN_DTYPE_I64, 2, shape, NULL)->data;
                for (int64_t n = 0; n < shape[1]; n++)
                    at[n] = order == 0 ? 3 * n - 50 : (n * 37) % 101 + (n % 2) * 100000;
                dense_add(&b, moved[side], ATTN_DTYPE_I64, 2, shape, at);
            }
            positions(&b, 0);
            int64_t *rope_q = dense_view(&b, ATTN_ROLE_ROPE_POS_Q)->data;
            int64_t *rope_k = dense_view(&b, ATTN_ROLE_ROPE_POS_K)->data;
            memcpy(rope_q, dense_view(&a, moved[0])->data, NQ * sizeof *rope_q);
            memcpy(rope_k, dense_view(&a, moved[1])->data, NK * sizeof *rope_k);
            ck_assert(distance(ctx, SOLVERS[s], &a, SIZES "positions rope=half", &b,
                               SIZES "positions rope=half rope_positions") == 0);
            for (int64_t n = 0; n < NK; n++)
                rope_k[n]++;
            ck_assert_double_gt(distance(ctx, SOLVERS[s], &a, SIZES "positions rope=half", &b,
                                         SIZES "positions rope=half rope_positions"),
                                1e-3);
            dense_free(&b);
            dense_free(&a);
        }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Everybody at position 0, or nothing that turns: no rope. */
START_TEST(standing_still)
{
    attn_ctx *ctx = dense_ctx(1);
    struct dense a, b;
    make(&a);
    make(&b);
    int64_t q[2] = {1, NQ}, k[2] = {1, NK};
    dense_add(&b, ATTN_ROLE_ROPE_POS_Q, ATTN_DTYPE_I32, 2, q, NULL);
    dense_add(&b, ATTN_ROLE_ROPE_POS_K, ATTN_DTYPE_I32, 2, k, NULL);
    for (size_t s = 0; s < 3; s++) {
        ck_assert(distance(ctx, SOLVERS[s], &a, SIZES, &b,
                           SIZES "rope=interleaved rope_positions") == 0);
        ck_assert_double_lt(distance(ctx, SOLVERS[s], &a, SIZES, &b,
                                     SIZES "rope=half rope_positions rope_attention=1"),
                            NEAR);
    }
    dense_free(&a);
    dense_free(&b);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Channels c and c + D/2 of `to` are channels 2c and 2c + 1 of `from`. */
static void permute(float *to, const float *from, int64_t rows)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < D / 2; c++) {
            to[r * D + c] = from[r * D + 2 * c];
            to[r * D + D / 2 + c] = from[r * D + 2 * c + 1];
        }
}

START_TEST(pairings_are_a_permutation)
{
    static const char yarn[] = "rope_scaling=yarn rope_factor=8 rope_original=64";
    const char *const more[] = {"", "rope_base=500000", yarn};
    attn_ctx *ctx = dense_ctx(1);
    struct dense a, b;
    make(&a);
    make(&b);
    permute(b.q, a.q, B * H * NQ);
    permute(b.k, a.k, B * HK * NK);
    for (size_t i = 0; i < 3; i++)
        for (size_t s = 0; s < 3; s++) {
            char one[300], other[300];
            snprintf(one, sizeof one, SIZES "rope=interleaved %s", more[i]);
            snprintf(other, sizeof other, SIZES "rope=half %s", more[i]);
            ck_assert_double_lt(distance(ctx, SOLVERS[s], &a, one, &b, other), NEAR);
        }
    dense_free(&a);
    dense_free(&b);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Pairs of settings that mean the same. */
static const char *const same[][2] = {
    {"rope=half", "rope=half rope_dim=24 rope_base=10000 rope_scaling=none rope_apply=qk"},
    {"rope=half", "rope=half rope_scaling=linear rope_factor=1"},
    {"rope=half", "rope=half rope_scaling=ntk rope_factor=1"},
    {"rope=half", "rope=half rope_scaling=dynamic_ntk rope_factor=7 rope_original=150"},
    {"rope=half", "rope=half rope_scaling=yarn rope_factor=1 rope_original=10"},
    {"rope=half", "rope=half rope_scaling=llama3 rope_factor=1"},
    {"rope=half rope_scaling=llama3 rope_factor=8",
     "rope=half rope_scaling=llama3 rope_factor=8 rope_original=8192 rope_low=1 rope_high=4"},
    {"rope=half rope_scaling=yarn rope_factor=8 rope_original=64",
     "rope=half rope_scaling=yarn rope_factor=8 rope_original=64 rope_beta_fast=32 "
     "rope_beta_slow=1 rope_truncate rope_attention=1.2079441541679836"},
    /* all channels turn, so the factor of both sides is one of the scores */
    {"rope=half rope_scaling=yarn rope_factor=8 rope_original=64",
     "rope=half rope_scaling=yarn rope_factor=8 rope_original=64 rope_mscale=1"},
    {"rope=interleaved rope_dim=4 rope_base=100", "rope=interleaved rope_dim=4 "
                                                  "rope_freqs=[1,0.1]"},
    {"qk_norm=rms", "qk_norm=rms qk_norm_eps=1e-6"},
    {"qk_norm=l2 scale=3", "qk_norm=rms qk_norm_eps=0 scale=0.125"},
};

START_TEST(same_settings)
{
    attn_ctx *ctx = dense_ctx(1);
    struct dense a, b;
    make(&a);
    make(&b);
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        for (size_t s = 0; s < 3; s++) {
            char one[300], other[400];
            snprintf(one, sizeof one, SIZES "%s", same[i][0]);
            snprintf(other, sizeof other, SIZES "%s", same[i][1]);
            double d = distance(ctx, SOLVERS[s], &a, one, &b, other);
            ck_assert_msg(d < NEAR, "%s: %s and %s differ by %g", SOLVERS[s], one, other, d);
        }
    dense_free(&a);
    dense_free(&b);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Turning Q here and K before is turning both here. */
START_TEST(keys_turned_before)
{
    attn_ctx *ctx = dense_ctx(1);
    struct dense a, b;
    make(&a);
    make(&b);
    for (int64_t r = 0; r < B * HK * NK; r++)
        for (int64_t c = 0; c < D / 2; c++) {
            double angle = (double)(r % NK) * pow(10000, -2.0 * (double)c / D);
            float *u = &b.k[r * D + c], *v = u + D / 2, u0 = *u;
            *u = (float)(u0 * cos(angle) - *v * sin(angle));
            *v = (float)(*v * cos(angle) + u0 * sin(angle));
        }
    for (size_t s = 0; s < 3; s++)
        ck_assert_double_lt(distance(ctx, SOLVERS[s], &a, SIZES "rope=half", &b,
                                     SIZES "rope=half rope_apply=q"),
                            NEAR);
    dense_free(&a);
    dense_free(&b);
    attn_ctx_destroy(ctx);
}
END_TEST

/* l2 and, without epsilon, rms do not see the size of a row, however large or
 * small; layer does not see a constant either. */
START_TEST(norms_ignore_size)
{
    static const float sizes[] = {3e-15f, 0.01f, 1000, 2e17f};
    attn_ctx *ctx = dense_ctx(1);
    struct dense a, b;
    make(&a);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (size_t s = 0; s < 3; s++) {
            make(&b);
            for (int64_t e = 0; e < B * H * NQ * D; e++)
                b.q[e] *= sizes[i];
            for (int64_t e = 0; e < B * HK * NK * D; e++)
                b.k[e] *= sizes[i];
            const char *l2 = SIZES "qk_norm=l2 qk_norm_eps=0";
            const char *rms = SIZES "qk_norm=rms qk_norm_eps=0";
            ck_assert_double_lt(distance(ctx, SOLVERS[s], &a, l2, &b, l2), NEAR);
            ck_assert_double_lt(distance(ctx, SOLVERS[s], &a, rms, &b, rms), NEAR);
            dense_free(&b);
        }
    make(&b);
    for (int64_t e = 0; e < B * HK * NK * D; e++)
        b.k[e] += 1;
    const char *layer = SIZES "qk_norm=layer";
    for (size_t s = 0; s < 3; s++)
        ck_assert_double_lt(distance(ctx, SOLVERS[s], &a, layer, &b, layer), NEAR);
    dense_free(&a);
    dense_free(&b);
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *text;
    int32_t status;
    const char *word; /* in the message */
} plans[] = {
    {"rope_dim=8", ATTN_ERR_INVALID, "rope_dim is set, but rope is not"},
    {"rope=none rope_positions", ATTN_ERR_INVALID, "rope_positions"},
    {"rope=half rope_dim=7", ATTN_ERR_INVALID, "rope_dim is 7"},
    {"rope=half rope_dim=26", ATTN_ERR_INVALID, "d=24"},
    {"rope=half rope_factor=2", ATTN_ERR_INVALID, "rope_scaling=none"},
    {"rope=half rope_scaling=linear", ATTN_ERR_UNSET, "rope_factor"},
    {"rope=half rope_scaling=linear rope_factor=2 rope_low=1", ATTN_ERR_INVALID, "rope_low"},
    {"rope=half rope_scaling=ntk rope_factor=2 rope_dim=2", ATTN_ERR_INVALID, "at least 4"},
    {"rope=half rope_scaling=dynamic_ntk rope_factor=2", ATTN_ERR_UNSET, "rope_original"},
    {"rope=half rope_scaling=dynamic_ntk rope_factor=2 rope_original=9 rope_apply=q",
     ATTN_ERR_INVALID, "rope_apply"},
    {"rope=half rope_scaling=yarn rope_factor=0.5 rope_original=9", ATTN_ERR_INVALID,
     "rope_factor is 0.5"},
    {"rope=half rope_scaling=yarn rope_factor=2", ATTN_ERR_UNSET, "rope_original"},
    {"rope=half rope_scaling=yarn rope_factor=2 rope_original=9 rope_base=1", ATTN_ERR_INVALID,
     "rope_base is 1"},
    {"rope=half rope_scaling=yarn rope_factor=2 rope_original=9 rope_mscale=1 rope_attention=1",
     ATTN_ERR_INVALID, "rope_mscale"},
    {"rope=half rope_scaling=llama3 rope_factor=2 rope_low=4", ATTN_ERR_INVALID, "rope_high"},
    {"rope=half rope_freqs=[1,2]", ATTN_ERR_INVALID, "rope_freqs has 2"},
    {"rope=half rope_dim=4 rope_freqs=[1,2] rope_base=5", ATTN_ERR_INVALID, "rope_base"},
    {"qk_norm_weight", ATTN_ERR_INVALID, "qk_norm_weight is set, but qk_norm is not"},
    {"qk_norm=rms qk_norm_plus_one", ATTN_ERR_INVALID, "qk_norm_weight"},
};

static const char *const values[] = {"rope_factor=-1", "rope_factor=0", "rope_base=-2",
                                     "rope_dim=0", "qk_norm_eps=-1", "rope_original=0"};

START_TEST(refused)
{
    attn_ctx *ctx = dense_ctx(1);
    char text[300];
    attn_desc *desc;
    attn_plan *plan;
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        snprintf(text, sizeof text, SIZES "%s", plans[n].text);
        ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
        ck_assert_msg(attn_plan_create(ctx, desc, &plan) == plans[n].status, "%s", text);
        ck_assert_ptr_null(plan);
        ck_assert_msg(strstr(dense_error(), plans[n].word) != NULL, "%s: %s", text,
                      dense_error());
        attn_desc_destroy(desc);
    }
    for (size_t n = 0; n < sizeof values / sizeof values[0]; n++) {
        snprintf(text, sizeof text, SIZES "%s", values[n]);
        ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_ERR_INVALID);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("prologue", shift_changes_nothing, positions_turn, standing_still,
          pairings_are_a_permutation, same_settings, keys_turned_before, norms_ignore_size, refused)
