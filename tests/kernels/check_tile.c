/* SPDX-License-Identifier: MIT */
/* Checks of the products and the packing of a tile. */
#include "checkkern.h"

static const int64_t rows_list[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 14, 15, 16, 17, 20, 31, 33 };
static const int64_t depth_list[] = { 0, 1, 2, 3, 7, 16, 17, 64 };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* both are sums over `depth` products; rows of the result are k rows or v columns */
static void qk_case(struct ck *c, int64_t nk, int64_t d, int64_t w, int64_t pad, int kind)
{
    int64_t ldk = d + pad;
    size_t in = (size_t)(nk > 0 ? (nk - 1) * ldk + d : 0);
    size_t out = (size_t)(nk * w);
    float *k = ck_floats(c, 0, in);
    float *qt = ck_floats(c, 1, (size_t)(d * w));
    float *st = ck_floats(c, 2, out);
    ck_fill(c, k, in, kind);
    ck_fill(c, qt, (size_t)(d * w), CK_RANDOM);
    ck_fill(c, st, out, CK_NAN);
    c->k->tile_qk(k, ldk, nk, d, qt, w, st);
    for (int64_t j = 0; j < nk; j++) {
        for (int64_t i = 0; i < w; i++) {
            double sum = 0, mag = 0;
            for (int64_t x = 0; x < d; x++) {
                double t = (double)k[j * ldk + x] * qt[x * w + i];
                sum += t;
                mag += fabs(t);
            }
            ck_close(c, "score", j, i, st[j * w + i], sum, (double)(d + 2) * 0x1p-24 * mag + 1e-42);
        }
    }
}

/* copies the last vector of queries of a tile w wide into a tile of its own */
static void last_lanes(const struct ck *c, float *out, const float *in, int64_t n, int64_t w)
{
    for (int64_t j = 0; j < n; j++)
        memcpy(out + j * c->k->lanes, in + (j + 1) * w - c->k->lanes,
               (size_t)c->k->lanes * sizeof *out);
}

/* a query gets the same bits in a narrow tile as in a wide one */
static void check_widths(struct ck *c, bool pv)
{
    int64_t l = c->k->lanes;
    for (int64_t w = 2 * l; w <= 64; w += l) {
        int64_t n = ck_range(c, 1, 40), d = ck_range(c, 1, 40);
        int64_t in = pv ? n : d, out = pv ? d : n;
        float *rows = ck_floats(c, 0, (size_t)(n * d));
        float *wide_in = ck_floats(c, 1, (size_t)(in * w));
        float *wide = ck_floats(c, 2, (size_t)(out * w));
        float *narrow_in = ck_floats(c, 3, (size_t)(in * l));
        float *narrow = ck_floats(c, 4, (size_t)(out * l));
        float *cut = ck_floats(c, 5, (size_t)(out * l));
        ck_fill(c, rows, (size_t)(n * d), CK_RANDOM);
        ck_fill(c, wide_in, (size_t)(in * w), CK_RANDOM);
        ck_fill(c, wide, (size_t)(out * w), CK_RANDOM);
        last_lanes(c, narrow_in, wide_in, in, w);
        last_lanes(c, narrow, wide, out, w);
        if (pv) {
            c->k->tile_pv(rows, d, n, d, wide_in, w, wide);
            c->k->tile_pv(rows, d, n, d, narrow_in, l, narrow);
        } else {
            c->k->tile_qk(rows, d, n, d, wide_in, w, wide);
            c->k->tile_qk(rows, d, n, d, narrow_in, l, narrow);
        }
        last_lanes(c, cut, wide, out, w);
        ck_same(c, "wide and narrow tile", cut, narrow, (size_t)(out * l), false);
    }
}

void check_tile_qk(struct ck *c)
{
    int n = 0;
    check_widths(c, false);
    for (int64_t w = c->k->lanes; w <= 64; w += c->k->lanes)
        for (size_t a = 0; a < COUNT(rows_list); a++)
            for (size_t b = 0; b < COUNT(depth_list); b++)
                if (w <= 3 * c->k->lanes || w == 64)
                    qk_case(c, rows_list[a], depth_list[b], w, n % 2 * 3, n % CK_KINDS), n++;
    qk_case(c, 0, 8, c->k->lanes, 0, CK_RANDOM);
}

static void pv_case(struct ck *c, int64_t nk, int64_t dv, int64_t w, int64_t pad, int kind)
{
    int64_t ldv = dv + pad;
    size_t in = (size_t)(nk > 0 ? (nk - 1) * ldv + dv : 0);
    size_t out = (size_t)(dv * w);
    float *v = ck_floats(c, 0, in);
    float *pt = ck_floats(c, 1, (size_t)(nk * w));
    float *ot = ck_floats(c, 2, out);
    float *was = ck_floats(c, 3, out);
    ck_fill(c, v, in, kind);
    ck_fill(c, pt, (size_t)(nk * w), CK_RANDOM);
    ck_fill(c, was, out, CK_RANDOM);
    memcpy(ot, was, out * sizeof *ot);
    c->k->tile_pv(v, ldv, nk, dv, pt, w, ot);
    for (int64_t x = 0; x < dv; x++) {
        for (int64_t i = 0; i < w; i++) {
            double sum = was[x * w + i], mag = fabs(sum);
            for (int64_t j = 0; j < nk; j++) {
                double t = (double)v[j * ldv + x] * pt[j * w + i];
                sum += t;
                mag += fabs(t);
            }
            ck_close(c, "output", x, i, ot[x * w + i], sum,
                     (double)(nk + 2) * 0x1p-24 * mag + 1e-42);
        }
    }
}

void check_tile_pv(struct ck *c)
{
    int n = 0;
    check_widths(c, true);
    for (int64_t w = c->k->lanes; w <= 64; w += c->k->lanes)
        for (size_t a = 0; a < COUNT(rows_list); a++)
            for (size_t b = 0; b < COUNT(depth_list); b++)
                if (w <= 3 * c->k->lanes || w == 64)
                    pv_case(c, depth_list[b], rows_list[a], w, n % 2 * 5, n % CK_KINDS), n++;
}

void check_tile_pack_q(struct ck *c)
{
    for (int64_t w = c->k->lanes; w <= 64; w *= 2) {
        for (int64_t d = 1; d <= 2 * c->k->lanes + 1; d++) {
            int64_t rows = ck_range(c, 0, w);
            int64_t ld = d + ck_range(c, 0, 5);
            size_t in = (size_t)(rows > 0 ? (rows - 1) * ld + d : 0);
            float *q = ck_floats(c, 0, in);
            float *qt = ck_floats(c, 1, (size_t)(d * w));
            ck_fill(c, q, in, (int)(d % CK_KINDS));
            c->k->tile_pack_q(q, ld, rows, d, 0.37f, w, qt);
            for (int64_t x = 0; x < d; x++)
                for (int64_t i = 0; i < w; i++)
                    ck_close(c, "packed", x, i, qt[x * w + i],
                             i < rows ? (double)(q[i * ld + x] * 0.37f) : 0.0, 0.0);
        }
    }
}

void check_tile_unpack_o(struct ck *c)
{
    for (int64_t w = c->k->lanes; w <= 64; w *= 2) {
        for (int64_t d = 1; d <= 2 * c->k->lanes + 1; d++) {
            int64_t rows = ck_range(c, 1, w);
            int64_t ld = d + ck_range(c, 0, 5);
            size_t out = (size_t)((rows - 1) * ld + d);
            float *ot = ck_floats(c, 0, (size_t)(d * w));
            float *f = ck_floats(c, 1, (size_t)rows);
            float *o = ck_floats(c, 2, out);
            ck_fill(c, ot, (size_t)(d * w), (int)(d % CK_KINDS));
            ck_fill(c, f, (size_t)rows, CK_RANDOM);
            for (size_t i = 0; i < out; i++)
                o[i] = -77.0f;
            c->k->tile_unpack_o(ot, w, rows, d, f, o, ld);
            for (int64_t i = 0; i < rows; i++)
                for (int64_t x = 0; x < ld && (size_t)(i * ld + x) < out; x++)
                    ck_close(c, "unpacked", i, x, o[i * ld + x],
                             x < d ? (double)(ot[x * w + i] * f[i]) : -77.0, 0.0);
        }
    }
}

void check_rows_finite(struct ck *c)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    for (int64_t rows = 1; rows <= 3; rows++) {
        for (int64_t n = 1; n <= 4 * c->k->lanes + 3; n++) {
            int64_t ld = n + ck_range(c, 0, 3);
            size_t all = (size_t)((rows - 1) * ld + n);
            float *o = ck_floats(c, 0, all);
            for (size_t i = 0; i < all; i++) /* what is between rows does not count */
                o[i] = (int64_t)i % ld < n ? (float)(i % 2 ? 3e38 : -1e-42) : NAN;
            ck_true(c, "finite", c->k->rows_finite(o, ld, rows, n));
            o[ck_range(c, 0, rows - 1) * ld + ck_range(c, 0, n - 1)] = bad[n % 3];
            ck_true(c, "not finite", !c->k->rows_finite(o, ld, rows, n));
        }
    }
    ck_true(c, "nothing is finite", c->k->rows_finite(NULL, 0, 0, 5));
}
