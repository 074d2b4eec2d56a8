/* SPDX-License-Identifier: MIT */
/*
 * Runs ONNX's operator vectors for Attention, FlexAttention and LinearAttention
 * through libattn:
 *
 *     conformance VECTORS EXCEPTIONS
 *
 * VECTORS is a folder with test_attention_NAME/{model.onnx,test_data_set_0/}
 * and test_flexattention..., test_linear_attention..., EXCEPTIONS a text file with lines
 * "test_attention_NAME reason". A vector
 * named there must fail; if it passes, the line is out of date and the run
 * fails. Other folders, and the "_expanded" ones, which hold the same data
 * with the operator written out in smaller ones, are not looked at.
 */
#include "onnx_attention.h"
#include "onnx_linear.h"

#include <attn/attn.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VECTORS = 1024, MAX_NAME = 160, MAX_LINE = 512 };

static char names[MAX_VECTORS][MAX_NAME];

/*
 * |found - expected| <= ABSOLUTE + RELATIVE * |expected|, for f16 as well: the
 * relative part is a little more than one unit in its last place, which is
 * what two correct roundings may differ by.
 */
#define RELATIVE 1e-3
#define ABSOLUTE 1e-5

static bool close_enough(double found, double expected)
{
    if (isnan(expected))
        return isnan(found);
    if (isinf(expected))
        return found == expected;
    return fabs(found - expected) <= ABSOLUTE + RELATIVE * fabs(expected);
}

static int compare(const char *what, const onnx_tensor *found, const onnx_tensor *expected,
                   char *err)
{
    bool same = found->present && found->rank == expected->rank;
    for (int32_t i = 0; same && i < found->rank; i++)
        same = found->shape[i] == expected->shape[i];
    if (!same) {
        snprintf(err, ONNX_ERROR_BYTES, "%s is missing or has another shape than expected", what);
        return -1;
    }
    for (int64_t i = 0; i < found->count; i++) {
        double f = onnx_tensor_get(found, i), e = onnx_tensor_get(expected, i);
        if (!close_enough(f, e)) {
            snprintf(err, ONNX_ERROR_BYTES, "%s[%lld] is %.9g, expected %.9g", what, (long long)i,
                     f, e);
            return -1;
        }
    }
    return 0;
}

static int check_vector(attn_ctx *ctx, const char *folder, const char *name, char *problem,
                        size_t len, char *err)
{
    static const char *const outputs[ONNX_OUTPUTS] = {"Y", "present_key", "present_value",
                                                      "qk_matmul_output"};
    char path[1024];
    onnx_attention model = {0};
    onnx_tensor in[ONNX_INPUTS] = {0}, out[ONNX_OUTPUTS] = {0}, expected = {0};

    problem[0] = 0;
    snprintf(path, sizeof path, "%s/%.159s/model.onnx", folder, name);
    int rc = onnx_model_read(path, &model, err);
    for (int s = 0; s < ONNX_INPUTS && rc == 0; s++)
        if (model.input[s] >= 0) {
            snprintf(path, sizeof path, "%s/%.159s/test_data_set_0/input_%d.pb", folder,
                     name, (int)model.input[s]);
            rc = onnx_tensor_read(path, &in[s], err);
        }
    if (rc == 0)
        rc = (model.linear ? onnx_linear_run : onnx_attention_run)(ctx, &model, in, out, problem,
                                                                   len, err);
    for (int s = 0; s < ONNX_OUTPUTS && rc == 0; s++)
        if (model.output[s] >= 0) {
            snprintf(path, sizeof path, "%s/%.159s/test_data_set_0/output_%d.pb", folder,
                     name, (int)model.output[s]);
            rc = onnx_tensor_read(path, &expected, err);
            if (rc == 0)
                rc = compare(model.linear && s == ONNX_OUT_STATE ? "present_state" : outputs[s],
                             &out[s], &expected, err);
            onnx_tensor_free(&expected);
        }
    for (int s = 0; s < ONNX_INPUTS; s++)
        onnx_tensor_free(&in[s]);
    for (int s = 0; s < ONNX_OUTPUTS; s++)
        onnx_tensor_free(&out[s]);
    onnx_model_free(&model);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool is_vector(const char *name)
{
    static const char *const prefixes[] = {"test_attention_", "test_flexattention",
                                           "test_linear_attention_"};
    static const char suffix[] = "_expanded";
    size_t len = strlen(name);
    if (len >= MAX_NAME ||
        (len > sizeof suffix && strcmp(name + len - (sizeof suffix - 1), suffix) == 0))
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* Fills `names` in order; returns how many, or -1. */
static int list_vectors(const char *folder)
{
    int n = 0;
    DIR *dir = opendir(folder);
    if (!dir) {
        perror(folder);
        return -1;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (!is_vector(e->d_name))
            continue;
        if (n == MAX_VECTORS) {
            fprintf(stderr, "%s: more than %d vectors\n", folder, MAX_VECTORS);
            closedir(dir);
            return -1;
        }
        strcpy(names[n++], e->d_name);
    }
    closedir(dir);
    qsort(names, (size_t)n, sizeof names[0], by_name);
    return n;
}

/* The reason written beside the name, or NULL. */
static const char *exception(FILE *f, const char *name, char line[MAX_LINE])
{
    rewind(f);
    while (fgets(line, MAX_LINE, f)) {
        size_t n = strcspn(line, " \t\n");
        line[strcspn(line, "\n")] = 0;
        if (line[0] != '#' && n == strlen(name) && strncmp(line, name, n) == 0)
            return line + n + strspn(line + n, " \t");
    }
    return NULL;
}

/* Exceptions that name no vector of the folder. */
static int stale_exceptions(FILE *f, int n)
{
    char line[MAX_LINE];
    int stale = 0;
    rewind(f);
    while (fgets(line, sizeof line, f)) {
        char name[MAX_NAME];
        if (line[0] == '#' || sscanf(line, "%159s", name) != 1)
            continue;
        if (!bsearch(name, names, (size_t)n, sizeof names[0], by_name)) {
            printf("FAIL %s: an exception for a vector that is not there\n", name);
            stale++;
        }
    }
    return stale;
}

int main(int argc, char **argv)
{
    attn_ctx *ctx;
    int passed = 0, known = 0;
    if (argc != 3) {
        fprintf(stderr, "usage: conformance VECTORS EXCEPTIONS\n");
        return 2;
    }
    int n = list_vectors(argv[1]);
    FILE *exceptions = fopen(argv[2], "r");
    if (n < 0 || !exceptions) {
        if (!exceptions)
            perror(argv[2]);
        return 2;
    }
    if (attn_ctx_create(NULL, &ctx) != ATTN_OK) {
        fprintf(stderr, "no context\n");
        return 2;
    }
    int failed = stale_exceptions(exceptions, n);
    for (int i = 0; i < n; i++) {
        char problem[512], err[ONNX_ERROR_BYTES], line[MAX_LINE];
        int rc = check_vector(ctx, argv[1], names[i], problem, sizeof problem, err);
        const char *reason = exception(exceptions, names[i], line);
        if (rc == 0 && !reason) {
            printf("PASS %s\n", names[i]);
            passed++;
        } else if (rc != 0 && reason) {
            printf("KNOWN %s: %s\n", names[i], reason);
            known++;
        } else if (rc == 0) {
            printf("FAIL %s: passes, but is listed as an exception (%s)\n", names[i], reason);
            failed++;
        } else {
            printf("FAIL %s: %s\n", names[i], err);
            if (problem[0])
                printf("     %s\n", problem);
            failed++;
        }
    }
    attn_ctx_destroy(ctx);
    fclose(exceptions);
    if (known > 0)
        printf("%d known exceptions\n", known);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}
