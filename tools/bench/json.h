/*
 * tools/bench/json.h - members of a JSON object on standard output: "name":value and a comma each.
 */
#pragma once

#include <stdint.h>

void ptl_bench_json_text(const char *name, const char *text);
void ptl_bench_json_count(const char *name, uint64_t count);
void ptl_bench_json_real(const char *name, double value);
