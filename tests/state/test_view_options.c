/* SPDX-License-Identifier: MIT */
/*
 * Options of plans with a view (mech/view_options): a batch that reads a cache,
 * or pools of the caller, against the same plan on one packed tensor. A solver
 * gives the same bits for all three, or refuses them all.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"

enum {
    SEQS = 4,
    H = 4,
    HK = 2,
    D = 16,
    SLOTS = 32,
    SHARED = 2100, /* of the first two sequences */
    KEYS = SHARED + 5 + SHARED + 40 + 70 + 1,
    PAGES = KEYS / SLOTS + SEQS,
    ROWS = 1 + 3 + 33 + 1,
    DATA = 4096, /* numbers of each further role */
    MOST_Q = 33, /* of a sequence, and of its keys */
    MOST_K = SHARED + 40
};

static const int64_t length[SEQS] = {SHARED + 5, SHARED + 40, 70, 1};
static const int64_t k_offset[SEQS + 1] = {0, SHARED + 5, 2 * SHARED + 45, 2 * SHARED + 115, KEYS};
static const int64_t q_offset[SEQS + 1] = {0, 1, 4, 37, ROWS};

struct role {
    int32_t role, rank;
    int64_t shape[4];
};

struct option {
    const char *text;
    struct role roles[3];
};

/* Less for keys further away, and by head and sequence. */
static void far_less(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b,
                     int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    (void)user;
    for (int64_t q = 0; q < nq; q++)
        for (int64_t k = 0; k < nk; k++)
            s[q * q_stride + k * k_stride] -=
                (float)(h + b + 1) * (float)((k0 + k - q0 - q) & 63) / 64;
}

/* Two keys of three, others for each head and sequence. */
static int32_t two_of_three(void *user, uint8_t *visible, int64_t q_stride, int64_t k_stride,
                            int64_t b, int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    (void)user;
    for (int64_t q = 0; q < nq && visible; q++)
        for (int64_t k = 0; k < nk; k++)
            visible[q * q_stride + k * k_stride] = (k0 + k + q0 + q + h + b) % 3 != 0;
    return -1;
}

static const struct option options[] = {
    {"want=entropy,rowmax,argmax", {{0}}},
    {"scale=0.5 softcap=2 sink_logits", {{ATTN_ROLE_SINK_LOGITS, 1, {H}}}},
    {"dtype=f16 kv_dtype=f32", {{0}}},
    {"dtype=bf16 kv_dtype=f32", {{0}}},
    {"window=100,0", {{0}}},
    {"window=3,0 sink_tokens=2", {{0}}},
    {"window=1500,5 alibi", {{0}}},
    {"must=stride[3,1,0]", {{0}}},
    {"any=band[9,0,0,1,99,0,0,1,inf,0,0,1,0,0,0,64] any=prefix[7]", {{0}}},
    {"head_scale=[1,2,0.5,0.25] row_scale", {{ATTN_ROLE_ROW_SCALE, 3, {1, H, 1}}}},
    {"logn_train=64", {{0}}},
    {"ssmax logn_count=keys", {{0}}},
    {"bias_table table_zero=30", {{ATTN_ROLE_BIAS_TABLE, 2, {H, 60}}}},
    {"t5_buckets=8 t5_max_distance=64", {{ATTN_ROLE_T5_WEIGHT, 2, {8, H}}}},
    {"query_table query_table_zero=15 q_bias_content",
     {{ATTN_ROLE_QUERY_TABLE, 3, {H, 20, D}}, {ATTN_ROLE_Q_BIAS_CONTENT, 2, {H, D}}}},
    {"query_table query_table_bias q_bias_table",
     {{ATTN_ROLE_QUERY_TABLE, 3, {H, 20, D}},
      {ATTN_ROLE_QUERY_TABLE_BIAS, 2, {H, 20}},
      {ATTN_ROLE_Q_BIAS_TABLE, 2, {H, D}}}},
    {"qk_norm=rms qk_norm_weight qk_norm_plus_one rope=half",
     {{ATTN_ROLE_Q_NORM_W, 2, {H, D}}, {ATTN_ROLE_K_NORM_W, 2, {HK, D}}}},
    {"qk_norm=layer qk_norm_bias",
     {{ATTN_ROLE_Q_NORM_B, 1, {D}}, {ATTN_ROLE_K_NORM_B, 1, {D}}}},
    {"out_gate=sigmoid out_norm=rms out_norm_weight out_scale=3",
     {{ATTN_ROLE_OUT_GATE, 4, {1, H, ROWS, D}}, {ATTN_ROLE_OUT_NORM_W, 1, {D}}}},
    {"head_mix head_factor",
     {{ATTN_ROLE_MIX_TARGET, 4, {1, H, 1, D}},
      {ATTN_ROLE_MIX_ALPHA, 3, {1, H, 1}},
      {ATTN_ROLE_HEAD_FACTOR, 2, {1, H}}}},
    {"mask", {{ATTN_ROLE_MASK, 4, {SEQS, 1, MOST_Q, MOST_K}}}},
    {"mask window=700,0 rope=half", {{ATTN_ROLE_MASK, 4, {SEQS, 1, MOST_Q, MOST_K}}}},
    {"mask", {{ATTN_ROLE_MASK, 4, {1, H, 1, MOST_K}}}},
    {"bias", {{ATTN_ROLE_BIAS, 4, {SEQS, 1, MOST_Q, MOST_K}}}},
    {"bias mask alibi",
     {{ATTN_ROLE_BIAS, 4, {SEQS, H, 1, MOST_K}}, {ATTN_ROLE_MASK, 4, {SEQS, 1, 1, MOST_K}}}},
    {"head_gate", {{ATTN_ROLE_GATE, 3, {1, H, ROWS}}}},
    {"head_gate window=50,0 rope=interleaved", {{ATTN_ROLE_GATE, 3, {1, H, ROWS}}}},
};

static const struct functions {
    struct option option;
    attn_score_fn score;
    attn_mask_fn mask;
} functions[] = {
    {{"softcap=3", {{0}}}, far_less, NULL},
    {{"alibi", {{0}}}, NULL, two_of_three},
    {{"window=300,0", {{0}}}, far_less, two_of_three},
};

static const char *const solvers[] = {"solver=reference", "solver=decode", "solver=flash",
                                      "solver=decode invariant=chunk",
                                      "solver=flash invariant=chunk"};

/* Rows of all sequences, one behind the other. */
static struct {
    float q[H * ROWS * D], k[HK * KEYS * D], v[HK * KEYS * D];
    float pool[2][HK * PAGES * SLOTS * D]; /* [pages,slots,Hk,D] */
    uint16_t narrow[H * ROWS * D];         /* q of the plan's type, any bits */
    float data[3][DATA];
    float bias[SEQS * MOST_Q * MOST_K];
    uint8_t mask[SEQS * MOST_Q * MOST_K];
} memory;

enum source { TENSOR, CACHE, POOLS, SOURCES };

struct result {
    char out[H * ROWS * D * 4];
    float lse[H * ROWS], entropy[H * ROWS], rowmax[H * ROWS];
    int64_t argmax[H * ROWS];
};

struct bench {
    attn_ctx *ctx;
    attn_cache *cache;
    attn_view *view[SOURCES];
};

static void ok(int32_t status, const char *what)
{
    char text[512];
    if (status == ATTN_OK)
        return;
    attn_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static attn_tensor dense(const void *data, int32_t dtype, int32_t rank, const int64_t *shape)
{
    attn_tensor t;
    attn_tensor_init(&t, (void *)(uintptr_t)data, dtype, rank, shape);
    return t;
}

#define SHAPE(...) ((const int64_t[]){__VA_ARGS__})

static attn_desc *parse(const struct bench *b, const char *text)
{
    attn_desc *desc;
    ok(attn_desc_parse(b->ctx, text, &desc), text);
    return desc;
}

/* ---- the rows in all three places ---- */

static void fill_rows(void)
{
    struct rng rng = {7};
    for (int64_t i = 0; i < H * ROWS * D; i++) {
        memory.q[i] = (float)rng_int(&rng, -64, 64) / 32;
        memory.narrow[i] = (uint16_t)(0x3800 + (rng_next(&rng) & 0x83ff)); /* 0.5 to 1 as f16 */
    }
    for (int64_t i = 0; i < HK * KEYS * D; i++) {
        memory.k[i] = (float)rng_int(&rng, -64, 64) / 64;
        memory.v[i] = (float)rng_int(&rng, -64, 64) / 64;
    }
    for (int64_t h = 0; h < HK; h++) {
        float *k = memory.k + h * KEYS * D, *v = memory.v + h * KEYS * D;
        memcpy(k + k_offset[1] * D, k, SHARED * D * sizeof *k);
        memcpy(v + k_offset[1] * D, v, SHARED * D * sizeof *v);
    }
    for (int64_t n = 0; n < 3; n++)
        for (int64_t i = 0; i < DATA; i++) /* gates of 0 too */
            memory.data[n][i] = (float)rng_int(&rng, 0, 8) / 4;
    for (int64_t i = 0; i < SEQS * MOST_Q * MOST_K; i++) {
        memory.bias[i] = rng_percent(&rng, 2) ? -INFINITY : (float)rng_int(&rng, -64, 64) / 32;
        memory.mask[i] = rng_percent(&rng, 70);
    }
}

/* Tokens from..to-1 of sequence s, which is `id`. */
static void append(struct bench *b, int s, int64_t id, int64_t from, int64_t to)
{
    int64_t n = to - from, at = (k_offset[s] + from) * D;
    attn_step *step;
    attn_tensor k = dense(memory.k + at, ATTN_DTYPE_F32, 4, SHAPE(1, HK, n, D)), v = k;
    v.data = memory.v + at;
    k.stride[1] = v.stride[1] = KEYS * D;
    ok(attn_step_begin(b->cache, 1, &id, &n, NULL, &step), "begin");
    ok(attn_step_write(step, 0, &k, &v), "write");
    ok(attn_step_commit(step, NULL, NULL), "commit");
    attn_step_destroy(step);
}

static void make_cache(struct bench *b)
{
    int64_t ids[SEQS];
    attn_desc *desc = parse(b, "cache cache_layers=1 cache_pages=400 cache_page=32 h=2 d=16 "
                               "cache_keys=raw");
    ok(attn_cache_create(b->ctx, desc, &b->cache), "cache");
    attn_desc_destroy(desc);
    for (int s = 0; s < SEQS; s++) {
        if (s == 1)
            ok(attn_cache_fork(b->cache, ids[0], SHARED, 0, &ids[s]), "fork");
        else
            ok(attn_cache_seq_create(b->cache, &ids[s]), "create");
        append(b, s, ids[s], s == 1 ? SHARED : 0, length[s]);
    }
    ok(attn_view_create(b->cache, SEQS, NULL, ids, NULL, &b->view[CACHE]), "view");
}

static void make_pools(struct bench *b)
{
    int64_t offset[SEQS + 1] = {0}, page[PAGES];
    for (int s = 0; s < SEQS; s++) {
        offset[s + 1] = offset[s] + (length[s] + SLOTS - 1) / SLOTS;
        for (int64_t t = 0; t < length[s]; t++) {
            int64_t slot = (PAGES - 1 - offset[s] - t / SLOTS) * SLOTS + t % SLOTS;
            for (int64_t h = 0; h < HK; h++) {
                int64_t from = (h * KEYS + k_offset[s] + t) * D, to = (slot * HK + h) * D;
                memcpy(memory.pool[0] + to, memory.k + from, D * sizeof *memory.k);
                memcpy(memory.pool[1] + to, memory.v + from, D * sizeof *memory.v);
            }
        }
    }
    for (int64_t n = 0; n < PAGES; n++)
        page[n] = PAGES - 1 - n;
    attn_tensor k = dense(memory.pool[0], ATTN_DTYPE_F32, 4, SHAPE(PAGES, SLOTS, HK, D));
    attn_tensor v = dense(memory.pool[1], ATTN_DTYPE_F32, 4, SHAPE(PAGES, SLOTS, HK, D));
    attn_tensor lengths = dense(length, ATTN_DTYPE_I64, 1, SHAPE(SEQS));
    attn_tensor offsets = dense(offset, ATTN_DTYPE_I64, 1, SHAPE(SEQS + 1));
    attn_tensor pages = dense(page, ATTN_DTYPE_I64, 1, SHAPE(PAGES));
    ok(attn_view_create_raw(b->ctx, 1, &k, &v, &lengths, &offsets, &pages, &b->view[POOLS]),
       "pools");
}

/* ---- executes ---- */

/* False: the plan is refused. */
static bool run(const struct bench *b, const struct functions *f, const char *solver,
                enum source from, struct result *r)
{
    const struct option *o = &f->option;
    char text[512];
    attn_plan *plan;
    sprintf(text, "softmax b=%d h=%d/%d q=40 k=inf d=%d packed causal %s %s%s", SEQS, H, HK, D,
            o->text, solver, from == TENSOR ? "" : " view cache_page=32 cache_keys=raw");
    attn_desc *desc = parse(b, text);
    ok(attn_desc_set_score_fn(desc, f->score), "score");
    ok(attn_desc_set_mask_fn(desc, f->mask), "mask");
    int32_t status = attn_plan_create(b->ctx, desc, &plan);
    attn_desc_destroy(desc);
    if (status == ATTN_ERR_UNSUPPORTED)
        return false;
    ok(status, text);
    bool narrow = strstr(o->text, "dtype=f16") || strstr(o->text, "dtype=bf16 kv");
    int32_t dtype = !narrow                      ? ATTN_DTYPE_F32
                    : strstr(o->text, "bf16") ? ATTN_DTYPE_BF16
                                              : ATTN_DTYPE_F16;
    memset(r, 0, sizeof *r);
    int64_t layer = 0;
    const int64_t rows[4] = {1, H, ROWS, D}, keys[4] = {1, HK, KEYS, D};
    attn_tensor t[] = {
        dense(narrow ? (void *)memory.narrow : (void *)memory.q, dtype, 4, rows),
        dense(r->out, dtype, 4, rows),
        dense(r->lse, ATTN_DTYPE_F32, 3, rows),
        dense(q_offset, ATTN_DTYPE_I64, 1, SHAPE(SEQS + 1)),
        dense(memory.k, ATTN_DTYPE_F32, 4, keys),
        dense(memory.v, ATTN_DTYPE_F32, 4, keys),
        dense(k_offset, ATTN_DTYPE_I64, 1, SHAPE(SEQS + 1)),
        dense(&layer, ATTN_DTYPE_I64, 1, SHAPE(1)),
        dense(r->entropy, ATTN_DTYPE_F32, 3, rows),
        dense(r->rowmax, ATTN_DTYPE_F32, 3, rows),
        dense(r->argmax, ATTN_DTYPE_I64, 3, rows),
    };
    attn_arg args[16] = {{ATTN_ROLE_Q, 0, &t[0]},
                         {ATTN_ROLE_OUT, 0, &t[1]},
                         {ATTN_ROLE_LSE, 0, &t[2]},
                         {ATTN_ROLE_Q_OFFSETS, 0, &t[3]}};
    const attn_arg of_tensor[] = {{ATTN_ROLE_K, 0, &t[4]},
                                  {ATTN_ROLE_V, 0, &t[5]},
                                  {ATTN_ROLE_K_OFFSETS, 0, &t[6]}};
    const attn_arg of_view[] = {{ATTN_ROLE_VIEW, 0, b->view[from]}, {ATTN_ROLE_LAYER, 0, &t[7]}};
    const attn_arg wanted[] = {{ATTN_ROLE_ENTROPY, 0, &t[8]},
                               {ATTN_ROLE_ROWMAX, 0, &t[9]},
                               {ATTN_ROLE_ARGMAX, 0, &t[10]}};
    size_t n = 4;
    for (size_t i = 0; i < (from == TENSOR ? 3 : 2); i++)
        args[n++] = from == TENSOR ? of_tensor[i] : of_view[i];
    for (size_t i = 0; i < 3 && strstr(o->text, "want="); i++)
        args[n++] = wanted[i];
    attn_tensor more[3];
    for (size_t i = 0; i < 3 && o->roles[i].role; i++) {
        const struct role *of = &o->roles[i];
        bool mask = of->role == ATTN_ROLE_MASK;
        more[i] = dense(of->role == ATTN_ROLE_BIAS ? memory.bias
                        : mask                     ? (void *)memory.mask
                                                   : (void *)memory.data[i],
                        mask ? ATTN_DTYPE_BOOL : ATTN_DTYPE_F32, of->rank, of->shape);
        args[n++] = (attn_arg){of->role, 0, &more[i]};
    }
    ok(attn_plan_execute(plan, args, n, NULL, 0), text);
    attn_plan_destroy(plan);
    return true;
}

/* How many solvers serve it; counts what differs. */
static int check(const struct bench *b, const struct functions *f, int *failures)
{
    static struct result want, got;
    int served = 0;
    for (size_t s = 0; s < sizeof solvers / sizeof solvers[0]; s++) {
        bool can = run(b, f, solvers[s], TENSOR, &want);
        served += can;
        for (enum source from = CACHE; from < SOURCES; from++) {
            bool same = run(b, f, solvers[s], from, &got) == can;
            if (same && (!can || memcmp(&want, &got, sizeof want) == 0))
                continue;
            fprintf(stderr, "error: %s%s%s %s: %s from %s\n", f->option.text,
                    f->score ? " score" : "", f->mask ? " mask" : "", solvers[s],
                    same ? "other bits" : "refused or not", from == CACHE ? "a cache" : "pools");
            *failures += 1;
        }
    }
    return served;
}

int main(void)
{
    static struct bench b;
    int served = 0, failures = 0;
    ok(attn_ctx_create(NULL, &b.ctx), "ctx");
    fill_rows();
    make_cache(&b);
    make_pools(&b);
    for (size_t o = 0; o < sizeof options / sizeof options[0]; o++)
        served += check(&b, &(struct functions){options[o], NULL, NULL}, &failures);
    for (size_t f = 0; f < sizeof functions / sizeof functions[0]; f++)
        served += check(&b, &functions[f], &failures);
    printf("%d executes had the bits of a tensor\n", served);
    for (int n = 0; n < SOURCES; n++)
        attn_view_destroy(b.view[n]);
    attn_cache_destroy(b.cache);
    attn_ctx_destroy(b.ctx);
    return failures == 0 && served > 90 ? EXIT_SUCCESS : EXIT_FAILURE;
}
