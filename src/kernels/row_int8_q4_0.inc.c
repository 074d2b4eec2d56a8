/* SPDX-License-Identifier: MIT */
/* The row kernels of row_int8.inc.c for keys in q4_0. */

#define ATTN__NAME(name) name##_q4_0
#define ATTN__BYTES 18
#define ATTN__CODES b_key_q4
#include "kernels/row_int8.inc.c"
