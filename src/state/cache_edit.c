/* SPDX-License-Identifier: MIT */
/*
 * Taking tokens out of a sequence: from its end, from its middle, and one by
 * one from a table that keeps everything.
 */
#include "state/cache_object.h"

#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"

int32_t attn__cache_available(const attn_cache *cache, const struct attn__cache_seq *s, int64_t p,
                              int32_t flags, bool *loses)
{
    int64_t tables = attn__cache_tables(cache);
    if (flags & ~ATTN_CACHE_LOSSY)
        return attn__error_set(ATTN_ERR_INVALID,
                               "flags is %" PRId32 ", expected 0 or ATTN_CACHE_LOSSY", flags);
    if (p < 0 || p > s->next)
        return attn__error_set(ATTN_ERR_INVALID,
                               "the end is %" PRId64 ", expected 0 to %" PRId64
                               ", the sequence's length",
                               p, s->next);
    *loses = false;
    for (int64_t n = 0; n < tables; n++) {
        const struct attn__cache_rule *rule = &cache->c.rule[n];
        const struct attn__cache_table *t = &s->table[n];
        int64_t layer = n / cache->c.groups, group = n % cache->c.groups;
        if (rule->window != ATTN_UNBOUNDED && p > rule->sink &&
            t->lost_end > attn__max_i64(rule->sink, p - (rule->window - 1)))
            return attn__error_set(ATTN_ERR_UNAVAILABLE,
                                   "an end at %" PRId64 " needs tokens that the window of owner %"
                                   PRId64 ", group %" PRId64 " has dropped, up to %" PRId64,
                                   p, layer, group, t->lost_end - 1);
        *loses = *loses || t->pruned_at > p;
        if (t->pruned_at > p && !(flags & ATTN_CACHE_LOSSY))
            return attn__error_set(ATTN_ERR_UNAVAILABLE,
                                   "an end at %" PRId64 " lies before the prune at %" PRId64
                                   " of owner %" PRId64 ", group %" PRId64
                                   ", expected ATTN_CACHE_LOSSY",
                                   p, t->pruned_at, layer, group);
    }
    return ATTN_OK;
}

void attn__cache_forget(const attn_cache *cache, int64_t table, struct attn__cache_table *t,
                        int64_t p)
{
    const struct attn__cache_group *g = attn__cache_group_of(cache, table);
    if (p > cache->c.rule[table].sink)
        return;
    t->lost_end = 0;
    t->n_folded = 0;
    for (int64_t i = 0; t->fold && i < g->n_heads * (cache->c.d + cache->c.dv); i++)
        t->fold[i] = 0;
}

int32_t attn__cache_truncate(attn_cache *cache, int64_t seq, int64_t next, int32_t flags)
{
    struct attn__cache_seq *s;
    int64_t tables = attn__cache_tables(cache);
    bool loses = false;
    int32_t status = attn__cache_idle(cache, "seq", seq, &s);
    if (status == ATTN_OK)
        status = attn__cache_available(cache, s, next, flags, &loses);
    if (status != ATTN_OK)
        return status;
    for (int64_t n = 0; n < tables; n++) {
        struct attn__cache_table *t = &s->table[n];
        bool cut = attn__cache_table_cut(t, next, INT64_MAX);
        t->pruned_at = attn__min_i64(t->pruned_at, next);
        attn__cache_forget(cache, n, t, next);
        attn__cache_table_sweep(cache, t, cut);
    }
    s->version++;
    s->next = next;
    s->last = attn__min_i64(s->last, next);
    s->lossy |= loses;
    return ATTN_OK;
}

int32_t attn__cache_remove(attn_cache *cache, int64_t seq, int64_t p0, int64_t p1)
{
    struct attn__cache_seq *s;
    int64_t tables = attn__cache_tables(cache);
    int32_t status = attn__cache_idle(cache, "seq", seq, &s);
    if (status != ATTN_OK)
        return status;
    if (p0 < 0 || p0 > p1 || p1 >= s->next)
        return attn__error_set(ATTN_ERR_INVALID,
                               "the range is %" PRId64 " to %" PRId64
                               ", expected 0 <= p0 <= p1 < %" PRId64 ", the sequence's length",
                               p0, p1, s->next);
    for (int64_t n = 0; n < tables; n++)
        if (s->table[n].n_folded > 0 && p0 < s->table[n].lost_end)
            return attn__error_set(ATTN_ERR_UNAVAILABLE,
                                   "p0 is %" PRId64 ", expected at least %" PRId64
                                   ", below which rows were folded",
                                   p0, s->table[n].lost_end);
    s->version++;
    for (int64_t n = 0; n < tables; n++) {
        struct attn__cache_table *t = &s->table[n];
        bool cut = attn__cache_table_cut(t, p0, p1);
        if (p0 < t->lost_end && t->lost_end <= p1)
            t->lost_end = p0;
        attn__cache_table_sweep(cache, t, cut);
    }
    return ATTN_OK;
}

int32_t attn__cache_locate(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                           bool idle, struct attn__cache_seq **s, int64_t *table)
{
    int32_t status = idle ? attn__cache_idle(cache, "seq", seq, s)
                          : attn__cache_find(cache, "seq", seq, s);
    *table = 0; /* on failure too: gcc's flow analysis cannot see that no caller reads it then */
    if (status != ATTN_OK)
        return status;
    if (layer < 0 || layer >= cache->c.layers)
        return attn__error_set(ATTN_ERR_INVALID, "layer is %" PRId64 ", expected 0 to %" PRId64,
                               layer, cache->c.layers - 1);
    if (group < 0 || group >= cache->c.groups)
        return attn__error_set(ATTN_ERR_INVALID, "group is %" PRId64 ", expected 0 to %" PRId64,
                               group, cache->c.groups - 1);
    *table = cache->c.row[layer] * cache->c.groups + group;
    return ATTN_OK;
}

/* The cell at pos, or -1; cells are ascending. */
static int64_t cell_at(const struct attn__cache_table *t, int64_t pos)
{
    int64_t lo = 0, hi = t->n_cells;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (t->cell[mid].pos < pos)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < t->n_cells && t->cell[lo].pos == pos ? lo : -1;
}

void attn__cache_pruned(attn_cache *cache, struct attn__cache_seq *s,
                        struct attn__cache_table *t, int64_t kept)
{
    s->version++;
    cache->pruned += t->n_cells - kept;
    t->n_cells = kept;
    t->pruned_at = s->next;
    attn__cache_table_sweep(cache, t, true);
}

int32_t attn__cache_prune(attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                          const int64_t *keep, size_t n)
{
    struct attn__cache_seq *s;
    int64_t table, kept = 0;
    int32_t status = attn__cache_locate(cache, seq, layer, group, true, &s, &table);
    if (status != ATTN_OK)
        return status;
    if (!cache->c.owns[layer])
        return attn__error_set(ATTN_ERR_INVALID,
                               "layer is %" PRId64 ", expected one that owns its keys", layer);
    if (cache->c.rule[table].window != ATTN_UNBOUNDED)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "layer %" PRId64 ", group %" PRId64
                               " has a window, expected a table that keeps everything",
                               layer, group);
    struct attn__cache_table *t = &s->table[table];
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && keep[i] <= keep[i - 1])
            return attn__error_set(ATTN_ERR_INVALID,
                                   "keep[%zu] is %" PRId64 " after %" PRId64
                                   ", expected ascending positions",
                                   i, keep[i], keep[i - 1]);
        if (cell_at(t, keep[i]) < 0)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "keep[%zu] is %" PRId64 ", expected a position of the table", i,
                                   keep[i]);
    }
    if ((int64_t)n == t->n_cells)
        return ATTN_OK;
    for (int64_t i = 0; i < t->n_cells; i++)
        if (kept < (int64_t)n && t->cell[i].pos == keep[kept])
            t->cell[kept++] = t->cell[i];
    attn__cache_pruned(cache, s, t, kept);
    return ATTN_OK;
}
