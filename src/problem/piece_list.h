/* SPDX-License-Identifier: MIT */
/*
 * The pieces of visibility that a descriptor was given: kinds, limits of
 * their values, ownership, and how problem strings write them. What the
 * values mean for a problem is src/problem/pieces.h.
 */
#ifndef ATTN_PROBLEM_PIECE_LIST_H
#define ATTN_PROBLEM_PIECE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <attn/pieces.h>

#include "base/memory.h"
#include "base/textout.h"

/* What kinds may do besides taking `n_values` values for all heads. */
enum {
    ATTN__PIECE_HEADS = 1, /* or once for each output head */
    ATTN__PIECE_LATER = 2, /* or none: they come at execute */
    ATTN__PIECE_TABLE = 4  /* 1 to n_values of them */
};

enum { ATTN__PIECE_VALUES_MAX = 64 };

struct attn__piece_kind {
    int32_t number;
    int32_t flags;
    const char *name;
    size_t n_values;
    /* Of each value; of a table's, one for all. A greatest of ATTN_UNBOUNDED
     * allows every number from least on, and inf. */
    struct {
        const char *name;
        int64_t least, greatest;
    } value[4];
};

/* NULL for an index past the last, a number or a name that is none. */
const struct attn__piece_kind *attn__piece_kind_at(size_t index);
const struct attn__piece_kind *attn__piece_kind_by_number(int32_t number);
/* Else ATTN_ERR_UNKNOWN_NAME with a text that names the nearest one. */
int32_t attn__piece_kind_find(const char *name, size_t len,
                              const struct attn__piece_kind **kind);

struct attn__piece_value {
    int32_t kind, mode;
    int64_t *values; /* [n], NULL if n is 0 */
    size_t n;
};

struct attn__piece_list {
    size_t n;
    struct attn__piece_value piece[ATTN_PIECES_MAX];
};

/* Checks and appends a copy: the statuses of attn_desc_add_piece. */
int32_t attn__piece_list_add(struct attn__piece_list *list,
                             const struct attn__mem *mem, int32_t kind,
                             int32_t mode, const int64_t *values, size_t n);
void attn__piece_list_clear(struct attn__piece_list *list,
                            const struct attn__mem *mem);
/* dst is empty on ATTN_ERR_NOMEM. */
int32_t attn__piece_list_copy(struct attn__piece_list *dst,
                              const struct attn__mem *mem,
                              const struct attn__piece_list *src);

/* Appends the piece that `text` tells, such as band[1,0,0,1]. */
int32_t attn__piece_list_parse(struct attn__piece_list *list,
                               const struct attn__mem *mem, int32_t mode,
                               const char *text, size_t len);
/* " must=band[1,0,0,1] any=..." for all of them. */
void attn__piece_list_print(const struct attn__piece_list *list,
                            struct attn__textout *out);

#endif /* ATTN_PROBLEM_PIECE_LIST_H */
