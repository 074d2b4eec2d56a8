/* SPDX-License-Identifier: MIT */
/*
 * Head gates and lists of blocks, chosen at random with a given density. Full
 * and routed attention run in turns, one execute each; the figures are medians.
 */
#include "routed.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_library.h"
#include "plan_side.h"
#include "turns.h"

enum { BLOCK = 128 };

enum { FULL, ROUTED, BOTH };

enum kind { GATES, LISTS, ROUTER };

#define HEADS32 "softmax h=32 n=2048 d=64"
#define BLOCKS "softmax h=8 n=8192 d=64"

/* Head gates at random, as many for each token; lists at random for each head
 * and block of queries; gates by the router inside, whose work counts. */
static const struct pair {
    const char *full;
    const char *routed;
    enum kind kind;
    double density;
} pairs[] = {
    {HEADS32, HEADS32 " head_gate", GATES, 0.5},
    {HEADS32, HEADS32 " head_gate", GATES, 0.75},
    {HEADS32, HEADS32 " head_gate", GATES, 1},
    {HEADS32, "moh h=32 n=2048 d=64 moh_shared=8 moh_active=8", ROUTER, 0.5},
    {HEADS32, "moh h=32 n=2048 d=64 moh_shared=16 moh_active=8", ROUTER, 0.75},
    {HEADS32 " causal", HEADS32 " causal head_gate", GATES, 0.5},
    {"softmax h=32/8 n=2048 d=128 causal", "softmax h=32/8 n=2048 d=128 causal head_gate", GATES,
     0.5},
    {"softmax h=32 q=1 k=8192 d=64", "softmax h=32 q=1 k=8192 d=64 head_gate", GATES, 0.5},
    {"softmax h=32 q=1 k=8192 d=64", "softmax h=32 q=1 k=8192 d=64 head_gate", GATES, 0.75},
    {"softmax h=32 q=1 k=8192 d=64", "softmax h=32 q=1 k=8192 d=64 head_gate", GATES, 1},
    {"softmax b=8 h=32 q=1 k=1024 d=64", "softmax b=8 h=32 q=1 k=1024 d=64 head_gate", GATES, 0.5},
    {BLOCKS, BLOCKS " must=list[128,128]", LISTS, 0.1},
    {BLOCKS, BLOCKS " must=list[128,128]", LISTS, 0.25},
    {BLOCKS, BLOCKS " must=list[128,128]", LISTS, 0.5},
};

struct measured {
    bench_plan_side side[BOTH];
    int64_t *offsets, *index; /* of lists */
    attn_tensor list[2];
};

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* `some` of the first n numbers, the same chance for each; in rising order. */
static void choose(uint64_t *state, int64_t n, int64_t some, uint8_t *chosen)
{
    for (int64_t i = 0, left = some; i < n; i++) {
        chosen[i] = (int64_t)(next(state) % (uint64_t)(n - i)) < left;
        left -= chosen[i];
    }
}

/* Each token has as many heads as the density says. */
static int fill_gates(const bench_data *data, double density, uint64_t *state)
{
    const attn_tensor *t = bench_data_tensor(data, ATTN_ROLE_GATE);
    uint8_t *chosen = t ? malloc((size_t)t->shape[1]) : NULL;
    if (!chosen)
        return bench_failed(t ? "no memory for gates" : "the plan takes no gates");
    int64_t h = t->shape[1], n = t->shape[2];
    for (int64_t row = 0; row < t->shape[0] * n; row++) {
        float *gate = (float *)t->data + row / n * h * n + row % n;
        choose(state, h, lround(density * (double)h), chosen);
        for (int64_t i = 0; i < h; i++)
            gate[i * n] = chosen[i];
    }
    free(chosen);
    return 0;
}

static int make_lists(struct measured *m, double density, uint64_t *state)
{
    const bench_size *z = &m->side[ROUTED].size;
    int64_t rows = (z->q + BLOCK - 1) / BLOCK, columns = (z->k + BLOCK - 1) / BLOCK, n = 0;
    int64_t some = lround(density * (double)columns), lists = z->hout * (rows + 1);
    const int64_t shape[3] = {1, z->hout, rows + 1}, all = z->hout * rows * some;
    uint8_t *chosen = malloc((size_t)columns);
    m->offsets = malloc((size_t)lists * sizeof *m->offsets);
    m->index = malloc((size_t)all * sizeof *m->index);
    if (!chosen || !m->offsets || !m->index) {
        free(chosen);
        return bench_failed("no memory for lists");
    }
    for (int64_t i = 0; i < lists; i++) {
        m->offsets[i] = n;
        if (i % (rows + 1) == rows)
            continue;
        choose(state, columns, some, chosen);
        for (int64_t j = 0; j < columns; j++)
            if (chosen[j])
                m->index[n++] = j;
    }
    free(chosen);
    attn_tensor_init(&m->list[0], m->offsets, ATTN_DTYPE_I64, 3, shape);
    attn_tensor_init(&m->list[1], m->index, ATTN_DTYPE_I64, 1, &all);
    bench_data *data = &m->side[ROUTED].data;
    for (int64_t c = 0; c < BENCH_MOST_COPIES; c++)
        for (size_t i = 0; i < data->n_args; i++) {
            attn_arg *arg = &data->args[c][i];
            if (arg->role == ATTN_ROLE_LIST_OFFSETS)
                arg->object = &m->list[0];
            else if (arg->role == ATTN_ROLE_LIST_INDEX)
                arg->object = &m->list[1];
        }
    return 0;
}

static int one_pair(attn_ctx *ctx, const bench_options *options, const struct pair *p, FILE *table)
{
    struct measured *m = calloc(1, sizeof *m);
    uint64_t state = options->seed;
    bench_turns turns;
    if (!m)
        return bench_failed("no memory");
    int rc = bench_plan_side_parse(ctx, options, p->full, &m->side[FULL]);
    if (rc == 0)
        rc = bench_plan_side_parse(ctx, options, p->routed, &m->side[ROUTED]);
    if (rc == 0 && p->kind == GATES)
        rc = fill_gates(&m->side[ROUTED].data, p->density, &state);
    if (rc == 0 && p->kind == LISTS)
        rc = make_lists(m, p->density, &state);
    if (rc == 0)
        rc = bench_in_turns(options, bench_plan_side_run,
                            (void *[]){&m->side[FULL], &m->side[ROUTED]}, &turns);
    if (rc == 0) {
        double full = turns.median[FULL], routed = turns.median[ROUTED];
        fprintf(table, "%-52s %6.2f %10.1f %10.1f %7.3f %8.3f\n", p->routed, p->density,
                full * 1e-3, routed * 1e-3, routed / full, routed / full / p->density);
        fflush(table);
    }
    for (int n = FULL; n < BOTH; n++)
        bench_plan_side_free(&m->side[n]);
    free(m->offsets);
    free(m->index);
    free(m);
    return rc;
}

int bench_routed(const bench_options *options, int64_t threads, FILE *table)
{
    attn_ctx *ctx = bench_context(options, threads);
    int rc = ctx ? 0 : BENCH_FAILED;
    fprintf(table, "routed against the same in full, %" PRId64 " thread%s, medians of runs in "
                   "turns\n\n%-52s %6s %10s %10s %7s %8s\n",
            threads, threads == 1 ? "" : "s", "problem", "active", "us full", "us routed", "/full",
            "/active");
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0] && rc == 0; i++)
        rc = one_pair(ctx, options, &pairs[i], table);
    attn_ctx_destroy(ctx);
    return rc;
}
