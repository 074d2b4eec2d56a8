/* SPDX-License-Identifier: MIT */
/*
 * scan_step: recurrences token by token. Each token reads and writes the state
 * once, so that with many states the memory's bandwidth sets the pace; for one
 * token of a sequence nothing is faster.
 */
#include "solvers/scan_run.h"
#include "solvers/scan_tokens.h"

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)p;
    (void)m;
    (void)q;
    (void)k;
    return (struct attn__tiles){0};
}

/* The state goes by once in L1 or L2 for each token: a multiply-add takes its
 * place in the load and store ports more than in the multipliers. */
static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    double passes = p->scan.update == ATTN_UPDATE_ADD ? 2 : 3.5;
    double tokens = (double)(q * attn__max_i64(p->scan.steps, 1));
    double work = (double)p->scan.hs * (double)p->scan.dk * (double)p->dv;
    (void)k;
    return tokens * (work * (passes + (double)p->scan.readers) + (double)p->scan.hs * 500) * 2 /
           attn__machine_rate(m);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    return attn__scan_run_workspace(p, m, attn__scan_tokens_scratch, bytes);
}

static void run(const struct attn__exec *x)
{
    attn__scan_run(x, attn__scan_tokens_run, attn__scan_tokens_scratch);
}

const struct attn__solver attn__solver_scan_step = {
    .name = "scan_step",
    .verb = ATTN__VERB_SCAN,
    .applicable = attn__scan_run_applicable,
    .tiles = tiles,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
