/* SPDX-License-Identifier: MIT */
/*
 * Scores of stored tokens and what is kept by them, against NumPy models of
 * the mechanisms; that forks, cuts and saved sequences take scores along; and
 * what is refused. Policies (cache_policy.c) are checked here too.
 * usage: test_cache_scores FILE, made by make_cache_scores.py
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../unit/count_mem.h"
#include "check_that.h"

enum { MOST = 64 };

static int32_t try_make(const attn_allocator *memory, const char *text, attn_cache **cache)
{
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    CHECK(attn_ctx_create(memory, &ctx) == ATTN_OK);
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    int32_t status = attn_cache_create(ctx, desc, cache);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    return status;
}

static attn_cache *make(const char *text)
{
    attn_cache *cache = NULL;
    CHECK(try_make(NULL, text, &cache) == ATTN_OK);
    if (!cache)
        exit(EXIT_FAILURE);
    return cache;
}

static int64_t start(attn_cache *cache)
{
    int64_t seq = 0;
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    return seq;
}

/* Rows of one channel and KV head, all zeros. */
static void append(attn_cache *cache, int64_t seq, int64_t n)
{
    static float data[MOST];
    attn_step *step = NULL;
    attn_tensor t;
    const int64_t shape[4] = {1, 1, n, 1};
    attn_tensor_init(&t, data, ATTN_DTYPE_F32, 4, shape);
    CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
    CHECK(attn_step_write(step, 0, &t, &t) == ATTN_OK);
    CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);
}

static int32_t see(attn_cache *cache, int64_t seq, float *p, int64_t heads, int64_t rows,
                   int64_t n)
{
    attn_tensor t;
    const int64_t shape[4] = {1, heads, rows, n};
    attn_tensor_init(&t, p, ATTN_DTYPE_F32, 4, shape);
    return attn_cache_observe(cache, seq, 0, 0, &t);
}

static void check_positions(const attn_cache *cache, int64_t seq, const int64_t *want, size_t n)
{
    int64_t pos[MOST];
    size_t found = 0;
    CHECK(attn_cache_positions(cache, seq, 0, 0, pos, MOST, &found) == ATTN_OK);
    CHECK(found == n);
    for (size_t i = 0; i < n && i < found; i++)
        if (pos[i] != want[i]) {
            fprintf(stderr, "error: cell %zu is at %" PRId64 ", expected %" PRId64 "\n", i, pos[i],
                    want[i]);
            failures++;
            return;
        }
}

static void check_gold(const char *path)
{
    static float p[8 * MOST * MOST];
    FILE *file = fopen(path, "r");
    attn_cache *cache = NULL;
    char word[16], policy[32], text[256];
    int64_t seq = 0, a, b, c, n_keep = 0, list[2 * MOST];
    if (!file) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    while (fscanf(file, "%15s", word) == 1) {
        bool good = true;
        if (strcmp(word, "new") == 0) {
            good = fscanf(file, "%31s %" SCNd64, policy, &a) == 2;
            int at = snprintf(text, sizeof text, "cache h=1 d=1 cache_layers=1 cache_page=8 "
                                                 "cache_pages=20 policy=%s", policy);
            if (a > 0)
                snprintf(text + at, sizeof text - (size_t)at, " cache_score_rows=%" PRId64, a);
            attn_cache_destroy(cache);
            cache = make(text);
            seq = start(cache);
        } else if (strcmp(word, "add") == 0) {
            good = fscanf(file, "%" SCNd64, &a) == 1;
            append(cache, seq, a);
        } else if (strcmp(word, "see") == 0) {
            good = fscanf(file, "%" SCNd64 " %" SCNd64 " %" SCNd64, &a, &b, &c) == 3;
            for (int64_t i = 0; i < a * b * c && good; i++)
                good = fscanf(file, "%f", &p[i]) == 1;
            CHECK(see(cache, seq, p, a, b, c) == ATTN_OK);
        } else if (strcmp(word, "prune") == 0) {
            int32_t rules[8];
            int64_t values[8];
            good = fscanf(file, "%" SCNd64, &a) == 1 && a <= 8;
            for (int64_t i = 0; i < a && good; i++)
                good = fscanf(file, "%" SCNd32 " %" SCNd64, &rules[i], &values[i]) == 2;
            CHECK(attn_cache_prune_scores(cache, seq, 0, 0, rules, values, (size_t)a) == ATTN_OK);
            CHECK(attn_cache_check(cache) == ATTN_OK);
        } else {
            good = strcmp(word, "keep") == 0 && fscanf(file, "%" SCNd64, &a) == 1 && a <= MOST;
            for (int64_t i = 0; i < a && good; i++)
                good = fscanf(file, "%" SCNd64, &list[i]) == 1;
            check_positions(cache, seq, list, (size_t)a);
            n_keep++;
        }
        CHECK(good);
        if (!good)
            break;
    }
    CHECK(n_keep > 25);
    attn_cache_destroy(cache);
    fclose(file);
}

static void check_scores(const attn_cache *cache, int64_t seq, const float *want, size_t n)
{
    float scores[MOST];
    size_t found = 0;
    CHECK(attn_cache_scores(cache, seq, 0, 0, scores, MOST, &found) == ATTN_OK);
    CHECK(found == n && memcmp(scores, want, n * sizeof *want) == 0);
}

/* Modes by hand, and scores that go with their tokens. */
static void check_modes(void)
{
    /* two heads, three rows, four tokens */
    float p[24] = {1, 0, 0, 0, .5f, .5f, 0, 0, .25f, .25f, .5f, 0,
                   0, 1, 0, 0, 0,   .5f, 0, .5f, .125f, 0, .125f, .75f};
    static const struct {
        const char *mode;
        float want[4], twice[4];
    } cases[] = {{"cache_scores=[1]", {1.875f, 2.25f, .625f, 1.25f}, {3.75f, 4.5f, 1.25f, 2.5f}},
                 {"cache_scores=[2]", {.375f, .25f, .625f, .75f}, {.375f, .25f, .625f, .75f}},
                 {"cache_scores=[3]", {3, 2, 5, 4}, {6, 4, 10, 8}},
                 {"cache_scores=[5]", {.25f, .25f, .5f, .75f}, {.25f, .25f, .5f, .75f}},
                 {"cache_scores=[4] cache_score_rows=2",
                  {.875f, 1.25f, .625f, 1.25f},
                  {.875f, 1.25f, .625f, 1.25f}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static char saved[4096];
        char text[256];
        int64_t made, fork;
        size_t bytes = 0;
        snprintf(text, sizeof text, "cache h=1 d=1 cache_layers=1 cache_page=8 cache_pages=20 %s",
                 cases[i].mode);
        attn_cache *cache = make(text);
        int64_t seq = start(cache);
        append(cache, seq, 4);
        CHECK(see(cache, seq, p, 2, 3, 4) == ATTN_OK);
        check_scores(cache, seq, cases[i].want, 4);
        CHECK(attn_cache_fork(cache, seq, 3, 0, &fork) == ATTN_OK);
        check_scores(cache, fork, cases[i].want, 3);
        CHECK(see(cache, seq, p, 2, 3, 4) == ATTN_OK);
        check_scores(cache, seq, cases[i].twice, 4);
        check_scores(cache, fork, cases[i].want, 3);
        /* a new token begins with 0, and copies of pages keep the rest */
        append(cache, fork, 1);
        const float more[4] = {cases[i].want[0], cases[i].want[1], cases[i].want[2], 0};
        check_scores(cache, fork, more, 4);
        CHECK(attn_cache_save(cache, fork, saved, sizeof saved, &bytes) == ATTN_OK);
        CHECK(attn_cache_load(cache, saved, bytes, &made) == ATTN_OK);
        check_scores(cache, made, more, 4);
        CHECK(attn_cache_remove(cache, made, 1, 2) == ATTN_OK);
        const float fewer[3] = {more[0], more[2], more[3]};
        check_scores(cache, made, fewer, 3);
        /* another mode is another kind of cache */
        snprintf(text, sizeof text, "cache h=1 d=1 cache_layers=1 cache_page=8 cache_pages=20%s",
                 i == 0 ? "" : " cache_scores=[1]");
        attn_cache *other = make(text);
        CHECK(attn_cache_load(other, saved, bytes, &made) == ATTN_ERR_MISMATCH);
        attn_cache_destroy(other);
        attn_cache_destroy(cache);
    }
}

static void check_refusals(void)
{
    static const struct {
        int32_t rules[3];
        int64_t values[3];
        size_t n;
    } bad[] = {{{0}, {0}, 0},       {{2}, {1}, 1},          {{1, 1}, {1, 1}, 2},
               {{1}, {-1}, 1},      {{1, 4}, {1, 2}, 2},    {{1, 4, 5}, {1, 3, 3}, 3},
               {{1, 4}, {1, 0}, 2}, {{1, 9}, {1, 1}, 2},    {{1, 0}, {1, 1}, 2}};
    float p[64] = {0};
    size_t n;
    attn_tensor t;
    attn_cache *cache = make("cache h=2 d=1 cache_layers=2 cache_owner=[0,0] cache_page=8 "
                             "cache_pages=20 cache_group=[0,1] cache_window=[inf,4] "
                             "cache_scores=[1,0]");
    int64_t seq = start(cache), tokens = 3;
    attn_step *step = NULL;
    const int64_t shape[4] = {1, 2, 3, 1}, weights[4] = {1, 1, 1, 3};
    attn_tensor_init(&t, p, ATTN_DTYPE_F32, 4, shape);
    CHECK(attn_step_begin(cache, 1, &seq, &tokens, NULL, &step) == ATTN_OK);
    CHECK(see(cache, seq, p, 1, 1, 3) == ATTN_ERR_BUSY);
    CHECK(attn_step_write(step, 0, &t, &t) == ATTN_OK);
    CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);
    CHECK(see(cache, 0, p, 1, 1, 3) == ATTN_ERR_BAD_ID);
    CHECK(see(cache, seq, p, 1, 1, 2) == ATTN_ERR_SHAPE);
    CHECK(see(cache, seq, p, 0, 1, 3) == ATTN_ERR_SHAPE);
    CHECK(see(cache, seq, p, 1, 0, 3) == ATTN_OK);
    attn_tensor_init(&t, p, ATTN_DTYPE_I32, 4, weights);
    CHECK(attn_cache_observe(cache, seq, 0, 0, &t) == ATTN_ERR_DTYPE);
    attn_tensor_init(&t, p, ATTN_DTYPE_F32, 4, weights);
    CHECK(attn_cache_observe(cache, seq, 0, 1, &t) == ATTN_ERR_UNSUPPORTED);
    CHECK(attn_cache_observe(cache, seq, 1, 0, &t) == ATTN_ERR_INVALID);
    CHECK(attn_cache_observe(cache, seq, 2, 0, &t) == ATTN_ERR_INVALID);
    CHECK(attn_cache_observe(cache, seq, 0, 2, &t) == ATTN_ERR_INVALID);
    CHECK(attn_cache_observe(cache, seq, 0, 0, NULL) == ATTN_ERR_NULL);
    CHECK(attn_cache_scores(cache, seq, 0, 0, NULL, 3, &n) == ATTN_ERR_NULL);
    CHECK(attn_cache_scores(cache, seq, 0, 1, NULL, 0, &n) == ATTN_ERR_UNSUPPORTED);
    CHECK(attn_cache_prune_scores(cache, seq, 0, 0, NULL, NULL, 1) == ATTN_ERR_NULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(attn_cache_prune_scores(cache, seq, 0, 0, bad[i].rules, bad[i].values, bad[i].n) ==
              ATTN_ERR_INVALID);
    const int32_t top[1] = {ATTN_CACHE_PRUNE_TOP};
    const int64_t one[1] = {1};
    CHECK(attn_cache_prune_scores(cache, seq, 0, 1, top, one, 1) == ATTN_ERR_UNSUPPORTED);
    /* what NaN scored is the first to go */
    p[1] = NAN;
    p[2] = -1;
    CHECK(see(cache, seq, p, 1, 1, 3) == ATTN_OK);
    const int64_t two[1] = {2}, kept[2] = {0, 2};
    CHECK(attn_cache_prune_scores(cache, seq, 0, 0, top, two, 1) == ATTN_OK);
    check_positions(cache, seq, kept, 2);
    attn_cache_destroy(cache);

    /* no memory: as it was */
    struct count_mem memory = {0};
    const attn_allocator hook = count_mem_hook(&memory);
    const int64_t all[3] = {0, 1, 2};
    CHECK(try_make(&hook, "cache h=1 d=1 cache_layers=1 cache_page=8 cache_pages=4 policy=h2o",
                   &cache) == ATTN_OK);
    seq = start(cache);
    append(cache, seq, 3);
    memory.fail_from = memory.calls + 1;
    CHECK(attn_cache_prune_scores(cache, seq, 0, 0, top, one, 1) == ATTN_ERR_NOMEM);
    check_positions(cache, seq, all, 3);
    memory.fail_from = 0;
    CHECK(attn_cache_prune_scores(cache, seq, 0, 0, top, one, 1) == ATTN_OK);
    check_positions(cache, seq, all, 1);
    attn_cache_destroy(cache);
}

/* ---- policies */

static void check_policies(void)
{
    static const struct {
        const char *more;
        int32_t status;
    } cases[] = {
        {"policy=duo_attention cache_window=[inf,9] cache_group=[0,1]", ATTN_OK},
        {"policy=duo_attention", ATTN_ERR_UNSET},
        {"policy=duo_attention cache_window=[9] cache_fold=[1]", ATTN_ERR_INVALID},
        {"policy=duo_attention cache_window=[9] cache_keys=raw", ATTN_ERR_INVALID},
        {"policy=razor_attention cache_window=[9]", ATTN_OK},
        {"policy=razor_attention cache_window=[9] cache_slack=[2]", ATTN_ERR_INVALID},
        {"policy=razor_attention", ATTN_ERR_UNSET},
        {"policy=streaming_llm", ATTN_OK},
        {"policy=streaming_llm cache_keys=rotated", ATTN_ERR_INVALID},
        {"policy=streaming_llm rope=half", ATTN_ERR_INVALID},
        {"policy=moa_cache cache_window=[9,5] cache_group=[0,1]", ATTN_OK},
        {"policy=moa_cache", ATTN_ERR_UNSET},
        {"policy=h2o", ATTN_OK},
        {"policy=h2o cache_window=[9]", ATTN_ERR_INVALID},
        {"policy=h2o cache_scores=[2]", ATTN_ERR_INVALID},
        {"policy=h2o cache_scores=[1]", ATTN_OK},
        {"policy=h2o cache_score_rows=5", ATTN_ERR_INVALID},
        {"policy=snapkv", ATTN_OK},
        {"policy=snapkv cache_score_rows=16", ATTN_OK},
        {"policy=task_kv", ATTN_OK},
        {"policy=tova", ATTN_OK},
        {"policy=tova cache_group=[0,1]", ATTN_ERR_INVALID},
        {"policy=scissorhands", ATTN_OK},
        {"policy=scissorhands cache_scores=[1]", ATTN_ERR_INVALID},
        {"policy=none", ATTN_OK},
        {"cache_scores=[4]", ATTN_ERR_UNSET},
        {"cache_scores=[1] cache_score_rows=3", ATTN_ERR_INVALID},
        {"cache_scores=[1] cache_window=[9]", ATTN_ERR_INVALID},
        {"cache_scores=[1] cache_window=[9,inf]", ATTN_OK},
        {"cache_scores=[1,0] cache_window=[inf,9] cache_group=[0,1]", ATTN_OK},
        {"cache_scores=[1,1] cache_window=[inf,9] cache_group=[0,1]", ATTN_ERR_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        attn_cache *cache = NULL;
        snprintf(text, sizeof text, "cache h=2 d=8 cache_layers=2 cache_pages=2 %s",
                 cases[i].more);
        int32_t status = try_make(NULL, text, &cache);
        if (status != cases[i].status)
            fprintf(stderr, "%s: %s\n", text, attn_status_name(status));
        CHECK(status == cases[i].status);
        attn_cache_destroy(cache);
    }
}

/* The tokens that windows leave, as the rules of the mechanisms say them. */
static void check_windows(void)
{
    static const struct {
        const char *more;
        int64_t sink, window;
    } cases[] = {{"policy=duo_attention cache_window=[9] cache_sink=[3]", 3, 9},
                 {"policy=razor_attention cache_window=[7]", 4, 7},
                 {"policy=streaming_llm cache_window=[6]", 4, 6},
                 {"policy=moa_cache cache_window=[5] cache_sink=[8]", 8, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        int64_t want[MOST], n = 0, length = 40;
        snprintf(text, sizeof text, "cache h=1 d=1 cache_layers=1 cache_page=8 cache_pages=9 %s",
                 cases[i].more);
        attn_cache *cache = make(text);
        int64_t seq = start(cache);
        for (int64_t t = 0; t < length; t++)
            append(cache, seq, 1);
        /* the last query stays answerable: its own window is there */
        for (int64_t t = 0; t < length; t++)
            if (t < cases[i].sink || length - 1 - t < cases[i].window)
                want[n++] = t;
        check_positions(cache, seq, want, (size_t)n);
        if (strstr(cases[i].more, "razor")) {
            float k, v;
            int64_t folded = 0;
            attn_tensor tk, tv;
            const int64_t shape[4] = {1, 1, 1, 1};
            attn_tensor_init(&tk, &k, ATTN_DTYPE_F32, 4, shape);
            attn_tensor_init(&tv, &v, ATTN_DTYPE_F32, 4, shape);
            CHECK(attn_cache_read_fold(cache, seq, 0, 0, &folded, &tk, &tv) == ATTN_OK);
            CHECK(folded == length - n);
        }
        attn_cache_destroy(cache);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        check_gold(argv[1]);
    check_modes();
    check_refusals();
    check_policies();
    check_windows();
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
