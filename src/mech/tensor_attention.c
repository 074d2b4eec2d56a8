/* SPDX-License-Identifier: MIT */
/*
 * tensor_attention: third-order attention (How to Capture Higher-order
 * Correlations?, Alman and Song, 2023). The keys are all pairs (j, l) of a row
 * of K and a row of K2, multiplied element by element, the values likewise:
 *
 *     s_i,(j,l) = scale * sum_c q_ic k_jc k2_lc,   scale 1/D unless given
 *     out_i = sum softmax(s_i) (v_j * v2_l)
 *
 * It is plain attention over Nk * N2 keys, made a few j at a time and joined
 * by lse, so that memory does not grow with the product. Causal shows row i
 * the pairs with j <= i and l <= i: for each j, the rows from j on with the
 * causal rule over l.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/preset.h"
#include "problem/recipe.h"
#include "solvers/map_kron.h"
#include "solvers/map_merge.h"
#include "solvers/scratch.h"

enum {
    MADE = 4096,      /* keys made at a time, at least one row of K2 times */
    LONGEST = 1024,   /* rows of K and K2: 2^20 keys a query are enough */
};

struct arrays {
    void *k, *v;             /* [B,Hk,made,D], [B,Hv,made,Dv] */
    void *out, *lse;         /* of one part, f32 or f64 */
    double *acc, *acc_lse;   /* joined so far: many parts, so in double */
};

static bool causal(const struct attn__problem *p)
{
    return p->n_pieces > 0;
}

/* Rows of K that are multiplied out at a time. */
static int64_t rows_at_once(const struct attn__problem *p, int64_t n2)
{
    return causal(p) ? 1 : attn__max_i64(MADE / attn__max_i64(n2, 1), 1);
}

static int64_t most_made(const struct attn__problem *p)
{
    return causal(p) ? p->k : attn__max_i64(MADE, p->k);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t made = most_made(p), rows = 0, k = 0, v = 0, o = 0;
    s->ok = s->ok && attn__mul_i64(p->b, made, &made) && attn__mul_i64(made, p->hk, &k) &&
            attn__mul_i64(k, p->d, &k) && attn__mul_i64(made, p->hv, &v) &&
            attn__mul_i64(v, p->dv, &v) && attn__mul_i64(p->b, p->hout, &rows) &&
            attn__mul_i64(rows, p->q, &rows) && attn__mul_i64(rows, p->dv, &o);
    a->k = attn__scratch_take(s, k, size);
    a->v = attn__scratch_take(s, v, size);
    a->out = attn__scratch_take(s, o, size);
    a->lse = attn__scratch_take(s, rows, size);
    a->acc = ATTN__TAKE(s, o, double);
    a->acc_lse = ATTN__TAKE(s, rows, double);
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
    (void)n;
    if (status == ATTN_OK)
        status = attn__params_set_i64(&copy, ATTN_PARAM_K, most_made(whole));
    if (status == ATTN_OK)
        status = attn__params_set_f64(&copy, ATTN_PARAM_SCALE, whole->scale);
    if (status == ATTN_OK) /* keys made are not in the caller's type */
        status = attn__params_set_i64(&copy, ATTN_PARAM_KV_DTYPE, attn__problem_row_dtype(whole));
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* Where nothing has been joined yet: no key seen. */
static void clear(const attn_tensor *acc_lse)
{
    double *lse = acc_lse->data;
    int64_t n = acc_lse->shape[0] * acc_lse->shape[1] * acc_lse->shape[2];
    for (int64_t i = 0; i < n; i++)
        lse[i] = -INFINITY;
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t, *out = &t[ATTN__SLOT_OUT];
    const attn_tensor *k = &t[ATTN__SLOT_K], *v = &t[ATTN__SLOT_V];
    const attn_tensor *k2 = &t[ATTN__SLOT_K2], *v2 = &t[ATTN__SLOT_V2];
    const bool has_lse = r->call->has[ATTN__SLOT_LSE];
    int64_t b = out->shape[0], n = out->shape[2], n2 = k2->shape[2], nk = k->shape[2];
    int64_t step = rows_at_once(p, n2), first = causal(p) ? n - nk : 0;
    int32_t type = attn__problem_row_dtype(p);
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, p, &a);
    attn_tensor acc[2], acc_lse[2];
    acc[0] = attn__recipe_view(a.acc, ATTN_DTYPE_F64, b, p->hout, n, p->dv);
    acc_lse[0] = attn__recipe_view(a.acc_lse, ATTN_DTYPE_F64, b, p->hout, n, -1);
    clear(&acc_lse[0]);
    for (int64_t j = 0; j < nk; j += step) {
        /* With causal, row i sees the keys j <= i - first, as seen from the
         * end of both. */
        int64_t m = attn__min_i64(step, nk - j), i0 = causal(p) ? attn__max_i64(first + j, 0) : 0;
        struct attn__call c = attn__recipe_call(r);
        attn_tensor made_k = attn__recipe_view(a.k, type, b, p->hk, m * n2, p->d);
        attn_tensor made_v = attn__recipe_view(a.v, type, b, p->hv, m * n2, p->dv);
        attn_tensor q = attn__recipe_rows(&t[ATTN__SLOT_Q], i0, n - i0);
        attn_tensor part = attn__recipe_view(a.out, type, b, p->hout, n - i0, p->dv);
        attn_tensor part_lse = attn__recipe_view(a.lse, type, b, p->hout, n - i0, -1);
        attn__map_kron(r->threads, k, j, m, k2, &made_k);
        attn__map_kron(r->threads, v, j, m, v2, &made_v);
        attn__recipe_give(&c, ATTN__SLOT_Q, &q);
        attn__recipe_give(&c, ATTN__SLOT_K, &made_k);
        attn__recipe_give(&c, ATTN__SLOT_V, &made_v);
        attn__recipe_give(&c, ATTN__SLOT_OUT, &part);
        attn__recipe_give(&c, ATTN__SLOT_LSE, &part_lse);
        r->attend(r, 0, &c);
        attn_tensor both[2] = {attn__recipe_rows(&acc[0], i0, n - i0), part};
        attn_tensor both_lse[2] = {attn__recipe_rows(&acc_lse[0], i0, n - i0), part_lse};
        attn__map_merge(r->threads, 2, both, both_lse, &both[0], &both_lse[0]);
    }
    attn__map_merge(r->threads, 1, acc, acc_lse, out, has_lse ? &t[ATTN__SLOT_LSE] : NULL);
}

static int32_t check(const struct attn__call *c)
{
    int64_t nq = c->t[ATTN__SLOT_Q].shape[2], nk = c->t[ATTN__SLOT_K].shape[2];
    int64_t n2 = c->t[ATTN__SLOT_K2].shape[2];
    if (causal(c->p) && (nq != nk || n2 != nk))
        return attn__error_set(ATTN_ERR_SHAPE,
                               "q, k and k2 have %" PRId64 ", %" PRId64 " and %" PRId64
                               " rows, expected the same number because of causal",
                               nq, nk, n2);
    return ATTN_OK;
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

int32_t attn__mech_tensor_attention(const struct attn__params *params, const struct attn__mem *mem,
                                    struct attn__problem *p)
{
    int32_t status = attn__preset_plain(params, mem, true, p);
    if (status != ATTN_OK)
        return status;
    if (p->k == ATTN_UNBOUNDED || p->k > LONGEST) {
        attn__problem_free(p, mem);
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "k is %" PRId64
                               ", expected at most %d: a query sees k * k keys here",
                               attn__params_i64_or(params, ATTN_PARAM_K, 0), LONGEST);
    }
    p->scale = attn__params_f64_or(params, ATTN_PARAM_SCALE, 1 / (double)p->d);
    p->recipe = &recipe;
    p->check_call = check;
    p->takes[ATTN__SLOT_K2] = p->takes[ATTN__SLOT_V2] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_Q_LEN] = p->takes[ATTN__SLOT_K_LEN] = p->takes[ATTN__SLOT_K_START] =
        ATTN__TAKES_NOT;
    return ATTN_OK;
}
