/* SPDX-License-Identifier: MIT */
/*
 * Vectors for every x86-64 processor: four floats, no fused multiply-add, and
 * half precision done with integer instructions.
 */
#ifndef ATTN__SIMD_VEC_SSE2_H
#define ATTN__SIMD_VEC_SSE2_H

#include <emmintrin.h>

#define VF_LANES 4
#define VF_REGS 16

typedef __m128 vf;
typedef __m128 vm;

ATTN__INLINE vf v_load(const float *p) { return _mm_loadu_ps(p); }
ATTN__INLINE void v_store(float *p, vf a) { _mm_storeu_ps(p, a); }
ATTN__INLINE vf v_set1(float x) { return _mm_set1_ps(x); }
ATTN__INLINE vf v_zero(void) { return _mm_setzero_ps(); }

ATTN__INLINE vf v_loadn(const float *p, int64_t n)
{
    if (n >= 4)
        return _mm_loadu_ps(p);
    __m128 lo = _mm_setzero_ps();
    if (n & 2)
        lo = _mm_loadl_pi(lo, (const __m64 *)(const void *)p);
    if (!(n & 1))
        return lo;
    __m128 odd = _mm_load_ss(p + (n & 2));
    return n & 2 ? _mm_movelh_ps(lo, odd) : odd;
}

ATTN__INLINE void v_storen(float *p, vf a, int64_t n)
{
    if (n >= 4) {
        _mm_storeu_ps(p, a);
        return;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)(void *)p, a);
        a = _mm_movehl_ps(a, a);
    }
    if (n & 1)
        _mm_store_ss(p + (n & 2), a);
}

ATTN__INLINE vf v_add(vf a, vf b) { return _mm_add_ps(a, b); }
ATTN__INLINE vf v_sub(vf a, vf b) { return _mm_sub_ps(a, b); }
ATTN__INLINE vf v_mul(vf a, vf b) { return _mm_mul_ps(a, b); }
ATTN__INLINE vf v_div(vf a, vf b) { return _mm_div_ps(a, b); }

ATTN__INLINE vf v_fma(vf a, vf b, vf c)
{
    return _mm_add_ps(_mm_mul_ps(a, b), c);
}

ATTN__INLINE vf v_fnma(vf a, vf b, vf c)
{
    return _mm_sub_ps(c, _mm_mul_ps(a, b));
}

ATTN__INLINE vf v_max(vf a, vf b) { return _mm_max_ps(a, b); }
ATTN__INLINE vf v_min(vf a, vf b) { return _mm_min_ps(a, b); }
ATTN__INLINE vf v_swap2(vf a) { return _mm_shuffle_ps(a, a, 0xb1); }

ATTN__INLINE vf v_abs(vf a) { return _mm_andnot_ps(_mm_set1_ps(-0.0f), a); }

ATTN__INLINE vf v_copysign(vf a, vf sign)
{
    __m128 bit = _mm_set1_ps(-0.0f);
    return _mm_or_ps(_mm_andnot_ps(bit, a), _mm_and_ps(bit, sign));
}

/* beyond 2^31 the result is -2^31: callers cut the range off afterwards */
ATTN__INLINE vf v_round(vf a) { return _mm_cvtepi32_ps(_mm_cvtps_epi32(a)); }

ATTN__INLINE vf v_ldexp(vf a, vf n)
{
    __m128i e = _mm_add_epi32(_mm_cvtps_epi32(n), _mm_set1_epi32(127));
    return _mm_mul_ps(a, _mm_castsi128_ps(_mm_slli_epi32(e, 23)));
}

ATTN__INLINE vm v_lt(vf a, vf b) { return _mm_cmplt_ps(a, b); }
ATTN__INLINE vm v_isnan(vf a) { return _mm_cmpunord_ps(a, a); }
ATTN__INLINE vm m_or(vm a, vm b) { return _mm_or_ps(a, b); }
ATTN__INLINE vm m_and(vm a, vm b) { return _mm_and_ps(a, b); }
ATTN__INLINE bool m_any(vm a) { return _mm_movemask_ps(a) != 0; }

ATTN__INLINE vm m_bits(uint32_t bits)
{
    __m128i lane = _mm_setr_epi32(1, 2, 4, 8);
    __m128i b = _mm_and_si128(_mm_set1_epi32((int)bits), lane);
    return _mm_castsi128_ps(_mm_cmpeq_epi32(b, lane));
}

ATTN__INLINE vf v_select(vm m, vf a, vf b)
{
    return _mm_or_ps(_mm_and_ps(m, a), _mm_andnot_ps(m, b));
}

ATTN__INLINE vf v_clear(vm m, vf a) { return _mm_andnot_ps(m, a); }

ATTN__INLINE void v_hsum4(float *s, vf a, vf b, vf c, vf d)
{
    __m128 ab = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
    __m128 cd = _mm_add_ps(_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
    _mm_storeu_ps(s, _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab)));
}

ATTN__INLINE void v_transpose(vf r[VF_LANES])
{
    _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
}

ATTN__INLINE __m128i pick_bits(__m128i m, __m128i a, __m128i b)
{
    return _mm_or_si128(_mm_and_si128(m, a), _mm_andnot_si128(m, b));
}

/* the arithmetic of the half conversions is explained in vec_c.h */
ATTN__INLINE vf widen_f16(__m128i halves)
{
    __m128i h = _mm_unpacklo_epi16(halves, _mm_setzero_si128());
    __m128i sign = _mm_slli_epi32(_mm_and_si128(h, _mm_set1_epi32(0x8000)), 16);
    __m128i mag = _mm_slli_epi32(_mm_and_si128(h, _mm_set1_epi32(0x7fff)), 13);
    __m128i u = _mm_add_epi32(mag, _mm_set1_epi32(112 << 23));
    __m128i top = _mm_cmpgt_epi32(mag, _mm_set1_epi32(0x0f7fffff));
    __m128i sub = _mm_cmplt_epi32(mag, _mm_set1_epi32(0x00800000));
    __m128 tiny =
        _mm_sub_ps(_mm_castsi128_ps(_mm_add_epi32(u, _mm_set1_epi32(1 << 23))),
                             _mm_set1_ps(0x1p-14f));
    u = _mm_add_epi32(u, _mm_and_si128(top, _mm_set1_epi32(112 << 23)));
    u = pick_bits(sub, _mm_castps_si128(tiny), u);
    return _mm_castsi128_ps(_mm_or_si128(u, sign));
}

ATTN__INLINE vf v_load_f16(const uint16_t *p)
{
    return widen_f16(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

ATTN__INLINE vf v_load_bf16(const uint16_t *p)
{
    __m128i h = _mm_loadl_epi64((const __m128i *)(const void *)p);
    return _mm_castsi128_ps(_mm_unpacklo_epi16(_mm_setzero_si128(), h));
}

/* keep the low halves of four 32-bit lanes */
ATTN__INLINE void store_halves(uint16_t *p, __m128i u)
{
    u = _mm_shufflelo_epi16(u, _MM_SHUFFLE(3, 3, 2, 0));
    u = _mm_shufflehi_epi16(u, _MM_SHUFFLE(3, 3, 2, 0));
    u = _mm_shuffle_epi32(u, _MM_SHUFFLE(3, 3, 2, 0));
    _mm_storel_epi64((__m128i *)(void *)p, u);
}

ATTN__INLINE void v_store_f16(uint16_t *p, vf a)
{
    __m128i u = _mm_castps_si128(a);
    __m128i sign = _mm_and_si128(u, _mm_set1_epi32((int)0x80000000u));
    __m128i mag = _mm_xor_si128(u, sign);
    __m128i odd = _mm_and_si128(_mm_srli_epi32(mag, 13), _mm_set1_epi32(1));
    __m128i h = _mm_add_epi32(mag, _mm_set1_epi32(0xfff - 0x38000000));
    h = _mm_srli_epi32(_mm_add_epi32(h, odd), 13);
    __m128 tiny = _mm_add_ps(_mm_castsi128_ps(mag), _mm_set1_ps(0.5f));
    __m128i sub =
        _mm_sub_epi32(_mm_castps_si128(tiny), _mm_set1_epi32(0x3f000000));
    h = pick_bits(_mm_cmplt_epi32(mag, _mm_set1_epi32(0x38800000)), sub, h);
    h = pick_bits(_mm_cmpgt_epi32(mag, _mm_set1_epi32(0x477fffff)),
                  _mm_set1_epi32(0x7c00), h);
    h = pick_bits(_mm_cmpgt_epi32(mag, _mm_set1_epi32(0x7f800000)),
                  _mm_set1_epi32(0x7e00), h);
    store_halves(p, _mm_or_si128(h, _mm_srli_epi32(sign, 16)));
}

ATTN__INLINE void v_store_bf16(uint16_t *p, vf a)
{
    __m128i u = _mm_castps_si128(a);
    __m128i odd = _mm_and_si128(_mm_srli_epi32(u, 16), _mm_set1_epi32(1));
    __m128i r = _mm_add_epi32(_mm_add_epi32(u, _mm_set1_epi32(0x7fff)), odd);
    __m128i nan = _mm_or_si128(u, _mm_set1_epi32(0x400000));
    r = pick_bits(_mm_castps_si128(_mm_cmpunord_ps(a, a)), nan, r);
    store_halves(p, _mm_srli_epi32(r, 16));
}

/* four bytes as the upper halves of four words */
ATTN__INLINE __m128i load_upper(const uint8_t *p)
{
    int32_t word;
    memcpy(&word, p, sizeof word);
    return _mm_unpacklo_epi8(_mm_setzero_si128(), _mm_cvtsi32_si128(word));
}

/* see vec_c.h */
ATTN__INLINE vf v_units_e4m3(const uint8_t *p)
{
    __m128i h = _mm_and_si128(_mm_srai_epi16(load_upper(p), 1),
                              _mm_set1_epi16((short)0xbf80));
    __m128i mag = _mm_and_si128(h, _mm_set1_epi16(0x3f80));
    __m128i nan = _mm_cmpeq_epi16(mag, _mm_set1_epi16(0x3f80));
    h = _mm_or_si128(h, _mm_and_si128(nan, _mm_set1_epi16(0x7e00)));
    return widen_f16(h);
}

ATTN__INLINE vf v_set1_f16(uint16_t h)
{
    return widen_f16(_mm_set1_epi16((short)h));
}

ATTN__INLINE vf v_load_e5m2(const uint8_t *p)
{
    return widen_f16(load_upper(p));
}

/* sixteen signed bytes, times d */
ATTN__INLINE void widen_bytes(__m128i b, vf d, vf *x)
{
    __m128i lo = _mm_srai_epi16(_mm_unpacklo_epi8(b, b), 8);
    __m128i hi = _mm_srai_epi16(_mm_unpackhi_epi8(b, b), 8);
    __m128i w[4] = { _mm_unpacklo_epi16(lo, lo), _mm_unpackhi_epi16(lo, lo),
                     _mm_unpacklo_epi16(hi, hi), _mm_unpackhi_epi16(hi, hi) };
    for (int i = 0; i < 4; i++)
        x[i] = _mm_mul_ps(_mm_cvtepi32_ps(_mm_srai_epi32(w[i], 16)), d);
}

ATTN__INLINE void v_block_q8(const uint8_t *p, vf d, vf *x)
{
    const __m128i *at = (const __m128i *)(const void *)p;
    widen_bytes(_mm_loadu_si128(at), d, x);
    widen_bytes(_mm_loadu_si128(at + 1), d, x + 4);
}

ATTN__INLINE void v_block_q4(const uint8_t *p, vf d, vf *x)
{
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i low = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    __m128i hi = _mm_and_si128(_mm_srli_epi16(b, 4), low);
    widen_bytes(_mm_sub_epi8(_mm_and_si128(b, low), eight), d, x);
    widen_bytes(_mm_sub_epi8(hi, eight), d, x + 4);
}

/* eight bytes */
ATTN__INLINE void widen_codes(__m128i b, vf *x)
{
    const __m128i zero = _mm_setzero_si128();
    __m128i w = _mm_unpacklo_epi8(b, zero);
    x[0] = _mm_cvtepi32_ps(_mm_unpacklo_epi16(w, zero));
    x[1] = _mm_cvtepi32_ps(_mm_unpackhi_epi16(w, zero));
}

ATTN__INLINE void v_codes_4(const uint8_t *p, vf *x)
{
    const __m128i low = _mm_set1_epi8(15);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i lo = _mm_and_si128(b, low);
    __m128i hi = _mm_and_si128(_mm_srli_epi16(b, 4), low);
    widen_codes(lo, x);
    widen_codes(_mm_unpackhi_epi64(lo, lo), x + 2);
    widen_codes(hi, x + 4);
    widen_codes(_mm_unpackhi_epi64(hi, hi), x + 6);
}

ATTN__INLINE void v_codes_2(const uint8_t *p, vf *x)
{
    __m128i b = _mm_loadl_epi64((const __m128i *)(const void *)p);
    for (int i = 0; i < 4; i++, b = _mm_srli_epi16(b, 2))
        widen_codes(_mm_and_si128(b, _mm_set1_epi8(3)), x + 2 * i);
}

ATTN__INLINE void v_store_8(uint8_t *p, vf a)
{
    __m128i u = _mm_and_si128(_mm_cvtps_epi32(a), _mm_set1_epi32(255));
    u = _mm_packs_epi32(u, u);
    int32_t word = _mm_cvtsi128_si32(_mm_packus_epi16(u, u));
    memcpy(p, &word, sizeof word);
}

#endif
