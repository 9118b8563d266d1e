"""
perf/peers/portolan.py - portolan among its peers: a node with the service bench, loaded by `portolan bench`.
"""
import json
import re

from systems import BULK, MEBIBYTE, Failed, ServerSystem, run

SECRET = "a secret of good length"
KEYS = 100000  # as PEER_KEYS of common/peer.h
LARGEST = 80 * MEBIBYTE  # of a message; 16 MiB by default
ON_THE_WAY = 16 * MEBIBYTE  # of one-way: as the peers that are told how far the receiver has come
PATIENCE = 20  # seconds, for 1,000 links and for the last messages
MOST_ON_THE_WAY = 8192  # messages: the default of portolan bench
NAMES = {"p50": "p50_ns", "p90": "p90_ns", "p99": "p99_ns", "p99_9": "p999_ns", "max": "max_ns"}


def serve(builds):
    def command(port, _folder):
        return [builds.portolan, "run", "--node", "far", "--bind", f"127.0.0.1:{port}", "--shards", "1",
                "--service", "bench", "--secret", SECRET, "--max-message", LARGEST]
    return command


class Portolan(ServerSystem):
    def __init__(self):
        super().__init__("portolan", "portolan", "", None, database=True)
        self.patterns = None

    def missing(self, builds):
        if not builds.portolan.exists():
            return [str(builds.portolan)]
        self.patterns = self.ask_patterns(builds)
        return [] if self.patterns else ["portolan bench"]

    @staticmethod
    def ask_patterns(builds):
        """The patterns that this portolan has."""
        told = run([builds.portolan, "bench", "--help"])
        found = re.search(r"^patterns\n((?:  .*\n)+)", told, re.M)
        return re.findall(r"^  (\S+)", found.group(1), re.M) if found else []

    def can(self, work):
        return work.pattern in self.patterns

    def open(self, builds, folder):
        self.serve = serve(builds)
        super().open(builds, folder)

    def words(self, work, seconds, rate):
        words = ["--warm-up", work.warm_up, "--duration", seconds, "--size", work.size]
        if work.connections > 1:
            words += ["--links", work.connections, "--ports", work.connections]
        if work.pattern == "mixed":
            words += ["--bulk", BULK]
        if work.pattern.startswith("db-"):
            words += ["--entries", KEYS]
        if rate:
            return words + ["--rate", rate]
        if work.pattern == "one-way":
            return words + ["--in-flight", min(MOST_ON_THE_WAY, ON_THE_WAY // work.size)]
        return words + ["--in-flight", work.in_flight]

    @staticmethod
    def ask(command):
        """What it tells; where it ended before its time the reason is in there too."""
        try:
            return json.loads(run(command))
        except Failed as failure:
            if not failure.output.startswith("{"):
                raise
            told = json.loads(failure.output)
            raise Failed(f"{failure}{told['ending']}, {told['lost']} lost, {told['reordered']} reordered") from None

    def measure(self, work, seconds, rate):
        told = self.ask([self.builds.portolan, "bench", work.pattern, "--json", "--secret", SECRET,
                         "--seed", f"127.0.0.1:{self.port}", "--max-message", LARGEST,
                         "--timeout", PATIENCE, *self.words(work, seconds, rate)])
        result = {"rate": told["rate"], "bytes_per_second": told["bytes_per_second"], "lost": told["lost"],
                  "disordered": told["reordered"]}
        if "bulk" in told:
            result["bulk_bytes_per_second"] = told["bulk"]["bytes_per_second"]
        latency = told.get("latency_ns") or {}
        if work.pattern != "one-way" and latency.get("count"):
            result |= {ours: latency[theirs] for theirs, ours in NAMES.items()}
        return result
