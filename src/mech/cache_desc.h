/* SPDX-License-Identifier: MIT */
/*
 * From the parameters of `cache` to the sizes and rules of one.
 */
#ifndef ATTN_MECH_CACHE_DESC_H
#define ATTN_MECH_CACHE_DESC_H

#include "problem/params.h"
#include "state/cache_object.h"

/* Fills *c, whose block comes from mem; nothing to free on failure. */
int32_t attn__cache_desc_read(const struct attn__params *v, const struct attn__mem *mem,
                              struct attn__cache_config *c);

#endif /* ATTN_MECH_CACHE_DESC_H */
