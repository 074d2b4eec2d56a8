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
    bool recurrent;
    int64_t off;        /* of the diagonal: key i + off is row i's own */
    int64_t list_q, list_k; /* blocks of a piece `list`; 0: there is none */
    double skipped;     /* what part of all pairs is not visible */
    double flops;       /* 2 (D + Dv) for every visible pair */
    double kv_bytes;    /* stored K and V that some row sees; of a recurrence
                         * of few tokens its states, read and written */
    bool updates;       /* the latter */
    double kept_bytes;  /* of those states, once */
} bench_size;

/*
 * Reads the sizes; inf_k stands for k=inf (0: refuse that). What MASK and
 * lengths hide does not count. Lists are those of bench_size_listed. Flops
 * of a recurrence are to come (recurrence.h).
 * 0, or BENCH_FAILED after a message.
 */
int bench_size_read(const attn_desc *desc, int64_t inf_k, bench_size *size);

/* Is the block of keys on the list of the block of queries? One in ten is, and
 * the one of the query's own key. */
bool bench_size_listed(const bench_size *size, int64_t q_block,
                       int64_t k_block);

/* The segment of the key at position `at`: equal runs of keys. */
int32_t bench_size_segment(const bench_size *size, int64_t at);

#endif
