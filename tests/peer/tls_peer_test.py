#!/usr/bin/env python3
"""
A peer whose TLS is Python's, which is OpenSSL's, against a node process: as client and as server of
TLS, in both versions, with AEMP's kind of certificate and with an authority's; and what is refused.
"""

import hashlib
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

DATA = os.path.join("tests", "data", "tls")
LOWEST, HIGHEST = "!low", "~high"  # no node's nonce begins with these
PATIENCE = 60
STRANGERS = 1000 if os.environ.get("PTL_QUICK") else 10000


def at_data(name):
    return os.path.join(DATA, name)


class Node:
    """A portolan process."""

    def __init__(self, folder, *options):
        self.log = tempfile.TemporaryFile("w+", dir=folder)
        self.process = subprocess.Popen(
            [os.environ["PORTOLAN"], "run", "--node", "rain", "--bind", "127.0.0.1:0",
             "--secret", "geheim", "--service", "echo", "--log", "debug", *options],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        ready = self.process.stdout.readline()
        self.port = int(re.search(r"127\.0\.0\.1:(\d+)", ready).group(1))

    def logged(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode()

    def until(self, *parts):
        """Wait for a line with one of them."""
        deadline = time.monotonic() + PATIENCE
        while not any(part in self.logged() for part in parts):
            assert time.monotonic() < deadline, self.logged()
            time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=PATIENCE)
        text = self.logged()
        self.log.close()
        return self.process.returncode, text


class Middle:
    """Somebody between a node and whoever connects to him: he notes what each of both says, and
    passes it on; what they greet with as `change` makes it."""

    def __init__(self, node, change=lambda to_node, greeting: greeting):
        self.node, self.change = node, change
        self.heard = {True: b"", False: b""}  # by whether it was for the node: of the first connection
        self.count = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                self.meet(self.listener.accept()[0])
        except OSError:
            pass  # it is closed

    def meet(self, caller):
        called = socket.create_connection(("127.0.0.1", self.node.port), PATIENCE)
        first = self.count == 0
        self.count += 1
        for pair in ((True, caller, called), (False, called, caller)):
            threading.Thread(target=self.pass_on, args=(first, *pair), daemon=True).start()

    def pass_on(self, first, to_node, source, target):
        greeting = b""
        try:
            while greeting.count(b"\n") < 2 and (some := source.recv(65536)):
                greeting += some
            some = self.change(to_node, greeting)
            while some:
                if first:
                    self.heard[to_node] += some
                target.sendall(some)
                some = source.recv(65536)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one of both has closed

    def close(self):
        self.listener.close()


class Peer:
    """A connection that has greeted, in the clear so far."""

    def __init__(self, node, nonce, keys=";tls=1.0", methods="tls_sha3_512", name="snow"):
        self.socket = socket.create_connection(("127.0.0.1", node.port), PATIENCE)
        self.own = f"aemp;1;{name};{methods};json{keys}\n{nonce}\n".encode()
        self.socket.sendall(self.own)
        self.theirs = self.line() + self.line()

    def line(self):
        line = b""
        while not line.endswith(b"\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise EOFError(line)
            line += byte
        return line

    def begin_tls(self, context, server):
        self.socket = context.wrap_socket(self.socket, server_side=server)

    def prove(self):
        proof = hashlib.sha3_512(self.own + self.theirs).hexdigest()
        self.socket.sendall(f"tls_sha3_512;{proof};json\n".encode())
        expected = hashlib.sha3_512(self.theirs + self.own).hexdigest()
        assert self.line().decode().split(";")[:2] == ["tls_sha3_512", expected]

    def close(self):
        self.socket.close()


def context_of(server, certificate, key=None, trust=None, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(at_data(certificate), key and at_data(key))
    context.load_verify_locations(at_data(trust or certificate))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class TLS(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def private(self, name):
        """A copy that only we may read, which a checkout need not be."""
        path = shutil.copy(at_data(name), self.folder)
        os.chmod(path, 0o600)
        return path

    def paired(self, *options):
        return Node(self.folder, "--cert", self.private("pair-a.pem"), *options)

    def of_the_harbour(self, *options):
        return Node(self.folder, "--tls-cert", at_data("rain.pem"), "--tls-key",
                    self.private("rain.key"), "--tls-ca", at_data("harbour.pem"), *options)

    def talk(self, node, nonce, context, name="snow"):
        peer = Peer(node, nonce, name=name)
        peer.begin_tls(context, nonce == HIGHEST)
        peer.prove()
        for text in ("hello", "a" * 100000):
            answer = b'"me","%s"]' % text.encode()
            peer.socket.sendall(f'["echo","echo","{text}","{name}#me"]'.encode())
            heard = b""
            while not heard.endswith(answer):
                heard += peer.socket.recv(65536)
        version = peer.socket.version()
        peer.close()
        return version

    def test_both_roles_and_both_versions(self):
        for make, of in ((self.paired, {"certificate": "pair-a.pem"}),
                         (self.of_the_harbour, {"certificate": "snow.pem", "key": "snow.key",
                                                "trust": "harbour.pem"})):
            node = make("--tls", "require", *(["--tls-verify-node"] if "key" in of else []))
            for nonce in (LOWEST, HIGHEST):
                for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                    context = context_of(nonce == HIGHEST, version=version, **of)
                    self.assertEqual(self.talk(node, nonce, context),
                                     version.name.replace("_", "."))
            code, log = node.stop()
            self.assertEqual(code, 0, log)

    def expect_refused(self, node, peer, why):
        with self.assertRaises((EOFError, OSError)):
            while peer.line():
                pass
        peer.close()
        code, log = node.stop()
        self.assertEqual(code, 0, log)
        self.assertIn(why, log)

    def test_another_certificate_is_refused(self):
        for nonce in (LOWEST, HIGHEST):
            node = self.paired()
            context = context_of(nonce == HIGHEST, "pair-b.pem", trust="pair-a.pem")
            peer = Peer(node, nonce)
            try:
                peer.begin_tls(context, nonce == HIGHEST)
            except OSError:
                pass
            self.expect_refused(node, peer, "of no authority that is trusted here")

    def test_no_certificate_is_refused(self):
        node = self.paired()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        peer = Peer(node, LOWEST)
        try:
            peer.begin_tls(context, False)
        except OSError:
            pass
        self.expect_refused(node, peer, "the peer has shown no certificate")

    def come_without_proof(self, node, nonce, name, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if nonce == HIGHEST
                                 else ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(at_data(certificate))
        peer = Peer(node, nonce, name=name)
        try:
            peer.begin_tls(context, nonce == HIGHEST)
            peer.socket.sendall(b"tls_anon;;json\n")
            self.assertTrue(peer.line().startswith(b"tls_sha3_512;"))
        except (EOFError, OSError):
            return None
        return peer

    def test_who_comes_without_proof_is_let_in_by_some_ids_and_may_do_nothing(self):
        for nonce, certificate in ((LOWEST, None), (LOWEST, "pair-b.pem"), (HIGHEST, "pair-b.pem")):
            node = self.paired("--tls", "require", "--tls-anonymous", "guest-")
            self.assertIsNone(self.come_without_proof(node, nonce, "snow", certificate))
            peer = self.come_without_proof(node, nonce, "guest-1", certificate)
            node.until("proved by nothing")
            peer.socket.sendall(b'["echo","echo","hello","guest-1#me"]["","snd","echo","echo"]')
            node.until("guest-1 may not")
            peer.close()
            code, log = node.stop()
            self.assertEqual(code, 0, log)
            self.assertNotIn("linked to snow", log)

    def test_old_versions_are_refused(self):
        node = self.paired()
        context = context_of(False, "pair-a.pem")
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        peer = Peer(node, LOWEST)
        with self.assertRaises(OSError):
            peer.begin_tls(context, False)
        self.expect_refused(node, peer, "no version or cipher of TLS in common")

    def test_plain_is_refused_where_tls_is_required(self):
        node = self.paired("--tls", "require")
        peer = Peer(node, LOWEST, keys="", methods="hmac_sha3_512,tls_sha3_512")
        self.expect_refused(node, peer, "offers no TLS, which --tls require asks for")

    def test_a_greeting_that_was_changed_is_refused(self):
        node = self.paired()
        peer = Peer(node, LOWEST)
        peer.begin_tls(context_of(False, "pair-a.pem"), False)
        proof = hashlib.sha3_512(b"another" + peer.own + peer.theirs).hexdigest()
        peer.socket.sendall(f"tls_sha3_512;{proof};json\n".encode())
        self.expect_refused(node, peer, "somebody between the two nodes has changed a greeting")

    def assert_not_linked(self, *nodes):
        for node in nodes:
            code, log = node.stop()
            self.assertEqual(code, 0, log)
            self.assertNotIn("linked to", log)

    def test_whoever_edits_tls_out_of_a_greeting_gets_no_link(self):
        rain = self.paired()
        middle = Middle(rain, lambda to_node, greeting: greeting.replace(b";tls=1.0", b""))
        snow = self.paired("--node", "snow", "--seed", middle.address)
        snow.until("cannot join at")
        middle.close()
        self.assertGreater(middle.count, 0)
        self.assert_not_linked(rain, snow)

    def test_whoever_only_says_what_a_node_says_itself_gets_no_link(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def echo():
                caller = listener.accept()[0]
                with caller:
                    while some := caller.recv(65536):
                        caller.sendall(some)
            threading.Thread(target=echo, daemon=True).start()
            node = self.paired("--seed", "127.0.0.1:%d" % listener.getsockname()[1])
            node.until("sent our own greeting back")
            self.assert_not_linked(node)

    def test_two_connections_that_are_played_against_each_other_get_no_link(self):
        node = self.paired()
        one, other = (socket.create_connection(("127.0.0.1", node.port), PATIENCE) for _ in range(2))
        heard = [b"", b""]
        for i, source in enumerate((one, other)):
            while heard[i].count(b"\n") < 2:
                heard[i] += source.recv(65536)
        one.sendall(heard[1])
        other.sendall(heard[0])
        node.until("leads back to this node")
        one.close()
        other.close()
        self.assert_not_linked(node)

    def test_a_recorded_handshake_is_worth_nothing(self):
        rain = self.paired("--tls", "require")
        middle = Middle(rain)
        snow = self.paired("--node", "snow", "--tls", "require", "--seed", middle.address)
        rain.until("linked to snow")
        snow.until("linked to rain")
        middle.close()
        self.assertEqual(snow.stop()[0], 0)
        rain.until("lost the link to snow")
        with socket.create_connection(("127.0.0.1", rain.port), PATIENCE) as again:
            again.sendall(middle.heard[True])
            try:
                while again.recv(65536):
                    pass
            except ConnectionResetError:
                pass  # closed with our bytes unread
        log = rain.stop()[1]
        self.assertEqual(log.count("linked to snow"), 1, log)
        self.assertGreaterEqual(len(middle.heard[True]), 1000)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            node = self.paired("--node", "snow", "--tls", "require", "--seed",
                               "127.0.0.1:%d" % listener.getsockname()[1])
            with listener.accept()[0] as caller:
                caller.sendall(middle.heard[False])
                node.until("cannot join at")
            self.assert_not_linked(node)

    def flood_while_peers_join(self, nonce):
        """Ever more strangers, who all stay, and say no more once they have greeted with that nonce
        (None: nothing at all).  Four peers come meanwhile; each has one attempt."""
        node = self.paired("--tls", "require")
        context, strangers, slowest = context_of(False, "pair-a.pem"), [], 0
        for joined in range(4):
            for i in range(STRANGERS // 4):
                strangers.append(socket.create_connection(
                    ("127.0.0.1", node.port), PATIENCE, source_address=("127.0.0.2", 0)))
                if nonce:
                    strangers[-1].sendall(
                        f"aemp;1;hail{i};tls_sha3_512;json;tls=1.0\n{nonce}{i}\n".encode())
            began = time.monotonic()
            self.talk(node, LOWEST, context, f"snow{joined}")
            slowest = max(slowest, time.monotonic() - began)
        print(f"{len(strangers):,} strangers: a peer has joined and talked in {slowest:.2f} s")
        for stranger in strangers:
            stranger.close()
        code, log = node.stop()
        self.assertEqual(code, 0, log)
        self.assertEqual(log.count("linked to snow"), 4)

    def test_peers_join_at_the_first_attempt_beside_10000_that_say_nothing(self):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        if most < STRANGERS + 100:
            self.skipTest(f"{most} descriptors are too few for {STRANGERS} strangers")
        for nonce in (None, LOWEST, HIGHEST):
            self.flood_while_peers_join(nonce)

    def test_a_key_that_others_may_read_is_refused(self):
        path = shutil.copy(at_data("pair-a.pem"), self.folder)
        os.chmod(path, 0o644)
        done = subprocess.run([os.environ["PORTOLAN"], "run", "--cert", path], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE)
        self.assertEqual(done.returncode, 2)
        self.assertIn("chmod 600", done.stderr)

    def test_options_that_do_not_go_together_are_refused(self):
        for code, options in ((2, ["--tls", "require"]), (1, ["--tls", "perhaps"]),
                              (2, ["--tls-verify-node"]), (2, ["--tls-cert", "a"]),
                              (2, ["--cert", "a", "--tls-ca", "b"])):
            done = subprocess.run([os.environ["PORTOLAN"], "run", *options], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=PATIENCE)
            self.assertEqual(done.returncode, code, options)


if __name__ == "__main__":
    unittest.main()
