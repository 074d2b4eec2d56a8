/* SPDX-License-Identifier: MIT */
/* Vectors for AVX-512 F, BW, DQ and VL: sixteen floats. */
#ifndef ATTN__SIMD_VEC_AVX512_H
#define ATTN__SIMD_VEC_AVX512_H

#include <immintrin.h>

#define VF_LANES 16
#define VF_REGS 32
#define VF_HAS_PARTIAL_16
#define VF_HAS_HMAX

typedef __m512 vf;
typedef __mmask16 vm;

ATTN__INLINE __mmask16 first_lanes(int64_t n)
{
    return (__mmask16)((1u << n) - 1u);
}

ATTN__INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }

ATTN__INLINE vf v_loadn(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), p);
}

ATTN__INLINE void v_store(float *p, vf a) { _mm512_storeu_ps(p, a); }

ATTN__INLINE void v_storen(float *p, vf a, int64_t n)
{
    _mm512_mask_storeu_ps(p, first_lanes(n), a);
}

ATTN__INLINE vf v_set1(float x) { return _mm512_set1_ps(x); }
ATTN__INLINE vf v_zero(void) { return _mm512_setzero_ps(); }
ATTN__INLINE vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
ATTN__INLINE vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
ATTN__INLINE vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
ATTN__INLINE vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
ATTN__INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
ATTN__INLINE vf v_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
ATTN__INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
ATTN__INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }

ATTN__INLINE vf v_swap2(vf a) { return _mm512_permute_ps(a, 0xb1); }

ATTN__INLINE vf v_abs(vf a)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}

ATTN__INLINE vf v_copysign(vf a, vf sign)
{
    __m512 bit = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(bit, a), _mm512_and_ps(bit, sign));
}

ATTN__INLINE vf v_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT
                                | _MM_FROUND_NO_EXC);
}

ATTN__INLINE vf v_ldexp(vf a, vf n) { return _mm512_scalef_ps(a, n); }

ATTN__INLINE vm v_lt(vf a, vf b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

ATTN__INLINE vm v_isnan(vf a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
ATTN__INLINE vm m_or(vm a, vm b) { return (__mmask16)(a | b); }
ATTN__INLINE vm m_and(vm a, vm b) { return (__mmask16)(a & b); }
ATTN__INLINE bool m_any(vm a) { return a != 0; }
ATTN__INLINE vm m_bits(uint32_t bits) { return (__mmask16)bits; }

ATTN__INLINE vf v_select(vm m, vf a, vf b)
{
    return _mm512_mask_blend_ps(m, b, a);
}

ATTN__INLINE vf v_clear(vm m, vf a)
{
    return _mm512_maskz_mov_ps((__mmask16)~m, a);
}

ATTN__INLINE void v_hsum4(float *s, vf a, vf b, vf c, vf d)
{
    __m512 ab =
        _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    __m512 cd =
        _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    __m512 t = _mm512_add_ps(_mm512_shuffle_ps(ab, cd, 0x44),
                             _mm512_shuffle_ps(ab, cd, 0xee));
    __m256 h =
        _mm256_add_ps(_mm512_castps512_ps256(t), _mm512_extractf32x8_ps(t, 1));
    _mm_storeu_ps(s, _mm_add_ps(_mm256_castps256_ps128(h),
                                _mm256_extractf128_ps(h, 1)));
}

ATTN__INLINE float v_hmax(vf a) { return _mm512_reduce_max_ps(a); }

ATTN__INLINE void v_transpose(vf r[VF_LANES])
{
    __m512 t[16], u[16];
#define ATTN__PAIR(i)                                                          \
    t[i] = _mm512_unpacklo_ps(r[i], r[(i) + 1]);                               \
    t[(i) + 1] = _mm512_unpackhi_ps(r[i], r[(i) + 1]);
    ATTN__PAIR(0) ATTN__PAIR(2) ATTN__PAIR(4) ATTN__PAIR(6)
    ATTN__PAIR(8) ATTN__PAIR(10) ATTN__PAIR(12) ATTN__PAIR(14)
#undef ATTN__PAIR
#define ATTN__QUAD(i)                                                          \
    u[i] = _mm512_shuffle_ps(t[i], t[(i) + 2], 0x44);                          \
    u[(i) + 1] = _mm512_shuffle_ps(t[i], t[(i) + 2], 0xee);                    \
    u[(i) + 2] = _mm512_shuffle_ps(t[(i) + 1], t[(i) + 3], 0x44);              \
    u[(i) + 3] = _mm512_shuffle_ps(t[(i) + 1], t[(i) + 3], 0xee);
    ATTN__QUAD(0) ATTN__QUAD(4) ATTN__QUAD(8) ATTN__QUAD(12)
#undef ATTN__QUAD
    /* u[4g + i]: of rows 4g..4g+3 the columns i, 4+i, 8+i, 12+i */
#define ATTN__COLS(i)                                                          \
    t[i] = _mm512_shuffle_f32x4(u[i], u[(i) + 4], 0x44);                       \
    t[(i) + 4] = _mm512_shuffle_f32x4(u[i], u[(i) + 4], 0xee);                 \
    t[(i) + 8] = _mm512_shuffle_f32x4(u[(i) + 8], u[(i) + 12], 0x44);          \
    t[(i) + 12] = _mm512_shuffle_f32x4(u[(i) + 8], u[(i) + 12], 0xee);         \
    r[i] = _mm512_shuffle_f32x4(t[i], t[(i) + 8], 0x88);                       \
    r[(i) + 4] = _mm512_shuffle_f32x4(t[i], t[(i) + 8], 0xdd);                 \
    r[(i) + 8] = _mm512_shuffle_f32x4(t[(i) + 4], t[(i) + 12], 0x88);          \
    r[(i) + 12] = _mm512_shuffle_f32x4(t[(i) + 4], t[(i) + 12], 0xdd);
    ATTN__COLS(0) ATTN__COLS(1) ATTN__COLS(2) ATTN__COLS(3)
#undef ATTN__COLS
}

/* 32 bytes at a time: an insertion into 512 bits costs twice that into 256. */
ATTN__INLINE vf quarters(const float *p, int64_t ld)
{
    __m256 a = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)),
                                    _mm_loadu_ps(p + 4 * ld), 1);
    __m256 b =
        _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p + 8 * ld)),
                             _mm_loadu_ps(p + 12 * ld), 1);
    return _mm512_insertf32x8(_mm512_castps256_ps512(a), b, 1);
}

ATTN__INLINE void v_columns4(vf x[4], const float *p, int64_t ld)
{
    vf a = quarters(p, ld), b = quarters(p + ld, ld);
    vf c = quarters(p + 2 * ld, ld), d = quarters(p + 3 * ld, ld);
    vf ab0 = _mm512_unpacklo_ps(a, b), ab1 = _mm512_unpackhi_ps(a, b);
    vf cd0 = _mm512_unpacklo_ps(c, d), cd1 = _mm512_unpackhi_ps(c, d);
    x[0] = _mm512_shuffle_ps(ab0, cd0, 0x44);
    x[1] = _mm512_shuffle_ps(ab0, cd0, 0xee);
    x[2] = _mm512_shuffle_ps(ab1, cd1, 0x44);
    x[3] = _mm512_shuffle_ps(ab1, cd1, 0xee);
}

/* Number i to the upper half of lane i: one shuffle, where widening and a shift
 * are two operations of the units that also multiply. */
ATTN__INLINE vf widen_bf16(__m256i h)
{
    const __m512i from = _mm512_set_epi32(
        0xf0000, 0xe0000, 0xd0000, 0xc0000, 0xb0000, 0xa0000, 0x90000, 0x80000,
        0x70000, 0x60000, 0x50000, 0x40000, 0x30000, 0x20000, 0x10000, 0);
    return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(
        0xaaaaaaaa, from, _mm512_castsi256_si512(h)));
}

ATTN__INLINE __m256i narrow_f16(vf a)
{
    return _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT);
}

/* not vcvtneps2bf16, which would flush denormals */
ATTN__INLINE __m256i narrow_bf16(vf a)
{
    __m512i u = _mm512_castps_si512(a);
    __m512i odd =
        _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
    __m512i r =
        _mm512_add_epi32(_mm512_add_epi32(u, _mm512_set1_epi32(0x7fff)), odd);
    r = _mm512_mask_or_epi32(r, v_isnan(a), u, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(r, 16));
}

ATTN__INLINE vf v_load_f16(const uint16_t *p)
{
    __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm512_cvtph_ps(h);
}

ATTN__INLINE vf v_loadn_f16(const uint16_t *p, int64_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}

ATTN__INLINE vf v_load_bf16(const uint16_t *p)
{
    return widen_bf16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

ATTN__INLINE vf v_loadn_bf16(const uint16_t *p, int64_t n)
{
    return widen_bf16(_mm256_maskz_loadu_epi16(first_lanes(n), p));
}

ATTN__INLINE void v_store_f16(uint16_t *p, vf a)
{
    _mm256_storeu_si256((__m256i *)(void *)p, narrow_f16(a));
}

ATTN__INLINE void v_storen_f16(uint16_t *p, vf a, int64_t n)
{
    _mm256_mask_storeu_epi16(p, first_lanes(n), narrow_f16(a));
}

ATTN__INLINE void v_store_bf16(uint16_t *p, vf a)
{
    _mm256_storeu_si256((__m256i *)(void *)p, narrow_bf16(a));
}

ATTN__INLINE void v_storen_bf16(uint16_t *p, vf a, int64_t n)
{
    _mm256_mask_storeu_epi16(p, first_lanes(n), narrow_bf16(a));
}

/* see vec_c.h */
ATTN__INLINE vf v_units_e4m3(const uint8_t *p)
{
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m256i h = _mm256_slli_epi16(_mm256_cvtepi8_epi16(b), 7);
    h = _mm256_and_si256(h, _mm256_set1_epi16((short)0xbf80));
    __m128i mag = _mm_or_si128(b, _mm_set1_epi8((char)0x80));
    __mmask16 nan = _mm_cmpeq_epi8_mask(mag, _mm_set1_epi8(-1));
    h = _mm256_mask_blend_epi16(nan, h, _mm256_set1_epi16(0x7e00));
    return _mm512_cvtph_ps(h);
}

ATTN__INLINE vf v_set1_f16(uint16_t h)
{
    return _mm512_cvtph_ps(_mm256_set1_epi16((short)h));
}

ATTN__INLINE vf v_load_e5m2(const uint8_t *p)
{
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm512_cvtph_ps(_mm256_slli_epi16(_mm256_cvtepu8_epi16(b), 8));
}

ATTN__INLINE void v_block_q8(const uint8_t *p, vf d, vf *x)
{
    const __m128i *at = (const __m128i *)(const void *)p;
    __m512i lo = _mm512_cvtepi8_epi32(_mm_loadu_si128(at));
    __m512i hi = _mm512_cvtepi8_epi32(_mm_loadu_si128(at + 1));
    x[0] = _mm512_mul_ps(_mm512_cvtepi32_ps(lo), d);
    x[1] = _mm512_mul_ps(_mm512_cvtepi32_ps(hi), d);
}

/* The permutation looks at the four lowest bits of a lane. */
ATTN__INLINE void v_block_q4(const uint8_t *p, vf d, vf *x)
{
    const __m512 code = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2,
                                       3, 4, 5, 6, 7);
    __m512 value = _mm512_mul_ps(code, d);
    __m512i b = _mm512_cvtepu8_epi32(
        _mm_loadu_si128((const __m128i *)(const void *)p));
    x[0] = _mm512_permutexvar_ps(b, value);
    x[1] = _mm512_permutexvar_ps(_mm512_srli_epi32(b, 4), value);
}

ATTN__INLINE void v_codes_4(const uint8_t *p, vf *x)
{
    __m512i b = _mm512_cvtepu8_epi32(
        _mm_loadu_si128((const __m128i *)(const void *)p));
    x[0] = _mm512_cvtepi32_ps(_mm512_and_si512(b, _mm512_set1_epi32(15)));
    x[1] = _mm512_cvtepi32_ps(_mm512_srli_epi32(b, 4));
}

/* The eight bytes twice, the second time two bits further on. */
ATTN__INLINE void v_codes_2(const uint8_t *p, vf *x)
{
    const __m512i at = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2,
                                         2, 2, 2);
    const __m512i low = _mm512_set1_epi32(3);
    __m128i half = _mm_loadl_epi64((const __m128i *)(const void *)p);
    __m512i b = _mm512_srlv_epi32(
        _mm512_cvtepu8_epi32(_mm_unpacklo_epi64(half, half)), at);
    x[0] = _mm512_cvtepi32_ps(_mm512_and_si512(b, low));
    x[1] = _mm512_cvtepi32_ps(
        _mm512_and_si512(_mm512_srli_epi32(b, 4), low));
}

ATTN__INLINE void v_store_8(uint8_t *p, vf a)
{
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}

#endif
