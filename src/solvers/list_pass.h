/* SPDX-License-Identifier: MIT */
/*
 * Lines of one list over its keys, for the solver lists.
 */
#ifndef ATTN_SOLVERS_LIST_PASS_H
#define ATTN_SOLVERS_LIST_PASS_H

#include "solvers/finish.h"
#include "solvers/list_walk.h"
#include "solvers/norm_pass.h"
#include "solvers/score_steps.h"

/* The online softmax of some lines: lane or row r at o + r (tiles: o[e * w +
 * r], rows: o[r * dv + e]). */
struct attn__list_sums {
    float *o, *m, *l;
};

/* Memory of a worker. */
struct attn__list_room {
    float *q;    /* [lines][d], or [d][w] for each tile */
    float *tq;   /* [lines][d], for QUERY_TABLE; NULL without */
    float *rows; /* [w][max(d, dv)]: queries in, results out */
    float *s;    /* scores: [keys][w], or [rows][keys] */
    float *part; /* [rows][dv], sums of a block */
    float *k, *v; /* [keys][d], [keys][dv] */
    float *f;    /* [lines] */
    uint64_t *bits; /* [keys] */
    const void **place; /* rows of keys, values and what comes next */
    int64_t *lines; /* [lines], for who passes only some of them */
    struct attn__list_sums sum;  /* of all lines */
    struct attn__list_sums own;  /* of an entry that is normalised by itself */
    struct attn__score_work score;
    struct attn__row_scratch exact;
};

/* lines: the most of a pass. */
void attn__list_room_take(struct attn__scratch *s, const struct attn__problem *p,
                          const struct attn__machine *m, int64_t lines,
                          struct attn__list_room *room);

/* Where finished rows go in place of the caller's outputs: row r of a pass to
 * o + r * dv with its log-sum-exp; NAN there says that it is not finite. */
struct attn__list_kept {
    float *o;
    double *lse;
};

struct attn__list_pass {
    const struct attn__call *c;
    const struct attn__kernels *kern;
    const struct attn__seq *s;
    const struct attn__list_rules *rules;
    const struct attn__list_room *room;
    int64_t h0, heads;
    const struct attn__list_kept *kept; /* NULL: the caller's outputs */
    /* filled in by begin */
    struct attn__vis vis, listed, others; /* of everything, of rules.listed ... */
    struct attn__qk qk;
    struct attn__rows k, v;
    struct attn__score score;
    struct attn__norm_pass norm;
    float scale;
    int64_t did_pairs, did_tiles;
};

/* c, kern, s, rules, room, h0, heads and kept are set. lines: NULL, or rows of the
 * pass are the lines that stand there when they are passed. */
void attn__list_pass_begin(struct attn__list_pass *ps, const int64_t *lines);

/* Computes and writes rows r0..r0+n-1, as vis counts them, which share row
 * `row` of the selection; n is at most what room was taken for. */
void attn__list_pass_lines(struct attn__list_pass *ps, int64_t row, int64_t r0, int64_t n);

/* The same in three steps: the sums of keys j0..j1-1 alone, as rows; taking in
 * those of later keys; and the end. Of a softmax, and of lists without logits. */
void attn__list_pass_part(struct attn__list_pass *ps, int64_t row, int64_t r0, int64_t n,
                          int64_t j0, int64_t j1, const struct attn__list_sums *to);
void attn__list_pass_join(const struct attn__list_sums *to, const struct attn__list_sums *part,
                          int64_t n, int64_t dv);
void attn__list_pass_finish(struct attn__list_pass *ps, int64_t r0, int64_t n,
                            const struct attn__list_sums *sum);

/*
 * For lines that meet keys in turns, of softmax and lists without logits whose rows are
 * the caller's (not own_rows), in a pass that began with room->lines: the queries of n
 * lines, and keys j0..j1-1, all of them listed, with queries and sums so far in rows
 * at[0..n-1] of q and sum.
 */
void attn__list_pass_queries(struct attn__list_pass *ps, int64_t n, float *q);
void attn__list_pass_along(struct attn__list_pass *ps, const int64_t *at, int64_t n, int64_t j0,
                           int64_t j1, const float *q, const struct attn__list_sums *sum);

/* From q.k to scores, of row r and the keys of a block; hidden ones get -inf. */
void attn__list_pass_scores(struct attn__list_pass *ps, const struct attn__list_block *b,
                            int64_t r, float *s);

/* Blocks of keys against tiles that n lines would be without a list. */
int64_t attn__list_pass_tiles(const struct attn__list_pass *ps, int64_t n);

#endif /* ATTN_SOLVERS_LIST_PASS_H */
