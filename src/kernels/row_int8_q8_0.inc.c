/* SPDX-License-Identifier: MIT */
/* The row kernels of row_int8.inc.c for keys in q8_0. */

#define ATTN__NAME(name) name##_q8_0
#define ATTN__BYTES 34
#define ATTN__CODES b_key_q8
#include "kernels/row_int8.inc.c"
