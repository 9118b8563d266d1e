#!/usr/bin/env python3
"""
tests/docs/limits_test.py - whether docs/limits.md is true as far as a script can tell.

Each row has a bound, an option that there is (or a dash), the default that the header gives it, and
a test that there is: `FILE: NAME` for a FILE_test.c (or .py) somewhere in tests/ that has a function
of that name, or `FOLDER/SCRIPT` for a script of tests/.
"""

import os
import re
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
COLUMNS = 5


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def rows():
    """(line number, cells) of all rows but heads and those that only divide a table."""
    for number, line in enumerate(read("docs", "limits.md").split("\n"), 1):
        if not line.startswith("|") or re.match(r"^\|(-+\|)+$", line):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] != "what" and not re.fullmatch(r"\*\*\w+\*\*", cells[0]):
            yield number, cells


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def default_of(option, header):
    """What stands in brackets behind a field of the options, or None."""
    match = re.search(r"\b" + option + r";\s*/\*(.*?)\*/", header, re.S)
    found = re.findall(r"\[([^\]]*)\]", match.group(1)) if match else []
    return found[-1] if found else None


def test_exists(name):
    if "/" in name:
        return os.path.exists(os.path.join(ROOT, "tests", name))
    if ": " not in name:
        return False
    file, function = name.split(": ")
    wanted = (f"{file}_test.c", f"{file}_test.py", f"{file}.py")
    for folder, _, files in os.walk(os.path.join(ROOT, "tests")):
        for found in (found for found in wanted if found in files):
            text = read(folder, found)
            return re.search(r"\b(def )?(test_)?" + re.escape(function) + r"\(", text) is not None
    return False


class Limits(unittest.TestCase):
    def test_there_are_rows(self):
        self.assertGreater(len(list(rows())), 20)

    def test_every_row_is_whole(self):
        for number, cells in rows():
            with self.subTest(line=number):
                self.assertEqual(len(cells), COLUMNS)
                self.assertTrue(cells[0] and cells[1] and cells[2], "a cell is empty")

    def test_every_option_exists_and_has_that_default(self):
        header, flags = read("engine", "node_options.h"), read("tools", "options.c")
        for number, cells in rows():
            for option in [word for word in words(cells[2]) if " " not in word]:
                with self.subTest(line=number, option=option):
                    if option.startswith("--"):
                        self.assertIn(f'{{"{option[2:]}",', flags)
                        continue
                    self.assertRegex(header, r"\b" + option + r";")
                    default = default_of(option, header)
                    self.assertTrue(default is None or default in cells[3], default)

    def test_every_row_has_a_test(self):
        for number, cells in rows():
            with self.subTest(line=number):
                self.assertTrue(words(cells[4]), "no test")
                for name in words(cells[4]):
                    self.assertTrue(test_exists(name), name)


if __name__ == "__main__":
    unittest.main()
