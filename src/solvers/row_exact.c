/* SPDX-License-Identifier: MIT */
/*
 * A row by the definition, in double. The softmax goes once over the visible
 * keys, online; other normalisers as often as their statistics need; outputs
 * per pair take one more pass. Every pass computes the scores again, so that
 * no array grows with the number of keys, except where a normaliser needs
 * all scores of a row at once.
 */
#include "solvers/row_exact.h"

#include "solvers/epilogue.h"

#include "problem/vis_count.h"
#include "solvers/class_mass.h"
#include "solvers/fold_row.h"
#include "solvers/norm_exact.h"
#include "solvers/score_steps.h"

/* Keys whose visibility is looked up at a time. */
enum { BLOCK = 128 };

void attn__row_scratch_take(struct attn__scratch *s, const struct attn__problem *p,
                            struct attn__row_scratch *out)
{
    out->q = ATTN__TAKE(s, p->d, double);
    out->k = ATTN__TAKE(s, p->d, double);
    out->tq = ATTN__TAKE(s, attn__score_has_table(p) ? p->d : 0, double);
    out->v = ATTN__TAKE(s, p->dv, double);
    out->acc = ATTN__TAKE(s, p->dv, double);
    out->qk = attn__qk_room_take(s, p);
    out->row = attn__epilogue_take(s, p);
    out->x = ATTN__TAKE(s, attn__norm_traits(p->norm.kind)->whole_row ? p->k : 0, double);
}

/* Row i as doubles: the caller's memory itself, or a copy in `room`. */
static const double *row_f64(const struct attn__rows *rows, int64_t i, int64_t n, double *room)
{
    struct attn__rows alike;
    const struct attn__rows *r = &alike;
    (void)attn__rows_alike(rows, i, 1, &alike);
    const char *row = attn__rows_at(r, i);
    double factor = attn__dtype_stored(r->dtype) ? (double)r->scale : 1;
    if (attn__rows_plain(r, ATTN_DTYPE_F64))
        return (const double *)(const void *)row;
    if (attn__rows_plain(r, ATTN_DTYPE_F32)) {
        const float *f = (const float *)row;
        for (int64_t c = 0; c < n; c++)
            room[c] = f[c];
    } else {
        for (int64_t c = 0; c < n; c++)
            room[c] = attn__load_f64(row, c * r->col, r->dtype) * factor;
    }
    return room;
}

static double *own_copy(const double *row, int64_t n, double *room)
{
    return row == room ? room : memcpy(room, row, (size_t)n * sizeof *room);
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
    struct attn__qk qk;
    const double *q;
    struct attn__rows k;
};

struct score {
    double raw, capped, biased;
};

static struct score score_of(const struct terms *t, const struct attn__row_scratch *w, int64_t j)
{
    struct score s;
    int64_t d = t->x.c->p->d;
    const double *k = row_f64(&t->k, j, d, w->k);
    if (attn__qk_changes_k(t->x.c->p)) {
        k = own_copy(k, d, w->k);
        attn__qk_change_k_f64(&t->qk, t->x.h, j, w->k);
    }
    s.raw = attn__score_pair_steps(&t->x, ATTN__STEPS_RAW, j, t->x.scale * dot(t->q, k, d));
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

bool attn__row_exact_all_pairs(const struct attn__call *c)
{
    return c->has[ATTN__SLOT_PROBS] || c->has[ATTN__SLOT_SCORES_RAW] ||
           c->has[ATTN__SLOT_SCORES_CAPPED] || c->has[ATTN__SLOT_SCORES_BIASED] ||
           c->has[ATTN__SLOT_COLSUM];
}

/* A row being worked on, and what has become of it. */
struct row {
    const struct attn__call *c;
    const struct attn__seq *s;
    const struct attn__vis *v;
    const struct attn__row_scratch *w;
    struct terms t;
    struct attn__rows value;
    int64_t h, i;
    /* the walk over the visible keys whose score is not -inf */
    int64_t j, end;
    uint64_t bits[BLOCK];
    int64_t first; /* the key of bits[0] */
    /* keys from..to-1 are of one entry of lists with logits, or between two:
     * what this adds to their scores */
    int64_t from, to;
    double shift;
    /* results; w->acc is the row times 1 / out_factor */
    double top, lse, entropy, out_factor;
    int64_t arg;        /* the first key whose score is top */
    double prob_factor; /* of e^(x - lse) */
    struct attn__norm_exact norm;
};

static void walk(struct row *r)
{
    attn__vis_hull(r->v, r->i, r->i + 1, &r->j, &r->end);
    r->first = r->j;
}

/* Makes bits those of the block that key r->j begins, if it begins one. */
static void look_up(struct row *r)
{
    if ((r->j - r->first) % BLOCK == 0)
        attn__vis_bits(r->v, r->i, r->i + 1, r->j, attn__min_i64(r->j + BLOCK, r->end), r->bits);
}

/* The log-sum-exp of keys j..end-1 as far as they are visible. */
static double lse_of_entry(const struct row *r, int64_t j, int64_t end)
{
    double max = -INFINITY, sum = 0;
    for (int64_t to; j < end; j = to) {
        uint64_t bits[BLOCK];
        to = attn__min_i64(j + BLOCK, end);
        attn__vis_bits(r->v, r->i, r->i + 1, j, to, bits);
        for (int64_t k = j; k < to; k++) {
            double x = bits[k - j] ? score_of(&r->t, r->w, k).biased : -INFINITY;
            if (x == -INFINITY)
                continue;
            sum = x > max ? sum * exp(max - x) + 1 : sum + exp(x - max);
            max = x > max ? x : max;
        }
    }
    return sum == 0 ? -INFINITY : max + log(sum);
}

/* What lists with logits add to the score of key j. */
static double shift_of(struct row *r, int64_t j)
{
    const struct attn__select_rows *l = r->v->rows;
    if (!l || !l->logit)
        return 0;
    if (j >= r->from && j < r->to)
        return r->shift;
    int64_t row = attn__select_row(l, r->v->rows_b, r->h, r->i), end = l->row_ptr[row + 1];
    int64_t e = attn__select_find(l, l->row_ptr[row], end, j);
    r->from = j;
    r->to = e < end ? l->start[e] : INT64_MAX;
    r->shift = 0;
    if (r->to > j)
        return 0; /* the rules alone show it */
    r->from = l->start[e];
    r->to = r->from + l->length[e];
    r->shift = (double)l->logit[e];
    if (l->replace && l->replace[e] && r->shift != -INFINITY) {
        double lse = lse_of_entry(r, r->from, attn__min_i64(r->to, r->s->nk));
        r->shift = lse < INFINITY ? r->shift - lse : NAN;
    }
    return r->shift;
}

/* The next key and its score; false after the last. */
static bool next_key(struct row *r, int64_t *j, double *x)
{
    while (r->j < r->end) {
        look_up(r);
        *j = r->j++;
        if (!r->bits[(*j - r->first) % BLOCK])
            continue;
        double shift = shift_of(r, *j);
        if (shift == -INFINITY)
            continue;
        *x = score_of(&r->t, r->w, *j).biased + shift;
        if (*x != -INFINITY) /* else weight exactly 0 */
            return true;
    }
    return false;
}

/* NaN is larger than any number. */
static void see_top(struct row *r, int64_t j, double x)
{
    if (x <= r->top || r->top != r->top)
        return;
    r->top = x;
    r->arg = j;
}

static void add_value(struct row *r, double weight, int64_t j)
{
    int64_t dv = r->c->p->dv;
    const double *value = row_f64(&r->value, j, dv, r->w->v);
    for (int64_t e = 0; e < dv; e++)
        r->w->acc[e] += weight * value[e];
}

/* Weights that are powers of e: max, sum of w = e^(s - max), sum of
 * w (s - max); a sink logit starts max and sum and has no value. */
struct online {
    double max, sum, sink_part, moment;
};

/* A key with score x: its weight, as things are now. */
static double see_score(struct row *r, struct online *t, double x)
{
    if (!(x <= t->max)) { /* also when x is NaN: the row becomes NaN */
        double f = t->max == -INFINITY ? 0 : exp(t->max - x);
        if (t->sum > t->sink_part) /* keys so far: their distances grow */
            t->moment = f * (t->moment + (t->max - x) * (t->sum - t->sink_part));
        t->sum *= f;
        t->sink_part *= f;
        for (int64_t e = 0; e < r->c->p->dv; e++)
            r->w->acc[e] *= f;
        t->max = x;
    }
    double weight = exp(x - t->max);
    t->sum += weight;
    t->moment += weight * (x - t->max);
    return weight;
}

/* What the rule of a cache hides from the row, as one key. */
static void see_folded(struct row *r, struct online *t)
{
    struct attn__fold_row fold;
    if (!attn__fold_row_is(r->c, r->s, r->h))
        return;
    attn__fold_row_begin(&fold, r->c, r->s, r->h, r->w);
    double x = attn__fold_row_score(&fold, r->i, r->t.q);
    if (x == -INFINITY)
        return;
    double weight = see_score(r, t, x) / (double)fold.n;
    for (int64_t e = 0; e < r->c->p->dv; e++)
        r->w->acc[e] += weight * fold.v_sum[e];
}

static void softmax_row(struct row *r)
{
    const struct attn__problem *p = r->c->p;
    double sink = attn__call_sink(r->c, r->s, r->h, r->i), x;
    struct online t = {.max = sink, .sum = sink == -INFINITY ? 0 : sink == sink ? 1 : NAN};
    t.sink_part = t.sum;
    walk(r);
    for (int64_t j; next_key(r, &j, &x);) {
        see_top(r, j, x);
        add_value(r, see_score(r, &t, x), j);
    }
    see_folded(r, &t);
    if (t.sum == 0)
        return; /* an empty row */
    r->lse = t.max + log(t.sum);
    r->prob_factor = p->norm.kind == ATTN_NORMALIZER_EXP_N ? (double)r->s->nk : 1;
    r->out_factor = r->prob_factor / t.sum;
    if (p->norm.kind == ATTN_NORMALIZER_EXP_SUM)
        r->out_factor = exp(t.max);
    /* -sum p ln p over the keys, p = w / sum; from the distances to the
     * maximum, because it may be small where the scores are large */
    double keys = t.sum - t.sink_part;
    r->entropy = keys == 0 ? 0 : (log(t.sum) * keys - t.moment) / t.sum;
}

/* The other normalisers. */
static void normalised_row(struct row *r)
{
    int64_t visible, j;
    double x;
    attn__vis_count(r->v, r->i, r->i + 1, &visible);
    int passes = attn__norm_exact_begin(&r->norm, &r->c->p->norm, r->s->nk, visible,
                                        r->i + r->s->off, r->w->x);
    for (int n = 0; n < passes; n++) {
        for (walk(r); next_key(r, &j, &x);)
            attn__norm_exact_see(&r->norm, x);
        attn__norm_exact_next(&r->norm);
    }
    for (walk(r); next_key(r, &j, &x);) {
        double weight = attn__norm_exact_weight(&r->norm, x);
        see_top(r, j, x);
        if (weight == 0)
            continue;
        if (r->c->has[ATTN__SLOT_ENTROPY])
            r->entropy -= weight * log(weight);
        add_value(r, weight, j);
    }
    r->out_factor = 1;
}

static double weight_of(const struct row *r, double x)
{
    const struct attn__problem *p = r->c->p;
    bool base2 = attn__norm_traits(p->norm.kind)->base2;
    if (base2 && isnan(r->lse))
        return NAN;
    if (x == -INFINITY)
        return 0;
    if (!base2)
        return attn__norm_exact_weight(&r->norm, x);
    return p->norm.kind == ATTN_NORMALIZER_EXP_SUM ? exp(x) : exp(x - r->lse) * r->prob_factor;
}

static void masses_of_row(struct row *r)
{
    double mass[ATTN__MASS_CLASSES] = {0};
    struct attn__rows classes = attn__call_class_k(r->c, r->s);
    for (walk(r); r->j < r->end; r->j++) {
        look_up(r);
        double shift = r->bits[(r->j - r->first) % BLOCK] ? shift_of(r, r->j) : -INFINITY;
        if (shift != -INFINITY)
            mass[*(const uint8_t *)attn__rows_at(&classes, r->j)] +=
                weight_of(r, score_of(&r->t, r->w, r->j).biased + shift);
    }
    attn__class_mass_store(r->c, r->s, r->h, r->i, mass);
}

static void pairs_of_row(struct row *r)
{
    const struct attn__call *c = r->c;
    const struct attn__seq *s = r->s;
    int64_t h = r->h, i = r->i;
    for (int64_t j = 0; j < s->nk; j++) {
        if (j % BLOCK == 0)
            attn__vis_bits(r->v, i, i + 1, j, attn__min_i64(j + BLOCK, s->nk), r->bits);
        bool visible = r->bits[j % BLOCK] != 0;
        struct score x = score_of(&r->t, r->w, j);
        store_pair(c, ATTN__SLOT_SCORES_RAW, s, h, i, j, x.raw);
        store_pair(c, ATTN__SLOT_SCORES_CAPPED, s, h, i, j, x.capped);
        store_pair(c, ATTN__SLOT_SCORES_BIASED, s, h, i, j, visible ? x.biased : -INFINITY);
        double shift = visible ? shift_of(r, j) : -INFINITY;
        double prob = shift == -INFINITY ? 0 : weight_of(r, x.biased + shift);
        store_pair(c, ATTN__SLOT_PROBS, s, h, i, j, prob);
        if (c->has[ATTN__SLOT_COLSUM]) {
            struct attn__rows sums = attn__call_colsum(c, s, h);
            attn__rows_store(&sums, j, 0, attn__rows_load(&sums, j, 0) + prob);
        }
    }
}

void attn__row_exact(const struct attn__call *c, const struct attn__seq *s,
                     const struct attn__vis *v, int64_t h, int64_t i,
                     const struct attn__row_scratch *w)
{
    const struct attn__problem *p = c->p;
    struct row r = {.c = c, .s = s, .v = v, .w = w, .h = h, .i = i, .top = -INFINITY,
                    .arg = -1, .lse = -INFINITY};
    r.t = (struct terms){.x = {c, s, h, i, attn__score_scale(c, s, h, i), w->tq},
                         .k = attn__call_k(c, s, h),
                         .qk = attn__qk_begin(c, s, w->qk)};
    r.value = attn__call_v(c, s, h);
    struct attn__rows q = attn__call_q(c, s, h), out = attn__call_out(c, s, h);
    /* A copy in any case: OUT may be Q's memory. */
    r.t.q = own_copy(row_f64(&q, i, p->d, w->q), p->d, w->q);
    if (attn__qk_changes_q(p))
        attn__qk_change_q_f64(&r.t.qk, h, i, w->q);
    attn__score_query_exact(c, h, w->q, attn__score_has_table(p) ? w->tq : NULL);
    for (int64_t e = 0; e < p->dv; e++)
        w->acc[e] = 0;

    if (attn__norm_traits(p->norm.kind)->base2)
        softmax_row(&r);
    else
        normalised_row(&r);
    for (int64_t e = 0; e < p->dv; e++)
        w->acc[e] = r.out_factor == 0 ? 0 : w->acc[e] * r.out_factor;
    if (p->epilogue.any)
        attn__epilogue_f64(c, s, h, i, w->acc);
    for (int64_t e = 0; e < p->dv; e++)
        attn__rows_store(&out, i, e, w->acc[e]);
    store_row(c, ATTN__SLOT_LSE, s, h, i, r.lse);
    store_row(c, ATTN__SLOT_ROWMAX, s, h, i, r.top);
    store_row(c, ATTN__SLOT_ENTROPY, s, h, i, r.entropy);
    attn__call_store_argmax(c, s, h, i, r.arg);
    if (c->has[ATTN__SLOT_CLASSMASS])
        masses_of_row(&r);
    if (attn__row_exact_all_pairs(c))
        pairs_of_row(&r);
}

void attn__row_empty(const struct attn__call *c, const struct attn__seq *s, int64_t h, int64_t i)
{
    struct attn__rows out = attn__call_out(c, s, h);
    if (out.col == 1)
        memset(attn__rows_at(&out, i), 0, (size_t)c->p->dv * attn__dtype_size(out.dtype));
    for (int64_t e = 0; e < c->p->dv && out.col != 1; e++)
        attn__rows_store(&out, i, e, 0);
    store_row(c, ATTN__SLOT_LSE, s, h, i, -INFINITY);
    store_row(c, ATTN__SLOT_ROWMAX, s, h, i, -INFINITY);
    store_row(c, ATTN__SLOT_ENTROPY, s, h, i, 0);
    attn__call_store_argmax(c, s, h, i, -1);
    if (c->has[ATTN__SLOT_CLASSMASS])
        attn__class_mass_store(c, s, h, i, (const double[ATTN__MASS_CLASSES]){0});
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

void attn__row_skipped(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                       int64_t i)
{
    attn__row_empty(c, s, h, i);
    for (int64_t j = 0; j < s->nk && attn__row_exact_all_pairs(c); j++) {
        store_pair(c, ATTN__SLOT_SCORES_RAW, s, h, i, j, -INFINITY);
        store_pair(c, ATTN__SLOT_SCORES_CAPPED, s, h, i, j, -INFINITY);
        store_pair(c, ATTN__SLOT_SCORES_BIASED, s, h, i, j, -INFINITY);
        store_pair(c, ATTN__SLOT_PROBS, s, h, i, j, 0);
    }
}

void attn__rows_none(const struct attn__call *c, const struct attn__seq *s, int64_t h)
{
    struct attn__seq none = *s;
    none.nq = 0;
    attn__rows_pad(c, &none, h);
}
