/* SPDX-License-Identifier: MIT */
/*
 * The values of a descriptor: a mechanism and, for every parameter, whether
 * it is set and to what. Values are checked one by one against params.def
 * here; what they mean together is the mechanism's business.
 */
#ifndef ATTN_PROBLEM_PARAMS_H
#define ATTN_PROBLEM_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/textout.h"
#include "problem/param_table.h"
#include "problem/piece_list.h"

/* Longest list that a parameter takes: one entry per head. */
enum { ATTN__PARAMS_LIST_MAX = 65536 };

struct attn__param_value {
    bool set;
    union {
        int64_t i64; /* also bool, enum, set */
        double f64;
        struct {
            void *data; /* n elements; a text has its NUL behind them */
            size_t n;
        } list;
    } u;
};

struct attn__params {
    const struct attn__mem *mem; /* the owner keeps it alive */
    int32_t mech;
    struct attn__param_value values[ATTN__PARAM_COUNT];
    struct attn__piece_list pieces;
    attn_score_fn score_fn; /* NULL: none */
    attn_mask_fn mask_fn; /* NULL: none */
};

/* Nothing set. Allocates nothing; destroy also fits a zeroed struct. */
void attn__params_init(struct attn__params *p, const struct attn__mem *mem,
                       int32_t mech);
void attn__params_destroy(struct attn__params *p);

/* Initialises dst with its own memory; empty on ATTN_ERR_NOMEM. */
int32_t attn__params_copy(struct attn__params *dst, const struct attn__mem *mem,
                          const struct attn__params *src);

/*
 * The functions behind attn_desc_set_*, _get_*, _unset and _is_set, with
 * their statuses and texts; pointers have been checked. kv_head has no value
 * of its own: it sets and clears k_head and v_head, and is set while both
 * are set and equal.
 */
int32_t attn__params_set_i64(struct attn__params *p, int32_t param,
                             int64_t value);
int32_t attn__params_set_f64(struct attn__params *p, int32_t param,
                             double value);
int32_t attn__params_set_i64s(struct attn__params *p, int32_t param,
                              const int64_t *values, size_t n);
int32_t attn__params_set_f64s(struct attn__params *p, int32_t param,
                              const double *values, size_t n);
/* A text, or the words of an enum or set; `len` bytes without NUL. */
int32_t attn__params_set_text(struct attn__params *p, int32_t param,
                              const char *text, size_t len);

int32_t attn__params_get_i64(const struct attn__params *p, int32_t param,
                             int64_t *value);
int32_t attn__params_get_f64(const struct attn__params *p, int32_t param,
                             double *value);
int32_t attn__params_get_i64s(const struct attn__params *p, int32_t param,
                              const int64_t **values, size_t *n);
int32_t attn__params_get_f64s(const struct attn__params *p, int32_t param,
                              const double **values, size_t *n);
/* Nothing is written on failure. */
int32_t attn__params_get_text(const struct attn__params *p, int32_t param,
                              struct attn__textout *out);

int32_t attn__params_unset(struct attn__params *p, int32_t param);
int32_t attn__params_is_set(const struct attn__params *p, int32_t param,
                            bool *set);

/*
 * For code that knows its parameters: no checks, the fallback where the
 * parameter is not set. Lists are NULL (n is 0) if not set and never NULL if
 * set; they live until the parameter is set again.
 */
int64_t attn__params_i64_or(const struct attn__params *p, int32_t param,
                            int64_t fallback);
double attn__params_f64_or(const struct attn__params *p, int32_t param,
                           double fallback);
const char *attn__params_text_or(const struct attn__params *p, int32_t param,
                                 const char *fallback);
const int64_t *attn__params_i64s(const struct attn__params *p, int32_t param,
                                 size_t *n);
const double *attn__params_f64s(const struct attn__params *p, int32_t param,
                                size_t *n);

#endif
