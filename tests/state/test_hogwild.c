/* SPDX-License-Identifier: MIT */
/*
 * Blocks that several readers see in orders of their own (policy=hogwild):
 * results of a NumPy model, the same as of one sequence that has the blocks one
 * behind the other, blocks of several chunks, blocks appended to others, and
 * what is refused.
 * usage: test_hogwild FILE, made by make_hogwild.py
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"
#include "apart.h"

enum { HEADS = 4, KV = 2, D = 8, BLOCKS = 4, NEW = 4, MOST = 1500 };

static int failures;

static void ok(int32_t status, const char *what)
{
    char text[512];
    if (status == ATTN_OK)
        return;
    attn_last_error(text, sizeof text);
    fprintf(stderr, "error: %s: %s\n", what, text);
    exit(EXIT_FAILURE);
}

static void refused(int32_t status, int32_t want, const char *word)
{
    char text[512];
    attn_last_error(text, sizeof text);
    if (status == want && strstr(text, word))
        return;
    fprintf(stderr, "error: %s, expected %s and \"%s\": %s\n", attn_status_name(status),
            attn_status_name(want), word, text);
    failures++;
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static attn_tensor dense(void *data, int32_t dtype, int32_t rank, const int64_t *shape)
{
    attn_tensor t;
    ok(attn_tensor_init(&t, data, dtype, rank, shape), "tensor");
    return t;
}

static attn_cache *cache_of(attn_ctx *ctx, const char *options)
{
    char text[256];
    attn_desc *desc;
    attn_cache *cache;
    snprintf(text, sizeof text, "cache h=%d d=%d cache_layers=1 cache_page=64 cache_pages=999 %s",
             KV, D, options);
    ok(attn_desc_parse(ctx, text, &desc), text);
    ok(attn_cache_create(ctx, desc, &cache), text);
    attn_desc_destroy(desc);
    return cache;
}

static attn_plan *plan_of(attn_ctx *ctx, const char *options)
{
    char text[256];
    attn_desc *desc;
    attn_plan *plan;
    snprintf(text, sizeof text,
             "softmax b=%d h=%d/%d q=%d k=inf d=%d packed view causal rope=half %s", BLOCKS, HEADS,
             KV, NEW, D, options);
    ok(attn_desc_parse(ctx, text, &desc), text);
    ok(attn_plan_create(ctx, desc, &plan), text);
    attn_desc_destroy(desc);
    return plan;
}

/* q and out [HEADS][readers * rows][D] */
static int32_t execute(const attn_plan *plan, const attn_view *view, int64_t readers, int64_t rows,
                       float *q, float *out)
{
    int64_t offset[BLOCKS + 1], layer = 0;
    for (int64_t i = 0; i <= readers; i++)
        offset[i] = i * rows;
    attn_tensor tq = dense(q, ATTN_DTYPE_F32, 4, SHAPE(1, HEADS, readers * rows, D));
    attn_tensor to = dense(out, ATTN_DTYPE_F32, 4, SHAPE(1, HEADS, readers * rows, D));
    attn_tensor off = dense(offset, ATTN_DTYPE_I64, 1, SHAPE(readers + 1));
    attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1));
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq},     {ATTN_ROLE_Q_OFFSETS, 0, &off},
                             {ATTN_ROLE_VIEW, 0, view}, {ATTN_ROLE_LAYER, 0, &at},
                             {ATTN_ROLE_OUT, 0, &to}};
    return attn_plan_execute(plan, args, 5, NULL, 0);
}

static void compare(const float *out, const float *want, int64_t n, double most, const char *what)
{
    double off = apart_by(out, want, n);
    if (off <= most)
        return;
    fprintf(stderr, "error: %s: %g off\n", what, off);
    failures++;
}

/* Tokens first to first + n - 1 of k and v [KV][all][D]; written, not committed. */
static void write_rows(attn_step *step, int64_t seqs, const float *const *k, const float *const *v,
                       const int64_t *all, const int64_t *first, int64_t n)
{
    static float rows[2][KV * MOST * D];
    int64_t total = seqs * n;
    for (int64_t h = 0; h < KV; h++)
        for (int64_t i = 0; i < seqs; i++) {
            size_t bytes = (size_t)(n * D) * sizeof(float);
            memcpy(rows[0] + (h * total + i * n) * D, k[i] + (h * all[i] + first[i]) * D, bytes);
            memcpy(rows[1] + (h * total + i * n) * D, v[i] + (h * all[i] + first[i]) * D, bytes);
        }
    attn_tensor tk = dense(rows[0], ATTN_DTYPE_F32, 4, SHAPE(1, KV, total, D));
    attn_tensor tv = dense(rows[1], ATTN_DTYPE_F32, 4, SHAPE(1, KV, total, D));
    ok(attn_step_write(step, 0, &tk, &tv), "write");
}

static int64_t block_of(attn_cache *cache, const float *k, const float *v, int64_t all, int64_t n)
{
    int64_t id, zero = 0;
    attn_step *step;
    ok(attn_cache_seq_create(cache, &id), "create");
    if (n == 0)
        return id;
    ok(attn_step_begin(cache, 1, &id, &n, NULL, &step), "begin");
    write_rows(step, 1, &k, &v, &all, &zero, n);
    ok(attn_step_commit(step, NULL, NULL), "commit");
    attn_step_destroy(step);
    return id;
}

/* ---- the model */

static const char *const solvers[] = {"solver=decode", "solver=flash", "solver=reference", ""};

struct model {
    int64_t blocks, readers, rows;
    int64_t length[BLOCKS], id[BLOCKS];
    float k[BLOCKS][KV * 64 * D], v[BLOCKS][KV * 64 * D];
    int64_t counts[BLOCKS], order[BLOCKS * BLOCKS], own[BLOCKS];
    float q[HEADS * BLOCKS * NEW * D], want[HEADS * BLOCKS * NEW * D];
};

static bool read_floats(FILE *file, float *x, int64_t n)
{
    bool good = true;
    for (int64_t i = 0; i < n && good; i++)
        good = fscanf(file, "%f", &x[i]) == 1;
    return good;
}

static bool read_blocks(FILE *file, struct model *m)
{
    char word[16];
    bool good = true;
    for (int64_t i = 0; i < m->blocks && good; i++)
        good = fscanf(file, "%15s %" SCNd64, word, &m->length[i]) == 2 && m->length[i] <= 64 &&
               read_floats(file, m->k[i], KV * m->length[i] * D) &&
               read_floats(file, m->v[i], KV * m->length[i] * D);
    return good;
}

static bool read_readers(FILE *file, struct model *m)
{
    char word[16];
    int64_t at = 0, total = m->readers * m->rows;
    bool good = true;
    for (int64_t w = 0; w < m->readers && good; w++) {
        good = fscanf(file, "%15s %" SCNd64, word, &m->counts[w]) == 2;
        for (int64_t i = 0; i < m->counts[w] && good; i++)
            good = fscanf(file, "%" SCNd64, &m->order[at++]) == 1;
        m->own[w] = m->order[at - 1];
        for (int64_t h = 0; h < HEADS && good; h++)
            good = read_floats(file, m->q + (h * total + w * m->rows) * D, m->rows * D);
        for (int64_t h = 0; h < HEADS && good; h++)
            good = read_floats(file, m->want + (h * total + w * m->rows) * D, m->rows * D);
    }
    return good;
}

/* The blocks without their newest tokens where somebody writes, then a step of
 * all that write. */
static void run_model(attn_ctx *ctx, struct model *m)
{
    static float out[HEADS * BLOCKS * NEW * D];
    attn_cache *cache = cache_of(ctx, "policy=hogwild");
    attn_step *step;
    attn_view *view;
    int64_t seq[BLOCKS], counts[BLOCKS], all[BLOCKS], first[BLOCKS], ids[BLOCKS * BLOCKS], n = 0;
    const float *k[BLOCKS], *v[BLOCKS];
    for (int64_t i = 0; i < m->blocks; i++) {
        int64_t past = m->length[i];
        for (int64_t w = 0; w < m->readers; w++)
            past -= m->own[w] == i ? m->rows : 0;
        m->id[i] = block_of(cache, m->k[i], m->v[i], m->length[i], past);
    }
    for (int64_t w = 0; w < m->readers; w++) {
        int64_t own = m->own[w];
        seq[w] = m->id[own];
        counts[w] = m->rows;
        all[w] = m->length[own];
        first[w] = all[w] - m->rows;
        k[w] = m->k[own];
        v[w] = m->v[own];
        n += m->counts[w];
    }
    for (int64_t i = 0; i < n; i++)
        ids[i] = m->id[m->order[i]];
    ok(attn_step_begin(cache, (size_t)m->readers, seq, counts, NULL, &step), "begin");
    ok(attn_view_create(cache, (size_t)m->readers, m->counts, ids, NULL, &view), "view");
    for (size_t s = 0; s < sizeof solvers / sizeof solvers[0]; s++) {
        char options[128];
        snprintf(options, sizeof options, "cache_keys=block_local %s", solvers[s]);
        attn_plan *plan = plan_of(ctx, options);
        if (s == 0) {
            refused(execute(plan, view, m->readers, m->rows, m->q, out), ATTN_ERR_STATE, "written");
            write_rows(step, m->readers, k, v, all, first, m->rows);
        }
        ok(execute(plan, view, m->readers, m->rows, m->q, out), "execute");
        compare(out, m->want, HEADS * m->readers * m->rows * D, 1e-5, options);
        attn_plan_destroy(plan);
    }
    attn_view_destroy(view);
    attn_step_destroy(step);
    attn_cache_destroy(cache);
}

static void check_model(attn_ctx *ctx, const char *path)
{
    static struct model m;
    FILE *file = fopen(path, "r");
    int cases = 0;
    if (!file) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    while (fscanf(file, " case %" SCNd64 " %" SCNd64 " %" SCNd64, &m.blocks, &m.readers,
                  &m.rows) == 3) {
        cases++;
        if (!read_blocks(file, &m) || !read_readers(file, &m)) {
            fprintf(stderr, "error: case %d does not read\n", cases);
            exit(EXIT_FAILURE);
        }
        run_model(ctx, &m);
    }
    failures += cases < 4;
    fclose(file);
}

/* ---- long blocks */

/* Turned by positions from `first` on, pairs half a row apart. */
static void turn(float *k, int64_t rows, int64_t first)
{
    for (int64_t i = 0; i < rows; i++)
        for (int c = 0; c < D / 2; c++) {
            double angle = (double)(first + i) * pow(10000, -2.0 * c / D);
            double x = (double)k[i * D + c], y = (double)k[i * D + c + D / 2];
            k[i * D + c] = (float)(x * cos(angle) - y * sin(angle));
            k[i * D + c + D / 2] = (float)(y * cos(angle) + x * sin(angle));
        }
}

/* All tokens of some blocks one behind the other, keys not turned. */
struct whole {
    int64_t n, tokens;
    const int64_t *length; /* [n] */
    float k[KV * 2 * MOST * D], v[KV * 2 * MOST * D];
};

/* A sequence for each block. */
static void make_blocks(attn_cache *cache, const struct whole *w, int64_t *id)
{
    static float k[KV * MOST * D], v[KV * MOST * D];
    for (int64_t b = 0, at = 0; b < w->n; at += w->length[b++]) {
        int64_t n = w->length[b];
        for (int64_t h = 0; h < KV; h++) {
            size_t bytes = (size_t)(n * D) * sizeof *k;
            memcpy(k + h * n * D, w->k + (h * w->tokens + at) * D, bytes);
            memcpy(v + h * n * D, w->v + (h * w->tokens + at) * D, bytes);
            turn(k + h * n * D, n, 0);
        }
        id[b] = block_of(cache, k, v, n, n);
    }
}

/* One sequence of all, block by block; turns the keys. */
static int64_t make_one(attn_cache *cache, struct whole *w)
{
    const float *k = w->k, *v = w->v;
    int64_t id;
    for (int64_t h = 0; h < KV; h++)
        turn(w->k + h * w->tokens * D, w->tokens, 0);
    ok(attn_cache_seq_create(cache, &id), "create");
    for (int64_t b = 0, at = 0; b < w->n; at += w->length[b++]) {
        attn_step *step;
        ok(attn_step_begin(cache, 1, &id, &w->length[b], NULL, &step), "begin");
        write_rows(step, 1, &k, &v, &w->tokens, &at, w->length[b]);
        ok(attn_step_commit(step, NULL, NULL), "commit");
        attn_step_destroy(step);
    }
    return id;
}

/* The last rows of a query sequence that reads n sequences. */
static void read_last(attn_ctx *ctx, const char *options, attn_cache *cache, int64_t n,
                      const int64_t *id, float *q, float *out)
{
    attn_plan *plan = plan_of(ctx, options);
    attn_view *view;
    ok(attn_view_create(cache, 1, &n, id, NULL, &view), "view");
    ok(execute(plan, view, 1, NEW, q, out), "execute");
    attn_view_destroy(view);
    attn_plan_destroy(plan);
}

/* Blocks of several chunks against one sequence of all, and the blocks after the
 * last of them were appended to those in front. */
static void check_long(attn_ctx *ctx, int64_t n, const int64_t *length, const char *solver)
{
    static struct whole w;
    static float out[2][HEADS * NEW * D], q[HEADS * NEW * D];
    struct rng rng = {9};
    char options[128];
    int64_t id[BLOCKS], one_id;
    attn_cache *cache = cache_of(ctx, "cache_keys=block_local rope=half");
    attn_cache *one = cache_of(ctx, "cache_keys=rotated");
    w.n = n;
    w.length = length;
    w.tokens = 0;
    for (int64_t i = 0; i < n; i++)
        w.tokens += length[i];
    for (int64_t i = 0; i < KV * w.tokens * D; i++) {
        w.k[i] = (float)(rng_unit(&rng) * 4 - 2);
        w.v[i] = (float)(rng_unit(&rng) * 4 - 2);
    }
    for (int64_t i = 0; i < HEADS * NEW * D; i++)
        q[i] = (float)(rng_unit(&rng) * 4 - 2);
    make_blocks(cache, &w, id);
    one_id = make_one(one, &w);
    read_last(ctx, solver, one, 1, &one_id, q, out[1]);
    snprintf(options, sizeof options, "cache_keys=block_local %s", solver);
    for (int64_t left = n; left > 0; left--) {
        if (left < n)
            ok(attn_cache_append(cache, id[left - 1], id[left]), "append");
        read_last(ctx, options, cache, left, id, q, out[0]);
        compare(out[0], out[1], HEADS * NEW * D, 2e-5, options);
    }
    ok(attn_cache_check(cache), "check");
    attn_cache_destroy(cache);
    attn_cache_destroy(one);
}

/* ---- refusals */

static void refuse_plan(attn_ctx *ctx, const char *options, int32_t want, const char *word)
{
    char text[256];
    attn_desc *desc;
    attn_plan *plan = NULL;
    snprintf(text, sizeof text, "softmax h=2 q=4 k=inf d=8 view causal cache_keys=block_local %s",
             options);
    ok(attn_desc_parse(ctx, text, &desc), text);
    refused(attn_plan_create(ctx, desc, &plan), want, word);
    attn_desc_destroy(desc);
}

static void check_refusals(attn_ctx *ctx)
{
    static float k[KV * 8 * D], q[HEADS * D], out[HEADS * D];
    const int64_t all = 4, two = 2, count = 2;
    const int32_t branches[2] = {-1, -1};
    int64_t id[2], no_rope, window, missing;
    attn_view *view;
    attn_step *step;
    refuse_plan(ctx, "", ATTN_ERR_INVALID, "rope");
    refuse_plan(ctx, "rope=half rope_apply=qk", ATTN_ERR_INVALID, "rope_apply");
    refuse_plan(ctx, "rope=half rope_scaling=dynamic_ntk rope_factor=2 rope_original=64",
                ATTN_ERR_INVALID, "dynamic_ntk");
    refuse_plan(ctx, "rope=half rope_attention=0.5", ATTN_ERR_UNSUPPORTED, "attention");
    refuse_plan(ctx, "rope=half invariant=chunk", ATTN_ERR_UNSUPPORTED, "invariant");
    attn_cache *cache = cache_of(ctx, "policy=hogwild rope=half");
    attn_cache *turned = cache_of(ctx, "");
    attn_plan *plan = plan_of(ctx, "");
    for (int i = 0; i < 2; i++)
        id[i] = block_of(cache, k, k, all, all);
    ok(attn_view_create(cache, 1, NULL, id, NULL, &view), "view");
    refused(execute(plan, view, 1, 1, q, out), ATTN_ERR_INVALID, "block_local");
    attn_view_destroy(view);
    /* a step in front of the own block may not branch; it is fine where it does not */
    ok(attn_step_begin(cache, 1, id, &count, branches, &step), "begin");
    refused(attn_view_create(cache, 1, &two, id, NULL, &view), ATTN_ERR_UNSUPPORTED, "branches");
    refused(attn_cache_append(cache, id[1], id[0]), ATTN_ERR_BUSY, "from");
    refused(attn_cache_append(cache, id[0], id[1]), ATTN_ERR_BUSY, "seq");
    attn_step_destroy(step);
    refused(attn_cache_append(cache, id[0], id[1] + 77), ATTN_ERR_BAD_ID, "from");
    refused(attn_cache_append(NULL, id[0], id[1]), ATTN_ERR_NULL, "cache");
    no_rope = block_of(turned, k, k, all, all);
    refused(attn_cache_append(turned, no_rope, no_rope), ATTN_ERR_UNSUPPORTED, "rope");
    missing = block_of(cache, k, k, all, all);
    ok(attn_cache_remove(cache, missing, 1, 2), "remove");
    refused(attn_cache_append(cache, id[0], missing), ATTN_ERR_UNAVAILABLE, "from");
    /* to itself, and nothing */
    ok(attn_cache_append(cache, id[0], id[0]), "append");
    ok(attn_cache_seq_create(cache, &window), "create");
    ok(attn_cache_append(cache, id[0], window), "append");
    ok(attn_cache_seq_get_i64(cache, id[0], ATTN_CACHE_SEQ_NEXT, &window), "length");
    failures += window != 2 * all;
    ok(attn_cache_check(cache), "check");
    attn_plan_destroy(plan);
    attn_cache_destroy(cache);
    attn_cache_destroy(turned);
}

int main(int argc, char **argv)
{
    attn_ctx *ctx;
    if (argc != 2) {
        fprintf(stderr, "usage: test_hogwild FILE\n");
        return 1;
    }
    ok(attn_ctx_create(NULL, &ctx), "ctx");
    check_model(ctx, argv[1]);
    for (size_t s = 0; s < sizeof solvers / sizeof solvers[0]; s++) {
        check_long(ctx, 3, SHAPE(700, 1100, 40), solvers[s]);
        check_long(ctx, 2, SHAPE(130, 9), solvers[s]);
    }
    check_refusals(ctx);
    attn_ctx_destroy(ctx);
    printf("%s: blocks in orders of their own\n", failures ? "FAIL" : "ok");
    return failures != 0;
}
