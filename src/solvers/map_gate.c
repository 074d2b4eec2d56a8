/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch.
 */
#include "solvers/map_gate.h"

#include "base/dtype.h"

struct job {
    const attn_tensor *from, *gate, *to;
    const int64_t *head;
};

static void task(void *arg, int64_t n)
{
    const struct job *j = arg;
    const attn_tensor *from = j->from, *gate = j->gate, *to = j->to;
    int64_t h = n % to->shape[1], b = n / to->shape[1];
    for (int64_t i = 0; i < to->shape[2]; i++) {
        double g = gate ? attn__load_f64(gate->data, b * gate->stride[0] + h * gate->stride[1] +
                                                         i * gate->stride[2],
                                         gate->dtype)
                        : 1;
        int64_t x = b * from->stride[0] + j->head[h] * from->stride[1] + i * from->stride[2];
        int64_t y = b * to->stride[0] + h * to->stride[1] + i * to->stride[2];
        for (int64_t c = 0; c < to->shape[3]; c++)
            attn__store_f64(to->data, y + c * to->stride[3], to->dtype,
                            g * attn__load_f64(from->data, x + c * from->stride[3], from->dtype));
    }
}

void attn__map_gate(struct attn__threads *threads, const attn_tensor *from, const int64_t *head,
                    const attn_tensor *gate, const attn_tensor *to)
{
    struct job j = {from, gate, to, head};
    attn__threads_run(threads, to->shape[0] * to->shape[1], task, &j);
}

void attn__map_negate(const attn_tensor *x)
{
    int64_t n = 1;
    for (int32_t r = 0; r < x->rank; r++)
        n *= x->shape[r];
    for (int64_t i = 0; i < n; i++)
        attn__store_f64(x->data, i, x->dtype, -attn__load_f64(x->data, i, x->dtype));
}
