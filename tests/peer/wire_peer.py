"""A node of its own that speaks frames, written from docs/wire.md and docs/protocol.md alone.

  peer = Peer.dial("127.0.0.1:4040", "apple", secret)
  peer.message("echo", "echo", "hello", "apple#in")
  peer.run_until(lambda: peer.messages)        # [("in", ["hello"])]

It shares no line with the C sources, so that a mistake of theirs, or of the pages', is not repeated here.
One object is one connection; nothing happens but inside run_until().  What the node at the other end may
not do raises Fault.
"""

import collections
import hashlib
import hmac
import os
import select
import socket
import struct
import time

PATIENCE = 60  # seconds that anything may take
VALUES_MAX, LENGTH_MAX = 16384, 17408

HEARTBEAT, OPEN, CLOSE, CLOSED, CREDIT, GOODBYE, ERROR = range(1, 8)
MESSAGE, FIRST, PIECE, KILL, MONITOR, UNMONITOR, DOWN, SPAWN = range(16, 24)
TIME = 36
HAVE_VALUES = {MESSAGE, KILL, DOWN, SPAWN, *range(32, 58)}  # and may go in pieces

Frame = collections.namedtuple("Frame", "kind number flow body")


class Fault(Exception):
    """The node has broken a rule of the page."""


def rule(kept, text):
    if not kept:
        raise Fault(text)


# ---- Values: plain CBOR --------------------------------------------------------------------------


def encode(value):
    def head(major, number):
        for extra, form in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
            if number < 24:
                return bytes([major << 5 | number])
            if number < 1 << 8 * struct.calcsize(form):
                return bytes([major << 5 | extra]) + struct.pack(form, number)
        raise ValueError(number)

    if value is None or value is True or value is False:
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    pairs = b"".join(encode(key) + encode(item) for key, item in value.items())
    return head(5, len(value)) + pairs


class Decoder:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        rule(self.at + size <= len(self.data), "values that are cut")
        self.at += size
        return self.data[self.at - size:self.at]

    def value(self, depth=0):
        rule(depth <= 500, "values nested too deep")
        major, info = divmod(self.take(1)[0], 32)
        if major == 7:
            return self.simple(info)
        rule(info < 28, "values of indefinite length")
        number = info if info < 24 else int.from_bytes(self.take(1 << info - 24), "big")
        if major == 2:
            return self.take(number)
        if major == 3:
            return self.take(number).decode()
        if major == 4:
            return [self.value(depth + 1) for _ in range(number)]
        if major == 5:
            return {self.value(depth + 1): self.value(depth + 1) for _ in range(number)}
        rule(major < 2, "a tag")
        return number if major == 0 else -1 - number

    def simple(self, info):
        if info in (26, 27):
            form = ">f" if info == 26 else ">d"
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        rule(info in (20, 21, 22), "a value that is not plain")
        return {20: False, 21: True, 22: None}[info]


def decode(data, count):
    decoder = Decoder(data)
    values = [decoder.value() for _ in range(count)]
    rule(decoder.at == len(data), "values that do not fill the body")
    return values


def text(value):
    """A string, in whichever of the two kinds it came."""
    return value.decode() if isinstance(value, bytes) else value


# ---- Ports ---------------------------------------------------------------------------------------

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def base62(digits):
    number = 0
    for digit in digits:
        if digit not in DIGITS:
            return None
        number = number * 62 + DIGITS.index(digit)
    return number


def put_port(name, incarnation):
    """A port of the node that has told this incarnation."""
    if name == "":
        return b"\0"
    if len(name) == 22 and base62(name[:11]) == incarnation and base62(name[11:]) is not None:
        return b"\1" + struct.pack("<Q", base62(name[11:]))
    return bytes([2, len(name.encode())]) + name.encode()


def take_port(body):
    """A port of ours, all of which have names that we have chosen; and what stands behind it."""
    if body[:1] == b"\0":
        return "", body[1:]
    rule(body[:1] == b"\2" and len(body) >= 2 + body[1] and 1 <= body[1] <= 229, "no port of ours")
    return body[2:2 + body[1]].decode(), body[2 + body[1]:]


# ---- One connection ------------------------------------------------------------------------------


class Peer:
    def __init__(self, sock, node, secret, silence_ms=2000, incarnation=0xabc):
        self.socket, self.node, self.secret = sock, node, secret.encode()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(PATIENCE)
        self.silence_ms, self.incarnation = silence_ms, incarnation
        self.data, self.frames = b"", []  # what has come: bytes of a cut frame; all frames, as they came
        self.messages, self.downs, self.errors, self.requests = [], [], [], []
        self.monitored = {}  # by the tag: a port of ours, and its watcher as it is written
        self.tags = set()  # of our monitors that are not answered
        self.ended = self.said_goodbye = self.quiet = False
        self.flows_in, self.making, self.current_in = {0: ""}, {}, 0
        self.flows_out, self.current_out = {"": 0}, 0
        self.open()

    @classmethod
    def dial(cls, address, node, secret, **more):
        host, port = address.rsplit(":", 1)
        return cls(socket.create_connection((host, int(port)), PATIENCE), node, secret, **more)

    # -- Opening

    def open(self):
        keys = f"mproto=1;portolan={self.incarnation:x}.0.4000000;frames=1.0.1.1000.10000.100000.{self.silence_ms:x}"
        ours = f"aemp;1;{self.node};hmac_sha3_512;portolan,cbor;{keys}\n{os.urandom(20).hex()}\n".encode()
        self.socket.sendall(ours)
        theirs = self.line() + self.line()
        self.read_greeting(theirs.split(b"\n")[0].decode())
        self.socket.sendall(b"hmac_sha3_512;" + self.proof(ours + theirs) + b";portolan;session=1\n")
        method, proof, framing = self.line().rstrip(b"\n").split(b";")[:3]
        assert (method, framing) == (b"hmac_sha3_512", b"portolan")
        assert proof == self.proof(theirs + ours)
        self.sent_at = time.monotonic()
        if self.node < self.peer:
            self.send(HEARTBEAT)  # this connection is the one

    def line(self):
        while b"\n" not in self.data:
            some = self.socket.recv(65536)
            assert some, "closed within the opening"
            self.data += some
        end = self.data.index(b"\n") + 1
        line, self.data = self.data[:end], self.data[end:]
        return line

    def proof(self, lines):
        return hmac.new(self.secret, lines, hashlib.sha3_512).hexdigest().encode()

    def read_greeting(self, line):
        aemp, version, self.peer, _, framings, *keys = line.split(";")
        keys = dict(key.split("=", 1) for key in keys)
        assert (aemp, version) == ("aemp", "1") and framings.split(",")[0] == "portolan"
        self.peer_incarnation = int(keys["portolan"].split(".")[0], 16)
        said = [int(number, 16) for number in keys["frames"].split(".")]
        version, self.peer_features, lanes, self.peer_flows, flow_room, lane_room, self.peer_silence_ms = said[:7]
        least = (1, 0, 1, 64, 32768, 65536, 300)
        assert all(number >= floor for number, floor in zip(said, least)), said

    # -- Out

    def send(self, kind, body=b"", number=0, flow=None):
        """One frame; `flow` is its flow, for the kinds that have one."""
        number_of_flow = b""
        if flow is not None and flow != self.current_out:
            kind, number_of_flow, self.current_out = kind | 0x80, struct.pack("<I", flow), flow
        behind = number_of_flow + body
        self.send_bytes(struct.pack("<BBH", kind, number, len(behind)) + behind)

    def send_bytes(self, data):
        self.socket.sendall(data)
        self.sent_at = time.monotonic()

    def flow_to(self, port):
        if port not in self.flows_out:
            taken = set(self.flows_out.values())
            self.flows_out[port] = next(number for number in range(1, self.peer_flows) if number not in taken)
            self.send(OPEN, struct.pack("<I", self.flows_out[port]) + put_port(port, self.peer_incarnation))
        return self.flows_out[port]

    def close_flow(self, port):
        number = self.flows_out.pop(port)
        self.send(CLOSE, struct.pack("<I", number))
        if self.current_out == number:
            self.current_out = None

    def pieces(self, port, values, kind=MESSAGE, fields=b""):
        """Send them one at a time, as often as this is asked for the next."""
        flow, body = self.flow_to(port), fields + b"".join(map(encode, values))
        if len(body) <= VALUES_MAX:
            number = len(values) if len(values) < 255 else 255
            count = struct.pack("<I", len(values)) if number == 255 else b""
            self.send(kind, count + body, number, None if kind >= 32 else flow)
            return
        self.send(FIRST, struct.pack("<QI", len(body), len(values)) + body[:VALUES_MAX], kind, flow)
        for at in range(VALUES_MAX, len(body), VALUES_MAX):
            yield
            self.send(PIECE, body[at:at + VALUES_MAX], 0, flow)

    def message(self, port, *values):
        for _ in self.pieces(port, values):
            pass

    def kill(self, port, *values):
        for _ in self.pieces(port, values, KILL):
            pass

    def spawn(self, port, *values):
        for _ in self.pieces(port, values, SPAWN):
            pass

    def request(self, kind, *values):
        for _ in self.pieces("", values, kind):
            pass

    def down(self, port, *values):
        """A port of ours is gone."""
        for tag in [tag for tag, (watched, _) in self.monitored.items() if watched == port]:
            del self.monitored[tag]
            for _ in self.pieces("", values, DOWN, struct.pack("<Q", tag)):
                pass

    def monitor(self, port, tag, watcher=""):
        self.send(MONITOR, struct.pack("<Q", tag) + put_port(watcher, None), 0, self.flow_to(port))
        self.tags.add(tag)

    def goodbye(self):
        self.send(GOODBYE)

    # -- In

    def run_until(self, condition, seconds=PATIENCE):
        """Take what comes, and say that we live as often as the node wants to hear it."""
        until = time.monotonic() + seconds
        while not condition():
            now = time.monotonic()
            assert now < until, f"it never came: {self.frames[-20:]}"
            assert not self.ended, "the connection has ended"
            beat_at = self.sent_at + self.peer_silence_ms / 4000
            if now >= beat_at and not self.quiet:
                self.send(HEARTBEAT)
                continue
            if select.select([self.socket], [], [], min(until, until if self.quiet else beat_at) - now)[0]:
                self.receive()

    def receive(self):
        try:
            some = self.socket.recv(1 << 20)
        except ConnectionResetError:
            some = b""
        self.ended = not some
        self.data += some
        while len(self.data) >= 4:
            kind, number, length = struct.unpack_from("<BBH", self.data)
            rule(length <= LENGTH_MAX, "a frame that is too long")
            if len(self.data) < 4 + length:
                break
            body, self.data = self.data[4:4 + length], self.data[4 + length:]
            self.take(kind, number, body)

    def take(self, first, number, body):
        rule(not self.said_goodbye and not self.errors, "a frame behind the last one")
        kind, flow = first & 0x3f, None
        rule(kind != 0, "no kind")
        if first & 0x80:
            rule(16 <= kind < 32, "a flow's number where there is none")
            flow, body = struct.unpack_from("<I", body)[0], body[4:]
        if first & 0x40:
            rule(kind >= 16, "parts of a frame of the link")
            body = body[1 + body[0]:]
        if kind in HAVE_VALUES and number == 255:
            number, body = struct.unpack_from("<I", body)[0], body[4:]
        self.frames.append(Frame(kind, number, flow, len(body)))
        if kind < 16:
            self.take_of_link(kind, body)
        elif kind < 32:
            self.current_in = self.current_in if flow is None else flow
            rule(self.current_in in self.flows_in, "a flow that is not open")
            self.take_of_flow(kind, number, self.current_in, body)
        else:
            self.take_whole(kind, number, 0, body)

    def take_of_link(self, kind, body):
        if kind == OPEN:
            flow, (port, _) = struct.unpack_from("<I", body)[0], take_port(body[4:])
            rule(0 < flow < 0x1000 and flow not in self.flows_in and port, "OPEN of what it may not be")
            self.flows_in[flow] = port
        elif kind == CLOSE:
            flow = struct.unpack_from("<I", body)[0]
            rule(flow and flow not in self.making and self.flows_in.pop(flow, None), "CLOSE of what is not open")
        elif kind == GOODBYE:
            self.said_goodbye = True
        elif kind == ERROR:
            self.errors.append(struct.unpack_from("<H", body)[0])
        else:
            rule(kind == HEARTBEAT or kind > ERROR, "a frame that is not agreed")

    def take_of_flow(self, kind, number, flow, body):
        if kind == PIECE:
            rule(flow in self.making and 1 <= len(body) <= VALUES_MAX, "a piece of nothing")
            whole, of_kind, count, have = self.making.pop(flow)
            self.take_pieces(whole, of_kind, count, have + body, flow)
            return
        rule(flow not in self.making, "something between pieces")
        if kind == FIRST:
            whole, count = struct.unpack_from("<QI", body)
            rule(number in HAVE_VALUES and 1 <= len(body) - 12 <= VALUES_MAX, "FIRST of what does not go in pieces")
            rule(len(body) - 12 < whole <= 0x4000000 + 1024, "FIRST of too much, or of all")
            self.take_pieces(whole, number, count, body[12:], flow)
            return
        rule(len(body) <= VALUES_MAX, "more than a frame may have")
        self.take_whole(kind, number, flow, body)

    def take_pieces(self, whole, kind, count, have, flow):
        rule(len(have) <= whole, "pieces beyond the whole")
        if len(have) == whole:
            self.take_whole(kind, count, flow, have)
        else:
            self.making[flow] = (whole, kind, count, have)

    def take_whole(self, kind, count, flow, body):
        port = self.flows_in[flow]
        if kind >= 32:
            rule(flow == 0, "a request to a port")
            self.requests.append((kind, decode(body, count)))
        elif kind == DOWN:
            tag, = struct.unpack_from("<Q", body)
            rule(tag in self.tags, "a tag that is not ours")
            self.tags.remove(tag)
            self.downs.append((tag, decode(body[8:], count)))
        elif kind == MESSAGE:
            self.messages.append((port, decode(body, count)))
        elif kind == MONITOR:
            rule(port, "MONITOR of the node port")
            tag, = struct.unpack_from("<Q", body)
            rule(tag not in self.monitored, "a tag that is in use")
            self.monitored[tag] = port, body[8:]
        elif kind == UNMONITOR:
            self.monitored.pop(struct.unpack_from("<Q", body)[0], None)

    def close(self):
        self.socket.close()
