/* SPDX-License-Identifier: MIT */
/*
 * Running independent tasks on several threads: the library's own workers or
 * the caller's parallel-for behind one interface. How work is cut into tasks
 * never depends on the number of threads, only who runs them does.
 */
#ifndef ATTN_THREAD_PARALLEL_H
#define ATTN_THREAD_PARALLEL_H

#include <stdint.h>

#include <attn/attn.h>

#include "base/memory.h"

enum { ATTN__THREADS_MAX = 1024 };

/* Tasks of one run do not wait for each other, allocate, log or start runs. */
typedef void attn__task_fn(void *arg, int64_t task);

struct attn__threads;

/* threads counts the calling thread; 0 = the processors this thread may run
 * on. With a user's parallel-for its own `threads` counts instead. No worker
 * is started yet. *out is NULL on failure. */
int32_t attn__threads_create(const struct attn__mem *mem, int64_t threads,
                             const attn_parallel *user,
                             struct attn__threads **out);

/* Starts the workers unless they run already; from any thread. On
 * ATTN_ERR_THREAD none is left running and runs stay serial; a later call
 * tries again. */
int32_t attn__threads_start(struct attn__threads *t);

/* Threads that take part in a run when the workers are started. */
int64_t attn__threads_count(const struct attn__threads *t);

/* Calls fn(arg, i) once for each 0 <= i < n in any order and returns when all
 * are done. The calling thread takes part. If another run is under way this
 * one happens on the calling thread alone, at once. Allocates nothing, except
 * that the first run in a forked child starts that process's workers. t may be
 * NULL: on the calling thread alone. */
void attn__threads_run(struct attn__threads *t, int64_t n, attn__task_fn *fn,
                       void *arg);

/* No run may be under way. t may be NULL. */
void attn__threads_destroy(struct attn__threads *t);

/* user_parallel.c: reads and checks the caller's hook. user may be NULL: then
 * run is NULL in *hook. *hook stays untouched on failure. */
int32_t attn__user_parallel_init(attn_parallel *hook,
                                 const attn_parallel *user);

#endif
