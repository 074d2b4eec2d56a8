/* SPDX-License-Identifier: MIT */
/*
 * A small fuzzer for compilers without one: takes inputs from corpora, changes
 * them at random and runs a target on them. Linked to one target's
 * LLVMFuzzerTestOneInput. It learns nothing from what it sees, so it finds
 * less than libFuzzer does, but it runs anywhere and repeats by its seed.
 *
 * usage: mutate --seed S --count N [--keep FILE] CORPUS...
 * --keep writes each input to FILE before it is run: after a crash it is there.
 */
#include "fuzz.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS_MAX = 1024, BYTES_MAX = 8192 };

struct input {
    size_t n;
    uint8_t *data;
};

static struct input inputs[INPUTS_MAX];
static size_t n_inputs;
static uint64_t state;

/* splitmix64 */
static uint64_t draw(uint64_t n)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

static int by_content(const void *a, const void *b)
{
    const struct input *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->data, y->data, n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

static int load(const char *path)
{
    DIR *dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    for (struct dirent *e; n_inputs < INPUTS_MAX && (e = readdir(dir)) != NULL;) {
        char name[4096];
        if (e->d_name[0] == '.' ||
            snprintf(name, sizeof name, "%s/%s", path, e->d_name) >= (int)sizeof name)
            continue;
        FILE *f = fopen(name, "rb");
        uint8_t *data = malloc(BYTES_MAX);
        if (!f || !data) {
            perror(name);
            exit(1);
        }
        inputs[n_inputs++] = (struct input){fread(data, 1, BYTES_MAX, f), data};
        fclose(f);
    }
    closedir(dir);
    return 0;
}

/* Changes data[n] in place, in room for BYTES_MAX; the new length. */
static size_t mutate(uint8_t *data, size_t n)
{
    static const uint8_t special[] = {0, 1, 0x7f, 0x80, 0xff, 0xf0, '\n', ' ', '=', ',', '-', '9'};
    size_t at = n ? (size_t)draw(n) : 0, len = 1 + (size_t)draw(8);
    const struct input *other = &inputs[draw(n_inputs)];
    switch (draw(7)) {
    case 0: /* a bit */
        if (n)
            data[at] ^= (uint8_t)(1u << draw(8));
        return n;
    case 1: /* a byte */
        if (n)
            data[at] = (uint8_t)draw(256);
        return n;
    case 2: /* a byte that means something */
        if (n)
            data[at] = special[draw(sizeof special)];
        return n;
    case 3: /* some bytes more */
        if (n + len > BYTES_MAX)
            return n;
        memmove(data + at + len, data + at, n - at);
        for (size_t i = 0; i < len; i++)
            data[at + i] = (uint8_t)draw(256);
        return n + len;
    case 4: /* some bytes less */
        len = len < n - at ? len : n - at;
        memmove(data + at, data + at + len, n - at - len);
        return n - len;
    case 5: /* another input's end */
        if (other->n == 0)
            return n;
        len = (size_t)draw(other->n);
        len = other->n - len < BYTES_MAX - at ? other->n - len : BYTES_MAX - at;
        memcpy(data + at, other->data + (other->n - len), len);
        return at + len;
    default: /* random bytes behind */
        len = len * 8 < BYTES_MAX - n ? len * 8 : BYTES_MAX - n;
        for (size_t i = 0; i < len; i++)
            data[n + i] = (uint8_t)draw(256);
        return n + len;
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, count = 1000;
    const char *keep = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--keep") == 0 && i + 1 < argc)
            keep = argv[++i];
        else if (load(argv[i]) != 0)
            return 1;
    }
    if (n_inputs == 0) {
        fprintf(stderr, "usage: mutate --seed S --count N [--keep FILE] CORPUS...\n");
        return 1;
    }
    /* Folders have no order of their own, and the seed shall tell all. */
    qsort(inputs, n_inputs, sizeof inputs[0], by_content);
    state = seed;
    for (uint64_t run = 0; run < count; run++) {
        static uint8_t data[BYTES_MAX];
        const struct input *from = &inputs[draw(n_inputs)];
        size_t n = from->n;
        memcpy(data, from->data, n);
        for (uint64_t times = 1 + draw(6); times > 0; times--)
            n = mutate(data, n);
        uint8_t *exact = malloc(n ? n : 1);
        if (!exact)
            return 1;
        memcpy(exact, data, n);
        if (keep) {
            FILE *f = fopen(keep, "wb");
            if (!f || fwrite(exact, 1, n, f) != n || fclose(f) != 0) {
                perror(keep);
                return 1;
            }
        }
        LLVMFuzzerTestOneInput(exact, n);
        free(exact);
    }
    for (size_t i = 0; i < n_inputs; i++)
        free(inputs[i].data);
    printf("%" PRIu64 " inputs made from %zu, seed %" PRIu64 "\n", count, n_inputs, seed);
    return 0;
}
