/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch, a strip of channels at a time.
 */
#include "solvers/map_pool.h"

#include "base/dtype.h"
#include "solvers/channels.h"

struct job {
    const attn_tensor *from, *to;
    int64_t first, rows, columns, side;
};

static void cell(const struct job *j, int64_t b, int64_t h, int64_t n, int64_t c, int64_t width)
{
    const attn_tensor *x = j->from, *to = j->to;
    int64_t y0 = n / j->side * j->rows / j->side, x0 = n % j->side * j->columns / j->side;
    int64_t y1 = ((n / j->side + 1) * j->rows + j->side - 1) / j->side;
    int64_t x1 = ((n % j->side + 1) * j->columns + j->side - 1) / j->side;
    double sum[ATTN__CHANNELS] = {0}, row[ATTN__CHANNELS];
    int64_t at = b * to->stride[0] + h * to->stride[1] + n * to->stride[2] + c;
    for (int64_t y = y0; y < y1; y++) {
        for (int64_t i = x0; i < x1; i++) {
            attn__channels_load(x, b, h, j->first + y * j->columns + i, c, width, row);
            for (int64_t e = 0; e < width; e++)
                sum[e] += row[e];
        }
    }
    for (int64_t e = 0; e < width; e++)
        attn__store_f64(to->data, at + e, to->dtype,
                        sum[e] / ((double)(y1 - y0) * (double)(x1 - x0)));
}

static void task(void *arg, int64_t index)
{
    const struct job *j = arg;
    int64_t heads = j->to->shape[1], d = j->to->shape[3];
    for (int64_t n = 0; n < j->to->shape[2]; n++)
        for (int64_t c = 0; c < d; c += ATTN__CHANNELS)
            cell(j, index / heads, index % heads, n, c, attn__min_i64(ATTN__CHANNELS, d - c));
}

void attn__map_pool(struct attn__threads *threads, const attn_tensor *from, int64_t first,
                    int64_t rows, int64_t columns, int64_t side, const attn_tensor *to)
{
    struct job j = {from, to, first, rows, columns, side};
    attn__threads_run(threads, to->shape[0] * to->shape[1], task, &j);
}
