/* SPDX-License-Identifier: MIT */
/* Options as a table: name, kind, where the value goes, help. */
#include "bench_options.h"

#include <attn/attn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache_pairs.h"
#include "callbacks.h"
#include "routed.h"
#include "suites.h"

enum kind { FLAG, COUNT, SEED, SECONDS, TEXT, ISA, SUITE };

static const struct option {
    const char *name;
    const char *metavar; /* NULL: takes no value */
    const char *help;
    enum kind kind;
    size_t offset;
    int64_t least;
} table[] = {
#define AT(field) offsetof(bench_options, field)
    {"threads", "N", "threads of the context; 0: all CPUs (default 1)", COUNT, AT(threads), 0},
    {"suite", "NAME", "measure a suite; may be repeated", SUITE, 0, 0},
    {"all-solvers", NULL, "a row for every solver that accepts the problem", FLAG,
     AT(all_solvers), 0},
    {"random", "N", "N random shapes: is the planner's choice the fastest?", COUNT, AT(random), 1},
    {"seed", "S", "seed of the data and of the random shapes", SEED, AT(seed), 0},
    {"seconds", "T", "least time for a row (default 0.2)", SECONDS, AT(seconds), 0},
    {"k", "N", "keys where a problem has k=inf", COUNT, AT(k), 1},
    {"isa", "NAME", "highest instruction set to be used", ISA, AT(isa), 0},
    {"effort", "NAME", "how the choice is planned: estimate, measure, exhaustive", TEXT, AT(effort),
     0},
    {"huge", NULL, "2 MB pages for K and V", FLAG, AT(huge), 0},
    {"json", "FILE", "write the rows as a JSON array; -: to stdout, alone there", TEXT, AT(json),
     0},
    {"plot", "FILE", "write a bar chart (SVG)", TEXT, AT(plot), 0},
#undef AT
};

enum { OPTIONS = sizeof table / sizeof table[0] };

static void print_message(const char *fmt, va_list ap)
{
    fputs("attn-bench: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

int bench_failed(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_message(fmt, ap);
    va_end(ap);
    return BENCH_FAILED;
}

static int usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static int usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_message(fmt, ap);
    va_end(ap);
    return BENCH_USAGE;
}

static void help(void)
{
    puts("usage: attn-bench [OPTION...] [PROBLEM...]\n\n"
         "Measures problems, given as problem strings, against the limits of this machine.");
    for (int i = 0; i < OPTIONS; i++) {
        char left[40];
        snprintf(left, sizeof left, "--%s%s%s", table[i].name, table[i].metavar ? " " : "",
                 table[i].metavar ? table[i].metavar : "");
        printf("  %-16s %s\n", left, table[i].help);
    }
    fputs("suites:", stdout);
    for (size_t i = 0; bench_suite_name(i); i++)
        printf(" %s", bench_suite_name(i));
    puts("\n\nColumns: GF/s counts 2(D+Dv) operations per visible pair; GB/s the bytes of K and V\n"
         "that some row sees, once; fractions are of the f32 multiply-add peak probed around the\n"
         "row, of reading RAM with the pages K and V have, of a large sgemm, and of the speed of\n"
         "solver=gemm, all with the same number of threads.\n\n"
         "Recurrences: GF/s counts what chunks of 64 tokens need; GB/s of few tokens counts the\n"
         "states, read and written, and is compared with changing RAM.\n\n"
         "Suite " BENCH_ROUTED ": head gates and lists of blocks at random, and routers inside the "
         "plan,\nagainst the same attention in full: the ratio of times, and that over the share "
         "of the\nwork that is left.\n\n"
         "Suite " BENCH_CACHE ": attention from an attn_cache against something near it, of --k "
         "keys at most;\n/base is how many times as fast. Shared keys count for each sequence.\n\n"
         "Suite " BENCH_CALLBACKS ": ALiBi and windows as functions of the caller's, against the "
         "library's own.");
}

static int set_isa(const char *name, int32_t *isa)
{
    for (*isa = 0; *isa < 64; *isa += 1)
        if (attn_isa_name(*isa) && strcmp(attn_isa_name(*isa), name) == 0)
            return 0;
    return usage("--isa is '%s', expected the name of an instruction set", name);
}

static int set_suite(const char *name, bench_options *options)
{
    for (size_t i = 0; bench_suite_name(i); i++) {
        if (strcmp(bench_suite_name(i), name) == 0) {
            options->suites[options->n_suites++] = name;
            return 0;
        }
    }
    return usage("--suite is '%s', which is none (see --help)", name);
}

static int set_value(const struct option *o, const char *value, bench_options *options)
{
    void *at = (char *)options + o->offset;
    char *end = NULL;
    errno = 0;
    switch (o->kind) {
    case FLAG:
        *(bool *)at = true;
        return 0;
    case COUNT:
        *(int64_t *)at = strtoll(value, &end, 10);
        if (errno || end == value || *end || *(int64_t *)at < o->least)
            return usage("--%s is '%s', expected a whole number from %" PRId64, o->name, value,
                         o->least);
        return 0;
    case SEED:
        *(uint64_t *)at = strtoull(value, &end, 0);
        options->seed_given = true;
        if (errno || end == value || *end)
            return usage("--%s is '%s', expected a whole number", o->name, value);
        return 0;
    case SECONDS:
        *(double *)at = strtod(value, &end);
        if (errno || end == value || *end || !(*(double *)at >= 0 && *(double *)at <= 3600))
            return usage("--%s is '%s', expected a number from 0 to 3600", o->name, value);
        return 0;
    case TEXT:
        *(const char **)at = value;
        return 0;
    case ISA:
        return set_isa(value, at);
    default:
        return set_suite(value, options);
    }
}

/* The option at argv[*i]; moves *i past a value that stands apart. */
static int parse_one(int argc, char **argv, int *i, bench_options *options)
{
    const char *given = argv[*i] + 2;
    size_t len = strcspn(given, "=");
    for (const struct option *o = table; o < table + OPTIONS; o++) {
        if (strlen(o->name) != len || strncmp(o->name, given, len) != 0)
            continue;
        if (!o->metavar && given[len])
            return usage("--%s takes no value, found '%s'", o->name, given + len + 1);
        if (!o->metavar)
            return set_value(o, NULL, options);
        if (given[len])
            return set_value(o, given + len + 1, options);
        if (*i + 1 >= argc)
            return usage("--%s needs a value: %s", o->name, o->metavar);
        *i += 1;
        return set_value(o, argv[*i], options);
    }
    return usage("unknown option '%s' (see --help)", argv[*i]);
}

int bench_options_parse(int argc, char **argv, bench_options *options, bool *done)
{
    int rc = 0;
    *options = (bench_options){.threads = -1, .seed = 1, .seconds = 0.2, .isa = -1};
    *done = false;
    options->suites = calloc((size_t)argc, sizeof(char *));
    options->problems = calloc((size_t)argc, sizeof(char *));
    if (!options->suites || !options->problems)
        return bench_failed("no memory for the command line");
    for (int i = 1; i < argc && rc == 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help();
            *done = true;
            return 0;
        }
        if (argv[i][0] == '-')
            rc = parse_one(argc, argv, &i, options);
        else
            options->problems[options->n_problems++] = argv[i];
    }
    if (rc == 0 && !options->random && !options->n_suites && !options->n_problems)
        rc = usage("nothing to measure: give a problem, --suite or --random (see --help)");
    if (rc == 0 && options->random && (options->n_suites || options->n_problems))
        rc = usage("--random makes its own problems: leave out --suite and problems");
    for (size_t i = 0; i < options->n_suites && rc == 0; i++)
        if ((strcmp(options->suites[i], BENCH_ROUTED) == 0 ||
             strcmp(options->suites[i], BENCH_CALLBACKS) == 0) &&
            (options->json || options->plot))
            rc = usage("--suite %s has a table of its own: leave out --json and --plot",
                       options->suites[i]);
    if (options->random && !options->seed_given)
        options->seed = (uint64_t)time(NULL);
    return rc;
}

void bench_options_free(bench_options *options)
{
    free(options->suites);
    free(options->problems);
}
