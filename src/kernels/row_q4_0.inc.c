/* SPDX-License-Identifier: MIT */
/* The row kernels of row_block.inc.c for K and V in q4_0. */

#define ATTN__NAME(name) name##_q4_0
#define ATTN__BYTES 18
#define ATTN__BLOCK v_block_q4
#include "kernels/row_block.inc.c"
