/* SPDX-License-Identifier: MIT */
/*
 * Running a recurrence over the sequences of an execute, chunk by chunk: what
 * the solvers share that differ in the core alone.
 */
#ifndef ATTN_SOLVERS_SCAN_RUN_H
#define ATTN_SOLVERS_SCAN_RUN_H

#include "problem/solver.h"
#include "solvers/scan_load.h"

/* Can a solver that computes in f32, in order of the tokens, serve it? */
bool attn__scan_run_applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX]);

bool attn__scan_run_workspace(const struct attn__problem *p, const struct attn__machine *m,
                              attn__scan_scratch_fn *scratch, size_t *bytes);

void attn__scan_run(const struct attn__exec *x, attn__scan_core_fn *core,
                    attn__scan_scratch_fn *scratch);

/* Rows of one output head in the caller's memory: o [n][ldo], columns from
 * v_first on. skip: what times V is added, or 0. */
struct attn__scan_out {
    const struct attn__kernels *kern;
    struct attn__rows rows;
    int64_t dv;
};

void attn__scan_store(const struct attn__scan_out *to, int64_t i, int64_t m, int64_t v_first,
                      int64_t v_n, const float *o, int64_t ldo);

/* Rows of OUT behind the sequence's last query: 0. */
void attn__scan_pad(const struct attn__call *c, const struct attn__seq *s, int64_t h);

/* SKIP of an output head; 0 where the problem has none. */
double attn__scan_skip(const struct attn__call *c, int64_t h);

/* After a run: how many tokens the slots of this solver's sequences have seen. */
void attn__scan_count(const struct attn__exec *x);

#endif /* ATTN_SOLVERS_SCAN_RUN_H */
