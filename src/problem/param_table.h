/* SPDX-License-Identifier: MIT */
/*
 * params.def as a table: what is known about a parameter apart from its
 * value in some descriptor.
 */
#ifndef ATTN_PROBLEM_PARAM_TABLE_H
#define ATTN_PROBLEM_PARAM_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include <attn/attn.h>

/* Place of each parameter in the table. */
enum {
#define PARAM(constant, name, type, limits, words, help)                      \
    ATTN__PARAM_SLOT_##constant,
#include "problem/params.def"
    ATTN__PARAM_COUNT
};

struct attn__param_word {
    const char *text;
    int64_t value;
};

struct attn__param_info {
    int32_t number;
    int32_t type; /* ATTN_PARAM_TYPE_* */
    const char *name;
    const char *help;
    int64_t least_i64;
    int64_t greatest_i64; /* ATTN_UNBOUNDED: no limit, and inf is legal */
    double least_f64, greatest_f64;
    const struct attn__param_word *words; /* up to one without text, or NULL */
};

/* Neighbours in the table that problem strings write as one key. */
struct attn__param_compound {
    const char *key;
    const char *usage;
    char separator;
    int8_t all;             /* every separator is written, needed or not */
    int32_t first, members; /* slots */
};

extern const struct attn__param_info attn__param_table[ATTN__PARAM_COUNT];

/* Ends in one without key. */
extern const struct attn__param_compound attn__param_compounds[];

/* NULL for a number, or a name of `len` bytes, that is no parameter's. */
const struct attn__param_info *attn__param_by_number(int32_t number);
const struct attn__param_info *attn__param_by_name(const char *name,
                                                   size_t len);

/* The word of an enum or set with that text, or NULL. */
const struct attn__param_word *
attn__param_word_find(const struct attn__param_info *info, const char *text,
                      size_t len);

/* Whether `len` bytes are exactly the word. */
int attn__param_same(const char *word, const char *text, size_t len);

#endif
