"""
perf/measures.py - what rounds of measurements come to: medians, shares of a yardstick, noise, and
whether a later run is slower by more than that.

A figure is one number in every round, a rate (more is better) or a time (less is better).  Its
yardstick is the same of a bare program that ran in turns with it.  A share says how much of the
yardstick is reached, whichever way better is: 0.5 is half as fast, or twice as late.
"""
import json
import statistics

ENOUGH = 3  # rounds, to know anything of the noise
MOVED = 1.5  # a yardstick whose highest is so much its lowest tells of a machine that was not quiet


def spread(numbers):
    """The highest of them over the lowest; None where that says nothing."""
    return max(numbers) / min(numbers) if numbers and min(numbers) > 0 else None


class Run:
    """All figures of one run, as stored: {name: {"rounds": [number or null, ...], "unit": "/s",
    "B/s" or "ns", "yardstick": name or nothing}}; null is a round in which it could not be
    measured."""

    def __init__(self, data):
        self.data = data
        self.figures = data["figures"]

    def rounds(self, name):
        return [number for number in self.figures[name]["rounds"] if number is not None]

    def median(self, name):
        return statistics.median(self.rounds(name))

    def less_is_better(self, name):
        return self.figures[name]["unit"] == "ns"

    def yardstick(self, name):
        """Its name, if it was measured as well."""
        yardstick = self.figures[name].get("yardstick")
        return yardstick if yardstick in self.figures else None

    def quotient(self, name, ours, theirs):
        return theirs / ours if self.less_is_better(name) else ours / theirs

    def share(self, name):
        """Of the medians; None without a yardstick."""
        yardstick = self.yardstick(name)
        if yardstick is None:
            return None
        return self.quotient(name, self.median(name), self.median(yardstick))

    def each(self, name):
        """What is compared, round by round: shares, or the numbers themselves as rates."""
        yardstick = self.yardstick(name)
        if yardstick is None:
            return [self.quotient(name, number, 1) for number in self.rounds(name)]
        both = zip(self.figures[name]["rounds"], self.figures[yardstick]["rounds"])
        shares = [self.quotient(name, ours, theirs) for ours, theirs in both
                  if ours is not None and theirs is not None]
        return shares or [self.share(name)]

    def yardstick_moved(self, name):
        """By how much, within the run; None without a yardstick."""
        yardstick = self.yardstick(name)
        return spread(self.rounds(yardstick)) if yardstick else None

    def is_marked(self, name):
        moved = self.yardstick_moved(name)
        return moved is not None and moved > MOVED

    def level(self, name):
        """What is compared of it: its share, or itself as a rate."""
        share = self.share(name)
        return self.quotient(name, self.median(name), 1) if share is None else share

    def noise(self, name):
        """How far a round went from the median, as a factor: 1 is not at all."""
        rounds = self.each(name)
        middle = statistics.median(rounds)
        return max(max(rounds) / middle, middle / min(rounds))


def read(path):
    """A stored run; ValueError with a line for the user if it is none."""
    try:
        run = Run(json.loads(path.read_text()))
        table(run)
        changes(run, run)
        return run
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise ValueError(f"{path} is not a stored run: {error!r}") from error


class Change:
    """Of one figure, from an earlier run to a later."""

    def __init__(self, name, earlier, later):
        self.name = name
        self.ratio = later.level(name) / earlier.level(name)
        self.noise = max(earlier.noise(name), later.noise(name))
        self.is_marked = earlier.is_marked(name) or later.is_marked(name)
        self.is_judged = all(len(run.each(name)) >= ENOUGH for run in (earlier, later))
        self.is_slower = self.is_judged and self.ratio * self.noise < 1
        self.is_faster = self.is_judged and self.ratio > self.noise


def is_comparable(name, earlier, later):
    """Measured in both, against the same yardstick or none, and not a yardstick itself."""
    return (name in earlier.figures and name in later.figures and
            earlier.yardstick(name) == later.yardstick(name) and
            not any(figure.get("yardstick") == name for figure in later.figures.values()))


def changes(earlier, later):
    return [Change(name, earlier, later) for name in later.figures
            if is_comparable(name, earlier, later)]


# ---- For people ------------------------------------------------------------------------------

def human(number, unit):
    scales = ((1e6, "M" + unit), (1e3, "k" + unit), (1, unit))
    if unit == "ns":
        scales = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns"))
    for scale, name in scales:
        if number >= scale:
            break
    return f"{number / scale:.{0 if scale == 1 else 2}f} {name}"


def exact(number):
    if number >= 1e6:
        return f"{number / 1e6:.1f} M"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def table(run):
    lines = [f"{'what':<30}{'median':>14}{'lowest':>14}{'highest':>14}   "
             "share of the yardstick (its highest over its lowest)"]
    for name, figure in run.figures.items():
        numbers = run.median(name), min(run.rounds(name)), max(run.rounds(name))
        line = f"{name:<30}" + "".join(f"{human(number, figure['unit']):>14}"
                                       for number in numbers)
        share = run.share(name)
        if share is not None:
            line += f"   {share:.3f} of {run.yardstick(name)} ({run.yardstick_moved(name):.2f})"
            line += f" (aim: {figure['aim']})" if "aim" in figure else ""
            line += " !" if run.is_marked(name) else ""
        extra = [f"{name} {exact(value)}" for name, value in figure.get("more", {}).items()]
        lines.append(line + ("   " + ", ".join(extra) if extra else ""))
    if any(run.is_marked(name) for name in run.figures):
        lines.append(f"! the yardstick moved by more than {MOVED} within the run: the machine was "
                     "not quiet, and the share means little")
    return "\n".join(lines)


def comparison(earlier, later):
    """(lines, whether anything got slower by more than the noise)"""
    found = changes(earlier, later)
    lines = [f"{'against ' + earlier.data['time']:<30}{'ratio':>8}{'noise':>8}"]
    for change in found:
        verdict = ("SLOWER" if change.is_slower else "faster" if change.is_faster else
                   "" if change.is_judged else "too few rounds to know the noise")
        mark = " !" if change.is_marked else ""
        lines.append(f"{change.name:<30}{change.ratio:>8.3f}{change.noise:>8.2f}   "
                     f"{verdict}{mark}".rstrip())
    slower = [change.name for change in found if change.is_slower]
    if not found:
        lines.append("nothing was measured both times")
    elif slower:
        lines.append(f"slower by more than the noise of both runs: {', '.join(slower)}")
    else:
        lines.append("nothing is slower by more than the noise of both runs")
    return "\n".join(lines), bool(slower)
