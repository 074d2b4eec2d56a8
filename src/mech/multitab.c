/* SPDX-License-Identifier: MIT */
/*
 * multitab: feature tokens and one token a task in one sequence (MultiTab,
 * Armanfard-Lab, AAAI 2026). Class 0 is the features, class t task t; which
 * classes see which is one table.
 */
#include <inttypes.h>

#include "base/error.h"
#include "mech/preset.h"

enum { MOST_TASKS = ATTN__PIECE_VALUES_MAX - 1 };

int32_t attn__mech_multitab(const struct attn__params *v, const struct attn__mem *mem,
                            struct attn__problem *p)
{
    int64_t tasks = attn__params_i64_or(v, ATTN_PARAM_MULTITAB_TASKS, 0);
    int64_t kind = attn__params_i64_or(v, ATTN_PARAM_MULTITAB_MASK, ATTN_MULTITAB_T_T);
    int64_t see[MOST_TASKS + 1];
    struct attn__params copy;

    if (tasks == 0)
        return attn__error_set(ATTN_ERR_UNSET,
                               "multitab needs multitab_tasks (the number of tasks), which was "
                               "not set");
    /* tasks bits of tasks, and the features' */
    uint64_t all = ~UINT64_C(0) >> (MOST_TASKS - tasks);
    see[0] = kind == ATTN_MULTITAB_T_T ? (int64_t)all : 1;
    for (int64_t t = 1; t <= tasks; t++)
        see[t] = kind == ATTN_MULTITAB_F_T ? (int64_t)all : (int64_t)(UINT64_C(1) << t | 1);
    int32_t status = attn__preset_copy(v, mem, NULL, 0, &copy);
    if (status == ATTN_OK)
        status = attn__piece_list_add(&copy.pieces, mem, ATTN_PIECE_PAIR, ATTN_MODE_MUST, see,
                                      (size_t)tasks + 1);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, v, mem, p);
    attn__params_destroy(&copy);
    return status;
}
