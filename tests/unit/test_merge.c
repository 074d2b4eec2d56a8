/* SPDX-License-Identifier: MIT */
/* attn_merge against the formula in plain double arithmetic, its edges, and its arguments. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <attn/attn.h>

#include "base/dtype.h"
#include "unit.h"

enum { B = 2, H = 3, N = 4, MOST = 5, ROWS = B * H * N };

static uint64_t state = 42;

static double draw(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

static void check_error(const char *part)
{
    char text[512];

    attn_last_error(text, sizeof text);
    ck_assert_msg(strstr(text, part), "'%s' does not say '%s'", text, part);
}

/* One problem: parts in memory of our own, with gaps between the elements. */
struct problem {
    size_t parts;
    int64_t d;
    int32_t dtype, lse_dtype;
    attn_tensor out[MOST], lse[MOST], to, tl;
};

static attn_tensor make(int32_t dtype, int32_t rank, int64_t d, int64_t gap)
{
    const int64_t shape[] = {B, H, N, d};
    attn_tensor t;

    ck_assert_int_eq(attn_tensor_init(&t, NULL, dtype, rank, shape), ATTN_OK);
    for (int32_t i = 0; i < rank; i++)
        t.stride[i] *= gap;
    size_t count = (size_t)(B * H * N * (rank == 4 ? d : 1) * gap);
    t.data = calloc(count ? count : 1, attn_dtype_size(dtype));
    return t;
}

static int64_t at(const attn_tensor *t, int64_t row, int64_t c)
{
    int64_t n = row % N, h = row / N % H, b = row / N / H;

    return b * t->stride[0] + h * t->stride[1] + n * t->stride[2] +
           (t->rank == 4 ? c * t->stride[3] : 0);
}

static double get(const attn_tensor *t, int64_t row, int64_t c)
{
    return attn__load_f64(t->data, at(t, row, c), t->dtype);
}

static void put(const attn_tensor *t, int64_t row, int64_t c, double v)
{
    attn__store_f64(t->data, at(t, row, c), t->dtype, v);
}

static struct problem begin(size_t parts, int64_t d, int32_t dtype, int64_t gap)
{
    struct problem p = {.parts = parts, .d = d, .dtype = dtype};

    p.lse_dtype = dtype == ATTN_DTYPE_F64 ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32;
    for (size_t i = 0; i < parts; i++) {
        p.out[i] = make(dtype, 4, d, gap);
        p.lse[i] = make(p.lse_dtype, 3, d, gap);
        for (int64_t r = 0; r < ROWS; r++) {
            put(&p.lse[i], r, 0, draw() * 200 - 100);
            for (int64_t c = 0; c < d; c++)
                put(&p.out[i], r, c, draw() * 2 - 1);
        }
    }
    p.to = make(dtype, 4, d, gap);
    p.tl = make(p.lse_dtype, 3, d, gap);
    return p;
}

static void end(struct problem *p)
{
    for (size_t i = 0; i < p->parts; i++) {
        free(p->out[i].data);
        free(p->lse[i].data);
    }
    free(p->to.data);
    free(p->tl.data);
}

/* The formula for one element; column -1 is the lse. */
static double expected(const struct problem *p, int64_t row, int64_t c)
{
    double m = -INFINITY, sum = 0, value = 0;

    for (size_t i = 0; i < p->parts; i++)
        m = fmax(m, get(&p->lse[i], row, 0));
    if (m == -INFINITY)
        return c < 0 ? m : 0;
    for (size_t i = 0; i < p->parts; i++) {
        double lse = get(&p->lse[i], row, 0);
        if (lse == -INFINITY)
            continue;
        sum += exp(lse - m);
        if (c >= 0)
            value += exp(lse - m) * get(&p->out[i], row, c);
    }
    return c < 0 ? m + log(sum) : value / sum;
}

static double tolerance(int32_t dtype)
{
    switch (dtype) {
    case ATTN_DTYPE_F64:
        return 1e-14;
    case ATTN_DTYPE_F32:
        return 0x1p-24;
    case ATTN_DTYPE_F16:
        return 0x1p-11;
    default:
        return 0x1p-8;
    }
}

static void check_result(const double *want_out, const double *want_lse, const struct problem *p,
                         const attn_tensor *to, const attn_tensor *tl)
{
    for (int64_t r = 0; r < ROWS; r++) {
        if (tl && isinf(want_lse[r]))
            ck_assert(get(tl, r, 0) == want_lse[r]);
        else if (tl)
            ck_assert_double_le(fabs(get(tl, r, 0) - want_lse[r]),
                                tolerance(p->lse_dtype) * (1 + fabs(want_lse[r])));
        for (int64_t c = 0; c < p->d; c++) {
            double want = want_out[r * p->d + c];
            ck_assert_double_le(fabs(get(to, r, c) - want),
                                tolerance(p->dtype) * (fabs(want) + 0x1p-14));
        }
    }
}

static void expect_all(const struct problem *p, double *want_out, double *want_lse)
{
    for (int64_t r = 0; r < ROWS; r++) {
        want_lse[r] = expected(p, r, -1);
        for (int64_t c = 0; c < p->d; c++)
            want_out[r * p->d + c] = expected(p, r, c);
    }
}

static double want_out[ROWS * 300], want_lse[ROWS];

START_TEST(formula)
{
    static const int32_t dtypes[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_F16,
                                     ATTN_DTYPE_BF16};
    static const int64_t widths[] = {0, 1, 7, 128, 129, 300};

    for (size_t t = 0; t < 4; t++) {
        for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
            for (size_t parts = 1; parts <= MOST; parts++) {
                struct problem p = begin(parts, widths[w], dtypes[t], 1 + (int64_t)parts % 3);

                expect_all(&p, want_out, want_lse);
                ck_assert_int_eq(attn_merge(parts, p.out, p.lse, &p.to, &p.tl), ATTN_OK);
                check_result(want_out, want_lse, &p, &p.to, &p.tl);
                /* One part is copied bit by bit. */
                for (int64_t r = 0; parts == 1 && r < ROWS; r++)
                    for (int64_t c = 0; c < p.d; c++)
                        ck_assert(get(&p.to, r, c) == get(&p.out[0], r, c));
                end(&p);
            }
        }
    }
}
END_TEST

START_TEST(parts_without_weight)
{
    struct problem p = begin(3, 5, ATTN_DTYPE_F32, 1);

    for (int64_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < 3; i++) {
            /* Row 0 sees nothing anywhere, others lack one part or two. */
            if (r != 0 && (size_t)r % 4 != i && (size_t)r % 3 != i)
                continue;
            put(&p.lse[i], r, 0, -INFINITY);
            for (int64_t c = 0; c < 5; c++)
                put(&p.out[i], r, c, NAN);
        }
    }
    for (size_t i = 0; i < 3; i++)
        put(&p.lse[i], 0, 0, -INFINITY);
    expect_all(&p, want_out, want_lse);
    ck_assert_int_eq(attn_merge(3, p.out, p.lse, &p.to, &p.tl), ATTN_OK);
    check_result(want_out, want_lse, &p, &p.to, &p.tl);
    ck_assert(get(&p.tl, 0, 0) == -INFINITY);
    for (int64_t c = 0; c < 5; c++)
        ck_assert(get(&p.to, 0, c) == 0 && !signbit(get(&p.to, 0, c)));

    /* A NaN that has weight is not hidden, and stays in its row. */
    put(&p.lse[1], 2, 0, NAN);
    ck_assert_int_eq(attn_merge(3, p.out, p.lse, &p.to, &p.tl), ATTN_OK);
    ck_assert(isnan(get(&p.to, 2, 0)) && isnan(get(&p.tl, 2, 0)));
    ck_assert(!isnan(get(&p.to, 3, 0)) && !isnan(get(&p.to, 1, 0)));
    end(&p);
}
END_TEST

START_TEST(in_place)
{
    for (size_t part = 0; part < 3; part++) {
        struct problem p = begin(3, 300, ATTN_DTYPE_F32, 1);

        expect_all(&p, want_out, want_lse);
        ck_assert_int_eq(attn_merge(3, p.out, p.lse, &p.out[part], &p.lse[part]), ATTN_OK);
        check_result(want_out, want_lse, &p, &p.out[part], &p.lse[part]);
        end(&p);
    }
}
END_TEST

START_TEST(views)
{
    struct problem p = begin(2, 4, ATTN_DTYPE_F32, 1);
    attn_tensor t;

    /* BNHD memory for the result, a reversed part, a broadcast lse. */
    t = p.to;
    p.to.stride[0] = H * N * 4;
    p.to.stride[1] = 4;
    p.to.stride[2] = H * 4;
    p.out[1].data = (float *)p.out[1].data + ROWS * 4 - 1;
    for (int32_t i = 0; i < 4; i++)
        p.out[1].stride[i] = -p.out[1].stride[i];
    p.lse[0].stride[1] = 0;
    expect_all(&p, want_out, want_lse);
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, &p.to, NULL), ATTN_OK);
    check_result(want_out, want_lse, &p, &p.to, NULL);
    p.out[1].data = (float *)p.out[1].data - (ROWS * 4 - 1);
    p.to = t;
    end(&p);
}
END_TEST

START_TEST(arguments)
{
    struct problem p = begin(2, 4, ATTN_DTYPE_F32, 1), q;
    attn_tensor bad;

    ck_assert_int_eq(attn_merge(0, p.out, p.lse, &p.to, &p.tl), ATTN_ERR_INVALID);
    check_error("n_parts is 0");
    ck_assert_int_eq(attn_merge(2, NULL, p.lse, &p.to, &p.tl), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_merge(2, p.out, NULL, &p.to, &p.tl), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, NULL, &p.tl), ATTN_ERR_NULL);
    bad = p.to;
    bad.data = NULL;
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, &bad, &p.tl), ATTN_ERR_NULL);
    check_error("out has elements but data is NULL");

    bad = p.to;
    bad.dtype = ATTN_DTYPE_I32;
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, &bad, &p.tl), ATTN_ERR_DTYPE);
    check_error("out has dtype 5 (i32)");
    bad.dtype = ATTN_DTYPE_F16;
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, &bad, &p.tl), ATTN_ERR_DTYPE);
    check_error("part_out[0] has dtype f32, expected f16");
    bad = p.tl;
    bad.dtype = ATTN_DTYPE_F64;
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, &p.to, &bad), ATTN_ERR_DTYPE);

    bad = p.to;
    bad.rank = 3;
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, &bad, &p.tl), ATTN_ERR_SHAPE);
    q = p;
    q.lse[1].shape[2] = N + 1;
    ck_assert_int_eq(attn_merge(2, q.out, q.lse, &p.to, &p.tl), ATTN_ERR_SHAPE);
    check_error("part_lse[1] has extent 5 in dimension 2, expected 4");
    q = p;
    q.out[0].shape[1] = -1;
    ck_assert_int_eq(attn_merge(2, q.out, q.lse, &p.to, &p.tl), ATTN_ERR_SHAPE);

    bad = p.to;
    bad.stride[1] = 0;
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, &bad, &p.tl), ATTN_ERR_STRIDE);
    bad = p.to;
    bad.stride[3] = -1;
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, &bad, &p.tl), ATTN_ERR_STRIDE);
    bad = p.to;
    bad.stride[2] = 3;
    ck_assert_int_eq(attn_merge(2, p.out, p.lse, &bad, &p.tl), ATTN_ERR_STRIDE);
    check_error("must not overlap");
    q = p;
    q.out[1].stride[0] = INT64_MAX / 2;
    ck_assert_int_eq(attn_merge(2, q.out, q.lse, &p.to, &p.tl), ATTN_ERR_STRIDE);
    check_error("part_out[1] has stride");

    /* Nothing was written by any of these. */
    for (int64_t r = 0; r < ROWS; r++)
        ck_assert(get(&p.tl, r, 0) == 0 && get(&p.to, r, 3) == 0);

    /* Without elements no memory is needed. */
    q = p;
    for (size_t i = 0; i < 2; i++) {
        q.out[i].shape[0] = q.lse[i].shape[0] = 0;
        q.out[i].data = q.lse[i].data = NULL;
    }
    q.to.shape[0] = q.tl.shape[0] = 0;
    q.to.data = q.tl.data = NULL;
    ck_assert_int_eq(attn_merge(2, q.out, q.lse, &q.to, &q.tl), ATTN_OK);
    end(&p);
}
END_TEST

UNIT_MAIN("merge", formula, parts_without_weight, in_place, views, arguments)
