/* SPDX-License-Identifier: MIT */
/*
 * The levels of instruction sets that can be used here.
 */
#include "api/isa_use.h"

#include <attn/context.h>

#include "cpu/cpu.h"
#include "kernels/kernels.h"

int32_t attn__isa_use_at(size_t index)
{
    static const int32_t levels[] = {ATTN_ISA_C,      ATTN_ISA_SSE2,        ATTN_ISA_AVX2,
                                     ATTN_ISA_AVX512, ATTN_ISA_AVX512_BF16, ATTN_ISA_NEON};

    return index < sizeof levels / sizeof levels[0] ? levels[index] : -1;
}

bool attn__isa_use_can(int32_t isa)
{
    struct attn__kernels kernels;

    if (!attn__cpu_supports(isa))
        return false;
    attn__kernels_select(isa, &kernels);
    return kernels.isa == isa;
}
