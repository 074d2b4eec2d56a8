/* SPDX-License-Identifier: MIT */
/*
 * The arguments of an execute: which roles are there, and whether each
 * tensor has the type, shape and strides that the problem says. All checks
 * come before the first write.
 */
#include "plan/bind.h"

#include <inttypes.h>

#include "base/error.h"
#include "base/view.h"
#include "problem/norm.h"
#include "problem/sequences.h"

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

static int32_t collect_one(const attn_arg *arg, const struct attn__role *r,
                           struct attn__call *call)
{
    size_t slot = (size_t)(r - attn__role_table);
    if (r->types == ATTN__TYPES_OBJECT) {
        call->object[slot] = arg->object;
        call->has[slot] = true;
        return ATTN_OK;
    }
    if (!arg->object)
        return attn__error_set(ATTN_ERR_NULL, "the object of role %s is NULL", r->name);
    call->t[slot] = *(const attn_tensor *)arg->object;
    int32_t status = attn__view_check(r->name, &call->t[slot]);
    if (status == ATTN_OK && r->output)
        status = attn__view_check_output(r->name, &call->t[slot]);
    if (status != ATTN_OK)
        return status;
    if (attn__view_is_empty(&call->t[slot]))
        make_harmless(&call->t[slot]);
    call->has[slot] = true;
    return ATTN_OK;
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
        if (slot == ATTN__SLOT_LSE && !attn__norm_traits(p->norm.kind)->lse)
            return attn__error_set(ATTN_ERR_ROLE,
                                   "role lse is given, but normalizer=%s has no log-sum-exp",
                                   attn__norm_traits(p->norm.kind)->name);
        if (p->takes[slot] == ATTN__TAKES_NOT)
            return attn__error_set(ATTN_ERR_ROLE,
                                   "role %s was not declared in the descriptor of this plan",
                                   r->name);
        int32_t status = collect_one(&args[n], r, call);
        if (status != ATTN_OK)
            return status;
    }
    return ATTN_OK;
}

static int32_t check_present(const struct attn__rules *rules, const struct attn__call *call,
                             bool outputs)
{
    for (int32_t n = 0; n < rules->n; n++)
        if (rules->rule[n].must && !call->has[rules->rule[n].slot] &&
            (outputs || !attn__role_table[rules->rule[n].slot].output))
            return attn__error_set(ATTN_ERR_ROLE, "role %s is missing",
                                   attn__role_table[rules->rule[n].slot].name);
    return ATTN_OK;
}

static int32_t check_shapes(const struct attn__dims *d)
{
    int32_t status = ATTN_OK;
    for (int32_t n = 0; n < d->rules->n && status == ATTN_OK; n++) {
        const struct attn__role_rule *r = &d->rules->rule[n];
        if (d->call->has[r->slot] && r->type[0] != 0)
            status = attn__bind_shape(d, r->slot);
    }
    return status;
}

static int32_t at_most(enum attn__slot slot, int dimension, int64_t found, int64_t most)
{
    if (most == ATTN_UNBOUNDED || found <= most)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "%s has extent %" PRId64
                           " in dimension %d, the plan was made for at most %" PRId64,
                           attn__role_table[slot].name, found, dimension, most);
}

/* Of the roles that have rows of queries, or of keys, the first that is there
 * tells how many. */
static enum attn__slot first_of(const struct attn__call *c, enum attn__slot a, enum attn__slot b)
{
    return c->has[a] || !c->has[b] ? a : b;
}

static int64_t extent_of(const struct attn__call *c, enum attn__slot slot, int dimension)
{
    return c->has[slot] && c->t[slot].rank > dimension ? c->t[slot].shape[dimension] : 0;
}

/* Q and K give the lengths of this execute; in a packed batch with the
 * offsets. */
static int32_t measure(struct attn__dims *d)
{
    const struct attn__problem *p = d->p;
    const struct attn__call *c = d->call;
    enum attn__slot q = first_of(c, ATTN__SLOT_Q, ATTN__SLOT_OUT);
    enum attn__slot k = first_of(c, ATTN__SLOT_K, ATTN__SLOT_V);
    q = first_of(c, q, ATTN__SLOT_Q_NOPE);
    k = first_of(c, k, ATTN__SLOT_LATENT);
    if (attn__problem_tied(p) == 1) /* a recurrence may have values alone */
        q = first_of(c, q, k);
    int64_t b = extent_of(c, c->has[q] ? q : k, 0);
    d->b = p->packed ? 1 : b;
    d->s = b; /* of a packed batch its offsets tell */
    /* where queries are made of tokens, those tell while there is no OUT */
    d->nq = c->has[q] ? extent_of(c, q, 2) : extent_of(c, ATTN__SLOT_ROUTER_X, 1);
    d->nk = extent_of(c, k, 2);
    /* of a packed batch K_OFFSETS counts them, too */
    d->n2 = p->packed ? d->nk : extent_of(c, ATTN__SLOT_K2, 2);
    d->picked = extent_of(c, ATTN__SLOT_ROWS, 1);
    if (attn__problem_tied(p) > 0 && __builtin_mul_overflow(d->nq, attn__problem_tied(p), &d->nk))
        d->nk = -1; /* fits no tensor */
    /* OUT in the place of Q may have a row a sequence, so it waits for the offsets */
    bool early = c->has[q] && !(p->packed && attn__role_table[q].output);
    int32_t status = early ? attn__bind_shape(d, q) : ATTN_OK;
    if (status == ATTN_OK && c->has[k])
        status = attn__bind_shape(d, k);
    if (status != ATTN_OK || p->packed)
        return status == ATTN_OK ? attn__bind_offsets(d) : status;
    d->max_q = d->nq;
    d->max_k = d->nk;
    status = at_most(q, 0, d->b, p->b);
    if (status == ATTN_OK)
        status = at_most(q, 2, d->nq, p->q);
    if (status == ATTN_OK)
        status = at_most(k, 2, d->nk, p->k);
    return status == ATTN_OK ? at_most(ATTN__SLOT_K2, 2, d->n2, p->k) : status;
}

static int32_t bind(const struct attn__rules *rules, const attn_arg *args, size_t n_args,
                    bool outputs, struct attn__call *call)
{
    const struct attn__problem *p = rules->p;
    struct attn__dims d = {.rules = rules, .p = p, .call = call};
    attn__call_begin(call, p);
    int32_t status = collect(p, args, n_args, call);
    if (status == ATTN_OK)
        status = check_present(rules, call, outputs);
    if (status == ATTN_OK)
        status = measure(&d);
    if (status == ATTN_OK && p->view.is)
        status = attn__bind_view(&d);
    if (status == ATTN_OK)
        status = check_shapes(&d);
    if (status == ATTN_OK)
        status = attn__bind_values(&d);
    if (status == ATTN_OK && p->view.is)
        status = attn__bind_view_rows(&d);
    if (status == ATTN_OK)
        status = attn__bind_score(&d);
    call->n_seq = d.s;
    if (status == ATTN_OK && p->check_call)
        status = attn__sequences_are(p) ? attn__sequences_check(call) : p->check_call(call);
    return status;
}

int32_t attn__bind(const struct attn__rules *rules, const attn_arg *args, size_t n_args,
                   struct attn__call *call)
{
    return bind(rules, args, n_args, true, call);
}

int32_t attn__bind_inputs(const struct attn__rules *rules, const attn_arg *args, size_t n_args,
                          struct attn__call *call)
{
    return bind(rules, args, n_args, false, call);
}

int32_t attn__bind_role(const struct attn__rules *rules, const attn_arg *args, size_t n_args,
                        enum attn__slot slot, attn_tensor *t)
{
    struct attn__call call;
    struct attn__dims d = {.rules = rules, .p = rules->p, .call = &call};
    attn__call_begin(&call, rules->p);
    int32_t status = collect(rules->p, args, n_args, &call);
    if (status == ATTN_OK)
        status = measure(&d);
    return status == ATTN_OK ? attn__bind_tell(&d, slot, t) : status;
}
