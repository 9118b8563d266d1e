/*
 * A hostile peer: it knows the secret, and does with it what no good node does.
 */
#include "tests/hostile/peer.h"

static const struct attack attacks[] = {
    {"watch_and_leave", attack_watch_and_leave},
    {"full_names", attack_full_names},
    {"nested_snd", attack_nested_snd},
    {"echo_to_echo", attack_echo_to_echo},
    {"many_spawns", attack_many_spawns},
    {"big_kill_reason", attack_big_kill_reason},
    {"spellings", attack_spellings},
    {"malformed_requests", attack_malformed_requests},
    {"garbage_packets", attack_garbage_packets},
    {"sink_flood", attack_sink_flood},
    {"slow_asker", attack_slow_asker},
    {"unread_answers", attack_unread_answers},
    {"time_large", attack_time_large},
    {"unread_on_many_links", attack_unread_on_many_links},
    {"many_links", attack_many_links},
    {"many_messages_in_the_making", attack_many_messages_in_the_making},
    {"large_json", attack_large_json},
    {"many_addresses", attack_many_addresses},
    {"unreachable_nodes", attack_unreachable_nodes},
    {"ghost_names", attack_ghost_names},
    {"twin_id", attack_twin_id},
    {"twin_of_an_innocent", attack_twin_of_an_innocent},
    {"come_and_go", attack_come_and_go},
    {"upd_repeated_key", attack_upd_repeated_key},
    {"mon1_families", attack_mon1_families},
    {"colliding_keys", attack_colliding_keys},
    {"unread_families", attack_unread_families},
    {"poison_entry", attack_poison_entry},
    {"db_owner", attack_db_owner},
    {"many_owners", attack_many_owners},
    {"made_up_globals", attack_made_up_globals},
    {"foreign_keys", attack_foreign_keys},
    {"old_attachment", attack_old_attachment},
    {"many_entries", attack_many_entries},
    {"service_updates", attack_service_updates},
};

int main(int argc, char *argv[])
{
    return attack_main(argc, argv, attacks, sizeof(attacks) / sizeof(attacks[0]));
}
