/* SPDX-License-Identifier: MIT */
/*
 * pointer: pointer networks (Vinyals et al., 2015). The score of a pair is
 * additive, u_ij = sum_a w_a tanh(q_ia + k_ja) with rows that the caller has
 * projected, and the result is the probabilities: nothing is multiplied with
 * values. The scores are a dense bias of an ATTEND whose products are 0.
 */
#include "base/error.h"
#include "mech/one_attend.h"
#include "solvers/map_additive.h"
#include "solvers/scratch.h"

struct arrays {
    void *none; /* one zero: queries, keys and values of the ATTEND */
    void *out;  /* its output, one column, which is thrown away */
    void *u;    /* [b,hout,q,k] */
    void *room; /* [b,hout][d] */
};

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t heads = 0, rows = 0, pairs = 0, room = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &heads) && attn__mul_i64(heads, p->q, &rows) &&
            attn__mul_i64(rows, p->k, &pairs) && attn__mul_i64(heads, p->d, &room);
    a->none = attn__scratch_take(s, 1, sizeof(double));
    a->out = attn__scratch_take(s, rows, size);
    a->u = attn__scratch_take(s, pairs, size);
    a->room = attn__scratch_take(s, room, sizeof(double));
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

/* There is no product of rows that could be scaled or capped, and no output. */
static const struct attn__setting settings[] = {
    {ATTN_PARAM_WANT, ATTN__DEFAULT, ATTN_WANT_PROBS, 0},
    {ATTN_PARAM_HV, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_DV, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_V_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_SCALE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_SCALE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_ROW_SCALE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_LOGN_TRAIN, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_SSMAX, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_SOFTCAP, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_BIAS, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_QK_NORM, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_ROPE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_QUERY_TABLE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_Q_BIAS_CONTENT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_GATE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_NORM, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_SCALE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_FACTOR, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_GATE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_MIX, ATTN__REFUSED, 0, 0},
};

enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    const struct {
        int32_t param;
        int64_t value;
    } sizes[] = {{ATTN_PARAM_HQ, whole->hout}, {ATTN_PARAM_HK, 1},  {ATTN_PARAM_HV, 1},
                 {ATTN_PARAM_D, 1},            {ATTN_PARAM_DV, 1}, {ATTN_PARAM_BIAS, 1},
                 {ATTN_PARAM_WANT, whole->want}};
    const int32_t maps[] = {ATTN_PARAM_Q_HEAD, ATTN_PARAM_K_HEAD, ATTN_PARAM_V_HEAD};
    struct attn__params copy;
    int32_t status = attn__one_attend_params(v, mem, settings, N_SETTINGS, &copy);
    (void)n;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && status == ATTN_OK; i++)
        status = attn__params_set_i64(&copy, sizes[i].param, sizes[i].value);
    for (size_t i = 0; i < sizeof maps / sizeof maps[0] && status == ATTN_OK; i++)
        status = attn__params_unset(&copy, maps[i]);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *q = &r->call->t[ATTN__SLOT_Q], *k = &r->call->t[ATTN__SLOT_K];
    int32_t type = attn__problem_row_dtype(p);
    int64_t b = q->shape[0], nq = q->shape[2], nk = k->shape[2];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, p, &a);
    memset(a.none, 0, sizeof(double));
    attn_tensor u = attn__recipe_view(a.u, type, b, p->hout, nq, nk);
    attn_tensor out = attn__recipe_view(a.out, type, b, p->hout, nq, 1);
    attn_tensor zq = attn__recipe_constant(a.none, p->dtype, b, p->hout, nq, 1);
    attn_tensor zk = attn__recipe_constant(a.none, p->kv_dtype, b, 1, nk, 1);
    attn__map_additive(r->threads, q, p->q_head, k, p->k_head,
                       &r->call->t[ATTN__SLOT_POINTER_W], a.room, &u);
    struct attn__call c = attn__one_attend_call(r);
    attn__recipe_give(&c, ATTN__SLOT_Q, &zq);
    attn__recipe_give(&c, ATTN__SLOT_K, &zk);
    attn__recipe_give(&c, ATTN__SLOT_V, &zk);
    attn__recipe_give(&c, ATTN__SLOT_BIAS, &u);
    attn__recipe_give(&c, ATTN__SLOT_OUT, &out);
    r->attend(r, 0, &c);
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

int32_t attn__mech_pointer(const struct attn__params *params, const struct attn__mem *mem,
                           struct attn__problem *p)
{
    int32_t status = attn__one_attend_biased(params);
    if (status == ATTN_OK)
        status = attn__one_attend(params, mem, settings, N_SETTINGS, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->takes[ATTN__SLOT_POINTER_W] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_V] = p->takes[ATTN__SLOT_OUT] = ATTN__TAKES_NOT;
    return ATTN_OK;
}
