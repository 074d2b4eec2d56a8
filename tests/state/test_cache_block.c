/* SPDX-License-Identifier: MIT */
/*
 * Memory of pages (state/cache_block.c): a cache that is large takes blocks of
 * several pages, pages change their kind and their memory comes back, rows stay
 * what they were, also in copies of pages, and without memory for a large block a
 * page is enough.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <attn/attn.h>

#include "../unit/count_mem.h"
#include "check_that.h"

/* A page is 2 MB, of one of two groups of two heads, and a large block 8 pages.
 * Keys are turned in two channels. */
enum { GROUPS = 2, HEADS = 4, D = 128, PAGE = 1024, PAGES = 20, TURNED = 2 };
enum { PAGE_BYTES = 2 * 2 * PAGE * D * 4 };

struct memory {
    struct count_mem count;
    size_t most, refuse; /* the largest block so far; from so many bytes on none */
    int64_t large;       /* blocks of more than a page that are out */
    int64_t back;        /* blocks of pages that came back */
};

static bool of_pages(size_t bytes)
{
    return bytes > PAGE_BYTES + 4096;
}

static void *take(void *user, size_t bytes, size_t align)
{
    struct memory *m = user;
    void *p = bytes < m->refuse ? count_mem_alloc(&m->count, bytes, align) : NULL;
    if (p && bytes > m->most)
        m->most = bytes;
    m->large += p && of_pages(bytes);
    return p;
}

static void give(void *user, void *p, size_t bytes)
{
    struct memory *m = user;
    m->large -= of_pages(bytes);
    m->back += bytes >= PAGE_BYTES;
    count_mem_free(&m->count, p, bytes);
}

static attn_tensor tensor(float *at, int64_t heads, int64_t n)
{
    attn_tensor t;
    const int64_t shape[4] = {1, heads, n, D};
    CHECK(attn_tensor_init(&t, at, ATTN_DTYPE_F32, 4, shape) == ATTN_OK);
    return t;
}

/* Of a key; its value has the negative one. */
static float number_of(int64_t head, int64_t pos)
{
    return (float)(head * 100000 + pos + 1);
}

/* A page of tokens, whose numbers tell the head and the position. */
static int32_t append(attn_cache *cache, int64_t seq, int64_t from)
{
    static float rows[2][HEADS * PAGE * D];
    const int64_t n = PAGE;
    attn_step *step = NULL;
    attn_tensor k = tensor(rows[0], HEADS, n), v = tensor(rows[1], HEADS, n);
    for (int64_t i = 0; i < HEADS * n * D; i++) {
        rows[0][i] = number_of(i / (n * D), from + i / D % n);
        rows[1][i] = -rows[0][i];
    }
    int32_t status = attn_step_begin(cache, 1, &seq, &n, NULL, &step);
    if (status == ATTN_OK)
        status = attn_step_write(step, 0, &k, &v);
    if (status == ATTN_OK)
        status = attn_step_commit(step, NULL, NULL);
    attn_step_destroy(step);
    return status;
}

/* Numbers at both ends of every row, turned ones aside, of tokens that have been
 * shifted. */
static void check_rows(const attn_cache *cache, int64_t seq, int64_t shift)
{
    static int64_t pos[PAGES * PAGE];
    static float all[2][PAGES * PAGE * D];
    for (int64_t g = 0; g < GROUPS; g++) {
        const int64_t heads = HEADS / GROUPS;
        size_t n = 0, wrong = 0;
        CHECK(attn_cache_positions(cache, seq, 0, g, pos, PAGES * PAGE / heads, &n) == ATTN_OK);
        attn_tensor k = tensor(all[0], heads, (int64_t)n), v = tensor(all[1], heads, (int64_t)n);
        CHECK(attn_cache_read(cache, seq, 0, g, &k, &v) == ATTN_OK);
        for (size_t i = 0; i < (size_t)heads * n; i++) {
            float x = number_of(g * heads + (int64_t)(i / n), pos[i % n] - shift);
            const float *key = all[0] + i * D, *value = all[1] + i * D;
            wrong += key[TURNED] != x || key[D - 1] != x || value[0] != -x || value[D - 1] != -x;
        }
        CHECK(wrong == 0);
    }
    CHECK(attn_cache_check(cache) == ATTN_OK);
}

static attn_cache *make(struct memory *m, int64_t pages)
{
    const attn_allocator hook = {sizeof hook, m, take, give};
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    attn_cache *cache = NULL;
    char text[200];
    snprintf(text, sizeof text,
             "cache h=%d d=%d cache_layers=1 cache_page=%d cache_pages=%d cache_group=[0,0,1,1] "
             "rope=half rope_dim=%d",
             HEADS, D, PAGE, (int)pages, TURNED);
    CHECK(attn_ctx_create(&hook, &ctx) == ATTN_OK);
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    CHECK(attn_cache_create(ctx, desc, &cache) == ATTN_OK);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    if (!cache)
        exit(EXIT_FAILURE);
    return cache;
}

/* Page by page at first, then blocks of as many pages as fit, or are left. A fork
 * that is shifted gets copies of all of them. */
static void check_growth(void)
{
    enum { SHIFT = 7 };
    struct memory m = {.refuse = SIZE_MAX};
    attn_cache *cache = make(&m, 2 * PAGES);
    int64_t seq = 0, fork = 0;
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    for (int64_t n = 0; n < 4; n++)
        CHECK(append(cache, seq, n * PAGE) == ATTN_OK);
    CHECK(m.large == 0 && m.most < PAGE_BYTES + 4096);
    CHECK(append(cache, seq, 4 * PAGE) == ATTN_OK);
    CHECK(m.large == 2 && m.most > 8 * (size_t)PAGE_BYTES);
    for (int64_t n = 5; n < 10; n++)
        CHECK(append(cache, seq, n * PAGE) == ATTN_OK);
    check_rows(cache, seq, 0);
    CHECK(attn_cache_fork(cache, seq, -1, 0, &fork) == ATTN_OK);
    CHECK(attn_cache_shift(cache, fork, 0, SHIFT) == ATTN_OK);
    check_rows(cache, seq, 0);
    check_rows(cache, fork, SHIFT);
    attn_cache_destroy(cache);
    CHECK(m.count.blocks == 0 && m.count.bytes == 0 && m.large == 0);
}

/* Two groups that grow and are cut in turns, in pages that are too few for the
 * most that both had. */
static void check_kinds(void)
{
    enum { FEW = 11, ROUNDS = 6 };
    struct memory m = {.refuse = SIZE_MAX};
    attn_cache *cache = make(&m, FEW);
    int64_t seq = 0;
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    for (int64_t r = 0, next = 0; r < ROUNDS; r++) {
        for (int n = 0; n < 3; n++, next += PAGE)
            CHECK(append(cache, seq, next) == ATTN_OK);
        check_rows(cache, seq, 0);
        /* blocks of pages that are not in use may be as large as those that are */
        CHECK(m.count.bytes < 2 * FEW * (int64_t)PAGE_BYTES);
        CHECK(attn_cache_prune(cache, seq, 0, r % 2, &(int64_t){next - 1}, 1) == ATTN_OK);
    }
    CHECK(m.large > 0 && m.back > 0);
    attn_cache_destroy(cache);
    CHECK(m.count.blocks == 0 && m.count.bytes == 0);
}

static void check_no_memory(void)
{
    struct memory m = {.refuse = 2 * (size_t)PAGE_BYTES};
    attn_cache *cache = make(&m, PAGES);
    int64_t seq = 0;
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    for (int64_t n = 0; n < 6; n++)
        CHECK(append(cache, seq, n * PAGE) == ATTN_OK);
    CHECK(m.large == 0);
    m.refuse = PAGE_BYTES;
    CHECK(append(cache, seq, 6 * PAGE) == ATTN_ERR_NOMEM);
    check_rows(cache, seq, 0);
    attn_cache_destroy(cache);
    CHECK(m.count.blocks == 0 && m.count.bytes == 0);
}

int main(void)
{
    check_growth();
    check_kinds();
    check_no_memory();
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
