/* SPDX-License-Identifier: MIT */
/*
 * A recurrence of the linear family as part of a problem: what is done to
 * rows when they are loaded, how the state changes by a token and how it is
 * read. The meaning of the numbers is in desc.h.
 */
#ifndef ATTN_PROBLEM_SCAN_SPEC_H
#define ATTN_PROBLEM_SCAN_SPEC_H

#include <stdbool.h>
#include <stdint.h>

/* What kind of recurrence it is, which solvers are for one of. */
enum {
    ATTN__SCAN_STATE, /* of this struct */
    ATTN__SCAN_FLOW   /* flow_attention */
};

struct attn__scan_spec {
    int32_t form;
    int32_t decay, update, gate, direction, norm, map, map_max;
    bool erase_previous, read_before, l2norm;
    /* Of the arguments. */
    bool slopes; /* decay=head by the problem's slopes, not by G */
    bool bonus, reset, gate_bias, feature_bias, skip;

    double norm_eps, map_eps, map_key_max, l2norm_eps;
    double gate_divisor;
    double gate_min, gate_max; /* -inf, inf where there is none */

    int64_t hs;       /* states of a sequence */
    int64_t readers;  /* output heads of each */
    int64_t steps;    /* keys of a query, see delta_steps; 0: any number */
    int64_t dk;       /* width of a key behind the feature map */
    int64_t columns;  /* of the feature map's weights; 0: it has none */
    int64_t period;   /* max_position */
    int64_t state_rows; /* of an attn_state behind those dk */
};

/* Most log decay of a token: e to it is the least number that f32 has. */
#define ATTN__SCAN_LEAST_LOG (-104.0)

#endif /* ATTN_PROBLEM_SCAN_SPEC_H */
