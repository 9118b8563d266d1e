#!/usr/bin/env python3
"""`portolan top`: tables, a terminal with keys, nodes that go, and the terminal given back."""

import json
import os
import re
import signal
import sys
import time
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
import tool
from terminal import Terminal
from tool import LIMIT, PORTOLAN, ToolTest, environment


PATIENCE = str(LIMIT)  # seconds: on a busy machine who answers late is still there


def rows_of(text):
    """{node: {column: value}} of the table of nodes in a text."""
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("NODE "))
    titles = [(match[0], match.start(), match.end()) for match in re.finditer(r"\S+(?: \S+)*", lines[head])]
    rows = {}
    for line in lines[head + 1:]:
        if not line:
            break
        cells = re.split(r"  +", line)
        rows[cells[0]] = dict(zip((title for title, _, _ in titles), cells))
    return rows


class TopTest(ToolTest):
    ENDS = (0, 6)  # an answer to a command that was ended meanwhile is lost, and the node says so

    def cluster(self):
        """rain and snow, which are global, and leaf, which is not."""
        self.rain = self.node("--node", "rain", "--service", "echo")
        self.snow = self.joined(self.rain, "snow")
        self.leaf = self.joined(self.rain, "leaf", "--no-global")

    def once(self, *arguments):
        return self.run_tool("top", "--once", "--every", "0.2", "--timeout", PATIENCE, "--seed", self.rain.address,
                             *arguments)

    def rows_once(self):
        code, out, err = self.once()
        self.assertEqual((code, err), (0, ""))
        return rows_of(out)

    def top(self, *arguments, env=None, **more):
        more_env = {"TERM": "vt100", "LC_ALL": "C.UTF-8", **(env or {})}
        command = [PORTOLAN, "top", "--every", "0.2", "--timeout", PATIENCE, "--seed", self.rain.address, *arguments]
        terminal = Terminal(command, environment(self.home, more_env), 2 * LIMIT, **more)
        self.addCleanup(terminal.close)
        return terminal


class TablesTest(TopTest):
    def test_once_prints_one_table_of_all_nodes_and_no_escape_codes(self):
        self.cluster()
        code, out, err = self.once()
        self.assertEqual((code, err), (0, ""))
        self.assertNotIn("\x1b", out)
        self.assertRegex(out, r"\Anodes: 3 \(2 global\), answering: 3, messages/s: ")
        rows = rows_of(out)
        self.assertEqual({name: (row["KIND"], row["STATE"], row["LINKS"]) for name, row in rows.items()},
                         {"rain": ("global", "up", "2"), "snow": ("global", "up", "1"),
                          "leaf": ("ordinary", "up", "1")})
        self.assertEqual((rows["rain"]["PORTS"], rows["snow"]["PORTS"]), ("3", "2"))
        self.assertEqual(rows["rain"]["VERSION"], "0.1.0")
        self.assertRegex(out, r"(?m)^BUSIEST PORTS +MSG/s")
        self.assertRegex(out, r"(?m)^rain#stats +[0-9.]+ +2 ")

    def test_count_prints_so_many_tables_and_asks_each_node_once_between_them(self):
        self.cluster()
        code, out, err = self.run_tool("top", "--count", "3", "--every", "0.2", "--timeout", PATIENCE,
                                       "--seed", self.rain.address)
        self.assertEqual((code, err, out.count("nodes: 3 ")), (0, "", 3))
        out = self.run_tool("stats", "snow", "--json", "--seed", self.rain.address)[1]
        asked = next(port for port in json.loads(out)["ports"]["ports"] if port["port"] == "snow#stats")
        self.assertIn(asked["messages"], (5, 6))  # four rounds, perhaps one more began, and this question

    def test_without_a_terminal_tables_come_until_it_is_ended(self):
        self.cluster()
        process = self.start("top", "--every", "0.2", "--timeout", PATIENCE, "--seed", self.rain.address)
        found = 0
        while found < 3:
            line = process.stdout.readline()
            self.assertTrue(line, "it has ended")
            found += line.startswith("nodes: 3 ")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process)[0], 143)

    def test_whoever_reads_no_more_ends_it(self):
        self.cluster()
        process = self.start("top", "--every", "0.2", "--timeout", PATIENCE, "--seed", self.rain.address)
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(LIMIT), 5)
        self.assertIn("cannot write", process.stderr.read())

    def test_node_that_does_not_answer_delays_the_table_only_so_long_and_is_shown_so(self):
        self.cluster()
        self.snow.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.snow.process.send_signal, signal.SIGCONT)
        rows = self.rows_once()
        self.assertEqual((rows["rain"]["STATE"], rows["leaf"]["STATE"]), ("up", "up"))
        if "snow" in rows:  # its entry goes with its link
            self.assertIn(rows["snow"]["STATE"], ("not answering", "no address"))
            self.assertEqual(rows["snow"]["LINKS"], "-")

    def test_node_whose_rules_forbid_it_is_shown_without_numbers(self):
        self.rain = self.node("--node", "rain")
        path = os.path.join(self.home, "rules")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("allow * global\nallow * db-read,db-write\nallow * send,monitor @made stats\n")
        self.joined(self.rain, "snow", "--rules", path)
        rows = self.rows_once()
        self.assertEqual((rows["snow"]["STATE"], rows["snow"]["LINKS"]), ("refuses", "-"))
        self.assertEqual(rows["rain"]["STATE"], "up")

    def test_command_line_that_is_wrong_is_told(self):
        for arguments in (("top", "rain"), ("top", "--count", "0"), ("top", "--every", "x"), ("nodes", "--once")):
            self.assert_fails(1, arguments=arguments)
        self.assert_fails(3, "cannot reach", arguments=("top", "--once", "--timeout", "1", "--seed",
                                                        tool.unused_address()))


class TerminalTest(TopTest):
    def test_keys_sort_move_open_and_leave(self):
        self.cluster()
        top = self.top()
        top.until(r"^nodes: 3 \(2 global\), answering: 3")
        top.until(r"^leaf +ordinary +up .*\n^rain +global +up .*\n^snow +global +up")
        top.type("r")
        top.until(r"^snow .*\n^rain .*\n^leaf ")
        top.until(r"^by NODE, reversed")
        top.type("r>>>")
        top.until(r"^by LINKS ")
        top.until(r"^rain .*\n^leaf .*\n^snow ")
        top.type("<<<jj\r")
        top.until(r"^snow: global, ready, portolan ")
        top.until(r"^SHARD +TAKEN")
        top.until(r"^links: 2 of 2")
        top.type("G")
        top.until(r"^largest families: ")
        top.type("q")
        top.until(r"^nodes: 3 ")
        top.type("?")
        top.until(r"^Enter +open a node")
        top.type("\x1b")
        top.until(r"^nodes: 3 ")
        top.type("q")
        self.assertEqual(top.wait(), 0)
        self.assertTrue(top.is_as_before())

    def test_terminal_that_changes_its_size_is_filled_anew(self):
        self.cluster()
        top = self.top()
        top.until(r"^nodes: 3 .*answering: 3")
        self.assertNotIn("VERSION", top.screen.text())
        top.resize(40, 170)
        top.until(r"VERSION")
        for height, width in ((5, 40), (1, 1), (3, 10)):
            top.resize(height, width)
            top.type("j")
        top.resize(24, 100)
        top.until(r"^rain +global +up")
        top.type("q")
        self.assertEqual(top.wait(), 0)

    def test_node_that_is_killed_is_shown_as_not_answering_and_others_go_on(self):
        self.cluster()
        top = self.top(width=120)
        top.until(r"^snow +global +up")
        self.snow.strike()
        top.until(r"^nodes: 3 .*answering: 2")
        top.until(r"^snow +global +not answering, seen \d+s ago")
        top.until(r"^rain +global +up")
        top.type("G\r")
        top.until(r"^snow is not answering, seen \d+s ago")
        top.type("\x1b")
        self.rain.strike()  # its seed
        top.until(r"^rain +global +not answering")
        top.until(r"^leaf +ordinary +(up|not joined)")
        top.type("q")
        self.assertEqual(top.wait(), 0)
        self.assertTrue(top.is_as_before())

    def test_terminal_is_given_back_whatever_signal_ends_it(self):
        self.cluster()
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129),
                             (signal.SIGQUIT, 131), (signal.SIGABRT, -6)):
            top = self.top(env={"TERM": "xterm-256color"})
            self.read_until(top, b"answering: ")
            os.kill(top.pid, number)
            self.assertEqual(self.wait_raw(top), code)
            self.assertIn(b"\x1b[?1049l", top.raw)
            self.assertTrue(top.is_as_before(), number)

    def read_some(self, top):
        """Of a terminal that is no vt100: its words are not followed."""
        top.feed = lambda text: None
        top.read(0.1)

    def read_until(self, top, *parts):
        deadline = time.monotonic() + 2 * LIMIT
        while not any(part in top.raw for part in parts):
            self.assertLess(time.monotonic(), deadline, top.raw[-2000:])
            self.read_some(top)

    def wait_raw(self, top):
        top.feed = lambda text: None
        return top.wait()

    def test_colours_are_for_terminals_that_have_them_and_not_against_who_wants_none(self):
        self.cluster()
        tops = [self.top(env=env) for env in (
            {"TERM": "xterm-256color"}, {"TERM": "xterm-256color", "NO_COLOR": "1"}, {"TERM": "vt100"})]
        for top in tops:
            self.read_until(top, b"snow ")
        self.snow.strike()
        for top in tops:
            self.read_until(top, b"not answering", b"no address")  # the other: it was not seen before
        self.assertEqual([b"\x1b[31m" in top.raw for top in tops], [True, False, False])

    def test_terminal_that_cannot_be_drawn_on_gets_tables(self):
        self.cluster()
        for name in ("dumb", "no-such-terminal"):
            top = self.top(env={"TERM": name})
            self.read_until(top, b"\nrain#stats ")
            self.assertNotIn(b"\x1b", top.raw)
            os.kill(top.pid, signal.SIGTERM)
            self.assertEqual(self.wait_raw(top), 143)
            self.assertTrue(top.is_as_before())

    def test_terminal_that_goes_ends_it(self):
        self.cluster()
        top = self.top()
        top.until(r"^nodes: 3 ")
        os.close(top.master)
        os.close(top.slave)
        _, status = os.waitpid(top.pid, 0)
        self.assertIn(os.waitstatus_to_exitcode(status), (5, 129))
        top.pid = None
        top.master, top.slave = os.openpty()


if __name__ == "__main__":
    unittest.main()
