/* SPDX-License-Identifier: MIT */
/*
 * tokenselect: TokenSelect (Wu et al., 2024). A chunk of queries attends to the
 * first tokens, to the latest ones and to those in between that get the most of
 * the softmaxes of all heads' mean queries. With tokenselect_reuse that choice
 * is the next queries' as well, as long as they are alike.
 */
#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"
#include "mech/compact_attend.h"
#include "mech/select_attend.h"
#include "solvers/select_kept.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

static int32_t compact_stage(const struct attn__params *v, const struct attn__problem *whole,
                             int32_t n, const struct attn__mem *mem, struct attn__problem *p)
{
    (void)n;
    return attn__compact_stage(v, mem, settings, 1, whole, p);
}

static const struct attn__recipe compact = ATTN__COMPACT_RECIPE(compact_stage);

/* The choice of a call is kept, and is that of the next one whose queries are alike. */
static int32_t settle_reuse(const struct attn__params *v, struct attn__problem *p)
{
    const char *reason = NULL;
    if (p->pooled.q_block < p->q)
        reason = "tokenselect_chunk is less than q";
    else if (p->packed)
        reason = "packed is set";
    else if (attn__params_i64_or(v, ATTN_PARAM_ALIGN, ATTN_ALIGN_BOTTOM_RIGHT) !=
             ATTN_ALIGN_BOTTOM_RIGHT)
        reason = "align is top_left";
    if (reason)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "%s with tokenselect_reuse, expected a batch with one choice of "
                               "each call",
                               reason);
    p->pooled.keeps = true;
    p->pooled.again = attn__params_f64_or(v, ATTN_PARAM_TOKENSELECT_REUSE, 1);
    p->extent[p->n_extents++] = (struct attn__extent){"Kept", attn__kept_keys(&p->pooled)};
    p->takes[ATTN__SLOT_CHOICE_Q] = p->takes[ATTN__SLOT_CHOICE_KEYS] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_NEW_CHOICE_Q] = p->takes[ATTN__SLOT_NEW_CHOICE_KEYS] = ATTN__TAKES_MAY;
    return ATTN_OK;
}

static int32_t settle(const struct attn__params *v, struct attn__problem *p)
{
    bool reuse = false;
    int64_t first = attn__params_i64_or(v, ATTN_PARAM_TOKENSELECT_INIT, 128);
    int64_t last = attn__params_i64_or(v, ATTN_PARAM_TOKENSELECT_LOCAL, 512);
    int64_t chunk = attn__params_i64_or(v, ATTN_PARAM_TOKENSELECT_CHUNK, p->q > 0 ? p->q : 1);
    int64_t pool = attn__params_i64_or(v, ATTN_PARAM_TOKENSELECT_POOL, 0);
    if (chunk > last && p->q > last)
        return attn__error_set(ATTN_ERR_INVALID,
                               "a chunk has %" PRId64 " queries, expected at most the %" PRId64
                               " of tokenselect_local: they attend to each other",
                               attn__min_i64(chunk, p->q), last);
    if (pool > 0 && pool % 2 == 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "tokenselect_pool is %" PRId64 ", expected an odd number", pool);
    p->pooled.score = ATTN__SCORE_REST;
    p->pooled.reduce = p->hout > 1 ? ATTN__REDUCE_SUM : ATTN__REDUCE_NONE;
    p->pooled.open = ATTN__OPEN_STARTS;
    p->pooled.head_group = p->hout;
    p->pooled.q_block = chunk;
    p->pooled.first = first;
    p->pooled.last = last;
    p->pooled.top = first + last + attn__params_i64_or(v, ATTN_PARAM_TOKENSELECT_TOP, 2048);
    p->pooled.pool = pool;
    if (attn__params_i64_or(v, ATTN_PARAM_TOKENSELECT_RAW, 0)) {
        p->pooled.rep = ATTN__REP_GIVEN;
        attn__select_given(p, 0, 0, p->d);
    }
    int32_t status = attn__params_is_set(v, ATTN_PARAM_TOKENSELECT_REUSE, &reuse);
    if (status == ATTN_OK && reuse)
        status = settle_reuse(v, p);
    return status == ATTN_OK && attn__compact_is(v) ? attn__compact_check(v, p) : status;
}

int32_t attn__mech_tokenselect(const struct attn__params *params, const struct attn__mem *mem,
                               struct attn__problem *p)
{
    int32_t status = attn__select_attend(params, mem, settings, 1,
                                         attn__compact_is(params) ? &compact : &recipe, p);
    if (status != ATTN_OK)
        return status;
    status = settle(params, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
