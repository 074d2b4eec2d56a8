/* SPDX-License-Identifier: MIT */
/* The per-thread error text: storing, cutting, reading, and threads that do not see each other. */
#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "unit.h"

START_TEST(empty_text)
{
    char buf[4] = "xyz";

    attn__error_clear();
    ck_assert_uint_eq(attn__error_get(NULL, 0), 1);
    ck_assert_uint_eq(attn__error_get(buf, sizeof buf), 1);
    ck_assert_str_eq(buf, "");
}
END_TEST

START_TEST(set_returns_status_and_keeps_errno)
{
    char buf[64];

    errno = EDOM;
    ck_assert_int_eq(attn__error_set(ATTN_ERR_SHAPE, "k.shape[2] is %d, expected %d", 7, 8),
                     ATTN_ERR_SHAPE);
    ck_assert_int_eq(errno, EDOM);
    ck_assert_uint_eq(attn__error_get(buf, sizeof buf), 28);
    ck_assert_str_eq(buf, "k.shape[2] is 7, expected 8");
}
END_TEST

START_TEST(get_cuts_to_the_buffer)
{
    char buf[8];

    attn__error_set(ATTN_ERR_INVALID, "abcdefgh");
    for (size_t len = 1; len <= sizeof buf; len++) {
        memset(buf, '#', sizeof buf);
        ck_assert_uint_eq(attn__error_get(buf, len), 9);
        ck_assert_uint_eq(strlen(buf), len - 1);
        ck_assert_int_eq(strncmp(buf, "abcdefgh", len - 1), 0);
        for (size_t i = len; i < sizeof buf; i++)
            ck_assert_int_eq(buf[i], '#');
    }

    /* U+00E9 takes two bytes; half of one would be no text any more. */
    attn__error_set(ATTN_ERR_INVALID, "a\xC3\xA9");
    ck_assert_uint_eq(attn__error_get(buf, 3), 4);
    ck_assert_str_eq(buf, "a");
    ck_assert_uint_eq(attn__error_get(buf, 4), 4);
    ck_assert_str_eq(buf, "a\xC3\xA9");
}
END_TEST

START_TEST(long_text_is_marked)
{
    char text[2000];
    char buf[ATTN__ERROR_TEXT_MAX + 8];

    for (size_t pad = 0; pad < 4; pad++) {
        size_t n = 0;
        while (n < pad)
            text[n++] = '-';
        while (n + 4 < sizeof text) {
            memcpy(text + n, "\xF0\x9F\x98\x80", 4);
            n += 4;
        }
        text[n] = '\0';
        attn__error_set(ATTN_ERR_INVALID, "%s", text);

        size_t need = attn__error_get(buf, sizeof buf);
        size_t kept = need - 4; /* less "..." and NUL */
        ck_assert_uint_le(need, ATTN__ERROR_TEXT_MAX);
        ck_assert_uint_gt(need, ATTN__ERROR_TEXT_MAX - 5);
        ck_assert_str_eq(buf + kept, "...");
        ck_assert_uint_eq((kept - pad) % 4, 0);
        ck_assert_int_eq(memcmp(buf, text, kept), 0);
    }
}
END_TEST

static void *other_thread(void *arg)
{
    char buf[32];

    ck_assert_uint_eq(attn__error_get(buf, sizeof buf), 1);
    attn__error_set(ATTN_ERR_NULL, "theirs %d", *(int *)arg);
    attn__error_get(buf, sizeof buf);
    ck_assert_str_eq(buf, "theirs 5");
    return NULL;
}

START_TEST(threads_are_apart)
{
    char buf[32];
    int number = 5;
    pthread_t id;

    attn__error_set(ATTN_ERR_NULL, "ours");
    ck_assert_int_eq(pthread_create(&id, NULL, other_thread, &number), 0);
    pthread_join(id, NULL);
    attn__error_get(buf, sizeof buf);
    ck_assert_str_eq(buf, "ours");
}
END_TEST

UNIT_MAIN("error", empty_text, set_returns_status_and_keeps_errno, get_cuts_to_the_buffer,
          long_text_is_marked, threads_are_apart)
