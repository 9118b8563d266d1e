#include "engine/link/permission.h"

#include "engine/link/link.h"
#include "engine/link/node_links.h"
#include "engine/link/shard_links.h"
#include "engine/message/name.h"
#include "engine/shard/node.h"

#include <inttypes.h>
#include <stdio.h>

#define TOLD_AGAIN_NS UINT64_C(1000000000)
#define SHOWN_MAX 80 /* bytes of an object in the log */

/* Verdicts on sending, each in one of the places that its port's hash says; there the oldest go. */
#define SETS 16
#define WAYS 4
#define PLACE_NAME_MAX 54

struct place {
    uint32_t number; /* of the rules; 0: the place is free */
    uint32_t line;
    bool allows;
    uint8_t size;
    char name[PLACE_NAME_MAX];
};

struct ptl_sent_to {
    struct place places[SETS][WAYS];
    uint8_t next[SETS]; /* the one that goes next */
};

_Static_assert(sizeof(struct place) == PTL_CACHE_LINE, "a look at one is a look at one line");

/* ---- The rules in force -------------------------------------------------------------------- */

void ptl_node_set_rules(struct ptl_node *node, struct ptl_rules *rules)
{
    struct ptl_node_links *links = node->links;
    struct ptl_rules_in_force *in_force = &links->rules;

    pthread_mutex_lock(&links->lock);
    struct ptl_rules *before = in_force->rules;
    uint32_t number = atomic_load_explicit(&in_force->number, memory_order_relaxed) + 1;
    in_force->rules = ptl_rules_hold(rules);
    atomic_store_explicit(&in_force->number, number != 0 ? number : 1, memory_order_release);
    pthread_mutex_unlock(&links->lock);
    ptl_rules_free(before);
}

void ptl_rules_in_force_drop(struct ptl_node *node)
{
    ptl_rules_free(node->links->rules.rules);
    node->links->rules.rules = NULL;
}

static void see_rules(struct ptl_shard *shard)
{
    struct ptl_node_links *links = shard->node->links;
    struct ptl_rules_seen *seen = &shard->links->rules;
    struct ptl_rules *before = seen->rules;

    pthread_mutex_lock(&links->lock);
    seen->rules = ptl_rules_hold(links->rules.rules);
    seen->number = atomic_load_explicit(&links->rules.number, memory_order_relaxed);
    pthread_mutex_unlock(&links->lock);
    ptl_rules_free(before);
}

void ptl_rules_unsee(struct ptl_shard *shard)
{
    ptl_rules_free(shard->links->rules.rules);
    shard->links->rules.rules = NULL;
}

/* ---- Refusals ------------------------------------------------------------------------------ */

/* What is told apart: a rule, or that no rule allows an action.  No line is so far down. */
static uint32_t key_of(enum ptl_action action, uint32_t line)
{
    return line != 0 ? line : UINT32_MAX - (uint32_t)action;
}

/* Whether the log is told of one more of that key: once a second, and of so many keys. */
static bool is_to_be_told(struct ptl_permission *permission, uint32_t key, uint64_t now)
{
    unsigned place = PTL_REFUSALS_TOLD;

    for (unsigned i = 0; i < PTL_REFUSALS_TOLD; i++) {
        if (permission->told[i].until > now) {
            if (permission->told[i].key == key) {
                return false;
            }
        } else {
            place = i;
        }
    }
    if (place == PTL_REFUSALS_TOLD) {
        return false;
    }
    permission->told[place].key = key;
    permission->told[place].until = now + TOLD_AGAIN_NS;
    return true;
}

static void refuse(struct ptl_shard *shard, struct ptl_link *link, enum ptl_action action,
                   struct ptl_span object, uint32_t line)
{
    struct ptl_permission *permission = &link->permission;
    char subject[PTL_NODE_ID_MAX + 16], by[40];

    shard->links->rules.refused[action]++;
    permission->refused++;
    if (!is_to_be_told(permission, key_of(action, line), shard->now)) {
        return;
    }
    snprintf(subject, sizeof(subject), "%s %" PRIu32, link->id, key_of(action, line));
    if (line != 0) {
        snprintf(by, sizeof(by), "line %" PRIu32 " of the rules denies it", line);
    } else {
        snprintf(by, sizeof(by), "no rule allows it");
    }
    ptl_log_about(shard, PTL_LOG_WARN, ptl_span_text(subject),
                  "%s may not %s%s%.*s: %s (%" PRIu64 " refused of this node by now)", link->id,
                  ptl_action_name(action), object.size != 0 ? " " : "",
                  (int)(object.size < SHOWN_MAX ? object.size : SHOWN_MAX),
                  (const char *)object.bytes, by, permission->refused);
}

/* ---- Verdicts ------------------------------------------------------------------------------ */

/* Links of number 0 are not asked about. */
static struct ptl_rule_verdict judge(const struct ptl_shard *shard, const struct ptl_link *link,
                                     enum ptl_action action, struct ptl_span object,
                                     enum ptl_object_kind kind)
{
    const struct ptl_rule_question question = {
        .node = ptl_link_id(link),
        .object = object,
        .proof = link->permission.proof,
        .action = (uint8_t)action,
        .object_kind = (uint8_t)kind,
    };
    const struct ptl_rules *rules = shard->links->rules.rules;

    return rules != NULL ? ptl_rules_decide(rules, &question)
                         : (struct ptl_rule_verdict){.allows = false};
}

/* Who knows the name of a port that we have made was told it; and whom a spawned port belongs to
 * its name says, where that is a node of ours. */
static enum ptl_object_kind kind_of(const struct ptl_link *link, const struct ptl_port *port)
{
    struct ptl_span name = ptl_port_name(port);
    char made[PTL_NAME_MADE_SIZE];

    if (port->kind == PTL_PORT_SLOT) {
        return PTL_OBJECT_MADE;
    }
    if (!link->peer_is_portolan || name.size != PTL_NAME_SPAWNED_SIZE || name.bytes[0] != 'R') {
        return PTL_OBJECT_NAMED;
    }
    ptl_name_made(link->peer_incarnation, 0, made); /* it begins with the incarnation */
    return memcmp(name.bytes + 1, made, PTL_BASE62_64) == 0 ? PTL_OBJECT_SPAWNED : PTL_OBJECT_NAMED;
}

bool ptl_link_may(struct ptl_shard *shard, struct ptl_link *link, enum ptl_action action,
                  struct ptl_span object)
{
    if (link->permission.number == 0) {
        return true;
    }
    struct ptl_rule_verdict verdict = judge(shard, link, action, object, PTL_OBJECT_NAMED);
    if (!verdict.allows) {
        refuse(shard, link, action, object, verdict.line);
    }
    return verdict.allows;
}

bool ptl_link_may_to_port(struct ptl_shard *shard, struct ptl_link *link, enum ptl_action action,
                          const struct ptl_port *port)
{
    if (link->permission.number == 0) {
        return true;
    }
    struct ptl_span name = ptl_port_name(port);
    struct ptl_rule_verdict verdict = judge(shard, link, action, name, kind_of(link, port));
    if (!verdict.allows) {
        refuse(shard, link, action, name, verdict.line);
    }
    return verdict.allows;
}

static unsigned set_of(const struct ptl_port *port)
{
    uint32_t hash = port->kind == PTL_PORT_NAMED ? ptl_port_key(port)
                                                 : port->slot * UINT32_C(31) + port->generation;

    return hash % SETS;
}

/* What is remembered of that port; NULL: nothing, or it was by other rules. */
static const struct place *recall(const struct ptl_permission *permission,
                                  const struct ptl_port *port)
{
    struct ptl_span name = ptl_port_name(port);

    if (permission->sent_to == NULL) {
        return NULL;
    }
    const struct place *places = permission->sent_to->places[set_of(port)];
    for (unsigned i = 0; i < WAYS; i++) {
        if (places[i].number == permission->number &&
            ptl_span_same(name, ptl_span(places[i].name, places[i].size))) {
            return &places[i];
        }
    }
    return NULL;
}

/* Without memory, and for a long name, nothing is remembered: it is judged each time. */
static void remember(struct ptl_shard *shard, struct ptl_permission *permission,
                     const struct ptl_port *port, struct ptl_rule_verdict verdict)
{
    struct ptl_span name = ptl_port_name(port);
    unsigned set = set_of(port);

    if (permission->sent_to == NULL) {
        permission->sent_to = ptl_alloc(shard->allocator, sizeof(*permission->sent_to));
    }
    if (permission->sent_to == NULL || name.size > PLACE_NAME_MAX) {
        return;
    }
    struct place *place =
        &permission->sent_to->places[set][permission->sent_to->next[set]++ % WAYS];
    *place = (struct place){.number = permission->number,
                            .line = verdict.line,
                            .allows = verdict.allows,
                            .size = (uint8_t)name.size};
    memcpy(place->name, name.bytes, name.size);
}

bool ptl_link_may_send(struct ptl_shard *shard, struct ptl_link *link, const struct ptl_port *port)
{
    if (link->permission.number == 0) {
        return true;
    }
    struct ptl_span name = ptl_port_name(port);
    const struct place *place = recall(&link->permission, port);
    struct ptl_rule_verdict verdict;
    if (place != NULL) {
        verdict = (struct ptl_rule_verdict){.allows = place->allows, .line = place->line};
    } else {
        verdict = judge(shard, link, PTL_MAY_SEND, name, kind_of(link, port));
        remember(shard, &link->permission, port, verdict);
    }
    if (!verdict.allows) {
        refuse(shard, link, PTL_MAY_SEND, name, verdict.line);
    }
    return verdict.allows;
}

/* ---- A link -------------------------------------------------------------------------------- */

static void look(struct ptl_shard *shard, struct ptl_link *link)
{
    struct ptl_permission *permission = &link->permission;
    struct ptl_rules_in_force *in_force = &shard->node->links->rules;

    if (shard->links->rules.number !=
        atomic_load_explicit(&in_force->number, memory_order_acquire)) {
        see_rules(shard);
    }
    bool may_all = shard->links->rules.rules == NULL && permission->proof != PTL_PROOF_ANONYMOUS;
    permission->seen = shard->links->rules.number;
    permission->number = may_all ? 0 : permission->seen;
}

void ptl_permission_begin(struct ptl_shard *shard, struct ptl_link *link, enum ptl_proof proof)
{
    ptl_permission_drop(shard, link); /* what was remembered was of another proof */
    link->permission.proof = (uint8_t)proof;
    look(shard, link);
}

int ptl_permission_renew(struct ptl_shard *shard, struct ptl_link *link)
{
    const struct ptl_rules_in_force *in_force = &shard->node->links->rules;

    if (link->permission.seen == atomic_load_explicit(&in_force->number, memory_order_acquire)) {
        return PTL_OK;
    }
    look(shard, link);
    /* What it has said as a global node stands as long as its link. */
    bool is_denied = link->db.peer == PTL_PEER_GLOBAL &&
                     !ptl_link_may(shard, link, PTL_MAY_GLOBAL, ptl_span("", 0));
    return is_denied ? PTL_EDENIED : PTL_OK;
}

void ptl_permission_drop(struct ptl_shard *shard, struct ptl_link *link)
{
    ptl_free(shard->allocator, link->permission.sent_to, sizeof(*link->permission.sent_to));
    link->permission.sent_to = NULL;
}
