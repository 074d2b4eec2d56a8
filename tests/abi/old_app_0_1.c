/* SPDX-License-Identifier: MIT */
/*
 * An application from the days of 0.1: compiled with the interface as it was
 * then, run against the library of today. It must work for as long as the
 * SONAME stays, so it is not changed after 0.1.0 is out.
 */
#include "attn_0_1.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed;

static void expect(int ok, int line, const char *what)
{
    char message[512];
    if (ok)
        return;
    attn_last_error(message, sizeof message);
    fprintf(stderr, "old_app_0_1.c:%d: not true: %s (last error: %s)\n", line, what, message);
    failed = 1;
}

#define EXPECT(condition) expect(condition, __LINE__, #condition)

static int64_t blocks;

static void *alloc_hook(void *user, size_t bytes, size_t align)
{
    void *ptr;
    (void)user;
    if (posix_memalign(&ptr, align, bytes) != 0)
        return NULL;
    blocks++;
    return ptr;
}

static void free_hook(void *user, void *ptr, size_t bytes)
{
    (void)user;
    (void)bytes;
    blocks--;
    free(ptr);
}

static int lines;

static void log_hook(void *user, int32_t level, const char *line)
{
    (void)user;
    (void)level;
    lines += line[0] != '\0';
}

static void run_hook(void *user, int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    (void)user;
    for (int64_t i = n; i-- > 0;)
        fn(arg, i);
}

static attn_ctx *make_ctx(void)
{
    const attn_allocator allocator = {sizeof allocator, NULL, alloc_hook, free_hook};
    const attn_logger logger = {sizeof logger, NULL, log_hook};
    const attn_parallel parallel = {sizeof parallel, NULL, 2, run_hook};
    attn_ctx *ctx = NULL;
    int64_t value = -1;
    EXPECT(attn_ctx_create(&allocator, &ctx) == ATTN_OK);
    EXPECT(attn_ctx_set_i64(ctx, ATTN_CTX_LOG_LEVEL, ATTN_LOG_INFO) == ATTN_OK);
    EXPECT(attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, ATTN_ISA_C) == ATTN_OK);
    EXPECT(attn_ctx_get_i64(ctx, ATTN_CTX_ISA, &value) == ATTN_OK && value == ATTN_ISA_C);
    EXPECT(attn_ctx_set_logger(ctx, &logger) == ATTN_OK);
    EXPECT(attn_ctx_set_parallel(ctx, &parallel) == ATTN_OK);
    EXPECT(attn_ctx_get_i64(ctx, ATTN_CTX_THREADS, &value) == ATTN_OK && value == 2);
    return ctx;
}

/* One query that scores 1 with the first key and 0 with the second. */
static const float q[4] = {1, 0, 0, 0};
static const float k[8] = {1, 0, 0, 0, 0, 1, 0, 0};
static const float v[8] = {4, 0, 0, 0, 0, 8, 0, 0};

static void expect_answer(const float *out)
{
    const double weight = exp(1) / (exp(1) + 1);
    EXPECT(fabs(out[0] - 4 * weight) < 1e-5);
    EXPECT(fabs(out[1] - 8 * (1 - weight)) < 1e-5);
    EXPECT(out[2] == 0 && out[3] == 0);
}

static attn_desc *make_desc(attn_ctx *ctx)
{
    static const int64_t heads[] = {0};
    static const double slopes[] = {0};
    attn_desc *desc = NULL;
    char text[256];
    double number = 0;
    int32_t set = -1;
    EXPECT(attn_desc_create(ctx, ATTN_MECH_SOFTMAX, &desc) == ATTN_OK);
    EXPECT(attn_desc_set_i64(desc, ATTN_PARAM_HQ, 1) == ATTN_OK);
    EXPECT(attn_desc_set_i64(desc, ATTN_PARAM_Q, 1) == ATTN_OK);
    EXPECT(attn_desc_set_i64(desc, ATTN_PARAM_K, ATTN_UNBOUNDED) == ATTN_OK);
    EXPECT(attn_desc_set_i64(desc, ATTN_PARAM_D, 4) == ATTN_OK);
    EXPECT(attn_desc_set_f64(desc, ATTN_PARAM_SCALE, 1) == ATTN_OK);
    EXPECT(attn_desc_set_i64s(desc, ATTN_PARAM_KV_HEAD, heads, 1) == ATTN_OK);
    EXPECT(attn_desc_set_i64(desc, ATTN_PARAM_ALIBI, 1) == ATTN_OK);
    EXPECT(attn_desc_set_f64s(desc, ATTN_PARAM_ALIBI_SLOPES, slopes, 1) == ATTN_OK);
    EXPECT(attn_desc_set_text(desc, ATTN_PARAM_DTYPE, "f32") == ATTN_OK);
    EXPECT(attn_desc_set_i64(desc, ATTN_PARAM_HV, 7) == ATTN_OK);
    EXPECT(attn_desc_unset(desc, ATTN_PARAM_HV) == ATTN_OK);
    EXPECT(attn_desc_is_set(desc, ATTN_PARAM_HV, &set) == ATTN_OK && set == 0);
    EXPECT(attn_desc_get_f64(desc, ATTN_PARAM_SCALE, &number) == ATTN_OK && number == 1);
    EXPECT(attn_desc_set_i64(desc, ATTN_PARAM_HQ, 0) == ATTN_ERR_INVALID);
    EXPECT(attn_desc_set_i64(desc, 99, 0) == ATTN_ERR_UNKNOWN_PARAM);
    EXPECT(attn_desc_print(desc, text, sizeof text, NULL) == ATTN_OK);
    EXPECT(strstr(text, "softmax") == text && strstr(text, "k=inf") != NULL);
    return desc;
}

static void use_plan(void)
{
    attn_ctx *ctx = make_ctx();
    attn_desc *desc = make_desc(ctx);
    attn_plan *plan = NULL;
    char text[4096];
    size_t bytes = 0, align = 0;
    float out[4] = {-1, -1, -1, -1}, lse[1] = {-1};
    const int64_t one[4] = {1, 1, 1, 4}, two[4] = {1, 1, 2, 4};
    attn_tensor tq, tk, tv, to, tl;

    EXPECT(attn_plan_create(ctx, desc, &plan) == ATTN_OK);
    attn_ctx_destroy(ctx);
    attn_desc_destroy(desc);
    EXPECT(lines > 0);
    EXPECT(attn_plan_workspace(plan, &bytes, &align) == ATTN_OK && align > 0);
    EXPECT(attn_plan_describe(plan, 1, 2, text, sizeof text, NULL) == ATTN_OK);
    EXPECT(attn_plan_solver(plan, 1, 2) != NULL);

    EXPECT(attn_tensor_init(&tq, (void *)q, ATTN_DTYPE_F32, 4, one) == ATTN_OK);
    EXPECT(attn_tensor_init(&tk, (void *)k, ATTN_DTYPE_F32, 4, two) == ATTN_OK);
    EXPECT(attn_tensor_init(&tv, (void *)v, ATTN_DTYPE_F32, 4, two) == ATTN_OK);
    EXPECT(attn_tensor_init(&to, out, ATTN_DTYPE_F32, 4, one) == ATTN_OK);
    EXPECT(attn_tensor_init(&tl, lse, ATTN_DTYPE_F32, 3, one) == ATTN_OK);
    attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq},
                       {ATTN_ROLE_K, 0, &tk},
                       {ATTN_ROLE_V, 0, &tv},
                       {ATTN_ROLE_OUT, 0, &to},
                       {ATTN_ROLE_LSE, 0, &tl}};
    EXPECT(attn_plan_execute(plan, args, 3, NULL, 0) == ATTN_ERR_ROLE);
    EXPECT(out[0] == -1);
    EXPECT(attn_plan_execute(plan, args, 5, NULL, 0) == ATTN_OK);
    expect_answer(out);
    EXPECT(fabs(lse[0] - log(exp(1) + 1)) < 1e-5);

    /* The same keys in two parts, joined again. */
    float part[2][4], part_lse[2];
    attn_tensor outs[2], lses[2];
    for (int n = 0; n < 2; n++) {
        EXPECT(attn_tensor_init(&tk, (void *)(k + 4 * n), ATTN_DTYPE_F32, 4, one) == ATTN_OK);
        EXPECT(attn_tensor_init(&tv, (void *)(v + 4 * n), ATTN_DTYPE_F32, 4, one) == ATTN_OK);
        EXPECT(attn_tensor_init(&outs[n], part[n], ATTN_DTYPE_F32, 4, one) == ATTN_OK);
        EXPECT(attn_tensor_init(&lses[n], &part_lse[n], ATTN_DTYPE_F32, 3, one) == ATTN_OK);
        args[3].object = &outs[n];
        args[4].object = &lses[n];
        EXPECT(attn_plan_execute(plan, args, 5, NULL, 0) == ATTN_OK);
    }
    memset(out, 0, sizeof out);
    EXPECT(attn_merge(2, outs, lses, &to, &tl) == ATTN_OK);
    expect_answer(out);

    attn_plan_destroy(plan);
    EXPECT(blocks == 0);
}

static void use_one_shot(void)
{
    attn_ctx *ctx = NULL;
    float scaled[4], out[4];
    for (int n = 0; n < 4; n++)
        scaled[n] = 2 * q[n]; /* against the scale of 1/sqrt(4) */
    EXPECT(attn_ctx_create(NULL, &ctx) == ATTN_OK);
    EXPECT(attn_softmax_f32(ctx, 1, 1, 1, 1, 2, 4, 1, scaled, k, v, out) == ATTN_OK);
    expect_answer(out);
    attn_ctx_destroy(ctx);
}

static void use_tables(void)
{
    int32_t number = 0;
    int64_t least = -1, greatest = -1;
    EXPECT(attn_version() >= ATTN_VERSION);
    EXPECT(strcmp(attn_status_name(ATTN_ERR_SHAPE), "ATTN_ERR_SHAPE") == 0);
    EXPECT(attn_status_text(ATTN_ERR_SHAPE)[0] != '\0');
    EXPECT(attn_dtype_size(ATTN_DTYPE_BF16) == 2);
    EXPECT(strcmp(attn_dtype_name(ATTN_DTYPE_BF16), "bf16") == 0);
    EXPECT(strcmp(attn_isa_name(ATTN_ISA_AVX2), "avx2") == 0);
    EXPECT(attn_isa_usable(ATTN_ISA_C) == 1);
    EXPECT(attn_param_find("window_left", &number) == ATTN_OK);
    EXPECT(number == ATTN_PARAM_WINDOW_LEFT);
    EXPECT(attn_param_type(ATTN_PARAM_SCALE) == ATTN_PARAM_TYPE_F64);
    EXPECT(attn_param_bounds_i64(ATTN_PARAM_HQ, &least, &greatest) == ATTN_OK && least == 1);
    EXPECT(attn_role_find("scores_raw", &number) == ATTN_OK);
    EXPECT(number == ATTN_ROLE_SCORES_RAW && attn_role_is_output(number) == 1);
    EXPECT(attn_mech_find("softmax", &number) == ATTN_OK && number == ATTN_MECH_SOFTMAX);
    EXPECT(attn_solver_at(0) != NULL);
}

int main(void)
{
    use_tables();
    use_plan();
    use_one_shot();
    printf("built with %d.%d.%d, run with %s\n", ATTN_VERSION_MAJOR, ATTN_VERSION_MINOR,
           ATTN_VERSION_PATCH, attn_version_text());
    return failed;
}
