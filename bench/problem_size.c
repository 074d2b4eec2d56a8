/* SPDX-License-Identifier: MIT */
/* Sizes as the descriptor has them, with the defaults of what is unset. */
#include "problem_size.h"

#include "bench_options.h"
#include "recurrence.h"
#include "visible_pairs.h"

static int64_t get(const attn_desc *desc, int32_t param, int64_t fallback)
{
    int64_t value;
    return attn_desc_get_i64(desc, param, &value) == ATTN_OK ? value : fallback;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int32_t bench_size_segment(const bench_size *size, int64_t at)
{
    int64_t k = most(size->k, 1), in = most(0, least(at, k - 1));
    return (int32_t)(in * BENCH_SEGMENTS / k);
}

bool bench_size_listed(const bench_size *size, int64_t q_block, int64_t k_block)
{
    uint64_t x = (uint64_t)q_block * 0x9e3779b97f4a7c15u + (uint64_t)k_block * 0xbf58476d1ce4e5b9u;
    x ^= x >> 31;
    x *= 0x94d049bb133111ebu;
    return (q_block * size->list_q + size->off) / size->list_k == k_block || (x >> 32) % 10 == 0;
}

/* The blocks of the first list; inf: all queries have one. */
static void read_list(const attn_desc *desc, bench_size *size)
{
    size_t count = 0, n;
    attn_desc_piece_count(desc, &count);
    for (size_t i = 0; i < count && size->list_k == 0; i++) {
        int32_t kind;
        int64_t blocks[2] = {0, 0};
        attn_desc_piece_at(desc, i, &kind, NULL, blocks, 2, &n);
        if (kind != ATTN_PIECE_LIST)
            continue;
        size->list_q = blocks[0] == ATTN_UNBOUNDED ? most(size->q, 1) : blocks[0];
        size->list_k = blocks[1];
    }
}

static int count(const attn_desc *desc, bench_size *size)
{
    bench_pairs pairs;
    int rc = bench_pairs_count(desc, size, &pairs);
    double all = (double)size->hout * (double)size->q * (double)size->k;
    size->skipped = all > 0 ? 1 - pairs.visible / all : 0;
    size->flops = 2.0 * (double)(size->d + size->dv) * pairs.visible * (double)size->b;
    size->kv_bytes = pairs.keys * (double)size->b *
                     (double)(size->hk * size->d + size->hv * size->dv) *
                     (double)attn_dtype_size(size->kv_dtype);
    return rc;
}

int bench_size_read(const attn_desc *desc, int64_t inf_k, bench_size *size)
{
    *size = (bench_size){.b = get(desc, ATTN_PARAM_B, 1)};
    size->hq = get(desc, ATTN_PARAM_HQ, 1);
    size->hk = get(desc, ATTN_PARAM_HK, size->hq);
    size->hv = get(desc, ATTN_PARAM_HV, size->hk);
    size->q = get(desc, ATTN_PARAM_Q, 0);
    size->k = get(desc, ATTN_PARAM_K, 0);
    size->d = get(desc, ATTN_PARAM_D, 1);
    size->dv = get(desc, ATTN_PARAM_DV, size->d);
    size->dtype = (int32_t)get(desc, ATTN_PARAM_DTYPE, ATTN_DTYPE_F32);
    size->kv_dtype = (int32_t)get(desc, ATTN_PARAM_KV_DTYPE, size->dtype);
    size->packed = get(desc, ATTN_PARAM_PACKED, 0);
    if (size->k == ATTN_UNBOUNDED) {
        if (inf_k == 0)
            return bench_failed("k is inf: say with --k how many keys to measure");
        size->k = inf_k;
    }
    size_t heads = 0;
    int32_t mapped = 0;
    attn_desc_is_set(desc, ATTN_PARAM_Q_HEAD, &mapped);
    if (mapped)
        attn_desc_get_i64s(desc, ATTN_PARAM_Q_HEAD, NULL, 0, &heads);
    size->hout = mapped ? (int64_t)heads : size->hq;
    if (get(desc, ATTN_PARAM_ALIGN, ATTN_ALIGN_BOTTOM_RIGHT) == ATTN_ALIGN_BOTTOM_RIGHT)
        size->off = size->k - size->q;
    read_list(desc, size);
    if (!bench_recurrence_is(desc))
        return count(desc, size);
    size->recurrent = true;
    size->k = get(desc, ATTN_PARAM_K, size->q * get(desc, ATTN_PARAM_DELTA_STEPS, 1));
    size->kv_bytes = (double)size->b * (double)size->k *
                     (double)(size->hk * size->d + size->hv * size->dv) *
                     (double)attn_dtype_size(size->kv_dtype);
    return 0;
}
