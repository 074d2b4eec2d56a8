/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms that change their inputs row by row and are then one ATTEND with
 * all of its options: what their recipes share.
 */
#ifndef ATTN_MECH_ONE_ATTEND_H
#define ATTN_MECH_ONE_ATTEND_H

#include "mech/preset.h"
#include "problem/recipe.h"

/* The parameters of the stage: the caller's with the settings put in, solver
 * and outputs too. Destroy the copy, also on failure. */
int32_t attn__one_attend_params(const struct attn__params *user, const struct attn__mem *mem,
                                const struct attn__setting *settings, size_t n,
                                struct attn__params *copy);

/* The problem of a stage that needs no more than that. */
int32_t attn__one_attend_stage(const struct attn__params *user, const struct attn__mem *mem,
                               const struct attn__setting *settings, size_t n,
                               struct attn__problem *p);

/* The whole, with k a number. */
int32_t attn__one_attend(const struct attn__params *user, const struct attn__mem *mem,
                         const struct attn__setting *settings, size_t n,
                         const struct attn__recipe *recipe, struct attn__problem *p);

/* Where the scores are a bias of products that are 0: refuses the outputs that
 * have them before biases. */
int32_t attn__one_attend_biased(const struct attn__params *user);

/* A call with every tensor of the caller's. */
struct attn__call attn__one_attend_call(const struct attn__recipe_run *r);

#endif /* ATTN_MECH_ONE_ATTEND_H */
