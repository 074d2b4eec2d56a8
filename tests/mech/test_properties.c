/* SPDX-License-Identifier: MIT */
/*
 * What must hold between executes: the promises of the headers about bits,
 * edges, memory and threads, for every solver.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

static const double NEAR = 3e-6;

/* Runs the body for every solver by name, and NULL, the planner's choice. */
#define FOR_EACH_SOLVER(name)                                                                     \
    for (size_t at_ = 0, go_ = 1; go_; go_ = attn_solver_at(at_) != NULL, at_++)                  \
        for (const char *name = attn_solver_at(at_), *once_ = ""; once_; once_ = NULL)

/* BLAS has its own mind about bits; every other solver keeps them. */
static bool keeps_bits(const char *solver)
{
    return !solver || strcmp(solver, "gemm") != 0;
}

static void same_bits(const struct dense *a, const float *out, const float *lse,
                      const char *solver, const char *what)
{
    const char *name = solver ? solver : "(chosen)";
    ck_assert_msg(memcmp(a->out, out, a->n_out * sizeof *out) == 0, "out of %s: %s", name, what);
    ck_assert_msg(memcmp(a->lse, lse, a->n_lse * sizeof *lse) == 0, "lse of %s: %s", name, what);
}

struct copy {
    float *out, *lse;
};

static struct copy copy_of(const struct dense *x)
{
    struct copy c = {malloc(x->n_out * sizeof(float) + 1), malloc(x->n_lse * sizeof(float) + 1)};
    memcpy(c.out, x->out, x->n_out * sizeof(float));
    memcpy(c.lse, x->lse, x->n_lse * sizeof(float));
    return c;
}

static void copy_free(struct copy c)
{
    free(c.out);
    free(c.lse);
}

/* ---- equations between results ---- */

START_TEST(split_and_merge)
{
    attn_ctx *ctx = dense_ctx(2);
    FOR_EACH_SOLVER(solver) {
        struct dense x;
        dense_make(&x, 2, 4, 2, 9, 300, 24, 20);
        if (!dense_run(ctx, "softmax b=2 h=4/2 q=9 k=300 d=24/20", solver, &x)) {
            dense_free(&x);
            continue;
        }
        struct copy whole = copy_of(&x), part[3];
        attn_tensor out[3], lse[3], k = *dense_view(&x, ATTN_ROLE_K);
        attn_tensor v = *dense_view(&x, ATTN_ROLE_V);
        static const int64_t cut[4] = {0, 137, 137, 300};
        for (int n = 0; n < 3; n++) {
            attn_tensor *tk = dense_view(&x, ATTN_ROLE_K), *tv = dense_view(&x, ATTN_ROLE_V);
            *tk = k;
            *tv = v;
            tk->shape[2] = tv->shape[2] = cut[n + 1] - cut[n];
            tk->data = x.k + cut[n] * x.d;
            tv->data = x.v + cut[n] * x.dv;
            dense_clear(&x);
            ck_assert(dense_run(ctx, "softmax b=2 h=4/2 q=9 k=300 d=24/20", solver, &x));
            part[n] = copy_of(&x);
            out[n] = *dense_view(&x, ATTN_ROLE_OUT);
            lse[n] = *dense_view(&x, ATTN_ROLE_LSE);
            out[n].data = part[n].out;
            lse[n].data = part[n].lse;
        }
        dense_clear(&x);
        ck_assert_int_eq(attn_merge(3, out, lse, dense_view(&x, ATTN_ROLE_OUT),
                                    dense_view(&x, ATTN_ROLE_LSE)),
                         ATTN_OK);
        ck_assert_double_lt(dense_distance(whole.out, x.out, x.n_out), NEAR);
        ck_assert_double_lt(dense_distance(whole.lse, x.lse, x.n_lse), NEAR);
        for (int n = 0; n < 3; n++)
            copy_free(part[n]);
        copy_free(whole);
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(permuted_heads)
{
    attn_ctx *ctx = dense_ctx(2);
    static const int64_t from[6] = {4, 0, 5, 2, 1, 3};
    FOR_EACH_SOLVER(solver) {
        struct dense x;
        dense_make(&x, 1, 6, 3, 11, 70, 16, 8);
        if (dense_run(ctx, "softmax h=6/3 q=11 k=70 d=16/8 causal", solver, &x)) {
            struct copy plain = copy_of(&x);
            size_t rows = 11, head = rows * 8;
            ck_assert(dense_run(ctx,
                                "softmax h=6/3 q=11 k=70 d=16/8 q_head=[4,0,5,2,1,3] "
                                "kv_head=[2,0,2,1,0,1] causal",
                                solver, &x));
            for (size_t h = 0; h < 6; h++) {
                size_t old = (size_t)from[h];
                ck_assert_double_lt(dense_distance(plain.out + old * head, x.out + h * head, head),
                                    NEAR);
                ck_assert_double_lt(
                    dense_distance(plain.lse + old * rows, x.lse + h * rows, rows), NEAR);
            }
            copy_free(plain);
        }
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* The last row of a causal prefill is a decode step. */
START_TEST(decode_is_last_row)
{
    attn_ctx *ctx = dense_ctx(1);
    FOR_EACH_SOLVER(solver) {
        struct dense x, y;
        dense_make(&x, 1, 4, 2, 65, 65, 32, 32);
        dense_make(&y, 1, 4, 2, 1, 65, 32, 32);
        memcpy(y.k, x.k, sizeof(float) * 2 * 65 * 32);
        memcpy(y.v, x.v, sizeof(float) * 2 * 65 * 32);
        for (int h = 0; h < 4; h++)
            memcpy(y.q + h * 32, x.q + (h * 65 + 64) * 32, sizeof(float) * 32);
        const char *text = "softmax h=4/2 q=65 k=65 d=32 causal window=40,inf";
        if (dense_run(ctx, text, solver, &x)) {
            ck_assert(dense_run(ctx, text, solver, &y));
            for (int h = 0; h < 4; h++)
                ck_assert_double_lt(
                    dense_distance(x.out + (h * 65 + 64) * 32, y.out + h * 32, 32), NEAR);
        }
        dense_free(&x);
        dense_free(&y);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- the same bits ---- */

struct shape {
    int64_t b, hq, hk, nq, nk, d;
    int32_t q_len[4], k_len[4];
    const char *options;
};

/* Lengths such that key chunks are shared between workers, tiles are ragged
 * and classes differ inside a batch. */
static const struct shape shapes[] = {
    {4, 4, 2, 3, 3300, 16, {3, 1, 0, 2}, {3300, 2049, 700, 0}, "causal"},
    {3, 6, 2, 70, 300, 20, {70, 17, 33}, {300, 120, 40}, "causal window=90,inf sink_tokens=3"},
    {4, 8, 1, 1, 5000, 8, {1, 1, 1, 1}, {5000, 1024, 1025, 3000}, "alibi"},
    {2, 3, 3, 140, 200, 33, {140, 129}, {200, 7}, "softcap=8 prefix=5 causal"},
};

static void text_of(const struct shape *s, int64_t b, char *text, size_t len)
{
    snprintf(text, len, "softmax b=%d h=%d/%d q=%d k=%d d=%d blas=never %s", (int)b, (int)s->hq,
             (int)s->hk, (int)s->nq, (int)s->nk, (int)s->d, s->options);
}

START_TEST(threads_keep_bits)
{
    static const int64_t threads[] = {2, 3, 7};
    for (size_t n = 0; n < sizeof shapes / sizeof shapes[0]; n++) {
        const struct shape *s = &shapes[n];
        char text[200];
        text_of(s, s->b, text, sizeof text);
        FOR_EACH_SOLVER(solver) {
            struct dense x;
            attn_ctx *ctx = dense_ctx(1);
            dense_make(&x, s->b, s->hq, s->hk, s->nq, s->nk, s->d, s->d);
            dense_list(&x, ATTN_ROLE_Q_LEN, s->q_len, s->b);
            dense_list(&x, ATTN_ROLE_K_LEN, s->k_len, s->b);
            if (keeps_bits(solver) && dense_run(ctx, text, solver, &x)) {
                struct copy one = copy_of(&x);
                for (int t = 0; t < 3; t++) {
                    attn_ctx *many = dense_ctx(threads[t]);
                    dense_clear(&x);
                    ck_assert(dense_run(many, text, solver, &x));
                    same_bits(&x, one.out, one.lse, solver, text);
                    attn_ctx_destroy(many);
                }
                copy_free(one);
            }
            dense_free(&x);
            attn_ctx_destroy(ctx);
        }
    }
}
END_TEST

/* Sequence n of x alone, with the tensors cut to its lengths or not. */
static void view_one(struct dense *x, const struct shape *s, int64_t n, bool cut)
{
    static const int32_t roles[] = {ATTN_ROLE_Q, ATTN_ROLE_K, ATTN_ROLE_V, ATTN_ROLE_OUT,
                                    ATTN_ROLE_LSE};
    for (int r = 0; r < 5; r++) {
        attn_tensor *t = dense_view(x, roles[r]);
        t->data = (float *)t->data + n * t->stride[0];
        t->shape[0] = 1;
        if (cut)
            t->shape[2] = roles[r] == ATTN_ROLE_K || roles[r] == ATTN_ROLE_V ? s->k_len[n]
                                                                             : s->q_len[n];
    }
    if (cut) {
        x->n = 5;
        return;
    }
    for (int r = 0; r < 2; r++) {
        attn_tensor *t = dense_view(x, r == 0 ? ATTN_ROLE_Q_LEN : ATTN_ROLE_K_LEN);
        t->data = (int32_t *)t->data + n;
        t->shape[0] = 1;
    }
}

static void close_batch(const struct shape *s, const char *solver, bool cut)
{
    char text[200], one[200];
    struct dense x;
    attn_ctx *ctx = dense_ctx(2);
    text_of(s, s->b, text, sizeof text);
    text_of(s, 1, one, sizeof one);
    dense_make(&x, s->b, s->hq, s->hk, s->nq, s->nk, s->d, s->d);
    dense_list(&x, ATTN_ROLE_Q_LEN, s->q_len, s->b);
    dense_list(&x, ATTN_ROLE_K_LEN, s->k_len, s->b);
    if (dense_run(ctx, text, solver, &x)) {
        struct copy all = copy_of(&x);
        dense_clear(&x);
        for (int64_t n = 0; n < s->b; n++) {
            struct dense y = x;
            for (size_t a = 0; a < y.n; a++)
                y.arg[a].object = &y.t[a];
            view_one(&y, s, n, cut);
            ck_assert(dense_run(ctx, one, solver, &y));
        }
        /* without Q_LEN the padding rows are not part of the execute */
        for (size_t i = 0; cut && i < x.n_lse; i++)
            if (isnan(x.lse[i])) {
                ck_assert_float_eq(all.lse[i], -INFINITY);
                x.lse[i] = -INFINITY;
                memset(x.out + i * (size_t)x.dv, 0, (size_t)x.dv * sizeof(float));
            }
        same_bits(&x, all.out, all.lse, solver, text);
        copy_free(all);
    }
    dense_free(&x);
    attn_ctx_destroy(ctx);
}

START_TEST(batch_keeps_bits)
{
    for (size_t n = 0; n < sizeof shapes / sizeof shapes[0]; n++)
        FOR_EACH_SOLVER(solver)
            for (int cut = 0; cut < 2 && keeps_bits(solver); cut++)
                close_batch(&shapes[n], solver, cut != 0);
}
END_TEST

/* A packed batch gives the bits of its sequences one by one. */
START_TEST(packed_keeps_bits)
{
    enum { S = 4, H = 4, D = 16 };
    static const int32_t q_at[S + 1] = {0, 3, 3, 40, 41}, k_at[S + 1] = {0, 2500, 2600, 2650, 5000};
    attn_ctx *ctx = dense_ctx(3);
    FOR_EACH_SOLVER(solver) {
        struct dense x;
        dense_make(&x, 1, H, 2, q_at[S], k_at[S], D, D);
        dense_list(&x, ATTN_ROLE_Q_OFFSETS, q_at, S + 1);
        dense_list(&x, ATTN_ROLE_K_OFFSETS, k_at, S + 1);
        if (keeps_bits(solver) &&
            dense_run(ctx, "softmax b=4 h=4/2 q=50 k=3000 d=16 packed causal blas=never", solver,
                      &x)) {
            struct copy all = copy_of(&x);
            dense_clear(&x);
            for (int n = 0; n < S; n++) {
                struct dense y = x;
                y.n = 5;
                for (size_t a = 0; a < y.n; a++) {
                    bool keys = a == 1 || a == 2;
                    const int32_t *at = keys ? k_at : q_at;
                    y.arg[a].object = &y.t[a];
                    y.t[a].shape[2] = at[n + 1] - at[n];
                    y.t[a].data = (float *)y.t[a].data + at[n] * y.t[a].stride[2];
                }
                ck_assert(dense_run(ctx, "softmax b=1 h=4/2 q=50 k=3000 d=16 causal blas=never",
                                    solver, &y));
            }
            same_bits(&x, all.out, all.lse, solver, "packed");
            copy_free(all);
        }
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

static const char *solver_line(const attn_plan *plan, int64_t q, int64_t k, char *buf, size_t len)
{
    ck_assert_int_eq(attn_plan_describe(plan, q, k, buf, len, NULL), ATTN_OK);
    char *line = strstr(buf, "solver: ");
    ck_assert_ptr_nonnull(line);
    line[strcspn(line, "\n")] = 0;
    return line;
}

/* k=inf gives the bits of a finite k wherever the same solver and tiles run;
 * so does the caller's workspace. */
START_TEST(plans_keep_bits)
{
    static const int64_t q[] = {1, 5, 40}, k[] = {30, 900, 3000};
    attn_ctx *ctx = dense_ctx(2);
    FOR_EACH_SOLVER(solver) {
        attn_plan *bound = dense_plan(ctx, "softmax h=2 q=64 k=4000 d=32 causal", solver);
        attn_plan *open = dense_plan(ctx, "softmax h=2 q=64 k=inf d=32 causal", solver);
        for (int n = 0; n < 9 && bound && open; n++) {
            char a[4096], b[4096];
            struct dense x;
            int64_t nq = q[n / 3], nk = k[n % 3];
            dense_make(&x, 1, 2, 2, nq, nk, 32, 32);
            ck_assert_int_eq(attn_plan_execute(bound, x.arg, x.n, NULL, 0), ATTN_OK);
            struct copy first = copy_of(&x);
            size_t bytes, align;
            attn_plan_workspace(bound, &bytes, &align);
            char *ws = malloc(bytes + align), *aligned = ws;
            memset(ws, 0xFF, bytes + align);
            aligned += (align - (uintptr_t)ws % align) % align;
            dense_clear(&x);
            ck_assert_int_eq(attn_plan_execute(bound, x.arg, x.n, aligned, bytes), ATTN_OK);
            same_bits(&x, first.out, first.lse, solver, "own and given workspace");
            free(ws);
            if (keeps_bits(attn_plan_solver(bound, nq, nk)) &&
                strcmp(solver_line(bound, nq, nk, a, sizeof a),
                       solver_line(open, nq, nk, b, sizeof b)) == 0) {
                dense_clear(&x);
                ck_assert_int_eq(attn_plan_execute(open, x.arg, x.n, NULL, 0), ATTN_OK);
                same_bits(&x, first.out, first.lse, solver, "k=inf");
            }
            copy_free(first);
            dense_free(&x);
        }
        attn_plan_destroy(bound);
        attn_plan_destroy(open);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- somebody else's threads ---- */

struct task {
    void (*fn)(void *arg, int64_t i);
    void *arg;
    int64_t i;
};

static void run_backwards(void *user, int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    ++*(int *)user;
    while (n-- > 0)
        fn(arg, n);
}

static void *task_main(void *arg)
{
    const struct task *t = arg;
    t->fn(t->arg, t->i);
    return NULL;
}

/* A new thread for every task, all at once, the last first. */
static void run_on_strangers(void *user, int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    pthread_t id[64];
    struct task task[64];
    ++*(int *)user;
    ck_assert_int_le(n, 64);
    for (int64_t i = n - 1; i >= 0; i--) {
        task[i] = (struct task){fn, arg, i};
        ck_assert_int_eq(pthread_create(&id[i], NULL, task_main, &task[i]), 0);
    }
    for (int64_t i = 0; i < n; i++)
        pthread_join(id[i], NULL);
}

START_TEST(user_parallel_keeps_bits)
{
    void (*const run[])(void *, int64_t, void (*)(void *, int64_t), void *) = {run_backwards,
                                                                              run_on_strangers};
    const char *text = "softmax b=2 h=4/2 q=20 k=4100 d=24 causal blas=never";
    FOR_EACH_SOLVER(solver) {
        struct dense x;
        attn_ctx *ctx = dense_ctx(1);
        dense_make(&x, 2, 4, 2, 20, 4100, 24, 24);
        if (keeps_bits(solver) && dense_run(ctx, text, solver, &x)) {
            struct copy one = copy_of(&x);
            for (int n = 0; n < 2; n++) {
                int calls = 0;
                attn_parallel hook = {
                    .size = sizeof hook, .user = &calls, .threads = 5, .run = run[n]};
                attn_ctx *other = dense_ctx(1);
                ck_assert_int_eq(attn_ctx_set_parallel(other, &hook), ATTN_OK);
                dense_clear(&x);
                ck_assert(dense_run(other, text, solver, &x));
                ck_assert_int_gt(calls, 0);
                same_bits(&x, one.out, one.lse, solver, "user threads");
                attn_ctx_destroy(other);
            }
            copy_free(one);
        }
        dense_free(&x);
        attn_ctx_destroy(ctx);
    }
}
END_TEST

struct caller {
    const attn_plan *plan;
    struct dense x;
    bool own;
    int32_t status;
};

static void *caller_main(void *arg)
{
    struct caller *c = arg;
    size_t bytes, align;
    attn_plan_workspace(c->plan, &bytes, &align);
    void *ws = NULL;
    if (c->own && posix_memalign(&ws, align, bytes) != 0)
        return NULL;
    for (int n = 0; n < 8 && c->status == ATTN_OK; n++) {
        dense_clear(&c->x);
        c->status = attn_plan_execute(c->plan, c->x.arg, c->x.n, ws, ws ? bytes : 0);
    }
    free(ws);
    return NULL;
}

START_TEST(four_callers_one_plan)
{
    attn_ctx *ctx = dense_ctx(2);
    FOR_EACH_SOLVER(solver) {
        attn_plan *plan = dense_plan(ctx, "softmax h=4/2 q=30 k=2500 d=16 executors=4 blas=never",
                                     solver);
        for (int own = 0; own < 2 && plan; own++) {
            struct caller c[4];
            struct dense x;
            pthread_t id[4];
            dense_make(&x, 1, 4, 2, 30, 2500, 16, 16);
            ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_OK);
            for (int n = 0; n < 4; n++) {
                c[n] = (struct caller){.plan = plan, .own = own != 0};
                dense_make(&c[n].x, 1, 4, 2, 30, 2500, 16, 16);
                for (size_t a = 0; a < c[n].x.n; a++)
                    c[n].x.arg[a].object = &c[n].x.t[a];
                pthread_create(&id[n], NULL, caller_main, &c[n]);
            }
            for (int n = 0; n < 4; n++) {
                pthread_join(id[n], NULL);
                ck_assert_int_eq(c[n].status, ATTN_OK);
                same_bits(&c[n].x, x.out, x.lse, solver, "four callers");
                dense_free(&c[n].x);
            }
            dense_free(&x);
        }
        attn_plan_destroy(plan);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* A parallel-for that waits inside until it is let go. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside, open;
};

static void run_gated(void *user, int64_t n, void (*fn)(void *arg, int64_t i), void *arg)
{
    struct gate *g = user;
    pthread_mutex_lock(&g->lock);
    g->inside = true;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
    for (int64_t i = 0; i < n; i++)
        fn(arg, i);
}

struct holder {
    const attn_plan *plan;
    struct dense *x;
    int32_t status;
};

static void *holder_main(void *arg)
{
    struct holder *h = arg;
    h->status = attn_plan_execute(h->plan, h->x->arg, h->x->n, NULL, 0);
    return NULL;
}

START_TEST(busy)
{
    struct gate g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    attn_parallel hook = {.size = sizeof hook, .user = &g, .threads = 2, .run = run_gated};
    attn_ctx *ctx = dense_ctx(1);
    struct dense x, y;
    pthread_t id;
    ck_assert_int_eq(attn_ctx_set_parallel(ctx, &hook), ATTN_OK);
    attn_plan *plan = dense_plan(ctx, "softmax h=2 q=40 k=40 d=8 executors=1", "flash");
    dense_make(&x, 1, 2, 2, 40, 40, 8, 8);
    dense_make(&y, 1, 2, 2, 40, 40, 8, 8);
    struct holder h = {plan, &x, -1};
    pthread_create(&id, NULL, holder_main, &h);
    pthread_mutex_lock(&g.lock);
    while (!g.inside)
        pthread_cond_wait(&g.changed, &g.lock);
    pthread_mutex_unlock(&g.lock);
    ck_assert_int_eq(attn_plan_execute(plan, y.arg, y.n, NULL, 0), ATTN_ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(dense_error(), "executors"));
    ck_assert(isnan(y.out[0]));
    pthread_mutex_lock(&g.lock);
    g.open = true;
    pthread_cond_broadcast(&g.changed);
    pthread_mutex_unlock(&g.lock);
    pthread_join(id, NULL);
    ck_assert_int_eq(h.status, ATTN_OK);
    ck_assert_int_eq(attn_plan_execute(plan, y.arg, y.n, NULL, 0), ATTN_OK);
    same_bits(&y, x.out, x.lse, "flash", "after busy");
    dense_free(&x);
    dense_free(&y);
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- memory ---- */

START_TEST(in_place)
{
    static const char *const texts[] = {"softmax b=2 h=4/2 q=70 k=90 d=24 causal",
                                        "softmax b=2 h=4/2 q=3 k=2200 d=24",
                                        "softmax b=2 h=4/2 q=70 k=1500 d=24 alibi"};
    static const int64_t nq[] = {70, 3, 70}, nk[] = {90, 2200, 1500};
    attn_ctx *ctx = dense_ctx(2);
    for (int n = 0; n < 3; n++)
        FOR_EACH_SOLVER(solver) {
            struct dense x;
            dense_make(&x, 2, 4, 2, nq[n], nk[n], 24, 24);
            /* a row that the exact path redoes must still find its query */
            x.v[5] = NAN;
            x.v[2 * nk[n] * 24 + 24 * (nk[n] - 1)] = INFINITY;
            if (dense_run(ctx, texts[n], solver, &x)) {
                struct copy apart = copy_of(&x);
                dense_view(&x, ATTN_ROLE_OUT)->data = x.q;
                ck_assert(dense_run(ctx, texts[n], solver, &x));
                ck_assert_double_lt(dense_distance(apart.out, x.q, x.n_out),
                                    keeps_bits(solver) ? 1e-30 : NEAR);
                copy_free(apart);
            }
            dense_free(&x);
        }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(oneshot_is_the_plan)
{
    attn_ctx *ctx = dense_ctx(2);
    struct dense x;
    dense_make(&x, 2, 4, 2, 33, 129, 40, 40);
    ck_assert(dense_run(ctx, "softmax b=2 h=4/2 q=33 k=129 d=40 causal", NULL, &x));
    struct copy planned = copy_of(&x);
    dense_clear(&x);
    ck_assert_int_eq(attn_softmax_f32(ctx, 2, 4, 2, 33, 129, 40, 1, x.q, x.k, x.v, x.out),
                     ATTN_OK);
    ck_assert_mem_eq(planned.out, x.out, x.n_out * sizeof(float));
    copy_free(planned);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* ---- edges ---- */

/* Rows that see a NaN are NaN; those that do not are as without it, also in
 * the same tile. key: NaN in K; else one NaN or Inf element in V. */
static void check_poison(attn_ctx *ctx, const char *solver, const char *text, int64_t nq,
                         int64_t nk, int64_t at, float poison, bool key,
                         bool (*sees)(int64_t i, int64_t j))
{
    enum { D = 16, E = 5 };
    struct dense x;
    dense_make(&x, 1, 2, 1, nq, nk, D, D);
    if (!dense_run(ctx, text, solver, &x)) {
        dense_free(&x);
        return;
    }
    struct copy clean = copy_of(&x);
    (key ? x.k : x.v)[at * D + E] = poison;
    dense_clear(&x);
    ck_assert(dense_run(ctx, text, solver, &x));
    for (int64_t r = 0; r < 2 * nq; r++) {
        bool seen = sees(r % nq, at);
        for (int64_t e = 0; e < D; e++) {
            float got = x.out[r * D + e], want = clean.out[r * D + e];
            if (seen && (key || e == E))
                ck_assert_msg(isnan(poison) ? isnan(got) : got == poison,
                              "%s: row %d column %d is %g", text, (int)r, (int)e, (double)got);
            else
                ck_assert_msg(fabsf(got - want) <= 1e-5f, "%s: row %d column %d is %g not %g",
                              text, (int)r, (int)e, (double)got, (double)want);
        }
        if (seen && key)
            ck_assert(isnan(x.lse[r]));
        else
            ck_assert_float_eq_tol(x.lse[r], clean.lse[r], 1e-5f);
    }
    copy_free(clean);
    dense_free(&x);
}

static bool sees_causal(int64_t i, int64_t j)
{
    return j <= i + 60;
}

static bool sees_window(int64_t i, int64_t j)
{
    return j >= i + 60 - 7 && j <= i + 60 + 2;
}

static bool sees_nothing(int64_t i, int64_t j)
{
    (void)i;
    (void)j;
    return false;
}

START_TEST(poison_reaches_who_sees_it)
{
    static const float poison[] = {NAN, INFINITY, -INFINITY};
    attn_ctx *ctx = dense_ctx(2);
    FOR_EACH_SOLVER(solver)
        for (int n = 0; n < 3; n++)
            for (int64_t at = 0; at < 100; at += 13) {
                const char *causal = "softmax h=2/1 q=40 k=100 d=16 causal";
                const char *window = "softmax h=2/1 q=40 k=100 d=16 window=7,2";
                check_poison(ctx, solver, causal, 40, 100, at, poison[n], false, sees_causal);
                check_poison(ctx, solver, window, 40, 100, at, poison[n], false, sees_window);
                if (n > 0)
                    continue;
                check_poison(ctx, solver, causal, 40, 100, at, NAN, true, sees_causal);
                check_poison(ctx, solver, window, 40, 100, at, NAN, true, sees_window);
            }
    /* few rows, many keys; strictly past, so that the last key is seen by nobody */
    FOR_EACH_SOLVER(solver)
        for (int n = 0; n < 3; n++)
            for (int key = 0; key < 2; key++)
                check_poison(ctx, solver, "softmax h=2/1 q=1 k=2100 d=16 window=inf,-1", 1, 2100,
                             2099, poison[n], key != 0, sees_nothing);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Key j is shown to row i by a mask alone. */
START_TEST(poison_behind_mask)
{
    enum { NQ = 20, NK = 70, D = 8 };
    attn_ctx *ctx = dense_ctx(1);
    FOR_EACH_SOLVER(solver) {
        struct dense x;
        int64_t shape[4] = {1, 1, NQ, NK};
        dense_make(&x, 1, 2, 2, NQ, NK, D, D);
        unsigned char *mask = dense_add(&x, ATTN_ROLE_MASK, ATTN_DTYPE_BOOL, 4, shape, NULL)->data;
        for (int i = 0; i < NQ * NK; i++)
            mask[i] = (i / NK + i % NK) % 3 != 0;
        if (dense_run(ctx, "softmax h=2 q=20 k=70 d=8 mask", solver, &x)) {
            struct copy clean = copy_of(&x);
            for (int e = 0; e < D; e++)
                x.k[31 * D + e] = x.v[31 * D + e] = NAN; /* key 31 of head 0 */
            ck_assert(dense_run(ctx, "softmax h=2 q=20 k=70 d=8 mask", solver, &x));
            for (int r = 0; r < 2 * NQ; r++) {
                bool seen = r < NQ && mask[r * NK + 31];
                for (int e = 0; e < D; e++)
                    ck_assert(seen ? isnan(x.out[r * D + e])
                                   : fabsf(x.out[r * D + e] - clean.out[r * D + e]) < 1e-5f);
            }
            copy_free(clean);
        }
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(empty_rows)
{
    enum { NQ = 50, NK = 30, D = 8 };
    static float sinks[2] = {1.5f, -INFINITY};
    attn_ctx *ctx = dense_ctx(2);
    FOR_EACH_SOLVER(solver)
        for (int sink = 0; sink < 2; sink++) {
            struct dense x;
            int64_t two = 2, rows[3] = {1, 2, NQ};
            const char *text = sink ? "softmax h=2 q=50 k=30 d=8 causal sink_logits"
                                    : "softmax h=2 q=50 k=30 d=8 causal";
            const char *more = sink ? "softmax h=2 q=50 k=30 d=8 causal sink_logits "
                                      "want=rowmax,entropy"
                                    : "softmax h=2 q=50 k=30 d=8 causal want=rowmax,entropy";
            dense_make(&x, 1, 2, 2, NQ, NK, D, D);
            if (sink)
                dense_add(&x, ATTN_ROLE_SINK_LOGITS, ATTN_DTYPE_F32, 1, &two, sinks);
            for (int want = 0; want < 2; want++) {
                if (want) {
                    dense_add(&x, ATTN_ROLE_ROWMAX, ATTN_DTYPE_F32, 3, rows, NULL);
                    dense_add(&x, ATTN_ROLE_ENTROPY, ATTN_DTYPE_F32, 3, rows, NULL);
                }
                dense_clear(&x);
                if (!dense_run(ctx, want ? more : text, solver, &x))
                    continue;
                for (int r = 0; r < 2 * NQ; r++) {
                    /* the first 20 rows lie before the first key */
                    bool empty = r % NQ < NQ - NK;
                    for (int e = 0; e < D && empty; e++)
                        ck_assert_float_eq(x.out[r * D + e], 0);
                    if (empty && sink && r < NQ)
                        ck_assert_float_eq_tol(x.lse[r], 1.5f, 1e-6f);
                    else if (empty)
                        ck_assert_float_eq(x.lse[r], -INFINITY);
                    else
                        ck_assert(isfinite(x.lse[r]));
                    if (empty && want) {
                        const float *max = dense_view(&x, ATTN_ROLE_ROWMAX)->data;
                        const float *entropy = dense_view(&x, ATTN_ROLE_ENTROPY)->data;
                        ck_assert_float_eq(max[r], -INFINITY);
                        ck_assert_float_eq(entropy[r], 0);
                    }
                }
            }
            dense_free(&x);
        }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(infinite_bias)
{
    enum { NQ = 9, NK = 40, D = 8 };
    attn_ctx *ctx = dense_ctx(1);
    FOR_EACH_SOLVER(solver) {
        struct dense x;
        int64_t shape[4] = {1, 1, NQ, NK};
        dense_make(&x, 1, 1, 1, NQ, NK, D, D);
        float *bias = dense_add(&x, ATTN_ROLE_BIAS, ATTN_DTYPE_F32, 4, shape, NULL)->data;
        const char *text = "softmax h=1 q=9 k=40 d=8 bias";
        if (dense_run(ctx, text, solver, &x)) {
            struct copy clean = copy_of(&x);
            for (int j = 0; j < NK; j++)
                bias[2 * NK + j] = -INFINITY;      /* row 2 sees nothing */
            bias[4 * NK + 7] = INFINITY;           /* row 4 is lost */
            bias[5 * NK + 39] = -INFINITY;         /* weight exactly 0 */
            ck_assert(dense_run(ctx, text, solver, &x));
            for (int i = 0; i < NQ; i++) {
                for (int e = 0; e < D; e++) {
                    float got = x.out[i * D + e];
                    ck_assert(i == 2   ? got == 0
                              : i == 4 ? isnan(got)
                              : i == 5 ? isfinite(got)
                                       : fabsf(got - clean.out[i * D + e]) < 1e-5f);
                }
                ck_assert(i == 2 ? x.lse[i] == -INFINITY : i == 4 ? isnan(x.lse[i]) : true);
            }
            /* what has weight 0 is not read: its V may be NaN */
            for (int i = 0; i < NQ; i++)
                bias[i * NK + 39] = -INFINITY;
            for (int e = 0; e < D; e++)
                x.v[39 * D + e] = NAN;
            ck_assert(dense_run(ctx, text, solver, &x));
            for (int e = 0; e < D; e++)
                ck_assert(isfinite(x.out[5 * D + e]));
            copy_free(clean);
        }
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Without check=data a NaN among the sinks makes its row NaN, in every solver. */
START_TEST(nan_sink)
{
    static float sinks[2] = {NAN, 0};
    int64_t two = 2;
    attn_ctx *ctx = dense_ctx(1);
    FOR_EACH_SOLVER(solver) {
        struct dense x;
        dense_make(&x, 1, 2, 2, 6, 12, 8, 8);
        dense_add(&x, ATTN_ROLE_SINK_LOGITS, ATTN_DTYPE_F32, 1, &two, sinks);
        if (dense_run(ctx, "softmax h=2 q=6 k=12 d=8 sink_logits causal", solver, &x))
            for (int i = 0; i < 12; i++) {
                ck_assert(i < 6 ? isnan(x.lse[i]) : isfinite(x.lse[i]));
                ck_assert(i < 6 ? isnan(x.out[i * 8 + 1]) : isfinite(x.out[i * 8 + 1]));
            }
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(zero_lengths)
{
    static const int64_t nq[] = {0, 5, 0, 40}, nk[] = {7, 0, 0, 0};
    attn_ctx *ctx = dense_ctx(2);
    FOR_EACH_SOLVER(solver)
        for (int n = 0; n < 4; n++)
            for (int b = 0; b < 3; b++) {
                struct dense x;
                dense_make(&x, b, 2, 2, nq[n], nk[n], 8, 8);
                for (int r = 0; r < 5; r++) /* nothing to point at */
                    for (int d = 0; d < x.t[r].rank; d++)
                        if (x.t[r].shape[d] == 0)
                            x.t[r].data = NULL;
                if (dense_run(ctx, "softmax b=2 h=2 q=40 k=7 d=8 causal", solver, &x))
                    for (size_t i = 0; i < x.n_lse; i++) {
                        ck_assert_float_eq(x.lse[i], -INFINITY);
                        ck_assert_float_eq(x.out[i * 8], 0);
                    }
                dense_free(&x);
            }
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("properties", split_and_merge, permuted_heads, decode_is_last_row, threads_keep_bits,
          batch_keeps_bits, packed_keeps_bits, plans_keep_bits, user_parallel_keeps_bits,
          four_callers_one_plan, busy, in_place, oneshot_is_the_plan, poison_reaches_who_sees_it,
          poison_behind_mask, empty_rows, infinite_bias, nan_sink, zero_lengths)
