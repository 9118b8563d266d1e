#!/usr/bin/env python3
"""Nodes that are killed, stopped and ended, each a process: what is told of them, and to whom."""

import json
import signal
import threading
import time
import unittest

from tool import LIMIT, ToolTest

SILENCE_MS = 3000  # on a busy machine, too, a node says something in that time


class DeathTest(ToolTest):
    def monitor(self, node, *arguments):
        """A program that monitors a port of the node, once the node has answered that it does."""
        monitor = self.start("mon", "rain#sink", "--seed", node.address, "--log", "info", *arguments)
        lines = []
        monitoring = threading.Event()

        def read():
            for line in monitor.stderr:
                lines.append(line)
                if "monitoring rain#sink" in line:
                    monitoring.set()

        threading.Thread(target=read, daemon=True).start()
        self.assertTrue(monitoring.wait(LIMIT), lines)
        return monitor

    def reason(self, monitor):
        monitor.wait(LIMIT)
        return json.loads(monitor.stdout.read())

    def rain(self, *arguments):
        return self.node("--node", "rain", "--service", "sink", "--service", "echo", *arguments)

    def test_node_that_is_killed_is_told_of(self):
        rain = self.rain()
        monitor = self.monitor(rain)
        rain.kill()
        self.assertEqual(self.reason(monitor)[:2], ["transport_error", "rain"])

    def test_node_that_ends_says_so(self):
        rain = self.rain()
        monitor = self.monitor(rain)
        self.assertEqual(rain.stop()[0], 0)
        self.assertEqual(self.reason(monitor), ["transport_error", "rain", "the peer has stopped"])

    def test_node_that_stands_still_is_told_of_and_linked_again(self):
        rain = self.rain()
        for silence in (300, 500, SILENCE_MS):
            monitor = self.monitor(rain, "--silence-ms", str(silence))
            rain.process.send_signal(signal.SIGSTOP)
            self.assertEqual(self.reason(monitor), ["transport_error", "rain",
                                                    "the peer has been silent for too long"])
            rain.process.send_signal(signal.SIGCONT)
            self.assert_prints(["again"], "cal", "rain#echo", "--seed", rain.address, "echo", "again")

    def test_node_that_stood_still_accuses_nobody(self):
        """It bears little silence itself, and has heard nothing for much longer."""
        rain = self.rain("--silence-ms", "60000")
        snow = self.node("--node", "snow", "--service", "echo", "--seed", rain.address,
                         "--silence-ms", str(SILENCE_MS))
        self.assert_prints(["there"], "cal", "snow#echo", "--seed", rain.address, "echo", "there")
        for _ in range(2):
            snow.process.send_signal(signal.SIGSTOP)
            time.sleep(2 * SILENCE_MS / 1000)
            snow.process.send_signal(signal.SIGCONT)
            self.assert_prints(["there"], "cal", "snow#echo", "--seed", rain.address, "echo",
                               "there")
        self.assertNotIn("silent", snow.logged() + rain.logged())


if __name__ == "__main__":
    unittest.main()
