/* SPDX-License-Identifier: MIT */
/*
 * A grid of coloured cells as a picture: PNG, or SVG with titles and a legend.
 */
#ifndef ATTN_TOOLS_PICTURE_H
#define ATTN_TOOLS_PICTURE_H

#include <stdint.h>
#include <stdio.h>

enum { PICTURE_COLORS = 256, PICTURE_LEGEND = 4 };

/* Cells of an SVG at most: each is an element of its own if no neighbour is like
 * it. */
enum { PICTURE_SVG_CELLS = 1 << 19 };

typedef struct picture {
    int64_t rows, columns; /* at least 1 */
    const uint8_t *cell;   /* [rows][columns], numbers of colours */
    int32_t colors;
    uint8_t palette[PICTURE_COLORS][3]; /* colour 0 is the ground */
    int32_t scale;                      /* pixels a side of a cell */
    const char *title, *below, *beside; /* of SVG: text; names of the axes */
    int32_t legends;
    struct {
        int32_t color;
        const char *text;
    } legend[PICTURE_LEGEND];
} picture;

/* The greatest scale that keeps both sides within `side` pixels, at least 1. */
int32_t picture_scale(int64_t rows, int64_t columns, int32_t side);

/* Each returns 0, or -1 with errno set. PNG: a frame of one pixel around the
 * cells, in the last colour; both sides within PNG_MAX_SIDE. */
int picture_png(FILE *f, const picture *p);
int picture_svg(FILE *f, const picture *p);

#endif
