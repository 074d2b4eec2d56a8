/* SPDX-License-Identifier: MIT */
/*
 * lama: low-rank factorised multi-head attention (Mehta et al., 2019). Pooling:
 * one context c, the mean of the tokens, asks for all heads, a_mj =
 * tanh((P_m c)(Q_m x_j)) divided by its norm over the heads, softmax over the
 * tokens, and each head gives a weighted mean of the tokens themselves. The
 * scores are a dense bias of an ATTEND whose products are 0.
 */
#include <inttypes.h>

#include <attn/attn.h>

#include "base/error.h"
#include "mech/one_attend.h"
#include "solvers/map_gemm.h"
#include "solvers/map_lama.h"

struct arrays {
    double *means; /* room of theirs */
    void *context; /* [b,1,1,d] */
    void *asked;   /* P c: [b,m] */
    void *a;       /* Q x, then the scores: [b,m,1,k] */
    void *none;    /* one zero: queries and keys of the ATTEND */
    void *gemm;
};

static int64_t widest(const struct attn__problem *p)
{
    return attn__max_i64(p->d, p->hout);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t context = 0, asked = 0, pairs = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->d, &context) && attn__mul_i64(p->b, p->hout, &asked) &&
            attn__mul_i64(asked, p->k, &pairs);
    a->means = attn__map_lama_take(s, p);
    a->context = attn__scratch_take(s, context, size);
    a->asked = attn__scratch_take(s, asked, size);
    a->a = attn__scratch_take(s, pairs, size);
    a->none = attn__scratch_take(s, 1, sizeof(double));
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

/* One context and one list of tokens for all heads. */
static const struct attn__setting settings[] = {
    {ATTN_PARAM_Q, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_HK, ATTN__FIXED, 1, 0},
    {ATTN_PARAM_HV, ATTN__FIXED, 1, 0},
};

enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    const struct {
        int32_t param;
        int64_t value;
    } sizes[] = {{ATTN_PARAM_D, 1}, {ATTN_PARAM_DV, whole->d}, {ATTN_PARAM_BIAS, 1}};
    struct attn__params copy;
    int32_t status = attn__one_attend_params(v, mem, settings, N_SETTINGS, &copy);
    (void)n;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0] && status == ATTN_OK; i++)
        status = attn__params_set_i64(&copy, sizes[i].param, sizes[i].value);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* A weight [M,D] as the matrix of one head. */
static attn_tensor matrix(const attn_tensor *w)
{
    return (attn_tensor){.data = w->data, .dtype = w->dtype, .rank = 3,
                         .shape = {1, w->shape[0], w->shape[1]},
                         .stride = {0, w->stride[0], w->stride[1]}};
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t, *x = &t[ATTN__SLOT_K];
    int32_t type = attn__problem_row_dtype(p);
    int64_t b = x->shape[0], nk = x->shape[2];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, p, r->machine, &a);
    memset(a.none, 0, sizeof(double));

    attn_tensor wp = matrix(&t[ATTN__SLOT_LAMA_P]), wq = matrix(&t[ATTN__SLOT_LAMA_Q]);
    attn_tensor context = attn__recipe_view(a.context, type, b, 1, 1, p->d);
    attn_tensor asked = attn__recipe_view(a.asked, type, b, 1, 1, p->hout);
    attn_tensor scores = attn__recipe_view(a.a, type, b, p->hout, 1, nk);
    attn_tensor tokens = {.data = a.a, .dtype = type, .rank = 4, .shape = {b, 1, nk, p->hout},
                          .stride = {p->hout * nk, 0, 1, nk}}; /* the same numbers */
    const struct attn__map_gemm ask = {&context, &wp, &asked, true};
    const struct attn__map_gemm answer = {x, &wq, &tokens, true};
    attn__map_lama_context(r, a.means, &context);
    attn__map_gemm(r, &ask, widest(p), a.gemm);
    attn__map_gemm(r, &answer, widest(p), a.gemm);
    attn__map_lama_scores(r, &asked, &scores);

    attn_tensor zq = attn__recipe_constant(a.none, p->dtype, b, p->hout, 1, 1);
    attn_tensor zk = attn__recipe_constant(a.none, p->kv_dtype, b, 1, nk, 1);
    struct attn__call c = attn__one_attend_call(r);
    attn__recipe_give(&c, ATTN__SLOT_Q, &zq);
    attn__recipe_give(&c, ATTN__SLOT_K, &zk);
    attn__recipe_give(&c, ATTN__SLOT_V, x);
    attn__recipe_give(&c, ATTN__SLOT_BIAS, &scores);
    r->attend(r, 0, &c);
}

static const struct attn__recipe recipe = {
    .n_stages = 1,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

int32_t attn__mech_lama(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    static const int32_t known[] = {ATTN_PARAM_MASK, ATTN_PARAM_WANT, ATTN_PARAM_SOLVER,
                                    ATTN_PARAM_PACKED};
    static const enum attn__slot rows[] = {ATTN__SLOT_LSE, ATTN__SLOT_ROWMAX, ATTN__SLOT_ENTROPY,
                                           ATTN__SLOT_ARGMAX};
    int32_t status = attn__preset_only(params, known, sizeof known / sizeof known[0]);
    if (status == ATTN_OK)
        status = attn__one_attend_biased(params);
    if (status == ATTN_OK)
        status = attn__one_attend(params, mem, settings, N_SETTINGS, &recipe, p);
    if (status != ATTN_OK)
        return status;
    if (p->dv != p->d) {
        status = attn__error_set(ATTN_ERR_INVALID,
                                 "d=%" PRId64 "/%" PRId64
                                 ": expected one width, the values are the tokens",
                                 p->d, p->dv);
        attn__problem_free(p, mem);
        return status;
    }
    p->takes[ATTN__SLOT_Q] = p->takes[ATTN__SLOT_V] = p->takes[ATTN__SLOT_Q_LEN] = ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_Q_OFFSETS] = ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_LAMA_P] = p->takes[ATTN__SLOT_LAMA_Q] = ATTN__TAKES_MUST;
    p->shape[ATTN__SLOT_MASK] = "S?,1,1,K";
    p->shape[ATTN__SLOT_OUT] = "S,Hout,1,Dv";
    p->shape[ATTN__SLOT_PROBS] = p->shape[ATTN__SLOT_SCORES_BIASED] = "S,Hout,1,K";
    p->shape[ATTN__SLOT_COLSUM] = "S,Hout,K";
    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++)
        p->shape[rows[n]] = "S,Hout,1";
    return ATTN_OK;
}
