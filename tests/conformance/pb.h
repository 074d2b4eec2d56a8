/* SPDX-License-Identifier: MIT */
/*
 * A reader of protobuf's wire format over a block of memory: it walks the
 * fields of one message and never reads outside the block.
 */
#ifndef ATTN_TESTS_PB_H
#define ATTN_TESTS_PB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of a message (or string) that have not been read yet. */
typedef struct pb {
    const uint8_t *at;
    const uint8_t *end;
} pb;

enum { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

typedef struct pb_field {
    uint32_t number;
    int32_t wire;   /* PB_* */
    uint64_t value; /* of all but PB_BYTES */
    pb bytes;       /* of PB_BYTES */
} pb_field;

/* 1 and the next field, 0 at the end, -1 where the bytes make no sense. */
int pb_next(pb *message, pb_field *field);

/* One varint of a packed list. */
bool pb_varint(pb *list, uint64_t *value);

/* A float stored as PB_FIXED32. */
float pb_float(const pb_field *field);

/* Copies a string, cut to fit. */
void pb_text(const pb *bytes, char *buf, size_t len);

#endif
