#!/usr/bin/env python3
"""perf/grow: that each axis is measured and drawn.  Nothing here looks at how fast anything is."""
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "perf"), str(ROOT / "perf" / "peers")]
import axes
import growth_plot
import measures
from command import run_perf

TRIES = 6  # on a busy machine a fifth of a second may pass without a message


def run_of_everything():
    """As if each value had been measured."""
    figures = {}
    for axis in axes.ALL:
        for place, value in enumerate(axis.values):
            for metric in axis.metrics():
                name = metric.name_at(axis.name, value)
                figures[name] = {"unit": metric.unit, "rounds": [1000 * (place + 1)] * 3}
                if metric.has_bare:
                    figures[name]["yardstick"] = f"bare/{name}"
                    figures[f"bare/{name}"] = {"unit": metric.unit, "rounds": [5000] * 3}
    return measures.Run({"time": "2026-01-01T00:00:00Z", "figures": figures})


class AxisTest(unittest.TestCase):
    def test_what_grows_grows_as_far_as_it_should(self):
        ends = {axis.name: (axis.values[0], axis.values[-1]) for axis in axes.ALL}
        self.assertEqual(ends, {"shards": (1, 4), "links": (1, 1000), "ports": (1, 1000000),
                                "entries": (1, 1000000), "watchers": (1, 1000),
                                "size": (0, 64 << 20)})

    def test_every_axis_has_two_metrics_of_different_names(self):
        for axis in axes.ALL:
            self.assertEqual(len({metric.name for metric in axis.metrics()}), 2, axis.name)
            self.assertLessEqual(set(axis.quick), set(axis.values))


class PlotTest(unittest.TestCase):
    def test_every_value_that_was_measured_is_in_the_plot_of_its_axis(self):
        run = run_of_everything()
        for axis in axes.ALL:
            script = growth_plot.script(run, axis)
            for value in axis.values:
                self.assertIn(f"\n{max(value, 1):.6g} ", script, axis.name)
            self.assertIn('title "portolan"', script)
            self.assertIn('title "bare TCP"', script)

    @unittest.skipIf(shutil.which("gnuplot") is None, "gnuplot is not installed")
    def test_every_axis_is_drawn(self):
        with tempfile.TemporaryDirectory() as folder:
            drawn = growth_plot.draw_all(run_of_everything(), axes.ALL, pathlib.Path(folder))
            self.assertEqual([path.stem for path in drawn], list(axes.AXES))
            for path in drawn:
                self.assertIn(b"bare TCP", path.read_bytes())


class CommandTest(unittest.TestCase):
    def test_every_axis_is_measured_at_both_ends_of_a_quick_run(self):
        expected = {metric.name_at(axis.name, value) for axis in axes.ALL for value in axis.quick
                    for metric in axis.metrics()}
        with tempfile.TemporaryDirectory() as folder:
            found, missing = {}, set(axes.AXES)
            for _ in range(TRIES):
                code, out, err = run_perf("grow", *missing, "--quick", "--out", folder)
                self.assertEqual(code, 0, err)
                found |= json.loads((pathlib.Path(folder) / "grow.json").read_text())["figures"]
                missing = {name.split("/")[0] for name in expected - set(found)}
                if not missing:
                    break
            self.assertEqual(expected - set(found), set(), out + err)

    def test_figures_are_told_again_and_compared(self):
        with tempfile.TemporaryDirectory() as folder:
            stored = pathlib.Path(folder) / "stored.json"
            stored.write_text(json.dumps(run_of_everything().data))
            code, out, err = run_perf("grow", "links", "--from", stored, "--against", stored,
                                      "--out", folder)
            self.assertEqual(code, 0, err)
            self.assertIn("links/1000 ", out)
            self.assertIn("nothing is slower", out)

    def test_nonsense_is_refused(self):
        for words in (["shard"], ["links", "--rounds", "0"], ["links", "--seconds", "1e9"]):
            code, out, err = run_perf("grow", *words)
            self.assertEqual((code, out), (2, ""), err)
        code, out, err = run_perf("grow", "links", "--from", "/dev/null")
        self.assertEqual((code, out, err.count("\n")), (1, "", 1), err)


if __name__ == "__main__":
    unittest.main()
