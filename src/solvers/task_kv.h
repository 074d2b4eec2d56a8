/* SPDX-License-Identifier: MIT */
/*
 * Which heads keep all under Task-KV, see attn_task_kv_heads in
 * <attn/head_scores.h>; arguments have been checked.
 */
#ifndef ATTN_SOLVERS_TASK_KV_H
#define ATTN_SOLVERS_TASK_KV_H

#include <attn/tensor.h>

void attn__task_kv_heads(const attn_tensor *weights, const attn_tensor *v, int64_t top,
                         int64_t n_full, const attn_tensor *vectors,
                         const attn_tensor *distances, const attn_tensor *full);

#endif /* ATTN_SOLVERS_TASK_KV_H */
