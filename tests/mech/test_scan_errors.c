/* SPDX-License-Identifier: MIT */
/*
 * Recurrences: parameters that do not go together, arguments and states that
 * are refused before anything is written (src/mech/scan.c, src/state/), packed
 * batches, and the parts of a state.
 */
#include <math.h>
#include <string.h>

#include <attn/attn.h>

#include "../unit/unit.h"

static const struct {
    const char *text;
    int32_t status;
    const char *word; /* in the message */
} plans[] = {
    {"gla q=1 d=1", ATTN_ERR_UNSET, "gla needs h"},
    {"gla h=1 d=1", ATTN_ERR_UNSET, "gla needs q"},
    {"gla h=1 q=4 k=5 d=1", ATTN_ERR_INVALID, "k is 5 and q 4"},
    {"gla h=1 q=4 d=1 decay=token", ATTN_ERR_INVALID, "decay is 2, but gla settles it as 3"},
    {"gla h=1 q=4 d=1 causal=0", ATTN_ERR_INVALID, "causal=0 with direction=forward"},
    {"gla h=1 q=4 d=1 window=1,0", ATTN_ERR_INVALID, "window_left is set, but gla"},
    {"gla h=1 q=4 d=1 bias", ATTN_ERR_INVALID, "bias is set, but gla"},
    {"gla h=1 q=4 d=1 rope=half", ATTN_ERR_INVALID, "rope is set, but gla"},
    {"gla h=1 q=4 d=1 want=probs", ATTN_ERR_INVALID, "want is set, but gla"},
    {"gla h=1 q=4 d=1 must=band[1,1,0,1]", ATTN_ERR_INVALID, "gla has no pieces"},
    {"gla h=1 q=4 d=1 solver=flash", ATTN_ERR_UNSUPPORTED, "it is for attention"},
    {"softmax h=1 q=4 k=4 d=1 solver=scan_step", ATTN_ERR_UNSUPPORTED, "it is for recurrences"},
    {"softmax h=1 q=4 k=4 d=1 decay=token", ATTN_ERR_INVALID, "decay is set, which is of recur"},
    {"softmax h=1 q=4 k=4 d=1 reset", ATTN_ERR_INVALID, "reset is set, which is of recur"},
    {"gla h=4/3 q=4 d=1", ATTN_ERR_INVALID, "output heads"},
    {"gla h=6/2/3 q=4 d=1", ATTN_ERR_INVALID, "2 key heads do not divide 3 states"},
    {"scan h=2 q=4 d=1 delta_steps=2", ATTN_ERR_INVALID, "delta_steps is set, but nothing"},
    {"scan h=2 q=4 d=1 erase_reads=previous", ATTN_ERR_INVALID, "erase_reads is set"},
    {"scan h=2 q=4 d=1 bonus", ATTN_ERR_INVALID, "bonus is set, but nothing reads it with read"},
    {"scan h=2 q=4 d=1 state_norm_eps=1", ATTN_ERR_INVALID, "state_norm_eps is set"},
    {"scan h=2 q=4 d=1 feature_dim=3", ATTN_ERR_INVALID, "feature_dim is set"},
    {"scan h=2 q=4 d=1 max_position=3", ATTN_ERR_INVALID, "max_position is set"},
    {"scan h=2 q=4 d=1 gate_bias", ATTN_ERR_INVALID, "gate_bias is set"},
    {"scan h=2 q=4 d=1 l2norm_eps=1", ATTN_ERR_INVALID, "l2norm is not"},
    {"scan h=2 q=4 d=1 alibi", ATTN_ERR_INVALID, "alibi is set"},
    {"scan h=2 q=4 d=1 gate=exp", ATTN_ERR_UNSUPPORTED, "gate=exp with decay=none"},
    {"scan h=2 q=4 d=1 gate=hgrn2 decay=token", ATTN_ERR_UNSUPPORTED, "expected decay=channel"},
    {"scan h=2 q=4 d=1 state_norm=sum update=delta", ATTN_ERR_UNSUPPORTED, "update=delta"},
    {"scan h=2 q=4 d=1 read=before update=delta", ATTN_ERR_UNSUPPORTED, "update=delta"},
    {"scan h=2 q=4 d=1 direction=full decay=token", ATTN_ERR_UNSUPPORTED, "decay=token"},
    {"scan h=2 q=4 d=1 direction=symmetric reset", ATTN_ERR_UNSUPPORTED, "reset with"},
    {"scan h=2 q=4 d=1 update=delta direction=reverse delta_steps=2", ATTN_ERR_UNSUPPORTED,
     "delta_steps with direction=reverse"},
    {"scan h=2 q=4 d=1 feature_map=cosformer direction=reverse", ATTN_ERR_UNSUPPORTED,
     "forward or full"},
    {"scan h=2 q=4 d=4 feature_map=dpfp update=writer", ATTN_ERR_UNSUPPORTED, "keeps the width"},
    {"linear_attention h=1 q=4 d=1 feature_map=silu", ATTN_ERR_UNSUPPORTED, "nowhere negative"},
    {"linear_attention h=1 q=4 d=5000 feature_map=taylor2", ATTN_ERR_UNSUPPORTED, "features"},
    {"linear_attention h=1 q=4 k=inf d=1 feature_map=cosformer", ATTN_ERR_UNSET, "max_position"},
    {"performer h=1 q=4 d=1 feature_map=favor_hyp feature_max=rows", ATTN_ERR_INVALID,
     "feature_max is set, but nothing reads it with feature_map=favor_hyp"},
    {"performer h=1 q=4 d=1 feature_max=all feature_key_max=1", ATTN_ERR_INVALID,
     "feature_key_max is set, but nothing reads it with feature_max=all"},
    {"performer h=1 q=4 d=1 causal feature_max=all", ATTN_ERR_UNSUPPORTED,
     "feature_max=all with direction=forward"},
    {"softmax h=1 q=4 k=4 d=1 feature_max=rows", ATTN_ERR_INVALID, "which is of recurrences"},
    {"birdie h=1 q=4 d=1 feature_key_max=1", ATTN_ERR_INVALID, "feature_key_max is set"},
    {"linear_attention h=1 q=4 d=1 causal direction=full", ATTN_ERR_INVALID, "causal=1 with"},
    {"lightning h=2 q=4 d=1 alibi_slopes=[1]", ATTN_ERR_INVALID, "alibi_slopes has 1 entries"},
    {"lightning h=2 q=4 d=1 alibi_slopes=[1,-1]", ATTN_ERR_INVALID, "alibi_slopes[1] is -1"},
    {"retnet h=2/1 q=4 d=1 state_heads=1", ATTN_ERR_INVALID, "differs from that of another"},
    {"deltanet h=2 q=4 d=1 decay=token", ATTN_ERR_INVALID, "decay is 2"},
    {"kda h=2 q=4 d=1 gate=safe gate_min=1", ATTN_ERR_INVALID, "gate_min is 1"},
    {"retnet h=8 q=4611686018427387904 d=64 direction=symmetric", ATTN_ERR_OVERFLOW, "workspace"},
};

static attn_ctx *ctx;

static void check_word(const char *text, const char *word)
{
    char why[512];
    attn_last_error(why, sizeof why);
    ck_assert_msg(strstr(why, word) != NULL, "%s: \"%s\" does not have \"%s\"", text, why, word);
}

static int32_t make(const char *text, attn_plan **plan)
{
    attn_desc *desc;
    if (!ctx)
        ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    *plan = NULL;
    int32_t status = attn_desc_parse(ctx, text, &desc);
    ck_assert_msg(status == ATTN_OK, "%s", text);
    status = attn_plan_create(ctx, desc, plan);
    attn_desc_destroy(desc);
    return status;
}

START_TEST(test_plans)
{
    for (size_t n = 0; n < sizeof plans / sizeof plans[0]; n++) {
        attn_plan *plan;
        int32_t status = make(plans[n].text, &plan);
        ck_assert_msg(status == plans[n].status, "%s: %s", plans[n].text, attn_status_name(status));
        ck_assert_ptr_null(plan);
        check_word(plans[n].text, plans[n].word);
    }
    attn_ctx_destroy(ctx);
    ctx = NULL;
}
END_TEST

/* gla h=1 q=4 d=2, and what an execute of it takes. */
struct use {
    float q[8], k[8], v[8], g[8], out[8];
    int64_t index[4];
    attn_tensor t[6];
    attn_arg arg[8];
    attn_plan *plan;
    attn_state *state;
};

static void start(struct use *u, const char *text, int64_t b, int64_t slots)
{
    static const int32_t roles[] = {ATTN_ROLE_Q, ATTN_ROLE_K, ATTN_ROLE_V, ATTN_ROLE_G,
                                    ATTN_ROLE_OUT};
    float *data[] = {u->q, u->k, u->v, u->g, u->out};
    *u = (struct use){.index = {0, 1, 2, 3}};
    ck_assert_int_eq(make(text, &u->plan), ATTN_OK);
    ck_assert_int_eq(attn_state_create(ctx, u->plan, slots, &u->state), ATTN_OK);
    for (int i = 0; i < 5; i++) {
        for (int n = 0; n < 8; n++)
            data[i][n] = i == 3 ? -0.5f : i == 4 ? 77.0f : 0.25f * (float)(n + i);
        attn_tensor_init(&u->t[i], data[i], ATTN_DTYPE_F32, 4, (int64_t[4]){b, 1, 4 / b, 2});
        u->arg[i] = (attn_arg){roles[i], 0, &u->t[i]};
    }
    u->arg[5] = (attn_arg){ATTN_ROLE_STATE, 0, u->state};
    attn_tensor_init(&u->t[5], u->index, ATTN_DTYPE_I64, 1, &b);
    u->arg[6] = (attn_arg){ATTN_ROLE_STATE_INDEX, 0, &u->t[5]};
}

static void refused(struct use *u, size_t n, int32_t status, const char *word)
{
    float s[4], none[4] = {0};
    attn_tensor t;
    ck_assert_int_eq(attn_plan_execute(u->plan, u->arg, n, NULL, 0), status);
    check_word("execute", word);
    for (int i = 0; i < 8; i++)
        ck_assert(u->out[i] == 77.0f);
    attn_state_shape(u->state, ATTN_STATE_PART_S, &t);
    t.data = s;
    ck_assert_int_eq(attn_state_export(u->state, 0, ATTN_STATE_PART_S, &t), ATTN_OK);
    ck_assert_mem_eq(s, none, sizeof s);
}

static void stop(struct use *u)
{
    attn_plan_destroy(u->plan);
    attn_state_destroy(u->state);
    attn_ctx_destroy(ctx);
    ctx = NULL;
}

START_TEST(test_executes)
{
    struct use u;
    start(&u, "gla b=2 h=1 q=4 d=2 check=data", 2, 3);
    u.index[1] = 3;
    refused(&u, 7, ATTN_ERR_RANGE, "state_index[1] is 3, expected 0 to 2");
    u.index[1] = 0;
    refused(&u, 7, ATTN_ERR_RANGE, "expected each slot once");
    u.index[1] = -1;
    refused(&u, 7, ATTN_ERR_RANGE, "state_index[1] is -1");
    u.index[1] = 1;
    u.arg[5].object = NULL;
    refused(&u, 7, ATTN_ERR_NULL, "role state is NULL");
    u.arg[5].object = u.q;
    refused(&u, 7, ATTN_ERR_INVALID, "is no attn_state");
    u.arg[5] = u.arg[6];
    refused(&u, 6, ATTN_ERR_ROLE, "role state is not");
    u.arg[5] = (attn_arg){ATTN_ROLE_STATE, 0, u.state};
    u.g[3] = 0.25f;
    refused(&u, 7, ATTN_ERR_DATA, "g has 0.25");
    u.g[3] = NAN;
    refused(&u, 7, ATTN_ERR_DATA, "g has nan");
    u.g[3] = -INFINITY;
    u.t[3].shape[3] = 1;
    refused(&u, 7, ATTN_ERR_SHAPE, "g has extent 1");
    u.t[3].shape[3] = 2;
    u.t[1].shape[2] = 1;
    refused(&u, 7, ATTN_ERR_SHAPE, "k has extent 1");
    u.t[1].shape[2] = 2;
    ck_assert_int_eq(attn_plan_execute(u.plan, u.arg, 7, NULL, 0), ATTN_OK);
    stop(&u);
}
END_TEST

START_TEST(test_betas)
{
    struct use u;
    float beta[4] = {1, 1, 1, 1};
    start(&u, "gla h=1 q=4 d=2", 1, 1);
    attn_plan_destroy(u.plan);
    ck_assert_int_eq(make("deltanet h=1 q=4 d=2 check=data", &u.plan), ATTN_OK);
    attn_tensor_init(&u.t[3], beta, ATTN_DTYPE_F32, 3, (int64_t[3]){1, 1, 4});
    u.arg[3] = (attn_arg){ATTN_ROLE_BETA, 0, &u.t[3]};
    refused(&u, 5, ATTN_ERR_DATA, "beta |k|^2 is");
    refused(&u, 6, ATTN_ERR_SHAPE, "state was made for another plan");
    attn_plan_destroy(u.plan);
    ck_assert_int_eq(make("deltanet h=1 q=4 d=2 check=data l2norm", &u.plan), ATTN_OK);
    ck_assert_int_eq(attn_plan_execute(u.plan, u.arg, 5, NULL, 0), ATTN_OK);
    beta[2] = NAN;
    ck_assert_int_eq(attn_plan_execute(u.plan, u.arg, 5, NULL, 0), ATTN_ERR_DATA);
    stop(&u);
}
END_TEST

START_TEST(test_positions)
{
    struct use u;
    start(&u, "gla h=1 q=4 d=2", 1, 1);
    attn_plan_destroy(u.plan);
    attn_state_destroy(u.state);
    ck_assert_int_eq(make("cosformer causal h=1 q=4 d=2 max_position=6", &u.plan), ATTN_OK);
    ck_assert_int_eq(attn_state_create(ctx, u.plan, 1, &u.state), ATTN_OK);
    u.arg[3] = u.arg[4];
    u.arg[4] = (attn_arg){ATTN_ROLE_STATE, 0, u.state};
    ck_assert_int_eq(attn_plan_execute(u.plan, u.arg, 5, NULL, 0), ATTN_OK);
    ck_assert_int_eq(attn_plan_execute(u.plan, u.arg, 5, NULL, 0), ATTN_ERR_RANGE);
    check_word("cosformer", "reaches position 7, expected at most max_position (6)");
    stop(&u);
}
END_TEST

START_TEST(test_segments)
{
    struct use u;
    attn_state *segment, *other;
    attn_plan *plan;
    attn_tensor t;
    double log[2];
    start(&u, "gla h=1 q=4 d=2", 1, 1);
    ck_assert_int_eq(attn_segment_create(ctx, u.plan, 1, &segment), ATTN_OK);
    ck_assert_int_eq(make("gla h=1 q=4 d=3", &plan), ATTN_OK);
    ck_assert_int_eq(attn_segment_create(ctx, plan, 1, &other), ATTN_OK);
    ck_assert_int_eq(attn_segment_apply(u.state, 0, u.state, 0), ATTN_ERR_INVALID);
    check_word("apply", "segment is a state, expected a segment");
    ck_assert_int_eq(attn_segment_apply(segment, 0, segment, 0), ATTN_ERR_SHAPE);
    ck_assert_int_eq(attn_segment_apply(other, 0, u.state, 0), ATTN_ERR_SHAPE);
    ck_assert_int_eq(attn_segment_apply(segment, 1, u.state, 0), ATTN_ERR_RANGE);
    check_word("apply", "segment_slot is 1");
    ck_assert_int_eq(attn_segment_compose(segment, 0, u.state, 0, segment, 0), ATTN_ERR_SHAPE);
    ck_assert_int_eq(attn_segment_compose(NULL, 0, segment, 0, segment, 0), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_state_copy(u.state, 0, segment, 0), ATTN_ERR_SHAPE);
    ck_assert_int_eq(attn_state_shape(segment, ATTN_STATE_PART_M, &t), ATTN_ERR_UNSUPPORTED);
    ck_assert_int_eq(attn_state_shape(u.state, ATTN_STATE_PART_LOG_M, &t), ATTN_ERR_UNSUPPORTED);
    ck_assert_int_eq(attn_state_shape(segment, ATTN_STATE_PART_LOG_M, &t), ATTN_OK);
    u.arg[5].object = segment;
    ck_assert_int_eq(attn_plan_execute(u.plan, u.arg, 6, NULL, 0), ATTN_OK);
    t.data = log;
    ck_assert_int_eq(attn_state_export(segment, 0, ATTN_STATE_PART_LOG_M, &t), ATTN_OK);
    ck_assert(log[0] == -2 && log[1] == -2);
    attn_plan_destroy(plan);
    ck_assert_int_eq(make("gla h=1 q=4 d=2 solver=scan_reference", &plan), ATTN_OK);
    ck_assert_int_eq(attn_plan_execute(plan, u.arg, 6, NULL, 0), ATTN_ERR_UNSUPPORTED);
    attn_state_destroy(other);
    ck_assert_int_eq(attn_segment_create(ctx, plan, 1, &other), ATTN_ERR_UNSUPPORTED);
    ck_assert_ptr_null(other);
    attn_state_destroy(segment);
    attn_plan_destroy(plan);
    /* what a token of these does depends on how many came before */
    static const char *const counting[] = {"cosformer h=1 q=4 d=2 causal max_position=9",
                                           "flow_attention h=1 q=4 d=2 causal"};
    for (int n = 0; n < 2; n++) {
        ck_assert_int_eq(make(counting[n], &plan), ATTN_OK);
        ck_assert_int_eq(attn_segment_create(ctx, plan, 1, &other), ATTN_ERR_UNSUPPORTED);
        check_word("create", "count from the first token of all");
        attn_plan_destroy(plan);
    }
    stop(&u);
}
END_TEST

START_TEST(test_state_functions)
{
    struct use u;
    attn_state *other;
    attn_plan *softmax;
    attn_tensor t, i32;
    float s[4] = {1, 2, 3, 4}, back[4];
    int32_t count = -1;
    start(&u, "gla h=1 q=4 d=2", 1, 2);
    ck_assert_int_eq(attn_state_create(ctx, u.plan, 0, &other), ATTN_ERR_INVALID);
    ck_assert_ptr_null(other);
    ck_assert_int_eq(attn_state_create(ctx, u.plan, INT64_MAX, &other), ATTN_ERR_OVERFLOW);
    ck_assert_int_eq(make("softmax h=1 q=1 k=1 d=1", &softmax), ATTN_OK);
    ck_assert_int_eq(attn_state_create(ctx, softmax, 1, &other), ATTN_ERR_UNSUPPORTED);
    attn_plan_destroy(softmax);
    ck_assert_int_eq(attn_state_slots(u.state), 2);
    ck_assert_int_eq(attn_state_slots(NULL), 0);
    ck_assert_int_eq(attn_state_zero(u.state, 1, 2), ATTN_ERR_RANGE);
    ck_assert_int_eq(attn_state_copy(u.state, 2, u.state, 0), ATTN_ERR_RANGE);
    check_word("copy", "to_slot is 2, expected 0 to 1");
    ck_assert_int_eq(attn_state_copy(NULL, 0, u.state, 0), ATTN_ERR_NULL);
    ck_assert_int_eq(attn_state_shape(u.state, ATTN_STATE_PART_SUM, &t), ATTN_ERR_UNSUPPORTED);
    ck_assert_int_eq(attn_state_shape(u.state, 9, &t), ATTN_ERR_INVALID);
    ck_assert_int_eq(attn_state_shape(u.state, ATTN_STATE_PART_S, &t), ATTN_OK);
    t.data = s;
    ck_assert_int_eq(attn_state_import(u.state, 2, ATTN_STATE_PART_S, &t), ATTN_ERR_RANGE);
    ck_assert_int_eq(attn_state_import(u.state, 1, ATTN_STATE_PART_S, &t), ATTN_OK);
    s[3] = INFINITY;
    ck_assert_int_eq(attn_state_import(u.state, 1, ATTN_STATE_PART_S, &t), ATTN_ERR_DATA);
    check_word("import", "tensor has inf at [0,1,1]");
    s[3] = 4;
    t.data = back;
    t.stride[1] = 1; /* [Dv][Dk] */
    t.stride[2] = 2;
    ck_assert_int_eq(attn_state_export(u.state, 1, ATTN_STATE_PART_S, &t), ATTN_OK);
    ck_assert(back[0] == 1 && back[1] == 3 && back[2] == 2 && back[3] == 4);
    t.dtype = ATTN_DTYPE_F16;
    ck_assert_int_eq(attn_state_export(u.state, 1, ATTN_STATE_PART_S, &t), ATTN_ERR_DTYPE);
    t.dtype = ATTN_DTYPE_F32;
    t.shape[1] = 1;
    ck_assert_int_eq(attn_state_export(u.state, 1, ATTN_STATE_PART_S, &t), ATTN_ERR_SHAPE);
    attn_tensor_init(&i32, &count, ATTN_DTYPE_I32, 1, (int64_t[1]){1});
    ck_assert_int_eq(attn_state_import(u.state, 1, ATTN_STATE_PART_COUNT, &i32), ATTN_ERR_DATA);
    ck_assert_int_eq(attn_plan_execute(u.plan, u.arg, 6, NULL, 0), ATTN_OK);
    ck_assert_int_eq(attn_state_export(u.state, 0, ATTN_STATE_PART_COUNT, &i32), ATTN_OK);
    ck_assert_int_eq(count, 4);
    attn_state_destroy(NULL);
    stop(&u);
}
END_TEST

/* Sequences end to end are what they are by themselves, bit by bit. */
START_TEST(test_packed)
{
    enum { D = 5, T = 150, N = 3 };
    static const int64_t offsets[N + 1] = {0, 70, 70, T};
    static float x[4][T * D], packed[T * D], alone[T * D];
    attn_plan *plan;
    attn_state *state;
    attn_tensor t[6], off;
    attn_arg arg[7];
    static const int32_t roles[] = {ATTN_ROLE_Q, ATTN_ROLE_K, ATTN_ROLE_V, ATTN_ROLE_G,
                                    ATTN_ROLE_OUT};
    for (int i = 0; i < 4; i++)
        for (int n = 0; n < T * D; n++)
            x[i][n] = i == 3 ? -(float)(n % 7) / 8 : (float)((n * 7 + i) % 13 - 6) / 8;
    ck_assert_int_eq(make("gla b=3 h=1 q=150 d=5 packed", &plan), ATTN_OK);
    ck_assert_int_eq(attn_state_create(ctx, plan, N, &state), ATTN_OK);
    for (int i = 0; i < 5; i++) {
        attn_tensor_init(&t[i], i == 4 ? packed : x[i], ATTN_DTYPE_F32, 4,
                         (int64_t[4]){1, 1, T, D});
        arg[i] = (attn_arg){roles[i], 0, &t[i]};
    }
    attn_tensor_init(&off, (void *)(uintptr_t)offsets, ATTN_DTYPE_I64, 1, (int64_t[1]){N + 1});
    arg[5] = (attn_arg){ATTN_ROLE_Q_OFFSETS, 0, &off};
    arg[6] = (attn_arg){ATTN_ROLE_STATE, 0, state};
    ck_assert_int_eq(attn_plan_execute(plan, arg, 7, NULL, 0), ATTN_OK);
    attn_plan_destroy(plan);
    ck_assert_int_eq(make("gla h=1 q=150 d=5", &plan), ATTN_OK);
    for (int n = 0; n < N; n++) {
        for (int i = 0; i < 5; i++) {
            float *base = i == 4 ? alone : x[i];
            attn_tensor_init(&t[i], base + offsets[n] * D, ATTN_DTYPE_F32, 4,
                             (int64_t[4]){1, 1, offsets[n + 1] - offsets[n], D});
        }
        ck_assert_int_eq(attn_plan_execute(plan, arg, 5, NULL, 0), ATTN_OK);
    }
    ck_assert_mem_eq(packed, alone, sizeof packed);
    attn_plan_destroy(plan);
    attn_state_destroy(state);
    attn_ctx_destroy(ctx);
    ctx = NULL;
}
END_TEST

/* Rows behind Q_LEN come out as 0 and leave no trace. */
START_TEST(test_lengths)
{
    struct use u;
    int64_t len = 2;
    attn_tensor q_len, t;
    float before[4], after[4];
    start(&u, "gla h=1 q=4 d=2", 1, 1);
    u.k[4] = u.v[5] = u.q[6] = NAN;
    attn_tensor_init(&q_len, &len, ATTN_DTYPE_I64, 1, (int64_t[1]){1});
    u.arg[6] = (attn_arg){ATTN_ROLE_Q_LEN, 0, &q_len};
    ck_assert_int_eq(attn_plan_execute(u.plan, u.arg, 7, NULL, 0), ATTN_OK);
    for (int i = 0; i < 8; i++)
        ck_assert(i < 4 ? isfinite(u.out[i]) && u.out[i] != 0 : u.out[i] == 0);
    attn_state_shape(u.state, ATTN_STATE_PART_S, &t);
    t.data = before;
    attn_state_export(u.state, 0, ATTN_STATE_PART_S, &t);
    len = 0;
    ck_assert_int_eq(attn_plan_execute(u.plan, u.arg, 7, NULL, 0), ATTN_OK);
    t.data = after;
    attn_state_export(u.state, 0, ATTN_STATE_PART_S, &t);
    ck_assert_mem_eq(before, after, sizeof after);
    stop(&u);
}
END_TEST

UNIT_MAIN("scan_errors", test_plans, test_executes, test_betas, test_positions,
          test_segments, test_state_functions, test_packed, test_lengths)
