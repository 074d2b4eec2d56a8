/* SPDX-License-Identifier: MIT */
/*
 * Putting together the calls of stages.
 */
#include "problem/recipe.h"

#include "problem/shape_words.h"

struct attn__call attn__recipe_call(const struct attn__recipe_run *r)
{
    static const enum attn__slot lengths[] = {ATTN__SLOT_Q_OFFSETS, ATTN__SLOT_K_OFFSETS,
                                              ATTN__SLOT_Q_LEN, ATTN__SLOT_K_LEN,
                                              ATTN__SLOT_K_START};
    struct attn__call c;
    attn__call_begin(&c, NULL);
    c.n_seq = r->call->n_seq;
    c.first_seq = r->call->first_seq;
    c.view = r->call->view;
    c.view_row = r->call->view_row;
    for (size_t n = 0; n < sizeof lengths / sizeof lengths[0]; n++)
        attn__recipe_pass(&c, lengths[n], r->call, lengths[n]);
    c.has[ATTN__SLOT_USER] = r->call->has[ATTN__SLOT_USER];
    if (c.has[ATTN__SLOT_USER])
        c.object[ATTN__SLOT_USER] = r->call->object[ATTN__SLOT_USER];
    return c;
}

/* The dimension of a role's shape that rows (Nq, Nk) are along, or -1. */
static int32_t place_of(const char *rows, const char *shape)
{
    struct attn__word w;
    for (int32_t n = 0; attn__word_next(&shape, &w); n++)
        if (attn__word_is(&w, rows))
            return n;
    return -1;
}

/* All roles with such rows, which begin at the offsets of `given`. */
static void rebase(const char *rows, enum attn__slot given, int64_t *offsets,
                   struct attn__call *c)
{
    const struct attn__problem *p = c->p;
    const attn_tensor *from = &c->t[given];
    if (!p->packed)
        return;
    int64_t first = attn__load_i64(from->data, 0, from->dtype);
    for (int64_t n = 0; n <= c->n_seq; n++)
        offsets[n] = attn__load_i64(from->data, n * from->stride[0], from->dtype) - first;
    for (int slot = 0; slot < ATTN__ROLE_COUNT; slot++) {
        int32_t n = place_of(rows, attn__shape_words(p, (enum attn__slot)slot));
        attn_tensor *t = &c->t[slot];
        if (!c->has[slot] || n < 0)
            continue;
        t->data = (char *)t->data + first * t->stride[n] * (int64_t)attn__dtype_size(t->dtype);
        t->shape[n] = offsets[c->n_seq];
    }
    c->t[given] = (attn_tensor){.data = offsets, .dtype = ATTN_DTYPE_I64, .rank = 1,
                                .shape = {c->n_seq + 1}, .stride = {1}};
}

void attn__recipe_rebase(const struct attn__recipe_run *r, int64_t *offsets, struct attn__call *c)
{
    *c = *r->call;
    rebase("Nq", ATTN__SLOT_Q_OFFSETS, offsets, c);
}

void attn__recipe_rebase_keys(int64_t *offsets, struct attn__call *c)
{
    rebase("Nk", ATTN__SLOT_K_OFFSETS, offsets, c);
}

static void pass(struct attn__call *c, const struct attn__call *whole, bool outputs)
{
    for (int slot = 0; slot < ATTN__ROLE_COUNT; slot++)
        if (attn__role_table[slot].types != ATTN__TYPES_OBJECT &&
            (outputs || !attn__role_table[slot].output))
            attn__recipe_pass(c, (enum attn__slot)slot, whole, (enum attn__slot)slot);
}

void attn__recipe_pass_inputs(struct attn__call *c, const struct attn__call *whole)
{
    pass(c, whole, false);
}

void attn__recipe_pass_all(struct attn__call *c, const struct attn__call *whole)
{
    pass(c, whole, true);
}

attn_tensor attn__recipe_view(void *data, int32_t dtype, int64_t b, int64_t h, int64_t n,
                              int64_t d)
{
    attn_tensor t = {.data = data, .dtype = dtype, .rank = d < 0 ? 3 : 4};
    int64_t shape[4] = {b, h, n, d}, stride = 1;
    for (int32_t i = t.rank - 1; i >= 0; i--) {
        t.shape[i] = shape[i];
        t.stride[i] = stride;
        stride *= shape[i] > 0 ? shape[i] : 1;
    }
    return t;
}

attn_tensor attn__recipe_constant(void *data, int32_t dtype, int64_t b, int64_t h, int64_t n,
                                  int64_t d)
{
    return (attn_tensor){.data = data, .dtype = dtype, .rank = 4, .shape = {b, h, n, d}};
}

attn_tensor attn__recipe_rows(const attn_tensor *t, int64_t i0, int64_t n)
{
    attn_tensor s = *t;
    s.data = (char *)t->data + i0 * t->stride[2] * (int64_t)attn__dtype_size(t->dtype);
    s.shape[2] = n;
    return s;
}

attn_tensor attn__recipe_blocks(const attn_tensor *t, int64_t b, int64_t i0, int64_t rows,
                                int64_t n)
{
    attn_tensor s = attn__recipe_rows(t, i0, rows);
    s.data = (char *)s.data + b * t->stride[0] * (int64_t)attn__dtype_size(t->dtype);
    s.shape[0] = n;
    s.stride[0] = rows * t->stride[2];
    return s;
}
