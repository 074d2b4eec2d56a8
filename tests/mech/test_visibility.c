/* SPDX-License-Identifier: MIT */
/*
 * Equations between settings of visibility: two ways to say the same thing
 * give the same result, by every solver.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

static const double NEAR = 3e-6;

/* Behind "softmax h=4/2 q=Q k=K d=16". */
static const struct {
    int64_t q, k;
    const char *one, *other;
} equal[] = {
    {40, 70, "causal", "must=band[inf,0,0,1]"},
    {40, 70, "causal=top_left", "align=top_left must=band[inf,0,0,1]"},
    {40, 70, "causal=top_left", "must=band[inf,0,-30,1]"},
    {70, 40, "causal window=5,0", "must=band[5,0,0,1]"},
    {70, 70, "window=5,9", "must=band[5,9,0,1]"},
    {70, 70, "window=inf,-1", "must=band[inf,-1,0,1]"},
    {70, 70, "causal window=5,inf sink_tokens=3",
     "must=band[inf,0,0,1] any=band[5,inf,0,1] any=prefix[3]"},
    {70, 70, "causal sink_tokens=3 any=band[5,inf,0,1]",
     "must=band[inf,0,0,1] any=band[5,inf,0,1] any=prefix[3]"},
    {70, 70, "causal prefix=7", "any=band[inf,0,0,1] any=rect[0,inf,0,7]"},
    {70, 70, "prefix=7 any=band[3,2,0,1]", "any=band[3,2,0,1] any=prefix[7]"},
    {70, 300, "", "must=band[0,0,0,1000]"},
    {70, 300, "", "must=rect[0,inf,0,inf]"},
    {70, 300, "", "must=stride[8,1,3]"},
    {70, 300, "must=rect[0,inf,0,128]", "any=prefix[128]"},
    {70, 70, "causal", "causal any=band[1,inf,0,8] any=stride[8,1,0]"},
    {70, 70, "causal", "causal any=band[9,inf,0,8] any=prefix[8]"},
    {40, 70, "causal window=3,inf", "causal must=band[3,inf,0,1,3,inf,0,1,3,inf,0,1,3,inf,0,1]"},
    {40, 70, "any=stride[4,2,1]", "must=stride[4,2,1,4,2,3,4,2,-1,4,2,-3]"},
    {40, 70, "any=stride[4,2,1]", "any=stride[4,4,1] any=stride[4,4,3]"},
    {64, 64, "must=band[0,0,0,16]",
     "any=rect[0,16,0,16] any=rect[16,32,16,32] any=rect[32,48,32,48] any=rect[48,64,48,64]"},
};

START_TEST(equations)
{
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof equal / sizeof equal[0]; n++) {
        const char *solver;
        struct dense x, y;
        for (size_t at = 0; (solver = attn_solver_at(at)) != NULL; at++) {
            char one[256], other[256];
            snprintf(one, sizeof one, "softmax h=4/2 q=%d k=%d d=16 %s", (int)equal[n].q,
                     (int)equal[n].k, equal[n].one);
            snprintf(other, sizeof other, "softmax h=4/2 q=%d k=%d d=16 %s", (int)equal[n].q,
                     (int)equal[n].k, equal[n].other);
            dense_make(&x, 1, 4, 2, equal[n].q, equal[n].k, 16, 16);
            dense_make(&y, 1, 4, 2, equal[n].q, equal[n].k, 16, 16);
            if (dense_run(ctx, one, solver, &x)) {
                ck_assert(dense_run(ctx, other, solver, &y));
                ck_assert_msg(dense_distance(x.out, y.out, x.n_out) < NEAR, "%s: %s", solver,
                              other);
                ck_assert_msg(dense_distance(x.lse, y.lse, x.n_lse) < NEAR, "%s: %s", solver,
                              other);
            }
            dense_free(&x);
            dense_free(&y);
        }
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* A row that sees nothing: zeros and -inf. */
START_TEST(empty_rows)
{
    static const char *const texts[] = {"must=rect[0,5,0,9]", "must=stride[4,100,1]",
                                        "any=band[-50,inf,0,1] any=rect[3,4,0,1]",
                                        "must=prefix[0]"};
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof texts / sizeof texts[0]; n++) {
        const char *solver;
        for (size_t at = 0; (solver = attn_solver_at(at)) != NULL; at++) {
            char text[256];
            struct dense x;
            dense_make(&x, 1, 1, 1, 40, 40, 8, 8);
            snprintf(text, sizeof text, "softmax h=1 q=40 k=40 d=8 %s", texts[n]);
            if (dense_run(ctx, text, solver, &x)) {
                ck_assert_msg(x.lse[39] == -INFINITY, "%s: %s", solver, text);
                for (int e = 0; e < 8; e++)
                    ck_assert(x.out[39 * 8 + e] == 0);
            }
            dense_free(&x);
        }
    }
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("visibility", equations, empty_rows)
