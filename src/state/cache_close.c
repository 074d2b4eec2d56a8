/* SPDX-License-Identifier: MIT */
/*
 * Closing cells where keys are kivi (Liu et al., 2024): keys are rounded by
 * channel, 32 tokens at a time, so that new tokens stay floats until there are
 * so many. A block is 32 slots of a closed page; its slots are taken and written
 * together and not used again before all of them are free.
 */
#include "state/cache_object.h"

#include "base/checked.h"
#include "kernels/kernels.h"

enum { ROWS = ATTN__SLAB_ROWS };

int64_t attn__cache_open_cells(const attn_cache *cache, const struct attn__cache_table *t)
{
    int64_t n = 0, kind = attn__cache_open_kind(cache, t->number);
    if (!attn__cache_closes(cache, t->number))
        return 0;
    while (n < t->n_cells && cache->page[t->cell[t->n_cells - 1 - n].page].kind == kind)
        n++;
    return n;
}

/* Is the page closed, and nobody else's? */
static bool takes_blocks(const attn_cache *cache, const struct attn__cache_table *t, int32_t page)
{
    return attn__cache_sole(cache, page) &&
           cache->page[page].kind == t->number % cache->c.groups;
}

static bool block_used(const attn_cache *cache, int32_t page, int64_t block)
{
    return (uint32_t)(attn__cache_map(cache, page)[block / 2] >> block % 2 * ROWS) != 0;
}

/* Of `open` cells those that are closed, in blocks. */
static int64_t blocks_of(const attn_cache *cache, int64_t open)
{
    return attn__max_i64(open - cache->c.residual, 0) / ROWS;
}

int64_t attn__cache_close_plan(const attn_cache *cache, const struct attn__cache_table *t,
                               int64_t n)
{
    int64_t of_page = cache->c.page_size / ROWS;
    if (!attn__cache_closes(cache, t->number))
        return 0;
    int64_t blocks = blocks_of(cache, attn__cache_open_cells(cache, t) + n);
    for (int64_t i = 0; i < t->n_pages; i++)
        for (int64_t b = 0; b < of_page && takes_blocks(cache, t, t->page[i]); b++)
            blocks -= !block_used(cache, t->page[i], b);
    return blocks > 0 ? (blocks - 1) / of_page + 1 : 0;
}

struct attn__cache_cell attn__cache_close_block(attn_cache *cache, struct attn__cache_table *t,
                                                int64_t *from)
{
    int64_t of_page = cache->c.page_size / ROWS;
    for (; *from < t->n_pages; ++*from)
        for (int64_t b = 0; b < of_page && takes_blocks(cache, t, t->page[*from]); b++)
            if (!block_used(cache, t->page[*from], b))
                return (struct attn__cache_cell){.page = t->page[*from],
                                                 .slot = (int32_t)(b * ROWS)};
    attn__cache_table_add(cache, t, (int32_t)(t->number % cache->c.groups));
    return (struct attn__cache_cell){.page = t->page[*from]};
}

/* The keys and values of 32 cells into a block. */
static void fill_block(const attn_cache *cache, const struct attn__cache_table *t,
                       const struct attn__cache_cell *cell, struct attn__cache_cell to)
{
    const struct attn__cache_group *g = attn__cache_stored(cache, to);
    for (int64_t h = 0; h < g->n_heads; h++) {
        const float *row[ROWS];
        for (int64_t i = 0; i < ROWS; i++)
            row[i] = (const float *)(const void *)attn__cache_k(cache, cell[i], h);
        cache->ctx->kernels->cvt_f32_kivi_keys((uint8_t *)attn__cache_k(cache, to, h), row,
                                               cache->c.d, attn__dtype_kivi(g->k_dtype));
        struct attn__cache_form form = attn__cache_v_form(cache, t->number, to, h);
        for (int32_t i = 0; i < ROWS; i++) {
            struct attn__cache_cell at = {.page = to.page, .slot = to.slot + i};
            attn__cache_row_narrow(
                cache, form, attn__cache_v(cache, at, h),
                (const float *)(const void *)attn__cache_v(cache, cell[i], h), cache->c.dv);
        }
    }
}

bool attn__cache_close(attn_cache *cache, struct attn__cache_table *t)
{
    int64_t open = attn__cache_open_cells(cache, t), blocks = blocks_of(cache, open), from = 0;
    struct attn__cache_cell *cell = t->cell + (t->n_cells - open);
    for (int64_t b = 0; b < blocks; b++, cell += ROWS) {
        struct attn__cache_cell to = attn__cache_close_block(cache, t, &from);
        fill_block(cache, t, cell, to);
        attn__cache_map(cache, to.page)[to.slot / 64] |= (uint64_t)UINT32_MAX << to.slot % 64;
        cache->page[to.page].n_used += ROWS;
        for (int32_t i = 0; i < ROWS; i++) {
            cell[i].page = to.page;
            cell[i].slot = to.slot + i;
        }
    }
    /* a page may lose as many cells by the window as it takes here */
    if (blocks > 0)
        attn__cache_bounds_touch(cache, t, t->n_cells - open);
    return blocks > 0;
}

int64_t attn__cache_block_cells(const struct attn__cache_table *t, int64_t n, int64_t end)
{
    const struct attn__cache_cell *cell = t->cell + n;
    int64_t cells = 1;
    while (n + cells < end && cell[cells].page == cell->page &&
           cell[cells].slot / ROWS == cell->slot / ROWS)
        cells++;
    return cells;
}

/* Cells n..end-1 are those of one block; the keys of cells from `at` on turn. */
static void turn_block(const attn_cache *cache, const struct attn__cache_table *t, int64_t n,
                       int64_t end, int64_t at, const double *turn, float *room)
{
    const struct attn__cache_group *g = attn__cache_stored(cache, t->cell[n]);
    int32_t bits = attn__dtype_kivi(g->k_dtype);
    int64_t d = cache->c.d;
    for (int64_t h = 0; h < g->n_heads; h++) {
        uint8_t *block = attn__slab(attn__cache_k(cache, t->cell[n], h));
        const float *row[ROWS];
        cache->ctx->kernels->cvt_kivi_keys_f32(room, d, block, 0, ROWS, d, bits);
        for (int64_t i = 0; i < ROWS; i++)
            row[i] = room + t->cell[n].slot % ROWS * d; /* of cells that are gone */
        for (int64_t i = n; i < end; i++) {
            float *key = room + t->cell[i].slot % ROWS * d;
            row[t->cell[i].slot % ROWS] = key;
            if (i >= at)
                attn__cache_turn(cache, key, ATTN_DTYPE_F32, cache->c.rope_from, turn);
        }
        cache->ctx->kernels->cvt_f32_kivi_keys(block, row, d, bits);
    }
}

int64_t attn__cache_close_turn(attn_cache *cache, struct attn__cache_table *t, int64_t at,
                               const double *turn, float *room)
{
    int64_t closed = t->n_cells - attn__cache_open_cells(cache, t);
    if (!attn__cache_closes(cache, t->number) || at >= closed)
        return at;
    int64_t n = at;
    while (n > 0 && attn__cache_block_cells(t, n - 1, at + 1) > 1)
        n--;
    for (int64_t end; n < closed; n = end) {
        end = n + attn__cache_block_cells(t, n, closed);
        turn_block(cache, t, n, end, at, turn, room);
    }
    return closed;
}
