/* SPDX-License-Identifier: MIT */
/*
 * Reading a caller's hook struct whose first member is its own size, so that
 * an application and a library of different ages understand each other.
 */
#ifndef ATTN_BASE_SIZE_FIRST_H
#define ATTN_BASE_SIZE_FIRST_H

#include <stddef.h>
#include <stdint.h>

/* No hook will ever be this large; a bigger size is an unset field. */
enum { ATTN__SIZE_FIRST_MAX = 4096 };

/* Copies the struct at src, which says its own size, over the dst_size bytes
 * at dst. Members the caller does not know become zero; members the library
 * does not know must be zero. The size written to dst is dst_size. dst stays
 * untouched on failure. `what` names the argument in messages. */
int32_t attn__size_first_copy(void *dst, size_t dst_size, const void *src,
                              const char *what);

#endif
