/* SPDX-License-Identifier: MIT */
/*
 * scan_step: recurrences token by token. Each token reads and writes the state
 * once, so that with many states the memory's bandwidth sets the pace; for one
 * token of a sequence nothing is faster.
 */
#include "solvers/scan_run.h"
#include "solvers/scan_tokens.h"

/* In multiply-adds, fitted as those of scan_chunk: the state goes by in L1 or L2 for each
 * token, once or twice, which takes loads and stores more than multipliers. */
static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    const struct attn__scan_spec *e = &p->scan;
    bool adds = e->update == ATTN_UPDATE_ADD, own = attn__scan_own_writer(e);
    double size = (double)e->dk * (double)p->dv, rows = (double)(e->dk + p->dv);
    double tokens = (double)q * (double)e->steps, readers = (double)e->readers - 1;
    double extra = e->norm != ATTN_STATE_NORM_NONE ? 20 : own ? 75 : 0;
    double token = ((adds ? 2.45 : own ? 6.2 : 5.2) + readers) * size + (75 + extra) * rows;
    (void)k;
    return (double)e->hs * tokens * token * 2 / attn__machine_rate(m);
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
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
