/* SPDX-License-Identifier: MIT */
/*
 * ModelProto and TensorProto, as far as the operator vectors use them. The
 * field numbers are those of onnx.proto.
 */
#include "onnx_file.h"
#include "onnx_graph.h"
#include "pb.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_LIMIT = 64 << 20 };

/* Names of a graph's inputs or outputs in order. */
struct names {
    int32_t n;
    char name[ONNX_SLOTS][ONNX_NAME];
};

struct graph {
    struct names inputs, outputs;           /* of the graph */
    struct names node_inputs, node_outputs; /* of its node; "" where left out */
    int32_t nodes;
    char op[ONNX_NAME], domain[ONNX_NAME];
};

static int fail(char *err, const char *path, const char *what)
{
    snprintf(err, ONNX_ERROR_BYTES, "%.300s: %.180s", path, what);
    return -1;
}

static int read_file(const char *path, uint8_t **data, size_t *n, char *err)
{
    FILE *f = fopen(path, "rb");
    long size;
    if (!f)
        return fail(err, path, strerror(errno));
    if (fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0 || size > FILE_LIMIT ||
        fseek(f, 0, SEEK_SET)) {
        fclose(f);
        return fail(err, path, "is no file of at most 64 MB");
    }
    *n = (size_t)size;
    *data = malloc(*n ? *n : 1);
    if (!*data || fread(*data, 1, *n, f) != *n) {
        free(*data);
        fclose(f);
        return fail(err, path, "cannot be read into memory");
    }
    fclose(f);
    return 0;
}

static int add_name(struct names *names, const pb *text)
{
    if (names->n == ONNX_SLOTS)
        return -1;
    pb_text(text, names->name[names->n++], ONNX_NAME);
    return 0;
}

/* AttributeProto: name = 1, f = 2, i = 3, s = 4, g = 6. */
static int read_attribute(pb message, onnx_attention *m, char *err, const char *path)
{
    char name[ONNX_NAME] = "";
    float f = 0;
    int64_t i = 0;
    int64_t ignored;
    pb graph = {NULL, NULL}, word = graph;
    pb_field field;
    int rc;
    while ((rc = pb_next(&message, &field)) > 0) {
        if (field.number == 1 && field.wire == PB_BYTES)
            pb_text(&field.bytes, name, sizeof name);
        else if (field.number == 2 && field.wire == PB_FIXED32)
            f = pb_float(&field);
        else if (field.number == 3 && field.wire == PB_VARINT)
            i = (int64_t)field.value;
        else if (field.number == 4 && field.wire == PB_BYTES)
            word = field.bytes;
        else if (field.number == 6 && field.wire == PB_BYTES)
            graph = field.bytes;
    }
    if (rc < 0)
        return fail(err, path, "a damaged attribute");

    if (strcmp(name, "scale") == 0) {
        m->has_scale = true;
        m->scale = f;
        return 0;
    }
    if (strcmp(name, "softcap") == 0) {
        m->softcap = f;
        return 0;
    }
    if (strcmp(name, "update_rule") == 0) {
        pb_text(&word, m->update_rule, sizeof m->update_rule);
        return 0;
    }
    if (strcmp(name, "score_mod") == 0 && !m->score_mod)
        return onnx_graph_parse(graph, &m->score_mod, err);
    const struct {
        const char *name;
        int64_t *to;
    } integers[] = {
        {"is_causal", &m->is_causal},
        {"q_num_heads", &m->q_num_heads},
        {"kv_num_heads", &m->kv_num_heads},
        {"qk_matmul_output_mode", &m->qk_mode},
        /* How LinearAttention may cut its work. */
        {"chunk_size", &ignored},
        /* The least precision of the softmax; ours is always f32 or f64. */
        {"softmax_precision", &ignored},
    };
    for (size_t n = 0; n < sizeof integers / sizeof integers[0]; n++)
        if (strcmp(name, integers[n].name) == 0) {
            *integers[n].to = i;
            return 0;
        }
    snprintf(err, ONNX_ERROR_BYTES, "%.300s: the attribute %s is not known", path, name);
    return -1;
}

/* NodeProto: input = 1, output = 2, op_type = 4, attribute = 5, domain = 7. */
static int read_node(pb message, struct graph *g, onnx_attention *m, char *err, const char *path)
{
    pb_field field;
    int rc;
    while ((rc = pb_next(&message, &field)) > 0) {
        if (field.wire != PB_BYTES)
            continue;
        if ((field.number == 1 && add_name(&g->node_inputs, &field.bytes)) ||
            (field.number == 2 && add_name(&g->node_outputs, &field.bytes)))
            return fail(err, path, "the node has too many inputs or outputs");
        if (field.number == 4)
            pb_text(&field.bytes, g->op, sizeof g->op);
        if (field.number == 7)
            pb_text(&field.bytes, g->domain, sizeof g->domain);
        if (field.number == 5 && read_attribute(field.bytes, m, err, path))
            return -1;
    }
    g->nodes++;
    return rc < 0 ? fail(err, path, "a damaged node") : 0;
}

/* ValueInfoProto: name = 1. */
static int read_value_name(pb message, struct names *names)
{
    pb_field field;
    int rc;
    while ((rc = pb_next(&message, &field)) > 0)
        if (field.number == 1 && field.wire == PB_BYTES)
            return add_name(names, &field.bytes);
    return -1;
}

/* GraphProto: node = 1, input = 11, output = 12. */
static int read_graph(pb message, struct graph *g, onnx_attention *m, char *err, const char *path)
{
    pb_field field;
    int rc;
    while ((rc = pb_next(&message, &field)) > 0) {
        if (field.wire != PB_BYTES)
            continue;
        if (field.number == 1 && read_node(field.bytes, g, m, err, path))
            return -1;
        if ((field.number == 11 && read_value_name(field.bytes, &g->inputs)) ||
            (field.number == 12 && read_value_name(field.bytes, &g->outputs)))
            return fail(err, path, "a damaged or surplus input or output of the graph");
    }
    return rc < 0 ? fail(err, path, "a damaged graph") : 0;
}

/* OperatorSetIdProto: domain = 1, version = 2; the empty domain is ONNX's. */
static int64_t read_opset(pb message)
{
    pb_field field;
    int64_t version = 0;
    while (pb_next(&message, &field) > 0) {
        if (field.number == 1 && field.wire == PB_BYTES && field.bytes.at < field.bytes.end)
            return 0;
        if (field.number == 2 && field.wire == PB_VARINT)
            version = (int64_t)field.value;
    }
    return version;
}

/* Which of the graph's names each slot of the node is. */
static int bind(const struct names *slots, const struct names *graph, int32_t n, int32_t *to)
{
    for (int32_t s = 0; s < n; s++)
        to[s] = -1;
    for (int32_t s = 0; s < slots->n; s++) {
        if (slots->name[s][0] == 0)
            continue;
        int32_t i = 0;
        while (i < graph->n && strcmp(slots->name[s], graph->name[i]) != 0)
            i++;
        if (s >= n || i == graph->n)
            return -1;
        to[s] = i;
    }
    return 0;
}

/* ModelProto: graph = 7, opset_import = 8. */
static int parse_model(pb message, const char *path, onnx_attention *m, char *err)
{
    struct graph g = {.nodes = 0};
    pb_field field;
    int rc;
    while ((rc = pb_next(&message, &field)) > 0) {
        if (field.wire != PB_BYTES)
            continue;
        if (field.number == 7 && read_graph(field.bytes, &g, m, err, path))
            return -1;
        if (field.number == 8) {
            int64_t version = read_opset(field.bytes);
            m->opset = version ? version : m->opset;
        }
    }
    if (rc < 0)
        return fail(err, path, "a damaged model");
    bool flex = strcmp(g.op, "FlexAttention") == 0 && strcmp(g.domain, "ai.onnx.preview") == 0;
    m->linear = strcmp(g.op, "LinearAttention") == 0;
    if (g.nodes != 1 ||
        !(flex || m->linear || (strcmp(g.op, "Attention") == 0 && !g.domain[0])))
        return fail(err, path,
                    "the graph is not one node Attention, FlexAttention or LinearAttention");
    if (!flex && !m->linear && (m->opset < 23 || m->opset > 24))
        return fail(err, path, "the operator set is neither 23 nor 24");
    if (bind(&g.node_inputs, &g.inputs, ONNX_INPUTS, m->input) ||
        bind(&g.node_outputs, &g.outputs, ONNX_OUTPUTS, m->output))
        return fail(err, path, "the node uses a name that the graph does not give");
    return 0;
}

int onnx_model_read(const char *path, onnx_attention *model, char *err)
{
    uint8_t *data;
    size_t n;
    memset(model, 0, sizeof *model);
    if (read_file(path, &data, &n, err))
        return -1;
    int rc = parse_model((pb){data, data + n}, path, model, err);
    free(data);
    return rc;
}

void onnx_model_free(onnx_attention *model)
{
    onnx_graph_free(model->score_mod);
    model->score_mod = NULL;
}

int onnx_tensor_make(onnx_tensor *t, int32_t dtype, int32_t rank, const int64_t *shape, char *err)
{
    int64_t count = 1;
    size_t bytes;
    memset(t, 0, sizeof *t);
    for (int32_t i = 0; i < rank; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(count, shape[i], &count))
            return fail(err, "a tensor", "its shape is negative or too large");
    if (__builtin_mul_overflow((size_t)count, attn_dtype_size(dtype), &bytes) ||
        !(t->data = calloc(bytes ? bytes : 1, 1)))
        return fail(err, "a tensor", "no memory for its data");
    t->present = true;
    t->dtype = dtype;
    t->rank = rank;
    t->count = count;
    if (rank > 0)
        memcpy(t->shape, shape, (size_t)rank * sizeof *shape);
    return 0;
}

/* TensorProto.DataType */
static int32_t dtype_of(uint64_t data_type)
{
    switch (data_type) {
    case 1:
        return ATTN_DTYPE_F32;
    case 2:
        return ATTN_DTYPE_U8;
    case 6:
        return ATTN_DTYPE_I32;
    case 7:
        return ATTN_DTYPE_I64;
    case 9:
        return ATTN_DTYPE_BOOL;
    case 10:
        return ATTN_DTYPE_F16;
    case 11:
        return ATTN_DTYPE_F64;
    case 16:
        return ATTN_DTYPE_BF16;
    default:
        return 0;
    }
}

/* A packed list of floats or of whole numbers. */
static int read_list(pb list, onnx_tensor *t)
{
    for (int64_t i = 0; i < t->count; i++) {
        uint64_t value;
        if (t->dtype == ATTN_DTYPE_F32 && (size_t)(list.end - list.at) >= sizeof(float)) {
            memcpy((float *)t->data + i, list.at, sizeof(float)); /* little-endian like us */
            list.at += sizeof(float);
        } else if (t->dtype == ATTN_DTYPE_I64 && pb_varint(&list, &value)) {
            ((int64_t *)t->data)[i] = (int64_t)value;
        } else {
            return -1;
        }
    }
    return list.at == list.end ? 0 : -1;
}

/*
 * TensorProto: dims = 1 (packed or not), data_type = 2, float_data = 4,
 * int64_data = 7, raw_data = 9.
 */
int onnx_tensor_parse(pb message, const char *path, onnx_tensor *t, char *err)
{
    int64_t shape[ONNX_RANK];
    int32_t rank = 0, dtype = 0;
    pb raw = {NULL, NULL}, list = raw;
    pb_field field;
    int rc;
    while ((rc = pb_next(&message, &field)) > 0) {
        if (field.number == 1 && (field.wire == PB_BYTES || field.wire == PB_VARINT)) {
            do {
                if (field.wire == PB_BYTES && field.bytes.at == field.bytes.end)
                    break;
                if (rank == ONNX_RANK ||
                    (field.wire == PB_BYTES && !pb_varint(&field.bytes, &field.value)))
                    return fail(err, path, "damaged dimensions, or too many");
                shape[rank++] = (int64_t)field.value;
            } while (field.wire == PB_BYTES);
        } else if (field.number == 2 && field.wire == PB_VARINT) {
            dtype = dtype_of(field.value);
        } else if (field.number == 9 && field.wire == PB_BYTES) {
            raw = field.bytes;
        } else if ((field.number == 4 || field.number == 7) && field.wire == PB_BYTES) {
            list = field.bytes;
        }
    }
    if (rc < 0)
        return fail(err, path, "a damaged tensor");
    if (dtype == 0)
        return fail(err, path, "an element type that is not handled");
    if (onnx_tensor_make(t, dtype, rank, shape, err))
        return fail(err, path, "a shape that is negative or too large");
    size_t have = (size_t)(raw.end - raw.at);
    if (list.at) {
        if (read_list(list, t) == 0)
            return 0;
        onnx_tensor_free(t);
        return fail(err, path, "a list of elements of another length or type than expected");
    }
    if (have != (size_t)t->count * attn_dtype_size(dtype)) {
        onnx_tensor_free(t);
        return fail(err, path, "raw_data is not as long as the shape asks");
    }
    if (have > 0)
        memcpy(t->data, raw.at, have);
    return 0;
}

int onnx_tensor_read(const char *path, onnx_tensor *tensor, char *err)
{
    uint8_t *data;
    size_t n;
    memset(tensor, 0, sizeof *tensor);
    if (read_file(path, &data, &n, err))
        return -1;
    int rc = onnx_tensor_parse((pb){data, data + n}, path, tensor, err);
    free(data);
    return rc;
}

void onnx_tensor_free(onnx_tensor *tensor)
{
    free(tensor->data);
    memset(tensor, 0, sizeof *tensor);
}

/* IEEE binary16 by its definition. */
static double from_f16(uint16_t bits)
{
    int exponent = (bits >> 10) & 31;
    int mantissa = bits & 1023;
    double v = exponent == 31  ? (mantissa ? NAN : INFINITY)
               : exponent == 0 ? ldexp(mantissa, -24)
                               : ldexp(mantissa + 1024, exponent - 25);
    return bits & 0x8000 ? -v : v;
}

double onnx_tensor_get(const onnx_tensor *tensor, int64_t i)
{
    switch (tensor->dtype) {
    case ATTN_DTYPE_F32:
        return ((const float *)tensor->data)[i];
    case ATTN_DTYPE_F64:
        return ((const double *)tensor->data)[i];
    case ATTN_DTYPE_F16:
        return from_f16(((const uint16_t *)tensor->data)[i]);
    case ATTN_DTYPE_I64:
        return (double)((const int64_t *)tensor->data)[i];
    default:
        return NAN;
    }
}
