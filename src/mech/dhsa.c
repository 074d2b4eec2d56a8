/* SPDX-License-Identifier: MIT */
/*
 * dhsa: dynamic hierarchical sparse attention (Xiong et al., 2025). Chunks of
 * keys of any lengths, told by the caller, and blocks of queries are compared by
 * their means times the roots of their lengths, averaged over heads; a block
 * attends to as many tokens as its budget has, the first and the latest ones
 * anyhow and the others in the order of their chunks' scores. The last queries,
 * which are instructions, can have all keys.
 */
#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"
#include "mech/select_attend.h"

static const struct attn__setting settings[] = {{ATTN_PARAM_CAUSAL, ATTN__FIXED, 1, 0}};

ATTN__SELECT_RECIPE(settings);

/* Stages where last queries have all keys. */
enum { ALONG, DENSE, STAGES };

/* The last queries of one sequence; rows of all batch entries may differ in number. */
static int32_t dense_stage(const struct attn__params *v, const struct attn__problem *whole,
                           const struct attn__mem *mem, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_stage_set(v, mem, settings, 1, &copy);
    if (status == ATTN_OK)
        status = attn__params_set_i64(&copy, ATTN_PARAM_B, 1);
    if (status == ATTN_OK)
        status = attn__params_set_i64(&copy, ATTN_PARAM_Q,
                                      attn__min_i64(whole->pooled.tail, whole->q));
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

static int32_t tail_stage(const struct attn__params *v, const struct attn__problem *whole,
                          int32_t n, const struct attn__mem *mem, struct attn__problem *p)
{
    return n == ALONG ? attn__select_attend_stage(v, mem, settings, 1, whole, p)
                      : dense_stage(v, whole, mem, p);
}

/* Rows n0 to n0 + n - 1 of batch entry b, as a batch of one. */
static void give(struct attn__call *c, enum attn__slot slot, const struct attn__call *whole,
                 int64_t b, int64_t n0, int64_t n)
{
    if (!whole->has[slot])
        return;
    const attn_tensor t = attn__recipe_blocks(&whole->t[slot], b, n0, n, 1);
    attn__recipe_give(c, slot, &t);
}

/* Lists are of blocks of queries, and a block may be half of last ones: those come
 * twice, and what they have of lists is written over. */
static void tail_run(const struct attn__recipe_run *r)
{
    const struct attn__call *whole = r->call;
    attn__select_attend_run(r);
    for (int64_t b = 0; b < whole->n_seq; b++) {
        struct attn__seq s = attn__call_seq(whole, b);
        struct attn__call c;
        int64_t n = attn__min_i64(whole->p->pooled.tail, s.nq);
        attn__call_begin(&c, NULL);
        c.n_seq = 1;
        give(&c, ATTN__SLOT_Q, whole, b, s.q0 + s.nq - n, n);
        give(&c, ATTN__SLOT_OUT, whole, b, s.q0 + s.nq - n, n);
        give(&c, ATTN__SLOT_LSE, whole, b, s.q0 + s.nq - n, n);
        give(&c, ATTN__SLOT_K, whole, b, s.k0, s.nk);
        give(&c, ATTN__SLOT_V, whole, b, s.k0, s.nk);
        if (n > 0)
            r->attend(r, DENSE, &c);
    }
}

static const struct attn__recipe with_tail = {
    .n_stages = STAGES,
    .by_sequence = true,
    .stage = tail_stage,
    .workspace = attn__select_attend_workspace,
    .select = attn__select_attend_select,
    .price = attn__select_attend_price,
    .run = tail_run,
};

int32_t attn__mech_dhsa(const struct attn__params *params, const struct attn__mem *mem,
                        struct attn__problem *p)
{
    int64_t budget = attn__params_i64_or(params, ATTN_PARAM_DHSA_BUDGET, 2048);
    int64_t first = attn__params_i64_or(params, ATTN_PARAM_DHSA_GLOBAL, 128);
    int64_t last = attn__params_i64_or(params, ATTN_PARAM_DHSA_LOCAL, 128);
    int64_t tail = attn__params_i64_or(params, ATTN_PARAM_DHSA_TAIL, 0);
    if (first + last > budget)
        return attn__error_set(ATTN_ERR_INVALID,
                               "dhsa_budget is %" PRId64
                               ", expected at least the %" PRId64 " of dhsa_global and dhsa_local",
                               budget, first + last);
    int32_t status = attn__select_attend(params, mem, settings, 1, tail > 0 ? &with_tail : &recipe,
                                         p);
    if (status != ATTN_OK)
        return status;
    p->pooled.rep = ATTN__REP_NORM;
    p->pooled.reduce = p->hout > 1 ? ATTN__REDUCE_MEAN : ATTN__REDUCE_NONE;
    p->pooled.open = ATTN__OPEN_STARTS;
    p->pooled.ragged = p->pooled.tokens = true;
    p->pooled.head_group = p->hout;
    p->pooled.q_block = attn__params_i64_or(params, ATTN_PARAM_DHSA_Q_BLOCK, 64);
    p->pooled.first = first;
    p->pooled.last = last;
    p->pooled.top = budget;
    p->pooled.latest = attn__params_i64_or(params, ATTN_PARAM_DHSA_WINDOW, 0);
    p->pooled.tail = tail;
    p->takes[ATTN__SLOT_SELECT_OFFSETS] = ATTN__TAKES_MUST;
    if (tail > 0)
        status = attn__select_attend_plain(params, p, ATTN_PARAM_DHSA_TAIL,
                                           "last queries are a call of their own");
    if (status != ATTN_OK)
        attn__problem_free(p, mem);
    return status;
}
