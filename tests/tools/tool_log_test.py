#!/usr/bin/env python3
"""The log of `portolan run`: what it costs the node when nobody reads it, and how much it can be."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

import tool
from tool import LIMIT, PORTOLAN, SECRET, Receiver, ToolTest, environment, unused_address

STRANGERS = 2000


def connect_and_close(address, times):
    host, port = address.rsplit(":", 1)
    for _ in range(times):
        socket.create_connection((host, int(port)), LIMIT).close()


class StuckLogTest(ToolTest):
    """A node whose log goes to a pipe that nobody reads."""

    def stuck_node(self, *arguments):
        process = subprocess.Popen(
            [PORTOLAN, "run", "--log", "debug", "--bind", "127.0.0.1:0", "--shards", "2",
             "--secret", SECRET, "--service", "echo", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=tool.environment(self.home),
        )
        self.addCleanup(self.end, process)
        match = tool.READY.match(process.stdout.readline())
        return process, match.group(1), match.group(2)

    def test_node_serves_and_ends_by_sigterm_though_nobody_reads_its_log(self):
        process, name, address = self.stuck_node()
        connect_and_close(address, STRANGERS)
        self.assert_prints([1], "cal", f"{name}#echo", "say", "1", "--seed", address, "--secret", SECRET)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT), 0)

    def test_log_whose_reader_has_gone_costs_the_node_nothing(self):
        process, name, address = self.stuck_node()
        process.stderr.close()
        connect_and_close(address, 10)
        self.assert_prints([1], "cal", f"{name}#echo", "say", "1", "--seed", address, "--secret", SECRET)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT), 0)

    def test_full_disk_for_the_log_costs_the_node_nothing_and_lost_lines_are_counted(self):
        with open("/dev/full", "wb", buffering=0) as full:
            process = subprocess.Popen(
                [PORTOLAN, "run", "--log", "debug", "--bind", "127.0.0.1:0", "--shards", "2", "--http",
                 served := unused_address(), "--http-token", "t", "--node", "rain", "--secret", SECRET,
                 "--service", "echo"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=full, text=True,
                env=environment(self.home))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        address = tool.READY.match(process.stdout.readline()).group(2)
        self.assert_prints([1], "cal", "rain#echo", "say", "1", "--seed", address, "--secret", SECRET)
        request = urllib.request.Request(f"http://{served}/metrics", headers={"Authorization": "Bearer t"})
        deadline = time.monotonic() + LIMIT
        lost = 0
        while lost == 0:
            self.assertLess(time.monotonic(), deadline)
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                lost = int(re.search(r"^portolan_log_lines_lost_total (\d+)$", answer.read().decode(), re.M)[1])
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT), 0)


class FormatTest(ToolTest):
    """How lines are written: --log-format."""

    def say_nonsense(self, node):
        """A stranger whose greeting is made to move cursors and end lines."""
        host, port = node.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), LIMIT) as stranger:
            stranger.sendall(b'aemp;1;sn"o\\w\xff\xc2\x9b\x1b[2J\xe2\x80\xae;hmac_sha3_512;json;provider=\xff"\n'
                             b"nonce\nhmac_sha3_512;00;json\n")
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(4096):
                pass

    def raw_log(self, node):
        file = node.log.fileno()
        return os.pread(file, os.fstat(file).st_size, 0)

    def test_json_is_an_object_a_line_whatever_a_peer_says(self):
        node = self.node("--node", 'r"n', "--secret", SECRET, "--log-format", "json")
        self.say_nonsense(node)
        self.assertEqual(node.stop()[0], 0)
        lines = self.raw_log(node).decode("utf-8").splitlines()
        for line in lines:
            told = json.loads(line)
            self.assertRegex(told["time"], r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")
            self.assertIn(told["level"], ("error", "warn", "info", "debug"))
            self.assertEqual(told["node"], 'r"n')
            self.assertRegex(told["thread"], r"\A(portolan|ptl-[a-z]+(-[0-9]+)?)\Z")
            self.assertFalse(any(ord(character) < 32 for character in line), line)
        self.assertTrue(any("connection from" in line and "ptl-shard-" in line for line in lines), lines)

    def test_journal_has_priorities_and_no_time(self):
        node = self.node("--node", "rain", "--secret", SECRET, "--log-format", "journal")
        for _ in range(2):
            self.say_nonsense(node)
        self.assertEqual(node.stop()[0], 0)
        lines = self.raw_log(node).decode("utf-8").splitlines()
        for line in lines:
            self.assertRegex(line, r"\A<[3467]>[^<]")
        self.assertTrue(any(line.startswith("<6>at most") for line in lines), lines)
        for number in (4, 7):  # the second is told at debug alone
            self.assertTrue(any(line.startswith(f"<{number}>connection from") for line in lines), lines)

    def test_text_is_one_line_of_utf8_whatever_a_peer_says(self):
        node = self.node("--secret", SECRET)
        self.say_nonsense(node)
        self.assertEqual(node.stop()[0], 0)
        for line in self.raw_log(node).decode("utf-8").splitlines():
            self.assertRegex(line, r"\A\d{4}-\d\d-\d\dT[0-9:.]+Z (error|warn|info|debug) [^\x00-\x1f\x7f-\x9f\u202e]+\Z")

    def test_log_that_is_systemd_s_journal_is_written_as_that_unless_told_otherwise(self):
        path = os.path.join(self.home, "journal")
        for arguments, expected in (((), "<6>"), (("--log-format", "text"), "20")):
            with open(path, "wb") as file:
                status = os.fstat(file.fileno())
                process = subprocess.Popen(
                    [PORTOLAN, "run", "--bind", "127.0.0.1:0", "--secret", SECRET, *arguments],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, text=True,
                    env=environment(self.home, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}))
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.kill)
            self.assertRegex(process.stdout.readline(), tool.READY)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(LIMIT), 0)
            with open(path, encoding="utf-8") as file:
                for line in file:
                    self.assertTrue(line.startswith(expected), line)
        other = self.node("--secret", SECRET, env={"JOURNAL_STREAM": "1:2"})
        self.assertEqual(other.stop()[0], 0)
        self.assertTrue(other.logged().startswith("20"))

    def test_what_keeps_a_node_from_starting_is_a_line_of_that_format(self):
        path = os.path.join(self.home, "its.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("log-format = json\nshards = many\n")
        code, out, err = self.run_tool("run", "--config", path)
        self.assertEqual((code, out), (2, ""))
        self.assertIn(f"{path}:2: shards takes", json.loads(err)["message"])
        code, out, err = self.run_tool("run", "--log-format", "journal", "--secret-file", path + ".none")
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(err, r"\A<3>cannot open the secret in [^\n]+\n\Z")

    def test_sighup_changes_the_format(self):
        path = os.path.join(self.home, "its.conf")

        def write(format):
            with open(path, "w", encoding="utf-8") as file:
                file.write(f"log-format = {format}\n")

        write("text")
        node = self.node("--secret", SECRET, "--config", path)
        for format, expected in (("json", '"message":"reload: the log\'s format is json"}'),
                                 ("journal", "<6>reload: the log's format is journal")):
            write(format)
            node.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + LIMIT
            while expected not in node.logged():
                self.assertLess(time.monotonic(), deadline, node.logged())
                time.sleep(0.01)


class EndTest(ToolTest):
    """What a signal does, and what becomes of messages that were accepted."""

    def test_sighup_and_sigusr_are_taken_and_the_node_goes_on(self):
        node = self.node("--node", "rain", "--secret", SECRET, "--service", "echo")
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            node.process.send_signal(number)
        self.assert_prints([1], "cal", "rain#echo", "say", "1", "--seed", node.address,
                           "--secret", SECRET)
        self.assertEqual(node.stop()[0], 0)
        for name in ("SIGHUP", "SIGUSR1", "SIGUSR2"):
            self.assertIn(f"{name}: there is nothing to reload", node.logged())

    def test_signal_that_ends_nothing_leaves_the_ready_line_to_come(self):
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(writing, b"x" * 4096)
        process = subprocess.Popen(
            [PORTOLAN, "run", "--bind", "127.0.0.1:0", "--secret", SECRET],
            stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.PIPE, text=True,
            env=environment(self.home))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(writing)
        self.assertTrue(any("open files" in line for line in process.stderr))
        process.send_signal(signal.SIGUSR1)
        self.assertTrue(any("nothing to reload" in line for line in process.stderr))
        with os.fdopen(reading, encoding="utf-8") as output:
            self.assertIn("portolan: ready", output.readline())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT), 0)
        process.stderr.close()

    def ask(self, node, service, word):
        return self.run_tool("cal", f"rain#{service}", word, "--seed", node.address,
                             "--secret", SECRET)[1]

    def stop_before_receiver(self, count, *arguments):
        """The node has accepted messages for a receiver that stands still, and gets SIGTERM."""
        node = self.node("--node", "rain", "--secret", SECRET, "--service", "echo",
                         "--service", "sink", *arguments)
        receiver = Receiver(node, count)
        while self.ask(node, "sink", "count") != "[1]\n":
            pass
        self.ask(node, "echo", "say")
        node.process.send_signal(signal.SIGTERM)
        return node, receiver

    def test_receiver_that_stands_still_for_a_second_gets_all_and_the_exit_code_is_0(self):
        node, receiver = self.stop_before_receiver(5000)
        time.sleep(1)
        received = receiver.read()
        self.assertEqual(node.process.wait(LIMIT), 0, node.logged())
        self.assertEqual(received.count(b'["in",'), 5000)

    def test_node_that_drains_is_not_ready_and_a_second_signal_ends_it_at_once(self):
        address = unused_address()
        node, receiver = self.stop_before_receiver(5000, "--drain-seconds", "1000", "--http",
                                                   address)
        while "drains, for" not in node.logged():
            time.sleep(0.01)
        with self.assertRaises(urllib.error.HTTPError) as caught:
            while True:  # until it has said so to its HTTP as well
                urllib.request.urlopen(f"http://{address}/readyz", timeout=LIMIT).close()
        self.assertEqual((caught.exception.code, caught.exception.read()), (503, b"draining\n"))
        caught.exception.close()
        for number in (signal.SIGTERM, signal.SIGINT):
            node.process.send_signal(number)
        self.assertEqual(node.process.wait(LIMIT), 6, node.logged())
        self.assertIn("a second signal", node.logged())
        receiver.socket.close()

    def test_node_is_drained_from_afar_where_it_allows_that(self):
        node = self.node("--node", "rain", "--service", "drain")
        other = self.joined(node, "snow")
        self.assert_fails(4, "--service drain", arguments=["drain", "snow", "--seed", node.address])
        self.assert_fails(1, "no node's ID", arguments=["drain", "rain#x", "--seed", node.address])
        self.assert_fails(1, "drain NODE", arguments=["drain"])
        self.assertEqual(self.run_tool("drain", "rain", "--seed", other.address), (0, "", ""))
        self.assertEqual(node.process.wait(LIMIT), 0, node.logged())
        for line in "drain: asked for by", "drained: all was delivered":
            self.assertIn(line, node.logged())

    def test_receiver_that_stands_still_for_longer_shows_in_the_exit_code_and_one_line(self):
        node, receiver = self.stop_before_receiver(5000, "--drain-seconds", "0.6")
        self.assertEqual(node.process.wait(LIMIT), 6, node.logged())
        lines = [line for line in node.logged().splitlines() if "stopped before all was" in line]
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], r"[1-9][0-9]* (messages|bytes).* 1 nodes.*: receiver")
        receiver.socket.close()


class SupervisorTest(ToolTest):
    """What a service manager is told, by a socket that stands for systemd's."""

    def setUp(self):
        super().setUp()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.settimeout(LIMIT)
        self.path = os.path.join(self.home, "notify")
        self.socket.bind(self.path)

    def supervised(self, *arguments, **more):
        return self.node("--node", "rain", *arguments, env={"NOTIFY_SOCKET": self.path, **more})

    def told(self):
        return self.socket.recv(1000).decode()

    def test_it_is_ready_when_its_seeds_were_tried_and_tells_of_reloads_and_its_end(self):
        path = os.path.join(self.home, "its.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("seed = " + unused_address() + "\n")
        node = self.supervised("--config", path)
        self.assertEqual(self.told(), "READY=1")
        node.process.send_signal(signal.SIGHUP)
        self.assertRegex(self.told(), r"\ARELOADING=1\nMONOTONIC_USEC=[0-9]+\Z")
        self.assertEqual(self.told(), "READY=1")
        self.assertEqual(node.stop()[0], 0)
        self.assertEqual(self.told(), "STOPPING=1")
        self.assertIn("cannot join", node.logged())  # all is written by now

    def test_it_is_not_ready_while_a_seed_is_being_tried(self):
        with socket.create_server(("127.0.0.1", 0)) as seed:
            node = self.supervised("--seed", f"127.0.0.1:{seed.getsockname()[1]}")
            joining, _ = seed.accept()  # and nothing is said there
            self.socket.setblocking(False)
            self.assertRaises(BlockingIOError, self.told)
            self.socket.settimeout(LIMIT)
            joining.close()
            self.assertEqual(self.told(), "READY=1")
            self.assertEqual(node.stop()[0], 0)

    def test_watchdog_is_told_as_long_as_all_shards_turn(self):
        node = self.supervised(WATCHDOG_USEC="40000")
        words = [self.told() for _ in range(5)]
        self.assertIn("READY=1", words)
        self.assertGreaterEqual(words.count("WATCHDOG=1"), 4, words)
        node.process.send_signal(signal.SIGSTOP)  # one that stands still tells nothing more
        self.socket.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while True:
                self.told()
        node.process.send_signal(signal.SIGCONT)
        self.socket.settimeout(LIMIT)
        self.assertEqual(self.told(), "WATCHDOG=1")

    def test_watchdog_of_another_process_is_not_fed(self):
        node = self.supervised(WATCHDOG_USEC="2000", WATCHDOG_PID="1")
        self.assertEqual(self.told(), "READY=1")
        self.assertEqual(node.stop()[0], 0)
        self.assertEqual(self.told(), "STOPPING=1")

    def test_socket_that_is_none_is_nobody_and_the_node_runs(self):
        for name in "", "x", os.path.join(self.home, "none"), "/" + "x" * 200:
            node = self.node(env={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "nonsense"})
            self.assertEqual(node.stop()[0], 0)

    def test_unit_is_one(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("no systemd-analyze")
        with open("packaging/portolan.service", encoding="utf-8") as file:
            text = file.read()
        unit = os.path.join(self.home, "portolan.service")
        with open(unit, "w", encoding="utf-8") as file:  # its program is not installed here
            file.write(text.replace("/usr/bin/portolan", PORTOLAN).replace("User=portolan", "User=daemon")
                       .replace("Group=portolan", "Group=daemon"))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main()
