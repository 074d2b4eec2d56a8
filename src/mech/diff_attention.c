/* SPDX-License-Identifier: MIT */
/*
 * diff_attention: differential attention (Differential Transformer, Ye et al.,
 * 2024). The 2H query heads and 2Hkv key heads go in pairs that share values:
 * each pair is two softmaxes, of which the second is taken off the first,
 * O1 - lambda O2, then RMS norm and the factor 1 - lambda_init. Two ATTENDs,
 * one for the first and one for the second of every pair.
 */
#include <inttypes.h>

#include <attn/attn.h>

#include "base/error.h"
#include "mech/packed.h"
#include "mech/preset.h"
#include "problem/recipe.h"
#include "solvers/map_rows.h"
#include "solvers/scratch.h"

enum { MAPS = 2, MOST_HEADS = 1024 };

/* Heads of map `a`: query head 2h + a, key head (2h + a) / rep, value head
 * h / rep, where rep output heads share a value head. */
static int32_t set_heads(struct attn__params *v, int64_t a)
{
    int64_t hq = attn__params_i64_or(v, ATTN_PARAM_HQ, 0);
    int64_t hk = attn__params_i64_or(v, ATTN_PARAM_HK, hq);
    int64_t hv = attn__params_i64_or(v, ATTN_PARAM_HV, hk / 2), hout = hq / 2;
    int64_t q[MOST_HEADS], k[MOST_HEADS], values[MOST_HEADS];
    if (hq % 2 != 0 || hk != 2 * hv || hv < 1 || hout % hv != 0 || hout > MOST_HEADS)
        return attn__error_set(ATTN_ERR_INVALID,
                               "h=%" PRId64 "/%" PRId64 "/%" PRId64
                               ": expected 2H/2G/G heads with H a multiple of G, H at most %d",
                               hq, hk, hv, (int)MOST_HEADS);
    for (int64_t h = 0; h < hout; h++) {
        q[h] = 2 * h + a;
        k[h] = (2 * h + a) / (hout / hv);
        values[h] = h / (hout / hv);
    }
    int32_t status = attn__params_set_i64(v, ATTN_PARAM_HV, hv);
    if (status == ATTN_OK)
        status = attn__params_set_i64s(v, ATTN_PARAM_Q_HEAD, q, (size_t)hout);
    if (status == ATTN_OK)
        status = attn__params_set_i64s(v, ATTN_PARAM_K_HEAD, k, (size_t)hout);
    if (status == ATTN_OK)
        status = attn__params_set_i64s(v, ATTN_PARAM_V_HEAD, values, (size_t)hout);
    return status;
}

/* Returns the room for offsets of a packed batch. */
static int64_t *carve(struct attn__scratch *s, const struct attn__problem *p, void *part[MAPS])
{
    int64_t *offsets = attn__packed_offsets(s, p);
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t n = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &n) && attn__mul_i64(n, p->q, &n) &&
            attn__mul_i64(n, p->dv, &n);
    for (int a = 0; a < MAPS; a++)
        part[a] = attn__scratch_take(s, n, size);
    return offsets;
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    void *part[MAPS];
    carve(&s, p, part);
    attn__map_difference_take(&s, p, m->threads);
    *bytes = s.used;
    return s.ok;
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    static const int32_t last[] = {ATTN_PARAM_OUT_GATE, ATTN_PARAM_HEAD_MIX, ATTN_PARAM_OUT_NORM,
                                   ATTN_PARAM_OUT_NORM_EPS, ATTN_PARAM_OUT_NORM_WEIGHT};
    struct attn__params copy;
    int32_t status = attn__preset_stage(v, mem, &copy);
    (void)whole;
    for (size_t i = 0; i < sizeof last / sizeof last[0] && status == ATTN_OK; i++)
        status = attn__params_unset(&copy, last[i]);
    if (status == ATTN_OK)
        status = set_heads(&copy, n);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__recipe_run at_front = *r;
    struct attn__call whole;
    attn_tensor part[MAPS];
    void *room[MAPS];
    attn__recipe_rebase(r, carve(&s, p, room), &whole);
    at_front.call = &whole;
    const attn_tensor *out = &whole.t[ATTN__SLOT_OUT];
    for (int a = 0; a < MAPS; a++) {
        struct attn__call c = attn__recipe_call(&at_front);
        attn__recipe_pass_inputs(&c, &whole);
        part[a] = attn__recipe_view(room[a], attn__problem_row_dtype(p), out->shape[0], p->hout,
                                    out->shape[2], p->dv);
        attn__recipe_give(&c, ATTN__SLOT_OUT, &part[a]);
        r->attend(r, a, &c);
    }
    attn__map_difference(&at_front, &s, &part[0], &part[1], &whole.t[ATTN__SLOT_DIFF_LAMBDA]);
}

static const struct attn__recipe recipe = {
    .n_stages = MAPS,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

static const struct attn__setting settings[] = {
    {ATTN_PARAM_Q_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_K_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_V_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_FACTOR, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_GATE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_SCALE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_WANT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_SOLVER, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_NORM, ATTN__DEFAULT, ATTN_OUT_NORM_RMS, 0},
};

int32_t attn__mech_diff_attention(const struct attn__params *params, const struct attn__mem *mem,
                                  struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_copy(params, mem, settings,
                                       sizeof settings / sizeof settings[0], &copy);
    int64_t norm = attn__params_i64_or(&copy, ATTN_PARAM_OUT_NORM, 0);
    double init = attn__params_f64_or(params, ATTN_PARAM_DIFF_ATTENTION_INIT, 0.2);
    bool eps = false;
    attn__params_is_set(params, ATTN_PARAM_OUT_NORM_EPS, &eps);
    if (status == ATTN_OK && norm != ATTN_OUT_NORM_NONE && !eps)
        status = attn__params_set_f64(&copy, ATTN_PARAM_OUT_NORM_EPS, 1e-5);
    if (status == ATTN_OK)
        status = attn__params_set_f64(&copy, ATTN_PARAM_OUT_SCALE, 1 - init);
    if (status == ATTN_OK)
        status = set_heads(&copy, 0);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, params, mem, p);
    attn__params_destroy(&copy);
    if (status != ATTN_OK)
        return status;
    p->recipe = &recipe;
    p->takes[ATTN__SLOT_DIFF_LAMBDA] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_LSE] = ATTN__TAKES_NOT;
    return ATTN_OK;
}
