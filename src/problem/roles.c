/* SPDX-License-Identifier: MIT */
/*
 * The table made of roles.def and the look-up in it.
 */
#include "problem/roles.h"

#include <string.h>

#include <attn/attn.h>

#include "base/error.h"
#include "problem/nearest.h"

#define DIRECTION_IN false
#define DIRECTION_OUT true
#define KEY_ALWAYS(key) 0
#define KEY_MAY(key) 0
#define KEY_PARAM(key) ATTN_PARAM_##key
#define KEY_WANT(key) ATTN_WANT_##key
#define KEY_MECH(key) 0
#define ROLE(constant, name, direction, when, key, types, shape)                                   \
    {ATTN_ROLE_##constant, name,  DIRECTION_##direction, ATTN__ROLE_##when,                        \
     KEY_##when(key),      ATTN__TYPES_##types, shape},

const struct attn__role attn__role_table[ATTN__ROLE_COUNT] = {
#include "problem/roles.def"
};

/* Of each number its place in the table, counted from 1. */
static const uint8_t places[] = {
#define ROLE(constant, name, direction, when, key, types, shape)                                   \
    [ATTN_ROLE_##constant] = ATTN__SLOT_##constant + 1,
#include "problem/roles.def"
};

_Static_assert(ATTN__ROLE_COUNT < UINT8_MAX, "a place is a byte");

const struct attn__role *attn__role_by_number(int32_t number)
{
    if (number < 0 || (size_t)number >= sizeof places || places[number] == 0)
        return NULL;
    return &attn__role_table[places[number] - 1];
}

int32_t attn__role_find(const char *name, const struct attn__role **role)
{
    struct attn__nearest near;
    char quote[ATTN__QUOTE_MAX];
    size_t len = strnlen(name, ATTN__QUOTE_MAX);

    attn__nearest_start(&near, name, len);
    for (size_t i = 0; i < ATTN__ROLE_COUNT; i++) {
        if (strcmp(attn__role_table[i].name, name) == 0) {
            *role = &attn__role_table[i];
            return ATTN_OK;
        }
        attn__nearest_offer(&near, attn__role_table[i].name);
    }
    attn__nearest_quote(quote, name, len);
    if (!near.best)
        return attn__error_set(ATTN_ERR_UNKNOWN_NAME, "'%s' is no role, expected one such as 'q'",
                               quote);
    return attn__error_set(ATTN_ERR_UNKNOWN_NAME,
                           "'%s' is no role, expected a known one; the nearest is '%s'", quote,
                           near.best);
}
