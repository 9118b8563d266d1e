#!/usr/bin/env python3
"""Drives the portolan command as its users do: every command, complaint and exit code."""

import json
import os
import signal
import socket
import stat
import sys
import threading
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, SECRET, SLOW, ToolTest, unused_address


class HelpTest(ToolTest):
    def test_help_names_every_command_and_exit_code(self):
        code, out, err = self.run_tool("--help")
        self.assertEqual((code, err), (0, ""))
        for word in ("run", "snd", "cal", "mon", "spawn", "gensecret", "exit codes", "nodes",
                     "trace", "db set", "db del", "db get", "db keys", "db values", "db family",
                     "db watch", "--no-global", "--announce"):
            self.assertIn(word, out)
        self.assertTrue(all(len(line) <= 100 for line in out.split("\n")))
        self.assertEqual(self.run_tool("cal", "--help"), (0, out, ""))

    def test_version_is_printed(self):
        code, out, err = self.run_tool("--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"\Aportolan \d+\.\d+\.\d+\n\Z")


class UsageTest(ToolTest):
    def test_usage_errors_are_one_line_and_exit_code_1(self):
        for what, arguments in (
            ("no command", []),
            ("no command 'frob'", ["frob"]),
            ("no option --frob", ["run", "--frob"]),
            ("no option -x", ["run", "-x"]),
            ("needs a value", ["run", "--bind"]),
            ("no argument 'x'", ["run", "x"]),
            ("--shards takes", ["run", "--shards", "0"]),
            ("--shards takes", ["run", "--shards", "65"]),
            ("--shards takes", ["run", "--shards", "2x"]),
            ("--shards takes", ["run", "--shards", "-1"]),
            ("--max-message takes", ["run", "--max-message", "12"]),
            ("--max-spawned takes", ["run", "--max-spawned", "0"]),
            ("--poll-us takes", ["run", "--poll-us", "-1"]),
            ("--silence-ms takes", ["run", "--silence-ms", "299"]),
            ("--silence-ms takes", ["mon", "a#b", "--silence-ms", "1s"]),
            ("--drain-seconds takes", ["run", "--drain-seconds", "0"]),
            ("--log takes", ["run", "--log", "loud"]),
            ("--framing takes", ["run", "--framing", "json,xml"]),
            ("no service 'nope'", ["run", "--service", "nope"]),
            ("choose one", ["run", "--secret", "x", "--secret-file", "y"]),
            ("takes no --timeout", ["run", "--timeout", "3"]),
            ("takes no --bind", ["snd", "--bind", "127.0.0.1:1", "a#b"]),
            ("more than 64 times", ["run"] + ["--seed", "127.0.0.1:1"] * 65),
            ("--timeout takes", ["cal", "--timeout", "soon", "a#b"]),
            ("--timeout takes", ["cal", "--timeout", "0", "a#b"]),
            ("snd PORT", ["snd"]),
            ("cal PORT", ["cal"]),
            ("mon PORT", ["mon"]),
            ("mon PORT", ["mon", "a#b", "c"]),
            ("spawn NODE FUNC", ["spawn", "rain"]),
            ("gensecret takes no", ["gensecret", "x"]),
            ("is not a port", ["snd", "x" * 300 + "#y"]),
            ("is not a port", ["cal", "#y"]),
            ("takes no --hold", ["run", "--hold"]),
            ("takes no --no-global", ["snd", "--no-global", "a#b"]),
            ("the form is: portolan db", ["db"]),
            ("no 'db frob'", ["db", "frob", "fam"]),
            ("db set FAMILY KEY [VALUE]", ["db", "set", "fam"]),
            ("db set FAMILY KEY [VALUE]", ["db", "set", "fam", "k", "1", "2"]),
            ("db del FAMILY KEY", ["db", "del", "fam"]),
            ("db del FAMILY KEY", ["db", "del", "fam", "k", "1"]),
            ("db get FAMILY KEY", ["db", "get", "fam"]),
            ("db keys FAMILY", ["db", "keys"]),
            ("db values FAMILY", ["db", "values", "fam", "k"]),
            ("db family FAMILY", ["db", "family", "fam", "k"]),
            ("db watch FAMILY [KEY]", ["db", "watch"]),
            ("db watch FAMILY [KEY]", ["db", "watch", "fam", "k", "l"]),
            ("a letter, then", ["db", "keys", ""]),
            ("a letter, then", ["db", "get", "1fam", "k"]),
            ("a letter, then", ["db", "set", "fam-ily", "k"]),
            ("a letter, then", ["db", "watch", "'m"]),
            ("more than 255 bytes", ["db", "keys", "f" * 256]),
            ("the network's own", ["db", "set", "'l", "k"]),
            ("the network's own", ["db", "del", "'g", "k"]),
            ("it is empty", ["db", "set", "fam", ""]),
            ("it is empty", ["db", "watch", "fam", ""]),
            ("more than 1024 bytes", ["db", "get", "fam", "k" * 1025]),
            ("not UTF-8", ["db", "get", "fam", os.fsdecode(b"\xff")]),
            ("more than 1024 bytes", ["db", "watch", "fam", "--prefix", "k" * 1025]),
            ("choose one", ["db", "watch", "fam", "k", "--prefix", "k"]),
            ("--count takes", ["db", "watch", "fam", "--count", "0"]),
            ("'db get' takes no --hold", ["db", "get", "fam", "k", "--hold"]),
            ("'db set' takes no --count", ["db", "--count", "1", "set", "fam", "k"]),
            ("'db' takes no --prefix", ["db", "--prefix", "k"]),
            ("nodes takes no argument 'x'", ["nodes", "x"]),
            ("trace NODE", ["trace"]),
            ("trace NODE", ["trace", "a", "b"]),
            ("is not a node", ["trace", "a#b"]),
            ("is not a node", ["trace", ""]),
            ("is not a node", ["trace", "x" * 201]),
            ("others connect to", ["run", "--announce", "127.0.0.1:0"]),
            ("others connect to", ["run", "--announce", "0.0.0.0:4040"]),
            ("others connect to", ["run", "--announce", "[::]:4040"]),
        ):
            with self.subTest(arguments=arguments[:4]):
                self.assert_fails(1, what, arguments=arguments)


class SecretTest(ToolTest):
    def path(self):
        return os.path.join(self.home, ".config", "portolan", "secret")

    def run_briefly(self, *arguments, env=None):
        self.assertEqual(self.node(*arguments, env=env).stop()[0], 0)

    def test_gensecret_prints_another_secret_every_time(self):
        secrets = {self.run_tool("gensecret") for _ in range(5)}
        self.assertEqual(len(secrets), 5)
        for code, out, err in secrets:
            self.assertEqual((code, err), (0, ""))
            self.assertRegex(out, r"\A[0-9a-f]{64}\n\Z")

    def test_secret_file_is_made_on_first_use_for_its_owner_only(self):
        self.run_briefly()
        self.assertEqual(stat.S_IMODE(os.stat(self.path()).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(self.path())).st_mode), 0o700)
        with open(self.path(), encoding="ascii") as file:
            first = file.read()
        self.assertRegex(first, r"\A[0-9a-f]{64}\n\Z")
        self.run_briefly()
        with open(self.path(), encoding="ascii") as file:
            self.assertEqual(file.read(), first)
        self.assertEqual(os.listdir(os.path.dirname(self.path())), ["secret"])

    def test_secret_file_stands_where_xdg_config_home_says(self):
        config = os.path.join(self.home, "elsewhere")
        self.run_briefly(env={"XDG_CONFIG_HOME": config})
        self.assertTrue(os.path.exists(os.path.join(config, "portolan", "secret")))
        self.assertFalse(os.path.exists(self.path()))

    def test_secret_file_that_others_may_read_is_refused(self):
        self.run_briefly()
        for mode in (0o640, 0o604, 0o620):
            os.chmod(self.path(), mode)
            self.assert_fails(2, "chmod 600", arguments=["run", "--bind", "127.0.0.1:0"])

    def test_secret_file_that_is_missing_empty_or_a_folder_is_refused(self):
        empty = os.path.join(self.home, "empty")
        with open(empty, "w", encoding="ascii") as file:
            file.write("\n")
        os.chmod(empty, 0o600)
        for what, path in (("gensecret", empty), ("is not a file", self.home),
                           ("No such file", os.path.join(self.home, "none"))):
            self.assert_fails(2, what, arguments=["run", "--secret-file", path])

    def test_secret_folder_that_cannot_be_made_is_one_line(self):
        self.assert_fails(2, "PORTOLAN_SECRET", arguments=["run"],
                          env={"XDG_CONFIG_HOME": "/proc/nowhere"})

    def test_empty_secret_is_refused(self):
        self.assert_fails(1, "0 bytes", arguments=["run", "--secret", ""])

    def test_short_secret_is_good_for_loopback_only(self):
        self.assert_fails(2, "16 bytes", arguments=["run", "--secret", "short", "--bind",
                                                    "0.0.0.0:0"])
        node = self.node("--secret", "short")
        code, _, err = self.run_tool("snd", f"{node.id}#x", "--seed", node.address, "--secret",
                                     "short")
        self.assertEqual((code, err), (0, ""))

    def test_flag_goes_before_environment_and_environment_before_file(self):
        node = self.node(env={"PORTOLAN_SECRET": SECRET})
        ask = ["snd", f"{node.id}#x", "--seed", node.address]
        self.assertEqual(self.run_tool(*ask, env={"PORTOLAN_SECRET": SECRET})[0], 0)
        self.assertEqual(self.run_tool(*ask, "--secret", SECRET,
                                       env={"PORTOLAN_SECRET": "another, wrong one"})[0], 0)
        path = os.path.join(self.home, "given")
        with open(path, "w", encoding="ascii") as file:
            file.write(SECRET + "\r\n")
        os.chmod(path, 0o600)
        self.assertEqual(self.run_tool(*ask, "--secret-file", path)[0], 0)


class RunTest(ToolTest):
    def test_ready_line_names_node_addresses_and_shards(self):
        node = self.node("--node", "rain", "--shards", "3", "--bind", "127.0.0.1:0", "--bind",
                         "127.0.0.1:0")
        self.assertEqual((node.id, node.shards), ("rain", "3"))
        first, second = node.addresses.split(",")
        self.assertRegex(first, r"\A127\.0\.0\.1:[1-9]\d*\Z")
        self.assertNotEqual(first, second)

    def test_node_is_called_as_its_host(self):
        self.assertEqual(self.node().id, socket.gethostname())

    def test_services_are_there_for_the_first_who_asks(self):
        """A seed asks in the first bytes that the node can read at all."""
        asks = (b"aemp;1;peer;hmac_sha3_512;json\nnonce\ncleartext;" + SECRET.encode().hex().encode()
                + b';json\n["echo","echo",7,"peer#in"]')

        def ask(listener, answers):
            seed = listener.accept()[0]
            seed.settimeout(LIMIT)
            seed.sendall(asks)
            answer = b""
            while b'["in",7]' not in answer and (some := seed.recv(65536)):
                answer += some
            answers.append(b'["in",7]' in answer)
            seed.close()

        for _ in range(10):
            answers = []
            with socket.create_server(("127.0.0.1", 0)) as listener:
                thread = threading.Thread(target=ask, args=(listener, answers), daemon=True)
                thread.start()
                node = self.node("--node", "rain", "--secret", SECRET, "--service", "echo",
                                 "--seed", f"127.0.0.1:{listener.getsockname()[1]}")
                thread.join(LIMIT)
                node.stop()
            self.assertEqual(answers, [True])

    def test_sigterm_and_sigint_stop_it_within_two_seconds(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            code, seconds = self.node().stop(number)
            self.assertEqual(code, 0)
            self.assertLess(seconds, 2 * SLOW)

    def test_sigterm_stops_a_node_with_links_and_an_unreachable_seed(self):
        rain = self.node("--node", "rain")
        snow = self.node("--node", "snow", "--seed", rain.address, "--seed", unused_address())
        self.assertEqual(self.run_tool("snd", "snow#x", "--seed", snow.address)[0], 0)
        for node in (snow, rain):
            code, seconds = node.stop()
            self.assertEqual(code, 0)
            self.assertLess(seconds, 2 * SLOW)

    def test_address_in_use_is_one_line(self):
        node = self.node()
        self.assert_fails(2, node.address, "in use", arguments=["run", "--bind", node.address])

    def test_address_that_is_none_is_one_line(self):
        for address in ("", "nonsense", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999", ":4040",
                        "127.0.0.1:x", "::1:4040", "[::1]", "*:4040"):
            for option in ("--bind", "--seed", "--announce"):
                self.assert_fails(1, f"{option} takes HOST:PORT", arguments=["run", option, address])
        self.assert_fails(1, "PORTOLAN_SEED takes HOST:PORT", arguments=["mon", "a#b"],
                          env={"PORTOLAN_SEED": "rain"})

    def test_address_that_this_host_has_not_is_one_line(self):
        self.assert_fails(2, "203.0.113.1:4040", arguments=["run", "--bind", "203.0.113.1:4040"])

    def test_addresses_may_be_names_or_of_ipv6(self):
        self.assertRegex(self.node("--bind", "localhost:0").address, r"\A(127\.0\.0\.1|\[::1\]):\d")

    def test_node_id_that_is_none_is_one_line(self):
        for name in ("a#b", "", "x" * 201, "a\nb"):
            self.assert_fails(1, "--node takes",
                              arguments=["run", "--bind", "127.0.0.1:0", "--node", name])


class ClientTest(ToolTest):
    def ask(self, node, command, *arguments):
        return [command, "--seed", node.address, *arguments]

    def count(self, node):
        code, out, err = self.run_tool(*self.ask(node, "cal", "rain#sink", "count"))
        self.assertEqual((code, err), (0, ""))
        return json.loads(out)[0]

    def rain(self, *arguments):
        return self.node("--node", "rain", "--service", "echo", "--service", "sink", *arguments)

    def test_cal_prints_the_reply_as_one_line_of_json(self):
        rain = self.rain()
        self.assert_prints(
            ["hello", 1, 1.5, None, True, [1, [2, []]], {"k": "v"}, -5, "grüße €", "{broken", ""],
            *self.ask(rain, "cal", "rain#echo", "echo", "hello", "1", "1.5", "null", "true",
                      "[1,[2,[]]]", '{"k":"v"}', "-5", "grüße €", "{broken", ""))

    def test_cal_takes_options_anywhere_and_ends_them_at_two_dashes(self):
        rain = self.rain()
        self.assert_prints(["a", "--timeout", "3.5x"], "cal", "rain#echo", "--seed", rain.address,
                           "echo", "a", "--timeout", "20", "--", "--timeout", "3.5x")
        self.assert_prints(["b"], "call", "rain#echo", "echo", "b",
                           env={"PORTOLAN_SEED": rain.address})

    def test_cal_works_with_every_framing(self):
        for framing in ("json", "cbor", "json,cbor"):
            rain = self.rain("--framing", framing)
            self.assert_prints(["x", 1], *self.ask(rain, "cal", "rain#echo", "echo", "x", "1"))
            rain.stop()
        rain = self.rain("--framing", "json")
        self.assert_fails(3, "framing", arguments=self.ask(
            rain, "cal", "rain#echo", "x", "--framing", "cbor"))

    def test_snd_is_done_when_the_message_has_arrived(self):
        rain = self.rain()
        for i in range(5):
            self.assertEqual(self.run_tool(*self.ask(rain, "snd", "rain#sink", "x", str(i))),
                             (0, "", ""))
        self.assertEqual(self.count(rain), 5)

    def test_snd_to_a_port_that_does_not_exist_is_no_error(self):
        rain = self.rain()
        self.assertEqual(self.run_tool(*self.ask(rain, "snd", "rain#nobody", "x")), (0, "", ""))

    def test_cal_of_a_port_that_does_not_exist_is_exit_code_4(self):
        rain = self.rain()
        self.assert_fails(4, "no_such_port", arguments=self.ask(rain, "cal", "rain#nobody", "x"))

    def test_cal_without_an_answer_is_exit_code_3(self):
        rain = self.rain()
        self.assert_fails(3, "no answer within 0.5 s", arguments=self.ask(
            rain, "cal", "rain#sink", "x", "--timeout", "0.5"))

    def test_clients_that_reach_nobody_say_so_with_exit_code_3(self):
        address = unused_address()
        for command in (["snd", "rain#x"], ["cal", "rain#x"], ["mon", "rain#x"],
                        ["spawn", "rain", "portolan::echo"], ["db", "set", "fam", "k"],
                        ["db", "set", "fam", "k", "--hold"], ["db", "get", "fam", "k"],
                        ["db", "watch", "fam"], ["nodes"], ["trace", "rain"]):
            self.assert_fails(3, "cannot reach", address, arguments=[
                *command, "--seed", address, "--timeout", "0.7"])

    def test_client_with_another_secret_is_told(self):
        rain = self.rain()
        self.assert_fails(3, "secret", arguments=[
            "snd", "rain#x", "--seed", rain.address, "--secret", SECRET])

    def test_client_asking_for_a_node_that_nobody_knows_is_told(self):
        rain = self.rain()
        self.assert_fails(3, arguments=self.ask(rain, "cal", "storm#x", "x", "--timeout", "5"))

    def test_mon_prints_the_reason_when_the_port_is_killed(self):
        rain = self.rain()
        for reason in ([], ["because", 42]):
            port = self.spawn(rain)
            monitor = self.monitor(rain, port)
            name = port.split("#")[1]
            self.run_tool(*self.ask(rain, "snd", "rain", "kil1", name, *map(json.dumps, reason)))
            code, out, _ = self.finish(monitor)
            self.assertEqual(code, 0)
            self.assertEqual(json.loads(out), reason)

    def test_mon_of_a_port_that_does_not_exist_is_exit_code_4(self):
        rain = self.rain()
        code, out, err = self.run_tool(*self.ask(rain, "mon", "rain#nobody"))
        self.assertEqual(code, 4, err)
        self.assertEqual(json.loads(out)[0], "no_such_port")

    def test_mon_of_a_port_whose_node_goes_is_exit_code_3(self):
        rain = self.rain()
        monitor = self.monitor(rain, "rain#echo")
        rain.strike()
        code, out, _ = self.finish(monitor)
        self.assertEqual(code, 3)
        self.assertEqual(json.loads(out)[0], "transport_error")

    def test_mon_ends_by_a_signal(self):
        rain = self.rain()
        for number in (signal.SIGTERM, signal.SIGINT):
            monitor = self.monitor(rain, "rain#echo")
            monitor.send_signal(number)
            self.assertEqual(self.finish(monitor)[0], 128 + number)

    def test_spawn_prints_an_id_that_answers(self):
        rain = self.rain()
        first, second = self.spawn(rain), self.spawn(rain, "some", "arguments")
        self.assertNotEqual(first, second)
        for port in (first, second):
            self.assert_prints(["x"], *self.ask(rain, "cal", port, "echo", "x"))

    def test_spawn_of_a_function_that_is_none_is_exit_code_4(self):
        rain = self.rain()
        self.assert_fails(4, "the port is gone", arguments=self.ask(rain, "spawn", "rain", "nope"))

    def test_services_drop_what_they_cannot_answer(self):
        rain = self.rain()
        for arguments in ([], ["x"], ["echo", "x", "not a port"], ["count"], ["count", "1", "2"]):
            for port in ("rain#echo", "rain#sink"):
                self.assertEqual(self.run_tool(*self.ask(rain, "snd", port, *arguments)),
                                 (0, "", ""))
        self.assert_prints(["x"], *self.ask(rain, "cal", "rain#echo", "echo", "x"))
        self.assertEqual(self.count(rain), 5)

    def test_message_over_the_limit_is_refused_and_the_node_lives_on(self):
        rain = self.rain("--max-message", "2000")
        self.run_tool(*self.ask(rain, "snd", "rain#sink", "x" * 5000, "--timeout", "2"))
        self.assert_prints(["x"], *self.ask(rain, "cal", "rain#echo", "echo", "x"))
        self.assertEqual(self.count(rain), 0)

    def test_nodes_that_are_linked_pass_messages_on(self):
        rain = self.rain()
        snow = self.node("--node", "snow", "--service", "echo", "--seed", rain.address)
        monitor = self.monitor(snow, "snow#echo")
        code, _, err = self.run_tool(*self.ask(
            rain, "snd", "rain", "snd", "snow#echo", "echo", "x", "rain#sink"))
        self.assertEqual((code, err), (0, ""))
        while self.count(rain) < 1:
            pass
        snow.strike()
        self.assertEqual(self.finish(monitor)[0], 3)

    def test_large_argument_comes_back_whole(self):
        rain = self.rain()
        text = "0123456789abcdef" * 7000
        self.assert_prints([text], *self.ask(rain, "cal", "rain#echo", "echo", text))

    def spawn(self, node, *arguments):
        code, out, err = self.run_tool(*self.ask(node, "spawn", "rain", "portolan::echo",
                                                 *arguments))
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"\Arain#[^\s#]+\n\Z")
        return out.strip()

    def monitor(self, node, port):
        """A running `mon` whose monitor is in place."""
        process = self.start(*self.ask(node, "mon", port, "--log", "info"))
        for line in process.stderr:
            if f"monitoring {port}" in line:
                return process
        raise AssertionError("the monitor was not set")


if __name__ == "__main__":
    unittest.main(verbosity=2)
