/* SPDX-License-Identifier: MIT */
/*
 * Contexts: making, options, hooks.
 */
#include <attn/context.h>

#include <inttypes.h>

#include "api/api_check.h"
#include "api/ctx_object.h"
#include "api/isa_use.h"
#include "base/checked.h"
#include "cpu/cpu.h"
#include "kernels/kernels.h"
#include "plan/wisdom.h"
#include "thread/blas.h"
#include "thread/parallel.h"

enum { THREADS_MOST = 1024 };

/* The last reference is gone: nobody else can see ctx any more. */
static void ctx_free(struct attn_ctx *ctx)
{
    struct attn__mem mem = ctx->mem;

    attn__threads_destroy(ctx->threads);
    attn__wisdom_clear(ctx);
    attn__lock_destroy(&ctx->lock);
    attn__mem_free(&mem, ctx->kernels, sizeof *ctx->kernels);
    attn__mem_free(&mem, ctx, sizeof *ctx);
}

int32_t attn_ctx_create(const attn_allocator *allocator, attn_ctx **ctx)
{
    struct attn__mem mem;
    int32_t status;

    ATTN__CHECK_POINTER(ctx);
    *ctx = NULL;
    status = attn__mem_init(&mem, allocator);
    if (status != ATTN_OK)
        return status;

    struct attn_ctx *c = attn__mem_alloc(&mem, sizeof *c, 64);
    if (!c)
        return ATTN_ERR_NOMEM;
    c->mem = mem;
    c->kernels = attn__mem_alloc(&mem, sizeof *c->kernels, 64);
    if (!c->kernels) {
        status = ATTN_ERR_NOMEM;
        goto fail;
    }
    if (!attn__lock_init(&c->lock)) {
        status = attn__error_set(ATTN_ERR_NOMEM, "the system has no mutex for the context left");
        goto fail;
    }

    attn__log_init(&c->log);
    attn__kernels_select(attn__cpu_get()->isa, c->kernels);
    atomic_init(&c->refs, 1);
    atomic_init(&c->used, false);
    c->n_threads = 1;
    c->destroy = ctx_free;
    *ctx = c;
    return ATTN_OK;

fail:
    attn__mem_free(&mem, c->kernels, sizeof *c->kernels);
    attn__mem_free(&mem, c, sizeof *c);
    return status;
}

void attn_ctx_destroy(attn_ctx *ctx)
{
    if (ctx)
        attn__ctx_release(ctx);
}

static int32_t check_unused(const attn_ctx *ctx, const char *what)
{
    if (!atomic_load_explicit(&ctx->used, memory_order_acquire))
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_STATE,
                           "%s is set on a context in use, expected it before the first "
                           "descriptor or plan is made",
                           what);
}

static int32_t check_range(const char *option, int64_t value, int64_t least, int64_t greatest)
{
    if (value >= least && value <= greatest)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID,
                           "%s is %" PRId64 ", expected %" PRId64 " to %" PRId64, option, value,
                           least, greatest);
}

/* Threads that were made for a plan which then failed: nobody uses them, and
 * the next plan is to have those that are asked for now. */
static void drop_threads(attn_ctx *ctx)
{
    attn__threads_destroy(ctx->threads);
    ctx->threads = NULL;
}

static int32_t set_threads(attn_ctx *ctx, int64_t value)
{
    int32_t status = check_range("ATTN_CTX_THREADS", value, 0, THREADS_MOST);

    if (status != ATTN_OK)
        return status;
    drop_threads(ctx);
    ctx->n_threads = value ? value : attn__min_i64(attn__cpu_affinity_count(), THREADS_MOST);
    return ATTN_OK;
}

static int32_t set_max_isa(attn_ctx *ctx, int64_t value)
{
    bool number = value >= 0 && value <= INT32_MAX;
    const struct attn__cpu *cpu = attn__cpu_get();

    if (!number || !attn__isa_use_can((int32_t)value))
        return attn__error_set(ATTN_ERR_INVALID,
                               "ATTN_CTX_MAX_ISA is %" PRId64
                               " (%s), expected a level that processor and build have: "
                               "attn_isa_usable tells, %s is the highest allowed here",
                               value, number ? attn__cpu_isa_name((int32_t)value) : "no level",
                               attn__cpu_isa_name(cpu->isa));
    attn__kernels_select((int32_t)value, ctx->kernels);
    return ATTN_OK;
}

int32_t attn_ctx_set_i64(attn_ctx *ctx, int32_t option, int64_t value)
{
    int32_t status;

    ATTN__CHECK_POINTER(ctx);
    switch (option) {
    case ATTN_CTX_THREADS:
        status = check_unused(ctx, "ATTN_CTX_THREADS");
        return status == ATTN_OK ? set_threads(ctx, value) : status;
    case ATTN_CTX_MAX_ISA:
        status = check_unused(ctx, "ATTN_CTX_MAX_ISA");
        return status == ATTN_OK ? set_max_isa(ctx, value) : status;
    case ATTN_CTX_LOG_LEVEL:
        status = check_unused(ctx, "ATTN_CTX_LOG_LEVEL");
        if (status == ATTN_OK)
            status =
                check_range("ATTN_CTX_LOG_LEVEL", value, ATTN_LOG_SILENT, ATTN_LOG_TRACE);
        if (status == ATTN_OK)
            ctx->log.level = (int32_t)value;
        return status;
    case ATTN_CTX_ISA:
        return attn__error_set(ATTN_ERR_STATE, "ATTN_CTX_ISA is read only, expected an option "
                                               "that can be set: ATTN_CTX_MAX_ISA limits it");
    case ATTN_CTX_BLAS:
        return attn__error_set(ATTN_ERR_STATE, "ATTN_CTX_BLAS is read only, expected an option "
                                               "that can be set");
    default:
        return attn__error_set(ATTN_ERR_UNKNOWN_PARAM,
                               "option is %" PRId32 ", expected one of ATTN_CTX_*", option);
    }
}

int64_t attn__ctx_object_n_threads(const struct attn_ctx *ctx)
{
    return ctx->parallel.run ? ctx->parallel.threads : ctx->n_threads;
}

int32_t attn_ctx_get_i64(const attn_ctx *ctx, int32_t option, int64_t *value)
{
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(value);
    switch (option) {
    case ATTN_CTX_THREADS:
        *value = attn__ctx_object_n_threads(ctx);
        return ATTN_OK;
    case ATTN_CTX_MAX_ISA:
    case ATTN_CTX_ISA:
        /* Only levels that can be used can be set, so both are the same. */
        *value = ctx->kernels->isa;
        return ATTN_OK;
    case ATTN_CTX_LOG_LEVEL:
        *value = ctx->log.level;
        return ATTN_OK;
    case ATTN_CTX_BLAS:
        *value = attn__blas_threads();
        return ATTN_OK;
    default:
        return attn__error_set(ATTN_ERR_UNKNOWN_PARAM,
                               "option is %" PRId32 ", expected one of ATTN_CTX_*", option);
    }
}

int32_t attn_ctx_set_logger(attn_ctx *ctx, const attn_logger *logger)
{
    int32_t status;

    ATTN__CHECK_POINTER(ctx);
    status = check_unused(ctx, "the logger");
    return status == ATTN_OK ? attn__log_hook(&ctx->log, logger) : status;
}

int32_t attn_ctx_set_parallel(attn_ctx *ctx, const attn_parallel *parallel)
{
    attn_parallel hook;
    int32_t status;

    ATTN__CHECK_POINTER(ctx);
    status = check_unused(ctx, "the thread pool");
    if (status == ATTN_OK)
        status = attn__user_parallel_init(&hook, parallel);
    if (status == ATTN_OK) {
        drop_threads(ctx);
        ctx->parallel = hook;
    }
    return status;
}

int32_t attn__ctx_object_threads(struct attn_ctx *ctx, struct attn__threads **threads)
{
    int32_t status = ATTN_OK;

    attn__lock_take(&ctx->lock);
    if (!ctx->threads)
        status = attn__threads_create(&ctx->mem, ctx->n_threads,
                                      ctx->parallel.run ? &ctx->parallel : NULL, &ctx->threads);
    if (status == ATTN_OK)
        status = attn__threads_start(ctx->threads);
    *threads = status == ATTN_OK ? ctx->threads : NULL;
    attn__lock_give(&ctx->lock);
    return status;
}
