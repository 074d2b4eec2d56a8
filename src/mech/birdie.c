/* SPDX-License-Identifier: MIT */
/*
 * birdie: recurrences over prefix-LM sequences (Birdie, Blouir et al., 2024).
 * The first heads run forward; the others run from the end of the prefix back,
 * and see only their own token in the causal area behind it. The form `vector`
 * has a number for each channel as its state, `matrix` the state of scan: two
 * stages, one a direction, on views of the heads.
 */
#include <inttypes.h>

#include <attn/attn.h>

#include "base/error.h"
#include "mech/scan_presets.h"
#include "problem/recipe.h"
#include "solvers/map_birdie.h"
#include "solvers/scratch.h"
#include "state/scan_check.h"

enum { FORWARD, REVERSE, STAGES };

#define UNSCALED {ATTN_PARAM_SCALE, ATTN__DEFAULT, 0, 1.0}
#define NO(param) {ATTN_PARAM_##param, ATTN__REFUSED, 0, 0}

/* What both forms settle: the mask resets states, heads have directions. */
#define BOTH                                                                                       \
    NO(RESET), NO(DIRECTION), NO(CAUSAL), NO(ALIBI), NO(ALIBI_SLOPES), NO(STATE_HEADS),            \
        NO(DELTA_STEPS), NO(SOLVER)

static int64_t forward_heads(const struct attn__problem *p)
{
    return (int64_t)p->own[0];
}

/* ------------------------------------------------------------ matrix form */

static void carve(struct attn__scratch *s, const struct attn__problem *p, uint8_t *reset[STAGES])
{
    int64_t tokens = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->q, &tokens);
    for (int n = 0; n < STAGES; n++)
        reset[n] = ATTN__TAKE(s, tokens, uint8_t);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    uint8_t *reset[STAGES];
    (void)m;
    carve(&s, p, reset);
    *bytes = s.used;
    return s.ok;
}

/* A direction without heads has a plan of one that never runs. */
static int64_t heads_of(const struct attn__problem *p, int32_t n)
{
    return n == FORWARD ? forward_heads(p) : p->hout - forward_heads(p);
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    static const struct attn__setting unscaled[] = {UNSCALED};
    static const struct attn__scan_traits traits = {.both = false};
    int64_t heads = attn__max_i64(heads_of(whole, n), 1);
    const struct {
        int32_t param;
        int64_t value;
    } rows[] = {{ATTN_PARAM_HQ, heads},
                {ATTN_PARAM_HK, heads},
                {ATTN_PARAM_HV, heads},
                {ATTN_PARAM_RESET, 1},
                {ATTN_PARAM_DIRECTION,
                 n == FORWARD ? ATTN_DIRECTION_FORWARD : ATTN_DIRECTION_REVERSE}};
    struct attn__params copy;
    int32_t status = attn__preset_stage(v, mem, &copy);
    copy.mech = ATTN_MECH_SCAN;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && status == ATTN_OK; i++)
        status = attn__params_set_i64(&copy, rows[i].param, rows[i].value);
    if (status == ATTN_OK)
        status = attn__scan_problem(&copy, mem, unscaled, 1, &traits, p);
    attn__params_destroy(&copy);
    return status;
}

/* The dimension that heads are along, -1 where all share a tensor. */
static int32_t head_dimension(enum attn__slot slot, int32_t rank)
{
    switch (slot) {
    case ATTN__SLOT_Q:
    case ATTN__SLOT_K:
    case ATTN__SLOT_V:
    case ATTN__SLOT_OUT:
    case ATTN__SLOT_BETA:
    case ATTN__SLOT_WRITE:
    case ATTN__SLOT_ERASE:
    case ATTN__SLOT_VALUE_GATE: return 1;
    case ATTN__SLOT_G: return rank > 1 ? 1 : 0;
    case ATTN__SLOT_BONUS:
    case ATTN__SLOT_GATE_A:
    case ATTN__SLOT_GATE_BIAS:
    case ATTN__SLOT_SKIP:
    case ATTN__SLOT_K_SCALE:
    case ATTN__SLOT_K_MIX: return 0;
    case ATTN__SLOT_FEATURE_WQ:
    case ATTN__SLOT_FEATURE_WK: return rank > 2 ? 0 : -1;
    case ATTN__SLOT_FEATURE_BQ:
    case ATTN__SLOT_FEATURE_BK: return rank > 1 ? 0 : -1;
    default: return -1;
    }
}

static void run_direction(const struct attn__recipe_run *r, int32_t n, uint8_t *reset)
{
    const struct attn__call *whole = r->call;
    const attn_tensor *v = &whole->t[ATTN__SLOT_V];
    int64_t first = n == FORWARD ? 0 : forward_heads(whole->p);
    struct attn__call c = attn__recipe_call(r);
    attn__recipe_pass_all(&c, whole);
    for (int slot = 0; slot < ATTN__ROLE_COUNT; slot++) {
        attn_tensor *t = &c.t[slot];
        int32_t at = c.has[slot] ? head_dimension((enum attn__slot)slot, t->rank) : -1;
        if (at < 0)
            continue;
        t->data = (char *)t->data + first * t->stride[at] * (int64_t)attn__dtype_size(t->dtype);
        t->shape[at] = heads_of(whole->p, n);
    }
    attn_tensor resets = {.data = reset, .dtype = ATTN_DTYPE_BOOL, .rank = 2,
                          .shape = {v->shape[0], v->shape[2]}, .stride = {v->shape[2], 1}};
    attn__map_birdie_resets(r, n == REVERSE, &resets);
    attn__recipe_give(&c, ATTN__SLOT_RESET, &resets);
    c.has[ATTN__SLOT_STATE] = whole->has[ATTN__SLOT_STATE] && n == FORWARD;
    c.has[ATTN__SLOT_STATE_INDEX] = whole->has[ATTN__SLOT_STATE_INDEX] && n == FORWARD;
    if (c.has[ATTN__SLOT_STATE])
        c.object[ATTN__SLOT_STATE] = whole->object[ATTN__SLOT_STATE];
    r->attend(r, n, &c);
}

static void run(const struct attn__recipe_run *r)
{
    struct attn__scratch s = {.base = r->ws, .ok = true};
    uint8_t *reset[STAGES];
    carve(&s, r->call->p, reset);
    for (int32_t n = FORWARD; n < STAGES; n++)
        if (heads_of(r->call->p, n) > 0)
            run_direction(r, n, reset[n]);
}

/* ------------------------------------------------------------ vector form */

static bool no_workspace(const struct attn__problem *p, const struct attn__machine *m,
                         size_t *bytes)
{
    (void)p;
    (void)m;
    *bytes = 0;
    return true;
}

static void run_vector(const struct attn__recipe_run *r)
{
    attn__map_birdie(r, forward_heads(r->call->p));
}

static const struct attn__recipe matrix = {
    .n_stages = STAGES, .stage = stage, .workspace = workspace, .run = run};

static const struct attn__recipe vector = {
    .n_stages = 0, .workspace = no_workspace, .run = run_vector};

/* ----------------------------------------------------------------- checks */

static int64_t mask_at(const attn_tensor *t, int64_t b, int64_t i)
{
    return attn__load_i64(t->data, b * t->stride[0] + i * t->stride[1], t->dtype);
}

/* A sample is a prefix and then a causal area. */
static int32_t check_mask(const struct attn__call *c)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_BIRDIE_MASK];
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        int64_t b = t->shape[0] > 1 ? s.b : 0, before = ATTN__BIRDIE_PREFIX;
        for (int64_t i = s.q0; i < s.q0 + s.nq; i++) {
            int64_t x = mask_at(t, b, i);
            if (x < ATTN__BIRDIE_PREFIX || x > ATTN__BIRDIE_CAUSAL)
                return attn__error_set(ATTN_ERR_RANGE,
                                       "birdie_mask[%" PRId64 ",%" PRId64 "] is %" PRId64
                                       ", expected 0 (prefix), 1 (start) or 2 (causal area)",
                                       b, i, x);
            if (x == ATTN__BIRDIE_PREFIX && before == ATTN__BIRDIE_CAUSAL)
                return attn__error_set(ATTN_ERR_DATA,
                                       "birdie_mask[%" PRId64 ",%" PRId64
                                       "] is 0 behind a 2, expected 1 or 2: a prefix begins with "
                                       "a start",
                                       b, i);
            before = x;
        }
    }
    return ATTN_OK;
}

static int32_t check_forget(const struct attn__call *c)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_FORGET];
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        for (int64_t h = 0; h < t->shape[1]; h++)
            for (int64_t i = s.q0; i < s.q0 + s.nq; i++)
                for (int64_t e = 0; e < t->shape[3]; e++) {
                    double f = attn__load_f64(t->data,
                                              s.b * t->stride[0] + h * t->stride[1] +
                                                  i * t->stride[2] + e * t->stride[3],
                                              t->dtype);
                    if (!(f >= 0 && f <= 1))
                        return attn__error_set(ATTN_ERR_DATA,
                                               "forget has %g at [%" PRId64 ",%" PRId64 ",%" PRId64
                                               ",%" PRId64 "], expected 0 to 1",
                                               f, s.b, h, i, e);
                }
    }
    return ATTN_OK;
}

static int32_t check(const struct attn__call *c)
{
    int32_t status = attn__scan_check_call(c);
    if (status == ATTN_OK && c->has[ATTN__SLOT_BIRDIE_MASK] && c->p->check >= ATTN_CHECK_INDICES)
        status = check_mask(c);
    if (status == ATTN_OK && c->has[ATTN__SLOT_FORGET] && c->p->check >= ATTN_CHECK_DATA)
        status = check_forget(c);
    return status;
}

/* Heads that have all of q, k and v, and how many of them run forward. */
static int32_t settle(const struct attn__params *v, bool is_vector, struct attn__problem *p)
{
    int64_t first = attn__params_i64_or(v, ATTN_PARAM_BIRDIE_FORWARD, p->hout / 2);
    if (p->hq != p->hk || p->hk != p->hv)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "h=%" PRId64 "/%" PRId64 "/%" PRId64
                               ": expected as many query, key and value heads",
                               p->hq, p->hk, p->hv);
    if (first < 1 || first > p->hout)
        return attn__error_set(ATTN_ERR_INVALID,
                               "birdie_forward is %" PRId64 ", expected 1 to %" PRId64
                               " heads that run forward (unset: half of them)",
                               first, p->hout);
    p->own[0] = (double)first;
    p->recipe = is_vector ? &vector : &matrix;
    p->check_call = check;
    p->scan.hs = first; /* those with a state */
    p->takes[ATTN__SLOT_BIRDIE_MASK] = ATTN__TAKES_MAY;
    if (!is_vector)
        return ATTN_OK;
    p->scan.dk = 1;
    p->takes[ATTN__SLOT_Q] = p->takes[ATTN__SLOT_K] = ATTN__TAKES_NOT;
    p->takes[ATTN__SLOT_FORGET] = ATTN__TAKES_MUST;
    return ATTN_OK;
}

int32_t attn__mech_birdie(const struct attn__params *params, const struct attn__mem *mem,
                          struct attn__problem *p)
{
    static const struct attn__scan_traits traits = {.both = false};
    static const struct attn__setting of_matrix[] = {BOTH, UNSCALED};
    static const struct attn__setting of_vector[] = {
        BOTH,        NO(DECAY), NO(UPDATE),     NO(READ),        NO(STATE_NORM), NO(FEATURE_MAP),
        NO(L2NORM), NO(SKIP),  NO(FEATURE_DIM), NO(FEATURE_EPS), NO(GATE),       NO(SCALE),
        NO(DV)};
    bool is_vector = attn__params_i64_or(params, ATTN_PARAM_BIRDIE_FORM, ATTN_BIRDIE_VECTOR) ==
                     ATTN_BIRDIE_VECTOR;
    int32_t status = attn__scan_problem(
        params, mem, is_vector ? of_vector : of_matrix,
        is_vector ? sizeof of_vector / sizeof of_vector[0] : sizeof of_matrix / sizeof of_matrix[0],
        &traits, p);
    if (status != ATTN_OK)
        return status;
    status = settle(params, is_vector, p);
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
