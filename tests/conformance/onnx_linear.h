/* SPDX-License-Identifier: MIT */
/* Runs one LinearAttention node of ONNX through libattn's public interface. */
#ifndef ATTN_TESTS_ONNX_LINEAR_H
#define ATTN_TESTS_ONNX_LINEAR_H

#include "onnx_file.h"

#include <attn/context.h>

/* As onnx_attention_run. */
int onnx_linear_run(attn_ctx *ctx, const onnx_attention *model,
                    const onnx_tensor in[ONNX_INPUTS],
                    onnx_tensor out[ONNX_OUTPUTS], char *problem, size_t len,
                    char *err);

#endif
