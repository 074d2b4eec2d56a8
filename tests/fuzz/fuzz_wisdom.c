/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as wisdom. In them '@' stands for the three fields that tell this
 * machine and build, so that the corpus holds anywhere. What was taken must
 * come out as a text that is taken whole and comes out again the same, and
 * every plan made from it must be one that can be made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "cpu/cpu.h"
#include "fuzz.h"

static const char *machine(void)
{
    static char text[128];
    snprintf(text, sizeof text, " | %s | c | %s | ", attn__cpu_get()->model, attn_version_text());
    return text;
}

static char *expand(const uint8_t *data, size_t size)
{
    size_t marks = 0, n = 0, len = strlen(machine());
    for (size_t i = 0; i < size; i++)
        marks += data[i] == '@';
    char *text = malloc(size + marks * len + 1);
    if (!text)
        abort();
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '@') {
            memcpy(text + n, machine(), len);
            n += len;
        } else {
            text[n++] = (char)data[i];
        }
    }
    text[n] = '\0';
    return text;
}

static char *export(attn_ctx *ctx)
{
    size_t needed;
    if (attn_wisdom_export(ctx, NULL, 0, &needed) != ATTN_OK)
        abort();
    char *text = malloc(needed);
    if (!text || attn_wisdom_export(ctx, text, needed, NULL) != ATTN_OK)
        abort();
    return text;
}

static size_t lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* A plan of the first line's problem takes up what the line says. */
static void plan_first(attn_ctx *ctx, const char *text)
{
    attn_desc *desc = NULL;
    attn_plan *plan = NULL;
    const char *line = strchr(text, '\n') + 1, *end = strstr(line, " | ");
    if (!end || end - line > 200) /* long lists take long */
        return;
    char *problem = strndup(line, (size_t)(end - line));
    if (!problem || attn_ctx_set_i64(ctx, ATTN_CTX_MAX_ISA, ATTN_ISA_C) != ATTN_OK ||
        attn_desc_parse(ctx, problem, &desc) != ATTN_OK ||
        attn_desc_set_i64(desc, ATTN_PARAM_EXECUTORS, 0) != ATTN_OK)
        abort();
    /* Sizes may be absurd. */
    int32_t status = attn_plan_create(ctx, desc, &plan);
    if (status != ATTN_OK && status != ATTN_ERR_OVERFLOW && status != ATTN_ERR_UNSUPPORTED &&
        status != ATTN_ERR_UNKNOWN_SOLVER)
        abort();
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    free(problem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    attn_ctx *first, *second;
    size_t taken, skipped;
    char *text = expand(data, size);
    if (attn_ctx_create(NULL, &first) != ATTN_OK || attn_ctx_create(NULL, &second) != ATTN_OK)
        abort();
    int32_t status = attn_wisdom_import(first, text, &taken, &skipped);
    if (status != ATTN_OK && status != ATTN_ERR_SYNTAX)
        abort();
    char *out = export(first);
    if (lines(out) > taken + 1 || (taken > 0 && lines(out) < 2))
        abort();
    if (attn_wisdom_import(second, out, &taken, &skipped) != ATTN_OK || skipped != 0 ||
        taken != lines(out) - 1)
        abort();
    char *again = export(second);
    if (strcmp(out, again) != 0)
        abort();
    if (taken > 0)
        plan_first(second, out);
    free(again);
    free(out);
    free(text);
    attn_ctx_destroy(first);
    attn_ctx_destroy(second);
    return 0;
}
