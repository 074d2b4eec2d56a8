/* SPDX-License-Identifier: MIT */
/*
 * The choice of heads of Task-KV. Without memory of its own it finds a head's
 * largest weights by the number that divides them from the others: bit by bit,
 * counting how many are above.
 */
#include "solvers/task_kv.h"

#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/dtype.h"

/* Numbers that rise with x; NaN below all. */
static uint64_t rank_of(double x)
{
    uint64_t bits;
    x += 0.0; /* -0 is 0 */
    if (isnan(x))
        return 0;
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static double weight_at(const attn_tensor *w, int64_t h, int64_t j)
{
    return attn__load_f64(w->data, h * w->stride[0] + j * w->stride[1], w->dtype);
}

static int64_t count_from(const attn_tensor *w, int64_t h, uint64_t least)
{
    int64_t n = 0;
    for (int64_t j = 0; j < w->shape[1]; j++)
        n += rank_of(weight_at(w, h, j)) >= least;
    return n;
}

/* The rank of the top-th weight; *equal: how many of that rank are in. */
static uint64_t divide(const attn_tensor *w, int64_t h, int64_t top, int64_t *equal)
{
    uint64_t rank = 0;
    for (int bit = 63; bit >= 0; bit--)
        if (count_from(w, h, rank | UINT64_C(1) << bit) >= top)
            rank |= UINT64_C(1) << bit;
    *equal = rank == UINT64_MAX ? top : top - count_from(w, h, rank + 1);
    return rank;
}

static void add_row(const attn_tensor *v, int64_t h, int64_t j, double weight,
                    const attn_tensor *to)
{
    for (int64_t c = 0; c < v->shape[2]; c++) {
        int64_t at = h * to->stride[0] + c * to->stride[1];
        double x = attn__load_f64(
            v->data, h * v->stride[0] + j * v->stride[1] + c * v->stride[2], v->dtype);
        attn__store_f64(to->data, at, to->dtype,
                        attn__load_f64(to->data, at, to->dtype) + weight * x);
    }
}

/* The sum of the values of largest weight, times those. */
static void semantic_vector(const attn_tensor *w, const attn_tensor *v, int64_t h, int64_t top,
                            const attn_tensor *to)
{
    int64_t equal;
    uint64_t least = divide(w, h, top, &equal);
    for (int64_t c = 0; c < v->shape[2]; c++)
        attn__store_f64(to->data, h * to->stride[0] + c * to->stride[1], to->dtype, 0);
    for (int64_t j = 0; j < w->shape[1]; j++) {
        double x = weight_at(w, h, j);
        uint64_t rank = rank_of(x);
        if (rank > least || (rank == least && equal-- > 0))
            add_row(v, h, j, x, to);
    }
}

/* From the mean of all heads. */
static double distance_of(const attn_tensor *vectors, int64_t h)
{
    double sum = 0;
    for (int64_t c = 0; c < vectors->shape[1]; c++) {
        double mean = 0, own = 0;
        for (int64_t g = 0; g < vectors->shape[0]; g++) {
            double x = attn__load_f64(
                vectors->data, g * vectors->stride[0] + c * vectors->stride[1], vectors->dtype);
            mean += x / (double)vectors->shape[0];
            own = g == h ? x : own;
        }
        sum += (own - mean) * (own - mean);
    }
    return sqrt(sum);
}

static double distance_at(const attn_tensor *distances, int64_t h)
{
    return attn__load_f64(distances->data, h * distances->stride[0], distances->dtype);
}

/* How many heads are farther, or as far and in front. */
static int64_t place_of(const attn_tensor *distances, int64_t h)
{
    int64_t n = 0;
    uint64_t own = rank_of(distance_at(distances, h));
    for (int64_t g = 0; g < distances->shape[0]; g++) {
        uint64_t other = rank_of(distance_at(distances, g));
        n += other > own || (other == own && g < h);
    }
    return n;
}

void attn__task_kv_heads(const attn_tensor *weights, const attn_tensor *v, int64_t top,
                         int64_t n_full, const attn_tensor *vectors,
                         const attn_tensor *distances, const attn_tensor *full)
{
    int64_t heads = weights->shape[0];
    for (int64_t h = 0; h < heads; h++)
        semantic_vector(weights, v, h, attn__min_i64(top, weights->shape[1]), vectors);
    for (int64_t h = 0; h < heads; h++)
        attn__store_f64(distances->data, h * distances->stride[0], distances->dtype,
                        distance_of(vectors, h));
    for (int64_t h = 0; h < heads; h++) {
        int64_t place = place_of(distances, h), far = n_full > 1 ? n_full - 1 : n_full;
        bool nearest = n_full > 1 && place == heads - 1;
        attn__store_i64(full->data, h * full->stride[0], full->dtype, place < far || nearest);
    }
}
