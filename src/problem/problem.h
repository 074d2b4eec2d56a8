/* SPDX-License-Identifier: MIT */
/*
 * What is to be computed, in one canonical struct: every default filled in,
 * every list resolved. A mechanism file writes it, planner and solvers read
 * it; nothing below the planner sees a descriptor.
 */
#ifndef ATTN_PROBLEM_PROBLEM_H
#define ATTN_PROBLEM_PROBLEM_H

#include <stdbool.h>

#include <attn/desc.h>
#include <attn/pieces.h>

#include "base/memory.h"
#include "problem/pooled_spec.h"
#include "problem/roles.h"
#include "problem/rope.h"
#include "problem/scan_spec.h"
#include "problem/score_spec.h"

/* The execution kinds that solvers serve. */
enum { ATTN__VERB_ATTEND = 1, ATTN__VERB_SCAN = 2 };

/*
 * Static visibility is a short list of pieces, see <attn/pieces.h>: a pair is
 * visible if every MUST piece shows it and, where there are ANY pieces, at
 * least one of them does. Lengths, segments and masks come on top.
 */
struct attn__piece {
    int32_t kind; /* ATTN_PIECE_* */
    bool any;
    bool given;           /* its values come at execute */
    int32_t n;            /* values of one head */
    int64_t v[4];         /* they, where all heads share them */
    const int64_t *heads; /* [hout][n], or NULL */
    const int64_t *see;   /* PAIR: [n] */
};

/* Those of a descriptor; causal, window and sink_tokens; lists. */
enum { ATTN__MAX_PIECES = ATTN_PIECES_MAX + 4 };

/* Kind of the piece that the lists of role SELECTION are, besides ATTN_PIECE_*. */
enum { ATTN__PIECE_ROWS = 100 };

/* Does the piece show what lists say? */
static inline bool attn__problem_is_list(const struct attn__piece *e)
{
    return e->kind == ATTN_PIECE_LIST || e->kind == ATTN__PIECE_ROWS;
}

struct attn__select_spec {
    int32_t layout; /* ATTN_SELECTION_* of role SELECTION; 0: there is none */
    bool logits;    /* its entries may have logits */
    bool only;      /* no attention: what is selected goes to SELECTION_OUT */
    int64_t groups; /* with that: groups of a head; 0: it is rows */
};

/* An extent that shapes of roles name besides the sizes below. */
struct attn__extent {
    const char *name; /* letters; static */
    int64_t value;
};

enum { ATTN__MAX_EXTENTS = 12 };

struct attn__qk_norm {
    int32_t kind; /* ATTN_QK_NORM_* */
    double eps;
    bool weight, bias, plus_one;
};

/* What happens to finished rows, see solvers/epilogue.h. */
struct attn__epilogue {
    bool any;
    bool norm, norm_weight; /* RMS */
    double eps, scale;
    int32_t gate; /* ATTN_OUT_GATE_* */
    bool head_mix, head_factor, head_gate;
};

struct attn__recipe; /* problem/recipe.h */
struct attn__call;   /* problem/call.h */

/* How scores become weights; the meaning of the numbers is in desc.h. */
struct attn__norm {
    int32_t kind;  /* ATTN_NORMALIZER_* */
    int32_t count; /* ATTN_NORM_COUNT_* */
    double power, n, gamma;
    double bias; /* NAN: minus the logarithm of the number of keys */
};

/* The cache whose views come with VIEW. */
struct attn__view_spec {
    bool is; /* instead of K and V */
    bool raw, local; /* cache_keys */
    bool v_prefix;
    bool observe; /* weights go to the scores of its tokens */
    bool causal;
    bool own_pieces; /* besides causal: the plan hides keys, as the cache may */
    bool selects;    /* and chooses them itself */
    /* Scores or factors hang on the numbers of rows and keys, which are no places in a step that
     * branches. */
    bool by_number;
    int64_t page;
    int64_t d, dv; /* of its rows */
    /* [hk] each */
    const int64_t *group, *k_dtype, *v_dtype;
};

struct attn__problem {
    int32_t mech;
    int32_t verb;
    /* NULL: one ATTEND, told by all that follows. Else several stages; of
     * what follows roles, extents, sizes, types and `how` count. */
    const struct attn__recipe *recipe;
    /* What a mechanism checks of an execute besides types and shapes; NULL:
     * nothing. */
    int32_t (*check_call)(const struct attn__call *c);

    uint8_t takes[ATTN__ROLE_COUNT]; /* enum attn__takes of each role */
    const char *shape[ATTN__ROLE_COUNT]; /* instead of roles.def's; NULL: that */
    int32_t n_extents;
    struct attn__extent extent[ATTN__MAX_EXTENTS];

    /* Maxima; k may be ATTN_UNBOUNDED. hout: heads of the output. */
    int64_t b, hq, hk, hv, hout, q, k, d, dv;
    bool packed;
    struct attn__view_spec view;
    int32_t dtype, kv_dtype, compute;

    /* For each output head the head it reads of Q, K and V: [hout]. */
    const int64_t *q_head, *k_head, *v_head;
    /* Runs of output heads that share their K and V head, so that a solver
     * can read those once: run g is heads group[g] to group[g + 1] - 1. */
    int64_t n_groups;
    int64_t max_group;
    bool even_groups; /* all of them are of that length */
    const int64_t *group;

    /* Rows of Q and K before their product: normalised, then turned. */
    struct attn__qk_norm qk_norm;
    struct attn__rope rope;
    struct attn__epilogue epilogue;

    int32_t align;
    int32_t n_pieces;
    struct attn__piece piece[ATTN__MAX_PIECES];
    /* Each piece is one run of keys per query, the same for all heads, that
     * never moves left as the query grows or is there for some queries. */
    bool plain_pieces;
    bool positions;
    attn_mask_fn mask_fn; /* NULL: none */
    bool segments, mask;

    struct attn__select_spec select;
    struct attn__pooled_spec pooled; /* how a recipe selects */

    double scale;
    double softcap;       /* 0: none */
    const double *slopes; /* ALiBi, [hout]; NULL: none */
    bool bias, sink_logits;
    struct attn__score_spec score;
    struct attn__norm norm;
    struct attn__scan_spec scan; /* of SCAN, which has no scores */

    int32_t want;
    int64_t mass_classes; /* of classmass; 0: not wanted */

    const char *solver; /* forced by name; NULL: the planner chooses */
    int32_t blas;
    int32_t check;
    int32_t effort; /* nothing that changes results hangs on it but through wisdom */
    int32_t invariant;
    int64_t executors;

    /* The canonical problem string, for describe and logs. */
    const char *text;

    /* Of the mechanism alone: numbers, and a byte and a number an output head. */
    double own[4];
    uint8_t *own_heads;
    double *own_values;

    /* The arrays and texts above live in this block. */
    void *block;
    size_t block_bytes;
};

/* Keys of a query where they come together, as in most of SCAN; else 0. */
static inline int64_t attn__problem_tied(const struct attn__problem *p)
{
    return p->verb == ATTN__VERB_SCAN ? p->scan.steps : 0;
}

void attn__problem_free(struct attn__problem *p, const struct attn__mem *mem);

/* Element type of LSE and the other per-row and per-pair outputs. */
static inline int32_t attn__problem_row_dtype(const struct attn__problem *p)
{
    return p->dtype == ATTN_DTYPE_F64 ? ATTN_DTYPE_F64 : ATTN_DTYPE_F32;
}

/*
 * Solvers are chosen once per class of (q_len, k_len), so that what runs a
 * sequence depends on that sequence alone. `rep` is the size a class is
 * priced at.
 */
enum { ATTN__Q_CLASSES = 8, ATTN__K_CLASSES = 5 };

int32_t attn__problem_q_class(int64_t q);
int32_t attn__problem_k_class(int64_t k);
int64_t attn__problem_q_rep(int32_t q_class);
int64_t attn__problem_k_rep(int32_t k_class);
/* Largest length in the class; INT64_MAX for the last. */
int64_t attn__problem_q_top(int32_t q_class);
int64_t attn__problem_k_top(int32_t k_class);

#endif /* ATTN_PROBLEM_PROBLEM_H */
