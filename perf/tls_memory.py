"""
perf/tls_memory.py - what connections cost a node that has certificates, by its resident memory.

Each kind has a node of its own, with one shard, and peers of ours whose TLS is Python's, in this
process: as many as are asked for, after a few that are not counted, for which the node has made
what it has once.  Of those that are not up it bears a hundred, for ten seconds.
"""
import hashlib
import re
import resource
import socket
import ssl
import sys
import time
from pathlib import Path

import pair

LOWEST, HIGHEST = "!low", "~high"  # no node's nonce begins with these: the lower is the client
STRANGERS_MAX = 100
FIRST = 16  # that are not counted
FRAMES = "mproto=1;portolan=%x.0.4000000;frames=1.0.1.1000.10000.100000.ea60"


class Peer:
    """One that has connected; the further it goes, the more it costs the node."""

    def __init__(self, address, name, certificate, number):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), pair.PATIENCE)
        self.name, self.certificate, self.number = name, certificate, number
        self.own = self.theirs = b""

    def greet(self, nonce):
        keys = f"tls=1.0;{FRAMES % (self.number + 1)}"
        self.own = f"aemp;1;{self.name};tls_sha3_512;portolan;{keys}\n{nonce}{self.number}\n".encode()
        self.socket.sendall(self.own)
        self.theirs = self.line() + self.line()

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise EOFError(f"the node has closed after {line}")
            line += byte
        return line

    def begin(self):
        """The first byte of TLS, that of a record."""
        self.socket.sendall(b"\x16")

    def hello(self, context):
        """All that a client says before the node has to answer; the answer has come."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing)
        try:
            client.do_handshake()
        except ssl.SSLWantReadError:
            self.socket.sendall(outgoing.read())
        if not self.socket.recv(1, socket.MSG_PEEK):
            raise EOFError("the node has closed")

    def link(self, context, server):
        self.socket = context.wrap_socket(self.socket, server_side=server)
        proof = hashlib.sha3_512(self.own + self.theirs).hexdigest()
        self.socket.sendall(f"tls_sha3_512;{proof};portolan;session=1\n".encode())
        self.line()
        self.socket.recv(1)  # the first frame: the link is up

    def is_closed(self):
        """The node has given it up; what it has said is not read."""
        if isinstance(self.socket, ssl.SSLSocket):
            return False  # it is up
        self.socket.setblocking(False)
        try:
            while some := self.socket.recv(65536):
                pass
            return some == b""
        except BlockingIOError:
            return False


def context_of(certificate, server, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate)
    context.load_verify_locations(certificate)
    context.minimum_version = context.maximum_version = version
    return context


def say_nothing(_peer, _contexts):
    pass


def await_hello(peer, _contexts):
    peer.greet(LOWEST)


def await_answer(peer, _contexts):
    peer.greet(HIGHEST)
    peer.socket.recv(1, socket.MSG_PEEK)  # the node's hello


def begin(peer, _contexts):
    peer.greet(LOWEST)
    peer.begin()


def hello(peer, contexts):
    peer.greet(LOWEST)
    peer.hello(contexts[False])


def link_as_client(peer, contexts):
    peer.greet(LOWEST)
    peer.link(contexts[False], False)


def link_as_server(peer, contexts):
    peer.greet(HIGHEST)
    peer.link(contexts[True], True)


KINDS = [  # what it is, how it comes about, TLS's version, whether it is up
    ("says nothing", say_nothing, 13, False),
    ("has greeted, and is to speak first in TLS", await_hello, 13, False),
    ("has greeted, and has the node's first words of TLS", await_answer, 13, False),
    ("has said one byte of TLS", begin, 13, False),
    ("has the node's certificate, and does not answer", hello, 13, False),
    ("has the node's certificate, and does not answer (1.2)", hello, 12, False),
    ("is linked, as the client of TLS 1.3", link_as_client, 13, True),
    ("is linked, as the server of TLS 1.3", link_as_server, 13, True),
    ("is linked, as the client of TLS 1.2", link_as_client, 12, True),
    ("is linked, as the server of TLS 1.2", link_as_server, 12, True),
]


def settled(process):
    """Its resident bytes, once they stay the same."""
    status = Path(f"/proc/{process}/status")
    now = before = None
    for _ in range(100):
        now = int(re.search(r"VmRSS:\s*(\d+) kB", status.read_text()).group(1)) * 1024
        if now == before:
            break
        before = now
        time.sleep(0.1)
    return now


def cost(portolan, certificate, act, version, count):
    """Bytes that one of them costs."""
    version = ssl.TLSVersion.TLSv1_2 if version == 12 else ssl.TLSVersion.TLSv1_3
    contexts = {server: context_of(certificate, server, version) for server in (False, True)}
    peers = []

    def add(more, address):
        for _ in range(more):
            peers.append(Peer(address, f"snow{len(peers)}", certificate, len(peers)))
            act(peers[-1], contexts)

    with pair.process_and_address(portolan, "--cert", certificate, "--tls", "require",
                                  "--silence-ms", "600000") as (process, address):
        add(FIRST, address)
        before = settled(process)
        add(count, address)
        after = settled(process)
        if closed := sum(peer.is_closed() for peer in peers):
            sys.exit(f"the node has closed {closed} of {len(peers)}: it had to bear them for too long")
        for peer in peers:
            peer.socket.close()
    return (after - before) / count


def table(portolan, certificate, count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for text, act, version, is_up in KINDS:
        many = count if is_up else min(count, STRANGERS_MAX)
        bytes_each = cost(portolan, certificate, act, version, many)
        print(f"{bytes_each / 1024:6.1f} KiB  a connection that {text} ({many:,} of them)", flush=True)
