/* SPDX-License-Identifier: MIT */
/*
 * reference: every row by its definition, in double precision. It serves
 * every problem and is what the other solvers are held against.
 */
#include <stdio.h>

#include "problem/vis_count.h"
#include "solvers/epilogue.h"
#include "solvers/finish.h"
#include "solvers/row_exact.h"
#include "solvers/score_row.h"
#include "solvers/solvers.h"
#include "solvers/units.h"

struct state {
    const struct attn__exec *x;
    struct attn__row_scratch *scratch; /* one per worker */
};

enum { ROWS = 16 };

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    /* Rows of one sequence may come from flash and from decode, but not from
     * here as well, unless everything does. */
    char other[ATTN__WHY_MAX];
    if (p->invariant != ATTN_INVARIANT_CHUNK || p->solver ||
        !attn__solver_decode.applicable(p, other))
        return true;
    snprintf(why, ATTN__WHY_MAX, "invariant=chunk, and its bits are not those of flash and decode");
    return false;
}

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)m;
    (void)q;
    (void)k;
    /* Column sums are added up row by row, so then a head is one unit. */
    return (struct attn__tiles){.rows = p->want & ATTN_WANT_COLSUM ? 0 : ROWS};
}

static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    /* Scalar double arithmetic and conversions; scores once more for outputs
     * that are made when the row is known. */
    double rows = (double)q * (double)p->hout, all = rows * (double)k;
    double pairs = attn__vis_share(p, q, k) * all, score = 1.2 * (double)p->d + 90;
    double again = attn__score_row_all_pairs(p) ? all * score : 0;
    again += p->mass_classes > 0 ? pairs * score : 0;
    (void)m;
    return pairs * (3.0 * (double)(p->d + p->dv) + 60.0) + again +
           rows * (5.5 * (double)(p->d + p->dv) + 450);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st, int64_t **start)
{
    attn__units_take(s, p, start);
    st->scratch = ATTN__TAKE(s, m->threads, struct attn__row_scratch);
    for (int64_t n = 0; n < m->threads; n++) {
        struct attn__row_scratch w;
        attn__row_scratch_take(s, p, &w);
        if (st->scratch)
            st->scratch[n] = w;
    }
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct state st = {0};
    int64_t *start;
    carve(&s, p, m, &st, &start);
    *bytes = s.used;
    return s.ok;
}

static int64_t blocks(const struct attn__exec *x, const struct attn__seq *s)
{
    int64_t rows = attn__exec_choice(x, s)->tiles.rows;
    return rows == 0 || s->nq <= rows ? 1 : (s->nq + rows - 1) / rows;
}

static int64_t count(const struct attn__exec *x, const struct attn__seq *s)
{
    return x->call->p->hout * blocks(x, s);
}

/* For COUNTS of row i; a tile is a row. vis NULL: nothing was done. */
static void tell(const struct attn__exec *x, const struct attn__seq *s,
                 const struct attn__vis *vis, int64_t i)
{
    bool all = attn__row_exact_all_pairs(x->call);
    int64_t pairs = all ? s->nk : 0;
    if (!all && vis)
        attn__vis_count(vis, i, i + 1, &pairs);
    pairs = vis ? pairs : 0;
    attn__exec_did(x, pairs, pairs > 0, 1);
}

static void unit(void *arg, int64_t worker, const struct attn__seq *s, int64_t index)
{
    struct state *st = arg;
    const struct attn__call *c = st->x->call;
    int64_t rows = attn__exec_choice(st->x, s)->tiles.rows, n = blocks(st->x, s);
    int64_t h = index / n, i0 = index % n * rows;
    int64_t i1 = rows == 0 ? s->nq : attn__min_i64(i0 + rows, s->nq);
    struct attn__vis v = attn__call_vis(c, s, h, 1);
    bool skip = attn__epilogue_skips(c, s, h, 1);
    if (index % n == 0 && skip)
        attn__rows_none(c, s, h);
    else if (index % n == 0)
        attn__rows_pad(c, s, h);
    for (int64_t i = i0; i < i1; i++) {
        bool active = attn__epilogue_active(c, s, h, i);
        if (active)
            attn__row_exact(c, s, &v, h, i, &st->scratch[worker]);
        else if (!skip)
            attn__row_skipped(c, s, h, i);
        if (st->x->did)
            tell(st->x, s, active ? &v : NULL, i);
    }
}

static void run(const struct attn__exec *x)
{
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct state st = {.x = x};
    struct attn__units u = {.x = x, .count = count, .unit = unit, .arg = &st};
    carve(&s, x->call->p, x->machine, &st, &u.start);
    attn__units_run(&u);
}

const struct attn__solver attn__solver_reference = {
    .name = "reference",
    .verb = ATTN__VERB_ATTEND,
    .reads_pages = true,
    .last = true,
    .applicable = applicable,
    .tiles = tiles,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
