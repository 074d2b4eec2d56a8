/* SPDX-License-Identifier: MIT */
/*
 * attn_plan: how a problem is computed on this machine. Planning checks the
 * descriptor, picks a solver for every class of lengths and sizes the
 * workspace; executing binds tensors by role and does the work.
 */
#ifndef ATTN_PLAN_H
#define ATTN_PLAN_H

#include <attn/desc.h>
#include <attn/tensor.h>

typedef struct attn_plan attn_plan;

/*
 * Roles: what an argument of attn_plan_execute is. All are since 0.1.
 * B, Hq, Hk, Hv, Hout, D, Dv as in the descriptor (H* and D* exactly, B at
 * most); Nq, Nk the lengths of this execute; T* tokens of all sequences.
 * "1" in a shape below means the extent may be that or 1 (broadcast).
 *
 * | no. | role          | shape                | dtype        | dir | when  |
 * |-----|---------------|----------------------|--------------|-----|-------|
 * |   1 | Q             | [B,Hq,Nq,D]          | dtype        | in  | always|
 * |   2 | K             | [B,Hk,Nk,D]          | kv_dtype     | in  | always|
 * |   3 | V             | [B,Hv,Nk,Dv]         | kv_dtype     | in  | always|
 * |   4 | K2            | [B,Hk,N2,D]          | kv_dtype     | in  | mech. |
 * |   5 | V2            | [B,Hv,N2,Dv]         | kv_dtype     | in  | mech. |
 * |   6 | ROWS          | [B|1,R]              | i32 i64      | in  | mech. |
 * |   7 | GATE          | [B,Hout,Nq]          | f32, f64     | in  | head_ |
 * |     |               |                      |              |     | gate  |
 * |   8 | Q2            | [B,Hq,1,D]           | dtype        | in  | vhr   |
 * |   9 | DOCS          | [B|1,documents + 1]  | i32 i64      | in  | pine  |
 * |  10 | BIAS          | [B|1,Hout|1,Nq|1,    | f32 or dtype | in  | bias  |
 * |     |               |  Nk|1]               |              |     |       |
 * |  11 | MASK          | same as BIAS         | bool u8      | in  | mask  |
 * |  12 | SINK_LOGITS   | [Hout] or [Hout,any] | f32 (f64 if  | in  | sink_ |
 * |     |               | or [B|1,Hout,Nq|1]   | dtype is)    |     | logits|
 * |  13 | SEG_Q         | [B|1,Nq]             | i32 i64      | in  | seg-  |
 * |  14 | SEG_K         | [B|1,Nk]             | i32 i64      | in  | ments |
 * |  20 | Q_OFFSETS     | [S+1]                | i32 i64      | in  | packed|
 * |  21 | K_OFFSETS     | [S+1]                | i32 i64      | in  | packed|
 * |  22 | Q_LEN         | [B] or [S]           | i32 i64      | in  | may   |
 * |  23 | K_LEN         | [B] or [S]           | i32 i64      | in  | may   |
 * |  24 | K_START       | [B] or [S]           | i32 i64      | in  | may   |
 * |  25 | VIEW          | an attn_view         | -            | in  | view  |
 * |  26 | LAYER         | [1]                  | i64          | in  | view  |
 * |  29 | USER          | any pointer, NULL    | -            | in  | may   |
 * |  30 | POS_Q         | [B|1,Nq]             | i32 i64      | in  | posi- |
 * |  31 | POS_K         | [B|1,Nk]             | i32 i64      | in  | tions |
 * |  32 | CLASS_Q       | [B|1,Nq]             | u8           | in  | piece |
 * |  33 | CLASS_K       | [B|1,Nk]             | u8           | in  | piece |
 * |  34 | RECTS         | [B|1,any,4]          | i32 i64      | in  | piece |
 * |  35 | PREFIX_LEN    | [B|1]                | i32 i64      | in  | piece |
 * |  36 | LIST_OFFSETS  | [B|1,Hout|1,n + 1]   | i32 i64      | in  | piece |
 * |  37 | LIST_INDEX    | [any]                | i32 i64      | in  | piece |
 * |  38 | TREE_BITS     | [B|1,Nq|1,any]       | i64          | in  | piece |
 * |  40 | PGQA_NOISE    | [Hout,Nq,Dv]         | f32, f64     | in  | pgqa  |
 * |  41 | LAMA_P        | [Hout,D]             | as BIAS      | in  | lama  |
 * |  42 | LAMA_Q        | [Hout,D]             | as BIAS      | in  | lama  |
 * |  60 | ROW_SCALE     | [B|1,Hout|1,Nq|1]    | f32, f64     | in  | row_  |
 * |     |               |                      |              |     | scale |
 * |  61 | BIAS_TABLE    | [Hout,any]           | as BIAS      | in  | bias_ |
 * |     |               |                      |              |     | table |
 * |  62 | T5_WEIGHT     | [t5_buckets,Hout]    | as BIAS      | in  | t5_   |
 * |     |               |                      |              |     | ...   |
 * |  63 | GRID_Y        | [B|1,Hout|1,Nq|1,    | as BIAS      | in  | grid_w|
 * |     |               |  rows]               |              |     |       |
 * |  64 | GRID_X        | [B|1,Hout|1,Nq|1,    | as BIAS      | in  | grid_w|
 * |     |               |  grid_w]             |              |     |       |
 * |  65 | SWIN_TABLE    | [(2h-1)*(2w-1),Hout] | as BIAS      | in  | swin_h|
 * |     |               | h, w: swin_h, swin_w |              |     |       |
 * |  66 | QUERY_TABLE   | [Hout,any,D]         | as BIAS      | in  | query_|
 * |     |               |                      |              |     | table |
 * |  67 | Q_BIAS_CONTENT| [Hout,D]             | as BIAS      | in  | own   |
 * |  68 | Q_BIAS_TABLE  | [Hout,D]             | as BIAS      | in  | own   |
 * |  69 | QUERY_TABLE_  | [Hout,rows of        | as BIAS      | in  | own   |
 * |     | BIAS          |  QUERY_TABLE]        |              |     |       |
 * |  70 | CONV_Q        | [D,taps]             | as BIAS      | in  | mech. |
 * |  71 | CONV_K        | [D,taps]             | as BIAS      | in  | mech. |
 * |  72 | CONV_V        | [Dv,taps]            | as BIAS      | in  | mech. |
 * |  73 | CONV_Q_BIAS   | [D]                  | as BIAS      | in  | mech. |
 * |  74 | CONV_K_BIAS   | [D]                  | as BIAS      | in  | mech. |
 * |  75 | CONV_V_BIAS   | [Dv]                 | as BIAS      | in  | mech. |
 * |  76 | EULER_DELTA   | [Hq,D/2]             | f32, f64     | in  | mech. |
 * |  77 | EULER_SHIFT   | [Hq,D/2]             | f32, f64     | in  | mech. |
 * |  78 | POINTER_W     | [Hout,D]             | as BIAS      | in  | mech. |
 * |  79 | CLASS_TERMS   | [2,Hout,class_terms] | as BIAS      | in  | class_|
 * |     |               | a, then c            |              |     | terms |
 * |  80 | Q_NORM_W      | [D] or [Hq,D]        | f32, f64     | in  | qk_   |
 * |  81 | K_NORM_W      | [D] or [Hk,D]        | f32, f64     | in  | norm_ |
 * |     |               |                      |              |     | weight|
 * |  82 | Q_NORM_B      | [D] or [Hq,D]        | f32, f64     | in  | qk_   |
 * |  83 | K_NORM_B      | [D] or [Hk,D]        | f32, f64     | in  | norm_ |
 * |     |               |                      |              |     | bias  |
 * |  84 | ROPE_POS_Q    | [B|1,Nq]             | i32 i64      | in  | rope_ |
 * |  85 | ROPE_POS_K    | [B|1,Nk]             | i32 i64      | in  | posi- |
 * |     |               |                      |              |     | tions |
 * |  86 | OUT_NORM_W    | [Dv] or [Hout,Dv]    | f32, f64     | in  | out_  |
 * |     |               |                      |              |     | norm_ |
 * |     |               |                      |              |     | weight|
 * |  87 | OUT_GATE      | [B,Hout,Nq,Dv|1]     | dtype        | in  | out_  |
 * |     |               |                      |              |     | gate  |
 * |  88 | HEAD_FACTOR   | [B|1,Hout]           | f32, f64     | in  | head_ |
 * |     |               |                      |              |     | factor|
 * |  89 | MIX_TARGET    | [B|1,Hout,Nq|1,Dv]   | dtype        | in  | head_ |
 * |  90 | MIX_ALPHA     | [B|1,Hout,Nq|1]      | f32, f64     | in  | mix   |
 * |  91 | DIFF_LAMBDA   | [Hout|1]             | f32, f64     | in  | diff_ |
 * |     |               |                      |              |     | atten-|
 * |     |               |                      |              |     | tion  |
 * |  92 | Q_NOPE        | [B,Hq,Nq,D-dr]       | dtype        | in  | mla   |
 * |  93 | Q_PE          | [B,Hq,Nq,dr]         | dtype        | in  | mla   |
 * |  94 | LATENT        | [B,1,Nk,R+dr]        | kv_dtype     | in  | mla   |
 * |  95 | MLA_WUK       | [Hq,D-dr,R]          | dtype        | in  | mla   |
 * |  96 | MLA_WUV       | [Hq,Dv,R]            | dtype        | in  | mla   |
 * |     |               | dr: mla_rope_dim     |              |     |       |
 * | 100 | OUT           | [B,Hout,Nq,Dv]       | dtype        | out | always|
 * | 101 | LSE           | [B,Hout,Nq]          | f32, f64     | out | may   |
 * | 102 | PROBS         | [B,Hout,Nq,Nk]       | f32, f64     | out | want  |
 * | 103 | SCORES_RAW    | [B,Hout,Nq,Nk]       | f32, f64     | out | want  |
 * | 104 | SCORES_CAPPED | [B,Hout,Nq,Nk]       | f32, f64     | out | want  |
 * | 105 | SCORES_BIASED | [B,Hout,Nq,Nk]       | f32, f64     | out | want  |
 * | 106 | COLSUM        | [B,Hout,Nk]          | f32, f64     | out | want  |
 * | 107 | ROWMAX        | [B,Hout,Nq]          | f32, f64     | out | want  |
 * | 108 | ENTROPY       | [B,Hout,Nq]          | f32, f64     | out | want  |
 * | 109 | ARGMAX        | [B,Hout,Nq]          | i32 i64      | out | want  |
 * | 110 | CLASSMASS     | [B,Hout,Nq,          | f32, f64     | out | want  |
 * |     |               |  mass_classes]       |              |     |       |
 * | 111 | COUNTS        | [4]                  | i64          | out | want  |
 * | 112 | OUT_CROSS     | [B,Hout,Nq,Dv]       | dtype        | out | moda  |
 * | 113 | LSE_CROSS     | [B,Hout,Nq]          | f32, f64     | out | moda  |
 * | 114 | FACTORS       | [B,Hout]             | f32, f64     | out | vhr   |
 * | 115 | AUX_LOSS      | [1]                  | f32, f64     | out | want  |
 * | 117 | SKIP_BOUND    | [B,Hout,Nq]          | f32          | out | want  |
 * | 118 | EXPERTS       | [B,Hout,Nq]          | i32 i64      | out | moa_  |
 * |     |               |                      |              |     | heads |
 * | 120 | G             | [B,Hs,N,Dk] or less, | as BIAS      | in  | decay |
 * |     |               | [B,Hs,N] or [Hs]     |              |     |       |
 * | 121 | BETA          | [B,Hs,Nk]            | as BIAS      | in  | update|
 * | 122 | WRITE         | [B,Hk,Nk,D]          | kv_dtype     | in  | update|
 * | 123 | ERASE         | [B,Hk,Nk,D]          | kv_dtype     | in  | update|
 * | 124 | VALUE_GATE    | [B,Hv,Nk,Dv]         | kv_dtype     | in  | update|
 * | 125 | BONUS         | [Hs,Dk]              | as BIAS      | in  | bonus |
 * | 126 | RESET         | [B|1,N]              | bool u8      | in  | reset |
 * | 127 | STATE         | an attn_state        | -            | in  | may   |
 * | 128 | STATE_INDEX   | [B] or [S]           | i32 i64      | in  | may   |
 * | 129 | GATE_A        | [Hs]                 | f32, f64     | in  | gate  |
 * | 130 | GATE_BIAS     | [Hs] or [Hs,Dk]      | f32, f64     | in  | gate_ |
 * |     |               |                      |              |     | bias  |
 * | 131 | FEATURE_WQ    | [D,F] or [Hq,D,F]    | as BIAS      | in  | feat- |
 * | 132 | FEATURE_WK    | [D,F] or [Hk,D,F]    | as BIAS      | in  | ure_  |
 * | 133 | FEATURE_BQ    | [F] or [Hq,F]        | as BIAS      | in  | feat- |
 * | 134 | FEATURE_BK    | [F] or [Hk,F]        | as BIAS      | in  | ure_  |
 * |     |               |                      |              |     | bias  |
 * | 135 | SKIP          | [Hout]               | f32, f64     | in  | skip  |
 * | 136 | K_SCALE       | [Hk,D]               | as BIAS      | in  | update|
 * | 137 | K_MIX         | [Hk,D]               | as BIAS      | in  | update|
 * | 140 | AGENTS        | [B,Hq,n,D]           | dtype        | in  | agent |
 * | 141 | AGENT_K_BIAS  | [Hout|1,n,Nk]        | as BIAS      | in  | agent_|
 * | 142 | AGENT_Q_BIAS  | [Hout|1,Nq,n]        | as BIAS      | in  | ...   |
 * | 143 | AGENT_CONV    | [Hout*Dv,3,3]        | as BIAS      | in  | agent_|
 * | 144 | AGENT_CONV_   | [Hout*Dv]            | as BIAS      | in  | conv  |
 * |     | BIAS          | n: agent_tokens      |              |     |       |
 * | 145 | FORGET        | [B,Hv,Nk,Dv]         | kv_dtype     | in  | birdie|
 * | 146 | BIRDIE_MASK   | [B|1,Nk]             | i32 i64      | in  | birdie|
 * | 160 | ROUTER_X      | [B,Nq,C]             | dtype        | in  | moh,  |
 * | 161 | ROUTER_W      | [E,C]                | as BIAS      | in  | ...   |
 * | 162 | ROUTER_       | [S,C]                | as BIAS      | in  | moh   |
 * |     | SHARED_W      |  S: moh_shared       |              |     |       |
 * | 163 | ROUTER_MIX_W  | [2,C]                | as BIAS      | in  | moh   |
 * | 164 | ROUTER_B      | [E]                  | as BIAS      | in  | uoe_  |
 * | 165 | SELECTION     | an attn_selection    | -            | in  | lists |
 * | 166 | EXPERT_W      | [E,D,C]              | as BIAS      | in  | moa_  |
 * |     |               |                      |              |     | heads |
 * | 170 | SELECT_Q      | [B,n,Nq,w]           | dtype        | in  | hcam, |
 * | 171 | SELECT_K      | [B,n,blocks,w]       | kv_dtype     | in  | ...   |
 * | 172 | SELECT_       | [B|1,blocks + 1]     | i32 i64      | in  | dhsa  |
 * |     | OFFSETS       |                      |              |     |       |
 * | 173 | SELECT_MASK   | [B|1,Nq,blocks]      | bool u8      | in  | hcam_ |
 * |     |               |                      |              |     | mask  |
 * | 174 | SELECT_W      | [B,Nq,n]             | as BIAS      | in  | index-|
 * |     |               |                      |              |     | er_   |
 * | 175 | SELECTION_OUT | an attn_selection    | -            | out | select|
 * | 180 | LANDMARK      | [B|1,Nk]             | bool u8      | in  | land- |
 * |     |               |                      |              |     | mark  |
 * | 181 | SELECT_SCORES | [B|1,Hout|1,Nq,Nk]   | as BIAS      | in  | spar- |
 * | 182 | PREDICT_WQ    | [w,D]                | as BIAS      | in  | sifi- |
 * | 183 | PREDICT_WK    | [w,D]                | as BIAS      | in  | ner   |
 * | 184 | PREDICT_BQ    | [w]                  | as BIAS      | in  |       |
 * | 185 | PREDICT_BK    | [w]                  | as BIAS      | in  |       |
 * | 186 | PREDICT_DOWN  | [Nk,r]               | as BIAS      | in  |       |
 * | 187 | PREDICT_UP    | [Nk,r]               | as BIAS      | in  |       |
 * | 188 | CODEBOOK      | [D/e,words,e]        | as BIAS      | in  | spt   |
 * | 189 | PROJECTIONS   | [D,bits]             | as BIAS      | in  | hyper |
 * | 190 | SAMPLES       | [B|1,H|1,samples]    | i32 i64      | in  | hyper |
 * | 191 | CENTROIDS     | [Hout,n,D]           | as BIAS      | in  | rout- |
 * | 192 | CENTROID_     | [Hout,n,D + 1]       | f32, f64     | in  | ing,  |
 * |     | STATE         |                      |              |     |       |
 * | 193 | NEW_CENTROIDS | [Hout,n,D]           | f32, f64     | out | rout- |
 * | 194 | NEW_CENTROID_ | [Hout,n,D + 1]       | f32, f64     | out | ing_  |
 * |     | STATE         |                      |              |     | update|
 * | 195 | LOCAL_Q       | [B,Hq,Nk,D]          | dtype        | in  | long- |
 * | 196 | LOCAL_K       | [B,Hk,Nk,D]          | kv_dtype     | in  | heads_|
 * | 197 | CHUNK_KEYS    | [B,Hout,chunks,D]    | kv_dtype     | out | made  |
 * | 198 | CHOICE_Q      | [B,Hq,D]             | f32, f64     | in  | token-|
 * | 199 | CHOICE_KEYS   | [B,top]              | i32 i64      | in  | select|
 * | 200 | NEW_CHOICE_Q  | [B,Hq,D]             | f32, f64     | out | _reuse|
 * | 201 | NEW_CHOICE_   | [B,top]              | i32 i64      | out |       |
 * |     | KEYS          |                      |              |     |       |
 *
 * "piece": declared by a piece of visibility, see pieces.h; n: blocks of
 * queries. "mech.": only mechanisms whose text says so have the role. N2: keys
 * of a second source, at most k. R: rows that are picked, at most q. A
 * mechanism may give a role another shape, as its text then says.
 *
 * Outputs of type "f32, f64" are f64 exactly if dtype is. Wanted outputs may
 * be left out of an execute.
 *
 * Packed: Q, K, V, OUT, LSE and SEG_* have B = 1 and the tokens of all
 * sequences along N; sequence s is rows Q_OFFSETS[s] to Q_OFFSETS[s+1]
 * (keys: K_OFFSETS). BIAS and MASK are then [S|1,Hout|1,q|1,k|1] and the
 * outputs per pair [S,Hout,q,k], COLSUM [S,Hout,k], with q and k at least
 * the longest sequence; [B] data has S entries.
 *
 * Q_LEN: rows past it are padding and come out as 0 (lse -inf). K_LEN: how
 * many keys count, from K_START (default 0) on; rules such as causal count
 * keys from there. Entries of per-pair outputs and of COLSUM for keys
 * outside those are 0, of the scores -inf. scores_raw and scores_capped
 * ignore visibility, which comes after them.
 *
 * ARGMAX: the column of PROBS in which a row's largest final visible score
 * is, the lowest of equal ones; -1 where there is none above -inf. NaN is
 * larger than any number. Solvers that may round the scores of equal keys
 * differently do not serve it. CLASSMASS: the sums of PROBS over the keys of
 * class 0, 1 ... by CLASS_K, which is needed then; keys of class mass_classes
 * and above are in none. COUNTS: pairs whose score was computed (each counts
 * once, visible or not), all pairs of rows and keys that count, tiles that
 * were computed, all tiles; tiles are what the solver at work cuts the pairs
 * into, so that those of two solvers do not compare; stages are added up.
 *
 * With select=only there is SELECTION_OUT, an object of attn_selection_create,
 * in place of V, OUT and LSE: see selection.h.
 *
 * With view=1 there are no K, V, K_OFFSETS, K_LEN and K_START: VIEW tells which
 * sequences of a cache are read, LAYER which layer of it, see view.h.
 *
 * OUT may be exactly Q's memory when D = Dv, Hout = Hq with no q_head, and
 * shape, strides and dtype agree; nothing else may overlap an output.
 */
enum {
    ATTN_ROLE_Q = 1,
    ATTN_ROLE_K = 2,
    ATTN_ROLE_V = 3,
    ATTN_ROLE_K2 = 4,
    ATTN_ROLE_V2 = 5,
    ATTN_ROLE_ROWS = 6,
    ATTN_ROLE_GATE = 7,
    ATTN_ROLE_Q2 = 8,
    ATTN_ROLE_DOCS = 9,
    ATTN_ROLE_BIAS = 10,
    ATTN_ROLE_MASK = 11,
    ATTN_ROLE_SINK_LOGITS = 12,
    ATTN_ROLE_SEG_Q = 13,
    ATTN_ROLE_SEG_K = 14,
    ATTN_ROLE_Q_OFFSETS = 20,
    ATTN_ROLE_K_OFFSETS = 21,
    ATTN_ROLE_Q_LEN = 22,
    ATTN_ROLE_K_LEN = 23,
    ATTN_ROLE_K_START = 24,
    ATTN_ROLE_VIEW = 25,
    ATTN_ROLE_LAYER = 26,
    ATTN_ROLE_USER = 29,
    ATTN_ROLE_POS_Q = 30,
    ATTN_ROLE_POS_K = 31,
    ATTN_ROLE_CLASS_Q = 32,
    ATTN_ROLE_CLASS_K = 33,
    ATTN_ROLE_RECTS = 34,
    ATTN_ROLE_PREFIX_LEN = 35,
    ATTN_ROLE_LIST_OFFSETS = 36,
    ATTN_ROLE_LIST_INDEX = 37,
    ATTN_ROLE_TREE_BITS = 38,
    ATTN_ROLE_PGQA_NOISE = 40,
    ATTN_ROLE_LAMA_P = 41,
    ATTN_ROLE_LAMA_Q = 42,
    ATTN_ROLE_ROW_SCALE = 60,
    ATTN_ROLE_BIAS_TABLE = 61,
    ATTN_ROLE_T5_WEIGHT = 62,
    ATTN_ROLE_GRID_Y = 63,
    ATTN_ROLE_GRID_X = 64,
    ATTN_ROLE_SWIN_TABLE = 65,
    ATTN_ROLE_QUERY_TABLE = 66,
    ATTN_ROLE_Q_BIAS_CONTENT = 67,
    ATTN_ROLE_Q_BIAS_TABLE = 68,
    ATTN_ROLE_QUERY_TABLE_BIAS = 69,
    ATTN_ROLE_CONV_Q = 70,
    ATTN_ROLE_CONV_K = 71,
    ATTN_ROLE_CONV_V = 72,
    ATTN_ROLE_CONV_Q_BIAS = 73,
    ATTN_ROLE_CONV_K_BIAS = 74,
    ATTN_ROLE_CONV_V_BIAS = 75,
    ATTN_ROLE_EULER_DELTA = 76,
    ATTN_ROLE_EULER_SHIFT = 77,
    ATTN_ROLE_POINTER_W = 78,
    ATTN_ROLE_CLASS_TERMS = 79,
    ATTN_ROLE_Q_NORM_W = 80,
    ATTN_ROLE_K_NORM_W = 81,
    ATTN_ROLE_Q_NORM_B = 82,
    ATTN_ROLE_K_NORM_B = 83,
    ATTN_ROLE_ROPE_POS_Q = 84,
    ATTN_ROLE_ROPE_POS_K = 85,
    ATTN_ROLE_OUT_NORM_W = 86,
    ATTN_ROLE_OUT_GATE = 87,
    ATTN_ROLE_HEAD_FACTOR = 88,
    ATTN_ROLE_MIX_TARGET = 89,
    ATTN_ROLE_MIX_ALPHA = 90,
    ATTN_ROLE_DIFF_LAMBDA = 91,
    ATTN_ROLE_Q_NOPE = 92,
    ATTN_ROLE_Q_PE = 93,
    ATTN_ROLE_LATENT = 94,
    ATTN_ROLE_MLA_WUK = 95,
    ATTN_ROLE_MLA_WUV = 96,
    ATTN_ROLE_OUT = 100,
    ATTN_ROLE_LSE = 101,
    ATTN_ROLE_PROBS = 102,
    ATTN_ROLE_SCORES_RAW = 103,
    ATTN_ROLE_SCORES_CAPPED = 104,
    ATTN_ROLE_SCORES_BIASED = 105,
    ATTN_ROLE_COLSUM = 106,
    ATTN_ROLE_ROWMAX = 107,
    ATTN_ROLE_ENTROPY = 108,
    ATTN_ROLE_ARGMAX = 109,
    ATTN_ROLE_CLASSMASS = 110,
    ATTN_ROLE_COUNTS = 111,
    ATTN_ROLE_OUT_CROSS = 112,
    ATTN_ROLE_LSE_CROSS = 113,
    ATTN_ROLE_FACTORS = 114,
    ATTN_ROLE_AUX_LOSS = 115,
    ATTN_ROLE_SKIP_BOUND = 117,
    ATTN_ROLE_EXPERTS = 118,
    ATTN_ROLE_G = 120,
    ATTN_ROLE_BETA = 121,
    ATTN_ROLE_WRITE = 122,
    ATTN_ROLE_ERASE = 123,
    ATTN_ROLE_VALUE_GATE = 124,
    ATTN_ROLE_BONUS = 125,
    ATTN_ROLE_RESET = 126,
    ATTN_ROLE_STATE = 127,
    ATTN_ROLE_STATE_INDEX = 128,
    ATTN_ROLE_GATE_A = 129,
    ATTN_ROLE_GATE_BIAS = 130,
    ATTN_ROLE_FEATURE_WQ = 131,
    ATTN_ROLE_FEATURE_WK = 132,
    ATTN_ROLE_FEATURE_BQ = 133,
    ATTN_ROLE_FEATURE_BK = 134,
    ATTN_ROLE_SKIP = 135,
    ATTN_ROLE_K_SCALE = 136,
    ATTN_ROLE_K_MIX = 137,
    ATTN_ROLE_AGENTS = 140,
    ATTN_ROLE_AGENT_K_BIAS = 141,
    ATTN_ROLE_AGENT_Q_BIAS = 142,
    ATTN_ROLE_AGENT_CONV = 143,
    ATTN_ROLE_AGENT_CONV_BIAS = 144,
    ATTN_ROLE_FORGET = 145,
    ATTN_ROLE_BIRDIE_MASK = 146,
    ATTN_ROLE_ROUTER_X = 160,
    ATTN_ROLE_ROUTER_W = 161,
    ATTN_ROLE_ROUTER_SHARED_W = 162,
    ATTN_ROLE_ROUTER_MIX_W = 163,
    ATTN_ROLE_ROUTER_B = 164,
    ATTN_ROLE_SELECTION = 165,
    ATTN_ROLE_EXPERT_W = 166,
    ATTN_ROLE_SELECT_Q = 170,
    ATTN_ROLE_SELECT_K = 171,
    ATTN_ROLE_SELECT_OFFSETS = 172,
    ATTN_ROLE_SELECT_MASK = 173,
    ATTN_ROLE_SELECT_W = 174,
    ATTN_ROLE_SELECTION_OUT = 175,
    ATTN_ROLE_LANDMARK = 180,
    ATTN_ROLE_SELECT_SCORES = 181,
    ATTN_ROLE_PREDICT_WQ = 182,
    ATTN_ROLE_PREDICT_WK = 183,
    ATTN_ROLE_PREDICT_BQ = 184,
    ATTN_ROLE_PREDICT_BK = 185,
    ATTN_ROLE_PREDICT_DOWN = 186,
    ATTN_ROLE_PREDICT_UP = 187,
    ATTN_ROLE_CODEBOOK = 188,
    ATTN_ROLE_PROJECTIONS = 189,
    ATTN_ROLE_SAMPLES = 190,
    ATTN_ROLE_CENTROIDS = 191,
    ATTN_ROLE_CENTROID_STATE = 192,
    ATTN_ROLE_NEW_CENTROIDS = 193,
    ATTN_ROLE_NEW_CENTROID_STATE = 194,
    ATTN_ROLE_LOCAL_Q = 195,
    ATTN_ROLE_LOCAL_K = 196,
    ATTN_ROLE_CHUNK_KEYS = 197,
    ATTN_ROLE_CHOICE_Q = 198,
    ATTN_ROLE_CHOICE_KEYS = 199,
    ATTN_ROLE_NEW_CHOICE_Q = 200,
    ATTN_ROLE_NEW_CHOICE_KEYS = 201
};

/* One argument of execute. Frozen. For every role above but USER, object
 * points to an attn_tensor; `zero` must be 0. The object of USER is passed
 * through to the callbacks of the descriptor. */
typedef struct attn_arg {
    int32_t role;
    int32_t zero;
    const void *object;
} attn_arg;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Plans a problem. desc is read and may be changed or destroyed afterwards;
 * the plan keeps what it needs of ctx. *plan: owned by the caller. Starts
 * the context's worker threads. ATTN_ERR_NULL, ATTN_ERR_UNSET (a size is
 * missing), ATTN_ERR_INVALID (parameters that contradict each other),
 * ATTN_ERR_UNSUPPORTED (no solver can serve it; the text says why),
 * ATTN_ERR_UNKNOWN_SOLVER, ATTN_ERR_OVERFLOW, ATTN_ERR_THREAD,
 * ATTN_ERR_NOMEM. Allocates. One thread at a time per desc; any number per
 * ctx. Since 0.1.
 */
ATTN_API int32_t attn_plan_create(attn_ctx *ctx, const attn_desc *desc,
                                  attn_plan **plan);

/*
 * Gives a plan back; NULL is fine. No execute of it may be running. Since
 * 0.1.
 */
ATTN_API void attn_plan_destroy(attn_plan *plan);

/*
 * Bytes and alignment of the workspace one execute needs, for any lengths
 * within the maxima. bytes, align: may be NULL. ATTN_ERR_NULL (plan). Any
 * thread. Since 0.1.
 */
ATTN_API int32_t attn_plan_workspace(const attn_plan *plan, size_t *bytes,
                                     size_t *align);

/*
 * Computes. args[n_args]: one entry per role, any order (table above);
 * everything in it is borrowed. workspace: workspace_bytes of the caller's
 * memory, not used by anybody else meanwhile, or NULL with 0: one of the
 * plan's own `executors` blocks (with executors=0 there is none). Everything
 * is checked before the first write. ATTN_ERR_NULL, ATTN_ERR_ROLE (missing,
 * doubled, unknown or not declared), ATTN_ERR_DTYPE, ATTN_ERR_SHAPE,
 * ATTN_ERR_STRIDE, ATTN_ERR_RANGE (lengths, offsets), ATTN_ERR_DATA,
 * ATTN_ERR_WORKSPACE, ATTN_ERR_ALIGN, ATTN_ERR_BUSY (no own block is free;
 * it never waits), ATTN_ERR_OVERFLOW. Allocates nothing, except what BLAS
 * does inside solvers that call it and the threads of a forked child's first
 * execute. Any number of threads at once, on different workspaces. Since 0.1.
 */
ATTN_API int32_t attn_plan_execute(const attn_plan *plan,
                                   const attn_arg *args, size_t n_args,
                                   void *workspace, size_t workspace_bytes);

/*
 * Tells in a few lines, for a sequence of q queries and k keys, the canonical
 * problem, the solver that runs and its tiles, ISA and threads, why each
 * other solver does not run, and the workspace; of a mechanism that selects
 * keys what selecting takes beside attending, as far as lengths tell: `at
 * most` is what data can make less of. buf[len], *needed: as
 * attn_desc_print. ATTN_ERR_NULL, ATTN_ERR_INVALID (q or k negative or above
 * the maxima). Any thread. Since 0.1.
 */
ATTN_API int32_t attn_plan_describe(const attn_plan *plan, int64_t q,
                                    int64_t k, char *buf, size_t len,
                                    size_t *needed);

/*
 * Name of the solver that runs a sequence of q queries and k keys; NULL if q
 * or k is out of range or plan is NULL; "stages" for a mechanism of several
 * stages, each of which has its own. Static string. Any thread. Since
 * 0.1.
 */
ATTN_API const char *attn_plan_solver(const attn_plan *plan, int64_t q,
                                      int64_t k);

/*
 * The solvers of this build in the order of preference: name number `index`
 * from 0, NULL past the last. Static string. Any thread. Since 0.1.
 */
ATTN_API const char *attn_solver_at(size_t index);

/*
 * Roles by number and name ("q", "scores_raw"). _at walks the table (0 past
 * its end); _name gives NULL for a number that is none; _find:
 * ATTN_ERR_NULL, ATTN_ERR_UNKNOWN_NAME; _is_output 1 or 0. Any thread.
 * Since 0.1.
 */
ATTN_API int32_t attn_role_at(size_t index);
ATTN_API const char *attn_role_name(int32_t role);
ATTN_API int32_t attn_role_find(const char *name, int32_t *role);
ATTN_API int32_t attn_role_is_output(int32_t role);

/*
 * The shape of a role as text, such as "B,Hq,Nq,D" or "Hout | S?,Hout,Q?";
 * NULL for a number that is none. B: batch, 1 if packed; S: sequences; Hq Hk
 * Hv Hout D Dv: as in the descriptor; Nq Nk: all rows and keys of the
 * tensors; N2: keys of K2, Nk if packed; R: entries of ROWS; Q K: those of
 * the longest sequence, or more if packed; a number; other letters: a size of
 * the mechanism; *: any. ? behind: or 1. Static string. Any thread. Since 0.1.
 */
ATTN_API const char *attn_role_shape(int32_t role);

/*
 * The roles that execute of this plan takes: role number `index` from 0, 0
 * past the last; *required (may be NULL): 1 if execute refuses to go without.
 * Any thread. Since 0.1.
 */
ATTN_API int32_t attn_plan_role_at(const attn_plan *plan, size_t index,
                                   int32_t *required);

/*
 * The element type and shape of one role for the lengths of these arguments,
 * so that a caller can make its memory: *shape becomes a dense view without
 * data, extents that may be 1 at full size; of several shapes the first whose
 * extents are known. args[n_args]: at least those that
 * tell lengths (Q and K; the offsets of a packed batch). ATTN_ERR_NULL,
 * ATTN_ERR_ROLE (no role, not of this plan, no tensor, or of a shape that
 * only the caller knows), and what execute says of the arguments. Any thread.
 * Since 0.1.
 */
ATTN_API int32_t attn_plan_shape(const attn_plan *plan, const attn_arg *args,
                                 size_t n_args, int32_t role,
                                 attn_tensor *shape);

/* Classes of tiles: no pair of a query and a key in it is computed, some are,
 * all are. A tile that is called partial may be one of the other two. */
enum { ATTN_TILE_EMPTY = 0, ATTN_TILE_PARTIAL = 1, ATTN_TILE_FULL = 2 };

/*
 * Which tiles of sequence `seq` and output head `head` an execute with these
 * arguments would compute, by pieces of visibility, lengths, segments, masks,
 * head gates and a mask function: what solvers skip work by, for pictures and
 * for checking a rule. Tile (t, u) is queries t * q_tile and on and keys
 * u * k_tile and on; its class goes to classes[t * *columns + u]. A tile of
 * one pair is never called partial. args[n_args]: the inputs of an execute,
 * whose Q, K and V may have strides of 0; outputs are not needed. n: the
 * number of elements of classes, or 0 to be told *rows and *columns alone.
 * ATTN_ERR_NULL, ATTN_ERR_INVALID (a tile below 1), ATTN_ERR_RANGE (seq,
 * head), ATTN_ERR_SHAPE (n is too small), ATTN_ERR_UNSUPPORTED (a recurrence,
 * or a mechanism of several stages), and what execute says of the arguments;
 * nothing is written then. Any thread; calls the mask function. Since 0.1.
 */
ATTN_API int32_t attn_plan_tiles(const attn_plan *plan, const attn_arg *args,
                                 size_t n_args, int64_t seq, int64_t head,
                                 int64_t q_tile, int64_t k_tile,
                                 uint8_t *classes, size_t n, int64_t *rows,
                                 int64_t *columns);

#ifdef __cplusplus
}
#endif

#endif /* ATTN_PLAN_H */
