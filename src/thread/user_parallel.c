/* SPDX-License-Identifier: MIT */
/*
 * The caller's parallel-for. It is called flat, from whatever thread executes a plan, and from
 * several at once if several execute: what it does then is the caller's own policy.
 */
#include "base/error.h"
#include "base/size_first.h"
#include "thread/parallel.h"

#include <inttypes.h>

int32_t attn__user_parallel_init(attn_parallel *hook, const attn_parallel *user)
{
    attn_parallel copy = {0};

    if (user) {
        int32_t status = attn__size_first_copy(&copy, sizeof copy, user, "parallel");
        if (status != ATTN_OK)
            return status;
        if (!copy.run)
            return attn__error_set(ATTN_ERR_NULL, "parallel.run is NULL, expected a function");
        if (copy.threads < 1)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "parallel.threads is %" PRId64 ", expected 1 or more",
                                   copy.threads);
    }
    *hook = copy;
    return ATTN_OK;
}
