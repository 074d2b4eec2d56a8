/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms that are settings of one ATTEND: a copy of the caller's
 * parameters with the mechanism's own put in, then the same road as softmax.
 */
#ifndef ATTN_MECH_PRESET_H
#define ATTN_MECH_PRESET_H

#include "mech/mech.h"

/*
 * What a mechanism settles. FIXED: the caller must leave the parameter unset
 * or set it to this; DEFAULT: holds where the caller says nothing; REFUSED:
 * the caller must leave it unset, but for want=counts, which all plans serve.
 */
enum attn__setting_kind { ATTN__FIXED, ATTN__DEFAULT, ATTN__REFUSED };

struct attn__setting {
    int32_t param;
    enum attn__setting_kind kind;
    int64_t i64; /* bool, enum, set */
    double f64;  /* for parameters of that type */
};

/* Copies the parameters and puts the settings in. Destroy the copy with
 * attn__params_destroy, also on failure. */
int32_t attn__preset_copy(const struct attn__params *user, const struct attn__mem *mem,
                          const struct attn__setting *settings, size_t n,
                          struct attn__params *copy);

/* The whole of a mechanism that is nothing but settings. */
int32_t attn__preset(const struct attn__params *user, const struct attn__mem *mem,
                     const struct attn__setting *settings, size_t n, struct attn__problem *p);

/*
 * For mechanisms that know few options: refuses every parameter that is set
 * but sizes, types, how it is run, the mechanism's own and the `n` in `also`,
 * and pieces of visibility, mask and score functions.
 */
int32_t attn__preset_only(const struct attn__params *user, const int32_t *also, size_t n);

/* For those that know options but no other visibility than their own. */
int32_t attn__preset_no_pieces(const struct attn__params *user);

/*
 * The whole of a recipe whose stages have no positions and are joined by lse:
 * sizes, heads, scale, softcap, types and how it is run are the caller's, and
 * causal if `causal`; everything else is refused.
 */
int32_t attn__preset_plain(const struct attn__params *user, const struct attn__mem *mem,
                           bool causal, struct attn__problem *p);

/* For a stage: the caller's parameters without those that only the mechanism
 * itself reads, its outputs (`want`) and how the whole plan is run. */
int32_t attn__preset_stage(const struct attn__params *user, const struct attn__mem *mem,
                           struct attn__params *copy);

/* The same with the mechanism's settings put in, for stages that are the
 * whole's attention. */
int32_t attn__preset_stage_set(const struct attn__params *user, const struct attn__mem *mem,
                               const struct attn__setting *settings, size_t n,
                               struct attn__params *copy);

/* The problem of every stage of a recipe that needs no more than that. */
int32_t attn__preset_same(const struct attn__params *user, const struct attn__problem *whole,
                          int32_t n, const struct attn__mem *mem, struct attn__problem *p);

#endif /* ATTN_MECH_PRESET_H */
