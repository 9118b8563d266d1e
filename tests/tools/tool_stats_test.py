#!/usr/bin/env python3
"""`portolan stats`: what it prints is what /api of the same node says, and who is refused."""

import json
import os
import re
import signal
import sys
import time
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, SECRET, unused_address
from tool_http_test import HttpTest

# What does not change by being looked at, or by time that passes.
STEADY = ("ports", "registrations", "families", "entries", "seeds", "seeds_linked", "watches", "queued", "full")


class StatsTest(HttpTest):
    ENDS = (0, 6)  # an answer to a command that was ended meanwhile is lost, and the node says so

    def stats(self, node, *arguments, seed=None):
        return self.run_tool("stats", node.id, "--seed", (seed or node).address, "--secret", SECRET, *arguments)

    def stats_json(self, node, *arguments, seed=None):
        code, out, err = self.stats(node, "--json", *arguments, seed=seed)
        self.assertEqual((code, err, out.count("\n")), (0, "", 1))
        return json.loads(out)

    def until_linked(self, node, count):
        self.until(lambda: self.get_json(node, "/api/links"),
                   lambda found: len([link for link in found["links"] if link["up"]]) == count)

    def both_at_rest(self, node):
        """What `stats` and /api/all say of a node in which nothing changed in between: a copy of the other's
        database may still be replaced when all of its families are known."""
        def steady(api):
            return [api["node"]["counts"][name] for name in STEADY]

        def look():
            before = self.get_json(node, "/api/all")
            return before, self.stats_json(node), self.get_json(node, "/api/all")
        _, found, api = self.until(look, lambda looks: steady(looks[0]) == steady(looks[2]))
        return found, api


class WhatItPrintsTest(StatsTest):
    def test_json_is_what_api_says_of_the_same_node(self):
        rain = self.http_node("--node", "rain", "--service", "echo", "--service", "sink")
        snow = self.http_node("--node", "snow", "--seed", rain.address, "--service", "echo")
        for node in (rain, snow):
            self.until(lambda: self.get_json(node, "/api/database")["families"], lambda families: {
                family["family"]: family["keys"] for family in families} == {"'l": 2, "'g": 2, "echo": 2, "sink": 1})
            self.until_linked(node, 1)
            found, api = self.both_at_rest(node)
            self.assertEqual(set(found), set(api))
            self.assertEqual(set(found["node"]) | {"log"}, set(api["node"]))
            for name in ("node", "version", "global", "ready", "draining", "shard_count", "addresses"):
                self.assertEqual(found["node"][name], api["node"][name], name)
            self.assertEqual(set(found["node"]["counts"]), set(api["node"]["counts"]))
            for name in STEADY:
                self.assertEqual(found["node"]["counts"][name], api["node"]["counts"][name], name)
            others = [link for link in found["links"]["links"] if "/cli/" not in link["node"]]
            self.assertEqual([(link["node"], link["global"]) for link in others],
                             [(link["node"], link["global"]) for link in api["links"]["links"]])
            self.assertEqual({port["port"] for port in found["ports"]["ports"]},
                             {port["port"] for port in api["ports"]["ports"]})
            self.assertEqual(found["database"]["families"], api["database"]["families"])

    def test_text_has_node_shards_links_ports_and_families(self):
        rain = self.http_node("--node", "rain", "--service", "echo")
        self.http_node("--node", "snow", "--seed", rain.address)
        self.until_linked(rain, 1)
        code, out, err = self.stats(rain)
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, rf"\Arain: global, ready, portolan [0-9.]+, up \S+, {re.escape(rain.address)}\n")
        self.assertRegex(out, r"(?m)^SHARD +TAKEN .*\n0 .*\n1 .*\nall ")
        self.assertRegex(out, r"(?m)^links: 2 of 2\nNODE +KIND")
        self.assertRegex(out, r"(?m)^snow +global +up +portolan ")
        self.assertRegex(out, r"(?m)^busiest ports: 3 of 3\nPORT +SHARD +MESSAGES")
        self.assertRegex(out, r"(?m)^rain#echo +[01] +0 ")
        self.assertRegex(out, r"(?m)^largest families: 3 of 3\nFAMILY +KEYS\n'[lg] +2\n'[lg] +2\necho +1\n\Z")
        self.assertNotRegex(out, r"[ \t]\n|\x1b")

    def test_so_many_of_each_are_shown_as_are_wanted(self):
        rain = self.http_node("--node", "rain", "--service", "echo", "--service", "sink")
        found = self.stats_json(rain, "--ports", "1", "--links", "0", "--families", "2")
        self.assertEqual((len(found["ports"]["ports"]), found["ports"]["all"]), (1, 4))
        self.assertEqual((len(found["links"]["links"]), found["links"]["all"]), (0, 1))
        self.assertEqual((len(found["database"]["families"]), found["database"]["all"]), (2, 4))
        self.assertIn("busiest ports: 2 of 4\n", self.stats(rain, "--ports", "2")[1])

    def test_every_prints_so_often_and_what_was_done_a_second(self):
        rain = self.http_node("--node", "rain")
        code, out, err = self.stats(rain, "--every", "0.1", "--count", "3")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out.count("rain: global"), 3)
        self.assertEqual(len(re.findall(r"^a second +[0-9.]+ ", out, re.M)), 2)
        code, out, err = self.stats(rain, "--every", "0.1", "--count", "2", "--json")
        self.assertEqual([json.loads(line)["node"]["node"] for line in out.splitlines()], ["rain", "rain"])

    def test_every_goes_on_until_it_is_ended(self):
        rain = self.http_node("--node", "rain")
        process = self.start("stats", "rain", "--every", "0.1", "--json", "--seed", rain.address, "--secret", SECRET)
        for _ in range(3):
            self.assertEqual(json.loads(process.stdout.readline())["node"]["node"], "rain")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process)[0], 143)

    def test_names_that_would_drive_a_terminal_are_made_harmless(self):
        rain = self.http_node("--node", "rain")
        family = "snow\u009b31m"
        hold = self.start("db", "watch", "x", "--node", family, "--seed", rain.address, "--secret", SECRET)
        self.until_linked(rain, 1)
        out = self.stats(rain)[1]
        self.assertIn("snow??31m", out)
        self.assertNotIn("\u009b", out)
        hold.terminate()


class WhoIsRefusedTest(StatsTest):
    RULES = "allow * global\nallow * db-read,db-write\nallow * send,monitor @made stats\nallow ops-* observe\n"

    def write_rules(self, text):
        path = os.path.join(self.home, "rules")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        return path

    def test_node_that_rules_do_not_let_observe_is_told_so(self):
        rain = self.http_node("--node", "rain", "--rules", self.write_rules(self.RULES))
        self.assert_fails(8, "rules", arguments=("stats", "rain", "--seed", rain.address, "--secret", SECRET))
        self.until(rain.logged, lambda log: "may not observe, by the rules (1 refused)" in log)
        self.assertEqual(self.stats(rain, "--node", "ops-1")[0], 0)

    def test_node_that_rules_do_not_let_ask_at_all_is_told_so(self):
        rain = self.http_node("--node", "rain", "--rules", self.write_rules("allow ops-* *\n"))
        self.assert_fails(8, "rules", arguments=("stats", "rain", "--seed", rain.address, "--secret", SECRET))
        self.assertEqual(self.stats(rain, "--node", "ops-1")[0], 0)

    def test_rules_that_are_read_again_count_for_the_next_question(self):
        rain = self.http_node("--node", "rain", "--rules", self.write_rules(self.RULES))
        self.assertEqual(self.stats(rain)[0], 8)
        self.write_rules(self.RULES.replace("ops-*", "*"))
        rain.process.send_signal(signal.SIGHUP)
        self.until(rain.logged, lambda log: "other rules" in log)
        self.assertEqual(self.stats(rain)[0], 0)

    def test_rules_that_name_a_proof_count_for_those_who_can_have_given_it_alone(self):
        rain = self.http_node("--node", "rain", "--rules", self.write_rules(
            self.RULES.replace("allow ops-*", "allow ops-* by secret")))
        self.assertEqual(self.stats(rain, "--node", "ops-1")[0], 0)

    def test_unknown_node_cannot_be_reached(self):
        rain = self.http_node("--node", "rain")
        self.assert_fails(3, "cannot be reached", "no known address", arguments=(
            "stats", "nowhere", "--seed", rain.address, "--secret", SECRET))
        self.assert_fails(3, "cannot reach", arguments=(
            "stats", "rain", "--seed", unused_address(), "--secret", SECRET, "--timeout", "1"))

    def test_command_line_that_is_wrong_is_told(self):
        for arguments in (("stats",), ("stats", "a", "b"), ("stats", "a#b"), ("stats", "a", "--count", "2"),
                          ("stats", "a", "--ports", "1025"), ("stats", "a", "--every", "0"),
                          ("drain", "a", "--ports", "1")):
            self.assert_fails(1, arguments=arguments)

    def test_node_that_stops_answering_is_no_longer_waited_for(self):
        rain = self.node("--node", "rain")
        snow = self.joined(rain, "snow")
        snow.process.send_signal(signal.SIGSTOP)
        self.addCleanup(snow.process.send_signal, signal.SIGCONT)
        begin = time.monotonic()
        self.assert_fails(3, arguments=("stats", "snow", "--timeout", "1", "--seed", rain.address))
        self.assertLess(time.monotonic() - begin, LIMIT)

    def test_node_that_ends_while_it_is_watched_ends_the_watch(self):
        rain = self.node("--node", "rain")
        snow = self.joined(rain, "snow")
        process = self.start("stats", "snow", "--every", "0.1", "--json", "--seed", rain.address)
        self.assertEqual(json.loads(process.stdout.readline())["node"]["node"], "snow")
        snow.strike()
        code, _, err = self.finish(process)
        self.assertEqual(code, 3)
        self.assertIn("portolan: the node cannot be reached", err)


if __name__ == "__main__":
    unittest.main()
