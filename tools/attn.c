/* SPDX-License-Identifier: MIT */
/*
 * `attn`: libattn on the command line. Each command is one function in a
 * cmd_*.c file; stdout carries only what was asked for.
 */
#include "tool.h"

#include <stdio.h>
#include <string.h>

enum { COMMANDS = 5 };

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[COMMANDS] = {
    {"run", cmd_run, "compute a problem on .npy files"},
    {"explain", cmd_explain, "tell how a problem would be computed"},
    {"map", cmd_map, "draw what a problem computes, or its probabilities"},
    {"wisdom", cmd_wisdom, "measure a problem and keep what was found"},
    {"info", cmd_info, "tell about this machine and this build"},
};

static void print_help(void)
{
    printf("usage: attn COMMAND ...\n\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf("\nattn COMMAND --help tells more; attn --version prints the version.\n"
           "Exit status: 0 done, 1 the library or a file refused, 2 a wrong command line.\n");
}

static int dispatch(int argc, char **argv)
{
    const char *names[COMMANDS + 2];
    if (argc < 2)
        return tool_usage("a command is needed: run, explain, map, wisdom or info (attn --help)");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("attn %s\n", attn_version_text());
        return 0;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
        names[i] = commands[i].name;
    }
    names[COMMANDS] = "--help";
    names[COMMANDS + 1] = "--version";
    return tool_unknown(argv[1][0] == '-' ? "option" : "command", argv[1], names, COMMANDS + 2);
}

int main(int argc, char **argv)
{
    int rc = dispatch(argc, argv);
    /* A full disk or a closed pipe must not look like success. */
    if ((fflush(stdout) || ferror(stdout)) && rc == 0)
        rc = tool_failed("standard output cannot be written");
    return rc;
}
