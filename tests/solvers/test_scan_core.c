/* SPDX-License-Identifier: MIT */
/*
 * scan_core and scan_scores: chunks of every kind of recurrence, one after
 * another through one state, against the recurrence token by token in double;
 * columns split and whole give the same bits; later tokens leave earlier ones
 * alone.
 *
 *   test_scan_core [SEED [EVERY]]
 *
 * EVERY n: only every n-th case, for builds where it takes minutes.
 */
#include <attn/attn.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "solvers/scan_core.h"

enum { MOST_D = 144, MOST_READERS = 5, TOKENS = ATTN__SCAN_CHUNK };

/* log decays: a little, as GLA has them, up to -5, up to -100, with resets */
enum { G_MILD, G_GLA, G_FIVE, G_EXTREME, G_RESET, G_KINDS };

static uint64_t rng;
static long cases, failed;
static double worst;

static double uniform(double lo, double hi)
{
    uint64_t z = rng += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return lo + (hi - lo) * (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static int64_t up16(int64_t n)
{
    return (n + 15) / 16 * 16;
}

static float gate(int how)
{
    double u = uniform(0, 1);
    switch (how) {
    case G_MILD:
        return (float)(-0.02 * u);
    case G_GLA:
        return (float)(-log1p(exp(-uniform(-3, 3))) / 16);
    case G_FIVE:
        return (float)(-5 * u);
    case G_EXTREME:
        return (float)-exp(uniform(-9, log(100)));
    default:
        return u < 0.1 ? -104.0f : (float)(-0.05 * u);
    }
}

/* rows of n elements, 0 up to the next multiple of 16; `unit`: of length `unit` */
static void fill(float *p, int64_t rows, int64_t n, double lo, double hi, double unit)
{
    for (int64_t i = 0; i < rows; i++, p += up16(n)) {
        double sum = 0;
        for (int64_t c = 0; c < up16(n); c++) {
            p[c] = c < n ? (float)uniform(lo, hi) : 0.0f;
            sum += (double)p[c] * (double)p[c];
        }
        for (int64_t c = 0; unit > 0 && c < n; c++)
            p[c] = (float)((double)p[c] * unit / sqrt(sum));
    }
}

/* all arrays of one chunk, and what both ways make of them */
static struct {
    float q[MOST_READERS * TOKENS * MOST_D], k[TOKENS * MOST_D], v[TOKENS * MOST_D];
    float w[TOKENS * MOST_D], e[TOKENS * MOST_D], g[TOKENS * MOST_D];
    float out[MOST_READERS * TOKENS * MOST_D], again[MOST_READERS * TOKENS * MOST_D];
    float bonus[MOST_D], S[MOST_D * MOST_D], S2[MOST_D * MOST_D], z[MOST_D], z2[MOST_D];
    double exact_out[MOST_READERS * TOKENS * MOST_D], exact_S[MOST_D * MOST_D];
    double exact_z[MOST_D], read[MOST_D], row[MOST_D];
} x;

static double exact_decay(const struct attn__scan_kind *kind, int64_t t, int64_t c)
{
    return kind->decay == ATTN__CORE_STAYS ? 1
         : exp((double)(kind->decay == ATTN__CORE_SCALAR ? x.g[t] : x.g[t * up16(kind->dk) + c]));
}

/* read = rows^T S */
static void exact_read(const struct attn__scan_kind *kind, const float *rows)
{
    const int64_t dv16 = up16(kind->dv);
    memset(x.read, 0, sizeof x.read);
    for (int64_t c = 0; c < kind->dk; c++)
        for (int64_t d = 0; d < kind->dv; d++)
            x.read[d] += (double)rows[c] * x.exact_S[c * dv16 + d];
}

static void exact_output(const struct attn__scan_kind *kind, const struct attn__scan_chunk *ch,
                         int64_t t)
{
    const int64_t dk16 = up16(kind->dk), dv16 = up16(kind->dv);
    for (int64_t r = 0; r < ch->readers; r++) {
        const float *q = x.q + (r * ch->n + t) * dk16;
        double own = 0, den = 1;
        exact_read(kind, q);
        for (int64_t c = 0; kind->read_before && kind->bonus && c < kind->dk; c++)
            own += (double)q[c] * (double)kind->bonus[c] * (double)x.k[t * dk16 + c];
        if (kind->normaliser != ATTN__CORE_PLAIN) {
            den = 0;
            for (int64_t c = 0; c < kind->dk; c++)
                den += (double)q[c] * x.exact_z[c];
            den = kind->normaliser == ATTN__CORE_SUM ? den + (double)kind->eps
                                                     : fmax(den, (double)kind->eps);
        }
        for (int64_t d = 0; d < kind->dv; d++)
            x.exact_out[(r * ch->n + t) * dv16 + d] =
                (x.read[d] + own * (double)x.v[t * dv16 + d]) / den;
    }
}

static void exact_token(const struct attn__scan_kind *kind, const struct attn__scan_chunk *ch,
                        int64_t t)
{
    const int64_t dk16 = up16(kind->dk), dv16 = up16(kind->dv);
    const float *writer = kind->update == ATTN__CORE_GENERAL ? x.w : x.k;
    if (kind->read_before)
        exact_output(kind, ch, t);
    if (kind->erase_previous)
        exact_read(kind, x.e + t * dk16);
    for (int64_t c = 0; c < kind->dk; c++) {
        double f = exact_decay(kind, t, c);
        x.exact_z[c] = f * x.exact_z[c] + (double)x.k[t * dk16 + c];
        for (int64_t d = 0; d < kind->dv; d++)
            x.exact_S[c * dv16 + d] *= f;
    }
    if (kind->update == ATTN__CORE_ADD)
        memset(x.read, 0, sizeof x.read);
    else if (!kind->erase_previous)
        exact_read(kind, x.e + t * dk16);
    for (int64_t c = 0; c < kind->dk; c++)
        for (int64_t d = 0; d < kind->dv; d++)
            x.exact_S[c * dv16 + d] += (double)x.k[t * dk16 + c] * (double)x.v[t * dv16 + d] -
                                       (double)writer[t * dk16 + c] * x.read[d];
    if (!kind->read_before)
        exact_output(kind, ch, t);
}

/* root mean square error of n rows of d elements, strides 16 rounded up, and of what */
struct error {
    double diff, all;
};

static void add_error(struct error *e, const float *got, const double *want, int64_t rows,
                      int64_t d)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t c = 0; c < d; c++) {
            double b = want[i * up16(d) + c], a = (double)got[i * up16(d) + c] - b;
            e->diff += isnan(a) ? INFINITY : a * a;
            e->all += b * b;
        }
    }
}

static void judge(const struct error *e, const char *what, const char *isa,
                  const struct attn__scan_kind *kind, int64_t readers, int how)
{
    double rms = e->diff > 0 ? sqrt(e->diff / e->all) : 0;
    cases++;
    worst = rms > worst ? rms : worst;
    if (rms <= 3e-6)
        return;
    if (failed++ < 20)
        fprintf(stderr, "error: %s: %s of dk %lld dv %lld decay %d update %d previous %d before %d "
                "normaliser %d, %lld readers, gates %d: relative rms %.3g\n", isa, what,
                (long long)kind->dk, (long long)kind->dv, (int)kind->decay, (int)kind->update,
                (int)kind->erase_previous, (int)kind->read_before, (int)kind->normaliser,
                (long long)readers, how, rms);
}

static void fail(const char *isa, const char *what)
{
    if (failed++ < 20)
        fprintf(stderr, "error: %s: %s\n", isa, what);
}

/* rows that the kind can stand: what erases has to be a contraction */
static void draw(const struct attn__scan_kind *kind, int64_t n, int64_t readers, int how)
{
    const int64_t dk = kind->dk, dk16 = up16(dk);
    const double lo = kind->normaliser != ATTN__CORE_PLAIN ? 0.01 : -1;
    const bool erase = kind->update != ATTN__CORE_ADD;
    fill(x.q, readers * n, dk, lo, 1, erase ? 1 : 0);
    fill(x.k, n, dk, lo, 1, erase ? 1 : 0);
    fill(x.v, n, kind->dv, -1, 1, 0);
    fill(x.w, n, dk, -1, 1, 1);
    for (int64_t i = 0; i < n; i++) {
        const float *writer = kind->update == ATTN__CORE_GENERAL ? x.w : x.k;
        double beta = uniform(0.02, kind->update == ATTN__CORE_WRITER ? 1.9 : 1.0);
        for (int64_t c = 0; c < dk16; c++)
            x.e[i * dk16 + c] = (float)(beta * (double)writer[i * dk16 + c]);
    }
    if (kind->decay == ATTN__CORE_SCALAR)
        for (int64_t i = 0; i < n; i++)
            x.g[i] = gate(how);
    else
        for (int64_t i = 0; i < n * dk16; i++)
            x.g[i] = i % dk16 < dk ? gate(how) : 0.0f;
}

static void run(const struct attn__kernels *kern, const struct attn__scan_kind *kind,
                const struct attn__scan_chunk *ch, void *room, bool split)
{
    const int64_t dv16 = up16(kind->dv);
    float z[MOST_D];
    if (!split) {
        attn__scan_core_run(kern, kind, ch, 0, dv16, x.S, x.z, room);
        return;
    }
    struct attn__scan_chunk other = *ch;
    other.out = x.again;
    int64_t cut = dv16 > 16 ? (int64_t)uniform(1, (double)(dv16 / 16)) * 16 : 0;
    memcpy(z, x.z2, sizeof z);
    attn__scan_core_run(kern, kind, &other, cut, dv16 - cut, x.S2, z, room);
    if (cut > 0)
        attn__scan_core_run(kern, kind, &other, 0, cut, x.S2, x.z2, room);
    else
        memcpy(x.z2, z, sizeof z);
}

/* Tokens from n / 2 on become NaN: what comes before has to keep its bits. */
static void poison(const struct attn__kernels *kern, const struct attn__scan_kind *kind,
                   struct attn__scan_chunk *ch, void *room)
{
    const int64_t dk16 = up16(kind->dk), dv16 = up16(kind->dv), good = ch->n / 2;
    for (int64_t i = good; i < ch->n; i++) {
        for (int64_t c = 0; c < kind->dk; c++)
            x.k[i * dk16 + c] = x.e[i * dk16 + c] = x.w[i * dk16 + c] = i % 2 ? NAN : INFINITY;
        for (int64_t c = 0; c < kind->dv; c++)
            x.v[i * dv16 + c] = NAN;
    }
    ch->out = x.again;
    attn__scan_core_run(kern, kind, ch, 0, dv16, x.S2, x.z2, room);
    for (int64_t r = 0; r < ch->readers; r++)
        if (memcmp(x.out + r * ch->n * dv16, x.again + r * ch->n * dv16,
                   (size_t)(good * dv16) * sizeof *x.out) != 0)
            fail(kern->isa_name, "a later token changed an earlier one");
}

/* what a case has made of outputs, states and sums of keys */
struct errors {
    struct error out, state, z;
};

static size_t bytes_of(int64_t rows, int64_t n)
{
    return (size_t)(rows * up16(n)) * sizeof(float);
}

/* a few chunks through one state, each a second time with its columns split */
static void sequence(const struct attn__kernels *kern, const struct attn__scan_kind *kind,
                     int64_t readers, int how, void *room, struct errors *e)
{
    static const int64_t lengths[] = { 64, 1, 15, 63, 17, 16, 33, 64 };
    const int64_t dk = kind->dk, dv = kind->dv, chunks = 4, at = (int64_t)uniform(0, 8);
    struct attn__scan_chunk ch = { .readers = readers, .q = x.q, .k = x.k, .v = x.v, .w = x.w,
                                   .e = x.e, .g = x.g, .out = x.out };
    fill(x.S, dk, dv, -1, 1, 0);
    fill(x.z, 1, dk, 0.01, 1, 0);
    fill(x.bonus, 1, dk, -1, 1, 0);
    for (int64_t i = 0; i < dk * up16(dv); i++)
        x.exact_S[i] = (double)x.S[i];
    for (int64_t i = 0; i < up16(dk); i++)
        x.exact_z[i] = (double)x.z[i];
    for (int64_t n = 0; n < chunks; n++) {
        static float S[MOST_D * MOST_D], z[MOST_D];
        ch.n = lengths[(at + n) % 8];
        draw(kind, ch.n, readers, how);
        memcpy(S, x.S, sizeof S);
        memcpy(z, x.z, sizeof z);
        memcpy(x.S2, S, sizeof S);
        memcpy(x.z2, z, sizeof z);
        run(kern, kind, &ch, room, false);
        run(kern, kind, &ch, room, true);
        if (memcmp(x.out, x.again, bytes_of(readers * ch.n, dv)) != 0 ||
            memcmp(x.S, x.S2, bytes_of(dk, dv)) != 0 || memcmp(x.z, x.z2, bytes_of(1, dk)) != 0)
            fail(kern->isa_name, "split columns have other bits");
        for (int64_t t = 0; t < ch.n; t++)
            exact_token(kind, &ch, t);
        add_error(&e->out, x.out, x.exact_out, readers * ch.n, dv);
        if (n == chunks - 1) {
            memcpy(x.S2, S, sizeof S);
            memcpy(x.z2, z, sizeof z);
            poison(kern, kind, &ch, room);
        }
    }
    add_error(&e->state, x.S, x.exact_S, dk, dv);
    add_error(&e->z, x.z, x.exact_z, 1, dk);
}

/* Few numbers make no mean: small states are run more often. */
static void one(const struct attn__kernels *kern, const struct attn__scan_kind *kind,
                int64_t readers, int how)
{
    size_t bytes = (attn__scan_core_scratch(kind) + 63) / 64 * 64;
    void *room = aligned_alloc(64, bytes);
    struct errors e = { 0 };
    if (!room) {
        fail(kern->isa_name, "no memory");
        return;
    }
    memset(room, 0xff, bytes); /* NaN */
    for (int64_t n = 0; n < 1 + 100 / (kind->dk * kind->dv); n++)
        sequence(kern, kind, readers, how, room, &e);
    free(room);
    judge(&e.out, "output", kern->isa_name, kind, readers, how);
    judge(&e.state, "state", kern->isa_name, kind, readers, how);
    if (kind->normaliser != ATTN__CORE_PLAIN)
        judge(&e.z, "z", kern->isa_name, kind, readers, how);
}

/* 0..6: linear attention, with normalisers, read before; delta; two writers */
static struct attn__scan_kind kind_of(int way)
{
    struct attn__scan_kind kind = { .eps = 1e-3f };
    kind.update = way < 4 ? ATTN__CORE_ADD : way == 4 ? ATTN__CORE_WRITER : ATTN__CORE_GENERAL;
    kind.normaliser = way == 1 ? ATTN__CORE_SUM : way == 2 ? ATTN__CORE_MAX : ATTN__CORE_PLAIN;
    kind.read_before = way == 3;
    kind.erase_previous = way == 6;
    return kind;
}

static void all_kinds(const struct attn__kernels *kern, long every)
{
    static const int64_t sizes[][2] = { { 16, 16 }, { 1, 5 }, { 33, 47 }, { 64, 80 }, { 131, 17 },
                                        { 7, 130 } };
    static const int64_t readers[] = { 1, 2, 5 };
    long number = 0;
    for (int way = 0; way < 7; way++) {
        struct attn__scan_kind kind = kind_of(way);
        for (kind.decay = 0; kind.decay <= ATTN__CORE_CHANNEL; kind.decay++) {
            for (int how = 0; how < (kind.decay ? G_KINDS : 1); how++) {
                for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++, number++) {
                    kind.dk = sizes[s][0];
                    kind.dv = sizes[s][1];
                    kind.bonus = number % 5 ? x.bonus : NULL;
                    if (number % every == 0)
                        one(kern, &kind, readers[number % 3], how);
                }
            }
        }
    }
}

int main(int argc, char **argv)
{
    rng = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    long every = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
    for (int32_t isa = 0; isa < 100; isa++) {
        struct attn__kernels kern;
        if (!attn_isa_usable(isa))
            continue;
        attn__kernels_select(isa, &kern);
        if (kern.isa == isa)
            all_kinds(&kern, every > 0 ? every : 1);
    }
    printf("%s: %ld results, worst relative rms %.3g\n", failed ? "FAIL" : "ok", cases, worst);
    return failed != 0;
}
