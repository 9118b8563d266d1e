#!/usr/bin/env python3
"""Runs every pattern of `portolan bench` against nodes of other processes: counts, never speed."""

import json
import signal
import sys
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from bench import SHORT, BenchTest


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
        self.joined(node, "snow", "--service", "bench")
        result = self.bench(node, "ring", "--target", "rain", "--target", "snow", *SHORT)
        self.assert_whole(result)
        self.assertEqual(result["hops"], 2)

    def test_mixed_arrives_whole(self):
        self.check("mixed", "--bulk", "1000000")

    def test_churn_tells_of_every_death(self):
        self.check("churn")

    def test_db_set_is_confirmed_whole(self):
        self.check("db-set", "--entries", "200")

    def test_db_set_with_more_in_flight_than_keys_confirms_each_value(self):
        self.assert_whole(self.bench(self.target(), "db-set", "--entries", "5", "--in-flight",
                                     "64", *SHORT))

    def test_db_set_at_a_rate_beyond_all_reach_confirms_each_value(self):
        node = self.target()
        for entries in "2", "100000":
            with self.subTest(entries=entries):
                self.assert_whole(self.bench(node, "db-set", "--entries", entries, "--rate", "400k",
                                             *SHORT))

    def test_db_watch_tells_whole(self):
        self.check("db-watch", "--entries", "200")

    def test_many_watchers_of_a_family_are_told_and_leave_with_the_run(self):
        node = self.target(2)
        for _ in range(3):
            self.assert_whole(self.bench(node, "db-watch", "--entries", "50", "--watchers", "200",
                                         *SHORT))

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
                    result = self.bench(node, pattern, "--size", size, "--in-flight", "50",
                                        *SHORT)
                    self.assert_whole(result)
                    self.assertAlmostEqual(sum(share for _, share in result["sizes"]), 1)

    def test_json_framing_arrives_whole(self):
        node = self.target()
        self.assert_whole(self.bench(node, "one-way", "--framing", "json", *SHORT))
        self.assert_whole(self.bench(node, "request", "--framing", "json", *SHORT))

    def test_target_that_speaks_json_is_accused_of_nothing(self):
        for framings in "json", "json,cbor":
            node = self.target(1, "--framing", framings)
            for pattern in "one-way", "request", "db-set":
                with self.subTest(framings=framings, pattern=pattern):
                    self.assert_whole(self.bench(node, pattern, *SHORT))
            node.kill()

    def test_several_links_and_targets_are_loaded(self):
        node = self.target(2)
        other = self.joined(node, "snow", "--service", "bench")
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


if __name__ == "__main__":
    unittest.main()
