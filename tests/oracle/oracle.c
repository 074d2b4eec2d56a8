/* SPDX-License-Identifier: MIT */
/*
 * The definition, pair by pair.
 */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- element types ---- */

/* A float of 1 + e + m bits: the value of its fields. */
static double from_fields(unsigned bits, int e_bits, int m_bits)
{
    int bias = (1 << (e_bits - 1)) - 1;
    int e = (int)(bits >> m_bits) & ((1 << e_bits) - 1);
    double m = bits & ((1u << m_bits) - 1);
    double sign = bits >> (e_bits + m_bits) & 1 ? -1 : 1;
    if (e == (1 << e_bits) - 1)
        return m != 0 ? NAN : sign * INFINITY;
    if (e == 0)
        return sign * ldexp(m, 1 - bias - m_bits);
    return sign * ldexp(1 + ldexp(m, -m_bits), e - bias);
}

static unsigned to_fields(double x, int e_bits, int m_bits)
{
    int bias = (1 << (e_bits - 1)) - 1, e;
    unsigned sign = signbit(x) ? 1u << (e_bits + m_bits) : 0;
    unsigned inf = ((1u << e_bits) - 1) << m_bits;
    if (isnan(x))
        return sign | inf | 1u << (m_bits - 1);
    x = fabs(x);
    if (x == 0)
        return sign;
    if (isinf(x))
        return sign | inf;
    frexp(x, &e);
    e = e - 1 < 1 - bias ? 1 - bias : e - 1;
    /* nearbyint rounds ties to even; a carry moves into the exponent */
    double steps = nearbyint(ldexp(x, m_bits - e));
    if (e > bias || ldexp(steps, e - m_bits) >= ldexp(1, bias + 1))
        return sign | inf;
    return sign | (((unsigned)(e + bias - 1) << m_bits) + (unsigned)steps);
}

double oracle_element(const void *data, int32_t dtype)
{
    float f;
    double x;
    uint16_t h;
    int32_t i;
    int64_t l;
    unsigned char c;
    switch (dtype) {
    case ATTN_DTYPE_F32:
        memcpy(&f, data, sizeof f);
        return (double)f;
    case ATTN_DTYPE_F64:
        memcpy(&x, data, sizeof x);
        return x;
    case ATTN_DTYPE_F16:
        memcpy(&h, data, sizeof h);
        return from_fields(h, 5, 10);
    case ATTN_DTYPE_BF16:
        memcpy(&h, data, sizeof h);
        return from_fields(h, 8, 7);
    case ATTN_DTYPE_I32:
        memcpy(&i, data, sizeof i);
        return i;
    case ATTN_DTYPE_I64:
        memcpy(&l, data, sizeof l);
        return (double)l;
    default:
        memcpy(&c, data, sizeof c);
        return c;
    }
}

void oracle_store(void *data, int32_t dtype, double x)
{
    float f = (float)x;
    uint16_t h;
    int32_t i;
    int64_t l;
    unsigned char c;
    switch (dtype) {
    case ATTN_DTYPE_F32:
        memcpy(data, &f, sizeof f);
        break;
    case ATTN_DTYPE_F64:
        memcpy(data, &x, sizeof x);
        break;
    case ATTN_DTYPE_F16:
    case ATTN_DTYPE_BF16:
        h = (uint16_t)(dtype == ATTN_DTYPE_F16 ? to_fields(x, 5, 10) : to_fields(x, 8, 7));
        memcpy(data, &h, sizeof h);
        break;
    case ATTN_DTYPE_I32:
        i = (int32_t)x;
        memcpy(data, &i, sizeof i);
        break;
    case ATTN_DTYPE_I64:
        l = (int64_t)x;
        memcpy(data, &l, sizeof l);
        break;
    default:
        c = (unsigned char)x;
        memcpy(data, &c, sizeof c);
        break;
    }
}

double oracle_round(double x, int32_t dtype)
{
    unsigned char room[8];
    oracle_store(room, dtype, x);
    return oracle_element(room, dtype);
}

double oracle_load(const attn_tensor *t, const int64_t *index)
{
    int64_t at = 0;
    for (int32_t n = 0; n < t->rank; n++)
        at += index[n] * t->stride[n];
    return oracle_element((const char *)t->data + at * (int64_t)attn_dtype_size(t->dtype),
                          t->dtype);
}

/* ---- reading tensors by role ---- */

double oracle_load4(const attn_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t index[4] = {a, b, c, d};
    for (int32_t n = 0; n < t->rank; n++)
        if (t->shape[n] == 1)
            index[n] = 0;
    return oracle_load(t, index);
}

static int64_t list(const attn_tensor *t, int64_t i)
{
    return (int64_t)oracle_load(t, &i);
}

/* ---- one sequence ---- */

struct seq {
    int64_t n;            /* number of the sequence */
    int64_t b;            /* batch index of Q, K, V, OUT */
    int64_t q0, k0;       /* its first row of Q, of K and V */
    int64_t rows, keys;   /* rows and keys it has in the tensors */
    int64_t q_len;        /* rows that count */
    int64_t start, k_len; /* first key that counts, how many do */
};

static struct seq seq_of(const struct oracle_options *o, const struct oracle_inputs *in, int64_t n)
{
    struct seq s = {.n = n};
    if (o->packed) {
        s.q0 = list(in->q_offsets, n);
        s.rows = list(in->q_offsets, n + 1) - s.q0;
        s.k0 = list(in->k_offsets, n);
        s.keys = list(in->k_offsets, n + 1) - s.k0;
    } else {
        s.b = n;
        s.rows = in->q->shape[2];
        s.keys = in->k->shape[2];
    }
    s.q_len = in->q_len ? list(in->q_len, n) : s.rows;
    s.start = in->k_start ? list(in->k_start, n) : 0;
    s.k_len = in->k_len ? list(in->k_len, n) : s.keys - s.start;
    return s;
}

/* len & segment & mask & ((causal & (window | sink_tokens)) | prefix) where
 * no pieces were added. In general all MUST pieces and, if there are any, one
 * of the ANY pieces: window is one of them with sink_tokens, and causal &
 * window is one with a prefix. j is counted from the first key of the
 * sequence in the tensors. */
static bool pair_visible(const struct oracle_options *o, const struct oracle_inputs *in,
                         const struct seq *s, int64_t h, int64_t i, int64_t j)
{
    int64_t key = j - s->start; /* as the rules count it */
    if (i >= s->q_len || key < 0 || key >= s->k_len)
        return false;
    if (in->seg_q && !o->no_segments &&
        oracle_load4(in->seg_q, s->b, s->q0 + i, 0, 0) !=
            oracle_load4(in->seg_k, s->b, s->k0 + j, 0, 0))
        return false;
    if (in->mask && oracle_load4(in->mask, s->n, h, i, j) == 0)
        return false;
    if (o->mask_fn && !o->mask_fn(s->n, h, i, key))
        return false;
    struct oracle_piece_inputs brought = in->piece;
    struct oracle_pair x = {.in = &brought, .n = s->n, .h = h, .i = i, .j = key,
                            .q_len = s->q_len, .k_len = s->k_len, .b = s->b,
                            .row = s->q0 + i, .key = s->k0 + j, .at_k = key};
    brought.seg_q = in->seg_q;
    brought.seg_k = in->seg_k;
    x.at_q = i + (o->top_left ? 0 : s->k_len - s->q_len);
    if (brought.pos_q) {
        x.at_q = oracle_piece_number(brought.pos_q, x.b, x.row, 0);
        x.at_k = oracle_piece_number(brought.pos_k, x.b, x.key, 0);
    }
    int64_t distance = x.at_k - x.at_q;
    bool causal = !o->causal || distance <= 0;
    bool left = o->window_left == ATTN_UNBOUNDED || distance >= -o->window_left;
    bool right = o->window_right == ATTN_UNBOUNDED || distance <= o->window_right;
    bool is_window = o->window_left != ATTN_UNBOUNDED || o->window_right != ATTN_UNBOUNDED;
    bool added = false, must = true, any_seen = false, any = false;
    for (int64_t n = 0; n < o->n_pieces; n++) {
        bool shows = oracle_piece_shows(&o->pieces[n], &x);
        if (o->pieces[n].any) {
            added = any_seen = true;
            any |= shows;
        } else {
            must &= shows;
        }
    }
    if (o->lists) {
        bool listed = oracle_entry(o->lists, s->n, h, i, key) >= 0;
        any = any || (o->lists_or && listed);
        must = must && (o->lists_or || listed);
    }
    if (o->prefix > 0) {
        bool narrow = o->causal || is_window;
        any_seen |= narrow;
        any |= (narrow && causal && left && right) || key < o->prefix;
    } else if (o->lists_or || (o->sink_tokens > 0 && (is_window || added))) {
        must &= causal;
        any_seen = true;
        any |= (is_window && left && right) || key < o->sink_tokens;
    } else {
        must &= causal && left && right;
    }
    return must && (!any_seen || any);
}

/* Of the head gates: 1 without. */
static double gate_of(const struct oracle_inputs *in, const struct seq *s, int64_t h, int64_t i)
{
    return in->gate ? oracle_load4(in->gate, s->b, h, s->q0 + i, 0) : 1;
}

bool oracle_visible(const struct oracle_options *o, const struct oracle_inputs *in, int64_t n,
                    int64_t h, int64_t i, int64_t j)
{
    struct seq s = seq_of(o, in, n);
    return gate_of(in, &s, h, i) != 0 && pair_visible(o, in, &s, h, i, j);
}

static double slope_of(const struct oracle_options *o, int64_t h)
{
    if (o->slopes)
        return o->slopes[h];
    /* The ALiBi paper: 2^(-8/n), 2^(-16/n) ... for the power of two n below
     * the number of heads, then every second one of those for 2n. */
    int64_t n = 1;
    while (2 * n <= o->hout)
        n *= 2;
    if (h < n)
        return pow(2, -8.0 * (double)(h + 1) / (double)n);
    return pow(2, -8.0 * (double)(2 * (h - n) + 1) / (double)(2 * n));
}

struct run {
    const struct oracle_options *o;
    const struct oracle_inputs *in;
    struct oracle_result *r;
    double *q;     /* [d] */
    double *k;     /* [nk][d]: the keys that count of the head at hand */
    double *w, *b; /* [d] */
    double *e;     /* [3 * dv] */
    double *size;  /* [nk]: at which this row's scores were rounded */
    bool *visible; /* [nk] */
};

/* A vector of a head, or NULL. */
static const double *vector(const attn_tensor *t, int64_t head, int64_t d, double *room)
{
    for (int64_t e = 0; t && e < d; e++)
        room[e] = t->rank == 1 ? oracle_load4(t, e, 0, 0, 0) : oracle_load4(t, head, e, 0, 0);
    return t ? room : NULL;
}

/* What happens to a row of Q or K before the product. */
static void change(const struct run *x, const struct seq *s, bool keys, int64_t head, int64_t n,
                   double *row)
{
    const struct oracle_options *o = x->o;
    const struct oracle_inputs *in = x->in;
    const attn_tensor *pos = keys ? in->rope_pos_k : in->rope_pos_q;
    if (!pos)
        pos = keys ? in->piece.pos_k : in->piece.pos_q;
    if (o->qk_norm.kind != ATTN_QK_NORM_NONE)
        oracle_qk_norm(&o->qk_norm, o->d,
                       vector(keys ? in->k_norm_w : in->q_norm_w, head, o->d, x->w),
                       vector(keys ? in->k_norm_b : in->q_norm_b, head, o->d, x->b), row);
    if (o->rope.pairing == ATTN_ROPE_NONE || !(keys ? o->rope.on_k : o->rope.on_q))
        return;
    int64_t at = keys ? n - s->start : n + (o->top_left ? 0 : s->k_len - s->q_len);
    if (pos)
        at = (int64_t)oracle_load4(pos, s->b, (keys ? s->k0 : s->q0) + n, 0, 0);
    oracle_rope_row(&o->rope, s->k_len, at, row);
}

static void keys_of(const struct run *x, const struct seq *s, int64_t h)
{
    const struct oracle_options *o = x->o;
    int64_t kh = o->k_head ? o->k_head[h] : h / (o->hout / o->hk);
    for (int64_t j = s->start; j < s->start + s->k_len; j++) {
        for (int64_t e = 0; e < o->d; e++)
            x->k[j * o->d + e] = oracle_load4(x->in->k, s->b, kh, s->k0 + j, e);
        change(x, s, true, kh, j, x->k + j * o->d);
    }
}

/* n numbers of a tensor at (a, b, c), or NULL. */
static const double *numbers(const attn_tensor *t, int64_t a, int64_t b, int64_t c, int64_t n,
                             double *room)
{
    for (int64_t e = 0; t && e < n; e++)
        room[e] = oracle_load4(t, a, b, c, e);
    return t ? room : NULL;
}

static double factor_of(const struct run *x, const struct seq *s, int64_t h)
{
    return x->in->head_factor ? oracle_load4(x->in->head_factor, s->n, h, 0, 0) : 1;
}

struct row_out {
    double *out, *size, *error; /* [dv] of the results of these names */
};

static void finish(const struct run *x, const struct seq *s, int64_t h, int64_t i,
                   const struct row_out *row)
{
    const struct oracle_inputs *in = x->in;
    struct oracle_epilogue e = x->o->epilogue;
    int64_t dv = x->o->dv;
    e.w = vector(in->out_norm_w, h, dv, x->e);
    e.gates = numbers(in->out_gate, s->b, h, s->q0 + i, dv, x->e + dv);
    e.target = numbers(in->mix_target, s->n, h, i, dv, x->e + 2 * dv);
    e.alpha = in->mix_alpha ? oracle_load4(in->mix_alpha, s->n, h, i, 0) : 0;
    e.factor = factor_of(x, s, h) * gate_of(in, s, h, i);
    for (int64_t c = 0; c < dv; c++)
        row->error[c] = sqrt(row->error[c]);
    oracle_epilogue(&e, dv, row->out, row->size, row->error);
}

static int64_t position_k(const struct oracle_inputs *in, const struct oracle_row *w, int64_t j)
{
    const attn_tensor *t = in->score.pos_k;
    return t ? (int64_t)oracle_load4(t, w->b, w->k0 + j, 0, 0) : j;
}

/* Several logits of a head weigh as much as one, their log-sum-exp. */
static double oracle_sink(const attn_tensor *t, int64_t n, int64_t h, int64_t i)
{
    double sum = 0;
    if (t->rank != 2)
        return t->rank == 1 ? oracle_load(t, &h) : oracle_load4(t, n, h, i, 0);
    for (int64_t m = 0; m < t->shape[1]; m++) {
        int64_t index[2] = {h, m};
        sum += exp(oracle_load(t, index));
    }
    return log(sum);
}

/* Key j with weight p, moved by that much, into the row's output; `error` is
 * in squares until the row is finished. */
static void add_value(const struct run *x, const struct seq *s, int64_t vh, int64_t j, double p,
                      double moved, const struct row_out *row)
{
    for (int64_t e = 0; e < x->o->dv; e++) {
        double v = oracle_load4(x->in->v, s->b, vh, s->k0 + j, e);
        row->out[e] += p * v;
        row->size[e] += fabs(p * v);
        row->error[e] += moved * v * (moved * v);
    }
}

/* A score that a term was added to. To first order it was rounded at the largest
 * of the terms and of what they add up to. */
static double add_term(double before, double after, double *size)
{
    if (isfinite(before) && isfinite(after))
        *size = fmax(*size, fmax(fabs(after - before), fabs(after)));
    return after;
}

/* Weights that are scores, or powers of them, move with these by what these
 * were rounded at: any multiple of a weight whose score has cancelled. */
static bool is_score(const struct oracle_norm *n)
{
    return n->kind == ATTN_NORMALIZER_NONE || n->kind == ATTN_NORMALIZER_RELU;
}

/* By how much weight p of score s moves if s does by its size; other weights
 * move by `relative`. */
static double moves(const struct oracle_norm *n, double p, double s, double size,
                    double relative)
{
    if (n->kind == ATTN_NORMALIZER_NONE)
        return size;
    if (n->kind == ATTN_NORMALIZER_RELU)
        return s > 0 ? p * fmax(1, isnan(n->power) ? 1 : n->power) * size / s : 0;
    return fabs(p) * relative;
}

/* The score of key j with all that is added to it. */
static double bias_of(const struct run *x, const struct seq *s, const struct oracle_row *w,
                      int64_t j, double score, double *size)
{
    const struct oracle_options *o = x->o;
    const struct oracle_inputs *in = x->in;
    int64_t key = j - s->start;
    double distance = (double)w->at - (double)position_k(in, w, key);
    if (o->alibi)
        score = add_term(score, score - slope_of(o, w->h) * fabs(distance), size);
    score = add_term(score, score + oracle_table_bias(&o->score, &in->score, w, key), size);
    if (in->bias)
        score = add_term(score, score + oracle_load4(in->bias, s->n, w->h, w->i, j), size);
    score = add_term(score, oracle_class_term(&o->score, &in->score, w, key, score), size);
    if (o->score.user)
        score = add_term(score, score + o->score.user(s->n, w->h, w->i, key), size);
    return score;
}

/* The score of key j as entry e of a list with logits has it; whole: the log-sum-exp
 * of the entry's visible keys. A key of no entry has its own. */
static double with_logit(const struct oracle_lists *l, int64_t e, double score, double whole)
{
    if (e < 0 || score == -INFINITY)
        return score;
    return l->replace && l->replace[e] ? score + (l->logit[e] - whole) : score + l->logit[e];
}

/* The scores of a row with what lists with logits add; returns the largest size of
 * those. */
static double add_logits(const struct run *x, const struct seq *s, int64_t h, int64_t i,
                         const double *biased, double *listed)
{
    const struct oracle_lists *l = x->o->lists;
    double largest = 0, whole = -INFINITY;
    int64_t last = -1;
    for (int64_t j = 0; j < s->keys; j++) {
        int64_t e = x->visible[j] ? oracle_entry(l, s->n, h, i, j - s->start) : -1;
        if (e >= 0 && e != last) {
            double sum = 0, max = -INFINITY;
            int64_t end = l->start[e] + (int64_t)l->length[e] + s->start;
            end = end < s->keys ? end : s->keys;
            for (int64_t k = j; k < end; k++)
                max = x->visible[k] ? fmax(max, biased[k]) : max;
            for (int64_t k = j; k < end; k++)
                sum += x->visible[k] && biased[k] != -INFINITY ? exp(biased[k] - max) : 0;
            whole = max + log(sum);
            last = e;
        }
        listed[j] = x->visible[j] ? with_logit(l, e, biased[j], whole) : -INFINITY;
        if (isfinite(listed[j]))
            largest = fmax(largest, fabs(listed[j]));
    }
    return largest;
}

static void row_of(struct run *x, const struct seq *s, int64_t h, int64_t i)
{
    const struct oracle_options *o = x->o;
    const struct oracle_inputs *in = x->in;
    struct oracle_result *r = x->r;
    int64_t qh = o->q_head ? o->q_head[h] : h;
    int64_t vh = o->v_head ? o->v_head[h] : h / (o->hout / o->hv);
    double scale = isnan(o->scale) ? 1 / sqrt((double)o->d) : o->scale;
    int64_t off = o->top_left ? 0 : s->k_len - s->q_len;
    struct oracle_row w = {.n = s->n, .h = h, .i = i, .at = i + off, .k_len = s->k_len,
                           .b = s->b, .k0 = s->k0 + s->start, .q_len = s->q_len};
    if (in->score.pos_q)
        w.at = (int64_t)oracle_load4(in->score.pos_q, s->b, s->q0 + i, 0, 0);
    int64_t pair0 = ((s->n * o->hout + h) * r->pair_q + i) * r->pair_k;
    double *raw = r->scores_raw + pair0, *capped = r->scores_capped + pair0;
    double *biased = r->scores_biased + pair0, *probs = r->probs + pair0;
    unsigned char *counted = r->counted + pair0;
    bool *visible = x->visible;

    scale *= oracle_row_factor(&o->score, &in->score, &w) * oracle_rope_scale(&o->rope);
    double logit = 0; /* of this row */

    for (int64_t j = 0; j < s->keys; j++)
        visible[j] = false;
    for (int64_t e = 0; e < o->d && i < s->q_len; e++)
        x->q[e] = oracle_load4(in->q, s->b, qh, s->q0 + i, e);
    if (i < s->q_len)
        change(x, s, false, qh, i, x->q);
    for (int64_t j = s->start; i < s->q_len && j < s->start + s->k_len; j++) {
        double dot = 0, terms = 0;
        for (int64_t e = 0; e < o->d; e++) {
            double term = (x->q[e] + oracle_query_bias(&in->score, h, e)) * x->k[j * o->d + e];
            dot += term;
            terms += term * term;
        }
        dot += oracle_query_table(&o->score, &in->score, &w, x->q, o->d, j - s->start, &terms);
        raw[j] = scale * dot;
        capped[j] = o->softcap > 0 ? o->softcap * tanh(raw[j] / o->softcap) : raw[j];
        counted[j] = terms < 1e60 ? ORACLE_COUNTED : ORACLE_BEYOND;
        visible[j] = pair_visible(o, in, s, h, i, j);
        if (!visible[j])
            continue;
        /* A single logit may cancel to nothing; it was rounded at the size
         * that such sums have. */
        double size = fmax(fabs(raw[j]), fabs(scale) * sqrt(terms));
        if (isfinite(raw[j]))
            logit = fmax(logit, size);
        if (o->softcap > 0)
            size = fmax(fabs(capped[j]), size * (1 - pow(capped[j] / o->softcap, 2)));
        biased[j] = bias_of(x, s, &w, j, capped[j], &size);
        if (isfinite(biased[j]))
            logit = fmax(logit, fabs(biased[j]));
        x->size[j] = size;
        r->visible_pairs++;
    }
    double *weighed = r->scores_weighed + pair0;
    if (o->lists && o->lists->logit)
        logit = fmax(logit, add_logits(x, s, h, i, biased, weighed));
    else
        memcpy(weighed, biased, (size_t)s->keys * sizeof *weighed);
    biased = weighed; /* from here on */
    /* Nothing that e^s is divided by shares its error, and the largest rows
     * are most of the RMS of all. */
    r->max_logit = fmax(r->max_logit, o->norm.kind == ATTN_NORMALIZER_EXP_SUM ? 3 * logit : logit);

    double sink = -INFINITY;
    if (in->sink_logits && i < s->q_len)
        sink = oracle_sink(in->sink_logits, s->n, h, i);
    double max = -INFINITY, sum = 0;
    struct oracle_condition condition = {1, 1};
    long double entropy = 0; /* many equal terms: a double would show its own error */
    bool nan = isnan(sink), nan_score = false;
    for (int64_t j = 0; j < s->keys; j++) {
        if (!visible[j])
            continue;
        nan |= isnan(biased[j]) || biased[j] == INFINITY;
        nan_score |= isnan(biased[j]);
        max = fmax(max, biased[j]);
    }
    int64_t row = (s->b * o->hout + h) * r->nq + s->q0 + i;
    double top = fmax(max, sink);
    const struct row_out out = {r->out + row * o->dv, r->out_size + row * o->dv,
                                r->out_error + row * o->dv};
    double *moved = r->probs_error + pair0;
    r->rowmax[row] = nan_score ? NAN : max;
    if (o->norm.kind > ATTN_NORMALIZER_EXP_SUM) {
        if (!oracle_norm_weights(&o->norm, biased, visible, s->keys, s->k_len, i + off, probs,
                                 &condition))
            abort();
        if (o->norm.kind == ATTN_NORMALIZER_LSSAR && condition.scores > 1)
            r->max_logit = fmax(r->max_logit, condition.scores * (1 + logit));
        else
            r->multiplied |= condition.scores > 1 || condition.weights > 1;
        for (int64_t j = 0; j < s->keys; j++) {
            if (!visible[j] || probs[j] == 0)
                continue;
            entropy -= probs[j] * log(probs[j]);
            moved[j] = moves(&o->norm, probs[j], biased[j], x->size[j],
                             condition.weights + condition.scores * logit / 4);
            add_value(x, s, vh, j, probs[j], moved[j], &out);
        }
        r->entropy[row] = (double)entropy;
    } else if (nan) {
        for (int64_t e = 0; e < o->dv; e++)
            out.out[e] = NAN;
        for (int64_t j = 0; j < s->keys; j++)
            if (visible[j])
                probs[j] = NAN;
        r->lse[row] = r->entropy[row] = NAN;
    } else if (top != -INFINITY) {
        sum = exp(sink - top);
        for (int64_t j = 0; j < s->keys; j++)
            if (visible[j])
                sum += exp(biased[j] - top);
        for (int64_t j = 0; j < s->keys; j++) {
            if (!visible[j] || biased[j] == -INFINITY)
                continue;
            double p = exp(biased[j] - top) / sum;
            entropy -= p > 0 ? p * log(p) : 0;
            if (o->norm.kind == ATTN_NORMALIZER_EXP_N)
                p *= (double)s->k_len;
            else if (o->norm.kind == ATTN_NORMALIZER_EXP_SUM)
                p = exp(biased[j]);
            probs[j] = p;
            moved[j] = fabs(p) * (1 + logit / 4);
            add_value(x, s, vh, j, p, moved[j], &out);
        }
        r->lse[row] = top + log(sum);
        r->entropy[row] = (double)entropy;
    }
    if (i < s->q_len)
        finish(x, s, h, i, &out);
    for (int64_t j = 0; j < s->keys; j++) {
        int64_t column = (s->n * o->hout + h) * r->pair_k + j;
        r->colsum[column] += probs[j];
        r->colsum_error[column] = hypot(r->colsum_error[column], moved[j]);
    }
    r->owned[s->b * r->nq + s->q0 + i] = 1;
}

static double *filled(int64_t n, double x)
{
    double *a = malloc((size_t)(n > 0 ? n : 1) * sizeof *a);
    for (int64_t i = 0; a && i < n; i++)
        a[i] = x;
    return a;
}

bool oracle_run(const struct oracle_options *o, const struct oracle_inputs *in, int64_t pair_q,
                int64_t pair_k, struct oracle_result *r)
{
    memset(r, 0, sizeof *r);
    r->b = in->q->shape[0];
    r->n_seq = o->packed ? in->q_offsets->shape[0] - 1 : r->b;
    r->nq = in->q->shape[2];
    r->nk = in->k->shape[2];
    r->pair_q = pair_q;
    r->pair_k = pair_k;
    /* What is divided by its norm has the errors of its terms, however little
     * these left. */
    r->multiplied = is_score(&o->norm) || o->epilogue.norm;
    for (int64_t n = 0; n < r->n_seq; n++) {
        struct seq s = seq_of(o, in, n);
        r->pair_q = s.rows > r->pair_q ? s.rows : r->pair_q;
        r->pair_k = s.keys > r->pair_k ? s.keys : r->pair_k;
    }
    int64_t rows = r->b * o->hout * r->nq, columns = r->n_seq * o->hout * r->pair_k;
    int64_t pairs = columns * r->pair_q;
    r->out = filled(rows * o->dv, 0);
    r->out_size = filled(rows * o->dv, 0);
    r->lse = filled(rows, -INFINITY);
    r->rowmax = filled(rows, -INFINITY);
    r->entropy = filled(rows, 0);
    r->probs = filled(pairs, 0);
    r->scores_raw = filled(pairs, -INFINITY);
    r->scores_capped = filled(pairs, -INFINITY);
    r->scores_biased = filled(pairs, -INFINITY);
    r->scores_weighed = filled(pairs, -INFINITY);
    r->colsum = filled(columns, 0);
    r->out_error = filled(rows * o->dv, 0);
    r->probs_error = filled(pairs, 0);
    r->colsum_error = filled(columns, 0);
    r->owned = calloc((size_t)(r->b * r->nq + 1), 1);
    r->counted = calloc((size_t)(pairs + 1), 1);
    if (!r->out || !r->out_size || !r->lse || !r->rowmax || !r->entropy || !r->probs ||
        !r->scores_raw || !r->scores_capped || !r->scores_biased || !r->scores_weighed ||
        !r->colsum || !r->out_error || !r->probs_error || !r->colsum_error || !r->owned ||
        !r->counted) {
        oracle_free(r);
        return false;
    }
    struct run x = {.o = o, .in = in, .r = r, .q = filled(3 * o->d + 3 * o->dv, 0),
                    .k = filled(r->nk * o->d, 0), .size = filled(r->nk, 0),
                    .visible = calloc((size_t)r->nk + 1, sizeof(bool))};
    if (!x.q || !x.k || !x.size || !x.visible) {
        free(x.q);
        free(x.k);
        free(x.size);
        free(x.visible);
        oracle_free(r);
        return false;
    }
    x.w = x.q + o->d;
    x.b = x.w + o->d;
    x.e = x.b + o->d;
    for (int64_t n = 0; n < r->n_seq; n++) {
        struct seq s = seq_of(o, in, n);
        for (int64_t h = 0; h < o->hout; h++) {
            struct seq counted = s, none = s; /* rows that are not computed */
            none.q_len = 0;
            if (factor_of(&x, &s, h) == 0)
                counted = none;
            keys_of(&x, &s, h);
            r->all_pairs += s.q_len * s.k_len;
            for (int64_t i = 0; i < s.rows; i++)
                row_of(&x, gate_of(in, &s, h, i) == 0 ? &none : &counted, h, i);
        }
    }
    free(x.q);
    free(x.k);
    free(x.size);
    free(x.visible);
    return true;
}

void oracle_free(struct oracle_result *r)
{
    free(r->out);
    free(r->out_size);
    free(r->lse);
    free(r->rowmax);
    free(r->entropy);
    free(r->probs);
    free(r->scores_raw);
    free(r->scores_capped);
    free(r->scores_biased);
    free(r->scores_weighed);
    free(r->colsum);
    free(r->out_error);
    free(r->probs_error);
    free(r->colsum_error);
    free(r->owned);
    free(r->counted);
    memset(r, 0, sizeof *r);
}
