"""
tools/lint_graph.py - what tools/lint knows of files together: who calls whom, and circles.

Who calls whom is read from the symbols of object files, as CMake lays them out:

  BUILD/CMakeFiles/TARGET.dir/io/err.c.o    needs (U) and has (T, D, B, R ...) symbols

A symbol that one object needs and another has is a call; so is taking its address.
"""

import collections
import os
import re
import subprocess

HAS = "TDBRVWi"
NEEDS = "Uvw"


def objects_of(build):
    """{source, from the root: its object file} of all targets of a build's top folder."""
    found = {}
    top = os.path.join(build, "CMakeFiles")
    for where, _, names in sorted(os.walk(top)):
        inside = re.match(r"[^/]+\.dir/(.+)", os.path.relpath(where, top).replace(os.sep, "/"))
        for name in names:
            if inside and name.endswith(".c.o"):
                found[f"{inside.group(1)}/{name[:-2]}"] = os.path.join(where, name)
    return found


def symbols_of(objects):
    """Yields (source, kind, symbol), as nm tells them."""
    if not objects:
        return
    sources = {path: source for source, path in objects.items()}
    done = subprocess.run(
        ["nm", "-A", "-P", *sources], stdout=subprocess.PIPE, text=True, check=True
    )
    for line in done.stdout.splitlines():
        path, rest = line.split(": ", 1)
        symbol, kind = rest.split()[:2]
        yield sources[path], kind, symbol


def calls_between(objects):
    """{source: {another source: symbols that the first needs of it}}"""
    owners, needs = {}, []
    for source, kind, symbol in symbols_of(objects):
        if kind in NEEDS:
            needs.append((source, symbol))
        elif kind in HAS:
            owners[symbol] = source
    calls = {}
    for source, symbol in needs:
        owner = owners.get(symbol, source)
        if owner != source:
            calls.setdefault(source, {}).setdefault(owner, []).append(symbol)
    return calls


def reached(graph, start):
    """{node: the one before it on a shortest way from `start`} of all that can be reached."""
    before, queue = {}, collections.deque([start])
    while queue:
        node = queue.popleft()
        for after in sorted(graph.get(node, ())):
            if after not in before:
                before[after] = node
                queue.append(after)
    return before


def way_round(before, start):
    way = [start]
    while len(way) == 1 or way[-1] != start:
        way.append(before[way[-1]])
    return way[::-1]


def circles(graph):
    """For each set of nodes that all reach each other: (a shortest way round, the set)."""
    told = set()
    for start in sorted(graph):
        before = reached(graph, start)
        if start in told or start not in before:
            continue
        together = {node for node in before if start in reached(graph, node)}
        told |= together
        ways = [way_round(reached(graph, node), node) for node in sorted(together)]
        yield min(ways, key=len), together
