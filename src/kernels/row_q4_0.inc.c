/* SPDX-License-Identifier: MIT */
/* The row kernels of row_block.inc.c for K and V in q4_0. */

#define ATTN__NAME(name) name##_q4_0
#define ATTN__BYTES 18
#define ATTN__WIDEN(p, x) v_block_q4((p) + 2, v_set1_f16(half_at(p)), x)
#include "kernels/row_block.inc.c"
