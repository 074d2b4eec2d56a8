/* SPDX-License-Identifier: MIT */
/* The row kernels of row_block.inc.c for K and V in q8_0. */

#define ATTN__NAME(name) name##_q8_0
#define ATTN__BYTES 34
#define ATTN__WIDEN(p, x) v_block_q8((p) + 2, v_set1_f16(half_at(p)), x)
#include "kernels/row_block.inc.c"
