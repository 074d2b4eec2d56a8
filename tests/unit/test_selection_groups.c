/* SPDX-License-Identifier: MIT */
/*
 * Groups in and out of an attn_selection: parts of any type and stride, its
 * numbers, bad groups and arguments, memory that runs out.
 */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <attn/attn.h>

#include "count_mem.h"
#include "unit.h"

/* 3 groups of 2 heads in 2 batch entries; 9 queries and 20 keys. */
enum { N = 3, NQ = 5, NK = 7, QUERIES = 9, KEYS = 20, FIRST = ATTN_SELECTION_PART_G_BATCH };

struct parts {
    int32_t batch[N], q_idx[2 * NQ]; /* every other one */
    int64_t head[N], q_ptr[N + 1], k_idx[NK];
    int32_t k_ptr[N + 1];
    attn_tensor t[6];
    attn_arg arg[6];
    size_t n;
};

static void view(attn_tensor *t, void *data, int32_t dtype, int64_t n)
{
    ck_assert_int_eq(attn_tensor_init(t, data, dtype, 1, &n), ATTN_OK);
}

static void fill(struct parts *p)
{
    static const int32_t batch[] = {1, 0, 1}, k_ptr[] = {0, 4, 4, 7}, q_idx[] = {0, 8, 3, 1, 2};
    static const int64_t head[] = {1, 0, 1}, q_ptr[] = {0, 2, 3, 5};
    static const int64_t k_idx[] = {2, 3, 4, 19, 0, 1, 7};
    memset(p, 0, sizeof *p);
    memcpy(p->batch, batch, sizeof batch);
    memcpy(p->head, head, sizeof head);
    memcpy(p->q_ptr, q_ptr, sizeof q_ptr);
    memcpy(p->k_ptr, k_ptr, sizeof k_ptr);
    memcpy(p->k_idx, k_idx, sizeof k_idx);
    for (int e = 0; e < NQ; e++)
        p->q_idx[2 * e] = q_idx[e];
    view(&p->t[0], p->batch, ATTN_DTYPE_I32, N);
    view(&p->t[1], p->head, ATTN_DTYPE_I64, N);
    view(&p->t[2], p->q_ptr, ATTN_DTYPE_I64, N + 1);
    view(&p->t[3], p->k_ptr, ATTN_DTYPE_I32, N + 1);
    view(&p->t[4], p->q_idx, ATTN_DTYPE_I32, NQ);
    view(&p->t[5], p->k_idx, ATTN_DTYPE_I64, NK);
    p->t[4].stride[0] = 2;
    for (int n = 0; n < 6; n++)
        p->arg[n] = (attn_arg){FIRST + n, 0, &p->t[n]};
    p->n = 6;
}

static int32_t import_as(attn_ctx *ctx, const struct parts *p, int32_t combine, double eps,
                         attn_selection **sel)
{
    return attn_selection_import_groups(ctx, 2, 2, QUERIES, KEYS, combine, eps, p->arg, p->n, sel);
}

static int64_t number(const attn_selection *sel, int32_t which)
{
    int64_t x = -1;
    ck_assert_int_eq(attn_selection_get_i64(sel, which, &x), ATTN_OK);
    return x;
}

static const char *said(void)
{
    static char text[512];
    attn_last_error(text, sizeof text);
    return text;
}

#define SAYS(call, status, words)                                                              \
    do {                                                                                       \
        ck_assert_int_eq(call, status);                                                        \
        ck_assert_msg(strstr(said(), words), "'%s' has no '%s'", said(), words);               \
    } while (0)

static void take(const attn_selection *sel, int32_t part, int32_t dtype, int64_t n, void *data)
{
    attn_tensor t;
    ck_assert_int_eq(attn_selection_shape(sel, part, &t), ATTN_OK);
    ck_assert(!t.data && t.rank == 1 && t.shape[0] == n);
    t.data = data;
    t.dtype = dtype;
    ck_assert_int_eq(attn_selection_export(sel, part, &t), ATTN_OK);
}

START_TEST(in_and_out)
{
    static const struct {
        int32_t number;
        int64_t want;
    } numbers[] = {{ATTN_SELECTION_LAYOUT, ATTN_SELECTION_GROUPS},
                   {ATTN_SELECTION_BATCH, 2},
                   {ATTN_SELECTION_HEADS, 2},
                   {ATTN_SELECTION_QUERIES, QUERIES},
                   {ATTN_SELECTION_END_KEY, KEYS},
                   {ATTN_SELECTION_KEYS_LISTED, NK},
                   {ATTN_SELECTION_GROUP_COUNT, N},
                   {ATTN_SELECTION_COMBINE, ATTN_SELECTION_MEAN},
                   {ATTN_SELECTION_QUERIES_LISTED, NQ}};
    attn_ctx *ctx;
    attn_selection *sel;
    struct parts p;
    int64_t batch[N], x;
    int32_t head[N], q_ptr[N + 1], k_idx[NK];
    int64_t k_ptr[N + 1], q_idx[NQ];
    double eps = 0;
    fill(&p);
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_msg(import_as(ctx, &p, ATTN_SELECTION_MEAN, 0.01, &sel) == ATTN_OK, "%s", said());
    attn_ctx_destroy(ctx);
    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
        ck_assert_int_eq(number(sel, numbers[n].number), numbers[n].want);
    ck_assert_int_eq(attn_selection_get_f64(sel, ATTN_SELECTION_EPS, &eps), ATTN_OK);
    ck_assert(eps == 0.01);
    take(sel, ATTN_SELECTION_PART_G_BATCH, ATTN_DTYPE_I64, N, batch);
    take(sel, ATTN_SELECTION_PART_G_HEAD, ATTN_DTYPE_I32, N, head);
    take(sel, ATTN_SELECTION_PART_Q_PTR, ATTN_DTYPE_I32, N + 1, q_ptr);
    take(sel, ATTN_SELECTION_PART_K_PTR, ATTN_DTYPE_I64, N + 1, k_ptr);
    take(sel, ATTN_SELECTION_PART_Q_IDX, ATTN_DTYPE_I64, NQ, q_idx);
    take(sel, ATTN_SELECTION_PART_K_IDX, ATTN_DTYPE_I32, NK, k_idx);
    for (int n = 0; n < N; n++)
        ck_assert(batch[n] == p.batch[n] && head[n] == p.head[n]);
    for (int n = 0; n <= N; n++)
        ck_assert(q_ptr[n] == p.q_ptr[n] && k_ptr[n] == p.k_ptr[n]);
    for (int e = 0; e < NQ; e++)
        ck_assert_int_eq(q_idx[e], p.q_idx[2 * e]);
    for (int e = 0; e < NK; e++)
        ck_assert_int_eq(k_idx[e], p.k_idx[e]);
    SAYS(attn_selection_get_i64(sel, ATTN_SELECTION_ROW_COUNT, &x), ATTN_ERR_UNSUPPORTED,
         "a selection of groups");
    SAYS(attn_selection_get_f64(sel, 2, &eps), ATTN_ERR_INVALID, "number is 2");
    attn_tensor t;
    SAYS(attn_selection_shape(sel, ATTN_SELECTION_PART_START, &t), ATTN_ERR_UNSUPPORTED, "start");
    attn_selection_destroy(sel);
}
END_TEST

/* All in batch entry 0 without g_batch; no groups at all. */
START_TEST(least_parts)
{
    attn_ctx *ctx;
    attn_selection *sel;
    struct parts p;
    int64_t zero = 0;
    int32_t batch[N];
    fill(&p);
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_int_eq(attn_selection_import_groups(ctx, 1, 2, QUERIES, KEYS, 0, 0, p.arg + 1, 5,
                                                  &sel), ATTN_OK);
    take(sel, ATTN_SELECTION_PART_G_BATCH, ATTN_DTYPE_I32, N, batch);
    ck_assert(batch[0] == 0 && batch[2] == 0);
    attn_selection_destroy(sel);
    for (int n = 1; n < 6; n++)
        view(&p.t[n], n == 2 || n == 3 ? &zero : NULL, ATTN_DTYPE_I64, n == 2 || n == 3);
    ck_assert_int_eq(attn_selection_import_groups(ctx, 3, 2, 0, 0, 0, 0, p.arg + 1, 5, &sel),
                     ATTN_OK);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_GROUP_COUNT), 0);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_END_KEY), 0);
    attn_selection_destroy(sel);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
    attn_ctx *ctx;
    attn_selection *sel;
    struct parts p;
    double eps;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
#define BAD(change, status, words)                                                             \
    do {                                                                                       \
        fill(&p);                                                                              \
        change;                                                                                \
        sel = (attn_selection *)(void *)&p;                                                    \
        SAYS(import_as(ctx, &p, ATTN_SELECTION_EXCLUSIVE, 0, &sel), status, words);            \
        ck_assert_ptr_null(sel);                                                               \
    } while (0)
    BAD(p.batch[1] = 2, ATTN_ERR_RANGE, "g_batch[1] is 2, expected 0 to 1");
    BAD(p.head[2] = -1, ATTN_ERR_RANGE, "g_head[2] is -1");
    BAD(p.head[2] = INT64_C(1) << 40, ATTN_ERR_RANGE, "g_head[2] is 1099511627776");
    BAD(p.q_ptr[0] = 1, ATTN_ERR_RANGE, "q_ptr goes from 1");
    BAD(p.q_ptr[3] = 4, ATTN_ERR_RANGE, "q_ptr goes from 0 to 4, expected 0 to the 5 queries");
    BAD(p.q_ptr[2] = 1, ATTN_ERR_RANGE, "q_ptr[2] is 1, expected at least 2, where group 1");
    BAD(p.q_ptr[1] = 9, ATTN_ERR_RANGE, "q_ptr[2] is 3");
    BAD(p.q_idx[2] = 9, ATTN_ERR_RANGE, "q_idx[1] of group 0 (batch 1, head 1) is 9");
    BAD(p.q_idx[2] = 0, ATTN_ERR_RANGE, "q_idx[1] of group 0 (batch 1, head 1) is 0, expected 1");
    BAD(p.q_idx[4] = -1, ATTN_ERR_RANGE, "of group 1 (batch 0, head 0) is -1");
    BAD(p.k_ptr[0] = 1, ATTN_ERR_RANGE, "k_ptr goes from 1");
    BAD(p.k_ptr[3] = 8, ATTN_ERR_RANGE, "expected 0 to the 7 keys");
    BAD(p.k_ptr[2] = 3, ATTN_ERR_RANGE, "k_ptr[2] is 3, expected 4, where group 1");
    BAD(p.k_ptr[1] = 8, ATTN_ERR_RANGE, "k_ptr[1] is 8");
    BAD(p.k_idx[3] = 20, ATTN_ERR_RANGE, "k_idx[3] of group 0 (batch 1, head 1) is 20");
    BAD(p.k_idx[1] = 2, ATTN_ERR_RANGE, "k_idx[1] of group 0 (batch 1, head 1) is 2, expected 3");
    BAD(p.k_idx[4] = -3, ATTN_ERR_RANGE, "k_idx[4] of group 2");
    BAD(p.q_idx[8] = 8, ATTN_ERR_RANGE, "query 8 of group 2 (batch 1, head 1)");
    BAD(p.t[2].shape[0] = 3, ATTN_ERR_SHAPE, "q_ptr has 3 elements, expected 4");
    BAD(p.t[0].shape[0] = 2, ATTN_ERR_SHAPE, "g_batch has 2 elements, expected 3");
    BAD(p.t[5].rank = 2, ATTN_ERR_SHAPE, "rank");
    BAD(p.t[1].dtype = ATTN_DTYPE_F64, ATTN_ERR_DTYPE, "g_head has dtype f64");
    BAD(p.n = 5, ATTN_ERR_ROLE, "k_idx is missing");
    BAD(p.arg[0].role = 1, ATTN_ERR_ROLE, "parts[0].role is 1, expected 6 to 11");
    BAD(p.arg[0].role = 9, ATTN_ERR_ROLE, "k_ptr is given twice");
    fill(&p);
    SAYS(import_as(ctx, &p, 4, 0, &sel), ATTN_ERR_INVALID, "combine is 4");
    SAYS(import_as(ctx, &p, ATTN_SELECTION_SUM, 0.5, &sel), ATTN_ERR_INVALID, "eps is 0.5");
    SAYS(import_as(ctx, &p, ATTN_SELECTION_MEAN, -1, &sel), ATTN_ERR_INVALID, "eps is -1");
    SAYS(import_as(ctx, &p, ATTN_SELECTION_MEAN, NAN, &sel), ATTN_ERR_INVALID, "eps is nan");
    SAYS(attn_selection_import_groups(ctx, 0, 2, 9, 20, 0, 0, p.arg, 6, &sel), ATTN_ERR_INVALID,
         "batch is 0");
    SAYS(attn_selection_import_groups(ctx, 2, 0, 9, 20, 0, 0, p.arg, 6, &sel), ATTN_ERR_INVALID,
         "heads is 0");
    SAYS(attn_selection_import_groups(ctx, 2, 2, -1, 20, 0, 0, p.arg, 6, &sel), ATTN_ERR_INVALID,
         "queries is -1");
    SAYS(attn_selection_import_groups(ctx, 2, 2, 9, INT64_C(1) << 31, 0, 0, p.arg, 6, &sel),
         ATTN_ERR_INVALID, "keys is 2147483648");
    SAYS(attn_selection_import_groups(NULL, 2, 2, 9, 20, 0, 0, p.arg, 6, &sel), ATTN_ERR_NULL,
         "ctx");
    SAYS(attn_selection_import_groups(ctx, 2, 2, 9, 20, 0, 0, NULL, 6, &sel), ATTN_ERR_NULL,
         "parts");
    SAYS(attn_selection_import_groups(ctx, 2, 2, 9, 20, 0, 0, p.arg, 6, NULL), ATTN_ERR_NULL,
         "selection");
    /* what exclusive groups may not do others may */
    p.q_idx[8] = 8;
    ck_assert_int_eq(import_as(ctx, &p, ATTN_SELECTION_SUM, 0, &sel), ATTN_OK);
    SAYS(attn_selection_get_f64((attn_selection *)(void *)p.arg, 1, &eps), ATTN_ERR_INVALID,
         "no attn_s");
    attn_selection_destroy(sel);
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
        struct parts p;
        fill(&p);
        ck_assert_int_eq(attn_ctx_create(&hook, &ctx), ATTN_OK);
        mem.fail_from = mem.calls + fail;
        int32_t status = import_as(ctx, &p, ATTN_SELECTION_EXCLUSIVE, 0, &sel);
        ck_assert(status == ATTN_OK || (status == ATTN_ERR_NOMEM && !sel));
        attn_ctx_destroy(ctx);
        attn_selection_destroy(sel);
        ck_assert_int_eq(mem.blocks, 0);
        ck_assert_int_eq(mem.bytes, 0);
        if (status == ATTN_OK) {
            ck_assert_int_eq(fail, 5);
            break;
        }
    }
}
END_TEST

UNIT_MAIN("selection_groups", in_and_out, least_parts, refused, memory)
