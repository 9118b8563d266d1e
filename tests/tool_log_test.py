#!/usr/bin/env python3
"""The log of `portolan run`: what it costs the node when nobody reads it, and how much it can be."""

import signal
import socket
import subprocess
import unittest

import tool
from tool import LIMIT, PORTOLAN, SECRET, ToolTest

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


if __name__ == "__main__":
    unittest.main()
