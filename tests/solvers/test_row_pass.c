/* SPDX-License-Identifier: MIT */
/*
 * Rows against a chunk of keys: a row gets the same bits alone as beside
 * others, whether K and V are near or in RAM; and a careful pass the same as
 * another, but for values that the row does not see, which it does not touch.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "kernels/kernels.h"
#include "solvers/blocks.h"
#include "solvers/row_pass.h"

/* The last query of each head sees all keys but the hidden one; queries 0 and
 * 1 stand HIDDEN and one key further back. */
enum { HEADS = 2, QUERIES = 2, KEYS = ATTN__CHUNK + 331, D = 20, DV = 64, ROWS = HEADS * QUERIES };

/* So many groups of heads do not fit in any cache. */
enum { FAR = 1 << 20 };

static float q[HEADS][QUERIES][D], k[KEYS][D], v[KEYS][DV], out[HEADS][QUERIES][DV];

struct result {
    float m[ROWS], l[ROWS], o[ROWS][DV];
};

static void fill(float *p, size_t n)
{
    static uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (float)(x >> 8) * 0x1p-23f - 1;
    }
}

static struct result run(const struct attn__call *c, int32_t isa, int64_t head, int64_t heads,
                         int64_t query, int64_t queries, int64_t chunk, bool careful)
{
    struct attn__kernels kern;
    struct attn__seq seq = attn__call_seq(c, 0);
    struct attn__scratch s = {.ok = true};
    struct attn__row_room room;
    struct result r = {0};
    attn__kernels_select(isa, &kern);
    attn__row_room_take(&s, c->p, ROWS, &room);
    s.base = aligned_alloc(64, s.used);
    s.used = 0;
    if (!s.base)
        abort();
    attn__row_room_take(&s, c->p, ROWS, &room);
    struct attn__row_pass ps = {.c = c, .kern = &kern, .s = &seq, .room = &room, .h0 = head,
                                .heads = heads, .i0 = query, .rows = heads * queries,
                                .careful = careful};
    attn__row_pass_begin(&ps);
    attn__row_pass_chunk(&ps, chunk, r.m, r.l, r.o[0]);
    free(s.base);
    return r;
}

int main(void)
{
    static const int64_t zero[HEADS], one[HEADS] = {0, 1};
    struct attn__problem p = {.b = 1, .hq = HEADS, .hk = 1, .hv = 1, .hout = HEADS, .q = QUERIES,
                              .k = KEYS, .d = D, .dv = DV, .dtype = ATTN_DTYPE_F32,
                              .kv_dtype = ATTN_DTYPE_F32, .q_head = one, .k_head = zero,
                              .v_head = zero, .n_groups = 1, .max_group = HEADS, .scale = 0.5,
                              .n_pieces = 1,
                              .plain_pieces = true,
                              .piece = {{.kind = ATTN_PIECE_BAND,
                                         .n = 4,
                                         .v = {KEYS - 200, 0, 0, 1}}}};
    struct attn__call c = {.p = &p, .n_seq = 1};
    const struct {
        enum attn__slot slot;
        void *data;
        int64_t shape[4];
    } tensors[] = {{ATTN__SLOT_Q, q, {1, HEADS, QUERIES, D}},
                   {ATTN__SLOT_K, k, {1, 1, KEYS, D}},
                   {ATTN__SLOT_V, v, {1, 1, KEYS, DV}},
                   {ATTN__SLOT_OUT, out, {1, HEADS, QUERIES, DV}}};
    fill(q[0][0], HEADS * QUERIES * D);
    fill(k[0], (size_t)KEYS * D);
    fill(v[0], (size_t)KEYS * DV);
    for (size_t n = 0; n < sizeof tensors / sizeof tensors[0]; n++) {
        c.has[tensors[n].slot] = true;
        if (attn_tensor_init(&c.t[tensors[n].slot], tensors[n].data, ATTN_DTYPE_F32, 4,
                             tensors[n].shape) != ATTN_OK)
            return 1;
    }
    int failed = 0;
    for (int32_t isa = 0; isa < 100; isa++) {
        if (!attn_isa_usable(isa))
            continue;
        for (int64_t chunk = 0; chunk < 2; chunk++) {
            p.n_groups = 1;
            struct result all = run(&c, isa, 0, HEADS, 0, QUERIES, chunk, false);
            p.n_groups = FAR;
            struct result far = run(&c, isa, 0, HEADS, 0, QUERIES, chunk, false);
            failed |= memcmp(&far, &all, sizeof all) != 0;
            for (int64_t r = 0; r < ROWS; r++) {
                for (int way = 0; way < 4; way++) {
                    p.n_groups = way < 2 ? 1 : FAR;
                    struct result one_row =
                        run(&c, isa, r % HEADS, 1, r / HEADS, 1, chunk, way % 2 == 1);
                    failed |= memcmp(&one_row.m[0], &all.m[r], sizeof(float)) != 0;
                    failed |= memcmp(&one_row.l[0], &all.l[r], sizeof(float)) != 0;
                    failed |= memcmp(one_row.o[0], all.o[r], sizeof all.o[r]) != 0;
                }
            }
            failed |= !(all.l[0] > 1);
        }
        /* key 198 is the last that query 1 does not see */
        struct result before = run(&c, isa, 0, 1, 1, 1, 0, true);
        float keep = v[198][3];
        v[198][3] = NAN;
        struct result after = run(&c, isa, 0, 1, 1, 1, 0, true);
        v[198][3] = keep;
        failed |= memcmp(&before, &after, sizeof before) != 0;
        if (failed) {
            fprintf(stderr, "error: other bits with the kernels of %s\n", attn_isa_name(isa));
            return 1;
        }
    }
    printf("ok: rows alone, together and with care\n");
    return 0;
}
