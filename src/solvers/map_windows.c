/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch, a strip of channels at a time.
 */
#include "solvers/map_windows.h"

#include "solvers/channels.h"

struct job {
    const attn_tensor *from, *to;
    int64_t width, step;
    size_t n;
};

static void windows_task(void *arg, int64_t index)
{
    const struct job *j = arg;
    int64_t heads = j->to->shape[1], d = j->to->shape[3], b = index / heads, h = index % heads;
    for (int64_t w = 0; w < j->to->shape[2]; w++)
        for (int64_t c = 0; c < d; c += ATTN__CHANNELS) {
            int64_t n = attn__min_i64(ATTN__CHANNELS, d - c);
            double sum[ATTN__CHANNELS] = {0}, row[ATTN__CHANNELS];
            for (int64_t i = 0; i < j->width; i++) {
                attn__channels_load(j->from, b, h, w * j->step + i, c, n, row);
                for (int64_t e = 0; e < n; e++)
                    sum[e] += row[e];
            }
            for (int64_t e = 0; e < n; e++)
                sum[e] /= (double)j->width;
            attn__channels_store(j->to, b, h, w, c, n, sum);
        }
}

void attn__map_windows(struct attn__threads *threads, const attn_tensor *from, int64_t width,
                       int64_t step, const attn_tensor *to)
{
    struct job j = {.from = from, .to = to, .width = width, .step = step};
    attn__threads_run(threads, to->shape[0] * to->shape[1], windows_task, &j);
}

static void sum_task(void *arg, int64_t index)
{
    const struct job *j = arg;
    int64_t heads = j->to->shape[1], d = j->to->shape[3], b = index / heads, h = index % heads;
    for (int64_t i = 0; i < j->to->shape[2]; i++)
        for (int64_t c = 0; c < d; c += ATTN__CHANNELS) {
            int64_t n = attn__min_i64(ATTN__CHANNELS, d - c);
            double sum[ATTN__CHANNELS] = {0}, row[ATTN__CHANNELS];
            for (size_t p = 0; p < j->n; p++) {
                attn__channels_load(&j->from[p], b, h, i, c, n, row);
                for (int64_t e = 0; e < n; e++)
                    sum[e] += row[e];
            }
            attn__channels_store(j->to, b, h, i, c, n, sum);
        }
}

void attn__map_sum(struct attn__threads *threads, const attn_tensor *from, size_t n,
                   const attn_tensor *to)
{
    struct job j = {.from = from, .to = to, .n = n};
    attn__threads_run(threads, to->shape[0] * to->shape[1], sum_task, &j);
}
