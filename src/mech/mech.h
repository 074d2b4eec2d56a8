/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms: each turns the parameters of a descriptor into a problem,
 * after checking what they mean together.
 */
#ifndef ATTN_MECH_MECH_H
#define ATTN_MECH_MECH_H

#include <attn/desc.h>

#include "problem/params.h"
#include "problem/problem.h"

/*
 * Fills *p, whose lists live in a block from mem: free it with
 * attn__problem_free. ATTN_ERR_UNSET, ATTN_ERR_INVALID, ATTN_ERR_UNSUPPORTED,
 * ATTN_ERR_OVERFLOW or ATTN_ERR_NOMEM, with nothing to free.
 */
int32_t attn__mech_problem(const struct attn__params *params, const struct attn__mem *mem,
                           struct attn__problem *p);

/* One function a mechanism, called by the one above. */
typedef int32_t attn__mech_fn(const struct attn__params *params, const struct attn__mem *mem,
                              struct attn__problem *p);
#define MECH(constant, id) attn__mech_fn attn__mech_##id;
#include "problem/mech_list.def"

/* The problem of one ATTEND with these parameters; `text` are those that the
 * canonical problem string is printed from. */
int32_t attn__mech_attend(const struct attn__params *params, const struct attn__params *text,
                          const struct attn__mem *mem, struct attn__problem *p);

/* Parameters from 10000 on belong to one mechanism: mech * 100 to
 * mech * 100 + 99; those from 900 to 999 to caches. 0: to all. */
static inline int32_t attn__mech_of_param(int32_t param)
{
    if (param / 100 == 9)
        return ATTN_MECH_CACHE;
    return param >= 10000 ? param / 100 : 0;
}

/* Parameters of caches that plans with a view have too: the cache they read. */
bool attn__view_param(int32_t param);

static inline bool attn__mech_owns(int32_t mech, int32_t param)
{
    return attn__mech_of_param(param) == mech;
}

/* Does only the linear family read this parameter? */
static inline bool attn__mech_param_of_scan(int32_t param)
{
    enum { FIRST = ATTN_PARAM_DECAY, END = 800 };
    return (param >= FIRST && param < END) || param == ATTN_PARAM_FEATURE_MAX ||
           param == ATTN_PARAM_FEATURE_KEY_MAX;
}

static inline bool attn__mech_is_scan(int32_t mech)
{
    return (mech >= ATTN_MECH_SCAN && mech <= ATTN_MECH_BASED) || mech == ATTN_MECH_BIRDIE;
}

/* Which roles the problem has, by roles.def and the parameters; p->want is
 * there. */
void attn__mech_roles(const struct attn__params *params, struct attn__problem *p);

#endif /* ATTN_MECH_MECH_H */
