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
    if (p->want & ATTN_WANT_AUX_LOSS && p->mech != ATTN_MECH_MOH)
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
