/* SPDX-License-Identifier: MIT */
/*
 * Properties and bad input of landmark, sparsifiner, hip and spt (src/mech/
 * landmark.c, sparsifiner.c, hip.c, spt.c; src/solvers/select_landmark.c,
 * select_predict.c, select_tree.c, select_codes.c, select_tasks.c), whose numbers
 * are those of a golden file.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

enum { B = 2, H = 4, N = 96, D = 16, SECTION = 9 };

#define GQA "b=2 h=4/2 q=96 k=96 d=16 "
#define LANDMARK "landmark " GQA "landmark_blocks=12 "
#define GIVEN "sparsifiner " GQA "sparsifiner_given "

/* A tensor of random numbers of that size. */
static float *numbers(struct dense *x, int32_t role, int32_t rank, const int64_t *shape,
                      double size)
{
    struct rng r = {(uint64_t)role};
    float *f = dense_add(x, role, ATTN_DTYPE_F32, rank, shape, NULL)->data;
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        n *= shape[i];
    for (int64_t i = 0; i < n; i++)
        f[i] = (float)(size * rng_normal(&r));
    return f;
}

static uint8_t *give_landmarks(struct dense *x, int64_t nk, bool any)
{
    uint8_t *mark =
        dense_add(x, ATTN_ROLE_LANDMARK, ATTN_DTYPE_BOOL, 2, (int64_t[]){1, nk}, NULL)->data;
    for (int64_t j = 0; j < nk; j++)
        mark[j] = any && j % SECTION == SECTION - 1;
    return mark;
}

static void give_predictor(struct dense *x, int64_t nk)
{
    enum { WIDTH = D / 2, BASIS = N / 6 };
    numbers(x, ATTN_ROLE_PREDICT_WQ, 2, (int64_t[]){WIDTH, D}, 0.3);
    numbers(x, ATTN_ROLE_PREDICT_WK, 2, (int64_t[]){WIDTH, D}, 0.3);
    numbers(x, ATTN_ROLE_PREDICT_BQ, 1, (int64_t[]){WIDTH}, 1);
    numbers(x, ATTN_ROLE_PREDICT_BK, 1, (int64_t[]){WIDTH}, 1);
    numbers(x, ATTN_ROLE_PREDICT_DOWN, 2, (int64_t[]){nk, BASIS}, 0.1);
    numbers(x, ATTN_ROLE_PREDICT_UP, 2, (int64_t[]){nk, BASIS}, 1);
}

/* The tensors that a problem takes. */
static void make(struct dense *x, const char *text, int64_t b, int64_t nq, int64_t nk)
{
    dense_make(x, b, H, strstr(text, "h=4/2") ? 2 : H, nq, nk, D, D);
    if (strstr(text, "landmark"))
        give_landmarks(x, nk, true);
    if (strstr(text, "given"))
        numbers(x, ATTN_ROLE_SELECT_SCORES, 4, (int64_t[]){1, H, nq, nk}, 1);
    else if (strstr(text, "sparsifiner"))
        give_predictor(x, nk);
    if (strstr(text, "spt"))
        numbers(x, ATTN_ROLE_CODEBOOK, 3,
                strstr(text, "spt_part=2") ? (int64_t[]){D / 2, 16, 2} : (int64_t[]){D / 8, 16, 8},
                1);
}

static void same(const struct dense *a, const struct dense *b, double bound, const char *what)
{
    double out = dense_distance(a->out, b->out, a->n_out);
    ck_assert_msg(out <= bound, "%s: out differs by %g", what, out);
    ck_assert_msg(dense_distance(a->lse, b->lse, a->n_lse) <= bound, "%s: lse", what);
}

START_TEST(equals)
{
    static const struct {
        const char *a, *b;
        double bound;
    } pairs[] = {
        {"sparsifiner " GQA "sparsifiner_budget=96", "softmax " GQA, 2e-6},
        {GIVEN "sparsifiner_budget=96 softcap=3", "softmax " GQA "softcap=3", 2e-6},
        {"sparsifiner " GQA "sparsifiner_class=96", "softmax " GQA, 2e-6},
        {"hip " GQA "hip_tokens=96", "softmax " GQA "causal", 2e-6},
        {"hip " GQA "hip_tokens=4 hip_window=96", "softmax " GQA "causal", 2e-6},
        {"hip " GQA "hip_tokens=88 hip_q_block=8 hip_window=8 scale=0.1",
         "softmax " GQA "causal scale=0.1", 2e-6},
        {"spt " GQA "spt_top=96 spt_clamp=1e30", "softmax " GQA "causal", 2e-6},
        {"spt " GQA "spt_top=96 spt_clamp=1e30 causal=0", "softmax " GQA, 2e-6},
        /* a step for each count but for the two largest ones: none is as high here */
        {"spt " GQA "spt_part=2 spt_slots=8 spt_top=9", "spt " GQA "spt_part=2 spt_top=9", 0},
        {LANDMARK "landmark_top=10", LANDMARK, 0},
        {LANDMARK "landmark_top=99 landmark_over=heads", LANDMARK, 0},
        {LANDMARK "landmark_top=99 landmark_over=tokens", LANDMARK, 0},
    };
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof pairs / sizeof pairs[0]; n++) {
        struct dense x, y;
        make(&x, pairs[n].a, B, N, N);
        make(&y, pairs[n].b, B, N, N);
        ck_assert(dense_run(ctx, pairs[n].a, NULL, &x));
        ck_assert(dense_run(ctx, pairs[n].b, NULL, &y));
        same(&x, &y, pairs[n].bound, pairs[n].a);
        dense_free(&x);
        dense_free(&y);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* No landmarks: causal attention. With them the weights of a row still are 1. */
START_TEST(landmarks)
{
    attn_ctx *ctx = dense_ctx(2);
    struct dense x, y;
    make(&x, GQA, B, N, N);
    give_landmarks(&x, N, false);
    make(&y, GQA, B, N, N);
    ck_assert(dense_run(ctx, LANDMARK, NULL, &x));
    ck_assert(dense_run(ctx, "softmax " GQA "causal", NULL, &y));
    same(&x, &y, 2e-6, "no landmarks");
    dense_free(&x);
    make(&x, LANDMARK, B, N, N);
    for (int64_t i = 0; i < B * x.hk * N * D; i++)
        x.v[i] = 1;
    ck_assert(dense_run(ctx, LANDMARK "landmark_top=2", NULL, &x));
    for (size_t i = 0; i < x.n_out; i++)
        ck_assert(fabsf(x.out[i] - 1) < 1e-6f);
    dense_free(&x);
    dense_free(&y);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Sections of one ordinary token: what a landmark gets is that token's. */
START_TEST(landmarks_of_one_token)
{
    enum { PAIRS = 20 };
    const char *text = "landmark b=1 h=4 q=1 k=41 d=16 landmark_blocks=20";
    attn_ctx *ctx = dense_ctx(1);
    struct dense x, y;
    dense_make(&x, 1, H, H, 1, 2 * PAIRS + 1, D, D);
    dense_make(&y, 1, H, H, 1, PAIRS + 1, D, D);
    uint8_t *mark = give_landmarks(&x, 2 * PAIRS + 1, false);
    for (int64_t j = 0; j < 2 * PAIRS; j++)
        mark[j] = j % 2 == 1;
    for (int64_t h = 0; h < H; h++)
        for (int64_t j = 0; j <= PAIRS; j++) {
            const float *pair = x.k + (h * (2 * PAIRS + 1) + 2 * j) * D;
            memcpy(y.k + (h * (PAIRS + 1) + j) * D, j < PAIRS ? pair + D : pair, D * sizeof *x.k);
            memcpy(y.v + (h * (PAIRS + 1) + j) * D, x.v + (h * (2 * PAIRS + 1) + 2 * j) * D,
                   D * sizeof *x.v);
        }
    memcpy(y.q, x.q, H * D * sizeof *x.q);
    ck_assert(dense_run(ctx, text, NULL, &x));
    ck_assert(dense_run(ctx, "softmax b=1 h=4 q=1 k=21 d=16", NULL, &y));
    same(&x, &y, 2e-6, "one token each");
    dense_free(&x);
    dense_free(&y);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Rows have as many keys as the budget says, class rows all. */
START_TEST(budget_of_rows)
{
    enum { BUDGET = 7, CLASSES = 2 };
    const char *text = "sparsifiner " GQA "sparsifiner_budget=7 sparsifiner_class=2 want=probs";
    attn_ctx *ctx = dense_ctx(2);
    struct dense x;
    make(&x, text, B, N, N);
    float *p = dense_add(&x, ATTN_ROLE_PROBS, ATTN_DTYPE_F32, 4, (int64_t[]){B, H, N, N}, NULL)
                   ->data;
    ck_assert(dense_run(ctx, text, NULL, &x));
    for (int64_t r = 0; r < B * H * N; r++) {
        int count = 0;
        for (int64_t j = 0; j < N; j++)
            count += p[r * N + j] > 0;
        ck_assert_int_eq(count, r % N < CLASSES ? N : BUDGET);
    }
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Rows that are equal have the same codes, all of them: with one key to choose a
 * query takes its own. */
START_TEST(equal_rows_choose_each_other)
{
    const char *text = "spt b=2 h=4 q=96 k=96 d=16 spt_part=2 spt_top=1";
    attn_ctx *ctx = dense_ctx(2);
    struct dense x;
    make(&x, text, B, N, N);
    memcpy(x.k, x.q, (size_t)(B * H * N * D) * sizeof *x.k);
    ck_assert(dense_run(ctx, text, NULL, &x));
    ck_assert(dense_distance(x.out, x.v, x.n_out) < 1e-6);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Rows of a prefill are what a decode of each gives. */
START_TEST(decode_is_the_last_row)
{
    static const char *const texts[] = {LANDMARK "landmark_top=3", "spt " GQA "spt_top=9",
                                        "hip " GQA "hip_tokens=12 hip_q_block=1 hip_window=5"};
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof texts / sizeof texts[0]; n++) {
        struct dense x, one;
        make(&x, texts[n], B, N, N);
        make(&one, texts[n], B, 1, N);
        ck_assert(dense_run(ctx, texts[n], NULL, &x));
        for (int32_t at = 0; at < N; at += 13) {
            const int32_t lengths[B] = {at + 1, at + 1};
            for (int64_t h = 0; h < B * H; h++)
                memcpy(one.q + h * D, x.q + (h * N + at) * D, D * sizeof *x.q);
            memcpy(one.k, x.k, (size_t)(B * x.hk * N * D) * sizeof *x.k);
            memcpy(one.v, x.v, (size_t)(B * x.hk * N * D) * sizeof *x.v);
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

/* What is selected by itself, as an argument of lists. */
START_TEST(lists_along_a_selection)
{
    static const char *const pairs[][2] = {
        {LANDMARK "landmark_top=2", "lists " GQA "causal lists_logits"},
        {GIVEN "sparsifiner_budget=9", "lists " GQA},
        {"sparsifiner " GQA "sparsifiner_budget=9", "lists " GQA},
        {"spt " GQA "spt_top=9 spt_clamp=1e30", "lists " GQA "causal"},
        {"hip " GQA "hip_tokens=16 hip_q_block=8 hip_window=9",
         "lists " GQA "causal lists=or window=8,inf"},
    };
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof pairs / sizeof pairs[0]; n++) {
        struct dense whole, x, listed;
        char text[256];
        attn_arg arg[DENSE_ROLES + 1];
        size_t args = 0;
        attn_selection *selection;
        snprintf(text, sizeof text, "%s select=only", pairs[n][0]);
        make(&whole, pairs[n][0], B, N, N);
        make(&x, pairs[n][0], B, N, N);
        make(&listed, pairs[n][1], B, N, N);
        attn_plan *plan = dense_plan(ctx, text, NULL);
        ck_assert_int_eq(attn_selection_create(ctx, plan, &selection), ATTN_OK);
        for (size_t i = 0; i < x.n; i++)
            if (x.arg[i].role != ATTN_ROLE_V && !attn_role_is_output(x.arg[i].role))
                arg[args++] = x.arg[i];
        arg[args++] = (attn_arg){ATTN_ROLE_SELECTION_OUT, 0, selection};
        ck_assert_msg(attn_plan_execute(plan, arg, args, NULL, 0) == ATTN_OK, "%s: %s", text,
                      dense_error());
        listed.arg[listed.n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, selection};
        ck_assert(dense_run(ctx, pairs[n][0], NULL, &whole));
        ck_assert(dense_run(ctx, pairs[n][1], NULL, &listed));
        listed.n--;
        same(&whole, &listed, 2e-6, text);
        attn_selection_destroy(selection);
        attn_plan_destroy(plan);
        dense_free(&whole);
        dense_free(&x);
        dense_free(&listed);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

static const char *const all[] = {
    LANDMARK,
    LANDMARK "landmark_top=2 landmark_over=heads",
    LANDMARK "landmark_top=2 landmark_over=tokens",
    "sparsifiner " GQA "sparsifiner_budget=9",
    GIVEN "sparsifiner_budget=9",
    "hip " GQA "hip_tokens=16 hip_q_block=8 hip_k_block=8 hip_window=8",
    "hip " GQA "hip_tokens=16 hip_q_block=8 hip_k_block=2 hip_window=8 hip_middle",
    "spt " GQA "spt_top=9",
    "spt " GQA "spt_top=9 spt_slots=2 causal=0",
};

enum { ALL = sizeof all / sizeof all[0] };

/* Tokens of queries are those of keys. */
static bool is_tied(const char *text)
{
    return strstr(text, "sparsifiner");
}

/* The same bits for any number of threads, and for a batch entry by itself. */
START_TEST(threads_and_batches)
{
    for (size_t n = 0; n < ALL; n++) {
        struct dense x[2], one;
        for (int t = 0; t < 2; t++) {
            attn_ctx *ctx = dense_ctx(1 + 2 * t);
            make(&x[t], all[n], B, N, N);
            ck_assert(dense_run(ctx, all[n], NULL, &x[t]));
            attn_ctx_destroy(ctx);
        }
        same(&x[0], &x[1], 0, all[n]);
        attn_ctx *ctx = dense_ctx(2);
        int64_t hk = x[0].hk;
        make(&one, all[n], 1, N, N);
        memcpy(one.q, x[0].q + H * N * D, (size_t)(H * N * D) * sizeof *one.q);
        memcpy(one.k, x[0].k + hk * N * D, (size_t)(hk * N * D) * sizeof *one.k);
        memcpy(one.v, x[0].v + hk * N * D, (size_t)(hk * N * D) * sizeof *one.v);
        ck_assert(dense_run(ctx, all[n], NULL, &one));
        ck_assert_msg(memcmp(one.out, x[0].out + H * N * D, one.n_out * sizeof *one.out) == 0,
                      "%s: a batch entry by itself", all[n]);
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
    static const int32_t lengths[B] = {N - 16, N};
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < ALL; n++) {
        struct dense x, y;
        make(&x, all[n], B, N, N);
        make(&y, all[n], B, N, N);
        float *looked_at = strstr(all[n], "given")
                               ? dense_view(&x, ATTN_ROLE_SELECT_SCORES)->data
                               : x.k;
        float before = looked_at[8 * D + 3]; /* a landmark's; of a row behind the class token */
        looked_at[8 * D + 3] = NAN;
        attn_plan *plan = dense_plan(ctx, all[n], NULL);
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_DATA);
        ck_assert_ptr_nonnull(strstr(dense_error(), "NaN"));
        ck_assert(isnan(x.out[0]) && isnan(x.out[x.n_out - 1]));
        looked_at[8 * D + 3] = before;
        struct dense *both[] = {&x, &y};
        for (int e = 0; e < 2 && !is_tied(all[n]); e++) {
            dense_list(both[e], ATTN_ROLE_Q_LEN, lengths, B);
            dense_list(both[e], ATTN_ROLE_K_LEN, lengths, B);
        }
        for (int64_t h = 0; h < x.hk && !is_tied(all[n]); h++)
            x.k[(h * N + N - 1) * D] = x.v[(h * N + N - 1) * D] = x.q[(h * N + N - 1) * D] = NAN;
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_OK);
        ck_assert_int_eq(attn_plan_execute(plan, y.arg, y.n, NULL, 0), ATTN_OK);
        same(&x, &y, 0, all[n]);
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
    for (size_t n = 0; n < ALL; n++) {
        struct dense x;
        make(&x, all[n], B, 0, is_tied(all[n]) ? 0 : N);
        ck_assert(dense_run(ctx, all[n], NULL, &x));
        dense_free(&x);
        make(&x, all[n], B, is_tied(all[n]) ? 0 : 5, 0);
        ck_assert(dense_run(ctx, all[n], NULL, &x));
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
#define SMALL "h=4 q=4 k=4 d=8 "
    static const struct {
        const char *text;
        int32_t status;
        const char *says;
    } cases[] = {
        {"landmark " SMALL, ATTN_ERR_UNSET, "landmark_blocks"},
        {"landmark " SMALL "landmark_blocks=2 causal=0", ATTN_ERR_INVALID, "causal is 0"},
        {"landmark " SMALL "landmark_blocks=2 landmark_over=heads", ATTN_ERR_INVALID,
         "landmark_over is set"},
        {"landmark h=4 q=4 k=inf d=8 landmark_blocks=2", ATTN_ERR_UNSUPPORTED, "k is inf"},
        {"sparsifiner " SMALL "causal", ATTN_ERR_INVALID, "causal is 1"},
        {"sparsifiner " SMALL "sparsifiner_given sparsifiner_top=2", ATTN_ERR_INVALID,
         "sparsifiner_top is set"},
        {"sparsifiner " SMALL "sparsifiner_given sparsifiner_least=0", ATTN_ERR_INVALID,
         "sparsifiner_least is set"},
        {"hip " SMALL "causal=0", ATTN_ERR_INVALID, "causal is 0"},
        {"hip " SMALL "hip_tokens=3 hip_k_block=4", ATTN_ERR_INVALID, "hip_tokens is 3"},
        {"hip " SMALL "hip_window=31", ATTN_ERR_INVALID, "hip_window is 31"},
        {"hip " SMALL "window=3,0", ATTN_ERR_INVALID, "window"},
        {"spt " SMALL "spt_part=3", ATTN_ERR_INVALID, "spt_part is 3"},
        {"spt h=4 q=4 k=4 d=256 spt_part=1", ATTN_ERR_INVALID, "spt_part is 1"},
        {"spt " SMALL "spt_slots=2", ATTN_ERR_INVALID, "spt_slots is 2"},
        {"spt " SMALL "want=skip_bound", ATTN_ERR_INVALID, "skip_bound"},
        {"softmax " SMALL "spt_top=1", ATTN_ERR_INVALID, "spt_top is set"},
    };
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        ck_assert_msg(attn_desc_parse(ctx, cases[n].text, &desc) == ATTN_OK, "%s: %s",
                      cases[n].text, dense_error());
        int32_t status = attn_plan_create(ctx, desc, &plan);
        ck_assert_msg(status == cases[n].status, "%s: %d, %s", cases[n].text, (int)status,
                      dense_error());
        ck_assert_msg(strstr(dense_error(), cases[n].says), "%s: %s", cases[n].text, dense_error());
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Executes x, which must be refused with out untouched. */
static void refuse(attn_ctx *ctx, const char *text, struct dense *x, int32_t status,
                   const char *says)
{
    attn_plan *plan = dense_plan(ctx, text, NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x->arg, x->n, NULL, 0), status);
    ck_assert_msg(strstr(dense_error(), says), "%s: %s", text, dense_error());
    ck_assert(isnan(x->out[0]));
    attn_plan_destroy(plan);
    dense_free(x);
}

START_TEST(refused_at_execute)
{
    attn_ctx *ctx = dense_ctx(1);
    struct dense x;
    make(&x, LANDMARK, B, N, N);
    ((uint8_t *)dense_view(&x, ATTN_ROLE_LANDMARK)->data)[9] = 1;
    refuse(ctx, LANDMARK, &x, ATTN_ERR_DATA, "landmark is set at [0,9]");
    make(&x, LANDMARK, B, N, N);
    refuse(ctx, "landmark " GQA "landmark_blocks=9", &x, ATTN_ERR_LIMIT,
           "more than the 9 landmarks");
    make(&x, "sparsifiner", B, N, N);
    dense_view(&x, ATTN_ROLE_PREDICT_UP)->shape[0] = N - 1;
    refuse(ctx, "sparsifiner b=2 h=4 q=96 k=96 d=16", &x, ATTN_ERR_SHAPE, "predict_up");
    make(&x, GIVEN, B, N - 1, N);
    refuse(ctx, GIVEN, &x, ATTN_ERR_SHAPE, "95 queries and 96 keys");
    make(&x, "spt " GQA, B, N, N);
    refuse(ctx, "spt " GQA "spt_words=15", &x, ATTN_ERR_SHAPE, "codebook");
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("select_searched", equals, landmarks, landmarks_of_one_token, budget_of_rows,
          equal_rows_choose_each_other, decode_is_the_last_row, lists_along_a_selection,
          threads_and_batches, not_a_number, nothing_there, refused, refused_at_execute)
