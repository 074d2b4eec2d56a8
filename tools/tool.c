/* SPDX-License-Identifier: MIT */
/* Options, messages and contexts for every command of `attn`. */
#include "tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "problem/nearest.h"

enum { MAX_OPTIONS = 256, MOST_LEVELS = 64 };

static void print_message(const char *fmt, va_list ap)
{
    fputs("attn: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

int tool_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_message(fmt, ap);
    va_end(ap);
    return TOOL_USAGE;
}

int tool_failed(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_message(fmt, ap);
    va_end(ap);
    return TOOL_FAILED;
}

int tool_library(int32_t status)
{
    char text[1024];
    attn_last_error(text, sizeof text);
    fprintf(stderr, "attn: %s\n", text[0] ? text : attn_status_text(status));
    switch (status) {
    case ATTN_ERR_SYNTAX:
    case ATTN_ERR_UNKNOWN_NAME:
    case ATTN_ERR_UNKNOWN_PARAM:
    case ATTN_ERR_UNKNOWN_MECH:
    case ATTN_ERR_UNKNOWN_SOLVER:
        return TOOL_USAGE;
    default:
        return TOOL_FAILED;
    }
}

int tool_unknown(const char *what, const char *found, const char *const *names, size_t n)
{
    struct attn__nearest near;
    char quote[ATTN__QUOTE_MAX];
    size_t len = strlen(found);
    attn__nearest_start(&near, found, len);
    for (size_t i = 0; i < n; i++)
        attn__nearest_offer(&near, names[i]);
    attn__nearest_quote(quote, found, len);
    if (!near.best)
        return tool_usage("unknown %s '%s'", what, quote);
    return tool_usage("unknown %s '%s'; the nearest is '%s'", what, quote, near.best);
}

/* Equal up to n letters of `given`, with '-' taken as '_'. */
static bool same_name(const char *name, const char *given, size_t n)
{
    if (strlen(name) != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((name[i] == '-' ? '_' : name[i]) != (given[i] == '-' ? '_' : given[i]))
            return false;
    return true;
}

static int unknown_option(const char *given, size_t len, const tool_option *options, size_t n)
{
    char name[ATTN__QUOTE_MAX];
    const char *names[MAX_OPTIONS];
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name), given);
    for (size_t i = 0; i < n && i < MAX_OPTIONS; i++)
        names[i] = options[i].name;
    return tool_unknown("option", name, names, n < MAX_OPTIONS ? n : MAX_OPTIONS);
}

/* One option at argv[*at]; moves *at past a value that stands apart. */
static int parse_option(int argc, char **argv, int *at, tool_option *options, size_t n)
{
    const char *given = argv[*at] + 2;
    size_t len = strcspn(given, "=");
    size_t i = 0;
    while (i < n && !same_name(options[i].name, given, len))
        i++;
    if (i == n)
        return unknown_option(given, len, options, n);
    tool_option *o = &options[i];
    if (o->value)
        return tool_usage("--%s is given twice", o->name);
    if (!o->metavar) {
        if (given[len] == '=')
            return tool_usage("--%s takes no value, found '%s'", o->name, given + len + 1);
        o->value = "";
        return 0;
    }
    if (given[len] == '=') {
        o->value = given + len + 1;
        return 0;
    }
    if (*at + 1 >= argc)
        return tool_usage("--%s needs a value: %s", o->name, o->metavar);
    *at += 1;
    o->value = argv[*at];
    return 0;
}

int tool_parse(const char *command, int argc, char **argv, tool_option *options, size_t n,
               char **words)
{
    size_t room = 1, len = 0;
    for (int i = 1; i < argc; i++)
        room += strlen(argv[i]) + 1;
    char *text = malloc(room);
    if (!text)
        return tool_failed("no memory for the command line");

    int rc = 0;
    for (int i = 1; i < argc && rc == 0; i++) {
        size_t word = strlen(argv[i]);
        if (strncmp(argv[i], "--", 2) == 0) {
            rc = parse_option(argc, argv, &i, options, n);
        } else if (argv[i][0] == '-') {
            rc = unknown_option(argv[i] + 1, word - 1, options, n);
        } else if (!words) {
            rc = tool_usage("%s takes no words, found '%s'", command, argv[i]);
        } else {
            if (len > 0)
                text[len++] = ' ';
            memcpy(text + len, argv[i], word);
            len += word;
        }
    }
    text[len] = 0;
    if (rc != 0 || len == 0) {
        free(text);
        text = NULL;
    }
    if (words)
        *words = text;
    return rc;
}

void tool_print_options(const tool_option *options, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char left[48];
        if (!options[i].help)
            continue;
        snprintf(left, sizeof left, "--%s%s%s", options[i].name, options[i].metavar ? " " : "",
                 options[i].metavar ? options[i].metavar : "");
        printf("  %-20s %s\n", left, options[i].help);
    }
}

bool tool_number(const char *text, int64_t *value)
{
    char *end;
    if (!(text[0] >= '0' && text[0] <= '9'))
        return false;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || *end)
        return false;
    *value = v;
    return true;
}

static int set_isa(attn_ctx *ctx, const char *name)
{
    const char *names[MOST_LEVELS];
    size_t n = 0;
    int32_t isa;
    while (n < MOST_LEVELS && (isa = attn_isa_at(n)) >= 0) {
        const char *known = attn_isa_name(isa);
        if (strcmp(known, name) == 0) {
            int32_t status = attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, isa);
            return status == ATTN_OK ? 0 : tool_library(status);
        }
        names[n++] = known;
    }
    return tool_unknown("instruction set", name, names, n);
}

int tool_context(const char *threads, const char *isa, attn_ctx **ctx)
{
    int64_t n;
    int rc = 0;
    int32_t status = attn_ctx_create(NULL, ctx);
    if (status != ATTN_OK)
        return tool_library(status);
    if (threads) {
        if (!tool_number(threads, &n))
            rc = tool_usage("--threads is '%s', expected a number (0: all CPUs)", threads);
        else if ((status = attn_ctx_set_i64(*ctx, ATTN_CTX_THREADS, n)) != ATTN_OK)
            rc = tool_library(status);
    }
    if (isa && rc == 0)
        rc = set_isa(*ctx, isa);
    if (rc != 0) {
        attn_ctx_destroy(*ctx);
        *ctx = NULL;
    }
    return rc;
}

char *tool_text(tool_writer *write, const void *object, int32_t *status)
{
    size_t needed = 0;
    *status = write(object, NULL, 0, &needed);
    if (*status != ATTN_OK)
        return NULL;
    char *text = malloc(needed);
    if (!text) {
        *status = ATTN_ERR_NOMEM;
        return NULL;
    }
    *status = write(object, text, needed, &needed);
    if (*status != ATTN_OK) {
        free(text);
        return NULL;
    }
    return text;
}

void tool_print_text(const char *text)
{
    size_t n = strlen(text);
    fputs(text, stdout);
    if (n > 0 && text[n - 1] != '\n')
        putchar('\n');
}
