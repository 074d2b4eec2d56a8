/* SPDX-License-Identifier: MIT */
/*
 * Floats are about normally distributed, with no denormals among them; they
 * repeat after some thousand, which no solver notices. One pair in eight of a
 * mask is hidden; segments are quarters of the keys.
 */
#include "plan/synthetic.h"

#include <string.h>

#include "base/checked.h"

/* Elements before they repeat: a prime, so that rows of any width differ. */
enum { PERIOD = 4093 };

/* A view of that shape in the next place of the block. */
static bool place(struct attn__synthetic *s, enum attn__slot slot, const attn_tensor *shape)
{
    attn_tensor *t = &s->tensor[s->n];
    size_t bytes = attn__dtype_size(shape->dtype);
    if (s->n == ATTN__SYNTHETIC_MAX)
        return false;
    *t = *shape;
    t->data = t; /* until there is a block: what is checked by then is not NULL */
    int64_t stride = 1;
    for (int32_t i = t->rank - 1; i >= 0; i--) {
        t->stride[i] = stride;
        if (!attn__mul_size(bytes, (size_t)t->shape[i], &bytes))
            return false;
        stride *= t->shape[i]; /* not more than bytes */
    }
    s->at[s->n] = s->bytes;
    s->slot[s->n] = slot;
    s->args[s->n] = (attn_arg){.role = attn__role_table[slot].number, .object = t};
    s->n++;
    return attn__align_up(bytes, 64, &bytes) && attn__add_size(s->bytes, bytes, &s->bytes);
}

bool attn__synthetic_size(const struct attn__rules *rules, int64_t q, int64_t k,
                          struct attn__synthetic *s)
{
    const struct attn__problem *p = rules->p;
    const attn_tensor tq = {.dtype = p->dtype, .rank = 4, .shape = {1, p->hq, q, p->d}};
    const attn_tensor tk = {.dtype = p->kv_dtype, .rank = 4, .shape = {1, p->hk, k, p->d}};
    *s = (struct attn__synthetic){0};
    if (p->takes[ATTN__SLOT_Q] != ATTN__TAKES_MUST || p->takes[ATTN__SLOT_K] != ATTN__TAKES_MUST)
        return false;
    bool ok = place(s, ATTN__SLOT_Q, &tq) && place(s, ATTN__SLOT_K, &tk);
    for (int32_t n = 0; n < rules->n && ok; n++) {
        const struct attn__role_rule *r = &rules->rule[n];
        attn_tensor t;
        if (!r->must || r->slot == ATTN__SLOT_Q || r->slot == ATTN__SLOT_K)
            continue;
        ok = r->type[0] != 0 && attn__bind_role(rules, s->args, 2, r->slot, &t) == ATTN_OK &&
             place(s, r->slot, &t);
    }
    return ok;
}

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static double uniform(uint64_t *state)
{
    return (double)(next(state) >> 11) * 0x1p-53;
}

/* The first PERIOD elements are made, the rest are copies of them. */
static void fill_floats(const attn_tensor *t, size_t n, uint64_t *state)
{
    size_t size = attn__dtype_size(t->dtype), first = n < PERIOD ? n : PERIOD;
    for (size_t i = 0; i < first; i++) {
        double x = uniform(state) + uniform(state) + uniform(state) - 1.5;
        attn__store_f64(t->data, (int64_t)i, t->dtype, 2 * x);
    }
    for (size_t i = first; i < n; i += PERIOD)
        memcpy((char *)t->data + i * size, t->data, (n - i < PERIOD ? n - i : PERIOD) * size);
}

static void fill(const struct attn__synthetic *s, size_t index, uint64_t *state)
{
    const attn_tensor *t = &s->tensor[index];
    size_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        n *= (size_t)t->shape[i];
    switch (attn__role_table[s->slot[index]].types) {
    case ATTN__TYPES_QUERY:
    case ATTN__TYPES_KEY:
    case ATTN__TYPES_ROW:
    case ATTN__TYPES_ROW_OR_QUERY:
        fill_floats(t, n, state);
        break;
    case ATTN__TYPES_BOOL:
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)t->data)[i] = (next(state) >> 20) % 8 != 0;
        break;
    default: /* indices: segments are quarters, everything else is 0 */
        if (t->dtype == ATTN_DTYPE_I32 &&
            (s->slot[index] == ATTN__SLOT_SEG_Q || s->slot[index] == ATTN__SLOT_SEG_K))
            for (size_t i = 0; i < n; i++)
                ((int32_t *)t->data)[i] = (int32_t)(i * 4 / n);
        break;
    }
}

int32_t attn__synthetic_make(const struct attn__mem *mem, struct attn__synthetic *s)
{
    uint64_t state = 0x9e3779b97f4a7c15u;
    s->block = attn__mem_alloc(mem, s->bytes, 64);
    if (!s->block)
        return ATTN_ERR_NOMEM;
    for (size_t i = 0; i < s->n; i++) {
        s->tensor[i].data = (char *)s->block + s->at[i];
        fill(s, i, &state);
    }
    return ATTN_OK;
}

void attn__synthetic_free(const struct attn__mem *mem, struct attn__synthetic *s)
{
    attn__mem_free(mem, s->block, s->bytes);
    s->block = NULL;
}
