/* SPDX-License-Identifier: MIT */
/*
 * Writing pictures of few colours as PNG (RFC 2083): 8-bit palette, no other
 * library needed.
 */
#ifndef ATTN_TOOLS_PNG_H
#define ATTN_TOOLS_PNG_H

#include <stdint.h>
#include <stdio.h>

/* Largest width and height. */
enum { PNG_MAX_SIDE = 32768 };

typedef struct png_image {
    int32_t width, height;      /* 1 to PNG_MAX_SIDE */
    int32_t colors;             /* 1 to 256 */
    const uint8_t (*palette)[3]; /* red, green, blue */
    /* Fills line y: `width` numbers of colours. Lines are asked for once each,
     * from the top. */
    void (*line)(const void *user, int32_t y, uint8_t *to);
    const void *user;
} png_image;

/* 0, or -1 with errno set; a short file may be left then. */
int png_write(FILE *f, const png_image *image);

#endif
