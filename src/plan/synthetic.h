/* SPDX-License-Identifier: MIT */
/*
 * Made-up arguments for one sequence of a problem, to try solvers on. All of
 * them lie in one block of memory.
 */
#ifndef ATTN_PLAN_SYNTHETIC_H
#define ATTN_PLAN_SYNTHETIC_H

#include "plan/bind.h"

enum { ATTN__SYNTHETIC_MAX = 16 };

struct attn__synthetic {
    size_t n, bytes;
    size_t at[ATTN__SYNTHETIC_MAX]; /* offsets in the block */
    attn_tensor tensor[ATTN__SYNTHETIC_MAX];
    enum attn__slot slot[ATTN__SYNTHETIC_MAX];
    attn_arg args[ATTN__SYNTHETIC_MAX];
    void *block;
};

/* Which tensors an execute of q queries and k keys must have and how many
 * bytes they take; the problem has b = 1 and is not packed. False if that overflows or
 * there is something among them that cannot be made up. s stays where it is. */
bool attn__synthetic_size(const struct attn__rules *rules, int64_t q, int64_t k,
                          struct attn__synthetic *s);

/* Makes and fills them. ATTN_ERR_NOMEM. */
int32_t attn__synthetic_make(const struct attn__mem *mem, struct attn__synthetic *s);
void attn__synthetic_free(const struct attn__mem *mem, struct attn__synthetic *s);

#endif /* ATTN_PLAN_SYNTHETIC_H */
