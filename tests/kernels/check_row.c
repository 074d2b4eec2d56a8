/* SPDX-License-Identifier: MIT */
/*
 * Checks of the decoding kernels: right for every number of rows, keys and
 * columns, and the same bits for a row whatever rows and keys stand beside it.
 */
#include "checkkern.h"

enum type { F32, F16, BF16, CHAIN };

static const int64_t some_rows[] = { 1, 2, 3, 4, 5, 7, 8, 9, 32 };
static const int64_t some_keys[] = { 0, 1, 2, 3, 4, 5, 8, 11, 37, 70 };

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* memory of n elements in the type, filled; their values go to f */
static void *fill_typed(struct ck *c, enum type t, int slot, float *f, size_t n, int kind)
{
    ck_fill(c, f, n, t == F16 && kind == CK_HUGE ? CK_RANDOM : kind);
    if (t == F32 || t == CHAIN) {
        float *p = ck_floats(c, slot, n);
        memcpy(p, f, n * sizeof *p);
        return p;
    }
    uint16_t *p = ck_memory(c, slot, n, sizeof *p);
    if (t == F16) {
        c->ref->cvt_f32_f16(p, 0, f, 0, 1, (int64_t)n);
        c->ref->cvt_f16_f32(f, 0, p, 0, 1, (int64_t)n);
    } else {
        c->ref->cvt_f32_bf16(p, 0, f, 0, 1, (int64_t)n);
        c->ref->cvt_bf16_f32(f, 0, p, 0, 1, (int64_t)n);
    }
    return p;
}

static size_t extent(int64_t rows, int64_t ld, int64_t cols)
{
    return rows > 0 && cols > 0 ? (size_t)((rows - 1) * ld + cols) : 0;
}

static const void *at(enum type t, const void *p, int64_t i)
{
    return (const char *)p + i * (t == F32 || t == CHAIN ? 4 : 2);
}

static void run_qk(struct ck *c, enum type t, const void *k, int64_t ldk, int64_t nk, int64_t d,
                   const float *q, int64_t ldq, int64_t nr, float *s, int64_t lds)
{
    const struct attn__source source = ck_source(c, q);
    if (t == F32)
        c->k->row_qk_f32(k, ldk, nk, d, q, ldq, nr, s, lds, &source);
    else if (t == CHAIN)
        c->k->row_chain(k, ldk, nk, d, q, ldq, nr, s, lds, source.from);
    else
        (t == F16 ? c->k->row_qk_f16 : c->k->row_qk_bf16)(k, ldk, nk, d, q, ldq, nr, s, lds,
                                                          &source);
}

static void run_pv(struct ck *c, enum type t, const void *v, int64_t ldv, int64_t nk, int64_t dv,
                   const float *p, int64_t ldp, int64_t nr, float *o, int64_t ldo)
{
    const struct attn__source source = ck_source(c, p);
    if (t == F32)
        c->k->row_pv_f32(v, ldv, nk, dv, p, ldp, nr, o, ldo, &source);
    else
        (t == F16 ? c->k->row_pv_f16 : c->k->row_pv_bf16)(v, ldv, nk, dv, p, ldp, nr, o, ldo,
                                                          &source);
}

static void qk_case(struct ck *c, enum type t, int64_t nr, int64_t nk, int64_t d, int kind)
{
    int64_t ldk = d + ck_range(c, 0, 2), ldq = d + ck_range(c, 0, 2), lds = nk + 1;
    size_t n = extent(nk, ldk, d), nq = extent(nr, ldq, d), ns = extent(nr, lds, nk);
    float *f = ck_floats(c, 1, n), *q = ck_floats(c, 2, nq), *s = ck_floats(c, 3, ns);
    const void *k = fill_typed(c, t, 0, f, n, kind);
    ck_fill(c, q, nq, CK_RANDOM);
    for (size_t i = 0; i < ns; i++)
        s[i] = -77.0f;
    run_qk(c, t, k, ldk, nk, d, q, ldq, nr, s, lds);
    for (int64_t r = 0; r < nr; r++) {
        for (int64_t j = 0; j < nk; j++) {
            double sum = 0, mag = 0;
            for (int64_t x = 0; x < d; x++) {
                double y = (double)f[j * ldk + x] * q[r * ldq + x];
                sum += y;
                mag += fabs(y);
            }
            ck_close(c, "score", r, j, s[r * lds + j], sum,
                     (double)(d + 8) * 0x1p-24 * mag + 1e-42);
        }
        if (r + 1 < nr && nk > 0)
            ck_true(c, "wrote between rows", s[r * lds + nk] == -77.0f);
    }
    if (nk == 0 || nr == 0)
        return;

    /* alone, at another place in memory, and with fewer keys */
    int64_t r = ck_range(c, 0, nr - 1), j = ck_range(c, 0, nk - 1);
    float *q1 = ck_floats(c, 4, (size_t)d + 1), *s1 = ck_floats(c, 5, (size_t)(nk - j));
    memcpy(q1 + 1, q + r * ldq, (size_t)d * sizeof *q);
    run_qk(c, t, at(t, k, j * ldk), ldk, nk - j, d, q1 + 1, d, 1, s1, 1);
    ck_same(c, "row alone", s1, s + r * lds + j, (size_t)(nk - j), true);
}

/* the bits of tile_qk */
static void chain_case(struct ck *c, enum type t, int64_t nr, int64_t nk, int64_t d, int kind)
{
    int64_t w = (nr + c->k->lanes - 1) / c->k->lanes * c->k->lanes;
    qk_case(c, t, nr, nk, d, kind);
    float *k = ck_floats(c, 0, (size_t)(nk * d)), *q = ck_floats(c, 1, (size_t)(nr * d));
    float *s = ck_floats(c, 2, (size_t)(nr * nk)), *st = ck_floats(c, 3, (size_t)(w * nk));
    float *qt = ck_floats(c, 4, (size_t)(w * d));
    ck_fill(c, k, (size_t)(nk * d), kind);
    ck_fill(c, q, (size_t)(nr * d), CK_RANDOM);
    c->k->row_chain(k, d, nk, d, q, d, nr, s, nk, 0);
    c->k->tile_pack_q(q, d, nr, d, 1.0f, w, qt);
    c->k->tile_qk(k, d, nk, d, qt, w, st);
    for (int64_t r = 0; r < nr; r++)
        for (int64_t j = 0; j < nk; j++)
            ck_same(c, "score of a tile", &s[r * nk + j], &st[j * w + r], 1, true);
}

static void pv_case(struct ck *c, enum type t, int64_t nr, int64_t nk, int64_t dv, int kind)
{
    int64_t ldv = dv + ck_range(c, 0, 2), ldp = nk + ck_range(c, 0, 2), ldo = dv + 1;
    size_t n = extent(nk, ldv, dv), np = extent(nr, ldp, nk), no = extent(nr, ldo, dv);
    float *f = ck_floats(c, 1, n), *p = ck_floats(c, 2, np);
    float *o = ck_floats(c, 3, no), *was = ck_floats(c, 4, no);
    const void *v = fill_typed(c, t, 0, f, n, kind);
    ck_fill(c, p, np, CK_RANDOM);
    ck_fill(c, was, no, CK_RANDOM);
    memcpy(o, was, no * sizeof *o);
    run_pv(c, t, v, ldv, nk, dv, p, ldp, nr, o, ldo);
    for (int64_t r = 0; r < nr; r++) {
        for (int64_t x = 0; x < dv; x++) {
            double sum = was[r * ldo + x], mag = fabs(sum);
            for (int64_t j = 0; j < nk; j++) {
                double y = (double)f[j * ldv + x] * p[r * ldp + j];
                sum += y;
                mag += fabs(y);
            }
            ck_close(c, "output", r, x, o[r * ldo + x], sum,
                     (double)(nk + 2) * 0x1p-24 * mag + 1e-42);
        }
        if (r + 1 < nr && dv > 0)
            ck_true(c, "wrote between rows", o[r * ldo + dv] == was[r * ldo + dv]);
    }
    if (nr == 0 || dv == 0)
        return;

    /* alone, at another place in memory, and with the keys in two parts */
    int64_t r = ck_range(c, 0, nr - 1), part = ck_range(c, 0, nk);
    float *o1 = ck_floats(c, 5, (size_t)dv + 1);
    memcpy(o1, was + r * ldo, (size_t)dv * sizeof *o1);
    run_pv(c, t, v, ldv, part, dv, p + r * ldp, 0, 1, o1, 0);
    if (part < nk)
        run_pv(c, t, at(t, v, part * ldv), ldv, nk - part, dv, p + r * ldp + part, 0, 1, o1, 0);
    ck_same(c, "row alone", o1, o + r * ldo, (size_t)dv, true);
}

/* Keys in another order than in memory, some of them twice: the bits of the same
 * keys in a row. */
static void each_case(struct ck *c, enum type t, int64_t nr, int64_t nk, int64_t d, int kind)
{
    int64_t ld = d + ck_range(c, 0, 2), size = t == F32 ? 4 : 2;
    size_t n = extent(nk, ld, d), ns = (size_t)(nr * nk), no = (size_t)(nr * d);
    float *f = ck_floats(c, 1, n), *q = ck_floats(c, 2, (size_t)(nr * (d > nk ? d : nk)));
    float *s = ck_floats(c, 3, ns), *s1 = ck_floats(c, 4, ns);
    float *o = ck_floats(c, 5, no), *o1 = ck_floats(c, 6, no);
    const char *k = fill_typed(c, t, 0, f, n, kind), *each[512], *row;
    char *copy = ck_memory(c, 7, (size_t)(nk * d), (size_t)size);
    ck_fill(c, q, (size_t)(nr * (d > nk ? d : nk)), CK_RANDOM);
    for (int64_t j = 0; j < nk; j++) {
        each[j] = row = k + ck_range(c, 0, nk - 1) * ld * size;
        memcpy(copy + j * d * size, row, (size_t)(d * size));
    }
    const void *at = each, *ask = ck_range(c, 0, 1) ? each : NULL;
    run_qk(c, t, copy, d, nk, d, q, d, nr, s, nk);
    memset(o, 0, no * sizeof *o);
    memset(o1, 0, no * sizeof *o1);
    run_pv(c, t, copy, d, nk, d, q, nk, nr, o, d);
    if (t == F32) {
        c->k->row_qk_each_f32(at, nk, d, q, d, nr, s1, nk, ask);
        c->k->row_pv_each_f32(at, nk, d, q, nk, nr, o1, d, ask);
    } else if (t == F16) {
        c->k->row_qk_each_f16(at, nk, d, q, d, nr, s1, nk, ask);
        c->k->row_pv_each_f16(at, nk, d, q, nk, nr, o1, d, ask);
    } else {
        c->k->row_qk_each_bf16(at, nk, d, q, d, nr, s1, nk, ask);
        c->k->row_pv_each_bf16(at, nk, d, q, nk, nr, o1, d, ask);
    }
    ck_same(c, "scores of rows in a row", s1, s, ns, true);
    ck_same(c, "outputs of rows in a row", o1, o, no, true);
}

/* Four places in any order, and rows anywhere behind them: the bits of each place
 * by itself. */
static void places_case(struct ck *c, enum type t, int64_t nr, int64_t nk, int64_t d, int kind)
{
    int64_t ld = d + ck_range(c, 0, 2), apart = nk + ck_range(c, 0, 2), lds = 4 * apart;
    size_t n = extent(4 * nk, ld, d), ns = (size_t)(nr * lds);
    float *f = ck_floats(c, 1, n), *q = ck_floats(c, 2, (size_t)(nr * d));
    float *s = ck_floats(c, 3, ns), *s1 = ck_floats(c, 4, ns);
    const void *k = fill_typed(c, t, 0, f, n, kind), *place[4], *then[4];
    const void *in = place, *behind = then;
    if (d == 0 || nr > 4)
        return;
    ck_fill(c, q, (size_t)(nr * d), CK_RANDOM);
    for (int64_t i = 0, first = ck_range(c, 0, 3); i < 4; i++) {
        place[i] = at(t, k, (first + i) % 4 * nk * ld);
        then[i] = ck_range(c, 0, 1) ? place[i] : q;
    }
    for (size_t i = 0; i < ns; i++)
        s[i] = s1[i] = -77.0f;
    for (int i = 0; i < 4; i++)
        run_qk(c, t, place[i], ld, nk, d, q, d, nr, s + i * apart, lds);
    if (t == F32)
        c->k->row_qk_places_f32(in, behind, ld, nk, d, q, d, nr, s1, lds, apart);
    else
        (t == F16 ? c->k->row_qk_places_f16 : c->k->row_qk_places_bf16)(in, behind, ld, nk, d, q,
                                                                       d, nr, s1, lds, apart);
    ck_same(c, "scores of places", s1, s, ns, true);
}

static void turns_case(struct ck *c, enum type t, int64_t nr, int64_t nk, int64_t dv, int kind)
{
    int64_t ld = dv + ck_range(c, 0, 2), apart = nk + ck_range(c, 0, 2), part = nr * dv + 3;
    size_t n = extent(4 * nk, ld, dv), no = (size_t)(4 * part), np = (size_t)(nr * 4 * apart);
    float *f = ck_floats(c, 1, n), *p = ck_floats(c, 2, np);
    float *o = ck_floats(c, 3, no), *o1 = ck_floats(c, 4, no);
    const void *v = fill_typed(c, t, 0, f, n, kind), *place[4], *then[4];
    const void *in = place, *behind = then;
    ck_fill(c, p, np, CK_RANDOM);
    ck_fill(c, o, no, CK_RANDOM);
    memcpy(o1, o, no * sizeof *o);
    for (int64_t i = 0, first = ck_range(c, 0, 3); i < 4; i++) {
        place[i] = at(t, v, (first + i) % 4 * nk * ld);
        then[i] = ck_range(c, 0, 1) ? place[i] : p;
    }
    for (int i = 0; i < 4; i++)
        run_pv(c, t, place[i], ld, nk, dv, p + i * apart, 4 * apart, nr, o + i * part, dv);
    if (t == F32)
        c->k->row_pv_turns_f32(in, behind, ld, nk, dv, p, apart, 4 * apart, nr, o1, dv, part);
    else
        (t == F16 ? c->k->row_pv_turns_f16 : c->k->row_pv_turns_bf16)(
            in, behind, ld, nk, dv, p, apart, 4 * apart, nr, o1, dv, part);
    ck_same(c, "outputs of places", o1, o, no, true);
}

static void check_turns(struct ck *c, enum type t)
{
    int n = 0;
    for (int64_t nr = 1; nr <= 2; nr++)
        for (int64_t nk = 0; nk <= 13; nk++)
            for (int64_t dv = 64; dv <= 128; dv += 64)
                turns_case(c, t, nr, nk, dv, n++ % CK_KINDS);
}

static void check_rows(struct ck *c, enum type t,
                       void (*run)(struct ck *, enum type, int64_t, int64_t, int64_t, int))
{
    int64_t l = c->k->lanes;
    const int64_t cols[] = { 1, 2, 3, l - 1, l, l + 1, 2 * l + 1, 4 * l, 8 * l, 64, 80,
                             13 * l + 3 };
    int n = 0;
    for (size_t i = 0; i < COUNT(some_rows); i++)
        for (size_t j = 0; j < COUNT(some_keys); j++)
            for (size_t x = 0; x < COUNT(cols); x++)
                run(c, t, some_rows[i], some_keys[j], cols[x], n++ % CK_KINDS);
    run(c, t, 3, 5, 0, CK_RANDOM);
    run(c, t, 5, 300, 2 * l, CK_RANDOM);
}

void check_row_qk_f32(struct ck *c) { check_rows(c, F32, qk_case); }
void check_row_qk_f16(struct ck *c) { check_rows(c, F16, qk_case); }
void check_row_qk_bf16(struct ck *c) { check_rows(c, BF16, qk_case); }
void check_row_pv_f32(struct ck *c) { check_rows(c, F32, pv_case); }
void check_row_pv_f16(struct ck *c) { check_rows(c, F16, pv_case); }
void check_row_pv_bf16(struct ck *c) { check_rows(c, BF16, pv_case); }
void check_row_qk_each_f32(struct ck *c) { check_rows(c, F32, each_case); }
void check_row_qk_each_f16(struct ck *c) { check_rows(c, F16, each_case); }
void check_row_qk_each_bf16(struct ck *c) { check_rows(c, BF16, each_case); }
void check_row_pv_each_f32(struct ck *c) { check_rows(c, F32, each_case); }
void check_row_pv_each_f16(struct ck *c) { check_rows(c, F16, each_case); }
void check_row_pv_each_bf16(struct ck *c) { check_rows(c, BF16, each_case); }
void check_row_qk_places_f32(struct ck *c) { check_rows(c, F32, places_case); }
void check_row_qk_places_f16(struct ck *c) { check_rows(c, F16, places_case); }
void check_row_qk_places_bf16(struct ck *c) { check_rows(c, BF16, places_case); }
void check_row_pv_turns_f32(struct ck *c) { check_turns(c, F32); }
void check_row_pv_turns_f16(struct ck *c) { check_turns(c, F16); }
void check_row_pv_turns_bf16(struct ck *c) { check_turns(c, BF16); }
void check_row_chain(struct ck *c) { check_rows(c, CHAIN, chain_case); }
