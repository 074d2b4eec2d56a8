/* SPDX-License-Identifier: MIT */
/*
 * Copies are of bytes; sorting takes a byte of the codes at a time.
 */
#include "solvers/map_order.h"

#include <string.h>

void attn__order_rows(const struct attn__rows *rows, int64_t first, int64_t real,
                      const int32_t *order, int64_t count, int64_t d, void *to)
{
    size_t size = attn__dtype_size(rows->dtype), width = (size_t)d * size;
    char *at = to;
    for (int64_t n = 0; n < count; n++, at += width) {
        if (order[n] >= real) {
            memset(at, 0, width);
            continue;
        }
        const char *from = attn__rows_at(rows, first + order[n]);
        if (rows->col == 1) {
            memcpy(at, from, width);
            continue;
        }
        for (int64_t e = 0; e < d; e++)
            memcpy(at + (size_t)e * size, from + e * rows->col * (int64_t)size, size);
    }
}

/* What number i is sorted by. */
static inline int32_t key_of(const int32_t *code, int64_t real, int32_t i)
{
    if (!code)
        return i;
    return i < real ? code[i] : 0;
}

void attn__order_sort(const int32_t *code, int64_t real, int64_t bits, int32_t *order, int64_t n,
                      int32_t *spare)
{
    for (int64_t shift = 0; shift < bits; shift += 8) {
        int64_t count[257] = {0};
        for (int64_t i = 0; i < n; i++)
            count[(key_of(code, real, order[i]) >> shift & 255) + 1]++;
        for (int64_t e = 0; e < 256; e++)
            count[e + 1] += count[e];
        for (int64_t i = 0; i < n; i++)
            spare[count[key_of(code, real, order[i]) >> shift & 255]++] = order[i];
        memcpy(order, spare, (size_t)n * sizeof *order);
    }
}
