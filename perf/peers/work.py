"""
perf/peers/work.py - the work that every system does, and in which order.
"""
import dataclasses

SIZES = (16, 128, 1024, 65536)
SHARES = (10, 50, 80)  # per cent of a system's own highest rate
CONNECTIONS = 1000
CONNECTIONS_RATE = 2000  # of all of them together, and of the one they are told beside
MIXED_RATE = 1000
WATCH_RATE = 1000
BASE = "request/64"  # the work whose rate is a system's highest of requests


@dataclasses.dataclass(frozen=True)
class Work:
    name: str
    pattern: str
    size: int = 16
    in_flight: int = 1
    connections: int = 1
    rate: float = 0  # a second; 0: as many as go
    share: int = 0  # per cent of the median rate of BASE, instead of `rate`
    stretch: float = 1  # how much longer than others it is measured
    warm_up: float = 0.2  # seconds

    def rate_of(self, base):
        return round(base * self.share / 100, 3) if self.share else self.rate


FIRST = [
    *(Work(f"one-way/{size}", "one-way", size=size) for size in SIZES),
    Work("request/1", "request"),
    Work(BASE, "request", in_flight=64),
    *(Work(f"connections/{count}", "request", rate=CONNECTIONS_RATE, connections=count)
      for count in (1, CONNECTIONS)),
    Work("mixed", "mixed", rate=MIXED_RATE, stretch=3),
    Work("db-set", "db-set", in_flight=64),
    Work("db-watch", "db-watch", rate=WATCH_RATE),
]
# What is told in shares of the medians of the first.
SECOND = [
    *(Work(f"request/{share}%", "request", share=share) for share in SHARES),
]
EVERYTHING = FIRST + SECOND
