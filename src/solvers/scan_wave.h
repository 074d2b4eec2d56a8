/* SPDX-License-Identifier: MIT */
/*
 * One token of several states of a sequence, as decoding has it. Their rows are
 * loaded together, as if they were tokens of a chunk; then the states go by
 * one right after the other. Between two states the memory rests, and what each
 * paid for by itself was a tenth of its way from RAM and back.
 */
#ifndef ATTN_SOLVERS_SCAN_WAVE_H
#define ATTN_SOLVERS_SCAN_WAVE_H

#include "solvers/scan_job.h"

/* States of a unit of work of this execute; 1: no waves. */
int64_t attn__scan_wave_states(const struct attn__exec *x);

/* Does the only token of j->s for `states` states from j->head on. What a state
 * has for itself, j need not say. */
void attn__scan_wave_run(const struct attn__scan_job *j, int64_t states);

#endif /* ATTN_SOLVERS_SCAN_WAVE_H */
