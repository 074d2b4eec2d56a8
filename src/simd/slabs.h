/* SPDX-License-Identifier: MIT */
/*
 * Codes of slabs (base/dtype.h) as floats. v_words are VF_LANES words of 32 bits:
 * w_load(p, flip) has those at p with the bits of `flip` changed in each;
 * W_CODE(w, at, bits), of constants, the `bits` signed bits from bit `at` on.
 * What is stored has the sign bit of each code changed: 128 or 8 more.
 */
#ifndef ATTN__SIMD_SLABS_H
#define ATTN__SIMD_SLABS_H

#if defined ATTN__ISA_AVX512

typedef __m512i v_words;

ATTN__INLINE v_words w_load(const uint8_t *p, uint32_t flip)
{
    return _mm512_xor_si512(_mm512_loadu_si512(p), _mm512_set1_epi32((int)flip));
}

#define W_CODE(w, at, bits)                                                                        \
    _mm512_cvtepi32_ps(                                                                            \
        _mm512_srai_epi32(_mm512_slli_epi32(w, 32 - (bits) - (at)), 32 - (bits)))

#elif defined ATTN__ISA_AVX2

typedef __m256i v_words;

ATTN__INLINE v_words w_load(const uint8_t *p, uint32_t flip)
{
    return _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)p),
                            _mm256_set1_epi32((int)flip));
}

#define W_CODE(w, at, bits)                                                                        \
    _mm256_cvtepi32_ps(                                                                            \
        _mm256_srai_epi32(_mm256_slli_epi32(w, 32 - (bits) - (at)), 32 - (bits)))

#elif defined ATTN__ISA_SSE2

typedef __m128i v_words;

ATTN__INLINE v_words w_load(const uint8_t *p, uint32_t flip)
{
    return _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)p),
                         _mm_set1_epi32((int)flip));
}

#define W_CODE(w, at, bits)                                                                        \
    _mm_cvtepi32_ps(_mm_srai_epi32(_mm_slli_epi32(w, 32 - (bits) - (at)), 32 - (bits)))

#elif defined ATTN__ISA_NEON

typedef uint32x4_t v_words;

ATTN__INLINE v_words w_load(const uint8_t *p, uint32_t flip)
{
    return veorq_u32(vreinterpretq_u32_u8(vld1q_u8(p)), vdupq_n_u32(flip));
}

#define W_CODE(w, at, bits)                                                                        \
    vcvtq_f32_s32(vshrq_n_s32(                                                                     \
        vreinterpretq_s32_u32(vshlq_n_u32(w, 32 - (bits) - (at))), 32 - (bits)))

#else

typedef struct {
    uint8_t b[4 * VF_LANES];
} v_words;

/* What is stored is the number and `sign` more. */
ATTN__INLINE v_words w_load(const uint8_t *p, uint32_t flip)
{
    v_words w;
    (void)flip;
    memcpy(w.b, p, sizeof w.b);
    return w;
}

ATTN__INLINE vf w_code(v_words w, int at, int bits)
{
    const int sign = 1 << (bits - 1);
    vf x;
    for (int i = 0; i < VF_LANES; i++)
        x.v[i] = (float)((w.b[4 * i + at / 8] >> at % 8 & (2 * sign - 1)) - sign);
    return x;
}

#define W_CODE(w, at, bits) w_code(w, at, bits)

#endif

#endif
