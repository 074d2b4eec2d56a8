/* SPDX-License-Identifier: MIT */
/*
 * Problem strings: canonical form, every way to be wrong, and reading back of what random
 * parameter sets print as. Arguments: the seed of those and how many.
 */
#include "problem/text.h"

#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "count_mem.h"
#include "problem/number.h"
#include "unit.h"

static uint64_t seed = 1;
static int rounds = 1000;
static struct count_mem counter;
static struct attn__mem mem;

static void begin(void)
{
    attn_allocator hook = count_mem_hook(&counter);

    counter = (struct count_mem){0};
    ck_assert_int_eq(attn__mem_init(&mem, &hook), ATTN_OK);
}

static size_t print(const struct attn__params *p, char *buf, size_t len)
{
    struct attn__textout out;
    size_t needed;

    attn__textout_start(&out, buf, len);
    attn__text_print(p, &out);
    attn__textout_finish(&out, &needed);
    return needed;
}

/* NULL as canonical: the input is. */
static const struct {
    const char *text, *canonical;
} goods[] = {
    {"softmax", NULL},
    {"  softmax\t ", "softmax"},
    {"softmax b=1 h=32/8 q=2048 k=inf d=128 causal window=1023,0 dtype=bf16", NULL},
    {"softmax dtype=f16 d=64 h=8 n=100 b=2", "softmax b=2 h=8 q=100 k=100 d=64 dtype=f16"},
    {"softmax causal=top_left", "softmax causal align=top_left"},
    {"softmax causal=1 mask=true bias=0 alibi=false", "softmax causal mask bias=0 alibi=0"},
    {"softmax h=8//4", NULL},
    {"softmax h=/4", NULL},
    {"softmax h=//4", NULL},
    {"softmax h=8/4/2 d=64/32", NULL},
    {"softmax d=/32", NULL},
    {"softmax window=,0", NULL},
    {"softmax window=5,", NULL},
    {"softmax window=inf,-1", NULL},
    {"softmax window=-9223372036854775807,9223372036854775807", NULL},
    {"softmax q=0 k=0", NULL},
    {"softmax q=007", "softmax q=7"},
    {"softmax q_head=[0,1,2] k_head=[] v_head=[65535]", NULL},
    {"softmax kv_head=[0,0,1]", "softmax k_head=[0,0,1] v_head=[0,0,1]"},
    {"softmax scale=.125 softcap=5e1", "softmax scale=0.125 softcap=50"},
    {"softmax scale=-0", NULL},
    {"softmax scale=0.1", NULL},
    {"softmax scale=1e-400", "softmax scale=0"},
    {"softmax scale=1.7976931348623157e+308", NULL},
    {"softmax softcap=5e-324", NULL},
    {"softmax alibi alibi_slopes=[0.5,0.25,-1e-05]", NULL},
    {"softmax want=entropy,probs", "softmax want=probs,entropy"},
    {"softmax want=", NULL},
    {"softmax solver=flash blas=never executors=4 check=data", NULL},
    {"softmax segments packed prefix=3 sink_tokens=4 sink_logits kv_dtype=f16",
     "softmax packed sink_tokens=4 prefix=3 segments sink_logits kv_dtype=f16"},
};

START_TEST(canonical)
{
    begin();
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        const char *expected = goods[i].canonical ? goods[i].canonical : goods[i].text;
        struct attn__params p;
        char buf[512], error[ATTN__ERROR_TEXT_MAX];

        int32_t status = attn__text_parse(&p, &mem, goods[i].text);
        attn__error_get(error, sizeof error);
        ck_assert_msg(status == ATTN_OK, "%s: %s", goods[i].text, error);
        ck_assert_int_eq(print(&p, buf, sizeof buf), strlen(expected) + 1);
        ck_assert_str_eq(buf, expected);
        /* Cut to every length. */
        for (size_t len = 0; len <= strlen(expected) + 1; len++) {
            char *exact = malloc(len ? len : 1);
            ck_assert_int_eq(print(&p, exact, len), strlen(expected) + 1);
            if (len > 0) {
                ck_assert_int_eq(strlen(exact), len - 1);
                ck_assert_mem_eq(exact, expected, len - 1);
            }
            free(exact);
        }
        attn__params_destroy(&p);
    }
    ck_assert_int_eq(counter.blocks, 0);
}
END_TEST

static const struct {
    const char *text;
    int32_t status;
    const char *says;
} bads[] = {
    {"", ATTN_ERR_SYNTAX, "empty"},
    {" \t ", ATTN_ERR_SYNTAX, "empty"},
    {"sotfmax b=1", ATTN_ERR_UNKNOWN_MECH, "'sotfmax' is no mechanism"},
    {"  sotfmax", ATTN_ERR_UNKNOWN_MECH, "position 3:"},
    {"b=1", ATTN_ERR_UNKNOWN_MECH, "position 1:"},
    {"softmax\n", ATTN_ERR_UNKNOWN_MECH, "'softmax?'"},
    {"softmax widnow=1,2", ATTN_ERR_UNKNOWN_NAME, "position 9: 'widnow' is no key"},
    {"softmax widnow=1,2", ATTN_ERR_UNKNOWN_NAME, "the nearest is 'window'"},
    {"softmax hq=8", ATTN_ERR_UNKNOWN_NAME, "'hq' is no key, expected h=HQ[/HK[/HV]]"},
    {"softmax window_left=8", ATTN_ERR_UNKNOWN_NAME, "expected window=LEFT,RIGHT"},
    {"softmax =1", ATTN_ERR_UNKNOWN_NAME, "'' is no key"},
    {"softmax B=1", ATTN_ERR_UNKNOWN_NAME, "'B' is no key"},
    {"softmax dtype=f8", ATTN_ERR_UNKNOWN_NAME, "dtype is 'f8'"},
    {"softmax want=probs,prob", ATTN_ERR_UNKNOWN_NAME, "the nearest is 'probs'"},
    {"softmax align", ATTN_ERR_SYNTAX, "align has no value"},
    {"softmax q", ATTN_ERR_SYNTAX, "q has no value"},
    {"softmax n", ATTN_ERR_SYNTAX, "no value"},
    {"softmax q=", ATTN_ERR_SYNTAX, "q is '', expected an integer"},
    {"softmax q=-", ATTN_ERR_SYNTAX, "expected an integer"},
    {"softmax q=+1", ATTN_ERR_SYNTAX, "expected an integer"},
    {"softmax q=1.0", ATTN_ERR_SYNTAX, "expected an integer"},
    {"softmax q=0x10", ATTN_ERR_SYNTAX, "expected an integer"},
    {"softmax q=1=2", ATTN_ERR_SYNTAX, "q is '1=2'"},
    {"softmax q=infinity", ATTN_ERR_SYNTAX, "expected an integer"},
    {"softmax q=inf", ATTN_ERR_INVALID, "q is inf, expected 0 or more"},
    {"softmax n=inf", ATTN_ERR_INVALID, "q is inf"},
    {"softmax b=inf", ATTN_ERR_INVALID, "b is inf"},
    {"softmax q=-1", ATTN_ERR_INVALID, "q is -1"},
    {"softmax q=9223372036854775808", ATTN_ERR_INVALID, "fits its type"},
    {"softmax k=-9223372036854775808", ATTN_ERR_INVALID, "fits its type"},
    {"softmax q=99999999999999999999999999999999", ATTN_ERR_INVALID, "fits its type"},
    {"softmax causal=2", ATTN_ERR_SYNTAX, "causal is '2', expected 0, 1"},
    {"softmax causal=", ATTN_ERR_SYNTAX, "causal is ''"},
    {"softmax causal=bottom_right", ATTN_ERR_SYNTAX, "causal is 'bottom_right'"},
    {"softmax q=1 q=1", ATTN_ERR_INVALID, "position 13: q is given twice"},
    {"softmax q=1 n=1", ATTN_ERR_INVALID, "q is given twice"},
    {"softmax k=1 n=1", ATTN_ERR_INVALID, "k is given twice"},
    {"softmax n=1 k=1", ATTN_ERR_INVALID, "k is given twice"},
    {"softmax causal causal", ATTN_ERR_INVALID, "causal is given twice"},
    {"softmax align=top_left causal=top_left", ATTN_ERR_INVALID, "align is given twice"},
    {"softmax causal=top_left causal=0", ATTN_ERR_INVALID, "causal is given twice"},
    {"softmax h=8 h=8", ATTN_ERR_INVALID, "h is given twice"},
    {"softmax h=8 h=/8", ATTN_ERR_INVALID, "h is given twice"},
    {"softmax kv_head=[0] v_head=[0]", ATTN_ERR_INVALID, "v_head is given twice"},
    {"softmax k_head=[0] kv_head=[0]", ATTN_ERR_INVALID, "k_head is given twice"},
    {"softmax kv_head=[0] kv_head=[0]", ATTN_ERR_INVALID, "k_head is given twice"},
    {"softmax h", ATTN_ERR_SYNTAX, "h is '', expected h=HQ[/HK[/HV]]"},
    {"softmax h=", ATTN_ERR_SYNTAX, "h is ''"},
    {"softmax h=8/", ATTN_ERR_SYNTAX, "h is '8/'"},
    {"softmax h=8//", ATTN_ERR_SYNTAX, "h is '8//'"},
    {"softmax h=8/4/2/1", ATTN_ERR_SYNTAX, "h is '8/4/2/1'"},
    {"softmax h=/", ATTN_ERR_SYNTAX, "h is '/'"},
    {"softmax h=8/x", ATTN_ERR_SYNTAX, "hk is 'x'"},
    {"softmax h=8/0", ATTN_ERR_INVALID, "hk is 0, expected 1 to 65536"},
    {"softmax d=64/inf", ATTN_ERR_INVALID, "dv is inf"},
    {"softmax window=5", ATTN_ERR_SYNTAX, "window is '5', expected window=LEFT,RIGHT"},
    {"softmax window=,", ATTN_ERR_SYNTAX, "window is ','"},
    {"softmax window=1,2,3", ATTN_ERR_SYNTAX, "window is '1,2,3'"},
    {"softmax window=1/2", ATTN_ERR_SYNTAX, "window is '1/2'"},
    {"softmax window=-inf,0", ATTN_ERR_SYNTAX, "window_left is '-inf'"},
    {"softmax q_head=0", ATTN_ERR_SYNTAX, "q_head is '0', expected a list"},
    {"softmax q_head=", ATTN_ERR_SYNTAX, "expected a list"},
    {"softmax q_head=[", ATTN_ERR_SYNTAX, "expected a list"},
    {"softmax q_head=]", ATTN_ERR_SYNTAX, "expected a list"},
    {"softmax q_head=[1,]", ATTN_ERR_SYNTAX, "expected an integer"},
    {"softmax q_head=[,]", ATTN_ERR_SYNTAX, "expected an integer"},
    {"softmax q_head=[[1]]", ATTN_ERR_SYNTAX, "expected an integer"},
    {"softmax q_head=[1, 2]", ATTN_ERR_SYNTAX, "expected a list"},
    {"softmax q_head=[0,65536]", ATTN_ERR_INVALID, "q_head[1] is 65536"},
    {"softmax q_head=[inf]", ATTN_ERR_INVALID, "q_head[0] is inf"},
    {"softmax alibi_slopes=[1,nan]", ATTN_ERR_SYNTAX, "expected a finite number"},
    {"softmax alibi_slopes=[1,1e999]", ATTN_ERR_INVALID, "fits its type"},
    {"softmax scale=inf", ATTN_ERR_SYNTAX, "scale is 'inf'"},
    {"softmax scale=0,5", ATTN_ERR_SYNTAX, "scale is '0,5'"},
    {"softmax scale=1e", ATTN_ERR_SYNTAX, "scale is '1e'"},
    {"softmax scale=.", ATTN_ERR_SYNTAX, "scale is '.'"},
    {"softmax scale=--1", ATTN_ERR_SYNTAX, "scale is '--1'"},
    {"softmax scale=0x1p3", ATTN_ERR_SYNTAX, "scale is '0x1p3'"},
    {"softmax softcap=0", ATTN_ERR_INVALID, "softcap is 0"},
    {"softmax softcap=1e-999", ATTN_ERR_INVALID, "softcap is 0"},
    {"softmax want=probs,probs", ATTN_ERR_INVALID, "'probs' twice"},
    {"softmax want=[probs]", ATTN_ERR_UNKNOWN_NAME, "want is '[probs]'"},
    {"softmax solver=", ATTN_ERR_INVALID, "solver has 0 characters"},
    {"softmax solver", ATTN_ERR_SYNTAX, "solver has no value"},
    {"softmax solver=a/b", ATTN_ERR_INVALID, "solver is 'a/b'"},
    {"softmax solver=\x1b[31m", ATTN_ERR_INVALID, "solver is '?[31m'"},
    {"softmax score=user", ATTN_ERR_UNKNOWN_NAME, "'score' is no key"},
    {"softmax aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ATTN_ERR_UNKNOWN_NAME,
     "aaa...' is no key"},
};

START_TEST(refused)
{
    begin();
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        /* A copy of exactly the right size: a read behind it is caught. */
        char *exact = strdup(bads[i].text), error[ATTN__ERROR_TEXT_MAX];
        struct attn__params p;
        int32_t status = attn__text_parse(&p, &mem, exact);

        free(exact);
        attn__error_get(error, sizeof error);
        ck_assert_msg(status == bads[i].status, "%s: %d, %s", bads[i].text, (int)status, error);
        ck_assert_msg(strstr(error, bads[i].says), "%s: '%s' does not say '%s'", bads[i].text,
                      error, bads[i].says);
        ck_assert_int_eq(counter.blocks, 0);
        attn__params_destroy(&p);
    }
}
END_TEST

START_TEST(long_texts)
{
    char *text = malloc(ATTN__TEXT_MAX + 2);
    struct attn__params p;
    size_t n = 0;

    begin();
    memset(text, ' ', ATTN__TEXT_MAX + 1);
    memcpy(text, "softmax", 7);
    text[ATTN__TEXT_MAX] = '\0';
    ck_assert_int_eq(attn__text_parse(&p, &mem, text), ATTN_OK);
    attn__params_destroy(&p);
    text[ATTN__TEXT_MAX] = ' ';
    text[ATTN__TEXT_MAX + 1] = '\0';
    ck_assert_int_eq(attn__text_parse(&p, &mem, text), ATTN_ERR_SYNTAX);

    /* The longest list that a text can hold. */
    const size_t head = strlen("softmax q_head=[");
    memcpy(text, "softmax q_head=[", head);
    for (size_t i = head; i < ATTN__TEXT_MAX - 1; i++)
        text[i] = (i - head) % 2 ? ',' : '1';
    text[ATTN__TEXT_MAX - 1] = ']';
    text[ATTN__TEXT_MAX] = '\0';
    if (text[ATTN__TEXT_MAX - 2] == ',')
        memcpy(text + ATTN__TEXT_MAX - 2, "]", 2);
    ck_assert_int_eq(attn__text_parse(&p, &mem, text), ATTN_OK);
    ck_assert_ptr_nonnull(attn__params_i64s(&p, ATTN_PARAM_Q_HEAD, &n));
    ck_assert_int_gt(n, 32000);
    attn__params_destroy(&p);

    /* All brackets, all commas, all digits: linear, no recursion. */
    for (const char *fill = "[,1/=-"; *fill; fill++) {
        memset(text + head, *fill, ATTN__TEXT_MAX - head);
        text[ATTN__TEXT_MAX] = '\0';
        ck_assert_int_lt(attn__text_parse(&p, &mem, text), 0);
    }
    ck_assert_int_eq(counter.blocks, 0);
    free(text);
}
END_TEST

START_TEST(no_memory)
{
    begin();
    for (int64_t fail = 1;; fail++) {
        struct attn__params p;

        counter = (struct count_mem){.fail_from = fail};
        int32_t status = attn__text_parse(
            &p, &mem, "softmax kv_head=[1,2] alibi_slopes=[1,2] solver=flash q_head=[]");
        attn__params_destroy(&p);
        ck_assert_int_eq(counter.blocks, 0);
        if (status == ATTN_OK) {
            ck_assert_int_gt(fail, 7);
            break;
        }
        ck_assert_int_eq(status, ATTN_ERR_NOMEM);
    }
}
END_TEST

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static double draw_f64(uint64_t *state, const struct attn__param_info *info)
{
    for (;;) {
        uint64_t bits = draw(state);
        double v;

        if (draw(state) % 2)
            v = (double)(int64_t)(bits % 2001) / 64 - 15;
        else
            memcpy(&v, &bits, sizeof v);
        if (v >= info->least_f64 && v <= info->greatest_f64)
            return v;
    }
}

static int64_t draw_i64(uint64_t *state, const struct attn__param_info *info)
{
    int64_t greatest = info->greatest_i64;

    if (greatest == ATTN_UNBOUNDED) {
        if (draw(state) % 4 == 0)
            return ATTN_UNBOUNDED;
        greatest = INT64_MAX;
    }
    switch (draw(state) % 4) {
    case 0:
        return info->least_i64;
    case 1:
        return greatest;
    default:
        break;
    }
    uint64_t span = (uint64_t)greatest - (uint64_t)info->least_i64;
    uint64_t step = draw(state) >> (draw(state) % 60);
    return (int64_t)((uint64_t)info->least_i64 + (span == UINT64_MAX ? step : step % (span + 1)));
}

static void draw_param(uint64_t *state, struct attn__params *p, const struct attn__param_info *info)
{
    int64_t ints[20], words = 0, bits = 0;
    double reals[20];
    size_t n = draw(state) % 20;
    char text[64];
    int32_t status;

    switch (info->type) {
    case ATTN_PARAM_TYPE_F64:
        status = attn__params_set_f64(p, info->number, draw_f64(state, info));
        break;
    case ATTN_PARAM_TYPE_I64S:
        for (size_t i = 0; i < n; i++)
            ints[i] = draw_i64(state, info);
        status = attn__params_set_i64s(p, info->number, ints, n);
        break;
    case ATTN_PARAM_TYPE_F64S:
        for (size_t i = 0; i < n; i++)
            reals[i] = draw_f64(state, info);
        status = attn__params_set_f64s(p, info->number, reals, n);
        break;
    case ATTN_PARAM_TYPE_TEXT:
        for (size_t i = 0; i <= n; i++)
            text[i] = "abcXYZ019_-."[draw(state) % 12];
        status = attn__params_set_text(p, info->number, text, n + 1);
        break;
    case ATTN_PARAM_TYPE_ENUM:
    case ATTN_PARAM_TYPE_SET:
        while (info->words[words].text)
            bits |= info->words[words++].value;
        status = attn__params_set_i64(p, info->number,
                                      info->type == ATTN_PARAM_TYPE_SET
                                          ? (int64_t)draw(state) & bits
                                          : info->words[draw(state) % (uint64_t)words].value);
        break;
    default:
        status = attn__params_set_i64(p, info->number, draw_i64(state, info));
    }
    ck_assert_int_eq(status, ATTN_OK);
}

static void check_same(const struct attn__params *a, const struct attn__params *b,
                       const char *text)
{
    for (size_t i = 0; i < ATTN__PARAM_COUNT; i++) {
        const struct attn__param_value *va = &a->values[i], *vb = &b->values[i];
        int32_t type = attn__param_table[i].type;

        ck_assert_msg(va->set == vb->set, "%s: %s", attn__param_table[i].name, text);
        if (!va->set)
            continue;
        if (type == ATTN_PARAM_TYPE_I64S || type == ATTN_PARAM_TYPE_F64S ||
            type == ATTN_PARAM_TYPE_TEXT) {
            size_t size = type == ATTN_PARAM_TYPE_TEXT ? 1 : 8;

            ck_assert_int_eq(va->u.list.n, vb->u.list.n);
            ck_assert_mem_eq(va->u.list.data, vb->u.list.data, va->u.list.n * size);
        } else {
            /* Bits: -0 stays -0. */
            ck_assert_mem_eq(&va->u.i64, &vb->u.i64, 8);
        }
    }
}

START_TEST(random_round_trips)
{
    uint64_t state = seed;

    printf("seed %" PRIu64 "\n", seed);
    begin();
    for (int round = 0; round < rounds; round++) {
        struct attn__params a, b;
        char text[8192], again[8192];

        attn__params_init(&a, &mem, ATTN_MECH_SOFTMAX);
        for (size_t i = 0; i < ATTN__PARAM_COUNT; i++)
            if (draw(&state) % 3 == 0)
                draw_param(&state, &a, &attn__param_table[i]);
        ck_assert_int_le(print(&a, text, sizeof text), sizeof text);
        ck_assert_msg(attn__text_parse(&b, &mem, text) == ATTN_OK, "%s", text);
        check_same(&a, &b, text);
        print(&b, again, sizeof again);
        ck_assert_str_eq(text, again);
        attn__params_destroy(&a);
        attn__params_destroy(&b);
    }
    ck_assert_int_eq(counter.blocks, 0);
}
END_TEST

/* Whatever locale the host has set, if the machine has one with a comma. */
START_TEST(locale_does_not_matter)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF.UTF-8",
                                        "de_DE"};
    struct attn__params p;
    char buf[128];

    begin();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!setlocale(LC_ALL, names[i]))
            continue;
        printf("locale %s\n", names[i]);
        ck_assert_int_eq(attn__text_parse(&p, &mem, "softmax scale=0.125 softcap=1e-07"), ATTN_OK);
        print(&p, buf, sizeof buf);
        ck_assert_str_eq(buf, "softmax scale=0.125 softcap=1e-07");
        attn__params_destroy(&p);
        ck_assert_int_lt(attn__text_parse(&p, &mem, "softmax scale=0,125"), 0);
    }
    setlocale(LC_ALL, "C");
}
END_TEST

START_TEST(shortest_numbers)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0.1, "0.1"},
                {1.0 / 3, "0.3333333333333333"},
                {1e22, "1e+22"},
                {123456789, "123456789"},
                {DBL_MAX, "1.7976931348623157e+308"},
                {DBL_TRUE_MIN, "5e-324"},
                {-0.0, "-0"},
                {0.1f, "0.10000000149011612"}};
    char buf[ATTN__NUMBER_TEXT_MAX];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ck_assert_int_eq(attn__number_print_f64(buf, rows[i].value), strlen(rows[i].text));
        ck_assert_str_eq(buf, rows[i].text);
    }
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {canonical,          refused,          long_texts,
                                  no_memory,          random_round_trips,
                                  locale_does_not_matter, shortest_numbers};

    if (argc > 1)
        seed = strtoull(argv[1], NULL, 0);
    if (argc > 2)
        rounds = atoi(argv[2]);
    return unit_run("text", tests, sizeof tests / sizeof tests[0]);
}
