/* SPDX-License-Identifier: MIT */
/*
 * From a mechanism's number to its recipe.
 */
#include "mech/mech.h"

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
