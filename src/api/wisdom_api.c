/* SPDX-License-Identifier: MIT */
/*
 * attn_wisdom_*: texts in and out. A line is believed only if it is exactly
 * what this library would have written: the problem can be planned, its name
 * is the canonical one, and solver and tiles are among those the planner
 * itself would try.
 */
#include <attn/wisdom.h>

#include <inttypes.h>
#include <string.h>

#include "api/api_check.h"
#include "api/isa_use.h"
#include "base/checked.h"
#include "mech/mech.h"
#include "plan/plan.h"
#include "plan/wisdom.h"
#include "problem/text.h"

int32_t attn_wisdom_export(const attn_ctx *ctx, char *buf, size_t len, size_t *needed)
{
    struct attn__textout out;

    ATTN__CHECK_POINTER(ctx);
    if (len > 0)
        ATTN__CHECK_POINTER(buf);
    attn__textout_start(&out, buf, len);
    /* Reading takes the lock, nothing else of ctx is touched. */
    attn__wisdom_export((attn_ctx *)ctx, &out);
    attn__textout_finish(&out, needed);
    return ATTN_OK;
}

int32_t attn_wisdom_clear(attn_ctx *ctx)
{
    ATTN__CHECK_POINTER(ctx);
    attn__wisdom_clear(ctx);
    return ATTN_OK;
}

/* One import. */
struct import {
    attn_ctx *ctx;
    char *problem; /* room for the name of a line's problem, twice */
    size_t room;
    bool headed; /* a line with the version of the format came */
    size_t taken, skipped;
};

/* The name that this library gives to the problem must be the text it has. */
static int32_t check_name(const struct import *in, struct attn__params *params,
                          const struct attn__wisdom_line *line)
{
    struct attn__textout out;
    char *again = in->problem + in->room;
    attn__wisdom_name_start(params);
    attn__textout_start(&out, again, in->room);
    attn__wisdom_name_print(params, line->q, line->k, &out);
    attn__textout_finish(&out, NULL);
    if (strcmp(again, in->problem) == 0)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SYNTAX,
                           "the problem for %" PRId64 "x%" PRId64 " is not written as '%.200s'",
                           line->q, line->k, again);
}

/* Could the planner have come to this choice? */
static int32_t check_choice(const struct attn__problem *p, const struct attn__wisdom_line *line)
{
    const struct attn__solver *s = line->choice.solver;
    struct attn__tiles tiles[1 + ATTN__MORE_TILES];
    struct attn__kernels kern;
    char why[ATTN__WHY_MAX];
    if (p->recipe)
        return attn__error_set(ATTN_ERR_SYNTAX, "the problem has stages, expected one of them");
    if (line->q > attn__problem_q_rep(attn__problem_q_class(line->q)) ||
        line->k > attn__problem_k_rep(attn__problem_k_class(line->k)))
        return attn__error_set(ATTN_ERR_SYNTAX,
                               "the size is %" PRId64 "x%" PRId64 ", at which nothing is measured",
                               line->q, line->k);
    if (!s->applicable(p, why))
        return attn__error_set(ATTN_ERR_SYNTAX, "solver %s cannot serve this problem: %s", s->name,
                               why);
    attn__kernels_select(line->isa, &kern);
    const struct attn__machine machine = {.kern = &kern, .threads = 1, .blas_threads = 1};
    int32_t n = attn__planner_tiles(s, p, &machine, line->q, line->k, tiles);
    for (int32_t i = 0; i < n; i++)
        if (attn__planner_same_tiles(&tiles[i], &line->choice.tiles))
            return ATTN_OK;
    const struct attn__tiles *t = &line->choice.tiles;
    return attn__error_set(ATTN_ERR_SYNTAX,
                           "the tiles are %d,%d,%d,%d, expected some that solver %s knows, such as "
                           "%d,%d,%d,%d",
                           (int)t->rows, (int)t->keys, (int)t->chunk, (int)t->pass, s->name,
                           (int)tiles[0].rows, (int)tiles[0].keys, (int)tiles[0].chunk,
                           (int)tiles[0].pass);
}

static int32_t check_problem(const struct import *in, const struct attn__wisdom_line *line)
{
    struct attn__params params;
    struct attn__problem problem;
    int32_t status = attn__text_parse(&params, &in->ctx->mem, in->problem);
    if (status != ATTN_OK)
        return status;
    status = check_name(in, &params, line);
    if (status == ATTN_OK)
        status = attn__mech_problem(&params, &in->ctx->mem, &problem);
    attn__params_destroy(&params);
    if (status != ATTN_OK)
        return status;
    status = check_choice(&problem, line);
    attn__problem_free(&problem, &in->ctx->mem);
    return status;
}

static int32_t take_line(struct import *in, const char *text, size_t len)
{
    struct attn__wisdom_line line;
    int32_t status = attn__wisdom_line_parse(text, len, &line);
    if (status != ATTN_OK)
        return status;
    if (line.foreign || !attn__isa_use_can(line.isa)) {
        in->skipped++;
        return ATTN_OK;
    }
    if (line.problem_len >= in->room)
        return attn__error_set(ATTN_ERR_SYNTAX, "the problem has %zu bytes, expected at most %d",
                               line.problem_len, ATTN__TEXT_MAX);
    memcpy(in->problem, line.problem, line.problem_len);
    in->problem[line.problem_len] = '\0';
    status = check_problem(in, &line);
    if (status != ATTN_OK)
        return status;
    const struct attn__wisdom_key key = {in->problem, line.isa, line.q, line.k};
    status = attn__wisdom_put(in->ctx, &key, true, &line.choice);
    in->taken += status == ATTN_OK;
    return status;
}

static bool starts_with(const char *text, size_t len, const char *word)
{
    return len >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

static int32_t import_line(struct import *in, const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\r' || text[len - 1] == ' '))
        len--;
    if (len == 0 || text[0] == '#')
        return ATTN_OK;
    if (starts_with(text, len, "attn-wisdom ")) {
        in->headed = len == strlen(ATTN__WISDOM_HEAD) && memcmp(text, ATTN__WISDOM_HEAD, len) == 0;
        return in->headed ? ATTN_OK
                          : attn__error_set(ATTN_ERR_SYNTAX,
                                            "the format is another than '" ATTN__WISDOM_HEAD "'");
    }
    if (!in->headed)
        return attn__error_set(ATTN_ERR_SYNTAX, "no line '" ATTN__WISDOM_HEAD "' came before");
    return take_line(in, text, len);
}

static size_t line_length(const char *text)
{
    const char *end = strchr(text, '\n');
    return end ? (size_t)(end - text) : strlen(text);
}

/* The error of a line gets its number; all but lack of memory is damage. */
static int32_t number_error(int32_t status, size_t number)
{
    char text[ATTN__ERROR_TEXT_MAX];
    if (status == ATTN_ERR_NOMEM)
        return status;
    attn__error_get(text, sizeof text);
    return attn__error_set(ATTN_ERR_SYNTAX, "line %zu of the wisdom: %s", number, text);
}

static int32_t import_all(struct import *in, const char *text)
{
    int32_t first = ATTN_OK;
    char said[ATTN__ERROR_TEXT_MAX];
    for (size_t number = 1; *text; number++) {
        size_t len = line_length(text);
        int32_t status = import_line(in, text, len);
        if (status == ATTN_ERR_NOMEM)
            return status;
        if (status != ATTN_OK && first == ATTN_OK) {
            first = number_error(status, number);
            attn__error_get(said, sizeof said);
        }
        text += len + (text[len] == '\n');
    }
    return first == ATTN_OK ? ATTN_OK : attn__error_set(first, "%s", said);
}

int32_t attn_wisdom_import(attn_ctx *ctx, const char *text, size_t *taken, size_t *skipped)
{
    ATTN__CHECK_POINTER(ctx);
    ATTN__CHECK_POINTER(text);
    struct import in = {.ctx = ctx, .room = 1};
    for (const char *at = text; *at; at += line_length(at) + (at[line_length(at)] == '\n'))
        in.room = line_length(at) >= in.room ? line_length(at) + 1 : in.room;
    /* Longer ones are refused by their length. */
    if (in.room > ATTN__TEXT_MAX + 2)
        in.room = ATTN__TEXT_MAX + 2;
    in.problem = attn__mem_alloc(&ctx->mem, 2 * in.room, 1);
    int32_t status = in.problem ? import_all(&in, text) : ATTN_ERR_NOMEM;
    attn__mem_free(&ctx->mem, in.problem, 2 * in.room);
    if (taken)
        *taken = in.taken;
    if (skipped)
        *skipped = in.skipped;
    return status;
}
