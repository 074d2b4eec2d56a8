/* SPDX-License-Identifier: MIT */
/*
 * Means and norms over heads in double.
 */
#include "solvers/map_lama.h"

static bool counts(const struct attn__call *c, int64_t b, int64_t j)
{
    const attn_tensor *m = &c->t[ATTN__SLOT_MASK];
    if (!c->has[ATTN__SLOT_MASK])
        return true;
    int64_t at = (m->shape[0] == 1 ? 0 : b * m->stride[0]) + j * m->stride[3];
    return ((const uint8_t *)m->data)[at] != 0;
}

void attn__map_lama_context(const struct attn__call *c, double *sum, const attn_tensor *context)
{
    const attn_tensor *x = &c->t[ATTN__SLOT_K];
    int64_t d = x->shape[3];
    for (int64_t b = 0; b < x->shape[0]; b++) {
        struct attn__seq s = attn__call_seq(c, b);
        double n = 0;
        for (int64_t e = 0; e < d; e++)
            sum[e] = 0;
        for (int64_t j = s.k_skip; j < s.k_skip + s.nk; j++) {
            if (!counts(c, b, j))
                continue;
            n++;
            for (int64_t e = 0; e < d; e++)
                sum[e] += attn__load_f64(
                    x->data, b * x->stride[0] + j * x->stride[2] + e * x->stride[3], x->dtype);
        }
        for (int64_t e = 0; e < d; e++)
            attn__store_f64(context->data, b * d + e, context->dtype, n > 0 ? sum[e] / n : 0);
    }
}

void attn__map_lama_scores(const struct attn__call *c, const attn_tensor *context,
                           const attn_tensor *a)
{
    int64_t heads = a->shape[1], nk = a->shape[3];
    for (int64_t b = 0; b < a->shape[0]; b++) {
        struct attn__seq s = attn__call_seq(c, b);
        for (int64_t j = 0; j < nk; j++) {
            bool in = j >= s.k_skip && j < s.k_skip + s.nk && counts(c, b, j);
            double squares = 0;
            for (int64_t m = 0; m < heads; m++) {
                int64_t at = (b * heads + m) * nk + j;
                double x = in ? tanh(attn__load_f64(context->data, b * heads + m, context->dtype) *
                                     attn__load_f64(a->data, at, a->dtype))
                              : 0;
                attn__store_f64(a->data, at, a->dtype, x);
                squares += x * x;
            }
            for (int64_t m = 0; m < heads && squares > 0; m++) {
                int64_t at = (b * heads + m) * nk + j;
                attn__store_f64(a->data, at, a->dtype,
                                attn__load_f64(a->data, at, a->dtype) / sqrt(squares));
            }
        }
    }
}
