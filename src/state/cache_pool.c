/* SPDX-License-Identifier: MIT */
/*
 * The pages of a cache. Their memory is taken when it is first needed and kept
 * for their kind; a kind that runs out takes a page from what others have
 * spare, so that there are never more pages than the descriptor says. A step
 * needs many large open pages for what its commit closes: of those no more are
 * kept than every table will want for its next token.
 */
#include "state/cache_object.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

static int32_t pop(attn_cache *cache, int32_t *list)
{
    int32_t page = *list;
    *list = cache->page[page].next;
    return page;
}

static void push(attn_cache *cache, int32_t *list, int32_t page)
{
    cache->page[page].next = *list;
    *list = page;
}

/* A spare page gives its memory back. */
static void drop_spare(attn_cache *cache, int64_t kind)
{
    int32_t page = pop(cache, &cache->spare[kind]);
    cache->n_spare[kind]--;
    attn__cache_block_give(cache, &cache->page[page]);
    push(cache, &cache->empty, page);
}

/* Takes the memory of a page that no kind needs, for another to have. */
static void rob(attn_cache *cache)
{
    int64_t kind = 0;
    while (cache->n_spare[kind] <= cache->need[kind])
        kind++;
    drop_spare(cache, kind);
}

int32_t attn__cache_pool_fits(attn_cache *cache, const char *what)
{
    int64_t sum = 0;
    for (int64_t g = 0; g < cache->c.kinds; g++)
        if (!attn__add_i64(sum, cache->need[g], &sum))
            sum = INT64_MAX;
    if (sum <= cache->c.pages - cache->pages_used)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_FULL,
                           "%s needs %" PRId64 " pages, expected at most the %" PRId64
                           " that are free of %" PRId64,
                           what, sum, cache->c.pages - cache->pages_used, cache->c.pages);
}

/* What a step takes anew it uses in the order of memory, so that its rows follow
 * each other: so what comes later goes behind in the list. */
int32_t attn__cache_pool_reserve(attn_cache *cache)
{
    for (int64_t g = 0; g < cache->c.kinds; g++) {
        int32_t *behind = &cache->spare[g];
        while (cache->n_spare[g] < cache->need[g]) {
            if (cache->empty < 0)
                rob(cache);
            int32_t status = attn__cache_block_take(cache, g, &cache->page[cache->empty]);
            if (status != ATTN_OK)
                return status;
            int32_t page = pop(cache, &cache->empty);
            push(cache, behind, page);
            behind = &cache->page[page].next;
            cache->n_spare[g]++;
        }
    }
    return ATTN_OK;
}

int32_t attn__cache_pool_take(attn_cache *cache, int64_t kind)
{
    int32_t n = pop(cache, &cache->spare[kind]);
    struct attn__cache_page *page = &cache->page[n];
    cache->n_spare[kind]--;
    page->refs = 1;
    page->n_used = 0;
    page->stale = false;
    memset(attn__cache_map(cache, n), 0, (size_t)cache->words * sizeof(uint64_t));
    cache->pages_used++;
    if (cache->pages_used > cache->pages_peak)
        cache->pages_peak = cache->pages_used;
    return n;
}

void attn__cache_pool_give(attn_cache *cache, int32_t n)
{
    struct attn__cache_page *page = &cache->page[n];
    page->stale = true;
    if (--page->refs > 0)
        return;
    int64_t kind = page->kind;
    cache->pages_used--;
    push(cache, &cache->spare[kind], n);
    cache->n_spare[kind]++;
    if (kind >= cache->c.groups && cache->n_spare[kind] > cache->c.rows * cache->n_seqs)
        drop_spare(cache, kind);
}
