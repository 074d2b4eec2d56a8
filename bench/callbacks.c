/* SPDX-License-Identifier: MIT */
/*
 * ALiBi and windows as functions of the caller's, written as one would write
 * them, against the library's own.
 */
#include "callbacks.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "bench_library.h"
#include "plan_side.h"
#include "turns.h"

/* What the functions know of the problem, through role USER. */
struct user {
    double heads;
    int64_t off, window; /* query q sees keys q + off - window .. q + off */
};

static void alibi(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b, int64_t h,
                  int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    const struct user *u = user;
    const float slope = (float)exp2(-8.0 * (double)(h + 1) / u->heads);
    (void)b;
    if (k_stride == 1) { /* the inner loop goes along what lies together */
        for (int64_t q = 0; q < nq; q++) {
            const float away = (float)(q0 + q + u->off - k0);
            for (int k = 0; k < (int)nk; k++)
                s[q * q_stride + k] -= slope * fabsf(away - (float)k);
        }
        return;
    }
    for (int64_t k = 0; k < nk; k++) {
        const float away = (float)(q0 + u->off - k0 - k);
        for (int q = 0; q < (int)nq; q++)
            s[q * q_stride + k * k_stride] -= slope * fabsf(away + (float)q);
    }
}

static int32_t window(void *user, uint8_t *visible, int64_t q_stride, int64_t k_stride, int64_t b,
                      int64_t h, int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    const struct user *u = user;
    const int64_t first = q0 + u->off, last = first + nq - 1, end = k0 + nk - 1;
    (void)b, (void)h;
    if (k0 > last || end < first - u->window)
        return 0;
    if (end <= first && k0 >= last - u->window)
        return 1;
    for (int64_t q = 0; q < nq && visible; q++)
        for (int64_t k = 0; k < nk; k++) {
            int64_t back = first + q - k0 - k;
            visible[q * q_stride + k * k_stride] = back >= 0 && back <= u->window;
        }
    return 2;
}

enum { WINDOW = 255 };

static const struct pair {
    const char *built_in;
    const char *rest; /* what the function is added to */
    attn_score_fn score;
    attn_mask_fn mask;
} pairs[] = {
#define ALIBI(problem, causal) {problem causal " alibi", problem causal, alibi, NULL}
#define WINDOWED(problem, causal) {problem " causal window=255,0", problem causal, NULL, window}
    ALIBI("softmax h=8 n=512 d=64", " causal"),
    ALIBI("softmax h=12 n=2048 d=64", ""),
    ALIBI("softmax h=12 n=2048 d=64", " causal"),
    ALIBI("softmax h=32/8 n=1024 d=128", " causal"),
    ALIBI("softmax h=32/8 q=1 k=512 d=128", ""),
    ALIBI("softmax h=8 q=1 k=4096 d=64", ""),
    WINDOWED("softmax h=12 n=2048 d=64", ""),
    WINDOWED("softmax h=12 n=2048 d=64", " causal"),
    WINDOWED("softmax h=4 n=8192 d=64", ""),
    WINDOWED("softmax h=32/8 n=2048 d=128", " causal"),
#undef ALIBI
#undef WINDOWED
};

enum { OWN, FUNCTION, BOTH };

static int prepare_function(attn_ctx *ctx, const bench_options *options, const struct pair *p,
                            bench_plan_side *side)
{
    attn_desc *desc;
    int32_t status = attn_desc_parse(ctx, p->rest, &desc);
    if (status != ATTN_OK)
        return bench_library_failed(p->rest);
    if (p->score)
        status = attn_desc_set_score_fn(desc, p->score);
    if (p->mask && status == ATTN_OK)
        status = attn_desc_set_mask_fn(desc, p->mask);
    int rc = status == ATTN_OK ? bench_plan_side_make(ctx, options, p->rest, desc, side)
                               : bench_library_failed(p->rest);
    attn_desc_destroy(desc);
    return rc;
}

static int bind_user(struct user *user, bench_data *data)
{
    if (data->n_args == BENCH_MOST_ARGS)
        return bench_failed("no argument is left for the function's object");
    for (int64_t c = 0; c < BENCH_MOST_COPIES; c++)
        data->args[c][data->n_args] = (attn_arg){ATTN_ROLE_USER, 0, user};
    data->n_args++;
    return 0;
}

static int one_pair(attn_ctx *ctx, const bench_options *options, const struct pair *p, FILE *table)
{
    bench_plan_side *side = calloc(BOTH, sizeof *side);
    struct user user;
    bench_turns turns;
    if (!side)
        return bench_failed("no memory");
    int rc = bench_plan_side_parse(ctx, options, p->built_in, &side[OWN]);
    const bench_size *z = &side[OWN].size;
    if (rc == 0)
        rc = prepare_function(ctx, options, p, &side[FUNCTION]);
    user = (struct user){(double)z->hout, z->k - z->q, WINDOW};
    if (rc == 0)
        rc = bind_user(&user, &side[FUNCTION].data);
    if (rc == 0)
        rc = bench_in_turns(options, bench_plan_side_run,
                            (void *[]){&side[OWN], &side[FUNCTION]}, &turns);
    if (rc == 0) {
        double own = turns.median[OWN], function = turns.median[FUNCTION];
        fprintf(table, "%-48s %-10s %10.1f %12.1f %8.3f\n", p->built_in,
                attn_plan_solver(side[FUNCTION].plan, z->q, z->k), own * 1e-3, function * 1e-3,
                function / own);
        fflush(table);
    }
    for (int n = OWN; n < BOTH; n++)
        bench_plan_side_free(&side[n]);
    free(side);
    return rc;
}

int bench_callbacks(const bench_options *options, int64_t threads, FILE *table)
{
    attn_ctx *ctx = bench_context(options, threads);
    int rc = ctx ? 0 : BENCH_FAILED;
    fprintf(table, "functions against the library's own, %" PRId64 " thread%s, medians of runs in "
                   "turns\n\n%-48s %-10s %10s %12s %8s\n",
            threads, threads == 1 ? "" : "s", "problem", "solver", "us own", "us function",
            "/own");
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && rc == 0; i++)
        rc = one_pair(ctx, options, &pairs[i], table);
    attn_ctx_destroy(ctx);
    return rc;
}
