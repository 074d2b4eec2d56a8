/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch.
 */
#include "solvers/map_conv.h"

#include "base/dtype.h"

struct job {
    const attn_tensor *from, *first, *filter, *bias, *to;
};

static double element(const struct job *j, int64_t b, int64_t h, int64_t n, int64_t first,
                      int64_t c)
{
    const attn_tensor *x = j->from, *f = j->filter;
    int64_t taps = f->shape[1], at = b * x->stride[0] + h * x->stride[1] + c * x->stride[3];
    double sum = j->bias ? attn__load_f64(j->bias->data, c * j->bias->stride[0], j->bias->dtype)
                         : 0;
    for (int64_t a = 0; a < taps; a++) {
        int64_t row = n - taps + 1 + a;
        if (row >= first)
            sum += attn__load_f64(f->data, c * f->stride[0] + a * f->stride[1], f->dtype) *
                   attn__load_f64(x->data, at + row * x->stride[2], x->dtype);
    }
    return sum;
}

static void task(void *arg, int64_t index)
{
    const struct job *j = arg;
    const attn_tensor *to = j->to;
    int64_t h = index % to->shape[1], b = index / to->shape[1], first = 0;
    if (j->first)
        first = attn__load_i64(j->first->data, b * j->first->stride[0], j->first->dtype);
    for (int64_t n = first; n < to->shape[2]; n++)
        for (int64_t c = 0; c < to->shape[3]; c++)
            attn__store_f64(to->data,
                            b * to->stride[0] + h * to->stride[1] + n * to->stride[2] + c,
                            to->dtype, element(j, b, h, n, first, c));
}

void attn__map_conv(struct attn__threads *threads, const attn_tensor *from,
                    const attn_tensor *first, const attn_tensor *filter, const attn_tensor *bias,
                    const attn_tensor *to)
{
    struct job j = {from, first, filter, bias, to};
    attn__threads_run(threads, to->shape[0] * to->shape[1], task, &j);
}
