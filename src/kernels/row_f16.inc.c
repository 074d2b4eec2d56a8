/* SPDX-License-Identifier: MIT */
/* The row kernels of row.inc.c for K and V in half precision. */

#define ATTN__T uint16_t
#define ATTN__EACH
#define ATTN__NAME(name) name##_f16
#define ATTN__LOAD v_load_f16
#define ATTN__LOADN v_loadn_f16
#include "kernels/row.inc.c"
