#!/usr/bin/env python3
"""Three nodes under load are drained, started again and joined again, one after the other."""

import json
import os
import re
import signal
import sys
import threading
import unittest
import urllib.error
import urllib.request

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, SECRET, SLOW, Node, Receiver, ToolTest, unused_address

NAMES = ("rain", "snow", "fog")
ASKED = 1000  # answers that a receiver does not take
MORE = 500    # messages that say that the load goes on
PATIENT = ("--silence-ms", "20000")  # nobody is taken for dead who only waits for a processor


def too_much_for_a_socket():
    """Bytes that a socket does not hold, and a link does (8 MiB) with what that holds."""
    with open("/proc/sys/net/ipv4/tcp_wmem", encoding="ascii") as file:
        return int(file.read().split()[2]) + (4 << 20)


class SippingReceiver(Receiver):
    """One that takes a sip now and then until it is told to take all: who takes nothing for ten seconds is gone."""
    SIP, SECONDS = 65536, 2

    def __init__(self, node, count, padding):
        super().__init__(node, count, padding, self.SIP)
        self.sipped = b""
        self.is_to_read = threading.Event()
        self.sipping = threading.Thread(target=self.sip, daemon=True)
        self.sipping.start()

    def sip(self):
        while not self.is_to_read.wait(self.SECONDS) and (some := self.socket.recv(self.SIP)):
            self.sipped += some

    def read(self):
        self.is_to_read.set()
        self.sipping.join()
        return self.sipped + super().read()


class Cluster(ToolTest):
    def setUp(self):
        super().setUp()
        self.addresses = {name: unused_address() for name in NAMES}
        self.pages = {name: unused_address() for name in NAMES}
        self.nodes = {}
        for name in NAMES:
            self.write(name)
            self.start_node(name)
        for name in NAMES:
            self.await_joined(name)

    def write(self, name):
        lines = [f"node = {name}", f"bind = {self.addresses[name]}", f"http = {self.pages[name]}",
                 f"secret = {SECRET}", "shards = 2", "drain-seconds = 60", f"silence-ms = {PATIENT[1]}"]
        lines += [f"seed = {address}" for other, address in self.addresses.items() if other != name]
        lines += [f"service = {service}" for service in ("bench", "drain", "echo", "sink")]
        with open(self.path(name), "w", encoding="utf-8") as file:
            os.chmod(self.path(name), 0o600)
            file.write("\n".join(lines) + "\n")

    def path(self, name):
        return os.path.join(self.home, f"{name}.conf")

    def start_node(self, name):
        node = self.nodes[name] = Node(self.home, "--config", self.path(name))
        self.addCleanup(self.end_node, node)

    def others(self, name):
        return [other for other in NAMES if other != name]

    def way(self, name):
        """To the network, by a node."""
        return "--seed", self.addresses[name], "--secret", SECRET, *PATIENT

    # ---- What a node says of itself --------------------------------------------------------------

    def get(self, name, path):
        try:
            with urllib.request.urlopen(f"http://{self.pages[name]}{path}", timeout=LIMIT) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.read().decode()

    def taken(self, name):
        """Messages that its handlers have taken since it was started."""
        lines = re.findall(r"^portolan_messages_taken_total(?:\{.*\})? (\S+)$", self.get(name, "/metrics")[1], re.M)
        return sum(map(float, lines))

    def linked(self, name):
        links = json.loads(self.get(name, "/api/links")[1])["links"]
        return sorted(link["node"] for link in links if link["up"] and link["node"] in NAMES)

    def await_joined(self, name):
        """It is ready, linked to the two others, and all three know that all have their services."""
        self.until(lambda: self.get(name, "/readyz"), lambda answer: answer == (200, "ready\n"))
        self.until(lambda: self.linked(name), lambda linked: linked == sorted(self.others(name)))
        if len(self.nodes) == len(NAMES):
            for each in NAMES:
                self.until(lambda each=each: self.run_tool("db", "keys", "echo", *self.way(each)),
                           lambda told: told[0] == 0 and sorted(json.loads(told[1])) ==
                           sorted(f"{other}#echo" for other in NAMES))

    def await_load(self):
        """Every node takes messages of the load, from now on."""
        before = {name: self.taken(name) for name in NAMES}
        for name in NAMES:
            self.until(lambda name=name: self.taken(name), lambda now, name=name: now >= before[name] + MORE)

    # ---- The load, and who watches ----------------------------------------------------------------

    def start_load(self, *arguments):
        """One that goes on until it is ended: nodes of two links each, whose ports send to ports of all three, while
        connections are cut and ports die."""
        targets = [word for name in NAMES for word in ("--target", name)]
        seeds = [word for name in NAMES for word in ("--seed", self.addresses[name])]
        load = self.start("bench", "--verify", *seeds, "--secret", SECRET, *targets, "--ports", "12", "--links", "2",
                          "--kill-every", "200", "--cut-every", "500ms", *PATIENT, "--duration", "1000",
                          "--timeout", str(20 * SLOW), "--json", "--log", "info", *arguments)
        for line in load.stderr:
            if "measuring" in line:
                return load
        self.fail(f"it ended before: {load.wait()}")

    def end_load(self, load):
        """Nothing is missing, doubled or out of order but what a monitor has told of, and each has told once."""
        load.send_signal(signal.SIGINT)
        code, out, err = self.finish(load)
        self.assertEqual(code, 130, out + err)
        result = json.loads(out)
        self.assertEqual(sum(result["findings"].values()), 0, result)
        self.assertEqual(result["absent"], 0, result)  # all ports have found their node again
        self.assertEqual(result["sent"], result["received"] + result["lost_and_told"], result)
        self.assertGreater(result["received"], 0, result)
        self.assertGreaterEqual(result["failures"], len(NAMES), result)

    def start_until(self, words, *arguments):
        """A command that has said so."""
        process = self.start(*arguments)
        for line in process.stderr:
            if words in line:
                return process
        self.fail(f"it ended before: {process.wait()}")

    def start_monitor(self, name):
        return self.start_until(f"monitoring {name}#sink", "mon", f"{name}#sink", "--log", "info",
                                *self.way(self.others(name)[0]))

    def assert_told_of_end(self, monitor, name):
        code, out, err = self.finish(monitor)
        self.assertEqual((code, json.loads(out)), (3, ["transport_error", name, "the peer has stopped"]), err)

    def start_watch(self, name):
        """Of who offers `echo`, as the node knows it."""
        watch = self.start("db", "watch", "echo", *self.way(name))
        for _ in NAMES:
            self.assertIn('"added"', watch.stdout.readline())
        return watch

    def assert_watch_tells(self, watch, event, name):
        told = json.loads(watch.stdout.readline())
        self.assertEqual((told["event"], told["key"]), (event, f"{name}#echo"))


class UpgradeTest(Cluster):
    def assert_drained(self, name):
        node = self.nodes[name]
        self.assertEqual(node.process.wait(LIMIT), 0, node.logged())
        self.assertIn("drained: all was delivered", node.logged())

    def drain_by_signal(self, name):
        self.nodes[name].process.send_signal(signal.SIGTERM)

    def drain_from_afar(self, name):
        self.assertEqual(self.run_tool("drain", name, *self.way(self.others(name)[0])), (0, "", ""))

    def drain_while_messages_wait(self, name):
        """It has accepted messages for a receiver that stands still: it waits for that, and is not ready."""
        receiver = SippingReceiver(self.nodes[name], ASKED, too_much_for_a_socket() // ASKED)
        self.until(lambda: self.run_tool("cal", f"{name}#sink", "count", *self.way(name)),
                   lambda told: told == (0, "[1]\n", ""))
        self.run_tool("cal", f"{name}#echo", "say", *self.way(name))
        drain = self.start("drain", name, *self.way(self.others(name)[0]))
        self.until(lambda: self.get(name, "/readyz"), lambda answer: answer == (503, "draining\n"))
        self.assertEqual((drain.poll(), self.nodes[name].process.poll()), (None, None))
        taken = [int(number) for number in re.findall(rb'\["in",([0-9]+),"x*"\]', receiver.read())]
        self.assertEqual(taken, list(range(ASKED)))
        self.assertEqual(self.finish(drain), (0, "", ""))

    def upgrade(self, name, drain):
        monitor, watch = self.start_monitor(name), self.start_watch(self.others(name)[1])
        drain(name)
        self.assert_told_of_end(monitor, name)
        self.assert_watch_tells(watch, "deleted", name)
        self.assert_drained(name)
        self.start_node(name)
        self.await_joined(name)
        self.assert_watch_tells(watch, "added", name)
        self.end(watch)

    def upgrade_all(self, load, *drains):
        self.await_load()
        for name, drain in zip(NAMES, drains):
            with self.subTest(node=name, drain=drain.__name__):
                self.upgrade(name, drain)
                self.await_load()
        self.end_load(load)

    def test_each_node_is_drained_and_restarted_in_turn_and_nothing_accepted_is_lost(self):
        self.upgrade_all(self.start_load(), self.drain_by_signal, self.drain_from_afar, self.drain_while_messages_wait)

    def test_so_it_is_under_full_load_of_every_size(self):
        load = self.start_load("--in-flight", "200", "--size", "0:5,16:90,1024:4,65536:1")
        self.upgrade_all(load, self.drain_from_afar, self.drain_by_signal, self.drain_from_afar)


if __name__ == "__main__":
    unittest.main()
