/* SPDX-License-Identifier: MIT */
/*
 * What `attn run` adds to the problem that was typed: sizes and types seen in
 * the tensors, and the declarations that the given roles need.
 */
#ifndef ATTN_TOOLS_RUN_PROBLEM_H
#define ATTN_TOOLS_RUN_PROBLEM_H

#include "tool.h"

enum { RUN_MAX_SLOTS = 256 };

/* One role for which a file was given. */
typedef struct run_slot {
    int32_t role;
    const char *path;
    attn_tensor view; /* logical; run_shape_outputs fills those of outputs */
} run_slot;

typedef struct run_slots {
    size_t n;
    run_slot slot[RUN_MAX_SLOTS];
} run_slots;

/* The slot of a role, NULL if no file was given for it. */
run_slot *run_find(run_slots *slots, int32_t role);

/* Sets what is not set; views of all inputs must be filled. 0 or exit code. */
int run_complete(attn_desc *desc, run_slots *slots);

/* Fills shape and dtype of the outputs' views. 0 or exit code. */
int run_shape_outputs(const attn_plan *plan, run_slots *slots);

#endif
