/* SPDX-License-Identifier: MIT */
/*
 * Product quantisation. Each part of a row becomes the number of the nearest word
 * of its codebook; keys are compared by how many numbers are those of the query.
 * Numbers of keys are kept part by part, so that a byte of the query meets a run
 * of bytes. The least count that is taken is searched by halves.
 */
#include "solvers/select_codes.h"

#include "solvers/select_stripes.h"
#include "solvers/select_tasks.h"
#include "solvers/select_view.h"

/* For all workers. */
struct made {
    char *book;     /* [parts][channels of a part][words], floats or doubles */
    uint8_t *codes; /* [b][k_heads][parts][k] */
    uint8_t *bad;   /* [b][k_heads]: some key has NaN */
    char *desks;
};

struct desk {
    char *rows;     /* [ATTN__POOLED_ROWS][d] */
    char *distance; /* [words] */
    uint8_t *code;  /* [parts]: of a query */
    uint8_t *count; /* [k] */
};

static int64_t parts_of(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z)
{
    return z->d / spec->codes.part;
}

static void desk_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, struct desk *k)
{
    int64_t rows = 0;
    size_t size = attn__select_size(z->exact);
    s->ok = s->ok && attn__mul_i64(ATTN__POOLED_ROWS, z->d, &rows);
    k->rows = attn__scratch_take(s, rows, size);
    k->distance = attn__scratch_take(s, spec->codes.words, size);
    k->code = ATTN__TAKE(s, parts_of(spec, z), uint8_t);
    k->count = ATTN__TAKE(s, z->k, uint8_t);
}

static void made_take(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                      const struct attn__pooled_size *z, int64_t threads, struct made *m)
{
    struct attn__scratch one = {.ok = true};
    struct desk k;
    int64_t book = 0, heads = 0, codes = 0;
    s->ok = s->ok && attn__mul_i64(z->d, spec->codes.words, &book) &&
            attn__mul_i64(z->b, z->k_heads, &heads) && attn__mul_i64(heads, z->k, &codes) &&
            attn__mul_i64(codes, parts_of(spec, z), &codes);
    desk_take(&one, spec, z, &k);
    m->book = attn__scratch_take(s, book, attn__select_size(z->exact));
    m->codes = ATTN__TAKE(s, codes, uint8_t);
    m->bad = ATTN__TAKE(s, heads, uint8_t);
    m->desks = attn__select_desks(s, &one, threads);
}

bool attn__codes_per_row(const struct attn__pooled_spec *spec, const struct attn__pooled_size *z,
                         int64_t *entries)
{
    *entries = attn__max_i64(attn__min_i64(spec->top, z->k), 1);
    return true;
}

void *attn__codes_room(struct attn__scratch *s, const struct attn__pooled_spec *spec,
                       const struct attn__pooled_size *z, int64_t threads)
{
    struct attn__scratch at = attn__select_part_begin(s);
    struct made m;
    made_take(&at, spec, z, threads, &m);
    return attn__select_part_end(s, &at);
}

/* ---- codes ---- */

static void make_book(const struct attn__select_tasks *x, const struct made *made)
{
    const attn_tensor *t = &x->r->call->t[ATTN__SLOT_CODEBOOK];
    const struct attn__codes_spec *spec = &x->m->spec->codes;
    int64_t at = 0;
    for (int64_t p = 0; p < parts_of(x->m->spec, x->z); p++)
        for (int64_t e = 0; e < spec->part; e++)
            for (int64_t w = 0; w < spec->words; w++, at++) {
                double y = attn__load_f64(
                    t->data, p * t->stride[0] + w * t->stride[1] + e * t->stride[2], t->dtype);
                if (x->z->exact)
                    ((double *)(void *)made->book)[at] = y;
                else
                    ((float *)(void *)made->book)[at] = (float)y;
            }
}

/* The word with the least sum of absolute differences from one part of a row, the
 * first of equal ones; -1 for NaN. */
#define ATTN__NEAREST(type, name, abs_of)                                                         \
    static int64_t name(const type *restrict row, const type *restrict book, int64_t channels,    \
                        int64_t words, type *restrict distance)                                   \
    {                                                                                             \
        int64_t best = 0;                                                                         \
        for (int64_t w = 0; w < words; w++)                                                       \
            distance[w] = 0;                                                                      \
        for (int64_t e = 0; e < channels; e++)                                                    \
            for (int64_t w = 0; w < words; w++)                                                   \
                distance[w] += abs_of(row[e] - book[e * words + w]);                              \
        for (int64_t w = 0; w < words; w++) {                                                     \
            if (isnan(distance[w]))                                                               \
                return -1;                                                                        \
            best = distance[w] < distance[best] ? w : best;                                       \
        }                                                                                         \
        return best;                                                                              \
    }

ATTN__NEAREST(float, nearest_f32, fabsf)
ATTN__NEAREST(double, nearest_f64, fabs)

/* Code of part p of row i in the desk at to[p * step]; false for NaN. */
static bool encode(const struct attn__select_tasks *x, const struct desk *k, int64_t i,
                   uint8_t *to, int64_t step)
{
    const struct made *made = x->made;
    const struct attn__codes_spec *spec = &x->m->spec->codes;
    for (int64_t p = 0; p < parts_of(x->m->spec, x->z); p++) {
        int64_t row = i * x->z->d + p * spec->part, book = p * spec->part * spec->words, word;
        if (x->z->exact)
            word = nearest_f64((const double *)(void *)k->rows + row,
                               (const double *)(void *)made->book + book, spec->part, spec->words,
                               (double *)(void *)k->distance);
        else
            word = nearest_f32((const float *)(void *)k->rows + row,
                               (const float *)(void *)made->book + book, spec->part, spec->words,
                               (float *)(void *)k->distance);
        if (word < 0)
            return false;
        to[p * step] = (uint8_t)word;
    }
    return true;
}

static struct desk desk_of(const struct attn__select_tasks *x, char *memory)
{
    struct attn__scratch s = {.base = memory, .ok = true};
    struct desk k;
    desk_take(&s, x->m->spec, x->z, &k);
    return k;
}

static uint8_t *codes_of(const struct attn__select_tasks *x, int64_t b, int64_t k_head)
{
    const struct made *made = x->made;
    return made->codes + (b * x->z->k_heads + k_head) * parts_of(x->m->spec, x->z) * x->z->k;
}

static void encode_keys(const struct attn__select_tasks *x, const struct attn__select_part *part,
                        char *desk)
{
    const struct made *made = x->made;
    struct desk k = desk_of(x, desk);
    struct attn__rows keys = attn__pooled_head(&x->m->k, part->s.b, part->h, part->s.k0);
    uint8_t *codes = codes_of(x, part->s.index, part->h);
    bool good = true;
    for (int64_t j = 0; j < part->s.nk && good; j += ATTN__POOLED_ROWS) {
        int64_t n = attn__min_i64(ATTN__POOLED_ROWS, part->s.nk - j);
        attn__select_load(x->r->machine->kern, &keys, j, n, x->z->d, x->z->exact, k.rows);
        for (int64_t i = 0; i < n && good; i++)
            good = encode(x, &k, i, codes + j + i, x->z->k);
    }
    made->bad[part->s.index * x->z->k_heads + part->h] = !good;
}

/* ---- rows ---- */

/* count[j] = numbers of key j that are those of the query, j < n; planes of codes
 * are ld apart. */
static void count_equal(const uint8_t *restrict codes, int64_t ld, const uint8_t *restrict code,
                        int64_t parts, int64_t n, uint8_t *restrict count)
{
    memset(count, 0, (size_t)n);
    for (int64_t p = 0; p < parts; p++) {
        const uint8_t *restrict plane = codes + p * ld;
        const uint8_t own = code[p];
        for (int64_t j = 0; j < n; j++)
            count[j] = (uint8_t)(count[j] + (plane[j] == own));
    }
}

/* Counts become steps, of which there are fewer. */
static void cut_to_slots(int64_t slots, int64_t parts, int64_t n, uint8_t *count)
{
    uint8_t step[UINT8_MAX + 1];
    for (int64_t c = 0; c <= parts; c++)
        step[c] = (uint8_t)attn__min_i64(slots - 1, c / (parts / slots));
    for (int64_t j = 0; j < n; j++)
        count[j] = step[count[j]];
}

/* How many counts are `least` or more. */
static int64_t at_least(const uint8_t *count, int64_t n, uint8_t least)
{
    enum { RUN = UINT8_MAX }; /* that a byte can count */
    int64_t all = 0;
    for (int64_t j0 = 0; j0 < n; j0 += RUN) {
        int64_t end = attn__min_i64(j0 + RUN, n);
        uint8_t some = 0;
        for (int64_t j = j0; j < end; j++)
            some = (uint8_t)(some + (count[j] >= least));
        all += some;
    }
    return all;
}

/* Up to which of keys j0..end-1 the first `*equal` that have a count are found, which
 * are taken off. */
static int64_t pass_equal(const uint8_t *count, uint8_t value, int64_t j0, int64_t end,
                          int64_t *equal)
{
    int64_t j = j0, all = 0;
    for (int64_t e = j0; e < end; e++)
        all += count[e] == value;
    if (all <= *equal) {
        *equal -= all;
        return end;
    }
    for (; *equal > 0; j++)
        *equal -= count[j] == value;
    return j;
}

/* The `top` keys of n with the largest counts, of which none is above `most`; among
 * equal ones the first. */
static void write_best(struct attn__select_writer *out, const uint8_t *count, int64_t n,
                       int64_t top, int64_t most)
{
    enum { RUN = 64 }; /* keys that are written at a time */
    int64_t least = 0, above = most + 1, equal = top, end;
    while (above - least > 1) { /* `top` keys have `least` or more, fewer have `above` */
        int64_t middle = (least + above) / 2;
        if (at_least(count, n, (uint8_t)middle) >= top)
            least = middle;
        else
            above = middle;
    }
    if (above <= most)
        equal -= at_least(count, n, (uint8_t)above);
    for (int64_t j0 = 0; j0 < n && (equal > 0 || above <= most); j0 = end) {
        const uint8_t from = (uint8_t)(equal > 0 ? least : above);
        int32_t key[RUN];
        int64_t found = 0;
        end = attn__min_i64(j0 + RUN, n);
        if (equal > 0)
            end = pass_equal(count, from, j0, end, &equal);
        for (int64_t j = j0; j < end; j++) { /* without a branch */
            key[found] = (int32_t)j;
            found += count[j] >= from;
        }
        attn__select_put_keys(out, key, found);
    }
}

static void make_rows(const struct attn__select_tasks *x, const struct attn__select_part *part,
                      char *desk)
{
    const struct made *made = x->made;
    const struct attn__pooled_spec *spec = x->m->spec;
    const struct attn__seq *s = &part->s;
    struct desk k = desk_of(x, desk);
    struct attn__rows q = attn__stripes_q(x->m, s, part->h);
    int64_t rows = attn__min_i64(part->n, s->nq - part->at), parts = parts_of(spec, x->z);
    int64_t k_head = x->m->k_head ? x->m->k_head[part->h] : part->h;
    bool bad = made->bad[s->index * x->z->k_heads + k_head];
    if (rows > 0)
        attn__select_load(x->r->machine->kern, &q, part->at, rows, x->z->d, x->z->exact, k.rows);
    for (int64_t i = 0; i < rows; i++) {
        int64_t row = attn__select_row_of(x, part, part->h, part->at + i), n = s->nk;
        if (spec->codes.causal)
            n = attn__min_i64(n, part->at + i + s->off + 1);
        if (n <= 0)
            continue;
        if (bad || !encode(x, &k, i, k.code, 1)) {
            attn__select_row_nan(x->rows, row);
            continue;
        }
        struct attn__select_writer out = attn__select_row_begin(x->rows, row);
        if (n <= spec->top) {
            attn__select_put(&out, 0, n, 0, false);
        } else {
            count_equal(codes_of(x, s->index, k_head), x->z->k, k.code, parts, n, k.count);
            if (spec->codes.slots > 0)
                cut_to_slots(spec->codes.slots, parts, n, k.count);
            write_best(&out, k.count, n, spec->top,
                       spec->codes.slots > 0 ? spec->codes.slots - 1 : parts);
        }
        attn__select_row_end(&out);
    }
}

int32_t attn__codes_run(const struct attn__recipe_run *r, const struct attn__pooled *m,
                        const struct attn__pooled_size *z, struct attn__select_rows *rows,
                        int64_t per_row, void *room)
{
    struct attn__scratch s = {.base = room, .ok = true}, one = {.ok = true};
    struct made made;
    struct desk k;
    made_take(&s, m->spec, z, r->machine->threads, &made);
    desk_take(&one, m->spec, z, &k);
    const struct attn__select_tasks x = {.r = r, .m = m, .z = z, .rows = rows, .made = &made,
                                         .desks = made.desks, .desk_bytes = one.used};
    attn__select_begin(rows, per_row);
    make_book(&x, &made);
    attn__select_tasks_run(&x, z->k_heads, 1, 1, encode_keys);
    attn__select_tasks_run(&x, rows->sets, rows->blocks, ATTN__POOLED_ROWS, make_rows);
    return attn__select_end(rows, "selection");
}
