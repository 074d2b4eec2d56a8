/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch, in double: its keys make two matrices in a first
 * pass and go through one of them in a second.
 */
#include "solvers/map_gram.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"

enum { CLASSES = 2 };

struct job {
    const attn_tensor *from, *class_k, *to;
    double *room;
};

/* Two matrices, the row that is read and the row that is made. */
static int64_t doubles(int64_t d)
{
    return d * (CLASSES * d + 2);
}

double *attn__map_gram_take(struct attn__scratch *s, int64_t heads, int64_t d)
{
    int64_t n = 0; /* d is at most 65536 */
    s->ok = s->ok && attn__mul_i64(heads, doubles(d), &n);
    return ATTN__TAKE(s, n, double);
}

static int class_of(const struct job *j, int64_t b, int64_t n)
{
    const attn_tensor *t = j->class_k;
    int64_t at = (t->shape[0] == 1 ? 0 : b * t->stride[0]) + n * t->stride[1];
    return ((const uint8_t *)t->data)[at];
}

static void load(const attn_tensor *t, int64_t at, double *row)
{
    for (int64_t c = 0; c < t->shape[3]; c++)
        row[c] = attn__load_f64(t->data, at + c * t->stride[3], t->dtype);
}

/* to[c] += factor * from[c] */
static void add(double *to, double factor, const double *from, int64_t n)
{
    for (int64_t c = 0; c < n; c++)
        to[c] += factor * from[c];
}

/* 1 / |G|, or 0 if G is 0. */
static double inverse_norm(const double *g, int64_t d)
{
    double sum = 0;
    for (int64_t c = 0; c < d * d; c++)
        sum += g[c] * g[c];
    return sum == 0 ? 0 : 1 / sqrt(sum);
}

static void task(void *arg, int64_t index)
{
    const struct job *j = arg;
    const attn_tensor *from = j->from, *to = j->to;
    int64_t h = index % to->shape[1], b = index / to->shape[1], d = to->shape[3];
    int64_t start = b * from->stride[0] + h * from->stride[1];
    double *gram = j->room + index * doubles(d), *x = gram + CLASSES * d * d, *y = x + d;
    double inverse[CLASSES];

    memset(gram, 0, (size_t)(CLASSES * d * d) * sizeof *gram);
    for (int64_t n = 0; n < to->shape[2]; n++) {
        int class = class_of(j, b, n);
        if (class >= CLASSES)
            continue;
        load(from, start + n * from->stride[2], x);
        for (int64_t c = 0; c < d; c++)
            add(gram + (class * d + c) * d, x[c], x, d);
    }
    for (int class = 0; class < CLASSES; class++)
        inverse[class] = inverse_norm(gram + class * d * d, d);
    for (int64_t n = 0; n < to->shape[2]; n++) {
        int class = class_of(j, b, n), other = 1 - class;
        const double *made = x;
        load(from, start + n * from->stride[2], x);
        if (class < CLASSES && inverse[other] != 0) {
            memset(y, 0, (size_t)d * sizeof *y);
            for (int64_t c = 0; c < d; c++)
                add(y, x[c] * inverse[other], gram + (other * d + c) * d, d);
            made = y;
        }
        int64_t at = b * to->stride[0] + h * to->stride[1] + n * to->stride[2];
        for (int64_t c = 0; c < d; c++)
            attn__store_f64(to->data, at + c, to->dtype, made[c]);
    }
}

void attn__map_gram(struct attn__threads *threads, const attn_tensor *from,
                    const attn_tensor *class_k, double *room, const attn_tensor *to)
{
    struct job j = {from, class_k, to, room};
    attn__threads_run(threads, to->shape[0] * to->shape[1], task, &j);
}
