/* SPDX-License-Identifier: MIT */
/*
 * Checks of compute=int8: codes of query rows against plain C, scores against
 * sums of products of codes, for every number of rows and keys, with the same
 * bits for a row and key whatever stands beside it.
 */
#include "checkkern.h"

#include <attn/tensor.h>

#include "../oracle/stored_types.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static int64_t factors(int64_t d)
{
    return (d / 32 + 3) / 4 * 4;
}

/* a code is nearest to x / f, f the largest magnitude / 127 */
static void codes_case(struct ck *c, int64_t d, int kind)
{
    int64_t rows = ck_range(c, 1, 3), ldf = factors(d);
    float *q = ck_floats(c, 0, (size_t)(rows * d)), *f = ck_floats(c, 1, (size_t)(rows * ldf));
    int8_t *code = ck_memory(c, 2, (size_t)(rows * d), 1);
    ck_fill(c, q, (size_t)(rows * d), kind);
    c->k->row_codes_int8(q, rows, d, code, f, ldf);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t b = 0; b < d / 32; b++) {
            const float *x = q + r * d + b * 32, got = f[r * ldf + b];
            float most = 0, wrong = 0;
            for (int i = 0; i < 32; i++) {
                most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
                wrong += x[i] * 0;
            }
            if (isnan(wrong)) {
                ck_true(c, "a factor of no number", isnan(got));
                continue;
            }
            bool none = most < 0x1p-100f;
            ck_close(c, "factor", r, b, got, none ? 0 : most / 127, most * 0x1p-22);
            for (int i = 0; i < 32; i++)
                ck_close(c, "code", r, b * 32 + i, code[r * d + b * 32 + i] * got, x[i],
                         none ? 0x1p-100 : 0.50001 * got);
        }
        for (int64_t b = d / 32; b < ldf; b++)
            ck_true(c, "factors behind the row", f[r * ldf + b] == 0);
    }
}

void check_row_codes_int8(struct ck *c)
{
    static const int kinds[] = {CK_RANDOM, CK_EQUAL, CK_HUGE, CK_DENORMAL, CK_NAN, CK_MINUS_INF};
    for (size_t n = 0; n < COUNT(kinds); n++)
        for (int64_t d = 32; d <= 192; d += 32)
            codes_case(c, d, kinds[n]);
}

static attn__row_qk_int8_q8_0_fn *qk_of(const struct ck *c, int32_t type)
{
    return type == ATTN_DTYPE_Q8_0 ? c->k->row_qk_int8_q8_0 : c->k->row_qk_int8_q4_0;
}

/* Keys of random bytes, with factors of a usual size, and as numbers in x. */
static uint8_t *fill_keys(struct ck *c, int32_t type, int64_t nk, int64_t ld, int64_t d, float *x)
{
    int64_t bytes = stored_bytes(type, d), block = stored_bytes(type, 32);
    uint8_t *k = ck_memory(c, 0, nk > 0 ? (size_t)((nk - 1) * ld + bytes) : 0, 1);
    for (int64_t j = 0; j < nk; j++)
        for (int64_t i = 0; i < (j + 1 < nk ? ld : bytes); i++)
            k[j * ld + i] = i < bytes && i % block == 1 ? (uint8_t)ck_range(c, 0x28, 0x3c)
                                                        : (uint8_t)ck_u64(c);
    for (int64_t j = 0; j < nk; j++)
        stored_decode(type, k + j * ld, d, 1, x + j * d);
    return k;
}

static void qk_case(struct ck *c, int32_t type, int64_t nr, int64_t nk, int64_t d)
{
    int64_t ldk = stored_bytes(type, d) + ck_range(c, 0, 2), ldf = factors(d), lds = nk + 1;
    float *x = ck_floats(c, 1, (size_t)(nk * d)), *f = ck_floats(c, 2, (size_t)(nr * ldf));
    float *s = ck_floats(c, 3, (size_t)((nr - 1) * lds + nk));
    int8_t *q = ck_memory(c, 4, (size_t)(nr * d), 1);
    const uint8_t *k = fill_keys(c, type, nk, ldk, d, x);
    const struct attn__source source = ck_source(c, q);
    for (int64_t i = 0; i < nr * d; i++)
        q[i] = (int8_t)ck_range(c, -127, 127);
    for (int64_t i = 0; i < nr * ldf; i++)
        f[i] = i % ldf < d / 32 ? fabsf(ck_float(c)) : 0;
    for (int64_t i = 0; i < (nr - 1) * lds + nk; i++)
        s[i] = -77;
    qk_of(c, type)(k, ldk, nk, d, q, f, ldf, nr, s, lds, &source);
    for (int64_t r = 0; r < nr; r++) {
        for (int64_t j = 0; j < nk; j++) {
            double sum = 0, mag = 0;
            for (int64_t i = 0; i < d; i++) {
                double y = (double)x[j * d + i] * q[r * d + i] * f[r * ldf + i / 32];
                sum += y;
                mag += fabs(y);
            }
            ck_close(c, "score", r, j, s[r * lds + j], sum,
                     (double)(d / 32 + 8) * 0x1p-24 * mag + 1e-30);
        }
        if (r + 1 < nr)
            ck_true(c, "wrote between rows", s[r * lds + nk] == -77);
    }
    if (nk == 0)
        return;
    int64_t r = ck_range(c, 0, nr - 1), j = ck_range(c, 0, nk - 1);
    float *alone = ck_floats(c, 5, (size_t)(nk - j));
    qk_of(c, type)(k + j * ldk, ldk, nk - j, d, q + r * d, f + r * ldf, ldf, 1, alone, 1, NULL);
    ck_same(c, "row alone", alone, s + r * lds + j, (size_t)(nk - j), false);
}

static void check_scores(struct ck *c, int32_t type)
{
    static const int64_t rows[] = {1, 2, 3, 4, 5, 8}, keys[] = {0, 1, 2, 3, 4, 5, 11, 37};
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t j = 0; j < COUNT(keys); j++)
            for (int64_t d = 32; d <= 192; d += 32)
                qk_case(c, type, rows[i], keys[j], d);
}

void check_row_qk_int8_q8_0(struct ck *c) { check_scores(c, ATTN_DTYPE_Q8_0); }
void check_row_qk_int8_q4_0(struct ck *c) { check_scores(c, ATTN_DTYPE_Q4_0); }
