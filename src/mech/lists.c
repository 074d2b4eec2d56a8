/* SPDX-License-Identifier: MIT */
/*
 * lists: attention along the caller's index lists, role SELECTION. Lists of
 * rows are one more piece of visibility; what else a caller sets holds as for
 * softmax. Groups have a solver of their own.
 */
#include "base/error.h"
#include "mech/preset.h"
#include "state/selection_object.h"

static bool is_given(const struct attn__params *v, int32_t param)
{
    bool set = false;
    return attn__params_is_set(v, param, &set) == ATTN_OK && set;
}

/* What has no meaning for queries of several groups, or of none; NULL: all has. */
static const char *clash_of_groups(const struct attn__params *v, const struct attn__problem *p)
{
    if (is_given(v, ATTN_PARAM_LISTS))
        return "lists is set, expected it unset: groups are all that their queries see";
    if (p->select.logits)
        return "lists_logits is set, expected rows: groups have none";
    if (p->norm.kind != ATTN_NORMALIZER_SOFTMAX)
        return "normalizer is set, expected a softmax";
    if (p->sink_logits)
        return "sink_logits is set, expected none: results of several groups come together";
    if (p->want & ~ATTN_WANT_COUNTS)
        return "want is set, expected counts at most";
    if (p->invariant == ATTN_INVARIANT_CHUNK)
        return "invariant is chunk, expected batch";
    if (p->packed)
        return "packed is set, expected a batch";
    return NULL;
}

static const char *clash_of_rows(const struct attn__problem *p)
{
    if (p->select.logits && p->norm.kind != ATTN_NORMALIZER_SOFTMAX)
        return "lists_logits is set, expected a softmax: they are parts of its log-sum-exp";
    if (p->select.logits && p->invariant == ATTN_INVARIANT_CHUNK)
        return "lists_logits is set, expected another value of invariant than chunk";
    if (p->packed && p->view.is)
        return "packed and view are set, expected one of them";
    return NULL;
}

int32_t attn__mech_lists(const struct attn__params *v, const struct attn__mem *mem,
                         struct attn__problem *p)
{
    static const struct attn__setting settings[] = {
        {ATTN_PARAM_LISTS, ATTN__DEFAULT, ATTN_LISTS_AND, 0}};
    int32_t status = attn__preset(v, mem, settings, 1, p);
    if (status != ATTN_OK)
        return status;
    p->check_call = attn__selection_check_call;
    bool groups = p->select.layout == ATTN_SELECTION_GROUPS;
    const char *reason = groups ? clash_of_groups(v, p) : clash_of_rows(p);
    if (!reason)
        return ATTN_OK;
    attn__problem_free(p, mem);
    return attn__error_set(ATTN_ERR_UNSUPPORTED, groups ? "lists_layout=groups: %s" : "%s", reason);
}
