"""What the tests of the portolan command share: running nodes and commands, and judging them."""

import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

PORTOLAN = os.environ["PORTOLAN"]
SLOW = 5 if os.environ.get("PTL_SANITIZE", "none") != "none" else 1
LIMIT = 30 * SLOW  # seconds, for anything that ends by itself
SECRET = "a secret of good length"
READY = re.compile(r"^portolan: ready node=(\S+) addresses=(\S+) shards=(\d+)\n$")


class NodeProcess(subprocess.Popen):
    """One that knows whether it was asked to end: to ask once more is to say "at once"."""
    is_asked_to_end = False

    def send_signal(self, sig):
        self.is_asked_to_end |= sig in (signal.SIGTERM, signal.SIGINT)
        super().send_signal(sig)


class Node:
    """A running node.  Its ready line has been read.  `files`: its soft and hard limit of these;
    `limits`: those of others, by resource; `command`: another program than the one under test;
    `prefix`: what runs that."""

    def __init__(self, home, *arguments, env=None, files=None, command=PORTOLAN, prefix=(), limits=None):
        limits = {**(limits or {}), **({resource.RLIMIT_NOFILE: files} if files else {})}

        def set_limits():
            for which, limit in limits.items():
                resource.setrlimit(which, limit)

        self.home = home
        self.log = tempfile.TemporaryFile()
        self.process = NodeProcess(
            [*prefix, command, "run", "--log", "debug", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True,
            env=environment(home, env),
            preexec_fn=set_limits if limits else None,
        )
        self.ready = self.process.stdout.readline()
        match = READY.match(self.ready)
        if not match:
            self.process.wait(LIMIT)
            raise AssertionError(f"no ready line but {self.ready!r}: {self.logged()}")
        self.id, self.addresses, self.shards = match.groups()
        self.address = self.addresses.split(",")[0]

    def logged(self):
        """Read without a seek: the place where the node writes its next line is the same as ours."""
        file = self.log.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode()

    def stop(self, number=signal.SIGTERM):
        """Returns the exit code and the seconds that it took."""
        begin = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(LIMIT)
        self.process.stdout.close()
        return code, time.monotonic() - begin

    def strike(self):
        """As if the machine had failed."""
        self.process.kill()
        self.process.wait()

    def kill(self):
        if self.process.poll() is None:
            self.strike()
        if not self.process.stdout.closed:
            self.process.stdout.close()
        self.log.close()


class Receiver:
    """A peer that asks for so many answers, each with so many bytes of padding, and takes none until it is told to.
    `room`: for bytes that it has not read."""

    def __init__(self, node, count, padding=0, room=4096):
        host, port = node.address.rsplit(":", 1)
        self.socket = socket.socket()
        self.socket.settimeout(LIMIT)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.socket.connect((host, int(port)))
        self.socket.sendall(
            b"aemp;1;receiver;hmac_sha3_512;json\nnonce\n"
            + b"cleartext;" + SECRET.encode().hex().encode() + b";json\n"
            + b"".join(b'["echo","echo",%d,"%s","receiver#in"]' % (i, b"x" * padding) for i in range(count))
            + b'["sink","one"]')

    def read(self):
        received = b""
        while some := self.socket.recv(65536):
            received += some
        self.socket.close()
        return received


def environment(home, more=None):
    env = {key: value for key, value in os.environ.items()
           if not key.startswith(("PORTOLAN_", "XDG_"))}
    env["HOME"] = home
    env["LC_ALL"] = "C"
    env.update(more or {})
    return env


def unused_address():
    """One that stays unused: connections to anywhere leave from 127.0.0.1, so none takes it meanwhile."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.2", 0))
        return f"127.0.0.2:{probe.getsockname()[1]}"


class ToolTest(unittest.TestCase):
    ENDS = (0,)  # exit codes of nodes that a test leaves to be ended

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = folder.name

    def node(self, *arguments, **more):
        if "--bind" not in arguments:
            arguments += ("--bind", "127.0.0.1:0")
        if "--shards" not in arguments:
            arguments += ("--shards", "2")
        node = Node(self.home, *arguments, **more)
        self.addCleanup(self.end_node, node)
        return node

    def joined(self, seed, name, *arguments):
        """A node of that name, whose address is told to those who ask `seed`."""
        node = self.node("--node", name, "--seed", seed.address, *arguments)
        deadline = time.monotonic() + LIMIT
        while True:
            code, out, err = self.run_tool("db", "get", "'l", name, "--seed", seed.address)
            if code == 0:
                return node
            self.assertEqual(code, 4, out + err)
            self.assertLess(time.monotonic(), deadline, node.logged())

    def until(self, look, right):
        """What `look` returns, when `right` holds of it."""
        deadline = time.monotonic() + LIMIT
        while not right(found := look()):
            self.assertLess(time.monotonic(), deadline, found)
            time.sleep(0.02)
        return found

    def end_node(self, node):
        """Whatever a test has done to its node, it ends cleanly (and leaks nothing)."""
        try:
            if node.process.poll() is None:
                code = node.process.wait(LIMIT) if node.process.is_asked_to_end else node.stop()[0]
                self.assertIn(code, self.ENDS, node.logged())
        finally:
            node.kill()

    def start(self, *arguments, env=None):
        process = subprocess.Popen(
            [PORTOLAN, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=environment(self.home, env),
        )
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()

    def finish(self, process):
        out, err = process.communicate(timeout=LIMIT)
        return process.returncode, out, err

    def run_tool(self, *arguments, env=None):
        done = subprocess.run(
            [PORTOLAN, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="surrogateescape",
            env=environment(self.home, env), timeout=LIMIT, check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def assert_fails(self, code, *what, arguments, env=None, prints=""):
        """One line on standard error with `what` in it, and the exit code."""
        got, out, err = self.run_tool(*arguments, env=env)
        self.assertEqual((got, out), (code, prints), err)
        self.assertRegex(err, r"\Aportolan: [^\n]+\n\Z")
        for part in what:
            self.assertIn(part, err)

    def assert_prints(self, expected, *arguments, env=None):
        code, out, err = self.run_tool(*arguments, env=env)
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(json.loads(out), expected)
        self.assertEqual(out.count("\n"), 1)
