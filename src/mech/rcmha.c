/* SPDX-License-Identifier: MIT */
/*
 * rcmha: relative convolutional multi-head attention (2023). Queries, keys and
 * values go through a short causal convolution of each channel along the
 * tokens, the same for all heads; then rmha.
 */
#include "base/error.h"
#include "mech/one_attend.h"
#include "solvers/map_conv.h"
#include "solvers/scratch.h"

struct arrays {
    void *q, *k, *v; /* as the inputs, in f32 or f64 */
};

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t q = 0, k = 0, v = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->q, &q) && attn__mul_i64(q, p->hq, &q) &&
            attn__mul_i64(q, p->d, &q) && attn__mul_i64(p->b, p->k, &k) &&
            attn__mul_i64(k, p->hv, &v) && attn__mul_i64(v, p->dv, &v) &&
            attn__mul_i64(k, p->hk, &k) && attn__mul_i64(k, p->d, &k);
    a->q = attn__scratch_take(s, q, size);
    a->k = attn__scratch_take(s, k, size);
    a->v = attn__scratch_take(s, v, size);
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

/* A part of a sequence has no rows before its first to convolve with. */
static const struct attn__setting settings[] = {
    {ATTN_PARAM_QUERY_TABLE, ATTN__FIXED, 1, 0},
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

static const attn_tensor *given(const struct attn__call *c, enum attn__slot slot)
{
    return c->has[slot] ? &c->t[slot] : NULL;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, p, &a);
    struct attn__call c = attn__one_attend_call(r);
    const struct {
        enum attn__slot slot, filter, bias;
        void *room;
    } each[] = {{ATTN__SLOT_Q, ATTN__SLOT_CONV_Q, ATTN__SLOT_CONV_Q_BIAS, a.q},
                {ATTN__SLOT_K, ATTN__SLOT_CONV_K, ATTN__SLOT_CONV_K_BIAS, a.k},
                {ATTN__SLOT_V, ATTN__SLOT_CONV_V, ATTN__SLOT_CONV_V_BIAS, a.v}};
    for (int n = 0; n < 3; n++) {
        const attn_tensor *from = &r->call->t[each[n].slot];
        attn_tensor to = attn__recipe_view(each[n].room, attn__problem_row_dtype(p),
                                           from->shape[0], from->shape[1], from->shape[2],
                                           from->shape[3]);
        attn__map_conv(r->threads, from, n == 0 ? NULL : given(r->call, ATTN__SLOT_K_START),
                       &r->call->t[each[n].filter], given(r->call, each[n].bias), &to);
        attn__recipe_give(&c, each[n].slot, &to);
    }
    r->attend(r, 0, &c);
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

int32_t attn__mech_rcmha(const struct attn__params *params, const struct attn__mem *mem,
                         struct attn__problem *p)
{
    int32_t status = attn__one_attend(params, mem, settings, N_SETTINGS, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->takes[ATTN__SLOT_CONV_Q] = p->takes[ATTN__SLOT_CONV_K] = p->takes[ATTN__SLOT_CONV_V] =
        ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_CONV_Q_BIAS] = p->takes[ATTN__SLOT_CONV_K_BIAS] =
        p->takes[ATTN__SLOT_CONV_V_BIAS] = ATTN__TAKES_MAY;
    return ATTN_OK;
}
