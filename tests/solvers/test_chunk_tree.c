/* SPDX-License-Identifier: MIT */
/*
 * The tree of joins: whoever computes the chunks, in whatever runs, the result
 * has the same bits, and it is the sum that it should be.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/context.h>

#include "solvers/chunk_tree.h"

enum { ROWS = 3, WIDTH = 5, CHUNKS_MOST = 70, FLOATS = ROWS * (2 + WIDTH) };

static struct attn__kernels kern;
static int failed;

static void expect(int ok, const char *what, int64_t a, int64_t b)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s (%lld, %lld)\n", what, (long long)a, (long long)b);
    failed = 1;
}

/* What a chunk of keys leaves for a row: the largest score, the sum of the
 * weights and the weighted values. Every seventh chunk has seen no key, and none of a range. */
static int64_t hidden_from, hidden_to;

static void leaf(int64_t chunk, int64_t row, float *m, float *l, float *o)
{
    uint32_t x = (uint32_t)(chunk * 7919 + row * 104729 + 1) * 2654435761u;
    bool none = (chunk + row) % 7 == 3 || (chunk >= hidden_from && chunk < hidden_to);
    *m = none ? -INFINITY : (float)(x >> 16) / 4096 - 8;
    *l = none ? 0 : 1 + (float)(x & 0xff) / 64;
    for (int64_t e = 0; e < WIDTH; e++)
        o[e] = none ? 0 : *l * (float)((x >> e & 15) + 1) / 8;
}

/* A tree in memory of its own, with the size that it asks for. */
static struct attn__tree make(int64_t most, void **block)
{
    struct attn__tree t;
    struct attn__scratch s = {.ok = true};
    attn__tree_take(&s, ROWS, WIDTH, attn__tree_depth(most), &t);
    expect(s.ok, "the size of a small tree overflows", most, 0);
    if (posix_memalign(block, 64, s.used) != 0)
        abort();
    s = (struct attn__scratch){.base = *block, .ok = true};
    attn__tree_take(&s, ROWS, WIDTH, attn__tree_depth(most), &t);
    return t;
}

static void push_run(struct attn__tree *t, int64_t from, int64_t to, int32_t depth)
{
    for (int64_t chunk = from; chunk < to; chunk++) {
        expect(t->n < depth, "the tree is deeper than it said, at chunk", chunk, depth);
        for (int64_t r = 0; r < ROWS; r++)
            leaf(chunk, r, attn__tree_m(t, t->n) + r, attn__tree_l(t, t->n) + r,
                 attn__tree_o(t, t->n) + r * WIDTH);
        attn__tree_push(&kern, t, 0, chunk);
    }
}

/* Chunks 0..chunks-1 in up to three runs that begin at 0, a and b. */
static void whole(int64_t chunks, int64_t a, int64_t b, float out[FLOATS])
{
    const int64_t cut[4] = {0, a, b, chunks};
    void *block, *more;
    struct attn__tree all = make(chunks, &block), part = make(chunks, &more);
    int32_t depth = attn__tree_depth(chunks);
    for (int run = 0; run < 3; run++) {
        part.n = 0;
        push_run(&part, cut[run], cut[run + 1], depth);
        attn__tree_append(&kern, &all, &part);
        expect(all.n < depth, "the joined tree is deeper than it said", chunks, all.n);
    }
    attn__tree_finish(&kern, &all);
    memcpy(out, attn__tree_m(&all, 0), ROWS * sizeof *out);
    memcpy(out + ROWS, attn__tree_l(&all, 0), ROWS * sizeof *out);
    memcpy(out + 2 * ROWS, attn__tree_o(&all, 0), ROWS * WIDTH * sizeof *out);
    free(block);
    free(more);
}

static void compare_with_sum(int64_t chunks, const float got[FLOATS])
{
    for (int64_t r = 0; r < ROWS; r++) {
        double sum = 0, value[WIDTH] = {0};
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            float m, l, o[WIDTH];
            leaf(chunk, r, &m, &l, o);
            sum += l == 0 ? 0 : l * exp2(m);
            for (int64_t e = 0; e < WIDTH; e++)
                value[e] += l == 0 ? 0 : o[e] * exp2(m);
        }
        double l = got[ROWS + r] * exp2(got[r]);
        if (sum == 0) {
            expect(got[ROWS + r] == 0, "a row without keys has a sum", chunks, r);
            continue;
        }
        expect(fabs(l - sum) <= 1e-5 * sum, "the sum of weights is wrong", chunks, r);
        for (int64_t e = 0; e < WIDTH; e++)
            expect(fabs(got[2 * ROWS + r * WIDTH + e] * exp2(got[r]) - value[e]) <=
                       1e-5 * value[e],
                   "the weighted value is wrong", chunks, r);
    }
}

/* Skipping chunks is pushing them one by one when nobody saw a key. */
static void skipped(int64_t chunks, int64_t from, int64_t to)
{
    float want[FLOATS];
    void *block;
    hidden_from = from;
    hidden_to = to;
    whole(chunks, chunks, chunks, want);
    struct attn__tree t = make(chunks, &block);
    int32_t depth = attn__tree_depth(chunks);
    push_run(&t, 0, from, depth);
    attn__tree_skip(&kern, &t, from, to);
    push_run(&t, to, chunks, depth);
    attn__tree_finish(&kern, &t);
    for (int64_t r = 0; r < ROWS; r++) {
        float l = attn__tree_l(&t, 0)[r];
        expect(l == want[ROWS + r], "skipping changes the sum, chunks from", from, to);
        expect(attn__tree_m(&t, 0)[r] == want[r], "skipping changes m, chunks from", from, to);
        expect(l == 0 || memcmp(attn__tree_o(&t, 0) + r * WIDTH, want + 2 * ROWS + r * WIDTH,
                                WIDTH * sizeof(float)) == 0,
               "skipping changes the values, chunks from", from, to);
    }
    hidden_to = hidden_from;
    free(block);
}

int main(void)
{
    attn__kernels_select(ATTN_ISA_C, &kern);
    for (int64_t chunks = 1; chunks <= CHUNKS_MOST; chunks++) {
        float want[FLOATS], got[FLOATS];
        whole(chunks, chunks, chunks, want);
        compare_with_sum(chunks, want);
        for (int64_t a = 0; a <= chunks; a++) {
            for (int64_t b = a; b <= chunks; b += 1 + (chunks > 20) * 3) {
                whole(chunks, a, b, got);
                expect(memcmp(got, want, sizeof got) == 0, "cut in runs the bits change, at", a,
                       b);
            }
        }
    }
    for (int64_t from = 0; from < CHUNKS_MOST; from++)
        for (int64_t to = from; to <= CHUNKS_MOST; to++)
            skipped(CHUNKS_MOST, from, to);
    expect(attn__tree_depth(-1) == ATTN__TREE_MAX, "any number of chunks", -1, 0);
    expect(attn__tree_depth(INT64_MAX) <= ATTN__TREE_MAX, "the most chunks", INT64_MAX, 0);
    printf("%s: trees of 1 to %d chunks\n", failed ? "FAIL" : "ok", CHUNKS_MOST);
    return failed;
}
