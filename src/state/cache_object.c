/* SPDX-License-Identifier: MIT */
/*
 * Making and freeing caches and sequences, and the handles of sequences: a
 * slot and, above it, how many sequences the slot has had, so that the handle
 * of one that is gone is found out.
 */
#include "state/cache_object.h"

#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"

static void *list(const attn_cache *cache, int64_t n, size_t size)
{
    size_t bytes;
    return attn__mul_size((size_t)n, size, &bytes)
               ? attn__mem_alloc(&cache->ctx->mem, bytes, 64)
               : NULL;
}

static void unlist(const attn_cache *cache, void *ptr, int64_t n, size_t size)
{
    attn__mem_free(&cache->ctx->mem, ptr, ptr ? (size_t)n * size : 0);
}

static void cache_free(attn_cache *cache)
{
    const struct attn__cache_config *c = &cache->c;
    struct attn_ctx *ctx = cache->ctx;
    for (int64_t n = 0; cache->seq && n < c->sequences; n++)
        if (cache->seq[n])
            attn__cache_seq_drop(cache, cache->seq[n]);
    for (int64_t n = 0; cache->page && n < c->pages; n++)
        if (cache->page[n].at.k)
            attn__cache_block_give(cache, &cache->page[n]);
    unlist(cache, cache->page, c->pages, sizeof *cache->page);
    unlist(cache, cache->map, c->pages * cache->words, sizeof *cache->map);
    unlist(cache, cache->spare, c->kinds, sizeof *cache->spare);
    unlist(cache, cache->n_spare, c->kinds, sizeof *cache->n_spare);
    unlist(cache, cache->slot, c->kinds, sizeof(struct attn__cache_slot *));
    unlist(cache, cache->need, c->kinds, sizeof *cache->need);
    unlist(cache, cache->seq, c->sequences, sizeof *cache->seq);
    unlist(cache, cache->generation, c->sequences, sizeof *cache->generation);
    attn__mem_free(&ctx->mem, c->block, c->bytes);
    attn__mem_free(&ctx->mem, cache, sizeof *cache);
    attn__ctx_release(ctx);
}

int32_t attn__cache_make(struct attn_ctx *ctx, struct attn__cache_config *c, attn_cache **cache)
{
    attn_cache *made = attn__mem_alloc(&ctx->mem, sizeof *made, 64);
    if (!made) {
        attn__mem_free(&ctx->mem, c->block, c->bytes);
        return ATTN_ERR_NOMEM;
    }
    attn__ctx_retain(ctx);
    made->tag = ATTN__CACHE_TAG;
    made->refs = 1;
    made->ctx = ctx;
    made->c = *c;
    made->words = (c->page_size + 63) / 64;
    made->page = list(made, c->pages, sizeof *made->page);
    made->map = list(made, c->pages * made->words, sizeof *made->map);
    made->spare = list(made, c->kinds, sizeof *made->spare);
    made->n_spare = list(made, c->kinds, sizeof *made->n_spare);
    made->slot = list(made, c->kinds, sizeof(struct attn__cache_slot *));
    made->need = list(made, c->kinds, sizeof *made->need);
    made->seq = list(made, c->sequences, sizeof *made->seq);
    made->generation = list(made, c->sequences, sizeof *made->generation);
    if (!made->page || !made->map || !made->spare || !made->n_spare || !made->slot ||
        !made->need || !made->seq || !made->generation) {
        cache_free(made);
        return ATTN_ERR_NOMEM;
    }
    for (int64_t n = 0; n < c->pages; n++)
        made->page[n].next = n + 1 < c->pages ? (int32_t)n + 1 : -1;
    for (int64_t n = 0; n < c->kinds; n++)
        made->spare[n] = -1;
    *cache = made;
    return ATTN_OK;
}

void attn__cache_release(attn_cache *cache)
{
    if (--cache->refs == 0)
        cache_free(cache);
}

int32_t attn__cache_find(const attn_cache *cache, const char *name, int64_t id,
                         struct attn__cache_seq **seq)
{
    int64_t slot = id & UINT32_MAX, generation = id >> 32;
    if (id <= 0 || slot >= cache->c.sequences || !cache->seq[slot] ||
        cache->generation[slot] != generation)
        return attn__error_set(ATTN_ERR_BAD_ID,
                               "%s is %" PRId64 ", expected the handle of a sequence of the cache",
                               name, id);
    *seq = cache->seq[slot];
    return ATTN_OK;
}

int32_t attn__cache_idle(const attn_cache *cache, const char *name, int64_t id,
                         struct attn__cache_seq **seq)
{
    int32_t status = attn__cache_find(cache, name, id, seq);
    if (status == ATTN_OK && (*seq)->step)
        status = attn__error_set(ATTN_ERR_BUSY,
                                 "%s is %" PRId64
                                 ", which has an open step, expected a sequence without",
                                 name, id);
    return status;
}

struct attn__cache_seq *attn__cache_seq_make(attn_cache *cache)
{
    const struct attn__mem *mem = &cache->ctx->mem;
    int64_t tables = attn__cache_tables(cache);
    struct attn__cache_seq *seq = attn__mem_alloc(mem, sizeof *seq, 16);
    if (!seq)
        return NULL;
    seq->table = list(cache, tables, sizeof *seq->table);
    bool made = seq->table != NULL;
    for (int64_t n = 0; n < tables && made; n++) {
        seq->table[n].number = n;
        made = attn__cache_bound_size(cache, n, &seq->table[n].bound_bytes);
        int64_t numbers =
            attn__cache_group_of(cache, n)->n_heads * (cache->c.d + cache->c.dv);
        if (cache->c.rule[n].fold) {
            seq->table[n].fold = list(cache, numbers, sizeof(double));
            made = seq->table[n].fold != NULL;
        }
    }
    if (made)
        return seq;
    attn__cache_seq_drop(cache, seq);
    return NULL;
}

void attn__cache_seq_drop(attn_cache *cache, struct attn__cache_seq *seq)
{
    int64_t tables = attn__cache_tables(cache);
    for (int64_t n = 0; seq->table && n < tables; n++)
        attn__cache_table_free(cache, n, &seq->table[n]);
    unlist(cache, seq->table, tables, sizeof *seq->table);
    attn__mem_free(&cache->ctx->mem, seq, sizeof *seq);
}

int32_t attn__cache_seq_room(const attn_cache *cache)
{
    if (cache->n_seqs < cache->c.sequences)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_FULL,
                           "the cache has %" PRId64 " sequences, expected less than the %" PRId64
                           " of cache_sequences",
                           cache->n_seqs, cache->c.sequences);
}

int64_t attn__cache_seq_put(attn_cache *cache, struct attn__cache_seq *seq)
{
    int64_t slot = 0;
    while (cache->seq[slot])
        slot++;
    int32_t *generation = &cache->generation[slot];
    *generation = *generation == INT32_MAX ? 1 : *generation + 1;
    cache->seq[slot] = seq;
    cache->n_seqs++;
    return (int64_t)*generation << 32 | slot;
}
