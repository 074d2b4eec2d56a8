/* SPDX-License-Identifier: MIT */
/*
 * act: attention calibration technique (Unveiling and Harnessing Hidden
 * Attention Sinks, Yu et al., 2024). In chosen heads, keys that get much of
 * everybody's attention, but for the first of them, keep the share `act_beta`
 * of it; the rest goes to the other keys in proportion. A first stage makes
 * the column sums that tell the sinks, then sinks and others are attended to
 * by themselves.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/class_merge.h"
#include "solvers/map_act.h"

enum { SINKS, OTHERS, CLASSES };

struct arrays {
    struct attn__class_arrays classes;
    void *colsum, *drop, *none; /* the first stage makes only column sums */
};

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t heads = 0, sums = 0, rows = 0;
    attn__class_carve(s, p, CLASSES, p->hout, &a->classes);
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &heads) && attn__mul_i64(heads, p->k, &sums) &&
            attn__mul_i64(heads, p->q, &rows);
    a->colsum = attn__scratch_take(s, sums, size);
    a->drop = attn__scratch_take(s, rows, size);
    a->none = attn__scratch_take(s, 1, sizeof(double));
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    (void)m;
    carve(&s, p, &a);
    *bytes = s.used;
    return s.ok;
}

static const struct attn__setting settings[] = {
    ATTN__CLASS_REFUSED,
    {ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_WINDOW_LEFT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_WINDOW_RIGHT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_PREFIX, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_SINK_TOKENS, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_SEGMENTS, ATTN__REFUSED, 0, 0},
};

enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    (void)whole;
    if (n > 0)
        return attn__class_stage(v, mem, settings, N_SETTINGS, p);
    int32_t status = attn__preset_stage_set(v, mem, settings, N_SETTINGS, &copy);
    if (status == ATTN_OK)
        status = attn__params_set_i64(&copy, ATTN_PARAM_DV, 1);
    if (status == ATTN_OK)
        status = attn__params_set_i64(&copy, ATTN_PARAM_WANT, ATTN_WANT_COLSUM);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static void sum_columns(const struct attn__recipe_run *r, const struct arrays *a,
                        const attn_tensor *colsum)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *k = &r->call->t[ATTN__SLOT_K], *q = &r->call->t[ATTN__SLOT_Q];
    struct attn__call c = attn__recipe_call(r);
    attn_tensor none =
        attn__recipe_constant(a->none, p->kv_dtype, k->shape[0], p->hv, k->shape[2], 1);
    attn_tensor drop = attn__recipe_view(a->drop, attn__problem_row_dtype(p), q->shape[0], p->hout,
                                         q->shape[2], 1);
    memset(a->none, 0, sizeof(double));
    attn__recipe_pass_inputs(&c, r->call);
    attn__recipe_give(&c, ATTN__SLOT_V, &none);
    attn__recipe_give(&c, ATTN__SLOT_OUT, &drop);
    attn__recipe_give(&c, ATTN__SLOT_COLSUM, colsum);
    r->attend(r, 0, &c);
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *k = &r->call->t[ATTN__SLOT_K];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    attn_tensor out[CLASSES], lse[CLASSES];
    carve(&s, p, &a);
    attn_tensor colsum = attn__recipe_view(a.colsum, attn__problem_row_dtype(p), k->shape[0],
                                           p->hout, k->shape[2], -1);
    sum_columns(r, &a, &colsum);
    attn_tensor mask = attn__class_mask(r, a.classes.mask, p->hout);
    attn__map_act_sinks(&colsum, p->own_heads, p->own[1], &mask);
    for (int c = SINKS; c < CLASSES; c++) {
        out[c] = attn__class_out(r, a.classes.out[c]);
        lse[c] = attn__class_lse(r, a.classes.lse[c]);
        attn__class_attend(r, 1 + c, &mask, &out[c], &lse[c]);
        attn__map_act_others(&mask);
    }
    const struct attn__class_rule rule = {
        .from = 1u << SINKS, .to = 1u << OTHERS, .keep = p->own[0]};
    attn__map_classes(r->threads, CLASSES, out, lse, &rule, NULL, &r->call->t[ATTN__SLOT_OUT],
                      r->call->has[ATTN__SLOT_LSE] ? &r->call->t[ATTN__SLOT_LSE] : NULL);
}

static int32_t check(const struct attn__call *c)
{
    int64_t nq = c->t[ATTN__SLOT_Q].shape[2], nk = c->t[ATTN__SLOT_K].shape[2];
    if (nq != nk)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "q has %" PRId64 " rows and k %" PRId64
                               ", expected the same number: column means are over a square",
                               nq, nk);
    return ATTN_OK;
}

static const struct attn__recipe recipe = {
    .n_stages = 1 + CLASSES,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

/* The list of heads as a byte for each. */
static int32_t choose(const struct attn__params *v, struct attn__problem *p)
{
    size_t n;
    const int64_t *list = attn__params_i64s(v, ATTN_PARAM_ACT_HEADS, &n);
    memset(p->own_heads, list ? 0 : 1, (size_t)p->hout);
    for (size_t i = 0; i < n; i++) {
        if (list[i] >= p->hout)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "act_heads[%zu] is %" PRId64 ", expected 0 to %" PRId64, i,
                                   list[i], p->hout - 1);
        p->own_heads[list[i]] = 1;
    }
    return ATTN_OK;
}

int32_t attn__mech_act(const struct attn__params *params, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    int32_t status = attn__preset_no_pieces(params);
    if (status == ATTN_OK)
        status = attn__preset(params, mem, settings, N_SETTINGS, p);
    if (status == ATTN_OK)
        status = attn__class_finish(mem, &recipe, p);
    if (status != ATTN_OK)
        return status;
    status = choose(params, p);
    if (status != ATTN_OK) {
        attn__problem_free(p, mem);
        return status;
    }
    p->check_call = check;
    p->own[0] = attn__params_f64_or(params, ATTN_PARAM_ACT_BETA, 0.4);
    p->own[1] = attn__params_f64_or(params, ATTN_PARAM_ACT_THRESHOLD, 0.1);
    return ATTN_OK;
}
