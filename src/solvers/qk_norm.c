/* SPDX-License-Identifier: MIT */
/*
 * Normalising the rows of Q and K.
 */
#include "solvers/qk_norm.h"

/* Squares that add up to less or more than this are taken in double. */
#define LEAST 1e-30f
#define MOST 1e+30f

/* What a row with that sum of squares is multiplied by. A row of zeros stays
 * one. */
static double factor(const struct attn__qk_norm *n, int64_t d, double squares)
{
    bool l2 = n->kind == ATTN_QK_NORM_L2;
    double size = l2 ? fmax(sqrt(squares), n->eps) : sqrt(squares / (double)d + n->eps);
    if (squares != squares)
        size = squares;
    return size == 0 ? 0 : 1 / size;
}

/* The mean that is taken off, and the factor. */
static void statistics(const struct attn__qk_norm *n, int64_t d, const double *x, double *mean,
                       double *f)
{
    double sum = 0, squares = 0;
    for (int64_t e = 0; e < d && n->kind == ATTN_QK_NORM_LAYER; e++)
        sum += x[e];
    *mean = sum / (double)d;
    for (int64_t e = 0; e < d; e++)
        squares += (x[e] - *mean) * (x[e] - *mean);
    *f = factor(n, d, squares);
}

/* Weights or biases of a head: element e at base + e * col. */
static struct attn__rows vector(const struct attn__call *c, bool keys, enum attn__slot q,
                                enum attn__slot k, int64_t h)
{
    const attn_tensor *t = &c->t[keys ? k : q];
    int64_t head = keys ? c->p->k_head[h] : c->p->q_head[h];
    struct attn__rows r = {.col = t->stride[t->rank - 1], .dtype = t->dtype};
    int64_t at = t->rank == 2 ? head * t->stride[0] : 0;
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

struct affine {
    const struct attn__qk_norm *n;
    struct attn__rows w, b;
};

static struct affine affine_of(const struct attn__call *c, bool keys, int64_t h)
{
    struct affine a = {.n = &c->p->qk_norm};
    if (a.n->weight)
        a.w = vector(c, keys, ATTN__SLOT_Q_NORM_W, ATTN__SLOT_K_NORM_W, h);
    if (a.n->bias)
        a.b = vector(c, keys, ATTN__SLOT_Q_NORM_B, ATTN__SLOT_K_NORM_B, h);
    return a;
}

/* Sums that f32 cannot hold, in double; mean and factor still fit. */
static void careful(const struct attn__qk_norm *n, int64_t d, float *x)
{
    double sum = 0, squares = 0;
    for (int64_t e = 0; e < d && n->kind == ATTN_QK_NORM_LAYER; e++)
        sum += x[e];
    double mean = sum / (double)d;
    for (int64_t e = 0; e < d; e++)
        squares += ((double)x[e] - mean) * ((double)x[e] - mean);
    double f = factor(n, d, squares);
    for (int64_t e = 0; e < d; e++)
        x[e] = (float)(((double)x[e] - mean) * f);
}

void attn__qk_norm_rows(const struct attn__call *c, const struct attn__kernels *kern, bool keys,
                        int64_t h, int64_t rows, float *x, int64_t ld)
{
    struct affine a = affine_of(c, keys, h);
    int64_t d = c->p->d;
    bool plain = (!a.n->weight || attn__rows_plain(&a.w, ATTN_DTYPE_F32)) &&
                 (!a.n->bias || attn__rows_plain(&a.b, ATTN_DTYPE_F32));
    const float *w = plain && a.n->weight ? (const float *)(const void *)a.w.base : NULL;
    const float *b = plain && a.n->bias ? (const float *)(const void *)a.b.base : NULL;
    float more = a.n->plus_one ? 1 : 0;
    for (int64_t i = 0; i < rows; i++, x += ld) {
        float mean = a.n->kind == ATTN_QK_NORM_LAYER ? kern->vec_sum(x, d) / (float)d : 0;
        float squares = kern->vec_sumsq(x, d, mean);
        if (squares > LEAST && squares < MOST) {
            kern->vec_affine(x, d, mean, (float)factor(a.n, d, squares), w, more, b);
        } else {
            careful(a.n, d, x);
            kern->vec_affine(x, d, 0, 1, w, more, b);
        }
        for (int64_t e = 0; e < d && !plain; e++) {
            if (a.n->weight)
                x[e] *= (float)attn__rows_load(&a.w, 0, e) + more;
            if (a.n->bias)
                x[e] += (float)attn__rows_load(&a.b, 0, e);
        }
    }
}

void attn__qk_norm_f64(const struct attn__call *c, bool keys, int64_t h, double *x)
{
    struct affine a = affine_of(c, keys, h);
    double mean, f, more = a.n->plus_one ? 1 : 0;
    statistics(a.n, c->p->d, x, &mean, &f);
    for (int64_t e = 0; e < c->p->d; e++) {
        x[e] = (x[e] - mean) * f;
        if (a.n->weight)
            x[e] *= attn__rows_load(&a.w, 0, e) + more;
        if (a.n->bias)
            x[e] += attn__rows_load(&a.b, 0, e);
    }
}
