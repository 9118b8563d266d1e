#include "tests/replay/guests.h"

#include "tests/common/listener.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How a guest is attached to our node. */
enum standing { ORDINARY, GLOBAL, SEED };

/*
 * What each recording needs; what is not here needs nothing but our node.  A line is for all
 * recordings whose names contain `recording`, played with our node as `host`.  `brings` is a list
 * of FAMILY/KEY or FAMILY/ (all keys), each with a space behind; the guest's own address comes by
 * itself when `is_listed`.
 */
static const struct guest_role {
    const char *recording;
    const char *host;
    const char *id;
    enum standing standing;
    bool from_start;
    bool is_listed;
    const char *brings;
} table[] = {
    {"mesh_", "rain", "hail", ORDINARY, false, true, "fam/hail "},
    {"mesh_", "snow", "mist", ORDINARY, false, true, "fam/mist "},
    /* The last to set a key wins at real nodes, the lowest ID at ours: leafB shall win here too. */
    {"db.leafB", "seed1", "leafA", ORDINARY, true, true, ""},
    {"db.leafB", "seed1", "maple", ORDINARY, true, false, "fam/ "},
    {"failover.leafA-seed1", "seed1", "seed2", GLOBAL, true, true, ""},
    {"failover.leafA-seed2", "seed2", "seed1", GLOBAL, true, true, ""},
    {"find.leafB", "seed1", "leafA", ORDINARY, true, true, ""},
    {"mesh.leafA-seed1", "seed1", "seed2", GLOBAL, false, true, "'l/leafB "},
    {"mesh.leafA-seed1", "seed1", "leafC", ORDINARY, false, true, ""},
    {"mesh.leafB-seed2", "seed2", "seed1", GLOBAL, false, true, "fam/ "},
    {"mesh.seed2-seed1", "seed1", "leafA", ORDINARY, false, true, "fam/a fam/z "},
    {"mesh.seed2-seed1", "seed1", "leafC", ORDINARY, false, true, "fam/c "},
    {"mesh.seed2-seed1", "seed2", "leafB", ORDINARY, false, true, "fam/ "},
    {"upgrade.leafC", "mid", "seed1", SEED, true, true, ""},
};

/* ---- The recording -------------------------------------------------------------------------- */

struct search {
    const char *node_id;
    struct ptl_msg *found;
};

static void look_for_addresses(const char *family, const char *key, const struct ptl_msg *value,
                               void *data)
{
    struct search *search = data;

    if (search->found == NULL && value != NULL && strcmp(family, "'l") == 0 &&
        strcmp(key, search->node_id) == 0) {
        search->found = ptl_msg_keep(value);
    }
}

struct ptl_msg *recorded_addresses(const struct recording *recording, const char *node_id)
{
    struct search search = {.node_id = node_id};

    for (size_t i = 0; i < recording->packets.count && search.found == NULL; i++) {
        const struct packet *packet = &recording->packets.at[i];
        packet_entries(packet, look_for_addresses, &search);
        if (packet_requests(packet, "g_found") && search.found == NULL &&
            ptl_span_equal(packet_string(packet, 1), ptl_span_text(node_id))) {
            search.found = packet_rest(packet, 2);
        }
    }
    return search.found;
}

/* ---- Saying things -------------------------------------------------------------------------- */

static void say(struct guest *guest, struct ptl_writer *writer)
{
    struct ptl_msg *msg;

    assert_int_equal(ptl_writer_finish(writer, &msg), 0);
    wire_packet(&guest->wire, ptl_span("", 0), msg);
    ptl_msg_free(msg);
}

static void put_text(struct ptl_writer *writer, const char *text)
{
    ptl_put_text(writer, text, strlen(text));
}

/* [..., FAMILY, {KEY: VALUE}] or [..., FAMILY, null, [KEY]] */
static void say_update(struct guest *guest, const char *family, const char *key,
                       const struct ptl_msg *value)
{
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    put_text(&writer, "g_upd");
    put_text(&writer, family);
    if (value != NULL) {
        ptl_put_map(&writer, 1);
        put_text(&writer, key);
        ptl_put_values(&writer, value);
    } else {
        ptl_put_null(&writer);
        ptl_put_array(&writer, 1);
        put_text(&writer, key);
    }
    say(guest, &writer);
}

/* The guest's database as it begins: where it listens, and if it is global that it is. */
static void say_database(struct guest *guest, const struct ptl_msg *addresses)
{
    const struct guest_role *role = guest->role;
    bool is_global = role->standing != ORDINARY;
    struct ptl_writer writer;

    ptl_writer_init(&writer, NULL);
    put_text(&writer, is_global ? "g_set" : "g_slave");
    ptl_put_map(&writer, role->is_listed + is_global);
    if (role->is_listed) {
        put_text(&writer, "'l");
        ptl_put_map(&writer, 1);
        put_text(&writer, role->id);
        if (addresses != NULL) {
            ptl_put_values(&writer, addresses);
        } else {
            ptl_put_array(&writer, 0);
        }
    }
    if (is_global) {
        put_text(&writer, "'g");
        ptl_put_map(&writer, 1);
        put_text(&writer, role->id);
        ptl_put_null(&writer);
    }
    say(guest, &writer);
}

static void on_reply(struct ptl_node *node, int err, const struct ptl_msg *reply, void *data)
{
    (void)node;
    (void)reply;
    atomic_store((_Atomic int *)data, err == 0 ? 1 : -1);
}

/* Wait until our node has an entry, or has it no more. */
static void wait_for_entry(struct guests *guests, const char *family, const char *key, bool there)
{
    static _Atomic int found;

    for (unsigned looks = 0;; looks++) {
        assert_true(looks < WIRE_WAIT_MS);
        atomic_store(&found, 0);
        assert_int_equal(ptl_db_get(guests->node, family, key, on_reply, (void *)&found), 0);
        while (atomic_load(&found) == 0) {
            poll(NULL, 0, 1);
        }
        if ((atomic_load(&found) > 0) == there) {
            return;
        }
        poll(NULL, 0, 1);
    }
}

/* Wait until our node has what the guest began with: each family is on a shard of its own. */
static void wait_to_be_known(struct guests *guests, const struct guest *guest)
{
    if (guest->role->is_listed) {
        wait_for_entry(guests, "'l", guest->role->id, true);
    }
    if (guest->role->standing != ORDINARY) {
        wait_for_entry(guests, "'g", guest->role->id, true);
    }
}

/* Wait until our node has taken this seed for its master, and so knows that it is global. */
static void wait_to_be_master(struct guest *guest)
{
    int64_t patience = wire_patience();

    for (size_t i = 0;; i++) {
        while (i == guest->wire.got.count) {
            assert_true(wire_take(&guest->wire, patience));
        }
        if (packet_requests(&guest->wire.got.at[i], "g_slave")) {
            break;
        }
    }
    wire_forget(&guest->wire);
}

/* ---- Coming and leaving --------------------------------------------------------------------- */

static bool is_invited(const struct guests *guests, const struct guest_role *role)
{
    return strstr(guests->recording->name, role->recording) != NULL &&
           strcmp(guests->host, role->host) == 0;
}

void guests_invite(struct guests *guests, const struct recording *recording, const char *host)
{
    *guests = (struct guests){.recording = recording, .host = host, .listener = -1};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!is_invited(guests, &table[i])) {
            continue;
        }
        assert_true(guests->count < GUESTS_MAX);
        guests->at[guests->count++].role = &table[i];
        if (table[i].standing == SEED) {
            guests->listener = listener_open(guests->seed_address);
        }
    }
}

/* What our node reads and writes. */
static const char *framings_of(const struct guests *guests)
{
    const struct recorded_side *sides = guests->recording->sides;

    return sides[strcmp(sides[RECORDED_CLIENT].node_id, guests->host) == 0 ? RECORDED_CLIENT
                                                                           : RECORDED_SERVER]
        .framings;
}

static void come(struct guests *guests, struct guest *guest)
{
    struct ptl_msg *addresses = recorded_addresses(guests->recording, guest->role->id);
    bool is_seed = guest->role->standing == SEED;
    const char *framings = framings_of(guests);
    char lines[128];

    snprintf(lines, sizeof lines, "aemp;1;%s;hmac_sha3_512;%s;mproto=1;gproto=1\nnonce of %s\n",
             guest->role->id, framings, guest->role->id);
    const struct wire_opening opening = {.node_id = guest->role->id,
                                         .secret = guests->recording->secret,
                                         .framings = framings,
                                         .lines = lines};
    int socket =
        is_seed ? wire_accept(guests->listener) : wire_dial(ptl_node_address(guests->node, 0));
    wire_open(&guest->wire, socket, &opening, NULL);
    guest->linked = true;
    if (guest->role->standing != ORDINARY) {
        wire_say(&guest->wire, "[\"\",\"g_global\"]");
    }
    say_database(guest, addresses);
    ptl_msg_free(addresses);
    if (is_seed) {
        wait_to_be_master(guest);
    } else {
        wait_to_be_known(guests, guest);
    }
}

void guests_be_known(struct guests *guests)
{
    for (unsigned i = 0; i < guests->count; i++) {
        if (guests->at[i].linked) {
            wait_to_be_known(guests, &guests->at[i]);
        }
    }
}

void guests_come(struct guests *guests, struct ptl_node *node)
{
    guests->node = node;
    for (unsigned i = 0; i < guests->count; i++) {
        if (guests->at[i].role->from_start) {
            come(guests, &guests->at[i]);
        }
    }
}

static void leave(struct guest *guest)
{
    if (guest->linked) {
        wire_close(&guest->wire);
        entries_drop(&guest->brought);
        guest->linked = false;
        guest->left = true;
    }
}

void guests_leave(struct guests *guests)
{
    for (unsigned i = 0; i < guests->count; i++) {
        leave(&guests->at[i]);
    }
    if (guests->listener >= 0) {
        close(guests->listener);
    }
}

void guests_listen(struct guests *guests)
{
    for (unsigned i = 0; i < guests->count; i++) {
        while (guests->at[i].linked && wire_take(&guests->at[i].wire, 0)) {
            wire_forget(&guests->at[i].wire);
        }
    }
}

/* ---- Bringing things about ------------------------------------------------------------------ */

static bool brings(const struct guest *guest, const char *family, const char *key)
{
    char exact[128], all[128];

    if ((strcmp(family, "'l") == 0 || strcmp(family, "'g") == 0) &&
        strcmp(key, guest->role->id) == 0) {
        return true;
    }
    snprintf(exact, sizeof exact, "%s/%s ", family, key);
    snprintf(all, sizeof all, "%s/ ", family);
    return strstr(guest->role->brings, exact) != NULL || strstr(guest->role->brings, all) != NULL;
}

struct act {
    struct guests *guests;
    const struct entries *known;
    entry_fn *own;
    void *data;
};

/* An entry that the guest brings is said to be there, or to be gone. */
static void act_as(struct guests *guests, struct guest *guest, const char *family, const char *key,
                   const struct ptl_msg *value)
{
    bool is_itself = strcmp(key, guest->role->id) == 0 && family[0] == '\'';

    if (is_itself) {
        if (value == NULL) {
            leave(guest);
        } else if (!guest->linked && !guest->left) {
            come(guests, guest);
        }
        return;
    }
    if (!guest->linked) {
        if (value == NULL) {
            return;
        }
        come(guests, guest);
    }
    struct entries now = {0}, then = {0};
    const struct entry *brought = entries_find(&guest->brought, family, key);
    if (brought != NULL) {
        entries_set(&now, family, key, brought->value);
    }
    if (value != NULL) {
        entries_set(&then, family, key, value);
    }
    if (!entries_same(&now, &then)) {
        say_update(guest, family, key, value);
    }
    if (value != NULL) {
        entries_set(&guest->brought, family, key, value);
    } else {
        entries_del(&guest->brought, family, key);
    }
    entries_drop(&now);
    entries_drop(&then);
}

static bool is_known(const struct entries *known, const char *family, const char *key,
                     const struct ptl_msg *value)
{
    const struct entry *entry = entries_find(known, family, key);
    struct entries one = {0}, other = {0};

    if (entry == NULL || value == NULL) {
        return false;
    }
    entries_set(&one, family, key, value);
    entries_set(&other, family, key, entry->value);
    bool same = entries_same(&one, &other);
    entries_drop(&one);
    entries_drop(&other);
    return same;
}

static void bring_about(const char *family, const char *key, const struct ptl_msg *value,
                        void *data)
{
    const struct act *act = data;

    if (is_known(act->known, family, key, value)) {
        return;
    }
    for (unsigned i = 0; i < act->guests->count; i++) {
        if (brings(&act->guests->at[i], family, key)) {
            act_as(act->guests, &act->guests->at[i], family, key, value);
            return;
        }
    }
    if (family[0] != '\'') {
        act->own(family, key, value, act->data);
    }
}

void guests_act(struct guests *guests, const struct packet *packet, const struct entries *known,
                entry_fn *own, void *data)
{
    struct act act = {.guests = guests, .known = known, .own = own, .data = data};

    packet_entries(packet, bring_about, &act);
}
