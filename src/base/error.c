/* SPDX-License-Identifier: MIT */
/*
 * Per-thread error text. The buffer is plain data without a destructor: a thread that ends, or a
 * library that is unloaded, has nothing to run.
 */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char error_text[ATTN__ERROR_TEXT_MAX];

/* Steps back from `end` over a UTF-8 character that would be cut there. */
static size_t utf8_floor(const char *text, size_t end)
{
    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80)
        end--;
    return end;
}

size_t attn__error_vformat(char *buf, size_t len, const char *fmt, va_list ap)
{
    int full = vsnprintf(buf, len, fmt, ap);

    if (full < 0) {
        buf[0] = '\0';
        return 0;
    }
    if ((size_t)full < len)
        return (size_t)full;
    if (len < 4)
        return len - 1;

    size_t end = utf8_floor(buf, len - 4);
    memcpy(buf + end, "...", 4);
    return end + 3;
}

int32_t attn__error_set(int32_t status, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;

    va_start(ap, fmt);
    attn__error_vformat(error_text, sizeof error_text, fmt, ap);
    va_end(ap);
    errno = saved;
    return status;
}

size_t attn__error_get(char *buf, size_t len)
{
    size_t text = strlen(error_text);

    if (len > 0) {
        size_t end = text < len ? text : utf8_floor(error_text, len - 1);
        memcpy(buf, error_text, end);
        buf[end] = '\0';
    }
    return text + 1;
}

void attn__error_clear(void)
{
    error_text[0] = '\0';
}
