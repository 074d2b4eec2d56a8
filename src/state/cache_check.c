/* SPDX-License-Identifier: MIT */
/*
 * The invariants of a cache, looked at from scratch: for tests and for who
 * mistrusts memory. Slow, and nothing is changed.
 */
#include "state/cache_object.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

static int32_t broken(const char *what, int64_t where)
{
    return attn__error_set(ATTN_ERR_INTERNAL, "the cache is damaged: %s (%" PRId64 ")", what,
                           where);
}

/* Cells ascend and lie in pages of the table, each slot once. `seen` is a map
 * of one page. */
static int32_t check_table(const attn_cache *cache, const struct attn__cache_seq *s, int64_t n,
                           uint64_t *seen)
{
    const struct attn__cache_table *t = &s->table[n];
    size_t bytes = (size_t)cache->words * sizeof *seen;
    int64_t found = 0;
    if (t->n_cells > t->cell_room || t->n_pages > t->page_room)
        return broken("a table is longer than its memory", n);
    for (int64_t i = 0; i < t->n_cells; i++) {
        if (t->cell[i].pos < 0 || (!s->step && t->cell[i].pos >= s->next) ||
            (i > 0 && !s->step && t->cell[i].pos <= t->cell[i - 1].pos))
            return broken("positions of a table do not ascend to the end", n);
        if (t->cell[i].slot < 0 || t->cell[i].slot >= cache->c.page_size)
            return broken("a cell is outside of its page", n);
        if (i > 0 && cache->page[t->cell[i].page].kind < cache->page[t->cell[i - 1].page].kind)
            return broken("a closed cell is behind an open one", n);
    }
    for (int64_t i = 0; i < t->n_pages; i++) {
        const struct attn__cache_page *page = &cache->page[t->page[i]];
        const uint64_t *map = attn__cache_map(cache, t->page[i]);
        int64_t cells = 0;
        memset(seen, 0, bytes);
        for (int64_t c = 0; c < t->n_cells; c++) {
            if (t->cell[c].page != t->page[i])
                continue;
            uint64_t bit = UINT64_C(1) << t->cell[c].slot % 64;
            if (seen[t->cell[c].slot / 64] & bit)
                return broken("a slot has two cells", n);
            if (!(map[t->cell[c].slot / 64] & bit))
                return broken("the slot of a cell is not marked as used", n);
            seen[t->cell[c].slot / 64] |= bit;
            cells++;
        }
        if (page->kind % cache->c.groups != n % cache->c.groups || !page->at.k)
            return broken("a page is of another group", n);
        if (page->refs == 1 && !page->stale && memcmp(seen, map, bytes) != 0)
            return broken("a page has used slots without a cell", n);
        if (cells == 0 && !s->step)
            return broken("a page without cells was kept", n);
        found += cells;
    }
    if (found != t->n_cells)
        return broken("a cell is in no page of its table", n);
    return attn__cache_bounds_hold(cache, t) ? ATTN_OK
                                             : broken("a key is outside of its page's bounds", n);
}

/* How many tables list each page, against what the pages say. */
static int32_t check_refs(const attn_cache *cache, int32_t *refs)
{
    int64_t used = 0;
    for (int64_t i = 0; i < cache->c.sequences; i++) {
        const struct attn__cache_seq *s = cache->seq[i];
        for (int64_t n = 0; s && n < attn__cache_tables(cache); n++)
            for (int64_t p = 0; p < s->table[n].n_pages; p++) {
                if (s->table[n].page[p] < 0 || s->table[n].page[p] >= cache->c.pages)
                    return broken("a table lists a page that is none", n);
                refs[s->table[n].page[p]]++;
            }
    }
    for (int64_t p = 0; p < cache->c.pages; p++) {
        int64_t bits = 0;
        if (refs[p] != cache->page[p].refs)
            return broken("references of a page are miscounted", p);
        used += refs[p] > 0;
        for (int64_t w = 0; w < cache->words; w++)
            bits += __builtin_popcountll(attn__cache_map(cache, (int32_t)p)[w]);
        if (refs[p] > 0 && bits != cache->page[p].n_used)
            return broken("used slots of a page are miscounted", p);
    }
    return used == cache->pages_used ? ATTN_OK : broken("used pages are miscounted", used);
}

/* Every page is used, spare or empty, and in the right list. */
static int32_t check_lists(const attn_cache *cache)
{
    int64_t found = 0;
    for (int64_t g = -1; g < cache->c.kinds; g++) {
        int64_t n = 0;
        for (int32_t p = g < 0 ? cache->empty : cache->spare[g]; p >= 0;
             p = cache->page[p].next) {
            const struct attn__cache_page *page = &cache->page[p];
            if (page->refs != 0 || (g < 0) != (page->at.k == NULL) ||
                (g >= 0 && page->kind != g) || ++n > cache->c.pages)
                return broken("a page is in the wrong list", p);
        }
        if (g >= 0 && n != cache->n_spare[g])
            return broken("spare pages are miscounted", g);
        found += n;
    }
    return found + cache->pages_used == cache->c.pages ? ATTN_OK
                                                       : broken("a page is in no list", found);
}

int32_t attn__cache_check(const attn_cache *cache)
{
    const struct attn__mem *mem = &cache->ctx->mem;
    int64_t seqs = 0;
    size_t map = (size_t)cache->words * sizeof(uint64_t);
    size_t bytes = (size_t)cache->c.pages * sizeof(int32_t) + map;
    uint64_t *seen = attn__mem_alloc(mem, bytes, 64);
    if (!seen)
        return ATTN_ERR_NOMEM;
    int32_t status = check_refs(cache, (int32_t *)(void *)((char *)seen + map));
    if (status == ATTN_OK)
        status = check_lists(cache);
    for (int64_t i = 0; i < cache->c.sequences && status == ATTN_OK; i++) {
        const struct attn__cache_seq *s = cache->seq[i];
        seqs += s != NULL;
        if (s && (s->next < 0 || s->next > cache->c.max_position || s->marked))
            status = broken("the ends of a sequence are wrong", i);
        for (int64_t n = 0; s && n < attn__cache_tables(cache) && status == ATTN_OK; n++)
            status = check_table(cache, s, n, seen);
    }
    if (status == ATTN_OK && seqs != cache->n_seqs)
        status = broken("sequences are miscounted", seqs);
    attn__mem_free(mem, seen, bytes);
    return status;
}
