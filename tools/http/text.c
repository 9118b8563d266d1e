#include "tools/http/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAPACITY 16384

static bool grow(struct ptl_text *text, size_t more)
{
    size_t capacity = text->capacity == 0 ? FIRST_CAPACITY : text->capacity;

    while (capacity - text->size <= more) {
        capacity *= 2;
    }
    char *bytes = capacity == text->capacity ? text->bytes : realloc(text->bytes, capacity);
    if (!bytes) {
        text->has_no_memory = true;
        return false;
    }
    text->bytes = bytes;
    text->capacity = capacity;
    return true;
}

void ptl_text_add(struct ptl_text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (size < 0 || !grow(text, (size_t)size)) {
        text->has_no_memory = true;
        return;
    }
    va_start(arguments, format);
    vsnprintf(text->bytes + text->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    text->size += (size_t)size;
}
