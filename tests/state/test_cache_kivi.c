/* SPDX-License-Identifier: MIT */
/*
 * Caches with keys of kivi under random calls, against a mirror that says the
 * definition again in plain C: every number that is read has its bits. Saved
 * sequences are loaded whole and damaged, memory ends on the way, and executes
 * by every solver are compared with the same rows in tensors.
 * usage: test_cache_kivi [--seed N] [--calls N]
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "../mech/rng.h"
#include "base/crc32.h"
#include "base/dtype.h"

enum { D = 64, DV = 32, HEADS = 2, SEQS = 4, MOST = 300, STEP = 70, ROWS = 5, BLOCK = 32 };

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            char text_[512];                                                                       \
            attn_last_error(text_, sizeof text_);                                                  \
            fprintf(stderr, "error: line %d: %s (last error: %s)\n", __LINE__, #condition, text_); \
            if (++failures > 10)                                                                   \
                exit(EXIT_FAILURE);                                                                \
        }                                                                                          \
    } while (0)

/* ---- memory that may end */

struct memory {
    int64_t left; /* allocations until it does; negative: never */
    int64_t live;
};

static void *take(void *user, size_t bytes, size_t align)
{
    struct memory *m = user;
    void *ptr = NULL;
    if (m->left == 0)
        return NULL;
    m->left -= m->left > 0;
    if (posix_memalign(&ptr, align < sizeof(void *) ? sizeof(void *) : align, bytes) != 0)
        return NULL;
    memset(ptr, 0xA5, bytes);
    m->live++;
    return ptr;
}

static void give(void *user, void *ptr, size_t bytes)
{
    (void)bytes;
    ((struct memory *)user)->live -= ptr != NULL;
    free(ptr);
}

/* ---- the mirror */

struct token {
    int64_t pos;
    float k[HEADS][D], v[HEADS][DV];
};

struct seq {
    int64_t id, next, last; /* id 0: none */
    int n, closed;
    struct token token[MOST];
};

struct world {
    struct rng *rng;
    struct memory memory;
    attn_ctx *ctx;
    attn_cache *cache;
    int levels, residual, page, window, sink; /* window 0: none */
    const char *type;
    struct seq seq[SEQS];
    long executes, closed, refused;
};

static float half(float x)
{
    return attn__f16_to_f32(attn__f32_to_f16(x));
}

/* n numbers `apart` floats from each other, as they are once they are rounded. */
static void round_group(float *x, int n, size_t apart, int levels)
{
    float low = x[0], high = x[0];
    for (int i = 1; i < n; i++) {
        low = fminf(low, x[(size_t)i * apart]);
        high = fmaxf(high, x[(size_t)i * apart]);
    }
    float step = (high - low) / (float)levels;
    for (int i = 0; i < n; i++) {
        float *at = &x[(size_t)i * apart];
        float code = step > 0 ? nearbyintf((*at - low) / step) : 0;
        *at = fminf(code, (float)levels) * half(step) + half(low);
    }
}

static void mirror_close(struct world *w, struct seq *s)
{
    for (; s->n - s->closed >= BLOCK + w->residual; s->closed += BLOCK, w->closed++) {
        struct token *t = &s->token[s->closed];
        for (int h = 0; h < HEADS; h++) {
            for (int c = 0; c < D; c++)
                round_group(&t->k[h][c], BLOCK, sizeof *t / sizeof(float), w->levels);
            for (int i = 0; i < BLOCK; i++)
                for (int c = 0; c < DV; c += 32)
                    round_group(&t[i].v[h][c], 32, 1, w->levels);
        }
    }
}

/* Keeps what is not at positions from..to-1. */
static void mirror_cut(struct seq *s, int64_t from, int64_t to)
{
    int kept = 0, closed = 0;
    for (int i = 0; i < s->n; i++) {
        if (s->token[i].pos >= from && s->token[i].pos < to)
            continue;
        if (i < s->closed)
            closed = kept + 1;
        s->token[kept++] = s->token[i];
    }
    s->n = kept;
    s->closed = closed;
}

static void mirror_commit(struct world *w, struct seq *s, const struct token *fresh, int n)
{
    s->last = s->next;
    for (int i = 0; i < n; i++) {
        s->token[s->n] = fresh[i];
        s->token[s->n++].pos = s->next++;
    }
    int64_t least = w->window > 0 ? s->last - (w->window - 1) : 0;
    mirror_cut(s, w->sink, least);
    mirror_close(w, s);
}

/* ---- against the library */

static attn_tensor dense(void *data, int32_t dtype, int64_t heads, int64_t n, int64_t d)
{
    attn_tensor t;
    const int64_t shape[4] = {1, heads, n, d};
    CHECK(attn_tensor_init(&t, data, dtype, 4, shape) == ATTN_OK);
    return t;
}

static float read_k[HEADS * MOST * D], read_v[HEADS * MOST * DV];

static void read_rows(const struct world *w, const struct seq *s)
{
    attn_tensor k = dense(read_k, ATTN_DTYPE_F32, HEADS, s->n, D);
    attn_tensor v = dense(read_v, ATTN_DTYPE_F32, HEADS, s->n, DV);
    CHECK(attn_cache_read(w->cache, s->id, 0, 0, &k, &v) == ATTN_OK);
}

static void compare(const struct world *w, const struct seq *s)
{
    static int64_t pos[MOST];
    size_t n = 0;
    int64_t next = 0;
    bool same = true;
    CHECK(attn_cache_positions(w->cache, s->id, 0, 0, pos, MOST, &n) == ATTN_OK);
    CHECK(attn_cache_seq_get_i64(w->cache, s->id, ATTN_CACHE_SEQ_NEXT, &next) == ATTN_OK);
    CHECK((int)n == s->n && next == s->next);
    read_rows(w, s);
    for (int i = 0; i < s->n && (int)n == s->n; i++) {
        same = same && pos[i] == s->token[i].pos;
        for (int h = 0; h < HEADS; h++)
            same = same &&
                   memcmp(read_k + (h * s->n + i) * D, s->token[i].k[h], D * sizeof(float)) == 0 &&
                   memcmp(read_v + (h * s->n + i) * DV, s->token[i].v[h], DV * sizeof(float)) == 0;
    }
    CHECK(same);
    CHECK(attn_cache_check(w->cache) == ATTN_OK);
}

static struct seq *pick(struct world *w, bool live)
{
    int at = (int)rng_int(w->rng, 0, SEQS - 1);
    for (int i = 0; i < SEQS; i++, at = (at + 1) % SEQS)
        if ((w->seq[at].id != 0) == live)
            return &w->seq[at];
    return NULL;
}

/* Rows whose exponents differ, with whole groups of one number among them. */
static void fill_token(struct rng *rng, struct token *t)
{
    float *x = &t->k[0][0];
    float size = ldexpf(1, (int)rng_int(rng, -6, 3));
    for (int i = 0; i < HEADS * D; i++)
        x[i] = i % 7 == 3 ? 0.75f : size * (float)(rng_unit(rng) * 2 - 1) + (float)(i % 5);
    x = &t->v[0][0];
    for (int i = 0; i < HEADS * DV; i++)
        x[i] = size < 0.1f ? size : size * (float)(rng_unit(rng) * 2 - 1);
}

/* k and v of a step's tokens, [head][token][channel]. */
static void rows_of(const struct token *t, int n, float *k, float *v)
{
    for (int h = 0; h < HEADS; h++)
        for (int i = 0; i < n; i++) {
            memcpy(k + (h * n + i) * D, t[i].k[h], D * sizeof *k);
            memcpy(v + (h * n + i) * DV, t[i].v[h], DV * sizeof *v);
        }
}

static bool without(struct world *w, int32_t status)
{
    CHECK(status == ATTN_OK || status == ATTN_ERR_FULL || status == ATTN_ERR_NOMEM);
    w->refused += status != ATTN_OK;
    return status != ATTN_OK;
}

/* ---- executes */

static void run_plan(const struct world *w, const struct seq *s, const char *solver,
                     const attn_view *view, float *q, int rows, float *out)
{
    char text[256];
    attn_desc *desc;
    attn_plan *plan;
    int64_t zero = 0;
    int at = snprintf(text, sizeof text, "softmax h=%d/%d q=%d k=inf d=%d/%d causal solver=%s",
                      2 * HEADS, HEADS, ROWS, D, DV, solver);
    if (view)
        snprintf(text + at, sizeof text - (size_t)at,
                 " view kv_dtype=%s cache_keys=raw cache_page=%d", w->type, w->page);
    CHECK(attn_desc_parse(w->ctx, text, &desc) == ATTN_OK);
    CHECK(attn_plan_create(w->ctx, desc, &plan) == ATTN_OK);
    attn_tensor tq = dense(q, ATTN_DTYPE_F32, 2 * HEADS, rows, D);
    attn_tensor to = dense(out, ATTN_DTYPE_F32, 2 * HEADS, rows, DV);
    attn_tensor k = dense(read_k, ATTN_DTYPE_F32, HEADS, s->n, D);
    attn_tensor v = dense(read_v, ATTN_DTYPE_F32, HEADS, s->n, DV), layer;
    const int64_t one = 1;
    CHECK(attn_tensor_init(&layer, &zero, ATTN_DTYPE_I64, 1, &one) == ATTN_OK);
    attn_arg args[4] = {{ATTN_ROLE_Q, 0, &tq}, {ATTN_ROLE_OUT, 0, &to}, {ATTN_ROLE_K, 0, &k},
                        {ATTN_ROLE_V, 0, &v}};
    if (view) {
        args[2] = (attn_arg){ATTN_ROLE_VIEW, 0, view};
        args[3] = (attn_arg){ATTN_ROLE_LAYER, 0, &layer};
    }
    CHECK(attn_plan_execute(plan, args, 4, NULL, 0) == ATTN_OK);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
}

/* The newest tokens as queries, where none is missing. */
static void execute(struct world *w, const struct seq *s)
{
    static const char *const solvers[] = {"reference", "decode", "flash"};
    static float q[2 * HEADS * ROWS * D], want[2 * HEADS * ROWS * DV], got[2 * HEADS * ROWS * DV];
    int rows = (int)rng_int(w->rng, 1, ROWS);
    attn_view *view;
    if (w->window > 0 || s->n != s->next || s->n < rows)
        return;
    for (int i = 0; i < 2 * HEADS * rows * D; i++)
        q[i] = (float)(rng_unit(w->rng) - 0.5);
    read_rows(w, s);
    run_plan(w, s, "reference", NULL, q, rows, want);
    CHECK(attn_view_create(w->cache, 1, NULL, &s->id, NULL, &view) == ATTN_OK);
    for (int i = 0; i < 3; i++) {
        int wrong = 0;
        run_plan(w, s, solvers[i], view, q, rows, got);
        for (int e = 0; e < 2 * HEADS * rows * DV; e++)
            wrong += !(fabsf(got[e] - want[e]) < 2e-5f);
        CHECK(wrong == 0);
        w->executes++;
    }
    attn_view_destroy(view);
}

/* ---- calls */

/* Of the tokens of a step some are kept; or it is aborted. */
static void call_step(struct world *w, struct seq *s)
{
    static struct token fresh[STEP];
    static float k[HEADS * STEP * D], v[HEADS * STEP * DV];
    int most = MOST - s->n < STEP ? MOST - s->n : STEP;
    int64_t n = rng_int(w->rng, 0, 3) ? rng_int(w->rng, 1, 9) : rng_int(w->rng, 1, STEP);
    attn_step *step = NULL;
    if (n > most)
        return;
    for (int i = 0; i < n; i++)
        fill_token(w->rng, &fresh[i]);
    rows_of(fresh, (int)n, k, v);
    attn_tensor tk = dense(k, ATTN_DTYPE_F32, HEADS, n, D);
    attn_tensor tv = dense(v, ATTN_DTYPE_F32, HEADS, n, DV);
    if (without(w, attn_step_begin(w->cache, 1, &s->id, &n, NULL, &step)))
        return;
    w->memory.left = 0; /* from here on none is needed */
    CHECK(attn_step_write(step, 0, &tk, &tv) == ATTN_OK);
    if (rng_percent(w->rng, 15)) {
        CHECK(attn_step_abort(step) == ATTN_OK);
    } else {
        int64_t kept = rng_percent(w->rng, 30) ? rng_int(w->rng, 0, n) : n;
        int32_t keep[STEP];
        for (int i = 0; i < kept; i++)
            keep[i] = i;
        CHECK(attn_step_commit(step, &kept, keep) == ATTN_OK);
        mirror_commit(w, s, fresh, (int)kept);
    }
    attn_step_destroy(step);
}

static void call_fork(struct world *w, const struct seq *s)
{
    struct seq *to = pick(w, false);
    int64_t upto = rng_int(w->rng, 0, s->next), id;
    if (!to)
        return;
    int32_t status = attn_cache_fork(w->cache, s->id, upto, 0, &id);
    if (status == ATTN_ERR_UNAVAILABLE || without(w, status))
        return;
    *to = *s;
    to->id = id;
    to->next = upto;
    to->last = s->last < upto ? s->last : upto;
    mirror_cut(to, upto, INT64_MAX);
}

static void call_truncate(struct world *w, struct seq *s)
{
    int64_t end = rng_int(w->rng, s->next > 40 ? s->next - 40 : 0, s->next);
    if (attn_cache_truncate(w->cache, s->id, end, 0) != ATTN_OK)
        return;
    s->next = end;
    s->last = s->last < end ? s->last : end;
    mirror_cut(s, end, INT64_MAX);
}

static void call_remove(struct world *w, struct seq *s)
{
    if (s->next < 2)
        return;
    int64_t p0 = rng_int(w->rng, 0, s->next - 1), p1 = rng_int(w->rng, p0, s->next - 1);
    p1 = p1 - p0 > 50 ? p0 + 50 : p1;
    CHECK(attn_cache_remove(w->cache, s->id, p0, p1) == ATTN_OK);
    mirror_cut(s, p0, p1);
}

/* Keys are raw, so that only positions change. */
static void call_shift(struct world *w, struct seq *s)
{
    int64_t p0 = rng_int(w->rng, 0, s->next), delta = rng_int(w->rng, -40, 5);
    if (attn_cache_shift(w->cache, s->id, p0, delta) != ATTN_OK)
        return;
    for (int i = 0; i < s->n; i++)
        s->token[i].pos += s->token[i].pos >= p0 ? delta : 0;
    s->last += s->last >= p0 ? delta : 0;
    s->next += delta;
}

static void call_append(struct world *w, struct seq *s, const struct seq *from)
{
    if (s == from || s->n + from->n > MOST || from->n != from->next || from->n == 0)
        return;
    if (!without(w, attn_cache_append(w->cache, s->id, from->id)))
        mirror_commit(w, s, from->token, from->n);
}

static void put_u32(char *at, uint32_t x)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(x >> 8 * i);
}

/* A changed byte of the body, with checksums that fit or not. */
static void damage(struct world *w, char *buf, size_t bytes)
{
    size_t head = 0, at;
    int64_t made;
    bool mended = rng_percent(w->rng, 70);
    for (int i = 0; i < 4; i++)
        head |= (size_t)(unsigned char)buf[8 + i] << 8 * i;
    char *tail = buf + 16 + head, *body = tail + 16;
    size_t most = bytes - (size_t)(body - buf) - 1;
    bool lists = mended && most > 99 && rng_percent(w->rng, 70);
    at = (size_t)rng_int(w->rng, 0, lists ? 99 : (int64_t)most);
    body[at] = (char)(body[at] ^ (char)rng_int(w->rng, 1, 255));
    if (mended) {
        put_u32(tail + 8, attn__crc32(0, body, most + 1));
        put_u32(tail + 12, attn__crc32(0, buf, 16 + head + 12));
    }
    int32_t status = attn_cache_load(w->cache, buf, bytes, &made);
    if (status == ATTN_OK)
        CHECK(mended && attn_cache_check(w->cache) == ATTN_OK &&
              attn_cache_seq_free(w->cache, made) == ATTN_OK);
    else
        CHECK(status == ATTN_ERR_CORRUPT || (mended && status != ATTN_ERR_FORMAT));
}

static void call_load(struct world *w, const struct seq *s)
{
    struct seq *to = pick(w, false);
    size_t bytes, again;
    int64_t id;
    if (!to)
        return;
    CHECK(attn_cache_save(w->cache, s->id, NULL, 0, &bytes) == ATTN_OK);
    char *buf = malloc(bytes), *twice = malloc(bytes);
    if (!buf || !twice)
        exit(EXIT_FAILURE);
    CHECK(attn_cache_save(w->cache, s->id, buf, bytes, NULL) == ATTN_OK);
    if (!without(w, attn_cache_load(w->cache, buf, bytes, &id))) {
        *to = *s;
        to->id = id;
        CHECK(attn_cache_save(w->cache, id, twice, bytes, &again) == ATTN_OK);
        CHECK(again == bytes && memcmp(buf, twice, bytes) == 0);
    }
    damage(w, buf, bytes);
    free(buf);
    free(twice);
}

static void call(struct world *w)
{
    int64_t what = rng_int(w->rng, 0, 99);
    struct seq *s = pick(w, true), *none = pick(w, false);
    w->memory.left = rng_percent(w->rng, 20) ? rng_int(w->rng, 0, 3) : -1;
    if (none && (!s || what < 4)) {
        if (!without(w, attn_cache_seq_create(w->cache, &none->id)))
            none->next = none->last = none->n = none->closed = 0;
        else
            none->id = 0;
    } else if (!s) {
        return;
    } else if (what < 50) {
        call_step(w, s);
    } else if (what < 58) {
        call_fork(w, s);
    } else if (what < 66) {
        call_truncate(w, s);
    } else if (what < 70) {
        call_remove(w, s);
    } else if (what < 74) {
        call_shift(w, s);
    } else if (what < 78) {
        call_append(w, s, pick(w, true));
    } else if (what < 84) {
        call_load(w, s);
    } else if (what < 87) {
        CHECK(attn_cache_seq_free(w->cache, s->id) == ATTN_OK);
        s->id = 0;
    }
    w->memory.left = -1;
    if (s && what >= 87)
        execute(w, s);
    for (int i = 0; i < SEQS; i++)
        if (w->seq[i].id)
            compare(w, &w->seq[i]);
}

static void run(struct rng *rng, int calls)
{
    static struct world w;
    char text[256];
    int at;
    w = (struct world){.rng = rng, .memory = {.left = -1}};
    w.levels = rng_percent(rng, 50) ? 15 : 3;
    w.type = w.levels == 15 ? "kivi4" : "kivi2";
    w.residual = 32 * (int)rng_int(rng, 0, 2);
    w.page = 32 << rng_int(rng, 0, 2);
    w.window = rng_percent(rng, 40) ? (int)rng_int(rng, 1, 120) : 0;
    w.sink = w.window ? (int)rng_int(rng, 0, 4) : 0;
    at = snprintf(text, sizeof text,
                  "cache h=%d d=%d/%d cache_layers=1 cache_pages=%d cache_page=%d "
                  "cache_sequences=%d kv_dtype=%s cache_keys=raw cache_residual=%d "
                  "cache_summary=minmax",
                  HEADS, D, DV, (int)rng_int(rng, 12, 40), w.page, SEQS, w.type, w.residual);
    if (w.window)
        snprintf(text + at, sizeof text - (size_t)at, " cache_window=[%d] cache_sink=[%d]",
                 w.window, w.sink);
    const attn_allocator hook = {sizeof hook, &w.memory, take, give};
    attn_desc *desc;
    CHECK(attn_ctx_create(&hook, &w.ctx) == ATTN_OK);
    CHECK(attn_desc_parse(w.ctx, text, &desc) == ATTN_OK);
    CHECK(attn_cache_create(w.ctx, desc, &w.cache) == ATTN_OK);
    attn_desc_destroy(desc);
    for (int i = 0; i < calls; i++)
        call(&w);
    attn_cache_destroy(w.cache);
    attn_ctx_destroy(w.ctx);
    CHECK(w.memory.live == 0);
    printf("%s: %ld blocks closed, %ld executes, %ld calls refused\n", text, w.closed, w.executes,
           w.refused);
}

/* ---- keys that are turned */

static void turned(void)
{
    enum { N = 40, SHIFT = 1000 };
    static float k[N * D], v[N * DV], want[N * D], got[N * D];
    attn_ctx *ctx;
    attn_desc *desc;
    attn_cache *cache;
    attn_step *step;
    int64_t seq, n = N, fork, lossy = 0;
    struct rng rng = {3};
    CHECK(attn_ctx_create(NULL, &ctx) == ATTN_OK);
    CHECK(attn_desc_parse(ctx, "cache h=1 d=64/32 cache_layers=1 cache_pages=9 kv_dtype=kivi4 "
                               "rope=half",
                          &desc) == ATTN_OK);
    CHECK(attn_cache_create(ctx, desc, &cache) == ATTN_OK);
    for (int i = 0; i < N * D; i++)
        k[i] = (float)(rng_unit(&rng) * 2 - 1);
    attn_tensor tk = dense(k, ATTN_DTYPE_F32, 1, N, D), tv = dense(v, ATTN_DTYPE_F32, 1, N, DV);
    CHECK(attn_cache_seq_create(cache, &seq) == ATTN_OK);
    CHECK(attn_step_begin(cache, 1, &seq, &n, NULL, &step) == ATTN_OK);
    CHECK(attn_step_write(step, 0, &tk, &tv) == ATTN_OK);
    CHECK(attn_step_commit(step, NULL, NULL) == ATTN_OK);
    attn_step_destroy(step);
    CHECK(attn_cache_fork(cache, seq, -1, 0, &fork) == ATTN_OK);
    attn_tensor tw = dense(want, ATTN_DTYPE_F32, 1, N, D), tg = dense(got, ATTN_DTYPE_F32, 1, N, D);
    CHECK(attn_cache_read(cache, seq, 0, 0, &tw, &tv) == ATTN_OK);
    CHECK(attn_cache_shift(cache, fork, 10, SHIFT) == ATTN_OK);
    CHECK(attn_cache_seq_get_i64(cache, fork, ATTN_CACHE_SEQ_LOSSY, &lossy) == ATTN_OK && lossy);
    CHECK(attn_cache_check(cache) == ATTN_OK);
    CHECK(attn_cache_read(cache, seq, 0, 0, &tg, &tv) == ATTN_OK);
    CHECK(memcmp(want, got, sizeof got) == 0); /* the fork has its own pages now */
    CHECK(attn_cache_read(cache, fork, 0, 0, &tg, &tv) == ATTN_OK);
    for (int i = 0; i < N; i++)
        for (int c = 0; c < D / 2; c++) {
            double angle = i < 10 ? 0 : SHIFT * pow(10000, -2.0 * c / D);
            double x = (double)want[i * D + c], y = (double)want[i * D + c + D / 2];
            double most = i < BLOCK ? 0.13 : 1e-5; /* half a step of a range up to 2 sqrt 2 */
            CHECK(fabs(x * cos(angle) - y * sin(angle) - (double)got[i * D + c]) < most);
            CHECK(fabs(y * cos(angle) + x * sin(angle) - (double)got[i * D + c + D / 2]) < most);
        }
    attn_cache_destroy(cache);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
}

/* ---- what is refused */

static void descriptors(void)
{
    static const struct {
        const char *text;
        int32_t status;
    } bad[] = {
        {"d=48 kv_dtype=kivi4", ATTN_ERR_INVALID},
        {"d=64 kv_dtype=kivi4 cache_page=16", ATTN_ERR_INVALID},
        {"d=64 kv_dtype=kivi2 cache_residual=16", ATTN_ERR_INVALID},
        {"d=64 kv_dtype=q8_0 cache_residual=32", ATTN_ERR_INVALID},
        {"d=64 kv_dtype=kivi2 cache_v_prefix", ATTN_ERR_UNSUPPORTED},
        {"d=64 kv_dtype=kivi2 cache_window=[64] cache_fold=[1]", ATTN_ERR_UNSUPPORTED},
        {"d=64 policy=kivi kv_dtype=f16", ATTN_ERR_INVALID},
        {"d=64 policy=kivi", ATTN_OK},
        {"d=64 policy=kivi kv_dtype=kivi4 cache_residual=32", ATTN_OK},
        {"d=64 cache_k_dtype=[34] cache_v_dtype=[3]", ATTN_OK},
        {"d=64 cache_k_dtype=[3] cache_v_dtype=[35]", ATTN_OK},
    };
    attn_ctx *ctx;
    CHECK(attn_ctx_create(NULL, &ctx) == ATTN_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[200];
        attn_desc *desc;
        attn_cache *cache = NULL;
        snprintf(text, sizeof text, "cache h=1 cache_layers=1 cache_pages=4 %s", bad[i].text);
        CHECK(attn_desc_parse(ctx, text, &desc) == ATTN_OK);
        int32_t status = attn_cache_create(ctx, desc, &cache);
        if (status != bad[i].status)
            fprintf(stderr, "error: %s\n", text);
        CHECK(status == bad[i].status);
        attn_cache_destroy(cache);
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}

int main(int argc, char **argv)
{
    struct rng rng = {1};
    int calls = 400;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            rng.state = strtoull(argv[i + 1], NULL, 10);
        else
            calls = atoi(argv[i + 1]);
    }
    descriptors();
    turned();
    for (int i = 0; i < 4; i++)
        run(&rng, calls);
    return failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
