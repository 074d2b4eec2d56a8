/* SPDX-License-Identifier: MIT */
/*
 * A few numbers for each head.
 */
#include "solvers/map_vhr.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"
#include "solvers/head_scores.h"

/* Mean plus standard deviation; NaN, which nothing is above, for one head. */
static double unusual(const double *x, int64_t n)
{
    double mean = 0, square = 0;
    for (int64_t h = 0; h < n; h++)
        mean += x[h] / (double)n;
    for (int64_t h = 0; h < n; h++)
        square += (x[h] - mean) * (x[h] - mean);
    return mean + sqrt(square / (double)(n - 1));
}

/* Shell's sort with halved gaps. */
static void sort(double *x, int64_t n)
{
    for (int64_t gap = n / 2; gap > 0; gap /= 2)
        for (int64_t i = gap; i < n; i++) {
            double at = x[i];
            int64_t j = i;
            for (; j >= gap && x[j - gap] > at; j -= gap)
                x[j] = x[j - gap];
            x[j] = at;
        }
}

static double median(const double *x, int64_t n, double *room)
{
    for (int64_t h = 0; h < n; h++)
        if (isnan(x[h]))
            return NAN;
    memcpy(room, x, (size_t)n * sizeof *x);
    sort(room, n);
    return n % 2 ? room[n / 2] : (room[n / 2 - 1] + room[n / 2]) / 2;
}

/* |x|^2 of a row whose elements are `step` apart. */
static double square_of(const attn_tensor *t, int64_t at, int64_t step, int64_t n)
{
    double sum = 0;
    for (int64_t c = 0; c < n; c++) {
        double x = attn__load_f64(t->data, at + c * step, t->dtype);
        sum += x * x;
    }
    return sum;
}

void attn__map_vhr(const attn_tensor *with, const attn_tensor *without, double alpha, bool filter,
                   double *room, const attn_tensor *factors)
{
    const attn_tensor *x = with, *y = without;
    int64_t heads = factors->shape[1], width = x->shape[3];
    double *d = room, *t = d + heads, *sorted = t + heads;
    for (int64_t b = 0; b < factors->shape[0]; b++) {
        for (int64_t h = 0; h < heads; h++) {
            int64_t x_at = b * x->stride[0] + h * x->stride[1];
            int64_t y_at = b * y->stride[0] + h * y->stride[1];
            d[h] = attn__head_scores_distance(x, x_at, x->stride[3], y, y_at, y->stride[3], width);
            t[h] = square_of(y, y_at, y->stride[3], width);
        }
        double far = unusual(d, heads), large = unusual(t, heads);
        for (int64_t h = 0; h < heads && filter; h++)
            d[h] = d[h] > far && t[h] > large ? 0 : d[h];
        double middle = median(d, heads, sorted);
        for (int64_t h = 0; h < heads; h++)
            attn__store_f64(factors->data, b * factors->stride[0] + h * factors->stride[1],
                            factors->dtype, d[h] > middle ? alpha : 1);
    }
}
