/* SPDX-License-Identifier: MIT */
/*
 * Saved sequences: what was loaded is what was saved, also in pages of another
 * size; and bytes that are cut, flipped, or changed by somebody who knows how
 * to make the checksums fit. None of those may crash, and what is refused
 * leaves the cache as it was.
 * usage: test_cache_save [--count N]
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"
#include "../unit/count_mem.h"
#include "base/crc32.h"
#include "check_that.h"

#define COMMON "cache cache_layers=2 cache_owner=[0,0] h=3 d=2/3 cache_group=[0,1,1] "            \
               "cache_window=[inf,5] cache_sink=[0,2] cache_fold=[0,1] cache_k_dtype=[1,3] "      \
               "cache_v_dtype=[4,1] "

enum { GROUPS = 2, MOST = 64, FRONT = 16, MIDDLE = 16 };

static attn_cache *make_in(const attn_allocator *memory, const char *more)
{
    char text[512];
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    attn_cache *cache = NULL;
    snprintf(text, sizeof text, "%s%s", COMMON, more);
    CHECK(attn_ctx_create(memory, &ctx) == ATTN_OK);
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    CHECK(attn_cache_create(ctx, desc, &cache) == ATTN_OK);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    if (!cache)
        exit(EXIT_FAILURE);
    return cache;
}

static attn_cache *make(const char *more)
{
    return make_in(NULL, more);
}

static void append(attn_cache *cache, int64_t seq, int64_t n)
{
    static float data[MOST * 9];
    const int64_t sk[4] = {1, 3, n, 2}, sv[4] = {1, 3, n, 3};
    attn_step *step = NULL;
    attn_tensor k, v;
    for (int i = 0; i < MOST * 9; i++)
        data[i] = (float)((i * 37 + (int)n * 11) % 101) / 8;
    attn_tensor_init(&k, data, ATTN_DTYPE_F32, 4, sk);
    attn_tensor_init(&v, data + 5, ATTN_DTYPE_F32, 4, sv);
    CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
    CHECK(attn_step_write(step, 0, &k, &v) == ATTN_OK);
    CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);
}

/* A sequence with a bit of everything: dropped, folded, pruned, a hole. */
static int64_t build(attn_cache *cache)
{
    int64_t seq = 0, pos[MOST], kept = 0;
    size_t n = 0;
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    append(cache, seq, 17);
    append(cache, seq, 9);
    CHECK(attn_cache_positions(cache, seq, 0, 0, pos, MOST, &n) == ATTN_OK);
    for (size_t i = 0; i < n; i++)
        if (i % 3 != 1)
            pos[kept++] = pos[i];
    CHECK(attn_cache_prune(cache, seq, 0, 0, pos, (size_t)kept) == ATTN_OK);
    append(cache, seq, 4);
    return seq;
}

/* Everything that can be read of a sequence. */
struct content {
    int64_t figures[4];
    size_t n[GROUPS];
    int64_t pos[GROUPS][MOST];
    float k[GROUPS][MOST * 4], v[GROUPS][MOST * 6];
    int64_t folded;
    double fold_k[4], fold_v[6];
};

static void read_content(const attn_cache *cache, int64_t seq, struct content *c)
{
    attn_tensor k, v;
    memset(c, 0, sizeof *c);
    for (int i = 0; i < 4; i++)
        CHECK(attn_cache_seq_get_i64(cache, seq, ATTN_CACHE_SEQ_NEXT + i, &c->figures[i]) ==
              ATTN_OK);
    for (int g = 0; g < GROUPS; g++) {
        CHECK(attn_cache_positions(cache, seq, 1, g, c->pos[g], MOST, &c->n[g]) == ATTN_OK);
        const int64_t sk[4] = {1, 1 + g, (int64_t)c->n[g], 2}, sv[4] = {1, 1 + g, sk[2], 3};
        attn_tensor_init(&k, c->k[g], ATTN_DTYPE_F32, 4, sk);
        attn_tensor_init(&v, c->v[g], ATTN_DTYPE_F32, 4, sv);
        CHECK(attn_cache_read(cache, seq, 1, g, &k, &v) == ATTN_OK);
    }
    const int64_t sk[4] = {1, 2, 1, 2}, sv[4] = {1, 2, 1, 3};
    attn_tensor_init(&k, c->fold_k, ATTN_DTYPE_F64, 4, sk);
    attn_tensor_init(&v, c->fold_v, ATTN_DTYPE_F64, 4, sv);
    CHECK(attn_cache_read_fold(cache, seq, 0, 1, &c->folded, &k, &v) == ATTN_OK);
}

static char *save(const attn_cache *cache, int64_t seq, size_t *bytes)
{
    size_t again = 0;
    CHECK(attn_cache_save(cache, seq, NULL, 0, bytes) == ATTN_OK);
    char *buf = malloc(*bytes + 1);
    if (!buf)
        exit(EXIT_FAILURE);
    buf[*bytes] = 0x5A;
    CHECK(attn_cache_save(cache, seq, buf, *bytes - 1, NULL) == ATTN_ERR_INVALID);
    CHECK(attn_cache_save(cache, seq, buf, *bytes, &again) == ATTN_OK);
    CHECK(again == *bytes && buf[*bytes] == 0x5A);
    return buf;
}

static void there_and_back(void)
{
    static const char *const others[] = {"cache_page=8 cache_pages=20",
                                         "cache_page=64 cache_pages=2",
                                         "cache_page=16 cache_pages=12 cache_sequences=1"};
    static struct content want, got;
    attn_cache *cache = make("cache_page=8 cache_pages=20");
    int64_t seq = build(cache), made = 0;
    size_t bytes;
    char *buf = save(cache, seq, &bytes);
    read_content(cache, seq, &want);
    CHECK(want.folded > 0);
    for (int i = 0; i < 3; i++) {
        attn_cache *other = make(others[i]);
        CHECK(attn_cache_load(other, buf, bytes, &made) == ATTN_OK);
        read_content(other, made, &got);
        CHECK(memcmp(&want, &got, sizeof want) == 0);
        CHECK(attn_cache_check(other) == ATTN_OK);
        /* it goes on as it would have */
        CHECK(attn_cache_truncate(other, made, 5, 0) == ATTN_ERR_UNAVAILABLE);
        append(other, made, 3);
        /* the same bytes again */
        size_t more;
        char *copy;
        if (i < 2) {
            CHECK(attn_cache_load(other, buf, bytes, &made) ==
                  (i == 0 ? ATTN_OK : ATTN_ERR_FULL));
        } else {
            CHECK(attn_cache_load(other, buf, bytes, &made) == ATTN_ERR_FULL);
        }
        if (i == 0) {
            copy = save(other, made, &more);
            CHECK(more == bytes && memcmp(copy, buf, bytes) == 0);
            free(copy);
        }
        attn_cache_destroy(other);
    }
    free(buf);
    attn_cache_destroy(cache);
}

static void other_descriptors(void)
{
    static const char *const good = "cache_page=8 cache_pages=20";
    static const char *const bad[] = {"cache_keys=raw", "rope=half rope_dim=2",
                                      "cache_slack=[2,0]"};
    attn_cache *cache = make(good), *other;
    size_t bytes;
    int64_t made = 77, seq = build(cache);
    char *buf = save(cache, seq, &bytes), text[128];
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "%s %s", good, bad[i]);
        other = make(text);
        CHECK(attn_cache_load(other, buf, bytes, &made) == ATTN_ERR_MISMATCH && made == 77);
        attn_cache_destroy(other);
    }
    other = make("cache_page=8 cache_pages=20 cache_max_position=20");
    CHECK(attn_cache_load(other, buf, bytes, &made) == ATTN_ERR_LIMIT && made == 77);
    attn_cache_destroy(other);
    CHECK(attn_cache_save(cache, 0, NULL, 0, &bytes) == ATTN_ERR_BAD_ID);
    attn_step *step;
    int64_t n = 1;
    CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
    CHECK(attn_cache_save(cache, seq, NULL, 0, &bytes) == ATTN_ERR_BUSY);
    attn_step_destroy(step);
    CHECK(attn_cache_save(cache, seq, NULL, 8, &bytes) == ATTN_ERR_NULL);
    CHECK(attn_cache_load(cache, NULL, 8, &made) == ATTN_ERR_NULL);
    CHECK(attn_cache_load(cache, buf, 8, NULL) == ATTN_ERR_NULL);
    CHECK(attn_cache_load(cache, NULL, 0, &made) == ATTN_ERR_FORMAT);
    free(buf);
    attn_cache_destroy(cache);
}

/* Memory ends at the n-th allocation of a load, for every n: nothing is there
 * that was not there, and the next load works. */
static void without_memory(void)
{
    static struct content want, got;
    for (int64_t fail = 1, done = 0; !done; fail++) {
        struct count_mem memory = {0};
        const attn_allocator hook = count_mem_hook(&memory);
        attn_cache *cache = make_in(&hook, "cache_page=8 cache_pages=30");
        int64_t seq = build(cache), used = 0, now = 0, made = 77;
        size_t bytes;
        char *buf = save(cache, seq, &bytes);
        read_content(cache, seq, &want);
        attn_cache_get_i64(cache, ATTN_CACHE_PAGES_USED, &used);
        memory.fail_from = memory.calls + fail;
        int32_t status = attn_cache_load(cache, buf, bytes, &made);
        memory.fail_from = 0;
        if (status == ATTN_OK) {
            done = 1;
            CHECK(fail > 5);
        } else {
            CHECK(status == ATTN_ERR_NOMEM && made == 77);
            attn_cache_get_i64(cache, ATTN_CACHE_PAGES_USED, &now);
            CHECK(now == used && attn_cache_check(cache) == ATTN_OK);
            CHECK(attn_cache_load(cache, buf, bytes, &made) == ATTN_OK);
        }
        read_content(cache, made, &got);
        CHECK(memcmp(&want, &got, sizeof want) == 0);
        free(buf);
        attn_cache_destroy(cache);
        CHECK(memory.blocks == 0 && memory.bytes == 0);
    }
}

static void put_u32(char *at, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(x >> 8 * i);
}

/* Checksums that fit the bytes, wherever the head says the parts are. */
static void mend(char *buf, size_t bytes, size_t head)
{
    char *tail = buf + FRONT + head;
    put_u32(buf + 12, attn__crc32(0, buf + FRONT, head));
    put_u32(tail + 8, attn__crc32(0, tail + MIDDLE, bytes - FRONT - head - MIDDLE));
    put_u32(tail + 12, attn__crc32(0, buf, FRONT + head + 12));
}

static void damaged(int64_t count)
{
    struct rng rng = {5};
    attn_cache *cache = make("cache_page=8 cache_pages=30");
    size_t bytes, head = 0;
    int64_t seq = build(cache), made, used = 0, now = 0, loaded = 0;
    char *buf = save(cache, seq, &bytes), *copy = malloc(bytes + 8);
    if (!copy)
        exit(EXIT_FAILURE);
    for (int i = 0; i < 4; i++)
        head |= (size_t)(unsigned char)buf[8 + i] << 8 * i;
    attn_cache_get_i64(cache, ATTN_CACHE_PAGES_USED, &used);
    for (size_t n = 0; n < bytes; n++) {
        int32_t status = attn_cache_load(cache, buf, n, &made);
        CHECK(status == ATTN_ERR_CORRUPT || (n < 4 && status == ATTN_ERR_FORMAT));
    }
    memcpy(copy, buf, bytes);
    memset(copy + bytes, 0, 8);
    CHECK(attn_cache_load(cache, copy, bytes + 8, &made) == ATTN_ERR_CORRUPT);
    for (size_t n = 0; n < 8 * bytes; n++) {
        copy[n / 8] = (char)(copy[n / 8] ^ 1 << n % 8);
        int32_t status = attn_cache_load(cache, copy, bytes, &made);
        CHECK(status == (n < 64 ? ATTN_ERR_FORMAT : ATTN_ERR_CORRUPT));
        copy[n / 8] = buf[n / 8];
    }
    /* with checksums that fit: refused for what they say, or a good sequence */
    for (int64_t n = 0; n < count; n++) {
        memcpy(copy, buf, bytes);
        size_t cut = rng_percent(&rng, 10) ? (size_t)rng_int(&rng, 0, 40) : 0;
        for (int64_t i = rng_int(&rng, 1, 3); i > 0; i--) {
            /* mostly numbers of the body's beginning and of its lists */
            size_t at = FRONT + (size_t)rng_int(&rng, 0, (int64_t)(bytes - FRONT) - 1);
            if (rng_percent(&rng, 60))
                at = FRONT + head + MIDDLE + (size_t)rng_int(&rng, 0, 80);
            copy[at] = rng_percent(&rng, 30) ? (char)-1 : (char)rng_int(&rng, 0, 255);
        }
        mend(copy, bytes - cut, head);
        char *tail = copy + FRONT + head;
        for (int i = 0; i < 8; i++)
            tail[i] = (char)((bytes - cut - FRONT - head - MIDDLE) >> 8 * i);
        mend(copy, bytes - cut, head);
        int32_t status = attn_cache_load(cache, copy, bytes - cut, &made);
        CHECK(status == ATTN_OK || status == ATTN_ERR_CORRUPT || status == ATTN_ERR_MISMATCH ||
              status == ATTN_ERR_LIMIT);
        if (status == ATTN_OK) {
            CHECK(attn_cache_check(cache) == ATTN_OK);
            CHECK(attn_cache_seq_free(cache, made) == ATTN_OK);
            loaded++;
        }
    }
    attn_cache_get_i64(cache, ATTN_CACHE_PAGES_USED, &now);
    CHECK(now == used);
    CHECK(attn_cache_check(cache) == ATTN_OK);
    printf("%zu bytes, %lld of %lld changed ones were loaded\n", bytes, (long long)loaded,
           (long long)count);
    CHECK(loaded > 0 && loaded < count);
    free(buf);
    free(copy);
    attn_cache_destroy(cache);
}

int main(int argc, char **argv)
{
    int64_t count = 20000;
    if (argc > 2 && strcmp(argv[1], "--count") == 0)
        count = strtoll(argv[2], NULL, 10);
    CHECK(attn__crc32(0, "123456789", 9) == UINT32_C(0xCBF43926));
    there_and_back();
    other_descriptors();
    without_memory();
    damaged(count);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
