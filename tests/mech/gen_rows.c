/* SPDX-License-Identifier: MIT */
/*
 * What random problems do to rows: qk_norm and rope.
 */
#include <inttypes.h>
#include <math.h>

#include "gen_parts.h"

/* A vector for all heads or one for each. */
static attn_tensor *vector(struct maker *m, int32_t role, int64_t heads, double deviation)
{
    int64_t shape[2] = {heads, m->p->options.d};
    bool per_head = rng_percent(&m->rng, 40);
    struct gen_tensor *g = gen_add(m, role, m->p->row_dtype, per_head ? 2 : 1,
                                   per_head ? shape : shape + 1);
    return gen_fill_normal(m, g, deviation);
}

static void qk_norm(struct maker *m)
{
    struct oracle_options *o = &m->p->options;
    struct oracle_inputs *in = &m->p->inputs;
    struct rng *r = &m->rng;
    static const char *const words[] = {"none", "rms", "layer", "l2"};
    if (!rng_percent(r, 15))
        return;
    o->qk_norm.kind = (int32_t)rng_int(r, ATTN_QK_NORM_RMS, ATTN_QK_NORM_L2);
    o->qk_norm.eps = o->qk_norm.kind == ATTN_QK_NORM_L2 ? 1e-12 : 1e-6;
    gen_say(m->p, " qk_norm=%s", words[o->qk_norm.kind]);
    if (rng_percent(r, 30)) {
        o->qk_norm.eps = (double)PICK(r, 1, 3, 500) * 1e-3;
        gen_say(m->p, " qk_norm_eps=%.17g", o->qk_norm.eps);
    }
    if (rng_percent(r, 50)) {
        gen_say(m->p, " qk_norm_weight");
        in->q_norm_w = vector(m, ATTN_ROLE_Q_NORM_W, m->hq, 0.5);
        in->k_norm_w = vector(m, ATTN_ROLE_K_NORM_W, o->hk, 0.5);
        if (rng_percent(r, 50)) {
            o->qk_norm.plus_one = true;
            gen_say(m->p, " qk_norm_plus_one");
        }
    }
    if (rng_percent(r, 25)) {
        gen_say(m->p, " qk_norm_bias");
        in->q_norm_b = vector(m, ATTN_ROLE_Q_NORM_B, m->hq, 0.3);
        in->k_norm_b = vector(m, ATTN_ROLE_K_NORM_B, o->hk, 0.3);
    }
}

static double say_real(struct maker *m, const char *key, double x)
{
    gen_say(m->p, " %s=%.17g", key, x);
    return x;
}

static void scaling(struct maker *m, struct oracle_rope *x)
{
    struct rng *r = &m->rng;
    static const char *const words[] = {"none", "linear", "ntk", "dynamic_ntk", "yarn", "llama3"};
    x->scaling = (int32_t)rng_int(r, ATTN_ROPE_SCALING_LINEAR, ATTN_ROPE_SCALING_LLAMA3);
    if (x->dim < 4 || (x->scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK && !(x->on_q && x->on_k)))
        x->scaling = ATTN_ROPE_SCALING_LINEAR;
    gen_say(m->p, " rope_scaling=%s", words[x->scaling]);
    x->factor = say_real(m, "rope_factor", rng_percent(r, 20) ? 1 : 1 + 15 * rng_unit(r));
    if (x->scaling >= ATTN_ROPE_SCALING_DYNAMIC_NTK) {
        int64_t n = x->scaling == ATTN_ROPE_SCALING_DYNAMIC_NTK ? rng_int(r, 1, 100)
                                                                : rng_int(r, 16, 9000);
        x->original = (double)n;
        gen_say(m->p, " rope_original=%" PRId64, n);
    }
    if (x->scaling == ATTN_ROPE_SCALING_YARN) {
        if (rng_percent(r, 30))
            x->beta_fast = say_real(m, "rope_beta_fast", 4 + 40 * rng_unit(r));
        if (rng_percent(r, 30))
            x->beta_slow = say_real(m, "rope_beta_slow", 0.5 + rng_unit(r));
        if (rng_percent(r, 40)) {
            x->truncate = false;
            gen_say(m->p, " rope_truncate=0");
        }
        if (rng_percent(r, 30))
            x->mscale = say_real(m, "rope_mscale", rng_unit(r));
    }
    if (x->scaling == ATTN_ROPE_SCALING_LLAMA3 && rng_percent(r, 50)) {
        x->low = say_real(m, "rope_low", 0.5 + rng_unit(r));
        x->high = say_real(m, "rope_high", 2 + 4 * rng_unit(r));
    }
}

static void freqs(struct maker *m, struct oracle_rope *x)
{
    gen_say(m->p, " rope_freqs=[");
    for (int64_t c = 0; c < x->dim / 2; c++) {
        m->p->rope_freqs[c] = rng_normal(&m->rng);
        gen_say(m->p, "%s%.17g", c == 0 ? "" : ",", m->p->rope_freqs[c]);
    }
    gen_say(m->p, "]");
    x->freqs = m->p->rope_freqs;
}

/* Positions in order from anywhere, in any order, or huge. */
static attn_tensor *positions(struct maker *m, int32_t role, int64_t n)
{
    struct rng *r = &m->rng;
    int64_t shape[2] = {rng_percent(r, 40) ? 1 : m->b, n}, index[4] = {0};
    struct gen_tensor *g = gen_add(m, role, gen_index_type(m), 2, shape);
    int64_t kind = rng_int(r, 0, 2);
    int64_t far = g->t.dtype == ATTN_DTYPE_I64 ? INT64_C(1) << 40 : 1 << 30;
    int64_t start = kind == 0 ? rng_int(r, -100, 9000) : rng_int(r, -far, far);
    for (int64_t i = 0; m->ok && i < gen_count(&g->t); i++) {
        gen_unflatten(&g->t, i, index);
        int64_t at = kind < 2 ? start + index[1] : rng_int(r, -4000, 4000);
        oracle_store(gen_element(&g->t, index), g->t.dtype, (double)at);
    }
    return &g->t;
}

static void rope(struct maker *m)
{
    struct oracle_options *o = &m->p->options;
    struct oracle_rope *x = &o->rope;
    struct rng *r = &m->rng;
    *x = (struct oracle_rope){.base = 10000, .factor = 1, .original = 8192, .beta_fast = 32,
                              .beta_slow = 1, .truncate = true, .low = 1, .high = 4,
                              .attention = NAN, .mscale = NAN};
    if (o->d < 2 || !rng_percent(r, 25))
        return;
    int64_t apply = PICK(r, 0, 0, 0, 1, 2);
    x->pairing = (int32_t)rng_int(r, ATTN_ROPE_HALF, ATTN_ROPE_INTERLEAVED);
    x->on_q = apply != ATTN_ROPE_APPLY_K;
    x->on_k = apply != ATTN_ROPE_APPLY_Q;
    x->dim = o->d;
    gen_say(m->p, " rope=%s", x->pairing == ATTN_ROPE_HALF ? "half" : "interleaved");
    if (apply != 0)
        gen_say(m->p, " rope_apply=%s", apply == ATTN_ROPE_APPLY_Q ? "q" : "k");
    if (o->d % 2 != 0 || rng_percent(r, 25)) {
        x->dim = 2 * rng_int(r, 1, o->d / 2);
        gen_say(m->p, " rope_dim=%" PRId64, x->dim);
    }
    bool given = x->dim <= 64 && rng_percent(r, 10);
    if (given)
        freqs(m, x);
    else if (rng_percent(r, 40))
        x->base = say_real(m, "rope_base", (double)PICK(r, 100, 10000, 500000, 1000000));
    if (!given && rng_percent(r, 50))
        scaling(m, x);
    if (rng_percent(r, 10) && isnan(x->mscale))
        x->attention = say_real(m, "rope_attention", 0.5 + rng_unit(r));
    if (rng_percent(r, 25)) {
        gen_say(m->p, " rope_positions");
        m->p->inputs.rope_pos_q = positions(m, ATTN_ROLE_ROPE_POS_Q, m->nq);
        m->p->inputs.rope_pos_k = positions(m, ATTN_ROLE_ROPE_POS_K, m->nk);
    }
}

static attn_tensor *of_rows(struct maker *m, int32_t role, int64_t width, double deviation)
{
    int64_t shape[4] = {rng_percent(&m->rng, 30) ? 1 : m->n_seq, m->p->options.hout,
                        rng_percent(&m->rng, 30) ? 1 : m->longest_q, width};
    struct gen_tensor *g =
        gen_add(m, role, width > 0 ? m->p->dtype : m->p->row_dtype, width > 0 ? 4 : 3, shape);
    return gen_fill_normal(m, g, deviation);
}

static void head_mix(struct maker *m)
{
    struct oracle_inputs *in = &m->p->inputs;
    int64_t index[4] = {0};
    gen_say(m->p, " head_mix");
    in->mix_target = of_rows(m, ATTN_ROLE_MIX_TARGET, m->p->options.dv, 0.3);
    in->mix_alpha = of_rows(m, ATTN_ROLE_MIX_ALPHA, 0, 1);
    for (int64_t i = 0; m->ok && i < gen_count(in->mix_alpha); i++) {
        gen_unflatten(in->mix_alpha, i, index);
        double a = rng_percent(&m->rng, 30) ? (double)rng_int(&m->rng, 0, 1) : rng_unit(&m->rng);
        oracle_store(gen_element(in->mix_alpha, index), in->mix_alpha->dtype, a);
    }
}

static void head_factor(struct maker *m)
{
    struct rng *r = &m->rng;
    int64_t shape[2] = {rng_percent(r, 30) ? 1 : m->n_seq, m->p->options.hout}, index[4] = {0};
    struct gen_tensor *g = gen_add(m, ATTN_ROLE_HEAD_FACTOR, m->p->row_dtype, 2, shape);
    gen_say(m->p, " head_factor");
    for (int64_t i = 0; m->ok && i < gen_count(&g->t); i++) {
        gen_unflatten(&g->t, i, index);
        oracle_store(gen_element(&g->t, index), g->t.dtype,
                     rng_percent(r, 40) ? 0 : 1 + rng_normal(r) / 2);
    }
    m->p->inputs.head_factor = &g->t;
}

/* Some heads of each row, few rows of some heads. */
static void gates(struct maker *m)
{
    struct rng *r = &m->rng;
    int64_t shape[3] = {m->b, m->p->options.hout, m->nq}, index[4] = {0};
    struct gen_tensor *g = gen_add(m, ATTN_ROLE_GATE, m->p->row_dtype, 3, shape);
    int active = (int)PICK(r, 0, 10, 50, 75, 100);
    gen_say(m->p, " head_gate");
    for (int64_t i = 0; m->ok && i < gen_count(&g->t); i++) {
        gen_unflatten(&g->t, i, index);
        int percent = index[1] == 1 ? 100 - active : active;
        oracle_store(gen_element(&g->t, index), g->t.dtype,
                     rng_percent(r, percent) ? 1 + rng_normal(r) / 2 : 0);
    }
    m->p->inputs.gate = &g->t;
}

static void epilogue(struct maker *m)
{
    struct oracle_options *o = &m->p->options;
    struct oracle_inputs *in = &m->p->inputs;
    struct oracle_epilogue *x = &o->epilogue;
    struct rng *r = &m->rng;
    *x = (struct oracle_epilogue){.eps = 1e-6, .out_scale = 1};
    if (rng_percent(r, 10)) {
        x->gate = (int32_t)rng_int(r, ATTN_OUT_GATE_SIGMOID, ATTN_OUT_GATE_MULTIPLY);
        gen_say(m->p, " out_gate=%s", x->gate == ATTN_OUT_GATE_SIGMOID ? "sigmoid" : "multiply");
        int64_t shape[4] = {m->b, o->hout, m->nq, rng_percent(r, 40) ? 1 : o->dv};
        in->out_gate = gen_fill_normal(m, gen_add(m, ATTN_ROLE_OUT_GATE, m->p->dtype, 4, shape), 2);
    }
    if (rng_percent(r, 10)) {
        x->norm = true;
        gen_say(m->p, " out_norm=rms");
        if (rng_percent(r, 50))
            x->eps = say_real(m, "out_norm_eps", 1e-5);
        if (rng_percent(r, 50)) {
            int64_t shape[2] = {o->hout, o->dv}, per_head = rng_percent(r, 50);
            gen_say(m->p, " out_norm_weight");
            in->out_norm_w = gen_fill_normal(
                m, gen_add(m, ATTN_ROLE_OUT_NORM_W, m->p->row_dtype, per_head ? 2 : 1,
                           per_head ? shape : shape + 1), 1);
        }
    }
    if ((x->has_scale = rng_percent(r, 7)))
        x->out_scale = say_real(m, "out_scale", rng_normal(r));
    if (rng_percent(r, 8))
        head_mix(m);
    if (rng_percent(r, 10))
        head_factor(m);
    if (rng_percent(r, 20))
        gates(m);
}

void gen_rows(struct maker *m)
{
    epilogue(m);
    qk_norm(m);
    rope(m);
}
