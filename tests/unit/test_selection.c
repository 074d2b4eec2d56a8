/* SPDX-License-Identifier: MIT */
/*
 * attn_selection: lists in and out of any type and stride, its numbers, bad
 * lists and arguments, memory that runs out.
 */
#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <attn/attn.h>

#include "count_mem.h"
#include "unit.h"

/* 2 heads, lists for each; 5 queries by blocks of 2; 6 rows. */
enum { ROWS = 6, N = 7, KEYS = 20 };

struct parts {
    int64_t ptr[ROWS + 1], start[N];
    int32_t length[2 * N]; /* every other one */
    double logit[N];
    uint8_t replace[N];
    attn_tensor t[5];
    attn_arg arg[5];
    size_t n;
};

static void view(attn_tensor *t, void *data, int32_t dtype, int64_t n)
{
    ck_assert_int_eq(attn_tensor_init(t, data, dtype, 1, &n), ATTN_OK);
}

static void fill(struct parts *p)
{
    static const int64_t ptr[] = {0, 2, 2, 3, 5, 6, 7}, start[] = {0, 5, 7, 1, 4, 19, 0};
    static const int32_t length[] = {5, 1, 3, 3, 4, 1, 20};
    memset(p, 0, sizeof *p);
    memcpy(p->ptr, ptr, sizeof ptr);
    memcpy(p->start, start, sizeof start);
    for (int e = 0; e < N; e++) {
        p->length[2 * e] = length[e];
        p->logit[e] = e == 3 ? -INFINITY : e / 2.0;
        p->replace[e] = (uint8_t)(e % 2 * 200);
    }
    view(&p->t[0], p->ptr, ATTN_DTYPE_I64, ROWS + 1);
    view(&p->t[1], p->start, ATTN_DTYPE_I64, N);
    view(&p->t[2], p->length, ATTN_DTYPE_I32, N);
    view(&p->t[3], p->logit, ATTN_DTYPE_F64, N);
    view(&p->t[4], p->replace, ATTN_DTYPE_BOOL, N);
    p->t[2].stride[0] = 2;
    for (int n = 0; n < 5; n++)
        p->arg[n] = (attn_arg){n + 1, 0, &p->t[n]};
    p->n = 5;
}

static int32_t import(attn_ctx *ctx, const struct parts *p, attn_selection **sel)
{
    return attn_selection_import_rows(ctx, 1, 2, 1, 5, 2, KEYS, 0, p->arg, p->n, sel);
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

START_TEST(in_and_out)
{
    static const int64_t want[] = {1, 1, 2, 5, KEYS, 1, 2, ROWS, N, 37, 1, 1, 1};
    attn_ctx *ctx;
    attn_selection *sel;
    attn_tensor t;
    struct parts p;
    int32_t ptr[2 * ROWS + 2], start[N];
    int64_t length[N];
    float logit[N];
    uint8_t replace[N];
    void *data[] = {ptr, start, length, logit, replace};
    static const int32_t other[] = {ATTN_DTYPE_I32, ATTN_DTYPE_I32, ATTN_DTYPE_I64,
                                    ATTN_DTYPE_F32, ATTN_DTYPE_U8};
    fill(&p);
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_int_eq(import(ctx, &p, &sel), ATTN_OK);
    attn_ctx_destroy(ctx);
    for (int n = 0; n < 13; n++)
        ck_assert_int_eq(number(sel, n + 1), want[n]);
    for (int n = 0; n < 5; n++) {
        ck_assert_int_eq(attn_selection_shape(sel, n + 1, &t), ATTN_OK);
        ck_assert(!t.data && t.rank == 1 && t.shape[0] == (n == 0 ? ROWS + 1 : N));
        t.data = data[n];
        t.dtype = other[n];
        t.stride[0] = n == 0 ? 2 : 1;
        ck_assert_int_eq(attn_selection_export(sel, n + 1, &t), ATTN_OK);
    }
    for (int r = 0; r <= ROWS; r++)
        ck_assert_int_eq(ptr[2 * r], p.ptr[r]);
    for (int e = 0; e < N; e++) {
        ck_assert(start[e] == p.start[e] && length[e] == p.length[2 * e]);
        ck_assert((double)logit[e] == p.logit[e] && replace[e] == (p.replace[e] != 0));
    }
    attn_selection_destroy(sel);
    attn_selection_destroy(NULL);
}
END_TEST

START_TEST(blocks_and_none)
{
    attn_ctx *ctx;
    attn_selection *sel;
    attn_tensor t;
    struct parts p;
    int32_t length[N];
    fill(&p);
    p.start[6] = 16;
    p.arg[2] = p.arg[1]; /* row_ptr and start alone, in another order */
    p.arg[1] = p.arg[0];
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_int_eq(attn_selection_import_rows(ctx, 1, 2, 1, 5, 2, KEYS, 3, p.arg + 1, 2, &sel),
                     ATTN_OK);
    view(&t, length, ATTN_DTYPE_I32, N);
    ck_assert_int_eq(attn_selection_export(sel, ATTN_SELECTION_PART_LENGTH, &t), ATTN_OK);
    ck_assert(length[0] == 3 && length[5] == 1 && length[6] == 3);
    SAYS(attn_selection_shape(sel, ATTN_SELECTION_PART_LOGIT, &t), ATTN_ERR_UNSUPPORTED, "logit");
    attn_selection_destroy(sel);
    /* no queries, no entries */
    int64_t zero = 0;
    view(&p.t[0], &zero, ATTN_DTYPE_I64, 1);
    view(&p.t[1], NULL, ATTN_DTYPE_I32, 0);
    ck_assert_int_eq(attn_selection_import_rows(ctx, 3, 2, 1, 0, 2, 0, 1, p.arg + 1, 2, &sel),
                     ATTN_OK);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_ROW_COUNT), 0);
    ck_assert_int_eq(number(sel, ATTN_SELECTION_END_KEY), 0);
    attn_selection_destroy(sel);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
    attn_ctx *ctx;
    attn_selection *sel, *good;
    attn_tensor t;
    struct parts p;
    int64_t x;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
#define BAD(change, status, words)                                                             \
    do {                                                                                       \
        fill(&p);                                                                              \
        change;                                                                                \
        sel = (attn_selection *)(void *)&p;                                                    \
        SAYS(import(ctx, &p, &sel), status, words);                                            \
        ck_assert_ptr_null(sel);                                                               \
    } while (0)
    BAD(p.start[1] = 4, ATTN_ERR_RANGE, "entry 1 of row 0 (batch 0, heads 0 to 0, queries 0 to 1)");
    BAD(p.start[2] = INT64_C(1) << 40, ATTN_ERR_RANGE, "start[2] is 1099511627776");
    BAD(p.start[2] = -1, ATTN_ERR_RANGE, "of row 2 (batch 0, heads 0 to 0, queries 4 to 4");
    BAD(p.length[2 * 6] = 21, ATTN_ERR_RANGE, "keys 0 to 20");
    BAD(p.length[2 * 6] = 0, ATTN_ERR_RANGE, "row 5 (batch 0, heads 1 to 1");
    BAD(p.ptr[6] = 8, ATTN_ERR_RANGE, "row_ptr[6] is 8, expected the 7 entries");
    BAD(p.ptr[3] = 1, ATTN_ERR_RANGE, "row_ptr[3] is 1");
    BAD(p.logit[4] = NAN, ATTN_ERR_DATA, "entry 4 of row 3");
    BAD(p.logit[4] = 1e300, ATTN_ERR_DATA, "logit is inf");
    BAD(p.t[0].shape[0] = 6, ATTN_ERR_SHAPE, "row_ptr has 6 elements, expected 7");
    BAD(p.t[3].shape[0] = 6, ATTN_ERR_SHAPE, "logit has 6 elements, expected 7");
    BAD(p.t[1].rank = 2, ATTN_ERR_SHAPE, "rank");
    BAD(p.t[1].dtype = ATTN_DTYPE_F32, ATTN_ERR_DTYPE, "start has dtype f32, expected i32 or i64");
    BAD(p.t[1].data = NULL, ATTN_ERR_NULL, "start");
    BAD(p.arg[2].object = NULL, ATTN_ERR_NULL, "part length");
    BAD(p.arg[2].role = 6, ATTN_ERR_ROLE, "parts[2].role is 6");
    BAD(p.arg[2].role = 2, ATTN_ERR_ROLE, "start is given twice");
    BAD(p.arg[2].zero = 1, ATTN_ERR_INVALID, "parts[2].zero");
    BAD(p.n = 1, ATTN_ERR_ROLE, "start is missing");
    BAD(p.n = 2, ATTN_ERR_INVALID, "k_block is 0");
    BAD(p.arg[3] = p.arg[4]; p.n = 4, ATTN_ERR_INVALID, "without logit");
    fill(&p);
    SAYS(attn_selection_import_rows(ctx, 1, 2, 1, 5, 2, KEYS, 1, p.arg, 5, &sel),
         ATTN_ERR_INVALID, "k_block is 1 with");
    SAYS(attn_selection_import_rows(ctx, 1, 3, 2, 5, 2, KEYS, 0, p.arg, 5, &sel),
         ATTN_ERR_INVALID, "head_group of 2");
    SAYS(attn_selection_import_rows(ctx, 1, 2, 1, 5, 0, KEYS, 0, p.arg, 5, &sel),
         ATTN_ERR_INVALID, "q_block of 0");
    SAYS(attn_selection_import_rows(ctx, 0, 2, 1, 5, 2, KEYS, 0, p.arg, 5, &sel),
         ATTN_ERR_INVALID, "batch of 0");
    SAYS(attn_selection_import_rows(ctx, 1, 2, 1, -5, 2, KEYS, 0, p.arg, 5, &sel),
         ATTN_ERR_INVALID, "-5 queries");
    SAYS(attn_selection_import_rows(ctx, 1, 2, 1, 5, 2, INT64_C(1) << 31, 0, p.arg, 5, &sel),
         ATTN_ERR_INVALID, "keys is 2147483648");
    SAYS(attn_selection_import_rows(ctx, INT64_MAX / 2, 2, 1, INT64_MAX, 1, KEYS, 0, p.arg, 5,
                                    &sel), ATTN_ERR_OVERFLOW, "rows");
    SAYS(attn_selection_import_rows(ctx, 1, 2, 1, 5, 2, KEYS, 0, NULL, 5, &sel), ATTN_ERR_NULL,
         "parts");
    SAYS(attn_selection_import_rows(NULL, 1, 2, 1, 5, 2, KEYS, 0, p.arg, 5, &sel), ATTN_ERR_NULL,
         "ctx");
    SAYS(attn_selection_import_rows(ctx, 1, 2, 1, 5, 2, KEYS, 0, p.arg, 5, NULL), ATTN_ERR_NULL,
         "selection");
    ck_assert_int_eq(import(ctx, &p, &good), ATTN_OK);
    SAYS(attn_selection_get_i64(good, 0, &x), ATTN_ERR_INVALID, "number is 0");
    SAYS(attn_selection_get_i64(good, 99, &x), ATTN_ERR_INVALID, "number is 99");
    SAYS(attn_selection_get_i64((attn_selection *)(void *)p.arg, 1, &x), ATTN_ERR_INVALID,
         "no attn_s");
    SAYS(attn_selection_get_i64(good, ATTN_SELECTION_GROUP_COUNT, &x), ATTN_ERR_UNSUPPORTED,
         "a selection of rows");
    SAYS(attn_selection_shape(good, 12, &t), ATTN_ERR_INVALID, "part is 12");
    SAYS(attn_selection_shape(good, ATTN_SELECTION_PART_G_HEAD, &t), ATTN_ERR_UNSUPPORTED,
         "g_head");
    p.t[2].shape[0] = 6;
    SAYS(attn_selection_export(good, 3, &p.t[2]), ATTN_ERR_SHAPE, "length has 6 elements");
    SAYS(attn_selection_export(good, 3, &p.t[3]), ATTN_ERR_DTYPE, "length has dtype f64");
    p.t[1].stride[0] = 0;
    SAYS(attn_selection_export(good, 2, &p.t[1]), ATTN_ERR_STRIDE, "start");
    attn_selection_destroy(good);
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
        int32_t status = import(ctx, &p, &sel);
        ck_assert(status == ATTN_OK || (status == ATTN_ERR_NOMEM && !sel));
        attn_ctx_destroy(ctx);
        attn_selection_destroy(sel);
        ck_assert_int_eq(mem.blocks, 0);
        ck_assert_int_eq(mem.bytes, 0);
        if (status == ATTN_OK) {
            ck_assert_int_eq(fail, 3);
            break;
        }
    }
}
END_TEST

UNIT_MAIN("selection", in_and_out, blocks_and_none, refused, memory)
