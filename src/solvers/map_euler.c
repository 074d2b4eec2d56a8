/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch.
 */
#include "solvers/map_euler.h"

#include <math.h>

#include "base/dtype.h"

struct job {
    const attn_tensor *from, *delta, *shift, *to;
};

static double of_head(const attn_tensor *t, int64_t h, int64_t c, double fallback)
{
    return t ? attn__load_f64(t->data, h * t->stride[0] + c * t->stride[1], t->dtype) : fallback;
}

static void task(void *arg, int64_t n)
{
    const struct job *j = arg;
    const attn_tensor *x = j->from, *y = j->to;
    int64_t h = n % y->shape[1], b = n / y->shape[1];
    for (int64_t i = 0; i < y->shape[2]; i++) {
        int64_t from = b * x->stride[0] + h * x->stride[1] + i * x->stride[2];
        int64_t to = b * y->stride[0] + h * y->stride[1] + i * y->stride[2];
        for (int64_t c = 0; c < y->shape[3] / 2; c++) {
            double re = attn__load_f64(x->data, from + 2 * c * x->stride[3], x->dtype);
            double im = attn__load_f64(x->data, from + (2 * c + 1) * x->stride[3], x->dtype);
            double length = hypot(re, im), angle = length == 0 ? 0 : atan2(im, re);
            angle = of_head(j->delta, h, c, 1) * angle + of_head(j->shift, h, c, 0);
            attn__store_f64(y->data, to + 2 * c, y->dtype, length * cos(angle));
            attn__store_f64(y->data, to + 2 * c + 1, y->dtype, length * sin(angle));
        }
    }
}

void attn__map_euler(struct attn__threads *threads, const attn_tensor *from,
                     const attn_tensor *delta, const attn_tensor *shift, const attn_tensor *to)
{
    struct job j = {from, delta, shift, to};
    attn__threads_run(threads, to->shape[0] * to->shape[1], task, &j);
}
