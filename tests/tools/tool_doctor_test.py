#!/usr/bin/env python3
"""`portolan doctor`: what it finds, that it says what to do, and that it changes nothing."""

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, PORTOLAN, SECRET, ToolTest, environment, unused_address

WITHOUT = os.environ["WITHOUT"]
TLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "tls")
FILES = {resource.RLIMIT_NOFILE: (64, 64)}


class DoctorTest(ToolTest):
    def write(self, text, name="portolan.conf", mode=0o600):
        path = os.path.join(self.home, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def examine(self, *arguments, prefix=(), limits=None, env=None, secret=SECRET, bind="127.0.0.1:0"):
        """The findings, as {check: [(verdict, text, advice)]}, and the exit code in self.code."""
        arguments += ("--bind", bind) if bind else ()
        arguments += ("--secret", secret) if secret else ()

        def set_limits():
            for which, limit in (limits or {}).items():
                resource.setrlimit(which, limit)

        done = subprocess.run(
            [*prefix, PORTOLAN, "doctor", "--json", *arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(self.home, env),
            timeout=LIMIT, check=False, preexec_fn=set_limits)
        self.assertEqual(done.stderr, b"")
        self.code = done.returncode
        told = json.loads(done.stdout.decode("utf-8"))
        found = {}
        for finding in told["findings"]:
            self.assertEqual("advice" in finding, finding["verdict"] != "ok", finding)
            found.setdefault(finding["check"], []).append(
                (finding["verdict"], finding["text"], finding.get("advice")))
        self.assertEqual(told["errors"] > 0, self.code == 2, told)
        return found

    def assert_found(self, found, check, verdict, *parts):
        """One of the findings of that check is so, and has all of that in it."""
        for its_verdict, text, advice in found.get(check, ()):
            said = f"{text} -> {advice}"
            if its_verdict == verdict and all(part in said for part in parts):
                return
        self.fail(f"{check}, {verdict}, {parts}: {found}")


class MachineTest(DoctorTest):
    def test_all_is_well_where_nothing_is_wrong(self):
        found = self.examine("--loop", "epoll")
        self.assertEqual(self.code, 0, found)
        for check in ("configuration", "kernel", "process 1", "loop", "processors", "descriptors",
                      "log", "secret", "bind"):
            self.assert_found(found, check, "ok")
        self.assertFalse(any(os.scandir(self.home)), "it has made a file")

    def test_report_for_people_has_a_line_a_finding_and_below_it_what_to_do(self):
        code, out, err = self.run_tool("doctor", "--bind", "127.0.0.1:0", "--secret", "aaaaaaaa")
        self.assertEqual((code, err), (0, ""))
        lines = out.splitlines()
        for line in lines[:-1]:
            self.assertRegex(line, r"\A((ok|warning|error)  ? {0,6}\S| {25}-> \S)")
        at = next(i for i, line in enumerate(lines) if re.match(r"warning +secret ", line))
        self.assertIn("-> give all nodes another one", lines[at + 1])
        self.assertRegex(lines[-1], r"\Aok: \d+, warnings: \d+, errors: 0\Z")
        self.assertEqual(self.run_tool("doctor", "--strict", "--bind", "127.0.0.1:0", "--secret",
                                       "aaaaaaaa")[0], 2)

    def test_forms_that_are_none(self):
        self.assert_fails(1, "doctor [--config FILE", arguments=["doctor", "frob"])
        self.assert_fails(1, "--shards takes", arguments=["doctor", "--shards", "many"])
        self.assert_fails(1, "takes no --timeout", arguments=["doctor", "--timeout", "1"])

    def test_few_descriptors(self):
        self.assert_found(self.examine(limits=FILES), "descriptors", "warning", "at most 64 open files",
                          "LimitNOFILE")

    def test_more_shards_than_processors(self):
        found = self.examine("--shards", "8", prefix=("taskset", "-c", "0"))
        self.assert_found(found, "processors", "warning", "8 shards", "--shards")

    def test_little_memory_for_large_messages(self):
        found = self.examine("--max-message", "1073741824", "--loop", "epoll", "--shards", "1",
                             limits={} if os.environ.get("PTL_SANITIZE", "none") != "none" else
                             {resource.RLIMIT_AS: (1 << 31, 1 << 31)})
        if os.environ.get("PTL_SANITIZE", "none") == "none":
            self.assert_found(found, "memory", "warning", "2048 MiB of address space", "--max-message")

    def test_container_that_forbids_io_uring(self):
        if subprocess.run([WITHOUT, "EPERM", "io_uring_setup", "--", "true"], check=False,
                          stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no seccomp filters here")
        without = (WITHOUT, "EPERM", "io_uring_setup", "--")
        self.assert_found(self.examine(prefix=without), "loop", "warning", "epoll", "EPERM",
                          "allow io_uring_setup")
        self.assertEqual(self.code, 0)
        self.assert_found(self.examine("--loop", "uring", prefix=without), "loop", "error", "io_uring")
        self.assertEqual(self.code, 2)
        self.assert_found(self.examine("--loop", "epoll", prefix=without), "loop", "ok", "epoll")

    def test_log_that_nobody_takes(self):
        done = subprocess.run(f"'{PORTOLAN}' doctor --bind 127.0.0.1:0 --secret '{SECRET}' 2>&-",
                              shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                              env=environment(self.home), timeout=LIMIT, check=False)
        self.assertRegex(done.stdout, r"(?m)^warning +log +standard error is closed")

    def test_report_that_nobody_takes(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([PORTOLAN, "doctor", "--bind", "127.0.0.1:0", "--secret", SECRET],
                                  stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=environment(self.home), timeout=LIMIT, check=False)
        self.assertEqual(done.returncode, 5, done.stderr)


class OptionsTest(DoctorTest):
    def test_mistakes_of_the_configuration_are_found_with_all_else(self):
        path = self.write("shards = many\nfrob = 1\n")
        found = self.examine("--config", path)
        self.assert_found(found, "configuration", "error", f"{path}:1: shards takes")
        self.assert_found(found, "configuration", "error", f"{path}:2: there is no key 'frob'")
        self.assert_found(found, "secret", "ok")
        found = self.examine("--config", path + ".none")
        self.assert_found(found, "configuration", "error", ".none")

    def test_warnings_of_the_configuration(self):
        path = self.write(f"secret = {SECRET}\n", mode=0o644)
        found = self.examine("--config", path, secret=None)
        self.assert_found(found, "configuration", "warning", "others can read", "chmod 600")
        self.assertEqual(self.code, 0)
        self.assertEqual(self.run_tool("doctor", "--config", path, "--strict")[0], 2)

    def test_rules_with_a_mistake(self):
        path = self.write("allow * send echo\nlet * in\n", "rules")
        self.assert_found(self.examine("--rules", path), "rules", "error", f"{path}:2")
        self.write("allow * send echo\n", "rules")
        self.assert_found(self.examine("--rules", path), "rules", "ok")

    def test_secret_that_others_can_read_or_that_is_not_there(self):
        path = self.write(SECRET, "secret", 0o644)
        found = self.examine("--secret-file", path, secret=None)
        self.assert_found(found, "secret", "error", "mode 0644", f"type 'chmod 600 {path}'")
        found = self.examine("--secret-file", path + ".none", secret=None)
        self.assert_found(found, "secret", "error", "No such file")
        os.chmod(path, 0o600)
        self.assert_found(self.examine("--secret-file", path, secret=None), "secret", "ok", path)

    def test_secret_that_is_short_or_easily_guessed(self):
        found = self.examine(secret="short", bind="0.0.0.0:0")
        self.assert_found(found, "secret", "error", "5 bytes", "gensecret")
        self.assert_found(self.examine(secret="a" * 40), "secret", "warning", "easily guessed", "gensecret")

    def test_own_secret_is_not_made(self):
        found = self.examine(secret=None)
        self.assert_found(found, "secret", "ok", "made on first use")
        self.assertFalse(any(os.scandir(self.home)))

    def copy(self, *names):
        paths = []
        for name in names:
            paths.append(shutil.copy(os.path.join(TLS, name), self.home))
            os.chmod(paths[-1], 0o600)
        return paths

    def certificates(self, certificate, key, *more):
        cert, its_key, authority = self.copy(certificate, key, "harbour.pem")
        return self.examine("--tls-cert", cert, "--tls-key", its_key, "--tls-ca", authority, *more)

    def test_certificate_that_has_expired(self):
        found = self.certificates("expired.pem", "expired.key")
        self.assert_found(found, "certificates", "error", "expired.pem", "has expired", "SIGHUP")

    def test_certificate_that_is_good_that_expires_soon_and_that_has_another_name(self):
        base = os.path.join(self.home, "h")
        self.run_tool("gencert", "--ca", base)
        for node, days in (("soon", "10"), ("late", "300")):
            self.run_tool("gencert", "--ca", base, node, "--days", days, "--output",
                          os.path.join(self.home, node))
        for node, verdict in (("soon", "warning"), ("late", "ok")):
            path = os.path.join(self.home, node)
            found = self.examine("--tls-cert", path + ".pem", "--tls-key", path + ".key", "--tls-ca",
                                 base + ".pem", "--tls-verify-node", "--node", "late")
            self.assert_found(found, "certificates", verdict, f"{node}.pem", "days" if node == "soon" else "until")
            self.assert_found(found, "certificates", "ok", "belong together")
            self.assertEqual(self.code, 2 if node == "soon" else 0, found)
        self.assertNotIn("does not have the ID", str(found))

    def test_key_of_another_certificate(self):
        found = self.certificates("rain.pem", "snow.key")
        self.assert_found(found, "certificates", "error", "key")

    def test_key_that_others_can_read(self):
        cert, key, authority = self.copy("rain.pem", "rain.key", "harbour.pem")
        os.chmod(key, 0o644)
        found = self.examine("--tls-cert", cert, "--tls-key", key, "--tls-ca", authority)
        self.assert_found(found, "certificates", "error", "can be read", "chmod 600")


class PlacesTest(DoctorTest):
    def test_address_that_another_program_has(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            taken = f"127.0.0.1:{server.getsockname()[1]}"
            threading.Thread(target=self.answer, args=(server, b"220 mail\r\n")).start()
            self.assert_found(self.examine(bind=taken), "bind", "error", taken, "no node", "ss -ltnp")
            found = self.examine("--http", taken)
            self.assert_found(found, "http", "error", taken, "already", "another port")

    @staticmethod
    def answer(server, text):
        """To one who comes."""
        connection, _ = server.accept()
        connection.sendall(text)
        connection.close()

    def test_address_that_the_node_itself_has_is_as_it_should_be(self):
        served = unused_address()
        node = self.node("--node", "rain", "--secret", SECRET, "--http", served, "--http-token", "t")
        found = self.examine("--node", "rain", "--http", served, "--http-token", "t", bind=node.address)
        self.assert_found(found, "bind", "ok", "this node runs", "portolan-")
        self.assert_found(found, "http", "ok", "in use")
        self.assertEqual(self.code, 0, found)
        found = self.examine("--node", "snow", bind=node.address)
        self.assert_found(found, "bind", "error", "another node, rain")

    def test_address_that_this_machine_has_not(self):
        self.assert_found(self.examine(bind="203.0.113.1:4040"), "bind", "error", "no interface")

    def test_http_that_is_open_and_has_no_token(self):
        found = self.examine("--http", "0.0.0.0:0")
        self.assert_found(found, "http", "error", "open to other machines", "--http-token-file")
        self.assert_found(self.examine("--http", "0"), "http", "ok")

    def test_name_that_is_announced_and_not_known(self):
        found = self.examine("--announce", "nowhere.invalid:4040", "--announce", "localhost:4040")
        self.assert_found(found, "announced", "error", "nowhere.invalid", "correct the name")
        self.assert_found(found, "announced", "ok", "localhost:4040")


class SeedsTest(DoctorTest):
    def test_seed_that_lets_us_in_and_tells_the_time(self):
        seed = self.node("--node", "rain", "--secret", SECRET)
        found = self.examine("--seed", seed.address)
        self.assert_found(found, "seed", "ok", "the node rain, portolan-")
        self.assert_found(found, "joining", "ok", seed.address)
        self.assert_found(found, "clock", "ok", seed.address)
        self.assertEqual(self.code, 0, found)

    def test_seed_that_has_another_secret(self):
        seed = self.node("--node", "rain", "--secret", SECRET)
        found = self.examine("--seed", seed.address, secret="another one, of good length")
        self.assert_found(found, "seed", "ok", "the node rain")
        self.assert_found(found, "joining", "error", seed.address, "secret")

    def test_seed_where_nobody_is_and_one_that_is_no_node(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            other = f"127.0.0.1:{server.getsockname()[1]}"
            threading.Thread(target=PlacesTest.answer, args=(server, b"SSH-2.0-x\r\n")).start()
            nobody = unused_address()
            found = self.examine("--seed", nobody, "--seed", other)
        self.assert_found(found, "seed", "error", nobody, "Connection refused", "start a node there")
        self.assert_found(found, "seed", "error", other, "no node", "port")

    def test_seed_that_says_nothing_costs_a_bounded_time(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            silent = f"127.0.0.1:{server.getsockname()[1]}"
            self.assert_found(self.examine("--seed", silent), "seed", "error", silent, "no answer in time")

    def test_seed_whose_name_is_not_known(self):
        found = self.examine("--seed", "nowhere.invalid:4040")
        self.assert_found(found, "seed", "error", "nowhere.invalid:4040", "correct the name")

    def test_seed_of_our_own_id(self):
        seed = self.node("--node", "rain", "--secret", SECRET)
        found = self.examine("--node", "rain", "--seed", seed.address)
        self.assert_found(found, "seed", "error", "goes by this one's ID", "an ID of its own")
        found = self.examine("--node", "rain", "--seed", seed.address, bind=seed.address)
        self.assert_found(found, "seed", "ok", "this node itself")
        self.assertEqual(self.code, 0, found)

    def test_what_a_seed_says_of_itself_does_no_harm(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            seed = f"127.0.0.1:{server.getsockname()[1]}"
            threading.Thread(target=PlacesTest.answer, args=(
                server, b"aemp;1;r\x1b[2J\xff%3b%;m;json;provider=%\xe2\x80\xae\nnonce\n")).start()
            code, out, _ = self.run_tool("doctor", "--bind", "127.0.0.1:0", "--secret", SECRET, "--seed", seed)
        self.assertEqual(code, 2)
        self.assertRegex(out, r"(?m)^ok +seed +\S+: the node r\?\[2J\?;%, %\?$")


if __name__ == "__main__":
    unittest.main()
