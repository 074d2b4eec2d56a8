/* SPDX-License-Identifier: MIT */
/*
 * Streams tokens through gated linear attention: calls of at most 16384
 * tokens, one state that goes from call to call, and nothing that grows. Prints
 * what a token costs in streams of 1024, 2048 ... tokens, up to the number on
 * the command line (default 65536), and the memory that the program holds.
 */
#define _DEFAULT_SOURCE
#include <attn/attn.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { HEADS = 4, CALL = 16384, D = 64, ALL = HEADS * CALL * D };

static const char problem[] = "gla h=4 q=16384 d=64";
static float q[ALL], k[ALL], v[ALL], g[ALL], out[ALL];

static float next_number(void) /* -1 to 1 */
{
    static uint32_t x = 1;
    x = x * 1664525u + 1013904223u;
    return (float)(int32_t)x * 0x1p-31f;
}

/* The next n tokens of the stream; a program would have others in every call. */
static int32_t run(const attn_plan *plan, attn_state *state, int64_t n)
{
    const int64_t shape[] = {1, HEADS, n, D};
    attn_tensor t[5];
    float *const data[] = {q, k, v, g, out};
    for (int i = 0; i < 5; i++)
        attn_tensor_init(&t[i], data[i], ATTN_DTYPE_F32, 4, shape);
    const attn_arg args[] = {
        {ATTN_ROLE_Q, 0, &t[0]},   {ATTN_ROLE_K, 0, &t[1]},   {ATTN_ROLE_V, 0, &t[2]},
        {ATTN_ROLE_G, 0, &t[3]},   {ATTN_ROLE_OUT, 0, &t[4]}, {ATTN_ROLE_STATE, 0, state},
    };
    return attn_plan_execute(plan, args, sizeof args / sizeof args[0], NULL, 0);
}

static int32_t stream(const attn_plan *plan, attn_state *state, int64_t tokens)
{
    int64_t count = 0, one = 1;
    attn_tensor seen;
    int32_t status = attn_state_zero(state, 0, 1);
    clock_t start = clock();
    for (int64_t at = 0; at < tokens && status == ATTN_OK; at += CALL)
        status = run(plan, state, tokens - at < CALL ? tokens - at : CALL);
    double us = 1e6 * (double)(clock() - start) / CLOCKS_PER_SEC;
    attn_tensor_init(&seen, &count, ATTN_DTYPE_I64, 1, &one);
    if (status == ATTN_OK)
        status = attn_state_export(state, 0, ATTN_STATE_PART_COUNT, &seen);
    if (status != ATTN_OK)
        return status;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%9" PRId64 " tokens: %.3f us of CPU time each, at most %ld MB\n", tokens,
           us / (double)tokens, usage.ru_maxrss / 1024);
    return count == tokens && isfinite(out[0]) ? ATTN_OK : ATTN_ERR_DATA;
}

int main(int argc, char **argv)
{
    int64_t last = argc > 1 ? strtoll(argv[1], NULL, 10) : 65536;
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    attn_state *state = NULL;
    for (int i = 0; i < ALL; i++) {
        q[i] = next_number();
        k[i] = next_number();
        v[i] = next_number();
        g[i] = -0.05f * (1 + next_number()); /* log of what is kept: 0.9 to 1 */
        out[i] = 0;
    }
    int32_t status = attn_ctx_create(NULL, &ctx);
    if (!status) status = attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 1);
    if (!status) status = attn_desc_parse(ctx, problem, &desc);
    if (!status) status = attn_plan_create(ctx, desc, &plan);
    if (!status) status = attn_state_create(ctx, plan, 1, &state);
    const clock_t awake = clock() + CLOCKS_PER_SEC / 2; /* processors take their time to wake up */
    while (!status && clock() < awake) status = run(plan, state, CALL);
    for (int64_t n = 1024; n <= last && !status; n *= 2)
        status = stream(plan, state, n);
    if (status) fprintf(stderr, "%s\n", attn_status_text(status));
    attn_state_destroy(state);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    return status != ATTN_OK;
}
