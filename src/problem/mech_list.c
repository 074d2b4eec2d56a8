/* SPDX-License-Identifier: MIT */
/*
 * The table made of mech_list.def.
 */
#include "problem/mech_list.h"

#include <string.h>

#include <attn/attn.h>

#include "base/error.h"
#include "problem/nearest.h"

static const struct {
    int32_t number;
    const char *name;
} mechs[] = {
#define MECH(constant, id) {ATTN_MECH_##constant, #id},
#include "problem/mech_list.def"
};

enum { MECH_COUNT = sizeof mechs / sizeof mechs[0] };

int32_t attn__mech_list_at(size_t index)
{
    return index < MECH_COUNT ? mechs[index].number : 0;
}

const char *attn__mech_list_name(int32_t mech)
{
    for (size_t i = 0; i < MECH_COUNT; i++)
        if (mechs[i].number == mech)
            return mechs[i].name;
    return NULL;
}

int32_t attn__mech_list_find(const char *name, size_t len, int32_t *mech)
{
    struct attn__nearest near;
    char quote[ATTN__QUOTE_MAX];

    attn__nearest_start(&near, name, len);
    for (size_t i = 0; i < MECH_COUNT; i++) {
        if (strlen(mechs[i].name) == len && memcmp(mechs[i].name, name, len) == 0) {
            *mech = mechs[i].number;
            return ATTN_OK;
        }
        attn__nearest_offer(&near, mechs[i].name);
    }
    return attn__error_set(ATTN_ERR_UNKNOWN_MECH,
                           "'%s' is no mechanism, expected the id of one; the nearest is '%s'",
                           attn__nearest_quote(quote, name, len),
                           near.best ? near.best : mechs[0].name);
}
