/* SPDX-License-Identifier: MIT */
/*
 * `attn explain`: plans a problem without data and tells what was decided,
 * for one pair of lengths in full and for all lengths as a table.
 */
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_HELP, OPT_Q, OPT_K, OPT_WISDOM, OPT_THREADS, OPT_ISA, OPTIONS };

/* Keys to describe when the problem sets no limit to them. */
enum { MANY_KEYS = 32768, MAX_SIZES = 64 };

struct lengths {
    const attn_plan *plan;
    int64_t q, k;
};

/* Lengths first[i] to last[i] are taken together. */
struct ranges {
    size_t n;
    int64_t first[MAX_SIZES], last[MAX_SIZES];
    bool open; /* the last one has no end */
};

static int32_t write_plan(const void *object, char *buf, size_t len, size_t *needed)
{
    const struct lengths *l = object;
    return attn_plan_describe(l->plan, l->q, l->k, buf, len, needed);
}


/* Cuts 1..most at the powers of two, where solvers change places if at all. */
static void cut(struct ranges *r, int64_t most, bool open)
{
    r->n = 0;
    r->open = open;
    for (int64_t first = 1, last = 1; first <= most; first = last + 1) {
        last = first == 1 ? 1 : first <= most / 2 ? 2 * (first - 1) : most;
        r->first[r->n] = first;
        r->last[r->n] = last;
        r->n++;
    }
}

static bool same_solver(const attn_plan *plan, int64_t q1, int64_t k1, int64_t q2, int64_t k2)
{
    const char *a = attn_plan_solver(plan, q1, k1), *b = attn_plan_solver(plan, q2, k2);
    return a && b && strcmp(a, b) == 0;
}

/* Joins neighbours for which the other length always gives one solver. */
static void join(const attn_plan *plan, struct ranges *r, const struct ranges *other, bool r_is_q)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        bool same = n > 0;
        for (size_t j = 0; j < other->n && same; j++) {
            int64_t o = other->last[j];
            same = r_is_q ? same_solver(plan, r->last[n - 1], o, r->last[i], o)
                          : same_solver(plan, o, r->last[n - 1], o, r->last[i]);
        }
        if (!same) {
            r->first[n] = r->first[i];
            n++;
        }
        r->last[n - 1] = r->last[i];
    }
    r->n = n;
}

static void print_range(const struct ranges *r, size_t i)
{
    char text[48];
    if (i + 1 == r->n && r->open)
        snprintf(text, sizeof text, "%" PRId64 "..inf", r->first[i]);
    else if (r->first[i] == r->last[i])
        snprintf(text, sizeof text, "%" PRId64, r->first[i]);
    else
        snprintf(text, sizeof text, "%" PRId64 "..%" PRId64, r->first[i], r->last[i]);
    printf(" %-14s", text);
}

static void print_table(const attn_plan *plan, int64_t q, int64_t k, bool k_open)
{
    struct ranges rows, columns;
    cut(&rows, q, false);
    cut(&columns, k, k_open);
    if (rows.n == 0 || columns.n == 0)
        return;
    join(plan, &rows, &columns, true);
    join(plan, &columns, &rows, false);
    printf("solvers by lengths (queries down, keys across):\n %14s", "");
    for (size_t j = 0; j < columns.n; j++)
        print_range(&columns, j);
    for (size_t i = 0; i < rows.n; i++) {
        printf("\n");
        print_range(&rows, i);
        for (size_t j = 0; j < columns.n; j++)
            printf(" %-14s", attn_plan_solver(plan, rows.last[i], columns.last[j]));
    }
    printf("\n");
}

/* A length from the option, or else the greatest the problem has. */
static int choose(const char *name, const char *given, int64_t most, int64_t *value)
{
    *value = most;
    if (given && !tool_number(given, value))
        return tool_usage("--%s is '%s', expected a number", name, given);
    return 0;
}

static int explain(attn_ctx *ctx, const attn_desc *desc, const tool_option *options)
{
    attn_plan *plan;
    int64_t q_most, k_most;
    struct lengths l;
    int32_t status = attn_plan_create(ctx, desc, &plan);
    if (status != ATTN_OK)
        return tool_library(status);
    l.plan = plan;
    status = attn_desc_get_i64(desc, ATTN_PARAM_Q, &q_most);
    if (status == ATTN_OK)
        status = attn_desc_get_i64(desc, ATTN_PARAM_K, &k_most);
    int rc = status == ATTN_OK ? 0 : tool_library(status);
    if (rc == 0) {
        bool open = k_most == ATTN_UNBOUNDED;
        if (open)
            k_most = q_most > MANY_KEYS ? q_most : MANY_KEYS;
        rc = choose("q", options[OPT_Q].value, q_most, &l.q);
        if (rc == 0)
            rc = choose("k", options[OPT_K].value, k_most, &l.k);
        char *text = rc == 0 ? tool_text(write_plan, &l, &status) : NULL;
        if (text) {
            tool_print_text(text);
            print_table(plan, q_most, k_most, open);
            free(text);
        } else if (rc == 0) {
            rc = tool_library(status);
        }
    }
    attn_plan_destroy(plan);
    return rc;
}

int cmd_explain(int argc, char **argv)
{
    tool_option options[OPTIONS] = {
        [OPT_HELP] = {"help", NULL, "print this", NULL},
        [OPT_Q] = {"q", "N", "query rows of the sequence to explain (the maximum)", NULL},
        [OPT_K] = {"k", "N", "its keys (the maximum; 32768, or q if that is more, for inf)", NULL},
        [OPT_WISDOM] = {"wisdom", "FILE", "as in attn run", NULL},
        [OPT_THREADS] = {"threads", "N", "as in attn run", NULL},
        [OPT_ISA] = {"isa", "NAME", "as in attn run", NULL},
    };
    char *problem = NULL;
    attn_ctx *ctx = NULL;
    attn_desc *desc = NULL;
    int rc = tool_parse("explain", argc, argv, options, OPTIONS, &problem);
    if (rc != 0)
        return rc;
    if (options[OPT_HELP].value) {
        printf("usage: attn explain PROBLEM [--q N] [--k N]\n\n"
               "Tells which solver runs the problem and why, for example\n"
               "attn explain softmax h=32/8 q=512 k=inf d=128 causal --q 1 --k 4096\n\n");
        tool_print_options(options, OPTIONS);
        free(problem);
        return 0;
    }
    if (!problem)
        return tool_usage("a problem is needed, such as \"softmax h=8 q=1 k=inf d=64\"");
    rc = tool_context(options[OPT_THREADS].value, options[OPT_ISA].value, &ctx);
    if (rc == 0)
        rc = tool_wisdom(ctx, options[OPT_WISDOM].value);
    if (rc == 0) {
        int32_t status = attn_desc_parse(ctx, problem, &desc);
        rc = status == ATTN_OK ? explain(ctx, desc, options) : tool_library(status);
    }
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
    free(problem);
    return rc;
}
