/* SPDX-License-Identifier: MIT */
/*
 * Blocks of 32 signed bytes, for dot products of codes:
 *  - v_codes: such a block as a product takes it: b_row loads that of a query,
 *    b_key_q8 that of a key and b_key_q4 a key's from sixteen bytes of two codes
 *    each, low halves first, less 8;
 *  - v_sums: partial sums of float. d_dot(x, y, t) has those of key x times query
 *    y, exact where no code of y is -128, t being d_start(y);
 *    d_fma(a, f, c) is a * f + c for a number f; d_hsum4 adds up the sums of four;
 *  - v_four: four floats. v4_halves(p, step, n) widens n <= 4 halves that are
 *    `step` bytes apart, the rest being copies; v4_scaled(to, a, f) stores
 *    a[i] * f[i].
 */
#ifndef ATTN__SIMD_CODES_H
#define ATTN__SIMD_CODES_H

ATTN__INLINE uint16_t half_at(const uint8_t *p)
{
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return h;
}

#if defined ATTN__ISA_AVX2 || defined ATTN__ISA_AVX512 || defined ATTN__ISA_AVX512_BF16

typedef __m256i v_codes;
typedef __m256i v_bias;
typedef __m256 v_sums;
typedef __m128 v_four;

ATTN__INLINE v_codes b_row(const int8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

ATTN__INLINE v_codes b_nibbles(const uint8_t *p)
{
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m256i two = _mm256_inserti128_si256(_mm256_castsi128_si256(b), _mm_srli_epi16(b, 4), 1);
    return _mm256_and_si256(two, _mm256_set1_epi8(15));
}

#if defined ATTN__ISA_AVX512_BF16

/* One factor has to be unsigned: keys have 128 more, which comes off in the sum
 * that a product is added to. */
ATTN__INLINE v_codes b_key_q8(const uint8_t *p)
{
    return _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)p),
                            _mm256_set1_epi8((char)0x80));
}

ATTN__INLINE v_codes b_key_q4(const uint8_t *p)
{
    return _mm256_add_epi8(b_nibbles(p), _mm256_set1_epi8(120));
}

ATTN__INLINE v_bias d_start(v_codes y)
{
    const __m256i zero = _mm256_setzero_si256();
    return _mm256_sub_epi32(zero,
                            _mm256_dpbusd_epi32(zero, _mm256_set1_epi8((char)0x80), y));
}

ATTN__INLINE v_sums d_dot(v_codes x, v_codes y, v_bias t)
{
    return _mm256_cvtepi32_ps(_mm256_dpbusd_epi32(t, x, y));
}

#else

ATTN__INLINE v_codes b_key_q8(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

ATTN__INLINE v_codes b_key_q4(const uint8_t *p)
{
    return _mm256_sub_epi8(b_nibbles(p), _mm256_set1_epi8(8));
}

ATTN__INLINE v_bias d_start(v_codes y)
{
    (void)y;
    return _mm256_set1_epi16(1);
}

/* Magnitudes of keys times numbers with their signs: one factor has to be
 * unsigned, and two products, at most 2 * 128 * 127, are to fit into 16 bits. */
ATTN__INLINE v_sums d_dot(v_codes x, v_codes y, v_bias one)
{
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(y, x));
    return _mm256_cvtepi32_ps(_mm256_madd_epi16(pairs, one));
}

#endif

ATTN__INLINE v_sums d_zero(void) { return _mm256_setzero_ps(); }

ATTN__INLINE v_sums d_fma(v_sums a, float f, v_sums c)
{
    return _mm256_fmadd_ps(a, _mm256_set1_ps(f), c);
}

ATTN__INLINE void d_hsum4(float *s, v_sums a, v_sums b, v_sums c, v_sums d)
{
    __m256 t = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(s, _mm_add_ps(_mm256_castps256_ps128(t), _mm256_extractf128_ps(t, 1)));
}

ATTN__INLINE v_four v4_halves(const uint8_t *p, int64_t step, int64_t n)
{
    int64_t b = n > 1 ? step : 0, c = n > 2 ? 2 * step : b, d = n > 3 ? 3 * step : c;
    return _mm_cvtph_ps(_mm_setr_epi16((short)half_at(p), (short)half_at(p + b),
                                       (short)half_at(p + c), (short)half_at(p + d), 0, 0, 0, 0));
}

ATTN__INLINE void v4_scaled(float *to, v_four a, const float *f)
{
    _mm_storeu_ps(to, _mm_mul_ps(a, _mm_loadu_ps(f)));
}

#else

typedef vf v_sums;
typedef vf v_four;

/* nothing: products of signed numbers are at hand */
typedef struct {
    char none;
} v_bias;

#if defined ATTN__ISA_SSE2

typedef struct {
    __m128i half[2];
} v_codes;

ATTN__INLINE v_codes b_row(const int8_t *p)
{
    const __m128i *at = (const __m128i *)(const void *)p;
    return (v_codes){{_mm_loadu_si128(at), _mm_loadu_si128(at + 1)}};
}

ATTN__INLINE v_codes b_key_q4(const uint8_t *p)
{
    const __m128i low = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i high = _mm_and_si128(_mm_srli_epi16(b, 4), low);
    return (v_codes){{_mm_sub_epi8(_mm_and_si128(b, low), eight), _mm_sub_epi8(high, eight)}};
}

/* sums of four products of sixteen bytes */
ATTN__INLINE __m128i dot_half(__m128i x, __m128i y)
{
    __m128i xl = _mm_srai_epi16(_mm_unpacklo_epi8(x, x), 8);
    __m128i xh = _mm_srai_epi16(_mm_unpackhi_epi8(x, x), 8);
    __m128i yl = _mm_srai_epi16(_mm_unpacklo_epi8(y, y), 8);
    __m128i yh = _mm_srai_epi16(_mm_unpackhi_epi8(y, y), 8);
    return _mm_add_epi32(_mm_madd_epi16(xl, yl), _mm_madd_epi16(xh, yh));
}

ATTN__INLINE v_sums d_dot(v_codes x, v_codes y, v_bias t)
{
    (void)t;
    return _mm_cvtepi32_ps(
        _mm_add_epi32(dot_half(x.half[0], y.half[0]), dot_half(x.half[1], y.half[1])));
}

#elif defined ATTN__ISA_NEON

typedef struct {
    int8x16_t half[2];
} v_codes;

ATTN__INLINE v_codes b_row(const int8_t *p)
{
    return (v_codes){{vld1q_s8(p), vld1q_s8(p + 16)}};
}

ATTN__INLINE v_codes b_key_q4(const uint8_t *p)
{
    uint8x16_t b = vld1q_u8(p);
    int8x16_t low = vreinterpretq_s8_u8(vandq_u8(b, vdupq_n_u8(15)));
    int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(b, 4));
    return (v_codes){{vsubq_s8(low, vdupq_n_s8(8)), vsubq_s8(high, vdupq_n_s8(8))}};
}

ATTN__INLINE v_sums d_dot(v_codes x, v_codes y, v_bias t)
{
    (void)t;
    int32x4_t sum = vdupq_n_s32(0);
    for (int i = 0; i < 2; i++) {
        int8x16_t a = x.half[i], b = y.half[i];
        sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        sum = vpadalq_s16(sum, vmull_s8(vget_high_s8(a), vget_high_s8(b)));
    }
    return vcvtq_f32_s32(sum);
}

#else

typedef struct {
    int8_t v[32];
} v_codes;

ATTN__INLINE v_codes b_row(const int8_t *p)
{
    v_codes r;
    memcpy(r.v, p, sizeof r.v);
    return r;
}

ATTN__INLINE v_codes b_key_q4(const uint8_t *p)
{
    v_codes r;
    for (int i = 0; i < 16; i++) {
        r.v[i] = (int8_t)((p[i] & 15) - 8);
        r.v[16 + i] = (int8_t)((p[i] >> 4) - 8);
    }
    return r;
}

ATTN__INLINE v_sums d_dot(v_codes x, v_codes y, v_bias t)
{
    (void)t;
    int32_t sum[VF_LANES] = {0};
    v_sums r;
    for (int i = 0; i < 32; i++)
        sum[i % VF_LANES] += x.v[i] * y.v[i];
    for (int i = 0; i < VF_LANES; i++)
        r.v[i] = (float)sum[i];
    return r;
}

#endif

ATTN__INLINE v_codes b_key_q8(const uint8_t *p) { return b_row((const int8_t *)p); }

ATTN__INLINE v_bias d_start(v_codes y)
{
    (void)y;
    return (v_bias){0};
}

ATTN__INLINE v_sums d_zero(void) { return v_zero(); }
ATTN__INLINE v_sums d_fma(v_sums a, float f, v_sums c) { return v_fma(a, v_set1(f), c); }

ATTN__INLINE void d_hsum4(float *s, v_sums a, v_sums b, v_sums c, v_sums d)
{
    v_hsum4(s, a, b, c, d);
}

ATTN__INLINE v_four v4_halves(const uint8_t *p, int64_t step, int64_t n)
{
    uint16_t h[4];
    for (int64_t i = 0; i < 4; i++)
        h[i] = half_at(p + (i < n ? i : n - 1) * step);
    return v_load_f16(h);
}

ATTN__INLINE void v4_scaled(float *to, v_four a, const float *f)
{
    v_store(to, v_mul(a, v_load(f)));
}

#endif

#endif
