/* SPDX-License-Identifier: MIT */
/*
 * The binary interface, written down a second time: every constant, the
 * layout of every public struct on 64-bit machines and the type of every
 * function. A line here may be added, but after the freeze none may change:
 * compiled programs and bindings hold these numbers. Nothing is run.
 */
#include <attn/attn.h>

#define VALUE(name, value) _Static_assert((name) == (value), #name " is not " #value)

#include "layout_cache.h"

VALUE(ATTN_ABI, 0);
VALUE(ATTN_TENSOR_MAX_RANK, 8);

VALUE(ATTN_OK, 0);
VALUE(ATTN_ERR_INVALID, -1);
VALUE(ATTN_ERR_NULL, -2);
VALUE(ATTN_ERR_STATE, -3);
VALUE(ATTN_ERR_UNSUPPORTED, -4);
VALUE(ATTN_ERR_NOMEM, -5);
VALUE(ATTN_ERR_BUSY, -6);
VALUE(ATTN_ERR_OVERFLOW, -7);
VALUE(ATTN_ERR_THREAD, -8);
VALUE(ATTN_ERR_INTERNAL, -9);
VALUE(ATTN_ERR_DTYPE, -20);
VALUE(ATTN_ERR_SHAPE, -21);
VALUE(ATTN_ERR_STRIDE, -22);
VALUE(ATTN_ERR_ROLE, -23);
VALUE(ATTN_ERR_RANGE, -24);
VALUE(ATTN_ERR_ALIGN, -25);
VALUE(ATTN_ERR_WORKSPACE, -26);
VALUE(ATTN_ERR_DATA, -27);
VALUE(ATTN_ERR_UNKNOWN_PARAM, -40);
VALUE(ATTN_ERR_UNKNOWN_NAME, -41);
VALUE(ATTN_ERR_SYNTAX, -42);
VALUE(ATTN_ERR_UNKNOWN_MECH, -43);
VALUE(ATTN_ERR_UNKNOWN_SOLVER, -44);
VALUE(ATTN_ERR_UNSET, -45);
VALUE(ATTN_ERR_BAD_ID, -60);
VALUE(ATTN_ERR_FULL, -61);
VALUE(ATTN_ERR_LIMIT, -62);
VALUE(ATTN_ERR_UNAVAILABLE, -63);
VALUE(ATTN_ERR_FORMAT, -64);
VALUE(ATTN_ERR_MISMATCH, -65);
VALUE(ATTN_ERR_CORRUPT, -66);
VALUE(ATTN_STATUS_END, -1000);

VALUE(ATTN_DTYPE_F32, 1);
VALUE(ATTN_DTYPE_F64, 2);
VALUE(ATTN_DTYPE_F16, 3);
VALUE(ATTN_DTYPE_BF16, 4);
VALUE(ATTN_DTYPE_I32, 5);
VALUE(ATTN_DTYPE_I64, 6);
VALUE(ATTN_DTYPE_U8, 7);
VALUE(ATTN_DTYPE_BOOL, 8);

VALUE(ATTN_DGQA_DIFF, 0);
VALUE(ATTN_DGQA_EMA, 1);

VALUE(ATTN_LOG_SILENT, 0);
VALUE(ATTN_LOG_ERROR, 1);
VALUE(ATTN_LOG_WARNING, 2);
VALUE(ATTN_LOG_INFO, 3);
VALUE(ATTN_LOG_TRACE, 4);

VALUE(ATTN_ISA_C, 0);
VALUE(ATTN_ISA_SSE2, 10);
VALUE(ATTN_ISA_AVX2, 20);
VALUE(ATTN_ISA_AVX512, 30);
VALUE(ATTN_ISA_AVX512_BF16, 31);
VALUE(ATTN_ISA_NEON, 40);

VALUE(ATTN_CTX_THREADS, 1);
VALUE(ATTN_CTX_MAX_ISA, 2);
VALUE(ATTN_CTX_LOG_LEVEL, 3);
VALUE(ATTN_CTX_ISA, 4);
VALUE(ATTN_CTX_BLAS, 5);

VALUE(ATTN_MECH_CACHE, 1);
VALUE(ATTN_MECH_SOFTMAX, 100);
VALUE(ATTN_MECH_REVERSED_ATTENTION, 103);
VALUE(ATTN_MECH_TENSOR_ATTENTION, 104);
VALUE(ATTN_MECH_POINTER, 112);
VALUE(ATTN_MECH_RMHA, 113);
VALUE(ATTN_MECH_RCMHA, 114);
VALUE(ATTN_MECH_COMPLEXFORMER, 115);
VALUE(ATTN_MECH_PATTENTION, 105);
VALUE(ATTN_MECH_LSSA, 106);
VALUE(ATTN_MECH_LSSAR, 107);
VALUE(ATTN_MECH_RELU_ATTENTION, 108);
VALUE(ATTN_MECH_SIGMOID_ATTENTION, 109);
VALUE(ATTN_MECH_ENTMAX15, 110);
VALUE(ATTN_MECH_SPARSEMAX, 111);
VALUE(ATTN_MECH_LAMA, 116);
VALUE(ATTN_MECH_KDGQA, 117);
VALUE(ATTN_MECH_DGQA, 118);
VALUE(ATTN_MECH_PGQA, 119);
VALUE(ATTN_MECH_ACT, 120);
VALUE(ATTN_MECH_VAR, 121);
VALUE(ATTN_MECH_VHR, 122);
VALUE(ATTN_MECH_PINE, 124);
VALUE(ATTN_MECH_MODA, 129);
VALUE(ATTN_MECH_IMBALANCED_ATTENTION, 123);
VALUE(ATTN_MECH_PWCA, 131);
VALUE(ATTN_MECH_GLCA, 132);
VALUE(ATTN_MECH_MLA, 101);
VALUE(ATTN_MECH_DIFF_ATTENTION, 102);
VALUE(ATTN_MLA_ABSORBED, 0);
VALUE(ATTN_MLA_NAIVE, 1);
VALUE(ATTN_MECH_SOFT_INJECTION, 125);
VALUE(ATTN_MECH_SQA, 138);
VALUE(ATTN_MECH_SHSA, 139);
VALUE(ATTN_MECH_LOWFORMER_MHSA, 140);

VALUE(ATTN_PARAM_B, 100);
VALUE(ATTN_PARAM_HQ, 101);
VALUE(ATTN_PARAM_HK, 102);
VALUE(ATTN_PARAM_HV, 103);
VALUE(ATTN_PARAM_Q, 104);
VALUE(ATTN_PARAM_K, 105);
VALUE(ATTN_PARAM_D, 106);
VALUE(ATTN_PARAM_DV, 107);
VALUE(ATTN_PARAM_PACKED, 108);
VALUE(ATTN_PARAM_Q_HEAD, 110);
VALUE(ATTN_PARAM_K_HEAD, 111);
VALUE(ATTN_PARAM_V_HEAD, 112);
VALUE(ATTN_PARAM_KV_HEAD, 113);
VALUE(ATTN_PARAM_CAUSAL, 200);
VALUE(ATTN_PARAM_ALIGN, 201);
VALUE(ATTN_PARAM_WINDOW_LEFT, 202);
VALUE(ATTN_PARAM_WINDOW_RIGHT, 203);
VALUE(ATTN_PARAM_SINK_TOKENS, 204);
VALUE(ATTN_PARAM_PREFIX, 205);
VALUE(ATTN_PARAM_SEGMENTS, 206);
VALUE(ATTN_PARAM_MASK, 207);
VALUE(ATTN_PARAM_SCALE, 300);
VALUE(ATTN_PARAM_SOFTCAP, 301);
VALUE(ATTN_PARAM_BIAS, 302);
VALUE(ATTN_PARAM_ALIBI, 303);
VALUE(ATTN_PARAM_ALIBI_SLOPES, 304);
VALUE(ATTN_PARAM_SINK_LOGITS, 305);
VALUE(ATTN_PARAM_HEAD_SCALE, 320);
VALUE(ATTN_PARAM_ROW_SCALE, 321);
VALUE(ATTN_PARAM_LOGN_TRAIN, 322);
VALUE(ATTN_PARAM_SSMAX, 323);
VALUE(ATTN_PARAM_LOGN_COUNT, 324);
VALUE(ATTN_PARAM_BIAS_TABLE, 325);
VALUE(ATTN_PARAM_TABLE_ZERO, 326);
VALUE(ATTN_PARAM_T5_BUCKETS, 327);
VALUE(ATTN_PARAM_T5_MAX_DISTANCE, 328);
VALUE(ATTN_PARAM_T5_BIDIRECTIONAL, 329);
VALUE(ATTN_PARAM_GRID_W, 330);
VALUE(ATTN_PARAM_SWIN_H, 331);
VALUE(ATTN_PARAM_SWIN_W, 332);
VALUE(ATTN_PARAM_QUERY_TABLE_ZERO, 333);
VALUE(ATTN_PARAM_QUERY_TABLE, 334);
VALUE(ATTN_PARAM_Q_BIAS_CONTENT, 335);
VALUE(ATTN_PARAM_Q_BIAS_TABLE, 336);
VALUE(ATTN_PARAM_QUERY_TABLE_BIAS, 337);
VALUE(ATTN_PARAM_CLASS_TERMS, 338);
VALUE(ATTN_PARAM_CLASS_ROWS, 339);
VALUE(ATTN_PARAM_NORMALIZER, 310);
VALUE(ATTN_PARAM_NORM_POWER, 311);
VALUE(ATTN_PARAM_NORM_BIAS, 312);
VALUE(ATTN_PARAM_NORM_COUNT, 313);
VALUE(ATTN_PARAM_NORM_N, 314);
VALUE(ATTN_PARAM_NORM_GAMMA, 315);
VALUE(ATTN_PARAM_QK_NORM, 340);
VALUE(ATTN_PARAM_QK_NORM_EPS, 341);
VALUE(ATTN_PARAM_QK_NORM_WEIGHT, 342);
VALUE(ATTN_PARAM_QK_NORM_BIAS, 343);
VALUE(ATTN_PARAM_QK_NORM_PLUS_ONE, 344);
VALUE(ATTN_PARAM_ROPE, 350);
VALUE(ATTN_PARAM_ROPE_DIM, 351);
VALUE(ATTN_PARAM_ROPE_BASE, 352);
VALUE(ATTN_PARAM_ROPE_SCALING, 353);
VALUE(ATTN_PARAM_ROPE_FACTOR, 354);
VALUE(ATTN_PARAM_ROPE_ORIGINAL, 355);
VALUE(ATTN_PARAM_ROPE_BETA_FAST, 356);
VALUE(ATTN_PARAM_ROPE_BETA_SLOW, 357);
VALUE(ATTN_PARAM_ROPE_TRUNCATE, 358);
VALUE(ATTN_PARAM_ROPE_LOW, 359);
VALUE(ATTN_PARAM_ROPE_HIGH, 360);
VALUE(ATTN_PARAM_ROPE_APPLY, 361);
VALUE(ATTN_PARAM_ROPE_ATTENTION, 362);
VALUE(ATTN_PARAM_ROPE_MSCALE, 363);
VALUE(ATTN_PARAM_ROPE_FREQS, 364);
VALUE(ATTN_PARAM_ROPE_POSITIONS, 365);
VALUE(ATTN_PARAM_OUT_GATE, 370);
VALUE(ATTN_PARAM_HEAD_FACTOR, 371);
VALUE(ATTN_PARAM_HEAD_MIX, 372);
VALUE(ATTN_PARAM_OUT_NORM, 373);
VALUE(ATTN_PARAM_OUT_NORM_EPS, 374);
VALUE(ATTN_PARAM_OUT_NORM_WEIGHT, 375);
VALUE(ATTN_PARAM_OUT_SCALE, 376);
VALUE(ATTN_PARAM_HEAD_GATE, 377);
VALUE(ATTN_PARAM_OBSERVE, 385);
VALUE(ATTN_PARAM_DTYPE, 400);
VALUE(ATTN_PARAM_KV_DTYPE, 401);
VALUE(ATTN_PARAM_COMPUTE, 402);
VALUE(ATTN_PARAM_WANT, 500);
VALUE(ATTN_PARAM_MASS_CLASSES, 501);
VALUE(ATTN_PARAM_SOLVER, 600);
VALUE(ATTN_PARAM_BLAS, 601);
VALUE(ATTN_PARAM_EXECUTORS, 602);
VALUE(ATTN_PARAM_CHECK, 603);
VALUE(ATTN_PARAM_MLA_FORM, 10100);
VALUE(ATTN_PARAM_MLA_RANK, 10101);
VALUE(ATTN_PARAM_MLA_ROPE_DIM, 10102);
VALUE(ATTN_PARAM_DIFF_ATTENTION_INIT, 10200);
VALUE(ATTN_PARAM_ACT_BETA, 12000);
VALUE(ATTN_PARAM_ACT_THRESHOLD, 12001);
VALUE(ATTN_PARAM_ACT_HEADS, 12002);
VALUE(ATTN_PARAM_VAR_P, 12100);
VALUE(ATTN_PARAM_VAR_RHO, 12101);
VALUE(ATTN_PARAM_VAR_SUMM, 12102);
VALUE(ATTN_PARAM_VHR_ALPHA, 12200);
VALUE(ATTN_PARAM_VHR_FILTER, 12201);
VALUE(ATTN_PARAM_PINE_DOCS, 12400);
VALUE(ATTN_PARAM_MODA_ALIGN, 12900);
VALUE(ATTN_PARAM_MODA_BASE, 12901);
VALUE(ATTN_PARAM_MODA_DECAY, 12902);
VALUE(ATTN_PARAM_EFFORT, 604);
VALUE(ATTN_PARAM_INVARIANT, 605);
VALUE(ATTN_PARAM_CACHE_LAYERS, 900);
VALUE(ATTN_PARAM_CACHE_OWNER, 901);
VALUE(ATTN_PARAM_CACHE_PAGE, 902);
VALUE(ATTN_PARAM_CACHE_PAGES, 903);
VALUE(ATTN_PARAM_CACHE_SEQUENCES, 904);
VALUE(ATTN_PARAM_CACHE_GROUP, 905);
VALUE(ATTN_PARAM_CACHE_K_DTYPE, 906);
VALUE(ATTN_PARAM_CACHE_V_DTYPE, 907);
VALUE(ATTN_PARAM_CACHE_WINDOW, 908);
VALUE(ATTN_PARAM_CACHE_SINK, 909);
VALUE(ATTN_PARAM_CACHE_SLACK, 910);
VALUE(ATTN_PARAM_CACHE_FOLD, 911);
VALUE(ATTN_PARAM_CACHE_KEYS, 912);
VALUE(ATTN_PARAM_CACHE_MAX_POSITION, 913);

VALUE(ATTN_ALIGN_BOTTOM_RIGHT, 0);
VALUE(ATTN_ALIGN_TOP_LEFT, 1);
VALUE(ATTN_MECH_CROC, 126);
VALUE(ATTN_MECH_MMA, 127);
VALUE(ATTN_MECH_EE_MLLM, 128);
VALUE(ATTN_MECH_MIXFORMER, 130);
VALUE(ATTN_MECH_MULTITAB, 133);
VALUE(ATTN_MECH_S2_ATTENTION, 134);
VALUE(ATTN_MECH_MOA_SPAN, 135);
VALUE(ATTN_MECH_SSA, 136);
VALUE(ATTN_MECH_MASFORMER, 137);
VALUE(ATTN_PARAM_MULTITAB_TASKS, 13300);
VALUE(ATTN_PARAM_MULTITAB_MASK, 13301);
VALUE(ATTN_PARAM_S2_BLOCK, 13400);
VALUE(ATTN_PARAM_S2_LOCAL_BLOCKS, 13401);
VALUE(ATTN_PARAM_S2_STRIDE, 13402);
VALUE(ATTN_PARAM_S2_OFFSET, 13403);
VALUE(ATTN_PARAM_S2_DENSE_HEADS, 13404);
VALUE(ATTN_PARAM_S2_HOMO_HEAD, 13405);
VALUE(ATTN_PARAM_MOA_BANDS, 13500);
VALUE(ATTN_PARAM_MOA_BLOCK, 13501);
VALUE(ATTN_MULTITAB_T_T, 0);
VALUE(ATTN_MULTITAB_F_T, 1);
VALUE(ATTN_MULTITAB_BOTH, 2);
VALUE(ATTN_PIECE_SEGMENT, 5);
VALUE(ATTN_PIECE_PAIR, 6);
VALUE(ATTN_PIECE_LIST, 7);
VALUE(ATTN_PIECE_TREE, 8);
VALUE(ATTN_PARAM_POSITIONS, 210);
VALUE(ATTN_ROLE_POS_Q, 30);
VALUE(ATTN_ROLE_POS_K, 31);
VALUE(ATTN_ROLE_CLASS_Q, 32);
VALUE(ATTN_ROLE_CLASS_K, 33);
VALUE(ATTN_ROLE_RECTS, 34);
VALUE(ATTN_ROLE_PREFIX_LEN, 35);
VALUE(ATTN_ROLE_LIST_OFFSETS, 36);
VALUE(ATTN_ROLE_LIST_INDEX, 37);
VALUE(ATTN_ROLE_TREE_BITS, 38);
VALUE(ATTN_PIECE_BAND, 1);
VALUE(ATTN_PIECE_RECT, 2);
VALUE(ATTN_PIECE_PREFIX, 3);
VALUE(ATTN_PIECE_STRIDE, 4);
VALUE(ATTN_MODE_MUST, 0);
VALUE(ATTN_MODE_ANY, 1);
VALUE(ATTN_PIECES_MAX, 16);

VALUE(ATTN_COMPUTE_F32, 0);
VALUE(ATTN_COMPUTE_BF16, 1);
VALUE(ATTN_COMPUTE_INT8, 2);

VALUE(ATTN_NORMALIZER_SOFTMAX, 0);
VALUE(ATTN_NORMALIZER_EXP_N, 1);
VALUE(ATTN_NORMALIZER_EXP_SUM, 2);
VALUE(ATTN_NORMALIZER_RELU, 3);
VALUE(ATTN_NORMALIZER_SIGMOID, 4);
VALUE(ATTN_NORMALIZER_NONE, 5);
VALUE(ATTN_NORMALIZER_SOFTPLUS, 6);
VALUE(ATTN_NORMALIZER_TAYLOR2, 7);
VALUE(ATTN_NORMALIZER_GELU_L2, 8);
VALUE(ATTN_NORMALIZER_L2_GELU, 9);
VALUE(ATTN_NORMALIZER_LSSAR, 10);
VALUE(ATTN_NORMALIZER_SPARSEMAX, 11);
VALUE(ATTN_NORMALIZER_ENTMAX, 12);

VALUE(ATTN_NORM_COUNT_VISIBLE, 0);
VALUE(ATTN_NORM_COUNT_KEYS, 1);
VALUE(ATTN_NORM_COUNT_ONE, 2);
VALUE(ATTN_NORM_COUNT_GIVEN, 3);

VALUE(ATTN_QK_NORM_NONE, 0);
VALUE(ATTN_QK_NORM_RMS, 1);
VALUE(ATTN_QK_NORM_LAYER, 2);
VALUE(ATTN_QK_NORM_L2, 3);
VALUE(ATTN_ROPE_NONE, 0);
VALUE(ATTN_ROPE_HALF, 1);
VALUE(ATTN_ROPE_INTERLEAVED, 2);
VALUE(ATTN_ROPE_SCALING_NONE, 0);
VALUE(ATTN_ROPE_SCALING_LINEAR, 1);
VALUE(ATTN_ROPE_SCALING_NTK, 2);
VALUE(ATTN_ROPE_SCALING_DYNAMIC_NTK, 3);
VALUE(ATTN_ROPE_SCALING_YARN, 4);
VALUE(ATTN_ROPE_SCALING_LLAMA3, 5);
VALUE(ATTN_ROPE_APPLY_QK, 0);
VALUE(ATTN_ROPE_APPLY_Q, 1);
VALUE(ATTN_ROPE_APPLY_K, 2);
VALUE(ATTN_OUT_GATE_NONE, 0);
VALUE(ATTN_OUT_GATE_SIGMOID, 1);
VALUE(ATTN_OUT_GATE_MULTIPLY, 2);
VALUE(ATTN_OUT_NORM_NONE, 0);
VALUE(ATTN_OUT_NORM_RMS, 1);
VALUE(ATTN_BLAS_AUTO, 0);
VALUE(ATTN_BLAS_NEVER, 1);

VALUE(ATTN_CHECK_SHAPES, 0);
VALUE(ATTN_CHECK_INDICES, 1);
VALUE(ATTN_CHECK_DATA, 2);

VALUE(ATTN_EFFORT_ESTIMATE, 0);
VALUE(ATTN_EFFORT_MEASURE, 1);
VALUE(ATTN_EFFORT_EXHAUSTIVE, 2);
VALUE(ATTN_INVARIANT_BATCH, 0);
VALUE(ATTN_INVARIANT_CHUNK, 1);

VALUE(ATTN_CACHE_LOSSY, 1);
VALUE(ATTN_CACHE_PAGES_TOTAL, 1);
VALUE(ATTN_CACHE_PAGES_USED, 2);
VALUE(ATTN_CACHE_PAGES_PEAK, 3);
VALUE(ATTN_CACHE_PAGES_SHARED, 4);
VALUE(ATTN_CACHE_BYTES, 5);
VALUE(ATTN_CACHE_SEQUENCES, 6);
VALUE(ATTN_CACHE_CELLS, 7);
VALUE(ATTN_CACHE_APPENDED, 8);
VALUE(ATTN_CACHE_COPIES, 9);
VALUE(ATTN_CACHE_EVICTED, 10);
VALUE(ATTN_CACHE_PRUNED, 11);
VALUE(ATTN_CACHE_REFUSED, 12);
VALUE(ATTN_CACHE_SEQ_NEXT, 1);
VALUE(ATTN_CACHE_SEQ_LAST, 2);
VALUE(ATTN_CACHE_SEQ_CELLS, 3);
VALUE(ATTN_CACHE_SEQ_LOSSY, 4);
VALUE(ATTN_CACHE_SEQ_OPEN, 5);

VALUE(ATTN_WANT_PROBS, 1);
VALUE(ATTN_WANT_SCORES_RAW, 2);
VALUE(ATTN_WANT_SCORES_CAPPED, 4);
VALUE(ATTN_WANT_SCORES_BIASED, 8);
VALUE(ATTN_WANT_COLSUM, 16);
VALUE(ATTN_WANT_ROWMAX, 32);
VALUE(ATTN_WANT_ENTROPY, 64);
VALUE(ATTN_WANT_ARGMAX, 128);
VALUE(ATTN_WANT_CLASSMASS, 256);
VALUE(ATTN_WANT_COUNTS, 512);

VALUE(ATTN_PARAM_TYPE_I64, 1);
VALUE(ATTN_PARAM_TYPE_BOOL, 2);
VALUE(ATTN_PARAM_TYPE_ENUM, 3);
VALUE(ATTN_PARAM_TYPE_SET, 4);
VALUE(ATTN_PARAM_TYPE_F64, 5);
VALUE(ATTN_PARAM_TYPE_TEXT, 6);
VALUE(ATTN_PARAM_TYPE_I64S, 7);
VALUE(ATTN_PARAM_TYPE_F64S, 8);

VALUE(ATTN_ROLE_Q, 1);
VALUE(ATTN_ROLE_K, 2);
VALUE(ATTN_ROLE_V, 3);
VALUE(ATTN_ROLE_BIAS, 10);
VALUE(ATTN_ROLE_MASK, 11);
VALUE(ATTN_ROLE_SINK_LOGITS, 12);
VALUE(ATTN_ROLE_SEG_Q, 13);
VALUE(ATTN_ROLE_SEG_K, 14);
VALUE(ATTN_ROLE_Q_OFFSETS, 20);
VALUE(ATTN_ROLE_K_OFFSETS, 21);
VALUE(ATTN_ROLE_Q_LEN, 22);
VALUE(ATTN_ROLE_K_LEN, 23);
VALUE(ATTN_ROLE_K_START, 24);
VALUE(ATTN_ROLE_USER, 29);
VALUE(ATTN_ROLE_PGQA_NOISE, 40);
VALUE(ATTN_ROLE_LAMA_P, 41);
VALUE(ATTN_ROLE_LAMA_Q, 42);
VALUE(ATTN_ROLE_ROW_SCALE, 60);
VALUE(ATTN_ROLE_BIAS_TABLE, 61);
VALUE(ATTN_ROLE_T5_WEIGHT, 62);
VALUE(ATTN_ROLE_GRID_Y, 63);
VALUE(ATTN_ROLE_GRID_X, 64);
VALUE(ATTN_ROLE_SWIN_TABLE, 65);
VALUE(ATTN_ROLE_QUERY_TABLE, 66);
VALUE(ATTN_ROLE_Q_BIAS_CONTENT, 67);
VALUE(ATTN_ROLE_Q_BIAS_TABLE, 68);
VALUE(ATTN_ROLE_QUERY_TABLE_BIAS, 69);
VALUE(ATTN_ROLE_CONV_Q, 70);
VALUE(ATTN_ROLE_CONV_K, 71);
VALUE(ATTN_ROLE_CONV_V, 72);
VALUE(ATTN_ROLE_CONV_Q_BIAS, 73);
VALUE(ATTN_ROLE_CONV_K_BIAS, 74);
VALUE(ATTN_ROLE_CONV_V_BIAS, 75);
VALUE(ATTN_ROLE_EULER_DELTA, 76);
VALUE(ATTN_ROLE_EULER_SHIFT, 77);
VALUE(ATTN_ROLE_POINTER_W, 78);
VALUE(ATTN_ROLE_CLASS_TERMS, 79);
VALUE(ATTN_ROLE_K2, 4);
VALUE(ATTN_ROLE_V2, 5);
VALUE(ATTN_ROLE_ROWS, 6);
VALUE(ATTN_ROLE_Q_NORM_W, 80);
VALUE(ATTN_ROLE_K_NORM_W, 81);
VALUE(ATTN_ROLE_Q_NORM_B, 82);
VALUE(ATTN_ROLE_K_NORM_B, 83);
VALUE(ATTN_ROLE_ROPE_POS_Q, 84);
VALUE(ATTN_ROLE_ROPE_POS_K, 85);
VALUE(ATTN_ROLE_GATE, 7);
VALUE(ATTN_ROLE_Q2, 8);
VALUE(ATTN_ROLE_DOCS, 9);
VALUE(ATTN_ROLE_OUT_NORM_W, 86);
VALUE(ATTN_ROLE_OUT_GATE, 87);
VALUE(ATTN_ROLE_HEAD_FACTOR, 88);
VALUE(ATTN_ROLE_MIX_TARGET, 89);
VALUE(ATTN_ROLE_MIX_ALPHA, 90);
VALUE(ATTN_ROLE_DIFF_LAMBDA, 91);
VALUE(ATTN_ROLE_Q_NOPE, 92);
VALUE(ATTN_ROLE_Q_PE, 93);
VALUE(ATTN_ROLE_LATENT, 94);
VALUE(ATTN_ROLE_MLA_WUK, 95);
VALUE(ATTN_ROLE_MLA_WUV, 96);
VALUE(ATTN_ROLE_OUT, 100);
VALUE(ATTN_ROLE_LSE, 101);
VALUE(ATTN_ROLE_PROBS, 102);
VALUE(ATTN_ROLE_SCORES_RAW, 103);
VALUE(ATTN_ROLE_SCORES_CAPPED, 104);
VALUE(ATTN_ROLE_SCORES_BIASED, 105);
VALUE(ATTN_ROLE_COLSUM, 106);
VALUE(ATTN_ROLE_ROWMAX, 107);
VALUE(ATTN_ROLE_ENTROPY, 108);
VALUE(ATTN_ROLE_ARGMAX, 109);
VALUE(ATTN_ROLE_CLASSMASS, 110);
VALUE(ATTN_ROLE_COUNTS, 111);
VALUE(ATTN_ROLE_OUT_CROSS, 112);
VALUE(ATTN_ROLE_LSE_CROSS, 113);
VALUE(ATTN_ROLE_FACTORS, 114);
VALUE(ATTN_ROLE_G, 120);
VALUE(ATTN_ROLE_BETA, 121);
VALUE(ATTN_ROLE_WRITE, 122);
VALUE(ATTN_ROLE_ERASE, 123);
VALUE(ATTN_ROLE_VALUE_GATE, 124);
VALUE(ATTN_ROLE_BONUS, 125);
VALUE(ATTN_ROLE_RESET, 126);
VALUE(ATTN_ROLE_STATE, 127);
VALUE(ATTN_ROLE_STATE_INDEX, 128);
VALUE(ATTN_ROLE_GATE_A, 129);
VALUE(ATTN_ROLE_GATE_BIAS, 130);
VALUE(ATTN_ROLE_FEATURE_WQ, 131);
VALUE(ATTN_ROLE_FEATURE_WK, 132);
VALUE(ATTN_ROLE_FEATURE_BQ, 133);
VALUE(ATTN_ROLE_FEATURE_BK, 134);
VALUE(ATTN_ROLE_SKIP, 135);
VALUE(ATTN_ROLE_K_SCALE, 136);
VALUE(ATTN_ROLE_K_MIX, 137);
VALUE(ATTN_ROLE_AGENTS, 140);
VALUE(ATTN_ROLE_AGENT_CONV, 143);
VALUE(ATTN_ROLE_AGENT_CONV_BIAS, 144);
VALUE(ATTN_ROLE_ROUTER_X, 160);
VALUE(ATTN_ROLE_ROUTER_W, 161);
VALUE(ATTN_ROLE_ROUTER_SHARED_W, 162);
VALUE(ATTN_ROLE_ROUTER_MIX_W, 163);
VALUE(ATTN_ROLE_ROUTER_B, 164);
#include "layout_select.h"

VALUE(ATTN_ROLE_EXPERT_W, 166);
VALUE(ATTN_ROLE_EXPERTS, 118);
VALUE(ATTN_PARAM_MOA_EXPERTS, 30300);
VALUE(ATTN_PARAM_MOA_FORM, 30301);
VALUE(ATTN_PARAM_MOA_CHANNELS, 30302);
VALUE(ATTN_MOA_PAPER, 0);
VALUE(ATTN_MOA_CODE, 1);
VALUE(ATTN_MECH_UOE_SMHA, 301);
VALUE(ATTN_MECH_BAM_SOFT_MOA, 302);
VALUE(ATTN_MECH_MOA_HEADS, 303);
VALUE(ATTN_PARAM_UOE_ACTIVE, 30100);
VALUE(ATTN_PARAM_UOE_CHANNELS, 30101);
VALUE(ATTN_PARAM_UOE_PAD, 30102);
VALUE(ATTN_PARAM_BAM_EXPERTS, 30200);
VALUE(ATTN_PARAM_BAM_SHARED_KV, 30201);
VALUE(ATTN_PARAM_BAM_CHANNELS, 30202);
VALUE(ATTN_ROLE_AUX_LOSS, 115);
VALUE(ATTN_WANT_AUX_LOSS, 1024);
VALUE(ATTN_ROLE_SKIP_BOUND, 117);
VALUE(ATTN_WANT_SKIP_BOUND, 2048);
VALUE(ATTN_MECH_MOH, 300);
VALUE(ATTN_PARAM_MOH_FORM, 30000);
VALUE(ATTN_PARAM_MOH_SHARED, 30001);
VALUE(ATTN_PARAM_MOH_ACTIVE, 30002);
VALUE(ATTN_PARAM_MOH_CHANNELS, 30003);
VALUE(ATTN_PARAM_MOH_ROUTER, 30004);
VALUE(ATTN_MOH_CODE, 0);
VALUE(ATTN_MOH_PAPER, 1);
VALUE(ATTN_MOH_LLAMA, 2);
VALUE(ATTN_ROLE_AGENT_K_BIAS, 141);
VALUE(ATTN_ROLE_AGENT_Q_BIAS, 142);
VALUE(ATTN_ROLE_BIRDIE_MASK, 146);
VALUE(ATTN_ROLE_FORGET, 145);

#include "layout_scan.h"
VALUE(ATTN_PARAM_AGENT_CLASS, 22005);
VALUE(ATTN_PARAM_AGENT_CONV, 22008);
VALUE(ATTN_PARAM_AGENT_H, 22001);
VALUE(ATTN_PARAM_AGENT_KV_H, 22003);
VALUE(ATTN_PARAM_AGENT_KV_W, 22004);
VALUE(ATTN_PARAM_AGENT_K_BIAS, 22006);
VALUE(ATTN_PARAM_AGENT_Q_BIAS, 22007);
VALUE(ATTN_PARAM_AGENT_SD_POWER, 22101);
VALUE(ATTN_PARAM_AGENT_SD_SHORTCUT, 22102);
VALUE(ATTN_PARAM_AGENT_SD_TOKENS, 22100);
VALUE(ATTN_PARAM_AGENT_TOKENS, 22000);
VALUE(ATTN_PARAM_AGENT_W, 22002);
VALUE(ATTN_PARAM_FLOW_CLAMP, 20400);
VALUE(ATTN_PARAM_FLOW_EPS, 20401);
VALUE(ATTN_PARAM_BIRDIE_FORM, 22200);
VALUE(ATTN_PARAM_BIRDIE_FORWARD, 22201);
VALUE(ATTN_MECH_SCAN, 199);
VALUE(ATTN_MECH_LINEAR_ATTENTION, 200);
VALUE(ATTN_MECH_GLA, 201);
VALUE(ATTN_MECH_LIGHTNING, 202);
VALUE(ATTN_MECH_HEDGEHOG, 203);
VALUE(ATTN_MECH_LIGHTNET, 205);
VALUE(ATTN_MECH_RETNET, 206);
VALUE(ATTN_MECH_MAMBA2, 207);
VALUE(ATTN_MECH_DELTANET, 208);
VALUE(ATTN_MECH_GATED_DELTANET, 209);
VALUE(ATTN_MECH_KDA, 210);
VALUE(ATTN_MECH_RWKV6, 211);
VALUE(ATTN_MECH_RWKV7, 212);
VALUE(ATTN_MECH_HGRN2, 213);
VALUE(ATTN_MECH_PERFORMER, 214);
VALUE(ATTN_MECH_COSFORMER, 215);
VALUE(ATTN_MECH_GDN2, 216);
VALUE(ATTN_MECH_COMBA, 217);
VALUE(ATTN_MECH_DELTAPRODUCT, 218);
VALUE(ATTN_MECH_BASED, 219);
VALUE(ATTN_MECH_AGENT_ATTENTION, 220);
VALUE(ATTN_MECH_AGENT_SD, 221);
VALUE(ATTN_MECH_FLOW_ATTENTION, 204);
VALUE(ATTN_MECH_BIRDIE, 222);

VALUE(ATTN_STATE_PART_S, 1);
VALUE(ATTN_STATE_PART_SUM, 2);
VALUE(ATTN_STATE_PART_LSE, 3);
VALUE(ATTN_STATE_PART_COUNT, 4);
VALUE(ATTN_STATE_PART_M, 5);
VALUE(ATTN_STATE_PART_LOG_M, 6);

VALUE(ATTN_LOGN_COUNT_POSITION, 0);
VALUE(ATTN_LOGN_COUNT_KEYS, 1);
VALUE(ATTN_LIGHTNING_CODE, 0);
VALUE(ATTN_LIGHTNING_PAPER, 1);
VALUE(ATTN_BIRDIE_MATRIX, 1);
VALUE(ATTN_BIRDIE_VECTOR, 0);

_Static_assert(ATTN_UNBOUNDED == INT64_MIN, "ATTN_UNBOUNDED is not INT64_MIN");

#if UINTPTR_MAX == UINT64_MAX
#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " is not " #bytes " bytes")
#define OFFSET(type, field, bytes)                                                                 \
    _Static_assert(offsetof(type, field) == (bytes), #type "." #field " is not at " #bytes)

SIZE(attn_tensor, 144);
OFFSET(attn_tensor, data, 0);
OFFSET(attn_tensor, dtype, 8);
OFFSET(attn_tensor, rank, 12);
OFFSET(attn_tensor, shape, 16);
OFFSET(attn_tensor, stride, 80);

SIZE(attn_arg, 16);
OFFSET(attn_arg, role, 0);
OFFSET(attn_arg, zero, 4);
OFFSET(attn_arg, object, 8);

/* Size-first structs: fields may be added behind these, then SIZE changes. */
SIZE(attn_allocator, 32);
OFFSET(attn_allocator, size, 0);
OFFSET(attn_allocator, user, 8);
OFFSET(attn_allocator, alloc, 16);
OFFSET(attn_allocator, free, 24);

SIZE(attn_logger, 24);
OFFSET(attn_logger, size, 0);
OFFSET(attn_logger, user, 8);
OFFSET(attn_logger, log, 16);

SIZE(attn_parallel, 32);
OFFSET(attn_parallel, size, 0);
OFFSET(attn_parallel, user, 8);
OFFSET(attn_parallel, threads, 16);
OFFSET(attn_parallel, run, 24);
#endif

/* Members of hook structs, by the type of a pointer to them. */
#define MEMBER(type, field, of)                                                                    \
    _Static_assert(_Generic(&((type *)0)->field, of: 1, default: 0), #type "." #field " changed")

MEMBER(attn_allocator, alloc, void *(**)(void *, size_t, size_t));
MEMBER(attn_allocator, free, void (**)(void *, void *, size_t));
MEMBER(attn_logger, log, void (**)(void *, int32_t, const char *));
MEMBER(attn_parallel, threads, int64_t *);
MEMBER(attn_parallel, run,
       void (**)(void *, int64_t, void (*)(void *, int64_t), void *));
MEMBER(attn_tensor, data, void **);
MEMBER(attn_tensor, shape, int64_t (*)[8]);
MEMBER(attn_tensor, stride, int64_t (*)[8]);
MEMBER(attn_arg, object, const void **);

#define FUNCTION(name, ...)                                                                        \
    _Static_assert(_Generic(&(name), __VA_ARGS__: 1, default: 0), #name " has another type")

#include "layout_selection.h"

FUNCTION(attn_version, uint32_t (*)(void));
FUNCTION(attn_version_text, const char *(*)(void));
FUNCTION(attn_status_name, const char *(*)(int32_t));
FUNCTION(attn_status_text, const char *(*)(int32_t));
FUNCTION(attn_last_error, size_t (*)(char *, size_t));
FUNCTION(attn_tensor_init, int32_t (*)(attn_tensor *, void *, int32_t, int32_t, const int64_t *));
FUNCTION(attn_dtype_size, size_t (*)(int32_t));
FUNCTION(attn_dtype_row_size, size_t (*)(int32_t, int64_t));
FUNCTION(attn_dtype_name, const char *(*)(int32_t));
FUNCTION(attn_ctx_create, int32_t (*)(const attn_allocator *, attn_ctx **));
FUNCTION(attn_ctx_destroy, void (*)(attn_ctx *));
FUNCTION(attn_ctx_set_i64, int32_t (*)(attn_ctx *, int32_t, int64_t));
FUNCTION(attn_ctx_get_i64, int32_t (*)(const attn_ctx *, int32_t, int64_t *));
FUNCTION(attn_ctx_set_logger, int32_t (*)(attn_ctx *, const attn_logger *));
FUNCTION(attn_ctx_set_parallel, int32_t (*)(attn_ctx *, const attn_parallel *));
FUNCTION(attn_ctx_describe, int32_t (*)(const attn_ctx *, char *, size_t, size_t *));
FUNCTION(attn_isa_at, int32_t (*)(size_t));
FUNCTION(attn_isa_name, const char *(*)(int32_t));
FUNCTION(attn_isa_usable, int32_t (*)(int32_t));
FUNCTION(attn_desc_create, int32_t (*)(attn_ctx *, int32_t, attn_desc **));
FUNCTION(attn_desc_parse, int32_t (*)(attn_ctx *, const char *, attn_desc **));
FUNCTION(attn_desc_print, int32_t (*)(const attn_desc *, char *, size_t, size_t *));
FUNCTION(attn_desc_destroy, void (*)(attn_desc *));
FUNCTION(attn_desc_set_i64, int32_t (*)(attn_desc *, int32_t, int64_t));
FUNCTION(attn_desc_set_f64, int32_t (*)(attn_desc *, int32_t, double));
FUNCTION(attn_desc_set_text, int32_t (*)(attn_desc *, int32_t, const char *));
FUNCTION(attn_desc_set_i64s, int32_t (*)(attn_desc *, int32_t, const int64_t *, size_t));
FUNCTION(attn_desc_set_f64s, int32_t (*)(attn_desc *, int32_t, const double *, size_t));
FUNCTION(attn_desc_set_score_fn, int32_t (*)(attn_desc *, attn_score_fn));
FUNCTION(attn_desc_get_i64, int32_t (*)(const attn_desc *, int32_t, int64_t *));
FUNCTION(attn_desc_get_f64, int32_t (*)(const attn_desc *, int32_t, double *));
FUNCTION(attn_desc_get_text, int32_t (*)(const attn_desc *, int32_t, char *, size_t, size_t *));
FUNCTION(attn_desc_get_i64s, int32_t (*)(const attn_desc *, int32_t, int64_t *, size_t,
         size_t *));
FUNCTION(attn_desc_get_f64s, int32_t (*)(const attn_desc *, int32_t, double *, size_t, size_t *));
FUNCTION(attn_desc_unset, int32_t (*)(attn_desc *, int32_t));
FUNCTION(attn_desc_is_set, int32_t (*)(const attn_desc *, int32_t, int32_t *));
FUNCTION(attn_desc_set_mask_fn, int32_t (*)(attn_desc *, attn_mask_fn));
FUNCTION(attn_desc_add_piece, int32_t (*)(attn_desc *, int32_t, int32_t, const int64_t *, size_t));
FUNCTION(attn_desc_piece_count, int32_t (*)(const attn_desc *, size_t *));
FUNCTION(attn_desc_piece_at, int32_t (*)(const attn_desc *, size_t, int32_t *, int32_t *, int64_t *,
                                         size_t, size_t *));
FUNCTION(attn_desc_clear_pieces, int32_t (*)(attn_desc *));
FUNCTION(attn_piece_kind_at, int32_t (*)(size_t));
FUNCTION(attn_piece_name, const char *(*)(int32_t));
FUNCTION(attn_piece_find, int32_t (*)(const char *, int32_t *));
FUNCTION(attn_param_at, int32_t (*)(size_t));
FUNCTION(attn_param_name, const char *(*)(int32_t));
FUNCTION(attn_param_find, int32_t (*)(const char *, int32_t *));
FUNCTION(attn_param_type, int32_t (*)(int32_t));
FUNCTION(attn_param_help, const char *(*)(int32_t));
FUNCTION(attn_param_word, const char *(*)(int32_t, size_t, int64_t *));
FUNCTION(attn_param_bounds_i64, int32_t (*)(int32_t, int64_t *, int64_t *));
FUNCTION(attn_param_bounds_f64, int32_t (*)(int32_t, double *, double *));
FUNCTION(attn_mech_at, int32_t (*)(size_t));
FUNCTION(attn_mech_name, const char *(*)(int32_t));
FUNCTION(attn_mech_find, int32_t (*)(const char *, int32_t *));
FUNCTION(attn_plan_create, int32_t (*)(attn_ctx *, const attn_desc *, attn_plan **));
FUNCTION(attn_plan_destroy, void (*)(attn_plan *));
FUNCTION(attn_plan_workspace, int32_t (*)(const attn_plan *, size_t *, size_t *));
FUNCTION(attn_plan_execute, int32_t (*)(const attn_plan *, const attn_arg *, size_t,
         void *, size_t));
FUNCTION(attn_plan_describe, int32_t (*)(const attn_plan *, int64_t, int64_t, char *,
         size_t, size_t *));
FUNCTION(attn_plan_solver, const char *(*)(const attn_plan *, int64_t, int64_t));
FUNCTION(attn_solver_at, const char *(*)(size_t));
FUNCTION(attn_role_at, int32_t (*)(size_t));
FUNCTION(attn_role_name, const char *(*)(int32_t));
FUNCTION(attn_role_shape, const char *(*)(int32_t));
FUNCTION(attn_plan_role_at, int32_t (*)(const attn_plan *, size_t, int32_t *));
FUNCTION(attn_plan_shape,
         int32_t (*)(const attn_plan *, const attn_arg *, size_t, int32_t, attn_tensor *));
FUNCTION(attn_plan_tiles,
         int32_t (*)(const attn_plan *, const attn_arg *, size_t, int64_t, int64_t, int64_t,
                     int64_t, uint8_t *, size_t, int64_t *, int64_t *));
VALUE(ATTN_TILE_EMPTY, 0);
VALUE(ATTN_TILE_PARTIAL, 1);
VALUE(ATTN_TILE_FULL, 2);
FUNCTION(attn_role_find, int32_t (*)(const char *, int32_t *));
FUNCTION(attn_role_is_output, int32_t (*)(int32_t));
FUNCTION(attn_merge, int32_t (*)(size_t, const attn_tensor *, const attn_tensor *,
         const attn_tensor *, const attn_tensor *));
FUNCTION(attn_retrieval_head_scores,
         int32_t (*)(const attn_tensor *, const attn_tensor *, const attn_tensor *, int64_t,
                     int64_t, const attn_tensor *));
FUNCTION(attn_razor_head_scores, int32_t (*)(const attn_tensor *, int64_t, int64_t,
         const attn_tensor *, const attn_tensor *));
FUNCTION(attn_moa_span_rule, int32_t (*)(size_t, const double *, const double *, int64_t,
         int64_t, int64_t, int64_t *, int64_t *));
FUNCTION(attn_task_kv_rule, int32_t (*)(int64_t, int64_t, int64_t, double, double, int64_t,
         int64_t, int64_t, int64_t, int64_t *, int64_t *));
FUNCTION(attn_task_kv_heads, int32_t (*)(const attn_tensor *, const attn_tensor *, int64_t,
         int64_t, const attn_tensor *, const attn_tensor *, const attn_tensor *));
FUNCTION(attn_vhd, int32_t (*)(const attn_tensor *, const attn_tensor *, const attn_tensor *));
FUNCTION(attn_rollout, int32_t (*)(const attn_tensor *, double, const attn_tensor *,
         const attn_tensor *));
FUNCTION(attn_head_map_norms, int32_t (*)(const attn_tensor *, size_t, double *));
FUNCTION(attn_head_map_kdgqa, int32_t (*)(size_t, const double *, size_t, int64_t *));
FUNCTION(attn_head_map_dgqa, int32_t (*)(size_t, const double *, const double *, int32_t, size_t,
         int64_t *));
FUNCTION(attn_head_map_expand, int32_t (*)(size_t, const int64_t *, size_t, int64_t *));
FUNCTION(attn_pgqa_noise, int32_t (*)(const attn_tensor *, size_t, const attn_tensor *));
FUNCTION(attn_alibi_slopes, int32_t (*)(size_t, double *));
FUNCTION(attn_lightning_slopes, int32_t (*)(size_t, int32_t, int64_t, int64_t, double *));
FUNCTION(attn_short_conv,
         int32_t (*)(attn_ctx *, const attn_tensor *, const attn_tensor *,
                     const attn_tensor *, int32_t, const attn_tensor *, const attn_tensor *));
FUNCTION(attn_agent_bias, int32_t (*)(const attn_tensor *, const attn_tensor *, const attn_tensor *,
                                      const attn_tensor *, const attn_tensor *));
FUNCTION(attn_segment_create, int32_t (*)(attn_ctx *, const attn_plan *, int64_t, attn_state **));
FUNCTION(attn_segment_compose, int32_t (*)(attn_state *, int64_t, const attn_state *, int64_t,
         const attn_state *, int64_t));
FUNCTION(attn_segment_apply, int32_t (*)(const attn_state *, int64_t, attn_state *, int64_t));
FUNCTION(attn_state_create, int32_t (*)(attn_ctx *, const attn_plan *, int64_t, attn_state **));
FUNCTION(attn_state_destroy, void (*)(attn_state *));
FUNCTION(attn_state_slots, int64_t (*)(const attn_state *));
FUNCTION(attn_state_zero, int32_t (*)(attn_state *, int64_t, int64_t));
FUNCTION(attn_state_copy, int32_t (*)(attn_state *, int64_t, const attn_state *, int64_t));
FUNCTION(attn_state_shape, int32_t (*)(const attn_state *, int32_t, attn_tensor *));
FUNCTION(attn_state_export,
         int32_t (*)(const attn_state *, int64_t, int32_t, const attn_tensor *));
FUNCTION(attn_state_import, int32_t (*)(attn_state *, int64_t, int32_t, const attn_tensor *));
#include "layout_cache_calls.h"
FUNCTION(attn_wisdom_export, int32_t (*)(const attn_ctx *, char *, size_t, size_t *));
FUNCTION(attn_wisdom_import, int32_t (*)(attn_ctx *, const char *, size_t *, size_t *));
FUNCTION(attn_wisdom_clear, int32_t (*)(attn_ctx *));
FUNCTION(attn_softmax_f32, int32_t (*)(attn_ctx *, int64_t, int64_t, int64_t, int64_t,
         int64_t, int64_t, int32_t, const float *, const float *, const float *, float *));
