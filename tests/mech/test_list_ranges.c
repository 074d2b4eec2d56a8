/* SPDX-License-Identifier: MIT */
/*
 * Many lists of scattered keys that go over ranges of keys together
 * (src/solvers/list_by_ranges.c), in each type that K and V may have, against their
 * definition in double.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

/* Many lists of single keys that L2 does not hold: more than a pass takes, among them
 * empty ones, one that is too long for it and some with neighbours. */
enum { LISTS = 530, KEYS = 8300, MOST = 120, LONG = 5000, WIDEST = 40 };

/* ... with K and V of a megabyte and more in each type */
static const struct ranges_case {
    const char *options;
    int64_t heads;
    bool causal;
    double cap;
    int32_t kv_dtype;
    int64_t d, dv;
} RANGES[] = {
    {"", 1, false, 0, ATTN_DTYPE_F32, 16, 16},
    {"causal align=top_left", 2, true, 0, ATTN_DTYPE_F32, 19, 14},
    {"softcap=2", 1, false, 2, ATTN_DTYPE_F32, 16, 17},
    {"kv_dtype=f16", 1, false, 0, ATTN_DTYPE_F16, 37, 29},
    {"kv_dtype=bf16 softcap=2", 1, false, 2, ATTN_DTYPE_BF16, 32, 32},
};

struct scattered {
    int64_t ptr[2 * LISTS + 1]; /* of two heads */
    int32_t start[2 * LISTS * MOST + LONG], length[2 * LISTS * MOST + LONG];
    bool has[KEYS];
};

static attn_tensor vector(void *data, int32_t dtype, int64_t n)
{
    attn_tensor t;
    ck_assert_int_eq(attn_tensor_init(&t, data, dtype, 1, &n), ATTN_OK);
    return t;
}

static struct scattered *scattered_lists(struct rng *r)
{
    struct scattered *l = calloc(1, sizeof *l);
    ck_assert_ptr_nonnull(l);
    for (int i = 0; i < 2 * LISTS; i++) {
        int64_t n = l->ptr[i], most = i == 9 ? LONG : i % 100 == 3 ? 0 : MOST;
        int64_t step = i == 9 ? 1 : 2 * KEYS / MOST, j = rng_int(r, 0, step);
        for (int64_t at = 0; at < most && j < KEYS; at++) {
            bool pair = i % 50 == 7 && j + 1 < KEYS;
            l->start[n] = (int32_t)j;
            l->length[n++] = 1 + pair;
            l->has[j] = l->has[j + pair] = true;
            j += 1 + pair + rng_int(r, 0, step - 1);
        }
        l->ptr[i + 1] = n;
    }
    return l;
}

/* Row i of all heads by the definition; its keys end before `end`. */
static double scattered_row(const struct dense *x, const struct scattered *l, int64_t i,
                            int64_t end, double cap, double out[WIDEST])
{
    const float *q = x->q + i * x->d;
    double sum = 0, scale = 1 / sqrt((double)x->d);
    memset(out, 0, WIDEST * sizeof *out);
    for (int64_t e = l->ptr[i]; e < l->ptr[i + 1]; e++)
        for (int64_t j = l->start[e]; j < l->start[e] + l->length[e] && j < end; j++) {
            double s = 0;
            for (int64_t c = 0; c < x->d; c++)
                s += (double)q[c] * (double)x->k[j * x->d + c];
            s = exp(cap > 0 ? cap * tanh(s * scale / cap) : s * scale);
            sum += s;
            for (int64_t c = 0; c < x->dv; c++)
                out[c] += s * (double)x->v[j * x->dv + c];
        }
    for (int64_t c = 0; c < x->dv && sum > 0; c++)
        out[c] /= sum;
    return log(sum);
}

/* A number of few bits, or NaN. */
static uint16_t half_of(float x, int32_t dtype)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x))
        return dtype == ATTN_DTYPE_BF16 ? 0x7fc0 : 0x7e00;
    if (dtype == ATTN_DTYPE_BF16 || x == 0)
        return (uint16_t)(bits >> 16);
    return (uint16_t)((bits >> 16 & 0x8000) | ((bits >> 23 & 255) - 112) << 10 |
                      (bits >> 13 & 0x3ff));
}

/* The role's numbers lose bits until they fit in dtype, as which they are given. */
static void store_halves(struct dense *x, int32_t role, int32_t dtype, float *f, uint16_t *to)
{
    attn_tensor *t = dense_view(x, role);
    for (int64_t n = 0; n < KEYS * t->shape[3]; n++) {
        f[n] = roundf(f[n] * 32) / 32;
        to[n] = half_of(f[n], dtype);
    }
    t->data = to;
    t->dtype = dtype;
}

static void run_scattered(const struct scattered *l, const struct ranges_case *o, const char *text,
                          int64_t threads, struct dense *x)
{
    static uint16_t half[2][KEYS * WIDEST];
    attn_ctx *ctx = dense_ctx(threads);
    int64_t rows = o->heads * LISTS, entries = l->ptr[rows];
    attn_tensor part[3] = {vector((void *)l->ptr, ATTN_DTYPE_I64, rows + 1),
                           vector((void *)l->start, ATTN_DTYPE_I32, entries),
                           vector((void *)l->length, ATTN_DTYPE_I32, entries)};
    const attn_arg args[3] = {{1, 0, &part[0]}, {2, 0, &part[1]}, {3, 0, &part[2]}};
    attn_selection *sel;
    ck_assert_int_eq(attn_selection_import_rows(ctx, 1, o->heads, 1, LISTS, 1, KEYS, 0, args,
                                                3, &sel), ATTN_OK);
    dense_make(x, 1, o->heads, 1, LISTS, KEYS, o->d, o->dv);
    for (int64_t j = 0; j < KEYS; j++)
        if (!l->has[j])
            x->k[j * x->d] = x->v[j * x->dv] = NAN;
    if (o->kv_dtype != ATTN_DTYPE_F32) {
        store_halves(x, ATTN_ROLE_K, o->kv_dtype, x->k, half[0]);
        store_halves(x, ATTN_ROLE_V, o->kv_dtype, x->v, half[1]);
    }
    x->arg[x->n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
    ck_assert(dense_run(ctx, text, "lists", x));
    attn_selection_destroy(sel);
    attn_ctx_destroy(ctx);
}

START_TEST(ranges)
{
    struct rng r = {88};
    for (size_t n = 0; n < sizeof RANGES / sizeof RANGES[0]; n++) {
        const struct ranges_case *o = &RANGES[n];
        struct scattered *l = scattered_lists(&r);
        struct dense x[2];
        char text[200];
        snprintf(text, sizeof text, "lists h=%d/1 q=530 k=8300 d=%d/%d %s", (int)o->heads,
                 (int)o->d, (int)o->dv, o->options);
        double error = 0, size = 0, out[WIDEST];
        for (int t = 0; t < 2; t++)
            run_scattered(l, o, text, 1 + t, &x[t]);
        ck_assert(memcmp(x[0].out, x[1].out, x[0].n_out * sizeof(float)) == 0);
        for (int64_t at = 0; at < o->heads * LISTS; at++) {
            double lse = scattered_row(&x[0], l, at, o->causal ? at % LISTS + 1 : KEYS, o->cap,
                                       out);
            ck_assert(lse == -INFINITY ? x[0].lse[at] == lse
                                       : fabs((double)x[0].lse[at] - lse) < 1e-5);
            for (int64_t c = 0; c < o->dv; c++) {
                error += pow((double)x[0].out[at * o->dv + c] - out[c], 2);
                size += out[c] * out[c];
            }
        }
        ck_assert_msg(error <= 9e-12 * size, "%s: off by %g", text, sqrt(error / size));
        dense_free(&x[0]);
        dense_free(&x[1]);
        free(l);
    }
}
END_TEST

UNIT_MAIN("list_ranges", ranges)
