/* SPDX-License-Identifier: MIT */
/*
 * From the number of a key to its place in the pages.
 */
#include "problem/paged.h"

#include <string.h>

#include "base/checked.h"
#include "problem/vis_piece.h"

static const struct attn__paged_part *part_of(const struct attn__paged *p, int64_t j)
{
    int64_t n = p->parts - 1;
    while (n > 0 && p->part[n].base > j)
        n--;
    return &p->part[n];
}

int64_t attn__paged_base(const struct attn__paged *p, int64_t j, int64_t *n)
{
    const struct attn__paged_part *t = part_of(p, j);
    if (t < p->part + p->parts - 1)
        *n = attn__min_i64(*n, t[1].base - j);
    return t->base;
}

bool attn__paged_open(const struct attn__paged *p, int64_t j, int64_t *n)
{
    const struct attn__paged_part *t = part_of(p, j);
    int64_t open = t->base + t->open;
    (void)attn__paged_base(p, j, n);
    if (j < open)
        *n = attn__min_i64(*n, open - j);
    return j >= open;
}

/* The first cell of the past that stands at x or later. Mostly nothing or only
 * a run behind the sinks is missing, so that two guesses find it. */
static int64_t first_from(const struct attn__paged_part *t, int64_t x)
{
    int64_t lo = 0, hi = t->stored, tail = t->stored - (t->past - x);
    if (x < hi && t->cell[x].pos == x)
        return x;
    if (tail >= 0 && tail < hi && t->cell[tail].pos == x)
        return tail;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (t->cell[mid].pos < x)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int64_t attn__paged_find(const struct attn__paged *p, int64_t j, int64_t n,
                         struct attn__paged_place *place)
{
    const struct attn__paged_part *t = part_of(p, j);
    int64_t x = j - t->base, at, end, run = 1;
    bool past = x < t->past;
    if (t->page) {
        int64_t slot = x % t->page_size;
        *place = (struct attn__paged_place){t->page[x / t->page_size], (int32_t)slot};
        return attn__min_i64(n, attn__min_i64(t->past - x, t->page_size - slot));
    }
    *place = (struct attn__paged_place){.page = -1};
    if (past) {
        at = first_from(t, x);
        end = t->stored;
        if (at == end || t->cell[at].pos != x)
            return attn__min_i64(n, (at == end ? t->past : t->cell[at].pos) - x);
    } else {
        at = t->stored + x - t->past;
        end = t->stored + t->fresh;
    }
    const struct attn__cache_cell *c = &t->cell[at];
    n = attn__min_i64(n, end - at);
    if (past && at < t->straight) {
        end = attn__min_i64(t->straight - at, t->page_size - c->slot);
        run = attn__min_i64(n, end);
    }
    while (run < n && c[run].page == c->page && c[run].slot == c->slot + run &&
           (!past || c[run].pos == x + run))
        run++;
    *place = (struct attn__paged_place){c->page, c->slot};
    return run;
}

int64_t attn__paged_cells(const struct attn__paged *p, int64_t j, int64_t n, int64_t *cell)
{
    const struct attn__paged_part *t = part_of(p, j);
    int64_t x = j - t->base, run = 1;
    *cell = t->stored + x - t->past;
    if (x >= t->past)
        return attn__min_i64(n, t->past + t->fresh - x);
    *cell = -1;
    int64_t at = first_from(t, x);
    if (at == t->stored || t->cell[at].pos != x)
        return attn__min_i64(n, (at == t->stored ? t->past : t->cell[at].pos) - x);
    n = attn__min_i64(n, t->stored - at);
    while (run < n && t->cell[at + run].pos == x + run)
        run++;
    *cell = at;
    return run;
}

/* What token i of a step that branches sees of keys j0..j0+n-1. */
static uint64_t tree_word(const struct attn__paged *p, int64_t i, int64_t j0, int64_t n)
{
    const struct attn__paged_step *s = p->step;
    const struct attn__paged_part *t = &p->part[p->parts - 1];
    const uint64_t *see = s->see + i * s->words;
    int64_t here = t->past + s->depth[i]; /* positions */
    uint64_t word = 0;
    for (int64_t k = 0; k < n; k++) {
        int64_t token = j0 + k - s->first, at = j0 + k - t->base;
        if (token >= 0) {
            if (!(see[token / 64] >> token % 64 & 1))
                continue;
            at = t->past + s->depth[token];
        }
        if (p->window == ATTN_UNBOUNDED || at < p->sink || here - at < p->window)
            word |= UINT64_C(1) << k;
    }
    return word;
}

uint64_t attn__paged_word(const struct attn__paged *p, int64_t i, int64_t j0, int64_t n)
{
    uint64_t word = 0;
    for (int64_t k = 0, run; k < n; k += run) {
        struct attn__paged_place at;
        run = attn__paged_find(p, j0 + k, n - k, &at);
        if (at.page >= 0)
            word |= attn__vis_low(run) << k;
    }
    return word && p->step->depth ? word & tree_word(p, i, j0, n) : word;
}

bool attn__paged_all(const struct attn__paged *p, int64_t j0, int64_t j1, bool *none)
{
    bool all = true;
    *none = true;
    for (int64_t j = j0, run; j < j1 && (all || *none); j += run) {
        struct attn__paged_place at;
        run = attn__paged_find(p, j, j1 - j, &at);
        all &= at.page >= 0;
        *none &= at.page < 0;
    }
    bool windowed = p->window != ATTN_UNBOUNDED;
    return all && (!p->step->depth || (!windowed && j1 <= p->step->first));
}

const float *attn__paged_low(const struct attn__paged *p, int64_t head, int64_t j0, int64_t j1)
{
    const struct attn__paged_bounds *b = &p->bounds;
    const struct attn__paged_part *t = p->part;
    int64_t n = j0 / t->page_size, cells;
    if (!b->data || p->parts > 1 || j0 % t->page_size != 0 || j1 > t->straight || n >= b->pages ||
        t->cell[j0].page != b->page[n])
        return NULL;
    const char *of = b->data + (size_t)n * b->bytes;
    memcpy(&cells, of, sizeof cells);
    return cells == j1 - j0 ? (const float *)(const void *)(of + sizeof cells) + head : NULL;
}
