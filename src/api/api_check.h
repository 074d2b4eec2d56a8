/* SPDX-License-Identifier: MIT */
/*
 * The check that nearly every public function begins with.
 */
#ifndef ATTN_API_API_CHECK_H
#define ATTN_API_API_CHECK_H

#include "base/error.h"

/* Returns from the calling function with ATTN_ERR_NULL. */
#define ATTN__CHECK_POINTER(argument)                                         \
    do {                                                                      \
        if (!(argument))                                                      \
            return attn__error_set(ATTN_ERR_NULL,                             \
                                   "%s is NULL, expected a valid pointer",    \
                                   #argument);                                \
    } while (0)

#endif
