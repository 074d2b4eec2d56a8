/* SPDX-License-Identifier: MIT */
/* Checks of what happens to scores between product and softmax. */
#include "checkkern.h"

void check_vec_scale(struct ck *c)
{
    for (int64_t n = 0; n <= 4 * c->k->lanes + 1; n++) {
        for (int kind = 0; kind < CK_KINDS; kind++) {
            float *s = ck_floats(c, 0, (size_t)n), *was = ck_floats(c, 1, (size_t)n);
            ck_fill(c, was, (size_t)n, kind);
            memcpy(s, was, (size_t)n * sizeof *s);
            c->k->vec_scale(s, n, 1.7f);
            for (int64_t i = 0; i < n; i++)
                ck_close(c, "scaled", n, i, s[i], was[i] * 1.7f, 0.0);
        }
    }
}

void check_vec_softcap(struct ck *c)
{
    static const float caps[] = { 0.01f, 1.0f, 30.0f, 50.0f, 1e4f };
    for (int64_t n = 0; n <= 4 * c->k->lanes + 1; n++) {
        for (int kind = 0; kind < CK_KINDS; kind++) {
            for (size_t a = 0; a < sizeof caps / sizeof caps[0]; a++) {
                float cap = caps[a];
                float *s = ck_floats(c, 0, (size_t)n), *was = ck_floats(c, 1, (size_t)n);
                ck_fill(c, was, (size_t)n, kind);
                float spread = kind == CK_RANDOM ? cap * (float)pow(10, ck_range(c, -4, 1)) : 1.0f;
                for (int64_t i = 0; i < n; i++)
                    was[i] *= spread;
                memcpy(s, was, (size_t)n * sizeof *s);
                c->k->vec_softcap(s, n, cap);
                for (int64_t i = 0; i < n; i++) {
                    double want = cap * tanh((double)was[i] / cap);
                    ck_close(c, "capped", n, i, s[i], want, 5 * 0x1p-23 * fabs(want) + 1e-44 * cap);
                    ck_true(c, "beyond the cap", isnan(s[i]) || fabsf(s[i]) <= cap);
                }
            }
        }
    }
}

void check_tile_mask(struct ck *c)
{
    for (int64_t w = c->k->lanes; w <= 64; w += c->k->lanes) {
        int64_t nk = 11;
        size_t n = (size_t)(nk * w);
        float *st = ck_floats(c, 0, n), *was = ck_floats(c, 1, n);
        uint64_t *bits = ck_memory(c, 2, (size_t)nk, sizeof *bits);
        for (int kind = 0; kind < CK_KINDS; kind++) {
            ck_fill(c, was, n, kind);
            memcpy(st, was, n * sizeof *st);
            for (int64_t j = 0; j < nk; j++)
                bits[j] = j == 0 ? 0 : j == 1 ? UINT64_MAX : ck_u64(c) & ck_u64(c);
            if (w < 64)
                bits[2] = ((uint64_t)1 << w) - 1;
            c->k->tile_mask(st, nk, w, bits);
            for (int64_t j = 0; j < nk; j++)
                for (int64_t i = 0; i < w; i++)
                    ck_close(c, "masked", j, i, st[j * w + i],
                             bits[j] >> i & 1 ? was[j * w + i] : -INFINITY, 0.0);
        }
    }
}

void check_tile_alibi(struct ck *c)
{
    static const float dists[] = { 0.0f, 5.0f, -7.0f, 16000000.0f, -16000000.0f };
    for (int64_t w = c->k->lanes; w <= 64; w *= 2) {
        for (size_t a = 0; a < sizeof dists / sizeof dists[0]; a++) {
            int64_t nk = ck_range(c, 1, 40);
            size_t n = (size_t)(nk * w);
            float *st = ck_floats(c, 0, n), *was = ck_floats(c, 1, n);
            float *slope = ck_floats(c, 2, (size_t)w), *dist = ck_floats(c, 3, (size_t)w);
            ck_fill(c, was, n, (int)a);
            memcpy(st, was, n * sizeof *st);
            for (int64_t i = 0; i < w; i++) {
                slope[i] = fabsf(ck_float(c));
                dist[i] = dists[a] + (float)(i % 5);
            }
            c->k->tile_alibi(st, nk, w, slope, dist);
            for (int64_t j = 0; j < nk; j++) {
                for (int64_t i = 0; i < w; i++) {
                    double t = slope[i] * fabs((double)dist[i] - (double)j);
                    double tol = 0x1p-23 * (t + fabs(was[j * w + i]));
                    ck_close(c, "biased", j, i, st[j * w + i], was[j * w + i] - t, tol);
                }
            }
        }
    }
}

/* a row must also get the very bits that the same query gets in a tile */
void check_row_alibi(struct ck *c)
{
    for (int64_t n = 0; n <= 4 * c->k->lanes + 1; n++) {
        int64_t w = c->k->lanes;
        float dist0 = (float)ck_range(c, -50, 100000), slope = fabsf(ck_float(c));
        float *s = ck_floats(c, 0, (size_t)n), *was = ck_floats(c, 1, (size_t)n);
        float *st = ck_floats(c, 2, (size_t)(n * w)), *col = ck_floats(c, 3, (size_t)n);
        ck_fill(c, was, (size_t)n, CK_RANDOM);
        memcpy(s, was, (size_t)n * sizeof *s);
        ck_fill(c, st, (size_t)(n * w), CK_RANDOM);
        for (int64_t j = 0; j < n; j++)
            st[j * w] = was[j];
        c->k->row_alibi(s, n, slope, dist0);
        float slopes[64], dists[64];
        for (int64_t i = 0; i < w; i++) {
            slopes[i] = slope;
            dists[i] = dist0;
        }
        c->k->tile_alibi(st, n, w, slopes, dists);
        for (int64_t j = 0; j < n; j++) {
            double t = slope * fabs((double)dist0 - (double)j);
            ck_close(c, "biased", n, j, s[j], was[j] - t, 0x1p-23 * (t + fabs(was[j])));
            col[j] = st[j * w];
        }
        ck_same(c, "row and tile", s, col, (size_t)n, false);
    }
}

void check_tile_bias(struct ck *c)
{
    for (int64_t w = c->k->lanes; w <= 64; w += c->k->lanes) {
        for (int form = 0; form < 5; form++) {
            for (int64_t nk = 1; nk <= 2 * c->k->lanes + 1; nk += 1 + form) {
                int64_t rows = ck_range(c, 1, w);
                int64_t pad = ck_range(c, 0, 3);
                int64_t ldi = form == 0 ? nk + pad : form == 1 ? 0 : form == 2 ? 1
                            : form == 3 ? 2 * nk + pad : 0;
                int64_t ldj = form == 0 ? 1 : form == 1 ? 1 : form == 2 ? rows + pad
                            : form == 3 ? 2 : 0;
                size_t n = (size_t)(nk * w);
                size_t nb = (size_t)((rows - 1) * ldi + (nk - 1) * ldj + 1);
                float *st = ck_floats(c, 0, n), *was = ck_floats(c, 1, n);
                float *bias = ck_floats(c, 2, nb);
                ck_fill(c, bias, nb, (int)(nk % CK_KINDS));
                ck_fill(c, was, n, CK_RANDOM);
                memcpy(st, was, n * sizeof *st);
                c->k->tile_bias(st, nk, w, rows, bias, ldi, ldj);
                for (int64_t j = 0; j < nk; j++) {
                    for (int64_t i = 0; i < w; i++) {
                        float want = was[j * w + i];
                        if (i < rows)
                            want += bias[i * ldi + j * ldj];
                        ck_close(c, "biased", j, i, st[j * w + i], want, 0.0);
                    }
                }
            }
        }
    }
}
