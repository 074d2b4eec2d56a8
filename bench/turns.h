/* SPDX-License-Identifier: MIT */
/* Two things in turns, so that both see the same moments of a machine. */
#ifndef ATTN_BENCH_TURNS_H
#define ATTN_BENCH_TURNS_H

#include "bench_options.h"

/* What takes the time: 0, or BENCH_FAILED after a message. */
typedef int bench_turn(void *arg);

typedef struct bench_turns {
    double median[2], least[2]; /* ns */
    int64_t samples;
} bench_turns;

/*
 * Runs fn(arg[0]), fn(arg[1]), once each to touch memory and wake threads, then
 * for twice the seconds of the options. 0, or BENCH_FAILED after a message.
 */
int bench_in_turns(const bench_options *options, bench_turn *fn, void *const arg[2],
                   bench_turns *turns);

#endif
