/* SPDX-License-Identifier: MIT */
/*
 * Checks of the tile kernels that multiply pairs of bf16. Factors are exact
 * bf16, so products are exact in double; every addition of a sum rounds to
 * f32, at most two per pair however they are ordered, and hardware takes
 * denormal numbers for 0.
 */
#include "checkkern.h"

#include "base/dtype.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static float value(uint32_t pair, int second)
{
    return attn__bf16_to_f32((uint16_t)(second ? pair >> 16 : pair));
}

static uint16_t *numbers(struct ck *c, int slot, size_t n, int kind)
{
    uint16_t *p = ck_memory(c, slot, n, sizeof *p);
    for (size_t i = 0; i < n; i++) {
        float x = ck_float(c);
        p[i] = attn__f32_to_bf16(kind == CK_EQUAL ? 0.75f : kind == CK_HUGE ? x * 1e16f : x);
    }
    if (n > 0 && kind == CK_NAN)
        p[ck_u64(c) % n] = 0x7fc1;
    return p;
}

static uint32_t *pairs_of(struct ck *c, int slot, size_t n, int kind)
{
    uint32_t *p = ck_memory(c, slot, n, sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = attn__f32_to_bf16(ck_float(c)) | (uint32_t)attn__f32_to_bf16(ck_float(c)) << 16;
    if (n > 0 && kind == CK_NAN)
        p[ck_u64(c) % n] |= 0x7fc10000;
    return p;
}

static double tolerance(int64_t pairs, double size)
{
    return (double)(2 * pairs + 3) * 0x1p-24 * size + 1e-37;
}

static void qk_case(struct ck *c, int64_t nk, int64_t pairs, int64_t w, int64_t pad, int kind)
{
    int64_t ldk = 2 * pairs + pad;
    uint16_t *k = numbers(c, 0, (size_t)(nk > 0 ? (nk - 1) * ldk + 2 * pairs : 0), kind);
    uint32_t *qt = pairs_of(c, 1, (size_t)(pairs * w), CK_RANDOM);
    float *st = ck_floats(c, 2, (size_t)(nk * w));
    c->k->tile_qk_bf16(k, ldk, nk, pairs, qt, w, 0.37f, st);
    for (int64_t j = 0; j < nk; j++) {
        for (int64_t i = 0; i < w; i++) {
            double sum = 0, size = 0;
            for (int64_t x = 0; x < 2 * pairs; x++) {
                double t = (double)attn__bf16_to_f32(k[j * ldk + x]) *
                           value(qt[x / 2 * w + i], x % 2) * 0.37f;
                sum += t;
                size += fabs(t);
            }
            ck_close(c, "score", j, i, st[j * w + i], sum, tolerance(pairs, size));
        }
    }
}

void check_tile_qk_bf16(struct ck *c)
{
    static const int64_t rows[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 21 };
    static const int64_t depth[] = { 0, 1, 2, 5, 16, 32 };
    int n = 0;
    for (int64_t w = c->k->lanes; w <= 64; w += c->k->lanes)
        for (size_t a = 0; a < COUNT(rows); a++)
            for (size_t b = 0; b < COUNT(depth); b++, n++)
                qk_case(c, rows[a], depth[b], w, n % 2 * 3,
                        n % 3 == 0 ? CK_HUGE : n % 5 == 0 ? CK_NAN : CK_RANDOM);
}

static void pv_case(struct ck *c, int64_t pairs, int64_t dv, int64_t w, int kind)
{
    uint32_t *vt = pairs_of(c, 0, (size_t)(pairs * dv), kind);
    uint32_t *pt = pairs_of(c, 1, (size_t)(pairs * w), CK_RANDOM);
    float *ot = ck_floats(c, 2, (size_t)(dv * w)), *was = ck_floats(c, 3, (size_t)(dv * w));
    ck_fill(c, was, (size_t)(dv * w), CK_RANDOM);
    memcpy(ot, was, (size_t)(dv * w) * sizeof *ot);
    c->k->tile_pv_bf16(vt, pairs, dv, pt, w, ot);
    for (int64_t x = 0; x < dv; x++) {
        for (int64_t i = 0; i < w; i++) {
            double sum = was[x * w + i], size = fabs(sum);
            for (int64_t j = 0; j < 2 * pairs; j++) {
                double t = (double)value(vt[j / 2 * dv + x], j % 2) *
                           value(pt[j / 2 * w + i], j % 2);
                sum += t;
                size += fabs(t);
            }
            ck_close(c, "output", x, i, ot[x * w + i], sum, tolerance(pairs, size));
        }
    }
}

void check_tile_pv_bf16(struct ck *c)
{
    static const int64_t rows[] = { 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 21 };
    static const int64_t depth[] = { 0, 1, 2, 5, 16, 32 };
    int n = 0;
    for (int64_t w = c->k->lanes; w <= 64; w += c->k->lanes)
        for (size_t a = 0; a < COUNT(rows); a++)
            for (size_t b = 0; b < COUNT(depth); b++, n++)
                pv_case(c, depth[b], rows[a], w, n % 5 == 0 ? CK_NAN : CK_RANDOM);
}

/* Against the f32 softmax of the same instruction set: its weights rounded. */
static void softmax_case(struct ck *c, int64_t nk, int64_t w, int64_t dv, int kind)
{
    size_t n = (size_t)(nk * w), no = (size_t)(dv * w);
    float *st = ck_floats(c, 0, n), *weights = ck_floats(c, 1, n);
    float *m = ck_floats(c, 2, (size_t)w), *l = ck_floats(c, 3, (size_t)w);
    float *ot = ck_floats(c, 4, no), *ot0 = ck_floats(c, 5, no);
    float m0[64], l0[64], was[64];
    uint32_t *pt = ck_memory(c, 6, (size_t)((nk + 1) / 2 * w), sizeof *pt);
    ck_fill(c, st, n, kind);
    for (size_t i = 0; kind == CK_RANDOM && i < n; i++)
        st[i] *= 20.0f;
    for (int64_t i = 0; i < w; i++) {
        if (i % 5 == 3) /* sees nothing */
            for (int64_t j = 0; j < nk; j++)
                st[j * w + i] = -INFINITY;
        m[i] = m0[i] = i % 2 ? -INFINITY : 10.0f * ck_float(c);
        was[i] = l[i] = l0[i] = i % 2 ? 0.0f : 1.5f;
    }
    ck_fill(c, ot, no, CK_RANDOM);
    memcpy(ot0, ot, no * sizeof *ot);
    memcpy(weights, st, n * sizeof *st);
    c->k->tile_softmax_bf16(st, nk, w, m, l, ot, dv, pt);
    bool inherited = c->k->tile_softmax_bf16 == c->ref->tile_softmax_bf16;
    (inherited ? c->ref : c->k)->tile_softmax(weights, nk, w, m0, l0, ot0, dv);
    ck_same(c, "max", m, m0, (size_t)w, true);
    ck_same(c, "rescaled output", ot, ot0, no, true);
    for (int64_t i = 0; i < w; i++) {
        double sum = l0[i];
        for (int64_t j = 0; j < nk + nk % 2; j++) {
            float p = j < nk ? weights[j * w + i] : 0, got = value(pt[j / 2 * w + i], j % 2);
            ck_close(c, "weight", j, i, got, p, (double)p * 0x1p-8);
            sum += (double)got - p;
        }
        /* the sum of what was rounded, with what the f32 sum may err */
        ck_close(c, "sum", i, 0, l[i], sum, (double)(2 * nk + 16) * 0x1p-24 * (sum + was[i]));
    }
}

void check_tile_softmax_bf16(struct ck *c)
{
    static const int kinds[] = { CK_RANDOM, CK_EQUAL, CK_NAN, CK_MINUS_INF };
    static const int64_t keys[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 13, 64 };
    for (int64_t w = c->k->lanes; w <= 64; w *= 2)
        for (size_t kind = 0; kind < COUNT(kinds); kind++)
            for (size_t a = 0; a < COUNT(keys); a++)
                softmax_case(c, keys[a], w, ck_range(c, 0, 9), kinds[kind]);
}

void check_tile_pack_q_bf16(struct ck *c)
{
    for (int64_t w = c->k->lanes; w <= 64; w *= 2) {
        for (int64_t d = 1; d <= 2 * c->k->lanes + 3; d++) {
            int64_t rows = ck_range(c, 0, w), ld = d + ck_range(c, 0, 5), half = (d + 1) / 2;
            size_t in = (size_t)(rows > 0 ? (rows - 1) * ld + d : 0);
            float *q = ck_floats(c, 0, in);
            uint32_t *qt = ck_memory(c, 1, (size_t)(half * w), sizeof *qt);
            ck_fill(c, q, in, d % 3 ? CK_RANDOM : CK_NAN);
            c->k->tile_pack_q_bf16(q, ld, rows, d, w, qt);
            for (int64_t x = 0; x < 2 * half; x++)
                for (int64_t i = 0; i < w; i++) {
                    float f = i < rows && x < d ? q[i * ld + x] : 0;
                    ck_close(c, "packed", x, i, value(qt[x / 2 * w + i], x % 2),
                             attn__bf16_to_f32(attn__f32_to_bf16(f)), 0);
                }
        }
    }
}

void check_pack_v_bf16(struct ck *c)
{
    for (int64_t nk = 0; nk <= 9; nk++) {
        for (int64_t dv = 1; dv <= 2 * c->k->lanes + 3; dv++) {
            int64_t ld = dv + ck_range(c, 0, 5), half = (nk + 1) / 2;
            uint16_t *v = numbers(c, 0, (size_t)(nk > 0 ? (nk - 1) * ld + dv : 0), CK_NAN);
            uint32_t *vt = ck_memory(c, 1, (size_t)(half * dv), sizeof *vt);
            c->k->pack_v_bf16(v, ld, nk, dv, vt);
            bool same = true;
            for (int64_t j = 0; j < 2 * half; j++)
                for (int64_t x = 0; x < dv; x++)
                    same &= (uint16_t)(vt[j / 2 * dv + x] >> j % 2 * 16) ==
                            (j < nk ? v[j * ld + x] : 0);
            ck_true(c, "the numbers are where they belong", same);
        }
    }
}
