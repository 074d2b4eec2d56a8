/* SPDX-License-Identifier: MIT */
/*
 * Stages over classes of keys.
 */
#include "mech/class_merge.h"

#include "base/error.h"
#include "problem/mech_list.h"

void attn__class_carve(struct attn__scratch *s, const struct attn__problem *p, int n_classes,
                       int64_t mask_heads, struct attn__class_arrays *a)
{
    size_t size = attn__dtype_size(attn__problem_row_dtype(p));
    int64_t rows = 0, numbers = 0, mask = 0;
    s->ok = s->ok && attn__mul_i64(p->b, p->hout, &rows) && attn__mul_i64(rows, p->q, &rows) &&
            attn__mul_i64(rows, p->dv, &numbers) && attn__mul_i64(p->b, mask_heads, &mask) &&
            attn__mul_i64(mask, p->k, &mask);
    for (int n = 0; n < n_classes; n++) {
        a->out[n] = attn__scratch_take(s, numbers, size);
        a->lse[n] = attn__scratch_take(s, rows, size);
    }
    a->mask = ATTN__TAKE(s, mask, uint8_t);
}

int32_t attn__class_stage(const struct attn__params *v, const struct attn__mem *mem,
                          const struct attn__setting *settings, size_t n, struct attn__problem *p)
{
    struct attn__params copy;
    int32_t status = attn__preset_stage_set(v, mem, settings, n, &copy);
    if (status == ATTN_OK)
        status = attn__params_set_i64(&copy, ATTN_PARAM_MASK, 1);
    if (status == ATTN_OK)
        status = attn__mech_attend(&copy, &copy, mem, p);
    attn__params_destroy(&copy);
    return status;
}

attn_tensor attn__class_out(const struct attn__recipe_run *r, void *data)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *out = &r->call->t[ATTN__SLOT_OUT];
    return attn__recipe_view(data, attn__problem_row_dtype(p), out->shape[0], p->hout,
                             out->shape[2], p->dv);
}

attn_tensor attn__class_lse(const struct attn__recipe_run *r, void *data)
{
    const struct attn__problem *p = r->call->p;
    const attn_tensor *out = &r->call->t[ATTN__SLOT_OUT];
    return attn__recipe_view(data, attn__problem_row_dtype(p), out->shape[0], p->hout,
                             out->shape[2], -1);
}

attn_tensor attn__class_mask(const struct attn__recipe_run *r, uint8_t *data, int64_t heads)
{
    const attn_tensor *k = &r->call->t[ATTN__SLOT_K];
    return attn__recipe_view(data, ATTN_DTYPE_BOOL, k->shape[0], heads, 1, k->shape[2]);
}

void attn__class_attend(const struct attn__recipe_run *r, int32_t n, const attn_tensor *mask,
                        const attn_tensor *out, const attn_tensor *lse)
{
    struct attn__call c = attn__recipe_call(r);
    attn__recipe_pass_inputs(&c, r->call);
    attn__recipe_give(&c, ATTN__SLOT_MASK, mask);
    attn__recipe_give(&c, ATTN__SLOT_OUT, out);
    attn__recipe_give(&c, ATTN__SLOT_LSE, lse);
    r->attend(r, n, &c);
}

int32_t attn__class_finish(const struct attn__mem *mem, const struct attn__recipe *recipe,
                           struct attn__problem *p)
{
    if (p->k == ATTN_UNBOUNDED) {
        attn__problem_free(p, mem);
        return attn__error_set(ATTN_ERR_UNSUPPORTED,
                               "k is inf, but %s needs to know how many keys there can be",
                               attn__mech_list_name(p->mech));
    }
    p->recipe = recipe;
    p->takes[ATTN__SLOT_Q_LEN] = p->takes[ATTN__SLOT_K_LEN] = p->takes[ATTN__SLOT_K_START] =
        ATTN__TAKES_NOT;
    return ATTN_OK;
}
