/* SPDX-License-Identifier: MIT */
/*
 * See cache_exact_bounds.h.
 */
#include "cache_exact_bounds.h"

#include <math.h>
#include <stdlib.h>

/* Extremes of channel c of the keys of a head in a page. */
static void extremes(const attn_tensor *keys, const int64_t *page_of, int64_t page, int64_t h,
                     int64_t c, float *low, float *high)
{
    const float *x = keys->data;
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; i < keys->shape[2]; i++) {
        float at = x[h * keys->stride[1] + i * keys->stride[2] + c];
        if (page_of[i] == page) {
            *low = fminf(*low, at);
            *high = fmaxf(*high, at);
        }
    }
}

bool cache_exact_bounds(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                        const attn_tensor *keys)
{
    int64_t heads = keys->shape[1], n = keys->shape[2], d = keys->shape[3];
    size_t pages = 0, again = 0;
    if (attn_cache_page_bounds(cache, seq, layer, group, NULL, NULL, NULL, 0, &pages) != ATTN_OK)
        return false;
    const int64_t shape[4] = {1, heads, (int64_t)pages, d};
    size_t size = (size_t)heads * pages * (size_t)d;
    float *low = malloc((2 * size + 1) * sizeof *low);
    int64_t *page_of = malloc(((size_t)n + 1) * sizeof *page_of);
    attn_tensor tl, th;
    bool good = low && page_of;
    if (good)
        good = attn_tensor_init(&tl, low, ATTN_DTYPE_F32, 4, shape) == ATTN_OK &&
               attn_tensor_init(&th, low + size, ATTN_DTYPE_F32, 4, shape) == ATTN_OK &&
               attn_cache_page_bounds(cache, seq, layer, group, &tl, &th, page_of, (size_t)n,
                                      &again) == ATTN_OK &&
               again == pages;
    for (int64_t h = 0; good && h < heads; h++)
        for (int64_t p = 0; p < (int64_t)pages; p++)
            for (int64_t c = 0; c < d; c++) {
                float least, most;
                int64_t at = (h * (int64_t)pages + p) * d + c;
                extremes(keys, page_of, p, h, c, &least, &most);
                good = good && low[at] == least && low[(int64_t)size + at] == most;
            }
    free(low);
    free(page_of);
    return good;
}
