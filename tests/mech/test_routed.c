/* SPDX-License-Identifier: MIT */
/*
 * Properties and bad input of routed heads (src/mech/moh.c, router.c,
 * uoe_smha.c, bam_soft_moa.c, moa_heads.c; src/solvers/map_route.c,
 * map_members.c, map_experts.c), whose numbers are those of golden files.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"
#include "rng.h"

enum { B = 2, H = 8, HK = 4, NQ = 70, NK = 90, D = 16, C = 24, S = 3, E = H - S };

#define SIZES "b=2 h=8/4 q=80 k=100 d=16 causal "
#define CODE "moh " SIZES "moh_shared=3 moh_active=2 moh_channels=24 "
#define LLAMA "moh " SIZES "moh_shared=3 moh_form=llama "

static float *numbers(struct dense *x, int32_t role, int32_t rank, int64_t n0, int64_t n1,
                      int64_t n2, double deviation)
{
    const int64_t shape[3] = {n0, n1, n2};
    struct rng r = {(uint64_t)role};
    float *f = dense_add(x, role, ATTN_DTYPE_F32, rank, shape, NULL)->data;
    for (int64_t i = 0; i < n0 * n1 * (rank == 3 ? n2 : 1); i++)
        f[i] = (float)(rng_normal(&r) * deviation);
    return f;
}

/* Returns the tokens. */
static float *make(struct dense *x, double weights)
{
    dense_make(x, B, H, HK, NQ, NK, D, D);
    float *tokens = numbers(x, ATTN_ROLE_ROUTER_X, 3, B, NQ, C, 1);
    numbers(x, ATTN_ROLE_ROUTER_W, 2, E, C, 1, weights);
    numbers(x, ATTN_ROLE_ROUTER_SHARED_W, 2, S, C, 1, weights);
    numbers(x, ATTN_ROLE_ROUTER_MIX_W, 2, 2, C, 1, weights);
    return tokens;
}

static float *loss_of(struct dense *x)
{
    const int64_t one = 1;
    return dense_add(x, ATTN_ROLE_AUX_LOSS, ATTN_DTYPE_F32, 1, &one, NULL)->data;
}

static void same(const struct dense *a, const struct dense *b, double bound, const char *what)
{
    ck_assert_msg(dense_distance(a->out, b->out, a->n_out) <= bound, "%s: out", what);
    ck_assert_msg(dense_distance(a->lse, b->lse, a->n_lse) <= bound, "%s: lse", what);
}

/* All heads with equal weights are softmax. */
START_TEST(all_heads)
{
    attn_ctx *ctx = dense_ctx(2);
    struct dense plain, x;
    dense_make(&plain, B, H, HK, NQ, NK, D, D);
    ck_assert(dense_run(ctx, "softmax " SIZES, "flash", &plain));
    dense_make(&x, B, H, HK, NQ, NK, D, D);
    ck_assert(dense_run(ctx, LLAMA "moh_active=5", "flash", &x));
    same(&plain, &x, 0, "llama");
    dense_free(&x);
    make(&x, 0);
    ck_assert(
        dense_run(ctx, "moh " SIZES "moh_shared=3 moh_active=5 moh_channels=24", "flash", &x));
    same(&plain, &x, 1e-6, "code");
    dense_free(&x);
    dense_free(&plain);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Each token has S + K heads; those that are computed are softmax's, and the
 * gates by the caller that are read off them give the same again. */
START_TEST(as_many_as_said)
{
    attn_ctx *ctx = dense_ctx(2);
    struct dense plain, x, y;
    dense_make(&plain, B, H, HK, NQ, NK, D, D);
    ck_assert(dense_run(ctx, "softmax " SIZES, "flash", &plain));
    make(&x, 0.4);
    ck_assert(dense_run(ctx, CODE, "flash", &x));
    dense_make(&y, B, H, HK, NQ, NK, D, D);
    float *gate = numbers(&y, ATTN_ROLE_GATE, 3, B, H, NQ, 1);
    for (int64_t b = 0; b < B; b++)
        for (int64_t i = 0; i < NQ; i++) {
            int active = 0;
            double sum = 0;
            for (int64_t h = 0; h < H; h++) {
                int64_t row = (b * H + h) * NQ + i;
                bool on = x.lse[row] != -INFINITY;
                gate[row] = on ? x.out[row * D] / plain.out[row * D] : 0;
                active += on;
                sum += (double)gate[row];
                ck_assert(!on || x.lse[row] == plain.lse[row]);
                ck_assert(on || h >= S);
            }
            ck_assert_int_eq(active, S + 2);
            ck_assert(sum > 2 * 2 - 1e-3 && sum < 2 * S + 1e-3);
        }
    ck_assert(dense_run(ctx, "moh " SIZES "moh_router=0", "flash", &y));
    same(&x, &y, 1e-5, "gates of the caller");
    memcpy(plain.out, y.out, y.n_out * sizeof *y.out);
    ck_assert(dense_run(ctx, "softmax " SIZES "head_gate", "flash", &y));
    ck_assert(memcmp(plain.out, y.out, y.n_out * sizeof *y.out) == 0);
    dense_free(&plain);
    dense_free(&x);
    dense_free(&y);
    attn_ctx_destroy(ctx);
}
END_TEST

/* One expert, and heads that all tokens join, are softmax. */
START_TEST(of_experts)
{
    attn_ctx *ctx = dense_ctx(2);
    struct dense plain, x;
    dense_make(&plain, B, H, H, NQ, NQ, D, D);
    ck_assert(dense_run(ctx, "softmax b=2 h=8 q=80 k=80 d=16 causal", "flash", &plain));
    dense_make(&x, B, H, H, NQ, NQ, D, D);
    numbers(&x, ATTN_ROLE_ROUTER_X, 3, B, NQ, C, 1);
    numbers(&x, ATTN_ROLE_ROUTER_W, 2, 1, C, 1, 0.4);
    ck_assert(dense_run(ctx,
                        "bam_soft_moa b=2 h=8 q=80 k=80 d=16 causal bam_experts=1 bam_channels=24",
                        "flash", &x));
    same(&plain, &x, 0, "bam_soft_moa");
    dense_free(&x);
    dense_make(&x, B, H, H, NQ, NQ, D, D);
    float *tokens = numbers(&x, ATTN_ROLE_ROUTER_X, 3, B, NQ, C, 1);
    numbers(&x, ATTN_ROLE_ROUTER_W, 2, H, C, 1, 0.4);
    const int64_t heads = H;
    dense_add(&x, ATTN_ROLE_ROUTER_B, ATTN_DTYPE_F32, 1, &heads, NULL);
    const char *uoe = "uoe_smha b=2 h=8 q=80 k=80 d=16 causal uoe_active=8 uoe_channels=24";
    ck_assert(dense_run(ctx, uoe, NULL, &x));
    same(&plain, &x, 2e-6, "uoe_smha");
    tokens[7 * C] = NAN; /* that token joins nothing and has NaN; nobody sees it */
    ck_assert(dense_run(ctx, uoe, NULL, &x));
    for (int64_t row = 0; row < B * H * NQ; row++)
        ck_assert(isnan(x.out[row * D]) == (row < H * NQ && row % NQ == 7));
    dense_free(&x);
    dense_free(&plain);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(any_number_of_threads)
{
    struct dense x[2];
    float *loss[2];
    for (int64_t threads = 1; threads <= 3; threads++) {
        attn_ctx *ctx = dense_ctx(threads);
        int n = threads > 1;
        make(&x[n], 0.4);
        loss[n] = loss_of(&x[n]);
        ck_assert(dense_run(ctx, CODE "want=aux_loss", NULL, &x[n]));
        ck_assert(*loss[n] > 0);
        if (n) {
            same(&x[0], &x[1], 0, "threads");
            ck_assert(*loss[0] == *loss[1]);
            dense_free(&x[1]);
        }
        attn_ctx_destroy(ctx);
    }
    dense_free(&x[0]);
}
END_TEST

/* A token of NaN has only NaN, and nobody else has; tokens that do not count
 * may hold anything. */
START_TEST(tokens_of_nan)
{
    static const int32_t lengths[B] = {NQ, NQ - 9};
    attn_ctx *ctx = dense_ctx(2);
    struct dense a, b;
    float *tokens = make(&a, 0.4);
    ck_assert(dense_run(ctx, CODE, "flash", &a));
    tokens = make(&b, 0.4);
    tokens[5 * C + 3] = NAN;
    ck_assert(dense_run(ctx, CODE, "flash", &b));
    for (int64_t row = 0; row < B * H * NQ; row++) {
        bool bad = row < H * NQ && row % NQ == 5;
        ck_assert(bad ? isnan(b.out[row * D]) : b.out[row * D] == a.out[row * D]);
    }
    attn_plan *plan = dense_plan(ctx, CODE "check=data", NULL);
    ck_assert_int_eq(attn_plan_execute(plan, b.arg, b.n, NULL, 0), ATTN_ERR_DATA);
    ck_assert_ptr_nonnull(strstr(dense_error(), "router_x has nan at [0,5,3]"));
    attn_plan_destroy(plan);
    float loss[2];
    for (int n = 0; n < 2; n++) {
        struct dense x;
        tokens = make(&x, 0.4);
        const float *told = loss_of(&x);
        dense_list(&x, ATTN_ROLE_Q_LEN, lengths, B);
        for (int64_t i = NQ - 9; i < NQ && n == 1; i++)
            tokens[(NQ + i) * C] = NAN;
        ck_assert(dense_run(ctx, CODE "want=aux_loss check=data", "flash", &x));
        loss[n] = *told;
        ck_assert(x.out[(H * NQ + NQ - 1) * D] == 0);
        dense_free(&x);
    }
    ck_assert(loss[0] == loss[1]);
    dense_free(&a);
    dense_free(&b);
    attn_ctx_destroy(ctx);
}
END_TEST

/* The same sequences packed and by themselves. */
enum { SEQUENCES = 4, TOKENS = 100 };

static const int32_t q_at[SEQUENCES + 1] = {3, 20, 20, 81, 95};
static const int32_t k_at[SEQUENCES + 1] = {1, 31, 31, 92, 93};

struct case_of {
    const char *text; /* without sizes that differ */
    int64_t hk, weights;
    bool same_keys;
};

static const struct case_of packs[] = {
    {"moh h=8/4 d=16 causal moh_shared=3 moh_active=2 moh_channels=24 want=aux_loss", HK, E, 0},
    {"moh h=8/4 d=16 causal moh_shared=3 moh_form=llama moh_active=2", HK, 0, 0},
    {"bam_soft_moa h=8 d=16 bam_experts=4 bam_channels=24", H, 4, 0},
    {"uoe_smha h=8 d=16 causal uoe_active=3 uoe_channels=24", H, H, 1},
    {"moa_heads h=8/1 d=16 causal moa_experts=11 moa_channels=24 want=aux_loss", 1, 11, 0},
    {"uoe_smha h=8 d=16 uoe_active=3 uoe_pad uoe_channels=24", H, H, 1},
};

/* All tokens and keys in one batch; what a case does not take stays out. */
static void make_case(const struct case_of *c, int64_t nk, struct dense *x)
{
    dense_make(x, 1, H, c->hk, TOKENS, nk, D, D);
    if (c->weights > 0) {
        numbers(x, ATTN_ROLE_ROUTER_X, 3, 1, TOKENS, C, 1);
        numbers(x, ATTN_ROLE_ROUTER_W, 2, c->weights, C, 1, 0.4);
    }
    if (strncmp(c->text, "moh", 3) == 0 && c->weights > 0) {
        numbers(x, ATTN_ROLE_ROUTER_SHARED_W, 2, S, C, 1, 0.4);
        numbers(x, ATTN_ROLE_ROUTER_MIX_W, 2, 2, C, 1, 0.4);
    }
    if (strncmp(c->text, "uoe", 3) == 0)
        numbers(x, ATTN_ROLE_ROUTER_B, 1, H, 1, 1, 0.4);
    if (strncmp(c->text, "moa", 3) == 0) {
        const int64_t told[3] = {1, H, TOKENS};
        numbers(x, ATTN_ROLE_EXPERT_W, 3, c->weights, D, C, 0.2);
        dense_add(x, ATTN_ROLE_EXPERTS, ATTN_DTYPE_I32, 3, told, NULL);
        /* in place of Q, which there is none of */
        size_t last = --x->n;
        x->t[0] = x->t[last];
        x->arg[0].role = ATTN_ROLE_EXPERTS;
        x->owned[0] = x->owned[last];
        x->owned[last] = NULL;
    }
}

/* Rows q0 to q1 - 1 and keys k0 to k1 - 1 of the views. */
static void cut(struct dense *x, int64_t q0, int64_t q1, int64_t k0, int64_t k1)
{
    static const struct {
        int32_t role;
        int dimension;
        bool keys;
    } rows[] = {{ATTN_ROLE_Q, 2, 0},   {ATTN_ROLE_OUT, 2, 0}, {ATTN_ROLE_LSE, 2, 0},
                {ATTN_ROLE_K, 2, 1},   {ATTN_ROLE_V, 2, 1},   {ATTN_ROLE_ROUTER_X, 1, 0},
                {ATTN_ROLE_EXPERTS, 2, 0}};
    for (size_t i = 0; i < x->n; i++)
        for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++)
            if (x->arg[i].role == rows[n].role) {
                attn_tensor *t = (attn_tensor *)(uintptr_t)x->arg[i].object;
                int64_t first = rows[n].keys ? k0 : q0, end = rows[n].keys ? k1 : q1;
                t->data = (char *)t->data + 4 * first * t->stride[rows[n].dimension];
                t->shape[rows[n].dimension] = end - first;
            }
}

static void text_of(const struct case_of *c, const char *more, int64_t b, int64_t q, int64_t k,
                    char text[300])
{
    snprintf(text, 300, "%s b=%d q=%d k=%d %s", c->text, (int)b, (int)q, (int)k, more);
}

static bool same_rows(const struct dense *a, const struct dense *b, int64_t q0, int64_t q1)
{
    for (int64_t h = 0; h < H; h++)
        if (memcmp(a->out + (h * TOKENS + q0) * D, b->out + (h * TOKENS + q0) * D,
                   (size_t)((q1 - q0) * D) * sizeof *a->out) != 0 ||
            memcmp(a->lse + h * TOKENS + q0, b->lse + h * TOKENS + q0,
                   (size_t)(q1 - q0) * sizeof *a->lse) != 0)
            return false;
    return true;
}

/* A sequence with a length is what its tokens are alone; behind it rows are empty. */
START_TEST(lengths_of_members)
{
    static const int32_t length[] = {TOKENS - 21};
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof packs / sizeof packs[0]; n++) {
        struct dense x, y;
        char text[300];
        if (!packs[n].same_keys)
            continue;
        make_case(&packs[n], TOKENS, &x);
        make_case(&packs[n], TOKENS, &y);
        cut(&y, 0, length[0], 0, length[0]);
        dense_list(&x, ATTN_ROLE_Q_LEN, length, 1);
        dense_list(&x, ATTN_ROLE_K_LEN, length, 1);
        text_of(&packs[n], "", 1, TOKENS, TOKENS, text);
        ck_assert(dense_run(ctx, text, NULL, &x));
        ck_assert(dense_run(ctx, text, NULL, &y));
        ck_assert(same_rows(&x, &y, 0, length[0]));
        for (int64_t r = 0; r < H * TOKENS; r++)
            ck_assert(r % TOKENS < length[0] || (x.out[r * D] == 0 && x.lse[r] == -INFINITY));
        dense_free(&x);
        dense_free(&y);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(packed)
{
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof packs / sizeof packs[0]; n++) {
        const struct case_of *c = &packs[n];
        const int32_t *keys = c->same_keys ? q_at : k_at;
        struct dense x, y;
        char text[300];
        make_case(c, TOKENS, &x);
        dense_list(&x, ATTN_ROLE_Q_OFFSETS, q_at, SEQUENCES + 1);
        dense_list(&x, ATTN_ROLE_K_OFFSETS, keys, SEQUENCES + 1);
        bool loss = strstr(c->text, "aux_loss");
        const float *told = loss ? loss_of(&x) : NULL;
        text_of(c, "packed", SEQUENCES, 61, 61, text);
        ck_assert(dense_run(ctx, text, NULL, &x));
        ck_assert(isnan(x.out[(q_at[0] - 1) * D]) && isnan(x.lse[q_at[SEQUENCES]]));
        for (int s = 0; s < SEQUENCES; s++) {
            make_case(c, TOKENS, &y);
            cut(&y, q_at[s], q_at[s + 1], keys[s], keys[s + 1]);
            text_of(c, "", 1, 61, 61, text);
            ck_assert(dense_run(ctx, text, NULL, &y));
            ck_assert_msg(same_rows(&x, &y, q_at[s], q_at[s + 1]), "%s: sequence %d", c->text, s);
            dense_free(&y);
        }
        if (loss) { /* of all tokens, whoever's they are */
            make_case(c, TOKENS, &y);
            const float *one = loss_of(&y);
            cut(&y, q_at[0], q_at[SEQUENCES], 0, TOKENS);
            text_of(c, "", 1, 100, 100, text);
            ck_assert(dense_run(ctx, text, NULL, &y));
            ck_assert(*one > 0 && *one == *told);
            dense_free(&y);
        }
        dense_free(&x);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* A step needs the new token alone: the last row of what all tokens give. */
START_TEST(decode_from_the_new_token)
{
    attn_ctx *ctx = dense_ctx(2);
    for (size_t n = 0; n < sizeof packs / sizeof packs[0]; n++) {
        const struct case_of *c = &packs[n];
        struct dense x, y;
        char text[300];
        if (c->same_keys)
            continue;
        make_case(c, TOKENS, &x);
        text_of(c, "", 1, TOKENS, TOKENS, text);
        ck_assert(dense_run(ctx, text, NULL, &x));
        make_case(c, TOKENS, &y);
        cut(&y, TOKENS - 1, TOKENS, 0, TOKENS);
        text_of(c, "", 1, 1, TOKENS, text);
        ck_assert(dense_run(ctx, text, NULL, &y));
        for (int64_t h = 0; h < H; h++) {
            int64_t row = h * TOKENS + TOKENS - 1;
            ck_assert(dense_distance(x.lse + row, y.lse + row, 1) < 1e-6);
            ck_assert(dense_distance(x.out + row * D, y.out + row * D, D) < 1e-5);
        }
        dense_free(&x);
        dense_free(&y);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

/* The router inside moa_heads tells whom it chose: queries made of those by
 * the caller give the same. */
START_TEST(slots_of_experts)
{
    const struct case_of *c = &packs[4];
    attn_ctx *ctx = dense_ctx(2);
    struct dense x, y;
    char text[300];
    make_case(c, TOKENS, &x);
    float *tokens = dense_view(&x, ATTN_ROLE_ROUTER_X)->data;
    const float *w = dense_view(&x, ATTN_ROLE_EXPERT_W)->data;
    const int32_t *experts = dense_view(&x, ATTN_ROLE_EXPERTS)->data;
    tokens[5 * C] = NAN;
    text_of(c, "", 1, TOKENS, TOKENS, text);
    ck_assert(dense_run(ctx, text, "flash", &x));
    dense_make(&y, 1, H, 1, TOKENS, TOKENS, D, D);
    float *gate = numbers(&y, ATTN_ROLE_GATE, 3, 1, H, TOKENS, 1);
    for (int64_t i = 0; i < TOKENS; i++) {
        unsigned seen = 0;
        for (int64_t a = 0; a < H; a++) {
            int32_t e = experts[a * TOKENS + i];
            gate[a * TOKENS + i] = 1;
            ck_assert(i == 5 ? e == -1 : e >= 0 && e < 11 && !(seen >> e & 1));
            ck_assert(i != 5 || isnan(x.out[(a * TOKENS + i) * D]));
            seen |= i == 5 ? 0 : 1u << e;
            for (int64_t o = 0; o < D; o++) {
                double sum = 0;
                for (int64_t k = 0; k < C && e >= 0; k++)
                    sum += (double)w[(e * D + o) * C + k] * (double)tokens[i * C + k];
                y.q[(a * TOKENS + i) * D + o] = (float)sum;
            }
        }
    }
    ck_assert(dense_run(ctx, "moa_heads b=1 h=8/1 q=100 k=100 d=16 causal", "flash", &y));
    for (int64_t i = 0; i < TOKENS; i++) {
        double sum = 0;
        for (int64_t a = 0; a < H && i != 5; a++) {
            const float *got = x.out + (a * TOKENS + i) * D, *plain = y.out + (a * TOKENS + i) * D;
            int64_t most = 0; /* the share is told best by the largest */
            for (int64_t o = 1; o < D; o++)
                most = fabsf(plain[o]) > fabsf(plain[most]) ? o : most;
            double share = (double)got[most] / (double)plain[most];
            sum += share;
            for (int64_t o = 0; o < D; o++)
                ck_assert(fabs((double)got[o] - share * (double)plain[o]) < 1e-5);
        }
        ck_assert(i == 5 || fabs(sum - 1) < 1e-3);
    }
    dense_free(&x);
    dense_free(&y);
    attn_ctx_destroy(ctx);
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *text;
        int32_t status;
        const char *says;
    } cases[] = {
        {"moh h=4 q=4 k=4 d=4", ATTN_ERR_UNSET, "moh_active"},
        {"moh h=4 q=4 k=4 d=4 moh_active=5", ATTN_ERR_INVALID, "moh_active is 5"},
        {"moh h=4 q=4 k=4 d=4 moh_active=2 moh_shared=3", ATTN_ERR_INVALID, "moh_active is 2"},
        {"moh h=4 q=4 k=4 d=4 moh_active=0 moh_shared=5", ATTN_ERR_INVALID, "moh_shared is 5"},
        {"moh h=4 q=4 k=4 d=4 moh_active=0", ATTN_ERR_INVALID, "no head"},
        {"moh h=4 q=4 k=4 d=4 moh_active=2 moh_router=0", ATTN_ERR_INVALID, "moh_active is set"},
        {"moh h=4 q=4 k=4 d=4 moh_form=paper moh_router=0", ATTN_ERR_INVALID, "moh_form is set"},
        {"moh h=4 q=4 k=4 d=4 moh_active=2 moh_form=llama moh_channels=3", ATTN_ERR_INVALID,
         "moh_channels is set"},
        {"moh h=4 q=4 k=4 d=4 moh_active=2 moh_form=llama want=aux_loss", ATTN_ERR_INVALID,
         "aux_loss"},
        {"moh h=4 q=4 k=4 d=4 moh_router=0 want=aux_loss", ATTN_ERR_INVALID, "aux_loss"},
        {"softmax h=4 q=4 k=4 d=4 want=aux_loss", ATTN_ERR_INVALID, "softmax has no router"},
        {"moh h=4 q=4 k=4 d=4 moh_active=2 head_gate=0", ATTN_ERR_INVALID, "head_gate is 0"},
        {"softmax h=4 q=4 k=4 d=4 moh_active=2", ATTN_ERR_INVALID, "moh_active is set"},
        {"uoe_smha h=4/2 q=4 k=4 d=4", ATTN_ERR_INVALID, "h=4/2/2"},
        {"uoe_smha h=4 q=4 k=4 d=4 uoe_active=5", ATTN_ERR_INVALID, "uoe_active is 5"},
        {"uoe_smha h=4 q=4 k=5 d=4", ATTN_ERR_INVALID, "q and k differ"},
        {"uoe_smha h=4 q=4 k=4 d=4 alibi", ATTN_ERR_INVALID, "alibi is set"},
        {"bam_soft_moa h=4 q=4 k=4 d=4", ATTN_ERR_UNSET, "bam_experts"},
        {"bam_soft_moa h=4 q=4 k=4 d=4 bam_experts=3", ATTN_ERR_INVALID, "bam_experts is 3"},
        {"bam_soft_moa h=4 q=4 k=4 d=4 bam_experts=2 bam_shared_kv", ATTN_ERR_INVALID,
         "hk is 4"},
        {"moa_heads h=4/2 q=4 k=4 d=4", ATTN_ERR_INVALID, "hk is 2"},
        {"moa_heads h=4/1 q=4 k=4 d=4 moa_experts=3", ATTN_ERR_INVALID, "moa_experts is 3"},
        {"moa_heads h=4/1 q=4 k=4 d=4 moa_form=code", ATTN_ERR_INVALID, "moa_form is set"},
        {"moa_heads h=4/1 q=4 k=4 d=4 moa_channels=8", ATTN_ERR_INVALID, "moa_channels is set"},
        {"moa_heads h=4/1 q=4 k=4 d=4 want=aux_loss", ATTN_ERR_INVALID, "want has aux_loss"},
        {"moa_heads h=4/1 q=4 k=4 d=4 moa_experts=8 q_head=[3,2,1,0]", ATTN_ERR_INVALID,
         "q_head is set"},
        {"pgqa h=4/2 q=4 k=4 d=4 head_gate", ATTN_ERR_INVALID, "head_gate is set"},
        {"diff_attention h=4/2 q=4 k=4 d=4 head_gate", ATTN_ERR_INVALID, "head_gate is set"},
    };
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        ck_assert_int_eq(attn_desc_parse(ctx, cases[n].text, &desc), ATTN_OK);
        int32_t status = attn_plan_create(ctx, desc, &plan);
        ck_assert_msg(status == cases[n].status, "%s: %d, %s", cases[n].text, (int)status,
                      dense_error());
        ck_assert_msg(strstr(dense_error(), cases[n].says), "%s: %s", cases[n].text, dense_error());
        attn_desc_destroy(desc);
    }
    struct dense x;
    make(&x, 1);
    attn_plan *plan = dense_plan(ctx, CODE, NULL);
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n - 1, NULL, 0), ATTN_ERR_ROLE);
    ck_assert_ptr_nonnull(strstr(dense_error(), "router_mix_w is missing"));
    dense_view(&x, ATTN_ROLE_ROUTER_W)->shape[0] = H;
    ck_assert_int_eq(attn_plan_execute(plan, x.arg, x.n, NULL, 0), ATTN_ERR_SHAPE);
    ck_assert_ptr_nonnull(strstr(dense_error(), "router_w"));
    attn_plan_destroy(plan);
    dense_free(&x);
    attn_ctx_destroy(ctx);
}
END_TEST

UNIT_MAIN("routed", all_heads, as_many_as_said, of_experts, any_number_of_threads, tokens_of_nan,
          packed, lengths_of_members, decode_from_the_new_token, slots_of_experts, refused)
