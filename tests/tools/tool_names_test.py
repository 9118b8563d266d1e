#!/usr/bin/env python3
"""
Seeds that are names of hosts and services.  The test has a network and a DNS of its own: it runs itself again in
namespaces where /etc/resolv.conf names a server that is a few lines of this file.  Exit code 77: nobody may make
namespaces on this machine.
"""

import fcntl
import json
import os
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, SECRET, ToolTest, unused_address

INSIDE = "PTL_TEST_HAS_NAMESPACES"
SERVICE = "_portolan._tcp.test"
TYPE_A, TYPE_SRV, CLASS_IN = 1, 33, 1
UDP_BYTES_MAX = 512


# ---- DNS -----------------------------------------------------------------------------------------

def encode_name(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".") if part) + b"\0"


def decode_name(query):
    at, parts = 12, []
    while size := query[at]:
        parts.append(query[at + 1:at + 1 + size].decode())
        at += 1 + size
    return ".".join(parts).lower(), at + 1


class Dns:
    """A server of 127.0.0.1.  `hosts`: addresses by name; `services`: (priority, weight, port, host) by name;
    `asked`: the names that were asked for.  One that is silent answers nothing."""

    def __init__(self):
        self.hosts, self.services, self.asked, self.is_silent = {}, {}, [], False
        dns = self

        class Datagram(socketserver.BaseRequestHandler):
            def handle(self):
                query, sock = self.request
                if answer := dns.answer(query):
                    whole = len(answer) <= UDP_BYTES_MAX
                    sock.sendto(answer if whole else dns.answer(query, is_cut=True), self.client_address)

        class Stream(socketserver.StreamRequestHandler):
            def handle(self):
                size, = struct.unpack(">H", self.rfile.read(2))
                if answer := dns.answer(self.rfile.read(size)):
                    self.wfile.write(struct.pack(">H", len(answer)) + answer)

        class Listener(socketserver.ThreadingTCPServer):
            allow_reuse_address = True

        self.servers = (socketserver.ThreadingUDPServer(("127.0.0.1", 53), Datagram), Listener(("127.0.0.1", 53), Stream))
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.02,)).start()

    def records(self, name, kind):
        if kind == TYPE_A:
            return [socket.inet_aton(address) for address in self.hosts.get(name, ())]
        if kind == TYPE_SRV:
            return [struct.pack(">HHH", *record[:3]) + encode_name(record[3]) for record in self.services.get(name, ())]
        return []

    def answer(self, query, is_cut=False):
        name, end = decode_name(query)
        kind, = struct.unpack_from(">H", query, end)
        self.asked.append(name)
        if self.is_silent:
            return None
        records = [] if is_cut else self.records(name, kind)
        is_known = name in self.hosts or name in self.services
        flags = 0x8180 | (0x200 if is_cut else 0) | (0 if is_known else 3)
        head = query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + query[12:end + 4]
        return head + b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, CLASS_IN, 0, len(data)) + data
                               for data in records)

    def stop(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()


# ---- Nodes ---------------------------------------------------------------------------------------

class NamesTest(ToolTest):
    def setUp(self):
        super().setUp()
        self.dns = Dns()
        self.addCleanup(self.dns.stop)

    def await_logged(self, node, *words):
        """There is a line that says all of that."""
        self.until(node.logged, lambda text: any(all(word in line for word in words) for line in text.splitlines()))

    def rain(self, *arguments):
        return self.node("--node", "rain", "--bind", unused_address(), "--secret", SECRET, "--service", "echo",
                         *arguments)

    def snow(self, seed, *arguments):
        return self.node("--node", "snow", "--secret", SECRET, "--service", "echo", "--seed", seed, *arguments)

    def assert_serves(self, node):
        self.assert_prints(["ahoy"], "cal", f"{node.id}#echo", "echo", "ahoy", "--seed", node.address, "--secret", SECRET)


class HostTest(NamesTest):
    def test_name_is_tried_from_when_dns_is_not_there_yet_until_one_of_its_addresses_answers(self):
        rain = self.rain()
        host, port = rain.address.split(":")
        self.dns.is_silent = True
        snow = self.snow(f"rain.test:{port}")
        self.await_logged(snow, "cannot join at rain.test", "cannot be resolved")
        self.dns.is_silent = False  # and nobody is called so
        self.dns.asked.clear()
        self.until(lambda: self.dns.asked, len)
        self.dns.hosts["rain.test"] = ["127.0.0.9"]
        self.await_logged(snow, "cannot join at rain.test", "Connection refused")
        self.dns.hosts["rain.test"] = ["127.0.0.9", host]
        self.await_logged(snow, "joined at rain.test")
        self.assert_prints(["ahoy"], "cal", "rain#echo", "echo", "ahoy", "--seed", snow.address, "--secret", SECRET)

    def test_name_of_which_the_first_address_is_another_network_s_leads_to_the_next(self):
        rain = self.rain()
        host, port = rain.address.split(":")
        self.node("--node", "fog", "--bind", f"127.0.0.9:{port}", "--secret", "that of quite another network")
        self.dns.hosts["all.test"] = ["127.0.0.9", host]
        snow = self.snow(f"all.test:{port}")
        self.await_logged(snow, "cannot join at all.test", "another secret")
        self.await_logged(snow, "joined at all.test")

    def keys(self, node):
        code, out, _ = self.run_tool("db", "keys", "echo", "--seed", node.address, "--secret", SECRET)
        return sorted(json.loads(out)) if code == 0 else []

    def ready(self, page):
        try:
            with urllib.request.urlopen(f"http://{page}/readyz", timeout=LIMIT) as answer:
                return answer.status
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code

    def test_name_that_stands_for_all_nodes_is_every_node_s_seed(self):
        """The first finds itself alone, is ready, and looks again; the others join whoever is there."""
        port = unused_address().split(":")[1]
        page = unused_address()
        nodes = []
        for i, name in enumerate(("rain", "snow", "fog")):
            self.dns.hosts["all.test"] = [f"127.0.0.{2 + k}" for k in range(i, -1, -1)]  # itself first
            nodes.append(self.node("--node", name, "--bind", f"127.0.0.{2 + i}:{port}", "--secret", SECRET, "--seed",
                                   f"all.test:{port}", "--service", "echo", *(("--http", page) if i == 0 else ())))
            if i == 0:
                self.await_logged(nodes[0], "the seed all.test", "leads to this node alone")
                self.assertEqual(self.ready(page), 200)
        for node in nodes:
            self.until(lambda node=node: self.keys(node), lambda keys: keys == ["fog#echo", "rain#echo", "snow#echo"])
        self.await_logged(nodes[0], "joined at all.test")  # which it has looked at again
        for node in nodes[1:]:
            self.assertNotIn("cannot join", node.logged())


class ServiceTest(NamesTest):
    def test_service_is_looked_for_until_one_of_its_hosts_answers_at_the_port_that_dns_says(self):
        rain = self.rain()
        host, port = rain.address.split(":")
        snow = self.snow(f"srv:{SERVICE}")
        self.await_logged(snow, f"cannot join at srv:{SERVICE}", "cannot be resolved")
        self.dns.hosts["dead.test"] = ["127.0.0.9"]
        self.dns.services[SERVICE] = [(0, 0, 4040, "dead.test")]
        self.await_logged(snow, f"cannot join at srv:{SERVICE}", "Connection refused")
        self.dns.hosts["rain.test"] = [host]
        self.dns.services[SERVICE] += [(7, 0, int(port), "rain.test"), (8, 0, 4040, "nobody.test")]
        self.await_logged(snow, f"joined at srv:{SERVICE}")
        self.assert_prints(["ahoy"], "cal", "snow#echo", "echo", "ahoy", "--seed", f"srv:{SERVICE}", "--secret", SECRET)

    def test_service_that_dns_says_is_not_to_be_had_cannot_be_resolved(self):
        self.dns.services[SERVICE] = [(0, 0, 0, "")]
        self.await_logged(self.snow(f"srv:{SERVICE}"), f"cannot join at srv:{SERVICE}", "cannot be resolved")

    def test_service_of_very_many_hosts_costs_so_many_names_and_no_more(self):
        self.dns.services[SERVICE] = [(0, 0, 4040, f"host{i}.test") for i in range(200)]  # by TCP
        self.await_logged(self.snow(f"srv:{SERVICE}"), f"cannot join at srv:{SERVICE}", "cannot be resolved")
        first = self.dns.asked.index(SERVICE)
        again = [i for i, name in enumerate(self.dns.asked) if name == SERVICE and i > first + 2]
        hosts = set(self.dns.asked[first:again[0] if again else None]) - {SERVICE}
        self.assertEqual(len(hosts), 16, hosts)

    def test_node_serves_and_ends_while_dns_is_silent(self):
        self.dns.is_silent = True
        snow = self.snow(f"srv:{SERVICE}", "--seed", "rain.test:4040")
        self.until(lambda: set(self.dns.asked), {SERVICE, "rain.test"}.issubset)
        self.assert_serves(snow)
        self.assertEqual(snow.stop()[0], 0)

    def test_seeds_that_are_none_are_refused_and_say_how(self):
        for seed in "srv:", "srv:_a._tcp.x:4040", "srv:a b", "srv:" + "a" * 256:
            self.assert_fails(1, "srv:_portolan._tcp.example", arguments=["run", "--seed", seed])
        self.assert_fails(1, "HOST:PORT", arguments=["run", "--bind", f"srv:{SERVICE}"])
        self.assert_fails(1, "HOST:PORT", arguments=["run", "--announce", f"srv:{SERVICE}"])
        self.assert_fails(1, "verify", "HOST:PORT", arguments=["bench", "--verify", "--seed", f"srv:{SERVICE}"])


# ---- Namespaces ----------------------------------------------------------------------------------

def raise_loopback():
    with socket.socket() as probe:
        fcntl.ioctl(probe, 0x8914, struct.pack("16sh22x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def put_in_place(text, path):
    """Where there is no such file what the library does by itself is right."""
    if os.path.exists(path):
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.chmod(file.name, 0o644)
            subprocess.run(["mount", "--bind", file.name, path], check=True)


def main():
    if os.environ.get(INSIDE):
        raise_loopback()
        put_in_place("nameserver 127.0.0.1\n", "/etc/resolv.conf")
        put_in_place("hosts: files dns\n", "/etc/nsswitch.conf")
        unittest.main()
    unshare = ["unshare", "--mount", "--net", *(() if os.getuid() == 0 else ("--user", "--map-root-user"))]
    able = subprocess.run([*unshare, "mount", "--bind", "/etc", "/etc"], stderr=subprocess.PIPE, check=False)
    if able.returncode != 0:
        print(f"no namespaces here: {able.stderr.decode().strip()}", file=sys.stderr)
        sys.exit(77)
    sys.exit(subprocess.run([*unshare, sys.executable, *sys.argv], env={**os.environ, INSIDE: "1"},
                            check=False).returncode)


if __name__ == "__main__":
    main()
