/* SPDX-License-Identifier: MIT */
/*
 * spt: the sparse attention of SPT (Gui et al., 2023). Queries and keys are
 * quantised part by part with one codebook; a query attends to the keys that share
 * the most codes with it, and scores are clamped.
 */
#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__DEFAULT, 1, 0}};

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    int32_t status = attn__select_attend_stage(v, mem, settings, 1, whole, p);
    (void)n;
    if (status != ATTN_OK)
        return status;
    p->score.steps |= UINT32_C(1) << ATTN__STEP_CLAMP;
    p->score.clamp = attn__params_f64_or(v, ATTN_PARAM_SPT_CLAMP, 10);
    return ATTN_OK;
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .by_sequence = true,
    .stage = stage,
    .workspace = attn__select_attend_workspace,
    .select = attn__select_attend_select,
    .price = attn__select_attend_price,
    .run = attn__select_attend_run,
};

/* Counts of codes are bytes. */
static int32_t check(const struct attn__problem *p)
{
    const struct attn__codes_spec *s = &p->pooled.codes;
    if (p->d % s->part != 0 || p->d / s->part > UINT8_MAX)
        return attn__error_set(ATTN_ERR_INVALID,
                               "spt_part is %" PRId64
                               ", expected a divisor of d=%" PRId64 " that makes at most %d parts",
                               s->part, p->d, UINT8_MAX);
    if (s->slots > p->d / s->part)
        return attn__error_set(ATTN_ERR_INVALID,
                               "spt_slots is %" PRId64 ", expected at most the %" PRId64
                               " parts of a row",
                               s->slots, p->d / s->part);
    return ATTN_OK;
}

int32_t attn__mech_spt(const struct attn__params *params, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    if (attn__params_i64_or(params, ATTN_PARAM_WANT, 0) & ATTN_WANT_SKIP_BOUND)
        return attn__error_set(ATTN_ERR_INVALID,
                               "want has skip_bound, but the bound knows no clamped scores");
    int32_t status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    struct attn__codes_spec *s = &p->pooled.codes;
    p->pooled.form = ATTN__FORM_CODES;
    p->pooled.top = attn__params_i64_or(params, ATTN_PARAM_SPT_TOP, attn__max_i64(p->k / 8, 1));
    s->words = attn__params_i64_or(params, ATTN_PARAM_SPT_WORDS, 16);
    s->part = attn__params_i64_or(params, ATTN_PARAM_SPT_PART, 8);
    s->slots = attn__params_i64_or(params, ATTN_PARAM_SPT_SLOTS, 0);
    s->causal = attn__params_i64_or(params, ATTN_PARAM_CAUSAL, 1) != 0;
    p->extent[p->n_extents++] = (struct attn__extent){"Parts", p->d / s->part};
    p->extent[p->n_extents++] = (struct attn__extent){"Words", s->words};
    p->extent[p->n_extents++] = (struct attn__extent){"Part", s->part};
    p->takes[ATTN__SLOT_CODEBOOK] = ATTN__TAKES_MUST;
    status = check(p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
