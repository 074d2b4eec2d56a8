/* SPDX-License-Identifier: MIT */
/*
 * The arguments of an execute: which roles are there, and whether each
 * tensor has the type, shape and strides that the problem says. All checks
 * come before the first write.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/view.h"
#include "plan/plan.h"

/* What extents and types are checked against. */
struct dims {
    const struct attn__problem *p;
    struct attn__call *call;
    int64_t b;             /* batch of Q, K, V, OUT: 1 if packed */
    int64_t s;             /* sequences */
    int64_t nq, nk;        /* rows and keys of Q and K: all tokens if packed */
    int64_t max_q, max_k;  /* of one sequence */
};

static const char *name_of(enum attn__slot slot)
{
    return attn__role_table[slot].name;
}

static bool declared(const struct attn__problem *p, const struct attn__role *r)
{
    switch (r->when) {
    case ATTN__ROLE_PARAM:
        return r->key == ATTN_PARAM_BIAS          ? p->bias
               : r->key == ATTN_PARAM_MASK        ? p->mask
               : r->key == ATTN_PARAM_SINK_LOGITS ? p->sink_logits
               : r->key == ATTN_PARAM_SEGMENTS    ? p->segments
                                                  : p->packed;
    case ATTN__ROLE_WANT:
        return (p->want & r->key) != 0;
    default:
        return true;
    }
}

/*
 * Views of empty tensors may hold anything, and NULL is legal. Solvers compute
 * addresses in them that they never use; so that these are addresses and
 * nothing overflows, such a view points at something and stays there.
 */
static void make_harmless(attn_tensor *t)
{
    static const uint64_t nothing = 0;
    t->data = (void *)(uintptr_t)&nothing;
    for (int32_t n = 0; n < t->rank; n++)
        t->stride[n] = 0;
}

static int32_t collect(const struct attn__problem *p, const attn_arg *args, size_t n_args,
                       struct attn__call *call)
{
    for (size_t n = 0; n < n_args; n++) {
        const struct attn__role *r = attn__role_by_number(args[n].role);
        if (!r)
            return attn__error_set(ATTN_ERR_ROLE, "args[%zu].role is %d, which is no role", n,
                                   (int)args[n].role);
        size_t slot = (size_t)(r - attn__role_table);
        if (args[n].zero != 0)
            return attn__error_set(ATTN_ERR_INVALID, "args[%zu].zero is %d, expected 0", n,
                                   (int)args[n].zero);
        if (call->has[slot])
            return attn__error_set(ATTN_ERR_ROLE, "role %s is given twice", r->name);
        if (!declared(p, r))
            return attn__error_set(ATTN_ERR_ROLE,
                                   "role %s was not declared in the descriptor of this plan",
                                   r->name);
        if (!args[n].object)
            return attn__error_set(ATTN_ERR_NULL, "args[%zu].object of role %s is NULL", n,
                                   r->name);
        call->t[slot] = *(const attn_tensor *)args[n].object;
        int32_t status = attn__view_check(r->name, &call->t[slot]);
        if (status == ATTN_OK && r->output)
            status = attn__view_check_output(r->name, &call->t[slot]);
        if (status != ATTN_OK)
            return status;
        if (attn__view_is_empty(&call->t[slot]))
            make_harmless(&call->t[slot]);
        call->has[slot] = true;
    }
    for (size_t slot = 0; slot < ATTN__ROLE_COUNT; slot++) {
        const struct attn__role *r = &attn__role_table[slot];
        bool required = r->when == ATTN__ROLE_ALWAYS || r->when == ATTN__ROLE_PARAM;
        if (required && declared(p, r) && !call->has[slot])
            return attn__error_set(ATTN_ERR_ROLE, "role %s is missing", r->name);
    }
    return ATTN_OK;
}

static int32_t check_dtype(const struct attn__call *c, enum attn__slot slot, int32_t want,
                           int32_t or_want)
{
    int32_t found = c->t[slot].dtype;
    if (found == want || found == or_want)
        return ATTN_OK;
    if (want == or_want)
        return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected %s", name_of(slot),
                               attn__dtype_name(found), attn__dtype_name(want));
    return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected %s or %s", name_of(slot),
                           attn__dtype_name(found), attn__dtype_name(want),
                           attn__dtype_name(or_want));
}

/*
 * One extent: exactly `want`, or with one_too 1 as well, or with at_least
 * anything from `want` on.
 */
struct extent {
    int64_t want;
    bool one_too, at_least;
};

static int32_t check_shape(const struct attn__call *c, enum attn__slot slot, int32_t rank,
                           const struct extent *e)
{
    const attn_tensor *t = &c->t[slot];
    if (t->rank != rank)
        return attn__error_set(ATTN_ERR_SHAPE, "%s has rank %d, expected %d", name_of(slot),
                               (int)t->rank, (int)rank);
    for (int32_t n = 0; n < rank; n++) {
        int64_t found = t->shape[n];
        if (found == e[n].want || (e[n].one_too && found == 1) ||
            (e[n].at_least && found >= e[n].want))
            continue;
        return attn__error_set(ATTN_ERR_SHAPE,
                               "%s has extent %" PRId64 " in dimension %d, expected %s%" PRId64
                               "%s",
                               name_of(slot), found, (int)n, e[n].at_least ? "at least " : "",
                               e[n].want, e[n].one_too ? " or 1" : "");
    }
    return ATTN_OK;
}

static int32_t check_plain(const struct attn__call *c, enum attn__slot slot, int32_t dtype,
                           int64_t b, int64_t h, int64_t n, int64_t d)
{
    const struct extent e[4] = {{.want = b}, {.want = h}, {.want = n}, {.want = d}};
    int32_t status = check_dtype(c, slot, dtype, dtype);
    return status == ATTN_OK ? check_shape(c, slot, d < 0 ? 3 : 4, e) : status;
}

static int32_t check_index_list(const struct attn__call *c, enum attn__slot slot, int64_t n)
{
    const struct extent e = {.want = n};
    int32_t status = check_dtype(c, slot, ATTN_DTYPE_I32, ATTN_DTYPE_I64);
    return status == ATTN_OK ? check_shape(c, slot, 1, &e) : status;
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
static int32_t check_offsets(const struct attn__call *c, enum attn__slot slot, int64_t n_seq,
                             int64_t tokens, int64_t most, bool check, int64_t *longest)
{
    *longest = 0;
    for (int64_t i = 0; i <= n_seq; i++) {
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

static int32_t check_lengths(const struct dims *d)
{
    const struct attn__call *c = d->call;
    static const enum attn__slot slots[] = {ATTN__SLOT_Q_LEN, ATTN__SLOT_K_LEN,
                                            ATTN__SLOT_K_START};
    for (size_t n = 0; n < sizeof slots / sizeof slots[0]; n++) {
        if (!c->has[slots[n]])
            continue;
        int32_t status = check_index_list(c, slots[n], d->s);
        if (status != ATTN_OK)
            return status;
    }
    if (d->p->check < ATTN_CHECK_INDICES)
        return ATTN_OK;
    for (int64_t i = 0; i < d->s; i++) {
        int64_t q_all = d->nq, k_all = d->nk, start = 0;
        if (d->p->packed) {
            q_all = list_at(c, ATTN__SLOT_Q_OFFSETS, i + 1) - list_at(c, ATTN__SLOT_Q_OFFSETS, i);
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

static int32_t at_most(enum attn__slot slot, int dimension, int64_t found, int64_t most)
{
    if (most == ATTN_UNBOUNDED || found <= most)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "%s has extent %" PRId64
                           " in dimension %d, the plan was made for at most %" PRId64,
                           name_of(slot), found, dimension, most);
}

/* Q and K give the lengths of this execute; V and OUT must agree. */
static int32_t check_main(struct dims *d)
{
    const struct attn__problem *p = d->p;
    struct attn__call *c = d->call;
    const attn_tensor *q = &c->t[ATTN__SLOT_Q], *k = &c->t[ATTN__SLOT_K];
    int64_t b = q->rank == 4 ? q->shape[0] : 0;
    d->b = p->packed ? 1 : b;
    d->nq = q->rank == 4 ? q->shape[2] : 0;
    d->nk = k->rank == 4 ? k->shape[2] : 0;
    int32_t status = check_plain(c, ATTN__SLOT_Q, p->dtype, d->b, p->hq, d->nq, p->d);
    if (status == ATTN_OK)
        status = check_plain(c, ATTN__SLOT_K, p->kv_dtype, d->b, p->hk, d->nk, p->d);
    if (status == ATTN_OK)
        status = check_plain(c, ATTN__SLOT_V, p->kv_dtype, d->b, p->hv, d->nk, p->dv);
    if (status == ATTN_OK)
        status = check_plain(c, ATTN__SLOT_OUT, p->dtype, d->b, p->hout, d->nq, p->dv);
    if (status != ATTN_OK)
        return status;
    if (!p->packed) {
        d->s = d->b;
        d->max_q = d->nq;
        d->max_k = d->nk;
        status = at_most(ATTN__SLOT_Q, 0, d->b, p->b);
        if (status == ATTN_OK)
            status = at_most(ATTN__SLOT_Q, 2, d->nq, p->q);
        return status == ATTN_OK ? at_most(ATTN__SLOT_K, 2, d->nk, p->k) : status;
    }
    const attn_tensor *offsets = &c->t[ATTN__SLOT_Q_OFFSETS];
    d->s = offsets->rank == 1 ? offsets->shape[0] - 1 : 0;
    if (d->s < 0)
        return attn__error_set(ATTN_ERR_SHAPE, "q_offsets is empty, expected one entry more than "
                                               "there are sequences");
    status = check_index_list(c, ATTN__SLOT_Q_OFFSETS, d->s + 1);
    if (status == ATTN_OK)
        status = check_index_list(c, ATTN__SLOT_K_OFFSETS, d->s + 1);
    if (status == ATTN_OK)
        status = at_most(ATTN__SLOT_Q_OFFSETS, 0, d->s, p->b);
    bool check = p->check >= ATTN_CHECK_INDICES;
    if (status == ATTN_OK)
        status = check_offsets(c, ATTN__SLOT_Q_OFFSETS, d->s, d->nq, p->q, check, &d->max_q);
    if (status == ATTN_OK)
        status = check_offsets(c, ATTN__SLOT_K_OFFSETS, d->s, d->nk, p->k, check, &d->max_k);
    return status;
}

/* BIAS and MASK: every extent may be 1. */
static int32_t check_pairs_in(const struct dims *d, enum attn__slot slot)
{
    bool more = d->p->packed;
    const struct extent e[4] = {{d->s, true, false},
                                {d->p->hout, true, false},
                                {d->max_q, true, more},
                                {d->max_k, true, more}};
    return check_shape(d->call, slot, 4, e);
}

static int32_t check_sinks(const struct dims *d)
{
    struct attn__call *c = d->call;
    const attn_tensor *t = &c->t[ATTN__SLOT_SINK_LOGITS];
    int32_t type = attn__problem_row_dtype(d->p);
    int32_t status = check_dtype(c, ATTN__SLOT_SINK_LOGITS, type, type);
    if (status != ATTN_OK)
        return status;
    const struct extent one = {.want = d->p->hout};
    const struct extent three[3] = {{d->s, true, false},
                                    {d->p->hout, false, false},
                                    {d->max_q, true, d->p->packed}};
    status = t->rank == 1 ? check_shape(c, ATTN__SLOT_SINK_LOGITS, 1, &one)
                          : check_shape(c, ATTN__SLOT_SINK_LOGITS, 3, three);
    if (status != ATTN_OK || d->p->check < ATTN_CHECK_DATA)
        return status;
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

static int32_t check_inputs(const struct dims *d)
{
    struct attn__call *c = d->call;
    int32_t status = ATTN_OK;
    if (d->p->bias) {
        int32_t type = attn__problem_row_dtype(d->p);
        status = check_dtype(c, ATTN__SLOT_BIAS, type, d->p->dtype);
        if (status == ATTN_OK)
            status = check_pairs_in(d, ATTN__SLOT_BIAS);
    }
    if (status == ATTN_OK && d->p->mask) {
        status = check_dtype(c, ATTN__SLOT_MASK, ATTN_DTYPE_BOOL, ATTN_DTYPE_U8);
        if (status == ATTN_OK)
            status = check_pairs_in(d, ATTN__SLOT_MASK);
    }
    if (status == ATTN_OK && d->p->sink_logits)
        status = check_sinks(d);
    for (int side = 0; side < 2 && status == ATTN_OK && d->p->segments; side++) {
        enum attn__slot slot = side == 0 ? ATTN__SLOT_SEG_Q : ATTN__SLOT_SEG_K;
        const struct extent e[2] = {{d->b, true, false}, {side == 0 ? d->nq : d->nk, false, false}};
        status = check_dtype(c, slot, ATTN_DTYPE_I32, ATTN_DTYPE_I64);
        if (status == ATTN_OK)
            status = check_shape(c, slot, 2, e);
    }
    return status;
}

static int32_t check_outputs(const struct dims *d)
{
    struct attn__call *c = d->call;
    int32_t type = attn__problem_row_dtype(d->p), status = ATTN_OK;
    bool more = d->p->packed;
    for (int slot = ATTN__SLOT_LSE; slot <= ATTN__SLOT_ENTROPY && status == ATTN_OK; slot++) {
        if (!c->has[slot])
            continue;
        status = check_dtype(c, slot, type, type);
        if (status != ATTN_OK)
            break;
        if (slot == ATTN__SLOT_LSE || slot >= ATTN__SLOT_ROWMAX) {
            status = check_plain(c, slot, type, d->b, d->p->hout, d->nq, -1);
        } else {
            const struct extent e[4] = {{.want = d->s},
                                        {.want = d->p->hout},
                                        {d->max_q, false, more},
                                        {d->max_k, false, more}};
            const struct extent col[3] = {e[0], e[1], e[3]};
            status = slot == ATTN__SLOT_COLSUM ? check_shape(c, slot, 3, col)
                                               : check_shape(c, slot, 4, e);
        }
    }
    return status;
}

int32_t attn__bind(const struct attn__problem *p, const attn_arg *args, size_t n_args,
                   struct attn__call *call)
{
    struct dims d = {.p = p, .call = call};
    *call = (struct attn__call){.p = p};
    int32_t status = collect(p, args, n_args, call);
    if (status == ATTN_OK)
        status = check_main(&d);
    if (status == ATTN_OK)
        status = check_lengths(&d);
    if (status == ATTN_OK)
        status = check_inputs(&d);
    if (status == ATTN_OK)
        status = check_outputs(&d);
    call->n_seq = d.s;
    return status;
}
