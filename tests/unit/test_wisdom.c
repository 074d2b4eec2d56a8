/* SPDX-License-Identifier: MIT */
/*
 * Wisdom: what measuring leaves behind, texts there and back, texts that are
 * wrong, who shares a line with whom, and that plans do what a line says.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <attn/attn.h>

#include "count_mem.h"
#include "cpu/cpu.h"
#include "plan/plan.h"
#include "unit.h"

enum { TEXT = 1 << 16 };

/* Small enough to be measured in no time, and with two solvers at least. */
#define PROBLEM "softmax h=4/2 q=7 k=40 d=16 causal"

static struct count_mem counter;

static attn_ctx *new_ctx(int64_t threads)
{
    attn_allocator hook = count_mem_hook(&counter);
    attn_ctx *ctx;
    ck_assert_int_eq(attn_ctx_create(&hook, &ctx), ATTN_OK);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, threads), ATTN_OK);
    return ctx;
}

/* An end of ctx that leaves nothing behind. */
static void end_ctx(attn_ctx *ctx)
{
    attn_ctx_destroy(ctx);
    ck_assert_int_eq(counter.blocks, 0);
}

static attn_plan *new_plan(attn_ctx *ctx, const char *problem, const char *more)
{
    char text[512];
    attn_desc *desc;
    attn_plan *plan;
    snprintf(text, sizeof text, "%s%s", problem, more);
    ck_assert_msg(attn_desc_parse(ctx, text, &desc) == ATTN_OK, "%s", text);
    int32_t status = attn_plan_create(ctx, desc, &plan);
    ck_assert_msg(status == ATTN_OK, "%s: %s", text, attn_status_name(status));
    attn_desc_destroy(desc);
    return plan;
}

static void plan_once(attn_ctx *ctx, const char *problem, const char *more)
{
    attn_plan_destroy(new_plan(ctx, problem, more));
}

static const char *export(attn_ctx *ctx)
{
    static char text[2][TEXT];
    static int turn;
    size_t needed;
    turn = !turn;
    ck_assert_int_eq(attn_wisdom_export(ctx, text[turn], TEXT, &needed), ATTN_OK);
    ck_assert_uint_eq(needed, strlen(text[turn]) + 1);
    return text[turn];
}

static size_t lines_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static bool by_wisdom(const attn_plan *plan, int64_t q, int64_t k)
{
    char text[4096];
    ck_assert_int_eq(attn_plan_describe(plan, q, k, text, sizeof text, NULL), ATTN_OK);
    bool wise = strstr(text, "\nchosen: by wisdom\n") != NULL;
    ck_assert(wise || strstr(text, "\nchosen: by estimate\n") != NULL);
    return wise;
}

static bool planned_by_wisdom(attn_ctx *ctx, const char *problem, const char *more, int64_t q,
                              int64_t k)
{
    attn_plan *plan = new_plan(ctx, problem, more);
    bool wise = by_wisdom(plan, q, k);
    attn_plan_destroy(plan);
    return wise;
}

/* The level that contexts have by default: the best of machine and build. */
static int32_t level(void)
{
    attn_ctx *ctx;
    int64_t isa = 0;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_int_eq(attn_ctx_get_i64(ctx, ATTN_CTX_ISA, &isa), ATTN_OK);
    attn_ctx_destroy(ctx);
    return (int32_t)isa;
}

/* A line for that level. */
static const char *line(const char *problem, const char *size, const char *choice)
{
    static char text[64][1024];
    static int turn;
    turn = (turn + 1) % 64;
    snprintf(text[turn], sizeof text[turn], "%s | %s | %s | %s | %s | %s\n", problem,
             attn__cpu_get()->model, attn_isa_name(level()), attn_version_text(),
             size, choice);
    return text[turn];
}

/* A solver with the tiles that it would take by itself. */
static const char *choice(attn_ctx *ctx, const char *problem, const char *solver, int64_t q,
                          int64_t k)
{
    static char text[4][128];
    static int turn;
    char forced[64];
    turn = (turn + 1) % 4;
    snprintf(forced, sizeof forced, " solver=%s", solver);
    attn_plan *plan = new_plan(ctx, problem, forced);
    const struct attn__tiles *t =
        &plan->choice[attn__problem_q_class(q)][attn__problem_k_class(k)].tiles;
    snprintf(text[turn], sizeof text[turn], "%s | %d,%d,%d,%d", solver, (int)t->rows, (int)t->keys,
             (int)t->chunk, (int)t->pass);
    attn_plan_destroy(plan);
    return text[turn];
}

static int32_t import(attn_ctx *ctx, const char *text, size_t *taken, size_t *skipped)
{
    *taken = *skipped = 4711;
    return attn_wisdom_import(ctx, text, taken, skipped);
}

/* Lines below the head of the format, all of them good. */
static void import_good(attn_ctx *ctx, const char *body, size_t expected)
{
    char text[8192];
    size_t taken, skipped;
    snprintf(text, sizeof text, "attn-wisdom 1\n%s", body);
    int32_t status = import(ctx, text, &taken, &skipped);
    char said[512] = "";
    attn_last_error(said, sizeof said);
    ck_assert_msg(status == ATTN_OK, "%s: %s", body, said);
    ck_assert_uint_eq(taken, expected);
    ck_assert_uint_eq(skipped, 0);
}

START_TEST(nothing_at_first)
{
    attn_ctx *ctx = new_ctx(1);
    char small[8];
    size_t needed;
    ck_assert_str_eq(export(ctx), "attn-wisdom 1\n");
    ck_assert_int_eq(attn_wisdom_export(ctx, NULL, 0, &needed), ATTN_OK);
    ck_assert_uint_eq(needed, sizeof "attn-wisdom 1\n");
    ck_assert_int_eq(attn_wisdom_export(ctx, small, sizeof small, NULL), ATTN_OK);
    ck_assert_str_eq(small, "attn-wi");
    plan_once(ctx, PROBLEM, "");
    ck_assert_str_eq(export(ctx), "attn-wisdom 1\n");
    ck_assert(!planned_by_wisdom(ctx, PROBLEM, "", 7, 40));
    ck_assert_int_eq(attn_wisdom_clear(ctx), ATTN_OK);
    end_ctx(ctx);
}
END_TEST

START_TEST(null_arguments)
{
    attn_ctx *ctx = new_ctx(1);
    char buf[8];
    ck_assert_int_eq(attn_wisdom_export(NULL, buf, sizeof buf, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_wisdom_export(ctx, NULL, 1, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_wisdom_import(NULL, "", NULL, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_wisdom_import(ctx, NULL, NULL, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_wisdom_import(ctx, "", NULL, NULL), ATTN_OK);
    ck_assert_int_eq(attn_wisdom_clear(NULL), ATTN_ERR_NULL);
    end_ctx(ctx);
}
END_TEST

START_TEST(measured_and_back)
{
    attn_ctx *ctx = new_ctx(1), *other = new_ctx(1);
    char first[TEXT];
    size_t taken, skipped;
    ck_assert(planned_by_wisdom(ctx, PROBLEM, " effort=measure", 7, 40));
    snprintf(first, sizeof first, "%s", export(ctx));
    ck_assert_uint_gt(lines_of(first), 1);
    /* The same again measures nothing new. */
    plan_once(ctx, PROBLEM, " effort=measure");
    ck_assert_str_eq(export(ctx), first);
    ck_assert(planned_by_wisdom(ctx, PROBLEM, "", 7, 40));
    /* Out, in, and out again. */
    ck_assert_int_eq(import(other, first, &taken, &skipped), ATTN_OK);
    ck_assert_uint_eq(taken, lines_of(first) - 1);
    ck_assert_uint_eq(skipped, 0);
    ck_assert_str_eq(export(other), first);
    ck_assert(planned_by_wisdom(other, PROBLEM, "", 7, 40));
    /* Forgotten. */
    ck_assert_int_eq(attn_wisdom_clear(other), ATTN_OK);
    ck_assert_str_eq(export(other), "attn-wisdom 1\n");
    ck_assert(!planned_by_wisdom(other, PROBLEM, "", 7, 40));
    attn_ctx_destroy(other);
    end_ctx(ctx);
}
END_TEST

/* Every problem can be measured, or is left to estimates without a word. */
START_TEST(measured_all)
{
    static const char *const problems[] = {
        "softmax h=4/2 q=1 k=inf d=16 causal",
        "softmax b=3 packed h=4/2 q=9 k=40 d=16/8 window=5,0 sink_tokens=2",
        "softmax h=3 q=5 k=70 d=8 mask bias segments sink_logits softcap=5 alibi",
        "softmax h=4 q=20 k=20 d=16 dtype=f16 q_head=[3,1,0] kv_head=[0,0,2]",
        "softmax h=2 q=1 k=30 d=4 dtype=f64",
        "softmax h=2 q=4 k=30 d=4 want=probs,colsum blas=never",
        "softmax h=2 q=4 k=30 d=4 want=probs solver=reference",
        "softmax h=2 q=0 k=0 d=4",
        "softmax h=8 q=64 k=64 d=16 executors=0 solver=flash",
        "pwca h=2 q=4 k=30 d=8",
        "softmax h=4/2 q=4 k=30 d=8 normalizer=relu compute=bf16 dtype=bf16",
        "softmax h=4/2 q=4 k=30 d=8 bias_table head_scale=[1,2,3,4] logn_train=10",
    };
    static const char *const efforts[] = {" effort=measure", " effort=exhaustive"};
    for (size_t e = 0; e < 2; e++) {
        attn_ctx *ctx = new_ctx(1), *other = new_ctx(1);
        size_t taken, skipped;
        for (size_t i = 0; i < (e ? 1 : sizeof problems / sizeof problems[0]); i++)
            plan_once(ctx, problems[i], efforts[e]);
        ck_assert_int_eq(import(other, export(ctx), &taken, &skipped), ATTN_OK);
        ck_assert_str_eq(export(ctx), export(other));
        attn_ctx_destroy(other);
        end_ctx(ctx);
    }
}
END_TEST

static void score(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b, int64_t h,
                  int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    (void)s, (void)q_stride, (void)k_stride, (void)b, (void)h, (void)q0, (void)nq, (void)k0,
        (void)nk;
    *(int *)user = 1; /* would crash */
}

/* A function of the caller's cannot be called with made-up data. */
START_TEST(callbacks_are_not_called)
{
    attn_ctx *ctx = new_ctx(1);
    attn_desc *desc;
    attn_plan *plan;
    import_good(ctx, line("softmax h=2 q=3 k=30 d=4", "3x30", "reference | 16,0,0,0"), 1);
    ck_assert_int_eq(attn_desc_parse(ctx, "softmax h=2 q=4 k=30 d=4 effort=measure", &desc),
                     ATTN_OK);
    ck_assert_int_eq(attn_desc_set_score_fn(desc, score), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_OK);
    ck_assert(!by_wisdom(plan, 4, 30));
    ck_assert_uint_eq(lines_of(export(ctx)), 2);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    end_ctx(ctx);
}
END_TEST

/* What cannot matter to the choice is not in the key; what can is. */
START_TEST(who_shares)
{
    static const struct {
        const char *problem;
        bool shares;
    } others[] = {
        {"softmax b=5 h=4/2/2 q=7 k=40 d=16/16 causal bias=0 dtype=f32 kv_dtype=f32 blas=auto",
         true},
        {"softmax b=9 packed h=4/2 q=7 k=40 d=16 causal executors=3 check=data", true},
        {"softmax h=4/2 q=7 k=40 d=16 causal effort=estimate", true},
        {"softmax h=4/2 q=7 k=40 d=16", false},
        {"softmax h=4/2 q=7 k=40 d=16 causal blas=never", false},
        {"softmax h=4/2 q=7 k=40 d=16 causal solver=flash", false},
        {"softmax h=4/2 q=7 k=40 d=16 causal dtype=f16", false},
        {"softmax h=4/2 q=7 k=inf d=16 causal", false},
        {"softmax h=4/4 q=7 k=40 d=16 causal", false},
        {"softmax h=4/2 q=7 k=40 d=16 causal want=rowmax", false},
    };
    int64_t blas = 0;
    for (int64_t threads = 1; threads <= 3; threads += 2) {
        attn_ctx *ctx = new_ctx(threads);
        attn_ctx_get_i64(ctx, ATTN_CTX_BLAS, &blas);
        /* Where BLAS has too many threads its solvers are out for good. */
        const char *never = blas > 0 && blas <= threads ? "" : " blas=never";
        char name[128], all[128];
        snprintf(name, sizeof name, PROBLEM "%s", never);
        import_good(ctx, line(name, "7x40", "reference | 16,0,0,0"), 1);
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
            snprintf(all, sizeof all, "%s", others[i].problem);
            bool wise = planned_by_wisdom(ctx, all, "", 7, 40);
            if (*never && strstr(all, "blas=never"))
                continue;
            ck_assert_msg(wise == others[i].shares, "%s, %d threads", all, (int)threads);
        }
        end_ctx(ctx);
    }
}
END_TEST

/* A line decides solver and tiles, for its class only. */
START_TEST(lines_are_followed)
{
    attn_ctx *ctx = new_ctx(1);
    char text[4096];
    const char *p = "softmax h=4/2 q=100 k=40 d=16 blas=never";
    import_good(ctx, line("softmax h=4/2 q=96 k=40 d=16 blas=never", "96x40",
                          choice(ctx, p, "decode", 96, 40)), 1);
    attn_plan *plan = new_plan(ctx, p, "");
    ck_assert(by_wisdom(plan, 100, 40));
    ck_assert(by_wisdom(plan, 33, 1));
    ck_assert(!by_wisdom(plan, 32, 40));
    ck_assert_str_eq(attn_plan_solver(plan, 100, 40), "decode");
    attn_plan_destroy(plan);
    /* Later lines replace earlier ones. */
    import_good(ctx, line("softmax h=4/2 q=96 k=40 d=16 blas=never", "96x40",
                          "reference | 16,0,0,0"), 1);
    ck_assert_uint_eq(lines_of(export(ctx)), 2);
    plan = new_plan(ctx, p, "");
    ck_assert_str_eq(attn_plan_solver(plan, 100, 40), "reference");
    ck_assert_int_eq(attn_plan_describe(plan, 100, 40, text, sizeof text, NULL), ATTN_OK);
    ck_assert_msg(strstr(text, "solver: reference, 16 rows\n") != NULL, "%s", text);
    attn_plan_destroy(plan);
    end_ctx(ctx);
}
END_TEST

/* What is measured at effort runs, and gives what the solver alone gives. */
START_TEST(results_stay)
{
    enum { HQ = 4, HK = 2, Q = 40, K = 70, D = 16 };
    static float q[HQ * Q * D], k[HK * K * D], v[HK * K * D], out[3][HQ * Q * D];
    static const int64_t many[] = {1, HQ, Q, D}, few[] = {1, HK, K, D};
    const char *problem = "softmax h=4/2 q=40 k=70 d=16 causal solver=flash";
    attn_ctx *ctx[3] = {new_ctx(1), new_ctx(2), new_ctx(1)};
    const char *effort[3] = {" effort=exhaustive", "", ""};
    for (int i = 0; i < HQ * Q * D; i++)
        q[i] = (float)(i * 37 % 101) * 0.02f - 1;
    for (int i = 0; i < HK * K * D; i++) {
        k[i] = (float)(i * 53 % 97) * 0.02f - 1;
        v[i] = (float)(i * 29 % 89) * 0.02f - 1;
    }
    for (int n = 0; n < 3; n++) {
        attn_tensor tq, tk, tv, to;
        attn_tensor_init(&tq, q, ATTN_DTYPE_F32, 4, many);
        attn_tensor_init(&tk, k, ATTN_DTYPE_F32, 4, few);
        attn_tensor_init(&tv, v, ATTN_DTYPE_F32, 4, few);
        attn_tensor_init(&to, out[n], ATTN_DTYPE_F32, 4, many);
        const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq}, {ATTN_ROLE_K, 0, &tk},
                                 {ATTN_ROLE_V, 0, &tv}, {ATTN_ROLE_OUT, 0, &to}};
        if (n == 1)
            ck_assert_int_eq(attn_wisdom_import(ctx[1], export(ctx[0]), NULL, NULL), ATTN_OK);
        attn_plan *plan = new_plan(ctx[n], problem, effort[n]);
        ck_assert(by_wisdom(plan, Q, K) == (n < 2));
        ck_assert_int_eq(attn_plan_execute(plan, args, 4, NULL, 0), ATTN_OK);
        attn_plan_destroy(plan);
    }
    ck_assert(memcmp(out[0], out[1], sizeof out[0]) == 0);
    for (int i = 0; i < HQ * Q * D; i++)
        ck_assert_float_eq_tol(out[0][i], out[2][i], 1e-5f);
    for (int n = 0; n < 3; n++)
        attn_ctx_destroy(ctx[n]);
    ck_assert_int_eq(counter.blocks, 0);
}
END_TEST

#define GOOD "softmax h=4/2 q=7 k=40 d=16"

/* Lines whose first one is to be refused, and what the error must say. */
START_TEST(damaged_lines)
{
    char long_name[512], many_fields[512];
    snprintf(long_name, sizeof long_name, "softmax h=4/2 q=7 k=40 d=16 causal=0 %0300d", 1);
    snprintf(many_fields, sizeof many_fields, "%.*s | 1\n",
             (int)strlen(line(GOOD, "7x40", "flash | 1,1,1,1")) - 1,
             line(GOOD, "7x40", "flash | 1,1,1,1"));
    const struct {
        const char *text, *says;
    } bad[] = {
        {"attn-wisdom 2\n", "another than 'attn-wisdom 1'"},
        {"attn-wisdom 1 \n|\n", "line 3 of the wisdom: it has less than 7 fields"},
        {"nonsense\n", "it has less than 7 fields"},
        {"|||||\n", "it has less than 7 fields"},
        {many_fields, "it has more than 7 fields"},
        {line(GOOD, "7x41", "reference | 16,0,0,0"), "is not written as"},
        {line(GOOD, "7", "reference | 16,0,0,0"), "the size is '7'"},
        {line(GOOD, "7x40x1", "reference | 16,0,0,0"), "the size is '7x40x1'"},
        {line(GOOD, "0x40", "reference | 16,0,0,0"), "the size is '0x40'"},
        {line("softmax h=4/2 q=8 k=40 d=16", "8x40", "reference | 16,0,0,0"),
         "at which nothing is measured"},
        {line(GOOD, "7x40", "quantum | 16,0,0,0"), "the solver is 'quantum'"},
        {line(GOOD, "7x40", "reference | 16,0,0"), "the field of tiles is '16,0,0'"},
        {line(GOOD, "7x40", "reference | 16,0,0,0,0"), "the field of tiles is '16,0,0,0,0'"},
        {line(GOOD, "7x40", "reference | 16,0,0,-1"), "the field of tiles is '16,0,0,-1'"},
        {line(GOOD, "7x40", "reference | 17,0,0,0"), "the tiles are 17,0,0,0, expected some"},
        {line(GOOD, "7x40", "flash | 1000000,128,0,1"), "the tiles are 1000000,128,0,1"},
        {line("softmax h=4/2 q=7 k=inf d=16", "7x48", "gemm | 16,0,0,0"), "cannot serve"},
        {line(GOOD " b=2", "7x40", "reference | 16,0,0,0"), "is not written as"},
        {line(GOOD " effort=measure", "7x40", "reference | 16,0,0,0"), "is not written as"},
        {line(GOOD " causal=0", "7x40", "reference | 16,0,0,0"), "is not written as"},
        {line("softmax  h=4/2 q=7 k=40 d=16", "7x40", "reference | 16,0,0,0"), "is not written"},
        {line(long_name, "7x40", "reference | 16,0,0,0"), "line 2 of the wisdom"},
        {line("softmax h=4/3 q=7 k=40 d=16", "7x40", "reference | 16,0,0,0"), "k_head is needed"},
        {line("softmax h=4 q=7 k=40", "7x40", "reference | 16,0,0,0"), "needs d"},
        {line("hardmax h=4 q=7 k=40 d=16", "7x40", "reference | 16,0,0,0"), "hardmax"},
        {line("pwca h=4 q=7 k=40 d=16", "7x40", "reference | 16,0,0,0"), "has stages"},
        {line("", "7x40", "reference | 16,0,0,0"), "line 2 of the wisdom"},
    };
    attn_ctx *ctx = new_ctx(1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[4096], said[512];
        size_t taken, skipped;
        attn_wisdom_clear(ctx);
        snprintf(text, sizeof text, "attn-wisdom 1\n%sattn-wisdom 1\r\n\n# none\nagain wrong\n%s",
                 bad[i].text, line(GOOD, "7x40", "reference | 16,0,0,0"));
        int32_t status = import(ctx, text, &taken, &skipped);
        attn_last_error(said, sizeof said);
        ck_assert_msg(status == ATTN_ERR_SYNTAX, "%s: %s", bad[i].text, attn_status_name(status));
        ck_assert_msg(strstr(said, bad[i].says) && strncmp(said, "line ", 5) == 0,
                      "'%s' does not say '%s'", said, bad[i].says);
        ck_assert_uint_eq(taken, 1);
        ck_assert_uint_eq(skipped, 0);
        ck_assert_uint_eq(lines_of(export(ctx)), 2);
    }
    end_ctx(ctx);
}
END_TEST

START_TEST(head_comes_first)
{
    attn_ctx *ctx = new_ctx(1);
    size_t taken, skipped;
    char text[2048], said[512];
    ck_assert_int_eq(import(ctx, line(GOOD, "7x40", "reference | 16,0,0,0"), &taken, &skipped),
                     ATTN_ERR_SYNTAX);
    attn_last_error(said, sizeof said);
    ck_assert_msg(strstr(said, "line 1 of the wisdom: no line 'attn-wisdom 1' came before"), "%s",
                  said);
    ck_assert_uint_eq(taken, 0);
    /* After a head of another format nothing is taken until the next head. */
    snprintf(text, sizeof text, "attn-wisdom 9\n%sattn-wisdom 1\n%s",
             line(GOOD, "7x40", "reference | 16,0,0,0"),
             line(GOOD " causal", "7x40", "reference | 16,0,0,0"));
    ck_assert_int_eq(import(ctx, text, &taken, &skipped), ATTN_ERR_SYNTAX);
    ck_assert_uint_eq(taken, 1);
    ck_assert_msg(strstr(export(ctx), GOOD " causal | "), "%s", export(ctx));
    end_ctx(ctx);
}
END_TEST

START_TEST(lines_of_others)
{
    attn_ctx *ctx = new_ctx(1);
    size_t taken, skipped;
    char text[4096];
    snprintf(text, sizeof text,
             "attn-wisdom 1\n"
             GOOD " | Other CPU | avx2 | %s | 7x40 | quantum | 1\n"
             GOOD " | %s | c | 9.9.9 | 7x40 | reference | 16,0,0,0\n"
             GOOD " | %s | %s | %s | 7x40 | reference | 16,0,0,0\n"
             GOOD " | %s | c | %s | 7x40 | reference | 16,0,0,0", /* no newline at the end */
             attn_version_text(), attn__cpu_get()->model, attn__cpu_get()->model,
             attn_isa_usable(ATTN_ISA_NEON) ? "avx2" : "neon", attn_version_text(),
             attn__cpu_get()->model, attn_version_text());
    ck_assert_int_eq(import(ctx, text, &taken, &skipped), ATTN_OK);
    ck_assert_uint_eq(taken, 1);
    ck_assert_uint_eq(skipped, 3);
    ck_assert_uint_eq(lines_of(export(ctx)), 2);
    end_ctx(ctx);

    /* Of another level of this machine: kept, but not used above it. */
    ctx = new_ctx(1);
    snprintf(text, sizeof text, GOOD " blas=never | %s | c | %s | 7x40 | reference | 16,0,0,0\n",
             attn__cpu_get()->model, attn_version_text());
    import_good(ctx, text, 1);
    if (level() != ATTN_ISA_C)
        ck_assert(!planned_by_wisdom(ctx, GOOD " blas=never", "", 7, 40));
    end_ctx(ctx);
    ctx = new_ctx(1);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, ATTN_ISA_C), ATTN_OK);
    import_good(ctx, text, 1);
    ck_assert(planned_by_wisdom(ctx, GOOD " blas=never", "", 7, 40));
    end_ctx(ctx);
}
END_TEST

START_TEST(merged_in_any_order)
{
    const char *a = line(GOOD, "7x40", "reference | 16,0,0,0");
    attn_ctx *ctx = new_ctx(1), *other = new_ctx(1);
    const char *decode = choice(ctx, GOOD, "decode", 7, 40);
    const char *b = line(GOOD " causal", "7x40", decode);
    const char *c = line("softmax h=4/2 q=1 k=40 d=16", "1x40", decode);
    import_good(ctx, a, 1);
    import_good(ctx, b, 1);
    import_good(ctx, c, 1);
    import_good(other, c, 1);
    import_good(other, b, 1);
    import_good(other, a, 1);
    import_good(other, a, 1);
    ck_assert_uint_eq(lines_of(export(ctx)), 4);
    ck_assert_str_eq(export(ctx), export(other));
    attn_ctx_destroy(other);
    end_ctx(ctx);
}
END_TEST

static attn_ctx *shared;

static void *work(void *arg)
{
    static const char *const problems[] = {PROBLEM " effort=measure", GOOD, GOOD " effort=measure"};
    char text[TEXT];
    for (int i = 0; i < 30; i++) {
        attn_desc *desc = NULL;
        attn_plan *plan = NULL;
        size_t taken;
        if (attn_wisdom_export(shared, text, sizeof text, NULL) != ATTN_OK ||
            attn_wisdom_import(shared, text, &taken, NULL) != ATTN_OK)
            return (void *)"a text was refused";
        if (i % 10 == 9 && attn_wisdom_clear(shared) != ATTN_OK)
            return (void *)"clear failed";
        if (attn_desc_parse(shared, problems[(i + *(int *)arg) % 3], &desc) != ATTN_OK ||
            attn_plan_create(shared, desc, &plan) != ATTN_OK)
            return (void *)"a plan failed";
        attn_plan_destroy(plan);
        attn_desc_destroy(desc);
    }
    return NULL;
}

START_TEST(many_threads)
{
    enum { THREADS = 3 };
    pthread_t id[THREADS];
    int number[THREADS];
    ck_assert_int_eq(attn_ctx_create(NULL, &shared), ATTN_OK);
    import_good(shared, line(GOOD, "7x40", "reference | 16,0,0,0"), 1);
    for (int i = 0; i < THREADS; i++) {
        number[i] = i;
        ck_assert_int_eq(pthread_create(&id[i], NULL, work, &number[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *said;
        pthread_join(id[i], &said);
        ck_assert_msg(said == NULL, "%s", (const char *)said);
    }
    attn_ctx_destroy(shared);
}
END_TEST

UNIT_MAIN("wisdom", nothing_at_first, null_arguments, measured_and_back, measured_all,
          callbacks_are_not_called, who_shares, lines_are_followed, results_stay, damaged_lines,
          head_comes_first, lines_of_others, merged_in_any_order, many_threads)
