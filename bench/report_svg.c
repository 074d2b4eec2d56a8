/* SPDX-License-Identifier: MIT */
/*
 * A bar chart without scripts or fonts of its own. The axis ends at the
 * greatest value or at 1, whichever is more; the line at 1 is the limit. A
 * limit that is nowhere near has no bar: reading RAM where K and V come from a
 * cache, or either one where the other is what holds the problem up.
 */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "bench_options.h"

enum { LABEL = 430, PLOT = 480, ROW = 34, BAR = 12, TOP = 48, RIGHT = 60, AXIS = 30 };

static void write_text(FILE *f, const char *text)
{
    for (; *text; text++) {
        if (*text == '&')
            fputs("&amp;", f);
        else if (*text == '<')
            fputs("&lt;", f);
        else
            fputc(*text, f);
    }
}

static bool is_limit(double value)
{
    return isfinite(value) && value >= 0.05;
}

static double of_bandwidth(const bench_row *r)
{
    return r->cached ? NAN : r->of_bandwidth;
}

static void write_bar(FILE *f, double value, double axis, int y, const char *colour)
{
    if (!is_limit(value))
        return;
    double width = PLOT * value / axis;
    fprintf(f, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", LABEL, y,
            width, BAR, colour);
    fprintf(f, "<text x=\"%.1f\" y=\"%d\" font-size=\"10\">%.2f</text>\n", LABEL + width + 4,
            y + BAR - 2, value);
}

static void write_chart(FILE *f, const bench_rows *rows)
{
    static const char peak[] = "#3b6ea5", read[] = "#d98c3f";
    double axis = 1;
    for (size_t i = 0; i < rows->n; i++) {
        const double both[2] = {rows->row[i].of_peak, of_bandwidth(&rows->row[i])};
        for (int j = 0; j < 2; j++)
            if (isfinite(both[j]))
                axis = fmax(axis, both[j]);
    }
    const int width = LABEL + PLOT + RIGHT, bottom = TOP + ROW * (int)rows->n;
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
               "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n",
            width, bottom + AXIS, width, bottom + AXIS);
    fprintf(f, "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n");
    fprintf(f, "<rect x=\"%d\" y=\"16\" width=\"%d\" height=\"%d\" fill=\"%s\"/>"
               "<text x=\"%d\" y=\"26\">of the multiply-add peak</text>\n",
            LABEL, BAR, BAR, peak, LABEL + 18);
    fprintf(f, "<rect x=\"%d\" y=\"16\" width=\"%d\" height=\"%d\" fill=\"%s\"/>"
               "<text x=\"%d\" y=\"26\">of the speed of reading RAM</text>\n",
            LABEL + 210, BAR, BAR, read, LABEL + 228);
    const double tick = axis <= 2 ? 0.25 : axis <= 5 ? 1 : 2;
    for (double t = 0; t <= axis + 1e-9; t += tick) {
        double x = LABEL + PLOT * t / axis;
        fprintf(f, "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"%s\"/>\n", x,
                TOP - 6, x, bottom, t == 1 ? "#333333" : "#dddddd");
        fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n", x, bottom + 18,
                t);
    }
    for (size_t i = 0; i < rows->n; i++) {
        const bench_row *r = &rows->row[i];
        int y = TOP + ROW * (int)i;
        fprintf(f, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" font-size=\"11\">", LABEL - 8,
                y + 12);
        write_text(f, r->problem);
        fprintf(f, "</text>\n<text x=\"%d\" y=\"%d\" text-anchor=\"end\" font-size=\"10\" "
                   "fill=\"#666666\">%s, %s, %d thread%s</text>\n",
                LABEL - 8, y + 24, r->solver, r->isa, (int)r->threads, r->threads == 1 ? "" : "s");
        write_bar(f, r->of_peak, axis, y, peak);
        write_bar(f, of_bandwidth(r), axis, is_limit(r->of_peak) ? y + BAR + 1 : y, read);
    }
    fputs("</svg>\n", f);
}

int bench_svg_write(const char *path, const bench_rows *rows)
{
    FILE *f = fopen(path, "w");
    if (!f)
        return bench_failed("%s: %s", path, strerror(errno));
    write_chart(f, rows);
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0)
        bad = true;
    return bad ? bench_failed("%s: cannot be written", path) : 0;
}
