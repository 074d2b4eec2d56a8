/* SPDX-License-Identifier: MIT */
/*
 * cache: the descriptor of an attn_cache. It describes storage, so that there
 * is no problem and no plan; what it says becomes an attn__cache_config.
 */
#include "mech/cache_desc.h"

#include <inttypes.h>
#include <string.h>

#include <attn/attn.h>

#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "mech/cache_policy.h"
#include "mech/mech.h"
#include "mech/prologue.h"
#include "problem/mech_list.h"

/* No position reaches this, so that a longer window is as good as it. */
static const int64_t window_max = INT64_C(1) << 41;

int32_t attn__mech_cache(const struct attn__params *params, const struct attn__mem *mem,
                         struct attn__problem *p)
{
    (void)params;
    (void)mem;
    (void)p;
    return attn__error_set(ATTN_ERR_UNSUPPORTED,
                           "cache describes an attn_cache, expected a mechanism that computes");
}

static int32_t check_known(const struct attn__params *v)
{
    static const int32_t known[] = {
        ATTN_PARAM_HQ,          ATTN_PARAM_HK,           ATTN_PARAM_D,
        ATTN_PARAM_DV,          ATTN_PARAM_KV_DTYPE,     ATTN_PARAM_ROPE,
        ATTN_PARAM_ROPE_DIM,    ATTN_PARAM_ROPE_BASE,    ATTN_PARAM_ROPE_SCALING,
        ATTN_PARAM_ROPE_FACTOR, ATTN_PARAM_ROPE_ORIGINAL, ATTN_PARAM_ROPE_BETA_FAST,
        ATTN_PARAM_ROPE_BETA_SLOW, ATTN_PARAM_ROPE_TRUNCATE, ATTN_PARAM_ROPE_LOW,
        ATTN_PARAM_ROPE_HIGH,   ATTN_PARAM_ROPE_FREQS,   ATTN_PARAM_CHECK};
    int32_t param;
    if (v->mech != ATTN_MECH_CACHE)
        return attn__error_set(ATTN_ERR_INVALID, "desc is of %s, expected one of cache",
                               attn__mech_list_name(v->mech));
    for (size_t i = 0; (param = attn_param_at(i)) != 0; i++) {
        bool set = false, is_known = attn__mech_owns(ATTN_MECH_CACHE, param);
        for (size_t n = 0; n < sizeof known / sizeof known[0]; n++)
            is_known = is_known || known[n] == param;
        if (!is_known && attn__params_is_set(v, param, &set) == ATTN_OK && set)
            return attn__error_set(ATTN_ERR_INVALID, "%s is set, but cache has no such choice",
                                   attn_param_name(param));
    }
    if (v->score_fn || v->mask_fn || v->pieces.n > 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache has no visibility and no scores, but the descriptor has");
    return ATTN_OK;
}

static int32_t need(const struct attn__params *v, int32_t param, int64_t *value)
{
    bool set = false;
    if (attn__params_is_set(v, param, &set) != ATTN_OK || !set)
        return attn__error_set(ATTN_ERR_UNSET, "%s is not set, which a cache needs",
                               attn_param_name(param));
    *value = attn__params_i64_or(v, param, 0);
    return ATTN_OK;
}

static int32_t read_sizes(const struct attn__params *v, struct attn__cache_config *c)
{
    bool set = false;
    int32_t status = need(v, ATTN_PARAM_CACHE_LAYERS, &c->layers);
    if (status == ATTN_OK)
        status = need(v, ATTN_PARAM_CACHE_PAGES, &c->pages);
    if (status == ATTN_OK)
        status = need(v, ATTN_PARAM_D, &c->d);
    if (status == ATTN_OK && attn__params_is_set(v, ATTN_PARAM_HK, &set) == ATTN_OK && set)
        c->heads = attn__params_i64_or(v, ATTN_PARAM_HK, 0);
    else if (status == ATTN_OK)
        status = need(v, ATTN_PARAM_HQ, &c->heads);
    if (status != ATTN_OK)
        return status;
    c->dv = attn__params_i64_or(v, ATTN_PARAM_DV, c->d);
    c->page_size = attn__params_i64_or(v, ATTN_PARAM_CACHE_PAGE, 64);
    c->sequences = attn__params_i64_or(v, ATTN_PARAM_CACHE_SEQUENCES, 64);
    c->max_position = attn__params_i64_or(v, ATTN_PARAM_CACHE_MAX_POSITION, INT32_MAX);
    int64_t keys = attn__params_i64_or(v, ATTN_PARAM_CACHE_KEYS, ATTN_CACHE_KEYS_ROTATED);
    c->raw = keys == ATTN_CACHE_KEYS_RAW;
    c->local = keys == ATTN_CACHE_KEYS_BLOCK_LOCAL;
    c->summary = attn__params_i64_or(v, ATTN_PARAM_CACHE_SUMMARY, ATTN_CACHE_SUMMARY_NONE) ==
                 ATTN_CACHE_SUMMARY_MINMAX;
    c->v_prefix = attn__params_i64_or(v, ATTN_PARAM_CACHE_V_PREFIX, 0) != 0;
    c->check_data =
        attn__params_i64_or(v, ATTN_PARAM_CHECK, ATTN_CHECK_INDICES) == ATTN_CHECK_DATA;
    if (c->page_size & (c->page_size - 1))
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache_page is %" PRId64 ", expected a power of two",
                               c->page_size);
    if (c->v_prefix && c->dv > c->d)
        return attn__error_set(ATTN_ERR_INVALID,
                               "dv is %" PRId64 " with cache_v_prefix, expected at most d=%" PRId64
                               ": values are part of keys",
                               c->dv, c->d);
    return ATTN_OK;
}

/* How keys were turned: only frequencies and pairs matter for turning on. What
 * is a value as well was not. */
static int32_t read_rope(const struct attn__params *v, const struct attn__mem *mem,
                         struct attn__cache_config *c, struct attn__problem *p, void **room,
                         size_t *bytes)
{
    *p = (struct attn__problem){.d = c->v_prefix ? c->d - c->dv : c->d};
    int32_t status = attn__prologue_read(v, p, bytes);
    if (status != ATTN_OK || p->rope.pairing == ATTN_ROPE_NONE)
        return status;
    if (c->raw)
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope is set and cache_keys=raw, expected one: raw keys are "
                               "turned by the plan that reads them");
    if (p->rope.scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "rope_scaling is dynamic_ntk, by which stored keys would have to "
                               "be turned anew as the sequence grows; expected another, or "
                               "cache_keys=raw");
    if (p->d == 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope is set, but with cache_v_prefix and dv=d=%" PRId64
                               " keys have no channels behind the values",
                               c->d);
    *room = attn__mem_alloc(mem, *bytes, 16);
    if (!*room)
        return ATTN_ERR_NOMEM;
    attn__prologue_fill(v, p, *room);
    c->pairing = p->rope.pairing;
    c->rope_dim = p->rope.dim;
    c->rope_from = c->v_prefix ? c->d - c->rope_dim : 0;
    return ATTN_OK;
}

/* Owners come before those who share and own their keys themselves. */
static int32_t read_owners(const struct attn__params *v, struct attn__cache_config *c)
{
    size_t n;
    const int64_t *owner = attn__params_i64s(v, ATTN_PARAM_CACHE_OWNER, &n);
    c->rows = c->layers;
    if (!owner)
        return ATTN_OK;
    if ((int64_t)n != c->layers)
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache_owner has %zu entries, expected one for each of the %" PRId64
                               " layers",
                               n, c->layers);
    c->rows = 0;
    for (int64_t l = 0; l < c->layers; l++) {
        if (owner[l] > l || owner[owner[l]] != owner[l])
            return attn__error_set(ATTN_ERR_INVALID,
                                   "cache_owner[%" PRId64 "] is %" PRId64
                                   ", expected the layer itself or one before that is its own "
                                   "owner",
                                   l, owner[l]);
        c->rows += owner[l] == l;
    }
    return ATTN_OK;
}

/* Groups are numbered from 0 without gaps. */
static int32_t read_groups(const struct attn__params *v, struct attn__cache_config *c)
{
    size_t n;
    const int64_t *group = attn__params_i64s(v, ATTN_PARAM_CACHE_GROUP, &n);
    c->groups = 1;
    if (!group)
        return ATTN_OK;
    if ((int64_t)n != c->heads)
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache_group has %zu entries, expected one for each of the %" PRId64
                               " KV heads",
                               n, c->heads);
    for (int64_t h = 0; h < c->heads; h++)
        c->groups = attn__max_i64(c->groups, group[h] + 1);
    if (c->groups > c->heads)
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache_group has a group %" PRId64 ", expected 0 to %" PRId64,
                               c->groups - 1, c->heads - 1);
    return ATTN_OK;
}

/* Entry of a list that has one value for all, one for each group, or, with
 * rows, one for each row and group. */
static int32_t pick(const struct attn__params *v, const struct attn__cache_config *c,
                    int32_t param, bool rows, int64_t index, int64_t fallback, int64_t *value)
{
    size_t n;
    const int64_t *values = attn__params_i64s(v, param, &n);
    *value = fallback;
    if (!values)
        return ATTN_OK;
    if (n == 1)
        *value = values[0];
    else if ((int64_t)n == c->groups)
        *value = values[index % c->groups];
    else if (rows && (int64_t)n == c->rows * c->groups)
        *value = values[index];
    else
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has %zu entries, expected 1, one for each of %" PRId64
                               " groups%s",
                               attn_param_name(param), n, c->groups,
                               rows ? ", or one for each layer that owns its keys and group" : "");
    return ATTN_OK;
}

static int32_t read_type(const struct attn__params *v, const struct attn__cache_config *c,
                         int32_t param, int64_t g, int64_t width, int32_t *dtype)
{
    int64_t all = attn__params_i64_or(v, ATTN_PARAM_KV_DTYPE, ATTN_DTYPE_F32);
    int64_t value, numbers, bytes;
    int32_t status = pick(v, c, param, false, g, all, &value);
    if (status != ATTN_OK)
        return status;
    *dtype = (int32_t)value;
    bool stored = attn__dtype_block(*dtype, &numbers, &bytes);
    if (!stored && value != ATTN_DTYPE_F32 && value != ATTN_DTYPE_F16 && value != ATTN_DTYPE_BF16)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "the type of group %" PRId64 " is %s, expected f32, f16, bf16, "
                               "fp8_e4m3, fp8_e5m2, q8_0, q4_0, kivi4 or kivi2",
                               g, attn__dtype_name(*dtype));
    if (width % numbers != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "rows of %" PRId64 " numbers are stored as %s in group %" PRId64
                               ", expected a multiple of %" PRId64,
                               width, attn__dtype_name(*dtype), g, numbers);
    return ATTN_OK;
}

/* Whether a scale has something to divide. */
static int32_t check_scales(const struct attn__params *v, const struct attn__cache_config *c,
                            int32_t param, bool values)
{
    size_t n;
    bool used = false;
    if (!attn__params_f64s(v, param, &n))
        return ATTN_OK;
    if (n != 1 && (int64_t)n != c->heads && (int64_t)n != c->rows * c->heads)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s has %zu entries, expected 1, one for each of %" PRId64
                               " KV heads, or one for each layer that owns its keys and head",
                               attn_param_name(param), n, c->heads);
    if (values && c->v_prefix)
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache_v_scale is set, expected only cache_k_scale with "
                               "cache_v_prefix: values are part of keys");
    for (int64_t g = 0; g < c->groups; g++)
        used = used || attn__dtype_fp8(values ? c->group[g].v_dtype : c->group[g].k_dtype);
    if (used)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID, "%s is set, but no group stores %s as fp8",
                           attn_param_name(param), values ? "values" : "keys");
}

/* One scale for each row and head; NULL if they are not set. */
static const float *fill_scales(const struct attn__params *v, const struct attn__cache_config *c,
                                int32_t param, float *scale)
{
    size_t n;
    const double *values = attn__params_f64s(v, param, &n);
    for (int64_t i = 0; values && i < c->rows * c->heads; i++)
        scale[i] = (float)values[n == 1 ? 0 : i % (int64_t)n];
    return values ? scale : NULL;
}

static bool times(size_t a, size_t b, size_t *product)
{
    return attn__mul_size(a, b, product);
}

/* Where rows lie in a page of the group: each head's keys, then its values,
 * in lines of 64 bytes; or keys alone, whose first channels are the values. */
static bool lay_out_page(const struct attn__cache_config *c, struct attn__cache_group *g)
{
    size_t keys, values, all;
    /* values that are part of their keys are read as rows */
    bool slabs = c->page_size % ATTN__SLAB_ROWS == 0 && !c->v_prefix;
    g->k_stored = slabs ? attn__dtype_in_slabs(g->k_dtype, false) : g->k_dtype;
    g->v_stored = slabs ? attn__dtype_in_slabs(g->v_dtype, true) : g->v_dtype;
    g->k_row = attn__dtype_row(g->k_dtype, c->d);
    g->v_bytes = c->v_prefix ? 0 : attn__dtype_row(g->v_dtype, c->dv);
    g->v_row = c->v_prefix ? g->k_row : g->v_bytes;
    if (!times((size_t)c->page_size, g->k_row, &g->k_head) ||
        !times((size_t)c->page_size, g->v_row, &g->v_head) ||
        !attn__align_up(g->k_head, 64, &g->k_head) || !attn__align_up(g->v_head, 64, &g->v_head) ||
        !times((size_t)g->n_heads, g->k_head, &keys) ||
        !times(c->v_prefix ? 0 : (size_t)g->n_heads, g->v_head, &values) ||
        !attn__add_size(keys, values, &g->page_bytes) ||
        !times((size_t)c->pages, g->page_bytes, &all))
        return false;
    g->v_at = c->v_prefix ? 0 : keys;
    return all <= INT64_MAX;
}

/* Keys of kivi come in blocks, which pages have room for, and are no values. */
static int32_t check_kivi(const struct attn__cache_config *c, int64_t n,
                          const struct attn__cache_group *g)
{
    if (!attn__dtype_kivi(g->k_dtype))
        return ATTN_OK;
    if (c->v_prefix)
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "group %" PRId64
                               " stores keys as %s with cache_v_prefix, expected another type: "
                               "they are rounded by channel, and values by token",
                               n, attn__dtype_name(g->k_dtype));
    if (c->page_size % ATTN__SLAB_ROWS == 0)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID,
                           "cache_page is %" PRId64 " and group %" PRId64
                           " stores keys as %s, expected a multiple of %d",
                           c->page_size, n, attn__dtype_name(g->k_dtype), (int)ATTN__SLAB_ROWS);
}

/* open: how new rows are stored where keys are kivi */
static int32_t fill_group(const struct attn__params *v, const struct attn__cache_config *c,
                          int64_t n, struct attn__cache_group *g, struct attn__cache_group *open,
                          int32_t *head)
{
    size_t count;
    const int64_t *group = attn__params_i64s(v, ATTN_PARAM_CACHE_GROUP, &count);
    g->head = head;
    for (int64_t h = 0; h < c->heads; h++)
        if (!group || group[h] == n)
            head[g->n_heads++] = (int32_t)h;
    if (g->n_heads == 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache_group has no head in group %" PRId64
                               ", expected groups without gaps",
                               n);
    int64_t scores = ATTN_CACHE_SCORES_NONE;
    int32_t status = pick(v, c, ATTN_PARAM_CACHE_SCORES, false, n, scores, &scores);
    g->scores = (int32_t)scores;
    if (status == ATTN_OK)
        status = read_type(v, c, ATTN_PARAM_CACHE_K_DTYPE, n, c->d, &g->k_dtype);
    if (status == ATTN_OK)
        status = read_type(v, c, ATTN_PARAM_CACHE_V_DTYPE, n, c->dv, &g->v_dtype);
    if (status == ATTN_OK && c->v_prefix && g->v_dtype != g->k_dtype)
        status = attn__error_set(ATTN_ERR_INVALID,
                                 "group %" PRId64
                                 " stores keys as %s and values as %s, expected one type with "
                                 "cache_v_prefix",
                                 n, attn__dtype_name(g->k_dtype), attn__dtype_name(g->v_dtype));
    if (status == ATTN_OK)
        status = check_kivi(c, n, g);
    *open = *g;
    open->k_dtype = open->v_dtype = ATTN_DTYPE_F32;
    if (status == ATTN_OK && (!lay_out_page(c, g) || !lay_out_page(c, open)))
        status = attn__error_set(ATTN_ERR_OVERFLOW,
                                 "%" PRId64 " pages of group %" PRId64
                                 " have more bytes than fit in 64 bits",
                                 c->pages, n);
    return status;
}

static int32_t fill_rule(const struct attn__params *v, const struct attn__cache_config *c,
                         int64_t n, struct attn__cache_rule *rule)
{
    int64_t fold = 0;
    int32_t status =
        pick(v, c, ATTN_PARAM_CACHE_WINDOW, true, n, ATTN_UNBOUNDED, &rule->window);
    if (status == ATTN_OK)
        status = pick(v, c, ATTN_PARAM_CACHE_SINK, true, n, 0, &rule->sink);
    if (status == ATTN_OK)
        status = pick(v, c, ATTN_PARAM_CACHE_SLACK, true, n, 0, &rule->slack);
    if (status == ATTN_OK)
        status = pick(v, c, ATTN_PARAM_CACHE_FOLD, true, n, 0, &fold);
    if (status == ATTN_OK && fold && rule->slack > 0)
        status = attn__error_set(ATTN_ERR_INVALID,
                                 "cache_slack is %" PRId64 " where cache_fold is set, expected 0",
                                 rule->slack);
    const struct attn__cache_group *g = &c->group[n % c->groups];
    if (status == ATTN_OK && fold &&
        (attn__dtype_stored(g->k_dtype) || attn__dtype_stored(g->v_dtype)))
        status = attn__error_set(ATTN_ERR_UNSUPPORTED,
                                 "cache_fold is set for group %" PRId64
                                 ", which stores %s and %s: sums are of rows before they are "
                                 "rounded so, expected f32, f16 or bf16",
                                 n % c->groups, attn__dtype_name(g->k_dtype),
                                 attn__dtype_name(g->v_dtype));
    rule->fold = fold != 0;
    if (rule->window != ATTN_UNBOUNDED)
        rule->window = attn__min_i64(rule->window, window_max);
    return status;
}

/* Scores need a group and layer that keeps everything, and WINDOW_SUM a number
 * of rows. */
static int32_t check_scores(const struct attn__params *v, struct attn__cache_config *c)
{
    bool set = false, sums = false;
    c->score_rows = attn__params_i64_or(v, ATTN_PARAM_CACHE_SCORE_ROWS, 0);
    for (int64_t g = 0; g < c->groups; g++) {
        bool kept = c->group[g].scores == ATTN_CACHE_SCORES_NONE;
        sums = sums || c->group[g].scores == ATTN_CACHE_SCORES_WINDOW_SUM;
        for (int64_t r = 0; r < c->rows; r++)
            kept = kept || c->rule[r * c->groups + g].window == ATTN_UNBOUNDED;
        if (!kept)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "cache_scores is set for group %" PRId64
                                   ", which has a window in every layer, expected a layer "
                                   "without",
                                   g);
    }
    (void)attn__params_is_set(v, ATTN_PARAM_CACHE_SCORE_ROWS, &set);
    if (sums == set)
        return ATTN_OK;
    return attn__error_set(sums ? ATTN_ERR_UNSET : ATTN_ERR_INVALID,
                           "cache_score_rows is %sset and %s group has cache_scores=%d, which "
                           "needs it",
                           set ? "" : "not ", sums ? "a" : "no",
                           (int)ATTN_CACHE_SCORES_WINDOW_SUM);
}

/* The newest tokens that stay floats, of keys that are rounded later. */
static int32_t read_residual(const struct attn__params *v, struct attn__cache_config *c)
{
    bool set = false, closes = false;
    (void)attn__params_is_set(v, ATTN_PARAM_CACHE_RESIDUAL, &set);
    c->residual = attn__params_i64_or(v, ATTN_PARAM_CACHE_RESIDUAL, 0);
    for (int64_t g = 0; g < c->groups; g++)
        closes = closes || attn__dtype_kivi(c->group[g].k_dtype);
    c->kinds = closes ? 2 * c->groups : c->groups;
    if (set && !closes)
        return attn__error_set(ATTN_ERR_INVALID,
                               "cache_residual is set, but no group stores keys as kivi4 or kivi2");
    if (c->residual % ATTN__SLAB_ROWS == 0)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_INVALID,
                           "cache_residual is %" PRId64 ", expected a multiple of %d", c->residual,
                           (int)ATTN__SLAB_ROWS);
}

/* Places of the lists in the block, which may be NULL to count its bytes. */
struct lists {
    double *freq;
    struct attn__cache_group *group;
    struct attn__cache_rule *rule;
    float *scale[2]; /* of keys, of values */
    int32_t *head, *row;
    bool *owns;
};

static bool carve(const struct attn__params *v, struct lists *l,
                  const struct attn__cache_config *c, size_t *bytes)
{
    char *base = c->block;
    size_t n;
    int64_t k_scales = attn__params_f64s(v, ATTN_PARAM_CACHE_K_SCALE, &n) ? c->rows : 0;
    int64_t v_scales = attn__params_f64s(v, ATTN_PARAM_CACHE_V_SCALE, &n) ? c->rows : 0;
    const struct {
        int64_t n;
        size_t size;
        void *place;
    } part[] = {{c->rope_dim / 2, sizeof *l->freq, &l->freq},
                {2 * c->groups, sizeof *l->group, &l->group},
                {c->rows * c->groups, sizeof *l->rule, &l->rule},
                {k_scales * c->heads, sizeof *l->scale[0], &l->scale[0]},
                {v_scales * c->heads, sizeof *l->scale[1], &l->scale[1]},
                {c->heads, sizeof *l->head, &l->head},
                {c->layers, sizeof *l->row, &l->row},
                {c->layers, sizeof *l->owns, &l->owns}};
    *bytes = 0;
    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++) {
        void *at = base ? base + *bytes : NULL;
        size_t size;
        memcpy(part[i].place, &at, sizeof at);
        if (!times((size_t)part[i].n, part[i].size, &size) || !attn__align_up(size, 16, &size) ||
            !attn__add_size(*bytes, size, bytes))
            return false;
    }
    return true;
}

static int32_t fill(const struct attn__params *v, struct attn__cache_config *c,
                    const double *freq, const struct lists *l)
{
    size_t count;
    const int64_t *owner = attn__params_i64s(v, ATTN_PARAM_CACHE_OWNER, &count);
    int32_t status = ATTN_OK, *head = l->head;
    c->group = l->group;
    for (int64_t g = 0; g < c->groups && status == ATTN_OK; g++) {
        status = fill_group(v, c, g, &l->group[g], &l->group[c->groups + g], head);
        head += l->group[g].n_heads;
    }
    if (status == ATTN_OK)
        status = read_residual(v, c);
    for (int64_t n = 0; n < c->rows * c->groups && status == ATTN_OK; n++)
        status = fill_rule(v, c, n, &l->rule[n]);
    for (int64_t n = 0, rows = 0; n < c->layers; n++) {
        l->owns[n] = !owner || owner[n] == n;
        l->row[n] = l->owns[n] ? (int32_t)rows++ : l->row[owner[n]];
    }
    if (c->rope_dim > 0)
        memcpy(l->freq, freq, (size_t)(c->rope_dim / 2) * sizeof *freq);
    c->freq = l->freq;
    c->rule = l->rule;
    if (status == ATTN_OK)
        status = check_scores(v, c);
    if (status == ATTN_OK)
        status = check_scales(v, c, ATTN_PARAM_CACHE_K_SCALE, false);
    if (status == ATTN_OK)
        status = check_scales(v, c, ATTN_PARAM_CACHE_V_SCALE, true);
    if (status != ATTN_OK)
        return status;
    c->k_scale = fill_scales(v, c, ATTN_PARAM_CACHE_K_SCALE, l->scale[0]);
    c->v_scale = c->v_prefix ? c->k_scale
                             : fill_scales(v, c, ATTN_PARAM_CACHE_V_SCALE, l->scale[1]);
    c->row = l->row;
    c->owns = l->owns;
    return status;
}

static int32_t build(const struct attn__params *v, const struct attn__mem *mem,
                     struct attn__cache_config *c, const double *freq)
{
    struct lists l;
    if (!carve(v, &l, c, &c->bytes))
        return attn__error_set(ATTN_ERR_OVERFLOW,
                               "the lists of the cache have more bytes than fit in 64 bits");
    c->block = attn__mem_alloc(mem, c->bytes, 64);
    if (!c->block)
        return ATTN_ERR_NOMEM;
    carve(v, &l, c, &c->bytes);
    int32_t status = fill(v, c, freq, &l);
    if (status != ATTN_OK)
        attn__mem_free(mem, c->block, c->bytes);
    return status;
}

static int32_t read_all(const struct attn__params *v, const struct attn__mem *mem,
                        struct attn__cache_config *c)
{
    struct attn__problem p;
    void *room = NULL;
    size_t bytes = 0;
    int32_t status = read_sizes(v, c);
    if (status == ATTN_OK)
        status = read_owners(v, c);
    if (status == ATTN_OK)
        status = read_groups(v, c);
    if (status == ATTN_OK)
        status = read_rope(v, mem, c, &p, &room, &bytes);
    if (status == ATTN_OK)
        status = build(v, mem, c, p.rope.freq);
    attn__mem_free(mem, room, room ? bytes : 0);
    return status;
}

int32_t attn__cache_desc_read(const struct attn__params *v, const struct attn__mem *mem,
                              struct attn__cache_config *c)
{
    struct attn__params copy;
    memset(c, 0, sizeof *c);
    int32_t status = check_known(v);
    if (status != ATTN_OK)
        return status;
    status = attn__cache_policy(v, mem, &copy);
    if (status == ATTN_OK)
        status = read_all(&copy, mem, c);
    attn__params_destroy(&copy);
    return status;
}
