/* SPDX-License-Identifier: MIT */
/*
 * A view: which sequences of a cache an execute reads. It is made for all
 * layers at once, so that executing takes no memory, and holds as long as its
 * sequences stay as they are.
 */
#ifndef ATTN_STATE_CACHE_VIEW_H
#define ATTN_STATE_CACHE_VIEW_H

#include "problem/paged.h"
#include "problem/problem.h"
#include "state/cache_object.h"

/* A sequence of the cache that a query sequence reads. */
struct attn__view_segment {
    int64_t id, version;
    struct attn__cache_seq *seq;
};

/* What a caller's pools are. */
struct attn__raw_kind {
    int64_t layers, heads, d, dv, page;
    int32_t k_dtype, v_dtype;
};

struct attn_view {
    uint64_t tag;
    attn_cache *cache;    /* a reference; NULL: of a caller's pools */
    struct attn_ctx *ctx; /* a reference, of pools */
    struct attn__paged_view paged;
    struct attn__raw_kind raw;
    struct attn__piece causal; /* of pools */
    int64_t n_segments;
    struct attn__view_segment *segment; /* [n_segments] */
    int64_t *last;                      /* [n_seq]: the segment that the queries stand at */
    const char *unobserved; /* why its tokens can be given no weights; NULL: they can */
    size_t bytes;
};

#define ATTN__VIEW_TAG UINT64_C(0x6174746E76696577)

/* attn_view_create with pointers checked. */
int32_t attn__view_make(attn_cache *cache, size_t n, const int64_t *counts, const int64_t *seqs,
                        const int64_t *ends, attn_view **view);
void attn__view_free(attn_view *view);

/* Whether the view may be used now, by plans of problem p and for a layer, whose
 * tables are in *row. ATTN_ERR_STATE, ATTN_ERR_INVALID, ATTN_ERR_SHAPE,
 * ATTN_ERR_DTYPE, ATTN_ERR_RANGE. */
int32_t attn__view_usable(const attn_view *view, const struct attn__problem *p, int64_t layer,
                         int64_t *row);
/* Whether query sequence `index` may have nq rows. ATTN_ERR_SHAPE,
 * ATTN_ERR_STATE, ATTN_ERR_UNAVAILABLE, ATTN_ERR_UNSUPPORTED. */
int32_t attn__view_usable_rows(const attn_view *view, const struct attn__problem *p, int64_t row,
                              int64_t index, int64_t nq);

/* Whether executes may leave weights in its tables. ATTN_ERR_UNSUPPORTED. */
int32_t attn__view_observable(const attn_view *view);

/* What attn_view_create_raw was given. */
struct attn__raw_pools {
    size_t layers;
    const attn_tensor *k, *v; /* [layers] */
    const attn_tensor *lengths, *offsets, *pages;
};

/* ---- raw_view.c */
int32_t attn__raw_view_make(struct attn_ctx *ctx, const struct attn__raw_pools *from,
                            attn_view **view);
/* As attn__view_usable and _rows, of a view without a cache. */
int32_t attn__raw_view_usable(const attn_view *view, const struct attn__problem *p, int64_t layer);
int32_t attn__raw_view_usable_rows(const attn_view *view, const struct attn__problem *p,
                                   int64_t index, int64_t nq);
/* ATTN_ERR_SHAPE, with what the view has and the plan was made for. */
int32_t attn__view_differs(const char *what, int64_t found, int64_t plan);

#endif /* ATTN_STATE_CACHE_VIEW_H */
