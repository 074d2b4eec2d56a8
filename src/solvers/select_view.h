/* SPDX-License-Identifier: MIT */
/*
 * Where rows of queries and blocks of keys lie when the pooled selector compares
 * them, and what a run of it has at hand. For solvers/select_*.c alone.
 */
#ifndef ATTN_SOLVERS_SELECT_VIEW_H
#define ATTN_SOLVERS_SELECT_VIEW_H

#include "solvers/select_pooled.h"

/* Rows of a set that are compared together. */
enum { ATTN__POOLED_ROWS = 16 };
/* Keys of a product. */
enum { ATTN__POOLED_PIECE = 64 };

struct attn__pooled_job {
    const struct attn__recipe_run *r;
    const struct attn__pooled *m;
    const struct attn__pooled_spec *spec;
    const struct attn__pooled_size *z;
    struct attn__select_rows *rows;
    char *reps;  /* [b][rep_heads][columns][width] */
    char *desks; /* of all workers */
    size_t desk_bytes;
    int64_t columns;   /* that reps and lines have room for */
    int64_t width;     /* of what stands for a row or block */
    int64_t rep_heads; /* heads of reps */
    int64_t cuts;      /* tasks of a head or set */
    int64_t tasks, workers;
};

/* Of one worker. */
struct attn__pooled_desk {
    char *q;             /* [ATTN__POOLED_ROWS][width] */
    char *s;             /* [ATTN__POOLED_ROWS][columns] */
    double *line, *pick; /* [columns] */
    double *sum;         /* [ATTN__POOLED_ROWS][columns] */
    double *rep;         /* of select_reps.h */
    float *piece;        /* [ATTN__POOLED_PIECE][width] */
    uint8_t *state;      /* [columns] */
};

/* Parts of at most `unit` that n makes. */
static inline int64_t attn__pooled_parts(int64_t n, int64_t unit)
{
    return n / unit + (n % unit != 0);
}

/* Blocks are rows of a tensor. */
static inline bool attn__pooled_is_given(const struct attn__pooled_spec *spec)
{
    return spec->rep == ATTN__REP_GIVEN || spec->rep == ATTN__REP_WINDOWS;
}

/* What stands for a key is the key: the rows of k serve as they are. */
static inline bool attn__pooled_is_direct(const struct attn__pooled_spec *spec)
{
    return attn__pooled_is_given(spec) || (spec->k_block == 1 && spec->rep <= ATTN__REP_NORM &&
                                           !spec->ragged && spec->reduce != ATTN__REDUCE_MEAN);
}

/* Keys of a block as far as products go. */
static inline int64_t attn__pooled_unit(const struct attn__pooled_spec *spec)
{
    return spec->rep == ATTN__REP_STRIDES ? spec->stride : spec->k_block;
}

/* One sequence and where its blocks are. */
struct attn__pooled_view {
    struct attn__seq s;
    int64_t queries; /* that keys are selected for */
    int64_t units;  /* columns of products */
    int64_t blocks; /* columns of picks */
};

/* A row of queries and what it can see. */
struct attn__pooled_row {
    int64_t t;           /* its number in the set */
    int64_t first, end;  /* queries; end counts those that are not there */
    int64_t open_from, open; /* blocks it may have: open_from to open - 1 */
    int64_t forced_from; /* blocks that are in anyhow: open_from to forced_to - 1, */
    int64_t forced_to;   /* and from forced_from to open_end - 1 */
    int64_t open_end;
};

/* Rows n0 on of a head of a view. */
static inline struct attn__rows attn__pooled_head(const attn_tensor *t, int64_t b, int64_t h,
                                                  int64_t n0)
{
    struct attn__rows r = {.row = t->stride[2], .col = t->stride[3], .dtype = t->dtype};
    int64_t at = n0 * t->stride[2];
    at += t->shape[0] > 1 ? b * t->stride[0] : 0;
    at += t->shape[1] > 1 ? h * t->stride[1] : 0;
    r.base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype);
    return r;
}

static inline int64_t attn__pooled_k_head(const struct attn__pooled_job *x, int64_t h)
{
    return x->m->k_head ? x->m->k_head[h] : h;
}

/* Scoring heads of a set. */
static inline int64_t attn__pooled_group(const struct attn__pooled_job *x)
{
    return x->m->heads / x->rows->sets;
}

/* What stands for the blocks of head or set h: [columns][width]. */
static inline char *attn__pooled_reps(const struct attn__pooled_job *x, int64_t b, int64_t h)
{
    int64_t size = x->z->exact ? 8 : 4;
    return x->reps + ((b * x->rep_heads + h) * x->columns) * x->width * size;
}

/* Place j of the caller's offsets in batch entry b. */
int64_t attn__pooled_offset(const struct attn__pooled_job *x, int64_t b, int64_t j);

struct attn__pooled_view attn__pooled_view_of(const struct attn__pooled_job *x, int64_t b);

/* The keys lo to hi - 1 of block j. */
void attn__pooled_block(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                        int64_t j, int64_t *lo, int64_t *hi);

/* Row t of a set. */
struct attn__pooled_row attn__pooled_row_of(const struct attn__pooled_job *x,
                                            const struct attn__pooled_view *v, int64_t t);

/* Columns of products that count for the row, or for stride `sub` of it. */
int64_t attn__pooled_units(const struct attn__pooled_job *x, const struct attn__pooled_view *v,
                           const struct attn__pooled_row *w, int64_t sub);

#endif /* ATTN_SOLVERS_SELECT_VIEW_H */
