/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch.
 */
#include "solvers/map_pick.h"

#include <string.h>

#include "base/dtype.h"

struct job {
    const attn_tensor *from, *rows, *to;
};

static char *row_of(const attn_tensor *t, int64_t b, int64_t h, int64_t n)
{
    int64_t at = b * t->stride[0] + h * t->stride[1] + n * t->stride[2];
    return (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
}

static void task(void *arg, int64_t n)
{
    const struct job *j = arg;
    const attn_tensor *rows = j->rows;
    int64_t heads = j->to->shape[1], b = n / heads, h = n % heads, d = j->to->shape[3];
    int64_t first = rows->shape[0] == 1 ? 0 : b * rows->stride[0];
    int64_t size = (int64_t)attn__dtype_size(j->to->dtype);
    bool whole = j->from->stride[3] == 1 && j->to->stride[3] == 1;
    for (int64_t r = 0; r < j->to->shape[2]; r++) {
        int64_t i = attn__load_i64(rows->data, first + r * rows->stride[1], rows->dtype);
        const char *x = row_of(j->from, b, h, i);
        char *y = row_of(j->to, b, h, r);
        if (whole)
            memcpy(y, x, (size_t)(d * size));
        for (int64_t c = 0; c < d && !whole; c++)
            memcpy(y + c * j->to->stride[3] * size, x + c * j->from->stride[3] * size,
                   (size_t)size);
    }
}

void attn__map_pick(struct attn__threads *threads, const attn_tensor *from,
                    const attn_tensor *rows, const attn_tensor *to)
{
    struct job j = {from, rows, to};
    attn__threads_run(threads, to->shape[0] * to->shape[1], task, &j);
}
