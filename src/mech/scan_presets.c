/* SPDX-License-Identifier: MIT */
/*
 * The mechanisms of the linear family, each a row of settings of the one
 * recurrence: scan itself has none.
 */
#include <attn/attn.h>

#include "mech/scan_presets.h"

#define COUNT(list) (sizeof(list) / sizeof(list)[0])
#define FIX(param, value) {ATTN_PARAM_##param, ATTN__FIXED, value, 0}
#define USE(param, value) {ATTN_PARAM_##param, ATTN__DEFAULT, value, 0}
#define USE_REAL(param, value) {ATTN_PARAM_##param, ATTN__DEFAULT, 0, value}
#define NO(param) {ATTN_PARAM_##param, ATTN__REFUSED, 0, 0}

/* Scale 1 where the papers have none; elsewhere 1/sqrt(d). */
#define UNSCALED USE_REAL(SCALE, 1.0)
/* A sum of keys and values, with neither decay nor erasing. */
#define SUM_ONLY FIX(DECAY, ATTN_DECAY_NONE), FIX(UPDATE, ATTN_UPDATE_ADD), NO(GATE)
/* Features as the caller hands them in. */
#define PLAIN_ROWS NO(FEATURE_MAP), NO(L2NORM)
#define NORMALISED                                                                                 \
    USE(STATE_NORM, ATTN_STATE_NORM_SUM), FIX(READ, ATTN_READ_AFTER), NO(BONUS), NO(L2NORM)
#define READS_AFTER                                                                                \
    FIX(STATE_NORM, ATTN_STATE_NORM_NONE), FIX(READ, ATTN_READ_AFTER), NO(BONUS), NO(SKIP)
#define ADDS FIX(UPDATE, ATTN_UPDATE_ADD), NO(DELTA_STEPS)

#define MECHANISM(id, settled, ...)                                                                \
    int32_t attn__mech_##id(const struct attn__params *params, const struct attn__mem *mem,        \
                            struct attn__problem *p)                                               \
    {                                                                                              \
        static const struct attn__scan_traits traits = settled;                                    \
        static const struct attn__setting settings[] = {__VA_ARGS__};                              \
        return attn__scan_problem(params, mem, settings, COUNT(settings), &traits, p);             \
    }

#define TRAITS(...) {__VA_ARGS__}

MECHANISM(scan, TRAITS(.slopes = true), UNSCALED)

MECHANISM(linear_attention, TRAITS(.both = true), SUM_ONLY, NORMALISED, UNSCALED,
          USE(FEATURE_MAP, ATTN_FEATURE_ELU1))
MECHANISM(hedgehog, TRAITS(.both = true), SUM_ONLY, NORMALISED, UNSCALED,
          USE(FEATURE_MAP, ATTN_FEATURE_HEDGEHOG_SPLIT), USE_REAL(STATE_NORM_EPS, 1e-12))
MECHANISM(performer, TRAITS(.both = true), SUM_ONLY, NORMALISED, UNSCALED,
          USE(FEATURE_MAP, ATTN_FEATURE_FAVOR))
MECHANISM(cosformer, TRAITS(.both = true), SUM_ONLY, UNSCALED, FIX(READ, ATTN_READ_AFTER),
          NO(BONUS), NO(L2NORM), USE(STATE_NORM, ATTN_STATE_NORM_MAX),
          FIX(FEATURE_MAP, ATTN_FEATURE_COSFORMER))
MECHANISM(based, TRAITS(.both = true), SUM_ONLY, NORMALISED, UNSCALED,
          FIX(FEATURE_MAP, ATTN_FEATURE_TAYLOR2))

MECHANISM(gla, TRAITS(0), ADDS, READS_AFTER, FIX(DECAY, ATTN_DECAY_CHANNEL))
MECHANISM(lightning, TRAITS(.slopes = true, .no_decay = true), ADDS, READS_AFTER, UNSCALED,
          FIX(DECAY, ATTN_DECAY_HEAD), NO(GATE))
MECHANISM(retnet, TRAITS(.slopes = true, .retnet = true), ADDS, READS_AFTER, PLAIN_ROWS,
          FIX(DECAY, ATTN_DECAY_HEAD), NO(GATE))
MECHANISM(lightnet, TRAITS(.both = true), ADDS, READS_AFTER, PLAIN_ROWS, UNSCALED,
          FIX(DECAY, ATTN_DECAY_CHANNEL), FIX(GATE, ATTN_GATE_LIGHTNET))
MECHANISM(hgrn2, TRAITS(0), ADDS, READS_AFTER, PLAIN_ROWS, UNSCALED,
          FIX(DECAY, ATTN_DECAY_CHANNEL), FIX(GATE, ATTN_GATE_HGRN2))
MECHANISM(mamba2, TRAITS(0), ADDS, PLAIN_ROWS, UNSCALED, FIX(DECAY, ATTN_DECAY_TOKEN),
          FIX(GATE, ATTN_GATE_MAMBA2), FIX(STATE_NORM, ATTN_STATE_NORM_NONE),
          FIX(READ, ATTN_READ_AFTER), NO(BONUS))
MECHANISM(rwkv6, TRAITS(0), ADDS, PLAIN_ROWS, UNSCALED, FIX(DECAY, ATTN_DECAY_CHANNEL),
          FIX(STATE_NORM, ATTN_STATE_NORM_NONE), FIX(READ, ATTN_READ_BEFORE), USE(BONUS, 1),
          NO(SKIP))

MECHANISM(deltanet, TRAITS(0), READS_AFTER, FIX(DECAY, ATTN_DECAY_NONE),
          FIX(UPDATE, ATTN_UPDATE_DELTA), NO(GATE), NO(DELTA_STEPS))
MECHANISM(gated_deltanet, TRAITS(0), READS_AFTER, FIX(DECAY, ATTN_DECAY_TOKEN),
          FIX(UPDATE, ATTN_UPDATE_DELTA), NO(DELTA_STEPS))
MECHANISM(kda, TRAITS(0), READS_AFTER, FIX(DECAY, ATTN_DECAY_CHANNEL),
          FIX(UPDATE, ATTN_UPDATE_DELTA), NO(DELTA_STEPS))
MECHANISM(deltaproduct, TRAITS(0), READS_AFTER, USE(DECAY, ATTN_DECAY_TOKEN),
          FIX(UPDATE, ATTN_UPDATE_DELTA), USE(DELTA_STEPS, 2))
MECHANISM(comba, TRAITS(0), READS_AFTER, FIX(DECAY, ATTN_DECAY_TOKEN),
          FIX(UPDATE, ATTN_UPDATE_COMBA), NO(DELTA_STEPS))
MECHANISM(gdn2, TRAITS(0), READS_AFTER, FIX(DECAY, ATTN_DECAY_CHANNEL),
          FIX(UPDATE, ATTN_UPDATE_GDN2), NO(DELTA_STEPS))
MECHANISM(rwkv7, TRAITS(0), READS_AFTER, PLAIN_ROWS, UNSCALED, FIX(DECAY, ATTN_DECAY_CHANNEL),
          FIX(UPDATE, ATTN_UPDATE_RWKV7), USE(GATE, ATTN_GATE_RWKV7), NO(DELTA_STEPS))
