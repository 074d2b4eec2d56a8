/* SPDX-License-Identifier: MIT */
/*
 * One sequence of a packed batch as a batch of its own. Which part of a tensor
 * belongs to it follows from the words of its role's shape.
 */
#include "problem/sequences.h"

#include <inttypes.h>

#include "base/error.h"
#include "problem/recipe.h"
#include "problem/shape_words.h"

static bool is_keys(const struct attn__word *w)
{
    return attn__word_is(w, "Nk") || attn__word_is(w, "N2");
}

static int32_t rank_of(const char *shape)
{
    struct attn__word w;
    int32_t n = 0;
    while (attn__word_next(&shape, &w))
        n++;
    return n;
}

/* Of several shapes the first of that rank, else the last. */
static const char *shape_of(const struct attn__problem *p, enum attn__slot slot, int32_t rank)
{
    const char *shape = attn__shape_words(p, slot), *more;
    while (rank_of(shape) != rank && (more = strchr(shape, '|')) != NULL)
        shape = more + 2;
    return shape;
}

static void cut(attn_tensor *t, int32_t dimension, int64_t from, int64_t n)
{
    if (from > 0) /* an empty tensor may have no data */
        t->data = (char *)t->data +
                  from * t->stride[dimension] * (int64_t)attn__dtype_size(t->dtype);
    t->shape[dimension] = n;
}

/* Outputs of pairs keep their width: what is behind a sequence is filled too. */
static attn_tensor part_of(const struct attn__call *packed, const struct attn__seq *s,
                           enum attn__slot slot)
{
    attn_tensor t = packed->t[slot];
    const char *at = shape_of(packed->p, slot, t.rank);
    const bool output = attn__role_table[slot].output;
    struct attn__word w;
    for (int32_t n = 0; n < t.rank && attn__word_next(&at, &w); n++) {
        if (w.one_too && t.shape[n] == 1)
            continue;
        if (attn__word_is(&w, "S"))
            cut(&t, n, s->index, 1);
        else if (attn__word_is(&w, "Nq"))
            cut(&t, n, s->q0, s->q_all);
        else if (is_keys(&w))
            cut(&t, n, s->k0 - s->k_skip, s->k_all);
        else if (attn__word_is(&w, "Q") && !output)
            cut(&t, n, 0, s->q_all);
        else if (attn__word_is(&w, "K") && !output)
            cut(&t, n, 0, s->k_all);
    }
    return t;
}

bool attn__sequences_are(const struct attn__problem *p)
{
    return p->packed && p->recipe && p->recipe->by_sequence;
}

void attn__sequences_problem(const struct attn__problem *packed, struct attn__problem *one)
{
    *one = *packed;
    one->packed = false;
    one->b = 1;
    one->takes[ATTN__SLOT_Q_OFFSETS] = one->takes[ATTN__SLOT_K_OFFSETS] = ATTN__TAKES_NOT;
}

void attn__sequences_call(const struct attn__call *packed, const struct attn__problem *one,
                          int64_t n, struct attn__call *c)
{
    const struct attn__seq s = attn__call_seq(packed, n);
    attn__call_begin(c, one);
    c->n_seq = 1;
    c->first_seq = packed->first_seq + n;
    for (int slot = 0; slot < ATTN__ROLE_COUNT; slot++) {
        if (!packed->has[slot] || slot == ATTN__SLOT_Q_OFFSETS || slot == ATTN__SLOT_K_OFFSETS)
            continue;
        c->has[slot] = true;
        if (attn__role_table[slot].types == ATTN__TYPES_OBJECT)
            c->object[slot] = packed->object[slot];
        else
            c->t[slot] = part_of(packed, &s, (enum attn__slot)slot);
    }
}

int32_t attn__sequences_error(int32_t status, int64_t n)
{
    char text[ATTN__ERROR_TEXT_MAX];
    attn__error_get(text, sizeof text);
    return attn__error_set(status, "sequence %" PRId64 ": %s", n, text);
}

int32_t attn__sequences_check(const struct attn__call *packed)
{
    struct attn__problem one;
    attn__sequences_problem(packed->p, &one);
    for (int64_t n = 0; n < packed->n_seq; n++) {
        struct attn__call c;
        attn__sequences_call(packed, &one, n, &c);
        int32_t status = one.check_call(&c);
        if (status != ATTN_OK)
            return attn__sequences_error(status, n);
    }
    return ATTN_OK;
}

/* Has it data of the batch that are no rows, or as many as one length gives? */
static bool is_shared(const char *shape)
{
    struct attn__word w;
    bool batch = false, rows = false, any = false;
    while (attn__word_next(&shape, &w)) {
        batch = batch || attn__word_is(&w, "B");
        rows = rows || attn__word_is(&w, "Nq") || is_keys(&w);
        any = any || attn__word_is(&w, "*");
    }
    return batch && (!rows || any);
}

int32_t attn__sequences_allowed(const struct attn__problem *p)
{
    for (int slot = 0; slot < ATTN__ROLE_COUNT; slot++) {
        const char *shape = attn__shape_words(p, (enum attn__slot)slot);
        if (p->takes[slot] != ATTN__TAKES_NOT && is_shared(shape))
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "packed is set, but role %s (%s) has the same size for all "
                                   "sequences: expected a batch",
                                   attn__role_table[slot].name, shape);
    }
    if (!p->select.only)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "packed and select=only are set, expected a batch: a selection is "
                           "counted in one sequence length");
}
