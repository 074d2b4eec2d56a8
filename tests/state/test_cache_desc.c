/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of caches, good and bad; pointers that are NULL or lead
 * elsewhere; the order in which objects go; memory that runs out while a
 * cache is made; types, layouts and rows as they come and go.
 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <attn/attn.h>

#include "base/dtype.h"

#include "../unit/count_mem.h"
#include "../unit/unit.h"

#define GOOD "cache cache_layers=2 cache_pages=8 cache_page=8 h=4/2 d=4/6"

static int32_t make(const char *text, attn_cache **cache)
{
    attn_ctx *ctx;
    attn_desc *desc = NULL;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    int32_t status = attn_desc_parse(ctx, text, &desc);
    if (status == ATTN_OK) {
        *cache = (attn_cache *)(void *)desc; /* must become NULL on failure */
        status = attn_cache_create(ctx, desc, cache);
        ck_assert(status == ATTN_OK || !*cache);
    }
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    return status;
}

static void refuses(const char *text, int32_t want, const char *says)
{
    attn_cache *cache;
    char message[512];
    int32_t status = make(text, &cache);
    attn_last_error(message, sizeof message);
    ck_assert_msg(status == want, "%s: %s: %s", text, attn_status_name(status), message);
    ck_assert_msg(strstr(message, says) != NULL, "%s: %s", text, message);
}

START_TEST(descriptors)
{
    attn_cache *cache = NULL;
    ck_assert_int_eq(make(GOOD, &cache), ATTN_OK);
    attn_cache_destroy(cache);
    refuses("softmax h=2 q=1 k=1 d=4", ATTN_ERR_INVALID, "expected one of cache");
    refuses("cache cache_pages=8 h=2 d=4", ATTN_ERR_UNSET, "cache_layers");
    refuses("cache cache_layers=2 h=2 d=4", ATTN_ERR_UNSET, "cache_pages");
    refuses("cache cache_layers=2 cache_pages=8 h=2", ATTN_ERR_UNSET, "d ");
    refuses("cache cache_layers=2 cache_pages=8 d=2", ATTN_ERR_UNSET, "hq");
    refuses(GOOD " causal", ATTN_ERR_INVALID, "causal");
    refuses(GOOD " dtype=f16", ATTN_ERR_INVALID, "dtype");
    refuses(GOOD " q=1", ATTN_ERR_INVALID, "q ");
    refuses(GOOD " act_beta=0.5", ATTN_ERR_INVALID, "act_beta");
    refuses(GOOD " must=band[1,0,0,1]", ATTN_ERR_INVALID, "visibility");
    refuses(GOOD " kv_dtype=f64", ATTN_ERR_UNSUPPORTED, "f64");
    refuses(GOOD " cache_k_dtype=[6]", ATTN_ERR_UNSUPPORTED, "i64");
    refuses(GOOD " cache_k_dtype=[1,1]", ATTN_ERR_INVALID, "cache_k_dtype");
    refuses("cache cache_layers=2 cache_pages=8 h=2 d=4 cache_page=24", ATTN_ERR_INVALID,
            "cache_page");
    refuses(GOOD " cache_owner=[0]", ATTN_ERR_INVALID, "cache_owner");
    refuses(GOOD " cache_owner=[1,1]", ATTN_ERR_INVALID, "cache_owner[0]");
    refuses("cache cache_layers=3 cache_pages=8 h=2 d=4 cache_owner=[0,0,1]", ATTN_ERR_INVALID,
            "cache_owner[2]");
    refuses(GOOD " cache_group=[0]", ATTN_ERR_INVALID, "cache_group");
    refuses(GOOD " cache_group=[1,1]", ATTN_ERR_INVALID, "group 0");
    refuses(GOOD " cache_group=[0,2]", ATTN_ERR_INVALID, "group 2");
    refuses(GOOD " cache_window=[4,4,4]", ATTN_ERR_INVALID, "cache_window");
    refuses(GOOD " cache_window=[0]", ATTN_ERR_INVALID, "cache_window[0]");
    refuses(GOOD " cache_sink=[-1]", ATTN_ERR_INVALID, "cache_sink[0]");
    refuses(GOOD " cache_window=[4] cache_slack=[1] cache_fold=[1]", ATTN_ERR_INVALID,
            "cache_slack");
    refuses(GOOD " cache_keys=raw rope=half", ATTN_ERR_INVALID, "rope");
    refuses(GOOD " rope=half rope_scaling=dynamic_ntk rope_factor=2 rope_original=64",
            ATTN_ERR_UNSUPPORTED, "dynamic_ntk");
    refuses(GOOD " rope=half rope_dim=5", ATTN_ERR_INVALID, "rope_dim");
    refuses(GOOD " rope=half rope_apply=q", ATTN_ERR_INVALID, "rope_apply");
    refuses("cache cache_layers=1 cache_pages=2147483647 cache_page=1024 h=65536 d=65536",
            ATTN_ERR_OVERFLOW, "64 bits");
}
END_TEST

/* What is not of caches knows nothing of them. */
START_TEST(others)
{
    attn_ctx *ctx;
    attn_desc *desc;
    attn_plan *plan;
    char message[512];
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_int_eq(attn_desc_parse(ctx, GOOD, &desc), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_UNSUPPORTED);
    attn_desc_destroy(desc);
    ck_assert_int_eq(attn_desc_parse(ctx, "softmax h=2 q=1 k=1 d=4 cache_page=8", &desc), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_INVALID);
    attn_last_error(message, sizeof message);
    ck_assert_msg(strstr(message, "cache_page is set, which is of cache") != NULL, "%s", message);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(pointers)
{
    attn_cache *cache = NULL;
    attn_step *step = NULL;
    attn_tensor t = {0};
    int64_t seq = 0, n = 1;
    size_t count;
    ck_assert_int_eq(attn_cache_create(NULL, NULL, &cache), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_create(NULL, NULL, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_seq_create(NULL, &seq), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_step_begin(NULL, 1, &seq, &n, NULL, &step), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_step_write(NULL, 0, &t, &t), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_step_commit(NULL, NULL, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_step_abort(NULL), ATTN_ERR_NULL);
    attn_cache_destroy(NULL);
    attn_step_destroy(NULL);
    ck_assert_int_eq(make(GOOD, &cache), ATTN_OK);
    ck_assert_int_eq(attn_cache_seq_create(cache, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_seq_create(cache, &seq), ATTN_OK);
    ck_assert_int_ne(seq, 0);
    ck_assert_int_eq(attn_cache_fork(cache, seq, -1, 0, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_prune(cache, seq, 0, 0, NULL, 1), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_prune(cache, seq, 0, 0, NULL, 0), ATTN_OK);
    ck_assert_int_eq(attn_cache_reorder(cache, 1, NULL, NULL, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_reorder(cache, 0, NULL, NULL, NULL), ATTN_OK);
    ck_assert_int_eq(attn_cache_get_i64(cache, 0, &n), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_cache_get_i64(cache, 1, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_seq_get_i64(cache, seq, 99, &n), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_cache_seq_get_i64(cache, 0, 1, &n), ATTN_ERR_BAD_ID);
    ck_assert_int_eq(attn_cache_positions(cache, seq, 0, 0, NULL, 1, &count), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_positions(cache, seq, 0, 0, NULL, 0, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_positions(cache, seq, 2, 0, NULL, 0, &count), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_cache_positions(cache, seq, 0, 1, NULL, 0, &count), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_cache_read(cache, seq, 0, 0, NULL, &t), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_cache_read_fold(cache, seq, 0, 0, &n, &t, &t), ATTN_ERR_UNSUPPORTED);
    ck_assert_int_eq(attn_step_begin(cache, 1, NULL, &n, NULL, &step), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_step_begin(cache, 0, NULL, NULL, NULL, &step), ATTN_ERR_INVALID);
    /* a number of tokens that no list could have */
    int32_t parent = -1;
    n = INT64_MAX;
    ck_assert_int_eq(attn_step_begin(cache, 1, &seq, &n, &parent, &step), ATTN_ERR_LIMIT);
    ck_assert_ptr_null(step);
    n = 1;
    ck_assert_int_eq(attn_step_begin(cache, 1, &seq, &n, NULL, &step), ATTN_OK);
    ck_assert_int_eq(attn_step_write(step, 0, NULL, &t), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_step_write(step, 0, &t, &t), ATTN_ERR_DTYPE);
    /* one handle for another */
    ck_assert_int_eq(attn_step_abort((attn_step *)(void *)cache), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_cache_seq_create((attn_cache *)(void *)step, &seq), ATTN_ERR_INVALID);
    /* a step outlives its cache */
    attn_cache_destroy(cache);
    ck_assert_int_eq(attn_step_abort(step), ATTN_ERR_STATE);
    ck_assert_int_eq(attn_step_commit(step, NULL, NULL), ATTN_ERR_STATE);
    attn_step_destroy(step);
}
END_TEST

START_TEST(shapes_of_a_write)
{
    static double data[2 * 3 * 6];
    attn_cache *cache = NULL;
    attn_step *step = NULL;
    attn_tensor k, v, wrong;
    int64_t seq, n = 3, keep = 1;
    const int64_t sk[4] = {1, 2, 3, 4}, sv[4] = {1, 2, 3, 6};
    ck_assert_int_eq(make(GOOD, &cache), ATTN_OK);
    ck_assert_int_eq(attn_cache_seq_create(cache, &seq), ATTN_OK);
    ck_assert_int_eq(attn_step_begin(cache, 1, &seq, &n, NULL, &step), ATTN_OK);
    attn_tensor_init(&k, data, ATTN_DTYPE_F64, 4, sk);
    attn_tensor_init(&v, data, ATTN_DTYPE_F64, 4, sv);
    for (int i = 0; i < 4; i++) {
        wrong = k;
        wrong.shape[i]++;
        ck_assert_int_eq(attn_step_write(step, 0, &wrong, &v), ATTN_ERR_SHAPE);
    }
    wrong = v;
    wrong.rank = 3;
    ck_assert_int_eq(attn_step_write(step, 0, &k, &wrong), ATTN_ERR_SHAPE);
    wrong.rank = 4;
    wrong.dtype = ATTN_DTYPE_I32;
    ck_assert_int_eq(attn_step_write(step, 0, &k, &wrong), ATTN_ERR_DTYPE);
    wrong = v;
    wrong.stride[2] = INT64_MAX;
    ck_assert_int_eq(attn_step_write(step, 0, &k, &wrong), ATTN_ERR_STRIDE);
    wrong = v;
    wrong.data = NULL;
    ck_assert_int_eq(attn_step_write(step, 0, &k, &wrong), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_step_write(step, 2, &k, &v), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_step_write(step, 0, &k, &v), ATTN_OK);
    ck_assert_int_eq(attn_step_commit(step, NULL, NULL), ATTN_ERR_STATE);
    ck_assert_int_eq(attn_step_write(step, 1, &k, &v), ATTN_OK);
    ck_assert_int_eq(attn_step_commit(step, &keep, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_step_commit(step, NULL, NULL), ATTN_OK);
    attn_step_destroy(step);
    ck_assert_int_eq(attn_cache_check(cache), ATTN_OK);
    /* results: no two elements in one place */
    wrong = k;
    wrong.stride[2] = 0;
    ck_assert_int_eq(attn_cache_read(cache, seq, 0, 0, &wrong, &v), ATTN_ERR_STRIDE);
    attn_cache_destroy(cache);
}
END_TEST

/* Exact in every type. */
static double value_of(int64_t i, int64_t h, int64_t x, int64_t e)
{
    return (double)(h * 64 + x * 5 + e - 60) * 0.5 + (double)i;
}

/* Tensor i of 11 tokens with 7 channels: dense, or channels first and at an
 * odd address. */
static attn_tensor view_of(char *data, int64_t i, int32_t dtype, bool first)
{
    const int64_t shape[4] = {1, 2, 11, 7};
    attn_tensor t;
    attn_tensor_init(&t, data + i * 4096 + first, dtype, 4, shape);
    if (first) {
        t.stride[3] = 22;
        t.stride[2] = 1;
        t.stride[1] = 11;
    }
    return t;
}

static void each_value(const attn_tensor *t, int64_t i, bool fill)
{
    for (int64_t h = 0; h < 2; h++)
        for (int64_t x = 0; x < 11; x++)
            for (int64_t e = 0; e < 7; e++) {
                int64_t at = h * t->stride[1] + x * t->stride[2] + e * t->stride[3];
                if (fill)
                    attn__store_f64(t->data, at, t->dtype, value_of(i, h, x, e));
                else
                    ck_assert(attn__load_f64(t->data, at, t->dtype) == value_of(i, h, x, e));
            }
}

START_TEST(types_and_strides)
{
    static const int32_t types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_F16,
                                    ATTN_DTYPE_BF16};
    static const char *const stored[] = {"f32", "f16", "bf16"};
    static char in[8192], out[8192];
    for (int c = 0; c < 3 * 4 * 4 * 2; c++) {
        bool first = c / 16 % 2;
        attn_cache *cache = NULL;
        attn_step *step = NULL;
        attn_tensor t[2], r[2];
        int64_t seq, n = 11;
        char text[256];
        snprintf(text, sizeof text,
                 "cache cache_layers=1 cache_pages=8 cache_page=8 h=2 d=7 kv_dtype=%s",
                 stored[c / 32]);
        ck_assert_int_eq(make(text, &cache), ATTN_OK);
        ck_assert_int_eq(attn_cache_seq_create(cache, &seq), ATTN_OK);
        ck_assert_int_eq(attn_step_begin(cache, 1, &seq, &n, NULL, &step), ATTN_OK);
        for (int i = 0; i < 2; i++) {
            t[i] = view_of(in, i, types[c % 4], first);
            r[i] = view_of(out, i, types[c / 4 % 4], first);
            each_value(&t[i], i, true);
        }
        ck_assert_int_eq(attn_step_write(step, 0, &t[0], &t[1]), ATTN_OK);
        ck_assert_int_eq(attn_step_commit(step, NULL, NULL), ATTN_OK);
        ck_assert_int_eq(attn_cache_read(cache, seq, 0, 0, &r[0], &r[1]), ATTN_OK);
        for (int i = 0; i < 2; i++)
            each_value(&r[i], i, false);
        attn_step_destroy(step);
        attn_cache_destroy(cache);
    }
}
END_TEST

/* Memory ends at the n-th allocation, for every n. */
START_TEST(memory_of_a_create)
{
    for (int64_t fail = 1;; fail++) {
        struct count_mem mem = {0};
        const attn_allocator hook = count_mem_hook(&mem);
        attn_ctx *ctx;
        attn_desc *desc;
        attn_cache *cache = NULL;
        int64_t seq = 0;
        ck_assert_int_eq(attn_ctx_create(&hook, &ctx), ATTN_OK);
        ck_assert_int_eq(attn_desc_parse(ctx, GOOD " rope=half cache_window=[4] cache_fold=[1]",
                                         &desc),
                         ATTN_OK);
        mem.fail_from = mem.calls + fail;
        int32_t status = attn_cache_create(ctx, desc, &cache);
        if (status == ATTN_OK)
            status = attn_cache_seq_create(cache, &seq);
        ck_assert(status == ATTN_OK || status == ATTN_ERR_NOMEM);
        attn_cache_destroy(cache);
        attn_desc_destroy(desc);
        attn_ctx_destroy(ctx);
        ck_assert_int_eq(mem.blocks, 0);
        ck_assert_int_eq(mem.bytes, 0);
        if (status == ATTN_OK) {
            ck_assert_int_gt(fail, 10);
            break;
        }
    }
}
END_TEST

UNIT_MAIN("cache_desc", descriptors, others, pointers, shapes_of_a_write, types_and_strides,
          memory_of_a_create)
