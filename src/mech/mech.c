/* SPDX-License-Identifier: MIT */
/*
 * From a mechanism's number to its recipe.
 */
#include "mech/mech.h"

#include <attn/attn.h>

#include "base/error.h"

static const struct {
    int32_t id;
    attn__mech_fn *problem;
} mechs[] = {
    {ATTN_MECH_SOFTMAX, attn__mech_softmax},
};

int32_t attn__mech_problem(const struct attn__params *params, const struct attn__mem *mem,
                           struct attn__problem *p)
{
    for (size_t n = 0; n < sizeof mechs / sizeof mechs[0]; n++)
        if (mechs[n].id == params->mech)
            return mechs[n].problem(params, mem, p);
    return attn__error_set(ATTN_ERR_UNKNOWN_MECH, "no mechanism has number %d", (int)params->mech);
}

void attn__mech_roles(const struct attn__params *v, struct attn__problem *p)
{
    for (size_t n = 0; n < ATTN__ROLE_COUNT; n++) {
        const struct attn__role *r = &attn__role_table[n];
        enum attn__takes takes = ATTN__TAKES_NOT;
        if (r->when == ATTN__ROLE_ALWAYS)
            takes = ATTN__TAKES_MUST;
        else if (r->when == ATTN__ROLE_MAY)
            takes = ATTN__TAKES_MAY;
        else if (r->when == ATTN__ROLE_PARAM && attn__params_i64_or(v, (int32_t)r->key, 0))
            takes = ATTN__TAKES_MUST;
        else if (r->when == ATTN__ROLE_WANT && (p->want & r->key))
            takes = ATTN__TAKES_MAY;
        p->takes[n] = (uint8_t)takes;
    }
}
