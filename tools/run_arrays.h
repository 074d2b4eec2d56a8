/* SPDX-License-Identifier: MIT */
/*
 * Arrays of the commands that compute: .npy files read as inputs, memory for
 * outputs, and an option for every role of the library.
 */
#ifndef ATTN_TOOLS_RUN_ARRAYS_H
#define ATTN_TOOLS_RUN_ARRAYS_H

#include "npy.h"
#include "run_problem.h"

typedef struct run_arrays {
    bool bf16; /* 16-bit words are bf16 */
    bool bnhd; /* files of Q, K, V and OUT are [B,N,H,D] */
    run_slots slots;
    npy_array array[RUN_MAX_SLOTS];
    void *memory[RUN_MAX_SLOTS]; /* of outputs and of what no file is given for */
} run_arrays;

/* Writes an option for each role, or each that is read, RUN_MAX_SLOTS at most;
 * returns how many. */
size_t run_role_options(tool_option *options, bool outputs);

/* One slot for each of those n that was given. 0 or exit code. */
int run_fill_slots(run_slots *slots, const tool_option *options, size_t n);

/* Reads the file of slot i and fills its view. 0 or exit code. */
int run_load(run_arrays *r, size_t i);

/* Memory for an output of the view's shape, in the order of its file. 0 or
 * exit code. */
int run_allocate(run_arrays *r, size_t i);

/* The shape that slot i has in its file; returns its NPY_ type. */
int run_file_shape(const run_arrays *r, size_t i, int64_t shape[ATTN_TENSOR_MAX_RANK]);

/* A zeroed struct is fine. */
void run_release(run_arrays *r);

#endif
