/* SPDX-License-Identifier: MIT */
/* One side of a pair of the suite `cache`: keys in tensors, or in pages. */
#ifndef ATTN_BENCH_CACHE_SIDE_H
#define ATTN_BENCH_CACHE_SIDE_H

#include "bench_options.h"
#include "problem_data.h"

enum { BENCH_MOST_SEQUENCES = 64 };

/* Where the keys of b sequences are, and who runs. */
enum bench_cache_form {
    BENCH_IN_TENSORS,    /* contiguous, b = 1 */
    BENCH_IN_PAGES,      /* all of k keys */
    BENCH_RAGGED,        /* of 16 to k keys, evenly over the orders of magnitude */
    BENCH_RAGGED_SINGLY, /* the same, an execute for each */
    BENCH_PREFIX_SHARED, /* all but the last 64 keys in the same pages */
    BENCH_PREFIX_COPIED  /* the same numbers of keys, all in pages of their own */
};

typedef struct bench_cache_side {
    char *text; /* canonical problem, and the form */
    const char *solver;
    attn_plan *plan;
    bench_size size;
    double flops, kv_bytes; /* of all sequences, shared keys for each of them */
    bench_data data;        /* BENCH_IN_TENSORS */
    int64_t turn;
    attn_cache *cache; /* the others */
    int64_t seq[BENCH_MOST_SEQUENCES], length[BENCH_MOST_SEQUENCES];
    size_t n_views;
    attn_view *view[BENCH_MOST_SEQUENCES];
    float *rows; /* of q, then of out */
    int64_t offsets[BENCH_MOST_SEQUENCES + 1], layer;
    attn_tensor tensor[4];
} bench_cache_side;

/*
 * Plans `problem` and fills what it reads with numbers of a standard normal
 * distribution. 0, or BENCH_FAILED after a message; to be freed in either case.
 */
int bench_cache_side_make(attn_ctx *ctx, const bench_options *options, const char *problem,
                          enum bench_cache_form form, bench_cache_side *side);
void bench_cache_side_free(bench_cache_side *side);

/* Executes once, every sequence; a bench_turn. */
int bench_cache_side_run(void *side);

#endif
