/* SPDX-License-Identifier: MIT */
/*
 * The pooled selector (select_pooled.c, select_score.c, select_view.c,
 * select_reps.c) on random specs and shapes against the same written out in
 * double with loops over everything, at every ISA level, in f32 and f64; the
 * same lists with one thread and three. Picks alone (select_pick.c) against a
 * full sort, with many ties.
 *
 *     test_select_pooled [SEED [COUNT]]
 */
#include <attn/attn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "solvers/select_pick.h"
#include "solvers/select_pooled.h"
#include "solvers/select_view.h"

enum { MOST_B = 2, MOST_H = 4, MOST_N = 70, MOST_D = 24 };

static uint64_t rng;
static long failed, entries;

static int64_t random_below(int64_t n)
{
    uint64_t z = rng += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (int64_t)((z ^ z >> 31) % (uint64_t)n);
}

static double random_real(void)
{
    return (double)random_below(1 << 24) * 0x1p-23 - 1;
}

static void fail(const char *what, int64_t a, int64_t b)
{
    if (failed++ < 20)
        printf("FAIL %s (%lld, %lld)\n", what, (long long)a, (long long)b);
}

/* ---- picks ---- */

enum { PICKS = 180 };

/* The order in which blocks are taken. */
static const double *sort_score;

static int by_score(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    if (sort_score[x] > sort_score[y])
        return -1;
    return sort_score[x] < sort_score[y] ? 1 : x - y;
}

static void slow_pick(const struct attn__pick *p, const double *score, const uint8_t *state, int n,
                      bool *in)
{
    int order[PICKS], taken = 0;
    double all = 0, kept = 0;
    for (int j = 0; j < n; j++) {
        order[j] = j;
        in[j] = state[j] == ATTN__PICK_IN;
        taken += in[j];
        if (state[j] != ATTN__PICK_OUT && score[j] > -INFINITY) {
            all += score[j];
            kept += in[j] ? score[j] : 0;
        }
    }
    sort_score = score;
    qsort(order, (size_t)n, sizeof order[0], by_score);
    for (int m = 0; m < n; m++) {
        int j = order[m];
        if (state[j] != ATTN__PICK_MAY || score[j] == -INFINITY)
            continue;
        if (p->rule == ATTN__PICK_TOP ? taken >= p->top
            : p->rule == ATTN__PICK_COVER ? kept >= p->mass * all
                                          : score[j] < p->mass)
            break;
        in[j] = true;
        taken++;
        kept += score[j];
    }
}

static void test_picks(void)
{
    for (int turn = 0; turn < 3000; turn++) {
        int n = (int)random_below(turn % 2 ? 60 : PICKS) + 1;
        double score[PICKS], room[PICKS];
        uint8_t state[PICKS];
        bool in[PICKS];
        int64_t steps = 1 + random_below(turn % 3 ? 20 : 1 << 20);
        bool infinite = random_below(2), far = random_below(4) == 0;
        struct attn__pick p = {.rule = (enum attn__pick_rule)(1 + random_below(3)),
                               .top = random_below(PICKS + 2),
                               .mass = (double)random_below(12) / 10};
        for (int j = 0; j < n; j++) {
            score[j] = (double)random_below(steps) / 16; /* exact sums */
            if (random_below(9) == 0)
                score[j] = -INFINITY;
            if (far && p.rule == ATTN__PICK_TOP) /* from the smallest to the largest */
                score[j] = ldexp(score[j] - 0.5, (int)random_below(2090) - 1080);
            if (infinite && random_below(9) == 0 && p.rule != ATTN__PICK_COVER)
                score[j] = INFINITY;
            state[j] = (uint8_t)(random_below(4) ? ATTN__PICK_MAY : random_below(3));
        }
        slow_pick(&p, score, state, n, in);
        if (!attn__pick_row(&p, score, state, n, room))
            fail("a pick found NaN", turn, n);
        for (int j = 0; j < n; j++)
            if (state[j] != (in[j] ? ATTN__PICK_IN : ATTN__PICK_OUT)) {
                fail("pick", turn, j);
                break;
            }
        state[n - 1] = ATTN__PICK_MAY;
        score[n - 1] = NAN;
        if (attn__pick_row(&p, score, state, n, room))
            fail("a pick of NaN", turn, n);
    }
}

/* ---- the whole selector ---- */

struct test {
    struct attn__pooled_spec spec;
    struct attn__pooled m;
    struct attn__pooled_size z;
    struct attn__problem p;
    struct attn__call call;
    int64_t hq, hk, nq, nk, blocks;
    int64_t q_head[MOST_H], k_head[MOST_H];
    int64_t offsets[MOST_B][MOST_N + 1], q_len[MOST_B], k_len[MOST_B];
    uint8_t mask[MOST_B][MOST_N][MOST_N];
    double q[MOST_B * MOST_H * MOST_N * MOST_D], k[MOST_B * MOST_H * MOST_N * MOST_D];
    double weight[MOST_B * MOST_N * MOST_H];
    float q32[MOST_B * MOST_H * MOST_N * MOST_D], k32[MOST_B * MOST_H * MOST_N * MOST_D];
};

static attn_tensor view(void *data, int32_t dtype, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return attn__recipe_view(data, dtype, a, b, c, d);
}

static int64_t parts(int64_t n, int64_t unit)
{
    return (n + unit - 1) / unit;
}

/* A spec that the selector knows, with everything it needs. */
static void random_test(struct test *t, bool exact)
{
    struct attn__pooled_spec *s = &t->spec;
    memset(t, 0, sizeof *t);
    t->z.b = 1 + random_below(MOST_B);
    t->hk = 1 + random_below(2);
    t->hq = t->hk * (1 + random_below(2));
    t->z.d = 1 + random_below(MOST_D);
    t->nk = 1 + random_below(MOST_N);
    t->nq = 1 + random_below(t->nk);
    s->rep = (enum attn__pooled_rep)random_below(6);
    s->score = (enum attn__pooled_score)random_below(4);
    s->open = (enum attn__pooled_open)random_below(3);
    s->rule = (int32_t)(1 + random_below(3));
    s->head_group = random_below(2) ? 1 : t->hq;
    s->reduce = s->head_group == 1 ? ATTN__REDUCE_NONE
                                   : (enum attn__pooled_reduce)(1 + random_below(3));
    s->q_block = 1 + (random_below(2) ? random_below(20) : 0);
    s->k_block = 1 + random_below(12);
    s->scale = 0.25 + (double)random_below(8) / 4;
    s->first = random_below(3);
    s->last = random_below(3);
    s->top = s->first + s->last + random_below(5);
    s->mass = s->rule == ATTN__PICK_COVER ? (double)random_below(12) / 10 : random_real();
    if (s->rep >= ATTN__REP_BOUNDS && s->reduce == ATTN__REDUCE_MEAN)
        s->reduce = ATTN__REDUCE_SUM;
    s->stride = 1 + random_below(4);
    s->window = s->stride * (1 + random_below(3));
    if (s->rep == ATTN__REP_STRIDES || s->rep == ATTN__REP_WINDOWS) {
        s->k_block = s->stride * (1 + random_below(3));
        s->q_block = s->rep == ATTN__REP_STRIDES ? s->k_block : s->q_block;
        s->reduce = s->head_group == 1 ? ATTN__REDUCE_NONE : ATTN__REDUCE_SUM;
        s->score = ATTN__SCORE_PROB;
    }
    if (s->score == ATTN__SCORE_REST && s->open == ATTN__OPEN_BEFORE)
        s->open = ATTN__OPEN_STARTS;
    if (s->rule == ATTN__PICK_COVER) /* shares are of something positive */
        s->score = ATTN__SCORE_PROB;
    if ((s->rep < ATTN__REP_BOUNDS || s->rep == ATTN__REP_GIVEN) && random_below(3) == 0) {
        s->ragged = true;
        s->tokens = random_below(2) && s->rep != ATTN__REP_GIVEN &&
                    s->score == ATTN__SCORE_DOT && s->rule == ATTN__PICK_TOP &&
                    s->reduce != ATTN__REDUCE_MAX;
        s->k_block = 1;
        s->score = s->tokens ? ATTN__SCORE_DOT : s->score;
    }
    if (!s->ragged && s->k_block == 1 && random_below(2))
        s->pool = 3;
    t->m.heads = t->hq;
    t->z.heads = t->hq;
    t->z.sets = t->hq / s->head_group;
    t->z.k_heads = t->hk;
    t->z.q = t->nq;
    t->z.k = t->nk;
    t->z.exact = exact;
    for (int64_t h = 0; h < t->hq; h++) {
        t->q_head[h] = h;
        t->k_head[h] = h / (t->hq / t->hk);
    }
    int64_t rows_k = t->nk;
    t->blocks = parts(t->nk, s->k_block);
    if (s->rep == ATTN__REP_GIVEN)
        rows_k = t->blocks - (t->blocks > 1 ? random_below(2) : 0);
    if (s->rep == ATTN__REP_WINDOWS)
        rows_k = t->nk < s->window ? 1 : (t->nk - s->window) / s->stride + 1;
    for (int64_t b = 0; b < t->z.b; b++) {
        t->q_len[b] = t->nq - random_below(2) * random_below(t->nq);
        t->k_len[b] = s->ragged ? t->nk : t->nk - random_below(2) * random_below(t->nk);
        int64_t n = 0;
        for (int64_t j = 0; j < t->nk; j++)
            if (j == 0 || (b == 0 ? random_below(4) == 0 : n < t->blocks))
                t->offsets[b][n++] = j;
        if (b == 0)
            t->blocks = s->ragged ? n : t->blocks;
        t->offsets[b][n] = t->nk;
        for (int64_t i = 0; i < MOST_N; i++)
            for (int64_t j = 0; j < MOST_N; j++)
                t->mask[b][i][j] = random_below(3) > 0;
    }
    if (s->ragged && s->rep == ATTN__REP_GIVEN)
        rows_k = t->blocks;
    t->z.blocks = s->ragged ? t->blocks : rows_k;
    for (size_t i = 0; i < sizeof t->q / sizeof t->q[0]; i++) {
        t->q[i] = t->q32[i] = (float)random_real();
        t->k[i] = t->k32[i] = (float)random_real();
    }
    for (size_t i = 0; i < sizeof t->weight / sizeof t->weight[0]; i++)
        t->weight[i] = random_real();
    int32_t type = exact ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32;
    t->m.spec = s;
    t->m.q = view(exact ? (void *)t->q : t->q32, type, t->z.b, t->hq, t->nq, t->z.d);
    t->m.k = view(exact ? (void *)t->k : t->k32, type, t->z.b, t->hk, rows_k, t->z.d);
    t->m.q_head = t->q_head;
    t->m.k_head = t->k_head;
    t->p.align = random_below(3) ? ATTN_ALIGN_BOTTOM_RIGHT : ATTN_ALIGN_TOP_LEFT;
    t->call.p = &t->p;
    t->call.n_seq = t->z.b;
    t->call.t[ATTN__SLOT_Q] = t->m.q;
    t->call.t[ATTN__SLOT_K] = view(NULL, type, t->z.b, t->hk, t->nk, t->z.d);
    t->call.has[ATTN__SLOT_Q] = t->call.has[ATTN__SLOT_K] = true;
    t->call.t[ATTN__SLOT_Q_LEN] = (attn_tensor){.data = t->q_len, .dtype = ATTN_DTYPE_I64,
                                                .rank = 1, .shape = {t->z.b}, .stride = {1}};
    t->call.t[ATTN__SLOT_K_LEN] = t->call.t[ATTN__SLOT_Q_LEN];
    t->call.t[ATTN__SLOT_K_LEN].data = t->k_len;
    t->call.has[ATTN__SLOT_Q_LEN] = t->call.has[ATTN__SLOT_K_LEN] = true;
}

/* Views that are not in the struct. */
struct views {
    attn_tensor offsets, mask, weight;
};

static void add_views(struct test *t, struct views *w)
{
    const struct attn__pooled_spec *s = &t->spec;
    w->offsets = (attn_tensor){.data = t->offsets, .dtype = ATTN_DTYPE_I64, .rank = 2,
                               .shape = {t->z.b, t->blocks + 1}, .stride = {MOST_N + 1, 1}};
    w->mask = (attn_tensor){.data = t->mask, .dtype = ATTN_DTYPE_U8, .rank = 3,
                            .shape = {t->z.b, t->nq, t->blocks},
                            .stride = {MOST_N * MOST_N, MOST_N, 1}};
    w->weight = (attn_tensor){.data = t->weight, .dtype = ATTN_DTYPE_F64, .rank = 3,
                              .shape = {t->z.b, t->nq, t->hq},
                              .stride = {t->nq * t->hq, t->hq, 1}};
    t->m.offsets = s->ragged ? &w->offsets : NULL;
    t->m.mask = s->score == ATTN__SCORE_DOT && !s->tokens && s->rep < ATTN__REP_STRIDES &&
                        random_below(2)
                    ? &w->mask
                    : NULL;
    t->m.weight = &w->weight;
}

/* The same by the definition: row t of set `set`; key by key whether it is in. */
static double q_at(const struct test *t, int64_t b, int64_t h, int64_t i, int64_t e)
{
    return t->q[((b * t->hq + h) * t->nq + i) * t->z.d + e];
}

static double k_at(const struct test *t, int64_t b, int64_t h, int64_t j, int64_t e)
{
    return t->k[((b * t->hk + t->k_head[h]) * t->m.k.shape[2] + j) * t->z.d + e];
}

/* The mean of rows lo..hi-1 of q (or k), over the heads of a set with MEAN. */
static double mean_at(const struct test *t, bool q, int64_t b, int64_t h, int64_t lo, int64_t hi,
                      int64_t e)
{
    const struct attn__pooled_spec *s = &t->spec;
    int64_t h0 = s->reduce == ATTN__REDUCE_MEAN ? h / s->head_group * s->head_group : h;
    int64_t h1 = s->reduce == ATTN__REDUCE_MEAN ? h0 + s->head_group : h + 1;
    double sum = 0;
    for (int64_t g = h0; g < h1; g++)
        for (int64_t i = lo; i < hi; i++)
            sum += q ? q_at(t, b, g, i, e) : k_at(t, b, g, i, e);
    sum /= (double)((hi - lo) * (h1 - h0));
    return s->rep == ATTN__REP_NORM ? sum * sqrt((double)(hi - lo)) : sum;
}

/* Queries lo..hi-1 against unit j of keys. */
static double slow_product(const struct test *t, int64_t b, int64_t h, int64_t lo, int64_t hi,
                           int64_t j)
{
    const struct attn__pooled_spec *s = &t->spec;
    double sum = 0;
    int64_t unit = s->rep == ATTN__REP_STRIDES ? s->stride : s->k_block, nk = t->k_len[b];
    int64_t k0 = s->ragged ? t->offsets[b][j] : j * unit;
    int64_t k1 = s->ragged ? t->offsets[b][j + 1] : (k0 + unit < nk ? k0 + unit : nk);
    for (int64_t e = 0; e < t->z.d; e++) {
        if (s->rep == ATTN__REP_STRIDES) {
            for (int64_t a = 0; a < s->stride; a++) {
                int64_t i = lo + s->stride - 1 - a;
                if (i < hi && k0 + a < k1)
                    sum += q_at(t, b, h, i, e) * k_at(t, b, h, k0 + a, e);
            }
            continue;
        }
        double q = mean_at(t, true, b, h, lo, hi, e), most = -INFINITY;
        if (s->rep == ATTN__REP_BOUNDS) {
            for (int64_t i = k0; i < k1; i++)
                most = fmax(most, q * k_at(t, b, h, i, e));
            sum += most;
        } else {
            sum += q * (s->rep >= ATTN__REP_GIVEN ? k_at(t, b, h, j, e)
                                                  : mean_at(t, false, b, h, k0, k1, e));
        }
    }
    return sum * s->scale;
}

static int64_t slow_block(const struct test *t, int64_t b, int64_t key)
{
    int64_t j = 0;
    if (!t->spec.ragged || t->spec.tokens)
        return key / t->spec.k_block;
    while (t->offsets[b][j + 1] <= key)
        j++;
    return j;
}

/* False: scores are so near each other that rounding may decide. */
static bool is_clear(const struct test *t, const double *score, const uint8_t *state, int64_t n)
{
    if (t->z.exact || t->spec.rule != ATTN__PICK_TOP)
        return t->z.exact;
    for (int64_t a = 0; a < n; a++)
        for (int64_t c = 0; c < a; c++)
            if (state[a] == ATTN__PICK_MAY && state[c] == ATTN__PICK_MAY && score[a] != score[c] &&
                fabs(score[a] - score[c]) < 1e-5 * (fabs(score[a]) + 1e-3))
                return false;
    return true;
}

/* Scores and states of a row; false: it has no queries. */
static bool slow_row(const struct test *t, int64_t b, int64_t set, int64_t row, double *score,
                     uint8_t *state, int64_t *n_blocks)
{
    const struct attn__pooled_spec *s = &t->spec;
    int64_t nq = t->q_len[b], nk = t->k_len[b];
    int64_t off = t->p.align == ATTN_ALIGN_TOP_LEFT ? 0 : nk - nq;
    int64_t lo = row * s->q_block, nominal = lo + s->q_block, hi = nominal < nq ? nominal : nq;
    int64_t end = nominal + off < nk ? nominal + off : nk;
    int64_t n = s->ragged && !s->tokens ? t->blocks : parts(nk, s->k_block);
    int64_t seen = s->open == ATTN__OPEN_ALL ? n : end <= 0 ? 0 : slow_block(t, b, end - 1) + 1;
    int64_t open = seen;
    *n_blocks = n;
    if (lo >= nq)
        return false;
    if (s->open == ATTN__OPEN_BEFORE) {
        bool past = s->ragged && !s->tokens && lo + off >= nk;
        open = lo + off < 0 ? 0 : past ? n : slow_block(t, b, lo + off);
        open = open < seen ? open : seen;
    }
    int64_t given = s->rep == ATTN__REP_GIVEN ? t->m.k.shape[2] : n;
    for (int64_t j = 0; j < n; j++) {
        bool forced = j < seen && (j < s->first || j >= seen - s->last);
        bool may = j < open && j < given && (!t->m.mask || t->mask[b][lo][j]);
        state[j] = forced ? ATTN__PICK_IN : may ? ATTN__PICK_MAY : ATTN__PICK_OUT;
        score[j] = 0;
    }
    int64_t heads = s->reduce == ATTN__REDUCE_MEAN ? 1 : s->head_group;
    int64_t subs = s->rep == ATTN__REP_STRIDES ? parts(s->q_block, s->stride) : 1;
    for (int64_t m = 0; m < heads * subs; m++) {
        int64_t h = set * s->head_group + m / subs, q0 = lo, q1 = hi, units = seen;
        double line[MOST_N], top = -INFINITY, sum = 0;
        if (s->rep == ATTN__REP_STRIDES) {
            q0 = lo + m % subs * s->stride;
            q1 = q0 + s->stride < hi ? q0 + s->stride : hi;
            int64_t e = q0 + s->stride + off < nk ? q0 + s->stride + off : nk;
            units = parts(s->open == ATTN__OPEN_ALL ? nk : e > 0 ? e : 0, s->stride);
            if (q0 >= nq)
                continue;
        } else if (s->rep == ATTN__REP_WINDOWS) {
            for (units = 0; units < t->m.k.shape[2]; units++)
                if (s->open != ATTN__OPEN_ALL && units * s->stride + s->window > end)
                    break;
        } else if (s->rep == ATTN__REP_GIVEN && units > given) {
            units = given;
        }
        if (s->tokens)
            units = t->blocks;
        for (int64_t j = 0; j < units; j++)
            line[j] = slow_product(t, b, h, q0, q1, j);
        if (s->score == ATTN__SCORE_PROB || s->score == ATTN__SCORE_REST) {
            for (int64_t j = 0; j < units; j++) {
                if (s->score == ATTN__SCORE_REST && (j < s->first || j >= seen - s->last))
                    line[j] = -INFINITY;
                top = fmax(top, line[j]);
            }
            for (int64_t j = 0; j < units; j++)
                sum += line[j] = top > -INFINITY ? exp(line[j] - top) : 0;
            for (int64_t j = 0; j < units && sum > 0; j++)
                line[j] /= sum;
        }
        for (int64_t j = 0; j < units && s->score == ATTN__SCORE_RELU; j++)
            line[j] = t->weight[(b * t->nq + lo) * t->hq + h] * fmax(line[j], 0);
        for (int64_t j = 0; j < n; j++)
            for (int64_t c = 0; c < units; c++) {
                int64_t times = c == j;
                if (s->tokens)
                    times = t->offsets[b][c] <= j && j < t->offsets[b][c + 1];
                if (s->rep == ATTN__REP_STRIDES)
                    times = c / (s->k_block / s->stride) == j;
                if (s->rep == ATTN__REP_WINDOWS)
                    for (int64_t a = times = 0; a < s->k_block / s->stride; a++)
                        for (int64_t o = 0; o < s->window / s->stride; o++)
                            times += c == s->k_block / s->stride * j + a - o;
                if (times == 0)
                    continue;
                if (s->reduce == ATTN__REDUCE_MAX)
                    score[j] = m == 0 ? line[c] : fmax(score[j], line[c]);
                else
                    score[j] += (double)times * line[c];
            }
    }
    if (s->pool > 1) {
        double old[MOST_N];
        int64_t from = s->first, to = seen - s->last < open ? seen - s->last : open;
        memcpy(old, score, sizeof old);
        for (int64_t j = from; j < to; j++)
            for (int64_t e = j - 1; e <= j + 1; e++)
                if (e >= from && e < to)
                    score[j] = fmax(score[j], old[e]);
    }
    return true;
}

static void compare(const struct test *t, const struct attn__select_rows *rows, const char *label)
{
    const struct attn__pick pick = {(enum attn__pick_rule)t->spec.rule, t->spec.top, t->spec.mass};
    for (int64_t r = 0; r < rows->rows; r++) {
        double score[MOST_N + 1], room[MOST_N + 1];
        uint8_t state[MOST_N + 1] = {0}, before[MOST_N + 1];
        bool got[MOST_N] = {0}, want[MOST_N] = {0};
        int64_t b = r / rows->blocks / rows->sets, n;
        int64_t set = r / rows->blocks % rows->sets;
        bool any = slow_row(t, b, set, r % rows->blocks, score, state, &n);
        memcpy(before, state, sizeof before);
        if (any && !attn__pick_row(&pick, score, state, n, room))
            fail("NaN", r, n);
        for (int64_t j = 0; j < n && any; j++) {
            int64_t lo = j * t->spec.k_block, hi = lo + t->spec.k_block;
            if (t->spec.ragged && !t->spec.tokens) {
                lo = t->offsets[b][j];
                hi = t->offsets[b][j + 1];
            }
            for (int64_t i = lo; i < hi && i < t->k_len[b]; i++)
                want[i] = state[j] == ATTN__PICK_IN;
        }
        for (int64_t e = rows->row_ptr[r]; e < rows->row_ptr[r + 1]; e++, entries++)
            for (int64_t i = rows->start[e]; i < rows->start[e] + rows->length[e]; i++)
                got[i] = true;
        if (memcmp(got, want, sizeof got) != 0 &&
            (!any || is_clear(t, score, before, n))) {
            fail(label, r, rows->rows);
            if (failed < 20)
                printf("  rep %d score %d reduce %d open %d rule %d ragged %d tokens %d pool %d "
                       "first %d last %d top %d\n", t->spec.rep, t->spec.score, t->spec.reduce,
                       t->spec.open, t->spec.rule, t->spec.ragged, t->spec.tokens,
                       (int)t->spec.pool, (int)t->spec.first, (int)t->spec.last,
                       (int)t->spec.top);
        }
    }
}

static void run(const struct test *t, int32_t isa, int64_t n_threads, const char *label,
                struct attn__select_rows *rows, void **memory)
{
    struct attn__kernels kern;
    struct attn__threads *threads;
    attn__kernels_select(isa, &kern);
    struct attn__mem mem;
    if (attn__mem_init(&mem, NULL) != ATTN_OK ||
        attn__threads_create(&mem, n_threads, NULL, &threads) != ATTN_OK)
        abort();
    attn__threads_start(threads);
    const struct attn__machine machine = {.kern = &kern, .threads = n_threads};
    const struct attn__recipe_run r = {.call = &t->call, .machine = &machine, .threads = threads};
    struct attn__scratch s = {.ok = true};
    int64_t per_row;
    size_t bytes;
    *rows = (struct attn__select_rows){.n_batch = t->z.b, .head_group = t->spec.head_group,
                                       .q_block = t->spec.q_block, .n_queries = t->nq};
    if (attn__select_rows_shape(rows, t->hq, label) != ATTN_OK ||
        !attn__pooled_per_row(&t->spec, &t->z, &per_row))
        abort();
    rows->capacity = rows->rows * per_row;
    if (!attn__select_rows_place(rows, false, false, NULL, &bytes))
        abort();
    attn__pooled_take(&s, &t->spec, &t->z, n_threads);
    s.base = aligned_alloc(64, s.used + 64);
    *memory = aligned_alloc(64, bytes + 64);
    if (!s.base || !*memory)
        abort();
    s.used = 0;
    attn__select_rows_place(rows, false, false, *memory, &bytes);
    void *room = attn__pooled_take(&s, &t->spec, &t->z, n_threads);
    if (attn__pooled_run(&r, &t->m, &t->z, rows, per_row, room) != ATTN_OK)
        fail(label, -1, n_threads);
    if (attn__select_rows_check(rows, t->nk, label) != ATTN_OK)
        fail("the lists are bad", isa, n_threads);
    free(s.base);
    attn__threads_destroy(threads);
}

static void same(const struct attn__select_rows *a, const struct attn__select_rows *b)
{
    if (a->n != b->n ||
        memcmp(a->row_ptr, b->row_ptr, (size_t)(a->rows + 1) * sizeof *a->row_ptr) != 0 ||
        memcmp(a->start, b->start, (size_t)a->n * sizeof *a->start) != 0 ||
        memcmp(a->length, b->length, (size_t)a->n * sizeof *a->length) != 0)
        fail("other lists with other threads", a->n, b->n);
}

int main(int argc, char **argv)
{
    static struct test t;
    int64_t count = argc > 2 ? atoll(argv[2]) : 300;
    int32_t best = ATTN_ISA_C;
    for (int32_t n = 0; n < 100; n++)
        best = attn_isa_usable(n) ? n : best;
    rng = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    test_picks();
    for (int64_t n = 0; n < count; n++) {
        struct views w;
        struct attn__select_rows one, three;
        void *memory[2];
        random_test(&t, n % 2 == 1);
        add_views(&t, &w);
        run(&t, ATTN_ISA_C, 1, "portable", &one, &memory[0]);
        compare(&t, &one, "portable");
        free(memory[0]);
        run(&t, best, 1, "best", &one, &memory[0]);
        run(&t, best, 3, "best", &three, &memory[1]);
        compare(&t, &one, "best");
        same(&one, &three);
        free(memory[0]);
        free(memory[1]);
    }
    printf("%ld entries, %ld failures\n", entries, failed);
    return failed > 0;
}
