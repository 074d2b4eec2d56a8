/* SPDX-License-Identifier: MIT */
/*
 * Recipes of several stages with packed batches (src/mech/packed.h): rows begin
 * and end anywhere in their tensors, one sequence is empty, and every other one
 * has the bits that it has alone. Rows of no sequence stay as they are.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <attn/attn.h>

#include "../unit/unit.h"

enum { SEQUENCES = 3, MOST_ARGS = 16, MOST_Q = 20, MOST_K = 30, Q_ROWS = 37, K_ROWS = 56 };

static const int64_t q_offsets[] = {3, 10, 10, 30}, k_offsets[] = {2, 32, 37, 50};

/* Roles with rows of queries and of keys tell the lengths. */
static const struct {
    const char *text;
    int32_t q_role, k_role;
    int64_t q_heads, q_width, k_heads, k_width;
} cases[] = {
    {"diff_attention h=4/2/1 d=8/16 causal", ATTN_ROLE_Q, ATTN_ROLE_K, 4, 8, 2, 8},
    {"diff_attention h=8/4/2 d=8 out_gate=sigmoid out_norm=none", ATTN_ROLE_Q, ATTN_ROLE_K,
     8, 8, 4, 8},
    {"mla h=3 d=24/16 mla_rank=32 mla_rope_dim=8 causal", ATTN_ROLE_Q_NOPE, ATTN_ROLE_LATENT, 3,
     16, 1, 40},
    {"mla h=3 d=24/16 mla_rank=32 mla_rope_dim=8 mla_form=naive causal", ATTN_ROLE_Q_NOPE,
     ATTN_ROLE_LATENT, 3, 16, 1, 40},
    {"agent_attention h=4/2 d=8/16 agent_tokens=9", ATTN_ROLE_Q, ATTN_ROLE_K, 4, 8, 2, 8},
    {"complexformer h=2 d=8 causal", ATTN_ROLE_Q, ATTN_ROLE_K, 2, 8, 2, 8},
};

/* Everything that a plan requires, and OUT. */
struct data {
    size_t n, bytes[MOST_ARGS];
    attn_tensor t[MOST_ARGS];
    attn_arg arg[MOST_ARGS];
    attn_tensor offsets[2];
};

static attn_plan *make_plan(attn_ctx *ctx, const char *text)
{
    attn_desc *desc;
    attn_plan *plan;
    char why[512];
    int32_t status = attn_desc_parse(ctx, text, &desc);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, desc, &plan);
    attn_last_error(why, sizeof why);
    ck_assert_msg(status == ATTN_OK, "%s: %s", text, why);
    attn_desc_destroy(desc);
    return plan;
}

static void execute(const attn_plan *plan, const attn_arg *arg, size_t n)
{
    char why[512];
    int32_t status = attn_plan_execute(plan, arg, n, NULL, 0);
    attn_last_error(why, sizeof why);
    ck_assert_msg(status == ATTN_OK, "%s", why);
}

/* The dimension of rows, "Nq" or "Nk", or -1. */
static int32_t place_of(int32_t role, const char *rows)
{
    int32_t n = 0;
    for (const char *at = attn_role_shape(role); at && *at && *at != ' '; n++) {
        size_t length = strcspn(at, ", ");
        if (length == 2 && memcmp(at, rows, 2) == 0)
            return n;
        at += length + (at[length] == ',');
    }
    return -1;
}

static void add(struct data *d, int32_t role, const attn_tensor *shape)
{
    size_t elements = 1;
    attn_tensor *t = &d->t[d->n];
    ck_assert(d->n < MOST_ARGS);
    for (int32_t i = 0; i < shape->rank; i++)
        elements *= (size_t)shape->shape[i];
    d->bytes[d->n] = elements * attn_dtype_size(shape->dtype);
    ck_assert_int_eq(shape->dtype, ATTN_DTYPE_F32);
    float *x = malloc(d->bytes[d->n] + 1);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < elements; i++)
        x[i] = (float)(((uint32_t)i * 2654435761u + (uint32_t)role * 40503u) >> 16) / 32768 - 1;
    attn_tensor_init(t, x, shape->dtype, shape->rank, shape->shape);
    d->arg[d->n++] = (attn_arg){role, 0, t};
}

static void make_data(const attn_plan *plan, size_t i, struct data *d)
{
    const int64_t q[4] = {1, cases[i].q_heads, Q_ROWS, cases[i].q_width};
    const int64_t k[4] = {1, cases[i].k_heads, K_ROWS, cases[i].k_width};
    const int64_t ends = SEQUENCES + 1;
    attn_tensor shape;
    int32_t role, required;
    attn_tensor_init(&d->offsets[0], (void *)(uintptr_t)q_offsets, ATTN_DTYPE_I64, 1, &ends);
    attn_tensor_init(&d->offsets[1], (void *)(uintptr_t)k_offsets, ATTN_DTYPE_I64, 1, &ends);
    d->arg[0] = (attn_arg){ATTN_ROLE_Q_OFFSETS, 0, &d->offsets[0]};
    d->arg[1] = (attn_arg){ATTN_ROLE_K_OFFSETS, 0, &d->offsets[1]};
    d->n = 2;
    attn_tensor_init(&shape, NULL, ATTN_DTYPE_F32, 4, q);
    add(d, cases[i].q_role, &shape);
    attn_tensor_init(&shape, NULL, ATTN_DTYPE_F32, 4, k);
    add(d, cases[i].k_role, &shape);
    for (size_t n = 0; (role = attn_plan_role_at(plan, n, &required)) != 0; n++) {
        bool have = !required && role != ATTN_ROLE_OUT;
        for (size_t j = 0; j < d->n; j++)
            have = have || d->arg[j].role == role;
        if (have)
            continue;
        ck_assert_int_eq(attn_plan_shape(plan, d->arg, d->n, role, &shape), ATTN_OK);
        add(d, role, &shape);
    }
}

/* A sequence's rows of an array. */
static attn_tensor cut(const struct data *d, size_t n, int64_t s)
{
    attn_tensor t = d->t[n];
    int32_t q = place_of(d->arg[n].role, "Nq"), k = place_of(d->arg[n].role, "Nk");
    const int64_t *at = q >= 0 ? q_offsets : k_offsets;
    int32_t rows = q >= 0 ? q : k;
    if (d->arg[n].role == ATTN_ROLE_AGENTS) { /* [S,..] */
        t.data = (float *)t.data + s * t.stride[0];
        t.shape[0] = 1;
    }
    if (rows >= 0) {
        t.data = (float *)t.data + at[s] * t.stride[rows];
        t.shape[rows] = at[s + 1] - at[s];
    }
    return t;
}

/* Each sequence by itself, into the rows that the packed batch left as they were. */
static void run_alone(const attn_plan *plan, const struct data *d)
{
    for (int64_t s = 0; s < SEQUENCES; s++) {
        attn_tensor t[MOST_ARGS];
        attn_arg arg[MOST_ARGS];
        for (size_t n = 2; n < d->n; n++) {
            t[n] = cut(d, n, s);
            arg[n - 2] = (attn_arg){d->arg[n].role, 0, &t[n]};
        }
        execute(plan, arg, d->n - 2);
    }
}

START_TEST(packed_is_alone)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int64_t threads = 1; threads <= 2; threads++) {
            struct data d;
            char text[256];
            attn_ctx *ctx;
            ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
            ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, threads), ATTN_OK);
            snprintf(text, sizeof text, "%s b=%d q=%d k=%d packed blas=never", cases[i].text,
                     SEQUENCES, MOST_Q, MOST_K);
            attn_plan *packed = make_plan(ctx, text);
            snprintf(text, sizeof text, "%s b=1 q=%d k=%d blas=never", cases[i].text, MOST_Q,
                     MOST_K);
            attn_plan *alone = make_plan(ctx, text);
            memset(&d, 0, sizeof d);
            make_data(packed, i, &d);
            size_t out = 0;
            for (size_t n = 2; n < d.n; n++)
                out = d.arg[n].role == ATTN_ROLE_OUT ? n : out;
            void *before = malloc(d.bytes[out]), *got = malloc(d.bytes[out]);
            ck_assert(before && got);
            memcpy(before, d.t[out].data, d.bytes[out]);
            execute(packed, d.arg, d.n);
            memcpy(got, d.t[out].data, d.bytes[out]);
            memcpy(d.t[out].data, before, d.bytes[out]);
            run_alone(alone, &d);
            ck_assert_msg(memcmp(got, before, d.bytes[out]) != 0, "%s: nothing happened", text);
            ck_assert_msg(memcmp(got, d.t[out].data, d.bytes[out]) == 0, "%s: other bits", text);
            for (size_t n = 2; n < d.n; n++)
                free(d.t[n].data);
            free(before);
            free(got);
            attn_plan_destroy(packed);
            attn_plan_destroy(alone);
            attn_ctx_destroy(ctx);
        }
}
END_TEST

UNIT_MAIN("packed", packed_is_alone)
