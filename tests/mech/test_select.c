/* SPDX-License-Identifier: MIT */
/*
 * Properties and bad input of mechanisms that select keys (src/mech/
 * select_attend.c, compact_attend.c, pooled_select.c, moba.c, quest.c, biformer.c, xattention.c,
 * longheads.c, hcam.c, dhsa.c, flexprefill.c, tokenselect.c, minference.c,
 * indexer_topk.c, nsa.c; src/solvers/select_flex.c, select_regions.c,
 * select_stripes.c, select_kept.c, map_windows.c), whose numbers are those of golden files.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "select_data.h"

#define POOLED "pooled_select h=4 q=4 k=4 d=4 "

static void same(const struct dense *a, const struct dense *b, double bound, const char *what)
{
    double out = dense_distance(a->out, b->out, a->n_out);
    ck_assert_msg(out <= bound, "%s: out differs by %g", what, out);
    ck_assert_msg(dense_distance(a->lse, b->lse, a->n_lse) <= bound, "%s: lse", what);
}

/* Whoever may attend to everything is dense. */
START_TEST(enough_is_dense)
{
    static const char *const pairs[][2] = {
        {"moba " GQA "moba_block=16 moba_top=6", "softmax " GQA "causal"},
        {"moba " GQA "moba_block=7 moba_top=99", "softmax " GQA "causal"},
        {"moba " GQA "moba_block=500 moba_top=1", "softmax " GQA "causal"},
        {"quest " GQA "quest_budget=6", "softmax " GQA "causal"},
        {"quest " GQA "quest_page=5 quest_budget=20 softcap=3", "softmax " GQA "causal softcap=3"},
        {"xattention " GQA "xattention_block=16 xattention_threshold=1.1",
         "softmax " GQA "causal"},
        {"xattention " GQA "causal=0 xattention_block=8 xattention_threshold=1.1 scale=0.1",
         "softmax " GQA "scale=0.1"},
        {"biformer " SELF "biformer_region=16 biformer_top=6", "softmax " SELF "scale=0.125"},
        {"biformer " SELF "biformer_region=32 biformer_top=3 scale=0.2",
         "softmax " SELF "scale=0.2"},
        {"biformer " SELF "biformer_region=12 biformer_top=8 biformer_columns=16 "
         "biformer_width=4", "softmax " SELF "scale=0.125"},
        {"longheads " GQA "longheads_chunk=8 longheads_chunks=12", "softmax " GQA "causal"},
        {"dhsa " GQA "dhsa_q_block=10 dhsa_budget=96 dhsa_global=4 dhsa_local=4",
         "softmax " GQA "causal"},
        {"dhsa " GQA "dhsa_q_block=10 dhsa_budget=9 dhsa_global=4 dhsa_local=4 dhsa_tail=96",
         "softmax " GQA "causal"},
        {"xattention " GQA "xattention_block=16 xattention_thresholds=[1.1,2,3,4]",
         "softmax " GQA "causal"},
        {"longheads " GQA "rope=half longheads_chunk=8 longheads_chunks=12 longheads_compact",
         "softmax " GQA "causal rope=half"},
        {"tokenselect " GQA "rope=interleaved rope_dim=8 tokenselect_init=4 tokenselect_local=8 "
         "tokenselect_chunk=8 tokenselect_top=84 tokenselect_compact",
         "softmax " GQA "causal rope=interleaved rope_dim=8"},
        {"tokenselect " GQA "tokenselect_init=4 tokenselect_local=8 tokenselect_chunk=8 "
         "tokenselect_top=84", "softmax " GQA "causal"},
        {"indexer_topk " GQA "indexer_heads=3 indexer_width=8 indexer_tokens=96",
         "softmax " GQA "causal"},
        {"flexprefill " GQA "flexprefill_block=8 flexprefill_min=96", "softmax " GQA "causal"},
        {"flexprefill " GQA "flexprefill_block=48", "softmax " GQA "causal"},
        {"minference " GQA, "softmax " GQA "causal"},
        {"minference " GQA "minference_vertical=96 minference_first=0 minference_slash=50 "
         "minference_near=0 minference_tile=9", "softmax " GQA "causal"},
        {"minference " GQA "minference_slash=96 minference_first=0 minference_near=0 "
         "minference_vertical=30 minference_tile=1 minference_last=7", "softmax " GQA "causal"},
        {"minference " GQA "minference_pattern=block_sparse minference_tile=16 "
         "minference_blocks=6", "softmax " GQA "causal"},
        {"pooled_select " GQA "causal=0 pooled_open=all pooled_k_block=7 pooled_top=14",
         "softmax " GQA},
    };
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof pairs / sizeof pairs[0]; n++) {
        struct dense x, plain;
        select_make(&x, pairs[n][0], N);
        select_make(&plain, pairs[n][1], N);
        ck_assert(dense_run(ctx, pairs[n][0], NULL, &x));
        ck_assert(dense_run(ctx, pairs[n][1], NULL, &plain));
        same(&x, &plain, 2e-6, pairs[n][0]);
        dense_free(&x);
        dense_free(&plain);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Mechanisms are settings of the pooled selector. */
START_TEST(settings_of_pooled_select)
{
    static const char *const pairs[][2] = {
        {"moba " GQA "moba_block=8 moba_top=4",
         "pooled_select " GQA "pooled_k_block=8 pooled_top=4 pooled_last=1"},
        {"moba " GQA "moba_block=8 moba_top=4",
         "pooled_select " GQA "pooled_k_block=8 pooled_open=before pooled_top=4 pooled_last=1"},
        {"quest " GQA "quest_page=8 quest_budget=4",
         "pooled_select " GQA "pooled_k_block=8 pooled_keys=bounds pooled_top=4 pooled_last=1"},
        {"xattention " GQA "xattention_block=16 xattention_stride=4 xattention_threshold=0.5 "
         "scale=0.25",
         "pooled_select " GQA "pooled_k_block=16 pooled_q_block=16 pooled_keys=strides "
         "pooled_stride=4 pooled_score=prob pooled_pick=cover pooled_mass=0.5 "
         "pooled_scale=0.0625 pooled_first=1 pooled_last=1"},
        {"biformer " SELF "biformer_region=16 biformer_top=2",
         "pooled_select " SELF "causal=0 pooled_open=all pooled_k_block=16 pooled_q_block=16 "
         "pooled_head_group=4 pooled_reduce=sum pooled_top=2 scale=0.125"},
        {"minference " GQA "minference_pattern=block_sparse minference_tile=16 "
         "minference_blocks=2",
         "pooled_select " GQA "pooled_k_block=16 pooled_q_block=16 pooled_top=2"},
        {"dhsa " GQA "dhsa_q_block=10 dhsa_budget=30 dhsa_global=4 dhsa_local=6",
         "pooled_select " GQA "pooled_q_block=10 pooled_keys=norm pooled_reduce=mean "
         "pooled_head_group=4 pooled_offsets pooled_tokens pooled_top=30 pooled_first=4 "
         "pooled_last=6"},
        {"tokenselect " GQA "tokenselect_init=4 tokenselect_local=8 tokenselect_chunk=8 "
         "tokenselect_top=20 tokenselect_pool=3",
         "pooled_select " GQA "pooled_q_block=8 pooled_k_block=1 pooled_score=rest "
         "pooled_reduce=sum pooled_head_group=4 pooled_top=32 pooled_first=4 pooled_last=8 "
         "pooled_max=3"},
    };
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof pairs / sizeof pairs[0]; n++) {
        struct dense x, y;
        select_make(&x, pairs[n][0], N);
        select_make(&y, pairs[n][1], N);
        ck_assert(dense_run(ctx, pairs[n][0], NULL, &x));
        ck_assert(dense_run(ctx, pairs[n][1], NULL, &y));
        same(&x, &y, 0, pairs[n][0]);
        dense_free(&x);
        dense_free(&y);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* All keys in one chunk: whatever its relevance is, it is all there is. */
START_TEST(one_chunk_is_dense)
{
    attn_ctx *ctx = dense_ctx(1);
    struct dense x, plain;
    dense_make(&x, B, H, H, N, N, D, D);
    select_give(&x, 1, 1, 1, D);
    dense_make(&plain, B, H, H, N, N, D, D);
    ck_assert(dense_run(ctx, "hcam " SELF "hcam_chunk=96 hcam_top=1", NULL, &x));
    ck_assert(dense_run(ctx, "softmax " SELF, NULL, &plain));
    ck_assert(dense_distance(x.out, plain.out, x.n_out) < 2e-6);
    dense_free(&x);
    dense_free(&plain);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Last queries of each sequence are dense; rows of blocks without one are as they were. */
START_TEST(dense_last_rows)
{
    static int32_t offsets[B * 8] = {0, 7, 8, 20, 41, 60, 70, 77, 0, 7, 8, 20, 41, 60, 77, N};
    static const int32_t lengths[B] = {77, N};
    static const char *const texts[3] = {
        "dhsa " GQA "dhsa_q_block=10 dhsa_budget=30 dhsa_global=4 dhsa_local=6 dhsa_tail=19",
        "dhsa " GQA "dhsa_q_block=10 dhsa_budget=30 dhsa_global=4 dhsa_local=6",
        "softmax " GQA "causal"};
    attn_ctx *ctx = dense_ctx(2);
    struct dense x[3];
    for (int n = 0; n < 3; n++) {
        dense_make(&x[n], B, H, HK, N, N, D, D);
        if (n < 2)
            dense_add(&x[n], ATTN_ROLE_SELECT_OFFSETS, ATTN_DTYPE_I32, 2, (int64_t[]){B, 8},
                      offsets);
        dense_list(&x[n], ATTN_ROLE_Q_LEN, lengths, B);
        dense_list(&x[n], ATTN_ROLE_K_LEN, lengths, B);
        ck_assert(dense_run(ctx, texts[n], NULL, &x[n]));
    }
    for (int64_t b = 0; b < B; b++)
        for (int64_t h = 0; h < H; h++)
            for (int64_t i = 0; i < lengths[b]; i++) {
                int64_t row = (b * H + h) * N + i, tail = lengths[b] - 19;
                const struct dense *y = i >= tail ? &x[2] : &x[1];
                if (i >= tail / 10 * 10 && i < tail)
                    continue; /* of a block that is shorter now */
                ck_assert(dense_distance(x[0].out + row * D, y->out + row * D, D) < 2e-6);
                ck_assert(dense_distance(x[0].lse + row, y->lse + row, 1) < 2e-6);
            }
    for (int n = 0; n < 3; n++)
        dense_free(&x[n]);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Entry 0 has a choice that holds, entry 1 none: what that is given is what it chose. Then
 * both have what the first call told, and with other queries both choose again. */
START_TEST(choices_used_again)
{
    enum { TOP = 20, Q = 3 };
    static const char text[] = "tokenselect b=2 h=4/2 q=3 k=96 d=16 tokenselect_init=4 "
                               "tokenselect_local=8 tokenselect_top=20";
    const int64_t q_shape[3] = {B, H, D}, k_shape[2] = {B, TOP};
    char reuse[256];
    attn_ctx *ctx = dense_ctx(2);
    struct dense x, plain;
    int32_t old[B][TOP], told[B][TOP];
    snprintf(reuse, sizeof reuse, "%s tokenselect_reuse=0.9", text);
    dense_make(&plain, B, H, HK, Q, N, D, D);
    dense_make(&x, B, H, HK, Q, N, D, D);
    float *q = dense_add(&x, ATTN_ROLE_CHOICE_Q, ATTN_DTYPE_F32, 3, q_shape, NULL)->data;
    dense_add(&x, ATTN_ROLE_CHOICE_KEYS, ATTN_DTYPE_I32, 2, k_shape, old);
    float *new_q = dense_add(&x, ATTN_ROLE_NEW_CHOICE_Q, ATTN_DTYPE_F32, 3, q_shape, NULL)->data;
    dense_add(&x, ATTN_ROLE_NEW_CHOICE_KEYS, ATTN_DTYPE_I32, 2, k_shape, told);
    for (int i = 0; i < TOP; i++) {
        old[0][i] = 10 + 3 * i;
        old[1][i] = -1;
    }
    for (int64_t h = 0; h < B * H; h++)
        for (int64_t c = 0; c < D; c++)
            q[h * D + c] = (x.q[(h * Q) * D + c] + x.q[(h * Q + 1) * D + c] +
                            x.q[(h * Q + 2) * D + c]) / 3;
    ck_assert(dense_run(ctx, text, NULL, &plain));
    ck_assert(dense_run(ctx, reuse, NULL, &x));
    size_t half = x.n_out / 2;
    ck_assert(dense_distance(x.out, plain.out, half) > 1e-3);
    ck_assert(dense_distance(x.out + half, plain.out + half, half) == 0);
    ck_assert_int_eq(memcmp(told[0], old[0], sizeof told[0]), 0);
    ck_assert(dense_distance(new_q, q, B * H * D) < 1e-6);
    for (int i = 0; i < TOP; i++)
        ck_assert(told[1][i] >= (i > 0 ? told[1][i - 1] + 1 : 4) && told[1][i] < N - 8);

    memcpy(old, told, sizeof old);
    ck_assert(dense_run(ctx, reuse, NULL, &x)); /* what was chosen, without scores */
    ck_assert(dense_distance(x.out + half, plain.out + half, half) == 0);
    ck_assert_int_eq(memcmp(told, old, sizeof told), 0);

    for (int64_t i = 0; i < B * H * D; i++)
        q[i] = -q[i];
    ck_assert(dense_run(ctx, reuse, NULL, &x));
    ck_assert(dense_distance(x.out, plain.out, x.n_out) == 0);
    ck_assert(memcmp(told[0], old[0], sizeof told[0]) != 0);
    dense_free(&x);
    dense_free(&plain);
    attn_ctx_destroy(ctx);
}
END_TEST

/* moba_top=1 is attention inside of blocks, which segments are as well. */
START_TEST(own_block_alone)
{
    const int64_t shape[2] = {1, N};
    int32_t segment[N];
    attn_ctx *ctx = dense_ctx(1);
    struct dense x, plain;
    for (int i = 0; i < N; i++)
        segment[i] = i / 20;
    select_make(&x, GQA, N);
    select_make(&plain, GQA, N);
    dense_add(&plain, ATTN_ROLE_SEG_Q, ATTN_DTYPE_I32, 2, shape, segment);
    dense_add(&plain, ATTN_ROLE_SEG_K, ATTN_DTYPE_I32, 2, shape, segment);
    ck_assert(dense_run(ctx, "moba " GQA "moba_block=20 moba_top=1", NULL, &x));
    ck_assert(dense_run(ctx, "softmax " GQA "causal segments", NULL, &plain));
    same(&x, &plain, 2e-6, "own blocks");
    dense_free(&x);
    dense_free(&plain);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Rows of a prefill are what a decode of each gives: nothing is selected by
 * what comes later. */
START_TEST(decode_is_the_last_row)
{
    static const char *const texts[] = {"moba " GQA "moba_block=8 moba_top=4",
                                        "quest " GQA "quest_page=8 quest_budget=4"};
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof texts / sizeof texts[0]; n++) {
        struct dense x, one;
        select_make(&x, texts[n], N);
        select_make(&one, texts[n], 1);
        ck_assert(dense_run(ctx, texts[n], NULL, &x));
        for (int32_t at = 0; at < N; at += 13) {
            const int32_t lengths[B] = {at + 1, at + 1};
            for (int64_t h = 0; h < B * H; h++)
                memcpy(one.q + h * D, x.q + (h * N + at) * D, D * sizeof *x.q);
            memcpy(one.k, x.k, (size_t)(B * HK * N * D) * sizeof *x.k);
            memcpy(one.v, x.v, (size_t)(B * HK * N * D) * sizeof *x.v);
            dense_list(&one, ATTN_ROLE_K_LEN, lengths, B);
            ck_assert(dense_run(ctx, texts[n], NULL, &one));
            dense_drop(&one, 1);
            for (int64_t h = 0; h < B * H; h++)
                ck_assert_msg(dense_distance(one.out + h * D, x.out + (h * N + at) * D, D) < 2e-6,
                              "%s: row %d", texts[n], (int)at);
        }
        dense_free(&x);
        dense_free(&one);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Regions in another order are a result in that order. */
START_TEST(order_of_regions)
{
    static const int order[6] = {3, 0, 5, 1, 4, 2};
    const char *text = "biformer " SELF "biformer_region=16 biformer_top=2";
    attn_ctx *ctx = dense_ctx(1);
    struct dense x, y;
    select_make(&x, SELF, N);
    select_make(&y, SELF, N);
    for (int64_t h = 0; h < B * H; h++)
        for (int r = 0; r < 6; r++) {
            size_t to = (size_t)(h * N + r * 16) * D, from = (size_t)(h * N + order[r] * 16) * D;
            memcpy(y.q + to, x.q + from, 16 * D * sizeof *x.q);
            memcpy(y.k + to, x.k + from, 16 * D * sizeof *x.k);
            memcpy(y.v + to, x.v + from, 16 * D * sizeof *x.v);
        }
    ck_assert(dense_run(ctx, text, NULL, &x));
    ck_assert(dense_run(ctx, text, NULL, &y));
    for (int64_t h = 0; h < B * H; h++)
        for (int r = 0; r < 6; r++)
            ck_assert(dense_distance(y.out + (h * N + r * 16) * D,
                                     x.out + (h * N + order[r] * 16) * D, 16 * D) < 2e-6);
    dense_free(&x);
    dense_free(&y);
    attn_ctx_destroy(ctx);
}
END_TEST

/* The same bits for any number of threads, and for a batch entry by itself. */
START_TEST(threads_and_batches)
{
    for (size_t n = 0; n < SELECT_ALL; n++) {
        struct dense x[2], one;
        if (select_is_given(select_all[n]))
            continue; /* one of their batch entries has tensors of its own */
        for (int t = 0; t < 2; t++) {
            attn_ctx *ctx = dense_ctx(1 + 2 * t);
            select_make(&x[t], select_all[n], N);
            ck_assert(dense_run(ctx, select_all[n], NULL, &x[t]));
            attn_ctx_destroy(ctx);
        }
        same(&x[0], &x[1], 0, select_all[n]);
        attn_ctx *ctx = dense_ctx(2);
        int64_t hk = x[0].hk;
        select_make_sized(&one, select_all[n], 1, N, N);
        memcpy(one.q, x[0].q + H * N * D, (size_t)(H * N * D) * sizeof *one.q);
        memcpy(one.k, x[0].k + hk * N * D, (size_t)(hk * N * D) * sizeof *one.k);
        memcpy(one.v, x[0].v + hk * N * D, (size_t)(hk * N * D) * sizeof *one.v);
        ck_assert(dense_run(ctx, select_all[n], NULL, &one));
        ck_assert_msg(memcmp(one.out, x[0].out + H * N * D, one.n_out * sizeof *one.out) == 0,
                      "%s: a batch entry by itself", select_all[n]);
        attn_ctx_destroy(ctx);
        dense_free(&one);
        dense_free(&x[0]);
        dense_free(&x[1]);
    }
}
END_TEST

/* NaN where it is selected by: an error in front of the first write. Behind the
 * lengths: nothing. */
START_TEST(not_a_number)
{
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < SELECT_ALL; n++) {
        static const int32_t lengths[B] = {N - 16, N};
        struct dense x, y;
        select_make(&x, select_all[n], N);
        select_make(&y, select_all[n], N);
        bool given = select_is_given(select_all[n]);
        float *k = given ? dense_view(&x, ATTN_ROLE_SELECT_K)->data : x.k;
        float before = k[8 * D + 3];
        k[8 * D + 3] = NAN;
        attn_plan *plan = dense_plan(ctx, select_all[n], NULL);
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_DATA);
        ck_assert_ptr_nonnull(strstr(dense_error(), "NaN"));
        ck_assert(isnan(x.out[0]) && isnan(x.out[x.n_out - 1]));
        k[8 * D + 3] = before;
        if (given || strstr(select_all[n], "dhsa")) { /* blocks are of all keys */
            attn_plan_destroy(plan);
            dense_free(&x);
            dense_free(&y);
            continue;
        }
        dense_list(&x, ATTN_ROLE_Q_LEN, lengths, B);
        dense_list(&x, ATTN_ROLE_K_LEN, lengths, B);
        dense_list(&y, ATTN_ROLE_Q_LEN, lengths, B);
        dense_list(&y, ATTN_ROLE_K_LEN, lengths, B);
        for (int64_t h = 0; h < x.hk; h++)
            x.k[(h * N + N - 1) * D] = x.v[(h * N + N - 1) * D] = x.q[(h * N + N - 1) * D] = NAN;
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_OK);
        ck_assert_int_eq(attn_plan_execute(plan, y.arg, y.n, NULL, 0), ATTN_OK);
        same(&x, &y, 0, select_all[n]);
        attn_plan_destroy(plan);
        dense_free(&x);
        dense_free(&y);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(nothing_there)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < SELECT_ALL; n++) {
        struct dense x;
        bool tied = select_is_tied(select_all[n]);
        select_make_sized(&x, select_all[n], B, 0, tied ? 0 : N);
        ck_assert(dense_run(ctx, select_all[n], NULL, &x));
        dense_free(&x);
        select_make_sized(&x, select_all[n], B, tied ? 0 : 5, 0);
        ck_assert(dense_run(ctx, select_all[n], NULL, &x));
        for (size_t i = 0; i < x.n_out; i++)
            ck_assert(x.out[i] == 0);
        for (size_t i = 0; i < x.n_lse; i++)
            ck_assert(x.lse[i] == -INFINITY);
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *text;
        int32_t status;
        const char *says;
    } cases[] = {
        {"moba h=4 q=4 k=4 d=4 moba_block=2", ATTN_ERR_UNSET, "moba_top"},
        {"moba h=4 q=4 k=4 d=4 moba_top=2", ATTN_ERR_UNSET, "moba_block"},
        {"moba h=4 q=4 k=4 d=4 causal=0 moba_block=2 moba_top=1", ATTN_ERR_INVALID, "causal is 0"},
        {"moba h=4 q=4 k=inf d=4 moba_block=2 moba_top=1", ATTN_ERR_UNSUPPORTED, "k is inf"},
        {"moba h=4 q=4 k=4 d=4 moba_block=2 moba_top=1 alibi", ATTN_ERR_INVALID, "alibi is set"},
        {"moba h=4 q=4 k=4 d=4 moba_block=2 moba_top=1 rope=half", ATTN_ERR_INVALID,
         "rope is set"},
        {"softmax h=4 q=4 k=4 d=4 moba_top=1", ATTN_ERR_INVALID, "moba_top is set"},
        {"quest h=4 q=4 k=4 d=4", ATTN_ERR_UNSET, "quest_budget"},
        {"biformer h=4 q=4 k=4 d=4 biformer_region=2", ATTN_ERR_UNSET, "biformer_top"},
        {"biformer h=4 q=4 k=4 d=4 causal biformer_region=2 biformer_top=1", ATTN_ERR_INVALID,
         "causal is 1"},
        {"biformer h=4/2 q=4 k=4 d=4 biformer_region=2 biformer_top=1", ATTN_ERR_INVALID,
         "h=4/2/2"},
        {"biformer h=4 q=4 k=4 d=4 biformer_region=2 biformer_top=3", ATTN_ERR_INVALID,
         "biformer_top is 3"},
        {"biformer h=4 q=4 k=4 d=4 biformer_region=2 biformer_top=1 biformer_width=2",
         ATTN_ERR_INVALID, "biformer_width is set"},
        {"biformer h=4 q=4 k=4 d=4 biformer_region=2 biformer_top=1 biformer_columns=2",
         ATTN_ERR_UNSET, "biformer_width"},
        {"biformer h=4 q=8 k=8 d=4 biformer_region=4 biformer_top=1 biformer_columns=4 "
         "biformer_width=3", ATTN_ERR_INVALID, "biformer_region is 4"},
        {"biformer h=4 q=8 k=8 d=4 biformer_region=4 biformer_top=3 biformer_columns=4 "
         "biformer_width=2", ATTN_ERR_INVALID, "at most the 2 regions"},
        {"xattention h=4 q=4 k=4 d=4 xattention_stride=12", ATTN_ERR_INVALID,
         "xattention_stride is 12"},
        {"longheads h=4 q=4 k=4 d=4/2 longheads_made", ATTN_ERR_INVALID, "dv is 2"},
        {"longheads h=4/2 q=4 k=4 d=4 kv_head=[0,1,0,1] longheads_made", ATTN_ERR_INVALID,
         "k_head is set"},
        {"nsa h=4 q=4 k=4 d=4 nsa_stride=5", ATTN_ERR_INVALID, "nsa_compress is 32"},
        {"nsa h=4 q=4 k=4 d=4 nsa_block=40", ATTN_ERR_INVALID, "nsa_block is 40"},
        {"nsa h=4 q=4 k=4 d=4 nsa_top=2", ATTN_ERR_INVALID, "nsa_top is 2"},
        {"nsa h=4 q=4 k=4 d=4 want=rowmax", ATTN_ERR_INVALID, "want is set"},
        {"flexprefill h=4 q=4 k=4 d=4 flexprefill_max=9", ATTN_ERR_INVALID,
         "flexprefill_max is 9"},
        {"minference h=4 q=4 k=4 d=4 minference_blocks=9", ATTN_ERR_INVALID,
         "minference_blocks is set"},
        {"minference h=4 q=4 k=4 d=4 minference_pattern=block_sparse minference_slash=9",
         ATTN_ERR_INVALID, "minference_slash is set"},
        {"hcam h=4 q=4 k=4 d=4 hcam_chunk=2", ATTN_ERR_UNSET, "hcam_top"},
        {"hcam h=4 q=4 k=4 d=4 hcam_chunk=2 hcam_top=1 causal", ATTN_ERR_INVALID, "causal is 1"},
        {"dhsa h=4 q=4 k=4 d=4 dhsa_budget=9", ATTN_ERR_INVALID, "dhsa_budget is 9"},
        {"dhsa h=4 q=4 k=4 d=4 dhsa_tail=2 want=rowmax", ATTN_ERR_UNSUPPORTED, "want is set"},
        {"dhsa h=4 q=4 k=4 d=4 dhsa_tail=2 select=only", ATTN_ERR_UNSUPPORTED, "select is only"},
        {"dhsa h=4 q=4 k=4 d=4 dhsa_tail=2 align=top_left", ATTN_ERR_UNSUPPORTED,
         "align is top_left"},
        {"xattention h=4 q=4 k=4 d=4 xattention_thresholds=[0.5,0.5]", ATTN_ERR_INVALID,
         "xattention_thresholds has 2 entries"},
        {"xattention h=2 q=4 k=4 d=4 xattention_thresholds=[0.5,0.5] xattention_threshold=0.5",
         ATTN_ERR_INVALID, "xattention_threshold is set"},
        {"tokenselect h=4 q=600 k=900 d=4", ATTN_ERR_INVALID, "600 queries"},
        {"tokenselect h=4 q=4 k=900 d=4 tokenselect_pool=2", ATTN_ERR_INVALID,
         "tokenselect_pool is 2"},
        {"tokenselect h=4 q=4 k=900 d=4 tokenselect_chunk=2 tokenselect_reuse=0.9",
         ATTN_ERR_UNSUPPORTED, "tokenselect_chunk is less than q"},
        {"tokenselect h=4 q=4 k=900 d=4 packed tokenselect_reuse=0.9", ATTN_ERR_UNSUPPORTED,
         "packed is set"},
        {"tokenselect h=4 q=4 k=900 d=4 tokenselect_reuse=0.9 align=top_left",
         ATTN_ERR_UNSUPPORTED, "align is top_left"},
        {"tokenselect h=4 q=4 k=900 d=4 rope=half", ATTN_ERR_INVALID, "rope is set"},
        {"tokenselect h=4 q=4 k=900 d=4 tokenselect_compact", ATTN_ERR_INVALID, "without rope"},
        {"tokenselect h=4 q=4 k=900 d=4 tokenselect_compact rope=half want=rowmax",
         ATTN_ERR_UNSUPPORTED, "want is set"},
        {"tokenselect h=4 q=4 k=900 d=4 tokenselect_compact rope=half align=top_left",
         ATTN_ERR_UNSUPPORTED, "align is top_left"},
        {"longheads h=4 q=4 k=900 d=4 longheads_compact rope=half select=only",
         ATTN_ERR_UNSUPPORTED, "select is only"},
        {"longheads h=4 q=4 k=900 d=4 longheads_compact rope=half rope_positions",
         ATTN_ERR_INVALID, "rope_positions is set"},
        {"indexer_topk h=4 q=4 k=4 d=4 indexer_heads=2", ATTN_ERR_UNSET, "indexer_width"},
        {POOLED "pooled_top=2", ATTN_ERR_UNSET, "pooled_k_block"},
        {POOLED "pooled_k_block=2", ATTN_ERR_UNSET, "pooled_top"},
        {POOLED "pooled_k_block=2 pooled_pick=least", ATTN_ERR_UNSET, "pooled_mass"},
        {POOLED "pooled_k_block=2 pooled_top=2 pooled_mass=1", ATTN_ERR_INVALID,
         "pooled_mass is set"},
        {POOLED "pooled_k_block=2 pooled_top=2 pooled_stride=1", ATTN_ERR_INVALID,
         "pooled_stride is set"},
        {POOLED "pooled_k_block=2 pooled_top=2 pooled_heads=1", ATTN_ERR_INVALID,
         "pooled_heads is set"},
        {POOLED "pooled_k_block=2 pooled_pick=cover pooled_mass=1", ATTN_ERR_INVALID,
         "pooled_pick=cover"},
        {POOLED "pooled_k_block=2 pooled_top=2 pooled_head_group=3", ATTN_ERR_INVALID,
         "pooled_head_group is 3"},
        {POOLED "pooled_k_block=2 pooled_top=2 pooled_head_group=4", ATTN_ERR_INVALID,
         "4 heads score for 1 sets"},
        {POOLED "pooled_k_block=6 pooled_q_block=6 pooled_top=2 pooled_keys=strides "
         "pooled_stride=4 pooled_score=prob", ATTN_ERR_INVALID, "multiples of pooled_stride"},
        {POOLED "pooled_k_block=2 pooled_top=2 pooled_tokens", ATTN_ERR_INVALID,
         "pooled_tokens"},
        {POOLED "pooled_k_block=2 pooled_top=2 pooled_mask pooled_score=prob", ATTN_ERR_INVALID,
         "pooled_mask"},
        {POOLED "pooled_k_block=2 pooled_top=2 pooled_q_block=2 pooled_score=relu",
         ATTN_ERR_INVALID, "pooled_score=relu"},
    };
    static const char *const limits[] = {
        "moba h=4 q=4 k=4 d=4 moba_block=0", "moba h=4 q=4 k=4 d=4 moba_top=0",
        "quest h=4 q=4 k=4 d=4 quest_budget=0", "quest h=4 q=4 k=4 d=4 quest_page=0",
        "biformer h=4 q=4 k=4 d=4 biformer_top=0",
        "xattention h=4 q=4 k=4 d=4 xattention_threshold=0",
        "flexprefill h=4 q=4 k=4 d=4 flexprefill_gamma=0",
        "flexprefill h=4 q=4 k=4 d=4 flexprefill_gamma=1.1",
        "flexprefill h=4 q=4 k=4 d=4 flexprefill_tau=1.1",
    };
    attn_ctx *ctx = dense_ctx(1);
    attn_desc *desc;
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        attn_plan *plan;
        ck_assert_int_eq(attn_desc_parse(ctx, cases[n].text, &desc), ATTN_OK);
        int32_t status = attn_plan_create(ctx, desc, &plan);
        ck_assert_msg(status == cases[n].status, "%s: %d, %s", cases[n].text, (int)status,
                      dense_error());
        ck_assert_msg(strstr(dense_error(), cases[n].says), "%s: %s", cases[n].text, dense_error());
        attn_desc_destroy(desc);
    }
    for (size_t n = 0; n < sizeof limits / sizeof limits[0]; n++)
        ck_assert_msg(attn_desc_parse(ctx, limits[n], &desc) != ATTN_OK, "%s", limits[n]);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Blocks that do not fit the keys. */
START_TEST(refused_at_execute)
{
    static const int32_t bad[][8] = {
        {1, 7, 8, 20, 41, 60, 77, N},     {0, 7, 7, 20, 41, 60, 77, N},
        {0, 7, 8, 20, 41, 60, 77, N - 1}, {0, 7, 8, 20, 41, 60, N, N + 9},
        {0, 7, 8, -20, 41, 60, 77, N},
    };
    static const char *const says[] = {"[0,0]", "[0,2]", "ends with 95", "[0,7]", "[0,3]"};
    attn_ctx *ctx = dense_ctx(1);
    const char *text = "dhsa " GQA "dhsa_q_block=10 dhsa_budget=30 dhsa_global=4 dhsa_local=6";
    attn_plan *plan = dense_plan(ctx, text, NULL);
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        struct dense x;
        select_make(&x, text, N);
        memcpy(dense_view(&x, ATTN_ROLE_SELECT_OFFSETS)->data, bad[n], sizeof bad[n]);
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_RANGE);
        ck_assert_msg(strstr(dense_error(), says[n]), "%s", dense_error());
        ck_assert(isnan(x.out[0]));
        dense_free(&x);
    }
    attn_plan_destroy(plan);
    struct dense x;
    text = "hcam " SELF "hcam_chunk=8 hcam_top=3 hcam_mask";
    plan = dense_plan(ctx, text, NULL);
    select_make(&x, text, N);
    dense_add(&x, ATTN_ROLE_SELECT_MASK, ATTN_DTYPE_BOOL, 3, (int64_t[]){B, N, 11}, NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(dense_error(), "select_mask has 11 columns"));
    dense_drop(&x, 1);
    dense_add(&x, ATTN_ROLE_SELECT_MASK, ATTN_DTYPE_BOOL, 3, (int64_t[]){B, N, 12}, NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_OK);
    for (size_t i = 0; i < x.n_out; i++) /* no query may have any chunk */
        ck_assert(x.out[i] == 0);
    dense_view(&x, ATTN_ROLE_K)->shape[2] = dense_view(&x, ATTN_ROLE_V)->shape[2] = N - 8;
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    attn_plan_destroy(plan);
    dense_free(&x);
    text = "biformer " SELF "biformer_region=4 biformer_top=2 biformer_columns=16 biformer_width=2";
    plan = dense_plan(ctx, text, NULL);
    select_make_sized(&x, text, B, 40, 40);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(dense_error(), "40 tokens, expected lines of the 16"));
    attn_plan_destroy(plan);
    dense_free(&x);
    text = "flexprefill " GQA;
    plan = dense_plan(ctx, text, NULL);
    select_make(&x, text, N - 1);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(dense_error(), "95 queries and 96 keys"));
    attn_plan_destroy(plan);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Gates of one part; 0 for the others. */
static void gate_part(struct dense *x, int part)
{
    float *g = dense_view(x, ATTN_ROLE_GATE)->data;
    for (int64_t i = 0; i < B * H * x->nq * 3; i++)
        g[i] = i % 3 == part;
}

/* Each part of nsa by itself is dense where it has everything; they add up. */
START_TEST(parts_of_nsa)
{
    static const char *const texts[] = {
        "nsa " GQA "nsa_compress=1 nsa_stride=1", "nsa " GQA "nsa_block=16 nsa_top=6",
        "nsa " GQA "nsa_local=96"};
    attn_ctx *ctx = dense_ctx(2);
    struct dense plain, x;
    select_make(&plain, GQA, N);
    ck_assert(dense_run(ctx, "softmax " GQA "causal", NULL, &plain));
    select_make(&x, GQA, N);
    dense_drop(&x, 1); /* lse: a sum has none */
    dense_add(&x, ATTN_ROLE_GATE, ATTN_DTYPE_F32, 4, (int64_t[]){B, H, N, 3}, NULL);
    for (int part = 0; part < 3; part++) {
        gate_part(&x, part);
        ck_assert(dense_run(ctx, texts[part], NULL, &x));
        ck_assert_msg(dense_distance(x.out, plain.out, x.n_out) < 2e-6, "%s", texts[part]);
    }
    float sum[B * H * N * D] = {0};
    const char *text = "nsa " GQA "nsa_compress=8 nsa_stride=4 nsa_block=8 nsa_top=4 nsa_local=9";
    for (int part = 0; part < 4; part++) {
        gate_part(&x, part);
        for (int64_t i = 0; i < B * H * N * 3 && part == 3; i++)
            ((float *)dense_view(&x, ATTN_ROLE_GATE)->data)[i] = 1;
        ck_assert(dense_run(ctx, text, NULL, &x));
        for (size_t i = 0; i < x.n_out && part < 3; i++)
            sum[i] += x.out[i];
    }
    ck_assert(dense_distance(sum, x.out, x.n_out) < 1e-6);
    attn_plan *plan = dense_plan(ctx, text, NULL);
    ((float *)dense_view(&x, ATTN_ROLE_GATE)->data)[7] = NAN;
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(dense_error(), "gate has nan at [0,0,2,1]"));
    attn_plan_destroy(plan);
    dense_free(&x);
    dense_free(&plain);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Keys behind K_LEN count for no part, and queries of a decode are those of a
 * prefill. */
START_TEST(lengths_of_nsa)
{
    static const int32_t lengths[B] = {N - 9, N};
    const char *text = "nsa " GQA "nsa_compress=8 nsa_stride=4 nsa_block=8 nsa_top=4 nsa_local=9";
    attn_ctx *ctx = dense_ctx(2);
    struct dense x, one;
    select_make(&x, GQA, N);
    select_make(&one, GQA, 1);
    dense_drop(&x, 1);
    dense_drop(&one, 1);
    dense_add(&x, ATTN_ROLE_GATE, ATTN_DTYPE_F32, 4, (int64_t[]){B, H, N, 3}, NULL);
    dense_add(&one, ATTN_ROLE_GATE, ATTN_DTYPE_F32, 4, (int64_t[]){B, H, 1, 3}, NULL);
    for (int64_t i = 0; i < B * H * N * 3; i++)
        ((float *)dense_view(&x, ATTN_ROLE_GATE)->data)[i] = (float)(i % 3 + 1);
    for (int64_t i = 0; i < B * H * 3; i++)
        ((float *)dense_view(&one, ATTN_ROLE_GATE)->data)[i] = (float)(i % 3 + 1);
    ck_assert(dense_run(ctx, text, NULL, &x));
    dense_list(&one, ATTN_ROLE_K_LEN, lengths, B);
    for (int64_t h = 0; h < B * H; h++) {
        int64_t at = h * N + lengths[h / H] - 1;
        memcpy(one.q + h * D, x.q + at * D, D * sizeof *x.q);
    }
    memcpy(one.k, x.k, (size_t)(B * HK * N * D) * sizeof *x.k);
    memcpy(one.v, x.v, (size_t)(B * HK * N * D) * sizeof *x.v);
    for (int64_t h = 0; h < HK; h++)
        one.k[(h * N + N - 1) * D] = one.v[(h * N + N - 1) * D] = NAN;
    ck_assert(dense_run(ctx, text, NULL, &one));
    for (int64_t h = 0; h < B * H; h++) {
        int64_t at = h * N + lengths[h / H] - 1;
        ck_assert(dense_distance(one.out + h * D, x.out + at * D, D) < 3e-6);
    }
    dense_free(&x);
    dense_free(&one);
    attn_ctx_destroy(ctx);
}
END_TEST

#define MADE "longheads " SELF "longheads_chunk=8 longheads_chunks=4 longheads_made"

/* Queries without positions, and room for chunk keys. */
static float *make_made(struct dense *x, int64_t heads)
{
    dense_make(x, B, H, heads, N, N, D, D);
    select_give(x, H, 1, 1, D);
    dense_drop(x, 1);
    return dense_add(x, ATTN_ROLE_CHUNK_KEYS, ATTN_DTYPE_F32, 4, (int64_t[]){B, H, N / 8, D},
                     NULL)->data;
}

/* Chunk keys that are made choose what they do when they are given, for any number
 * of threads, and what select=only writes is that choice. */
START_TEST(made_chunk_keys)
{
    attn_ctx *ctx = dense_ctx(3), *alone = dense_ctx(1);
    struct dense x, y, z;
    attn_selection *sel;
    float *made = make_made(&x, H);
    ck_assert(dense_run(ctx, MADE, NULL, &x));
    select_make(&y, "longheads h=4", N);
    memcpy(dense_view(&y, ATTN_ROLE_SELECT_K)->data, made, sizeof *made * B * H * N / 8 * D);
    ck_assert(dense_run(alone, "longheads " SELF "longheads_chunk=8 longheads_chunks=4", NULL, &y));
    same(&x, &y, 0, MADE);
    dense_clear(&x);
    dense_list(&x, ATTN_ROLE_Q_LEN, (const int32_t[]){N - 13, N}, B);
    dense_list(&x, ATTN_ROLE_K_LEN, (const int32_t[]){N - 13, N}, B);
    x.k[(N - 1) * D] = x.q[(N - 1) * D] = x.v[(N - 14) * D + 1] = NAN; /* in no whole chunk */
    ck_assert(dense_run(ctx, MADE, NULL, &x));
    ck_assert(made[10 * D] == 0 && made[9 * D] != 0);
    ck_assert(memcmp(x.out + H * N * D, y.out + H * N * D, sizeof *x.out * H * N * D) == 0);
    attn_plan *plan = dense_plan(alone, MADE " select=only", NULL);
    ck_assert_int_eq(attn_selection_create(alone, plan, &sel), ATTN_OK);
    dense_make(&z, B, H, H, N, N, D, D);
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, dense_view(&z, ATTN_ROLE_Q)},
                             {ATTN_ROLE_K, 0, dense_view(&z, ATTN_ROLE_K)},
                             {ATTN_ROLE_V, 0, dense_view(&z, ATTN_ROLE_V)},
                             {ATTN_ROLE_SELECT_Q, 0, dense_view(&x, ATTN_ROLE_SELECT_Q)},
                             {ATTN_ROLE_SELECTION_OUT, 0, sel}};
    ck_assert_int_eq(attn_plan_execute(plan, args, 5, NULL, 0), ATTN_OK);
    z.arg[z.n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
    ck_assert(dense_run(ctx, "lists " SELF "causal", NULL, &z));
    same(&z, &y, 0, "lists of " MADE);
    z.n--;
    attn_selection_destroy(sel);
    attn_plan_destroy(plan);
    dense_free(&x);
    dense_free(&y);
    dense_free(&z);
    attn_ctx_destroy(ctx);
    attn_ctx_destroy(alone);
}
END_TEST

START_TEST(made_chunk_keys_refused)
{
    static const struct {
        int64_t nq, rows;
        int32_t status;
        const char *says;
    } cases[] = {
        {N, N / 8, ATTN_ERR_DATA, "NaN"},
        {N - 1, N / 8, ATTN_ERR_ROLE, "local_q is missing"},
        {N, N / 8 - 1, ATTN_ERR_SHAPE, "chunk_keys has 11 rows"},
    };
    attn_ctx *ctx = dense_ctx(2);
    attn_plan *plan = dense_plan(ctx, MADE, NULL);
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        struct dense x;
        float *made = make_made(&x, H);
        made[0] = 7;
        x.k[8 * D] = NAN;
        dense_view(&x, ATTN_ROLE_Q)->shape[2] = dense_view(&x, ATTN_ROLE_OUT)->shape[2] =
            dense_view(&x, ATTN_ROLE_LSE)->shape[2] =
                dense_view(&x, ATTN_ROLE_SELECT_Q)->shape[2] = cases[n].nq;
        dense_view(&x, ATTN_ROLE_CHUNK_KEYS)->shape[2] = cases[n].rows;
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), cases[n].status);
        ck_assert_msg(strstr(dense_error(), cases[n].says), "%s", dense_error());
        ck_assert(isnan(x.out[0]) && made[0] == 7);
        dense_free(&x);
    }
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("select", made_chunk_keys, made_chunk_keys_refused, parts_of_nsa, lengths_of_nsa,
          enough_is_dense, settings_of_pooled_select, one_chunk_is_dense, own_block_alone,
          dense_last_rows, choices_used_again,
          decode_is_the_last_row, order_of_regions, threads_and_batches,
          not_a_number, nothing_there, refused, refused_at_execute)
