/* SPDX-License-Identifier: MIT */
/*
 * Results against the oracle.
 */
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sums {
    double error, reference, got, product, size, worst;
    double row, squares; /* `reference` of this row; squares of those of all rows */
    double moved;        /* squares of what errors of scores do to first order */
    int64_t n;
};

static double rounding(int32_t dtype)
{
    return dtype == ATTN_DTYPE_F16 ? 0x1p-11 : dtype == ATTN_DTYPE_BF16 ? 0x1p-8 : 0;
}

/* Between zero and this a type has nothing. */
static double least(int32_t dtype)
{
    return dtype == ATTN_DTYPE_F16 ? 0x1p-24 : dtype == ATTN_DTYPE_F64 ? 0x1p-1074 : 0x1p-149;
}

/* NaN with NaN, an infinity with the same one, finite with finite. */
static bool same_kind(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return isinf(a) || isinf(b) ? a == b : true;
}

static void end_row(struct sums *s)
{
    s->squares += s->row * s->row;
    s->row = 0;
}

/*
 * The elements of a row share the errors of its scores, so that where one row
 * outweighs all others there is but one sample of what the bound says of a
 * root mean square. It may then be twice the bound, with n rows of equal weight
 * 1 + 1/n times.
 */
static double of_few_rows(const struct sums *s)
{
    return s->reference > 0 ? 1 + s->squares / (s->reference * s->reference) : 1;
}

/* How exact a result has to be. */
struct accuracy {
    double arithmetic, rounding; /* relative RMS: of the calculation, of storing it */
    double unit;                 /* of an error that was multiplied */
};

static bool finish(const struct sums *s, const struct accuracy *a, double floor,
                   struct compare_figures *f)
{
    double n = s->n > 0 ? (double)s->n : 1;
    /* Few elements may cancel to almost nothing; what rounding is relative
     * to is then the size of what was added. */
    double scale = sqrt((s->n < 256 ? fmax(s->size, s->reference) : s->reference) / n);
    scale = fmax(scale, floor);
    double multiplied = s->moved > 0 ? a->unit * sqrt(s->moved / n) / scale : 0;
    double bound = (fmax(a->arithmetic, multiplied) + a->rounding) * of_few_rows(s);
    f->bound = bound;
    f->rms = scale > 0 ? sqrt(s->error / n) / scale : s->error > 0 ? INFINITY : 0;
    f->max = scale > 0 ? s->worst / scale : s->worst > 0 ? INFINITY : 0;
    double norms = sqrt(s->reference) * sqrt(s->got);
    f->cosine = norms > 0 ? 1 - s->product / norms : 0;
    /* An error of relative size e turns the vector by at most e. */
    double largest = 64 * bound * (scale > 0 ? fmax(1, sqrt(s->size) / scale) : 1);
    if (f->rms > bound)
        snprintf(f->why, sizeof f->why, "relative RMS above its bound");
    else if (f->max > largest)
        snprintf(f->why, sizeof f->why, "largest error %.3g above %.3g", f->max, largest);
    else if (s->n >= 256 && f->cosine > bound * bound + 1e-13)
        snprintf(f->why, sizeof f->why, "correlation too low");
    return f->why[0] == 0;
}

struct checked {
    const attn_tensor *t;
    const double *reference, *size, *error; /* size and error may be NULL */
    double floor;                           /* smallest scale errors are relative to */
};

/* Takes in the element at index; false if it is of another kind. */
static bool add(struct sums *s, const struct checked *c, const int64_t *index, int64_t at,
                struct compare_figures *f)
{
    double want = c->reference[at], got = oracle_load(c->t, index);
    if (isinf(oracle_round(want, c->t->dtype))) /* f16 ends at 65504 */
        want = oracle_round(want, c->t->dtype);
    if (!same_kind(want, got)) {
        snprintf(f->why, sizeof f->why,
                 "is %g, expected %g at [%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 "]", got,
                 want, index[0], index[1], c->t->rank > 2 ? index[2] : 0,
                 c->t->rank > 3 ? index[3] : 0);
        return false;
    }
    if (!isfinite(want))
        return true;
    double size = c->size ? c->size[at] : want;
    if (c->error && isfinite(c->error[at]))
        s->moved += c->error[at] * c->error[at];
    if (fabs(got - want) <= least(c->t->dtype))
        got = want;
    s->error += (got - want) * (got - want);
    s->reference += want * want;
    s->row += want * want;
    s->got += got * got;
    s->product += got * want;
    s->size += size * size;
    s->worst = fmax(s->worst, fabs(got - want));
    s->n++;
    return true;
}

static bool check_rows(const struct gen_problem *p, const struct oracle_result *r,
                       const struct checked *c, const struct accuracy *a,
                       struct compare_figures *f)
{
    struct sums s = {0};
    int64_t hout = p->options.hout, width = c->t->rank == 4 ? c->t->shape[3] : 1;
    for (int64_t b = 0; b < r->b; b++)
        for (int64_t h = 0; h < hout; h++)
            for (int64_t i = 0; i < r->nq; i++) {
                for (int64_t e = 0; e < width && r->owned[b * r->nq + i]; e++) {
                    int64_t index[4] = {b, h, i, e};
                    if (!add(&s, c, index, ((b * hout + h) * r->nq + i) * width + e, f))
                        return false;
                }
                end_row(&s);
            }
    return finish(&s, a, c->floor, f);
}

/* Per-pair outputs, and column sums as pairs with one row. What a poisoned
 * key gives before visibility is whatever it is. */
static bool check_pairs(const struct gen_problem *p, const struct oracle_result *r,
                        const struct checked *c, const struct accuracy *a,
                        bool before_visibility, struct compare_figures *f)
{
    struct sums s = {0};
    int64_t hout = p->options.hout;
    bool columns = c->t->rank == 3;
    for (int64_t n = 0; n < r->n_seq; n++)
        for (int64_t h = 0; h < hout; h++)
            for (int64_t i = 0; i < (columns ? 1 : c->t->shape[2]); i++) {
                for (int64_t j = 0; j < c->t->shape[columns ? 2 : 3]; j++) {
                    int64_t index[4] = {n, h, columns ? j : i, columns ? 0 : j};
                    int64_t pair = ((n * hout + h) * r->pair_q + i) * r->pair_k + j;
                    int64_t at = columns ? (n * hout + h) * r->pair_k + j : pair;
                    if (before_visibility && r->counted[pair] == ORACLE_BEYOND)
                        continue;
                    if (!add(&s, c, index, at, f))
                        return false;
                }
                end_row(&s);
            }
    return finish(&s, a, c->floor, f);
}

/* Sums of e^s that are not divided have to fit in the type of the output, and
 * those on the way to it in f32. */
static bool fits(struct gen_problem *p, const struct oracle_result *r)
{
    double largest = r->max_logit + log((double)(r->pair_k > 0 ? r->pair_k : 1));
    return largest < (p->dtype == ATTN_DTYPE_F16 ? 10 : p->dtype == ATTN_DTYPE_F64 ? 700 : 80);
}

/* Where all weights are smaller, f32 may have 0: the one of gelu(-40), say. */
static double tiny(const struct gen_problem *p)
{
    return p->dtype == ATTN_DTYPE_F64 ? 0 : 0x1p-100;
}

/* Sums of the oracle's weights by class, and of their sizes. */
static bool check_masses(const struct gen_problem *p, const struct oracle_result *r,
                         const attn_tensor *t, const struct accuracy *a,
                         struct compare_figures *f)
{
    int64_t hout = p->options.hout, n_classes = p->mass_classes;
    int64_t all = r->b * hout * r->nq * n_classes;
    double *mass = calloc(3 * (size_t)all + 1, sizeof *mass), *size = mass + all;
    double *error = size + all;
    if (!mass)
        abort();
    for (int64_t n = 0; n < r->n_seq; n++) {
        int64_t b = p->options.packed ? 0 : n, q0 = 0, k0 = 0, rows = r->nq, keys = r->nk;
        if (p->options.packed) {
            int64_t next = n + 1;
            q0 = (int64_t)oracle_load(p->inputs.q_offsets, &n);
            k0 = (int64_t)oracle_load(p->inputs.k_offsets, &n);
            rows = (int64_t)oracle_load(p->inputs.q_offsets, &next) - q0;
            keys = (int64_t)oracle_load(p->inputs.k_offsets, &next) - k0;
        }
        for (int64_t x = 0; x < hout * rows * keys; x++) {
            int64_t h = x / keys / rows, i = x / keys % rows, j = x % keys;
            int64_t class = (int64_t)oracle_load4(p->class_k, b, k0 + j, 0, 0);
            int64_t at = ((b * hout + h) * r->nq + q0 + i) * n_classes + class;
            int64_t pair = ((n * hout + h) * r->pair_q + i) * r->pair_k + j;
            double w = r->probs[pair];
            if (class >= n_classes)
                continue;
            mass[at] += w;
            size[at] += fabs(w);
            error[at] = hypot(error[at], r->probs_error[pair]);
        }
    }
    struct checked c = {t, mass, size, r->multiplied ? error : NULL, tiny(p)};
    bool ok = check_rows(p, r, &c, a, f);
    free(mass);
    return ok;
}

/* The first key whose score is the row's largest; where rounding may have
 * chosen, one that is as good. */
static bool check_argmax(const struct gen_problem *p, const struct oracle_result *r,
                         const attn_tensor *t, double bound, struct compare_figures *f)
{
    int64_t hout = p->options.hout;
    double slack = 4 * bound * (4 + r->max_logit);
    for (int64_t n = 0; n < r->n_seq; n++) {
        int64_t b = p->options.packed ? 0 : n, q0 = 0, rows = r->nq;
        if (p->options.packed) {
            int64_t next = n + 1;
            q0 = (int64_t)oracle_load(p->inputs.q_offsets, &n);
            rows = (int64_t)oracle_load(p->inputs.q_offsets, &next) - q0;
        }
        for (int64_t x = 0; x < hout * rows; x++) {
            int64_t index[3] = {b, x / rows, q0 + x % rows}, first = 0;
            const double *s = r->scores_weighed +
                              ((n * hout + index[1]) * r->pair_q + x % rows) * r->pair_k;
            double top = r->rowmax[(b * hout + index[1]) * r->nq + index[2]];
            int64_t got = (int64_t)oracle_load(t, index);
            while (isnan(top) && !isnan(s[first]))
                first++;
            bool ok = isnan(top) ? got == first
                      : top == -INFINITY
                          ? got == -1
                          : got >= 0 && got < r->pair_k &&
                                (s[got] == top || s[got] >= top - slack);
            if (ok)
                continue;
            snprintf(f->why, sizeof f->why,
                     "is %" PRId64 " at [%" PRId64 ",%" PRId64 ",%" PRId64
                     "], where the largest score is %g", got, index[0], index[1], index[2], top);
            return false;
        }
    }
    return true;
}

static bool check_counts(const struct oracle_result *r, const attn_tensor *t,
                         struct compare_figures *f)
{
    int64_t n[4];
    for (int64_t i = 0; i < 4; i++)
        n[i] = (int64_t)oracle_load(t, &i);
    if (n[1] == r->all_pairs && n[0] >= r->visible_pairs && n[0] <= n[1] && n[2] <= n[3] &&
        (n[0] > 0) == (n[2] > 0) && n[2] >= 0)
        return true;
    snprintf(f->why, sizeof f->why,
             "are %" PRId64 " of %" PRId64 " pairs and %" PRId64 " of %" PRId64
             " tiles, expected at least %" PRId64 " of %" PRId64 " pairs", n[0], n[1], n[2], n[3],
             r->visible_pairs, r->all_pairs);
    return false;
}

/* The outputs that are not an array of the oracle's. */
static bool check_others(struct gen_problem *p, const struct oracle_result *r,
                         const struct accuracy *a, struct compare_figures *f)
{
    const struct gen_tensor *argmax = gen_find(p, ATTN_ROLE_ARGMAX);
    const struct gen_tensor *masses = gen_find(p, ATTN_ROLE_CLASSMASS);
    const struct gen_tensor *counts = gen_find(p, ATTN_ROLE_COUNTS);
    *f = (struct compare_figures){.role = "argmax"};
    if (argmax && !check_argmax(p, r, &argmax->t, a->arithmetic, f))
        return false;
    f->role = "counts";
    if (counts && !check_counts(r, &counts->t, f))
        return false;
    f->role = "classmass";
    return !masses || check_masses(p, r, &masses->t, a, f);
}

bool compare_all(struct gen_problem *p, const struct oracle_result *r,
                 struct compare_figures *figures)
{
    const struct {
        int32_t role;
        const double *reference, *size, *error;
        double floor;
        bool pairs, before;
    } outputs[] = {
        {ATTN_ROLE_OUT, r->out, r->out_size, r->out_error, tiny(p), false, false},
        {ATTN_ROLE_LSE, r->lse, NULL, NULL, 1, false, false},
        {ATTN_ROLE_ROWMAX, r->rowmax, NULL, NULL, 1, false, false},
        {ATTN_ROLE_ENTROPY, r->entropy, NULL, NULL, 1, false, false},
        {ATTN_ROLE_PROBS, r->probs, NULL, r->probs_error, tiny(p), true, false},
        {ATTN_ROLE_COLSUM, r->colsum, NULL, r->colsum_error, tiny(p), true, false},
        {ATTN_ROLE_SCORES_RAW, r->scores_raw, NULL, NULL, 1, true, true},
        {ATTN_ROLE_SCORES_CAPPED, r->scores_capped, NULL, NULL, 1, true, true},
        {ATTN_ROLE_SCORES_BIASED, r->scores_biased, NULL, NULL, 1, true, false},
    };
    double eps = p->dtype == ATTN_DTYPE_F64 ? 4 * 0x1p-52 : 0x1p-23;
    const struct accuracy exact = {.arithmetic = 8 * eps * (1 + r->max_logit / 4),
                                   .unit = 8 * eps};
    *figures = (struct compare_figures){0};
    if (p->options.norm.kind == ATTN_NORMALIZER_EXP_SUM && !fits(p, r))
        return true;
    /* The oracle puts the condition of lssar's rows in the place of the largest
     * logit. It is a first-order estimate, good for nothing where rows cancel. */
    if (p->options.norm.kind == ATTN_NORMALIZER_LSSAR && r->max_logit > 400)
        return true;
    struct compare_figures others;
    if (!check_others(p, r, &exact, &others)) {
        *figures = others;
        return false;
    }
    for (size_t n = 0; n < sizeof outputs / sizeof outputs[0]; n++) {
        const struct gen_tensor *g = gen_find(p, outputs[n].role);
        if (!g)
            continue;
        struct checked c = {&g->t, outputs[n].reference, outputs[n].size,
                            r->multiplied ? outputs[n].error : NULL, outputs[n].floor};
        struct compare_figures f = {.role = attn_role_name(outputs[n].role)};
        struct accuracy a = exact;
        a.rounding = rounding(g->t.dtype);
        /* What compute=bf16 may cost; outputs made from kept scores never do. */
        if (p->compute_bf16 && (g->role == ATTN_ROLE_OUT || g->role == ATTN_ROLE_LSE)) {
            a.arithmetic += 0x1p-8 * (1 + r->max_logit / 4);
            a.unit += 0x1p-8;
        }
        bool ok = outputs[n].pairs ? check_pairs(p, r, &c, &a, outputs[n].before, &f)
                                   : check_rows(p, r, &c, &a, &f);
        if (!ok || !figures->role || f.rms / f.bound > figures->rms / figures->bound)
            *figures = f;
        if (!ok)
            return false;
    }
    return true;
}
