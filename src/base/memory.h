/* SPDX-License-Identifier: MIT */
/*
 * Memory through the caller's allocator or the C library. Every object keeps
 * its own copy of the hook, so it can be freed after its context is gone.
 */
#ifndef ATTN_BASE_MEMORY_H
#define ATTN_BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <attn/attn.h>

struct attn__mem {
    attn_allocator hook;
};

/* user may be NULL, or have neither function set, for the C library's heap.
 * mem stays untouched on failure. */
int32_t attn__mem_init(struct attn__mem *mem, const attn_allocator *user);

/* Zeroed memory, align a power of two; 0 bytes give a unique pointer. NULL on
 * failure, with the error text set: the caller returns ATTN_ERR_NOMEM. */
void *attn__mem_alloc(const struct attn__mem *mem, size_t bytes, size_t align);

/* bytes as given to attn__mem_alloc; ptr may be NULL. */
void attn__mem_free(const struct attn__mem *mem, void *ptr, size_t bytes);

#endif
