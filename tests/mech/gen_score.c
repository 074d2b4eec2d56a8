/* SPDX-License-Identifier: MIT */
/*
 * The score options of random problems.
 */
#include <math.h>

#include "gen_parts.h"

static void say_numbers(struct gen_problem *p, const char *key, const double *list, int64_t n)
{
    gen_say(p, " %s=[", key);
    for (int64_t i = 0; i < n; i++)
        gen_say(p, "%s%.17g", i == 0 ? "" : ",", list[i]);
    gen_say(p, "]");
}

/* Factors of heads and rows. */
static void factors(struct maker *m)
{
    struct oracle_options *o = &m->p->options;
    struct rng *r = &m->rng;
    if (rng_percent(r, 10)) {
        for (int64_t h = 0; h < o->hout; h++)
            m->p->head_scale[h] = rng_percent(r, 10) ? 0 : 1 + rng_normal(r) / 3;
        o->score.head_scale = m->p->head_scale;
        say_numbers(m->p, "head_scale", m->p->head_scale, o->hout);
    }
    if (rng_percent(r, 92))
        return;
    if (rng_percent(r, 50)) {
        o->score.ssmax = true;
        gen_say(m->p, " ssmax");
    } else {
        o->score.logn_train = (double)rng_int(r, 2, 40);
        gen_say(m->p, " logn_train=%.17g", o->score.logn_train);
    }
    if (rng_percent(r, 40)) {
        o->score.logn_keys = true;
        gen_say(m->p, " logn_count=keys");
    }
}

void gen_score(struct maker *m)
{
    factors(m);
}
