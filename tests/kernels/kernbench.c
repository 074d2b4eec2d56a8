/* SPDX-License-Identifier: MIT */
/*
 * Times kernels against the limits of the machine, measured in the same run
 * and interleaved with them: a loop of independent multiply-adds for what
 * computes, a loop of loads for what streams. The best of many short
 * repetitions counts, so that a busy machine disturbs little.
 */
#include "checkkern.h"

#include "kernels/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { QUERIES = 64, KEYS = 2048, BLOCK = 128, DEPTH = 128 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/*
 * The limits use the widest vectors of the machine under test, so that the
 * table of a narrow instruction set shows what it leaves.
 */
typedef float wide __attribute__((vector_size(64)));
typedef float half_wide __attribute__((vector_size(32)));
typedef float quarter_wide __attribute__((vector_size(16)));

#define N_ACC 12
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#define DECLARE(i) a##i = zero,
#define KEEP(i) __asm__ volatile("" : : REG(a##i));
#define PEAK(name, type, lanes, target)                                                    \
    target static double name(int n)                                                       \
    {                                                                                      \
        type zero = { 0 }, EACH(DECLARE) x = zero + 0.999f, y = zero + 0.001f;             \
        double t = now();                                                                  \
        for (int i = 0; i < n; i++) {                                                      \
            EACH(STEP)                                                                     \
        }                                                                                  \
        t = now() - t;                                                                     \
        EACH(KEEP)                                                                         \
        return 2.0 * lanes * N_ACC * n / t * 1e-9;                                         \
    }

#if defined __x86_64__
#define REG(a) "v"(a)
#define STEP(i) __asm__ volatile("vfmadd231ps %1, %2, %0" : "+v"(a##i) : "v"(x), "v"(y));
PEAK(peak_wide, wide, 16, __attribute__((target("avx512f"))))
PEAK(peak_half, half_wide, 8, __attribute__((target("avx2,fma"))))
#undef STEP
/* without fused operations a multiplication and an addition are the pair */
#define STEP(i) __asm__ volatile("mulps %1, %0\n\taddps %2, %0" : "+x"(a##i) : "x"(x), "x"(y));
#elif defined __aarch64__
#define REG(a) "w"(a)
#define STEP(i) __asm__ volatile("fmla %0.4s, %1.4s, %2.4s" : "+w"(a##i) : "w"(x), "w"(y));
#else
#define REG(a) "g"(a)
#define STEP(i) a##i = a##i * x + y;
#endif
PEAK(peak_plain, quarter_wide, 4, )

static double peak(int lanes)
{
#if defined __x86_64__
    if (lanes == 16)
        return peak_wide(1 << 14);
    if (lanes == 8)
        return peak_half(1 << 15);
#endif
    (void)lanes;
    return peak_plain(1 << 15);
}

/* loads every byte once, in vectors that every machine has; GB/s */
static double read_speed(const void *p, size_t bytes)
{
    typedef uint32_t words __attribute__((vector_size(16)));
    const words *w = p;
    words zero = { 0 }, EACH(DECLARE) sum = zero;
    size_t n = bytes / (N_ACC * sizeof *w);
    double t = now();
    for (size_t i = 0; i < n; i++, w += N_ACC) {
#define ADD(i) a##i += w[i];
        EACH(ADD)
#undef ADD
    }
    t = now() - t;
    EACH(KEEP)
    (void)sum;
    return (double)bytes / t * 1e-9;
}

struct data {
    const struct attn__kernels *k;
    float *rows; /* K or V, KEYS x DEPTH */
    float *qt;   /* DEPTH x QUERIES */
    float *st;   /* KEYS x QUERIES */
    float *ot;   /* DEPTH x QUERIES */
    float *pt;   /* BLOCK x QUERIES, for weights that leave st */
    float *m, *l;
    int64_t d, w;
};

static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(4096, (bytes + 4095) & ~(size_t)4095);
    if (!p) {
        perror("checkkern");
        exit(2);
    }
    memset(p, 0, bytes);
    return p;
}

static void run_qk(const struct data *x)
{
    x->k->tile_qk(x->rows, x->d, BLOCK, x->d, x->qt, x->w, x->st);
}

static void run_pv(const struct data *x)
{
    x->k->tile_pv(x->rows, x->d, BLOCK, x->d, x->st, x->w, x->ot);
}

static void run_softmax(const struct data *x)
{
    x->k->tile_softmax(x->st, BLOCK, x->w, x->m, x->l, x->ot, x->d);
}

/* The same memory holds half as many pairs. */
static void run_qk_bf16(const struct data *x)
{
    x->k->tile_qk_bf16((const uint16_t *)(const void *)x->rows, x->d, BLOCK, x->d / 2,
                       (const uint32_t *)(const void *)x->qt, x->w, 1, x->st);
}

static void run_pv_bf16(const struct data *x)
{
    x->k->tile_pv_bf16((const uint32_t *)(const void *)x->rows, BLOCK / 2, x->d,
                       (const uint32_t *)(const void *)x->st, x->w, x->ot);
}

static void run_softmax_bf16(const struct data *x)
{
    x->k->tile_softmax_bf16(x->st, BLOCK, x->w, x->m, x->l, x->ot, x->d,
                            (uint32_t *)(void *)x->pt);
}

/* w tokens, a state of d x d in the upper half of `rows` */
static void run_scan_rows(const struct data *x)
{
    x->k->scan_rows(ATTN__SCAN_DENSE, x->rows, x->d, x->w, x->d, x->rows + KEYS / 2 * DEPTH, x->d,
                    NULL, 0, NULL, 0, NULL, 0, x->rows + KEYS / 4 * DEPTH, x->d, x->d);
}

static void run_scan_outer(const struct data *x)
{
    x->k->scan_outer(x->rows, x->d, x->w, x->d, x->rows + KEYS / 4 * DEPTH, x->d, x->pt,
                     x->pt + DEPTH, x->rows + KEYS / 2 * DEPTH, x->d, x->d);
}

/* w tokens with themselves: pairs on and below the diagonal are what counts */
static void run_scan_dots(const struct data *x)
{
    x->k->scan_dots(true, x->rows, x->d, x->w, x->rows + KEYS / 4 * DEPTH, x->d, x->w, x->d, x->st,
                    x->w);
}

static void run_prefill(const struct data *x)
{
    for (int64_t i = 0; i < x->w; i++) {
        x->m[i] = -INFINITY;
        x->l[i] = 0.0f;
    }
    memset(x->ot, 0, (size_t)(x->d * x->w) * sizeof *x->ot);
    for (int64_t j = 0; j < KEYS; j += BLOCK) {
        x->k->tile_qk(x->rows + j * x->d, x->d, BLOCK, x->d, x->qt, x->w, x->st);
        x->k->tile_softmax(x->st, BLOCK, x->w, x->m, x->l, x->ot, x->d);
        x->k->tile_pv(x->rows + j * x->d, x->d, BLOCK, x->d, x->st, x->w, x->ot);
    }
}

/* best rate of `run`, and the best peak, over interleaved repetitions */
static void time_tile(const char *what, void (*run)(const struct data *), const struct data *x,
                      double flops, int reps)
{
    double best = 0, limit = 0;
    for (int i = 0; i < 25; i++) {
        double g = peak(x->k->lanes);
        limit = g > limit ? g : limit;
        run(x);
        double t = now();
        for (int r = 0; r < reps; r++)
            run(x);
        t = flops * reps / (now() - t) * 1e-9;
        best = t > best ? t : best;
    }
    printf("%-12s %-14s d=%-4lld w=%-3lld %8.1f GFLOP/s %5.1f %% of %.1f\n", x->k->isa_name, what,
           (long long)x->d, (long long)x->w, best, 100 * best / limit, limit);
}

/* how long one vector of scores takes, in multiply-adds at the peak */
static void time_softmax(const char *what, void (*run)(const struct data *), const struct data *x)
{
    int lanes = (int)x->k->lanes;
    double best = 1e9, limit = 0;
    for (int i = 0; i < 50; i++) {
        double g = peak(lanes);
        limit = g > limit ? g : limit;
        run(x);
        double t = now();
        for (int r = 0; r < 50; r++)
            run(x);
        t = (now() - t) / (50.0 * BLOCK * 2);
        best = t < best ? t : best;
    }
    printf("%-12s %-14s %.2f ns a vector of %d: the time of %.1f multiply-adds of one\n",
           x->k->isa_name, what, best * 1e9, lanes, best * limit * 1e9 / (2.0 * lanes));
}

static void bench_tiles(const struct attn__kernels *k, const char *filter)
{
    struct ck c = { .rng = 1 };
    struct data x = { .k = k, .rows = aligned(sizeof(float) * KEYS * DEPTH),
                      .qt = aligned(sizeof(float) * DEPTH * QUERIES),
                      .st = aligned(sizeof(float) * KEYS * QUERIES),
                      .ot = aligned(sizeof(float) * DEPTH * QUERIES),
                      .pt = aligned(sizeof(float) * BLOCK * QUERIES),
                      .m = aligned(sizeof(float) * QUERIES),
                      .l = aligned(sizeof(float) * QUERIES) };
    ck_fill(&c, x.rows, KEYS * DEPTH, CK_RANDOM);
    ck_fill(&c, x.qt, DEPTH * QUERIES, CK_RANDOM);
    for (x.d = 64; x.d <= DEPTH; x.d *= 2) {
        for (x.w = k->lanes; x.w <= 2 * k->lanes; x.w *= 2) {
            double tile = 2.0 * BLOCK * (double)(x.d * x.w);
            if (strstr("tile_qk", filter))
                time_tile("tile_qk", run_qk, &x, tile, 20);
            if (strstr("tile_pv", filter)) {
                ck_fill(&c, x.st, BLOCK * QUERIES, CK_RANDOM);
                time_tile("tile_pv", run_pv, &x, tile, 20);
            }
            if (strstr("tile_qk_bf16", filter))
                time_tile("tile_qk_bf16", run_qk_bf16, &x, tile, 20);
            if (strstr("tile_pv_bf16", filter))
                time_tile("tile_pv_bf16", run_pv_bf16, &x, tile, 20);
            if (strstr("tile_prefill", filter))
                time_tile("tile_prefill", run_prefill, &x, 2 * tile * KEYS / BLOCK, 2);
        }
    }

    x.w = QUERIES;
    for (x.d = 64; x.d <= DEPTH; x.d *= 2) {
        double chunk = 2.0 * (double)(x.w * x.d * x.d);
        ck_fill(&c, x.pt, BLOCK * QUERIES, CK_RANDOM);
        if (strstr("scan_rows", filter))
            time_tile("scan_rows", run_scan_rows, &x, chunk, 10);
        if (strstr("scan_outer", filter))
            time_tile("scan_outer", run_scan_outer, &x, chunk, 10);
        if (strstr("scan_dots", filter))
            time_tile("scan_dots", run_scan_dots, &x, (double)(x.w * (x.w + 1) * x.d), 50);
    }

    x.d = 0;
    x.w = 2 * k->lanes;
    if (strstr("tile_softmax", filter))
        time_softmax("tile_softmax", run_softmax, &x);
    if (strstr("tile_softmax_bf16", filter))
        time_softmax("softmax_bf16", run_softmax_bf16, &x);
    free(x.rows);
    free(x.qt);
    free(x.st);
    free(x.ot);
    free(x.pt);
    free(x.m);
    free(x.l);
}

/* one pass over K and V of `heads` heads, keys in blocks of 256 */
static void decode(const struct attn__kernels *k, int bits, const char *kv, int64_t heads,
                   int64_t nk, int64_t d, const float *q, int64_t nr, float *s, float *o)
{
    enum { KEYS_AT_ONCE = 256 };
    int64_t size = bits == 32 ? 4 : 2;
    /* as the decode solver does */
    int64_t bytes = 2 * heads * nk * d * size;
    const struct attn__source from = {.from = bytes <= 2 << 20    ? ATTN__FROM_L2
                                              : bytes <= 16 << 20 ? ATTN__FROM_L3
                                                                  : ATTN__FROM_RAM};
    for (int64_t h = 0; h < heads; h++) {
        const char *kh = kv + h * nk * d * size;
        const char *vh = kv + (heads + h) * nk * d * size;
        for (int64_t j = 0; j < nk; j += KEYS_AT_ONCE) {
            int64_t n = nk - j < KEYS_AT_ONCE ? nk - j : KEYS_AT_ONCE;
            const void *kj = kh + j * d * size, *vj = vh + j * d * size;
            if (bits == 32) {
                k->row_qk_f32(kj, d, n, d, q, d, nr, s, KEYS_AT_ONCE, &from);
                k->row_pv_f32(vj, d, n, d, s, KEYS_AT_ONCE, nr, o, d, &from);
            } else if (bits == 16) {
                k->row_qk_f16(kj, d, n, d, q, d, nr, s, KEYS_AT_ONCE, &from);
                k->row_pv_f16(vj, d, n, d, s, KEYS_AT_ONCE, nr, o, d, &from);
            } else {
                k->row_qk_bf16(kj, d, n, d, q, d, nr, s, KEYS_AT_ONCE, &from);
                k->row_pv_bf16(vj, d, n, d, s, KEYS_AT_ONCE, nr, o, d, &from);
            }
        }
    }
}

static void bench_rows(const struct attn__kernels *k)
{
    static const int64_t rows[] = { 1, 3, 4, 8 };
    static const struct {
        const char *name;
        int bits;
    } types[] = { { "f32", 32 }, { "f16", 16 }, { "bf16", 17 } };
    const size_t most = (size_t)256 << 20;
    char *kv = aligned(most);
    float *q = aligned(8 * DEPTH * sizeof *q), *s = aligned(8 * 256 * sizeof *s);
    float *o = aligned(8 * DEPTH * sizeof *o);
    for (size_t bytes = (size_t)1 << 19; bytes <= most; bytes <<= bytes < (size_t)4 << 20 ? 3 : 6) {
        for (int64_t d = 64; d <= DEPTH; d *= 2) {
            for (size_t a = 0; a < sizeof rows / sizeof rows[0]; a++) {
                for (size_t t = 0; t < 3; t++) {
                    int64_t size = types[t].bits == 32 ? 4 : 2;
                    int64_t heads = 2, nk = (int64_t)bytes / (2 * heads * d * size);
                    double best = 0, limit = 0;
                    for (int i = 0; i < (bytes == most ? 3 : 20); i++) {
                        double g = read_speed(kv, bytes);
                        limit = g > limit ? g : limit;
                        double time = now();
                        decode(k, types[t].bits, kv, heads, nk, d, q, rows[a], s, o);
                        time = (double)bytes / (now() - time) * 1e-9;
                        best = time > best ? time : best;
                    }
                    printf("%-12s decode %-4s %5.1f MB d=%-4lld rows=%lld %6.1f GB/s %5.1f %% of "
                           "%.1f\n", k->isa_name, types[t].name, (double)bytes / (1 << 20),
                           (long long)d, (long long)rows[a], best, 100 * best / limit, limit);
                }
            }
        }
    }
    free(kv);
    free(q);
    free(s);
    free(o);
}

/* The types that caches store, by keys a second against f32 in the same
 * repetition: twice as many bytes of f32 as the caches of the machine have, and
 * fewer of the others for the same keys. */
static void bench_stored(const struct attn__kernels *k)
{
    const struct {
        const char *name;
        int64_t block; /* bytes of 32 numbers */
        attn__row_qk_q8_0_fn *qk;
        attn__row_pv_q8_0_fn *pv;
    } types[] = { { "q8_0", 34, k->row_qk_q8_0, k->row_pv_q8_0 },
                  { "q4_0", 18, k->row_qk_q4_0, k->row_pv_q4_0 },
                  { "e4m3", 32, k->row_qk_e4m3, k->row_pv_e4m3 },
                  { "e5m2", 32, k->row_qk_e5m2, k->row_pv_e5m2 } };
    enum { HEADS = 2, AT_ONCE = 256 };
    const struct attn__source ram = {.from = ATTN__FROM_RAM};
    const size_t most = (size_t)512 << 20;
    char *kv = aligned(most);
    float *q = aligned(4 * DEPTH * sizeof *q), *s = aligned(4 * AT_ONCE * sizeof *s);
    float *o = aligned(4 * DEPTH * sizeof *o);
    for (int64_t d = 64; d <= DEPTH; d *= 2) {
        for (int64_t nr = 1; nr <= 4; nr *= 4) {
            int64_t nk = (int64_t)most / (2 * HEADS * d * 4);
            double best[4] = { 0 }, plain = 0;
            for (int i = 0; i < 5; i++) {
                double t = now();
                decode(k, 32, kv, HEADS, nk, d, q, nr, s, o);
                t = (double)nk / (now() - t);
                plain = t > plain ? t : plain;
                for (int n = 0; n < 4; n++) {
                    const int64_t row = d / 32 * types[n].block;
                    const uint8_t *at = (const uint8_t *)kv;
                    t = now();
                    for (int64_t h = 0; h < HEADS; h++)
                        for (int64_t j = 0; j < nk; j += AT_ONCE) {
                            int64_t m = nk - j < AT_ONCE ? nk - j : AT_ONCE;
                            const uint8_t *kj = at + (h * nk + j) * row;
                            types[n].qk(kj, row, m, d, q, d, nr, s, AT_ONCE, &ram);
                            types[n].pv(kj + HEADS * nk * row, row, m, d, s, AT_ONCE, nr, o, d,
                                        &ram);
                        }
                    t = (double)nk / (now() - t);
                    best[n] = t > best[n] ? t : best[n];
                }
            }
            for (int n = 0; n < 4; n++)
                printf("%-12s decode %-4s d=%-4lld rows=%lld %5.2f x the keys of f32 (%.1f M/s)\n",
                       k->isa_name, types[n].name, (long long)d, (long long)nr, best[n] / plain,
                       HEADS * plain * 1e-6);
        }
    }
    free(kv);
    free(q);
    free(s);
    free(o);
}

void ck_bench(const struct attn__kernels *k, const char *filter)
{
    bench_tiles(k, filter);
    if (strstr("row_stored", filter))
        bench_stored(k);
    if (strstr("row_qk row_pv decode", filter))
        bench_rows(k);
}
