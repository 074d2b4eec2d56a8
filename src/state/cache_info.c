/* SPDX-License-Identifier: MIT */
/*
 * What a cache tells about itself, and the rows it holds.
 */
#include "state/cache_object.h"

#include <inttypes.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/view.h"

static int64_t shared_pages(const attn_cache *cache)
{
    int64_t shared = 0;
    for (int64_t n = 0; n < cache->c.pages; n++)
        shared += cache->page[n].refs > 1;
    return shared;
}

static int64_t bytes_used(const attn_cache *cache)
{
    int64_t bytes = 0;
    for (int64_t n = 0; n < cache->c.pages; n++)
        if (cache->page[n].refs > 0)
            bytes += (int64_t)cache->c.group[cache->page[n].kind].page_bytes;
    return bytes;
}

static int64_t cells_of(const attn_cache *cache, const struct attn__cache_seq *s)
{
    int64_t cells = 0;
    for (int64_t n = 0; n < attn__cache_tables(cache); n++)
        cells += s->table[n].n_cells;
    return cells;
}

static int64_t all_cells(const attn_cache *cache)
{
    int64_t cells = 0;
    for (int64_t n = 0; n < cache->c.sequences; n++)
        if (cache->seq[n])
            cells += cells_of(cache, cache->seq[n]);
    return cells;
}

static int32_t unknown(int32_t what, const char *names)
{
    return attn__error_set(ATTN_ERR_INVALID, "what is %" PRId32 ", expected one of %s", what,
                           names);
}

int32_t attn__cache_get_i64(const attn_cache *cache, int32_t what, int64_t *value)
{
    switch (what) {
    case ATTN_CACHE_PAGES_TOTAL:
        *value = cache->c.pages;
        break;
    case ATTN_CACHE_PAGES_USED:
        *value = cache->pages_used;
        break;
    case ATTN_CACHE_PAGES_PEAK:
        *value = cache->pages_peak;
        break;
    case ATTN_CACHE_PAGES_SHARED:
        *value = shared_pages(cache);
        break;
    case ATTN_CACHE_BYTES:
        *value = bytes_used(cache);
        break;
    case ATTN_CACHE_SEQUENCES:
        *value = cache->n_seqs;
        break;
    case ATTN_CACHE_CELLS:
        *value = all_cells(cache);
        break;
    case ATTN_CACHE_APPENDED:
        *value = cache->appended;
        break;
    case ATTN_CACHE_COPIES:
        *value = cache->copies;
        break;
    case ATTN_CACHE_EVICTED:
        *value = cache->evicted;
        break;
    case ATTN_CACHE_PRUNED:
        *value = cache->pruned;
        break;
    case ATTN_CACHE_REFUSED:
        *value = cache->refused;
        break;
    default:
        return unknown(what, "ATTN_CACHE_PAGES_TOTAL to _REFUSED");
    }
    return ATTN_OK;
}

int32_t attn__cache_seq_get_i64(const attn_cache *cache, int64_t seq, int32_t what,
                                int64_t *value)
{
    struct attn__cache_seq *s;
    int32_t status = attn__cache_find(cache, "seq", seq, &s);
    if (status != ATTN_OK)
        return status;
    switch (what) {
    case ATTN_CACHE_SEQ_NEXT:
        *value = s->next;
        break;
    case ATTN_CACHE_SEQ_LAST:
        *value = s->last;
        break;
    case ATTN_CACHE_SEQ_CELLS:
        *value = cells_of(cache, s);
        break;
    case ATTN_CACHE_SEQ_LOSSY:
        *value = s->lossy;
        break;
    case ATTN_CACHE_SEQ_OPEN:
        *value = s->step != NULL;
        break;
    default:
        return unknown(what, "ATTN_CACHE_SEQ_NEXT to _OPEN");
    }
    return ATTN_OK;
}

int32_t attn__cache_positions(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                              int64_t *positions, size_t room, size_t *n)
{
    struct attn__cache_seq *s;
    int64_t table;
    int32_t status = attn__cache_locate(cache, seq, layer, group, false, &s, &table);
    if (status != ATTN_OK)
        return status;
    const struct attn__cache_table *t = &s->table[table];
    for (size_t i = 0; i < (size_t)t->n_cells && i < room; i++)
        positions[i] = t->cell[i].pos;
    *n = (size_t)t->n_cells;
    return ATTN_OK;
}

/* A result of either kind: the shape, and no two elements in one place. */
static int32_t check_result(const char *name, const attn_tensor *t, int64_t heads, int64_t n,
                            int64_t d)
{
    int32_t status = attn__cache_tensor(name, t, heads, n, d);
    return status == ATTN_OK ? attn__view_check_output(name, t) : status;
}

int32_t attn__cache_read(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                         const attn_tensor *k, const attn_tensor *v)
{
    struct attn__cache_seq *s;
    int64_t table;
    int32_t status = attn__cache_locate(cache, seq, layer, group, false, &s, &table);
    if (status != ATTN_OK)
        return status;
    const struct attn__cache_group *g = &cache->c.group[group];
    const struct attn__cache_table *t = &s->table[table];
    status = check_result("k", k, g->n_heads, t->n_cells, cache->c.d);
    if (status == ATTN_OK)
        status = check_result("v", v, g->n_heads, t->n_cells, cache->c.dv);
    if (status != ATTN_OK)
        return status;
    for (int64_t i = 0; i < t->n_cells; i++)
        for (int64_t h = 0; h < g->n_heads; h++) {
            attn__cache_row_get(cache, attn__cache_k(cache, t->cell[i], h),
                                attn__cache_k_form(cache, table, t->cell[i], h), k,
                                h * k->stride[1] + i * k->stride[2], k->stride[3], cache->c.d);
            attn__cache_row_get(cache, attn__cache_v(cache, t->cell[i], h),
                                attn__cache_v_form(cache, table, t->cell[i], h), v,
                                h * v->stride[1] + i * v->stride[2], v->stride[3], cache->c.dv);
        }
    return ATTN_OK;
}

/* heads rows of d sums, as means. */
static void put_means(const attn_tensor *t, const double *sums, int64_t count)
{
    for (int64_t h = 0; h < t->shape[1]; h++)
        for (int64_t i = 0; i < t->shape[3]; i++)
            attn__store_f64(t->data, h * t->stride[1] + i * t->stride[3], t->dtype,
                            count > 0 ? *sums++ / (double)count : 0);
}

int32_t attn__cache_read_fold(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                              int64_t *n, const attn_tensor *k, const attn_tensor *v)
{
    struct attn__cache_seq *s;
    int64_t table;
    int32_t status = attn__cache_locate(cache, seq, layer, group, false, &s, &table);
    if (status != ATTN_OK)
        return status;
    const struct attn__cache_group *g = &cache->c.group[group];
    const struct attn__cache_table *t = &s->table[table];
    if (!t->fold)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "layer %" PRId64 ", group %" PRId64
                               " folds nothing, expected one with cache_fold",
                               layer, group);
    status = check_result("k", k, g->n_heads, 1, cache->c.d);
    if (status == ATTN_OK)
        status = check_result("v", v, g->n_heads, 1, cache->c.dv);
    if (status != ATTN_OK)
        return status;
    put_means(k, t->fold, t->n_folded);
    put_means(v, t->fold + g->n_heads * cache->c.d, t->n_folded);
    *n = t->n_folded;
    return ATTN_OK;
}
