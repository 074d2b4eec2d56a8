/* SPDX-License-Identifier: MIT */
/* `attn info`: version, machine, build, and the tables of the interface. */
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { OPT_HELP, OPT_PARAMS, OPT_ROLES, OPT_THREADS, OPT_ISA, OPTIONS };

static int32_t write_ctx(const void *ctx, char *buf, size_t len, size_t *needed)
{
    return attn_ctx_describe(ctx, buf, len, needed);
}

static void print_bound(int64_t v)
{
    if (v == ATTN_UNBOUNDED)
        printf("inf");
    else
        printf("%" PRId64, v);
}

static void print_values(int32_t param)
{
    int64_t least, greatest, word_value;
    double low, high;
    switch (attn_param_type(param)) {
    case ATTN_PARAM_TYPE_I64:
    case ATTN_PARAM_TYPE_I64S:
        if (attn_param_bounds_i64(param, &least, &greatest) == ATTN_OK) {
            print_bound(least);
            printf(" .. ");
            print_bound(greatest);
        }
        break;
    case ATTN_PARAM_TYPE_F64:
    case ATTN_PARAM_TYPE_F64S:
        if (attn_param_bounds_f64(param, &low, &high) == ATTN_OK)
            printf("%g .. %g", low, high);
        break;
    case ATTN_PARAM_TYPE_ENUM:
    case ATTN_PARAM_TYPE_SET:
        for (size_t i = 0; attn_param_word(param, i, &word_value); i++)
            printf("%s%s", i ? " " : "", attn_param_word(param, i, &word_value));
        break;
    default:
        break;
    }
}

static void print_params(void)
{
    static const char *const types[] = {"?",   "i64",  "bool", "enum", "set",
                                        "f64", "text", "i64s", "f64s"};
    printf("parameters:\n");
    for (size_t i = 0; attn_param_at(i) != 0; i++) {
        int32_t param = attn_param_at(i), type = attn_param_type(param);
        size_t known = type > 0 && type <= ATTN_PARAM_TYPE_F64S ? (size_t)type : 0;
        printf("  %4" PRId32 " %-13s %-5s ", param, attn_param_name(param), types[known]);
        print_values(param);
        printf("\n       %s\n", attn_param_help(param));
    }
}

static void print_roles(void)
{
    printf("roles:\n");
    for (size_t i = 0; attn_role_at(i) != 0; i++) {
        int32_t role = attn_role_at(i);
        printf("  %4" PRId32 " %-14s %s\n", role, attn_role_name(role),
               attn_role_is_output(role) ? "out" : "in");
    }
}

int cmd_info(int argc, char **argv)
{
    tool_option options[OPTIONS] = {
        [OPT_HELP] = {"help", NULL, "print this", NULL},
        [OPT_PARAMS] = {"params", NULL, "list the parameters of problems", NULL},
        [OPT_ROLES] = {"roles", NULL, "list the roles of tensors", NULL},
        [OPT_THREADS] = {"threads", "N", "as in attn run", NULL},
        [OPT_ISA] = {"isa", "NAME", "as in attn run", NULL},
    };
    attn_ctx *ctx;
    int32_t status;
    int rc = tool_parse("info", argc, argv, options, OPTIONS, NULL);
    if (rc != 0)
        return rc;
    if (options[OPT_HELP].value) {
        printf("usage: attn info [--params] [--roles]\n\n");
        tool_print_options(options, OPTIONS);
        return 0;
    }
    rc = tool_context(options[OPT_THREADS].value, options[OPT_ISA].value, &ctx);
    if (rc != 0)
        return rc;
    char *text = tool_text(write_ctx, ctx, &status);
    attn_ctx_destroy(ctx);
    if (!text)
        return tool_library(status);

    tool_print_text(text);
    free(text);
    printf("mechanisms:");
    for (size_t i = 0; attn_mech_at(i) != 0; i++)
        printf(" %s", attn_mech_name(attn_mech_at(i)));
    printf("\nsolvers:");
    for (size_t i = 0; attn_solver_at(i); i++)
        printf(" %s", attn_solver_at(i));
    printf("\n");
    if (options[OPT_PARAMS].value)
        print_params();
    if (options[OPT_ROLES].value)
        print_roles();
    return 0;
}
