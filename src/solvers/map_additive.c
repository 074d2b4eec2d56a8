/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch.
 */
#include "solvers/map_additive.h"

#include <math.h>

#include "base/dtype.h"

struct job {
    const attn_tensor *q, *k, *w, *u;
    const int64_t *q_head, *k_head;
    double *room;
};

static void task(void *arg, int64_t n)
{
    const struct job *j = arg;
    const attn_tensor *q = j->q, *k = j->k, *w = j->w, *u = j->u;
    int64_t h = n % u->shape[1], b = n / u->shape[1], d = q->shape[3];
    double *row = j->room + n * d;
    for (int64_t i = 0; i < u->shape[2]; i++) {
        int64_t at = b * q->stride[0] + j->q_head[h] * q->stride[1] + i * q->stride[2];
        for (int64_t c = 0; c < d; c++)
            row[c] = attn__load_f64(q->data, at + c * q->stride[3], q->dtype);
        for (int64_t key = 0; key < u->shape[3]; key++) {
            int64_t from = b * k->stride[0] + j->k_head[h] * k->stride[1] + key * k->stride[2];
            double sum = 0;
            for (int64_t c = 0; c < d; c++)
                sum += attn__load_f64(w->data, h * w->stride[0] + c * w->stride[1], w->dtype) *
                       tanh(row[c] + attn__load_f64(k->data, from + c * k->stride[3], k->dtype));
            attn__store_f64(u->data,
                            b * u->stride[0] + h * u->stride[1] + i * u->stride[2] + key,
                            u->dtype, sum);
        }
    }
}

void attn__map_additive(struct attn__threads *threads, const attn_tensor *q,
                        const int64_t *q_head, const attn_tensor *k, const int64_t *k_head,
                        const attn_tensor *w, double *room, const attn_tensor *u)
{
    struct job j = {q, k, w, u, q_head, k_head, room};
    attn__threads_run(threads, u->shape[0] * u->shape[1], task, &j);
}
