#include "tools/bench/oracle.h"

enum ptl_finding ptl_oracle_take(struct ptl_oracle *oracle, uint64_t number)
{
    if (number == oracle->next) {
        oracle->next++;
        return PTL_FINDING_NONE;
    }
    if (number > oracle->next) {
        oracle->hole_first = oracle->next;
        oracle->hole_end = number;
        oracle->next = number + 1;
        return PTL_FINDING_HOLE;
    }
    if (number < oracle->hole_first || number >= oracle->hole_end) {
        return PTL_FINDING_REPEATED;
    }
    /* One hole, open at both ends, is remembered: what lies before the latecomer is given up. */
    oracle->hole_first = number + 1;
    return PTL_FINDING_REORDERED;
}

bool ptl_oracle_has_hole(const struct ptl_oracle *oracle)
{
    return oracle->hole_first < oracle->hole_end;
}

const char *ptl_finding_name(enum ptl_finding finding)
{
    static const char *const names[PTL_FINDINGS] = {
        [PTL_FINDING_NONE] = "none",           [PTL_FINDING_HOLE] = "hole",
        [PTL_FINDING_LOST] = "lost",           [PTL_FINDING_REORDERED] = "reordered",
        [PTL_FINDING_REPEATED] = "repeated",   [PTL_FINDING_CHANGED] = "changed",
        [PTL_FINDING_STALE] = "stale",         [PTL_FINDING_SILENT] = "monitor_silent",
        [PTL_FINDING_TWICE] = "monitor_twice", [PTL_FINDING_WORDS] = "last_words",
    };

    return finding < PTL_FINDINGS ? names[finding] : "unknown";
}
