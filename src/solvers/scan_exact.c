/* SPDX-License-Identifier: MIT */
/*
 * Feature maps, gates and updates as desc.h writes them down.
 */
#include "solvers/scan_exact.h"

#include <math.h>

#include "base/checked.h"

void attn__scan_exact_take(struct attn__scratch *s, const struct attn__problem *p,
                           struct attn__scan_exact *t)
{
    double **const rows[] = {&t->q, &t->k, &t->w, &t->e, &t->g, &t->lse};
    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++)
        *rows[n] = ATTN__TAKE(s, p->scan.dk, double);
    t->v = ATTN__TAKE(s, p->dv, double);
    t->x = ATTN__TAKE(s, p->d, double);
    t->y = ATTN__TAKE(s, p->scan.columns, double);
}

double attn__scan_exact_weight(const struct attn__call *c, enum attn__slot slot, int64_t head,
                               int32_t rank_with_heads, int64_t row, int64_t col)
{
    const attn_tensor *t = &c->t[slot];
    int64_t at = col * t->stride[t->rank - 1];
    if (t->rank == rank_with_heads)
        at += head * t->stride[0];
    if (rank_with_heads == 3)
        at += row * t->stride[t->rank - 2];
    return attn__load_f64(t->data, at, t->dtype);
}

static double sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double softplus(double x)
{
    return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double plain(int32_t map, double x, double eps)
{
    switch (map) {
    case ATTN_FEATURE_RELU: return x < eps ? eps : x;
    case ATTN_FEATURE_RELU2: return x < 0 ? 0 : x * x;
    case ATTN_FEATURE_ELU1: return x > 0 ? x + 1 : exp(x);
    case ATTN_FEATURE_EXP: return exp(x);
    case ATTN_FEATURE_SIGMOID: return sigmoid(x);
    case ATTN_FEATURE_SILU: return x * sigmoid(x);
    default: return x;
    }
}

static void softmax(double *s, int64_t n)
{
    double most = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        most = s[i] > most ? s[i] : most;
    for (int64_t i = 0; i < n; i++)
        sum += s[i] = exp(s[i] - most);
    for (int64_t i = 0; i < n; i++)
        s[i] /= sum;
}

static void hedgehog(const struct attn__scan_spec *s, const double *y, double *o)
{
    int64_t f = s->columns;
    double factor = s->map == ATTN_FEATURE_HEDGEHOG_JOINT ? 2 : 1;
    for (int64_t i = 0; i < f; i++) {
        o[i] = factor * y[i];
        o[f + i] = -o[i];
    }
    if (s->map == ATTN_FEATURE_HEDGEHOG_JOINT) {
        softmax(o, 2 * f);
    } else if (s->map == ATTN_FEATURE_HEDGEHOG_SPLIT) {
        softmax(o, f);
        softmax(o + f, f);
    }
    for (int64_t i = 0; i < 2 * f; i++)
        o[i] = s->map == ATTN_FEATURE_HEDGEHOG_EXP     ? exp(o[i])
               : s->map == ATTN_FEATURE_HEDGEHOG_SPLIT ? fmax(o[i], s->map_eps)
                                                       : o[i];
}

/* The largest y of t->y, which has no factor 1 / D^(1/4) yet. */
static double most(const struct attn__scan_exact *t)
{
    double y = -INFINITY;
    for (int64_t i = 0; i < t->c->p->scan.columns; i++)
        y = fmax(y, t->y[i]);
    return y / sqrt(sqrt((double)t->c->p->d));
}

static void favor(const struct attn__scan_exact *t, bool query, double *o)
{
    const struct attn__problem *p = t->c->p;
    const struct attn__scan_spec *s = &p->scan;
    const double *x = t->x, *y = t->y;
    double root = sqrt((double)p->d), half = 0, f = (double)s->columns;
    for (int64_t i = 0; i < p->d; i++)
        half += x[i] * x[i] / root / 2;
    if (s->map_max != ATTN_FEATURE_MAX_NONE)
        half += query ? most(t) : t->key_max;
    for (int64_t i = 0; i < s->columns; i++) {
        double u = y[i] / sqrt(root);
        if (s->map == ATTN_FEATURE_FAVOR) {
            o[i] = (exp(u - half) + s->map_eps) / sqrt(f);
            continue;
        }
        o[i] = exp(u - half) / sqrt(2 * f);
        o[s->columns + i] = exp(-u - half) / sqrt(2 * f);
    }
}

static void widen(const struct attn__problem *p, const double *x, int64_t position, double *o)
{
    int64_t d = p->d, n = 2 * d;
    double angle = 1.57079632679489661923 * (double)(position + 1) / (double)p->scan.period;
    double scale = sqrt((double)d);
    if (p->scan.map == ATTN_FEATURE_COSFORMER) {
        for (int64_t i = 0; i < d; i++) {
            o[i] = fmax(x[i], 0) * sin(angle);
            o[d + i] = fmax(x[i], 0) * cos(angle);
        }
    } else if (p->scan.map == ATTN_FEATURE_TAYLOR2) {
        *o++ = 1;
        for (int64_t i = 0; i < d; i++)
            *o++ = x[i] / sqrt(scale);
        for (int64_t i = 0; i < d * d; i++)
            *o++ = x[i / d] * x[i % d] / sqrt(2) / scale;
    } else { /* dpfp */
        for (int64_t shift = 1; shift <= 4; shift++)
            for (int64_t i = 0; i < n; i++) {
                int64_t j = (i - shift + 4 * n) % n;
                double a = fmax(x[i % d], 0), b = fmax(x[j % d], 0);
                *o++ = (i < d ? a : -a) * (j < d ? b : -b);
            }
    }
}

/* y = x W + b */
static void weigh(struct attn__scan_exact *t, bool query, int64_t head)
{
    const struct attn__problem *p = t->c->p;
    enum attn__slot w = query ? ATTN__SLOT_FEATURE_WQ : ATTN__SLOT_FEATURE_WK;
    enum attn__slot b = query ? ATTN__SLOT_FEATURE_BQ : ATTN__SLOT_FEATURE_BK;
    for (int64_t i = 0; i < p->scan.columns; i++) {
        t->y[i] = p->scan.feature_bias ? attn__scan_exact_weight(t->c, b, head, 2, 0, i) : 0;
        for (int64_t d = 0; d < p->d; d++)
            t->y[i] += t->x[d] * attn__scan_exact_weight(t->c, w, head, 3, d, i);
    }
}

static void map_row(struct attn__scan_exact *t, bool query, int64_t head, int64_t position,
                    double *o)
{
    const struct attn__problem *p = t->c->p;
    const struct attn__scan_spec *s = &p->scan;
    weigh(t, query, head);
    switch (s->map) {
    case ATTN_FEATURE_LINEAR:
    case ATTN_FEATURE_RELU_LINEAR:
        for (int64_t i = 0; i < s->dk; i++)
            o[i] = s->map == ATTN_FEATURE_LINEAR ? t->y[i]
                                                 : (t->y[i] < 0 ? 0 : t->y[i]) + s->map_eps;
        break;
    case ATTN_FEATURE_HADAMARD:
        for (int64_t i = 0; i < s->dk; i++)
            o[i] = t->y[i] * t->y[s->dk + i];
        break;
    case ATTN_FEATURE_HEDGEHOG_EXP:
    case ATTN_FEATURE_HEDGEHOG_JOINT:
    case ATTN_FEATURE_HEDGEHOG_SPLIT: hedgehog(s, t->y, o); break;
    case ATTN_FEATURE_FAVOR:
    case ATTN_FEATURE_FAVOR_HYP: favor(t, query, o); break;
    case ATTN_FEATURE_DPFP:
    case ATTN_FEATURE_TAYLOR2:
    case ATTN_FEATURE_COSFORMER: widen(p, t->x, position, o); break;
    default:
        for (int64_t i = 0; i < s->dk; i++)
            o[i] = plain(s->map, t->x[i], s->map_eps);
    }
    if (s->map == ATTN_FEATURE_SOFTMAX)
        softmax(o, s->dk);
    double sum = s->l2norm_eps;
    for (int64_t i = 0; i < s->dk && s->l2norm; i++)
        sum += o[i] * o[i];
    for (int64_t i = 0; i < s->dk && s->l2norm; i++)
        o[i] /= sqrt(sum);
}

/* Entry e of row (head, n) of a tensor [B,heads,N] or [B,heads,N,n]. */
static double entry(const struct attn__scan_exact *t, enum attn__slot slot, int64_t head,
                    int64_t n, int64_t e)
{
    const attn_tensor *x = &t->c->t[slot];
    int64_t at = t->seq.b * x->stride[0] + head * x->stride[1] + n * x->stride[2] +
                 (x->rank > 3 ? e * x->stride[3] : 0);
    return attn__load_f64(x->data, at, x->dtype);
}

static double per_state(const struct attn__scan_exact *t, enum attn__slot slot, int64_t e)
{
    const attn_tensor *x = &t->c->t[slot];
    if (!t->c->has[slot])
        return 0;
    int64_t at = t->head * x->stride[0] + (x->rank > 1 ? e * x->stride[1] : 0);
    return attn__load_f64(x->data, at, x->dtype);
}

static double step_of(const struct attn__scan_exact *t, int64_t token)
{
    const struct attn__scan_spec *s = &t->c->p->scan;
    double x = entry(t, ATTN__SLOT_G, t->head, token, 0) + per_state(t, ATTN__SLOT_GATE_BIAS, 0);
    return fmin(fmax(softplus(x), s->gate_min), s->gate_max);
}

static double clamp(double g)
{
    return g < ATTN__SCAN_LEAST_LOG ? ATTN__SCAN_LEAST_LOG : g > 0 ? 0 : g;
}

/* The log decay of channel d by a token. */
static double gate(const struct attn__scan_exact *t, int64_t token, int64_t d)
{
    const struct attn__problem *p = t->c->p;
    const struct attn__scan_spec *s = &p->scan;
    double a = per_state(t, ATTN__SLOT_GATE_A, 0), b = per_state(t, ATTN__SLOT_GATE_BIAS, d);
    double x;
    if (s->decay == ATTN_DECAY_NONE)
        return 0;
    if (s->decay == ATTN_DECAY_HEAD)
        return t->c->has[ATTN__SLOT_G] ? per_state(t, ATTN__SLOT_G, 0)
               : s->slopes             ? -p->slopes[t->head * s->readers]
                                       : 0;
    x = entry(t, ATTN__SLOT_G, t->head, token, d);
    switch (s->gate) {
    case ATTN_GATE_LOGSIGMOID: return fmax(-softplus(-x) / s->gate_divisor, s->gate_min);
    case ATTN_GATE_SOFTPLUS: return -exp(a) * softplus(x + b);
    case ATTN_GATE_SAFE: return s->gate_min * sigmoid(exp(a) * (x + b));
    case ATTN_GATE_EXP: return -exp(x);
    case ATTN_GATE_RWKV7: return -exp(-0.5) * sigmoid(x);
    case ATTN_GATE_MAMBA2: return a * step_of(t, token);
    default: return x;
    }
}

static void lightnet(struct attn__scan_exact *t)
{
    const struct attn__scan_spec *s = &t->c->p->scan;
    bool fixed = s->direction == ATTN_DIRECTION_FULL;
    for (int64_t d = 0; d < s->dk; d++) {
        double x = t->k[d], was = t->lse[d], z = was;
        if (!fixed && x != -INFINITY)
            z = x > was ? x + log1p(exp(was - x)) : was + log1p(exp(x - was));
        t->k[d] = z == -INFINITY ? 0 : exp(x - z);
        t->g[d] = z == -INFINITY || fixed ? 0 : clamp(was - z);
        t->lse[d] = z;
    }
}

static void rwkv7(struct attn__scan_exact *t, int64_t k_head)
{
    double sum = 0;
    for (int64_t d = 0; d < t->c->p->d; d++) {
        t->e[d] = t->k[d] * attn__scan_exact_weight(t->c, ATTN__SLOT_K_SCALE, k_head, 2, 0, d);
        sum += t->e[d] * t->e[d];
    }
    for (int64_t d = 0; d < t->c->p->d; d++) {
        double mix = attn__scan_exact_weight(t->c, ATTN__SLOT_K_MIX, k_head, 2, 0, d);
        t->e[d] /= fmax(sqrt(sum), 1e-12);
        t->k[d] *= 1 + (t->w[d] - 1) * mix;
        t->w[d] *= t->e[d];
    }
}

static void update(struct attn__scan_exact *t, int64_t j, int64_t out)
{
    const struct attn__problem *p = t->c->p;
    const struct attn__scan_spec *s = &p->scan;
    int64_t k_head = p->k_head[out], row = t->seq.k0 + j;
    double beta = t->c->has[ATTN__SLOT_BETA] ? entry(t, ATTN__SLOT_BETA, t->head, row, 0) : 1;
    for (int64_t d = 0; d < s->dk; d++) {
        t->w[d] = t->c->has[ATTN__SLOT_WRITE] ? entry(t, ATTN__SLOT_WRITE, k_head, row, d)
                                              : t->k[d];
        t->e[d] = t->c->has[ATTN__SLOT_ERASE] ? entry(t, ATTN__SLOT_ERASE, k_head, row, d)
                                              : t->k[d];
        t->e[d] *= s->update == ATTN_UPDATE_GDN2 ? t->k[d] : beta;
    }
    for (int64_t e = 0; e < p->dv; e++)
        t->v[e] *= s->update == ATTN_UPDATE_GDN2
                       ? entry(t, ATTN__SLOT_VALUE_GATE, p->v_head[out], row, e)
                       : beta;
    if (s->update == ATTN_UPDATE_RWKV7)
        rwkv7(t, k_head);
}

void attn__scan_exact_key(struct attn__scan_exact *t, int64_t j, int64_t age)
{
    const struct attn__problem *p = t->c->p;
    const struct attn__scan_spec *s = &p->scan;
    int64_t out = t->head * s->readers, steps = attn__max_i64(s->steps, 1);
    int64_t token = t->seq.q0 + j / steps;
    struct attn__rows k = attn__call_k(t->c, &t->seq, out), v = attn__call_v(t->c, &t->seq, out);
    bool derived = s->gate == ATTN_GATE_HGRN2 || s->gate == ATTN_GATE_LIGHTNET;
    for (int64_t d = 0; d < p->d; d++)
        t->x[d] = attn__rows_load(&k, j, d);
    for (int64_t e = 0; e < p->dv; e++)
        t->v[e] = attn__rows_load(&v, j, e);
    map_row(t, false, p->k_head[out], age, t->k);
    for (int64_t d = 0; d < s->dk && !derived; d++)
        t->g[d] = j % steps == 0 ? clamp(gate(t, token, d)) : 0;
    for (int64_t d = 0; d < s->dk && s->gate == ATTN_GATE_HGRN2; d++) {
        double low = per_state(t, ATTN__SLOT_GATE_BIAS, d), x = t->k[d];
        t->k[d] = (1 - low) * sigmoid(-x);
        t->g[d] = clamp(low > 0 ? log1p(-t->k[d]) : -softplus(-x));
    }
    if (s->gate == ATTN_GATE_LIGHTNET)
        lightnet(t);
    for (int64_t e = 0; e < p->dv && s->gate == ATTN_GATE_MAMBA2; e++)
        t->v[e] *= step_of(t, token);
    if (s->update != ATTN_UPDATE_ADD)
        update(t, j, out);
}

void attn__scan_exact_key_max(struct attn__scan_exact *t)
{
    const struct attn__problem *p = t->c->p;
    int64_t out = t->head * p->scan.readers;
    struct attn__rows k = attn__call_k(t->c, &t->seq, out);
    t->key_max = p->scan.map_key_max;
    if (p->scan.map_max != ATTN_FEATURE_MAX_ALL)
        return;
    t->key_max = -INFINITY;
    for (int64_t j = 0; j < t->seq.nk; j++) {
        for (int64_t d = 0; d < p->d; d++)
            t->x[d] = attn__rows_load(&k, j, d);
        weigh(t, false, p->k_head[out]);
        t->key_max = fmax(t->key_max, most(t));
    }
}

void attn__scan_exact_query(struct attn__scan_exact *t, int64_t h, int64_t i, int64_t age)
{
    const struct attn__problem *p = t->c->p;
    struct attn__rows q = attn__call_q(t->c, &t->seq, h);
    for (int64_t d = 0; d < p->d; d++)
        t->x[d] = attn__rows_load(&q, i, d);
    map_row(t, true, p->q_head[h], age, t->q);
    for (int64_t d = 0; d < p->scan.dk; d++) {
        if (p->scan.gate == ATTN_GATE_HGRN2)
            t->q[d] *= sigmoid(t->q[d]);
        t->q[d] *= p->scale;
    }
}
