/* SPDX-License-Identifier: MIT */
/*
 * Who keeps a context alive.
 */
#include "base/ctx.h"

void attn__ctx_retain(struct attn_ctx *ctx)
{
    atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
    atomic_store_explicit(&ctx->used, true, memory_order_release);
}

void attn__ctx_release(struct attn_ctx *ctx)
{
    /* Everything other threads did with ctx comes before its end. */
    if (atomic_fetch_sub_explicit(&ctx->refs, 1, memory_order_acq_rel) == 1)
        ctx->destroy(ctx);
}
