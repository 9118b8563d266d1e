#include "tools/lines.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FULL_BYTES ((size_t)1 << 20)

void ptl_lines_init(struct ptl_lines *lines)
{
    *lines = (struct ptl_lines){.written = 0};
    pthread_mutex_init(&lines->lock, NULL);
}

static bool make_room(struct ptl_lines_block *block, size_t size)
{
    size_t capacity = block->capacity ? block->capacity : 4096;

    while (capacity - block->size < size) {
        capacity *= 2;
    }
    if (capacity > block->capacity) {
        char *bytes = realloc(block->bytes, capacity);
        if (!bytes) {
            return false;
        }
        block->bytes = bytes;
        block->capacity = capacity;
    }
    return true;
}

bool ptl_lines_add(struct ptl_lines *lines, const char *line)
{
    struct ptl_lines_block *block = &lines->added;
    size_t size = strlen(line);

    pthread_mutex_lock(&lines->lock);
    bool good = make_room(block, size + 1);
    if (good) {
        memcpy(block->bytes + block->size, line, size);
        block->bytes[block->size + size] = '\n';
        block->size += size + 1;
    }
    pthread_mutex_unlock(&lines->lock);
    return good;
}

static size_t added_size(struct ptl_lines *lines)
{
    pthread_mutex_lock(&lines->lock);
    size_t size = lines->added.size;
    pthread_mutex_unlock(&lines->lock);
    return size;
}

bool ptl_lines_full(struct ptl_lines *lines)
{
    return added_size(lines) >= FULL_BYTES;
}

bool ptl_lines_waiting(struct ptl_lines *lines)
{
    return lines->written < lines->writing.size || added_size(lines) > 0;
}

/* What was written makes place for what was added. */
static void exchange(struct ptl_lines *lines)
{
    pthread_mutex_lock(&lines->lock);
    struct ptl_lines_block written = lines->writing;
    lines->writing = lines->added;
    lines->added = written;
    lines->added.size = 0;
    pthread_mutex_unlock(&lines->lock);
    lines->written = 0;
}

int ptl_lines_write(struct ptl_lines *lines)
{
    if (lines->written == lines->writing.size) {
        exchange(lines);
    }
    /* A pipe that says it can be written to takes so much without waiting. */
    size_t left = lines->writing.size - lines->written;
    size_t size = left < PIPE_BUF ? left : PIPE_BUF;
    ssize_t count = write(STDOUT_FILENO, lines->writing.bytes + lines->written, size);

    if (count < 0) {
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    }
    lines->written += (size_t)count;
    return 0;
}

void ptl_lines_free(struct ptl_lines *lines)
{
    free(lines->added.bytes);
    free(lines->writing.bytes);
}
