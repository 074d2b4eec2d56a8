/* SPDX-License-Identifier: MIT */
/*
 * Executes that read caches whose rule folds (RazorAttention): every row against
 * its definition in double, over sequences that come in steps of random sizes,
 * forked and cut on the way; and with invariant=chunk the same bits for another
 * way of feeding them. It goes through solvers/fold_row, which finish and
 * row_exact call.
 * usage: test_view_fold [--seed N|fresh] [--count N]
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

enum { HK = 3, RATIO = 2, H = HK * RATIO, D = 12, DV = 10, MOST = 300 };

/* The first head keeps everything, the others fold. */
static const int64_t group_of[HK] = {0, 1, 1};

struct data {
    float q[MOST][H][D], k[MOST][HK][D], v[MOST][HK][DV], sink_logit[H];
    float out[MOST][H][DV], lse[MOST][H];
};

struct setup {
    struct rng *rng;
    attn_ctx *ctx;
    int64_t window, sink, page;
    int32_t dtype;
    const char *options;
    bool rope, softcap, logits;
    double most, error, square; /* the largest score, and sums over all rows */
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

static void is(int32_t status, int32_t want, const char *what)
{
    if (status != want)
        die(what);
}

static attn_cache *make_cache(const struct setup *s, const char *more)
{
    char text[256];
    attn_desc *desc;
    attn_cache *cache;
    snprintf(text, sizeof text,
             "cache cache_layers=1 h=%d d=%d/%d cache_pages=500 cache_page=%d cache_group=[0,1,1] "
             "cache_window=[inf,%d] cache_sink=[0,%d] cache_fold=[0,1] kv_dtype=%s%s",
             HK, D, DV, (int)s->page, (int)s->window, (int)s->sink, attn_dtype_name(s->dtype),
             more);
    ok(attn_desc_parse(s->ctx, text, &desc), text);
    ok(attn_cache_create(s->ctx, desc, &cache), text);
    attn_desc_destroy(desc);
    return cache;
}

static attn_plan *make_plan(const struct setup *s, const char *more)
{
    char text[300];
    attn_desc *desc;
    attn_plan *plan;
    snprintf(text, sizeof text,
             "softmax h=%d/%d q=%d k=inf d=%d/%d causal view cache_group=[0,1,1] cache_page=%d "
             "kv_dtype=%s %s%s%s%s%s",
             H, HK, MOST, D, DV, (int)s->page, attn_dtype_name(s->dtype), s->options,
             s->rope ? " rope=half" : "", s->softcap ? " softcap=2" : "",
             s->logits ? " sink_logits" : "", more);
    ok(attn_desc_parse(s->ctx, text, &desc), text);
    ok(attn_plan_create(s->ctx, desc, &plan), text);
    attn_desc_destroy(desc);
    return plan;
}

/* Rows t0..t0+n-1 as a tensor [1,heads,n,width]. */
static attn_tensor rows_of(void *data, int64_t heads, int64_t t0, int64_t n, int64_t width)
{
    return (attn_tensor){.data = (float *)data + t0 * heads * width,
                         .dtype = ATTN_DTYPE_F32,
                         .rank = 4,
                         .shape = {1, heads, n, width},
                         .stride = {0, width, heads * width, 1}};
}

/* Rows t0..t0+n-1 of a sequence that ends there or has them in an open step. */
static int32_t run(attn_plan *plan, attn_cache *cache, int64_t seq, struct data *x, int64_t t0,
                   int64_t n)
{
    int64_t layer = 0;
    attn_view *view;
    attn_tensor q = rows_of(x->q, H, t0, n, D), out = rows_of(x->out, H, t0, n, DV);
    attn_tensor at = {&layer, ATTN_DTYPE_I64, 1, {1}, {1}};
    attn_tensor logits = {x->sink_logit, ATTN_DTYPE_F32, 1, {H}, {1}};
    attn_tensor lse = {x->lse[t0], ATTN_DTYPE_F32, 3, {1, H, n}, {0, 1, H}};
    attn_arg args[6] = {{ATTN_ROLE_Q, 0, &q},     {ATTN_ROLE_OUT, 0, &out},
                        {ATTN_ROLE_LSE, 0, &lse}, {ATTN_ROLE_LAYER, 0, &at},
                        {ATTN_ROLE_VIEW, 0, NULL}, {ATTN_ROLE_SINK_LOGITS, 0, &logits}};
    ok(attn_view_create(cache, 1, NULL, &seq, NULL, &view), "view");
    args[4].object = view;
    int32_t status = attn_plan_execute(plan, args, 6, NULL, 0);
    if (status == ATTN_ERR_ROLE) /* the plan has no logits */
        status = attn_plan_execute(plan, args, 5, NULL, 0);
    attn_view_destroy(view);
    return status;
}

/* Appends tokens t0..t0+n-1 and runs them while the step is open. */
static void feed(attn_plan *plan, attn_cache *cache, int64_t seq, struct data *x, int64_t t0,
                 int64_t n)
{
    attn_step *step;
    attn_tensor k = rows_of(x->k, HK, t0, n, D), v = rows_of(x->v, HK, t0, n, DV);
    ok(attn_step_begin(cache, 1, &seq, &n, NULL, &step), "begin");
    ok(attn_step_write(step, 0, &k, &v), "write");
    ok(run(plan, cache, seq, x, t0, n), "execute");
    ok(attn_step_commit(step, NULL, NULL), "commit");
    attn_step_destroy(step);
}

/* ---- the definition */

static void turn(double *q, int64_t pos)
{
    for (int c = 0; c < D / 2; c++) {
        double angle = (double)pos * pow(10000, -2.0 * c / D), a = q[c], b = q[D / 2 + c];
        q[c] = a * cos(angle) - b * sin(angle);
        q[D / 2 + c] = b * cos(angle) + a * sin(angle);
    }
}

static double dot(const double *q, const double *k)
{
    double sum = 0;
    for (int c = 0; c < D; c++)
        sum += q[c] * k[c];
    return sum / sqrt(D);
}

/* A key with score x and value v comes in. */
static void see(double x, const double *v, double *max, double *sum, double *acc)
{
    double top = fmax(*max, x), f = *max == -INFINITY ? 0 : exp(*max - top), w = exp(x - top);
    *sum = *sum * f + w;
    for (int e = 0; e < DV; e++)
        acc[e] = acc[e] * f + w * (v ? v[e] : 0);
    *max = top;
}

static void want_row(struct setup *s, const struct data *x, int64_t h, int64_t i, double *out,
                     double *lse)
{
    int64_t head = h / RATIO, hidden = 0;
    double q[D], k_sum[D] = {0}, v_sum[DV] = {0}, max = -INFINITY, sum = 0;
    memset(out, 0, DV * sizeof *out);
    for (int c = 0; c < D; c++)
        q[c] = (double)x->q[i][h][c];
    if (s->rope)
        turn(q, i);
    if (s->logits)
        see((double)x->sink_logit[h], NULL, &max, &sum, out);
    for (int64_t j = 0; j <= i; j++) {
        double k[D], v[DV];
        for (int c = 0; c < D; c++)
            k[c] = (double)x->k[j][head][c];
        for (int e = 0; e < DV; e++)
            v[e] = (double)x->v[j][head][e];
        if (group_of[head] && j >= s->sink && i - j >= s->window) {
            hidden++;
            for (int c = 0; c < D; c++)
                k_sum[c] += k[c];
            for (int e = 0; e < DV; e++)
                v_sum[e] += v[e];
            continue;
        }
        double score = dot(q, k);
        s->most = fmax(s->most, fabs(score));
        see(s->softcap ? 2 * tanh(score / 2) : score, v, &max, &sum, out);
    }
    if (hidden > 0) {
        double score = dot(q, k_sum) / (double)hidden;
        for (int e = 0; e < DV; e++)
            v_sum[e] /= (double)hidden;
        see((s->softcap ? 2 * tanh(score / 2) : score) + log((double)hidden), v_sum, &max, &sum,
            out);
    }
    for (int e = 0; e < DV; e++)
        out[e] /= sum;
    *lse = max + log(sum);
}

static void compare(struct setup *s, const struct data *x, int64_t t0, int64_t n)
{
    for (int64_t i = t0; i < t0 + n; i++)
        for (int64_t h = 0; h < H; h++) {
            double want[DV], lse;
            want_row(s, x, h, i, want, &lse);
            for (int e = 0; e < DV; e++) {
                double off = (double)x->out[i][h][e] - want[e];
                if (!(fabs(off) < 2e-5)) {
                    fprintf(stderr, "%s: row %d head %d channel %d is %g, expected %g\n",
                            s->options, (int)i, (int)h, e, (double)x->out[i][h][e], want[e]);
                    exit(1);
                }
                s->error += off * off;
                s->square += want[e] * want[e];
            }
            if (!(fabs((double)x->lse[i][h] - lse) < 1e-5 * (1 + fabs(lse)))) {
                fprintf(stderr, "%s: lse of row %d head %d is %g, expected %g\n", s->options,
                        (int)i, (int)h, (double)x->lse[i][h], lse);
                exit(1);
            }
        }
}

/* ---- sequences */

static void fill(struct setup *s, float *x, int64_t n, bool rounded)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = (float)rng_int(s->rng, -400, 400) / 200;
        if (rounded) {
            double stored = 0;
            attn__store_f64(&stored, 0, s->dtype, (double)x[i]);
            x[i] = (float)attn__load_f64(&stored, 0, s->dtype);
        }
    }
}

static void choose(struct setup *s, struct data *x)
{
    static const char *const options[] = {
        "solver=reference", "solver=decode", "solver=flash", "",
        "solver=decode invariant=chunk", "solver=flash invariant=chunk"};
    static const int32_t dtypes[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F16, ATTN_DTYPE_BF16};
    s->options = options[rng_int(s->rng, 0, 5)];
    s->dtype = dtypes[rng_int(s->rng, 0, 2)];
    s->window = rng_int(s->rng, 1, 40);
    s->sink = rng_int(s->rng, 0, 5);
    s->page = INT64_C(8) << rng_int(s->rng, 0, 3);
    s->rope = rng_int(s->rng, 0, 1) == 1;
    s->softcap = rng_int(s->rng, 0, 3) == 0;
    s->logits = rng_int(s->rng, 0, 3) == 0;
    fill(s, x->q[0][0], MOST * H * D, false);
    fill(s, x->k[0][0], MOST * HK * D, true);
    fill(s, x->v[0][0], MOST * HK * DV, true);
    fill(s, x->sink_logit, H, false);
}

/* All tokens in steps of at most `most`. */
static void feed_all(struct setup *s, attn_plan *plan, attn_cache *cache, int64_t seq,
                     struct data *x, int64_t n, int64_t most)
{
    for (int64_t t = 0, some; t < n; t += some) {
        some = rng_int(s->rng, 1, most);
        some = some < n - t ? some : n - t;
        feed(plan, cache, seq, x, t, some);
    }
}

static void one(struct setup *s)
{
    static struct data x, other;
    choose(s, &x);
    int64_t n = rng_int(s->rng, 1, MOST), seq, fork;
    attn_cache *cache = make_cache(s, "");
    attn_plan *plan = make_plan(s, "");
    ok(attn_cache_seq_create(cache, &seq), "create");
    feed_all(s, plan, cache, seq, &x, n, rng_int(s->rng, 0, 1) ? 70 : 5);
    compare(s, &x, 0, n);
    other = x;
    if (strstr(s->options, "invariant")) {
        ok(attn_cache_seq_create(cache, &fork), "create");
        feed_all(s, plan, cache, fork, &other, n, 1 + rng_int(s->rng, 0, 1) * 200);
        if (memcmp(&x, &other, sizeof x) != 0)
            die("other steps give other bits");
        ok(attn_cache_seq_free(cache, fork), "free");
    }
    /* the last row once more without a step, then a shorter fork that goes on */
    ok(run(plan, cache, seq, &other, n - 1, 1), "the last row");
    compare(s, &other, n - 1, 1);
    int64_t upto = rng_int(s->rng, n > 3 ? n - 3 : 0, n), more = n + 20 < MOST ? n + 20 : MOST;
    int32_t status = attn_cache_fork(cache, seq, upto, 0, &fork);
    if (status == ATTN_OK && upto < more) {
        feed(plan, cache, fork, &other, upto, more - upto);
        compare(s, &other, upto, more - upto);
    } else if (status != ATTN_OK) {
        is(status, ATTN_ERR_UNAVAILABLE, "fork");
    }
    attn_plan_destroy(plan);
    attn_cache_destroy(cache);
}

/* ---- refused */

static void check_refused(struct setup *s)
{
    static struct data x;
    static const char *const bad[] = {" alibi", " want=rowmax", " want=argmax", " want=entropy",
                                      " normalizer=exp_n"};
    int64_t seq, two = 2;
    const int32_t parents[2] = {-1, -1};
    attn_step *step;
    *s = (struct setup){.rng = s->rng, .ctx = s->ctx, .window = 4, .sink = 1, .page = 8,
                        .dtype = ATTN_DTYPE_F32, .options = ""};
    attn_cache *cache = make_cache(s, "");
    attn_plan *plan = make_plan(s, "");
    ok(attn_cache_seq_create(cache, &seq), "create");
    feed(plan, cache, seq, &x, 0, 20);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        attn_plan *with = make_plan(s, bad[i]);
        is(run(with, cache, seq, &x, 19, 1), ATTN_ERR_UNSUPPORTED, bad[i]);
        attn_plan_destroy(with);
    }
    attn_tensor k = rows_of(x.k, HK, 20, 2, D), v = rows_of(x.v, HK, 20, 2, DV);
    ok(attn_step_begin(cache, 1, &seq, &two, parents, &step), "begin");
    ok(attn_step_write(step, 0, &k, &v), "write");
    is(run(plan, cache, seq, &x, 20, 2), ATTN_ERR_UNSUPPORTED, "a step that branches");
    attn_step_destroy(step);
    attn_plan_destroy(plan);
    attn_cache_destroy(cache);

    /* keys that plans turn, of which the sums know nothing */
    cache = make_cache(s, " cache_keys=raw");
    plan = make_plan(s, " cache_keys=raw rope=half");
    ok(attn_cache_seq_create(cache, &seq), "create");
    is(run(plan, cache, seq, &x, 0, 0), ATTN_ERR_UNSUPPORTED, "raw keys");
    attn_plan_destroy(plan);
    attn_cache_destroy(cache);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    int64_t count = 40;
    for (int n = 1; n + 1 < argc; n += 2) {
        if (strcmp(argv[n], "--seed") == 0)
            seed = strcmp(argv[n + 1], "fresh") == 0 ? (uint64_t)time(NULL)
                                                     : strtoull(argv[n + 1], NULL, 10);
        else if (strcmp(argv[n], "--count") == 0)
            count = strtoll(argv[n + 1], NULL, 10);
    }
    struct rng rng = {.state = seed};
    struct setup s = {.rng = &rng};
    ok(attn_ctx_create(NULL, &s.ctx), "ctx");
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    for (int64_t n = 0; n < count; n++)
        one(&s);
    double off = sqrt(s.error / s.square), most = 8 * 0x1p-23 * (1 + s.most / 4);
    printf("%" PRId64 " cases, relative RMS %.3g, at most %.3g\n", count, off, most);
    check_refused(&s);
    attn_ctx_destroy(s.ctx);
    return !(off <= most);
}
