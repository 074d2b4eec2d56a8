/* SPDX-License-Identifier: MIT */
/*
 * attn_cache: keys and values of sequences that grow, in pages.
 *
 *     attn_desc_parse(ctx, "cache cache_layers=24 h=8 d=128 cache_pages=4096 "
 *                          "kv_dtype=f16", &desc);
 *     attn_cache_create(ctx, desc, &cache);
 *     attn_cache_seq_create(cache, &seq);
 *     attn_step_begin(cache, 1, &seq, &n_tokens, NULL, &step);
 *     for each layer: attn_step_write(step, layer, &k, &v);
 *     attn_step_commit(step, NULL, NULL);
 *     attn_step_destroy(step);
 *
 * Words. A page has room for cache_page tokens of one head group; the cache
 * never has more than cache_pages of them. A head group is a set of KV heads,
 * the same in all layers, with storage types of its own. A sequence has a next
 * position and, for each layer that owns its keys and each group, a list of
 * the tokens stored. A rule says for each such layer and group which tokens
 * stay: all of them, or, seen from a query at position i, those j < sink and
 * those with i - j < window. A step adds tokens to sequences, in all layers or
 * in none.
 *
 * The descriptor is of ATTN_MECH_CACHE, with h (HK, or HQ without it: KV
 * heads), d, kv_dtype (f32, f16, bf16, or a type that no tensor has: fp8_e4m3,
 * fp8_e5m2, q8_0, q4_0, kivi4, kivi2; tensor.h), what says the frequencies of
 * rope, check, and parameters 900 to 921, whose table is in desc.h.
 * Lists by group have one entry for all groups or one for each; 908 to 911
 * may also have one for each layer that owns its keys and each group, layer
 * by layer. The scales 914 and 915 are of heads stored as fp8: one for all,
 * for each KV head, or for each layer that owns its keys and KV head. q8_0,
 * q4_0 and kivi need rows of a multiple of 32 numbers. Types that no tensor
 * has cannot be folded (ATTN_ERR_UNSUPPORTED): sums must be of rows before
 * rounding.
 * With check=data, what such a type has no code for is refused: NaN,
 * infinities, magnitudes above 65504 * 127 (q8_0), 65504 * 8 (q4_0) or 65504
 * (kivi).
 * Where keys are kivi4 or kivi2 new tokens are f32, keys and values, in pages
 * of their own. Each commit rounds the oldest 32 of them at a time, as long as
 * cache_residual others stay. cache_page is a multiple of 32 then, room of 32
 * tokens is used again once all of them are gone, and cache_pages has to have
 * room for the newest tokens and those of open steps besides. There is no
 * cache_v_prefix with kivi (ATTN_ERR_UNSUPPORTED).
 * A layer with another owner reads that one's keys (CLA, Brandon et al.,
 * 2024). window counts the own token; slack: tokens that are kept longer, so
 * that truncate can go back further. With cache_v_prefix a row is stored once:
 * its first DV channels are the value, all D of them the key, and the last
 * rope_dim, behind the value, are what was turned (the latent rows of MLA,
 * DeepSeek-V2, 2024).
 *
 * A call that fails has changed nothing (but the counter CACHE_REFUSED).
 * Handles are looked at first, then other arguments, then what a rule has
 * dropped (ATTN_ERR_UNAVAILABLE), then limits, then pages and memory.
 * Sequences are int64 handles, never 0, that do not come again soon after
 * they were freed: ATTN_ERR_BAD_ID. One that has an open step refuses every
 * change (ATTN_ERR_BUSY).
 *
 * Threads: one call that changes a cache (all but those that take a const
 * cache) at a time, and none that reads beside it; a step belongs to its
 * cache. Memory is the context's allocator's, taken by create, seq_create,
 * fork, reorder, step_begin, shift, prune_scores, load and check alone.
 */
#ifndef ATTN_CACHE_H
#define ATTN_CACHE_H

#include <attn/desc.h>

typedef struct attn_cache attn_cache;
typedef struct attn_step attn_step;

/* Flags of fork and truncate: also where pruned tokens would be missed. */
enum { ATTN_CACHE_LOSSY = 1 };

/*
 * Rules of attn_cache_prune_scores. TOP: how many tokens stay by their scores
 * (needed). SINK, RECENT: so many of the oldest and newest stored tokens stay
 * besides and are no candidates. POOL_MEAN, POOL_MAX: a candidate counts by
 * the mean (zeros beyond the ends) or the largest score of so many tokens, an
 * odd number, around it; of candidates alone, with POOL_ALL = 1 of all tokens.
 */
enum {
    ATTN_CACHE_PRUNE_TOP = 1,
    ATTN_CACHE_PRUNE_SINK = 2,
    ATTN_CACHE_PRUNE_RECENT = 3,
    ATTN_CACHE_PRUNE_POOL_MEAN = 4,
    ATTN_CACHE_PRUNE_POOL_MAX = 5,
    ATTN_CACHE_PRUNE_POOL_ALL = 6
};

/* Figures of a cache. */
enum {
    ATTN_CACHE_PAGES_TOTAL = 1,
    ATTN_CACHE_PAGES_USED = 2,
    ATTN_CACHE_PAGES_PEAK = 3,   /* most that were ever used */
    ATTN_CACHE_PAGES_SHARED = 4, /* used by more than one sequence */
    ATTN_CACHE_BYTES = 5,        /* of the pages in use */
    ATTN_CACHE_SEQUENCES = 6,
    ATTN_CACHE_CELLS = 7,    /* tokens in all lists of all sequences */
    ATTN_CACHE_APPENDED = 8, /* tokens ever committed */
    ATTN_CACHE_COPIES = 9,   /* pages copied because they were shared */
    ATTN_CACHE_EVICTED = 10, /* tokens of lists that windows dropped */
    ATTN_CACHE_PRUNED = 11,  /* and those that prune took */
    ATTN_CACHE_REFUSED = 12  /* steps that found too few pages */
};

/* Figures of a sequence. */
enum {
    ATTN_CACHE_SEQ_NEXT = 1, /* position of the next token: the length */
    ATTN_CACHE_SEQ_LAST = 2, /* position where the last step began */
    ATTN_CACHE_SEQ_CELLS = 3,
    /* 1: was cut with ATTN_CACHE_LOSSY, or keys of few bits were turned */
    ATTN_CACHE_SEQ_LOSSY = 4,
    ATTN_CACHE_SEQ_OPEN = 5   /* 1: has an open step */
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes an empty cache. desc: of ATTN_MECH_CACHE, may be changed or freed
 * afterwards; it may come from another context. *cache: owned by the caller.
 * ATTN_ERR_NULL, ATTN_ERR_UNSET, ATTN_ERR_INVALID (a descriptor of something
 * else, a parameter that caches do not have, lists of the wrong length),
 * ATTN_ERR_UNSUPPORTED (a type that is not stored), ATTN_ERR_OVERFLOW,
 * ATTN_ERR_NOMEM. Since 0.1.
 */
ATTN_API int32_t attn_cache_create(attn_ctx *ctx, const attn_desc *desc,
                                   attn_cache **cache);

/*
 * Frees the cache and all its sequences. Open steps are over: their calls
 * give ATTN_ERR_STATE, and they still have to be destroyed. NULL is fine.
 * Since 0.1.
 */
ATTN_API void attn_cache_destroy(attn_cache *cache);

/*
 * A new, empty sequence. ATTN_ERR_NULL, ATTN_ERR_FULL (cache_sequences of
 * them), ATTN_ERR_NOMEM. Since 0.1.
 */
ATTN_API int32_t attn_cache_seq_create(attn_cache *cache, int64_t *seq);

/*
 * Frees a sequence; pages that no other has are free again. ATTN_ERR_NULL,
 * ATTN_ERR_BAD_ID, ATTN_ERR_BUSY. Since 0.1.
 */
ATTN_API int32_t attn_cache_seq_free(attn_cache *cache, int64_t seq);

/*
 * A new sequence that begins like seq: with its tokens before position upto,
 * or with all (-1). It shares their pages: nothing is copied until one of the
 * two writes to a page that both have. ATTN_ERR_NULL, ATTN_ERR_BAD_ID,
 * ATTN_ERR_BUSY, ATTN_ERR_INVALID (upto, flags), ATTN_ERR_UNAVAILABLE (as
 * attn_cache_truncate), ATTN_ERR_FULL, ATTN_ERR_NOMEM. Since 0.1.
 */
ATTN_API int32_t attn_cache_fork(attn_cache *cache, int64_t seq, int64_t upto,
                                 int32_t flags, int64_t *fork);

/*
 * Forgets the tokens from position `next` on, 0 to the length. A query at the
 * new end must find what its windows show it: ATTN_ERR_UNAVAILABLE if a
 * window has dropped such a token (unless `next` is at most the sinks), or if
 * a prune came later than `next`, unless flags has ATTN_CACHE_LOSSY.
 * ATTN_ERR_NULL, ATTN_ERR_BAD_ID, ATTN_ERR_BUSY, ATTN_ERR_INVALID. Since 0.1.
 */
ATTN_API int32_t attn_cache_truncate(attn_cache *cache, int64_t seq,
                                     int64_t next, int32_t flags);

/*
 * Forgets positions p0 to p1 - 1 and leaves a hole; p1 is less than the
 * length. ATTN_ERR_NULL, ATTN_ERR_BAD_ID, ATTN_ERR_BUSY, ATTN_ERR_INVALID,
 * ATTN_ERR_UNAVAILABLE (a folded token lies at or above p0). Since 0.1.
 */
ATTN_API int32_t attn_cache_remove(attn_cache *cache, int64_t seq, int64_t p0,
                                   int64_t p1);

/*
 * Adds delta to every position from p0 on and to the length; with remove, a
 * shift of the context. Tokens stay behind those below p0. With
 * cache_keys=raw numbers change and nothing else. Turned keys are turned on
 * by delta, by the frequencies of rope (16-bit keys are rounded once more;
 * those of types that no tensor has, too, which ATTN_CACHE_SEQ_LOSSY tells);
 * pages that others share are copied first. ATTN_ERR_NULL, ATTN_ERR_BAD_ID,
 * ATTN_ERR_BUSY, ATTN_ERR_UNSUPPORTED (turned keys, and no rope in the
 * descriptor), ATTN_ERR_INVALID, ATTN_ERR_UNAVAILABLE (a folded token lies at
 * or above p0, or a dropped one would be a sink), ATTN_ERR_FULL,
 * ATTN_ERR_NOMEM. Since 0.1.
 */
ATTN_API int32_t attn_cache_shift(attn_cache *cache, int64_t seq, int64_t p0,
                                  int64_t delta);

/*
 * Appends all tokens of `from`, which stays as it is, to seq, as a step would.
 * Turned keys are turned on by seq's length, as attn_cache_shift does; scores
 * go along. ATTN_ERR_NULL, ATTN_ERR_BAD_ID, ATTN_ERR_BUSY, ATTN_ERR_UNSUPPORTED
 * (turned keys, and no rope in the descriptor), ATTN_ERR_UNAVAILABLE (tokens of
 * `from` are not stored any more), ATTN_ERR_LIMIT, ATTN_ERR_FULL,
 * ATTN_ERR_NOMEM. Since 0.1.
 */
ATTN_API int32_t attn_cache_append(attn_cache *cache, int64_t seq,
                                   int64_t from);

/*
 * Keeps, in one layer and group, the n positions of keep alone: ascending,
 * each of them stored. They stay where they are. ATTN_ERR_NULL,
 * ATTN_ERR_BAD_ID, ATTN_ERR_BUSY, ATTN_ERR_INVALID, ATTN_ERR_UNSUPPORTED (a
 * rule with a window). Since 0.1.
 */
ATTN_API int32_t attn_cache_prune(attn_cache *cache, int64_t seq,
                                  int64_t layer, int64_t group,
                                  const int64_t *keep, size_t n);

/*
 * Tells the weights that query rows gave to the stored tokens of a layer and
 * group: [1,H,R,n] for the query heads of the group, R rows in their order and
 * the n tokens of attn_cache_positions, 0 for those that a row did not see;
 * any float type and strides. They are added to the scores by the group's
 * cache_scores. A new token begins with 0. ATTN_ERR_NULL, ATTN_ERR_BAD_ID,
 * ATTN_ERR_BUSY, ATTN_ERR_INVALID, ATTN_ERR_UNSUPPORTED (no cache_scores, or a
 * rule with a window), ATTN_ERR_DTYPE, ATTN_ERR_SHAPE, ATTN_ERR_STRIDE. Since
 * 0.1.
 */
ATTN_API int32_t attn_cache_observe(attn_cache *cache, int64_t seq,
                                    int64_t layer, int64_t group,
                                    const attn_tensor *weights);

/*
 * The scores of the stored tokens, as attn_cache_positions gives positions.
 * Errors as attn_cache_observe. Since 0.1.
 */
ATTN_API int32_t attn_cache_scores(const attn_cache *cache, int64_t seq,
                                   int64_t layer, int64_t group,
                                   float *scores, size_t room, size_t *n);

/*
 * Keeps tokens by their scores: rules[n] are ATTN_CACHE_PRUNE_*, each at most
 * once, values[n] their numbers. Larger scores first, with count_low smaller
 * ones; of equal ones the older; NaN last. Where as many stay as there are,
 * nothing happens. A prune by count_low begins to count anew. ATTN_ERR_NULL,
 * ATTN_ERR_BAD_ID, ATTN_ERR_BUSY, ATTN_ERR_INVALID, ATTN_ERR_UNSUPPORTED (as
 * attn_cache_observe), ATTN_ERR_NOMEM. Since 0.1.
 */
ATTN_API int32_t attn_cache_prune_scores(attn_cache *cache, int64_t seq,
                                         int64_t layer, int64_t group,
                                         const int32_t *rules,
                                         const int64_t *values, size_t n);

/*
 * The next beams of a search: seq[i] continues old[parent[i]]; all of old,
 * each once, are freed. seq may be old. ATTN_ERR_NULL, ATTN_ERR_BAD_ID,
 * ATTN_ERR_BUSY, ATTN_ERR_INVALID, ATTN_ERR_UNAVAILABLE, ATTN_ERR_NOMEM.
 * Since 0.1.
 */
ATTN_API int32_t attn_cache_reorder(attn_cache *cache, size_t n,
                                    const int64_t *old, const int32_t *parent,
                                    int64_t *seq);

/*
 * Reads a figure, ATTN_CACHE_* or ATTN_CACHE_SEQ_*. ATTN_ERR_NULL,
 * ATTN_ERR_BAD_ID, ATTN_ERR_INVALID (no such figure). Since 0.1.
 */
ATTN_API int32_t attn_cache_get_i64(const attn_cache *cache, int32_t what,
                                    int64_t *value);
ATTN_API int32_t attn_cache_seq_get_i64(const attn_cache *cache, int64_t seq,
                                        int32_t what, int64_t *value);

/*
 * Positions of the tokens stored in one layer and group, in order: the first
 * `room` of them into positions (NULL if room is 0), their number into *n.
 * While a step is open, its tokens in layers that were written are the last.
 * ATTN_ERR_NULL, ATTN_ERR_BAD_ID, ATTN_ERR_INVALID. Since 0.1.
 */
ATTN_API int32_t attn_cache_positions(const attn_cache *cache, int64_t seq,
                                      int64_t layer, int64_t group,
                                      int64_t *positions, size_t room,
                                      size_t *n);

/*
 * Copies the rows stored for those tokens: k [1,h,n,D], v [1,h,n,Dv] with the
 * h heads of the group, of any float type and strides. ATTN_ERR_NULL,
 * ATTN_ERR_BAD_ID, ATTN_ERR_INVALID, ATTN_ERR_DTYPE, ATTN_ERR_SHAPE,
 * ATTN_ERR_STRIDE. Since 0.1.
 */
ATTN_API int32_t attn_cache_read(const attn_cache *cache, int64_t seq,
                                 int64_t layer, int64_t group,
                                 const attn_tensor *k, const attn_tensor *v);

/*
 * The number of tokens that a rule with cache_fold has dropped, and the means
 * of their rows: k [1,h,1,D], v [1,h,1,Dv] (RazorAttention, Tang et al., 2024:
 * a key with ln n added to its score); zeros if n is 0. Errors as
 * attn_cache_read, and ATTN_ERR_UNSUPPORTED (nothing is folded there). Since
 * 0.1.
 */
ATTN_API int32_t attn_cache_read_fold(const attn_cache *cache, int64_t seq,
                                      int64_t layer, int64_t group, int64_t *n,
                                      const attn_tensor *k,
                                      const attn_tensor *v);

/*
 * Bounds of the keys of a layer and group, page by page, of a cache with
 * cache_summary=minmax: the smallest and the largest number of each channel,
 * low and high [1,h,n,D] of any float type and strides, or both NULL. *n: the
 * pages. page_of: for the first `room` tokens that attn_cache_positions tells,
 * the number of its page (NULL if room is 0). A query's score with any key of a
 * page is at most scale * sum max(q low, q high) (Quest, Tang et al., 2024).
 * Bounds are kept as tokens come and go, in 2 h D floats a page besides those
 * of the pages. ATTN_ERR_NULL, ATTN_ERR_BAD_ID, ATTN_ERR_INVALID,
 * ATTN_ERR_UNSUPPORTED (no cache_summary), ATTN_ERR_DTYPE, ATTN_ERR_SHAPE,
 * ATTN_ERR_STRIDE. Since 0.1.
 */
ATTN_API int32_t attn_cache_page_bounds(const attn_cache *cache, int64_t seq,
                                        int64_t layer, int64_t group,
                                        const attn_tensor *low,
                                        const attn_tensor *high,
                                        int64_t *page_of, size_t room,
                                        size_t *n);

/*
 * Writes a sequence to buf[len] as bytes that any cache with the same layers,
 * heads, sizes, types, rules and rotation can load, whatever its pages; with
 * buf NULL and len 0 nothing. *needed (may be NULL): how many bytes.
 * ATTN_ERR_NULL, ATTN_ERR_BAD_ID, ATTN_ERR_BUSY, ATTN_ERR_INVALID (len too
 * small), ATTN_ERR_UNSUPPORTED (a big-endian machine). Since 0.1.
 */
ATTN_API int32_t attn_cache_save(const attn_cache *cache, int64_t seq,
                                 void *buf, size_t len, size_t *needed);

/*
 * A new sequence of such bytes, with the same rows to the bit. They may come
 * from anywhere: all of them are looked at before anything is changed.
 * ATTN_ERR_NULL, ATTN_ERR_FORMAT (something else, another version),
 * ATTN_ERR_CORRUPT (cut off, or a checksum or a number that cannot be),
 * ATTN_ERR_MISMATCH (saved from another kind of cache), ATTN_ERR_LIMIT
 * (longer than cache_max_position), ATTN_ERR_FULL, ATTN_ERR_NOMEM. Since 0.1.
 */
ATTN_API int32_t attn_cache_load(attn_cache *cache, const void *buf,
                                 size_t len, int64_t *seq);

/*
 * Looks whether counts, lists and positions agree, from scratch and slowly:
 * ATTN_ERR_INTERNAL with what was found if they do not. ATTN_ERR_NULL,
 * ATTN_ERR_NOMEM. Since 0.1.
 */
ATTN_API int32_t attn_cache_check(const attn_cache *cache);

/*
 * Opens a step for n different sequences that have none. counts[n]: how many
 * tokens each gets, at least 1. parents: NULL, the tokens follow each other;
 * or for every token, those of the first sequence first, the number in its
 * sequence of the token before it, -1 for a root: guesses that branch. Takes
 * all pages the step can need, shared ones that it will write to copied.
 * ATTN_ERR_NULL, ATTN_ERR_BAD_ID, ATTN_ERR_BUSY, ATTN_ERR_INVALID,
 * ATTN_ERR_LIMIT (positions past cache_max_position), ATTN_ERR_FULL (too few
 * free pages; try again when some are), ATTN_ERR_NOMEM. *step: owned by the
 * caller, NULL on failure. Since 0.1.
 */
ATTN_API int32_t attn_step_begin(attn_cache *cache, size_t n,
                                 const int64_t *seqs, const int64_t *counts,
                                 const int32_t *parents, attn_step **step);

/*
 * Stores the new tokens of one layer: k [1,Hk,T,D], v [1,Hk,T,Dv] for the T
 * tokens of the step in the order of begin, of any float type and strides,
 * rounded to the storage types; with cache_v_prefix v is NULL. Each layer that
 * owns its keys is written once, in any order. ATTN_ERR_NULL, ATTN_ERR_STATE
 * (written before, or the step is over), ATTN_ERR_INVALID (layer; v beside
 * cache_v_prefix; with check=data, a number without a code), ATTN_ERR_DTYPE,
 * ATTN_ERR_SHAPE, ATTN_ERR_STRIDE. Since 0.1.
 */
ATTN_API int32_t attn_step_write(attn_step *step, int64_t layer,
                                 const attn_tensor *k, const attn_tensor *v);

/*
 * Makes the tokens part of their sequences. n_keep NULL: all, if none
 * branch. Else n_keep[n] tokens of each sequence stay, keep has their
 * numbers, sequence after sequence: a path from a root, or none. They get the
 * positions from the length on. Then windows drop what no query from the old
 * length on sees. ATTN_ERR_NULL, ATTN_ERR_STATE (a layer was not written, or
 * the step is over), ATTN_ERR_INVALID: the step stays open then. Since 0.1.
 */
ATTN_API int32_t attn_step_commit(attn_step *step, const int64_t *n_keep,
                                  const int32_t *keep);

/*
 * Drops the tokens of the step. Pages that begin copied stay copied.
 * ATTN_ERR_NULL, ATTN_ERR_STATE. Since 0.1.
 */
ATTN_API int32_t attn_step_abort(attn_step *step);

/*
 * Frees the step, which is aborted if it is open. NULL is fine. Since 0.1.
 */
ATTN_API void attn_step_destroy(attn_step *step);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_CACHE_H */
