/* SPDX-License-Identifier: MIT */
/*
 * Random problems. What a row does not see is poisoned: keys and values that
 * nobody sees and biases of invisible pairs hold NaN, Inf or huge numbers.
 */
#include "gen_parts.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORK = 1500000 };

static void sizes(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct oracle_options *o = &p->options;
    struct rng *r = &m->rng;
    int kind = (int)rng_int(r, 0, 9);
    o->packed = rng_percent(r, 25);
    m->n_seq = o->packed ? rng_int(r, 0, 6) : rng_int(r, 1, 4);
    if (o->packed && m->n_seq == 0)
        m->n_seq = rng_int(r, 0, 1);
    o->d = rng_percent(r, 50) ? PICK(r, 8, 16, 32, 64, 80, 128) : rng_int(r, 1, 70);
    if (rng_percent(r, 3))
        o->d = PICK(r, 192, 256, 300);
    o->dv = rng_percent(r, 60) ? o->d : rng_int(r, 1, 90);
    o->hk = rng_int(r, 1, 3);
    o->hv = rng_percent(r, 85) ? o->hk : rng_int(r, 1, 3);
    m->hq = (o->hk == o->hv ? o->hk : o->hk * o->hv) * rng_int(r, 1, 3);
    if (m->hq > GEN_HEADS)
        m->hq = o->hk * o->hv;
    o->hout = m->hq;

    /* few rows and many keys, prefill, or small all round */
    int64_t most_q = kind < 3 ? 4 : kind < 6 ? 150 : 20;
    int64_t most_k = kind < 2 ? 4500 : kind < 6 ? 300 : 40;
    int64_t each = (o->d + o->dv) * o->hout;
    while (most_q * most_k * each * (m->n_seq > 1 ? 2 : 1) > MAX_WORK && most_q + most_k > 2) {
        if (most_k > 4 * most_q || kind >= 3)
            most_k = most_k * 2 / 3;
        if (kind >= 3 || most_q > most_k)
            most_q = most_q * 2 / 3;
        most_q = most_q < 1 ? 1 : most_q;
        most_k = most_k < 1 ? 1 : most_k;
        if (most_q * most_k == 1)
            break;
    }
    if (rng_percent(r, 5)) {
        m->grid_h = rng_int(r, 1, 7);
        m->grid_w = rng_int(r, 1, 9);
        m->square = rng_percent(r, 50);
    }
    for (int64_t n = 0; n < m->n_seq; n++) {
        m->q_rows[n] = rng_percent(r, 6) ? rng_int(r, 0, 1) : rng_int(r, 1, most_q);
        m->k_rows[n] = rng_percent(r, 6) ? rng_int(r, 0, 1) : rng_int(r, 1, most_k);
        if (!o->packed && n > 0) {
            m->q_rows[n] = m->q_rows[0];
            m->k_rows[n] = m->k_rows[0];
        }
        if (m->grid_h > 0) {
            m->k_rows[n] = m->grid_h * m->grid_w;
            m->q_rows[n] = m->square ? m->k_rows[n] : m->q_rows[n];
        }
        m->longest_q = m->q_rows[n] > m->longest_q ? m->q_rows[n] : m->longest_q;
        m->longest_k = m->k_rows[n] > m->longest_k ? m->k_rows[n] : m->longest_k;
    }
    m->b = o->packed ? 1 : m->n_seq;
    m->nq = m->longest_q;
    m->nk = m->longest_k;
    p->pair_q = m->longest_q;
    p->pair_k = m->longest_k;
}

/* Packed: offsets with gaps in front and behind. */
static void offsets(struct maker *m)
{
    int64_t at_q[8], at_k[8];
    if (!m->p->options.packed)
        return;
    at_q[0] = rng_percent(&m->rng, 20) ? rng_int(&m->rng, 1, 3) : 0;
    at_k[0] = rng_percent(&m->rng, 20) ? rng_int(&m->rng, 1, 3) : 0;
    for (int64_t n = 0; n < m->n_seq; n++) {
        at_q[n + 1] = at_q[n] + m->q_rows[n];
        at_k[n + 1] = at_k[n] + m->k_rows[n];
    }
    m->nq = at_q[m->n_seq] + (rng_percent(&m->rng, 20) ? rng_int(&m->rng, 1, 3) : 0);
    m->nk = at_k[m->n_seq] + (rng_percent(&m->rng, 20) ? rng_int(&m->rng, 1, 3) : 0);
    m->p->inputs.q_offsets = gen_index_list(m, ATTN_ROLE_Q_OFFSETS, at_q, m->n_seq + 1);
    m->p->inputs.k_offsets = gen_index_list(m, ATTN_ROLE_K_OFFSETS, at_k, m->n_seq + 1);
}

static void lengths(struct maker *m)
{
    struct rng *r = &m->rng;
    struct oracle_inputs *in = &m->p->inputs;
    int64_t q_len[8], k_len[8], start[8];
    bool has_q = rng_percent(r, 25), has_k = rng_percent(r, 35), has_start = rng_percent(r, 15);
    for (int64_t n = 0; n < m->n_seq; n++) {
        q_len[n] = rng_int(r, 0, m->q_rows[n]);
        start[n] = has_start ? rng_int(r, 0, m->k_rows[n]) : 0;
        k_len[n] = rng_int(r, 0, m->k_rows[n] - start[n]);
    }
    if (has_q)
        in->q_len = gen_index_list(m, ATTN_ROLE_Q_LEN, q_len, m->n_seq);
    if (has_k)
        in->k_len = gen_index_list(m, ATTN_ROLE_K_LEN, k_len, m->n_seq);
    if (has_start)
        in->k_start = gen_index_list(m, ATTN_ROLE_K_START, start, m->n_seq);
}

static void say_list(struct gen_problem *p, const char *key, const int64_t *list, int64_t n)
{
    gen_say(p, " %s=[", key);
    for (int64_t i = 0; i < n; i++)
        gen_say(p, "%s%" PRId64, i == 0 ? "" : ",", list[i]);
    gen_say(p, "]");
}

static void heads(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct oracle_options *o = &p->options;
    struct rng *r = &m->rng;
    bool q_map = rng_percent(r, 10), kv_map = rng_percent(r, 12);
    if (q_map)
        o->hout = rng_int(r, 1, 7);
    for (int64_t h = 0; h < o->hout; h++) {
        p->q_head[h] = rng_int(r, 0, m->hq - 1);
        p->k_head[h] = rng_int(r, 0, o->hk - 1);
        p->v_head[h] = rng_int(r, 0, o->hv - 1);
    }
    if (q_map) {
        o->q_head = p->q_head;
        say_list(p, "q_head", p->q_head, o->hout);
    }
    if (kv_map && o->hk == o->hv && rng_percent(r, 50)) {
        o->k_head = o->v_head = p->k_head;
        say_list(p, "kv_head", p->k_head, o->hout);
        return;
    }
    if (kv_map || o->hout % o->hk != 0) {
        o->k_head = p->k_head;
        say_list(p, "k_head", p->k_head, o->hout);
    }
    if (kv_map || o->hout % o->hv != 0) {
        o->v_head = p->v_head;
        say_list(p, "v_head", p->v_head, o->hout);
    }
}

static void say_side(struct gen_problem *p, const char *before, int64_t x)
{
    if (x == ATTN_UNBOUNDED)
        gen_say(p, "%sinf", before);
    else
        gen_say(p, "%s%" PRId64, before, x);
}

static void visibility(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct oracle_options *o = &p->options;
    struct rng *r = &m->rng;
    if ((o->causal = rng_percent(r, 45)))
        gen_say(p, " causal");
    if ((o->top_left = rng_percent(r, 20)))
        gen_say(p, " align=top_left");
    else if (rng_percent(r, 10))
        gen_say(p, " align=bottom_right");
    o->window_left = o->window_right = ATTN_UNBOUNDED;
    if (rng_percent(r, 30)) {
        if (rng_percent(r, 80))
            o->window_left = rng_percent(r, 85) ? rng_int(r, 0, 60) : rng_int(r, -9, -1);
        if (rng_percent(r, 60))
            o->window_right = rng_percent(r, 75) ? rng_int(r, 0, 30) : rng_int(r, -9, -1);
        if (rng_percent(r, 2))
            o->window_left = INT64_MAX;
        if (rng_percent(r, 2))
            o->window_right = rng_percent(r, 50) ? INT64_MAX : -INT64_MAX;
        say_side(p, " window=", o->window_left);
        say_side(p, ",", o->window_right);
    }
    o->prefix = rng_percent(r, 12) ? rng_int(r, 0, 40) : 0;
    o->sink_tokens = rng_percent(r, 12) ? rng_int(r, 0, 9) : 0;
    if (o->prefix > 0 && o->sink_tokens > o->prefix)
        o->sink_tokens = o->prefix;
    if (o->sink_tokens > 0)
        gen_say(p, " sink_tokens=%" PRId64, o->sink_tokens);
    if (o->prefix > 0)
        gen_say(p, " prefix=%" PRId64, o->prefix);
}

static void segments(struct maker *m)
{
    if (m->p->inputs.seg_q || !rng_percent(&m->rng, 12))
        return;
    gen_say(m->p, " segments");
    for (int side = 0; side < 2; side++) {
        int64_t shape[2] = {rng_percent(&m->rng, 40) ? 1 : m->b, side == 0 ? m->nq : m->nk};
        struct gen_tensor *g =
            gen_add(m, side == 0 ? ATTN_ROLE_SEG_Q : ATTN_ROLE_SEG_K, gen_index_type(m), 2, shape);
        bool sorted = rng_percent(&m->rng, 60);
        for (int64_t b = 0; m->ok && b < shape[0]; b++)
            for (int64_t n = 0; n < shape[1]; n++)
                gen_set(&g->t, (double)(sorted ? n * 4 / shape[1] - 1 : rng_int(&m->rng, -1, 2)), b,
                        n, 0, 0);
        *(side == 0 ? &m->p->inputs.seg_q : &m->p->inputs.seg_k) = &g->t;
    }
}

static void mask(struct maker *m)
{
    int64_t shape[4], index[4];
    if (!rng_percent(&m->rng, 15))
        return;
    gen_say(m->p, " mask");
    gen_pair_shape(m, shape);
    struct gen_tensor *g = gen_add(m, ATTN_ROLE_MASK,
                                rng_percent(&m->rng, 60) ? ATTN_DTYPE_BOOL : ATTN_DTYPE_U8, 4,
                                shape);
    int density = (int)PICK(&m->rng, 5, 50, 90);
    for (int64_t i = 0; m->ok && i < gen_count(&g->t); i++) {
        gen_unflatten(&g->t, i, index);
        int64_t shown = PICK(&m->rng, 1, 1, 2, 255);
        oracle_store(gen_element(&g->t, index), g->t.dtype,
                     rng_percent(&m->rng, density) ? (double)shown : 0);
    }
    m->p->inputs.mask = &g->t;
}

static void scores(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct oracle_options *o = &p->options;
    struct rng *r = &m->rng;
    o->scale = NAN;
    if (rng_percent(r, 30)) {
        o->scale = (rng_percent(r, 20) ? -1 : 1) * exp2(5 * rng_unit(r) - 5);
        gen_say(p, " scale=%.17g", o->scale);
    }
    if (rng_percent(r, 15)) {
        o->softcap = 2 + 40 * rng_unit(r);
        gen_say(p, " softcap=%.17g", o->softcap);
    }
    if (rng_percent(r, 12)) {
        o->alibi = true;
        gen_say(p, " alibi");
        if (rng_percent(r, 50)) {
            o->slopes = p->slopes;
            gen_say(p, " alibi_slopes=[");
            for (int64_t h = 0; h < o->hout; h++) {
                p->slopes[h] = rng_percent(r, 15) ? 0 : rng_normal(r) / 4;
                gen_say(p, "%s%.17g", h == 0 ? "" : ",", p->slopes[h]);
            }
            gen_say(p, "]");
        }
    }
    m->amplitude = PICK(r, 1, 1, 1, 0, 12);
    m->amplitude = m->amplitude == 0 ? 0.1 : m->amplitude;
}

static void bias(struct maker *m)
{
    struct rng *r = &m->rng;
    int64_t shape[4], index[4];
    if (!rng_percent(r, 20))
        return;
    gen_say(m->p, " bias");
    gen_pair_shape(m, shape);
    struct gen_tensor *g = gen_add(m, ATTN_ROLE_BIAS,
                                rng_percent(r, 50) ? m->p->row_dtype : m->p->dtype, 4, shape);
    bool holes = rng_percent(r, 20), infinite = rng_percent(r, 3);
    m->p->inputs.bias = gen_fill_normal(m, g, 2);
    for (int64_t i = 0; m->ok && (holes || infinite) && i < gen_count(&g->t); i++) {
        gen_unflatten(&g->t, i, index);
        if (holes && (rng_percent(r, 20) || index[2] % 5 == 2))
            oracle_store(gen_element(&g->t, index), g->t.dtype, -INFINITY);
        else if (infinite && rng_percent(r, 1))
            oracle_store(gen_element(&g->t, index), g->t.dtype, INFINITY);
    }
}

static void sinks(struct maker *m)
{
    struct rng *r = &m->rng;
    struct oracle_options *o = &m->p->options;
    if (o->norm.kind > ATTN_NORMALIZER_EXP_N || m->p->groups.q_ptr || !rng_percent(r, 15))
        return;
    gen_say(m->p, " sink_logits");
    bool rows = rng_percent(r, 40);
    int64_t three[3] = {rng_percent(r, 50) ? 1 : m->n_seq, o->hout,
                        rng_percent(r, 50) ? 1 : m->longest_q};
    int64_t two[2] = {o->hout, rng_int(r, 0, 3)};
    bool several = !rows && rng_percent(r, 25);
    struct gen_tensor *g = gen_add(m, ATTN_ROLE_SINK_LOGITS, m->p->row_dtype,
                                   rows ? 3 : several ? 2 : 1,
                                   rows ? three : several ? two : &o->hout);
    m->p->inputs.sink_logits = gen_fill_normal(m, g, 3);
    int64_t index[4] = {0};
    for (int64_t i = 0; m->ok && i < gen_count(&g->t); i++) {
        gen_unflatten(&g->t, i, index);
        if (rng_percent(r, 20))
            oracle_store(gen_element(&g->t, index), g->t.dtype, -INFINITY);
    }
}

static void types(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct rng *r = &m->rng;
    p->dtype = (int32_t)PICK(r, ATTN_DTYPE_F32, ATTN_DTYPE_F32, ATTN_DTYPE_F32, ATTN_DTYPE_F32,
                             ATTN_DTYPE_F64, ATTN_DTYPE_F16, ATTN_DTYPE_BF16);
    p->kv_dtype = p->dtype;
    if (p->dtype != ATTN_DTYPE_F32)
        gen_say(p, " dtype=%s", attn_dtype_name(p->dtype));
    if (p->dtype != ATTN_DTYPE_F64 && rng_percent(r, 30)) {
        p->kv_dtype = (int32_t)PICK(r, ATTN_DTYPE_F32, ATTN_DTYPE_F16, ATTN_DTYPE_BF16);
        gen_say(p, " kv_dtype=%s", attn_dtype_name(p->kv_dtype));
    }
    p->compute_bf16 = p->dtype != ATTN_DTYPE_F64 &&
                      rng_percent(r, p->kv_dtype == ATTN_DTYPE_BF16 ? 50 : 5);
    if (p->compute_bf16)
        gen_say(p, " compute=bf16");
    p->row_dtype = p->dtype == ATTN_DTYPE_F64 ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32;
}

static void main_tensors(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct oracle_options *o = &p->options;
    int64_t q[4] = {m->b, m->hq, m->nq, o->d}, k[4] = {m->b, o->hk, m->nk, o->d};
    int64_t v[4] = {m->b, o->hv, m->nk, o->dv}, out[4] = {m->b, o->hout, m->nq, o->dv};
    double scale = isnan(o->scale) ? 1 / sqrt((double)o->d) : fabs(o->scale);
    p->inputs.q = gen_fill_normal(m, gen_add(m, ATTN_ROLE_Q, p->dtype, 4, q),
                              m->amplitude / (scale * sqrt((double)o->d)));
    p->inputs.k = gen_fill_normal(m, gen_add(m, ATTN_ROLE_K, p->kv_dtype, 4, k), 1);
    p->inputs.v = gen_fill_normal(m, gen_add(m, ATTN_ROLE_V, p->kv_dtype, 4, v), 1);
    gen_add(m, ATTN_ROLE_OUT, p->dtype, 4, out);
    if (o->norm.kind <= ATTN_NORMALIZER_EXP_SUM && rng_percent(&m->rng, 70))
        gen_add(m, ATTN_ROLE_LSE, p->row_dtype, 3, out);
}

static void wanted(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct rng *r = &m->rng;
    static const int32_t bits[] = {ATTN_WANT_PROBS,         ATTN_WANT_SCORES_RAW,
                                   ATTN_WANT_SCORES_CAPPED, ATTN_WANT_SCORES_BIASED,
                                   ATTN_WANT_COLSUM,        ATTN_WANT_ROWMAX,
                                   ATTN_WANT_ENTROPY,       ATTN_WANT_ARGMAX,
                                   ATTN_WANT_CLASSMASS,     ATTN_WANT_COUNTS};
    static const int32_t roles[] = {ATTN_ROLE_PROBS,         ATTN_ROLE_SCORES_RAW,
                                    ATTN_ROLE_SCORES_CAPPED, ATTN_ROLE_SCORES_BIASED,
                                    ATTN_ROLE_COLSUM,        ATTN_ROLE_ROWMAX,
                                    ATTN_ROLE_ENTROPY,       ATTN_ROLE_ARGMAX,
                                    ATTN_ROLE_CLASSMASS,     ATTN_ROLE_COUNTS};
    enum { WANTS = 10, COLSUM = 4, ARGMAX = 7, CLASSMASS, COUNTS };
    if (!rng_percent(r, 25) || p->groups.q_ptr)
        return;
    p->want = (int32_t)rng_int(r, 1, (1 << WANTS) - 1);
    if (rng_percent(r, 40)) /* what all solvers serve, or all but one or two */
        p->want &= PICK(r, ATTN_WANT_COUNTS, ~ATTN_WANT_ARGMAX,
                        ATTN_WANT_COUNTS | ATTN_WANT_ROWMAX | ATTN_WANT_ARGMAX);
    if (!gen_is_distribution(p->options.norm.kind))
        p->want &= ~ATTN_WANT_ENTROPY;
    if (p->want == 0)
        return;
    if (p->want & ATTN_WANT_CLASSMASS) {
        p->mass_classes = PICK(r, 1, 3, 6, 9, 256);
        p->class_k = gen_classes_of_keys(m);
        gen_say(p, " mass_classes=%" PRId64, p->mass_classes);
    }
    const char *between = " want=";
    for (int i = 0; i < WANTS; i++) {
        if (!(p->want & bits[i]))
            continue;
        gen_say(p, "%s%s", between, attn_role_name(roles[i]));
        between = ",";
        if (rng_percent(r, 10))
            continue; /* wanted, but left out of the execute */
        int64_t hout = p->options.hout;
        int64_t more = p->options.packed && rng_percent(r, 40);
        int64_t q = m->longest_q + more * rng_int(r, 0, 3);
        int64_t k = m->longest_k + more * rng_int(r, 0, 3);
        int64_t pairs[4] = {m->n_seq, hout, q, k}, rows[3] = {m->b, hout, m->nq};
        int64_t columns[3] = {m->n_seq, hout, k}, four[1] = {4};
        int64_t masses[4] = {m->b, hout, m->nq, p->mass_classes};
        if (i == COUNTS)
            gen_add(m, roles[i], ATTN_DTYPE_I64, 1, four);
        else if (i == ARGMAX)
            gen_add(m, roles[i], gen_index_type(m), 3, rows);
        else if (i == CLASSMASS)
            gen_add(m, roles[i], p->row_dtype, 4, masses);
        else if (i == COLSUM)
            gen_add(m, roles[i], p->row_dtype, 3, columns);
        else
            gen_add(m, roles[i], p->row_dtype, i < 4 ? 4 : 3, i < 4 ? pairs : rows);
        p->pair_q = q > p->pair_q ? q : p->pair_q;
        p->pair_k = k > p->pair_k ? k : p->pair_k;
    }
}

static void how(struct maker *m)
{
    struct gen_problem *p = m->p;
    struct rng *r = &m->rng;
    if (rng_percent(r, 20))
        gen_say(p, " check=%s", PICK(r, 0, 1) ? "data" : "indices");
    if (rng_percent(r, 10))
        gen_say(p, " executors=%d", (int)rng_int(r, 1, 3));
    p->threads = (int)rng_int(r, 1, 3);
    p->own_workspace = rng_percent(r, 30);
}

/* ---- poison ---- */

static double garbage(struct rng *r)
{
    static const double list[] = {NAN, INFINITY, -INFINITY, 6e4, -6e4, 3e38, -3e38};
    return list[rng_int(r, 0, 6)];
}

/* Marks in seen[b][head][key] what some row of some output head sees. */
static void mark_seen(struct maker *m, unsigned char *k_seen, unsigned char *v_seen)
{
    const struct oracle_options *o = &m->p->options;
    const struct oracle_inputs *in = &m->p->inputs;
    for (int64_t n = 0; n < m->n_seq; n++) {
        int64_t b = o->packed ? 0 : n, k0 = 0;
        if (o->packed)
            k0 = (int64_t)oracle_load(in->k_offsets, &n);
        for (int64_t h = 0; h < o->hout; h++) {
            int64_t kh = o->k_head ? o->k_head[h] : h / (o->hout / o->hk);
            int64_t vh = o->v_head ? o->v_head[h] : h / (o->hout / o->hv);
            for (int64_t j = 0; j < m->k_rows[n]; j++)
                for (int64_t i = 0; i < m->q_rows[n]; i++)
                    if (oracle_visible(o, in, n, h, i, j)) {
                        k_seen[(b * o->hk + kh) * m->nk + k0 + j] = 1;
                        v_seen[(b * o->hv + vh) * m->nk + k0 + j] = 1;
                        break;
                    }
        }
    }
}

static void poison_keys(struct maker *m, const attn_tensor *t, const unsigned char *seen)
{
    int64_t index[4] = {0};
    if (!gen_unshared(t))
        return;
    for (int64_t i = 0; i < gen_count(t); i++) {
        gen_unflatten(t, i, index);
        if (!seen[(index[0] * t->shape[1] + index[1]) * t->shape[2] + index[2]])
            oracle_store(gen_element(t, index), t->dtype, garbage(&m->rng));
    }
}

static void poison_bias(struct maker *m)
{
    const struct oracle_options *o = &m->p->options;
    const attn_tensor *t = m->p->inputs.bias;
    int64_t index[4] = {0}, full[4] = {m->n_seq, o->hout, m->longest_q, m->longest_k};
    if (!t || !gen_unshared(t))
        return;
    for (int n = 0; n < 4; n++)
        if (t->shape[n] < full[n])
            return;
    for (int64_t i = 0; i < gen_count(t); i++) {
        gen_unflatten(t, i, index);
        int64_t n = index[0];
        if (index[2] >= m->q_rows[n] || index[3] >= m->k_rows[n] ||
            !oracle_visible(o, &m->p->inputs, n, index[1], index[2], index[3]))
            oracle_store(gen_element(t, index), t->dtype, garbage(&m->rng));
    }
}

/* Rows of Q that nobody computes, and padding. */
static void poison_queries(struct maker *m)
{
    const struct gen_problem *p = m->p;
    const attn_tensor *t = p->inputs.q;
    if (!gen_unshared(t))
        return;
    for (int64_t n = 0; p->inputs.gate && !p->options.q_head && n < t->shape[0]; n++)
        for (int64_t h = 0; h < m->hq; h++)
            for (int64_t i = 0; i < m->nq; i++)
                if (oracle_load4(p->inputs.gate, n, h, i, 0) == 0)
                    gen_set(t, garbage(&m->rng), n, h, i, rng_int(&m->rng, 0, p->options.d - 1));
    if (!p->inputs.q_len)
        return;
    for (int64_t n = 0; n < m->n_seq; n++) {
        int64_t b = p->options.packed ? 0 : n, q0 = 0;
        if (p->options.packed)
            q0 = (int64_t)oracle_load(p->inputs.q_offsets, &n);
        for (int64_t h = 0; h < m->hq; h++)
            for (int64_t i = (int64_t)oracle_load(p->inputs.q_len, &n); i < m->q_rows[n]; i++)
                gen_set(t, garbage(&m->rng), b, h, q0 + i, rng_int(&m->rng, 0, p->options.d - 1));
    }
}

/* A NaN that some rows see: it must reach them and nobody else. Values only
 * where no weight can be so small that f32 loses it. */
static void poison_seen(struct maker *m)
{
    const struct oracle_options *o = &m->p->options;
    if (m->nk == 0 || m->n_seq == 0 || !rng_percent(&m->rng, 10))
        return;
    bool value = rng_percent(&m->rng, 60) && m->amplitude <= 1 && !o->alibi;
    const attn_tensor *t = value ? m->p->inputs.v : m->p->inputs.k;
    gen_set(t, value && rng_percent(&m->rng, 40) ? INFINITY : NAN,
            rng_int(&m->rng, 0, t->shape[0] - 1), rng_int(&m->rng, 0, t->shape[1] - 1),
            rng_int(&m->rng, 0, t->shape[2] - 1), rng_int(&m->rng, 0, t->shape[3] - 1));
}

static void poison(struct maker *m)
{
    const struct oracle_options *o = &m->p->options;
    size_t k_bytes = (size_t)(m->b * o->hk * m->nk), v_bytes = (size_t)(m->b * o->hv * m->nk);
    unsigned char *k_seen = calloc(k_bytes + 1, 1), *v_seen = calloc(v_bytes + 1, 1);
    m->ok &= k_seen && v_seen;
    if (m->ok && rng_percent(&m->rng, 60)) {
        mark_seen(m, k_seen, v_seen);
        poison_keys(m, m->p->inputs.k, k_seen);
        poison_keys(m, m->p->inputs.v, v_seen);
        poison_bias(m);
        poison_queries(m);
        poison_seen(m);
    }
    free(k_seen);
    free(v_seen);
}

/* ---- all of it ---- */

bool gen_make(struct gen_problem *p, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    struct maker m = {.p = p, .rng = {seed}, .ok = true};
    struct oracle_options *o = &p->options;
    sizes(&m);
    offsets(&m);
    lengths(&m);
    int64_t b = m.n_seq > 0 ? m.n_seq : 1;
    o->lists = rng_percent(&m.rng, 10) ? &p->lists : NULL;
    gen_say(p, "%s b=%" PRId64 " h=%" PRId64, o->lists ? "lists" : "softmax",
            b + rng_int(&m.rng, 0, 1), m.hq);
    if (o->hk != m.hq || o->hv != o->hk || rng_percent(&m.rng, 30))
        gen_say(p, "/%" PRId64, o->hk);
    if (o->hv != o->hk)
        gen_say(p, "/%" PRId64, o->hv);
    int64_t spare = rng_percent(&m.rng, 50) ? PICK(&m.rng, 1, 30, 500) : 0;
    gen_say(p, " q=%" PRId64, m.longest_q + spare);
    p->any_k = rng_percent(&m.rng, 20);
    if (p->any_k)
        gen_say(p, " k=inf");
    else
        gen_say(p, " k=%" PRId64, m.longest_k + spare);
    gen_say(p, " d=%" PRId64, o->d);
    if (o->dv != o->d)
        gen_say(p, "/%" PRId64, o->dv);
    if (o->packed)
        gen_say(p, " packed");
    heads(&m);
    visibility(&m);
    gen_lists(&m);
    gen_pieces(&m);
    segments(&m);
    mask(&m);
    scores(&m);
    gen_score(&m);
    gen_norm(&m);
    types(&m);
    gen_score_tensors(&m);
    gen_rows(&m);
    bias(&m);
    sinks(&m);
    main_tensors(&m);
    wanted(&m);
    gen_rule(&m);
    how(&m);
    if (m.ok)
        poison(&m);
    for (int i = 0; i < GEN_ROLES && m.ok; i++) {
        struct gen_tensor *g = &p->tensor[i];
        if (g->used && attn_role_is_output(g->role) != 1 && g->bytes > 0)
            memcpy(g->before, g->block, g->bytes);
    }
    if (!m.ok)
        gen_free(p);
    return m.ok;
}

void gen_free(struct gen_problem *p)
{
    for (int i = 0; i < GEN_ROLES; i++) {
        free(p->tensor[i].block);
        free(p->tensor[i].before);
        p->tensor[i] = (struct gen_tensor){0};
    }
    gen_lists_free(p);
}

struct gen_tensor *gen_find(struct gen_problem *p, int32_t role)
{
    for (int i = 0; i < GEN_ROLES; i++)
        if (p->tensor[i].used && p->tensor[i].role == role)
            return &p->tensor[i];
    return NULL;
}

size_t gen_args(const struct gen_problem *p, attn_arg args[GEN_ROLES])
{
    size_t n = 0;
    for (int i = 0; i < GEN_ROLES; i++) {
        const struct gen_tensor *g = &p->tensor[(i * 7 + 3) % GEN_ROLES];
        if (g->used)
            args[n++] = (attn_arg){.role = g->role, .object = &g->t};
    }
    if (p->score_fn)
        args[n++] = (attn_arg){.role = ATTN_ROLE_USER, .object = p};
    return n;
}

void gen_reset_outputs(struct gen_problem *p)
{
    for (int i = 0; i < GEN_ROLES; i++)
        if (p->tensor[i].used && attn_role_is_output(p->tensor[i].role) == 1)
            memset(p->tensor[i].block, GEN_PATTERN, p->tensor[i].bytes);
}

const char *gen_trespass(const struct gen_problem *p)
{
    for (int i = 0; i < GEN_ROLES; i++) {
        const struct gen_tensor *g = &p->tensor[i];
        if (!g->used)
            continue;
        bool output = attn_role_is_output(g->role) == 1;
        for (size_t n = 0; n < g->bytes; n++)
            if (output ? !g->before[n] && g->block[n] != GEN_PATTERN : g->before[n] != g->block[n])
                return attn_role_name(g->role);
    }
    return NULL;
}

void gen_describe(const struct gen_problem *p, char *buf, size_t len)
{
    size_t at = 0;
    for (int i = 0; i < GEN_ROLES; i++) {
        const attn_tensor *t = &p->tensor[i].t;
        if (!p->tensor[i].used)
            continue;
        at += (size_t)snprintf(at < len ? buf + at : NULL, at < len ? len - at : 0, "  %s %s",
                               attn_role_name(p->tensor[i].role), attn_dtype_name(t->dtype));
        for (int32_t n = 0; n < t->rank; n++)
            at += (size_t)snprintf(at < len ? buf + at : NULL, at < len ? len - at : 0,
                                   " %" PRId64 ":%" PRId64, t->shape[n], t->stride[n]);
    }
}
