/* SPDX-License-Identifier: MIT */
/*
 * Where the pages of a cache have their memory: blocks, each for pages of one
 * kind. Reading a long sequence is faster by a quarter where its pages lie in
 * few large blocks, which the system can give as 2 MB pages (base/memory.c), so
 * a cache that has become large takes such ones. A small one takes what it
 * needs, page by page. What a block has that no page uses is in a list of its
 * kind; a block that no page uses is freed.
 *
 * A block has keys and then values, [head][page][slot] each: as long as a sequence
 * gets its pages in order a head's rows are one array, which processors read
 * faster than page by page (problem/call.c finds such runs).
 */
#include "state/cache_object.h"

#include <string.h>

#include "base/checked.h"

/* Bytes of a large block, and of pages from which on they are taken. */
enum { LARGE = 16 << 20 };

/* At the begin of a block; the memory of pages follows. */
struct attn__cache_block {
    size_t bytes;
    int64_t pages;
    int64_t used; /* pages that have their memory here */
};

enum { HEAD = 64 };
_Static_assert(sizeof(struct attn__cache_block) <= HEAD, "pages begin at multiples of 64");

/* Where memory that no page uses has the keys of its first head. */
struct attn__cache_slot {
    struct attn__cache_slot *next;
    struct attn__cache_block *block;
};

/* How many pages a new block of a kind is for. The open pages of kivi are many
 * for a moment, and go back one by one. */
static int64_t block_pages(const attn_cache *cache, int64_t kind)
{
    int64_t bytes = (int64_t)cache->c.group[kind].page_bytes, held = cache->pages_used;
    for (int64_t n = 0; n < cache->c.kinds; n++)
        held += cache->n_spare[n];
    if (kind >= cache->c.groups || held < LARGE / bytes || bytes > LARGE)
        return 1;
    return attn__max_i64(1, attn__min_i64(LARGE / bytes, cache->c.pages - held));
}

/* Adds a block of n pages to the list of the kind; false: no memory. */
static bool add_block(attn_cache *cache, int64_t kind, int64_t n)
{
    const struct attn__cache_group *g = &cache->c.group[kind];
    size_t bytes;
    if (!attn__mul_size((size_t)n, g->page_bytes, &bytes) || !attn__add_size(bytes, HEAD, &bytes))
        return false;
    char *at = attn__mem_alloc(&cache->ctx->mem, bytes, 64);
    if (!at)
        return false;
    struct attn__cache_block *block = (void *)at;
    *block = (struct attn__cache_block){.bytes = bytes, .pages = n};
    while (n-- > 0) {
        struct attn__cache_slot *slot = (void *)(at + HEAD + (size_t)n * g->k_head);
        *slot = (struct attn__cache_slot){cache->slot[kind], block};
        cache->slot[kind] = slot;
    }
    return true;
}

static struct attn__paged_memory memory_of(const struct attn__cache_group *g,
                                           struct attn__cache_slot *slot)
{
    const struct attn__cache_block *block = slot->block;
    char *keys = (char *)slot->block + HEAD, *k = (char *)slot;
    size_t page = (size_t)(k - keys) / g->k_head;
    char *values = keys + (size_t)block->pages * g->v_at;
    return (struct attn__paged_memory){k, values + page * g->v_head, block->pages};
}

int32_t attn__cache_block_take(attn_cache *cache, int64_t kind, struct attn__cache_page *page)
{
    int64_t many = block_pages(cache, kind);
    bool found = cache->slot[kind] || add_block(cache, kind, many) ||
                 (many > 1 && add_block(cache, kind, 1));
    if (!found)
        return ATTN_ERR_NOMEM;
    struct attn__cache_slot *slot = cache->slot[kind];
    cache->slot[kind] = slot->next;
    page->block = slot->block;
    page->block->used++;
    page->at = memory_of(&cache->c.group[kind], slot);
    page->kind = (int32_t)kind;
    return ATTN_OK;
}

void attn__cache_block_give(attn_cache *cache, struct attn__cache_page *page)
{
    struct attn__cache_block *block = page->block;
    struct attn__cache_slot *slot = (void *)page->at.k, **at = &cache->slot[page->kind];
    page->at.k = NULL;
    *slot = (struct attn__cache_slot){*at, block};
    *at = slot;
    if (--block->used > 0)
        return;
    while (*at)
        if ((*at)->block == block)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    attn__mem_free(&cache->ctx->mem, block, block->bytes);
}

void attn__cache_block_copy(const attn_cache *cache, const struct attn__cache_page *to,
                            const struct attn__cache_page *from)
{
    const struct attn__cache_group *g = &cache->c.group[from->kind];
    for (int64_t h = 0; h < g->n_heads; h++) {
        int64_t k = h * (int64_t)g->k_head, v = h * (int64_t)g->v_head;
        memcpy(to->at.k + k * to->at.beside, from->at.k + k * from->at.beside, g->k_head);
        if (g->v_bytes > 0) /* else they are among the keys */
            memcpy(to->at.v + v * to->at.beside, from->at.v + v * from->at.beside, g->v_head);
    }
}
