/* SPDX-License-Identifier: MIT */
/*
 * Rows before their product and after their sum, by definition.
 */
#include "oracle_rows.h"

#include <math.h>
#include <stddef.h>

#include <attn/attn.h>

void oracle_qk_norm(const struct oracle_qk_norm *n, int64_t d, const double *w, const double *b,
                    double *x)
{
    double mean = 0, squares = 0, size;
    for (int64_t e = 0; e < d; e++)
        mean += x[e];
    mean = n->kind == ATTN_QK_NORM_LAYER ? mean / (double)d : 0; /* of equal numbers: exact */
    for (int64_t e = 0; e < d; e++)
        squares += (x[e] - mean) * (x[e] - mean);
    size = sqrt(squares / (double)d + n->eps);
    if (n->kind == ATTN_QK_NORM_L2)
        size = isnan(squares) ? squares : fmax(sqrt(squares), n->eps);
    for (int64_t e = 0; e < d; e++) {
        x[e] = size == 0 ? 0 : (x[e] - mean) / size;
        if (w)
            x[e] *= w[e] + (n->plus_one ? 1 : 0);
        if (b)
            x[e] += b[e];
    }
}

/* The frequency of pair c before scaling that looks at frequencies. */
static double plain_freq(const struct oracle_rope *r, int64_t n_keys, int64_t c)
{
    double base = r->base, dim = (double)r->dim, grow = dim / (dim - 2);
    if (r->scaling == ATTN_ROPE_SCALING_NTK)
        base *= pow(r->factor, grow);
    if (r->scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK && (double)n_keys > r->original)
        base *= pow(r->factor * (double)n_keys / r->original - (r->factor - 1), grow);
    return pow(base, -2.0 * (double)c / dim);
}

static double yarn_freq(const struct oracle_rope *r, int64_t c, double freq)
{
    double dim = (double)r->dim, edge[2] = {r->beta_fast, r->beta_slow};
    if (r->factor <= 1)
        return freq;
    for (int n = 0; n < 2; n++)
        edge[n] = dim * log(r->original / (edge[n] * 2 * M_PI)) / (2 * log(r->base));
    double lo = fmax(r->truncate ? floor(edge[0]) : edge[0], 0);
    double hi = fmin(r->truncate ? ceil(edge[1]) : edge[1], dim - 1);
    hi = lo == hi ? hi + 0.001 : hi;
    double ramp = ((double)c - lo) / (hi - lo);
    ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
    return freq / r->factor * ramp + freq * (1 - ramp);
}

static double llama3_freq(const struct oracle_rope *r, double freq)
{
    double wave = 2 * M_PI / freq;
    if (wave > r->original / r->low)
        return freq / r->factor;
    if (wave < r->original / r->high)
        return freq;
    double smooth = (r->original / wave - r->low) / (r->high - r->low);
    return (1 - smooth) * freq / r->factor + smooth * freq;
}

static double freq_of(const struct oracle_rope *r, int64_t n_keys, int64_t c)
{
    if (r->freqs)
        return r->freqs[c];
    double freq = plain_freq(r, n_keys, c);
    switch (r->scaling) {
    case ATTN_ROPE_SCALING_LINEAR:
        return freq / r->factor;
    case ATTN_ROPE_SCALING_YARN:
        return yarn_freq(r, c, freq);
    case ATTN_ROPE_SCALING_LLAMA3:
        return llama3_freq(r, freq);
    default:
        return freq;
    }
}

void oracle_rope_row(const struct oracle_rope *r, int64_t n_keys, int64_t position, double *x)
{
    double attention = 1;
    if (!isnan(r->attention))
        attention = r->attention;
    else if (r->scaling == ATTN_ROPE_SCALING_YARN && r->factor > 1 && isnan(r->mscale))
        attention = 0.1 * log(r->factor) + 1;
    for (int64_t c = 0; c < r->dim / 2; c++) {
        /* the product as a sum of two doubles, without rounding */
        double freq = freq_of(r, n_keys, c), angle = (double)position * freq;
        double rest = fma((double)position, freq, -angle);
        long double x0 = cosl(angle), y0 = sinl(angle), x1 = cosl(rest), y1 = sinl(rest);
        double co = (double)((x0 * x1 - y0 * y1) * attention);
        double si = (double)((y0 * x1 + x0 * y1) * attention);
        int64_t a = r->pairing == ATTN_ROPE_HALF ? c : 2 * c;
        int64_t b = r->pairing == ATTN_ROPE_HALF ? c + r->dim / 2 : 2 * c + 1;
        double u = x[a], v = x[b];
        x[a] = u * co - v * si;
        x[b] = v * co + u * si;
    }
}

double oracle_rope_scale(const struct oracle_rope *r)
{
    if (r->pairing == ATTN_ROPE_NONE || isnan(r->mscale) || r->factor <= 1)
        return 1;
    double m = 0.1 * r->mscale * log(r->factor) + 1;
    return m * m;
}

void oracle_epilogue(const struct oracle_epilogue *x, int64_t n, double *o, double *size,
                     double *error)
{
    double squares = 0, f = x->has_scale ? x->out_scale : 1;
    for (int64_t e = 0; e < n; e++)
        squares += o[e] * o[e];
    if (x->norm)
        f /= sqrt(squares / (double)n + x->eps);
    for (int64_t e = 0; e < n; e++) {
        double by = squares != 0 ? f * (x->w ? x->w[e] : 1) : 1; /* zeros stay */
        if (squares != 0 && x->gate == ATTN_OUT_GATE_SIGMOID)
            by *= 1 / (1 + exp(-x->gates[e]));
        else if (squares != 0 && x->gate == ATTN_OUT_GATE_MULTIPLY)
            by *= x->gates[e];
        o[e] *= by;
        size[e] *= fabs(by);
        error[e] *= fabs(by);
        if (x->target && x->alpha == 1) { /* replaced, whatever it was */
            o[e] = x->target[e];
            size[e] = fabs(x->target[e]);
            error[e] = 0;
        } else if (x->target && x->alpha != 0) {
            o[e] = (1 - x->alpha) * o[e] + x->alpha * x->target[e];
            size[e] += fabs(x->alpha * x->target[e]);
            error[e] *= fabs(1 - x->alpha);
        }
        o[e] *= x->factor;
        size[e] *= fabs(x->factor);
        error[e] *= fabs(x->factor);
    }
}
