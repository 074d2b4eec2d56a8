/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without a fuzzer: every file given, and every file in
 * each directory given, is one input. Linked to one target's
 * LLVMFuzzerTestOneInput, so that a corpus is also a unit test.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned long inputs;

static int run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t n = 0, room = 0;
    if (!f) {
        perror(path);
        return 1;
    }
    for (;;) {
        size_t want = room ? room * 2 : 4096;
        uint8_t *more = realloc(data, want);
        if (!more) {
            fprintf(stderr, "%s: no memory for %zu bytes\n", path, want);
            free(data);
            fclose(f);
            return 1;
        }
        data = more;
        room = want;
        n += fread(data + n, 1, room - n, f);
        if (n < room)
            break;
    }
    int bad = ferror(f);
    fclose(f);
    if (bad) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        return 1;
    }
    /* Cut the block to size: a read past the input then is an error that a
     * sanitizer sees. */
    uint8_t *exact = malloc(n ? n : 1);
    if (!exact) {
        fprintf(stderr, "%s: no memory for %zu bytes\n", path, n);
        free(data);
        return 1;
    }
    memcpy(exact, data, n);
    free(data);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    inputs++;
    return 0;
}

static int run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st)) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(st.st_mode))
        return run_file(path);

    int failed = 0;
    DIR *dir = opendir(path);
    if (!dir) {
        perror(path);
        return 1;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char sub[4096];
        if (e->d_name[0] == '.')
            continue;
        if (snprintf(sub, sizeof sub, "%s/%s", path, e->d_name) >= (int)sizeof sub) {
            fprintf(stderr, "%s/%s: the path is too long\n", path, e->d_name);
            failed = 1;
            continue;
        }
        failed |= run_path(sub);
    }
    closedir(dir);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= run_path(argv[i]);
    printf("%lu inputs\n", inputs);
    /* A corpus that is not there must not pass. */
    return failed || inputs == 0;
}
