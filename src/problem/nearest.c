/* SPDX-License-Identifier: MIT */
/*
 * Edit distance by dynamic programming over three rows, with transposition
 * of neighbours as one step ("optimal string alignment").
 */
#include "problem/nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t attn__nearest_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][ATTN__NEAREST_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= nb; j++)
        last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t replace = last[j - 1] + (a[i - 1] != b[j - 1]);

            now[j] = least(replace, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[nb];
}

void attn__nearest_start(struct attn__nearest *n, const char *text, size_t len)
{
    *n = (struct attn__nearest){.text = text, .len = len};
}

void attn__nearest_offer(struct attn__nearest *n, const char *name)
{
    size_t len = strlen(name);

    if (n->len > ATTN__NEAREST_MAX || len > ATTN__NEAREST_MAX)
        return;

    size_t distance = attn__nearest_distance(n->text, n->len, name, len);
    if (!n->best || distance < n->distance) {
        n->best = name;
        n->distance = distance;
    }
}

const char *attn__nearest_quote(char buf[ATTN__QUOTE_MAX], const char *text, size_t len)
{
    size_t shown = len <= 40 ? len : 40;

    for (size_t i = 0; i < shown; i++)
        buf[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    memcpy(buf + shown, "...", 4);
    if (len <= shown)
        buf[shown] = '\0';
    return buf;
}
