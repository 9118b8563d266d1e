"""
perf/peers/figures.py - medians, spreads and ratios of what the rounds gave.

A figure is one number of one system at one work in every round: a rate, or a time.  A ratio says how much better
portolan is, whichever way better is: above 1, portolan is faster or answers sooner.
"""
import statistics

YARDSTICK = "tcp"
OURS = "portolan"
STAND_INS = {"db-set": "request/64", "db-watch": "connections/1"}  # where the yardstick has no such work
MOVED = 1.5  # a yardstick whose highest is so much its lowest tells of a machine that was not quiet


def higher_is_better(metric):
    return metric in ("rate", "bytes_per_second", "bulk_bytes_per_second")


class Figures:
    def __init__(self, data):
        self.data = data
        self.found = {}
        for result in data["results"]:
            if "failed" not in result:
                key = result["system"], result["work"]
                self.found.setdefault(key, {})[result["round"]] = result

    def systems(self):
        """In the order of the titles, those that have any figure."""
        having = {system for system, _ in self.found}
        return [name for name in self.data["titles"] if name in having]

    def rounds(self, system, work, metric):
        """{round: number}"""
        results = self.found.get((system, work), {})
        return {number: result[metric] for number, result in results.items() if metric in result}

    def median(self, system, work, metric):
        numbers = self.rounds(system, work, metric).values()
        return statistics.median(numbers) if numbers else None

    def spread(self, system, work, metric):
        """(lowest, highest), or None"""
        numbers = self.rounds(system, work, metric).values()
        return (min(numbers), max(numbers)) if numbers else None

    def lost(self, system, work):
        return sum(self.rounds(system, work, "lost").values())

    def ratio(self, system, work, metric):
        """(of the medians, lowest of the rounds, highest of the rounds), or None"""
        ours, theirs = self.rounds(OURS, work, metric), self.rounds(system, work, metric)
        both = [number for number in ours if number in theirs]
        if not both or system == OURS:
            return None

        def better(our, their):
            first, second = (our, their) if higher_is_better(metric) else (their, our)
            return first / second if second else float("inf")

        each = [better(ours[number], theirs[number]) for number in both]
        medians = better(statistics.median(ours.values()), statistics.median(theirs.values()))
        return medians, min(each), max(each)

    def noise(self, work, metric):
        """How far the yardstick moved within the run: its highest over its lowest; None: not run."""
        spread = self.spread(YARDSTICK, STAND_INS.get(work, work), metric)
        return spread[1] / spread[0] if spread and spread[0] > 0 else None

    def failures(self):
        """[(system, work, text, how often)]"""
        counts = {}
        for result in self.data["results"]:
            if "failed" in result:
                key = result["system"], result["work"], result["failed"]
                counts[key] = counts.get(key, 0) + 1
        return [(*key, count) for key, count in counts.items()]
