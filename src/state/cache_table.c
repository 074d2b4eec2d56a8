/* SPDX-License-Identifier: MIT */
/*
 * Tables: the cells of one sequence, layer and head group.
 */
#include "state/cache_object.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"

/* More room for a list, its content kept; the list itself on failure. */
static bool grow(const struct attn__mem *mem, void **list, int64_t used, int64_t more,
                 int64_t *room, size_t size)
{
    int64_t want;
    size_t bytes;
    if (!attn__add_i64(used, more, &want))
        return false;
    if (want <= *room)
        return true;
    if (want < *room + *room / 2 && *room < INT64_MAX / 4)
        want = *room + *room / 2;
    if (!attn__mul_size((size_t)want, size, &bytes))
        return false;
    void *made = attn__mem_alloc(mem, bytes, 16);
    if (!made)
        return false;
    if (used > 0)
        memcpy(made, *list, (size_t)used * size);
    attn__mem_free(mem, *list, (size_t)*room * size);
    *list = made;
    *room = want;
    return true;
}

int32_t attn__cache_table_grow(attn_cache *cache, struct attn__cache_table *t, int64_t cells,
                               int64_t pages)
{
    const struct attn__mem *mem = &cache->ctx->mem;
    void *cell = t->cell, *page = t->page, *bounds = t->bounds;
    bool done = grow(mem, &cell, t->n_cells, cells, &t->cell_room, sizeof *t->cell);
    t->cell = cell;
    done = done && grow(mem, &page, t->n_pages, pages, &t->page_room, sizeof *t->page);
    t->page = page;
    done = done && (t->bound_bytes == 0 ||
                    grow(mem, &bounds, t->n_pages, pages, &t->bound_room, t->bound_bytes));
    t->bounds = bounds;
    return done ? ATTN_OK : ATTN_ERR_NOMEM;
}

void attn__cache_table_free(attn_cache *cache, int64_t table, struct attn__cache_table *t)
{
    const struct attn__mem *mem = &cache->ctx->mem;
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    for (int64_t n = t->n_pages - 1; n >= 0; n--) /* who needs them next gets the first first */
        attn__cache_pool_give(cache, t->page[n]);
    attn__mem_free(mem, t->cell, (size_t)t->cell_room * sizeof *t->cell);
    attn__mem_free(mem, t->page, (size_t)t->page_room * sizeof *t->page);
    attn__mem_free(mem, t->bounds, (size_t)t->bound_room * t->bound_bytes);
    attn__mem_free(mem, t->fold,
                   (size_t)(g->n_heads * (cache->c.d + cache->c.dv)) * sizeof(double));
}

static int64_t pages_for(const attn_cache *cache, int64_t cells)
{
    /* a sum of two numbers that are positions or slots */
    return cells <= 0 ? 0 : (cells - 1) / cache->c.page_size + 1;
}

/* Is it for new cells of the table? */
static bool takes_cells(const attn_cache *cache, const struct attn__cache_table *t, int32_t page)
{
    return cache->page[page].kind == attn__cache_open_kind(cache, t->number);
}

struct attn__cache_plan attn__cache_table_plan(const attn_cache *cache,
                                               const struct attn__cache_table *t, int64_t n)
{
    int64_t free_slots = 0, shared = 0;
    for (int64_t i = 0; i < t->n_pages; i++)
        if (attn__cache_sole(cache, t->page[i]) && takes_cells(cache, t, t->page[i]))
            free_slots += cache->c.page_size - cache->page[t->page[i]].n_used;
    int32_t tail = t->n_cells > 0 ? t->cell[t->n_cells - 1].page : -1;
    if (tail >= 0 && !attn__cache_sole(cache, tail) && takes_cells(cache, t, tail))
        for (int64_t i = 0; i < t->n_cells; i++)
            shared += t->cell[i].page == tail;
    bool copy = shared > 0 && shared < cache->c.page_size;
    return (struct attn__cache_plan){pages_for(cache, n + (copy ? shared : 0) - free_slots),
                                     attn__cache_close_plan(cache, t, n), copy};
}

static int32_t first_free(const attn_cache *cache, int32_t page)
{
    const uint64_t *map = attn__cache_map(cache, page);
    int32_t word = 0;
    while (map[word] == UINT64_MAX)
        word++;
    return word * 64 + __builtin_ctzll(~map[word]);
}

static void set_used(attn_cache *cache, struct attn__cache_cell at)
{
    attn__cache_map(cache, at.page)[at.slot / 64] |= UINT64_C(1) << at.slot % 64;
    cache->page[at.page].n_used++;
}

void attn__cache_table_add(attn_cache *cache, struct attn__cache_table *t, int32_t kind)
{
    t->page[t->n_pages] = attn__cache_pool_take(cache, kind);
    attn__cache_bounds_clear(cache, t, t->n_pages++);
}

struct attn__cache_cell attn__cache_table_slot(attn_cache *cache, struct attn__cache_table *t,
                                               int64_t *from)
{
    struct attn__cache_cell at = {0};
    while (*from < t->n_pages && (!attn__cache_sole(cache, t->page[*from]) ||
                                  !takes_cells(cache, t, t->page[*from]) ||
                                  cache->page[t->page[*from]].n_used == cache->c.page_size))
        ++*from;
    if (*from == t->n_pages)
        attn__cache_table_add(cache, t, attn__cache_open_kind(cache, t->number));
    at.page = t->page[*from];
    at.slot = first_free(cache, at.page);
    set_used(cache, at);
    return at;
}

void attn__cache_table_copy(const attn_cache *cache, int64_t table, struct attn__cache_cell from,
                            struct attn__cache_cell to)
{
    const struct attn__cache_group *g = attn__cache_stored(cache, to);
    bool widens = attn__cache_stored(cache, from) != g;
    for (int64_t h = 0; h < g->n_heads; h++) {
        char *k = attn__cache_k(cache, to, h), *v = attn__cache_v(cache, to, h);
        if (widens) {
            attn__cache_row_widen(cache, attn__cache_k_form(cache, table, from, h),
                                  attn__cache_k(cache, from, h), cache->c.d,
                                  (float *)(void *)k);
            attn__cache_row_widen(cache, attn__cache_v_form(cache, table, from, h),
                                  attn__cache_v(cache, from, h), cache->c.dv,
                                  (float *)(void *)v);
        } else {
            attn__cache_row_copy(g->k_stored, k, attn__cache_k(cache, from, h), g->k_row);
            attn__cache_row_copy(g->v_stored, v, attn__cache_v(cache, from, h), g->v_bytes);
        }
    }
}

void attn__cache_table_sweep(attn_cache *cache, struct attn__cache_table *t, bool changed)
{
    for (int64_t n = 0; n < t->n_pages && !changed; n++)
        changed = attn__cache_sole(cache, t->page[n]) && cache->page[t->page[n]].stale;
    if (!changed)
        return;
    for (int64_t n = 0; n < t->n_pages; n++) {
        struct attn__cache_page *page = &cache->page[t->page[n]];
        page->marks = 0;
        if (page->refs > 1)
            continue;
        page->n_used = 0;
        page->stale = false;
        memset(attn__cache_map(cache, t->page[n]), 0, (size_t)cache->words * sizeof(uint64_t));
    }
    for (int64_t n = 0; n < t->n_cells; n++) {
        cache->page[t->cell[n].page].marks++;
        if (attn__cache_sole(cache, t->cell[n].page))
            set_used(cache, t->cell[n]);
    }
    int64_t kept = 0;
    for (int64_t n = 0; n < t->n_pages; n++) {
        if (cache->page[t->page[n]].marks == 0) {
            attn__cache_pool_give(cache, t->page[n]);
            continue;
        }
        attn__cache_bounds_copy(t, kept, t, n);
        t->page[kept++] = t->page[n];
    }
    t->n_pages = kept;
    attn__cache_bounds_refresh(cache, t);
}

bool attn__cache_table_cut(struct attn__cache_table *t, int64_t from, int64_t to)
{
    int64_t kept = 0, had = t->n_cells;
    for (int64_t n = 0; n < had; n++)
        if (t->cell[n].pos < from || t->cell[n].pos >= to)
            t->cell[kept++] = t->cell[n];
    t->n_cells = kept;
    return kept < had;
}
