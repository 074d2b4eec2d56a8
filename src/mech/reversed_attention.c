/* SPDX-License-Identifier: MIT */
/*
 * reversed_attention: the direction of a dependency tree (DependencyViT, Ding
 * et al., 2023). Token i is a child that sends to its parents:
 *
 *     out_j = sum_i p_ij g_i v_i,   p_i = softmax over j of scale q_i.k_j
 *
 * The weights are normalised along j and summed along i. Two ATTENDs: the
 * first gives L_i = ln sum_j exp s_ij and nothing else; the second has the
 * keys as its queries, the queries as its keys, -L_i as a bias on them, and
 * sums exp(s_ij - L_i) g_i v_i without dividing.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/preset.h"
#include "problem/recipe.h"
#include "solvers/map_gate.h"
#include "solvers/scratch.h"

struct arrays {
    void *none; /* values of the first stage: it only makes L */
    void *drop; /* its output, one column */
    void *lse;
    void *sent; /* g_i v_i */
};

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t rows = 0, numbers = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &rows) && attn__mul_i64(rows, p->q, &rows) &&
            attn__mul_i64(rows, p->dv, &numbers);
    a->none = attn__scratch_take(s, 1, sizeof(double));
    a->drop = attn__scratch_take(s, rows, size);
    a->lse = attn__scratch_take(s, rows, size);
    a->sent = attn__scratch_take(s, numbers, size);
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

static int32_t set_first(struct attn__params *v, const struct attn__problem *whole)
{
    int32_t status = attn__params_set_i64(v, ATTN_PARAM_DV, 1);
    (void)whole;
    return status;
}

/* Queries and keys change places. V is the sent rows, one head an output. */
static int32_t set_second(struct attn__params *v, const struct attn__problem *whole)
{
    const struct {
        int32_t param;
        int64_t value;
    } sizes[] = {{ATTN_PARAM_HQ, whole->hk},
                 {ATTN_PARAM_HK, whole->hq},
                 {ATTN_PARAM_HV, whole->hout},
                 {ATTN_PARAM_Q, whole->k},
                 {ATTN_PARAM_K, whole->q},
                 {ATTN_PARAM_BIAS, 1},
                 {ATTN_PARAM_NORMALIZER, ATTN_NORMALIZER_EXP_SUM}};
    int32_t status = ATTN_OK;
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0] && status == ATTN_OK; n++)
        status = attn__params_set_i64(v, sizes[n].param, sizes[n].value);
    if (status == ATTN_OK)
        status = attn__params_set_i64s(v, ATTN_PARAM_Q_HEAD, whole->k_head, (size_t)whole->hout);
    if (status == ATTN_OK)
        status = attn__params_set_i64s(v, ATTN_PARAM_K_HEAD, whole->q_head, (size_t)whole->hout);
    return status == ATTN_OK ? attn__params_unset(v, ATTN_PARAM_V_HEAD) : status;
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_stage(v, mem, &copy);
    if (status == ATTN_OK)
        status = n == 0 ? set_first(&copy, whole) : set_second(&copy, whole);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t, *q = &t[ATTN__SLOT_Q], *k = &t[ATTN__SLOT_K];
    int32_t type = attn__problem_row_dtype(p);
    int64_t b = q->shape[0], n = q->shape[2];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, p, &a);

    struct attn__call c = attn__recipe_call(r);
    attn_tensor none = attn__recipe_constant(a.none, p->kv_dtype, b, p->hv, k->shape[2], 1);
    attn_tensor drop = attn__recipe_view(a.drop, type, b, p->hout, n, 1);
    attn_tensor lse = attn__recipe_view(a.lse, type, b, p->hout, n, -1);
    memset(a.none, 0, sizeof(double));
    attn__recipe_give(&c, ATTN__SLOT_Q, q);
    attn__recipe_give(&c, ATTN__SLOT_K, k);
    attn__recipe_give(&c, ATTN__SLOT_V, &none);
    attn__recipe_give(&c, ATTN__SLOT_OUT, &drop);
    attn__recipe_give(&c, ATTN__SLOT_LSE, &lse);
    r->attend(r, 0, &c);
    attn__map_negate(&lse);

    attn_tensor sent = attn__recipe_view(a.sent, type, b, p->hout, n, p->dv);
    attn_tensor bias = attn__recipe_view(a.lse, type, b, p->hout, 1, n);
    attn__map_gate(r->threads, &t[ATTN__SLOT_V], p->v_head,
                   r->call->has[ATTN__SLOT_GATE] ? &t[ATTN__SLOT_GATE] : NULL, &sent);
    c = attn__recipe_call(r);
    attn__recipe_give(&c, ATTN__SLOT_Q, k);
    attn__recipe_give(&c, ATTN__SLOT_K, q);
    attn__recipe_give(&c, ATTN__SLOT_V, &sent);
    attn__recipe_give(&c, ATTN__SLOT_BIAS, &bias);
    attn__recipe_pass(&c, ATTN__SLOT_OUT, r->call, ATTN__SLOT_OUT);
    r->attend(r, 1, &c);
}

static const struct attn__recipe recipe = {
    .n_stages = 2,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

/* With a causal rule a token's output would depend on later ones. */
int32_t attn__mech_reversed_attention(const struct attn__params *params,
                                      const struct attn__mem *mem, struct attn__problem *p)
{
    int32_t status = attn__preset_plain(params, mem, false, p);
    if (status != ATTN_OK)
        return status;
    if (p->k == ATTN_UNBOUNDED) {
        attn__problem_free(p, mem);
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "k is inf, expected a number: the keys are the rows of the output");
    }
    p->recipe = &recipe;
    p->takes[ATTN__SLOT_GATE] = ATTN__TAKES_MAY;
    p->takes[ATTN__SLOT_LSE] = p->takes[ATTN__SLOT_Q_LEN] = p->takes[ATTN__SLOT_K_LEN] =
        p->takes[ATTN__SLOT_K_START] = ATTN__TAKES_NOT;
    p->shape[ATTN__SLOT_V] = "B,Hv,Nq,Dv";
    p->shape[ATTN__SLOT_OUT] = "B,Hout,Nk,Dv";
    return ATTN_OK;
}
