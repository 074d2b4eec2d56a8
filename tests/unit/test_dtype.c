/* SPDX-License-Identifier: MIT */
/*
 * Conversions against an oracle built from ldexp: every 16-bit pattern is decoded, and every
 * boundary between two neighbours is rounded from below, at and above the midpoint.
 */
#include "base/dtype.h"

#include <math.h>
#include <stdbool.h>

#include "unit.h"

struct format {
    int mant, emin;
    double (*decode)(uint16_t);
    float (*decode_f32)(uint16_t);
    uint16_t (*from_f64)(double);
    uint16_t (*from_f32)(float);
    int32_t dtype;
};

static double decode(uint16_t bits, int mant, int emin)
{
    int exp = (bits & 0x7FFF) >> mant;
    int frac = bits & ((1 << mant) - 1);
    double sign = bits & 0x8000 ? -1 : 1;

    if (exp == 0x7FFF >> mant)
        return frac ? NAN : sign * INFINITY;
    if (exp == 0)
        return sign * ldexp(frac, emin - mant);
    return sign * ldexp(frac + (1 << mant), emin - mant + exp - 1);
}

static double decode_f16(uint16_t bits)
{
    return decode(bits, 10, -14);
}

static double decode_bf16(uint16_t bits)
{
    return decode(bits, 7, -126);
}

static const struct format formats[] = {
    {10, -14, decode_f16, attn__f16_to_f32, attn__f64_to_f16, attn__f32_to_f16, ATTN_DTYPE_F16},
    {7, -126, decode_bf16, attn__bf16_to_f32, attn__f64_to_bf16, attn__f32_to_bf16,
     ATTN_DTYPE_BF16},
};

static uint32_t f32_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

START_TEST(sizes_and_names)
{
    ck_assert_uint_eq(attn__dtype_size(ATTN_DTYPE_F32), sizeof(float));
    ck_assert_uint_eq(attn__dtype_size(ATTN_DTYPE_BF16), 2);
    ck_assert_uint_eq(attn__dtype_size(ATTN_DTYPE_BOOL), 1);
    ck_assert_uint_eq(attn__dtype_size(0), 0);
    ck_assert_uint_eq(attn__dtype_size(-1), 0);
    ck_assert_str_eq(attn__dtype_name(ATTN_DTYPE_F16), "f16");
    ck_assert_str_eq(attn__dtype_name(ATTN_DTYPE_I64), "i64");
    ck_assert_str_eq(attn__dtype_name(99), "unknown");
}
END_TEST

START_TEST(every_pattern_widens_and_returns)
{
    for (size_t f = 0; f < 2; f++) {
        const struct format *fmt = &formats[f];
        uint16_t quiet = (uint16_t)(1 << (fmt->mant - 1));

        for (uint32_t i = 0; i < 65536; i++) {
            uint16_t bits = (uint16_t)i;
            float wide = fmt->decode_f32(bits);
            double want = fmt->decode(bits);

            if (isnan(want)) {
                ck_assert(isnan(wide));
                ck_assert_msg(f32_bits(wide) & 0x400000, "%#x widens to a signalling NaN", i);
                ck_assert_uint_eq(fmt->from_f32(wide), bits | quiet);
                ck_assert_uint_eq(fmt->from_f64(wide), bits | quiet);
                continue;
            }
            ck_assert_msg(wide == want && !signbit(wide) == !signbit(want), "%#x gives %a not %a",
                          i, (double)wide, want);
            ck_assert_uint_eq(fmt->from_f32(wide), bits);
            ck_assert_uint_eq(fmt->from_f64(want), bits);
        }
    }
}
END_TEST

/* One rounding boundary in both signs, from both source types. */
static void round_to(const struct format *fmt, double v, uint16_t want)
{
    ck_assert_msg(fmt->from_f64(v) == want, "%a gives %#x not %#x", v, fmt->from_f64(v), want);
    ck_assert_msg(fmt->from_f64(-v) == (want | 0x8000), "%a gives %#x", -v, fmt->from_f64(-v));
    if ((float)v == v) {
        ck_assert_uint_eq(fmt->from_f32((float)v), want);
        ck_assert_uint_eq(fmt->from_f32(-(float)v), want | 0x8000);
    }
}

START_TEST(every_midpoint)
{
    for (size_t f = 0; f < 2; f++) {
        const struct format *fmt = &formats[f];
        uint16_t inf = (uint16_t)(0x7FFF >> fmt->mant << fmt->mant);

        for (uint16_t lo = 0; lo < inf; lo++) {
            uint16_t hi = (uint16_t)(lo + 1);
            /* The number after the largest finite one, as if the exponent went on. */
            double above = hi == inf ? ldexp(1, 2 - fmt->emin) : fmt->decode(hi);
            double below = fmt->decode(lo);
            double mid = below + (above - below) / 2;

            round_to(fmt, mid, lo & 1 ? hi : lo);
            round_to(fmt, nextafter(mid, 0), lo);
            round_to(fmt, nextafter(mid, INFINITY), hi);
            round_to(fmt, nextafterf((float)mid, 0), lo);
            if (isfinite(nextafterf((float)mid, INFINITY)))
                round_to(fmt, nextafterf((float)mid, INFINITY), hi);
            round_to(fmt, nextafter(above, 0), hi);
            if (below > 0)
                round_to(fmt, nextafter(below, INFINITY), lo);
        }
    }
}
END_TEST

START_TEST(far_out_values)
{
    for (size_t f = 0; f < 2; f++) {
        const struct format *fmt = &formats[f];
        uint16_t inf = (uint16_t)(0x7FFF >> fmt->mant << fmt->mant);

        round_to(fmt, 0, 0);
        round_to(fmt, 0x1p-1074, 0);
        round_to(fmt, 0x1p-1022, 0);
        round_to(fmt, 0x1.fffffffffffffp-136, 0);
        round_to(fmt, 0x1.fffffffffffffp1023, inf);
        round_to(fmt, INFINITY, inf);
        ck_assert_uint_eq(fmt->from_f32(0x1.fffffep127f), inf);
    }
}
END_TEST

/* Empty where the compiler has no _Float16. */
START_TEST(agrees_with_the_compiler)
{
#ifdef __FLT16_MAX__
    uint64_t state = 88172645463325252u;

    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t bits = (uint16_t)i;
        _Float16 h;
        memcpy(&h, &bits, sizeof h);
        if (h == h)
            ck_assert(attn__f16_to_f32(bits) == (float)h);
    }
    for (int i = 0; i < 2000000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        /* Exponents from -28 to 19, all mantissas: every region of the format. */
        int exp = (int)(state >> 52) % 48 - 28;
        double v = ldexp(1 + (double)(state & 0xFFFFFFFFFFFFF) * 0x1p-52, exp);
        _Float16 h = (_Float16)v;
        uint16_t bits;
        memcpy(&bits, &h, sizeof bits);
        ck_assert_msg(attn__f64_to_f16(v) == bits, "%a", v);
        h = (_Float16)(float)v;
        memcpy(&bits, &h, sizeof bits);
        ck_assert_msg(attn__f32_to_f16((float)v) == bits, "%a", (double)(float)v);
    }
#endif
}
END_TEST

START_TEST(load_and_store_at_any_alignment)
{
    static const int32_t floats[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_F16,
                                     ATTN_DTYPE_BF16};
    unsigned char raw[64];

    for (size_t i = 0; i < sizeof floats / sizeof floats[0]; i++) {
        size_t bytes = attn__dtype_size(floats[i]);
        for (size_t shift = 0; shift < 8; shift++) {
            memset(raw, 0xAB, sizeof raw);
            attn__store_f64(raw + shift, 2, floats[i], -1.5);
            ck_assert_double_eq(attn__load_f64(raw + shift, 2, floats[i]), -1.5);
            for (size_t at = 0; at < sizeof raw; at++) {
                if (at < shift + 2 * bytes || at >= shift + 3 * bytes)
                    ck_assert_int_eq(raw[at], 0xAB);
            }
        }
    }
}
END_TEST

START_TEST(store_rounds_once)
{
    /* Rounded to f32 first this would be a tie and go down to 1. */
    double v = 1 + 0x1p-11 + 0x1p-40;
    uint16_t h;

    attn__store_f64(&h, 0, ATTN_DTYPE_F16, v);
    ck_assert_uint_eq(h, 0x3C01);
    v = 1 + 0x1p-8 + 0x1p-40;
    attn__store_f64(&h, 0, ATTN_DTYPE_BF16, v);
    ck_assert_uint_eq(h, 0x3F81);
}
END_TEST

START_TEST(integers)
{
    const int32_t i32[] = {0, INT32_MIN, INT32_MAX};
    const int64_t i64[] = {0, INT64_MIN, INT64_MAX};
    const uint8_t u8[] = {0, 255, 2};

    ck_assert_int_eq(attn__load_i64(i32, 1, ATTN_DTYPE_I32), INT32_MIN);
    ck_assert(attn__load_i64(i64, 1, ATTN_DTYPE_I64) == INT64_MIN);
    ck_assert(attn__load_i64(i64, 2, ATTN_DTYPE_I64) == INT64_MAX);
    ck_assert_int_eq(attn__load_i64(u8, 1, ATTN_DTYPE_U8), 255);
    ck_assert_int_eq(attn__load_i64(u8, 2, ATTN_DTYPE_BOOL), 1);
    ck_assert_double_eq(attn__load_f64(i32, 2, ATTN_DTYPE_I32), 2147483647.0);
    ck_assert_double_eq(attn__load_f64(i64, 1, ATTN_DTYPE_I64), -0x1p63);
    ck_assert_double_eq(attn__load_f64(u8, 1, ATTN_DTYPE_U8), 255);
    ck_assert_double_eq(attn__load_f64(u8, 1, ATTN_DTYPE_BOOL), 1);
}
END_TEST

UNIT_MAIN("dtype", sizes_and_names, every_pattern_widens_and_returns, every_midpoint,
          far_out_values, agrees_with_the_compiler, load_and_store_at_any_alignment,
          store_rounds_once, integers)
