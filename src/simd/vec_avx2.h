/* SPDX-License-Identifier: MIT */
/* Vectors for AVX2 with FMA and F16C: eight floats. */
#ifndef ATTN__SIMD_VEC_AVX2_H
#define ATTN__SIMD_VEC_AVX2_H

#include <immintrin.h>

#define VF_LANES 8
#define VF_REGS 16
#define VF_HAS_HMAX

typedef __m256 vf;
typedef __m256 vm;

/* -1 in the first n lanes: a window into eight ones followed by eight zeros */
ATTN__INLINE __m256i first_lanes(int64_t n)
{
    static const int32_t edge[16] =
        { -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0 };
    return _mm256_loadu_si256((const __m256i *)(const void *)(edge + 8 - n));
}

ATTN__INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }

ATTN__INLINE vf v_loadn(const float *p, int64_t n)
{
    return _mm256_maskload_ps(p, first_lanes(n));
}

ATTN__INLINE void v_store(float *p, vf a) { _mm256_storeu_ps(p, a); }

/* Some processors take twenty times as long for the masked one. */
ATTN__INLINE void v_storen(float *p, vf a, int64_t n)
{
    if (n == VF_LANES)
        v_store(p, a);
    else
        _mm256_maskstore_ps(p, first_lanes(n), a);
}

ATTN__INLINE vf v_set1(float x) { return _mm256_set1_ps(x); }
ATTN__INLINE vf v_zero(void) { return _mm256_setzero_ps(); }
ATTN__INLINE vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
ATTN__INLINE vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
ATTN__INLINE vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
ATTN__INLINE vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
ATTN__INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
ATTN__INLINE vf v_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
ATTN__INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
ATTN__INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }

ATTN__INLINE vf v_swap2(vf a) { return _mm256_permute_ps(a, 0xb1); }

ATTN__INLINE vf v_abs(vf a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

ATTN__INLINE vf v_copysign(vf a, vf sign)
{
    __m256 bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(bit, a), _mm256_and_ps(bit, sign));
}

ATTN__INLINE vf v_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

ATTN__INLINE vf v_ldexp(vf a, vf n)
{
    __m256i e = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(e, 23)));
}

ATTN__INLINE vm v_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
ATTN__INLINE vm v_isnan(vf a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
ATTN__INLINE vm m_or(vm a, vm b) { return _mm256_or_ps(a, b); }
ATTN__INLINE vm m_and(vm a, vm b) { return _mm256_and_ps(a, b); }
ATTN__INLINE bool m_any(vm a) { return _mm256_movemask_ps(a) != 0; }

ATTN__INLINE vm m_bits(uint32_t bits)
{
    __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i b = _mm256_and_si256(_mm256_set1_epi32((int)bits), lane);
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(b, lane));
}

ATTN__INLINE vf v_select(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, m); }
ATTN__INLINE vf v_clear(vm m, vf a) { return _mm256_andnot_ps(m, a); }

ATTN__INLINE void v_hsum4(float *s, vf a, vf b, vf c, vf d)
{
    __m256 ab =
        _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    __m256 cd =
        _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    __m256 t = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44),
                             _mm256_shuffle_ps(ab, cd, 0xee));
    _mm_storeu_ps(s, _mm_add_ps(_mm256_castps256_ps128(t),
                                _mm256_extractf128_ps(t, 1)));
}

ATTN__INLINE float v_hmax(vf a)
{
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(a),
                          _mm256_extractf128_ps(a, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_shuffle_ps(h, h, 1)));
}

ATTN__INLINE void v_transpose(vf r[VF_LANES])
{
    __m256 t[8], u[8];
#define ATTN__PAIR(i)                                                          \
    t[i] = _mm256_unpacklo_ps(r[i], r[(i) + 1]);                               \
    t[(i) + 1] = _mm256_unpackhi_ps(r[i], r[(i) + 1]);
    ATTN__PAIR(0) ATTN__PAIR(2) ATTN__PAIR(4) ATTN__PAIR(6)
#undef ATTN__PAIR
#define ATTN__QUAD(i)                                                          \
    u[i] = _mm256_shuffle_ps(t[i], t[(i) + 2], 0x44);                          \
    u[(i) + 1] = _mm256_shuffle_ps(t[i], t[(i) + 2], 0xee);                    \
    u[(i) + 2] = _mm256_shuffle_ps(t[(i) + 1], t[(i) + 3], 0x44);              \
    u[(i) + 3] = _mm256_shuffle_ps(t[(i) + 1], t[(i) + 3], 0xee);
    ATTN__QUAD(0) ATTN__QUAD(4)
#undef ATTN__QUAD
#define ATTN__OCT(i)                                                           \
    r[i] = _mm256_permute2f128_ps(u[i], u[(i) + 4], 0x20);                     \
    r[(i) + 4] = _mm256_permute2f128_ps(u[i], u[(i) + 4], 0x31);
    ATTN__OCT(0) ATTN__OCT(1) ATTN__OCT(2) ATTN__OCT(3)
#undef ATTN__OCT
}

ATTN__INLINE vf halves(const float *p, int64_t ld)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)),
                                _mm_loadu_ps(p + 4 * ld), 1);
}

ATTN__INLINE void v_columns4(vf x[4], const float *p, int64_t ld)
{
    vf a = halves(p, ld), b = halves(p + ld, ld);
    vf c = halves(p + 2 * ld, ld), d = halves(p + 3 * ld, ld);
    vf ab0 = _mm256_unpacklo_ps(a, b), ab1 = _mm256_unpackhi_ps(a, b);
    vf cd0 = _mm256_unpacklo_ps(c, d), cd1 = _mm256_unpackhi_ps(c, d);
    x[0] = _mm256_shuffle_ps(ab0, cd0, 0x44);
    x[1] = _mm256_shuffle_ps(ab0, cd0, 0xee);
    x[2] = _mm256_shuffle_ps(ab1, cd1, 0x44);
    x[3] = _mm256_shuffle_ps(ab1, cd1, 0xee);
}

ATTN__INLINE vf v_load_f16(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

ATTN__INLINE vf v_load_bf16(const uint16_t *p)
{
    __m128i h = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

ATTN__INLINE void v_store_f16(uint16_t *p, vf a)
{
    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}

ATTN__INLINE void v_store_bf16(uint16_t *p, vf a)
{
    __m256i u = _mm256_castps_si256(a);
    __m256i odd =
        _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i r =
        _mm256_add_epi32(_mm256_add_epi32(u, _mm256_set1_epi32(0x7fff)), odd);
    __m256i nan = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    r = _mm256_castps_si256(v_select(v_isnan(a), _mm256_castsi256_ps(nan),
                                     _mm256_castsi256_ps(r)));
    r = _mm256_srli_epi32(r, 16);
    __m128i h = _mm_packus_epi32(_mm256_castsi256_si128(r),
                                 _mm256_extracti128_si256(r, 1));
    _mm_storeu_si128((__m128i *)(void *)p, h);
}

ATTN__INLINE __m128i load_bytes(const uint8_t *p)
{
    return _mm_loadl_epi64((const __m128i *)(const void *)p);
}

/* see vec_c.h */
ATTN__INLINE vf v_units_e4m3(const uint8_t *p)
{
    __m128i h = _mm_slli_epi16(_mm_cvtepi8_epi16(load_bytes(p)), 7);
    h = _mm_and_si128(h, _mm_set1_epi16((short)0xbf80));
    __m128i mag = _mm_and_si128(h, _mm_set1_epi16(0x3f80));
    __m128i nan = _mm_cmpeq_epi16(mag, _mm_set1_epi16(0x3f80));
    h = _mm_or_si128(h, _mm_and_si128(nan, _mm_set1_epi16(0x7e00)));
    return _mm256_cvtph_ps(h);
}

ATTN__INLINE vf v_set1_f16(uint16_t h)
{
    return _mm256_cvtph_ps(_mm_set1_epi16((short)h));
}

ATTN__INLINE vf v_load_e5m2(const uint8_t *p)
{
    return _mm256_cvtph_ps(
        _mm_unpacklo_epi8(_mm_setzero_si128(), load_bytes(p)));
}

/* sixteen signed bytes, times d */
ATTN__INLINE void widen_bytes(__m128i b, vf d, vf *x)
{
    __m256i lo = _mm256_cvtepi8_epi32(b);
    __m256i hi = _mm256_cvtepi8_epi32(_mm_unpackhi_epi64(b, b));
    x[0] = _mm256_mul_ps(_mm256_cvtepi32_ps(lo), d);
    x[1] = _mm256_mul_ps(_mm256_cvtepi32_ps(hi), d);
}

ATTN__INLINE void v_block_q8(const uint8_t *p, vf d, vf *x)
{
    for (int i = 0; i < 4; i++)
        x[i] = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(
                                 load_bytes(p + 8 * i))), d);
}

ATTN__INLINE void v_block_q4(const uint8_t *p, vf d, vf *x)
{
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i low = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    __m128i hi = _mm_and_si128(_mm_srli_epi16(b, 4), low);
    widen_bytes(_mm_sub_epi8(_mm_and_si128(b, low), eight), d, x);
    widen_bytes(_mm_sub_epi8(hi, eight), d, x + 2);
}

/* The lanes' bits from `shift` on that the mask has. */
ATTN__INLINE vf codes_at(__m256i b, int shift, int mask)
{
    __m256i code = _mm256_srli_epi32(b, shift);
    return _mm256_cvtepi32_ps(_mm256_and_si256(code, _mm256_set1_epi32(mask)));
}

ATTN__INLINE void v_codes_4(const uint8_t *p, vf *x)
{
    for (int i = 0; i < 2; i++) {
        __m256i b = _mm256_cvtepu8_epi32(load_bytes(p + 8 * i));
        x[i] = codes_at(b, 0, 15);
        x[i + 2] = _mm256_cvtepi32_ps(_mm256_srli_epi32(b, 4));
    }
}

ATTN__INLINE void v_codes_2(const uint8_t *p, vf *x)
{
    __m256i b = _mm256_cvtepu8_epi32(load_bytes(p));
    for (int i = 0; i < 4; i++)
        x[i] = codes_at(b, 2 * i, 3);
}

ATTN__INLINE void v_store_8(uint8_t *p, vf a)
{
    __m256i u =
        _mm256_and_si256(_mm256_cvtps_epi32(a), _mm256_set1_epi32(255));
    __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(u),
                                _mm256_extracti128_si256(u, 1));
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(w, w));
}

#endif
