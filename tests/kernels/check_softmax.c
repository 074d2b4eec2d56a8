/* SPDX-License-Identifier: MIT */
/* Checks of the tile and row softmax, and of the exponential inside. */
#include "checkkern.h"

/* one unit in the last place of the float nearest to x */
static double ulp(double x)
{
    int e;
    frexp(x, &e);
    return ldexp(1.0, (e < -125 ? -125 : e) - 24);
}

static void softmax_case(struct ck *c, int64_t nk, int64_t w, int64_t dv, int kind, int stage)
{
    size_t n = (size_t)(nk * w), no = (size_t)(dv * w);
    float *st = ck_floats(c, 0, n), *was = ck_floats(c, 1, n);
    float *m = ck_floats(c, 2, (size_t)w), *l = ck_floats(c, 3, (size_t)w);
    float *ot = ck_floats(c, 4, no), *ot0 = ck_floats(c, 5, no);
    ck_fill(c, was, n, kind);
    if (kind == CK_HUGE || kind == CK_RANDOM)
        for (size_t i = 0; i < n; i++)
            was[i] = kind == CK_HUGE ? ck_float(c) * 1000.0f : was[i] * 20.0f;
    for (int64_t i = 0; i < w; i++) /* some queries see nothing */
        if (i % 5 == 3)
            for (int64_t j = 0; j < nk; j++)
                was[j * w + i] = -INFINITY;
    memcpy(st, was, n * sizeof *st);

    float m0[64], l0[64];
    for (int64_t i = 0; i < w; i++) {
        bool fresh = stage == 0 || (stage == 1 && i % 2);
        m0[i] = fresh ? -INFINITY : stage == 3 ? 1e6f : 10.0f * ck_float(c);
        l0[i] = fresh ? 0.0f : 1.0f + fabsf(ck_float(c));
        for (int64_t x = 0; x < dv; x++)
            ot0[x * w + i] = fresh ? 0.0f : ck_float(c);
        m[i] = m0[i];
        l[i] = l0[i];
    }
    memcpy(ot, ot0, no * sizeof *ot);
    c->k->tile_softmax(st, nk, w, m, l, ot, dv);

    for (int64_t i = 0; i < w; i++) {
        float top = m0[i];
        for (int64_t j = 0; j < nk; j++)
            top = was[j * w + i] > top ? was[j * w + i] : top;
        ck_close(c, "max", i, 0, m[i], top, 0.0);
        double f = top == m0[i] ? 1.0 : exp2((double)(m0[i] - top));
        f = f < 0x1p-126 ? 0.0 : f;
        double sum = l0[i] * f;
        for (int64_t j = 0; j < nk; j++) {
            float x = was[j * w + i] - (isinf(top) ? 0.0f : top);
            double p = x < -126.0f ? 0.0 : exp2(x);
            sum += p;
            ck_close(c, "weight", j, i, st[j * w + i], p, p == 0.0 ? 0.0 : 2.0 * ulp(p));
        }
        ck_close(c, "sum", i, 0, l[i], sum, (double)(nk + 8) * 0x1p-24 * sum);
        for (int64_t x = 0; x < dv; x++) {
            double o = ot0[x * w + i] * f;
            ck_close(c, "rescaled output", x, i, ot[x * w + i], o, 4 * 0x1p-23 * fabs(o) + 1e-44);
        }
    }
}

void check_tile_softmax(struct ck *c)
{
    static const int64_t keys[] = { 0, 1, 2, 3, 4, 5, 7, 8, 13, 64 };
    for (int64_t w = c->k->lanes; w <= 64; w *= 2)
        for (int kind = 0; kind < CK_KINDS; kind++)
            for (int stage = 0; stage < 4; stage++)
                for (size_t a = 0; a < sizeof keys / sizeof keys[0]; a++)
                    softmax_case(c, keys[a], w, ck_range(c, 0, 9), kind, stage);

    /* +inf may spoil its own query only */
    int64_t w = 2 * c->k->lanes;
    float st[64], m[64], l[64], ot[64];
    for (int64_t i = 0; i < w; i++) {
        st[i] = i == 1 ? INFINITY : 3.0f;
        m[i] = -INFINITY;
        l[i] = ot[i] = 0.0f;
    }
    c->k->tile_softmax(st, 1, w, m, l, ot, 1);
    for (int64_t i = 0; i < w; i++)
        if (i != 1)
            ck_close(c, "next to +inf", i, 0, st[i] + l[i], 2.0, 0.0);
}

/* A row is a tile of one query: the same bits. */
static void row_softmax_case(struct ck *c, int64_t n, int kind, int stage)
{
    int64_t w = c->k->lanes, x = ck_range(c, 0, w - 1);
    float *s = ck_floats(c, 0, (size_t)n), *was = ck_floats(c, 1, (size_t)n);
    float *st = ck_floats(c, 2, (size_t)(n * w)), *m = ck_floats(c, 3, (size_t)w);
    float *l = ck_floats(c, 4, (size_t)w), *ot = ck_floats(c, 5, (size_t)w);
    ck_fill(c, was, (size_t)n, kind);
    for (int64_t j = 0; j < n; j++)
        was[j] = stage == 2 ? -INFINITY : was[j] * (kind == CK_HUGE ? 1e-13f : 20.0f);
    memcpy(s, was, (size_t)n * sizeof *s);
    for (int64_t i = 0; i < w; i++) {
        m[i] = stage == 0 ? -INFINITY : 10.0f * ck_float(c);
        l[i] = stage == 0 ? 0.0f : 1.0f + fabsf(ck_float(c));
        ot[i] = 1.0f;
        for (int64_t j = 0; j < n; j++)
            st[j * w + i] = i == x ? was[j] : 30.0f * ck_float(c);
    }
    float rm = m[x], rl = l[x], f = c->k->row_softmax(s, n, &rm, &rl);
    bool fresh = stage == 0;
    c->k->tile_softmax(st, n, w, m, l, ot, 1);
    for (int64_t j = 0; j < n; j++)
        ck_same(c, "weight", &s[j], &st[j * w + x], 1, true);
    ck_same(c, "max", &rm, &m[x], 1, true);
    ck_same(c, "sum", &rl, &l[x], 1, true);
    if (!fresh)
        ck_same(c, "factor", &f, &ot[x], 1, true);
    else
        ck_close(c, "first factor", n, kind, f, 1.0, 0.0);

    /* hidden keys behind, and whole groups of lanes in front, change nothing */
    int64_t more = ck_range(c, 0, 9), front = w * ck_range(c, 0, 2);
    float *s2 = ck_floats(c, 6, (size_t)(front + n + more));
    for (int64_t j = 0; j < front + n + more; j++)
        s2[j] = j >= front && j < front + n ? was[j - front] : -INFINITY;
    float m2 = stage == 0 ? -INFINITY : 3.0f, l2 = stage == 0 ? 0.0f : 1.5f, m1 = m2, l1 = l2;
    memcpy(s, was, (size_t)n * sizeof *s);
    c->k->row_softmax(s, n, &m1, &l1);
    c->k->row_softmax(s2, front + n + more, &m2, &l2);
    ck_same(c, "sum among hidden keys", &l2, &l1, 1, true);
    ck_same(c, "max among hidden keys", &m2, &m1, 1, true);
}

void check_row_softmax(struct ck *c)
{
    for (int64_t n = 0; n <= 5 * c->k->lanes + 1; n++)
        for (int kind = 0; kind < CK_KINDS; kind++)
            for (int stage = 0; stage < 3; stage++)
                row_softmax_case(c, n, kind, stage);
    row_softmax_case(c, 128, CK_RANDOM, 0);
}

/* Scores of four, n each, `apart` from each other, of which some see nothing. */
static float *four_scores(struct ck *c, int64_t n, int64_t apart, int kind, int hidden)
{
    size_t all = (size_t)(3 * apart + n);
    float *s = ck_floats(c, 0, all);
    ck_fill(c, s, all, kind);
    for (int64_t j = 0; j < 3 * apart + n; j++)
        s[j] = hidden >> (j / apart) & 1 ? -INFINITY : s[j] * (kind == CK_HUGE ? 1e-13f : 20.0f);
    return s;
}

/* Four at a time: the bits of one after the other. */
static void softmax_four_case(struct ck *c, bool blocks, int kind, int stage)
{
    int64_t n = c->k->lanes * ck_range(c, 1, 9), apart = blocks ? n : n + ck_range(c, 0, 20);
    size_t all = (size_t)(3 * apart + n);
    float *s = four_scores(c, n, apart, kind, stage), *one = ck_floats(c, 1, all);
    float m[4], l[4], f[4], m1[4], l1[4];
    memcpy(one, s, all * sizeof *s);
    for (int i = 0; i < 4; i++) {
        m[i] = m1[i] = stage % 2 ? 10.0f * ck_float(c) : -INFINITY;
        l[i] = l1[i] = stage % 2 ? 1.5f : 0.0f;
    }
    if (blocks)
        c->k->row_softmax_blocks4(s, n, m1[0], &l[0], m, f);
    else
        c->k->row_softmax_rows4(s, apart, n, m, l, f);
    for (int i = 0; i < 4; i++) {
        int at = blocks ? 0 : i;
        float f1 = c->k->row_softmax(one + i * apart, n, &m1[at], &l1[at]);
        ck_same(c, "factor of four", &f[i], &f1, 1, true);
        ck_same(c, "max of four", &m[i], &m1[at], 1, true);
        if (!blocks || i == 3)
            ck_same(c, "sum of four", &l[at], &l1[at], 1, true);
    }
    ck_same(c, "weight of four", s, one, all, true);
}

void check_row_softmax_rows4(struct ck *c)
{
    for (int kind = 0; kind < CK_KINDS; kind++)
        for (int stage = 0; stage < 16; stage++)
            softmax_four_case(c, false, kind, stage);
}

void check_row_softmax_blocks4(struct ck *c)
{
    for (int kind = 0; kind < CK_KINDS; kind++)
        for (int stage = 0; stage < 16; stage++)
            softmax_four_case(c, true, kind, stage);
}

void check_row_max(struct ck *c)
{
    for (int64_t n = 0; n <= 5 * c->k->lanes + 1; n++) {
        for (int kind = 0; kind < CK_KINDS; kind++) {
            float *s = ck_floats(c, 0, (size_t)n);
            ck_fill(c, s, (size_t)n, kind);
            double top = -INFINITY;
            for (int64_t j = 0; j < n; j++)
                top = isnan(s[j]) || isnan(top) ? NAN : s[j] > top ? s[j] : top;
            ck_close(c, "max", n, kind, c->k->row_max(s, n), top, 0.0);
        }
    }
}

void check_row_exp2(struct ck *c)
{
    for (int64_t n = 0; n <= 5 * c->k->lanes + 1; n++) {
        for (int kind = 0; kind < CK_KINDS; kind++) {
            float *s = ck_floats(c, 0, (size_t)n), *was = ck_floats(c, 1, (size_t)n);
            ck_fill(c, was, (size_t)n, kind);
            float m = 1.0f;
            for (int64_t j = 0; j < n; j++) {
                was[j] *= kind == CK_HUGE ? 1e-13f : 40.0f;
                m = was[j] > m ? was[j] : m;
            }
            memcpy(s, was, (size_t)n * sizeof *s);
            float got = c->k->row_exp2(s, n, m);
            double sum = 0;
            for (int64_t j = 0; j < n; j++) {
                float x = was[j] - m;
                double p = x < -126.0f ? 0.0 : exp2(x);
                sum += p;
                ck_close(c, "weight", n, j, s[j], p, p == 0.0 ? 0.0 : 2.0 * ulp(p));
            }
            ck_close(c, "sum", n, kind, got, sum, (double)(n + 4) * 0x1p-24 * sum);
        }
    }

    /* the exponential over its whole range, every 1/4096 and at random */
    enum { BLOCK = 4096 };
    float *s = ck_floats(c, 0, BLOCK);
    double worst = 0;
    for (int b = 0; b < 260; b++) {
        float x[BLOCK];
        for (int j = 0; j < BLOCK; j++)
            x[j] = b < 130 ? (float)-b - (float)j / BLOCK
                 : b < 250 ? -64.0f + 64.0f * ck_float(c) : -0.5f + 0.5f * ck_float(c);
        memcpy(s, x, sizeof x);
        c->k->row_exp2(s, BLOCK, 0.0f);
        for (int j = 0; j < BLOCK; j++) {
            double p = x[j] < -126.0f ? 0.0 : exp2(x[j]);
            double e = fabs(s[j] - p) / ulp(p);
            worst = e > worst ? e : worst;
        }
    }
    ck_close(c, "worst error of 2^x in ulp", 0, 0, (float)worst, 0.0, 2.0);
}
