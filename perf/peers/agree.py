"""
perf/peers/agree.py - whether the ratios of two runs agree, within the noise that both have printed.

Two ratios of medians agree when one is among the rounds of the other run, or when they are no further apart than the
yardstick moved within either run.
"""
import dataclasses

from figures import Figures
from table import TABLES


@dataclasses.dataclass(frozen=True)
class Pair:
    """The ratio of one system at one work, as two runs have it: (of the medians, lowest, highest)."""
    system: str
    work: str
    metric: str
    now: tuple
    earlier: tuple
    noise: float

    def quotient(self):
        return max(self.now[0], self.earlier[0]) / min(self.now[0], self.earlier[0])

    def agrees(self):
        return (among(self.now[0], self.earlier) or among(self.earlier[0], self.now) or
                self.quotient() <= self.noise)


def among(ratio, other):
    return other[1] <= ratio <= other[2]


def pairs(data, earlier):
    """Of every ratio that is in both runs."""
    first, second = Figures(data), Figures(earlier)
    for _, _, columns in TABLES:
        for column in columns:
            if column.ratio:
                yield from pairs_of(first, second, column)


def pairs_of(first, second, column):
    for system in first.systems():
        ratios = [figures.ratio(system, column.work, column.metric) for figures in (first, second)]
        noises = [figures.noise(column.work, column.metric) or 1.0 for figures in (first, second)]
        if all(ratio and ratio[0] > 0 for ratio in ratios):
            yield Pair(system, column.work, column.metric, *ratios, max(noises))


def told(ratio):
    return f"x{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})"


def report(data, earlier):
    """(text, how many do not agree)"""
    every = list(pairs(data, earlier))
    apart = sorted((pair for pair in every if not pair.agrees()), key=Pair.quotient, reverse=True)
    lines = [f"{pair.system:10} {pair.work:17} {pair.metric:7} now {told(pair.now)}, earlier {told(pair.earlier)}, "
             f"noise {pair.noise:.2f}" for pair in apart]
    lines.append(f"{len(every) - len(apart)} of {len(every)} ratios agree within the noise of both runs")
    return "\n".join(lines) + "\n", len(apart)
