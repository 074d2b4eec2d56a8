/* SPDX-License-Identifier: MIT */
/*
 * Bounds of pages (cache_summary=minmax): of steps that are open, of forks that
 * are shorter than the page they share, of keys that are cut, turned and loaded;
 * scores below their bound, as Quest wants it; what is refused. Random
 * histories are in test_cache_random.c.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "cache_exact_bounds.h"
#include "check_that.h"

enum { HEADS = 2, D = 6, PAGE = 8, MOST = 60 };

static attn_ctx *ctx;

static attn_cache *make(const char *more)
{
    char text[256];
    attn_desc *desc = NULL;
    attn_cache *cache = NULL;
    snprintf(text, sizeof text, "cache h=%d d=%d cache_layers=1 cache_page=%d cache_pages=64%s",
             HEADS, D, PAGE, more);
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    CHECK(attn_cache_create(ctx, desc, &cache) == ATTN_OK);
    attn_desc_destroy(desc);
    if (!cache)
        exit(EXIT_FAILURE);
    return cache;
}

static attn_tensor dense(float *data, int64_t n)
{
    attn_tensor t;
    const int64_t shape[4] = {1, HEADS, n, D};
    CHECK(attn_tensor_init(&t, data, ATTN_DTYPE_F32, 4, shape) == ATTN_OK);
    return t;
}

/* The largest numbers come last, so that cutting changes bounds. */
static attn_step *open_step(attn_cache *cache, int64_t seq, int64_t n)
{
    static float x[HEADS * MOST * D];
    static int serial;
    attn_step *step = NULL;
    attn_tensor t = dense(x, n);
    for (int64_t i = 0; i < HEADS * n * D; i++, serial++)
        x[i] = (float)sin((double)(i * 7 + serial)) * (float)(1 + serial / 64);
    CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
    CHECK(attn_step_write(step, 0, &t, &t) == ATTN_OK);
    return step;
}

static void append(attn_cache *cache, int64_t seq, int64_t n)
{
    attn_step *step = open_step(cache, seq, n);
    CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);
}

/* Are they exact, and so many pages? */
static bool exact(const attn_cache *cache, int64_t seq, size_t pages)
{
    static float k[HEADS * MOST * D], v[HEADS * MOST * D];
    size_t n = 0, found = 0;
    CHECK(attn_cache_positions(cache, seq, 0, 0, NULL, 0, &n) == ATTN_OK);
    attn_tensor tk = dense(k, (int64_t)n), tv = dense(v, (int64_t)n);
    CHECK(attn_cache_read(cache, seq, 0, 0, &tk, &tv) == ATTN_OK);
    CHECK(attn_cache_page_bounds(cache, seq, 0, 0, NULL, NULL, NULL, 0, &found) == ATTN_OK);
    CHECK(attn_cache_check(cache) == ATTN_OK);
    return found == pages && cache_exact_bounds(cache, seq, 0, 0, &tk);
}

static void check_history(void)
{
    static char saved[1 << 16];
    int64_t seq, fork, loaded;
    size_t bytes = 0;
    attn_cache *cache = make(" cache_summary=minmax rope=half");
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    CHECK(exact(cache, seq, 0));
    append(cache, seq, 21);
    CHECK(exact(cache, seq, 3));
    attn_step *step = open_step(cache, seq, 5);
    CHECK(exact(cache, seq, 4));
    CHECK(attn_step_abort(step) == ATTN_OK);
    attn_step_destroy(step);
    CHECK(exact(cache, seq, 3));

    /* in a page that both have, both with what they see of it */
    CHECK(attn_cache_fork(cache, seq, 18, 0, &fork) == ATTN_OK);
    CHECK(exact(cache, fork, 3) && exact(cache, seq, 3));
    append(cache, fork, 9);
    append(cache, seq, 1);
    CHECK(exact(cache, fork, 4) && exact(cache, seq, 3));
    CHECK(attn_cache_truncate(cache, seq, 10, 0) == ATTN_OK);
    CHECK(exact(cache, seq, 2) && exact(cache, fork, 4));
    CHECK(attn_cache_remove(cache, fork, 3, 6) == ATTN_OK);
    CHECK(exact(cache, fork, 4));
    CHECK(attn_cache_shift(cache, fork, 12, 3) == ATTN_OK);
    CHECK(exact(cache, fork, 4) && exact(cache, seq, 2));
    CHECK(attn_cache_save(cache, fork, saved, sizeof saved, &bytes) == ATTN_OK);
    CHECK(attn_cache_load(cache, saved, bytes, &loaded) == ATTN_OK);
    CHECK(exact(cache, loaded, 3));
    attn_cache_destroy(cache);

    /* a ring of pages */
    cache = make(" cache_summary=minmax cache_window=[11] cache_sink=[2]");
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    for (int n = 0; n < 40; n++) {
        append(cache, seq, 1);
        CHECK(exact(cache, seq, n < 8 ? 1 : 2));
    }
    attn_cache_destroy(cache);
}

/* No key of a page scores more than its bound. */
static void check_scores(void)
{
    static float k[HEADS * MOST * D], v[HEADS * MOST * D];
    float low[HEADS * MOST * D], high[HEADS * MOST * D], q[D];
    int64_t seq, page_of[MOST];
    size_t pages = 0;
    attn_cache *cache = make(" cache_summary=minmax kv_dtype=f16");
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    append(cache, seq, MOST);
    attn_tensor tk = dense(k, MOST), tv = dense(v, MOST);
    attn_tensor tl = dense(low, (MOST + PAGE - 1) / PAGE), th = tl;
    th.data = high;
    CHECK(attn_cache_read(cache, seq, 0, 0, &tk, &tv) == ATTN_OK);
    CHECK(attn_cache_page_bounds(cache, seq, 0, 0, &tl, &th, page_of, MOST, &pages) == ATTN_OK);
    for (int c = 0; c < D; c++)
        q[c] = (float)cos(c * 3.0);
    for (int64_t i = 0; i < HEADS * MOST; i++) {
        double bound = 0, score = 0;
        int64_t at = (i / MOST * (int64_t)pages + page_of[i % MOST]) * D;
        CHECK(page_of[i % MOST] == i % MOST / PAGE);
        for (int64_t c = 0; c < D; c++) {
            score += (double)q[c] * (double)k[i * D + c];
            bound += fmax((double)q[c] * (double)low[at + c], (double)q[c] * (double)high[at + c]);
        }
        CHECK(score <= bound + 1e-12);
    }
    attn_cache_destroy(cache);
}

static void check_refused(void)
{
    float x[HEADS * 3 * D];
    int64_t seq, page_of[4];
    size_t n;
    attn_tensor t = dense(x, 3);
    attn_cache *cache = make("");
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    CHECK(attn_cache_page_bounds(cache, seq, 0, 0, NULL, NULL, NULL, 0, &n) ==
          ATTN_ERR_UNSUPPORTED);
    attn_cache_destroy(cache);
    cache = make(" cache_summary=minmax");
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    append(cache, seq, 9);
    CHECK(attn_cache_page_bounds(NULL, seq, 0, 0, NULL, NULL, NULL, 0, &n) == ATTN_ERR_NULL);
    CHECK(attn_cache_page_bounds(cache, seq, 0, 0, NULL, NULL, NULL, 0, NULL) == ATTN_ERR_NULL);
    CHECK(attn_cache_page_bounds(cache, seq, 0, 0, &t, NULL, NULL, 0, &n) == ATTN_ERR_NULL);
    CHECK(attn_cache_page_bounds(cache, seq, 0, 0, NULL, &t, NULL, 0, &n) == ATTN_ERR_NULL);
    CHECK(attn_cache_page_bounds(cache, seq, 0, 0, NULL, NULL, NULL, 1, &n) == ATTN_ERR_NULL);
    CHECK(attn_cache_page_bounds(cache, seq + 99, 0, 0, NULL, NULL, NULL, 0, &n) ==
          ATTN_ERR_BAD_ID);
    CHECK(attn_cache_page_bounds(cache, seq, 1, 0, NULL, NULL, NULL, 0, &n) == ATTN_ERR_INVALID);
    CHECK(attn_cache_page_bounds(cache, seq, 0, 1, NULL, NULL, NULL, 0, &n) == ATTN_ERR_INVALID);
    CHECK(attn_cache_page_bounds(cache, seq, 0, 0, &t, &t, page_of, 4, &n) == ATTN_ERR_SHAPE);
    t.shape[2] = 2;
    t.stride[2] = 0;
    CHECK(attn_cache_page_bounds(cache, seq, 0, 0, &t, &t, page_of, 4, &n) == ATTN_ERR_STRIDE);
    attn_cache_destroy(cache);
}

int main(void)
{
    CHECK(attn_ctx_create(NULL, &ctx) == ATTN_OK);
    check_history();
    check_scores();
    check_refused();
    attn_ctx_destroy(ctx);
    if (failures == 0)
        printf("bounds of pages: fine\n");
    return failures > 0;
}
