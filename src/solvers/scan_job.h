/* SPDX-License-Identifier: MIT */
/*
 * One state of one sequence on its way through the chunks: what running one
 * after the other (scan_run.c) and side by side (scan_side.c) share.
 */
#ifndef ATTN_SOLVERS_SCAN_JOB_H
#define ATTN_SOLVERS_SCAN_JOB_H

#include "problem/solver.h"
#include "solvers/scan_load.h"

/* Of one worker. */
struct attn__scan_room {
    struct attn__scan_load load;
    float *S, *z; /* where the caller has no state */
    double *lse;
    float *out;  /* [readers][chunk][dv16] */
    float *both; /* [readers][q][dv16]: direction=symmetric adds two passes */
    void *scratch;
};

/* scratch: how much the core wants. */
void attn__scan_room_take(struct attn__scratch *s, const struct attn__problem *p,
                          attn__scan_scratch_fn *scratch, struct attn__scan_room *r);

struct attn__scan_job {
    const struct attn__call *c;
    const struct attn__seq *s;
    struct attn__scan_room *r;
    struct attn__scan_kind kind;
    attn__scan_core_fn *core;
    const struct attn__kernels *kern;
    int64_t head, rows, v_first, v_n, dv16; /* rows: of a chunk */
    int64_t stride; /* heads to the one that comes next on this thread, more or less */
    float *S, *z;
    const float *next; /* the state that comes next; NULL: none */
    double *lse, *log; /* log: a segment's */
};

/* From c, s, r, head, rows and the columns to what the state is and has been. */
void attn__scan_job_begin(struct attn__scan_job *j);

/* What this thread comes to after this, more or less; false: nothing. */
bool attn__scan_job_next(const struct attn__scan_job *j, struct attn__seq *s, int64_t *head);

/* Makes the state, or these columns of it, that of no tokens. */
void attn__scan_job_empty(const struct attn__scan_job *j);

static inline bool attn__scan_job_reverse(const struct attn__scan_job *j)
{
    return j->c->p->scan.direction == ATTN_DIRECTION_REVERSE;
}

/* Where the core may put a chunk's rows from number i on at once: OUT, if nothing
 * comes after it, else NULL. */
float *attn__scan_job_out(const struct attn__scan_job *j, int64_t i, bool reverse);

/* Brings m rows from number i on from where the core has put them to OUT; `between`:
 * from one reader's to the next one's. */
void attn__scan_job_store(const struct attn__scan_job *j, int64_t i, int64_t m, bool reverse,
                          float *out, int64_t between);

#endif /* ATTN_SOLVERS_SCAN_JOB_H */
