/* SPDX-License-Identifier: MIT */
/*
 * The text about machine and build.
 */
#include <attn/context.h>
#include <attn/version.h>

#include <inttypes.h>

#include "api/api_check.h"
#include "api/ctx_object.h"
#include "api/isa_use.h"
#include "base/textout.h"
#include "cpu/cpu.h"
#include "kernels/kernels.h"
#include "thread/blas.h"

static void put_levels(struct attn__textout *out)
{
    int32_t isa;

    for (size_t i = 0; (isa = attn__isa_use_at(i)) >= 0; i++)
        if (attn__isa_use_can(isa))
            attn__textout_printf(out, " %s", attn__cpu_isa_name(isa));
}

static void put_cache(struct attn__textout *out, const char *name, int64_t bytes)
{
    if (bytes == 0)
        attn__textout_printf(out, " %s unknown", name);
    else if (bytes % (1024 * 1024) == 0)
        attn__textout_printf(out, " %s %" PRId64 " MiB", name, bytes / (1024 * 1024));
    else
        attn__textout_printf(out, " %s %" PRId64 " KiB", name, bytes / 1024);
}

static void put_blas(struct attn__textout *out)
{
    int64_t threads = attn__blas_threads();

    attn__textout_printf(out, "blas: %s", attn__blas_name());
    if (attn__blas_available() && threads < 0)
        attn__textout_printf(out, ", number of threads unknown");
    else if (attn__blas_available())
        attn__textout_printf(out, ", %" PRId64 " thread%s", threads, threads == 1 ? "" : "s");
    attn__textout_put(out, "\n", 1);
}

int32_t attn_ctx_describe(const attn_ctx *ctx, char *buf, size_t len, size_t *needed)
{
    const struct attn__cpu *cpu = attn__cpu_get();
    struct attn__textout out;

    ATTN__CHECK_POINTER(ctx);
    if (len > 0)
        ATTN__CHECK_POINTER(buf);

    attn__textout_start(&out, buf, len);
    attn__textout_printf(&out, "libattn: %s\n", attn_version_text());
    attn__textout_printf(&out, "cpu: %s, %" PRId32 " logical CPUs, %" PRId64 " usable\n",
                         cpu->model, cpu->logical_cpus, attn__cpu_affinity_count());
    attn__textout_printf(&out, "caches:");
    put_cache(&out, "L1d", cpu->l1d);
    put_cache(&out, "L2", cpu->l2);
    put_cache(&out, "L3", cpu->l3);
    attn__textout_printf(&out, "\nisa: %s of", ctx->kernels->isa_name);
    put_levels(&out);
    attn__textout_printf(&out, "\nthreads: %" PRId64 " (%s)\n", attn__ctx_object_n_threads(ctx),
                         ctx->parallel.run ? "the caller's" : "own pool");
    put_blas(&out);
    attn__textout_finish(&out, needed);
    return ATTN_OK;
}
