/* SPDX-License-Identifier: MIT */
/*
 * The functions of <attn/head_scores.h>: golden figures in every element type
 * and with odd strides, edges, and their arguments.
 */
#include <math.h>
#include <string.h>

#include <attn/attn.h>

#include "base/dtype.h"
#include "golden_head_scores.h"
#include "unit.h"

enum { B = 2, H = 3, N = 13, D = 5, PERIOD = 4, BOS = 1 };

static double input(int64_t i, uint32_t seed)
{
    uint32_t x = (uint32_t)i * 2654435761u + seed * 40503u;
    return ((double)((x >> 16) % 61) - 30) / 16;
}

/* Memory of our own, `gap` elements from one to the next. */
static attn_tensor make(int32_t dtype, int32_t rank, const int64_t *shape, int64_t gap)
{
    attn_tensor t;
    int64_t n = 1;
    ck_assert_int_eq(attn_tensor_init(&t, NULL, dtype, rank, shape), ATTN_OK);
    for (int32_t i = 0; i < rank; i++) {
        n *= shape[i];
        t.stride[i] *= gap;
    }
    t.data = calloc((size_t)(n * gap) + 1, attn_dtype_size(dtype));
    ck_assert_ptr_nonnull(t.data);
    return t;
}

static int64_t count(const attn_tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

/* Where dense element i is. */
static int64_t place(const attn_tensor *t, int64_t i)
{
    int64_t at = 0;
    for (int32_t r = t->rank - 1; r >= 0; r--) {
        at += i % t->shape[r] * t->stride[r];
        i /= t->shape[r];
    }
    return at;
}

static void put(const attn_tensor *t, int64_t i, double x)
{
    int64_t at = place(t, i);
    if (t->dtype == ATTN_DTYPE_I32)
        ((int32_t *)t->data)[at] = (int32_t)x;
    else if (t->dtype == ATTN_DTYPE_I64)
        ((int64_t *)t->data)[at] = (int64_t)x;
    else
        attn__store_f64(t->data, at, t->dtype, x);
}

static double get(const attn_tensor *t, int64_t i)
{
    return attn__load_f64(t->data, place(t, i), t->dtype);
}

static void check(const attn_tensor *t, const double *want, double tolerance)
{
    for (int64_t i = 0; i < count(t); i++)
        ck_assert_msg(fabs(get(t, i) - want[i]) <= tolerance * fmax(1, fabs(want[i])),
                      "[%d] is %.15g, expected %.15g", (int)i, get(t, i), want[i]);
}

static double tolerance(int32_t dtype)
{
    return dtype == ATTN_DTYPE_F64   ? 1e-13
           : dtype == ATTN_DTYPE_F32 ? 1e-6
           : dtype == ATTN_DTYPE_F16 ? 2e-3
                                     : 2e-2;
}

static const int32_t floats[] = {ATTN_DTYPE_F64, ATTN_DTYPE_F32, ATTN_DTYPE_F16, ATTN_DTYPE_BF16};

/* [B,H,N,N] causal softmax of the inputs. */
static attn_tensor make_probs(int32_t dtype, int64_t gap)
{
    static const int64_t shape[] = {B, H, N, N};
    attn_tensor t = make(dtype, 4, shape, gap);
    for (int64_t r = 0; r < B * H * N; r++) {
        double sum = 0;
        for (int64_t j = 0; j <= r % N; j++)
            sum += exp(input(r * N + j, 1));
        for (int64_t j = 0; j < N; j++)
            put(&t, r * N + j, j <= r % N ? exp(input(r * N + j, 1)) / sum : 0);
    }
    return t;
}

START_TEST(razor)
{
    static const int64_t shape[] = {B, H};
    for (int n = 0; n < 8; n++) {
        int32_t dtype = floats[n % 4];
        attn_tensor p = make_probs(dtype, 1 + n / 4);
        attn_tensor echo = make(n % 2 ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32, 2, shape, 1 + n / 4);
        attn_tensor induction = make(ATTN_DTYPE_F64, 2, shape, 1);
        ck_assert_int_eq(attn_razor_head_scores(&p, PERIOD, BOS, &echo, &induction), ATTN_OK);
        check(&echo, golden_echo, n % 2 ? tolerance(dtype) : fmax(1e-6, tolerance(dtype)));
        check(&induction, golden_induction, tolerance(dtype));
        /* no row has a copy in front of it */
        static const double none[B * H];
        ck_assert_int_eq(attn_razor_head_scores(&p, N, 0, &echo, &induction), ATTN_OK);
        check(&echo, none, 0);
        ck_assert_int_eq(attn_razor_head_scores(&p, INT64_MAX, INT64_MAX, &echo, &induction),
                         ATTN_OK);
        check(&induction, none, 0);
        free(p.data);
        free(echo.data);
        free(induction.data);
    }
}
END_TEST

START_TEST(vhd)
{
    static const int64_t shape[] = {B, H, 1, D};
    for (int n = 0; n < 16; n++) {
        attn_tensor x = make(floats[n % 4], 4, shape, 3), y = make(floats[n / 4], 4, shape, 1);
        attn_tensor to = make(ATTN_DTYPE_F64, 3, shape, 2);
        for (int64_t i = 0; i < count(&x); i++) {
            put(&x, i, input(i, 2)); /* exact in all types */
            put(&y, i, input(i, 3));
        }
        ck_assert_int_eq(attn_vhd(&x, &y, &to), ATTN_OK);
        check(&to, golden_vhd, 1e-14);
        ck_assert_int_eq(attn_vhd(&x, &x, &to), ATTN_OK);
        ck_assert(get(&to, 0) == 0);
        free(x.data);
        free(y.data);
        free(to.data);
    }
}
END_TEST

START_TEST(rollout)
{
    static const int64_t shape[] = {B, N, N};
    for (int n = 0; n < 4; n++) {
        int32_t dtype = floats[n], type = n % 2 ? ATTN_DTYPE_F32 : ATTN_DTYPE_F64;
        attn_tensor p = make_probs(dtype, 1), across = p;
        attn_tensor a = make(type, 3, shape, 1), b = make(type, 3, shape, 1 + n);
        across.stride[2] = p.stride[3];
        across.stride[3] = p.stride[2];
        ck_assert_int_eq(attn_rollout(&p, 0.75, NULL, &a), ATTN_OK);
        ck_assert_int_eq(attn_rollout(&across, 0.75, &a, &b), ATTN_OK);
        ck_assert_int_eq(attn_rollout(&p, 0.75, &b, &a), ATTN_OK);
        check(&a, golden_rollout, n == 0 ? 1e-13 : fmax(2e-6, 4 * tolerance(dtype)));
        /* with no residual part nothing changes, and rows of weights sum to 1 */
        ck_assert_int_eq(attn_rollout(&p, 0, &b, &a), ATTN_OK);
        ck_assert(get(&a, 7) == get(&b, 7));
        ck_assert_int_eq(attn_rollout(&p, 1, NULL, &a), ATTN_OK);
        double sum = 0;
        for (int64_t j = 0; j < N; j++)
            sum += get(&a, N * (N - 1) + j);
        ck_assert(fabs(sum - 1) <= 4 * tolerance(dtype));
        free(p.data);
        free(a.data);
        free(b.data);
    }
}
END_TEST

/* More columns than are summed at a time. */
START_TEST(rollout_wide)
{
    enum { WIDE = 300 };
    static const int64_t four[] = {1, 1, WIDE, WIDE}, three[] = {1, WIDE, WIDE};
    attn_tensor p = make(ATTN_DTYPE_F32, 4, four, 1), a = make(ATTN_DTYPE_F32, 3, three, 1);
    attn_tensor b = make(ATTN_DTYPE_F64, 3, three, 1);
    for (int64_t i = 0; i < WIDE; i++)
        put(&p, i * WIDE + (i + 1) % WIDE, 1); /* everybody looks at the next */
    ck_assert_int_eq(attn_rollout(&p, 0.25, NULL, &a), ATTN_OK);
    ck_assert_int_eq(attn_rollout(&p, 0.25, &a, &b), ATTN_OK);
    for (int64_t i = 0; i < WIDE; i++)
        for (int64_t j = 0; j < WIDE; j++) {
            int64_t ahead = (j - i + WIDE) % WIDE;
            double want = ahead == 0 ? 0.5625 : ahead == 1 ? 0.375 : ahead == 2 ? 0.0625 : 0;
            ck_assert(get(&b, i * WIDE + j) == want);
        }
    free(p.data);
    free(a.data);
    free(b.data);
}
END_TEST

static attn_tensor make_ids(const int64_t *values, int32_t dtype, int32_t rank,
                            const int64_t *shape, int64_t gap)
{
    attn_tensor t = make(dtype, rank, shape, gap);
    for (int64_t i = 0; i < count(&t); i++)
        put(&t, i, (double)values[i]);
    return t;
}

START_TEST(retrieval)
{
    static const int64_t shape[] = {4, 3, 2}, six[] = {6}, three[] = {3};
    for (int n = 0; n < 4; n++) {
        int32_t dtype = n % 2 ? ATTN_DTYPE_I32 : ATTN_DTYPE_I64;
        attn_tensor one = make_ids(golden_positions, dtype, 2, shape, 1 + n);
        attn_tensor two = make_ids(golden_positions2, dtype, 3, shape, 1);
        attn_tensor ids = make_ids(golden_generated, ATTN_DTYPE_I32, 1, shape, 1);
        attn_tensor prompt = make_ids(golden_prompt, dtype, 1, six, 2);
        attn_tensor to = make(n / 2 ? ATTN_DTYPE_F32 : ATTN_DTYPE_F64, 1, three, 1);
        ck_assert_int_eq(attn_retrieval_head_scores(&one, &ids, &prompt, 2, 5, &to), ATTN_OK);
        check(&to, golden_retrieval, n / 2 ? 1e-7 : 1e-14);
        ck_assert_int_eq(attn_retrieval_head_scores(&two, &ids, &prompt, 2, 5, &to), ATTN_OK);
        check(&to, golden_retrieval2, n / 2 ? 1e-7 : 1e-14);
        free(one.data);
        free(two.data);
        free(ids.data);
        free(prompt.data);
        free(to.data);
    }
}
END_TEST

START_TEST(spans)
{
    for (size_t n = 0; n < sizeof golden_moa_n / sizeof *golden_moa_n; n++) {
        int64_t span = -1, band = -1;
        ck_assert_int_eq(attn_moa_span_rule(1, &golden_moa_alpha[n], &golden_moa_beta[n],
                                            golden_moa_n[n], 128, 64, &span, &band),
                         ATTN_OK);
        ck_assert_int_eq(span, golden_moa_spans[n]);
        ck_assert_int_eq(band, golden_moa_bands[n]);
    }
    static const double alpha[2] = {1e300, 5}, beta[2] = {-1e100, 1};
    int64_t span[2], band[2];
    ck_assert_int_eq(attn_moa_span_rule(2, alpha, beta, 7, 0, 3, span, NULL), ATTN_OK);
    ck_assert_int_eq(span[0], 9);
    ck_assert_int_eq(span[1], 9);
    ck_assert_int_eq(attn_moa_span_rule(2, alpha, beta, 7, 0, 3, NULL, band), ATTN_OK);
    ck_assert_int_eq(band[0], INT64_C(1) << 40);
    ck_assert_int_eq(band[1], 3);
    ck_assert_int_eq(attn_moa_span_rule(2, alpha, beta, 0, INT64_MAX, 64, span, band),
                     ATTN_ERR_OVERFLOW);
    ck_assert_int_eq(attn_moa_span_rule(0, alpha, beta, 0, 0, 1, NULL, NULL), ATTN_OK);
}
END_TEST

static void refused(int32_t status, int32_t want, const char *part)
{
    char text[512];
    attn_last_error(text, sizeof text);
    ck_assert_msg(status == want && strstr(text, part), "%d '%s', expected %d and '%s'",
                  (int)status, text, (int)want, part);
}

START_TEST(bad_spans)
{
    double a = 1, b = 0.5, nan = NAN, two = 2, less = -5;
    int64_t s = 3;
    refused(attn_moa_span_rule(1, NULL, &b, 1, 1, 1, &s, &s), ATTN_ERR_NULL, "alpha is NULL");
    refused(attn_moa_span_rule(1, &a, NULL, 1, 1, 1, &s, &s), ATTN_ERR_NULL, "beta is NULL");
    refused(attn_moa_span_rule(1, &a, &b, -1, 1, 1, &s, &s), ATTN_ERR_INVALID, "n is -1");
    refused(attn_moa_span_rule(1, &a, &b, 1, -1, 1, &s, &s), ATTN_ERR_INVALID, "minimum is -1");
    refused(attn_moa_span_rule(1, &a, &b, 1, 1, 0, &s, &s), ATTN_ERR_INVALID, "unit is 0");
    refused(attn_moa_span_rule(1, &nan, &b, 1, 1, 1, &s, &s), ATTN_ERR_INVALID, "alpha[0] is");
    refused(attn_moa_span_rule(1, &a, &nan, 1, 1, 1, &s, &s), ATTN_ERR_INVALID, "beta[0] is");
    refused(attn_moa_span_rule(1, &a, &two, 1, 1, 1, &s, &s), ATTN_ERR_INVALID, "beta[0] is 2");
    refused(attn_moa_span_rule(1, &less, &b, 4, 1, 1, &s, &s), ATTN_ERR_INVALID, "is -3");
    ck_assert_int_eq(s, 3);
}
END_TEST

START_TEST(task_kv)
{
    enum { HEADS = 5 };
    static const int64_t w_shape[] = {HEADS, N}, v_shape[] = {HEADS, N, D}, to_shape[] = {HEADS, D};
    for (int64_t gap = 1; gap <= 3; gap += 2) {
        attn_tensor w = make(ATTN_DTYPE_F32, 2, w_shape, gap);
        attn_tensor v = make(ATTN_DTYPE_F64, 3, v_shape, gap);
        attn_tensor vectors = make(ATTN_DTYPE_F64, 2, to_shape, gap);
        attn_tensor distances = make(ATTN_DTYPE_F64, 1, w_shape, gap);
        attn_tensor full = make(gap == 1 ? ATTN_DTYPE_I32 : ATTN_DTYPE_I64, 1, w_shape, gap);
        for (int64_t i = 0; i < HEADS * N; i++)
            put(&w, i, fabs(input(i, 4)));
        for (int64_t i = 0; i < HEADS * N * D; i++)
            put(&v, i, input(i, 5));
        for (int64_t n = 0; n <= HEADS; n++) {
            ck_assert_int_eq(attn_task_kv_heads(&w, &v, 6, n, &vectors, &distances, &full),
                             ATTN_OK);
            for (int64_t h = 0; h < HEADS; h++) {
                int64_t found = attn__load_i64(full.data, h * full.stride[0], full.dtype);
                double far = attn__load_f64(distances.data, h * gap, ATTN_DTYPE_F64);
                ck_assert_int_eq(found, golden_task_kv_full[n * HEADS + h]);
                ck_assert_double_eq_tol(far, golden_task_kv_distances[h], 1e-12);
            }
        }
        /* weights beyond the last count for nothing: all are in */
        ck_assert_int_eq(attn_task_kv_heads(&w, &v, INT64_MAX, 1, &vectors, &distances, &full),
                         ATTN_OK);
        double sum = 0;
        for (int64_t j = 0; j < N; j++)
            sum += fabs(input(j, 4)) * input(j * D, 5);
        ck_assert_double_eq_tol(attn__load_f64(vectors.data, 0, ATTN_DTYPE_F64), sum, 1e-12);
        free(w.data);
        free(v.data);
        free(vectors.data);
        free(distances.data);
        free(full.data);
    }
}
END_TEST

START_TEST(task_kv_rules)
{
    for (size_t n = 0; n < sizeof golden_task_kv_fulls / sizeof *golden_task_kv_fulls; n++) {
        const double *r = golden_task_kv_rules + 7 * n;
        int64_t full, middle;
        ck_assert_int_eq(attn_task_kv_rule((int64_t)r[0], (int64_t)r[1], (int64_t)r[2], r[3], r[4],
                                           (int64_t)r[5], (int64_t)r[6], 3, 10, &full, &middle),
                         ATTN_OK);
        ck_assert_int_eq(full, golden_task_kv_fulls[n]);
        ck_assert_int_eq(middle, golden_task_kv_middles[n]);
    }
}
END_TEST

START_TEST(bad_task_kv)
{
    static const int64_t two[] = {2, 4}, three[] = {2, 4, 3}, to[] = {2, 3};
    attn_tensor w = make(ATTN_DTYPE_F32, 2, two, 1), v = make(ATTN_DTYPE_F32, 3, three, 1), t;
    attn_tensor x = make(ATTN_DTYPE_F32, 2, to, 1), d = make(ATTN_DTYPE_F32, 1, two, 1);
    attn_tensor full = make(ATTN_DTYPE_I32, 1, two, 1);
    int64_t f = 7, m = 7;
    refused(attn_task_kv_heads(NULL, &v, 1, 1, &x, &d, &full), ATTN_ERR_NULL, "weights is NULL");
    refused(attn_task_kv_heads(&w, &v, 0, 1, &x, &d, &full), ATTN_ERR_INVALID, "top is 0");
    refused(attn_task_kv_heads(&w, &v, 1, 3, &x, &d, &full), ATTN_ERR_INVALID, "n_full is 3");
    refused(attn_task_kv_heads(&w, &v, 1, -1, &x, &d, &full), ATTN_ERR_INVALID, "n_full is -1");
    refused(attn_task_kv_heads(&w, &v, 1, 1, &x, &d, &d), ATTN_ERR_DTYPE, "full has dtype");
    t = v;
    t.shape[1] = 3;
    refused(attn_task_kv_heads(&w, &t, 1, 1, &x, &d, &full), ATTN_ERR_SHAPE, "v has extent 3");
    t = x;
    t.shape[1] = 2;
    refused(attn_task_kv_heads(&w, &v, 1, 1, &t, &d, &full), ATTN_ERR_SHAPE, "vectors");
    refused(attn_task_kv_rule(0, 0, 1, 0, 0, 1, 1, 1, 1, &f, &m), ATTN_ERR_INVALID, "heads is 0");
    refused(attn_task_kv_rule(1, 1, 1, 0, 0, 1, 1, 1, 1, &f, &m), ATTN_ERR_INVALID, "layer is 1");
    refused(attn_task_kv_rule(1, 0, 1, NAN, 0, 1, 1, 1, 1, &f, &m), ATTN_ERR_INVALID, "share");
    refused(attn_task_kv_rule(1, 0, 1, 0, 2, 1, 1, 1, 1, &f, &m), ATTN_ERR_INVALID, "least is 2");
    refused(attn_task_kv_rule(1, 0, 1, 0, 0, 1, -1, 1, 1, &f, &m), ATTN_ERR_INVALID, "budget");
    refused(attn_task_kv_rule(4, 0, 1, 0, 0, INT64_MAX, 1, 1, 1, &f, &m), ATTN_ERR_OVERFLOW, "64");
    refused(attn_task_kv_rule(1, 0, 1, 0, 0, 1, 1, 1, 1, NULL, &m), ATTN_ERR_NULL, "full is NULL");
    ck_assert(f == 7 && m == 7);
    free(w.data);
    free(v.data);
    free(x.data);
    free(d.data);
    free(full.data);
}
END_TEST

START_TEST(bad_tensors)
{
    static const int64_t four[] = {1, 2, 4, 4}, three[] = {1, 4, 4}, two[] = {1, 2}, more[] = {9};
    attn_tensor p = make(ATTN_DTYPE_F32, 4, four, 1), out = make(ATTN_DTYPE_F32, 3, three, 1);
    attn_tensor e = make(ATTN_DTYPE_F32, 2, two, 1), d = make(ATTN_DTYPE_F32, 2, two, 1);
    attn_tensor i = make(ATTN_DTYPE_I32, 2, two, 1), ids = make(ATTN_DTYPE_I32, 1, more, 1), t;

    refused(attn_razor_head_scores(NULL, 1, 0, &e, &d), ATTN_ERR_NULL, "probs is NULL");
    refused(attn_razor_head_scores(&p, 1, 0, &e, NULL), ATTN_ERR_NULL, "induction is NULL");
    refused(attn_razor_head_scores(&e, 1, 0, &e, &d), ATTN_ERR_SHAPE, "probs has rank 2");
    refused(attn_razor_head_scores(&p, 0, 0, &e, &d), ATTN_ERR_INVALID, "period is 0");
    refused(attn_razor_head_scores(&p, 1, -1, &e, &d), ATTN_ERR_INVALID, "bos is -1");
    refused(attn_razor_head_scores(&p, 1, 0, &i, &d), ATTN_ERR_DTYPE, "echo has dtype 5 (i32)");
    t = p;
    t.shape[3] = 3;
    refused(attn_razor_head_scores(&t, 1, 0, &e, &d), ATTN_ERR_SHAPE, "4 rows and 3 keys");
    t = e;
    t.shape[1] = 1;
    refused(attn_razor_head_scores(&p, 1, 0, &e, &t), ATTN_ERR_SHAPE,
            "induction has extent 1 in dimension 1, expected 2 as probs has");
    t = e;
    t.stride[1] = 0;
    refused(attn_razor_head_scores(&p, 1, 0, &t, &d), ATTN_ERR_STRIDE, "echo");
    t = p;
    t.dtype = 77;
    refused(attn_vhd(&t, &p, &out), ATTN_ERR_DTYPE, "out_with has dtype 77");
    t = p;
    t.data = NULL;
    refused(attn_vhd(&p, &t, &out), ATTN_ERR_NULL, "out_without");
    refused(attn_vhd(&p, &p, &out), ATTN_ERR_SHAPE, "distances has extent 4 in dimension 1");
    t = p;
    t.shape[2] = 3;
    refused(attn_vhd(&p, &t, &out), ATTN_ERR_SHAPE, "out_without has extent 3 in dimension 2");
    refused(attn_rollout(&p, 1.5, NULL, &out), ATTN_ERR_INVALID, "residual is 1.5");
    refused(attn_rollout(&p, NAN, NULL, &out), ATTN_ERR_INVALID, "residual is");
    refused(attn_rollout(&p, 0.5, &e, &out), ATTN_ERR_SHAPE, "before has rank 2");
    refused(attn_rollout(&p, 0.5, &out, NULL), ATTN_ERR_NULL, "after is NULL");
    t = out;
    t.shape[1] = 3;
    refused(attn_rollout(&p, 0.5, NULL, &t), ATTN_ERR_SHAPE, "after has extent 3 in dimension 1");
    t = p;
    t.shape[1] = 0;
    refused(attn_rollout(&t, 0.5, NULL, &out), ATTN_ERR_SHAPE, "at least one head");

    attn_tensor one = ids, scores = e;
    one.shape[0] = 1;
    scores.rank = 1;
    scores.shape[0] = 2;
    scores.stride[0] = 1;
    refused(attn_retrieval_head_scores(&i, &ids, &ids, 0, 1, &scores), ATTN_ERR_SHAPE,
            "generated has extent 9");
    refused(attn_retrieval_head_scores(&i, &one, &ids, 3, 3, &scores), ATTN_ERR_INVALID,
            "the needle is 3 to 3");
    refused(attn_retrieval_head_scores(&i, &one, &ids, -1, 3, &scores), ATTN_ERR_INVALID, "-1");
    refused(attn_retrieval_head_scores(&i, &one, &ids, 0, 10, &scores), ATTN_ERR_INVALID, "<= 9");
    refused(attn_retrieval_head_scores(&e, &one, &ids, 0, 1, &scores), ATTN_ERR_DTYPE,
            "positions has dtype 1 (f32), expected i32 or i64");
    refused(attn_retrieval_head_scores(&p, &one, &ids, 0, 1, &scores), ATTN_ERR_SHAPE,
            "positions has rank 4, expected 2");
    scores.shape[0] = 1;
    refused(attn_retrieval_head_scores(&i, &one, &ids, 0, 1, &scores), ATTN_ERR_SHAPE,
            "scores has extent 1");
    free(p.data);
    free(out.data);
    free(e.data);
    free(d.data);
    free(i.data);
    free(ids.data);
}
END_TEST

UNIT_MAIN("head_scores", razor, vhd, rollout, rollout_wide, retrieval, spans, task_kv,
          task_kv_rules, bad_task_kv, bad_spans, bad_tensors)
