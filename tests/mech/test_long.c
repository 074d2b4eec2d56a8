/* SPDX-License-Identifier: MIT */
/*
 * The accuracy bound where it is hardest to keep: tens of thousands of keys
 * of about the same weight, whose values cancel. A plain chain of f32
 * additions loses the square root of their number.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dense.h"
#include "oracle.h"

enum { NQ = 20, NK = 40000, D = 16 };

int main(void)
{
    struct oracle_options o = {.hout = 1, .hk = 1, .hv = 1, .d = D, .dv = D,
                               .window_left = ATTN_UNBOUNDED, .window_right = ATTN_UNBOUNDED,
                               .scale = NAN};
    struct oracle_inputs in = {0};
    struct oracle_result r;
    struct dense x;
    const char *solver;
    int failed = 0;
    attn_ctx *ctx = dense_ctx(1);
    dense_make(&x, 1, 1, 1, NQ, NK, D, D);
    for (int i = 0; i < NQ * D; i++)
        x.q[i] *= 0.1f;
    in.q = dense_view(&x, ATTN_ROLE_Q);
    in.k = dense_view(&x, ATTN_ROLE_K);
    in.v = dense_view(&x, ATTN_ROLE_V);
    if (!oracle_run(&o, &in, 0, 0, &r))
        return 2;
    double bound = 8 * 0x1p-23 * (1 + r.max_logit / 4);
    for (size_t s = 0; (solver = attn_solver_at(s)) != NULL; s++) {
        double error = 0, sum = 0;
        if (!dense_run(ctx, "softmax h=1 q=20 k=40000 d=16", solver, &x))
            continue;
        for (size_t i = 0; i < x.n_out; i++) {
            error += (x.out[i] - r.out[i]) * (x.out[i] - r.out[i]);
            sum += r.out[i] * r.out[i];
        }
        double rms = sqrt(error / sum);
        printf("%s: relative RMS %.3g, bound %.3g%s\n", solver, rms, bound,
               rms <= bound ? "" : ": FAILED");
        failed |= !(rms <= bound);
    }
    oracle_free(&r);
    dense_free(&x);
    attn_ctx_destroy(ctx);
    return failed;
}
