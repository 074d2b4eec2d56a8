/* SPDX-License-Identifier: MIT */
/* Checks of the conversions: all 16-bit patterns, and floats around them. */
#include "checkkern.h"

enum { ALL = 65536 };

/* what a 16-bit pattern with `ebits` bits of exponent means */
static double value(uint32_t h, int ebits)
{
    int mbits = 15 - ebits, bias = (1 << (ebits - 1)) - 1;
    int e = (int)(h >> mbits) & ((1 << ebits) - 1);
    double frac = (double)(h & ((1u << mbits) - 1));
    double v = e == (1 << ebits) - 1 ? (frac > 0 ? (double)NAN : (double)INFINITY)
             : e == 0 ? ldexp(frac, 1 - bias - mbits)
             : ldexp(frac + ldexp(1.0, mbits), e - bias - mbits);
    return h & 0x8000u ? -v : v;
}

static void check_widen(struct ck *c, attn__cvt_f16_f32_fn *cvt, int ebits)
{
    uint16_t *h = ck_memory(c, 0, ALL, sizeof *h);
    float *f = ck_floats(c, 1, ALL);
    for (uint32_t i = 0; i < ALL; i++)
        h[i] = (uint16_t)i;
    cvt(f, ALL, h, ALL, 1, ALL);
    for (uint32_t i = 0; i < ALL; i++) {
        double want = value(i, ebits);
        ck_close(c, "widened", i, 0, f[i], want, 0.0);
        ck_true(c, "sign of a widened number", isnan(want) || !signbit(f[i]) == !signbit(want));
    }
    /* three rows with room between them, the last one at the end of memory */
    for (int64_t n = 0; n <= 2 * c->k->lanes + 1; n++) {
        int64_t lds = n + 3, ldd = n + 2;
        uint16_t *a = ck_memory(c, 2, (size_t)(2 * lds + n), sizeof *a);
        float *b = ck_floats(c, 3, (size_t)(2 * ldd + n));
        for (int64_t i = 0; i < 2 * lds + n; i++)
            a[i] = (uint16_t)(0x3c00 + 7 * i);
        for (int64_t i = 0; i < 2 * ldd + n; i++)
            b[i] = -1.0f;
        cvt(b, ldd, a, lds, 3, n);
        for (int64_t i = 0; i < 2 * ldd + n; i++) {
            double want = i % ldd < n ? value(a[i / ldd * lds + i % ldd], ebits) : -1.0;
            ck_close(c, "widened", n, i, b[i], want, 0.0);
        }
    }
}

void check_cvt_f16_f32(struct ck *c) { check_widen(c, c->k->cvt_f16_f32, 5); }
void check_cvt_bf16_f32(struct ck *c) { check_widen(c, c->k->cvt_bf16_f32, 8); }

/* h is the nearest to x, and the even one of two equally near */
static bool nearest(float x, uint32_t h, int ebits)
{
    uint32_t inf = ((1u << ebits) - 1) << (15 - ebits);
    if (isnan(x))
        return (h & 0x7fffu) > inf;
    if (!!signbit(x) != h >> 15)
        return false;
    double m = fabs(x);
    uint32_t mag = h & 0x7fffu;
    if (isinf(x) || mag > inf)
        return mag == inf;
    /* infinity stands where the next number would be */
    double top = 2 * value(inf - 1, ebits) - value(inf - 2, ebits);
    double own = mag == inf ? top : value(mag, ebits);
    double below = mag == 0 ? own : value(mag - 1, ebits);
    double above = mag >= inf - 1 ? top : value(mag + 1, ebits);
    if (m < own)
        return own - m < m - below || (own - m == m - below && mag % 2 == 0);
    return mag == inf || m - own < above - m || (m - own == above - m && mag % 2 == 0);
}

static void check_narrow(struct ck *c, attn__cvt_f32_f16_fn *cvt, int ebits)
{
    enum { BLOCK = 8192 };
    float *f = ck_floats(c, 0, BLOCK);
    uint16_t *h = ck_memory(c, 1, BLOCK, sizeof *h);
    for (int b = 0; b < 80; b++) {
        for (uint32_t i = 0; i < BLOCK; i++) {
            uint32_t u = (uint32_t)ck_u64(c);
            if (b < 40) { /* at and around every 16-bit number and midpoint */
                uint32_t at = (uint32_t)(b % 8 * BLOCK) + i;
                float v = (float)value(at, ebits);
                float w = (float)value((at & 0x7fffu) == 0x7fffu ? at : at + 1, ebits);
                v = b < 24 ? v : v + (w - v) / 2;
                memcpy(&u, &v, sizeof u);
                u += b / 8 % 3 == 0 ? 0u : b / 8 % 3 == 1 ? 1u : -1u;
            }
            memcpy(f + i, &u, sizeof u);
        }
        cvt(h, BLOCK / 8, f, BLOCK / 8, 8, BLOCK / 8);
        bool ok = true;
        for (uint32_t i = 0; i < BLOCK && ok; i++) {
            ok = nearest(f[i], h[i], ebits);
            if (!ok)
                ck_close(c, "narrowed", b, i, (float)value(h[i], ebits), f[i], 0.0);
        }
        ck_true(c, "not rounded to nearest even", ok);
    }
    for (int64_t n = 0; n <= 2 * c->k->lanes + 1; n++) {
        int64_t lds = n + 1, ldd = n + 4;
        float *a = ck_floats(c, 2, (size_t)(2 * lds + n));
        uint16_t *r = ck_memory(c, 3, (size_t)(2 * ldd + n), sizeof *r);
        ck_fill(c, a, (size_t)(2 * lds + n), (int)(n % CK_KINDS));
        memset(r, 0x11, (size_t)(2 * ldd + n) * sizeof *r);
        cvt(r, ldd, a, lds, 3, n);
        bool ok = true;
        for (int64_t i = 0; i < 2 * ldd + n; i++)
            ok = ok && (i % ldd < n ? nearest(a[i / ldd * lds + i % ldd], r[i], ebits)
                                    : r[i] == 0x1111);
        ck_true(c, "short rows are not rounded to nearest even, or more than them is", ok);
    }
}

void check_cvt_f32_f16(struct ck *c) { check_narrow(c, c->k->cvt_f32_f16, 5); }
void check_cvt_f32_bf16(struct ck *c) { check_narrow(c, c->k->cvt_f32_bf16, 8); }
