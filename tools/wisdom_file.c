/* SPDX-License-Identifier: MIT */
/* A file of wisdom into a context. */
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole file with a NUL; NULL with errno set. */
static char *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t n = 0, room = 0, got = 1;
    if (!f)
        return NULL;
    while (got > 0) {
        if (n + 1 >= room) {
            char *more = realloc(text, room = room ? 2 * room : 4096);
            if (!more) {
                errno = ENOMEM;
                break;
            }
            text = more;
        }
        got = fread(text + n, 1, room - n - 1, f);
        n += got;
    }
    int error = ferror(f) ? EIO : got > 0 ? ENOMEM : 0;
    fclose(f);
    if (error) {
        free(text);
        errno = error;
        return NULL;
    }
    text[n] = '\0';
    return text;
}

int tool_wisdom(attn_ctx *ctx, const char *path)
{
    if (!path)
        return 0;
    char *text = read_all(path);
    if (!text)
        return tool_failed("%s cannot be read: %s", path, strerror(errno));
    int32_t status = attn_wisdom_import(ctx, text, NULL, NULL);
    free(text);
    if (status != ATTN_ERR_SYNTAX)
        return status == ATTN_OK ? 0 : tool_library(status);
    /* The good lines were taken: that is worth going on with. */
    char said[512];
    attn_last_error(said, sizeof said);
    fprintf(stderr, "attn: %s: %s (left out)\n", path, said);
    return 0;
}
