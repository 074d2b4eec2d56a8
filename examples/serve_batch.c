/* SPDX-License-Identifier: MIT */
/*
 * Continuous batching on an attn_cache. Requests of many lengths share a system
 * prompt and six places; who has finished makes room for the next. Every round
 * is one step of the cache and one execute for each layer: single tokens of
 * those that answer, with a guess of the token after, and pieces of the prompts
 * of those that came. The model has fixed random weights: attention and caches
 * are real, the text is not.
 *
 *     serve_batch [--check] [REQUESTS]
 *
 * --check answers each request again by itself, its prompt in other pieces and
 * nothing guessed: the logits must have the same bits.
 */
#define _DEFAULT_SOURCE
#include <attn/attn.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LAYERS = 2, HQ = 4, HK = 2, D = 32, WIDTH = HQ * D, QKV = (HQ + 2 * HK) * D, VOCAB = 64 };
enum { PLACES = 6, ROWS = 40, SYSTEM = 100, PAGE = 16, PAGES = 130, ALONE_ROWS = 7 };
enum { LONGEST_PROMPT = 160, LONGEST_ANSWER = 40, MOST_REQUESTS = 1000 };

/* Keys are stored as they are; plans turn them at their positions, as queries. */
#define KEPT "cache_page=16 cache_keys=raw kv_dtype=q8_0"
static const char cache_text[] = "cache cache_layers=2 h=2 d=32 cache_pages=130 " KEPT;
static const char plan_text[] = "softmax b=6 h=4/2 q=40 k=inf d=32 packed causal view rope=half "
                                "invariant=chunk " KEPT;

static struct {
    float embed[VOCAB][WIDTH];
    float qkv[LAYERS][QKV][WIDTH], out[LAYERS][WIDTH][WIDTH];
} model;

struct request {
    int prompt[LONGEST_PROMPT], answer[LONGEST_ANSWER];
    int n_prompt, n_answer, fed, made;
    float logits[LONGEST_ANSWER][VOCAB]; /* of which the answer was chosen */
    int64_t seq;
};

/* What a round adds to a sequence, and the rows that this is. */
struct item {
    struct request *r;
    int64_t seq, first, count;
};

struct round {
    struct item item[PLACES];
    int64_t n, rows;
    int token[ROWS];
    float logits[ROWS][VOCAB];
};

struct server {
    attn_ctx *ctx;
    attn_plan *plan;
    attn_cache *cache;
    int64_t system;                 /* the sequence of the system prompt */
    struct request *place[PLACES];  /* NULL: free */
    int64_t promised;               /* pages that those may come to need */
    int64_t rounds, rows, guesses, accepted, shared;
};

static uint32_t state = 1;

static uint32_t draw(uint32_t n)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)state * n) >> 32);
}

static void fill(float *w, size_t n, float scale)
{
    for (size_t i = 0; i < n; i++)
        w[i] = scale * ((float)draw(1 << 16) / (1 << 15) - 1);
}

/* ---- the model ---- */

static void normalise(const float *x, float *to)
{
    float sum = 0;
    for (int i = 0; i < WIDTH; i++)
        sum += x[i] * x[i];
    for (int i = 0; i < WIDTH; i++)
        to[i] = x[i] / sqrtf(sum / WIDTH + 1e-5f);
}

/* y[n] += W[n][WIDTH] x, row by row: what is next to it changes no bit. */
static void multiply_add(const float *w, const float *x, int n, float *y)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < WIDTH; j++)
            y[i] += w[i * WIDTH + j] * x[j];
}

/* Heads [first, first + h) of rows that lie one behind another. */
static attn_tensor heads(float *rows, int64_t width, int64_t first, int64_t h, int64_t n)
{
    return (attn_tensor){.data = rows + first * D, .dtype = ATTN_DTYPE_F32, .rank = 4,
                         .shape = {1, h, n, D}, .stride = {n * width, D, width, 1}};
}

static int32_t attend(const struct server *s, attn_step *step, attn_view *view,
                      attn_tensor *offsets, int64_t layer, int64_t n, float *qkv, float *out)
{
    const int64_t one = 1;
    attn_tensor q = heads(qkv, QKV, 0, HQ, n), k = heads(qkv, QKV, HQ, HK, n);
    attn_tensor v = heads(qkv, QKV, HQ + HK, HK, n), o = heads(out, WIDTH, 0, HQ, n), l;
    attn_tensor_init(&l, &layer, ATTN_DTYPE_I64, 1, &one);
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q},       {ATTN_ROLE_Q_OFFSETS, 0, offsets},
                             {ATTN_ROLE_VIEW, 0, view},  {ATTN_ROLE_LAYER, 0, &l},
                             {ATTN_ROLE_OUT, 0, &o}};
    int32_t status = attn_step_write(step, layer, &k, &v);
    return status ? status
                  : attn_plan_execute(s->plan, args, sizeof args / sizeof args[0], NULL, 0);
}

/* All layers; the step is open, its tokens are those of the round. */
static int32_t run_layers(const struct server *s, struct round *b, attn_step *step,
                          attn_view *view)
{
    static float x[ROWS][WIDTH], y[WIDTH], qkv[ROWS][QKV], out[ROWS][WIDTH];
    int64_t ends[PLACES + 1] = {0};
    const int64_t n_ends = b->n + 1;
    attn_tensor offsets;
    int32_t status = attn_tensor_init(&offsets, ends, ATTN_DTYPE_I64, 1, &n_ends);
    for (int64_t i = 0; i < b->n; i++)
        ends[i + 1] = b->item[i].first + b->item[i].count;
    for (int64_t t = 0; t < b->rows; t++)
        memcpy(x[t], model.embed[b->token[t]], sizeof x[t]);
    for (int layer = 0; layer < LAYERS && !status; layer++) {
        memset(qkv, 0, sizeof qkv);
        for (int64_t t = 0; t < b->rows; t++) {
            normalise(x[t], y);
            multiply_add(model.qkv[layer][0], y, QKV, qkv[t]);
        }
        status = attend(s, step, view, &offsets, layer, b->rows, qkv[0], out[0]);
        for (int64_t t = 0; t < b->rows; t++)
            multiply_add(model.out[layer][0], out[t], WIDTH, x[t]);
    }
    memset(b->logits, 0, sizeof b->logits);
    for (int64_t t = 0; t < b->rows; t++) {
        normalise(x[t], y);
        multiply_add(model.embed[0], y, VOCAB, b->logits[t]);
    }
    return status;
}

/* Adds the tokens of a round to their sequences and computes their logits. */
static int32_t run_round(struct server *s, struct round *b)
{
    int64_t seqs[PLACES], counts[PLACES];
    attn_step *step = NULL;
    attn_view *view = NULL;
    for (int64_t i = 0; i < b->n; i++) {
        seqs[i] = b->item[i].seq;
        counts[i] = b->item[i].count;
    }
    int32_t status = attn_step_begin(s->cache, (size_t)b->n, seqs, counts, NULL, &step);
    if (!status) status = attn_view_create(s->cache, (size_t)b->n, NULL, seqs, NULL, &view);
    if (!status) status = run_layers(s, b, step, view);
    attn_view_destroy(view);
    if (!status) status = attn_step_commit(step, NULL, NULL);
    attn_step_destroy(step); /* which drops the tokens, had something failed */
    s->rounds++;
    s->rows += b->rows;
    return status;
}

static void add_item(struct round *b, struct request *r, int64_t seq, const int *tokens,
                     int64_t count)
{
    memcpy(b->token + b->rows, tokens, (size_t)count * sizeof *tokens);
    b->item[b->n++] = (struct item){r, seq, b->rows, count};
    b->rows += count;
}

/* The likeliest token is the next of the answer. */
static int choose(struct request *r, const float *logits)
{
    int best = 0;
    for (int i = 1; i < VOCAB; i++)
        best = logits[i] > logits[best] ? i : best;
    memcpy(r->logits[r->made], logits, sizeof r->logits[0]);
    r->answer[r->made++] = best;
    return best;
}

/* ---- the server ---- */

/* Tokens that all sequences begin with, in pieces. */
static int32_t feed_system(struct server *s, int64_t seq, int64_t piece)
{
    int32_t status = ATTN_OK;
    for (int64_t at = 0; at < SYSTEM && !status; at += piece) {
        struct round b = {0};
        int tokens[ROWS];
        int64_t n = SYSTEM - at < piece ? SYSTEM - at : piece;
        for (int64_t i = 0; i < n; i++)
            tokens[i] = (int)((at + i) * 7 % VOCAB);
        add_item(&b, NULL, seq, tokens, n);
        status = run_round(s, &b);
    }
    return status;
}

/* What it may come to need besides the pages that the system prompt fills. */
static int64_t pages_of(const struct request *r)
{
    return LAYERS * ((SYSTEM % PAGE + r->n_prompt + r->n_answer) / PAGE + 1);
}

/* Gives free places to requests, for as long as there are pages for all their tokens. */
static int32_t admit(struct server *s, struct request *all, int n, int *next)
{
    int32_t status = ATTN_OK;
    for (int i = 0; i < PLACES && *next < n && !status; i++) {
        struct request *r = &all[*next];
        if (s->place[i])
            continue;
        if (s->promised + pages_of(r) > PAGES)
            break;
        status = attn_cache_fork(s->cache, s->system, -1, 0, &r->seq);
        s->place[i] = r;
        s->promised += pages_of(r);
        *next += 1;
    }
    return status;
}

/* What came after the last time that the request had this token; -1: nothing. */
static int guess(const struct request *r, int token)
{
    for (int i = r->made - 2; i >= 0; i--)
        if (r->answer[i] == token)
            return r->answer[i + 1];
    for (int i = r->n_prompt - 2; i >= 0; i--)
        if (r->prompt[i] == token)
            return r->prompt[i + 1];
    return -1;
}

/* Answers first, which somebody waits for; prompts have the rows that are left. */
static void gather(struct server *s, struct round *b)
{
    for (int i = 0; i < PLACES; i++) {
        struct request *r = s->place[i];
        if (!r || r->fed < r->n_prompt)
            continue;
        int token[2] = {r->answer[r->made - 1], -1};
        if (r->made + 1 < r->n_answer)
            token[1] = guess(r, token[0]);
        s->guesses += token[1] >= 0;
        add_item(b, r, r->seq, token, token[1] >= 0 ? 2 : 1);
    }
    for (int i = 0; i < PLACES && b->rows < ROWS; i++) {
        struct request *r = s->place[i];
        if (!r || r->fed == r->n_prompt)
            continue;
        int some = r->n_prompt - r->fed, left = ROWS - (int)b->rows;
        some = some < left ? some : left;
        add_item(b, r, r->seq, r->prompt + r->fed, some);
        r->fed += some;
    }
}

static int32_t leave(struct server *s, const struct request *r)
{
    for (int i = 0; i < PLACES; i++)
        if (s->place[i] == r)
            s->place[i] = NULL;
    s->promised -= pages_of(r);
    return attn_cache_seq_free(s->cache, r->seq);
}

/* The tokens that the logits of a round choose; a wrong guess is forgotten. */
static int32_t take(struct server *s, const struct round *b, const struct item *item)
{
    struct request *r = item->r;
    const int64_t last = item->first + item->count - 1;
    int32_t status = ATTN_OK;
    if (r->fed < r->n_prompt)
        return ATTN_OK;
    bool guessed = r->made > 0 && item->count == 2;
    int token = choose(r, b->logits[guessed ? item->first : last]);
    if (guessed && token == b->token[last]) {
        s->accepted++;
        choose(r, b->logits[last]);
    } else if (guessed) {
        int64_t length = 0;
        status = attn_cache_seq_get_i64(s->cache, r->seq, ATTN_CACHE_SEQ_NEXT, &length);
        if (!status) status = attn_cache_truncate(s->cache, r->seq, length - 1, 0);
    }
    return !status && r->made == r->n_answer ? leave(s, r) : status;
}

static int32_t serve(struct server *s, struct request *all, int n)
{
    int next = 0;
    int32_t status = attn_cache_seq_create(s->cache, &s->system);
    if (!status) status = feed_system(s, s->system, ROWS);
    s->promised = LAYERS * (SYSTEM / PAGE + 1);
    while (!status) {
        struct round b = {0};
        int64_t shared = 0;
        status = admit(s, all, n, &next);
        gather(s, &b);
        if (status || b.n == 0)
            break;
        status = run_round(s, &b);
        for (int64_t i = 0; i < b.n && !status; i++)
            status = take(s, &b, &b.item[i]);
        if (!status) status = attn_cache_get_i64(s->cache, ATTN_CACHE_PAGES_SHARED, &shared);
        s->shared = shared > s->shared ? shared : s->shared;
    }
    return status;
}

/* ---- each request by itself ---- */

static int32_t answer_alone(struct server *s, struct request *r)
{
    int32_t status = attn_cache_seq_create(s->cache, &r->seq);
    if (!status) status = feed_system(s, r->seq, ALONE_ROWS);
    while (!status && r->made < r->n_answer) {
        struct round b = {0};
        int some = r->n_prompt - r->fed < ALONE_ROWS ? r->n_prompt - r->fed : ALONE_ROWS;
        if (some > 0)
            add_item(&b, r, r->seq, r->prompt + r->fed, some);
        else
            add_item(&b, r, r->seq, &r->answer[r->made - 1], 1);
        r->fed += some;
        status = run_round(s, &b);
        if (!status && r->fed == r->n_prompt)
            choose(r, b.logits[b.rows - 1]);
    }
    return status ? status : attn_cache_seq_free(s->cache, r->seq);
}

/* True if all requests have the same bits alone. */
static int32_t check(struct server *s, const struct request *all, int n, bool *same)
{
    int32_t status = ATTN_OK;
    *same = true;
    for (int i = 0; i < n && !status; i++) {
        struct request alone = all[i];
        alone.fed = alone.made = 0;
        memset(alone.logits, 0, sizeof alone.logits);
        status = answer_alone(s, &alone);
        if (memcmp(alone.answer, all[i].answer, sizeof alone.answer) != 0 ||
            memcmp(alone.logits, all[i].logits, sizeof alone.logits) != 0) {
            printf("request %d differs from itself alone\n", i);
            *same = false;
        }
    }
    return status ? status : attn_cache_check(s->cache);
}

/* ---- */

static void make_model(void)
{
    fill(model.embed[0], sizeof model.embed / sizeof(float), 1);
    fill(model.qkv[0][0], sizeof model.qkv / sizeof(float), 0.3f);
    fill(model.out[0][0], sizeof model.out / sizeof(float), 0.2f);
}

static void make_requests(struct request *all, int n)
{
    for (int i = 0; i < n; i++) {
        all[i].n_prompt = 1 + (int)draw(LONGEST_PROMPT);
        all[i].n_answer = 1 + (int)draw(LONGEST_ANSWER);
        for (int t = 0; t < all[i].n_prompt; t++)
            all[i].prompt[t] = (int)draw(VOCAB);
    }
}

static int32_t open_server(struct server *s)
{
    attn_desc *desc = NULL;
    int32_t status = attn_ctx_create(NULL, &s->ctx);
    if (!status) status = attn_desc_parse(s->ctx, cache_text, &desc);
    if (!status) status = attn_cache_create(s->ctx, desc, &s->cache);
    attn_desc_destroy(desc);
    desc = NULL;
    if (!status) status = attn_desc_parse(s->ctx, plan_text, &desc);
    if (!status) status = attn_plan_create(s->ctx, desc, &s->plan);
    attn_desc_destroy(desc);
    return status;
}

static void report(const struct server *s, const struct request *all, int n, double seconds)
{
    int64_t prompts = 0, answers = 0, peak = 0;
    for (int i = 0; i < n; i++) {
        prompts += all[i].n_prompt;
        answers += all[i].made;
    }
    attn_cache_get_i64(s->cache, ATTN_CACHE_PAGES_PEAK, &peak);
    printf("%d requests: %" PRId64 " tokens of prompts, %" PRId64 " of answers in %.3f s of CPU "
           "time\n"
           "%" PRId64 " rounds of %.1f rows; %" PRId64 " of %" PRId64 " guesses were right\n"
           "pages: at most %" PRId64 " of %d at a time, %" PRId64 " of them shared\n",
           n, prompts, answers, seconds, s->rounds, (double)s->rows / (double)s->rounds,
           s->accepted, s->guesses, peak, PAGES, s->shared);
}

int main(int argc, char **argv)
{
    bool checks = argc > 1 && strcmp(argv[1], "--check") == 0, same = true;
    long n_asked = argc > 1 + checks ? strtol(argv[1 + checks], NULL, 10) : 24;
    int n = n_asked >= 1 && n_asked <= MOST_REQUESTS ? (int)n_asked : 0;
    struct request *all = calloc(MOST_REQUESTS, sizeof *all);
    struct server s = {0};
    if (argc > 2 + checks || n == 0 || !all) {
        fprintf(stderr, "usage: serve_batch [--check] [REQUESTS, 1 to %d]\n", MOST_REQUESTS);
        free(all);
        return 2;
    }
    make_model();
    make_requests(all, n);
    int32_t status = open_server(&s);
    clock_t start = clock();
    if (!status) status = serve(&s, all, n);
    if (!status) report(&s, all, n, (double)(clock() - start) / CLOCKS_PER_SEC);
    if (!status && checks) status = check(&s, all, n, &same);
    if (!status && checks && same) puts("check: the same bits as each request alone");
    if (status) {
        char text[512];
        attn_last_error(text, sizeof text);
        fprintf(stderr, "serve_batch: %s: %s\n", attn_status_name(status), text);
    }
    attn_plan_destroy(s.plan);
    attn_cache_destroy(s.cache);
    attn_ctx_destroy(s.ctx);
    free(all);
    return status != ATTN_OK || !same;
}
