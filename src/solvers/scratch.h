/* SPDX-License-Identifier: MIT */
/*
 * Cutting a workspace into arrays. The same sequence of calls first measures
 * (base NULL) and then hands out, so size and layout cannot disagree.
 */
#ifndef ATTN_SOLVERS_SCRATCH_H
#define ATTN_SOLVERS_SCRATCH_H

#include "base/checked.h"

struct attn__scratch {
    char *base;
    size_t used;
    bool ok; /* false once a size has overflowed */
};

/* n elements of `size` bytes, 64-byte aligned; NULL while measuring. */
static inline void *attn__scratch_take(struct attn__scratch *s, int64_t n, size_t size)
{
    size_t bytes, at = s->used;
    s->ok = s->ok && n >= 0 && attn__mul_size((size_t)n, size, &bytes) &&
            attn__align_up(bytes, 64, &bytes) && attn__add_size(at, bytes, &s->used);
    return s->base && s->ok ? s->base + at : NULL;
}

#define ATTN__TAKE(s, n, type) ((type *)attn__scratch_take(s, n, sizeof(type)))

#endif /* ATTN_SOLVERS_SCRATCH_H */
