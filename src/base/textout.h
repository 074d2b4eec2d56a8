/* SPDX-License-Identifier: MIT */
/*
 * Text written into a caller's buffer of any length: what does not fit is
 * counted but not stored, so that one pass gives the text and its size.
 */
#ifndef ATTN_BASE_TEXTOUT_H
#define ATTN_BASE_TEXTOUT_H

#include <stddef.h>

struct attn__textout {
    char *buf;
    size_t len;  /* of buf, with the NUL */
    size_t used; /* bytes of the whole text so far, without a NUL */
};

/* buf may be NULL if len is 0. */
void attn__textout_start(struct attn__textout *out, char *buf, size_t len);

void attn__textout_put(struct attn__textout *out, const char *text, size_t n);

/* One call writes at most 255 bytes. */
void attn__textout_printf(struct attn__textout *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Terminates what is in the buffer; the bytes of the whole text and its NUL
 * go to *needed, which may be NULL. */
void attn__textout_finish(struct attn__textout *out, size_t *needed);

#endif
