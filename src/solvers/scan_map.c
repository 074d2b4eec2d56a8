/* SPDX-License-Identifier: MIT */
/*
 * The feature maps, row by row; desc.h has their formulas.
 */
#include "solvers/scan_map.h"

#include <math.h>
#include <string.h>

#include "kernels/map.h"

bool attn__scan_map_in_place(const struct attn__problem *p)
{
    return p->scan.map <= ATTN_FEATURE_SOFTMAX;
}

static void softmax(const struct attn__kernels *kern, float *s, int64_t n)
{
    float most = kern->row_max(s, n);
    for (int64_t i = 0; i < n; i++)
        s[i] -= most;
    kern->vec_map(ATTN__MAP_exp, s, n);
    kern->vec_scale(s, n, 1.0f / kern->vec_sum(s, n));
}

/* Maps of each number by itself, or of one row by itself, in place. */
static void plain(const struct attn__scan_map *m, float *s)
{
    static const int32_t kernel[] = {
        [ATTN_FEATURE_RELU2] = ATTN__MAP_relu2,     [ATTN_FEATURE_ELU1] = ATTN__MAP_elu1,
        [ATTN_FEATURE_EXP] = ATTN__MAP_exp,         [ATTN_FEATURE_SIGMOID] = ATTN__MAP_sigmoid,
        [ATTN_FEATURE_SILU] = ATTN__MAP_silu,
    };
    int64_t d = m->p->d;
    float eps = (float)m->p->scan.map_eps;
    switch (m->p->scan.map) {
    case ATTN_FEATURE_IDENTITY:
        return;
    case ATTN_FEATURE_RELU:
        for (int64_t i = 0; i < d; i++)
            s[i] = s[i] < eps ? eps : s[i];
        return;
    case ATTN_FEATURE_SOFTMAX:
        softmax(m->kern, s, d);
        return;
    default:
        m->kern->vec_map(kernel[m->p->scan.map], s, d);
    }
}

/* e^y and e^-y, or their two kinds of softmax. */
static void hedgehog(const struct attn__scan_map *m, const float *y, float *o)
{
    int64_t f = m->p->scan.columns;
    int32_t map = m->p->scan.map;
    float factor = map == ATTN_FEATURE_HEDGEHOG_JOINT ? 2.0f : 1.0f;
    float eps = (float)m->p->scan.map_eps;
    for (int64_t i = 0; i < f; i++) {
        o[i] = factor * y[i];
        o[f + i] = -o[i];
    }
    if (map == ATTN_FEATURE_HEDGEHOG_EXP) {
        m->kern->vec_map(ATTN__MAP_exp, o, 2 * f);
        return;
    }
    if (map == ATTN_FEATURE_HEDGEHOG_JOINT) {
        softmax(m->kern, o, 2 * f);
        return;
    }
    softmax(m->kern, o, f);
    softmax(m->kern, o + f, f);
    for (int64_t i = 0; i < 2 * f; i++)
        o[i] = o[i] < eps ? eps : o[i];
}

float attn__scan_map_favor_factor(const struct attn__problem *p)
{
    return (float)(1 / sqrt(sqrt((double)p->d)));
}

/* Random features; y = x w without the factor d^(-1/4). */
static void favor(const struct attn__scan_map *m, const float *x, const float *y, float *o)
{
    int64_t f = m->p->scan.columns;
    double root = sqrt((double)m->p->d);
    float factor = attn__scan_map_favor_factor(m->p);
    float half = m->kern->vec_sumsq(x, m->p->d, 0) * 0.5f;
    float off = half / (float)root, eps = (float)m->p->scan.map_eps;
    if (m->p->scan.map == ATTN_FEATURE_FAVOR) {
        if (m->p->scan.map_max != ATTN_FEATURE_MAX_NONE)
            off += m->query ? m->kern->row_max(y, f) * factor : (float)m->key_max;
        for (int64_t i = 0; i < f; i++)
            o[i] = y[i] * factor - off;
        m->kern->vec_map(ATTN__MAP_exp, o, f);
        for (int64_t i = 0; i < f; i++)
            o[i] = (o[i] + eps) / sqrtf((float)f);
        return;
    }
    off += (float)(0.5 * log(2.0 * (double)f));
    for (int64_t i = 0; i < f; i++) {
        o[i] = y[i] * factor - off;
        o[f + i] = -y[i] * factor - off;
    }
    m->kern->vec_map(ATTN__MAP_exp, o, 2 * f);
}

static void weighted(const struct attn__scan_map *m, int64_t i, float *o)
{
    const float *y = m->y + i * m->ldy;
    int64_t dk = m->p->scan.dk;
    switch (m->p->scan.map) {
    case ATTN_FEATURE_LINEAR:
        memcpy(o, y, (size_t)dk * sizeof *o);
        return;
    case ATTN_FEATURE_RELU_LINEAR:
        for (int64_t e = 0; e < dk; e++)
            o[e] = (y[e] < 0 ? 0 : y[e]) + (float)m->p->scan.map_eps;
        return;
    case ATTN_FEATURE_HADAMARD:
        for (int64_t e = 0; e < dk; e++)
            o[e] = y[e] * y[dk + e];
        return;
    case ATTN_FEATURE_FAVOR:
    case ATTN_FEATURE_FAVOR_HYP:
        favor(m, m->x + i * m->ldx, y, o);
        return;
    default:
        hedgehog(m, y, o);
    }
}

/* r = [max(x, 0), -max(x, 0)]; r[i] r[i - s] for the shifts s from 1 to 4. */
static void dpfp(const float *x, int64_t d, float *o)
{
    int64_t n = 2 * d;
    for (int64_t s = 1; s <= 4; s++)
        for (int64_t i = 0; i < n; i++) {
            int64_t j = (i - s + 4 * n) % n;
            float a = x[i % d] > 0 ? x[i % d] : 0, b = x[j % d] > 0 ? x[j % d] : 0;
            *o++ = (i < d) == (j < d) ? a * b : -(a * b);
        }
}

static void taylor(const float *x, int64_t d, float *o)
{
    float root = (float)(1 / sqrt(sqrt((double)d))), all = (float)(1 / sqrt(2.0 * (double)d));
    *o++ = 1;
    for (int64_t i = 0; i < d; i++)
        *o++ = x[i] * root;
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < d; j++)
            *o++ = x[i] * x[j] * all;
}

static void turned(const float *x, int64_t d, int64_t position, int64_t period, float *o)
{
    double angle = 1.57079632679489661923 * (double)(position + 1) / (double)period;
    float sine = (float)sin(angle), cosine = (float)cos(angle);
    for (int64_t i = 0; i < d; i++) {
        float r = x[i] < 0 ? 0 : x[i];
        o[i] = r * sine;
        o[d + i] = r * cosine;
    }
}

void attn__scan_map_weigh(const struct attn__scan_map *m)
{
    int64_t columns = m->p->scan.columns;
    for (int64_t i = 0; i < m->n; i++) {
        if (m->b)
            memcpy(m->y + i * m->ldy, m->b, (size_t)columns * sizeof *m->y);
        else
            memset(m->y + i * m->ldy, 0, (size_t)columns * sizeof *m->y);
    }
    m->kern->row_pv_f32(m->w, columns, m->p->d, columns, m->x, m->ldx, m->n, m->y, m->ldy, 0);
}

void attn__scan_map_run(const struct attn__scan_map *m)
{
    const struct attn__scan_spec *s = &m->p->scan;
    int64_t d = m->p->d;
    if (s->columns > 0)
        attn__scan_map_weigh(m);
    for (int64_t i = 0; i < m->n; i++) {
        const float *x = m->x + i * m->ldx;
        float *o = m->out + i * m->ldo;
        if (s->columns > 0)
            weighted(m, i, o);
        else if (s->map == ATTN_FEATURE_DPFP)
            dpfp(x, d, o);
        else if (s->map == ATTN_FEATURE_TAYLOR2)
            taylor(x, d, o);
        else if (s->map == ATTN_FEATURE_COSFORMER)
            turned(x, d, m->position + i, s->period, o);
        else
            plain(m, o);
    }
}
