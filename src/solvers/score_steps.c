/* SPDX-License-Identifier: MIT */
/*
 * The table of score steps, the small ones of them, and the walks over it.
 */
#include "solvers/score_steps.h"

#include "problem/norm.h"
#include "solvers/score_bias.h"
#include "solvers/score_class.h"
#include "solvers/score_table.h"
#include "solvers/score_user.h"

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

/* ---- clamp: a NaN stays ---- */

static void clamp(float *s, int64_t n, float most)
{
    for (int64_t i = 0; i < n; i++) {
        float x = s[i] > most ? most : s[i];
        s[i] = x < -most ? -most : x;
    }
}

static void clamp_tile(const struct attn__score *x, const struct attn__score_tile *t)
{
    clamp(t->st, t->nk * t->w, (float)x->c->p->score.clamp);
}

static void clamp_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk, float *s)
{
    (void)r;
    (void)j0;
    clamp(s, nk, (float)x->c->p->score.clamp);
}

static double clamp_pair(const struct attn__score_exact *x, int64_t j, double s)
{
    double most = x->c->p->score.clamp;
    (void)j;
    return s > most ? most : s < -most ? -most : s;
}

/* ---- ALiBi ---- */

static void alibi_tile(const struct attn__score *x, const struct attn__score_tile *t)
{
    for (int64_t n = 0; n < t->w; n++) {
        int64_t r = t->r0 + n;
        bool row = n < t->n;
        x->work->slope[n] = row ? (float)x->c->p->slopes[attn__score_head(x, r)] : 0;
        x->work->dist[n] = row ? (float)(attn__score_at(x, r) + x->s->off - t->j0) : 0;
    }
    x->kern->tile_alibi(t->st, t->nk, t->w, x->work->slope, x->work->dist);
}

static void alibi_row(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk, float *s)
{
    double slope = x->c->p->slopes[attn__score_head(x, r)];
    int64_t at = attn__score_at(x, r) + x->s->off;
    x->kern->row_alibi(s, nk, (float)slope, (float)(at - j0));
}

static double alibi_pair(const struct attn__score_exact *x, int64_t j, double s)
{
    return s - x->c->p->slopes[x->h] * fabs((double)(x->i + x->s->off - j));
}

/* ---- the table: of a step that adds a bias, its sources ---- */

static const struct {
    void (*tile)(const struct attn__score *x, const struct attn__score_tile *t);
    void (*row)(const struct attn__score *x, int64_t r, int64_t j0, int64_t nk, float *s);
    double (*pair)(const struct attn__score_exact *x, int64_t j, double s);
    attn__score_bias_fn *bias;
    attn__score_bias_pair_fn *bias_pair;
    struct attn__score_bias_plain (*plain)(const struct attn__score *x,
                                           const struct attn__score_tile *t);
    double cost; /* of a score, in multiply-adds of a lane */
} steps[ATTN__STEP_COUNT] = {
    [ATTN__STEP_QUERY_TABLE] = {.tile = attn__score_table_tile, .row = attn__score_table_row,
                                .pair = attn__score_table_pair, .cost = 12},
    [ATTN__STEP_SOFTCAP] = {.tile = softcap_tile, .row = softcap_row, .pair = softcap_pair,
                            .cost = 25},
    [ATTN__STEP_CLAMP] = {.tile = clamp_tile, .row = clamp_row, .pair = clamp_pair, .cost = 1},
    [ATTN__STEP_ALIBI] = {.tile = alibi_tile, .row = alibi_row, .pair = alibi_pair, .cost = 3},
    [ATTN__STEP_ALIBI_AT] = {.bias = attn__score_bias_alibi,
                             .bias_pair = attn__score_bias_alibi_pair, .cost = 12},
    [ATTN__STEP_DISTANCE] = {.bias = attn__score_bias_distance,
                             .bias_pair = attn__score_bias_distance_pair,
                             .plain = attn__score_bias_distance_plain, .cost = 8},
    [ATTN__STEP_SWIN] = {.bias = attn__score_bias_swin, .bias_pair = attn__score_bias_swin_pair,
                         .cost = 16},
    [ATTN__STEP_GRID] = {.bias = attn__score_bias_grid, .bias_pair = attn__score_bias_grid_pair,
                         .cost = 12},
    [ATTN__STEP_BIAS] = {.bias = attn__score_bias_dense,
                         .bias_pair = attn__score_bias_dense_pair,
                         .plain = attn__score_bias_dense_plain, .cost = 8},
    [ATTN__STEP_CLASS] = {.tile = attn__score_class_tile, .row = attn__score_class_row,
                          .pair = attn__score_class_pair, .cost = 16},
    [ATTN__STEP_USER] = {.tile = attn__score_user_tile, .row = attn__score_user_row,
                         .pair = attn__score_user_pair, .cost = 6},
};

static void add_bias_tile(const struct attn__score *x, int step, const struct attn__score_tile *t)
{
    float *room = x->work->bias;
    int64_t step_rows;
    if (x->v->group == 1 && steps[step].plain &&
        attn__score_run(x, t->r0, t->n, &step_rows) == t->n) {
        struct attn__score_bias_plain b = steps[step].plain(x, t);
        if (b.at) {
            x->kern->tile_bias(t->st, t->nk, t->w, t->n, b.at, b.row, b.col);
            return;
        }
    }
    for (int64_t n = 0; n < t->n; n++)
        steps[step].bias(x, attn__score_head(x, t->r0 + n), attn__score_at(x, t->r0 + n), t->j0,
                         t->nk, room + n * t->nk);
    x->kern->tile_bias(t->st, t->nk, t->w, t->n, room, t->nk, 1);
}

static void add_bias_row(const struct attn__score *x, int step, int64_t r, int64_t j0, int64_t nk,
                         float *s)
{
    float *add = x->work->bias;
    steps[step].bias(x, attn__score_head(x, r), attn__score_at(x, r), j0, nk, add);
    for (int64_t j = 0; j < nk; j++)
        s[j] += add[j];
}

void attn__score_tile_steps(const struct attn__score *x, const struct attn__score_tile *t)
{
    for (uint32_t left = x->c->p->score.steps; left; left &= left - 1) {
        int step = __builtin_ctz(left);
        if (steps[step].bias)
            add_bias_tile(x, step, t);
        else
            steps[step].tile(x, t);
    }
    if (attn__norm_traits(x->c->p->norm.kind)->base2)
        x->kern->vec_scale(t->st, t->nk * t->w, (float)M_LOG2E);
}

void attn__score_row_steps(const struct attn__score *x, uint32_t set, int64_t r, int64_t j0,
                           int64_t nk, float *s)
{
    set &= x->c->p->score.steps;
    for (int64_t at = 0; set && at < nk; at += ATTN__SCORE_RUN) {
        int64_t n = attn__min_i64(ATTN__SCORE_RUN, nk - at);
        for (uint32_t left = set; left; left &= left - 1) {
            int step = __builtin_ctz(left);
            if (steps[step].bias)
                add_bias_row(x, step, r, j0 + at, n, s + at);
            else
                steps[step].row(x, r, j0 + at, n, s + at);
        }
    }
}

double attn__score_pair_steps(const struct attn__score_exact *x, uint32_t set, int64_t j, double s)
{
    for (uint32_t left = set & x->c->p->score.steps; left; left &= left - 1) {
        int step = __builtin_ctz(left);
        s = steps[step].bias ? s + steps[step].bias_pair(x, j) : steps[step].pair(x, j, s);
    }
    return s;
}

double attn__score_cost(const struct attn__problem *p)
{
    double sum = 0;
    for (uint32_t left = p->score.steps; left; left &= left - 1)
        sum += steps[__builtin_ctz(left)].cost;
    return attn__score_has_table(p) ? sum + 1.2 * (double)p->d : sum;
}

/* ---- the factor of a row ---- */

double attn__score_scale(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                         int64_t i)
{
    const struct attn__score_spec *e = &c->p->score;
    double f = c->p->scale;
    if (!e->own_rows)
        return f;
    if (e->head_scale)
        f *= e->head_scale[h];
    if (c->has[ATTN__SLOT_ROW_SCALE]) {
        struct attn__rows r = attn__call_per_query(c, ATTN__SLOT_ROW_SCALE, s, h);
        f *= attn__rows_load(&r, i, 0);
    }
    if (e->logn != ATTN__LOGN_NONE) {
        double n = (double)attn__max_i64(e->logn_keys ? s->nk : attn__call_pos_q(c, s, i) + 1, 1);
        f *= e->logn == ATTN__LOGN_SSMAX ? log(n) : fmax(1, log(n) / e->log_train);
    }
    return f;
}

void attn__score_work_take(struct attn__scratch *s, const struct attn__problem *p, int64_t rows,
                           int64_t keys, struct attn__score_work *out)
{
    int64_t pairs = 0;
    bool table = attn__score_has_table(p), bias = table;
    int64_t both = 0, entries = 0, products = 0;
    for (uint32_t left = p->score.steps; left; left &= left - 1)
        bias = bias || steps[__builtin_ctz(left)].bias;
    s->ok = s->ok && attn__mul_i64(rows, keys, &pairs) && attn__add_i64(rows, keys, &both) &&
            attn__mul_i64(both, p->d, &entries) && attn__mul_i64(both, rows, &products);
    out->bias = ATTN__TAKE(s, bias ? pairs : 0, float);
    out->slope = ATTN__TAKE(s, rows, float);
    out->dist = ATTN__TAKE(s, rows, float);
    out->table = ATTN__TAKE(s, table ? entries : 0, float);
    out->rel = ATTN__TAKE(s, table ? products : 0, float);
}

void attn__score_tables_take(struct attn__scratch *s, const struct attn__problem *p,
                             struct attn__score_tables *out)
{
    attn__score_bias_take(s, p, out);
}

void attn__score_tables_make(const struct attn__call *c, const struct attn__score_tables *tables)
{
    attn__score_bias_make(c, tables);
}
