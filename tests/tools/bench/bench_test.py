#!/usr/bin/env python3
"""Drives `portolan bench` as a load tester does: counts and complaints, never speed."""

import json
import os
import signal
import sys
import time
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tool import SLOW, ToolTest, unused_address

SHORT = ("--warm-up", "100ms", "--duration", "500ms")


class BenchTest(ToolTest):
    def target(self, shards=1, *arguments):
        return self.node("--node", "rain", "--service", "bench", "--shards", str(shards),
                         *arguments)

    def bench(self, node, *arguments, code=0):
        """The object that --json prints, of a run that ends with that exit code."""
        got, out, err = self.run_tool("bench", *arguments, "--seed", node.address, "--json",
                                      "--timeout", str(20 * SLOW))
        self.assertEqual(got, code, out + err)
        self.assertEqual(err, "")
        self.assertEqual(out.count("\n"), 1)
        result = json.loads(out)
        self.assertEqual(result["exit"], code)
        return result

    def start_measuring(self, node, *arguments):
        """A run that measures by now."""
        bench = self.start("bench", *arguments, "--seed", node.address, "--json", "--log", "info")
        for line in bench.stderr:
            if "measuring" in line:
                return bench
        self.fail(f"it ended before: {bench.wait()}")

    def assert_whole(self, result):
        """All that was sent has arrived, once and in order, and enough of it to mean something."""
        self.assertEqual((result["lost"], result["reordered"]), (0, 0), result)
        self.assertEqual(result["sent"], result["acknowledged"], result)
        if result["received"] is not None:
            self.assertEqual(result["received"], result["sent"] * result.get("hops", 1) +
                             result.get("bulk", {}).get("sent", 0), result)
        self.assertGreater(result["sent"], 0, result)
        self.assertEqual(result["ending"], "done")


class PatternTest(BenchTest):
    def check(self, *arguments):
        for shards in 1, 2:
            with self.subTest(shards=shards):
                node = self.target(shards)
                for loop in ("--in-flight", "100"), ("--rate", "500"):
                    result = self.bench(node, *arguments, *loop, *SHORT, "--ports", "8",
                                        "--shards", "2")
                    self.assert_whole(result)
                    self.assertEqual(result["ports"], 8)
                self.assertEqual(self.bench(node, *arguments, *SHORT)["sent"] > 0, True)

    def test_one_way_arrives_whole(self):
        self.check("one-way")

    def test_request_is_answered_whole(self):
        self.check("request")

    def test_fan_in_arrives_whole(self):
        self.check("fan-in")

    def test_fan_out_arrives_whole(self):
        self.check("fan-out")

    def test_ring_comes_back_whole(self):
        self.check("ring", "--hops", "5")

    def test_ring_goes_through_several_nodes(self):
        node = self.target()
        self.node("--node", "snow", "--service", "bench", "--seed", node.address)
        result = self.bench(node, "ring", "--target", "rain", "--target", "snow", *SHORT)
        self.assert_whole(result)
        self.assertEqual(result["hops"], 2)

    def test_mixed_arrives_whole(self):
        self.check("mixed", "--bulk", "1000000")

    def test_churn_tells_of_every_death(self):
        self.check("churn")

    def test_db_set_is_confirmed_whole(self):
        self.check("db-set", "--entries", "200")

    def test_db_watch_tells_whole(self):
        self.check("db-watch", "--entries", "200")

    def test_join_brings_every_entry(self):
        for shards in 1, 2:
            with self.subTest(shards=shards):
                node = self.target(shards)
                result = self.bench(node, "join", "--entries", "500", *SHORT)
                self.assert_whole(result)
                self.assertEqual(result["messages"] % 500, 0)
                self.assertGreater(result["messages"], 0)

    def test_a_run_leaves_nothing_behind(self):
        node = self.target()
        for pattern in "churn", "db-watch", "fan-in":
            self.assert_whole(self.bench(node, pattern, *SHORT))
        code, out, err = self.run_tool("db", "keys", "bench", "--seed", node.address)
        self.assertEqual((code, json.loads(out)), (0, ["rain#bench"]), err)

    def test_every_size_arrives_whole(self):
        node = self.target()
        for size in "0", "7", "8", "16:90,1024:9,65536:1", "1000000":
            for pattern in "one-way", "request":
                with self.subTest(size=size, pattern=pattern):
                    self.assert_whole(self.bench(node, pattern, "--size", size, "--in-flight",
                                                 "50", *SHORT))

    def test_json_framing_arrives_whole(self):
        node = self.target()
        self.assert_whole(self.bench(node, "one-way", "--framing", "json", *SHORT))
        self.assert_whole(self.bench(node, "request", "--framing", "json", *SHORT))

    def test_several_links_and_targets_are_loaded(self):
        node = self.target(2)
        other = self.node("--node", "snow", "--service", "bench", "--seed", node.address)
        result = self.bench(node, "one-way", "--target", "rain", "--target", "snow", "--links",
                            "3", "--ports", "12", *SHORT)
        self.assert_whole(result)
        self.assertEqual(result["links"], 3)
        self.assertEqual(other.process.poll(), None)

    def test_poisson_arrivals_repeat_with_their_seed(self):
        node = self.target()
        sent = [self.bench(node, "request", "--rate", "1000", "--arrivals", "poisson",
                           "--random-seed", seed, *SHORT)
                for seed in ("1", "1", "2")]
        for result in sent:
            self.assert_whole(result)
        due = [result["sent"] + result["unsent"] for result in sent]
        self.assertEqual(due[0], due[1])
        self.assertNotEqual(due[0], due[2])

    def test_a_second_bench_is_the_other_end(self):
        server = self.start("bench", "--server", "--bind", "127.0.0.1:0", "--node", "rain")
        address = server.stdout.readline().split("addresses=")[1].split()[0]
        code, out, err = self.run_tool("bench", "request", "--seed", address, *SHORT)
        self.assertEqual((code, err), (0, ""))
        for word in "throughput", "p50", "p99.99", "max", "cpu/message", "0 lost, 0 reordered":
            self.assertIn(word, out)
        server.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(server)[0], 0)


class StallTest(BenchTest):
    """200 ms during which nothing is answered are seen by those who did not wait to ask."""

    LOAD = ("request", "--rate", "2000", "--warm-up", "200ms", "--duration", "3")

    def assert_seen(self, result):
        self.assertEqual((result["lost"], result["reordered"]), (0, 0))
        latency, closed = result["latency_ns"], result["closed_loop_ns"]
        # 200 ms of 3 s are more than 6 of 100 messages, and half of them wait 100 ms or more.
        for key in "p99", "p99_9", "max":
            self.assertGreater(latency[key], 100e6, (key, result))
        # Of the same run a closed loop has one message that waited, so this would fail.
        self.assertLess(closed["p99"], 100e6, result)
        self.assertGreater(closed["count"], 100, result)

    def test_stopped_node_shows_in_an_open_loop_and_not_in_a_closed_one(self):
        node = self.target()
        bench = self.start_measuring(node, *self.LOAD)
        time.sleep(0.5)
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        node.process.send_signal(signal.SIGCONT)
        code, out, err = self.finish(bench)
        self.assertEqual(code, 0, out + err)
        self.assert_seen(json.loads(out))

    def test_handler_that_sleeps_shows_in_an_open_loop_and_not_in_a_closed_one(self):
        self.assert_seen(self.bench(self.target(), *self.LOAD, "--stall", "200ms"))


class BadInputTest(BenchTest):
    def test_nonsense_is_one_line_and_exit_code_1(self):
        for what, arguments in (
            ("bench needs a pattern", []),
            ("no pattern 'frob'", ["frob"]),
            ("one pattern", ["request", "ring"]),
            ("no option --frob", ["request", "--frob"]),
            ("takes no --bind", ["request", "--bind", "127.0.0.1:1"]),
            ("--rate needs a value", ["request", "--rate"]),
            ("--rate takes", ["request", "--rate", "0"]),
            ("--rate takes", ["request", "--rate", "-5"]),
            ("--rate takes", ["request", "--rate", "fast"]),
            ("--rate takes", ["request", "--rate", "1e30"]),
            ("--rate takes", ["request", "--rate", "nan"]),
            ("--rate takes", ["request", "--rate=5x"]),
            ("--duration takes", ["request", "--duration", "0"]),
            ("--duration takes", ["request", "--duration", "1000h"]),
            ("--duration takes", ["request", "--duration", "5 apples"]),
            ("--duration takes", ["request", "--duration", "inf"]),
            ("--warm-up takes", ["request", "--warm-up", "-1"]),
            ("--in-flight takes", ["request", "--in-flight", "0"]),
            ("--in-flight takes", ["request", "--in-flight", "1e6"]),
            ("join takes no --rate", ["join", "--rate", "5"]),
            ("--hops takes", ["ring", "--hops", "0"]),
            ("--entries takes", ["db-set", "--entries", "0"]),
            ("--bulk takes", ["mixed", "--bulk", "large"]),
            ("--bulk-in-flight takes", ["mixed", "--bulk-in-flight", "0"]),
            ("raise --max-message", ["one-way", "--size", "70000000"]),
            ("raise --max-message", ["one-way", "--size", "5000", "--max-message", "5000"]),
            ("raise --max-message", ["mixed", "--bulk", "70000000"]),
            ("choose one", ["request", "--in-flight", "4", "--rate", "5"]),
            ("--ports takes", ["request", "--ports", "0"]),
            ("--ports takes", ["request", "--ports", "99999999999999999999"]),
            ("--links takes", ["request", "--links", "1025"]),
            ("as many --ports", ["request", "--links", "2"]),
            ("--size takes", ["request", "--size", "-1"]),
            ("--size takes", ["request", "--size", "16:0"]),
            ("--size takes", ["request", "--size", "99999999999"]),
            ("--arrivals takes", ["request", "--arrivals", "late"]),
            ("--stall takes", ["request", "--stall", "5"]),
            ("--shards takes", ["request", "--shards", "0"]),
            ("--timeout takes", ["request", "--timeout", "0"]),
        ):
            with self.subTest(arguments=arguments):
                self.assert_fails(1, what, arguments=["bench", *arguments])

    def test_help_tells_of_every_pattern_and_key(self):
        code, out, err = self.run_tool("bench", "--help")
        self.assertEqual((code, err), (0, ""))
        self.assertTrue(all(len(line) <= 100 for line in out.split("\n")))
        for key in self.bench(self.target(), "request", *SHORT):
            self.assertIn(key, out)

    def test_target_that_is_not_there_is_told(self):
        self.assert_fails(3, "cannot reach", arguments=[
            "bench", "request", "--seed", unused_address(), "--timeout", "0.3"])

    def test_target_of_that_name_that_is_not_there_is_told(self):
        node = self.target()
        self.assert_fails(3, "snow", arguments=[
            "bench", "request", "--seed", node.address, "--target", "snow", "--timeout", "0.5"])

    def test_node_without_the_service_is_told_which_to_start(self):
        node = self.node("--node", "snow")
        self.assert_fails(4, "node snow", "--service bench", arguments=[
            "bench", "request", "--seed", node.address])

    def ended_while_it_runs(self, number):
        node = self.target()
        bench = self.start_measuring(node, "request", "--duration", "60", "--warm-up", "0")
        time.sleep(0.5)
        node.process.send_signal(number)
        code, out, err = self.finish(bench)
        self.assertEqual(code, 3, out + err)
        result = json.loads(out)
        self.assertIn("rain#bench is gone", result["ending"])
        self.assertGreater(result["messages"], 0)
        self.assertGreater(result["latency_ns"]["p50"], 0)
        self.assertLess(result["seconds"], 50)
        return node

    def test_target_that_stops_ends_it_with_a_summary(self):
        self.ended_while_it_runs(signal.SIGTERM)

    def test_target_that_is_killed_ends_it_with_a_summary(self):
        self.ended_while_it_runs(signal.SIGKILL).process.wait()

    def test_rate_that_cannot_be_reached_is_told(self):
        node = self.target()
        code, out, err = self.run_tool("bench", "request", "--rate", "900M", "--seed",
                                       node.address, *SHORT)
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"the rate of 9e\+08/s was not reached: \d+ messages were due")
        # What was sent was late from the beginning, and is no better than that.
        result = self.bench(node, "one-way", "--rate", "900M", *SHORT)
        self.assertGreater(result["latency_ns"]["p50"], 50e6, result)
        self.assertGreater(result["unsent"], 100e6, result)

    def test_size_above_the_limit_of_the_target_is_told(self):
        node = self.target(1, "--max-message", "100000")
        code, out, err = self.run_tool("bench", "one-way", "--size", "200000", "--seed",
                                       node.address, *SHORT)
        self.assertEqual((code, err), (5, ""))
        self.assertIn("raise --max-message", out)

    def test_signal_ends_it_with_a_summary(self):
        node = self.target()
        bench = self.start_measuring(node, "one-way", "--duration", "60")
        bench.send_signal(signal.SIGINT)
        code, out, err = self.finish(bench)
        self.assertEqual(code, 130, out + err)
        result = json.loads(out)
        self.assertIn("SIGINT", result["ending"])
        self.assertEqual((result["lost"], result["reordered"]), (0, 0))


if __name__ == "__main__":
    unittest.main()
