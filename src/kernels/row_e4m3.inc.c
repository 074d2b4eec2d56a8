/* SPDX-License-Identifier: MIT */
/*
 * The row kernels of row.inc.c for K and V in fp8 e4m3, their scale left out. A
 * power of 2 belongs to each number; that it is multiplied into what the rows are
 * multiplied by changes no bit of a product, and costs less.
 */

#define ATTN__T uint8_t
#define ATTN__NAME(name) name##_e4m3
#define ATTN__LOAD v_units_e4m3
#define ATTN__LOADN v_unitsn_e4m3
#define ATTN__UNIT VF_E4M3_UNIT
#include "kernels/row.inc.c"
