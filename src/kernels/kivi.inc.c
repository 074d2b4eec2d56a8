/* SPDX-License-Identifier: MIT */
/*
 * What caches store as kivi (Liu et al., 2024), from floats and to them: codes
 * of 4 or 2 bits between the smallest and the largest number of a group, whose
 * step and minimum are halves; value code * step + minimum. A group of values
 * is 32 channels of one row; a group of keys is one channel of 32 rows.
 *
 *     values  for each 32 channels: half step, half minimum, codes
 *     keys    for each 32 channels: half steps [32], half minima [32], codes of
 *             each of the 32 rows
 *
 * Of 32 codes byte i has i and i + 16 of 4 bits, or i, i + 8, i + 16 and i + 24
 * of 2 bits, the first one lowest. Codes are made with the step before it is
 * rounded to a half, in operations that are the same bits on all machines.
 * NaN and infinities become bytes without a meaning.
 */

/* Bytes of 32 codes, and of 32 channels of values and of a block of keys. */
#define ATTN__KIVI_CODES(bits) (4 * (bits))
#define ATTN__KIVI_VALUES(bits) (4 + ATTN__KIVI_CODES(bits))
#define ATTN__KIVI_KEYS(bits) (128 + 32 * ATTN__KIVI_CODES(bits))

ATTN__INLINE void kivi_unpack(const uint8_t *p, int32_t bits, vf *x)
{
    if (bits == 4)
        v_codes_4(p, x);
    else
        v_codes_2(p, x);
}

/* 32 codes, one in each byte */
ATTN__INLINE void kivi_pack(const uint8_t *code, int32_t bits, uint8_t *p)
{
    for (int i = 0; i < 16 && bits == 4; i++)
        p[i] = (uint8_t)(code[i] | code[i + 16] << 4);
    for (int i = 0; i < 8 && bits == 2; i++)
        p[i] = (uint8_t)(code[i] | code[i + 8] << 2 | code[i + 16] << 4 | code[i + 24] << 6);
}

ATTN__INLINE vf kivi_levels(int32_t bits)
{
    return v_set1(bits == 4 ? 15.0f : 3.0f);
}

/* (x - low) / step to the nearest code, halves to even; 0 where step is 0 */
ATTN__INLINE vf kivi_code(vf x, vf low, vf step, vf levels)
{
    vf y = v_div(v_sub(x, low), v_select(v_lt(v_zero(), step), step, v_set1(1.0f)));
    return v_round(v_min(v_max(y, v_zero()), levels));
}

/* The smallest and the largest lane of VF_BLOCK vectors. Here as with keys no
 * zero is -0, which would hang on the order of the lanes. */
ATTN__INLINE void kivi_range(const vf *x, float *low, float *high)
{
    float a[VF_LANES], b[VF_LANES];
    vf least = x[0], most = x[0];
    for (int i = 1; i < VF_BLOCK; i++) {
        least = v_min(least, x[i]);
        most = v_max(most, x[i]);
    }
    v_store(a, least);
    v_store(b, most);
    *low = a[0];
    *high = b[0];
    for (int i = 1; i < VF_LANES; i++) {
        *low = a[i] < *low ? a[i] : *low;
        *high = b[i] > *high ? b[i] : *high;
    }
    *low += 0.0f;
    *high += 0.0f;
}

static void cvt_f32_kivi(uint8_t *restrict dst, int64_t ldd, const float *restrict src,
                         int64_t lds, int64_t rows, int64_t n, int32_t bits)
{
    const int64_t bytes = ATTN__KIVI_VALUES(bits);
    const vf levels = kivi_levels(bits);
    for (int64_t r = 0; r < rows; r++, dst += ldd, src += lds) {
        uint8_t *to = dst;
        for (int64_t i = 0; i < n; i += 32, to += bytes) {
            vf x[VF_BLOCK];
            uint8_t code[32];
            float low, high, step[VF_LANES];
            for (int b = 0; b < VF_BLOCK; b++)
                x[b] = v_load(src + i + b * VF_LANES);
            kivi_range(x, &low, &high);
            vf s = v_div(v_set1(high - low), levels), m = v_set1(low);
            v_store(step, s);
            store_half(to, step[0]);
            store_half(to + 2, low);
            for (int b = 0; b < VF_BLOCK; b++)
                v_store_8(code + b * VF_LANES, kivi_code(x[b], m, s, levels));
            kivi_pack(code, bits, to + 4);
        }
    }
}

static void cvt_kivi_f32(float *restrict dst, int64_t ldd, const uint8_t *restrict src,
                         int64_t lds, int64_t rows, int64_t n, int32_t bits)
{
    const int64_t bytes = ATTN__KIVI_VALUES(bits);
    for (int64_t r = 0; r < rows; r++, dst += ldd, src += lds) {
        const uint8_t *from = src;
        for (int64_t i = 0; i < n; i += 32, from += bytes) {
            vf x[VF_BLOCK], s = v_set1_f16(half_at(from)), m = v_set1_f16(half_at(from + 2));
            kivi_unpack(from + 4, bits, x);
            for (int b = 0; b < VF_BLOCK; b++)
                v_store(dst + i + b * VF_LANES, v_fma(x[b], s, m));
        }
    }
}

/* VF_LANES halves of 32 channels of keys: steps, and 32 further on minima. */
ATTN__INLINE vf kivi_halves(const uint8_t *p)
{
    return v_load_f16((const uint16_t *)(const void *)p);
}

/* row[32]: where the rows of the block are; twice the same does no harm */
static void cvt_f32_kivi_keys(uint8_t *restrict block, const float *const *restrict row, int64_t n,
                              int32_t bits)
{
    const vf levels = kivi_levels(bits);
    for (int64_t i = 0; i < n; i += 32, block += ATTN__KIVI_KEYS(bits)) {
        vf low[VF_BLOCK], step[VF_BLOCK];
        uint16_t *halves = (uint16_t *)(void *)block;
        for (int b = 0; b < VF_BLOCK; b++) {
            const int64_t at = i + b * VF_LANES;
            vf most = v_load(row[0] + at);
            low[b] = most;
            for (int r = 1; r < 32; r++) {
                low[b] = v_min(low[b], v_load(row[r] + at));
                most = v_max(most, v_load(row[r] + at));
            }
            low[b] = v_add(low[b], v_zero());
            step[b] = v_div(v_sub(v_add(most, v_zero()), low[b]), levels);
            v_store_f16(halves + b * VF_LANES, step[b]);
            v_store_f16(halves + 32 + b * VF_LANES, low[b]);
        }
        for (int r = 0; r < 32; r++) {
            uint8_t code[32];
            for (int b = 0; b < VF_BLOCK; b++)
                v_store_8(code + b * VF_LANES, kivi_code(v_load(row[r] + i + b * VF_LANES), low[b],
                                                         step[b], levels));
            kivi_pack(code, bits, block + 128 + r * ATTN__KIVI_CODES(bits));
        }
    }
}

/* `rows` keys of a block from one on, n channels from where it points to */
static void cvt_kivi_keys_f32(float *restrict dst, int64_t ldd, const uint8_t *restrict block,
                              int64_t first, int64_t rows, int64_t n, int32_t bits)
{
    for (int64_t i = 0; i < n; i += 32, block += ATTN__KIVI_KEYS(bits)) {
        const uint8_t *codes = block + 128 + first * ATTN__KIVI_CODES(bits);
        vf step[VF_BLOCK], low[VF_BLOCK];
        for (int b = 0; b < VF_BLOCK; b++) {
            step[b] = kivi_halves(block + 2 * b * VF_LANES);
            low[b] = kivi_halves(block + 64 + 2 * b * VF_LANES);
        }
        for (int64_t r = 0; r < rows; r++) {
            vf x[VF_BLOCK];
            kivi_unpack(codes + r * ATTN__KIVI_CODES(bits), bits, x);
            for (int b = 0; b < VF_BLOCK; b++)
                v_store(dst + r * ldd + i + b * VF_LANES, v_fma(x[b], step[b], low[b]));
        }
    }
}

/* ---- products with query rows */

enum {
    KIVI_ROWS = 4,      /* query rows turned at a time, */
    KIVI_CHANNELS = 256 /* and how many of their channels */
};

/*
 * q . (code * step + minimum) = (q * step) . code + q . minimum, so that a block
 * costs a query row one product more and no key anything. Returns the sum of
 * q * minimum.
 */
ATTN__INLINE float kivi_turn(const float *restrict q, const uint8_t *restrict block,
                             int32_t bits, int64_t n, float *restrict to)
{
    vf sum = v_zero();
    for (int64_t i = 0; i < n; i += 32, block += ATTN__KIVI_KEYS(bits))
        for (int b = 0; b < VF_BLOCK; b++) {
            vf x = v_load(q + i + b * VF_LANES);
            v_store(to + i + b * VF_LANES, v_mul(x, kivi_halves(block + 2 * b * VF_LANES)));
            sum = v_fma(x, kivi_halves(block + 64 + 2 * b * VF_LANES), sum);
        }
    float s[4];
    v_hsum4(s, sum, v_zero(), v_zero(), v_zero());
    return s[0];
}

#define ATTN__KIVI_BITS 4
#include "kernels/row_kivi.inc.c"
#define ATTN__KIVI_BITS 2
#include "kernels/row_kivi.inc.c"
