/* SPDX-License-Identifier: MIT */
/*
 * Problem strings: the text form of a set of parameters. Reading and writing
 * are inverse to each other, down to which parameters are set; what is
 * written is canonical.
 */
#ifndef ATTN_PROBLEM_TEXT_H
#define ATTN_PROBLEM_TEXT_H

#include <stdint.h>

#include "base/memory.h"
#include "base/textout.h"
#include "problem/params.h"

/* Longest text that is read, in bytes without the NUL. */
enum { ATTN__TEXT_MAX = 65536 };

/* Initialises *p from text; empty on failure. The statuses are those of
 * attn_desc_parse, the error text has the position, from 1. */
int32_t attn__text_parse(struct attn__params *p, const struct attn__mem *mem,
                         const char *text);

/* Lists of more than some thousand heads print longer than can be read. */
void attn__text_print(const struct attn__params *p, struct attn__textout *out);

#endif
