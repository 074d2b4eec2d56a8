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

#include <stddef.h>

#include "simd/vec.h"

#if defined ATTN__ISA_AVX512_BF16
/* a level of its own, but so far all its kernels are those of avx512 */
#define ATTN__SLOT(name) NULL
#else
#define ATTN__SLOT(name) name
#include "kernels/unroll.h"
#include "kernels/exp2.h"

#include "kernels/tile_mm.inc.c"
#include "kernels/tile_softmax.inc.c"
#include "kernels/score.inc.c"
#include "kernels/pack.inc.c"
#include "kernels/row_f32.inc.c"
#include "kernels/row_f16.inc.c"
#include "kernels/row_bf16.inc.c"
#include "kernels/convert.inc.c"
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
#include "kernels/kernels.def"
};
