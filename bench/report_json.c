/* SPDX-License-Identifier: MIT */
/* The rows for programs. Numbers that are none become null. */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "bench_options.h"

static void write_text(FILE *f, const char *name, const char *text)
{
    fprintf(f, "\"%s\": \"", name);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', f);
        fputc(*text, f); /* canonical problems hold no control characters */
    }
    fputc('"', f);
}

static void write_row(FILE *f, const bench_row *r, bool choice)
{
    const struct {
        const char *name;
        double value;
    } numbers[] = {
        {"ns_median", r->ns_median},
        {"ns_min", r->ns_min},
        {"gflops", r->gflops},
        {"gbps", r->gbps},
        {"of_peak", r->of_peak},
        {"of_bandwidth", r->of_bandwidth},
        {"of_sgemm", r->of_sgemm},
        {"of_materialised", r->of_materialised},
        {"skipped", r->skipped},
        {"speedup", r->speedup},
    };
    fputs("  {", f);
    write_text(f, "problem", r->problem);
    fputs(", ", f);
    write_text(f, "solver", r->solver);
    fputs(", ", f);
    write_text(f, "isa", r->isa);
    fprintf(f, ", \"threads\": %" PRId64, r->threads);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (isfinite(numbers[i].value))
            fprintf(f, ", \"%s\": %.6g", numbers[i].name, numbers[i].value);
        else
            fprintf(f, ", \"%s\": null", numbers[i].name);
    }
    if (choice)
        fprintf(f, ", \"chosen\": %s, \"of_best\": %.6g", r->chosen ? "true" : "false",
                r->of_best);
    fputc('}', f);
}

int bench_json_write(const char *path, const bench_rows *rows, bool choice)
{
    bool to_stdout = strcmp(path, "-") == 0;
    FILE *f = to_stdout ? stdout : fopen(path, "w");
    if (!f)
        return bench_failed("%s: %s", path, strerror(errno));
    fputs("[\n", f);
    for (size_t i = 0; i < rows->n; i++) {
        write_row(f, &rows->row[i], choice);
        fputs(i + 1 < rows->n ? ",\n" : "\n", f);
    }
    fputs("]\n", f);
    bool bad = fflush(f) != 0 || ferror(f);
    if (!to_stdout && fclose(f) != 0)
        bad = true;
    return bad ? bench_failed("%s: cannot be written", path) : 0;
}
