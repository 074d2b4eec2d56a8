/* SPDX-License-Identifier: MIT */
/*
 * agent_attention: a few agent tokens read the keys, and queries read the
 * agents (Agent Attention: On the Integration of Softmax and Linear Attention,
 * Han et al., 2024), two softmax ATTENDs whose cost is linear in the tokens:
 *
 *     V_a = softmax(scale a k^T + AGENT_K_BIAS) v
 *     out = softmax(scale2 q a^T + AGENT_Q_BIAS) V_a (+ a convolution of v)
 *
 * Agents are means of the queries over the cells of an image, or given.
 * agent_sd is the form for Stable Diffusion, which needs no training: given
 * agents, scale2 = scale^power, a share of v added, and plain attention where
 * that is no dearer.
 */
#include <inttypes.h>
#include <math.h>

#include "base/error.h"
#include "mech/packed.h"
#include "mech/preset.h"
#include "problem/mech_list.h"
#include "problem/recipe.h"
#include "solvers/map_depthwise.h"
#include "solvers/map_gemm.h"
#include "solvers/map_pool.h"

enum { GATHER, READ, DENSE };

/* p->extent; the others are there with an image */
enum { AGENTS, CHANNELS, H, W, KV_H, KV_W, CLASS };

/* Of a packed batch agents of all sequences are rows of one: B is 1 and n counts all. */
struct arrays {
    int64_t *offsets; /* [b + 1]: where the agents of a sequence begin; of a packed batch */
    void *agents;     /* [B,Hq,n,D], f32 or f64 */
    void *values;     /* [B,Hout,n,Dv] */
};

static bool is_sd(const struct attn__problem *p)
{
    return p->mech == ATTN_MECH_AGENT_SD;
}

static int64_t agents_of(const struct attn__problem *p)
{
    return p->extent[AGENTS].value;
}

static bool has_image(const struct attn__problem *p)
{
    return p->n_extents > CHANNELS;
}

static void carve(struct attn__scratch *s, const struct attn__problem *p, struct arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t rows = 0, agents = 0, values = 0;
    s->ok = s->ok && attn__mul_i64(p->b, agents_of(p), &rows) &&
            attn__mul_i64(rows, p->hq, &agents) && attn__mul_i64(agents, p->d, &agents) &&
            attn__mul_i64(rows, p->hout, &values) && attn__mul_i64(values, p->dv, &values);
    a->offsets = attn__packed_offsets(s, p);
    a->agents = attn__scratch_take(s, agents, size);
    a->values = attn__scratch_take(s, values, size);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct arrays a;
    (void)m;
    carve(&s, p, &a);
    *bytes = s.used;
    return s.ok;
}

/* Agents as queries of the caller's keys. */
static int32_t set_gather(struct attn__params *v, const struct attn__problem *whole)
{
    const struct {
        int32_t param;
        int64_t value;
    } sizes[] = {{ATTN_PARAM_Q, agents_of(whole)},
                 {ATTN_PARAM_DTYPE, attn__problem_row_dtype(whole)},
                 {ATTN_PARAM_KV_DTYPE, whole->kv_dtype},
                 {ATTN_PARAM_BIAS, whole->takes[ATTN__SLOT_AGENT_K_BIAS] != ATTN__TAKES_NOT}};
    int32_t status = ATTN_OK;
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0] && status == ATTN_OK; n++)
        status = attn__params_set_i64(v, sizes[n].param, sizes[n].value);
    return status;
}

/* Agents as keys of the caller's queries, a head each; what they gathered as
 * values, a head an output. */
static int32_t set_read(struct attn__params *v, const struct attn__problem *whole)
{
    const struct {
        int32_t param;
        int64_t value;
    } sizes[] = {{ATTN_PARAM_HK, whole->hq},
                 {ATTN_PARAM_HV, whole->hout},
                 {ATTN_PARAM_K, agents_of(whole)},
                 {ATTN_PARAM_KV_DTYPE, attn__problem_row_dtype(whole)},
                 {ATTN_PARAM_BIAS, whole->takes[ATTN__SLOT_AGENT_Q_BIAS] != ATTN__TAKES_NOT}};
    double scale = is_sd(whole) ? pow(whole->scale, whole->own[0]) : whole->scale;
    int32_t status = ATTN_OK;
    for (size_t n = 0; n < sizeof sizes / sizeof sizes[0] && status == ATTN_OK; n++)
        status = attn__params_set_i64(v, sizes[n].param, sizes[n].value);
    if (status == ATTN_OK)
        status = attn__params_set_i64s(v, ATTN_PARAM_K_HEAD, whole->q_head, (size_t)whole->hout);
    if (status == ATTN_OK)
        status = attn__params_unset(v, ATTN_PARAM_V_HEAD);
    return status == ATTN_OK ? attn__params_set_f64(v, ATTN_PARAM_SCALE, scale) : status;
}

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_stage(v, mem, &copy);
    if (status == ATTN_OK && n != DENSE)
        status = n == GATHER ? set_gather(&copy, whole) : set_read(&copy, whole);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

/* A bias [Hout|1,N,M] for all of a batch. */
static void give_bias(const struct attn__recipe_run *r, enum attn__slot from,
                      struct attn__call *c)
{
    const attn_tensor *t = &r->call->t[from];
    if (!r->call->has[from])
        return;
    attn_tensor bias = {.data = t->data, .dtype = t->dtype, .rank = 4,
                        .shape = {1, t->shape[0], t->shape[1], t->shape[2]},
                        .stride = {0, t->stride[0], t->stride[1], t->stride[2]}};
    attn__recipe_give(c, ATTN__SLOT_BIAS, &bias);
}

static struct attn__image image(const struct attn__problem *p, int rows)
{
    return (struct attn__image){p->extent[CLASS].value, p->extent[rows].value,
                                p->extent[rows + 1].value};
}

/* The agents of a packed batch as its sequences have them, [S,Hq,n,D]. */
static attn_tensor by_sequence(const attn_tensor *agents, int64_t n_seq, int64_t n)
{
    attn_tensor t = *agents;
    t.shape[0] = n_seq;
    t.shape[2] = n;
    t.stride[0] = n * t.stride[2];
    return t;
}

static void make_agents(const struct attn__recipe_run *r, const attn_tensor *agents)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t;
    if (r->call->has[ATTN__SLOT_AGENTS]) {
        attn_tensor to = p->packed ? by_sequence(agents, r->call->n_seq, agents_of(p)) : *agents;
        attn__map_copy(r, &t[ATTN__SLOT_AGENTS], &to);
        return;
    }
    struct attn__image on = image(p, H);
    attn__map_pool(r->threads, &t[ATTN__SLOT_Q], on.first, on.rows, on.columns,
                   (int64_t)sqrt((double)agents_of(p)), agents);
}

/* What is added to finished rows. */
static void add_values(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *t = r->call->t, *out = &t[ATTN__SLOT_OUT];
    if (is_sd(p) && p->own[1] != 0)
        attn__map_share(r->threads, &t[ATTN__SLOT_V], p->v_head, p->own[1], out);
    if (!r->call->has[ATTN__SLOT_AGENT_CONV])
        return;
    struct attn__image from = image(p, KV_H), to = image(p, H);
    attn__map_depthwise(r->threads, &t[ATTN__SLOT_V], p->v_head, &from,
                        &t[ATTN__SLOT_AGENT_CONV], &t[ATTN__SLOT_AGENT_CONV_BIAS], &to, out);
}

/* The plan's plain attention. */
static void attend_all(const struct attn__recipe_run *r)
{
    struct attn__call c = attn__recipe_call(r);
    for (enum attn__slot slot = ATTN__SLOT_Q; slot <= ATTN__SLOT_V; slot++)
        attn__recipe_pass(&c, slot, r->call, slot);
    attn__recipe_pass(&c, ATTN__SLOT_OUT, r->call, ATTN__SLOT_OUT);
    r->attend(r, DENSE, &c);
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *q = &r->call->t[ATTN__SLOT_Q];
    int64_t b = q->shape[0], n = agents_of(p) * (p->packed ? r->call->n_seq : 1);
    if (is_sd(p) && 2 * n >= q->shape[2]) {
        attend_all(r);
        return;
    }
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct arrays a;
    carve(&s, p, &a);
    int32_t type = attn__problem_row_dtype(p);
    attn_tensor agents = attn__recipe_view(a.agents, type, b, p->hq, n, p->d);
    attn_tensor values = attn__recipe_view(a.values, type, b, p->hout, n, p->dv);
    attn_tensor offsets = {.data = a.offsets, .dtype = ATTN_DTYPE_I64, .rank = 1,
                           .shape = {r->call->n_seq + 1}, .stride = {1}};
    for (int64_t i = 0; i <= r->call->n_seq && p->packed; i++)
        a.offsets[i] = i * agents_of(p);
    make_agents(r, &agents);

    /* Lengths are those of keys, then those of queries: all agents count. */
    struct attn__call c = attn__recipe_call(r);
    c.has[ATTN__SLOT_Q_LEN] = false;
    if (p->packed)
        attn__recipe_give(&c, ATTN__SLOT_Q_OFFSETS, &offsets);
    attn__recipe_give(&c, ATTN__SLOT_Q, &agents);
    attn__recipe_pass(&c, ATTN__SLOT_K, r->call, ATTN__SLOT_K);
    attn__recipe_pass(&c, ATTN__SLOT_V, r->call, ATTN__SLOT_V);
    give_bias(r, ATTN__SLOT_AGENT_K_BIAS, &c);
    attn__recipe_give(&c, ATTN__SLOT_OUT, &values);
    r->attend(r, GATHER, &c);

    c = attn__recipe_call(r);
    c.has[ATTN__SLOT_K_LEN] = c.has[ATTN__SLOT_K_START] = false;
    if (p->packed)
        attn__recipe_give(&c, ATTN__SLOT_K_OFFSETS, &offsets);
    attn__recipe_give(&c, ATTN__SLOT_Q, q);
    attn__recipe_give(&c, ATTN__SLOT_K, &agents);
    attn__recipe_give(&c, ATTN__SLOT_V, &values);
    give_bias(r, ATTN__SLOT_AGENT_Q_BIAS, &c);
    attn__recipe_pass(&c, ATTN__SLOT_OUT, r->call, ATTN__SLOT_OUT);
    r->attend(r, READ, &c);
    add_values(r);
}

static int32_t expect_rows(const char *role, int64_t found, int64_t want, const char *of)
{
    if (found == want)
        return ATTN_OK;
    return attn__error_set(ATTN_ERR_SHAPE, "%s has %" PRId64 " rows, expected %" PRId64 " %s",
                           role, found, want, of);
}

static int32_t check(const struct attn__call *c)
{
    const struct attn__problem *p = c->p;
    int64_t nq = c->t[ATTN__SLOT_Q].shape[2], nk = c->t[ATTN__SLOT_K].shape[2];
    if (is_sd(p))
        return p->own[1] == 0 ? ATTN_OK
                              : expect_rows("k", nk, nq, "as q has, because of agent_sd_shortcut");
    if (!has_image(p))
        return ATTN_OK;
    struct attn__image q = image(p, H), k = image(p, KV_H);
    int32_t status = expect_rows("q", nq, q.first + q.rows * q.columns, "by agent_h and agent_w");
    if (status == ATTN_OK && p->takes[ATTN__SLOT_AGENT_CONV] != ATTN__TAKES_NOT)
        status = expect_rows("k", nk, k.first + k.rows * k.columns,
                             "by agent_kv_h and agent_kv_w");
    return status;
}

static const struct attn__recipe recipe = {
    .n_stages = DENSE, .stage = stage, .workspace = workspace, .run = run};

static const struct attn__recipe recipe_sd = {
    .n_stages = DENSE + 1, .stage = stage, .workspace = workspace, .run = run};

/* All that the two share; `tokens` is the parameter that counts agents. */
static int32_t start(const struct attn__params *params, const struct attn__mem *mem,
                     int32_t tokens, struct attn__problem *p)
{
    static const int32_t also[] = {ATTN_PARAM_Q_HEAD,  ATTN_PARAM_K_HEAD, ATTN_PARAM_V_HEAD,
                                   ATTN_PARAM_KV_HEAD, ATTN_PARAM_SCALE,  ATTN_PARAM_PACKED};
    const bool sd = tokens == ATTN_PARAM_AGENT_SD_TOKENS; /* which goes by the number of rows */
    int64_t n = attn__params_i64_or(params, tokens, 0);
    if (n == 0)
        return attn__error_set(ATTN_ERR_UNSET, "%s is not set, which %s needs",
                               attn_param_name(tokens), attn__mech_list_name(params->mech));
    int32_t status = attn__preset_only(params, also, sizeof also / sizeof also[0] - (sd ? 1 : 0));
    if (status == ATTN_OK)
        status = attn__mech_attend(params, params, mem, p);
    if (status != ATTN_OK)
        return status;
    p->recipe = sd ? &recipe_sd : &recipe;
    p->check_call = check;
    p->extent[AGENTS] = (struct attn__extent){"Agents", n};
    p->n_extents = AGENTS + 1;
    p->takes[ATTN__SLOT_AGENTS] = ATTN__TAKES_MUST;
    p->takes[ATTN__SLOT_LSE] = ATTN__TAKES_NOT;
    return ATTN_OK;
}

/* Images have one size, and biases a column for each key or row. */
static int32_t refuse_packed(const struct attn__params *v)
{
    static const int32_t of_one[] = {ATTN_PARAM_AGENT_H, ATTN_PARAM_AGENT_K_BIAS,
                                     ATTN_PARAM_AGENT_Q_BIAS};
    for (size_t n = 0; n < sizeof of_one / sizeof of_one[0]; n++)
        if (attn__params_i64_or(v, of_one[n], 0) != 0)
            return attn__error_set(ATTN_ERR_UNSUPPORTED,
                                   "packed and %s are set: expected sequences of one length in a "
                                   "batch",
                                   attn_param_name(of_one[n]));
    return ATTN_OK;
}

/* An image has all its points; and which of its two ways agent_sd takes goes by their number. */
static void no_lengths(struct attn__problem *p)
{
    p->takes[ATTN__SLOT_Q_LEN] = p->takes[ATTN__SLOT_K_LEN] = p->takes[ATTN__SLOT_K_START] =
        ATTN__TAKES_NOT;
}

/* The sizes of the image and of that of the keys. */
static int32_t set_image(const struct attn__params *v, struct attn__problem *p)
{
    int64_t n = agents_of(p), side = (int64_t)sqrt((double)n);
    int64_t h = attn__params_i64_or(v, ATTN_PARAM_AGENT_H, 0);
    int64_t w = attn__params_i64_or(v, ATTN_PARAM_AGENT_W, 0);
    int64_t kv_h = attn__params_i64_or(v, ATTN_PARAM_AGENT_KV_H, 0);
    int64_t kv_w = attn__params_i64_or(v, ATTN_PARAM_AGENT_KV_W, 0);
    int64_t first = attn__params_i64_or(v, ATTN_PARAM_AGENT_CLASS, 0), channels = 0;
    bool conv = attn__params_i64_or(v, ATTN_PARAM_AGENT_CONV, 0) != 0;
    if ((h == 0) != (w == 0) || (kv_h == 0) != (kv_w == 0))
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s is set, but not the other side of the image",
                               h ? "agent_h" : w ? "agent_w" : kv_h ? "agent_kv_h" : "agent_kv_w");
    if (h == 0 && (conv || first || kv_h))
        return attn__error_set(ATTN_ERR_INVALID,
                               "%s is set, but not agent_h and agent_w, the image it is about",
                               conv ? "agent_conv" : first ? "agent_class" : "agent_kv_h");
    if (!conv && kv_h)
        return attn__error_set(ATTN_ERR_INVALID, "agent_kv_h is set, but agent_conv is not");
    if (h == 0)
        return ATTN_OK;
    if (side * side != n)
        return attn__error_set(ATTN_ERR_INVALID,
                               "agent_tokens is %" PRId64
                               ", expected a square: agents are cells of an image",
                               n);
    if (p->q < first + h * w)
        return attn__error_set(ATTN_ERR_INVALID,
                               "q is %" PRId64 ", expected %" PRId64 " by agent_h and agent_w",
                               p->q, first + h * w);
    if (!attn__mul_i64(p->hout, p->dv, &channels))
        return attn__error_set(ATTN_ERR_OVERFLOW, "heads times dv does not fit in 64 bits");
    const struct attn__extent sizes[] = {[CHANNELS] = {"Channels", channels}, [H] = {"Ah", h},
                                         [W] = {"Aw", w}, [KV_H] = {"Kh", kv_h ? kv_h : h},
                                         [KV_W] = {"Kw", kv_w ? kv_w : w},
                                         [CLASS] = {"First", first}};
    for (int n_th = CHANNELS; n_th <= CLASS; n_th++)
        p->extent[n_th] = sizes[n_th];
    p->n_extents = CLASS + 1;
    p->takes[ATTN__SLOT_AGENTS] = ATTN__TAKES_NOT;
    if (conv)
        p->takes[ATTN__SLOT_AGENT_CONV] = p->takes[ATTN__SLOT_AGENT_CONV_BIAS] =
            ATTN__TAKES_MUST;
    return ATTN_OK;
}

int32_t attn__mech_agent_attention(const struct attn__params *params, const struct attn__mem *mem,
                                   struct attn__problem *p)
{
    int32_t status = start(params, mem, ATTN_PARAM_AGENT_TOKENS, p);
    if (status != ATTN_OK)
        return status;
    status = set_image(params, p);
    if (status == ATTN_OK && p->packed)
        status = refuse_packed(params);
    if (has_image(p))
        no_lengths(p);
    if (attn__params_i64_or(params, ATTN_PARAM_AGENT_K_BIAS, 0))
        p->takes[ATTN__SLOT_AGENT_K_BIAS] = ATTN__TAKES_MUST;
    if (attn__params_i64_or(params, ATTN_PARAM_AGENT_Q_BIAS, 0))
        p->takes[ATTN__SLOT_AGENT_Q_BIAS] = ATTN__TAKES_MUST;
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}

int32_t attn__mech_agent_sd(const struct attn__params *params, const struct attn__mem *mem,
                            struct attn__problem *p)
{
    int32_t status = start(params, mem, ATTN_PARAM_AGENT_SD_TOKENS, p);
    if (status != ATTN_OK)
        return status;
    no_lengths(p);
    p->own[0] = attn__params_f64_or(params, ATTN_PARAM_AGENT_SD_POWER, 0.3);
    p->own[1] = attn__params_f64_or(params, ATTN_PARAM_AGENT_SD_SHORTCUT, 0.075);
    if (p->scale > 0)
        return ATTN_OK;
    status = attn__error_set(ATTN_ERR_INVALID,
                             "scale is %g, expected a number above 0: its power is taken",
                             p->scale);
    attn__problem_free(p, mem);
    return status;
}
