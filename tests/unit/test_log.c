/* SPDX-License-Identifier: MIT */
/* Log levels, the hook, and what the built-in logger writes to stderr under ATTN_LOG. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

struct record {
    int lines;
    int32_t level;
    char text[2048];
};

static void keep(void *user, int32_t level, const char *line)
{
    struct record *r = user;

    r->lines++;
    r->level = level;
    strcpy(r->text, line);
    errno = ERANGE;
}

START_TEST(hook_gets_wanted_lines)
{
    struct record r = {0};
    attn_logger hook = {sizeof hook, &r, keep};
    struct attn__log log;

    unsetenv("ATTN_LOG");
    attn__log_init(&log);
    ck_assert_int_eq(attn__log_hook(&log, &hook), ATTN_OK);
    for (int32_t limit = ATTN_LOG_SILENT; limit <= ATTN_LOG_TRACE; limit++) {
        log.level = limit;
        for (int32_t level = ATTN_LOG_ERROR; level <= ATTN_LOG_TRACE; level++) {
            r = (struct record){0};
            errno = EDOM;
            attn__log_line(&log, level, "n=%d", level);
            ck_assert_int_eq(errno, EDOM);
            ck_assert_int_eq(r.lines, level <= limit);
            ck_assert(attn__log_wants(&log, level) == (level <= limit));
            if (r.lines) {
                ck_assert_int_eq(r.level, level);
                ck_assert_int_eq(r.text[2], '0' + level);
            }
        }
    }
}
END_TEST

START_TEST(long_line_is_cut)
{
    struct record r = {0};
    attn_logger hook = {sizeof hook, &r, keep};
    struct attn__log log;
    char text[4000];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    attn__log_init(&log);
    ck_assert_int_eq(attn__log_hook(&log, &hook), ATTN_OK);
    attn__log_line(&log, ATTN_LOG_ERROR, "%s", text);
    ck_assert_uint_eq(strlen(r.text), 1023);
    ck_assert_str_eq(r.text + 1020, "...");
}
END_TEST

START_TEST(bad_hooks)
{
    struct record r = {0};
    attn_logger none = {sizeof none, &r, NULL};
    attn_logger zero_size = {0, &r, keep};
    struct attn__log log;

    attn__log_init(&log);
    ck_assert_int_eq(attn__log_hook(&log, &none), ATTN_ERR_NULL);
    ck_assert_int_eq(attn__log_hook(&log, &zero_size), ATTN_ERR_INVALID);
    ck_assert_ptr_null(log.hook.log);
}
END_TEST

/* What two lines leave on stderr when ATTN_LOG has that value. */
static void capture(const char *value, char *out, size_t len)
{
    struct attn__log log;
    int ends[2];
    int saved = dup(STDERR_FILENO);

    if (value)
        setenv("ATTN_LOG", value, 1);
    else
        unsetenv("ATTN_LOG");
    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    attn__log_init(&log);
    attn__log_line(&log, ATTN_LOG_WARNING, "first %d", 1);
    attn__log_line(&log, ATTN_LOG_INFO, "second");
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);

    size_t used = 0;
    ssize_t got;
    while ((got = read(ends[0], out + used, len - 1 - used)) > 0)
        used += (size_t)got;
    out[used] = '\0';
    close(ends[0]);
}

START_TEST(environment)
{
    static const struct {
        const char *value, *text;
    } cases[] = {
        {NULL, ""},
        {"error", ""},
        {"warning", "attn: warning: first 1\n"},
        {"info", "attn: warning: first 1\nattn: info: second\n"},
        {"trace", "attn: warning: first 1\nattn: info: second\n"},
        {"silent", ""},
        {"", ""},
        {"4", ""},
        {"TRACE", ""},
        {"trace ", ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256];
        capture(cases[i].value, text, sizeof text);
        ck_assert_str_eq(text, cases[i].text);
    }
}
END_TEST

UNIT_MAIN("log", hook_gets_wanted_lines, long_line_is_cut, bad_hooks, environment)
