/* SPDX-License-Identifier: MIT */
/*
 * pgqa: perturbed grouped queries (Beyond Uniform Query Distribution, Khan et
 * al., 2024). Noise with the mean and the deviation of a head's output is
 * taken off that output, so that heads of a group become less alike. One
 * ATTEND, then the subtraction.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/one_attend.h"
#include "solvers/map_noise.h"
#include "solvers/scratch.h"

static void *carve(struct attn__scratch *s, const struct attn__problem *p)
{
    int64_t n = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &n) && attn__mul_i64(n, p->q, &n) &&
            attn__mul_i64(n, p->dv, &n);
    return attn__scratch_take(s, n, attn__dtype_size(attn__problem_row_dtype(p)));
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    (void)m;
    carve(&s, p);
    *bytes = s.used;
    return s.ok;
}

/* Groups are even. Mean and deviation are those of all rows of a sequence, so
 * that every row hangs on all of them: none is later or padding. */
static const struct attn__setting settings[] = {
    {ATTN_PARAM_Q_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_K_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_V_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_CAUSAL, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_GATE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_NORM, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_SCALE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_MIX, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_FACTOR, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_GATE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_INVARIANT, ATTN__FIXED, ATTN_INVARIANT_BATCH, 0},
};

enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    (void)whole;
    (void)n;
    return attn__one_attend_stage(v, mem, settings, N_SETTINGS, p);
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *out = &r->call->t[ATTN__SLOT_OUT];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    attn_tensor rows = attn__recipe_view(carve(&s, p), attn__problem_row_dtype(p), out->shape[0],
                                         p->hout, out->shape[2], p->dv);
    struct attn__call c = attn__one_attend_call(r);
    attn__recipe_give(&c, ATTN__SLOT_OUT, &rows);
    r->attend(r, 0, &c);
    attn__map_noise(r->threads, &rows, &r->call->t[ATTN__SLOT_PGQA_NOISE], out);
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

int32_t attn__mech_pgqa(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    int32_t status = attn__preset(params, mem, settings, N_SETTINGS, p);
    if (status != ATTN_OK)
        return status;
    if (p->hv != p->hk) {
        status = attn__error_set(ATTN_ERR_INVALID,
                                 "h=%" PRId64 "/%" PRId64 "/%" PRId64
                                 ": expected as many value heads as key heads",
                                 p->hq, p->hk, p->hv);
        attn__problem_free(p, mem);
        return status;
    }
    p->recipe = &recipe;
    p->takes[ATTN__SLOT_PGQA_NOISE] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_Q_LEN] = ATTN__TAKES_NOT;
    return ATTN_OK;
}
