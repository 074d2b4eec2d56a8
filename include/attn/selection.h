/* SPDX-License-Identifier: MIT */
/*
 * attn_selection: index lists that say which keys each block of queries
 * attends to. Made once, of the caller's lists or by a plan with select=only,
 * and executed many times, by plans that take the role SELECTION (mechanism
 * `lists`). Rules such as causal, windows and sink tokens are not in it; they
 * stay in the plan, so that a selection goes on being good while keys are
 * appended.
 *
 * Rows (query-major). Output heads come in sets of head_group: 1 is lists for
 * every head, the heads of a key head one list for those, all heads one list
 * for all. Queries come in blocks of q_block, the last one shorter. With
 * blocks = ceil(queries / q_block) and sets = heads / head_group
 *
 *     row (b * sets + s) * blocks + t   of batch entry b (0 if batch is 1,
 *                                       lists that all entries share)
 *
 * is entries ROW_PTR[row] to ROW_PTR[row + 1] - 1. Entry e is the keys
 * START[e] to START[e] + LENGTH[e] - 1, counted from the first key of its
 * sequence: aligned blocks, ragged chunks, unaligned ranges and single tokens
 * alike. Entries of a row rise and do not overlap.
 *
 * Of a packed batch b counts the sequences, and there are lists for at least as
 * many queries as the longest sequence has.
 *
 * LOGIT[e] is added to the scores of entry e: log w makes each of its keys
 * count w times, -inf leaves them out. With REPLACE[e] the entry is normalised
 * by itself and LOGIT[e] stands in place of its log-sum-exp: the softmax of two
 * levels of HCAM (Lampinen et al., 2021) and Landmark attention (Mohtashami
 * and Jaggi, 2023). Keys that only the plan's rules show have logit 0.
 *
 * Groups (queries are chosen as well). Group g is queries Q_IDX[Q_PTR[g]] to
 * Q_IDX[Q_PTR[g + 1] - 1] of output head G_HEAD[g] in batch entry G_BATCH[g],
 * which all attend to keys K_IDX[K_PTR[g]] to K_IDX[K_PTR[g + 1] - 1] and to no
 * others; both rise and have nothing twice. The plan's rules go by where a
 * query and a key stand in their sequence. A query of no group gets 0, one of
 * several what `combine` says. Executed by plans with lists_layout=groups.
 *
 * Threads: any number of threads may read a selection and execute with it at
 * a time. It changes only as SELECTION_OUT of an execute; nobody else may be
 * using it meanwhile. Since 0.1.
 */
#ifndef ATTN_SELECTION_H
#define ATTN_SELECTION_H

#include <attn/plan.h>

typedef struct attn_selection attn_selection;

/*
 * Parts of a selection, dense arrays.
 *
 * | no. | part     | shape      | type  |                        |
 * |-----|----------|------------|-------|------------------------|
 * |   1 | ROW_PTR  | [rows + 1] | int64 | first entry of a row   |
 * |   2 | START    | [entries]  | int32 | first key              |
 * |   3 | LENGTH   | [entries]  | int32 | keys                   |
 * |   4 | LOGIT    | [entries]  | f32   | may be missing: 0      |
 * |   5 | REPLACE  | [entries]  | u8    | may be missing: 0      |
 *
 * Of groups:
 *
 * |   6 | G_BATCH  | [groups]   | int32 | may be missing: 0      |
 * |   7 | G_HEAD   | [groups]   | int32 | output head            |
 * |   8 | Q_PTR    | [groups+1] | int64 | first query of a group |
 * |   9 | K_PTR    | [groups+1] | int64 | first key of a group   |
 * |  10 | Q_IDX    | [queries]  | int32 | queries                |
 * |  11 | K_IDX    | [keys]     | int32 | keys                   |
 */
enum {
    ATTN_SELECTION_PART_ROW_PTR = 1,
    ATTN_SELECTION_PART_START = 2,
    ATTN_SELECTION_PART_LENGTH = 3,
    ATTN_SELECTION_PART_LOGIT = 4,
    ATTN_SELECTION_PART_REPLACE = 5,
    ATTN_SELECTION_PART_G_BATCH = 6,
    ATTN_SELECTION_PART_G_HEAD = 7,
    ATTN_SELECTION_PART_Q_PTR = 8,
    ATTN_SELECTION_PART_K_PTR = 9,
    ATTN_SELECTION_PART_Q_IDX = 10,
    ATTN_SELECTION_PART_K_IDX = 11
};

/* What attn_selection_get_i64 tells: 1 to 5 and 10 of all, 6 to 13 of rows, 14
 * to 16 of groups. */
enum {
    ATTN_SELECTION_LAYOUT = 1,     /* ATTN_SELECTION_ROWS, _GROUPS */
    ATTN_SELECTION_BATCH = 2,      /* 1: lists for all batch entries */
    ATTN_SELECTION_HEADS = 3,      /* output heads */
    ATTN_SELECTION_QUERIES = 4,
    ATTN_SELECTION_END_KEY = 5,    /* one past the last key of any list */
    ATTN_SELECTION_HEAD_GROUP = 6,
    ATTN_SELECTION_Q_BLOCK = 7,
    ATTN_SELECTION_ROW_COUNT = 8,
    ATTN_SELECTION_ENTRIES = 9,
    ATTN_SELECTION_KEYS_LISTED = 10, /* of all entries, or of all groups */
    ATTN_SELECTION_HAS_LOGIT = 11,
    ATTN_SELECTION_HAS_REPLACE = 12,
    ATTN_SELECTION_EMPTY_ROWS = 13, /* rows without entries */
    ATTN_SELECTION_GROUP_COUNT = 14,
    ATTN_SELECTION_COMBINE = 15,       /* as below */
    ATTN_SELECTION_QUERIES_LISTED = 16 /* of all groups */
};

/* What attn_selection_get_f64 tells: `eps` of groups. */
enum { ATTN_SELECTION_EPS = 1 };

/* Layouts, and values of `lists_layout`. */
enum { ATTN_SELECTION_ROWS = 1, ATTN_SELECTION_GROUPS = 2 };

/* What a query of several groups gets: there is none; the sum of its results;
 * that over their number plus eps; or all keys of those groups in one softmax,
 * a key as often as it is in one. */
enum {
    ATTN_SELECTION_EXCLUSIVE = 0,
    ATTN_SELECTION_SUM = 1,
    ATTN_SELECTION_MEAN = 2,
    ATTN_SELECTION_LSE = 3
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes a selection of rows from the caller's lists, which are copied and may
 * be anything: batch, heads (output heads), head_group, queries and q_block
 * as above. k_block: the length of every entry, cut off at `keys`, where there
 * is no LENGTH; 0 if there is. keys: no entry may go beyond; executes may have
 * more keys. parts: tensors by number of the part in `role`, of one dimension
 * and any stride; ROW_PTR, START and LENGTH i32 or i64, LOGIT f32 or f64,
 * REPLACE bool or u8. *selection: owned by the caller. ATTN_ERR_NULL,
 * ATTN_ERR_INVALID (numbers, REPLACE without LOGIT), ATTN_ERR_ROLE (parts),
 * ATTN_ERR_DTYPE, ATTN_ERR_SHAPE, ATTN_ERR_STRIDE, ATTN_ERR_RANGE (a row or
 * entry, which is named), ATTN_ERR_DATA (a logit of NaN or inf),
 * ATTN_ERR_OVERFLOW, ATTN_ERR_NOMEM. Allocates. Any thread. Since 0.1.
 */
ATTN_API int32_t attn_selection_import_rows(
    attn_ctx *ctx, int64_t batch, int64_t heads, int64_t head_group,
    int64_t queries, int64_t q_block, int64_t keys, int64_t k_block,
    const attn_arg *parts, size_t n_parts, attn_selection **selection);

/*
 * Makes a selection of groups from the caller's, which are copied and may be
 * anything. batch: how many entries G_BATCH counts, 1 for groups that all
 * batch entries share; heads: output heads; queries and keys: no index may go
 * beyond, and executes have that many queries and as many keys or more.
 * combine: as above; eps: 0 but for ATTN_SELECTION_MEAN, where it is 0 or
 * more. parts: as for rows, indices i32 or i64. *selection: owned by the
 * caller. ATTN_ERR_NULL, ATTN_ERR_INVALID (numbers), ATTN_ERR_ROLE (parts),
 * ATTN_ERR_DTYPE, ATTN_ERR_SHAPE, ATTN_ERR_STRIDE, ATTN_ERR_RANGE (a group,
 * query or key, which is named), ATTN_ERR_OVERFLOW, ATTN_ERR_NOMEM. Allocates.
 * Any thread. Since 0.1.
 */
ATTN_API int32_t attn_selection_import_groups(
    attn_ctx *ctx, int64_t batch, int64_t heads, int64_t queries, int64_t keys,
    int32_t combine, double eps, const attn_arg *parts, size_t n_parts,
    attn_selection **selection);

/*
 * Makes a selection for the role SELECTION_OUT of a plan with select=only, and
 * of others that need no more room: memory for all that the plan may select of
 * its longest sequences and largest batch. It is empty (no queries, no rows,
 * no entries) until such a plan was executed. Then it holds what that has
 * selected, in the place of what it held before; it is empty again if
 * selecting has failed, and as it was if an argument was refused. `lists` with
 * the plan's rules, scale and softcap along it is what the mechanism does.
 * *selection: owned by the caller. ATTN_ERR_NULL, ATTN_ERR_UNSUPPORTED (the
 * plan has no such role), ATTN_ERR_NOMEM. Allocates. Any thread. Since 0.1.
 */
ATTN_API int32_t attn_selection_create(attn_ctx *ctx, const attn_plan *plan,
                                       attn_selection **selection);

/* Gives a selection back; NULL is fine. Nobody may be using it. Since 0.1. */
ATTN_API void attn_selection_destroy(attn_selection *selection);

/* One of the numbers above. ATTN_ERR_NULL, ATTN_ERR_INVALID (no selection, no
 * such number), ATTN_ERR_UNSUPPORTED (of the other layout). Any thread. Since
 * 0.1. */
ATTN_API int32_t attn_selection_get_i64(const attn_selection *selection,
                                        int32_t number, int64_t *value);
ATTN_API int32_t attn_selection_get_f64(const attn_selection *selection,
                                        int32_t number, double *value);

/* The element type and shape of a part, as a dense view without data.
 * ATTN_ERR_NULL, ATTN_ERR_INVALID, ATTN_ERR_UNSUPPORTED (a part that it does
 * not have). Any thread. Since 0.1. */
ATTN_API int32_t attn_selection_shape(const attn_selection *selection,
                                      int32_t part, attn_tensor *shape);

/*
 * Copies a part to the caller's memory: a tensor of the shape above with any
 * stride, of a type that import takes for it. ATTN_ERR_NULL, ATTN_ERR_INVALID,
 * ATTN_ERR_UNSUPPORTED, ATTN_ERR_SHAPE, ATTN_ERR_DTYPE, ATTN_ERR_STRIDE,
 * ATTN_ERR_RANGE (an i32 for a ROW_PTR beyond it). Any thread. Since 0.1.
 */
ATTN_API int32_t attn_selection_export(const attn_selection *selection,
                                       int32_t part, const attn_tensor *tensor);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_SELECTION_H */
