/*
 * Any bytes as what DNS answers of a service: what is read out of them are hosts and ports that can
 * be dialled, and whatever chance says each of them has its place, the lower priority first.
 *
 *   [ what chance begins with, two bytes | answer ]
 */
#include "io/srv.h"
#include "tests/fuzz/input.h"

#include <stdlib.h>

static void check_host(const struct ptl_host *host)
{
    size_t size = strnlen(host->name, sizeof host->name);

    ptl_assert(size > 1 && size < sizeof host->name);
    ptl_assert(host->name[size - 1] == '.'); /* so that it is looked for in no other domain */
    ptl_assert(host->port != 0 && !host->service);
    for (size_t i = 0; i < size; i++) {
        ptl_assert(host->name[i] > ' ' && host->name[i] < 0x7f);
    }
}

static bool is_same(const struct ptl_srv *one, const struct ptl_srv *other)
{
    return one->priority == other->priority && one->weight == other->weight &&
           one->host.port == other->host.port && strcmp(one->host.name, other->host.name) == 0;
}

static unsigned count_of(const struct ptl_srv records[], unsigned count,
                         const struct ptl_srv *record)
{
    unsigned same = 0;

    for (unsigned i = 0; i < count; i++) {
        same += is_same(&records[i], record);
    }
    return same;
}

static void check_order(const struct ptl_srv before[], const struct ptl_srv after[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        ptl_assert(count_of(before, count, &before[i]) == count_of(after, count, &before[i]));
        ptl_assert(i == 0 || after[i - 1].priority <= after[i].priority);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input(data, size);
    struct fuzz_cuts chances = fuzz_cuts(fuzz_two_bytes(&input) | 1);
    struct ptl_srv read[PTL_SRV_MAX], ordered[PTL_SRV_MAX];
    uint32_t chance[PTL_SRV_MAX];

    unsigned count = ptl_srv_read(fuzz_rest(&input), read);
    ptl_assert(count <= PTL_SRV_MAX);
    for (unsigned i = 0; i < PTL_SRV_MAX; i++) {
        (void)fuzz_cut(&chances, SIZE_MAX);
        chance[i] = chances.state;
    }
    for (unsigned i = 0; i < count; i++) {
        check_host(&read[i].host);
        ordered[i] = read[i];
    }
    ptl_srv_order(ordered, count, chance);
    check_order(read, ordered, count);
    return 0;
}
