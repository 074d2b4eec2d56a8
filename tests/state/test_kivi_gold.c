/* SPDX-License-Identifier: MIT */
/*
 * Blocks of 32 tokens that a cache rounds as kivi does, against a NumPy model.
 * usage: test_kivi_gold FILE, made by make_kivi.py
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <attn/attn.h>

#include "check_that.h"

enum { N = 32, ALL = N * N };

static attn_tensor block_of(float *data)
{
    attn_tensor t;
    const int64_t shape[4] = {1, 1, N, N};
    CHECK(attn_tensor_init(&t, data, ATTN_DTYPE_F32, 4, shape) == ATTN_OK);
    return t;
}

/* The same block as keys and as values, written in one step and read again. */
static void round_trip(const char *type, float *x, float *keys, float *values)
{
    char text[128];
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    attn_cache *cache = NULL;
    attn_step *step = NULL;
    const int64_t n = N;
    int64_t seq;
    attn_tensor from = block_of(x), k = block_of(keys), v = block_of(values);
    snprintf(text, sizeof text, "cache h=1 d=%d cache_layers=1 cache_pages=4 kv_dtype=%s", N, type);
    CHECK(attn_ctx_create(NULL, &ctx) == ATTN_OK);
    CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
    CHECK(attn_cache_create(ctx, desc, &cache) == ATTN_OK);
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
    CHECK(attn_step_write(step, 0, &from, &from) == ATTN_OK);
    CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);
    CHECK(attn_cache_read(cache, seq, 0, 0, &k, &v) == ATTN_OK);
    attn_cache_destroy(cache);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
}

static void compare(const char *type, const char *what, const float *got, const float *want,
                    double off)
{
    for (int i = 0; i < ALL; i++) {
        if (fabs((double)got[i] - (double)want[i]) <= off)
            continue;
        fprintf(stderr, "%s: %s: token %d channel %d is %.9g, expected %.9g\n", type, what, i / N,
                i % N, (double)got[i], (double)want[i]);
        CHECK(!"as the model has it");
        return;
    }
}

int main(int argc, char **argv)
{
    static float from[3][ALL], keys[ALL], values[ALL]; /* numbers; as keys; as values */
    char type[16];
    double off;
    int lines = 0;
    FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
    if (!file) {
        fprintf(stderr, "usage: test_kivi_gold FILE\n");
        return EXIT_FAILURE;
    }
    while (fscanf(file, "%15s %lf", type, &off) == 2) {
        for (int i = 0; i < 3 * ALL; i++)
            CHECK(fscanf(file, "%f", &from[i / ALL][i % ALL]) == 1);
        round_trip(type, from[0], keys, values);
        compare(type, "keys", keys, from[1], off);
        compare(type, "values", values, from[2], off);
        lines++;
    }
    CHECK(feof(file) && lines == 6);
    fclose(file);
    return failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
