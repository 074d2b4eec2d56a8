/* SPDX-License-Identifier: MIT */
/* The row kernels of row.inc.c for K and V in single precision. */

#define ATTN__T float
#define ATTN__EACH
#define ATTN__NAME(name) name##_f32
#define ATTN__LOAD v_load
#define ATTN__LOADN v_loadn
#include "kernels/row.inc.c"
