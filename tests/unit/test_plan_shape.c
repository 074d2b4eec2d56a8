/* SPDX-License-Identifier: MIT */
/* attn_plan_role_at, attn_plan_shape and attn_role_shape: what a caller needs to make memory. */
#include <string.h>

#include <attn/attn.h>

#include "unit.h"

static attn_ctx *ctx; /* one a test: each runs in a process of its own */

static void check_error(const char *expected)
{
    char text[256];
    attn_last_error(text, sizeof text);
    ck_assert_str_eq(text, expected);
}

static attn_plan *plan_of(const char *problem)
{
    attn_desc *desc;
    attn_plan *plan;
    if (!ctx)
        ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_int_eq(attn_desc_parse(ctx, problem, &desc), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_OK);
    attn_desc_destroy(desc);
    return plan;
}

static void check_shape(const attn_plan *plan, const attn_arg *args, size_t n, int32_t role,
                        int32_t dtype, int32_t rank, const int64_t *shape)
{
    attn_tensor t;
    ck_assert_int_eq(attn_plan_shape(plan, args, n, role, &t), ATTN_OK);
    ck_assert_int_eq(t.dtype, dtype);
    ck_assert_int_eq(t.rank, rank);
    ck_assert_mem_eq(t.shape, shape, (size_t)rank * sizeof *shape);
    ck_assert_ptr_null(t.data);
}

START_TEST(test_roles)
{
    attn_plan *plan = plan_of("softmax h=4/2 q=8 k=16 d=32 bias want=colsum");
    int32_t role, required, seen = 0;
    for (size_t n = 0; (role = attn_plan_role_at(plan, n, &required)) != 0; n++) {
        ck_assert_int_ne(role, ATTN_ROLE_MASK);
        ck_assert_int_ne(role, ATTN_ROLE_ROWMAX);
        int32_t must = role == ATTN_ROLE_Q || role == ATTN_ROLE_K || role == ATTN_ROLE_V ||
                       role == ATTN_ROLE_OUT || role == ATTN_ROLE_BIAS;
        ck_assert_int_eq(required, must);
        seen += role == ATTN_ROLE_BIAS || role == ATTN_ROLE_COLSUM || role == ATTN_ROLE_LSE;
    }
    ck_assert_int_eq(seen, 3);
    ck_assert_int_eq(attn_plan_role_at(NULL, 0, NULL), 0);
    ck_assert_str_eq(attn_role_shape(ATTN_ROLE_BIAS), "S?,Hout?,Q?,K?");
    ck_assert_ptr_null(attn_role_shape(9999));
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
    ctx = NULL;
}
END_TEST

START_TEST(test_shapes)
{
    attn_plan *plan = plan_of("softmax b=3 h=4/2 q=8 k=16 d=32/24 dtype=f16 bias want=colsum");
    attn_tensor q, k, t;
    attn_tensor_init(&q, NULL, ATTN_DTYPE_F16, 4, (int64_t[]){2, 4, 5, 32});
    attn_tensor_init(&k, NULL, ATTN_DTYPE_F16, 4, (int64_t[]){2, 2, 0, 32});
    /* Views without memory are enough where nothing is read: here, no keys. */
    float memory[1] = {0};
    q.data = k.data = memory;
    q.shape[2] = 5;
    k.shape[2] = 7;
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q}, {ATTN_ROLE_K, 0, &k}};
    check_shape(plan, args, 2, ATTN_ROLE_OUT, ATTN_DTYPE_F16, 4, (int64_t[]){2, 4, 5, 24});
    check_shape(plan, args, 2, ATTN_ROLE_V, ATTN_DTYPE_F16, 4, (int64_t[]){2, 2, 7, 24});
    check_shape(plan, args, 2, ATTN_ROLE_LSE, ATTN_DTYPE_F32, 3, (int64_t[]){2, 4, 5});
    check_shape(plan, args, 2, ATTN_ROLE_BIAS, ATTN_DTYPE_F32, 4, (int64_t[]){2, 4, 5, 7});
    check_shape(plan, args, 2, ATTN_ROLE_COLSUM, ATTN_DTYPE_F32, 3, (int64_t[]){2, 4, 7});
    ck_assert_int_eq(attn_plan_shape(plan, args, 2, ATTN_ROLE_MASK, &t), ATTN_ERR_ROLE);
    check_error("role mask was not declared in the descriptor of this plan");
    ck_assert_int_eq(attn_plan_shape(plan, args, 2, ATTN_ROLE_USER, &t), ATTN_ERR_ROLE);
    check_error("role user is no tensor");
    ck_assert_int_eq(attn_plan_shape(plan, args, 2, 9999, &t), ATTN_ERR_ROLE);
    check_error("role is 9999, which is no role");
    q.shape[2] = 9;
    ck_assert_int_eq(attn_plan_shape(plan, args, 2, ATTN_ROLE_OUT, &t), ATTN_ERR_SHAPE);
    check_error("q has extent 9 in dimension 2, the plan was made for at most 8");
    ck_assert_int_eq(attn_plan_shape(NULL, args, 2, ATTN_ROLE_OUT, &t), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_plan_shape(plan, args, 2, ATTN_ROLE_OUT, NULL), ATTN_ERR_NULL);
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
    ctx = NULL;
}
END_TEST

START_TEST(test_packed)
{
    attn_plan *plan = plan_of("softmax packed b=4 h=2 q=8 k=16 d=32 want=probs");
    static const int32_t qo[] = {0, 3, 8, 9}, ko[] = {0, 3, 8, 20};
    attn_tensor q, k, oq, ok;
    attn_tensor_init(&q, (void *)qo, ATTN_DTYPE_F32, 4, (int64_t[]){1, 2, 9, 32});
    attn_tensor_init(&k, (void *)ko, ATTN_DTYPE_F32, 4, (int64_t[]){1, 2, 20, 32});
    attn_tensor_init(&oq, (void *)qo, ATTN_DTYPE_I32, 1, (int64_t[]){4});
    attn_tensor_init(&ok, (void *)ko, ATTN_DTYPE_I32, 1, (int64_t[]){4});
    const attn_arg args[] = {{ATTN_ROLE_Q, 0, &q},
                             {ATTN_ROLE_K, 0, &k},
                             {ATTN_ROLE_Q_OFFSETS, 0, &oq},
                             {ATTN_ROLE_K_OFFSETS, 0, &ok}};
    check_shape(plan, args, 4, ATTN_ROLE_OUT, ATTN_DTYPE_F32, 4, (int64_t[]){1, 2, 9, 32});
    check_shape(plan, args, 4, ATTN_ROLE_PROBS, ATTN_DTYPE_F32, 4, (int64_t[]){3, 2, 5, 12});
    check_shape(plan, args, 4, ATTN_ROLE_K_LEN, ATTN_DTYPE_I32, 1, (int64_t[]){3});
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
    ctx = NULL;
}
END_TEST

UNIT_MAIN("plan_shape", test_roles, test_shapes, test_packed)
