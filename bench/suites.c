/* SPDX-License-Identifier: MIT */
/*
 * The problems of every suite. Prefill and decode are the shapes of models in
 * use (12 heads of 64, 32/8 heads of 128, 9/3 heads of 64), the others vary
 * one thing around one of them.
 */
#include "suites.h"

#include <string.h>

#include "cache_pairs.h"
#include "callbacks.h"
#include "routed.h"

#define BASE "softmax h=12 n=2048 d=64 "
#define WIDE "softmax h=4 n=8192 d=64 "
#define LONG "softmax h=4 d=64 causal "

static const char *const prefill[] = {
    "softmax h=12 n=512 d=64",
    "softmax h=12 n=512 d=64 causal",
    "softmax h=12 n=2048 d=64",
    "softmax h=12 n=2048 d=64 causal",
    "softmax h=32/8 n=2048 d=128",
    "softmax h=32/8 n=2048 d=128 causal",
    "softmax h=9/3 n=1024 d=64",
    "softmax h=9/3 n=1024 d=64 causal",
    "softmax b=8 h=12 n=128 d=64",
    "softmax b=8 h=12 n=128 d=64 causal",
    "softmax h=16 n=4096 d=64",
    "softmax h=16 n=4096 d=64 causal",
    "softmax h=12 n=2048 d=64 causal invariant=chunk",
    NULL,
};

static const char *const decode[] = {
    "softmax h=32/8 q=1 k=512 d=128",
    "softmax h=32/8 q=1 k=4096 d=128",
    "softmax h=32/8 q=1 k=32768 d=128",
    "softmax h=9/3 q=1 k=512 d=64",
    "softmax h=9/3 q=1 k=4096 d=64",
    "softmax h=9/3 q=1 k=32768 d=64",
    "softmax b=8 h=32/8 q=1 k=512 d=128",
    "softmax b=8 h=32/8 q=1 k=4096 d=128",
    "softmax b=8 h=9/3 q=1 k=512 d=64",
    "softmax b=8 h=9/3 q=1 k=4096 d=64",
    "softmax b=8 h=9/3 q=1 k=32768 d=64",
    "softmax h=32/8 q=8 k=4096 d=128 causal",
    "softmax h=32/8 q=1 k=32768 d=128 invariant=chunk",
    "softmax h=9/3 q=1 k=4096 d=64 invariant=chunk",
    NULL,
};

static const char *const small[] = {
    "softmax h=1 n=1 d=64",
    "softmax h=1 n=16 d=64",
    "softmax h=4 n=16 d=32 causal",
    "softmax h=12 n=16 d=64 causal",
    "softmax h=12 n=32 d=64 causal",
    "softmax h=12 n=64 d=64",
    "softmax h=12 n=64 d=64 causal",
    "softmax b=16 h=8 n=49 d=32",
    "softmax h=12 n=197 d=64",
    "softmax h=12 n=128 d=80 causal",
    NULL,
};

static const char *const masks[] = {
    BASE,
    BASE "causal",
    BASE "causal align=top_left",
    BASE "causal window=255,0",
    BASE "window=128,128",
    BASE "causal window=255,0 sink_tokens=4",
    BASE "causal prefix=512",
    BASE "segments",
    BASE "causal must=band[3,0,0,64]",
    BASE "causal any=band[127,0,0,1] any=stride[1,128,0]",
    BASE "any=band[inf,0,0,1] any=rect[0,512,0,512]",
    BASE "mask",
    BASE "causal mask",
    BASE "bias",
    BASE "causal alibi",
    BASE "causal softcap=50",
    BASE "causal sink_logits",
    "softmax b=4 h=12 n=512 d=64 packed causal",
    WIDE,
    WIDE "window=255,0",
    WIDE "causal window=255,0",
    WIDE "must=list[64,64]",
    NULL,
};

static const char *const dtypes[] = {
    BASE,
    BASE "dtype=f16",
    BASE "dtype=bf16",
    BASE "dtype=bf16 compute=bf16",
    BASE "causal",
    BASE "causal dtype=f16",
    BASE "causal dtype=bf16",
    BASE "causal dtype=bf16 compute=bf16",
    BASE "causal kv_dtype=f16",
    BASE "causal kv_dtype=bf16",
    "softmax h=2 n=512 d=64 causal dtype=f64",
    "softmax h=16/4 n=1024 d=128",
    "softmax h=16/4 n=1024 d=128 dtype=bf16 compute=bf16",
    "softmax h=32/8 q=1 k=32768 d=128",
    "softmax h=32/8 q=1 k=32768 d=128 dtype=f16",
    "softmax h=32/8 q=1 k=32768 d=128 dtype=bf16",
    "softmax h=32/8 q=1 k=32768 d=128 kv_dtype=f16",
    "softmax h=32/8 q=1 k=32768 d=128 kv_dtype=bf16",
    NULL,
};

static const char *const threads[] = {
    "softmax h=12 n=2048 d=64 causal",
    "softmax h=9/3 n=1024 d=64",
    "softmax h=1 n=2048 d=64 causal",
    "softmax h=12 n=64 d=64 causal",
    "softmax h=32/8 q=1 k=512 d=128",
    "softmax h=32/8 q=1 k=32768 d=128",
    "softmax h=1 q=1 k=131072 d=128",
    NULL,
};

static const char *const scaling[] = {
    LONG "n=128",
    LONG "n=256",
    LONG "n=512",
    LONG "n=1024",
    LONG "n=2048",
    LONG "n=4096",
    LONG "n=8192",
    LONG "n=16384",
    LONG "n=16384 window=1023,0",
    NULL,
};

#define TOKENS "b=1 h=8 n=16384 d=128 "
#define STEP "b=256 h=8 n=1 d=128 "

static const char *const linear[] = {
    "linear_attention " TOKENS "causal",
    "lightning " TOKENS "alibi",
    "retnet " TOKENS,
    "mamba2 " TOKENS,
    "gla " TOKENS,
    "rwkv6 " TOKENS,
    "deltanet " TOKENS,
    "gated_deltanet " TOKENS,
    "kda " TOKENS,
    "rwkv7 " TOKENS,
    "gla " TOKENS "dtype=bf16",
    "linear_attention " STEP "causal",
    "retnet " STEP,
    "mamba2 " STEP,
    "gla " STEP,
    "gated_deltanet " STEP,
    "rwkv7 " STEP,
    "gla b=1 h=8 n=1 d=128",
    NULL,
};

#define PAIR(n) "softmax h=2 d=64 causal n=" #n, "linear_attention h=2 d=64 causal n=" #n

static const char *const crossover[] = {
    PAIR(256), PAIR(512), PAIR(1024), PAIR(2048), PAIR(4096), PAIR(8192), PAIR(16384), NULL,
};

/* Pairs of problems, which cache_pairs.c, callbacks.c and routed.c have. */
static const char *const none[] = {NULL};

static const struct {
    const char *name;
    const char *const *problems;
    bool all_threads;
} suites[] = {
    {"prefill", prefill, false}, {"decode", decode, false}, {"small", small, false},
    {"masks", masks, false},     {"dtypes", dtypes, false}, {"threads", threads, true},
    {"scaling", scaling, false}, {"linear", linear, false},
    {"crossover", crossover, false}, {BENCH_ROUTED, none, false},
    {BENCH_CACHE, none, false},  {BENCH_CALLBACKS, none, false},
};

enum { SUITES = sizeof suites / sizeof suites[0] };

const char *bench_suite_name(size_t index)
{
    return index < SUITES ? suites[index].name : NULL;
}

const char *bench_suite_problem(const char *name, size_t index)
{
    for (size_t i = 0; i < SUITES; i++)
        if (strcmp(suites[i].name, name) == 0)
            return suites[i].problems[index];
    return NULL;
}

bool bench_suite_all_threads(const char *name)
{
    for (size_t i = 0; i < SUITES; i++)
        if (strcmp(suites[i].name, name) == 0)
            return suites[i].all_threads;
    return false;
}
