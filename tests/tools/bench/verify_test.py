#!/usr/bin/env python3
"""Drives `portolan bench --verify` at nodes that do right, that die meanwhile, and that do wrong."""

import json
import os
import signal
import sys
import time
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tool import LIMIT, PORTOLAN, SLOW, ToolTest, unused_address

TRIES = 10  # of a second or more; on a busy machine little may happen in one
PLANTED = os.path.join(os.path.dirname(PORTOLAN), "tests", "portolan_planted")


class VerifyTest(ToolTest):
    def target(self, *arguments, **more):
        return self.node("--node", "rain", "--service", "bench", *arguments, **more)

    def start_verifying(self, address, *arguments):
        """One that has begun."""
        process = self.start("bench", "--verify", "--seed", address, "--json", "--log", "info",
                             *arguments)
        for line in process.stderr:
            if "measuring" in line:
                return process
        self.fail(f"it ended before: {process.wait()}")

    def verify(self, node, *arguments, timeout=20 * SLOW):
        got, out, err = self.run_tool("bench", "--verify", "--seed", node.address, "--json",
                                      "--timeout", str(timeout), *arguments)
        self.assertIn(got, (0, 5), out + err)
        self.assertEqual(err, "")
        result = json.loads(out)
        self.assertEqual(result["exit"], got)
        self.assertEqual(sum(result["findings"].values()) > 0, got == 5, result)
        return result

    def assert_kept(self, result):
        self.assertEqual(sum(result["findings"].values()), 0, result)
        self.assertEqual(result["absent"], 0, result)
        self.assertEqual(result["sent"], result["received"] + result["lost_and_told"], result)
        self.assertGreater(result["received"], 0, result)

    def keeps(self, is_enough, node, *arguments):
        """What is told must be kept, however often it takes until enough has happened."""
        for _ in range(TRIES):
            result = self.verify(node, *arguments)
            self.assert_kept(result)
            if is_enough(result):
                return
        self.fail(f"not enough has happened: {result}")


class RightTest(VerifyTest):
    def test_node_that_does_right_is_found_right_while_ports_are_killed_and_links_cut(self):
        for shards in "1", "2":
            with self.subTest(shards=shards):
                node = self.target("--shards", shards)
                self.keeps(lambda result: result["kills"] > 10 and result["cuts"] > 1 and
                           result["failures"] > result["cuts"], node, "--duration", "3",
                           "--cut-every", "300ms", "--kill-every", "100", "--shards", "2",
                           "--links", "2")

    def test_full_load_of_every_size_in_both_framings_is_found_right(self):
        node = self.target()
        for framing in "cbor", "json":
            with self.subTest(framing=framing):
                self.keeps(lambda result: result["received"] > 1000, node, "--duration", "2",
                           "--in-flight", "400", "--size", "0:5,16:90,1024:4,65536:1",
                           "--cut-every", "500ms", "--framing", framing)

    def test_nothing_is_lost_where_nothing_is_cut(self):
        result = self.verify(self.target(), "--duration", "1", "--cut-every", "0",
                             "--kill-every", "0")
        self.assert_kept(result)
        self.assertEqual((result["lost_and_told"], result["fired"]), (0, 0), result)

    def test_several_targets_are_verified_together(self):
        node = self.target()
        other = self.joined(node, "snow", "--service", "bench")
        self.assert_kept(self.verify(node, "--duration", "1", "--target", "rain", "--target",
                                     "snow"))
        self.assertEqual(other.process.poll(), None)

    def test_pattern_of_that_name_is_the_same_and_says_what_was_kept(self):
        code, out, err = self.run_tool("bench", "verify", "--seed", self.target().address,
                                       "--duration", "500ms")
        self.assertEqual((code, err), (0, ""), out)
        for word in "came back", "fired", "cut", "order held, no hole was silent":
            self.assertIn(word, out)


class DyingTest(VerifyTest):
    def start_lasting(self, address):
        """One that goes on until it is ended."""
        return self.start_verifying(address, "--duration", "60", "--timeout", str(20 * SLOW))

    def interrupt(self, process):
        """Let it go on for a moment, and then end as ever: each port waits for what is due."""
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        code, out, err = self.finish(process)
        self.assertEqual(code, 130, out + err)
        result = json.loads(out)
        self.assert_kept(result)
        self.assertLess(result["seconds"], 50)
        return result

    def restarted(self, end, code):
        address = unused_address()
        node = self.target("--bind", address, "--service", "drain", "--drain-seconds", "60",
                           "--silence-ms", "20000")
        process = self.start_lasting(address)
        time.sleep(0.5)
        end(node)
        self.assertEqual(node.process.wait(LIMIT), code)
        node.kill()
        self.target("--bind", address)
        result = self.interrupt(process)
        self.assertGreater(result["failures"], 0, result)

    def test_node_that_is_killed_and_restarted_is_told_of_by_monitors(self):
        self.restarted(lambda node: node.process.kill(), -signal.SIGKILL)

    def test_node_that_is_drained_and_restarted_loses_nothing_and_is_told_of_by_monitors(self):
        def drain(node):
            self.assertEqual(self.run_tool("drain", "rain", "--seed", node.address), (0, "", ""))

        self.restarted(drain, 0)

    def test_node_that_stands_still_for_longer_than_silence_is_believed_in_is_told_of(self):
        node = self.target()
        process = self.start_lasting(node.address)
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        node.process.send_signal(signal.SIGCONT)
        self.interrupt(process)

    def test_signal_ends_it_with_a_summary(self):
        self.interrupt(self.start_lasting(self.target().address))

    def test_node_that_stays_away_is_told_of_and_is_no_fault(self):
        node = self.target("--bind", unused_address())  # where nobody else comes to listen meanwhile
        process = self.start_verifying(node.address, "--duration", "2", "--timeout", "2")
        node.strike()
        code, out, err = self.finish(process)
        self.assertEqual(code, 3, out + err)
        result = json.loads(out)
        self.assertEqual(sum(result["findings"].values()), 0, result)
        self.assertGreater(result["absent"], 0, result)


class WrongTest(VerifyTest):
    """The node is planted.c's."""

    def planted(self, plant, *arguments, timeout=20 * SLOW):
        """The first result that tells of a fault."""
        node = self.target("--shards", "1", command=PLANTED, env={"PTL_PLANT": plant})
        for _ in range(TRIES):
            result = self.verify(node, "--duration", "3", *arguments, timeout=timeout)
            if result["exit"] == 5:
                self.assertNotEqual(result["first"], "")
                return result
        self.fail(f"nothing is found: {result}")

    def test_message_that_is_dropped_is_found(self):
        found = self.planted("drop", "--cut-every", "0")["findings"]
        self.assertGreater(found["lost"], 0, found)
        self.assertEqual((found["reordered"], found["monitor_silent"]), (0, 0), found)

    def test_message_that_is_dropped_is_found_while_links_are_cut(self):
        self.assertGreater(self.planted("drop")["findings"]["lost"], 0)

    def test_two_messages_that_change_places_are_found(self):
        found = self.planted("swap", "--cut-every", "0")["findings"]
        self.assertGreater(found["reordered"], 0, found)
        self.assertEqual(found["monitor_silent"], 0, found)

    def test_monitor_that_does_not_fire_is_found(self):
        result = self.planted("silence", "--cut-every", "0", "--kill-every", "20", "--duration",
                              str(6 * SLOW), timeout=2 * SLOW)
        found = result["findings"]
        self.assertGreater(found["monitor_silent"], 0, result)
        self.assertEqual(found["reordered"], 0, result)
        # A link that failed leaves ports that are dead and not known to be; the monitor that would
        # have told of it is silent, too, and then it is the messages that are missed.
        if result["failures"] == 0:
            self.assertEqual(found["lost"], 0, result)

    def test_planted_build_without_a_plant_does_right(self):
        node = self.target("--shards", "1", command=PLANTED)
        self.assert_kept(self.verify(node, "--duration", "1"))


class BadInputTest(VerifyTest):
    def test_nonsense_is_one_line(self):
        for code, what, arguments in (
            (1, "one pattern", ["--verify", "request"]),
            (1, "--cut-every takes", ["--verify", "--cut-every", "5ms"]),
            (1, "--kill-every takes", ["--verify", "--kill-every", "-1"]),
            (1, "--links takes", ["--verify", "--links", "100", "--ports", "100"]),
            (3, "cannot reach", ["--verify", "--seed", unused_address(), "--timeout", "0.5"]),
        ):
            with self.subTest(arguments=arguments):
                self.assert_fails(code, what, arguments=["bench", *arguments])

    def test_node_without_the_service_is_told_which_to_start(self):
        node = self.node("--node", "snow")
        self.assert_fails(4, "node snow", "--service bench", arguments=[
            "bench", "--verify", "--seed", node.address])


if __name__ == "__main__":
    unittest.main()
