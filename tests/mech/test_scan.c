/* SPDX-License-Identifier: MIT */
/*
 * Recurrences on random problems: the sequence whole by scan_reference in f64
 * against every other solver (scan_step, scan_chunk, scan_full), whole,
 * cut at random places with a state between the pieces, token by token, as two segments, and
 * with other numbers of threads; --side: few states of many tokens, whose
 * chunks go side by side on several threads (scan_side.c, scan_job.c). Below
 * the solvers: src/solvers/scan_run.c,
 * scan_load.c, scan_ahead.c, scan_map.c, scan_tokens.c, scan_exact.c, flow.c, flow_sums.c
 * (flow against flow_reference); the settings are those of src/mech/scan.c,
 * scan_presets.c and flow_attention.c.
 *
 *     test_scan [--seed N] [--count N] [--side 1] [--tokens N]
 */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <attn/attn.h>

#include "rng.h"

enum { MAX_ARGS = 20, MAX_PIECES = 8 };

static long failures, checks;
static double worst;
static bool side;
static int64_t tokens; /* of every problem; 0: various */

/* The arrays of a problem: their tokens are along axis 2, or 1, or nowhere. */
struct input {
    int32_t role, dtype, axis;
    int64_t per_token; /* rows of that axis to a token */
    attn_tensor t;
};

struct problem {
    char text[512];
    int64_t b, n, hout, d, dv, steps;
    struct input in[MAX_ARGS];
    int n_in;
};

static void die(const char *what)
{
    char text[512];
    attn_last_error(text, sizeof text);
    fprintf(stderr, "%s: %s\n", what, text);
    exit(2);
}

static void add(struct problem *p, int32_t role, int32_t dtype, int32_t axis, int64_t per_token,
                int32_t rank, const int64_t *shape)
{
    struct input *in = &p->in[p->n_in++];
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++)
        n *= shape[i];
    *in = (struct input){.role = role, .dtype = dtype, .axis = axis, .per_token = per_token};
    void *data = calloc((size_t)n + 1, attn_dtype_size(dtype));
    if (!data || attn_tensor_init(&in->t, data, dtype, rank, shape) != ATTN_OK)
        die("array");
}

static int64_t elements(const attn_tensor *t)
{
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

/* Gates: mild, strong, or now and then all is forgotten. */
static void fill(struct input *in, struct rng *r, int gates)
{
    float *x = in->t.data;
    for (int64_t i = 0; i < elements(&in->t); i++) {
        double u = rng_unit(r);
        if (in->role == ATTN_ROLE_RESET)
            ((uint8_t *)in->t.data)[i] = u < 0.03;
        else if (in->role == ATTN_ROLE_BETA)
            x[i] = (float)u;
        else if (in->role == ATTN_ROLE_G)
            x[i] = (float)(gates == 0   ? -u / 16
                           : gates == 1 ? -5 * u
                           : u < 0.05   ? -INFINITY
                           : u < 0.1    ? 0
                                        : -u);
        else if (in->role == ATTN_ROLE_WRITE || in->role == ATTN_ROLE_ERASE ||
                 in->role == ATTN_ROLE_FEATURE_WQ || in->role == ATTN_ROLE_FEATURE_WK)
            x[i] = (float)(0.2 * (u - 0.5));
        else if (in->role == ATTN_ROLE_VALUE_GATE || in->role == ATTN_ROLE_K_SCALE ||
                 in->role == ATTN_ROLE_K_MIX)
            x[i] = (float)(0.5 + u);
        else
            x[i] = (float)(2 * u - 1 + rng_unit(r) * 0.5);
    }
}

/* What a problem begins with, and the arrays that it needs. */
static const struct {
    const char *text;
    bool beta, write, erase, bonus, flow;
    bool a, value_gate, mix, weights, wide; /* wide: many features */
    int decay;
} templates[] = {
    {"scan", .decay = 0},
    {"scan decay=head", .decay = 1},
    {"scan decay=token", .decay = 2},
    {"gla", .decay = 3},
    {"linear_attention causal", .decay = 0},
    {"scan decay=channel state_norm=sum feature_map=exp", .decay = 3},
    {"scan decay=token state_norm=max feature_map=elu1", .decay = 2},
    {"rwkv6", .decay = 3, .bonus = true},
    {"scan read=before decay=token", .decay = 2},
    {"deltanet l2norm", .beta = true},
    {"gated_deltanet l2norm", .decay = 2, .beta = true},
    {"kda l2norm", .decay = 3, .beta = true},
    {"deltaproduct l2norm delta_steps=3", .decay = 2, .beta = true},
    {"scan update=writer decay=channel l2norm", .decay = 3, .erase = true},
    {"scan update=general decay=token", .decay = 2, .write = true, .erase = true},
    {"scan update=general erase_reads=previous decay=channel", .decay = 3, .write = true,
     .erase = true},
    {"lightnet causal", .decay = 0},
    {"hgrn2", .decay = 0},
    {"hedgehog feature_map=dpfp causal", .decay = 0},
    {"cosformer max_position=100000 causal", .decay = 0},
    {"flow_attention causal flow_clamp=3", .flow = true},
    {"retnet", .decay = 4},
    {"lightning alibi", .decay = 4},
    {"mamba2", .decay = 2, .a = true},
    {"comba l2norm", .decay = 2, .beta = true, .erase = true},
    {"gdn2 l2norm", .decay = 3, .erase = true, .value_gate = true},
    {"rwkv7 gate=log", .decay = 3, .write = true, .mix = true},
    {"hedgehog causal", .weights = true},
    {"performer causal", .weights = true},
    {"performer causal feature_max=rows feature_key_max=0.25", .weights = true},
    {"based causal", .wide = true},
};

enum { TEMPLATES = sizeof templates / sizeof templates[0] };

static void make(struct problem *p, struct rng *r, size_t kind)
{
    int64_t h = rng_int(r, 1, 3), group = rng_int(r, 1, 2), hs = h, d = rng_int(r, 1, 40);
    int64_t dv = rng_int(r, 1, 150), steps = strstr(templates[kind].text, "delta_steps") ? 3 : 1;
    int64_t b = rng_int(r, 1, 2), hk = h, hv = h, hq = h;
    static const int64_t lengths[] = {1, 2, 15, 16, 17, 63, 64, 65, 127, 130, 200, 321};
    int64_t n = tokens > 0 ? tokens : lengths[rng_int(r, 0, 11)];
    if (n <= 17 && rng_int(r, 0, 1))
        h = hs = hk = hv = hq = 9; /* more than a wave, scan_wave.c, has */
    if (templates[kind].wide)
        d = rng_int(r, 1, 6);
    bool reset = rng_int(r, 0, 3) == 0;
    if (side) {
        h = hs = hk = hv = hq = b = 1;
        n = rng_int(r, 128, 1500);
    }
    if (rng_int(r, 0, 2) == 0 && !templates[kind].flow)
        hq = h * group;
    else if (rng_int(r, 0, 1) && !templates[kind].flow)
        hv = hs = h * group;
    else
        group = 1;
    if (templates[kind].decay == 1 || templates[kind].decay == 4)
        hs = hq > hv ? hq : hv;
    *p = (struct problem){.b = b, .n = n, .hout = hq > hs ? hq : hs, .d = d, .dv = dv,
                          .steps = steps};
    snprintf(p->text, sizeof p->text,
             "%s%s b=%" PRId64 " h=%" PRId64 "/%" PRId64 "/%" PRId64 " q=%" PRId64 " d=%" PRId64
             "/%" PRId64,
             templates[kind].text, reset ? " reset" : "", b, hq, hk, hv, n, d, dv);
    int32_t f = ATTN_DTYPE_F32;
    int64_t kn = n * steps;
    add(p, ATTN_ROLE_Q, f, 2, 1, 4, (int64_t[4]){b, hq, n, d});
    add(p, ATTN_ROLE_K, f, 2, steps, 4, (int64_t[4]){b, hk, kn, d});
    add(p, ATTN_ROLE_V, f, 2, steps, 4, (int64_t[4]){b, hv, kn, dv});
    if (templates[kind].decay == 1)
        add(p, ATTN_ROLE_G, f, -1, 0, 1, (int64_t[1]){hs});
    if (templates[kind].decay == 2 || templates[kind].decay == 3)
        add(p, ATTN_ROLE_G, f, 2, 1, templates[kind].decay == 2 ? 3 : 4,
            (int64_t[4]){b, hs, n, d});
    if (templates[kind].beta)
        add(p, ATTN_ROLE_BETA, f, 2, steps, 3, (int64_t[3]){b, hs, kn});
    if (templates[kind].write)
        add(p, ATTN_ROLE_WRITE, f, 2, steps, 4, (int64_t[4]){b, hk, kn, d});
    if (templates[kind].erase)
        add(p, ATTN_ROLE_ERASE, f, 2, steps, 4, (int64_t[4]){b, hk, kn, d});
    if (templates[kind].a)
        add(p, ATTN_ROLE_GATE_A, f, -1, 0, 1, (int64_t[1]){hs});
    if (templates[kind].value_gate)
        add(p, ATTN_ROLE_VALUE_GATE, f, 2, steps, 4, (int64_t[4]){b, hv, kn, dv});
    if (templates[kind].mix) {
        add(p, ATTN_ROLE_K_SCALE, f, -1, 0, 2, (int64_t[2]){hk, d});
        add(p, ATTN_ROLE_K_MIX, f, -1, 0, 2, (int64_t[2]){hk, d});
    }
    if (templates[kind].weights) {
        add(p, ATTN_ROLE_FEATURE_WQ, f, -1, 0, 2, (int64_t[2]){d, d});
        add(p, ATTN_ROLE_FEATURE_WK, f, -1, 0, 2, (int64_t[2]){d, d});
    }
    if (templates[kind].bonus)
        add(p, ATTN_ROLE_BONUS, f, -1, 0, 2, (int64_t[2]){hs, d});
    if (reset)
        add(p, ATTN_ROLE_RESET, ATTN_DTYPE_BOOL, 1, 1, 2, (int64_t[2]){b, n});
    int gates = (int)rng_int(r, 0, 2);
    for (int i = 0; i < p->n_in; i++)
        fill(&p->in[i], r, gates);
}

static void drop(struct problem *p)
{
    for (int i = 0; i < p->n_in; i++)
        free(p->in[i].t.data);
}

/* Tokens first.. of n of a tensor. */
static attn_tensor cut(const attn_tensor *t, int32_t axis, int64_t first, int64_t n)
{
    attn_tensor c = *t;
    if (axis < 0)
        return c;
    c.data = (char *)t->data + (size_t)(first * t->stride[axis]) * attn_dtype_size(t->dtype);
    c.shape[axis] = n;
    return c;
}

static attn_plan *plan_of(attn_ctx *ctx, const char *text)
{
    attn_desc *desc;
    attn_plan *plan;
    if (attn_desc_parse(ctx, text, &desc) != ATTN_OK)
        die(text);
    if (attn_plan_create(ctx, desc, &plan) != ATTN_OK)
        die(text);
    attn_desc_destroy(desc);
    return plan;
}

/* One execute of tokens first.. of n. */
static void execute(attn_plan *plan, const struct problem *p, attn_tensor *out, int64_t first,
                    int64_t n, attn_state *state, const int64_t *slots)
{
    attn_tensor t[MAX_ARGS], o = cut(out, 2, first, n), index;
    attn_arg args[MAX_ARGS];
    size_t n_args = 0;
    for (int i = 0; i < p->n_in; i++) {
        const struct input *in = &p->in[i];
        t[i] = cut(&in->t, in->axis, first * in->per_token, n * in->per_token);
        args[n_args++] = (attn_arg){in->role, 0, &t[i]};
    }
    args[n_args++] = (attn_arg){ATTN_ROLE_OUT, 0, &o};
    if (state) {
        args[n_args++] = (attn_arg){ATTN_ROLE_STATE, 0, state};
        attn_tensor_init(&index, (void *)(uintptr_t)slots, ATTN_DTYPE_I64, 1, &p->b);
        args[n_args++] = (attn_arg){ATTN_ROLE_STATE_INDEX, 0, &index};
    }
    if (attn_plan_execute(plan, args, n_args, NULL, 0) != ATTN_OK)
        die(p->text);
}

static attn_tensor new_out(const struct problem *p)
{
    attn_tensor o = {0};
    int64_t shape[4] = {p->b, p->hout, p->n, p->dv};
    float *data = calloc((size_t)(p->b * p->hout * p->n * p->dv) + 1, sizeof *data);
    if (!data || attn_tensor_init(&o, data, ATTN_DTYPE_F32, 4, shape) != ATTN_OK)
        die("array");
    return o;
}

static void compare(const struct problem *p, const char *what, const float *got,
                    const float *want, int64_t n)
{
    double error = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        error += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        size += (double)want[i] * (double)want[i];
    }
    /* The few numbers of one or two tokens may all be near 0 by chance: q.k of
     * d terms of which half cancel. */
    double least = p->n <= 2 ? 0.01 * (double)p->d * (double)n : 0;
    double rms = error > 0 ? sqrt(error / (size > least ? size : least)) : 0;
    checks++;
    if (!(rms <= 3e-6)) {
        printf("FAIL %s: %s: relative RMS %.3g\n", p->text, what, rms);
        failures++;
    }
    if (rms > worst)
        worst = rms;
}

static void same_numbers(const struct problem *p, const char *what, const float *a, const float *b,
                         int64_t n)
{
    checks++;
    if (memcmp(a, b, (size_t)n * sizeof(float)) != 0) {
        printf("FAIL %s: %s: other bits\n", p->text, what);
        failures++;
    }
}

static void same_bytes(const struct problem *p, const char *what, const attn_tensor *a,
                       const attn_tensor *b)
{
    same_numbers(p, what, a->data, b->data, elements(a));
}

/* Token by token, as decoding has it, several states at once (scan_wave.c): the
 * first tokens have the bits that they have in the whole. */
static void one_by_one(attn_plan *plan, const struct problem *p, const attn_tensor *whole,
                       attn_tensor *room, attn_state *state, const int64_t *slots)
{
    enum { FIRST = 17 };
    memcpy(room->data, whole->data, (size_t)elements(whole) * sizeof(float));
    attn_state_zero(state, 0, attn_state_slots(state));
    for (int64_t at = 0; at < p->n && at < FIRST; at++) {
        attn_tensor row = cut(room, 2, at, 1);
        for (int64_t i = 0; i < p->b * p->hout; i++)
            memset((float *)row.data + i * row.stride[1], 0xff, (size_t)p->dv * sizeof(float));
        execute(plan, p, room, at, 1, state, slots);
    }
    same_bytes(p, "one by one", whole, room);
}

/* S of all slots. */
static float *read_state(const attn_state *state, const int64_t *slots, int64_t b, int64_t *n)
{
    attn_tensor t;
    if (attn_state_shape(state, ATTN_STATE_PART_S, &t) != ATTN_OK)
        die("state");
    *n = elements(&t);
    float *s = calloc((size_t)(*n * b), sizeof *s);
    for (int64_t i = 0; i < b; i++) {
        t.data = s + i * *n;
        if (attn_state_export(state, slots[i], ATTN_STATE_PART_S, &t) != ATTN_OK)
            die("state");
    }
    *n *= b;
    return s;
}

/* Two segments, each made by itself: the second runs from what the first
 * leaves, and both joined leave what the whole does. */
static void segments(struct rng *r, attn_ctx *ctx, const struct problem *p,
                     const attn_tensor *want, attn_state *after, attn_state *state,
                     const int64_t *slots)
{
    attn_plan *plan = plan_of(ctx, p->text);
    attn_state *a, *b;
    attn_tensor out = new_out(p), t;
    int64_t at = rng_int(r, 0, p->n), n, count[2] = {0};
    if (attn_segment_create(ctx, plan, 4, &a) == ATTN_ERR_UNSUPPORTED) {
        free(out.data);
        attn_plan_destroy(plan);
        return;
    }
    if (attn_segment_create(ctx, plan, 4, &b) != ATTN_OK)
        die("segment");
    execute(plan, p, &out, at, p->n - at, b, slots);
    execute(plan, p, &out, 0, at, a, slots);
    attn_state_zero(state, 0, 4);
    for (int64_t i = 0; i < p->b; i++)
        if (attn_segment_apply(a, slots[i], state, slots[i]) != ATTN_OK)
            die("apply");
    execute(plan, p, &out, at, p->n - at, state, slots);
    compare(p, "two segments", out.data, want->data, elements(want));
    attn_state_zero(state, 0, 4);
    for (int64_t i = 0; i < p->b; i++)
        if (attn_segment_compose(b, slots[i], a, slots[i], b, slots[i]) != ATTN_OK ||
            attn_segment_apply(b, slots[i], state, slots[i]) != ATTN_OK)
            die("compose");
    float *x = read_state(after, slots, p->b, &n), *y = read_state(state, slots, p->b, &n);
    compare(p, "state of two segments", y, x, n);
    for (int k = 0; k < 2; k++) {
        attn_tensor_init(&t, &count[k], ATTN_DTYPE_I64, 1, (int64_t[1]){1});
        attn_state_export(k ? state : after, slots[0], ATTN_STATE_PART_COUNT, &t);
    }
    checks++;
    if (count[0] != count[1]) {
        printf("FAIL %s: segments count %" PRId64 ", expected %" PRId64 "\n", p->text, count[1],
               count[0]);
        failures++;
    }
    free(x);
    free(y);
    free(out.data);
    attn_state_destroy(a);
    attn_state_destroy(b);
    attn_plan_destroy(plan);
}

static void run(struct rng *r, size_t kind)
{
    static const int64_t slots[2] = {3, 1};
    struct problem p;
    char text[600];
    attn_ctx *ctx, *three;
    if (attn_ctx_create(NULL, &ctx) != ATTN_OK || attn_ctx_create(NULL, &three) != ATTN_OK ||
        attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 1) != ATTN_OK ||
        attn_ctx_set_i64(three, ATTN_CTX_THREADS, 3) != ATTN_OK)
        die("context");
    make(&p, r, kind);
    snprintf(text, sizeof text, "%s solver=%s_reference", p.text,
             templates[kind].flow ? "flow" : "scan");
    attn_plan *plan = plan_of(ctx, text);
    attn_state *state, *other, *third;
    if (attn_state_create(ctx, plan, 4, &state) != ATTN_OK ||
        attn_state_create(ctx, plan, 4, &other) != ATTN_OK ||
        attn_state_create(ctx, plan, 4, &third) != ATTN_OK)
        die("state");
    attn_tensor want = new_out(&p), got = new_out(&p), again = new_out(&p);
    execute(plan, &p, &want, 0, p.n, state, slots);
    attn_plan_destroy(plan);
    const char *solver;
    for (size_t s = 0; (solver = attn_solver_at(s)) != NULL; s++) {
        attn_desc *desc;
        attn_plan *split;
        int64_t n;
        snprintf(text, sizeof text, "%s solver=%s", p.text, solver);
        if (attn_desc_parse(ctx, text, &desc) != ATTN_OK)
            die(text);
        int32_t status = attn_plan_create(ctx, desc, &plan);
        attn_desc_destroy(desc);
        if (status == ATTN_ERR_UNSUPPORTED)
            continue;
        attn_state_zero(other, 0, 4);
        execute(plan, &p, &got, 0, p.n, other, slots);
        compare(&p, solver, got.data, want.data, elements(&want));
        split = plan_of(three, text);
        attn_state_zero(third, 0, 4);
        execute(split, &p, &again, 0, p.n, third, slots);
        same_bytes(&p, solver, &got, &again);
        /* the states after it */
        float *a = read_state(state, slots, p.b, &n), *b = read_state(other, slots, p.b, &n);
        float *c = read_state(third, slots, p.b, &n);
        same_numbers(&p, "state of threads", b, c, n);
        free(c);
        compare(&p, "state", b, a, n);
        if (strcmp(solver, "scan_step") == 0)
            one_by_one(plan, &p, &got, &again, third, slots);
        /* in pieces, with a snapshot that is gone back to */
        attn_state_zero(other, 0, 4);
        for (int64_t at = 0; at < p.n;) {
            int64_t m = rng_int(r, 1, p.n - at < 90 ? p.n - at : 90);
            attn_state_copy(other, 0, other, slots[0]);
            execute(split, &p, &again, at, m, other, slots);
            if (p.b == 1 && rng_int(r, 0, 3) == 0) {
                attn_state_copy(other, slots[0], other, 0);
                execute(plan, &p, &again, at, m, other, slots);
            }
            at += m;
        }
        compare(&p, "in pieces", again.data, want.data, elements(&want));
        free(b);
        b = read_state(other, slots, p.b, &n);
        compare(&p, "state of pieces", b, a, n);
        free(a);
        free(b);
        attn_plan_destroy(split);
        attn_plan_destroy(plan);
    }
    segments(r, ctx, &p, &want, state, other, slots);
    free(want.data);
    free(got.data);
    free(again.data);
    drop(&p);
    attn_state_destroy(state);
    attn_state_destroy(other);
    attn_state_destroy(third);
    attn_ctx_destroy(ctx);
    attn_ctx_destroy(three);
}

int main(int argc, char **argv)
{
    uint64_t seed = 1;
    long count = 100;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            seed = strcmp(argv[i + 1], "fresh") == 0 ? (uint64_t)time(NULL)
                                                     : strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0)
            count = strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--side") == 0)
            side = true;
        else if (strcmp(argv[i], "--tokens") == 0)
            tokens = strtol(argv[i + 1], NULL, 10);
    }
    printf("seed %" PRIu64 "\n", seed);
    struct rng r = {.state = seed};
    for (long i = 0; i < count; i++)
        run(&r, (size_t)i % TEMPLATES);
    printf("%ld checks, %ld failures; worst relative RMS %.3g\n", checks, failures, worst);
    return failures > 0;
}
