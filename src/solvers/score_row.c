/* SPDX-License-Identifier: MIT */
/*
 * Whole rows. The softmax and what has a kernel of weights take a few passes
 * of vectors over the row; lssar works in double, because it raises small
 * differences to the power 15; the rest goes through the exact formulas.
 */
#include "solvers/score_row.h"

#include "kernels/weights.h"
#include "problem/vis_count.h"
#include "solvers/class_mass.h"
#include "solvers/entmax.h"
#include "solvers/norm_exact.h"
#include "solvers/norm_pass.h"
#include "solvers/rows_load.h"

/* Weights of lssar below this, against 1 for the largest, are 0: products of
 * denormal numbers take a hundred times as long. */
#define TINY 0x1p-100

/* If no score is above this, f32 may lose the sum of ln(1 + e^s), or of
 * gelu(s)^2. */
static float far_below(int32_t kind)
{
    return kind == ATTN_NORMALIZER_GELU_L2 ? -6 : -50;
}

bool attn__score_row_all_pairs(const struct attn__problem *p)
{
    return (p->want & (ATTN_WANT_PROBS | ATTN_WANT_SCORES_RAW | ATTN_WANT_SCORES_CAPPED |
                       ATTN_WANT_SCORES_BIASED | ATTN_WANT_COLSUM)) != 0;
}

static int64_t head_of(const struct attn__score_row *r)
{
    return attn__score_head(r->x, r->r);
}

/* Scores of the row go out for all keys that count. */
static void store_scores(const struct attn__score_row *r, enum attn__slot slot, const float *s)
{
    const struct attn__score *x = r->x;
    if (!x->c->has[slot])
        return;
    struct attn__rows to = attn__call_pairs(x->c, slot, x->s, head_of(r));
    attn__rows_from_f32(x->kern, s, 0, 1, x->s->nk, &to, attn__score_at(x, r->r));
}

static void store_one(const struct attn__score_row *r, enum attn__slot slot, double value)
{
    const struct attn__score *x = r->x;
    if (!x->c->has[slot])
        return;
    struct attn__rows to = attn__call_per_row(x->c, slot, x->s, head_of(r));
    attn__rows_store(&to, attn__score_at(x, r->r), 0, value);
}

/* The first key whose score is top, the largest; of NaN the first as well. */
static void store_argmax(const struct attn__score_row *r, const float *s, float top)
{
    const struct attn__score *x = r->x;
    int64_t j = 0;
    if (!x->c->has[ATTN__SLOT_ARGMAX])
        return;
    while (top != -INFINITY && !(top == top ? s[j] == top : s[j] != s[j]))
        j++;
    attn__call_store_argmax(x->c, x->s, head_of(r), attn__score_at(x, r->r),
                            top == -INFINITY ? -1 : r->j0 + j);
}

static void steps(const struct attn__score_row *r, float *s)
{
    int64_t n = r->j1 - r->j0;
    attn__score_row_steps(r->x, ATTN__STEPS_RAW, r->r, r->j0, n, s);
    store_scores(r, ATTN__SLOT_SCORES_RAW, s);
    attn__score_row_steps(r->x, ATTN__STEPS_CAP, r->r, r->j0, n, s);
    store_scores(r, ATTN__SLOT_SCORES_CAPPED, s);
    attn__score_row_steps(r->x, ATTN__STEPS_BIAS, r->r, r->j0, n, s);
    attn__vis_hide(r->v, r->r, r->j0, r->j1, s);
    store_scores(r, ATTN__SLOT_SCORES_BIASED, s);
}

/*
 * -sum p ln p of a row with p = e^(s - max) / sum. In double and from the
 * distances to the maximum: it may be small where the scores are large.
 */
static double softmax_entropy(const float *s, int64_t n, double max, double sink)
{
    double keys = 0, moment = 0;
    for (int64_t j = 0; j < n; j++) {
        double x = (double)s[j] - max, w = exp(x);
        keys += w;
        moment += w == 0 ? 0 : w * x;
    }
    double sum = keys + exp(sink - max);
    return keys == 0 ? 0 : (log(sum) * keys - moment) / sum;
}

static double entropy(const float *p, int64_t n)
{
    double sum = 0;
    for (int64_t j = 0; j < n; j++)
        sum -= p[j] == 0 ? 0 : (double)p[j] * log((double)p[j]);
    return sum;
}

/* NaN belongs to the keys that the row sees. */
static void all_nan(const struct attn__score_row *r, float *s)
{
    for (int64_t j = r->j0; j < r->j1; j++) {
        uint64_t bit;
        attn__vis_bits(r->v, r->r, r->r + 1, j, j + 1, &bit);
        s[j - r->j0] = bit ? NAN : 0;
    }
}

/* Powers of e; returns the entropy. */
static double softmax(const struct attn__score_row *r, float top, float *s, float *m, float *l)
{
    const struct attn__score *x = r->x;
    int64_t n = r->j1 - r->j0;
    double sink = attn__call_sink(x->c, x->s, head_of(r), attn__score_at(x, r->r)), in_nats = 0;
    float max = !(top <= (float)sink) ? top : (float)sink;
    if (max == -INFINITY) {
        memset(s, 0, (size_t)n * sizeof *s);
        return 0;
    }
    if (x->c->has[ATTN__SLOT_ENTROPY])
        in_nats = softmax_entropy(s, n, (double)max, sink);
    x->kern->vec_scale(s, n, (float)M_LOG2E);
    *m = max * (float)M_LOG2E;
    float keys = x->kern->row_exp2(s, n, *m);
    *l = keys + (sink == -INFINITY ? 0 : exp2f((float)(sink * M_LOG2E) - *m));
    x->kern->vec_scale(s, n, attn__norm_pass_factor(x->c->p, x->s, *m, *l, NULL));
    if (*l != *l)
        all_nan(r, s);
    return in_nats;
}

/* By the formulas, in double. */
static void exact(const struct attn__score_row *r, int64_t visible, float *s)
{
    const struct attn__score *x = r->x;
    int64_t n = r->j1 - r->j0, at = attn__score_at(x, r->r) + x->s->off;
    struct attn__norm_exact e;
    int passes = attn__norm_exact_begin(&e, &x->c->p->norm, x->s->nk, visible, at, r->room);
    for (int pass = 0; pass < passes; pass++) {
        for (int64_t j = 0; j < n; j++)
            if (s[j] != -INFINITY)
                attn__norm_exact_see(&e, (double)s[j]);
        attn__norm_exact_next(&e);
    }
    for (int64_t j = 0; j < n; j++)
        s[j] = s[j] == -INFINITY ? 0 : (float)attn__norm_exact_weight(&e, (double)s[j]);
}

static void l2_gelu(const struct attn__score_row *r, float *s)
{
    const struct attn__score *x = r->x;
    int64_t n = r->j1 - r->j0;
    double squares = 0;
    float unused = 0;
    for (int64_t j = 0; j < n; j++)
        squares += s[j] == -INFINITY ? 0 : (double)s[j] * (double)s[j];
    double f = squares == 0 ? 0 : sqrt((double)x->s->nk / squares);
    for (int64_t j = 0; j < n; j++) /* -inf stays, with f = 0 as well */
        s[j] = s[j] == -INFINITY ? s[j] : (float)((double)s[j] * f);
    x->kern->row_weights(ATTN__WEIGHTS_gelu, 0, s, n, &unused);
}

enum { GROUP = 64 };

/* The bases s / top of a few scores to a power, in loops without branches; what
 * is below `least` counts as 0. Returns their sum. */
static double group_power(float *s, int64_t n, double top, double power, double least)
{
    double x[GROUP], y[GROUP], sum = 0;
    for (int64_t j = 0; j < n; j++) {
        double base = (double)s[j] / top;
        x[j] = base < least ? 0 : base;
        y[j] = 1;
    }
    bool whole = power <= 64 && floor(power) == power;
    for (int64_t j = 0; j < n && !whole; j++)
        y[j] = pow(x[j], power);
    for (int bits = whole ? (int)power : 0; bits > 0; bits >>= 1) {
        for (int64_t j = 0; j < n && bits & 1; j++)
            y[j] *= x[j];
        for (int64_t j = 0; j < n && bits > 1; j++)
            x[j] *= x[j];
    }
    for (int64_t j = 0; j < n; j++) {
        s[j] = (float)y[j];
        sum += y[j];
    }
    return sum;
}

/* norm_exact.c tells what is done here with softplus in f32 and few powers. */
static void lssar(const struct attn__score_row *r, int64_t visible, float *s)
{
    const struct attn__score *x = r->x;
    int64_t n = r->j1 - r->j0, seen = 0;
    double origin = 0, excess = 0, top = 0, sum = 0, power = x->c->p->norm.power;
    float unused = 0;
    x->kern->row_weights(ATTN__WEIGHTS_softplus, 0, s, n, &unused);
    /* Where the score is -inf or so low that nothing is left of it, there is
     * nothing to be added, not even the origin. */
    for (int64_t j = 0; j < n; j++)
        seen += s[j] != 0;
    for (int64_t j = 0; j < n && origin == 0; j++)
        origin = (double)s[j];
    for (int64_t j = 0; j < n; j++)
        excess += s[j] == 0 ? 0 : (double)s[j] - origin;
    double z = (double)seen * origin + excess, less = 0;
    if (attn__score_at(x, r->r) + x->s->off >= ATTN__LSSAR_FREE)
        less = 1;
    double spare = ((double)(visible - seen) * origin - excess) / z + (1 - less);
    double slope = (double)visible / z;
    for (int64_t j = 0; j < n; j++) {
        double y = s[j] == 0 || z == 0 ? 0 : slope * ((double)s[j] - origin) + spare;
        s[j] = y > 0 ? (float)y : 0;
        top = (double)s[j] > top ? (double)s[j] : top;
    }
    if (top == 0)
        return;
    double least = pow(TINY, 1 / power);
    for (int64_t j = 0; j < n; j += GROUP)
        sum += group_power(s + j, attn__min_i64(GROUP, n - j), top, power, least);
    x->kern->vec_scale(s, n, (float)(1 / sum));
}

static void thresholded(const struct attn__score_row *r, float top, float *s)
{
    const struct attn__norm *norm = &r->x->c->p->norm;
    double alpha = norm->kind == ATTN_NORMALIZER_SPARSEMAX ? 2 : norm->power, sum;
    double max = (double)top, *x = r->room;
    int64_t n = r->j1 - r->j0, near = 0;
    for (int64_t j = 0; j < n && top > -INFINITY; j++) { /* the others are out */
        x[near] = (alpha - 1) * ((double)s[j] - max);
        near += x[near] > -1;
    }
    if (near == 0) {
        memset(s, 0, (size_t)n * sizeof *s);
        return;
    }
    double t = attn__entmax_threshold(x, near, alpha, &sum);
    for (int64_t j = 0; j < n; j++) {
        double y = (alpha - 1) * ((double)s[j] - max) - t;
        s[j] = y > 0 ? (float)(attn__entmax_weight(y, alpha) / sum) : 0;
    }
}

/* One score makes one weight: NaN stays where it is. */
static bool elementwise(int32_t kind)
{
    return kind == ATTN_NORMALIZER_RELU || kind == ATTN_NORMALIZER_SIGMOID ||
           kind == ATTN_NORMALIZER_NONE;
}

static void other(const struct attn__score_row *r, float top, float *s, float *l)
{
    const struct attn__score *x = r->x;
    const struct attn__norm *norm = &x->c->p->norm;
    int64_t n = r->j1 - r->j0, visible = 1;
    float sum = 0;
    *l = 1;
    if (attn__norm_counts(norm))
        attn__vis_count(r->v, r->r, r->r + 1, &visible);
    if (!(top < INFINITY) && !elementwise(norm->kind)) {
        *l = NAN; /* and of what is wrong here, row_exact makes what is right */
        for (int64_t j = 0; j < n; j++)
            s[j] = s[j] == -INFINITY ? 0 : NAN;
        return;
    }
    const char *why = NULL;
    attn__norm_pass_serves(norm, &why);
    if (attn__norm_traits(norm->kind)->whole_row) {
        thresholded(r, top, s);
    } else if (norm->kind == ATTN_NORMALIZER_L2_GELU) {
        l2_gelu(r, s);
    } else if (norm->kind == ATTN_NORMALIZER_LSSAR && top > far_below(norm->kind)) {
        lssar(r, visible, s);
    } else if (why ||
               (attn__norm_traits(norm->kind)->summed && top < far_below(norm->kind))) {
        exact(r, visible, s);
    } else {
        struct attn__norm_pass pass = attn__norm_pass_of(x->c->p, x->s);
        x->kern->row_weights(pass.kind, pass.shift, s, n, &sum);
        x->kern->vec_scale(s, n, attn__norm_pass_factor(x->c->p, x->s, 0, sum, &visible));
    }
}

void attn__score_row_weights(const struct attn__score_row *r, float *s, float *m, float *l)
{
    const struct attn__call *c = r->x->c;
    int64_t n = r->j1 - r->j0;
    double in_nats = 0;
    steps(r, s);
    float top = r->x->kern->row_max(s, n);
    *m = -INFINITY;
    *l = 0;
    store_one(r, ATTN__SLOT_ROWMAX, (double)top);
    store_argmax(r, s, top);
    if (attn__norm_traits(c->p->norm.kind)->base2) {
        in_nats = softmax(r, top, s, m, l);
    } else {
        other(r, top, s, l);
        if (c->has[ATTN__SLOT_ENTROPY])
            in_nats = entropy(s, n);
    }
    store_one(r, ATTN__SLOT_ENTROPY, in_nats);
    if (c->has[ATTN__SLOT_CLASSMASS])
        attn__class_mass_row(c, r->x->s, head_of(r), attn__score_at(r->x, r->r), r->j0, n, s);
    store_scores(r, ATTN__SLOT_PROBS, s);
}

double attn__score_row_cost(const struct attn__problem *p)
{
    double outputs = attn__score_row_all_pairs(p) ? 6 : 0;
    double entropies = p->want & ATTN_WANT_ENTROPY ? 100 : 0;
    outputs += (p->want & ATTN_WANT_ARGMAX ? 5 : 0) + (p->mass_classes > 0 ? 60 : 0);
    switch (p->norm.kind) {
    case ATTN_NORMALIZER_LSSAR:
        return outputs + entropies + 250;
    case ATTN_NORMALIZER_SPARSEMAX:
    case ATTN_NORMALIZER_ENTMAX:
        return outputs + entropies + 70;
    case ATTN_NORMALIZER_L2_GELU:
        return outputs + entropies + 30;
    default:
        return outputs + entropies + attn__norm_pass_cost(&p->norm);
    }
}
