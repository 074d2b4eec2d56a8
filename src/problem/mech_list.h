/* SPDX-License-Identifier: MIT */
/*
 * Numbers and names of the mechanisms, from mech_list.def.
 */
#ifndef ATTN_PROBLEM_MECH_LIST_H
#define ATTN_PROBLEM_MECH_LIST_H

#include <stddef.h>
#include <stdint.h>

/* Number `index` of the list, 0 past its end. */
int32_t attn__mech_list_at(size_t index);

/* NULL for a number that is none. */
const char *attn__mech_list_name(int32_t mech);

/* The mechanism called by `len` bytes; else ATTN_ERR_UNKNOWN_MECH with a text
 * that names the nearest one. */
int32_t attn__mech_list_find(const char *name, size_t len, int32_t *mech);

#endif
