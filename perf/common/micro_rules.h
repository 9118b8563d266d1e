/*
 * perf/common/micro_rules.h - what it costs to judge a peer's message by rules, in C as micro.h is.
 */
#pragma once

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct micro_rules;

/* A link whose node is judged by so many rules, of which the last allows it to send. */
struct micro_rules *micro_rules_open(unsigned rules);
void micro_rules_close(struct micro_rules *micro);

/*
 * Judge `count` messages, each for another of 16 ports than the one before; `anew`: as if no
 * verdict were remembered.  Returns how many may pass: all.
 */
uint64_t micro_rules_judge(struct micro_rules *micro, uint64_t count, int anew);

#ifdef __cplusplus
}
#endif
