/* SPDX-License-Identifier: MIT */
/*
 * scan_chunk: recurrences a chunk of tokens at a time, as products of matrices
 * (scan_core.h). The state is read and written once a chunk.
 */
#include <string.h>

#include "solvers/scan_run.h"

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    static const char no[] = "the bits of a row depend on its chunk, and invariant=chunk is set";
    if (!attn__scan_run_applicable(p, why))
        return false;
    if (p->invariant != ATTN_INVARIANT_CHUNK)
        return true;
    memcpy(why, no, sizeof no);
    return false;
}

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)p;
    (void)m;
    (void)q;
    (void)k;
    return (struct attn__tiles){.rows = 32};
}

static int32_t more_tiles(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                          int64_t k, struct attn__tiles out[ATTN__MORE_TILES])
{
    (void)p;
    (void)m;
    (void)q;
    (void)k;
    out[0] = (struct attn__tiles){.rows = ATTN__SCAN_CHUNK};
    return 1;
}

/* Multiply-adds of a token, and what a chunk costs however short it is. */
static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    const struct attn__scan_spec *e = &p->scan;
    double dk = (double)e->dk, dv = (double)p->dv, chunk = 32, steps = (double)e->steps;
    double tokens = (double)q * steps, chunks = (double)((q + 31) / 32) * steps;
    double products = e->update == ATTN_UPDATE_ADD ? 2 : e->update >= ATTN_UPDATE_GENERAL ? 4 : 3;
    double readers = (double)e->readers - 1;
    double token = (products + readers) * (dk * dv + chunk * (dk + dv) / 2) + 30 * (dk + dv);
    double fixed = 2 * dk * dv + 16 * 16 * (dk + dv) / 2;
    (void)k;
    return (double)e->hs * (tokens * token + chunks * fixed + 2000) * 1.6 / attn__machine_rate(m);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    return attn__scan_run_workspace(p, m, attn__scan_core_scratch, bytes);
}

static void run(const struct attn__exec *x)
{
    attn__scan_run(x, attn__scan_core_run, attn__scan_core_scratch);
}

const struct attn__solver attn__solver_scan_chunk = {
    .name = "scan_chunk",
    .verb = ATTN__VERB_SCAN,
    .applicable = applicable,
    .tiles = tiles,
    .more_tiles = more_tiles,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
