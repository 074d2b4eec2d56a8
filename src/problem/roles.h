/* SPDX-License-Identifier: MIT */
/*
 * What is known about each role, from roles.def.
 */
#ifndef ATTN_PROBLEM_ROLES_H
#define ATTN_PROBLEM_ROLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Place of each role in the table, and in arrays of arguments. */
enum attn__slot {
#define ROLE(constant, name, direction, when, key) ATTN__SLOT_##constant,
#include "problem/roles.def"
    ATTN__ROLE_COUNT
};

enum attn__role_when {
    ATTN__ROLE_ALWAYS, /* required in every execute */
    ATTN__ROLE_MAY,    /* may be given without declaration */
    ATTN__ROLE_PARAM,  /* required if the bool `key` is 1, else wrong */
    ATTN__ROLE_WANT    /* may be given if `want` has the bit, else wrong */
};

struct attn__role {
    int32_t number;
    const char *name;
    bool output;
    enum attn__role_when when;
    int64_t key; /* ATTN_PARAM_* or ATTN_WANT_*, 0 for the others */
};

extern const struct attn__role attn__role_table[ATTN__ROLE_COUNT];

/* NULL for a number that is no role. */
const struct attn__role *attn__role_by_number(int32_t number);

/* Else ATTN_ERR_UNKNOWN_NAME with a text that names the nearest one. */
int32_t attn__role_find(const char *name, const struct attn__role **role);

#endif
