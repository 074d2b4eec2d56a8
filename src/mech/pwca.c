/* SPDX-License-Identifier: MIT */
/*
 * pwca: pair-wise cross attention (Dual Cross-Attention Learning, Zhu et al.,
 * 2022). The queries of one image see the keys of their own image and, as a
 * distraction in training, those of another: one softmax over both, which is
 * two ATTENDs over disjoint keys joined by their lse.
 */
#include "base/error.h"
#include "mech/preset.h"
#include "problem/recipe.h"
#include "solvers/map_merge.h"
#include "solvers/scratch.h"

enum { SOURCES = 2 };

/* Each source's result in f32, or f64 where that is computed in. */
struct parts {
    void *out[SOURCES], *lse[SOURCES];
};

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct parts *parts)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t rows = 0, numbers = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &rows) && attn__mul_i64(rows, p->q, &rows) &&
            attn__mul_i64(rows, p->dv, &numbers);
    for (int n = 0; n < SOURCES; n++) {
        parts->out[n] = attn__scratch_take(s, numbers, size);
        parts->lse[n] = attn__scratch_take(s, rows, size);
    }
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct parts parts;
    (void)m;
    carve(&s, p, &parts);
    *bytes = s.used;
    return s.ok;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *out = &r->call->t[ATTN__SLOT_OUT];
    const bool has_lse = r->call->has[ATTN__SLOT_LSE];
    const enum attn__slot keys[SOURCES] = {ATTN__SLOT_K, ATTN__SLOT_K2};
    const enum attn__slot values[SOURCES] = {ATTN__SLOT_V, ATTN__SLOT_V2};
    struct attn__scratch s = {.base = r->ws, .ok = true};
    attn_tensor part_out[SOURCES], part_lse[SOURCES];
    struct parts parts;
    int32_t type = attn__problem_row_dtype(p);
    int64_t b = out->shape[0], n = out->shape[2];
    carve(&s, p, &parts);
    for (int i = 0; i < SOURCES; i++) {
        struct attn__call c = attn__recipe_call(r);
        part_out[i] = attn__recipe_view(parts.out[i], type, b, p->hout, n, p->dv);
        part_lse[i] = attn__recipe_view(parts.lse[i], type, b, p->hout, n, -1);
        attn__recipe_pass(&c, ATTN__SLOT_Q, r->call, ATTN__SLOT_Q);
        attn__recipe_pass(&c, ATTN__SLOT_K, r->call, keys[i]);
        attn__recipe_pass(&c, ATTN__SLOT_V, r->call, values[i]);
        attn__recipe_give(&c, ATTN__SLOT_OUT, &part_out[i]);
        attn__recipe_give(&c, ATTN__SLOT_LSE, &part_lse[i]);
        r->attend(r, i, &c);
    }
    attn__map_merge(r->threads, SOURCES, part_out, part_lse, out,
                    has_lse ? &r->call->t[ATTN__SLOT_LSE] : NULL);
}

static const struct attn__recipe recipe = {
    .n_stages = SOURCES,
    .by_sequence = true,
    .stage = attn__preset_same,
    .workspace = workspace,
    .run = run,
};

/* Positions mean nothing between the two images, and their rows are all
 * there: what orders or cuts keys is left out. */
int32_t attn__mech_pwca(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    int32_t status = attn__preset_plain(params, mem, false, p);
    if (status != ATTN_OK)
        return status;
    p->recipe = &recipe;
    p->takes[ATTN__SLOT_K2] = p->takes[ATTN__SLOT_V2] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_Q_LEN] = p->takes[ATTN__SLOT_K_LEN] = p->takes[ATTN__SLOT_K_START] =
        ATTN__TAKES_NOT;
    return ATTN_OK;
}
