/* SPDX-License-Identifier: MIT */
/*
 * qk_norm and rope: defaults, and the combinations that make no sense.
 */
#include "mech/prologue.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

static bool is_set(const struct attn__params *v, int32_t param)
{
    bool set = false;
    attn__params_is_set(v, param, &set);
    return set;
}

/* Parameters first to last mean nothing without `what`. */
static int32_t need_none(const struct attn__params *v, int32_t first, int32_t last,
                         const char *what)
{
    for (int32_t n = first; n <= last; n++)
        if (is_set(v, n))
            return attn__error_set(ATTN_ERR_INVALID, "%s is set, but %s is not",
                                   attn__param_by_number(n)->name, what);
    return ATTN_OK;
}

static int32_t read_norm(const struct attn__params *v, struct attn__qk_norm *n)
{
    n->kind = (int32_t)attn__params_i64_or(v, ATTN_PARAM_QK_NORM, ATTN_QK_NORM_NONE);
    if (n->kind == ATTN_QK_NORM_NONE)
        return need_none(v, ATTN_PARAM_QK_NORM_EPS, ATTN_PARAM_QK_NORM_PLUS_ONE, "qk_norm");
    n->eps = attn__params_f64_or(v, ATTN_PARAM_QK_NORM_EPS,
                                 n->kind == ATTN_QK_NORM_L2 ? 1e-12 : 1e-6);
    n->weight = attn__params_i64_or(v, ATTN_PARAM_QK_NORM_WEIGHT, 0) != 0;
    n->bias = attn__params_i64_or(v, ATTN_PARAM_QK_NORM_BIAS, 0) != 0;
    n->plus_one = attn__params_i64_or(v, ATTN_PARAM_QK_NORM_PLUS_ONE, 0) != 0;
    if (n->plus_one && !n->weight)
        return attn__error_set(ATTN_ERR_INVALID,
                               "qk_norm_plus_one is set, but qk_norm_weight is not");
    return ATTN_OK;
}

/* Which scalings a parameter belongs to, as bits. */
static int32_t check_scaling(const struct attn__params *v, const struct attn__rope *r)
{
    enum {
        LINEAR = 1 << ATTN_ROPE_SCALING_LINEAR,
        NTK = 1 << ATTN_ROPE_SCALING_NTK,
        DYNAMIC = 1 << ATTN_ROPE_SCALING_DYNAMIC_NTK,
        YARN = 1 << ATTN_ROPE_SCALING_YARN,
        LLAMA3 = 1 << ATTN_ROPE_SCALING_LLAMA3,
    };
    static const struct {
        int32_t param, of, needed;
    } rows[] = {
        {ATTN_PARAM_ROPE_FACTOR, LINEAR | NTK | DYNAMIC | YARN | LLAMA3,
         LINEAR | NTK | DYNAMIC | YARN | LLAMA3},
        {ATTN_PARAM_ROPE_ORIGINAL, DYNAMIC | YARN | LLAMA3, DYNAMIC | YARN},
        {ATTN_PARAM_ROPE_BETA_FAST, YARN, 0},
        {ATTN_PARAM_ROPE_BETA_SLOW, YARN, 0},
        {ATTN_PARAM_ROPE_TRUNCATE, YARN, 0},
        {ATTN_PARAM_ROPE_LOW, LLAMA3, 0},
        {ATTN_PARAM_ROPE_HIGH, LLAMA3, 0},
        {ATTN_PARAM_ROPE_MSCALE, YARN, 0},
    };
    const char *word =
        attn__param_by_number(ATTN_PARAM_ROPE_SCALING)->words[r->scaling].text;
    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        int32_t bit = 1 << r->scaling;
        bool set = is_set(v, rows[n].param);
        if (set && !(rows[n].of & bit))
            return attn__error_set(ATTN_ERR_INVALID, "%s is set, but means nothing with "
                                                     "rope_scaling=%s",
                                   attn__param_by_number(rows[n].param)->name, word);
        if (!set && (rows[n].needed & bit))
            return attn__error_set(ATTN_ERR_UNSET, "rope_scaling=%s needs %s, which was not set",
                                   word, attn__param_by_number(rows[n].param)->name);
    }
    return ATTN_OK;
}

static int32_t check_values(const struct attn__params *v, const struct attn__problem *p)
{
    const struct attn__rope *r = &p->rope;
    bool ntk = r->scaling == ATTN_ROPE_SCALING_NTK || r->scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK;
    bool yarn = r->scaling == ATTN_ROPE_SCALING_YARN;
    if (r->dim % 2 != 0 || r->dim > p->d)
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope_dim is %" PRId64 ", expected an even number up to d=%" PRId64,
                               r->dim, p->d);
    if (ntk && r->dim < 4)
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope_dim is %" PRId64 ", NTK scaling needs at least 4", r->dim);
    if ((yarn || r->scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK) && r->factor < 1)
        return attn__error_set(ATTN_ERR_INVALID, "rope_factor is %g, expected at least 1",
                               r->factor);
    if (yarn && !(r->base > 1))
        return attn__error_set(ATTN_ERR_INVALID, "rope_base is %g, YaRN needs more than 1",
                               r->base);
    if (r->scaling == ATTN_ROPE_SCALING_LLAMA3 && !(r->high > r->low))
        return attn__error_set(ATTN_ERR_INVALID, "rope_high is %g, expected more than rope_low=%g",
                               r->high, r->low);
    if (r->scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK && !(r->on_q && r->on_k))
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope_apply is not qk, but dynamic_ntk turns rows differently as "
                               "the sequence grows: keys cannot have been turned before");
    if (is_set(v, ATTN_PARAM_ROPE_MSCALE) && is_set(v, ATTN_PARAM_ROPE_ATTENTION))
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope_mscale and rope_attention are both set, expected one");
    size_t n;
    if (!attn__params_f64s(v, ATTN_PARAM_ROPE_FREQS, &n))
        return ATTN_OK;
    if ((int64_t)n != r->dim / 2)
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope_freqs has %zu entries, expected one for each of the %" PRId64
                               " pairs",
                               n, r->dim / 2);
    if (r->scaling != ATTN_ROPE_SCALING_NONE || is_set(v, ATTN_PARAM_ROPE_BASE))
        return attn__error_set(ATTN_ERR_INVALID,
                               "rope_freqs is set: expected no rope_base and no rope_scaling");
    return ATTN_OK;
}

static double yarn_attention(const struct attn__rope *r, double m)
{
    return r->factor > 1 ? 0.1 * m * log(r->factor) + 1 : 1;
}

static int32_t read_rope(const struct attn__params *v, struct attn__problem *p)
{
    struct attn__rope *r = &p->rope;
    /* keys of a cache are turned before, unless it says otherwise */
    bool turned = attn__params_i64_or(v, ATTN_PARAM_VIEW, 0) &&
                  attn__params_i64_or(v, ATTN_PARAM_CACHE_KEYS, ATTN_CACHE_KEYS_ROTATED) !=
                      ATTN_CACHE_KEYS_RAW;
    int64_t apply = attn__params_i64_or(v, ATTN_PARAM_ROPE_APPLY,
                                        turned ? ATTN_ROPE_APPLY_Q : ATTN_ROPE_APPLY_QK);
    r->pairing = (int32_t)attn__params_i64_or(v, ATTN_PARAM_ROPE, ATTN_ROPE_NONE);
    if (r->pairing == ATTN_ROPE_NONE)
        return need_none(v, ATTN_PARAM_ROPE_DIM, ATTN_PARAM_ROPE_POSITIONS, "rope");
    r->on_q = apply != ATTN_ROPE_APPLY_K;
    r->on_k = apply != ATTN_ROPE_APPLY_Q;
    r->dim = attn__params_i64_or(v, ATTN_PARAM_ROPE_DIM, p->d);
    r->base = attn__params_f64_or(v, ATTN_PARAM_ROPE_BASE, 10000);
    r->scaling =
        (int32_t)attn__params_i64_or(v, ATTN_PARAM_ROPE_SCALING, ATTN_ROPE_SCALING_NONE);
    r->factor = attn__params_f64_or(v, ATTN_PARAM_ROPE_FACTOR, 1);
    r->original = (double)attn__params_i64_or(v, ATTN_PARAM_ROPE_ORIGINAL, 8192);
    r->beta_fast = attn__params_f64_or(v, ATTN_PARAM_ROPE_BETA_FAST, 32);
    r->beta_slow = attn__params_f64_or(v, ATTN_PARAM_ROPE_BETA_SLOW, 1);
    r->truncate = attn__params_i64_or(v, ATTN_PARAM_ROPE_TRUNCATE, 1) != 0;
    r->low = attn__params_f64_or(v, ATTN_PARAM_ROPE_LOW, 1);
    r->high = attn__params_f64_or(v, ATTN_PARAM_ROPE_HIGH, 4);
    bool yarn = r->scaling == ATTN_ROPE_SCALING_YARN && !is_set(v, ATTN_PARAM_ROPE_MSCALE);
    r->attention = attn__params_f64_or(v, ATTN_PARAM_ROPE_ATTENTION,
                                       yarn ? yarn_attention(r, 1) : 1);
    int32_t status = check_scaling(v, r);
    return status == ATTN_OK ? check_values(v, p) : status;
}

int32_t attn__prologue_read(const struct attn__params *v, struct attn__problem *p, size_t *bytes)
{
    int32_t status = read_norm(v, &p->qk_norm);
    if (status == ATTN_OK)
        status = read_rope(v, p);
    *bytes = 0;
    if (status == ATTN_OK && p->rope.pairing != ATTN_ROPE_NONE)
        *bytes = (size_t)(p->rope.dim / 2) * sizeof(double) + attn__rope_table_bytes(&p->rope);
    return status;
}

void attn__prologue_fill(const struct attn__params *v, struct attn__problem *p, void *room)
{
    struct attn__rope *r = &p->rope;
    if (r->pairing == ATTN_ROPE_NONE)
        return;
    double *freq = room;
    size_t n;
    const double *given = attn__params_f64s(v, ATTN_PARAM_ROPE_FREQS, &n);
    if (given)
        memcpy(freq, given, n * sizeof *freq);
    else
        attn__rope_freqs(r, 0, freq);
    r->freq = freq;
    attn__rope_table_fill(r, freq, freq + r->dim / 2, &r->table);
    if (is_set(v, ATTN_PARAM_ROPE_MSCALE)) {
        double m = yarn_attention(r, attn__params_f64_or(v, ATTN_PARAM_ROPE_MSCALE, 1));
        p->scale *= m * m;
    }
}
