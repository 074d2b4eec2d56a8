/* SPDX-License-Identifier: MIT */
/*
 * With V the keys that a row sees and U those that it would see if its lists
 * showed everything, the mass that was skipped is
 *
 *     sum over U - V of e^s / sum over U of e^s = S / (S + e^lse).
 *
 * S is bounded block by block of keys: of all keys x of a block, with smallest
 * and largest entries lo and hi, centre c and radius r,
 *
 *     q.x <= sum_d max(q_d lo_d, q_d hi_d)    and    q.x <= q.c + |q| r,
 *
 * the smaller of the two for each of its keys in U - V. The first is a product
 * of rows twice as long, (max(q,0), min(q,0)) with (hi, lo), so that both go
 * through the kernel of few rows. What rounding may take away is added again.
 * Keys are described as they are multiplied, normalised and turned. With biases
 * the mass of a block is e^s times the sum of e^b over its keys in U - V, whose
 * biases are looked at one by one: that is a sum of exponentials, no products.
 *
 * What rounding may have done to lse is bounded without looking at the biases of
 * the keys in V. Their scores have errors up to e (|q.k| + |b|), lse has the mean
 * of those by their weights, |b| <= |s| + |q.k|, and as s = lse + ln(weight), the
 * mean of |s| is at most |lse| + ln(keys). With several biases in a score, which
 * may cancel, that would not be so.
 * Where a block holds NaN or infinity the scores of the skipped keys themselves
 * are taken: keys that nobody sees do not count, whatever they hold.
 */
#include "solvers/skip_bound.h"

#include <string.h>

#include "solvers/epilogue.h"

enum { ROWS = 64, KEYS = 64, BLOCKS = 64 };

/* Relative error that rounding to f32 makes, and of lse. */
#define ROUNDING 0x1p-24
#define LSE_ERROR 1e-5
/* ... and of a sum of powers by the kernels. */
#define SUM_ERROR 1e-5

struct job {
    const struct attn__call *c;
    const struct attn__machine *m;
    const struct attn__skip_room *room;
    const struct attn__problem *all; /* whose lists show everything */
    int64_t blocks, tasks, workers;
};

/* Of a block: hi [D], lo [D], centre [D], radius, largest norm. */
static int64_t block_floats(const struct attn__problem *p)
{
    return 3 * p->d + 2;
}

static bool has_bias(const struct attn__problem *p)
{
    return (p->score.steps & ATTN__STEPS_BIAS) != 0;
}

static int64_t blocks_of(int64_t n, int64_t block)
{
    return n / block + (n % block != 0);
}

static void desk_take(struct attn__scratch *s, const struct attn__problem *p,
                      struct attn__skip_desk *k)
{
    k->q = ATTN__TAKE(s, ROWS * p->d, float);
    k->signs = ATTN__TAKE(s, 2 * ROWS * p->d, float);
    k->box = ATTN__TAKE(s, ROWS * BLOCKS, float);
    k->centres = ATTN__TAKE(s, ROWS * BLOCKS, float);
    k->keys = ATTN__TAKE(s, KEYS * p->d, float);
    k->bias = ATTN__TAKE(s, KEYS, float);
    k->weight = ATTN__TAKE(s, KEYS, float);
    attn__score_work_take(s, p, 1, KEYS, &k->score);
    k->qk = attn__qk_room_take(s, p);
}

void attn__skip_bound_take(struct attn__scratch *s, const struct attn__problem *p,
                           int64_t threads, struct attn__skip_room *room)
{
    int64_t all = 0;
    *room = (struct attn__skip_room){NULL, NULL};
    if (!(p->want & ATTN_WANT_SKIP_BOUND))
        return;
    s->ok = s->ok && attn__mul_i64(p->b, p->hk, &all) &&
            attn__mul_i64(all, blocks_of(p->k, KEYS), &all) &&
            attn__mul_i64(all, block_floats(p), &all);
    room->blocks = ATTN__TAKE(s, all, float);
    room->desk = ATTN__TAKE(s, threads, struct attn__skip_desk);
    for (int64_t n = 0; n < threads; n++) {
        struct attn__skip_desk k;
        desk_take(s, p, &k);
        if (room->desk)
            room->desk[n] = k;
    }
}

static float *block_of(const struct job *j, int64_t seq, int64_t k_head, int64_t block)
{
    const struct attn__problem *p = j->c->p;
    return j->room->blocks + ((seq * p->hk + k_head) * j->blocks + block) * block_floats(p);
}

/* ---- blocks of keys ---- */

static void describe(const float *k, int64_t n, int64_t d, float *to)
{
    float *hi = to, *lo = to + d, *centre = to + 2 * d;
    double radius = 0, norm = 0;
    for (int64_t e = 0; e < d; e++) {
        double sum = 0;
        hi[e] = -INFINITY;
        lo[e] = INFINITY;
        for (int64_t i = 0; i < n; i++) {
            float x = k[i * d + e];
            hi[e] = x > hi[e] ? x : hi[e];
            lo[e] = x < lo[e] ? x : lo[e];
            sum += (double)x;
        }
        centre[e] = (float)(sum / (double)n);
    }
    for (int64_t i = 0; i < n; i++) {
        double r = 0, square = 0;
        for (int64_t e = 0; e < d; e++) {
            double x = k[i * d + e], y = x - (double)centre[e];
            square += x * x;
            r += y * y;
        }
        /* NaN stays */
        radius = r <= radius ? radius : r;
        norm = square <= norm ? norm : square;
    }
    to[3 * d] = (float)(sqrt(radius) * (1 + 4 * ROUNDING));
    to[3 * d + 1] = (float)(sqrt(norm) * (1 + 4 * ROUNDING));
    if (isfinite(to[3 * d]) && isfinite(to[3 * d + 1]))
        return;
    for (int64_t e = 0; e < 3 * d; e++)
        to[e] = 0;
    to[3 * d] = to[3 * d + 1] = INFINITY;
}

/* An output head that reads the key head, or -1. */
static int64_t reader_of(const struct attn__problem *p, int64_t k_head)
{
    for (int64_t h = 0; h < p->hout; h++)
        if (p->k_head[h] == k_head)
            return h;
    return -1;
}

static void describe_blocks(void *arg, int64_t worker)
{
    const struct job *j = arg;
    const struct attn__problem *p = j->c->p;
    const struct attn__skip_desk *desk = &j->room->desk[worker];
    for (int64_t t = worker; t < j->tasks; t += j->workers) {
        int64_t block = t % j->blocks, k_head = t / j->blocks % p->hk;
        int64_t h = reader_of(p, k_head);
        struct attn__seq s = attn__call_seq(j->c, t / j->blocks / p->hk);
        int64_t n = attn__min_i64(KEYS, s.nk - block * KEYS);
        if (n <= 0 || h < 0)
            continue;
        struct attn__qk qk = attn__qk_begin(j->c, &s, desk->qk);
        struct attn__rows k = attn__call_k(j->c, &s, h);
        attn__qk_load_k(&qk, j->m->kern, h, &k, block * KEYS, n, desk->keys, p->d);
        describe(desk->keys, n, p->d, block_of(j, s.index, k_head, block));
    }
}

/* ---- rows ---- */

/* A sum of e^x, as e^top * sum. */
struct mass {
    double top, sum;
};

static void add(struct mass *m, double x)
{
    if (x > m->top) {
        m->sum = m->sum * exp(m->top - x) + 1;
        m->top = x;
    } else if (x > -INFINITY) {
        m->sum += exp(x - m->top);
    }
}

/* What a worker has of 64 rows of a head. */
struct rows {
    const struct job *j;
    const struct attn__skip_desk *desk;
    struct attn__seq s;
    struct attn__vis seen, all;
    struct attn__qk qk;
    struct attn__score score;
    int64_t h, r0, n;
    struct attn__rows keys;
    double norm[ROWS];
    bool active[ROWS];
    struct mass mass[ROWS];
    uint64_t skipped[KEYS]; /* bit r: row r lacks the key only by its lists */
    uint64_t each, some;    /* bit r: it lacks each key of the tile, some of them */
    double seen_norm;       /* largest of keys in tiles that are computed */
};

static void load_rows(struct rows *x)
{
    const struct attn__call *c = x->j->c;
    const int64_t d = c->p->d;
    float *q = x->desk->q, *signs = x->desk->signs;
    attn__qk_load_q(&x->qk, x->j->m->kern, x->h, x->r0, x->n, q, d);
    for (int64_t r = 0; r < x->n; r++) {
        double square = 0;
        for (int64_t e = 0; e < d; e++) {
            float y = q[r * d + e] *= (float)c->p->scale;
            signs[r * 2 * d + e] = y > 0 ? y : 0;
            signs[r * 2 * d + d + e] = y < 0 ? y : 0;
            square += (double)y * (double)y;
        }
        x->norm[r] = sqrt(square);
        x->mass[r] = (struct mass){-INFINITY, 0};
        x->active[r] = attn__epilogue_active(c, &x->s, x->h, x->r0 + r);
    }
}

/* Which pairs of the rows and keys j0 to j1 - 1 are skipped; false: none. */
static bool find_skipped(struct rows *x, enum attn__tile seen, int64_t j0, int64_t j1)
{
    uint64_t bits[KEYS];
    int64_t r1 = x->r0 + x->n;
    if (seen == ATTN__TILE_FULL || attn__vis_tile(&x->all, x->r0, r1, j0, j1) == ATTN__TILE_EMPTY)
        return false;
    attn__vis_bits(&x->all, x->r0, r1, j0, j1, x->skipped);
    if (seen == ATTN__TILE_EMPTY)
        memset(bits, 0, sizeof bits);
    else
        attn__vis_bits(&x->seen, x->r0, r1, j0, j1, bits);
    x->each = UINT64_MAX;
    x->some = 0;
    for (int64_t j = 0; j < j1 - j0; j++) {
        x->skipped[j] &= ~bits[j];
        x->each &= x->skipped[j];
        x->some |= x->skipped[j];
    }
    return x->some != 0;
}

/* How many of them row r lacks. */
static int64_t count(const struct rows *x, int64_t r, int64_t keys)
{
    int64_t n = 0;
    if (x->each >> r & 1)
        return keys;
    for (int64_t j = 0; j < keys && x->some >> r & 1; j++)
        n += x->skipped[j] >> r & 1;
    return n;
}

static double capped(const struct attn__problem *p, double s)
{
    return p->softcap > 0 ? p->softcap * tanh(s / p->softcap) : s;
}

/* A score and what rounding may have taken from it. */
static double raised(const struct rows *x, int64_t r, double s, double key_norm)
{
    const struct attn__problem *p = x->j->c->p;
    double error = 8 * ROUNDING * ((double)p->d + 8) * x->norm[r] * key_norm;
    return capped(p, s + error) + 16 * ROUNDING * fabs(s);
}

/* What is added to the scores of row r and keys j0 to j1 - 1. */
static void find_biases(struct rows *x, int64_t r, int64_t j0, int64_t j1)
{
    memset(x->desk->bias, 0, KEYS * sizeof *x->desk->bias);
    attn__score_row_steps(&x->score, ATTN__STEPS_BIAS, x->r0 + r, j0, j1 - j0, x->desk->bias);
}

/* At least the logarithm of the sum of e^b over those of `keys` keys that row r
 * skips; NaN if one has a bias that nothing follows from. */
static double biases_sum(const struct rows *x, int64_t r, int64_t keys)
{
    const float *bias = x->desk->bias;
    float *weight = x->desk->weight, m = -INFINITY, l = 0;
    bool known = true;
    for (int64_t j = 0; j < keys; j++) {
        bool none = !(x->skipped[j] >> r & 1) || bias[j] == -INFINITY;
        weight[j] = none ? -INFINITY : bias[j] * (float)M_LOG2E;
        known &= none || isfinite(weight[j]);
    }
    if (!known)
        return NAN;
    x->j->m->kern->row_softmax(weight, keys, &m, &l);
    double top = (double)m * M_LN2;
    return m == -INFINITY ? top
                          : top + 16 * ROUNDING * fabs(top) + log((double)l) + SUM_ERROR;
}

/* Key by key, for blocks that no bound is known of. */
static void add_keys(struct rows *x, int64_t r, int64_t j0, int64_t j1)
{
    const int64_t d = x->j->c->p->d;
    const float *q = x->desk->q + r * d, *key = x->desk->keys;
    for (int64_t j = j0; j < j1; j++) {
        if (!(x->skipped[j - j0] >> r & 1))
            continue;
        double s = 0, square = 0, bias = (double)x->desk->bias[j - j0];
        attn__qk_load_k(&x->qk, x->j->m->kern, x->h, &x->keys, j, 1, x->desk->keys, d);
        for (int64_t e = 0; e < d; e++) {
            s += (double)q[e] * (double)key[e];
            square += (double)key[e] * (double)key[e];
        }
        s = raised(x, r, s, sqrt(square)) + bias;
        s += isfinite(bias) ? 16 * ROUNDING * fabs(bias) : 0;
        if (!(s < INFINITY))
            x->mass[r].top = NAN;
        else
            add(&x->mass[r], s);
    }
}

static void add_block(struct rows *x, int64_t r, int64_t at, const float *block, int64_t j0,
                      int64_t j1)
{
    const int64_t d = x->j->c->p->d;
    int64_t n = count(x, r, j1 - j0);
    if (n == 0 || !x->active[r] || isnan(x->mass[r].top))
        return;
    double keys = log((double)n);
    if (has_bias(x->j->c->p)) {
        find_biases(x, r, j0, j1);
        keys = biases_sum(x, r, j1 - j0);
    }
    double s = (double)x->desk->box[r * BLOCKS + at];
    double ball = (double)x->desk->centres[r * BLOCKS + at] + x->norm[r] * (double)block[3 * d];
    s = raised(x, r, ball < s ? ball : s, (double)block[3 * d + 1]) + keys;
    if (isfinite((double)block[3 * d]) && s < INFINITY)
        add(&x->mass[r], s);
    else
        add_keys(x, r, j0, j1);
}

static void add_blocks(struct rows *x)
{
    const struct attn__problem *p = x->j->c->p;
    const struct attn__kernels *kern = x->j->m->kern;
    const struct attn__skip_desk *desk = x->desk;
    int64_t ld = block_floats(p), end = blocks_of(x->s.nk, KEYS), made = -1;
    for (int64_t b = 0; b < end; b++) {
        int64_t j0 = b * KEYS, j1 = attn__min_i64(j0 + KEYS, x->s.nk);
        int64_t first = b / BLOCKS * BLOCKS, n = attn__min_i64(BLOCKS, end - first);
        const float *blocks = block_of(x->j, x->s.index, p->k_head[x->h], first);
        enum attn__tile seen = attn__vis_tile(&x->seen, x->r0, x->r0 + x->n, j0, j1);
        double norm = (double)blocks[(b - first) * ld + 3 * p->d + 1];
        if (seen != ATTN__TILE_EMPTY && norm < INFINITY && norm > x->seen_norm)
            x->seen_norm = norm;
        if (!find_skipped(x, seen, j0, j1))
            continue;
        if (made != first) {
            kern->row_qk_f32(blocks, ld, n, 2 * p->d, desk->signs, 2 * p->d, x->n, desk->box,
                             BLOCKS, 0);
            kern->row_qk_f32(blocks + 2 * p->d, ld, n, p->d, desk->q, p->d, x->n, desk->centres,
                             BLOCKS, 0);
            made = first;
        }
        for (int64_t r = 0; r < x->n; r++)
            add_block(x, r, b - first, blocks + (b - first) * ld, j0, j1);
    }
}

/* S / (S + e^lse), rounded up; lse may be wrong by `error`. */
static float bound_of(const struct mass *m, double lse, double error)
{
    if (m->sum == 0 && !isnan(m->top))
        return 0;
    double x = m->top + log(m->sum) - (lse - error);
    if (isnan(m->top) || isnan(lse) || lse == -INFINITY || !(x < INFINITY))
        return 1;
    float bound = (float)(1 / (1 + exp(-x)) * (1 + 4 * ROUNDING));
    return bound < 1 ? nextafterf(bound, 1) : 1; /* more than 0, however small */
}

static void write_rows(const struct rows *x)
{
    const struct attn__call *c = x->j->c;
    struct attn__rows lse = attn__call_per_row(c, ATTN__SLOT_LSE, &x->s, x->h);
    struct attn__rows to = attn__call_per_row(c, ATTN__SLOT_SKIP_BOUND, &x->s, x->h);
    for (int64_t r = 0; r < x->n; r++) {
        double l = attn__rows_load(&lse, x->r0 + r, 0);
        double error = LSE_ERROR * (1 + fabs(l)) +
                       4 * ROUNDING * (double)(c->p->d + 8) * x->norm[r] * x->seen_norm;
        attn__rows_store(&to, x->r0 + r, 0,
                         x->active[r] ? bound_of(&x->mass[r], l, error) : 0);
    }
}

static void bound_rows(void *arg, int64_t worker)
{
    const struct job *j = arg;
    const struct attn__problem *p = j->c->p;
    int64_t row_blocks = blocks_of(p->q, ROWS);
    struct rows x = {.j = j, .desk = &j->room->desk[worker]};
    memset(x.desk->bias, 0, KEYS * sizeof *x.desk->bias);
    for (int64_t t = worker; t < j->tasks; t += j->workers) {
        x.s = attn__call_seq(j->c, t / row_blocks / p->hout);
        x.h = t / row_blocks % p->hout;
        x.r0 = t % row_blocks * ROWS;
        x.n = attn__min_i64(ROWS, x.s.nq - x.r0);
        struct attn__rows to = attn__call_per_row(j->c, ATTN__SLOT_SKIP_BOUND, &x.s, x.h);
        int64_t end = attn__min_i64(x.r0 + ROWS, x.s.q_all);
        for (int64_t i = attn__max_i64(x.r0, x.s.nq); i < end; i++)
            attn__rows_store(&to, i, 0, 0); /* rows that do not count */
        if (x.n <= 0)
            continue;
        x.seen = x.all = attn__call_vis(j->c, &x.s, x.h, 1);
        x.all.p = j->all;
        x.all.own.piece = j->all->piece;
        x.all.own.n = j->all->n_pieces;
        x.qk = attn__qk_begin(j->c, &x.s, x.desk->qk);
        x.score = (struct attn__score){j->c, j->m->kern, &x.s, &x.seen, &x.desk->score, NULL, 0};
        x.keys = attn__call_k(j->c, &x.s, x.h);
        x.seen_norm = 0;
        load_rows(&x);
        add_blocks(&x);
        write_rows(&x);
    }
}

/* The pieces without lists; an ANY list that shows everything leaves nothing to
 * the other ANY pieces. */
static void without_lists(const struct attn__problem *p, struct attn__problem *all)
{
    bool any = false;
    int32_t n = 0;
    *all = *p;
    for (int32_t i = 0; i < p->n_pieces; i++)
        any |= p->piece[i].any && attn__problem_is_list(&p->piece[i]);
    for (int32_t i = 0; i < p->n_pieces; i++)
        if (!attn__problem_is_list(&p->piece[i]) && !(any && p->piece[i].any))
            all->piece[n++] = p->piece[i];
    all->n_pieces = n;
}

static void run(struct job *j, struct attn__threads *threads, int64_t each,
                void (*work)(void *arg, int64_t worker))
{
    j->tasks = j->c->n_seq * each;
    j->workers = attn__min_i64(j->m->threads, j->tasks);
    attn__threads_run(threads, j->workers, work, j);
}

void attn__skip_bound(const struct attn__call *c, const struct attn__machine *m,
                      struct attn__threads *threads, const struct attn__skip_room *room)
{
    const struct attn__problem *p = c->p;
    struct attn__problem all;
    struct job j = {.c = c, .m = m, .room = room, .all = &all,
                    .blocks = blocks_of(p->k, KEYS)};
    without_lists(p, &all);
    run(&j, threads, p->hk * j.blocks, describe_blocks);
    run(&j, threads, p->hout * blocks_of(p->q, ROWS), bound_rows);
}
