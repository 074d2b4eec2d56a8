/* SPDX-License-Identifier: MIT */
/*
 * The values of the parameters of desc.h that are words in problem strings;
 * recurrence.h has those of the linear family. All are since 0.1.
 */
#ifndef ATTN_VALUES_H
#define ATTN_VALUES_H

/* Values of `align`. */
enum { ATTN_ALIGN_BOTTOM_RIGHT = 0, ATTN_ALIGN_TOP_LEFT = 1 };

/* Values of `moh_form`: how gates follow from the router: as in the published
 * code, as in the paper, or 1 and 0 by the norms of the queries. */
enum { ATTN_MOH_CODE = 0, ATTN_MOH_PAPER = 1, ATTN_MOH_LLAMA = 2 };

/* Values of `lists`: a query sees what its list and the rules (window,
 * sink_tokens, pieces that must hold) both show, or what one of them does. */
enum { ATTN_LISTS_AND = 0, ATTN_LISTS_OR = 1 };

/* Values of `select`, of mechanisms that select keys by content: whether they
 * attend to those, or write them to SELECTION_OUT and are done. */
enum { ATTN_SELECT_ATTEND = 0, ATTN_SELECT_ONLY = 1 };

/* Values of `moa_form`: the weights of a token's experts over their sum, or as
 * they are in the softmax over all. */
enum { ATTN_MOA_PAPER = 0, ATTN_MOA_CODE = 1 };
/* Values of `pooled_keys`, `pooled_score`, `pooled_reduce`, `pooled_open` and
 * `pooled_pick`: docs/mechanisms/pooled_select.md. */
enum {
    ATTN_POOLED_KEYS_MEAN = 0,
    ATTN_POOLED_KEYS_NORM = 1,
    ATTN_POOLED_KEYS_BOUNDS = 2,
    ATTN_POOLED_KEYS_STRIDES = 3,
    ATTN_POOLED_KEYS_GIVEN = 4,
    ATTN_POOLED_KEYS_WINDOWS = 5
};
enum {
    ATTN_POOLED_SCORE_DOT = 0,
    ATTN_POOLED_SCORE_PROB = 1,
    ATTN_POOLED_SCORE_REST = 2,
    ATTN_POOLED_SCORE_RELU = 3
};
enum {
    ATTN_POOLED_REDUCE_NONE = 0,
    ATTN_POOLED_REDUCE_MEAN = 1,
    ATTN_POOLED_REDUCE_SUM = 2,
    ATTN_POOLED_REDUCE_MAX = 3
};
enum {
    ATTN_POOLED_OPEN_ALL = 0,
    ATTN_POOLED_OPEN_STARTS = 1,
    ATTN_POOLED_OPEN_BEFORE = 2
};
enum {
    ATTN_POOLED_PICK_TOP = 0,
    ATTN_POOLED_PICK_COVER = 1,
    ATTN_POOLED_PICK_LEAST = 2
};

/* Values of `landmark_over`: blocks are chosen by the scores of each head and
 * query, or by the largest share of a landmark in any head or query. */
enum {
    ATTN_LANDMARK_OVER_NOTHING = 0,
    ATTN_LANDMARK_OVER_HEADS = 1,
    ATTN_LANDMARK_OVER_TOKENS = 2
};

/* Values of `minference_pattern`: columns and diagonals, or blocks. */
enum { ATTN_MINFERENCE_VERTICAL_SLASH = 0, ATTN_MINFERENCE_BLOCK_SPARSE = 1 };

/* Values of `compute`: what the factors of products may be rounded to. */
enum { ATTN_COMPUTE_F32 = 0, ATTN_COMPUTE_BF16 = 1, ATTN_COMPUTE_INT8 = 2 };
/* Values of `qk_norm`. */
enum {
    ATTN_QK_NORM_NONE = 0,
    ATTN_QK_NORM_RMS = 1,
    ATTN_QK_NORM_LAYER = 2,
    ATTN_QK_NORM_L2 = 3
};

/*
 * Values of `rope`. half: channel c turns with channel c + rope_dim/2 (GPT-
 * NeoX, Llama as Hugging Face stores it); interleaved: 2c with 2c + 1 (GPT-J,
 * Llama as Meta stores it, DeepSeek).
 */
enum { ATTN_ROPE_NONE = 0, ATTN_ROPE_HALF = 1, ATTN_ROPE_INTERLEAVED = 2 };

/* Values of `rope_scaling`. dynamic_ntk looks at the keys of each sequence. */
enum {
    ATTN_ROPE_SCALING_NONE = 0,
    ATTN_ROPE_SCALING_LINEAR = 1,
    ATTN_ROPE_SCALING_NTK = 2,
    ATTN_ROPE_SCALING_DYNAMIC_NTK = 3,
    ATTN_ROPE_SCALING_YARN = 4,
    ATTN_ROPE_SCALING_LLAMA3 = 5
};

/* Values of `rope_apply`. q: the keys at hand were turned before. */
enum { ATTN_ROPE_APPLY_QK = 0, ATTN_ROPE_APPLY_Q = 1, ATTN_ROPE_APPLY_K = 2 };

/*
 * Values of `normalizer`: how the scores s_j of a row become the weights p_j
 * of out = sum_j p_j v_j. Sums are over the visible keys; keys that are not
 * visible, and those whose score is -inf, have weight 0; a row of nothing
 * else gives 0. "keys" is the number of keys of the sequence that count,
 * `visible` how many of them the row sees. All are since 0.1.
 *
 * softmax    e^s / sum e^s. The only ones with sink logits are this and
 *            exp_n; with LSE this, exp_n and exp_sum.
 * exp_n      keys * softmax (TokenFormer, 2024)
 * exp_sum    e^s, not divided by anything
 * relu       max(0, s)^norm_power / n^norm_gamma, n by norm_count (Wortsman
 *            et al., 2023); it reads these parameters and no other does
 * sigmoid    1 / (1 + e^-(s + norm_bias)) (Ramapuram et al., 2024). A
 *            norm_bias that is not set is -ln(keys): set it where prefill
 *            and decode must agree
 * none       s
 * softplus   ln(1 + e^s) / sum (LSSA; Gao and Spratling, 2025)
 * taylor2    (1 + s + s^2/2) / sum (Arora et al., 2024)
 * gelu_l2    sqrt(keys) * gelu(s) / |gelu(s)|_2 (TokenFormer)
 * l2_gelu    gelu(sqrt(keys) * s / |s|_2) (TokenFormer)
 * lssar      b / sum b, b = max(0, visible * a - o)^norm_power with a the
 *            softplus weights, o = 0 in the rows at positions i + off below
 *            3, else 1 (Gao and Spratling, 2025)
 * sparsemax  max(0, s - t), t such that the sum is 1 (Martins and Astudillo,
 *            2016); needs a finite k
 * entmax     max(0, (a - 1) s - t)^(1/(a - 1)), a = norm_power, t such that
 *            the sum is 1 (Peters et al., 2019); needs a finite k
 */
enum {
    ATTN_NORMALIZER_SOFTMAX = 0,
    ATTN_NORMALIZER_EXP_N = 1,
    ATTN_NORMALIZER_EXP_SUM = 2,
    ATTN_NORMALIZER_RELU = 3,
    ATTN_NORMALIZER_SIGMOID = 4,
    ATTN_NORMALIZER_NONE = 5,
    ATTN_NORMALIZER_SOFTPLUS = 6,
    ATTN_NORMALIZER_TAYLOR2 = 7,
    ATTN_NORMALIZER_GELU_L2 = 8,
    ATTN_NORMALIZER_L2_GELU = 9,
    ATTN_NORMALIZER_LSSAR = 10,
    ATTN_NORMALIZER_SPARSEMAX = 11,
    ATTN_NORMALIZER_ENTMAX = 12
};

/* Values of `norm_count`: the n of relu. given: norm_n. */
enum {
    ATTN_NORM_COUNT_VISIBLE = 0,
    ATTN_NORM_COUNT_KEYS = 1,
    ATTN_NORM_COUNT_ONE = 2,
    ATTN_NORM_COUNT_GIVEN = 3
};

/* Values of `out_gate` and of `out_norm`. */
enum {
    ATTN_OUT_GATE_NONE = 0,
    ATTN_OUT_GATE_SIGMOID = 1,
    ATTN_OUT_GATE_MULTIPLY = 2
};
enum { ATTN_OUT_NORM_NONE = 0, ATTN_OUT_NORM_RMS = 1 };

/* Values of `multitab_mask`: tasks do not see other tasks, features do not see
 * tasks, or neither. */
enum { ATTN_MULTITAB_T_T = 0, ATTN_MULTITAB_F_T = 1, ATTN_MULTITAB_BOTH = 2 };
/* Values of `mla_form`: what is projected, queries or keys and values. */
enum { ATTN_MLA_ABSORBED = 0, ATTN_MLA_NAIVE = 1 };

/* Values of `blas`. never: no solver that calls BLAS. */
enum { ATTN_BLAS_AUTO = 0, ATTN_BLAS_NEVER = 1 };

/*
 * Values of `check`, each with those before it. shapes: types, shapes and
 * strides; indices: also lengths, offsets and lists; data: also that SINK_
 * LOGITS hold no NaN and no +inf.
 */
enum { ATTN_CHECK_SHAPES = 0, ATTN_CHECK_INDICES = 1, ATTN_CHECK_DATA = 2 };

/*
 * Values of `effort`. estimate: by a cost model, and by what the context has
 * as wisdom (wisdom.h). measure: what wisdom does not know is tried out on
 * made-up data of the plan's own memory, for about a second at most;
 * exhaustive: more candidates, longer runs, about twenty seconds. What was
 * found becomes wisdom of the context. Problems with callbacks are estimated.
 */
enum {
    ATTN_EFFORT_ESTIMATE = 0,
    ATTN_EFFORT_MEASURE = 1,
    ATTN_EFFORT_EXHAUSTIVE = 2
};

/*
 * Values of `invariant`: what leaves every bit of a row as it is, on one
 * machine, instruction set and build. batch: threads and the rest of the
 * batch. chunk: also how the sequence is fed: a row's result depends on the
 * data and positions of the keys it sees alone, so that a prefill, the same
 * in pieces and one token at a time agree (align=bottom_right, and nothing
 * that counts keys beyond a row's own, as logn with k_len does).
 */
enum { ATTN_INVARIANT_BATCH = 0, ATTN_INVARIANT_CHUNK = 1 };

/*
 * Values of `cache_keys`. rotated: keys are stored turned by their positions.
 * raw: plans turn them. block_local: as rotated, and plans with a view turn
 * their queries for each of the sequences that follow each other, as if those
 * stood one behind the other.
 */
enum {
    ATTN_CACHE_KEYS_ROTATED = 0,
    ATTN_CACHE_KEYS_RAW = 1,
    ATTN_CACHE_KEYS_BLOCK_LOCAL = 2
};

/* Of cache_summary. */
enum { ATTN_CACHE_SUMMARY_NONE = 0, ATTN_CACHE_SUMMARY_MINMAX = 1 };

/*
 * Values of `cache_scores`: what the weights that query rows give to a stored
 * token become, summed over the query heads of the group. sum: their sum.
 * last: those of the last row seen. count_low: how many were below 1 / the
 * number of tokens stored, where few are good. window_sum: the sum over the
 * last cache_score_rows rows of the last attn_cache_observe. last_max: of the
 * last row seen the largest of any head, in place of the sum.
 */
enum {
    ATTN_CACHE_SCORES_NONE = 0,
    ATTN_CACHE_SCORES_SUM = 1,
    ATTN_CACHE_SCORES_LAST = 2,
    ATTN_CACHE_SCORES_COUNT_LOW = 3,
    ATTN_CACHE_SCORES_WINDOW_SUM = 4,
    ATTN_CACHE_SCORES_LAST_MAX = 5
};

/* Values of `policy`; docs/mechanisms/ has a sheet for each. */
enum {
    ATTN_POLICY_NONE = 0,
    ATTN_POLICY_DUO_ATTENTION = 500,
    ATTN_POLICY_RAZOR_ATTENTION = 501,
    ATTN_POLICY_TASK_KV = 502,
    ATTN_POLICY_STREAMING_LLM = 503,
    ATTN_POLICY_MOA_CACHE = 504,
    ATTN_POLICY_H2O = 505,
    ATTN_POLICY_SNAPKV = 506,
    ATTN_POLICY_TOVA = 507,
    ATTN_POLICY_SCISSORHANDS = 508,
    ATTN_POLICY_RECYCLED_ATTENTION = 509,
    ATTN_POLICY_HOGWILD = 510,
    ATTN_POLICY_KIVI = 511
};

/* Bits of `want`: further outputs that execute may be asked for. */
enum {
    ATTN_WANT_PROBS = 1,         /* the weights p */
    ATTN_WANT_SCORES_RAW = 2,    /* scale * q.k */
    ATTN_WANT_SCORES_CAPPED = 4, /* after softcap */
    ATTN_WANT_SCORES_BIASED = 8, /* final ones; -inf where not visible */
    ATTN_WANT_COLSUM = 16,       /* sum over queries of the weights */
    ATTN_WANT_ROWMAX = 32,       /* the largest visible score of each row */
    ATTN_WANT_ENTROPY = 64,      /* -sum p ln p of each row, in nats; where
                                  * the weights sum to 1 */
    ATTN_WANT_ARGMAX = 128,      /* the key of each row's largest score */
    ATTN_WANT_CLASSMASS = 256,   /* sums of weights by class of the key, for
                                  * the first mass_classes classes */
    ATTN_WANT_COUNTS = 512,      /* how much of the work was done */
    ATTN_WANT_AUX_LOSS = 1024,   /* balance loss of a router inside the plan */
    ATTN_WANT_SKIP_BOUND = 2048  /* at most how much of each row's mass the
                                  * keys have that its lists leave out */
};

/* Values of `logn_count`: the n in a row's factor made of ln n. */
enum {
    ATTN_LOGN_COUNT_POSITION = 0, /* i + off + 1, so a step equals prefill */
    ATTN_LOGN_COUNT_KEYS = 1      /* k_len */
};

#endif /* ATTN_VALUES_H */
