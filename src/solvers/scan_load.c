/* SPDX-License-Identifier: MIT */
/*
 * From the caller's tensors to the rows of a chunk. Token number i of a scan
 * is the caller's row i, or in reverse the i-th from the end.
 */
#include "solvers/scan_load.h"

#include <math.h>
#include <string.h>

#include "kernels/map.h"
#include "solvers/rows_load.h"
#include "solvers/scan_map.h"

enum { CHUNK = ATTN__SCAN_CHUNK };

static bool derived(const struct attn__scan_spec *s)
{
    return s->gate == ATTN_GATE_HGRN2 || s->gate == ATTN_GATE_LIGHTNET;
}

void attn__scan_load_take(struct attn__scratch *s, const struct attn__problem *p,
                          struct attn__scan_load *l)
{
    const struct attn__scan_spec *e = &p->scan;
    int64_t rows = 0;
    l->heads = 0; /* nothing is loaded yet */
    l->d16 = attn__scan_round16(p->d);
    l->dk16 = attn__scan_round16(e->dk);
    l->dv16 = attn__scan_round16(p->dv);
    l->f16 = attn__scan_round16(e->columns);
    s->ok = s->ok && !__builtin_mul_overflow(e->readers, CHUNK, &rows) &&
            !__builtin_mul_overflow(rows, l->dk16, &rows);
    l->q = ATTN__TAKE(s, rows, float);
    l->k = ATTN__TAKE(s, CHUNK * l->dk16, float);
    l->v = ATTN__TAKE(s, CHUNK * attn__scan_load_columns(p, true), float);
    l->w = ATTN__TAKE(s, attn__scan_own_writer(e) ? CHUNK * l->dk16 : 0, float);
    l->e = ATTN__TAKE(s, e->update != ATTN_UPDATE_ADD ? CHUNK * l->dk16 : 0, float);
    l->g = ATTN__TAKE(s, e->decay == ATTN_DECAY_CHANNEL ? CHUNK * l->dk16 : CHUNK, float);
    l->raw = ATTN__TAKE(s, attn__scan_map_in_place(p) ? 0 : CHUNK * l->d16, float);
    l->y = ATTN__TAKE(s, CHUNK * l->f16, float);
    l->wq = ATTN__TAKE(s, p->d * e->columns, float);
    l->wk = ATTN__TAKE(s, p->d * e->columns, float);
    l->bq = ATTN__TAKE(s, e->columns, float);
    l->bk = ATTN__TAKE(s, e->columns, float);
    l->bonus = ATTN__TAKE(s, ATTN__SCAN_WAVE * l->dk16, float);
    l->bias = ATTN__TAKE(s, ATTN__SCAN_WAVE * l->dk16, float);
    l->ks = ATTN__TAKE(s, ATTN__SCAN_WAVE * l->d16, float);
    l->km = ATTN__TAKE(s, ATTN__SCAN_WAVE * l->d16, float);
}

/* One head of a tensor [heads,n] or [heads,d,n], or of one without heads, as
 * dense rows. */
static void load_weights(const struct attn__scan_load *l, enum attn__slot slot, int64_t head,
                         int32_t rank_with_heads, int64_t rows, int64_t n, float *to)
{
    const attn_tensor *t = &l->c->t[slot];
    bool heads = t->rank == rank_with_heads;
    int64_t at = heads ? head * t->stride[0] : 0;
    const struct attn__rows r = {
        .base = (char *)t->data + at * (int64_t)attn__dtype_size(t->dtype),
        .row = rows > 1 ? t->stride[t->rank - 2] : 0,
        .col = t->stride[t->rank - 1],
        .dtype = t->dtype,
    };
    attn__rows_to_f32(l->kern, &r, 0, rows, 0, n, to, n);
}

static void load_query_map(struct attn__scan_load *l, int64_t out)
{
    const struct attn__problem *p = l->c->p;
    int64_t n = p->scan.columns, h = p->q_head[out];
    load_weights(l, ATTN__SLOT_FEATURE_WQ, h, 3, p->d, n, l->wq);
    if (p->scan.feature_bias)
        load_weights(l, ATTN__SLOT_FEATURE_BQ, h, 2, 1, n, l->bq);
}

static void load_map(struct attn__scan_load *l)
{
    const struct attn__problem *p = l->c->p;
    int64_t n = p->scan.columns, out = l->head * p->scan.readers, h = p->k_head[out];
    load_query_map(l, out);
    load_weights(l, ATTN__SLOT_FEATURE_WK, h, 3, p->d, n, l->wk);
    if (p->scan.feature_bias)
        load_weights(l, ATTN__SLOT_FEATURE_BK, h, 2, 1, n, l->bk);
}

static void zero(float *x, int64_t n)
{
    memset(x, 0, (size_t)n * sizeof *x);
}

/* What state number n of those that are loaded together has for itself. */
static void load_own(struct attn__scan_load *l, int64_t n)
{
    const struct attn__call *c = l->c;
    const struct attn__problem *p = c->p;
    const struct attn__scan_spec *e = &p->scan;
    const attn_tensor *a = &c->t[ATTN__SLOT_GATE_A];
    const int64_t head = l->head + n, k_head = p->k_head[head * e->readers];
    const bool channel = e->decay == ATTN_DECAY_CHANNEL;
    float *bonus = l->bonus + n * l->dk16, *bias = l->bias + n * l->dk16;
    for (int64_t d = 0; d < e->dk && e->read_before; d++)
        bonus[d] = 1;
    if (e->bonus)
        load_weights(l, ATTN__SLOT_BONUS, head, 2, 1, e->dk, bonus);
    zero(bias, l->dk16);
    if (e->gate_bias && channel)
        load_weights(l, ATTN__SLOT_GATE_BIAS, head, 2, 1, e->dk, bias);
    if (e->gate_bias && !channel)
        bias[0] = (float)attn__load_f64(c->t[ATTN__SLOT_GATE_BIAS].data,
                                        head * c->t[ATTN__SLOT_GATE_BIAS].stride[0],
                                        c->t[ATTN__SLOT_GATE_BIAS].dtype);
    if (c->has[ATTN__SLOT_GATE_A])
        l->a[n] = (float)attn__load_f64(a->data, head * a->stride[0], a->dtype);
    if (e->update == ATTN_UPDATE_RWKV7) {
        load_weights(l, ATTN__SLOT_K_SCALE, k_head, 2, 1, p->d, l->ks + n * l->d16);
        load_weights(l, ATTN__SLOT_K_MIX, k_head, 2, 1, p->d, l->km + n * l->d16);
    }
}

/* For chunks of up to `rows` rows. */
static void start(struct attn__scan_load *l, const struct attn__call *c,
                  const struct attn__kernels *kern, const struct attn__seq *s, int64_t head,
                  int64_t heads, int64_t rows)
{
    const struct attn__scan_spec *e = &c->p->scan;
    const bool same = l->heads == heads && l->head == head && l->c == c;
    l->c = c;
    l->kern = kern;
    l->ahead = NULL;
    l->seq = *s;
    l->head = head;
    l->heads = heads;
    l->age = 0;
    l->key_max = e->map_key_max;
    /* What is past the last element of a row stays 0. */
    int64_t keys = e->dk < l->dk16 ? rows * l->dk16 : 0;
    int64_t values = c->p->dv < l->dv16 ? rows * l->dv16 : 0;
    zero(l->q, e->readers * keys);
    zero(l->k, keys);
    zero(l->v, values);
    if (attn__scan_own_writer(e))
        zero(l->w, keys);
    if (e->update != ATTN_UPDATE_ADD)
        zero(l->e, keys);
    zero(l->g, e->decay == ATTN_DECAY_CHANNEL ? keys : rows);
    if (e->columns > 0)
        load_map(l);
    for (int64_t n = 0; n < heads && !same; n++)
        load_own(l, n);
}

void attn__scan_load_start(struct attn__scan_load *l, const struct attn__call *c,
                           const struct attn__kernels *kern, const struct attn__seq *s,
                           int64_t head, bool reverse, int64_t rows)
{
    int64_t steps = attn__max_i64(c->p->scan.steps, 1);
    l->reverse = reverse;
    l->tokens = rows > 0 && rows < CHUNK ? rows : CHUNK;
    if (steps > 1) /* with several keys each, fewer */
        l->tokens = attn__max_i64(l->tokens / steps, 1);
    start(l, c, kern, s, head, 1,
          attn__min_i64(attn__max_i64(s->nq, s->nk), l->tokens) * steps);
}

bool attn__scan_load_together(const struct attn__problem *p)
{
    const struct attn__scan_spec *e = &p->scan;
    return e->readers == 1 && e->steps <= 1 && e->columns == 0 && p->hk == e->hs &&
           p->hv == e->hs && e->map != ATTN_FEATURE_COSFORMER && e->gate != ATTN_GATE_LIGHTNET;
}

void attn__scan_load_start_wave(struct attn__scan_load *l, const struct attn__call *c,
                                const struct attn__kernels *kern, const struct attn__seq *s,
                                int64_t head, int64_t heads)
{
    l->reverse = false; /* of one token no order */
    l->tokens = 1;
    start(l, c, kern, s, head, heads, heads);
}

struct attn__scan_kind attn__scan_load_kind(const struct attn__problem *p,
                                            const struct attn__scan_load *l)
{
    const struct attn__scan_spec *e = &p->scan;
    return (struct attn__scan_kind){
        .dk = e->dk,
        .dv = p->dv,
        .decay = e->decay == ATTN_DECAY_NONE      ? ATTN__CORE_STAYS
                 : e->decay == ATTN_DECAY_CHANNEL ? ATTN__CORE_CHANNEL
                                                  : ATTN__CORE_SCALAR,
        .update = e->update == ATTN_UPDATE_ADD ? ATTN__CORE_ADD
                  : attn__scan_own_writer(e)          ? ATTN__CORE_GENERAL
                                               : ATTN__CORE_WRITER,
        .erase_previous = e->erase_previous,
        .read_before = e->read_before,
        .bonus = e->read_before ? l->bonus : NULL,
        .normaliser = e->norm == ATTN_STATE_NORM_NONE  ? ATTN__CORE_PLAIN
                      : e->norm == ATTN_STATE_NORM_SUM ? ATTN__CORE_SUM
                                                       : ATTN__CORE_MAX,
        .eps = (float)e->norm_eps,
    };
}

/* The caller's row of token number i. */
static int64_t row_of(const struct attn__scan_load *l, int64_t i)
{
    return l->reverse ? l->seq.nq - 1 - i : i;
}

static bool resets(const struct attn__scan_load *l, int64_t i)
{
    const attn_tensor *t = &l->c->t[ATTN__SLOT_RESET];
    int64_t b = t->shape[0] == 1 ? 0 : l->seq.b;
    return ((const uint8_t *)t->data)[b * t->stride[0] +
                                      (l->seq.q0 + row_of(l, i)) * t->stride[1]] != 0;
}

int64_t attn__scan_load_next(const struct attn__scan_load *l, int64_t i, bool *fresh)
{
    int64_t most = attn__min_i64(l->tokens, l->seq.nq - i), n = 1;
    *fresh = false;
    if (!l->c->p->scan.reset)
        return most;
    *fresh = resets(l, i);
    while (n < most && !resets(l, i + n))
        n++;
    return n;
}

/* Rows of a sequence, or with several states the first one of each. */
static struct attn__rows in_wave(const struct attn__scan_load *l, enum attn__slot slot,
                                 struct attn__rows r)
{
    if (l->heads > 1)
        r.row = l->c->t[slot].stride[1];
    return r;
}

static struct attn__rows rows_of(const struct attn__scan_load *l, enum attn__slot slot,
                                 int64_t head, int64_t first)
{
    return in_wave(l, slot, attn__scan_rows_of(l->c, &l->seq, slot, head, first));
}

/* Which of the states row j is of. */
static int64_t state_of(const struct attn__scan_load *l, int64_t j)
{
    return l->heads > 1 ? j : 0;
}

/* m rows of n elements from number i of `all` on, ld apart. */
static void load(const struct attn__scan_load *l, struct attn__rows r, int64_t all, int64_t i,
                 int64_t m, int64_t n, float *to, int64_t ld)
{
    if (l->reverse)
        r = attn__scan_flip(r, all);
    attn__rows_to_f32(l->kern, &r, i, m, 0, n, to, ld);
}

static void unit_rows(const struct attn__scan_load *l, float *x, int64_t n)
{
    const struct attn__scan_spec *e = &l->c->p->scan;
    for (int64_t j = 0; j < n && e->l2norm; j++, x += l->dk16) {
        float sum = l->kern->vec_sumsq(x, e->dk, 0);
        l->kern->vec_scale(x, e->dk, 1.0f / sqrtf(sum + (float)e->l2norm_eps));
    }
}

/* Rows of Q or K behind the map and normalised. */
static void load_mapped(struct attn__scan_load *l, struct attn__rows r, bool query, int64_t all,
                        int64_t i, int64_t n, int64_t position, float *to, int64_t ld)
{
    const struct attn__problem *p = l->c->p;
    bool in_place = attn__scan_map_in_place(p);
    const struct attn__scan_map m = {
        .kern = l->kern,
        .p = p,
        .n = n,
        .x = in_place ? to : l->raw,
        .ldx = in_place ? ld : l->d16,
        .out = to,
        .ldo = ld,
        .w = query ? l->wq : l->wk,
        .b = !p->scan.feature_bias ? NULL : query ? l->bq : l->bk,
        .y = l->y,
        .ldy = l->f16,
        .position = position,
        .query = query,
        .key_max = l->key_max,
    };
    load(l, r, all, i, n, p->d, in_place ? to : l->raw, in_place ? ld : l->d16);
    attn__scan_map_run(&m);
}

void attn__scan_load_key_max(struct attn__scan_load *l)
{
    const struct attn__problem *p = l->c->p;
    struct attn__rows k = attn__call_k(l->c, &l->seq, l->head * p->scan.readers);
    float most = -INFINITY;
    for (int64_t i = 0, n; i < l->seq.nk; i += n) {
        n = attn__min_i64(CHUNK, l->seq.nk - i);
        const struct attn__scan_map m = {.kern = l->kern, .p = p, .n = n, .x = l->raw,
                                         .ldx = l->d16, .w = l->wk, .y = l->y, .ldy = l->f16};
        load(l, k, l->seq.nk, i, n, p->d, l->raw, l->d16);
        attn__scan_map_weigh(&m);
        for (int64_t j = 0; j < n; j++)
            most = fmaxf(most, l->kern->row_max(l->y + j * l->f16, p->scan.columns));
    }
    l->key_max = (double)(most * attn__scan_map_favor_factor(p));
}

/* The gate's function of n numbers of a state, without its clamp. inc: 0, one
 * bias for all; 1, one each. */
static void gate(const struct attn__scan_load *l, int64_t state, float *x, int64_t n, int64_t inc)
{
    const struct attn__scan_spec *e = &l->c->p->scan;
    const struct attn__kernels *kern = l->kern;
    const float *bias = l->bias + state * l->dk16;
    float least = (float)e->gate_min, most = (float)e->gate_max;
    switch (e->gate) {
    case ATTN_GATE_LOGSIGMOID:
        kern->vec_map(ATTN__MAP_log_sigmoid, x, n);
        for (int64_t i = 0; i < n; i++) {
            x[i] /= (float)e->gate_divisor;
            x[i] = x[i] < least ? least : x[i];
        }
        break;
    case ATTN_GATE_SOFTPLUS:
        for (int64_t i = 0; i < n; i++)
            x[i] += bias[i * inc];
        kern->vec_map(ATTN__MAP_softplus, x, n);
        kern->vec_scale(x, n, -expf(l->a[state]));
        break;
    case ATTN_GATE_SAFE:
        for (int64_t i = 0; i < n; i++)
            x[i] += bias[i * inc];
        kern->vec_scale(x, n, expf(l->a[state]));
        kern->vec_map(ATTN__MAP_sigmoid, x, n);
        kern->vec_scale(x, n, least);
        break;
    case ATTN_GATE_EXP:
        kern->vec_map(ATTN__MAP_neg_exp, x, n);
        break;
    case ATTN_GATE_RWKV7:
        kern->vec_map(ATTN__MAP_rwkv7_decay, x, n);
        break;
    case ATTN_GATE_MAMBA2: /* the step; its product with a comes later */
        for (int64_t i = 0; i < n; i++)
            x[i] += bias[i * inc];
        kern->vec_map(ATTN__MAP_softplus, x, n);
        for (int64_t i = 0; i < n; i++)
            x[i] = x[i] < least ? least : x[i] > most ? most : x[i];
        break;
    default:
        break;
    }
}

static float clamp(float g)
{
    return g < (float)ATTN__SCAN_LEAST_LOG ? (float)ATTN__SCAN_LEAST_LOG : g > 0 ? 0 : g;
}

/* Logs of decays for each channel as they are given, from where they lie; false: they
 * are something else. */
static bool load_logs(struct attn__scan_load *l, struct attn__rows r, int64_t i, int64_t m)
{
    const struct attn__scan_spec *e = &l->c->p->scan;
    if (e->gate != ATTN_GATE_LOG || e->steps > 1 || !attn__rows_plain(&r, ATTN_DTYPE_F32))
        return false;
    if (l->reverse)
        r = attn__scan_flip(r, l->seq.nq);
    for (int64_t j = 0; j < m; j++) {
        const float *from = (const float *)(const void *)attn__rows_at(&r, i + j);
        float *restrict g = l->g + j * l->dk16;
        for (int64_t d = 0; d < e->dk; d++)
            g[d] = clamp(from[d]);
    }
    return true;
}

/* g of a head, for any number of tokens. */
static float head_decay(const struct attn__scan_load *l, int64_t head)
{
    const struct attn__problem *p = l->c->p;
    const attn_tensor *t = &l->c->t[ATTN__SLOT_G];
    double g = l->c->has[ATTN__SLOT_G] ? attn__load_f64(t->data, head * t->stride[0], t->dtype)
               : p->scan.slopes        ? -p->slopes[head * p->scan.readers]
                                       : 0;
    return clamp((float)g);
}

/* l->token: the gates of m tokens, one each. */
static void load_token_gates(struct attn__scan_load *l, int64_t i, int64_t m)
{
    const int64_t each = l->heads > 1 ? 1 : m; /* of one state */
    load(l, rows_of(l, ATTN__SLOT_G, l->head, l->seq.q0), l->seq.nq, i, m, 1, l->token, 1);
    for (int64_t j = 0; j < m; j += each)
        gate(l, state_of(l, j), l->token + j, each, 0);
}

/* Log decays of the rows (of keys) of m tokens: those of a token's further
 * keys are 0. */
static void load_gates(struct attn__scan_load *l, int64_t i, int64_t m)
{
    const struct attn__scan_spec *e = &l->c->p->scan;
    int64_t steps = attn__max_i64(e->steps, 1), dk = e->dk;
    if (e->decay == ATTN_DECAY_NONE || derived(e))
        return;
    if (e->decay == ATTN_DECAY_HEAD) {
        float g = head_decay(l, l->head);
        for (int64_t j = 0; j < m * steps; j++) {
            if (l->heads > 1)
                g = head_decay(l, l->head + j);
            l->g[j] = j % steps == 0 ? g : 0;
        }
        return;
    }
    if (e->decay == ATTN_DECAY_TOKEN) {
        load_token_gates(l, i, m);
        for (int64_t j = 0; j < m * steps; j++) {
            float factor = e->gate == ATTN_GATE_MAMBA2 ? l->a[state_of(l, j)] : 1;
            l->g[j] = j % steps == 0 ? clamp(factor * l->token[j / steps]) : 0;
        }
        return;
    }
    const struct attn__rows r = rows_of(l, ATTN__SLOT_G, l->head, l->seq.q0);
    if (load_logs(l, r, i, m))
        return;
    load(l, r, l->seq.nq, i, m, dk, l->g, steps * l->dk16);
    for (int64_t j = 0; j < m * steps; j++) {
        float *g = l->g + j * l->dk16;
        if (j % steps != 0) {
            zero(g, dk);
            continue;
        }
        gate(l, state_of(l, j), g, dk, 1);
        for (int64_t d = 0; d < dk && e->gate != ATTN_GATE_RWKV7; d++)
            g[d] = clamp(g[d]);
    }
}

/* Rows of K hold forget logits x: k = 1 - e^g = (1 - low) sigmoid(-x). */
static void derive_hgrn2(struct attn__scan_load *l, int64_t m)
{
    const struct attn__scan_spec *e = &l->c->p->scan;
    for (int64_t j = 0; j < m; j++) {
        float *k = l->k + j * l->dk16, *g = l->g + j * l->dk16;
        const float *low = l->bias + state_of(l, j) * l->dk16;
        memcpy(g, k, (size_t)e->dk * sizeof *g);
        l->kern->vec_map(ATTN__MAP_log_sigmoid, g, e->dk);
        for (int64_t d = 0; d < e->dk; d++)
            k[d] = -k[d];
        l->kern->vec_map(ATTN__MAP_sigmoid, k, e->dk);
        for (int64_t d = 0; d < e->dk; d++) {
            k[d] *= 1.0f - low[d];
            g[d] = clamp(low[d] > 0 ? log1pf(-k[d]) : g[d]);
        }
    }
}

/*
 * Rows of K hold logits x: Z <- ln(e^Z + e^x) = Z + softplus(x - Z), k = e^(x -
 * Z), g = old Z - Z. Z is f64 and what it grows by f32: the error of an
 * increment is relative and fades with the weights of its token, so that the
 * sum's stays within f32 however long it gets. Where nothing but -inf came so
 * far, k is 0. With direction=full Z is that of all keys from the start.
 */
static void derive_lightnet(struct attn__scan_load *l, int64_t m)
{
    const struct attn__scan_spec *e = &l->c->p->scan;
    bool fixed = e->direction == ATTN_DIRECTION_FULL;
    for (int64_t j = 0; j < m; j++) {
        float *k = l->k + j * l->dk16, *g = l->g + j * l->dk16;
        for (int64_t d = 0; d < e->dk; d++) {
            double x = (double)k[d], z = l->lse[d];
            if (z == -INFINITY) { /* the first one; or none yet */
                l->lse[d] = fixed ? z : x;
                k[d] = x == -INFINITY || fixed ? -INFINITY : (float)(x - x); /* 0, or NaN */
                g[d] = -INFINITY;
            } else {
                g[d] = k[d] = (float)(x - z);
            }
        }
        l->kern->vec_map(ATTN__MAP_softplus, g, e->dk);
        for (int64_t d = 0; d < e->dk && !fixed; d++) {
            l->lse[d] += (double)g[d];
            k[d] -= g[d];
            g[d] = clamp(-g[d]);
        }
        l->kern->vec_map(ATTN__MAP_exp, k, e->dk);
    }
}

/* kk = K_SCALE k of length 1: w = kk a, e = kk, k (1 + (a - 1) K_MIX). */
static void prepare_rwkv7(struct attn__scan_load *l, const float *a, int64_t n)
{
    for (int64_t j = 0; j < n; j++) {
        const int64_t at = j * l->dk16, own = state_of(l, j) * l->d16;
        l->kern->scan_rwkv7(l->k_at + at, a + at, l->c->p->d, l->ks + own, l->km + own, l->k + at,
                            l->w + at, l->e + at);
    }
    l->k_at = l->k;
}

/* w, e and the gates on v. */
static void prepare_update(struct attn__scan_load *l, int64_t i, int64_t n, bool in_place)
{
    const struct attn__problem *p = l->c->p;
    const struct attn__scan_spec *s = &p->scan;
    int64_t all = l->seq.nk, out = l->head * s->readers, k_head = p->k_head[out];
    bool beta = s->update == ATTN_UPDATE_DELTA || s->update == ATTN_UPDATE_COMBA;
    if (attn__scan_own_writer(s)) {
        const struct attn__rows r = rows_of(l, ATTN__SLOT_WRITE, k_head, l->seq.k0);
        const bool rwkv7 = s->update == ATTN_UPDATE_RWKV7;
        const float *own = in_place && rwkv7 ? attn__scan_load_rows(&r, i, p->d, l->dk16) : NULL;
        if (!own)
            load(l, r, all, i, n, p->d, l->w, l->dk16);
        if (rwkv7)
            prepare_rwkv7(l, own ? own : l->w, n);
    }
    if (l->c->has[ATTN__SLOT_ERASE])
        load(l, rows_of(l, ATTN__SLOT_ERASE, k_head, l->seq.k0), all, i, n, p->d, l->e, l->dk16);
    if (beta)
        load(l, rows_of(l, ATTN__SLOT_BETA, l->head, l->seq.k0), all, i, n, 1, l->token, 1);
    if (s->update == ATTN_UPDATE_GDN2) {
        struct attn__rows r = rows_of(l, ATTN__SLOT_VALUE_GATE, p->v_head[out], l->seq.k0);
        float room[64];
        r = l->reverse ? attn__scan_flip(r, all) : r;
        for (int64_t j = 0; j < n; j++)
            for (int64_t d = 0; d < p->dv; d += 64) {
                int64_t part = attn__min_i64(64, p->dv - d);
                attn__rows_to_f32(l->kern, &r, i + j, 1, d, part, room, part);
                for (int64_t x = 0; x < part; x++)
                    l->v[j * l->dv16 + d + x] *= room[x];
            }
    }
    for (int64_t j = 0; j < n; j++) {
        const float *k = l->k_at + j * l->dk16;
        float *e = l->e + j * l->dk16;
        if (s->update == ATTN_UPDATE_DELTA)
            memcpy(e, k, (size_t)s->dk * sizeof *e);
        if (beta)
            l->kern->vec_scale(e, s->dk, l->token[j]);
        for (int64_t d = 0; d < s->dk && s->update == ATTN_UPDATE_GDN2; d++)
            e[d] *= k[d];
        if (beta)
            l->kern->vec_scale(l->v + j * l->dv16, p->dv, l->token[j]);
    }
}

/* Are keys, or values, the caller's own numbers? */
static bool keeps_keys(const struct attn__scan_spec *s)
{
    return s->map == ATTN_FEATURE_IDENTITY && !s->l2norm && !derived(s);
}

static bool keeps_values(const struct attn__scan_spec *s)
{
    return s->gate != ATTN_GATE_MAMBA2 && s->update != ATTN_UPDATE_DELTA &&
           s->update != ATTN_UPDATE_COMBA && s->update != ATTN_UPDATE_GDN2;
}

/* Loading waits for few of the many things that the memory could bring at once. */
static void fetch(struct attn__scan_load *l)
{
    if (l->ahead)
        attn__ahead_fetch(l->ahead, l->fetch);
}

static void load_keys(struct attn__scan_load *l, int64_t i, int64_t m, bool in_place)
{
    const struct attn__problem *p = l->c->p;
    const struct attn__scan_spec *s = &p->scan;
    int64_t steps = attn__max_i64(s->steps, 1), n = m * steps, out = l->head * s->readers;
    int64_t all = l->seq.nk;
    const struct attn__rows k = in_wave(l, ATTN__SLOT_K, attn__call_k(l->c, &l->seq, out)),
                            v = in_wave(l, ATTN__SLOT_V, attn__call_v(l->c, &l->seq, out));
    in_place = in_place && !l->reverse;
    l->k_at = in_place && keeps_keys(s) ? attn__scan_load_rows(&k, i * steps, p->d, l->dk16) : NULL;
    l->v_at = in_place && keeps_values(s) ? attn__scan_load_rows(&v, i * steps, p->dv, l->dv16)
                                          : NULL;
    if (!l->k_at) {
        load_mapped(l, k, false, all, i * steps, n, l->age, l->k, l->dk16);
        unit_rows(l, l->k, n);
        l->k_at = l->k;
    }
    fetch(l);
    if (!l->v_at) {
        load(l, v, all, i * steps, n, p->dv, l->v, l->dv16);
        l->v_at = l->v;
    }
    fetch(l);
    load_gates(l, i, m);
    fetch(l);
    if (s->gate == ATTN_GATE_HGRN2)
        derive_hgrn2(l, m);
    if (s->gate == ATTN_GATE_LIGHTNET)
        derive_lightnet(l, m);
    if (s->gate == ATTN_GATE_MAMBA2)
        for (int64_t j = 0; j < m; j++)
            l->kern->vec_scale(l->v + j * l->dv16, p->dv, l->token[j]);
    if (s->update != ATTN_UPDATE_ADD)
        prepare_update(l, i * steps, n, in_place);
    fetch(l);
}

void attn__scan_load_keys(struct attn__scan_load *l, int64_t i, int64_t m)
{
    load_keys(l, i, m, false);
}

/* Queries that are multiplied by the scale and nothing else, from where they lie;
 * false: there is more to do. */
static bool load_scaled(const struct attn__scan_load *l, struct attn__rows r, int64_t i, int64_t m,
                        float *q, int64_t ld)
{
    const struct attn__problem *p = l->c->p;
    float f[CHUNK];
    if (p->scan.map != ATTN_FEATURE_IDENTITY || p->scan.l2norm || p->scan.gate == ATTN_GATE_HGRN2 ||
        p->d % 16 != 0 || !attn__rows_plain(&r, ATTN_DTYPE_F32))
        return false;
    if (l->reverse)
        r = attn__scan_flip(r, l->seq.nq);
    for (int64_t j = 0; j < m; j++)
        f[j] = (float)p->scale;
    l->kern->scan_scale((const float *)(const void *)attn__rows_at(&r, i), r.row, m, p->d, f, q,
                        ld);
    return true;
}

void attn__scan_load_queries(struct attn__scan_load *l, int64_t i, int64_t m)
{
    const struct attn__problem *p = l->c->p;
    const struct attn__scan_spec *s = &p->scan;
    int64_t steps = attn__max_i64(s->steps, 1), n = m * steps, ld = steps * l->dk16;
    for (int64_t r = 0; r < s->readers; r++) {
        float *q = l->q + r * n * l->dk16;
        if (steps > 1) /* only a token's last key has a query */
            zero(q, n * l->dk16);
        q += (steps - 1) * l->dk16;
        if (s->columns > 0 && s->readers > 1)
            load_query_map(l, l->head * s->readers + r);
        const struct attn__rows rows =
            in_wave(l, ATTN__SLOT_Q, attn__call_q(l->c, &l->seq, l->head * s->readers + r));
        const bool done = load_scaled(l, rows, i, m, q, ld);
        if (!done)
            load_mapped(l, rows, true, l->seq.nq, i, m, l->age, q, ld);
        for (int64_t j = 0; j < m && !done; j++) {
            float *x = q + j * ld;
            if (s->gate == ATTN_GATE_HGRN2)
                l->kern->vec_map(ATTN__MAP_silu, x, s->dk);
            if (s->l2norm)
                unit_rows(l, x, 1);
            l->kern->vec_scale(x, s->dk, (float)p->scale);
        }
        fetch(l);
    }
}

static struct attn__scan_chunk chunk(const struct attn__scan_load *l, int64_t m)
{
    const struct attn__scan_spec *s = &l->c->p->scan;
    const int64_t steps = attn__max_i64(s->steps, 1), lap = (int64_t)1 << 40;
    return (struct attn__scan_chunk){
        .n = m * steps,
        .age = l->age % lap * steps,
        .readers = s->readers,
        .q = l->q,
        .k = l->k_at,
        .v = l->v_at,
        .w = l->w,
        .e = l->e,
        .g = l->g,
    };
}

struct attn__scan_chunk attn__scan_load_writes(struct attn__scan_load *l, int64_t i, int64_t m)
{
    load_keys(l, i, m, true);
    return chunk(l, m);
}

struct attn__scan_chunk attn__scan_load_chunk(struct attn__scan_load *l, int64_t i, int64_t m,
                                              bool in_place)
{
    load_keys(l, i, m, in_place);
    attn__scan_load_queries(l, i, m);
    struct attn__scan_chunk c = chunk(l, m);
    l->age += m;
    return c;
}
