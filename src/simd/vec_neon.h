/* SPDX-License-Identifier: MIT */
/* Vectors for 64-bit Arm: four floats, 32 registers, fused multiply-add. */
#ifndef ATTN__SIMD_VEC_NEON_H
#define ATTN__SIMD_VEC_NEON_H

#include <arm_neon.h>

#define VF_LANES 4
#define VF_REGS 32
#define VF_HSUM_NEIGHBOURS

typedef float32x4_t vf;
typedef uint32x4_t vm;

ATTN__INLINE vf v_load(const float *p) { return vld1q_f32(p); }
ATTN__INLINE void v_store(float *p, vf a) { vst1q_f32(p, a); }
ATTN__INLINE vf v_set1(float x) { return vdupq_n_f32(x); }
ATTN__INLINE vf v_zero(void) { return vdupq_n_f32(0.0f); }

ATTN__INLINE vf v_loadn(const float *p, int64_t n)
{
    if (n >= 4)
        return vld1q_f32(p);
    float32x4_t a = vdupq_n_f32(0.0f);
    if (n > 0)
        a = vld1q_lane_f32(p, a, 0);
    if (n > 1)
        a = vld1q_lane_f32(p + 1, a, 1);
    if (n > 2)
        a = vld1q_lane_f32(p + 2, a, 2);
    return a;
}

ATTN__INLINE void v_storen(float *p, vf a, int64_t n)
{
    if (n >= 4) {
        vst1q_f32(p, a);
        return;
    }
    if (n > 0)
        vst1q_lane_f32(p, a, 0);
    if (n > 1)
        vst1q_lane_f32(p + 1, a, 1);
    if (n > 2)
        vst1q_lane_f32(p + 2, a, 2);
}

ATTN__INLINE vf v_add(vf a, vf b) { return vaddq_f32(a, b); }
ATTN__INLINE vf v_sub(vf a, vf b) { return vsubq_f32(a, b); }
ATTN__INLINE vf v_mul(vf a, vf b) { return vmulq_f32(a, b); }
ATTN__INLINE vf v_div(vf a, vf b) { return vdivq_f32(a, b); }
ATTN__INLINE vf v_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
ATTN__INLINE vf v_fnma(vf a, vf b, vf c) { return vfmsq_f32(c, a, b); }
ATTN__INLINE vf v_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
ATTN__INLINE vf v_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
ATTN__INLINE vf v_swap2(vf a) { return vrev64q_f32(a); }
ATTN__INLINE vf v_abs(vf a) { return vabsq_f32(a); }

ATTN__INLINE vf v_copysign(vf a, vf sign)
{
    return vbslq_f32(vdupq_n_u32(0x80000000u), sign, a);
}

ATTN__INLINE vf v_round(vf a) { return vrndnq_f32(a); }

ATTN__INLINE vf v_ldexp(vf a, vf n)
{
    int32x4_t e = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
    return vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32(e, 23)));
}

ATTN__INLINE vm v_lt(vf a, vf b) { return vcltq_f32(a, b); }
ATTN__INLINE vm v_isnan(vf a) { return vmvnq_u32(vceqq_f32(a, a)); }
ATTN__INLINE vm m_or(vm a, vm b) { return vorrq_u32(a, b); }
ATTN__INLINE vm m_and(vm a, vm b) { return vandq_u32(a, b); }
ATTN__INLINE bool m_any(vm a) { return vmaxvq_u32(a) != 0; }

ATTN__INLINE vm m_bits(uint32_t bits)
{
    static const uint32_t lane[4] = { 1, 2, 4, 8 };
    return vtstq_u32(vdupq_n_u32(bits), vld1q_u32(lane));
}

ATTN__INLINE vf v_select(vm m, vf a, vf b) { return vbslq_f32(m, a, b); }

ATTN__INLINE vf v_clear(vm m, vf a)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(a), m));
}

ATTN__INLINE void v_hsum4(float *s, vf a, vf b, vf c, vf d)
{
    vst1q_f32(s, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

ATTN__INLINE void v_transpose(vf r[VF_LANES])
{
    float32x4x2_t ab = vtrnq_f32(r[0], r[1]);
    float32x4x2_t cd = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(ab.val[0]), vget_low_f32(cd.val[0]));
    r[1] = vcombine_f32(vget_low_f32(ab.val[1]), vget_low_f32(cd.val[1]));
    r[2] = vcombine_f32(vget_high_f32(ab.val[0]), vget_high_f32(cd.val[0]));
    r[3] = vcombine_f32(vget_high_f32(ab.val[1]), vget_high_f32(cd.val[1]));
}

ATTN__INLINE vf v_load_f16(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

ATTN__INLINE vf v_load_bf16(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

ATTN__INLINE void v_store_f16(uint16_t *p, vf a)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(a)));
}

ATTN__INLINE void v_store_bf16(uint16_t *p, vf a)
{
    uint32x4_t u = vreinterpretq_u32_f32(a);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(u, 16), vdupq_n_u32(1));
    uint32x4_t r = vaddq_u32(vaddq_u32(u, vdupq_n_u32(0x7fff)), odd);
    r = vbslq_u32(v_isnan(a), vorrq_u32(u, vdupq_n_u32(0x400000)), r);
    vst1_u16(p, vshrn_n_u32(r, 16));
}

/* four bytes in the lower half of eight */
ATTN__INLINE uint8x8_t load_bytes(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return vcreate_u8(word);
}

/* see vec_c.h */
ATTN__INLINE vf v_units_e4m3(const uint8_t *p)
{
    uint16x4_t h = vget_low_u16(vshll_n_u8(load_bytes(p), 8));
    h = vreinterpret_u16_s16(vshr_n_s16(vreinterpret_s16_u16(h), 1));
    h = vand_u16(h, vdup_n_u16(0xbf80));
    uint16x4_t mag = vand_u16(h, vdup_n_u16(0x3f80));
    uint16x4_t nan = vceq_u16(mag, vdup_n_u16(0x3f80));
    h = vorr_u16(h, vand_u16(nan, vdup_n_u16(0x7e00)));
    return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

ATTN__INLINE vf v_set1_f16(uint16_t h)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h)));
}

ATTN__INLINE vf v_load_e5m2(const uint8_t *p)
{
    uint16x4_t h = vget_low_u16(vshll_n_u8(load_bytes(p), 8));
    return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

/* sixteen signed bytes, times d */
ATTN__INLINE void widen_bytes(int8x16_t b, vf d, vf *x)
{
    int16x8_t lo = vmovl_s8(vget_low_s8(b)), hi = vmovl_s8(vget_high_s8(b));
    x[0] = vmulq_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), d);
    x[1] = vmulq_f32(vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo))), d);
    x[2] = vmulq_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), d);
    x[3] = vmulq_f32(vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi))), d);
}

ATTN__INLINE void v_block_q8(const uint8_t *p, vf d, vf *x)
{
    widen_bytes(vreinterpretq_s8_u8(vld1q_u8(p)), d, x);
    widen_bytes(vreinterpretq_s8_u8(vld1q_u8(p + 16)), d, x + 4);
}

ATTN__INLINE void v_block_q4(const uint8_t *p, vf d, vf *x)
{
    uint8x16_t b = vld1q_u8(p);
    int8x16_t lo = vreinterpretq_s8_u8(vandq_u8(b, vdupq_n_u8(15)));
    int8x16_t hi = vreinterpretq_s8_u8(vshrq_n_u8(b, 4));
    widen_bytes(vsubq_s8(lo, vdupq_n_s8(8)), d, x);
    widen_bytes(vsubq_s8(hi, vdupq_n_s8(8)), d, x + 4);
}

/* eight bytes */
ATTN__INLINE void widen_codes(uint8x8_t b, vf *x)
{
    uint16x8_t w = vmovl_u8(b);
    x[0] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(w)));
    x[1] = vcvtq_f32_u32(vmovl_u16(vget_high_u16(w)));
}

ATTN__INLINE void v_codes_4(const uint8_t *p, vf *x)
{
    for (int i = 0; i < 2; i++) {
        uint8x8_t b = vld1_u8(p + 8 * i);
        widen_codes(vand_u8(b, vdup_n_u8(15)), x + 2 * i);
        widen_codes(vshr_n_u8(b, 4), x + 2 * i + 4);
    }
}

ATTN__INLINE void v_codes_2(const uint8_t *p, vf *x)
{
    const uint8x8_t low = vdup_n_u8(3);
    uint8x8_t b = vld1_u8(p);
    widen_codes(vand_u8(b, low), x);
    widen_codes(vand_u8(vshr_n_u8(b, 2), low), x + 2);
    widen_codes(vand_u8(vshr_n_u8(b, 4), low), x + 4);
    widen_codes(vshr_n_u8(b, 6), x + 6);
}

ATTN__INLINE void v_store_8(uint8_t *p, vf a)
{
    int16x4_t w = vmovn_s32(vcvtnq_s32_f32(a));
    uint8x8_t b = vmovn_u16(vreinterpretq_u16_s16(vcombine_s16(w, w)));
    uint32_t word = vget_lane_u32(vreinterpret_u32_u8(b), 0);
    memcpy(p, &word, sizeof word);
}

#endif
