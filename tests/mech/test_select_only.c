/* SPDX-License-Identifier: MIT */
/*
 * Plans with select=only (src/mech/select_attend.c, nsa.c, src/state/
 * selection_object.c): attention along what they write is what the mechanism
 * does, bit by bit; what becomes of the object when something is wrong; and what
 * plans tell of selecting (src/mech/select_price.c).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/count_mem.h"
#include "../unit/unit.h"
#include "select_data.h"

#define MOBA "moba " GQA "moba_block=8 moba_top=3"

static attn_plan *only(attn_ctx *ctx, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s select=only", text);
    return dense_plan(ctx, whole, NULL);
}

/* Executes with all that x has but what comes of attending, and its values. */
static int32_t run_only(const attn_plan *plan, const struct dense *x, const attn_selection *sel)
{
    attn_arg arg[DENSE_ROLES + 1];
    size_t n = 0;
    for (size_t i = 0; i < x->n; i++)
        if (x->arg[i].role != ATTN_ROLE_V && x->arg[i].role != ATTN_ROLE_GATE &&
            !attn_role_is_output(x->arg[i].role))
            arg[n++] = x->arg[i];
    arg[n++] = (attn_arg){ATTN_ROLE_SELECTION_OUT, 0, sel};
    return attn_plan_execute(plan, arg, n, NULL, 0);
}

static attn_selection *create(attn_ctx *ctx, const attn_plan *plan)
{
    attn_selection *sel;
    ck_assert_msg(attn_selection_create(ctx, plan, &sel) == ATTN_OK, "%s", dense_error());
    return sel;
}

static int64_t number(const attn_selection *sel, int32_t which)
{
    int64_t x = -1;
    ck_assert_int_eq(attn_selection_get_i64(sel, which, &x), ATTN_OK);
    return x;
}

static attn_selection *select_by(attn_ctx *ctx, const char *text, const struct dense *x)
{
    attn_plan *plan = only(ctx, text);
    attn_selection *sel = create(ctx, plan);
    ck_assert_msg(run_only(plan, x, sel) == ATTN_OK, "%s: %s", text, dense_error());
    attn_plan_destroy(plan);
    return sel;
}

static void attend(attn_ctx *ctx, const char *text, struct dense *x, const attn_selection *sel)
{
    dense_clear(x);
    x->arg[x->n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
    ck_assert(dense_run(ctx, text, NULL, x));
    x->n--;
}

static bool same_bits(const struct dense *a, const struct dense *b)
{
    return memcmp(a->out, b->out, a->n_out * sizeof *a->out) == 0 &&
           memcmp(a->lse, b->lse, a->n_lse * sizeof *a->lse) == 0;
}

/* Copies a selection by way of the caller's memory. */
static attn_selection *copy(attn_ctx *ctx, const attn_selection *sel)
{
    static int64_t room[5][B * H * N * N];
    attn_tensor t[5];
    attn_arg part[5];
    attn_selection *other;
    size_t n = 0;
    for (int32_t p = 1; p <= 5; p++) {
        if (attn_selection_shape(sel, p, &t[n]) != ATTN_OK)
            continue; /* has no such part */
        t[n].data = room[p - 1];
        ck_assert_int_eq(attn_selection_export(sel, p, &t[n]), ATTN_OK);
        part[n] = (attn_arg){p, 0, &t[n]};
        n++;
    }
    int32_t status = attn_selection_import_rows(
        ctx, number(sel, ATTN_SELECTION_BATCH), number(sel, ATTN_SELECTION_HEADS),
        number(sel, ATTN_SELECTION_HEAD_GROUP), number(sel, ATTN_SELECTION_QUERIES),
        number(sel, ATTN_SELECTION_Q_BLOCK), number(sel, ATTN_SELECTION_END_KEY), 0, part, n,
        &other);
    ck_assert_msg(status == ATTN_OK, "%s", dense_error());
    return other;
}

static void check_pair(attn_ctx *ctx, const char *text, const char *lists)
{
    struct dense whole, x, y;
    select_make(&whole, text, N);
    dense_make(&x, B, H, whole.hk, N, N, D, D);
    dense_make(&y, B, H, whole.hk, N, N, D, D);
    ck_assert(dense_run(ctx, text, NULL, &whole));
    attn_selection *sel = select_by(ctx, text, &whole), *other = copy(ctx, sel);
    attend(ctx, lists, &x, sel);
    ck_assert_msg(same_bits(&whole, &x), "%s", text);
    attend(ctx, lists, &y, other);
    ck_assert_msg(same_bits(&whole, &y), "%s, copied", text);
    for (int32_t n = ATTN_SELECTION_LAYOUT; n <= ATTN_SELECTION_EMPTY_ROWS; n++)
        ck_assert_int_eq(number(sel, n), number(other, n));
    attn_selection_destroy(other);
    attn_selection_destroy(sel);
    dense_free(&whole);
    dense_free(&x);
    dense_free(&y);
}

START_TEST(lists_along_it_are_the_mechanism)
{
    static const char *const more[][2] = {
        {"moba " GQA "moba_block=8 moba_top=3 softcap=2 scale=0.5",
         "lists " GQA "causal softcap=2 scale=0.5"},
        {"xattention " GQA "xattention_block=16 xattention_threshold=0.5 causal=0",
         "lists " GQA},
        {"minference " GQA "minference_pattern=block_sparse minference_tile=16 "
         "minference_blocks=2", "lists " GQA "causal"},
        {"hip " GQA "hip_q_block=8 hip_k_block=4 hip_tokens=16 hip_window=16",
         "lists " GQA "causal lists=or window=15,inf"},
        {"pooled_select " GQA "pooled_k_block=7 pooled_pick=least pooled_mass=0.4",
         "lists " GQA "causal"},
        {"pooled_select " GQA "pooled_k_block=7 pooled_top=3 pooled_logits causal=0",
         "lists " GQA "lists_logits"},
    };
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < SELECT_ALL; n++) {
        bool biformer = strstr(select_all[n], "biformer"), hcam = strstr(select_all[n], "hcam");
        check_pair(ctx, select_all[n],
                   biformer ? "lists " SELF "scale=0.125"
                   : hcam   ? "lists " SELF "lists_logits"
                            : "lists " GQA "causal");
    }
    for (size_t n = 0; n < sizeof more / sizeof more[0]; n++)
        check_pair(ctx, more[n][0], more[n][1]);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Of nsa the choice of its second part. */
START_TEST(selected_part_of_nsa)
{
    static const char *const texts[] = {
        "nsa " GQA "nsa_compress=8 nsa_stride=4 nsa_block=8 nsa_top=4 nsa_local=9",
        "nsa " GQA "nsa_compress=8 nsa_stride=4 nsa_block=8 nsa_top=4 nsa_given"};
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof texts / sizeof texts[0]; n++) {
        struct dense whole, x;
        select_make(&whole, GQA, N);
        dense_make(&x, B, H, HK, N, N, D, D);
        attn_plan *plan = only(ctx, texts[n]);
        if (strstr(texts[n], "nsa_given"))
            memcpy(dense_add(&whole, ATTN_ROLE_K2, ATTN_DTYPE_F32, 4,
                             (int64_t[]){B, HK, 23, D}, NULL)->data,
                   x.v, (size_t)(B * HK * 23 * D) * sizeof *x.v);
        attn_selection *sel = create(ctx, plan);
        ck_assert_msg(run_only(plan, &whole, sel) == ATTN_OK, "%s", dense_error());
        ck_assert_int_eq(number(sel, ATTN_SELECTION_HEAD_GROUP), H / HK);
        if (strstr(texts[n], "nsa_given"))
            dense_add(&whole, ATTN_ROLE_V2, ATTN_DTYPE_F32, 4, (int64_t[]){B, HK, 23, D}, NULL);
        float *gate =
            dense_add(&whole, ATTN_ROLE_GATE, ATTN_DTYPE_F32, 4, (int64_t[]){B, H, N, 3}, NULL)
                ->data;
        for (int64_t i = 0; i < B * H * N; i++)
            gate[3 * i + 1] = 1;
        attn_arg lse = whole.arg[4];
        ck_assert_int_eq(lse.role, ATTN_ROLE_LSE);
        whole.arg[4] = whole.arg[--whole.n]; /* a sum has none */
        ck_assert(dense_run(ctx, texts[n], NULL, &whole));
        attend(ctx, "lists " GQA "causal", &x, sel);
        ck_assert(dense_distance(x.out, whole.out, x.n_out) < 2e-6);
        attn_selection_destroy(sel);
        attn_plan_destroy(plan);
        dense_free(&whole);
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* What a plan selects of x, pair by pair: [B][H][N][N]. */
static bool *pairs_of(attn_ctx *ctx, const char *text, const struct dense *x)
{
    static int64_t row_ptr[B * H * N + 1];
    static int32_t start[B * H * N * N], length[B * H * N * N];
    attn_selection *sel = select_by(ctx, text, x);
    bool *pairs = calloc(B * H * N * N, sizeof *pairs);
    void *const parts[] = {row_ptr, start, length};
    for (int32_t n = 0; n < 3; n++) {
        attn_tensor t;
        ck_assert_int_eq(attn_selection_shape(sel, ATTN_SELECTION_PART_ROW_PTR + n, &t), ATTN_OK);
        t.data = parts[n];
        ck_assert_int_eq(attn_selection_export(sel, ATTN_SELECTION_PART_ROW_PTR + n, &t), ATTN_OK);
    }
    int64_t group = number(sel, ATTN_SELECTION_HEAD_GROUP);
    int64_t block = number(sel, ATTN_SELECTION_Q_BLOCK), blocks = (N + block - 1) / block;
    for (int64_t bhi = 0; bhi < B * H * N; bhi++) {
        int64_t r = bhi / N / group * blocks + bhi % N / block;
        for (int64_t e = row_ptr[r]; e < row_ptr[r + 1]; e++)
            for (int32_t j = start[e]; j < start[e] + length[e]; j++)
                pairs[bhi * N + j] = true;
    }
    attn_selection_destroy(sel);
    return pairs;
}

/* Pairs that must be there whatever the numbers are. */
START_TEST(what_is_always_selected)
{
#define STRIPES "minference " GQA "minference_vertical=30 minference_slash=50 " \
                "minference_first=2 minference_near=2 minference_last=20 "
    attn_ctx *ctx = dense_ctx(2);
    struct dense x;
    select_make(&x, GQA, N);
    bool *flex = pairs_of(ctx, "flexprefill " GQA "flexprefill_block=8 flexprefill_gamma=0.3 "
                          "flexprefill_min=8", &x);
    bool *hip = pairs_of(ctx, "hip " GQA "hip_q_block=8 hip_k_block=4 hip_tokens=16 "
                         "hip_window=16", &x);
    bool *exact = pairs_of(ctx, STRIPES "minference_tile=1", &x);
    bool *tiles = pairs_of(ctx, STRIPES "minference_tile=16", &x);
    for (int64_t bhi = 0; bhi < B * H * N; bhi++) {
        int64_t i = bhi % N, candidates = i / 8 * 8 + 8 - 16, found = 0;
        for (int64_t j = 0; j < N; j++) {
            found += hip[bhi * N + j];
            ck_assert(j > i || !exact[bhi * N + j] || tiles[bhi * N + j]);
            ck_assert(j > i || (j >= 8 && j / 8 != i / 8) || flex[bhi * N + j]);
        }
        ck_assert_int_eq(found, candidates <= 0 ? 0 : candidates < 16 ? candidates : 16);
    }
    free(flex);
    free(hip);
    free(exact);
    free(tiles);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* moba by keys: a group of each block of keys and the queries that have it. */
START_TEST(moba_by_keys)
{
    enum { BLOCKS = N / 8, GROUPS = B * H * BLOCKS };
    static int32_t batch[GROUPS], head[GROUPS], q[B * H * N * BLOCKS], k[GROUPS * 8];
    static int64_t q_ptr[GROUPS + 1], k_ptr[GROUPS + 1];
    attn_ctx *ctx = dense_ctx(2);
    struct dense x, y;
    attn_selection *sel;
    attn_tensor t[6];
    attn_arg part[6];
    select_make(&x, MOBA, N);
    dense_make(&y, B, H, HK, N, N, D, D);
    bool *pairs = pairs_of(ctx, MOBA, &x);
    for (int64_t g = 0; g < GROUPS; g++) {
        int64_t list = g / BLOCKS, first = g % BLOCKS * 8;
        batch[g] = (int32_t)(list / H);
        head[g] = (int32_t)(list % H);
        q_ptr[g + 1] = q_ptr[g];
        k_ptr[g + 1] = 8 * (g + 1);
        for (int64_t i = 0; i < N; i++)
            if (pairs[(list * N + i) * N + first])
                q[q_ptr[g + 1]++] = (int32_t)i;
        for (int64_t j = 0; j < 8; j++)
            k[8 * g + j] = (int32_t)(first + j);
    }
    void *const data[] = {batch, head, q_ptr, k_ptr, q, k};
    const int64_t sizes[] = {GROUPS, GROUPS, GROUPS + 1, GROUPS + 1, q_ptr[GROUPS], 8 * GROUPS};
    for (int n = 0; n < 6; n++) {
        bool pointers = n == 2 || n == 3;
        attn_tensor_init(&t[n], data[n], pointers ? ATTN_DTYPE_I64 : ATTN_DTYPE_I32, 1, &sizes[n]);
        part[n] = (attn_arg){ATTN_SELECTION_PART_G_BATCH + n, 0, &t[n]};
    }
    ck_assert_msg(attn_selection_import_groups(ctx, B, H, N, N, ATTN_SELECTION_LSE, 0, part, 6,
                                               &sel) == ATTN_OK, "%s", dense_error());
    ck_assert(dense_run(ctx, MOBA, NULL, &x));
    attend(ctx, "lists " GQA "lists_layout=groups causal", &y, sel);
    ck_assert(dense_distance(x.out, y.out, x.n_out) < 2e-6);
    ck_assert(dense_distance(x.lse, y.lse, x.n_lse) < 2e-6);
    attn_selection_destroy(sel);
    free(pairs);
    dense_free(&x);
    dense_free(&y);
    attn_ctx_destroy(ctx);
}
END_TEST

static void ck_empty(const attn_selection *sel)
{
    ck_assert_int_eq(number(sel, ATTN_SELECTION_QUERIES), 0);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_ROW_COUNT), 0);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_ENTRIES), 0);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_END_KEY), 0);
}

START_TEST(empty_and_full)
{
    attn_ctx *ctx = dense_ctx(2);
    attn_plan *plan = only(ctx, MOBA), *lists = dense_plan(ctx, "lists " GQA "causal", NULL);
    attn_selection *sel = create(ctx, plan);
    struct dense x, few;
    select_make(&x, MOBA, N);
    select_make_sized(&few, MOBA, 1, 5, 9);
    ck_empty(sel);
    x.arg[x.n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
    ck_assert_int_eq(attn_plan_execute(lists, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    x.n--;
    ck_assert_int_eq(run_only(plan, &x, sel), ATTN_OK);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_ROW_COUNT), B * H * N);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_END_KEY), N);
    /* an argument that is refused changes nothing */
    x.t[1].shape[0] = 1;
    ck_assert_int_eq(run_only(plan, &x, sel), ATTN_ERR_SHAPE);
    x.t[1].shape[0] = B;
    ck_assert_int_eq(number(sel, ATTN_SELECTION_ROW_COUNT), B * H * N);
    ck_assert_int_eq(run_only(plan, &few, sel), ATTN_OK);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_BATCH), 1);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_QUERIES), 5);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_END_KEY), 9);
    x.q[N * D - 1] = NAN;
    ck_assert_int_eq(run_only(plan, &x, sel), ATTN_ERR_DATA);
    ck_empty(sel);
    x.q[N * D - 1] = 0;
    ck_assert_int_eq(run_only(plan, &x, sel), ATTN_OK);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_ROW_COUNT), B * H * N);
    attn_selection_destroy(sel);
    attn_plan_destroy(plan);
    attn_plan_destroy(lists);
    dense_free(&x);
    dense_free(&few);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Nothing to select for, or from. */
START_TEST(nothing_there)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < SELECT_ALL; n++) {
        bool tied = select_is_tied(select_all[n]);
        attn_plan *plan = only(ctx, select_all[n]);
        attn_selection *sel = create(ctx, plan);
        struct dense x;
        select_make_sized(&x, select_all[n], B, 0, tied ? 0 : N);
        ck_assert_int_eq(run_only(plan, &x, sel), ATTN_OK);
        ck_assert_int_eq(number(sel, ATTN_SELECTION_ROW_COUNT), 0);
        dense_free(&x);
        if (!tied) {
            select_make_sized(&x, select_all[n], B, 5, 0);
            ck_assert_int_eq(run_only(plan, &x, sel), ATTN_OK);
            ck_assert_int_eq(number(sel, ATTN_SELECTION_ENTRIES), 0);
            ck_assert_int_eq(number(sel, ATTN_SELECTION_QUERIES), 5);
            dense_free(&x);
        }
        attn_selection_destroy(sel);
        attn_plan_destroy(plan);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

static void refuses(const attn_plan *plan, const struct dense *x, const void *sel, int32_t status,
                    const char *says)
{
    ck_assert_int_eq(run_only(plan, x, sel), status);
    ck_assert_msg(strstr(dense_error(), says), "%s", dense_error());
}

START_TEST(objects_refused)
{
    static const char no_object[4096];
    int64_t ptr[2] = {0, 0}, n[2] = {2, 0};
    attn_tensor t[2];
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = only(ctx, MOBA), *small = only(ctx, "moba h=1 q=9 k=9 d=16 moba_block=8 "
                                                          "moba_top=1");
    attn_plan *softmax = dense_plan(ctx, "softmax " GQA, NULL);
    attn_selection *sel = create(ctx, plan), *little = create(ctx, small), *own, *none;
    struct dense x, y;
    select_make(&x, MOBA, N);
    dense_make(&y, 1, 1, 1, 9, 9, D, D);
    refuses(plan, &x, NULL, ATTN_ERR_NULL, "selection_out is NULL");
    refuses(plan, &x, no_object, ATTN_ERR_INVALID, "is no attn_selection");
    refuses(plan, &x, little, ATTN_ERR_LIMIT, "made for a smaller one");
    ck_assert_int_eq(run_only(small, &y, sel), ATTN_OK); /* there is room */
    ck_assert_int_eq(number(sel, ATTN_SELECTION_HEADS), 1);
    attn_tensor_init(&t[0], ptr, ATTN_DTYPE_I64, 1, &n[0]);
    attn_tensor_init(&t[1], NULL, ATTN_DTYPE_I32, 1, &n[1]);
    const attn_arg part[] = {{1, 0, &t[0]}, {2, 0, &t[1]}};
    ck_assert_int_eq(attn_selection_import_rows(ctx, 1, H, H, N, N, N, 1, part, 2, &own), ATTN_OK);
    refuses(plan, &x, own, ATTN_ERR_INVALID, "imported lists");
    none = sel;
    ck_assert_int_eq(attn_selection_create(ctx, softmax, &none), ATTN_ERR_UNSUPPORTED);
    ck_assert_ptr_null(none);
    ck_assert_ptr_nonnull(strstr(dense_error(), "expected select=only"));
    ck_assert_int_eq(attn_selection_create(ctx, NULL, &none), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_selection_create(NULL, plan, &none), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_selection_create(ctx, plan, NULL), ATTN_ERR_NULL);
    /* nothing but what it says */
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_ROLE);
    attn_selection_destroy(own);
    attn_selection_destroy(little);
    attn_selection_destroy(sel);
    attn_plan_destroy(softmax);
    attn_plan_destroy(small);
    attn_plan_destroy(plan);
    dense_free(&x);
    dense_free(&y);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(problems_refused)
{
    static const struct {
        const char *text;
        int32_t status;
        const char *says;
    } cases[] = {
        {"softmax h=4 q=4 k=4 d=4", ATTN_ERR_UNSUPPORTED, "softmax does not"},
        {"lists h=4 q=4 k=4 d=4", ATTN_ERR_UNSUPPORTED, "lists does not"},
        {"linear_attention h=4 q=4 k=4 d=4", ATTN_ERR_INVALID, "select is set"},
        {"moh h=4 q=4 k=4 d=4 moh_shared=2 moh_active=1", ATTN_ERR_UNSUPPORTED, "moh does not"},
        {"moba h=4 q=4 k=4 d=4 moba_block=2 moba_top=1 want=counts", ATTN_ERR_INVALID,
         "want is set"},
        {"moba h=4 q=4 k=4 d=4 moba_block=2 moba_top=1 solver=lists", ATTN_ERR_INVALID,
         "solver is set"},
        {"nsa h=4 q=4 k=4 d=4 want=counts", ATTN_ERR_INVALID, "want is set"},
        {"moba h=4 q=4 k=inf d=4 moba_block=2 moba_top=1", ATTN_ERR_UNSUPPORTED, "k is inf"},
    };
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        ck_assert_int_eq(attn_desc_parse(ctx, cases[n].text, &desc), ATTN_OK);
        ck_assert_int_eq(attn_desc_set_i64(desc, ATTN_PARAM_SELECT, ATTN_SELECT_ONLY), ATTN_OK);
        int32_t status = attn_plan_create(ctx, desc, &plan);
        ck_assert_msg(status == cases[n].status && strstr(dense_error(), cases[n].says),
                      "%s: %d, %s", cases[n].text, (int)status, dense_error());
        attn_desc_destroy(desc);
    }
    attn_plan *plan = dense_plan(ctx, MOBA " select=attend", NULL);
    ck_assert_ptr_nonnull(plan);
    attn_plan_destroy(plan);
    plan = only(ctx, MOBA);
    char text[512];
    ck_assert_int_eq(attn_plan_describe(plan, N, N, text, sizeof text, NULL), ATTN_OK);
    ck_assert_msg(strstr(text, "selected and not attended to"), "%s", text);
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}
END_TEST

/* What a plan says of selecting beside attending. */
START_TEST(described)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        /* sums of keys, then 64 x 4 means for each query and head, half of them in view */
        {"moba moba_block=16 moba_top=2 h=2 d=8 n=64",
         "selecting: 5.12e+03 operations, 8.19e+03 bytes compared, at most 256 entries\n"
         "attending: at most 1.31e+05 operations along them, 50 % of all pairs\n"},
        {"sparsifiner sparsifiner_given sparsifiner_budget=8 h=2 d=8 n=64",
         "selecting: 8.19e+03 operations, 8.19e+03 bytes compared, at most 1.02e+03 entries\n"
         "attending: at most 3.28e+04 operations along them, 12.5 % of all pairs\n"},
        {"routing routing_clusters=4 routing_window=16 h=2 d=8 n=64",
         "selecting: 8.19e+03 operations, 4.1e+03 bytes compared, at most 256 entries\n"
         "attending: at most 6.55e+04 operations along them, 25 % of all pairs\n"},
        {"hyper hyper_block=8 hyper_samples=8 hyper_least=32 hyper_bits=4 hyper_seed=1 "
         "h=2 d=8 n=64",
         "selecting: 1.64e+04 operations, 8.19e+03 bytes compared, at most 256 entries\n"
         "attending: at most 6.55e+04 operations along them, 25 % of all pairs\n"},
    };
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        char text[8192];
        attn_plan *plan = dense_plan(ctx, cases[n].text, NULL);
        ck_assert_ptr_nonnull(plan);
        ck_assert_int_eq(attn_plan_describe(plan, 64, 64, text, sizeof text, NULL), ATTN_OK);
        ck_assert_msg(strstr(text, cases[n].says), "%s", text);
        attn_plan_destroy(plan);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(memory)
{
    for (int64_t fail = 1;; fail++) {
        struct count_mem mem = {0};
        const attn_allocator hook = count_mem_hook(&mem);
        attn_ctx *ctx;
        attn_selection *sel;
        ck_assert_int_eq(attn_ctx_create(&hook, &ctx), ATTN_OK);
        attn_plan *plan = only(ctx, MOBA);
        mem.fail_from = mem.calls + fail;
        int32_t status = attn_selection_create(ctx, plan, &sel);
        ck_assert(status == ATTN_OK || (status == ATTN_ERR_NOMEM && !sel));
        mem.fail_from = 0;
        attn_plan_destroy(plan);
        attn_selection_destroy(sel);
        attn_ctx_destroy(ctx);
        ck_assert_int_eq(mem.blocks, 0);
        ck_assert_int_eq(mem.bytes, 0);
        if (status == ATTN_OK) {
            ck_assert_int_eq(fail, 3);
            break;
        }
    }
}
END_TEST

UNIT_MAIN("select_only", lists_along_it_are_the_mechanism, selected_part_of_nsa,
          what_is_always_selected, moba_by_keys, empty_and_full,
          nothing_there, objects_refused, problems_refused, described, memory)
