/* SPDX-License-Identifier: MIT */
/*
 * Nodes in the order of the file, which is one they can be computed in. Values
 * are known by number: 0 is the graph's input, then come the constants and
 * the outputs of the nodes.
 */
#include "onnx_graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_VALUES = 64, MAX_NODES = 32, MAX_INPUTS = 3, COUNT_LIMIT = 1 << 22 };

struct value {
    int32_t rank;
    int64_t shape[ONNX_RANK];
    int64_t count;
    double *data;
};

struct op;

struct node {
    const struct op *op;
    int32_t input[MAX_INPUTS];
    int32_t n_inputs, output;
    int64_t axis;
};

struct onnx_graph {
    int32_t n_values, n_nodes, result;
    char name[MAX_VALUES][ONNX_NAME];
    struct value constant[MAX_VALUES]; /* without data where computed */
    struct node node[MAX_NODES];
};

static int fail(char *err, const char *what)
{
    snprintf(err, ONNX_ERROR_BYTES, "score_mod: %.200s", what);
    return -1;
}

static int make(struct value *v, int32_t rank, const int64_t *shape)
{
    v->rank = rank;
    v->count = 1;
    for (int32_t i = 0; i < rank; i++) {
        v->shape[i] = shape[i];
        if (shape[i] < 0 || __builtin_mul_overflow(v->count, shape[i], &v->count))
            return -1;
    }
    if (v->count > COUNT_LIMIT)
        return -1;
    v->data = calloc((size_t)v->count + 1, sizeof *v->data);
    return v->data ? 0 : -1;
}

/* Operators: each makes *out of in[n]; -1 if the inputs do not fit it. */

static int op_shape(const struct node *node, const struct value *in, struct value *out)
{
    int64_t n = in[0].rank;
    (void)node;
    if (make(out, 1, &n))
        return -1;
    for (int64_t i = 0; i < n; i++)
        out->data[i] = (double)in[0].shape[i];
    return 0;
}

/* One element of a list. */
static int op_gather(const struct node *node, const struct value *in, struct value *out)
{
    if (node->axis != 0 || in[0].rank != 1 || in[1].count != 1)
        return -1;
    double at = in[1].data[0] < 0 ? in[1].data[0] + (double)in[0].count : in[1].data[0];
    if (!(at >= 0 && at < (double)in[0].count) || make(out, in[1].rank, in[1].shape))
        return -1;
    out->data[0] = in[0].data[(int64_t)at];
    return 0;
}

static int op_range(const struct node *node, const struct value *in, struct value *out)
{
    (void)node;
    if (in[0].count != 1 || in[1].count != 1 || in[2].count != 1 || in[2].data[0] == 0)
        return -1;
    double start = in[0].data[0], step = in[2].data[0];
    double n = fmax(ceil((in[1].data[0] - start) / step), 0);
    int64_t count = n < COUNT_LIMIT ? (int64_t)n : -1;
    if (make(out, 1, &count))
        return -1;
    for (int64_t i = 0; i < count; i++)
        out->data[i] = start + (double)i * step;
    return 0;
}

static int op_reshape(const struct node *node, const struct value *in, struct value *out)
{
    int64_t shape[ONNX_RANK], known = 1, open = -1;
    (void)node;
    if (in[1].rank != 1 || in[1].count > ONNX_RANK)
        return -1;
    for (int64_t i = 0; i < in[1].count; i++) {
        shape[i] = (int64_t)in[1].data[i];
        if (shape[i] == -1)
            open = i;
        else
            known *= shape[i];
    }
    if (open >= 0)
        shape[open] = known > 0 ? in[0].count / known : -1;
    if (make(out, (int32_t)in[1].count, shape) || out->count != in[0].count)
        return -1;
    memcpy(out->data, in[0].data, (size_t)out->count * sizeof *out->data);
    return 0;
}

/* Operators by elements, on extents matched from the right. */
static double element(const struct value *v, const struct value *out, int64_t at)
{
    int64_t offset = 0, step = 1;
    for (int32_t i = 0; i < v->rank; i++) {
        int64_t extent = v->shape[v->rank - 1 - i], whole = out->shape[out->rank - 1 - i];
        if (extent > 1)
            offset += at % whole * step;
        at /= whole;
        step *= extent;
    }
    return v->data[offset];
}

static int broadcast(const struct value *in, int32_t n, struct value *out)
{
    int64_t shape[ONNX_RANK] = {0};
    int32_t rank = 0;
    for (int32_t i = 0; i < n; i++)
        rank = in[i].rank > rank ? in[i].rank : rank;
    for (int32_t d = 0; d < rank; d++) { /* from the right */
        int64_t extent = 1;
        for (int32_t i = 0; i < n; i++) {
            int64_t has = d < in[i].rank ? in[i].shape[in[i].rank - 1 - d] : 1;
            if (has != 1 && extent != 1 && has != extent)
                return -1;
            extent = has != 1 ? has : extent;
        }
        shape[rank - 1 - d] = extent;
    }
    return make(out, rank, shape);
}

#define BY_ELEMENT(name, n, expression) \
    static int name(const struct node *node, const struct value *in, struct value *out) \
    { \
        (void)node; \
        if (broadcast(in, n, out)) \
            return -1; \
        for (int64_t i = 0; i < out->count; i++) { \
            double x[3] = {0}; \
            for (int32_t j = 0; j < n; j++) \
                x[j] = element(&in[j], out, i); \
            out->data[i] = expression; \
        } \
        return 0; \
    }

/* The types that vectors cast between are exact in doubles. */
BY_ELEMENT(op_same, 1, x[0])
BY_ELEMENT(op_neg, 1, -x[0])
BY_ELEMENT(op_abs, 1, fabs(x[0]))
BY_ELEMENT(op_tanh, 1, tanh(x[0]))
BY_ELEMENT(op_not, 1, x[0] == 0)
BY_ELEMENT(op_add, 2, x[0] + x[1])
BY_ELEMENT(op_sub, 2, x[0] - x[1])
BY_ELEMENT(op_mul, 2, x[0] * x[1])
BY_ELEMENT(op_div, 2, x[0] / x[1])
BY_ELEMENT(op_ge, 2, x[0] >= x[1])
BY_ELEMENT(op_gt, 2, x[0] > x[1])
BY_ELEMENT(op_le, 2, x[0] <= x[1])
BY_ELEMENT(op_lt, 2, x[0] < x[1])
BY_ELEMENT(op_eq, 2, x[0] == x[1])
BY_ELEMENT(op_and, 2, x[0] != 0 && x[1] != 0)
BY_ELEMENT(op_or, 2, x[0] != 0 || x[1] != 0)
BY_ELEMENT(op_where, 3, x[0] != 0 ? x[1] : x[2])

static const struct op {
    const char *name;
    int32_t n;
    int (*run)(const struct node *node, const struct value *in, struct value *out);
} ops[] = {
    {"Shape", 1, op_shape},      {"Gather", 2, op_gather},     {"Range", 3, op_range},
    {"Reshape", 2, op_reshape},  {"Identity", 1, op_same},     {"Cast", 1, op_same},
    {"Neg", 1, op_neg},          {"Abs", 1, op_abs},           {"Tanh", 1, op_tanh},
    {"Not", 1, op_not},          {"Add", 2, op_add},           {"Sub", 2, op_sub},
    {"Mul", 2, op_mul},          {"Div", 2, op_div},           {"GreaterOrEqual", 2, op_ge},
    {"Greater", 2, op_gt},       {"LessOrEqual", 2, op_le},    {"Less", 2, op_lt},
    {"Equal", 2, op_eq},         {"And", 2, op_and},           {"Or", 2, op_or},
    {"Where", 3, op_where},
};

static int32_t find(const onnx_graph *g, const pb *text)
{
    char name[ONNX_NAME];
    pb_text(text, name, sizeof name);
    for (int32_t i = 0; i < g->n_values; i++)
        if (strcmp(g->name[i], name) == 0)
            return i;
    return -1;
}

static int32_t add_value(onnx_graph *g, const pb *text)
{
    if (g->n_values == MAX_VALUES || find(g, text) >= 0)
        return -1;
    pb_text(text, g->name[g->n_values], ONNX_NAME);
    return g->n_values++;
}

/* AttributeProto: name = 1, i = 3. */
static int read_attribute(pb message, struct node *node, char *err)
{
    char name[ONNX_NAME] = "";
    int64_t i = 0;
    pb_field field;
    int rc;
    while ((rc = pb_next(&message, &field)) > 0) {
        if (field.number == 1 && field.wire == PB_BYTES)
            pb_text(&field.bytes, name, sizeof name);
        else if (field.number == 3 && field.wire == PB_VARINT)
            i = (int64_t)field.value;
    }
    if (strcmp(name, "axis") == 0)
        node->axis = i;
    else if (rc < 0 || strcmp(name, "to") != 0)
        return fail(err, "a damaged attribute, or one that is not known");
    return 0;
}

/* NodeProto: input = 1, output = 2, op_type = 4, attribute = 5. */
static int read_node(pb message, onnx_graph *g, char *err)
{
    struct node node = {.output = -1};
    char type[ONNX_NAME] = "";
    pb output = {NULL, NULL};
    pb_field field;
    int rc;
    while ((rc = pb_next(&message, &field)) > 0) {
        if (field.wire != PB_BYTES)
            continue;
        if (field.number == 1) {
            int32_t from = find(g, &field.bytes);
            if (from < 0 || node.n_inputs == MAX_INPUTS)
                return fail(err, "a node with an unknown input, or too many");
            node.input[node.n_inputs++] = from;
        } else if (field.number == 2) {
            output = field.bytes;
        } else if (field.number == 4) {
            pb_text(&field.bytes, type, sizeof type);
        } else if (field.number == 5 && read_attribute(field.bytes, &node, err)) {
            return -1;
        }
    }
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (strcmp(ops[i].name, type) == 0 && ops[i].n == node.n_inputs)
            node.op = &ops[i];
    if (rc < 0 || !node.op || g->n_nodes == MAX_NODES || !output.at)
        return fail(err, "a node whose operator is not known");
    node.output = add_value(g, &output);
    g->node[g->n_nodes++] = node;
    return node.output < 0 ? fail(err, "too many values, or one made twice") : 0;
}

/* A TensorProto as a constant; its name = 8. */
static int read_constant(pb message, onnx_graph *g, char *err)
{
    pb walk = message;
    pb_field field;
    onnx_tensor t;
    int32_t at = -1;
    while (pb_next(&walk, &field) > 0)
        if (field.number == 8 && field.wire == PB_BYTES)
            at = add_value(g, &field.bytes);
    if (at < 0)
        return fail(err, "a constant without a name of its own");
    if (onnx_tensor_parse(message, "score_mod", &t, err))
        return -1;
    struct value *v = &g->constant[at];
    int rc = make(v, t.rank, t.shape);
    for (int64_t i = 0; rc == 0 && i < t.count; i++)
        v->data[i] = onnx_tensor_get(&t, i);
    onnx_tensor_free(&t);
    return rc ? fail(err, "a constant that is too large") : 0;
}

/* ValueInfoProto: name = 1. */
static bool value_name(pb message, pb *name)
{
    pb_field field;
    while (pb_next(&message, &field) > 0)
        if (field.number == 1 && field.wire == PB_BYTES) {
            *name = field.bytes;
            return true;
        }
    return false;
}

/* GraphProto: node = 1, initializer = 5, input = 11, output = 12. Nodes come
 * first in a file, but need the names of the others. */
static int parse(pb message, onnx_graph *g, char *err)
{
    static const uint32_t passes[] = {11, 5, 1, 12};
    int32_t inputs = 0, outputs = 0;
    for (size_t p = 0; p < sizeof passes / sizeof passes[0]; p++) {
        pb walk = message, name;
        pb_field field;
        int rc;
        while ((rc = pb_next(&walk, &field)) > 0) {
            if (field.number != passes[p] || field.wire != PB_BYTES)
                continue;
            if ((field.number == 1 && read_node(field.bytes, g, err)) ||
                (field.number == 5 && read_constant(field.bytes, g, err)))
                return -1;
            if (field.number == 11 && (!value_name(field.bytes, &name) ||
                                       add_value(g, &name) != 0 || ++inputs > 1))
                return fail(err, "more or less than one input");
            if (field.number == 12 && (!value_name(field.bytes, &name) ||
                                       (g->result = find(g, &name)) < 0 || ++outputs > 1))
                return fail(err, "more or less than one output");
        }
        if (rc < 0)
            return fail(err, "a damaged graph");
    }
    return inputs == 1 && outputs == 1 ? 0 : fail(err, "more or less than one input or output");
}

int onnx_graph_parse(pb message, onnx_graph **graph, char *err)
{
    *graph = calloc(1, sizeof **graph);
    if (!*graph)
        return fail(err, "no memory");
    if (parse(message, *graph, err) == 0)
        return 0;
    onnx_graph_free(*graph);
    *graph = NULL;
    return -1;
}

void onnx_graph_free(onnx_graph *graph)
{
    for (int32_t i = 0; graph && i < graph->n_values; i++)
        free(graph->constant[i].data);
    free(graph);
}

static int run_nodes(const onnx_graph *g, struct value *values, char *err)
{
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const struct node *node = &g->node[n];
        struct value in[MAX_INPUTS];
        for (int32_t i = 0; i < node->n_inputs; i++)
            in[i] = values[node->input[i]];
        if (node->op->run(node, in, &values[node->output]))
            return fail(err, node->op->name);
    }
    return 0;
}

int onnx_graph_run(const onnx_graph *g, const int64_t shape[4], const double *input,
                   double *output, char *err)
{
    struct value values[MAX_VALUES];
    memcpy(values, g->constant, sizeof values);
    int rc = make(&values[0], 4, shape) ? fail(err, "scores that are too large") : 0;
    if (rc == 0) {
        memcpy(values[0].data, input, (size_t)values[0].count * sizeof *input);
        rc = run_nodes(g, values, err);
    }
    const struct value *result = &values[g->result];
    if (rc == 0 && result->count != values[0].count)
        rc = fail(err, "a result of another shape than the scores");
    if (rc == 0)
        memcpy(output, result->data, (size_t)result->count * sizeof *output);
    for (int32_t i = 0; i < g->n_values; i++)
        if (!g->constant[i].data)
            free(values[i].data);
    return rc;
}
