#!/usr/bin/env python3
"""The page at /, in a headless Chromium, with a cluster of nodes behind it."""

import json
import os
import re
import socket
import sys
import time
import unittest
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "tools")]
from chromium import Chromium
from shown import ALARMS, STATES, assert_same, rows
from stage import Stage
from tool import LIMIT, SECRET
from tool_http_test import HttpTest, Stream, script

TOKEN = "a token that nobody guesses"
HOSTILE = "<img src=x onerror=hacked=1>"
SIZES = ((390, 844), (1440, 900))

# Whatever text can be seen, and how well: [ratio, text], the worst first.
CONTRAST = r"""(() => {
  const parse = (color) => (color.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const under = (element) => {
    for (; element; element = element.parentElement) {
      const color = parse(getComputedStyle(element).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const box = element.getBoundingClientRect();
    const text = walker.currentNode.data.trim();
    if (!text || !box.width || element.closest('script, style, noscript, title, :disabled')) continue;
    const style = getComputedStyle(element);
    const ink = parse(element.ownerSVGElement ? style.fill : style.color);
    const [a, b] = [light(ink), light(under(element))].sort((x, y) => y - x);
    found.push([Math.round((a + 0.05) / (b + 0.05) * 100) / 100, text]);
  }
  return found.sort((x, y) => x[0] - y[0]);
})()"""


class PageTest(HttpTest):
    @classmethod
    def setUpClass(cls):
        cls.browser = Chromium()
        cls.addClassCleanup(cls.browser.close)

    def open(self, address, **more):
        page = self.browser.page(**more)
        self.addCleanup(page.close)
        page.go(address)
        return page

    def show(self, node, count=1, **more):
        """The page of a node, when it shows so many."""
        page = self.open(f"http://127.0.0.1:{node.http[1]}/", **more)
        page.until(STATES, lambda found: len(found) == count)
        return page

    def assert_quiet(self, page):
        """Nothing was found wrong, nothing came from elsewhere, nothing is wider than the window."""
        self.assertEqual(page.errors, [])
        hosts = {urllib.parse.urlparse(each).hostname for each in page.requests if not each.startswith("data:")}
        self.assertEqual(hosts, {"127.0.0.1"})
        self.assertEqual(page.ask("document.documentElement.scrollWidth"), page.ask("innerWidth"))
        self.assertIsNone(page.ask("window.hacked"))

    def cluster(self):
        rain = self.http_node("--node", "rain", "--service", "sink", "--service", "echo")
        snow = self.http_node("--node", "snow", "--seed", rain.address)
        hail = self.http_node("--node", "hail", "--seed", rain.address)
        return rain, snow, hail


class WhatItShowsTest(PageTest):
    def test_page_says_what_api_says_at_every_width_light_and_dark(self):
        rain, _, _ = self.cluster()
        for _ in range(3):
            self.assertEqual(self.run_tool("snd", "rain#sink", "x", "--seed", rain.address, "--secret", SECRET)[0], 0)
        self.until(lambda: self.get_json(rain, "/api/links"), lambda found: found["all"] == 2)
        for width, height in SIZES:
            for dark in (False, True):
                with self.subTest(width=width, dark=dark):
                    page = self.show(rain, 3, width=width, height=height, dark=dark)
                    page.until(rows("links"), lambda found: sorted(found) == ["hail", "snow"])
                    self.assertEqual(assert_same(self, page, rain)["ports"]["rain#sink"], 3)
                    self.assertEqual(page.ask(STATES), {"rain": "self", "snow": "up", "hail": "up"})
                    self.assertEqual(page.ask("document.getElementById('cluster-count').dataset.value"), "3")
                    self.assertEqual(page.ask("document.querySelectorAll('.way[data-own]').length"), 2)
                    page.until("document.querySelectorAll('.way').length", lambda count: count == 3)
                    worst = page.ask(CONTRAST)
                    self.assertGreater(len(worst), 60)
                    self.assertGreaterEqual(worst[0][0], 4.5, worst[:5])
                    paper = page.ask("getComputedStyle(document.body).backgroundColor")
                    self.assertEqual(int(re.search(r"\d+", paper)[0]) < 100, dark)
                    self.assert_quiet(page)

    def test_numbers_go_on_without_a_reload(self):
        node = self.http_node("--node", "rain", "--service", "sink")
        page = self.show(node)
        for _ in range(2):
            self.assertEqual(self.run_tool("snd", "rain#sink", "x", "--seed", node.address, "--secret", SECRET)[0], 0)
        page.until("document.querySelector('#ports tr[data-key=\"rain#sink\"] [data-value=\"2\"]') !== null")
        self.assert_quiet(page)

    def test_plots_tell_the_value_that_is_pointed_at(self):
        page = self.show(self.http_node("--node", "rain"))
        page.until("document.querySelector('#plot-messages .line').getAttribute('d').includes('L')")
        self.assertEqual(page.ask("document.querySelectorAll('#plots figure').length"), 3)
        axes = page.ask("[...document.querySelectorAll('#plot-bytes .grid text')].map((each) => each.textContent)")
        self.assertTrue(any(text.endswith("B/s") for text in axes), axes)
        self.assertIn("now", axes)
        self.assertEqual(page.text("#plot-queue .when"), "")
        page.ask("document.querySelector('#plot-queue svg').focus()")
        page.press("ArrowLeft", number=37)
        self.assertRegex(page.text("#plot-queue .when"), r"\d\d:\d\d:\d\d$")
        page.press("Escape", number=27)
        self.assertEqual(page.text("#plot-queue .when"), "")

    def test_tables_are_sorted_by_mouse_and_keyboard(self):
        rain, _, _ = self.cluster()
        page = self.show(rain, 3)
        page.until(rows("links"), lambda found: found == ["hail", "snow"])
        head = "#links thead th:first-child"
        self.assertEqual(page.ask(f"document.querySelector('{head}').getAttribute('aria-sort')"), "ascending")
        page.click(head + " button")
        self.assertEqual(page.ask(rows("links")), ["snow", "hail"])
        page.ask(f"document.querySelector('{head} button').focus()")
        page.press("Enter", number=13, text="\r")
        self.assertEqual(page.ask(rows("links")), ["hail", "snow"])
        page.type("#links-find", "SN")
        page.until(rows("links"), lambda found: found == ["snow"])
        page.ask("document.querySelector('.node[tabindex=\"0\"]').focus()")
        page.press("ArrowRight", number=39)
        page.press("Enter", number=13, text="\r")
        chosen = page.ask("document.querySelector('.node[data-chosen]').dataset.node")
        self.assertTrue(page.text("#node-details").startswith(chosen))


class DatabaseTest(PageTest):
    def set(self, node, *entry):
        self.assertEqual(self.run_tool("db", "set", *entry, "--seed", node.address, "--secret", SECRET)[0], 0)

    def test_families_and_keys_are_searched_and_change_before_ones_eyes(self):
        node = self.http_node("--node", "rain")
        self.set(node, "charts", "north", '{"scale":4}')
        self.set(node, "charts", "south", "null")
        self.set(node, "tides", "high", "1")
        page = self.show(node)
        page.until(rows("families"), lambda found: {"charts", "tides"} <= set(found))
        page.type("#families-find", "CHA")
        page.until(rows("families"), lambda found: found == ["charts"])
        page.ask("document.querySelector('#families .plain').focus()")
        page.press("Enter", number=13, text="\r")
        page.until(rows("entries"), lambda found: found == ["north", "south"])
        page.until("document.getElementById('entries').textContent", lambda text: '{"scale":4}' in text)
        self.set(node, "charts", "east", "7")
        page.until(rows("entries"), lambda found: found == ["east", "north", "south"])
        page.until("document.querySelector('#families tbody tr td').textContent", lambda text: text == "3")
        page.type("#entries-find", "OU")
        page.until(rows("entries"), lambda found: found == ["south"])
        page.until("document.getElementById('entries-count').textContent", lambda text: "1 of 3" in text)
        page.click("#family-close")
        self.assertTrue(page.ask("document.getElementById('family').hidden"))
        self.assert_quiet(page)

    def test_family_of_many_keys_is_turned_page_by_page(self):
        node = self.http_node("--node", "rain")
        keys = [f"key{i:03}" for i in range(150)]
        script(self, node, "script", *(["portolan", "db_set", "many", key, key, "script#me"] for key in keys))
        self.until(lambda: self.get_json(node, "/api/database")["families"],
                   lambda found: {"family": "many", "keys": 150} in found)
        page = self.show(node, 2)
        page.type("#families-find", "many")
        page.until(rows("families"), lambda found: found == ["many"])
        page.click("#families .plain")
        page.until(rows("entries"), lambda found: found == keys[:100])
        page.click("#entries-next")
        page.until(rows("entries"), lambda found: found == keys[100:])
        self.assertTrue(page.ask("document.getElementById('entries-next').disabled"))
        page.click("#entries-first")
        page.until(rows("entries"), lambda found: found == keys[:100])


class WhatGoesWrongTest(PageTest):
    def test_node_that_is_killed_turns_red_without_a_reload(self):
        rain, snow, _ = self.cluster()
        page = self.show(rain, 3)
        page.until(STATES, lambda found: found.get("snow") == "up")
        page.ask("""(() => {
          const events = [];
          window.seen = events;
          new MutationObserver(() => events.push([Number(document.body.dataset.at),
            document.querySelector('.node[data-node=snow]').dataset.state]))
            .observe(document.body, {attributes: true, attributeFilter: ['data-at']});
        })()""")
        snow.strike()
        page.until(STATES, lambda found: found["snow"] == "lost")
        since = float(page.until("(document.querySelector('[data-alarm=\"lost snow\"]') || {dataset: {}}).dataset.since"))
        # Events come once a second: red within three of them is red within three seconds.
        page.until("window.seen.some(([, state]) => state === 'lost')")
        late = [at for at, state in page.ask("window.seen") if at > since and state != "lost"]
        self.assertLess(len(late), 3)
        self.assertIn("snow is lost", page.text("#verdict"))
        self.assertIn("snow is lost", page.ask("document.title"))
        self.assertEqual(page.ask("getComputedStyle(document.querySelector('[data-node=snow] .dot')).fill"),
                         "rgb(179, 32, 26)")
        page.until("document.getElementById('log').textContent", lambda text: "snow is lost" in text)
        self.assert_quiet(page)

        again = self.open(f"http://127.0.0.1:{rain.http[1]}/")  # who comes later sees who is there
        again.until(STATES, lambda found: found.get("hail") == "up")
        page.click("[data-alarm='lost snow'] button")
        page.until(STATES, lambda found: "snow" not in found)

    def test_node_that_comes_back_is_no_alarm_any_more(self):
        rain, snow, _ = self.cluster()
        page = self.show(rain, 3)
        snow.strike()
        page.until(ALARMS, lambda found: "lost snow" in found)
        self.http_node("--node", "snow", "--seed", rain.address)
        page.until(STATES, lambda found: found["snow"] == "up")
        page.until(ALARMS, lambda found: "lost snow" not in found)

    def test_seed_that_is_killed_turns_red_on_the_page_of_who_needs_it(self):
        rain = self.http_node("--node", "rain")
        leaf = self.http_node("--node", "leaf", "--no-global", "--seed", rain.address)
        page = self.show(leaf, 2)
        page.until(STATES, lambda found: found.get("rain") == "up")
        rain.strike()
        page.until(STATES, lambda found: found == {"leaf": "self", "rain": "lost"})
        page.until(ALARMS, lambda found: {"alone", "lost rain"} <= set(found))

    def test_page_beyond_those_that_a_node_serves_says_so(self):
        node = self.http_node("--node", "rain")
        streams = [Stream(self, node) for _ in range(16)]
        for stream in streams:
            self.assertEqual(stream.open().status, 200)
        page = self.open(f"http://127.0.0.1:{node.http[1]}/")
        page.until("document.getElementById('verdict').textContent", lambda text: "no more pages" in text)
        for stream in streams:
            stream.close()
        page.until(STATES, lambda found: found == {"rain": "self"})

    def test_node_that_has_stopped_is_no_alarm(self):
        rain, _, hail = self.cluster()
        page = self.show(rain, 3)
        page.until(STATES, lambda found: found.get("hail") == "up")
        self.assertEqual(hail.stop()[0], 0)
        page.until(STATES, lambda found: found["hail"] == "left")
        self.assertNotIn("lost hail", page.ask(ALARMS))
        self.assert_quiet(page)

    def test_page_recovers_by_itself_when_its_node_is_there_again(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            http = f"127.0.0.1:{probe.getsockname()[1]}"
        rain = self.http_node("--node", "rain", "--http", http)
        page = self.show(rain)
        page.ask("window.mine = 1")
        rain.strike()
        page.until("document.body.classList.contains('stale')")
        self.assertIn("Not connected since", page.text("#verdict"))
        self.assertEqual(page.text("#live"), "not connected")
        self.http_node("--node", "rain", "--http", http)
        page.until("document.body.classList.contains('stale')", lambda stale: not stale)
        self.assertEqual(page.text("#live"), "live")
        page.until("document.querySelector('#what').textContent", lambda text: "up" in text)
        self.assertEqual(page.ask("window.mine"), 1)
        self.assertFalse([error for error in page.errors if "ERR_" not in error], page.errors)

    def test_messages_that_were_dropped_and_a_second_node_of_one_name_are_alarms(self):
        rain, _, _ = self.cluster()
        page = self.show(rain, 3)
        script(self, rain, "someone", *([["nobody", "x"]] * 3))
        host, port = rain.address.split(":")
        with socket.create_connection((host, int(port)), LIMIT) as twin:
            twin.sendall(f"aemp;1;snow;hmac_sha3_512;json\nnonce\ncleartext;{SECRET.encode().hex()};json\n".encode())
            while twin.recv(4096):
                pass  # until it is refused
        page.until(ALARMS, lambda found: {"dropped", "identity"} <= set(found))
        self.assertEqual(page.ask("document.querySelector('[data-alarm=dropped]').dataset.count"), "3")

    def test_node_that_has_not_joined_is_an_alarm(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.2", 0))
            seed = f"127.0.0.2:{nobody.getsockname()[1]}"
            page = self.show(self.http_node("--node", "rain", "--seed", seed))
            page.until(ALARMS, lambda found: "alone" in found)


class WhoLooksTest(PageTest):
    def test_token_is_asked_for_kept_and_shown(self):
        path = os.path.join(self.home, "token")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(TOKEN + "\n")
        node = self.http_node("--node", "hidden-rain", "--http", "0.0.0.0:0", "--http-token-file", path)
        status, text = self.get(node, "/")
        self.assertEqual((status, TOKEN in text, node.id in text), (200, False, False))
        page = self.open(f"http://127.0.0.1:{node.http[1]}/")
        page.until("!document.getElementById('ask').hidden")
        self.assertEqual(page.ask("document.querySelectorAll('.node').length"), 0)
        for token, wrong in (("wrong", True), (TOKEN, False)):
            page.type("#token", token)
            page.press("Enter", number=13, text="\r")
            if wrong:
                page.until("document.getElementById('ask-wrong').textContent !== ''")
        page.until(STATES, lambda found: found == {node.id: "self"})
        self.assertTrue(page.ask("document.getElementById('ask').hidden"))
        self.assertTrue(all("token" not in address and TOKEN not in address for address in page.requests))
        page.call("Page.reload")
        page.until("document.readyState === 'complete' && window.performance.now() > 0")
        page.until(STATES, lambda found: found == {node.id: "self"})
        self.assertEqual([error for error in page.errors if "401" not in error], [])

    def test_names_that_look_like_html_are_text(self):
        rain = self.http_node("--node", "rain")
        page = self.show(rain)
        peer = script(self, rain, HOSTILE, ["", "g_slave", {}, 1], ["", "g_upd", HOSTILE, {HOSTILE: HOSTILE}, []])
        page.until(STATES, lambda found: found.get(HOSTILE) == "up")
        page.until(rows("families"), lambda found: HOSTILE in found)
        page.click("#families tr[data-key^='<img'] .plain")
        page.until(rows("entries"), lambda found: found == [HOSTILE])
        self.assertIn(json.dumps(HOSTILE), page.text("#entries"))
        page.click("#links thead button")
        page.until(rows("links"), lambda found: HOSTILE in found)
        peer.close()
        page.until("document.getElementById('log').textContent", lambda text: HOSTILE + " is lost" in text)
        self.assertEqual(page.ask("document.images.length"), 0)
        self.assert_quiet(page)


class StageTest(PageTest):
    """What a real node says only when things are bad: played."""

    def setUp(self):
        super().setUp()
        self.stage = Stage(self.get(self.http_node("--node", "rain"), "/")[1].encode())
        self.addCleanup(self.stage.close)

    def alarm(self, page, name):
        page.until(ALARMS, lambda found: name in found)
        return page.text(f"[data-alarm='{name}']")

    def test_every_alarm_is_shown_and_goes_again(self):
        stage = self.stage
        stage.cluster(2, 0)
        page = self.open(stage.address)
        page.until("document.getElementById('verdict').dataset.level", lambda level: level == "good")
        self.assertEqual(page.ask(ALARMS), [])
        with stage.lock:
            stage.node["draining"] = True
            stage.links[0].update(full=True, queued_bytes=8388608)
            stage.ports = [stage.port("hub-a#slow", full=True, queued_bytes=1048576)]
            stage.counts.update(full=2, lost=14, refused=3, slow=2)
            stage.failed.update(secret=1, certificate=2, tls=3, crowded=4, identity=5)
            stage.lines = [{"time": stage.now(), "level": "error", "line": "two nodes use the ID hub-b: the one ..."}]
            stage.node["log"] = 1
        self.assertIn("drains", self.alarm(page, "draining"))
        self.assertIn("the ID hub-b", self.alarm(page, "identity"))
        self.assertIn("8.39\u202fMB wait", self.alarm(page, "full link hub-b"))
        self.assertIn("hub-a#slow", self.alarm(page, "full port hub-a#slow"))
        self.assertIn("14 messages", self.alarm(page, "lost"))
        for name in ("refused", "slow", "secret", "certificate", "tls", "crowded"):
            self.assertIn("ten minutes", self.alarm(page, name))
        self.assertEqual(page.ask("document.getElementById('verdict').dataset.level"), "red")
        self.assertGreaterEqual(page.ask(CONTRAST)[0][0], 4.5)
        with stage.lock:
            stage.node["draining"] = False
            stage.links[0]["full"] = stage.ports[0]["full"] = False
            stage.counts["full"] = 1
        self.assertIn("none of those shown", self.alarm(page, "full"))
        page.until(ALARMS, lambda found: "draining" not in found and "full link hub-b" not in found)
        self.assert_quiet(page)

    def test_shards_that_stand_still_are_alarms(self):
        page = self.open(self.stage.address)
        page.until(STATES, lambda found: len(found) == 1)
        self.stage.turns = False
        self.assertIn("Shard 0", self.alarm(page, "stuck 0"))
        self.stage.turns = True
        page.until(ALARMS, lambda found: found == [])
        self.stage.survey = False
        self.assertIn("do not answer", self.alarm(page, "survey"))

    def test_browser_that_is_behind_shows_what_is_newest_and_not_all_that_was(self):
        page = self.open(self.stage.address)
        page.until(STATES, lambda found: len(found) == 1)
        page.ask("window.changes = 0; new MutationObserver((list) => { changes += list.length; })"
                 ".observe(document.body, {subtree: true, childList: true, characterData: true, attributes: true})")
        page.until("changes", lambda changes: changes > 0)
        before, events = page.ask("changes"), self.stage.events
        self.until(lambda: self.stage.events, lambda now: now >= events + 10)
        each = (page.ask("changes") - before) / 10  # of an event that is shown
        self.stage.burst = 1000
        self.until(lambda: self.stage.burst, lambda burst: burst == 1)
        with self.stage.lock:
            self.stage.node["draining"] = True
        before, events = page.ask("changes"), self.stage.events
        self.assertIn("drains", self.alarm(page, "draining"))
        self.assertLess(page.ask("changes") - before, each * (500 + self.stage.events - events))

    def test_clock_that_is_off_is_an_alarm(self):
        self.stage.offset = -90
        page = self.open(self.stage.address)
        self.assertIn("Clocks differ by 1\u202fmin", self.alarm(page, "clock"))
        self.assertIn("behind", self.alarm(page, "clock"))

    def test_stream_that_is_silent_is_opened_again(self):
        page = self.open(self.stage.address)
        page.until(STATES, lambda found: len(found) == 1)
        before = self.stage.streams
        self.stage.silent = True
        page.until("document.body.classList.contains('stale')")
        self.stage.silent = False
        page.until("document.getElementById('live').dataset.state", lambda state: state == "live")
        self.assertGreater(self.stage.streams, before)

    def test_sixty_nodes_are_drawn_apart_with_names_that_can_be_read(self):
        self.stage.cluster(3, 57)
        for width, height in SIZES:
            with self.subTest(width=width):
                page = self.open(self.stage.address, width=width, height=height)
                page.until(STATES, lambda found: len(found) == 60)
                places = page.ask("[...document.querySelectorAll('.node .dot')].map((each) => { const box = "
                                  "each.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })")
                near = min(abs(complex(*a) - complex(*b)) for i, a in enumerate(places) for b in places[:i])
                self.assertGreater(near, 9)
                outside = page.ask("""(() => {
                  const box = document.getElementById('picture').getBoundingClientRect();
                  return [...document.querySelectorAll('.node text')].filter((each) => {
                    const label = each.getBoundingClientRect();
                    return label.left < box.left - 1 || label.right > box.right + 1 || label.top < box.top - 1 ||
                      label.bottom > box.bottom + 1;
                  }).map((each) => each.textContent);
                })()""")
                self.assertEqual(outside, [])
                hidden = page.ask("document.querySelectorAll('.node text.hidden').length")
                self.assertEqual(hidden, 0)
                self.assert_quiet(page)
        self.stage.cluster(3, 56)
        page.until(STATES, lambda found: found["edge-prod-56.example.net"] == "lost")

    def test_picture_is_the_same_for_the_same_nodes(self):
        self.stage.cluster(4, 9)
        marks = ("[...document.querySelectorAll('.node')].map((each) => each.dataset.node + "
                 "each.getAttribute('transform')).sort()")
        found = []
        for _ in range(2):
            page = self.open(self.stage.address)
            page.until(STATES, lambda states: len(states) == 13)
            page.until("document.querySelectorAll('.way').length", lambda count: count == 15)
            found.append(page.ask(marks))
        self.assertEqual(found[0], found[1])
        with self.stage.lock:
            self.stage.members.reverse()
        at = page.ask("document.body.dataset.at")
        page.until("document.body.dataset.at", lambda now: float(now) > float(at) + 2)
        self.assertEqual(page.ask(marks), found[0])


if __name__ == "__main__":
    if "PTL_NO_BROWSER" in os.environ:  # tools/dev says why
        sys.exit(77)
    unittest.main()
