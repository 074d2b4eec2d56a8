/* SPDX-License-Identifier: MIT */
/*
 * Batches of views against one sequence at a time, on one thread: the same
 * bits. Ragged lengths, and sequences that begin with the same pages, whose
 * common chunks one pass reads for all (solvers/prefixes).
 * usage: test_view_batch [--longest N] [--seed N] [--count N]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"

enum { SEQS = 64, LAYERS = 2, CHUNK = 1024 };

struct setup {
    struct rng rng;
    attn_ctx *ctx[2]; /* of two threads, and of one */
    attn_cache *cache;
    int64_t hk, ratio, d, page, groups;
    bool raw;
    const char *type;
};

/* What an execute is asked. */
struct batch {
    int64_t n, total, most; /* sequences; rows, and of one sequence at most */
    int64_t offset[SEQS + 1];
    const char *options;
};

/* What it gives. */
struct result {
    float *out, *lse;
    int64_t counts[4];
};

static void die(const char *what)
{
    char text[512];
    attn_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static void ok(int32_t status, const char *what)
{
    if (status != ATTN_OK)
        die(what);
}

static int64_t draw(struct setup *s, int64_t n)
{
    return (int64_t)(rng_next(&s->rng) % (uint64_t)n);
}

static void *room(size_t bytes)
{
    void *p = malloc(bytes > 0 ? bytes : 1);
    if (!p)
        exit(1);
    return p;
}

static float *numbers(struct setup *s, int64_t n)
{
    float *x = room((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((int64_t)(rng_next(&s->rng) >> 40) - (1 << 23)) * 0x1p-22f;
    return x;
}

static attn_tensor dense(void *data, int32_t dtype, int32_t rank, const int64_t *shape)
{
    attn_tensor t;
    ok(attn_tensor_init(&t, data, dtype, rank, shape), "tensor");
    return t;
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static void make_cache(struct setup *s)
{
    char text[512];
    attn_desc *desc;
    sprintf(text,
            "cache cache_layers=%d cache_pages=1000000 cache_page=%d h=%d d=%d kv_dtype=%s "
            "cache_keys=%s%s",
            LAYERS, (int)s->page, (int)s->hk, (int)s->d, s->type, s->raw ? "raw" : "rotated",
            s->groups == 2 ? " cache_group=[0,1] cache_window=[inf,200]" : "");
    ok(attn_desc_parse(s->ctx[0], text, &desc), text);
    ok(attn_cache_create(s->ctx[0], desc, &s->cache), text);
    attn_desc_destroy(desc);
}

/* n more tokens; layers that are alike. The step stays open if asked for. */
static attn_step *extend(struct setup *s, int64_t seqs, const int64_t *id, const int64_t *counts,
                         const int32_t *parents, bool open)
{
    attn_step *step;
    int64_t n = 0;
    for (int64_t i = 0; i < seqs; i++)
        n += counts[i];
    float *k = numbers(s, s->hk * n * s->d), *v = numbers(s, s->hk * n * s->d);
    attn_tensor tk = dense(k, ATTN_DTYPE_F32, 4, SHAPE(1, s->hk, n, s->d));
    attn_tensor tv = dense(v, ATTN_DTYPE_F32, 4, SHAPE(1, s->hk, n, s->d));
    ok(attn_step_begin(s->cache, (size_t)seqs, id, counts, parents, &step), "begin");
    for (int64_t layer = 0; layer < LAYERS; layer++)
        ok(attn_step_write(step, layer, &tk, &tv), "write");
    free(k);
    free(v);
    if (open)
        return step;
    ok(attn_step_commit(step, NULL, NULL), "commit");
    attn_step_destroy(step);
    return NULL;
}

static void append(struct setup *s, int64_t id, int64_t n)
{
    if (n > 0)
        (void)extend(s, 1, &id, &n, NULL, false);
}

static int64_t new_seq(struct setup *s, int64_t n)
{
    int64_t id;
    ok(attn_cache_seq_create(s->cache, &id), "create");
    append(s, id, n);
    return id;
}

static attn_plan *plan_of(const struct setup *s, int threads, const struct batch *b)
{
    char text[512];
    attn_desc *desc;
    attn_plan *plan;
    sprintf(text,
            "softmax b=%d h=%d/%d q=%d k=inf d=%d packed view kv_dtype=%s cache_page=%d "
            "cache_keys=%s want=counts %s%s",
            (int)b->n, (int)(s->hk * s->ratio), (int)s->hk, (int)b->most, (int)s->d, s->type,
            (int)s->page, s->raw ? "raw rope=half" : "rotated",
            s->groups == 2 ? "cache_group=[0,1] " : "", b->options);
    ok(attn_desc_parse(s->ctx[threads == 1], text, &desc), text);
    ok(attn_plan_create(s->ctx[threads == 1], desc, &plan), text);
    attn_desc_destroy(desc);
    return plan;
}

/* Sequences first to first + n - 1 of the batch. */
static void execute(const struct setup *s, const struct batch *b, const attn_plan *plan,
                    const attn_view *view, float *q, int64_t first, int64_t n, struct result *r)
{
    int64_t heads = s->hk * s->ratio, layer = 1, offset[SEQS + 1];
    int64_t rows = b->offset[first + n] - b->offset[first];
    for (int64_t i = 0; i <= n; i++)
        offset[i] = b->offset[first + i] - b->offset[first];
    const int64_t shape[] = {1, heads, rows, s->d};
    attn_tensor tq = dense(q, ATTN_DTYPE_F32, 4, shape);
    attn_tensor out = dense(r->out, ATTN_DTYPE_F32, 4, shape);
    attn_tensor lse = dense(r->lse, ATTN_DTYPE_F32, 3, shape);
    attn_tensor *all[] = {&tq, &out, &lse};
    for (int i = 0; i < 3; i++)
        all[i]->stride[1] = b->total * (i < 2 ? s->d : 1);
    tq.data = q + b->offset[first] * s->d;
    out.data = r->out + b->offset[first] * s->d;
    lse.data = r->lse + b->offset[first];
    attn_tensor off = dense(offset, ATTN_DTYPE_I64, 1, SHAPE(n + 1));
    attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1));
    attn_tensor counts = dense(r->counts, ATTN_DTYPE_I64, 1, SHAPE(4));
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq},        {ATTN_ROLE_Q_OFFSETS, 0, &off},
                             {ATTN_ROLE_VIEW, 0, view},    {ATTN_ROLE_LAYER, 0, &at},
                             {ATTN_ROLE_OUT, 0, &out},     {ATTN_ROLE_COUNTS, 0, &counts},
                             {ATTN_ROLE_LSE, 0, &lse}};
    size_t n_args = strstr(b->options, "sigmoid") ? 6 : 7; /* which has no LSE */
    ok(attn_plan_execute(plan, args, n_args, NULL, 0), b->options);
}

/* segments: how many ids each sequence of the batch has. Returns tiles that the
 * batch left out beside single sequences. */
static int64_t compare(struct setup *s, const struct batch *b, const int64_t *segments,
                       const int64_t *ids)
{
    int64_t heads = s->hk * s->ratio, rows = heads * b->total, tiles = 0, at = 0;
    float *q = numbers(s, rows * s->d);
    struct result r[2];
    attn_view *view;
    for (int i = 0; i < 2; i++)
        r[i] = (struct result){.out = room((size_t)(rows * s->d) * sizeof(float)),
                               .lse = room((size_t)rows * sizeof(float))};
    for (int i = 0; i < 2; i++)
        memset(r[i].lse, 0, (size_t)rows * sizeof(float)); /* sigmoid writes none */
    attn_plan *plan = plan_of(s, 2, b), *single = plan_of(s, 1, b);
    ok(attn_view_create(s->cache, (size_t)b->n, segments, ids, NULL, &view), "view");
    execute(s, b, plan, view, q, 0, b->n, &r[0]);
    attn_view_destroy(view);
    for (int64_t i = 0; i < b->n; at += segments[i++]) {
        ok(attn_view_create(s->cache, 1, segments + i, ids + at, NULL, &view), "view");
        execute(s, b, single, view, q, i, 1, &r[1]);
        attn_view_destroy(view);
        tiles += r[1].counts[2];
    }
    if (memcmp(r[0].out, r[1].out, (size_t)(rows * s->d) * 4) != 0 ||
        memcmp(r[0].lse, r[1].lse, (size_t)rows * 4) != 0) {
        fprintf(stderr, "%s: a batch of %d differs from single sequences\n", b->options, (int)b->n);
        exit(1);
    }
    tiles -= r[0].counts[2];
    for (int i = 0; i < 2; i++) {
        free(r[i].out);
        free(r[i].lse);
    }
    attn_plan_destroy(plan);
    attn_plan_destroy(single);
    free(q);
    return tiles;
}

static void ragged(struct setup *s, int64_t longest)
{
    static const char *const types[] = {"f32", "q8_0"};
    int64_t ids[SEQS], segments[SEQS];
    struct batch b = {.n = SEQS, .total = SEQS, .most = 1, .options = "causal"};
    for (int type = 0; type < 2; type++) {
        s->hk = 2;
        s->ratio = 2;
        s->d = 32;
        s->page = 64;
        s->type = types[type];
        make_cache(s);
        for (int64_t n = 0; n < SEQS; n++) {
            int64_t part = (n * 37 % SEQS) * (longest - 16) / (SEQS - 1);
            ids[n] = new_seq(s, 16 + part);
            segments[n] = 1;
            b.offset[n + 1] = n + 1;
        }
        if (compare(s, &b, segments, ids) != 0)
            die("nothing to share, but tiles were left out");
        attn_cache_destroy(s->cache);
    }
}

/* A tree of forks: every sequence has another up to some token for its begin. */
static void grow(struct setup *s, int64_t n, int64_t *ids)
{
    int64_t length[SEQS];
    for (int64_t i = 0; i < n; i++) {
        bool forks = i > 0 && draw(s, 8) > 0;
        int64_t from = forks ? draw(s, draw(s, 2) ? i : 1) : 0, most = forks ? length[from] : 0;
        int64_t upto = draw(s, 2) ? most : draw(s, most + 1);
        if (!forks ||
            attn_cache_fork(s->cache, ids[from], upto, ATTN_CACHE_LOSSY, &ids[i]) != ATTN_OK) {
            upto = 0;
            ids[i] = new_seq(s, 0);
        }
        int64_t more = 1 + draw(s, upto ? 300 : 3 * CHUNK);
        append(s, ids[i], more);
        length[i] = upto + more;
        if (draw(s, 4) == 0) /* a hole, which later forks have as well */
            ok(attn_cache_remove(s->cache, ids[i], length[i] / 3, length[i] / 2), "remove");
    }
}

static int64_t shared(struct setup *s, uint64_t seed)
{
    static const char *const types[] = {"f32", "f16", "q8_0"};
    static const char *const options[] = {"causal", "causal solver=decode", "causal softcap=5",
                                          "causal solver=decode invariant=chunk",
                                          "causal solver=decode alibi", "solver=decode",
                                          "causal solver=decode compute=int8",
                                          "causal solver=decode normalizer=exp_n",
                                          "causal solver=decode normalizer=sigmoid"};
    int64_t ids[SEQS], read[2 * SEQS], segments[SEQS], counts[SEQS];
    int32_t parents[SEQS * 48];
    s->rng.state = seed;
    s->hk = 1 + draw(s, 2);
    s->ratio = draw(s, 5) ? 1 + draw(s, 5) : 40;
    s->d = 32;
    s->page = INT64_C(16) << draw(s, 4);
    s->type = types[draw(s, 3)];
    s->raw = draw(s, 3) == 0;
    s->groups = s->hk == 2 && draw(s, 2) ? 2 : 1;
    struct batch b = {.n = 2 + draw(s, 8), .options = options[draw(s, 9)]};
    if (strstr(b.options, "int8"))
        s->type = draw(s, 2) ? "q8_0" : "q4_0";
    bool all = !strstr(b.options, "causal"), memory = s->groups == 1 && draw(s, 4) == 0;
    bool single = draw(s, 3) == 0;
    if (all)
        s->groups = 1;
    make_cache(s);
    grow(s, b.n, ids);
    int64_t common = memory ? new_seq(s, CHUNK + draw(s, CHUNK)) : 0;
    for (int64_t i = 0, at = 0; i < b.n; i++) {
        counts[i] = single || draw(s, 3) ? 1 : 1 + draw(s, draw(s, 3) ? 4 : 48);
        for (int64_t t = 0; t < counts[i]; t++)
            parents[b.offset[i] + t] =
                (int32_t)(draw(s, 4) || strstr(b.options, "alibi") ? t - 1 : draw(s, t + 1) - 1);
        b.total = b.offset[i + 1] = b.offset[i] + counts[i];
        b.most = counts[i] > b.most ? counts[i] : b.most;
        segments[i] = memory && draw(s, 4) ? 2 : 1;
        if (segments[i] == 2)
            read[at++] = common;
        read[at++] = ids[i];
    }
    attn_step *step = all ? NULL : extend(s, b.n, ids, counts, parents, true);
    int64_t saved = compare(s, &b, segments, read);
    attn_step_destroy(step);
    attn_cache_destroy(s->cache);
    return saved;
}

int main(int argc, char **argv)
{
    int64_t longest = 3000, count = 30, saved = 0, sharing = 0;
    uint64_t seed = 1;
    struct setup s = {.groups = 1};
    for (int n = 1; n + 1 < argc; n += 2) {
        if (strcmp(argv[n], "--longest") == 0)
            longest = strtoll(argv[n + 1], NULL, 10);
        else if (strcmp(argv[n], "--seed") == 0)
            seed = strtoull(argv[n + 1], NULL, 10);
        else if (strcmp(argv[n], "--count") == 0)
            count = strtoll(argv[n + 1], NULL, 10);
    }
    for (int n = 0; n < 2; n++) {
        ok(attn_ctx_create(NULL, &s.ctx[n]), "ctx");
        ok(attn_ctx_set_i64(s.ctx[n], ATTN_CTX_THREADS, 2 - n), "threads");
    }
    s.rng.state = seed;
    ragged(&s, longest);
    for (int64_t n = 0; n < count; n++) {
        int64_t tiles = shared(&s, seed * 1000003 + (uint64_t)n);
        saved += tiles;
        sharing += tiles > 0;
    }
    printf("%" PRId64 " batches, %" PRId64 " of them shared %" PRId64 " tiles\n", count, sharing,
           saved);
    if (sharing * 4 < count)
        die("too few batches shared anything");
    for (int n = 0; n < 2; n++)
        attn_ctx_destroy(s.ctx[n]);
    return 0;
}
