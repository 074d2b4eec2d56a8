/* SPDX-License-Identifier: MIT */
/*
 * The parameters of further outputs.
 */
#include "mech/output_options.h"

#include "base/error.h"
#include "problem/mech_list.h"

int32_t attn__output_options(const struct attn__params *v, struct attn__problem *p)
{
    p->want = (int32_t)attn__params_i64_or(v, ATTN_PARAM_WANT, 0);
    p->mass_classes = attn__params_i64_or(v, ATTN_PARAM_MASS_CLASSES, 0);
    if (p->want & ATTN_WANT_AUX_LOSS && p->mech != ATTN_MECH_MOH &&
        p->mech != ATTN_MECH_MOA_HEADS)
        return attn__error_set(ATTN_ERR_INVALID,
                               "want has aux_loss, but %s has no router inside",
                               attn__mech_list_name(p->mech));
    bool mass = (p->want & ATTN_WANT_CLASSMASS) != 0;
    if (mass && p->mass_classes == 0)
        return attn__error_set(ATTN_ERR_UNSET, "want=classmass needs mass_classes (the number of "
                                               "classes of keys), which was not set");
    if (!mass && p->mass_classes > 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "mass_classes is set, but want has no classmass");
    return ATTN_OK;
}

void attn__output_roles(struct attn__problem *p)
{
    if (p->mass_classes > 0)
        p->takes[ATTN__SLOT_CLASS_K] = ATTN__TAKES_MUST;
    p->extent[p->n_extents++] = (struct attn__extent){"MassClasses", p->mass_classes};
}

/* What the bounds of scores know nothing of; NULL: all is known. */
static const char *no_skip_bound(const struct attn__problem *p)
{
    const uint32_t biases = 1u << ATTN__STEP_ALIBI | 1u << ATTN__STEP_ALIBI_AT |
                            1u << ATTN__STEP_DISTANCE | 1u << ATTN__STEP_SWIN |
                            1u << ATTN__STEP_BIAS;
    uint32_t steps = p->score.steps & ~(1u << ATTN__STEP_SOFTCAP);
    if (p->norm.kind != ATTN_NORMALIZER_SOFTMAX)
        return "normalizer is none that is a softmax";
    if (p->select.logits)
        return "lists_logits is set";
    if (steps & ~biases || p->score.own_rows)
        return "scores are more than scale * q.k, softcap and a bias";
    if (steps & (steps - 1))
        return "scores have several biases, of which one is served";
    if (p->qk_norm.kind == ATTN_QK_NORM_LAYER || p->qk_norm.bias)
        return "qk_norm takes off a mean or adds a bias, expected rms or l2 without";
    if (p->dtype == ATTN_DTYPE_F64 || p->compute != ATTN_COMPUTE_F32)
        return "it is for products in f32";
    if (p->k == ATTN_UNBOUNDED)
        return "k is inf, expected a number: blocks of keys are described in the workspace";
    return NULL;
}

int32_t attn__output_skip_bound(const struct attn__problem *p)
{
    bool lists = false;
    if (!(p->want & ATTN_WANT_SKIP_BOUND))
        return ATTN_OK;
    for (int32_t n = 0; n < p->n_pieces; n++)
        lists |= attn__problem_is_list(&p->piece[n]);
    if (p->mech != ATTN_MECH_SOFTMAX && p->mech != ATTN_MECH_LISTS)
        return attn__error_set(ATTN_ERR_INVALID,
                               "want has skip_bound, but %s does not tell what lists skip",
                               attn__mech_list_name(p->mech));
    if (!lists)
        return attn__error_set(ATTN_ERR_INVALID,
                               "want has skip_bound, but there are no lists that skip anything");
    const char *reason = no_skip_bound(p);
    if (!reason)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_UNSUPPORTED, "want has skip_bound: %s", reason);
}
