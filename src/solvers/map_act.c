/* SPDX-License-Identifier: MIT */
/*
 * One look at each key of each head.
 */
#include "solvers/map_act.h"

#include <stdbool.h>

#include "base/dtype.h"

void attn__map_act_sinks(const attn_tensor *colsum, const uint8_t *chosen, double threshold,
                         const attn_tensor *sink)
{
    int64_t heads = colsum->shape[1], n = colsum->shape[2];
    uint8_t *to = sink->data;
    for (int64_t bh = 0; bh < colsum->shape[0] * heads; bh++) {
        bool first = true;
        for (int64_t j = 0; j < n; j++) {
            double sum = attn__load_f64(colsum->data, bh * n + j, colsum->dtype);
            bool above = sum > threshold * (double)(n - j);
            to[bh * n + j] = above && !first && chosen[bh % heads];
            first = first && !above;
        }
    }
}

void attn__map_act_others(const attn_tensor *sink)
{
    uint8_t *x = sink->data;
    int64_t n = sink->shape[0] * sink->shape[1] * sink->shape[3];
    for (int64_t i = 0; i < n; i++)
        x[i] = !x[i];
}
