/* SPDX-License-Identifier: MIT */
/*
 * Score options, each by its formula.
 */
#include "oracle_score.h"

#include <math.h>

double oracle_row_factor(const struct oracle_score *o, const struct oracle_row *w)
{
    double f = o->head_scale ? o->head_scale[w->h] : 1;
    int64_t n = o->logn_keys ? w->k_len : w->at + 1;
    double log_n = log(n < 1 ? 1 : (double)n);
    if (o->ssmax)
        f *= log_n;
    if (o->logn_train > 0)
        f *= fmax(1, log_n / log(o->logn_train));
    return f;
}
