#include "tools/bench/sizes.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define BYTES_MAX ((uint64_t)1 << 30)
#define WEIGHT_MAX 1000000

/* Read a whole number up to `most` and step over it. */
static bool take_number(const char **text, uint64_t most, uint64_t *number)
{
    char *end;

    if (!isdigit((unsigned char)**text)) {
        return false;
    }
    errno = 0;
    *number = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0 && *number <= most;
}

/* SIZE or SIZE:WEIGHT */
static bool take_size(const char **text, struct ptl_bench_sizes *sizes, uint64_t before)
{
    struct ptl_bench_size *size = &sizes->list[sizes->count];
    uint64_t bytes;
    uint64_t weight = 1;

    if (sizes->count == PTL_BENCH_SIZES_MAX || !take_number(text, BYTES_MAX, &bytes)) {
        return false;
    }
    if (**text == ':') {
        ++*text;
        if (!take_number(text, WEIGHT_MAX, &weight)) {
            return false;
        }
    }
    *size = (struct ptl_bench_size){.bytes = (size_t)bytes, .until = before + weight};
    sizes->count++;
    if (weight > 0 && size->bytes > sizes->largest) {
        sizes->largest = size->bytes;
    }
    return true;
}

bool ptl_bench_sizes_parse(const char *text, struct ptl_bench_sizes *sizes)
{
    *sizes = (struct ptl_bench_sizes){.count = 0};
    for (;; text++) {
        uint64_t before = sizes->count > 0 ? sizes->list[sizes->count - 1].until : 0;
        if (!take_size(&text, sizes, before)) {
            return false;
        }
        if (*text == '\0') {
            return sizes->list[sizes->count - 1].until > 0;
        }
        if (*text != ',') {
            return false;
        }
    }
}
