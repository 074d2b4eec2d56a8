/* SPDX-License-Identifier: MIT */
/* The row kernels of row_slab.inc.c for slabs of q4_0. */

#define ATTN__NAME(name) name##_q4_0
#define ATTN__BITS 4
#include "kernels/row_slab.inc.c"
