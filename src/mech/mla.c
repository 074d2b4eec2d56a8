/* SPDX-License-Identifier: MIT */
/*
 * mla: multi-head latent attention (DeepSeek-V2, 2024). Keys and values of all
 * heads are projections of one latent row per token, stored with one turned
 * key part that heads share. Absorbed: queries are projected instead, all
 * heads attend to the latent rows themselves, whose first part are the values
 * too, and results are projected back; the rows may lie in a cache. Naive: keys
 * and values are projected for every head, then ordinary attention.
 */
#include <inttypes.h>

#include <attn/attn.h>

#include "base/error.h"
#include "mech/packed.h"
#include "mech/preset.h"
#include "problem/recipe.h"
#include "solvers/map_gemm.h"
#include "solvers/scratch.h"

/* The last of p->extent. */
enum { DN, DR, R, RD, EXTENTS };

struct arrays {
    int64_t *q_offsets, *k_offsets; /* of a packed batch */
    void *q; /* absorbed: projected queries [B,H,q,R+dr]; naive: [B,H,q,d] */
    void *o; /* absorbed: sums of latent rows [B,H,q,R] */
    void *k, *v; /* naive: [B,H,k,d], [B,H,k,dv] */
    void *gemm;
};

static bool absorbed(const struct attn__problem *p)
{
    return p->own[0] == ATTN_MLA_ABSORBED;
}

static int64_t size(const struct attn__problem *p, int extent)
{
    return p->extent[p->n_extents - EXTENTS + extent].value;
}

static int64_t widest(const struct attn__problem *p)
{
    return attn__max_i64(attn__max_i64(p->d, p->dv), size(p, RD));
}

/* B * H * n * width elements of the type that is computed in. */
static void *take(struct attn__scratch *s, const struct attn__problem *p, int64_t n, int64_t width)
{
    int64_t all = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &all) && attn__mul_i64(all, n, &all) &&
            attn__mul_i64(all, width, &all);
    return attn__scratch_take(s, all, attn__dtype_size(attn__problem_row_dtype(p)));
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct arrays *a)
{
    bool in_latent = absorbed(p);
    a->q_offsets = attn__packed_offsets(s, p);
    a->k_offsets = in_latent ? NULL : attn__packed_offsets(s, p);
    a->q = take(s, p, p->q, in_latent ? size(p, RD) : p->d);
    a->o = take(s, p, p->q, in_latent ? size(p, R) : 0);
    a->k = take(s, p, in_latent ? 0 : p->k, p->d);
    a->v = take(s, p, in_latent ? 0 : p->k, p->dv);
    a->gemm = attn__map_gemm_take(s, widest(p), m->threads);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    carve(&s, p, m, &a);
    *bytes = s.used;
    return s.ok;
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int64_t heads = absorbed(whole) ? 1 : whole->hout;
    const struct {
        int32_t param;
        int64_t value;
    } set[] = {
        {ATTN_PARAM_HK, heads},
        {ATTN_PARAM_HV, heads},
        {ATTN_PARAM_D, absorbed(whole) ? size(whole, RD) : whole->d},
        {ATTN_PARAM_DV, absorbed(whole) ? size(whole, R) : whole->dv},
    };
    int32_t status = attn__preset_stage(v, mem, &copy);
    (void)n;
    for (size_t i = 0; i < sizeof set / sizeof set[0] && status == ATTN_OK; i++)
        status = attn__params_set_i64(&copy, set[i].param, set[i].value);
    /* by the width of the heads, not by that of the latent rows */
    if (status == ATTN_OK)
        status = attn__params_set_f64(&copy, ATTN_PARAM_SCALE, whole->scale);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* The last dimension from `from` on, `n` wide. */
static attn_tensor part(const attn_tensor *t, int64_t from, int64_t n)
{
    attn_tensor s = *t;
    s.data = (char *)t->data + from * t->stride[3] * (int64_t)attn__dtype_size(t->dtype);
    s.shape[3] = n;
    return s;
}

static struct attn__call begin(const struct attn__recipe_run *r)
{
    struct attn__call c = attn__recipe_call(r);
    attn__recipe_pass_all(&c, r->call);
    return c;
}

/* Queries with their turned part beside them. */
static void join_queries(const struct attn__recipe_run *r, const attn_tensor *q, int64_t at)
{
    attn_tensor pe = part(q, at, size(r->call->p, DR));
    if (pe.shape[3] > 0)
        attn__map_copy(r, &r->call->t[ATTN__SLOT_Q_PE], &pe);
}

static void run_absorbed(const struct attn__recipe_run *r, const struct arrays *a)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t, *out = &t[ATTN__SLOT_OUT];
    int32_t type = attn__problem_row_dtype(p);
    int64_t b = out->shape[0], nq = out->shape[2], rank = size(p, R);
    attn_tensor q = attn__recipe_view(a->q, type, b, p->hout, nq, size(p, RD));
    attn_tensor o = attn__recipe_view(a->o, type, b, p->hout, nq, rank);
    attn_tensor q_latent = part(&q, 0, rank);
    const struct attn__map_gemm in = {&t[ATTN__SLOT_Q_NOPE], &t[ATTN__SLOT_MLA_WUK], &q_latent,
                                      false};
    const struct attn__map_gemm back = {&o, &t[ATTN__SLOT_MLA_WUV], out, true};
    attn__map_gemm(r, &in, widest(p), a->gemm);
    join_queries(r, &q, rank);
    struct attn__call c = begin(r);
    attn__recipe_give(&c, ATTN__SLOT_Q, &q);
    if (!p->view.is) {
        attn_tensor values = part(&t[ATTN__SLOT_LATENT], 0, rank);
        attn__recipe_give(&c, ATTN__SLOT_K, &t[ATTN__SLOT_LATENT]);
        attn__recipe_give(&c, ATTN__SLOT_V, &values);
    }
    attn__recipe_give(&c, ATTN__SLOT_OUT, &o);
    r->attend(r, 0, &c);
    attn__map_gemm(r, &back, widest(p), a->gemm);
}

static void run_naive(const struct attn__recipe_run *r, const struct arrays *a)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t, *latent = &t[ATTN__SLOT_LATENT];
    int32_t type = attn__problem_row_dtype(p);
    int64_t b = latent->shape[0], nk = latent->shape[2], nq = t[ATTN__SLOT_OUT].shape[2];
    int64_t dn = size(p, DN), rank = size(p, R);
    attn_tensor q = attn__recipe_view(a->q, type, b, p->hout, nq, p->d);
    attn_tensor k = attn__recipe_view(a->k, type, b, p->hout, nk, p->d);
    attn_tensor v = attn__recipe_view(a->v, type, b, p->hout, nk, p->dv);
    attn_tensor q_nope = part(&q, 0, dn), k_nope = part(&k, 0, dn);
    attn_tensor k_pe = part(&k, dn, size(p, DR)), rows = part(latent, 0, rank);
    attn_tensor pe = part(latent, rank, size(p, DR));
    const struct attn__map_gemm keys = {&rows, &t[ATTN__SLOT_MLA_WUK], &k_nope, true};
    const struct attn__map_gemm values = {&rows, &t[ATTN__SLOT_MLA_WUV], &v, true};
    attn__map_copy(r, &t[ATTN__SLOT_Q_NOPE], &q_nope);
    join_queries(r, &q, dn);
    attn__map_gemm(r, &keys, widest(p), a->gemm);
    attn__map_gemm(r, &values, widest(p), a->gemm);
    if (pe.shape[3] > 0)
        attn__map_copy(r, &pe, &k_pe);
    struct attn__call c = begin(r);
    attn__recipe_give(&c, ATTN__SLOT_Q, &q);
    attn__recipe_give(&c, ATTN__SLOT_K, &k);
    attn__recipe_give(&c, ATTN__SLOT_V, &v);
    r->attend(r, 0, &c);
}

static void run(const struct attn__recipe_run *r)
{
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__recipe_run at_front = *r;
    struct attn__call whole;
    struct arrays a;
    carve(&s, r->call->p, r->machine, &a);
    attn__recipe_rebase(r, a.q_offsets, &whole);
    at_front.call = &whole;
    if (absorbed(r->call->p)) {
        run_absorbed(&at_front, &a);
    } else {
        attn__recipe_rebase_keys(a.k_offsets, &whole);
        run_naive(&at_front, &a);
    }
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

/* Rows are turned before; what a stage multiplies are not the caller's queries,
 * what it stores are not the rows of OUT. */
static const struct attn__setting settings[] = {
    {ATTN_PARAM_HK, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_HV, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_Q_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_K_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_V_HEAD, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_QUERY_TABLE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_Q_BIAS_CONTENT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_ROPE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_QK_NORM, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_GATE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_FACTOR, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_GATE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_HEAD_MIX, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_NORM, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_OUT_SCALE, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_WANT, ATTN__REFUSED, 0, 0},
    {ATTN_PARAM_SOLVER, ATTN__REFUSED, 0, 0},
};

/* A cache has latent rows, whose first part are the values. */
static int32_t check_view(const struct attn__problem *p)
{
    if (p->view.is && !absorbed(p))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "view is set and mla_form=naive, expected absorbed: a cache has "
                               "latent rows, which that reads as they are");
    if (p->view.is && !p->view.v_prefix)
        return attn__error_set(ATTN_ERR_INVALID,
                               "view is set without cache_v_prefix, expected both: a cache of "
                               "latent rows has one of them for a token");
    return ATTN_OK;
}

static int32_t extents(const struct attn__params *v, struct attn__problem *p)
{
    int64_t rank = attn__params_i64_or(v, ATTN_PARAM_MLA_RANK, 0);
    int64_t dr = attn__params_i64_or(v, ATTN_PARAM_MLA_ROPE_DIM, 0);
    if (rank == 0)
        return attn__error_set(ATTN_ERR_UNSET,
                               "mla needs mla_rank (the width of a latent row), which was not set");
    if (dr >= p->d)
        return attn__error_set(ATTN_ERR_INVALID,
                               "mla_rope_dim is %" PRId64 ", expected less than d=%" PRId64, dr,
                               p->d);
    p->own[0] = (double)attn__params_i64_or(v, ATTN_PARAM_MLA_FORM, ATTN_MLA_ABSORBED);
    if (!absorbed(p) && p->k == ATTN_UNBOUNDED)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "k is inf, but mla_form=naive keeps keys and values of all heads");
    const struct attn__extent mine[EXTENTS] = {[DN] = {"Dn", p->d - dr},
                                               [DR] = {"Dr", dr},
                                               [R] = {"Rank", rank},
                                               [RD] = {"Rd", rank + dr}};
    memcpy(p->extent + p->n_extents, mine, sizeof mine);
    p->n_extents += EXTENTS;
    p->view.d = size(p, RD);
    p->view.dv = rank;
    return check_view(p);
}

int32_t attn__mech_mla(const struct attn__params *params, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    static const enum attn__slot mine[] = {ATTN__SLOT_Q_NOPE, ATTN__SLOT_LATENT,
                                           ATTN__SLOT_MLA_WUK, ATTN__SLOT_MLA_WUV};
    int32_t status = attn__preset(params, mem, settings, sizeof settings / sizeof settings[0], p);
    if (status != ATTN_OK)
        return status;
    status = extents(params, p);
    if (status != ATTN_OK) {
        attn__problem_free(p, mem);
        return status;
    }
    p->recipe = &recipe;
    p->takes[ATTN__SLOT_Q] = p->takes[ATTN__SLOT_K] = p->takes[ATTN__SLOT_V] = ATTN__TAKES_NOT;
    for (size_t n = 0; n < sizeof mine / sizeof mine[0]; n++)
        p->takes[mine[n]] = ATTN__TAKES_MUST;
    if (p->view.is)
        p->takes[ATTN__SLOT_LATENT] = ATTN__TAKES_NOT;
    if (size(p, DR) > 0)
        p->takes[ATTN__SLOT_Q_PE] = ATTN__TAKES_MUST;
    return ATTN_OK;
}
