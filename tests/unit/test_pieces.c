/* SPDX-License-Identifier: MIT */
/*
 * Pieces of visibility in descriptors: what is taken, what is refused with
 * which words, and that text and functions say the same.
 */
#include <attn/attn.h>

#include <stdio.h>
#include <string.h>

#include "unit.h"

static const char *last_error(void)
{
    static char text[512];
    attn_last_error(text, sizeof text);
    return text;
}

static attn_ctx *ctx;

static void begin(void)
{
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
}

static void end(void)
{
    attn_ctx_destroy(ctx);
}

static attn_desc *parse(const char *text)
{
    attn_desc *desc;
    ck_assert_msg(attn_desc_parse(ctx, text, &desc) == ATTN_OK, "%s: %s", text, last_error());
    return desc;
}

static void prints(const attn_desc *desc, const char *expected)
{
    char buf[1024];
    ck_assert_int_eq(attn_desc_print(desc, buf, sizeof buf, NULL), ATTN_OK);
    ck_assert_str_eq(buf, expected);
}

START_TEST(add_and_read)
{
    begin();
    static const int64_t band[8] = {3, ATTN_UNBOUNDED, -2, 1, 0, 0, 0, 4};
    attn_desc *desc = parse("softmax h=2");
    int64_t back[8];
    int32_t kind, mode;
    size_t n;
    ck_assert_int_eq(attn_desc_piece_count(desc, &n), ATTN_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(attn_desc_add_piece(desc, ATTN_PIECE_BAND, ATTN_MODE_MUST, band, 4), ATTN_OK);
    ck_assert_int_eq(attn_desc_add_piece(desc, ATTN_PIECE_BAND, ATTN_MODE_ANY, band, 8), ATTN_OK);
    ck_assert_int_eq(attn_desc_add_piece(desc, ATTN_PIECE_PREFIX, ATTN_MODE_ANY, band, 1),
                     ATTN_OK);
    prints(desc, "softmax h=2 must=band[3,inf,-2,1] any=band[3,inf,-2,1,0,0,0,4] any=prefix[3]");
    ck_assert_int_eq(attn_desc_piece_count(desc, &n), ATTN_OK);
    ck_assert_uint_eq(n, 3);
    ck_assert_int_eq(attn_desc_piece_at(desc, 1, &kind, &mode, back, 6, &n), ATTN_OK);
    ck_assert_int_eq(kind, ATTN_PIECE_BAND);
    ck_assert_int_eq(mode, ATTN_MODE_ANY);
    ck_assert_uint_eq(n, 8);
    ck_assert_mem_eq(back, band, 6 * sizeof *back);
    ck_assert_int_eq(attn_desc_piece_at(desc, 2, NULL, NULL, NULL, 0, &n), ATTN_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(attn_desc_piece_at(desc, 3, NULL, NULL, NULL, 0, &n), ATTN_ERR_RANGE);
    ck_assert(strstr(last_error(), "index is 3, expected less than the 3 pieces"));
    ck_assert_int_eq(attn_desc_clear_pieces(desc), ATTN_OK);
    prints(desc, "softmax h=2");
    attn_desc_destroy(desc);
    end();
}
END_TEST

START_TEST(text_and_back)
{
    begin();
    static const char *const texts[] = {
        "softmax must=band[0,inf,0,64]",
        "softmax causal any=band[9,0,0,1] any=stride[64,8,-3] must=rect[0,inf,2,7]",
        "softmax h=2 any=prefix[4,5] any=stride[1,2,0,1,2,1]",
        "softmax any=band[-9223372036854775807,9223372036854775807,4611686018427387904,1]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        attn_desc *desc = parse(texts[i]);
        prints(desc, texts[i]);
        attn_desc_destroy(desc);
    }
    end();
}
END_TEST

static const struct {
    const char *text;
    int32_t status;
    const char *says;
} bads[] = {
    {"softmax must", ATTN_ERR_SYNTAX, "position 9: the piece is '', expected one such as band["},
    {"softmax must=", ATTN_ERR_SYNTAX, "the piece is ''"},
    {"softmax any=band", ATTN_ERR_SYNTAX, "the piece is 'band'"},
    {"softmax any=band[1,0,0,1", ATTN_ERR_SYNTAX, "the piece is 'band[1,0,0,1'"},
    {"softmax any=band]", ATTN_ERR_SYNTAX, "the piece is 'band]'"},
    {"softmax any=bnad[1,0,0,1]", ATTN_ERR_UNKNOWN_NAME, "the nearest is 'band'"},
    {"softmax any=[1,0,0,1]", ATTN_ERR_UNKNOWN_NAME, "'' is no piece"},
    {"softmax any=band[]", ATTN_ERR_INVALID, "piece band has 0 values, expected 4, or as many"},
    {"softmax any=band[1]", ATTN_ERR_INVALID, "piece band has 1 values"},
    {"softmax any=band[1,0,0,1,2]", ATTN_ERR_INVALID, "piece band has 5 values"},
    {"softmax any=band[1,0,0,]", ATTN_ERR_SYNTAX, "'' is a value of a piece"},
    {"softmax any=band[1,0,0,x]", ATTN_ERR_SYNTAX, "'x' is a value of a piece"},
    {"softmax any=band[1,0,0,99999999999999999999]", ATTN_ERR_SYNTAX, "is a value of a piece"},
    {"softmax any=band[1,0,0,-9223372036854775808]", ATTN_ERR_SYNTAX, "is a value of a piece"},
    {"softmax any=band[1,0,0,0]", ATTN_ERR_INVALID,
     "piece band: value 3 (unit) is 0, expected 1 to 4611686018427387904"},
    {"softmax any=band[1,0,inf,1]", ATTN_ERR_INVALID, "value 2 (off) is inf"},
    {"softmax any=rect[0,1,0,-1]", ATTN_ERR_INVALID,
     "value 3 (k1) is -1, expected 0 or more, or inf"},
    {"softmax any=rect[5,4,0,1]", ATTN_ERR_INVALID,
     "piece rect: value 1 is 4, expected at least the 5"},
    {"softmax any=rect[5,6,3,2]", ATTN_ERR_INVALID, "value 3 is 2"},
    {"softmax any=rect[0,1,inf,inf]", ATTN_ERR_INVALID, "value 2 (k0) is inf"},
    {"softmax any=prefix[-1]", ATTN_ERR_INVALID, "value 0 (p) is -1"},
    {"softmax any=stride[1,0,0]", ATTN_ERR_INVALID, "value 1 (stride) is 0"},
    {"softmax mus=band[1,0,0,1]", ATTN_ERR_UNKNOWN_NAME, "the nearest is 'must'"},
};

START_TEST(refused)
{
    begin();
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        attn_desc *desc = (attn_desc *)ctx;
        int32_t status = attn_desc_parse(ctx, bads[i].text, &desc);
        ck_assert_msg(status == bads[i].status, "%s: %s: %s", bads[i].text,
                      attn_status_name(status), last_error());
        ck_assert_ptr_null(desc);
        ck_assert_msg(strstr(last_error(), bads[i].says), "%s: '%s' does not say '%s'",
                      bads[i].text, last_error(), bads[i].says);
    }
    end();
}
END_TEST

START_TEST(wrong_arguments)
{
    begin();
    static const int64_t one = 1;
    attn_desc *desc = parse("softmax");
    size_t n;
    ck_assert_int_eq(attn_desc_add_piece(NULL, 1, 0, &one, 1), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_add_piece(desc, 1, 0, NULL, 4), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_add_piece(desc, 0, 0, &one, 1), ATTN_ERR_INVALID);
    ck_assert(strstr(last_error(), "kind is 0"));
    ck_assert_int_eq(attn_desc_add_piece(desc, ATTN_PIECE_PREFIX, 2, &one, 1), ATTN_ERR_INVALID);
    ck_assert(strstr(last_error(), "mode is 2"));
    ck_assert_int_eq(attn_desc_piece_count(desc, NULL), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_piece_at(desc, 0, NULL, NULL, NULL, 1, &n), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_desc_clear_pieces(NULL), ATTN_ERR_NULL);
    for (int i = 0; i < ATTN_PIECES_MAX; i++)
        ck_assert_int_eq(attn_desc_add_piece(desc, ATTN_PIECE_PREFIX, 0, &one, 1), ATTN_OK);
    ck_assert_int_eq(attn_desc_add_piece(desc, ATTN_PIECE_PREFIX, 0, &one, 1), ATTN_ERR_INVALID);
    ck_assert(strstr(last_error(), "has 16 pieces"));
    ck_assert_int_eq(attn_desc_piece_count(desc, &n), ATTN_OK);
    ck_assert_uint_eq(n, ATTN_PIECES_MAX);
    attn_desc_destroy(desc);
    end();
}
END_TEST

/* Values for each head need as many heads: known when planning. */
START_TEST(heads)
{
    begin();
    attn_desc *desc = parse("softmax h=3 q=1 k=1 d=1 any=prefix[1,2]");
    attn_plan *plan;
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_INVALID);
    ck_assert(strstr(last_error(), "piece prefix has 2 values, expected 1, or as many for each "
                                   "of the 3 output heads"));
    attn_desc_destroy(desc);
    end();
}
END_TEST

START_TEST(kinds)
{
    int32_t kind, n = 0;
    for (size_t i = 0; (kind = attn_piece_kind_at(i)) != 0; i++, n++) {
        int32_t found;
        ck_assert_int_eq(attn_piece_find(attn_piece_name(kind), &found), ATTN_OK);
        ck_assert_int_eq(found, kind);
    }
    ck_assert_int_ge(n, 4);
    ck_assert_ptr_null(attn_piece_name(0));
    ck_assert_int_eq(attn_piece_find("bend", &kind), ATTN_ERR_UNKNOWN_NAME);
    ck_assert_int_eq(attn_piece_find(NULL, &kind), ATTN_ERR_NULL);
}
END_TEST

UNIT_MAIN("pieces", add_and_read, text_and_back, refused, wrong_arguments, heads, kinds)
