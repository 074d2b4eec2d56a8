/* SPDX-License-Identifier: MIT */
/* The row kernels of row.inc.c for K and V in bfloat16. */

#define ATTN__T uint16_t
#define ATTN__EACH
#define ATTN__NAME(name) name##_bf16
#define ATTN__LOAD v_load_bf16
#define ATTN__LOADN v_loadn_bf16
#include "kernels/row.inc.c"
