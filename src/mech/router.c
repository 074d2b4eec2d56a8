/* SPDX-License-Identifier: MIT */
/*
 * Routers inside a plan: logits by a product with the weights, gates from
 * them, both in the workspace.
 */
#include "mech/router.h"

#include <inttypes.h>

#include "base/error.h"
#include "mech/one_attend.h"
#include "mech/packed.h"
#include "solvers/map_gemm.h"

struct arrays {
    int64_t *offsets; /* [b + 1], of a packed batch; in front */
    void *logits;     /* [B,1,N,logits], f32 or f64 */
    void *gates;      /* [B,Hout,N] */
    int64_t *experts; /* [B,Hout,N], if slots have some */
    void *gemm, *route;
};

static int64_t widest(const struct attn__problem *p, const struct attn__map_route *m)
{
    return attn__max_i64((int64_t)p->own[ATTN__ROUTER_CHANNELS], attn__map_route_logits(m));
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__map_route *m, const struct attn__machine *machine,
                  struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t tokens = 0, logits = 0, gates = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->q, &tokens) &&
            attn__mul_i64(tokens, attn__map_route_logits(m), &logits) &&
            attn__mul_i64(tokens, p->hout, &gates);
    a->offsets = attn__packed_offsets(s, p);
    a->logits = attn__scratch_take(s, logits, size);
    a->gates = attn__scratch_take(s, gates, size);
    a->experts = ATTN__TAKE(s, attn__map_route_has_slots(m) ? gates : 0, int64_t);
    a->gemm = attn__map_gemm_take(s, widest(p, m), machine->threads);
    a->route = attn__map_route_take(s, m, p->b, p->q, machine->threads,
                                    (p->want & ATTN_WANT_AUX_LOSS) != 0);
}

bool attn__router_workspace(const struct attn__problem *p, struct attn__map_route m,
                            const struct attn__machine *machine, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    carve(&s, p, &m, machine, &a);
    *bytes = s.used;
    return s.ok;
}

int32_t attn__router_none(const struct attn__params *user, const int32_t *params, size_t n,
                          const char *why, const struct attn__problem *p)
{
    for (size_t i = 0; i < n; i++) {
        bool set = false;
        if (attn__params_is_set(user, params[i], &set) == ATTN_OK && set)
            return attn__error_set(ATTN_ERR_INVALID, "%s is set, but %s the gates are the caller's",
                                   attn_param_name(params[i]), why);
    }
    if (p->want & ATTN_WANT_AUX_LOSS)
        return attn__error_set(ATTN_ERR_INVALID,
                               "want has aux_loss, but %s the gates are the caller's", why);
    return ATTN_OK;
}

int32_t attn__router_stage(const struct attn__params *user, const struct attn__mem *mem,
                           const struct attn__setting *settings, size_t n,
                           struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__one_attend_params(user, mem, settings, n, &copy);
    int64_t want = attn__params_i64_or(&copy, ATTN_PARAM_WANT, 0);
    if (status == ATTN_OK && want & ATTN_WANT_AUX_LOSS)
        status = attn__params_set_i64(&copy, ATTN_PARAM_WANT, want & ~ATTN_WANT_AUX_LOSS);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* In the order of their logits. */
static const enum attn__slot weights[] = {ATTN__SLOT_ROUTER_W, ATTN__SLOT_ROUTER_SHARED_W,
                                          ATTN__SLOT_ROUTER_MIX_W};

enum { WEIGHTS = sizeof weights / sizeof weights[0] };

static int32_t not_finite(enum attn__slot slot, double v, int64_t x, int64_t y, int64_t z)
{
    return attn__error_set(ATTN_ERR_DATA,
                           "%s has %g at [%" PRId64 ",%" PRId64 ",%" PRId64
                           "], expected a finite number",
                           attn__role_table[slot].name, v, x, y, z);
}

/* Rows of tokens that count, for check=data. */
static int32_t check_tokens(const struct attn__call *c)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_ROUTER_X];
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        for (int64_t i = s.q0; i < s.q0 + s.nq; i++)
            for (int64_t e = 0; e < t->shape[2]; e++) {
                double v = attn__load_f64(
                    t->data, s.b * t->stride[0] + i * t->stride[1] + e * t->stride[2], t->dtype);
                if (!isfinite(v))
                    return not_finite(ATTN__SLOT_ROUTER_X, v, s.b, i, e);
            }
    }
    return ATTN_OK;
}

static int32_t check_weights(const struct attn__call *c, enum attn__slot slot)
{
    const attn_tensor *t = &c->t[slot];
    int64_t n[3] = {1, 1, 1}, stride[3] = {0};
    for (int32_t i = 0; i < t->rank; i++) {
        n[3 - t->rank + i] = t->shape[i];
        stride[3 - t->rank + i] = t->stride[i];
    }
    for (int64_t x = 0; x < n[0]; x++)
        for (int64_t y = 0; y < n[1]; y++)
            for (int64_t z = 0; z < n[2]; z++) {
                double v = attn__load_f64(
                    t->data, x * stride[0] + y * stride[1] + z * stride[2], t->dtype);
                if (!isfinite(v))
                    return not_finite(slot, v, x, y, z);
            }
    return ATTN_OK;
}

int32_t attn__router_check(const struct attn__call *c)
{
    static const enum attn__slot more[] = {ATTN__SLOT_ROUTER_B, ATTN__SLOT_EXPERT_W};
    int32_t status = ATTN_OK;
    if (c->p->check < ATTN_CHECK_DATA)
        return ATTN_OK;
    if (c->has[ATTN__SLOT_ROUTER_X])
        status = check_tokens(c);
    for (size_t n = 0; n < WEIGHTS && status == ATTN_OK; n++)
        if (c->has[weights[n]])
            status = check_weights(c, weights[n]);
    for (size_t n = 0; n < sizeof more / sizeof more[0] && status == ATTN_OK; n++)
        if (c->has[more[n]])
            status = check_weights(c, more[n]);
    return status;
}

void attn__router_roles(struct attn__problem *p, struct attn__map_route m, int64_t channels)
{
    int64_t counts[WEIGHTS] = {m.active > 0 ? m.routed : 0, m.shared > 1 ? m.shared : 0};
    counts[2] = attn__map_route_logits(&m) - counts[0] - counts[1];
    p->own[ATTN__ROUTER_CHANNELS] = (double)channels;
    p->extent[p->n_extents++] = (struct attn__extent){"Channels", channels};
    p->extent[p->n_extents++] = (struct attn__extent){"Routed", counts[0]};
    p->extent[p->n_extents++] = (struct attn__extent){"Shared", counts[1]};
    for (size_t n = 0; n < WEIGHTS; n++) {
        if (counts[n] == 0)
            continue;
        p->takes[weights[n]] = ATTN__TAKES_MUST;
        p->takes[ATTN__SLOT_ROUTER_X] = ATTN__TAKES_MUST;
    }
    p->check_call = attn__router_check;
}

/* The logits of one role after another. */
static void logits_of(const struct attn__recipe_run *r, const struct attn__map_route *m,
                      const struct arrays *a, const attn_tensor *logits)
{
    const attn_tensor *t = r->call->t, *x = &t[ATTN__SLOT_ROUTER_X];
    attn_tensor rows = *x, part = *logits; /* [B,N,C] as [B,1,N,C] */
    rows.rank = 4;
    for (int i = 3; i > 1; i--) {
        rows.shape[i] = x->shape[i - 1];
        rows.stride[i] = x->stride[i - 1];
    }
    rows.shape[1] = 1;
    rows.stride[1] = 0;
    for (size_t n = 0; n < WEIGHTS; n++) {
        const attn_tensor *w = &t[weights[n]];
        if (!r->call->has[weights[n]])
            continue;
        attn_tensor matrix = *w; /* [M,C] as [1,M,C] */
        matrix.rank = 3;
        for (int i = 2; i > 0; i--) {
            matrix.shape[i] = w->shape[i - 1];
            matrix.stride[i] = w->stride[i - 1];
        }
        matrix.shape[0] = 1;
        matrix.stride[0] = 0;
        part.shape[3] = w->shape[0];
        const struct attn__map_gemm g = {&rows, &matrix, &part, true};
        attn__map_gemm(r, &g, widest(r->call->p, m), a->gemm);
        part.data = (char *)part.data + w->shape[0] * (int64_t)attn__dtype_size(part.dtype);
    }
}

void attn__router_begin(const struct attn__recipe_run *r, struct attn__router *x)
{
    /* attn__router_workspace has the offsets in front */
    attn__recipe_rebase(r, (int64_t *)(void *)r->ws, &x->call);
    x->r = *r;
    x->r.call = &x->call;
}

attn_tensor attn__router_run(const struct attn__recipe_run *r, struct attn__map_route m,
                             struct attn__call *stage)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t, *out = &t[ATTN__SLOT_OUT];
    int64_t b = out->shape[0], n = out->shape[2];
    int32_t type = attn__problem_row_dtype(p);
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, p, &m, r->machine, &a);
    attn_tensor gates = attn__recipe_view(a.gates, type, b, p->hout, n, -1);
    attn_tensor experts = attn__recipe_view(a.experts, ATTN_DTYPE_I64, b, p->hout, n, -1);
    attn_tensor logits =
        attn__recipe_view(a.logits, type, b, 1, n, attn__map_route_logits(&m));
    logits_of(r, &m, &a, &logits);
    m.logits = &logits;
    m.q = &t[ATTN__SLOT_Q];
    m.bias = r->call->has[ATTN__SLOT_ROUTER_B] ? &t[ATTN__SLOT_ROUTER_B] : NULL;
    m.gates = &gates;
    m.experts = &experts;
    m.loss = r->call->has[ATTN__SLOT_AUX_LOSS] ? &t[ATTN__SLOT_AUX_LOSS] : NULL;
    attn__map_route(r, &m, a.route);
    attn__recipe_give(stage, ATTN__SLOT_GATE, &gates);
    return experts;
}
