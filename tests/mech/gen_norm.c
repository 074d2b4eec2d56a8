/* SPDX-License-Identifier: MIT */
/*
 * The normaliser of random problems.
 */
#include <math.h>

#include "gen_parts.h"

void gen_norm(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct oracle_norm *n = &p->options.norm;
    struct rng *r = &m->rng;
    static const char *counts[] = {"visible", "keys", "one", "given"};
    *n = (struct oracle_norm){.power = NAN, .bias = NAN, .n = 1, .gamma = 1};
    if (!rng_percent(r, 35) || p->lists.logit || p->groups.q_ptr)
        return; /* logits are parts of a softmax, groups are joined by one */
    n->kind = (int32_t)rng_int(r, 0, ATTN_NORMALIZER_ENTMAX);
    if (p->any_k && n->kind >= ATTN_NORMALIZER_SPARSEMAX)
        n->kind = ATTN_NORMALIZER_LSSAR;
    gen_say(p, " normalizer=%s", attn_param_word(ATTN_PARAM_NORMALIZER, (size_t)n->kind, NULL));
    bool more = rng_percent(r, 60);
    if (n->kind == ATTN_NORMALIZER_RELU && more)
        n->power = rng_percent(r, 70) ? (double)rng_int(r, 1, 3) : 0.5 + 2 * rng_unit(r);
    if (n->kind == ATTN_NORMALIZER_LSSAR && more)
        n->power = (double)rng_int(r, 1, 4);
    if (n->kind == ATTN_NORMALIZER_ENTMAX && more)
        n->power = rng_percent(r, 30) ? 2 : 1.1 + 2 * rng_unit(r);
    if (!isnan(n->power))
        gen_say(p, " norm_power=%.17g", n->power);
    if (n->kind == ATTN_NORMALIZER_SIGMOID && more) {
        n->bias = 4 * rng_unit(r) - 3;
        gen_say(p, " norm_bias=%.17g", n->bias);
    }
    if (n->kind == ATTN_NORMALIZER_RELU && rng_percent(r, 60)) {
        n->count = (int32_t)rng_int(r, 0, 3);
        gen_say(p, " norm_count=%s", counts[n->count]);
        if (n->count == ATTN_NORM_COUNT_GIVEN) {
            n->n = 1 + 500 * rng_unit(r);
            gen_say(p, " norm_n=%.17g", n->n);
        }
        if (rng_percent(r, 40)) {
            n->gamma = 1.5 * rng_unit(r);
            gen_say(p, " norm_gamma=%.17g", n->gamma);
        }
    }
}

bool gen_is_distribution(int32_t kind)
{
    return kind == ATTN_NORMALIZER_SOFTMAX || kind == ATTN_NORMALIZER_SOFTPLUS ||
           kind == ATTN_NORMALIZER_TAYLOR2 || kind >= ATTN_NORMALIZER_LSSAR;
}
