/* SPDX-License-Identifier: MIT */
/*
 * Arguments whose entries have limits: offsets and lengths, and what
 * check=data scans.
 */
#include <inttypes.h>
#include <math.h>

#include "base/checked.h"
#include "base/error.h"
#include "plan/bind.h"

static const char *name_of(enum attn__slot slot)
{
    return attn__role_table[slot].name;
}

static int64_t list_at(const struct attn__call *c, enum attn__slot slot, int64_t i)
{
    return attn__load_i64(c->t[slot].data, i * c->t[slot].stride[0], c->t[slot].dtype);
}

static int32_t range_error(enum attn__slot slot, int64_t i, int64_t found, int64_t lo, int64_t hi)
{
    return attn__error_set(ATTN_ERR_RANGE,
                           "%s[%" PRId64 "] is %" PRId64 ", expected %" PRId64 " to %" PRId64,
                           name_of(slot), i, found, lo, hi);
}

/* Offsets must rise from 0 or more to at most the number of tokens, by at
 * most the plan's maximum. *longest: of all sequences. */
static int32_t check_offsets(const struct attn__dims *d, enum attn__slot slot, int64_t tokens,
                             int64_t most, int64_t *longest)
{
    const struct attn__call *c = d->call;
    bool check = d->p->check >= ATTN_CHECK_INDICES;
    *longest = 0;
    for (int64_t i = 0; i <= d->s; i++) {
        int64_t at = list_at(c, slot, i), before = i == 0 ? 0 : list_at(c, slot, i - 1);
        if (check && (at < before || at > tokens))
            return range_error(slot, i, at, before, tokens);
        if (i == 0)
            continue;
        if (check && most != ATTN_UNBOUNDED && at - before > most)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "%s: sequence %" PRId64 " has %" PRId64
                                   " tokens, the plan was made for at most %" PRId64,
                                   name_of(slot), i - 1, at - before, most);
        *longest = attn__max_i64(*longest, at - before);
    }
    return ATTN_OK;
}

int32_t attn__bind_offsets(struct attn__dims *d)
{
    const struct attn__problem *p = d->p;
    const struct attn__call *c = d->call;
    bool queries = p->takes[ATTN__SLOT_Q_OFFSETS] != ATTN__TAKES_NOT;
    enum attn__slot first = queries ? ATTN__SLOT_Q_OFFSETS : ATTN__SLOT_K_OFFSETS;
    const attn_tensor *offsets = &c->t[first];
    if (!c->has[first])
        return attn__error_set(ATTN_ERR_ROLE, "role %s is missing", name_of(first));
    d->s = offsets->rank == 1 ? offsets->shape[0] - 1 : 0;
    if (d->s < 0)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "%s is empty, expected one entry more than there are sequences",
                               name_of(first));
    int32_t status = attn__bind_shape(d, first);
    if (status == ATTN_OK && queries && c->has[ATTN__SLOT_K_OFFSETS])
        status = attn__bind_shape(d, ATTN__SLOT_K_OFFSETS);
    if (status == ATTN_OK && d->s > p->b)
        status = attn__error_set(ATTN_ERR_SHAPE,
                                 "%s has %" PRId64
                                 " sequences, the plan was made for at most %" PRId64,
                                 name_of(first), d->s, p->b);
    d->max_q = p->q; /* of rows that are not the caller's */
    if (status == ATTN_OK && queries)
        status = check_offsets(d, ATTN__SLOT_Q_OFFSETS, d->nq, p->q, &d->max_q);
    if (status == ATTN_OK)
        d->max_k = d->max_q * attn__problem_tied(p);
    if (status == ATTN_OK && c->has[ATTN__SLOT_K_OFFSETS])
        status = check_offsets(d, ATTN__SLOT_K_OFFSETS, d->nk, p->k, &d->max_k);
    return status;
}

static int32_t check_lengths(const struct attn__dims *d)
{
    const struct attn__call *c = d->call;
    for (int64_t i = 0; i < d->s; i++) {
        int64_t q_all = d->nq, k_all = d->nk, start = 0;
        if (d->p->packed && c->has[ATTN__SLOT_Q_OFFSETS]) {
            q_all = list_at(c, ATTN__SLOT_Q_OFFSETS, i + 1) - list_at(c, ATTN__SLOT_Q_OFFSETS, i);
        }
        if (d->p->packed && c->has[ATTN__SLOT_K_OFFSETS]) {
            k_all = list_at(c, ATTN__SLOT_K_OFFSETS, i + 1) - list_at(c, ATTN__SLOT_K_OFFSETS, i);
        }
        if (c->has[ATTN__SLOT_Q_LEN]) {
            int64_t len = list_at(c, ATTN__SLOT_Q_LEN, i);
            if (len < 0 || len > q_all)
                return range_error(ATTN__SLOT_Q_LEN, i, len, 0, q_all);
        }
        if (c->has[ATTN__SLOT_K_START]) {
            start = list_at(c, ATTN__SLOT_K_START, i);
            if (start < 0 || start > k_all)
                return range_error(ATTN__SLOT_K_START, i, start, 0, k_all);
        }
        if (c->has[ATTN__SLOT_K_LEN]) {
            int64_t len = list_at(c, ATTN__SLOT_K_LEN, i);
            if (len < 0 || len > k_all - start)
                return range_error(ATTN__SLOT_K_LEN, i, len, 0, k_all - start);
        }
    }
    return ATTN_OK;
}

static int32_t check_sinks(const struct attn__dims *d)
{
    const attn_tensor *t = &d->call->t[ATTN__SLOT_SINK_LOGITS];
    int64_t n[3] = {1, 1, 1}, stride[3] = {0};
    for (int32_t r = 0; r < t->rank; r++) {
        n[r] = t->shape[r];
        stride[r] = t->stride[r];
    }
    /* Rows past the longest sequence are never read. */
    n[2] = attn__min_i64(n[2], attn__max_i64(d->max_q, 1));
    for (int64_t x = 0; x < n[0]; x++)
        for (int64_t y = 0; y < n[1]; y++)
            for (int64_t z = 0; z < n[2]; z++) {
                double v = attn__load_f64(
                    t->data, x * stride[0] + y * stride[1] + z * stride[2], t->dtype);
                if (!(v < INFINITY))
                    return attn__error_set(ATTN_ERR_DATA,
                                           "sink_logits has %g at [%" PRId64 ",%" PRId64
                                           ",%" PRId64 "], expected less than +inf",
                                           v, x, y, z);
            }
    return ATTN_OK;
}

static int32_t check_alpha(const struct attn__dims *d)
{
    const attn_tensor *t = &d->call->t[ATTN__SLOT_MIX_ALPHA];
    int64_t rows = attn__min_i64(t->shape[2], attn__max_i64(d->max_q, 1));
    for (int64_t x = 0; x < t->shape[0]; x++)
        for (int64_t y = 0; y < t->shape[1]; y++)
            for (int64_t z = 0; z < rows; z++) {
                int64_t at = x * t->stride[0] + y * t->stride[1] + z * t->stride[2];
                double a = attn__load_f64(t->data, at, t->dtype);
                if (!(a >= 0 && a <= 1))
                    return attn__error_set(ATTN_ERR_DATA,
                                           "mix_alpha has %g at [%" PRId64 ",%" PRId64 ",%" PRId64
                                           "], expected 0 to 1",
                                           a, x, y, z);
            }
    return ATTN_OK;
}

/* Padding rows as well. */
static int32_t check_gates(const struct attn__dims *d)
{
    const attn_tensor *t = &d->call->t[ATTN__SLOT_GATE];
    for (int64_t x = 0; x < t->shape[0]; x++)
        for (int64_t y = 0; y < t->shape[1]; y++)
            for (int64_t z = 0; z < t->shape[2]; z++) {
                int64_t at = x * t->stride[0] + y * t->stride[1] + z * t->stride[2];
                double g = attn__load_f64(t->data, at, t->dtype);
                if (!isfinite(g))
                    return attn__error_set(ATTN_ERR_DATA,
                                           "gate has %g at [%" PRId64 ",%" PRId64 ",%" PRId64
                                           "], expected a finite number",
                                           g, x, y, z);
            }
    return ATTN_OK;
}

static int32_t check_argmax(const struct attn__dims *d)
{
    const struct attn__call *c = d->call;
    if (!c->has[ATTN__SLOT_ARGMAX] || c->t[ATTN__SLOT_ARGMAX].dtype == ATTN_DTYPE_I64 ||
        d->max_k - 1 <= INT32_MAX)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_DTYPE,
                           "argmax has dtype i32, expected i64: a sequence has %" PRId64 " keys",
                           d->max_k);
}

int32_t attn__bind_values(const struct attn__dims *d)
{
    int32_t status = check_argmax(d);
    if (status != ATTN_OK)
        return status;
    if (d->p->check >= ATTN_CHECK_INDICES)
        status = check_lengths(d);
    if (status == ATTN_OK && d->p->check >= ATTN_CHECK_INDICES && d->call->has[ATTN__SLOT_GATE])
        status = check_gates(d);
    if (status == ATTN_OK)
        status = attn__bind_pieces(d);
    if (status == ATTN_OK && d->p->check >= ATTN_CHECK_DATA && d->call->has[ATTN__SLOT_SINK_LOGITS])
        status = check_sinks(d);
    if (status == ATTN_OK && d->p->check >= ATTN_CHECK_DATA && d->call->has[ATTN__SLOT_MIX_ALPHA])
        status = check_alpha(d);
    return status;
}
