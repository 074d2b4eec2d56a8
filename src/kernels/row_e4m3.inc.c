/* SPDX-License-Identifier: MIT */
/* The row kernels of row.inc.c for K and V in fp8 e4m3, their scale left out. */

#define ATTN__T uint8_t
#define ATTN__NAME(name) name##_e4m3
#define ATTN__LOAD v_load_e4m3
#define ATTN__LOADN v_loadn_e4m3
#include "kernels/row.inc.c"
