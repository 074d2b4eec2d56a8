/* SPDX-License-Identifier: MIT */
/*
 * What each policy needs, sets and refuses. The mechanisms differ in which
 * tokens stay and in who chooses them; all of that is said by parameters of
 * the cache, so that a policy is a list of settings.
 */
#include "mech/cache_policy.h"

#include <attn/attn.h>

#include "base/error.h"

enum kind {
    NEEDED,  /* must be set: nobody but the user knows it */
    DEFAULT, /* is this where it is not set */
    FIXED,   /* is this, and may not be something else */
    REFUSED  /* must not be set */
};

/* In lists of values for groups, `value` is that of all groups. */
static const struct setting {
    int32_t policy, param;
    enum kind kind;
    int64_t value;
} settings[] = {
    /* a window and sinks for the heads that do not retrieve */
    {ATTN_POLICY_DUO_ATTENTION, ATTN_PARAM_CACHE_WINDOW, NEEDED, 0},
    {ATTN_POLICY_DUO_ATTENTION, ATTN_PARAM_CACHE_SINK, DEFAULT, 64},
    {ATTN_POLICY_DUO_ATTENTION, ATTN_PARAM_CACHE_FOLD, REFUSED, 0},
    {ATTN_POLICY_DUO_ATTENTION, ATTN_PARAM_CACHE_SCORES, REFUSED, 0},
    {ATTN_POLICY_DUO_ATTENTION, ATTN_PARAM_CACHE_KEYS, FIXED, ATTN_CACHE_KEYS_ROTATED},
    /* the same, and the mean of what was dropped */
    {ATTN_POLICY_RAZOR_ATTENTION, ATTN_PARAM_CACHE_WINDOW, NEEDED, 0},
    {ATTN_POLICY_RAZOR_ATTENTION, ATTN_PARAM_CACHE_SINK, DEFAULT, 4},
    {ATTN_POLICY_RAZOR_ATTENTION, ATTN_PARAM_CACHE_FOLD, DEFAULT, 1},
    {ATTN_POLICY_RAZOR_ATTENTION, ATTN_PARAM_CACHE_SLACK, REFUSED, 0},
    {ATTN_POLICY_RAZOR_ATTENTION, ATTN_PARAM_CACHE_SCORES, REFUSED, 0},
    {ATTN_POLICY_RAZOR_ATTENTION, ATTN_PARAM_CACHE_KEYS, FIXED, ATTN_CACHE_KEYS_ROTATED},
    /* scores of the last 32 rows of the prompt, one prune */
    {ATTN_POLICY_TASK_KV, ATTN_PARAM_CACHE_WINDOW, REFUSED, 0},
    {ATTN_POLICY_TASK_KV, ATTN_PARAM_CACHE_SCORES, FIXED, ATTN_CACHE_SCORES_WINDOW_SUM},
    {ATTN_POLICY_TASK_KV, ATTN_PARAM_CACHE_SCORE_ROWS, DEFAULT, 32},
    /* one window for all heads, keys turned by who reads them */
    {ATTN_POLICY_STREAMING_LLM, ATTN_PARAM_CACHE_WINDOW, DEFAULT, 512},
    {ATTN_POLICY_STREAMING_LLM, ATTN_PARAM_CACHE_SINK, DEFAULT, 4},
    {ATTN_POLICY_STREAMING_LLM, ATTN_PARAM_CACHE_FOLD, REFUSED, 0},
    {ATTN_POLICY_STREAMING_LLM, ATTN_PARAM_CACHE_SCORES, REFUSED, 0},
    {ATTN_POLICY_STREAMING_LLM, ATTN_PARAM_CACHE_KEYS, FIXED, ATTN_CACHE_KEYS_RAW},
    /* a window for each group, and 64 sinks */
    {ATTN_POLICY_MOA_CACHE, ATTN_PARAM_CACHE_WINDOW, NEEDED, 0},
    {ATTN_POLICY_MOA_CACHE, ATTN_PARAM_CACHE_SINK, DEFAULT, 64},
    {ATTN_POLICY_MOA_CACHE, ATTN_PARAM_CACHE_FOLD, REFUSED, 0},
    {ATTN_POLICY_MOA_CACHE, ATTN_PARAM_CACHE_SCORES, REFUSED, 0},
    {ATTN_POLICY_MOA_CACHE, ATTN_PARAM_CACHE_KEYS, FIXED, ATTN_CACHE_KEYS_ROTATED},
    /* scores of all rows */
    {ATTN_POLICY_H2O, ATTN_PARAM_CACHE_WINDOW, REFUSED, 0},
    {ATTN_POLICY_H2O, ATTN_PARAM_CACHE_SCORES, FIXED, ATTN_CACHE_SCORES_SUM},
    /* scores of the last 64 rows of the prompt, one prune */
    {ATTN_POLICY_SNAPKV, ATTN_PARAM_CACHE_WINDOW, REFUSED, 0},
    {ATTN_POLICY_SNAPKV, ATTN_PARAM_CACHE_SCORES, FIXED, ATTN_CACHE_SCORES_WINDOW_SUM},
    {ATTN_POLICY_SNAPKV, ATTN_PARAM_CACHE_SCORE_ROWS, DEFAULT, 64},
    /* scores of the newest row, one list for all heads */
    {ATTN_POLICY_TOVA, ATTN_PARAM_CACHE_WINDOW, REFUSED, 0},
    {ATTN_POLICY_TOVA, ATTN_PARAM_CACHE_SCORES, FIXED, ATTN_CACHE_SCORES_LAST},
    {ATTN_POLICY_TOVA, ATTN_PARAM_CACHE_GROUP, REFUSED, 0},
    /* how often a weight was below the mean */
    {ATTN_POLICY_SCISSORHANDS, ATTN_PARAM_CACHE_WINDOW, REFUSED, 0},
    {ATTN_POLICY_SCISSORHANDS, ATTN_PARAM_CACHE_SCORES, FIXED, ATTN_CACHE_SCORES_COUNT_LOW},
    /* scores of the newest row, of which forks keep the best */
    {ATTN_POLICY_RECYCLED_ATTENTION, ATTN_PARAM_CACHE_WINDOW, REFUSED, 0},
    {ATTN_POLICY_RECYCLED_ATTENTION, ATTN_PARAM_CACHE_SCORES, FIXED, ATTN_CACHE_SCORES_LAST_MAX},
    /* blocks that several readers see in orders of their own */
    {ATTN_POLICY_HOGWILD, ATTN_PARAM_CACHE_WINDOW, REFUSED, 0},
    {ATTN_POLICY_HOGWILD, ATTN_PARAM_CACHE_KEYS, FIXED, ATTN_CACHE_KEYS_BLOCK_LOCAL},
    /* two bits, and the newest tokens as they are */
    {ATTN_POLICY_KIVI, ATTN_PARAM_KV_DTYPE, DEFAULT, ATTN_DTYPE_KIVI2},
    {ATTN_POLICY_KIVI, ATTN_PARAM_CACHE_RESIDUAL, DEFAULT, 128},
    {ATTN_POLICY_KIVI, ATTN_PARAM_CACHE_FOLD, REFUSED, 0},
};

static bool is_list(int32_t param)
{
    return param == ATTN_PARAM_CACHE_WINDOW || param == ATTN_PARAM_CACHE_SINK ||
           param == ATTN_PARAM_CACHE_FOLD || param == ATTN_PARAM_CACHE_SCORES;
}

/* Whether what the user has set is what the policy fixes. */
static bool agrees(const struct attn__params *v, const struct setting *s)
{
    size_t n = 0;
    if (!is_list(s->param))
        return attn__params_i64_or(v, s->param, 0) == s->value;
    const int64_t *values = attn__params_i64s(v, s->param, &n);
    for (size_t i = 0; values && i < n; i++)
        if (values[i] != s->value)
            return false;
    return true;
}

static int32_t apply(const struct attn__params *v, const struct setting *s, const char *policy,
                     struct attn__params *copy)
{
    bool set = false;
    int32_t status = attn__params_is_set(v, s->param, &set);
    const char *name = attn_param_name(s->param);
    if (status != ATTN_OK)
        return status;
    if (!set && s->kind == NEEDED)
        return attn__error_set(ATTN_ERR_UNSET, "%s is not set, which policy=%s needs", name,
                               policy);
    if (set && s->kind == REFUSED)
        return attn__error_set(ATTN_ERR_INVALID, "%s is set, which policy=%s has not", name,
                               policy);
    if (set && s->kind == FIXED && !agrees(v, s))
        return attn__error_set(ATTN_ERR_INVALID, "%s is set to something else than %d, which is "
                                                 "what policy=%s means",
                               name, (int)s->value, policy);
    if (set || s->kind == NEEDED || s->kind == REFUSED)
        return ATTN_OK;
    return is_list(s->param) ? attn__params_set_i64s(copy, s->param, &s->value, 1)
                             : attn__params_set_i64(copy, s->param, s->value);
}

static const char *word_of(int64_t policy)
{
    const char *word = NULL;
    int64_t value = -1;
    for (size_t i = 0; value != policy; i++) {
        word = attn_param_word(ATTN_PARAM_POLICY, i, &value);
        if (!word)
            break;
    }
    return word;
}

int32_t attn__cache_policy(const struct attn__params *v, const struct attn__mem *mem,
                           struct attn__params *copy)
{
    int64_t policy = attn__params_i64_or(v, ATTN_PARAM_POLICY, ATTN_POLICY_NONE);
    const char *name = word_of(policy);
    int32_t status = attn__params_copy(copy, mem, v);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0] && status == ATTN_OK; i++)
        if (settings[i].policy == policy)
            status = apply(v, &settings[i], name, copy);
    return status;
}
