/* SPDX-License-Identifier: MIT */
/*
 * Frequencies and tables of rotary positions.
 */
#include "problem/rope.h"

#include <math.h>

#include <attn/desc.h>

static double power(const struct attn__rope *r, double base, int64_t c)
{
    return pow(base, -2.0 * (double)c / (double)r->dim);
}

/* NTK-aware scaling: the base for which the slowest pair is `by` times slower
 * and the fastest as it was. */
static double wider_base(const struct attn__rope *r, double by)
{
    return r->base * pow(by, (double)r->dim / (double)(r->dim - 2));
}

/* YaRN (Peng et al., 2023): the pair that turns `turns` times in the length
 * of the training, counted with fractions. */
static double pair_of_turns(const struct attn__rope *r, double turns)
{
    return (double)r->dim * log(r->original / (turns * 2 * M_PI)) / (2 * log(r->base));
}

static void yarn(const struct attn__rope *r, double *freq)
{
    double lo = pair_of_turns(r, r->beta_fast), hi = pair_of_turns(r, r->beta_slow);
    if (r->truncate) {
        lo = floor(lo);
        hi = ceil(hi);
    }
    lo = fmax(lo, 0);
    hi = fmin(hi, (double)(r->dim - 1));
    if (lo == hi)
        hi += 0.001;
    for (int64_t c = 0; c < r->dim / 2; c++) {
        double ramp = fmin(fmax(((double)c - lo) / (hi - lo), 0), 1);
        freq[c] = freq[c] / r->factor * ramp + freq[c] * (1 - ramp);
    }
}

/* Llama 3 (2024): long waves are stretched, short ones kept, those between
 * mixed. */
static void llama3(const struct attn__rope *r, double *freq)
{
    for (int64_t c = 0; c < r->dim / 2; c++) {
        double wave = 2 * M_PI / freq[c];
        double keep = (r->original / wave - r->low) / (r->high - r->low);
        if (wave > r->original / r->low)
            freq[c] /= r->factor;
        else if (wave >= r->original / r->high)
            freq[c] = (1 - keep) * freq[c] / r->factor + keep * freq[c];
    }
}

void attn__rope_freqs(const struct attn__rope *r, int64_t n, double *freq)
{
    double base = r->base, f = r->factor;
    if (r->scaling == ATTN_ROPE_SCALING_NTK)
        base = wider_base(r, f);
    if (r->scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK && (double)n > r->original)
        base = wider_base(r, f * (double)n / r->original - (f - 1));
    for (int64_t c = 0; c < r->dim / 2; c++)
        freq[c] = power(r, base, c);
    if (r->scaling == ATTN_ROPE_SCALING_LINEAR)
        for (int64_t c = 0; c < r->dim / 2; c++)
            freq[c] /= f;
    if (r->scaling == ATTN_ROPE_SCALING_YARN && f > 1)
        yarn(r, freq);
    if (r->scaling == ATTN_ROPE_SCALING_LLAMA3)
        llama3(r, freq);
}

int64_t attn__rope_width(const struct attn__rope *r)
{
    return r->pairing == ATTN_ROPE_INTERLEAVED ? 2 * r->dim : r->dim;
}

size_t attn__rope_table_bytes(const struct attn__rope *r)
{
    /* dim is at most 65536 */
    size_t row = 2 * (size_t)r->dim * sizeof(double) +
                 (size_t)attn__rope_width(r) * sizeof(float);
    return ATTN__ROPE_ROWS * row;
}

void attn__rope_turn(double position, double freq, double *c, double *s)
{
    double angle = position * freq, rest = fma(position, freq, -angle);
    double x = cos(angle), y = sin(angle), u = cos(rest), v = sin(rest);
    *c = x * u - y * v;
    *s = y * u + x * v;
}

void attn__rope_narrow(const struct attn__rope *r, const double *turn, float *out)
{
    int64_t half = r->dim / 2;
    if (r->pairing != ATTN_ROPE_INTERLEAVED) {
        for (int64_t c = 0; c < r->dim; c++)
            out[c] = (float)turn[c];
        return;
    }
    /* cosines for both of a pair; sines with the sign that the other one of
     * the pair comes in with */
    for (int64_t c = 0; c < half; c++) {
        out[2 * c] = out[2 * c + 1] = (float)turn[c];
        out[r->dim + 2 * c] = (float)-turn[half + c];
        out[r->dim + 2 * c + 1] = (float)turn[half + c];
    }
}

/* Turns of positions r * step for r < 64. Rows that are not multiples of 8
 * are products, which costs a bit of the last place and saves most of the
 * sines. */
static void fill(const struct attn__rope *r, const double *freq, double step, double *rows)
{
    int64_t half = r->dim / 2;
    for (int64_t n = 0; n < ATTN__ROPE_ROWS; n++) {
        double *row = rows + n * r->dim;
        const double *a = rows + n / 8 * 8 * r->dim, *b = rows + n % 8 * r->dim;
        for (int64_t c = 0; c < half; c++) {
            if (n < 8 || n % 8 == 0) {
                attn__rope_turn((double)n * step, freq[c], &row[c], &row[half + c]);
                continue;
            }
            row[c] = a[c] * b[c] - a[half + c] * b[half + c];
            row[half + c] = a[half + c] * b[c] + a[c] * b[half + c];
        }
    }
}

void attn__rope_table_fill(const struct attn__rope *r, const double *freq, void *room,
                           struct attn__rope_table *t)
{
    double *low = room, *mid = low + ATTN__ROPE_ROWS * r->dim;
    float *low32 = (float *)(void *)(mid + ATTN__ROPE_ROWS * r->dim);
    int64_t width = attn__rope_width(r);
    fill(r, freq, 1, low);
    fill(r, freq, ATTN__ROPE_ROWS, mid);
    for (int64_t n = 0; n < ATTN__ROPE_ROWS; n++)
        attn__rope_narrow(r, low + n * r->dim, low32 + n * width);
    *t = (struct attn__rope_table){low, mid, low32};
}
