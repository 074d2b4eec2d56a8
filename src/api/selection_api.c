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
#include "base/checked.h"
#include "base/dtype.h"
#include "base/view.h"
#include "mech/select_attend.h"
#include "plan/plan.h"
#include "state/selection_object.h"

/* What a part holds, as attn_selection.h says. */
enum kind { INDEX, REAL, FLAG };

static const struct part {
    int32_t number;
    const char *name;
    enum kind kind;
    int32_t dtype; /* of the object's array */
} parts_of_rows[] = {
    {ATTN_SELECTION_PART_ROW_PTR, "row_ptr", INDEX, ATTN_DTYPE_I64},
    {ATTN_SELECTION_PART_START, "start", INDEX, ATTN_DTYPE_I32},
    {ATTN_SELECTION_PART_LENGTH, "length", INDEX, ATTN_DTYPE_I32},
    {ATTN_SELECTION_PART_LOGIT, "logit", REAL, ATTN_DTYPE_F32},
    {ATTN_SELECTION_PART_REPLACE, "replace", FLAG, ATTN_DTYPE_U8},
};

enum { PARTS = 5 };

static int32_t check_object(const attn_selection *s)
{
    if (s->lists.tag == ATTN__SELECT_TAG)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID,
                           "selection is no attn_selection, or one that was destroyed");
}

static int32_t check_type(const struct part *p, const attn_tensor *t)
{
    static const int32_t types[][2] = {[INDEX] = {ATTN_DTYPE_I32, ATTN_DTYPE_I64},
                                       [REAL] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64},
                                       [FLAG] = {ATTN_DTYPE_U8, ATTN_DTYPE_BOOL}};
    if (t->dtype == types[p->kind][0] || t->dtype == types[p->kind][1])
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected %s or %s", p->name,
                           attn__dtype_name(t->dtype), attn__dtype_name(types[p->kind][0]),
                           attn__dtype_name(types[p->kind][1]));
}

static int32_t check_extent(const struct part *p, const attn_tensor *t, int64_t n)
{
    if (t->rank != 1)
        return attn__error_set(ATTN_ERR_SHAPE, "%s has rank %d, expected 1", p->name,
                               (int)t->rank);
    if (t->shape[0] == n)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE, "%s has %" PRId64 " elements, expected %" PRId64,
                           p->name, t->shape[0], n);
}

/* ---- import ---- */

/* The caller's tensors in the order of the table; NULL: not given. */
static int32_t collect(const attn_arg *args, size_t n_args, const attn_tensor *found[PARTS])
{
    for (size_t n = 0; n < n_args; n++) {
        size_t at = 0;
        while (at < PARTS && parts_of_rows[at].number != args[n].role)
            at++;
        if (at == PARTS)
            return attn__error_set(ATTN_ERR_ROLE, "parts[%zu].role is %d, expected 1 to %d", n,
                                   (int)args[n].role, PARTS);
        const char *name = parts_of_rows[at].name;
        if (args[n].zero != 0)
            return attn__error_set(ATTN_ERR_INVALID, "parts[%zu].zero is %d, expected 0", n,
                                   (int)args[n].zero);
        if (found[at])
            return attn__error_set(ATTN_ERR_ROLE, "part %s is given twice", name);
        if (!args[n].object)
            return attn__error_set(ATTN_ERR_NULL, "the object of part %s is NULL", name);
        found[at] = args[n].object;
        int32_t status = attn__view_check(name, found[at]);
        if (status == ATTN_OK)
            status = check_type(&parts_of_rows[at], found[at]);
        if (status != ATTN_OK)
            return status;
    }
    return ATTN_OK;
}

/* The parts that there must be, and their extents. */
static int32_t check_parts(const attn_tensor *const t[PARTS], int64_t rows, int64_t k_block,
                           int64_t *entries)
{
    enum { ROW_PTR, START, LENGTH, LOGIT, REPLACE };
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
    int32_t status = check_extent(&parts_of_rows[ROW_PTR], t[ROW_PTR], rows + 1);
    *entries = t[START]->rank == 1 ? t[START]->shape[0] : 0;
    for (int n = START; n < PARTS && status == ATTN_OK; n++)
        if (t[n])
            status = check_extent(&parts_of_rows[n], t[n], *entries);
    return status;
}

static int64_t load_i64(const attn_tensor *t, int64_t n)
{
    return attn__load_i64(t->data, n * t->stride[0], t->dtype);
}

static int32_t copy_i32(const struct part *p, const attn_tensor *t, int32_t *to)
{
    for (int64_t n = 0; n < t->shape[0]; n++) {
        int64_t x = load_i64(t, n);
        if (x < INT32_MIN || x > INT32_MAX)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "%s[%" PRId64 "] is %" PRId64 ", expected 0 to %d", p->name, n,
                                   x, INT32_MAX);
        to[n] = (int32_t)x;
    }
    return ATTN_OK;
}

static int32_t fill(struct attn__select_rows *s, const attn_tensor *const t[PARTS], int64_t keys,
                    int64_t k_block)
{
    int32_t status = copy_i32(&parts_of_rows[1], t[1], s->start);
    for (int64_t r = 0; r <= s->rows; r++)
        s->row_ptr[r] = load_i64(t[0], r);
    if (status == ATTN_OK && t[2])
        status = copy_i32(&parts_of_rows[2], t[2], s->length);
    s->n = s->capacity;
    for (int64_t e = 0; e < s->n && status == ATTN_OK; e++) {
        if (!t[2]) /* 0 for a start that is none: refused */
            s->length[e] = s->start[e] < 0 || s->start[e] >= keys
                               ? 0
                               : (int32_t)attn__min_i64(attn__min_i64(k_block, INT32_MAX),
                                                        keys - s->start[e]);
        if (s->logit)
            s->logit[e] = (float)attn__load_f64(t[3]->data, e * t[3]->stride[0], t[3]->dtype);
        if (s->replace)
            s->replace[e] = ((const uint8_t *)t[4]->data)[e * t[4]->stride[0]] != 0;
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
        status = collect(parts, n_parts, t);
    if (status == ATTN_OK)
        status = check_parts(t, rows.rows, k_block, &rows.capacity);
    attn_selection *made = NULL;
    if (status == ATTN_OK)
        status = attn__selection_alloc(ctx, heads, &rows, t[3] != NULL, t[4] != NULL, &made);
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
    int32_t status = attn__select_attend_rows(p, attn__max_i64(p->b, 1), p->q, &rows);
    if (status == ATTN_OK)
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

int32_t attn_selection_get_i64(const attn_selection *selection, int32_t number, int64_t *value)
{
    ATTN__CHECK_POINTER(selection);
    ATTN__CHECK_POINTER(value);
    int32_t status = check_object(selection);
    if (status != ATTN_OK)
        return status;
    const struct attn__select_rows *r = &selection->lists.rows;
    switch (number) {
    case ATTN_SELECTION_LAYOUT:
        *value = selection->lists.layout;
        return ATTN_OK;
    case ATTN_SELECTION_BATCH:
        *value = r->n_batch;
        return ATTN_OK;
    case ATTN_SELECTION_HEADS:
        *value = selection->lists.heads;
        return ATTN_OK;
    case ATTN_SELECTION_QUERIES:
        *value = r->n_queries;
        return ATTN_OK;
    case ATTN_SELECTION_END_KEY:
        *value = selection->lists.end_key;
        return ATTN_OK;
    case ATTN_SELECTION_HEAD_GROUP:
        *value = r->head_group;
        return ATTN_OK;
    case ATTN_SELECTION_Q_BLOCK:
        *value = r->q_block;
        return ATTN_OK;
    case ATTN_SELECTION_ROW_COUNT:
        *value = r->rows;
        return ATTN_OK;
    case ATTN_SELECTION_ENTRIES:
        *value = r->n;
        return ATTN_OK;
    case ATTN_SELECTION_KEYS_LISTED:
        *value = keys_listed(r);
        return ATTN_OK;
    case ATTN_SELECTION_HAS_LOGIT:
        *value = r->logit != NULL;
        return ATTN_OK;
    case ATTN_SELECTION_HAS_REPLACE:
        *value = r->replace != NULL;
        return ATTN_OK;
    case ATTN_SELECTION_EMPTY_ROWS:
        *value = empty_rows(r);
        return ATTN_OK;
    default:
        return attn__error_set(ATTN_ERR_INVALID, "number is %d, expected ATTN_SELECTION_*",
                               (int)number);
    }
}

/* The array of a part and its extent. */
static int32_t find_part(const attn_selection *s, int32_t part, const struct part **p,
                         const void **data, int64_t *n)
{
    const struct attn__select_rows *r = &s->lists.rows;
    const void *const arrays[PARTS] = {r->row_ptr, r->start, r->length, r->logit, r->replace};
    int32_t status = check_object(s);
    if (status != ATTN_OK)
        return status;
    if (part < 1 || part > PARTS)
        return attn__error_set(ATTN_ERR_INVALID, "part is %d, expected ATTN_SELECTION_PART_*",
                               (int)part);
    *p = &parts_of_rows[part - 1];
    *data = arrays[part - 1];
    *n = part == ATTN_SELECTION_PART_ROW_PTR ? r->rows + 1 : r->n;
    if (!*data)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "part is %s, which this selection does not have", (*p)->name);
    return ATTN_OK;
}

int32_t attn_selection_shape(const attn_selection *selection, int32_t part, attn_tensor *shape)
{
    ATTN__CHECK_POINTER(selection);
    ATTN__CHECK_POINTER(shape);
    const struct part *p = NULL;
    const void *data = NULL;
    int64_t n = 0;
    int32_t status = find_part(selection, part, &p, &data, &n);
    return status == ATTN_OK ? attn_tensor_init(shape, NULL, p->dtype, 1, &n) : status;
}

int32_t attn_selection_export(const attn_selection *selection, int32_t part,
                              const attn_tensor *tensor)
{
    ATTN__CHECK_POINTER(selection);
    ATTN__CHECK_POINTER(tensor);
    const struct part *p = NULL;
    const void *data = NULL;
    int64_t n = 0;
    int32_t status = find_part(selection, part, &p, &data, &n);
    if (status == ATTN_OK)
        status = attn__view_check(p->name, tensor);
    if (status == ATTN_OK)
        status = check_type(p, tensor);
    if (status == ATTN_OK)
        status = check_extent(p, tensor, n);
    if (status == ATTN_OK)
        status = attn__view_check_output(p->name, tensor);
    if (status != ATTN_OK)
        return status;
    /* pointers rise: the last one tells of all */
    if (p->kind == INDEX && tensor->dtype == ATTN_DTYPE_I32 && n > 0 &&
        attn__load_i64(data, n - 1, p->dtype) > INT32_MAX)
        return attn__error_set(ATTN_ERR_RANGE,
                               "%s has dtype i32, expected i64 for an entry of %" PRId64, p->name,
                               attn__load_i64(data, n - 1, p->dtype));
    for (int64_t e = 0; e < n; e++) {
        int64_t at = e * tensor->stride[0];
        if (p->kind == INDEX)
            attn__store_i64(tensor->data, at, tensor->dtype, attn__load_i64(data, e, p->dtype));
        else if (p->kind == REAL)
            attn__store_f64(tensor->data, at, tensor->dtype, attn__load_f64(data, e, p->dtype));
        else
            ((uint8_t *)tensor->data)[at] = ((const uint8_t *)data)[e];
    }
    return ATTN_OK;
}
