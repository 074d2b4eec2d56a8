/* SPDX-License-Identifier: MIT */
/*
 * libattn: attention on CPUs behind a stable C ABI.
 *
 * The whole library in four calls:
 *
 *     attn_ctx_create(NULL, &ctx);                    threads, ISA, memory
 *     attn_desc_parse(ctx, "softmax b=1 h=8 q=128 k=128 d=64 causal", &desc);
 *     attn_plan_create(ctx, desc, &plan);             chooses the kernels
 *     attn_plan_execute(plan, args, n_args, NULL, 0); as often as wanted
 *
 * Read the headers in this order; each one says what it needs to say once:
 *
 *     version.h   what version this is, export macros
 *     status.h    status codes, the text of the last error
 *     tensor.h    element types and the tensor view
 *     context.h   attn_ctx: threads, ISA ceiling, allocator, logger
 *     desc.h      attn_desc: what to compute; the table of parameters
 *     mech_params.h  those that one mechanism reads each
 *     mechs.h     the mechanisms and their numbers
 *     values.h    what parameters that are words can be, and
 *     recurrence.h   those of the linear family
 *     introspect.h  parameters and mechanisms as tables, for bindings
 *     pieces.h    which keys a query sees, beyond the parameters
 *     plan.h      attn_plan: how it is computed; execute; the table of roles
 *     selection.h attn_selection: lists of the keys that queries attend to
 *     state.h     attn_state: recurrences of sequences that come in pieces
 *     cache.h     attn_cache: keys and values of growing sequences, in pages
 *     view.h      attn_view: which of those, or of other pools, is read
 *     wisdom.h    what measured plans have learnt, to be kept
 *     helpers.h   merge of partial results, one-shot calls
 *     head_maps.h    head maps and noise that grouped queries are given
 *     layer_helpers.h slopes, short convolutions, biases of images
 *     head_scores.h  figures of heads from results of executes
 *
 * Rules that hold everywhere:
 *  - Every function that can fail returns int32_t: ATTN_OK (0) or a negative
 *    ATTN_ERR_*; attn_last_error() then has a sentence naming the argument,
 *    the value found and what was expected. On failure outputs are untouched
 *    and a created handle is set to NULL.
 *  - create gives an object to the caller, destroy takes it back;
 *    destroy(NULL) does nothing; objects may be destroyed in any order.
 *  - Inputs are borrowed until the call returns. Nothing is ever written to
 *    an input, nothing is read past a tensor's last element, and no
 *    alignment is asked of the caller.
 *  - A context or descriptor belongs to one thread at a time; plans are
 *    immutable and any number of threads may execute one at once.
 *  - The library never aborts, never prints (unless a logger or ATTN_LOG is
 *    set), and keeps no global state.
 */
#ifndef ATTN_ATTN_H
#define ATTN_ATTN_H

#include <attn/version.h>
#include <attn/status.h>
#include <attn/tensor.h>
#include <attn/context.h>
#include <attn/desc.h>
#include <attn/mech_params.h>
#include <attn/mechs.h>
#include <attn/values.h>
#include <attn/recurrence.h>
#include <attn/introspect.h>
#include <attn/pieces.h>
#include <attn/plan.h>
#include <attn/selection.h>
#include <attn/state.h>
#include <attn/cache.h>
#include <attn/view.h>
#include <attn/wisdom.h>
#include <attn/helpers.h>
#include <attn/head_maps.h>
#include <attn/head_scores.h>
#include <attn/layer_helpers.h>

#endif /* ATTN_ATTN_H */
