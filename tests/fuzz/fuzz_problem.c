/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a problem string: what is read must print, what is printed
 * must be read again and print the same, unless it grew too long to read.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "problem/text.h"

static char *print(const struct attn__params *p, size_t *needed)
{
    struct attn__textout out;

    attn__textout_start(&out, NULL, 0);
    attn__text_print(p, &out);
    attn__textout_finish(&out, needed);

    char *text = malloc(*needed);
    if (!text)
        abort();
    attn__textout_start(&out, text, *needed);
    attn__text_print(p, &out);
    attn__textout_finish(&out, NULL);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct attn__mem mem;
    struct attn__params first, second;
    size_t needed, again;

    char *text = malloc(size + 1);
    if (!text || attn__mem_init(&mem, NULL) != ATTN_OK)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (attn__text_parse(&first, &mem, text) == ATTN_OK) {
        char *printed = print(&first, &needed);

        if (needed <= ATTN__TEXT_MAX + 1) {
            if (attn__text_parse(&second, &mem, printed) != ATTN_OK)
                abort();
            char *reprinted = print(&second, &again);
            if (needed != again || memcmp(printed, reprinted, needed) != 0)
                abort();
            free(reprinted);
            attn__params_destroy(&second);
        }
        free(printed);
        attn__params_destroy(&first);
    }
    free(text);
    return 0;
}
