/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms of the linear family: settings of one recurrence.
 */
#ifndef ATTN_MECH_SCAN_PRESETS_H
#define ATTN_MECH_SCAN_PRESETS_H

#include "mech/preset.h"

/* What a mechanism settles besides the values of parameters. */
struct attn__scan_traits {
    bool both;     /* full unless causal, where no direction is given */
    bool slopes;   /* the decay of heads may come as ALiBi's slopes */
    bool retnet;   /* slopes that are not given are RetNet's */
    bool no_decay; /* slopes that are not given are none */
};

/* The problem of a recurrence with these settings. */
int32_t attn__scan_problem(const struct attn__params *user, const struct attn__mem *mem,
                           const struct attn__setting *settings, size_t n,
                           const struct attn__scan_traits *traits, struct attn__problem *p);

#endif /* ATTN_MECH_SCAN_PRESETS_H */
