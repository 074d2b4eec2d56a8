/* SPDX-License-Identifier: MIT */
/* Samples of both, and their medians. */
#include "turns.h"

#include <stdlib.h>

#include "team.h"

enum { LEAST_TURNS = 5, MOST_TURNS = 4096 };

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int bench_in_turns(const bench_options *options, bench_turn *fn, void *const arg[2],
                   bench_turns *turns)
{
    double *sample = malloc(2 * MOST_TURNS * sizeof *sample), spent = 0;
    int64_t n = 0;
    if (!sample)
        return bench_failed("no memory for samples");
    int rc = fn(arg[0]);
    if (rc == 0)
        rc = fn(arg[1]);
    while (rc == 0 && n < MOST_TURNS && (n < LEAST_TURNS || spent < 2 * options->seconds * 1e9)) {
        for (int i = 0; i < 2 && rc == 0; i++) {
            int64_t start = bench_now();
            rc = fn(arg[i]);
            sample[i * MOST_TURNS + n] = (double)(bench_now() - start);
            spent += sample[i * MOST_TURNS + n];
        }
        n++;
    }
    for (int i = 0; i < 2 && rc == 0; i++) {
        const double *v = sample + i * MOST_TURNS;
        qsort(sample + i * MOST_TURNS, (size_t)n, sizeof *sample, by_size);
        turns->median[i] = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
        turns->least[i] = v[0];
    }
    turns->samples = n;
    free(sample);
    return rc;
}
