/* SPDX-License-Identifier: MIT */
/*
 * The table of score steps, the small ones of them, and the walks over it.
 */
#include "solvers/score_steps.h"

#include "solvers/score_bias.h"

static int64_t head_of(const struct attn__score *x, int64_t r)
{
    return x->h0 + r % x->group;
}

/* ---- softcap ---- */

static void softcap_tile(const struct attn__score *x, const struct attn__score_tile *t)
{
    x->kern->vec_softcap(t->st, t->nk * t->w, (float)x->c->p->softcap);
}

static void softcap_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk, float *s)
{
    (void)r;
    (void)j0;
    x->kern->vec_softcap(s, nk, (float)x->c->p->softcap);
}

static double softcap_pair(const struct attn__score_exact *x, int64_t j, double s)
{
    double cap = x->c->p->softcap;
    (void)j;
    return cap * tanh(s / cap);
}

/* ---- ALiBi ---- */

static void alibi_tile(const struct attn__score *x, const struct attn__score_tile *t)
{
    for (int64_t n = 0; n < t->w; n++) {
        int64_t r = t->r0 + n;
        x->work->slope[n] = n < t->n ? (float)x->c->p->slopes[head_of(x, r)] : 0;
        x->work->dist[n] = (float)(r / x->group + x->s->off - t->j0);
    }
    x->kern->tile_alibi(t->st, t->nk, t->w, x->work->slope, x->work->dist);
}

static void alibi_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk, float *s)
{
    double slope = x->c->p->slopes[head_of(x, r)];
    x->kern->row_alibi(s, nk, (float)slope, (float)(r / x->group + x->s->off - j0));
}

static double alibi_pair(const struct attn__score_exact *x, int64_t j, double s)
{
    return s - x->c->p->slopes[x->h] * fabs((double)(x->i + x->s->off - j));
}

/* ---- the table ---- */

static const struct {
    void (*tile)(const struct attn__score *x, const struct attn__score_tile *t);
    void (*row)(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk, float *s);
    double (*pair)(const struct attn__score_exact *x, int64_t j, double s);
    double cost; /* of a score, in multiply-adds of a lane */
} steps[ATTN__STEP_COUNT] = {
    [ATTN__STEP_SOFTCAP] = {softcap_tile, softcap_row, softcap_pair, 25},
    [ATTN__STEP_ALIBI] = {alibi_tile, alibi_row, alibi_pair, 3},
    [ATTN__STEP_BIAS] = {attn__score_bias_tile, attn__score_bias_row, attn__score_bias_pair, 8},
};

void attn__score_tile_steps(const struct attn__score *x, const struct attn__score_tile *t)
{
    for (uint32_t left = x->c->p->score.steps; left; left &= left - 1)
        steps[__builtin_ctz(left)].tile(x, t);
    x->kern->vec_scale(t->st, t->nk * t->w, (float)M_LOG2E);
}

void attn__score_row_steps(const struct attn__score *x, uint32_t set, int64_t r, int64_t j0,
                           int64_t nk, float *s)
{
    set &= x->c->p->score.steps;
    for (int64_t at = 0; set && at < nk; at += ATTN__SCORE_RUN) {
        int64_t n = attn__min_i64(ATTN__SCORE_RUN, nk - at);
        for (uint32_t left = set; left; left &= left - 1)
            steps[__builtin_ctz(left)].row(x, r, j0 + at, n, s + at);
    }
}

double attn__score_pair_steps(const struct attn__score_exact *x, uint32_t set, int64_t j, double s)
{
    for (uint32_t left = set & x->c->p->score.steps; left; left &= left - 1)
        s = steps[__builtin_ctz(left)].pair(x, j, s);
    return s;
}

double attn__score_cost(const struct attn__problem *p)
{
    double sum = 0;
    for (uint32_t left = p->score.steps; left; left &= left - 1)
        sum += steps[__builtin_ctz(left)].cost;
    return sum;
}

/* ---- the factor of a row ---- */

double attn__score_scale(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                         int64_t i)
{
    const struct attn__score_spec *e = &c->p->score;
    double f = c->p->scale;
    if (!e->row_factor)
        return f;
    if (e->head_scale)
        f *= e->head_scale[h];
    if (e->logn != ATTN__LOGN_NONE) {
        double n = (double)attn__max_i64(e->logn_keys ? s->nk : i + s->off + 1, 1);
        f *= e->logn == ATTN__LOGN_SSMAX ? log(n) : fmax(1, log(n) / e->log_train);
    }
    return f;
}

void attn__score_work_take(struct attn__scratch *s, const struct attn__problem *p, int64_t rows,
                           int64_t keys, struct attn__score_work *out)
{
    int64_t pairs = 0;
    uint32_t bias = p->score.steps & 1u << ATTN__STEP_BIAS;
    s->ok = s->ok && attn__mul_i64(rows, keys, &pairs);
    out->bias = ATTN__TAKE(s, bias ? pairs : 0, float);
    out->slope = ATTN__TAKE(s, rows, float);
    out->dist = ATTN__TAKE(s, rows, float);
}
