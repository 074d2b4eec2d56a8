/* SPDX-License-Identifier: MIT */
/*
 * Picks. The best k come from the k-th largest score and one pass in the order
 * of the blocks, so that ties fall to the lower ones without sorting anything;
 * a cover takes blocks from a heap, as it seldom needs many.
 */
#include "solvers/select_pick.h"

#include <math.h>

/* Numbers of x above y, and those that are y. */
static void count(const double *x, int64_t n, double y, int64_t *above, int64_t *equal)
{
    int64_t more = 0, same = 0;
    for (int64_t i = 0; i < n; i++) {
        more += x[i] > y;
        same += x[i] == y;
    }
    *above = more;
    *equal = same;
}

enum { PARTS = 256, WORTH_PARTS = 64 };

/* Four chains: a comparison takes as long as four of them begin. */
static void find_range(const double *x, int64_t n, double *least, double *most)
{
    double lo[4], hi[4];
    int64_t i = 0;
    for (int c = 0; c < 4; c++)
        lo[c] = hi[c] = x[0];
    for (; i + 4 <= n; i += 4)
        for (int c = 0; c < 4; c++) {
            lo[c] = x[i + c] < lo[c] ? x[i + c] : lo[c];
            hi[c] = x[i + c] > hi[c] ? x[i + c] : hi[c];
        }
    for (; i < n; i++) {
        lo[0] = x[i] < lo[0] ? x[i] : lo[0];
        hi[0] = x[i] > hi[0] ? x[i] : hi[0];
    }
    *least = fmin(fmin(lo[0], lo[1]), fmin(lo[2], lo[3]));
    *most = fmax(fmax(hi[0], hi[1]), fmax(hi[2], hi[3]));
}

/*
 * Of equal parts of the range of x that which has the k-th largest is kept; returns how
 * many numbers it has. k is then counted among them, the larger ones go to *larger. All
 * stay where the range has no parts. Rounding keeps the order of numbers and so of parts.
 */
static int64_t keep_part(double *x, int64_t n, int64_t *k, int64_t *larger)
{
    int64_t size[PARTS + 1] = {0}, part = PARTS, above = 0, kept = 0;
    double least, most;
    find_range(x, n, &least, &most);
    double parts = PARTS / (most - least);
    if (!(parts > 0 && parts < INFINITY))
        return n;
    for (int64_t i = 0; i < n; i++)
        size[(int32_t)((x[i] - least) * parts)]++;
    while (above + size[part] < *k)
        above += size[part--];
    for (int64_t i = 0; i < n; i++) {
        double y = x[i];
        x[kept] = y;
        kept += (int32_t)((y - least) * parts) == part;
    }
    *k -= above;
    *larger += above;
    return kept;
}

/*
 * The k-th largest of x, 1 <= k <= n, and how many are larger; x is lost. Pivots
 * come from a sequence of numbers that no data can foresee, so that time grows with
 * n whatever x is. Nothing branches on a single number: what is on the right side
 * of a pivot is written over what was there, and what is not is written over next.
 * Most often few numbers are left after they have been sorted by parts of their range.
 */
static double kth_largest(double *x, int64_t n, int64_t k, int64_t *larger)
{
    uint64_t turn = (uint64_t)n;
    *larger = 0;
    if (n >= WORTH_PARTS)
        n = keep_part(x, n, &k, larger);
    for (;;) {
        turn = turn * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        double pivot = x[(int64_t)((turn >> 33) % (uint64_t)n)];
        int64_t above, equal, kept = 0;
        count(x, n, pivot, &above, &equal);
        if (k > above && k <= above + equal) {
            *larger += above;
            return pivot;
        }
        bool up = k <= above;
        for (int64_t i = 0; i < n; i++) {
            double y = x[i];
            x[kept] = y;
            kept += up ? y > pivot : y < pivot;
        }
        if (!up) {
            *larger += above + equal;
            k -= above + equal;
        }
        n = kept;
    }
}

static inline bool is_open(const double *score, const uint8_t *state, int64_t j)
{
    return (state[j] == ATTN__PICK_MAY) & (score[j] > -INFINITY);
}

/* `left` more of those that may be taken. */
static void pick_top(int64_t left, const double *score, uint8_t *state, int64_t n, double *room)
{
    int64_t open = 0, larger = 0;
    for (int64_t j = 0; j < n; j++) {
        room[open] = score[j];
        open += is_open(score, state, j);
    }
    double least = left > 0 ? -INFINITY : INFINITY;
    if (left > 0 && left < open)
        least = kth_largest(room, open, left, &larger);
    int64_t equal = left - larger;
    for (int64_t j = 0; j < n; j++) {
        bool may = state[j] == ATTN__PICK_MAY, open_too = is_open(score, state, j);
        bool tie = open_too & (score[j] == least);
        bool in = (open_too & (score[j] > least)) | (tie & (equal > 0));
        equal -= tie;
        state[j] = may ? (in ? ATTN__PICK_IN : ATTN__PICK_OUT) : state[j];
    }
}

/* ---- a heap of blocks, the best on top; numbers of blocks as doubles ---- */

static bool is_better(const double *score, double a, double b)
{
    double x = score[(int64_t)a], y = score[(int64_t)b];
    return x > y || (x == y && a < b);
}

static void sink(const double *score, double *heap, int64_t n, int64_t at)
{
    double moved = heap[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && is_better(score, heap[child + 1], heap[child]))
            child++;
        if (!is_better(score, heap[child], moved))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void make_heap(const double *score, double *heap, int64_t n)
{
    for (int64_t at = n / 2 - 1; at >= 0; at--)
        sink(score, heap, n, at);
}

/* Takes the best one off. */
static int64_t pop(const double *score, double *heap, int64_t *n)
{
    int64_t best = (int64_t)heap[0];
    heap[0] = heap[--*n];
    if (*n > 0)
        sink(score, heap, *n, 0);
    return best;
}

static void pick_cover(double share, const double *score, uint8_t *state, int64_t n, double *heap)
{
    double all = 0, kept = 0;
    int64_t open = 0;
    for (int64_t j = 0; j < n; j++) {
        if (state[j] == ATTN__PICK_OUT || score[j] == -INFINITY)
            continue;
        all += score[j];
        if (state[j] == ATTN__PICK_IN)
            kept += score[j];
        else
            heap[open++] = (double)j;
    }
    make_heap(score, heap, open);
    while (open > 0 && kept < share * all) {
        int64_t j = pop(score, heap, &open);
        state[j] = ATTN__PICK_IN;
        kept += score[j];
    }
}

int64_t attn__pick_within(const double *score, int64_t n, double mass, double *room,
                          uint8_t *taken)
{
    int64_t left = n, count = 0;
    double sum = 0;
    for (int64_t j = 0; j < n; j++)
        room[j] = (double)j;
    make_heap(score, room, n);
    while (left > 0) {
        int64_t j = pop(score, room, &left);
        sum += score[j];
        if (sum > mass)
            break;
        if (taken)
            taken[j] = 1;
        count++;
    }
    return count;
}

bool attn__pick_row(const struct attn__pick *p, const double *score, uint8_t *state, int64_t n,
                    double *room)
{
    int64_t in = 0, bad = 0;
    for (int64_t j = 0; j < n; j++) {
        bool counts = (state[j] == ATTN__PICK_MAY) |
                      ((state[j] == ATTN__PICK_IN) & (p->rule == ATTN__PICK_COVER));
        in += state[j] == ATTN__PICK_IN;
        bad += (isnan(score[j]) != 0) & counts;
    }
    if (bad > 0)
        return false;
    switch (p->rule) {
    case ATTN__PICK_TOP:
        pick_top(p->top - in, score, state, n, room);
        return true;
    case ATTN__PICK_COVER:
        pick_cover(p->mass, score, state, n, room);
        break;
    case ATTN__PICK_LEAST:
        for (int64_t j = 0; j < n; j++)
            if (is_open(score, state, j) && score[j] >= p->mass)
                state[j] = ATTN__PICK_IN;
        break;
    }
    for (int64_t j = 0; j < n; j++)
        if (state[j] == ATTN__PICK_MAY)
            state[j] = ATTN__PICK_OUT;
    return true;
}
