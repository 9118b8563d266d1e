"""Runs a program of perf/ as its users do, and gives what came of it."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run_perf(program, *words):
    """(exit code, standard output, standard error)"""
    build = pathlib.Path(os.environ["PORTOLAN"]).parent
    done = subprocess.run([ROOT / "perf" / program, build, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=150, check=False)
    return done.returncode, done.stdout, done.stderr
