/* SPDX-License-Identifier: MIT */
/*
 * The formulas of the table in desc.h. Where a weight is made of one score, NaN
 * and +inf are that weight's; else they spoil the row.
 */
#include "solvers/norm_exact.h"

#include <math.h>

#include "solvers/entmax.h"

/* ln(1 + e^x) is e^x in double from here on, and no double at all from -746. */
#define FAR_BELOW (-40.0)

/* ln(1 + e^x) e^-base, where base is 0 if x is above FAR_BELOW. */
static double softplus(double x, double base)
{
    return x <= FAR_BELOW ? exp(x - base) : (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

/* Sums of ln(1 + e^x) are relative to the row's largest where all are small. */
static void rebase(struct attn__norm_exact *e, double x)
{
    double base = x <= FAR_BELOW ? x : 0;
    if (base <= e->base)
        return;
    double f = exp(e->base - base);
    e->a *= f;
    e->origin *= f;
    e->base = base;
}

/* 0 where the distribution function is hardly a double any more */
static double gelu(double x)
{
    double tail = 0.5 * erfc(-x * M_SQRT1_2);
    return tail < 0x1p-1000 ? 0 : x * tail;
}

static double sigmoid(double x)
{
    double t = exp(-fabs(x));
    return (x >= 0 ? 1 : t) / (1 + t);
}

static double power_of(double x, double power)
{
    return x != x ? x : !(x > 0) ? 0 : power == 1 ? x : pow(x, power);
}

/*
 * lssar's base N f / Z - o with f = softplus(x) and Z its sum over the n
 * scores of the row. A row of equal scores must give 0 at o = 1, not what
 * rounding leaves, for it is then divided by the largest: so with a score's f
 * as origin, Z = n origin + D, and the base is (N (f - origin) - D +
 * (N - n) origin) / Z, plus 1 - o.
 */
static double lssar_base(const struct attn__norm_exact *e, double x)
{
    double n = (double)e->n, z = n * e->origin + e->a;
    double f = softplus(x, e->base);
    double above = e->visible * (f - e->origin) - e->a + (e->visible - n) * e->origin;
    return z == 0 ? 0 : above / z + (1 - e->less);
}

int attn__norm_exact_begin(struct attn__norm_exact *e, const struct attn__norm *norm,
                           int64_t keys, int64_t visible, int64_t at, double *room)
{
    *e = (struct attn__norm_exact){.norm = norm, .keys = (double)keys, .room = room,
                                    .base = -INFINITY};
    e->visible = (double)visible;
    e->less = at < ATTN__LSSAR_FREE ? 0 : 1;
    if (norm->kind == ATTN_NORMALIZER_SIGMOID)
        e->shift = attn__norm_shift(norm, keys);
    e->factor = 1 / attn__norm_divisor(norm, keys, visible);
    const struct attn__norm_traits *t = attn__norm_traits(norm->kind);
    if (norm->kind == ATTN_NORMALIZER_LSSAR)
        return 2;
    return t->summed || t->whole_row || norm->kind == ATTN_NORMALIZER_L2_GELU;
}

static double alpha_of(const struct attn__norm *n)
{
    return n->kind == ATTN_NORMALIZER_SPARSEMAX ? 2 : n->power;
}

void attn__norm_exact_see(struct attn__norm_exact *e, double x)
{
    double y;
    if (!(x < INFINITY)) {
        e->spoilt = true;
        return;
    }
    switch (e->norm->kind) {
    case ATTN_NORMALIZER_SOFTPLUS:
        rebase(e, x);
        e->a += softplus(x, e->base);
        break;
    case ATTN_NORMALIZER_TAYLOR2:
        e->a += 1 + x + x * x / 2;
        break;
    case ATTN_NORMALIZER_GELU_L2:
        /* Squares relative to the largest so far: gelu(-30) squared is no
         * double. */
        y = gelu(x);
        if (y == 0)
            break;
        if (!(fabs(y) <= e->shift)) {
            e->a *= e->shift / y * (e->shift / y);
            e->shift = fabs(y);
        }
        e->a += y / e->shift * (y / e->shift);
        break;
    case ATTN_NORMALIZER_L2_GELU:
        e->a += x * x;
        break;
    case ATTN_NORMALIZER_LSSAR:
        if (e->pass == 0) {
            rebase(e, x);
            y = softplus(x, e->base);
            if (e->n++ == 0)
                e->origin = y;
            e->a += y - e->origin;
            break;
        }
        /* e->shift: the largest base so far, e->b: sum of (base / it)^power.
         * With visible keys by the thousand base^15 itself overflows f32, and
         * f64 is not far. */
        y = lssar_base(e, x);
        if (y <= 0)
            break;
        if (!(y <= e->shift)) {
            e->b *= power_of(e->shift / y, e->norm->power);
            e->shift = y;
        }
        e->b += power_of(y / e->shift, e->norm->power);
        break;
    default:
        e->room[e->n++] = x;
        break;
    }
}

/* The scores in room become (alpha - 1)(x - max), then the threshold. */
static void threshold(struct attn__norm_exact *e)
{
    double alpha = alpha_of(e->norm), max = -INFINITY, sum;
    for (int64_t i = 0; i < e->n; i++)
        max = e->room[i] > max ? e->room[i] : max;
    e->shift = max;
    if (e->n == 0)
        return;
    for (int64_t i = 0; i < e->n; i++)
        e->room[i] = (alpha - 1) * (e->room[i] - max);
    e->a = attn__entmax_threshold(e->room, e->n, alpha, &sum);
    e->factor = 1 / sum;
}

void attn__norm_exact_next(struct attn__norm_exact *e)
{
    switch (e->norm->kind) {
    case ATTN_NORMALIZER_SOFTPLUS:
    case ATTN_NORMALIZER_TAYLOR2:
        e->factor = e->a == 0 ? 0 : 1 / e->a;
        break;
    case ATTN_NORMALIZER_GELU_L2:
        e->factor = sqrt(e->keys / e->a);
        break;
    case ATTN_NORMALIZER_L2_GELU:
        e->shift = e->a == 0 ? 0 : sqrt(e->keys / e->a);
        break;
    case ATTN_NORMALIZER_LSSAR:
        if (e->pass == 0) {
            e->shift = 0; /* bases below it weigh nothing */
            e->factor = 0;
        } else {
            e->factor = e->shift == 0 ? 0 : 1 / e->b;
        }
        break;
    case ATTN_NORMALIZER_SPARSEMAX:
    case ATTN_NORMALIZER_ENTMAX:
        threshold(e);
        break;
    default:
        break;
    }
    e->pass++;
}

double attn__norm_exact_weight(const struct attn__norm_exact *e, double x)
{
    double alpha;
    if (e->spoilt)
        return NAN;
    switch (e->norm->kind) {
    case ATTN_NORMALIZER_RELU:
        return power_of(x, e->norm->power) * e->factor;
    case ATTN_NORMALIZER_SIGMOID:
        return sigmoid(x + e->shift);
    case ATTN_NORMALIZER_SOFTPLUS:
        return softplus(x, e->base) * e->factor;
    case ATTN_NORMALIZER_TAYLOR2:
        return (1 + x + x * x / 2) * e->factor;
    case ATTN_NORMALIZER_GELU_L2:
        return e->shift == 0 ? 0 : gelu(x) / e->shift * e->factor;
    case ATTN_NORMALIZER_L2_GELU:
        return gelu(x * e->shift);
    case ATTN_NORMALIZER_LSSAR:
        if (e->factor == 0)
            return 0;
        return power_of(lssar_base(e, x) / e->shift, e->norm->power) * e->factor;
    case ATTN_NORMALIZER_SPARSEMAX:
    case ATTN_NORMALIZER_ENTMAX:
        alpha = alpha_of(e->norm);
        return attn__entmax_weight((alpha - 1) * (x - e->shift) - e->a, alpha) * e->factor;
    default: /* none */
        return x;
    }
}
