/* SPDX-License-Identifier: MIT */
/*
 * Wisdom: what plans with effort=measure or exhaustive found out. A context
 * collects it; every plan made from the context later uses it, whatever its
 * effort. As text it can be kept in a file and given to other contexts, so
 * that one run measures and all others decide the same at once.
 *
 *     attn-wisdom 1
 *     softmax h=8 q=1 k=inf d=64 | AMD EPYC | avx512_bf16 | 0.1.0 | 1x4096 |
 *         decode | 32,256,1024,0
 *
 * (one line each): the problem, the processor, the instruction set, the
 * version of the library, for how many queries and keys, the solver and its
 * tiles. See docs/wisdom.md. The idea and the word are FFTW's (Frigo and
 * Johnson, 1998).
 */
#ifndef ATTN_WISDOM_H
#define ATTN_WISDOM_H

#include <attn/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes all wisdom of ctx, sorted, one line each under a line with the
 * version of the format. buf[len] is cut to fit and NUL-terminated when
 * len > 0; *needed (may be NULL): bytes of the whole text with its NUL.
 * ATTN_ERR_NULL. Any thread; another thread may add lines between two calls.
 * Since 0.1.
 */
ATTN_API int32_t attn_wisdom_export(const attn_ctx *ctx, char *buf, size_t len,
                                    size_t *needed);

/*
 * Adds wisdom from a NUL-terminated text, which may be hostile: nothing in
 * it can do worse than to choose a slow solver. A line about a problem that
 * ctx knows already replaces what it knew. Empty lines and those that begin
 * with # are passed over; texts may be joined end to end. *taken (may be
 * NULL): lines that ctx now has. *skipped (may be NULL): lines of another
 * processor, version or instruction set than this machine's. A line that is
 * damaged is left out and the others are still taken: the call then returns
 * ATTN_ERR_SYNTAX, and attn_last_error has the number of the first such line,
 * from 1, and what is wrong with it. ATTN_ERR_NULL (ctx, text),
 * ATTN_ERR_NOMEM (the lines counted in *taken stay). Allocates. Any thread.
 * Since 0.1.
 */
ATTN_API int32_t attn_wisdom_import(attn_ctx *ctx, const char *text,
                                    size_t *taken, size_t *skipped);

/*
 * Forgets all wisdom of ctx. Plans that were made with it stay as they are.
 * ATTN_ERR_NULL. Any thread. Since 0.1.
 */
ATTN_API int32_t attn_wisdom_clear(attn_ctx *ctx);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_WISDOM_H */
