/* SPDX-License-Identifier: MIT */
/*
 * Gates token by token, in double: a handful of numbers each.
 */
#include "solvers/map_route.h"

#include "problem/call.h"

/* Tokens whose probabilities are summed by themselves. */
enum { BLOCK = 64 };

/* Arrays as long as there are heads that a worker needs. */
enum { ROOM = 4 };

/* What the published code divides by at least: the epsilon of f32. */
#define LEAST_SUM 0x1p-23

struct job {
    const struct attn__recipe_run *r;
    const struct attn__map_route *m;
    double *room; /* of a worker: [ROOM * all] */
    double *sums; /* of a block: [2 * routed]; NULL: no loss */
    int64_t tokens, blocks, workers;
};

static int64_t all_of(const struct attn__map_route *m)
{
    return m->shared + m->routed;
}

static bool is_mixed(const struct attn__map_route *m)
{
    return m->shared > 0 && m->active > 0 && m->kind != ATTN__ROUTE_SOFT;
}

int64_t attn__map_route_logits(const struct attn__map_route *m)
{
    if (m->kind == ATTN__ROUTE_MOH_LLAMA)
        return 0;
    return (m->active > 0 ? m->routed : 0) + (m->shared > 1 ? m->shared : 0) +
           (is_mixed(m) ? 2 : 0);
}

static int64_t blocks_of(int64_t tokens)
{
    return tokens / BLOCK + (tokens % BLOCK != 0);
}

void *attn__map_route_take(struct attn__scratch *s, const struct attn__map_route *m, int64_t b,
                           int64_t n, int64_t threads, bool loss)
{
    int64_t tokens = 0, sums = 0, room = 0, count = 0;
    s->ok = s->ok && attn__mul_i64(b, n, &tokens) &&
            attn__mul_i64(blocks_of(tokens), loss ? 2 * m->routed : 0, &sums) &&
            attn__mul_i64(threads, ROOM * all_of(m), &room) && attn__add_i64(sums, room, &count);
    return ATTN__TAKE(s, count, double);
}

/* False if there is NaN among them. */
static bool softmax(const double *logit, int64_t n, double *p)
{
    double max = -INFINITY, sum = 0;
    for (int64_t e = 0; e < n; e++) {
        if (isnan(logit[e]) || logit[e] == INFINITY)
            return false;
        max = logit[e] > max ? logit[e] : max;
    }
    for (int64_t e = 0; e < n; e++)
        sum += p[e] = max == -INFINITY ? 1 : exp(logit[e] - max);
    for (int64_t e = 0; e < n; e++)
        p[e] /= sum;
    return true;
}

/* The places of the k largest get 1, the others 0; `order` [k], if it is there,
 * gets them from the largest on. x has no NaN. */
static void largest(const double *x, int64_t n, int64_t k, double *chosen, double *order)
{
    for (int64_t e = 0; e < n; e++)
        chosen[e] = 0;
    for (int64_t a = 0; a < k; a++) {
        int64_t best = -1;
        for (int64_t e = 0; e < n; e++)
            if (chosen[e] == 0 && (best < 0 || x[e] > x[best]))
                best = e;
        chosen[best] = 1;
        if (order)
            order[a] = (double)best;
    }
}

/* Squares of the norms of the routed heads' queries: the same order. */
static bool norms(const struct job *j, int64_t b, int64_t i, double *x)
{
    const struct attn__map_route *m = j->m;
    const attn_tensor *q = m->q;
    const int64_t *map = j->r->call->p->q_head;
    bool good = true;
    for (int64_t e = 0; e < m->routed; e++) {
        int64_t h = map[m->shared + e];
        int64_t at = b * q->stride[0] + h * q->stride[1] + i * q->stride[2];
        x[e] = 0;
        for (int64_t c = 0; c < q->shape[3]; c++) {
            double y = attn__load_f64(q->data, at + c * q->stride[3], q->dtype);
            x[e] += y * y;
        }
        good &= !isnan(x[e]);
    }
    return good;
}

static double logit(const struct job *j, int64_t b, int64_t i, int64_t n)
{
    const attn_tensor *t = j->m->logits, *bias = j->m->bias;
    double x = attn__load_f64(t->data, b * t->stride[0] + i * t->stride[2] + n * t->stride[3],
                              t->dtype);
    return bias && n < j->m->routed
               ? x + attn__load_f64(bias->data, n * bias->stride[0], bias->dtype)
               : x;
}

/* n logits from *at on, as probabilities. */
static bool next_softmax(const struct job *j, int64_t b, int64_t i, int64_t *at, int64_t n,
                         double *room, double *p)
{
    for (int64_t e = 0; e < n; e++)
        room[e] = logit(j, b, i, *at + e);
    *at += n;
    return softmax(room, n, p);
}

/* Gates of the shared heads, then of the routed ones; p [routed] and chosen
 * [routed] are what the loss is made of. order [active]: for slots. */
static bool token(const struct job *j, int64_t b, int64_t i, double *gate, double *p,
                  double *chosen, double *order)
{
    const struct attn__map_route *m = j->m;
    int64_t s = m->shared, at = 0;
    double *routed = gate + s, mix[2] = {1, 1}, sum = 0;
    bool code = m->kind == ATTN__ROUTE_MOH_CODE;
    for (int64_t e = 0; e < s; e++)
        gate[e] = 1;
    for (int64_t e = 0; e < m->routed; e++)
        routed[e] = 0;
    if (m->kind == ATTN__ROUTE_MOH_LLAMA) {
        if (!norms(j, b, i, p))
            return false;
        largest(p, m->routed, m->active, routed, NULL);
        return true;
    }
    if (m->active > 0) {
        if (!next_softmax(j, b, i, &at, m->routed, routed, p))
            return false;
        largest(routed, m->routed, m->active, chosen, order);
        for (int64_t e = 0; e < m->routed; e++)
            sum += p[e] * chosen[e];
        for (int64_t e = 0; e < m->routed && m->kind == ATTN__ROUTE_TOP; e++)
            p[e] = 1;
        double f = code ? (double)m->active / fmax(sum, LEAST_SUM) : 1;
        f = m->kind == ATTN__ROUTE_SLOTS_SUM1 ? 1 / sum : f;
        for (int64_t e = 0; e < m->routed; e++)
            routed[e] = f * p[e] * chosen[e];
    }
    if (s > 1) {
        double *room = chosen + m->routed;
        if (!next_softmax(j, b, i, &at, s, room, gate))
            return false;
        for (int64_t e = 0; e < s && code; e++)
            gate[e] *= (double)s;
    }
    if (is_mixed(m)) {
        double two[2];
        if (!next_softmax(j, b, i, &at, 2, two, mix))
            return false;
        for (int64_t e = 0; e < s; e++)
            gate[e] *= (code ? 2 : 1) * mix[0];
        for (int64_t e = 0; e < m->routed; e++)
            routed[e] *= (code ? 2 : 1) * mix[1];
    }
    return true;
}

static void store_slots(const struct attn__map_route *m, int64_t b, int64_t i, bool counts,
                        bool good, const double *gate, const double *order)
{
    const attn_tensor *t = m->gates, *x = m->experts;
    for (int64_t a = 0; a < m->active; a++) {
        int64_t e = counts && good ? (int64_t)order[a] : -1;
        double g = e >= 0 ? gate[e] : counts ? NAN : 0;
        attn__store_f64(t->data, b * t->stride[0] + a * t->stride[1] + i * t->stride[2],
                        t->dtype, g);
        attn__store_i64(x->data, b * x->stride[0] + a * x->stride[1] + i * x->stride[2],
                        x->dtype, e);
    }
}

static void store(const struct attn__map_route *m, int64_t b, int64_t i, bool good,
                  const double *gate)
{
    attn_tensor *t = m->gates;
    for (int64_t e = 0; e < all_of(m); e++)
        for (int64_t h = e * m->heads; h < (e + 1) * m->heads; h++)
            attn__store_f64(t->data, b * t->stride[0] + h * t->stride[1] + i * t->stride[2],
                            t->dtype, good ? gate[e] : NAN);
}

/* Whether row i of batch b is one of a sequence that counts. */
static bool row_counts(const struct attn__call *c, int64_t b, int64_t i)
{
    int64_t lo = b, hi = b + 1;
    if (c->p->packed) {
        /* the last sequence that does not begin behind it */
        hi = c->n_seq;
        while (hi - lo > 1) {
            int64_t mid = lo + (hi - lo) / 2;
            if (attn__call_seq(c, mid).q0 <= i)
                lo = mid;
            else
                hi = mid;
        }
    }
    struct attn__seq s = attn__call_seq(c, lo);
    return i - s.q0 < s.nq;
}

static void work(void *arg, int64_t worker)
{
    const struct job *j = arg;
    const struct attn__map_route *m = j->m;
    int64_t n = m->gates->shape[2];
    double *gate = j->room + worker * ROOM * all_of(m), *p = gate + all_of(m);
    double *chosen = p + m->routed;
    double *order = attn__map_route_has_slots(m) ? chosen + m->routed : NULL;
    for (int64_t k = worker; k < j->blocks; k += j->workers) {
        double *sums = j->sums ? j->sums + k * 2 * m->routed : NULL;
        for (int64_t e = 0; e < 2 * m->routed && sums; e++)
            sums[e] = 0;
        for (int64_t t = k * BLOCK; t < attn__min_i64((k + 1) * BLOCK, j->tokens); t++) {
            bool counts = row_counts(j->r->call, t / n, t % n);
            bool good = !counts || token(j, t / n, t % n, gate, p, chosen, order);
            for (int64_t e = 0; e < all_of(m) && !counts; e++)
                gate[e] = 0;
            if (order)
                store_slots(m, t / n, t % n, counts, good, gate, order);
            else
                store(m, t / n, t % n, good, gate);
            for (int64_t e = 0; e < m->routed && sums && counts; e++) {
                sums[e] += good ? p[e] : NAN;
                sums[m->routed + e] += good ? chosen[e] : NAN;
            }
        }
    }
}

static void tell_loss(const struct job *j)
{
    const struct attn__map_route *m = j->m;
    double loss = 0, tokens = 0;
    for (int64_t n = 0; n < j->r->call->n_seq; n++)
        tokens += (double)attn__call_seq(j->r->call, n).nq;
    for (int64_t e = 0; e < m->routed && m->active > 0 && tokens > 0; e++) {
        double p = 0, chosen = 0;
        for (int64_t k = 0; k < j->blocks; k++) {
            p += j->sums[k * 2 * m->routed + e];
            chosen += j->sums[k * 2 * m->routed + m->routed + e];
        }
        loss += p / tokens * (chosen / tokens);
    }
    attn__store_f64(m->loss->data, 0, m->loss->dtype, loss * m->loss_factor);
}

void attn__map_route(const struct attn__recipe_run *r, const struct attn__map_route *m, void *room)
{
    struct job j = {.r = r, .m = m, .room = room};
    j.tokens = m->gates->shape[0] * m->gates->shape[2];
    j.blocks = blocks_of(j.tokens);
    j.workers = attn__min_i64(r->machine->threads, j.blocks);
    if (m->loss && m->active > 0)
        j.sums = j.room + r->machine->threads * ROOM * all_of(m);
    attn__threads_run(r->threads, j.workers, work, &j);
    if (m->loss)
        tell_loss(&j);
}
