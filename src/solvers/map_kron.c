/* SPDX-License-Identifier: MIT */
/*
 * One task a row of x in a head of a batch: it is multiplied with all of y.
 */
#include "solvers/map_kron.h"

#include "base/dtype.h"

struct job {
    const attn_tensor *x, *y, *to;
    int64_t x0, n_x;
};

static int64_t row_of(const attn_tensor *t, int64_t b, int64_t h, int64_t n)
{
    return b * t->stride[0] + h * t->stride[1] + n * t->stride[2];
}

static void task(void *arg, int64_t n)
{
    const struct job *g = arg;
    const attn_tensor *x = g->x, *y = g->y, *to = g->to;
    int64_t j = n % g->n_x, bh = n / g->n_x, h = bh % to->shape[1], b = bh / to->shape[1];
    int64_t from = row_of(x, b, h, g->x0 + j), rows = y->shape[2];
    for (int64_t l = 0; l < rows; l++) {
        int64_t other = row_of(y, b, h, l), at = row_of(to, b, h, j * rows + l);
        for (int64_t c = 0; c < to->shape[3]; c++) {
            double p = attn__load_f64(x->data, from + c * x->stride[3], x->dtype) *
                       attn__load_f64(y->data, other + c * y->stride[3], y->dtype);
            attn__store_f64(to->data, at + c * to->stride[3], to->dtype, p);
        }
    }
}

void attn__map_kron(struct attn__threads *threads, const attn_tensor *x, int64_t x0, int64_t n_x,
                    const attn_tensor *y, const attn_tensor *to)
{
    struct job g = {x, y, to, x0, n_x};
    attn__threads_run(threads, to->shape[0] * to->shape[1] * n_x, task, &g);
}
