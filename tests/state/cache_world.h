/* SPDX-License-Identifier: MIT */
/*
 * A cache beside its model, for test_cache_random.c: what they have in common,
 * how they are compared, and executes that read the cache.
 */
#ifndef ATTN_TESTS_CACHE_WORLD_H
#define ATTN_TESTS_CACHE_WORLD_H

#include <stdio.h>

#include "../mech/rng.h"
#include "cache_model.h"

/* memory that runs out */
struct memory {
    int64_t calls, fail_at, live;
    bool for_good;
    int64_t hits;
};

enum { WORLD_VIEWS = 3 };

struct world {
    struct rng *rng;
    struct memory memory;
    struct model m;
    attn_ctx *ctx;
    attn_cache *cache;
    int64_t id[MODEL_SEQS]; /* handles of the model's sequences */
    int64_t stale;          /* of one that is gone */
    attn_step *step[MODEL_STEPS];
    int owner_of[2 * MODEL_ROWS], layers;
    int layer_of[MODEL_ROWS];
    int heads_in[MODEL_GROUPS], dtype[MODEL_GROUPS];
    bool stored[MODEL_GROUPS]; /* as fp8 or in blocks */
    bool prefix;               /* values are the keys themselves */
    bool bounds;               /* those of pages are kept */
    struct world_view *view[WORLD_VIEWS]; /* NULL: none */
    int serial;
    int coded;           /* executes with compute=int8, */
    int ruled, branched; /* and with pieces of the plan besides a rule, a branching step */
    uint64_t hash; /* of all that can be seen */
    char told[256]; /* what plans with a view must know of it */
    char text[1024];
};

/* of fp8 */
#define MODEL_SCALE 0.5f

extern int failures;

#define FAIL(...)                                                                                  \
    do {                                                                                           \
        fprintf(stderr, "error: " __VA_ARGS__);                                                    \
        fputc('\n', stderr);                                                                       \
        failures++;                                                                                \
    } while (0)

/* All that can be seen of the cache against the model; a hash of it. */
uint64_t world_compare(struct world *w);

/* A view of some sequences, told by their places in the model, -1 for handles
 * that are none. */
struct view_args {
    int n, segments;
    bool has_counts, has_ends;
    int64_t counts[MODEL_SEQS], ends[MODEL_SEQS], ids[MODEL_SEQS];
    int seqs[MODEL_SEQS];
};

/* Makes a view in the place of another; the status, and the one expected. */
int32_t world_view_create(struct world *w, int place, const struct view_args *a);
int32_t world_view_expected(const struct world *w, const struct view_args *a);

/* Has one of its sequences changed since? */
bool world_view_is_old(const struct world *w, int place);

/* Executes a layer with random rows; results are compared with the model's. The
 * status, and in *want the one expected. */
int32_t world_execute(struct world *w, int place, int layer, int32_t *want);

void world_view_destroy(struct world *w, int place);

#endif /* ATTN_TESTS_CACHE_WORLD_H */
