/* SPDX-License-Identifier: MIT */
/*
 * CHECK for test programs that go on after a failure, to show what else fails:
 * it counts, and says what the library's last error was.
 */
#ifndef CHECK_THAT_H
#define CHECK_THAT_H

#include <stdio.h>
#include <stdlib.h>

#include <attn/attn.h>

enum { CHECK_MOST_FAILURES = 20 };

static int failures;

#define CHECK(condition) check_that((condition) != 0, __LINE__, #condition)

static inline void check_that(int holds, int line, const char *condition)
{
    char text[512];

    if (holds)
        return;
    attn_last_error(text, sizeof text);
    fprintf(stderr, "error: line %d: %s (last error: %s)\n", line, condition, text);
    if (++failures > CHECK_MOST_FAILURES)
        exit(EXIT_FAILURE);
}

#endif
