#!/usr/bin/env python3
"""docs/wire.md is enough: a peer that was written from that page joins a node over frames."""

import os
import pathlib
import socket
import struct
import sys
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]
import wire_peer as wire
from tool import LIMIT, SECRET, ToolTest
from wire_peer import Peer, encode

LARGE = bytes(range(256)) * 1200


class WireTest(ToolTest):
    def rain(self, *arguments):
        return self.node("--node", "rain", "--service", "echo", "--service", "sink", "--secret", SECRET, *arguments)

    def dial(self, rain, node="apple", **more):
        peer = Peer.dial(rain.address, node, SECRET, **more)
        self.addCleanup(peer.close)
        return peer

    def answer(self, peer, count=1):
        """The next messages to us, as (port, values)."""
        peer.run_until(lambda: len(peer.messages) >= count)
        taken, peer.messages = peer.messages[:count], peer.messages[count:]
        return taken

    def assert_works(self, peer):
        peer.message("echo", "echo", "works", f"{peer.node}#in")
        self.assertEqual(self.answer(peer), [("in", ["works"])])


class MessageTest(WireTest):
    def test_messages_go_there_and_back_whoever_has_the_lower_id(self):
        rain = self.rain()
        values = ["hello", 7, -1, 1.5, None, True, [1, ["two"]], {"k": b"\xff"}, "grüße", 1 << 40]
        for node in "apple", "zebra":
            peer = self.dial(rain, node)
            if node == "zebra":  # the other side says which connection it is
                peer.run_until(lambda peer=peer: peer.frames)
            for port in "in", "other", "in":
                peer.message("echo", "echo", *values, f"{node}#{port}")
                self.assertEqual(self.answer(peer), [(port, values)])

    def test_many_values_have_a_count_of_their_own(self):
        peer = self.dial(self.rain())
        values = list(range(300))
        peer.message("echo", "echo", *values, "apple#in")
        self.assertEqual(self.answer(peer), [("in", values)])
        self.assertIn(300, [frame.number for frame in peer.frames])

    def test_large_messages_go_in_pieces(self):
        peer = self.dial(self.rain())
        peer.message("echo", "echo", LARGE, "end", "apple#in")
        self.assertEqual(self.answer(peer), [("in", [LARGE, "end"])])
        kinds = [frame.kind for frame in peer.frames]
        size = len(encode(LARGE) + encode("end"))
        self.assertEqual(kinds.count(wire.FIRST), 1)
        self.assertEqual(kinds.count(wire.PIECE), -(-size // wire.VALUES_MAX) - 1)

    def test_pieces_of_several_flows_may_be_mixed(self):
        peer = self.dial(self.rain())
        names = "one", "two", "three"
        for name in names:
            peer.spawn(name, "portolan::echo")
        larges = [peer.pieces(name, ["echo", name, LARGE, "apple#in"]) for name in names]
        while larges:
            larges = [large for large in larges if next(large, "over") != "over"]
            peer.message("echo", "echo", "small", "apple#in")
        small, large = ("in", ["small"]), [("in", [name, LARGE]) for name in names]
        peer.run_until(lambda: sum(got in large for got in peer.messages) == 3)
        self.assertTrue(all(got == small or got in large for got in peer.messages))

    def test_flow_is_closed_and_its_number_used_again(self):
        peer = self.dial(self.rain())
        for _ in range(3):
            for port in "sink", "echo":
                peer.message(port, "echo", port, "apple#in")
                number = peer.flows_out[port]
                self.assertEqual(number, 1)
                if port == "sink":
                    peer.close_flow(port)
            self.assertEqual(self.answer(peer), [("in", ["echo"])])
            peer.close_flow("echo")

    def test_requests_have_kinds_of_their_own(self):
        peer = self.dial(self.rain())
        peer.request(wire.TIME, "apple#in", "it is")
        port, (word, seconds) = self.answer(peer)[0]
        self.assertEqual((port, word), ("in", "it is"))
        self.assertGreater(seconds, 1.7e9)
        peer.message("", "time", "apple#in", "as a message")  # as in AEMP, on flow 0
        self.assertEqual(self.answer(peer)[0][1][0], "as a message")

    def test_node_made_port_is_addressed_by_its_number(self):
        """A client calls a port of ours, and gets its answer at a port that it has made."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = self.start("cal", "apple#in", "question", "--secret", SECRET, "--seed",
                                f"127.0.0.1:{listener.getsockname()[1]}")
            listener.settimeout(LIMIT)
            peer = Peer(listener.accept()[0], "apple", SECRET)
            self.addCleanup(peer.close)
            (port, (word, back)), = self.answer(peer)
            self.assertEqual((port, wire.text(word)), ("in", "question"))
            name = wire.text(back).split("#")[1]
            self.assertEqual(wire.put_port(name, peer.peer_incarnation)[0], 1)
            peer.message(name, "answer", 42)
            self.assertEqual(self.finish(client)[:2], (0, '["answer",42]\n'))


class DeathTest(WireTest):
    def test_port_there_is_spawned_monitored_and_killed(self):
        peer = self.dial(self.rain())
        peer.spawn("mine", "portolan::echo")
        peer.monitor("mine", 7)
        peer.monitor("mine", 1 << 63, "in")
        peer.message("mine", "echo", "lives", "apple#in")
        self.assertEqual(self.answer(peer), [("in", ["lives"])])
        peer.kill("mine", "enough", 1)
        peer.run_until(lambda: len(peer.downs) == 2)
        self.assertEqual({tag for tag, _ in peer.downs}, {7, 1 << 63})
        for _, reason in peer.downs:
            self.assertEqual([wire.text(reason[0]), reason[1]], ["enough", 1])
        peer.monitor("nobody", 7)
        peer.run_until(lambda: len(peer.downs) == 3)
        tag, reason = peer.downs[-1]
        self.assertEqual((tag, wire.text(reason[0])), (7, "no_such_port"))

    def test_port_here_is_monitored_and_told_of(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            monitor = self.start("mon", "apple#in", "--secret", SECRET, "--seed",
                                 f"127.0.0.1:{listener.getsockname()[1]}")
            listener.settimeout(LIMIT)
            peer = Peer(listener.accept()[0], "apple", SECRET)
            self.addCleanup(peer.close)
            peer.run_until(lambda: peer.monitored)
            self.assertEqual([port for port, _ in peer.monitored.values()], ["in"])
            peer.down("in", "gone", LARGE.hex())
            self.assertEqual(self.finish(monitor)[1], f'["gone","{LARGE.hex()}"]\n')

    def test_heartbeats_come_as_often_as_we_want_and_keep_us_linked(self):
        peer = self.dial(self.rain("--silence-ms", "3000"), silence_ms=1000)
        self.assertEqual(peer.peer_silence_ms, 3000)
        peer.run_until(lambda: sum(frame.kind == wire.HEARTBEAT for frame in peer.frames) >= 16)
        self.assert_works(peer)
        peer.quiet = True
        with self.assertRaisesRegex(AssertionError, "has ended"):
            peer.run_until(lambda: False)

    def test_goodbye_ends_the_link_from_either_side(self):
        rain = self.rain()
        peer = self.dial(rain)
        peer.message("echo", "echo", "before", "apple#in")
        self.answer(peer)
        peer.goodbye()
        peer.quiet = True
        peer.run_until(lambda: peer.ended)
        self.assertFalse(peer.said_goodbye or peer.errors)
        peer = self.dial(rain)
        self.assert_works(peer)
        rain.process.terminate()
        peer.run_until(lambda: peer.said_goodbye)
        peer.close()  # it waits for that
        self.assertEqual(rain.process.wait(LIMIT), 0)
        self.assertIn("lost the link to apple: the peer has stopped", rain.logged())


def frame(kind, body=b"", number=0, flow=None):
    flow = b"" if flow is None else struct.pack("<I", flow)
    return struct.pack("<BBH", kind | (0x80 if flow else 0), number, len(flow + body)) + flow + body


def first(whole, body, kind=wire.MESSAGE, count=1, flow=1):
    return frame(wire.FIRST, struct.pack("<QI", whole, count) + body, kind, flow)


OPEN_1 = frame(wire.OPEN, struct.pack("<I", 1) + b"\2\4echo")
MESSAGE_1 = frame(wire.MESSAGE, b"\1", 1, 1)

RULES = {
    "kind 0": (1, frame(0)),
    "length over the limit": (1, struct.pack("<BBH", wire.MESSAGE, 1, wire.LENGTH_MAX + 1)),
    "less than its kind needs": (1, frame(wire.OPEN, b"\1\0")),
    "a flow's number in a frame of the link": (1, frame(wire.HEARTBEAT, flow=1)),
    "parts of a frame of the link": (1, frame(wire.HEARTBEAT | 0x40, b"\0")),
    "parts that reach too far": (1, OPEN_1 + frame(wire.MESSAGE | 0x40, b"\x09\1", 1, 1)),
    "a flow that was never opened": (2, frame(wire.MESSAGE, b"\1", 1, 5)),
    "OPEN twice": (2, OPEN_1 + OPEN_1),
    "OPEN of 0": (2, frame(wire.OPEN, struct.pack("<I", 0) + b"\2\4echo")),
    "OPEN of the node port": (2, frame(wire.OPEN, struct.pack("<I", 1) + b"\0")),
    "OPEN of one not below FLOWS": (2, frame(wire.OPEN, struct.pack("<I", 1 << 31) + b"\2\4echo")),
    "CLOSE of what is not open": (2, frame(wire.CLOSE, struct.pack("<I", 1))),
    "CLOSE within pieces": (2, OPEN_1 + first(3, b"B") + frame(wire.CLOSE, struct.pack("<I", 1))),
    "KILL of the node port": (2, frame(wire.KILL)),
    "a piece without FIRST": (4, OPEN_1 + frame(wire.PIECE, b"x", 0, 1)),
    "a piece beyond the whole": (4, OPEN_1 + first(3, b"B") + frame(wire.PIECE, b"hix")),
    "an empty piece": (4, OPEN_1 + first(3, b"B") + frame(wire.PIECE)),
    "a message between pieces": (4, OPEN_1 + first(3, b"B") + MESSAGE_1),
    "FIRST that is empty": (4, OPEN_1 + first(3, b"")),
    "FIRST that has all": (4, OPEN_1 + first(1, b"\1")),
    "FIRST of what does not go in pieces": (4, OPEN_1 + first(20, b"B", wire.MONITOR)),
    "a whole that is too large": (5, OPEN_1 + first(1 << 40, b"B")),
    "more values than may be in a frame": (5, OPEN_1 + frame(wire.MESSAGE, b"\1" * 16385, 1, 1)),
    "more values than it says": (6, OPEN_1 + frame(wire.MESSAGE, b"\1\2", 1, 1)),
    "fewer": (6, OPEN_1 + frame(wire.MESSAGE, b"\1", 2, 1)),
    "values that are cut": (6, OPEN_1 + frame(wire.MESSAGE, b"\x42h", 1, 1)),
    "values that are not plain": (6, OPEN_1 + frame(wire.MESSAGE, b"\xc1\1", 1, 1)),
    "of indefinite length": (6, OPEN_1 + frame(wire.MESSAGE, b"\x9f\xff", 1, 1)),
}


class RuleTest(WireTest):
    def test_whoever_breaks_a_rule_is_told_which(self):
        rain = self.rain()
        for number, (name, (code, data)) in enumerate(RULES.items()):
            with self.subTest(name):
                peer = self.dial(rain, f"apple{number}")
                peer.quiet = True
                peer.send_bytes(data)
                peer.run_until(lambda peer=peer: peer.errors)
                self.assertEqual(peer.errors, [code])
                peer.run_until(lambda peer=peer: peer.ended)
        self.assert_works(self.dial(rain))

    def test_what_is_not_known_or_agreed_is_stepped_over(self):
        peer = self.dial(self.rain())
        peer.send_bytes(frame(63, b"what?", 9) + frame(15, b"", 3) + frame(15, b"1234", flow=7) + frame(31, b"x", flow=9)
                        + frame(wire.CREDIT, b"12345678") + frame(wire.CLOSED, b"1234") + frame(58, b"\1", 1)
                        + frame(wire.HEARTBEAT, b"more of it"))
        self.assert_works(peer)

    def test_parts_are_stepped_over(self):
        peer = self.dial(self.rain())
        trace = b"\1\x19" + bytes(25)
        body = b"".join(map(encode, ("echo", "traced", "apple#in")))
        parts = bytes([len(trace) + 4]) + trace + b"\x77\2hi"
        peer.send_bytes(OPEN_1 + frame(wire.MESSAGE | 0x40, parts + body, 3, 1))
        self.assertEqual(self.answer(peer), [("in", ["traced"])])

    def test_connection_that_ends_at_any_byte_harms_nobody(self):
        rain = self.rain()
        data = (OPEN_1 + frame(wire.MESSAGE, b"".join(map(encode, ("echo", "first", "pear#in"))), 3, 1)
                + first(3, b"B") + frame(wire.PIECE, b"hi") + frame(wire.TIME, b"\1", 1))
        pear = self.dial(rain, "pear")
        for size in range(0, len(data), 1 if os.environ.get("PTL_SANITIZE", "none") == "none" else 5):
            peer = self.dial(rain, f"apple{size}")
            peer.send_bytes(data[:size])
            peer.close()
            self.assert_works_behind_others(pear)
        # What the others have asked for may still come, until the node has said that it stops.
        rain.process.terminate()
        pear.run_until(lambda: pear.said_goodbye)
        pear.close()
        self.assertEqual(rain.process.wait(LIMIT), 0, rain.logged())

    def assert_works_behind_others(self, pear):
        """The others' messages to it may come first."""
        pear.message("echo", "echo", "works", "pear#in")
        pear.run_until(lambda: ("in", ["works"]) in pear.messages)
        pear.messages.clear()


if __name__ == "__main__":
    unittest.main()
