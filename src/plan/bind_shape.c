/* SPDX-License-Identifier: MIT */
/*
 * Element types and shapes of roles: what roles.def says in words, as numbers
 * of one execute.
 */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "plan/bind.h"

/* One extent of a shape: exactly `want`, or 1 as well, or more as well, or
 * anything. */
struct extent {
    int64_t want;
    bool one_too, at_least, any;
};

struct shape {
    int32_t rank;
    struct extent e[ATTN_TENSOR_MAX_RANK];
};

static bool is_word(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

static int64_t number(const char *text, size_t n)
{
    int64_t x = 0;
    for (size_t i = 0; i < n; i++)
        x = x * 10 + (text[i] - '0');
    return x;
}

static struct extent extent_of(const struct attn__dims *d, const char *text, size_t n)
{
    const struct attn__problem *p = d->p;
    struct extent e = {.one_too = text[n - 1] == '?'};
    n -= e.one_too;
    const struct {
        const char *word;
        int64_t value;
        bool longest; /* packed data may have more, for other sequences' sake */
    } words[] = {
        {"B", d->b, false},
        {"S", d->s, false},
        {"S+1", d->s + 1, false},
        {"Nq", d->nq, false},
        {"Nk", d->nk, false},
        {"N2", d->n2, false},
        {"R", d->picked, false},
        {"Q", d->max_q, true},
        {"K", d->max_k, true},
        {"Hq", p->hq, false},
        {"Hk", p->hk, false},
        {"Hv", p->hv, false},
        {"Hout", p->hout, false},
        {"D", p->d, false},
        {"Dv", p->dv, false},
    };
    if (text[0] == '*') {
        e.any = true;
        return e;
    }
    if (text[0] >= '0' && text[0] <= '9') {
        e.want = number(text, n);
        return e;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (is_word(text, n, words[i].word)) {
            e.want = words[i].value;
            e.at_least = words[i].longest && p->packed;
            return e;
        }
    }
    for (int32_t i = 0; i < p->n_extents; i++)
        if (is_word(text, n, p->extent[i].name))
            e.want = p->extent[i].value;
    return e;
}

/* The shape in `text` up to a blank or its end; *rest is behind it. */
static struct shape parse(const struct attn__dims *d, const char *text, const char **rest)
{
    struct shape s = {0};
    while (*text && *text != ' ') {
        size_t n = strcspn(text, ", ");
        s.e[s.rank++] = extent_of(d, text, n);
        text += n + (text[n] == ',');
    }
    *rest = *text ? text + strlen(" | ") : text;
    return s;
}

/* Of several shapes the first of that rank, else the last. */
static struct shape shape_of(const struct attn__dims *d, enum attn__slot slot, int32_t rank)
{
    const char *text = d->p->shape[slot] ? d->p->shape[slot] : attn__role_table[slot].shape;
    struct shape s;
    do
        s = parse(d, text, &text);
    while (s.rank != rank && *text);
    return s;
}

/* The types a role may have: at most two, the first is the one to make. */
static void types_of(const struct attn__problem *p, enum attn__types types, int32_t of[2])
{
    int32_t row = attn__problem_row_dtype(p);
    const int32_t table[][2] = {
        [ATTN__TYPES_QUERY] = {p->dtype, p->dtype},
        [ATTN__TYPES_KEY] = {p->kv_dtype, p->kv_dtype},
        [ATTN__TYPES_ROW] = {row, row},
        [ATTN__TYPES_ROW_OR_QUERY] = {row, p->dtype},
        [ATTN__TYPES_INDEX] = {ATTN_DTYPE_I32, ATTN_DTYPE_I64},
        [ATTN__TYPES_I64] = {ATTN_DTYPE_I64, ATTN_DTYPE_I64},
        [ATTN__TYPES_U8] = {ATTN_DTYPE_U8, ATTN_DTYPE_U8},
        [ATTN__TYPES_BOOL] = {ATTN_DTYPE_BOOL, ATTN_DTYPE_U8},
        [ATTN__TYPES_OBJECT] = {0, 0},
    };
    memcpy(of, table[types], 2 * sizeof *of);
}

static int32_t check_type(const struct attn__dims *d, enum attn__slot slot)
{
    const struct attn__role *r = &attn__role_table[slot];
    int32_t found = d->call->t[slot].dtype, of[2];
    types_of(d->p, r->types, of);
    if (found == of[0] || found == of[1])
        return ATTN_OK;
    if (of[0] == of[1])
        return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected %s", r->name,
                               attn__dtype_name(found), attn__dtype_name(of[0]));
    return attn__error_set(ATTN_ERR_DTYPE, "%s has dtype %s, expected %s or %s", r->name,
                           attn__dtype_name(found), attn__dtype_name(of[0]),
                           attn__dtype_name(of[1]));
}

int32_t attn__bind_shape(const struct attn__dims *d, enum attn__slot slot)
{
    const struct attn__role *r = &attn__role_table[slot];
    const attn_tensor *t = &d->call->t[slot];
    int32_t status = check_type(d, slot);
    if (status != ATTN_OK)
        return status;
    struct shape s = shape_of(d, slot, t->rank);
    if (t->rank != s.rank)
        return attn__error_set(ATTN_ERR_SHAPE, "%s has rank %d, expected %d", r->name,
                               (int)t->rank, (int)s.rank);
    for (int32_t n = 0; n < s.rank; n++) {
        const struct extent *e = &s.e[n];
        int64_t found = t->shape[n];
        if (e->any || found == e->want || (e->one_too && found == 1) ||
            (e->at_least && found >= e->want))
            continue;
        return attn__error_set(ATTN_ERR_SHAPE,
                               "%s has extent %" PRId64 " in dimension %d, expected %s%" PRId64
                               "%s",
                               r->name, found, (int)n, e->at_least ? "at least " : "", e->want,
                               e->one_too ? " or 1" : "");
    }
    return ATTN_OK;
}

/* An extent that only the caller knows, or -1. */
static int32_t free_extent(const struct shape *s)
{
    for (int32_t n = 0; n < s->rank; n++)
        if (s->e[n].any)
            return n;
    return -1;
}

int32_t attn__bind_tell(const struct attn__dims *d, enum attn__slot slot, attn_tensor *t)
{
    const struct attn__role *r = &attn__role_table[slot];
    const char *text = d->p->shape[slot] ? d->p->shape[slot] : r->shape;
    const char *all = text;
    int64_t extents[ATTN_TENSOR_MAX_RANK];
    int32_t of[2];
    struct shape s;
    types_of(d->p, r->types, of);
    if (r->types == ATTN__TYPES_OBJECT)
        return attn__error_set(ATTN_ERR_ROLE, "role %s is no tensor", r->name);
    do
        s = parse(d, text, &text);
    while (free_extent(&s) >= 0 && *text);
    if (free_extent(&s) >= 0)
        return attn__error_set(ATTN_ERR_ROLE,
                               "extent %d of role %s is the caller's to choose (shape %s)",
                               (int)free_extent(&s), r->name, all);
    for (int32_t n = 0; n < s.rank; n++)
        extents[n] = s.e[n].want;
    return attn_tensor_init(t, NULL, of[0], s.rank, extents);
}
