/* SPDX-License-Identifier: MIT */
/*
 * Part of layout.c: the functions of caches and views. That file says what a
 * line here means.
 */
FUNCTION(attn_cache_create, int32_t (*)(attn_ctx *, const attn_desc *, attn_cache **));
FUNCTION(attn_cache_destroy, void (*)(attn_cache *));
FUNCTION(attn_cache_seq_create, int32_t (*)(attn_cache *, int64_t *));
FUNCTION(attn_cache_seq_free, int32_t (*)(attn_cache *, int64_t));
FUNCTION(attn_cache_fork, int32_t (*)(attn_cache *, int64_t, int64_t, int32_t, int64_t *));
FUNCTION(attn_cache_truncate, int32_t (*)(attn_cache *, int64_t, int64_t, int32_t));
FUNCTION(attn_cache_remove, int32_t (*)(attn_cache *, int64_t, int64_t, int64_t));
FUNCTION(attn_cache_append, int32_t (*)(attn_cache *, int64_t, int64_t));
FUNCTION(attn_cache_shift, int32_t (*)(attn_cache *, int64_t, int64_t, int64_t));
FUNCTION(attn_cache_prune, int32_t (*)(attn_cache *, int64_t, int64_t, int64_t, const int64_t *,
         size_t));
FUNCTION(attn_cache_reorder, int32_t (*)(attn_cache *, size_t, const int64_t *, const int32_t *,
         int64_t *));
FUNCTION(attn_cache_get_i64, int32_t (*)(const attn_cache *, int32_t, int64_t *));
FUNCTION(attn_cache_seq_get_i64, int32_t (*)(const attn_cache *, int64_t, int32_t, int64_t *));
FUNCTION(attn_cache_observe, int32_t (*)(attn_cache *, int64_t, int64_t, int64_t,
                                         const attn_tensor *));
FUNCTION(attn_cache_scores, int32_t (*)(const attn_cache *, int64_t, int64_t, int64_t, float *,
                                        size_t, size_t *));
FUNCTION(attn_cache_prune_scores, int32_t (*)(attn_cache *, int64_t, int64_t, int64_t,
                                              const int32_t *, const int64_t *, size_t));
FUNCTION(attn_cache_positions, int32_t (*)(const attn_cache *, int64_t, int64_t, int64_t, int64_t
         *, size_t, size_t *));
FUNCTION(attn_cache_read, int32_t (*)(const attn_cache *, int64_t, int64_t, int64_t, const
         attn_tensor *, const attn_tensor *));
FUNCTION(attn_cache_read_fold, int32_t (*)(const attn_cache *, int64_t, int64_t, int64_t, int64_t
         *, const attn_tensor *, const attn_tensor *));
FUNCTION(attn_cache_check, int32_t (*)(const attn_cache *));
FUNCTION(attn_cache_page_bounds, int32_t (*)(const attn_cache *, int64_t, int64_t, int64_t,
         const attn_tensor *, const attn_tensor *, int64_t *, size_t, size_t *));
FUNCTION(attn_cache_save, int32_t (*)(const attn_cache *, int64_t, void *, size_t, size_t *));
FUNCTION(attn_cache_load, int32_t (*)(attn_cache *, const void *, size_t, int64_t *));
FUNCTION(attn_step_begin, int32_t (*)(attn_cache *, size_t, const int64_t *, const int64_t *,
         const int32_t *, attn_step **));
FUNCTION(attn_step_write, int32_t (*)(attn_step *, int64_t, const attn_tensor *, const attn_tensor
         *));
FUNCTION(attn_step_commit, int32_t (*)(attn_step *, const int64_t *, const int32_t *));
FUNCTION(attn_step_abort, int32_t (*)(attn_step *));
FUNCTION(attn_step_destroy, void (*)(attn_step *));
FUNCTION(attn_view_create, int32_t (*)(attn_cache *, size_t, const int64_t *, const int64_t *,
         const int64_t *, attn_view **));
FUNCTION(attn_view_create_raw, int32_t (*)(attn_ctx *, size_t, const attn_tensor *,
         const attn_tensor *, const attn_tensor *, const attn_tensor *, const attn_tensor *,
         attn_view **));
FUNCTION(attn_view_destroy, void (*)(attn_view *));
