"""
perf/peers/plot.py - the plots of the figures, as SVG, by gnuplot.
"""
import shutil
import subprocess
import sys

from figures import OURS, Figures
from work import SHARES, SIZES

# Colours that stay apart for eyes that see fewer of them (Okabe and Ito), and a mark for each.
COLOURS = ["#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8b4513"]
MARKS = [2, 7, 5, 9, 11, 13, 4, 6, 8]
PERCENTILES = [("p50_ns", "50"), ("p90_ns", "90"), ("p99_ns", "99"), ("p999_ns", "99.9"), ("max_ns", "100")]

HEAD = """set terminal svg size {width},{height} font "sans-serif,13" background "white" dynamic
set encoding utf8
set grid xtics ytics lc rgb "#dddddd"
set border lc rgb "#555555"
set logscale y
set tmargin 3
set bmargin 4
"""


def style(names, name):
    number = names.index(name)
    width = 3.5 if name == OURS else 1.6
    return f'lc rgb "{COLOURS[number % len(COLOURS)]}" pt {MARKS[number % len(MARKS)]} ps 0.7 lw {width}'


def block(name, points):
    rows = "\n".join(" ".join(f'"{value}"' if isinstance(value, str) else f"{value:.6g}" for value in point)
                     for point in points)
    return f"${name} << EOD\n{rows}\nEOD\n"


def panel(figures, curves, columns, label):
    """The plot command of {system: points}, and its data before it."""
    names, data, parts = list(figures.data["titles"]), [], []
    shown = {system: points for system, points in curves.items() if points}
    for number, (system, points) in enumerate(shown.items()):
        data.append(block(f"{label}{number}", points))
        title = figures.data["titles"][system]
        parts.append(f'${label}{number} using {columns} with linespoints {style(names, system)} '
                     f'title "{title}"')
    return "".join(data) + ("plot " + ", \\\n     ".join(parts) + "\n" if parts else "")


def panels(script, left, right):
    """Two panels side by side: the legend belongs to both and stands at the right."""
    return (script + "set multiplot\nunset key\n" + "set lmargin at screen 0.07\nset rmargin at screen 0.42\n" +
            left + "set key at screen 0.86,0.5 left center reverse Left samplen 2 spacing 1.2\n"
            "set lmargin at screen 0.49\nset rmargin at screen 0.84\n" + right + "unset multiplot\n")


def throughput(figures):
    curves = {}
    for system in figures.systems():
        points = [(size, figures.median(system, f"one-way/{size}", "rate")) for size in SIZES]
        curves[system] = [point for point in points if point[1]]
    in_bytes = {system: [(size, rate * size / 1e6) for size, rate in points] for system, points in curves.items()}
    x = ('set logscale x 2\nset xrange [10:105000]\nset xlabel "bytes of a message"\n'
         'set xtics ("16" 16, "128" 128, "1 Ki" 1024, "64 Ki" 65536)\n')
    left = (x + 'set title "one way: messages a second"\nset format y "%.0s %c"\n' + panel(figures, curves, "1:2", "m"))
    right = (x + 'set title "one way: megabytes a second"\nset format y "%g"\n' +
             panel(figures, in_bytes, "1:2", "b"))
    return panels(HEAD.format(width=1250, height=480), left, right)


def microseconds(figures, system, work, metric):
    median = figures.median(system, work, metric)
    return median / 1e3 if median else None


def percentile_curves(figures, work):
    curves = {}
    for system in figures.systems():
        points = [(number, microseconds(figures, system, work, metric))
                  for number, (metric, _) in enumerate(PERCENTILES)]
        if all(value for _, value in points):
            curves[system] = points
    return curves


TIMES = ("1 µs", 1e-6), ("10 µs", 1e-5), ("100 µs", 1e-4), ("1 ms", 1e-3), ("10 ms", 1e-2), ("0.1 s", 0.1), ("1 s", 1)
TIME_AXIS = "set ytics ({})\n".format(", ".join(f'"{name}" {at}' for name, at in (*TIMES, ("10 s", 10))))


def seconds_of(curves):
    return {system: [(x, y / 1e6) for x, y in points] for system, points in curves.items()}


def percentiles(figures):
    tics = ", ".join(f'"{name if name != "100" else "longest"}" {number}'
                     for number, (_, name) in enumerate(PERCENTILES))
    x = f'set xrange [-0.3:4.3]\nset xtics ({tics})\nset xlabel "percentile of the requests"\n' + TIME_AXIS
    left = (x + 'set title "request and reply, one at a time"\n' +
            panel(figures, seconds_of(percentile_curves(figures, "request/1")), "1:2", "o"))
    right = (x + 'set title "at 50 % of each one\'s own highest rate"\n' +
             panel(figures, seconds_of(percentile_curves(figures, "request/50%")), "1:2", "h"))
    return panels(HEAD.format(width=1250, height=480), left, right)


def rate_curves(figures, metric):
    curves = {}
    for system in figures.systems():
        points = [(figures.median(system, f"request/{share}%", "offered"),
                   microseconds(figures, system, f"request/{share}%", metric)) for share in SHARES]
        points = [point for point in points if point[0] and point[1]]
        if points:
            curves[system] = points
    return curves


def by_rate(figures):
    x = ('set logscale x\nset xrange [*:*]\nset format x "%.0s %c"\n'
         f'set xlabel "offered requests a second: {", ".join(map(str, SHARES))} % of each one\'s highest"\n' + TIME_AXIS)
    left = x + 'set title "half of the requests took at most"\n' + panel(
        figures, seconds_of(rate_curves(figures, "p50_ns")), "1:2", "r")
    right = x + 'set title "99 of 100 requests took at most"\n' + panel(
        figures, seconds_of(rate_curves(figures, "p99_ns")), "1:2", "q")
    return panels(HEAD.format(width=1250, height=480), left, right)


PLOTS = {"peers-throughput.svg": throughput, "peers-percentiles.svg": percentiles, "peers-rate.svg": by_rate}


def scripts(data):
    """{file name: gnuplot script}, of the plots that have anything to show"""
    figures = Figures(data)
    made = {name: script(figures) for name, script in PLOTS.items()}
    return {name: script for name, script in made.items() if "plot $" in script}


def draw_all(data, folder):
    """Draw into the folder, and return the names of the files."""
    if shutil.which("gnuplot") is None:
        print("peers: gnuplot is not installed: nothing is drawn", file=sys.stderr)
        return []
    drawn = []
    for name, script in scripts(data).items():
        done = subprocess.run(["gnuplot"], input=script.encode(), stdout=subprocess.PIPE, check=True, timeout=60)
        (folder / name).write_bytes(done.stdout)
        drawn.append(name)
    return drawn
