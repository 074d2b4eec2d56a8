/* SPDX-License-Identifier: MIT */
/*
 * Results against the oracle.
 */
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct sums {
    double error, reference, got, product, size, worst;
    int64_t n;
};

static double rounding(int32_t dtype)
{
    return dtype == ATTN_DTYPE_F16 ? 0x1p-11 : dtype == ATTN_DTYPE_BF16 ? 0x1p-8 : 0;
}

/* NaN with NaN, an infinity with the same one, finite with finite. */
static bool same_kind(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return isinf(a) || isinf(b) ? a == b : true;
}

static bool finish(const struct sums *s, double bound, double floor, struct compare_figures *f)
{
    double n = s->n > 0 ? (double)s->n : 1;
    /* Few elements may cancel to almost nothing; what rounding is relative
     * to is then the size of what was added. */
    double scale = sqrt((s->n < 256 ? fmax(s->size, s->reference) : s->reference) / n);
    scale = fmax(scale, floor);
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
    const double *reference, *size; /* size may be NULL */
    double floor;                   /* smallest scale errors are relative to */
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
    s->error += (got - want) * (got - want);
    s->reference += want * want;
    s->got += got * got;
    s->product += got * want;
    s->size += size * size;
    s->worst = fmax(s->worst, fabs(got - want));
    s->n++;
    return true;
}

static bool check_rows(const struct gen_problem *p, const struct oracle_result *r,
                       const struct checked *c, double bound, struct compare_figures *f)
{
    struct sums s = {0};
    int64_t hout = p->options.hout, width = c->t->rank == 4 ? c->t->shape[3] : 1;
    for (int64_t b = 0; b < r->b; b++)
        for (int64_t h = 0; h < hout; h++)
            for (int64_t i = 0; i < r->nq; i++)
                for (int64_t e = 0; e < width && r->owned[b * r->nq + i]; e++) {
                    int64_t index[4] = {b, h, i, e};
                    if (!add(&s, c, index, ((b * hout + h) * r->nq + i) * width + e, f))
                        return false;
                }
    return finish(&s, bound, c->floor, f);
}

/* Per-pair outputs, and column sums as pairs with one row. What a poisoned
 * key gives before visibility is whatever it is. */
static bool check_pairs(const struct gen_problem *p, const struct oracle_result *r,
                        const struct checked *c, double bound, bool before_visibility,
                        struct compare_figures *f)
{
    struct sums s = {0};
    int64_t hout = p->options.hout;
    bool columns = c->t->rank == 3;
    for (int64_t n = 0; n < r->n_seq; n++)
        for (int64_t h = 0; h < hout; h++)
            for (int64_t i = 0; i < (columns ? 1 : c->t->shape[2]); i++)
                for (int64_t j = 0; j < c->t->shape[columns ? 2 : 3]; j++) {
                    int64_t index[4] = {n, h, columns ? j : i, columns ? 0 : j};
                    int64_t pair = ((n * hout + h) * r->pair_q + i) * r->pair_k + j;
                    int64_t at = columns ? (n * hout + h) * r->pair_k + j : pair;
                    if (before_visibility && r->counted[pair] &&
                        !(fabs(r->scores_raw[pair]) < 1e30))
                        continue;
                    if (!add(&s, c, index, at, f))
                        return false;
                }
    return finish(&s, bound, c->floor, f);
}

/* Sums of e^s that are not divided have to fit in the type of the output, and
 * those on the way to it in f32. */
static bool fits(struct gen_problem *p, const struct oracle_result *r)
{
    double largest = r->max_logit + log((double)(r->pair_k > 0 ? r->pair_k : 1));
    return largest < (p->dtype == ATTN_DTYPE_F16 ? 10 : p->dtype == ATTN_DTYPE_F64 ? 700 : 80);
}

bool compare_all(struct gen_problem *p, const struct oracle_result *r,
                 struct compare_figures *figures)
{
    const struct {
        int32_t role;
        const double *reference, *size;
        double floor;
        bool pairs, before;
    } outputs[] = {
        {ATTN_ROLE_OUT, r->out, r->out_size, 0, false, false},
        {ATTN_ROLE_LSE, r->lse, NULL, 1, false, false},
        {ATTN_ROLE_ROWMAX, r->rowmax, NULL, 1, false, false},
        {ATTN_ROLE_ENTROPY, r->entropy, NULL, 1, false, false},
        {ATTN_ROLE_PROBS, r->probs, NULL, 0, true, false},
        {ATTN_ROLE_COLSUM, r->colsum, NULL, 0, true, false},
        {ATTN_ROLE_SCORES_RAW, r->scores_raw, NULL, 1, true, true},
        {ATTN_ROLE_SCORES_CAPPED, r->scores_capped, NULL, 1, true, true},
        {ATTN_ROLE_SCORES_BIASED, r->scores_biased, NULL, 1, true, false},
    };
    double eps = p->dtype == ATTN_DTYPE_F64 ? 4 * 0x1p-52 : 0x1p-23;
    double arithmetic = 8 * eps * (1 + r->max_logit / 4);
    *figures = (struct compare_figures){0};
    if (p->options.norm.kind == ATTN_NORMALIZER_EXP_SUM && !fits(p, r))
        return true;
    /* The oracle puts the condition of lssar's rows in the place of the largest
     * logit. It is a first-order estimate, good for nothing where rows cancel. */
    if (p->options.norm.kind == ATTN_NORMALIZER_LSSAR && r->max_logit > 400)
        return true;
    for (size_t n = 0; n < sizeof outputs / sizeof outputs[0]; n++) {
        const struct gen_tensor *g = gen_find(p, outputs[n].role);
        if (!g)
            continue;
        struct checked c = {&g->t, outputs[n].reference, outputs[n].size, outputs[n].floor};
        struct compare_figures f = {.role = attn_role_name(outputs[n].role)};
        double bound = arithmetic + rounding(g->t.dtype);
        /* What compute=bf16 may cost; outputs made from kept scores never do. */
        if (p->compute_bf16 && (g->role == ATTN_ROLE_OUT || g->role == ATTN_ROLE_LSE))
            bound += 0x1p-8 * (1 + r->max_logit / 4);
        bool ok = outputs[n].pairs ? check_pairs(p, r, &c, bound, outputs[n].before, &f)
                                   : check_rows(p, r, &c, bound, &f);
        if (!ok || !figures->role || f.rms / f.bound > figures->rms / figures->bound)
            *figures = f;
        if (!ok)
            return false;
    }
    return true;
}
