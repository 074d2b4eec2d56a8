/* SPDX-License-Identifier: MIT */
/*
 * Rows of Q and K as solvers load them (qk_load, with qk_norm and rope_turn
 * below it): nothing is copied where nothing changes, a row is the same
 * however the rows around it are cut, and f32 follows the doubles.
 */
#include <stdio.h>
#include <string.h>

#include <attn/context.h>

#include "solvers/qk_load.h"

enum { ROWS = 200, D = 36, DIM = 26, ROOM = 1 << 18 };

static int failed;

static void expect(int ok, const char *what, int64_t row, int64_t more)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s (row %lld, %lld)\n", what, (long long)row, (long long)more);
    failed = 1;
}

struct fixture {
    struct attn__problem p;
    struct attn__call c;
    struct attn__seq s;
    struct attn__qk qk;
    struct attn__rows k;
    float memory[ROWS * D];
    int64_t head;
};

static void make(struct fixture *f, int32_t pairing, int32_t norm, int32_t scaling)
{
    static _Alignas(64) char ws[ROOM], tables[ROOM];
    static double freq[DIM / 2];
    *f = (struct fixture){.p = {.d = D, .hq = 1, .hk = 1}};
    f->p.q_head = f->p.k_head = &f->head;
    f->p.qk_norm = (struct attn__qk_norm){.kind = norm, .eps = 1e-6};
    f->p.rope = (struct attn__rope){.pairing = pairing, .on_q = true, .on_k = true, .dim = DIM,
                                    .scaling = scaling, .base = 10000, .factor = 4,
                                    .original = 50, .attention = 1.25, .freq = freq};
    attn__rope_freqs(&f->p.rope, 0, freq);
    expect(attn__rope_table_bytes(&f->p.rope) <= sizeof tables, "tables too small", 0, 0);
    attn__rope_table_fill(&f->p.rope, freq, tables, &f->p.rope.table);
    if (pairing == ATTN_ROPE_NONE)
        f->p.rope.on_q = f->p.rope.on_k = false;
    f->c.p = &f->p;
    f->s = (struct attn__seq){.nk = ROWS, .nq = ROWS, .k_all = ROWS, .q_all = ROWS};
    f->k = (struct attn__rows){
        .base = (char *)f->memory, .row = D, .col = 1, .dtype = ATTN_DTYPE_F32};
    for (int64_t n = 0; n < ROWS * D; n++)
        f->memory[n] = (float)((n * 7919 % 1009) - 504) / 256;
    struct attn__scratch s = {.base = ws, .ok = true};
    struct attn__qk_room *room = attn__qk_room_take(&s, &f->p);
    expect(s.ok && s.used <= sizeof ws, "scratch too small", 0, 0);
    f->qk = attn__qk_begin(&f->c, &f->s, room);
}

/* All keys at once against pieces of `piece` rows, backwards. */
static void cuts(struct fixture *f, const struct attn__kernels *kern)
{
    static float whole[ROWS * D], parts[ROWS * D];
    attn__qk_load_k(&f->qk, kern, 0, &f->k, 0, ROWS, whole, D);
    for (int64_t piece = 1; piece < 70; piece += 17) {
        for (int64_t at = (ROWS - 1) / piece * piece; at >= 0; at -= piece)
            attn__qk_load_k(&f->qk, kern, 0, &f->k, at, attn__min_i64(piece, ROWS - at),
                            parts + at * D, D);
        for (int64_t j = 0; j < ROWS; j++)
            expect(memcmp(whole + j * D, parts + j * D, D * sizeof *whole) == 0,
                   "depends on the cut", j, piece);
    }
    for (int64_t j = 0; j < ROWS; j++) {
        double row[D];
        for (int64_t e = 0; e < D; e++)
            row[e] = attn__rows_load(&f->k, j, e);
        attn__qk_change_k_f64(&f->qk, 0, j, row);
        for (int64_t e = 0; e < D; e++)
            expect(fabs(whole[j * D + e] - row[e]) < 4e-6, "f32 is not the double", j, e);
    }
}

int main(void)
{
    static struct fixture f;
    static float room[ROWS * D];
    struct attn__kernels kern;
    int32_t isa = ATTN_ISA_C;
    int64_t ld;
    for (int32_t n = 0; n < 100; n++)
        isa = attn_isa_usable(n) ? n : isa;
    for (int32_t level = ATTN_ISA_C; level <= isa; level += isa > 0 ? isa : 1) {
        attn__kernels_select(level, &kern);
        for (int32_t pairing = ATTN_ROPE_NONE; pairing <= ATTN_ROPE_INTERLEAVED; pairing++)
            for (int32_t norm = ATTN_QK_NORM_NONE; norm <= ATTN_QK_NORM_L2; norm++) {
                make(&f, pairing, norm, ATTN_ROPE_SCALING_DYNAMIC_NTK);
                cuts(&f, &kern);
                bool same = pairing == ATTN_ROPE_NONE && norm == ATTN_QK_NORM_NONE;
                const float *k = attn__qk_k(&f.qk, &kern, 0, &f.k, 3, 5, room, &ld);
                expect((k == f.memory + 3 * D) == same, "copied or not", pairing, norm);
            }
    }
    printf("%s: rows before their product\n", failed ? "FAIL" : "ok");
    return failed;
}
