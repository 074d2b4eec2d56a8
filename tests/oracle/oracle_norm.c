/* SPDX-License-Identifier: MIT */
/*
 * Row by row in long double, thresholds by sorting or bisection. The keys
 * that have a weight are gathered first: visible ones with a score above
 * -inf.
 */
#include "oracle_norm.h"

#include <math.h>
#include <stdlib.h>

#include <attn/attn.h>

typedef long double real;

struct row {
    const struct oracle_norm *norm;
    real *s, *w, *sorted; /* [n]: scores, weights, room */
    int64_t n;
    real keys, visible;
    int64_t position;
};

static real soft(real x)
{
    return fmaxl(x, 0) + log1pl(expl(-fabsl(x))) + 0 * x;
}

/* x times the normal distribution function, kept small where it is small; 0
 * where that is no double */
static real gaussian(real x)
{
    double tail = erfc((double)-x * sqrt(0.5)) / 2;
    return tail < 0x1p-1000 ? 0 : x * (real)tail;
}

static real power_default(const struct oracle_norm *n)
{
    if (!isnan(n->power))
        return n->power;
    switch (n->kind) {
    case ATTN_NORMALIZER_LSSAR:
        return 15;
    case ATTN_NORMALIZER_ENTMAX:
        return 1.5L;
    case ATTN_NORMALIZER_SPARSEMAX:
        return 2;
    default:
        return 1;
    }
}

static real total(const struct row *r, bool squares)
{
    real sum = 0;
    for (int64_t i = 0; i < r->n; i++)
        sum += squares ? r->w[i] * r->w[i] : r->w[i];
    return sum;
}

static void multiply(struct row *r, real factor)
{
    for (int64_t i = 0; i < r->n; i++)
        r->w[i] *= factor;
}

static void relu(struct row *r)
{
    real counts[] = {r->visible, r->keys, 1, r->norm->n};
    real divisor = powl(counts[r->norm->count], r->norm->gamma);
    for (int64_t i = 0; i < r->n; i++) {
        real x = r->s[i];
        r->w[i] = x > 0 ? powl(x, power_default(r->norm)) / divisor : 0 * (x < 0 ? 0 : x);
    }
}

static void sigmoid(struct row *r)
{
    real b = isnan(r->norm->bias) ? -logl(r->keys) : (real)r->norm->bias;
    for (int64_t i = 0; i < r->n; i++)
        r->w[i] = 1 / (1 + expl(-(r->s[i] + b)));
}

static void l1(struct row *r)
{
    for (int64_t i = 0; i < r->n; i++) {
        real x = r->s[i];
        r->w[i] = r->norm->kind == ATTN_NORMALIZER_SOFTPLUS ? soft(x) : 1 + x + x * x / 2;
    }
    real z = total(r, false);
    for (int64_t i = 0; i < r->n; i++)
        r->w[i] = z == 0 ? 0 : r->w[i] / z;
}

static real gelu_slope(real x)
{
    const real density = 0.398942280401432677939946L; /* of the normal distribution at 0 */
    return x * density * expl(-x * x / 2) + erfcl(-x / sqrtl(2)) / 2;
}

/* Errors e of all scores turn the row by the part of e g'(s) that is at right
 * angles to g(s): with negative scores alone, which the division by the row's
 * norm makes as large as others, by |s| e and more. */
static void gelu_l2(struct row *r, struct oracle_condition *condition)
{
    real turned = 0;
    for (int64_t i = 0; i < r->n; i++)
        r->w[i] = gaussian(r->s[i]);
    real q = total(r, true);
    for (int64_t i = 0; i < r->n && q > 0; i++) {
        real slope = gelu_slope(r->s[i]), w = r->w[i];
        turned += slope * slope * fmaxl(0, 1 - w * w / q) / q;
    }
    condition->scores = (double)fmaxl(1, sqrtl(turned));
    multiply(r, q == 0 ? 0 : sqrtl(r->keys / q));
}

/* The same errors turn the scores before gelu sees them: by as much more as the
 * scores are smaller than what they were rounded at. What gelu then sees is
 * rounded itself, and gelu(x) moves by x^2 times as much where x << 0. */
static void l2_gelu(struct row *r, struct oracle_condition *condition)
{
    real moved = 0, rounded = 0;
    for (int64_t i = 0; i < r->n; i++)
        r->w[i] = r->s[i];
    real q = total(r, true);
    multiply(r, q == 0 ? 0 : sqrtl(r->keys / q));
    for (int64_t i = 0; i < r->n && q > 0; i++) {
        real slope = gelu_slope(r->w[i]);
        rounded += slope * slope * r->w[i] * r->w[i];
        moved += slope * slope * r->keys / q * fmaxl(0, 1 - r->s[i] * r->s[i] / q);
    }
    for (int64_t i = 0; i < r->n; i++)
        r->w[i] = gaussian(r->w[i]);
    real squares = total(r, true);
    if (squares == 0)
        return;
    condition->scores = (double)fmaxl(1, sqrtl(moved / squares));
    condition->weights = (double)fmaxl(1, sqrtl(rounded / squares));
}

/* b = max(0, N A - o)^p. N A - 1 is taken from the differences to the largest
 * softplus, so that equal scores give 0. */
static void lssar(struct row *r, struct oracle_condition *condition)
{
    real p = power_default(r->norm), top = 0, max = 0, sum = 0, weighted = 0;
    bool subtract = r->position >= 3;
    for (int64_t i = 0; i < r->n; i++)
        top = fmaxl(top, soft(r->s[i])) + 0 * r->s[i];
    real below = 0;
    for (int64_t i = 0; i < r->n; i++)
        below += top - soft(r->s[i]);
    real z = (real)r->n * top - below;
    for (int64_t i = 0; i < r->n; i++) {
        real spare = (r->visible - (real)r->n) * top + below;
        real over = (spare - r->visible * (top - soft(r->s[i]))) / z;
        r->w[i] = z == 0 ? 0 : fmaxl(0, subtract ? over : 1 + over) + 0 * over;
        max = fmaxl(max, r->w[i]) + 0 * r->w[i];
    }
    if (max == 0)
        return;
    for (int64_t i = 0; i < r->n; i++) {
        real b = powl(r->w[i] / max, p);
        sum += b;
        weighted += r->w[i] > 0 ? b * p * (r->w[i] + subtract) / r->w[i] : 0;
        r->w[i] = b;
    }
    multiply(r, 1 / sum);
    condition->scores = (double)fmaxl(1, weighted / sum);
}

static int larger_first(const void *a, const void *b)
{
    real x = *(const real *)a, y = *(const real *)b;
    return (x < y) - (x > y);
}

/* By sorting: t = (sum of the k largest - 1) / k for the largest k that stays
 * above it. */
static void sparsemax(struct row *r, real max)
{
    real sum = 0, t = 0;
    for (int64_t k = 0; k < r->n; k++) {
        real x = r->sorted[k] - max;
        sum += x;
        if (1 + (real)(k + 1) * x > sum)
            t = (sum - 1) / (real)(k + 1);
    }
    for (int64_t i = 0; i < r->n; i++)
        r->w[i] = fmaxl(0, r->s[i] - max - t);
}

static void entmax(struct row *r, real max)
{
    real alpha = power_default(r->norm), lo = -1, hi = 0;
    for (int step = 0; step < 200; step++) {
        real mid = (lo + hi) / 2, sum = 0;
        for (int64_t i = 0; i < r->n; i++)
            sum += powl(fmaxl(0, (alpha - 1) * (r->s[i] - max) - mid), 1 / (alpha - 1));
        if (sum >= 1)
            lo = mid;
        else
            hi = mid;
    }
    for (int64_t i = 0; i < r->n; i++)
        r->w[i] = powl(fmaxl(0, (alpha - 1) * (r->s[i] - max) - lo), 1 / (alpha - 1));
    multiply(r, 1 / total(r, false));
}

/* A weight p moves by p^(2 - alpha) times its score's error, which from
 * alpha = 2 on is not the less for p being small: n keys of equal weight make
 * it n times as much of what they weigh. */
static double entmax_condition(const struct row *r)
{
    real moved = 0, exponent = 2 * (2 - power_default(r->norm));
    for (int64_t i = 0; i < r->n && exponent <= 0; i++)
        moved += r->w[i] > 0 ? powl(r->w[i], exponent) : 0;
    return (double)fmaxl(1, sqrtl(moved / total(r, true)));
}

static void thresholded(struct row *r, struct oracle_condition *condition)
{
    for (int64_t i = 0; i < r->n; i++)
        r->sorted[i] = r->s[i];
    if (r->n == 0)
        return;
    qsort(r->sorted, (size_t)r->n, sizeof *r->sorted, larger_first);
    if (r->norm->kind == ATTN_NORMALIZER_SPARSEMAX)
        sparsemax(r, r->sorted[0]);
    else
        entmax(r, r->sorted[0]);
    condition->scores = entmax_condition(r);
}

/* One NaN or +inf in a normaliser of the whole row, and there is no row. */
static bool spoilt(struct row *r)
{
    int32_t kind = r->norm->kind;
    bool bad = false;
    for (int64_t i = 0; i < r->n; i++)
        bad |= !(r->s[i] < (real)INFINITY);
    if (!bad || kind == ATTN_NORMALIZER_RELU || kind == ATTN_NORMALIZER_SIGMOID ||
        kind == ATTN_NORMALIZER_NONE)
        return false;
    for (int64_t i = 0; i < r->n; i++)
        r->w[i] = NAN;
    return true;
}

static void weigh(struct row *r, struct oracle_condition *condition)
{
    if (spoilt(r))
        return;
    switch (r->norm->kind) {
    case ATTN_NORMALIZER_RELU:
        relu(r);
        break;
    case ATTN_NORMALIZER_SIGMOID:
        sigmoid(r);
        break;
    case ATTN_NORMALIZER_NONE:
        for (int64_t i = 0; i < r->n; i++)
            r->w[i] = r->s[i];
        break;
    case ATTN_NORMALIZER_SOFTPLUS:
    case ATTN_NORMALIZER_TAYLOR2:
        l1(r);
        break;
    case ATTN_NORMALIZER_GELU_L2:
        gelu_l2(r, condition);
        break;
    case ATTN_NORMALIZER_L2_GELU:
        l2_gelu(r, condition);
        break;
    case ATTN_NORMALIZER_LSSAR:
        lssar(r, condition);
        break;
    default:
        thresholded(r, condition);
        break;
    }
}

bool oracle_norm_weights(const struct oracle_norm *norm, const double *s, const bool *visible,
                         int64_t n, int64_t keys, int64_t position, double *p,
                         struct oracle_condition *condition)
{
    size_t room = (size_t)(n > 0 ? n : 1);
    real *memory = calloc(3 * room, sizeof *memory);
    struct row r = {.norm = norm, .s = memory, .w = memory + room, .sorted = memory + 2 * room,
                    .keys = (real)keys, .position = position};
    *condition = (struct oracle_condition){1, 1};
    for (int64_t j = 0; memory && j < n; j++) {
        r.visible += visible[j];
        if (visible[j] && s[j] != -INFINITY)
            r.s[r.n++] = (real)s[j];
    }
    if (memory)
        weigh(&r, condition);
    int64_t at = 0;
    for (int64_t j = 0; memory && j < n; j++) {
        bool has = visible[j] && s[j] != -INFINITY;
        p[j] = has ? (double)r.w[at++] : 0;
    }
    free(memory);
    return memory != NULL;
}
