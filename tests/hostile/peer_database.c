#include "tests/hostile/collide.h"
#include "tests/hostile/peer.h"

#include <stdio.h>
#include <string.h>

static const uint8_t empty_map[] = {0xa0}, empty_array[] = {0x80};

static struct ptl_span no_map(void)
{
    return ptl_span(empty_map, 1);
}

static struct ptl_span no_array(void)
{
    return ptl_span(empty_array, 1);
}

static const char *port_of(const struct wire *wire)
{
    static char id[300];

    snprintf(id, sizeof(id), "%s#in", wire->id);
    return id;
}

/* Open and attach, as an ordinary node. */
static bool attach(struct attack_ground *ground, struct wire *wire, const char *prefix)
{
    if (!attack_open(ground, wire, attack_name(ground, prefix), WIRE_GLOBAL)) {
        return false;
    }
    wire_say(wire, "ssm", "", "g_slave", no_map());
    return true;
}

static void put_text(struct ptl_buffer *out, const char *text)
{
    ptl_cbor_put_string(out, PTL_CBOR_TEXT, ptl_span_text(text));
}

/* ---- One update ----------------------------------------------------------------------------- */

/* One key 160,000 times, and one deletion. */
void attack_upd_repeated_key(struct attack_ground *ground)
{
    struct ptl_buffer set, del;
    struct wire wire;

    if (!attach(ground, &wire, "repeater")) {
        return;
    }
    ptl_buffer_init(&set, ptl_allocator_libc(), SIZE_MAX);
    ptl_buffer_init(&del, ptl_allocator_libc(), SIZE_MAX);
    ptl_cbor_put_head(&set, PTL_CBOR_MAP, 160000);
    ptl_cbor_put_head(&del, PTL_CBOR_ARRAY, 1);
    put_text(&del, "other");
    for (unsigned i = 0; i < 160000; i++) {
        put_text(&set, "key");
        ptl_cbor_put_head(&set, PTL_CBOR_UINT, 1);
    }
    wire_say(&wire, "sssmm", "", "g_upd", "repeated", ptl_buffer_span(&set), ptl_buffer_span(&del));
    if (attack_push(ground, &wire)) {
        attack_linger(ground, &wire, 1, 60000);
    }
    ptl_buffer_drop(&set);
    ptl_buffer_drop(&del);
    wire_close(&wire, false);
}

void attack_colliding_keys(struct attack_ground *ground)
{
    struct wire wire;
    char key[COLLIDE_KEY_SIZE];
    uint32_t count = collide_prepare(collide_seed_of("a"));

    if (!attach(ground, &wire, "collider")) {
        return;
    }
    for (uint32_t i = 0; i < count; i += 100) {
        struct ptl_buffer set;
        ptl_buffer_init(&set, ptl_allocator_libc(), SIZE_MAX);
        ptl_cbor_put_head(&set, PTL_CBOR_MAP, count - i < 100 ? count - i : 100);
        for (uint32_t k = i; k < count && k < i + 100; k++) {
            collide_key(key, k);
            ptl_cbor_put_string(&set, PTL_CBOR_TEXT, ptl_span(key, sizeof(key)));
            ptl_cbor_put_head(&set, PTL_CBOR_UINT, k);
        }
        wire_say(&wire, "sssmm", "", "g_upd", "a", ptl_buffer_span(&set), no_array());
        ptl_buffer_drop(&set);
        if (!attack_push(ground, &wire)) {
            break;
        }
    }
    attack_linger(ground, &wire, 1, 60000);
    wire_close(&wire, false);
}

/* Set `count` keys of a family, each with so many bytes. */
static bool set_keys(struct attack_ground *ground, struct wire *wire, const char *family,
                     unsigned count, size_t size)
{
    char key[64];

    for (unsigned i = 0; i < count; i++) {
        struct ptl_buffer set;
        ptl_buffer_init(&set, ptl_allocator_libc(), SIZE_MAX);
        ptl_cbor_put_head(&set, PTL_CBOR_MAP, 1);
        snprintf(key, sizeof(key), "key-%u", i);
        put_text(&set, key);
        ptl_cbor_put_head(&set, PTL_CBOR_BYTES, size);
        memset(ptl_buffer_reserve(&set, size), 0, size);
        set.size += size;
        wire_say(wire, "sssmm", "", "g_upd", family, ptl_buffer_span(&set), no_array());
        ptl_buffer_drop(&set);
        if (i % 32 == 31 && !attack_push(ground, wire)) {
            return false;
        }
    }
    return attack_push(ground, wire);
}

/* A value that the friend's limit does not bear, and others behind it. */
void attack_poison_entry(struct attack_ground *ground)
{
    struct wire wire;

    if (!attach(ground, &wire, "poisoner")) {
        return;
    }
    if (set_keys(ground, &wire, "poison", 1, 100000) && set_keys(ground, &wire, "after", 100, 10)) {
        attack_linger(ground, &wire, 1, 60000);
    }
    wire_close(&wire, false);
}

/* As much as the node takes: small entries, each with a family of its own, then large ones. */
void attack_many_entries(struct attack_ground *ground)
{
    struct wire wire;
    char family[64];

    if (!attach(ground, &wire, "hoarder")) {
        return;
    }
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(family, sizeof(family), "hoard_%u", i);
        if (!set_keys(ground, &wire, family, 1, 10)) {
            break;
        }
    }
    set_keys(ground, &wire, "hoard", 1000, 60000);
    wire_close(&wire, false);
}

/* ---- Watches and questions ------------------------------------------------------------------ */

void attack_mon1_families(struct attack_ground *ground)
{
    struct wire wire;
    char family[64];

    if (!attach(ground, &wire, "families")) {
        return;
    }
    for (unsigned i = 0; i < 50000; i++) {
        snprintf(family, sizeof(family), "family_%u", i);
        wire_say(&wire, "sss", "", "g_mon1", family);
        if (i % 200 == 199 && !attack_push(ground, &wire)) {
            break;
        }
    }
    attack_linger(ground, &wire, 1, 60000);
    wire_close(&wire, false);
}

/* A family of 1.3 MB, asked for 500 times, and not read. */
void attack_unread_families(struct attack_ground *ground)
{
    struct wire wire;
    char id[32];

    if (!attach(ground, &wire, "reader")) {
        return;
    }
    set_keys(ground, &wire, "large", 1300, 1000);
    wire.deaf = true;
    for (unsigned i = 0; i < 500; i++) {
        snprintf(id, sizeof(id), "q%u", i);
        wire_say(&wire, "ssss", "", "g_db_family", "large", id);
        wire_say(&wire, "sss", "", "g_mon1", "large");
        wire_say(&wire, "sss", "", "g_mon0", "large");
    }
    attack_push(ground, &wire);
    attack_linger(ground, &wire, 1, 60000);
    wire_close(&wire, false);
}

/* Have the node's own service set what it is told. */
void attack_service_updates(struct attack_ground *ground)
{
    struct wire wire;
    char key[64];

    if (!attack_open(ground, &wire, attack_name(ground, "updater"), WIRE_PLAIN)) {
        return;
    }
    wire.deaf = true;
    for (unsigned i = 0; attack_push(ground, &wire); i++) {
        snprintf(key, sizeof(key), "%u", i % 20);
        wire_say(&wire, "sssszs", "portolan", "db_set", "updates", key, (size_t)20000,
                 port_of(&wire));
    }
    wire_close(&wire, false);
}

/* ---- What is not the attacker's ------------------------------------------------------------- */

/* Whose entries these are, and that there are none; that he is gone. */
static void speak_for(struct wire *wire, const char *owner, uint64_t number)
{
    wire_say(wire, "sssu", "", "portolan::db_owner", owner, number);
    wire_say(wire, "sssusmm", "", "portolan::db", owner, number, "'l", no_map(), no_array());
    wire_say(wire, "sssusmm", "", "portolan::db", owner, number, "echo", no_map(), no_array());
    wire_say(wire, "sssu", "", "portolan::db_lost", owner, number);
}

/* Speak for others: as nobody, as an ordinary node, as one that says that it is global. */
void attack_db_owner(struct attack_ground *ground)
{
    for (unsigned i = 0; attack_goes_on(ground); i++) {
        struct wire wire;
        if (!attack_open(ground, &wire, attack_name(ground, "owner"), WIRE_OURS)) {
            return;
        }
        wire_say(&wire, "ss", "", "");
        if (i % 3 == 0) {
            wire_say(&wire, "ssmu", "", "g_slave", no_map(), UINT64_C(1));
        } else if (i % 3 == 1) {
            wire_say(&wire, "ss", "", "g_global");
        }
        speak_for(&wire, ATTACK_FRIEND, UINT64_MAX - 1);
        speak_for(&wire, ATTACK_VICTIM, UINT64_MAX - 1);
        speak_for(&wire, "pair-16-a", UINT64_MAX - 1);
        speak_for(&wire, "pair-17-a", (UINT64_C(1) << 63) - 1);
        wire_say(&wire, "ss", "", "portolan::db_again");
        attack_push(ground, &wire);
        attack_linger(ground, &wire, 1, 200);
        wire_close(&wire, false);
    }
}

/* Open, as a global node of ours that speaks for itself and says so. */
static bool open_global(struct attack_ground *ground, struct wire *wire, const char *prefix)
{
    if (!attack_open(ground, wire, attack_name(ground, prefix), WIRE_OURS)) {
        return false;
    }
    wire_say(wire, "ss", "", "");
    wire_say(wire, "ss", "", "g_global");
    wire_say(wire, "sssu", "", "portolan::db_owner", wire->id, UINT64_C(1));
    return true;
}

/* `count` keys of a family that this owner is said to have set, of these numbers. */
static void bring(struct wire *wire, const char *owner, const char *family, unsigned first,
                  unsigned count)
{
    struct ptl_buffer set;
    char key[300];

    ptl_buffer_init(&set, ptl_allocator_libc(), SIZE_MAX);
    ptl_cbor_put_head(&set, PTL_CBOR_MAP, count);
    for (unsigned i = first; i < first + count; i++) {
        snprintf(key, sizeof(key), "%s-%u", wire->id, i);
        put_text(&set, key);
        ptl_cbor_put_head(&set, PTL_CBOR_UINT, i);
    }
    wire_say(wire, "sssusmm", "", "portolan::db", owner, UINT64_C(1), family, ptl_buffer_span(&set),
             no_array());
    ptl_buffer_drop(&set);
}

/* Speak for as many nodes as the time allows, each with an entry; come again when thrown out. */
void attack_many_owners(struct attack_ground *ground)
{
    char owner[300];

    while (attack_goes_on(ground)) {
        struct wire wire;
        if (!open_global(ground, &wire, "speaker")) {
            return;
        }
        for (unsigned i = 0; i % 100 != 0 || attack_push(ground, &wire); i++) {
            snprintf(owner, sizeof(owner), "%s-%u", wire.id, i);
            wire_say(&wire, "sssu", "", "portolan::db_owner", owner, UINT64_C(1));
            bring(&wire, owner, "brought", i, 1);
        }
        wire_close(&wire, false);
    }
}

/* Name nodes as global that nobody has, and come again when thrown out. */
void attack_made_up_globals(struct attack_ground *ground)
{
    while (attack_goes_on(ground)) {
        struct wire wire;
        if (!open_global(ground, &wire, "namer")) {
            return;
        }
        for (unsigned i = 0; attack_push(ground, &wire); i += 100) {
            bring(&wire, wire.id, "'g", i, 100);
        }
        wire_close(&wire, false);
    }
}

/* Keys that name ports and nodes of others, with lies behind them. */
void attack_foreign_keys(struct attack_ground *ground)
{
    struct ptl_buffer set;
    struct wire wire;

    if (!attack_open(ground, &wire, attack_name(ground, "aaa"), WIRE_GLOBAL)) {
        return;
    }
    wire_say(&wire, "ssm", "", "g_slave", no_map());
    ptl_buffer_init(&set, ptl_allocator_libc(), SIZE_MAX);
    ptl_cbor_put_head(&set, PTL_CBOR_MAP, 2);
    put_text(&set, ATTACK_FRIEND "#echo");
    put_text(&set, "lie");
    put_text(&set, ATTACK_VICTIM "#echo");
    put_text(&set, "lie");
    wire_say(&wire, "sssmm", "", "g_upd", "echo", ptl_buffer_span(&set), no_array());
    ptl_buffer_clear(&set);
    ptl_cbor_put_head(&set, PTL_CBOR_MAP, 1);
    put_text(&set, ATTACK_FRIEND);
    ptl_cbor_put_head(&set, PTL_CBOR_ARRAY, 0);
    wire_say(&wire, "sssmm", "", "g_upd", "'l", ptl_buffer_span(&set), no_array());
    wire_say(&wire, "sssmm", "", "g_upd", "'g", ptl_buffer_span(&set), no_array());
    ptl_buffer_drop(&set);
    if (attack_push(ground, &wire)) {
        attack_linger(ground, &wire, 1, 60000);
    }
    wire_close(&wire, false);
}

/* Attach with numbers from the past and the future, again and again. */
void attack_old_attachment(struct attack_ground *ground)
{
    const char *id = attack_name(ground, "attached");

    for (unsigned i = 0; attack_goes_on(ground); i++) {
        struct wire wire;
        if (!attack_open(ground, &wire, id, WIRE_OURS)) {
            return;
        }
        wire_say(&wire, "ss", "", "");
        wire_say(&wire, "ssmu", "", "g_slave", no_map(),
                 i % 3 == 0   ? UINT64_MAX / 2
                 : i % 3 == 1 ? UINT64_C(1)
                              : sim_random_next(&ground->random));
        set_keys(ground, &wire, "attached", 10, 10);
        attack_linger(ground, &wire, 1, 50);
        wire_close(&wire, false);
    }
}
