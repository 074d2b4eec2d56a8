/* SPDX-License-Identifier: MIT */
/*
 * Makes small .npy files for test_tool.sh and compares what came out:
 *
 *     npyfile make FILE TYPE SHAPE VALUE...
 *     npyfile check FILE TYPE SHAPE TOLERANCE VALUE...
 *
 * TYPE is a NumPy type such as <f4 ("bf16" makes <u2 words), with F behind it
 * for Fortran order; SHAPE is 1,2,3 or - for a scalar. Values are in the order
 * of the file and start over when there are too few. f2 and bf16 values must
 * be exact in their type.
 */
#include "npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COUNT = 4096 };

static unsigned char data[MAX_COUNT * 8];

static uint16_t to_f16(double v)
{
    int e;
    double m = frexp(fabs(v), &e);
    uint16_t bits = v == 0 ? 0 : (uint16_t)((e + 14) << 10 | ((int)(m * 2048) - 1024));
    return signbit(v) ? (uint16_t)(bits | 0x8000) : bits;
}

static double from_f16(uint16_t bits)
{
    int e = (bits >> 10) & 31, m = bits & 1023;
    double v = e ? ldexp(m + 1024, e - 25) : ldexp(m, -24);
    return bits & 0x8000 ? -v : v;
}

static void store(int32_t kind, size_t i, double v)
{
    uint32_t word;
    float f = (float)v;
    switch (kind) {
    case NPY_F4:
        ((float *)data)[i] = f;
        break;
    case NPY_F8:
        ((double *)data)[i] = v;
        break;
    case NPY_F2:
        ((uint16_t *)data)[i] = to_f16(v);
        break;
    case NPY_I4:
        ((int32_t *)data)[i] = (int32_t)v;
        break;
    case NPY_I8:
        ((int64_t *)data)[i] = (int64_t)v;
        break;
    case NPY_U1:
    case NPY_B1:
        data[i] = (unsigned char)v;
        break;
    default: /* bf16 */
        memcpy(&word, &f, sizeof word);
        ((uint16_t *)data)[i] = (uint16_t)(word >> 16);
        break;
    }
}

static double load(const npy_array *a, size_t i)
{
    uint32_t word;
    float f;
    switch (a->header.kind) {
    case NPY_F4:
        return ((const float *)a->data)[i];
    case NPY_F8:
        return ((const double *)a->data)[i];
    case NPY_F2:
        return from_f16(((const uint16_t *)a->data)[i]);
    default:
        word = (uint32_t)((const uint16_t *)a->data)[i] << 16;
        memcpy(&f, &word, sizeof f);
        return f;
    }
}

/* "<f4", "<f4F", "bf16" -> kind and order; -1 if it is none. */
static int32_t parse_type(const char *text, bool *fortran)
{
    char buf[8];
    size_t n = strlen(text);
    if (strcmp(text, "bf16") == 0)
        return NPY_U2;
    if (n >= sizeof buf)
        return -1;
    memcpy(buf, text, n + 1);
    *fortran = n > 3 && buf[n - 1] == 'F';
    if (*fortran)
        buf[n - 1] = 0;
    for (int32_t k = 0; k < NPY_KINDS; k++)
        if (strcmp(npy_kind_descr(k), buf) == 0)
            return k;
    return -1;
}

static int32_t parse_shape(const char *text, int64_t *shape, size_t *count)
{
    int32_t rank = 0;
    *count = 1;
    if (strcmp(text, "-") == 0)
        return 0;
    while (rank < NPY_MAX_RANK) {
        char *end;
        shape[rank] = strtoll(text, &end, 10);
        *count *= (size_t)shape[rank++];
        if (*end != ',')
            break;
        text = end + 1;
    }
    return rank;
}

/* npy_write writes C order; the same bytes in Fortran order differ from that
 * in one word of the header. */
static int make_fortran(const char *path)
{
    char head[256];
    FILE *f = fopen(path, "r+b");
    size_t n = f ? fread(head, 1, sizeof head - 1, f) : 0;
    head[n] = 0;
    char *at = n > 10 ? strstr(head + 10, "False") : NULL;
    if (!at || fseek(f, at - head, SEEK_SET) || fwrite("True ", 1, 5, f) != 5)
        return 1;
    return fclose(f) != 0;
}

static int check(const char *path, int32_t kind, int32_t rank, const int64_t *shape, size_t count,
                 double tolerance, char **values, size_t n_values)
{
    char err[NPY_ERROR_BYTES];
    npy_array a;
    int wrong = 0;
    if (npy_read(path, &a, err)) {
        fprintf(stderr, "%s\n", err);
        return 1;
    }
    if (a.header.kind != kind || a.header.rank != rank ||
        memcmp(a.header.shape, shape, (size_t)rank * sizeof *shape) != 0) {
        fprintf(stderr, "%s: another type or shape than expected\n", path);
        wrong = 1;
    }
    for (size_t i = 0; i < count && !wrong; i++) {
        double found = load(&a, i), expected = strtod(values[i % n_values], NULL);
        if (!(found == expected || fabs(found - expected) <= tolerance)) {
            fprintf(stderr, "%s: element %zu is %.9g, expected %.9g\n", path, i, found, expected);
            wrong = 1;
        }
    }
    npy_array_free(&a);
    return wrong;
}

int main(int argc, char **argv)
{
    int64_t shape[NPY_MAX_RANK] = {0};
    size_t count = 0;
    bool fortran = false;
    bool making = argc > 5 && strcmp(argv[1], "make") == 0;
    bool checking = argc > 6 && strcmp(argv[1], "check") == 0;
    int32_t kind = making || checking ? parse_type(argv[3], &fortran) : -1;
    int32_t rank = kind >= 0 ? parse_shape(argv[4], shape, &count) : 0;
    if (kind < 0 || count > MAX_COUNT) {
        fprintf(stderr, "usage: see the head of npyfile.c\n");
        return 2;
    }
    if (checking)
        return check(argv[2], kind, rank, shape, count, strtod(argv[5], NULL), argv + 6,
                     (size_t)argc - 6);
    for (size_t i = 0; i < count; i++)
        store(kind, i, strtod(argv[5 + i % (size_t)(argc - 5)], NULL));
    FILE *f = fopen(argv[2], "wb");
    if (!f || npy_write(f, kind, rank, shape, data) || fclose(f)) {
        perror(argv[2]);
        return 1;
    }
    return fortran ? make_fortran(argv[2]) : 0;
}
