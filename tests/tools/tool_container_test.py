#!/usr/bin/env python3
"""`portolan run` as process 1 of a container: what a signal does to it, and what becomes of others' children."""

import os
import signal
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, PORTOLAN, READY, SECRET, ToolTest, environment

UNSHARE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
           *(() if os.getuid() == 0 else ("--user", "--map-root-user"))]


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


class ContainerTest(ToolTest):
    def setUp(self):
        super().setUp()
        able = subprocess.run([*UNSHARE, "true"], stderr=subprocess.PIPE, check=False)
        if able.returncode != 0:
            self.skipTest(f"no namespaces here: {able.stderr.decode().strip()}")

    def contained(self, script):
        """A shell is process 1, until it runs something in its own place."""
        process = subprocess.Popen([*UNSHARE, "sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=environment(self.home))
        self.addCleanup(self.end, process)
        return process

    def run_of(self, *arguments):
        return " ".join(["exec", PORTOLAN, "run", "--node", "rain", "--bind", "127.0.0.1:0", "--shards", "1", *arguments])

    def ready(self, *before):
        process = self.contained("".join(before) + self.run_of("--secret", f"'{SECRET}'", "--service", "echo"))
        process.address = READY.match(process.stdout.readline()).group(2)
        process.first, = children(process.pid)
        return process

    def assert_ends(self, process, number, code=0):
        os.kill(process.first, number)
        got, out, err = self.finish(process)
        self.assertEqual(got, code, out + err)
        return err

    def test_sigterm_and_sigint_drain_it(self):
        for number in signal.SIGTERM, signal.SIGINT:
            self.assertIn("drained: all was delivered", self.assert_ends(self.ready(), number))

    def test_other_signals_leave_it_running(self):
        process = self.ready()
        for number in signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE:
            os.kill(process.first, number)
        self.assert_prints([1], "cal", "rain#echo", "echo", "1", "--seed", process.address, "--secret", SECRET)
        told = self.assert_ends(process, signal.SIGTERM)
        for name in "SIGHUP", "SIGUSR1", "SIGUSR2":
            self.assertIn(f"{name}: there is nothing to reload", told)

    def test_sigterm_before_it_has_read_its_file_ends_it_as_soon_as_it_can(self):
        path = os.path.join(self.home, "pipe")
        os.mkfifo(path)
        process = self.contained(self.run_of("--config", path))
        with open(path, "w", encoding="utf-8") as file:  # it waits for what is written here
            process.first, = children(process.pid)
            os.kill(process.first, signal.SIGTERM)
            file.write(f"secret = {SECRET}\n")
        code, out, err = self.finish(process)
        self.assertEqual(code, 0, out + err)

    def test_children_that_others_leave_to_it_leave_no_zombies(self):
        """One has ended before it runs, one ends later, one is an orphan's orphan."""
        path = os.path.join(self.home, "pipe")
        os.mkfifo(path)
        process = self.ready(f"true & sh -c 'read line' <{path} & sh -c '(read line) & :' <{path} & ")
        self.assert_prints([1], "cal", "rain#echo", "echo", "1", "--seed", process.address, "--secret", SECRET)
        with open(path, "w", encoding="utf-8") as file:
            file.write("you may go\nand you\n")
        deadline = time.monotonic() + LIMIT
        while left := children(process.first):
            self.assertLess(time.monotonic(), deadline, left)
            time.sleep(0.02)
        self.assert_ends(process, signal.SIGTERM)


if __name__ == "__main__":
    unittest.main()
