/* SPDX-License-Identifier: MIT */
/*
 * Caches whose values are the first channels of keys (cache_v_prefix): rows of
 * all types, turned behind the values and moved as bytes; half the memory;
 * plans of mla that read latent rows from pages against the same plans with
 * the rows in a tensor; what is refused. test_view.c has plans of softmax,
 * test_cache_random.c has random histories.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"
#include "../oracle/stored_types.h"
#include "apart.h"
#include "base/dtype.h"
#include "check_that.h"

enum { HEADS = 2, TOKENS = 21, D = 96, DV = 64, TURNED = 20 };

static attn_ctx *ctx;

static int32_t try_make(const char *text, attn_cache **cache)
{
    attn_desc *desc = NULL;
    *cache = NULL;
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    int32_t status = attn_cache_create(ctx, desc, cache);
    attn_desc_destroy(desc);
    return status;
}

static attn_cache *make(const char *text)
{
    attn_cache *cache;
    CHECK(try_make(text, &cache) == ATTN_OK);
    if (!cache)
        exit(EXIT_FAILURE);
    return cache;
}

static attn_plan *plan_of(const char *text)
{
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    CHECK(attn_plan_create(ctx, desc, &plan) == ATTN_OK);
    attn_desc_destroy(desc);
    if (!plan)
        exit(EXIT_FAILURE);
    return plan;
}

static attn_tensor dense(float *data, int64_t b, int64_t h, int64_t n, int64_t d)
{
    attn_tensor t;
    const int64_t shape[4] = {b, h, n, d};
    CHECK(attn_tensor_init(&t, data, ATTN_DTYPE_F32, 4, shape) == ATTN_OK);
    return t;
}

static void fill(struct rng *rng, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)rng_int(rng, -999, 999) / 777;
}

static void append(attn_cache *cache, int64_t seq, int64_t n, const attn_tensor *k)
{
    attn_step *step = NULL;
    CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
    CHECK(attn_step_write(step, 0, k, NULL) == ATTN_OK);
    CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);
}

static int64_t figure(const attn_cache *cache, int32_t what)
{
    int64_t value = -1;
    CHECK(attn_cache_get_i64(cache, what, &value) == ATTN_OK);
    return value;
}

/* ---- rows */

/* What a row is read as: rounded from channel `from` on, which a block begins. */
static void round_row(int32_t dtype, float *x, int64_t from, float scale)
{
    uint8_t bytes[2 * D] = {0};
    if (!attn__dtype_stored(dtype)) {
        for (int64_t c = from; c < D; c++) {
            attn__store_f64(bytes, 0, dtype, (double)x[c]);
            x[c] = (float)attn__load_f64(bytes, 0, dtype);
        }
        return;
    }
    stored_encode(dtype, x + from, D - from, scale, bytes);
    stored_decode(dtype, bytes, D - from, scale, x + from);
}

struct rows {
    float k[HEADS][TOKENS][D], v[HEADS][TOKENS][DV];
};

static void read_rows(const attn_cache *cache, int64_t seq, int64_t n, struct rows *r)
{
    attn_tensor k = dense(r->k[0][0], 1, HEADS, n, D), v = dense(r->v[0][0], 1, HEADS, n, DV);
    k.stride[1] = TOKENS * D;
    v.stride[1] = TOKENS * DV;
    CHECK(attn_cache_read(cache, seq, 0, 0, &k, &v) == ATTN_OK);
}

/* Rows as they should be, at place `to` of those that were read from `from`. */
static void compare(const struct rows *want, const struct rows *got, int64_t from, int64_t to,
                    double most)
{
    for (int64_t h = 0; h < HEADS; h++) {
        for (int64_t c = 0; c < D; c++)
            CHECK(fabs((double)want->k[h][from][c] - (double)got->k[h][to][c]) <=
                  (c < DV ? 0 : most));
        CHECK(memcmp(got->v[h][to], want->k[h][from], sizeof got->v[h][to]) == 0);
    }
}

static void turn(float *x, int64_t delta, bool apart)
{
    for (int64_t c = 0; c < TURNED / 2; c++) {
        int64_t i = apart ? c : 2 * c, j = apart ? TURNED / 2 + c : 2 * c + 1;
        double angle = (double)delta * pow(10000, -(double)c / (TURNED / 2.0));
        double a = (double)x[i], b = (double)x[j];
        x[i] = (float)(a * cos(angle) - b * sin(angle));
        x[j] = (float)(b * cos(angle) + a * sin(angle));
    }
}

static void check_rows(struct rng *rng, int32_t dtype, bool apart)
{
    static struct rows want, got;
    static char saved[1 << 18];
    const float scale = attn__dtype_fp8(dtype) ? 0.5f : 1;
    char text[256];
    size_t bytes = 0;
    int64_t seq, fork, loaded, delta = 3;
    snprintf(text, sizeof text,
             "cache h=%d d=%d/%d cache_layers=1 cache_page=8 cache_pages=16 kv_dtype=%s "
             "cache_v_prefix rope=%s rope_dim=%d%s",
             HEADS, D, DV, attn_dtype_name(dtype), apart ? "half" : "interleaved", TURNED,
             attn__dtype_fp8(dtype) ? " cache_k_scale=[0.5]" : "");
    attn_cache *cache = make(text);
    fill(rng, want.k[0][0], HEADS * TOKENS * D);
    attn_tensor k = dense(want.k[0][0], 1, HEADS, TOKENS, D);
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    append(cache, seq, TOKENS, &k);
    /* three pages of lines of 64 bytes, without values */
    CHECK(figure(cache, ATTN_CACHE_BYTES) ==
          3 * HEADS * (((int64_t)attn_dtype_row_size(dtype, D) * 8 + 63) / 64 * 64));
    for (int64_t h = 0; h < HEADS; h++)
        for (int64_t i = 0; i < TOKENS; i++)
            round_row(dtype, want.k[h][i], 0, scale);
    read_rows(cache, seq, TOKENS, &got);
    for (int64_t i = 0; i < TOKENS; i++)
        compare(&want, &got, i, i, 0);
    CHECK(attn_cache_save(cache, seq, saved, sizeof saved, &bytes) == ATTN_OK);

    /* a fork of which the end is moved; rounded once more from the block on in
     * which the turned channels begin */
    CHECK(attn_cache_fork(cache, seq, -1, 0, &fork) == ATTN_OK);
    CHECK(attn_cache_shift(cache, fork, 10, delta) == ATTN_OK);
    for (int64_t h = 0; h < HEADS; h++)
        for (int64_t i = 10; i < TOKENS; i++) {
            turn(want.k[h][i] + D - TURNED, delta, apart);
            round_row(dtype, want.k[h][i], stored_block(dtype) > 1 ? 64 : D - TURNED, scale);
        }
    read_rows(cache, fork, TOKENS, &got);
    for (int64_t i = 0; i < TOKENS; i++)
        compare(&want, &got, i, i, i < 10 ? 0 : dtype == ATTN_DTYPE_F32 ? 1e-6 : 0.2);

    /* the bytes of before */
    CHECK(attn_cache_load(cache, saved, bytes, &loaded) == ATTN_OK);
    read_rows(cache, seq, TOKENS, &want);
    read_rows(cache, loaded, TOKENS, &got);
    CHECK(memcmp(&want, &got, sizeof got) == 0);
    CHECK(attn_cache_check(cache) == ATTN_OK);
    attn_cache_destroy(cache);
}

static void check_all_rows(struct rng *rng)
{
    static const int32_t dtypes[] = {ATTN_DTYPE_F32,      ATTN_DTYPE_F16,      ATTN_DTYPE_BF16,
                                     ATTN_DTYPE_FP8_E4M3, ATTN_DTYPE_FP8_E5M2, ATTN_DTYPE_Q8_0,
                                     ATTN_DTYPE_Q4_0};
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        for (int apart = 0; apart < 2; apart++)
            check_rows(rng, dtypes[i], apart != 0);
}

/* ---- latent rows */

enum { H = 4, DN = 16, DR = 8, RANK = 48, OUT = 12, LONG = 150, MOST_Q = 40, SEQS = 2 };

struct latent {
    float nope[SEQS * H * MOST_Q * DN], pe[SEQS * H * MOST_Q * DR];
    float wuk[H * DN * RANK], wuv[H * OUT * RANK], rows[SEQS][LONG * (RANK + DR)];
    float out[2][SEQS * H * MOST_Q * OUT], lse[2][SEQS * H * MOST_Q];
};

static int32_t run_latent(struct latent *l, attn_plan *plan, int32_t with, int64_t nq,
                          const attn_view *view)
{
    int64_t layer = 0, k_len[SEQS] = {LONG, LONG - 70}, one = 1, two = SEQS;
    attn_tensor nope = dense(l->nope, SEQS, H, nq, DN), pe = dense(l->pe, SEQS, H, nq, DR);
    attn_tensor wuk = dense(l->wuk, 1, H, DN, RANK), wuv = dense(l->wuv, 1, H, OUT, RANK);
    attn_tensor rows = dense(l->rows[0], SEQS, 1, LONG, RANK + DR), at, lens, lse;
    attn_tensor out = dense(l->out[with], SEQS, H, nq, OUT);
    const int64_t weights[2][3] = {{H, DN, RANK}, {H, OUT, RANK}}, per_row[3] = {SEQS, H, nq};
    attn_tensor_init(&wuk, l->wuk, ATTN_DTYPE_F32, 3, weights[0]);
    attn_tensor_init(&wuv, l->wuv, ATTN_DTYPE_F32, 3, weights[1]);
    attn_tensor_init(&lse, l->lse[with], ATTN_DTYPE_F32, 3, per_row);
    attn_tensor_init(&at, &layer, ATTN_DTYPE_I64, 1, &one);
    attn_tensor_init(&lens, k_len, ATTN_DTYPE_I64, 1, &two);
    const attn_arg args[] = {{ATTN_ROLE_Q_NOPE, 0, &nope},
                             {ATTN_ROLE_Q_PE, 0, &pe},
                             {ATTN_ROLE_MLA_WUK, 0, &wuk},
                             {ATTN_ROLE_MLA_WUV, 0, &wuv},
                             {ATTN_ROLE_OUT, 0, &out},
                             {ATTN_ROLE_LSE, 0, &lse},
                             {with ? ATTN_ROLE_VIEW : ATTN_ROLE_LATENT, 0,
                              with ? (const void *)view : &rows},
                             {with ? ATTN_ROLE_LAYER : ATTN_ROLE_K_LEN, 0, with ? &at : &lens}};
    return attn_plan_execute(plan, args, sizeof args / sizeof args[0], NULL, 0);
}

#define LATENT "mla b=2 h=4/1 q=40 k=inf d=24/12 causal mla_rank=48 mla_rope_dim=8"

static void check_latent(struct rng *rng)
{
    static struct latent l;
    int64_t seqs[SEQS], lengths[SEQS] = {LONG, LONG - 70};
    attn_view *view = NULL;
    attn_cache *cache = make("cache h=1 d=56/48 cache_layers=1 cache_page=16 cache_pages=40 "
                             "cache_v_prefix");
    attn_plan *plan[2] = {plan_of(LATENT), plan_of(LATENT " view cache_page=16 cache_v_prefix")};
    fill(rng, l.nope, SEQS * H * MOST_Q * DN);
    fill(rng, l.pe, SEQS * H * MOST_Q * DR);
    fill(rng, l.wuk, H * DN * RANK);
    fill(rng, l.wuv, H * OUT * RANK);
    for (int i = 0; i < SEQS; i++) {
        fill(rng, l.rows[i], LONG * (RANK + DR));
        attn_tensor k = dense(l.rows[i], 1, 1, lengths[i], RANK + DR);
        CHECK(attn_cache_seq_create(cache, &seqs[i]) == ATTN_OK);
        append(cache, seqs[i], lengths[i], &k);
    }
    CHECK(attn_view_create(cache, SEQS, NULL, seqs, NULL, &view) == ATTN_OK);
    for (int64_t nq = 1; nq <= MOST_Q; nq += 39) {
        for (int32_t with = 0; with < 2; with++)
            CHECK(run_latent(&l, plan[with], with, nq, view) == ATTN_OK);
        CHECK(apart_by(l.out[0], l.out[1], SEQS * H * nq * OUT) < 2e-5);
        CHECK(apart_by(l.lse[0], l.lse[1], SEQS * H * nq) < 2e-5);
    }
    attn_view_destroy(view);
    attn_cache_destroy(cache);

    /* rows of another width are no latent rows of this plan */
    cache = make("cache h=1 d=56/40 cache_layers=1 cache_page=16 cache_pages=4 cache_v_prefix");
    for (int i = 0; i < SEQS; i++)
        CHECK(attn_cache_seq_create(cache, &seqs[i]) == ATTN_OK);
    CHECK(attn_view_create(cache, SEQS, NULL, seqs, NULL, &view) == ATTN_OK);
    CHECK(run_latent(&l, plan[1], 1, 1, view) == ATTN_ERR_SHAPE);
    attn_view_destroy(view);
    attn_cache_destroy(cache);
    attn_plan_destroy(plan[0]);
    attn_plan_destroy(plan[1]);
}

/* ---- refused */

static void check_refused(void)
{
#define SMALL "cache h=1 d=64/32 cache_layers=1 cache_pages=4 cache_v_prefix "
    static const struct {
        const char *text;
        int32_t status;
    } bad[] = {{"cache h=1 d=32/64 cache_layers=1 cache_pages=4 cache_v_prefix", ATTN_ERR_INVALID},
               {SMALL "cache_k_dtype=[1] cache_v_dtype=[3]", ATTN_ERR_INVALID},
               {SMALL "kv_dtype=fp8_e4m3 cache_v_scale=[2]", ATTN_ERR_INVALID},
               {SMALL "rope=half rope_dim=34", ATTN_ERR_INVALID},
               {"cache h=1 d=32 cache_layers=1 cache_pages=4 cache_v_prefix rope=half",
                ATTN_ERR_INVALID}};
    static const struct {
        const char *text;
        int32_t status;
    } bad_plan[] = {{LATENT " view", ATTN_ERR_INVALID},
                    {"mla h=4/1 q=4 k=80 d=24/12 mla_rank=48 mla_rope_dim=8 mla_form=naive view "
                     "cache_v_prefix", ATTN_ERR_UNSUPPORTED},
                    {LATENT " view cache_v_prefix segments", ATTN_ERR_UNSUPPORTED},
                    {"softmax h=1 q=1 k=inf d=64/32 view causal cache_v_prefix rope=half",
                     ATTN_ERR_UNSUPPORTED},
                    {LATENT " cache_v_prefix", ATTN_ERR_INVALID}};
    float x[64] = {0};
    int64_t seq, one = 1, layer = 0;
    attn_cache *cache;
    attn_step *step = NULL;
    attn_view *view = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(try_make(bad[i].text, &cache) == bad[i].status && !cache);
    for (size_t i = 0; i < sizeof bad_plan / sizeof bad_plan[0]; i++) {
        attn_desc *desc = NULL;
        attn_plan *plan = NULL;
        CHECK(attn_desc_parse(ctx, bad_plan[i].text, &desc) == ATTN_OK);
        CHECK(attn_plan_create(ctx, desc, &plan) == bad_plan[i].status);
        attn_desc_destroy(desc);
    }
    cache = make(SMALL);
    attn_tensor k = dense(x, 1, 1, 1, 64), v = dense(x, 1, 1, 1, 32), at;
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    CHECK(attn_step_begin(cache, 1, &seq, &one, NULL, &step) == ATTN_OK);
    CHECK(attn_step_write(step, 0, &k, &v) == ATTN_ERR_INVALID);
    CHECK(attn_step_write(step, 0, NULL, NULL) == ATTN_ERR_NULL);
    CHECK(attn_step_write(step, 0, &k, NULL) == ATTN_OK);
    CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);

    /* a plan that was not told */
    attn_plan *plan = plan_of("softmax h=1 q=1 k=inf d=64/32 view causal");
    CHECK(attn_view_create(cache, 1, NULL, &seq, NULL, &view) == ATTN_OK);
    attn_tensor_init(&at, &layer, ATTN_DTYPE_I64, 1, &one);
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &k},
                             {ATTN_ROLE_OUT, 0, &v},
                             {ATTN_ROLE_VIEW, 0, view},
                             {ATTN_ROLE_LAYER, 0, &at}};
    CHECK(attn_plan_execute(plan, args, 4, NULL, 0) == ATTN_ERR_SHAPE);
    attn_plan_destroy(plan);
    attn_view_destroy(view);
    attn_cache_destroy(cache);
}

int main(void)
{
    struct rng rng = {.state = 5};
    CHECK(attn_ctx_create(NULL, &ctx) == ATTN_OK);
    check_all_rows(&rng);
    check_latent(&rng);
    check_refused();
    attn_ctx_destroy(ctx);
    if (failures == 0)
        printf("values in keys: fine\n");
    return failures > 0;
}
