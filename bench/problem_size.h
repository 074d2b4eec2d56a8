/* SPDX-License-Identifier: MIT */
/* The sizes of a problem and how much work its maxima are. */
#ifndef ATTN_BENCH_PROBLEM_SIZE_H
#define ATTN_BENCH_PROBLEM_SIZE_H

#include <attn/attn.h>
#include <stdbool.h>

enum { BENCH_SEGMENTS = 4 };

typedef struct bench_size {
    int64_t b, hq, hk, hv, hout, q, k, d, dv;
    int32_t dtype, kv_dtype;
    bool packed;
    int64_t off;        /* of the diagonal: key i + off is row i's own */
    double skipped;     /* what part of all pairs is not visible */
    double flops;       /* 2 (D + Dv) for every visible pair */
    double kv_bytes;    /* stored K and V that some row sees */
} bench_size;

/*
 * Reads the sizes; inf_k stands for k=inf (0: refuse that). MASK and the
 * lengths of sequences do not count: what a mask hides is not known ahead.
 * 0, or BENCH_FAILED after a message.
 */
int bench_size_read(const attn_desc *desc, int64_t inf_k, bench_size *size);

/* The segment of the key at position `at`: equal runs of keys. */
int32_t bench_size_segment(const bench_size *size, int64_t at);

#endif
