#!/usr/bin/env python3
"""
tests/tools/tool_loop_test.py - which loop the command runs on: as it is told, or as a kernel or a
container lets it.  What a container forbids is forbidden by a seccomp filter (tests/tools/without.c).
"""

import os
import resource
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tool import LIMIT, PORTOLAN, SECRET, ToolTest, environment

WITHOUT = os.environ["WITHOUT"]


def can_filter():
    return subprocess.run([WITHOUT, "EPERM", "io_uring_setup", "--", "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


class Loops(ToolTest):
    def run_without(self, error, calls, *arguments, env=None):
        done = subprocess.run(
            [WITHOUT, error, calls, "--", PORTOLAN, *arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(self.home, env), timeout=LIMIT, check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def node_without(self, error, calls, *arguments):
        if not can_filter():
            self.skipTest("no seccomp filters here")
        return self.node(*arguments, "--service", "echo", "--secret", SECRET,
                         prefix=(WITHOUT, error, calls, "--"))

    def assert_serves(self, node, *arguments):
        """A client on whatever loop it likes is answered."""
        self.assert_prints(["ahoy"], "cal", f"{node.id}#echo", "echo", "ahoy", "--seed", node.address,
                           "--secret", SECRET, *arguments)

    def assert_on_epoll(self, node, *why):
        self.assertEqual(node.stop()[0], 0)  # then all that it had to say is written
        line = next((line for line in node.logged().split("\n") if "the loop is epoll" in line), "")
        self.assertIn(" info the loop is epoll: io_uring ", line, node.logged())
        self.assertEqual(node.logged().count("the loop is epoll"), 1)
        for word in why:
            self.assertIn(word, line)

    def test_node_where_a_container_forbids_io_uring_serves_on_epoll_and_says_so(self):
        node = self.node_without("EPERM", "io_uring_setup")
        self.assert_serves(node)
        self.assert_serves(node, "--loop", "epoll")
        self.assert_on_epoll(node, "EPERM", "seccomp")

    def test_node_where_half_of_io_uring_is_forbidden_serves_on_epoll_and_says_so(self):
        for call in "io_uring_enter", "io_uring_register":
            with self.subTest(call=call):
                node = self.node_without("EPERM", call)
                self.assert_serves(node)
                self.assert_on_epoll(node, "EPERM", "seccomp")

    def test_node_on_a_kernel_without_io_uring_and_with_coarse_waits_serves(self):
        node = self.node_without("ENOSYS", "io_uring_setup,io_uring_enter,io_uring_register,epoll_pwait2")
        self.assert_serves(node)
        self.assert_on_epoll(node, "ENOSYS")

    def test_node_where_io_uring_gets_no_memory_serves_on_epoll_and_says_so(self):
        node = self.node_without("ENOMEM", "io_uring_setup")
        self.assert_serves(node)
        self.assert_on_epoll(node, "ENOMEM", "ulimit -l")

    def test_client_where_a_container_forbids_io_uring_says_nothing_of_it(self):
        if not can_filter():
            self.skipTest("no seccomp filters here")
        node = self.node("--service", "echo", "--secret", SECRET)
        code, out, err = self.run_without("EPERM", "io_uring_setup", "cal", f"{node.id}#echo", "echo", "1",
                                          "--seed", node.address, "--secret", SECRET)
        self.assertEqual((code, out, err), (0, "[1]\n", ""))

    def test_io_uring_that_was_asked_for_and_cannot_be_had_is_an_error_that_says_what_to_do(self):
        if not can_filter():
            self.skipTest("no seccomp filters here")
        for where in (("--loop", "uring"), None), ((), {"PORTOLAN_LOOP": "uring"}):
            code, out, err = self.run_without("EPERM", "io_uring_setup", "run", "--bind", "127.0.0.1:0",
                                              "--secret", SECRET, *where[0], env=where[1])
            self.assertEqual((code, out), (2, ""), err)
            self.assertRegex(err, r"\Aportolan: cannot start: io_uring is [^\n]*seccomp[^\n]*epoll\n\Z")

    def test_node_with_64_kilobytes_of_locked_memory_serves(self):
        node = self.node("--service", "echo", "--secret", SECRET,
                         limits={resource.RLIMIT_MEMLOCK: (65536, 65536)})
        self.assert_serves(node)

    def test_loop_that_was_chosen_is_not_remarked_upon(self):
        node = self.node("--loop", "epoll", "--service", "echo", "--secret", SECRET)
        self.assert_serves(node)
        self.assertEqual(node.stop()[0], 0)
        self.assertNotIn("the loop is", node.logged())

    def test_flag_counts_more_than_the_environment(self):
        node = self.node("--loop", "epoll", "--service", "echo", "--secret", SECRET,
                         env={"PORTOLAN_LOOP": "uring"})
        self.assert_serves(node)

    def test_loops_that_there_are_not_are_refused(self):
        self.assert_fails(1, "--loop", "uring or epoll", "kqueue", arguments=("run", "--loop", "kqueue"))
        self.assert_fails(1, "PORTOLAN_LOOP", "kqueue", arguments=("run",), env={"PORTOLAN_LOOP": "kqueue"})


if __name__ == "__main__":
    unittest.main()
