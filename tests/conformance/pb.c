/* SPDX-License-Identifier: MIT */
/* The wire format: varints, fixed words and byte runs with a length. */
#include "pb.h"

#include <string.h>

bool pb_varint(pb *list, uint64_t *value)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (list->at == list->end)
            return false;
        uint8_t byte = *list->at++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *value = v;
            return true;
        }
    }
    return false;
}

static bool fixed(pb *message, size_t n, uint64_t *value)
{
    uint64_t v = 0;
    if ((size_t)(message->end - message->at) < n)
        return false;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)message->at[i] << (8 * i);
    message->at += n;
    *value = v;
    return true;
}

int pb_next(pb *message, pb_field *field)
{
    uint64_t tag, len;
    if (message->at == message->end)
        return 0;
    if (!pb_varint(message, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        return -1;
    field->number = (uint32_t)(tag >> 3);
    field->wire = (int32_t)(tag & 7);
    switch (field->wire) {
    case PB_VARINT:
        return pb_varint(message, &field->value) ? 1 : -1;
    case PB_FIXED64:
        return fixed(message, 8, &field->value) ? 1 : -1;
    case PB_FIXED32:
        return fixed(message, 4, &field->value) ? 1 : -1;
    case PB_BYTES:
        if (!pb_varint(message, &len) || len > (uint64_t)(message->end - message->at))
            return -1;
        field->bytes.at = message->at;
        field->bytes.end = message->at + len;
        message->at += len;
        return 1;
    default:
        return -1;
    }
}

float pb_float(const pb_field *field)
{
    uint32_t bits = (uint32_t)field->value;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

void pb_text(const pb *bytes, char *buf, size_t len)
{
    size_t n = (size_t)(bytes->end - bytes->at);
    if (n >= len)
        n = len - 1;
    memcpy(buf, bytes->at, n);
    buf[n] = 0;
}
