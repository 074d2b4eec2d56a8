/* SPDX-License-Identifier: MIT */
/*
 * The loops behind the limits. probe.c is compiled once per instruction set;
 * nothing of it runs before the library said that the processor has the set.
 */
#ifndef ATTN_BENCH_PROBE_H
#define ATTN_BENCH_PROBE_H

#include <stddef.h>
#include <stdint.h>

typedef struct bench_probe {
    const char *isa; /* as attn_isa_name tells it */
    int64_t lanes;   /* f32 numbers in a vector */
    int64_t fmas;    /* multiply-adds of vectors in a round */
    /* independent multiply-adds, enough of them to fill the units */
    float (*fma)(int64_t rounds);
    /* reads n floats as `streams` (1..BENCH_STREAMS) runs side by side */
    float (*read)(const float *p, size_t n, int streams);
    /* changes them in place, in the same order */
    void (*update)(float *p, size_t n, int streams);
    /* reads rows of d floats, a multiple of 64: row[0..n-1] of k and the same
     * of v, asking for each `lead` rows before; row[n..n+lead-1] come next */
    float (*gather)(const float *k, const float *v, int64_t d,
                    const int32_t *row, int64_t n, int64_t lead);
} bench_probe;

enum { BENCH_STREAMS = 8 };

/* The probe of an instruction set; NULL if there is none. */
const bench_probe *bench_probe_find(const char *isa);

/* The one with the widest vectors that runs here, for reading, which must not
 * wait for arithmetic. */
const bench_probe *bench_probe_widest(void);

#endif
