/* SPDX-License-Identifier: MIT */
/*
 * Version numbers (integers only: the build reads them from here) and the
 * export macro.
 */
#ifndef ATTN_VERSION_H
#define ATTN_VERSION_H

#include <stddef.h>
#include <stdint.h>

#define ATTN_VERSION_MAJOR 0
#define ATTN_VERSION_MINOR 1
#define ATTN_VERSION_PATCH 0

/* The number in the SONAME. 0 until the interface is frozen at 1.0. */
#define ATTN_ABI 0

/* One number that orders releases: 0x00MMmmpp. */
#define ATTN_VERSION \
    ((ATTN_VERSION_MAJOR << 16) | (ATTN_VERSION_MINOR << 8) | \
     ATTN_VERSION_PATCH)

#if defined(__GNUC__)
#define ATTN_API __attribute__((visibility("default")))
#else
#define ATTN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The version of the library in use, as ATTN_VERSION of its build: compare
 * with ATTN_VERSION to find a library older than the header. Never fails.
 * Any thread. Since 0.1.
 */
ATTN_API uint32_t attn_version(void);

/*
 * The same as text, "0.1.0". The string lives as long as the library. Any
 * thread. Since 0.1.
 */
ATTN_API const char *attn_version_text(void);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_VERSION_H */
