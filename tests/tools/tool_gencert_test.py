#!/usr/bin/env python3
"""`portolan gencert`: what it writes, and that nodes link by it, and only by it."""

import os
import re
import ssl
import stat
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, PORTOLAN, Node, ToolTest, environment, unused_address

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LONG = "far-" + 180 * "a"


class GencertTest(ToolTest):
    def at(self, name):
        return os.path.join(self.home, name)

    def gencert(self, *arguments):
        """What the files are called that it says it has written."""
        code, out, err = self.run_tool("gencert", *arguments)
        self.assertEqual((code, err), (0, ""))
        return re.findall(r"(\S+\.(?:pem|key))(?= | and)", out)

    def assert_mode(self, name, mode):
        self.assertEqual(stat.S_IMODE(os.stat(name).st_mode), mode, name)

    def harbour(self, *nodes):
        """An authority, and the options of each node."""
        self.gencert("--ca", self.at("harbour"))
        options = {}
        for node in nodes:
            base = self.at(f"of-{nodes.index(node)}")
            self.gencert("--ca", self.at("harbour"), node, "--output", base)
            options[node] = ("--tls-cert", base + ".pem", "--tls-key", base + ".key", "--tls-ca",
                             self.at("harbour.pem"), "--tls", "require", "--tls-verify-node")
        return options

    def test_pair_is_its_owner_s_alone_and_is_never_written_over(self):
        path = self.at("cert.pem")
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.assertEqual(self.gencert("--output", path), [path])
        self.assert_mode(path, 0o600)
        with open(path, encoding="ascii") as file:
            text = file.read()
        self.assert_fails(5, path, "left as it is", arguments=["gencert", "--output", path])
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), text)
        for server in (False, True):  # another library takes it
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
            context.load_cert_chain(path)
            context.load_verify_locations(path)

    def test_keys_are_their_owner_s_alone_and_certificates_everybody_s(self):
        old = os.umask(0o022)
        self.addCleanup(os.umask, old)
        self.assertEqual(self.gencert("--ca", self.at("harbour")),
                         [self.at("harbour.pem"), self.at("harbour.key")])
        base = self.at("rain")
        self.gencert("--ca", self.at("harbour"), "rain", "--output", base)
        for name in (self.at("harbour"), base):
            self.assert_mode(name + ".key", 0o600)
            self.assert_mode(name + ".pem", 0o644)
        os.unlink(base + ".key")
        self.assert_fails(5, "rain.pem", "left as it is", arguments=[
            "gencert", "--ca", self.at("harbour"), "rain", "--output", base])
        self.assertFalse(os.path.exists(base + ".key"))

    def test_days_are_those_that_are_asked_for(self):
        path = self.at("cert.pem")
        self.gencert("--output", path, "--days", "7")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(path)
        made, = context.get_ca_certs()
        begin, end = (ssl.cert_time_to_seconds(made[key]) for key in ("notBefore", "notAfter"))
        self.assertTrue(6 * 86400 <= end - begin <= 8 * 86400, (begin, end))

    def test_nodes_of_one_authority_link_each_by_its_own_id_and_no_other(self):
        options = self.harbour("rain", "snow", LONG, "fjörður")
        rain = self.node("--node", "rain", "--service", "echo", *options["rain"])
        for name in ("snow", LONG, "fjörður"):
            self.assert_prints(["ahoy"], "cal", "rain#echo", "echo", "ahoy", "--seed", rain.address,
                               "--node", name, *options[name])
        code, _, _ = self.run_tool("cal", "rain#echo", "echo", "ahoy", "--seed", rain.address,
                                   "--node", "hail", *options["snow"], "--timeout", "20")
        self.assertEqual(code, 3)
        self.assertIn("for another node ID", rain.logged())

    def test_nodes_of_one_pair_link(self):
        pair = ("--cert", self.at("cert.pem"), "--tls", "require")
        self.gencert("--output", self.at("cert.pem"))
        rain = self.node("--node", "rain", "--service", "echo", *pair)
        self.assert_prints(["ahoy"], "cal", "rain#echo", "echo", "ahoy", "--seed", rain.address,
                           *pair)

    def test_what_cannot_be_made_is_one_line(self):
        harbour = ["gencert", "--ca", self.at("harbour")]
        self.assert_fails(2, "harbour.pem", arguments=[*harbour, "rain"])
        self.gencert("--ca", self.at("harbour"))
        for code, what, arguments in (
                (1, "needs an authority", ["gencert", "rain"]),
                (1, "--days", [*harbour, "--days", "0"]),
                (1, "'a#b' cannot stand", [*harbour, "a#b"]),
                (1, "cannot stand", [*harbour, 40 * "ö"]),
                (1, "no name for a file", [*harbour, "a/b"]),
                (1, "there are 2 nodes", [*harbour, "a", "b", "--output", "x"]),
                (1, "takes a name", ["gencert", "--ca", self.at("x/")]),
                (5, "cannot make", ["gencert", "--output", self.at("no/folder")])):
            self.assert_fails(code, what, arguments=arguments)
        os.chmod(self.at("harbour.key"), 0o644)
        self.assert_fails(2, "chmod 600", arguments=[*harbour, "rain"])

    def test_example_of_the_readme_works(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            found = re.search(r"## Encrypted\n.*?```\n.*?```.*?```\n(.*?)```\n```\n(.*?)```",
                              file.read(), re.S)
        address = unused_address()
        path = os.path.dirname(os.path.abspath(PORTOLAN)) + ":" + os.environ["PATH"]
        for line in found.group(1).strip().split("\n"):
            line = line.replace("127.0.0.1:4070", address).split(" # ")[0].rstrip()
            if line.endswith(" &"):
                words = re.sub(r"(\w+\.(pem|key))", os.path.join(self.home, r"\1"), line[:-2]).split()
                self.assertEqual(words[:2], ["portolan", "run"])
                self.addCleanup(self.end_node, Node(self.home, *words[2:]))
                continue
            done = subprocess.run(["bash", "-ec", line], env=environment(self.home, {"PATH": path}),
                                  check=False, stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=LIMIT, cwd=self.home)
            self.assertEqual((done.returncode, done.stderr), (0, ""), line)
        self.assertEqual(done.stdout, found.group(2))


if __name__ == "__main__":
    unittest.main()
