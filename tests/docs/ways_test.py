#!/usr/bin/env python3
"""
tests/docs/ways_test.py - whether the ways in docs/architecture.md are those of the code, as far as a
script can tell: each function is defined in the file that stands beside it, no way goes back to a
file that it has left (on one node), and none is longer than was promised.
"""

import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LONGEST = [12, 12, 20]  # out, in, a change of the database


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def ways():
    """Each a list of (number, function, file), or None where the way goes on on another node."""
    for block in re.findall(r"^```\n(.*?)^```\n", read("docs", "architecture.md"), re.M | re.S):
        steps = []
        for line in block.split("\n"):
            step = re.match(r" +(\d+)  (\w+) +((?:engine|io|store)/\S+\.c) ", line)
            if step:
                steps.append((int(step.group(1)), step.group(2), step.group(3)))
            elif "over the wire" in line:
                steps.append(None)
        if steps:
            yield steps


def defines(file, function):
    return re.search(r"^\w[\w *]*\b" + function + r"\([^;{]*\)\n\{", read(file), re.M) is not None


class Ways(unittest.TestCase):
    def test_there_are_as_many_as_were_promised(self):
        self.assertEqual(len(list(ways())), len(LONGEST))

    def test_none_is_too_long(self):
        for steps, longest in zip(ways(), LONGEST):
            numbers = [step[0] for step in steps if step]
            self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
            self.assertLessEqual(len(numbers), longest)

    def test_functions_are_where_it_says(self):
        for steps in ways():
            for number, function, file in filter(None, steps):
                self.assertTrue(defines(file, function), f"{number}: {function}() of {file}")

    def test_no_way_comes_back_to_a_file(self):
        for steps in ways():
            seen = set()
            for step in steps:
                if step is None:
                    seen = set()
                    continue
                self.assertNotIn(step[2], seen)
                seen.add(step[2])

    def test_a_function_that_is_not_there_is_found_out(self):
        self.assertTrue(defines("engine/port/send.c", "ptl_send"))
        self.assertFalse(defines("engine/port/send.c", "ptl_shard_post"))  # only called there


if __name__ == "__main__":
    unittest.main()
