/* SPDX-License-Identifier: MIT */
/*
 * Executes that read pools of the caller against executes that read tensors:
 * random pools (types, orders of their dimensions, layers), random pages for
 * sequences of any lengths, NaN where no token is. The same solver gives the
 * same bits. Then what is refused.
 * usage: test_view_raw [--seed N|fresh] [--count N]
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <attn/attn.h>

#include "../mech/rng.h"
#include "base/dtype.h"

enum { LAYERS = 2, SEQS = 4, MOST = 150, MOST_Q = 20, HK = 3, H = 6, D = 24, PAGES = 90 };

struct setup {
    struct rng *rng;
    attn_ctx *ctx;
    int64_t hk, ratio, d, dv, slots, pages, n;
    int64_t length[SEQS], rows[SEQS], offset[SEQS + 1], q_offset[SEQS + 1], page[SEQS * MOST];
    int32_t dtype;
    bool narrow; /* tables of i32 */
    const char *options;
    char *memory;                     /* of all pools */
    attn_tensor k[LAYERS], v[LAYERS]; /* the pools */
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

static attn_tensor dense(void *data, int32_t dtype, int32_t rank, const int64_t *shape)
{
    attn_tensor t;
    ok(attn_tensor_init(&t, data, dtype, rank, shape), "tensor");
    return t;
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static attn_plan *plan_of(const struct setup *s, const char *text)
{
    attn_desc *desc;
    attn_plan *plan;
    ok(attn_desc_parse(s->ctx, text, &desc), text);
    ok(attn_plan_create(s->ctx, desc, &plan), text);
    attn_desc_destroy(desc);
    return plan;
}

/* ---- pools */

/* Pools with gaps, dimensions in a random order but for the channels, keys and
 * values of all layers one behind the other. */
static void make_pools(struct setup *s)
{
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {2, 0, 1}, {2, 1, 0}};
    const int *order = orders[rng_int(s->rng, 0, 4)];
    int64_t size = (int64_t)attn__dtype_size(s->dtype), used = 0, begin[LAYERS][2];
    for (int l = 0; l < LAYERS; l++)
        for (int kind = 0; kind < 2; kind++) {
            attn_tensor *t = kind ? &s->v[l] : &s->k[l];
            int64_t width = kind ? s->dv : s->d, stride = width + (l == 0 ? rng_int(s->rng, 0, 3)
                                                                          : 0);
            *t = (attn_tensor){.dtype = s->dtype, .rank = 4,
                               .shape = {s->pages, s->slots, s->hk, width}};
            t->stride[3] = 1;
            for (int i = 2; i >= 0; i--) {
                t->stride[order[i]] = stride;
                stride *= t->shape[order[i]];
            }
            if (l > 0) {
                memcpy(t->stride, (kind ? s->v : s->k)->stride, sizeof t->stride);
                stride = t->stride[order[0]] * t->shape[order[0]];
            }
            begin[l][kind] = used * size;
            used += stride;
        }
    s->memory = malloc((size_t)(used * size));
    if (!s->memory)
        exit(1);
    for (int64_t i = 0; i < used; i++)
        attn__store_f64(s->memory, i, s->dtype, NAN);
    for (int l = 0; l < LAYERS; l++) {
        s->k[l].data = s->memory + begin[l][0];
        s->v[l].data = s->memory + begin[l][1];
    }
}

static int64_t place(const struct setup *s, const attn_tensor *pool, int64_t seq, int64_t token,
                     int64_t head)
{
    int64_t page = s->page[s->offset[seq] + token / s->slots];
    return page * pool->stride[0] + token % s->slots * pool->stride[1] + head * pool->stride[2];
}

/* Different pages for all, and some more than lengths need. */
static void make_tables(struct setup *s)
{
    int64_t unused[PAGES], left = s->pages;
    for (int64_t i = 0; i < s->pages; i++)
        unused[i] = i;
    s->offset[0] = rng_int(s->rng, 0, 2); /* of pages that no sequence has */
    for (int64_t i = 0; i < s->offset[0]; i++)
        s->page[i] = -1;
    for (int64_t q = 0; q < s->n; q++) {
        int64_t most = left * s->slots < MOST ? left * s->slots : MOST;
        s->length[q] = rng_int(s->rng, 0, 3) ? rng_int(s->rng, 0, most) : 0;
        int64_t needed = (s->length[q] + s->slots - 1) / s->slots, at = s->offset[q];
        for (int64_t i = 0; i < needed; i++) {
            int64_t pick = rng_int(s->rng, 0, left - 1);
            s->page[at++] = unused[pick];
            unused[pick] = unused[--left];
        }
        for (int64_t i = rng_int(s->rng, 0, 2); i > 0; i--)
            s->page[at++] = 1 << 30; /* not looked at */
        s->offset[q + 1] = at;
        int64_t rows = rng_int(s->rng, 0, 2) ? rng_int(s->rng, 0, 2) : rng_int(s->rng, 0, MOST_Q);
        s->rows[q] = rows < s->length[q] ? rows : s->length[q];
        s->q_offset[q + 1] = s->q_offset[q] + s->rows[q];
    }
    for (int l = 0; l < LAYERS; l++)
        for (int64_t q = 0; q < s->n; q++)
            for (int64_t t = 0; t < s->length[q]; t++)
                for (int64_t h = 0; h < s->hk; h++)
                    for (int kind = 0; kind < 2; kind++) {
                        const attn_tensor *pool = kind ? &s->v[l] : &s->k[l];
                        for (int64_t e = 0; e < pool->shape[3]; e++)
                            attn__store_f64(pool->data, place(s, pool, q, t, h) + e, s->dtype,
                                            (double)rng_int(s->rng, -50, 50) / 32);
                    }
}

static void choose(struct setup *s)
{
    static const char *const options[] = {"solver=reference", "solver=decode", "solver=flash",
                                          "solver=decode invariant=chunk"};
    static const int32_t dtypes[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F16, ATTN_DTYPE_BF16};
    s->dtype = dtypes[rng_int(s->rng, 0, 2)];
    s->options = options[rng_int(s->rng, 0, 3)];
    s->narrow = rng_int(s->rng, 0, 1) == 1;
    s->hk = rng_int(s->rng, 1, HK);
    s->ratio = rng_int(s->rng, 1, 2);
    s->d = rng_int(s->rng, 1, D);
    s->dv = rng_int(s->rng, 1, D);
    s->slots = INT64_C(8) << rng_int(s->rng, 0, 4);
    s->pages = rng_int(s->rng, 1, PAGES);
    s->n = rng_int(s->rng, 1, SEQS);
}

/* ---- executes */

struct rows {
    float q[H * SEQS * MOST_Q * D], out[H * SEQS * MOST_Q * D], lse[H * SEQS * MOST_Q];
};

static attn_view *view_of(const struct setup *s)
{
    static int32_t narrow[3][SEQS * MOST];
    const int64_t n[3] = {s->n, s->n + 1, s->offset[s->n]};
    int64_t *list[3] = {(int64_t *)(uintptr_t)s->length, (int64_t *)(uintptr_t)s->offset,
                        (int64_t *)(uintptr_t)s->page};
    attn_tensor t[3];
    attn_view *view;
    for (int i = 0; i < 3; i++) {
        for (int64_t e = 0; e < n[i]; e++)
            narrow[i][e] = (int32_t)list[i][e];
        t[i] = s->narrow ? dense(narrow[i], ATTN_DTYPE_I32, 1, &n[i])
                         : dense(list[i], ATTN_DTYPE_I64, 1, &n[i]);
    }
    ok(attn_view_create_raw(s->ctx, LAYERS, s->k, s->v, &t[0], &t[1], &t[2], &view), "view");
    return view;
}

static void run_view(const struct setup *s, struct rows *r, const attn_view *view, int64_t layer,
                     bool causal)
{
    char text[256];
    int64_t heads = s->hk * s->ratio, total = s->q_offset[s->n];
    snprintf(text, sizeof text,
             "softmax b=%d h=%d/%d q=%d k=inf d=%d/%d packed view%s kv_dtype=%s cache_page=%d %s",
             SEQS, (int)heads, (int)s->hk, MOST_Q, (int)s->d, (int)s->dv, causal ? " causal" : "",
             attn_dtype_name(s->dtype), (int)s->slots, s->options);
    attn_plan *plan = plan_of(s, text);
    attn_tensor q = dense(r->q, ATTN_DTYPE_F32, 4, SHAPE(1, heads, total, s->d));
    attn_tensor out = dense(r->out, ATTN_DTYPE_F32, 4, SHAPE(1, heads, total, s->dv));
    attn_tensor lse = dense(r->lse, ATTN_DTYPE_F32, 3, SHAPE(1, heads, total));
    attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1));
    attn_tensor off = dense((int64_t *)(uintptr_t)s->q_offset, ATTN_DTYPE_I64, 1, SHAPE(s->n + 1));
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q},      {ATTN_ROLE_OUT, 0, &out},
                             {ATTN_ROLE_LSE, 0, &lse},  {ATTN_ROLE_Q_OFFSETS, 0, &off},
                             {ATTN_ROLE_VIEW, 0, view}, {ATTN_ROLE_LAYER, 0, &at}};
    ok(attn_plan_execute(plan, args, 6, NULL, 0), text);
    attn_plan_destroy(plan);
}

/* Sequence i with its rows in tensors of the pools' type. */
static void compare(const struct setup *s, const struct rows *r, int64_t layer, bool causal,
                    int64_t i)
{
    static double memory[2][HK * MOST * D];
    static float q[H * MOST_Q * D], out[H * MOST_Q * D], lse[H * MOST_Q];
    char text[256];
    int64_t heads = s->hk * s->ratio, nk = s->length[i], nq = s->rows[i], width[2] = {s->d, s->dv};
    int64_t total = s->q_offset[s->n], first = s->q_offset[i];
    attn_tensor kv[2];
    for (int kind = 0; kind < 2; kind++) {
        const attn_tensor *pool = kind ? &s->v[layer] : &s->k[layer];
        for (int64_t h = 0; h < s->hk; h++)
            for (int64_t t = 0; t < nk; t++)
                for (int64_t e = 0; e < width[kind]; e++)
                    attn__store_f64(memory[kind], (h * nk + t) * width[kind] + e, s->dtype,
                                    attn__load_f64(pool->data, place(s, pool, i, t, h) + e,
                                                   s->dtype));
        kv[kind] = dense(memory[kind], s->dtype, 4, SHAPE(1, s->hk, nk, width[kind]));
    }
    for (int64_t h = 0; h < heads; h++)
        memcpy(q + h * nq * s->d, r->q + (h * total + first) * s->d,
               (size_t)(nq * s->d) * sizeof *q);
    snprintf(text, sizeof text, "softmax h=%d/%d q=%d k=inf d=%d/%d%s kv_dtype=%s %s", (int)heads,
             (int)s->hk, MOST_Q, (int)s->d, (int)s->dv, causal ? " causal" : "",
             attn_dtype_name(s->dtype), s->options);
    attn_plan *plan = plan_of(s, text);
    attn_tensor tq = dense(q, ATTN_DTYPE_F32, 4, SHAPE(1, heads, nq, s->d));
    attn_tensor to = dense(out, ATTN_DTYPE_F32, 4, SHAPE(1, heads, nq, s->dv));
    attn_tensor tl = dense(lse, ATTN_DTYPE_F32, 3, SHAPE(1, heads, nq));
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &tq},   {ATTN_ROLE_K, 0, &kv[0]},
                             {ATTN_ROLE_V, 0, &kv[1]}, {ATTN_ROLE_OUT, 0, &to},
                             {ATTN_ROLE_LSE, 0, &tl}};
    ok(attn_plan_execute(plan, args, 5, NULL, 0), text);
    attn_plan_destroy(plan);
    for (int64_t h = 0; h < heads; h++)
        if (memcmp(out + h * nq * s->dv, r->out + (h * total + first) * s->dv,
                   (size_t)(nq * s->dv) * sizeof *out) != 0 ||
            memcmp(lse + h * nq, r->lse + h * total + first, (size_t)nq * sizeof *lse) != 0) {
            fprintf(stderr, "%s: sequence %d head %d differs (%d slots)\n", text, (int)i, (int)h,
                    (int)s->slots);
            exit(1);
        }
}

static void one(attn_ctx *ctx, struct rng *rng)
{
    static struct rows r;
    struct setup s = {.rng = rng, .ctx = ctx};
    choose(&s);
    make_pools(&s);
    make_tables(&s);
    attn_view *view = view_of(&s);
    for (int64_t i = 0; i < s.hk * s.ratio * s.q_offset[s.n] * s.d; i++)
        r.q[i] = (float)rng_int(rng, -50, 50) / 32;
    for (int64_t layer = 0; layer < LAYERS; layer++) {
        bool causal = rng_int(rng, 0, 2) > 0;
        run_view(&s, &r, view, layer, causal);
        for (int64_t i = 0; i < s.n; i++)
            compare(&s, &r, layer, causal, i);
    }
    attn_view_destroy(view);
    free(s.memory);
}

/* ---- refused */

struct small {
    float pool[2][4 * 8 * 2 * 3];
    attn_tensor k[2], v[2], lengths, offsets, pages;
    int64_t length[2], offset[3], page[3];
};

static void begin(struct small *x)
{
    memset(x, 0, sizeof *x);
    x->length[0] = 9;
    x->length[1] = 8;
    x->offset[1] = 2;
    x->offset[2] = 3;
    x->page[0] = 3;
    x->page[2] = 1;
    for (int l = 0; l < 2; l++)
        x->k[l] = x->v[l] = dense(x->pool[l], ATTN_DTYPE_F32, 4, SHAPE(4, 8, 2, 3));
    x->lengths = dense(x->length, ATTN_DTYPE_I64, 1, SHAPE(2));
    x->offsets = dense(x->offset, ATTN_DTYPE_I64, 1, SHAPE(3));
    x->pages = dense(x->page, ATTN_DTYPE_I64, 1, SHAPE(3));
}

static void expect(int line, attn_ctx *ctx, const struct small *x, size_t layers, int32_t status,
                   const char *says)
{
    char text[512] = "";
    attn_view *view;
    int32_t found = attn_view_create_raw(ctx, layers, x->k, x->v, &x->lengths, &x->offsets,
                                         &x->pages, &view);
    if (found != ATTN_OK)
        attn_last_error(text, sizeof text);
    if (found != status || !strstr(text, says) || (found == ATTN_OK) != (view != NULL)) {
        fprintf(stderr, "line %d: %s: %s\n", line, attn_status_name(found), text);
        exit(1);
    }
    attn_view_destroy(view);
}

#define EXPECT(change, status, says)                                                               \
    do {                                                                                           \
        begin(&x);                                                                                 \
        change;                                                                                    \
        expect(__LINE__, ctx, &x, 2, status, says);                                                \
    } while (0)

static void check_tables(attn_ctx *ctx)
{
    static struct small x;
    attn_view *view;
    EXPECT((void)0, ATTN_OK, "");
    expect(__LINE__, ctx, &x, 0, ATTN_ERR_INVALID, "n_layers");
    EXPECT(x.page[0] = 4, ATTN_ERR_RANGE, "pages[0]");
    EXPECT(x.page[1] = -1, ATTN_ERR_RANGE, "pages[1]");
    EXPECT(x.length[1] = 9, ATTN_ERR_INVALID, "lengths[1]");
    EXPECT(x.length[0] = -1, ATTN_ERR_INVALID, "lengths[0]");
    EXPECT(x.length[0] = INT64_MAX, ATTN_ERR_INVALID, "lengths[0]");
    EXPECT(x.offset[0] = -1, ATTN_ERR_INVALID, "offsets");
    EXPECT(x.offset[2] = 1, ATTN_ERR_INVALID, "offsets");
    EXPECT(x.offset[2] = 4, ATTN_ERR_INVALID, "offsets");
    EXPECT(x.offsets.shape[0] = 2, ATTN_ERR_SHAPE, "offsets");
    EXPECT(x.pages.dtype = ATTN_DTYPE_F32, ATTN_ERR_DTYPE, "pages");
    EXPECT(x.lengths.rank = 0, ATTN_ERR_SHAPE, "lengths");
    EXPECT(x.k[0].rank = 3, ATTN_ERR_SHAPE, "k");
    EXPECT(x.k[1].dtype = ATTN_DTYPE_I32, ATTN_ERR_DTYPE, "k");
    EXPECT(x.k[0].dtype = x.k[1].dtype = ATTN_DTYPE_F64, ATTN_ERR_DTYPE, "f64");
    EXPECT(x.k[1].dtype = ATTN_DTYPE_BF16, ATTN_ERR_DTYPE, "k[1]");
    EXPECT(x.v[1].shape[0] = 3, ATTN_ERR_SHAPE, "v[1]");
    EXPECT(x.v[1].stride[1] = 2, ATTN_ERR_STRIDE, "v[1]");
    EXPECT(x.v[0].stride[3] = 2, ATTN_ERR_STRIDE, "channels");
    EXPECT(x.k[0].shape[1] = 0, ATTN_ERR_SHAPE, "slots");
    EXPECT(x.k[1].data = (char *)x.k[1].data + 1, ATTN_ERR_ALIGN, "k[1]");
    EXPECT(x.v[0].shape[1] = x.v[1].shape[1] = 7, ATTN_ERR_SHAPE, "as k");
    begin(&x);
    if (attn_view_create_raw(NULL, 2, x.k, x.v, &x.lengths, &x.offsets, &x.pages, &view) !=
            ATTN_ERR_NULL ||
        attn_view_create_raw(ctx, 2, NULL, x.v, &x.lengths, &x.offsets, &x.pages, &view) !=
            ATTN_ERR_NULL ||
        attn_view_create_raw(ctx, 2, x.k, x.v, &x.lengths, &x.offsets, NULL, &view) !=
            ATTN_ERR_NULL ||
        attn_view_create_raw(ctx, 2, x.k, x.v, &x.lengths, &x.offsets, &x.pages, NULL) !=
            ATTN_ERR_NULL)
        die("NULL");
}

/* Plans that were told of other pools, and arguments that do not fit. */
static void check_plans(attn_ctx *ctx)
{
    static const struct {
        const char *text;
        int32_t status;
    } plans[] = {{"softmax b=2 h=2 q=4 k=inf d=3 causal view cache_page=8", ATTN_OK},
                 {"softmax b=2 h=2 q=4 k=inf d=3 causal view cache_page=16", ATTN_ERR_SHAPE},
                 {"softmax b=2 h=4/1 q=4 k=inf d=3 causal view cache_page=8", ATTN_ERR_SHAPE},
                 {"softmax b=2 h=2 q=4 k=inf d=3 causal view cache_page=8 cache_v_prefix",
                  ATTN_ERR_SHAPE},
                 {"softmax b=2 h=2 q=4 k=inf d=3 causal view cache_page=8 cache_group=[0,1]",
                  ATTN_ERR_SHAPE},
                 {"softmax b=2 h=2 q=4 k=inf d=3 causal view cache_page=8 kv_dtype=f16",
                  ATTN_ERR_DTYPE},
                 {"softmax b=2 h=2 q=4 k=8 d=3 causal view cache_page=8", ATTN_ERR_SHAPE}};
    static struct small x;
    static float q[2 * 4 * 10 * 3];
    struct setup s = {.ctx = ctx};
    attn_view *view;
    begin(&x);
    ok(attn_view_create_raw(ctx, 2, x.k, x.v, &x.lengths, &x.offsets, &x.pages, &view), "view");
    for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++)
        for (int64_t layer = -1; layer <= 2; layer++) {
            static float to[2 * 4 * 3];
            int64_t heads = strstr(plans[i].text, "h=4") ? 4 : 2;
            attn_plan *plan = plan_of(&s, plans[i].text);
            attn_tensor t = dense(q, ATTN_DTYPE_F32, 4, SHAPE(2, heads, 1, 3));
            attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1)), out = t;
            out.data = to;
            const attn_arg args[] = {{ATTN_ROLE_Q, 0, &t},
                                     {ATTN_ROLE_OUT, 0, &out},
                                     {ATTN_ROLE_VIEW, 0, view},
                                     {ATTN_ROLE_LAYER, 0, &at}};
            bool there = layer == 0 || layer == 1;
            int32_t want = there || plans[i].status != ATTN_OK ? plans[i].status : ATTN_ERR_RANGE;
            int32_t found = attn_plan_execute(plan, args, 4, NULL, 0);
            if (found != want && (there || found != ATTN_ERR_RANGE))
                die(plans[i].text);
            attn_plan_destroy(plan);
        }
    /* more rows than tokens */
    int64_t layer = 0;
    attn_plan *plan = plan_of(&s, "softmax b=2 h=2 q=10 k=inf d=3 causal view cache_page=8");
    attn_tensor t = dense(q, ATTN_DTYPE_F32, 4, SHAPE(2, 2, 9, 3)), out = t;
    static float to[2 * 2 * 9 * 3];
    out.data = to;
    attn_tensor at = dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1));
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &t},
                             {ATTN_ROLE_OUT, 0, &out},
                             {ATTN_ROLE_VIEW, 0, view},
                             {ATTN_ROLE_LAYER, 0, &at}};
    if (attn_plan_execute(plan, args, 4, NULL, 0) != ATTN_ERR_SHAPE)
        die("more rows than tokens");
    attn_plan_destroy(plan);
    attn_view_destroy(view);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    int64_t count = 60;
    for (int n = 1; n + 1 < argc; n += 2) {
        if (strcmp(argv[n], "--seed") == 0)
            seed = strcmp(argv[n + 1], "fresh") == 0 ? (uint64_t)time(NULL)
                                                     : strtoull(argv[n + 1], NULL, 10);
        else if (strcmp(argv[n], "--count") == 0)
            count = strtoll(argv[n + 1], NULL, 10);
    }
    struct rng rng = {.state = seed};
    attn_ctx *ctx;
    ok(attn_ctx_create(NULL, &ctx), "ctx");
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    for (int64_t n = 0; n < count; n++)
        one(ctx, &rng);
    check_tables(ctx);
    check_plans(ctx);
    attn_ctx_destroy(ctx);
    printf("%" PRId64 " cases\n", count);
    return 0;
}
