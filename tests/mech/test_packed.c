/* SPDX-License-Identifier: MIT */
/*
 * Recipes of several stages with packed batches (src/mech/packed.h for those that
 * take one whole, src/problem/sequences.h and src/plan/staged_each.c for those that
 * run one sequence after another): rows begin and end anywhere in their tensors,
 * sequences are empty, of one row and as long as the plan allows, and each has
 * the bits that it has alone, in every output. Rows of no sequence stay as they
 * are.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <attn/attn.h>

#include "../unit/unit.h"

/* Extents tell what a dimension is: no size of a head is one of these. */
enum { SEQUENCES = 5, MOST_ARGS = 24, MOST_Q = 21, MOST_K = 31, Q_ROWS = 37, K_ROWS = 58 };

/* Lengths of queries and keys: any; the same; no sequence without queries. */
enum lengths { ANY, SAME, SOME };
static const int64_t q_offsets[][SEQUENCES + 1] = {
    [ANY] = {3, 10, 10, 31, 32, 34},
    [SAME] = {3, 10, 10, 31, 32, 34},
    [SOME] = {1, 8, 9, 30, 33, 35},
};
static const int64_t k_offsets[][SEQUENCES + 1] = {
    [ANY] = {2, 33, 38, 51, 51, 55},
    [SAME] = {3, 10, 10, 31, 32, 34},
    [SOME] = {2, 33, 38, 51, 51, 55},
};

/* Roles with rows of queries (0: there are none) and of keys tell the lengths. */
static const struct {
    const char *text;
    enum lengths lengths;
    int32_t q_role, k_role;
    int64_t q_heads, q_width, k_heads, k_width;
} cases[] = {
#define QK ATTN_ROLE_Q, ATTN_ROLE_K
    {"diff_attention h=4/2/1 d=8/16 causal", ANY, QK, 4, 8, 2, 8},
    {"diff_attention h=8/4/2 d=8 out_gate=sigmoid out_norm=none", ANY, QK, 8, 8, 4, 8},
    {"mla h=3 d=24/16 mla_rank=32 mla_rope_dim=8 causal", ANY, ATTN_ROLE_Q_NOPE, ATTN_ROLE_LATENT,
     3, 16, 1, 40},
    {"mla h=3 d=24/16 mla_rank=32 mla_rope_dim=8 mla_form=naive causal", ANY, ATTN_ROLE_Q_NOPE,
     ATTN_ROLE_LATENT, 3, 16, 1, 40},
    {"agent_attention h=4/2 d=8/16 agent_tokens=9", ANY, QK, 4, 8, 2, 8},
    {"complexformer h=2 d=8 causal", ANY, QK, 2, 8, 2, 8},
    {"rcmha h=2 d=8 causal query_table_zero=31 q_bias_content want=probs,colsum", ANY, QK, 2, 8, 2,
     8},
    {"rcmha h=4/2 d=8 dtype=f16 query_table_zero=31 bias mask sink_logits", ANY, QK, 4, 8, 2, 8},
    {"pgqa h=4/2 d=8/16", ANY, QK, 4, 8, 2, 8},
    {"lama h=3/1 d=8 mask want=probs,colsum,rowmax", ANY, 0, ATTN_ROLE_K, 0, 0, 1, 8},
    {"pointer h=2 d=8 causal want=probs,entropy,argmax", ANY, QK, 2, 8, 2, 8},
    {"act h=4/2 d=8 act_threshold=0.05 out_gate=sigmoid", SAME, QK, 4, 8, 2, 8},
    {"var h=4/2 d=8 causal var_rho=0.1", ANY, QK, 4, 8, 2, 8},
    {"vhr h=4/2 d=8/16 causal", ANY, QK, 4, 8, 2, 8},
    {"pwca h=4/2 d=8/16", ANY, QK, 4, 8, 2, 8},
    {"glca h=4/2 d=8/16", SOME, QK, 4, 8, 2, 8},
    {"pine h=4/2 d=8/16 pine_docs=3", SAME, QK, 4, 8, 2, 8},
    {"moda h=4/2 d=8/16 moda_base=0.5 moda_decay=0.1", ANY, QK, 4, 8, 2, 8},
    {"nsa h=4/2 d=8 nsa_compress=4 nsa_stride=2 nsa_block=4 nsa_top=3 nsa_local=5", ANY, QK, 4, 8,
     2, 8},
    {"biformer h=2 d=8 biformer_region=4 biformer_top=2", ANY, QK, 2, 8, 2, 8},
    {"hyper h=2 d=8 hyper_seed=3 hyper_bits=4 hyper_least=3 hyper_block=4 hyper_samples=3", SAME,
     QK, 2, 8, 2, 8},
    {"hyper h=2 d=8/16 hyper_seed=3 hyper_bits=4 hyper_least=3 hyper_block=2 hyper_samples=3 "
     "causal dtype=f16", SAME, QK, 2, 8, 2, 8},
    {"routing h=2 d=8 routing_clusters=3 routing_window=4 causal", SAME, QK, 2, 8, 2, 8},
    {"routing h=4/2 d=8/16 routing_clusters=3 routing_window=4 routing_shared=0 routing_strided",
     ANY, QK, 4, 8, 2, 8},
    {"longheads h=4/2 d=8 longheads_chunk=4 longheads_chunks=3 longheads_made", SAME, QK, 4, 8, 2,
     8},
    {"biformer h=2 d=8 biformer_region=2 biformer_top=2 biformer_columns=1 biformer_width=1", SAME,
     QK, 2, 8, 2, 8},
    {"moba h=4/2 d=8 causal moba_block=4 moba_top=2 want=rowmax", ANY, QK, 4, 8, 2, 8},
    {"quest h=4/2 d=8 quest_page=4 quest_budget=2", ANY, QK, 4, 8, 2, 8},
    {"xattention h=2 d=8 xattention_block=4 xattention_stride=2", ANY, QK, 2, 8, 2, 8},
    {"tokenselect h=4/2 d=8 tokenselect_init=2 tokenselect_local=4 tokenselect_chunk=4 "
     "tokenselect_top=5", ANY, QK, 4, 8, 2, 8},
    {"tokenselect h=4/2 d=8 rope=half tokenselect_init=2 tokenselect_local=4 tokenselect_chunk=4 "
     "tokenselect_top=5 tokenselect_compact", ANY, QK, 4, 8, 2, 8},
    {"flexprefill h=2 d=8 flexprefill_block=4 flexprefill_min=4", SAME, QK, 2, 8, 2, 8},
    {"minference h=2 d=8 dtype=f16 minference_vertical=5 minference_slash=9 minference_last=4",
     SAME, QK, 2, 8, 2, 8},
    {"landmark h=2 d=8 landmark_blocks=8", ANY, QK, 2, 8, 2, 8},
    {"sparsifiner h=2 d=8 sparsifiner_budget=5", SAME, QK, 2, 8, 2, 8},
    {"spt h=2 d=8 spt_top=5", SAME, QK, 2, 8, 2, 8},
    {"hip h=2 d=8 hip_tokens=8 hip_q_block=4 hip_k_block=2 hip_window=4", SAME, QK, 2, 8, 2, 8},
    {"tensor_attention h=4/2 d=8/16", ANY, QK, 4, 8, 2, 8},
    {"tensor_attention h=2 d=8 causal", SAME, QK, 2, 8, 2, 8},
    {"reversed_attention h=4/2 d=8/16", ANY, QK, 4, 8, 2, 8},
#undef QK
};

/* Roles whose extents are the caller's to choose, or made for it; dtype 0: f32. */
static const struct {
    int32_t role, dtype, rank;
    int64_t shape[3];
} chosen[] = {
    {ATTN_ROLE_ROWS, ATTN_DTYPE_I32, 2, {SEQUENCES, 3}},
    {ATTN_ROLE_DOCS, ATTN_DTYPE_I64, 2, {SEQUENCES, 4}},
    {ATTN_ROLE_QUERY_TABLE, 0, 3, {-1, 44, 8}},
    {ATTN_ROLE_CONV_Q, 0, 2, {8, 3}},
    {ATTN_ROLE_CONV_K, 0, 2, {8, 2}},
    {ATTN_ROLE_CONV_V, 0, 2, {8, 3}},
    {ATTN_ROLE_SINK_LOGITS, 0, 1, {-1}},
};

/* Everything that a plan requires, and all outputs. */
struct data {
    enum lengths lengths;
    size_t n, bytes[MOST_ARGS];
    attn_tensor t[MOST_ARGS];
    attn_arg arg[MOST_ARGS];
    attn_tensor offsets[2];
};

static int64_t q_rows(const struct data *d, int64_t s)
{
    return q_offsets[d->lengths][s + 1] - q_offsets[d->lengths][s];
}

static int64_t k_rows(const struct data *d, int64_t s)
{
    return k_offsets[d->lengths][s + 1] - k_offsets[d->lengths][s];
}

static attn_plan *make_plan(attn_ctx *ctx, const char *text)
{
    attn_desc *desc;
    attn_plan *plan;
    char why[512];
    int32_t status = attn_desc_parse(ctx, text, &desc);
    if (status == ATTN_OK)
        status = attn_plan_create(ctx, desc, &plan);
    attn_last_error(why, sizeof why);
    ck_assert_msg(status == ATTN_OK, "%s: %s", text, why);
    attn_desc_destroy(desc);
    return plan;
}

static void execute(const attn_plan *plan, const attn_arg *arg, size_t n, const char *what)
{
    char why[512];
    int32_t status = attn_plan_execute(plan, arg, n, NULL, 0);
    attn_last_error(why, sizeof why);
    ck_assert_msg(status == ATTN_OK, "%s: %s", what, why);
}

/* Numbers of -1 to 1; bits of f16 from 0.25 to 2 with a sign. */
static void fill(int32_t role, const attn_tensor *t, size_t elements)
{
    for (size_t i = 0; i < elements; i++) {
        uint32_t x = ((uint32_t)i * 2654435761u + (uint32_t)role * 40503u) >> 16;
        if (t->dtype == ATTN_DTYPE_F32)
            ((float *)t->data)[i] = (float)x / 32768 - 1;
        else if (t->dtype == ATTN_DTYPE_F16)
            ((uint16_t *)t->data)[i] = (uint16_t)(x % 0x0c00 + 0x3400 + (x & 0x8000));
        else if (t->dtype == ATTN_DTYPE_U8)
            ((uint8_t *)t->data)[i] = (uint8_t)(role == ATTN_ROLE_CLASS_Q ? x % 2 : x % 4);
        else if (t->dtype == ATTN_DTYPE_BOOL)
            ((uint8_t *)t->data)[i] = x % 3 != 0;
    }
}

/* What has to fit the length of a sequence: its documents, rows, landmarks. */
static void fill_fitting(const struct data *d, int32_t role, const attn_tensor *t)
{
    for (int64_t s = 0; s < SEQUENCES; s++) {
        int64_t nq = q_rows(d, s), nk = k_rows(d, s), width = t->shape[1];
        const int64_t docs[4] = {nk / 8, nk / 2, nk / 2, nk - nk / 5};
        for (int64_t n = 0; n < width && role == ATTN_ROLE_DOCS; n++)
            ((int64_t *)t->data)[s * width + n] = docs[n];
        for (int64_t n = 0; n < width && role == ATTN_ROLE_ROWS; n++)
            ((int32_t *)t->data)[s * width + n] = (int32_t)(nq - 1 - n % nq);
        for (int64_t n = 0; n < nk && role == ATTN_ROLE_LANDMARK; n++)
            ((uint8_t *)t->data)[k_offsets[d->lengths][s] + n] = n % 4 == 3;
    }
}

static void add(struct data *d, int32_t role, const attn_tensor *shape)
{
    size_t elements = 1;
    attn_tensor *t = &d->t[d->n];
    ck_assert(d->n < MOST_ARGS);
    for (int32_t i = 0; i < shape->rank; i++)
        elements *= (size_t)shape->shape[i];
    d->bytes[d->n] = elements * attn_dtype_size(shape->dtype);
    void *data = calloc(d->bytes[d->n] + 1, 1);
    ck_assert_ptr_nonnull(data);
    attn_tensor_init(t, data, shape->dtype, shape->rank, shape->shape);
    fill(role, t, elements);
    fill_fitting(d, role, t);
    d->arg[d->n++] = (attn_arg){role, 0, t};
}

static void shape_of(const attn_plan *plan, const struct data *d, int32_t role, int64_t heads,
                     attn_tensor *shape)
{
    char why[512];
    for (size_t n = 0; n < sizeof chosen / sizeof chosen[0]; n++) {
        if (chosen[n].role != role)
            continue;
        int64_t extent[3];
        for (int i = 0; i < 3; i++)
            extent[i] = chosen[n].shape[i] < 0 ? heads : chosen[n].shape[i];
        attn_tensor_init(shape, NULL, chosen[n].dtype ? chosen[n].dtype : ATTN_DTYPE_F32,
                         chosen[n].rank, extent);
        return;
    }
    int32_t status = attn_plan_shape(plan, d->arg, d->n, role, shape);
    attn_last_error(why, sizeof why);
    ck_assert_msg(status == ATTN_OK, "%s: %s", attn_role_name(role), why);
}

static bool has(const struct data *d, int32_t role)
{
    for (size_t n = 0; n < d->n; n++)
        if (d->arg[n].role == role)
            return true;
    return false;
}

static void make_data(const attn_plan *plan, size_t i, struct data *d)
{
    int32_t dtype = strstr(cases[i].text, "f16") ? ATTN_DTYPE_F16 : ATTN_DTYPE_F32;
    const int64_t q[4] = {1, cases[i].q_heads, Q_ROWS, cases[i].q_width};
    const int64_t k[4] = {1, cases[i].k_heads, cases[i].lengths == SAME ? Q_ROWS : K_ROWS,
                          cases[i].k_width};
    const int64_t ends = SEQUENCES + 1;
    attn_tensor shape;
    int32_t role, required;
    memset(d, 0, sizeof *d);
    d->lengths = cases[i].lengths;
    const int64_t *offsets[] = {q_offsets[d->lengths], k_offsets[d->lengths]};
    for (int n = cases[i].q_role ? 0 : 1; n < 2; n++) {
        attn_tensor_init(&d->offsets[n], (void *)(uintptr_t)offsets[n], ATTN_DTYPE_I64, 1, &ends);
        d->arg[d->n++] =
            (attn_arg){n == 0 ? ATTN_ROLE_Q_OFFSETS : ATTN_ROLE_K_OFFSETS, 0, &d->offsets[n]};
    }
    if (cases[i].q_role) {
        attn_tensor_init(&shape, NULL, dtype, 4, q);
        add(d, cases[i].q_role, &shape);
    }
    attn_tensor_init(&shape, NULL, dtype, 4, k);
    add(d, cases[i].k_role, &shape);
    if (strstr(cases[i].text, "glca")) /* tells how many rows OUT has */
        shape_of(plan, d, ATTN_ROLE_ROWS, 0, &shape), add(d, ATTN_ROLE_ROWS, &shape);
    for (size_t n = 0; (role = attn_plan_role_at(plan, n, &required)) != 0; n++) {
        if (has(d, role) || (!required && !attn_role_is_output(role)))
            continue;
        shape_of(plan, d, role, cases[i].q_heads, &shape);
        add(d, role, &shape);
    }
}

static void narrow(attn_tensor *t, int32_t dimension, int64_t from, int64_t n)
{
    t->data = (char *)t->data + from * t->stride[dimension] * (int64_t)attn_dtype_size(t->dtype);
    t->shape[dimension] = n;
}

/* A sequence's part of an array. */
static attn_tensor cut(const struct data *d, size_t n, int64_t s)
{
    attn_tensor t = d->t[n];
    for (int32_t i = 0; i < t.rank; i++) {
        int64_t extent = t.shape[i];
        if (extent == Q_ROWS)
            narrow(&t, i, q_offsets[d->lengths][s], q_rows(d, s));
        else if (extent == K_ROWS)
            narrow(&t, i, k_offsets[d->lengths][s], k_rows(d, s));
        else if (extent == SEQUENCES)
            narrow(&t, i, s, 1);
        else if (extent == MOST_Q)
            narrow(&t, i, 0, q_rows(d, s));
        else if (extent == MOST_K)
            narrow(&t, i, 0, k_rows(d, s));
    }
    return t;
}

static bool is_offsets(int32_t role)
{
    return role == ATTN_ROLE_Q_OFFSETS || role == ATTN_ROLE_K_OFFSETS;
}

/* Outputs as they are before an execute. Those of pairs are filled behind a
 * sequence, with 0. */
static void clear_outputs(struct data *d)
{
    for (size_t n = 0; n < d->n; n++) {
        int32_t role = d->arg[n].role;
        if (attn_role_is_output(role))
            memset(d->t[n].data, role == ATTN_ROLE_PROBS || role == ATTN_ROLE_COLSUM ? 0 : 0x55,
                   d->bytes[n]);
    }
}

/* Each sequence by itself, into the places that it has in the packed batch. */
static void run_alone(const attn_plan *plan, const struct data *d, const char *what)
{
    for (int64_t s = 0; s < SEQUENCES; s++) {
        attn_tensor t[MOST_ARGS];
        attn_arg arg[MOST_ARGS];
        size_t args = 0;
        for (size_t n = 0; n < d->n; n++) {
            if (is_offsets(d->arg[n].role))
                continue;
            t[args] = cut(d, n, s);
            arg[args] = (attn_arg){d->arg[n].role, 0, &t[args]};
            args++;
        }
        execute(plan, arg, args, what);
    }
}

static void check_case(attn_ctx *ctx, size_t i)
{
    struct data d;
    void *got[MOST_ARGS] = {NULL};
    char text[256];
    const char *lengths = cases[i].q_role ? "" : "q=1 ";
    int most_k = cases[i].lengths == SAME ? MOST_Q : MOST_K;
    if (cases[i].q_role) {
        static char q[16];
        snprintf(q, sizeof q, "q=%d ", MOST_Q);
        lengths = q;
    }
    snprintf(text, sizeof text, "%s b=%d %sk=%d packed blas=never", cases[i].text, SEQUENCES,
             lengths, most_k);
    attn_plan *packed = make_plan(ctx, text);
    snprintf(text, sizeof text, "%s b=1 %sk=%d blas=never", cases[i].text, lengths, most_k);
    attn_plan *alone = make_plan(ctx, text);
    make_data(packed, i, &d);
    clear_outputs(&d);
    execute(packed, d.arg, d.n, text);
    for (size_t n = 0; n < d.n; n++) {
        if (!attn_role_is_output(d.arg[n].role))
            continue;
        got[n] = malloc(d.bytes[n] + 1);
        ck_assert_ptr_nonnull(got[n]);
        memcpy(got[n], d.t[n].data, d.bytes[n]);
    }
    clear_outputs(&d);
    for (size_t n = 0; n < d.n; n++)
        ck_assert_msg(!got[n] || memcmp(got[n], d.t[n].data, d.bytes[n]) != 0,
                      "%s: nothing in %s", text, attn_role_name(d.arg[n].role));
    run_alone(alone, &d, text);
    for (size_t n = 0; n < d.n; n++) {
        ck_assert_msg(!got[n] || memcmp(got[n], d.t[n].data, d.bytes[n]) == 0,
                      "%s: other bits in %s", text, attn_role_name(d.arg[n].role));
        if (!is_offsets(d.arg[n].role))
            free(d.t[n].data);
        free(got[n]);
    }
    attn_plan_destroy(packed);
    attn_plan_destroy(alone);
}

START_TEST(packed_is_alone)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int64_t threads = 1; threads <= 2; threads++) {
            attn_ctx *ctx;
            ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
            ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, threads), ATTN_OK);
            check_case(ctx, i);
            attn_ctx_destroy(ctx);
        }
}
END_TEST

START_TEST(not_packed)
{
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"nsa h=2 q=4 k=40 d=4 packed nsa_given", "packed and nsa_given are set"},
        {"hcam h=2 q=4 k=4 d=4 packed hcam_chunk=2 hcam_top=1", "role select_k"},
        {"moba h=2 q=4 k=4 d=4 packed moba_block=2 moba_top=1 select=only",
         "packed and select=only are set"},
    };
    attn_ctx *ctx;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        attn_desc *desc;
        attn_plan *plan;
        char why[512];
        ck_assert_int_eq(attn_desc_parse(ctx, bad[n].text, &desc), ATTN_OK);
        ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_ERR_UNSUPPORTED);
        attn_last_error(why, sizeof why);
        ck_assert_msg(strstr(why, bad[n].why), "%s: %s", bad[n].text, why);
        attn_desc_destroy(desc);
    }
    attn_ctx_destroy(ctx);
}
END_TEST

static size_t place_of(const struct data *d, int32_t role)
{
    size_t n = 0;
    while (n < d->n && d->arg[n].role != role)
        n++;
    ck_assert_uint_lt(n, d->n);
    return n;
}

static size_t case_of(const char *mech)
{
    size_t i = 0;
    while (strncmp(cases[i].text, mech, strlen(mech)) != 0)
        i++;
    return i;
}

/* What is wrong with one sequence is told before anything of the others is
 * written. */
static void check_refused(const char *mech, int32_t role, void (*spoil)(attn_tensor *t),
                          const char *expected)
{
    char text[256], why[512];
    struct data d;
    attn_ctx *ctx;
    size_t i = case_of(mech);
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    snprintf(text, sizeof text, "%s b=%d q=%d k=%d packed", cases[i].text, SEQUENCES, MOST_Q,
             MOST_K);
    attn_plan *plan = make_plan(ctx, text);
    make_data(plan, i, &d);
    clear_outputs(&d);
    size_t out = place_of(&d, ATTN_ROLE_OUT);
    void *before = malloc(d.bytes[out]);
    ck_assert_ptr_nonnull(before);
    memcpy(before, d.t[out].data, d.bytes[out]);
    spoil((attn_tensor *)(uintptr_t)d.arg[place_of(&d, role)].object);
    ck_assert_msg(attn_plan_execute(plan, d.arg, d.n, NULL, 0) != ATTN_OK, "%s is fine", text);
    attn_last_error(why, sizeof why);
    ck_assert_msg(strstr(why, expected), "%s: %s", text, why);
    ck_assert_mem_eq(before, d.t[out].data, d.bytes[out]);
    for (size_t n = 0; n < d.n; n++)
        if (!is_offsets(d.arg[n].role))
            free(d.t[n].data);
    free(before);
    attn_plan_destroy(plan);
    attn_ctx_destroy(ctx);
}

static void long_document(attn_tensor *docs)
{
    ((int64_t *)docs->data)[2 * docs->shape[1] + 3] = 1000;
}

/* The last query of sequence 2, which has several blocks to choose from. */
static void nan_query(attn_tensor *q)
{
    ((float *)q->data)[(q_offsets[ANY][3] - 1) * q->stride[2]] = NAN;
}

static void fewer_rows(attn_tensor *t)
{
    t->shape[2]--;
}

static void other_lengths(attn_tensor *offsets)
{
    static const int64_t shorter[SEQUENCES + 1] = {3, 33, 33, 33, 33, 33};
    offsets->data = (void *)(uintptr_t)shorter;
}

START_TEST(one_is_wrong)
{
    check_refused("pine", ATTN_ROLE_DOCS, long_document, "sequence 2: docs[0,3] is 1000");
    check_refused("moba", ATTN_ROLE_Q, nan_query, "sequence 2: ");
    check_refused("pwca", ATTN_ROLE_K2, fewer_rows, "k2 has extent 57 in dimension 2, expected 58");
    check_refused("act", ATTN_ROLE_K_OFFSETS, other_lengths, "sequence 0: q has 7 rows and k 30");
}
END_TEST

static void mark(void *user, float *s, int64_t q_stride, int64_t k_stride, int64_t b, int64_t h,
                 int64_t q0, int64_t nq, int64_t k0, int64_t nk)
{
    (void)h;
    (void)q0;
    (void)k0;
    for (int64_t i = 0; i < nq; i++)
        for (int64_t j = 0; j < nk; j++)
            s[i * q_stride + j * k_stride] += 0;
    ((int64_t *)user)[b] += nq * nk;
}

/* Callbacks are told which sequence of the batch it is. */
START_TEST(callbacks_know_the_sequence)
{
    size_t i = case_of("pgqa");
    int64_t seen[SEQUENCES] = {0};
    char text[256];
    struct data d;
    attn_ctx *ctx;
    attn_desc *desc;
    attn_plan *plan;
    ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
    ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, 1), ATTN_OK);
    snprintf(text, sizeof text, "%s b=%d q=%d k=%d packed", cases[i].text, SEQUENCES, MOST_Q,
             MOST_K);
    ck_assert_int_eq(attn_desc_parse(ctx, text, &desc), ATTN_OK);
    ck_assert_int_eq(attn_desc_set_score_fn(desc, mark), ATTN_OK);
    ck_assert_int_eq(attn_plan_create(ctx, desc, &plan), ATTN_OK);
    make_data(plan, i, &d);
    d.arg[d.n++] = (attn_arg){ATTN_ROLE_USER, 0, seen};
    execute(plan, d.arg, d.n, text);
    for (int64_t s = 0; s < SEQUENCES; s++)
        ck_assert_msg((seen[s] > 0) == (q_rows(&d, s) > 0 && k_rows(&d, s) > 0),
                      "sequence %d: %lld pairs", (int)s, (long long)seen[s]);
    for (size_t n = 0; n + 1 < d.n; n++)
        if (!is_offsets(d.arg[n].role))
            free(d.t[n].data);
    attn_plan_destroy(plan);
    attn_desc_destroy(desc);
    attn_ctx_destroy(ctx);
}
END_TEST

/* Sequences that all threads share, beside others that have one each; with
 * counts, which are added up in turn, all are shared. */
START_TEST(large_beside_small)
{
    enum { ROWS = 600, HEADS = 2, D = 64, ALL = HEADS * ROWS * D };
    static const int64_t offsets[] = {0, 5, 261, 261, 270, 590, 600}, ends = 7, four = 4;
    static const int64_t shape[4] = {1, HEADS, ROWS, D};
    static const char *const texts[] = {"pwca", "moba moba_block=16 moba_top=3",
                                        "pwca want=counts"};
    static const int32_t roles[] = {ATTN_ROLE_Q, ATTN_ROLE_K, ATTN_ROLE_V, ATTN_ROLE_K2,
                                    ATTN_ROLE_V2};
    attn_tensor t[5], out[2], at, count[2];
    int64_t counts[2][4] = {{0}};
    attn_tensor_init(&at, (void *)(uintptr_t)offsets, ATTN_DTYPE_I64, 1, &ends);
    for (int i = 0; i < 5; i++) {
        attn_tensor_init(&t[i], malloc(ALL * sizeof(float)), ATTN_DTYPE_F32, 4, shape);
        ck_assert_ptr_nonnull(t[i].data);
        fill(roles[i], &t[i], ALL);
    }
    for (int i = 0; i < 2; i++) {
        attn_tensor_init(&out[i], calloc(ALL, sizeof(float)), ATTN_DTYPE_F32, 4, shape);
        ck_assert_ptr_nonnull(out[i].data);
        attn_tensor_init(&count[i], counts[i], ATTN_DTYPE_I64, 1, &four);
    }
    for (size_t n = 0; n < sizeof texts / sizeof texts[0]; n++) {
        for (int64_t threads = 1; threads <= 2; threads++) {
            attn_ctx *ctx;
            attn_arg arg[9] = {{ATTN_ROLE_Q_OFFSETS, 0, &at}, {ATTN_ROLE_K_OFFSETS, 0, &at},
                               {ATTN_ROLE_OUT, 0, &out[threads - 1]}};
            size_t args = 3;
            char text[256];
            snprintf(text, sizeof text, "%s h=%d d=%d b=6 n=320 packed blas=never", texts[n], HEADS,
                     D);
            for (int i = 0; i < (texts[n][0] == 'p' ? 5 : 3); i++)
                arg[args++] = (attn_arg){roles[i], 0, &t[i]};
            if (strstr(text, "counts"))
                arg[args++] = (attn_arg){ATTN_ROLE_COUNTS, 0, &count[threads - 1]};
            ck_assert_int_eq(attn_ctx_create(NULL, &ctx), ATTN_OK);
            ck_assert_int_eq(attn_ctx_set_i64(ctx, ATTN_CTX_THREADS, threads), ATTN_OK);
            attn_plan *plan = make_plan(ctx, text);
            execute(plan, arg, args, text);
            attn_plan_destroy(plan);
            attn_ctx_destroy(ctx);
        }
        ck_assert_msg(memcmp(out[0].data, out[1].data, ALL * sizeof(float)) == 0,
                      "%s: other bits by two threads", texts[n]);
    }
    ck_assert_mem_eq(counts[0], counts[1], sizeof counts[0]);
    ck_assert_int_gt(counts[0][0], 0);
    for (int i = 0; i < 5; i++)
        free(t[i].data);
    free(out[0].data);
    free(out[1].data);
}
END_TEST

UNIT_MAIN("packed", packed_is_alone, large_beside_small, not_packed, one_is_wrong,
          callbacks_know_the_sequence)
