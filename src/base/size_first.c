/* SPDX-License-Identifier: MIT */
/*
 * The one rule for all hook structs: shorter than ours means the rest is zero, longer is accepted
 * as long as the part that we do not know is zero.
 */
#include "base/size_first.h"

#include <string.h>

#include "base/error.h"

int32_t attn__size_first_copy(void *dst, size_t dst_size, const void *src, const char *what)
{
    size_t size;

    memcpy(&size, src, sizeof size);
    /* A C struct that holds a size_t is a multiple of its alignment; anything else would cut a
     * pointer in half. */
    if (size < sizeof size || size > ATTN__SIZE_FIRST_MAX || size % _Alignof(size_t) != 0)
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s.size is %zu, expected sizeof(attn_%s), which is %zu here", what,
                               size, what, dst_size);

    const unsigned char *bytes = src;
    for (size_t i = dst_size; i < size; i++) {
        if (bytes[i] != 0)
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "%s.size is %zu and byte %zu is not zero, expected zeros after "
                                   "the %zu bytes that this version knows",
                                   what, size, i, dst_size);
    }

    size_t known = size < dst_size ? size : dst_size;
    memmove(dst, src, known);
    memset((unsigned char *)dst + known, 0, dst_size - known);
    memcpy(dst, &dst_size, sizeof dst_size);
    return ATTN_OK;
}
