/* SPDX-License-Identifier: MIT */
/*
 * What mechanisms share that attend to classes of keys one by one and join
 * them with weights: a stage a class, whose keys a mask tells.
 */
#ifndef ATTN_MECH_CLASS_MERGE_H
#define ATTN_MECH_CLASS_MERGE_H

#include "mech/preset.h"
#include "problem/recipe.h"
#include "solvers/map_classes.h"
#include "solvers/scratch.h"

/* Results of the classes, and the mask of one of them at a time. */
struct attn__class_arrays {
    void *out[ATTN__CLASSES_MAX], *lse[ATTN__CLASSES_MAX];
    uint8_t *mask; /* [B,mask_heads,1,k] */
};

void attn__class_carve(struct attn__scratch *s, const struct attn__problem *p, int n_classes,
                       int64_t mask_heads, struct attn__class_arrays *a);

/* The problem of a stage: the caller's with the mechanism's settings and MASK. */
int32_t attn__class_stage(const struct attn__params *v, const struct attn__mem *mem,
                          const struct attn__setting *settings, size_t n, struct attn__problem *p);

/* Views of the arrays for the lengths of this execute. */
attn_tensor attn__class_out(const struct attn__recipe_run *r, void *data);
attn_tensor attn__class_lse(const struct attn__recipe_run *r, void *data);
attn_tensor attn__class_mask(const struct attn__recipe_run *r, uint8_t *data, int64_t heads);

/* Runs stage n on the keys of the mask. */
void attn__class_attend(const struct attn__recipe_run *r, int32_t n, const attn_tensor *mask,
                        const attn_tensor *out, const attn_tensor *lse);

/*
 * What none of them takes: rows and keys are those of the tensors, in their
 * order, and what a row becomes hangs on rows or keys behind it. Finished rows
 * are made of those of the classes: gates and factors may come before that
 * sum, norms and mixes may not.
 */
#define ATTN__CLASS_REFUSED                                                                        \
    {ATTN_PARAM_MASK, ATTN__REFUSED, 0, 0},                                                        \
        {ATTN_PARAM_SINK_LOGITS, ATTN__REFUSED, 0, 0}, {ATTN_PARAM_WANT, ATTN__REFUSED, 0, 0},     \
        {ATTN_PARAM_SOLVER, ATTN__REFUSED, 0, 0}, {ATTN_PARAM_NORMALIZER, ATTN__REFUSED, 0, 0},    \
        {ATTN_PARAM_OUT_NORM, ATTN__REFUSED, 0, 0}, {ATTN_PARAM_HEAD_MIX, ATTN__REFUSED, 0, 0},    \
        {ATTN_PARAM_POSITIONS, ATTN__REFUSED, 0, 0},                                               \
        {ATTN_PARAM_INVARIANT, ATTN__FIXED, ATTN_INVARIANT_BATCH, 0}

/* After attn__preset: sets the recipe and takes the roles of lengths away;
 * k=inf is refused, with *p freed. */
int32_t attn__class_finish(const struct attn__mem *mem, const struct attn__recipe *recipe,
                           struct attn__problem *p);

#endif /* ATTN_MECH_CLASS_MERGE_H */
