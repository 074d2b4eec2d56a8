/* SPDX-License-Identifier: MIT */
/*
 * One task a row of the image (of the tokens) of one head, a strip of channels
 * at a time.
 */
#include "solvers/map_depthwise.h"

#include <string.h>

#include "solvers/bilinear.h"
#include "solvers/channels.h"

enum { SIDE = 3, TAPS = SIDE * SIDE };

struct job {
    const attn_tensor *v, *filter, *bias, *out;
    const int64_t *v_head;
    const struct attn__image *from, *to;
    double factor;
};

/* A strip of one head's channels. */
struct strip {
    int64_t b, h, hv, c, width;
    double filter[TAPS][ATTN__CHANNELS], bias[ATTN__CHANNELS];
};

static void load_filter(const struct job *j, struct strip *s)
{
    const attn_tensor *f = j->filter;
    for (int64_t e = 0; e < s->width; e++) {
        int64_t channel = s->h * j->out->shape[3] + s->c + e;
        for (int64_t t = 0; t < TAPS; t++)
            s->filter[t][e] = attn__load_f64(f->data,
                                             channel * f->stride[0] + t / SIDE * f->stride[1] +
                                                 t % SIDE * f->stride[2],
                                             f->dtype);
        s->bias[e] = attn__load_f64(j->bias->data, channel * j->bias->stride[0], j->bias->dtype);
    }
}

/* sum += weight * the values at a point of their own image */
static void add_point(const struct job *j, const struct strip *s, int64_t y, int64_t x,
                      double weight, double *sum)
{
    double row[ATTN__CHANNELS];
    if (weight == 0)
        return;
    attn__channels_load(j->v, s->b, s->hv, j->from->first + y * j->from->columns + x, s->c,
                        s->width, row);
    for (int64_t e = 0; e < s->width; e++)
        sum[e] += weight * row[e];
}

/* The values at point y, x of the output's image. */
static void value_at(const struct job *j, const struct strip *s, int64_t y, int64_t x, double *to)
{
    if (j->from->rows == j->to->rows && j->from->columns == j->to->columns) {
        attn__channels_load(j->v, s->b, s->hv, j->from->first + y * j->from->columns + x, s->c,
                            s->width, to);
        return;
    }
    struct attn__between v = attn__bilinear(y, j->from->rows, j->to->rows);
    struct attn__between w = attn__bilinear(x, j->from->columns, j->to->columns);
    memset(to, 0, (size_t)s->width * sizeof *to);
    add_point(j, s, v.low, w.low, (1 - v.part) * (1 - w.part), to);
    add_point(j, s, v.low, w.high, (1 - v.part) * w.part, to);
    add_point(j, s, v.high, w.low, v.part * (1 - w.part), to);
    add_point(j, s, v.high, w.high, v.part * w.part, to);
}

static void convolve(const struct job *j, const struct strip *s, int64_t y, int64_t x)
{
    double sum[ATTN__CHANNELS], row[ATTN__CHANNELS];
    memcpy(sum, s->bias, (size_t)s->width * sizeof *sum);
    for (int64_t t = 0; t < TAPS; t++) {
        int64_t u = y + t / SIDE - 1, w = x + t % SIDE - 1;
        if (u < 0 || u >= j->to->rows || w < 0 || w >= j->to->columns)
            continue;
        value_at(j, s, u, w, row);
        for (int64_t e = 0; e < s->width; e++)
            sum[e] += s->filter[t][e] * row[e];
    }
    attn__channels_add(j->out, s->b, s->h, j->to->first + y * j->to->columns + x, s->c, s->width,
                       sum);
}

static void image_row(void *arg, int64_t index)
{
    const struct job *j = arg;
    int64_t heads = j->out->shape[1], d = j->out->shape[3], y = index % j->to->rows;
    struct strip s = {.h = index / j->to->rows % heads, .b = index / j->to->rows / heads};
    s.hv = j->v_head[s.h];
    for (s.c = 0; s.c < d; s.c += ATTN__CHANNELS) {
        s.width = attn__min_i64(ATTN__CHANNELS, d - s.c);
        load_filter(j, &s);
        for (int64_t x = 0; x < j->to->columns; x++)
            convolve(j, &s, y, x);
    }
}

void attn__map_depthwise(struct attn__threads *threads, const attn_tensor *v,
                         const int64_t *v_head, const struct attn__image *from,
                         const attn_tensor *filter, const attn_tensor *bias,
                         const struct attn__image *to, const attn_tensor *out)
{
    struct job j = {v, filter, bias, out, v_head, from, to, 0};
    attn__threads_run(threads, out->shape[0] * out->shape[1] * to->rows, image_row, &j);
}

static void share(void *arg, int64_t index)
{
    const struct job *j = arg;
    int64_t heads = j->out->shape[1], d = j->out->shape[3], b = index / heads, h = index % heads;
    double row[ATTN__CHANNELS];
    for (int64_t n = 0; n < j->out->shape[2]; n++) {
        for (int64_t c = 0; c < d; c += ATTN__CHANNELS) {
            int64_t width = attn__min_i64(ATTN__CHANNELS, d - c);
            attn__channels_load(j->v, b, j->v_head[h], n, c, width, row);
            for (int64_t e = 0; e < width; e++)
                row[e] *= j->factor;
            attn__channels_add(j->out, b, h, n, c, width, row);
        }
    }
}

void attn__map_share(struct attn__threads *threads, const attn_tensor *v, const int64_t *v_head,
                     double factor, const attn_tensor *out)
{
    struct job j = {.v = v, .out = out, .v_head = v_head, .factor = factor};
    attn__threads_run(threads, out->shape[0] * out->shape[1], share, &j);
}
