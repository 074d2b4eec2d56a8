/* SPDX-License-Identifier: MIT */
/*
 * Rows in pages give the bits of the same rows in an array, wherever they are
 * said to come from: pages of any size in any order, or one behind the other,
 * tables whose cells are told to be straight or not, ranges that begin anywhere,
 * rows that are not there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "base/checked.h"
#include "solvers/page_rows.h"

enum { KEYS = 700, ROWS = 4, MOST = 128, SLACK = 192 };

/* Rows in an array, and copies of them in pages. */
struct rows {
    struct attn__rows plain, paged;
    struct attn__cache_cell cell[KEYS];
    struct attn__paged_part part;
    struct attn__paged table;
    struct attn__paged_view view;
    struct attn__paged_memory page[KEYS];
};

static float q[ROWS][MOST], p[ROWS][KEYS], s[2][ROWS][KEYS], o[2][4][ROWS][MOST];
static float number[KEYS][MOST];
static uint16_t half[KEYS][MOST];
static uint32_t seed = 1;

static int64_t draw(int64_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (int64_t)(seed >> 8) % n;
}

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(draw(65) - 32) / 16;
}

/* Key j is in slot j % size of page j / size, and the pages lie in any order or one
 * behind the other, as a head that is not the first of its page finds them; with
 * `hole` that key is not there. */
static void lay_out(struct rows *r, int32_t dtype, int64_t n, int64_t size, int64_t hole,
                    char *memory)
{
    int64_t pages = (KEYS + size - 1) / size, turned = draw(pages), stored = 0;
    int64_t step = draw(2) ? 13 : 1, beside = draw(3) + 1, head = SLACK / 3;
    int64_t row = n * (int64_t)attn_dtype_size(dtype);
    r->plain = (struct attn__rows){.base = dtype == ATTN_DTYPE_F32 ? (char *)number : (char *)half,
                                   .row = n, .col = 1, .dtype = dtype, .scale = 1};
    for (int64_t i = 0; i < pages; i++) {
        char *rows = memory + SLACK + (i * step + turned) % pages * size * row;
        r->page[i] = (struct attn__paged_memory){rows - head * beside, NULL, beside};
    }
    for (int64_t j = 0; j < KEYS; j++) {
        char *rows = r->page[j / size].k + head * beside;
        memcpy(rows + j % size * row, r->plain.base + j * row, (size_t)row);
        if (j != hole)
            r->cell[stored++] = (struct attn__cache_cell){j, (int32_t)(j / size),
                                                          (int32_t)(j % size), 0};
    }
    int64_t straight = hole < KEYS ? hole : KEYS;
    r->part = (struct attn__paged_part){.past = KEYS, .cell = r->cell, .stored = stored,
                                        .straight = draw(2) ? straight : 0, .page_size = size};
    r->table = (struct attn__paged){.part = &r->part, .parts = 1};
    r->view = (struct attn__paged_view){.page = r->page, .page_step = sizeof r->page[0]};
    r->paged = (struct attn__rows){.row = n, .col = 1, .dtype = dtype, .paged = &r->table,
                                   .view = &r->view, .scale = 1, .at = head};
}

static void qk_of(const struct attn__kernels *kern, const struct attn__rows *k, int64_t j0,
                  int64_t nk, int64_t d, int64_t rows, float *to)
{
    const void *at = attn__rows_at(k, j0);
    if (k->dtype == ATTN_DTYPE_F32)
        kern->row_qk_f32(at, d, nk, d, q[0], d, rows, to, KEYS, NULL);
    else
        kern->row_qk_f16(at, d, nk, d, q[0], d, rows, to, KEYS, NULL);
}

static void pv_of(const struct attn__kernels *kern, const struct attn__rows *v, int64_t j0,
                  int64_t nk, int64_t dv, int64_t rows, const float *weights, float *to)
{
    const void *at = attn__rows_at(v, j0);
    if (v->dtype == ATTN_DTYPE_F32)
        kern->row_pv_f32(at, dv, nk, dv, weights, KEYS, rows, to, dv, NULL);
    else
        kern->row_pv_f16(at, dv, nk, dv, weights, KEYS, rows, to, dv, NULL);
}

/* Without the hole: one key in front of it, and those behind. */
static bool compare(const struct attn__kernels *kern, const struct rows *r, int64_t hole,
                    int64_t n, int64_t rows, int64_t from)
{
    int64_t j0 = draw(KEYS / 2), nk = 1 + draw(KEYS - j0), end = j0 + nk + draw(KEYS - j0 - nk + 1);
    int64_t before = hole < j0 || hole >= j0 + nk ? nk : hole - j0;
    int64_t behind = attn__max_i64(nk - before - 1, 0);
    memset(s, 0, sizeof s);
    memset(o, 0, sizeof o);
    qk_of(kern, &r->plain, j0, nk, n, rows, s[0][0]);
    for (int64_t i = 0; i < rows && before < nk; i++)
        s[0][i][before] = 0;
    attn__page_rows_qk(kern, &r->paged, j0, nk, end, n, q[0], rows, s[1][0], KEYS, from);
    pv_of(kern, &r->plain, j0, before, n, rows, p[0], o[0][0][0]);
    pv_of(kern, &r->plain, j0 + nk - behind, behind, n, rows, p[0] + nk - behind, o[0][0][0]);
    attn__page_rows_pv(kern, &r->paged, j0, nk, end, n, p[0], KEYS, false, rows, o[1][0][0], from);
    bool same = memcmp(s[0], s[1], sizeof s[0]) == 0 && memcmp(o[0], o[1], sizeof o[0]) == 0;
    if (!attn__page_rows_turns(&r->paged, n, rows, from) || nk < 4 || before < nk)
        return same;
    memset(o, 0, sizeof o);
    nk /= 4;
    for (int64_t i = 0; i < 4; i++)
        pv_of(kern, &r->plain, j0 + i * nk, nk, n, rows, p[0] + i * nk, o[0][0][0] + i * rows * n);
    attn__page_rows_pv_turns(kern, draw(2) ? &r->paged : &r->plain, j0, nk, end, n, p[0], KEYS,
                             rows, o[1][0][0]);
    return same && memcmp(o[0], o[1], sizeof o[0]) == 0;
}

int main(void)
{
    static const int64_t width[] = {20, 64, 128}, size[] = {8, 16, 64, 100};
    static struct rows r;
    struct attn__kernels kern;
    char *memory = malloc(sizeof number + (size_t)100 * MOST * sizeof(float) + SLACK);
    if (!memory)
        return 1;
    for (int32_t isa = 0; isa < 100; isa++) {
        if (!attn_isa_usable(isa))
            continue;
        attn__kernels_select(isa, &kern);
        for (int n = 0; n < 240; n++) {
            int32_t dtype = n % 2 ? ATTN_DTYPE_F16 : ATTN_DTYPE_F32;
            int64_t w = width[n % 3], hole = draw(2) ? draw(KEYS) : KEYS;
            fill(number[0], KEYS * (size_t)w);
            fill(q[0], sizeof q / sizeof(float));
            fill(p[0], sizeof p / sizeof(float));
            kern.cvt_f32_f16(half[0], w, number[0], w, KEYS, w);
            lay_out(&r, dtype, w, size[n / 3 % 4], hole, memory);
            if (!compare(&kern, &r, hole, w, 1 + n % ROWS, n % 3 ? ATTN__FROM_RAM : draw(2))) {
                fprintf(stderr, "error: case %d, other bits in pages with the kernels of %s\n", n,
                        attn_isa_name(isa));
                return 1;
            }
        }
    }
    free(memory);
    printf("ok: rows in pages\n");
    return 0;
}
