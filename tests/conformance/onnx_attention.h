/* SPDX-License-Identifier: MIT */
/* Runs one Attention node of ONNX through libattn's public interface. */
#ifndef ATTN_TESTS_ONNX_ATTENTION_H
#define ATTN_TESTS_ONNX_ATTENTION_H

#include "onnx_file.h"

#include <attn/context.h>

/*
 * Fills out[ONNX_OUTPUTS]: the ones the node names. problem[len] gets the
 * problem string that was planned, for messages. Returns 0, or -1 with a
 * message in err[ONNX_ERROR_BYTES].
 */
int onnx_attention_run(attn_ctx *ctx, const onnx_attention *model,
                       const onnx_tensor in[ONNX_INPUTS],
                       onnx_tensor out[ONNX_OUTPUTS], char *problem,
                       size_t len, char *err);

#endif
