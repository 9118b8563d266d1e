"""
perf/pair.py - a node and a load on it, as two processes: what a user would run.
"""
import contextlib
import json
import os
import re
import signal
import subprocess
import sys

PATIENCE = 60  # seconds, for whatever is to happen
SECRET = "a secret of good length"


def run(*command, env=None, timeout=PATIENCE * 5):
    """What it prints; where it fails, its last word ends all."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout, check=False,
                          env={**os.environ, **(env or {})})
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def process_and_address(portolan, *options):
    """A node that serves a load, with one shard.  Yields its process ID and its address."""
    process = subprocess.Popen(
        [portolan, "run", "--node", "rain", "--bind", "127.0.0.1:0", "--shards", "1", "--secret",
         SECRET, "--service", "bench", "--log", "error", *options],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        yield process.pid, re.search(r"addresses=(\S+)", process.stdout.readline()).group(1)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


@contextlib.contextmanager
def node(portolan, *options):
    """The same.  Yields its address."""
    with process_and_address(portolan, *options) as (_process, address):
        yield address


def load(portolan, address, pattern, seconds, *options):
    """What `portolan bench PATTERN --json` tells, as an object."""
    return json.loads(run(portolan, "bench", pattern, "--json", "--seed", address, "--secret",
                          SECRET, "--duration", str(seconds), *options))
