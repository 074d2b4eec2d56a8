/* SPDX-License-Identifier: MIT */
/*
 * The exact row: an answer that can be worked out by hand, and what it must not
 * read. Everything else about it is seen through the solver `reference`, which
 * is this for every row.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "solvers/row_exact.h"

enum { KEYS = 3, WIDTH = 2 };

static int failed;

static void expect(int ok, const char *what, double found)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s is %g\n", what, found);
    failed = 1;
}

int main(void)
{
    /* Key 2 is out of the causal row's view and may hold anything. */
    static float q[WIDTH] = {1, 0}, k[KEYS][WIDTH] = {{1, 5}, {0, 5}, {NAN, INFINITY}};
    static float v[KEYS][WIDTH] = {{10, 1}, {20, 2}, {NAN, -INFINITY}};
    static float out[WIDTH], lse, rowmax, entropy, probs[KEYS], colsum[KEYS];
    static const int64_t zero = 0;
    struct attn__problem p = {.b = 1, .hq = 1, .hk = 1, .hv = 1, .hout = 1, .q = 1, .k = KEYS,
                              .d = WIDTH, .dv = WIDTH, .dtype = ATTN_DTYPE_F32,
                              .kv_dtype = ATTN_DTYPE_F32, .q_head = &zero, .k_head = &zero,
                              .v_head = &zero, .align = ATTN_ALIGN_BOTTOM_RIGHT, .scale = 1,
                              .n_pieces = 1,
                              .plain_pieces = true,
                              .piece = {{.kind = ATTN_PIECE_BAND,
                                         .n = 4,
                                         .v = {ATTN_UNBOUNDED, -1, 0, 1}}}};
    struct attn__call c = {.p = &p, .n_seq = 1};
    double room[8 * WIDTH + 64];
    struct attn__scratch s = {.base = (char *)room, .ok = true};
    struct attn__row_scratch scratch;
    const struct {
        enum attn__slot slot;
        void *data;
        int32_t rank;
        int64_t shape[4];
    } tensors[] = {
        {ATTN__SLOT_Q, q, 4, {1, 1, 1, WIDTH}},       {ATTN__SLOT_K, k, 4, {1, 1, KEYS, WIDTH}},
        {ATTN__SLOT_V, v, 4, {1, 1, KEYS, WIDTH}},    {ATTN__SLOT_OUT, out, 4, {1, 1, 1, WIDTH}},
        {ATTN__SLOT_LSE, &lse, 3, {1, 1, 1}},         {ATTN__SLOT_ROWMAX, &rowmax, 3, {1, 1, 1}},
        {ATTN__SLOT_ENTROPY, &entropy, 3, {1, 1, 1}}, {ATTN__SLOT_PROBS, probs, 4, {1, 1, 1, KEYS}},
        {ATTN__SLOT_COLSUM, colsum, 3, {1, 1, KEYS}}};
    for (size_t n = 0; n < sizeof tensors / sizeof tensors[0]; n++) {
        c.has[tensors[n].slot] = true;
        if (attn_tensor_init(&c.t[tensors[n].slot], tensors[n].data, ATTN_DTYPE_F32,
                             tensors[n].rank, tensors[n].shape) != ATTN_OK)
            return 1;
    }
    attn__row_scratch_take(&s, &p, &scratch);
    if (!s.ok || s.used > sizeof room)
        return 1;

    struct attn__seq seq = attn__call_seq(&c, 0);
    struct attn__vis vis = attn__call_vis(&c, &seq, 0, 1);
    attn__row_exact(&c, &seq, &vis, 0, 0, &scratch);
    const double e = exp(1), w0 = e / (e + 1), w1 = 1 / (e + 1);
    expect(fabs(out[0] - (10 * w0 + 20 * w1)) < 1e-5, "out[0]", out[0]);
    expect(fabs(out[1] - (1 * w0 + 2 * w1)) < 1e-6, "out[1]", out[1]);
    expect(fabs(lse - log(e + 1)) < 1e-6, "lse", lse);
    expect(rowmax == 1, "rowmax", rowmax);
    expect(fabs(entropy + w0 * log(w0) + w1 * log(w1)) < 1e-6, "entropy", entropy);
    expect(fabs(probs[0] - w0) < 1e-6 && fabs(probs[1] - w1) < 1e-6, "probs[0]", probs[0]);
    expect(probs[2] == 0, "probs of the key out of view", probs[2]);
    expect(fabs(colsum[0] - w0) < 1e-6 && colsum[2] == 0, "colsum[0]", colsum[0]);

    /* The same row as padding. */
    seq.nq = 0;
    attn__rows_pad(&c, &seq, 0);
    expect(out[0] == 0 && out[1] == 0, "out of a padding row", out[0]);
    expect(lse == -INFINITY, "lse of a padding row", lse);
    expect(probs[0] == 0 && probs[1] == 0, "probs of a padding row", probs[0]);
    expect(colsum[0] == 0, "colsum of a padding row", colsum[0]);
    printf("%s: one exact row, one padding row\n", failed ? "FAIL" : "ok");
    return failed;
}
