/* SPDX-License-Identifier: MIT */
/*
 * Properties and bad input of birdie (src/mech/birdie.c, src/solvers/
 * map_birdie.c), whose numbers test_mechs holds against golden files.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit.h"
#include "dense.h"

enum { H = 4, N = 40, D = 6, DV = 70, PREFIX = 17 };

static const char *const texts[] = {
    "birdie h=4 q=40 d=70",
    "birdie birdie_form=matrix h=4 q=40 d=6/70 decay=token",
};

enum { FORMS = 2 };

/* Tokens of one sequence with a mask; N of them, or a part. */
struct input {
    struct dense x;
    float gate[H * N], forget[H * N * DV];
    int32_t mask[N];
};

/* Takes a role away; views stay where they are. */
static void without(struct input *in, int32_t role)
{
    for (size_t n = 0; n < in->x.n; n++)
        if (in->x.arg[n].role == role)
            in->x.arg[n] = in->x.arg[--in->x.n];
}

static struct input *make(int form)
{
    struct input *in = malloc(sizeof *in);
    static const int64_t g[3] = {1, H, N}, f[4] = {1, H, N, DV}, m[2] = {1, N};
    struct dense *x = &in->x;
    dense_make(x, 1, H, H, N, N, D, DV);
    for (int i = 0; i < H * N * DV; i++)
        in->forget[i] = (float)((i * 7) % 31) / 32;
    for (int i = 0; i < H * N; i++)
        in->gate[i] = -(float)((i * 7) % 31) / 64;
    for (int i = 0; i < N; i++)
        in->mask[i] = i < PREFIX ? 0 : 2;
    if (form == 0)
        dense_add(x, ATTN_ROLE_FORGET, ATTN_DTYPE_F32, 4, f, in->forget);
    else
        dense_add(x, ATTN_ROLE_G, ATTN_DTYPE_F32, 3, g, in->gate);
    dense_add(x, ATTN_ROLE_BIRDIE_MASK, ATTN_DTYPE_I32, 2, m, in->mask);
    without(in, ATTN_ROLE_LSE);
    if (form == 0) {
        without(in, ATTN_ROLE_Q);
        without(in, ATTN_ROLE_K);
    }
    return in;
}

static void drop(struct input *in)
{
    dense_free(&in->x);
    free(in);
}

static void run(int form, struct input *in, int64_t threads)
{
    attn_ctx *ctx = dense_ctx(threads);
    dense_clear(&in->x);
    ck_assert_msg(dense_run(ctx, texts[form], NULL, &in->x), "%s", dense_error());
    attn_ctx_destroy(ctx);
}

/* Tokens first to first + n - 1 alone. */
static void cut(struct input *in, int64_t first, int64_t n)
{
    for (size_t a = 0; a < in->x.n; a++) {
        if (in->x.arg[a].role == ATTN_ROLE_STATE)
            continue;
        attn_tensor *t = (attn_tensor *)(uintptr_t)in->x.arg[a].object;
        int dim = t->rank == 2 ? 1 : 2;
        t->shape[dim] = n;
        t->data = (char *)t->data + (size_t)(first * t->stride[dim]) * 4;
    }
}

static const float *row(const float *out, int h, int64_t i)
{
    return out + (h * N + i) * DV;
}

/* Behind the prefix the heads from the end have their own token alone; later
 * tokens of the causal area change nothing in front of them. */
START_TEST(causal_area)
{
    for (int form = 0; form < FORMS; form++) {
        struct input *a = make(form), *b = make(form), *c = make(form);
        run(form, a, 1);
        run(form, b, 3);
        ck_assert_mem_eq(a->x.out, b->x.out, a->x.n_out * sizeof(float));
        for (int h = 0; h < H; h++)
            for (int i = PREFIX + 5; i < N; i++)
                for (int e = 0; e < DV; e++)
                    b->x.v[(h * N + i) * DV + e] += 1;
        run(form, b, 1);
        for (int h = 0; h < H; h++)
            ck_assert_mem_eq(row(a->x.out, h, 0), row(b->x.out, h, 0),
                             (PREFIX + 5) * DV * sizeof(float));
        for (int h = H / 2; h < H && form == 0; h++)
            ck_assert_mem_eq(row(a->x.out, h, PREFIX), row(a->x.v, h, PREFIX),
                             (N - PREFIX) * DV * sizeof(float));
        /* without a mask, it is all prefix: the last token reaches the first */
        without(c, ATTN_ROLE_BIRDIE_MASK);
        run(form, c, 1);
        ck_assert(memcmp(row(a->x.out, H - 1, 0), row(c->x.out, H - 1, 0), DV * 4) != 0);
        ck_assert_mem_eq(row(a->x.out, 0, 0), row(c->x.out, 0, 0), DV * N * sizeof(float));
        drop(a);
        drop(b);
        drop(c);
    }
}
END_TEST

/* Two samples, the first all prefix, are as if each were alone. */
START_TEST(samples)
{
    enum { FIRST = 11 };
    for (int form = 0; form < FORMS; form++) {
        struct input *both = make(form);
        for (int i = 0; i < N; i++)
            both->mask[i] = i < FIRST ? 0 : i == FIRST ? 1 : i < 30 ? 0 : 2;
        run(form, both, 1);
        for (int part = 0; part < 2; part++) {
            int64_t first = part ? FIRST : 0, n = part ? N - FIRST : FIRST;
            struct input *one = make(form);
            memcpy(one->mask, both->mask, sizeof one->mask);
            cut(one, first, n);
            run(form, one, 1);
            for (int h = 0; h < H; h++)
                ck_assert(dense_distance(row(one->x.out, h, first), row(both->x.out, h, first),
                                         (size_t)(n * DV)) < 1e-6);
            drop(one);
        }
        drop(both);
    }
}
END_TEST

/* The prefix whole, then tokens one by one, with a state. */
START_TEST(pieces)
{
    for (int form = 0; form < FORMS; form++) {
        struct input *whole = make(form);
        attn_ctx *ctx = dense_ctx(1);
        attn_plan *plan = dense_plan(ctx, texts[form], NULL);
        attn_state *state, *none;
        attn_tensor t;
        int64_t count;
        ck_assert_int_eq(attn_state_create(ctx, plan, 1, &state), ATTN_OK);
        ck_assert_int_eq(attn_state_shape(state, ATTN_STATE_PART_S, &t), ATTN_OK);
        ck_assert(t.shape[0] == H / 2 && t.shape[1] == (form == 0 ? 1 : D) && t.shape[2] == DV);
        run(form, whole, 1);
        struct input *in = make(form);
        dense_clear(&in->x);
        in->x.arg[in->x.n++] = (attn_arg){ATTN_ROLE_STATE, 0, state};
        /* the last row of the prefix reads the first causal token */
        for (int64_t at = 0, n = PREFIX + 1; at < N; at += n, n = 1) {
            struct input part = *in;
            for (size_t a = 0; a < part.x.n; a++)
                if (part.x.arg[a].role != ATTN_ROLE_STATE)
                    part.x.arg[a].object = &part.x.t[(const attn_tensor *)in->x.arg[a].object -
                                                     in->x.t];
            cut(&part, at, n);
            int32_t status = attn_plan_execute(plan, part.x.arg, part.x.n, NULL, 0);
            ck_assert_msg(status == ATTN_OK, "%s", dense_error());
        }
        ck_assert(dense_distance(in->x.out, whole->x.out, whole->x.n_out) < 1e-6);
        const int64_t one[1] = {1};
        ck_assert_int_eq(attn_tensor_init(&t, &count, ATTN_DTYPE_I64, 1, one), ATTN_OK);
        ck_assert_int_eq(attn_state_export(state, 0, ATTN_STATE_PART_COUNT, &t), ATTN_OK);
        ck_assert_int_eq(count, N);
        ck_assert_int_eq(attn_segment_create(ctx, plan, 1, &none), ATTN_ERR_UNSUPPORTED);
        attn_state_destroy(state);
        attn_plan_destroy(plan);
        attn_ctx_destroy(ctx);
        drop(in);
        drop(whole);
    }
}
END_TEST

/* Rows behind Q_LEN are never read; the reverse heads begin in front of them. */
START_TEST(poison)
{
    enum { LEN = 13 };
    static const int32_t length[] = {LEN};
    for (int form = 0; form < FORMS; form++) {
        struct input *in = make(form), *alone = make(form);
        cut(alone, 0, LEN);
        run(form, alone, 1);
        for (int h = 0; h < H; h++)
            for (int i = LEN; i < N; i++) {
                in->gate[h * N + i] = NAN;
                for (int e = 0; e < DV; e++)
                    in->forget[(h * N + i) * DV + e] = in->x.v[(h * N + i) * DV + e] = NAN;
                for (int e = 0; e < D; e++)
                    in->x.q[(h * N + i) * D + e] = in->x.k[(h * N + i) * D + e] = NAN;
            }
        attn_tensor t;
        const int64_t one[1] = {1};
        ck_assert_int_eq(attn_tensor_init(&t, (void *)(uintptr_t)length, ATTN_DTYPE_I32, 1, one),
                         ATTN_OK);
        in->x.arg[in->x.n++] = (attn_arg){ATTN_ROLE_Q_LEN, 0, &t};
        run(form, in, 1);
        for (int h = 0; h < H; h++) {
            ck_assert_mem_eq(row(in->x.out, h, 0), row(alone->x.out, h, 0),
                             LEN * DV * sizeof(float));
            for (int e = LEN * DV; e < N * DV; e++)
                ck_assert(row(in->x.out, h, 0)[e] == 0);
        }
        drop(in);
        drop(alone);
    }
}
END_TEST

static const struct {
    const char *text;
    int32_t status;
    const char *word; /* in the message */
} plans[] = {
    {"birdie h=1 q=9 d=4", ATTN_ERR_INVALID, "birdie_forward is 0"},
    {"birdie h=2 q=9 d=4 birdie_forward=3", ATTN_ERR_INVALID, "birdie_forward is 3"},
    {"birdie h=4/2 q=9 d=4", ATTN_ERR_UNSUPPORTED, "h=4/2/2"},
    {"birdie h=2 q=9 d=4 decay=token", ATTN_ERR_INVALID, "decay is set, but birdie"},
    {"birdie h=2 q=9 d=4 skip", ATTN_ERR_INVALID, "skip is set, but birdie"},
    {"birdie h=2 q=9 d=4 feature_map=relu", ATTN_ERR_INVALID, "feature_map is set, but birdie"},
    {"birdie h=2 q=9 d=4 causal", ATTN_ERR_INVALID, "causal is set, but birdie"},
    {"birdie h=2 q=9 d=4/8", ATTN_ERR_INVALID, "dv is set, but birdie"},
    {"birdie h=2 q=9 d=4 scale=2", ATTN_ERR_INVALID, "scale is set"},
    {"birdie h=2 q=9 d=4 mask", ATTN_ERR_INVALID, "mask is set"},
    {"birdie h=2 q=9 d=4 reset", ATTN_ERR_INVALID, "reset is set, but birdie"},
    {"birdie birdie_form=matrix h=2 q=9 d=4 direction=reverse", ATTN_ERR_INVALID, "direction is"},
    {"birdie birdie_form=matrix h=2 q=9 d=4 solver=scan_step", ATTN_ERR_INVALID, "solver is set"},
    {"birdie birdie_form=matrix h=2 q=9 d=4 reset", ATTN_ERR_INVALID, "reset is set, but birdie"},
    {"birdie birdie_form=matrix h=4/2 q=9 d=4", ATTN_ERR_UNSUPPORTED, "h=4/2/2"},
    {"birdie birdie_form=matrix h=2 q=9 d=4 softcap=2", ATTN_ERR_INVALID, "softcap is set"},
};

START_TEST(bad_plans)
{
    attn_ctx *ctx = dense_ctx(1);
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        ck_assert_msg(attn_desc_parse(ctx, plans[n].text, &desc) == ATTN_OK, "%s", dense_error());
        int32_t status = attn_plan_create(ctx, desc, &plan);
        ck_assert_msg(status == plans[n].status && strstr(dense_error(), plans[n].word),
                      "%s: %d, %s", plans[n].text, (int)status, dense_error());
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

static void refused(const char *text, struct input *in, int32_t status, const char *word)
{
    attn_ctx *ctx = dense_ctx(1);
    attn_plan *plan = dense_plan(ctx, text, NULL);
    dense_clear(&in->x);
    ck_assert_int_eq(attn_plan_execute(plan, in->x.arg, in->x.n, NULL, 0), status);
    ck_assert_msg(strstr(dense_error(), word), "%s: %s", text, dense_error());
    for (size_t n = 0; n < in->x.n_out; n++)
        ck_assert(isnan(in->x.out[n]));
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}

START_TEST(bad_arguments)
{
    for (int form = 0; form < FORMS; form++) {
        struct input *in = make(form);
        in->mask[3] = 3;
        refused(texts[form], in, ATTN_ERR_RANGE, "birdie_mask[0,3] is 3");
        in->mask[3] = -1;
        refused(texts[form], in, ATTN_ERR_RANGE, "birdie_mask[0,3] is -1");
        in->mask[3] = 0;
        in->mask[N - 1] = 0;
        refused(texts[form], in, ATTN_ERR_DATA, "birdie_mask[0,39] is 0 behind a 2");
        drop(in);
    }
    struct input *in = make(0);
    in->forget[5] = 1.5f;
    refused("birdie h=4 q=40 d=70 check=data", in, ATTN_ERR_DATA, "forget has 1.5 at [0,0,0,5]");
    in->forget[5] = NAN;
    refused("birdie h=4 q=40 d=70 check=data", in, ATTN_ERR_DATA, "forget has nan");
    without(in, ATTN_ROLE_FORGET);
    refused("birdie h=4 q=40 d=70", in, ATTN_ERR_ROLE, "forget is missing");
    drop(in);
    in = make(1);
    refused("birdie h=4 q=40 d=70", in, ATTN_ERR_ROLE, "was not declared");
    drop(in);
}
END_TEST

UNIT_MAIN("birdie", causal_area, samples, pieces, poison, bad_plans, bad_arguments)
