/* SPDX-License-Identifier: MIT */
/*
 * Sequences come and go: made, freed, forked, and reordered as the beams of a
 * search. A fork takes no page; it lists those of its origin.
 */
#include "state/cache_object.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

int32_t attn__cache_seq_create(attn_cache *cache, int64_t *seq)
{
    int32_t status = attn__cache_seq_room(cache);
    if (status != ATTN_OK)
        return status;
    struct attn__cache_seq *made = attn__cache_seq_make(cache);
    if (!made)
        return ATTN_ERR_NOMEM;
    *seq = attn__cache_seq_put(cache, made);
    return ATTN_OK;
}

/* Empties the slot of a sequence that is in one. */
static void leave(attn_cache *cache, int64_t id)
{
    int64_t slot = id & UINT32_MAX;
    attn__cache_seq_drop(cache, cache->seq[slot]);
    cache->seq[slot] = NULL;
    cache->n_seqs--;
}

int32_t attn__cache_seq_free(attn_cache *cache, int64_t seq)
{
    struct attn__cache_seq *s;
    int32_t status = attn__cache_idle(cache, "seq", seq, &s);
    if (status == ATTN_OK)
        leave(cache, seq);
    return status;
}

/* The cells of `from` below p, in the pages they are in. */
static int32_t fork_table(attn_cache *cache, int64_t n, const struct attn__cache_table *from,
                          int64_t p, struct attn__cache_table *t)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, n);
    int64_t cells = from->n_cells;
    while (cells > 0 && from->cell[cells - 1].pos >= p)
        cells--;
    int32_t status = attn__cache_table_grow(cache, t, cells, from->n_pages);
    if (status != ATTN_OK)
        return status;
    if (cells > 0)
        memcpy(t->cell, from->cell, (size_t)cells * sizeof *t->cell);
    t->n_cells = cells;
    for (int64_t i = 0; i < from->n_pages; i++)
        cache->page[from->page[i]].marks = 0;
    for (int64_t i = 0; i < cells; i++)
        cache->page[t->cell[i].page].marks = 1;
    for (int64_t i = 0; i < from->n_pages; i++) {
        if (cache->page[from->page[i]].marks == 0)
            continue;
        attn__cache_bounds_copy(t, t->n_pages, from, i);
        t->page[t->n_pages++] = from->page[i];
        cache->page[from->page[i]].refs++;
    }
    attn__cache_bounds_refresh(cache, t);
    t->lost_end = from->lost_end;
    t->pruned_at = attn__min_i64(from->pruned_at, p);
    t->n_folded = from->n_folded;
    if (t->fold)
        memcpy(t->fold, from->fold,
               (size_t)(g->n_heads * (cache->c.d + cache->c.dv)) * sizeof(double));
    attn__cache_forget(cache, n, t, p);
    return ATTN_OK;
}

static struct attn__cache_seq *fork_of(attn_cache *cache, const struct attn__cache_seq *s,
                                       int64_t p)
{
    struct attn__cache_seq *made = attn__cache_seq_make(cache);
    int64_t tables = attn__cache_tables(cache);
    if (!made)
        return NULL;
    made->next = p;
    made->last = attn__min_i64(s->last, p);
    made->lossy = s->lossy;
    for (int64_t n = 0; n < tables; n++) {
        if (fork_table(cache, n, &s->table[n], p, &made->table[n]) != ATTN_OK) {
            attn__cache_seq_drop(cache, made);
            return NULL;
        }
    }
    return made;
}

int32_t attn__cache_fork(attn_cache *cache, int64_t seq, int64_t upto, int32_t flags,
                         int64_t *fork)
{
    struct attn__cache_seq *s;
    bool loses = false;
    int32_t status = attn__cache_idle(cache, "seq", seq, &s);
    if (status != ATTN_OK)
        return status;
    int64_t p = upto == -1 ? s->next : upto;
    status = attn__cache_available(cache, s, p, flags, &loses);
    if (status == ATTN_OK)
        status = attn__cache_seq_room(cache);
    if (status != ATTN_OK)
        return status;
    struct attn__cache_seq *made = fork_of(cache, s, p);
    if (!made)
        return ATTN_ERR_NOMEM;
    made->lossy |= loses;
    *fork = attn__cache_seq_put(cache, made);
    return ATTN_OK;
}

/* All handles are good, none is there twice, every parent is one of them. */
static int32_t check_beams(attn_cache *cache, size_t n, const int64_t *old,
                           const int32_t *parent)
{
    struct attn__cache_seq *s;
    int32_t status = ATTN_OK;
    for (size_t i = 0; i < n && status == ATTN_OK; i++)
        status = attn__cache_idle(cache, "old", old[i], &s);
    if (status != ATTN_OK)
        return status;
    for (size_t i = 0; i < n; i++) {
        (void)attn__cache_find(cache, "old", old[i], &s);
        if (s->marked)
            status = attn__error_set(ATTN_ERR_INVALID,
                                     "old has %" PRId64 " twice, expected each sequence once",
                                     old[i]);
        s->marked = true;
    }
    for (size_t i = 0; i < n; i++) {
        (void)attn__cache_find(cache, "old", old[i], &s);
        s->marked = false;
    }
    for (size_t i = 0; i < n && status == ATTN_OK; i++)
        if (parent[i] < 0 || (size_t)parent[i] >= n)
            status = attn__error_set(ATTN_ERR_INVALID,
                                     "parent[%zu] is %" PRId32 ", expected 0 to %zu", i, parent[i],
                                     n - 1);
    for (size_t i = 0; i < n && status == ATTN_OK; i++) {
        bool loses;
        (void)attn__cache_find(cache, "old", old[parent[i]], &s);
        status = attn__cache_available(cache, s, s->next, 0, &loses);
    }
    return status;
}

int32_t attn__cache_reorder(attn_cache *cache, size_t n, const int64_t *old,
                            const int32_t *parent, int64_t *seq)
{
    int32_t status = check_beams(cache, n, old, parent);
    if (status != ATTN_OK || n == 0)
        return status;
    /* n is at most the number of sequences. */
    size_t bytes = n * sizeof(struct attn__cache_seq *), made = 0;
    struct attn__cache_seq **beam = attn__mem_alloc(&cache->ctx->mem, bytes, 16), *s;
    if (!beam)
        return ATTN_ERR_NOMEM;
    for (; made < n && status == ATTN_OK; made++) {
        (void)attn__cache_find(cache, "old", old[parent[made]], &s);
        beam[made] = fork_of(cache, s, s->next);
        if (!beam[made]) {
            status = ATTN_ERR_NOMEM;
            break;
        }
    }
    for (size_t i = 0; i < n && status == ATTN_OK; i++)
        leave(cache, old[i]);
    for (size_t i = 0; i < made; i++) {
        if (status == ATTN_OK)
            seq[i] = attn__cache_seq_put(cache, beam[i]);
        else
            attn__cache_seq_drop(cache, beam[i]);
    }
    attn__mem_free(&cache->ctx->mem, beam, bytes);
    return status;
}
