/* SPDX-License-Identifier: MIT */
/*
 * Making index lists (problem/select_lists.h) and telling good ones from bad
 * ones. The arrays of a list are cut from one block of memory, of an object or
 * of a workspace, whose size hangs on shape and capacity alone.
 */
#ifndef ATTN_STATE_SELECTION_H
#define ATTN_STATE_SELECTION_H

#include <stddef.h>

#include "problem/select_lists.h"

/*
 * Sets blocks and rows from the shape, which is there (n_batch, head_group,
 * q_block and n_queries; sets from `heads`). ATTN_ERR_INVALID with a text, or
 * ATTN_ERR_OVERFLOW. name: of the selection, for the text.
 */
int32_t attn__select_rows_shape(struct attn__select_rows *s, int64_t heads, const char *name);

/*
 * Bytes of the arrays of rows entries (s->rows, s->capacity set), with logits
 * and replace bytes or without; false: overflow. memory NULL only measures, else
 * the arrays are put there (64-byte aligned) and the lists are all empty.
 */
bool attn__select_rows_place(struct attn__select_rows *s, bool logit, bool replace, void *memory,
                             size_t *bytes);

/*
 * Writing rows, in any order and by several threads at once, each row by one of
 * them:
 *
 *     attn__select_begin(s, per_row);
 *     for each row, in parallel:
 *         struct attn__select_writer w = attn__select_row_begin(s, row);
 *         attn__select_put(&w, start, length, 0, false); ... rising
 *         attn__select_row_end(&w);
 *     status = attn__select_end(s, name);
 *
 * A row has room for per_row entries (rows * per_row <= capacity). With per_row 0
 * rows must be written in rising order, and have all the room that is left. Rows
 * that nobody writes are empty. Until attn__select_end, row_ptr is not what it
 * says.
 */
enum attn__select_fault {
    ATTN__SELECT_GOOD,
    ATTN__SELECT_FULL,  /* more entries than there is room for */
    ATTN__SELECT_NAN,   /* a score to select by is NaN */
    ATTN__SELECT_ORDER  /* keys that do not rise, or are no int32 */
};

struct attn__select_writer {
    struct attn__select_rows *s;
    int64_t row, first, at, end; /* entries first..at-1 are there, no room at end */
    enum attn__select_fault fault;
};

void attn__select_begin(struct attn__select_rows *s, int64_t per_row);
struct attn__select_writer attn__select_row_begin(struct attn__select_rows *s, int64_t row);
/*
 * Adds keys start..start+length-1; start is not in front of that of the entry
 * before, and keys that this one has already are left out, as lists are sets. An
 * entry that touches the one before makes it longer, if their logits are equal
 * and neither is `replace`. logit, replace: only where the lists have those.
 */
void attn__select_put(struct attn__select_writer *w, int64_t start, int64_t length, float logit,
                      bool replace);
/* The same for n single keys, which rise and stand behind what the row has, of lists
 * without logits. */
void attn__select_put_keys(struct attn__select_writer *w, const int32_t *key, int64_t n);

/* The selector has no answer for this row. */
static inline void attn__select_put_fault(struct attn__select_writer *w,
                                          enum attn__select_fault fault)
{
    w->fault = fault;
}
void attn__select_row_end(const struct attn__select_writer *w);

/*
 * Moves the rows together. The first row with a fault is named: ATTN_ERR_LIMIT if
 * it had no room, ATTN_ERR_DATA for NaN, ATTN_ERR_RANGE for a wrong order; the
 * lists are all empty then.
 */
int32_t attn__select_end(struct attn__select_rows *s, const char *name);

/* All lists empty. */
void attn__select_clear(struct attn__select_rows *s);

/*
 * Are these lists good? nk: keys of a sequence at most. ATTN_ERR_RANGE,
 * ATTN_ERR_DATA (logits) or ATTN_ERR_INVALID, with a text that names the entry
 * and its row. The counts (rows, n, capacities) and the shape must be right.
 */
int32_t attn__select_rows_check(const struct attn__select_rows *s, int64_t nk, const char *name);

/* What a row is, for messages: its number, batch entry, heads and queries. */
enum { ATTN__SELECT_WHERE = 160 };
void attn__select_where(const struct attn__select_rows *s, int64_t row,
                        char text[ATTN__SELECT_WHERE]);

/* One past the last key of any entry. */
int64_t attn__select_rows_end_key(const struct attn__select_rows *s);

#endif /* ATTN_STATE_SELECTION_H */
