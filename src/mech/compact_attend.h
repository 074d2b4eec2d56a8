/* SPDX-License-Identifier: MIT */
/*
 * Attention to chosen keys as if they were all there is: the keys of a row are
 * copied together and have positions 0, 1, 2, ... in their order, and so have its
 * queries, whose own keys are the last ones of the row.
 */
#ifndef ATTN_MECH_COMPACT_ATTEND_H
#define ATTN_MECH_COMPACT_ATTEND_H

#include "mech/select_attend.h"
#include "problem/select_lists.h"

/* Is it asked for, by a mechanism that knows it? */
bool attn__compact_is(const struct attn__params *user);

/* What cannot be had with it; ATTN_ERR_INVALID, ATTN_ERR_UNSUPPORTED. */
int32_t attn__compact_check(const struct attn__params *user, const struct attn__problem *p);

/* Takes rope away from the parameters of another stage. */
int32_t attn__compact_unset(struct attn__params *copy);

/* The ATTEND of some rows of queries of one batch entry as a batch. */
int32_t attn__compact_stage(const struct attn__params *user, const struct attn__mem *mem,
                            const struct attn__setting *settings, size_t n,
                            const struct attn__problem *whole, struct attn__problem *p);

/* Puts room for copied rows behind `before` bytes of the workspace. */
bool attn__compact_workspace(const struct attn__problem *p, size_t before, size_t *bytes);

/* Runs that stage along lists; before: as above. */
void attn__compact_run(const struct attn__recipe_run *r, int32_t stage,
                       const struct attn__select *lists, size_t before);

/* A recipe that selects as mech/select_attend.h does and has that stage alone. */
#define ATTN__COMPACT_RECIPE(stage_of)                                       \
    {                                                                        \
        .n_stages = 1,                                                       \
        .by_sequence = true,                                                 \
        .stage = stage_of,                                                   \
        .workspace = attn__compact_alone_workspace,                          \
        .select = attn__select_attend_select,                                \
        .price = attn__select_attend_price,                                  \
        .run = attn__compact_alone_run,                                      \
    }
bool attn__compact_alone_workspace(const struct attn__problem *p, const struct attn__machine *m,
                                   size_t *bytes);
void attn__compact_alone_run(const struct attn__recipe_run *r);

#endif /* ATTN_MECH_COMPACT_ATTEND_H */
