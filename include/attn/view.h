/* SPDX-License-Identifier: MIT */
/*
 * attn_view: which sequences of a cache, or of the caller's own pools, an
 * execute reads, in place of K and V.
 *
 *     attn_desc_parse(ctx, "softmax b=8 h=32/8 q=512 k=inf d=128 causal "
 *                          "packed view kv_dtype=f16", &desc);
 *     attn_step_begin(cache, 8, seqs, counts, NULL, &step);
 *     attn_view_create(cache, 8, NULL, seqs, NULL, &view);
 *     for each layer: attn_step_write(step, layer, &k, &v);
 *                     execute with Q, Q_OFFSETS, OUT, VIEW = view, LAYER
 *     attn_view_destroy(view);
 *     attn_step_commit(step, NULL, NULL);
 *
 * The plan has view=1 and is told of the cache: h=HQ/HK, d, kv_dtype, and
 * cache_page, cache_group, cache_k_dtype, cache_v_dtype, cache_keys,
 * cache_v_prefix where the cache was given them. With rope the queries are
 * turned, and raw keys too. A plan of mla has VIEW and LAYER for LATENT.
 *
 * Query sequence s of the execute reads query sequence s of the view. The rows
 * of one that has an open step are the tokens of that step, in order: they see
 * what the sequence has stored before, and of the step their ancestors and
 * themselves. Without a step the rows are the last tokens of the sequence. The
 * rules of the cache hide keys on top of that, and so do window, sink_tokens
 * and pieces of the plan, by where tokens stand (a token of a step that
 * branches behind its ancestors), and lists, MASK and a mask function, by
 * numbers of rows and keys (MASK and BIAS have as many as the largest query
 * sequences; key j of a view is that with number j, told below); where a rule
 * folds, what it hides from a row counts as one key: the mean of those keys,
 * with the logarithm of their number added to its score, and the mean of their
 * values (by steps that do not branch; without windows, pieces, lists, mask and
 * bias of the plan, alibi and what else goes by positions, want=rowmax, argmax,
 * entropy and keys that the plan turns or normalises). A plan without causal=1
 * shows all keys to all rows, of a cache without windows and of sequences
 * without steps.
 *
 * Several sequences of the cache may follow each other, as if they were one:
 * a common prefix or a memory, then the sequence of the queries, whose
 * positions go on where the others end. What many query sequences begin with,
 * as forks do, is read once for all of them where that pays; the bits are the
 * same.
 *
 * Turned keys of such a sequence have to be turned by the positions that they
 * get. With cache_keys=block_local they are turned by those of their own
 * sequence, so that one may be read by several query sequences behind
 * different others: queries are then turned for each, and sequences in front
 * may have open steps, whose tokens are seen (Hogwild, Rodionov et al., 2025).
 *
 * With observe=1 an execute also leaves the weights that its rows gave,
 * exp(score - LSE), in the scores of the tokens, of groups with cache_scores
 * and layers with keys of their own, as attn_cache_observe does. LSE is then
 * needed. The view has single sequences, each whole and once, without steps
 * that branch; else the execute gives ATTN_ERR_UNSUPPORTED. Aborting the step
 * takes nothing back from the scores of older tokens. Such an execute counts as
 * a call that changes the cache, though views stay as they are.
 *
 * The keys of a sequence are numbered by their positions (those of a step go
 * on in its order): ARGMAX tells such a number. An execute gives the bits that
 * the same rows give in one tensor of K and V.
 */
#ifndef ATTN_VIEW_H
#define ATTN_VIEW_H

#include <attn/cache.h>

typedef struct attn_view attn_view;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A view of n query sequences. counts: NULL, each reads one sequence of the
 * cache; or how many each reads, at least 1. seqs: their handles, those of the
 * first query sequence first, in order. ends: NULL, or for each of seqs how
 * many of its positions are read, -1 for all. Only the last of a query
 * sequence may have an open step, others not unless cache_keys=block_local.
 *
 * The view holds until one of its sequences is changed: writing a layer of a
 * step changes nothing, to begin, commit or abort one does. After that executes
 * give ATTN_ERR_STATE. It keeps what it needs of the cache, and counts as a
 * call that changes that one; executes with views may run beside each other,
 * and beside nothing that changes the cache.
 *
 * ATTN_ERR_NULL, ATTN_ERR_BAD_ID, ATTN_ERR_INVALID (counts, ends),
 * ATTN_ERR_BUSY (an open step where none may be), ATTN_ERR_UNSUPPORTED (several
 * sequences where there are windows), ATTN_ERR_OVERFLOW, ATTN_ERR_NOMEM.
 * *view: owned by the caller, NULL on failure. Since 0.1.
 *
 * An execute gives ATTN_ERR_STATE as well while the layer of an open step is
 * not written, and ATTN_ERR_UNAVAILABLE if a row would see tokens that a window
 * has dropped.
 */
ATTN_API int32_t attn_view_create(attn_cache *cache, size_t n,
                                  const int64_t *counts, const int64_t *seqs,
                                  const int64_t *ends, attn_view **view);

/*
 * A view of pools that are the caller's, without a cache: k[l] of layer l is
 * [pages,slots,Hk,D], v[l] [pages,slots,Hk,Dv]. Token t of sequence s is in
 * slot t % slots of page number pages[offsets[s] + t / slots] (the block tables
 * of vLLM and FlashInfer). lengths [S]: tokens of each sequence, those of the
 * queries with them; offsets [S+1], ascending; both and pages [..] are i32 or
 * i64. What no token is in is not read.
 *
 * Pools are f32, f16 or bf16, the plan's kv_dtype or cache_k_dtype and
 * cache_v_dtype, aligned to their type, slots the plan's cache_page; channels
 * follow each other (stride 1), all other strides may be any, but the same in
 * all layers. Rows of q are the last tokens of their sequence, which see what
 * stands before them and themselves, or everything in a plan without causal=1.
 * The tables are copied; the pools stay the caller's, are read where they are,
 * and may be written between executes.
 *
 * ATTN_ERR_NULL, ATTN_ERR_INVALID (no layer; offsets that do not ascend or lead
 * beyond pages; lengths below 0 or beyond their pages), ATTN_ERR_RANGE (a page
 * that there is not), ATTN_ERR_DTYPE, ATTN_ERR_SHAPE, ATTN_ERR_STRIDE,
 * ATTN_ERR_ALIGN, ATTN_ERR_OVERFLOW, ATTN_ERR_NOMEM. *view: owned by the
 * caller, NULL on failure. Since 0.1.
 */
ATTN_API int32_t attn_view_create_raw(attn_ctx *ctx, size_t n_layers,
                                      const attn_tensor *k,
                                      const attn_tensor *v,
                                      const attn_tensor *lengths,
                                      const attn_tensor *offsets,
                                      const attn_tensor *pages,
                                      attn_view **view);

/* Frees the view; NULL is fine. No execute may be using it. Since 0.1. */
ATTN_API void attn_view_destroy(attn_view *view);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_VIEW_H */
