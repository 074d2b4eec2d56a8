/* SPDX-License-Identifier: MIT */
/*
 * The version of the library in use.
 */
#include <attn/version.h>

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

uint32_t attn_version(void)
{
    return ATTN_VERSION;
}

const char *attn_version_text(void)
{
    return TEXT(ATTN_VERSION_MAJOR) "." TEXT(ATTN_VERSION_MINOR) "." TEXT(ATTN_VERSION_PATCH);
}
