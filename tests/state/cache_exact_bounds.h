/* SPDX-License-Identifier: MIT */
/*
 * Bounds of pages as they ought to be, from the keys themselves.
 */
#ifndef ATTN_TESTS_CACHE_EXACT_BOUNDS_H
#define ATTN_TESTS_CACHE_EXACT_BOUNDS_H

#include <stdbool.h>

#include <attn/attn.h>

/* keys [1,h,n,D], dense f32: what attn_cache_read gave. True if what
 * attn_cache_page_bounds says are their extremes, page by page. */
bool cache_exact_bounds(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                        const attn_tensor *keys);

#endif
