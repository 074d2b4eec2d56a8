/* SPDX-License-Identifier: MIT */
/*
 * complexformer: attention of channel pairs as complex numbers (ComplexFormer,
 * 2025, as far as its abstract and EulerFormer, Tian et al., 2024, tell). The
 * score is sum_c |q_c| |k_c| cos(delta_c (arg q_c - arg k_c) + b_c +
 * (i - j) w_c): a plain product of rows whose pairs were turned, the last term
 * by rope.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/one_attend.h"
#include "mech/packed.h"
#include "solvers/map_euler.h"
#include "solvers/scratch.h"

struct arrays {
    int64_t *q_offsets, *k_offsets; /* of a packed batch */
    void *q, *k; /* as the inputs, in f32 or f64 */
};

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t heads = 0, q = 0, k = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hq, &heads) && attn__mul_i64(heads, p->d, &heads) &&
            attn__mul_i64(heads, p->q, &q) && attn__mul_i64(heads, p->k, &k);
    a->q_offsets = attn__packed_offsets(s, p);
    a->k_offsets = attn__packed_offsets(s, p);
    a->q = attn__scratch_take(s, q, size);
    a->k = attn__scratch_take(s, k, size);
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

/* A turn belongs to one head, so queries and keys are paired head by head. Both
 * turns are of the same pairs, positions last. */
static const struct attn__setting settings[] = {
    {ATTN_PARAM_ROPE, ATTN__DEFAULT, ATTN_ROPE_INTERLEAVED, 0},
    {ATTN_PARAM_Q_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_K_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_QK_NORM, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_ROPE_APPLY, ATTN__REFUSED, 0, 0},
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
    int32_t type = attn__problem_row_dtype(r->call->p);
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__recipe_run at_front = *r;
    struct attn__call whole;
    struct arrays a;
    carve(&s, r->call->p, &a);
    attn__recipe_rebase(r, a.q_offsets, &whole);
    attn__recipe_rebase_keys(a.k_offsets, &whole);
    at_front.call = &whole;
    struct attn__call c = attn__one_attend_call(&at_front);
    const attn_tensor *delta =
        whole.has[ATTN__SLOT_EULER_DELTA] ? &whole.t[ATTN__SLOT_EULER_DELTA] : NULL;
    const attn_tensor *shift =
        whole.has[ATTN__SLOT_EULER_SHIFT] ? &whole.t[ATTN__SLOT_EULER_SHIFT] : NULL;
    for (int n = 0; n < 2; n++) {
        enum attn__slot slot = n == 0 ? ATTN__SLOT_Q : ATTN__SLOT_K;
        const attn_tensor *from = &whole.t[slot];
        attn_tensor to = attn__recipe_view(n == 0 ? a.q : a.k, type, from->shape[0],
                                           from->shape[1], from->shape[2], from->shape[3]);
        attn__map_euler(r->threads, from, delta, n == 0 ? shift : NULL, &to);
        attn__recipe_give(&c, slot, &to);
    }
    r->attend(&at_front, 0, &c);
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

int32_t attn__mech_complexformer(const struct attn__params *params, const struct attn__mem *mem,
                                 struct attn__problem *p)
{
    if (attn__params_i64_or(params, ATTN_PARAM_ROPE, 0) == ATTN_ROPE_HALF)
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope is half, but complexformer's complex numbers are pairs of "
                               "neighbours: expected interleaved or none");
    int32_t status = attn__one_attend(params, mem, settings, N_SETTINGS, &recipe, p);
    if (status != ATTN_OK)
        return status;
    if (p->d % 2 != 0 || p->hk != p->hq) {
        status = attn__error_set(ATTN_ERR_UNSUPPORTED,
                                 "d=%" PRId64 " with h=%" PRId64 "/%" PRId64
                                 ": expected an even d and as many key heads as query heads",
                                 p->d, p->hq, p->hk);
        attn__problem_free(p, mem);
        return status;
    }
    p->takes[ATTN__SLOT_EULER_DELTA] = p->takes[ATTN__SLOT_EULER_SHIFT] = ATTN__TAKES_MAY;
    p->extent[p->n_extents++] = (struct attn__extent){"Pairs", p->d / 2};
    return ATTN_OK;
}
