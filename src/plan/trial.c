/* SPDX-License-Identifier: MIT */
/*
 * Candidates run in turns, and the shortest time of each counts: whatever
 * else the machine does can only make a run longer.
 */
#include "plan/trial.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/checked.h"
#include "base/error.h"
#include "cpu/cpu.h"
#include "plan/bind.h"
#include "plan/synthetic.h"

enum { MOST_CANDIDATES = 24 };

/* A unit of cost takes a core of these years some 0.3 ns. */
static const double unit_ns = 0.4;
/* Who shall take the place of the estimate's choice must be faster by that. */
static const double margin = 0.98;
/* Runs shorter than this are repeated within a turn, up to this time. */
static const double turn_ns = 200e3;
/* Shorter ones than that are timed several at once: asking the clock is not free. */
static const double sample_ns = 20e3;

static const struct attn__effort efforts[] = {
    [ATTN_EFFORT_MEASURE] = {.all_ns = 1e9,
                             .class_ns = 6e6,
                             .run_ns = 40e6,
                             .bytes = 128 << 20,
                             .rounds = 4,
                             .max_tiles = 3,
                             .hopeless = 4},
    [ATTN_EFFORT_EXHAUSTIVE] = {.all_ns = 20e9,
                                .class_ns = 60e6,
                                .run_ns = 400e6,
                                .bytes = 512 << 20,
                                .rounds = 7,
                                .max_tiles = 1 + ATTN__MORE_TILES,
                                .hopeless = 10},
};

const struct attn__effort *attn__trial_effort(int32_t effort)
{
    return effort == ATTN_EFFORT_ESTIMATE ? NULL : &efforts[effort];
}

double attn__trial_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What a trial needs; everything is for one thread. */
struct trial {
    struct attn__problem p; /* of the plan, with one sequence and maybe less heads */
    struct attn__rules *rules;
    struct attn__machine machine;
    struct attn__threads *threads;
    struct attn__synthetic data;
    struct attn__call call;
    struct attn__choice grid[ATTN__Q_CLASSES][ATTN__K_CLASSES];
    char *ws;
    size_t ws_bytes;
    int32_t n;
    struct attn__choice candidate[MOST_CANDIDATES]; /* the estimate's choice first */
    double best[MOST_CANDIDATES];
};

static bool same_choice(const struct attn__choice *a, const struct attn__choice *b)
{
    return a->solver == b->solver && attn__planner_same_tiles(&a->tiles, &b->tiles);
}

static void add_candidate(struct trial *t, const struct attn__choice *c)
{
    for (int32_t n = 0; n < t->n; n++)
        if (same_choice(&t->candidate[n], c))
            return;
    if (t->n < MOST_CANDIDATES)
        t->candidate[t->n++] = *c;
}

static void find_candidates(struct trial *t, const struct attn_plan *plan,
                            const struct attn__effort *effort, int64_t q, int64_t k,
                            const struct attn__choice *estimate)
{
    const struct attn__problem *p = &plan->problem;
    double least = estimate->solver->cost(p, &plan->machine, q, k);
    struct attn__choice c;
    char why[ATTN__WHY_MAX];
    add_candidate(t, estimate);
    for (size_t n = 0; (c.solver = attn__planner_solver_at(n)) != NULL; n++) {
        struct attn__tiles tiles[1 + ATTN__MORE_TILES];
        if (!attn__planner_allows(plan, c.solver, why) ||
            c.solver->cost(p, &plan->machine, q, k) > effort->hopeless * least)
            continue;
        int32_t many = attn__planner_tiles(c.solver, p, &plan->machine, q, k, tiles);
        for (int32_t i = 0; i < many && i < effort->max_tiles; i++) {
            c.tiles = tiles[i];
            add_candidate(t, &c);
        }
    }
}

static int64_t heads_read(const int64_t *map, int64_t n)
{
    int64_t most = 0;
    for (int64_t h = 0; h < n; h++)
        most = attn__max_i64(most, map[h] + 1);
    return most;
}

/* Keeps the first n groups of output heads. */
static void keep_groups(struct attn__problem *p, int64_t n)
{
    p->n_groups = n;
    p->hout = p->group[n];
    p->hq = heads_read(p->q_head, p->hout);
    p->hk = heads_read(p->k_head, p->hout);
    p->hv = heads_read(p->v_head, p->hout);
    p->max_group = 0;
    for (int64_t g = 0; g < n; g++)
        p->max_group = attn__max_i64(p->max_group, p->group[g + 1] - p->group[g]);
    p->even_groups = n * p->max_group == p->hout;
}

/* Takes heads away until a run keeps the limits: *fits, or never does. */
static int32_t shrink(struct trial *t, const struct attn__mem *mem,
                      const struct attn__effort *effort, int64_t q, int64_t k,
                      const struct attn__solver *estimate, bool *fits)
{
    size_t l3 = (size_t)attn__cpu_get()->l3, most = effort->bytes;
    most = 2 * l3 > most && l3 < most * 4 ? 2 * l3 : most;
    for (;;) {
        double ns = estimate->cost(&t->p, &t->machine, q, k) * unit_ns;
        attn__rules_free(t->rules, mem);
        int32_t status = attn__rules_make(&t->p, mem, &t->rules);
        if (status != ATTN_OK)
            return status;
        *fits = attn__synthetic_size(t->rules, q, k, &t->data) && t->data.bytes <= most &&
                ns <= effort->run_ns;
        if (*fits || t->p.n_groups == 1)
            return ATTN_OK;
        keep_groups(&t->p, t->p.n_groups / 2);
    }
}

static int32_t make_workspace(struct trial *t, const struct attn__mem *mem)
{
    for (int32_t n = 0; n < t->n; n++) {
        size_t bytes;
        if (!t->candidate[n].solver->workspace(&t->p, &t->machine, &bytes))
            return attn__error_set(ATTN_ERR_OVERFLOW, "the workspace of solver %s is too large",
                                   t->candidate[n].solver->name);
        t->ws_bytes = bytes > t->ws_bytes ? bytes : t->ws_bytes;
    }
    t->ws = attn__mem_alloc(mem, t->ws_bytes, ATTN__WS_ALIGN);
    return t->ws ? ATTN_OK : ATTN_ERR_NOMEM;
}

/* Time of this thread alone: what others do on a busy machine does not count. */
static double thread_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Nanoseconds of one of so many runs. */
static double run(struct trial *t, struct attn__choice *at, const struct attn__choice *c,
                  int64_t times)
{
    struct attn__exec x = {
        .call = &t->call,
        .machine = &t->machine,
        .threads = t->threads,
        .choice = t->grid,
        .self = c->solver,
        .ws = t->ws,
    };
    /* BLAS may bring threads of its own: what they could have saved at best. */
    bool more_threads = c->solver->calls_blas && t->machine.blas_threads > 1;
    double factor = more_threads ? (double)t->machine.blas_threads : 1;
    double (*now)(void) = more_threads ? attn__trial_now : thread_now;
    *at = *c;
    double start = now();
    for (int64_t n = 0; n < times; n++)
        c->solver->run(&x);
    return (now() - start) * factor / (double)times;
}

/* Others had the caches, so a short run is done again, and again. */
static void turn(struct trial *t, struct attn__choice *at, int32_t n)
{
    double spent = 0, ns = run(t, at, &t->candidate[n], 1);
    int64_t times = ns < sample_ns ? 1 + (int64_t)(sample_ns / (ns + 100)) : 1;
    if (t->best[n] == 0 || ns < t->best[n])
        t->best[n] = ns;
    for (; spent < turn_ns && ns < turn_ns; spent += ns * (double)times) {
        ns = run(t, at, &t->candidate[n], times);
        t->best[n] = ns < t->best[n] ? ns : t->best[n];
    }
}

static int32_t fastest(const struct trial *t)
{
    int32_t best = 0;
    for (int32_t n = 1; n < t->n; n++)
        if (t->best[n] < t->best[best])
            best = n;
    return best;
}

/* Who is far behind after two rounds has no more turns. */
static void try_all(struct trial *t, const struct attn__effort *effort, int64_t q, int64_t k)
{
    struct attn__choice *at = &t->grid[attn__problem_q_class(q)][attn__problem_k_class(k)];
    double start = attn__trial_now(), enough = effort->class_ns * t->n;
    int32_t left = t->n;
    for (int32_t r = 0; left > 1 && (r < effort->rounds || attn__trial_now() - start < enough);
         r++) {
        double most = r < 2 ? INFINITY : 1.5 * t->best[fastest(t)];
        left = 0;
        for (int32_t n = 0; n < t->n; n++) {
            if (t->best[n] >= most)
                continue;
            turn(t, at, n);
            left++;
        }
    }
}

static void log_times(const struct attn_plan *plan, const struct trial *t, int64_t q, int64_t k)
{
    for (int32_t n = 0; n < t->n; n++)
        attn__log_line(&plan->ctx->log, ATTN_LOG_TRACE,
                       "measure: q=%" PRId64 " k=%" PRId64 ": %s %d,%d,%d,%d: %.1f us", q, k,
                       t->candidate[n].solver->name, (int)t->candidate[n].tiles.rows,
                       (int)t->candidate[n].tiles.keys, (int)t->candidate[n].tiles.chunk,
                       (int)t->candidate[n].tiles.pass, t->best[n] * 1e-3);
}

int32_t attn__trial_class(const struct attn_plan *plan, const struct attn__effort *effort,
                            int64_t q, int64_t k, struct attn__choice *choice, bool *measured)
{
    const struct attn__mem *mem = &plan->mem;
    *measured = false;
    struct trial *t = attn__mem_alloc(mem, sizeof *t, 64);
    if (!t)
        return ATTN_ERR_NOMEM;
    t->p = plan->problem;
    t->p.b = 1;
    t->p.packed = false;
    t->p.takes[ATTN__SLOT_Q_OFFSETS] = t->p.takes[ATTN__SLOT_K_OFFSETS] = ATTN__TAKES_NOT;
    t->p.q = q;
    t->p.k = t->p.k == ATTN_UNBOUNDED ? t->p.k : k;
    t->machine = plan->machine;
    t->machine.threads = 1;
    int32_t status = ATTN_OK;
    bool fits = false;
    find_candidates(t, plan, effort, q, k, choice);
    if (t->n >= 2)
        status = shrink(t, mem, effort, q, k, choice->solver, &fits);
    if (status != ATTN_OK || !fits)
        goto done;
    status = attn__threads_create(mem, 1, NULL, &t->threads);
    if (status == ATTN_OK)
        status = make_workspace(t, mem);
    if (status == ATTN_OK)
        status = attn__synthetic_make(mem, &t->data);
    if (status != ATTN_OK)
        goto done;
    /* Lists whose entries are not as this problem wants them are refused here. */
    if (attn__bind(t->rules, t->data.args, t->data.n, &t->call) != ATTN_OK) {
        attn__error_clear();
        goto done;
    }
    try_all(t, effort, q, k);
    log_times(plan, t, q, k);
    int32_t best = fastest(t);
    *choice = t->candidate[t->best[best] < margin * t->best[0] ? best : 0];
    *measured = true;
done:
    attn__synthetic_free(mem, &t->data);
    attn__mem_free(mem, t->ws, t->ws_bytes);
    attn__threads_destroy(t->threads);
    attn__rules_free(t->rules, mem);
    attn__mem_free(mem, t, sizeof *t);
    return status;
}
