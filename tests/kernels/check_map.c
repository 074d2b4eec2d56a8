/* SPDX-License-Identifier: MIT */
/* Checks of functions of one number along a row, and of one token of a
 * recurrence. */
#include "checkkern.h"
#include "kernels/map.h"

static double map(int kind, double x)
{
    double t = exp(-fabs(x)), sigmoid = (x >= 0 ? 1 : t) / (1 + t);
    double softplus = (x > 0 ? x : 0) + log1p(t);
    switch (kind) {
    case ATTN__MAP_relu:
        return x < 0 ? 0 : x;
    case ATTN__MAP_relu2:
        return x < 0 ? 0 : x * x;
    case ATTN__MAP_elu1:
        return x > 0 ? x + 1 : exp(x);
    case ATTN__MAP_exp:
        return exp(x);
    case ATTN__MAP_sigmoid:
        return sigmoid;
    case ATTN__MAP_silu:
        return x * sigmoid;
    case ATTN__MAP_log_sigmoid:
        return -((x < 0 ? -x : 0) + log1p(t));
    case ATTN__MAP_softplus:
        return softplus;
    case ATTN__MAP_rwkv7_decay:
        return -exp(-0.5) * sigmoid;
    default:
        return -exp(x);
    }
}

/* Rounding x log2 e shows in exponentials of large |x|. */
static double tolerance(double x, double y)
{
    return fabs(y) * 0x1p-24 * (8 + 2 * fabs(x)) + 3e-37 * (1 + fabs(x));
}

void check_vec_map(struct ck *c)
{
    for (int kind = 0; kind < ATTN__MAP_COUNT; kind++) {
        for (int64_t n = 0; n <= 3 * c->k->lanes + 1; n++)
            for (int input = 0; input < CK_KINDS; input++) {
                float *s = ck_floats(c, 0, (size_t)n), *was = ck_floats(c, 1, (size_t)n);
                if (input == CK_HUGE)
                    continue;
                ck_fill(c, was, (size_t)n, input);
                for (int64_t i = 0; i < n; i++)
                    s[i] = was[i] *= input == CK_RANDOM ? 9.0f : 1.0f;
                c->k->vec_map(kind, s, n);
                for (int64_t i = 0; i < n; i++) {
                    double x = (double)was[i], y = map(kind, x);
                    if (x > -1e30 || x != x)
                        ck_close(c, "map", kind, i, s[i], y, tolerance(x, y));
                }
            }
        for (int first = -100; first < 88; first++) {
            float *s = ck_floats(c, 0, 256);
            for (int i = 0; i < 256; i++)
                s[i] = (float)first + (float)i / 256;
            c->k->vec_map(kind, s, 256);
            for (int i = 0; i < 256; i++) {
                double x = first + (double)i / 256, y = map(kind, x);
                ck_close(c, "map", kind, i, s[i], y, tolerance(x, y));
            }
        }
    }
    float *s = ck_floats(c, 0, 2);
    s[0] = 100.0f;
    s[1] = -200.0f;
    c->k->vec_map(ATTN__MAP_exp, s, 2);
    ck_true(c, "exp beyond its range", s[0] > 3e38f && s[1] == 0.0f);
}

static void token_case(struct ck *c, int erase, int before, int64_t dk, int64_t n)
{
    int64_t ld = n + 16 * ck_range(c, 0, 2), inc = ck_range(c, 0, 1);
    float *S = ck_floats(c, 0, (size_t)((dk - 1) * ld + n));
    float *was = ck_floats(c, 1, (size_t)((dk - 1) * ld + n));
    float *v = ck_floats(c, 2, (size_t)n), *o = ck_floats(c, 3, (size_t)n);
    float *rows[5]; /* dec, k, w, e, q */
    for (int r = 0; r < 5; r++) {
        rows[r] = ck_floats(c, 4 + r, (size_t)dk);
        ck_fill(c, rows[r], (size_t)dk, CK_RANDOM);
    }
    ck_fill(c, was, (size_t)((dk - 1) * ld + n), CK_RANDOM);
    memcpy(S, was, (size_t)((dk - 1) * ld + n) * sizeof *S);
    ck_fill(c, v, (size_t)n, CK_RANDOM);
    c->k->scan_token(erase, before, dk, n, S, ld, rows[0], inc, rows[1], v, rows[2], rows[3],
                     rows[4], 0.75f, o, was);
    for (int64_t j = 0; j < n; j++) {
        double read = 0, sum = before ? 0.75 * (double)v[j] : 0;
        for (int64_t d = 0; d < dk; d++)
            read += (double)rows[3][d] * (double)was[d * ld + j];
        for (int64_t d = 0; d < dk; d++) {
            double old = (double)was[d * ld + j], x = (double)rows[0][d * inc] * old;
            x += (double)rows[1][d] * ((double)v[j] - (erase == 1 ? read : 0));
            x -= erase == 2 ? (double)rows[2][d] * read : 0;
            ck_close(c, "state", d, j, S[d * ld + j], x, 1e-6 * (double)(4 + dk));
            sum += (double)rows[4][d] * (before ? old : x);
        }
        ck_close(c, "output", dk, j, o[j], sum, 1e-6 * (double)(4 + dk));
    }
    for (int64_t i = 0; i < (dk - 1) * ld + n; i++)
        if (i % ld >= n)
            ck_close(c, "between the rows", i, n, S[i], (double)was[i], 0);
}

void check_scan_token(struct ck *c)
{
    for (int erase = 0; erase < 3; erase++)
        for (int64_t n = 16; n <= 176; n += 16)
            for (int64_t dk = 1; dk <= 9; dk += 4)
                token_case(c, erase, 0, dk, n);
    for (int erase = 0; erase < 3; erase++) {
        token_case(c, erase, 0, 5, 256); /* the widest piece */
        token_case(c, erase, 0, 5, 528); /* more columns than go by together */
    }
    for (int64_t n = 16; n <= 176; n += 16)
        token_case(c, 0, 1, 5, n);
}
