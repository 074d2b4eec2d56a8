/* SPDX-License-Identifier: MIT */
/*
 * The functions of view.h: pointers, and hand-over.
 */
#include <attn/view.h>

#include "api/api_check.h"
#include "state/cache_view.h"

int32_t attn_view_create(attn_cache *cache, size_t n, const int64_t *counts, const int64_t *seqs,
                         const int64_t *ends, attn_view **view)
{
    ATTN__CHECK_POINTER(view);
    *view = NULL;
    ATTN__CHECK_POINTER(cache);
    if (cache->tag != ATTN__CACHE_TAG)
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache points to something else, or to one that was destroyed");
    if (n > 0)
        ATTN__CHECK_POINTER(seqs);
    return attn__view_make(cache, n, counts, seqs, ends, view);
}

void attn_view_destroy(attn_view *view)
{
    if (view && view->tag == ATTN__VIEW_TAG)
        attn__view_free(view);
}
