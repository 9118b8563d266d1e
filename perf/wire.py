"""
perf/wire.py - the end-to-end set: a node, and portolan bench as another process, over loopback TCP;
in turns with the bare program of perf/peers, which does the same work without a broker.

Each process has a processor of its own, where there are two.
"""
import contextlib
import os
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "peers"))
import portolan
import systems
from work import MIXED_RATE, WATCH_RATE, Work

WORK = [
    *(Work(f"one-way/{size}", "one-way", size=size) for size in (16, 128, 1024, 65536)),
    Work("request/1", "request"),
    Work("request/64", "request", in_flight=64),
    Work("mixed", "mixed", rate=MIXED_RATE, stretch=3),
    Work("ring", "ring"),
    Work("churn", "churn"),
    Work("db-set", "db-set", in_flight=64),
    Work("db-watch", "db-watch", rate=WATCH_RATE),
]
# The bare program's work that stands for what it cannot do: there and back, as often as it goes.
STANDS_FOR = {"ring": "request/1", "churn": "request/1", "db-set": "request/64",
              "db-watch": "request/1"}
# Where a rate is given its figure is a time, and else also a time where one goes at a time.
TIMES = {"request/1": "p99_ns", "mixed": "p99_ns", "db-watch": "p50_ns"}


class Bare(systems.System):
    def __init__(self, pins):
        super().__init__("tcp", "bare TCP", "")
        self.extra = ("--pin",) if pins else ()


class Node(portolan.Portolan):
    """Started on the last processor of those allowed; this process, and what it runs, on the first."""

    def __init__(self, pins):
        super().__init__()
        self.pins = pins

    @contextlib.contextmanager
    def pinned(self, place):
        """What is started meanwhile runs there, of the processors allowed."""
        allowed = sorted(os.sched_getaffinity(0))
        if self.pins:
            os.sched_setaffinity(0, {allowed[place]})
        try:
            yield
        finally:
            os.sched_setaffinity(0, allowed)

    def open(self, builds, folder):
        with self.pinned(-1):
            super().open(builds, folder)

    def measure(self, work, seconds, rate):
        with self.pinned(0):
            return super().measure(work, seconds, rate)


def figures_of(system, work, result):
    """[(name, unit, number)] of a measurement."""
    found = []
    if not work.rate:
        found.append((f"{system}/{work.name}", "/s", result["rate"]))
    if work.name in TIMES and TIMES[work.name] in result:
        percentile = TIMES[work.name].removesuffix("_ns")
        found.append((f"{system}/{work.name}/{percentile}", "ns", result[TIMES[work.name]]))
    return found


def yardstick_of(name):
    """Of a figure of ours, "wire/db-watch/p50"; the bare program's requests have that time too."""
    word, _, percentile = name.removeprefix("wire/").partition("/p")
    stands = STANDS_FOR.get(word, word)
    return f"bare/{stands}/p{percentile}" if percentile else f"bare/{stands}"


class Ends:
    """Both programs, ready to be run in turns."""

    def __init__(self, build, folder, wanted, pins):
        builds = types.SimpleNamespace(peers=build / "perf", portolan=build / "portolan")
        self.bare, self.node = Bare(pins), Node(pins)
        missing = self.bare.missing(builds) + self.node.missing(builds)
        if missing:
            raise systems.Failed(f"not there: {', '.join(missing)}")
        self.work = [work for work in WORK if self.node.can(work) and wanted(f"wire/{work.name}")]
        needed = {STANDS_FOR.get(work.name, work.name) for work in self.work}
        self.bare_work = [work for work in WORK if work.name in needed]
        self.bare.open(builds, folder)
        self.node.open(builds, folder)

    def close(self):
        self.node.close()
        self.bare.close()

    def round(self, seconds, take):
        """Measure all once; `take(name, unit, number, yardstick)` is given each figure."""
        for work in WORK:
            if work in self.bare_work:
                self.measure(self.bare, "bare", work, seconds, take)
            if work in self.work:
                self.measure(self.node, "wire", work, seconds, take)

    @staticmethod
    def measure(system, label, work, seconds, take):
        try:
            result = system.measure(work, seconds * work.stretch, work.rate)
        except systems.Failed as failure:
            print(f"perf/run: {label}/{work.name}: {failure}", file=sys.stderr)
            return
        if label == "bare" and work.name == "request/1" and "p50_ns" in result:
            take("bare/request/1/p50", "ns", result["p50_ns"], None)
        for name, unit, number in figures_of(label, work, result):
            take(name, unit, number, yardstick_of(name) if label == "wire" else None)
