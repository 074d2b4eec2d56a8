/* SPDX-License-Identifier: MIT */
/*
 * The caller's score function (solvers/score_user): built-in steps done again
 * as functions give the same results, runs are what the header promises, and
 * where it is refused.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

static const double NEAR = 3e-6;

/* Runs the body for every solver by name, and NULL, the planner's choice. */
#define FOR_EACH_SOLVER(name)                                                                     \
    for (size_t at_ = 0, go_ = 1; go_; go_ = attn_solver_at(at_) != NULL, at_++)                  \
        for (const char *name = attn_solver_at(at_), *once_ = ""; once_; once_ = NULL)

/* What the functions know of the problem, through role USER. */
struct user {
    int64_t b, h, nq, nk, off;
    double cap;
    double slope[8];
    pthread_mutex_t lock;
    int wrong;                            /* runs that should not be */
    unsigned char seen[2 * 6 * 300 * 80]; /* [b][h][nq][nk]: pairs handed over */
};

static void alibi(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b, int64_t h,
                  int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    const struct user *u = user;
    float slope = (float)u->slope[h];
    (void)b;
    for (int64_t k = 0; k < nk; k++)
        for (int64_t q = 0; q < nq; q++)
            s[q * q_stride + k * k_stride] -= slope * fabsf((float)(q0 + q + u->off - k0 - k));
}

static void softcap(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b, int64_t h,
                    int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    const struct user *u = user;
    float cap = (float)u->cap;
    (void)b, (void)h, (void)q0, (void)k0;
    for (int64_t k = 0; k < nk; k++)
        for (int64_t q = 0; q < nq; q++) {
            float *x = &s[q * q_stride + k * k_stride];
            *x = cap * tanhf(*x / cap);
        }
}

/* Leaves scores alone and notes what it was called for. */
static void watch(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b, int64_t h,
                  int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    struct user *u = user;
    pthread_mutex_lock(&u->lock);
    bool inside = b >= 0 && b < u->b && h >= 0 && h < u->h && q0 >= 0 && nq > 0 &&
                  q0 + nq <= u->nq && k0 >= 0 && nk > 0 && k0 + nk <= u->nk;
    u->wrong += !inside;
    for (int64_t q = 0; q < nq && inside; q++)
        for (int64_t k = 0; k < nk; k++) {
            u->wrong += !(fabsf(s[q * q_stride + k * k_stride]) < 1e6f);
            u->seen[((b * u->h + h) * u->nq + q0 + q) * u->nk + k0 + k] = 1;
        }
    pthread_mutex_unlock(&u->lock);
}

static bool run(attn_ctx *ctx, const char *text, const char *solver, attn_score_fn fn,
                struct user *u, struct dense *x)
{
    attn_desc *desc;
    attn_plan *plan = NULL;
    attn_arg arg[DENSE_ROLES + 1];
    memcpy(arg, x->arg, x->n * sizeof *arg);
    arg[x->n] = (attn_arg){.role = ATTN_ROLE_USER, .object = u};
    dense_clear(x);
    ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_score_fn(desc, fn), ATTN_OK);
    if (solver)
        ck_assert_int_eq(attn_desc_set_text(desc, ATTN_PARAM_SOLVER, solver), ATTN_OK);
    int32_t status = attn_plan_create(ctx, desc, &plan);
    attn_desc_destroy(desc);
    if (status == ATTN_ERR_UNSUPPORTED && solver)
        return false;
    ck_assert_msg(status == ATTN_OK, "%s: %s", text, dense_error());
    ck_assert_msg(attn_plan_execute(plan, arg, x->n + 1, NULL, 0) == ATTN_OK, "%s: %s", text,
                  dense_error());
    attn_plan_destroy(plan);
    return true;
}

/* Shapes: heads in groups and by themselves, many rows and one; 70 rows of a
 * group do not share tiles. */
static const struct {
    int64_t b, hq, hk, nq, nk;
} shapes[] = {{1, 6, 6, 77, 80}, {2, 6, 2, 41, 80}, {1, 6, 3, 1, 80}, {2, 3, 1, 5, 7},
              {1, 6, 2, 70, 80}};

START_TEST(built_in_steps_again)
{
    static const struct {
        const char *options;
        attn_score_fn fn;
    } steps[] = {{"alibi", alibi}, {"softcap=3", softcap}, {"causal alibi softcap=7", alibi}};
    attn_ctx *ctx = dense_ctx(2);
    struct user u = {.cap = 3};
    for (size_t n = 0; n < sizeof steps / sizeof steps[0]; n++)
        for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
            FOR_EACH_SOLVER(solver) {
                struct dense x;
                char sizes[128], text[256];
                float *out;
                dense_make(&x, shapes[k].b, shapes[k].hq, shapes[k].hk, shapes[k].nq,
                           shapes[k].nk, 32, 24);
                u.off = shapes[k].nk - shapes[k].nq;
                for (int64_t h = 0; h < x.hq; h++) /* those of the paper for 3 and 6 heads */
                    u.slope[h] = x.hq == 6 ? exp2(h < 4 ? -2.0 * (double)(h + 1)
                                                        : -1.0 * (double)(2 * (h - 4) + 1))
                                           : exp2(h < 2 ? -4.0 * (double)(h + 1) : -2.0);
                snprintf(sizes, sizeof sizes, "softmax b=%d h=%d/%d q=%d k=%d d=32/24 ",
                         (int)x.b, (int)x.hq, (int)x.hk, (int)x.nq, (int)x.nk);
                snprintf(text, sizeof text, "%s%s", sizes, steps[n].options);
                bool ran = dense_run(ctx, text, solver, &x);
                out = malloc(x.n_out * sizeof *out);
                memcpy(out, x.out, x.n_out * sizeof *out);
                snprintf(text, sizeof text, "%s%s", sizes,
                         n == 2 ? "causal softcap=7" : "");
                ck_assert(run(ctx, text, solver, steps[n].fn, &u, &x) == ran);
                double d = ran ? dense_distance(out, x.out, x.n_out) : 0;
                ck_assert_msg(d < NEAR, "%s by %s: the function is %g apart", text,
                              solver ? solver : "(chosen)", d);
                free(out);
                dense_free(&x);
            }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Every visible pair is handed over, nothing outside is. */
START_TEST(runs)
{
    attn_ctx *ctx = dense_ctx(2);
    struct user u = {.lock = PTHREAD_MUTEX_INITIALIZER};
    for (size_t k = 0; k < sizeof shapes / sizeof shapes[0]; k++)
        FOR_EACH_SOLVER(solver) {
            struct dense x;
            char text[256];
            dense_make(&x, shapes[k].b, shapes[k].hq, shapes[k].hk, shapes[k].nq, shapes[k].nk,
                       16, 16);
            u.b = x.b, u.h = x.hq, u.nq = x.nq, u.nk = x.nk;
            ck_assert_uint_le((size_t)(u.b * u.h * u.nq * u.nk), sizeof u.seen);
            memset(u.seen, 0, sizeof u.seen);
            snprintf(text, sizeof text, "softmax b=%d h=%d/%d q=%d k=%d d=16 causal", (int)x.b,
                     (int)x.hq, (int)x.hk, (int)x.nq, (int)x.nk);
            bool ran = run(ctx, text, solver, watch, &u, &x);
            for (int64_t i = 0; i < u.b * u.h * u.nq * u.nk && ran; i++) {
                int64_t q = i / u.nk % u.nq, key = i % u.nk;
                ck_assert_msg(u.seen[i] || key > q + u.nk - u.nq, "%s by %s: pair %d", text,
                              solver ? solver : "(chosen)", (int)i);
            }
            ck_assert_int_eq(u.wrong, 0);
            dense_free(&x);
        }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
    attn_ctx *ctx = dense_ctx(1);
    attn_desc *desc, *again;
    attn_plan *plan;
    char text[128];
    ck_assert_int_eq(attn_desc_parse(ctx, "softmax h=1 q=1 k=1 d=1 dtype=f64", &desc), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_score_fn(desc, watch), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(dense_error(), "dtype=f64"));
    ck_assert_int_eq(attn_desc_print(desc, text, sizeof text, NULL), ATTN_OK);
    ck_assert_str_eq(text, "softmax h=1 q=1 k=1 d=1 dtype=f64 score=user");
    ck_assert_int_eq(attn_desc_parse(ctx, text, &again), ATTN_ERR_UNKNOWN_NAME);
    ck_assert_int_eq(attn_desc_set_score_fn(desc, NULL), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_OK);
    attn_plan_destroy(plan);
    ck_assert_int_eq(attn_desc_set_score_fn(NULL, watch), ATTN_ERR_NULL);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("score_fn", built_in_steps_again, runs, refused)
