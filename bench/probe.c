/* SPDX-License-Identifier: MIT */
/*
 * Multiply-adds without memory and memory without multiply-adds. The chains
 * outnumber latency x units of every processor we know of and leave room for
 * the two constants in the register file. Where the set has no fused
 * multiply-add, a multiply and an add stand for one, and the products hang on
 * nothing, as in a matrix product: chained, they would wait for each other.
 */
#include "probe.h"

#if defined BENCH_ISA_AVX512 || defined BENCH_ISA_AVX512_BF16
enum { LANES = 16 };
#elif defined BENCH_ISA_AVX2
enum { LANES = 8 };
#elif defined BENCH_ISA_SSE2 || defined BENCH_ISA_NEON
enum { LANES = 4 };
#else
enum { LANES = 1 };
#endif

#if defined BENCH_ISA_C
typedef float vec;
typedef float vec_any;
#else
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
/* the same at the alignment of a float, for loads */
typedef float vec_any __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));
#endif

#if defined __x86_64__ && !defined __FMA__
#define SPLIT 1 /* a multiply and an add, and a register for the product */
#else
#define SPLIT 0
#endif

#define CHAINS_11(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10)
#define CHAINS_13(X) CHAINS_11(X) X(11) X(12)
#ifdef BENCH_ISA_C
#define FORM "ss"
#else
#define FORM "ps"
#endif

#if SPLIT
#define CHAINS(X) CHAINS_11(X)
enum { CHAIN_COUNT = 11 };
#elif defined __aarch64__ || defined BENCH_ISA_AVX512 || defined BENCH_ISA_AVX512_BF16
#define CHAINS(X) \
    CHAINS_13(X) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23)
enum { CHAIN_COUNT = 24 };
#else
#define CHAINS(X) CHAINS_13(X)
enum { CHAIN_COUNT = 13 };
#endif

static float sum(vec v)
{
#if defined BENCH_ISA_C
    return v;
#else
    float s = 0;
    for (int i = 0; i < LANES; i++)
        s += v[i];
    return s;
#endif
}

static float probe_fma(int64_t rounds)
{
    /* Read back from memory, so that no chain can be computed ahead. */
    volatile float seed = 1.0f, factor = 0.9999f, addend = 1e-4f;
    vec zero = {0}, x = zero + factor, y = zero + addend;
#define START(i) vec a##i = zero + seed;
    CHAINS(START)
    for (int64_t r = 0; r < rounds; r++) {
#if SPLIT
/* Written out: compilers trade the sum's register for the product's until
 * they run out of both. */
#define STEP(i) \
    { \
        vec product; \
        __asm__("movaps %2, %1\n\tmul" FORM " %3, %1\n\tadd" FORM " %1, %0" \
                : "+x"(a##i), "=&x"(product) \
                : "x"(x), "x"(y)); \
    }
#else
#define STEP(i) a##i = a##i * x + y;
#endif
        CHAINS(STEP)
        CHAINS(STEP)
        CHAINS(STEP)
        CHAINS(STEP)
    }
#define ADD(i) zero += a##i;
    CHAINS(ADD)
    return sum(zero);
}

static float probe_read(const float *p, size_t n, int streams)
{
    enum { STEP_VECS = 4 };
    const size_t step = (size_t)STEP_VECS * LANES, run = n / (size_t)streams;
    vec a0 = {0}, a1 = a0, a2 = a0, a3 = a0;
    for (size_t i = 0; i + step <= run; i += step) {
        for (int s = 0; s < streams; s++) {
            const float *at = p + (size_t)s * run + i;
            a0 += *(const vec_any *)at;
            a1 += *(const vec_any *)(at + LANES);
            a2 += *(const vec_any *)(at + 2 * LANES);
            a3 += *(const vec_any *)(at + 3 * LANES);
        }
    }
    return sum((a0 + a1) + (a2 + a3));
}

static float probe_gather(const float *k, const float *v, int64_t d, const int32_t *row, int64_t n,
                          int64_t lead)
{
    vec a0 = {0}, a1 = a0, a2 = a0, a3 = a0;
    for (int64_t t = 0; t < 2 * n; t++) {
        const int64_t later = t + lead;
        const float *ask = later < n       ? k + row[later] * d
                           : later < 2 * n ? v + row[later - n] * d
                                           : k + row[later - n] * d;
        const float *at = t < n ? k + row[t] * d : v + row[t - n] * d;
        for (int64_t c = 0; c < d; c += 64) {
            for (int64_t line = 0; line < 64; line += 16)
                __builtin_prefetch(ask + c + line, 0, 2);
            for (int64_t e = c; e < c + 16; e += LANES) {
                a0 += *(const vec_any *)(at + e);
                a1 += *(const vec_any *)(at + e + 16);
                a2 += *(const vec_any *)(at + e + 32);
                a3 += *(const vec_any *)(at + e + 48);
            }
        }
    }
    return sum((a0 + a1) + (a2 + a3));
}

static void probe_update(float *p, size_t n, int streams)
{
    enum { STEP_VECS = 4 };
    const size_t step = (size_t)STEP_VECS * LANES, run = n / (size_t)streams;
    volatile float factor = 1.0f; /* nobody knows; so that nothing ever gets too small */
    vec zero = {0}, x = zero + factor;
    for (size_t i = 0; i + step <= run; i += step)
        for (int s = 0; s < streams; s++)
            for (size_t j = 0; j < step; j += LANES)
                *(vec_any *)(p + (size_t)s * run + i + j) *= x;
}

#define NAME2(isa) bench_probe_##isa
#define NAME(isa) NAME2(isa)
#define TEXT2(isa) #isa
#define TEXT(isa) TEXT2(isa)

extern const bench_probe NAME(BENCH_ISA);
const bench_probe NAME(BENCH_ISA) = {
    .isa = TEXT(BENCH_ISA),
    .lanes = LANES,
    .fmas = 4 * CHAIN_COUNT,
    .fma = probe_fma,
    .read = probe_read,
    .update = probe_update,
    .gather = probe_gather,
};
