/* SPDX-License-Identifier: MIT */
/*
 * attn_selection_*: the caller's lists in and out, and room for those of plans.
 * What comes in may be anything: tensors are checked, then copied, then the
 * lists are looked at.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include <attn/attn.h>

#include "api/api_check.h"
#include "api/selection_parts.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/view.h"
#include "mech/select_attend.h"
#include "plan/plan.h"
#include "state/selection_object.h"

enum { PARTS = ATTN__SELECTION_PARTS };

static int32_t check_object(const attn_selection *s)
{
    if (s->lists.tag == ATTN__SELECT_TAG)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID,
                           "selection is no attn_selection, or one that was destroyed");
}

/* ---- import ---- */

/* Places of the parts of rows. */
enum { ROW_PTR, START, LENGTH, LOGIT, REPLACE, OF_ROWS };

/* The parts that there must be, and their extents. */
static int32_t check_parts(const attn_tensor *const t[PARTS], int64_t rows, int64_t k_block,
                           int64_t *entries)
{
    if (!t[ROW_PTR] || !t[START])
        return attn__error_set(ATTN_ERR_ROLE, "part %s is missing",
                               t[ROW_PTR] ? "start" : "row_ptr");
    if (!t[LENGTH] && k_block < 1)
        return attn__error_set(ATTN_ERR_INVALID,
                               "k_block is %" PRId64 " without part length, expected 1 or more",
                               k_block);
    if (t[LENGTH] && k_block != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "k_block is %" PRId64 " with part length, expected 0", k_block);
    if (t[REPLACE] && !t[LOGIT])
        return attn__error_set(ATTN_ERR_INVALID,
                               "part replace is given without logit, expected both");
    int32_t status = attn__selection_parts_check_extent(ROW_PTR + 1, t[ROW_PTR], rows + 1);
    *entries = t[START]->rank == 1 ? t[START]->shape[0] : 0;
    for (int n = START; n < OF_ROWS && status == ATTN_OK; n++)
        if (t[n])
            status = attn__selection_parts_check_extent(n + 1, t[n], *entries);
    return status;
}

static int32_t fill(struct attn__select_rows *s, const attn_tensor *const t[PARTS], int64_t keys,
                    int64_t k_block)
{
    int32_t status = attn__selection_parts_copy(ATTN_SELECTION_PART_START, t[START], s->start);
    for (int64_t r = 0; r <= s->rows; r++)
        s->row_ptr[r] = attn__selection_parts_load(t[ROW_PTR], r);
    if (status == ATTN_OK && t[LENGTH])
        status = attn__selection_parts_copy(ATTN_SELECTION_PART_LENGTH, t[LENGTH], s->length);
    s->n = s->capacity;
    for (int64_t e = 0; e < s->n && status == ATTN_OK; e++) {
        if (!t[LENGTH]) /* 0 for a start that is none: refused */
            s->length[e] = s->start[e] < 0 || s->start[e] >= keys
                               ? 0
                               : (int32_t)attn__min_i64(attn__min_i64(k_block, INT32_MAX),
                                                        keys - s->start[e]);
        if (s->logit)
            s->logit[e] = (float)attn__load_f64(t[LOGIT]->data, e * t[LOGIT]->stride[0],
                                                t[LOGIT]->dtype);
        if (s->replace)
            s->replace[e] =
                ((const uint8_t *)t[REPLACE]->data)[e * t[REPLACE]->stride[0]] != 0;
    }
    return status == ATTN_OK ? attn__select_rows_check(s, keys, "selection") : status;
}

int32_t attn_selection_import_rows(attn_ctx *ctx, int64_t batch, int64_t heads,
                                   int64_t head_group, int64_t queries, int64_t q_block,
                                   int64_t keys, int64_t k_block, const attn_arg *parts,
                                   size_t n_parts, attn_selection **selection)
{
    ATTN__CHECK_POINTER(selection);
    *selection = NULL;
    ATTN__CHECK_POINTER(ctx);
    if (n_parts > 0)
        ATTN__CHECK_POINTER(parts);
    if (keys < 0 || keys > INT32_MAX)
        return attn__error_set(ATTN_ERR_INVALID, "keys is %" PRId64 ", expected 0 to %d", keys,
                               INT32_MAX);
    struct attn__select_rows rows = {.n_batch = batch, .head_group = head_group,
                                     .n_queries = queries, .q_block = q_block};
    const attn_tensor *t[PARTS] = {NULL};
    int32_t status = attn__select_rows_shape(&rows, heads, "selection");
    if (status == ATTN_OK)
        status = attn__selection_parts_collect(ATTN_SELECTION_ROWS, parts, n_parts, t);
    if (status == ATTN_OK)
        status = check_parts(t, rows.rows, k_block, &rows.capacity);
    attn_selection *made = NULL;
    if (status == ATTN_OK)
        status = attn__selection_alloc(ctx, heads, &rows, t[LOGIT] != NULL, t[REPLACE] != NULL,
                                       &made);
    if (status == ATTN_OK)
        status = fill(&made->lists.rows, t, keys, k_block);
    if (status == ATTN_OK) {
        made->lists.end_key = attn__select_rows_end_key(&made->lists.rows);
        *selection = made;
    } else if (made) {
        attn__selection_free(made);
    }
    return status;
}

/* ---- for plans ---- */

int32_t attn_selection_create(attn_ctx *ctx, const attn_plan *plan, attn_selection **selection)
{
    ATTN__CHECK_POINTER(selection);
    *selection = NULL;
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(plan);
    const struct attn__problem *p = &plan->problem;
    struct attn__select_rows rows;
    attn_selection *made = NULL;
    if (p->takes[ATTN__SLOT_SELECTION_OUT] == ATTN__TAKES_NOT)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "plan takes no selection_out: %s; expected select=only", p->text);
    bool groups = p->select.groups > 0;
    int32_t status = groups ? attn__selection_make_groups(ctx, p, &made)
                            : attn__select_attend_rows(p, attn__max_i64(p->b, 1), p->q, &rows);
    if (status == ATTN_OK && !groups)
        status = attn__selection_alloc(ctx, p->hout, &rows, p->pooled.logits, p->pooled.logits,
                                       &made);
    if (status != ATTN_OK)
        return status;
    made->for_plans = true;
    attn__selection_empty(made);
    *selection = made;
    return ATTN_OK;
}

void attn_selection_destroy(attn_selection *selection)
{
    if (selection && selection->lists.tag == ATTN__SELECT_TAG)
        attn__selection_free(selection);
}

/* ---- looking ---- */

static int64_t keys_listed(const struct attn__select_rows *r)
{
    int64_t sum = 0;
    for (int64_t e = 0; e < r->n; e++)
        sum += r->length[e];
    return sum;
}

static int64_t empty_rows(const struct attn__select_rows *r)
{
    int64_t n = 0;
    for (int64_t row = 0; row < r->rows; row++)
        n += r->row_ptr[row] == r->row_ptr[row + 1];
    return n;
}

static int32_t no_number(int32_t number)
{
    return attn__error_set(ATTN_ERR_INVALID, "number is %d, expected ATTN_SELECTION_*",
                           (int)number);
}

static int32_t other_layout(const struct attn__select *s, int32_t number)
{
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "number is %d, which a selection of %s does not have", (int)number,
                           s->layout == ATTN_SELECTION_GROUPS ? "groups" : "rows");
}

/* What only rows have. */
static int64_t number_of_rows(const struct attn__select_rows *r, int32_t number)
{
    switch (number) {
    case ATTN_SELECTION_HEAD_GROUP:
        return r->head_group;
    case ATTN_SELECTION_Q_BLOCK:
        return r->q_block;
    case ATTN_SELECTION_ROW_COUNT:
        return r->rows;
    case ATTN_SELECTION_ENTRIES:
        return r->n;
    case ATTN_SELECTION_HAS_LOGIT:
        return r->logit != NULL;
    case ATTN_SELECTION_HAS_REPLACE:
        return r->replace != NULL;
    default:
        return empty_rows(r);
    }
}

static int64_t number_of_groups(const struct attn__select_groups *g, int32_t number)
{
    return number == ATTN_SELECTION_GROUP_COUNT ? g->n
           : number == ATTN_SELECTION_COMBINE   ? g->combine
                                                : g->q_ptr[g->n];
}

int32_t attn_selection_get_i64(const attn_selection *selection, int32_t number, int64_t *value)
{
    ATTN__CHECK_POINTER(selection);
    ATTN__CHECK_POINTER(value);
    int32_t status = check_object(selection);
    if (status != ATTN_OK)
        return status;
    const struct attn__select *s = &selection->lists;
    bool groups = s->layout == ATTN_SELECTION_GROUPS;
    switch (number) {
    case ATTN_SELECTION_LAYOUT:
        *value = s->layout;
        return ATTN_OK;
    case ATTN_SELECTION_BATCH:
        *value = s->rows.n_batch;
        return ATTN_OK;
    case ATTN_SELECTION_HEADS:
        *value = s->heads;
        return ATTN_OK;
    case ATTN_SELECTION_QUERIES:
        *value = s->rows.n_queries;
        return ATTN_OK;
    case ATTN_SELECTION_END_KEY:
        *value = s->end_key;
        return ATTN_OK;
    case ATTN_SELECTION_KEYS_LISTED:
        *value = keys_listed(&s->rows);
        return ATTN_OK;
    default:
        break;
    }
    if (number < ATTN_SELECTION_LAYOUT || number > ATTN_SELECTION_QUERIES_LISTED)
        return no_number(number);
    if (groups != (number >= ATTN_SELECTION_GROUP_COUNT))
        return other_layout(s, number);
    *value = groups ? number_of_groups(&s->groups, number) : number_of_rows(&s->rows, number);
    return ATTN_OK;
}

int32_t attn_selection_get_f64(const attn_selection *selection, int32_t number, double *value)
{
    ATTN__CHECK_POINTER(selection);
    ATTN__CHECK_POINTER(value);
    int32_t status = check_object(selection);
    if (status != ATTN_OK)
        return status;
    if (number != ATTN_SELECTION_EPS)
        return no_number(number);
    if (selection->lists.layout != ATTN_SELECTION_GROUPS)
        return other_layout(&selection->lists, number);
    *value = selection->lists.groups.eps;
    return ATTN_OK;
}

/* A part as an array, with its extent. */
struct held {
    const struct attn__selection_part *part;
    const void *data; /* NULL: keys of groups, which are kept as runs */
    int64_t n;
};

/* Is it an array of the object? K_PTR and K_IDX are made of runs of keys. */
static bool is_kept(const struct attn__selection_part *p)
{
    return p->number != ATTN_SELECTION_PART_K_PTR && p->number != ATTN_SELECTION_PART_K_IDX;
}

static int64_t extent_of(const struct attn__select *s, int32_t part)
{
    switch (part) {
    case ATTN_SELECTION_PART_ROW_PTR:
        return s->rows.rows + 1;
    case ATTN_SELECTION_PART_G_BATCH:
    case ATTN_SELECTION_PART_G_HEAD:
        return s->groups.n;
    case ATTN_SELECTION_PART_Q_PTR:
    case ATTN_SELECTION_PART_K_PTR:
        return s->groups.n + 1;
    case ATTN_SELECTION_PART_Q_IDX:
        return s->groups.q_ptr[s->groups.n];
    case ATTN_SELECTION_PART_K_IDX:
        return keys_listed(&s->rows);
    default:
        return s->rows.n;
    }
}

static int32_t find_part(const attn_selection *selection, int32_t part, struct held *held)
{
    const struct attn__select *s = &selection->lists;
    const struct attn__select_rows *r = &s->rows;
    const struct attn__select_groups *g = &s->groups;
    const void *const arrays[PARTS] = {r->row_ptr, r->start, r->length, r->logit, r->replace,
                                       g->batch,   g->head,  g->q_ptr,  NULL,     g->query,
                                       NULL};
    int32_t status = check_object(selection);
    if (status != ATTN_OK)
        return status;
    if (part < 1 || part > PARTS)
        return attn__error_set(ATTN_ERR_INVALID, "part is %d, expected ATTN_SELECTION_PART_*",
                               (int)part);
    *held = (struct held){.part = &attn__selection_parts_table[part - 1],
                          .data = arrays[part - 1]};
    if (held->part->layout != s->layout || (!held->data && is_kept(held->part)))
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "part is %s, which this selection does not have",
                               held->part->name);
    held->n = extent_of(s, part);
    return ATTN_OK;
}

int32_t attn_selection_shape(const attn_selection *selection, int32_t part, attn_tensor *shape)
{
    ATTN__CHECK_POINTER(selection);
    ATTN__CHECK_POINTER(shape);
    struct held held = {NULL, NULL, 0};
    int32_t status = find_part(selection, part, &held);
    return status == ATTN_OK ? attn_tensor_init(shape, NULL, held.part->dtype, 1, &held.n)
                             : status;
}

/* K_PTR and K_IDX from the runs of keys. */
static void export_runs(const struct attn__select_rows *r, int32_t part, const attn_tensor *t)
{
    int64_t keys = 0;
    bool ends = part == ATTN_SELECTION_PART_K_PTR;
    if (ends)
        attn__store_i64(t->data, 0, t->dtype, 0);
    for (int64_t g = 0; g < r->rows; g++) {
        for (int64_t e = r->row_ptr[g]; e < r->row_ptr[g + 1]; e++)
            for (int64_t j = 0; j < r->length[e]; j++, keys++)
                if (!ends)
                    attn__store_i64(t->data, keys * t->stride[0], t->dtype, r->start[e] + j);
        if (ends)
            attn__store_i64(t->data, (g + 1) * t->stride[0], t->dtype, keys);
    }
}

/* The largest number of a part that counts entries. */
static int64_t largest(const struct attn__select *s, int32_t part)
{
    switch (part) {
    case ATTN_SELECTION_PART_ROW_PTR:
        return s->rows.n;
    case ATTN_SELECTION_PART_Q_PTR:
        return s->groups.q_ptr[s->groups.n];
    case ATTN_SELECTION_PART_K_PTR:
        return keys_listed(&s->rows);
    default:
        return 0;
    }
}

int32_t attn_selection_export(const attn_selection *selection, int32_t part,
                              const attn_tensor *tensor)
{
    ATTN__CHECK_POINTER(selection);
    ATTN__CHECK_POINTER(tensor);
    struct held held = {NULL, NULL, 0};
    int32_t status = find_part(selection, part, &held);
    if (status != ATTN_OK)
        return status;
    const struct attn__selection_part *p = held.part;
    status = attn__view_check(p->name, tensor);
    if (status == ATTN_OK)
        status = attn__selection_parts_check_type(part, tensor);
    if (status == ATTN_OK)
        status = attn__selection_parts_check_extent(part, tensor, held.n);
    if (status == ATTN_OK)
        status = attn__view_check_output(p->name, tensor);
    if (status != ATTN_OK)
        return status;
    if (tensor->dtype == ATTN_DTYPE_I32 && largest(&selection->lists, part) > INT32_MAX)
        return attn__error_set(ATTN_ERR_RANGE,
                               "%s has dtype i32, expected i64 for a number of %" PRId64, p->name,
                               largest(&selection->lists, part));
    if (!is_kept(p)) {
        export_runs(&selection->lists.rows, part, tensor);
        return ATTN_OK;
    }
    for (int64_t e = 0; e < held.n; e++) {
        int64_t at = e * tensor->stride[0];
        if (p->kind == ATTN__SELECTION_INDEX)
            attn__store_i64(tensor->data, at, tensor->dtype,
                            attn__load_i64(held.data, e, p->dtype));
        else if (p->kind == ATTN__SELECTION_REAL)
            attn__store_f64(tensor->data, at, tensor->dtype,
                            attn__load_f64(held.data, e, p->dtype));
        else
            ((uint8_t *)tensor->data)[at] = ((const uint8_t *)held.data)[e];
    }
    return ATTN_OK;
}
