/* SPDX-License-Identifier: MIT */
/*
 * Formats a log line on the stack and hands it to the hook. The built-in logger writes each line
 * with one system call, so lines of several threads do not mix and stdio's locks stay out of it.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/size_first.h"

enum { LINE_MAX_BYTES = 1024 };

static const char *const level_names[] = {
    [ATTN_LOG_SILENT] = "silent", [ATTN_LOG_ERROR] = "error", [ATTN_LOG_WARNING] = "warning",
    [ATTN_LOG_INFO] = "info",     [ATTN_LOG_TRACE] = "trace",
};

static void stderr_log(int32_t level, const char *line)
{
    char text[LINE_MAX_BYTES + 32];
    int len = snprintf(text, sizeof text, "attn: %s: %s\n", level_names[level], line);

    /* Nobody can be told that stderr is gone. */
    if (len > 0 && write(STDERR_FILENO, text, (size_t)len) < 0)
        return;
}

void attn__log_init(struct attn__log *log)
{
    const char *text = secure_getenv("ATTN_LOG");

    *log = (struct attn__log){.level = ATTN_LOG_WARNING, .stderr_level = ATTN_LOG_SILENT};
    for (int32_t i = ATTN_LOG_ERROR; text && i <= ATTN_LOG_TRACE; i++) {
        if (strcmp(text, level_names[i]) == 0)
            log->stderr_level = i;
    }
}

int32_t attn__log_hook(struct attn__log *log, const attn_logger *user)
{
    attn_logger hook = {0};

    if (user) {
        int32_t status = attn__size_first_copy(&hook, sizeof hook, user, "logger");
        if (status != ATTN_OK)
            return status;
        if (!hook.log)
            return attn__error_set(ATTN_ERR_NULL, "logger.log is NULL, expected a function");
    }
    log->hook = hook;
    return ATTN_OK;
}

bool attn__log_wants(const struct attn__log *log, int32_t level)
{
    return level <= (log->hook.log ? log->level : log->stderr_level);
}

void attn__log_line(const struct attn__log *log, int32_t level, const char *fmt, ...)
{
    if (!attn__log_wants(log, level))
        return;

    int saved = errno;
    char line[LINE_MAX_BYTES];
    va_list ap;

    va_start(ap, fmt);
    attn__error_vformat(line, sizeof line, fmt, ap);
    va_end(ap);
    if (log->hook.log)
        log->hook.log(log->hook.user, level, line);
    else
        stderr_log(level, line);
    errno = saved;
}
