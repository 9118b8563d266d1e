#!/usr/bin/env python3
"""Drives the portolan command's view of the network: the database, `nodes`, `trace`."""

import json
import signal
import socket
import sys
import time
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, SLOW, ToolTest, unused_address


class NetworkTest(ToolTest):
    @staticmethod
    def ask(node, *arguments):
        """The command line that asks `node`; what is behind a "--" stays there."""
        return [*arguments[:1], "--seed", node.address, *arguments[1:]]

    def do(self, node, *arguments):
        self.assertEqual(self.run_tool(*self.ask(node, *arguments)), (0, "", ""))

    def tell(self, node, *arguments):
        """What a command prints, without the last line's end."""
        code, out, err = self.run_tool(*self.ask(node, *arguments))
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(out[-1:], "\n")
        return out[:-1]

    def logging(self, line, node, *arguments):
        """A running command that has logged `line`."""
        process = self.start(*self.ask(node, *arguments), "--log", "info")
        for logged in process.stderr:
            if logged.endswith(f"info {line}\n"):
                return process
        raise AssertionError(f"{arguments} has not logged {line!r}")

    def watch(self, node, family, *arguments):
        """A running watch that has told all that was there."""
        return self.logging(f"watching {family}", node, "db", "watch", family, *arguments)

    def wait_for(self, node, family, key, value):
        """Until `node` shows that value of a key."""
        process = self.start(*self.ask(node, "db", "watch", family, key))
        for line in process.stdout:
            if json.loads(line).get("value") == value:
                self.end(process)
                return
        raise AssertionError(f"{key} of {family} was never {value}")

    def assert_next(self, watch, *lines):
        for line in lines:
            self.assertEqual(json.loads(watch.stdout.readline()), line)

    def end_by(self, process, number):
        process.send_signal(number)
        code, out, _ = self.finish(process)
        self.assertEqual((code, out), (128 + number, ""))


def wait_until_free(address):
    """The kernel closes the ring of a process that was killed, and its sockets, a moment later."""
    host, port = address.split(":")
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, int(port)))
                return
            except OSError:
                time.sleep(0.001)


def added(key, value=None):
    return {"event": "added", "key": key, "value": value}


def changed(key, value=None):
    return {"event": "changed", "key": key, "value": value}


def deleted(key):
    return {"event": "deleted", "key": key}


class DatabaseTest(NetworkTest):
    def test_what_is_set_is_read_as_it_was(self):
        rain = self.node("--node", "rain")
        for text, value in (("1", 1), ("-5", -5), ("1.5", 1.5), ("null", None), ("true", True),
                            ('"s"', "s"), ("[1,[2,{}]]", [1, [2, {}]]), ('{"k":[]}', {"k": []}),
                            ("text", "text"), ("{broken", "{broken"), ("", ""), ("grüße", "grüße")):
            self.do(rain, "db", "set", "fam", "key", text)
            self.assert_prints(value, *self.ask(rain, "db", "get", "fam", "key"))
        self.do(rain, "db", "set", "fam", "key")
        self.assert_prints(None, *self.ask(rain, "db", "get", "fam", "key"))

    def test_families_are_read_as_keys_values_or_whole(self):
        rain = self.node("--node", "rain")
        self.assert_prints([], *self.ask(rain, "db", "keys", "fam"))
        self.assert_prints({}, *self.ask(rain, "db", "family", "fam"))
        entries = {"a": 1, "über": [2], "a key": None}
        for key, value in entries.items():
            self.do(rain, "db", "set", "fam", key, json.dumps(value))
        self.do(rain, "db", "set", "fam:other_1", "a", "3")
        self.assert_prints(entries, *self.ask(rain, "db", "family", "fam"))
        self.assertCountEqual(json.loads(self.tell(rain, "db", "keys", "fam")), entries)
        self.assertCountEqual(json.loads(self.tell(rain, "db", "values", "fam")),
                              entries.values())

    def test_a_key_that_is_not_there_is_exit_code_4(self):
        rain = self.node("--node", "rain")
        self.assert_fails(4, "no key 'k' in family 'fam'",
                          arguments=self.ask(rain, "db", "get", "fam", "k"))
        self.do(rain, "db", "set", "fam", "k", "1")
        self.do(rain, "db", "del", "fam", "k")
        self.assert_fails(4, "no key 'k'", arguments=self.ask(rain, "db", "get", "fam", "k"))
        self.do(rain, "db", "del", "fam", "k")

    def test_keys_of_every_length_are_taken(self):
        rain = self.node("--node", "rain")
        for key in ("k", "k" * 1024):
            self.do(rain, "db", "set", "f" * 255, key, "1")
            self.assert_prints(1, *self.ask(rain, "db", "get", "f" * 255, key))

    def test_what_one_node_sets_another_shows(self):
        rain = self.node("--node", "rain")
        snow = self.node("--node", "snow", "--seed", rain.address)
        self.do(rain, "db", "set", "fam", "k", "1")
        self.wait_for(snow, "fam", "k", 1)
        self.assert_prints(1, *self.ask(snow, "db", "get", "fam", "k"))
        self.do(snow, "db", "set", "fam", "l", "2")
        self.wait_for(rain, "fam", "l", 2)
        self.assert_prints({"k": 1, "l": 2}, *self.ask(rain, "db", "family", "fam"))
        # Only its owner deletes an entry.
        self.do(snow, "db", "del", "fam", "k")
        self.assert_prints(1, *self.ask(snow, "db", "get", "fam", "k"))

    def test_the_lowest_node_id_wins(self):
        rain = self.node("--node", "rain")
        snow = self.node("--node", "snow", "--seed", rain.address)
        self.do(snow, "db", "set", "fam", "k", "2")
        self.wait_for(rain, "fam", "k", 2)
        watch = self.watch(snow, "fam", "k")
        self.assert_next(watch, added("k", 2))
        self.do(rain, "db", "set", "fam", "k", "1")
        self.assert_next(watch, changed("k", 1))
        self.do(rain, "db", "del", "fam", "k")
        self.assert_next(watch, changed("k", 2))

    def test_an_ordinary_node_owns_entries_too(self):
        rain = self.node("--node", "rain")
        snow = self.node("--node", "snow", "--no-global", "--seed", rain.address)
        fog = self.node("--node", "fog", "--no-global", "--seed", rain.address, "--service", "echo")
        watch = self.watch(rain, "fam")
        self.do(snow, "db", "set", "fam", "k", "1")
        self.assert_next(watch, added("k", 1))
        self.wait_for(rain, "echo", "fog#echo", None)
        self.assert_prints(["fog#echo"], *self.ask(snow, "db", "keys", "echo"))
        self.do(snow, "db", "del", "fam", "k")
        # Asked for the database, snow has become global: its entry may be told once more by that.
        lines = [json.loads(watch.stdout.readline())]
        if lines == [changed("k", 1)]:
            lines = [json.loads(watch.stdout.readline())]
        self.assertEqual(lines, [deleted("k")])
        self.assertEqual(fog.stop()[0], 0)

    def test_a_node_that_reaches_no_seed_keeps_its_own(self):
        rain = self.node("--node", "rain", "--no-global", "--seed", unused_address())
        self.do(rain, "db", "set", "fam", "k", "1")
        self.assert_prints(1, *self.ask(rain, "db", "get", "fam", "k"))


class WatchTest(NetworkTest):
    def test_watch_prints_what_is_there_and_every_change(self):
        rain = self.node("--node", "rain")
        snow = self.node("--node", "snow", "--seed", rain.address)
        self.do(rain, "db", "set", "fam", "a", "1")
        self.wait_for(snow, "fam", "a", 1)
        watch = self.watch(snow, "fam", "--count", "5")
        self.assert_next(watch, added("a", 1))
        self.do(rain, "db", "set", "fam", "b", '{"x":"y"}')
        self.assert_next(watch, added("b", {"x": "y"}))
        self.do(rain, "db", "set", "fam", "a", "text")
        self.assert_next(watch, changed("a", "text"))
        self.do(rain, "db", "del", "fam", "b")
        self.assert_next(watch, deleted("b"))
        self.do(rain, "db", "set", "other", "a", "1")
        self.do(rain, "db", "set", "fam", "b", "2")
        self.assert_next(watch, added("b", 2))
        self.assertEqual(self.finish(watch)[:2], (0, ""))

    def test_watch_of_one_key_or_of_a_prefix_tells_of_nothing_else(self):
        rain = self.node("--node", "rain")
        for key in ("ab", "abc", "b"):
            self.do(rain, "db", "set", "fam", key, "1")
        key = self.watch(rain, "fam", "ab", "--count", "2")
        prefix = self.watch(rain, "fam", "--prefix", "ab", "--count", "3")
        every = self.watch(rain, "fam", "--prefix", "", "--count", "5")
        for name in ("b", "abc", "ab"):
            self.do(rain, "db", "set", "fam", name, "2")
        self.assert_next(key, added("ab", 1), changed("ab", 2))
        self.assertEqual(self.finish(key)[:2], (0, ""))
        code, out, _ = self.finish(prefix)
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(code, 0)
        self.assertCountEqual(lines[:2], [added("ab", 1), added("abc", 1)])
        self.assertEqual(lines[2:], [changed("abc", 2)])
        code, out, _ = self.finish(every)
        self.assertEqual([json.loads(line) for line in out.splitlines()][3:],
                         [changed("b", 2), changed("abc", 2)])

    def test_watch_ends_by_a_signal(self):
        rain = self.node("--node", "rain")
        for number in (signal.SIGTERM, signal.SIGINT):
            self.end_by(self.watch(rain, "fam"), number)

    def test_watch_ends_when_nobody_reads_it(self):
        rain = self.node("--node", "rain")
        watch = self.watch(rain, "fam")
        watch.stdout.close()
        self.assertEqual(watch.wait(LIMIT), 5)
        self.assertEqual(watch.stderr.read(), "portolan: cannot write: Broken pipe\n")

    def test_watch_that_is_read_slowly_tells_what_has_become_of_it_all(self):
        rain = self.node("--node", "rain")
        watch = self.watch(rain, "fam")
        for number in range(40):
            self.do(rain, "db", "set", "fam", "k", json.dumps([number, "x" * 100000]))
        self.do(rain, "db", "set", "fam", "last", "1")
        family, count = {}, 0
        while "last" not in family:
            line = json.loads(watch.stdout.readline())
            family[line["key"]] = line["value"]
            count += 1
        self.assertEqual(family["k"][0], 39)
        self.assertLess(count, 40)  # what was changed again before it could be told is told once
        self.end_by(watch, signal.SIGINT)

    def test_watch_outlives_its_seed(self):
        address = unused_address()
        rain = self.node("--node", "rain", "--bind", address)
        self.do(rain, "db", "set", "fam", "a", "1")
        watch = self.watch(rain, "fam")
        self.assert_next(watch, added("a", 1))
        rain.strike()
        wait_until_free(address)
        rain = self.node("--node", "rain", "--bind", address)
        self.do(rain, "db", "set", "fam", "b", "2")
        lines = [json.loads(watch.stdout.readline()) for _ in range(2)]
        self.assertCountEqual(lines, [deleted("a"), added("b", 2)])

    def test_families_of_the_network_can_be_watched(self):
        rain = self.node("--node", "rain")
        watch = self.watch(rain, "'g")
        self.assert_next(watch, added("rain"))
        snow = self.node("--node", "snow", "--seed", rain.address)
        self.assert_next(watch, added("snow"))
        snow.stop()
        self.assert_next(watch, deleted("snow"))


class HoldTest(NetworkTest):
    def test_what_is_held_is_there_as_long_as_the_command_runs(self):
        rain = self.node("--node", "rain")
        snow = self.node("--node", "snow", "--seed", rain.address)
        watch = self.watch(snow, "fam")
        for number in (signal.SIGINT, signal.SIGTERM):
            hold = self.logging("holding fam k", rain, "db", "set", "--hold", "fam", "k", "[1]")
            self.assert_next(watch, added("k", [1]))
            self.assert_prints([1], *self.ask(rain, "db", "get", "fam", "k"))
            self.end_by(hold, number)
            self.assert_next(watch, deleted("k"))

    def test_what_is_held_is_gone_when_the_command_is_killed(self):
        rain = self.node("--node", "rain")
        watch = self.watch(rain, "fam")
        hold = self.logging("holding fam k", rain, "db", "set", "fam", "k", "--hold")
        self.assert_next(watch, added("k"))
        hold.kill()
        self.assert_next(watch, deleted("k"))

    def test_hold_says_when_the_value_of_another_node_shows(self):
        rain = self.node("--node", "rain")
        self.do(rain, "db", "set", "fam", "k", "1")
        hold = self.start(*self.ask(rain, "db", "set", "fam", "k", "2", "--hold", "--node", "snow",
                                    "--log", "warn"))
        self.assertRegex(hold.stderr.readline(), "fam k is set by another node too.*: 1\n")
        watch = self.watch(rain, "fam", "k")
        self.assert_next(watch, added("k", 1))
        self.do(rain, "db", "del", "fam", "k")
        self.assert_next(watch, changed("k", 2))


class ServiceTest(NetworkTest):
    def test_services_of_a_node_that_is_killed_vanish(self):
        rain = self.node("--node", "rain", "--service", "echo", "--service", "sink")
        snow = self.node("--node", "snow", "--service", "echo", "--seed", rain.address)
        self.wait_for(rain, "echo", "snow#echo", None)
        self.assert_prints({"rain#echo": None, "snow#echo": None},
                           *self.ask(rain, "db", "family", "echo"))
        self.assert_prints(["rain#sink"], *self.ask(rain, "db", "keys", "sink"))
        watch = self.watch(rain, "echo", "snow#echo")
        self.assert_next(watch, added("snow#echo"))
        snow.strike()
        begin = time.monotonic()
        self.assert_next(watch, deleted("snow#echo"))
        self.assertLess(time.monotonic() - begin, 3 * SLOW)
        self.assert_prints(["rain#echo"], *self.ask(rain, "db", "keys", "echo"))

    def test_a_service_that_is_killed_vanishes(self):
        rain = self.node("--node", "rain", "--service", "echo")
        watch = self.watch(rain, "echo")
        self.assert_next(watch, added("rain#echo"))
        self.do(rain, "snd", "rain", "kil1", "echo")
        self.assert_next(watch, deleted("rain#echo"))

    def test_every_node_answers_at_its_port_portolan(self):
        rain = self.node("--node", "rain")
        for expected, arguments in (
            ([None], ["db_set", "fam", "k", "[1]"]),
            ([None], ["db_del", "fam", "l"]),
            (["not the name of a family that can be written"], ["db_set", "1fam", "k", "1"]),
            (["not the name of a family that can be written"], ["db_set", "'l", "k", "1"]),
            (["not the name of a family that can be written"], ["db_set", "7", "k", "1"]),
            (["not a key: UTF-8 of 1 to 1024 bytes"], ["db_set", "fam", '""', "1"]),
            (["not a key: UTF-8 of 1 to 1024 bytes"], ["db_del", "fam", "k" * 1025]),
            (["not a key: UTF-8 of 1 to 1024 bytes"], ["db_del", "fam", r'"a\u0000b"']),
        ):
            self.assert_prints(expected, *self.ask(rain, "cal", "rain#portolan", *arguments))
        self.assert_prints([1], *self.ask(rain, "db", "get", "fam", "k"))
        links, is_global = json.loads(self.tell(rain, "cal", "rain#portolan", "links", "--node",
                                                "snow"))
        self.assertEqual((links, is_global), (["snow"], True))

    def test_the_port_portolan_drops_what_makes_no_sense(self):
        rain = self.node("--node", "rain")
        for arguments in ([], ["x"], ["db_set"], ["db_set", "fam", "k", "1"],
                          ["db_set", "fam", "k", "1", "2", "rain#x"], ["db_set", "f", "k", "1", "5"],
                          ["db_del", "fam", "rain#x"], ["links"], ["links", "{}"],
                          ["links", "1", "rain#x"]):
            self.do(rain, "snd", "rain#portolan", *arguments)
        self.assert_prints([], *self.ask(rain, "db", "keys", "fam"))
        self.assert_prints([None], *self.ask(rain, "cal", "rain#portolan", "db_del", "fam", "k"))


class NodesTest(NetworkTest):
    def nodes(self, node, *arguments):
        lines = self.tell(node, "nodes", "--json", *arguments).split("\n")
        return {entry.pop("node"): entry for entry in map(json.loads, lines)}

    def test_nodes_are_shown_by_kind_and_state(self):
        rain = self.node("--node", "rain")
        fog = self.node("--node", "fog", "--no-global", "--seed", rain.address)
        snow = self.node("--node", "snow", "--seed", rain.address)
        for name in ("fog", "snow"):
            self.wait_for(rain, "'l", name, [fog.address if name == "fog" else snow.address])
        self.wait_for(rain, "'g", "snow", None)
        table = self.tell(rain, "nodes").split("\n")
        self.assertEqual([line.split() for line in table], [
            ["NODE", "KIND", "STATE", "ADDRESSES"],
            ["fog", "ordinary", "up", fog.address],
            ["rain", "global", "up", rain.address],
            ["snow", "global", "up", snow.address]])
        self.assertEqual(self.nodes(snow), {
            name: {"kind": kind, "state": "up", "asked": True, "addresses": [node.address]}
            for name, kind, node in (("rain", "global", rain), ("snow", "global", snow),
                                     ("fog", "ordinary", fog))})

    def test_nodes_that_do_not_answer_are_down_and_those_that_cannot_be_asked_are_vouched_for(self):
        rain = self.node("--node", "rain")
        hidden = self.node("--node", "hidden", "--no-global", "--announce", unused_address(),
                           "--seed", rain.address)
        client = self.logging("holding fam k", rain, "db", "set", "fam", "k", "--hold", "--node",
                              "client")
        self.wait_for(rain, "fam", "k", None)
        shown = self.nodes(rain, "--timeout", "1")
        self.assertEqual(shown["hidden"]["state"], "down")
        self.assertEqual(shown["client"], {"kind": "ordinary", "state": "up", "asked": False,
                                           "addresses": []})
        self.assertRegex(self.tell(rain, "nodes", "--timeout", "1"),
                         r"\nclient  ordinary  up\*    -\nhidden  ordinary  down   127[^*]+\n\* has")
        self.end_by(client, signal.SIGINT)
        self.assertEqual(hidden.stop()[0], 0)

    def test_other_clients_are_shown_on_request(self):
        rain = self.node("--node", "rain")
        self.watch(rain, "fam")
        self.assertEqual(list(self.nodes(rain)), ["rain"])
        others = self.nodes(rain, "--all").keys() - {"rain"}
        self.assertGreater(len(others), 0)
        for name in others:
            self.assertRegex(name, "/cli/[0-9a-f]{16}$")


class TraceTest(NetworkTest):
    def trace(self, node, name):
        """The tree without the commands that have just ended, whose links may linger."""
        lines = self.tell(node, "trace", name).split("\n")
        return "\n".join(line for line in lines if "/cli/" not in line)

    def test_trace_draws_the_links_as_a_tree(self):
        rain = self.node("--node", "rain")
        snow = self.node("--node", "snow", "--seed", rain.address)
        fog = self.node("--node", "fog", "--no-global", "--seed", rain.address)
        self.wait_for(rain, "'l", "fog", [fog.address])
        self.wait_for(rain, "'g", "snow", None)
        self.assertEqual(self.trace(rain, "rain"),
                         "rain  global\n  fog  ordinary\n  snow  global")
        self.assertEqual(self.trace(snow, "fog"),
                         "fog  ordinary\n  rain  global\n    snow  global")

    def test_trace_expands_a_node_once(self):
        rain = self.node("--node", "rain")
        snow = self.node("--node", "snow", "--seed", rain.address)
        hail = self.node("--node", "hail", "--seed", rain.address, "--seed", snow.address)
        for node in (rain, snow, hail):
            for name in ("rain", "snow", "hail"):
                self.wait_for(node, "'g", name, None)
        self.wait_for_links(rain, {"snow", "hail"})
        self.wait_for_links(snow, {"rain", "hail"})
        self.assertEqual(self.trace(rain, "rain"),
                         "rain  global\n  hail  global\n    snow  ^\n  snow  global\n    hail  ^")

    def test_trace_marks_what_gives_no_answer(self):
        rain = self.node("--node", "rain")
        watch = self.watch(rain, "fam")
        first, *others = self.tell(rain, "trace", "rain", "--timeout", "1").split("\n")
        self.assertEqual(first, "rain  global")
        self.assertGreater(len(others), 0)
        for line in others:
            self.assertRegex(line, r"^  \S+/cli/[0-9a-f]{16}  \?$")
        self.end_by(watch, signal.SIGINT)

    def test_trace_from_a_node_that_is_not_there_is_exit_code_3(self):
        rain = self.node("--node", "rain")
        self.assert_fails(3, arguments=self.ask(rain, "trace", "storm", "--timeout", "1"))

    def wait_for_links(self, node, names):
        while True:
            links, _ = json.loads(self.tell(node, "cal", f"{node.id}#portolan", "links"))
            if names <= set(links):
                return


if __name__ == "__main__":
    unittest.main(verbosity=2)
