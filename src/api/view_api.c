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

int32_t attn_view_create_raw(attn_ctx *ctx, size_t n_layers, const attn_tensor *k,
                             const attn_tensor *v, const attn_tensor *lengths,
                             const attn_tensor *offsets, const attn_tensor *pages,
                             attn_view **view)
{
    ATTN__CHECK_POINTER(view);
    *view = NULL;
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(k);
    ATTN__CHECK_POINTER(v);
    ATTN__CHECK_POINTER(lengths);
    ATTN__CHECK_POINTER(offsets);
    ATTN__CHECK_POINTER(pages);
    const struct attn__raw_pools from = {n_layers, k, v, lengths, offsets, pages};
    return attn__raw_view_make(ctx, &from, view);
}

void attn_view_destroy(attn_view *view)
{
    if (view && view->tag == ATTN__VIEW_TAG)
        attn__view_free(view);
}
