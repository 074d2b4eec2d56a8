/* SPDX-License-Identifier: MIT */
/*
 * invariant=chunk: a causal sequence fed whole, in pieces and token by token,
 * by any solver that is offered and on any number of threads, gives the same
 * bytes; also for rows before a token whose key and value are poison, which
 * row_again computes where they shared a tile with it.
 *
 *     test_invariant [--seed S|fresh] [--count N] [--isa NAME]
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <attn/attn.h>

#include "rng.h"

enum { THREADS = 3, MAX_HEADS = 8, SKIPPED = 77 };

/* A sequence: q [hq][n][d], k and v [hk][n][d|dv], bias [n][n], as one head. */
struct sequence {
    int64_t hq, hk, n, d, dv;
    int32_t dtype, kv_dtype;
    size_t size, kv_size;
    char *q, *k, *v, *out;
    float *lse, *bias, sinks[MAX_HEADS];
    char text[400];
    bool has_bias, has_sinks;
};

static attn_ctx *ctx[THREADS];
static struct rng rng;
static int failed;

static int64_t pick(const int64_t *from, int64_t n)
{
    return from[rng_int(&rng, 0, n - 1)];
}

#define PICK(...)                                                                                 \
    pick((const int64_t[]){__VA_ARGS__}, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void *memory(size_t bytes)
{
    void *p = calloc(bytes > 0 ? bytes : 1, 1);
    if (!p)
        exit(2);
    return p;
}

static void store(char *p, int64_t i, int32_t dtype, float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if (dtype == ATTN_DTYPE_F32) {
        memcpy(p + 4 * i, &x, sizeof x);
    } else if (dtype == ATTN_DTYPE_BF16) {
        uint16_t h = (uint16_t)(u >> 16);
        memcpy(p + 2 * i, &h, sizeof h);
    } else { /* cut, not rounded; numbers here are within its range */
        int32_t e = (int32_t)(u >> 23 & 255) - 112;
        uint16_t h = (uint16_t)(u >> 16 & 0x8000);
        if (e >= 31)
            h |= (uint16_t)(0x7c00 | (u << 9 != 0) << 9);
        else if (e > 0)
            h |= (uint16_t)(e << 10 | (u >> 13 & 1023));
        memcpy(p + 2 * i, &h, sizeof h);
    }
}

static void fill(char *p, int64_t n, int32_t dtype, double deviation)
{
    for (int64_t i = 0; i < n; i++)
        store(p, i, dtype, (float)(deviation * rng_normal(&rng)));
}

static void say(struct sequence *x, const char *word)
{
    size_t n = strlen(x->text);
    snprintf(x->text + n, sizeof x->text - n, " %s", word);
}

static void make(struct sequence *x)
{
    char word[120];
    memset(x, 0, sizeof *x);
    x->hk = rng_int(&rng, 1, 2);
    x->hq = x->hk * rng_int(&rng, 1, MAX_HEADS / 2);
    bool is_long = rng_percent(&rng, 25);
    x->d = is_long ? rng_int(&rng, 1, 20) : rng_percent(&rng, 10) ? PICK(130, 256, 300)
                                                               : PICK(8, 33, 64, 80, 128);
    x->dv = rng_percent(&rng, 70) ? x->d : rng_int(&rng, 1, 70);
    x->n = is_long ? rng_int(&rng, 1000, 3500) : rng_int(&rng, 1, 300);
    if (is_long)
        x->hq = x->hk = 1 + (x->hq > 4);
    x->dtype = rng_percent(&rng, 70) ? ATTN_DTYPE_F32 : (int32_t)PICK(ATTN_DTYPE_F16,
                                                                    ATTN_DTYPE_BF16);
    x->kv_dtype = rng_percent(&rng, 60)
                      ? x->dtype
                      : (int32_t)PICK(ATTN_DTYPE_F32, ATTN_DTYPE_F16, ATTN_DTYPE_BF16);
    x->size = attn_dtype_size(x->dtype);
    x->kv_size = attn_dtype_size(x->kv_dtype);
    snprintf(x->text, sizeof x->text,
             "softmax h=%" PRId64 "/%" PRId64 " q=%" PRId64 " k=%s d=%" PRId64 "/%" PRId64
             " causal dtype=%s kv_dtype=%s invariant=chunk",
             x->hq, x->hk, x->n, rng_percent(&rng, 40) ? "inf" : "4000", x->d, x->dv,
             attn_dtype_name(x->dtype), attn_dtype_name(x->kv_dtype));
    if (rng_percent(&rng, 30)) {
        snprintf(word, sizeof word, "window=%" PRId64 ",0", rng_int(&rng, 0, is_long ? 1500 : 200));
        say(x, word);
        if (rng_percent(&rng, 50))
            say(x, "sink_tokens=3");
    }
    if (rng_percent(&rng, 20))
        say(x, "softcap=17.5");
    if (rng_percent(&rng, 20))
        say(x, "alibi");
    if (rng_percent(&rng, 10))
        say(x, "compute=bf16");
    if ((x->has_bias = !is_long && rng_percent(&rng, 20)))
        say(x, "bias");
    if ((x->has_sinks = rng_percent(&rng, 20)))
        say(x, "sink_logits");
    x->q = memory((size_t)(x->hq * x->n * x->d) * x->size);
    x->k = memory((size_t)(x->hk * x->n * x->d) * x->kv_size);
    x->v = memory((size_t)(x->hk * x->n * x->dv) * x->kv_size);
    x->out = memory((size_t)(x->hq * x->n * x->dv) * x->size);
    x->lse = memory((size_t)(x->hq * x->n) * sizeof *x->lse);
    x->bias = memory((size_t)(x->n * x->n) * sizeof *x->bias);
    fill(x->q, x->hq * x->n * x->d, x->dtype, 1 + 3 * rng_unit(&rng));
    fill(x->k, x->hk * x->n * x->d, x->kv_dtype, 1);
    fill(x->v, x->hk * x->n * x->dv, x->kv_dtype, 1);
    for (int64_t i = 0; i < x->n * x->n && x->has_bias; i++)
        x->bias[i] = rng_percent(&rng, 3) ? -INFINITY : (float)rng_normal(&rng);
    for (int64_t h = 0; h < x->hq; h++)
        x->sinks[h] = (float)rng_normal(&rng);
}

static void drop(struct sequence *x)
{
    free(x->q);
    free(x->k);
    free(x->v);
    free(x->out);
    free(x->lse);
    free(x->bias);
}

static attn_tensor view(void *data, int32_t dtype, int64_t heads, int64_t rows, int64_t width,
                        int64_t head_rows, int64_t head_width)
{
    attn_tensor t = {.data = data, .dtype = dtype, .rank = 4, .shape = {1, heads, rows, width}};
    t.stride[0] = heads * head_rows * head_width;
    t.stride[1] = head_rows * head_width;
    t.stride[2] = head_width;
    t.stride[3] = 1;
    return t;
}

/* Rows a..b-1 with the keys there are after them. */
static bool run(struct sequence *x, const char *solver, int64_t threads, int64_t a, int64_t b)
{
    attn_tensor q = view(x->q + (size_t)(a * x->d) * x->size, x->dtype, x->hq, b - a, x->d, x->n,
                         x->d);
    attn_tensor k = view(x->k, x->kv_dtype, x->hk, b, x->d, x->n, x->d);
    attn_tensor v = view(x->v, x->kv_dtype, x->hk, b, x->dv, x->n, x->dv);
    attn_tensor out = view(x->out + (size_t)(a * x->dv) * x->size, x->dtype, x->hq, b - a, x->dv,
                           x->n, x->dv);
    attn_tensor lse = {.data = x->lse + a, .dtype = ATTN_DTYPE_F32, .rank = 3,
                       .shape = {1, x->hq, b - a}, .stride = {x->hq * x->n, x->n, 1}};
    attn_tensor bias = view(x->bias + a * x->n, ATTN_DTYPE_F32, 1, b - a, b, x->n, x->n);
    attn_tensor sinks = {.data = x->sinks, .dtype = ATTN_DTYPE_F32, .rank = 1, .shape = {x->hq},
                         .stride = {1}};
    attn_arg args[] = {{.role = ATTN_ROLE_Q, .object = &q},
                       {.role = ATTN_ROLE_K, .object = &k},
                       {.role = ATTN_ROLE_V, .object = &v},
                       {.role = ATTN_ROLE_OUT, .object = &out},
                       {.role = ATTN_ROLE_LSE, .object = &lse},
                       {.role = ATTN_ROLE_BIAS, .object = &bias},
                       {.role = ATTN_ROLE_SINK_LOGITS, .object = &sinks}};
    size_t n = 5;
    if (x->has_bias)
        n++;
    if (x->has_sinks)
        args[n++] = args[6];
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    char why[300];
    int32_t status = attn_desc_parse(ctx[threads - 1], x->text, &desc);
    if (status == ATTN_OK && solver)
        status = attn_desc_set_text(desc, ATTN_PARAM_SOLVER, solver);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx[threads - 1], desc, &plan);
    if (status == ATTN_OK)
        status = attn_plan_execute(plan, args, n, NULL, 0);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    if (status == ATTN_OK)
        return true;
    attn_last_error(why, sizeof why);
    printf("FAILED %s: %s\n", x->text, why);
    failed = 1;
    return false;
}

/* The same sequence in pieces against `out` and `lse` of rows 0..upto-1. */
static void pieces(struct sequence *x, int style, int64_t upto, const char *out, const float *lse,
                   const char *what)
{
    static const char *const solvers[] = {"flash", "decode", NULL};
    memset(x->out, 0xa5, (size_t)(x->hq * x->n * x->dv) * x->size);
    memset(x->lse, 0xa5, (size_t)(x->hq * x->n) * sizeof *x->lse);
    /* token by token from somewhere near the end */
    int64_t near = style == 2 ? rng_int(&rng, 0, x->n) : 0;
    for (int64_t a = 0, b; a < x->n; a = b) {
        int64_t most = style == 0 ? x->n : style == 1 ? 150 : a < near ? near - a : 1;
        if (style == 2 && a > near + 40)
            most = x->n;
        b = style == 1 ? a + rng_int(&rng, 1, most) : a + most;
        b = b > x->n ? x->n : b;
        if (!run(x, solvers[rng_int(&rng, 0, 2)], rng_int(&rng, 1, THREADS), a, b))
            return;
    }
    for (int64_t h = 0; h < x->hq; h++) {
        for (int64_t i = 0; i < upto; i++) {
            int64_t r = h * x->n + i;
            size_t row = (size_t)x->dv * x->size, at = (size_t)r * row;
            if (memcmp(out + at, x->out + at, row) == 0 && memcmp(&lse[r], &x->lse[r], 4) == 0)
                continue;
            printf("FAILED %s: %s, style %d: row %" PRId64 " of head %" PRId64 " of %" PRId64
                   " rows\n", x->text, what, style, i, h, x->n);
            failed = 1;
            return;
        }
    }
}

static void one(void)
{
    struct sequence x;
    make(&x);
    if (run(&x, "flash", 1, 0, x.n)) {
        size_t bytes = (size_t)(x.hq * x.n * x.dv) * x.size, lse_bytes = (size_t)(x.hq * x.n) * 4;
        char *out = memory(bytes);
        float *lse = memory(lse_bytes);
        memcpy(out, x.out, bytes);
        memcpy(lse, x.lse, lse_bytes);
        for (int style = 0; style < 3; style++)
            pieces(&x, style, x.n, out, lse, "pieces");
        int64_t t = rng_int(&rng, 0, x.n - 1), h = rng_int(&rng, 0, x.hk - 1);
        store(x.v, (h * x.n + t) * x.dv + rng_int(&rng, 0, x.dv - 1), x.kv_dtype,
              rng_percent(&rng, 50) ? NAN : INFINITY);
        if (rng_percent(&rng, 50))
            store(x.k, (h * x.n + t) * x.d, x.kv_dtype, NAN);
        for (int style = 0; style < 3; style++)
            pieces(&x, style, t, out, lse, "before poison");
        free(out);
        free(lse);
    }
    drop(&x);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    int64_t count = 60;
    int32_t isa = -1;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strcmp(argv[i + 1], "fresh") == 0 ? (uint64_t)time(NULL) * 1000003u
                                                     : strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0)
            count = strtoll(argv[i + 1], NULL, 10);
        else
            for (isa = 99; isa >= 0; isa--)
                if (attn_isa_name(isa) && strcmp(attn_isa_name(isa), argv[i + 1]) == 0)
                    break;
    }
    if (isa >= 0 && !attn_isa_usable(isa))
        return SKIPPED;
    for (int n = 0; n < THREADS; n++)
        if (attn_ctx_create(NULL, &ctx[n]) != ATTN_OK ||
            attn_ctx_set_i64(ctx[n], ATTN_CTX_THREADS, n + 1) != ATTN_OK ||
            (isa >= 0 && attn_ctx_set_i64(ctx[n], ATTN_CTX_MAX_ISA, isa) != ATTN_OK))
            return 2;
    printf("seed %" PRIu64 "\n", seed);
    for (int64_t i = 0; i < count && !failed; i++) {
        rng.state = seed ^ (uint64_t)i * UINT64_C(0xD1342543DE82EF95);
        one();
        if (failed)
            printf("  in problem %" PRId64 "\n", i);
    }
    for (int n = 0; n < THREADS; n++)
        attn_ctx_destroy(ctx[n]);
    if (!failed)
        printf("ok: %" PRId64 " sequences\n", count);
    return failed;
}
