"""
perf/peers/table.py - the page that tells the figures: docs/performance/peers.md
"""
import dataclasses

from figures import MOVED, OURS, Figures, higher_is_better

COMMAND = "tools/dev bench peers"


@dataclasses.dataclass(frozen=True)
class Column:
    title: str
    work: str
    metric: str
    ratio: bool = False


def times(work, ratio, *metrics):
    names = {"p50_ns": "p50", "p90_ns": "p90", "p99_ns": "p99", "p999_ns": "p99.9", "max_ns": "longest"}
    return [Column(names[metric], work, metric, ratio and metric == "p99_ns") for metric in metrics]


TABLES = [
    ("One way: messages a second",
     "One connection, one sender, one receiver, as much as goes.",
     [Column(title, f"one-way/{size}", "rate", True)
      for title, size in (("16 B", 16), ("128 B", 128), ("1 KiB", 1024), ("64 KiB", 65536))]),
    ("Request and reply, one at a time", "16 bytes there and back; the next when the last has come.",
     [Column("a second", "request/1", "rate", True),
      *times("request/1", True, "p50_ns", "p99_ns", "p999_ns", "max_ns")]),
    ("Request and reply, 64 in flight", "The rate here is each one's \"highest rate\" below.",
     [Column("a second", "request/64", "rate", True),
      *times("request/64", True, "p50_ns", "p99_ns", "p999_ns", "max_ns")]),
    *((f"Request and reply at {share} % of each one's own highest rate",
       "Requests are due at even times whatever the answers do, and a time counts from when the request was due.",
       [Column("offered a second", f"request/{share}%", "offered"),
        Column("answered a second", f"request/{share}%", "rate"),
        *times(f"request/{share}%", False, "p50_ns", "p99_ns", "p999_ns", "max_ns")])
      for share in (10, 50, 80)),
    ("1,000 connections at the same total rate",
     "2,000 requests a second over 1,000 connections in turns, beside as many over one. Redis has 500 pairs, one to "
     "publish and one to be told on. Erlang has one connection between two nodes, and so has our peer in Perl.",
     [*times("connections/1000", True, "p50_ns", "p99_ns", "max_ns"),
      *(dataclasses.replace(column, title=f"{column.title} over one")
        for column in times("connections/1", True, "p50_ns", "p99_ns", "max_ns"))]),
    ("A small request while large messages go the same way",
     "1,000 requests of 16 bytes a second, while one message of 64 MiB after the other goes over the "
     "same connection: what stands before the small one shows in its time.",
     [*times("mixed", True, "p50_ns", "p99_ns", "max_ns"),
      Column("large, bytes a second", "mixed", "bulk_bytes_per_second")]),
    ("Database: sets a second", "16 bytes under one of 100,000 keys, 64 sets in flight until they are confirmed.",
     [Column("a second", "db-set", "rate", True), *times("db-set", False, "p50_ns", "p99_ns", "max_ns")]),
    ("Database: from a set to its watcher", "1,000 sets a second, until a watcher in the other process is told. portolan's time has the way back in it: "
     "its load generator counts until the watcher's word has come.",
     times("db-watch", True, "p50_ns", "p99_ns", "p999_ns", "max_ns")),
]


def scaled(number, steps):
    for size, unit in steps:
        if number >= size:
            value = number / size
            return f"{value:.0f}{unit}" if value >= 99.5 else f"{value:.3g}{unit}"
    return f"{number:.0f}"


def human(number, metric):
    if metric.endswith("_ns"):
        return scaled(number, ((1e9, " s"), (1e6, " ms"), (1e3, " µs"), (1, " ns")))
    unit = "B" if "bytes" in metric else ""
    return scaled(number, ((1e9, f" G{unit}"), (1e6, f" M{unit}"), (1e3, f" k{unit}"), (1, unit and " B")))


def short(factor):
    return f"{factor:.2f}" if factor < 10 else f"{factor:.0f}"


def cell(figures, system, column):
    median = figures.median(system, column.work, column.metric)
    if median is None:
        return "-"
    text = human(median, column.metric)
    if column.metric == "offered":
        return text
    low, high = figures.spread(system, column.work, column.metric)
    if low < high:
        text += f" ({human(low, column.metric)} to {human(high, column.metric)})"
    ratio = figures.ratio(system, column.work, column.metric) if column.ratio else None
    if ratio:
        text += f" **×{short(ratio[0])}**"
    if ratio and low < high:
        text += f" ({short(ratio[1])} to {short(ratio[2])})"
    lost = figures.lost(system, column.work)
    if lost and column.metric == "rate":
        text += f", lost {lost}"
    return text


def noise_cell(figures, column):
    noise = figures.noise(column.work, column.metric) if column.metric != "offered" else None
    if noise is None:
        return "-"
    return f"{short(noise)}{' **(moved)**' if noise > MOVED else ''}"


def line(cells):
    return "| " + " | ".join(cells) + " |\n"


def noted(figures):
    """The systems that have a note, in order: its number is its place."""
    return [system for system in figures.systems() if figures.data["notes"][system]]


def title_of(figures, system):
    title = figures.data["titles"][system]
    title = f"**{title}**" if system == OURS else title
    with_note = noted(figures)
    return f"{title} <sup>{with_note.index(system) + 1}</sup>" if system in with_note else title


def table(figures, title, text, columns):
    measured = [system for system in figures.systems()
                if any(figures.rounds(system, column.work, column.metric) for column in columns)]
    if not measured:
        return ""
    lines = [f"## {title}\n\n{text}\n\n", line(["system", *(column.title for column in columns)]),
             "|---" * (len(columns) + 1) + "|\n"]
    for system in measured:
        lines.append(line([title_of(figures, system), *(cell(figures, system, column) for column in columns)]))
    lines.append(line(["*the yardstick's highest over its lowest*",
                       *(noise_cell(figures, column) for column in columns)]))
    return "".join(lines) + "\n"


def head(data):
    machine = data["machine"]
    return (f"# portolan beside what one would pick instead\n\n"
            f"Written by `{COMMAND}`; do not edit. {data['rounds']} rounds of {data['seconds']:g} s a measurement, "
            f"systems in turns, {data['took'] / 60:.0f} minutes in all, on {data['time'][:10]}: "
            f"{machine['processors']} processors ({machine['processor']}), Linux {machine['kernel']}, load "
            f"{machine['load']:.1f} at the start. Versions and settings: perf/peers/README.md.\n\n"
            "A cell is the median of the rounds and (the lowest to the highest). **×** says how much better portolan "
            "is, of medians and (lowest to highest of the rounds): above 1 it is faster, or answers sooner; below 1 "
            "it is worse. Bare TCP is the yardstick: how far it moved itself within the run is below each table (it has no "
            "database: there it is its requests that are told, 64 in flight, or 2,000 a second), and where that is more "
            f"than {MOVED}, the column tells more of the machine than of the systems.\n\n")


PLOTS = {
    "peers-throughput.svg": "messages a second by size",
    "peers-percentiles.svg": "time of a request by percentile",
    "peers-rate.svg": "time of a request by offered rate",
}


def plots(drawn):
    """The plots of these files."""
    lines = [f"![{text}]({name})\n\n" for name, text in PLOTS.items() if name in drawn]
    return "".join(["## Plots\n\n", *lines]) if lines else ""


def notes(figures):
    lines = ["## What each promises\n\n"]
    for number, system in enumerate(noted(figures), 1):
        lines.append(f"{number}. **{figures.data['titles'][system]}**: {figures.data['notes'][system]}.\n")
    return "".join(lines)


def failures(figures):
    found, left_out = figures.failures(), figures.data.get("left_out", [])
    if not found and not left_out:
        return ""
    lines = ["\n## What is missing\n\n", *(f"* The rest of the rounds: {text}.\n" for text in left_out)]
    for system, work, text, count in found:
        lines.append(f"* {figures.data['titles'][system]}, {work}, {count} of {figures.data['rounds']}: {text}\n")
    return "".join(lines)


def page(data, drawn):
    """The whole page; `drawn` has the names of the plots that there are."""
    figures = Figures(data)
    return (head(data) + "".join(table(figures, *each) for each in TABLES) + plots(drawn) + notes(figures) +
            failures(figures))
