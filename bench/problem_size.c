/* SPDX-License-Identifier: MIT */
/*
 * Counts visible pairs row by row: what a row sees is a run of keys from the
 * start (sink tokens, prefix) and one run around its own key, cut to its
 * segment.
 */
#include "problem_size.h"

#include <string.h>

static int64_t get(const attn_desc *desc, int32_t param, int64_t fallback)
{
    int64_t value;
    return attn_desc_get_i64(desc, param, &value) == ATTN_OK ? value : fallback;
}

static int32_t get_type(const attn_desc *desc, int32_t param, int32_t fallback)
{
    char name[16];
    if (attn_desc_get_text(desc, param, name, sizeof name, NULL) != ATTN_OK)
        return fallback;
    for (int32_t type = ATTN_DTYPE_F32; attn_dtype_name(type); type++)
        if (strcmp(attn_dtype_name(type), name) == 0)
            return type;
    return fallback;
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

/* Keys from `from` up to before `to`. */
struct run {
    int64_t from, to;
};

static struct run cut(struct run r, struct run to)
{
    r.from = most(r.from, to.from);
    r.to = most(r.from, least(r.to, to.to));
    return r;
}

/* Keys in one of two runs. */
static int64_t either(struct run a, struct run b)
{
    struct run both = cut(a, b);
    return (a.to - a.from) + (b.to - b.from) - (both.to - both.from);
}

/* The hull of what was seen so far (from > to: nothing) and a run. */
static void join(struct run *seen, struct run r)
{
    if (r.to > r.from) {
        seen->from = least(seen->from, r.from);
        seen->to = most(seen->to, r.to);
    }
}

static struct run segment_run(const bench_size *size, int64_t at)
{
    int64_t s = bench_size_segment(size, at);
    /* smallest j with j * BENCH_SEGMENTS / k == s */
    return (struct run){(s * size->k + BENCH_SEGMENTS - 1) / BENCH_SEGMENTS,
                        ((s + 1) * size->k + BENCH_SEGMENTS - 1) / BENCH_SEGMENTS};
}

/* A side of the window; more than every distance there is stands for inf. */
static int64_t window(const attn_desc *desc, int32_t param, const bench_size *size)
{
    int64_t far = size->q + size->k, value = get(desc, param, ATTN_UNBOUNDED);
    return value == ATTN_UNBOUNDED ? far : most(-far, least(value, far));
}

static void count(const attn_desc *desc, bench_size *size)
{
    const bool causal = get(desc, ATTN_PARAM_CAUSAL, 0), segments =
        get(desc, ATTN_PARAM_SEGMENTS, 0);
    const int64_t left = window(desc, ATTN_PARAM_WINDOW_LEFT, size);
    const int64_t right = window(desc, ATTN_PARAM_WINDOW_RIGHT, size);
    const int64_t sinks = get(desc, ATTN_PARAM_SINK_TOKENS, 0);
    const int64_t prefix = get(desc, ATTN_PARAM_PREFIX, 0);
    struct run seen_first = {size->k, 0}, seen_near = seen_first;

    for (int64_t i = 0; i < size->q; i++) {
        const int64_t own = i + size->off;
        struct run all = {0, size->k};
        struct run near = all, past = all, first = {0, sinks};
        if (causal)
            past = cut(past, (struct run){0, most(0, own + 1)});
        near = cut(near, (struct run){most(0, own - left), most(0, own + right + 1)});
        near = cut(near, past);
        first = cut(first, past);
        first.to = most(first.to, least(prefix, size->k));
        if (segments) {
            struct run mine = segment_run(size, own);
            near = cut(near, mine);
            first = cut(first, mine);
        }
        size->pairs += (double)either(first, near);
        join(&seen_first, first);
        join(&seen_near, near);
    }
    seen_first.to = most(seen_first.to, seen_first.from);
    seen_near.to = most(seen_near.to, seen_near.from);
    double pairs = (double)size->q * (double)size->k;
    size->skipped = pairs > 0 ? 1 - size->pairs / pairs : 0;
    size->flops = 2.0 * (double)(size->d + size->dv) * size->pairs * (double)size->hout *
                  (double)size->b;
    size->kv_bytes = (double)either(seen_first, seen_near) * (double)size->b *
                     (double)(size->hk * size->d + size->hv * size->dv) *
                     (double)attn_dtype_size(size->kv_dtype);
}

int32_t bench_size_read(const attn_desc *desc, int64_t inf_k, bench_size *size)
{
    *size = (bench_size){.b = get(desc, ATTN_PARAM_B, 1)};
    size->hq = get(desc, ATTN_PARAM_HQ, 1);
    size->hk = get(desc, ATTN_PARAM_HK, size->hq);
    size->hv = get(desc, ATTN_PARAM_HV, size->hk);
    size->q = get(desc, ATTN_PARAM_Q, 0);
    size->k = get(desc, ATTN_PARAM_K, 0);
    size->d = get(desc, ATTN_PARAM_D, 1);
    size->dv = get(desc, ATTN_PARAM_DV, size->d);
    size->dtype = get_type(desc, ATTN_PARAM_DTYPE, ATTN_DTYPE_F32);
    size->kv_dtype = get_type(desc, ATTN_PARAM_KV_DTYPE, size->dtype);
    size->packed = get(desc, ATTN_PARAM_PACKED, 0);
    if (size->k == ATTN_UNBOUNDED) {
        if (inf_k == 0)
            return ATTN_ERR_INVALID;
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
    count(desc, size);
    return ATTN_OK;
}
