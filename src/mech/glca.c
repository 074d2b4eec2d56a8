/* SPDX-License-Identifier: MIT */
/*
 * glca: global-local cross attention (Dual Cross-Attention Learning, Zhu et
 * al., 2022). Only the rows listed in ROWS, those that matter most, attend to
 * all keys; the output has a row for each of them.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/preset.h"
#include "problem/recipe.h"
#include "solvers/map_pick.h"
#include "solvers/scratch.h"

static void *carve(struct attn__scratch *s, const struct attn__problem *p)
{
    int64_t n = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hq, &n) && attn__mul_i64(n, p->q, &n) &&
            attn__mul_i64(n, p->d, &n);
    return attn__scratch_take(s, n, attn__dtype_size(p->dtype));
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    (void)m;
    carve(&s, p);
    *bytes = s.used;
    return s.ok;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *q = &r->call->t[ATTN__SLOT_Q], *rows = &r->call->t[ATTN__SLOT_ROWS];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    attn_tensor picked =
        attn__recipe_view(carve(&s, p), p->dtype, q->shape[0], p->hq, rows->shape[1], p->d);
    struct attn__call c = attn__recipe_call(r);
    attn__map_pick(r->threads, q, rows, &picked);
    attn__recipe_give(&c, ATTN__SLOT_Q, &picked);
    for (enum attn__slot slot = ATTN__SLOT_K; slot <= ATTN__SLOT_V; slot++)
        attn__recipe_pass(&c, slot, r->call, slot);
    attn__recipe_pass(&c, ATTN__SLOT_OUT, r->call, ATTN__SLOT_OUT);
    attn__recipe_pass(&c, ATTN__SLOT_LSE, r->call, ATTN__SLOT_LSE);
    r->attend(r, 0, &c);
}

static int32_t check(const struct attn__call *c)
{
    const attn_tensor *rows = &c->t[ATTN__SLOT_ROWS];
    int64_t nq = c->t[ATTN__SLOT_Q].shape[2];
    if (rows->shape[1] > c->p->q)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "rows has extent %" PRId64
                               " in dimension 1, the plan was made for at most %" PRId64,
                               rows->shape[1], c->p->q);
    for (int64_t b = 0; b < rows->shape[0] && c->p->check >= ATTN_CHECK_INDICES; b++) {
        for (int64_t n = 0; n < rows->shape[1]; n++) {
            int64_t i = attn__load_i64(rows->data, b * rows->stride[0] + n * rows->stride[1],
                                       rows->dtype);
            if (i < 0 || i >= nq)
                return attn__error_set(ATTN_ERR_RANGE,
                                       "rows[%" PRId64 ",%" PRId64 "] is %" PRId64
                                       ", expected 0 to %" PRId64,
                                       b, n, i, nq - 1);
        }
    }
    return ATTN_OK;
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .by_sequence = true,
    .stage = attn__preset_same,
    .workspace = workspace,
    .run = run,
};

/* Picked rows have no positions. */
int32_t attn__mech_glca(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    int32_t status = attn__preset_plain(params, mem, false, p);
    if (status != ATTN_OK)
        return status;
    p->recipe = &recipe;
    p->check_call = check;
    p->takes[ATTN__SLOT_ROWS] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_Q_LEN] = ATTN__TAKES_NOT;
    p->shape[ATTN__SLOT_OUT] = "S,Hout,R,Dv";
    p->shape[ATTN__SLOT_LSE] = "S,Hout,R";
    return ATTN_OK;
}
