/* SPDX-License-Identifier: MIT */
/*
 * Numbers in problem strings: as in C, decimal, the same in every locale.
 */
#ifndef ATTN_PROBLEM_NUMBER_H
#define ATTN_PROBLEM_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum attn__number {
    ATTN__NUMBER_OK,
    ATTN__NUMBER_SYNTAX,  /* not a number as a whole */
    ATTN__NUMBER_TOO_BIG, /* a number that the type cannot hold */
};

/* [-]digits */
enum attn__number attn__number_parse_i64(const char *text, size_t len,
                                         int64_t *value);

/* [-]digits[.digits][e[+-]digits], of at most 400 bytes */
enum attn__number attn__number_parse_f64(const char *text, size_t len,
                                         double *value);

/* The shortest decimal that reads back to the same finite value. */
enum { ATTN__NUMBER_TEXT_MAX = 40 };
size_t attn__number_print_f64(char buf[ATTN__NUMBER_TEXT_MAX], double value);

#endif
