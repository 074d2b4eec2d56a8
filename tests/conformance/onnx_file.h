/* SPDX-License-Identifier: MIT */
/*
 * What the conformance runner needs of ONNX files: tensors, and models whose
 * graph is a single node, Attention, FlexAttention or LinearAttention.
 */
#ifndef ATTN_TESTS_ONNX_FILE_H
#define ATTN_TESTS_ONNX_FILE_H

#include "pb.h"

#include <attn/tensor.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ONNX_NAME = 64,
    ONNX_SLOTS = 8,
    ONNX_ERROR_BYTES = 512,
    ONNX_RANK = 6 /* of the tensors read; Attention has 4 at most */
};

/* Slots of the Attention operator; FlexAttention has the first three,
 * LinearAttention those and others behind them. */
enum {
    ONNX_IN_Q,
    ONNX_IN_K,
    ONNX_IN_V,
    ONNX_IN_MASK,
    ONNX_IN_PAST_KEY,
    ONNX_IN_PAST_VALUE,
    ONNX_IN_NONPAD,
    ONNX_INPUTS,
    ONNX_IN_PAST_STATE = 3,
    ONNX_IN_DECAY = 4,
    ONNX_IN_BETA = 5
};

enum {
    ONNX_OUT_Y,
    ONNX_OUT_PRESENT_KEY,
    ONNX_OUT_PRESENT_VALUE,
    ONNX_OUT_QK,
    ONNX_OUTPUTS,
    ONNX_OUT_STATE = 1
};

/* A dense tensor; data owned by it. dtype is an ATTN_DTYPE_*. */
typedef struct onnx_tensor {
    bool present;
    int32_t dtype;
    int32_t rank;
    int64_t shape[ONNX_RANK];
    int64_t count;
    void *data;
} onnx_tensor;

struct onnx_graph;

typedef struct onnx_attention {
    int64_t opset;
    int64_t is_causal, q_num_heads, kv_num_heads, qk_mode; /* 0: not given */
    bool has_scale;
    float scale, softcap;
    bool linear;                  /* it is LinearAttention */
    char update_rule[ONNX_NAME];  /* of that; empty: not given */
    struct onnx_graph *score_mod; /* of FlexAttention; NULL: none */
    /* For each slot the number of the graph's input or output, or -1. */
    int32_t input[ONNX_INPUTS];
    int32_t output[ONNX_OUTPUTS];
} onnx_attention;

/* Each returns 0, or -1 with a message in err[ONNX_ERROR_BYTES]. */
int onnx_model_read(const char *path, onnx_attention *model, char *err);
void onnx_model_free(onnx_attention *model); /* after a failure as well */
int onnx_tensor_parse(pb message, const char *path, onnx_tensor *tensor,
                      char *err);
int onnx_tensor_read(const char *path, onnx_tensor *tensor, char *err);
int onnx_tensor_make(onnx_tensor *tensor, int32_t dtype, int32_t rank,
                     const int64_t *shape, char *err);
void onnx_tensor_free(onnx_tensor *tensor);

/* Element i as a double; NaN for an element type that is not handled. */
double onnx_tensor_get(const onnx_tensor *tensor, int64_t i);

#endif
