/* SPDX-License-Identifier: MIT */
/*
 * What is known from measuring: for a problem, an instruction set and a size
 * the solver and tiles that were fastest. The wisdom of a context is a sorted
 * table that is replaced as a whole under the context's lock, so that a fork
 * finds the old one or the new one.
 */
#ifndef ATTN_PLAN_WISDOM_H
#define ATTN_PLAN_WISDOM_H

#include "base/ctx.h"
#include "base/textout.h"
#include "problem/params.h"
#include "problem/solver.h"

/* More lines than this are not kept: ATTN_ERR_OVERFLOW. */
enum { ATTN__WISDOM_MAX = 16384 };

/* What a piece of wisdom is about. */
struct attn__wisdom_key {
    const char *problem; /* as attn__wisdom_name_print writes it */
    int32_t isa;
    int64_t q, k; /* one sequence of so many rows and keys */
};

/* True if ctx knows the key: then *choice is filled. */
bool attn__wisdom_find(struct attn_ctx *ctx, const struct attn__wisdom_key *key,
                       struct attn__choice *choice);

/* Adds a choice. If the key is known already, `replace` decides whether the
 * old choice or the new one is kept; *choice is then the kept one. */
int32_t attn__wisdom_put(struct attn_ctx *ctx, const struct attn__wisdom_key *key, bool replace,
                         struct attn__choice *choice);

bool attn__wisdom_is_empty(struct attn_ctx *ctx);
void attn__wisdom_clear(struct attn_ctx *ctx);
void attn__wisdom_export(struct attn_ctx *ctx, struct attn__textout *out);

/*
 * wisdom_line.c: the text form.
 *
 * The name of a problem in wisdom is its problem string for one size, without
 * what cannot change the choice: batch and packing, executors, checks, effort,
 * and values that say the default. k stays inf if it is, since then some
 * solvers are not offered.
 */
void attn__wisdom_name_start(struct attn__params *params);
void attn__wisdom_name_print(struct attn__params *params, int64_t q, int64_t k,
                             struct attn__textout *out);

/* The line, with its newline. */
void attn__wisdom_line_print(const struct attn__wisdom_key *key,
                             const struct attn__choice *choice, struct attn__textout *out);

/* A line taken apart; texts point into it. */
struct attn__wisdom_line {
    bool foreign; /* of another processor or version: nothing else is set */
    const char *problem;
    size_t problem_len;
    int32_t isa;
    int64_t q, k;
    struct attn__choice choice;
};

/* ATTN_ERR_SYNTAX for what cannot be a line. The problem is not looked at. */
int32_t attn__wisdom_line_parse(const char *text, size_t len, struct attn__wisdom_line *line);

#define ATTN__WISDOM_HEAD "attn-wisdom 1"

#endif /* ATTN_PLAN_WISDOM_H */
