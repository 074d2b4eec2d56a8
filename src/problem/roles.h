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
#define ROLE(constant, name, direction, when, key, types, shape)               \
    ATTN__SLOT_##constant,
#include "problem/roles.def"
    ATTN__ROLE_COUNT
};

enum attn__role_when {
    ATTN__ROLE_ALWAYS, /* required in every execute */
    ATTN__ROLE_MAY,    /* may be given without declaration */
    ATTN__ROLE_PARAM,  /* required if the bool `key` is 1, else wrong */
    ATTN__ROLE_WANT,   /* may be given if `want` has the bit, else wrong */
    ATTN__ROLE_MECH    /* a mechanism's own */
};

/* What a problem makes of a role. */
enum attn__takes { ATTN__TAKES_NOT, ATTN__TAKES_MAY, ATTN__TAKES_MUST };

/* Which element types a role may have, in terms of the problem. */
enum attn__types {
    ATTN__TYPES_QUERY,        /* dtype */
    ATTN__TYPES_KEY,          /* kv_dtype */
    ATTN__TYPES_ROW,          /* f64 if dtype is, else f32 */
    ATTN__TYPES_ROW_OR_QUERY, /* either of the two */
    ATTN__TYPES_INDEX,        /* i32, i64 */
    ATTN__TYPES_I64,
    ATTN__TYPES_U8,
    ATTN__TYPES_BOOL,         /* bool, u8 */
    ATTN__TYPES_OBJECT        /* no tensor */
};

struct attn__role {
    int32_t number;
    const char *name;
    bool output;
    enum attn__role_when when;
    int64_t key; /* ATTN_PARAM_* or ATTN_WANT_*, 0 for the others */
    enum attn__types types;
    const char *shape;
};

extern const struct attn__role attn__role_table[ATTN__ROLE_COUNT];

/* NULL for a number that is no role. */
const struct attn__role *attn__role_by_number(int32_t number);

/* Else ATTN_ERR_UNKNOWN_NAME with a text that names the nearest one. */
int32_t attn__role_find(const char *name, const struct attn__role **role);

#endif
