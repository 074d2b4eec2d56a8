/* SPDX-License-Identifier: MIT */
/*
 * The state of an execute: that it is one, fits the plan and has a slot of its
 * own for every sequence; and with check=data what gates and betas must be.
 */
#include "state/scan_check.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

enum { SET = 8192 }; /* slots looked at together */

bool attn__scan_is_exact(const struct attn__problem *p)
{
    return p->solver && strcmp(p->solver, "scan_reference") == 0;
}

static int32_t check_object(const struct attn__call *c)
{
    const struct attn_state *s = attn__scan_state(c);
    struct attn__state_shape want = attn__state_shape_of(c->p);
    if (!s)
        return attn__error_set(ATTN_ERR_NULL, "the object of role state is NULL");
    if (s->tag != ATTN__STATE_TAG)
        return attn__error_set(ATTN_ERR_INVALID,
                               "the object of role state is no attn_state, or one that was "
                               "destroyed");
    want.segment = s->shape.segment;
    if (s->shape.segment && (c->p->dtype == ATTN_DTYPE_F64 || attn__scan_is_exact(c->p)))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "state is a segment, expected a plan of another solver than "
                               "scan_reference and another dtype than f64");
    if (!attn__state_same_shape(&s->shape, &want))
        return attn__error_set(ATTN_ERR_SHAPE,
                               "state was made for another plan: %" PRId64 " states of %" PRId64
                               " x %" PRId64 " of mechanism %d, expected %" PRId64 " of %" PRId64
                               " x %" PRId64 " of %d, same direction and normaliser",
                               s->shape.hs, s->shape.dk, s->shape.dv, (int)s->shape.mech, want.hs,
                               want.dk, want.dv, (int)want.mech);
    return ATTN_OK;
}

/* Each slot is there and belongs to one sequence. */
static int32_t check_slots(const struct attn__call *c)
{
    const struct attn_state *s = attn__scan_state(c);
    if (!c->has[ATTN__SLOT_STATE_INDEX]) {
        if (c->n_seq <= s->slots)
            return ATTN_OK;
        return attn__error_set(ATTN_ERR_SHAPE,
                               "state has %" PRId64 " slots, expected one for each of the %" PRId64
                               " sequences",
                               s->slots, c->n_seq);
    }
    for (int64_t i = 0; i < c->n_seq; i++) {
        int64_t slot = attn__scan_slot(c, i);
        if (slot < 0 || slot >= s->slots)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "state_index[%" PRId64 "] is %" PRId64
                                   ", expected 0 to %" PRId64,
                                   i, slot, s->slots - 1);
    }
    /* A set of slots at a time, as nothing may be allocated. */
    for (int64_t first = 0; first < s->slots; first += SET) {
        uint64_t seen[SET / 64] = {0};
        for (int64_t i = 0; i < c->n_seq; i++) {
            int64_t at = attn__scan_slot(c, i) - first;
            if (at < 0 || at >= SET)
                continue;
            if (seen[at / 64] >> (at % 64) & 1)
                return attn__error_set(ATTN_ERR_RANGE,
                                       "state_index[%" PRId64 "] is %" PRId64
                                       " as that of another sequence, expected each slot once",
                                       i, first + at);
            seen[at / 64] |= UINT64_C(1) << (at % 64);
        }
    }
    return ATTN_OK;
}

/* The angle of cosformer must stay within a quarter turn. */
static int32_t check_positions(const struct attn__call *c)
{
    const struct attn_state *s = attn__scan_state(c);
    for (int64_t i = 0; i < c->n_seq; i++) {
        struct attn__seq q = attn__call_seq(c, i);
        int64_t seen = s ? s->count[attn__scan_slot(c, i)] : 0;
        int64_t n = q.nq > q.nk ? q.nq : q.nk;
        if (n > c->p->scan.period - seen)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "sequence %" PRId64 " reaches position %" PRId64
                                   ", expected at most max_position (%" PRId64 ")",
                                   i, seen + n - 1, c->p->scan.period);
    }
    return ATTN_OK;
}

/* Element e of row (b, h, n) of a tensor whose first extents those are. */
static double at(const attn_tensor *t, int64_t b, int64_t h, int64_t n, int64_t e)
{
    int64_t i = b * t->stride[0] + h * t->stride[1] + n * t->stride[2] +
                (t->rank > 3 ? e * t->stride[3] : 0);
    return attn__load_f64(t->data, i, t->dtype);
}

/* Log decays as they are given: not above 0, no NaN. */
static int32_t check_gates(const struct attn__call *c)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_G];
    bool log = c->p->scan.gate == ATTN_GATE_LOG;
    int64_t n = t->rank > 3 ? t->shape[3] : 1;
    if (t->rank == 1) {
        for (int64_t h = 0; h < t->shape[0]; h++) {
            double g = attn__load_f64(t->data, h * t->stride[0], t->dtype);
            if (!(g <= 0))
                return attn__error_set(ATTN_ERR_DATA,
                                       "g has %g at [%" PRId64 "], expected a log decay: 0 or less",
                                       g, h);
        }
        return ATTN_OK;
    }
    for (int64_t i = 0; i < c->n_seq; i++) {
        struct attn__seq s = attn__call_seq(c, i);
        for (int64_t h = 0; h < t->shape[1]; h++)
            for (int64_t j = 0; j < s.nq; j++)
                for (int64_t e = 0; e < n; e++) {
                    double g = at(t, s.b, h, s.q0 + j, e);
                    if (log ? !(g <= 0) : g != g)
                        return attn__error_set(ATTN_ERR_DATA,
                                               "g has %g at [%" PRId64 ",%" PRId64 ",%" PRId64
                                               ",%" PRId64 "], expected %s",
                                               g, s.b, h, s.q0 + j, e,
                                               log ? "a log decay: 0 or less" : "a number");
                }
    }
    return ATTN_OK;
}

/*
 * A step of the delta rule shrinks if 0 <= beta |k|^2 <= 2. The length is that
 * of the key that is used: 1 with l2norm; maps but identity are taken to be
 * followed by it.
 */
static int32_t check_betas(const struct attn__call *c)
{
    const struct attn__scan_spec *e = &c->p->scan;
    const attn_tensor *t = &c->t[ATTN__SLOT_BETA], *k = &c->t[ATTN__SLOT_K];
    bool length = !e->l2norm && e->map == ATTN_FEATURE_IDENTITY && e->update == ATTN_UPDATE_DELTA;
    for (int64_t i = 0; i < c->n_seq; i++) {
        struct attn__seq s = attn__call_seq(c, i);
        for (int64_t h = 0; h < t->shape[1]; h++)
            for (int64_t j = 0; j < s.nk; j++) {
                double beta = at(t, s.b, h, s.k0 + j, 0), sum = length ? 0 : 1;
                int64_t head = c->p->k_head[h * e->readers];
                for (int64_t d = 0; d < c->p->d && length; d++) {
                    double x = at(k, s.b, head, s.k0 + j, d);
                    sum += x * x;
                }
                if (!(beta * sum <= 2 + 1e-3))
                    return attn__error_set(ATTN_ERR_DATA,
                                           "beta |k|^2 is %g at [%" PRId64 ",%" PRId64 ",%" PRId64
                                           "] (beta %g), expected at most 2",
                                           beta * sum, s.b, h, s.k0 + j, beta);
            }
    }
    return ATTN_OK;
}

int32_t attn__scan_check_call(const struct attn__call *c)
{
    int32_t status = ATTN_OK;
    if (c->has[ATTN__SLOT_STATE_INDEX] && !c->has[ATTN__SLOT_STATE])
        return attn__error_set(ATTN_ERR_ROLE, "role state_index is given, but role state is not");
    if (c->has[ATTN__SLOT_STATE])
        status = check_object(c);
    if (status == ATTN_OK && c->has[ATTN__SLOT_STATE])
        status = check_slots(c);
    if (status == ATTN_OK && c->p->scan.map == ATTN_FEATURE_COSFORMER)
        status = check_positions(c);
    if (status != ATTN_OK || c->p->check < ATTN_CHECK_DATA)
        return status;
    if (c->has[ATTN__SLOT_G])
        status = check_gates(c);
    if (status == ATTN_OK && c->has[ATTN__SLOT_BETA])
        status = check_betas(c);
    return status;
}
