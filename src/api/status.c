/* SPDX-License-Identifier: MIT */
/*
 * Names and texts of statuses, and the last error of this thread.
 */
#include <attn/status.h>

#include "base/error.h"

const char *attn_status_name(int32_t status)
{
    switch (status) {
#define NAME(name, value, text)                                                                    \
    case value:                                                                                    \
        return "ATTN_" #name;
        ATTN_STATUS_LIST(NAME)
#undef NAME
    default:
        return "ATTN_ERR_?";
    }
}

const char *attn_status_text(int32_t status)
{
    switch (status) {
#define PHRASE(name, value, text)                                                                  \
    case value:                                                                                    \
        return text;
        ATTN_STATUS_LIST(PHRASE)
#undef PHRASE
    default:
        return "no status has this number";
    }
}

size_t attn_last_error(char *buf, size_t len)
{
    return attn__error_get(buf, len);
}
