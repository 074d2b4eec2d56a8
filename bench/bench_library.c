/* SPDX-License-Identifier: MIT */
/* Contexts, messages and texts as the rest of the program wants them. */
#include "bench_library.h"

#include <stdlib.h>

int bench_library_failed(const char *what)
{
    char text[1024];
    attn_last_error(text, sizeof text);
    return bench_failed("%s: %s", what, text);
}

attn_ctx *bench_context(const bench_options *options, int64_t threads)
{
    attn_ctx *ctx = NULL;
    int32_t status = attn_ctx_create(NULL, &ctx);
    if (status == ATTN_OK)
        status = attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, threads);
    if (status == ATTN_OK && options->isa >= 0)
        status = attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, options->isa);
    if (status == ATTN_OK)
        return ctx;
    bench_library_failed("context");
    attn_ctx_destroy(ctx);
    return NULL;
}

char *bench_desc_text(const attn_desc *desc)
{
    size_t needed = 0;
    char *text = NULL;
    if (attn_desc_print(desc, NULL, 0, &needed) == ATTN_OK)
        text = malloc(needed);
    if (text)
        attn_desc_print(desc, text, needed, NULL);
    return text;
}
