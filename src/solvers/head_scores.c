/* SPDX-License-Identifier: MIT */
/*
 * Figures of heads from what executes gave out. Sums are f64, whatever the
 * arrays hold.
 */
#include "solvers/head_scores.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/checked.h"
#include "base/dtype.h"

static int64_t index_at(const attn_tensor *t, int64_t at)
{
    return attn__load_i64(t->data, at, t->dtype);
}

/* Does one of the positions of token t and head h point at that token? */
static bool hits(const attn_tensor *positions, int64_t t, int64_t h, int64_t token,
                 const attn_tensor *prompt, int64_t start, int64_t end)
{
    int64_t n = positions->rank == 3 ? positions->shape[2] : 1;
    int64_t step = positions->rank == 3 ? positions->stride[2] : 0;
    int64_t at = t * positions->stride[0] + h * positions->stride[1];
    for (int64_t x = 0; x < n; x++) {
        int64_t j = index_at(positions, at + x * step);
        if (j >= start && j < end && index_at(prompt, j * prompt->stride[0]) == token)
            return true;
    }
    return false;
}

void attn__head_scores_retrieval(const attn_tensor *positions, const attn_tensor *generated,
                                 const attn_tensor *prompt, int64_t start, int64_t end,
                                 const attn_tensor *scores)
{
    for (int64_t h = 0; h < scores->shape[0]; h++) {
        int64_t count = 0;
        for (int64_t t = 0; t < generated->shape[0]; t++)
            count += hits(positions, t, h, index_at(generated, t * generated->stride[0]), prompt,
                          start, end);
        attn__store_f64(scores->data, h * scores->stride[0], scores->dtype,
                        (double)count / (double)(end - start));
    }
}

/* Adds up over row i of one head. */
static void razor_row(const attn_tensor *p, int64_t at, int64_t i, int64_t period, int64_t bos,
                      double *echo, double *induction)
{
    for (int64_t j = bos + (i - bos) % period; j < i; j += period) {
        *echo += attn__load_f64(p->data, at + j * p->stride[3], p->dtype);
        *induction += attn__load_f64(p->data, at + (j + 1) * p->stride[3], p->dtype);
    }
}

void attn__head_scores_razor(const attn_tensor *probs, int64_t period, int64_t bos,
                             const attn_tensor *echo, const attn_tensor *induction)
{
    int64_t n = probs->shape[2];
    /* period and bos may be anything: without the first copy there are no rows */
    int64_t first = bos < n && period < n - bos ? bos + period : n;
    for (int64_t b = 0; b < probs->shape[0]; b++)
        for (int64_t h = 0; h < probs->shape[1]; h++) {
            double e = 0, d = 0, rows = (double)attn__max_i64(n - first, 1);
            int64_t at = b * probs->stride[0] + h * probs->stride[1];
            for (int64_t i = first; i < n; i++)
                razor_row(probs, at + i * probs->stride[2], i, period, bos, &e, &d);
            attn__store_f64(echo->data, b * echo->stride[0] + h * echo->stride[1], echo->dtype,
                            e / rows);
            attn__store_f64(induction->data,
                            b * induction->stride[0] + h * induction->stride[1],
                            induction->dtype, d / rows);
        }
}

double attn__head_scores_distance(const attn_tensor *x, int64_t x_at, int64_t x_step,
                                  const attn_tensor *y, int64_t y_at, int64_t y_step, int64_t n)
{
    double sum = 0;
    for (int64_t c = 0; c < n; c++) {
        double d = attn__load_f64(x->data, x_at + c * x_step, x->dtype) -
                   attn__load_f64(y->data, y_at + c * y_step, y->dtype);
        sum += d * d;
    }
    return sqrt(sum);
}

void attn__head_scores_vhd(const attn_tensor *with, const attn_tensor *without,
                           const attn_tensor *distances)
{
    const attn_tensor *x = with, *y = without, *to = distances;
    for (int64_t b = 0; b < to->shape[0]; b++)
        for (int64_t h = 0; h < to->shape[1]; h++)
            for (int64_t i = 0; i < to->shape[2]; i++) {
                int64_t x_at = b * x->stride[0] + h * x->stride[1] + i * x->stride[2];
                int64_t y_at = b * y->stride[0] + h * y->stride[1] + i * y->stride[2];
                attn__store_f64(to->data,
                                b * to->stride[0] + h * to->stride[1] + i * to->stride[2],
                                to->dtype,
                                attn__head_scores_distance(x, x_at, x->stride[3], y, y_at,
                                                           y->stride[3], x->shape[3]));
            }
}

/* Columns of a row of the product that are summed at a time. */
enum { COLUMNS = 256 };

/* sum[c] += factor * (element at + c * step) for c < n; the types that
 * products are made of without a call per element. */
static void add_row(double *sum, double factor, const attn_tensor *t, int64_t at, int64_t step,
                    int64_t n)
{
    const char *base = t->data;
    if (t->dtype == ATTN_DTYPE_F32 && step == 1) {
        float row[COLUMNS];
        memcpy(row, base + at * (int64_t)sizeof *row, (size_t)n * sizeof *row);
        for (int64_t c = 0; c < n; c++)
            sum[c] += factor * (double)row[c];
        return;
    }
    for (int64_t c = 0; c < n; c++)
        sum[c] += factor * attn__load_f64(base, at + c * step, t->dtype);
}

/* Weight of key j in row i, the mean over the heads. */
static double mean_weight(const attn_tensor *p, int64_t b, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t h = 0; h < p->shape[1]; h++)
        sum += attn__load_f64(p->data,
                              b * p->stride[0] + h * p->stride[1] + i * p->stride[2] +
                                  j * p->stride[3],
                              p->dtype);
    return sum / (double)p->shape[1];
}

/* Columns c0 to c0 + n - 1 of row i. */
static void rollout_part(const attn_tensor *probs, double residual, const attn_tensor *before,
                         int64_t b, int64_t i, int64_t c0, int64_t n, double *sum)
{
    memset(sum, 0, (size_t)n * sizeof *sum);
    if (!before) {
        for (int64_t c = 0; c < n; c++)
            sum[c] = residual * mean_weight(probs, b, i, c0 + c);
        if (i >= c0 && i < c0 + n)
            sum[i - c0] += 1 - residual;
        return;
    }
    int64_t at = b * before->stride[0] + c0 * before->stride[2];
    for (int64_t j = 0; j < probs->shape[3]; j++)
        add_row(sum, residual * mean_weight(probs, b, i, j), before,
                at + j * before->stride[1], before->stride[2], n);
    add_row(sum, 1 - residual, before, at + i * before->stride[1], before->stride[2], n);
}

void attn__head_scores_rollout(const attn_tensor *probs, double residual,
                               const attn_tensor *before, const attn_tensor *after)
{
    double sum[COLUMNS];
    int64_t n = after->shape[1];
    for (int64_t b = 0; b < after->shape[0]; b++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t c0 = 0; c0 < n; c0 += COLUMNS) {
                int64_t part = attn__min_i64(COLUMNS, n - c0);
                int64_t at = b * after->stride[0] + i * after->stride[1] + c0 * after->stride[2];
                rollout_part(probs, residual, before, b, i, c0, part, sum);
                for (int64_t c = 0; c < part; c++)
                    attn__store_f64(after->data, at + c * after->stride[2], after->dtype, sum[c]);
            }
}
