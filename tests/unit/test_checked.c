/* SPDX-License-Identifier: MIT */
/* Checked arithmetic at and around its limits. */
#include "base/checked.h"

#include "unit.h"

START_TEST(mul_i64)
{
    int64_t r = 42;

    ck_assert(attn__mul_i64(3000000000, 3000000000, &r));
    ck_assert_int_eq(r, INT64_C(9000000000000000000));
    ck_assert(attn__mul_i64(0, INT64_MIN, &r));
    ck_assert_int_eq(r, 0);
    ck_assert(attn__mul_i64(INT64_MIN, 1, &r));
    ck_assert(r == INT64_MIN);

    r = 42;
    ck_assert(!attn__mul_i64(INT64_MIN, -1, &r));
    ck_assert(!attn__mul_i64(INT64_MAX, 2, &r));
    ck_assert(!attn__mul_i64(INT64_C(1) << 32, INT64_C(1) << 31, &r));
    ck_assert_int_eq(r, 42);
}
END_TEST

START_TEST(add_and_sub_i64)
{
    int64_t r = 42;

    ck_assert(attn__add_i64(INT64_MAX, INT64_MIN, &r));
    ck_assert_int_eq(r, -1);
    ck_assert(attn__add_i64(INT64_MAX - 1, 1, &r));
    ck_assert(r == INT64_MAX);
    ck_assert(attn__sub_i64(-1, INT64_MAX, &r));
    ck_assert(r == INT64_MIN);

    r = 42;
    ck_assert(!attn__add_i64(INT64_MAX, 1, &r));
    ck_assert(!attn__add_i64(INT64_MIN, -1, &r));
    ck_assert(!attn__sub_i64(0, INT64_MIN, &r));
    ck_assert_int_eq(r, 42);
}
END_TEST

START_TEST(sizes)
{
    size_t r = 42;

    ck_assert(!attn__mul_size(SIZE_MAX, 2, &r));
    ck_assert(!attn__add_size(SIZE_MAX, 1, &r));
    ck_assert_uint_eq(r, 42);
    ck_assert(attn__mul_size(SIZE_MAX, 1, &r));
    ck_assert(r == SIZE_MAX);
    ck_assert(attn__add_size(SIZE_MAX - 1, 1, &r));
    ck_assert(r == SIZE_MAX);
}
END_TEST

START_TEST(align_up)
{
    size_t r = 42;

    ck_assert(attn__align_up(0, 64, &r) && r == 0);
    ck_assert(attn__align_up(1, 64, &r) && r == 64);
    ck_assert(attn__align_up(64, 64, &r) && r == 64);
    ck_assert(attn__align_up(65, 64, &r) && r == 128);
    ck_assert(attn__align_up(7, 1, &r) && r == 7);
    ck_assert(attn__align_up(SIZE_MAX - 63, 64, &r) && r == SIZE_MAX - 63);
    r = 42;
    ck_assert(!attn__align_up(SIZE_MAX - 62, 64, &r));
    ck_assert(!attn__align_up(SIZE_MAX, 2, &r));
    ck_assert_uint_eq(r, 42);
}
END_TEST

START_TEST(min_and_max)
{
    ck_assert(attn__min_i64(INT64_MIN, INT64_MAX) == INT64_MIN);
    ck_assert(attn__max_i64(INT64_MIN, INT64_MAX) == INT64_MAX);
    ck_assert_int_eq(attn__min_i64(3, -3), -3);
    ck_assert_int_eq(attn__max_i64(3, -3), 3);
}
END_TEST

UNIT_MAIN("checked", mul_i64, add_and_sub_i64, sizes, align_up, min_and_max)
