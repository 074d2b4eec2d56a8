/* SPDX-License-Identifier: MIT */
/*
 * Chunks of one sequence side by side, where there are fewer states, and
 * columns of them, than threads. For kinds that add: what a chunk adds to the
 * state does not depend on the state.
 */
#ifndef ATTN_SOLVERS_SCAN_SIDE_H
#define ATTN_SOLVERS_SCAN_SIDE_H

#include "solvers/scan_job.h"

/* Chunks that are worked on together, at most. */
enum { ATTN__SCAN_SIDE = 64 };

struct attn__scan_window {
    int64_t n;
    int64_t first[ATTN__SCAN_SIDE], rows[ATTN__SCAN_SIDE], age[ATTN__SCAN_SIDE];
    uint8_t fresh[ATTN__SCAN_SIDE]; /* the state is emptied before it */
    float *x;     /* [n][step]: what a chunk adds to S [dk][dv16]; then S before it */
    float *f, *h; /* [n][dk16]: S <- f S + h x */
    float *sum;   /* [n][dk16]: the same for z, or NULL */
};

struct attn__scan_side {
    int64_t most, step; /* chunks of a window, 0: never side by side; floats */
    struct attn__scan_window window[2];
    int64_t *begun; /* [threads]: the state that a worker's room is for */
};

void attn__scan_side_take(struct attn__scratch *s, const struct attn__problem *p,
                          const struct attn__machine *m, struct attn__scan_side *side);

/* Does the same as going through the chunks, with the same bits, if this says so. */
bool attn__scan_side_wanted(const struct attn__exec *x, const struct attn__scan_side *side);
void attn__scan_side_run(const struct attn__exec *x, struct attn__scan_room *room,
                         struct attn__scan_side *side);

#endif /* ATTN_SOLVERS_SCAN_SIDE_H */
