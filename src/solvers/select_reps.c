/* SPDX-License-Identifier: MIT */
/*
 * Sums are double, whatever the rows are.
 */
#include "solvers/select_reps.h"

#include "solvers/rows_load.h"

int64_t attn__reps_width(const struct attn__pooled_spec *spec, int64_t d)
{
    if (spec->rep == ATTN__REP_BOUNDS)
        return 2 * d;
    return spec->rep == ATTN__REP_STRIDES ? spec->stride * d : d;
}

/* Row i as doubles. room: d doubles, of which floats are made first. */
static void load(const struct attn__kernels *kern, const struct attn__rows *r, int64_t i,
                 int64_t d, double *to, double *room)
{
    float *f = (float *)room;
    if (r->dtype == ATTN_DTYPE_F64) {
        for (int64_t e = 0; e < d; e++)
            to[e] = attn__rows_load(r, i, e);
        return;
    }
    attn__rows_to_f32(kern, r, i, 1, 0, d, f, d);
    for (int64_t e = 0; e < d; e++)
        to[e] = f[e];
}

static void store(bool exact, void *to, int64_t at, double x)
{
    if (exact)
        ((double *)to)[at] = x;
    else
        ((float *)to)[at] = (float)x;
}

static double stored(bool exact, const void *from, int64_t at)
{
    return exact ? ((const double *)from)[at] : (double)((const float *)from)[at];
}

void attn__reps_sum(const struct attn__kernels *kern, const struct attn__rows *r, int64_t d,
                    int64_t lo, int64_t hi, bool first, double *room)
{
    float *f = (float *)(room + d);
    for (int64_t e = 0; e < d && first; e++)
        room[e] = 0;
    for (int64_t i = lo; i < hi; i++) {
        if (r->dtype == ATTN_DTYPE_F64) {
            for (int64_t e = 0; e < d; e++)
                room[e] += attn__rows_load(r, i, e);
            continue;
        }
        attn__rows_to_f32(kern, r, i, 1, 0, d, f, d);
        for (int64_t e = 0; e < d; e++)
            room[e] += f[e];
    }
}

void attn__reps_mean(const struct attn__pooled_spec *spec, int64_t d, int64_t heads, int64_t rows,
                     bool exact, void *to, int64_t at, const double *room)
{
    double n = (double)heads * (double)rows;
    double f = spec->rep == ATTN__REP_NORM ? sqrt((double)rows) : 1;
    for (int64_t e = 0; e < d; e++)
        store(exact, to, at + e, room[e] / n * f);
}

/* The largest numbers, then the smallest. A NaN stays. */
static void bounds(const struct attn__kernels *kern, const struct attn__rows *r, int64_t d,
                   int64_t lo, int64_t hi, bool exact, void *to, int64_t at, double *room)
{
    for (int64_t i = lo; i < hi; i++) {
        load(kern, r, i, d, room, room + d);
        for (int64_t e = 0; e < d; e++) {
            double x = room[e];
            if (i == lo || isnan(x) || x > stored(exact, to, at + e))
                store(exact, to, at + e, x);
            if (i == lo || isnan(x) || x < stored(exact, to, at + d + e))
                store(exact, to, at + d + e, x);
        }
    }
}

/* Rows one behind the other, from lo on or back from lo + stride - 1; 0 for those
 * that are not there. */
static void strides(const struct attn__kernels *kern, const struct attn__rows *r, int64_t d,
                    int64_t lo, int64_t hi, int64_t stride, bool back, bool exact, void *to,
                    int64_t at, double *room)
{
    for (int64_t t = 0; t < stride; t++) {
        int64_t i = lo + (back ? stride - 1 - t : t);
        if (i < hi)
            load(kern, r, i, d, room, room + d);
        for (int64_t e = 0; e < d; e++)
            store(exact, to, at + t * d + e, i < hi ? room[e] : 0);
    }
}

void attn__reps_block(const struct attn__kernels *kern, const struct attn__pooled_spec *spec,
                      const struct attn__rows *r, int64_t d, int64_t lo, int64_t hi, bool exact,
                      void *to, int64_t at, double *room)
{
    if (spec->rep == ATTN__REP_BOUNDS) {
        bounds(kern, r, d, lo, hi, exact, to, at, room);
    } else if (spec->rep == ATTN__REP_STRIDES) {
        strides(kern, r, d, lo, hi, spec->stride, false, exact, to, at, room);
    } else {
        attn__reps_sum(kern, r, d, lo, hi, true, room);
        attn__reps_mean(spec, d, 1, hi - lo, exact, to, at, room);
    }
}

void attn__reps_row(const struct attn__kernels *kern, const struct attn__pooled_spec *spec,
                    const struct attn__rows *r, int64_t d, int64_t lo, int64_t hi, bool exact,
                    void *to, int64_t at, double *room)
{
    if (spec->rep == ATTN__REP_STRIDES) {
        strides(kern, r, d, lo, hi, spec->stride, true, exact, to, at, room);
        return;
    }
    attn__reps_sum(kern, r, d, lo, hi, true, room);
    attn__reps_mean(spec, d, 1, hi - lo, exact, to, at, room);
    if (spec->rep != ATTN__REP_BOUNDS)
        return;
    /* what the largest numbers of a block are multiplied by, and the smallest */
    for (int64_t e = 0; e < d; e++) {
        double x = stored(exact, to, at + e);
        store(exact, to, at + d + e, x > 0 ? 0 : x);
        store(exact, to, at + e, x < 0 ? 0 : x);
    }
}
