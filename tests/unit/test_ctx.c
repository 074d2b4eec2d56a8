/* SPDX-License-Identifier: MIT */
/* Contexts through the public functions: options, hooks, when they are fixed, the description. */
#include <stdint.h>
#include <string.h>

#include <attn/attn.h>

#include "count_mem.h"
#include "unit.h"

static attn_ctx *ctx;

static void begin(void)
{
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
}

static void end(void)
{
    attn_ctx_destroy(ctx);
}

static void check_error(const char *part)
{
    char text[512];

    attn_last_error(text, sizeof text);
    ck_assert_msg(strstr(text, part), "'%s' does not say '%s'", text, part);
}

static int64_t option(int32_t number)
{
    int64_t value = -4711;

    ck_assert_int_eq(attn_ctx_get_i64(ctx, number, &value), ATTN_OK);
    return value;
}

START_TEST(create)
{
    struct count_mem counter = {0};
    attn_allocator hook = count_mem_hook(&counter);
    struct {
        attn_allocator known;
        uint64_t more;
    } longer = {hook, 0};
    attn_ctx *c;

    ck_assert_int_eq(attn_ctx_create(NULL, NULL), ATTN_ERR_NULL);
    hook.free = NULL;
    c = (attn_ctx *)&counter;
    ck_assert_int_eq(attn_ctx_create(&hook, &c), ATTN_ERR_INVALID);
    ck_assert_ptr_null(c);
    longer.known.size = sizeof longer;
    longer.more = 1;
    ck_assert_int_eq(attn_ctx_create(&longer.known, &c), ATTN_ERR_UNSUPPORTED);
    longer.more = 0;
    ck_assert_int_eq(attn_ctx_create(&longer.known, &c), ATTN_OK);
    ck_assert_int_gt(counter.blocks, 0);
    attn_ctx_destroy(c);
    ck_assert_int_eq(counter.blocks, 0);
    ck_assert_int_eq(counter.bytes, 0);
    attn_ctx_destroy(NULL);

    int64_t calls = counter.calls;
    for (int64_t fail = 1; fail <= calls; fail++) {
        counter.calls = 0;
        counter.fail_from = fail;
        c = (attn_ctx *)&counter;
        ck_assert_int_eq(attn_ctx_create(&longer.known, &c), ATTN_ERR_NOMEM);
        ck_assert_ptr_null(c);
        ck_assert_int_eq(counter.blocks, 0);
    }
}
END_TEST

START_TEST(options)
{
    int64_t value = 0;

    begin();
    ck_assert_int_eq(option(ATTN_CTX_THREADS), 1);
    ck_assert_int_eq(option(ATTN_CTX_LOG_LEVEL), ATTN_LOG_WARNING);
    ck_assert_int_eq(option(ATTN_CTX_ISA), option(ATTN_CTX_MAX_ISA));
    ck_assert_int_ge(option(ATTN_CTX_BLAS), -1);

    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 1024), ATTN_OK);
    ck_assert_int_eq(option(ATTN_CTX_THREADS), 1024);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 1025), ATTN_ERR_INVALID);
    check_error("ATTN_CTX_THREADS is 1025, expected 0 to 1024");
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, -1), ATTN_ERR_INVALID);
    ck_assert_int_eq(option(ATTN_CTX_THREADS), 1024);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 0), ATTN_OK);
    ck_assert_int_ge(option(ATTN_CTX_THREADS), 1);

    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_LOG_LEVEL, ATTN_LOG_TRACE), ATTN_OK);
    ck_assert_int_eq(option(ATTN_CTX_LOG_LEVEL), ATTN_LOG_TRACE);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_LOG_LEVEL, 5), ATTN_ERR_INVALID);

    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_ISA, 0), ATTN_ERR_STATE);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_BLAS, 0), ATTN_ERR_STATE);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, 77, 0), ATTN_ERR_UNKNOWN_PARAM);
    ck_assert_int_eq(attn_ctx_get_i64(ctx, 77, &value), ATTN_ERR_UNKNOWN_PARAM);
    ck_assert_int_eq(attn_ctx_get_i64(ctx, ATTN_CTX_ISA, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_ctx_get_i64(NULL, ATTN_CTX_ISA, &value), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_ctx_set_i64(NULL, ATTN_CTX_THREADS, 1), ATTN_ERR_NULL);
    end();
}
END_TEST

START_TEST(levels)
{
    int32_t usable = 0;

    begin();
    for (int32_t isa = -5; isa < 100; isa++) {
        const char *name = attn_isa_name(isa);

        if (attn_isa_usable(isa)) {
            ck_assert_ptr_nonnull(name);
            ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, isa), ATTN_OK);
            ck_assert_int_eq(option(ATTN_CTX_ISA), isa);
            ck_assert_int_eq(option(ATTN_CTX_MAX_ISA), isa);
            usable++;
        } else {
            int64_t before = option(ATTN_CTX_ISA);
            ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, isa), ATTN_ERR_INVALID);
            ck_assert_int_eq(option(ATTN_CTX_ISA), before);
        }
    }
    ck_assert_int_eq(attn_isa_usable(ATTN_ISA_C), 1);
    ck_assert_int_ge(usable, 1);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, (int64_t)1 << 32), ATTN_ERR_INVALID);
    ck_assert_str_eq(attn_isa_name(ATTN_ISA_C), "c");
    ck_assert_str_eq(attn_isa_name(ATTN_ISA_AVX512_BF16), "avx512_bf16");
    ck_assert_ptr_null(attn_isa_name(1));
    end();
}
END_TEST

static void log_line(void *user, int32_t level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

static void run_serial(void *user, int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    (void)user;
    for (int64_t i = 0; i < n; i++)
        fn(arg, i);
}

START_TEST(hooks)
{
    attn_logger logger = {.size = sizeof logger, .log = log_line};
    attn_parallel parallel = {.size = sizeof parallel, .threads = 5, .run = run_serial};
    struct {
        attn_logger known;
        uint64_t more;
    } longer_logger = {logger, 1};
    struct {
        attn_parallel known;
        uint64_t more;
    } longer_parallel = {parallel, 1};

    begin();
    ck_assert_int_eq(attn_ctx_set_logger(NULL, &logger), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_ctx_set_logger(ctx, &logger), ATTN_OK);
    ck_assert_int_eq(attn_ctx_set_logger(ctx, NULL), ATTN_OK);
    logger.log = NULL;
    ck_assert_int_eq(attn_ctx_set_logger(ctx, &logger), ATTN_ERR_NULL);
    longer_logger.known.size = sizeof longer_logger;
    ck_assert_int_eq(attn_ctx_set_logger(ctx, &longer_logger.known), ATTN_ERR_UNSUPPORTED);

    ck_assert_int_eq(attn_ctx_set_parallel(NULL, &parallel), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 3), ATTN_OK);
    ck_assert_int_eq(attn_ctx_set_parallel(ctx, &parallel), ATTN_OK);
    ck_assert_int_eq(option(ATTN_CTX_THREADS), 5);
    parallel.threads = 0;
    ck_assert_int_eq(attn_ctx_set_parallel(ctx, &parallel), ATTN_ERR_INVALID);
    parallel.threads = 1;
    parallel.run = NULL;
    ck_assert_int_eq(attn_ctx_set_parallel(ctx, &parallel), ATTN_ERR_NULL);
    longer_parallel.known.size = sizeof longer_parallel;
    ck_assert_int_eq(attn_ctx_set_parallel(ctx, &longer_parallel.known), ATTN_ERR_UNSUPPORTED);
    ck_assert_int_eq(option(ATTN_CTX_THREADS), 5);
    ck_assert_int_eq(attn_ctx_set_parallel(ctx, NULL), ATTN_OK);
    ck_assert_int_eq(option(ATTN_CTX_THREADS), 3);
    end();
}
END_TEST

START_TEST(fixed_after_use)
{
    attn_desc *desc;

    begin();
    /* A failed attempt makes no object. */
    ck_assert_int_eq(attn_desc_create(ctx, 2, &desc), ATTN_ERR_UNKNOWN_MECH);
    ck_assert_int_eq(attn_desc_parse(ctx, "softmax x", &desc), ATTN_ERR_UNKNOWN_NAME);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 2), ATTN_OK);
    ck_assert_int_eq(attn_desc_create(ctx, ATTN_MECH_SOFTMAX, &desc), ATTN_OK);
    attn_desc_destroy(desc);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 3), ATTN_ERR_STATE);
    check_error("ATTN_CTX_THREADS is set on a context in use");
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, ATTN_ISA_C), ATTN_ERR_STATE);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_LOG_LEVEL, 0), ATTN_ERR_STATE);
    ck_assert_int_eq(attn_ctx_set_logger(ctx, NULL), ATTN_ERR_STATE);
    ck_assert_int_eq(attn_ctx_set_parallel(ctx, NULL), ATTN_ERR_STATE);
    ck_assert_int_eq(option(ATTN_CTX_THREADS), 2);
    end();
}
END_TEST

/* A plan that fails leaves a context as free as it was, its threads too. */
START_TEST(free_after_failed_plan)
{
    attn_desc *desc;
    attn_plan *plan;
    attn_ctx *other;

    begin();
    ck_assert_int_eq(attn_ctx_create(NULL, &other), ATTN_OK);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 2), ATTN_OK);
    ck_assert_int_eq(attn_desc_parse(other, "softmax q=1", &desc), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_UNSET);
    ck_assert_ptr_null(plan);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 3), ATTN_OK);
    attn_desc_destroy(desc);
    ck_assert_int_eq(attn_desc_parse(other, "softmax h=1 n=1 d=1", &desc), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_OK);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 2), ATTN_ERR_STATE);
    attn_desc_destroy(desc);
    attn_ctx_destroy(other);
    end();
    attn_plan_destroy(plan);
}
END_TEST

START_TEST(describe)
{
    char whole[4096];
    size_t needed = 0;

    begin();
    ck_assert_int_eq(attn_ctx_describe(ctx, whole, sizeof whole, &needed), ATTN_OK);
    ck_assert_int_eq(needed, strlen(whole) + 1);
    static const char *const parts[] = {"libattn: ", "\ncpu: ", "\ncaches: ",
                                        "\nisa: ",   "\nthreads: 1 (own pool)", "\nblas: "};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ck_assert_ptr_nonnull(strstr(whole, parts[i]));
    ck_assert_ptr_nonnull(strstr(whole, attn_version_text()));
    for (size_t len = 0; len <= needed; len++) {
        char *cut = malloc(len ? len : 1);
        size_t same = 0;

        ck_assert_int_eq(attn_ctx_describe(ctx, len ? cut : NULL, len, &same), ATTN_OK);
        ck_assert_int_eq(same, needed);
        if (len > 0)
            ck_assert_int_eq(strlen(cut), len - 1);
        free(cut);
    }
    ck_assert_int_eq(attn_ctx_describe(NULL, whole, sizeof whole, &needed), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_ctx_describe(ctx, NULL, 1, &needed), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_ctx_describe(ctx, whole, sizeof whole, NULL), ATTN_OK);
    end();
}
END_TEST

UNIT_MAIN("ctx", create, options, levels, hooks, fixed_after_use, free_after_failed_plan,
          describe)
