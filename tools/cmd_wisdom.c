/* SPDX-License-Identifier: MIT */
/*
 * `attn wisdom`: measures a problem and writes what was found, together with
 * what a file held before.
 */
#include "outfile.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_HELP, OPT_EFFORT, OPT_WISDOM, OPT_OUT, OPT_THREADS, OPT_ISA, OPTIONS };

static int measure(attn_ctx *ctx, const char *problem, const char *effort)
{
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    int32_t status = attn_desc_parse(ctx, problem, &desc);
    if (status == ATTN_OK)
        status = attn_desc_set_text(desc, ATTN_PARAM_EFFORT, effort ? effort : "measure");
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, desc, &plan);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    return status == ATTN_OK ? 0 : tool_library(status);
}

static int32_t write_wisdom(const void *ctx, char *buf, size_t len, size_t *needed)
{
    return attn_wisdom_export(ctx, buf, len, needed);
}

static int write_file(const char *path, const char *text)
{
    outfile out = {0};
    int rc = 0;
    if (outfile_open(&out, path) || fputs(text, out.file) == EOF || outfile_finish(&out) ||
        outfile_commit(&out))
        rc = tool_failed("%s cannot be written: %s", path, strerror(errno));
    outfile_release(&out);
    return rc;
}

static int write_out(attn_ctx *ctx, const char *path)
{
    int32_t status;
    char *text = tool_text(write_wisdom, ctx, &status);
    int rc = 0;
    if (!text)
        return tool_library(status);
    if (path)
        rc = write_file(path, text);
    else
        tool_print_text(text);
    free(text);
    return rc;
}

int cmd_wisdom(int argc, char **argv)
{
    tool_option options[OPTIONS] = {
        [OPT_HELP] = {"help", NULL, "print this", NULL},
        [OPT_EFFORT] = {"effort", "NAME", "measure (a second) or exhaustive (twenty); measure",
                        NULL},
        [OPT_WISDOM] = {"wisdom", "FILE", "begin with what this file holds", NULL},
        [OPT_OUT] = {"out", "FILE", "write to this file, which may be the same", NULL},
        [OPT_THREADS] = {"threads", "N", "as in attn run", NULL},
        [OPT_ISA] = {"isa", "NAME", "as in attn run", NULL},
    };
    char *problem = NULL;
    attn_ctx *ctx = NULL;
    int rc = tool_parse("wisdom", argc, argv, options, OPTIONS, &problem);
    if (rc != 0)
        return rc;
    if (options[OPT_HELP].value) {
        printf("usage: attn wisdom [PROBLEM] [--wisdom FILE] [--out FILE]\n\n"
               "Finds the fastest solvers of a problem by trying them out and writes the result\n"
               "as wisdom, which attn run and explain take with --wisdom FILE and programs with\n"
               "attn_wisdom_import. For example\n"
               "attn wisdom softmax h=32/8 q=2048 k=inf d=128 causal --out attn.wisdom\n\n");
        tool_print_options(options, OPTIONS);
        free(problem);
        return 0;
    }
    if (!problem && !options[OPT_WISDOM].value)
        rc = tool_usage("a problem is needed, such as \"softmax h=8 q=1 k=inf d=64\"");
    if (rc == 0)
        rc = tool_context(options[OPT_THREADS].value, options[OPT_ISA].value, &ctx);
    if (rc == 0)
        rc = tool_wisdom(ctx, options[OPT_WISDOM].value);
    if (rc == 0 && problem)
        rc = measure(ctx, problem, options[OPT_EFFORT].value);
    if (rc == 0)
        rc = write_out(ctx, options[OPT_OUT].value);
    attn_ctx_destroy(ctx);
    free(problem);
    return rc;
}
