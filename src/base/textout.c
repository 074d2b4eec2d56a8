/* SPDX-License-Identifier: MIT */
/*
 * Writing text of unknown length into a buffer of known length.
 */
#include "base/textout.h"

#include <stdarg.h>
#include <string.h>

#include "base/error.h"

void attn__textout_start(struct attn__textout *out, char *buf, size_t len)
{
    *out = (struct attn__textout){.buf = buf, .len = len};
}

void attn__textout_put(struct attn__textout *out, const char *text, size_t n)
{
    if (out->used + 1 < out->len) {
        size_t room = out->len - 1 - out->used;
        memcpy(out->buf + out->used, text, n < room ? n : room);
    }
    out->used += n;
}

void attn__textout_printf(struct attn__textout *out, const char *fmt, ...)
{
    char part[256];
    va_list ap;

    va_start(ap, fmt);
    size_t n = attn__error_vformat(part, sizeof part, fmt, ap);
    va_end(ap);
    attn__textout_put(out, part, n);
}

void attn__textout_finish(struct attn__textout *out, size_t *needed)
{
    if (out->len > 0)
        out->buf[out->used < out->len ? out->used : out->len - 1] = '\0';
    if (needed)
        *needed = out->used + 1;
}
