/* SPDX-License-Identifier: MIT */
/*
 * The steps between q.k and the normaliser, for every solver: in tiles with
 * queries as lanes, in rows of f32, and pair by pair in double. Which steps
 * there are is in the problem; each is a row of one table.
 */
#ifndef ATTN_SOLVERS_SCORE_STEPS_H
#define ATTN_SOLVERS_SCORE_STEPS_H

#include "kernels/kernels.h"
#include "problem/call.h"
#include "solvers/scratch.h"

/* Keys that a row is taken through the steps at a time. */
enum { ATTN__SCORE_RUN = 256 };

/* A worker's room. */
struct attn__score_work {
    float *bias;          /* [rows][keys] */
    float *slope, *dist;  /* [rows] */
    /* with QUERY_TABLE: rows of it, and products of queries with them */
    float *table, *rel; /* [rows + keys][d], [rows][rows + keys] */
};

/* rows: of a tile, 1 for rows; keys: of a block, at least ATTN__SCORE_RUN for
 * rows. */
void attn__score_work_take(struct attn__scratch *s, const struct attn__problem *p, int64_t rows,
                           int64_t keys, struct attn__score_work *out);

/* Room for the tables that all solvers of an execute share, and filling them,
 * which the plan does once. */
void attn__score_tables_take(struct attn__scratch *s, const struct attn__problem *p,
                             struct attn__score_tables *out);
void attn__score_tables_make(const struct attn__call *c, const struct attn__score_tables *tables);

/* One sequence and some heads; rows are those of visibility.h. */
struct attn__score {
    const struct attn__call *c;
    const struct attn__kernels *kern;
    const struct attn__seq *s;
    const struct attn__vis *v;
    const struct attn__score_work *work;
    /* What attn__score_query made for QUERY_TABLE: that of row r is at
     * tq + (r - tq_r0) * d. */
    const float *tq;
    int64_t tq_r0;
};

static inline int64_t attn__score_at(const struct attn__score *x, int64_t r)
{
    return attn__vis_query(x->v, r);
}

static inline int64_t attn__score_head(const struct attn__score *x, int64_t r)
{
    return attn__vis_head(x->v, r);
}

/*
 * How many of rows r0 to r0 + n - 1, beginning with r0 and step by step, are
 * consecutive queries of one head; the step goes to *step.
 */
static inline int64_t attn__score_run(const struct attn__score *x, int64_t r0, int64_t n,
                                      int64_t *step)
{
    *step = x->v->lines ? 1 : x->v->group;
    int64_t all = (n + *step - 1) / *step, run = 1;
    while (x->v->lines && run < all &&
           x->v->lines[r0 + run] == x->v->lines[r0] + run * x->v->group)
        run++;
    return x->v->lines ? run : all;
}

/* Rows r0..r0+n-1 against keys j0..j0+nk-1: st[j * w + lane], w lanes. */
struct attn__score_tile {
    float *st;
    int64_t w, r0, n, j0, nk;
};

static inline bool attn__score_any(const struct attn__problem *p)
{
    return p->score.steps != 0;
}

/* scale times the factors of the row. */
double attn__score_scale(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                         int64_t i);

/*
 * With own_rows: row r of Q, `row` [d], gets its bias and its scale, so that
 * products with keys are scores; table_row [d] becomes what QUERY_TABLE is
 * multiplied with, or is NULL if there is none.
 */
void attn__score_query(const struct attn__score *x, int64_t r, float *row, float *table_row);
/* The same in double, without the scale. */
void attn__score_query_exact(const struct attn__call *c, int64_t h, double *row,
                             double *table_row);

static inline bool attn__score_has_table(const struct attn__problem *p)
{
    return p->score.steps & ATTN__STEPS_RAW;
}

/* All steps, from scale * q.k to final scores, times log2 e where weights are
 * powers of e. */
void attn__score_tile_steps(const struct attn__score *x, const struct attn__score_tile *t);

/* The steps of a set on s[0..nk-1], natural scores of row r and keys j0... */
void attn__score_row_steps(const struct attn__score *x, uint32_t steps, int64_t r, int64_t j0,
                           int64_t nk, float *s);

/* One row in double. */
struct attn__score_exact {
    const struct attn__call *c;
    const struct attn__seq *s;
    int64_t h, i;
    double scale;
    const double *tq; /* of attn__score_query_exact */
};

/* The steps of a set on the score of key j. */
double attn__score_pair_steps(const struct attn__score_exact *x, uint32_t steps, int64_t j,
                              double s);

/* What the steps cost a score, where a multiply-add of a lane is 1. */
double attn__score_cost(const struct attn__problem *p);

#endif /* ATTN_SOLVERS_SCORE_STEPS_H */
