/*
 * tests/hostile/peer.h - the attacks of a hostile peer, by what they are aimed at.
 */
#pragma once

#include "tests/hostile/attack.h"

/* Ports, monitors and requests (peer_ports.c). */
void attack_watch_and_leave(struct attack_ground *ground);
void attack_full_names(struct attack_ground *ground);
void attack_nested_snd(struct attack_ground *ground);
void attack_echo_to_echo(struct attack_ground *ground);
void attack_many_spawns(struct attack_ground *ground);
void attack_big_kill_reason(struct attack_ground *ground);
void attack_spellings(struct attack_ground *ground);
void attack_malformed_requests(struct attack_ground *ground);
void attack_garbage_packets(struct attack_ground *ground);
void attack_sink_flood(struct attack_ground *ground);

/* Answers that are not read, and links (peer_links.c). */
void attack_slow_asker(struct attack_ground *ground);
void attack_unread_answers(struct attack_ground *ground);
void attack_time_large(struct attack_ground *ground);
void attack_unread_on_many_links(struct attack_ground *ground);
void attack_many_links(struct attack_ground *ground);
void attack_many_messages_in_the_making(struct attack_ground *ground);
void attack_large_json(struct attack_ground *ground);
void attack_many_addresses(struct attack_ground *ground);
void attack_unreachable_nodes(struct attack_ground *ground);
void attack_ghost_names(struct attack_ground *ground);
void attack_twin_id(struct attack_ground *ground);
void attack_twin_of_an_innocent(struct attack_ground *ground);
void attack_come_and_go(struct attack_ground *ground);

/* The database (peer_database.c). */
void attack_upd_repeated_key(struct attack_ground *ground);
void attack_mon1_families(struct attack_ground *ground);
void attack_colliding_keys(struct attack_ground *ground);
void attack_unread_families(struct attack_ground *ground);
void attack_poison_entry(struct attack_ground *ground);
void attack_db_owner(struct attack_ground *ground);
void attack_many_owners(struct attack_ground *ground);
void attack_made_up_globals(struct attack_ground *ground);
void attack_foreign_keys(struct attack_ground *ground);
void attack_old_attachment(struct attack_ground *ground);
void attack_many_entries(struct attack_ground *ground);
void attack_service_updates(struct attack_ground *ground);
