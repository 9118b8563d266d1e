#!/usr/bin/env python3
"""What perf/run makes of its measurements, by stored ones: shares, noise, what has become slower.

Nothing here looks at how fast anything is.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "perf" / "data"
sys.path.insert(0, str(ROOT / "perf"))
import measures
import wire

EARLIER, LATER = DATA / "bench_earlier.json", DATA / "bench_later.json"


def stored(path):
    return measures.Run(json.loads(path.read_text()))


class FigureTest(unittest.TestCase):
    run_ = stored(LATER)

    def test_a_share_is_of_medians_and_above_one_only_where_we_are_better(self):
        self.assertAlmostEqual(self.run_.share("wire/one-way/16"), 166 / 500)
        self.assertAlmostEqual(stored(EARLIER).share("wire/request/1/p99"), 100 / 205)
        self.assertIsNone(self.run_.share("encode/cbor_small"))

    def test_the_noise_is_how_far_a_round_went_from_the_median_of_the_shares(self):
        shares = sorted((165 / 500, 170 / 520, 160 / 480, 166 / 500, 168 / 505))
        noise = max(shares[-1] / shares[2], shares[2] / shares[0])
        self.assertAlmostEqual(self.run_.noise("wire/one-way/16"), noise)
        self.assertAlmostEqual(self.run_.noise("encode/cbor_small"), 90 / 89)

    def test_a_round_without_a_number_counts_for_nothing(self):
        self.assertEqual(self.run_.rounds("wire/request/1/p99"), [420, 395, 410, 425])
        self.assertEqual(len(self.run_.each("wire/request/1/p99")), 4)

    def test_a_figure_whose_yardstick_moved_by_more_than_half_is_marked(self):
        self.assertEqual(self.run_.yardstick_moved("wire/mixed/p99"), 2)
        self.assertTrue(self.run_.is_marked("wire/mixed/p99"))
        self.assertFalse(self.run_.is_marked("wire/one-way/16"))
        self.assertFalse(self.run_.is_marked("encode/cbor_small"))

    def test_every_share_is_told_with_the_noise_of_its_yardstick(self):
        lines = {line.split()[0]: line for line in measures.table(self.run_).splitlines()}
        self.assertIn("0.332 of bare/one-way/16 (1.08)", lines["wire/one-way/16"])
        self.assertRegex(lines["wire/mixed/p99"], r"of bare/mixed/p99 \(2.00\) !$")
        self.assertNotIn(" of ", lines["encode/cbor_small"])
        self.assertIn("the machine was not quiet", measures.table(self.run_))


class ComparisonTest(unittest.TestCase):
    found = {change.name: change for change in measures.changes(stored(EARLIER), stored(LATER))}

    def test_only_what_was_measured_both_times_is_compared_and_no_yardstick(self):
        self.assertEqual(set(self.found), {"wire/one-way/16", "wire/request/1/p99",
                                           "wire/mixed/p99", "encode/cbor_small"})

    def test_a_slower_machine_makes_nothing_slower(self):
        change = self.found["wire/request/1/p99"]
        self.assertAlmostEqual(change.ratio, (200 / 415) / (100 / 205))
        self.assertFalse(change.is_slower or change.is_faster)

    def test_what_lost_more_than_the_noise_is_slower(self):
        change = self.found["wire/one-way/16"]
        self.assertAlmostEqual(change.ratio, 0.332 / 0.5)
        self.assertTrue(change.is_slower)

    def test_what_lost_less_than_the_noise_is_not_and_is_marked(self):
        change = self.found["wire/mixed/p99"]
        self.assertLess(change.ratio, 1)
        self.assertFalse(change.is_slower)
        self.assertTrue(change.is_marked)

    def test_what_was_measured_too_seldom_to_know_its_noise_is_not_judged(self):
        short = json.loads(LATER.read_text())
        for figure in short["figures"].values():
            figure["rounds"] = figure["rounds"][-1:]
        lines, is_slower = measures.comparison(stored(EARLIER), measures.Run(short))
        self.assertFalse(is_slower)
        self.assertRegex(lines, r"wire/one-way/16 .*too few rounds")

    def test_what_gained_more_than_the_noise_is_faster(self):
        self.assertTrue(self.found["encode/cbor_small"].is_faster)


class CommandTest(unittest.TestCase):
    def perf_run(self, *words):
        done = subprocess.run([ROOT / "perf" / "run", "build", *words], cwd=ROOT, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    def test_what_is_slower_is_named_and_is_the_exit_code(self):
        code, out = self.perf_run("--from", LATER, "--against", EARLIER)
        self.assertEqual(code, 1, out)
        self.assertIn("slower by more than the noise of both runs: wire/one-way/16\n", out)
        self.assertRegex(out, r"wire/one-way/16 +0\.664 +1\.0\d   SLOWER\n")

    def test_a_run_is_not_slower_than_itself(self):
        code, out = self.perf_run("--from", EARLIER, "--against", EARLIER)
        self.assertEqual(code, 0, out)
        self.assertIn("nothing is slower", out)

    def test_a_file_that_is_no_run_is_told_in_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            wrong = pathlib.Path(folder) / "wrong.json"
            for text in "", "[]", "{}", '{"figures": {"a": {}}}', '{"figures": {"a": {"rounds": []}}}':
                wrong.write_text(text)
                code, out = self.perf_run("--from", EARLIER, "--against", wrong)
                self.assertEqual((code, out.count("\n")), (1, 1), out)
                self.assertIn("is not a stored run", out)
            code, out = self.perf_run("--from", pathlib.Path(folder) / "none")
            self.assertEqual((code, out.count("\n")), (1, 1), out)


class WireTest(unittest.TestCase):
    def test_every_work_has_a_yardstick_that_is_measured(self):
        result = {"rate": 1, "p50_ns": 1, "p99_ns": 1}
        bare = {"bare/request/1/p50"}
        for work in wire.WORK:
            bare |= {name for name, _, _ in wire.figures_of("bare", work, result)}
        for work in wire.WORK:
            for name, _, _ in wire.figures_of("wire", work, result):
                self.assertIn(wire.yardstick_of(name), bare)


@unittest.skipIf(os.environ.get("PTL_SANITIZE", "none") != "none", "once is enough")
class EndsTest(unittest.TestCase):
    """The whole way, as it was built: two processes each, and what is stored of them."""

    EXPECTED = {"bare/request/64", "wire/request/64", "wire/db-set"}
    TRIES = 6  # on a busy machine a tenth of a second may pass without a message

    def measure(self, folder):
        target, build = folder / "run.json", folder / "build" / "plain"
        done = subprocess.run([ROOT / "perf" / "run", build, "--quick", "--unpinned", "--only",
                               "^wire/(request/64|db-set)$", "--save", target],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=100, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((folder / "build" / "bench.json").exists())
        return json.loads(target.read_text())["figures"], done.stderr

    def test_both_programs_are_run_and_their_figures_stored(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "build").mkdir()
            (folder / "build" / "plain").symlink_to(pathlib.Path(os.environ["PORTOLAN"]).parent)
            figures = {}
            for _ in range(self.TRIES):
                found, complaint = self.measure(folder)
                figures |= found
                if set(figures) == self.EXPECTED:
                    break
            self.assertEqual(set(figures), self.EXPECTED, complaint)
            self.assertEqual(figures["wire/db-set"]["yardstick"], "bare/request/64")


if __name__ == "__main__":
    unittest.main()
