/* SPDX-License-Identifier: MIT */
/*
 * Bounds of pages: the smallest and the largest number of each channel of the
 * keys that a table has in a page (Quest, Tang et al., 2024). They are of a
 * table and not of a page, as tables that share one may have other cells of it.
 *
 * A new cell widens them. Cells that go cannot be taken back out: a page that
 * has another number of cells than its bounds were made of is looked at anew,
 * and only such pages are.
 */
#include "state/cache_object.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/view.h"

static struct attn__cache_bound *bound_of(const struct attn__cache_table *t, int64_t page)
{
    return (struct attn__cache_bound *)(void *)(t->bounds + (size_t)page * t->bound_bytes);
}

/* Lows of all heads, then highs. */
static int64_t numbers_of(const attn_cache *cache, const struct attn__cache_table *t)
{
    return attn__cache_group_of(cache, t->number)->n_heads * cache->c.d;
}

bool attn__cache_bound_size(const attn_cache *cache, int64_t table, size_t *bytes)
{
    size_t numbers = 0;
    *bytes = 0;
    if (!cache->c.summary)
        return true;
    return attn__mul_size((size_t)attn__cache_group_of(cache, table)->n_heads,
                          2 * (size_t)cache->c.d, &numbers) &&
           attn__mul_size(numbers, sizeof(float), bytes) &&
           attn__add_size(*bytes, sizeof(struct attn__cache_bound), bytes) &&
           attn__align_up(*bytes, 16, bytes);
}

void attn__cache_bounds_clear(const attn_cache *cache, struct attn__cache_table *t, int64_t page)
{
    if (t->bound_bytes == 0)
        return;
    struct attn__cache_bound *b = bound_of(t, page);
    int64_t n = numbers_of(cache, t);
    b->cells = 0;
    for (int64_t i = 0; i < n; i++) {
        b->x[i] = INFINITY;
        b->x[n + i] = -INFINITY;
    }
}

void attn__cache_bounds_copy(struct attn__cache_table *t, int64_t page,
                             const struct attn__cache_table *from, int64_t from_page)
{
    if (t->bound_bytes > 0 && (t != from || page != from_page))
        memcpy(bound_of(t, page), bound_of(from, from_page), t->bound_bytes);
}

static void widen_by(const attn_cache *cache, const struct attn__cache_table *t,
                     struct attn__cache_bound *b, struct attn__cache_cell at)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, t->number);
    float *low = b->x, *high = b->x + numbers_of(cache, t);
    for (int64_t h = 0; h < g->n_heads; h++) {
        struct attn__cache_form form = attn__cache_k_form(cache, t->number, at, h);
        const char *key = attn__cache_k(cache, at, h);
        for (int64_t c = 0; c < cache->c.d; c++, low++, high++) {
            float x = (float)attn__load_f64(key, c, form.dtype) * form.scale;
            *low = x < *low ? x : *low;
            *high = x > *high ? x : *high;
        }
    }
    b->cells++;
}

void attn__cache_bounds_add(const attn_cache *cache, struct attn__cache_table *t, int64_t page,
                            struct attn__cache_cell at)
{
    if (t->bound_bytes > 0)
        widen_by(cache, t, bound_of(t, page), at);
}

void attn__cache_bounds_touch(const attn_cache *cache, struct attn__cache_table *t, int64_t first)
{
    if (t->bound_bytes == 0)
        return;
    for (int64_t i = 0; i < t->n_pages; i++)
        cache->page[t->page[i]].marks = (int32_t)i;
    for (int64_t i = first; i < t->n_cells; i++)
        bound_of(t, cache->page[t->cell[i].page].marks)->cells = -1;
}

void attn__cache_bounds_refresh(const attn_cache *cache, struct attn__cache_table *t)
{
    bool any = false;
    if (t->bound_bytes == 0)
        return;
    for (int64_t i = 0; i < t->n_pages; i++)
        cache->page[t->page[i]].marks = 0;
    for (int64_t i = 0; i < t->n_cells; i++)
        cache->page[t->cell[i].page].marks++;
    for (int64_t i = 0; i < t->n_pages; i++) {
        struct attn__cache_page *page = &cache->page[t->page[i]];
        bool same = bound_of(t, i)->cells == page->marks;
        page->marks = same ? -1 : (int32_t)i; /* the bounds to make anew */
        if (!same)
            attn__cache_bounds_clear(cache, t, i);
        any |= !same;
    }
    for (int64_t i = 0; i < t->n_cells && any; i++) {
        int32_t page = cache->page[t->cell[i].page].marks;
        if (page >= 0)
            widen_by(cache, t, bound_of(t, page), t->cell[i]);
    }
}

/* ---- for the caller */

/* The index of a cell's page, from the one before on: mostly that one. */
static int64_t page_index(const struct attn__cache_table *t, int32_t page, int64_t from)
{
    while (t->page[from] != page)
        from = from + 1 < t->n_pages ? from + 1 : 0;
    return from;
}

bool attn__cache_bounds_hold(const attn_cache *cache, const struct attn__cache_table *t)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, t->number);
    int64_t n = numbers_of(cache, t), cells = 0, page = 0;
    if (t->bound_bytes == 0)
        return true;
    for (int64_t i = 0; i < t->n_pages; i++)
        cells += bound_of(t, i)->cells;
    for (int64_t i = 0; i < t->n_cells; i++) {
        page = page_index(t, t->cell[i].page, page);
        const float *low = bound_of(t, page)->x;
        for (int64_t h = 0; h < g->n_heads; h++) {
            struct attn__cache_form form = attn__cache_k_form(cache, t->number, t->cell[i], h);
            const char *key = attn__cache_k(cache, t->cell[i], h);
            for (int64_t c = 0; c < cache->c.d; c++, low++) {
                float x = (float)attn__load_f64(key, c, form.dtype) * form.scale;
                if (x < low[0] || x > low[n])
                    return false;
            }
        }
    }
    return cells == t->n_cells;
}

static void put_bounds(const attn_tensor *to, const float *x, int64_t page)
{
    for (int64_t h = 0; h < to->shape[1]; h++)
        for (int64_t c = 0; c < to->shape[3]; c++)
            attn__store_f64(to->data, h * to->stride[1] + page * to->stride[2] + c * to->stride[3],
                            to->dtype, (double)*x++);
}

int32_t attn__cache_page_bounds(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                                const attn_tensor *low, const attn_tensor *high, int64_t *page_of,
                                size_t room, size_t *n)
{
    struct attn__cache_seq *s;
    int64_t table, page = 0, full = 0;
    int32_t status = attn__cache_locate(cache, seq, layer, group, false, &s, &table);
    if (status != ATTN_OK)
        return status;
    if (!cache->c.summary)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "the cache keeps no bounds, expected one with cache_summary=minmax");
    const struct attn__cache_table *t = &s->table[table];
    int64_t heads = cache->c.group[group].n_heads;
    while (full < t->n_pages && bound_of(t, full)->cells > 0)
        full++; /* behind are pages that an open step has not come to */
    const attn_tensor *to[2] = {low, high};
    for (int i = 0; i < 2 && to[i] && status == ATTN_OK; i++) {
        const char *name = i ? "high" : "low";
        status = attn__cache_tensor(name, to[i], heads, full, cache->c.d);
        if (status == ATTN_OK)
            status = attn__view_check_output(name, to[i]);
    }
    if (status != ATTN_OK)
        return status;
    for (int64_t i = 0; i < full && low; i++) {
        put_bounds(low, bound_of(t, i)->x, i);
        put_bounds(high, bound_of(t, i)->x + numbers_of(cache, t), i);
    }
    for (size_t i = 0; i < (size_t)t->n_cells && i < room; i++) {
        page = page_index(t, t->cell[i].page, page);
        page_of[i] = page;
    }
    *n = (size_t)full;
    return ATTN_OK;
}
