/* SPDX-License-Identifier: MIT */
/*
 * A small interpreter of ONNX graphs: what FlexAttention carries as score_mod,
 * a function from scores [B,H,L,S] to scores of the same shape. Every value is
 * held in doubles, whatever its element type.
 */
#ifndef ATTN_TESTS_ONNX_GRAPH_H
#define ATTN_TESTS_ONNX_GRAPH_H

#include "onnx_file.h"
#include "pb.h"

typedef struct onnx_graph onnx_graph;

/* Reads a GraphProto with one input and one output. 0, or -1 with a message in
 * err[ONNX_ERROR_BYTES]; to be freed by the caller, NULL is fine. */
int onnx_graph_parse(pb message, onnx_graph **graph, char *err);
void onnx_graph_free(onnx_graph *graph);

/*
 * Computes the output from the input, both of `shape`, of n elements. 0, or -1
 * with a message.
 */
int onnx_graph_run(const onnx_graph *graph, const int64_t shape[4],
                   const double *input, double *output, char *err);

#endif
