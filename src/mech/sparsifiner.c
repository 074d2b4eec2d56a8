/* SPDX-License-Identifier: MIT */
/*
 * sparsifiner: Sparsifiner (Wei et al., 2023). Tokens of a picture attend to the
 * tokens with the largest predicted scores, which are a few coefficients of a
 * query times a learned basis; class tokens attend to all. Or the caller says the
 * scores.
 */
#include <math.h>

#include "base/error.h"
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 0, 0}};

ATTN__SELECT_RECIPE(settings);

/* Nothing predicts where scores are given. */
static int32_t check_given(const struct attn__params *v)
{
    static const int32_t unread[] = {ATTN_PARAM_SPARSIFINER_BASIS, ATTN_PARAM_SPARSIFINER_WIDTH,
                                     ATTN_PARAM_SPARSIFINER_TOP, ATTN_PARAM_SPARSIFINER_LEAST,
                                     ATTN_PARAM_SPARSIFINER_SCALE};
    for (size_t n = 0; n < sizeof unread / sizeof unread[0]; n++) {
        bool set = false;
        int32_t status = attn__params_is_set(v, unread[n], &set);
        if (status == ATTN_OK && set)
            status = attn__select_unread(v, unread[n]);
        if (status != ATTN_OK)
            return status;
    }
    return ATTN_OK;
}

static void take_predictor(struct attn__problem *p)
{
    static const enum attn__slot roles[] = {ATTN__SLOT_PREDICT_WQ,   ATTN__SLOT_PREDICT_WK,
                                            ATTN__SLOT_PREDICT_BQ,   ATTN__SLOT_PREDICT_BK,
                                            ATTN__SLOT_PREDICT_DOWN, ATTN__SLOT_PREDICT_UP};
    for (size_t n = 0; n < sizeof roles / sizeof roles[0]; n++)
        p->takes[roles[n]] = ATTN__TAKES_MUST;
    p->extent[p->n_extents++] = (struct attn__extent){"Width", p->pooled.predict.width};
    p->extent[p->n_extents++] = (struct attn__extent){"Basis", p->pooled.predict.basis};
    /* The basis is made for one number of tokens. */
    p->takes[ATTN__SLOT_Q_LEN] = p->takes[ATTN__SLOT_K_LEN] = p->takes[ATTN__SLOT_K_START] =
        ATTN__TAKES_NOT;
}

int32_t attn__mech_sparsifiner(const struct attn__params *params, const struct attn__mem *mem,
                               struct attn__problem *p)
{
    bool given = attn__params_i64_or(params, ATTN_PARAM_SPARSIFINER_GIVEN, 0) != 0;
    int32_t status = given ? check_given(params) : ATTN_OK;
    if (status == ATTN_OK)
        status = attn__select_attend(params, mem, settings, 1, &recipe, p);
    if (status != ATTN_OK)
        return status;
    struct attn__predict_spec *s = &p->pooled.predict;
    p->pooled.form = ATTN__FORM_PREDICT;
    p->pooled.top =
        attn__params_i64_or(params, ATTN_PARAM_SPARSIFINER_BUDGET, p->k / 4 + (p->k % 4 != 0));
    p->pooled.scale =
        attn__params_f64_or(params, ATTN_PARAM_SPARSIFINER_SCALE, 1 / sqrt((double)p->hq));
    s->basis =
        attn__params_i64_or(params, ATTN_PARAM_SPARSIFINER_BASIS, p->k < 6 ? 1 : p->k / 6);
    s->width = attn__params_i64_or(params, ATTN_PARAM_SPARSIFINER_WIDTH, (p->d + 1) / 2);
    s->top = attn__params_i64_or(params, ATTN_PARAM_SPARSIFINER_TOP, 8);
    s->least = attn__params_f64_or(params, ATTN_PARAM_SPARSIFINER_LEAST, 0.02);
    s->full = attn__params_i64_or(params, ATTN_PARAM_SPARSIFINER_CLASS, 1);
    s->given = given;
    if (given)
        p->takes[ATTN__SLOT_SELECT_SCORES] = ATTN__TAKES_MUST;
    else
        take_predictor(p);
    return ATTN_OK;
}
