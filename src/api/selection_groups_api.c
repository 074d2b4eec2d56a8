/* SPDX-License-Identifier: MIT */
/*
 * attn_selection_import_groups: groups of queries and keys, which may be
 * anything: tensors are checked, then copied, then the groups are looked at.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <attn/attn.h>

#include "api/api_check.h"
#include "api/selection_parts.h"
#include "base/checked.h"
#include "state/selection_groups.h"
#include "state/selection_object.h"

/* The caller's tensors. */
struct given {
    const attn_tensor *batch, *head, *q_ptr, *k_ptr, *q_idx, *k_idx; /* batch may be NULL */
};

static int32_t check_numbers(int64_t batch, int64_t heads, int64_t queries, int64_t keys,
                             int32_t combine, double eps)
{
    const struct {
        const char *name;
        int64_t found, least;
    } numbers[] = {
        {"batch", batch, 1}, {"heads", heads, 1}, {"queries", queries, 0}, {"keys", keys, 0}};
    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
        if (numbers[n].found < numbers[n].least || numbers[n].found > INT32_MAX)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "%s is %" PRId64 ", expected %" PRId64 " to %d",
                                   numbers[n].name, numbers[n].found, numbers[n].least, INT32_MAX);
    if (combine < ATTN_SELECTION_EXCLUSIVE || combine > ATTN_SELECTION_LSE)
        return attn__error_set(ATTN_ERR_INVALID,
                               "combine is %d, expected ATTN_SELECTION_EXCLUSIVE, _SUM, _MEAN or "
                               "_LSE",
                               (int)combine);
    if (!isfinite(eps) || eps < 0 || (eps != 0 && combine != ATTN_SELECTION_MEAN))
        return attn__error_set(ATTN_ERR_INVALID, "eps is %g, expected %s", eps,
                               combine == ATTN_SELECTION_MEAN ? "a number from 0 on"
                                                              : "0 without combine MEAN");
    return ATTN_OK;
}

/* The parts that there must be, and their extents. */
static int32_t check_parts(const attn_tensor *const t[ATTN__SELECTION_PARTS], struct given *g,
                           int64_t *groups)
{
    const int32_t per_group[] = {ATTN_SELECTION_PART_G_BATCH, ATTN_SELECTION_PART_Q_PTR,
                                 ATTN_SELECTION_PART_K_PTR};
    int32_t status = ATTN_OK;
    for (int32_t p = ATTN_SELECTION_PART_G_HEAD; p <= ATTN_SELECTION_PART_K_IDX; p++)
        if (!t[p - 1])
            return attn__error_set(ATTN_ERR_ROLE, "part %s is missing",
                                   attn__selection_parts_table[p - 1].name);
    for (int32_t p = ATTN_SELECTION_PART_G_HEAD; p <= ATTN_SELECTION_PART_K_IDX; p++)
        if (status == ATTN_OK)
            status = attn__selection_parts_check_extent(p, t[p - 1], t[p - 1]->shape[0]);
    *groups = t[ATTN_SELECTION_PART_G_HEAD - 1]->shape[0];
    for (size_t n = 0; n < sizeof per_group / sizeof per_group[0] && status == ATTN_OK; n++)
        if (t[per_group[n] - 1])
            status = attn__selection_parts_check_extent(per_group[n], t[per_group[n] - 1],
                                                        *groups + (n > 0));
    *g = (struct given){.batch = t[ATTN_SELECTION_PART_G_BATCH - 1],
                        .head = t[ATTN_SELECTION_PART_G_HEAD - 1],
                        .q_ptr = t[ATTN_SELECTION_PART_Q_PTR - 1],
                        .k_ptr = t[ATTN_SELECTION_PART_K_PTR - 1],
                        .q_idx = t[ATTN_SELECTION_PART_Q_IDX - 1],
                        .k_idx = t[ATTN_SELECTION_PART_K_IDX - 1]};
    return status;
}

/* Queries, heads and batch entries of the groups, in order. */
static int32_t fill_groups(struct attn__select *s, const struct given *t)
{
    struct attn__select_groups *g = &s->groups;
    int32_t status = attn__selection_parts_copy(ATTN_SELECTION_PART_G_HEAD, t->head, g->head);
    if (status == ATTN_OK && t->batch)
        status = attn__selection_parts_copy(ATTN_SELECTION_PART_G_BATCH, t->batch, g->batch);
    if (status == ATTN_OK)
        status = attn__selection_parts_copy(ATTN_SELECTION_PART_Q_IDX, t->q_idx, g->query);
    for (int64_t n = 0; n <= g->n; n++)
        g->q_ptr[n] = attn__selection_parts_load(t->q_ptr, n);
    if (status == ATTN_OK)
        status = attn__select_groups_check(s, t->q_idx->shape[0]);
    if (status == ATTN_OK)
        attn__select_groups_sort(s);
    return status;
}

/* Keys j0 to j1 - 1 of k_idx are those of a group; kept as runs. */
static int32_t fill_keys_of(struct attn__select *s, const struct given *t, int64_t group,
                            int64_t j0, int64_t j1, int64_t keys)
{
    struct attn__select_writer w = attn__select_row_begin(&s->rows, group);
    char where[ATTN__GROUP_WHERE];
    int64_t least = 0;
    for (int64_t e = j0; e < j1; e++) {
        int64_t j = attn__selection_parts_load(t->k_idx, e);
        if (j < least || j >= keys) {
            attn__select_groups_where(&s->groups, group, where);
            return attn__error_set(ATTN_ERR_RANGE,
                                   "selection: k_idx[%" PRId64 "] of %s is %" PRId64
                                   ", expected %" PRId64 " to %" PRId64
                                   ": the keys of a group rise",
                                   e, where, j, least, keys - 1);
        }
        attn__select_put(&w, j, 1, 0, false);
        least = j + 1;
    }
    attn__select_row_end(&w);
    return ATTN_OK;
}

static int32_t fill_keys(struct attn__select *s, const struct given *t, int64_t keys)
{
    int64_t all = t->k_idx->shape[0], before = attn__selection_parts_load(t->k_ptr, 0);
    int32_t status = ATTN_OK;
    if (before != 0 || attn__selection_parts_load(t->k_ptr, s->groups.n) != all)
        return attn__error_set(ATTN_ERR_RANGE,
                               "selection: k_ptr goes from %" PRId64 " to %" PRId64
                               ", expected 0 to the %" PRId64 " keys of k_idx",
                               before, attn__selection_parts_load(t->k_ptr, s->groups.n), all);
    attn__select_begin(&s->rows, 0);
    for (int64_t g = 0; g < s->groups.n && status == ATTN_OK; g++) {
        int64_t end = attn__selection_parts_load(t->k_ptr, g + 1);
        if (end < before || end > all)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "selection: k_ptr[%" PRId64 "] is %" PRId64
                                   ", expected %" PRId64 ", where group %" PRId64
                                   " begins, to %" PRId64,
                                   g + 1, end, before, g, all);
        status = fill_keys_of(s, t, g, before, end, keys);
        before = end;
    }
    return status == ATTN_OK ? attn__select_end(&s->rows, "selection") : status;
}

static int32_t check_exclusive(struct attn_selection *s)
{
    size_t bytes = (size_t)s->lists.rows.n_queries / 8 + 1;
    if (s->lists.groups.combine != ATTN_SELECTION_EXCLUSIVE)
        return ATTN_OK;
    uint8_t *seen = attn__mem_alloc(&s->ctx->mem, bytes, 64);
    if (!seen)
        return ATTN_ERR_NOMEM;
    int32_t status = attn__select_groups_check_exclusive(&s->lists, seen);
    attn__mem_free(&s->ctx->mem, seen, bytes);
    return status;
}

static int32_t fill(struct attn_selection *s, const struct given *t, int64_t keys)
{
    int32_t status = attn__selection_alloc_groups(s, t->q_idx->shape[0]);
    if (status == ATTN_OK)
        status = fill_groups(&s->lists, t);
    if (status == ATTN_OK)
        status = fill_keys(&s->lists, t, keys);
    s->lists.end_key = status == ATTN_OK ? attn__select_rows_end_key(&s->lists.rows) : 0;
    return status;
}

int32_t attn_selection_import_groups(attn_ctx *ctx, int64_t batch, int64_t heads, int64_t queries,
                                     int64_t keys, int32_t combine, double eps,
                                     const attn_arg *parts, size_t n_parts,
                                     attn_selection **selection)
{
    ATTN__CHECK_POINTER(selection);
    *selection = NULL;
    ATTN__CHECK_POINTER(ctx);
    if (n_parts > 0)
        ATTN__CHECK_POINTER(parts);
    const attn_tensor *t[ATTN__SELECTION_PARTS] = {NULL};
    struct given given = {.batch = NULL};
    struct attn__select_rows rows = {.n_batch = batch, .n_queries = queries};
    attn_selection *made = NULL;
    int32_t status = check_numbers(batch, heads, queries, keys, combine, eps);
    if (status == ATTN_OK)
        status = attn__selection_parts_collect(ATTN_SELECTION_GROUPS, parts, n_parts, t);
    if (status == ATTN_OK)
        status = check_parts(t, &given, &rows.rows);
    if (status != ATTN_OK)
        return status;
    rows.capacity = given.k_idx->shape[0];
    status = attn__selection_alloc(ctx, heads, &rows, false, false, &made);
    if (status != ATTN_OK)
        return status;
    status = fill(made, &given, keys);
    made->lists.groups.combine = combine;
    made->lists.groups.eps = eps;
    if (status == ATTN_OK)
        status = check_exclusive(made);
    if (status == ATTN_OK)
        *selection = made;
    else
        attn__selection_free(made);
    return status;
}
