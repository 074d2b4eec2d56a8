/* SPDX-License-Identifier: MIT */
/*
 * Keys of one class come in runs as a rule, and a run is summed by itself.
 */
#include "solvers/class_mass.h"

enum { LANES = 8 };

/* Lane l has the keys whose number is l modulo LANES, so that zeros in front
 * change no bit. */
static double sum_of(const float *p, int64_t j0, int64_t n)
{
    double lane[LANES] = {0};
    int64_t j = 0;
    for (; j < n && (j0 + j) % LANES != 0; j++)
        lane[(j0 + j) % LANES] += (double)p[j];
    for (; j + LANES <= n; j += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += (double)p[j + l];
    for (; j < n; j++)
        lane[(j0 + j) % LANES] += (double)p[j];
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) +
           ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

void attn__class_mass_row(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                          int64_t i, int64_t j0, int64_t n, const float *p)
{
    double mass[ATTN__MASS_CLASSES] = {0};
    struct attn__rows classes = attn__call_class_k(c, s);
    const uint8_t *of = (const uint8_t *)attn__rows_at(&classes, j0);
    for (int64_t j = 0, end; j < n; j = end) {
        uint8_t class = of[j * classes.row];
        for (end = j + 1; end < n && of[end * classes.row] == class;)
            end++;
        mass[class] += sum_of(p + j, j0 + j, end - j);
    }
    attn__class_mass_store(c, s, h, i, mass);
}

void attn__class_mass_store(const struct attn__call *c, const struct attn__seq *s, int64_t h,
                            int64_t i, const double mass[ATTN__MASS_CLASSES])
{
    struct attn__rows r = attn__call_class_mass(c, s, h);
    for (int64_t n = 0; n < c->p->mass_classes; n++)
        attn__rows_store(&r, i, n, mass[n]);
}
