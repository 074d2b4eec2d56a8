/* SPDX-License-Identifier: MIT */
/*
 * What caches store rows in, said once more in plain C: the definitions that
 * kernels and caches are compared with.
 */
#ifndef ATTN_TESTS_STORED_TYPES_H
#define ATTN_TESTS_STORED_TYPES_H

#include <stdint.h>

/* dtype: ATTN_DTYPE_FP8_E4M3, _E5M2, _Q8_0 or _Q4_0; n: whole blocks */
int64_t stored_bytes(int32_t dtype, int64_t n);
int64_t stored_block(int32_t dtype);
void stored_encode(int32_t dtype, const float *x, int64_t n, float scale, uint8_t *row);
void stored_decode(int32_t dtype, const uint8_t *row, int64_t n, float scale, float *x);

/* One byte of fp8 as a number. */
float stored_fp8(int32_t dtype, uint8_t code);

#endif
