/* SPDX-License-Identifier: MIT */
/*
 * var: visual attention redistribution (See What You Are Told: Visual
 * Attention Sink in Large Multimodal Models, Kang et al., 2025). In rows that
 * look at the image, probability is moved from sink tokens to the rest of the
 * image. Keys have classes: 0 text, 1 text sink, 2 image sink, 3 other image.
 */
#include "base/error.h"
#include "mech/class_merge.h"

enum { TEXT_SINK = 1, IMAGE_SINK = 2, IMAGE = 3, CLASSES = 4 };

static void carve(struct attn__scratch *s, const struct attn__problem *p,
                  struct attn__class_arrays *a, struct attn__class_batch **batch)
{
    attn__class_carve(s, p, CLASSES, 1, a);
    *batch = ATTN__TAKE(s, p->b, struct attn__class_batch);
}

static bool workspace(const struct attn__problem *p, const struct attn__machine *m, size_t *bytes)
{
    struct attn__scratch s = {.ok = true};
    struct attn__class_arrays a;
    struct attn__class_batch *batch;
    (void)m;
    carve(&s, p, &a, &batch);
    *bytes = s.used;
    return s.ok;
}

static const struct attn__setting settings[] = {
    ATTN__CLASS_REFUSED,
    {ATTN_PARAM_CLASS_TERMS, ATTN__REFUSED, 0, 0},
};

enum { N_SETTINGS = sizeof settings / sizeof settings[0] };

static int32_t stage(const struct attn__params *v, const struct attn__problem *whole, int32_t n,
                     const struct attn__mem *mem, struct attn__problem *p)
{
    (void)whole;
    (void)n;
    return attn__class_stage(v, mem, settings, N_SETTINGS, p);
}

/*
 * Rows up to the last image token are left alone; with no image sink all are.
 * The share of the sinks is taken of sum (p + 1e-6) over the image's keys.
 */
static struct attn__class_batch look(const struct attn__call *c, int64_t b)
{
    const attn_tensor *t = &c->t[ATTN__SLOT_CLASS_K];
    int64_t nq = c->t[ATTN__SLOT_Q].shape[2], nk = t->shape[1], images = 0, sinks = 0, last = -1;
    int64_t first = t->shape[0] == 1 ? 0 : b * t->stride[0];
    for (int64_t j = 0; j < nk; j++) {
        uint8_t class = ((const uint8_t *)t->data)[first + j * t->stride[1]];
        images += class == IMAGE || class == IMAGE_SINK;
        sinks += class == IMAGE_SINK;
        last = class == IMAGE || class == IMAGE_SINK ? j : last;
    }
    int64_t off = c->p->align == ATTN_ALIGN_TOP_LEFT ? 0 : nk - nq;
    return (struct attn__class_batch){sinks > 0 ? last + 1 - off : nq, 1e-6 * (double)images};
}

static void run(const struct attn__recipe_run *r)
{
    const struct attn__problem *p = r->call->p;
    struct attn__scratch s = {.base = r->ws, .ok = true};
    struct attn__class_arrays a;
    struct attn__class_batch *batch;
    attn_tensor out[CLASSES], lse[CLASSES];
    carve(&s, p, &a, &batch);
    for (int c = 0; c < CLASSES; c++) {
        attn_tensor mask = attn__class_mask(r, a.mask, 1);
        out[c] = attn__class_out(r, a.out[c]);
        lse[c] = attn__class_lse(r, a.lse[c]);
        attn__map_class_mask(&r->call->t[ATTN__SLOT_CLASS_K], c, &mask);
        attn__class_attend(r, c, &mask, &out[c], &lse[c]);
    }
    for (int64_t b = 0; b < out[0].shape[0]; b++)
        batch[b] = look(r->call, b);
    const struct attn__class_rule rule = {
        .from = 1u << TEXT_SINK | 1u << IMAGE_SINK,
        .to = 1u << IMAGE,
        .keep = p->own[0],
        .among = 1u << IMAGE_SINK | 1u << IMAGE,
        .part = 1u << IMAGE_SINK,
        .most = p->own[1],
        .least = p->own[2],
    };
    attn__map_classes(r->threads, CLASSES, out, lse, &rule, batch, &r->call->t[ATTN__SLOT_OUT],
                      r->call->has[ATTN__SLOT_LSE] ? &r->call->t[ATTN__SLOT_LSE] : NULL);
}

static const struct attn__recipe recipe = {
    .n_stages = CLASSES,
    .by_sequence = true,
    .stage = stage,
    .workspace = workspace,
    .run = run,
};

/* CLASS_K has the classes above and cannot have others too. */
static int32_t no_pairs(const struct attn__params *v)
{
    for (size_t n = 0; n < v->pieces.n; n++)
        if (v->pieces.piece[n].kind == ATTN_PIECE_PAIR)
            return attn__error_set(ATTN_ERR_INVALID,
                                   "a pair piece is there, but var has its own classes in class_k");
    return ATTN_OK;
}

int32_t attn__mech_var(const struct attn__params *params, const struct attn__mem *mem,
                       struct attn__problem *p)
{
    int32_t status = no_pairs(params);
    if (status == ATTN_OK)
        status = attn__preset(params, mem, settings, N_SETTINGS, p);
    if (status == ATTN_OK)
        status = attn__class_finish(mem, &recipe, p);
    if (status != ATTN_OK)
        return status;
    p->takes[ATTN__SLOT_CLASS_K] = ATTN__TAKES_MUST;
    p->own[0] = attn__params_f64_or(params, ATTN_PARAM_VAR_P, 0.6);
    p->own[1] = attn__params_f64_or(params, ATTN_PARAM_VAR_RHO, 0.5);
    p->own[2] = attn__params_f64_or(params, ATTN_PARAM_VAR_SUMM, 0.2);
    return ATTN_OK;
}
