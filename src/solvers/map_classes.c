/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch; masses and sums in double.
 */
#include "solvers/map_classes.h"

#include <math.h>

#include "base/dtype.h"

struct job {
    int n;
    const attn_tensor *part_out, *part_lse, *out, *lse;
    const struct attn__class_rule *rule;
    const struct attn__class_batch *batch;
};

/* L, and the mass of each class; all 0 if the row sees no key. */
static double masses(const double *lse, int n, double *mass)
{
    double top = -INFINITY, sum = 0;
    for (int c = 0; c < n; c++)
        top = lse[c] > top || lse[c] != lse[c] ? lse[c] : top;
    for (int c = 0; c < n; c++) {
        mass[c] = top == -INFINITY ? 0 : exp(lse[c] - top);
        sum += mass[c];
    }
    for (int c = 0; c < n && sum > 0; c++)
        mass[c] /= sum;
    return top == -INFINITY ? top : top + log(sum);
}

static double total(const double *mass, int n, uint32_t classes)
{
    double sum = 0;
    for (int c = 0; c < n; c++)
        sum += classes >> c & 1 ? mass[c] : 0;
    return sum;
}

static void weights(const struct job *j, int64_t b, int64_t i, const double *mass, double *g)
{
    const struct attn__class_rule *r = j->rule;
    struct attn__class_batch of = j->batch ? j->batch[b] : (struct attn__class_batch){0, 0};
    double among = total(mass, j->n, r->among), to = total(mass, j->n, r->to);
    double freed = (1 - r->keep) * total(mass, j->n, r->from);
    bool chosen = i >= of.first_row && to > 0;
    if (r->among)
        chosen = chosen && among >= r->least &&
                 total(mass, j->n, r->part) <= r->most * (among + of.floor);
    for (int c = 0; c < j->n; c++) {
        g[c] = 1;
        if (chosen && (r->from >> c & 1))
            g[c] = r->keep;
        else if (chosen && (r->to >> c & 1))
            g[c] = 1 + freed / to;
    }
}

static int64_t row_of(const attn_tensor *t, int64_t b, int64_t h, int64_t i)
{
    return b * t->stride[0] + h * t->stride[1] + i * t->stride[2];
}

static void task(void *arg, int64_t index)
{
    const struct job *j = arg;
    const attn_tensor *out = j->out;
    int64_t h = index % out->shape[1], b = index / out->shape[1];
    for (int64_t i = 0; i < out->shape[2]; i++) {
        double lse[ATTN__CLASSES_MAX], mass[ATTN__CLASSES_MAX], g[ATTN__CLASSES_MAX];
        for (int c = 0; c < j->n; c++)
            lse[c] = attn__load_f64(j->part_lse[c].data, row_of(&j->part_lse[c], b, h, i),
                                    j->part_lse[c].dtype);
        double all = masses(lse, j->n, mass);
        weights(j, b, i, mass, g);
        for (int64_t e = 0; e < out->shape[3]; e++) {
            double sum = 0;
            for (int c = 0; c < j->n; c++) {
                const attn_tensor *t = &j->part_out[c];
                if (mass[c] != 0)
                    sum += g[c] * mass[c] *
                           attn__load_f64(t->data, row_of(t, b, h, i) + e * t->stride[3],
                                          t->dtype);
            }
            attn__store_f64(out->data, row_of(out, b, h, i) + e * out->stride[3], out->dtype, sum);
        }
        if (j->lse)
            attn__store_f64(j->lse->data, row_of(j->lse, b, h, i), j->lse->dtype, all);
    }
}

void attn__map_classes(struct attn__threads *threads, int n_classes, const attn_tensor *part_out,
                       const attn_tensor *part_lse, const struct attn__class_rule *rule,
                       const struct attn__class_batch *batch, const attn_tensor *out,
                       const attn_tensor *lse)
{
    struct job j = {n_classes, part_out, part_lse, out, lse, rule, batch};
    attn__threads_run(threads, out->shape[0] * out->shape[1], task, &j);
}

void attn__map_class_mask(const attn_tensor *class_k, int c, const attn_tensor *mask)
{
    const uint8_t *from = class_k->data;
    uint8_t *to = mask->data;
    for (int64_t b = 0; b < mask->shape[0]; b++) {
        int64_t first = class_k->shape[0] == 1 ? 0 : b * class_k->stride[0];
        for (int64_t j = 0; j < mask->shape[3]; j++)
            to[b * mask->stride[0] + j * mask->stride[3]] =
                from[first + j * class_k->stride[1]] == c;
    }
}
