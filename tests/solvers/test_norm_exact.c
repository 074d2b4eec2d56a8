/* SPDX-License-Identifier: MIT */
/*
 * norm_exact and entmax: sums, thresholds of long rows and of rows made to be
 * nasty, rows of equal scores or of scores far below 0, and that NaN ends.
 * norm_pass: what it gives the kernels, and the factors of rows.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "solvers/entmax.h"
#include "kernels/weights.h"
#include "solvers/norm_exact.h"
#include "solvers/norm_pass.h"

enum { MOST = 20000 };

static int failed;

static void expect(int ok, const char *what, double a, double b)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s (%.17g, %.17g)\n", what, a, b);
    failed = 1;
}

static double x[MOST], room[MOST];

static double noise(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (double)(*state >> 11) * 0x1p-53;
}

/* The weights of a threshold sum to 1, and it is not left of a key's. */
static void thresholds(void)
{
    static const double alphas[] = {1.001, 1.05, 1.25, 1.5, 1.75, 2, 2.5, 4, 40};
    static const double spreads[] = {0, 1e-9, 0.01, 1, 50};
    uint64_t state = 1;
    for (size_t a = 0; a < sizeof alphas / sizeof alphas[0]; a++)
        for (size_t s = 0; s < sizeof spreads / sizeof spreads[0]; s++)
            for (int64_t n = 1; n <= MOST; n = n * 3 + 1) {
                double alpha = alphas[a], total = 0, sum;
                for (int64_t i = 0; i < n; i++)
                    room[i] = x[i] = i == n / 2 ? 0 : -spreads[s] * (alpha - 1) * noise(&state);
                double t = attn__entmax_threshold(room, n, alpha, &sum);
                for (int64_t i = 0; i < n; i++)
                    total += attn__entmax_weight(x[i] - t, alpha);
                /* close to alpha = 1 the power is steep, to 40 it is a root */
                double tolerance = 1e-12 * (1 / (alpha - 1) + 1) * (double)n;
                expect(t >= -1 && t < 0, "the threshold is out of range", t, alpha);
                expect(fabs(sum - total) <= 1e-11 * total, "the sum told is not the sum", sum,
                       total);
                expect(alpha > 2 || fabs(total - 1) <= tolerance, "the weights do not sum to 1",
                       total, alpha);
            }
}

/* Equal scores: uniform weights, and none in lssar behind its free rows. */
static void equal_scores(void)
{
    for (int32_t kind = ATTN_NORMALIZER_SOFTPLUS; kind <= ATTN_NORMALIZER_ENTMAX; kind++)
        for (int64_t n = 1; n < 300; n += 7) {
            struct attn__norm norm = {.kind = kind, .power = 1.5, .n = 1, .gamma = 1};
            struct attn__norm_exact e;
            double score = 0.37 * (double)(n % 11);
            int passes = attn__norm_exact_begin(&e, &norm, n, n, 5, room);
            for (int pass = 0; pass < passes; pass++) {
                for (int64_t j = 0; j < n; j++)
                    attn__norm_exact_see(&e, score);
                attn__norm_exact_next(&e);
            }
            double w = attn__norm_exact_weight(&e, score);
            if (kind == ATTN_NORMALIZER_LSSAR)
                expect(w == 0, "lssar of equal scores", w, (double)n);
            else if (attn__norm_traits(kind)->distribution)
                expect(fabs(w * (double)n - 1) < 1e-12, "weight of equal scores", w, (double)n);
        }
}

/* Scores whose softplus is no double: its weights are powers of e,
 * those of lssar's free rows powers of these. */
static void far_below(void)
{
    static const double scores[] = {-1203, -1000, -999.5, -997, -1500};
    enum { N = sizeof scores / sizeof scores[0] };
    for (int kind = 0; kind < 2; kind++) {
        struct attn__norm norm = {.kind = kind ? ATTN_NORMALIZER_LSSAR : ATTN_NORMALIZER_SOFTPLUS,
                                  .power = 1.5, .n = 1, .gamma = 1};
        struct attn__norm_exact e;
        double power = kind ? 1.5 : 1, sum = 0;
        int passes = attn__norm_exact_begin(&e, &norm, N, N, 1, room);
        for (int pass = 0; pass < passes; pass++) {
            for (int j = 0; j < N; j++)
                attn__norm_exact_see(&e, scores[j]);
            attn__norm_exact_next(&e);
        }
        for (int j = 0; j < N; j++)
            sum += exp(power * (scores[j] + 997));
        for (int j = 0; j < N; j++) {
            double want = exp(power * (scores[j] + 997)) / sum;
            double got = attn__norm_exact_weight(&e, scores[j]);
            expect(fabs(got - want) < 1e-14, "weight far below", got, want);
        }
    }
}

/* A NaN spoils the row, and every loop ends. */
static void nan_row(void)
{
    for (int32_t kind = ATTN_NORMALIZER_SOFTPLUS; kind <= ATTN_NORMALIZER_ENTMAX; kind++) {
        struct attn__norm norm = {.kind = kind, .power = 1.5, .n = 1, .gamma = 1};
        struct attn__norm_exact e;
        int passes = attn__norm_exact_begin(&e, &norm, 9, 9, 5, room);
        for (int pass = 0; pass < passes; pass++) {
            for (int64_t j = 0; j < 9; j++)
                attn__norm_exact_see(&e, j == 4 ? NAN : (double)j / 4);
            attn__norm_exact_next(&e);
        }
        double w = attn__norm_exact_weight(&e, 2);
        expect(isnan(w), "a weight beside NaN", w, kind);
    }
}

static void passes(void)
{
    struct attn__problem p = {.norm = {.kind = ATTN_NORMALIZER_SIGMOID, .bias = NAN}};
    struct attn__seq s = {.nk = 100};
    int64_t visible = 16;
    expect(fabs((double)attn__norm_pass_of(&p, &s).shift + log(100)) < 1e-6,
           "the shift of sigmoid", (double)attn__norm_pass_of(&p, &s).shift, 0);
    expect(attn__norm_pass_factor(&p, &s, 0, 3, NULL) == 1, "the factor of sigmoid", 0, 0);
    p.norm = (struct attn__norm){.kind = ATTN_NORMALIZER_RELU, .power = 2, .gamma = 0.5};
    expect(attn__norm_pass_of(&p, &s).kind == ATTN__WEIGHTS_relu_square, "relu squared", 0, 0);
    expect(attn__norm_pass_factor(&p, &s, 0, 3, &visible) == 0.25f, "the factor of relu", 0, 0);
    p.norm.kind = ATTN_NORMALIZER_GELU_L2;
    expect(attn__norm_pass_factor(&p, &s, 0, 25, NULL) == 2, "the factor of gelu_l2", 0, 0);
    expect(attn__norm_pass_lost(&p, 1e-30f) && !attn__norm_pass_lost(&p, 1), "lost sums", 0, 0);
    p.norm.kind = ATTN_NORMALIZER_EXP_SUM;
    expect(attn__norm_pass_of(&p, &s).kind < 0, "powers of e", 0, 0);
    expect(attn__norm_pass_factor(&p, &s, 3, 1, NULL) == 8, "the factor of exp_sum", 0, 0);
    expect(attn__norm_pass_factor(&p, &s, -INFINITY, 0, NULL) == 0, "an empty row", 0, 0);
}

int main(void)
{
    passes();
    thresholds();
    equal_scores();
    far_below();
    nan_row();
    printf("%s: thresholds of up to %d scores, equal scores, NaN\n", failed ? "FAIL" : "ok", MOST);
    return failed;
}
