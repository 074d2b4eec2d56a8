/* SPDX-License-Identifier: MIT */
/*
 * The last error of each thread: a status and the text that explains it.
 * The text sits in a fixed thread-local buffer, so reporting a failure can
 * not fail itself and leaves nothing behind for dlclose to clean up.
 */
#ifndef ATTN_BASE_ERROR_H
#define ATTN_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <attn/attn.h>

enum { ATTN__ERROR_TEXT_MAX = 512 };

/* Stores the text for this thread and returns status, so that a failing
 * function can end in `return attn__error_set(...)`. The text names the
 * argument, the value found and what was expected. */
int32_t attn__error_set(int32_t status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Copies this thread's text, cut to len bytes with the NUL, and returns the
 * bytes the whole text needs with its NUL. buf may be NULL if len is 0. */
size_t attn__error_get(char *buf, size_t len);

void attn__error_clear(void);

/* vsnprintf into len > 0 bytes; a text that does not fit ends in "..." and
 * is never cut inside a UTF-8 character. Returns the length without NUL. */
size_t attn__error_vformat(char *buf, size_t len, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));

#endif
