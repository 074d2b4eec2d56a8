/* SPDX-License-Identifier: MIT */
/*
 * Sums and products of one token at a time.
 */
#include "solvers/flow_sums.h"

#include <math.h>
#include <string.h>

enum { LANES = 4 }; /* sums that do not wait for one another */

void attn__flow_take(struct attn__scratch *s, int64_t d, struct attn__flow *f)
{
    f->d = d;
    f->k = ATTN__TAKE(s, d, double);
    f->q = ATTN__TAKE(s, d, double);
    f->k_out = ATTN__TAKE(s, d, double);
    f->q_in = ATTN__TAKE(s, d, double);
}

void attn__flow_clear(const struct attn__problem *p, struct attn__flow *f)
{
    double *sums[] = {f->k, f->q, f->k_out, f->q_in};
    for (size_t n = 0; n < sizeof sums / sizeof sums[0]; n++)
        memset(sums[n], 0, (size_t)f->d * sizeof *sums[n]);
    f->weights = 0;
    f->n = 0;
    f->clamp = p->own[0];
    f->eps = p->own[1];
}

static double dot(const struct attn__flow *f, const double *a, const double *b)
{
    double part[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= f->d; i += LANES)
        for (int64_t e = 0; e < LANES; e++)
            part[e] += (a[i + e] + f->eps) * (b[i + e] + f->eps);
    for (; i < f->d; i++)
        part[0] += (a[i] + f->eps) * (b[i] + f->eps);
    return (part[0] + part[1]) + (part[2] + part[3]);
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double limited(const struct attn__flow *f, double x)
{
    return x > f->clamp ? f->clamp : x < -f->clamp ? -f->clamp : x;
}

void attn__flow_add(double *sum, int64_t d, const double *row)
{
    for (int64_t e = 0; e < d; e++)
        sum[e] += row[e];
}

void attn__flow_add_flow(double *sum, int64_t d, const double *row, double flow)
{
    for (int64_t e = 0; e < d; e++)
        sum[e] += row[e] * flow;
}

struct attn__flow_factors attn__flow_token(struct attn__flow *f, const double *q, const double *k)
{
    f->n++;
    attn__flow_add(f->k, f->d, k);
    attn__flow_add(f->q, f->d, q);
    double n = (double)f->n, in = n / dot(f, q, f->k);
    attn__flow_add_flow(f->k_out, f->d, k, n / dot(f, k, f->q));
    attn__flow_add_flow(f->q_in, f->d, q, in);
    double weight = exp(limited(f, dot(f, k, f->q_in) / n));
    f->weights += weight;
    return (struct attn__flow_factors){in / n, weight / f->weights * n,
                                       sigmoid(dot(f, q, f->k_out) / n)};
}

double attn__flow_in(const struct attn__flow *f, const double *q)
{
    return 1 / dot(f, q, f->k);
}

double attn__flow_out(const struct attn__flow *f, const double *k)
{
    return 1 / dot(f, k, f->q);
}

double attn__flow_weight(const struct attn__flow *f, const double *k)
{
    return exp(limited(f, dot(f, k, f->q_in)));
}

double attn__flow_allocation(const struct attn__flow *f, const double *q, double ratio)
{
    return sigmoid(dot(f, q, f->k_out) * ratio);
}

/* Number i of the sums behind S. */
static int64_t place(const struct attn__flow *f, int64_t i, int64_t ld, int64_t dv)
{
    return (f->d + i / dv) * ld + i % dv;
}

void attn__flow_load(struct attn__flow *f, const float *S, int64_t ld, int64_t dv)
{
    double *sums[] = {f->k, f->q, f->k_out, f->q_in, &f->weights};
    for (int64_t n = 0, i = 0; n < 5; n++)
        for (int64_t e = 0; e < (n < 4 ? f->d : 1); e++, i += 2)
            sums[n][e] = (double)S[place(f, i, ld, dv)] + (double)S[place(f, i + 1, ld, dv)];
}

void attn__flow_store(const struct attn__flow *f, float *S, int64_t ld, int64_t dv)
{
    const double *sums[] = {f->k, f->q, f->k_out, f->q_in, &f->weights};
    for (int64_t n = 0, i = 0; n < 5; n++)
        for (int64_t e = 0; e < (n < 4 ? f->d : 1); e++, i += 2) {
            float high = (float)sums[n][e];
            S[place(f, i, ld, dv)] = high;
            S[place(f, i + 1, ld, dv)] = (float)(sums[n][e] - (double)high);
        }
}
