/* SPDX-License-Identifier: MIT */
/*
 * One task a head of a batch; sums in double.
 */
#include "solvers/map_noise.h"

#include <math.h>
#include <string.h>

#include "base/dtype.h"

/* The last two dimensions of a view. */
struct plane {
    const attn_tensor *t;
    int64_t at, n, d, zero; /* zero: element that counts as 0, -1: none */
};

static struct plane plane_of(const attn_tensor *t, int64_t b, int64_t h)
{
    int32_t last = t->rank - 1;
    int64_t at = h * t->stride[last - 2] + (t->rank == 4 ? b * t->stride[0] : 0);
    return (struct plane){t, at, t->shape[last - 1], t->shape[last], -1};
}

static int64_t place(const struct plane *p, int64_t i, int64_t c)
{
    return p->at + i * p->t->stride[p->t->rank - 2] + c * p->t->stride[p->t->rank - 1];
}

static double load(const struct plane *p, int64_t i, int64_t c)
{
    return i * p->d + c == p->zero ? 0 : attn__load_f64(p->t->data, place(p, i, c), p->t->dtype);
}

struct moments {
    double mean, deviation;
};

/* Two passes, so that the deviation of nearly equal numbers is right; sums of
 * every fourth channel, which do not wait for one another. */
static struct moments moments_of(const struct plane *p)
{
    double n = (double)p->n * (double)p->d, part[4] = {0};
    for (int64_t i = 0; i < p->n; i++)
        for (int64_t c = 0; c < p->d; c++)
            part[c % 4] += load(p, i, c);
    double mean = (part[0] + part[1] + part[2] + part[3]) / n;
    memset(part, 0, sizeof part);
    for (int64_t i = 0; i < p->n; i++)
        for (int64_t c = 0; c < p->d; c++) {
            double x = load(p, i, c) - mean;
            part[c % 4] += x * x;
        }
    double squares = part[0] + part[1] + part[2] + part[3];
    return (struct moments){mean, n > 1 ? sqrt(squares / (n - 1)) : 0};
}

void attn__map_noise_make(const attn_tensor *uniform, int64_t group, const attn_tensor *noise)
{
    for (int64_t h = 0; h < uniform->shape[0]; h++) {
        struct plane u = plane_of(uniform, 0, h), to = plane_of(noise, 0, h);
        u.zero = h % group;
        struct moments m = moments_of(&u);
        double divide = m.deviation == 0 ? 1 : m.deviation;
        for (int64_t i = 0; i < u.n; i++)
            for (int64_t c = 0; c < u.d; c++)
                attn__store_f64(noise->data, place(&to, i, c), noise->dtype,
                                (load(&u, i, c) - m.mean) / divide);
    }
}

struct job {
    const attn_tensor *x, *noise, *out;
};

static void task(void *arg, int64_t index)
{
    const struct job *j = arg;
    int64_t h = index % j->out->shape[1], b = index / j->out->shape[1];
    struct plane x = plane_of(j->x, b, h), z = plane_of(j->noise, 0, h);
    struct plane to = plane_of(j->out, b, h);
    struct moments m = moments_of(&x);
    for (int64_t i = 0; i < x.n; i++)
        for (int64_t c = 0; c < x.d; c++)
            attn__store_f64(j->out->data, place(&to, i, c), j->out->dtype,
                            load(&x, i, c) - (load(&z, i, c) * m.deviation + m.mean));
}

void attn__map_noise(struct attn__threads *threads, const attn_tensor *x, const attn_tensor *noise,
                     const attn_tensor *out)
{
    struct job j = {x, noise, out};
    attn__threads_run(threads, out->shape[0] * out->shape[1], task, &j);
}
