"""
perf/peers/session.py - one run: the systems take turns, work by work, in every round.
"""
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import systems
import work

LONGEST = 960  # seconds for everything: what is not measured by then is left out, and told
FIRST_SHARE = 0.75  # of them, for the work that needs no other's figures


def say(text):
    print(f"peers: {text}", file=sys.stderr, flush=True)


class Session:
    """All rounds; `results` is a list of what every measurement said."""

    def __init__(self, options, after_round):
        """`after_round` is called when a round is done, so that what is measured is not lost."""
        self.options = options
        self.results = []
        self.left_out = []  # what was not measured for want of time
        self.after_round = after_round

    def chosen_systems(self, builds):
        for system in systems.all_systems():
            if self.options.only and system.name not in self.options.only:
                continue
            missing = system.missing(builds)
            if missing:
                say(f"{system.title} is left out, for want of {', '.join(missing)}")
                continue
            yield system

    def chosen_work(self, list_of_work):
        words = self.options.work
        return [each for each in list_of_work
                if not words or any(each.name.startswith(word) for word in words)]

    def base_of(self, system):
        """The median rate of the rounds so far that had one; 0: none had."""
        rates = [result["rate"] for result in self.results
                 if result["system"] == system.name and result["work"] == work.BASE and "rate" in result]
        return statistics.median(rates) if rates else 0

    def measure(self, system, each, number):
        rate = each.rate_of(self.base_of(system))
        if each.share and rate <= 0:
            return
        try:
            result = system.measure(each, self.options.seconds * each.stretch, rate)
            if result["rate"] <= 0 and "p50_ns" not in result:
                raise systems.Failed("nothing came")
        except (systems.Failed, ValueError) as failure:  # or no JSON
            say(f"{system.title}, {each.name}: {failure}")
            result = {"failed": str(failure)}
        self.results.append(result | {"system": system.name, "work": each.name, "round": number,
                                      "offered": rate})

    def leave_out(self, text):
        say(text)
        self.left_out.append(text)

    def run_rounds(self, chosen, list_of_work, seconds):
        until = time.monotonic() + seconds
        for number in range(self.options.rounds):
            for each in self.chosen_work(list_of_work):
                for system in chosen:
                    if time.monotonic() > until:
                        self.leave_out(f"{seconds:.0f} s were over in round {number + 1}, at {each.name}")
                        return
                    if system.can(each):
                        self.measure(system, each, number)
            self.after_round()
            say(f"round {number + 1} of {self.options.rounds} done")

    def open_all(self, builds, folder, opened):
        for system in self.chosen_systems(builds):
            try:
                system.open(builds, folder)
                opened.append(system)
            except systems.Failed as failure:
                system.close()
                say(f"{system.title} is left out: {failure}")

    def run(self, builds):
        opened = []
        folder = pathlib.Path(tempfile.mkdtemp(prefix="peers-"))
        try:
            self.open_all(builds, folder, opened)
            started = time.monotonic()
            self.run_rounds(opened, work.FIRST, LONGEST * FIRST_SHARE)
            self.run_rounds(opened, work.SECOND, LONGEST - (time.monotonic() - started))
        finally:
            for system in opened:
                system.close()
            shutil.rmtree(folder, ignore_errors=True)
