/* SPDX-License-Identifier: MIT */
/*
 * flow_attention: Flowformer's attention by conserved flows (Wu et al., 2022),
 * between all queries and keys or causal. A recurrence whose rows the flows
 * scale, see solvers/flow_sums.h.
 */
#include <attn/attn.h>

#include "base/error.h"
#include "mech/scan_presets.h"
#include "solvers/flow_sums.h"

#define NO(param) {ATTN_PARAM_##param, ATTN__REFUSED, 0, 0}
#define FIX(param, value) {ATTN_PARAM_##param, ATTN__FIXED, value, 0}

/* Each head of queries has flows of its own, so a state head of its own. */
static int32_t check(const struct attn__problem *p)
{
    if (p->scan.direction != ATTN_DIRECTION_FORWARD && p->scan.direction != ATTN_DIRECTION_FULL)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "direction is neither forward nor full, which flow_attention has");
    if (p->scan.readers == 1)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "%d query heads read one key head: expected as many key as query "
                           "heads, flows are those of the two",
                           (int)p->scan.readers);
}

int32_t attn__mech_flow_attention(const struct attn__params *params, const struct attn__mem *mem,
                                  struct attn__problem *p)
{
    static const struct attn__scan_traits traits = {.both = true};
    static const struct attn__setting settings[] = {
        FIX(DECAY, ATTN_DECAY_NONE),
        FIX(UPDATE, ATTN_UPDATE_ADD),
        FIX(READ, ATTN_READ_AFTER),
        FIX(FEATURE_MAP, ATTN_FEATURE_SIGMOID),
        FIX(STATE_NORM, ATTN_STATE_NORM_NONE),
        {ATTN_PARAM_SCALE, ATTN__FIXED, 0, 1.0},
        NO(GATE),
        NO(BONUS),
        NO(L2NORM),
        NO(SKIP),
        NO(DELTA_STEPS),
        NO(STATE_HEADS),
    };
    int32_t status = attn__scan_problem(params, mem, settings, sizeof settings / sizeof settings[0],
                                        &traits, p);
    if (status != ATTN_OK)
        return status;
    status = check(p);
    if (status != ATTN_OK) {
        attn__problem_free(p, mem);
        return status;
    }
    p->scan.form = ATTN__SCAN_FLOW;
    p->scan.state_rows = attn__flow_state_rows(p->d, p->dv);
    p->own[0] = attn__params_f64_or(params, ATTN_PARAM_FLOW_CLAMP, 1);
    p->own[1] = attn__params_f64_or(params, ATTN_PARAM_FLOW_EPS, 1e-6);
    return ATTN_OK;
}
