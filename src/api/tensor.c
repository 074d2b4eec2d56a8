/* SPDX-License-Identifier: MIT */
/*
 * Tensor views and element types.
 */
#include <attn/tensor.h>

#include <inttypes.h>

#include "api/api_check.h"
#include "base/checked.h"
#include "base/dtype.h"

int32_t attn_tensor_init(attn_tensor *tensor, void *data, int32_t dtype, int32_t rank,
                         const int64_t *shape)
{
    attn_tensor t = {.data = data, .dtype = dtype, .rank = rank};
    int64_t size = (int64_t)attn__dtype_size(dtype), elements = 1, bytes;

    ATTN__CHECK_POINTER(tensor);
    if (size == 0)
        return attn__error_set(ATTN_ERR_DTYPE,
                               "dtype is %" PRId32 " (%s), expected a type that tensors have",
                               dtype, attn__dtype_name(dtype));
    if (rank < 0 || rank > ATTN_TENSOR_MAX_RANK)
        return attn__error_set(ATTN_ERR_SHAPE, "rank is %" PRId32 ", expected 0 to %d", rank,
                               ATTN_TENSOR_MAX_RANK);
    if (rank > 0)
        ATTN__CHECK_POINTER(shape);

    for (int32_t i = rank - 1; i >= 0; i--) {
        if (shape[i] < 0)
            return attn__error_set(ATTN_ERR_SHAPE,
                                   "shape[%" PRId32 "] is %" PRId64 ", expected 0 or more", i,
                                   shape[i]);
        t.shape[i] = shape[i];
        t.stride[i] = elements;
        /* An extent of 0 counts as 1 here: the strides of a tensor without
         * elements are those of one that has some. */
        if (!attn__mul_i64(elements, attn__max_i64(shape[i], 1), &elements) ||
            !attn__mul_i64(elements, size, &bytes))
            return attn__error_set(ATTN_ERR_OVERFLOW,
                                   "shape[%" PRId32 "] is %" PRId64
                                   ", expected a tensor whose bytes fit in 64 bits",
                                   i, shape[i]);
    }
    *tensor = t;
    return ATTN_OK;
}

size_t attn_dtype_size(int32_t dtype)
{
    return attn__dtype_size(dtype);
}

size_t attn_dtype_row_size(int32_t dtype, int64_t n)
{
    return attn__dtype_row(dtype, n);
}

const char *attn_dtype_name(int32_t dtype)
{
    return attn__dtype_size(dtype) || attn__dtype_stored(dtype) ? attn__dtype_name(dtype) : NULL;
}
