/* SPDX-License-Identifier: MIT */
/*
 * One vector vocabulary for all kernels: `vf` holds VF_LANES floats and `vm`
 * one truth value per lane. The translation unit chooses the instruction set
 * by one ATTN__ISA_<X> macro; every vec_<isa>.h offers the same functions, and
 * what can be said in terms of them is said once, below.
 *
 * Conventions shared by all of them:
 *  - no alignment is needed; *n variants touch only the first n lanes in
 *    memory (0 <= n <= VF_LANES), and lanes that are not loaded are zero;
 *  - v_max(a, b) is a > b ? a : b and v_min(a, b) is a < b ? a : b, so an
 *    unordered pair gives b;
 *  - v_fma(a, b, c) is a * b + c and v_fnma(a, b, c) is c - a * b, fused
 *    where the instruction set can;
 *  - v_ldexp(a, n) is a * 2^n for integral n in -126..127;
 *  - v_swap2 exchanges the lanes of each pair 2n, 2n + 1;
 *  - v_columns4(x, p, ld): x[e] holds element e of VF_LANES rows at p, ld
 *    apart;
 *  - v_load_e4m3 and v_load_e5m2 widen bytes, exactly; NaN of any payload;
 *    v_units_e4m3 gives numbers by VF_E4M3_UNIT;
 *  - v_set1_f16(h) has a half in all lanes, widened;
 *  - v_block_q8(p, d, x) widens 32 signed bytes into the VF_BLOCK vectors x,
 *    times d; v_block_q4(p, d, x) sixteen bytes: low halves, then high halves,
 *    each less 8. Both are exact where d is a half and no result is tiny;
 *  - v_codes_4(p, x) widens the 32 codes of sixteen bytes, low halves, then high
 *    halves; v_codes_2(p, x) those of eight bytes, their lowest two bits first;
 *  - v_store_8 stores integral lanes of -128..255, their lowest eight bits;
 *  - v_hsum4 adds up the lanes of four vectors with one tree of additions
 *    that is the same for each of them: first inside groups of four lanes (of
 *    lanes i and i + 2, or i and i + 1 with VF_HSUM_NEIGHBOURS), then the
 *    groups in the same way, i and i + 2 first.
 */
#ifndef ATTN__SIMD_VEC_H
#define ATTN__SIMD_VEC_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ATTN__INLINE static inline __attribute__((always_inline))

#if defined ATTN__ISA_C
#define ATTN__TAG c
#define ATTN__LEVEL ATTN_ISA_C
#include "simd/vec_c.h"
#elif defined ATTN__ISA_SSE2
#define ATTN__TAG sse2
#define ATTN__LEVEL ATTN_ISA_SSE2
#include "simd/vec_sse2.h"
#elif defined ATTN__ISA_AVX2
#define ATTN__TAG avx2
#define ATTN__LEVEL ATTN_ISA_AVX2
#include "simd/vec_avx2.h"
#elif defined ATTN__ISA_AVX512
#define ATTN__TAG avx512
#define ATTN__LEVEL ATTN_ISA_AVX512
#include "simd/vec_avx512.h"
#elif defined ATTN__ISA_AVX512_BF16
#define ATTN__TAG avx512_bf16
#define ATTN__LEVEL ATTN_ISA_AVX512_BF16
#include "simd/vec_avx512.h"
#elif defined ATTN__ISA_NEON
#define ATTN__TAG neon
#define ATTN__LEVEL ATTN_ISA_NEON
#include "simd/vec_neon.h"
#else
#error "define one of the ATTN__ISA_<X> macros"
#endif

/* vectors in a block of 32 */
#define VF_BLOCK (32 / VF_LANES)

/* sum of four vectors, added in the order in which v_hsum4 adds four
 * neighbouring lanes */
ATTN__INLINE vf v_add4(vf a, vf b, vf c, vf d)
{
#ifdef VF_HSUM_NEIGHBOURS
    return v_add(v_add(a, b), v_add(c, d));
#else
    return v_add(v_add(a, c), v_add(b, d));
#endif
}

#if VF_LANES == 4
ATTN__INLINE void v_columns4(vf x[4], const float *p, int64_t ld)
{
    for (int i = 0; i < 4; i++)
        x[i] = v_load(p + i * ld);
    v_transpose(x);
}
#endif

/* sum of all lanes, added in the order of v_hsum4 */
ATTN__INLINE float v_hsum(vf a)
{
    float s[4];
    v_hsum4(s, a, a, a, a);
    return s[0];
}

/* largest lane; no lane may be NaN */
#ifndef VF_HAS_HMAX
ATTN__INLINE float v_hmax(vf a)
{
    float t[VF_LANES];
    v_store(t, a);
    for (int half = VF_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            t[i] = t[i + half] > t[i] ? t[i + half] : t[i];
    return t[0];
}
#endif

/* 0, 1, 2, ... */
ATTN__INLINE vf v_iota(void)
{
    static const float count[16] =
        { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    return v_load(count);
}

ATTN__INLINE vf v_unitsn_e4m3(const uint8_t *p, int64_t n)
{
    uint8_t t[VF_LANES] = { 0 };
    for (int64_t i = 0; i < n; i++)
        t[i] = p[i];
    return v_units_e4m3(t);
}

#define VF_E4M3_UNIT 256.0f

ATTN__INLINE vf v_load_e4m3(const uint8_t *p)
{
    return v_mul(v_units_e4m3(p), v_set1(VF_E4M3_UNIT));
}

ATTN__INLINE vf v_loadn_e4m3(const uint8_t *p, int64_t n)
{
    return v_mul(v_unitsn_e4m3(p, n), v_set1(VF_E4M3_UNIT));
}

ATTN__INLINE vf v_loadn_e5m2(const uint8_t *p, int64_t n)
{
    uint8_t t[VF_LANES] = { 0 };
    for (int64_t i = 0; i < n; i++)
        t[i] = p[i];
    return v_load_e5m2(t);
}

#ifndef VF_HAS_PARTIAL_16
ATTN__INLINE vf v_loadn_f16(const uint16_t *p, int64_t n)
{
    uint16_t t[VF_LANES] = { 0 };
    for (int64_t i = 0; i < n; i++)
        t[i] = p[i];
    return v_load_f16(t);
}

ATTN__INLINE vf v_loadn_bf16(const uint16_t *p, int64_t n)
{
    uint16_t t[VF_LANES] = { 0 };
    for (int64_t i = 0; i < n; i++)
        t[i] = p[i];
    return v_load_bf16(t);
}

ATTN__INLINE void v_storen_f16(uint16_t *p, vf a, int64_t n)
{
    uint16_t t[VF_LANES];
    v_store_f16(t, a);
    for (int64_t i = 0; i < n; i++)
        p[i] = t[i];
}

ATTN__INLINE void v_storen_bf16(uint16_t *p, vf a, int64_t n)
{
    uint16_t t[VF_LANES];
    v_store_bf16(t, a);
    for (int64_t i = 0; i < n; i++)
        p[i] = t[i];
}
#endif

#endif
