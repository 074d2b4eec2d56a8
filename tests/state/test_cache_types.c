/* SPDX-License-Identifier: MIT */
/*
 * Rows that a cache stores in fewer bits: the bytes and numbers of a NumPy
 * model, sources of all types and strides, keys that are turned and rounded
 * again, numbers that have no code, and saved sequences.
 * usage: test_cache_types FILE, made by make_cache_types.py
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"
#include "../oracle/stored_types.h"
#include "base/dtype.h"
#include "check_that.h"
#include "state/cache_object.h"

enum { MOST = 128, TOKENS = 20, HEADS = 2 };

static const int32_t stored[] = {ATTN_DTYPE_FP8_E4M3, ATTN_DTYPE_FP8_E5M2, ATTN_DTYPE_Q8_0,
                                 ATTN_DTYPE_Q4_0};

static int turned_rows, other_rows;

static int32_t try_make(const char *text, attn_cache **cache)
{
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    CHECK(attn_ctx_create(NULL, &ctx) == ATTN_OK);
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    int32_t status = attn_cache_create(ctx, desc, cache);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    return status;
}

static attn_cache *make(const char *text)
{
    attn_cache *cache = NULL;
    CHECK(try_make(text, &cache) == ATTN_OK);
    if (!cache)
        exit(EXIT_FAILURE);
    return cache;
}

/* One step of n tokens in layer 0. */
static int32_t append(attn_cache *cache, int64_t seq, int64_t n, const attn_tensor *k,
                      const attn_tensor *v)
{
    attn_step *step = NULL;
    CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
    int32_t status = attn_step_write(step, 0, k, v);
    if (status == ATTN_OK)
        CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);
    return status;
}

static attn_tensor dense(float *data, int64_t heads, int64_t n, int64_t d)
{
    attn_tensor t;
    const int64_t shape[4] = {1, heads, n, d};
    CHECK(attn_tensor_init(&t, data, ATTN_DTYPE_F32, 4, shape) == ATTN_OK);
    return t;
}

/* ---- the NumPy model */

static int32_t dtype_of(const char *name)
{
    for (size_t i = 0; i < sizeof stored / sizeof stored[0]; i++)
        if (strcmp(attn_dtype_name(stored[i]), name) == 0)
            return stored[i];
    return 0;
}

static bool read_floats(FILE *file, float *x, int n)
{
    bool good = true;
    for (int i = 0; i < n && good; i++)
        good = fscanf(file, "%f", &x[i]) == 1;
    return good;
}

/* The row as keys and the same as values, whose bytes end a saved sequence. */
static void through_cache(int32_t dtype, double scale, float *x, int n, const uint8_t *bytes,
                          const float *means)
{
    char text[256];
    static unsigned char saved[4096];
    size_t size = attn_dtype_row_size(dtype, n), all = 0;
    float k[MOST], v[MOST];
    int64_t seq;
    bool fp8 = attn__dtype_fp8(dtype);
    int at = snprintf(text, sizeof text, "cache h=1 d=%d cache_layers=1 cache_pages=2 kv_dtype=%s",
                      n, attn_dtype_name(dtype));
    if (fp8)
        snprintf(text + at, sizeof text - (size_t)at, " cache_k_scale=[%g] cache_v_scale=[%g]",
                 scale, scale);
    attn_cache *cache = make(text);
    attn_tensor from = dense(x, 1, 1, n), tk = dense(k, 1, 1, n), tv = dense(v, 1, 1, n);
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    CHECK(append(cache, seq, 1, &from, &from) == ATTN_OK);
    CHECK(attn_cache_read(cache, seq, 0, 0, &tk, &tv) == ATTN_OK);
    CHECK(memcmp(k, means, (size_t)n * sizeof *k) == 0);
    CHECK(memcmp(v, means, (size_t)n * sizeof *k) == 0);
    CHECK(attn_cache_save(cache, seq, saved, sizeof saved, &all) == ATTN_OK);
    CHECK(memcmp(saved + all - size, bytes, size) == 0);
    CHECK(memcmp(saved + all - 2 * size, bytes, size) == 0);
    attn_cache_destroy(cache);
}

static void check_gold(const char *path)
{
    FILE *file = fopen(path, "r");
    char name[32], hex[600];
    int n, lines = 0;
    double scale;
    if (!file) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    while (fscanf(file, "%31s %lf %d", name, &scale, &n) == 3) {
        float x[MOST], means[MOST], plain[MOST];
        uint8_t bytes[MOST * 2], own[MOST * 2];
        int32_t dtype = dtype_of(name);
        CHECK(dtype != 0 && n <= MOST && read_floats(file, x, n));
        CHECK(fscanf(file, "%599s", hex) == 1);
        size_t size = attn_dtype_row_size(dtype, n);
        CHECK(strlen(hex) == 2 * size && read_floats(file, means, n));
        for (size_t i = 0; i < size; i++) {
            unsigned byte = 0;
            CHECK(sscanf(hex + 2 * i, "%2x", &byte) == 1);
            bytes[i] = (uint8_t)byte;
        }
        stored_encode(dtype, x, n, (float)scale, own);
        stored_decode(dtype, own, n, (float)scale, plain);
        CHECK(memcmp(own, bytes, size) == 0);
        CHECK(memcmp(plain, means, (size_t)n * sizeof *plain) == 0);
        through_cache(dtype, scale, x, n, bytes, means);
        lines++;
    }
    CHECK(feof(file) && lines > 50);
    fclose(file);
}

/* ---- sources, pages, shifts */

struct rows {
    float k[HEADS][TOKENS][MOST], v[HEADS][TOKENS][MOST];
};

static void read_rows(const attn_cache *cache, int64_t seq, int64_t n, int64_t d, int64_t dv,
                      struct rows *r)
{
    static float k[HEADS * TOKENS * MOST], v[HEADS * TOKENS * MOST];
    attn_tensor tk = dense(k, HEADS, n, d), tv = dense(v, HEADS, n, dv);
    CHECK(attn_cache_read(cache, seq, 0, 0, &tk, &tv) == ATTN_OK);
    for (int64_t h = 0; h < HEADS; h++)
        for (int64_t i = 0; i < n; i++) {
            memcpy(r->k[h][i], k + (h * n + i) * d, (size_t)d * sizeof *k);
            memcpy(r->v[h][i], v + (h * n + i) * dv, (size_t)dv * sizeof *v);
        }
}

static void round_row(int32_t dtype, float *x, int64_t n, float scale)
{
    uint8_t bytes[2 * MOST];
    stored_encode(dtype, x, n, scale, bytes);
    stored_decode(dtype, bytes, n, scale, x);
}

/* Tokens of any type and strides, what they become in *want, then turned. */
static void check_rows(struct rng *rng, int32_t kt, int32_t vt, int32_t source)
{
    static struct rows want, got;
    static double memory[2][HEADS * TOKENS * (MOST + 3) * 2];
    const float ks[HEADS] = {0.5f, 3.0f}, vs[HEADS] = {0.25f, 1.0f};
    int64_t block = stored_block(kt) > stored_block(vt) ? stored_block(kt) : stored_block(vt);
    int64_t d = (block == 1 ? 2 * rng_int(rng, 3, 40) : 32 * rng_int(rng, 1, 4));
    int64_t dv = (block == 1 ? rng_int(rng, 1, 70) : 32 * rng_int(rng, 1, 4)), seq, fork;
    int64_t half = rng_int(rng, 1, d / 2), width[2] = {d, dv}, delta = rng_int(rng, -3, 5);
    char text[512];
    int at = snprintf(text, sizeof text,
                      "cache h=2 d=%d/%d cache_layers=1 cache_page=8 cache_pages=9 rope=half "
                      "rope_dim=%d cache_k_dtype=[%d] cache_v_dtype=[%d]",
                      (int)d, (int)dv, (int)(2 * half), kt, vt);
    if (attn__dtype_fp8(kt))
        at += snprintf(text + at, 100, " cache_k_scale=[%g,%g]", (double)ks[0], (double)ks[1]);
    if (attn__dtype_fp8(vt))
        snprintf(text + at, 100, " cache_v_scale=[%g,%g]", (double)vs[0], (double)vs[1]);
    attn_cache *cache = make(text);
    attn_tensor t[2];
    for (int i = 0; i < 2; i++) {
        /* tokens outermost, and gaps between channels */
        int64_t step = rng_int(rng, 1, 2), row = width[i] * step + rng_int(rng, 0, 3);
        t[i] = (attn_tensor){memory[i], source, 4, {1, HEADS, TOKENS, width[i]},
                             {0, row, row * HEADS, step}};
        for (int64_t x = 0; x < TOKENS; x++)
            for (int64_t h = 0; h < HEADS; h++) {
                float *to = i ? want.v[h][x] : want.k[h][x];
                for (int64_t c = 0; c < width[i]; c++) {
                    int64_t e = h * row + x * row * HEADS + c * step;
                    attn__store_f64(memory[i], e, source, (double)rng_int(rng, -999, 999) / 77);
                    to[c] = (float)attn__load_f64(memory[i], e, source);
                }
                round_row(i ? vt : kt, to, width[i], i ? vs[h] : ks[h]);
            }
    }
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    CHECK(append(cache, seq, TOKENS, &t[0], &t[1]) == ATTN_OK);
    read_rows(cache, seq, TOKENS, d, dv, &got);
    for (int64_t h = 0; h < HEADS; h++)
        for (int64_t x = 0; x < TOKENS; x++) {
            CHECK(memcmp(got.k[h][x], want.k[h][x], (size_t)d * sizeof(float)) == 0);
            CHECK(memcmp(got.v[h][x], want.v[h][x], (size_t)dv * sizeof(float)) == 0);
        }

    /* turned on, and what is not turned stays as it is, bit for bit */
    int64_t p0 = rng_int(rng, 4, TOKENS - 1), lossy = -1;
    CHECK(attn_cache_fork(cache, seq, -1, 0, &fork) == ATTN_OK);
    CHECK(attn_cache_remove(cache, fork, p0 - 3, p0) == ATTN_OK);
    CHECK(attn_cache_shift(cache, fork, p0, delta) == ATTN_OK);
    CHECK(attn_cache_seq_get_i64(cache, fork, ATTN_CACHE_SEQ_LOSSY, &lossy) == ATTN_OK);
    CHECK(lossy == (delta != 0));
    for (int64_t h = 0; h < HEADS && delta != 0; h++)
        for (int64_t x = p0; x < TOKENS; x++) {
            float *k = want.k[h][x];
            for (int64_t c = 0; c < half; c++) {
                double angle = (double)delta * pow(10000, -(double)c / (double)half);
                double a = k[c], b = k[half + c];
                k[c] = (float)(a * cos(angle) - b * sin(angle));
                k[half + c] = (float)(b * cos(angle) + a * sin(angle));
            }
            int64_t n = (2 * half + stored_block(kt) - 1) / stored_block(kt) * stored_block(kt);
            round_row(kt, k, n, ks[h]);
        }
    read_rows(cache, fork, TOKENS - 3, d, dv, &got);
    for (int64_t h = 0; h < HEADS; h++)
        for (int64_t x = p0; x < TOKENS; x++) {
            /* another last bit of an angle may be another code, but rarely */
            turned_rows++;
            other_rows += memcmp(got.k[h][x - 3], want.k[h][x], (size_t)d * sizeof(float)) != 0;
            CHECK(memcmp(got.v[h][x - 3], want.v[h][x], (size_t)dv * sizeof(float)) == 0);
        }
    attn_cache_destroy(cache);
}

/* ---- numbers without a code */

static void check_data(void)
{
    static const struct {
        const char *type;
        float number;
        bool refused;
    } cases[] = {{"q8_0", NAN, true},           {"q8_0", -INFINITY, true},
                 {"q8_0", 8.4e6f, true},        {"q8_0", 8.3e6f, false},
                 {"q4_0", INFINITY, true},      {"q4_0", -5.3e5f, true},
                 {"q4_0", 5.2e5f, false},       {"fp8_e4m3", NAN, true},
                 {"fp8_e5m2", INFINITY, true},  {"fp8_e4m3", 1e30f, false},
                 {"f16", NAN, false},           {"f32", INFINITY, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int checks = 0; checks < 2; checks++)
            for (int value = 0; value < 2; value++) {
                char text[256];
                float good[96] = {0}, bad[96] = {0}, back[96];
                int64_t seq, n = 3;
                attn_step *step = NULL;
                snprintf(text, sizeof text,
                         "cache h=1 d=32 cache_layers=1 cache_pages=2 kv_dtype=%s%s",
                         cases[i].type, checks ? " check=data" : "");
                attn_cache *cache = make(text);
                attn_tensor g = dense(good, 1, 3, 32), b = dense(bad, 1, 3, 32);
                attn_tensor r = dense(back, 1, 3, 32);
                bad[70] = cases[i].number;
                CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
                CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
                int32_t status = attn_step_write(step, 0, value ? &g : &b, value ? &b : &g);
                CHECK(status == (checks && cases[i].refused ? ATTN_ERR_INVALID : ATTN_OK));
                /* the step is as it was, and can be written */
                if (status != ATTN_OK)
                    CHECK(attn_step_write(step, 0, &g, &g) == ATTN_OK);
                CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
                CHECK(attn_cache_read(cache, seq, 0, 0, &r, &r) == ATTN_OK);
                attn_step_destroy(step);
                attn_cache_destroy(cache);
            }
}

/* NaN stays NaN in fp8 and what is too large becomes the largest. */
static void check_fp8(void)
{
    const struct {
        const char *type;
        float most;
    } cases[] = {{"fp8_e4m3", 448}, {"fp8_e5m2", 57344}};
    for (int i = 0; i < 2; i++) {
        char text[128];
        float x[4] = {NAN, 1e9f, -INFINITY, 3.0f}, y[4];
        int64_t seq;
        snprintf(text, sizeof text, "cache h=1 d=4 cache_layers=1 cache_pages=2 kv_dtype=%s "
                                    "cache_k_scale=[2]", cases[i].type);
        attn_cache *cache = make(text);
        attn_tensor tx = dense(x, 1, 1, 4), ty = dense(y, 1, 1, 4), tv = ty;
        float v[4];
        tv.data = v;
        CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
        CHECK(append(cache, seq, 1, &tx, &tx) == ATTN_OK);
        CHECK(attn_cache_read(cache, seq, 0, 0, &ty, &tv) == ATTN_OK);
        CHECK(isnan(y[0]) && y[1] == 2 * cases[i].most && y[2] == -2 * cases[i].most && y[3] == 3);
        CHECK(isnan(v[0]) && v[1] == cases[i].most && v[2] == -cases[i].most && v[3] == 3);
        attn_cache_destroy(cache);
    }
}

/* ---- saved sequences */

static void check_saved(void)
{
    const char *const base = "cache h=2 d=64 cache_layers=2 cache_pages=20";
    static const char *const kinds[] = {
        "kv_dtype=q8_0", "kv_dtype=q4_0", "cache_k_dtype=[32] cache_v_dtype=[33]",
        "kv_dtype=fp8_e4m3", "kv_dtype=fp8_e4m3 cache_k_scale=[1,2]",
        "kv_dtype=fp8_e4m3 cache_v_scale=[1,2]", "kv_dtype=fp8_e5m2",
        "kv_dtype=fp8_e4m3 cache_k_scale=[1,2,1,1]"};
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    static struct rows before, after;
    static float data[2 * 11 * 64];
    static char saved[1 << 16], again[1 << 16];
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++)
        data[i] = (float)((i * 37) % 101) / 8 - 6;
    for (int a = 0; a < KINDS; a++) {
        char text[256];
        int64_t seq, n = 11, made;
        size_t bytes = 0, bytes_again = 0;
        snprintf(text, sizeof text, "%s cache_page=8 %s", base, kinds[a]);
        attn_cache *cache = make(text);
        attn_step *step = NULL;
        attn_tensor t = dense(data, 2, 11, 64);
        CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
        CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
        CHECK(attn_step_write(step, 1, &t, &t) == ATTN_OK);
        CHECK(attn_step_write(step, 0, &t, &t) == ATTN_OK);
        CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
        attn_step_destroy(step);
        CHECK(attn_cache_save(cache, seq, saved, sizeof saved, &bytes) == ATTN_OK);
        read_rows(cache, seq, n, 64, 64, &before);
        for (int b = 0; b < KINDS; b++) {
            snprintf(text, sizeof text, "%s cache_page=32 %s", base, kinds[b]);
            attn_cache *other = make(text);
            made = 77;
            int32_t status = attn_cache_load(other, saved, bytes, &made);
            CHECK(status == (a == b ? ATTN_OK : ATTN_ERR_MISMATCH));
            if (status == ATTN_OK) {
                read_rows(other, made, n, 64, 64, &after);
                CHECK(memcmp(&before, &after, sizeof before) == 0);
                CHECK(attn_cache_save(other, made, again, sizeof again, &bytes_again) == ATTN_OK);
                CHECK(bytes == bytes_again && memcmp(saved, again, bytes) == 0);
                CHECK(attn_cache_check(other) == ATTN_OK);
            } else {
                CHECK(made == 77);
            }
            attn_cache_destroy(other);
        }
        attn_cache_destroy(cache);
    }
}

/* ---- descriptors */

static void check_descriptors(void)
{
    static const struct {
        const char *more;
        int32_t status;
    } cases[] = {
        {"d=64 kv_dtype=q8_0", ATTN_OK},
        {"d=64/32 cache_k_dtype=[9] cache_v_dtype=[33]", ATTN_OK},
        {"d=48 kv_dtype=q8_0", ATTN_ERR_INVALID},
        {"d=64/33 kv_dtype=q4_0", ATTN_ERR_INVALID},
        {"d=7/3 kv_dtype=fp8_e4m3", ATTN_OK},
        {"d=64 kv_dtype=f64", ATTN_ERR_UNSUPPORTED},
        {"d=64 cache_k_dtype=[5]", ATTN_ERR_UNSUPPORTED},
        {"d=64 cache_v_dtype=[99]", ATTN_ERR_UNSUPPORTED},
        {"d=64 kv_dtype=q8_0 cache_window=[9] cache_fold=[1]", ATTN_ERR_UNSUPPORTED},
        {"d=64 cache_v_dtype=[9] cache_window=[9] cache_fold=[1]", ATTN_ERR_UNSUPPORTED},
        {"d=64 kv_dtype=fp8_e4m3 cache_k_scale=[1,2]", ATTN_OK},
        {"d=64 kv_dtype=fp8_e4m3 cache_k_scale=[1,2,3,4] cache_v_scale=[2]", ATTN_OK},
        {"d=64 kv_dtype=fp8_e4m3 cache_k_scale=[1,2,3]", ATTN_ERR_INVALID},
        {"d=64 kv_dtype=fp8_e4m3 cache_k_scale=[]", ATTN_ERR_INVALID},
        {"d=64 kv_dtype=q8_0 cache_k_scale=[1]", ATTN_ERR_INVALID},
        {"d=64 cache_k_dtype=[9] cache_v_scale=[1]", ATTN_ERR_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        attn_cache *cache = NULL;
        snprintf(text, sizeof text, "cache h=2 cache_layers=2 cache_pages=2 %s", cases[i].more);
        int32_t status = try_make(text, &cache);
        if (status != cases[i].status)
            fprintf(stderr, "%s: %s\n", text, attn_status_name(status));
        CHECK(status == cases[i].status && (cache != NULL) == (status == ATTN_OK));
        attn_cache_destroy(cache);
    }
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    CHECK(attn_ctx_create(NULL, &ctx) == ATTN_OK);
    CHECK(attn_desc_parse(ctx, "cache cache_k_scale=[0]", &desc) == ATTN_ERR_INVALID);
    CHECK(attn_desc_parse(ctx, "cache cache_v_scale=[1e300]", &desc) == ATTN_ERR_INVALID);
    CHECK(attn_desc_parse(ctx, "softmax dtype=q8_0", &desc) == ATTN_ERR_UNKNOWN_NAME);
    /* no tensor has these types */
    CHECK(attn_desc_parse(ctx, "softmax h=2 n=4 d=32 kv_dtype=q8_0", &desc) == ATTN_OK);
    CHECK(attn_plan_create(ctx, desc, &plan) == ATTN_ERR_UNSUPPORTED && !plan);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    attn_tensor t;
    const int64_t shape[1] = {32};
    CHECK(attn_tensor_init(&t, NULL, ATTN_DTYPE_Q8_0, 1, shape) == ATTN_ERR_DTYPE);
}

int main(int argc, char **argv)
{
    static const int32_t sources[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_F16,
                                      ATTN_DTYPE_BF16};
    struct rng rng = {7};
    if (argc > 1)
        check_gold(argv[1]);
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++)
            for (int s = 0; s < 4; s++)
                check_rows(&rng, stored[a], stored[b], sources[s]);
    CHECK(turned_rows > 500 && other_rows * 100 <= turned_rows);
    check_data();
    check_fp8();
    check_saved();
    check_descriptors();
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
