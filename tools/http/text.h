/*
 * tools/http/text.h - a text that grows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Begins zeroed.  Owns: whoever has it, until free(bytes). */
struct ptl_text {
    char *bytes;
    size_t size, capacity;
    bool has_no_memory; /* some of it is missing */
};

void ptl_text_add(struct ptl_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
