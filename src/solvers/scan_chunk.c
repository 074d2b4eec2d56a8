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

/*
 * In multiply-adds, fitted to times in L2 (D 32 to 128, 4 to 512 tokens): the products of a
 * token, loading and scoring its rows, and what the first chunk costs however short it is.
 */
static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    const struct attn__scan_spec *e = &p->scan;
    bool adds = e->update == ATTN_UPDATE_ADD, own = attn__scan_own_writer(e);
    bool more = e->decay == ATTN_DECAY_CHANNEL || e->norm != ATTN_STATE_NORM_NONE;
    double size = (double)e->dk * (double)p->dv, rows = (double)(e->dk + p->dv);
    double tokens = (double)q * (double)e->steps, readers = (double)e->readers - 1;
    double token = (adds ? 2.3 : own ? 5 : 3.45) * size + readers * (size + 16 * rows) +
                   (own ? 160 : (adds ? 30 : 45) + (more ? 20 : 0)) * rows + 2000;
    (void)k;
    return (double)e->hs * (tokens * token + 3 * size + 6000) * 2 / attn__machine_rate(m);
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
