/* SPDX-License-Identifier: MIT */
/* Checks of the turns of rotary positions. */
#include "checkkern.h"

enum { ROWS = 5 };

/* One pair turned by two angles, as the tables say them. */
static void pair(double a, double b, const float *base, const float *low, double out[2])
{
    double co = (double)base[0] * low[0] - (double)base[1] * low[1];
    double si = (double)base[1] * low[0] + (double)base[0] * low[1];
    out[0] = a * co - b * si;
    out[1] = b * co + a * si;
}

static void turns(struct ck *c, float *t, int64_t half)
{
    for (int64_t i = 0; i < half; i++) {
        double angle = 4 * (double)ck_float(c);
        t[i] = (float)cos(angle);
        t[half + i] = (float)sin(angle);
    }
}

/* inter: pairs are neighbours, and tables hold each pair twice. */
static void check(struct ck *c, bool inter)
{
    for (int64_t half = 1; half <= 2 * c->k->lanes + 1; half++) {
        int64_t dim = 2 * half, ld = dim + 3, width = inter ? 2 * dim : dim;
        size_t n = (size_t)((ROWS - 1) * ld + dim);
        float *x = ck_floats(c, 0, n), *was = ck_floats(c, 1, n);
        float *base = ck_floats(c, 2, (size_t)width);
        float *low = ck_floats(c, 3, (size_t)(ROWS * width));
        float *turn = ck_floats(c, 4, (size_t)((ROWS + 1) * dim));
        ck_fill(c, was, n, CK_RANDOM);
        memcpy(x, was, n * sizeof *x);
        for (int64_t r = 0; r <= ROWS; r++) {
            float *t = turn + r * dim, *out = r == 0 ? base : low + (r - 1) * width;
            turns(c, t, half);
            for (int64_t i = 0; i < dim && !inter; i++)
                out[i] = t[i];
            for (int64_t i = 0; i < dim && inter; i++) {
                out[i] = t[i / 2];
                out[dim + i] = i % 2 == 0 ? -t[half + i / 2] : t[half + i / 2];
            }
        }
        if (inter)
            c->k->rope_interleaved(x, ld, ROWS, dim, base, low);
        else
            c->k->rope_half(x, ld, ROWS, half, base, low);
        for (int64_t r = 0; r < ROWS; r++) {
            for (int64_t i = 0; i < half; i++) {
                int64_t a = inter ? 2 * i : i, b = inter ? 2 * i + 1 : i + half;
                const float *t = turn + (r + 1) * dim;
                const float by[2] = {turn[i], turn[half + i]}, and[2] = {t[i], t[half + i]};
                double want[2];
                pair(was[r * ld + a], was[r * ld + b], by, and, want);
                double tol = 4 * 0x1p-23;
                ck_close(c, "turned", r, a, x[r * ld + a], want[0], tol);
                ck_close(c, "turned", r, b, x[r * ld + b], want[1], tol);
            }
            for (int64_t i = dim; i < ld && r + 1 < ROWS; i++)
                ck_close(c, "between rows", r, i, x[r * ld + i], was[r * ld + i], 0);
        }
    }
}

void check_rope_half(struct ck *c) { check(c, false); }
void check_rope_interleaved(struct ck *c) { check(c, true); }

/* A sum of n numbers of size `size` in f32. */
static double sum_error(int64_t n, double size)
{
    return (double)(n + 4) * 0x1p-24 * size + 1e-44;
}

void check_vec_sum(struct ck *c)
{
    for (int64_t n = 0; n <= 4 * c->k->lanes + 1; n++) {
        float *s = ck_floats(c, 0, (size_t)n);
        ck_fill(c, s, (size_t)n, CK_RANDOM);
        double sum = 0, size = 0;
        for (int64_t i = 0; i < n; i++) {
            sum += s[i];
            size += fabsf(s[i]);
        }
        ck_close(c, "sum", n, 0, c->k->vec_sum(s, n), sum, sum_error(n, size));
    }
}

void check_vec_sumsq(struct ck *c)
{
    for (int64_t n = 0; n <= 4 * c->k->lanes + 1; n++) {
        float *s = ck_floats(c, 0, (size_t)n), mean = n % 2 ? 0 : ck_float(c);
        ck_fill(c, s, (size_t)n, CK_RANDOM);
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += ((double)s[i] - mean) * ((double)s[i] - mean);
        ck_close(c, "sum of squares", n, 0, c->k->vec_sumsq(s, n, mean), sum,
                 sum_error(n + 8, sum));
    }
}

void check_vec_affine(struct ck *c)
{
    for (int64_t n = 0; n <= 4 * c->k->lanes + 1; n++) {
        for (int with = 0; with < 4; with++) {
            float *s = ck_floats(c, 0, (size_t)n), *was = ck_floats(c, 1, (size_t)n);
            float *w = ck_floats(c, 2, (size_t)n), *b = ck_floats(c, 3, (size_t)n);
            ck_fill(c, was, (size_t)n, CK_RANDOM);
            ck_fill(c, w, (size_t)n, CK_RANDOM);
            ck_fill(c, b, (size_t)n, CK_RANDOM);
            memcpy(s, was, (size_t)n * sizeof *s);
            c->k->vec_affine(s, n, 0.25f, 1.5f, with & 1 ? w : NULL, 1, with & 2 ? b : NULL);
            for (int64_t i = 0; i < n; i++) {
                double want = ((double)was[i] - 0.25) * 1.5;
                if (with & 1)
                    want *= (double)w[i] + 1;
                if (with & 2)
                    want += b[i];
                ck_close(c, "normalised", n, i, s[i], want, 8 * 0x1p-23 * 4);
            }
        }
    }
}

void check_vec_gate(struct ck *c)
{
    for (int64_t n = 0; n <= 4 * c->k->lanes + 1; n++) {
        for (int sigmoid = 0; sigmoid < 2; sigmoid++) {
            float *o = ck_floats(c, 0, (size_t)n), *was = ck_floats(c, 1, (size_t)n);
            float *g = ck_floats(c, 2, (size_t)n);
            ck_fill(c, was, (size_t)n, CK_RANDOM);
            ck_fill(c, g, (size_t)n, n % 5 == 0 ? CK_NAN : CK_RANDOM);
            for (int64_t i = 0; i < n; i++)
                g[i] *= i % 3 == 0 ? 100 : 5;
            memcpy(o, was, (size_t)n * sizeof *o);
            c->k->vec_gate(o, n, g, sigmoid);
            for (int64_t i = 0; i < n; i++) {
                double x = sigmoid ? 1 / (1 + exp(-(double)g[i])) : (double)g[i];
                double tol = (4 + fabs((double)g[i])) * 0x1p-23 * fabs(x) + 1e-37;
                ck_close(c, "gated", n, i, o[i], was[i] * x, tol);
            }
        }
    }
}
