/* SPDX-License-Identifier: MIT */
/*
 * Selections as objects: their memory, and whether they fit an execute: made
 * for its batch, heads and queries, with keys that are there, or with room for
 * what it selects.
 */
#include "state/selection_object.h"

#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"
#include "state/selection_groups.h"

int32_t attn__selection_alloc(struct attn_ctx *ctx, int64_t heads,
                              const struct attn__select_rows *rows, bool logit, bool replace,
                              struct attn_selection **selection)
{
    struct attn__select_rows own = *rows;
    size_t bytes = 0;
    if (!attn__select_rows_place(&own, logit, replace, NULL, &bytes))
        return attn__error_set(ATTN_ERR_OVERFLOW,
                               "the lists of %" PRId64 " rows with %" PRId64
                               " entries do not fit in 64 bits",
                               own.rows, own.capacity);
    struct attn_selection *s = attn__mem_alloc(&ctx->mem, sizeof *s, 64);
    if (!s)
        return ATTN_ERR_NOMEM;
    s->memory = attn__mem_alloc(&ctx->mem, bytes, 64);
    if (!s->memory) {
        attn__mem_free(&ctx->mem, s, sizeof *s);
        return ATTN_ERR_NOMEM;
    }
    attn__select_rows_place(&own, logit, replace, s->memory, &bytes);
    attn__ctx_retain(ctx);
    s->ctx = ctx;
    s->bytes = bytes;
    s->lists = (struct attn__select){.tag = ATTN__SELECT_TAG,
                                     .layout = ATTN_SELECTION_ROWS,
                                     .heads = heads,
                                     .rows = own};
    *selection = s;
    return ATTN_OK;
}

int32_t attn__selection_alloc_groups(struct attn_selection *s, int64_t queries)
{
    struct attn__select_groups g = {.n = s->lists.rows.rows};
    int64_t lists = 0;
    size_t bytes = 0;
    if (!attn__mul_i64(s->lists.rows.n_batch, s->lists.heads, &lists) ||
        !attn__select_groups_place(&g, lists, queries, NULL, &bytes))
        return attn__error_set(ATTN_ERR_OVERFLOW,
                               "%" PRId64 " groups with %" PRId64
                               " queries do not fit in 64 bits",
                               g.n, queries);
    s->group_memory = attn__mem_alloc(&s->ctx->mem, bytes, 64);
    if (!s->group_memory)
        return ATTN_ERR_NOMEM;
    attn__select_groups_place(&g, lists, queries, s->group_memory, &bytes);
    s->group_bytes = bytes;
    s->lists.layout = ATTN_SELECTION_GROUPS;
    s->lists.groups = g;
    return ATTN_OK;
}

int32_t attn__selection_make_groups(struct attn_ctx *ctx, const struct attn__problem *p,
                                    struct attn_selection **selection)
{
    struct attn__select_rows rows;
    struct attn_selection *made = NULL;
    int32_t status = attn__selection_groups_shape(p, attn__max_i64(p->b, 1), p->q, &rows);
    if (status == ATTN_OK)
        status = attn__selection_alloc(ctx, p->hout, &rows, false, false, &made);
    if (status != ATTN_OK)
        return status;
    status = attn__selection_alloc_groups(made, rows.capacity);
    if (status == ATTN_OK)
        *selection = made;
    else
        attn__selection_free(made);
    return status;
}

int32_t attn__selection_groups_shape(const struct attn__problem *p, int64_t b, int64_t queries,
                                     struct attn__select_rows *rows)
{
    *rows = (struct attn__select_rows){.n_batch = b, .n_queries = queries};
    if (attn__mul_i64(b, p->hout, &rows->rows) &&
        attn__mul_i64(rows->rows, p->select.groups, &rows->rows) &&
        attn__mul_i64(rows->rows, p->pooled.window, &rows->capacity))
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_OVERFLOW, "the groups do not fit in 64 bits");
}

void attn__selection_begin_groups(struct attn_selection *s, const struct attn__select_rows *rows)
{
    size_t bytes;
    s->lists.rows = *rows;
    s->lists.groups = (struct attn__select_groups){.n = rows->rows};
    s->lists.end_key = 0;
    attn__select_rows_place(&s->lists.rows, false, false, s->memory, &bytes);
    attn__select_groups_place(&s->lists.groups, rows->n_batch * s->lists.heads, rows->capacity,
                              s->group_memory, &bytes);
}

void attn__selection_free(struct attn_selection *s)
{
    struct attn_ctx *ctx = s->ctx;
    s->lists.tag = 0;
    attn__mem_free(&ctx->mem, s->group_memory, s->group_bytes);
    attn__mem_free(&ctx->mem, s->memory, s->bytes);
    attn__mem_free(&ctx->mem, s, sizeof *s);
    attn__ctx_release(ctx);
}

void attn__selection_empty(struct attn_selection *s)
{
    struct attn__select_rows *r = &s->lists.rows;
    r->n_queries = r->blocks = r->rows = 0;
    s->lists.groups.n = 0;
    attn__select_clear(r);
    s->lists.end_key = 0;
}

static int32_t check_number(const char *what, int64_t found, int64_t expected)
{
    if (found == expected)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "selection was made for %" PRId64 " %s, expected %" PRId64, found, what,
                           expected);
}

static int32_t check_object(const struct attn__select *s, const char *role)
{
    if (!s)
        return attn__error_set(ATTN_ERR_NULL, "the object of role %s is NULL", role);
    if (s->tag != ATTN__SELECT_TAG)
        return attn__error_set(ATTN_ERR_INVALID,
                               "the object of role %s is no attn_selection, or one that was "
                               "destroyed",
                               role);
    return ATTN_OK;
}

static int32_t check_room(size_t found, size_t needed)
{
    if (found >= needed)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_LIMIT,
                           "selection_out has room for %zu bytes of lists, this plan expected "
                           "%zu: it was made for a smaller one",
                           found, needed);
}

static const char *name_of(int32_t layout)
{
    return layout == ATTN_SELECTION_GROUPS ? "groups" : "rows";
}

int32_t attn__selection_check_out(const struct attn__call *c, size_t bytes)
{
    const struct attn_selection *s = attn__selection_out_of(c);
    int32_t status = check_object(s ? &s->lists : NULL, "selection_out");
    if (status != ATTN_OK)
        return status;
    if (!s->for_plans)
        return attn__error_set(ATTN_ERR_INVALID,
                               "the object of role selection_out holds imported lists, expected "
                               "one of attn_selection_create");
    int32_t layout = c->p->select.groups > 0 ? ATTN_SELECTION_GROUPS : ATTN_SELECTION_ROWS;
    if (s->lists.layout != layout)
        return attn__error_set(ATTN_ERR_INVALID,
                               "the object of role selection_out was made for %s, this plan "
                               "expected one for %s",
                               name_of(s->lists.layout), name_of(layout));
    return check_room(s->bytes, bytes);
}

int32_t attn__selection_check_out_groups(const struct attn__call *c,
                                         const struct attn__select_rows *rows)
{
    struct attn__select_rows own = *rows;
    struct attn__select_groups groups = {.n = rows->rows};
    size_t bytes = 0, group_bytes = 0;
    if (!attn__select_rows_place(&own, false, false, NULL, &bytes) ||
        !attn__select_groups_place(&groups, rows->n_batch * c->p->hout, rows->capacity, NULL,
                                   &group_bytes))
        return attn__error_set(ATTN_ERR_OVERFLOW, "the groups do not fit in 64 bits");
    int32_t status = attn__selection_check_out(c, bytes);
    return status == ATTN_OK
               ? check_room(attn__selection_out_of(c)->group_bytes, group_bytes)
               : status;
}

/* Of a packed batch lists may be for longer sequences than there are now. */
static int32_t check_queries(const struct attn__call *c, int64_t made, int64_t longest)
{
    if (!c->p->packed)
        return check_number("queries", made, longest);
    if (made >= longest)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE,
                           "selection was made for %" PRId64
                           " queries, expected at least the %" PRId64
                           " of the longest sequence",
                           made, longest);
}

/* Rows of queries and keys of the longest sequence. */
static void longest_of(const struct attn__call *c, int64_t *nq, int64_t *nk)
{
    bool differ = c->p->packed || c->view;
    *nq = c->p->packed ? 0 : c->t[ATTN__SLOT_Q].shape[2];
    *nk = differ ? 0 : c->t[ATTN__SLOT_K].shape[2];
    for (int64_t n = 0; n < c->n_seq && differ; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        *nq = attn__max_i64(*nq, s.q_all);
        *nk = attn__max_i64(*nk, s.k_all);
    }
}

int32_t attn__selection_check_call(const struct attn__call *c)
{
    const struct attn__select *s = attn__selection_of(c);
    int64_t b = c->n_seq, nq, nk;
    int32_t status = check_object(s, "selection");
    if (status != ATTN_OK)
        return status;
    if (s->layout != c->p->select.layout)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "selection is of %s, expected one of %s or a plan with "
                               "lists_layout=%s",
                               name_of(s->layout), name_of(c->p->select.layout),
                               name_of(s->layout));
    if (s->rows.logit && !c->p->select.logits)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "selection has logits, expected none or a plan with "
                               "lists_logits=1");
    longest_of(c, &nq, &nk);
    if (s->rows.n_batch != 1 && s->rows.n_batch != b)
        return attn__error_set(ATTN_ERR_SHAPE,
                               "selection was made for a batch of %" PRId64
                               ", expected 1 or %" PRId64,
                               s->rows.n_batch, b);
    if (s->layout == ATTN_SELECTION_GROUPS && c->has[ATTN__SLOT_LSE] &&
        !attn__select_groups_have_lse(&s->groups))
        return attn__error_set(ATTN_ERR_ROLE,
                               "role lse is given, but results of groups that are added up have "
                               "no log-sum-exp");
    status = check_number("output heads", s->heads, c->p->hout);
    if (status == ATTN_OK)
        status = check_queries(c, s->rows.n_queries, nq);
    if (status != ATTN_OK || s->end_key <= nk)
        return status;
    return attn__error_set(ATTN_ERR_RANGE,
                           "selection has key %" PRId64 ", expected at most %" PRId64
                           " (k has %" PRId64 " keys)",
                           s->end_key - 1, nk - 1, nk);
}
