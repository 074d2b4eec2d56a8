/* SPDX-License-Identifier: MIT */
/*
 * attn_state: what recurrences (the linear family) remember of sequences that
 * come in pieces. A state has slots, one for each sequence that is under way;
 * an execute with roles STATE and STATE_INDEX [B] (default 0, 1, ...) reads
 * the slots of its sequences and leaves in them what they are afterwards, so
 * that prompts in any cuts and tokens one by one continue each other. Nothing
 * in it grows with the tokens.
 *
 * A slot holds, for each of the plan's states (heads) of Dk x Dv numbers:
 *
 *     S      f32 [states,Dk,Dv]
 *     SUM    f32 [states,Dk], with state_norm=sum or max: the sum z of keys
 *     LSE    f64 [states,Dk], with gate=lightnet: log-sum-exp of the keys
 *     COUNT  i64 [1]: tokens since the state was zero
 *
 * A snapshot is a copy of a slot.
 *
 * Threads: executes, and the functions below, may run at the same time if no
 * two of them use the same slot, unless all of those only read it (as the
 * source of attn_state_copy, or by attn_state_export).
 */
#ifndef ATTN_STATE_H
#define ATTN_STATE_H

#include <attn/plan.h>

typedef struct attn_state attn_state;

/* Parts of a slot. */
enum {
    ATTN_STATE_PART_S = 1,
    ATTN_STATE_PART_SUM = 2,
    ATTN_STATE_PART_LSE = 3,
    ATTN_STATE_PART_COUNT = 4,
    ATTN_STATE_PART_M = 5,
    ATTN_STATE_PART_LOG_M = 6
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes a state of `slots` (1 or more) empty slots for a plan, and for all
 * plans of the same mechanism, heads, widths, normaliser and direction: plans
 * may be made anew or differ in lengths, types and threads. Keeps what it
 * needs of ctx; the plan may be destroyed. *state: owned by the caller.
 * ATTN_ERR_NULL, ATTN_ERR_INVALID (slots), ATTN_ERR_UNSUPPORTED (a plan that
 * takes no role STATE), ATTN_ERR_OVERFLOW, ATTN_ERR_NOMEM. Allocates. Any
 * thread. Since 0.1.
 */
ATTN_API int32_t attn_state_create(attn_ctx *ctx, const attn_plan *plan,
                                   int64_t slots, attn_state **state);

/* Gives a state back; NULL is fine. Nobody may be using it. Since 0.1. */
ATTN_API void attn_state_destroy(attn_state *state);

/* Its number of slots; 0 for NULL. Any thread. Since 0.1. */
ATTN_API int64_t attn_state_slots(const attn_state *state);

/* Empties slots first to first + n - 1. ATTN_ERR_NULL, ATTN_ERR_INVALID (no
 * state), ATTN_ERR_RANGE. Since 0.1. */
ATTN_API int32_t attn_state_zero(attn_state *state, int64_t first, int64_t n);

/*
 * Copies a slot to another of the same or another state, which must have been
 * made for the same kind of plan. ATTN_ERR_NULL, ATTN_ERR_INVALID,
 * ATTN_ERR_RANGE, ATTN_ERR_SHAPE. Since 0.1.
 */
ATTN_API int32_t attn_state_copy(attn_state *to, int64_t to_slot,
                                 const attn_state *from, int64_t from_slot);

/*
 * The element type and shape of a part of a slot (table above), as a dense
 * view without data. ATTN_ERR_NULL, ATTN_ERR_INVALID, ATTN_ERR_UNSUPPORTED (a
 * part that this state does not have). Since 0.1.
 */
ATTN_API int32_t attn_state_shape(const attn_state *state, int32_t part,
                                  attn_tensor *shape);

/*
 * Writes a part of a slot to the caller's memory, or reads it from there.
 * tensor: the shape above with any strides: [Dv][Dk] in memory, as others keep
 * their states, is strides of 1 for Dk and Dk for Dv; f32 or f64 (COUNT: i32
 * or i64). Import takes finite numbers only (LSE: also -inf) and a COUNT of 0
 * or more. ATTN_ERR_NULL, ATTN_ERR_INVALID, ATTN_ERR_RANGE,
 * ATTN_ERR_UNSUPPORTED, ATTN_ERR_SHAPE, ATTN_ERR_DTYPE, ATTN_ERR_STRIDE,
 * ATTN_ERR_DATA; the slot is untouched then. Since 0.1.
 */
ATTN_API int32_t attn_state_export(const attn_state *state, int64_t slot,
                                   int32_t part, const attn_tensor *tensor);
ATTN_API int32_t attn_state_import(attn_state *state, int64_t slot,
                                   int32_t part, const attn_tensor *tensor);

/*
 * Segments: for sequences whose pieces are computed at the same time, by
 * threads or machines that do not wait for each other. A segment is a state
 * whose slots also hold what the tokens do to whatever state S came before
 * them, S <- M S + X: X is in part S (and SUM, LSE), and
 *
 *     M      f32 [states,Dk,Dk], with an update other than add
 *     LOG_M  f64 [states,Dk]: the logarithms of a diagonal M, else
 *     COUNT  with a reset in the segment -1 - n, n tokens since the last one
 *
 * An empty slot is M = 1, X = 0; an execute with a segment as its STATE moves
 * it on, and OUT is what the tokens give from an empty state. Everything above
 * is for segments as well; a part of theirs can be exported, sent and imported.
 * To go over a sequence in pieces: make a segment of each, apply those of the
 * pieces before it to an empty state (or compose them), execute from there
 * (LASP-2, Sun et al., 2025, is the case M = 1). Needs time for M like more
 * value columns, Dk of them, where M is dense. As attn_state_create; also
 * ATTN_ERR_UNSUPPORTED for flow_attention, feature_map=cosformer, f64 and
 * scan_reference. Since 0.1.
 */
ATTN_API int32_t attn_segment_create(attn_ctx *ctx, const attn_plan *plan,
                                     int64_t slots, attn_state **segment);

/*
 * to <- first, then second: M2 M1 and M2 X1 + X2. All three are segments of
 * the same kind of plan and may be the same. ATTN_ERR_NULL, ATTN_ERR_INVALID,
 * ATTN_ERR_RANGE, ATTN_ERR_SHAPE, ATTN_ERR_NOMEM. Allocates for the time of the
 * call. Since 0.1.
 */
ATTN_API int32_t attn_segment_compose(attn_state *to, int64_t to_slot,
                                      const attn_state *first,
                                      int64_t first_slot,
                                      const attn_state *second,
                                      int64_t second_slot);

/* What the segment's tokens leave of a state: state <- M state + X. Errors
 * and memory as above. Since 0.1. */
ATTN_API int32_t attn_segment_apply(const attn_state *segment,
                                    int64_t segment_slot, attn_state *state,
                                    int64_t state_slot);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_STATE_H */
