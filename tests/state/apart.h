/* SPDX-License-Identifier: MIT */
/*
 * How far results are from each other.
 */
#ifndef APART_H
#define APART_H

#include <math.h>
#include <stdint.h>

/* The largest difference, 0 between equal infinities; infinite if there is NaN. */
static inline double apart_by(const float *a, const float *b, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = a[i] == b[i] ? 0 : fabs((double)a[i] - (double)b[i]);
        if (!(x <= most))
            most = isnan(x) ? INFINITY : x;
    }
    return most;
}

#endif
