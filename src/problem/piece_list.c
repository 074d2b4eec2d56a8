/* SPDX-License-Identifier: MIT */
/*
 * The table of kinds, and lists of pieces.
 */
#include "problem/piece_list.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "problem/nearest.h"
#include "problem/number.h"
#include "problem/params.h"

/* Room for sums of positions with these in 64 bits. */
#define FAR (INT64_C(1) << 62)

static const struct attn__piece_kind kinds[] = {
    {ATTN_PIECE_BAND,
     ATTN__PIECE_HEADS,
     "band",
     4,
     {{"left", -INT64_MAX, ATTN_UNBOUNDED},
      {"right", -INT64_MAX, ATTN_UNBOUNDED},
      {"off", -FAR, FAR},
      {"unit", 1, FAR}}},
    {ATTN_PIECE_RECT,
     ATTN__PIECE_HEADS | ATTN__PIECE_LATER,
     "rect",
     4,
     {{"q0", 0, INT64_MAX},
      {"q1", 0, ATTN_UNBOUNDED},
      {"k0", 0, INT64_MAX},
      {"k1", 0, ATTN_UNBOUNDED}}},
    {ATTN_PIECE_PREFIX, ATTN__PIECE_HEADS | ATTN__PIECE_LATER, "prefix", 1, {{"p", 0, INT64_MAX}}},
    {ATTN_PIECE_STRIDE,
     ATTN__PIECE_HEADS,
     "stride",
     3,
     {{"unit", 1, FAR}, {"stride", 1, FAR}, {"phase", -FAR, FAR}}},
    {ATTN_PIECE_SEGMENT, 0, "segment", 0, {{NULL, 0, 0}}},
    /* every number is a set of classes, the least as well */
    {ATTN_PIECE_PAIR,
     ATTN__PIECE_TABLE,
     "pair",
     ATTN__PIECE_VALUES_MAX,
     {{"see", -INT64_MAX, ATTN_UNBOUNDED}}},
    {ATTN_PIECE_LIST, 0, "list", 2, {{"q_block", 1, ATTN_UNBOUNDED}, {"k_block", 1, FAR}}},
    {ATTN_PIECE_TREE, 0, "tree", 1, {{"t", 1, ATTN_UNBOUNDED}}},
};

enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

const struct attn__piece_kind *attn__piece_kind_at(size_t index)
{
    return index < N_KINDS ? &kinds[index] : NULL;
}

const struct attn__piece_kind *attn__piece_kind_by_number(int32_t number)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (kinds[i].number == number)
            return &kinds[i];
    return NULL;
}

int32_t attn__piece_kind_find(const char *name, size_t len, const struct attn__piece_kind **kind)
{
    struct attn__nearest near;
    char quote[ATTN__QUOTE_MAX];

    attn__nearest_start(&near, name, len);
    for (size_t i = 0; i < N_KINDS; i++) {
        if (attn__param_same(kinds[i].name, name, len)) {
            *kind = &kinds[i];
            return ATTN_OK;
        }
        attn__nearest_offer(&near, kinds[i].name);
    }
    return attn__error_set(ATTN_ERR_UNKNOWN_NAME,
                           "'%s' is no piece of visibility, expected one such as band[1,0,0,1]; "
                           "the nearest is '%s'",
                           attn__nearest_quote(quote, name, len),
                           near.best ? near.best : kinds[0].name);
}

static int32_t check_number(const struct attn__piece_kind *k, size_t n)
{
    size_t most = (size_t)ATTN__PARAMS_LIST_MAX * k->n_values;

    if (n == 0 && (k->flags & ATTN__PIECE_LATER || k->n_values == 0))
        return ATTN_OK;
    if (k->flags & ATTN__PIECE_TABLE) {
        if (n >= 1 && n <= k->n_values)
            return ATTN_OK;
        return attn__error_set(ATTN_ERR_INVALID, "piece %s has %zu values, expected 1 to %zu",
                               k->name, n, k->n_values);
    }
    if (n > 0 && (n == k->n_values ||
                  (k->flags & ATTN__PIECE_HEADS && n % k->n_values == 0 && n <= most)))
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID, "piece %s has %zu values, expected %zu%s%s", k->name,
                           n, k->n_values,
                           k->flags & ATTN__PIECE_HEADS ? ", or as many for each output head" : "",
                           k->flags & ATTN__PIECE_LATER ? ", or none" : "");
}

static int32_t check_value(const struct attn__piece_kind *k, const int64_t *values, size_t i)
{
    size_t at = k->flags & ATTN__PIECE_TABLE ? 0 : i % k->n_values;
    int64_t least = k->value[at].least, greatest = k->value[at].greatest;
    char found[32] = "inf", expected[64];
    struct attn__textout out;

    if (greatest == ATTN_UNBOUNDED ? values[i] == ATTN_UNBOUNDED || values[i] >= least
                                   : values[i] >= least && values[i] <= greatest)
        return ATTN_OK;
    if (values[i] != ATTN_UNBOUNDED) {
        attn__textout_start(&out, found, sizeof found);
        attn__textout_printf(&out, "%" PRId64, values[i]);
        attn__textout_finish(&out, NULL);
    }
    attn__textout_start(&out, expected, sizeof expected);
    attn__textout_printf(&out, "%" PRId64, least);
    if (greatest != ATTN_UNBOUNDED && greatest != INT64_MAX)
        attn__textout_printf(&out, " to %" PRId64, greatest);
    else
        attn__textout_printf(&out, " or more%s", greatest == ATTN_UNBOUNDED ? ", or inf" : "");
    attn__textout_finish(&out, NULL);
    return attn__error_set(ATTN_ERR_INVALID, "piece %s: value %zu (%s) is %s, expected %s",
                           k->name, i, k->value[at].name, found, expected);
}

/* Pairs of ends, v[i] to v[i + 1], that must not be upside down. */
static int32_t check_ends(const struct attn__piece_kind *k, const int64_t *v, size_t i)
{
    if (v[i + 1] == ATTN_UNBOUNDED || v[i + 1] >= v[i])
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID,
                           "piece %s: value %zu is %" PRId64 ", expected at least the %" PRId64
                           " before it",
                           k->name, i + 1, v[i + 1], v[i]);
}

static int32_t check(int32_t kind, int32_t mode, const int64_t *values, size_t n)
{
    const struct attn__piece_kind *k = attn__piece_kind_by_number(kind);

    if (!k)
        return attn__error_set(ATTN_ERR_INVALID, "kind is %" PRId32 ", expected an ATTN_PIECE_*",
                               kind);
    if (mode != ATTN_MODE_MUST && mode != ATTN_MODE_ANY)
        return attn__error_set(ATTN_ERR_INVALID, "mode is %" PRId32 ", expected an ATTN_MODE_*",
                               mode);
    int32_t status = check_number(k, n);
    for (size_t i = 0; i < n && status == ATTN_OK; i++)
        status = check_value(k, values, i);
    for (size_t i = 0; i < n && status == ATTN_OK && kind == ATTN_PIECE_RECT; i += 2)
        status = check_ends(k, values, i);
    return status;
}

int32_t attn__piece_list_add(struct attn__piece_list *list, const struct attn__mem *mem,
                             int32_t kind, int32_t mode, const int64_t *values, size_t n)
{
    struct attn__piece_value made = {.kind = kind, .mode = mode, .n = n};
    int32_t status = check(kind, mode, values, n);

    if (status != ATTN_OK)
        return status;
    if (list->n == ATTN_PIECES_MAX)
        return attn__error_set(ATTN_ERR_INVALID,
                               "the descriptor has %d pieces, expected at most that",
                               (int)ATTN_PIECES_MAX);
    if (n > 0) {
        made.values = attn__mem_alloc(mem, n * sizeof *values, sizeof *values);
        if (!made.values)
            return ATTN_ERR_NOMEM;
        memcpy(made.values, values, n * sizeof *values);
    }
    list->piece[list->n++] = made;
    return ATTN_OK;
}

void attn__piece_list_clear(struct attn__piece_list *list, const struct attn__mem *mem)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->piece[i].n > 0)
            attn__mem_free(mem, list->piece[i].values, list->piece[i].n * sizeof(int64_t));
    memset(list, 0, sizeof *list);
}

int32_t attn__piece_list_copy(struct attn__piece_list *dst, const struct attn__mem *mem,
                              const struct attn__piece_list *src)
{
    memset(dst, 0, sizeof *dst);
    for (size_t i = 0; i < src->n; i++) {
        const struct attn__piece_value *v = &src->piece[i];
        int32_t status = attn__piece_list_add(dst, mem, v->kind, v->mode, v->values, v->n);
        if (status != ATTN_OK) {
            attn__piece_list_clear(dst, mem);
            return status;
        }
    }
    return ATTN_OK;
}

/* One number of the list, and what divides it from the next. */
static int32_t read_value(const char *text, size_t len, int64_t *value)
{
    char quote[ATTN__QUOTE_MAX];

    if (attn__param_same("inf", text, len)) {
        *value = ATTN_UNBOUNDED;
        return ATTN_OK;
    }
    /* The number that stands for inf is not another way to write it. */
    if (attn__number_parse_i64(text, len, value) == ATTN__NUMBER_OK && *value != ATTN_UNBOUNDED)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SYNTAX,
                           "'%s' is a value of a piece, expected an integer or inf",
                           attn__nearest_quote(quote, text, len));
}

static int32_t read_values(const char *text, size_t len, int64_t *values, size_t n)
{
    int32_t status = ATTN_OK;

    for (size_t i = 0; i < n && status == ATTN_OK; i++) {
        const char *comma = memchr(text, ',', len);
        size_t one = comma ? (size_t)(comma - text) : len;

        status = read_value(text, one, &values[i]);
        len -= one + (comma != NULL);
        text += one + (comma != NULL);
    }
    return status;
}

int32_t attn__piece_list_parse(struct attn__piece_list *list, const struct attn__mem *mem,
                               int32_t mode, const char *text, size_t len)
{
    const char *open = len > 0 ? memchr(text, '[', len) : NULL;
    const struct attn__piece_kind *kind = NULL;
    char quote[ATTN__QUOTE_MAX];

    if (!open || text[len - 1] != ']')
        return attn__error_set(ATTN_ERR_SYNTAX,
                               "the piece is '%s', expected one such as band[1,0,0,1]",
                               len > 0 ? attn__nearest_quote(quote, text, len) : "");

    size_t name = (size_t)(open - text), rest = len - name - 2, n = rest > 0;
    int32_t status = attn__piece_kind_find(text, name, &kind);
    if (status != ATTN_OK)
        return status;
    for (size_t i = 0; i < rest; i++)
        n += open[1 + i] == ',';

    /* n is at most the length of the string, so the product fits */
    int64_t *values = NULL;
    if (n > 0 && !(values = attn__mem_alloc(mem, n * sizeof *values, sizeof *values)))
        return ATTN_ERR_NOMEM;
    status = read_values(open + 1, rest, values, n);
    if (status == ATTN_OK)
        status = attn__piece_list_add(list, mem, kind->number, mode, values, n);
    if (n > 0)
        attn__mem_free(mem, values, n * sizeof *values);
    return status;
}

void attn__piece_list_print(const struct attn__piece_list *list, struct attn__textout *out)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct attn__piece_value *v = &list->piece[i];

        attn__textout_printf(out, " %s=%s[", v->mode == ATTN_MODE_MUST ? "must" : "any",
                             attn__piece_kind_by_number(v->kind)->name);
        for (size_t n = 0; n < v->n; n++) {
            const char *comma = n > 0 ? "," : "";
            if (v->values[n] == ATTN_UNBOUNDED)
                attn__textout_printf(out, "%sinf", comma);
            else
                attn__textout_printf(out, "%s%" PRId64, comma, v->values[n]);
        }
        attn__textout_put(out, "]", 1);
    }
}
