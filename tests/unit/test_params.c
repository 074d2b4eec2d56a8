/* SPDX-License-Identifier: MIT */
/* Values of parameters: the table, every check, lists and who owns them, kv_head. */
#include "problem/params.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "count_mem.h"
#include "problem/nearest.h"
#include "unit.h"

static struct count_mem counter;
static struct attn__mem mem;
static struct attn__params params;

static void begin(void)
{
    attn_allocator hook = count_mem_hook(&counter);

    counter = (struct count_mem){0};
    ck_assert_int_eq(attn__mem_init(&mem, &hook), ATTN_OK);
    attn__params_init(&params, &mem, ATTN_MECH_SOFTMAX);
}

static void end(void)
{
    attn__params_destroy(&params);
    ck_assert_int_eq(counter.blocks, 0);
    ck_assert_int_eq(counter.bytes, 0);
}

static void check_error(const char *part)
{
    char text[ATTN__ERROR_TEXT_MAX];

    attn__error_get(text, sizeof text);
    ck_assert_msg(strstr(text, part), "'%s' does not say '%s'", text, part);
}

static bool is_set(int32_t param)
{
    bool set = false;

    ck_assert_int_eq(attn__params_is_set(&params, param, &set), ATTN_OK);
    return set;
}

static int32_t set_text(int32_t param, const char *text)
{
    return attn__params_set_text(&params, param, text, strlen(text));
}

static const char *get_text(int32_t param)
{
    static char buf[256];
    struct attn__textout out;

    attn__textout_start(&out, buf, sizeof buf);
    ck_assert_int_eq(attn__params_get_text(&params, param, &out), ATTN_OK);
    attn__textout_finish(&out, NULL);
    return buf;
}

START_TEST(table_is_sound)
{
    for (size_t i = 0; i < ATTN__PARAM_COUNT; i++) {
        const struct attn__param_info *info = &attn__param_table[i];

        ck_assert_int_gt(info->number, i ? info[-1].number : 0);
        ck_assert_ptr_eq(attn__param_by_number(info->number), info);
        ck_assert_ptr_eq(attn__param_by_name(info->name, strlen(info->name)), info);
        ck_assert_int_le(strlen(info->name), ATTN__NEAREST_MAX);
        ck_assert_int_eq(info->help[strlen(info->help) - 1], '.');
        bool has_words =
            info->type == ATTN_PARAM_TYPE_ENUM || info->type == ATTN_PARAM_TYPE_SET;
        ck_assert_int_eq(info->words != NULL, has_words);
        for (const struct attn__param_word *w = info->words; w && w->text; w++) {
            ck_assert(w == info->words || w->value > w[-1].value);
            ck_assert_ptr_eq(attn__param_word_find(info, w->text, strlen(w->text)), w);
            ck_assert(info->type != ATTN_PARAM_TYPE_SET || (w->value & (w->value - 1)) == 0);
        }
    }
    ck_assert_ptr_null(attn__param_by_number(0));
    ck_assert_ptr_null(attn__param_by_number(99));
    ck_assert_ptr_null(attn__param_by_name("causa", 5));
    ck_assert_ptr_null(attn__param_by_name("causall", 7));
}
END_TEST

static const struct limit {
    int32_t param;
    int64_t value;
    int32_t status;
} limits[] = {
    {ATTN_PARAM_B, 1, ATTN_OK},
    {ATTN_PARAM_B, INT64_MAX, ATTN_OK},
    {ATTN_PARAM_B, 0, ATTN_ERR_INVALID},
    {ATTN_PARAM_B, -1, ATTN_ERR_INVALID},
    {ATTN_PARAM_B, ATTN_UNBOUNDED, ATTN_ERR_INVALID},
    {ATTN_PARAM_HQ, 65536, ATTN_OK},
    {ATTN_PARAM_HQ, 65537, ATTN_ERR_INVALID},
    {ATTN_PARAM_Q, 0, ATTN_OK},
    {ATTN_PARAM_Q, ATTN_UNBOUNDED, ATTN_ERR_INVALID},
    {ATTN_PARAM_K, 0, ATTN_OK},
    {ATTN_PARAM_K, -1, ATTN_ERR_INVALID},
    {ATTN_PARAM_K, ATTN_UNBOUNDED, ATTN_OK},
    {ATTN_PARAM_D, 0, ATTN_ERR_INVALID},
    {ATTN_PARAM_WINDOW_LEFT, -5, ATTN_OK},
    {ATTN_PARAM_WINDOW_LEFT, INT64_MIN + 1, ATTN_OK},
    {ATTN_PARAM_WINDOW_RIGHT, ATTN_UNBOUNDED, ATTN_OK},
    {ATTN_PARAM_CAUSAL, 0, ATTN_OK},
    {ATTN_PARAM_CAUSAL, 1, ATTN_OK},
    {ATTN_PARAM_CAUSAL, 2, ATTN_ERR_INVALID},
    {ATTN_PARAM_CAUSAL, -1, ATTN_ERR_INVALID},
    {ATTN_PARAM_ALIGN, ATTN_ALIGN_TOP_LEFT, ATTN_OK},
    {ATTN_PARAM_ALIGN, 2, ATTN_ERR_INVALID},
    {ATTN_PARAM_DTYPE, ATTN_DTYPE_BF16, ATTN_OK},
    {ATTN_PARAM_DTYPE, ATTN_DTYPE_I32, ATTN_ERR_INVALID},
    {ATTN_PARAM_DTYPE, 0, ATTN_ERR_INVALID},
    {ATTN_PARAM_WANT, 0, ATTN_OK},
    {ATTN_PARAM_WANT, 1023, ATTN_OK},
    {ATTN_PARAM_WANT, 4096, ATTN_ERR_INVALID},
    {ATTN_PARAM_WANT, -1, ATTN_ERR_INVALID},
    {ATTN_PARAM_EXECUTORS, 1024, ATTN_OK},
    {ATTN_PARAM_EXECUTORS, 1025, ATTN_ERR_INVALID},
    {ATTN_PARAM_SCALE, 1, ATTN_ERR_INVALID},
    {ATTN_PARAM_SOLVER, 1, ATTN_ERR_INVALID},
    {ATTN_PARAM_Q_HEAD, 1, ATTN_ERR_INVALID},
    {ATTN_PARAM_KV_HEAD, 1, ATTN_ERR_INVALID},
    {114, 1, ATTN_ERR_UNKNOWN_PARAM},
};

START_TEST(integers)
{
    begin();
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct limit *l = &limits[i];
        int64_t value = 4711;

        ck_assert_int_eq(attn__params_set_i64(&params, l->param, l->value), l->status);
        if (l->status != ATTN_OK)
            continue;
        ck_assert(is_set(l->param));
        ck_assert_int_eq(attn__params_get_i64(&params, l->param, &value), ATTN_OK);
        ck_assert_int_eq(value, l->value);
        ck_assert_int_eq(attn__params_i64_or(&params, l->param, 7), l->value);
        ck_assert_int_eq(attn__params_unset(&params, l->param), ATTN_OK);
        ck_assert(!is_set(l->param));
        ck_assert_int_eq(attn__params_get_i64(&params, l->param, &value), ATTN_ERR_UNSET);
        ck_assert_int_eq(attn__params_i64_or(&params, l->param, 7), 7);
    }
    end();
}
END_TEST

START_TEST(messages)
{
    begin();
    attn__params_set_i64(&params, ATTN_PARAM_D, 0);
    check_error("d is 0, expected 1 to 65536");
    attn__params_set_i64(&params, ATTN_PARAM_K, -3);
    check_error("k is -3, expected 0 or more, or inf");
    attn__params_set_i64(&params, ATTN_PARAM_Q, ATTN_UNBOUNDED);
    check_error("q is inf, expected 0 or more");
    attn__params_set_i64s(&params, ATTN_PARAM_Q_HEAD, (const int64_t[]){0, 1, -2}, 3);
    check_error("q_head[2] is -2, expected 0 to 65535");
    attn__params_set_f64(&params, ATTN_PARAM_SOFTCAP, 0);
    check_error("softcap is 0, expected a finite number greater than 0");
    attn__params_set_f64(&params, ATTN_PARAM_SCALE, NAN);
    check_error("scale is nan, expected a finite number");
    attn__params_set_f64s(&params, ATTN_PARAM_ALIBI_SLOPES, (const double[]){1, INFINITY}, 2);
    check_error("alibi_slopes[1] is inf, expected a finite number");
    attn__params_set_f64(&params, ATTN_PARAM_B, 1);
    check_error("b is an integer, found a call for a real number");
    attn__params_set_i64(&params, ATTN_PARAM_DTYPE, 9);
    check_error("dtype is 9, expected the value of one of f32, f64, f16, bf16");
    attn__params_set_i64(&params, ATTN_PARAM_WANT, 4096);
    check_error("want is 4096, expected a sum of the values of probs, scores_raw");
    set_text(ATTN_PARAM_DTYPE, "fp16");
    check_error("dtype is 'fp16', expected f32, f64, f16, bf16; the nearest is 'f16'");
    set_text(ATTN_PARAM_WANT, "probs,colsums");
    check_error("want is 'colsums', expected");
    check_error("the nearest is 'colsum'");
    set_text(ATTN_PARAM_SOLVER, "fla sh");
    check_error("solver is 'fla sh', expected letters");
    attn__params_set_i64(&params, 12345, 0);
    check_error("param is 12345");
    attn__params_get_i64(&params, ATTN_PARAM_PREFIX, &(int64_t){0});
    check_error("prefix is not set");
    end();
}
END_TEST

START_TEST(reals)
{
    static const struct {
        int32_t param;
        double value;
        int32_t status;
    } rows[] = {
        {ATTN_PARAM_SCALE, 0, ATTN_OK},
        {ATTN_PARAM_SCALE, -DBL_MAX, ATTN_OK},
        {ATTN_PARAM_SCALE, INFINITY, ATTN_ERR_INVALID},
        {ATTN_PARAM_SCALE, NAN, ATTN_ERR_INVALID},
        {ATTN_PARAM_SOFTCAP, DBL_TRUE_MIN, ATTN_OK},
        {ATTN_PARAM_SOFTCAP, -1, ATTN_ERR_INVALID},
        {ATTN_PARAM_SOFTCAP, INFINITY, ATTN_ERR_INVALID},
        {ATTN_PARAM_B, 1, ATTN_ERR_INVALID},
        {ATTN_PARAM_ALIBI_SLOPES, 1, ATTN_ERR_INVALID},
        {0, 1, ATTN_ERR_UNKNOWN_PARAM},
    };

    begin();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        double value = 0;

        ck_assert_int_eq(attn__params_set_f64(&params, rows[i].param, rows[i].value),
                         rows[i].status);
        if (rows[i].status == ATTN_OK) {
            ck_assert_int_eq(attn__params_get_f64(&params, rows[i].param, &value), ATTN_OK);
            ck_assert(value == rows[i].value);
            ck_assert(attn__params_f64_or(&params, rows[i].param, 9) == value);
        }
    }
    attn__params_unset(&params, ATTN_PARAM_SCALE);
    ck_assert(attn__params_f64_or(&params, ATTN_PARAM_SCALE, 9) == 9);
    end();
}
END_TEST

START_TEST(words_and_text)
{
    int64_t value = 0;

    begin();
    ck_assert_int_eq(set_text(ATTN_PARAM_WANT, "entropy,probs"), ATTN_OK);
    ck_assert_int_eq(attn__params_get_i64(&params, ATTN_PARAM_WANT, &value), ATTN_OK);
    ck_assert_int_eq(value, ATTN_WANT_PROBS | ATTN_WANT_ENTROPY);
    ck_assert_str_eq(get_text(ATTN_PARAM_WANT), "probs,entropy");
    ck_assert_int_eq(set_text(ATTN_PARAM_WANT, "probs,probs"), ATTN_ERR_INVALID);
    ck_assert_int_eq(set_text(ATTN_PARAM_WANT, "probs,"), ATTN_ERR_UNKNOWN_NAME);
    ck_assert_int_eq(set_text(ATTN_PARAM_WANT, ","), ATTN_ERR_UNKNOWN_NAME);
    ck_assert_str_eq(get_text(ATTN_PARAM_WANT), "probs,entropy");
    ck_assert_int_eq(set_text(ATTN_PARAM_WANT, ""), ATTN_OK);
    ck_assert_str_eq(get_text(ATTN_PARAM_WANT), "");

    ck_assert_int_eq(set_text(ATTN_PARAM_CHECK, "data"), ATTN_OK);
    ck_assert_str_eq(get_text(ATTN_PARAM_CHECK), "data");
    ck_assert_int_eq(set_text(ATTN_PARAM_CHECK, ""), ATTN_ERR_UNKNOWN_NAME);

    ck_assert_ptr_null(attn__params_text_or(&params, ATTN_PARAM_SOLVER, NULL));
    ck_assert_int_eq(set_text(ATTN_PARAM_SOLVER, "flash-2_x.y"), ATTN_OK);
    ck_assert_int_eq(set_text(ATTN_PARAM_SOLVER, "gemm"), ATTN_OK);
    ck_assert_str_eq(attn__params_text_or(&params, ATTN_PARAM_SOLVER, NULL), "gemm");
    ck_assert_int_eq(set_text(ATTN_PARAM_SOLVER, ""), ATTN_ERR_INVALID);
    ck_assert_int_eq(set_text(ATTN_PARAM_SOLVER, "a=b"), ATTN_ERR_INVALID);
    char longest[66];
    memset(longest, 'x', 65);
    longest[65] = '\0';
    ck_assert_int_eq(set_text(ATTN_PARAM_SOLVER, longest), ATTN_ERR_INVALID);
    ck_assert_str_eq(get_text(ATTN_PARAM_SOLVER), "gemm");
    ck_assert_int_eq(set_text(ATTN_PARAM_SOLVER, longest + 1), ATTN_OK);
    ck_assert_int_eq(set_text(ATTN_PARAM_CAUSAL, "1"), ATTN_ERR_INVALID);
    ck_assert_int_eq(set_text(1, "1"), ATTN_ERR_UNKNOWN_PARAM);
    end();
}
END_TEST

START_TEST(lists_and_alias)
{
    const int64_t a[] = {0, 0, 1}, b[] = {0, 0, 2}, *list;
    const double slopes[] = {0.5, 0.25}, *got;
    size_t n = 99;

    begin();
    ck_assert_ptr_null(attn__params_i64s(&params, ATTN_PARAM_K_HEAD, &n));
    ck_assert_int_eq(n, 0);
    ck_assert(!is_set(ATTN_PARAM_KV_HEAD));
    ck_assert_int_eq(attn__params_set_i64s(&params, ATTN_PARAM_KV_HEAD, a, 3), ATTN_OK);
    ck_assert(is_set(ATTN_PARAM_K_HEAD) && is_set(ATTN_PARAM_V_HEAD));
    ck_assert(is_set(ATTN_PARAM_KV_HEAD));
    list = attn__params_i64s(&params, ATTN_PARAM_V_HEAD, &n);
    ck_assert_int_eq(n, 3);
    ck_assert_mem_eq(list, a, sizeof a);

    ck_assert_int_eq(attn__params_set_i64s(&params, ATTN_PARAM_V_HEAD, b, 3), ATTN_OK);
    ck_assert(!is_set(ATTN_PARAM_KV_HEAD));
    ck_assert_int_eq(attn__params_get_i64s(&params, ATTN_PARAM_KV_HEAD, &list, &n),
                     ATTN_ERR_UNSET);
    ck_assert_int_eq(attn__params_set_i64s(&params, ATTN_PARAM_K_HEAD, b, 3), ATTN_OK);
    ck_assert_int_eq(attn__params_get_i64s(&params, ATTN_PARAM_KV_HEAD, &list, &n), ATTN_OK);
    ck_assert_mem_eq(list, b, sizeof b);
    ck_assert_int_eq(attn__params_unset(&params, ATTN_PARAM_KV_HEAD), ATTN_OK);
    ck_assert(!is_set(ATTN_PARAM_K_HEAD) && !is_set(ATTN_PARAM_V_HEAD));

    /* An empty list is a value. */
    ck_assert_int_eq(attn__params_set_i64s(&params, ATTN_PARAM_Q_HEAD, NULL, 0), ATTN_OK);
    ck_assert(is_set(ATTN_PARAM_Q_HEAD));
    ck_assert_ptr_nonnull(attn__params_i64s(&params, ATTN_PARAM_Q_HEAD, &n));
    ck_assert_int_eq(n, 0);

    ck_assert_int_eq(attn__params_set_f64s(&params, ATTN_PARAM_ALIBI_SLOPES, slopes, 2), ATTN_OK);
    got = attn__params_f64s(&params, ATTN_PARAM_ALIBI_SLOPES, &n);
    ck_assert_int_eq(n, 2);
    ck_assert_mem_eq(got, slopes, sizeof slopes);
    ck_assert_int_eq(attn__params_set_f64s(&params, ATTN_PARAM_Q_HEAD, slopes, 2),
                     ATTN_ERR_INVALID);
    ck_assert_int_eq(attn__params_set_i64s(&params, ATTN_PARAM_ALIBI_SLOPES, a, 3),
                     ATTN_ERR_INVALID);

    static const int64_t many[ATTN__PARAMS_LIST_MAX + 1];
    ck_assert_int_eq(
        attn__params_set_i64s(&params, ATTN_PARAM_Q_HEAD, many, ATTN__PARAMS_LIST_MAX), ATTN_OK);
    ck_assert_int_eq(
        attn__params_set_i64s(&params, ATTN_PARAM_Q_HEAD, many, ATTN__PARAMS_LIST_MAX + 1),
        ATTN_ERR_INVALID);
    check_error("q_head has 65537 values");
    end();
}
END_TEST

START_TEST(copies_and_failures)
{
    const int64_t a[] = {0, 1};
    struct attn__params copy;
    size_t n;

    begin();
    ck_assert_int_eq(attn__params_set_i64s(&params, ATTN_PARAM_KV_HEAD, a, 2), ATTN_OK);
    ck_assert_int_eq(set_text(ATTN_PARAM_SOLVER, "flash"), ATTN_OK);
    ck_assert_int_eq(attn__params_set_i64(&params, ATTN_PARAM_B, 3), ATTN_OK);

    ck_assert_int_eq(attn__params_copy(&copy, &mem, &params), ATTN_OK);
    attn__params_unset(&params, ATTN_PARAM_KV_HEAD);
    ck_assert_mem_eq(attn__params_i64s(&copy, ATTN_PARAM_K_HEAD, &n), a, sizeof a);
    ck_assert_str_eq(attn__params_text_or(&copy, ATTN_PARAM_SOLVER, ""), "flash");
    ck_assert_int_eq(attn__params_i64_or(&copy, ATTN_PARAM_B, 0), 3);
    ck_assert_int_eq(copy.mech, ATTN_MECH_SOFTMAX);

    /* Every allocation of a copy and of an alias fails once. */
    for (int64_t i = 1; i <= 3; i++) {
        struct attn__params failed;
        int64_t blocks = counter.blocks;

        counter.calls = 0;
        counter.fail_from = i;
        ck_assert_int_eq(attn__params_copy(&failed, &mem, &copy), ATTN_ERR_NOMEM);
        ck_assert_int_eq(counter.blocks, blocks);
    }
    for (int64_t i = 1; i <= 2; i++) {
        counter.calls = 0;
        counter.fail_from = i;
        ck_assert_int_eq(attn__params_set_i64s(&copy, ATTN_PARAM_KV_HEAD, a, 1), ATTN_ERR_NOMEM);
        attn__params_i64s(&copy, ATTN_PARAM_KV_HEAD, &n);
        ck_assert_int_eq(n, 2);
    }
    counter.fail_from = 0;
    attn__params_destroy(&copy);
    end();
}
END_TEST

START_TEST(nearest)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } rows[] = {{"", "", 0},          {"abc", "", 3},          {"window", "widnow", 1},
                {"kitten", "sitting", 3}, {"causal", "casual", 1}, {"a", "b", 1},
                {"", "abcd", 4}};
    struct attn__nearest near;
    char quote[ATTN__QUOTE_MAX], longest[100];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *a = rows[i].a, *b = rows[i].b;

        ck_assert_int_eq(attn__nearest_distance(a, strlen(a), b, strlen(b)), rows[i].distance);
        ck_assert_int_eq(attn__nearest_distance(b, strlen(b), a, strlen(a)), rows[i].distance);
    }
    memset(longest, 'w', sizeof longest);
    attn__nearest_start(&near, longest, sizeof longest);
    attn__nearest_offer(&near, "window");
    ck_assert_ptr_null(near.best);
    attn__nearest_start(&near, longest, ATTN__NEAREST_MAX);
    attn__nearest_offer(&near, "window");
    ck_assert_str_eq(near.best, "window");
    ck_assert_int_eq(strlen(attn__nearest_quote(quote, longest, sizeof longest)), 43);
    ck_assert_str_eq(attn__nearest_quote(quote, "a\n\xC3\xA4 z", 6), "a??? z");
}
END_TEST

UNIT_MAIN("params", table_is_sound, integers, messages, reals, words_and_text, lists_and_alias,
          copies_and_failures, nearest)
