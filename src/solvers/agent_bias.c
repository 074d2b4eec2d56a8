/* SPDX-License-Identifier: MIT */
/*
 * Made once for a size of image, so element by element in double.
 */
#include "solvers/agent_bias.h"

#include "base/dtype.h"
#include "solvers/bilinear.h"

static double at3(const attn_tensor *t, int64_t i, int64_t j, int64_t k)
{
    return attn__load_f64(t->data, i * t->stride[0] + j * t->stride[1] + k * t->stride[2],
                          t->dtype);
}

static double at4(const attn_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return attn__load_f64(t->data,
                          i * t->stride[0] + j * t->stride[1] + k * t->stride[2] +
                              l * t->stride[3],
                          t->dtype);
}

static double resized(const attn_tensor *t, int64_t h, int64_t n, struct attn__between v,
                      struct attn__between w)
{
    double top = (1 - w.part) * at4(t, h, n, v.low, w.low) + w.part * at4(t, h, n, v.low, w.high);
    double below =
        (1 - w.part) * at4(t, h, n, v.high, w.low) + w.part * at4(t, h, n, v.high, w.high);
    return (1 - v.part) * top + v.part * below;
}

static void store(const attn_tensor *t, int64_t h, int64_t n, int64_t i, double x)
{
    attn__store_f64(t->data, h * t->stride[0] + n * t->stride[1] + i * t->stride[2], t->dtype, x);
}

static void one(const struct attn__agent_bias *a, int64_t h, int64_t n)
{
    int64_t height = a->rows->shape[2], width = a->columns->shape[2], i = 0;
    if (a->first)
        store(a->to, h, n, i++,
              attn__load_f64(a->first->data, h * a->first->stride[0] + n * a->first->stride[1],
                             a->first->dtype));
    for (int64_t y = 0; y < height; y++) {
        struct attn__between v = attn__bilinear(y, a->table->shape[2], height);
        for (int64_t x = 0; x < width; x++) {
            struct attn__between w = attn__bilinear(x, a->table->shape[3], width);
            store(a->to, h, n, i++, resized(a->table, h, n, v, w) + at3(a->rows, h, n, y) +
                                        at3(a->columns, h, n, x));
        }
    }
}

void attn__agent_bias(const struct attn__agent_bias *a)
{
    for (int64_t h = 0; h < a->to->shape[0]; h++)
        for (int64_t n = 0; n < a->to->shape[1]; n++)
            one(a, h, n);
}
