/* SPDX-License-Identifier: MIT */
/*
 * How decode cuts a batch: workers take all units, in order, each once, and of
 * ragged batches about the same bytes; items come back from their units.
 */
#include <stdio.h>
#include <string.h>

#include "solvers/blocks.h"
#include "solvers/decode_cut.h"

enum { SEQUENCES = 64, GROUPS = 3, RATIO = 4, WORKERS_MOST = 7, D = 64 };

static int failed;

static void expect(int ok, const char *what, int64_t a, double b)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s (%lld, %g)\n", what, (long long)a, b);
    failed = 1;
}

/* From 16 to 32768, short and long ones mixed. */
static int64_t length(int64_t n, int kind)
{
    int64_t at = n * 37 % SEQUENCES, keys = 16;
    for (int64_t i = 0; i < at; i++)
        keys += keys / 8 > 0 ? keys / 8 : 1;
    if (kind == 1)
        return at < 60 ? 16 : 32768;
    if (kind == 2)
        return 16 + 520 * at;
    return keys < 32768 ? keys : 32768;
}

/* Items are in the order of their units, and rows of each job are there once. */
static void check_items(const struct attn__decode_cut *cut, int64_t units)
{
    int64_t rows = 0, want = 0;
    for (int64_t n = 0; n < units;) {
        struct attn__decode_item it = attn__decode_cut_item(cut, n);
        expect(it.unit == n && it.from == 0, "first unit of an item", n, (double)it.unit);
        expect(it.to == attn__decode_cut_chunks(&it.s), "chunks of an item", it.to, 0);
        expect(attn__decode_cut_item(cut, n + it.to - 1).unit == n, "item of the last unit", n, 0);
        expect(it.rows > 0 && it.rows <= ATTN__DECODE_ROWS, "rows of an item", it.rows, 0);
        rows += it.rows;
        n += it.to;
    }
    for (int64_t n = 0; n < cut->x->call->n_seq; n++)
        want += attn__call_seq(cut->x->call, n).nq * cut->x->call->p->hout;
    expect(rows == want, "rows of all items", rows, (double)want);
}

/* Shares differ by a chunk, which is little with two workers. */
static void check_workers(const struct attn__decode_cut *cut, int64_t units, int64_t workers)
{
    const double chunk = (double)ATTN__CHUNK * 2 * D * sizeof(float);
    double all = attn__decode_cut_bytes(cut, 0, units), sum = 0, largest = 0;
    int64_t before = 0;
    for (int64_t n = 0; n < workers; n++) {
        int64_t u0 = attn__decode_cut_worker(cut, n, workers);
        int64_t u1 = attn__decode_cut_worker(cut, n + 1, workers);
        double bytes = u0 < u1 ? attn__decode_cut_bytes(cut, u0, u1) : 0;
        expect(u0 == before && u1 >= u0, "the begin of a worker", u0, (double)before);
        largest = bytes > largest ? bytes : largest;
        sum += bytes;
        before = u1;
    }
    expect(before == units, "the end of the last worker", before, (double)units);
    expect(sum == all && all == cut->bytes[cut->jobs], "bytes of all workers", (int64_t)sum, all);
    double mean = all / (double)workers;
    expect(largest <= mean + chunk && (workers > 2 || largest <= 1.05 * mean),
           "the largest share, in percent", (int64_t)(100 * largest / mean), (double)workers);
}

/* window: 0: none; sink: keys in front that a window shows. */
static void batch(int kind, int64_t queries, int64_t window, int64_t sink, bool plain)
{
    static const int64_t one[GROUPS * RATIO] = {0};
    static const int64_t group[GROUPS + 1] = {0, RATIO, 2 * RATIO, 3 * RATIO};
    static int64_t start[SEQUENCES + 1], q_offsets[SEQUENCES + 1], k_offsets[SEQUENCES + 1];
    static double bytes[SEQUENCES + 1];
    struct attn__problem p = {.b = SEQUENCES, .hq = GROUPS * RATIO, .hk = GROUPS, .hv = GROUPS,
                              .hout = GROUPS * RATIO, .q = queries, .k = 32768, .d = D, .dv = D,
                              .packed = true, .dtype = ATTN_DTYPE_F32, .kv_dtype = ATTN_DTYPE_F32,
                              .q_head = one, .k_head = one, .v_head = one, .n_groups = GROUPS,
                              .max_group = RATIO, .even_groups = true, .group = group,
                              .n_pieces = 1, .plain_pieces = plain,
                              .piece = {{.kind = ATTN_PIECE_BAND, .n = 4,
                                         .v = {ATTN_UNBOUNDED, 0, 0, 1}},
                                        {.kind = ATTN_PIECE_BAND, .n = 4, .any = sink > 0,
                                         .v = {window - 1, ATTN_UNBOUNDED, 0, 1}},
                                        {.kind = ATTN_PIECE_PREFIX, .n = 1, .any = true,
                                         .v = {sink}}}};
    struct attn__call call = {.p = &p, .n_seq = SEQUENCES};
    struct attn__machine machine = {.threads = 2};
    struct attn__solver mine = {.name = "mine"};
    struct attn__choice choice[ATTN__Q_CLASSES][ATTN__K_CLASSES];
    struct attn__exec x = {
        .call = &call, .machine = &machine, .choice = (void *)choice, .self = &mine};
    struct attn__decode_cut cut = {.x = &x, .start = start, .bytes = bytes};
    attn_tensor list = {
        .dtype = ATTN_DTYPE_I64, .rank = 1, .shape = {SEQUENCES + 1}, .stride = {1}};
    p.n_pieces += (window > 0) + (sink > 0);
    for (int64_t n = 0; n < SEQUENCES; n++) {
        q_offsets[n + 1] = q_offsets[n] + queries;
        k_offsets[n + 1] = k_offsets[n] + length(n, kind);
    }
    call.has[ATTN__SLOT_Q_OFFSETS] = call.has[ATTN__SLOT_K_OFFSETS] = true;
    list.data = q_offsets;
    call.t[ATTN__SLOT_Q_OFFSETS] = list;
    list.data = k_offsets;
    call.t[ATTN__SLOT_K_OFFSETS] = list;
    for (int32_t q = 0; q < ATTN__Q_CLASSES; q++)
        for (int32_t k = 0; k < ATTN__K_CLASSES; k++)
            choice[q][k].solver = &mine;
    int64_t units = attn__decode_cut_begin(&cut);
    check_items(&cut, units);
    for (int64_t workers = 1; workers <= WORKERS_MOST; workers++)
        check_workers(&cut, units, workers);
}

int main(void)
{
    for (int kind = 0; kind < 3; kind++)
        for (int plain = 0; plain < 2; plain++) {
            batch(kind, 1, 0, 0, plain);
            batch(kind, 11, 0, 0, plain);
            batch(kind, 1, 700, 0, plain);
            batch(kind, 1, 700, 4, plain);
        }
    printf("%s: shares of ragged batches\n", failed ? "FAIL" : "ok");
    return failed;
}
