"""
perf/growth_plot.py - a plot for each axis, as SVG: its two metrics side by side, and the bare
program's curve where that does the same work.  How plots look is perf/peers/plot.py's.
"""
import shutil
import subprocess
import sys
import types

import plot

TITLES = {"portolan": "portolan", "tcp": "bare TCP"}


def seconds(number, metric):
    return number / 1e9 if metric.unit == "ns" else number


def curve(run, names):
    """[(value, number)] of those that were measured; 0 stands at 1, for the logarithm's sake."""
    return [(max(value, 1), run.median(name)) for value, name in names if name in run.figures]


def panel(run, axis, metric):
    names = [(value, metric.name_at(axis.name, value)) for value in axis.values]
    curves = {"portolan": [(x, seconds(y, metric)) for x, y in curve(run, names)]}
    if metric.has_bare:
        curves["tcp"] = curve(run, [(value, f"bare/{name}") for value, name in names])
    figures = types.SimpleNamespace(data={"titles": TITLES})
    drawn = plot.panel(figures, curves, "1:2", metric.name or "rate")
    if not metric.has_bare:  # the legend, which stands beside this panel, is both panels'
        drawn = drawn.rstrip("\n") + (f', NaN with linespoints {plot.style(list(TITLES), "tcp")} '
                                      f'title "{TITLES["tcp"]}"\n')
    unit = "s" if metric.unit == "ns" else metric.unit.removesuffix("/s")
    title = ": ".join(filter(None, (axis.title, metric.title)))
    return (f'set title "{title}"\nset format y "%.0s %c{unit}"\n' + drawn)


def tics(axis):
    """As people write numbers; where they are many every second one."""
    def text(value):
        for unit, name in ((1 << 20, " Mi"), (1 << 10, " Ki")):
            if axis.by_size and value >= unit:
                return f"{value // unit}{name}"
        return f"{value:,}"

    values = axis.values[::2] if len(axis.values) > 5 and not axis.by_size else axis.values
    return ", ".join(f'"{text(value)}" {max(value, 1)}' for value in values)


def script(run, axis):
    left, right = axis.metrics()
    x = (f'set logscale x\nset xrange [*:*] noextend\nset offsets graph 0.03, graph 0.03, 0, 0\n'
         f'set xlabel "{axis.label}"\nset xtics ({tics(axis)})\n')
    if axis.by_size:
        x += "set xtics rotate by -30\n"
    return plot.panels(plot.HEAD.format(width=1300, height=480) + x, panel(run, axis, left),
                       panel(run, axis, right))


def draw_all(run, axes, folder):
    """Draw into the folder what was measured; return the files."""
    if shutil.which("gnuplot") is None:
        print("perf/grow: gnuplot is not installed: nothing is drawn", file=sys.stderr)
        return []
    drawn = []
    for axis in axes:
        if any(name.startswith(f"{axis.name}/") for name in run.figures):
            done = subprocess.run(["gnuplot"], input=script(run, axis).encode(), check=True,
                                  stdout=subprocess.PIPE, timeout=60)
            path = folder / f"{axis.name}.svg"
            path.write_bytes(done.stdout)
            drawn.append(path)
    return drawn
