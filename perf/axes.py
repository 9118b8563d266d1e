"""
perf/axes.py - what can grow, and what is measured at each value of it.
"""
import dataclasses
import typing

MEBIBYTE = 1 << 20
ON_THE_WAY = 16 * MEBIBYTE  # bytes under way, of large messages


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number of what portolan bench tells."""
    name: str  # "" is the axis's main one
    unit: str  # "/s", "ns", "B/s"
    title: str
    number: typing.Callable

    @property
    def has_bare(self):
        """Whether the bare program has it too."""
        return self.unit != "ns"

    def name_at(self, axis, value):
        return f"{axis}/{value}" + (f"/{self.name}" if self.name else "")


@dataclasses.dataclass(frozen=True)
class Measurement:
    words: typing.Callable  # of a value: the command line
    metrics: tuple


@dataclasses.dataclass(frozen=True)
class Axis:
    name: str
    label: str  # of the x axis
    title: str
    values: tuple
    quick: tuple
    measurements: tuple
    bare: tuple = ("request", "--in-flight", 64)
    by_size: bool = False  # the bare program sends messages of that size

    def shards(self, value):
        return value if self.name == "shards" else 1

    def stretch(self, value):
        """How much longer than others it is measured."""
        return 4 if self.by_size and value >= MEBIBYTE else 1

    def bare_words(self, value):
        if self.by_size:
            return ["one-way", "--size", max(value, 16)]
        return list(self.bare)

    def metrics(self):
        return [metric for each in self.measurements for metric in each.metrics]


def rate(title):
    return Metric("", "/s", title, lambda told: told["rate"])


def percentile(name, title):
    return Metric(name, "ns", title, lambda told: told["latency_ns"][name])


def cpu_there(title):
    return Metric("cpu", "ns", title, lambda told: told["cpu_ns_there"])


def size_words(size):
    under_way = min(8192, max(1, ON_THE_WAY // max(size, 1)))
    return ["one-way", "--size", size, "--in-flight", under_way]


ALL = (
    Axis("shards", "shards of the node, and of the load", "one way, 64 ports", (1, 2, 4), (1, 2), (
        Measurement(lambda n: ["one-way", "--ports", 64, "--shards", n],
                    (rate("messages a second"), cpu_there("processor time a message, there"))),),
         ("one-way",)),
    Axis("links", "links", "1,000 requests in flight, over so many links", (1, 10, 100, 1000),
         (1, 10), (
        Measurement(lambda n: ["request", "--links", n, "--ports", 1000, "--in-flight", 1000],
                    (rate("requests a second"), percentile("p99", "99 of 100 took at most"))),)),
    Axis("ports", "ports at each end", "requests, 1,000 in flight",
         (1, 10, 100, 1000, 10000, 100000, 1000000), (1, 1000), (
        Measurement(lambda n: ["request", "--ports", n, "--in-flight", 1000],
                    (rate("requests a second"),
                     cpu_there("processor time a request, there"))),)),
    Axis("entries", "entries of the database", "",
         (1, 10, 100, 1000, 10000, 100000, 1000000), (1, 1000), (
        Measurement(lambda n: ["db-set", "--entries", n, "--in-flight", 64],
                    (rate("up to 64 sets in flight: confirmed sets a second"),)),
        Measurement(lambda n: ["join", "--entries", n],
                    (percentile("p50", "a node joins: until all are there"),)))),
    Axis("watchers", "watchers of one family", "64 sets in flight, each told to all of them",
         (1, 10, 100, 1000), (1, 10), (
        Measurement(lambda n: ["db-watch", "--watchers", n, "--entries", 1000, "--in-flight", 64],
                    (rate("sets a second"), cpu_there("processor time a set, there"))),)),
    Axis("size", "bytes of a message", "one way",
         (0, 16, 256, 4096, 65536, MEBIBYTE, 16 * MEBIBYTE, 64 * MEBIBYTE), (16, 4096), (
        Measurement(size_words, (rate("messages a second"),
                                 Metric("bytes", "B/s", "bytes a second",
                                        lambda told: told["bytes_per_second"]))),),
         by_size=True),
)
AXES = {axis.name: axis for axis in ALL}
