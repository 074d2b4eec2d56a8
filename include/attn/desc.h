/* SPDX-License-Identifier: MIT */
/*
 * attn_desc: what to compute. A mechanism id and a set of numbered
 * parameters; the same thing can be said as one line of text, the problem
 * string:
 *
 *     softmax b=1 h=32/8 q=2048 k=inf d=128 causal window=1023,0 dtype=bf16
 *
 * Notation below: B batch, H heads, N tokens, D head width; i a query, j a
 * key; off = k_len - q_len of the sequence (align=bottom_right) or 0
 * (top_left). A score is
 *
 *     s = cap(scale * r * q.k) + bias + ...    over the visible keys,
 *     out = sum_j softmax(s)_j v_j,            lse = ln sum_j exp(s_j)
 *
 * with cap(x) = softcap * tanh(x / softcap), r the row's factor (1 unless
 * head_scale, row_scale, logn_train or ssmax is set), and sink logits adding
 * to the sum without a value; `normalizer` puts something else in softmax's
 * place. docs/mechanisms/scores.md has all that may be added: ALiBi, tables by
 * distance (i + off - j), T5 buckets, windows, grids, products of the query
 * with a table, terms by class of the key. A key is visible if
 *
 *     len & segment & mask & ((causal & (window | sink_tokens)) | prefix);
 *
 * a row that sees no key gives out = 0 and lse = -inf (or of the sinks).
 */
#ifndef ATTN_DESC_H
#define ATTN_DESC_H

#include <attn/context.h>
#include <attn/mech_params.h>
#include <attn/mechs.h>
#include <attn/recurrence.h>
#include <attn/tensor.h>
#include <attn/values.h>

typedef struct attn_desc attn_desc;

/*
 * Parameters. All are since 0.1 and read by `softmax`. "Key" is the word in
 * the problem string; a bool is set by its bare key. Lists are written
 * [1,2,3], sets comma-joined. Nothing is required but the sizes.
 *
 * | no. | key             | type   | values            | unset means        |
 * |-----|-----------------|--------|-------------------|--------------------|
 * | 100 | b               | i64    | 1..               | 1                  |
 * | 101 | h=HQ            | i64    | 1..65536          | needed             |
 * | 102 | h=HQ/HK         | i64    | 1..65536          | HQ                 |
 * | 103 | h=HQ/HK/HV      | i64    | 1..65536          | HK                 |
 * | 104 | q (n: q and k)  | i64    | 0..               | needed             |
 * | 105 | k               | i64    | 0.. or inf        | needed             |
 * | 106 | d=D             | i64    | 1..65536          | needed             |
 * | 107 | d=D/DV          | i64    | 1..65536          | D                  |
 * | 108 | packed          | bool   |                   | 0                  |
 * | 109 | view            | bool   | VIEW and LAYER    | 0                  |
 * | 110 | q_head          | i64s   | 0..HQ-1 each      | identity           |
 * | 111 | k_head          | i64s   | 0..HK-1 each      | h / (Hout/HK)      |
 * | 112 | v_head          | i64s   | 0..HV-1 each      | h / (Hout/HV)      |
 * | 113 | kv_head         | i64s   | sets 111 and 112  | -                  |
 * | 200 | causal          | bool   |                   | 0                  |
 * | 201 | align           | enum   | bottom_right,     | bottom_right       |
 * |     |                 |        | top_left          |                    |
 * | 202 | window=L,R      | i64    | any or inf        | inf                |
 * | 203 | window=L,R      | i64    | any or inf        | inf                |
 * | 204 | sink_tokens     | i64    | 0..               | 0                  |
 * | 205 | prefix          | i64    | 0..               | 0                  |
 * | 206 | segments        | bool   | SEG_Q and SEG_K   | 0                  |
 * | 207 | mask            | bool   | MASK              | 0                  |
 * | 210 | positions       | bool   | POS_Q and POS_K   | 0                  |
 * | 300 | scale           | f64    | finite            | 1/sqrt(D)          |
 * | 301 | softcap         | f64    | > 0               | none               |
 * | 302 | bias            | bool   | BIAS              | 0                  |
 * | 303 | alibi           | bool   |                   | 0                  |
 * | 304 | alibi_slopes    | f64s   | one per out head  | the paper's        |
 * | 305 | sink_logits     | bool   | SINK_LOGITS       | 0                  |
 * | 310 | normalizer      | enum   | softmax exp_n     | softmax            |
 * |     |                 |        | exp_sum relu      |                    |
 * |     |                 |        | sigmoid none      |                    |
 * |     |                 |        | softplus taylor2  |                    |
 * |     |                 |        | gelu_l2 l2_gelu   |                    |
 * |     |                 |        | lssar sparsemax   |                    |
 * |     |                 |        | entmax            |                    |
 * | 311 | norm_power      | f64    | > 0; entmax: > 1  | 1; lssar 15,       |
 * |     |                 |        |                   | entmax 1.5         |
 * | 312 | norm_bias       | f64    | finite            | -ln(keys)          |
 * | 313 | norm_count      | enum   | visible keys one  | visible            |
 * |     |                 |        | given             |                    |
 * | 314 | norm_n          | f64    | > 0               | needed with given  |
 * | 315 | norm_gamma      | f64    | finite            | 1                  |
 * | 320 | head_scale      | f64s   | one per out head  | 1                  |
 * | 321 | row_scale       | bool   | ROW_SCALE         | 0                  |
 * | 322 | logn_train      | f64    | > 1               | none               |
 * | 323 | ssmax           | bool   |                   | 0                  |
 * | 324 | logn_count      | enum   | position keys     | position           |
 * | 325 | bias_table      | bool   | BIAS_TABLE        | 0                  |
 * | 326 | table_zero      | i64    | 0..               | half its entries   |
 * | 327 | t5_buckets      | i64    | 2..65536          | none               |
 * | 328 | t5_max_distance | i64    | 2..65536          | 128                |
 * | 329 | t5_bidirectional| bool   |                   | 0                  |
 * | 330 | grid_w          | i64    | 1..               | none               |
 * | 331 | swin_h          | i64    | 1..1024           | none               |
 * | 332 | swin_w          | i64    | 1..1024           | none               |
 * | 333 | query_table_zero| i64    | 0..               | half its rows      |
 * | 334 | query_table     | bool   | QUERY_TABLE       | 0                  |
 * | 335 | q_bias_content  | bool   | Q_BIAS_CONTENT    | 0                  |
 * | 336 | q_bias_table    | bool   | Q_BIAS_TABLE      | 0                  |
 * | 337 | query_table_bias| bool   | QUERY_TABLE_BIAS  | 0                  |
 * | 338 | class_terms     | i64    | 1..64 classes     | none               |
 * | 339 | class_rows      | i64    | 0..               | all rows           |
 * | 340 | qk_norm         | enum   | none rms layer l2 | none               |
 * | 341 | qk_norm_eps     | f64    | >= 0              | 1e-6, l2: 1e-12    |
 * | 342 | qk_norm_weight  | bool   | Q_NORM_W K_NORM_W | 0                  |
 * | 343 | qk_norm_bias    | bool   | Q_NORM_B K_NORM_B | 0                  |
 * | 344 | qk_norm_plus_one| bool   |                   | 0                  |
 * | 350 | rope            | enum   | none half         | none               |
 * |     |                 |        | interleaved       |                    |
 * | 351 | rope_dim        | i64    | even, 2..D        | D                  |
 * | 352 | rope_base       | f64    | > 0               | 10000              |
 * | 353 | rope_scaling    | enum   | none linear ntk   | none               |
 * |     |                 |        | dynamic_ntk yarn  |                    |
 * |     |                 |        | llama3            |                    |
 * | 354 | rope_factor     | f64    | > 0               | needed to scale    |
 * | 355 | rope_original   | i64    | 1..               | llama3: 8192       |
 * | 356 | rope_beta_fast  | f64    | > 0               | 32                 |
 * | 357 | rope_beta_slow  | f64    | > 0               | 1                  |
 * | 358 | rope_truncate   | bool   |                   | 1                  |
 * | 359 | rope_low        | f64    | > 0               | 1                  |
 * | 360 | rope_high       | f64    | > rope_low        | 4                  |
 * | 361 | rope_apply      | enum   | qk q k            | qk                 |
 * | 362 | rope_attention  | f64    | finite            | YaRN's, else 1     |
 * | 363 | rope_mscale     | f64    | finite            | none               |
 * | 364 | rope_freqs      | f64s   | one per pair      | base and scaling   |
 * | 365 | rope_positions  | bool   | ROPE_POS_Q, _K    | 0                  |
 * | 370 | out_gate        | enum   | none sigmoid      | none               |
 * |     |                 |        | multiply          |                    |
 * | 371 | head_factor     | bool   | HEAD_FACTOR       | 0                  |
 * | 372 | head_mix        | bool   | MIX_TARGET _ALPHA | 0                  |
 * | 373 | out_norm        | enum   | none rms          | none               |
 * | 374 | out_norm_eps    | f64    | >= 0              | 1e-6               |
 * | 375 | out_norm_weight | bool   | OUT_NORM_W        | 0                  |
 * | 376 | out_scale       | f64    | finite            | 1                  |
 * | 377 | head_gate       | bool   | GATE              | 0                  |
 * | 380 | select          | enum   | attend only       | attend             |
 * | 385 | observe         | bool   | view.h; with view | 0                  |
 * | 390 | feature_max     | enum   | none rows all     | none               |
 * | 391 | feature_key_max | f64    | finite            | 0                  |
 * | 400 | dtype           | enum   | f32 f64 f16 bf16  | f32                |
 * | 401 | kv_dtype        | enum   | f32 f64 f16 bf16; | dtype              |
 * |     |                 |        | cache: fp8_e4m3   |                    |
 * |     |                 |        | fp8_e5m2 q8_0     |                    |
 * |     |                 |        | q4_0 kivi4 kivi2, |                    |
 * |     |                 |        | no f64            |                    |
 * | 402 | compute         | enum   | f32 bf16 int8     | f32                |
 * | 500 | want            | set    | probs scores_raw  | nothing            |
 * |     |                 |        | scores_capped     |                    |
 * |     |                 |        | scores_biased     |                    |
 * |     |                 |        | colsum rowmax     |                    |
 * |     |                 |        | entropy argmax    |                    |
 * |     |                 |        | classmass counts  |                    |
 * |     |                 |        | aux_loss          |                    |
 * |     |                 |        | skip_bound        |                    |
 * | 501 | mass_classes    | i64    | 1..256 classes    | none, or needed    |
 * |     |                 |        |                   | for classmass      |
 * | 600 | solver          | text   | a solver's name   | the cheapest       |
 * | 601 | blas            | enum   | auto never        | auto               |
 * | 602 | executors       | i64    | 0..1024           | 1                  |
 * | 603 | check           | enum   | shapes indices    | indices            |
 * |     |                 |        | data              |                    |
 * | 604 | effort          | enum   | estimate measure  | estimate           |
 * |     |                 |        | exhaustive        |                    |
 * | 605 | invariant       | enum   | batch chunk       | batch              |
 * | 700 | decay           | enum   | none head token   | none               |
 * |     |                 |        | channel           |                    |
 * | 701 | update          | enum   | add delta writer  | add                |
 * |     |                 |        | general comba     |                    |
 * |     |                 |        | gdn2 rwkv7        |                    |
 * | 702 | erase_reads     | enum   | decayed previous  | decayed            |
 * | 703 | read            | enum   | after before      | after              |
 * | 704 | bonus           | bool   | BONUS             | 0                  |
 * | 705 | state_norm      | enum   | none sum max      | none               |
 * | 706 | state_norm_eps  | f64    | >= 0              | 1e-6               |
 * | 707 | direction       | enum   | forward reverse   | forward            |
 * |     |                 |        | full symmetric    |                    |
 * | 708 | feature_map     | enum   | see below         | identity           |
 * | 709 | feature_dim     | i64    | 1..65536          | D                  |
 * | 710 | feature_eps     | f64    | >= 0              | see below          |
 * | 711 | feature_bias    | bool   | FEATURE_BQ, _BK   | 0                  |
 * | 712 | reset           | bool   | RESET             | 0                  |
 * | 713 | gate            | enum   | see below         | log                |
 * | 714 | gate_divisor    | f64    | > 0               | 16                 |
 * | 715 | gate_min        | f64    | finite            | none; safe: -5     |
 * | 716 | gate_max        | f64    | finite            | none               |
 * | 717 | gate_bias       | bool   | GATE_BIAS         | 0                  |
 * | 718 | l2norm          | bool   |                   | 0                  |
 * | 719 | l2norm_eps      | f64    | >= 0              | 1e-6               |
 * | 720 | state_heads     | i64    | 1..65536          | max(HK, HV)        |
 * | 721 | max_position    | i64    | 1..               | max(q, k)          |
 * | 722 | delta_steps     | i64    | 1..64             | 1                  |
 * | 723 | skip            | bool   | SKIP              | 0                  |
 *
 * 700 to 723 are read by the linear family (mechanisms 199 to 219) alone,
 * which in turn refuses all it does not read; recurrence.h has the values.
 *
 * Of `cache` alone (cache.h):
 *
 * | no. | key                | type | values            | unset means     |
 * |-----|--------------------|------|-------------------|-----------------|
 * | 900 | cache_layers       | i64  | 1..65536          | needed          |
 * | 901 | cache_owner        | i64s | a layer for each  | each its own    |
 * | 902 | cache_page         | i64  | 8..1024, 2^n      | 64              |
 * | 903 | cache_pages        | i64  | 1..2^31-1         | needed          |
 * | 904 | cache_sequences    | i64  | 1..2^24           | 64              |
 * | 905 | cache_group        | i64s | one per KV head   | 0               |
 * | 906 | cache_k_dtype      | i64s | ATTN_DTYPE_* by   | kv_dtype        |
 * |     |                    |      | group             |                 |
 * | 907 | cache_v_dtype      | i64s | the same          | kv_dtype        |
 * | 908 | cache_window       | i64s | 1.. or inf        | inf             |
 * | 909 | cache_sink         | i64s | 0..2^40           | 0               |
 * | 910 | cache_slack        | i64s | 0..2^40           | 0               |
 * | 911 | cache_fold         | i64s | 0 or 1            | 0               |
 * | 912 | cache_keys         | enum | rotated raw       | rotated         |
 * |     |                    |      | block_local       |                 |
 * | 913 | cache_max_position | i64  | 1..2^40           | 2^31-1          |
 * | 914 | cache_k_scale      | f64s | > 0, see cache.h  | 1               |
 * | 915 | cache_v_scale      | f64s | the same          | 1               |
 * | 916 | cache_scores       | i64s | ATTN_CACHE_       | 0               |
 * |     |                    |      | SCORES_* by group |                 |
 * | 917 | cache_score_rows   | i64  | 1..2^40           | needed for      |
 * |     |                    |      |                   | window_sum      |
 * | 918 | policy             | enum | docs/mechanisms   | none            |
 * | 919 | cache_v_prefix     | bool |                   | 0               |
 * | 920 | cache_summary      | enum | none minmax       | none            |
 * | 921 | cache_residual     | i64  | 0..2^20, a        | 0               |
 * |     |                    |      | multiple of 32    |                 |
 *
 * From 10100 on: of one mechanism each, mech_params.h.
 *
 * b, q and k are maxima: every execute may have fewer. With k=inf the
 * workspace does not grow with k and nothing of the size of the scores is
 * kept. `packed`: sequences lie end to end in tensors with B = 1; b is then
 * the most sequences, q and k the longest. Causal lets query i see keys
 * j <= i + off; window=L,R those with -L <= j - (i + off) <= R besides
 * (negative numbers are legal: R = -1 is strictly past); sink_tokens keeps
 * the first keys in view behind a window; prefix shows the first keys to
 * every row. Heads: Hout is the length of q_head, else HQ; where Hout/HK or
 * Hout/HV is not whole a map is needed. ALiBi (Press et al., 2021) adds
 * -slope[h] * |i + off - j|. Sink logits as in gpt-oss (2025), softcap as in
 * Gemma 2 (2024). head_scale[h] multiplies the scores of a head; logn_train=L
 * those of a row by max(1, ln n / ln L) (Chiang and Cholak, 2022; Su, 2021),
 * ssmax by ln n (Nakanishi, 2025), with n = i + off + 1, at least 1, or k_len
 * with logn_count=keys. f64 is for all tensors or for none.
 * compute=bf16 allows solvers to round queries and softmax weights to bf16
 * where the processor multiplies that faster and K and V are bf16 (relative
 * RMS error of OUT up to 2^-8 * (1 + max|logit|/4)); sums stay f32, and
 * elsewhere it changes nothing. compute=int8, with a view whose keys are all
 * q8_0 or q4_0 (else ATTN_ERR_UNSUPPORTED), allows solvers to round queries
 * that are ready for the product with keys to multiples of max|q|/127 by
 * blocks of 32 channels, so that a logit is off by at most scale/254 * the sum
 * over blocks of max|q| * sum|k|, and weights for values of these types to
 * multiples of the largest / 32600 by blocks of 128 keys, each weight times
 * the factor that the value has in 32 channels, so that OUT is off by 1/500
 * of the largest |v| there at most; sums are exact in such a block, all
 * others stay f32.
 *
 * Rows of Q and K are first normalised (qk_norm: each row of D channels by
 * itself, rms x / sqrt(mean x^2 + eps), layer also less its mean, l2
 * x / max(|x|, eps); then times weight, plus bias), then turned by their
 * positions (rope: Su et al., RoFormer, 2021), then multiplied. Query i is at
 * position i + off and key j at j, or at POS_Q and POS_K with positions,
 * or at ROPE_POS_Q and ROPE_POS_K with rope_positions; docs/mechanisms/
 * rope.md has the scalings.
 *
 * Finished rows of OUT, in this order: out_norm x / sqrt(mean x^2 + eps) *
 * OUT_NORM_W, * out_scale, * OUT_GATE or its sigmoid, (1 - a) x + a t with
 * MIX_ALPHA and MIX_TARGET, * HEAD_FACTOR, * GATE of the head and row (Jin et
 * al., MoH, 2024). lse is that of the attention. Where the HEAD_FACTOR or the
 * GATE is exactly 0, out is 0 and lse -inf, the head or row is not computed
 * and its outputs are those of rows that see nothing.
 */
enum {
    ATTN_PARAM_B = 100,
    ATTN_PARAM_HQ = 101,
    ATTN_PARAM_HK = 102,
    ATTN_PARAM_HV = 103,
    ATTN_PARAM_Q = 104,
    ATTN_PARAM_K = 105,
    ATTN_PARAM_D = 106,
    ATTN_PARAM_DV = 107,
    ATTN_PARAM_PACKED = 108,
    ATTN_PARAM_VIEW = 109,
    ATTN_PARAM_Q_HEAD = 110,
    ATTN_PARAM_K_HEAD = 111,
    ATTN_PARAM_V_HEAD = 112,
    ATTN_PARAM_KV_HEAD = 113,
    ATTN_PARAM_CAUSAL = 200,
    ATTN_PARAM_ALIGN = 201,
    ATTN_PARAM_WINDOW_LEFT = 202,
    ATTN_PARAM_WINDOW_RIGHT = 203,
    ATTN_PARAM_SINK_TOKENS = 204,
    ATTN_PARAM_PREFIX = 205,
    ATTN_PARAM_SEGMENTS = 206,
    ATTN_PARAM_MASK = 207,
    ATTN_PARAM_POSITIONS = 210,
    ATTN_PARAM_SCALE = 300,
    ATTN_PARAM_SOFTCAP = 301,
    ATTN_PARAM_BIAS = 302,
    ATTN_PARAM_ALIBI = 303,
    ATTN_PARAM_ALIBI_SLOPES = 304,
    ATTN_PARAM_SINK_LOGITS = 305,
    ATTN_PARAM_NORMALIZER = 310,
    ATTN_PARAM_NORM_POWER = 311,
    ATTN_PARAM_NORM_BIAS = 312,
    ATTN_PARAM_NORM_COUNT = 313,
    ATTN_PARAM_NORM_N = 314,
    ATTN_PARAM_NORM_GAMMA = 315,
    ATTN_PARAM_HEAD_SCALE = 320,
    ATTN_PARAM_ROW_SCALE = 321,
    ATTN_PARAM_LOGN_TRAIN = 322,
    ATTN_PARAM_SSMAX = 323,
    ATTN_PARAM_LOGN_COUNT = 324,
    ATTN_PARAM_BIAS_TABLE = 325,
    ATTN_PARAM_TABLE_ZERO = 326,
    ATTN_PARAM_T5_BUCKETS = 327,
    ATTN_PARAM_T5_MAX_DISTANCE = 328,
    ATTN_PARAM_T5_BIDIRECTIONAL = 329,
    ATTN_PARAM_GRID_W = 330,
    ATTN_PARAM_SWIN_H = 331,
    ATTN_PARAM_SWIN_W = 332,
    ATTN_PARAM_QUERY_TABLE_ZERO = 333,
    ATTN_PARAM_QUERY_TABLE = 334,
    ATTN_PARAM_Q_BIAS_CONTENT = 335,
    ATTN_PARAM_Q_BIAS_TABLE = 336,
    ATTN_PARAM_QUERY_TABLE_BIAS = 337,
    ATTN_PARAM_CLASS_TERMS = 338,
    ATTN_PARAM_CLASS_ROWS = 339,
    ATTN_PARAM_QK_NORM = 340,
    ATTN_PARAM_QK_NORM_EPS = 341,
    ATTN_PARAM_QK_NORM_WEIGHT = 342,
    ATTN_PARAM_QK_NORM_BIAS = 343,
    ATTN_PARAM_QK_NORM_PLUS_ONE = 344,
    ATTN_PARAM_ROPE = 350,
    ATTN_PARAM_ROPE_DIM = 351,
    ATTN_PARAM_ROPE_BASE = 352,
    ATTN_PARAM_ROPE_SCALING = 353,
    ATTN_PARAM_ROPE_FACTOR = 354,
    ATTN_PARAM_ROPE_ORIGINAL = 355,
    ATTN_PARAM_ROPE_BETA_FAST = 356,
    ATTN_PARAM_ROPE_BETA_SLOW = 357,
    ATTN_PARAM_ROPE_TRUNCATE = 358,
    ATTN_PARAM_ROPE_LOW = 359,
    ATTN_PARAM_ROPE_HIGH = 360,
    ATTN_PARAM_ROPE_APPLY = 361,
    ATTN_PARAM_ROPE_ATTENTION = 362,
    ATTN_PARAM_ROPE_MSCALE = 363,
    ATTN_PARAM_ROPE_FREQS = 364,
    ATTN_PARAM_ROPE_POSITIONS = 365,
    ATTN_PARAM_OUT_GATE = 370,
    ATTN_PARAM_HEAD_FACTOR = 371,
    ATTN_PARAM_HEAD_MIX = 372,
    ATTN_PARAM_OUT_NORM = 373,
    ATTN_PARAM_OUT_NORM_EPS = 374,
    ATTN_PARAM_OUT_NORM_WEIGHT = 375,
    ATTN_PARAM_OUT_SCALE = 376,
    ATTN_PARAM_HEAD_GATE = 377,
    ATTN_PARAM_SELECT = 380,
    ATTN_PARAM_OBSERVE = 385,
    ATTN_PARAM_FEATURE_MAX = 390,
    ATTN_PARAM_FEATURE_KEY_MAX = 391,
    ATTN_PARAM_DTYPE = 400,
    ATTN_PARAM_KV_DTYPE = 401,
    ATTN_PARAM_COMPUTE = 402,
    ATTN_PARAM_WANT = 500,
    ATTN_PARAM_MASS_CLASSES = 501,
    ATTN_PARAM_SOLVER = 600,
    ATTN_PARAM_BLAS = 601,
    ATTN_PARAM_EXECUTORS = 602,
    ATTN_PARAM_CHECK = 603,
    ATTN_PARAM_EFFORT = 604,
    ATTN_PARAM_INVARIANT = 605,
    ATTN_PARAM_DECAY = 700,
    ATTN_PARAM_UPDATE = 701,
    ATTN_PARAM_ERASE_READS = 702,
    ATTN_PARAM_READ = 703,
    ATTN_PARAM_BONUS = 704,
    ATTN_PARAM_STATE_NORM = 705,
    ATTN_PARAM_STATE_NORM_EPS = 706,
    ATTN_PARAM_DIRECTION = 707,
    ATTN_PARAM_FEATURE_MAP = 708,
    ATTN_PARAM_FEATURE_DIM = 709,
    ATTN_PARAM_FEATURE_EPS = 710,
    ATTN_PARAM_FEATURE_BIAS = 711,
    ATTN_PARAM_RESET = 712,
    ATTN_PARAM_GATE = 713,
    ATTN_PARAM_GATE_DIVISOR = 714,
    ATTN_PARAM_GATE_MIN = 715,
    ATTN_PARAM_GATE_MAX = 716,
    ATTN_PARAM_GATE_BIAS = 717,
    ATTN_PARAM_L2NORM = 718,
    ATTN_PARAM_L2NORM_EPS = 719,
    ATTN_PARAM_STATE_HEADS = 720,
    ATTN_PARAM_MAX_POSITION = 721,
    ATTN_PARAM_DELTA_STEPS = 722,
    ATTN_PARAM_SKIP = 723,
    ATTN_PARAM_CACHE_LAYERS = 900,
    ATTN_PARAM_CACHE_OWNER = 901,
    ATTN_PARAM_CACHE_PAGE = 902,
    ATTN_PARAM_CACHE_PAGES = 903,
    ATTN_PARAM_CACHE_SEQUENCES = 904,
    ATTN_PARAM_CACHE_GROUP = 905,
    ATTN_PARAM_CACHE_K_DTYPE = 906,
    ATTN_PARAM_CACHE_V_DTYPE = 907,
    ATTN_PARAM_CACHE_WINDOW = 908,
    ATTN_PARAM_CACHE_SINK = 909,
    ATTN_PARAM_CACHE_SLACK = 910,
    ATTN_PARAM_CACHE_FOLD = 911,
    ATTN_PARAM_CACHE_KEYS = 912,
    ATTN_PARAM_CACHE_MAX_POSITION = 913,
    ATTN_PARAM_CACHE_K_SCALE = 914,
    ATTN_PARAM_CACHE_V_SCALE = 915,
    ATTN_PARAM_CACHE_SCORES = 916,
    ATTN_PARAM_CACHE_SCORE_ROWS = 917,
    ATTN_PARAM_POLICY = 918,
    ATTN_PARAM_CACHE_V_PREFIX = 919,
    ATTN_PARAM_CACHE_SUMMARY = 920,
    ATTN_PARAM_CACHE_RESIDUAL = 921
};

/* Types of parameter values, as attn_param_type tells them. */
enum {
    ATTN_PARAM_TYPE_I64 = 1,
    ATTN_PARAM_TYPE_BOOL = 2, /* 0 or 1, through _i64 */
    ATTN_PARAM_TYPE_ENUM = 3, /* through _i64 or, by word, _text */
    ATTN_PARAM_TYPE_SET = 4,  /* bits through _i64 or words through _text */
    ATTN_PARAM_TYPE_F64 = 5,
    ATTN_PARAM_TYPE_TEXT = 6,
    ATTN_PARAM_TYPE_I64S = 7,
    ATTN_PARAM_TYPE_F64S = 8
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Makes an empty descriptor of mechanism `id` (ATTN_MECH_*). *desc: the
 * result, owned by the caller. ATTN_ERR_NULL, ATTN_ERR_UNKNOWN_MECH,
 * ATTN_ERR_NOMEM. Allocates. One thread at a time per ctx. Since 0.1.
 */
ATTN_API int32_t attn_desc_create(attn_ctx *ctx, int32_t id,
                                  attn_desc **desc);

/*
 * Makes a descriptor from a problem string. text: NUL-terminated, at most
 * 65536 bytes, words separated by blanks; the first is the mechanism's id.
 * *desc: owned by the caller. ATTN_ERR_NULL, ATTN_ERR_SYNTAX (with the
 * position), ATTN_ERR_UNKNOWN_MECH, ATTN_ERR_UNKNOWN_NAME (with the nearest
 * name), ATTN_ERR_INVALID (value out of bounds, or a key given twice),
 * ATTN_ERR_NOMEM. Allocates. One thread at a time per ctx. Since 0.1.
 */
ATTN_API int32_t attn_desc_parse(attn_ctx *ctx, const char *text,
                                 attn_desc **desc);

/*
 * Writes the canonical problem string: parameters that are set, in the order
 * of their numbers, shortest numbers that read back to the same value.
 * buf[len] is cut to fit and NUL-terminated when len > 0; *needed (may be
 * NULL): bytes of the whole text with its NUL. ATTN_ERR_NULL. Any thread
 * while nobody sets. Since 0.1.
 */
ATTN_API int32_t attn_desc_print(const attn_desc *desc, char *buf, size_t len,
                                 size_t *needed);

/* Gives a descriptor back; NULL is fine. Since 0.1. */
ATTN_API void attn_desc_destroy(attn_desc *desc);

/*
 * Set one parameter. param: ATTN_PARAM_*; arrays are copied (n values,
 * values may be NULL when n is 0). Values are checked against the table's
 * bounds here; combinations are checked by attn_plan_create.
 * ATTN_ERR_NULL, ATTN_ERR_UNKNOWN_PARAM, ATTN_ERR_INVALID (wrong type for the
 * parameter, or out of bounds), ATTN_ERR_UNKNOWN_NAME (a word that is no
 * value), ATTN_ERR_NOMEM. The old value stays on failure. One thread at a
 * time per descriptor. Since 0.1.
 */
ATTN_API int32_t attn_desc_set_i64(attn_desc *desc, int32_t param,
                                   int64_t value);
ATTN_API int32_t attn_desc_set_f64(attn_desc *desc, int32_t param,
                                   double value);
ATTN_API int32_t attn_desc_set_text(attn_desc *desc, int32_t param,
                                    const char *value);
ATTN_API int32_t attn_desc_set_i64s(attn_desc *desc, int32_t param,
                                    const int64_t *values, size_t n);
ATTN_API int32_t attn_desc_set_f64s(attn_desc *desc, int32_t param,
                                    const double *values, size_t n);

/*
 * Read one parameter. ATTN_ERR_UNSET if it was not set (no default is
 * invented), ATTN_ERR_NULL, ATTN_ERR_UNKNOWN_PARAM, ATTN_ERR_INVALID (wrong
 * type). Arrays: at most `room` values are copied, *n is how many there are.
 * Text: as attn_desc_print; sets and enums give their words. Any thread while
 * nobody sets. Since 0.1.
 */
ATTN_API int32_t attn_desc_get_i64(const attn_desc *desc, int32_t param,
                                   int64_t *value);
ATTN_API int32_t attn_desc_get_f64(const attn_desc *desc, int32_t param,
                                   double *value);
ATTN_API int32_t attn_desc_get_text(const attn_desc *desc, int32_t param,
                                    char *buf, size_t len, size_t *needed);
ATTN_API int32_t attn_desc_get_i64s(const attn_desc *desc, int32_t param,
                                    int64_t *values, size_t room, size_t *n);
ATTN_API int32_t attn_desc_get_f64s(const attn_desc *desc, int32_t param,
                                    double *values, size_t room, size_t *n);

/*
 * A step of the caller's own in the scores, called from any thread: s has the
 * natural scores of queries q0..q0+nq-1 of output head h in sequence b and
 * keys k0..k0+nk-1, that of (q, k) at s[(q - q0) * q_stride + (k - k0) *
 * k_stride], with everything added that comes before (scale, softcap, biases)
 * and visibility still to come: pairs that are not visible are among them, and
 * what becomes of those is thrown away. The function changes them in place.
 * Queries and keys are counted in the sequence, keys from the first that
 * counts (K_START). A fast function has its inner loop along the stride that
 * is 1, k_stride where there are few queries and else q_stride: a compiler
 * makes vectors of it. user is the object of role USER. It must not fail, touch
 * nothing in between, and the score it gives a pair must not depend on the run
 * that the pair comes in, or the same bits are not promised. Since 0.1.
 */
typedef void (*attn_score_fn)(void *user, float *s, int64_t q_stride,
                              int64_t k_stride, int64_t b, int64_t h,
                              int64_t q0, int64_t nq, int64_t k0, int64_t nk);

/*
 * Sets the function; NULL takes it away. Problem strings show it as
 * score=user, which cannot be parsed. dtype=f64 refuses it when planning.
 * ATTN_ERR_NULL (desc). One thread at a time per descriptor. Since 0.1.
 */
ATTN_API int32_t attn_desc_set_score_fn(attn_desc *desc, attn_score_fn fn);

/* Back to "not set". ATTN_ERR_NULL, ATTN_ERR_UNKNOWN_PARAM. Since 0.1. */
ATTN_API int32_t attn_desc_unset(attn_desc *desc, int32_t param);

/* *set becomes 1 or 0. ATTN_ERR_NULL, ATTN_ERR_UNKNOWN_PARAM. Since 0.1. */
ATTN_API int32_t attn_desc_is_set(const attn_desc *desc, int32_t param,
                                  int32_t *set);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_DESC_H */
