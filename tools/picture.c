/* SPDX-License-Identifier: MIT */
/* Cells to pixels and to rectangles. */
#include "picture.h"

#include <inttypes.h>
#include <string.h>

#include "png.h"

int32_t picture_scale(int64_t rows, int64_t columns, int32_t side)
{
    int64_t most = rows > columns ? rows : columns;
    int64_t scale = side / most;
    return scale < 1 ? 1 : (int32_t)scale;
}

static void line(const void *user, int32_t y, uint8_t *to)
{
    const picture *p = user;
    size_t width = (size_t)p->columns * (size_t)p->scale + 2;
    uint8_t frame = (uint8_t)(p->colors - 1);
    memset(to, frame, width);
    int64_t row = (y - 1) / p->scale;
    if (y == 0 || row >= p->rows)
        return;
    for (int64_t c = 0; c < p->columns; c++)
        memset(to + 1 + c * p->scale, p->cell[row * p->columns + c], (size_t)p->scale);
}

int picture_png(FILE *f, const picture *p)
{
    const png_image image = {.width = (int32_t)(p->columns * p->scale + 2),
                             .height = (int32_t)(p->rows * p->scale + 2),
                             .colors = p->colors,
                             .palette = p->palette,
                             .line = line,
                             .user = p};
    return png_write(f, &image);
}

static void put_text(FILE *f, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", f);
        else if (*text == '&')
            fputs("&amp;", f);
        else
            fputc(*text, f);
    }
}

static void put_color(FILE *f, const picture *p, int32_t color)
{
    const uint8_t *c = p->palette[color];
    fprintf(f, "fill=\"#%02x%02x%02x\"", c[0], c[1], c[2]);
}

/* Runs of cells of one colour, but for the ground. */
static void put_cells(FILE *f, const picture *p)
{
    for (int64_t r = 0; r < p->rows; r++) {
        const uint8_t *cell = p->cell + r * p->columns;
        for (int64_t c = 0, end; c < p->columns; c = end) {
            for (end = c + 1; end < p->columns && cell[end] == cell[c];)
                end++;
            if (cell[c] == 0)
                continue;
            fprintf(f, "<rect x=\"%" PRId64 "\" y=\"%" PRId64 "\" width=\"%" PRId64
                       "\" height=\"1\" ", c, r, end - c);
            put_color(f, p, cell[c]);
            fputs("/>\n", f);
        }
    }
}

int picture_svg(FILE *f, const picture *p)
{
    enum { LEFT = 30, TOP = 50, LINE = 20 };
    int64_t width = p->columns * p->scale, height = p->rows * p->scale;
    int64_t all = width > 560 ? width : 560; /* titles need some room */
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%" PRId64 "\" height=\"%" PRId64
               "\" font-family=\"sans-serif\" font-size=\"13\">\n",
            all + 2 * LEFT, height + TOP + LINE * (p->legends + 2));
    fputs("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n", f);
    fprintf(f, "<text x=\"%d\" y=\"%d\">", LEFT, LINE);
    put_text(f, p->title);
    fprintf(f, "</text>\n<text x=\"%d\" y=\"%d\">", LEFT, TOP - 6);
    put_text(f, p->below);
    fprintf(f, "</text>\n<text transform=\"translate(%d,%d) rotate(90)\">", LEFT - 16, TOP);
    put_text(f, p->beside);
    fprintf(f, "</text>\n<g transform=\"translate(%d,%d) scale(%" PRId32 ")\" "
               "shape-rendering=\"crispEdges\">\n<rect width=\"%" PRId64 "\" height=\"%" PRId64
               "\" ",
            LEFT, TOP, p->scale, p->columns, p->rows);
    put_color(f, p, 0);
    fputs("/>\n", f);
    put_cells(f, p);
    fprintf(f, "</g>\n<rect x=\"%d\" y=\"%d\" width=\"%" PRId64 "\" height=\"%" PRId64
               "\" fill=\"none\" stroke=\"#808080\"/>\n",
            LEFT, TOP, width, height);
    for (int32_t n = 0; n < p->legends; n++) {
        int64_t y = height + TOP + LINE * (n + 1);
        fprintf(f, "<rect x=\"%d\" y=\"%" PRId64 "\" width=\"12\" height=\"12\" "
                   "stroke=\"#808080\" ", LEFT, y - 11);
        put_color(f, p, p->legend[n].color);
        fprintf(f, "/>\n<text x=\"%d\" y=\"%" PRId64 "\">", LEFT + 20, y);
        put_text(f, p->legend[n].text);
        fputs("</text>\n", f);
    }
    fputs("</svg>\n", f);
    return ferror(f) ? -1 : 0;
}
