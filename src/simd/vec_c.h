/* SPDX-License-Identifier: MIT */
/*
 * Vectors in portable C: four floats in a struct. This is the version that all
 * others are checked against, and what runs on machines nobody has written a
 * vector header for.
 */
#ifndef ATTN__SIMD_VEC_C_H
#define ATTN__SIMD_VEC_C_H

#define VF_LANES 4
#define VF_REGS 16

typedef struct {
    float v[4];
} vf;

typedef struct {
    bool v[4];
} vm;

#define ATTN__EACH(type, expr)           \
    type r;                              \
    for (int i = 0; i < VF_LANES; i++)   \
        r.v[i] = (expr);                 \
    return r

ATTN__INLINE uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

ATTN__INLINE float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

ATTN__INLINE vf v_load(const float *p) { ATTN__EACH(vf, p[i]); }

ATTN__INLINE vf v_loadn(const float *p, int64_t n)
{
    ATTN__EACH(vf, i < n ? p[i] : 0.0f);
}

ATTN__INLINE void v_store(float *p, vf a)
{
    for (int i = 0; i < VF_LANES; i++)
        p[i] = a.v[i];
}

ATTN__INLINE void v_storen(float *p, vf a, int64_t n)
{
    for (int i = 0; i < n; i++)
        p[i] = a.v[i];
}

ATTN__INLINE vf v_set1(float x) { ATTN__EACH(vf, x); }
ATTN__INLINE vf v_zero(void) { ATTN__EACH(vf, 0.0f); }
ATTN__INLINE vf v_add(vf a, vf b) { ATTN__EACH(vf, a.v[i] + b.v[i]); }
ATTN__INLINE vf v_sub(vf a, vf b) { ATTN__EACH(vf, a.v[i] - b.v[i]); }
ATTN__INLINE vf v_mul(vf a, vf b) { ATTN__EACH(vf, a.v[i] * b.v[i]); }
ATTN__INLINE vf v_div(vf a, vf b) { ATTN__EACH(vf, a.v[i] / b.v[i]); }

ATTN__INLINE vf v_fma(vf a, vf b, vf c)
{
    ATTN__EACH(vf, a.v[i] * b.v[i] + c.v[i]);
}

ATTN__INLINE vf v_fnma(vf a, vf b, vf c)
{
    ATTN__EACH(vf, c.v[i] - a.v[i] * b.v[i]);
}

ATTN__INLINE vf v_max(vf a, vf b)
{
    ATTN__EACH(vf, a.v[i] > b.v[i] ? a.v[i] : b.v[i]);
}

ATTN__INLINE vf v_min(vf a, vf b)
{
    ATTN__EACH(vf, a.v[i] < b.v[i] ? a.v[i] : b.v[i]);
}

ATTN__INLINE vf v_swap2(vf a) { ATTN__EACH(vf, a.v[i ^ 1]); }

ATTN__INLINE vf v_abs(vf a)
{
    ATTN__EACH(vf, float_of(bits_of(a.v[i]) & 0x7fffffffu));
}

ATTN__INLINE vf v_copysign(vf a, vf sign)
{
    ATTN__EACH(vf, float_of((bits_of(a.v[i]) & 0x7fffffffu)
                            | (bits_of(sign.v[i]) & 0x80000000u)));
}

/* Adding 1.5 * 2^23 leaves the integer in the low bits of the sum. */
ATTN__INLINE vf v_round(vf a)
{
    ATTN__EACH(vf, a.v[i] + 12582912.0f - 12582912.0f);
}

ATTN__INLINE vf v_ldexp(vf a, vf n)
{
    ATTN__EACH(vf, a.v[i] * float_of((bits_of(n.v[i] + 12582912.0f) << 23)
                                     + 0x3f800000u));
}

ATTN__INLINE vm v_lt(vf a, vf b) { ATTN__EACH(vm, a.v[i] < b.v[i]); }
ATTN__INLINE vm v_isnan(vf a) { ATTN__EACH(vm, a.v[i] != a.v[i]); }
ATTN__INLINE vm m_or(vm a, vm b) { ATTN__EACH(vm, a.v[i] || b.v[i]); }
ATTN__INLINE vm m_and(vm a, vm b) { ATTN__EACH(vm, a.v[i] && b.v[i]); }
ATTN__INLINE vm m_bits(uint32_t bits) { ATTN__EACH(vm, bits >> i & 1u); }
ATTN__INLINE bool m_any(vm a) { return a.v[0] || a.v[1] || a.v[2] || a.v[3]; }

ATTN__INLINE vf v_select(vm m, vf a, vf b)
{
    ATTN__EACH(vf, m.v[i] ? a.v[i] : b.v[i]);
}

ATTN__INLINE vf v_clear(vm m, vf a) { ATTN__EACH(vf, m.v[i] ? 0.0f : a.v[i]); }

ATTN__INLINE void v_hsum4(float *s, vf a, vf b, vf c, vf d)
{
    const vf *const x[4] = { &a, &b, &c, &d };
    for (int i = 0; i < 4; i++)
        s[i] = (x[i]->v[0] + x[i]->v[2]) + (x[i]->v[1] + x[i]->v[3]);
}

ATTN__INLINE void v_transpose(vf r[VF_LANES])
{
    for (int i = 0; i < VF_LANES; i++) {
        for (int j = 0; j < i; j++) {
            float t = r[i].v[j];
            r[i].v[j] = r[j].v[i];
            r[j].v[i] = t;
        }
    }
}

/*
 * Half to float: the exponent is moved by 112. Infinities and NaN need another
 * 112; a subnormal half is what is left of 2^-14 + x when 2^-14 is taken off.
 */
ATTN__INLINE float widen_f16(uint16_t h)
{
    uint32_t mag = (h & 0x7fffu) << 13;
    uint32_t u = mag + (112u << 23);
    float f;
    if (mag >= 0x0f800000u)
        f = float_of(u + (112u << 23));
    else if (mag < 0x00800000u)
        f = float_of(u + (1u << 23)) - 0x1p-14f;
    else
        f = float_of(u);
    return float_of(bits_of(f) | (uint32_t)(h & 0x8000u) << 16);
}

/*
 * Float to half, to nearest even. Below 2^-14 the addition of 0.5 shifts the
 * significand so that the hardware rounds at the last bit of a subnormal half;
 * above, the integer addition carries into the exponent, up to infinity.
 */
ATTN__INLINE uint16_t narrow_f16(float f)
{
    uint32_t sign = bits_of(f) & 0x80000000u;
    uint32_t mag = bits_of(f) ^ sign;
    uint32_t h;
    if (mag > 0x7f800000u)
        h = 0x7e00u;
    else if (mag >= 0x47800000u)
        h = 0x7c00u;
    else if (mag < 0x38800000u)
        h = bits_of(float_of(mag) + 0.5f) - 0x3f000000u;
    else
        h = (mag - 0x38000000u + 0xfffu + (mag >> 13 & 1u)) >> 13;
    return (uint16_t)(h | sign >> 16);
}

ATTN__INLINE uint16_t narrow_bf16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

ATTN__INLINE vf v_load_f16(const uint16_t *p)
{
    ATTN__EACH(vf, widen_f16(p[i]));
}

ATTN__INLINE vf v_load_bf16(const uint16_t *p)
{
    ATTN__EACH(vf, float_of((uint32_t)p[i] << 16));
}

ATTN__INLINE void v_store_f16(uint16_t *p, vf a)
{
    for (int i = 0; i < VF_LANES; i++)
        p[i] = narrow_f16(a.v[i]);
}

ATTN__INLINE void v_store_bf16(uint16_t *p, vf a)
{
    for (int i = 0; i < VF_LANES; i++)
        p[i] = narrow_bf16(a.v[i]);
}

/*
 * An e5m2 byte is the upper half of a half. An e4m3 byte, moved to where the
 * lower bits of a half's exponent are, is the half of 1/256 of its value; only
 * NaN, all ones, would be a number there.
 */
ATTN__INLINE float unit_e4m3(uint8_t b)
{
    uint32_t h = (b & 0x7fu) == 0x7fu ? 0x7e00u : (b & 0x7fu) << 7;
    return widen_f16((uint16_t)(h | (b & 0x80u) << 8));
}

ATTN__INLINE vf v_units_e4m3(const uint8_t *p)
{
    ATTN__EACH(vf, unit_e4m3(p[i]));
}

ATTN__INLINE vf v_set1_f16(uint16_t h)
{
    ATTN__EACH(vf, widen_f16(h));
}

ATTN__INLINE vf v_load_e5m2(const uint8_t *p)
{
    ATTN__EACH(vf, widen_f16((uint16_t)(p[i] << 8)));
}

ATTN__INLINE void v_block_q8(const uint8_t *p, vf d, vf *x)
{
    for (int i = 0; i < 32; i++)
        x[i / VF_LANES].v[i % VF_LANES] =
            (float)(int8_t)p[i] * d.v[i % VF_LANES];
}

ATTN__INLINE void v_block_q4(const uint8_t *p, vf d, vf *x)
{
    for (int i = 0; i < 32; i++)
        x[i / VF_LANES].v[i % VF_LANES] =
            (float)((i < 16 ? p[i] & 15 : p[i - 16] >> 4) - 8) *
            d.v[i % VF_LANES];
}

ATTN__INLINE void v_codes_4(const uint8_t *p, vf *x)
{
    for (int i = 0; i < 32; i++)
        x[i / VF_LANES].v[i % VF_LANES] =
            (float)(p[i % 16] >> 4 * (i / 16) & 15);
}

ATTN__INLINE void v_codes_2(const uint8_t *p, vf *x)
{
    for (int i = 0; i < 32; i++)
        x[i / VF_LANES].v[i % VF_LANES] =
            (float)(p[i % 8] >> 2 * (i / 8) & 3);
}

ATTN__INLINE void v_store_8(uint8_t *p, vf a)
{
    for (int i = 0; i < VF_LANES; i++)
        p[i] = (uint8_t)(int32_t)a.v[i];
}

#undef ATTN__EACH

#endif
