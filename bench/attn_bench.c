/* SPDX-License-Identifier: MIT */
/*
 * attn-bench: how fast the library solves problems, as fractions of what the
 * machine can do. See --help.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_blas.h"
#include "bench_library.h"
#include "bench_options.h"
#include "cache_pairs.h"
#include "callbacks.h"
#include "gather.h"
#include "measure.h"
#include "random_shapes.h"
#include "report.h"
#include "routed.h"
#include "selecting.h"
#include "suites.h"
#include "team.h"

/* A random shape whose choice is slower than the best by more is printed. */
static const double tolerated = 0.05;

struct bench {
    bench_options options;
    int64_t threads; /* of problems that do not vary them */
    FILE *table;
    size_t done, of;
    bench_limits limits; /* of one number of threads at a time; 0: of none */
    bool headed;         /* the lines below are rows of the table */
    bench_rows rows;
    bool failed;
};

/* The limits for so many threads, unless those are at hand. */
static const bench_limits *limits_of(struct bench *m, int64_t threads)
{
    bench_limits *l = &m->limits;
    if (l->threads == threads)
        return l;
    if (l->threads > 0)
        fputc('\n', m->table);
    bench_limits_free(l);
    int64_t isa = 0;
    attn_ctx *ctx = bench_context(&m->options, threads);
    if (!ctx)
        return NULL;
    attn_ctx_get_i64(ctx, ATTN_CTX_ISA, &isa);
    attn_ctx_destroy(ctx);
    bench_table_progress(m->done, m->of, "limits");
    bench_blas_use(threads);
    if (bench_limits_measure(&m->options, (int32_t)isa, threads, l) != 0) {
        bench_limits_free(l);
        return NULL;
    }
    bench_table_progress(0, 0, NULL);
    bench_table_limits(m->table, l);
    fputc('\n', m->table);
    m->headed = false;
    return l;
}

/* Measures a problem; the number of its first row. */
static size_t measure(struct bench *m, const char *problem, int64_t threads, bool all)
{
    size_t first = m->rows.n;
    const bench_limits *l = limits_of(m, threads);
    if (!m->headed)
        bench_table_head(m->table);
    m->headed = true;
    bench_table_progress(m->done++, m->of, problem);
    if (!l || bench_measure(&m->options, l, problem, all, &m->rows) != 0)
        m->failed = true;
    bench_table_progress(0, 0, NULL);
    return first;
}

static void measure_and_print(struct bench *m, const char *problem, int64_t threads)
{
    size_t first = measure(m, problem, threads, m->options.all_solvers);
    for (size_t i = first; i < m->rows.n; i++)
        bench_table_row(m->table, &m->rows.row[i], i > first);
}

/* 1, 2, 4, ... and the greatest itself. */
static int64_t more_threads(int64_t threads, int64_t most)
{
    return threads < most && 2 * threads > most ? most : 2 * threads;
}

static int64_t most_threads(const bench_options *o, bool varied)
{
    if (o->threads > 0)
        return o->threads;
    return o->threads == 0 || varied ? bench_cpus() : 1;
}

/* A suite of pairs, which has a table of its own. */
static void measure_pairs(struct bench *m, const char *suite)
{
    int rc;
    if (strcmp(suite, BENCH_ROUTED) == 0) {
        rc = bench_routed(&m->options, m->threads, m->table);
        if (rc == 0)
            rc = bench_gather(&m->options, m->threads, m->table);
        if (rc == 0)
            rc = bench_selecting(&m->options, m->threads, m->table);
    } else if (strcmp(suite, BENCH_CALLBACKS) == 0) {
        rc = bench_callbacks(&m->options, m->threads, m->table);
    } else {
        const bench_limits *l = limits_of(m, m->threads);
        rc = l ? bench_cache_pairs(&m->options, l, m->table, &m->rows) : BENCH_FAILED;
    }
    m->headed = false;
    if (rc != 0)
        m->failed = true;
}

/* Every problem of the command line; without `run` they are only counted. */
static size_t all_problems(struct bench *m, bool run)
{
    const bench_options *o = &m->options;
    size_t n = 0;
    for (size_t s = 0; s < o->n_suites; s++) {
        bool varied = bench_suite_all_threads(o->suites[s]);
        int64_t most = most_threads(o, varied);
        if (run && !bench_suite_problem(o->suites[s], 0))
            measure_pairs(m, o->suites[s]);
        for (int64_t t = varied ? 1 : most; t <= most; t = more_threads(t, most))
            for (size_t i = 0; bench_suite_problem(o->suites[s], i); i++, n++)
                if (run)
                    measure_and_print(m, bench_suite_problem(o->suites[s], i), t);
    }
    for (size_t i = 0; i < o->n_problems; i++, n++)
        if (run)
            measure_and_print(m, o->problems[i], m->threads);
    return n;
}

static void random_shapes(struct bench *m)
{
    int64_t bad = 0, measured = 0;
    double least = INFINITY; /* times the materialised baseline */
    fprintf(m->table, "%" PRId64 " random shapes, --seed %" PRIu64 "; printed where the choice is "
                      "more than %g %% slower than the best\n\n",
            m->options.random, m->options.seed, tolerated * 100);
    m->of = (size_t)m->options.random;
    for (int64_t i = 0; i < m->options.random; i++) {
        char text[BENCH_SHAPE_MAX];
        bench_random_shape(m->options.seed, (uint64_t)i, text);
        size_t first = measure(m, text, m->threads, true);
        if (first == m->rows.n)
            continue;
        measured++;
        least = fmin(least, m->rows.row[first].of_materialised);
        if (m->rows.row[first].of_best >= 1 / (1 + tolerated))
            continue;
        bad++;
        for (size_t r = first; r < m->rows.n; r++)
            bench_table_row(m->table, &m->rows.row[r], r > first);
    }
    fprintf(m->table, "\n%" PRId64 " of %" PRId64 " shapes were printed", bad, measured);
    if (isfinite(least))
        fprintf(m->table, "; the choice was at least %.2f times as fast as gemm", least);
    fputc('\n', m->table);
}

int main(int argc, char **argv)
{
    bool help;
    struct bench *m = calloc(1, sizeof *m);
    if (!m)
        return bench_failed("no memory");
    int rc = bench_options_parse(argc, argv, &m->options, &help);
    if (rc == 0 && !help) {
        bool varied = false;
        for (size_t i = 0; i < m->options.n_suites; i++)
            varied = varied || bench_suite_all_threads(m->options.suites[i]);
        bench_blas_pin(most_threads(&m->options, varied), argv);
        m->threads = most_threads(&m->options, false);
        m->table = m->options.json && strcmp(m->options.json, "-") == 0 ? stderr : stdout;
        m->of = all_problems(m, false);
        if (m->options.random)
            random_shapes(m);
        else
            all_problems(m, true);
        if (m->rows.n > 0)
            bench_table_foot(m->table, &m->rows);
        if (m->options.json)
            rc = bench_json_write(m->options.json, &m->rows, m->options.random > 0);
        if (m->options.plot && bench_svg_write(m->options.plot, &m->rows) != 0)
            rc = BENCH_FAILED;
        if (m->failed)
            rc = BENCH_FAILED;
    }
    bench_limits_free(&m->limits);
    bench_rows_free(&m->rows);
    bench_options_free(&m->options);
    free(m);
    return rc;
}
