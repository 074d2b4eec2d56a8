/* SPDX-License-Identifier: MIT */
/*
 * gemm: matrix products by BLAS with the scores of a block of rows kept in
 * between: some hundred query rows of one head against all keys that any of
 * them sees. The baseline that fused solvers have to beat, the fast way to
 * outputs made from scores, and the only solver whose bits and memory are
 * partly BLAS's. BLAS runs while our workers are parked, never inside them.
 */
#include <stdio.h>

#include "solvers/active.h"
#include "solvers/epilogue.h"
#include "solvers/finish.h"
#include "solvers/qk_load.h"
#include "solvers/rows_load.h"
#include "solvers/score_row.h"
#include "solvers/solvers.h"
#include "thread/blas.h"

/* Rows, or keys of column sums, that a task takes. */
enum { TASK_ROWS = 16, TASK_KEYS = 256 };

/* Rows of a block: enough for BLAS to run well, few enough that their scores
 * stay in L2 or L3. */
enum { MOST_ROWS = 256, LEAST_ROWS = 32, BLOCK_SCORES = 1 << 19 };

/* Keys whose values BLAS sums in one go: over all of them in one chain the
 * error would grow with their number. */
enum { SLAB = 128 };

struct state {
    const struct attn__exec *x;
    const struct attn__call *without; /* the call without COLSUM */
    float *s;                     /* [rows][keys]: scores, then probabilities */
    float *q, *k, *v;             /* dense copies where BLAS needs one */
    float *tq;                    /* [rows][d], for QUERY_TABLE; NULL without */
    float *o, *m, *l;             /* [rows][dv], [rows], [rows] */
    int64_t *lines;               /* [rows], with head gates */
    struct attn__active active;
    double *col;                  /* [k] */
    struct attn__score_work *score;  /* [workers] */
    struct attn__row_scratch *exact; /* [workers] */
    bool all_pairs; /* scores are wanted: invisible ones as well */
    /* the head at hand, and of it rows i0..i1-1, as vis counts them, against
     * keys j0..j1-1 */
    const struct attn__seq *seq;
    struct attn__qk qk;
    struct attn__vis vis;
    int64_t h, i0, i1, j0, j1;
};

static bool applicable(const struct attn__problem *p, char why[ATTN__WHY_MAX])
{
    const char *reason = NULL;
    if (!attn__blas_available())
        reason = "this build has no BLAS";
    else if (p->blas == ATTN_BLAS_NEVER)
        reason = "blas=never";
    else if (p->invariant == ATTN_INVARIANT_CHUNK)
        reason = "invariant=chunk, and BLAS sums in an order of its own";
    else if (p->dtype == ATTN_DTYPE_F64)
        reason = "computes in f32, dtype is f64";
    else if (p->select.logits)
        reason = "knows no logits of lists";
    else if (p->norm.kind == ATTN_NORMALIZER_LSSAR)
        reason = "BLAS may give equal keys unequal scores, which lssar would show";
    else if (p->want & ATTN_WANT_ARGMAX)
        reason = "BLAS may give equal keys unequal scores, and argmax is the first of them";
    else if (p->k == ATTN_UNBOUNDED)
        reason = "keeps whole rows of scores, and k is inf";
    else if (!attn__blas_fits(p->q) || !attn__blas_fits(p->k))
        reason = "BLAS takes no matrix of this size";
    if (reason)
        snprintf(why, ATTN__WHY_MAX, "%s", reason);
    return !reason;
}

static int64_t block_rows(int64_t k)
{
    int64_t rows = BLOCK_SCORES / attn__max_i64(k, 1);
    return attn__max_i64(LEAST_ROWS, attn__min_i64(rows, MOST_ROWS));
}

static struct attn__tiles tiles(const struct attn__problem *p, const struct attn__machine *m,
                                int64_t q, int64_t k)
{
    (void)p;
    (void)m;
    (void)q;
    return (struct attn__tiles){.rows = (int32_t)block_rows(k)};
}

/* Blocks of half the scores: where L2 is small. */
static int32_t more_tiles(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                          int64_t k, struct attn__tiles out[ATTN__MORE_TILES])
{
    out[0] = tiles(p, m, q, k);
    out[0].rows /= 2;
    return out[0].rows >= LEAST_ROWS && q > out[0].rows;
}

static double cost(const struct attn__problem *p, const struct attn__machine *m, int64_t q,
                   int64_t k)
{
    /* What is masked inside the hull of a block is computed all the same, and
     * so is everything if scores are wanted. */
    double rate = attn__machine_rate(m), width = (double)(p->d + p->dv);
    double block = (double)block_rows(k), blocks = ceil((double)q / block);
    block = block > (double)q ? (double)q : block;
    double keys = attn__vis_share(p, q, k) * (double)k + (p->n_pieces ? block / 2 : 0);
    keys = keys > (double)k || attn__score_row_all_pairs(p) ? (double)k : keys;
    double score = 34 + attn__score_cost(p) + (p->n_pieces ? 2.5 : 0) +
                   (p->mask || p->segments ? 15 : 0) + attn__score_row_cost(p);
    double convert = p->kv_dtype == ATTN_DTYPE_F32 ? 0 : 3.7 * (double)k * width / rate;
    convert += attn__qk_cost_k(p) * (double)k * (double)p->d / rate;
    /* BLAS is at its best with many rows, or with one; a few are in between, but
     * for small products where there are 512 bits: OpenBLAS has kernels for them
     * that pack nothing. */
    bool small = m->kern->lanes >= 16 && q > 1 && block * keys <= 1200;
    double few = small   ? attn__stream_cost(p, q, k, keys, 2, 10)
                 : q < 8 ? 1.5 * keys * width / rate + attn__stream_cost(p, q, k, keys, 10, 10)
                         : 0;
    double product = small ? 1.2 : q > 512 ? 1.1 : q >= 64 ? 1.25 : q >= 8 ? 1.6 : 1.05;
    return (double)p->hout * ((double)q * (keys * (product * width + score) / rate + 330) +
                              blocks * 128 + convert + few + 260);
}

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  const struct attn__machine *m, struct state *st)
{
    int64_t pairs = 0, qd = 0, kd = 0, kdv = 0, qdv = 0;
    int64_t q = attn__min_i64(attn__max_i64(p->q, 1), MOST_ROWS), k = attn__max_i64(p->k, 1);
    s->ok = s->ok && attn__mul_i64(LEAST_ROWS, k, &pairs) && attn__mul_i64(q, p->d, &qd) &&
            attn__mul_i64(k, p->d, &kd) && attn__mul_i64(k, p->dv, &kdv) &&
            attn__mul_i64(q, p->dv, &qdv);
    /* rows * keys of any block: block_rows(k) * k is at most one of these */
    st->s = ATTN__TAKE(s, attn__max_i64(pairs, BLOCK_SCORES), float);
    st->q = ATTN__TAKE(s, qd, float);
    st->tq = attn__score_has_table(p) ? ATTN__TAKE(s, qd, float) : NULL;
    st->k = ATTN__TAKE(s, kd, float);
    st->v = ATTN__TAKE(s, kdv, float);
    st->o = ATTN__TAKE(s, qdv, float);
    st->m = ATTN__TAKE(s, q, float);
    st->l = ATTN__TAKE(s, q, float);
    st->lines = ATTN__TAKE(s, p->epilogue.head_gate ? q : 0, int64_t);
    attn__active_take(s, p, true, &st->active);
    st->col = ATTN__TAKE(s, p->want & ATTN_WANT_COLSUM ? k : 0, double);
    st->score = ATTN__TAKE(s, m->threads, struct attn__score_work);
    st->exact = ATTN__TAKE(s, m->threads, struct attn__row_scratch);
    for (int64_t n = 0; n < m->threads; n++) {
        struct attn__row_scratch w;
        struct attn__score_work score;
        attn__row_scratch_take(s, p, &w);
        attn__score_work_take(s, p, 1, ATTN__SCORE_RUN, &score);
        if (st->score)
            st->score[n] = score;
        if (st->exact)
            st->exact[n] = w;
    }
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct state st;
    carve(&s, p, m, &st);
    *bytes = s.used;
    return s.ok;
}

/* As attn__rows_f32, with row strides that BLAS takes. */
static const float *matrix(const struct attn__kernels *kern, const struct attn__rows *r, int64_t i0,
                           int64_t rows, int64_t n, float *room, int64_t *ld)
{
    if (r->row >= n && attn__blas_fits(r->row))
        return attn__rows_f32(kern, r, i0, rows, n, room, ld);
    attn__rows_to_f32(kern, r, i0, rows, 0, n, room, n);
    *ld = n;
    return room;
}

struct job {
    struct state *st;
    int64_t tasks, workers;
    void (*task)(struct state *st, int64_t worker, int64_t n);
};

/* Each worker takes every workers-th task. */
static void work(void *arg, int64_t worker)
{
    const struct job *job = arg;
    for (int64_t n = worker; n < job->tasks; n += job->workers)
        job->task(job->st, worker, n);
}

static void in_parallel(struct state *st, int64_t tasks,
                        void (*task)(struct state *, int64_t, int64_t))
{
    struct job job = {.st = st, .tasks = tasks, .task = task};
    job.workers = attn__min_i64(st->x->machine->threads, tasks);
    attn__threads_run(st->x->threads, job.workers, work, &job);
}

static void task_rows(struct state *st, int64_t worker, int64_t n)
{
    int64_t first = st->i0 + n * TASK_ROWS, end = attn__min_i64(first + TASK_ROWS, st->i1);
    const struct attn__call *c = st->x->call;
    const struct attn__score x = {
        c, st->x->machine->kern, st->seq, &st->vis, &st->score[worker], st->tq, st->i0};
    for (int64_t i = first; i < end; i++) {
        struct attn__score_row r = {&x, &st->vis, i, st->j0, st->j1, st->exact[worker].x};
        float *s = st->s + (i - st->i0) * (st->j1 - st->j0);
        attn__score_row_weights(&r, s, &st->m[i - st->i0], &st->l[i - st->i0]);
    }
}

static void task_finish(struct state *st, int64_t worker, int64_t n)
{
    int64_t r = n * TASK_ROWS, dv = st->x->call->p->dv;
    attn__finish_rows(st->without, st->x->machine->kern, st->seq, &st->vis, st->i0 + r,
                      attn__min_i64(TASK_ROWS, st->i1 - st->i0 - r), st->o + r * dv, dv,
                      st->m + r, st->l + r, &st->exact[worker], NULL);
}

static void task_colsum(struct state *st, int64_t worker, int64_t n)
{
    (void)worker;
    int64_t nk = st->seq->nk, end = attn__min_i64((n + 1) * TASK_KEYS, nk);
    for (int64_t i = 0; i < st->i1 - st->i0; i++)
        for (int64_t j = n * TASK_KEYS; j < end; j++)
            st->col[j] += st->s[i * nk + j];
}

/* Rows i0..i1-1 of Q as BLAS takes them. */
static const float *queries(struct state *st, const struct attn__rows *q, int64_t *ldq)
{
    const struct attn__call *c = st->x->call;
    const struct attn__kernels *kern = st->x->machine->kern;
    const struct attn__score x = {c, kern, st->seq, &st->vis, st->score, NULL, 0};
    int64_t rows = st->i1 - st->i0, d = c->p->d;
    bool own = c->p->score.own_rows;
    if (!own && !attn__qk_changes_q(c->p) && !st->vis.lines)
        return matrix(kern, q, st->i0, rows, d, st->q, ldq);
    *ldq = d;
    for (int64_t r = 0, n; r < rows; r += n) {
        n = st->vis.lines ? 1 : rows;
        attn__qk_load_q(&st->qk, kern, st->h, attn__vis_query(&st->vis, st->i0 + r), n,
                        st->q + r * d, d);
    }
    for (int64_t r = 0; r < rows && own; r++)
        attn__score_query(&x, st->i0 + r, st->q + r * d, st->tq ? st->tq + r * d : NULL);
    return st->q;
}

static int64_t slabs(int64_t keys)
{
    return (keys + SLAB - 1) / SLAB;
}

/* Rows i0..i1-1; for COUNTS, slabs are the tiles. */
static void block(struct state *st, const struct attn__rows *q, const float *k, int64_t ldk,
                  const float *v, int64_t ldv)
{
    const struct attn__problem *p = st->x->call->p;
    int64_t rows = st->i1 - st->i0, ldq;
    int64_t row_tasks = (rows + TASK_ROWS - 1) / TASK_ROWS;
    st->j0 = 0;
    st->j1 = st->seq->nk;
    if (!st->all_pairs)
        attn__vis_hull(&st->vis, st->i0, st->i1, &st->j0, &st->j1);
    int64_t keys = st->j1 - st->j0;
    attn__exec_did(st->x, rows * keys, slabs(keys), st->vis.lines ? 0 : slabs(st->seq->nk));
    if (keys > 0) {
        float scale = p->score.own_rows ? 1 : (float)p->scale;
        const float *qm = queries(st, q, &ldq);
        attn__blas_sgemm_nt(rows, keys, p->d, scale, qm, ldq, k + st->j0 * ldk, ldk, 0,
                            st->s, keys);
    }
    in_parallel(st, row_tasks, task_rows);
    if (keys == 0)
        memset(st->o, 0, (size_t)(rows * p->dv) * sizeof *st->o);
    for (int64_t j = 0; j < keys; j += SLAB)
        attn__blas_sgemm_nn(rows, p->dv, attn__min_i64(SLAB, keys - j), 1, st->s + j, keys,
                            v + (st->j0 + j) * ldv, ldv, j > 0, st->o, p->dv);
    if (st->x->call->has[ATTN__SLOT_COLSUM] && keys > 0)
        in_parallel(st, (keys + TASK_KEYS - 1) / TASK_KEYS, task_colsum);
    in_parallel(st, row_tasks, task_finish);
}

/* The head's active rows, gathered block by block. */
static void active_blocks(struct state *st, const struct attn__rows *q, const float *k,
                          int64_t ldk, const float *v, int64_t ldv)
{
    const struct attn__seq *s = st->seq;
    int64_t step = attn__exec_choice(st->x, s)->tiles.rows;
    int64_t all = attn__active_count(st->x, s, st->h);
    st->vis.lines = st->lines;
    attn__exec_did(st->x, 0, 0, (s->nq + step - 1) / step * slabs(s->nk));
    for (int64_t at = 0; at < all; at += st->i1) {
        st->i0 = 0;
        st->i1 = attn__min_i64(step, all - at);
        attn__active_lines(st->x, s, st->h, at, st->i1, st->lines);
        block(st, q, k, ldk, v, ldv);
    }
}

static void head(struct state *st)
{
    const struct attn__call *c = st->x->call;
    const struct attn__kernels *kern = st->x->machine->kern;
    const struct attn__seq *s = st->seq;
    struct attn__rows q = attn__call_q(c, s, st->h), k = attn__call_k(c, s, st->h);
    struct attn__rows v = attn__call_v(c, s, st->h);
    int64_t step = attn__exec_choice(st->x, s)->tiles.rows, ldk, ldv;
    bool colsum = c->has[ATTN__SLOT_COLSUM];
    if (!st->x->active && attn__epilogue_skips(c, s, st->h, 1)) {
        attn__rows_none(c, s, st->h);
        attn__exec_did(st->x, 0, 0, (s->nq + step - 1) / step * slabs(s->nk));
        return;
    }
    if (!st->x->active)
        attn__rows_pad(c, s, st->h);
    attn__call_vis_into(&st->vis, c, s, st->h, 1);
    for (int64_t j = 0; colsum && j < s->nk; j++)
        st->col[j] = 0;
    const float *km = st->k;
    ldk = c->p->d;
    st->qk = attn__qk_begin(c, s, st->exact[0].qk);
    if (attn__qk_changes_k(c->p))
        attn__qk_load_k(&st->qk, kern, st->h, &k, 0, s->nk, st->k, ldk);
    else
        km = matrix(kern, &k, 0, s->nk, c->p->d, st->k, &ldk);
    const float *vm = matrix(kern, &v, 0, s->nk, c->p->dv, st->v, &ldv);
    if (st->x->active)
        active_blocks(st, &q, km, ldk, vm, ldv);
    for (st->i0 = 0; st->i0 < s->nq && !st->x->active; st->i0 = st->i1) {
        st->i1 = attn__min_i64(st->i0 + step, s->nq);
        block(st, &q, km, ldk, vm, ldv);
    }
    if (colsum) {
        struct attn__rows out = attn__call_colsum(c, s, st->h);
        for (int64_t j = 0; j < s->nk; j++)
            attn__rows_store(&out, j, 0, st->col[j]);
    }
}

static void run(const struct attn__exec *x)
{
    const struct attn__problem *p = x->call->p;
    struct attn__scratch s = {.base = x->ws, .ok = true};
    struct attn__exec mine = *x;
    struct attn__call copy; /* is long: only where it is needed */
    struct state st = {.x = &mine, .without = x->call};
    carve(&s, p, x->machine, &st);
    if (x->call->has[ATTN__SLOT_COLSUM]) {
        copy = *x->call;
        copy.has[ATTN__SLOT_COLSUM] = false;
        st.without = &copy;
    }
    mine.active = attn__active_begin(x, &st.active);
    st.all_pairs = attn__score_row_all_pairs(p);
    for (int64_t n = 0; n < x->call->n_seq; n++) {
        struct attn__seq seq = attn__call_seq(x->call, n);
        if (!attn__exec_mine(x, &seq))
            continue;
        st.seq = &seq;
        for (st.h = 0; st.h < p->hout; st.h++)
            head(&st);
    }
}

const struct attn__solver attn__solver_gemm = {
    .name = "gemm",
    .verb = ATTN__VERB_ATTEND,
    .calls_blas = true,
    .applicable = applicable,
    .tiles = tiles,
    .more_tiles = more_tiles,
    .cost = cost,
    .workspace = workspace,
    .run = run,
};
