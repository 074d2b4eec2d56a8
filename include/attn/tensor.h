/* SPDX-License-Identifier: MIT */
/*
 * Element types and the tensor view. Both are frozen: if a view must ever
 * say more, it will be a new type.
 */
#ifndef ATTN_TENSOR_H
#define ATTN_TENSOR_H

#include <attn/version.h>

/* Element types. f16 is IEEE binary16, bf16 the upper half of an f32. */
enum {
    ATTN_DTYPE_F32 = 1,
    ATTN_DTYPE_F64 = 2,
    ATTN_DTYPE_F16 = 3,
    ATTN_DTYPE_BF16 = 4,
    ATTN_DTYPE_I32 = 5,
    ATTN_DTYPE_I64 = 6,
    ATTN_DTYPE_U8 = 7,
    ATTN_DTYPE_BOOL = 8 /* one byte, any non-zero value is true */
};

#define ATTN_TENSOR_MAX_RANK 8

/* "No limit" where a parameter takes an int64; written `inf` in strings. */
#define ATTN_UNBOUNDED INT64_MIN

/*
 * A view of caller-owned memory. The element at index (i0, i1, ...) is
 * data[i0 * stride[0] + i1 * stride[1] + ...], strides in elements. `shape`
 * is always the logical one of the role ([B, H, N, D] for Q, K, V, OUT): the
 * memory order is told by the strides alone (BHND, BNHD, a slice of a packed
 * QKV buffer). Stride 0 repeats an element; negative strides are fine for
 * inputs. Entries past `rank` are ignored. An output must not have two
 * indices at one address. `data` may be NULL if the tensor has no element.
 */
typedef struct attn_tensor {
    void *data;
    int32_t dtype;
    int32_t rank;
    int64_t shape[ATTN_TENSOR_MAX_RANK];
    int64_t stride[ATTN_TENSOR_MAX_RANK];
} attn_tensor;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Fills *tensor as a dense row-major view: strides are the running products
 * of `shape` from the last dimension (an extent of 0 counts as 1). data: the
 * caller's memory; dtype: ATTN_DTYPE_*; rank: 0 to 8; shape[rank].
 * ATTN_ERR_NULL (tensor, or shape with rank > 0), ATTN_ERR_DTYPE,
 * ATTN_ERR_SHAPE (rank out of range, negative extent), ATTN_ERR_OVERFLOW.
 * Any thread. Since 0.1.
 */
ATTN_API int32_t attn_tensor_init(attn_tensor *tensor, void *data,
                                  int32_t dtype, int32_t rank,
                                  const int64_t *shape);

/*
 * Bytes of one element; 0 for a number that is no element type. Any thread.
 * Since 0.1.
 */
ATTN_API size_t attn_dtype_size(int32_t dtype);

/*
 * Name of an element type as problem strings write it ("f32", "bf16"), NULL
 * for a number that is none. Static string. Any thread. Since 0.1.
 */
ATTN_API const char *attn_dtype_name(int32_t dtype);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_TENSOR_H */
