/* SPDX-License-Identifier: MIT */
/*
 * Windows of some chunks, in three steps: what every chunk adds, the states
 * between them, the outputs. Chunks of the first and of the third step are
 * shared out among the threads, in the second rows of the state; the first
 * step of a window runs with the third of the one before. Every number goes
 * through the same operations as chunk by chunk.
 */
#include "solvers/scan_side.h"

#include <stdatomic.h>

#include "solvers/scan_ahead.h"
#include "solvers/scan_run.h"
#include "state/scan_check.h"

/* Fewer tokens than this are not worth three meetings of the threads; rows of S
 * are taken by so many; and what a thread's chunks of a window may take. */
enum { LEAST_TOKENS = 128, ROWS = 16, THREAD_BYTES = 512 << 10, THREAD_CHUNKS = 16 };

/* Rows of x begin at other places of a page from chunk to chunk: loads that
 * follow a store to the same place of another page wait for it. */
enum { APART = 80 };

static bool adds(const struct attn__problem *p)
{
    const struct attn__scan_spec *e = &p->scan;
    return e->update == ATTN_UPDATE_ADD && e->gate != ATTN_GATE_LIGHTNET &&
           (e->direction == ATTN_DIRECTION_FORWARD || e->direction == ATTN_DIRECTION_REVERSE);
}

void attn__scan_side_take(struct attn__scratch *s, const struct attn__problem *p,
                          const struct attn__machine *m, struct attn__scan_side *side)
{
    const struct attn__scan_spec *e = &p->scan;
    int64_t dk16 = attn__scan_round16(e->dk), dv16 = attn__scan_round16(p->dv);
    int64_t units = attn__min_i64(e->norm == ATTN_STATE_NORM_NONE ? (p->dv + 63) / 64 : 1,
                                  m->threads);
    int64_t size = 0, x = 0, rows = 0;
    side->most = 0;
    if (!adds(p) || m->threads < 2 || p->q < LEAST_TOKENS || p->b >= m->threads ||
        e->hs >= m->threads || p->b * e->hs * units >= m->threads)
        return;
    s->ok = s->ok && attn__mul_i64(e->dk, dv16, &size) && attn__add_i64(size, APART, &side->step);
    if (!s->ok)
        return;
    int64_t chunks = THREAD_BYTES / 4 / size;
    chunks = chunks < 2 ? 2 : attn__min_i64(chunks, THREAD_CHUNKS);
    side->most = attn__min_i64(chunks * m->threads, ATTN__SCAN_SIDE);
    s->ok = attn__mul_i64(side->most, side->step, &x) && attn__mul_i64(side->most, dk16, &rows);
    for (int n = 0; n < 2; n++) {
        struct attn__scan_window *w = &side->window[n];
        w->x = ATTN__TAKE(s, x, float);
        w->f = ATTN__TAKE(s, rows, float);
        w->h = ATTN__TAKE(s, rows, float);
        w->sum = ATTN__TAKE(s, rows, float);
    }
    side->begun = ATTN__TAKE(s, m->threads, int64_t);
}

bool attn__scan_side_wanted(const struct attn__exec *x, const struct attn__scan_side *side)
{
    const struct attn_state *state = attn__scan_state(x->call);
    if (side->most == 0 || (state && state->shape.segment))
        return false;
    for (int64_t n = 0; n < x->call->n_seq; n++) {
        struct attn__seq s = attn__call_seq(x->call, n);
        if (attn__exec_mine(x, &s) && s.nq >= LEAST_TOKENS)
            return true;
    }
    return false;
}

/* What the threads are at. */
struct step {
    const struct attn__exec *x;
    struct attn__scan_room *room;
    struct attn__scan_side *side;
    const struct attn__scan_job *job; /* its room is the first worker's */
    int64_t number;                   /* of the state */
    struct attn__scan_window *read, *gain; /* or carry: of `read` */
    _Atomic int64_t next;
};

/* The state as worker `worker` sees it. */
static struct attn__scan_job job_of(const struct step *t, int64_t worker)
{
    struct attn__scan_job j = *t->job;
    j.r = &t->room[worker];
    if (t->side->begun[worker] != t->number) {
        attn__scan_load_start(&j.r->load, j.c, j.kern, j.s, j.head, attn__scan_job_reverse(&j),
                              j.rows);
        t->side->begun[worker] = t->number;
    }
    j.kind = attn__scan_load_kind(j.c->p, &j.r->load);
    return j;
}

static void gain(const struct step *t, int64_t worker, struct attn__scan_window *w, int64_t n)
{
    struct attn__scan_job j = job_of(t, worker);
    int64_t dk16 = attn__scan_round16(j.kind.dk);
    j.r->load.age = w->age[n];
    struct attn__scan_chunk c = attn__scan_load_writes(&j.r->load, w->first[n], w->rows[n]);
    attn__scan_core_gain(j.kern, &j.kind, &c, w->x + n * t->side->step, w->f + n * dk16,
                         w->h + n * dk16, w->sum + n * dk16, j.r->scratch);
}

static void read_out(const struct step *t, int64_t worker, const struct attn__scan_window *w,
                     int64_t n)
{
    struct attn__scan_job j = job_of(t, worker);
    struct attn__ahead ahead = {.runs = 0};
    bool reverse = attn__scan_job_reverse(&j);
    int64_t dk16 = attn__scan_round16(j.kind.dk), i = w->first[n], m = w->rows[n];
    int64_t later = n + t->x->machine->threads;
    j.r->load.age = w->age[n];
    struct attn__scan_chunk c = attn__scan_load_chunk(&j.r->load, i, m, true);
    float *out = attn__scan_job_out(&j, i, reverse);
    c.out = out ? out : j.r->out;
    if (later < w->n) {
        attn__scan_ahead_tokens(&ahead, j.c, j.s, j.head, w->first[later], w->rows[later],
                                reverse);
        c.ahead = &ahead;
    }
    attn__scan_core_read(j.kern, &j.kind, &c, w->x + n * t->side->step, w->sum + n * dk16,
                         j.r->scratch);
    if (!out)
        attn__scan_job_store(&j, i, m, reverse, c.out, c.n * j.dv16);
}

static void read_and_gain(void *arg, int64_t worker)
{
    struct step *t = arg;
    for (;;) {
        int64_t n = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed);
        if (n < t->read->n)
            read_out(t, worker, t->read, n);
        else if (n < t->read->n + t->gain->n)
            gain(t, worker, t->gain, n - t->read->n);
        else
            return;
    }
}

/* Rows of S, and of z, through all chunks of a window. */
static void carry(void *arg, int64_t index)
{
    const struct step *t = arg;
    const struct attn__scan_job *j = t->job;
    const struct attn__scan_window *w = t->read;
    int64_t dk16 = attn__scan_round16(j->kind.dk), d = index * ROWS;
    j->kern->scan_carry(j->S + d * j->dv16, j->dv16, attn__min_i64(ROWS, j->kind.dk - d), j->dv16,
                        w->x + d * j->dv16, t->side->step, w->n, w->f + d, w->h + d, dk16,
                        w->fresh);
    for (int64_t c = d; c < d + ROWS && j->z; c++)
        for (int64_t n = 0; n < w->n; n++) {
            float old = w->fresh[n] ? 0 : j->z[c], x = w->sum[n * dk16 + c];
            w->sum[n * dk16 + c] = old;
            j->z[c] = w->f[n * dk16 + c] * old + w->h[n * dk16 + c] * x;
        }
}

/* The next chunks from token *i on. */
static void fill(const struct attn__scan_job *j, int64_t most, int64_t *i, int64_t *age,
                 struct attn__scan_window *w)
{
    for (w->n = 0; w->n < most && *i < j->s->nq; w->n++) {
        bool fresh;
        int64_t m = attn__scan_load_next(&j->r->load, *i, &fresh);
        *age = fresh ? 0 : *age;
        w->fresh[w->n] = fresh;
        w->first[w->n] = *i;
        w->rows[w->n] = m;
        w->age[w->n] = *age;
        *i += m;
        *age += m;
    }
}

static void run_state(struct step *t)
{
    const struct attn__scan_job *j = t->job;
    int64_t i = 0, age = j->r->load.age, threads = t->x->machine->threads;
    struct attn__scan_window none = {.n = 0}, *now = &none, *next = t->side->window;
    do {
        fill(j, t->side->most, &i, &age, next);
        t->read = now;
        t->gain = next;
        atomic_init(&t->next, 0);
        attn__threads_run(t->x->threads, attn__min_i64(threads, now->n + next->n), read_and_gain,
                          t);
        now = next;
        next = now == t->side->window ? now + 1 : t->side->window;
        t->read = now;
        if (now->n > 0)
            attn__threads_run(t->x->threads, (j->kind.dk + ROWS - 1) / ROWS, carry, t);
    } while (now->n > 0);
}

void attn__scan_side_run(const struct attn__exec *x, struct attn__scan_room *room,
                         struct attn__scan_side *side)
{
    const struct attn__call *c = x->call;
    int64_t hs = c->p->scan.hs, dv16 = attn__scan_round16(c->p->dv);
    for (int64_t n = 0; n < x->machine->threads; n++)
        side->begun[n] = -1;
    for (int64_t n = 0; n < c->n_seq; n++) {
        struct attn__seq s = attn__call_seq(c, n);
        if (!attn__exec_mine(x, &s))
            continue;
        for (int64_t head = 0; head < hs; head++) {
            struct attn__scan_job j = {
                .c = c, .s = &s, .r = room, .core = attn__scan_core_run,
                .kern = x->machine->kern, .head = head,
                .rows = attn__exec_choice(x, &s)->tiles.rows, .v_n = dv16, .dv16 = dv16,
                .stride = 1,
            };
            struct step t = {.x = x, .room = room, .side = side, .job = &j,
                             .number = n * hs + head};
            attn__scan_job_begin(&j);
            side->begun[0] = t.number;
            run_state(&t);
            for (int64_t r = 0; r < c->p->scan.readers; r++)
                attn__scan_pad(c, &s, head * c->p->scan.readers + r);
        }
    }
}
