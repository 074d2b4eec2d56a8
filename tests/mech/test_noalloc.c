/* SPDX-License-Identifier: MIT */
/*
 * Execute allocates nothing. The malloc family is defined here in front of
 * the C library's, so that every allocation of the process is counted; what
 * BLAS does inside the solvers that call it is outside of the promise.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dense.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                        \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

enum { SKIPPED = 77 };

#if defined(SANITIZED) || !defined(__GLIBC__)

int main(void)
{
    return SKIPPED;
}

#else

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static _Atomic long calls;
static _Atomic int counting;

static void count(void)
{
    if (atomic_load(&counting))
        atomic_fetch_add(&calls, 1);
}

void *malloc(size_t n)
{
    count();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    count();
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    count();
    return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
    count();
    *p = __libc_memalign(align, n);
    return *p ? 0 : ENOMEM;
}

void free(void *p)
{
    if (p)
        count();
    __libc_free(p);
}

static const struct {
    const char *text;
    int64_t nq, nk;
    bool bias;
} problems[] = {
    {"softmax b=2 h=4/2 q=40 k=2500 d=24 causal", 40, 2500, false},
    {"softmax b=2 h=4/2 q=40 k=2500 d=24 causal", 1, 2500, false},
    {"softmax b=2 h=4/2 q=40 k=inf d=24 alibi softcap=9", 3, 1100, false},
    {"softmax b=2 h=4/2 q=40 k=100 d=24 bias window=9,2", 33, 100, true},
    {"softmax b=2 h=4/2 q=40 k=100 d=24 want=probs,colsum,entropy", 33, 100, false},
};

/* Allocations of one execute, or -1 if it fails. */
static long count_one(const attn_plan *plan, struct dense *x)
{
    atomic_store(&calls, 0);
    atomic_store(&counting, 1);
    int32_t status = attn_plan_execute(plan, x->arg, x->n, NULL, 0);
    atomic_store(&counting, 0);
    if (status != ATTN_OK)
        printf("%s\n", dense_error());
    return status == ATTN_OK ? atomic_load(&calls) : -1;
}

static int check(int64_t threads, size_t n, const char *solver)
{
    attn_ctx *ctx = dense_ctx(threads);
    attn_plan *plan = dense_plan(ctx, problems[n].text, solver);
    int failed = 0;
    if (plan) {
        struct dense x;
        int64_t shape[4] = {1, 1, problems[n].nq, problems[n].nk};
        dense_make(&x, 2, 4, 2, problems[n].nq, problems[n].nk, 24, 24);
        if (problems[n].bias)
            dense_add(&x, ATTN_ROLE_BIAS, ATTN_DTYPE_F32, 4, shape, NULL);
        memset(x.v + 24, 0xFF, 4); /* NaN: some rows take the exact path */
        for (int again = 0; again < 3; again++) {
            long found = count_one(plan, &x);
            if (found != 0) {
                printf("%s, solver %s, %d threads: %ld calls of the malloc family in execute\n",
                       problems[n].text, solver, (int)threads, found);
                failed = 1;
            }
        }
        dense_free(&x);
    }
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
    return failed;
}

int main(void)
{
    int failed = 0;
    const char *solver;
    /* Does the library see our malloc? */
    atomic_store(&counting, 1);
    attn_ctx_destroy(dense_ctx(1));
    atomic_store(&counting, 0);
    if (atomic_load(&calls) == 0)
        return SKIPPED;
    for (size_t s = 0; (solver = attn_solver_at(s)) != NULL; s++) {
        if (strcmp(solver, "gemm") == 0)
            continue;
        for (size_t n = 0; n < sizeof problems / sizeof problems[0]; n++)
            for (int64_t threads = 1; threads <= 2; threads++)
                failed |= check(threads, n, solver);
    }
    return failed;
}

#endif
