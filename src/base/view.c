/* SPDX-License-Identifier: MIT */
/*
 * Checks of tensor views.
 */
#include "base/view.h"

#include <inttypes.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"

bool attn__view_is_empty(const attn_tensor *t)
{
    for (int32_t i = 0; i < t->rank; i++)
        if (t->shape[i] == 0)
            return true;
    return false;
}

int32_t attn__view_check(const char *name, const attn_tensor *t)
{
    int64_t size = (int64_t)attn__dtype_size(t->dtype);
    int64_t least = 0, greatest = 0;

    if (size == 0)
        return attn__error_set(ATTN_ERR_DTYPE,
                               "%s has dtype %" PRId32 " (%s), expected a type that tensors have",
                               name, t->dtype, attn__dtype_name(t->dtype));
    if (t->rank < 0 || t->rank > ATTN_TENSOR_MAX_RANK)
        return attn__error_set(ATTN_ERR_SHAPE, "%s has rank %" PRId32 ", expected 0 to %d", name,
                               t->rank, ATTN_TENSOR_MAX_RANK);
    for (int32_t i = 0; i < t->rank; i++)
        if (t->shape[i] < 0)
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "%s has extent %" PRId64 " in dimension %" PRId32
                                   ", expected 0 or more",
                                   name, t->shape[i], i);
    if (attn__view_is_empty(t))
        return ATTN_OK;
    for (int32_t i = 0; i < t->rank; i++) {
        int64_t reach, *side = t->stride[i] < 0 ? &least : &greatest;

        /* A dimension of one element goes nowhere, whatever its stride. */
        if (!attn__mul_i64(t->shape[i] - 1, t->shape[i] > 1 ? t->stride[i] : 0, &reach) ||
            !attn__mul_i64(reach, size, &reach) || !attn__add_i64(*side, reach, side))
            return attn__error_set(ATTN_ERR_STRIDE,
                                   "%s has stride %" PRId64 " in dimension %" PRId32
                                   ", expected byte offsets that fit in 64 bits",
                                   name, t->stride[i], i);
    }
    if (!t->data)
        return attn__error_set(ATTN_ERR_NULL,
                               "%s has elements but data is NULL, expected their memory", name);
    return ATTN_OK;
}

int32_t attn__view_check_output(const char *name, const attn_tensor *t)
{
    int32_t order[ATTN_TENSOR_MAX_RANK], n = 0;
    int64_t reach = 0;

    if (attn__view_is_empty(t))
        return ATTN_OK;
    for (int32_t i = 0; i < t->rank; i++) {
        int32_t at = n;

        if (t->shape[i] == 1)
            continue;
        while (at > 0 && t->stride[order[at - 1]] > t->stride[i]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
        n++;
    }
    for (int32_t j = 0; j < n; j++) {
        int32_t i = order[j];

        if (t->stride[i] <= reach)
            return attn__error_set(ATTN_ERR_STRIDE,
                                   "%s has stride %" PRId64 " in dimension %" PRId32
                                   ", expected more than %" PRId64
                                   ": elements of an output must not overlap",
                                   name, t->stride[i], i, reach);
        reach += (t->shape[i] - 1) * t->stride[i];
    }
    return ATTN_OK;
}

int32_t attn__view_check_real(const char *name, const attn_tensor *t, int32_t rank)
{
    if (t->dtype != ATTN_DTYPE_F32 && t->dtype != ATTN_DTYPE_F64 && t->dtype != ATTN_DTYPE_F16 &&
        t->dtype != ATTN_DTYPE_BF16)
        return attn__error_set(ATTN_ERR_DTYPE,
                               "%s has dtype %" PRId32 " (%s), expected f32, f64, f16 or bf16",
                               name, t->dtype, attn__dtype_name(t->dtype));
    if (t->rank != rank)
        return attn__error_set(ATTN_ERR_SHAPE, "%s has rank %" PRId32 ", expected %" PRId32, name,
                               t->rank, rank);
    return attn__view_check(name, t);
}
