#!/usr/bin/env python3
"""perf/death: that each way to die is told of and counted.  Nothing here looks at how soon."""

import json
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
from command import run_perf


class DeathTest(unittest.TestCase):
    def test_every_way_to_die_is_told_of(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "found.json"
            _, out, err = run_perf("death", "--rounds", "2", "--silence-ms", "500", "--watch", "0.5",
                                   "--times", "1", "--save", file)
            found = json.loads(file.read_text())
        self.assertEqual([(row["way"], row["rounds"], row["missed"]) for row in found["deaths"]],
                         [(way, 2, 0) for way in ("killed", "stopped", "cut off")], err)
        self.assertEqual([(row["pairs"], row["seconds"]) for row in found["watches"]], [(4, 0.5)])
        for word in "killed", "stopped", "cut off", "false alarms":
            self.assertIn(word, out)

    def test_nonsense_is_refused(self):
        for words in (["--rounds", "0"], ["--silence-ms", "299"], ["--watch", "-1"]):
            code, out, err = run_perf("death", *words)
            self.assertEqual((code, out), (2, ""), err)


if __name__ == "__main__":
    unittest.main()
