#!/usr/bin/env python3
"""perf/death: that each way to die is told of and counted.  Nothing here looks at how soon."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class DeathTest(unittest.TestCase):
    def death(self, *words):
        build = pathlib.Path(os.environ["PORTOLAN"]).parent
        done = subprocess.run([ROOT / "perf" / "death", build, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=150, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_every_way_to_die_is_told_of(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "found.json"
            _, out, err = self.death("--rounds", "2", "--silence-ms", "500", "--watch", "0.5", "--times",
                                     "1", "--save", file)
            found = json.loads(file.read_text())
        self.assertEqual([(row["way"], row["rounds"], row["missed"]) for row in found["deaths"]],
                         [(way, 2, 0) for way in ("killed", "stopped", "cut off")], err)
        self.assertEqual([(row["pairs"], row["seconds"]) for row in found["watches"]], [(4, 0.5)])
        for word in "killed", "stopped", "cut off", "false alarms":
            self.assertIn(word, out)

    def test_nonsense_is_refused(self):
        for words in (["--rounds", "0"], ["--silence-ms", "299"], ["--watch", "-1"]):
            code, out, err = self.death(*words)
            self.assertEqual((code, out), (2, ""), err)


if __name__ == "__main__":
    unittest.main()
