/* SPDX-License-Identifier: MIT */
/*
 * Shapes of roles in words, as roles.def has them: "S?,Hout?,Q?,K?".
 */
#ifndef ATTN_PROBLEM_SHAPE_WORDS_H
#define ATTN_PROBLEM_SHAPE_WORDS_H

#include <string.h>

#include "problem/problem.h"

/* The shapes of a role in this problem. */
static inline const char *attn__shape_words(const struct attn__problem *p, enum attn__slot slot)
{
    return p->shape[slot] ? p->shape[slot] : attn__role_table[slot].shape;
}

/* One extent. */
struct attn__word {
    const char *text;
    size_t length; /* without the ? */
    bool one_too;  /* with one */
};

/* The word at *at, which moves on; false behind the last of a shape. */
static inline bool attn__word_next(const char **at, struct attn__word *w)
{
    if (**at == '\0' || **at == ' ')
        return false;
    size_t n = strcspn(*at, ", ");
    *w = (struct attn__word){*at, n, (*at)[n - 1] == '?'};
    w->length -= w->one_too;
    *at += n + ((*at)[n] == ',');
    return true;
}

static inline bool attn__word_is(const struct attn__word *w, const char *text)
{
    return strlen(text) == w->length && memcmp(text, w->text, w->length) == 0;
}

#endif /* ATTN_PROBLEM_SHAPE_WORDS_H */
