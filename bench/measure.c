/* SPDX-License-Identifier: MIT */
/*
 * The solvers of a problem run in turns, a slice of time each, until every one
 * has its time; the limits are probed in between. So all ratios are
 * of numbers from the same moments. What is only compared with the planner's
 * choice gets one run if it is very slow.
 */
#include "measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_blas.h"
#include "bench_library.h"
#include "problem_data.h"
#include "recurrence.h"
#include "team.h"

enum { MOST_SOLVERS = 16, MOST_PROBES = 256, LEAST_SAMPLES = 5, SLICES = 10 };

/* One run is enough of what takes this many times the seconds of a row, or the choice's time. */
static const double slow = 20, far_behind = 10;
static const double sample_ns = 20e3;     /* shorter runs are timed several at once */
static const double probe_every_ns = 0.3e9;

struct runner {
    const char *solver;
    attn_plan *plan;
    bool reported, chosen, done;
    int64_t inner, turn; /* runs a sample, number of the next run */
    double once;         /* ns of the first run that found the workspace touched */
    double spent;        /* ns */
    size_t n, room;
    double *sample;
};

struct group {
    const bench_options *options;
    const bench_limits *limits;
    attn_desc *desc;
    bench_size size;
    bench_data data;
    size_t n, n_peaks, n_reads;
    struct runner runner[MOST_SOLVERS];
    double peak[MOST_PROBES], read[MOST_PROBES];
    int64_t last_probe;
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    return n == 0 ? NAN : n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

static void probe_limits(struct group *g, bool read)
{
    if (g->n_peaks < MOST_PROBES)
        g->peak[g->n_peaks++] = bench_limits_peak(g->limits);
    /* Reading empties the caches, so not in the midst of what lives in them. */
    if (read && g->n_reads < MOST_PROBES)
        g->read[g->n_reads++] = g->size.updates ? bench_limits_update(g->limits)
                                                : bench_limits_read(g->limits);
    g->last_probe = bench_now();
}

/* Adds a solver if it takes the problem; `name` NULL: the planner's choice. */
static int32_t add_runner(struct group *g, attn_ctx *ctx, const char *name)
{
    struct runner r = {.solver = name, .inner = 1, .chosen = !name};
    int32_t status = ATTN_OK;
    if (g->n == MOST_SOLVERS)
        return ATTN_OK;
    if (name)
        status = attn_desc_set_text(g->desc, ATTN_PARAM_SOLVER, name);
    else if (g->options->effort)
        status = attn_desc_set_text(g->desc, ATTN_PARAM_EFFORT, g->options->effort);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, g->desc, &r.plan);
    if (status != ATTN_OK)
        return status;
    if (!name)
        r.solver = attn_plan_solver(r.plan, g->size.q, g->size.k);
    g->runner[g->n++] = r;
    return ATTN_OK;
}

static struct runner *find_runner(struct group *g, const char *solver)
{
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->runner[i].solver, solver) == 0)
            return &g->runner[i];
    return NULL;
}

/* The choice, then what else is reported or compared with. */
static int add_runners(struct group *g, attn_ctx *ctx, const char *problem, bool all)
{
    int32_t forced = 0;
    attn_desc_is_set(g->desc, ATTN_PARAM_SOLVER, &forced);
    if (add_runner(g, ctx, NULL) != ATTN_OK)
        return bench_library_failed(problem);
    g->runner[0].reported = true;
    g->runner[0].chosen = !forced;
    attn_desc_unset(g->desc, ATTN_PARAM_EFFORT); /* what it is compared with has its own tiles */
    for (size_t i = 0; attn_solver_at(i); i++) {
        const char *name = attn_solver_at(i);
        bool baseline = strcmp(name, "gemm") == 0;
        if (find_runner(g, name) || !(all || baseline))
            continue;
        if (add_runner(g, ctx, name) == ATTN_OK)
            g->runner[g->n - 1].reported = all;
    }
    return 0;
}

/* Runs `times`; the nanoseconds of one, negative if it failed. */
static double run(const struct group *g, struct runner *r, int64_t times)
{
    int64_t start = bench_now();
    for (int64_t i = 0; i < times; i++) {
        const attn_arg *args = g->data.args[r->turn++ % g->data.copies];
        if (attn_plan_execute(r->plan, args, g->data.n_args, NULL, 0) != ATTN_OK)
            return -1;
    }
    return (double)(bench_now() - start) / (double)times;
}

static int add_sample(struct runner *r, double ns)
{
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 64;
        double *more = realloc(r->sample, room * sizeof *more);
        if (!more)
            return bench_failed("no memory for samples");
        r->sample = more;
        r->room = room;
    }
    r->sample[r->n++] = ns;
    r->spent += ns * (double)r->inner;
    return 0;
}

static int warm_up(struct group *g, struct runner *r, const char *problem)
{
    double ns = run(g, r, 1);
    if (r != &g->runner[0] && (ns * 1e-9 > slow * fmax(g->options->seconds, 0.05) ||
                               ns > far_behind * fmax(g->runner[0].once, sample_ns))) {
        r->done = true;
        return add_sample(r, ns);
    }
    if (ns >= 0) /* the first touched the workspace and woke the threads */
        ns = run(g, r, 1);
    if (ns < 0)
        return bench_library_failed(problem);
    r->once = ns;
    r->inner = ns >= sample_ns ? 1 : (int64_t)ceil(sample_ns / fmax(ns, 50));
    return 0;
}

/* One turn: another solver has had the caches, so a short run comes first. */
static int slice(struct group *g, struct runner *r, const char *problem)
{
    const double budget = g->options->seconds * 1e9 / SLICES;
    double ns = 0, begin = r->spent;
    if (r->n > 0 && r->sample[r->n - 1] * (double)r->inner < budget / 4)
        ns = run(g, r, r->inner);
    do {
        if (ns >= 0)
            ns = run(g, r, r->inner);
        if (ns < 0)
            return bench_library_failed(problem);
        if (add_sample(r, ns) != 0)
            return BENCH_FAILED;
    } while (r->spent - begin < budget);
    r->done = r->n >= LEAST_SAMPLES && r->spent >= g->options->seconds * 1e9;
    if (strcmp(r->solver, "gemm") == 0)
        bench_blas_rest(g->limits->threads);
    return 0;
}

static int measure_all(struct group *g, const char *problem)
{
    int rc = 0;
    bool more = true, from_ram = g->data.copies > 1;
    probe_limits(g, true);
    for (size_t i = 0; i < g->n && rc == 0; i++)
        rc = warm_up(g, &g->runner[i], problem);
    while (more && rc == 0) {
        more = false;
        for (size_t i = 0; i < g->n && rc == 0; i++) {
            if (g->runner[i].done)
                continue;
            rc = slice(g, &g->runner[i], problem);
            more = more || !g->runner[i].done;
            if ((double)(bench_now() - g->last_probe) > probe_every_ns)
                probe_limits(g, from_ram);
        }
    }
    probe_limits(g, true);
    return rc;
}

static int add_rows(struct group *g, const char *text, bench_rows *rows)
{
    const bench_limits *l = g->limits;
    const double peak = bench_median(g->peak, g->n_peaks);
    const double read = bench_median(g->read, g->n_reads);
    double ns[MOST_SOLVERS], fastest = INFINITY, baseline = NAN;
    for (size_t i = 0; i < g->n; i++) {
        /* sorts: the first is the least */
        ns[i] = bench_median(g->runner[i].sample, g->runner[i].n);
        fastest = fmin(fastest, ns[i]);
        if (strcmp(g->runner[i].solver, "gemm") == 0)
            baseline = ns[i];
    }
    for (size_t i = 0; i < g->n; i++) {
        const struct runner *r = &g->runner[i];
        if (!r->reported)
            continue;
        bench_row row = {
            .problem = strdup(text),
            .solver = r->solver,
            .isa = l->probe->isa,
            .threads = l->threads,
            .samples = (int64_t)r->n,
            .chosen = r->chosen,
            .cached = (g->size.updates ? g->size.kept_bytes : g->size.kv_bytes) *
                          (double)g->data.copies <=
                      (double)l->cache_bytes,
            .ns_median = ns[i],
            .ns_min = r->sample[0],
            .gflops = g->size.flops / ns[i],
            .gbps = g->size.kv_bytes / ns[i],
            .of_materialised = baseline / ns[i],
            .skipped = g->size.skipped,
            .speedup = NAN,
            .of_best = fastest / ns[i],
        };
        row.of_peak = row.gflops / peak;
        row.of_bandwidth = row.gbps / read;
        row.of_sgemm = row.gflops / l->sgemm;
        if (bench_rows_add(rows, &row) != 0)
            return BENCH_FAILED;
    }
    return 0;
}

int bench_measure(const bench_options *options, const bench_limits *limits, const char *problem,
                  bool all, bench_rows *rows)
{
    int rc = 0;
    char *text = NULL;
    struct group *g = calloc(1, sizeof *g);
    attn_ctx *ctx = bench_context(options, limits->threads);
    if (!g || !ctx) {
        free(g);
        attn_ctx_destroy(ctx);
        return BENCH_FAILED;
    }
    g->options = options;
    g->limits = limits;
    bench_blas_use(limits->threads);
    if (attn_desc_parse(ctx, problem, &g->desc) != ATTN_OK)
        rc = bench_library_failed(problem);
    else if (!(text = bench_desc_text(g->desc)))
        rc = bench_failed("no memory for '%s'", problem);
    else
        rc = bench_size_read(g->desc, options->k, &g->size);
    if (rc == 0)
        rc = add_runners(g, ctx, problem, all);
    if (rc == 0 && g->size.recurrent)
        rc = bench_recurrence_size(ctx, g->runner[0].plan, g->desc, &g->size);
    if (rc == 0)
        rc = bench_data_make(g->runner[0].plan, &g->size, options->seed, options->huge, &g->data);
    if (rc == 0)
        rc = bench_recurrence_states(ctx, g->runner[0].plan, &g->size, &g->data);
    if (rc == 0)
        rc = measure_all(g, problem);
    if (rc == 0)
        rc = add_rows(g, text, rows);
    bench_data_free(&g->data);
    for (size_t i = 0; i < g->n; i++) {
        attn_plan_destroy(g->runner[i].plan);
        free(g->runner[i].sample);
    }
    attn_desc_destroy(g->desc);
    attn_ctx_destroy(ctx);
    free(text);
    free(g);
    return rc;
}
