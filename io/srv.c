#include "io/srv.h"

#include "io/clock.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdio.h>

#define ANSWER_BYTES_MAX 65536 /* more than one has */

/* A name of DNS is whole: the dot behind it keeps it from being looked for in other domains. */
static bool take_host(const char *name, uint16_t port, struct ptl_host *host)
{
    char text[NS_MAXDNAME + 8];

    snprintf(text, sizeof(text), "%s.:%u", name, (unsigned)port);
    return port != 0 && ptl_host_parse(text, host) == PTL_OK;
}

/* What is left of an answer, behind `at`. */
struct reader {
    struct ptl_span answer;
    size_t at;
};

static bool take_16(struct reader *reader, uint16_t *value)
{
    const uint8_t *bytes = reader->answer.bytes + reader->at;

    if (reader->answer.size - reader->at < 2) {
        return false;
    }
    *value = (uint16_t)(bytes[0] << 8 | bytes[1]);
    reader->at += 2;
    return true;
}

static bool skip(struct reader *reader, size_t size)
{
    if (reader->answer.size - reader->at < size) {
        return false;
    }
    reader->at += size;
    return true;
}

static bool skip_name(struct reader *reader)
{
    const uint8_t *end = reader->answer.bytes + reader->answer.size;
    int size = dn_skipname(reader->answer.bytes + reader->at, end);

    return size > 0 && skip(reader, (size_t)size);
}

static bool read_name(const struct reader *reader, char name[NS_MAXDNAME])
{
    const uint8_t *bytes = reader->answer.bytes;

    return dn_expand(bytes, bytes + reader->answer.size, bytes + reader->at, name, NS_MAXDNAME) > 0;
}

/* What a record says.  False: it names no host. */
static bool read_data(struct reader reader, struct ptl_srv *srv)
{
    char name[NS_MAXDNAME];
    uint16_t port;

    return take_16(&reader, &srv->priority) && take_16(&reader, &srv->weight) &&
           take_16(&reader, &port) && read_name(&reader, name) && name[0] != '\0' &&
           take_host(name, port, &srv->host);
}

/* Take one record; `count` grows where it is one of ours.  False: the answer ends here. */
static bool take_record(struct reader *reader, struct ptl_srv records[], unsigned *count)
{
    uint16_t type, class, size;

    if (!skip_name(reader) || !take_16(reader, &type) || !take_16(reader, &class) ||
        !skip(reader, NS_INT32SZ) || !take_16(reader, &size)) {
        return false;
    }
    struct reader data = *reader;
    if (!skip(reader, size)) {
        return false;
    }
    *count += type == ns_t_srv && class == ns_c_in && read_data(data, &records[*count]);
    return true;
}

unsigned ptl_srv_read(struct ptl_span answer, struct ptl_srv records[PTL_SRV_MAX])
{
    struct reader reader = {.answer = answer};
    uint16_t questions = 0, answers = 0;
    unsigned count = 0;

    if (!skip(&reader, 4) || !take_16(&reader, &questions) || !take_16(&reader, &answers) ||
        !skip(&reader, 4)) {
        return 0;
    }
    for (; questions > 0 && skip_name(&reader) && skip(&reader, 4); questions--) {
    }
    while (questions == 0 && answers-- > 0 && count < PTL_SRV_MAX &&
           take_record(&reader, records, &count)) {
    }
    return count;
}

/* ---- Order --------------------------------------------------------------------------------- */

static void swap(struct ptl_srv *one, struct ptl_srv *other)
{
    struct ptl_srv kept = *one;

    *one = *other;
    *other = kept;
}

/* By priority; of one priority those without weight first, which then have a chance at all. */
static bool is_before(const struct ptl_srv *one, const struct ptl_srv *other)
{
    return one->priority != other->priority ? one->priority < other->priority
                                            : one->weight < other->weight;
}

static void sort(struct ptl_srv records[], unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        for (unsigned k = i; k > 0 && is_before(&records[k], &records[k - 1]); k--) {
            swap(&records[k], &records[k - 1]);
        }
    }
}

/* Which of the first one's priority is next: chance falls in its share of their weights. */
static unsigned draw(const struct ptl_srv records[], unsigned count, uint32_t chance)
{
    uint32_t sum = 0, place = 0;
    unsigned same = 0;

    for (; same < count && records[same].priority == records[0].priority; same++) {
        sum += records[same].weight;
    }
    chance %= sum + 1;
    for (unsigned i = 0; i < same; i++) {
        place += records[i].weight;
        if (place >= chance) {
            return i;
        }
    }
    ptl_unreachable("the last place is the sum");
}

void ptl_srv_order(struct ptl_srv records[], unsigned count, const uint32_t chance[PTL_SRV_MAX])
{
    ptl_assert(count <= PTL_SRV_MAX);
    sort(records, count);
    for (unsigned i = 0; i < count; i++) {
        /* What is passed over keeps its order. */
        for (unsigned k = i + draw(&records[i], count - i, chance[i]); k > i; k--) {
            swap(&records[k], &records[k - 1]);
        }
    }
}

int ptl_srv_find(const char *name, struct ptl_srv records[PTL_SRV_MAX])
{
    unsigned char answer[ANSWER_BYTES_MAX];
    uint32_t chance[PTL_SRV_MAX];

    int size = res_search(name, ns_c_in, ns_t_srv, answer, sizeof(answer));
    if (size < 0) {
        return PTL_ERESOLVE;
    }
    ptl_assert((size_t)size <= sizeof(answer));
    unsigned count = ptl_srv_read(ptl_span(answer, (size_t)size), records);
    ptl_clock_chance(NULL, chance, sizeof(chance));
    ptl_srv_order(records, count, chance);
    return count > 0 ? (int)count : PTL_ERESOLVE;
}
