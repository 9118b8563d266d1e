"""An /api that says what a test wants: for what a real node cannot be brought to say at a wish.

  stage = Stage(page)              # the bytes of the page, as a node has sent them
  stage.cluster(3, 50)             # global nodes, and ordinary ones
  stage.node["draining"] = True    # from the next event on

Its events come ten times a second, so that tests need not wait; their times go on as if it were one.
"""

import http.server
import json
import threading
import time
import urllib.parse

COUNTERS = ("taken taken_bytes dropped received sent lost refused link_bytes_in link_bytes_out links_up links_lost "
            "links_unreachable slow turns wakeups").split()
GAUGES = ("ports queued queued_bytes full kept_bytes inbox_bytes ring_bytes monitors timers links link_bytes strangers "
          "seeds seeds_linked families entries watches registrations asleep").split()
REASONS = "secret certificate tls greeting timeout crowded identity duplicate closed network other".split()
NAMES = ("taken received sent link_bytes_in link_bytes_out dropped lost refused slow links_lost queued_bytes link_bytes "
         "full identity secret certificate tls crowded").split()


class Stage:
    def __init__(self, page):
        self.page = page
        self.lock = threading.Lock()
        self.begun = time.time()
        self.offset = 0.0  # of its clock
        self.silent = False
        self.survey = True
        self.turns = True
        self.streams = 0
        self.burst = 1  # events at a time
        self.events = 0  # that were made
        self.node = {"node": "hub-a", "version": "0", "global": True, "ready": True, "draining": False,
                     "shard_count": 2, "addresses": ["10.0.0.1:4040"], "log": 0}
        self.counts = dict.fromkeys(COUNTERS + GAUGES, 0)
        self.failed = dict.fromkeys(REASONS, 0)
        self.links, self.ports, self.families, self.members, self.lines = [], [], [], [], []
        self.cluster(1, 0)
        stage = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    stage.answer(self)
                except OSError:
                    pass  # the browser has gone

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def close(self):
        self.silent = True
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def cluster(self, globals_, ordinary):
        """All linked as they are: the global ones to each other, each of the others to one of them."""
        hubs = [f"hub-{chr(ord('a') + i)}" for i in range(globals_)]
        homes = {f"edge-prod-{i:02}.example.net": hubs[i % globals_] for i in range(ordinary)}
        links = {hub: [other for other in hubs if other != hub] + [leaf for leaf, home in homes.items() if home == hub]
                 for hub in hubs}
        with self.lock:
            self.links = [self.link(name, name in hubs) for name in links["hub-a"]]
            self.members = [
                {"node": name, "self": name == "hub-a", "global": name in hubs, "linked": name in links["hub-a"],
                 "client": False, "addresses": ["10.0.0.1:4040"], "links": links.get(name)}
                for name in hubs + list(homes)]

    @staticmethod
    def link(name, is_global=True, **more):
        return {"node": name, "address": "10.0.0.2:4040", "framing": "portolan", "up": True, "encrypted": False,
                "dialled": False, "global": is_global, "full": False, "up_ms": 1000, "messages_in": 0,
                "messages_out": 0, "bytes_in": 0, "bytes_out": 0, "queued_bytes": 0, **more}

    @staticmethod
    def port(name, **more):
        return {"port": name, "shard": 0, "messages": 1, "queued_bytes": 0, "full": False, "waits": False,
                "handled_mean_ns": 500, "handled_max_ns": 900, **more}

    # ---- What it says --------------------------------------------------------------------------

    def now(self):
        return time.time() + self.offset

    def shown(self, name, items):
        items = items if self.survey else []
        return {"node": self.node["node"], "complete": self.survey, "all": len(items), name: items}

    def event(self):
        self.counts["links"] = len(self.links)
        self.events += 1
        turns = int(self.now() * 10) if self.turns else 1
        shards = [{**self.counts, "turns": turns, "asleep": 0} for _ in range(2)]
        ports = self.shown("ports", self.ports)
        ports["slowest"] = sorted(self.ports, key=lambda port: -port["handled_mean_ns"])
        return {"node": {**self.node, "up_seconds": self.now() - self.begun + 9, "time": self.now(),
                         "counts": self.counts, "handshakes_failed": self.failed, "shards": shards},
                "links": self.shown("links", self.links), "ports": ports,
                "database": self.shown("families", self.families)}

    def history(self):
        values = [{**self.counts, **self.failed}[name] for name in NAMES]
        return {"node": self.node["node"], "every_ms": 1000, "names": NAMES,
                "rows": [[self.now() - back, *values] for back in range(60, 0, -1)]}

    def say(self, path):
        return {"/api/cluster": lambda: {"node": self.node["node"], "complete": True, "nodes": self.members},
                "/api/history": self.history,
                "/api/log": lambda: {"node": self.node["node"], "count": self.node["log"], "links": [],
                                     "lines": self.lines},
                }[path]()

    def answer(self, request):
        path = urllib.parse.urlparse(request.path).path
        kinds = {"/": "text/html; charset=utf-8", "/api/events": "text/event-stream"}
        request.send_response(200)
        request.send_header("Content-Type", kinds.get(path, "application/json"))
        request.end_headers()
        if path == "/":
            request.wfile.write(self.page)
        elif path == "/api/events":
            self.streams += 1
            self.stream(request.wfile)
        else:
            with self.lock:
                said = json.dumps(self.say(path))
            request.wfile.write(said.encode())

    def stream(self, file):
        begun = time.monotonic()
        while time.monotonic() - begun < 300:
            with self.lock:
                texts = [json.dumps(self.event()) for _ in range(self.burst)]
                self.burst = 1
            if not self.silent:
                file.write("".join(f"event: all\ndata: {text}\n\n" for text in texts).encode())
                file.flush()
            time.sleep(0.1)
