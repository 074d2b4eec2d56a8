/* SPDX-License-Identifier: MIT */
/*
 * Token by token. The first reader's output comes out of the pass that changes
 * S; further readers of the same state read it while it is in a cache.
 */
#include "solvers/scan_tokens.h"

#include <math.h>
#include <string.h>

#include "kernels/map.h"
#include "solvers/scratch.h"

/* Of one token. */
struct room {
    float *dec;   /* [dk16]: e^g */
    float *erase; /* [dk16]: e, times dec where it reads the decayed state */
};

static void carve(struct attn__scratch *s, const struct attn__scan_kind *k, struct room *r)
{
    int64_t dk16 = attn__scan_round16(k->dk);
    r->dec = ATTN__TAKE(s, dk16, float);
    r->erase = ATTN__TAKE(s, dk16, float);
}

size_t attn__scan_tokens_scratch(const struct attn__scan_kind *kind)
{
    struct attn__scratch s = {.ok = true};
    struct room r;
    carve(&s, kind, &r);
    return s.ok ? s.used : 0;
}

static float dot(const struct attn__kernels *kern, const float *a, const float *b, int64_t n)
{
    float s;
    kern->row_qk_f32(a, n, 1, n, b, n, 1, &s, 1, 0);
    return s;
}

/* q . (bonus * k), the weight of the own value in a read before the update. */
static float own_weight(const struct attn__scan_kind *kind, const float *q, const float *k)
{
    float sum = 0;
    for (int64_t d = 0; d < kind->dk && kind->bonus; d++)
        sum += q[d] * (kind->bonus[d] * k[d]);
    return sum;
}

/*
 * e^g as token number t multiplies with it. The same g again and again, as a
 * head has it, would be rounded the same way each time, and 1000 tokens have
 * 1000 times the error; so it is now and then the other neighbour, as often as
 * keeps the product right: t r of them by token t, e^g being r steps away.
 * What is smaller than ordinary numbers is 0.
 */
static float scalar_decay(float g, int64_t t)
{
    if (g < -87.0f)
        return 0;
    double exact = exp((double)g);
    float near = (float)exact, up = nextafterf(near, 2);
    double r = (exact - (double)near) / ((double)up - (double)near);
    double count = rint((double)(t + 1) * r) - rint((double)t * r);
    return count > 0 ? up : count < 0 ? nextafterf(near, 0) : near;
}

/* The vector that erasing reads with; NULL where nothing is erased. */
static const float *eraser(const struct attn__kernels *kern, const struct attn__scan_kind *kind,
                           const struct attn__scan_chunk *c, int64_t i, const struct room *r)
{
    if (kind->update == ATTN__CORE_ADD)
        return NULL;
    const float *e = c->e + i * attn__scan_round16(kind->dk);
    if (kind->erase_previous || kind->decay == ATTN__CORE_STAYS)
        return e;
    if (kind->decay == ATTN__CORE_CHANNEL) {
        for (int64_t d = 0; d < kind->dk; d++)
            r->erase[d] = e[d] * r->dec[d];
    } else {
        memcpy(r->erase, e, (size_t)kind->dk * sizeof *e);
        kern->vec_scale(r->erase, kind->dk, r->dec[0]);
    }
    return r->erase;
}

/* Fills dec; returns the step along it. */
static int64_t decays(const struct attn__kernels *kern, const struct attn__scan_kind *kind,
                      const struct attn__scan_chunk *c, int64_t i, struct room *r)
{
    int64_t dk = kind->dk, dk16 = attn__scan_round16(dk), inc = 0;
    if (kind->decay == ATTN__CORE_CHANNEL) {
        memcpy(r->dec, c->g + i * dk16, (size_t)dk * sizeof *r->dec);
        kern->vec_map(ATTN__MAP_exp, r->dec, dk);
        inc = 1;
    } else if (kind->decay == ATTN__CORE_SCALAR) {
        r->dec[0] = scalar_decay(c->g[i], c->age + i);
    } else {
        r->dec[0] = 1;
    }
    return inc;
}

static void divide(const struct attn__kernels *kern, const struct attn__scan_kind *kind, float qz,
                   float *o, int64_t n)
{
    float den = kind->normaliser == ATTN__CORE_SUM ? qz + kind->eps
                : qz > kind->eps || qz != qz       ? qz
                                                   : kind->eps;
    kern->vec_scale(o, n, 1.0f / den);
}

/* z <- dec z + k */
static void move_sum(const struct attn__kernels *kern, const float *dec, int64_t inc,
                     const float *k, int64_t dk, float *z)
{
    const float one = 1;
    for (int64_t d = 0; d < dk && inc; d++)
        z[d] *= dec[d];
    if (!inc && dec[0] != 1)
        kern->vec_scale(z, dk, dec[0]);
    kern->row_pv_f32(k, dk, 1, dk, &one, 1, 1, z, dk, 0);
}

void attn__scan_tokens_run(const struct attn__kernels *kern, const struct attn__scan_kind *kind,
                           const struct attn__scan_chunk *c, int64_t v_first, int64_t v_n,
                           float *S, float *z, void *scratch)
{
    int64_t dk = kind->dk, dk16 = attn__scan_round16(dk), dv16 = attn__scan_round16(kind->dv);
    struct attn__scratch s = {.base = scratch, .ok = true};
    struct room r;
    carve(&s, kind, &r);
    S += v_first;
    for (int64_t i = 0; i < c->n; i++) {
        const float *next = c->next && i == c->n - 1 ? c->next + v_first : S;
        const float *k = c->k + i * dk16, *v = c->v + i * dv16 + v_first;
        const float *w = kind->update == ATTN__CORE_GENERAL ? c->w + i * dk16 : k;
        int64_t inc = decays(kern, kind, c, i, &r);
        const float *e = eraser(kern, kind, c, i, &r);
        if (c->ahead && i == c->n - 1)
            attn__ahead_fetch(c->ahead, attn__ahead_rows(c->ahead));
        for (int64_t h = c->readers - 1; h >= 0 && kind->read_before; h--) {
            const float *q = c->q + (h * c->n + i) * dk16;
            float *o = c->out + (h * c->n + i) * dv16 + v_first, own = own_weight(kind, q, k);
            if (h == 0) {
                kern->scan_token(0, 1, dk, v_n, S, dv16, r.dec, inc, k, v, w, e, q, own, o, next);
                continue;
            }
            for (int64_t j = 0; j < v_n; j++)
                o[j] = own * v[j];
            kern->row_pv_f32(S, dv16, dk, v_n, q, dk16, 1, o, dv16, 0);
        }
        for (int64_t h = 0; h < c->readers && !kind->read_before; h++) {
            const float *q = c->q + (h * c->n + i) * dk16;
            float *o = c->out + (h * c->n + i) * dv16 + v_first;
            if (h == 0) {
                kern->scan_token(kind->update, 0, dk, v_n, S, dv16, r.dec, inc, k, v, w, e, q, 0,
                                 o, next);
            } else {
                memset(o, 0, (size_t)v_n * sizeof *o);
                kern->row_pv_f32(S, dv16, dk, v_n, q, dk16, 1, o, dv16, 0);
            }
            if (z && h == 0) /* lies behind S, and comes with it */
                move_sum(kern, r.dec, inc, k, dk, z);
            if (z)
                divide(kern, kind, dot(kern, z, q, dk), o, v_n);
        }
    }
}
