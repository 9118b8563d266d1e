#include "tools/stats/permit.h"

#include <string.h>

void ptl_permit_init(struct ptl_permit *permit, const char *anonymous, bool has_certificates)
{
    *permit = (struct ptl_permit){
        .anonymous = anonymous,
        .has_certificates = has_certificates,
    };
    pthread_mutex_init(&permit->lock, NULL);
}

void ptl_permit_drop(struct ptl_permit *permit)
{
    pthread_mutex_destroy(&permit->lock);
}

void ptl_permit_set(struct ptl_permit *permit, const struct ptl_rules *rules)
{
    pthread_mutex_lock(&permit->lock);
    permit->rules = rules;
    pthread_mutex_unlock(&permit->lock);
}

static bool may_by(const struct ptl_rules *rules, const char *node_id, enum ptl_proof proof)
{
    const char *words[] = {node_id, "by", ptl_proof_name(proof), ptl_action_name(PTL_MAY_OBSERVE)};
    unsigned line;

    return ptl_rules_ask(rules, words, 4, NULL, NULL, &line) == 1;
}

bool ptl_permit_observe(struct ptl_permit *permit, const char *node_id)
{
    const char *anonymous = permit->anonymous;
    bool perhaps_anonymous = anonymous && strncmp(node_id, anonymous, strlen(anonymous)) == 0;

    pthread_mutex_lock(&permit->lock);
    const struct ptl_rules *rules = permit->rules;
    bool may =
        !rules || (may_by(rules, node_id, PTL_PROOF_SECRET) &&
                   (!permit->has_certificates || may_by(rules, node_id, PTL_PROOF_CERTIFICATE)) &&
                   (!perhaps_anonymous || may_by(rules, node_id, PTL_PROOF_ANONYMOUS)));
    pthread_mutex_unlock(&permit->lock);
    return may;
}
