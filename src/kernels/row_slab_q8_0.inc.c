/* SPDX-License-Identifier: MIT */
/* The row kernels of row_slab.inc.c for slabs of q8_0. */

#define ATTN__NAME(name) name##_q8_0
#define ATTN__BITS 8
#include "kernels/row_slab.inc.c"
