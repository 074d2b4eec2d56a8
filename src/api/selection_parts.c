/* SPDX-License-Identifier: MIT */
/*
 * Parts of selections as tensors.
 */
#include "api/selection_parts.h"

#include <inttypes.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/view.h"

#define PART(part, layout, name, kind, dtype)                                                     \
    [ATTN_SELECTION_PART_##part - 1] = {ATTN_SELECTION_PART_##part, ATTN_SELECTION_##layout,      \
                                        name, ATTN__SELECTION_##kind, ATTN_DTYPE_##dtype}

const struct attn__selection_part attn__selection_parts_table[ATTN__SELECTION_PARTS] = {
    PART(ROW_PTR, ROWS, "row_ptr", INDEX, I64), PART(START, ROWS, "start", INDEX, I32),
    PART(LENGTH, ROWS, "length", INDEX, I32),   PART(LOGIT, ROWS, "logit", REAL, F32),
    PART(REPLACE, ROWS, "replace", FLAG, U8),   PART(G_BATCH, GROUPS, "g_batch", INDEX, I32),
    PART(G_HEAD, GROUPS, "g_head", INDEX, I32), PART(Q_PTR, GROUPS, "q_ptr", INDEX, I64),
    PART(K_PTR, GROUPS, "k_ptr", INDEX, I64),   PART(Q_IDX, GROUPS, "q_idx", INDEX, I32),
    PART(K_IDX, GROUPS, "k_idx", INDEX, I32),
};

/* The part of a layout that has a number, or NULL. */
static const struct attn__selection_part *find(int32_t layout, int32_t number)
{
    if (number < 1 || number > ATTN__SELECTION_PARTS ||
        attn__selection_parts_table[number - 1].layout != layout)
        return NULL;
    return &attn__selection_parts_table[number - 1];
}

int32_t attn__selection_parts_check_type(int32_t part, const attn_tensor *t)
{
    static const int32_t types[][2] = {
        [ATTN__SELECTION_INDEX] = {ATTN_DTYPE_I32, ATTN_DTYPE_I64},
        [ATTN__SELECTION_REAL] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64},
        [ATTN__SELECTION_FLAG] = {ATTN_DTYPE_U8, ATTN_DTYPE_BOOL}};
    const struct attn__selection_part *p = &attn__selection_parts_table[part - 1];
    if (t->dtype == types[p->kind][0] || t->dtype == types[p->kind][1])
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected %s or %s", p->name,
                           attn__dtype_name(t->dtype), attn__dtype_name(types[p->kind][0]),
                           attn__dtype_name(types[p->kind][1]));
}

int32_t attn__selection_parts_check_extent(int32_t part, const attn_tensor *t, int64_t n)
{
    const char *name = attn__selection_parts_table[part - 1].name;
    if (t->rank != 1)
        return attn__error_set(ATTN_ERR_SHAPE, "%s has rank %d, expected 1", name, (int)t->rank);
    if (t->shape[0] == n)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE, "%s has %" PRId64 " elements, expected %" PRId64, name,
                           t->shape[0], n);
}

static int32_t bad_number(int32_t layout, size_t n, int32_t number)
{
    int32_t first = ATTN__SELECTION_PARTS, last = 1;
    for (int32_t p = 1; p <= ATTN__SELECTION_PARTS; p++) {
        first = find(layout, p) && p < first ? p : first;
        last = find(layout, p) ? p : last;
    }
    return attn__error_set(ATTN_ERR_ROLE, "parts[%zu].role is %d, expected %d to %d", n,
                           (int)number, (int)first, (int)last);
}

int32_t attn__selection_parts_collect(int32_t layout, const attn_arg *args, size_t n_args,
                                      const attn_tensor *found[ATTN__SELECTION_PARTS])
{
    for (size_t n = 0; n < n_args; n++) {
        const struct attn__selection_part *p = find(layout, args[n].role);
        if (!p)
            return bad_number(layout, n, args[n].role);
        if (args[n].zero != 0)
            return attn__error_set(ATTN_ERR_INVALID, "parts[%zu].zero is %d, expected 0", n,
                                   (int)args[n].zero);
        if (found[p->number - 1])
            return attn__error_set(ATTN_ERR_ROLE, "part %s is given twice", p->name);
        if (!args[n].object)
            return attn__error_set(ATTN_ERR_NULL, "the object of part %s is NULL", p->name);
        const attn_tensor *t = args[n].object;
        int32_t status = attn__view_check(p->name, t);
        if (status == ATTN_OK)
            status = attn__selection_parts_check_type(p->number, t);
        if (status != ATTN_OK)
            return status;
        found[p->number - 1] = t;
    }
    return ATTN_OK;
}

int64_t attn__selection_parts_load(const attn_tensor *t, int64_t n)
{
    return attn__load_i64(t->data, n * t->stride[0], t->dtype);
}

int32_t attn__selection_parts_copy(int32_t part, const attn_tensor *t, int32_t *to)
{
    for (int64_t n = 0; n < t->shape[0]; n++) {
        int64_t x = attn__selection_parts_load(t, n);
        if (x < INT32_MIN || x > INT32_MAX)
            return attn__error_set(ATTN_ERR_RANGE,
                                   "%s[%" PRId64 "] is %" PRId64 ", expected 0 to %d",
                                   attn__selection_parts_table[part - 1].name, n, x, INT32_MAX);
        to[n] = (int32_t)x;
    }
    return ATTN_OK;
}
