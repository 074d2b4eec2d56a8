/* SPDX-License-Identifier: MIT */
/*
 * Checks every kernel of every instruction set that this machine has against
 * double precision and the portable C kernels, and times them:
 *
 *   checkkern [--isa NAME] [--filter TEXT] [--seed N] [--bench]
 *
 * A kernel in kernels.def without a check_<kernel> function does not link.
 */
#include "checkkern.h"

#include "config.h"

#include <attn/context.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*check)(struct ck *);
} checks[] = {
#define KERNEL(ret, name, args) { #name, check_##name },
#include "kernels/kernels.def"
};

#define N_CHECKS (sizeof checks / sizeof checks[0])

static const struct attn__kernels *running;
static const char *volatile running_kernel = "";

static void on_fault(int sig)
{
    (void)sig;
    static const char text[] = "\nmemory fault in ";
    ssize_t r = write(2, text, sizeof text - 1);
    r += write(2, running->isa_name, strlen(running->isa_name));
    r += write(2, " ", 1);
    r += write(2, running_kernel, strlen(running_kernel));
    r += write(2, "\n", 1);
    _exit(r > 0 ? 2 : 3);
}

uint64_t ck_u64(struct ck *c)
{
    uint64_t z = c->rng += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

int64_t ck_range(struct ck *c, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(ck_u64(c) % (uint64_t)(hi - lo + 1));
}

struct attn__source ck_source(struct ck *c, const void *then)
{
    return (struct attn__source){ck_range(c, ATTN__FROM_L2, ATTN__FROM_RAM),
                                 ck_range(c, 0, 1) ? then : NULL};
}

float ck_float(struct ck *c)
{
    return (float)((double)(ck_u64(c) >> 40) * 0x1p-23 - 1.0);
}

void ck_fill(struct ck *c, float *p, size_t n, int kind)
{
    for (size_t i = 0; i < n; i++) {
        float x = ck_float(c);
        p[i] = kind == CK_EQUAL ? 0.75f : kind == CK_HUGE ? x * 1e16f
             : kind == CK_DENORMAL ? x * 1e-39f : x;
    }
    if (n > 0 && (kind == CK_NAN || kind == CK_MINUS_INF))
        p[ck_u64(c) % n] = kind == CK_NAN ? NAN : -INFINITY;
}

void *ck_memory(struct ck *c, int slot, size_t n, size_t size)
{
    enum { ROOM = 1 << 20 };
    static char *slots[12];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = n * size;
    if (!slots[slot]) {
        char *p = mmap(NULL, ROOM + 2 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED || mprotect(p, page, PROT_NONE) != 0 ||
            mprotect(p + page + ROOM, page, PROT_NONE) != 0) {
            perror("checkkern: mmap");
            exit(2);
        }
        slots[slot] = p + page;
    }
    if (bytes > ROOM) {
        fprintf(stderr, "checkkern: %zu bytes asked for, at most %d there\n", bytes, ROOM);
        exit(2);
    }
    return slots[slot] + (ck_u64(c) % 4 ? ROOM - bytes : 0);
}

float *ck_floats(struct ck *c, int slot, size_t n)
{
    return ck_memory(c, slot, n, sizeof(float));
}

static void fail(struct ck *c)
{
    if (++c->failed == 20)
        printf("  (further failures of this table are only counted)\n");
}

void ck_close(struct ck *c, const char *what, int64_t i, int64_t j, float got, double want,
              double tol)
{
    bool ok = isnan(want) ? isnan(got) : isinf(want) ? got == want : fabs(got - want) <= tol;
    if (ok) {
        c->passed++;
        return;
    }
    if (c->failed < 19)
        printf("  %s %s: %s at %lld,%lld: %.9g, expected %.9g +- %.3g\n", c->k->isa_name,
               c->kernel, what, (long long)i, (long long)j, got, want, tol);
    fail(c);
}

void ck_same(struct ck *c, const char *what, const float *a, const float *b, size_t n,
             bool nan_alike)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(a + i, b + i, sizeof *a) == 0 || (nan_alike && isnan(a[i]) && isnan(b[i])))
            continue;
        if (c->failed < 19)
            printf("  %s %s: %s at %zu: %.9g and %.9g are not the same bits\n", c->k->isa_name,
                   c->kernel, what, i, a[i], b[i]);
        fail(c);
        return;
    }
    c->passed++;
}

void ck_true(struct ck *c, const char *what, bool ok)
{
    if (ok) {
        c->passed++;
        return;
    }
    if (c->failed < 19)
        printf("  %s %s: %s\n", c->k->isa_name, c->kernel, what);
    fail(c);
}

static bool cpu_has(int32_t isa)
{
    switch (isa) {
#if defined __x86_64__
    case ATTN_ISA_SSE2:
        return true;
    case ATTN_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case ATTN_ISA_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512cd");
    case ATTN_ISA_AVX512_BF16:
        return cpu_has(ATTN_ISA_AVX512) && __builtin_cpu_supports("avx512bf16") &&
               __builtin_cpu_supports("avx512vnni");
#elif defined __aarch64__
    case ATTN_ISA_NEON:
        return true;
#endif
    default:
        return isa == ATTN_ISA_C;
    }
}

static const int32_t levels[] = {
    ATTN_ISA_C, ATTN_ISA_SSE2, ATTN_ISA_AVX2, ATTN_ISA_AVX512, ATTN_ISA_AVX512_BF16, ATTN_ISA_NEON
};

static void check_dispatch(struct ck *c)
{
    c->kernel = "dispatch";
    ck_true(c, "the level is one that was asked for or lower", c->k->isa >= ATTN_ISA_C);
    ck_true(c, "lanes are 4, 8 or 16",
            c->k->lanes == 4 || c->k->lanes == 8 || c->k->lanes == 16);
#define KERNEL(ret, name, args) ck_true(c, "no slot for " #name, c->k->name != NULL);
#include "kernels/kernels.def"
}

int main(int argc, char **argv)
{
    const char *isa = NULL;
    const char *filter = "";
    uint64_t seed = 1;
    bool bench = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--bench")) {
            bench = true;
        } else if (!strcmp(argv[i], "--isa") && i + 1 < argc) {
            isa = argv[++i];
        } else if (!strcmp(argv[i], "--filter") && i + 1 < argc) {
            filter = argv[++i];
        } else if (!strcmp(argv[i], "--seed") && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 0);
        } else {
            fprintf(stderr, "usage: %s [--isa NAME] [--filter TEXT] [--seed N] [--bench]\n",
                    argv[0]);
            return 2;
        }
    }

    struct attn__kernels ref, k;
    attn__kernels_select(ATTN_ISA_C, &ref);
    running = &ref;
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);

    long passed = 0, failed = 0;
    int tables = 0;
    for (size_t l = 0; l < sizeof levels / sizeof levels[0]; l++) {
        attn__kernels_select(levels[l], &k);
        if (k.isa != levels[l] || (isa && strcmp(isa, k.isa_name)))
            continue;
        if (!cpu_has(levels[l])) {
            printf("%-12s skipped: this processor does not have it\n", k.isa_name);
            tables += isa != NULL;
            continue;
        }
        tables++;
        running = &k;
        if (bench) {
            ck_bench(&k, filter);
            continue;
        }
        struct ck c = { .ref = &ref, .k = &k, .rng = seed };
        check_dispatch(&c);
        for (size_t i = 0; i < N_CHECKS; i++) {
            if (!strstr(checks[i].name, filter))
                continue;
            long before = c.passed + c.failed;
            c.kernel = running_kernel = checks[i].name;
            checks[i].check(&c);
            ck_true(&c, "its check compares nothing", c.passed + c.failed > before);
        }
        printf("%-12s %ld passed, %ld failed\n", k.isa_name, c.passed, c.failed);
        passed += c.passed;
        failed += c.failed;
    }
    if (tables == 0) {
        fprintf(stderr, "checkkern: no instruction set '%s' in this build\n", isa);
        return 2;
    }
    if (!bench)
        printf("seed %llu: %ld passed, %ld failed\n", (unsigned long long)seed, passed, failed);
    return failed > 0;
}
