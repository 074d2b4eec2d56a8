/* SPDX-License-Identifier: MIT */
/*
 * moda: modular duplex attention (MODA: Modular Duplex Attention for Multimodal
 * Perception, Cognition, and Emotion Understanding, Zhang et al., 2025). Tokens
 * of two modalities in one causal sequence; each attends to its own modality,
 * and by itself to the other one, whose keys are carried over by the Gram
 * matrix of the own keys - here the queries are instead. Masked later positions
 * may take weight by pseudo scores that fall with the position (StableMask, Yin
 * et al., 2024), which is one sink logit a row.
 */
#include <math.h>

#include "base/error.h"
#include "mech/preset.h"
#include "problem/recipe.h"
#include "solvers/map_gram.h"

enum { SELF, CROSS, STAGES };

struct arrays {
    void *q;    /* [B,Hout,q,D] for keys of the other modality, f32 or f64 */
    void *sink; /* [q] */
    struct attn__gram gram;
};

/* p->own */
enum { ALIGN, HAS_BASE, BASE, DECAY };

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    bool align = p->own[ALIGN] != 0;
    int64_t n = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &n) && attn__mul_i64(n, p->q, &n) &&
            attn__mul_i64(n, p->d, &n);
    a->q = attn__scratch_take(s, align ? n : 0, size);
    a->sink = attn__scratch_take(s, p->own[HAS_BASE] != 0 ? p->q : 0, size);
    if (align)
        attn__map_gram_take(s, p, m, &a->gram);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    carve(&s, p, m, &a);
    *bytes = s.used;
    return s.ok;
}

/* Who sees whom: classes 0 and 1 themselves, or each other; other classes of
 * keys nobody. */
static int32_t add_pair(struct attn__params *v, const struct attn__mem *mem, int32_t n)
{
    static const int64_t see[STAGES][2] = {{1, 2}, {2, 1}};
    return attn__piece_list_add(&v->pieces, mem, ATTN_PIECE_PAIR, ATTN_MODE_MUST, see[n], 2);
}

/* Turned queries are one for each output head. */
static int32_t own_queries(struct attn__params *v, const struct attn__problem *whole)
{
    int32_t status = attn__params_set_i64(v, ATTN_PARAM_HQ, whole->hout);
    if (status == ATTN_OK)
        status = attn__params_set_i64(v, ATTN_PARAM_HK, whole->hk);
    if (status == ATTN_OK)
        status = attn__params_set_i64(v, ATTN_PARAM_HV, whole->hv);
    return status == ATTN_OK ? attn__params_unset(v, ATTN_PARAM_Q_HEAD) : status;
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_stage(v, mem, &copy);
    if (status == ATTN_OK)
        status = attn__params_set_i64(&copy, ATTN_PARAM_CAUSAL, 1);
    if (status == ATTN_OK && whole->own[HAS_BASE] != 0)
        status = attn__params_set_i64(&copy, ATTN_PARAM_SINK_LOGITS, 1);
    if (status == ATTN_OK)
        status = add_pair(&copy, mem, n);
    if (status == ATTN_OK && n == CROSS && whole->own[ALIGN] != 0)
        status = own_queries(&copy, whole);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/*
 * ln of the sum of e^(base - j decay) over the keys j behind row i, which is a
 * geometric series: with n of them from j0 on,
 * base - j0 decay + ln((1 - e^(-n decay)) / (1 - e^(-decay))).
 */
static double sink_of(const struct attn__problem *p, int64_t i, int64_t nq, int64_t nk)
{
    int64_t first = attn__max_i64(i + nk - nq + 1, 0);
    double n = (double)(nk - first), decay = p->own[DECAY];
    if (first >= nk)
        return -INFINITY;
    double sum = decay > 0 ? log(expm1(-n * decay) / expm1(-decay)) : log(n);
    return p->own[BASE] - (double)first * decay + sum;
}

static attn_tensor make_sinks(const struct attn__recipe_run *r, void *data)
{
    const struct attn__problem *p = r->call->p;
    int64_t nq = r->call->t[ATTN__SLOT_Q].shape[2], nk = r->call->t[ATTN__SLOT_K].shape[2];
    attn_tensor t = {.data = data,
                     .dtype = attn__problem_row_dtype(p),
                     .rank = 3,
                     .shape = {1, p->hout, nq},
                     .stride = {0, 0, 1}};
    for (int64_t i = 0; i < nq; i++)
        attn__store_f64(data, i, t.dtype, sink_of(p, i, nq, nk));
    return t;
}

static void run(const struct attn__recipe_run *r)
{
    static const enum attn__slot out[STAGES] = {ATTN__SLOT_OUT, ATTN__SLOT_OUT_CROSS};
    static const enum attn__slot lse[STAGES] = {ATTN__SLOT_LSE, ATTN__SLOT_LSE_CROSS};
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t, *q = &t[ATTN__SLOT_Q];
    struct attn__scratch s = {.base = r->ws, .ok = true};
    attn_tensor sinks, turned;
    struct arrays a;
    carve(&s, p, r->machine, &a);
    if (p->own[HAS_BASE] != 0)
        sinks = make_sinks(r, a.sink);
    if (p->own[ALIGN] != 0) {
        turned = attn__recipe_view(a.q, attn__problem_row_dtype(p), q->shape[0], p->hout,
                                   q->shape[2], p->d);
        attn__map_gram(r, &t[ATTN__SLOT_K], &t[ATTN__SLOT_CLASS_K], &a.gram);
        attn__map_gram_turn(r, q, &t[ATTN__SLOT_CLASS_Q], &a.gram, &turned);
    }
    for (int32_t n = SELF; n < STAGES; n++) {
        struct attn__call c = attn__recipe_call(r);
        attn__recipe_pass_inputs(&c, r->call);
        if (n == CROSS && p->own[ALIGN] != 0)
            attn__recipe_give(&c, ATTN__SLOT_Q, &turned);
        if (p->own[HAS_BASE] != 0)
            attn__recipe_give(&c, ATTN__SLOT_SINK_LOGITS, &sinks);
        attn__recipe_pass(&c, ATTN__SLOT_OUT, r->call, out[n]);
        attn__recipe_pass(&c, ATTN__SLOT_LSE, r->call, lse[n]);
        r->attend(r, n, &c);
    }
}

static const struct attn__recipe recipe = {
    .n_stages = STAGES,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

/* The whole as the caller sees it: the roles of the pair piece, too. */
static int32_t whole_problem(const struct attn__params *params, const struct attn__mem *mem,
                             struct attn__problem *p)
{
    static const int32_t also[] = {ATTN_PARAM_CAUSAL, ATTN_PARAM_Q_HEAD, ATTN_PARAM_K_HEAD,
                                   ATTN_PARAM_V_HEAD, ATTN_PARAM_SCALE,  ATTN_PARAM_SOFTCAP,
                                   ATTN_PARAM_PACKED};
    struct attn__params copy;
    int32_t status = attn__preset_only(params, also, sizeof also / sizeof also[0]);
    if (status != ATTN_OK)
        return status;
    status = attn__preset_copy(params, mem, settings, 1, &copy);
    if (status == ATTN_OK)
        status = add_pair(&copy, mem, SELF);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, params, mem, p);
    attn__params_destroy(&copy);
    return status;
}

int32_t attn__mech_moda(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    bool base = false, decay = false;
    attn__params_is_set(params, ATTN_PARAM_MODA_BASE, &base);
    attn__params_is_set(params, ATTN_PARAM_MODA_DECAY, &decay);
    if (decay && !base)
        return attn__error_set(ATTN_ERR_INVALID, "moda_decay is set, but moda_base is not");
    int32_t status = whole_problem(params, mem, p);
    if (status != ATTN_OK)
        return status;
    p->recipe = &recipe;
    p->takes[ATTN__SLOT_Q_LEN] = p->takes[ATTN__SLOT_K_LEN] = p->takes[ATTN__SLOT_K_START] =
        ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_OUT_CROSS] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_LSE_CROSS] = ATTN__TAKES_MAY;
    p->own[ALIGN] = (double)attn__params_i64_or(params, ATTN_PARAM_MODA_ALIGN, 1);
    p->own[HAS_BASE] = base;
    p->own[BASE] = attn__params_f64_or(params, ATTN_PARAM_MODA_BASE, 0);
    p->own[DECAY] = attn__params_f64_or(params, ATTN_PARAM_MODA_DECAY, 0);
    return ATTN_OK;
}
