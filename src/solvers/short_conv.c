/* SPDX-License-Identifier: MIT */
/*
 * A strip of channels at a time, token by token.
 */
#include "solvers/short_conv.h"

#include <math.h>

#include "kernels/map.h"
#include "solvers/channels.h"

/* A strip of one sequence's channels. */
struct strip {
    int64_t b, c, width, taps;
    double weight[ATTN__SHORT_CONV_TAPS][ATTN__CHANNELS], bias[ATTN__CHANNELS];
};

/* [B,N,C] as a view of one head. */
static attn_tensor one_head(const attn_tensor *t)
{
    return (attn_tensor){.data = t->data, .dtype = t->dtype, .rank = 4,
                         .shape = {t->shape[0], 1, t->shape[1], t->shape[2]},
                         .stride = {t->stride[0], 0, t->stride[1], t->stride[2]}};
}

static void load_weights(const struct attn__short_conv *a, struct strip *s)
{
    const attn_tensor *w = a->weight, *bias = a->bias;
    for (int64_t e = 0; e < s->width; e++) {
        int64_t c = s->c + e;
        for (int64_t i = 0; i < s->taps; i++)
            s->weight[i][e] =
                attn__load_f64(w->data, c * w->stride[0] + i * w->stride[1], w->dtype);
        s->bias[e] = bias ? attn__load_f64(bias->data, c * bias->stride[0], bias->dtype) : 0;
    }
}

/* Input n, which may be one in front of x; false where there is none. */
static bool input(const struct attn__short_conv *a, const struct strip *s, int64_t n, double *row)
{
    const attn_tensor *from = n < 0 ? a->state : a->x;
    if (!from)
        return false;
    attn_tensor t = one_head(from);
    attn__channels_load(&t, s->b, 0, n < 0 ? n + s->taps - 1 : n, s->c, s->width, row);
    return true;
}

static void store(const struct attn__kernels *kern, const struct attn__short_conv *a,
                  const struct strip *s, int64_t n, double *sum)
{
    attn_tensor y = one_head(a->y);
    float row[ATTN__CHANNELS];
    if (a->silu && y.dtype != ATTN_DTYPE_F64) {
        for (int64_t e = 0; e < s->width; e++)
            row[e] = (float)sum[e];
        kern->vec_map(ATTN__MAP_silu, row, s->width);
        for (int64_t e = 0; e < s->width; e++)
            sum[e] = row[e];
    } else if (a->silu) {
        for (int64_t e = 0; e < s->width; e++)
            sum[e] /= 1 + exp(-sum[e]);
    }
    attn__channels_store(&y, s->b, 0, n, s->c, s->width, sum);
}

/* The last inputs, in order: one is never needed after it was overwritten. */
static void keep(const struct attn__short_conv *a, const struct strip *s)
{
    int64_t n = a->x->shape[1];
    double row[ATTN__CHANNELS];
    for (int64_t i = 0; a->state && i < s->taps - 1; i++) {
        attn_tensor t = one_head(a->state);
        input(a, s, n - (s->taps - 1) + i, row);
        attn__channels_store(&t, s->b, 0, i, s->c, s->width, row);
    }
}

static void convolve(const struct attn__kernels *kern, const struct attn__short_conv *a,
                     struct strip *s)
{
    double sum[ATTN__CHANNELS], row[ATTN__CHANNELS];
    load_weights(a, s);
    for (int64_t n = 0; n < a->x->shape[1]; n++) {
        for (int64_t e = 0; e < s->width; e++)
            sum[e] = s->bias[e];
        for (int64_t i = 0; i < s->taps; i++) {
            if (!input(a, s, n - s->taps + 1 + i, row))
                continue;
            for (int64_t e = 0; e < s->width; e++)
                sum[e] += s->weight[i][e] * row[e];
        }
        store(kern, a, s, n, sum);
    }
    keep(a, s);
}

/* What the threads share. */
struct work {
    const struct attn__kernels *kern;
    const struct attn__short_conv *a;
    int64_t strips; /* of a sequence */
};

static void convolve_strip(void *arg, int64_t index)
{
    const struct work *w = arg;
    struct strip s = {.b = index / w->strips, .c = index % w->strips * ATTN__CHANNELS,
                      .taps = w->a->weight->shape[1]};
    s.width = attn__min_i64(ATTN__CHANNELS, w->a->x->shape[2] - s.c);
    convolve(w->kern, w->a, &s);
}

bool attn__short_conv_is_large(const struct attn__short_conv *a)
{
    return (double)a->x->shape[0] * (double)a->x->shape[1] * (double)a->x->shape[2] *
               (double)a->weight->shape[1] >=
           1 << 17;
}

void attn__short_conv(const struct attn__kernels *kern, struct attn__threads *threads,
                      const struct attn__short_conv *a)
{
    const struct work w = {
        kern, a, (a->x->shape[2] + ATTN__CHANNELS - 1) / ATTN__CHANNELS};
    int64_t n = a->x->shape[0] * w.strips;
    if (threads) {
        attn__threads_run(threads, n, convolve_strip, (void *)(uintptr_t)&w);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        convolve_strip((void *)(uintptr_t)&w, i);
}
