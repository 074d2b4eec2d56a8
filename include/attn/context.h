/* SPDX-License-Identifier: MIT */
/*
 * attn_ctx: what the library may use of the machine. The host owns threads,
 * memory and log lines; each can be replaced by a hook.
 */
#ifndef ATTN_CONTEXT_H
#define ATTN_CONTEXT_H

#include <attn/version.h>

typedef struct attn_ctx attn_ctx;

/*
 * Hooks. Each struct starts with its own size: set `size = sizeof(struct)`
 * and zero what is not used. A library newer than the caller takes missing
 * fields as zero; an older one accepts a longer struct if the part it does
 * not know is zero, else ATTN_ERR_UNSUPPORTED.
 */

/*
 * Memory. alloc returns `bytes` bytes aligned to `align` (a power of two) or
 * NULL; free gets the same `bytes`. Both may be called from any thread that
 * calls the library, never during attn_plan_execute.
 */
typedef struct attn_allocator {
    size_t size;
    void *user;
    void *(*alloc)(void *user, size_t bytes, size_t align);
    void (*free)(void *user, void *ptr, size_t bytes);
} attn_allocator;

enum {
    ATTN_LOG_SILENT = 0,
    ATTN_LOG_ERROR = 1,
    ATTN_LOG_WARNING = 2,
    ATTN_LOG_INFO = 3, /* one line per plan: what was chosen */
    ATTN_LOG_TRACE = 4 /* also why each other solver was not */
};

/*
 * Log lines: one finished UTF-8 line without newline, only on the thread that
 * called the library. Without a logger nothing is written, unless the
 * environment has ATTN_LOG=error|warning|info|trace: then to stderr.
 */
typedef struct attn_logger {
    size_t size;
    void *user;
    void (*log)(void *user, int32_t level, const char *line);
} attn_logger;

/*
 * Somebody else's threads. run must call fn(arg, i) once for each
 * 0 <= i < n, in any order and on any threads, possibly all on the calling
 * one, and return when all are done. `threads` is how many can run at once.
 * The library never calls run from inside fn, and tasks never wait for each
 * other. run may be called by several threads at the same time.
 */
typedef struct attn_parallel {
    size_t size;
    void *user;
    int64_t threads;
    void (*run)(void *user, int64_t n, void (*fn)(void *arg, int64_t i),
                void *arg);
} attn_parallel;

/* Levels of instruction sets; higher includes lower on its architecture. */
enum {
    ATTN_ISA_C = 0,            /* portable C */
    ATTN_ISA_SSE2 = 10,
    ATTN_ISA_AVX2 = 20,        /* AVX2, FMA, F16C */
    ATTN_ISA_AVX512 = 30,      /* F, BW, DQ, VL, CD */
    ATTN_ISA_AVX512_BF16 = 31, /* and BF16, VNNI */
    ATTN_ISA_NEON = 40         /* AArch64 Advanced SIMD */
};

/*
 * Context options, for attn_ctx_set_i64 and attn_ctx_get_i64.
 *
 * | option            | default | values                       | since |
 * |-------------------|---------|------------------------------|-------|
 * | ATTN_CTX_THREADS  | 1       | 1..1024; 0: the CPUs this    | 0.1   |
 * |                   |         | process may run on           |       |
 * | ATTN_CTX_MAX_ISA  | highest | ATTN_ISA_*: not to be passed | 0.1   |
 * | ATTN_CTX_LOG_LEVEL| WARNING | ATTN_LOG_*                   | 0.1   |
 * | ATTN_CTX_ISA      | -       | read only: the level in use  | 0.1   |
 * | ATTN_CTX_BLAS     | -       | read only: threads that BLAS | 0.1   |
 * |                   |         | would use; 0: built without; |       |
 * |                   |         | -1: not known                |       |
 *
 * The environment variable ATTN_MAX_ISA (c, sse2, avx2, avx512, avx512_bf16,
 * neon) caps every context of the process as well.
 */
enum {
    ATTN_CTX_THREADS = 1,
    ATTN_CTX_MAX_ISA = 2,
    ATTN_CTX_LOG_LEVEL = 3,
    ATTN_CTX_ISA = 4,
    ATTN_CTX_BLAS = 5
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes a context. allocator: copied, NULL for malloc; used for everything
 * made from this context. *ctx: the result, owned by the caller.
 * ATTN_ERR_NULL (ctx), ATTN_ERR_INVALID (one of alloc and free missing),
 * ATTN_ERR_UNSUPPORTED (a longer struct with a non-zero tail),
 * ATTN_ERR_NOMEM. Allocates; starts no thread. Any thread. Since 0.1.
 */
ATTN_API int32_t attn_ctx_create(const attn_allocator *allocator,
                                 attn_ctx **ctx);

/*
 * Gives the context back. What was made from it stays usable: the memory
 * goes when the last object does. NULL is fine. Since 0.1.
 */
ATTN_API void attn_ctx_destroy(attn_ctx *ctx);

/*
 * Sets an option (table above). Legal until the first plan or descriptor is
 * made from ctx. ATTN_ERR_NULL, ATTN_ERR_UNKNOWN_PARAM, ATTN_ERR_INVALID
 * (out of range, or an ISA this machine or build lacks), ATTN_ERR_STATE (too
 * late, or a read-only option). One thread at a time. Since 0.1.
 */
ATTN_API int32_t attn_ctx_set_i64(attn_ctx *ctx, int32_t option,
                                  int64_t value);

/*
 * Reads an option into *value. ATTN_CTX_THREADS gives the number really used
 * (never 0). ATTN_ERR_NULL, ATTN_ERR_UNKNOWN_PARAM. Any thread while nobody
 * sets. Since 0.1.
 */
ATTN_API int32_t attn_ctx_get_i64(const attn_ctx *ctx, int32_t option,
                                  int64_t *value);

/*
 * Replaces the logger; copied, NULL takes it away. ATTN_ERR_NULL (ctx, or
 * log missing), ATTN_ERR_UNSUPPORTED, ATTN_ERR_STATE. Since 0.1.
 */
ATTN_API int32_t attn_ctx_set_logger(attn_ctx *ctx, const attn_logger *logger);

/*
 * Replaces the thread pool; copied, NULL gives back the library's own.
 * ATTN_CTX_THREADS is then parallel->threads. ATTN_ERR_NULL (ctx, or run
 * missing), ATTN_ERR_INVALID (threads < 1), ATTN_ERR_UNSUPPORTED,
 * ATTN_ERR_STATE. Since 0.1.
 */
ATTN_API int32_t attn_ctx_set_parallel(attn_ctx *ctx,
                                       const attn_parallel *parallel);

/*
 * Writes a few lines about machine and build (CPU model, ISA levels, caches,
 * threads, BLAS) to buf[len], cut to fit, NUL-terminated when len > 0.
 * *needed (may be NULL): bytes of the whole text with its NUL.
 * ATTN_ERR_NULL. Any thread. Since 0.1.
 */
ATTN_API int32_t attn_ctx_describe(const attn_ctx *ctx, char *buf, size_t len,
                                   size_t *needed);

/*
 * Name of an ISA level ("avx2"), NULL for a number that is none. Static
 * string. Any thread. Since 0.1.
 */
ATTN_API const char *attn_isa_name(int32_t isa);

/*
 * The levels there are, lowest first: number `index` from 0, -1 past the
 * last. Any thread. Since 0.1.
 */
ATTN_API int32_t attn_isa_at(size_t index);

/*
 * 1 if this machine and this build can run the level, else 0. Any thread.
 * Since 0.1.
 */
ATTN_API int32_t attn_isa_usable(int32_t isa);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_CONTEXT_H */
