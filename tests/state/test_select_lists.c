/* SPDX-License-Identifier: MIT */
/*
 * Index lists: rows written in any order come out whole and in order, entries
 * that touch are joined, too long rows and wrong scores are told of, and every
 * way in which lists can be bad is refused with its place.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <attn/attn.h>

#include "state/selection.h"

#include "../mech/rng.h"
#include "../unit/unit.h"

static struct attn__select_rows make_rows(int64_t n_batch, int64_t heads, int64_t head_group,
                                          int64_t q_block, int64_t n_queries, int64_t capacity,
                                          bool logit, bool replace)
{
    struct attn__select_rows s = {.n_batch = n_batch, .head_group = head_group,
                                  .q_block = q_block, .n_queries = n_queries,
                                  .capacity = capacity};
    size_t bytes = 0;
    ck_assert_int_eq(attn__select_rows_shape(&s, heads, "sel"), ATTN_OK);
    ck_assert(attn__select_rows_place(&s, logit, replace, NULL, &bytes));
    void *memory = aligned_alloc(64, bytes > 0 ? bytes : 64);
    ck_assert(memory && attn__select_rows_place(&s, logit, replace, memory, &bytes));
    ck_assert_ptr_eq(s.row_ptr, memory);
    return s;
}

static const char *said(void)
{
    static char text[512];
    attn_last_error(text, sizeof text);
    return text;
}

#define SAYS(call, status, words)                                                              \
    do {                                                                                       \
        ck_assert_int_eq(call, status);                                                        \
        ck_assert_msg(strstr(said(), words), "'%s' has no '%s'", said(), words);               \
    } while (0)

/* Random sets of keys, by rows in random order: the lists show those keys. */
START_TEST(rows_in_any_order)
{
    enum { KEYS = 50, PER_ROW = 25, MOST = 64 };
    struct rng r = {7};
    for (int round = 0; round < 200; round++) {
        bool in_order = round % 2 == 0;
        struct attn__select_rows s =
            make_rows(rng_int(&r, 1, 2), 4, rng_int(&r, 1, 2), rng_int(&r, 1, 4),
                      rng_int(&r, 1, 8), MOST * PER_ROW, false, false);
        bool key[MOST][KEYS] = {{false}};
        ck_assert_int_le(s.rows, MOST);
        attn__select_begin(&s, in_order ? 0 : PER_ROW);
        for (int64_t n = 0; n < s.rows; n++) {
            int64_t row = in_order ? n : (n * 7 + 3) % s.rows;
            if (!in_order && s.rows % 7 == 0)
                row = n;
            struct attn__select_writer w = attn__select_row_begin(&s, row);
            for (int64_t j = 0, end = 0, length; j < KEYS; j += rng_int(&r, 1, 6)) {
                length = rng_int(&r, 0, KEYS - j > 4 ? 4 : KEYS - j);
                int32_t single[4];
                for (int64_t k = j; k < j + length; k++) {
                    single[k - j] = (int32_t)k;
                    key[row][k] = true;
                }
                if (j < end || rng_percent(&r, 50))
                    attn__select_put(&w, j, length, 0, false);
                else
                    attn__select_put_keys(&w, single, length);
                end = j + length > end ? j + length : end;
            }
            attn__select_row_end(&w);
        }
        ck_assert_int_eq(attn__select_end(&s, "sel"), ATTN_OK);
        ck_assert_int_eq(attn__select_rows_check(&s, KEYS, "sel"), ATTN_OK);
        ck_assert_int_le(attn__select_rows_end_key(&s), KEYS);
        for (int64_t row = 0; row < s.rows; row++) {
            int64_t e = s.row_ptr[row], before = -1;
            for (; e < s.row_ptr[row + 1]; e++) {
                ck_assert_int_gt(s.start[e], before); /* nothing touches */
                before = s.start[e] + s.length[e];
                for (int64_t j = s.start[e]; j < before; j++) {
                    ck_assert(key[row][j]);
                    key[row][j] = false;
                }
            }
            for (int64_t j = 0; j < KEYS; j++)
                ck_assert(!key[row][j]);
        }
        free(s.row_ptr);
    }
}
END_TEST

START_TEST(logits_keep_entries_apart)
{
    struct attn__select_rows s = make_rows(1, 1, 1, 4, 4, 8, true, true);
    attn__select_begin(&s, 8);
    struct attn__select_writer w = attn__select_row_begin(&s, 0);
    attn__select_put(&w, 0, 2, 1, false);
    attn__select_put(&w, 2, 2, 1, false); /* joins */
    attn__select_put(&w, 4, 2, 2, false);
    attn__select_put(&w, 6, 2, 2, true);
    attn__select_put(&w, 8, 2, 2, true);
    attn__select_row_end(&w);
    ck_assert_int_eq(attn__select_end(&s, "sel"), ATTN_OK);
    ck_assert_int_eq(s.n, 4);
    ck_assert_int_eq(s.length[0], 4);
    ck_assert(s.logit[0] == 1 && s.logit[1] == 2 && !s.replace[1] && s.replace[2] && s.replace[3]);
    free(s.row_ptr);
}
END_TEST

START_TEST(faults_of_writers)
{
    struct attn__select_rows s = make_rows(2, 4, 2, 3, 7, 24, false, false);
    ck_assert_int_eq(s.rows, 12);
    for (int at = 0; at < 3; at++) {
        attn__select_begin(&s, 2);
        for (int64_t row = s.rows - 1; row >= 0; row--) {
            struct attn__select_writer w = attn__select_row_begin(&s, row);
            attn__select_put(&w, 0, 2, 0, false);
            attn__select_put(&w, 5, 1, 0, false);
            if (row == 7 || row == 10) {
                static const int32_t more[] = {6, 8}; /* the second has no room */
                if (at == 0)
                    attn__select_put_keys(&w, more, 2);
                else if (at == 1)
                    attn__select_put_fault(&w, ATTN__SELECT_NAN);
                else
                    attn__select_put(&w, 3, 1, 0, false);
            }
            attn__select_row_end(&w);
        }
        static const int32_t status[] = {ATTN_ERR_LIMIT, ATTN_ERR_DATA, ATTN_ERR_RANGE};
        SAYS(attn__select_end(&s, "sel"), status[at],
             "row 7 (batch 1, heads 0 to 1, queries 3 to 5)");
        ck_assert_int_eq(s.n, 0);
        ck_assert_int_eq(attn__select_rows_check(&s, 9, "sel"), ATTN_OK);
    }
    attn__select_begin(&s, 0);
    for (int64_t row = 0; row < s.rows; row++) {
        struct attn__select_writer w = attn__select_row_begin(&s, row);
        for (int64_t j = 0; j < 5; j++)
            attn__select_put(&w, 2 * j, 1, 0, false);
        attn__select_row_end(&w);
    }
    SAYS(attn__select_end(&s, "sel"), ATTN_ERR_LIMIT, "row 4 ");
    attn__select_begin(&s, 2);
    struct attn__select_writer w = attn__select_row_begin(&s, 2);
    attn__select_put(&w, INT32_MAX, 1, 0, false);
    attn__select_row_end(&w);
    SAYS(attn__select_end(&s, "sel"), ATTN_ERR_RANGE, "queries 6 to 6");
    free(s.row_ptr);
}
END_TEST

/* Row 0: keys 0 to 3, 6 and 7; row 1: key 4; row 2: none. */
static void fill(struct attn__select_rows *s)
{
    static const int64_t ptr[] = {0, 2, 3, 3};
    static const int32_t start[] = {0, 6, 4}, length[] = {4, 2, 1};
    memcpy(s->row_ptr, ptr, sizeof ptr);
    memcpy(s->start, start, sizeof start);
    memcpy(s->length, length, sizeof length);
    for (int e = 0; e < 3; e++)
        s->logit[e] = (float)e;
    s->n = 3;
}

START_TEST(bad_rows)
{
    struct attn__select_rows s = make_rows(1, 2, 2, 2, 6, 3, true, false), bad = s;
    ck_assert_int_eq(s.rows, 3);
    fill(&s);
    fill(&bad);
    bad.n = 3;
    ck_assert_int_eq(attn__select_rows_check(&bad, 8, "sel"), ATTN_OK);
    ck_assert_int_eq(attn__select_rows_end_key(&bad), 8);
    SAYS(attn__select_rows_check(&bad, 7, "sel"), ATTN_ERR_RANGE, "keys 6 to 7");
#define BAD(change, status, words)                                                             \
    do {                                                                                       \
        fill(&bad);                                                                            \
        change;                                                                                \
        SAYS(attn__select_rows_check(&bad, 8, "sel"), status, words);                          \
    } while (0)
    BAD(bad.row_ptr[0] = 1, ATTN_ERR_RANGE, "row_ptr[0] is 1");
    BAD(bad.row_ptr[2] = 1, ATTN_ERR_RANGE, "row_ptr[2] is 1, expected at least 2");
    BAD(bad.row_ptr[2] = INT64_MIN, ATTN_ERR_RANGE, "row_ptr[2]");
    BAD(bad.row_ptr[1] = INT64_MAX, ATTN_ERR_RANGE, "row_ptr[2]");
    BAD(bad.row_ptr[3] = 4, ATTN_ERR_RANGE, "row_ptr[3] is 4, expected the 3");
    BAD(bad.start[0] = -1, ATTN_ERR_RANGE, "entry 0 of row 0");
    BAD(bad.start[1] = 3, ATTN_ERR_RANGE, "entry 1 of row 0 (batch 0, heads 0 to 1, queries 0 to 1"
                                          "): start is 3, expected at least 4");
    BAD(bad.length[0] = 7, ATTN_ERR_RANGE, "entry 1 of row 0");
    BAD(bad.length[2] = 0, ATTN_ERR_RANGE, "entry 2 of row 1");
    BAD(bad.length[2] = INT32_MIN, ATTN_ERR_RANGE, "length is -2147483648");
    BAD(bad.length[2] = INT32_MAX, ATTN_ERR_RANGE, "keys 4 to");
    BAD(bad.start[2] = INT32_MAX, ATTN_ERR_RANGE, "keys 2147483647");
    BAD(bad.logit[2] = NAN, ATTN_ERR_DATA, "entry 2 of row 1");
    BAD(bad.logit[2] = INFINITY, ATTN_ERR_DATA, "logit is inf");
    BAD(bad.n = 4, ATTN_ERR_RANGE, "4 entries");
    fill(&bad);
    bad.logit[1] = -INFINITY;
    ck_assert_int_eq(attn__select_rows_check(&bad, 8, "sel"), ATTN_OK);
    uint8_t replace[3] = {0};
    bad.replace = replace;
    bad.logit = NULL;
    SAYS(attn__select_rows_check(&bad, 8, "sel"), ATTN_ERR_INVALID, "replace without logit");
    free(s.row_ptr);
}
END_TEST

START_TEST(bad_shapes)
{
    struct attn__select_rows s = {.n_batch = 1, .head_group = 3, .q_block = 1, .n_queries = 4};
    SAYS(attn__select_rows_shape(&s, 4, "sel"), ATTN_ERR_INVALID, "head_group of 3");
    s.head_group = 4;
    s.q_block = 0;
    SAYS(attn__select_rows_shape(&s, 4, "sel"), ATTN_ERR_INVALID, "q_block of 0");
    s.q_block = INT64_MAX;
    ck_assert_int_eq(attn__select_rows_shape(&s, 4, "sel"), ATTN_OK);
    ck_assert_int_eq(s.blocks, 1);
    s.n_batch = 0;
    SAYS(attn__select_rows_shape(&s, 4, "sel"), ATTN_ERR_INVALID, "batch of 0");
    s.n_batch = INT64_MAX / 2;
    s.q_block = 1;
    SAYS(attn__select_rows_shape(&s, 4, "sel"), ATTN_ERR_OVERFLOW, "rows of sel");
    s.rows = INT64_MAX / 2;
    size_t bytes;
    ck_assert(!attn__select_rows_place(&s, false, false, NULL, &bytes));
}
END_TEST

UNIT_MAIN("select_lists", rows_in_any_order, logits_keep_entries_apart, faults_of_writers,
          bad_rows, bad_shapes)
