/* SPDX-License-Identifier: MIT */
/*
 * The parts of selections as tensors of the caller's: which there are, and what
 * is the same for all of them.
 */
#ifndef ATTN_API_SELECTION_PARTS_H
#define ATTN_API_SELECTION_PARTS_H

#include <attn/selection.h>

/* What a part holds. */
enum attn__selection_kind { ATTN__SELECTION_INDEX, ATTN__SELECTION_REAL, ATTN__SELECTION_FLAG };

struct attn__selection_part {
    int32_t number, layout;
    const char *name;
    enum attn__selection_kind kind;
    int32_t dtype; /* as attn/selection.h says */
};

/* Places of parts in arrays: their number - 1. */
enum { ATTN__SELECTION_PARTS = ATTN_SELECTION_PART_K_IDX };

extern const struct attn__selection_part attn__selection_parts_table[ATTN__SELECTION_PARTS];

/* The caller's tensors, views and types of which are good; NULL: not given. */
int32_t attn__selection_parts_collect(int32_t layout, const attn_arg *args, size_t n_args,
                                      const attn_tensor *found[ATTN__SELECTION_PARTS]);

/* Has a tensor the type of a part; is it a vector of n elements? */
int32_t attn__selection_parts_check_type(int32_t part, const attn_tensor *t);
int32_t attn__selection_parts_check_extent(int32_t part, const attn_tensor *t, int64_t n);

/* Element n of an index part, and all of them as int32. ATTN_ERR_RANGE. */
int64_t attn__selection_parts_load(const attn_tensor *t, int64_t n);
int32_t attn__selection_parts_copy(int32_t part, const attn_tensor *t, int32_t *to);

#endif /* ATTN_API_SELECTION_PARTS_H */
