/* SPDX-License-Identifier: MIT */
/*
 * Moving the end of a sequence to other positions. Keys that were turned by
 * their positions are turned on by the difference, in pages of their own.
 */
#include "state/cache_object.h"

#include <inttypes.h>
#include <string.h>

#include <attn/desc.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"

/* The first cell at p0 or behind. */
static int64_t split(const struct attn__cache_table *t, int64_t p0)
{
    int64_t n = t->n_cells;
    while (n > 0 && t->cell[n - 1].pos >= p0)
        n--;
    return n;
}

static int32_t check(const attn_cache *cache, const struct attn__cache_seq *s, int64_t p0,
                     int64_t delta)
{
    int64_t tables = attn__cache_tables(cache), end;
    if (!cache->c.raw && cache->c.pairing == ATTN_ROPE_NONE)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "the keys are stored turned and the cache does not know how, "
                               "expected cache_keys=raw or rope");
    if (p0 < 0 || p0 > s->next)
        return attn__error_set(ATTN_ERR_INVALID,
                               "p0 is %" PRId64 ", expected 0 to %" PRId64
                               ", the sequence's length",
                               p0, s->next);
    if (!attn__add_i64(s->next, delta, &end) || end > cache->c.max_position)
        return attn__error_set(ATTN_ERR_INVALID,
                               "delta is %" PRId64 ", expected at most %" PRId64
                               " for a sequence of length %" PRId64,
                               delta, cache->c.max_position - s->next, s->next);
    for (int64_t n = 0; n < tables; n++) {
        int64_t at = split(&s->table[n], p0);
        int64_t least = at > 0 ? s->table[n].cell[at - 1].pos + 1 : 0;
        if (p0 + delta < least)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "p0 + delta is %" PRId64 ", expected at least %" PRId64
                                   ", behind what stays",
                                   p0 + delta, least);
    }
    for (int64_t n = 0; n < tables; n++) {
        const struct attn__cache_table *t = &s->table[n];
        if (t->lost_end > p0 && (t->n_folded > 0 || p0 + delta < cache->c.rule[n].sink))
            return attn__error_set(ATTN_ERR_UNAVAILABLE,
                                   "p0 is %" PRId64 ", but tokens up to %" PRId64
                                   " were folded, or would have become sinks",
                                   p0, t->lost_end - 1);
    }
    return ATTN_OK;
}

/* Marks the shared pages with cells from `at` on, each one once: page->marks
 * is 1 for those. Counts them by kind in need[], if it is not NULL. */
static void mark_shared(const attn_cache *cache, const struct attn__cache_table *t, int64_t at,
                        int64_t *need)
{
    for (int64_t i = 0; i < t->n_pages; i++)
        cache->page[t->page[i]].marks = 0;
    for (int64_t i = at; i < t->n_cells; i++) {
        struct attn__cache_page *page = &cache->page[t->cell[i].page];
        if (need)
            need[page->kind] += page->refs > 1 && page->marks == 0;
        page->marks = page->refs > 1;
    }
}

/* Gives the table its own copy of the page at index i of its list. */
static void own_page(attn_cache *cache, struct attn__cache_table *t, int64_t i)
{
    int32_t old = t->page[i], kind = cache->page[old].kind;
    int32_t made = attn__cache_pool_take(cache, kind);
    uint64_t *map = attn__cache_map(cache, made);
    attn__cache_block_copy(cache, &cache->page[made], &cache->page[old]);
    for (int64_t c = 0; c < t->n_cells; c++) {
        struct attn__cache_cell *cell = &t->cell[c];
        if (cell->page != old)
            continue;
        cell->page = made;
        map[cell->slot / 64] |= UINT64_C(1) << cell->slot % 64;
        cache->page[made].n_used++;
    }
    t->page[i] = made;
    attn__cache_pool_give(cache, old);
    cache->copies++;
}

static void turn_keys(attn_cache *cache, int64_t n, struct attn__cache_table *t, int64_t at,
                      const double *turn, float *room)
{
    mark_shared(cache, t, at, NULL);
    for (int64_t i = 0; i < t->n_pages; i++)
        if (cache->page[t->page[i]].marks)
            own_page(cache, t, i);
    for (int64_t i = attn__cache_close_turn(cache, t, at, turn, room); i < t->n_cells; i++)
        attn__cache_row_turn(cache, n, t->cell[i], turn, room);
    attn__cache_bounds_touch(cache, t, at);
    attn__cache_bounds_refresh(cache, t);
}

int32_t attn__cache_shift(attn_cache *cache, int64_t seq, int64_t p0, int64_t delta)
{
    struct attn__cache_seq *s;
    const struct attn__cache_config *c = &cache->c;
    int64_t tables = attn__cache_tables(cache);
    bool turns = !c->raw && delta != 0;
    double *turn = NULL;
    size_t bytes = 0;
    int32_t status = attn__cache_idle(cache, "seq", seq, &s);
    if (status == ATTN_OK)
        status = check(cache, s, p0, delta);
    if (status != ATTN_OK)
        return status;
    if (turns) {
        for (int64_t g = 0; g < c->kinds; g++)
            cache->need[g] = 0;
        for (int64_t n = 0; n < tables; n++)
            mark_shared(cache, &s->table[n], split(&s->table[n], p0), cache->need);
        status = attn__cache_pool_fits(cache, "the shift");
        if (status == ATTN_OK)
            status = attn__cache_pool_reserve(cache);
        if (status != ATTN_OK)
            return status;
        turn = attn__cache_turn_make(cache, delta, &bytes);
        if (!turn)
            return ATTN_ERR_NOMEM;
    }
    for (int64_t n = 0; n < tables; n++) {
        struct attn__cache_table *t = &s->table[n];
        int64_t at = split(t, p0);
        if (turns)
            turn_keys(cache, n, t, at, turn, (float *)(void *)(turn + c->rope_dim));
        s->lossy |= turns && at < t->n_cells - attn__cache_open_cells(cache, t) &&
                    attn__dtype_stored(attn__cache_group_of(cache, n)->k_dtype);
        for (int64_t i = at; i < t->n_cells; i++)
            t->cell[i].pos += delta;
        t->lost_end += t->lost_end > p0 ? delta : 0;
        t->pruned_at += t->pruned_at > p0 ? delta : 0;
    }
    s->version++;
    s->last += s->last >= p0 ? delta : 0;
    s->next += delta;
    attn__mem_free(&cache->ctx->mem, turn, bytes);
    return ATTN_OK;
}
