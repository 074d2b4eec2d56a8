/* SPDX-License-Identifier: MIT */
/*
 * Slopes, short convolutions and biases of agents (src/solvers/short_conv.c,
 * agent_bias.c) against golden numbers, and their arguments.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <attn/attn.h>

#include "base/dtype.h"
#include "golden_layer_helpers.h"
#include "unit.h"

enum { B = 2, N = 9, C = 5, TAPS = 4, UNTOUCHED = -77 };

static void check_error(int32_t status, int32_t expected, const char *part)
{
    char text[512];

    attn_last_error(text, sizeof text);
    ck_assert_msg(status == expected && strstr(text, part), "%d: '%s' does not say '%s'",
                  (int)status, text, part);
}

static attn_tensor make(int32_t dtype, int32_t rank, const int64_t *shape, uint32_t seed)
{
    attn_tensor t;
    size_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        n *= (size_t)shape[i];
    void *data = calloc(n + 1, attn_dtype_size(dtype));
    ck_assert_ptr_nonnull(data);
    for (uint32_t i = 0; i < n && seed > 0; i++)
        attn__store_f64(data, i, dtype,
                        ((double)(((i * 2654435761u + seed * 40503u) >> 16) % 61) - 30) / 16);
    ck_assert_int_eq(attn_tensor_init(&t, data, dtype, rank, shape), ATTN_OK);
    return t;
}

static void compare(const attn_tensor *t, const double *want, size_t n, double bound)
{
    for (size_t i = 0; i < n; i++) {
        double got = attn__load_f64(t->data, (int64_t)i, t->dtype);
        ck_assert_msg(fabs(got - want[i]) <= bound * (1 + fabs(want[i])), "%zu: %g, expected %g",
                      i, got, want[i]);
    }
}

static double bound_of(int32_t dtype)
{
    return dtype == ATTN_DTYPE_F64   ? 1e-13
           : dtype == ATTN_DTYPE_F32 ? 3e-7
           : dtype == ATTN_DTYPE_F16 ? 0x1p-11
                                     : 0x1p-8;
}

START_TEST(slopes_as_the_oracle)
{
    double found[12];
    ck_assert_int_eq(attn_alibi_slopes(8, found), ATTN_OK);
    for (int h = 0; h < 8; h++)
        ck_assert_double_eq_tol(found[h], alibi_8[h], 1e-15);
    ck_assert_int_eq(attn_alibi_slopes(12, found), ATTN_OK);
    for (int h = 0; h < 12; h++)
        ck_assert_double_eq_tol(found[h], alibi_12[h], 1e-15);
    ck_assert_int_eq(attn_lightning_slopes(12, ATTN_LIGHTNING_CODE, 3, 7, found), ATTN_OK);
    for (int h = 0; h < 12; h++)
        ck_assert_double_eq_tol(found[h], code_12[h], 1e-15);
    ck_assert_int_eq(attn_lightning_slopes(12, ATTN_LIGHTNING_PAPER, 3, 7, found), ATTN_OK);
    for (int h = 0; h < 12; h++)
        ck_assert_double_eq_tol(found[h], paper_12[h], 1e-14);
}
END_TEST

START_TEST(convolutions_as_the_oracle)
{
    static const int32_t types[] = {ATTN_DTYPE_F32, ATTN_DTYPE_F64, ATTN_DTYPE_F16,
                                    ATTN_DTYPE_BF16};
    const int64_t shape[] = {B, N, C}, weights[] = {C, TAPS}, kept[] = {B, TAPS - 1, C};
    attn_ctx *ctx;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    for (size_t n = 0; n < sizeof types / sizeof types[0]; n++) {
        int32_t type = types[n];
        attn_tensor x = make(type, 3, shape, 1), w = make(type, 2, weights, 2);
        attn_tensor b = make(type, 1, weights, 3), y = make(type, 3, shape, 0);
        ck_assert_int_eq(attn_short_conv(ctx, &x, &w, NULL, 0, NULL, &y), ATTN_OK);
        compare(&y, conv_plain, B * N * C, bound_of(type));
        /* whole, and in every two pieces */
        for (int64_t cut = 0; cut <= N; cut++) {
            attn_tensor state = make(type, 3, kept, 0), part = x, to = y;
            memset(y.data, 0, B * N * C * attn_dtype_size(type));
            part.shape[1] = to.shape[1] = cut;
            ck_assert_int_eq(attn_short_conv(ctx, &part, &w, &b, 1, &state, &to), ATTN_OK);
            part.data = (char *)x.data + (size_t)(cut * C) * attn_dtype_size(type);
            to.data = (char *)y.data + (size_t)(cut * C) * attn_dtype_size(type);
            part.shape[1] = to.shape[1] = N - cut;
            ck_assert_int_eq(attn_short_conv(ctx, &part, &w, &b, 1, &state, &to), ATTN_OK);
            compare(&y, conv_silu, B * N * C, bound_of(type));
            compare(&state, conv_state, B * (TAPS - 1) * C, 0);
            free(state.data);
        }
        free(x.data);
        free(w.data);
        free(b.data);
        free(y.data);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Several threads: enough to be shared out, in two pieces. */
START_TEST(convolutions_on_threads)
{
    enum { LONG = 300, MANY = 131, FROM = 50 };
    const int64_t shape[] = {B, LONG, MANY}, weights[] = {MANY, TAPS}, kept[] = {B, TAPS - 1, MANY};
    attn_tensor x = make(ATTN_DTYPE_F32, 3, shape, 1), w = make(ATTN_DTYPE_F32, 2, weights, 2);
    attn_tensor b = make(ATTN_DTYPE_F32, 1, weights, 3), y[2], state[2];
    for (int n = 0; n < 2; n++) {
        attn_ctx *ctx;
        y[n] = make(ATTN_DTYPE_F32, 3, shape, 0);
        state[n] = make(ATTN_DTYPE_F32, 3, kept, 0);
        ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
        ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, n ? 3 : 1), ATTN_OK);
        attn_tensor part = x, to = y[n];
        part.shape[1] = to.shape[1] = FROM;
        ck_assert_int_eq(attn_short_conv(ctx, &part, &w, &b, 1, &state[n], &to), ATTN_OK);
        part.shape[1] = to.shape[1] = LONG - FROM;
        part.data = (float *)x.data + FROM * MANY;
        to.data = (float *)y[n].data + FROM * MANY;
        ck_assert_int_eq(attn_short_conv(ctx, &part, &w, &b, 1, &state[n], &to), ATTN_OK);
        attn_ctx_destroy(ctx);
    }
    ck_assert_mem_eq(y[0].data, y[1].data, B * LONG * MANY * sizeof(float));
    ck_assert_mem_eq(state[0].data, state[1].data, B * (TAPS - 1) * MANY * sizeof(float));
    for (int n = 0; n < 2; n++) {
        free(y[n].data);
        free(state[n].data);
    }
    free(x.data);
    free(w.data);
    free(b.data);
}
END_TEST

/* More channels than are worked on at a time, tokens one by one, one tap. */
START_TEST(convolutions_of_many_channels)
{
    enum { MANY = 131 };
    const int64_t shape[] = {1, 3, MANY}, weights[] = {MANY, 2}, one[] = {MANY, 1};
    const int64_t kept[] = {1, 1, MANY}, none[] = {1, 0, MANY};
    attn_ctx *ctx;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    attn_tensor x = make(ATTN_DTYPE_F32, 3, shape, 1), w = make(ATTN_DTYPE_F32, 2, weights, 2);
    attn_tensor y = make(ATTN_DTYPE_F32, 3, shape, 0), state = make(ATTN_DTYPE_F32, 3, kept, 0);
    const float *from = x.data, *factor = w.data, *to = y.data;
    for (int64_t n = 0; n < 3; n++) {
        attn_tensor token = x, out = y;
        token.shape[1] = out.shape[1] = 1;
        token.data = (float *)x.data + n * MANY;
        out.data = (float *)y.data + n * MANY;
        ck_assert_int_eq(attn_short_conv(ctx, &token, &w, NULL, 0, &state, &out), ATTN_OK);
    }
    for (int n = 0; n < 3; n++)
        for (int c = 0; c < MANY; c++) {
            float before = n > 0 ? from[(n - 1) * MANY + c] : 0;
            ck_assert_float_eq_tol(to[n * MANY + c],
                                   factor[2 * c] * before + factor[2 * c + 1] * from[n * MANY + c],
                                   1e-6f);
        }
    attn_tensor w1 = make(ATTN_DTYPE_F32, 2, one, 5), empty = make(ATTN_DTYPE_F32, 3, none, 0);
    ck_assert_int_eq(attn_short_conv(ctx, &x, &w1, NULL, 0, &empty, &y), ATTN_OK);
    for (int i = 0; i < 3 * MANY; i++)
        ck_assert_float_eq_tol(to[i], ((float *)w1.data)[i % MANY] * from[i], 1e-6f);
    free(x.data);
    free(w.data);
    free(w1.data);
    free(y.data);
    free(state.data);
    free(empty.data);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(biases_as_the_oracle)
{
    const int64_t shape[] = {2, 4, 7, 7}, up[] = {2, 4, 3}, along[] = {2, 4, 11}, one[] = {2, 4};
    const int64_t all[] = {2, 4, 34}, turned[] = {2, 33, 4}, up_q[] = {2, 3, 4};
    const int64_t along_q[] = {2, 11, 4};
    attn_tensor table = make(ATTN_DTYPE_F32, 4, shape, 1), first = make(ATTN_DTYPE_F32, 2, one, 4);
    attn_tensor rows = make(ATTN_DTYPE_F64, 3, up, 2), columns = make(ATTN_DTYPE_F16, 3, along, 3);
    attn_tensor to = make(ATTN_DTYPE_F64, 3, all, 0);
    ck_assert_int_eq(attn_agent_bias(&table, &rows, &columns, &first, &to), ATTN_OK);
    for (int n = 0; n < 8; n++) {
        attn_tensor image = to;
        image.data = (double *)to.data + n * 34 + 1;
        ck_assert_double_eq(((double *)to.data)[n * 34], ((float *)first.data)[n]);
        compare(&image, agent_bias + n * 33, 33, 1e-13);
    }
    /* that of the queries: the same with the last extents exchanged */
    attn_tensor rows_q = make(ATTN_DTYPE_F32, 3, up_q, 5);
    attn_tensor columns_q = make(ATTN_DTYPE_F32, 3, along_q, 6);
    attn_tensor to_q = make(ATTN_DTYPE_F64, 3, turned, 0), view = to_q;
    attn_tensor *views[] = {&rows_q, &columns_q, &view};
    for (int n = 0; n < 3; n++) {
        attn_tensor t = *views[n];
        views[n]->shape[1] = t.shape[2];
        views[n]->shape[2] = t.shape[1];
        views[n]->stride[1] = t.stride[2];
        views[n]->stride[2] = t.stride[1];
    }
    ck_assert_int_eq(attn_agent_bias(&table, &rows_q, &columns_q, NULL, &view), ATTN_OK);
    compare(&to_q, agent_bias_q, 2 * 33 * 4, 1e-13);
    free(table.data);
    free(first.data);
    free(rows.data);
    free(columns.data);
    free(to.data);
    free(rows_q.data);
    free(columns_q.data);
    free(to_q.data);
}
END_TEST

START_TEST(bad_slopes)
{
    double slopes[2] = {UNTOUCHED, UNTOUCHED};
    check_error(attn_alibi_slopes(2, NULL), ATTN_ERR_NULL, "slopes is NULL");
    check_error(attn_alibi_slopes(0, slopes), ATTN_ERR_INVALID, "heads is 0");
    check_error(attn_alibi_slopes(65537, slopes), ATTN_ERR_INVALID, "heads is 65537");
    check_error(attn_lightning_slopes(2, 2, 0, 2, slopes), ATTN_ERR_INVALID, "rule is 2");
    check_error(attn_lightning_slopes(2, 0, 0, 1, slopes), ATTN_ERR_INVALID, "layers is 1");
    check_error(attn_lightning_slopes(2, 1, 0, 0, slopes), ATTN_ERR_INVALID, "layers is 0");
    check_error(attn_lightning_slopes(2, 0, 4, 4, slopes), ATTN_ERR_INVALID, "expected 0 to 3");
    check_error(attn_lightning_slopes(2, 1, 5, 4, slopes), ATTN_ERR_INVALID, "expected 0 to 4");
    check_error(attn_lightning_slopes(2, 1, -1, 4, slopes), ATTN_ERR_INVALID, "layer is -1");
    ck_assert(slopes[0] == UNTOUCHED && slopes[1] == UNTOUCHED);
}
END_TEST

START_TEST(bad_convolutions)
{
    const int64_t shape[] = {B, N, C}, weights[] = {C, TAPS}, long_taps[] = {C, 65};
    attn_ctx *ctx;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    attn_tensor x = make(ATTN_DTYPE_F32, 3, shape, 1), w = make(ATTN_DTYPE_F32, 2, weights, 2);
    attn_tensor y = make(ATTN_DTYPE_F32, 3, shape, 0), wide = make(ATTN_DTYPE_F32, 2, long_taps, 1);
    attn_tensor t = y;
    check_error(attn_short_conv(NULL, &x, &w, NULL, 0, NULL, &y), ATTN_ERR_NULL, "ctx is NULL");
    check_error(attn_short_conv(ctx, NULL, &w, NULL, 0, NULL, &y), ATTN_ERR_NULL, "x is NULL");
    check_error(attn_short_conv(ctx, &x, NULL, NULL, 0, NULL, &y), ATTN_ERR_NULL, "weight");
    check_error(attn_short_conv(ctx, &x, &w, NULL, 0, NULL, NULL), ATTN_ERR_NULL, "y is NULL");
    check_error(attn_short_conv(ctx, &x, &w, NULL, 2, NULL, &y), ATTN_ERR_INVALID, "silu is 2");
    check_error(attn_short_conv(ctx, &w, &w, NULL, 0, NULL, &y), ATTN_ERR_SHAPE, "x has rank 2");
    check_error(attn_short_conv(ctx, &x, &wide, NULL, 0, NULL, &y), ATTN_ERR_SHAPE,
                "expected 1 to 64");
    check_error(attn_short_conv(ctx, &x, &w, &w, 0, NULL, &y), ATTN_ERR_SHAPE, "bias has rank 2");
    check_error(attn_short_conv(ctx, &x, &w, NULL, 0, &y, &y), ATTN_ERR_SHAPE,
                "state has extent 9 in dimension 1, expected 3");
    t.shape[1] = 8;
    check_error(attn_short_conv(ctx, &x, &w, NULL, 0, NULL, &t), ATTN_ERR_SHAPE, "y has extent 8");
    t = y;
    t.stride[0] = 0;
    check_error(attn_short_conv(ctx, &x, &w, NULL, 0, NULL, &t), ATTN_ERR_STRIDE, "y");
    t = x;
    t.dtype = ATTN_DTYPE_I32;
    check_error(attn_short_conv(ctx, &t, &w, NULL, 0, NULL, &y), ATTN_ERR_DTYPE, "x has dtype");
    for (int i = 0; i < B * N * C; i++)
        ck_assert(((float *)y.data)[i] == 0);
    free(x.data);
    free(w.data);
    free(y.data);
    free(wide.data);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(bad_biases)
{
    const int64_t shape[] = {2, 4, 7, 7}, up[] = {2, 4, 3}, along[] = {2, 4, 2}, all[] = {2, 4, 6};
    const int64_t none[] = {2, 4, 0, 7};
    attn_tensor table = make(ATTN_DTYPE_F32, 4, shape, 1), empty = make(ATTN_DTYPE_F32, 4, none, 0);
    attn_tensor rows = make(ATTN_DTYPE_F32, 3, up, 1), columns = make(ATTN_DTYPE_F32, 3, along, 1);
    attn_tensor to = make(ATTN_DTYPE_F32, 3, all, 0), t;
    check_error(attn_agent_bias(NULL, &rows, &columns, NULL, &to), ATTN_ERR_NULL, "table");
    check_error(attn_agent_bias(&table, NULL, &columns, NULL, &to), ATTN_ERR_NULL, "rows");
    check_error(attn_agent_bias(&table, &rows, NULL, NULL, &to), ATTN_ERR_NULL, "columns");
    check_error(attn_agent_bias(&table, &rows, &columns, NULL, NULL), ATTN_ERR_NULL, "to is");
    check_error(attn_agent_bias(&rows, &rows, &columns, NULL, &to), ATTN_ERR_SHAPE, "table");
    check_error(attn_agent_bias(&empty, &rows, &columns, NULL, &to), ATTN_ERR_SHAPE,
                "table has no entries");
    check_error(attn_agent_bias(&table, &rows, &columns, &to, &to), ATTN_ERR_SHAPE, "first");
    t = columns;
    t.shape[2] = 1;
    check_error(attn_agent_bias(&table, &rows, &t, NULL, &to), ATTN_ERR_SHAPE,
                "to has extent 6 in dimension 2, expected 3");
    t = rows;
    t.shape[1] = 3;
    check_error(attn_agent_bias(&table, &t, &columns, NULL, &to), ATTN_ERR_SHAPE,
                "rows has extent 3");
    t = to;
    t.stride[1] = 0;
    check_error(attn_agent_bias(&table, &rows, &columns, NULL, &t), ATTN_ERR_STRIDE, "to");
    for (int i = 0; i < 48; i++)
        ck_assert(((float *)to.data)[i] == 0);
    free(table.data);
    free(empty.data);
    free(rows.data);
    free(columns.data);
    free(to.data);
}
END_TEST

UNIT_MAIN("layer_helpers", slopes_as_the_oracle, convolutions_as_the_oracle,
          convolutions_of_many_channels, convolutions_on_threads, biases_as_the_oracle,
          bad_slopes, bad_convolutions, bad_biases)
