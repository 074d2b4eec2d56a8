/* SPDX-License-Identifier: MIT */
/*
 * The weighted sum of partial results. With m = max_p lse_p and
 * w_p = exp(lse_p - m), out = sum_p w_p out_p / sum_p w_p and
 * lse = m + ln sum_p w_p, in double precision and in the order of the parts.
 *
 * Nothing is kept per part, whose number is not bounded: a row is done in
 * blocks of columns, and the weights are computed again for each. A block is
 * read of all parts before it is written, and a row's lse after everything
 * else, so the result may replace one of the parts.
 */
#include "solvers/merge.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"

enum { BLOCK = 128 };

/* Where row (b, h, n) of a view begins, in elements. */
static int64_t row_at(const attn_tensor *t, const int64_t index[3])
{
    return index[0] * t->stride[0] + index[1] * t->stride[1] + index[2] * t->stride[2];
}

static double lse_at(const attn_tensor *t, const int64_t index[3])
{
    return attn__load_f64(t->data, row_at(t, index), t->dtype);
}

/* The largest lse, NaN if one is. */
static double lse_max(size_t n_parts, const attn_tensor *part_lse, const int64_t index[3])
{
    double m = -INFINITY;

    for (size_t p = 0; p < n_parts; p++) {
        double x = lse_at(&part_lse[p], index);
        m = isnan(m) || m > x ? m : x;
    }
    return m;
}

/* Weight of a part with lse > -inf. */
static double weight(double lse, double m)
{
    return exp(lse - m);
}

static double weight_sum(size_t n_parts, const attn_tensor *part_lse, const int64_t index[3],
                         double m)
{
    double sum = 0;

    for (size_t p = 0; p < n_parts; p++) {
        double x = lse_at(&part_lse[p], index);
        if (x != -INFINITY)
            sum += weight(x, m);
    }
    return sum;
}

static void add_block(double *sum, double w, const attn_tensor *t, int64_t at, int64_t n)
{
    const int64_t step = t->stride[3];
    const char *base = (const char *)t->data;
    float narrow[BLOCK];
    double wide[BLOCK];

    /* Dense rows in one go, which may begin anywhere: the same numbers. */
    if (step == 1 && t->dtype == ATTN_DTYPE_F32) {
        memcpy(narrow, base + at * (int64_t)sizeof *narrow, (size_t)n * sizeof *narrow);
        for (int64_t c = 0; c < n; c++)
            sum[c] += w * (double)narrow[c];
    } else if (step == 1 && t->dtype == ATTN_DTYPE_F64) {
        memcpy(wide, base + at * (int64_t)sizeof *wide, (size_t)n * sizeof *wide);
        for (int64_t c = 0; c < n; c++)
            sum[c] += w * wide[c];
    } else {
        for (int64_t c = 0; c < n; c++)
            sum[c] += w * attn__load_f64(base, at + c * step, t->dtype);
    }
}

static void store_block(const double *value, const attn_tensor *t, int64_t at, int64_t n)
{
    const int64_t step = t->stride[3];
    char *base = t->data;
    float narrow[BLOCK];

    if (step == 1 && t->dtype == ATTN_DTYPE_F32) {
        for (int64_t c = 0; c < n; c++)
            narrow[c] = (float)value[c];
        memcpy(base + at * (int64_t)sizeof *narrow, narrow, (size_t)n * sizeof *narrow);
    } else if (step == 1 && t->dtype == ATTN_DTYPE_F64) {
        memcpy(base + at * (int64_t)sizeof *value, value, (size_t)n * sizeof *value);
    } else {
        for (int64_t c = 0; c < n; c++)
            attn__store_f64(base, at + c * step, t->dtype, value[c]);
    }
}

static void merge_row(size_t n_parts, const attn_tensor *part_out, const attn_tensor *part_lse,
                      const attn_tensor *out, const attn_tensor *lse, const int64_t index[3])
{
    const int64_t d = out->shape[3];
    const double m = lse_max(n_parts, part_lse, index);
    const double total = weight_sum(n_parts, part_lse, index, m);

    for (int64_t c0 = 0; c0 < d; c0 += BLOCK) {
        const int64_t n = d - c0 < BLOCK ? d - c0 : BLOCK;
        double sum[BLOCK] = {0};

        for (size_t p = 0; p < n_parts; p++) {
            const attn_tensor *t = &part_out[p];
            double x = lse_at(&part_lse[p], index);

            if (x != -INFINITY)
                add_block(sum, weight(x, m), t, row_at(t, index) + c0 * t->stride[3], n);
        }
        /* Where no part has weight, m is -inf and the row sees no key. */
        for (int64_t c = 0; c < n && m != -INFINITY; c++)
            sum[c] /= total;
        store_block(sum, out, row_at(out, index) + c0 * out->stride[3], n);
    }
    if (lse)
        attn__store_f64(lse->data, row_at(lse, index), lse->dtype,
                        m == -INFINITY ? m : m + log(total));
}

void attn__merge_run(size_t n_parts, const attn_tensor *part_out, const attn_tensor *part_lse,
                     const attn_tensor *out, const attn_tensor *lse)
{
    int64_t i[3];

    for (i[0] = 0; i[0] < out->shape[0]; i[0]++)
        for (i[1] = 0; i[1] < out->shape[1]; i[1]++)
            for (i[2] = 0; i[2] < out->shape[2]; i[2]++)
                merge_row(n_parts, part_out, part_lse, out, lse, i);
}
