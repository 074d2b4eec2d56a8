/* SPDX-License-Identifier: MIT */
/*
 * attn_plan_tiles (src/api/tiles_api.c, src/plan/tiles.c) against what an
 * execute gives: no weight in a tile that is called empty, weights everywhere
 * in a full one, and tiles of one pair tell exactly which pairs there are.
 */
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

enum { B = 2, H = 4, NQ = 37, NK = 50, D = 8 };

#define SIZES "softmax b=2 h=4/2 q=40 k=60 d=8 "

static const struct {
    const char *text;
    bool lengths, gates, lists;
} cases[] = {
    {"causal", 0, 0, 0},
    {"causal window=9,0 sink_tokens=3", 1, 0, 0},
    {"window=4,-1", 0, 0, 0},
    {"prefix=11 causal", 1, 0, 0},
    {"must=stride[4,3,0]", 0, 0, 0},
    {"causal head_gate", 1, 1, 0},
    {"causal any=list[16,8] any=rect[0,inf,0,2]", 0, 0, 1},
};

static void make(size_t n, struct dense *x)
{
    static const int32_t q_len[B] = {NQ, NQ - 9}, k_len[B] = {NK - 7, NK};
    static const int64_t pairs[4] = {B, H, NQ, NK}, rows[3] = {B, H, NQ}, lists[3] = {1, 1, 4};
    static const int32_t offsets[4] = {0, 2, 2, 5}, index[5] = {0, 3, 1, 2, 6};
    struct rng r = {n + 5};
    dense_make(x, B, H, H / 2, NQ, NK, D, D);
    dense_add(x, ATTN_ROLE_PROBS, ATTN_DTYPE_F32, 4, pairs, NULL);
    if (cases[n].lengths) {
        dense_list(x, ATTN_ROLE_Q_LEN, q_len, B);
        dense_list(x, ATTN_ROLE_K_LEN, k_len, B);
    }
    if (cases[n].gates) {
        float *g = dense_add(x, ATTN_ROLE_GATE, ATTN_DTYPE_F32, 3, rows, NULL)->data;
        for (int64_t i = 0; i < B * H * NQ; i++)
            g[i] = (i / 8) % 3 == 0 || rng_percent(&r, 20) ? 0 : 1;
    }
    if (cases[n].lists) {
        dense_list(x, ATTN_ROLE_LIST_INDEX, index, 5);
        memcpy(dense_add(x, ATTN_ROLE_LIST_OFFSETS, ATTN_DTYPE_I32, 3, lists, NULL)->data, offsets,
               sizeof offsets);
    }
}

/* The pairs with a weight among those of a tile. */
static int64_t weights(const float *p, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    int64_t n = 0;
    for (int64_t i = i0; i < i1; i++)
        for (int64_t j = j0; j < j1; j++)
            n += p[i * NK + j] > 0;
    return n;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void check(const attn_plan *plan, const struct dense *x, const float *p, int64_t seq,
                  int64_t head, int64_t tile, const char *what)
{
    uint8_t classes[NQ * NK];
    int64_t rows, columns;
    int64_t nq = NQ, nk = NK;
    for (size_t i = 0; i < x->n; i++) {
        const int32_t *n = x->t[i].data;
        nq = x->arg[i].role == ATTN_ROLE_Q_LEN ? n[seq] : nq;
        nk = x->arg[i].role == ATTN_ROLE_K_LEN ? n[seq] : nk;
    }
    ck_assert_int_eq(attn_plan_tiles(plan, x->arg, x->n, seq, head, tile, tile, classes,
                                     sizeof classes, &rows, &columns),
                     ATTN_OK);
    ck_assert_int_eq(rows, (nq + tile - 1) / tile);
    ck_assert_int_eq(columns, (nk + tile - 1) / tile);
    p += (seq * H + head) * NQ * NK;
    int seen[3] = {0};
    for (int64_t t = 0; t < rows * columns; t++) {
        int64_t i0 = t / columns * tile, i1 = least(i0 + tile, nq);
        int64_t j0 = t % columns * tile, j1 = least(j0 + tile, nk);
        int64_t n = weights(p, i0, i1, j0, j1), all = (i1 - i0) * (j1 - j0);
        uint8_t class = classes[t];
        seen[class]++;
        ck_assert_msg(class != ATTN_TILE_EMPTY || n == 0, "%s: empty tile", what);
        ck_assert_msg(class != ATTN_TILE_FULL || n == all, "%s: full tile", what);
        ck_assert_msg(tile > 1 || class != ATTN_TILE_PARTIAL, "%s: half a pair", what);
    }
    ck_assert_msg(seen[ATTN_TILE_EMPTY] > 0, "%s: nothing is skipped", what);
}

START_TEST(classes_are_what_is_computed)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        struct dense x;
        char text[200];
        make(n, &x);
        snprintf(text, sizeof text, SIZES "want=probs %s", cases[n].text);
        ck_assert(dense_run(ctx, text, "reference", &x));
        attn_plan *plan = dense_plan(ctx, text, NULL);
        const float *p = dense_view(&x, ATTN_ROLE_PROBS)->data;
        for (int64_t seq = 0; seq < B; seq++)
            for (int64_t head = 0; head < H; head++) {
                check(plan, &x, p, seq, head, 1, text);
                check(plan, &x, p, seq, head, 5, text);
            }
        attn_plan_destroy(plan);
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Queries and keys of one element, no outputs. */
START_TEST(without_data)
{
    static const float one = 1;
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = dense_plan(ctx, "softmax b=1 h=2 q=1000 k=1000 d=64 causal", NULL);
    const int64_t shape[4] = {1, 2, 1000, 64};
    attn_tensor t = {.data = (void *)(uintptr_t)&one, .dtype = ATTN_DTYPE_F32, .rank = 4};
    memcpy(t.shape, shape, sizeof shape);
    const attn_arg args[3] = {{ATTN_ROLE_Q, 0, &t}, {ATTN_ROLE_K, 0, &t}, {ATTN_ROLE_V, 0, &t}};
    uint8_t classes[64];
    int64_t rows, columns;
    ck_assert_int_eq(attn_plan_tiles(plan, args, 3, 0, 1, 128, 250, NULL, 0, &rows, &columns), 0);
    ck_assert(rows == 8 && columns == 4);
    ck_assert_int_eq(attn_plan_tiles(plan, args, 3, 0, 1, 128, 250, classes, 32, &rows, &columns),
                     0);
    for (int64_t n = 0; n < 32; n++) {
        int64_t first = n % 4 * 250, last = first + 249, i0 = n / 4 * 128;
        int64_t i1 = least(i0 + 128, 1000);
        ck_assert_int_eq(classes[n], last <= i0 ? ATTN_TILE_FULL
                                     : first >= i1 ? ATTN_TILE_EMPTY
                                                   : ATTN_TILE_PARTIAL);
    }
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
    attn_ctx *ctx = dense_ctx(1);
    struct dense x;
    make(0, &x);
    attn_plan *plan = dense_plan(ctx, SIZES "want=probs causal", NULL);
    uint8_t classes[16];
    int64_t n[2];
    const struct {
        int64_t seq, head, tile;
        size_t room;
        int32_t status;
        const char *says;
    } bad[] = {
        {B, 0, 16, 16, ATTN_ERR_RANGE, "seq is 2, expected 0 to 1"},
        {0, -1, 16, 16, ATTN_ERR_RANGE, "head is -1, expected 0 to 3"},
        {0, 0, 0, 16, ATTN_ERR_INVALID, "0 x 0"},
        {0, 0, 8, 16, ATTN_ERR_SHAPE, "room for 16 tiles, expected 5 x 7"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(attn_plan_tiles(plan, x.arg, x.n, bad[i].seq, bad[i].head, bad[i].tile,
                                         bad[i].tile, classes, bad[i].room, &n[0], &n[1]),
                         bad[i].status);
        ck_assert_msg(strstr(dense_error(), bad[i].says), "%s", dense_error());
    }
    ck_assert_int_eq(attn_plan_tiles(NULL, x.arg, x.n, 0, 0, 8, 8, NULL, 0, &n[0], &n[1]),
                     ATTN_ERR_NULL);
    ck_assert_int_eq(attn_plan_tiles(plan, x.arg, 0, 0, 0, 8, 8, NULL, 0, &n[0], &n[1]),
                     ATTN_ERR_ROLE);
    attn_plan_destroy(plan);
    plan = dense_plan(ctx, "moh b=2 h=4 q=40 k=60 d=8 moh_active=2", NULL);
    ck_assert_int_eq(attn_plan_tiles(plan, x.arg, x.n, 0, 0, 8, 8, NULL, 0, &n[0], &n[1]),
                     ATTN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(dense_error(), "the plan has stages"));
    attn_plan_destroy(plan);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("tiles", classes_are_what_is_computed, without_data, refused)
