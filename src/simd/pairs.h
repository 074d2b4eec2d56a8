/* SPDX-License-Identifier: MIT */
/*
 * Vectors of pairs of bf16, for products that take two steps of a sum at once.
 * A `vp` has VF_LANES pairs; a pair is a 32-bit word, its first number in the
 * low half. Only instruction sets with such a product have this vocabulary,
 * and portable C, which says what it means:
 *  - vp_dot(acc, a, b) adds the products of the second numbers to acc, then
 *    those of the first, each sum rounded to f32; hardware may treat denormal
 *    numbers as 0 and may fuse;
 *  - vp_pair(first, second) rounds to bf16, nearest even; NaN stay NaN;
 *  - vp_joinn(first, second, n) takes the first n numbers of two rows of bf16.
 */
#ifndef ATTN__SIMD_PAIRS_H
#define ATTN__SIMD_PAIRS_H

/* Two neighbours of a row of bf16, wherever the row begins. */
typedef uint32_t vp_word __attribute__((aligned(2), may_alias));

#if defined ATTN__ISA_AVX512_BF16

typedef __m512i vp;

ATTN__INLINE vp vp_load(const uint32_t *p) { return _mm512_loadu_si512(p); }
ATTN__INLINE void vp_store(uint32_t *p, vp a) { _mm512_storeu_si512(p, a); }

ATTN__INLINE void vp_storen(uint32_t *p, vp a, int64_t n)
{
    _mm512_mask_storeu_epi32(p, first_lanes(n), a);
}

ATTN__INLINE vp vp_set1(const vp_word *p) { return _mm512_set1_epi32((int)*p); }
ATTN__INLINE vp vp_ones(void) { return _mm512_set1_epi32(0x3f803f80); }

ATTN__INLINE vf vp_dot(vf acc, vp a, vp b)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
}

ATTN__INLINE vp vp_pair(vf first, vf second)
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9,
                                           24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1,
                                           16, 0);
    return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

ATTN__INLINE vp vp_joinn(const uint16_t *first, const uint16_t *second, int64_t n)
{
    __m512i lo = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), first));
    __m512i hi = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_lanes(n), second));
    return _mm512_or_si512(lo, _mm512_slli_epi32(hi, 16));
}

#else

typedef struct {
    uint32_t v[VF_LANES];
} vp;

#define ATTN__EACH(type, expr)           \
    type r;                              \
    for (int i = 0; i < VF_LANES; i++)   \
        r.v[i] = (expr);                 \
    return r

ATTN__INLINE vp vp_load(const uint32_t *p) { ATTN__EACH(vp, p[i]); }

ATTN__INLINE void vp_storen(uint32_t *p, vp a, int64_t n)
{
    for (int i = 0; i < n; i++)
        p[i] = a.v[i];
}

ATTN__INLINE void vp_store(uint32_t *p, vp a) { vp_storen(p, a, VF_LANES); }
ATTN__INLINE vp vp_set1(const vp_word *p) { ATTN__EACH(vp, *p); }
ATTN__INLINE vp vp_ones(void) { ATTN__EACH(vp, 0x3f803f80); }

ATTN__INLINE vf vp_dot(vf acc, vp a, vp b)
{
    ATTN__EACH(vf, acc.v[i] +
               float_of(a.v[i] & 0xffff0000) * float_of(b.v[i] & 0xffff0000) +
               float_of(a.v[i] << 16) * float_of(b.v[i] << 16));
}

ATTN__INLINE vp vp_pair(vf first, vf second)
{
    ATTN__EACH(vp, narrow_bf16(first.v[i]) | (uint32_t)narrow_bf16(second.v[i]) << 16);
}

ATTN__INLINE vp vp_joinn(const uint16_t *first, const uint16_t *second, int64_t n)
{
    ATTN__EACH(vp, i < n ? first[i] | (uint32_t)second[i] << 16 : 0);
}

#undef ATTN__EACH

#endif

#endif
