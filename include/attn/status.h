/* SPDX-License-Identifier: MIT */
/*
 * Status codes. One list gives the constants, their names and their texts;
 * numbers are pinned and grouped by theme with room to grow.
 */
#ifndef ATTN_STATUS_H
#define ATTN_STATUS_H

#include <attn/version.h>

/* X(name, value, text) */
#define ATTN_STATUS_LIST(X) \
    X(OK, 0, "success") \
    /* the call */ \
    X(ERR_INVALID, -1, "an argument has a value that is not allowed") \
    X(ERR_NULL, -2, "a required pointer is NULL") \
    X(ERR_STATE, -3, "the object is in a state that forbids the call") \
    X(ERR_UNSUPPORTED, -4, "a legal request that this build cannot serve") \
    X(ERR_NOMEM, -5, "the allocator returned NULL") \
    X(ERR_BUSY, -6, "the object is in use: workspaces, or an open step") \
    X(ERR_OVERFLOW, -7, "a size does not fit in 64 bits") \
    X(ERR_THREAD, -8, "a worker thread could not be started") \
    X(ERR_INTERNAL, -9, "a defect in the library") \
    /* tensors and other arguments of execute */ \
    X(ERR_DTYPE, -20, "a tensor has the wrong element type") \
    X(ERR_SHAPE, -21, "a tensor has the wrong shape") \
    X(ERR_STRIDE, -22, "a tensor has strides that are not allowed") \
    X(ERR_ROLE, -23, "a role is missing, doubled or not expected") \
    X(ERR_RANGE, -24, "a length, offset or index is out of range") \
    X(ERR_ALIGN, -25, "a pointer is not aligned as required") \
    X(ERR_WORKSPACE, -26, "the workspace is too small") \
    X(ERR_DATA, -27, "data that must be finite or bounded is not") \
    /* descriptors and problem strings */ \
    X(ERR_UNKNOWN_PARAM, -40, "no parameter has this number") \
    X(ERR_UNKNOWN_NAME, -41, "no parameter, role or value has this name") \
    X(ERR_SYNTAX, -42, "the problem string cannot be read") \
    X(ERR_UNKNOWN_MECH, -43, "no mechanism has this id") \
    X(ERR_UNKNOWN_SOLVER, -44, "no solver has this name") \
    X(ERR_UNSET, -45, "a parameter that is needed was not set") \
    /* caches */ \
    X(ERR_BAD_ID, -60, "no sequence has this handle") \
    X(ERR_FULL, -61, "the cache has too little room; try when some is free") \
    X(ERR_LIMIT, -62, "a sequence would become too long") \
    X(ERR_UNAVAILABLE, -63, "tokens are needed that a rule has dropped") \
    X(ERR_FORMAT, -64, "the bytes are of another kind or version") \
    X(ERR_MISMATCH, -65, "what was saved does not fit the object") \
    X(ERR_CORRUPT, -66, "the saved bytes are damaged")

enum {
#define ATTN_STATUS_ENUM(name, value, text) ATTN_##name = value,
    ATTN_STATUS_LIST(ATTN_STATUS_ENUM)
#undef ATTN_STATUS_ENUM
    /* One below every status; no function returns it. */
    ATTN_STATUS_END = -1000
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The constant's name, "ATTN_ERR_SHAPE", or "ATTN_ERR_?" for a number that
 * is no status. Static string, never NULL. Any thread. Since 0.1.
 */
ATTN_API const char *attn_status_name(int32_t status);

/*
 * One phrase in English, "a tensor has the wrong shape". Static string, never
 * NULL. Any thread. Since 0.1.
 */
ATTN_API const char *attn_status_text(int32_t status);

/*
 * Copies this thread's last error message into buf[len], cut to fit and
 * always NUL-terminated when len > 0 (buf may be NULL when len is 0).
 * Returns the bytes needed for the whole text with its NUL; 1 if this thread
 * has had no error. A successful call leaves the text as it is. Any thread;
 * each has its own text. Since 0.1.
 */
ATTN_API size_t attn_last_error(char *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_STATUS_H */
