/* SPDX-License-Identifier: MIT */
/*
 * All kernels of one instruction set. Compiled once for each, with its compiler
 * flags and its ATTN__ISA_<X> macro. Nothing here may run before the processor
 * is known to support the set, so there are only static functions and one const
 * table.
 */
#include "config.h"
#include "kernels/kernels.h"

#include <attn/context.h>

#include <math.h>
#include <stddef.h>

#include "simd/vec.h"

#include "kernels/cut.h"
#include "kernels/unroll.h"
#include "kernels/exp2.h"

#if defined ATTN__ISA_AVX512_BF16
/* all others are those of avx512 */
#define ATTN__SLOT(name) NULL
#define ATTN__SLOT_BF16(name) name
#include "kernels/softmax_base.h"
#define ATTN__SLOT_INT8(name) name
#include "simd/pairs.h"
#include "simd/codes.h"
#include "kernels/tile_bf16.inc.c"
#include "kernels/asks.h"
#include "kernels/row_int8_q8_0.inc.c"
#include "kernels/row_int8_q4_0.inc.c"
#include "kernels/slab_rows.h"
#include "kernels/slab_digits.inc.c"
#include "kernels/row_slab_q8_0.inc.c"
#include "kernels/row_slab_q4_0.inc.c"
#else
#define ATTN__SLOT(name) name
#define ATTN__SLOT_INT8(name) name
#include "simd/codes.h"
#include "kernels/softmax_base.h"

#include "kernels/tile_mm.inc.c"
#include "kernels/tile_softmax.inc.c"
#include "kernels/activation.h"
#include "kernels/weights.h"
#include "kernels/weights.inc.c"
#include "kernels/score.inc.c"
#include "kernels/pack.inc.c"
#include "kernels/asks.h"
#include "kernels/row_f32.inc.c"
#include "kernels/row_chain.inc.c"
#include "kernels/row_f16.inc.c"
#include "kernels/row_bf16.inc.c"
#include "kernels/rope.inc.c"
#include "kernels/norm.inc.c"
#include "kernels/scan.h"
#include "kernels/scan_mm.inc.c"
#include "kernels/scan_dots.inc.c"
#include "kernels/scan_gate.inc.c"
#include "kernels/map.h"
#include "kernels/map.inc.c"
#include "kernels/scan_token.inc.c"
#include "kernels/scan_carry.inc.c"
#include "kernels/convert.inc.c"
#include "kernels/quant.inc.c"
#include "kernels/row_q8_0.inc.c"
#include "kernels/row_q4_0.inc.c"
#include "kernels/kivi.inc.c"
#include "kernels/row_e4m3.inc.c"
#include "kernels/row_e5m2.inc.c"
#include "kernels/row_int8_q8_0.inc.c"
#include "kernels/row_int8_q4_0.inc.c"
#include "simd/slabs.h"
#include "kernels/slab_rows.h"
#include "kernels/slab_floats.inc.c"
#include "kernels/row_slab_q8_0.inc.c"
#include "kernels/row_slab_q4_0.inc.c"
#if defined ATTN__ISA_C
#define ATTN__SLOT_BF16(name) name
#include "simd/pairs.h"
#include "kernels/tile_bf16.inc.c"
#else
#define ATTN__SLOT_BF16(name) NULL
#endif
#endif

#define ATTN__TABLE_OF(tag) ATTN__TABLE_OF_(tag)
#define ATTN__TABLE_OF_(tag) attn__kernels_##tag
#define ATTN__TEXT(tag) ATTN__TEXT_(tag)
#define ATTN__TEXT_(tag) #tag

extern const struct attn__kernels ATTN__TABLE_OF(ATTN__TAG);

const struct attn__kernels ATTN__TABLE_OF(ATTN__TAG) = {
    .isa_name = ATTN__TEXT(ATTN__TAG),
    .isa = ATTN__LEVEL,
    .lanes = VF_LANES,
#define KERNEL(ret, name, args) .name = ATTN__SLOT(name),
#define KERNEL_BF16(ret, name, args) .name = ATTN__SLOT_BF16(name),
#define KERNEL_INT8(ret, name, args) .name = ATTN__SLOT_INT8(name),
#include "kernels/kernels.def"
};
