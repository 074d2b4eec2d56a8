/* SPDX-License-Identifier: MIT */
/*
 * Copies are of bytes.
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
