/* SPDX-License-Identifier: MIT */
/*
 * Rows of n numbers between float and the types that caches store: blocks of
 * 32 with one factor (q8_0 and q4_0, as ggml lays them out), and bytes of fp8.
 * Stored rows are addressed in bytes, n is a multiple of 32 for blocks.
 *
 * Every set of instructions does the same operations, none of them fused, so
 * that codes are the same bits on all machines. Nothing is refused: what NaN,
 * infinities and factors beyond a half become is bytes without a meaning.
 */

ATTN__INLINE void store_half(uint8_t *p, float f)
{
    uint16_t h[VF_LANES];
    v_store_f16(h, v_set1(f));
    memcpy(p, h, sizeof *h);
}

/* ---- q8_0: a half d, 32 signed bytes; value code * d */

ATTN__INLINE float largest(const vf *x)
{
    vf most = v_abs(x[0]);
    for (int i = 1; i < VF_BLOCK; i++)
        most = v_max(most, v_abs(x[i]));
    float t[VF_LANES], m = 0.0f;
    v_store(t, most);
    for (int i = 0; i < VF_LANES; i++)
        m = t[i] > m ? t[i] : m;
    return m;
}

/* the codes of a block, halves away from zero; inverse is 1 / d, 0 for d = 0 */
ATTN__INLINE void codes_q8(uint8_t *to, const vf *x, float inverse)
{
    for (int b = 0; b < VF_BLOCK; b++) {
        vf y = v_mul(x[b], v_set1(inverse));
        vf mag = v_min(v_abs(y), v_set1(127.0f)), near = v_round(mag);
        vm below = v_lt(v_sub(mag, near), v_set1(0.5f));
        near = v_select(below, near, v_add(near, v_set1(1.0f)));
        v_store_8(to + b * VF_LANES, v_copysign(near, y));
    }
}

/* d is the largest magnitude / 127, a code x / d */
static void cvt_f32_q8_0(uint8_t *restrict dst, int64_t ldd, const float *restrict src,
                         int64_t lds, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, dst += ldd, src += lds) {
        uint8_t *to = dst;
        for (int64_t i = 0; i < n; i += 32, to += 34) {
            vf x[VF_BLOCK];
            for (int b = 0; b < VF_BLOCK; b++)
                x[b] = v_load(src + i + b * VF_LANES);
            float d = largest(x) / 127.0f;
            store_half(to, d);
            codes_q8(to + 2, x, d != 0.0f ? 1.0f / d : 0.0f);
        }
    }
}

/* The same with factors in float, f of them for each row, which hold NaN where
 * a block has a number that is none or infinite. Blocks below 2^-100 are 0. */
static void row_codes_int8(const float *restrict q, int64_t rows, int64_t d, int8_t *restrict to,
                           float *restrict f, int64_t ldf)
{
    for (int64_t r = 0; r < rows; r++, f += ldf) {
        for (int64_t i = 0; i < d; i += 32, q += 32, to += 32) {
            vf x[VF_BLOCK], none = v_zero();
            for (int b = 0; b < VF_BLOCK; b++) {
                x[b] = v_load(q + b * VF_LANES);
                none = v_fma(x[b], v_zero(), none);
            }
            float most = largest(x);
            most = most < 0x1p-100f ? 0.0f : most;
            f[i / 32] = most / 127.0f + v_hsum(none);
            codes_q8((uint8_t *)to, x, most > 0.0f ? 127.0f / most : 0.0f);
        }
        for (int64_t b = d / 32; b < ldf; b++)
            f[b] = 0.0f;
    }
}

/* ---- q4_0: a half d, 16 bytes; the first half of the values in the low bits;
 * value (code - 8) * d */

/* the first of the largest in magnitude, with its sign */
ATTN__INLINE float extreme(const float *x)
{
    float m = 0.0f, most = 0.0f;
    for (int i = 0; i < 32; i++) {
        float mag = x[i] < 0.0f ? -x[i] : x[i];
        m = mag > most ? x[i] : m;
        most = mag > most ? mag : most;
    }
    return m;
}

/* min(15, floor(x * inverse + 8.5)) */
ATTN__INLINE vf code_q4(const float *x, vf inverse)
{
    vf y = v_add(v_mul(v_load(x), inverse), v_set1(8.5f));
    y = v_min(v_max(y, v_zero()), v_set1(15.5f));
    vf near = v_round(y);
    near = v_select(v_lt(y, near), v_sub(near, v_set1(1.0f)), near);
    return v_min(near, v_set1(15.0f));
}

/* d is that number / -8 */
static void cvt_f32_q4_0(uint8_t *restrict dst, int64_t ldd, const float *restrict src,
                         int64_t lds, int64_t rows, int64_t n)
{
    for (int64_t r = 0; r < rows; r++, dst += ldd, src += lds) {
        uint8_t *to = dst;
        for (int64_t i = 0; i < n; i += 32, to += 18) {
            const float *x = src + i;
            float d = extreme(x) / -8.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
            store_half(to, d);
            for (int b = 0; b < 16; b += VF_LANES) {
                vf lo = code_q4(x + b, v_set1(inverse));
                vf hi = code_q4(x + 16 + b, v_set1(inverse));
                v_store_8(to + 2 + b, v_add(lo, v_mul(hi, v_set1(16.0f))));
            }
        }
    }
}

#define ATTN__WIDEN(name, bytes, BLOCK)                                                           \
    static void name(float *restrict dst, int64_t ldd, const uint8_t *restrict src, int64_t lds,  \
                     int64_t rows, int64_t n)                                                     \
    {                                                                                             \
        for (int64_t r = 0; r < rows; r++, dst += ldd, src += lds) {                              \
            const uint8_t *from = src;                                                            \
            for (int64_t i = 0; i < n; i += 32, from += (bytes)) {                                \
                vf x[VF_BLOCK];                                                                   \
                BLOCK(from + 2, v_set1_f16(half_at(from)), x);                                  \
                for (int b = 0; b < VF_BLOCK; b++)                                                \
                    v_store(dst + i + b * VF_LANES, x[b]);                                        \
            }                                                                                     \
        }                                                                                         \
    }

ATTN__WIDEN(cvt_q8_0_f32, 34, v_block_q8)
ATTN__WIDEN(cvt_q4_0_f32, 18, v_block_q4)

#undef ATTN__WIDEN

/* ---- fp8: the number nearest to x / scale, ties to even, no larger than the
 * largest finite one; value code * scale */

ATTN__INLINE uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/*
 * `mant` bits of significand, 2^-bias the unit of its exponent 0. A number
 * below the smallest normal one is added to 2^23 of its units, so that the
 * hardware rounds it to one; others are rounded by the integer addition.
 */
ATTN__INLINE uint8_t narrow_fp8(float y, int mant, int bias, float most)
{
    const int cut = 23 - mant;
    uint32_t u = float_bits(y), sign = u >> 24 & 0x80u, mag = u & 0x7fffffffu;
    uint32_t top = float_bits(most);
    uint32_t m = mag < top ? mag : top, unit = (uint32_t)(127 + 1 - bias - mant) << 23;
    uint32_t normal = (m + (1u << (cut - 1)) - 1u + (m >> cut & 1u)) >> cut;
    float f, shifter;
    uint32_t high = unit + (23u << 23);
    memcpy(&f, &m, sizeof f);
    memcpy(&shifter, &high, sizeof shifter);
    uint32_t small = float_bits(f + shifter) - high;
    uint32_t code = m < (uint32_t)(127 + 1 - bias) << 23
                        ? small
                        : normal - ((uint32_t)(127 - bias) << mant);
    return (uint8_t)(mag > 0x7f800000u ? 0x7fu : code | sign);
}

#define ATTN__FP8(type, mant, bias, most)                                                         \
    static void cvt_f32_##type(uint8_t *restrict dst, int64_t ldd, const float *restrict src,     \
                               int64_t lds, int64_t rows, int64_t n, float scale)                 \
    {                                                                                             \
        for (int64_t r = 0; r < rows; r++, dst += ldd, src += lds)                                \
            for (int64_t i = 0; i < n; i++)                                                       \
                dst[i] = narrow_fp8(src[i] / scale, mant, bias, most);                            \
    }                                                                                             \
                                                                                                  \
    static void cvt_##type##_f32(float *restrict dst, int64_t ldd, const uint8_t *restrict src,   \
                                 int64_t lds, int64_t rows, int64_t n, float scale)               \
    {                                                                                             \
        vf f = v_set1(scale);                                                                     \
        for (int64_t r = 0; r < rows; r++, dst += ldd, src += lds) {                              \
            int64_t i = 0;                                                                        \
            for (; i + VF_LANES <= n; i += VF_LANES)                                              \
                v_store(dst + i, v_mul(v_load_##type(src + i), f));                               \
            if (i < n)                                                                            \
                v_storen(dst + i, v_mul(v_loadn_##type(src + i, n - i), f), n - i);               \
        }                                                                                         \
    }

ATTN__FP8(e4m3, 3, 7, 448.0f)
ATTN__FP8(e5m2, 2, 15, 57344.0f)

#undef ATTN__FP8
