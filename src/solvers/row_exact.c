/* SPDX-License-Identifier: MIT */
/*
 * A row by the definition. One pass over the visible keys with the online
 * softmax in double, so that no array grows with the number of keys; outputs
 * per pair take a second pass that computes the scores again.
 */
#include "solvers/row_exact.h"

#include "solvers/score_steps.h"

/* Keys whose visibility is looked up at a time. */
enum { BLOCK = 128 };

void attn__row_scratch_take(struct attn__scratch *s, const struct attn__problem *p,
                            struct attn__row_scratch *out)
{
    out->q = ATTN__TAKE(s, p->d, double);
    out->k = ATTN__TAKE(s, p->d, double);
    out->v = ATTN__TAKE(s, p->dv, double);
    out->acc = ATTN__TAKE(s, p->dv, double);
}

/* Row i as doubles: the caller's memory itself, or a copy in `room`. */
static const double *row_f64(const struct attn__rows *r, int64_t i, int64_t n, double *room)
{
    const char *row = attn__rows_at(r, i);
    if (attn__rows_plain(r, ATTN_DTYPE_F64))
        return (const double *)(const void *)row;
    if (attn__rows_plain(r, ATTN_DTYPE_F32)) {
        const float *f = (const float *)row;
        for (int64_t c = 0; c < n; c++)
            room[c] = f[c];
    } else {
        for (int64_t c = 0; c < n; c++)
            room[c] = attn__load_f64(row, c * r->col, r->dtype);
    }
    return room;
}

/* Eight partial sums: the order of the additions is fixed, and the compiler
 * may keep them in vector registers. */
static double dot(const double *a, const double *b, int64_t n)
{
    double s[8] = {0};
    int64_t c = 0;
    for (; c + 8 <= n; c += 8)
        for (int l = 0; l < 8; l++)
            s[l] += a[c + l] * b[c + l];
    for (; c < n; c++)
        s[0] += a[c] * b[c];
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

/* What the score of a pair needs besides q.k. */
struct terms {
    struct attn__score_exact x;
    const double *q;
    struct attn__rows k;
    double scale;
};

struct score {
    double raw, capped, biased;
};

static struct score score_of(const struct terms *t, const struct attn__row_scratch *w, int64_t j)
{
    struct score s;
    int64_t d = t->x.c->p->d;
    s.raw = t->scale * dot(t->q, row_f64(&t->k, j, d, w->k), d);
    s.capped = attn__score_pair_steps(&t->x, ATTN__STEPS_CAP, j, s.raw);
    s.biased = attn__score_pair_steps(&t->x, ATTN__STEPS_BIAS, j, s.capped);
    return s;
}

static void store_row(const struct attn__call *c, enum attn__slot slot, const struct attn__seq *s,
                      int64_t h, int64_t i, double x)
{
    if (!c->has[slot])
        return;
    struct attn__rows r = attn__call_per_row(c, slot, s, h);
    attn__rows_store(&r, i, 0, x);
}

static void store_pair(const struct attn__call *c, enum attn__slot slot,
                       const struct attn__seq *s, int64_t h, int64_t i, int64_t j, double x)
{
    if (!c->has[slot])
        return;
    struct attn__rows r = attn__call_pairs(c, slot, s, h);
    attn__rows_store(&r, i, j, x);
}

static bool wants_pairs(const struct attn__call *c)
{
    return c->has[ATTN__SLOT_PROBS] || c->has[ATTN__SLOT_SCORES_RAW] ||
           c->has[ATTN__SLOT_SCORES_CAPPED] || c->has[ATTN__SLOT_SCORES_BIASED] ||
           c->has[ATTN__SLOT_COLSUM];
}

void attn__row_exact(const struct attn__call *c, const struct attn__seq *s,
                     const struct attn__vis *v, int64_t h, int64_t i,
                     const struct attn__row_scratch *w)
{
    const struct attn__problem *p = c->p;
    struct terms t = {.x = {c, s, h, i}, .k = attn__call_k(c, s, h)};
    struct attn__rows q = attn__call_q(c, s, h), vr = attn__call_v(c, s, h);
    struct attn__rows out = attn__call_out(c, s, h);
    t.scale = attn__score_scale(c, s, h, i);
    /* A copy in any case: OUT may be Q's memory. */
    t.q = row_f64(&q, i, p->d, w->q);
    if (t.q != w->q)
        t.q = memcpy(w->q, t.q, (size_t)p->d * sizeof *w->q);
    for (int64_t e = 0; e < p->dv; e++)
        w->acc[e] = 0;

    /* max, sum of w = e^(s - max), sum of w (s - max); a sink logit starts max
     * and sum and has no value */
    double sink = attn__call_sink(c, s, h, i);
    double max = sink, sum = sink == -INFINITY ? 0 : sink == sink ? 1 : NAN;
    double sink_part = sum, moment = 0;
    double top = -INFINITY;
    int64_t j0, j1;
    attn__vis_hull(v, i, i + 1, &j0, &j1);
    uint64_t bits[BLOCK];
    for (int64_t j = j0; j < j1; j++) {
        if ((j - j0) % BLOCK == 0)
            attn__vis_bits(v, i, i + 1, j, attn__min_i64(j + BLOCK, j1), bits);
        if (!bits[(j - j0) % BLOCK])
            continue;
        double x = score_of(&t, w, j).biased;
        if (x == -INFINITY)
            continue; /* weight exactly 0 */
        if (!(x <= top) && top == top)
            top = x;
        if (!(x <= max)) { /* also when x is NaN: the row becomes NaN */
            double f = max == -INFINITY ? 0 : exp(max - x);
            if (sum > sink_part) /* keys so far: their distances grow */
                moment = f * (moment + (max - x) * (sum - sink_part));
            sum *= f;
            sink_part *= f;
            for (int64_t e = 0; e < p->dv; e++)
                w->acc[e] *= f;
            max = x;
        }
        double weight = exp(x - max);
        sum += weight;
        moment += weight * (x - max);
        const double *value = row_f64(&vr, j, p->dv, w->v);
        for (int64_t e = 0; e < p->dv; e++)
            w->acc[e] += weight * value[e];
    }
    bool empty = sum == 0;
    double lse = empty ? -INFINITY : max + log(sum);
    for (int64_t e = 0; e < p->dv; e++)
        attn__rows_store(&out, i, e, empty ? 0 : w->acc[e] / sum);
    store_row(c, ATTN__SLOT_LSE, s, h, i, lse);
    store_row(c, ATTN__SLOT_ROWMAX, s, h, i, top);
    /* -sum p ln p over the keys, p = w / sum; from the distances to the
     * maximum, because it may be small where the scores are large */
    double keys = sum - sink_part;
    store_row(c, ATTN__SLOT_ENTROPY, s, h, i,
              empty || keys == 0 ? 0 : (log(sum) * keys - moment) / sum);

    if (!wants_pairs(c))
        return;
    for (int64_t j = 0; j < s->nk; j++) {
        if (j % BLOCK == 0)
            attn__vis_bits(v, i, i + 1, j, attn__min_i64(j + BLOCK, s->nk), bits);
        bool visible = bits[j % BLOCK] != 0;
        struct score x = score_of(&t, w, j);
        store_pair(c, ATTN__SLOT_SCORES_RAW, s, h, i, j, x.raw);
        store_pair(c, ATTN__SLOT_SCORES_CAPPED, s, h, i, j, x.capped);
        store_pair(c, ATTN__SLOT_SCORES_BIASED, s, h, i, j, visible ? x.biased : -INFINITY);
        double prob = visible && !empty ? exp(x.biased - lse) : 0;
        store_pair(c, ATTN__SLOT_PROBS, s, h, i, j, prob);
        if (c->has[ATTN__SLOT_COLSUM]) {
            struct attn__rows r = attn__call_colsum(c, s, h);
            attn__rows_store(&r, j, 0, attn__rows_load(&r, j, 0) + prob);
        }
    }
}

void attn__row_empty(const struct attn__call *c, const struct attn__seq *s, int64_t h, int64_t i)
{
    struct attn__rows out = attn__call_out(c, s, h);
    for (int64_t e = 0; e < c->p->dv; e++)
        attn__rows_store(&out, i, e, 0);
    store_row(c, ATTN__SLOT_LSE, s, h, i, -INFINITY);
    store_row(c, ATTN__SLOT_ROWMAX, s, h, i, -INFINITY);
    store_row(c, ATTN__SLOT_ENTROPY, s, h, i, 0);
}

/* Fills what of a per-pair output lies outside the rows and keys that count.
 * Outputs of a packed batch may be wider than any sequence, each as it likes. */
static void pad_pairs(const struct attn__call *c, enum attn__slot slot, const struct attn__seq *s,
                      int64_t h)
{
    if (!c->has[slot])
        return;
    struct attn__rows r = attn__call_pairs(c, slot, s, h);
    double x = slot == ATTN__SLOT_PROBS ? 0 : -INFINITY;
    int64_t first = -s->k_skip, last = c->t[slot].shape[3] - s->k_skip;
    for (int64_t i = 0; i < c->t[slot].shape[2]; i++) {
        for (int64_t j = first; j < (i < s->nq ? 0 : last); j++)
            attn__rows_store(&r, i, j, x);
        for (int64_t j = s->nk; j < last && i < s->nq; j++)
            attn__rows_store(&r, i, j, x);
    }
}

void attn__rows_pad(const struct attn__call *c, const struct attn__seq *s, int64_t h)
{
    for (int64_t i = s->nq; i < s->q_all; i++)
        attn__row_empty(c, s, h, i);
    for (int slot = ATTN__SLOT_PROBS; slot <= ATTN__SLOT_SCORES_BIASED; slot++)
        pad_pairs(c, slot, s, h);
    if (!c->has[ATTN__SLOT_COLSUM])
        return;
    struct attn__rows r = attn__call_colsum(c, s, h);
    int64_t last = c->t[ATTN__SLOT_COLSUM].shape[2] - s->k_skip;
    for (int64_t j = -s->k_skip; j < last; j++)
        attn__rows_store(&r, j, 0, 0);
}
