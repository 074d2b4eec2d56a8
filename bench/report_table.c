/* SPDX-License-Identifier: MIT */
/* The table that people read. */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { PROBLEM_WIDTH = 44 };

void bench_table_limits(FILE *f, const bench_limits *l)
{
    fprintf(f, "limits, %" PRId64 " thread%s:\n", l->threads, l->threads == 1 ? "" : "s");
    fprintf(f, "  multiply-add  %.1f GF/s (%s: %" PRId64 " lanes x %.1f a cycle x %.2f GHz; "
               "reached %.3f%s)\n",
            l->peak, l->probe->isa, l->probe->lanes, l->fma_per_cycle, l->clock, l->of_theory,
            l->of_theory >= BENCH_PEAK_REACHED ? "" : ", LESS THAN 0.97: disturbed, do not trust "
                                                      "of_peak");
    fprintf(f, "  reading RAM   %.1f GB/s with 4 KB pages (%d streams), %.1f with 2 MB (%d), "
               "%" PRId64 " MB (last-level cache %" PRId64 " MB%s)\n",
            l->read[0], l->streams[0], l->read[1], l->streams[1], (int64_t)(l->bytes >> 20),
            l->cache_bytes >> 20, l->cache_known ? "" : ", a guess");
    fprintf(f, "  changing RAM  %.1f GB/s read and written, with 2 MB pages (%d streams)\n",
            l->update, l->update_streams);
    if (isnan(l->sgemm))
        fprintf(f, "  sgemm         built without BLAS\n");
    else
        fprintf(f, "  sgemm         %.1f GF/s (%" PRId64 " x %" PRId64 ")\n", l->sgemm,
                l->sgemm_size, l->sgemm_size);
}

void bench_table_head(FILE *f)
{
    fprintf(f, "%-*s %-10s %2s %10s %10s %8s %7s %6s %6s %6s %6s %5s\n", PROBLEM_WIDTH, "problem",
            "solver", "T", "us median", "us least", "GF/s", "GB/s", "/peak", "/RAM", "/sgemm",
            "/gemm", "skip");
}

/* In `width` columns with a blank before. */
static void print_number(FILE *f, int width, double x)
{
    if (isfinite(x))
        fprintf(f, " %*.1f", width, x);
    else
        fprintf(f, " %*s", width, "-");
}

/* A ratio in six columns, with a mark or a blank behind it. */
static void print_ratio(FILE *f, double x, char mark)
{
    if (isfinite(x))
        fprintf(f, " %5.*f%c", x >= 100 ? 1 : 2, x, mark);
    else
        fprintf(f, "     -%c", mark);
}

void bench_table_row(FILE *f, const bench_row *r, bool again)
{
    const char *problem = again ? "" : r->problem;
    if ((int)strlen(problem) > PROBLEM_WIDTH)
        fprintf(f, "%s\n%*s", problem, PROBLEM_WIDTH, "");
    else
        fprintf(f, "%-*s", PROBLEM_WIDTH, problem);
    fprintf(f, " %-9s%c %2" PRId64 " %10.*f %10.*f", r->solver, r->chosen ? '*' : ' ',
            r->threads, r->ns_median < 1e6 ? 2 : 0, r->ns_median * 1e-3,
            r->ns_median < 1e6 ? 2 : 0, r->ns_min * 1e-3);
    print_number(f, 8, r->gflops);
    print_number(f, 7, r->gbps);
    print_ratio(f, r->of_peak, ' ');
    print_ratio(f, r->of_bandwidth, r->cached ? 'c' : ' ');
    print_ratio(f, r->of_sgemm, ' ');
    print_ratio(f, r->of_materialised, r->samples == 1 ? '1' : ' ');
    fprintf(f, " %4.2f\n", r->skipped);
    fflush(f);
}

void bench_table_foot(FILE *f, const bench_rows *rows)
{
    bool cached = false, once = false;
    for (size_t i = 0; i < rows->n; i++) {
        cached = cached || rows->row[i].cached;
        once = once || rows->row[i].samples == 1;
    }
    fprintf(f, "\n* the planner's choice. /peak and /RAM: of the limits probed again around and "
               "during the same problem (median).\n");
    if (cached)
        fprintf(f, "c what is read of K and V fits in the last-level cache; the limit is RAM's all "
                   "the same.\n");
    if (once)
        fprintf(f, "1 a single run: too slow for more.\n");
}

void bench_table_progress(size_t done, size_t of, const char *problem)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (problem)
        fprintf(stderr, "\r\033[K[%zu/%zu] %.60s", done + 1, of, problem);
    else
        fprintf(stderr, "\r\033[K");
    fflush(stderr);
}
