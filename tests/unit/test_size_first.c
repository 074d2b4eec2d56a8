/* SPDX-License-Identifier: MIT */
/* The size-first rule, with an older and a newer caller on either side of the library. */
#include "base/size_first.h"

#include <string.h>

#include "base/error.h"
#include "unit.h"

struct ours {
    size_t size;
    void *user;
    int64_t threads;
};

struct older {
    size_t size;
    void *user;
};

struct newer {
    struct ours known;
    int64_t more[3];
};

static struct ours poisoned(void)
{
    struct ours s;
    memset(&s, 0xAB, sizeof s);
    return s;
}

static void expect_untouched(const struct ours *s)
{
    struct ours poison = poisoned();
    ck_assert_mem_eq(s, &poison, sizeof poison);
}

START_TEST(same_age)
{
    struct ours src = {sizeof src, &src, 7}, dst = poisoned();

    ck_assert_int_eq(attn__size_first_copy(&dst, sizeof dst, &src, "hook"), ATTN_OK);
    ck_assert_mem_eq(&dst, &src, sizeof dst);
}
END_TEST

START_TEST(older_caller)
{
    struct older src = {sizeof src, &src};
    struct ours dst = poisoned();

    ck_assert_int_eq(attn__size_first_copy(&dst, sizeof dst, &src, "hook"), ATTN_OK);
    ck_assert_uint_eq(dst.size, sizeof dst);
    ck_assert_ptr_eq(dst.user, &src);
    ck_assert_int_eq(dst.threads, 0);

    size_t only_size = sizeof only_size;
    dst = poisoned();
    ck_assert_int_eq(attn__size_first_copy(&dst, sizeof dst, &only_size, "hook"), ATTN_OK);
    ck_assert_ptr_null(dst.user);
}
END_TEST

START_TEST(newer_caller)
{
    struct newer src = {{sizeof src, &src, 7}, {0, 0, 0}};
    struct ours dst = poisoned();

    ck_assert_int_eq(attn__size_first_copy(&dst, sizeof dst, &src, "hook"), ATTN_OK);
    ck_assert_uint_eq(dst.size, sizeof dst);
    ck_assert_int_eq(dst.threads, 7);

    for (size_t at = sizeof dst; at < sizeof src; at++) {
        unsigned char bytes[sizeof src];
        char text[ATTN__ERROR_TEXT_MAX];

        memcpy(bytes, &src, sizeof src);
        bytes[at] = 1;
        dst = poisoned();
        ck_assert_int_eq(attn__size_first_copy(&dst, sizeof dst, bytes, "hook"),
                         ATTN_ERR_UNSUPPORTED);
        expect_untouched(&dst);
        attn__error_get(text, sizeof text);
        ck_assert_ptr_nonnull(strstr(text, "hook.size is 48"));
    }
}
END_TEST

START_TEST(impossible_sizes)
{
    const size_t bad[] = {0, 1, 4, 7, 9, 12, 23, 4097, ATTN__SIZE_FIRST_MAX + 8, SIZE_MAX};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ours src = {bad[i], NULL, 0}, dst = poisoned();

        ck_assert_int_eq(attn__size_first_copy(&dst, sizeof dst, &src, "hook"), ATTN_ERR_INVALID);
        expect_untouched(&dst);
    }
}
END_TEST

UNIT_MAIN("size_first", same_age, older_caller, newer_caller, impossible_sizes)
