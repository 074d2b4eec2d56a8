/* SPDX-License-Identifier: MIT */
/* Descriptors through the public functions: every status, and what stays as it was on failure. */
#include <math.h>
#include <string.h>

#include <attn/attn.h>

#include "count_mem.h"
#include "unit.h"

static struct count_mem counter;
static attn_ctx *ctx;
static attn_desc *desc;

static void begin(void)
{
    attn_allocator hook = count_mem_hook(&counter);

    counter = (struct count_mem){0};
    ck_assert_int_eq(attn_ctx_create(&hook, &ctx), ATTN_OK);
    ck_assert_int_eq(attn_desc_create(ctx, ATTN_MECH_SOFTMAX, &desc), ATTN_OK);
}

static void end(void)
{
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    ck_assert_int_eq(counter.blocks, 0);
    ck_assert_int_eq(counter.bytes, 0);
}

static void check_error(const char *part)
{
    char text[512];

    attn_last_error(text, sizeof text);
    ck_assert_msg(strstr(text, part), "'%s' does not say '%s'", text, part);
}

static void check_print(const char *expected)
{
    char buf[512];
    size_t needed = 0;

    ck_assert_int_eq(attn_desc_print(desc, buf, sizeof buf, &needed), ATTN_OK);
    ck_assert_str_eq(buf, expected);
    ck_assert_int_eq(needed, strlen(expected) + 1);
}

START_TEST(create_and_parse)
{
    attn_desc *d = (attn_desc *)&counter;

    begin();
    ck_assert_int_eq(attn_desc_create(ctx, 100, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_create(NULL, 100, &d), ATTN_ERR_NULL);
    ck_assert_ptr_null(d);
    d = (attn_desc *)&counter;
    ck_assert_int_eq(attn_desc_create(ctx, 7, &d), ATTN_ERR_UNKNOWN_MECH);
    check_error("id is 7");
    ck_assert_ptr_null(d);

    ck_assert_int_eq(attn_desc_parse(ctx, "softmax", NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_parse(ctx, NULL, &d), ATTN_ERR_NULL);
    check_error("text is NULL");
    ck_assert_int_eq(attn_desc_parse(NULL, "softmax", &d), ATTN_ERR_NULL);
    static const struct {
        const char *text;
        int32_t status;
    } rows[] = {{"", ATTN_ERR_SYNTAX},
                {"softmax q=x", ATTN_ERR_SYNTAX},
                {"linear", ATTN_ERR_UNKNOWN_MECH},
                {"softmax x=1", ATTN_ERR_UNKNOWN_NAME},
                {"softmax q=-1", ATTN_ERR_INVALID}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        d = (attn_desc *)&counter;
        ck_assert_int_eq(attn_desc_parse(ctx, rows[i].text, &d), rows[i].status);
        ck_assert_ptr_null(d);
    }
    ck_assert_int_eq(attn_desc_parse(ctx, "softmax q=3 kv_head=[0]", &d), ATTN_OK);
    attn_desc_destroy(d);
    attn_desc_destroy(NULL);

    for (int64_t fail = 1; fail < 6; fail++) {
        int64_t blocks = counter.blocks;

        counter.calls = 0;
        counter.fail_from = fail;
        int32_t status = attn_desc_parse(ctx, "softmax q=3 kv_head=[0]", &d);
        ck_assert_int_eq(status, fail < 5 ? ATTN_ERR_NOMEM : ATTN_OK);
        attn_desc_destroy(d);
        ck_assert_int_eq(counter.blocks, blocks);
    }
    counter.fail_from = 0;
    end();
}
END_TEST

START_TEST(set_get_print)
{
    const int64_t heads[] = {1, 0}, *no_heads = NULL;
    const double slopes[] = {0.5};
    int64_t i64 = 0, i64s[4] = {9, 9, 9, 9};
    double f64 = 0, f64s[4];
    size_t n = 0, needed = 0;
    int32_t set = 9;
    char buf[8];

    begin();
    check_print("softmax");
    ck_assert_int_eq(attn_desc_set_i64(desc, ATTN_PARAM_HQ, 8), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_i64(desc, ATTN_PARAM_HV, 2), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_i64(desc, ATTN_PARAM_K, ATTN_UNBOUNDED), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_f64(desc, ATTN_PARAM_SCALE, 0.25), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_WANT, "rowmax,probs"), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_i64s(desc, ATTN_PARAM_Q_HEAD, heads, 2), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_i64s(desc, ATTN_PARAM_K_HEAD, no_heads, 0), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_f64s(desc, ATTN_PARAM_ALIBI_SLOPES, slopes, 1), ATTN_OK);
    check_print("softmax h=8//2 k=inf q_head=[1,0] k_head=[] scale=0.25 alibi_slopes=[0.5] "
                "want=probs,rowmax");

    ck_assert_int_eq(attn_desc_get_i64(desc, ATTN_PARAM_K, &i64), ATTN_OK);
    ck_assert_int_eq(i64, ATTN_UNBOUNDED);
    ck_assert_int_eq(attn_desc_get_i64(desc, ATTN_PARAM_HK, &i64), ATTN_ERR_UNSET);
    ck_assert_int_eq(attn_desc_get_f64(desc, ATTN_PARAM_SCALE, &f64), ATTN_OK);
    ck_assert(f64 == 0.25);
    ck_assert_int_eq(attn_desc_get_f64(desc, ATTN_PARAM_SOFTCAP, &f64), ATTN_ERR_UNSET);
    ck_assert_int_eq(attn_desc_get_f64(desc, ATTN_PARAM_HQ, &f64), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_desc_get_i64(desc, ATTN_PARAM_SCALE, &i64), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_desc_get_i64(desc, -4, &i64), ATTN_ERR_UNKNOWN_PARAM);

    ck_assert_int_eq(attn_desc_get_text(desc, ATTN_PARAM_WANT, buf, sizeof buf, &needed),
                     ATTN_OK);
    ck_assert_str_eq(buf, "probs,r");
    ck_assert_int_eq(needed, strlen("probs,rowmax") + 1);
    ck_assert_int_eq(attn_desc_get_text(desc, ATTN_PARAM_WANT, NULL, 0, &needed), ATTN_OK);
    ck_assert_int_eq(attn_desc_get_text(desc, ATTN_PARAM_WANT, NULL, 1, &needed), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_text(desc, ATTN_PARAM_WANT, buf, sizeof buf, NULL), ATTN_OK);
    ck_assert_int_eq(attn_desc_get_text(desc, ATTN_PARAM_SOLVER, buf, sizeof buf, &needed),
                     ATTN_ERR_UNSET);
    ck_assert_str_eq(buf, "probs,r");

    ck_assert_int_eq(attn_desc_get_i64s(desc, ATTN_PARAM_Q_HEAD, i64s, 1, &n), ATTN_OK);
    ck_assert_int_eq(n, 2);
    ck_assert(i64s[0] == 1 && i64s[1] == 9);
    ck_assert_int_eq(attn_desc_get_i64s(desc, ATTN_PARAM_Q_HEAD, i64s, 4, &n), ATTN_OK);
    ck_assert(i64s[0] == 1 && i64s[1] == 0 && i64s[2] == 9);
    ck_assert_int_eq(attn_desc_get_i64s(desc, ATTN_PARAM_Q_HEAD, NULL, 0, &n), ATTN_OK);
    ck_assert_int_eq(attn_desc_get_i64s(desc, ATTN_PARAM_V_HEAD, i64s, 4, &n), ATTN_ERR_UNSET);
    ck_assert_int_eq(attn_desc_get_f64s(desc, ATTN_PARAM_ALIBI_SLOPES, f64s, 4, &n), ATTN_OK);
    ck_assert(n == 1 && f64s[0] == 0.5);

    ck_assert_int_eq(attn_desc_is_set(desc, ATTN_PARAM_HV, &set), ATTN_OK);
    ck_assert_int_eq(set, 1);
    ck_assert_int_eq(attn_desc_unset(desc, ATTN_PARAM_HV), ATTN_OK);
    ck_assert_int_eq(attn_desc_unset(desc, ATTN_PARAM_HV), ATTN_OK);
    ck_assert_int_eq(attn_desc_is_set(desc, ATTN_PARAM_HV, &set), ATTN_OK);
    ck_assert_int_eq(set, 0);
    ck_assert_int_eq(attn_desc_is_set(desc, 1, &set), ATTN_ERR_UNKNOWN_PARAM);
    ck_assert_int_eq(attn_desc_unset(desc, 1), ATTN_ERR_UNKNOWN_PARAM);
    end();
}
END_TEST

START_TEST(failures_change_nothing)
{
    const int64_t good[] = {1, 2}, bad[] = {1, -2};
    const double nan_slopes[] = {1, NAN};
    const char *before = "softmax b=2 q_head=[1,2] scale=3 want=probs";

    begin();
    attn_desc_set_i64(desc, ATTN_PARAM_B, 2);
    attn_desc_set_f64(desc, ATTN_PARAM_SCALE, 3);
    attn_desc_set_text(desc, ATTN_PARAM_WANT, "probs");
    attn_desc_set_i64s(desc, ATTN_PARAM_Q_HEAD, good, 2);
    check_print(before);

    ck_assert_int_eq(attn_desc_set_i64(desc, ATTN_PARAM_B, 0), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_desc_set_i64(desc, 9999, 0), ATTN_ERR_UNKNOWN_PARAM);
    ck_assert_int_eq(attn_desc_set_f64(desc, ATTN_PARAM_SCALE, NAN), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_desc_set_f64(desc, ATTN_PARAM_B, 1), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_WANT, "prob"), ATTN_ERR_UNKNOWN_NAME);
    ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_B, "1"), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_desc_set_i64s(desc, ATTN_PARAM_Q_HEAD, bad, 2), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_desc_set_i64s(desc, ATTN_PARAM_B, good, 2), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_desc_set_f64s(desc, ATTN_PARAM_ALIBI_SLOPES, nan_slopes, 2),
                     ATTN_ERR_INVALID);
    counter.calls = 0;
    counter.fail_from = 1;
    ck_assert_int_eq(attn_desc_set_i64s(desc, ATTN_PARAM_Q_HEAD, good, 1), ATTN_ERR_NOMEM);
    ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_SOLVER, "x"), ATTN_ERR_NOMEM);
    counter.fail_from = 0;
    check_print(before);
    end();
}
END_TEST

START_TEST(null_pointers)
{
    int64_t i64;
    double f64;
    size_t n;
    int32_t set;
    char buf[8];

    begin();
    attn_desc_set_i64(desc, ATTN_PARAM_B, 1);
    ck_assert_int_eq(attn_desc_print(NULL, buf, 8, &n), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_print(desc, NULL, 8, &n), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_print(desc, NULL, 0, NULL), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_i64(NULL, ATTN_PARAM_B, 1), ATTN_ERR_NULL);
    check_error("desc is NULL");
    ck_assert_int_eq(attn_desc_set_f64(NULL, ATTN_PARAM_SCALE, 1), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_set_text(NULL, ATTN_PARAM_SOLVER, "x"), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_SOLVER, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_set_i64s(NULL, ATTN_PARAM_Q_HEAD, NULL, 0), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_set_i64s(desc, ATTN_PARAM_Q_HEAD, NULL, 1), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_set_f64s(NULL, ATTN_PARAM_ALIBI_SLOPES, NULL, 0), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_set_f64s(desc, ATTN_PARAM_ALIBI_SLOPES, NULL, 1), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_i64(NULL, ATTN_PARAM_B, &i64), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_i64(desc, ATTN_PARAM_B, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_f64(NULL, ATTN_PARAM_SCALE, &f64), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_f64(desc, ATTN_PARAM_SCALE, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_text(NULL, ATTN_PARAM_WANT, buf, 8, &n), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_i64s(NULL, ATTN_PARAM_Q_HEAD, &i64, 1, &n), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_i64s(desc, ATTN_PARAM_Q_HEAD, NULL, 1, &n), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_i64s(desc, ATTN_PARAM_Q_HEAD, &i64, 1, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_f64s(NULL, ATTN_PARAM_ALIBI_SLOPES, &f64, 1, &n),
                     ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_f64s(desc, ATTN_PARAM_ALIBI_SLOPES, NULL, 1, &n),
                     ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_get_f64s(desc, ATTN_PARAM_ALIBI_SLOPES, &f64, 1, NULL),
                     ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_unset(NULL, ATTN_PARAM_B), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_is_set(NULL, ATTN_PARAM_B, &set), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_is_set(desc, ATTN_PARAM_B, NULL), ATTN_ERR_NULL);
    end();
}
END_TEST

START_TEST(context_goes_first)
{
    begin();
    attn_ctx_destroy(ctx);
    ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_SOLVER, "x"), ATTN_OK);
    check_print("softmax solver=x");
    attn_desc_destroy(desc);
    ck_assert_int_eq(counter.blocks, 0);
}
END_TEST

UNIT_MAIN("desc", create_and_parse, set_get_print, failures_change_nothing, null_pointers,
          context_goes_first)
