/* SPDX-License-Identifier: MIT */
/*
 * Log lines for the caller's logger, or for stderr when the environment
 * variable ATTN_LOG asks for them. Only a thread that entered the library
 * through its API logs, never a worker: hooks in other languages could
 * deadlock on a lock that the waiting API thread holds.
 */
#ifndef ATTN_BASE_LOG_H
#define ATTN_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <attn/attn.h>

struct attn__log {
    attn_logger hook;     /* log is NULL for the built-in logger */
    int32_t level;        /* ATTN_LOG_*, what the hook gets; may be set */
    int32_t stderr_level; /* from ATTN_LOG, what the built-in logger writes */
};

/* The built-in logger: ATTN_LOG is error, warning, info or trace; silent if
 * it is unset or anything else. The level for a hook is warning. */
void attn__log_init(struct attn__log *log);

/* Takes over the caller's logger, or with NULL goes back to the built-in
 * one; log stays untouched on failure. */
int32_t attn__log_hook(struct attn__log *log, const attn_logger *user);

/* False if a line of that level would be dropped. */
bool attn__log_wants(const struct attn__log *log, int32_t level);

/* level is ATTN_LOG_ERROR to ATTN_LOG_TRACE. Formats only what is wanted;
 * does not allocate; keeps errno. */
void attn__log_line(const struct attn__log *log, int32_t level,
                    const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
