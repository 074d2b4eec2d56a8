/* SPDX-License-Identifier: MIT */
/*
 * Part of layout.c: selections and attention along them. That file says what a
 * line here means.
 */
VALUE(ATTN_ROLE_SELECTION, 165);
VALUE(ATTN_MECH_LISTS, 322);
VALUE(ATTN_PARAM_LISTS, 32200);
VALUE(ATTN_PARAM_LISTS_LOGITS, 32201);
VALUE(ATTN_LISTS_AND, 0);
VALUE(ATTN_LISTS_OR, 1);
VALUE(ATTN_SELECTION_PART_ROW_PTR, 1);
VALUE(ATTN_SELECTION_PART_START, 2);
VALUE(ATTN_SELECTION_PART_LENGTH, 3);
VALUE(ATTN_SELECTION_PART_LOGIT, 4);
VALUE(ATTN_SELECTION_PART_REPLACE, 5);
VALUE(ATTN_SELECTION_LAYOUT, 1);
VALUE(ATTN_SELECTION_BATCH, 2);
VALUE(ATTN_SELECTION_HEADS, 3);
VALUE(ATTN_SELECTION_QUERIES, 4);
VALUE(ATTN_SELECTION_END_KEY, 5);
VALUE(ATTN_SELECTION_HEAD_GROUP, 6);
VALUE(ATTN_SELECTION_Q_BLOCK, 7);
VALUE(ATTN_SELECTION_ROW_COUNT, 8);
VALUE(ATTN_SELECTION_ENTRIES, 9);
VALUE(ATTN_SELECTION_KEYS_LISTED, 10);
VALUE(ATTN_SELECTION_HAS_LOGIT, 11);
VALUE(ATTN_SELECTION_HAS_REPLACE, 12);
VALUE(ATTN_SELECTION_EMPTY_ROWS, 13);
VALUE(ATTN_SELECTION_ROWS, 1);
VALUE(ATTN_PARAM_LISTS_LAYOUT, 32202);
VALUE(ATTN_SELECTION_GROUPS, 2);
VALUE(ATTN_SELECTION_PART_G_BATCH, 6);
VALUE(ATTN_SELECTION_PART_G_HEAD, 7);
VALUE(ATTN_SELECTION_PART_Q_PTR, 8);
VALUE(ATTN_SELECTION_PART_K_PTR, 9);
VALUE(ATTN_SELECTION_PART_Q_IDX, 10);
VALUE(ATTN_SELECTION_PART_K_IDX, 11);
VALUE(ATTN_SELECTION_GROUP_COUNT, 14);
VALUE(ATTN_SELECTION_COMBINE, 15);
VALUE(ATTN_SELECTION_QUERIES_LISTED, 16);
VALUE(ATTN_SELECTION_EPS, 1);
VALUE(ATTN_SELECTION_EXCLUSIVE, 0);
VALUE(ATTN_SELECTION_SUM, 1);
VALUE(ATTN_SELECTION_MEAN, 2);
VALUE(ATTN_SELECTION_LSE, 3);

FUNCTION(attn_selection_import_rows,
         int32_t (*)(attn_ctx *, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                     const attn_arg *, size_t, attn_selection **));
FUNCTION(attn_selection_import_groups,
         int32_t (*)(attn_ctx *, int64_t, int64_t, int64_t, int64_t, int32_t, double,
                     const attn_arg *, size_t, attn_selection **));
FUNCTION(attn_selection_get_f64, int32_t (*)(const attn_selection *, int32_t, double *));
FUNCTION(attn_selection_create,
         int32_t (*)(attn_ctx *, const attn_plan *, attn_selection **));
FUNCTION(attn_selection_destroy, void (*)(attn_selection *));
FUNCTION(attn_selection_get_i64, int32_t (*)(const attn_selection *, int32_t, int64_t *));
FUNCTION(attn_selection_shape, int32_t (*)(const attn_selection *, int32_t, attn_tensor *));
FUNCTION(attn_selection_export, int32_t (*)(const attn_selection *, int32_t, const attn_tensor *));
