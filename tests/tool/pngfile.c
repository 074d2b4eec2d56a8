/* SPDX-License-Identifier: MIT */
/*
 * Reads a palette PNG for test_map.sh, with a decoder of its own that knows
 * what tools/png.c writes: one deflate block of fixed codes.
 *
 *     pngfile FILE             prints WIDTH HEIGHT
 *     pngfile FILE X Y ...     prints the colour of each pixel, rrggbb
 *
 * Checks lengths, CRCs, Adler-32 and that nothing is missing or left over.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what)
{
    fprintf(stderr, "pngfile: %s\n", what);
    exit(1);
}

struct bits {
    const uint8_t *data;
    size_t n, at; /* at: bits */
};

static unsigned take(struct bits *b, int n)
{
    unsigned x = 0;
    for (int i = 0; i < n; i++, b->at++) {
        if (b->at / 8 >= b->n)
            die("the data ends early");
        x |= (unsigned)(b->data[b->at / 8] >> b->at % 8 & 1) << i;
    }
    return x;
}

/* Codes of 7 to 9 bits, highest first. */
static unsigned symbol(struct bits *b)
{
    unsigned code = 0;
    for (int n = 1; n <= 9; n++) {
        code = code << 1 | take(b, 1);
        if (n == 7 && code < 24)
            return 256 + code;
        if (n == 8 && code >= 0x30 && code < 0xC0)
            return code - 0x30;
        if (n == 8 && code >= 0xC0 && code < 0xC8)
            return 280 + code - 0xC0;
        if (n == 9)
            return 144 + code - 0x190;
    }
    return 0;
}

static void inflate(const uint8_t *in, size_t n_in, uint8_t *out, size_t n_out)
{
    static const int base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    struct bits b = {in, n_in, 16};
    size_t at = 0;
    if (n_in < 6 || in[0] != 0x78 || (in[0] * 256 + in[1]) % 31 != 0)
        die("no zlib header");
    if (take(&b, 1) != 1 || take(&b, 2) != 1)
        die("expected one block of fixed codes");
    for (unsigned s; (s = symbol(&b)) != 256;) {
        size_t count = 1;
        uint8_t byte = (uint8_t)s;
        if (s > 256) {
            int extra = s < 265 || s == 285 ? 0 : (int)(s - 261) / 4;
            count = (size_t)base[s - 257] + take(&b, extra);
            if (take(&b, 5) != 0 || at == 0)
                die("expected distance 1");
            byte = out[at - 1];
        }
        if (count > n_out - at)
            die("too much data");
        memset(out + at, byte, count);
        at += count;
    }
    uint32_t s1 = 1, s2 = 0, told = 0;
    for (size_t i = 0; i < at; i++) {
        s1 = (s1 + out[i]) % 65521;
        s2 = (s2 + s1) % 65521;
    }
    size_t end = (b.at + 7) / 8;
    if (at != n_out || end + 4 != n_in)
        die("the data has another length");
    for (size_t i = 0; i < 4; i++)
        told = told << 8 | in[end + i];
    if (told != (s2 << 16 | s1))
        die("wrong Adler-32");
}

static uint32_t crc(const uint8_t *p, size_t n)
{
    uint32_t x = ~0u;
    for (size_t i = 0; i < n; i++) {
        x ^= p[i];
        for (int k = 0; k < 8; k++)
            x = x >> 1 ^ (x & 1 ? 0xEDB88320u : 0);
    }
    return ~x;
}

static uint32_t number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct chunk {
    const uint8_t *data;
    size_t n;
};

int main(int argc, char **argv)
{
    static const char *const order[4] = {"IHDR", "PLTE", "IDAT", "IEND"};
    static uint8_t file[1 << 22];
    struct chunk c[4];
    FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!f)
        die("usage: pngfile FILE [X Y ...]");
    size_t n = fread(file, 1, sizeof file, f), at = 8;
    fclose(f);
    if (n < 8 || memcmp(file, "\x89PNG\r\n\x1A\n", 8) != 0)
        die("no PNG");
    for (int i = 0; i < 4; i++, at += 12 + c[i - 1].n) {
        if (n - at < 12 || memcmp(file + at + 4, order[i], 4) != 0)
            die("a chunk is missing or not in its place");
        c[i] = (struct chunk){file + at + 8, number(file + at)};
        if (c[i].n > n - at - 12 || crc(file + at + 4, c[i].n + 4) != number(c[i].data + c[i].n))
            die("wrong length or CRC of a chunk");
    }
    if (at != n || c[0].n != 13 || memcmp(c[0].data + 8, "\x08\x03\0\0\0", 5) != 0)
        die("expected 8 bits of a palette and nothing more");
    size_t w = number(c[0].data), h = number(c[0].data + 4), line = w + 1;
    uint8_t *pixels = malloc(h * line);
    if (!pixels)
        die("no memory");
    inflate(c[2].data, c[2].n, pixels, h * line);
    for (size_t y = 0; y < h; y++) {
        if (pixels[y * line] != 2)
            die("expected lines as differences");
        for (size_t x = 1; x < line && y > 0; x++)
            pixels[y * line + x] = (uint8_t)(pixels[y * line + x] + pixels[(y - 1) * line + x]);
    }
    if (argc == 2)
        printf("%zu %zu\n", w, h);
    for (int i = 2; i + 1 < argc; i += 2) {
        size_t x = strtoul(argv[i], NULL, 10), y = strtoul(argv[i + 1], NULL, 10);
        if (x >= w || y >= h || 3u * pixels[y * line + x + 1] >= c[1].n)
            die("no such pixel or colour");
        const uint8_t *rgb = c[1].data + 3 * pixels[y * line + x + 1];
        printf("%02x%02x%02x%s", rgb[0], rgb[1], rgb[2], i + 3 < argc ? " " : "\n");
    }
    free(pixels);
    return 0;
}
