/* SPDX-License-Identifier: MIT */
/*
 * What the other objects need of a context beyond its struct.
 */
#ifndef ATTN_API_CTX_OBJECT_H
#define ATTN_API_CTX_OBJECT_H

#include <stdint.h>

#include "base/ctx.h"

/* The context's threads with their workers started, made at the first call;
 * from any thread. They live as long as the context. ATTN_ERR_NOMEM,
 * ATTN_ERR_THREAD: a later call tries again. */
int32_t attn__ctx_object_threads(struct attn_ctx *ctx,
                                 struct attn__threads **threads);

/* Threads that the context uses, at least 1. */
int64_t attn__ctx_object_n_threads(const struct attn_ctx *ctx);

#endif
