/* SPDX-License-Identifier: MIT */
/*
 * Checks of what caches store: codes against plain C that says the definition
 * again, every byte of fp8, and the row kernels against those for f32, whose
 * bits they must have on widened rows.
 */
#include "checkkern.h"

#include <attn/tensor.h>

#include "../oracle/stored_types.h"

#define Q8_0 ATTN_DTYPE_Q8_0
#define Q4_0 ATTN_DTYPE_Q4_0
#define E4M3 ATTN_DTYPE_FP8_E4M3
#define E5M2 ATTN_DTYPE_FP8_E5M2
#define KIVI4 ATTN_DTYPE_KIVI4
#define KIVI2 ATTN_DTYPE_KIVI2

static const int64_t some_lengths[] = { 0, 32, 64, 96, 128, 160, 320 };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static bool fp8(int32_t t)
{
    return t == E4M3 || t == E5M2;
}

/* numbers with zeros, ties and wide ranges among them */
static void fill_row(struct ck *c, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float f = ck_float(c);
        switch (ck_range(c, 0, 7)) {
        case 0:
            f = 0;
            break;
        case 1:
            f = (float)ck_range(c, -16, 16) * 0.5f;
            break;
        case 2:
            f = ldexpf(f, (int)ck_range(c, -40, 12));
            break;
        case 3:
            f = i > 0 ? -x[i - 1] : f;
            break;
        default:
            break;
        }
        x[i] = f;
    }
    /* some blocks of nothing, and some whose factor is a power of 2 */
    for (int64_t i = 0; i + 32 <= n; i += 32) {
        int64_t kind = ck_range(c, 0, 9);
        for (int64_t j = i; j < i + 32 && kind < 2; j++)
            x[j] = kind == 0 ? 0.0f : rintf(x[j] * 64.0f) * 0.5f;
        if (kind == 1)
            x[i + ck_range(c, 0, 31)] = ck_range(c, 0, 1) ? 127.0f : -8.0f;
    }
}

static void narrow(const struct attn__kernels *k, int32_t t, uint8_t *dst, int64_t ldd,
                   const float *src, int64_t lds, int64_t rows, int64_t n, float scale)
{
    if (t == Q8_0)
        k->cvt_f32_q8_0(dst, ldd, src, lds, rows, n);
    else if (t == Q4_0)
        k->cvt_f32_q4_0(dst, ldd, src, lds, rows, n);
    else if (t == KIVI4 || t == KIVI2)
        k->cvt_f32_kivi(dst, ldd, src, lds, rows, n, t == KIVI4 ? 4 : 2);
    else
        (t == E4M3 ? k->cvt_f32_e4m3 : k->cvt_f32_e5m2)(dst, ldd, src, lds, rows, n, scale);
}

static void widen(const struct attn__kernels *k, int32_t t, float *dst, int64_t ldd,
                  const uint8_t *src, int64_t lds, int64_t rows, int64_t n, float scale)
{
    if (t == Q8_0)
        k->cvt_q8_0_f32(dst, ldd, src, lds, rows, n);
    else if (t == Q4_0)
        k->cvt_q4_0_f32(dst, ldd, src, lds, rows, n);
    else if (t == KIVI4 || t == KIVI2)
        k->cvt_kivi_f32(dst, ldd, src, lds, rows, n, t == KIVI4 ? 4 : 2);
    else
        (t == E4M3 ? k->cvt_e4m3_f32 : k->cvt_e5m2_f32)(dst, ldd, src, lds, rows, n, scale);
}

/* three rows with room between them, the last one at the end of memory */
static void narrow_rows(struct ck *c, int32_t t, int64_t n, float scale)
{
    int64_t lds = n + 3, bytes = stored_bytes(t, n), ldd = bytes + 5;
    float *x = ck_floats(c, 0, (size_t)(2 * lds + n));
    uint8_t *p = ck_memory(c, 1, (size_t)(2 * ldd + bytes), 1), want[340];
    fill_row(c, x, 2 * lds + n);
    memset(p, 0x55, (size_t)(2 * ldd + bytes));
    narrow(c->k, t, p, ldd, x, lds, 3, n, scale);
    bool same = true, outside = true;
    for (int64_t r = 0; r < 3; r++) {
        stored_encode(t, x + r * lds, n, scale, want);
        same = same && memcmp(want, p + r * ldd, (size_t)bytes) == 0;
        for (int64_t i = bytes; i < ldd && r < 2; i++)
            outside = outside && p[r * ldd + i] == 0x55;
    }
    ck_true(c, "codes differ from the definition", same);
    ck_true(c, "wrote between rows", outside);
}

static void check_narrow(struct ck *c, int32_t t)
{
    for (int tries = 0; tries < 60; tries++)
        for (size_t i = 0; i < COUNT(some_lengths); i++)
            narrow_rows(c, t, some_lengths[i] - (fp8(t) && i > 0 ? ck_range(c, 0, 31) : 0),
                        ck_range(c, 0, 1) ? 1.0f : fabsf(ck_float(c)) + 0.01f);
}

/* at, between and around all codes, and what is no number */
static void check_edges(struct ck *c, int32_t t)
{
    float *x = ck_floats(c, 0, 256 * 6);
    uint8_t *p = ck_memory(c, 1, 256 * 6, 1);
    for (int b = 0; b < 256; b++) {
        float v = stored_fp8(t, (uint8_t)b), w = stored_fp8(t, (uint8_t)(b ^ 1));
        float mid = (v + w) / 2;
        x[6 * b] = v;
        x[6 * b + 1] = mid;
        x[6 * b + 2] = nextafterf(mid, 0);
        x[6 * b + 3] = nextafterf(mid, mid * 2);
        x[6 * b + 4] = v * 1e30f;
        x[6 * b + 5] = v * 1e-30f;
    }
    narrow(c->k, t, p, 0, x, 0, 1, 256 * 6, 1.0f);
    static uint8_t want[256 * 6];
    stored_encode(t, x, 256 * 6, 1.0f, want);
    ck_true(c, "edges of fp8", memcmp(p, want, sizeof want) == 0);
}

static void check_widen(struct ck *c, int32_t t)
{
    for (int tries = 0; tries < 40; tries++) {
        int64_t n = some_lengths[tries % (int)COUNT(some_lengths)];
        n -= fp8(t) && n > 0 ? ck_range(c, 0, 31) : 0;
        int64_t bytes = stored_bytes(t, n), lds = bytes + 3, ldd = n + 2;
        float scale = tries % 2 ? 1.0f : 0.37f;
        uint8_t *p = ck_memory(c, 0, (size_t)(2 * lds + bytes), 1);
        float *x = ck_floats(c, 1, (size_t)(2 * ldd + n)), *want = ck_floats(c, 2, (size_t)n);
        for (int64_t i = 0; i < 2 * lds + bytes; i++)
            p[i] = (uint8_t)ck_u64(c);
        for (int64_t i = 0; i < 2 * ldd + n; i++)
            x[i] = -1.0f;
        widen(c->k, t, x, ldd, p, lds, 3, n, scale);
        for (int64_t r = 0; r < 3; r++) {
            stored_decode(t, p + r * lds, n, scale, want);
            ck_same(c, "widened", x + r * ldd, want, (size_t)n, true);
            if (r < 2)
                ck_true(c, "wrote between rows", x[r * ldd + n] == -1.0f);
        }
    }
    if (!fp8(t))
        return;
    uint8_t *all = ck_memory(c, 0, 256, 1);
    float *x = ck_floats(c, 1, 256), *want = ck_floats(c, 2, 256);
    for (int b = 0; b < 256; b++)
        all[b] = (uint8_t)b;
    widen(c->k, t, x, 0, all, 0, 1, 256, 1.0f);
    stored_decode(t, all, 256, 1.0f, want);
    ck_same(c, "all bytes", x, want, 256, true);
}

void check_cvt_f32_q8_0(struct ck *c) { check_narrow(c, Q8_0); }
void check_cvt_f32_q4_0(struct ck *c) { check_narrow(c, Q4_0); }

void check_cvt_f32_e4m3(struct ck *c)
{
    check_narrow(c, E4M3);
    check_edges(c, E4M3);
}

void check_cvt_f32_e5m2(struct ck *c)
{
    check_narrow(c, E5M2);
    check_edges(c, E5M2);
}

void check_cvt_f32_kivi(struct ck *c)
{
    check_narrow(c, KIVI4);
    check_narrow(c, KIVI2);
}

void check_cvt_kivi_f32(struct ck *c)
{
    check_widen(c, KIVI4);
    check_widen(c, KIVI2);
}

void check_cvt_q8_0_f32(struct ck *c) { check_widen(c, Q8_0); }
void check_cvt_q4_0_f32(struct ck *c) { check_widen(c, Q4_0); }
void check_cvt_e4m3_f32(struct ck *c) { check_widen(c, E4M3); }
void check_cvt_e5m2_f32(struct ck *c) { check_widen(c, E5M2); }

/* ---- rows */

static attn__row_qk_e4m3_fn *qk_of(const struct attn__kernels *k, int32_t t)
{
    return t == Q8_0 ? k->row_qk_q8_0 : t == Q4_0 ? k->row_qk_q4_0
         : t == E4M3 ? k->row_qk_e4m3 : k->row_qk_e5m2;
}

static attn__row_pv_e4m3_fn *pv_of(const struct attn__kernels *k, int32_t t)
{
    return t == Q8_0 ? k->row_pv_q8_0 : t == Q4_0 ? k->row_pv_q4_0
         : t == KIVI4 ? k->row_pv_kivi4 : t == KIVI2 ? k->row_pv_kivi2
         : t == E4M3 ? k->row_pv_e4m3 : k->row_pv_e5m2;
}

/* Stored rows, of random bytes or of numbers, and what they mean. */
static uint8_t *fill_stored(struct ck *c, int32_t t, int64_t rows, int64_t ld, int64_t n,
                            float *x)
{
    size_t bytes = rows > 0 ? (size_t)((rows - 1) * ld + stored_bytes(t, n)) : 0;
    uint8_t *p = ck_memory(c, 0, bytes, 1);
    for (size_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)ck_u64(c);
    if (ck_range(c, 0, 2) > 0)
        for (int64_t r = 0; r < rows; r++) {
            fill_row(c, x, n);
            narrow(c->ref, t, p + r * ld, 0, x, 0, 1, n, 1.0f);
        }
    for (int64_t r = 0; r < rows; r++)
        stored_decode(t, p + r * ld, n, 1.0f, x + r * n);
    return p;
}

static void qk_case(struct ck *c, int32_t t, int64_t nr, int64_t nk, int64_t d)
{
    int64_t ldk = stored_bytes(t, d) + ck_range(c, 0, 2), ldq = d + ck_range(c, 0, 2), lds = nk + 1;
    float *x = ck_floats(c, 1, (size_t)(nk * d)), *q = ck_floats(c, 2, (size_t)(nr * ldq));
    float *s = ck_floats(c, 3, (size_t)((nr - 1) * lds + nk));
    float *want = ck_floats(c, 4, (size_t)(nr * lds));
    const uint8_t *k = fill_stored(c, t, nk, ldk, d, x);
    ck_fill(c, q, (size_t)(nr * ldq), CK_RANDOM);
    for (int64_t i = 0; i < (nr - 1) * lds + nk; i++)
        s[i] = want[i] = -77.0f;
    c->k->row_qk_f32(x, d, nk, d, q, ldq, nr, want, lds, 0);
    const struct attn__source source = ck_source(c, q);
    qk_of(c->k, t)(k, ldk, nk, d, q, ldq, nr, s, lds, &source);
    ck_same(c, "scores of widened rows", s, want, (size_t)((nr - 1) * lds + nk), true);
}

static void pv_case(struct ck *c, int32_t t, int64_t nr, int64_t nk, int64_t dv)
{
    int64_t ldv = stored_bytes(t, dv) + ck_range(c, 0, 2), ldp = nk + ck_range(c, 0, 2);
    int64_t ldo = dv + 1;
    size_t n = (size_t)((nr - 1) * ldo + dv);
    float *x = ck_floats(c, 1, (size_t)(nk * dv)), *p = ck_floats(c, 2, (size_t)(nr * ldp));
    float *o = ck_floats(c, 3, n), *want = ck_floats(c, 4, n);
    const uint8_t *v = fill_stored(c, t, nk, ldv, dv, x);
    ck_fill(c, p, (size_t)(nr * ldp), CK_RANDOM);
    ck_fill(c, o, n, CK_RANDOM);
    memcpy(want, o, n * sizeof *o);
    c->k->row_pv_f32(x, dv, nk, dv, p, ldp, nr, want, ldo, 0);
    const struct attn__source source = ck_source(c, p);
    pv_of(c->k, t)(v, ldv, nk, dv, p, ldp, nr, o, ldo, &source);
    ck_same(c, "outputs of widened rows", o, want, n, true);
}

static void check_rows(struct ck *c, int32_t t,
                       void (*run)(struct ck *, int32_t, int64_t, int64_t, int64_t))
{
    static const int64_t rows[] = { 1, 2, 3, 4, 5, 7, 8 };
    static const int64_t keys[] = { 0, 1, 2, 3, 4, 5, 11, 37, 70 };
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t j = 0; j < COUNT(keys); j++)
            for (int64_t d = 32; d <= 192; d += 32)
                run(c, t, rows[i], keys[j], d - (fp8(t) ? ck_range(c, 0, 31) : 0));
}

void check_row_qk_q8_0(struct ck *c) { check_rows(c, Q8_0, qk_case); }
void check_row_qk_q4_0(struct ck *c) { check_rows(c, Q4_0, qk_case); }
void check_row_qk_e4m3(struct ck *c) { check_rows(c, E4M3, qk_case); }
void check_row_qk_e5m2(struct ck *c) { check_rows(c, E5M2, qk_case); }
void check_row_pv_q8_0(struct ck *c) { check_rows(c, Q8_0, pv_case); }
void check_row_pv_q4_0(struct ck *c) { check_rows(c, Q4_0, pv_case); }
void check_row_pv_e4m3(struct ck *c) { check_rows(c, E4M3, pv_case); }
void check_row_pv_e5m2(struct ck *c) { check_rows(c, E5M2, pv_case); }

/* ---- kivi */

void check_row_pv_kivi4(struct ck *c) { check_rows(c, KIVI4, pv_case); }
void check_row_pv_kivi2(struct ck *c) { check_rows(c, KIVI2, pv_case); }

/* A block of keys in slot 0, of numbers or of bytes, and [32][n] what it means. */
static uint8_t *fill_block(struct ck *c, int64_t n, int bits, float *x)
{
    size_t bytes = (size_t)(n / 32 * (128 + 128 * bits));
    uint8_t *p = ck_memory(c, 0, bytes, 1);
    const float *row[32];
    for (int r = 0; r < 32; r++) {
        fill_row(c, x + r * n, n);
        row[r] = x + r * n;
    }
    c->ref->cvt_f32_kivi_keys(p, row, n, bits);
    c->ref->cvt_kivi_keys_f32(x, n, p, 0, 32, n, bits);
    return p;
}

/* Each channel of 32 rows is a row of values, but for where its codes are. */
void check_cvt_f32_kivi_keys(struct ck *c)
{
    for (int tries = 0; tries < 40; tries++) {
        int64_t n = some_lengths[tries % 5];
        int bits = tries % 2 ? 4 : 2, group = 128 + 128 * bits;
        size_t bytes = (size_t)(n / 32 * group);
        float *x = ck_floats(c, 1, (size_t)(32 * n));
        uint8_t *p = ck_memory(c, 0, bytes, 1), want[20];
        const float *row[32];
        bool same = true;
        for (int r = 0; r < 32; r++) {
            fill_row(c, x + r * n, n);
            row[r] = x + r * n;
        }
        c->k->cvt_f32_kivi_keys(p, row, n, bits);
        for (int64_t e = 0; e < n; e++) {
            const uint8_t *at = p + e / 32 * group;
            float channel[32];
            for (int r = 0; r < 32; r++)
                channel[r] = x[r * n + e];
            stored_encode(bits == 4 ? KIVI4 : KIVI2, channel, 32, 1.0f, want);
            same = same && memcmp(at + e % 32 * 2, want, 2) == 0 &&
                   memcmp(at + 64 + e % 32 * 2, want + 2, 2) == 0;
            for (int r = 0; r < 32; r++) {
                int64_t here = e % 32, apart = 4 * bits;
                int code = at[128 + r * apart + here % apart] >> here / apart * bits;
                int meant = want[4 + r % apart] >> r / apart * bits;
                same = same && ((code ^ meant) & ((1 << bits) - 1)) == 0;
            }
        }
        ck_true(c, "keys differ from the definition", same);
    }
}

void check_cvt_kivi_keys_f32(struct ck *c)
{
    for (int tries = 0; tries < 40; tries++) {
        int64_t n = some_lengths[1 + tries % 5], first = ck_range(c, 0, 31);
        int64_t rows = ck_range(c, 0, 32 - first), ldd = n + 1;
        int bits = tries % 2 ? 4 : 2;
        float *all = ck_floats(c, 1, (size_t)(32 * n));
        const uint8_t *p = fill_block(c, n, bits, all);
        float *x = ck_floats(c, 2, (size_t)(rows * ldd));
        c->k->cvt_kivi_keys_f32(x, ldd, p, first, rows, n, bits);
        for (int64_t r = 0; r < rows; r++) {
            float want[320];
            uint8_t code[20];
            for (int64_t e = 0; e < n; e++) { /* the channel as a row of values */
                const uint8_t *at = p + e / 32 * (128 + 128 * bits);
                int64_t here = e % 32, apart = 4 * bits;
                float value[32];
                memset(code, 0, sizeof code);
                memcpy(code, at + here * 2, 2);
                memcpy(code + 2, at + 64 + here * 2, 2);
                code[4] = (uint8_t)(at[128 + (first + r) * apart + here % apart] >>
                                    here / apart * bits & ((1 << bits) - 1));
                stored_decode(bits == 4 ? KIVI4 : KIVI2, code, 32, 1.0f, value);
                want[e] = value[0];
            }
            ck_same(c, "widened keys", x + r * ldd, want, (size_t)n, true);
        }
    }
}

/* Products with the turned query round otherwise than those with widened keys. */
static void check_kivi_qk(struct ck *c, int bits)
{
    static const int64_t rows[] = { 1, 2, 3, 4, 5, 9 };
    for (int tries = 0; tries < 120; tries++) {
        int64_t nr = rows[tries % 6], d = 32 * ck_range(c, 1, 10), first = ck_range(c, 0, 31);
        int64_t nk = ck_range(c, 0, 32 - first), ldq = d + ck_range(c, 0, 2), lds = nk + 1;
        float *x = ck_floats(c, 1, (size_t)(32 * d)), *q = ck_floats(c, 2, (size_t)(nr * ldq));
        float *s = ck_floats(c, 3, (size_t)(nr * lds));
        const uint8_t *p = fill_block(c, d, bits, x);
        ck_fill(c, q, (size_t)(nr * ldq), CK_RANDOM);
        (bits == 4 ? c->k->row_qk_kivi4 : c->k->row_qk_kivi2)(p, first, nk, d, q, ldq, nr, s, lds,
                                                              tries % 3 ? NULL : p);
        for (int64_t r = 0; r < nr; r++)
            for (int64_t j = 0; j < nk; j++) {
                double sum = 0, size = 0;
                for (int64_t e = 0; e < d; e++) {
                    double most = 0, factor = (double)q[r * ldq + e];
                    for (int i = 0; i < 32; i++) {
                        double mag = fabs((double)x[i * d + e]);
                        most = mag > most ? mag : most;
                    }
                    sum += (double)x[(first + j) * d + e] * factor;
                    size += most * fabs(factor);
                }
                ck_close(c, "scores of turned queries", r, j, s[r * lds + j], sum,
                         4e-6 * size + 1e-30);
            }
    }
}

void check_row_qk_kivi4(struct ck *c) { check_kivi_qk(c, 4); }
void check_row_qk_kivi2(struct ck *c) { check_kivi_qk(c, 2); }
