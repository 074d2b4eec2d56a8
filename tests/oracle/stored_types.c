/* SPDX-License-Identifier: MIT */
/*
 * See stored_types.h.
 */
#include "stored_types.h"

#include <math.h>

#include <attn/tensor.h>

/* bits of a code of kivi, 0 for others */
static int kivi_bits(int32_t dtype)
{
    return dtype == ATTN_DTYPE_KIVI4 ? 4 : dtype == ATTN_DTYPE_KIVI2 ? 2 : 0;
}

int64_t stored_block(int32_t dtype)
{
    return dtype == ATTN_DTYPE_Q8_0 || dtype == ATTN_DTYPE_Q4_0 || kivi_bits(dtype) ? 32 : 1;
}

int64_t stored_bytes(int32_t dtype, int64_t n)
{
    return dtype == ATTN_DTYPE_Q8_0   ? n / 32 * 34
           : dtype == ATTN_DTYPE_Q4_0 ? n / 32 * 18
           : kivi_bits(dtype)         ? n / 32 * (4 + 4 * kivi_bits(dtype))
                                      : n;
}

/* sign, exponent and `mant` bits of significand; no infinities and NaN here */
static double small_float(int bits, int mant, int bias)
{
    int e = bits >> mant, m = bits & ((1 << mant) - 1);
    return e == 0 ? ldexp(m, 1 - bias - mant) : ldexp(m + (1 << mant), e - bias - mant);
}

static float half_value(const uint8_t *p)
{
    int h = p[0] | p[1] << 8;
    double v = small_float(h & 0x7fff, 10, 15);
    if ((h & 0x7c00) == 0x7c00)
        v = h & 0x3ff ? (double)NAN : (double)INFINITY;
    return (float)(h & 0x8000 ? -v : v);
}

/* the nearest half, ties to even; above the largest, infinity */
static void half_bytes(float f, uint8_t *p)
{
    double mag = fabs((double)f);
    int e = mag > 0 ? ilogb(mag) : -14, bits;
    e = e < -14 ? -14 : e;
    if (isnan(f))
        bits = 0x7e00;
    else if (mag >= 65520)
        bits = 0x7c00;
    else
        bits = (int)nearbyint(ldexp(mag, 10 - e)) + ((e + 14) << 10);
    bits |= signbit(f) ? 0x8000 : 0;
    p[0] = (uint8_t)bits;
    p[1] = (uint8_t)(bits >> 8);
}

float stored_fp8(int32_t dtype, uint8_t code)
{
    int mag = code & 127;
    double v = dtype == ATTN_DTYPE_FP8_E4M3 ? small_float(mag, 3, 7) : small_float(mag, 2, 15);
    if (dtype == ATTN_DTYPE_FP8_E4M3 ? mag == 127 : mag > 0x7c)
        v = (double)NAN;
    if (dtype == ATTN_DTYPE_FP8_E5M2 && mag == 0x7c)
        v = (double)INFINITY;
    return (float)(code & 128 ? -v : v);
}

/* The nearest of all codes, the even one of two. Codes rise with their values, so the two
 * neighbours are found by halving: random tests encode millions of numbers. */
static uint8_t fp8_code(int32_t dtype, float y)
{
    int below = 0, above = dtype == ATTN_DTYPE_FP8_E4M3 ? 0x7e : 0x7b;
    if (isnan(y))
        return 0x7f;
    double mag = fmin(fabs((double)y), (double)stored_fp8(dtype, (uint8_t)above));
    while (above - below > 1) {
        int middle = (below + above) / 2;
        if ((double)stored_fp8(dtype, (uint8_t)middle) <= mag)
            below = middle;
        else
            above = middle;
    }
    double down = mag - (double)stored_fp8(dtype, (uint8_t)below);
    double up = (double)stored_fp8(dtype, (uint8_t)above) - mag;
    int best = down < up || (down == up && below % 2 == 0) ? below : above;
    return (uint8_t)(best | (signbit(y) ? 128 : 0));
}

static void encode_q8(const float *x, uint8_t *p)
{
    float most = 0;
    for (int i = 0; i < 32; i++)
        most = fmaxf(most, fabsf(x[i]));
    float d = most / 127, inverse = d != 0 ? 1 / d : 0;
    half_bytes(d, p);
    for (int i = 0; i < 32; i++)
        p[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
}

static void encode_q4(const float *x, uint8_t *p)
{
    float most = 0;
    for (int i = 0; i < 32; i++)
        most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    float d = most / -8, inverse = d != 0 ? 1 / d : 0;
    half_bytes(d, p);
    for (int i = 0; i < 16; i++) {
        int lo = (int)fminf(15, truncf(x[i] * inverse + 8.5f));
        int hi = (int)fminf(15, truncf(x[i + 16] * inverse + 8.5f));
        p[2 + i] = (uint8_t)(lo | hi << 4);
    }
}

/* the values of a row; codes lie 32 / bytes apart */
static void encode_kivi(const float *x, int bits, uint8_t *p)
{
    float low = x[0], high = x[0], levels = (float)((1 << bits) - 1);
    for (int i = 1; i < 32; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    low += 0.0f; /* no -0 */
    high += 0.0f;
    float step = (high - low) / levels;
    half_bytes(step, p);
    half_bytes(low, p + 2);
    for (int i = 0; i < 4 * bits; i++)
        p[4 + i] = 0;
    for (int i = 0; i < 32; i++) {
        int code = step > 0 ? (int)fminf(levels, nearbyintf((x[i] - low) / step)) : 0;
        p[4 + i % (4 * bits)] |= (uint8_t)(code << i / (4 * bits) * bits);
    }
}

void stored_encode(int32_t dtype, const float *x, int64_t n, float scale, uint8_t *row)
{
    int64_t block = stored_block(dtype);
    for (int64_t i = 0; i < n; i += block) {
        if (dtype == ATTN_DTYPE_Q8_0)
            encode_q8(x + i, row + stored_bytes(dtype, i));
        else if (dtype == ATTN_DTYPE_Q4_0)
            encode_q4(x + i, row + stored_bytes(dtype, i));
        else if (kivi_bits(dtype))
            encode_kivi(x + i, kivi_bits(dtype), row + stored_bytes(dtype, i));
        else
            row[i] = fp8_code(dtype, x[i] / scale);
    }
}

void stored_decode(int32_t dtype, const uint8_t *row, int64_t n, float scale, float *x)
{
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *block = row + stored_bytes(dtype, i / 32 * 32);
        int64_t at = i % 32;
        if (dtype == ATTN_DTYPE_Q8_0)
            x[i] = (float)(int8_t)block[2 + at] * half_value(block);
        else if (dtype == ATTN_DTYPE_Q4_0)
            x[i] = (float)((at < 16 ? block[2 + at] & 15 : block[2 + at - 16] >> 4) - 8) *
                   half_value(block);
        else if (kivi_bits(dtype))
            x[i] = (float)(block[4 + at % (4 * kivi_bits(dtype))] >>
                               at / (4 * kivi_bits(dtype)) * kivi_bits(dtype) &
                           ((1 << kivi_bits(dtype)) - 1)) *
                       half_value(block) +
                   half_value(block + 2);
        else
            x[i] = stored_fp8(dtype, row[i]) * scale;
    }
}
