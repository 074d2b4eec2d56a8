/* SPDX-License-Identifier: MIT */
/*
 * What roles.def says in words, for the roles that one problem takes: looked
 * up once for a plan.
 */
#include <string.h>

#include "base/error.h"
#include "plan/bind.h"
#include "problem/shape_words.h"

static int64_t number(const struct attn__word *w)
{
    int64_t x = 0;
    for (size_t i = 0; i < w->length; i++)
        x = x * 10 + (w->text[i] - '0');
    return x;
}

#define LENGTH(name) offsetof(struct attn__dims, name)

static struct attn__extent_rule extent_of(const struct attn__problem *p,
                                          const struct attn__word *w)
{
    const struct {
        const char *word;
        uint16_t of;
        int64_t add;
        bool longest; /* packed data may have more, for other sequences' sake */
    } words[] = {
        {"B", LENGTH(b), 0, false},         {"S", LENGTH(s), 0, false},
        {"S+1", LENGTH(s), 1, false},       {"Nq", LENGTH(nq), 0, false},
        {"Nk", LENGTH(nk), 0, false},       {"N2", LENGTH(n2), 0, false},
        {"R", LENGTH(picked), 0, false},    {"Q", LENGTH(max_q), 0, true},
        {"K", LENGTH(max_k), 0, true},      {"Hq", LENGTH(none), p->hq, false},
        {"Hk", LENGTH(none), p->hk, false}, {"Hv", LENGTH(none), p->hv, false},
        {"D", LENGTH(none), p->d, false},   {"Dv", LENGTH(none), p->dv, false},
        {"Hout", LENGTH(none), p->hout, false},
    };
    struct attn__extent_rule e = {.of = LENGTH(none), .one_too = w->one_too};
    if (w->text[0] == '*') {
        e.any = true;
        return e;
    }
    if (w->text[0] >= '0' && w->text[0] <= '9') {
        e.add = number(w);
        return e;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (attn__word_is(w, words[i].word)) {
            e.of = words[i].of;
            e.add = words[i].add;
            e.at_least = words[i].longest && p->packed;
            return e;
        }
    }
    for (int32_t i = 0; i < p->n_extents; i++)
        if (attn__word_is(w, p->extent[i].name))
            e.add = p->extent[i].value;
    return e;
}

/* The shape in `text` up to a blank or its end; what is behind it. */
static const char *parse(const struct attn__problem *p, const char *text,
                         struct attn__shape_rule *s)
{
    struct attn__word w;
    while (attn__word_next(&text, &w))
        s->e[s->rank++] = extent_of(p, &w);
    return *text ? text + strlen(" | ") : text;
}

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

static size_t rules_bytes(int32_t n)
{
    return sizeof(struct attn__rules) + (size_t)n * sizeof(struct attn__role_rule);
}

int32_t attn__rules_make(const struct attn__problem *p, const struct attn__mem *mem,
                         struct attn__rules **rules)
{
    int32_t n = 0;
    for (int slot = 0; slot < ATTN__ROLE_COUNT; slot++)
        n += p->takes[slot] != ATTN__TAKES_NOT;
    struct attn__rules *made = attn__mem_alloc(mem, rules_bytes(n), 64);
    *rules = made;
    if (!made)
        return ATTN_ERR_NOMEM;
    made->p = p;
    for (int slot = 0; slot < ATTN__ROLE_COUNT; slot++) {
        struct attn__role_rule *r = &made->rule[made->n];
        const char *text = attn__shape_words(p, (enum attn__slot)slot);
        if (p->takes[slot] == ATTN__TAKES_NOT)
            continue;
        made->at[slot] = (uint8_t)made->n++;
        r->slot = (enum attn__slot)slot;
        r->must = p->takes[slot] == ATTN__TAKES_MUST;
        types_of(p, attn__role_table[slot].types, r->type);
        while (*text && r->n_shapes < ATTN__SHAPES_MAX)
            text = parse(p, text, &r->shape[r->n_shapes++]);
    }
    return ATTN_OK;
}

void attn__rules_free(struct attn__rules *rules, const struct attn__mem *mem)
{
    if (rules)
        attn__mem_free(mem, rules, rules_bytes(rules->n));
}
