/* SPDX-License-Identifier: MIT */
/*
 * Values of parameters: checks, ownership, the kv_head alias.
 */
#include "problem/params.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "problem/nearest.h"

static const char *type_name(int32_t type)
{
    switch (type) {
    case ATTN_PARAM_TYPE_I64:
        return "an integer";
    case ATTN_PARAM_TYPE_BOOL:
        return "a bool";
    case ATTN_PARAM_TYPE_ENUM:
        return "a word";
    case ATTN_PARAM_TYPE_SET:
        return "a set of words";
    case ATTN_PARAM_TYPE_F64:
        return "a real number";
    case ATTN_PARAM_TYPE_TEXT:
        return "a text";
    case ATTN_PARAM_TYPE_I64S:
        return "a list of integers";
    default:
        return "a list of real numbers";
    }
}

static bool is_list(int32_t type)
{
    return type == ATTN_PARAM_TYPE_TEXT || type == ATTN_PARAM_TYPE_I64S ||
           type == ATTN_PARAM_TYPE_F64S;
}

/* Bytes of a list's memory. A text has a NUL besides, and the rest at least
 * one element, so that a set list is never NULL. */
static size_t list_bytes(int32_t type, size_t n)
{
    return type == ATTN_PARAM_TYPE_TEXT ? n + 1 : (n ? n : 1) * 8;
}

static const struct attn__param_info *find(int32_t param)
{
    const struct attn__param_info *info = attn__param_by_number(param);

    if (!info)
        attn__error_set(ATTN_ERR_UNKNOWN_PARAM,
                        "param is %" PRId32 ", expected the number of a parameter", param);
    return info;
}

static int32_t wrong_type(const struct attn__param_info *info, const char *call)
{
    return attn__error_set(ATTN_ERR_INVALID, "%s is %s, found a call for %s", info->name,
                           type_name(info->type), call);
}

static int32_t unset(const struct attn__param_info *info)
{
    return attn__error_set(ATTN_ERR_UNSET, "%s is not set", info->name);
}

static struct attn__param_value *value_of(struct attn__params *p,
                                          const struct attn__param_info *info)
{
    return &p->values[info - attn__param_table];
}

/* The value behind a parameter, seen through the alias; NULL if not set. */
static const struct attn__param_value *value_read(const struct attn__params *p,
                                                  const struct attn__param_info *info)
{
    const struct attn__param_value *v = &p->values[info - attn__param_table];

    if (info->number == ATTN_PARAM_KV_HEAD) {
        const struct attn__param_value *other = &p->values[ATTN__PARAM_SLOT_K_HEAD];

        v = &p->values[ATTN__PARAM_SLOT_V_HEAD];
        if (!v->set || !other->set || v->u.list.n != other->u.list.n ||
            memcmp(v->u.list.data, other->u.list.data, v->u.list.n * sizeof(int64_t)) != 0)
            return NULL;
    }
    return v->set ? v : NULL;
}

static void clear(struct attn__params *p, size_t slot)
{
    struct attn__param_value *v = &p->values[slot];
    int32_t type = attn__param_table[slot].type;

    if (v->set && is_list(type))
        attn__mem_free(p->mem, v->u.list.data, list_bytes(type, v->u.list.n));
    *v = (struct attn__param_value){0};
}

void attn__params_init(struct attn__params *p, const struct attn__mem *mem, int32_t mech)
{
    memset(p, 0, sizeof *p);
    p->mem = mem;
    p->mech = mech;
}

void attn__params_destroy(struct attn__params *p)
{
    for (size_t slot = 0; slot < ATTN__PARAM_COUNT; slot++)
        clear(p, slot);
    attn__piece_list_clear(&p->pieces, p->mem);
}

/* A list's value with memory of its own. */
static bool list_make(const struct attn__mem *mem, int32_t type, const void *data, size_t n,
                      struct attn__param_value *v)
{
    void *copy = attn__mem_alloc(mem, list_bytes(type, n), 8);

    if (!copy)
        return false;
    if (n > 0)
        memcpy(copy, data, type == ATTN_PARAM_TYPE_TEXT ? n : n * 8);
    *v = (struct attn__param_value){.set = true, .u.list = {copy, n}};
    return true;
}

int32_t attn__params_copy(struct attn__params *dst, const struct attn__mem *mem,
                          const struct attn__params *src)
{
    attn__params_init(dst, mem, src->mech);
    for (size_t slot = 0; slot < ATTN__PARAM_COUNT; slot++) {
        const struct attn__param_value *v = &src->values[slot];
        int32_t type = attn__param_table[slot].type;

        if (!v->set || !is_list(type)) {
            dst->values[slot] = *v;
        } else if (!list_make(mem, type, v->u.list.data, v->u.list.n, &dst->values[slot])) {
            attn__params_destroy(dst);
            return ATTN_ERR_NOMEM;
        }
    }
    dst->score_fn = src->score_fn;
    dst->mask_fn = src->mask_fn;
    int32_t status = attn__piece_list_copy(&dst->pieces, mem, &src->pieces);
    if (status != ATTN_OK)
        attn__params_destroy(dst);
    return status;
}

static int32_t list_set(struct attn__params *p, const struct attn__param_info *info,
                        const void *data, size_t n)
{
    struct attn__param_value made[2];
    bool both = info->number == ATTN_PARAM_KV_HEAD;
    size_t slot = both ? ATTN__PARAM_SLOT_K_HEAD : (size_t)(info - attn__param_table);

    /* The old values go only when nothing can fail any more. */
    if (!list_make(p->mem, info->type, data, n, &made[0]))
        return ATTN_ERR_NOMEM;
    if (both) {
        if (!list_make(p->mem, info->type, data, n, &made[1])) {
            attn__mem_free(p->mem, made[0].u.list.data, list_bytes(info->type, n));
            return ATTN_ERR_NOMEM;
        }
        clear(p, ATTN__PARAM_SLOT_V_HEAD);
        p->values[ATTN__PARAM_SLOT_V_HEAD] = made[1];
    }
    clear(p, slot);
    p->values[slot] = made[0];
    return ATTN_OK;
}

static bool in_limits_i64(const struct attn__param_info *info, int64_t value)
{
    if (info->greatest_i64 == ATTN_UNBOUNDED)
        return value == ATTN_UNBOUNDED || value >= info->least_i64;
    return value >= info->least_i64 && value <= info->greatest_i64;
}

/* "name" or, for an element of a list, "name[3]". */
static const char *place(char buf[64], const struct attn__param_info *info, size_t index)
{
    struct attn__textout out;

    attn__textout_start(&out, buf, 64);
    attn__textout_printf(&out, "%s", info->name);
    if (info->type == ATTN_PARAM_TYPE_I64S || info->type == ATTN_PARAM_TYPE_F64S)
        attn__textout_printf(&out, "[%zu]", index);
    attn__textout_finish(&out, NULL);
    return buf;
}

static int32_t check_i64(const struct attn__param_info *info, int64_t value, size_t index)
{
    char name[64], found[32], expected[64];
    struct attn__textout out;

    if (in_limits_i64(info, value))
        return ATTN_OK;

    attn__textout_start(&out, found, sizeof found);
    if (value == ATTN_UNBOUNDED)
        attn__textout_printf(&out, "inf");
    else
        attn__textout_printf(&out, "%" PRId64, value);
    attn__textout_finish(&out, NULL);

    attn__textout_start(&out, expected, sizeof expected);
    if (info->greatest_i64 == ATTN_UNBOUNDED)
        attn__textout_printf(&out, "%" PRId64 " or more, or inf", info->least_i64);
    else if (info->greatest_i64 == INT64_MAX)
        attn__textout_printf(&out, "%" PRId64 " or more", info->least_i64);
    else
        attn__textout_printf(&out, "%" PRId64 " to %" PRId64, info->least_i64, info->greatest_i64);
    attn__textout_finish(&out, NULL);
    return attn__error_set(ATTN_ERR_INVALID, "%s is %s, expected %s", place(name, info, index),
                           found, expected);
}

static int32_t check_f64(const struct attn__param_info *info, double value, size_t index)
{
    char name[64];

    /* A NaN compares false. */
    if (value >= info->least_f64 && value <= info->greatest_f64)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID, "%s is %g, expected a finite number%s",
                           place(name, info, index), value,
                           info->least_f64 > 0 ? " greater than 0" : "");
}

/* Writes the words of an enum or set, comma-joined. */
static void put_words(const struct attn__param_info *info, struct attn__textout *out)
{
    for (const struct attn__param_word *w = info->words; w->text; w++)
        attn__textout_printf(out, "%s%s", w == info->words ? "" : ", ", w->text);
}

static int32_t check_words(const struct attn__param_info *info, int64_t value)
{
    char words[256];
    struct attn__textout out;
    int64_t bits = 0;

    for (const struct attn__param_word *w = info->words; w->text; w++) {
        if (info->type == ATTN_PARAM_TYPE_ENUM && value == w->value)
            return ATTN_OK;
        bits |= w->value;
    }
    if (info->type == ATTN_PARAM_TYPE_SET && (value & ~bits) == 0)
        return ATTN_OK;

    attn__textout_start(&out, words, sizeof words);
    put_words(info, &out);
    attn__textout_finish(&out, NULL);
    return attn__error_set(ATTN_ERR_INVALID, "%s is %" PRId64 ", expected %s %s", info->name,
                           value,
                           info->type == ATTN_PARAM_TYPE_SET ? "a sum of the values of"
                                                             : "the value of one of",
                           words);
}

int32_t attn__params_set_i64(struct attn__params *p, int32_t param, int64_t value)
{
    const struct attn__param_info *info = find(param);
    int32_t status;

    if (!info)
        return ATTN_ERR_UNKNOWN_PARAM;
    switch (info->type) {
    case ATTN_PARAM_TYPE_I64:
    case ATTN_PARAM_TYPE_BOOL:
        status = check_i64(info, value, 0);
        break;
    case ATTN_PARAM_TYPE_ENUM:
    case ATTN_PARAM_TYPE_SET:
        status = check_words(info, value);
        break;
    default:
        status = wrong_type(info, "an integer");
    }
    if (status == ATTN_OK)
        *value_of(p, info) = (struct attn__param_value){.set = true, .u.i64 = value};
    return status;
}

int32_t attn__params_set_f64(struct attn__params *p, int32_t param, double value)
{
    const struct attn__param_info *info = find(param);

    if (!info)
        return ATTN_ERR_UNKNOWN_PARAM;
    if (info->type != ATTN_PARAM_TYPE_F64)
        return wrong_type(info, "a real number");

    int32_t status = check_f64(info, value, 0);
    if (status == ATTN_OK)
        *value_of(p, info) = (struct attn__param_value){.set = true, .u.f64 = value};
    return status;
}

static int32_t check_length(const struct attn__param_info *info, size_t n)
{
    if (n <= ATTN__PARAMS_LIST_MAX)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID, "%s has %zu values, expected at most %d", info->name,
                           n, (int)ATTN__PARAMS_LIST_MAX);
}

int32_t attn__params_set_i64s(struct attn__params *p, int32_t param, const int64_t *values,
                              size_t n)
{
    const struct attn__param_info *info = find(param);

    if (!info)
        return ATTN_ERR_UNKNOWN_PARAM;
    if (info->type != ATTN_PARAM_TYPE_I64S)
        return wrong_type(info, "a list of integers");

    int32_t status = check_length(info, n);
    for (size_t i = 0; i < n && status == ATTN_OK; i++)
        status = check_i64(info, values[i], i);
    return status == ATTN_OK ? list_set(p, info, values, n) : status;
}

int32_t attn__params_set_f64s(struct attn__params *p, int32_t param, const double *values,
                              size_t n)
{
    const struct attn__param_info *info = find(param);

    if (!info)
        return ATTN_ERR_UNKNOWN_PARAM;
    if (info->type != ATTN_PARAM_TYPE_F64S)
        return wrong_type(info, "a list of real numbers");

    int32_t status = check_length(info, n);
    for (size_t i = 0; i < n && status == ATTN_OK; i++)
        status = check_f64(info, values[i], i);
    return status == ATTN_OK ? list_set(p, info, values, n) : status;
}

static int32_t unknown_word(const struct attn__param_info *info, const char *text, size_t len)
{
    char words[256], quote[ATTN__QUOTE_MAX];
    struct attn__nearest near;
    struct attn__textout out;

    attn__nearest_start(&near, text, len);
    for (const struct attn__param_word *w = info->words; w->text; w++)
        attn__nearest_offer(&near, w->text);
    attn__textout_start(&out, words, sizeof words);
    put_words(info, &out);
    attn__textout_finish(&out, NULL);
    return attn__error_set(ATTN_ERR_UNKNOWN_NAME, "%s is '%s', expected %s; the nearest is '%s'",
                           info->name, attn__nearest_quote(quote, text, len), words,
                           near.best ? near.best : info->words[0].text);
}

static int32_t set_from_words(const struct attn__param_info *info, const char *text, size_t len,
                              int64_t *value)
{
    int64_t bits = 0;

    for (size_t start = 0; len > 0;) {
        const char *comma = memchr(text + start, ',', len - start);
        size_t end = comma ? (size_t)(comma - text) : len;
        const struct attn__param_word *w =
            attn__param_word_find(info, text + start, end - start);

        if (!w)
            return unknown_word(info, text + start, end - start);
        if (bits & w->value)
            return attn__error_set(ATTN_ERR_INVALID, "%s has '%s' twice, expected it once",
                                   info->name, w->text);
        bits |= w->value;
        if (!comma)
            break;
        start = end + 1;
    }
    *value = bits;
    return ATTN_OK;
}

static bool is_text_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-' || c == '.';
}

static int32_t check_text(const struct attn__param_info *info, const char *text, size_t len)
{
    char quote[ATTN__QUOTE_MAX];

    if ((int64_t)len < info->least_i64 || (int64_t)len > info->greatest_i64)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has %zu characters, expected %" PRId64 " to %" PRId64,
                               info->name, len, info->least_i64, info->greatest_i64);
    for (size_t i = 0; i < len; i++)
        if (!is_text_char(text[i]))
            return attn__error_set(ATTN_ERR_INVALID,
                                   "%s is '%s', expected letters, digits, '_', '-' and '.' only",
                                   info->name, attn__nearest_quote(quote, text, len));
    return ATTN_OK;
}

int32_t attn__params_set_text(struct attn__params *p, int32_t param, const char *text, size_t len)
{
    const struct attn__param_info *info = find(param);
    const struct attn__param_word *word;
    int64_t value = 0;
    int32_t status;

    if (!info)
        return ATTN_ERR_UNKNOWN_PARAM;
    switch (info->type) {
    case ATTN_PARAM_TYPE_TEXT:
        status = check_text(info, text, len);
        return status == ATTN_OK ? list_set(p, info, text, len) : status;
    case ATTN_PARAM_TYPE_ENUM:
        word = attn__param_word_find(info, text, len);
        if (!word)
            return unknown_word(info, text, len);
        value = word->value;
        break;
    case ATTN_PARAM_TYPE_SET:
        status = set_from_words(info, text, len, &value);
        if (status != ATTN_OK)
            return status;
        break;
    default:
        return wrong_type(info, "a text");
    }
    *value_of(p, info) = (struct attn__param_value){.set = true, .u.i64 = value};
    return ATTN_OK;
}

/* The beginning of every getter: finds the value of a parameter whose type is
 * one of the bits of `types`. */
static int32_t get(const struct attn__params *p, int32_t param, uint32_t types, const char *call,
                   const struct attn__param_info **info, const struct attn__param_value **v)
{
    *info = find(param);
    if (!*info)
        return ATTN_ERR_UNKNOWN_PARAM;
    if (!(types >> (*info)->type & 1))
        return wrong_type(*info, call);
    *v = value_read(p, *info);
    return *v ? ATTN_OK : unset(*info);
}

int32_t attn__params_get_i64(const struct attn__params *p, int32_t param, int64_t *value)
{
    const struct attn__param_info *info;
    const struct attn__param_value *v;
    uint32_t types = 1u << ATTN_PARAM_TYPE_I64 | 1u << ATTN_PARAM_TYPE_BOOL |
                     1u << ATTN_PARAM_TYPE_ENUM | 1u << ATTN_PARAM_TYPE_SET;
    int32_t status = get(p, param, types, "an integer", &info, &v);

    if (status == ATTN_OK)
        *value = v->u.i64;
    return status;
}

int32_t attn__params_get_f64(const struct attn__params *p, int32_t param, double *value)
{
    const struct attn__param_info *info;
    const struct attn__param_value *v;
    int32_t status = get(p, param, 1u << ATTN_PARAM_TYPE_F64, "a real number", &info, &v);

    if (status == ATTN_OK)
        *value = v->u.f64;
    return status;
}

int32_t attn__params_get_i64s(const struct attn__params *p, int32_t param, const int64_t **values,
                              size_t *n)
{
    const struct attn__param_info *info;
    const struct attn__param_value *v;
    int32_t status = get(p, param, 1u << ATTN_PARAM_TYPE_I64S, "a list of integers", &info, &v);

    if (status == ATTN_OK) {
        *values = v->u.list.data;
        *n = v->u.list.n;
    }
    return status;
}

int32_t attn__params_get_f64s(const struct attn__params *p, int32_t param, const double **values,
                              size_t *n)
{
    const struct attn__param_info *info;
    const struct attn__param_value *v;
    int32_t status =
        get(p, param, 1u << ATTN_PARAM_TYPE_F64S, "a list of real numbers", &info, &v);

    if (status == ATTN_OK) {
        *values = v->u.list.data;
        *n = v->u.list.n;
    }
    return status;
}

int32_t attn__params_get_text(const struct attn__params *p, int32_t param,
                              struct attn__textout *out)
{
    const struct attn__param_info *info;
    const struct attn__param_value *v;
    uint32_t types = 1u << ATTN_PARAM_TYPE_TEXT | 1u << ATTN_PARAM_TYPE_ENUM |
                     1u << ATTN_PARAM_TYPE_SET;
    int32_t status = get(p, param, types, "a text", &info, &v);

    if (status != ATTN_OK)
        return status;
    if (info->type == ATTN_PARAM_TYPE_TEXT) {
        attn__textout_put(out, v->u.list.data, v->u.list.n);
        return ATTN_OK;
    }

    const char *comma = "";
    for (const struct attn__param_word *w = info->words; w->text; w++) {
        bool in = info->type == ATTN_PARAM_TYPE_SET ? (v->u.i64 & w->value) != 0
                                                    : v->u.i64 == w->value;
        if (in) {
            attn__textout_printf(out, "%s%s", comma, w->text);
            comma = ",";
        }
    }
    return ATTN_OK;
}

int32_t attn__params_unset(struct attn__params *p, int32_t param)
{
    const struct attn__param_info *info = find(param);

    if (!info)
        return ATTN_ERR_UNKNOWN_PARAM;
    if (param == ATTN_PARAM_KV_HEAD) {
        clear(p, ATTN__PARAM_SLOT_K_HEAD);
        clear(p, ATTN__PARAM_SLOT_V_HEAD);
    }
    clear(p, (size_t)(info - attn__param_table));
    return ATTN_OK;
}

int32_t attn__params_is_set(const struct attn__params *p, int32_t param, bool *set)
{
    const struct attn__param_info *info = find(param);

    if (!info)
        return ATTN_ERR_UNKNOWN_PARAM;
    *set = value_read(p, info) != NULL;
    return ATTN_OK;
}

static const struct attn__param_value *known(const struct attn__params *p, int32_t param)
{
    return value_read(p, attn__param_by_number(param));
}

int64_t attn__params_i64_or(const struct attn__params *p, int32_t param, int64_t fallback)
{
    const struct attn__param_value *v = known(p, param);

    return v ? v->u.i64 : fallback;
}

double attn__params_f64_or(const struct attn__params *p, int32_t param, double fallback)
{
    const struct attn__param_value *v = known(p, param);

    return v ? v->u.f64 : fallback;
}

const char *attn__params_text_or(const struct attn__params *p, int32_t param,
                                 const char *fallback)
{
    const struct attn__param_value *v = known(p, param);

    return v ? v->u.list.data : fallback;
}

static const void *known_list(const struct attn__params *p, int32_t param, size_t *n)
{
    const struct attn__param_value *v = known(p, param);

    *n = v ? v->u.list.n : 0;
    return v ? v->u.list.data : NULL;
}

const int64_t *attn__params_i64s(const struct attn__params *p, int32_t param, size_t *n)
{
    return known_list(p, param, n);
}

const double *attn__params_f64s(const struct attn__params *p, int32_t param, size_t *n)
{
    return known_list(p, param, n);
}
