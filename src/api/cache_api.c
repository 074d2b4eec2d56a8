/* SPDX-License-Identifier: MIT */
/*
 * The functions of cache.h: pointers, and hand-over.
 */
#include <attn/cache.h>

#include "api/api_check.h"
#include "api/desc_object.h"
#include "mech/cache_desc.h"
#include "state/cache_object.h"

/* Returns from the calling function unless the pointer leads to such an
 * object. */
#define ATTN__CHECK_OBJECT(argument, mark)                                                         \
    do {                                                                                           \
        ATTN__CHECK_POINTER(argument);                                                             \
        if ((argument)->tag != (mark))                                                             \
            return attn__error_set(ATTN_ERR_INVALID,                                               \
                                   #argument " points to something else, or to one that was "     \
                                             "destroyed");                                         \
    } while (0)

int32_t attn_cache_create(attn_ctx *ctx, const attn_desc *desc, attn_cache **cache)
{
    struct attn__cache_config config;
    ATTN__CHECK_POINTER(cache);
    *cache = NULL;
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(desc);
    int32_t status = attn__cache_desc_read(&desc->params, &ctx->mem, &config);
    return status == ATTN_OK ? attn__cache_make(ctx, &config, cache) : status;
}

void attn_cache_destroy(attn_cache *cache)
{
    if (!cache || cache->tag != ATTN__CACHE_TAG)
        return;
    cache->tag = 0;
    cache->closed = true;
    attn__cache_release(cache);
}

int32_t attn_cache_seq_create(attn_cache *cache, int64_t *seq)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    ATTN__CHECK_POINTER(seq);
    return attn__cache_seq_create(cache, seq);
}

int32_t attn_cache_seq_free(attn_cache *cache, int64_t seq)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    return attn__cache_seq_free(cache, seq);
}

int32_t attn_cache_fork(attn_cache *cache, int64_t seq, int64_t upto, int32_t flags, int64_t *fork)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    ATTN__CHECK_POINTER(fork);
    return attn__cache_fork(cache, seq, upto, flags, fork);
}

int32_t attn_cache_truncate(attn_cache *cache, int64_t seq, int64_t next, int32_t flags)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    return attn__cache_truncate(cache, seq, next, flags);
}

int32_t attn_cache_remove(attn_cache *cache, int64_t seq, int64_t p0, int64_t p1)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    return attn__cache_remove(cache, seq, p0, p1);
}

int32_t attn_cache_shift(attn_cache *cache, int64_t seq, int64_t p0, int64_t delta)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    return attn__cache_shift(cache, seq, p0, delta);
}

int32_t attn_cache_append(attn_cache *cache, int64_t seq, int64_t from)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    return attn__cache_append(cache, seq, from);
}

int32_t attn_cache_prune(attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                         const int64_t *keep, size_t n)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    if (n > 0)
        ATTN__CHECK_POINTER(keep);
    return attn__cache_prune(cache, seq, layer, group, keep, n);
}

int32_t attn_cache_observe(attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                           const attn_tensor *weights)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    ATTN__CHECK_POINTER(weights);
    return attn__cache_observe(cache, seq, layer, group, weights);
}

int32_t attn_cache_scores(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                          float *scores, size_t room, size_t *n)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    if (room > 0)
        ATTN__CHECK_POINTER(scores);
    ATTN__CHECK_POINTER(n);
    return attn__cache_scores(cache, seq, layer, group, scores, room, n);
}

int32_t attn_cache_prune_scores(attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                                const int32_t *rules, const int64_t *values, size_t n)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    if (n > 0) {
        ATTN__CHECK_POINTER(rules);
        ATTN__CHECK_POINTER(values);
    }
    return attn__cache_prune_scores(cache, seq, layer, group, rules, values, n);
}

int32_t attn_cache_reorder(attn_cache *cache, size_t n, const int64_t *old, const int32_t *parent,
                           int64_t *seq)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    if (n > 0) {
        ATTN__CHECK_POINTER(old);
        ATTN__CHECK_POINTER(parent);
        ATTN__CHECK_POINTER(seq);
    }
    return attn__cache_reorder(cache, n, old, parent, seq);
}

int32_t attn_cache_get_i64(const attn_cache *cache, int32_t what, int64_t *value)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    ATTN__CHECK_POINTER(value);
    return attn__cache_get_i64(cache, what, value);
}

int32_t attn_cache_seq_get_i64(const attn_cache *cache, int64_t seq, int32_t what, int64_t *value)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    ATTN__CHECK_POINTER(value);
    return attn__cache_seq_get_i64(cache, seq, what, value);
}

int32_t attn_cache_positions(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                             int64_t *positions, size_t room, size_t *n)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    if (room > 0)
        ATTN__CHECK_POINTER(positions);
    ATTN__CHECK_POINTER(n);
    return attn__cache_positions(cache, seq, layer, group, positions, room, n);
}

int32_t attn_cache_read(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                        const attn_tensor *k, const attn_tensor *v)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    ATTN__CHECK_POINTER(k);
    ATTN__CHECK_POINTER(v);
    return attn__cache_read(cache, seq, layer, group, k, v);
}

int32_t attn_cache_read_fold(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                             int64_t *n, const attn_tensor *k, const attn_tensor *v)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    ATTN__CHECK_POINTER(n);
    ATTN__CHECK_POINTER(k);
    ATTN__CHECK_POINTER(v);
    return attn__cache_read_fold(cache, seq, layer, group, n, k, v);
}

int32_t attn_cache_page_bounds(const attn_cache *cache, int64_t seq, int64_t layer, int64_t group,
                               const attn_tensor *low, const attn_tensor *high, int64_t *page_of,
                               size_t room, size_t *n)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    if (low)
        ATTN__CHECK_POINTER(high);
    if (high)
        ATTN__CHECK_POINTER(low);
    if (room > 0)
        ATTN__CHECK_POINTER(page_of);
    ATTN__CHECK_POINTER(n);
    return attn__cache_page_bounds(cache, seq, layer, group, low, high, page_of, room, n);
}

int32_t attn_cache_save(const attn_cache *cache, int64_t seq, void *buf, size_t len, size_t *needed)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    if (len > 0)
        ATTN__CHECK_POINTER(buf);
    return attn__cache_save(cache, seq, buf, len, needed);
}

int32_t attn_cache_load(attn_cache *cache, const void *buf, size_t len, int64_t *seq)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    if (len > 0)
        ATTN__CHECK_POINTER(buf);
    ATTN__CHECK_POINTER(seq);
    return attn__cache_load(cache, buf, len, seq);
}

int32_t attn_cache_check(const attn_cache *cache)
{
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    return attn__cache_check(cache);
}

int32_t attn_step_begin(attn_cache *cache, size_t n, const int64_t *seqs, const int64_t *counts,
                        const int32_t *parents, attn_step **step)
{
    ATTN__CHECK_POINTER(step);
    *step = NULL;
    ATTN__CHECK_OBJECT(cache, ATTN__CACHE_TAG);
    if (n > 0) {
        ATTN__CHECK_POINTER(seqs);
        ATTN__CHECK_POINTER(counts);
    }
    return attn__cache_step_begin(cache, n, seqs, counts, parents, step);
}

int32_t attn_step_write(attn_step *step, int64_t layer, const attn_tensor *k, const attn_tensor *v)
{
    ATTN__CHECK_OBJECT(step, ATTN__STEP_TAG);
    ATTN__CHECK_POINTER(k);
    return attn__cache_step_write(step, layer, k, v);
}

int32_t attn_step_commit(attn_step *step, const int64_t *n_keep, const int32_t *keep)
{
    ATTN__CHECK_OBJECT(step, ATTN__STEP_TAG);
    return attn__cache_step_commit(step, n_keep, keep);
}

int32_t attn_step_abort(attn_step *step)
{
    ATTN__CHECK_OBJECT(step, ATTN__STEP_TAG);
    return attn__cache_step_abort(step);
}

void attn_step_destroy(attn_step *step)
{
    if (step && step->tag == ATTN__STEP_TAG)
        attn__cache_step_free(step);
}
