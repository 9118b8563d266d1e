"""
perf/peers/systems.py - the systems that are measured: what each needs, how it is started, what it promises.

A system turns a piece of work (see work.py) into a command that prints one JSON object; a server it needs is
started once, listens on 127.0.0.1 at a port of its own, and dies with this process whatever happens.
"""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
LONGEST = 45  # seconds for one measurement, after which it has failed
MEBIBYTE = 1 << 20
BULK = 64 * MEBIBYTE  # of a large message beside the small ones
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """A measurement or a server that did not do what it should; the text says what."""

    def __init__(self, text, output=""):
        super().__init__(text)
        self.output = output  # what it had printed


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(command, **more):
    return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                            preexec_fn=die_with_parent, **more)


def stop(process):
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe:
            pipe.close()


def run(command, longest=LONGEST):
    """What the command prints; Failed with what it says when it does not end well, or in time."""
    process = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, complaint = process.communicate(timeout=longest)
    except subprocess.TimeoutExpired:
        raise Failed(f"no result within {longest} s") from None
    finally:
        stop(process)
    if process.returncode != 0:
        last = (complaint or output[-300:]).decode(errors="replace").strip().splitlines()[-1:]
        raise Failed(f"exit code {process.returncode}: {' '.join(last)}", output.decode(errors="replace"))
    return output.decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, seconds=20):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            raise Failed(f"the server has ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise Failed(f"the server does not listen after {seconds} s")


class System:
    """A peer whose program is build/peers/peer_NAME, without a server."""

    extra = ()  # options that its program is always given

    def __init__(self, name, title, note, files=(), commands=(), database=False, connections=True):
        self.name, self.title, self.note = name, title, note
        self.files, self.commands = files, commands
        self.database, self.connections = database, connections
        self.port = None

    def missing(self, builds):
        """What is not there of what this takes."""
        names = [f"{name} (not built)" for name in (f"peer_{self.name}", *self.files)
                 if not (builds.peers / name).exists()]
        return names + [name for name in self.commands if shutil.which(name) is None]

    def can(self, work):
        if work.pattern.startswith("db-"):
            return self.database
        return self.connections or work.connections == 1

    def open(self, builds, folder):
        """Start what is needed for all measurements."""
        self.builds, self.folder = builds, folder

    def close(self):
        pass

    def measure(self, work, seconds, rate):
        port = self.port or free_port()
        words = [self.builds.peers / f"peer_{self.name}", work.pattern, "--port", port,
                 "--size", work.size, "--seconds", seconds, "--warm-up", work.warm_up,
                 "--connections", work.connections, "--bulk", BULK]
        words += ["--rate", rate] if rate else ["--in-flight", work.in_flight]
        return json.loads(run([*words, *self.extra]))


class ServerSystem(System):
    """A peer whose two ends are clients of a server, which `serve(port, folder)` is the command of."""

    def __init__(self, name, title, note, serve, **more):
        super().__init__(name, title, note, **more)
        self.serve = serve

    def open(self, builds, folder):
        super().open(builds, folder)
        self.port = free_port()
        log = open(folder / f"{self.name}.log", "wb")
        with log:
            self.server = start(self.serve(self.port, folder), stdout=log, stderr=log, cwd=folder)
        wait_for_port(self.port, self.server)

    def close(self):
        stop(self.server)


class ScriptSystem(System):
    """A peer in a language of its own, which leaves the times it measured in a file."""

    def missing(self, builds):
        names = [name for name in self.files if not (builds.peers / name).exists()]
        return names + [name for name in self.commands if shutil.which(name) is None]

    def words(self, work, seconds, rate):
        return [work.pattern, work.size, float(seconds), float(work.warm_up), work.in_flight, float(rate or 0),
                BULK]

    def measure(self, work, seconds, rate):
        with tempfile.NamedTemporaryFile(dir=self.folder) as times:
            result = json.loads(self.run_both(self.words(work, seconds, rate), times.name))
            result |= json.loads(run([self.builds.peers / "peer_percentiles", times.name]))
        return result


class Aemp(ScriptSystem):
    def missing(self, builds):
        return super().missing(builds) or self.missing_modules()

    def missing_modules(self):
        modules = ["CBOR::XS", "JSON::XS", "Digest::SHA3"]
        done = subprocess.run(["perl", *(f"-M{name}" for name in modules), "-e", "1"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20)
        return [] if done.returncode == 0 else [f"one of Perl's {', '.join(modules)}"]

    def run_both(self, words, file):
        return run(["perl", HERE / "peer_aemp.pl", *words, file])


class Erlang(ScriptSystem):
    def node(self, port, name):
        """The options both nodes have.  They know their port, so that no epmd need run or stay."""
        return ["erl", "-noinput", "-start_epmd", "false", "-erl_epmd_port", port,
                "-setcookie", "peers", "-name", f"{name}@127.0.0.1", "-pa", self.builds.peers,
                "-kernel", "inet_dist_use_interface", "{127,0,0,1}",
                "-kernel", "inet_dist_listen_options", "[{nodelay,true}]",
                "-kernel", "inet_dist_connect_options", "[{nodelay,true}]",
                "+zdbbl", "128000", "+sbwt", "very_short", "+sbwtdio", "none", "+sbwtdcpu", "none"]

    def missing(self, builds):
        return super().missing(builds) or self.missing_mnesia()

    def missing_mnesia(self):
        code = 'case code:lib_dir(mnesia) of {error, _} -> halt(1); _ -> halt(0) end.'
        done = subprocess.run(["erl", "-noinput", "-eval", code], timeout=20)
        return [] if done.returncode == 0 else ["erlang-mnesia"]

    def run_both(self, words, file):
        port = free_port()
        far = start([*self.node(port, "far"), "-run", "peer_erlang", "far"],
                    stdout=subprocess.PIPE, cwd=self.folder)
        try:
            if far.stdout.readline() != b"ready\n":
                raise Failed("the far node did not start")
            near = [*self.node(port, "near"), "-dist_listen", "false", "-run", "peer_erlang", "near"]
            output = run([*near, *words, self.builds.peers / "peer_ticker", file])
        finally:
            stop(far)
        return output.splitlines()[-1]


def serve_nats(port, folder):
    """The largest message it can be told to take, and enough room for what waits to be sent."""
    config = folder / "nats.conf"
    config.write_text(f"listen: 127.0.0.1:{port}\nmax_payload: 64MB\nmax_pending: 512MB\n"
                      f'jetstream {{ store_dir: "{folder}/jetstream", max_memory_store: 1GB }}\n')
    return ["nats-server", "-c", config]


def serve_mosquitto(port, folder):
    config = folder / "mosquitto.conf"
    # As another user than ours it would not die with us.
    config.write_text(f"listener {port} 127.0.0.1\nuser root\nallow_anonymous true\npersistence false\n"
                      "set_tcp_nodelay true\nmax_queued_messages 0\nmax_queued_bytes 0\n"
                      "max_inflight_messages 0\nlog_type none\n")
    return ["mosquitto", "-c", config]


def serve_redis(port, _folder):
    return ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            "--client-output-buffer-limit", "pubsub 0 0 0", "--daemonize", "no"]


def all_systems():
    from portolan import Portolan  # the one that is ours has a file of its own
    return [
        System("tcp", "bare TCP", "the yardstick: no names, no queues, no reconnects, one program"),
        Portolan(),
        System("zeromq", "ZeroMQ", "a peer that is gone is not told of: PUSH and DEALER wait or drop at the "
               "high-water mark, and what was in their queues is lost with a connection"),
        System("nng", "nng", "as ZeroMQ; a REQ asks again by itself after a minute, so an answer may be to a "
               "second asking"),
        ServerSystem("nats", "NATS", "at most once: a slow receiver is cut off by the server or loses messages "
                     "in its client, so the sender waits for the receiver's word every 2 MiB; "
                     "the database is a bucket of JetStream in the memory of one server", serve_nats,
                     commands=("nats-server",), database=True),
        ServerSystem("redis", "Redis", "at most once: by default a slow subscriber is disconnected and a message "
                     "without subscribers is gone, so the sender waits for the receiver's word every 2 MiB; the "
                     "database is one server's memory and its watcher hears of a set by a PUBLISH sent with it",
                     serve_redis, commands=("redis-server",), database=True),
        ServerSystem("mosquitto", "Mosquitto (MQTT)", "quality of service 0, at most once: the server drops what "
                     "a slow receiver does not take, so the sender waits for the receiver's word every 512 KiB; "
                     "sets are retained messages, with quality of service 1 where they are confirmed",
                     serve_mosquitto, commands=("mosquitto",), database=True),
        Erlang("erlang", "distributed Erlang", "the nearest in what it promises: order between two processes, "
               "monitors; one connection between two nodes. Its database is Mnesia, in memory on both nodes, a "
               "set confirmed by both",
               files=("peer_erlang.beam", "peer_ticker", "peer_percentiles"), commands=("erl",), database=True,
               connections=False),
        Aemp("aemp", "AEMP in Perl", "the protocol that portolan speaks too, by the peer of our own tests; no "
             "AnyEvent::MP, which does more", files=("peer_percentiles",), commands=("perl",), connections=False),
    ]
