/* SPDX-License-Identifier: MIT */
/*
 * vhr: vision-aware head reinforcement (Cracking the Code of Hallucination in
 * LVLMs with Vision-aware Head Divergence, He et al., 2025). The output of the
 * last row of each head is compared with that of the same token in a prompt
 * without the image, (Q2, K2, V2); heads that react more than the middle one
 * are multiplied. Those two rows are attended to first, then all rows with
 * the factors.
 */
#include "base/error.h"
#include "mech/preset.h"
#include "problem/recipe.h"
#include "solvers/map_vhr.h"
#include "solvers/scratch.h"

enum { LAST, ALL, STAGES };

struct arrays {
    void *with, *without; /* [B,Hout,1,Dv], f32 or f64 */
    void *factors;        /* [B,Hout] */
    double *room;
};

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t heads = 0, numbers = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &heads) &&
            attn__mul_i64(heads, p->dv, &numbers);
    a->with = attn__scratch_take(s, numbers, size);
    a->without = attn__scratch_take(s, numbers, size);
    a->factors = attn__scratch_take(s, heads, size);
    a->room = ATTN__TAKE(s, 3 * p->hout, double);
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

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_stage(v, mem, &copy);
    (void)whole;
    if (status == ATTN_OK && n == ALL)
        status = attn__params_set_i64(&copy, ATTN_PARAM_HEAD_FACTOR, 1);
    if (status == ATTN_OK && n == LAST) /* which sees everything */
        status = attn__params_unset(&copy, ATTN_PARAM_CAUSAL);
    if (status == ATTN_OK && n == LAST)
        status = attn__params_set_i64(&copy, ATTN_PARAM_Q, 1);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* One row q of a branch. */
static attn_tensor last_row(const struct attn__recipe_run *r, const attn_tensor *q,
                            enum attn__slot k, enum attn__slot v, void *data)
{
    const struct attn__problem *p = r->call->p;
    attn_tensor out = attn__recipe_view(data, attn__problem_row_dtype(p), q->shape[0], p->hout, 1,
                                        p->dv);
    struct attn__call c = attn__recipe_call(r);
    attn__recipe_give(&c, ATTN__SLOT_Q, q);
    attn__recipe_pass(&c, ATTN__SLOT_K, r->call, k);
    attn__recipe_pass(&c, ATTN__SLOT_V, r->call, v);
    attn__recipe_give(&c, ATTN__SLOT_OUT, &out);
    r->attend(r, LAST, &c);
    return out;
}

/* Without a row to compare there are none to multiply either. */
static void tell(const attn_tensor *from, bool any, const attn_tensor *to)
{
    for (int64_t b = 0; b < to->shape[0]; b++)
        for (int64_t h = 0; h < to->shape[1]; h++)
            attn__store_f64(to->data, b * to->stride[0] + h * to->stride[1], to->dtype,
                            any ? attn__load_f64(from->data, b * from->stride[0] + h, from->dtype)
                                : 1);
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t, *q = &t[ATTN__SLOT_Q];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, p, &a);
    attn_tensor factors = {.data = a.factors,
                           .dtype = attn__problem_row_dtype(p),
                           .rank = 2,
                           .shape = {q->shape[0], p->hout},
                           .stride = {p->hout, 1}};
    bool any = q->shape[2] > 0;
    if (any) {
        attn_tensor row = attn__recipe_rows(q, q->shape[2] - 1, 1);
        attn_tensor with = last_row(r, &row, ATTN__SLOT_K, ATTN__SLOT_V, a.with);
        attn_tensor without =
            last_row(r, &t[ATTN__SLOT_Q2], ATTN__SLOT_K2, ATTN__SLOT_V2, a.without);
        attn__map_vhr(&with, &without, p->own[0], p->own[1] != 0, a.room, &factors);
        struct attn__call c = attn__recipe_call(r);
        for (enum attn__slot slot = ATTN__SLOT_Q; slot <= ATTN__SLOT_V; slot++)
            attn__recipe_pass(&c, slot, r->call, slot);
        attn__recipe_give(&c, ATTN__SLOT_HEAD_FACTOR, &factors);
        attn__recipe_pass(&c, ATTN__SLOT_OUT, r->call, ATTN__SLOT_OUT);
        attn__recipe_pass(&c, ATTN__SLOT_LSE, r->call, ATTN__SLOT_LSE);
        r->attend(r, ALL, &c);
    }
    if (r->call->has[ATTN__SLOT_FACTORS])
        tell(&factors, any, &t[ATTN__SLOT_FACTORS]);
}

static const struct attn__recipe recipe = {
    .n_stages = STAGES,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

/* The last row is that of the tensors, so lengths are refused. */
int32_t attn__mech_vhr(const struct attn__params *params, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    static const enum attn__slot mine[] = {ATTN__SLOT_Q2, ATTN__SLOT_K2, ATTN__SLOT_V2};
    int32_t status = attn__preset_plain(params, mem, true, p);
    if (status != ATTN_OK)
        return status;
    p->recipe = &recipe;
    for (size_t n = 0; n < sizeof mine / sizeof mine[0]; n++)
        p->takes[mine[n]] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_FACTORS] = ATTN__TAKES_MAY;
    p->takes[ATTN__SLOT_Q_LEN] = p->takes[ATTN__SLOT_K_LEN] = p->takes[ATTN__SLOT_K_START] =
        ATTN__TAKES_NOT;
    p->own[0] = attn__params_f64_or(params, ATTN_PARAM_VHR_ALPHA, 2);
    p->own[1] = (double)attn__params_i64_or(params, ATTN_PARAM_VHR_FILTER, 1);
    return ATTN_OK;
}
