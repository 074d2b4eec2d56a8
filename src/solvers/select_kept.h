/* SPDX-License-Identifier: MIT */
/*
 * Choices of keys that are used again: a batch entry whose queries are like those
 * that its last choice was made for has that choice once more.
 */
#ifndef ATTN_SOLVERS_SELECT_KEPT_H
#define ATTN_SOLVERS_SELECT_KEPT_H

#include "problem/recipe.h"
#include "problem/select_lists.h"
#include "solvers/scratch.h"

struct attn__kept {
    double *q;     /* [B][Hq][D]: mean queries */
    int32_t *keys; /* [B][kept]: CHOICE_KEYS, the first -1 where keys are to be chosen */
};

/* Keys of a choice: those that are taken for nothing but their scores. */
int64_t attn__kept_keys(const struct attn__pooled_spec *spec);

void attn__kept_take(struct attn__scratch *s, const struct attn__problem *p,
                     struct attn__kept *k);

/* Gives *c, a copy of the run's call, the choices that hold as CHOICE_KEYS. */
void attn__kept_look(const struct attn__recipe_run *r, const struct attn__kept *k,
                     struct attn__call *c);

/* NEW_CHOICE_Q and NEW_CHOICE_KEYS: of lists where those were made now, else as they were. */
void attn__kept_tell(const struct attn__recipe_run *r, const struct attn__kept *k,
                     const struct attn__select *lists);

#endif /* ATTN_SOLVERS_SELECT_KEPT_H */
