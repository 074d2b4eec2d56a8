/* SPDX-License-Identifier: MIT */
/*
 * Element types and the tensor view. Both are frozen: if a view must ever
 * say more, it will be a new type.
 */
#ifndef ATTN_TENSOR_H
#define ATTN_TENSOR_H

#include <attn/version.h>

/*
 * Element types. f16 is IEEE binary16, bf16 the upper half of an f32.
 *
 * fp8 is that of OCP: e4m3 without infinities, up to 448, e5m2 like a short
 * f16, up to 57344. Each is stored as the nearest to x / scale, even of two,
 * never above the largest finite one; NaN as 0x7F.
 *
 * q8_0 and q4_0 are those of ggml: 32 numbers that follow each other share a
 * factor d, stored first, as a little-endian f16. q8_0 (34 bytes): d = the
 * largest magnitude / 127, then 32 signed bytes, x / d rounded, halves away
 * from zero. q4_0 (18 bytes): d = the number of largest magnitude / -8, then
 * 16 bytes, byte j with the code of x_j in its lower half and that of
 * x_(j+16) in its upper, a code being min(15, floor(x / d + 8.5)), which
 * means (code - 8) d. NaN, infinities and a d beyond f16 give bytes that mean
 * nothing.
 *
 * kivi4 and kivi2 (KIVI, Liu et al., 2024) are codes of 4 or 2 bits between the
 * smallest and the largest number of a group, (x - min) / step to the nearest,
 * halves to even, with step = (max - min) / 15 or / 3; step and min are kept
 * as f16. A group is 32 channels of a value, and one channel of 32 tokens'
 * keys: these stay f32 until there are so many.
 */
enum {
    ATTN_DTYPE_F32 = 1,
    ATTN_DTYPE_F64 = 2,
    ATTN_DTYPE_F16 = 3,
    ATTN_DTYPE_BF16 = 4,
    ATTN_DTYPE_I32 = 5,
    ATTN_DTYPE_I64 = 6,
    ATTN_DTYPE_U8 = 7,
    ATTN_DTYPE_BOOL = 8, /* one byte, any non-zero value is true */
    /* what caches store rows in; no tensor has these */
    ATTN_DTYPE_FP8_E4M3 = 9,
    ATTN_DTYPE_FP8_E5M2 = 10,
    ATTN_DTYPE_Q8_0 = 32,
    ATTN_DTYPE_Q4_0 = 33,
    ATTN_DTYPE_KIVI4 = 34,
    ATTN_DTYPE_KIVI2 = 35
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
 * Bytes of one element; 0 for a number that is no element type of tensors.
 * Any thread. Since 0.1.
 */
ATTN_API size_t attn_dtype_size(int32_t dtype);

/*
 * Bytes of a row of n numbers, of stored types too; 0 for a number that is no
 * type, and if n is not at least 1 or not a multiple of 32 for q8_0, q4_0 and
 * kivi (whose keys have as many bytes, 32 at a time). Any thread. Since 0.1.
 */
ATTN_API size_t attn_dtype_row_size(int32_t dtype, int64_t n);

/*
 * Name of an element type as problem strings write it ("f32", "bf16"), NULL
 * for a number that is none. Static string. Any thread. Since 0.1.
 */
ATTN_API const char *attn_dtype_name(int32_t dtype);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_TENSOR_H */
