#include "engine/message/words.h"

/* In the order of bytes; of two that begin alike the shorter one stands first. */
static int compare(struct ptl_span text, const struct ptl_word *word)
{
    size_t shared = text.size < word->size ? text.size : word->size;
    int order = shared == 0 ? 0 : memcmp(text.bytes, word->text, shared);

    return order != 0 ? order : (text.size > word->size) - (text.size < word->size);
}

int ptl_words_find(const void *table, size_t count, size_t stride, struct ptl_span text)
{
    size_t low = 0, high = count;

    ptl_assert(stride >= sizeof(struct ptl_word) && count <= INT32_MAX);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const void *entry = (const char *)table + middle * stride;
        int order = compare(text, entry);
        if (order == 0) {
            return (int)middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return -1;
}
