/* SPDX-License-Identifier: MIT */
/*
 * The known name that is nearest to a mistyped one, for error messages. Works
 * on fixed buffers: names of hostile length simply have no neighbour.
 */
#ifndef ATTN_PROBLEM_NEAREST_H
#define ATTN_PROBLEM_NEAREST_H

#include <stddef.h>

enum { ATTN__NEAREST_MAX = 32 };

struct attn__nearest {
    const char *text; /* not necessarily NUL-terminated */
    size_t len;
    const char *best; /* NULL before the first offer, or when len is too long */
    size_t distance;
};

void attn__nearest_start(struct attn__nearest *n, const char *text, size_t len);

/* Keeps `name` (a static string) if it is nearer than all offered before. */
void attn__nearest_offer(struct attn__nearest *n, const char *name);

/* Insertions, deletions, replacements and swaps of neighbours between two
 * texts of at most ATTN__NEAREST_MAX bytes. */
size_t attn__nearest_distance(const char *a, size_t na, const char *b,
                              size_t nb);

/* The bytes of text as they may stand in a message: at most 40, those that do
 * not print replaced by '?', "..." where it was cut. Returns buf. */
enum { ATTN__QUOTE_MAX = 44 };
const char *attn__nearest_quote(char buf[ATTN__QUOTE_MAX], const char *text,
                                size_t len);

#endif
