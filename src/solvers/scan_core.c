/* SPDX-License-Identifier: MIT */
/*
 * A chunk of a linear recurrence as products of matrices. With X~ the rows x_i
 * exp(reads_i), Y^ the rows y_j exp(G_end - G_j), and A the scores within the
 * chunk (scan_scores.h):
 *
 *     WRITER   (1 + A_ek) U = V - E~ S                      ADD: U = V
 *     GENERAL  (1 + A_ew) P = -(E~ S + A_ek V)                   U = V
 *     out = Q~ S + A_qk U (+ A_qw P),   S' = exp(G_end) S + K^^T U (+ W^^T P)
 *
 * The triangular systems are solved as they are: an inverse would cost more and
 * lose digits.
 */
#include "solvers/scan_core.h"

#include "kernels/scan.h"
#include "solvers/scan_scores.h"
#include "solvers/scratch.h"

#include <string.h>

struct core {
    struct attn__scan_work work;
    float *u;   /* [64][dv16]: U of WRITER, P of GENERAL */
    float *sum; /* [dk16] */
    float *den; /* [64] */
    struct attn__ahead *ahead; /* fetched between products, or NULL */
    int64_t fetch;             /* rows at a time */
};

static void lay_out(const struct attn__scan_kind *kind, struct attn__scratch *s, struct core *c)
{
    struct attn__scan_work *w = &c->work;
    const int64_t rows = ATTN__SCAN_CHUNK, sets = ATTN__SCAN_SETS;
    const bool channel = kind->decay == ATTN__CORE_CHANNEL;
    *c = (struct core){ 0 };
    w->dk = kind->dk;
    w->dk16 = (kind->dk + 15) / 16 * 16;
    w->dv16 = (kind->dv + 15) / 16 * 16;
    w->decay = kind->decay;
    w->writers = kind->update == ATTN__CORE_GENERAL ? 2 : 1;
    w->f = ATTN__TAKE(s, w->dk16, float);
    w->h = ATTN__TAKE(s, w->dk16, float);
    w->ones = ATTN__TAKE(s, attn__max_i64(w->dk16, rows), float);
    w->ref = ATTN__TAKE(s, w->dk16, float);
    c->sum = ATTN__TAKE(s, w->dk16, float);
    c->den = ATTN__TAKE(s, rows, float);
    c->u = ATTN__TAKE(s, rows * w->dv16, float);
    if (kind->decay != ATTN__CORE_STAYS) {
        for (int32_t y = 0; y < w->writers; y++)
            w->carried_room[y] = ATTN__TAKE(s, rows * w->dk16, float);
        int64_t sums = (rows + 1) * (channel ? w->dk16 : 1);
        w->hi = ATTN__TAKE(s, sums, float);
        w->lo = ATTN__TAKE(s, sums, float);
        w->fade = ATTN__TAKE(s, 2 * rows + 1, float);
        w->writer_part = ATTN__TAKE(s, rows * w->dk16, float);
    }
    for (int64_t t = 0; t < sets; t++) {
        if (kind->decay != ATTN__CORE_STAYS)
            w->set[t].room = ATTN__TAKE(s, rows * w->dk16, float);
        if (channel)
            w->set[t].part = ATTN__TAKE(s, rows * w->dk16, float);
        for (int32_t y = 0; y < w->writers; y++)
            w->set[t].a[y] = ATTN__TAKE(s, rows * ATTN__SCAN_LD, float);
    }
}

size_t attn__scan_core_scratch(const struct attn__scan_kind *kind)
{
    struct attn__scratch s = { .ok = true };
    struct core c;
    /* sizes below are products of small numbers and these */
    if (kind->dk > INT64_MAX / 1024 || kind->dv > INT64_MAX / 1024)
        return 0;
    lay_out(kind, &s, &c);
    return s.ok ? s.used : 0;
}

/* What a call works on: columns `first`.. of everything that has dv columns. */
struct columns {
    float *S;
    const float *v;
    float *u;
    int64_t cols;
};

/* Columns, and rows of S, of a part of a product: more is fetched after each. */
enum { PART_COLUMNS = 32, PART_ROWS = 8 };

static void fetch(const struct core *c)
{
    if (c->ahead)
        attn__ahead_fetch(c->ahead, c->fetch);
}

/*
 * out = init + x S + l v by the rules of scan_rows, l being scores of the set
 * with a writer. `dense` false leaves x S out.
 */
static void rows(const struct core *c, int32_t lower, const struct attn__scan_set *x, bool dense,
                 int32_t writer, const struct columns *m, const float *v, const float *init,
                 float *out)
{
    const struct attn__scan_work *w = &c->work;
    const int64_t part = c->ahead ? PART_COLUMNS : m->cols;
    for (int64_t i = 0; i < m->cols; i += part) {
        w->kernels->scan_rows(lower, x->scaled, w->dk16, w->n, dense ? w->dk : 0, m->S + i,
                              w->dv16, x->a[writer], ATTN__SCAN_LD, v ? v + i : v, w->dv16,
                              init ? init + i : init, w->dv16, out + i, w->dv16,
                              attn__min_i64(part, m->cols - i));
        fetch(c);
    }
}

/* S = f S + h (x^T v) */
static void outer(const struct core *c, const float *x, const float *f, const struct columns *m,
                  const float *v)
{
    const struct attn__scan_work *w = &c->work;
    const int64_t part = c->ahead ? PART_ROWS : w->dk;
    for (int64_t i = 0; i < w->dk; i += part) {
        w->kernels->scan_outer(x + i, w->dk16, w->n, attn__min_i64(part, w->dk - i), v, w->dv16,
                               f + i, w->h + i, m->S + i * w->dv16, w->dv16, m->cols);
        fetch(c);
    }
}

/* u of the erasing kinds; set 0 is e */
static void erase(const struct core *c, const struct columns *m)
{
    const struct attn__scan_set *e = &c->work.set[0];
    if (c->work.writers == 1) {
        rows(c, ATTN__SCAN_SOLVE, e, true, 0, m, NULL, m->v, m->u);
        return;
    }
    rows(c, ATTN__SCAN_LESS, e, true, 0, m, m->v, NULL, m->u);
    rows(c, ATTN__SCAN_SOLVE, e, false, 1, m, NULL, m->u, m->u);
}

/* Puts the own token of rows that read before it in its place on the diagonal. */
static void add_bonus(const struct core *c, const struct attn__scan_kind *kind,
                      const struct attn__scan_set *q)
{
    const struct attn__scan_work *w = &c->work;
    if (kind->bonus) {
        w->kernels->scan_bonus(q->x, w->writer[0], w->dk16, w->n, w->dk, kind->bonus, q->a[0],
                               ATTN__SCAN_LD + 1);
        return;
    }
    for (int64_t i = 0; i < w->n; i++)
        q->a[0][i * (ATTN__SCAN_LD + 1)] = 0.0f;
}

/* Divides by the weight that a row has read: z is a column of S for values 1. */
static void normalise(const struct core *c, const struct attn__scan_kind *kind,
                      const struct attn__scan_set *q, const float *z, float *out, int64_t cols)
{
    const struct attn__scan_work *w = &c->work;
    w->kernels->row_qk_f32(q->scaled, w->dk16, w->n, w->dk, z, w->dk16, 1, c->den,
                           ATTN__SCAN_CHUNK, 0);
    for (int64_t i = 0; i < w->n; i++) {
        float den = c->den[i] + w->kernels->vec_sum(q->a[0] + i * ATTN__SCAN_LD, i + 1);
        if (kind->normaliser == ATTN__CORE_SUM)
            den += kind->eps;
        else if (den < kind->eps)
            den = kind->eps;
        w->kernels->vec_scale(out + i * w->dv16, cols, 1.0f / den);
    }
}

static void read_state(const struct core *c, const struct attn__scan_kind *kind,
                       const struct attn__scan_set *q, const struct columns *m, const float *z,
                       float *out)
{
    if (kind->read_before)
        add_bonus(c, kind, q);
    rows(c, ATTN__SCAN_LOWER, q, true, 0, m, kind->update == ATTN__CORE_WRITER ? m->u : m->v, NULL,
         out);
    if (kind->update == ATTN__CORE_GENERAL)
        rows(c, ATTN__SCAN_LOWER, q, false, 1, m, m->u, out, out);
    if (kind->normaliser != ATTN__CORE_PLAIN)
        normalise(c, kind, q, z, out, m->cols);
}

static void sum_keys(const struct core *c, float *sum)
{
    const struct attn__scan_work *w = &c->work;
    memset(sum, 0, (size_t)w->dk16 * sizeof *sum);
    w->kernels->row_pv_f32(w->carried[0], w->dk16, w->n, w->dk16, w->ones, 0, 1, sum, 0, 0);
}

static void move_state(const struct core *c, const struct attn__scan_kind *kind,
                       const struct columns *m, float *z)
{
    const struct attn__scan_work *w = &c->work;
    outer(c, w->carried[0], w->f, m, kind->update == ATTN__CORE_WRITER ? m->u : m->v);
    if (kind->update == ATTN__CORE_GENERAL)
        outer(c, w->carried[1], w->ones, m, m->u);
    if (kind->normaliser == ATTN__CORE_PLAIN)
        return;
    sum_keys(c, c->sum);
    for (int64_t i = 0; i < w->dk16; i++)
        z[i] = w->f[i] * z[i] + w->h[i] * c->sum[i];
}

/* Everything that is made before S is looked at, but scores. */
static void begin(struct core *c, const struct attn__kernels *kernels,
                  const struct attn__scan_kind *kind, const struct attn__scan_chunk *chunk,
                  void *scratch)
{
    struct attn__scratch room = { .base = scratch, .ok = true };
    struct attn__scan_work *w = &c->work;
    lay_out(kind, &room, c);
    w->kernels = kernels;
    w->n = chunk->n;
    w->writer[0] = chunk->k;
    w->writer[1] = chunk->w;
    attn__scan_scores_begin(w, chunk->g);
}

static void fetch_between(struct core *c, const struct attn__scan_chunk *chunk, int64_t parts)
{
    c->ahead = chunk->ahead;
    if (c->ahead)
        c->fetch = attn__ahead_rows(c->ahead) / attn__max_i64(parts, 1) + 1;
}

/* Outputs of all readers, and u. */
static void read_all(struct core *c, const struct attn__scan_kind *kind,
                     const struct attn__scan_chunk *chunk, int64_t v_first,
                     const struct columns *m, const float *z)
{
    struct attn__scan_work *w = &c->work;
    int32_t used = 0; /* sets that are there but for q */
    if (kind->update != ATTN__CORE_ADD) {
        w->set[0].x = chunk->e;
        w->set[0].before = kind->erase_previous;
        used = 1;
    }
    for (int64_t r = 0; r < chunk->readers;) {
        const int64_t count = attn__min_i64(chunk->readers - r, ATTN__SCAN_SETS - used);
        for (int64_t t = 0; t < count; t++) {
            w->set[used + t].x = chunk->q + (r + t) * w->n * w->dk16;
            w->set[used + t].before = kind->read_before;
        }
        attn__scan_scores(w, used + (int32_t)count);
        if (used > 0)
            erase(c, m);
        for (int64_t t = 0; t < count; t++, r++)
            read_state(c, kind, &w->set[used + t], m, z,
                       chunk->out + r * w->n * w->dv16 + v_first);
        used = 0; /* u is there */
    }
}

void attn__scan_core_run(const struct attn__kernels *kernels, const struct attn__scan_kind *kind,
                         const struct attn__scan_chunk *chunk, int64_t v_first, int64_t v_n,
                         float *S, float *z, void *scratch)
{
    struct core c;
    begin(&c, kernels, kind, chunk, scratch);
    struct columns m = { .S = S + v_first, .v = chunk->v + v_first, .u = c.u + v_first,
                         .cols = v_n };
    fetch_between(&c, chunk, v_n / PART_COLUMNS + kind->dk / PART_ROWS);
    read_all(&c, kind, chunk, v_first, &m, z);
    move_state(&c, kind, &m, z);
}

void attn__scan_core_read(const struct attn__kernels *kernels, const struct attn__scan_kind *kind,
                          const struct attn__scan_chunk *chunk, float *S, const float *z,
                          void *scratch)
{
    struct core c;
    begin(&c, kernels, kind, chunk, scratch);
    struct columns m = { .S = S, .v = chunk->v, .cols = c.work.dv16 };
    fetch_between(&c, chunk, m.cols / PART_COLUMNS);
    read_all(&c, kind, chunk, 0, &m, z);
}

void attn__scan_core_gain(const struct attn__kernels *kernels, const struct attn__scan_kind *kind,
                          const struct attn__scan_chunk *chunk, float *x, float *f, float *h,
                          float *sum, void *scratch)
{
    struct core c;
    begin(&c, kernels, kind, chunk, scratch);
    const struct attn__scan_work *w = &c.work;
    /* -0 is the one number that adds nothing to any number, not even a sign */
    for (int64_t i = 0; i < w->dk * w->dv16; i++)
        x[i] = -0.0f;
    kernels->scan_outer(w->carried[0], w->dk16, w->n, w->dk, chunk->v, w->dv16, w->ones, w->ones, x,
                        w->dv16, w->dv16);
    memcpy(f, w->f, (size_t)w->dk16 * sizeof *f);
    memcpy(h, w->h, (size_t)w->dk16 * sizeof *h);
    if (kind->normaliser != ATTN__CORE_PLAIN)
        sum_keys(&c, sum);
}
