/* SPDX-License-Identifier: MIT */
/*
 * Recycled attention (policy=recycled_attention) made of forks, prunes and
 * executes that observe, as docs/mechanisms/recycled_attention.md says:
 * results against a NumPy model.
 * usage: test_cache_recycled FILE, made by make_cache_recycled.py
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

enum { HEADS = 4, KV = 2, D = 8, MOST = 64 };

struct model {
    attn_cache *cache;
    attn_plan *plan;
    int64_t full, recycled; /* sequences */
    int64_t keep;
    float out[HEADS * D];
};

static void ok(int32_t status, const char *what)
{
    char text[512];
    if (status == ATTN_OK)
        return;
    attn_last_error(text, sizeof text);
    fprintf(stderr, "error: %s: %s\n", what, text);
    exit(EXIT_FAILURE);
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static attn_tensor dense(void *data, int32_t dtype, int32_t rank, const int64_t *shape)
{
    attn_tensor t;
    ok(attn_tensor_init(&t, data, dtype, rank, shape), "tensor");
    return t;
}

/* The query stands at the last token that `seq` has. */
static void execute(struct model *m, int64_t seq, float *q)
{
    float lse[HEADS];
    int64_t offset[2] = {0, 1}, layer = 0;
    attn_view *view;
    ok(attn_view_create(m->cache, 1, NULL, &seq, NULL, &view), "view");
    attn_tensor tq = dense(q, ATTN_DTYPE_F32, 4, SHAPE(1, HEADS, 1, D));
    attn_tensor to = dense(m->out, ATTN_DTYPE_F32, 4, SHAPE(1, HEADS, 1, D));
    attn_tensor tl = dense(lse, ATTN_DTYPE_F32, 3, SHAPE(1, HEADS, 1));
    attn_tensor off = dense(offset, ATTN_DTYPE_I64, 1, SHAPE(2));
    attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1));
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq},      {ATTN_ROLE_Q_OFFSETS, 0, &off},
                             {ATTN_ROLE_VIEW, 0, view},  {ATTN_ROLE_LAYER, 0, &at},
                             {ATTN_ROLE_OUT, 0, &to},    {ATTN_ROLE_LSE, 0, &tl}};
    ok(attn_plan_execute(m->plan, args, 6, NULL, 0), "execute");
    attn_view_destroy(view);
}

/* n tokens for each of `seqs` sequences, k and v [KV][seqs * n][D]. */
static void append(struct model *m, size_t seqs, const int64_t *seq, int64_t n, float *k, float *v)
{
    const int64_t counts[2] = {n, n}, rows = (int64_t)seqs * n;
    attn_step *step;
    attn_tensor tk = dense(k, ATTN_DTYPE_F32, 4, SHAPE(1, KV, rows, D));
    attn_tensor tv = dense(v, ATTN_DTYPE_F32, 4, SHAPE(1, KV, rows, D));
    ok(attn_step_begin(m->cache, seqs, seq, counts, NULL, &step), "begin");
    ok(attn_step_write(step, 0, &tk, &tv), "write");
    ok(attn_step_commit(step, NULL, NULL), "commit");
    attn_step_destroy(step);
}

static void prune(struct model *m, int64_t seq, int64_t top, int64_t recent)
{
    const int32_t rules[2] = {ATTN_CACHE_PRUNE_TOP, ATTN_CACHE_PRUNE_RECENT};
    const int64_t values[2] = {top, recent};
    for (int64_t g = 0; g < KV; g++)
        ok(attn_cache_prune_scores(m->cache, seq, 0, g, rules, values, 2), "prune");
}

/* A new list: the best tokens by the weights of the query just executed. */
static void recycle(struct model *m)
{
    if (m->recycled)
        ok(attn_cache_seq_free(m->cache, m->recycled), "free");
    ok(attn_cache_fork(m->cache, m->full, -1, 0, &m->recycled), "fork");
    prune(m, m->recycled, m->keep, 0);
}

static void full_step(struct model *m, float *q, float *k, float *v)
{
    append(m, 1, &m->full, 1, k, v);
    execute(m, m->full, q);
    recycle(m);
}

static void recycled_step(struct model *m, float *q, const float *k, const float *v)
{
    const int64_t seqs[2] = {m->full, m->recycled};
    float both[2][KV * 2 * D];
    for (int64_t h = 0; h < KV; h++)
        for (int64_t i = 0; i < 2; i++) {
            memcpy(both[0] + (h * 2 + i) * D, k + h * D, D * sizeof *k);
            memcpy(both[1] + (h * 2 + i) * D, v + h * D, D * sizeof *v);
        }
    append(m, 2, seqs, 1, both[0], both[1]);
    execute(m, m->recycled, q);
    prune(m, m->recycled, m->keep - 1, 1);
}

static bool read_floats(FILE *file, float *x, int64_t n)
{
    bool good = true;
    for (int64_t i = 0; i < n && good; i++)
        good = fscanf(file, "%f", &x[i]) == 1;
    return good;
}

static bool read_prompt(FILE *file, struct model *m)
{
    static float k[KV * MOST * D], v[KV * MOST * D], q[HEADS * D];
    int64_t n = 0;
    if (fscanf(file, "%" SCNd64 " %" SCNd64, &n, &m->keep) != 2 || n > MOST ||
        !read_floats(file, k, KV * n * D) || !read_floats(file, v, KV * n * D) ||
        !read_floats(file, q, HEADS * D))
        return false;
    ok(attn_cache_seq_create(m->cache, &m->full), "create");
    append(m, 1, &m->full, n, k, v);
    execute(m, m->full, q);
    recycle(m);
    return true;
}

static bool read_step(FILE *file, struct model *m, bool full)
{
    float q[HEADS * D], k[KV * D], v[KV * D], want[HEADS * D];
    if (!read_floats(file, q, HEADS * D) || !read_floats(file, k, KV * D) ||
        !read_floats(file, v, KV * D) || !read_floats(file, want, HEADS * D))
        return false;
    if (full)
        full_step(m, q, k, v);
    else
        recycled_step(m, q, k, v);
    for (int i = 0; i < HEADS * D; i++)
        if (!(fabs((double)m->out[i] - (double)want[i]) < 2e-5)) {
            fprintf(stderr, "error: %s step: %g, expected %g\n", full ? "full" : "recycled",
                    (double)m->out[i], (double)want[i]);
            return false;
        }
    return true;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    struct model m = {0};
    attn_ctx *ctx;
    attn_desc *desc;
    char word[16];
    int steps[2] = {0, 0};
    if (!file) {
        fprintf(stderr, "usage: test_cache_recycled FILE\n");
        return 1;
    }
    ok(attn_ctx_create(NULL, &ctx), "ctx");
    ok(attn_desc_parse(ctx, "cache policy=recycled_attention h=2 d=8 cache_layers=1 cache_page=8 "
                            "cache_pages=99 cache_group=[0,1]", &desc), "desc");
    ok(attn_cache_create(ctx, desc, &m.cache), "cache");
    attn_desc_destroy(desc);
    ok(attn_desc_parse(ctx, "softmax h=4/2 q=1 k=inf d=8 packed view causal observe cache_page=8 "
                            "cache_group=[0,1]", &desc), "desc");
    ok(attn_plan_create(ctx, desc, &m.plan), "plan");
    attn_desc_destroy(desc);
    while (fscanf(file, "%15s", word) == 1) {
        bool prompt = strcmp(word, "prompt") == 0, full = strcmp(word, "full") == 0;
        if (prompt ? !read_prompt(file, &m) : !read_step(file, &m, full))
            return 1;
        steps[full] += !prompt;
    }
    ok(attn_cache_check(m.cache), "check");
    printf("%d full and %d recycled steps\n", steps[1], steps[0]);
    fclose(file);
    attn_plan_destroy(m.plan);
    attn_cache_destroy(m.cache);
    attn_ctx_destroy(ctx);
    return steps[0] < 20 || steps[1] < 10;
}
