/* SPDX-License-Identifier: MIT */
/*
 * Policies: named settings of a cache's rules.
 */
#ifndef ATTN_MECH_CACHE_POLICY_H
#define ATTN_MECH_CACHE_POLICY_H

#include "problem/params.h"

/* *copy: v with what its policy sets; ATTN_ERR_UNSET or ATTN_ERR_INVALID where
 * v says something else. To be destroyed in any case. */
int32_t attn__cache_policy(const struct attn__params *v, const struct attn__mem *mem,
                           struct attn__params *copy);

#endif /* ATTN_MECH_CACHE_POLICY_H */
