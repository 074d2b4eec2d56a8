/* SPDX-License-Identifier: MIT */
/*
 * The tables made of params.def and the look-up in them. They are short and
 * read at planning time only, so look-up is a walk.
 */
#include "problem/param_table.h"

#include <float.h>
#include <string.h>

#include <attn/selection.h>

#define NONE
#define INTS(least, greatest) .least_i64 = (least), .greatest_i64 = (greatest),
#define REALS(least, greatest) .least_f64 = (least), .greatest_f64 = (greatest),
#define WORD(text, value) {text, value}
#define WORDS(...) .words = (const struct attn__param_word[]){__VA_ARGS__, {NULL, 0}},
#define PARAM(constant, name_, type_, limits, words_, help_)                                       \
    {.number = ATTN_PARAM_##constant,                                                              \
     .type = ATTN_PARAM_TYPE_##type_,                                                              \
     .name = name_,                                                                                \
     limits words_.help = help_},

const struct attn__param_info attn__param_table[ATTN__PARAM_COUNT] = {
#include "problem/params.def"
};

#define COMPOUND(key_, separator_, all_, usage_, first_, members_)                                 \
    {.key = key_,                                                                                  \
     .usage = usage_,                                                                              \
     .separator = separator_,                                                                      \
     .all = all_,                                                                                  \
     .first = ATTN__PARAM_SLOT_##first_,                                                           \
     .members = members_},

const struct attn__param_compound attn__param_compounds[] = {
#include "problem/params.def"
    {.key = NULL},
};

int attn__param_same(const char *word, const char *text, size_t len)
{
    return strlen(word) == len && memcmp(word, text, len) == 0;
}

const struct attn__param_info *attn__param_by_number(int32_t number)
{
    for (size_t i = 0; i < ATTN__PARAM_COUNT; i++)
        if (attn__param_table[i].number == number)
            return &attn__param_table[i];
    return NULL;
}

const struct attn__param_info *attn__param_by_name(const char *name, size_t len)
{
    for (size_t i = 0; i < ATTN__PARAM_COUNT; i++)
        if (attn__param_same(attn__param_table[i].name, name, len))
            return &attn__param_table[i];
    return NULL;
}

const struct attn__param_word *attn__param_word_find(const struct attn__param_info *info,
                                                     const char *text, size_t len)
{
    for (const struct attn__param_word *w = info->words; w && w->text; w++)
        if (attn__param_same(w->text, text, len))
            return w;
    return NULL;
}
