/* SPDX-License-Identifier: MIT */
/*
 * Scores of a chunk of a linear recurrence. A decay per token is a factor on
 * each score. A decay per channel has to be split between the two factors of
 * the product, exp(reads - ref) and exp(ref - G), and neither may overflow: see
 * scores_block.
 */
#include "solvers/scan_scores.h"

#include "kernels/scan.h"

#include <math.h>
#include <string.h>

/*
 * Largest range of log decays for which one reference serves a block: the
 * largest factor is exp(MILD), the start being the reference, or exp(RANGE/2).
 */
#define ATTN__MILD 40.0f
#define ATTN__RANGE 80.0f

static void begin_scalar(struct attn__scan_work *w, const float *g)
{
    const double unit = 1.4426950408889634; /* base 2 from here on: row_exp2 */
    double sum[ATTN__SCAN_CHUNK + 1];
    float *left = w->fade + ATTN__SCAN_CHUNK + 1;
    sum[0] = 0;
    for (int64_t i = 0; i < w->n; i++)
        sum[i + 1] = sum[i] + (double)g[i];
    for (int64_t i = 0; i <= w->n; i++) {
        w->hi[i] = (float)sum[i];
        w->lo[i] = (float)(sum[i] - (double)w->hi[i]);
        w->fade[i] = (float)(unit * sum[i]);
    }
    for (int64_t i = 0; i < w->n; i++)
        left[i] = (float)(unit * (sum[w->n] - sum[i + 1]));
    w->kernels->row_exp2(w->fade, w->n + 1, 0.0f);
    w->kernels->row_exp2(left, w->n, 0.0f);
    for (int64_t c = 0; c < w->dk16; c++)
        w->f[c] = (float)exp(sum[w->n]);
    for (int32_t y = 0; y < w->writers; y++) {
        w->kernels->scan_scale(w->writer[y], w->dk16, w->n, w->dk16, left, w->carried_room[y],
                               w->dk16);
        w->carried[y] = w->carried_room[y];
    }
}

/* y[t] = x[t] exp(sign (G - ref)) for rows of G from `at` on; ref: w->ref or a row of G */
static void decayed(const struct attn__scan_work *w, float sign, int64_t at, const float *ref,
                    int64_t rows, int64_t count, const float *const *x, float *const *y)
{
    const float *low = ref == w->ref ? w->lo : w->lo + (ref - w->hi); /* row 0: zeros */
    w->kernels->scan_decay(sign, w->hi + at * w->dk16, w->lo + at * w->dk16, ref, low, rows,
                           w->dk16, count, x, w->dk16, y, w->dk16);
}

static void begin_channel(struct attn__scan_work *w, const float *g)
{
    const float *const ones = w->ones;
    const float *start = w->hi, *end = w->hi + w->n * w->dk16;
    w->kernels->scan_sums(g, w->dk16, w->n, w->dk16, w->hi, w->lo);
    w->mild = w->kernels->scan_range(start, end, w->dk16) <= ATTN__MILD;
    decayed(w, 1.0f, w->n, start, 1, 1, &ones, &w->f);
    decayed(w, -1.0f, 1, w->mild ? start : end, w->n, w->writers, w->writer, w->carried_room);
    for (int32_t y = 0; y < w->writers; y++)
        w->carried[y] = w->carried_room[y];
}

void attn__scan_scores_begin(struct attn__scan_work *w, const float *g)
{
    for (int64_t c = 0; c < w->dk16 || c < ATTN__SCAN_CHUNK; c++)
        w->ones[c] = 1.0f;
    memcpy(w->f, w->ones, (size_t)w->dk16 * sizeof *w->f);
    w->mild = false;
    for (int32_t y = 0; y < w->writers; y++)
        w->carried[y] = w->writer[y];
    if (w->decay == ATTN__CORE_SCALAR)
        begin_scalar(w, g);
    else if (w->decay == ATTN__CORE_CHANNEL)
        begin_channel(w, g);
    memcpy(w->h, w->mild ? w->f : w->ones, (size_t)w->dk16 * sizeof *w->h);
}

/*
 * The sets' rows from..from + rows - 1 as scan_decay wants them, those that
 * read before the decay or those that read after it; gives their number.
 */
static int64_t pick(const struct attn__scan_work *w, int32_t count, int32_t before, int64_t from,
                    bool part, const float **x, float **y)
{
    int64_t n = 0;
    for (int32_t t = 0; t < count; t++) {
        const struct attn__scan_set *s = &w->set[t];
        if (s->before == before) {
            x[n] = s->x + from * w->dk16;
            y[n++] = part ? s->part : s->room;
        }
    }
    return n;
}

/* room, or part, = x exp(reads - ref) of all sets */
static void read_decayed(const struct attn__scan_work *w, int32_t count, int64_t from,
                         int64_t rows, const float *ref, bool part)
{
    for (int32_t before = 0; before <= 1; before++) {
        const float *x[ATTN__SCAN_SETS];
        float *y[ATTN__SCAN_SETS];
        int64_t n = pick(w, count, before, from, part, x, y);
        if (n > 0)
            decayed(w, 1.0f, from + 1 - before, ref, rows, n, x, y);
    }
}

/* Scores of rows i..i + rows - 1 with tokens j..j + n - 1; `lower`: i is j. */
static void scores_with(const struct attn__scan_work *w, int32_t count, int64_t i, int64_t rows,
                        int64_t j, int64_t n, bool lower)
{
    read_decayed(w, count, i, rows, w->ref, true);
    for (int32_t y = 0; y < w->writers; y++) {
        const float *from = w->writer[y] + j * w->dk16;
        decayed(w, -1.0f, j + 1, w->ref, n, 1, &from, &w->writer_part);
        for (int32_t t = 0; t < count; t++)
            w->kernels->scan_dots(lower, w->set[t].part, w->dk16, rows, w->writer_part, w->dk16, n,
                                  w->dk, w->set[t].a[y] + i * ATTN__SCAN_LD + j, ATTN__SCAN_LD);
    }
}

/*
 * Scores of n tokens from `at` on with each other. If the decays among them
 * stay in a range for which exp(range / 2) is harmless, the middle of it is the
 * reference. Otherwise the tokens are halved: the later half reads the earlier
 * with the sums between the halves as reference, where both exponents are at
 * most 0, and each half comes by itself.
 */
static void scores_block(struct attn__scan_work *w, int32_t count, int64_t at, int64_t n)
{
    const float *first = w->hi + (at + 1) * w->dk16, *last = w->hi + (at + n) * w->dk16;
    if (n == 1 || w->kernels->scan_range(first, last, w->dk16) <= ATTN__RANGE) {
        for (int64_t c = 0; c < w->dk16; c++)
            w->ref[c] = 0.5f * (first[c] + last[c]);
        scores_with(w, count, at, n, at, n, true);
        return;
    }
    int64_t half = 1;
    while (2 * half < n)
        half *= 2;
    memcpy(w->ref, w->hi + (at + half) * w->dk16, (size_t)w->dk16 * sizeof *w->ref);
    scores_with(w, count, at + half, n - half, at, half, false);
    scores_block(w, count, at, half);
    scores_block(w, count, at + half, n - half);
}

/* All scores at once; `scaled`: of the rows that go along with what S takes over. */
static void scores_whole(struct attn__scan_work *w, int32_t count, bool scaled)
{
    for (int32_t t = 0; t < count; t++)
        for (int32_t y = 0; y < w->writers; y++)
            w->kernels->scan_dots(true, scaled ? w->set[t].room : w->set[t].x, w->dk16, w->n,
                                  scaled ? w->carried[y] : w->writer[y], w->dk16, w->n, w->dk,
                                  w->set[t].a[y], ATTN__SCAN_LD);
}

static void scores_scalar(struct attn__scan_work *w, int32_t count)
{
    scores_whole(w, count, false);
    for (int32_t t = 0; t < count; t++) {
        const struct attn__scan_set *s = &w->set[t];
        w->kernels->scan_scale(s->x, w->dk16, w->n, w->dk16, w->fade + 1 - s->before, s->room,
                               w->dk16);
        w->kernels->scan_fade(w->hi + 1 - s->before, w->lo + 1 - s->before, w->hi + 1, w->lo + 1,
                              w->n, w->writers, s->a, ATTN__SCAN_LD);
    }
}

void attn__scan_scores(struct attn__scan_work *w, int32_t count)
{
    for (int32_t t = 0; t < count; t++)
        w->set[t].scaled = w->decay == ATTN__CORE_STAYS ? w->set[t].x : w->set[t].room;
    switch (w->decay) {
    case ATTN__CORE_STAYS:
        scores_whole(w, count, false);
        break;
    case ATTN__CORE_SCALAR:
        scores_scalar(w, count);
        break;
    default:
        read_decayed(w, count, 0, w->n, w->hi, false);
        if (w->mild)
            scores_whole(w, count, true);
        else
            scores_block(w, count, 0, w->n);
    }
}
