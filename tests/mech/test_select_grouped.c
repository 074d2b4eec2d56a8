/* SPDX-License-Identifier: MIT */
/*
 * Properties and bad input of hyper and routing (src/mech/hyper.c, routing.c;
 * src/solvers/hyper_level.c, hyper_lists.c, map_clusters.c, map_order.c), which group queries as
 * well as keys and whose numbers are those of golden files.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

enum { B = 2, H = 4, N = 96, D = 16, BITS = 5, CLUSTERS = 4 };

#define SELF "b=2 h=4 q=96 k=96 d=16 "
#define HYPER "hyper " SELF "hyper_bits=5 hyper_least=12 hyper_block=8 "
#define ROUTING "routing " SELF "routing_clusters=4 routing_window=30 "

/* A tensor of random numbers. */
static float *numbers(struct dense *x, int32_t role, int32_t rank, const int64_t *shape)
{
    struct rng r = {(uint64_t)role};
    float *f = dense_add(x, role, ATTN_DTYPE_F32, rank, shape, NULL)->data;
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        n *= shape[i];
    for (int64_t i = 0; i < n; i++)
        f[i] = (float)rng_normal(&r);
    return f;
}

/* Each key once, in some order. */
static void give_samples(struct dense *x, int64_t n)
{
    int32_t *ids =
        dense_add(x, ATTN_ROLE_SAMPLES, ATTN_DTYPE_I32, 3, (int64_t[]){1, 1, n}, NULL)->data;
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)(i * 7 % n); /* 7 has no factor of 96 */
}

/* The tensors that a problem takes. */
static void make_sized(struct dense *x, const char *text, int64_t b, int64_t nq, int64_t nk)
{
    const char *given = strstr(text, "hyper_samples=");
    int samples = 0, clusters = CLUSTERS;
    dense_make(x, b, H, H, nq, nk, D, D);
    if (strstr(text, "hyper "))
        numbers(x, ATTN_ROLE_PROJECTIONS, 2,
                (int64_t[]){D, strstr(text, "hyper_bits=9") ? 9 : BITS});
    if (strstr(text, "hyper_given") && given && sscanf(given, "hyper_samples=%d", &samples) == 1)
        give_samples(x, samples);
    if (!strstr(text, "routing"))
        return;
    dense_drop(x, 1); /* lse: a mean has none */
    sscanf(strstr(text, "routing_clusters"), "routing_clusters=%d", &clusters);
    numbers(x, ATTN_ROLE_CENTROIDS, 3, (int64_t[]){H, clusters, D});
}

static void make(struct dense *x, const char *text)
{
    make_sized(x, text, B, N, N);
}

static void same(const struct dense *a, const struct dense *b, double bound, const char *what)
{
    double out = dense_distance(a->out, b->out, a->n_out);
    ck_assert_msg(out <= bound, "%s: out differs by %g", what, out);
    if (!strstr(what, "routing"))
        ck_assert_msg(dense_distance(a->lse, b->lse, a->n_lse) <= bound, "%s: lse", what);
}

START_TEST(equals)
{
    static const struct {
        const char *a, *b;
        double bound;
    } pairs[] = {
        {"hyper " SELF "hyper_bits=5 hyper_least=1 hyper_seed=3 hyper_block=96", "softmax " SELF,
         2e-6},
        {"hyper " SELF "hyper_bits=5 hyper_seed=3", "softmax " SELF, 2e-6},
        {"hyper " SELF "hyper_bits=5 hyper_seed=3 causal", "softmax " SELF "causal", 2e-6},
        {HYPER "hyper_samples=96 hyper_given", "softmax " SELF, 3e-6},
        {"hyper " SELF "hyper_bits=9 hyper_least=1 hyper_block=8 hyper_samples=96 hyper_given "
         "scale=0.1 softcap=2",
         "softmax " SELF "scale=0.1 softcap=2", 3e-6},
        /* halves of 48, 24 and 12 keys, each of which comes once, twice and so on */
        {HYPER "hyper_samples=48 hyper_given causal", "softmax " SELF "causal", 3e-6},
        {"hyper " SELF "hyper_bits=5 hyper_least=90 hyper_seed=1 causal",
         "softmax " SELF "causal", 3e-6},
        {"routing " SELF "routing_clusters=1 routing_window=96 routing_eps=0",
         "softmax " SELF "qk_norm=layer scale=1", 3e-6},
        {"routing " SELF "routing_clusters=1 routing_window=96 routing_eps=0 causal",
         "softmax " SELF "qk_norm=layer scale=1 causal", 3e-6},
        {"routing " SELF "routing_clusters=1 routing_window=96 routing_eps=0 routing_shared=0",
         "softmax " SELF "qk_norm=layer scale=1", 3e-6},
        {"routing " SELF "routing_clusters=1 routing_window=96 routing_eps=0 routing_shared=0 "
         "causal routing_ranked routing_strided alibi",
         "softmax " SELF "qk_norm=layer scale=1 causal alibi", 3e-6},
    };
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof pairs / sizeof pairs[0]; n++) {
        struct dense x, y;
        make(&x, pairs[n].a);
        make(&y, pairs[n].b);
        ck_assert(dense_run(ctx, pairs[n].a, NULL, &x));
        ck_assert(dense_run(ctx, pairs[n].b, NULL, &y));
        same(&x, &y, pairs[n].bound, pairs[n].a);
        dense_free(&x);
        dense_free(&y);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Centroids in another order have the same clusters; queries in none are 0. */
START_TEST(order_of_centroids)
{
    const char *text = ROUTING "causal";
    attn_ctx *ctx = dense_ctx(2);
    struct dense x, y;
    int64_t zero = 0;
    make(&x, text);
    make(&y, text);
    float *from = dense_view(&x, ATTN_ROLE_CENTROIDS)->data;
    float *to = dense_view(&y, ATTN_ROLE_CENTROIDS)->data;
    for (int64_t n = 0; n < H * CLUSTERS; n++)
        memcpy(to + (n / CLUSTERS * CLUSTERS + (n + 3) % CLUSTERS) * D, from + n * D,
               D * sizeof *to);
    ck_assert(dense_run(ctx, text, NULL, &x));
    ck_assert(dense_run(ctx, text, NULL, &y));
    same(&x, &y, 1e-6, text);
    for (int64_t r = 0; r < B * H * N; r++)
        zero += x.out[r * D] == 0 && x.out[r * D + 1] == 0;
    /* four clusters of 30 leave out a good fifth of 96 rows */
    ck_assert_int_gt(zero, B * H);
    dense_free(&x);
    dense_free(&y);
    attn_ctx_destroy(ctx);
}
END_TEST

static const char *const all[] = {
    HYPER "hyper_seed=1 hyper_samples=9",
    HYPER "hyper_seed=1 hyper_samples=9 causal",
    HYPER "hyper_given hyper_samples=11",
    ROUTING "causal",
    ROUTING "routing_shared=0",
    ROUTING "causal routing_strided",
};

enum { ALL = sizeof all / sizeof all[0] };

/* Groups that are written make attention inside of groups what the mechanism is. */
START_TEST(groups_of_clusters)
{
    static const char *const texts[] = {ROUTING "causal", ROUTING "routing_shared=0"};
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < 2; n++) {
        char text[512];
        struct dense x, y;
        attn_selection *sel;
        int64_t groups = 0;
        snprintf(text, sizeof text, "%s select=only", texts[n]);
        make(&x, texts[n]);
        dense_make(&y, B, H, H, N, N, D, D);
        dense_drop(&y, 1); /* lse */
        attn_plan *plan = dense_plan(ctx, text, NULL);
        ck_assert_int_eq(attn_selection_create(ctx, plan, &sel), ATTN_OK);
        attn_arg args[] = {{ATTN_ROLE_Q, 0, dense_view(&x, ATTN_ROLE_Q)},
                           {ATTN_ROLE_K, 0, dense_view(&x, ATTN_ROLE_K)},
                           {ATTN_ROLE_CENTROIDS, 0, dense_view(&x, ATTN_ROLE_CENTROIDS)},
                           {ATTN_ROLE_SELECTION_OUT, 0, sel}};
        ck_assert_msg(attn_plan_execute(plan, args, 4, NULL, 0) == ATTN_OK, "%s", dense_error());
        ck_assert_int_eq(attn_selection_get_i64(sel, ATTN_SELECTION_GROUP_COUNT, &groups), ATTN_OK);
        ck_assert_int_eq(groups, B * H * CLUSTERS);
        ck_assert(dense_run(ctx, texts[n], NULL, &x));
        y.arg[y.n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
        ck_assert(dense_run(ctx, n == 0 ? "lists " SELF "lists_layout=groups qk_norm=layer scale=1 "
                                          "causal"
                                        : "lists " SELF "lists_layout=groups qk_norm=layer scale=1",
                            NULL, &y));
        ck_assert(dense_distance(x.out, y.out, x.n_out) < 3e-6);
        x.q[0] = NAN; /* nothing is left of what there was */
        ck_assert_int_eq(attn_plan_execute(plan, args, 4, NULL, 0), ATTN_ERR_DATA);
        ck_assert_int_eq(attn_selection_get_i64(sel, ATTN_SELECTION_GROUP_COUNT, &groups), ATTN_OK);
        ck_assert_int_eq(groups, 0);
        y.n--;
        attn_selection_destroy(sel);
        attn_plan_destroy(plan);
        dense_free(&x);
        dense_free(&y);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Lists that are written make attention along them what the mechanism is. */
START_TEST(lists_of_estimates)
{
    attn_ctx *ctx = dense_ctx(3);
    for (size_t n = 0; n < ALL; n++) {
        char text[512];
        struct dense x, y;
        attn_selection *sel;
        attn_arg args[6];
        size_t taken = 0;
        if (!strstr(all[n], "hyper"))
            continue;
        snprintf(text, sizeof text, "%s select=only", all[n]);
        make(&x, all[n]);
        dense_make(&y, B, H, H, N, N, D, D);
        attn_plan *plan = dense_plan(ctx, text, NULL);
        ck_assert_int_eq(attn_selection_create(ctx, plan, &sel), ATTN_OK);
        for (size_t i = 0; i < x.n; i++)
            if (x.arg[i].role != ATTN_ROLE_V && !attn_role_is_output(x.arg[i].role))
                args[taken++] = x.arg[i];
        args[taken++] = (attn_arg){ATTN_ROLE_SELECTION_OUT, 0, sel};
        ck_assert_msg(attn_plan_execute(plan, args, taken, NULL, 0) == ATTN_OK, "%s",
                      dense_error());
        ck_assert(dense_run(ctx, all[n], NULL, &x));
        y.arg[y.n++] = (attn_arg){ATTN_ROLE_SELECTION, 0, sel};
        ck_assert(dense_run(ctx, strstr(all[n], "causal") ? "lists " SELF "lists_logits causal"
                                                          : "lists " SELF "lists_logits",
                            NULL, &y));
        same(&x, &y, 3e-6, all[n]);
        y.n--;
        attn_selection_destroy(sel);
        attn_plan_destroy(plan);
        dense_free(&x);
        dense_free(&y);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* Without memory of its own a centroid becomes the mean of the rows that are
 * nearest to it, and its state their sum and number. */
START_TEST(update_without_memory)
{
    const char *text = ROUTING "routing_update routing_decay=0";
    attn_ctx *ctx = dense_ctx(2);
    struct dense x;
    make(&x, text);
    numbers(&x, ATTN_ROLE_CENTROID_STATE, 3, (int64_t[]){H, CLUSTERS, D + 1});
    const int64_t shape[3] = {H, CLUSTERS, D}, wider[3] = {H, CLUSTERS, D + 1};
    float *mu = dense_add(&x, ATTN_ROLE_NEW_CENTROIDS, ATTN_DTYPE_F32, 3, shape, NULL)->data;
    float *state =
        dense_add(&x, ATTN_ROLE_NEW_CENTROID_STATE, ATTN_DTYPE_F32, 3, wider, NULL)->data;
    ck_assert(dense_run(ctx, text, NULL, &x));
    for (int64_t h = 0; h < H; h++) {
        float rows = 0;
        for (int64_t c = 0; c < CLUSTERS; c++) {
            const float *sum = state + (h * CLUSTERS + c) * (D + 1);
            rows += sum[D];
            for (int64_t e = 0; e < D && sum[D] > 0; e++)
                ck_assert(fabsf(mu[(h * CLUSTERS + c) * D + e] - sum[e] / sum[D]) < 1e-4f);
        }
        ck_assert(fabsf(rows - B * N) < 1e-3f);
    }
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

/* The same bits for any number of threads, and for a batch entry by itself. */
START_TEST(threads_and_batches)
{
    for (size_t n = 0; n < ALL; n++) {
        struct dense x[2], one;
        for (int t = 0; t < 2; t++) {
            attn_ctx *ctx = dense_ctx(1 + 2 * t);
            make(&x[t], all[n]);
            ck_assert(dense_run(ctx, all[n], NULL, &x[t]));
            attn_ctx_destroy(ctx);
        }
        same(&x[0], &x[1], 0, all[n]);
        attn_ctx *ctx = dense_ctx(2);
        make_sized(&one, all[n], 1, N, N);
        memcpy(one.q, x[0].q + H * N * D, (size_t)(H * N * D) * sizeof *one.q);
        memcpy(one.k, x[0].k + H * N * D, (size_t)(H * N * D) * sizeof *one.k);
        memcpy(one.v, x[0].v + H * N * D, (size_t)(H * N * D) * sizeof *one.v);
        ck_assert(dense_run(ctx, all[n], NULL, &one));
        ck_assert_msg(memcmp(one.out, x[0].out + H * N * D, one.n_out * sizeof *one.out) == 0,
                      "%s: a batch entry by itself", all[n]);
        attn_ctx_destroy(ctx);
        dense_free(&one);
        dense_free(&x[0]);
        dense_free(&x[1]);
    }
}
END_TEST

/* A batch entry with lengths is what it is alone, whatever stands behind its end, which
 * becomes 0 with lse -inf. */
START_TEST(lengths)
{
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < ALL; n++) {
        static const int32_t length[] = {20, N}; /* fewer than a cluster has */
        struct dense x, one;
        if (strstr(all[n], "hyper_given"))
            continue; /* places that are keys of both */
        make(&x, all[n]);
        make_sized(&one, all[n], 1, length[0], length[0]);
        for (int64_t h = 0; h < H; h++) {
            size_t to = (size_t)(h * length[0] * D), from = (size_t)(h * N * D);
            memcpy(one.q + to, x.q + from, (size_t)(length[0] * D) * sizeof *one.q);
            memcpy(one.k + to, x.k + from, (size_t)(length[0] * D) * sizeof *one.k);
            memcpy(one.v + to, x.v + from, (size_t)(length[0] * D) * sizeof *one.v);
            x.q[from + N * D - 1] = x.k[from + N * D - 1] = x.v[from + N * D - 1] = NAN;
        }
        dense_list(&x, ATTN_ROLE_Q_LEN, length, B);
        dense_list(&x, ATTN_ROLE_K_LEN, length, B);
        ck_assert(dense_run(ctx, all[n], NULL, &x));
        ck_assert(dense_run(ctx, all[n], NULL, &one));
        for (int64_t r = 0; r < H * N; r++) {
            int64_t i = r % N, e = i < length[0] ? (r / N * length[0] + i) * D : -1;
            ck_assert(e < 0 ? x.out[r * D] == 0
                            : memcmp(x.out + r * D, one.out + e, D * sizeof *x.out) == 0);
            if (strstr(all[n], "hyper"))
                ck_assert(x.lse[r] == (e < 0 ? -INFINITY : one.lse[e / D]));
        }
        dense_free(&one);
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* NaN in a row that is grouped: an error in front of the first write. */
START_TEST(not_a_number)
{
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < ALL; n++) {
        struct dense x;
        make(&x, all[n]);
        x.q[5 * D + 3] = NAN;
        attn_plan *plan = dense_plan(ctx, all[n], NULL);
        ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_DATA);
        ck_assert_msg(strstr(dense_error(), "NaN") && strstr(dense_error(), "head 0"), "%s",
                      dense_error());
        ck_assert(isnan(x.out[0]) && isnan(x.out[x.n_out - 1]));
        attn_plan_destroy(plan);
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(nothing_there)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < 2; n++) { /* with given samples there are no ids to give */
        struct dense x;
        make_sized(&x, all[n], B, 0, 0);
        ck_assert(dense_run(ctx, all[n], NULL, &x));
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
#define SMALL "q=40 k=40 d=8 "
    static const struct {
        const char *text;
        int32_t status;
        const char *says;
    } cases[] = {
        {"hyper h=4 " SMALL, ATTN_ERR_UNSET, "hyper_seed"},
        {"hyper h=4 " SMALL "hyper_seed=1 hyper_given", ATTN_ERR_INVALID, "hyper_seed is set"},
        {"hyper h=4/2 " SMALL "hyper_seed=1", ATTN_ERR_INVALID, "h=4/2/2"},
        {"hyper h=4 q=4 k=inf d=8 hyper_seed=1", ATTN_ERR_UNSUPPORTED, "k is inf"},
        {"hyper h=4 " SMALL "hyper_seed=1 dtype=f64", ATTN_ERR_UNSUPPORTED, "dtype is f64"},
        {"hyper h=4 " SMALL "hyper_seed=1 mask", ATTN_ERR_INVALID, "mask is set"},
        {"hyper h=4 " SMALL "hyper_given packed", ATTN_ERR_UNSUPPORTED, "role samples"},
        {"routing h=4 " SMALL "routing_window=4", ATTN_ERR_UNSET, "routing_clusters"},
        {"routing h=4 " SMALL "routing_clusters=4", ATTN_ERR_UNSET, "routing_window"},
        {"routing h=4 " SMALL "routing_clusters=4 routing_window=41", ATTN_ERR_INVALID,
         "routing_window is 41"},
        {"routing h=4 " SMALL "routing_clusters=4 routing_window=4 causal routing_shared=0",
         ATTN_ERR_INVALID, "routing_shared is 0"},
        {"routing h=4 " SMALL "routing_clusters=4 routing_window=4 causal routing_ranked",
         ATTN_ERR_INVALID, "routing_ranked is set"},
        {"routing h=4 " SMALL "routing_clusters=4 routing_window=4 bias", ATTN_ERR_INVALID,
         "bias is set"},
        {"routing h=4 " SMALL "routing_clusters=4 routing_window=4 routing_decay=0.5",
         ATTN_ERR_INVALID, "routing_decay is set"},
        {"routing h=4 " SMALL "routing_clusters=4 routing_window=4 scale=0.5", ATTN_ERR_INVALID,
         "scale is 0.5"},
        {"routing h=4 " SMALL "routing_clusters=4 routing_window=4 routing_update dtype=f64",
         ATTN_ERR_UNSUPPORTED, "routing_update"},
        {"routing h=4 " SMALL "routing_clusters=4 routing_window=4 packed select=only",
         ATTN_ERR_UNSUPPORTED, "packed is set with select=only"},
        {"routing h=4 q=40 k=inf d=8 routing_clusters=4 routing_window=4", ATTN_ERR_UNSUPPORTED,
         "k is inf"},
    };
    attn_ctx *ctx = dense_ctx(1);
    attn_desc *desc;
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        attn_plan *plan;
        ck_assert_msg(attn_desc_parse(ctx, cases[n].text, &desc) == ATTN_OK, "%s: %s",
                      cases[n].text, dense_error());
        int32_t status = attn_plan_create(ctx, desc, &plan);
        ck_assert_msg(status == cases[n].status, "%s: %d, %s", cases[n].text, (int)status,
                      dense_error());
        ck_assert_msg(strstr(dense_error(), cases[n].says), "%s: %s", cases[n].text, dense_error());
        attn_desc_destroy(desc);
    }
    ck_assert(attn_desc_parse(ctx, "hyper h=4 " SMALL "hyper_seed=1 hyper_bits=31", &desc) !=
              ATTN_OK);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Executes x, which must be refused with out untouched. */
static void refuse(attn_ctx *ctx, const char *text, struct dense *x, int32_t status,
                   const char *says)
{
    attn_plan *plan = dense_plan(ctx, text, NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x->arg, x->n, NULL, 0), status);
    ck_assert_msg(strstr(dense_error(), says), "%s: %s", text, dense_error());
    ck_assert(isnan(x->out[0]));
    attn_plan_destroy(plan);
    dense_free(x);
}

START_TEST(refused_at_execute)
{
    static const int32_t bad[] = {-1, N};
    attn_ctx *ctx = dense_ctx(1);
    struct dense x;
    for (int n = 0; n < 2; n++) {
        make(&x, all[2]);
        ((int32_t *)dense_view(&x, ATTN_ROLE_SAMPLES)->data)[4] = bad[n];
        refuse(ctx, all[2], &x, ATTN_ERR_RANGE, "at [0,0,4], expected 0 to 95");
    }
    make_sized(&x, all[0], B, N, N - 8);
    refuse(ctx, all[0], &x, ATTN_ERR_SHAPE, "q makes 12 blocks and k 11");
    make_sized(&x, all[1], B, N - 1, N);
    refuse(ctx, all[1], &x, ATTN_ERR_SHAPE, "k has 96 keys");
    make_sized(&x, all[3], B, N - 1, N);
    refuse(ctx, all[3], &x, ATTN_ERR_SHAPE, "96 keys, expected the 95 of its queries");
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("select_grouped", groups_of_clusters, lists_of_estimates, equals, order_of_centroids,
          update_without_memory, threads_and_batches, lengths, not_a_number, nothing_there, refused,
          refused_at_execute)
