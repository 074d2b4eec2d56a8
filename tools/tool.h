/* SPDX-License-Identifier: MIT */
/*
 * What the commands of `attn` share: options, messages, exit codes, and the
 * context made from --threads and --isa.
 */
#ifndef ATTN_TOOLS_TOOL_H
#define ATTN_TOOLS_TOOL_H

#include <attn/attn.h>
#include <stdbool.h>
#include <stddef.h>

/* Exit codes: the library or a file refused; the command line is wrong. */
enum { TOOL_FAILED = 1, TOOL_USAGE = 2 };

/* One option. '-' and '_' in a name are the same. */
typedef struct tool_option {
    const char *name;
    const char *metavar; /* NULL: takes no value */
    const char *help;    /* NULL: not listed by tool_print_options */
    const char *value;   /* filled by tool_parse; NULL if not given */
} tool_option;

/*
 * Reads the arguments after the command's name. Options are --name VALUE or
 * --name=VALUE, each at most once; everything else is a word, and the words
 * joined by blanks come back in *words (to be freed; NULL if there are none,
 * or if words is NULL and so none are allowed). Returns 0 or an exit code,
 * after a message.
 */
int tool_parse(const char *command, int argc, char **argv,
               tool_option *options, size_t n, char **words);

/* Prints the table of options to stdout. */
void tool_print_options(const tool_option *options, size_t n);

/* Prints "attn: MESSAGE" to stderr; return the exit code named. */
int tool_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int tool_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Prints the library's last error. Errors of language (syntax, unknown
 * names) are the user's typing and give TOOL_USAGE, others TOOL_FAILED.
 */
int tool_library(int32_t status);

/* "unknown WHAT 'FOUND'; the nearest is 'NAME'" */
int tool_unknown(const char *what, const char *found,
                 const char *const *names, size_t n);

/* A whole decimal number, and nothing else. */
bool tool_number(const char *text, int64_t *value);

/* A context; threads and isa are option values, NULL for the default. */
int tool_context(const char *threads, const char *isa, attn_ctx **ctx);

/* Imports a file of wisdom; nothing if path is NULL. Damaged lines are told
 * of, but are no failure. */
int tool_wisdom(attn_ctx *ctx, const char *path);

/*
 * The text of a function that writes like attn_desc_print, in memory to be
 * freed; NULL on failure, with *status set.
 */
typedef int32_t tool_writer(const void *object, char *buf, size_t len,
                            size_t *needed);
char *tool_text(tool_writer *write, const void *object, int32_t *status);

/* Prints such a text to stdout and ends its last line. */
void tool_print_text(const char *text);

/* The commands. argv[0] is the command's name. */
int cmd_run(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_map(int argc, char **argv);
int cmd_wisdom(int argc, char **argv);
int cmd_info(int argc, char **argv);

#endif
