/* SPDX-License-Identifier: MIT */
/*
 * Memory whose page size is known: how fast RAM reads depends on it, so the
 * tensors and the probe of the limit must agree.
 */
#ifndef ATTN_BENCH_PAGES_H
#define ATTN_BENCH_PAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Zeroed memory, advised to have 2 MB pages or not to have them. NULL if
 * there is none. Give it back with the same size.
 */
void *bench_pages_alloc(size_t bytes, bool huge);
void bench_pages_free(void *p, size_t bytes);

/* Bytes of the last-level cache, and whether the system told it. */
int64_t bench_cache_bytes(bool *known);

/* Bytes of RAM of the machine. */
int64_t bench_ram_bytes(void);

#endif
