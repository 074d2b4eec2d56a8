/* SPDX-License-Identifier: MIT */
/*
 * Decode from pages against decode from tensors, storage types against f32,
 * many sequences in one execute against one by one, a shared prefix against
 * copies, prefill over q8_0 and bf16 against prefill over f32.
 */
#include "cache_pairs.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_library.h"
#include "cache_side.h"
#include "turns.h"

enum { BASE, OTHER, BOTH };
enum { PROBLEM_WIDTH = 62 };

#define ALONE "softmax h=8 d=128", 1, 32768
#define GROUP "softmax h=32/8 d=128", 1, 32768
#define PAGES(type) BENCH_IN_PAGES, type

static const struct pair {
    const char *problem; /* the rest of it, but causal */
    int64_t q, k;        /* of each sequence */
    struct {
        enum bench_cache_form form;
        const char *type; /* and more options */
    } side[BOTH];
} pairs[] = {
    {ALONE, {{BENCH_IN_TENSORS, "f32"}, {PAGES("f32")}}},
    {GROUP, {{BENCH_IN_TENSORS, "f32"}, {PAGES("f32")}}},
    {ALONE, {{PAGES("f32")}, {PAGES("f16")}}},
    {ALONE, {{PAGES("f32")}, {PAGES("bf16")}}},
    {ALONE, {{PAGES("f32")}, {PAGES("fp8_e4m3")}}},
    {ALONE, {{PAGES("f32")}, {PAGES("q8_0")}}},
    {ALONE, {{PAGES("f32")}, {PAGES("q4_0")}}},
    {ALONE, {{PAGES("f32")}, {PAGES("kivi4")}}},
    {ALONE, {{PAGES("f32")}, {PAGES("kivi2")}}},
    {GROUP, {{PAGES("f32")}, {PAGES("f16")}}},
    {GROUP, {{PAGES("f32")}, {PAGES("bf16")}}},
    {GROUP, {{PAGES("f32")}, {PAGES("fp8_e4m3")}}},
    {GROUP, {{PAGES("f32")}, {PAGES("q8_0")}}},
    {GROUP, {{PAGES("f32")}, {PAGES("q4_0")}}},
    {GROUP, {{PAGES("f32")}, {PAGES("kivi4")}}},
    {GROUP, {{PAGES("f32")}, {PAGES("q8_0 compute=int8")}}},
    {GROUP, {{PAGES("f32")}, {PAGES("q4_0 compute=int8")}}},
    {"softmax b=64 h=8/2 d=128", 1, 32768,
     {{BENCH_RAGGED_SINGLY, "f32"}, {BENCH_RAGGED, "f32"}}},
    {"softmax b=32 h=8 d=128", 1, 4160,
     {{BENCH_PREFIX_COPIED, "f32"}, {BENCH_PREFIX_SHARED, "f32"}}},
    {"softmax b=32 h=32/8 d=128", 1, 4160,
     {{BENCH_PREFIX_COPIED, "f32"}, {BENCH_PREFIX_SHARED, "f32"}}},
    {"softmax h=8 d=128", 512, 8192, {{PAGES("f32")}, {PAGES("q8_0")}}},
    {"softmax h=32/8 d=128", 512, 8192, {{PAGES("f32")}, {PAGES("q8_0")}}},
    {"softmax h=32/8 d=128", 512, 8192, {{PAGES("f32")}, {PAGES("bf16 compute=bf16")}}},
};

static void print_head(FILE *table, int64_t threads)
{
    fprintf(table, "the base, and what is compared with it; %" PRId64 " thread%s, medians of runs "
                   "in turns\n\n%-*s %10s %8s %6s %6s %6s\n",
            threads, threads == 1 ? "" : "s", PROBLEM_WIDTH, "problem", "us", "GB/s", "/RAM",
            "/peak", "/base");
}

static void print_row(FILE *table, const bench_row *row)
{
    bool fits = strlen(row->problem) <= PROBLEM_WIDTH;
    fprintf(table, "%-*s%s", PROBLEM_WIDTH, row->problem, fits ? "" : "\n");
    fprintf(table, "%*s %10.1f %8.1f %6.2f %6.2f", fits ? 0 : PROBLEM_WIDTH, "",
            row->ns_median * 1e-3, row->gbps, row->of_bandwidth, row->of_peak);
    if (isfinite(row->speedup))
        fprintf(table, " %6.2f\n", row->speedup);
    else
        fputs("      -\n", table);
    fflush(table);
}

/* Takes over the text of the side. */
static bench_row row_of(bench_cache_side *s, const bench_limits *limits, const bench_turns *turns,
                        int n, double peak, double read)
{
    bench_row row = {
        .problem = s->text,
        .solver = s->solver,
        .isa = limits->probe->isa,
        .threads = limits->threads,
        .samples = turns->samples,
        .chosen = true,
        .cached = s->kv_bytes <= (double)limits->cache_bytes,
        .ns_median = turns->median[n],
        .ns_min = turns->least[n],
        .gflops = s->flops / turns->median[n],
        .gbps = s->kv_bytes / turns->median[n],
        .of_sgemm = NAN,
        .of_materialised = NAN,
        .skipped = s->size.skipped,
        .of_best = NAN,
        .speedup = n == BASE ? NAN : turns->median[BASE] / turns->median[n],
    };
    s->text = NULL;
    row.of_peak = row.gflops / peak;
    row.of_bandwidth = row.gbps / read;
    return row;
}

static int measure(const bench_options *options, const bench_limits *limits,
                   bench_cache_side side[BOTH], FILE *table, bench_rows *rows)
{
    bench_turns turns;
    double peak = bench_limits_peak(limits), read = bench_limits_read(limits);
    int rc = bench_in_turns(options, bench_cache_side_run, (void *[]){&side[BASE], &side[OTHER]},
                            &turns);
    peak = (peak + bench_limits_peak(limits)) / 2;
    read = (read + bench_limits_read(limits)) / 2;
    for (int n = BASE; n < BOTH && rc == 0; n++) {
        bench_row row = row_of(&side[n], limits, &turns, n, peak, read);
        print_row(table, &row);
        rc = bench_rows_add(rows, &row);
    }
    return rc;
}

static int one_pair(attn_ctx *ctx, const bench_options *options, const bench_limits *limits,
                    const struct pair *p, FILE *table, bench_rows *rows)
{
    bench_cache_side *side = calloc(BOTH, sizeof *side);
    int rc = side ? 0 : bench_failed("no memory");
    int64_t k = options->k > 0 && options->k < p->k ? options->k : p->k;
    int64_t q = p->q < k ? p->q : k;
    for (int n = BASE; n < BOTH && rc == 0; n++) {
        char text[160];
        bool view = p->side[n].form != BENCH_IN_TENSORS;
        snprintf(text, sizeof text, "%s q=%" PRId64 " k=%" PRId64 " causal kv_dtype=%s%s",
                 p->problem, q, k, p->side[n].type, view ? " packed view" : "");
        rc = bench_cache_side_make(ctx, options, text, p->side[n].form, &side[n]);
    }
    if (rc == 0)
        rc = measure(options, limits, side, table, rows);
    for (int n = BASE; n < BOTH && side; n++)
        bench_cache_side_free(&side[n]);
    free(side);
    return rc;
}

int bench_cache_pairs(const bench_options *options, const bench_limits *limits, FILE *table,
                      bench_rows *rows)
{
    attn_ctx *ctx = bench_context(options, limits->threads);
    int rc = ctx ? 0 : BENCH_FAILED;
    print_head(table, limits->threads);
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && rc == 0; i++)
        rc = one_pair(ctx, options, limits, &pairs[i], table, rows);
    attn_ctx_destroy(ctx);
    return rc;
}
