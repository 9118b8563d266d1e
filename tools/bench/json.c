#include "tools/bench/json.h"

#include <stdio.h>

void ptl_bench_json_text(const char *name, const char *text)
{
    printf("\"%s\":\"", name);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\') {
            printf("\\%c", byte);
        } else if (byte < 0x20) {
            printf("\\u%04x", byte);
        } else {
            putchar(byte);
        }
    }
    printf("\",");
}

void ptl_bench_json_count(const char *name, uint64_t count)
{
    printf("\"%s\":%llu,", name, (unsigned long long)count);
}

void ptl_bench_json_real(const char *name, double value)
{
    printf("\"%s\":%.3f,", name, value);
}
