/* SPDX-License-Identifier: MIT */
/*
 * pooled_select: the pooled selector with all of its fields as parameters, and
 * attention along what it selects. The published mechanisms in the files beside
 * this one are settings of it.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/select_attend.h"
#include "solvers/select_pick.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__DEFAULT, 1, 0}};

ATTN__SELECT_RECIPE(settings);

/* The words of the parameters are in the order of the enums. */
static void read_spec(const struct attn__params *v, struct attn__pooled_spec *s)
{
    const struct {
        int32_t param;
        int64_t *to, unset;
    } numbers[] = {
        {ATTN_PARAM_POOLED_HEAD_GROUP, &s->head_group, 1},
        {ATTN_PARAM_POOLED_Q_BLOCK, &s->q_block, 1},
        {ATTN_PARAM_POOLED_K_BLOCK, &s->k_block, 1},
        {ATTN_PARAM_POOLED_STRIDE, &s->stride, 0},
        {ATTN_PARAM_POOLED_WINDOW, &s->window, 0},
        {ATTN_PARAM_POOLED_FIRST, &s->first, 0},
        {ATTN_PARAM_POOLED_LAST, &s->last, 0},
        {ATTN_PARAM_POOLED_TOP, &s->top, 0},
        {ATTN_PARAM_POOLED_MAX, &s->pool, 0},
    };
    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
        *numbers[n].to = attn__params_i64_or(v, numbers[n].param, numbers[n].unset);
    s->rep = (enum attn__pooled_rep)attn__params_i64_or(v, ATTN_PARAM_POOLED_KEYS, 0);
    s->score = (enum attn__pooled_score)attn__params_i64_or(v, ATTN_PARAM_POOLED_SCORE, 0);
    s->reduce = (enum attn__pooled_reduce)attn__params_i64_or(v, ATTN_PARAM_POOLED_REDUCE, 0);
    s->open = (enum attn__pooled_open)attn__params_i64_or(v, ATTN_PARAM_POOLED_OPEN,
                                                          ATTN_POOLED_OPEN_STARTS);
    s->rule = ATTN__PICK_TOP + (int32_t)attn__params_i64_or(v, ATTN_PARAM_POOLED_PICK, 0);
    s->mass = attn__params_f64_or(v, ATTN_PARAM_POOLED_MASS, 0);
    s->scale = attn__params_f64_or(v, ATTN_PARAM_POOLED_SCALE, 1);
    s->ragged = attn__params_i64_or(v, ATTN_PARAM_POOLED_OFFSETS, 0) != 0;
    s->tokens = attn__params_i64_or(v, ATTN_PARAM_POOLED_TOKENS, 0) != 0;
    s->logits = attn__params_i64_or(v, ATTN_PARAM_POOLED_LOGITS, 0) != 0;
}

/* What must be set, or must not, with the others as they are. */
static int32_t check_set(const struct attn__params *v, const struct attn__pooled_spec *s)
{
    bool strides = s->rep == ATTN__REP_STRIDES, windows = s->rep == ATTN__REP_WINDOWS;
    bool given = windows || s->rep == ATTN__REP_GIVEN;
    const struct {
        int32_t param;
        bool needed, allowed;
    } rules[] = {
        {ATTN_PARAM_POOLED_K_BLOCK, !s->ragged, !s->ragged},
        {ATTN_PARAM_POOLED_TOP, s->rule == ATTN__PICK_TOP, s->rule == ATTN__PICK_TOP},
        {ATTN_PARAM_POOLED_MASS, s->rule != ATTN__PICK_TOP, s->rule != ATTN__PICK_TOP},
        {ATTN_PARAM_POOLED_STRIDE, strides || windows, strides || windows},
        {ATTN_PARAM_POOLED_WINDOW, windows, windows},
        {ATTN_PARAM_POOLED_HEADS, false, given},
        {ATTN_PARAM_POOLED_K_HEADS, false, given},
        {ATTN_PARAM_POOLED_WIDTH, false, given},
    };
    for (size_t n = 0; n < sizeof rules / sizeof rules[0]; n++) {
        bool set = false;
        int32_t status = attn__params_is_set(v, rules[n].param, &set);
        if (status == ATTN_OK && rules[n].needed)
            status = attn__select_need(v, rules[n].param);
        if (status != ATTN_OK)
            return status;
        if (set && !rules[n].allowed)
            return attn__select_unread(v, rules[n].param);
    }
    return ATTN_OK;
}

/* Why fields do not go together; NULL: they do. */
static const char *clash(const struct attn__pooled_spec *s, bool mask)
{
    bool folded = s->rep == ATTN__REP_STRIDES || s->rep == ATTN__REP_WINDOWS;
    bool prob = s->score == ATTN__SCORE_PROB || s->score == ATTN__SCORE_REST;
    bool reduced = s->reduce == ATTN__REDUCE_SUM || s->reduce == ATTN__REDUCE_NONE;
    if (folded && (s->k_block % s->stride != 0 || s->window % s->stride != 0))
        return "pooled_k_block and pooled_window: expected multiples of pooled_stride";
    if (folded && (s->score != ATTN__SCORE_PROB || !reduced))
        return "pooled_keys=strides and windows: expected pooled_score=prob and pooled_reduce=sum "
               "or none";
    if (s->rep == ATTN__REP_STRIDES && s->q_block % s->stride != 0)
        return "pooled_q_block: expected a multiple of pooled_stride";
    if (s->rep > ATTN__REP_NORM && s->reduce == ATTN__REDUCE_MEAN)
        return "pooled_reduce=mean: expected pooled_keys=mean or norm";
    if (s->rule == ATTN__PICK_COVER && !prob)
        return "pooled_pick=cover: expected pooled_score=prob or rest, of which shares are taken";
    if (s->score == ATTN__SCORE_REST && s->open == ATTN__OPEN_BEFORE)
        return "pooled_score=rest: expected pooled_open=all or starts";
    if (s->score == ATTN__SCORE_RELU && s->q_block != 1)
        return "pooled_score=relu: expected pooled_q_block=1, as SELECT_W is of single queries";
    if (s->ragged && s->rep > ATTN__REP_NORM && s->rep != ATTN__REP_GIVEN)
        return "pooled_offsets: expected pooled_keys=mean, norm or given";
    if (s->tokens && (!s->ragged || s->score != ATTN__SCORE_DOT || !reduced ||
                      s->rep == ATTN__REP_GIVEN))
        if (!(s->ragged && s->reduce == ATTN__REDUCE_MEAN && s->score == ATTN__SCORE_DOT))
            return "pooled_tokens: expected pooled_offsets, pooled_score=dot and pooled_keys=mean "
                   "or norm, not pooled_reduce=max";
    if (mask && (prob || s->q_block != 1 || s->tokens))
        return "pooled_mask: expected pooled_score=dot or relu, pooled_q_block=1 and no "
               "pooled_tokens";
    return NULL;
}

static int32_t check_heads(const struct attn__problem *p, int64_t scorers)
{
    const struct attn__pooled_spec *s = &p->pooled;
    int64_t sets;
    if (p->hout % s->head_group != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "pooled_head_group is %" PRId64
                               ", expected a divisor of the %" PRId64 " output heads",
                               s->head_group, p->hout);
    sets = p->hout / s->head_group;
    if (scorers % sets != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "pooled_heads is %" PRId64 ", expected a multiple of the %" PRId64
                               " sets of heads",
                               scorers, sets);
    if (s->reduce == ATTN__REDUCE_NONE && scorers != sets)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%" PRId64 " heads score for %" PRId64
                               " sets, expected pooled_reduce=mean, sum or max",
                               scorers, sets);
    return ATTN_OK;
}

static int32_t settle(const struct attn__params *v, struct attn__problem *p)
{
    struct attn__pooled_spec *s = &p->pooled;
    bool mask = attn__params_i64_or(v, ATTN_PARAM_POOLED_MASK, 0) != 0;
    read_spec(v, s);
    int32_t status = check_set(v, s);
    if (status != ATTN_OK)
        return status;
    const char *reason = clash(s, mask);
    if (reason)
        return attn__error_set(ATTN_ERR_INVALID, "%s", reason);
    int64_t heads = attn__params_i64_or(v, ATTN_PARAM_POOLED_HEADS, 0);
    status = check_heads(p, heads > 0 ? heads : p->hout);
    if (s->rep == ATTN__REP_GIVEN || s->rep == ATTN__REP_WINDOWS)
        attn__select_given(p, heads, attn__params_i64_or(v, ATTN_PARAM_POOLED_K_HEADS, 1),
                           attn__params_i64_or(v, ATTN_PARAM_POOLED_WIDTH, p->d));
    if (s->score == ATTN__SCORE_RELU) {
        p->takes[ATTN__SLOT_SELECT_W] = ATTN__TAKES_MUST;
        if (!p->takes[ATTN__SLOT_SELECT_Q])
            p->extent[p->n_extents++] = (struct attn__extent){"Scorers", p->hout};
    }
    if (mask)
        p->takes[ATTN__SLOT_SELECT_MASK] = ATTN__TAKES_MUST;
    if (s->ragged)
        p->takes[ATTN__SLOT_SELECT_OFFSETS] = ATTN__TAKES_MUST;
    return status;
}

int32_t attn__mech_pooled_select(const struct attn__params *params, const struct attn__mem *mem,
                                 struct attn__problem *p)
{
    int32_t status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    status = settle(params, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
