/* SPDX-License-Identifier: MIT */
/*
 * Newton's method from the left on the norm of what is above the threshold.
 *
 * With e = 1 / (alpha - 1) and r_i = max(0, x_i - t), the root is wanted of
 * g(t) = (sum r_i^e)^(1/e) - 1. For e >= 1 g is convex and falls, and at
 * t = -1 it is not negative, since the largest x is 0: every step lands left
 * of the root, so what has dropped to or below t is out for good. For alpha =
 * 2 g is piecewise linear and the steps are those of Michelot (1986), which
 * end at the exact threshold; for others they converge quadratically. For
 * alpha > 2 (e < 1) g need not be convex, and the root is found by bisection.
 * Both stop after a bounded number of steps, whatever x holds.
 */
#include "solvers/entmax.h"

#include <math.h>

enum { STEPS = 100 };

double attn__entmax_weight(double y, double alpha)
{
    if (y <= 0)
        return 0;
    return alpha == 2 ? y : alpha == 1.5 ? y * y : pow(y, 1 / (alpha - 1));
}

/* Keeps those above t; returns how many. */
static int64_t above(double *x, int64_t n, double t)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++)
        if (x[i] > t)
            x[kept++] = x[i];
    return kept;
}

static double power_sum(const double *x, int64_t n, double t, double alpha)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += attn__entmax_weight(x[i] - t, alpha);
    return sum;
}

static double bisect(const double *x, int64_t n, double alpha)
{
    double lo = -1, hi = 0;
    for (int step = 0; step < STEPS; step++) {
        double mid = lo + (hi - lo) / 2;
        if (mid <= lo || mid >= hi)
            break;
        if (power_sum(x, n, mid, alpha) >= 1)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

double attn__entmax_threshold(double *x, int64_t n, double alpha, double *sum)
{
    double t = -1, e = 1 / (alpha - 1);
    n = above(x, n, t);
    if (alpha > 2)
        t = bisect(x, n, alpha);
    for (int step = 0; step < STEPS && alpha <= 2; step++) {
        /* the derivative of sum r^e is -e times the sum of r^(e - 1) */
        double f = 0, slope = 0;
        for (int64_t i = 0; i < n; i++) {
            double r = x[i] - t, w = attn__entmax_weight(r, alpha);
            f += w;
            slope += alpha == 2 ? 1 : alpha == 1.5 ? r : w / r;
        }
        double next = t + (f - pow(f, 1 - e < 0 ? 1 - 1 / e : 0)) / slope;
        if (!(next > t))
            break;
        t = next;
        n = above(x, n, t);
    }
    *sum = power_sum(x, n, t, alpha);
    return t;
}
