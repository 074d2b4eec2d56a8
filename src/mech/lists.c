/* SPDX-License-Identifier: MIT */
/*
 * lists: attention along the caller's index lists, role SELECTION. The lists
 * are one more piece of visibility; what else a caller sets holds as for
 * softmax.
 */
#include "base/error.h"
#include "mech/preset.h"
#include "state/selection_object.h"

int32_t attn__mech_lists(const struct attn__params *v, const struct attn__mem *mem,
                         struct attn__problem *p)
{
    static const struct attn__setting settings[] = {
        {ATTN_PARAM_LISTS, ATTN__DEFAULT, ATTN_LISTS_AND, 0}};
    const char *reason = NULL;
    int32_t status = attn__preset(v, mem, settings, 1, p);
    if (status != ATTN_OK)
        return status;
    p->check_call = attn__selection_check_call;
    if (p->packed)
        reason = "packed is set, expected a batch: rows of a selection are counted in one "
                 "sequence length";
    else if (p->select.logits && p->norm.kind != ATTN_NORMALIZER_SOFTMAX)
        reason = "lists_logits is set, expected a softmax: they are parts of its log-sum-exp";
    else if (p->select.logits && p->invariant == ATTN_INVARIANT_CHUNK)
        reason = "lists_logits is set, expected another value of invariant than chunk";
    if (!reason)
        return ATTN_OK;
    attn__problem_free(p, mem);
    return attn__error_set(ATTN_ERR_UNSUPPORTED, "%s", reason);
}
