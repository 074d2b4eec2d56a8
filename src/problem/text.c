/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing problem strings, driven by params.def. The text is
 * hostile input: its length is bounded, it is cut into words by one loop, and
 * every value goes through the same checks as those of the setters.
 */
#include "problem/text.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "problem/mech_list.h"
#include "problem/nearest.h"
#include "problem/number.h"

/* A run of bytes of the problem string. */
struct span {
    const char *at;
    size_t len;
};

/* One key=value of the string. */
struct word {
    struct span key;
    struct span value; /* at is NULL without '=' */
};

static int32_t syntax(const struct attn__param_info *info, struct span value, const char *expected)
{
    char quote[ATTN__QUOTE_MAX];

    return attn__error_set(ATTN_ERR_SYNTAX, "%s is '%s', expected %s", info->name,
                           attn__nearest_quote(quote, value.at, value.len), expected);
}

static int32_t too_big(const struct attn__param_info *info, struct span value)
{
    char quote[ATTN__QUOTE_MAX];

    return attn__error_set(ATTN_ERR_INVALID, "%s is '%s', expected a number that fits its type",
                           info->name, attn__nearest_quote(quote, value.at, value.len));
}

static int32_t read_i64(const struct attn__param_info *info, struct span value, int64_t *out)
{
    if (attn__param_same("inf", value.at, value.len)) {
        *out = ATTN_UNBOUNDED;
        return ATTN_OK;
    }
    switch (attn__number_parse_i64(value.at, value.len, out)) {
    case ATTN__NUMBER_SYNTAX:
        return syntax(info, value, "an integer");
    case ATTN__NUMBER_TOO_BIG:
        return too_big(info, value);
    default:
        /* The number that stands for inf is not another way to write it. */
        return *out == ATTN_UNBOUNDED ? too_big(info, value) : ATTN_OK;
    }
}

static int32_t read_f64(const struct attn__param_info *info, struct span value, double *out)
{
    switch (attn__number_parse_f64(value.at, value.len, out)) {
    case ATTN__NUMBER_SYNTAX:
        return syntax(info, value, "a finite number");
    case ATTN__NUMBER_TOO_BIG:
        return too_big(info, value);
    default:
        return ATTN_OK;
    }
}

static int32_t set_i64(struct attn__params *p, const struct attn__param_info *info,
                       struct span value)
{
    int64_t number;
    int32_t status = read_i64(info, value, &number);

    return status == ATTN_OK ? attn__params_set_i64(p, info->number, number) : status;
}

static int32_t set_f64(struct attn__params *p, const struct attn__param_info *info,
                       struct span value)
{
    double number;
    int32_t status = read_f64(info, value, &number);

    return status == ATTN_OK ? attn__params_set_f64(p, info->number, number) : status;
}

static int32_t set_bool(struct attn__params *p, const struct attn__param_info *info,
                        struct span value)
{
    static const struct attn__param_word words[] = {{"1", 1}, {"0", 0}, {"true", 1}, {"false", 0}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (attn__param_same(words[i].text, value.at, value.len))
            return attn__params_set_i64(p, info->number, words[i].value);
    return syntax(info, value, "0, 1, false or true");
}

/* Takes the part of *rest up to the next comma. */
static struct span next_element(struct span *rest)
{
    const char *comma = memchr(rest->at, ',', rest->len);
    struct span element = {rest->at, comma ? (size_t)(comma - rest->at) : rest->len};
    size_t taken = element.len + (comma != NULL);

    rest->at += taken;
    rest->len -= taken;
    return element;
}

/* [1,2,3]: both list types, read into the same memory. */
static int32_t set_list(struct attn__params *p, const struct attn__param_info *info,
                        struct span value)
{
    size_t n = 0, count = 1;

    if (value.len < 2 || value.at[0] != '[' || value.at[value.len - 1] != ']')
        return syntax(info, value, "a list such as [1,2]");

    struct span rest = {value.at + 1, value.len - 2};
    for (size_t i = 0; i < rest.len; i++)
        count += rest.at[i] == ',';
    if (rest.len == 0)
        count = 0;

    /* count is at most the length of the string, so the product fits. */
    union {
        int64_t i64;
        double f64;
    } *list = attn__mem_alloc(p->mem, count * sizeof *list, sizeof *list);
    if (!list)
        return ATTN_ERR_NOMEM;

    int32_t status = ATTN_OK;
    for (; n < count && status == ATTN_OK; n++) {
        struct span element = next_element(&rest);

        if (info->type == ATTN_PARAM_TYPE_I64S)
            status = read_i64(info, element, &list[n].i64);
        else
            status = read_f64(info, element, &list[n].f64);
    }
    if (status == ATTN_OK && info->type == ATTN_PARAM_TYPE_I64S)
        status = attn__params_set_i64s(p, info->number, &list->i64, count);
    else if (status == ATTN_OK)
        status = attn__params_set_f64s(p, info->number, &list->f64, count);
    attn__mem_free(p->mem, list, count * sizeof *list);
    return status;
}

static bool given(const struct attn__params *p, int32_t slot)
{
    return p->values[slot].set;
}

static int32_t twice(const char *name)
{
    return attn__error_set(ATTN_ERR_INVALID, "%s is given twice, expected it once", name);
}

static int32_t set_param(struct attn__params *p, const struct attn__param_info *info,
                         struct span value)
{
    if (given(p, (int32_t)(info - attn__param_table)))
        return twice(info->name);
    if (info->number == ATTN_PARAM_KV_HEAD &&
        (given(p, ATTN__PARAM_SLOT_K_HEAD) || given(p, ATTN__PARAM_SLOT_V_HEAD)))
        return twice(given(p, ATTN__PARAM_SLOT_K_HEAD) ? "k_head" : "v_head");
    if (!value.at && info->type != ATTN_PARAM_TYPE_BOOL)
        return attn__error_set(ATTN_ERR_SYNTAX, "%s has no value, expected %s=VALUE", info->name,
                               info->name);
    switch (info->type) {
    case ATTN_PARAM_TYPE_I64:
        return set_i64(p, info, value);
    case ATTN_PARAM_TYPE_F64:
        return set_f64(p, info, value);
    case ATTN_PARAM_TYPE_BOOL:
        return value.at ? set_bool(p, info, value) : attn__params_set_i64(p, info->number, 1);
    case ATTN_PARAM_TYPE_I64S:
    case ATTN_PARAM_TYPE_F64S:
        return set_list(p, info, value);
    default:
        return attn__params_set_text(p, info->number, value.at, value.len);
    }
}

/* h=8//4: members separated, those that are empty not set. */
static int32_t set_compound(struct attn__params *p, const struct attn__param_compound *c,
                            struct span value)
{
    char quote[ATTN__QUOTE_MAX];
    struct span members[4];
    int32_t n = 1;
    size_t filled = 0;

    /* Any member: they can only have come from the same key. */
    for (int32_t i = 0; i < c->members; i++)
        if (given(p, c->first + i))
            return twice(c->key);

    members[0] = (struct span){value.at, 0};
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] != c->separator) {
            filled += members[n - 1].len++ == 0;
        } else if (n == c->members) {
            n = 0;
            break;
        } else {
            members[n++] = (struct span){value.at + i + 1, 0};
        }
    }
    /* One way to write each: nothing after the last separator only where
     * all separators are written. */
    if (n == 0 || filled == 0 || (c->all ? n < c->members : members[n - 1].len == 0))
        return attn__error_set(ATTN_ERR_SYNTAX, "%s is '%s', expected %s=%s", c->key,
                               value.at ? attn__nearest_quote(quote, value.at, value.len) : "",
                               c->key, c->usage);

    for (int32_t i = 0; i < n; i++) {
        if (members[i].len > 0) {
            int32_t status = set_i64(p, &attn__param_table[c->first + i], members[i]);
            if (status != ATTN_OK)
                return status;
        }
    }
    return ATTN_OK;
}

static const struct attn__param_compound *compound_of(int32_t slot)
{
    for (const struct attn__param_compound *c = attn__param_compounds; c->key; c++)
        if (slot >= c->first && slot < c->first + c->members)
            return c;
    return NULL;
}

static int32_t unknown_key(struct span key)
{
    char quote[ATTN__QUOTE_MAX];
    struct attn__nearest near;

    attn__nearest_start(&near, key.at, key.len);
    for (int32_t slot = 0; slot < ATTN__PARAM_COUNT; slot++)
        if (!compound_of(slot))
            attn__nearest_offer(&near, attn__param_table[slot].name);
    for (const struct attn__param_compound *c = attn__param_compounds; c->key; c++)
        attn__nearest_offer(&near, c->key);
    attn__nearest_offer(&near, "must");
    attn__nearest_offer(&near, "any");
    attn__nearest_quote(quote, key.at, key.len);
    if (!near.best)
        return attn__error_set(ATTN_ERR_UNKNOWN_NAME, "'%s' is no key, expected one such as q",
                               quote);
    return attn__error_set(ATTN_ERR_UNKNOWN_NAME,
                           "'%s' is no key, expected a known one; the nearest is '%s'", quote,
                           near.best);
}

static int32_t set_word(struct attn__params *p, struct word word)
{
    const struct span key = word.key;

    for (const struct attn__param_compound *c = attn__param_compounds; c->key; c++)
        if (attn__param_same(c->key, key.at, key.len))
            return set_compound(p, c, word.value);

    bool must = attn__param_same("must", key.at, key.len);
    if (must || attn__param_same("any", key.at, key.len))
        return attn__piece_list_parse(&p->pieces, p->mem, must ? ATTN_MODE_MUST : ATTN_MODE_ANY,
                                      word.value.at, word.value.len);

    if (attn__param_same("n", key.at, key.len)) {
        int32_t status = set_param(p, &attn__param_table[ATTN__PARAM_SLOT_Q], word.value);
        if (status == ATTN_OK)
            status = set_param(p, &attn__param_table[ATTN__PARAM_SLOT_K], word.value);
        return status;
    }

    const struct attn__param_info *info = attn__param_by_name(key.at, key.len);
    if (!info)
        return unknown_key(key);

    const struct attn__param_compound *c = compound_of((int32_t)(info - attn__param_table));
    if (c)
        return attn__error_set(ATTN_ERR_UNKNOWN_NAME, "'%s' is no key, expected %s=%s",
                               info->name, c->key, c->usage);

    if (info->number == ATTN_PARAM_CAUSAL && word.value.at &&
        attn__param_same("top_left", word.value.at, word.value.len)) {
        int32_t status = set_param(p, info, (struct span){NULL, 0});
        if (status == ATTN_OK)
            status = set_param(p, &attn__param_table[ATTN__PARAM_SLOT_ALIGN], word.value);
        return status;
    }
    return set_param(p, info, word.value);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cuts the next word off, from *i on; empty at the end. */
static struct span next_word(const char *text, size_t len, size_t *i)
{
    while (*i < len && is_blank(text[*i]))
        (*i)++;

    size_t start = *i;
    while (*i < len && !is_blank(text[*i]))
        (*i)++;
    return (struct span){text + start, *i - start};
}

/* Puts the position before the text of the last error. */
static int32_t at_position(int32_t status, size_t offset)
{
    char text[ATTN__ERROR_TEXT_MAX];

    attn__error_get(text, sizeof text);
    return attn__error_set(status, "problem string, position %zu: %s", offset + 1, text);
}

static int32_t parse_words(struct attn__params *p, const char *text, size_t len, size_t i)
{
    for (;;) {
        struct span whole = next_word(text, len, &i);
        struct word word = {whole, {NULL, 0}};

        if (whole.len == 0)
            return ATTN_OK;
        const char *equals = memchr(whole.at, '=', whole.len);
        if (equals) {
            word.key.len = (size_t)(equals - whole.at);
            word.value = (struct span){equals + 1, whole.len - word.key.len - 1};
        }
        int32_t status = set_word(p, word);
        if (status != ATTN_OK)
            return at_position(status, (size_t)(whole.at - text));
    }
}

int32_t attn__text_parse(struct attn__params *p, const struct attn__mem *mem, const char *text)
{
    size_t len = strnlen(text, ATTN__TEXT_MAX + 1), i = 0;
    int32_t mech = 0;

    attn__params_init(p, mem, 0);
    if (len > ATTN__TEXT_MAX)
        return attn__error_set(ATTN_ERR_SYNTAX,
                               "the problem string has more than %d bytes, expected at most that",
                               (int)ATTN__TEXT_MAX);

    struct span id = next_word(text, len, &i);
    if (id.len == 0)
        return attn__error_set(ATTN_ERR_SYNTAX,
                               "the problem string is empty, expected a mechanism's id");
    int32_t status = attn__mech_list_find(id.at, id.len, &mech);
    if (status != ATTN_OK)
        return at_position(status, (size_t)(id.at - text));

    p->mech = mech;
    status = parse_words(p, text, len, i);
    if (status != ATTN_OK)
        attn__params_destroy(p);
    return status;
}

static void put_i64(struct attn__textout *out, int64_t value)
{
    if (value == ATTN_UNBOUNDED)
        attn__textout_put(out, "inf", 3);
    else
        attn__textout_printf(out, "%" PRId64, value);
}

static void put_f64(struct attn__textout *out, double value)
{
    char buf[ATTN__NUMBER_TEXT_MAX];

    attn__textout_put(out, buf, attn__number_print_f64(buf, value));
}

static void put_list(struct attn__textout *out, const struct attn__param_info *info,
                     const struct attn__param_value *v)
{
    const int64_t *ints = v->u.list.data;
    const double *reals = v->u.list.data;

    attn__textout_put(out, "[", 1);
    for (size_t i = 0; i < v->u.list.n; i++) {
        if (i > 0)
            attn__textout_put(out, ",", 1);
        if (info->type == ATTN_PARAM_TYPE_I64S)
            put_i64(out, ints[i]);
        else
            put_f64(out, reals[i]);
    }
    attn__textout_put(out, "]", 1);
}

static void put_compound(struct attn__textout *out, const struct attn__params *p,
                         const struct attn__param_compound *c)
{
    int32_t end = c->all ? c->members : 0;

    for (int32_t i = end; i < c->members; i++)
        if (given(p, c->first + i))
            end = i + 1;
    for (int32_t i = 0; i < end; i++) {
        if (i > 0)
            attn__textout_put(out, &c->separator, 1);
        if (given(p, c->first + i))
            put_i64(out, p->values[c->first + i].u.i64);
    }
}

static void put_param(struct attn__textout *out, const struct attn__params *p, int32_t slot)
{
    const struct attn__param_info *info = &attn__param_table[slot];
    const struct attn__param_value *v = &p->values[slot];

    if (info->type == ATTN_PARAM_TYPE_BOOL) {
        attn__textout_printf(out, " %s%s", info->name, v->u.i64 ? "" : "=0");
        return;
    }
    attn__textout_printf(out, " %s=", info->name);
    switch (info->type) {
    case ATTN_PARAM_TYPE_I64:
        put_i64(out, v->u.i64);
        break;
    case ATTN_PARAM_TYPE_F64:
        put_f64(out, v->u.f64);
        break;
    case ATTN_PARAM_TYPE_I64S:
    case ATTN_PARAM_TYPE_F64S:
        put_list(out, info, v);
        break;
    default:
        attn__params_get_text(p, info->number, out);
    }
}

void attn__text_print(const struct attn__params *p, struct attn__textout *out)
{
    const struct attn__param_compound *written = NULL;

    attn__textout_printf(out, "%s", attn__mech_list_name(p->mech));
    for (int32_t slot = 0; slot < ATTN__PARAM_COUNT; slot++) {
        const struct attn__param_compound *c = compound_of(slot);

        if (!given(p, slot) || (c && c == written))
            continue;
        if (c) {
            attn__textout_printf(out, " %s=", c->key);
            put_compound(out, p, c);
            written = c;
        } else {
            put_param(out, p, slot);
        }
    }
    attn__piece_list_print(&p->pieces, out);
    if (p->mask_fn)
        attn__textout_printf(out, " mask=user");
    if (p->score_fn)
        attn__textout_printf(out, " score=user");
}
