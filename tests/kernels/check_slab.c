/* SPDX-License-Identifier: MIT */
/*
 * Checks of rows in slabs: products with blocks of random bytes, put into slabs,
 * against sums in double of what they are by themselves. The bound is that of
 * queries with 31 bits of the largest of 32 channels, weights with 24 bits of the
 * largest one of a call or of 1/65200 of it. A row has the same bits whatever stands
 * beside it and wherever its keys lie.
 */
#include "checkkern.h"

#include <attn/tensor.h>

#include "../oracle/stored_types.h"
#include "base/slab.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { SLABS = 3, ROWS = 32 * SLABS, MOST_D = 160, MOST_ROWS = 5 };

/* A page of slabs of random rows, and these as numbers. */
struct page {
    int32_t type, stored;
    int64_t d, row; /* bytes of a row */
    uint8_t *slabs;
    float *x; /* [ROWS][d] */
};

static struct page make_page(struct ck *c, int32_t type, bool values, int64_t d)
{
    struct page p = {.type = type, .stored = attn__dtype_in_slabs(type, values), .d = d,
                     .row = stored_bytes(type, d)};
    p.slabs = ck_memory(c, 0, (size_t)(ROWS * p.row), 1);
    p.x = ck_floats(c, 1, (size_t)(ROWS * d));
    for (int64_t i = 0; i < ROWS * p.row; i++)
        p.slabs[i] = (uint8_t)ck_u64(c);
    for (int64_t n = 0; n < ROWS; n++)
        for (int64_t b = 0; b < d / 32; b++) {
            uint8_t block[ATTN__SLAB_BLOCK_MAX], again[ATTN__SLAB_BLOCK_MAX];
            int64_t bytes = stored_bytes(type, 32);
            uint8_t *at = p.slabs + attn__dtype_row_at(p.stored, p.row, n) +
                          attn__dtype_channel_at(p.stored, 32 * b);
            for (int64_t i = 0; i < bytes; i++)
                block[i] = (uint8_t)(i == 1 ? ck_range(c, 0x28, 0x3c) : (int64_t)(ck_u64(c) & 255));
            attn__slab_put(p.stored, at, block);
            attn__slab_get(p.stored, at, again);
            ck_true(c, "block from a slab", memcmp(block, again, (size_t)bytes) == 0);
            stored_decode(type, block, 32, 1, p.x + n * d + 32 * b);
            for (int64_t e = 0; e < 32; e++)
                ck_close(c, "number in a slab", n, e, p.x[n * d + 32 * b + e],
                         attn__load_f64(at, e, p.stored), 0);
        }
    return p;
}

/* ---- keys */

struct queries {
    int64_t rows, d;
    float *x; /* [rows][d] as they are multiplied */
    struct attn__slab_query *slab;
    bool int8;
};

/* Some rows have a channel far larger than the others, some are codes. */
static struct queries make_queries(struct ck *c, int64_t rows, int64_t d, bool int8)
{
    struct queries q = {rows, d, ck_floats(c, 2, (size_t)(rows * d)),
                        ck_memory(c, 3, (size_t)(rows * d / 32), sizeof *q.slab), int8};
    for (int64_t r = 0; r < rows; r++) {
        float *x = q.x + r * d, factor[MOST_D / 32 + 4];
        int8_t code[MOST_D];
        ck_fill(c, x, (size_t)d, CK_RANDOM);
        if (r % 3 == 1)
            x[ck_range(c, 0, d - 1)] *= 1e4f;
        if (int8)
            c->ref->row_codes_int8(x, 1, d, code, factor, d / 32);
        c->k->slab_query(x, d, int8 ? code : NULL, factor, q.slab + r * d / 32);
        for (int64_t i = 0; i < d && int8; i++)
            x[i] = code[i] * factor[i / 32];
    }
    return q;
}

static attn__row_qk_slab_q8_0_fn *qk_of(const struct ck *c, int32_t type)
{
    return type == ATTN_DTYPE_Q8_0 ? c->k->row_qk_slab_q8_0 : c->k->row_qk_slab_q4_0;
}

static void qk_case(struct ck *c, int32_t type, int64_t d, int64_t rows, bool int8)
{
    const struct page p = make_page(c, type, false, d);
    const struct queries q = make_queries(c, rows, d, int8);
    const int64_t first = ck_range(c, 0, 31), nk = ck_range(c, 0, ROWS - first), lds = nk + 1;
    float *s = ck_floats(c, 4, (size_t)((rows - 1) * lds + nk)), alone[ROWS];
    const struct attn__source source = ck_source(c, p.slabs);
    for (int64_t i = 0; i < (rows - 1) * lds + nk; i++)
        s[i] = -77;
    qk_of(c, type)(p.slabs, first, nk, d, q.slab, int8, rows, s, lds, &source);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t j = 0; j < nk; j++) {
            const float *k = p.x + (first + j) * d, *x = q.x + r * d;
            double sum = 0, off = 1e-30;
            for (int64_t b = 0; b < d; b += 32) {
                double most = 0, size = 0, mag = 0;
                for (int64_t i = b; i < b + 32; i++) {
                    sum += (double)k[i] * (double)x[i];
                    mag += fabs((double)k[i] * (double)x[i]);
                    size += fabs((double)k[i]);
                    most = fmax(most, fabs((double)x[i]));
                }
                off += 0x1p-31 * most * size + 0x1p-24 * (double)(d / 32 + 8) * mag;
            }
            ck_close(c, "score", r, j, s[r * lds + j], sum, off);
        }
        if (r + 1 < rows)
            ck_true(c, "wrote between rows", s[r * lds + nk] == -77);
    }
    if (nk == 0)
        return;
    const int64_t r = ck_range(c, 0, rows - 1), j = ck_range(c, 0, nk - 1), at = first + j;
    qk_of(c, type)(p.slabs + at / 32 * 32 * p.row, at % 32, 1, d, q.slab + r * d / 32, int8, 1,
                   alone, 1, NULL);
    ck_same(c, "a row and key alone", alone, s + r * lds + j, 1, false);
}

static void check_qk(struct ck *c, int32_t type)
{
    for (int64_t d = 32; d <= MOST_D; d += 64)
        for (int64_t rows = 1; rows <= MOST_ROWS; rows++)
            for (int int8 = 0; int8 < 2; int8++)
                qk_case(c, type, d, rows, int8);
}

void check_row_qk_slab_q8_0(struct ck *c) { check_qk(c, ATTN_DTYPE_Q8_0); }
void check_row_qk_slab_q4_0(struct ck *c) { check_qk(c, ATTN_DTYPE_Q4_0); }

/* What is no number or infinite goes on to the scores. */
void check_slab_query(struct ck *c)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 0x1p-130f, 0, 0x1p+100f};
    for (size_t n = 0; n < COUNT(odd); n++) {
        const struct page p = make_page(c, ATTN_DTYPE_Q8_0, false, 64);
        struct queries q = make_queries(c, 1, 64, false);
        float s[32], least = odd[n] * 0;
        q.x[ck_range(c, 32, 63)] = odd[n];
        c->k->slab_query(q.x, 64, NULL, NULL, q.slab);
        c->k->row_qk_slab_q8_0(p.slabs, 0, 32, 64, q.slab, false, 1, s, 32, NULL);
        for (int64_t j = 0; j < 32; j++)
            ck_true(c, "scores of an odd query", isfinite(s[j]) == !isnan(least));
    }
}

/* ---- values */

static attn__row_pv_slab_q8_0_fn *pv_of(const struct ck *c, int32_t type)
{
    return type == ATTN_DTYPE_Q8_0 ? c->k->row_pv_slab_q8_0 : c->k->row_pv_slab_q4_0;
}

/* Runs of a page, at most ATTN__SLAB_CALL rows in all, with holes between weights. */
static int64_t make_runs(struct ck *c, const struct page *p, struct attn__slab_run *run,
                         int64_t *slot, int64_t *keys)
{
    int64_t runs = 0, most = ck_range(c, 1, 4) < 4 ? 40 : 1, from = 0;
    while (from < ATTN__SLAB_CALL) {
        int64_t at = ck_range(c, 0, ROWS - 1), rows = ck_range(c, 1, most);
        rows = rows < ROWS - at ? rows : ROWS - at;
        rows = rows < ATTN__SLAB_CALL - from ? rows : ATTN__SLAB_CALL - from;
        run[runs++] = (struct attn__slab_run){
            p->slabs + attn__dtype_row_at(p->stored, p->row, at), rows, from};
        for (int64_t i = 0; i < rows; i++)
            slot[from++] = at + i;
        if (from < ATTN__SLAB_CALL && ck_range(c, 0, 3) == 0)
            slot[from++] = -1;
    }
    *keys = from;
    return runs;
}

/* Weights of any size, or one that is far larger than the others. */
static void fill_weights(struct ck *c, float *p, int64_t n)
{
    const bool one = ck_range(c, 0, 1);
    for (int64_t i = 0; i < n; i++)
        p[i] = exp2f(8 * ck_float(c) - (one ? 17.0f : 8.0f));
    if (one)
        p[ck_range(c, 0, n - 1)] = 1;
}

static void pv_case(struct ck *c, int32_t type, int64_t d, int64_t rows, bool int8)
{
    const struct page page = make_page(c, type, true, d);
    struct attn__slab_run run[ATTN__SLAB_CALL];
    int64_t slot[ATTN__SLAB_CALL], n, ldp = ATTN__SLAB_CALL + 3, ldo = d + 1;
    const int64_t runs = make_runs(c, &page, run, slot, &n);
    float *p = ck_floats(c, 2, (size_t)((rows - 1) * ldp + n));
    float *o = ck_floats(c, 3, (size_t)((rows - 1) * ldo + d)), alone[MOST_D] = {0};
    for (int64_t r = 0; r < rows; r++)
        fill_weights(c, p + r * ldp, n);
    memset(o, 0, (size_t)((rows - 1) * ldo + d) * sizeof *o);
    pv_of(c, type)(run, runs, run, ck_range(c, 0, runs), d, p, ldp, int8, rows, o, ldo);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t e = 0; e < d; e++) {
            double sum = 0, mag = 0, largest = 0, most = 0;
            for (int64_t j = 0; j < n; j++) {
                const double w = (double)p[r * ldp + j];
                const float *x = slot[j] < 0 ? NULL : page.x + slot[j] * d;
                sum += x ? w * (double)x[e] : 0;
                mag += x ? w * fabs((double)x[e]) : 0;
                most = x && w > most ? w : most;
                for (int64_t i = e / 32 * 32; x && i < e / 32 * 32 + 32; i++)
                    largest = fabs((double)x[i]) > largest ? fabs((double)x[i]) : largest;
            }
            ck_close(c, "sum of values", r, e, o[r * ldo + e], sum,
                     0x1p-24 * 136 * mag + 1e-30 +
                         (double)n * most * largest * (int8 ? 1 / 65200.0 : 0x1p-24));
        }
    const int64_t r = ck_range(c, 0, rows - 1);
    pv_of(c, type)(run, runs, NULL, 0, d, p + r * ldp, ldp, int8, 1, alone, ldo);
    ck_same(c, "a row alone", alone, o + r * ldo, (size_t)d, false);
}

static void check_pv(struct ck *c, int32_t type)
{
    for (int64_t d = 32; d <= MOST_D; d += 64)
        for (int64_t rows = 1; rows <= MOST_ROWS; rows++)
            for (int int8 = 0; int8 < 2; int8++)
                pv_case(c, type, d, rows, int8);
}

void check_row_pv_slab_q8_0(struct ck *c) { check_pv(c, ATTN_DTYPE_Q8_0); }
void check_row_pv_slab_q4_0(struct ck *c) { check_pv(c, ATTN_DTYPE_Q4_0); }
