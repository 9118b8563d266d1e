#!/usr/bin/env python3
"""A cluster of 3 global and 50 ordinary nodes, each a process: `portolan top`, `portolan stats`, the page
in a browser and /api agree on every count that does not change by itself."""

import http.client
import os
import re
import signal
import sys
import time
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "page"))
from chromium import Chromium
from shown import STATES, assert_same
from tool import SECRET, SLOW
from tool_stats_test import StatsTest
from tool_top_test import rows_of

GLOBALS, ORDINARY, WORKERS = 3, 50, 10  # nodes; workers are those that register a port
BEARS = ("--silence-ms", "60000")  # so many processes may be late on a small machine
LIMIT = 400  # seconds for all of them
COLUMNS = {"PORTS": "ports", "REGISTERED": "registrations", "FAMILIES": "families", "ENTRIES": "entries"}


def is_client(name):
    return re.search(r"/cli/[0-9a-f]{16}$", name) is not None


def linked(links):
    """Names of the nodes that are linked, without commands that look."""
    return {link["node"] for link in links["links"] if link["up"] and not is_client(link["node"])}


class ClusterTest(StatsTest):
    def until(self, look, right, limit=LIMIT):
        """As for one node, with time for many."""
        deadline = time.monotonic() + limit
        while not right(found := look()):
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(0.1)
        return found

    def get(self, *arguments, **more):
        """A connection lasts for some seconds, whether or not its node has had a processor meanwhile."""
        for _ in range(20):
            try:
                return super().get(*arguments, **more)
            except (http.client.RemoteDisconnected, ConnectionResetError):
                pass
        return super().get(*arguments, **more)

    def start_cluster(self):
        self.nodes = []
        for i in range(GLOBALS + ORDINARY):
            seed = ("--seed", self.nodes[i % GLOBALS if i >= GLOBALS else 0].address) if i else ()
            kind = ("--no-global",) if i >= GLOBALS else ()
            work = ("--service", "echo") if GLOBALS <= i < GLOBALS + WORKERS else ()
            self.nodes.append(self.http_node("--node", f"node-{i:02}", "--shards", "1", *BEARS, *seed, *kind, *work))
        self.hubs = self.nodes[:GLOBALS]
        for hub in self.hubs:
            self.until(lambda: self.get_json(hub, "/api/database")["families"], lambda families: {
                family["family"]: family["keys"] for family in families} == {
                    "'l": GLOBALS + ORDINARY, "'g": GLOBALS, "echo": WORKERS})

    def look(self):
        """What /api says of each node."""
        return {node.id: self.get_json(node, "/api/all") for node in self.nodes}

    def test_top_and_stats_and_page_and_api_agree_on_every_count(self):
        self.start_cluster()
        self.until(lambda: sum(len(linked(self.get_json(node, "/api/links"))) for node in self.nodes),
                   lambda links: links == 2 * (GLOBALS * (GLOBALS - 1) // 2 + ORDINARY))
        self.compare_top()
        self.compare_top_once()
        self.compare_stats()
        self.compare_cluster()
        if "PTL_NO_BROWSER" not in os.environ:  # tools/dev says why
            self.compare_pages()

    def compare_top(self):
        """While it runs its own entry in the database is one of those that all others see."""
        top = self.start("top", "--every", "2", "--timeout", "60", *BEARS, "--seed", self.hubs[0].address, "--secret", SECRET)

        def table():
            text = ""
            while "BUSIEST" not in text:
                line = top.stdout.readline()
                self.assertTrue(line, "it has ended")
                text = line if line.startswith("nodes: ") else text + line
            return text

        def both():
            text = self.until(table, lambda text: f"answering: {GLOBALS + ORDINARY}," in text)
            return text, self.look()

        def agree(found):
            text, api = found
            rows = rows_of(text)
            return set(rows) == set(api) and all(self.is_same(rows[name], api[name]) for name in api)

        text, api = self.until(both, agree)
        self.assertRegex(text, rf"\Anodes: {GLOBALS + ORDINARY} \({GLOBALS} global\), answering: {GLOBALS + ORDINARY},")
        self.assertEqual(sum(found["node"]["global"] for found in api.values()), GLOBALS)
        top.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(top)[0], 143)

    def compare_top_once(self):
        """Entries but for its own, which has gone with it."""
        code, out, err = self.run_tool("top", "--once", "--timeout", "30", *BEARS, "--seed", self.hubs[1].address,
                                       "--secret", SECRET)
        self.assertEqual((code, err), (0, ""))
        rows, api = rows_of(out), self.look()
        self.assertEqual(set(rows), set(api))
        for name, row in rows.items():
            self.assertTrue(self.is_same(row, api[name], without="ENTRIES"), (row, api[name]["node"]))

    @staticmethod
    def is_same(row, api, without=None):
        return (row["STATE"] == "up" and (row["KIND"] == "global") == api["node"]["global"] and
                int(row["LINKS"]) == len(linked(api["links"])) and
                all(int(row[title]) == api["node"]["counts"][name]
                    for title, name in COLUMNS.items() if title != without))

    def compare_stats(self):
        for node in self.nodes:
            found = self.stats_json(node, "--links", "100", "--timeout", "30", *BEARS, seed=self.hubs[0])
            api = self.get_json(node, "/api/all")
            self.assertEqual(found["node"]["global"], api["node"]["global"])
            self.assertEqual(linked(found["links"]), linked(api["links"]))
            for name in ("ports", "registrations", "families"):
                self.assertEqual(found["node"]["counts"][name], api["node"]["counts"][name], node.id)
            families, expected = ({family["family"]: family["keys"] for family in one["database"]["families"]
                                   if family["family"] != "'l"} for one in (found, api))
            self.assertEqual(families, expected)

    def compare_cluster(self):
        for hub in self.hubs:
            members = {member["node"]: member["global"] for member in self.get_json(hub, "/api/cluster")["nodes"]
                       if not is_client(member["node"])}
            self.assertEqual(members, {node.id: node in self.hubs for node in self.nodes})

    def compare_pages(self):
        """That of a global node, which is told by the others who is linked to them, and that of an ordinary one,
        which knows what its global node says."""
        with Chromium() as browser:
            for node, lines in ((self.hubs[0], self.ways(*self.hubs)),
                                (self.nodes[-1], self.ways(self.hubs[(len(self.nodes) - 1) % GLOBALS]))):
                page = browser.page()
                page.go(f"http://127.0.0.1:{node.http[1]}/")
                self.compare_page(page, node, lines)
                self.assertEqual(page.errors, [])

    def ways(self, *nodes):
        """The links of these nodes, as their /api says, each once."""
        return {frozenset((node.id, other)) for node in nodes for other in linked(self.get_json(node, "/api/links"))}

    def compare_page(self, page, node, lines):
        api = self.get_json(node, "/api/all")
        near = linked(api["links"])
        states = {other.id: "up" if other.id in near else "far" for other in self.nodes} | {node.id: "self"}
        page.until(STATES, lambda found: found == states)
        self.assertEqual(page.text("#cluster-count"), f"{len(self.nodes)} nodes, {GLOBALS} global")
        self.assertEqual(set(page.ask("[...document.querySelectorAll('.node[data-global=yes]')].map((each) => "
                                      "each.dataset.node)")), {hub.id for hub in self.hubs})
        page.until("document.querySelectorAll('.way').length", lambda count: count == len(lines))
        self.assertEqual(page.ask("document.querySelectorAll('.way[data-own]').length"), len(near))
        shown = assert_same(self, page, node)
        self.assertEqual(set(shown["links"]), near)
        for name in (*COLUMNS.values(), "links"):
            self.assertEqual(shown["counts"][name][0], api["node"]["counts"][name], name)


if __name__ == "__main__":
    if SLOW > 1:
        sys.exit(77)
    unittest.main()
