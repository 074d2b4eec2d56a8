/* SPDX-License-Identifier: MIT */
/*
 * Rows to f32 and back: every type, dense, strided, reversed and misaligned,
 * against element by element.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/context.h>

#include "solvers/rows_load.h"

enum { ROWS = 4, WIDTH = 37, ROOM = 8192 };

static int failed;

static void expect(int ok, const char *what, int32_t dtype, int64_t col, int64_t i, int64_t e)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s, row %lld element %lld: %s\n", attn__dtype_name(dtype),
            (long long)i, (long long)e, what);
    fprintf(stderr, "error: ... with elements %lld apart\n", (long long)col);
    failed = 1;
}

static void check(const struct attn__kernels *kern, int32_t dtype, int64_t col, int64_t shift)
{
    static _Alignas(64) char memory[ROOM], before[ROOM];
    int64_t size = (int64_t)attn__dtype_size(dtype);
    int64_t width = (col < 0 ? -col : col) * WIDTH;
    struct attn__rows r = {
        .base = memory + 64 + shift, .row = width + 3, .col = col, .dtype = dtype};
    float dense[ROWS * (WIDTH + 2)], again[ROWS * (WIDTH + 2)];
    if (col < 0)
        r.base += (width - 1) * size;

    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t e = 0; e < WIDTH; e++)
            attn__rows_store(&r, i, e, (double)(i * WIDTH + e) / 8 - 7);
    for (size_t n = 0; n < sizeof dense / sizeof dense[0]; n++)
        dense[n] = again[n] = 99;
    attn__rows_to_f32(kern, &r, 1, ROWS - 1, 2, WIDTH - 2, dense, WIDTH + 2);
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t e = 0; e < WIDTH + 2; e++) {
            bool written = i < ROWS - 1 && e < WIDTH - 2;
            float want = written ? (float)attn__rows_load(&r, i + 1, e + 2) : 99;
            expect(dense[i * (WIDTH + 2) + e] == want, "to f32", dtype, col, i, e);
        }

    attn__rows_to_f32(kern, &r, 0, ROWS, 0, WIDTH, dense, WIDTH + 2);
    memset(memory, 0x3c, sizeof memory);
    memcpy(before, memory, sizeof memory);
    attn__rows_from_f32(kern, dense, WIDTH + 2, ROWS, WIDTH, &r, 0);
    attn__rows_to_f32(kern, &r, 0, ROWS, 0, WIDTH, again, WIDTH + 2);
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t e = 0; e < WIDTH; e++)
            expect(again[i * (WIDTH + 2) + e] == dense[i * (WIDTH + 2) + e], "there and back",
                   dtype, col, i, e);
    /* Nothing but the elements was written. */
    for (int64_t i = 0; i < ROWS; i++)
        for (int64_t e = 0; e < WIDTH; e++)
            memset(attn__rows_at(&r, i) + e * col * size, 0x3c, (size_t)size);
    expect(memcmp(memory, before, sizeof memory) == 0, "bytes beside were written", dtype, col, 0,
           0);

    float room[ROWS * WIDTH];
    int64_t ld = 0;
    const float *view = attn__rows_f32(kern, &r, 1, 2, WIDTH, room, &ld);
    bool own = dtype == ATTN_DTYPE_F32 && col == 1 && shift % size == 0;
    expect((view != room) == own, "copied or not", dtype, col, 0, 0);
    expect(view[ld + 1] == (float)attn__rows_load(&r, 2, 1), "view", dtype, col, 2, 1);
}

int main(void)
{
    static const int32_t dtypes[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_F16,
                                     ATTN_DTYPE_BF16};
    static const int64_t cols[] = {1, 2, 3, -1, -2};
    for (size_t level = 0; level < 2; level++) {
        struct attn__kernels kern;
        int32_t isa = ATTN_ISA_C;
        for (int32_t n = 0; level > 0 && n < 100; n++)
            isa = attn_isa_usable(n) ? n : isa;
        attn__kernels_select(isa, &kern);
        for (size_t t = 0; t < sizeof dtypes / sizeof dtypes[0]; t++)
            for (size_t c = 0; c < sizeof cols / sizeof cols[0]; c++)
                for (int64_t shift = 0; shift < 10; shift++)
                    check(&kern, dtypes[t], cols[c], shift);
    }
    printf("%s: rows of all types\n", failed ? "FAIL" : "ok");
    return failed;
}
