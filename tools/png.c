/* SPDX-License-Identifier: MIT */
/*
 * Lines are stored as the difference to the one above, so that pictures made
 * of cells are mostly zeros, and packed by deflate (RFC 1951) with its fixed
 * codes: a byte by itself, or a run of the byte before it.
 */
#include "png.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32.h"

enum { LONGEST_RUN = 258, SHORTEST_RUN = 3, ADLER = 65521 };

/* The compressed data. */
struct packer {
    uint8_t *data;
    size_t n, room;
    int failed;
    uint32_t bits; /* not yet written, lowest first */
    int n_bits;
    uint32_t adler_a, adler_b;
    int last, run; /* the byte before, -1: none; how often it has come again */
};

static void put_byte(struct packer *p, unsigned byte)
{
    if (p->n == p->room) {
        size_t room = p->room ? 2 * p->room : 4096;
        uint8_t *data = room > p->room ? realloc(p->data, room) : NULL;
        if (!data) {
            p->failed = 1;
            return;
        }
        p->data = data;
        p->room = room;
    }
    p->data[p->n++] = (uint8_t)byte;
}

static void put_bits(struct packer *p, uint32_t value, int n)
{
    p->bits |= value << p->n_bits;
    for (p->n_bits += n; p->n_bits >= 8; p->n_bits -= 8) {
        put_byte(p, p->bits & 0xFF);
        p->bits >>= 8;
    }
}

/* Codes go out from their highest bit. */
static void put_code(struct packer *p, uint32_t code, int n)
{
    uint32_t turned = 0;
    for (int i = 0; i < n; i++)
        turned |= (code >> i & 1) << (n - 1 - i);
    put_bits(p, turned, n);
}

static void put_symbol(struct packer *p, uint32_t s)
{
    if (s < 144)
        put_code(p, 0x30 + s, 8);
    else if (s < 256)
        put_code(p, 0x190 + s - 144, 9);
    else if (s < 280)
        put_code(p, s - 256, 7);
    else
        put_code(p, 0xC0 + s - 280, 8);
}

/* `n` times the byte before: its length symbol, and distance 1. */
static void put_run(struct packer *p, int n)
{
    if (n == LONGEST_RUN) {
        put_symbol(p, 285);
    } else if (n < 11) {
        put_symbol(p, (uint32_t)(257 + n - 3));
    } else { /* four symbols for each number of further bits */
        int extra = 1;
        while ((n - 3) >> (extra + 3))
            extra++;
        int first = 3 + (4 << extra), step = (n - first) >> extra;
        put_symbol(p, (uint32_t)(261 + 4 * extra + step));
        put_bits(p, (uint32_t)(n - first - (step << extra)), extra);
    }
    put_code(p, 0, 5);
}

static void end_run(struct packer *p)
{
    if (p->run >= SHORTEST_RUN)
        put_run(p, p->run);
    else
        for (int i = 0; i < p->run; i++)
            put_symbol(p, (uint32_t)p->last);
    p->run = 0;
}

static void pack(struct packer *p, uint8_t byte)
{
    p->adler_a = (p->adler_a + byte) % ADLER;
    p->adler_b = (p->adler_b + p->adler_a) % ADLER;
    if (byte == p->last) {
        if (++p->run == LONGEST_RUN)
            end_run(p);
        return;
    }
    end_run(p);
    put_symbol(p, byte);
    p->last = byte;
}

/* zlib's wrapping (RFC 1950) of one block. */
static void begin(struct packer *p)
{
    *p = (struct packer){.adler_a = 1, .last = -1};
    put_byte(p, 0x78);
    put_byte(p, 0x01);
    put_bits(p, 1, 1); /* the last block */
    put_bits(p, 1, 2); /* of fixed codes */
}

static void end(struct packer *p)
{
    end_run(p);
    put_symbol(p, 256);
    put_bits(p, 0, (8 - p->n_bits) % 8);
    for (int shift = 8; shift >= 0; shift -= 8)
        put_byte(p, p->adler_b >> shift & 0xFF);
    for (int shift = 8; shift >= 0; shift -= 8)
        put_byte(p, p->adler_a >> shift & 0xFF);
}

static void big_endian(uint32_t x, uint8_t to[4])
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(x >> (24 - 8 * i));
}

static int chunk(FILE *f, const char *type, const void *data, size_t n)
{
    uint8_t length[4], sum[4];
    uint32_t crc = attn__crc32(0, type, 4);
    big_endian((uint32_t)n, length);
    big_endian(attn__crc32(crc, data, n), sum);
    return fwrite(length, 1, 4, f) == 4 && fwrite(type, 1, 4, f) == 4 &&
                   fwrite(data, 1, n, f) == n && fwrite(sum, 1, 4, f) == 4
               ? 0
               : -1;
}

static int pack_lines(const png_image *image, struct packer *p)
{
    size_t n = (size_t)image->width;
    uint8_t *lines = calloc(2, n), *line = lines, *above = lines ? lines + n : NULL;
    if (!lines)
        return -1;
    begin(p);
    for (int32_t y = 0; y < image->height; y++) {
        image->line(image->user, y, line);
        pack(p, 2); /* filter "up"; above the first line are zeros */
        for (size_t x = 0; x < n; x++)
            pack(p, (uint8_t)(line[x] - above[x]));
        uint8_t *other = above;
        above = line;
        line = other;
    }
    end(p);
    free(lines);
    return p->failed ? -1 : 0;
}

int png_write(FILE *f, const png_image *image)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    struct packer p = {0};
    uint8_t header[13] = {0};
    big_endian((uint32_t)image->width, header);
    big_endian((uint32_t)image->height, header + 4);
    header[8] = 8; /* bits */
    header[9] = 3; /* palette */
    if (pack_lines(image, &p)) {
        free(p.data);
        errno = ENOMEM;
        return -1;
    }
    if (p.n > INT32_MAX) {
        free(p.data);
        errno = EFBIG;
        return -1;
    }
    int rc = fwrite(signature, 1, 8, f) == 8 ? 0 : -1;
    rc = rc ? rc : chunk(f, "IHDR", header, sizeof header);
    rc = rc ? rc : chunk(f, "PLTE", image->palette, 3 * (size_t)image->colors);
    rc = rc ? rc : chunk(f, "IDAT", p.data, p.n);
    rc = rc ? rc : chunk(f, "IEND", "", 0);
    free(p.data);
    return rc;
}
