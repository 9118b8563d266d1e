#!/usr/bin/env python3
"""`portolan run --http`: metrics, health and /api, and those who mean no good there."""

import base64
import hashlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import time
import unittest
import urllib.parse

import tool
from tool import LIMIT, SECRET, ToolTest

TOKEN = "a token that nobody guesses"
MANY = 1000
STREAMS = 16

# ---- Prometheus' text format, as strictly as it is written down -----------------------------------

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
NUMBER = r"[-+]?(?:Inf|NaN|[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?)"
SAMPLE = re.compile(rf"^({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)\}})? ({NUMBER})$")
HEAD = re.compile(rf"^# (HELP|TYPE) ({NAME}) (.+)$")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


def parse_metrics(test, text):
    """Samples by name and labels; every family is one block: HELP, TYPE, samples."""
    samples, seen, family, kind = {}, set(), None, None
    test.assertTrue(text.endswith("\n"))
    for line in text[:-1].split("\n"):
        head = HEAD.match(line)
        if head and head[1] == "HELP":
            family, kind = head[2], None
            test.assertNotIn(family, seen)
            seen.add(family)
            continue
        if head:
            test.assertEqual(head[2], family)
            test.assertIn(head[3], ("counter", "gauge", "histogram"))
            kind = head[3]
            test.assertEqual(kind == "counter", family.endswith("_total"), family)
            continue
        sample = SAMPLE.match(line)
        test.assertIsNotNone(sample, line)
        test.assertIsNotNone(kind, line)
        test.assertIn(sample[1], [family + suffix for suffix in SUFFIXES.get(kind, ("",))])
        test.assertTrue(sample[1].startswith("portolan_"))
        key = (sample[1], sample[2] or "")
        test.assertNotIn(key, samples)
        samples[key] = float(sample[3])
    return samples


def check_histogram(test, samples, name):
    buckets = [(float(re.search('le="(.*)"', labels)[1]), value)
               for (sample, labels), value in samples.items() if sample == name + "_bucket"]
    test.assertEqual(buckets, sorted(buckets))
    test.assertEqual([value for _, value in buckets], sorted(value for _, value in buckets))
    test.assertEqual(buckets[-1], (float("inf"), samples[name + "_count", ""]))
    test.assertGreaterEqual(samples[name + "_sum", ""], 0)


def script(test, node, name, *messages):
    """A peer of that name, as a script is one, which has sent these and reads on nothing but its greeting."""
    host, port = node.address.split(":")
    peer = socket.create_connection((host, int(port)), LIMIT)
    test.addCleanup(peer.close)
    peer.sendall(f"aemp;1;{name};hmac_sha3_512;json\nnonce\ncleartext;{SECRET.encode().hex()};json\n".encode()
                 + b"".join(json.dumps(message).encode() for message in messages))
    answer = b""
    while answer.count(b"\n") < 3:
        got = peer.recv(4096)
        test.assertTrue(got, answer)
        answer += got
    return peer


class HttpTest(ToolTest):
    def http_node(self, *arguments, **more):
        if "--http" not in arguments:
            arguments += ("--http", "0")
        node = self.node("--secret", SECRET, *arguments, **more)
        deadline = time.monotonic() + LIMIT
        while not (found := re.search(r"http at (\S+):(\d+)$", node.logged(), re.M)):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        node.http = ("127.0.0.1", int(found[2]))
        return node

    def get(self, node, path, method="GET", body=None, **headers):
        connection = http.client.HTTPConnection(*node.http, timeout=LIMIT)
        try:
            connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get_json(self, node, path):
        status, text = self.get(node, path)
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def metrics(self, node):
        status, text = self.get(node, "/metrics")
        self.assertEqual(status, 200)
        return parse_metrics(self, text)

    @staticmethod
    def total(samples, name):
        return sum(value for (sample, _), value in samples.items() if sample == "portolan_" + name)

    def assert_serves(self, node):
        self.assertEqual(self.get(node, "/healthz")[0], 200)
        self.assert_prints([1], "cal", f"{node.id}#echo", "say", "1", "--seed", node.address, "--secret", SECRET)


class WhatItTellsTest(HttpTest):
    def test_metrics_are_as_prometheus_wants_them_and_add_up(self):
        node = self.http_node("--node", "rain", "--service", "echo")
        before = self.metrics(node)
        for i in range(3):
            self.assert_prints([i], "cal", "rain#echo", "say", str(i), "--seed", node.address, "--secret", SECRET)
        after = self.until(lambda: self.metrics(node), lambda found: self.total(found, "links_lost_total") == 3)
        taken = self.total(after, "messages_taken_total") - self.total(before, "messages_taken_total")
        self.assertGreaterEqual(taken, 3)
        self.assertEqual(self.total(after, "links_made_total"), 3)
        self.assertEqual(self.total(after, "links"), 0)
        self.assertEqual(after["portolan_ready", ""], 1)
        self.assertEqual(after["portolan_info", 'node="rain",version="0.1.0"'], 1)
        check_histogram(self, after, "portolan_handler_seconds")
        for key, value in before.items():
            if key[0].endswith("_total"):
                self.assertGreaterEqual(after[key], value, key)

    def test_api_of_two_nodes_shows_each_other(self):
        rain = self.http_node("--node", "rain")
        snow = self.http_node("--node", "snow", "--seed", rain.address)
        links = self.until(lambda: self.get_json(rain, "/api/links"), lambda found: found["all"] == 1)
        link = links["links"][0]
        self.assertEqual((link["node"], link["up"], link["framing"]), ("snow", True, "portolan"))
        self.assertFalse(link["encrypted"])
        cluster = self.until(lambda: self.get_json(snow, "/api/cluster"),
                             lambda found: all(node["addresses"] for node in found["nodes"]) and
                             len(found["nodes"]) == 2)
        self.assertEqual({node["node"]: node["addresses"] for node in cluster["nodes"]},
                         {"rain": [rain.address], "snow": [snow.address]})
        self.assertTrue(cluster["complete"])
        node = self.get_json(snow, "/api/node")
        self.assertEqual((node["node"], node["shard_count"], node["counts"]["seeds_linked"]), ("snow", 2, 1))
        self.assertEqual(sum(shard["turns"] for shard in node["shards"]), node["counts"]["turns"])
        self.until(lambda: self.get_json(rain, "/api/database")["families"],
                   lambda found: {"family": "'l", "keys": 2} in found)
        self.assertEqual(set(self.get_json(rain, "/api/all")), {"node", "links", "ports", "database"})
        self.assertIn('portolan_link_bytes_in_total{node="snow"}', self.get(rain, "/metrics")[1])

    def test_ports_are_shown_with_what_came_for_them(self):
        node = self.http_node("--node", "rain", "--service", "sink")
        for _ in range(2):
            self.assertEqual(self.run_tool("snd", "rain#sink", "x", "--seed", node.address, "--secret", SECRET)[0], 0)
        ports = self.until(lambda: {port["port"]: port for port in self.get_json(node, "/api/ports")["ports"]},
                           lambda found: found["rain#sink"]["messages"] == 2)
        self.assertFalse(ports["rain#sink"]["full"])

    def test_node_is_ready_when_it_has_joined(self):
        alone = self.http_node("--node", "leaf", "--seed", tool.unused_address())
        self.assertEqual(self.get(alone, "/readyz"), (503, "not joined\n"))
        self.assertEqual(self.get(alone, "/healthz"), (200, "ok\n"))
        rain = self.http_node("--node", "rain")
        self.assertEqual(self.get(rain, "/readyz"), (200, "ready\n"))
        snow = self.http_node("--node", "snow", "--seed", rain.address)
        self.until(lambda: self.get(snow, "/readyz"), lambda found: found == (200, "ready\n"))


class PageTest(HttpTest):
    """The page as bytes; tests/page looks at it in a browser."""

    def head(self, node, path="/", method="GET", **headers):
        connection = http.client.HTTPConnection(*node.http, timeout=LIMIT)
        self.addCleanup(connection.close)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read()

    def test_page_is_one_file_that_runs_nothing_else(self):
        answer, body = self.head(self.http_node())
        self.assertEqual((answer.status, answer.getheader("Content-Type")), (200, "text/html; charset=utf-8"))
        text = body.decode()
        policy = {name: rest for name, _, rest in
                  (part.partition(" ") for part in answer.getheader("Content-Security-Policy").split("; "))}
        self.assertEqual(policy["default-src"], "'none'")
        self.assertEqual(policy["connect-src"], "'self'")
        for tag in ("script", "style"):
            parts = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
            self.assertEqual(len(parts), 1)
            digest = base64.b64encode(hashlib.sha256(parts[0].encode()).digest()).decode()
            self.assertEqual(policy[tag + "-src"], f"'sha256-{digest}'")
        for elsewhere in (r"<(?:script|link|img|iframe)[^>]*\s(?:src|href)=[\"'](?!data:)", r"url\(", r"@import",
                          r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\("):
            self.assertIsNone(re.search(elsewhere, text), elsewhere)
        self.assertEqual(answer.getheader("X-Content-Type-Options"), "nosniff")
        self.assertEqual(answer.getheader("Referrer-Policy"), "no-referrer")

    def test_page_that_is_known_is_not_sent_again(self):
        node = self.http_node()
        answer, body = self.head(node)
        self.assertEqual(answer.getheader("Cache-Control"), "no-cache")
        tag = answer.getheader("ETag")
        again, nothing = self.head(node, **{"If-None-Match": tag})
        self.assertEqual((again.status, nothing, again.getheader("ETag")), (304, b"", tag))
        self.assertEqual(self.head(node, **{"If-None-Match": '"other"'})[1], body)
        only_head, nothing = self.head(node, method="HEAD")
        self.assertEqual((only_head.status, nothing, only_head.getheader("Content-Length")), (200, b"", str(len(body))))

    def test_page_is_for_everybody_and_what_it_shows_is_not(self):
        path = os.path.join(self.home, "token")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(TOKEN + "\n")
        node = self.http_node("--http", "0.0.0.0:0", "--http-token-file", path)
        self.assertEqual(self.head(node)[0].status, 200)
        for path in ("/api/history", "/api/log", "/api/cluster", "/api/events", "/api/database?family=x"):
            self.assertEqual(self.head(node, path)[0].status, 401, path)
        self.assertEqual(self.get(self.http_node(), "/", Host="evil.example")[0], 403)


class MemoryTest(HttpTest):
    """What a node remembers for those who look later, and what it asks others."""

    def test_log_tells_who_was_lost_and_who_has_stopped(self):
        rain = self.http_node("--node", "rain")
        snow = self.http_node("--node", "snow", "--seed", rain.address)
        hail = self.http_node("--node", "hail", "--seed", rain.address)
        self.until(lambda: self.get_json(rain, "/api/links"), lambda found: found["all"] == 2)
        before = self.get_json(rain, "/api/node")["log"]
        snow.strike()
        self.assertEqual(hail.stop()[0], 0)

        def gone():
            return {link["node"]: link["stopped"] for link in self.get_json(rain, "/api/log")["links"]
                    if not link["up"]}
        self.until(gone, lambda found: found == {"snow": False, "hail": True})
        log = self.get_json(rain, "/api/log")
        self.assertEqual(sorted((line["level"], line["line"].split(":")[0]) for line in log["lines"]
                                if not re.search(r" took \d+ ms\b", line["line"])),  # what was slow on a busy machine
                         [("warn", f"lost the link to {name}") for name in ("hail", "snow")])
        self.assertGreater(log["count"], before)
        self.until(lambda: (self.get_json(rain, "/api/node")["log"], self.get_json(rain, "/api/log")["count"]),
                   lambda found: found[0] == found[1])

    def test_log_is_bounded_and_commands_are_not_in_it(self):
        node = self.http_node("--node", "rain")
        self.assertEqual(self.run_tool("nodes", "--seed", node.address, "--secret", SECRET)[0], 0)
        for i in range(70):
            script(self, node, f"script{i}").close()
        found = self.until(lambda: self.get_json(node, "/api/log")["links"],
                           lambda found: found and found[-1]["node"] == "script69" and not found[-1]["up"])
        self.assertEqual(len(found), 128)
        self.assertEqual({link["node"][:6] for link in found}, {"script"})

    def test_history_has_a_row_a_second(self):
        node = self.http_node("--node", "rain", "--service", "sink")
        found = self.until(lambda: self.get_json(node, "/api/history"), lambda found: len(found["rows"]) >= 3)
        self.assertEqual(found["every_ms"], 1000)
        times = [row[0] for row in found["rows"]]
        self.assertEqual(times, sorted(times))
        for row in found["rows"]:
            self.assertEqual(len(row), 1 + len(found["names"]))
        counts = self.get_json(node, "/api/node")["counts"]
        self.assertLessEqual({"taken", "received", "sent", "queued_bytes"}, set(found["names"]) & set(counts))

    def test_cluster_tells_who_is_linked_to_whom(self):
        rain = self.http_node("--node", "rain")
        snow = self.http_node("--node", "snow", "--seed", rain.address)
        self.http_node("--node", "leaf", "--seed", snow.address, "--no-global")

        def links():
            return {node["node"]: sorted(node["links"]) if node["links"] is not None else None
                    for node in self.get_json(rain, "/api/cluster")["nodes"]}
        self.until(links, lambda found: found == {"rain": ["snow"], "snow": ["leaf", "rain"], "leaf": None})
        self.assertEqual(self.get_json(rain, "/api/links")["all"], 1)


class EntriesTest(HttpTest):
    def entries(self, node, family, **more):
        return self.get_json(node, "/api/database?" + urllib.parse.urlencode({"family": family, **more}))

    def set(self, node, family, key, value):
        code, out, err = self.run_tool("db", "set", family, key, value, "--seed", node.address, "--secret", SECRET)
        self.assertEqual(code, 0, out + err)

    def test_entries_of_a_family_are_found_by_key(self):
        node = self.http_node("--node", "rain")
        hostile = "<img src=x onerror=alert(1)>"
        for key, value in (("north", '{"scale":4}'), ("South", "null"), (hostile, '"<b>"'), ("big", json.dumps("x" * 5000))):
            self.set(node, "charts", key, value)
        found = self.until(lambda: self.entries(node, "charts"), lambda found: found["keys"] == 4)
        self.assertEqual([(entry["key"], entry["value"]) for entry in found["entries"]],
                         [(hostile, '"<b>"'), ("South", "null"), ("big", None), ("north", '{"scale":4}')])
        self.assertGreater(found["entries"][2]["bytes"], 5000)
        self.assertEqual((found["node"], found["family"], found["more"]), ("rain", "charts", False))
        found = self.entries(node, "charts", find="TH")
        self.assertEqual(([entry["key"] for entry in found["entries"]], found["found"], found["keys"]),
                         (["South", "north"], 2, 4))
        self.assertEqual(self.entries(node, "charts", find="nix")["entries"], [])
        self.assertEqual(self.entries(node, "nix")["keys"], 0)
        for wrong in ("", "\0", "x" * 300, "'"):
            found = self.entries(node, wrong)
            self.assertTrue("error" in found or found["keys"] == 0, found)

    def test_entries_come_a_page_at_a_time(self):
        node = self.http_node("--node", "rain")
        keys = [f"key{i:03}" for i in range(250)]
        script(self, node, "script", *(["portolan", "db_set", "many", key, key, "script#me"] for key in keys))
        self.until(lambda: self.entries(node, "many")["keys"], lambda found: found == 250)
        found, after = [], ""
        for more in (True, True, False):
            page = self.entries(node, "many", after=after)
            self.assertEqual((page["more"], page["found"]), (more, 250))
            found += [entry["key"] for entry in page["entries"]]
            after = found[-1]
        self.assertEqual(found, keys)
        self.assertEqual(self.entries(node, "many", after=after)["entries"], [])

    def test_family_that_is_too_large_is_said_to_be(self):
        node = self.http_node("--node", "rain")
        script(self, node, "script", *(["portolan", "db_set", "large", f"key{i}", "x" * 1000000, "script#me"]
                                       for i in range(9)))
        self.until(lambda: self.get_json(node, "/api/database")["families"],
                   lambda found: {"family": "large", "keys": 9} in found)
        self.until(lambda: self.entries(node, "large").get("error", ""), lambda found: "too large" in found)


class Stream:
    """Events of a node, one after the other."""

    def __init__(self, test, node, receive=None):
        self.socket = socket.socket()
        test.addCleanup(self.socket.close)
        self.socket.settimeout(LIMIT)
        if receive:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.connect(node.http)
        self.socket.sendall(b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def open(self):
        self.answer = http.client.HTTPResponse(self.socket)
        self.answer.begin()
        return self.answer

    def close(self):
        self.answer.close()
        self.socket.close()

    def next(self):
        """The next event: its name, and its data."""
        fields = {}
        while (line := self.answer.readline().decode()) != "\n":
            name, value = line.rstrip("\n").split(": ", 1)
            fields[name] = value
        return fields["event"], json.loads(fields["data"])


class EventsTest(HttpTest):
    def stream_status(self, node):
        stream = Stream(self, node)
        status = stream.open().status
        stream.close()
        return status

    def test_events_come_again_and_again_and_say_what_api_says(self):
        rain = self.http_node("--node", "rain")
        stream = Stream(self, rain)
        self.assertEqual(stream.open().getheader("Content-Type"), "text/event-stream")
        name, first = stream.next()
        self.assertEqual((name, set(first)), ("all", set(self.get_json(rain, "/api/all"))))
        self.assertEqual(first["links"]["all"], 0)
        self.http_node("--node", "snow", "--seed", rain.address)
        found = self.until(lambda: stream.next()[1], lambda event: event["links"]["all"] == 1)
        self.assertEqual(found["links"]["links"][0]["node"], "snow")
        self.assertGreater(found["node"]["up_seconds"], first["node"]["up_seconds"])

    def test_streams_are_so_many_and_their_places_are_free_when_they_go(self):
        node = self.http_node()
        streams = [Stream(self, node) for _ in range(STREAMS)]
        for stream in streams:
            self.assertEqual(stream.open().status, 200)
            stream.next()
        self.assertEqual(self.stream_status(node), 503)
        self.assertEqual(self.get(node, "/metrics")[0], 200)
        streams[0].close()
        self.until(lambda: self.stream_status(node), lambda status: status == 200)

    def test_stream_that_nobody_reads_is_dropped(self):
        node = self.http_node("--service", "echo")
        unread = Stream(self, node, receive=2048)
        streams = [Stream(self, node) for _ in range(STREAMS - 1)]
        for stream in streams:
            self.assertEqual(stream.open().status, 200)

        def status():
            for stream in streams:
                stream.next()
            return self.stream_status(node)
        self.assertEqual(status(), 503)
        self.until(status, lambda found: found == 200)
        self.assert_serves(node)
        unread.socket.close()

    def test_node_ends_though_streams_are_open(self):
        node = self.http_node()
        stream = Stream(self, node)
        stream.open()
        stream.next()
        self.assertEqual(node.stop()[0], 0)


class WhoMayAskTest(HttpTest):
    def test_wrong_token_is_refused_and_health_needs_none(self):
        path = os.path.join(self.home, "token")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(TOKEN + "\n")
        node = self.http_node("--http", "0.0.0.0:0", "--http-token-file", path)
        for shown in (None, "", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}"):
            headers = {} if shown is None else {"Authorization": shown}
            for page in ("/metrics", "/api/node", "/nowhere"):
                self.assertEqual(self.get(node, page, **headers)[0], 401, shown)
        self.assertEqual(self.get(node, "/healthz")[0], 200)
        self.assertEqual(self.get(node, "/readyz")[0], 200)
        self.assertEqual(self.get(node, "/metrics", Authorization=f"Bearer {TOKEN}")[0], 200)
        self.assertEqual(self.get(node, "/nowhere", Authorization=f"Bearer {TOKEN}")[0], 404)

    def test_open_address_needs_a_token(self):
        self.assert_fails(2, "http = 0.0.0.0:0", "--http-token-file", arguments=(
            "run", "--http", "0.0.0.0:0", "--bind", "127.0.0.1:0", "--secret", SECRET))

    def test_page_of_elsewhere_cannot_ask_by_a_name_of_its_own(self):
        node = self.http_node()
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            self.assertEqual(self.get(node, "/api/node", Host=host)[0], 403, host)
        for host in ("localhost", "127.0.0.1:1234", "[::1]:80"):
            self.assertEqual(self.get(node, "/api/node", Host=host)[0], 200, host)


class BadInputTest(HttpTest):
    def test_port_that_is_taken_is_told(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.assert_fails(2, address, "in use", arguments=(
                "run", "--http", address, "--bind", "127.0.0.1:0", "--secret", SECRET))

    def test_options_that_are_wrong_are_told(self):
        for http in ("x", "70000", "127.0.0.1", ":1", ""):
            self.assert_fails(1, "--http", arguments=("run", "--http", http))
        path = os.path.join(self.home, "token")
        with open(path, "w") as file:
            file.write(TOKEN)
        os.chmod(path, 0o644)
        self.assert_fails(2, path, "chmod 600", arguments=(
            "run", "--http", "0", "--http-token-file", path, "--bind", "127.0.0.1:0", "--secret", SECRET))

    def raw(self, node, request):
        """What is answered to these bytes."""
        with socket.create_connection(node.http, LIMIT) as peer:
            try:
                peer.sendall(request)
                return peer.makefile("rb").read()
            except (ConnectionResetError, BrokenPipeError):
                return b""

    def test_requests_that_are_wrong_cost_nothing_else(self):
        node = self.http_node("--service", "echo")
        self.assertEqual(self.get(node, "/metrics", "POST", b"x")[0], 405)
        self.assertEqual(self.get(node, "/metrics", "DELETE")[0], 405)
        for request in (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" +
                        b"x" * 1000000,
                        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000000 + b"\r\n\r\n",
                        b"GET /" + b"x" * 1000000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        b"x" * 1000000, b"\0" * 1000, b"aemp;1;rain;hmac_sha3_512;json\n\n"):
            self.assertNotIn(b" 200 ", self.raw(node, request)[:20])
        for path in ("/../../etc/passwd", "/api/../metrics", "//metrics", "/metrics/", "/api", "/api%00", "/api/node%2f"):
            self.assertEqual(self.get(node, path)[0], 404, path)
        self.assert_serves(node)

    def test_who_is_slow_is_closed_and_others_are_served(self):
        node = self.http_node("--service", "echo")
        silent = socket.create_connection(node.http, LIMIT)
        slow = socket.create_connection(node.http, LIMIT)
        silent.sendall(b"GET /metrics HTTP/1.1\r\n")
        self.assert_serves(node)
        deadline = time.monotonic() + LIMIT
        slow.settimeout(0.2)
        closed = False
        while not closed and time.monotonic() < deadline:
            try:
                slow.sendall(b"G")
                closed = slow.recv(1000) == b""
            except TimeoutError:
                pass
            except OSError:
                closed = True
        self.assertTrue(closed)
        try:
            self.assertNotIn(b" 200 ", silent.recv(1000))
        except ConnectionResetError:
            pass
        silent.close()
        slow.close()
        self.assert_serves(node)

    @staticmethod
    def lift_file_limit():
        """As many sockets as this process may have; returns how many that are."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        return most

    def test_who_says_nothing_or_little_does_not_keep_others_waiting(self):
        """Had they their eight seconds each, 64 at a time, it would take longer than LIMIT."""
        self.lift_file_limit()
        node = self.http_node()
        for word in [b"", b"G"] * 300:
            peer = socket.create_connection(node.http, LIMIT)
            self.addCleanup(peer.close)
            peer.sendall(word)
        self.assertEqual(self.get(node, "/healthz")[0], 200)

    def ask_at_once(self, node, count):
        """So many requests, of which each is there before the first answer is read; all are answered."""
        peers = []
        for i in range(count):
            peers.append(socket.create_connection(node.http, LIMIT))
            self.addCleanup(peers[-1].close)
            path = b"/healthz" if i % 2 else b"/metrics"
            peers[-1].sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for peer in peers:
            with peer.makefile("rb") as answer:
                self.assertEqual(answer.read(13), b"HTTP/1.1 200 ")

    def test_many_at_once_are_all_answered_and_every_message_arrives(self):
        """The node has fewer descriptors than there are who ask."""
        most = self.lift_file_limit()
        node = self.http_node("--node", "rain", "--service", "echo", "--service", "bench", files=(900, 900))
        load = self.start("bench", "one-way", "--rate", "1000", "--duration", "3600", "--warm-up", "100ms", "--json",
                          "--seed", node.address, "--secret", SECRET)

        def taken():
            return self.get_json(node, "/api/node")["counts"]["taken"]
        before = self.until(taken, lambda found: found > 100)
        self.ask_at_once(node, min(MANY, most - 100))
        self.assert_serves(node)
        self.until(taken, lambda found: found > before + 100)
        load.send_signal(signal.SIGTERM)
        code, out, err = self.finish(load)
        result = json.loads(out)
        self.assertEqual((code, result["lost"], result["reordered"]), (143, 0, 0), err)
        self.assertEqual(result["received"], result["sent"])

    def test_thread_that_answers_yields_to_those_of_the_shards(self):
        """Its own niceness, the nineteenth word of its state (proc(5))."""
        node = self.http_node("--node", "rain")
        self.assertEqual(self.get(node, "/healthz")[0], 200)
        nice = {}
        for thread in os.listdir(f"/proc/{node.process.pid}/task"):
            with open(f"/proc/{node.process.pid}/task/{thread}/stat") as file:
                name, state = re.match(r"\d+ \((.*)\) (.*)", file.read()).groups()
            nice[name] = int(state.split()[16])
        self.assertEqual(nice["ptl-shard-0"], nice["ptl-shard-1"])
        self.assertEqual(nice["ptl-http"], min(19, nice["ptl-shard-0"] + 10))

    def test_node_ends_though_somebody_has_not_read_the_answer(self):
        node = self.http_node()
        with socket.create_connection(node.http, LIMIT) as peer:
            peer.sendall(b"GET /api/all HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(node.stop()[0], 0)


if __name__ == "__main__":
    unittest.main()
