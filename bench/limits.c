/* SPDX-License-Identifier: MIT */
/*
 * The clock is the rate of dependent integer additions, one a cycle on every
 * processor of the last decades: the time-stamp counter runs at a speed of its
 * own.
 */
#include "limits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_blas.h"
#include "pages.h"
#include "team.h"

#include "probe_list.h"

#define DECLARE(name) extern const bench_probe bench_probe_##name;
BENCH_PROBES(DECLARE)
#define ENTRY(name) &bench_probe_##name,
static const bench_probe *const probes[] = {BENCH_PROBES(ENTRY)};

enum { PROBES = sizeof probes / sizeof probes[0], TRIES = 5, FMA_ROUNDS = 75000 };

static volatile float sink; /* what keeps the results alive */

const bench_probe *bench_probe_find(const char *isa)
{
    for (int i = 0; i < PROBES; i++)
        if (isa && strcmp(probes[i]->isa, isa) == 0)
            return probes[i];
    return NULL;
}

const bench_probe *bench_probe_widest(void)
{
    const bench_probe *best = bench_probe_find("c");
    for (int32_t isa = 0; isa < 64; isa++) {
        const bench_probe *p = bench_probe_find(attn_isa_name(isa));
        if (p && attn_isa_usable(isa) && p->lanes > best->lanes)
            best = p;
    }
    return best;
}

static void run_fma(void *arg, int64_t i)
{
    const bench_probe *probe = arg;
    (void)i;
    sink = probe->fma(FMA_ROUNDS);
}

enum { ADDS_A_ROUND = 16, ADD_ROUNDS = 200000 };

/* Every thread times itself: a short run that nobody disturbs is enough. */
static void run_adds(void *arg, int64_t i)
{
    double *gigahertz = arg;
    uint64_t x = 1, y = (uint64_t)i + 1;
    int64_t start = bench_now();
    __asm__ volatile("" : "+r"(y));
    for (int r = 0; r < ADD_ROUNDS; r++) {
#define ADD1 x += y; __asm__ volatile("" : "+r"(x));
#define ADD4 ADD1 ADD1 ADD1 ADD1
        ADD4 ADD4 ADD4 ADD4
    }
    gigahertz[i] = (double)ADDS_A_ROUND * ADD_ROUNDS / (double)(bench_now() - start);
}

static double peak_of(const bench_probe *probe, int64_t threads)
{
    double best = 0, flops = 2.0 * (double)(probe->lanes * probe->fmas) * FMA_ROUNDS;
    for (int i = 0; i < TRIES; i++) {
        int64_t ns = bench_team(threads, run_fma, (void *)(uintptr_t)probe);
        if (ns > 0)
            best = fmax(best, flops * (double)threads / (double)ns);
    }
    return best;
}

double bench_limits_peak(const bench_limits *limits)
{
    return peak_of(limits->probe, limits->threads);
}

/* What the clock and the best rate of one thread say of the peak. */
static void judge_peak(bench_limits *l, double alone)
{
    double cycle = 2.0 * (double)l->probe->lanes * l->clock;
    l->fma_per_cycle = fmax(0.5, round(2 * alone / cycle) / 2);
    l->of_theory = l->peak / (cycle * l->fma_per_cycle * (double)l->threads);
}

static int measure_compute(bench_limits *l)
{
    enum { ROUNDS = 6, MOST_ROUNDS = 60 };
    double alone = 0;
    double *gigahertz = calloc((size_t)l->threads, sizeof *gigahertz);
    if (!gigahertz)
        return bench_failed("no memory to measure the clock");
    /* In turns, so that all see the same moods of the machine; longer if it is in a bad one. */
    for (int i = 0; i < ROUNDS || (i < MOST_ROUNDS && l->of_theory < BENCH_PEAK_REACHED); i++) {
        l->peak = fmax(l->peak, bench_limits_peak(l));
        if (l->threads > 1)
            alone = fmax(alone, peak_of(l->probe, 1));
        for (int j = 0; j < TRIES; j++) {
            bench_team(l->threads, run_adds, gigahertz);
            for (int64_t t = 0; t < l->threads; t++)
                l->clock = fmax(l->clock, gigahertz[t]);
        }
        alone = fmax(alone, l->peak / (double)l->threads);
        if (l->peak <= 0 || l->clock <= 0)
            break;
        judge_peak(l, alone);
    }
    free(gigahertz);
    if (l->peak <= 0 || l->clock <= 0)
        return bench_failed("no threads to measure the limits with");
    return 0;
}

struct reading {
    const bench_probe *probe;
    float *data;
    size_t share; /* floats a thread */
    int streams;
};

static void run_read(void *arg, int64_t i)
{
    const struct reading *r = arg;
    sink = r->probe->read(r->data + (size_t)i * r->share, r->share, r->streams);
}

static void run_update(void *arg, int64_t i)
{
    const struct reading *r = arg;
    r->probe->update(r->data + (size_t)i * r->share, r->share, r->streams);
}

/* Its own part is on every thread's own memory node. */
static void run_touch(void *arg, int64_t i)
{
    const struct reading *r = arg;
    memset(r->data + (size_t)i * r->share, 1, r->share * sizeof(float));
}

/* The best of a few passes over all of `data`; 0 if there was none. */
static double speed(const bench_limits *l, void (*fn)(void *, int64_t), float *data, size_t bytes,
                    int streams, int passes)
{
    struct reading r = {bench_probe_widest(), data, bytes / sizeof(float) / (size_t)l->threads,
                        streams};
    double best = 0;
    for (int i = 0; i < passes; i++) {
        int64_t ns = bench_team(l->threads, fn, &r);
        if (ns > 0)
            best = fmax(best, (double)bytes / (double)ns);
    }
    return best;
}

static double read_speed(const bench_limits *l, int streams, int passes)
{
    return speed(l, run_read, l->data, l->bytes, streams, passes);
}

static double update_speed(const bench_limits *l, int streams, int passes)
{
    return 2 * speed(l, run_update, l->kept, l->kept_bytes, streams, passes);
}

double bench_limits_read(const bench_limits *limits)
{
    return read_speed(limits, limits->streams[limits->huge], 3);
}

double bench_limits_update(const bench_limits *limits)
{
    return update_speed(limits, limits->update_streams, 3);
}

static int measure_read(bench_limits *l, bool huge)
{
    /* Threads may have caches of their own: up to 8 of them are taken into account. */
    double want = 8.0 * (double)l->cache_bytes * fmin((double)l->threads, 8);
    size_t unit = (size_t)l->threads * sizeof(float);
    bench_pages_free(l->data, l->bytes);
    l->bytes = (size_t)fmin(want, 0.25 * (double)bench_ram_bytes()) / unit * unit;
    l->data = bench_pages_alloc(l->bytes, huge);
    if (!l->data)
        return bench_failed("no memory to measure reading (%zu bytes)", l->bytes);
    struct reading r = {NULL, l->data, l->bytes / unit, 0};
    bench_team(l->threads, run_touch, &r);
    for (int repeat = 0; repeat < TRIES; repeat++) {
        for (int streams = 1; streams <= BENCH_STREAMS; streams *= 2) {
            double now = read_speed(l, streams, 1);
            if (now <= l->read[huge])
                continue;
            l->read[huge] = now;
            l->streams[huge] = streams;
        }
    }
    return 0;
}

static int measure_update(bench_limits *l)
{
    l->kept_bytes = l->bytes;
    l->kept = bench_pages_alloc(l->kept_bytes, true);
    if (!l->kept)
        return bench_failed("no memory to measure changing (%zu bytes)", l->kept_bytes);
    struct reading r = {NULL, l->kept, l->kept_bytes / sizeof(float) / (size_t)l->threads, 0};
    bench_team(l->threads, run_touch, &r);
    for (int repeat = 0; repeat < TRIES; repeat++) {
        for (int streams = 1; streams <= BENCH_STREAMS; streams *= 2) {
            double now = update_speed(l, streams, 1);
            if (now <= l->update)
                continue;
            l->update = now;
            l->update_streams = streams;
        }
    }
    return 0;
}

int bench_limits_measure(const bench_options *options, int32_t isa, int64_t threads,
                         bench_limits *limits)
{
    *limits = (bench_limits){.threads = threads,
                             .probe = bench_probe_find(attn_isa_name(isa)),
                             .huge = options->huge};
    if (!limits->probe)
        return bench_failed("no probe for the instruction set number %d", (int)isa);
    limits->cache_bytes = bench_cache_bytes(&limits->cache_known);
    int rc = measure_compute(limits);
    if (rc == 0)
        rc = measure_read(limits, !limits->huge);
    if (rc == 0) /* last: its memory stays */
        rc = measure_read(limits, limits->huge);
    if (rc == 0)
        rc = measure_update(limits);
    limits->sgemm = bench_blas_sgemm(options->seconds, &limits->sgemm_size);
    bench_blas_rest(threads);
    return rc;
}

void bench_limits_free(bench_limits *limits)
{
    bench_pages_free(limits->data, limits->bytes);
    bench_pages_free(limits->kept, limits->kept_bytes);
    *limits = (bench_limits){0};
}
