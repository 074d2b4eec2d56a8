/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms that select keys for blocks of queries and attend to those: what
 * their recipes share. The problem's `pooled` says how it is selected.
 */
#ifndef ATTN_MECH_SELECT_ATTEND_H
#define ATTN_MECH_SELECT_ATTEND_H

#include "mech/preset.h"
#include "problem/recipe.h"

/*
 * The whole: an ATTEND with the settings put in and finite k, not both packed and of a view.
 * Of the caller's options it knows causal, align, scale, softcap, head maps,
 * outputs and how it is run, and refuses the others. With select=only it has
 * SELECTION_OUT instead of V and outputs, and a recipe that selects and is done.
 * p->pooled is a spec of nothing special, for the mechanism to change: all rows of one query and
 * head, scores without a scale. Free p if that fails.
 */
int32_t attn__select_attend(const struct attn__params *user, const struct attn__mem *mem,
                            const struct attn__setting *settings, size_t n,
                            const struct attn__recipe *recipe, struct attn__problem *p);

/* Lists of so many batch entries and queries as the problem makes them, without
 * arrays: shape and capacity. ATTN_ERR_INVALID, ATTN_ERR_OVERFLOW. */
int32_t attn__select_attend_rows(const struct attn__problem *p, int64_t b, int64_t n_queries,
                                 struct attn__select_rows *rows);

/* For options under which rows of OUT are made in another way than along the lists:
 * refuses with param's name and the reason what such rows do not have, which is
 * outputs besides OUT and LSE, select=only, views, and queries aligned with the
 * first keys. ATTN_ERR_UNSUPPORTED. */
int32_t attn__select_attend_plain(const struct attn__params *user, const struct attn__problem *p,
                                  int32_t param, const char *why);

/* What p->check_call is set to, and the part of it that asks: is there room in
 * SELECTION_OUT, if there is that? */
int32_t attn__select_attend_check(const struct attn__call *c);
int32_t attn__select_attend_check_out(const struct attn__call *c);

/* For mechanisms that write rows by themselves: SELECTION_OUT with the shape and room
 * of this execute, to be written to (state/selection.h). */
struct attn_selection;
int32_t attn__select_attend_begin(const struct attn__recipe_run *r, struct attn_selection *out);

/* What the recipe's functions do. */
int32_t attn__select_attend_stage(const struct attn__params *user, const struct attn__mem *mem,
                                  const struct attn__setting *settings, size_t n,
                                  const struct attn__problem *whole, struct attn__problem *p);
bool attn__select_attend_workspace(const struct attn__problem *p, const struct attn__machine *m,
                                   size_t *bytes);
int32_t attn__select_attend_select(const struct attn__recipe_run *r);
/* select_price.c. */
void attn__select_attend_price(const struct attn__problem *p, int64_t q, int64_t k,
                               struct attn__select_price *price);
/* What it has selected, in the same workspace. */
const struct attn__select *attn__select_attend_lists(const struct attn__recipe_run *r);
void attn__select_attend_run(const struct attn__recipe_run *r);

/* The recipe of a mechanism whose settings are an array of that name. */
#define ATTN__SELECT_RECIPE(settings)                                                             \
    static int32_t stage(const struct attn__params *v, const struct attn__problem *whole,         \
                         int32_t n, const struct attn__mem *mem, struct attn__problem *p)         \
    {                                                                                             \
        (void)n;                                                                                  \
        return attn__select_attend_stage(v, mem, settings, sizeof settings / sizeof settings[0],  \
                                         whole, p);                                               \
    }                                                                                             \
    static const struct attn__recipe recipe = {                                                   \
        .n_stages = 1,                                                                            \
        .by_sequence = true,                                                                      \
        .stage = stage,                                                                           \
        .workspace = attn__select_attend_workspace,                                               \
        .select = attn__select_attend_select,                                                     \
        .price = attn__select_attend_price,                                                       \
        .run = attn__select_attend_run,                                                           \
    }

/* The queries and keys that are compared are the caller's: roles SELECT_Q
 * [B,heads,Nq,width] and SELECT_K [B,k_heads,blocks,width]; heads 0: those of Q
 * and K. */
void attn__select_given(struct attn__problem *p, int64_t heads, int64_t k_heads, int64_t width);

/* A parameter that has to be set; ATTN_ERR_UNSET. */
int32_t attn__select_need(const struct attn__params *v, int32_t param);

/* A parameter that is set where nothing reads it; ATTN_ERR_INVALID. */
int32_t attn__select_unread(const struct attn__params *v, int32_t param);

#endif /* ATTN_MECH_SELECT_ATTEND_H */
