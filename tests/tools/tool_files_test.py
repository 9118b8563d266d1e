#!/usr/bin/env python3
"""`portolan run` where there is little: descriptors, standard files, a file system to write to."""

import signal
import socket
import subprocess
import time
import unittest

from tool import LIMIT, PORTOLAN, SECRET, Node, ToolTest, environment, unused_address

FILES = 90  # of the node: some 40 of them are its own
STRANGERS = 200


class FilesTest(ToolTest):
    def limited_node(self, soft, hard):
        node = Node(self.home, "--bind", "127.0.0.1:0", "--shards", "2", "--secret", SECRET,
                    "--service", "echo", files=(soft, hard))
        self.addCleanup(node.kill)
        return node

    def test_soft_limit_is_raised_to_the_hard_one_and_told(self):
        node = self.limited_node(128, 1000)
        self.assertEqual(node.stop()[0], 0)
        self.assertIn("at most 1000 open files", node.logged())

    def test_node_whose_descriptors_strangers_hold_lets_its_peers_in_and_says_so_once(self):
        node = self.limited_node(FILES, FILES)
        host, port = node.address.rsplit(":", 1)
        strangers = []
        for i in range(3):
            for _ in range(STRANGERS // 3):
                strangers.append(socket.create_connection(
                    (host, int(port)), LIMIT, source_address=("127.0.0.2", 0)))
            self.assert_prints([i], "cal", f"{node.id}#echo", "say", str(i), "--seed", node.address,
                               "--secret", SECRET)
        for stranger in strangers:
            stranger.close()
        self.assertEqual(node.stop()[0], 0)
        self.assertEqual(node.logged().count("no descriptor is left"), 1)

    def test_ulimit_n_64(self):
        node = self.limited_node(64, 64)
        for i in range(5):
            self.assert_prints([i], "cal", f"{node.id}#echo", "say", str(i), "--seed", node.address,
                               "--secret", SECRET)
        self.assertEqual(node.stop()[0], 0)
        self.assertIn("at most 64 open files", node.logged())


class StandardFilesTest(ToolTest):
    def run_closed(self, which):
        """A node that somebody has started with these of its standard files closed."""
        address = unused_address()
        process = subprocess.Popen(
            ["sh", "-c", f'exec "$0" "$@" {which}', PORTOLAN, "run", "--node", "rain", "--bind", address,
             "--service", "echo", "--secret", SECRET, "--shards", "2"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment(self.home))
        self.addCleanup(process.kill)
        return process, address

    def ask_until_it_answers(self, process, address):
        deadline = time.monotonic() + LIMIT
        while self.run_tool("cal", "rain#echo", "say", "1", "--seed", address, "--secret", SECRET)[0] != 0:
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), deadline)

    def test_closed_standard_input_and_error(self):
        process, address = self.run_closed("<&- 2>&-")
        self.ask_until_it_answers(process, address)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT), 0)

    def test_closed_standard_output_is_told_as_no_place_for_the_ready_line(self):
        process = subprocess.Popen(
            ["sh", "-c", 'exec "$0" "$@" >&-', PORTOLAN, "run", "--bind", "127.0.0.1:0", "--secret", SECRET],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment(self.home))
        _, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 5)
        self.assertIn("cannot write the ready line", err)


class ReadOnlyTest(ToolTest):
    def test_read_only_file_system(self):
        inside = 'mount --make-rprivate / && mount --rbind "$HOME" "$HOME" && ' \
                 'mount -o remount,bind,ro "$HOME" && exec "$0" "$@"'
        prefix = ("unshare", "--mount", "sh", "-c", inside)
        if subprocess.run([*prefix, "true"], env=environment(self.home), check=False,
                          stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no mounts here")
        node = self.node("--secret", SECRET, "--service", "echo", prefix=prefix)
        self.assert_prints([1], "cal", f"{node.id}#echo", "say", "1", "--seed", node.address, "--secret", SECRET)
        self.assertEqual(node.stop()[0], 0)
        done = subprocess.run([*prefix, PORTOLAN, "run", "--bind", "127.0.0.1:0"], env=environment(self.home),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=LIMIT, check=False)
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"\Aportolan: cannot make a secret in [^\n]*Read-only file system[^\n]*\n\Z")


if __name__ == "__main__":
    unittest.main()
