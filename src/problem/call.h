/* SPDX-License-Identifier: MIT */
/*
 * One execute after its arguments were checked: tensors by role, and the
 * view of single sequences and heads that solvers work on.
 */
#ifndef ATTN_PROBLEM_CALL_H
#define ATTN_PROBLEM_CALL_H

#include <math.h>
#include <string.h>

#include <attn/plan.h>

#include "base/dtype.h"
#include "problem/paged.h"
#include "problem/problem.h"
#include "problem/roles.h"
#include "problem/visibility.h"

/* Made of arguments when an execute begins; [hout][entries] each. */
struct attn__score_tables {
    float *t5, *swin; /* biases by distance, by distance in a window */
};

struct attn__call {
    const struct attn__problem *p;
    int64_t n_seq;
    int64_t first_seq; /* what callbacks are told that sequence 0 is */
    struct attn__score_tables tables;
    const struct attn__paged_view *view; /* instead of K and V; NULL: none */
    int64_t view_row;                    /* of the layer */
    bool has[ATTN__ROLE_COUNT];
    /* Both only of roles that are there: what is not, nobody has written. To
     * clear all of it would take longer than a small problem does. */
    attn_tensor t[ATTN__ROLE_COUNT];
    const void *object[ATTN__ROLE_COUNT]; /* of roles that are no tensors */
};

/* A call without any role. */
static inline void attn__call_begin(struct attn__call *c, const struct attn__problem *p)
{
    c->p = p;
    c->n_seq = c->first_seq = 0;
    c->view = NULL;
    c->view_row = 0;
    c->tables = (struct attn__score_tables){0};
    memset(c->has, 0, sizeof c->has);
}

/* One sequence: where its rows are and how many count. */
struct attn__seq {
    int64_t index;        /* in [B] or [S] data */
    int64_t b;            /* batch index of Q, K, V, OUT: index, or 0 if packed */
    int64_t q0, k0;       /* first row of Q and OUT, first counted row of K */
    int64_t q_all, k_all; /* rows and keys the tensors hold for it */
    int64_t k_skip;       /* keys in front of k0 that do not count */
    int64_t nq, nk;       /* rows that count, keys that count */
    int64_t off;          /* what causal, windows and ALiBi add to a row */
};

struct attn__seq attn__call_seq(const struct attn__call *c, int64_t index);

/* Rows of one head: row i at base + i * row bytes, elements col apart. Those of
 * a view are in pages: a row is at its slot behind the head's first, which has
 * byte `at` of its page as paged.h tells it; page n of a caller's pool is n * page
 * bytes behind base, which is NULL for pages of a cache. Where open_row is not 0
 * rows in open pages have another form, and only attn__rows_alike may be asked for
 * rows. */
struct attn__rows {
    char *base;
    int64_t row, col; /* strides in elements */
    int32_t dtype;
    const struct attn__paged *paged; /* NULL: at base */
    const struct attn__paged_view *view;
    int64_t at, page;
    bool values; /* in pages: of V */
    float scale; /* of fp8 in pages: what its numbers are multiplied by */
    int64_t open_at, open_row; /* of the f32 rows in open pages */
};

/* Rows from i on in one form, *some: how many of n these are. */
int64_t attn__rows_alike(const struct attn__rows *r, int64_t i, int64_t n,
                         struct attn__rows *some);

/* Row i; of paged rows one that is stored. */
char *attn__rows_in_page(const struct attn__rows *r, int64_t i);

static inline char *attn__rows_at(const struct attn__rows *r, int64_t i)
{
    if (r->paged)
        return attn__rows_in_page(r, i);
    return r->base + i * r->row * (int64_t)attn__dtype_size(r->dtype);
}

/* How many rows from i on, at most n, are `row` elements apart in memory, or follow
 * each other in slabs, with the first at *at; or how many are not there, with *at
 * NULL. */
int64_t attn__rows_page_run(const struct attn__rows *r, int64_t i, int64_t n, char **at);

static inline int64_t attn__rows_run(const struct attn__rows *r, int64_t i, int64_t n, char **at)
{
    if (r->paged)
        return attn__rows_page_run(r, i, n, at);
    *at = attn__rows_at(r, i);
    return n;
}

/* Of n rows of a run in slabs from one on, how many are in its slab; the next one is
 * *next. */
static inline int64_t attn__rows_slab(const struct attn__rows *r, const char *at, int64_t n,
                                      const char **next)
{
    int64_t row = attn__slab_row(at), left = ATTN__SLAB_ROWS - row;
    *next = (const char *)attn__slab(at) + ATTN__SLAB_ROWS * r->row;
    return n < left ? n : left;
}

/* True if rows are dense arrays of `dtype`, aligned as C wants them; other
 * memory is read element by element. */
static inline bool attn__rows_plain(const struct attn__rows *r, int32_t dtype)
{
    return r->dtype == dtype && r->col == 1 &&
           (uintptr_t)r->base % attn__dtype_size(dtype) == 0;
}

/* h is an output head; the head maps are applied here. */
struct attn__rows attn__call_q(const struct attn__call *c, const struct attn__seq *s, int64_t h);
struct attn__rows attn__call_k(const struct attn__call *c, const struct attn__seq *s, int64_t h);
/* Keys of a KV head. */
struct attn__rows attn__call_k_head(const struct attn__call *c, const struct attn__seq *s,
                                     int64_t head);
struct attn__rows attn__call_v(const struct attn__call *c, const struct attn__seq *s, int64_t h);
struct attn__rows attn__call_out(const struct attn__call *c, const struct attn__seq *s,
                                 int64_t h);
/* A per-pair tensor (bias, mask, probs ...): row i, column j of the sequence,
 * with broadcast extents given stride 0. */
struct attn__rows attn__call_pairs(const struct attn__call *c, enum attn__slot slot,
                                   const struct attn__seq *s, int64_t h);
/* Data of query rows, [S?, Hout?, Q?] or with one more extent: row i, element
 * e at column e. */
struct attn__rows attn__call_per_query(const struct attn__call *c, enum attn__slot slot,
                                       const struct attn__seq *s, int64_t h);
/* A per-row output (lse, rowmax, entropy) as a column: element i at row i. */
struct attn__rows attn__call_per_row(const struct attn__call *c, enum attn__slot slot,
                                     const struct attn__seq *s, int64_t h);
/* CLASS_K, bytes: key j at row j, counted from the sequence's first key. */
struct attn__rows attn__call_class_k(const struct attn__call *c, const struct attn__seq *s);
/* Class masses: row i, class c at column c. */
struct attn__rows attn__call_class_mass(const struct attn__call *c, const struct attn__seq *s,
                                        int64_t h);
/* Writes ARGMAX of a row, if it is there: key j, or -1. */
void attn__call_store_argmax(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                             int64_t i, int64_t j);
/* Column sums: element j at row j, counted from the sequence's first key. */
struct attn__rows attn__call_colsum(const struct attn__call *c, const struct attn__seq *s,
                                    int64_t h);

/* Where query i and key j of a sequence stand: POS_Q and POS_K, or i + off and
 * j. */
int64_t attn__call_pos_q(const struct attn__call *c, const struct attn__seq *s, int64_t i);
int64_t attn__call_pos_k(const struct attn__call *c, const struct attn__seq *s, int64_t j);

/* What a view gives to a KV head, and to output head h. */
static inline const struct attn__paged *attn__call_paged_kv(const struct attn__call *c,
                                                            const struct attn__seq *s,
                                                            int64_t head)
{
    const struct attn__paged_view *v = c->view;
    int64_t group = v->head[head].group;
    return &v->table[s->index * v->seq_tables + c->view_row * v->row_tables + group];
}

static inline const struct attn__paged *attn__call_paged(const struct attn__call *c,
                                                         const struct attn__seq *s, int64_t h)
{
    return attn__call_paged_kv(c, s, c->p->k_head[h]);
}

/* The sink logit of a row; -inf where the problem has none. */
double attn__call_sink(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                       int64_t i);

/* The visibility of one sequence and output heads h..h+group-1, into *v: half a
 * kilobyte, which copies of copies show in problems of a few keys. */
void attn__call_vis_into(struct attn__vis *v, const struct attn__call *c,
                         const struct attn__seq *s, int64_t h, int64_t group);

static inline struct attn__vis attn__call_vis(const struct attn__call *c,
                                              const struct attn__seq *s, int64_t h, int64_t group)
{
    struct attn__vis v;
    attn__call_vis_into(&v, c, s, h, group);
    return v;
}

static inline double attn__rows_load(const struct attn__rows *r, int64_t i, int64_t j)
{
    return attn__load_f64(r->base, i * r->row + j * r->col, r->dtype);
}

static inline void attn__rows_store(const struct attn__rows *r, int64_t i, int64_t j, double x)
{
    attn__store_f64(r->base, i * r->row + j * r->col, r->dtype, x);
}

#endif /* ATTN_PROBLEM_CALL_H */
