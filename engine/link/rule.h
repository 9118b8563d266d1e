/*
 * engine/link/rule.h - rules as they are kept, and which of them decides.
 *
 *   question --> rule, rule, rule ...   the first that fits: who, by what proof, what, to what
 *
 * Pure, and constant once read: any thread.
 */
#pragma once

#include "engine/link/rules.h"
#include "io/base.h"

#include <stdatomic.h>

/* A part of the text in which `*` stands for any bytes. */
struct ptl_pattern {
    uint32_t at; /* in the text */
    uint16_t size;
    uint8_t kind; /* enum ptl_pattern_kind */
};

enum ptl_pattern_kind {
    PTL_PATTERN_ANY,     /* "*" */
    PTL_PATTERN_EXACT,   /* without a star */
    PTL_PATTERN_PREFIX,  /* one star, at its end, which `size` leaves out */
    PTL_PATTERN_STARS,   /* stars anywhere */
    PTL_PATTERN_MADE,    /* "@made": see PTL_OBJECT_MADE */
    PTL_PATTERN_SPAWNED, /* "@spawned" */
};

struct ptl_rule {
    bool allows;
    uint8_t proofs;   /* bits, by enum ptl_proof */
    uint16_t actions; /* bits, by enum ptl_action */
    uint32_t line;
    struct ptl_pattern node;
    uint32_t objects; /* the first of `object_count` patterns; without any it fits all */
    uint32_t object_count;
};

/* One block: this, then rules, patterns and the text.  Only rules.c makes and frees it. */
struct ptl_rules {
    _Atomic unsigned holds;
    size_t bytes; /* of the block */
    const struct ptl_rule *rules;
    const struct ptl_pattern *objects;
    const char *text;
    uint32_t count;
};

/* What a port's name tells of it, to whom can be asked. */
enum ptl_object_kind {
    PTL_OBJECT_NAMED,
    PTL_OBJECT_MADE,    /* a port whose name its node has made: who knows that was told it */
    PTL_OBJECT_SPAWNED, /* one that the asking node has spawned here */
};

struct ptl_rule_question {
    struct ptl_span node;
    struct ptl_span object;
    uint8_t proof;       /* enum ptl_proof */
    uint8_t action;      /* enum ptl_action */
    uint8_t object_kind; /* enum ptl_object_kind */
};

struct ptl_rule_verdict {
    bool allows;
    uint32_t line; /* of the rule that decides; 0: none fits, and so it does not */
};

struct ptl_rule_verdict ptl_rules_decide(const struct ptl_rules *rules,
                                         const struct ptl_rule_question *question);

/* A hold on them, to be let go with ptl_rules_free(). */
struct ptl_rules *ptl_rules_hold(struct ptl_rules *rules);
