/* SPDX-License-Identifier: MIT */
/*
 * The object attn_selection, and what an execute asks of one.
 */
#ifndef ATTN_STATE_SELECTION_OBJECT_H
#define ATTN_STATE_SELECTION_OBJECT_H

#include <attn/selection.h>

#include "base/ctx.h"
#include "problem/call.h"
#include "state/selection.h"

struct attn_selection {
    struct attn__select lists; /* first: solvers know nothing else of it */
    struct attn_ctx *ctx;      /* a reference */
    void *memory;              /* of the lists */
    size_t bytes;
    void *group_memory; /* of the groups; NULL without */
    size_t group_bytes;
    bool for_plans; /* plans may write to it */
};

/*
 * An object whose lists, all of them empty, have the shape and capacity of
 * `rows`, and their arrays. ATTN_ERR_OVERFLOW, ATTN_ERR_NOMEM.
 */
int32_t attn__selection_alloc(struct attn_ctx *ctx, int64_t heads,
                              const struct attn__select_rows *rows, bool logit, bool replace,
                              struct attn_selection **selection);
void attn__selection_free(struct attn_selection *s);

/* Makes a selection, whose lists have a row for each group, one of groups with
 * room for `queries` members. ATTN_ERR_OVERFLOW, ATTN_ERR_NOMEM. */
int32_t attn__selection_alloc_groups(struct attn_selection *s, int64_t queries);

/*
 * Groups that a plan with select=only makes of so many batch entries and queries:
 * p->select.groups of each head, of up to p->pooled.window queries and keys each;
 * a row for each, without arrays. ATTN_ERR_OVERFLOW.
 */
int32_t attn__selection_groups_shape(const struct attn__problem *p, int64_t b, int64_t queries,
                                     struct attn__select_rows *rows);
/* An object with room for them. ATTN_ERR_OVERFLOW, ATTN_ERR_NOMEM. */
int32_t attn__selection_make_groups(struct attn_ctx *ctx, const struct attn__problem *p,
                                    struct attn_selection **selection);
/* Its arrays, of that shape and empty, for a plan to fill. */
void attn__selection_begin_groups(struct attn_selection *s, const struct attn__select_rows *rows);

/* No queries, no rows and no entries, whatever there was. */
void attn__selection_empty(struct attn_selection *s);

/* The selection of a call; NULL without. */
static inline const struct attn__select *attn__selection_of(const struct attn__call *c)
{
    return c->has[ATTN__SLOT_SELECTION] ? c->object[ATTN__SLOT_SELECTION] : NULL;
}

/* What an execute writes its lists to; NULL without. */
static inline struct attn_selection *attn__selection_out_of(const struct attn__call *c)
{
    return c->has[ATTN__SLOT_SELECTION_OUT]
               ? (struct attn_selection *)(uintptr_t)c->object[ATTN__SLOT_SELECTION_OUT]
               : NULL;
}

/* May a plan write lists of so many bytes to the object of role SELECTION_OUT?
 * ATTN_ERR_NULL, ATTN_ERR_INVALID or ATTN_ERR_LIMIT. */
int32_t attn__selection_check_out(const struct attn__call *c, size_t bytes);

/* The same for groups of that shape. */
int32_t attn__selection_check_out_groups(const struct attn__call *c,
                                         const struct attn__select_rows *rows);

/* Is the object of role SELECTION made for this execute? ATTN_ERR_NULL,
 * ATTN_ERR_INVALID, ATTN_ERR_SHAPE, ATTN_ERR_RANGE or ATTN_ERR_UNSUPPORTED. */
int32_t attn__selection_check_call(const struct attn__call *c);

#endif /* ATTN_STATE_SELECTION_OBJECT_H */
