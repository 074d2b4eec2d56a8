/* SPDX-License-Identifier: MIT */
/*
 * Element types and shapes of one execute's arguments against the rules of
 * its plan.
 */
#include <inttypes.h>

#include "base/error.h"
#include "plan/bind.h"
#include "problem/shape_words.h"

static const struct attn__role_rule *rule_of(const struct attn__dims *d, enum attn__slot slot)
{
    return &d->rules->rule[d->rules->at[slot]];
}

static int64_t wanted(const struct attn__dims *d, const struct attn__extent_rule *e)
{
    return *(const int64_t *)(const void *)((const char *)d + e->of) + e->add;
}

/* Of several shapes the first of that rank, else the last. */
static const struct attn__shape_rule *shape_of(const struct attn__role_rule *r, int32_t rank)
{
    int32_t n = 0;
    while (n < r->n_shapes - 1 && r->shape[n].rank != rank)
        n++;
    return &r->shape[n];
}

static int32_t check_type(const struct attn__dims *d, const struct attn__role_rule *r)
{
    const char *name = attn__role_table[r->slot].name;
    int32_t found = d->call->t[r->slot].dtype;
    if (found == r->type[0] || found == r->type[1])
        return ATTN_OK;
    if (r->type[0] == r->type[1])
        return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected %s", name,
                               attn__dtype_name(found), attn__dtype_name(r->type[0]));
    return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected %s or %s", name,
                           attn__dtype_name(found), attn__dtype_name(r->type[0]),
                           attn__dtype_name(r->type[1]));
}

int32_t attn__bind_shape(const struct attn__dims *d, enum attn__slot slot)
{
    const struct attn__role_rule *r = rule_of(d, slot);
    const struct attn__shape_rule *s;
    const char *name = attn__role_table[slot].name;
    const attn_tensor *t = &d->call->t[slot];
    int32_t status = check_type(d, r);
    if (status != ATTN_OK)
        return status;
    s = shape_of(r, t->rank);
    if (t->rank != s->rank)
        return attn__error_set(ATTN_ERR_SHAPE, "%s has rank %d, expected %d", name, (int)t->rank,
                               (int)s->rank);
    for (int32_t n = 0; n < s->rank; n++) {
        const struct attn__extent_rule *e = &s->e[n];
        int64_t found = t->shape[n], want = wanted(d, e);
        if (e->any || found == want || (e->one_too && found == 1) ||
            (e->at_least && found >= want))
            continue;
        return attn__error_set(ATTN_ERR_SHAPE,
                               "%s has extent %" PRId64 " in dimension %d, expected %s%" PRId64
                               "%s",
                               name, found, (int)n, e->at_least ? "at least " : "", want,
                               e->one_too ? " or 1" : "");
    }
    return ATTN_OK;
}

/* An extent that only the caller knows, or -1. */
static int32_t free_extent(const struct attn__shape_rule *s)
{
    for (int32_t n = 0; n < s->rank; n++)
        if (s->e[n].any)
            return n;
    return -1;
}

int32_t attn__bind_tell(const struct attn__dims *d, enum attn__slot slot, attn_tensor *t)
{
    const struct attn__role_rule *r = rule_of(d, slot);
    const struct attn__shape_rule *s = r->shape;
    int64_t extents[ATTN_TENSOR_MAX_RANK];
    if (r->type[0] == 0)
        return attn__error_set(ATTN_ERR_ROLE, "role %s is no tensor", attn__role_table[slot].name);
    while (free_extent(s) >= 0 && s < &r->shape[r->n_shapes - 1])
        s++;
    if (free_extent(s) >= 0)
        return attn__error_set(ATTN_ERR_ROLE,
                               "extent %d of role %s is the caller's to choose (shape %s)",
                               (int)free_extent(s), attn__role_table[slot].name,
                               attn__shape_words(d->p, slot));
    for (int32_t n = 0; n < s->rank; n++)
        extents[n] = wanted(d, &s->e[n]);
    return attn_tensor_init(t, NULL, r->type[0], s->rank, extents);
}
