#!/usr/bin/env python3
"""Drives `portolan bench` as a load tester does: stalls, outcomes and complaints."""

import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from bench import SHORT, BenchTest
from tool import LIMIT, PORTOLAN, SLOW, environment, unused_address


class StallTest(BenchTest):
    """200 ms during which nothing is answered are seen by those who did not wait to ask."""

    LOAD = ("request", "--rate", "2000", "--warm-up", "200ms", "--duration", "3")

    def assert_seen(self, run):
        """`run` is one that has the stall.  The machine must not stall by itself meanwhile."""
        for _ in range(5):
            result = run()
            self.assertEqual((result["lost"], result["reordered"]), (0, 0))
            latency, closed = result["latency_ns"], result["closed_loop_ns"]
            # 200 ms of 3 s are more than 6 of 100 messages; half of them wait 100 ms or more.
            for key in "p99", "p99_9", "max":
                self.assertGreater(latency[key], 100e6, (key, result))
            if result["sent_late_ns"]["p99"] < 50e6 and result["unsent"] == 0:
                # Of the same run a closed loop has one message that waited, so this would fail.
                self.assertGreater(closed["count"], 100, result)
                self.assertLess(closed["p99"], 100e6, result)
                return
        self.skipTest("this machine stalls by itself")

    def run_and_stop(self):
        node = self.target()
        bench = self.start_measuring(node, *self.LOAD)
        time.sleep(0.5)
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        node.process.send_signal(signal.SIGCONT)
        code, out, err = self.finish(bench)
        self.assertEqual(code, 0, out + err)
        return json.loads(out)

    def test_stopped_node_shows_in_an_open_loop_and_not_in_a_closed_one(self):
        self.assert_seen(self.run_and_stop)

    def test_handler_that_sleeps_shows_in_an_open_loop_and_not_in_a_closed_one(self):
        node = self.target()
        self.assert_seen(lambda: self.bench(node, *self.LOAD, "--stall", "200ms"))


class OutcomeTest(BenchTest):
    def test_expectations_set_the_exit_code(self):
        node = self.target()
        for code, expectations in (
            (0, ("--expect-rate", "0.01", "--expect-p99", "100")),
            (7, ("--expect-rate", "999M")),
            (7, ("--expect-p99", "1ns")),
        ):
            with self.subTest(expectations=expectations):
                self.assert_whole(self.bench(node, "request", *expectations, *SHORT, code=code))
        code, out, err = self.run_tool("bench", "request", "--expect-p99", "1ns", "--seed",
                                       node.address, *SHORT)
        self.assertEqual((code, err), (7, ""))
        self.assertRegex(out, r"expected a p99 of 1 ns: it is \d")
        code, out, err = self.run_tool("bench", "request", "--expect-rate", "1M", "--seed",
                                       node.address, *SHORT)
        self.assertEqual((code, err), (7, ""))
        self.assertRegex(out, r"expected 1000000 messages/s: there were \d+\n")

    def test_hdr_is_a_file_of_all_percentiles(self):
        path = os.path.join(self.home, "latency.hdr")
        result = self.bench(self.target(), "request", "--hdr", path, *SHORT)
        with open(path, encoding="ascii") as file:
            lines = file.read().split("\n")
        self.assertEqual(lines[0].split(), ["Value", "Percentile", "TotalCount",
                                            "1/(1-Percentile)"])
        rows = [line.split() for line in lines[2:] if line and not line.startswith("#")]
        self.assertEqual([float(row[0]) for row in rows], sorted(float(row[0]) for row in rows))
        self.assertEqual(float(rows[-1][1]), 1)
        self.assertEqual(int(rows[-1][2]), result["latency_ns"]["count"])
        self.assertAlmostEqual(float(rows[-1][0]), result["latency_ns"]["max"] / 1e6, 5)
        self.assertTrue(any(line.startswith("#[Max") for line in lines))

    def test_both_ends_may_be_one_process(self):
        for how in "--embedded", "--embedded=nodes", "--embedded=ports":
            for pattern in "one-way", "request", "churn", "db-watch", "join":
                with self.subTest(how=how, pattern=pattern):
                    code, out, err = self.run_tool("bench", pattern, how, "--json", "--shards",
                                                   "2", "--ports", "3", *SHORT)
                    self.assertEqual((code, err), (0, ""), out)
                    self.assert_whole(json.loads(out))

    def test_sweep_finds_a_rate_that_is_borne(self):
        node = self.target()
        arguments = ("bench", "request", "--rate-sweep", "--seed", node.address, *SHORT)
        # Nothing is answered within a nanosecond; a minute is enough for any rate that is reached.
        code, out, err = self.run_tool(*arguments, "--slo-p99", "1ns", "--rate", "4", "--json")
        self.assertEqual((code, err), (0, ""), out)
        result = json.loads(out)
        self.assertEqual(result["highest"], 0)
        self.assertEqual([step["rate_wanted"] for step in result["sweep"]], [4, 2, 1])
        self.assertEqual(result["ending"], "done")
        if SLOW > 1:
            return  # what the rest sends would keep such a node busy until it counts as silent
        code, out, err = self.run_tool(*arguments, "--slo-p99", "1m", "--rate", "5M")
        self.assertEqual((code, err), (0, ""), out)
        self.assertRegex(out, r"highest rate with p99 within 60.0 s: \d+ messages/s")
        self.assertIn("too much", out)
        self.assertIn("borne", out)

    def test_sweep_goes_on_below_the_rate_that_is_expected(self):
        node = self.target()
        code, out, err = self.run_tool("bench", "request", "--rate-sweep", "--seed", node.address,
                                       "--slo-p99", "1ns", "--rate", "4", "--expect-rate", "50",
                                       *SHORT)
        self.assertEqual((code, err), (7, ""), out)
        self.assertEqual(out.count("too much"), 3)
        self.assertIn("expected 50 messages/s: it is less", out)

    def test_sweep_that_is_ended_says_so(self):
        node = self.target()
        for format in (), ("--json",):
            bench = self.start("bench", "request", "--rate-sweep", "--slo-p99", "1m", "--rate",
                               "50", "--duration", "60", "--seed", node.address, "--log", "info",
                               *format)
            self.assertTrue(any("measuring" in line for line in bench.stderr))
            bench.send_signal(signal.SIGTERM)
            code, out, err = self.finish(bench)
            self.assertEqual(code, 143, out + err)
            if format:
                self.assertEqual(json.loads(out)["ending"], "ended by SIGTERM")
            else:
                self.assertIn("ended by SIGTERM: the sweep is not at its end", out)
                self.assertNotIn("too much", out)
                self.assertNotIn("no rate", out)

    def test_sweep_that_cannot_be_written_ends_at_once(self):
        node = self.target()
        with open("/dev/full", "w", encoding="ascii") as full:
            bench = subprocess.run([PORTOLAN, "bench", "request", "--rate-sweep", "--slo-p99",
                                    "1m", "--rate", "2", "--seed", node.address, *SHORT],
                                   stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT,
                                   env=environment(self.home), check=False)
        self.assertEqual(bench.returncode, 5, bench.stderr)
        self.assertRegex(bench.stderr, r"\Aportolan: cannot write: No space left[^\n]*\n\Z")

    def test_what_was_not_measured_is_no_figure(self):
        node = self.target()
        code, out, err = self.run_tool("bench", "request", "--rate", "0.01", "--seed", node.address,
                                       "--expect-p99", "1m", *SHORT)
        self.assertEqual((code, err), (7, ""), out)
        self.assertIn("latency      none was measured", out)
        self.assertIn("expected a p99 of 60.0 s: none was measured", out)
        self.assertNotIn(" 0 ns", out)

    def test_line_a_second_is_for_terminals_only(self):
        master, slave = os.openpty()
        node = self.target()
        code, quiet, err = self.run_tool("bench", "request", "--rate", "100", "--seed",
                                         node.address, "--duration", "2")
        self.assertEqual((code, err), (0, ""))
        self.assertNotIn("in flight", quiet.replace("1 in flight", ""))
        with open(os.path.join(self.home, "err"), "w+", encoding="utf-8") as err:
            bench = subprocess.Popen([PORTOLAN, "bench", "request", "--seed", node.address,
                                      "--rate", "100", "--warm-up", "0", "--duration", "3"],
                                     stdin=subprocess.DEVNULL, stdout=slave, stderr=err,
                                     env=environment(self.home))
            os.close(slave)
            shown = self.read_terminal(master)
            self.assertEqual(bench.wait(LIMIT), 0)
        self.assertRegex(shown, r"\r\x1b\[K\d+/s  p50 [^\r]* p99 [^\r]* max [^\r]* in flight  "
                                r"\d+ refused  cpu here \d+%")
        self.assertIn("throughput", shown)

    def test_line_a_second_is_no_longer_than_the_terminal_is_wide(self):
        node = self.target()
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
        bench = subprocess.Popen([PORTOLAN, "bench", "request", "--seed", node.address, "--rate",
                                  "100", "--warm-up", "0", "--duration", "2500ms"],
                                 stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                                 env=environment(self.home))
        os.close(slave)
        lines = self.read_terminal(master).split("\r\x1b[K")[1:-1]
        self.assertEqual(bench.wait(LIMIT), 0)
        self.assertGreater(len(lines), 0)
        for line in lines:
            self.assertEqual(len(line), 39, line)

    @staticmethod
    def read_terminal(master):
        shown = b""
        try:
            while True:
                more = os.read(master, 65536)
                if not more:
                    break
                shown += more
        except OSError:
            pass  # the other end is closed
        os.close(master)
        return shown.decode()


class ReadmeTest(BenchTest):
    def test_example_of_the_readme_works(self):
        """Each of its commands, over less time and at an address of its own."""
        root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..")
        with open(os.path.join(root, "README.md"), encoding="utf-8") as file:
            block = re.search(r"## Load it\n.*?```\n(.*?)```", file.read(), re.S).group(1)
        run, export, *loads = block.strip().split("\n")
        words = run.replace("127.0.0.1:4050", "127.0.0.1:0").rstrip(" &").split()
        self.assertEqual(words[:2], ["portolan", "run"])
        self.assertEqual(export, "export PORTOLAN_SEED=127.0.0.1:4050")
        node = self.node(*words[2:])
        self.assertGreater(len(loads), 3)
        for load in loads:
            with self.subTest(load=load):
                command = load.split(" # ")[0]
                words = command.replace("latency.hdr", os.path.join(self.home, "hdr")).split()
                self.assertEqual(words[:2], ["portolan", "bench"])
                code, out, err = self.run_tool(*words[1:], *SHORT,
                                               env={"PORTOLAN_SEED": node.address})
                self.assertEqual((code, err), (0, ""), out)
                if "--verify" not in words:
                    self.assertIn(" 0 lost, 0 reordered", out)


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
            ("choose one", ["request", "--in-flight", "4", "--rate-sweep"]),
            ("--expect-rate takes", ["request", "--expect-rate", "much"]),
            ("--expect-p99 takes a time from 1 ns to 100 s", ["request", "--expect-p99", "0"]),
            ("--slo-p99 takes", ["request", "--slo-p99", "-1ms"]),
            ("needs the bound", ["request", "--rate-sweep"]),
            ("--rate-sweep takes no value", ["request", "--rate-sweep=5"]),
            ("for --rate-sweep", ["request", "--slo-p99", "1ms"]),
            ("takes no --expect-p99", ["request", "--rate-sweep", "--slo-p99", "1ms",
                                       "--expect-p99", "1ms"]),
            ("takes no --hdr", ["request", "--rate-sweep", "--slo-p99", "1ms", "--hdr", "x"]),
            ("--embedded takes", ["request", "--embedded=maybe"]),
            ("no --seed", ["request", "--embedded", "--seed", "127.0.0.1:1"]),
            ("no --target", ["request", "--embedded", "--target", "rain"]),
            ("no --links", ["request", "--embedded=ports", "--links", "2", "--ports", "2"]),
            ("join takes no rate", ["join", "--rate", "5"]),
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
            ("--arrivals is for an open loop: give a --rate", ["request", "--arrivals", "poisson"]),
            ("--hops is for ring", ["request", "--hops", "3"]),
            ("--bulk is for mixed", ["request", "--bulk", "5"]),
            ("--bulk-in-flight is for mixed", ["one-way", "--bulk-in-flight", "5"]),
            ("--entries is for db-set, db-watch and join", ["churn", "--entries=5"]),
            ("--watchers is for db-watch", ["db-set", "--watchers", "5"]),
            ("--cut-every is for --verify", ["request", "--cut-every", "1"]),
            ("--kill-every is for --verify", ["request", "--kill-every", "1"]),
            ("join takes no --links", ["join", "--links", "2", "--ports", "4"]),
            ("--target rain is given twice", ["ring", "--target", "rain", "--target", "rain"]),
            ("--stall is for", ["db-set", "--stall", "200ms"]),
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

    def test_address_that_is_not_there_is_told_to_verify_too(self):
        address = unused_address()
        self.assert_fails(3, f"cannot reach {address}, by way of the proxy", arguments=[
            "bench", "--verify", "--seed", address, "--timeout", "0.3"])

    def test_signal_ends_it_before_it_is_linked(self):
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            bench = self.start("bench", "request", "--seed", "127.0.0.1:%u" % deaf.getsockname()[1])
            with deaf.accept()[0]:  # so it has begun
                bench.send_signal(signal.SIGINT)
                self.assertEqual(self.finish(bench), (130, "", ""))

    def test_standard_output_that_is_closed_is_not_taken_for_a_socket(self):
        node = self.target()
        for arguments in ("request", *SHORT), ("--help",):
            bench = subprocess.run([PORTOLAN, "bench", *arguments, "--seed", node.address],
                                   stderr=subprocess.PIPE, text=True, timeout=LIMIT,
                                   env=environment(self.home), check=False,
                                   preexec_fn=lambda: os.close(1))
            self.assertEqual(bench.returncode, 5, bench.stderr)
            self.assertRegex(bench.stderr, r"\A(portolan: cannot write: Bad file descriptor\n)?\Z")

    def test_target_of_that_name_that_is_not_there_is_told(self):
        node = self.target()
        self.assert_fails(3, "node snow cannot be reached", "portolan nodes", arguments=[
            "bench", "request", "--seed", node.address, "--target", "snow", "--timeout", "0.5"])

    def test_node_without_the_service_is_told_which_to_start(self):
        node = self.node("--node", "snow")
        self.assert_fails(4, "node snow", "--service bench", arguments=[
            "bench", "request", "--seed", node.address])

    def test_service_has_so_many_runs_and_bears_nonsense(self):
        node = self.target()

        def ask(*words):
            code, out, err = self.run_tool("cal", "rain#bench", *words, "--seed", node.address)
            self.assertEqual((code, err), (0, ""))
            return json.loads(out)

        for words in (
            ["frob"], ["begin"], ["begin", "a b", "rain#bench"], ["begin", "x" * 81, "rain#bench"],
            ["counts", "none"], ["open", "none", "0", "[]"],
            ["stall", "none", "5"], ["await", "none", "0"],
        ):
            self.assertEqual(ask(*words)[0], "error", words)
        for number in range(16):
            self.assertEqual(ask("begin", f"run{number}", "rain#bench")[0], "ok")
        for words in (
            ["begin", "run0", "rain#bench"], ["begin", "one", "rain#bench"],
            ["open", "run0", "7", "[]"], ["open", "run0", "0", "5"],
            ["open", "run0", "0", '["x","rain#sink"]'], ["open", "run0", "0", '[2097152,"rain#x"]'],
            ["open", "run0", "0", "[0,1]"], ["open", "run0", "0", json.dumps([0, "rain#x"] * 513)],
            ["stall", "run0", "1000000001"], ["stall", "run0", "-1"], ["await", "run0", "many"],
        ):
            self.assertEqual(ask(*words)[0], "error", words)
        self.assert_fails(5, "node rain refused: too many runs at once", arguments=[
            "bench", "request", "--seed", node.address])
        for number in range(16):
            self.assertEqual(ask("end", f"run{number}"), ["ok"])
        self.assert_whole(self.bench(node, "request", *SHORT))

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

    def test_what_a_target_leaves_unanswered_is_counted(self):
        node = self.target()
        bench = self.start("bench", "request", "--rate", "1000", "--duration", "60", "--seed",
                           node.address, "--log", "info")
        self.assertTrue(any("measuring" in line for line in bench.stderr))
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)  # in which something is sent
        node.process.send_signal(signal.SIGKILL)
        node.process.wait()
        code, out, err = self.finish(bench)
        self.assertEqual(code, 3, out + err)
        self.assertRegex(out, r"\n\d+ message(s were| was) not answered, and in no percentile\n")
        self.assertNotIn("was not reached", out)

    def test_rate_that_cannot_be_reached_is_told(self):
        node = self.target()
        code, out, err = self.run_tool("bench", "request", "--rate", "900M", "--seed",
                                       node.address, *SHORT)
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"the rate of 900000000/s was not reached: \d+ messages were due")
        # What was sent was late from the beginning, and is no better than that.
        result = self.bench(node, "one-way", "--rate", "900M", "--duration", "2")
        self.assertGreater(result["latency_ns"]["p50"], 50e6, result)
        self.assertGreater(result["unsent"], 100e6, result)

    def test_size_above_the_limit_of_the_target_is_told(self):
        node = self.target(1, "--max-message", "100000")
        code, out, err = self.run_tool("bench", "one-way", "--size", "200000", "--seed",
                                       node.address, *SHORT)
        self.assertEqual((code, err), (5, ""))
        self.assertIn("raise --max-message", out)

    def test_file_that_cannot_be_written_is_told(self):
        node = self.target()
        arguments = ("bench", "request", "--seed", node.address, *SHORT)
        self.assert_fails(5, "cannot write", "No such file", arguments=[
            *arguments, "--hdr", os.path.join(self.home, "no", "file")])
        code, out, err = self.run_tool(*arguments, "--hdr", "/dev/full")
        self.assertEqual(code, 5)
        self.assertIn("throughput", out)
        self.assertRegex(err, r"\Aportolan: cannot write /dev/full: No space left[^\n]*\n\Z")

    def test_target_that_restarts_ends_it_with_a_summary(self):
        node = self.target(1, "--bind", unused_address())
        bench = self.start_measuring(node, "request", "--duration", "60")
        node.kill()
        again = self.node("--node", "rain", "--service", "bench", "--bind", node.address)
        code, out, err = self.finish(bench)
        self.assertEqual(code, 3, out + err)
        self.assertIn("rain#bench is gone", json.loads(out)["ending"])
        self.assert_whole(self.bench(again, "request", *SHORT))

    def test_signal_ends_it_with_a_summary(self):
        node = self.target()
        bench = self.start_measuring(node, "one-way", "--rate", "1000", "--duration", "60")
        bench.send_signal(signal.SIGINT)
        code, out, err = self.finish(bench)
        self.assertEqual(code, 130, out + err)
        result = json.loads(out)
        self.assertIn("SIGINT", result["ending"])
        self.assertEqual((result["lost"], result["reordered"]), (0, 0))

    def test_second_signal_does_not_take_for_lost_what_nobody_waited_for(self):
        node = self.target()
        bench = self.start_measuring(node, "request", "--rate", "1000", "--duration", "60")
        node.process.send_signal(signal.SIGSTOP)
        for _ in range(2):
            time.sleep(0.3)  # in which something is sent, and then waited for
            bench.send_signal(signal.SIGINT)
        code, out, err = self.finish(bench)
        node.process.send_signal(signal.SIGCONT)
        self.assertEqual(code, 130, out + err)
        self.assertEqual(json.loads(out)["lost"], 0)


if __name__ == "__main__":
    unittest.main()
