/* SPDX-License-Identifier: MIT */
/*
 * Checks of the weights that are functions of one score, with the errors that
 * activation.h states, and that a row is a tile of one query.
 */
#include "checkkern.h"
#include "kernels/weights.h"

static double weight(int kind, double x, double a)
{
    double y = x + a, t = exp(-fabs(y));
    if (x == -INFINITY)
        return 0;
    switch (kind) {
    case ATTN__WEIGHTS_relu:
        return x != x ? x : x > 0 ? x : 0;
    case ATTN__WEIGHTS_relu_square:
        return x != x ? x : x > 0 ? x * x : 0;
    case ATTN__WEIGHTS_relu_cube:
        return x != x ? x : x > 0 ? x * x * x : 0;
    case ATTN__WEIGHTS_sigmoid:
        return (y >= 0 ? 1 : t) / (1 + t);
    case ATTN__WEIGHTS_softplus:
        return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
    case ATTN__WEIGHTS_taylor2:
        return 1 + x + x * x / 2;
    case ATTN__WEIGHTS_gelu:
        return x * 0.5 * erfc(-x * M_SQRT1_2);
    default:
        return x;
    }
}

static double tolerance(int kind, double x, double w)
{
    double eps = 0x1p-24;
    if (w == 0)
        return 2e-37;
    switch (kind) {
    case ATTN__WEIGHTS_sigmoid: /* the sum with a is rounded as well */
        return fabs(w) * eps * (6 + 2 * fabs(x)) + 1e-37;
    case ATTN__WEIGHTS_softplus:
        return fabs(w) * eps * (6 + (x < 0 ? 2 * fabs(x) : 0)) + 2e-37;
    case ATTN__WEIGHTS_gelu:
        return fabs(w) * eps * (12 + (x < 0 ? 2 * x * x : 0)) + 1e-35;
    default:
        return fabs(w) * eps * 6 + 1e-37;
    }
}

static bool sums_squares(int kind)
{
    return kind == ATTN__WEIGHTS_gelu;
}

static bool sums_weights(int kind)
{
    return kind == ATTN__WEIGHTS_softplus || kind == ATTN__WEIGHTS_taylor2;
}

static void weights_case(struct ck *c, int kind, int64_t n, int input)
{
    int64_t w = ck_range(c, 1, 2) * c->k->lanes, lane = ck_range(c, 0, w - 1);
    float *s = ck_floats(c, 0, (size_t)n), *was = ck_floats(c, 1, (size_t)n);
    float *st = ck_floats(c, 2, (size_t)(n * w)), *l = ck_floats(c, 3, (size_t)w);
    float a = 3.0f * ck_float(c), row_l = 0.5f;
    ck_fill(c, was, (size_t)n, input);
    for (int64_t j = 0; j < n && input != CK_HUGE && input != CK_DENORMAL; j++)
        was[j] *= j % 3 ? 20.0f : 3.0f;
    memcpy(s, was, (size_t)n * sizeof *s);
    for (int64_t i = 0; i < w; i++) {
        l[i] = i == lane ? row_l : 3.0f;
        for (int64_t j = 0; j < n; j++)
            st[j * w + i] = i == lane ? was[j] : 9.0f * ck_float(c);
    }
    c->k->row_weights(kind, a, s, n, &row_l);
    c->k->tile_weights(kind, a, st, n, w, l);
    for (int64_t j = 0; j < n; j++)
        ck_same(c, "weight of a tile", &st[j * w + lane], &s[j], 1, true);
    ck_same(c, "sum of a tile", &l[lane], &row_l, 1, true);

    double sum = 0.5;
    for (int64_t j = 0; j < n; j++) {
        double x = (double)was[j], p = weight(kind, x, a);
        if (fabs(p) < 3e38 || p != p)
            ck_close(c, "weight", kind, j, s[j], p, tolerance(kind, x, p));
        sum += sums_squares(kind)   ? (double)s[j] * (double)s[j]
               : sums_weights(kind) ? (double)s[j]
                                    : x != -INFINITY;
    }
    if (fabs(sum) < 3e38 || sum != sum)
        ck_close(c, "sum", kind, n, row_l, sum, (double)(n + 4) * 0x1p-24 * sum);
}

static void check(struct ck *c)
{
    for (int kind = 0; kind < ATTN__WEIGHTS_COUNT; kind++)
        for (int input = 0; input < CK_KINDS; input++)
            for (int64_t n = 0; n <= 3 * c->k->lanes + 1; n++)
                weights_case(c, kind, n, input);
}

/* Every 1/512 from -100 to 30. */
static void check_range(struct ck *c)
{
    enum { BLOCK = 512 };
    for (int kind = 0; kind < ATTN__WEIGHTS_COUNT; kind++)
        for (int first = -100; first < 30; first++) {
            float *s = ck_floats(c, 0, BLOCK), l = 0;
            for (int j = 0; j < BLOCK; j++)
                s[j] = (float)first + (float)j / BLOCK;
            c->k->row_weights(kind, 0, s, BLOCK, &l);
            for (int j = 0; j < BLOCK; j++) {
                double x = first + (double)j / BLOCK, p = weight(kind, x, 0);
                ck_close(c, "weight", kind, j, s[j], p, tolerance(kind, x, p));
            }
        }
}

void check_tile_weights(struct ck *c)
{
    check(c);
}

void check_row_weights(struct ck *c)
{
    check(c);
    check_range(c);
}
