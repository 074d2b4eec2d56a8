/* SPDX-License-Identifier: MIT */
/* Checks of the products and the gates of a chunk of a linear recurrence. */
#include "checkkern.h"

#include "kernels/scan.h"

static const int64_t rows_list[] = { 1, 2, 3, 5, 7, 8, 12, 15, 16, 17, 31, 64 };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* one case of scan_rows: where things are, and how large they may be */
struct product {
    int32_t lower;
    int64_t n, d, cols, pad;
    bool init; /* false: none; in place if pad is odd */
};

/* out_i in double from what comes before it; *mag: the sum of all magnitudes */
static double exact_element(const struct product *p, const float *x, const float *s,
                            const float *l, const float *v, const float *init, int64_t i,
                            int64_t c, double *mag)
{
    const int64_t ld = p->cols + p->pad;
    const double sign = p->lower == ATTN__SCAN_LESS || p->lower == ATTN__SCAN_SOLVE ? -1 : 1;
    double sum = init ? init[i * ld + c] : 0;
    *mag = fabs(sum);
    for (int64_t j = 0; j < p->d; j++) {
        double t = sign * (double)x[i * (p->d + p->pad) + j] * s[j * ld + c];
        sum += t;
        *mag += fabs(t);
    }
    int64_t last = p->lower == ATTN__SCAN_DENSE ? -1 : p->lower == ATTN__SCAN_LOWER ? i : i - 1;
    for (int64_t j = 0; j <= last; j++) {
        double t = sign * (double)l[i * (p->n + p->pad) + j] * v[j * ld + c];
        sum += t;
        *mag += fabs(t);
    }
    return sum;
}

static void rows_case(struct ck *c, const struct product *p)
{
    const int64_t ld = p->cols + p->pad, ldx = p->d + p->pad, ldl = p->n + p->pad;
    const size_t out_n = (size_t)((p->n - 1) * ld + p->cols);
    const size_t x_n = p->d > 0 ? (size_t)((p->n - 1) * ldx + p->d) : 0;
    const size_t s_n = p->d > 0 ? (size_t)((p->d - 1) * ld + p->cols) : 0;
    /* the last row of l ends at its diagonal, or just before it */
    const size_t l_n = p->lower == ATTN__SCAN_DENSE ? 0
                     : (size_t)((p->n - 1) * ldl + p->n - (p->lower == ATTN__SCAN_LOWER ? 0 : 1));
    float *x = ck_floats(c, 0, x_n), *s = ck_floats(c, 1, s_n), *l = ck_floats(c, 2, l_n);
    float *v = ck_floats(c, 3, out_n), *init = ck_floats(c, 4, out_n);
    float *out = ck_floats(c, 5, out_n), *was = ck_floats(c, 6, out_n);
    ck_fill(c, x, x_n, CK_RANDOM);
    ck_fill(c, s, s_n, CK_RANDOM);
    ck_fill(c, v, out_n, CK_RANDOM);
    ck_fill(c, init, out_n, CK_RANDOM);
    for (size_t i = 0; i < l_n; i++) /* infinite above the diagonal, and NaN on it */
        l[i] = (int64_t)i % ldl > (int64_t)i / ldl ? INFINITY : ck_float(c) * 0.2f;
    if (p->lower == ATTN__SCAN_LESS || p->lower == ATTN__SCAN_SOLVE)
        for (size_t i = 0; i < l_n; i += (size_t)ldl + 1)
            l[i] = NAN;
    memcpy(out, init, out_n * sizeof *out);
    const float *from = !p->init ? NULL : p->pad % 2 ? out : init;
    c->k->scan_rows(p->lower, x, ldx, p->n, p->d, s, ld, l, ldl, v, ld, from, ld, out, ld,
                    p->cols);
    memcpy(was, init, out_n * sizeof *was);
    for (int64_t i = 0; i < p->n; i++) {
        for (int64_t j = 0; j < ld && (size_t)(i * ld + j) < out_n; j++) {
            if (j >= p->cols) {
                ck_close(c, "untouched", i, j, out[i * ld + j], init[i * ld + j], 0);
                continue;
            }
            double mag, want = exact_element(p, x, s, l, p->lower == ATTN__SCAN_SOLVE ? out : v,
                                             p->init ? was : NULL, i, j, &mag);
            ck_close(c, "element", i, j, out[i * ld + j], want,
                     (double)(p->d + p->n + 2) * 0x1p-24 * mag + 1e-42);
        }
    }
}

void check_scan_rows(struct ck *c)
{
    static const int64_t depth_list[] = { 0, 1, 6, 33, 128 };
    int64_t number = 0;
    for (int32_t lower = ATTN__SCAN_DENSE; lower <= ATTN__SCAN_SOLVE; lower++) {
        for (size_t a = 0; a < COUNT(rows_list); a++) {
            for (size_t b = 0; b < COUNT(depth_list); b++, number++) {
                struct product p = { .lower = lower, .n = rows_list[a], .d = depth_list[b],
                                     .cols = 16 * ck_range(c, 1, 5), .pad = number % 4,
                                     .init = lower == ATTN__SCAN_SOLVE || number % 3 };
                rows_case(c, &p);
            }
        }
    }
}

void check_scan_outer(struct ck *c)
{
    for (size_t a = 0; a < COUNT(rows_list); a++) {
        for (int64_t d = 1; d <= 40; d += 3) {
            int64_t n = rows_list[a], cols = 16 * ck_range(c, 1, 5), pad = d % 4;
            int64_t lda = d + pad, ld = cols + pad;
            size_t a_n = (size_t)((n - 1) * lda + d), v_n = (size_t)((n - 1) * ld + cols);
            size_t s_n = (size_t)((d - 1) * ld + cols);
            float *x = ck_floats(c, 0, a_n), *v = ck_floats(c, 1, v_n), *s = ck_floats(c, 2, s_n);
            float *f = ck_floats(c, 3, (size_t)d), *h = ck_floats(c, 4, (size_t)d);
            float *was = ck_floats(c, 5, s_n);
            ck_fill(c, x, a_n, CK_RANDOM);
            ck_fill(c, v, v_n, CK_RANDOM);
            ck_fill(c, was, s_n, CK_RANDOM);
            ck_fill(c, f, (size_t)d, CK_RANDOM);
            ck_fill(c, h, (size_t)d, CK_RANDOM);
            memcpy(s, was, s_n * sizeof *s);
            c->k->scan_outer(x, lda, n, d, v, ld, f, h, s, ld, cols);
            for (int64_t i = 0; i < d; i++) {
                for (int64_t j = 0; j < ld && (size_t)(i * ld + j) < s_n; j++) {
                    double sum = 0, mag = 0, old = was[i * ld + j];
                    for (int64_t t = 0; j < cols && t < n; t++) {
                        sum += (double)x[t * lda + i] * v[t * ld + j];
                        mag += fabs((double)x[t * lda + i] * v[t * ld + j]);
                    }
                    if (j < cols)
                        old = f[i] * old + h[i] * sum;
                    ck_close(c, "state", i, j, s[i * ld + j], old,
                             j < cols ? (double)(n + 3) * 0x1p-24 * (mag + 1) : 0);
                }
            }
        }
    }
}

static void dots_case(struct ck *c, bool lower, int64_t rows, int64_t n, int64_t d)
{
    const int64_t ldx = d + rows % 3, ldy = d + n % 2, lda = n + d % 4;
    const size_t x_n = (size_t)((rows - 1) * ldx + d), y_n = (size_t)((n - 1) * ldy + d);
    const size_t a_n = (size_t)((rows - 1) * lda + n);
    float *x = ck_floats(c, 0, x_n), *y = ck_floats(c, 1, y_n), *a = ck_floats(c, 2, a_n);
    ck_fill(c, x, x_n, CK_RANDOM);
    ck_fill(c, y, y_n, CK_RANDOM);
    y[(n - 1) * ldy] = lower ? NAN : y[(n - 1) * ldy]; /* seen by the last row alone */
    for (size_t i = 0; i < a_n; i++)
        a[i] = -77.0f;
    c->k->scan_dots(lower, x, ldx, rows, y, ldy, n, d, a, lda);
    for (size_t at = 0; at < a_n; at++) {
        const int64_t i = (int64_t)at / lda, j = (int64_t)at % lda;
        double sum = 0, mag = 0;
        if (j >= n) {
            ck_close(c, "untouched", i, j, a[at], -77.0, 0);
            continue;
        }
        for (int64_t e = 0; e < d; e++) {
            double t = (double)x[i * ldx + e] * (double)y[j * ldy + e];
            sum += t;
            mag += fabs(t);
        }
        if (!lower || j <= i)
            ck_close(c, "score", i, j, a[at], sum, (double)(d + 1) * 0x1p-24 * mag + 1e-42);
    }
}

void check_scan_dots(struct ck *c)
{
    static const int64_t depth_list[] = { 1, 3, 16, 21, 32, 71, 128 };
    for (size_t i = 0; i < COUNT(depth_list); i++) {
        for (size_t n = 0; n < COUNT(rows_list); n++) {
            dots_case(c, true, rows_list[n], rows_list[n], depth_list[i]);
            dots_case(c, false, ck_range(c, 1, 33), rows_list[n], depth_list[i]);
        }
    }
}

/* As if each chunk had gone over S by itself: x_t + 0 S, then f S + h x_t. */
void check_scan_carry(struct ck *c)
{
    enum { CHUNKS = 5 };
    for (int64_t cols = 16; cols <= 176; cols += 32) {
        int64_t d = ck_range(c, 1, 5), n = ck_range(c, 1, CHUNKS), ld = cols + 3, ldf = d + 2;
        int64_t step = d * ld + 7;
        size_t s_n = (size_t)(d * ld), x_n = (size_t)(n * step), f_n = (size_t)(n * ldf);
        float *s = ck_floats(c, 0, s_n), *x = ck_floats(c, 1, x_n), *f = ck_floats(c, 2, f_n);
        float *h = ck_floats(c, 3, f_n), *want = ck_floats(c, 4, s_n), *was = ck_floats(c, 5, x_n);
        uint8_t fresh[CHUNKS];
        ck_fill(c, s, s_n, CK_RANDOM);
        ck_fill(c, x, x_n, CK_RANDOM);
        ck_fill(c, f, f_n, CK_RANDOM);
        ck_fill(c, h, f_n, CK_RANDOM);
        memcpy(want, s, s_n * sizeof *s);
        memcpy(was, x, x_n * sizeof *x);
        for (int64_t t = 0; t < n; t++)
            fresh[t] = ck_range(c, 0, 3) == 0;
        c->k->scan_carry(s, ld, d, cols, x, step, n, f, h, ldf, fresh);
        for (int64_t t = 0; t < n; t++)
            for (int64_t i = 0; i < d; i++)
                for (int64_t j = 0; j < ld; j++) {
                    float *old = &want[i * ld + j], gain = was[t * step + i * ld + j];
                    if (j < cols && fresh[t])
                        *old = 0;
                    ck_close(c, "before", t, j, x[t * step + i * ld + j], j < cols ? *old : gain,
                             1e-5 * (j < cols));
                    if (j < cols)
                        *old = f[t * ldf + i] * *old + h[t * ldf + i] * gain;
                }
        for (int64_t i = 0; i < d; i++)
            for (int64_t j = 0; j < ld; j++)
                ck_close(c, "state", i, j, s[i * ld + j], want[i * ld + j], 1e-5 * (j < cols));
    }
}

/* what sums of a chunk may be: small ones, and small ones after large ones */
static void fill_gates(struct ck *c, float *g, size_t n, int64_t d)
{
    for (size_t i = 0; i < n; i++) {
        float small = -0.05f * fabsf(ck_float(c));
        g[i] = (int64_t)i / d % 7 == 3 ? 2000.0f * small : small;
    }
}

void check_scan_sums(struct ck *c)
{
    for (int64_t n = 1; n <= 64; n += 9) {
        for (int64_t d = 16; d <= 80; d += 16) {
            size_t out = (size_t)((n + 1) * d);
            int64_t ld = d + n % 3;
            float *g = ck_floats(c, 0, (size_t)((n - 1) * ld + d));
            float *hi = ck_floats(c, 1, out), *lo = ck_floats(c, 2, out);
            fill_gates(c, g, (size_t)((n - 1) * ld + d), ld);
            c->k->scan_sums(g, ld, n, d, hi, lo);
            for (int64_t j = 0; j < d; j++) {
                double sum = 0;
                for (int64_t i = 0; i <= n; i++) {
                    double both = (double)hi[i * d + j] + (double)lo[i * d + j];
                    ck_close(c, "sum", i, j, (float)(both - sum), 0, fabs(sum) * 0x1p-44);
                    ck_close(c, "high part", i, j, hi[i * d + j], sum,
                             (double)(i + 1) * fabs(sum) * 0x1p-24);
                    sum += i < n ? (double)g[i * ld + j] : 0;
                }
            }
        }
    }
}

void check_scan_decay(struct ck *c)
{
    for (int64_t n = 1; n <= 20; n += 3) {
        for (int64_t d = 16; d <= 64; d += 16) {
            size_t all = (size_t)(n * d);
            float *hi = ck_floats(c, 0, all), *lo = ck_floats(c, 1, all);
            float *ref_hi = ck_floats(c, 2, (size_t)d), *ref_lo = ck_floats(c, 3, (size_t)d);
            float *room[] = { ck_floats(c, 4, all), ck_floats(c, 5, all) };
            float *y[] = { ck_floats(c, 6, all), ck_floats(c, 7, all) };
            const float *x[] = { room[0], room[1] };
            const float sign = n % 2 ? 1.0f : -1.0f;
            for (size_t i = 0; i < all; i++) {
                hi[i] = -3000.0f + sign * (float)(d == 32 ? 86 : 50) * ck_float(c);
                lo[i] = 1e-2f * ck_float(c);
                if (i % 5 == 4) /* far below what is kept */
                    hi[i] = -3000.0f - sign * (float)ck_range(c, 100, 3000);
            }
            for (int64_t j = 0; j < d; j++) {
                ref_hi[j] = -3000.0f + 0.1f * ck_float(c);
                ref_lo[j] = 1e-2f * ck_float(c);
            }
            ck_fill(c, room[0], all, CK_RANDOM);
            ck_fill(c, room[1], all, CK_RANDOM);
            c->k->scan_decay(sign, hi, lo, ref_hi, ref_lo, n, d, 2, x, d, y, d);
            for (size_t i = 0; i < 2 * all; i++) {
                size_t t = i / all, e = i % all, j = e % (size_t)d;
                double power = sign * ((double)hi[e] - ref_hi[j] + ((double)lo[e] - ref_lo[j]));
                double want = power < -87.1 ? 0 : x[t][e] * exp(power);
                double tol = power < -87.1 ? 0 : power < -86.9 ? 2e-38 : fabs(want) * 0x1p-21;
                ck_close(c, "decayed", (int64_t)e, (int64_t)t, y[t][e], want, tol + 1e-44);
            }
        }
    }
}

void check_scan_fade(struct ck *c)
{
    for (int64_t n = 1; n <= 64; n++) {
        int64_t lda = (n + 15) / 16 * 16 + n % 2;
        size_t all = (size_t)((n - 1) * lda + (n + 15) / 16 * 16);
        float *g = ck_floats(c, 0, (size_t)n), *low = ck_floats(c, 1, (size_t)n);
        float *at = ck_floats(c, 2, (size_t)n), *at_low = ck_floats(c, 3, (size_t)n);
        float *a[] = { ck_floats(c, 4, all), ck_floats(c, 5, all) };
        float *was = ck_floats(c, 6, all);
        double sum = 0;
        for (int64_t i = 0; i < n; i++) {
            at[i] = (float)sum;
            at_low[i] = (float)(sum - (double)at[i]);
            sum -= i % 11 == 5 ? 60.0 : 0.1 * fabs(ck_float(c));
            g[i] = (float)sum;
            low[i] = (float)(sum - (double)g[i]);
            if (n % 2) {
                at[i] = g[i];
                at_low[i] = low[i];
            }
        }
        ck_fill(c, was, all, CK_RANDOM);
        for (int t = 0; t < 2; t++)
            memcpy(a[t], was, all * sizeof *was);
        c->k->scan_fade(at, at_low, g, low, n, 2, a, lda);
        for (int64_t i = 0; i < n; i++) {
            for (int64_t j = 0; j + 1 - n % 2 <= i; j++) {
                double power = (double)at[i] - g[j] + ((double)at_low[i] - low[j]);
                double want = was[i * lda + j] * exp(power);
                double tol = power < -87 ? 2e-38 : fabs(want) * (4 - power) * 0x1p-22;
                ck_close(c, "score", i, j, a[0][i * lda + j], want, tol);
                ck_close(c, "other score", i, j, a[1][i * lda + j], a[0][i * lda + j], 0);
            }
        }
    }
}

void check_scan_scale(struct ck *c)
{
    for (int64_t n = 1; n <= 9; n++) {
        for (int64_t d = 16; d <= 64; d += 16) {
            int64_t ldx = d + n % 3, ldy = d + n % 2;
            size_t x_n = (size_t)((n - 1) * ldx + d), y_n = (size_t)((n - 1) * ldy + d);
            float *x = ck_floats(c, 0, x_n), *y = ck_floats(c, 1, y_n);
            float *f = ck_floats(c, 2, (size_t)n);
            ck_fill(c, x, x_n, (int)(n % CK_KINDS));
            ck_fill(c, f, (size_t)n, CK_RANDOM);
            for (size_t i = 0; i < y_n; i++)
                y[i] = -77.0f;
            c->k->scan_scale(x, ldx, n, d, f, y, ldy);
            for (size_t i = 0; i < y_n; i++) {
                int64_t row = (int64_t)i / ldy, col = (int64_t)i % ldy;
                ck_close(c, "scaled", row, col, y[i],
                         col < d ? (double)(x[row * ldx + col] * f[row]) : -77.0, 0);
            }
        }
    }
}

/* at: 0, rows of their own; 1, k and a are changed in place; 2, k is too short for a length */
static void rwkv7_case(struct ck *c, int64_t d, int at)
{
    float *k = ck_floats(c, 0, (size_t)d), *a = ck_floats(c, 1, (size_t)d);
    float *scale = ck_floats(c, 2, (size_t)d), *mix = ck_floats(c, 3, (size_t)d);
    float *to = at == 1 ? k : ck_floats(c, 4, (size_t)d);
    float *w = at == 1 ? a : ck_floats(c, 5, (size_t)d), *e = ck_floats(c, 6, (size_t)d);
    double key[64], rate[64], sum = 0;
    ck_fill(c, k, (size_t)d, CK_RANDOM);
    ck_fill(c, a, (size_t)d, CK_RANDOM);
    ck_fill(c, scale, (size_t)d, CK_RANDOM);
    ck_fill(c, mix, (size_t)d, CK_RANDOM);
    for (int64_t i = 0; i < d; i++) {
        k[i] *= at == 2 ? 0.0f : 1.0f;
        key[i] = (double)k[i];
        rate[i] = (double)a[i];
        sum += key[i] * (double)scale[i] * key[i] * (double)scale[i];
    }
    c->k->scan_rwkv7(k, a, d, scale, mix, to, w, e);
    for (int64_t i = 0; i < d; i++) {
        double unit = key[i] * (double)scale[i] / fmax(sqrt(sum), 1e-12);
        double keep = 1 + (rate[i] - 1) * (double)mix[i];
        double more = 1 + fabs(rate[i] - 1) * fabs((double)mix[i]);
        ck_close(c, "rwkv7 e", d, i, e[i], unit, fabs(unit) * 16 * 0x1p-24);
        ck_close(c, "rwkv7 w", d, i, w[i], rate[i] * unit, fabs(rate[i] * unit) * 17 * 0x1p-24);
        ck_close(c, "rwkv7 k", d, i, to[i], key[i] * keep, fabs(key[i]) * more * 4 * 0x1p-24);
    }
}

void check_scan_rwkv7(struct ck *c)
{
    for (int64_t d = 1; d <= 64; d++)
        for (int at = 0; at < 3; at++)
            rwkv7_case(c, d, at);
}

void check_scan_bonus(struct ck *c)
{
    for (int64_t n = 1; n <= 5; n++) {
        for (int64_t d = 1; d <= 50; d++) {
            int64_t ld = d + n % 3, ldo = 1 + n % 4;
            size_t all = (size_t)((n - 1) * ld + d);
            float *q = ck_floats(c, 0, all), *k = ck_floats(c, 1, all);
            float *u = ck_floats(c, 2, (size_t)d);
            float *out = ck_floats(c, 3, (size_t)((n - 1) * ldo + 1));
            ck_fill(c, q, all, CK_RANDOM);
            ck_fill(c, k, all, CK_RANDOM);
            ck_fill(c, u, (size_t)d, CK_RANDOM);
            c->k->scan_bonus(q, k, ld, n, d, u, out, ldo);
            for (int64_t i = 0; i < n; i++) {
                double sum = 0;
                for (int64_t j = 0; j < d; j++)
                    sum += (double)q[i * ld + j] * u[j] * k[i * ld + j];
                ck_close(c, "bonus", i, 0, out[i * ldo], sum, (double)(d + 3) * 0x1p-23);
            }
        }
    }
}

void check_scan_range(struct ck *c)
{
    for (int64_t d = 16; d <= 160; d += 16) {
        for (int i = 0; i < 10; i++) {
            float *a = ck_floats(c, 0, (size_t)d), *b = ck_floats(c, 1, (size_t)d);
            ck_fill(c, a, (size_t)d, CK_RANDOM);
            ck_fill(c, b, (size_t)d, CK_RANDOM);
            float want = 0;
            for (int64_t j = 0; j < d; j++) {
                b[j] = i ? b[j] : a[j] + 1.0f;
                want = a[j] - b[j] > want ? a[j] - b[j] : want;
            }
            ck_close(c, "range", d, i, c->k->scan_range(a, b, d), want, 0);
        }
    }
}
