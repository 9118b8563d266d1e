#!/usr/bin/env python3
"""What perf/peers makes of results, and that a measurement of its yardstick counts what it should.

Nothing here looks at how fast anything is.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "perf" / "peers"
sys.path.insert(0, str(PEERS))
import agree
import figures
import plot
import session
import systems
import table
import work


def result(system, of, number, **more):
    return {"system": system, "work": of, "round": number, "offered": 0, "lost": 0} | more


def data_of(results):
    titles = {"tcp": "bare TCP", "portolan": "portolan", "other": "Another"}
    notes = {"tcp": "the yardstick", "portolan": "", "other": "promises less"}
    return {"machine": {"processor": "X", "processors": 2, "kernel": "6", "load": 0}, "rounds": 3, "seconds": 1,
            "took": 60, "time": "2020-01-01T00:00:00Z", "titles": titles, "notes": notes, "results": results}


RESULTS = [
    *(result("tcp", "request/1", number, rate=rate, p99_ns=1000)
      for number, rate in enumerate((100, 160, 120))),
    *(result("portolan", "request/1", number, rate=rate, p50_ns=500, p90_ns=700, p99_ns=2000, p999_ns=3000,
             max_ns=4000) for number, rate in enumerate((40, 50, 60))),
    *(result("other", "request/1", number, rate=rate, p99_ns=6000, lost=number)
      for number, rate in enumerate((20, 10, 40))),
    result("other", "mixed", 0, failed="no result within 45 s"),
]


class FiguresTest(unittest.TestCase):
    figures = figures.Figures(data_of(RESULTS))

    def test_a_figure_is_the_median_of_its_rounds(self):
        self.assertEqual(self.figures.median("other", "request/1", "rate"), 20)
        self.assertEqual(self.figures.spread("other", "request/1", "rate"), (10, 40))

    def test_a_ratio_above_one_says_that_portolan_is_better(self):
        self.assertEqual(self.figures.ratio("other", "request/1", "rate"), (2.5, 1.5, 5.0))
        self.assertEqual(self.figures.ratio("other", "request/1", "p99_ns"), (3.0, 3.0, 3.0))

    def test_there_is_no_ratio_without_both(self):
        self.assertIsNone(self.figures.ratio("portolan", "request/1", "rate"))
        self.assertIsNone(self.figures.ratio("other", "mixed", "p99_ns"))

    def test_noise_is_how_far_the_yardstick_moved(self):
        self.assertEqual(self.figures.noise("request/1", "rate"), 1.6)
        self.assertIsNone(self.figures.noise("mixed", "rate"))

    def test_the_yardsticks_requests_stand_in_where_it_has_no_database(self):
        data = data_of([result("tcp", "request/64", number, rate=rate) for number, rate in enumerate((10, 30))])
        self.assertEqual(figures.Figures(data).noise("db-set", "rate"), 3)


def run_of(ours, theirs, yardstick):
    numbers = {"portolan": ours, "other": theirs, "tcp": yardstick}
    return data_of([result(system, "request/1", number, rate=rate)
                    for system, rates in numbers.items() for number, rate in enumerate(rates)])


class AgreeTest(unittest.TestCase):
    earlier = run_of((40, 50, 60), (20, 20, 20), (100, 100, 110))

    def apart(self, now):
        text, count = agree.report(now, self.earlier)
        return text, count

    def test_ratios_agree_when_one_is_among_the_rounds_of_the_other_run(self):
        text, count = self.apart(run_of((44, 44, 44), (20, 20, 20), (88, 88, 88)))
        self.assertEqual(count, 0)
        self.assertIn("2 of 2 ratios agree", text)

    def test_ratios_agree_when_the_yardstick_moved_as_far(self):
        _, count = self.apart(run_of((100, 100, 100), (20, 20, 20), (100, 200, 220)))
        self.assertEqual(count, 0)

    def test_ratios_that_are_further_apart_are_told_the_furthest_first(self):
        text, count = self.apart(run_of((400, 400, 400), (40, 40, 40), (100, 100, 100)))
        self.assertEqual(count, 2)
        self.assertLess(text.index("tcp"), text.index("other"))
        self.assertIn("now x10.00 (10.00 to 10.00), earlier x2.50 (2.00 to 3.00)", text)
        self.assertIn("0 of 2 ratios agree", text)

    def test_a_file_that_holds_no_results_is_refused_with_one_line(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            file.write("{}")
            file.flush()
            command = [PEERS / "run", "build", "--from", file.name]
            run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 2)
        self.assertIn("holds no results of this program", run.stderr)


class PageTest(unittest.TestCase):
    page = table.page(data_of(RESULTS), ["peers-rate.svg"])

    def test_the_page_tells_median_spread_ratio_and_loss(self):
        self.assertIn("| Another <sup>2</sup> | 20 (10 to 40) **×2.50** (1.50 to 5.00), lost 3 |", self.page)

    def test_the_page_marks_where_the_yardstick_moved(self):
        self.assertIn("| 1.60 **(moved)** |", self.page)

    def test_the_page_tells_what_failed_and_what_each_promises(self):
        self.assertIn("* Another, mixed, 1 of 3: no result within 45 s\n", self.page)
        self.assertIn("2. **Another**: promises less.\n", self.page)

    def test_the_page_has_the_plots_that_were_drawn_and_no_other(self):
        self.assertIn("(peers-rate.svg)", self.page)
        self.assertNotIn("(peers-throughput.svg)", self.page)

    def test_numbers_have_three_digits_and_a_unit(self):
        for number, metric, text in ((1234567, "rate", "1.23 M"), (999.6, "rate", "1000"), (123.4, "rate", "123"),
                                     (1500, "p50_ns", "1.5 µs"), (2e9, "bytes_per_second", "2 GB")):
            self.assertEqual(table.human(number, metric), text)


class PlotTest(unittest.TestCase):
    def test_a_plot_shows_those_who_have_figures_for_it(self):
        scripts = plot.scripts(data_of(RESULTS))
        self.assertEqual(list(scripts), ["peers-percentiles.svg"])
        self.assertIn('title "portolan"', scripts["peers-percentiles.svg"])
        self.assertNotIn('title "Another"', scripts["peers-percentiles.svg"])

    def test_no_two_systems_look_the_same(self):
        names = [system.name for system in systems.all_systems()]
        self.assertEqual(len({plot.style(names, name) for name in names}), len(names))


class RunTest(unittest.TestCase):
    def test_a_command_that_does_not_end_has_failed_and_is_stopped(self):
        with tempfile.TemporaryDirectory() as folder:
            mark = pathlib.Path(folder) / "pid"
            with self.assertRaisesRegex(systems.Failed, "no result within 1 s"):
                systems.run(["sh", "-c", f"echo $$ >{mark}; exec sleep 60"], longest=1)
            self.assertFalse(pathlib.Path(f"/proc/{int(mark.read_text())}").exists())

    def test_a_command_that_fails_says_why(self):
        with self.assertRaisesRegex(systems.Failed, "exit code 3: sorry"):
            systems.run(["sh", "-c", "echo sorry >&2; exit 3"])

    def test_a_server_that_ends_is_not_waited_for(self):
        server = systems.start(["true"])
        try:
            with self.assertRaisesRegex(systems.Failed, "the server has ended"):
                systems.wait_for_port(systems.free_port(), server)
        finally:
            systems.stop(server)

    def test_every_work_has_its_place_on_the_page(self):
        told = {column.work for _, _, columns in table.TABLES for column in columns}
        self.assertEqual(told, {each.name for each in work.EVERYTHING})


class Moody:
    """A system that fails in every other round, from the first on."""
    name, title = "moody", "Moody"

    def __init__(self):
        self.asked = []

    def can(self, each):
        return not each.pattern.startswith("db-")

    def measure(self, each, _seconds, rate):
        self.asked.append((each.name, rate))
        if len([name for name, _ in self.asked if name == each.name]) % 2 == 1:
            raise systems.Failed("a bad day")
        return {"rate": 1000, "lost": 0}


class SessionTest(unittest.TestCase):
    def run_moody(self, rounds):
        options = types.SimpleNamespace(rounds=rounds, seconds=0.1, only=None, work=None)
        saved = []
        run, system = session.Session(options, lambda: saved.append(1)), Moody()
        run.run_rounds([system], work.FIRST, 60)
        run.run_rounds([system], work.SECOND, 60)
        return run, system, saved

    def test_shares_are_of_the_rounds_that_had_a_highest_rate(self):
        run, system, _ = self.run_moody(2)
        rates = {rate for name, rate in system.asked if name == "request/50%"}
        self.assertEqual(rates, {500})
        self.assertEqual(len([each for each in run.results if each["work"] == work.BASE and "failed" in each]), 1)

    def test_without_a_highest_rate_there_are_no_shares_of_it(self):
        _, system, _ = self.run_moody(1)
        self.assertNotIn("request/50%", [name for name, _ in system.asked])

    def test_results_are_saved_after_each_round(self):
        _, _, saved = self.run_moody(2)
        self.assertEqual(len(saved), 4)

    def test_when_the_time_is_over_nothing_is_measured(self):
        options = types.SimpleNamespace(rounds=3, seconds=0.1, only=None, work=None)
        run = session.Session(options, lambda: None)
        run.run_rounds([Moody()], work.FIRST, -1)
        self.assertEqual(run.results, [])
        self.assertEqual(run.left_out, ["-1 s were over in round 1, at one-way/16"])
        page = table.page(data_of(RESULTS) | {"left_out": run.left_out}, [])
        self.assertIn("* The rest of the rounds: -1 s were over in round 1, at one-way/16.\n", page)


class YardstickTest(unittest.TestCase):
    """The whole way: the program of bare TCP, built here, and what the runner writes of it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.build = pathlib.Path(cls.folder.name)
        (cls.build / "peers").mkdir()
        sources = [PEERS / "tcp.c", *sorted((PEERS / "common").glob("*.c"))]
        subprocess.run([os.environ.get("CC", "cc"), "-std=gnu17", "-O1", "-D_GNU_SOURCE", "-I", ROOT, *sources,
                        "-o", cls.build / "peers" / "peer_tcp", "-pthread", "-lm"], check=True, timeout=60)
        command = [PEERS / "run", cls.build, "--rounds", "1", "--seconds", "0.3", "--only", "tcp",
                   "--work", "one-way/16,request/1,request/64,mixed,connections"]
        cls.done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=100)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_everything_asked_for_is_measured_once(self):
        self.assertEqual(self.done.returncode, 0, self.done.stdout.decode())
        results = json.loads((self.build / "peers.json").read_text())["results"]
        measured = [each["work"] for each in results if not each["work"].endswith("%")]
        self.assertEqual(measured, ["one-way/16", "request/1", "request/64", "connections/1", "connections/1000",
                                    "mixed"])

    def test_every_message_arrives_in_order(self):
        for words in (["one-way"], ["one-way", "--size", "65536"], ["request", "--in-flight", "64"],
                      ["request", "--rate", "2000", "--connections", "100"],
                      ["mixed", "--rate", "100", "--bulk", "8388608"]):
            told = json.loads(systems.run([self.build / "peers" / "peer_tcp", *words, "--seconds", "0.1", "--port",
                                           systems.free_port()]))
            self.assertGreater(told["arrived"], 0, words)
            self.assertEqual((told["lost"], told["disordered"]), (0, 0), words)

    def test_the_page_is_written_where_it_replaces_nothing(self):
        page = (self.build / "peers-report" / "peers.md").read_text()
        self.assertIn("# portolan beside what one would pick instead", page)
        self.assertIn("1. **bare TCP**: the yardstick", page)

    def test_a_system_or_work_that_there_is_not_is_refused(self):
        for words in (["--only", "tpc"], ["--work", "nothing"], ["--rounds", "0"]):
            done = subprocess.run([PEERS / "run", self.build, *words], stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=20)
            self.assertEqual(done.returncode, 2, done.stdout.decode())

    def test_a_wrong_option_is_refused(self):
        done = subprocess.run([self.build / "peers" / "peer_tcp", "request", "--port", "0"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"usage: peer_tcp", done.stdout)


if __name__ == "__main__":
    unittest.main()
