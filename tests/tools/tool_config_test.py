#!/usr/bin/env python3
"""Configuration: what `portolan run --config` reads, `config check` says and `init` writes."""

import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, PORTOLAN, READY, SECRET, Node, ToolTest, environment, unused_address

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class ConfigTest(ToolTest):
    def write(self, text, name="portolan.conf", mode=0o600):
        path = os.path.join(self.home, name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def check(self, path, *arguments, env=None):
        """The effective configuration: {key: [(value, where)]}, and the warnings."""
        code, out, err = self.run_tool("config", "check", path, *arguments, env=env)
        self.assertEqual(code, 0, err)
        found = {}
        for key, value, where in re.findall(r"^(?:; )?([a-z-]+) =(?: (.*?))? +; (.*)$", out, re.M):
            found.setdefault(key, []).append((value, where.replace(path, "FILE")))
        return found, err

    def digest(self, path, *arguments, env=None):
        out = self.run_tool("config", "check", path, *arguments, env=env)[1]
        return re.search(r"^; digest (sha256:[0-9a-f]{64})$", out, re.M).group(1)

    def mistakes(self, path, *arguments, env=None):
        """What is wrong with a configuration, by `config check` and by `run`, as (line, text)."""
        code, out, err = self.run_tool("config", "check", path, *arguments, env=env)
        self.assertEqual((code, out), (2, ""), err)
        self.assertEqual(self.run_tool("run", "--config", path, *arguments, env=env), (2, "", err))
        found = []
        for line in err.splitlines():
            match = re.match(r"portolan: " + re.escape(path) + r":(?:(\d+):)? (.*)", line)
            self.assertTrue(match, line)
            found.append((int(match.group(1) or 0), match.group(2)))
        return found

    def assert_mistake(self, path, line, *what, arguments=()):
        found = self.mistakes(path, *arguments)
        self.assertEqual([number for number, _ in found], [line], found)
        for part in what:
            self.assertIn(part, found[0][1])


class LayersTest(ConfigTest):
    def test_node_runs_as_its_file_says(self):
        path = self.write(f"node = rain\nbind = 127.0.0.1:0\nbind = 127.0.0.1:0\nshards = 3\n"
                          f"secret = {SECRET}\nservice = echo\n")
        node = Node(self.home, "--config", path)
        self.addCleanup(self.end_node, node)
        self.assertEqual((node.id, node.shards), ("rain", "3"))
        self.assertEqual(len(node.addresses.split(",")), 2)
        self.assert_prints([1], "cal", "rain#echo", "say", "1", env={
            "PORTOLAN_SEED": node.address, "PORTOLAN_SECRET": SECRET})
        node.stop()
        self.assertIn(f"configuration {path}, digest {self.digest(path, '--log', 'debug')}",
                      node.logged())

    def test_flags_go_before_the_environment_and_the_environment_before_the_file(self):
        path = self.write("node = file\nshards = 2\npoll-us = 3\nseed = 127.0.0.1:1\n"
                          "seed = 127.0.0.1:2\n")
        found, _ = self.check(path, "--node", "flag", "--no-global", env={
            "PORTOLAN_NODE": "variable", "PORTOLAN_SHARDS": "4", "PORTOLAN_POLL_US": "",
            "PORTOLAN_SEED": "127.0.0.1:3,[::1]:4"})
        self.assertEqual(found["node"], [("flag", "--node")])
        self.assertEqual(found["shards"], [("4", "PORTOLAN_SHARDS")])
        self.assertEqual(found["poll-us"], [("3", "FILE:3")])
        self.assertEqual(found["seed"], [("127.0.0.1:3", "PORTOLAN_SEED"),
                                         ("[::1]:4", "PORTOLAN_SEED")])
        self.assertEqual(found["no-global"], [("yes", "--no-global")])
        self.assertEqual(found["log"], [("info", "default")])
        self.assertEqual(self.check(path)[0]["seed"],
                         [("127.0.0.1:1", "FILE:4"), ("127.0.0.1:2", "FILE:5")])

    def test_flag_takes_back_what_the_file_says_yes_to(self):
        path = self.write("no-global = on\n")
        self.assertEqual(self.check(path)[0]["no-global"], [("yes", "FILE:1")])
        self.assertEqual(self.check(path, "--no-global=no")[0]["no-global"],
                         [("no", "--no-global")])

    def test_secret_or_its_file_the_higher_one_counts(self):
        self.write(SECRET, "here")
        path = self.write(f"secret = {SECRET}\n[profile lab]\nsecret-file = here\n")
        self.assertEqual(self.check(path)[0]["secret"], [("****", "FILE:1")])
        found, _ = self.check(path, "--profile", "lab")
        # A path is one from the folder of the file.
        self.assertEqual(found["secret-file"], [(os.path.join(self.home, "here"), "FILE:3")])
        self.assertEqual(found["secret"], [("", "default: the user's own")])

    def test_profile_adds_to_those_it_inherits_from_and_to_the_top(self):
        path = self.write("log = warn\nnode = top\nshards = 1\npoll-us = 1\n"
                          "[profile lab]\ninherit = edge\nnode = lab\n"
                          "[profile other]\npoll-us = 9\n"
                          "[profile edge]\nnode = edge\nshards = 2\n")
        found, _ = self.check(path, "--profile", "lab")
        self.assertEqual([found[key][0] for key in ("log", "node", "shards", "poll-us")],
                         [("warn", "FILE:1"), ("lab", "FILE:7"), ("2", "FILE:12"), ("1", "FILE:4")])
        found, _ = self.check(path, env={"PORTOLAN_PROFILE": "edge"})
        self.assertEqual(found["node"], [("edge", "FILE:11")])
        self.assertEqual(self.check(path)[0]["node"], [("top", "FILE:2")])

    def test_file_may_be_named_by_a_variable(self):
        code, out, _ = self.run_tool("config", "check", env={
            "PORTOLAN_CONFIG": self.write("node = rain\n")})
        self.assertEqual(code, 0)
        self.assertIn("node = rain", out)

    def test_lines_are_read_as_people_write_them(self):
        path = self.write(b"\xef\xbb\xbf; a comment\r\n# another\r\n\r\n  node=rain  ; behind\r\n"
                          b"\tlog : debug\r\nbind = 127.0.0.1:0")
        found, _ = self.check(path)
        self.assertEqual([found[key][0] for key in ("node", "log", "bind")],
                         [("rain", "FILE:4"), ("debug", "FILE:5"), ("127.0.0.1:0", "FILE:6")])

    def test_digest_is_of_what_counts_and_not_of_where_it_stands_nor_of_secrets(self):
        path = self.write(f"node = rain\nno-global = 1\nsecret = {SECRET}\n")
        other = self.write("; the same\n\nno-global = yes\n", "other")
        self.assertEqual(self.digest(path), self.digest(other, "--node", "rain"))
        self.assertNotEqual(self.digest(path), self.digest(other))

    def test_what_is_printed_of_a_long_value_is_a_configuration_that_comes_to_the_same(self):
        path = self.write(f"announce = {'a' * 180}:4040\n")
        code, out, err = self.run_tool("config", "check", path)
        self.assertEqual(code, 0, err)
        self.assertEqual(self.digest(self.write(out, "printed.conf")), self.digest(path))

    def test_secret_is_shown_nowhere(self):
        path = self.write(f"secret = {SECRET}\nsecret {SECRET}\nsecrt = {SECRET}\n"
                          f"secret = {SECRET}\n[profile x]\nsecret = '{SECRET}'\n", mode=0o644)
        for arguments in (["config", "check", path], ["run", "--config", path]):
            code, out, err = self.run_tool(*arguments)
            self.assertEqual(code, 2)
            self.assertNotIn(SECRET, out + err)
        _, out, err = self.run_tool("config", "check", self.write(f"secret = {SECRET}"))
        self.assertNotIn(SECRET, out + err)


class WarningTest(ConfigTest):
    def assert_warns(self, path, what, *arguments, env=None):
        _, err = self.check(path, *arguments, env=env)
        self.assertRegex(err, r"\Aportolan: warning: [^\n]+\n\Z")
        self.assertIn(what, err)
        code, out, strict = self.run_tool("config", "check", path, "--strict", *arguments, env=env)
        self.assertEqual((code, out, strict), (2, "", err))

    def test_secret_that_others_can_read_is_warned_of(self):
        for mode in (0o604, 0o602):
            path = self.write(f"bind = 127.0.0.1:0\nsecret = {SECRET}\n", mode=mode)
            self.assert_warns(path, f"{path}:2: the secret stands in a file that others can")
        node = Node(self.home, "--config", path)
        self.end_node_and_find(node, "warn", "chmod 600")

    def end_node_and_find(self, node, *words):
        self.addCleanup(node.kill)
        self.assertEqual(node.stop()[0], 0)
        for word in words:
            self.assertIn(word, node.logged())

    def test_no_secret_on_an_open_address_is_warned_of(self):
        self.assert_warns(self.write("bind = 127.0.0.1:1\nbind = 0.0.0.0:4040\n"),
                          "no secret is given, and bind = 0.0.0.0:4040 is open")
        self.assert_warns(self.write("bind = 127.evil.example:1\n"), "bind = 127.evil.example:1 is open")
        self.assertEqual(self.check(self.write("bind = [::1]:1\nbind = localhost:2\nbind = 127.1.2.3:4\n"))[1], "")

    def test_secret_on_the_command_line_is_warned_of(self):
        self.assert_warns(self.write(""), "give --secret-file", "--secret", SECRET)

    def test_variable_that_is_nearly_an_option_s_is_warned_of(self):
        self.assert_warns(self.write(""), "is it PORTOLAN_SHARDS?", env={"PORTOLAN_SHARD": "2"})
        # A container beside a service of the name is given these.
        self.assertEqual(self.check(self.write(""), env={
            "PORTOLAN_PORT": "tcp://10.0.0.1:4040", "PORTOLAN_SERVICE_HOST": "10.0.0.1",
            "PORTOLAN_SERVICE_PORT": "4040", "PORTOLAN_PORT_4040_TCP": "x"})[1], "")

    def test_short_secret_on_an_open_address_is_a_mistake(self):
        path = self.write("secret = short\nbind = 0.0.0.0:0\n")
        self.assert_fails(2, "the secret has 5 bytes", "0.0.0.0:0",
                          arguments=["config", "check", path])
        self.assertEqual(self.check(path, "--bind", "127.0.0.1:0")[1], "")
        self.assert_fails(2, "the secret has 5 bytes", "seed = 10.0.0.1:1", arguments=[
            "config", "check", path, "--bind", "127.0.0.1:0", "--seed", "10.0.0.1:1"])

    def test_secret_file_that_cannot_be_used_is_told_with_its_line(self):
        self.write(SECRET, "open", mode=0o644)
        for name, what in (("none", "No such file"), ("open", "chmod 600")):
            path = self.write(f"\nsecret-file = {name}\n")
            self.assert_mistake(path, 2, what)


class BadInputTest(ConfigTest):
    """A broken file starts nothing, and costs a line for each mistake."""

    def test_unknown_key(self):
        found = self.mistakes(self.write(
            "shard = 2\nmax_message = 2000\nSeed = x\ntimeout = 3\nconfig = x\nzebra = 1\n"))
        self.assertEqual([line for line, _ in found], [1, 2, 3, 4, 5, 6])
        for (_, text), like in zip(found, ("'shards'", "'max-message'", "'seed'")):
            self.assertIn(f"is it {like}?", text)
        self.assertIn("portolan config check /dev/null", found[5][1])

    def test_value_of_the_wrong_kind_out_of_range_or_given_twice(self):
        wrong = (("shards = 65", "from 1 to 64"), ("shards = two", "given already, at line 1"),
                 ("no-global = maybe", "yes or no"), ("bind = rain", "HOST:PORT"),
                 ("announce = 0.0.0.0:1", "others connect to"), ("log = loud", "or debug"),
                 ("framing = xml", "cbor"), ("drain-seconds = 0", "0.001"), ("node =", "1 to 200"),
                 ("service = frob", "no service 'frob'"), ("poll-us = 3 # three", "begins with ;"),
                 ("max-message = '9'", "without quotes"), ("silence-ms = 299", "from 300"),
                 ("inherit = x", "[profile NAME]"), ("secret =", "0 bytes"),
                 ("neither this", "neither"), ("= x", "no key"), ("max-spawned = -1", "from 1"))
        found = self.mistakes(self.write("\n".join(line for line, _ in wrong) + "\n"))
        self.assertEqual([line for line, _ in found], list(range(1, len(wrong) + 1)), found)
        for (_, text), (_, what) in zip(found, wrong):
            self.assertIn(what, text)

    def test_secret_and_secret_file_in_one_place(self):
        self.assert_mistake(self.write("secret = a\nsecret-file = b\n"), 2, "choose one")

    def test_list_with_65_values(self):
        self.assert_mistake(self.write("seed = 127.0.0.1:1\n" * 70), 65, "more than 64 times")

    def test_sections_that_are_none(self):
        found = self.mistakes(self.write(
            "[server]\nlog = info\n[profile]\n[profile a b]\n[profile a\n[profile a] x = 1\n"
            f"[profile {'x' * 41}]\n[{'x' * 60}]\n[profile a ; b]\n[profile a]\n[profile a]\n"))
        self.assertEqual([line for line, _ in found], [1, 3, 4, 5, 6, 7, 8, 9, 11], found)
        self.assertIn("at line 10", found[-1][1])

    def test_section_that_would_be_cut_is_told(self):
        for section in (f"[profile    {'x' * 40}]", "[profile" + 31 * " " + "production-europe]"):
            self.assert_mistake(self.write(f"log = info\n{section}\n"), 2, "at most 49 bytes")
        self.write(f"[profile {'x' * 40}]\nlog = warn\n")
        found, _ = self.check(self.write(f"[profile {'x' * 40}]\nlog = warn\n"), "--profile",
                              "x" * 40)
        self.assertEqual(found["log"][0][0], "warn")

    def test_carriage_returns_that_end_no_line_are_told(self):
        for text, line in ((b"; my node\rbind = 127.0.0.1:1\r", 1),
                           (b"log = info\r\nsecret = geheim\rbind = 0.0.0.0:1\r\n", 2),
                           (b"service = echo\n\rsink\n", 2), (b"log = info\r", 1)):
            with self.subTest(text=text):
                self.assert_mistake(self.write(text), line, "carriage return")

    def test_characters_that_change_a_terminal_are_told(self):
        self.assert_mistake(self.write("log = info\n\u009b = 1\n"), 2, "0xc2")
        self.assertEqual(self.check(self.write("node = \u00e9\u2014\n"))[0]["node"][0][0],
                         "\u00e9\u2014")

    def test_keys_behind_a_section_that_is_none_are_not_those_before_it(self):
        for section in ("[server]", "[profile a", f"[profile {'x' * 60}]"):
            self.assertEqual([line for line, _ in self.mistakes(self.write(
                f"log = info\n{section}\nlog = warn\ninherit = x\n"))], [2])

    def test_profile_that_is_not_there(self):
        path = self.write("[profile a]\n[profile b]\n")
        self.assert_mistake(path, 0, "no [profile c]", "a, b", arguments=["--profile", "c"])
        self.assert_mistake(self.write("\n[profile a]\ninherit = c\n"), 3, "no [profile c]")
        self.assert_fails(1, "name it with --config", arguments=["run", "--profile", "c"])

    def test_profiles_that_inherit_in_a_circle(self):
        for picked in ([], ["--profile", "b"]):
            self.assert_mistake(self.write(
                "[profile c]\ninherit = a\n[profile a]\ninherit = b\n[profile b]\ninherit = a\n"
                "[profile d]\n"), 4, "[profile a]", "circle", arguments=picked)
        self.assert_mistake(self.write("[profile a]\ninherit = a\n"), 2, "circle")

    def test_file_that_is_a_folder_or_missing(self):
        self.assert_mistake(self.home, 0, "is a folder")
        self.assert_mistake(os.path.join(self.home, "none"), 0, "No such file")

    def test_file_that_is_unreadable(self):
        self.assert_mistake("/proc/self/mem", 0, "cannot be read")
        if os.getuid() != 0:
            self.assert_mistake(self.write("", mode=0), 0, "Permission denied")

    def test_file_of_1_gb(self):
        path = self.write("node = rain\n")
        os.truncate(path, 1 << 30)
        self.assert_mistake(path, 0, "262144 bytes")
        self.assert_mistake("/dev/zero", 0, "262144 bytes")  # it has no size that it tells
        self.check(self.write("\n" * 262144))
        self.assert_mistake(self.write("\n" * 262145), 0, "262144 bytes")

    def test_file_that_is_binary(self):
        self.assert_mistake(self.write(b"node = rain\n\x7fELF\x02\x01\x00"), 2, "0x7f")
        self.assert_mistake(self.write(b"node = \x00\n"), 1, "0x00")
        self.assert_mistake(self.write(b"node = \xff\xfe\n"), 0, "UTF-8")

    def test_line_that_is_too_long(self):
        for size in (200, 5000):
            self.assert_mistake(self.write("\nnode = " + "x" * (size - 7) + "\n"), 2,
                                f"{size} bytes, 199")
        path = self.write("node = " + "x" * 191 + " \n")
        code, out, err = self.run_tool("config", "check", path)
        self.assertEqual(code, 0, err)
        self.assertIn(f"; {path}:1\nnode = {'x' * 191}\n", out)

    def test_mistakes_without_end_are_counted(self):
        code, out, err = self.run_tool("config", "check", self.write("a = 1\n" * 40000))
        self.assertEqual((code, out, err.count("\n")), (2, "", 51))
        self.assertIn("and 39950 more", err)

    def test_empty_file(self):
        for text in ("", "\n", "; nothing\n", "\xef\xbb\xbf".encode("latin-1")):
            found, err = self.check(self.write(text))
            self.assertEqual(err, "")
            self.assertTrue(all("default" in where for values in found.values()
                                for _, where in values), found)
        self.assertGreater(len(found), 15)

    def test_no_home(self):
        path = self.write(f"bind = 127.0.0.1:0\nsecret = {SECRET}\n")
        node = Node("", "--config", path)
        self.addCleanup(self.end_node, node)
        if os.getuid() == 0:  # somebody of whom the system knows no home either
            self.check_homeless(["config", "check", "/dev/null"])

    def check_homeless(self, arguments):
        def become_nobody():
            os.setgroups([])
            os.setgid(54321)
            os.setuid(54321)

        try:
            done = subprocess.run([PORTOLAN, *arguments], env=environment(""), text=True,
                                  preexec_fn=become_nobody, stderr=subprocess.PIPE, timeout=LIMIT,
                                  stdin=subprocess.DEVNULL, check=False)
        except (PermissionError, subprocess.SubprocessError):
            return  # who builds where others may not look
        self.assertEqual(done.returncode, 2)
        self.assertIn("no home directory", done.stderr)

    def test_wrong_variable_is_one_line(self):
        self.assert_fails(1, "PORTOLAN_SHARDS takes", arguments=["run"],
                          env={"PORTOLAN_SHARDS": "many"})

    def test_forms_that_are_none(self):
        for arguments in (["config"], ["config", "frob"], ["config", "check"],
                          ["config", "check", "/dev/null", "x"], ["init", "x"],
                          ["init", "--config", "x"]):
            self.assert_fails(1, "the form is", arguments=arguments)
        self.assert_fails(1, "takes no --output", arguments=["run", "--output", "x"])


class ReloadTest(ConfigTest):
    """What SIGHUP does to a node that has a file."""

    def started(self, text, *arguments):
        path = self.write(f"node = rain\nbind = 127.0.0.1:0\nshards = 2\nsecret = {SECRET}\n" + text)
        process = self.start("run", "--config", path, *arguments)
        address = process.address = READY.match(process.stdout.readline()).group(2)
        return path, process, lambda: self.run_tool("snd", "rain#x", "--seed", address, "--secret",
                                                    SECRET)

    def reload(self, process, until):
        """Returns the lines up to the one that says it."""
        process.send_signal(signal.SIGHUP)
        return self.read(process, until)

    def read(self, process, until):
        lines = []
        for line in process.stderr:
            lines.append(line)
            if until in line:
                return lines
        raise AssertionError(f"the node ended: {lines}")

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LIMIT), 0)

    def test_sighup_changes_the_log_s_level_and_tells_what_needs_a_restart(self):
        _, process, ask = self.started("log = error\n")
        self.write("node = rain\nbind = 127.0.0.1:0\nshards = 3\nmax-message = 2000\n"
                   f"secret = {SECRET}\nlog = debug\n[profile x]\nlog = info\n")
        lines = self.reload(process, "the log's level is debug")
        self.assertEqual(len(lines), 1, lines)  # it was a warning, which nobody wanted then
        self.assertIn("max-message, shards", self.reload(process, "needs a restart")[-1])
        self.assertEqual(ask()[0], 0)
        self.read(process, " debug")
        self.stop(process)

    def test_sighup_changes_nothing_where_the_file_is_as_it_was(self):
        _, process, _ = self.started("")
        self.reload(process, "nothing is new")  # and before it what the start has to say, of the loop perhaps, too
        self.assertEqual(len(self.reload(process, "nothing is new")), 1)
        self.write(f"node = rain\nbind = 127.0.0.1:0\nshards = 2\nsecret = {SECRET}\n"
                   "drain-seconds = 7\n")
        self.assertEqual(len(self.reload(process, "the end may take 7000 ms")), 1)
        self.assertEqual(len(self.reload(process, "nothing is new")), 1)
        self.stop(process)

    def test_sighup_before_the_node_has_read_its_file_ends_nothing(self):
        path = os.path.join(self.home, "pipe")
        os.mkfifo(path)
        process = self.start("run", "--config", path)
        with open(path, "w", encoding="utf-8") as file:  # it waits for what is written here
            process.send_signal(signal.SIGHUP)
            file.write(f"node = rain\nbind = 127.0.0.1:0\nshards = 1\nsecret = {SECRET}\n")
        self.assertRegex(process.stdout.readline(), READY)
        self.stop(process)

    def test_sighup_takes_other_rules_and_keeps_the_old_ones_where_they_are_wrong(self):
        rules = self.write("allow * send,monitor echo\n", "node.rules")
        _, process, _ = self.started("rules = node.rules\nservice = echo\n")
        seed = ["--seed", process.address, "--secret", SECRET]

        def ask():
            self.assert_prints(["ahoy"], "cal", "rain#echo", "echo", "ahoy", *seed)

        ask()
        self.write("allow * send,monitor echo\nlet * in\n", "node.rules")
        lines = self.reload(process, "nothing was changed")
        told = [line for line in lines if f"{rules}:2: " in line]
        self.assertEqual(len(told), 1, lines)
        self.assertIn("the rules stay as they were", told[0])
        ask()
        self.write("allow * send other\n", "node.rules")
        self.reload(process, "other rules: 1")
        code, out, err = self.run_tool("mon", "rain#echo", *seed)
        self.assertEqual((code, json.loads(out)[0]), (8, "not_allowed"), err)
        self.assertIn("rules do not allow it", err)
        self.write("allow * send,monitor echo\n", "node.rules")
        self.reload(process, "other rules: 1")
        ask()
        self.stop(process)

    def test_sighup_waits_for_no_pipe_in_the_file_s_place(self):
        path, process, ask = self.started("")
        os.unlink(path)
        os.mkfifo(path)
        self.reload(process, "nothing was changed")
        self.assertEqual(ask()[0], 0)
        self.stop(process)

    def test_sighup_with_a_broken_file_changes_nothing_ten_times_in_a_row(self):
        path, process, ask = self.started("")
        self.write("shards = many\nfrob = 1\n")
        for _ in range(10):
            lines = "".join(self.reload(process, "nothing was changed"))
            self.assertIn(f"{path}:1: shards takes", lines)
            self.assertIn(f"{path}:2: there is no key 'frob'", lines)
        os.unlink(path)
        self.reload(process, "nothing was changed")
        self.assertEqual(ask()[0], 0)
        self.stop(process)

    def test_sighup_changes_secrets_also_where_only_the_file_s_content_has_changed(self):
        seed = self.node("--secret", SECRET)
        text = "node = rain\nbind = 127.0.0.1:0\nshards = 1\nsecret-file = its\n"
        path, its = self.write(text), self.write(SECRET, "its")
        process = self.start("run", "--config", path)
        address = READY.match(process.stdout.readline()).group(2)

        def ask(secret, *more):
            return self.run_tool("snd", "rain#x", "--seed", address, "--secret", secret, *more)[0]

        self.write("another one of good length", "new")
        self.write(text + "accept-secret-file = new\n")
        self.reload(process, "others may prove with either")
        self.assertEqual((ask(SECRET), ask("another one of good length")), (0, 0))
        self.write(text)
        self.write("another one of good length", "its")
        self.reload(process, "other secrets")
        self.assertEqual((ask(SECRET, "--timeout", "0.5"), ask("another one of good length")), (3, 0))
        os.chmod(its, 0o644)
        self.assertIn("chmod 600", "".join(self.reload(process, "nothing was changed")))
        os.unlink(its)
        self.assertIn("No such file", "".join(self.reload(process, "nothing was changed")))
        self.write(f"{text}seed = {seed.address}\nannounce = 127.0.0.9:9\n")
        self.write(SECRET, "its")
        told = "".join(self.reload(process, "other addresses to announce: 1"))
        for what in ("reload: other secrets", "other seeds: 1"):
            self.assertIn(what, told)
        self.stop(process)

    def put_certificate(self, certificate, name="cert.pem"):
        with open(os.path.join(ROOT, "tests", "data", "tls", certificate), "rb") as file:
            return self.write(file.read(), name)

    def reaches(self, address, certificate):
        path = self.put_certificate(certificate, "mine.pem")
        return self.run_tool("snd", "rain#x", "--seed", address, "--cert", path, "--tls", "require",
                             "--timeout", "60")[0] == 0

    def test_sighup_takes_new_certificates_and_keeps_the_old_where_those_are_of_no_use(self):
        cert = self.put_certificate("pair-a.pem")
        for arguments in (["--config", self.write("cert = cert.pem\n")], ["--cert", cert]):
            self.put_certificate("pair-a.pem")
            process = self.start("run", "--node", "rain", "--bind", "127.0.0.1:0", "--shards", "2",
                                 "--tls", "require", *arguments)
            address = READY.match(process.stdout.readline()).group(2)
            self.assertTrue(self.reaches(address, "pair-a.pem"))
            self.put_certificate("pair-b.pem")
            self.reload(process, "reload: new certificates")
            self.assertTrue(self.reaches(address, "pair-b.pem"))
            self.reload(process, "nothing is new")
            self.write("no certificate", "cert.pem")
            lines = "".join(self.reload(process, "nothing was changed"))
            self.assertIn("cert.pem: no usable certificate", lines)
            os.chmod(cert, 0o644)
            self.assertIn("chmod 600", "".join(self.reload(process, "nothing was changed")))
            os.unlink(cert)
            os.mkfifo(cert)
            self.reload(process, "nothing was changed")
            self.assertTrue(self.reaches(address, "pair-b.pem"))
            self.stop(process)
            os.unlink(cert)

    def assert_spawned(self, process, code, what):
        got, out, err = self.run_tool("spawn", "rain", "portolan::echo", "--node", "snow", "--seed", process.address,
                                      "--secret", SECRET)
        self.assertEqual(got, code, out + err)
        self.assertIn(what, out + err)
        return out.strip()

    def test_sighup_changes_limits(self):
        text = f"node = rain\nbind = 127.0.0.1:0\nshards = 1\nsecret = {SECRET}\n"
        path = self.write(text + "max-spawned = 1\n")
        process = self.start("run", "--config", path)
        process.address = READY.match(process.stdout.readline()).group(2)
        first = self.assert_spawned(process, 0, "rain#")
        self.assert_spawned(process, 4, "no_such_port")
        self.write(text + "max-spawned = 2\n")
        told = self.reload(process, "other limits")[-1]
        self.assertIn("max-monitors 1000000, max-spawned 2, spawn-rate 100000, poll-us 0", told)
        self.assert_spawned(process, 0, "rain#")
        self.assert_spawned(process, 4, "no_such_port")
        self.write(text + "max-spawned = 1\nspawn-rate = 7\npoll-us = 50\nmax-monitors = 9\n")
        told = self.reload(process, "other limits")[-1]
        self.assertIn("max-monitors 9, max-spawned 1, spawn-rate 7, poll-us 50", told)
        self.assert_spawned(process, 4, "no_such_port")
        # What was there stays.
        self.assert_prints([1], "cal", first, "echo", "1", "--seed", process.address, "--secret", SECRET)
        self.stop(process)

    def test_sighup_starts_services_and_ends_them(self):
        path, process, _ = self.started("service = sink\nservice = bench\n")
        text = f"node = rain\nbind = 127.0.0.1:0\nshards = 2\nsecret = {SECRET}\n"
        seed = ["--seed", process.address, "--secret", SECRET]
        self.assert_fails(4, "no_such_port", arguments=["cal", "rain#echo", "echo", "1", *seed])
        for _ in range(2):
            self.write(f"{text}service = sink\nservice = echo\nservice = bench\n")
            self.reload(process, "the service echo has started")
            self.assert_prints([1], "cal", "rain#echo", "echo", "1", *seed)
            self.assert_prints(["rain#echo"], "db", "keys", "echo", *seed)
            self.write(f"{text}service = sink\nservice = bench\n")
            self.reload(process, "the service echo ends")
            self.assert_fails(4, "no_such_port", arguments=["cal", "rain#echo", "echo", "1", *seed])
            self.assert_prints([], "db", "keys", "echo", *seed)
        self.assert_prints([0], "cal", "rain#sink", "count", *seed)
        self.write(text)
        lines = "".join(self.reload(process, "needs a restart: the service bench"))
        self.assertIn("the service sink ends", lines)
        self.assertIn("needs a restart: the service bench", "".join(self.reload(process, "nothing is new")))
        self.write(f"{text}service = bench\n")
        self.assertEqual(len(self.reload(process, "nothing is new")), 1)
        self.stop(process)

    def test_sighup_ten_times_a_second_with_a_broken_file_disturbs_no_message(self):
        path, process, _ = self.started("service = bench\n")
        self.write("shards = many\nservice = frob\nlog = loud\n")
        load = self.start("bench", "--verify", "--seed", process.address, "--secret", SECRET, "--duration", "1000",
                          "--cut-every", "0", "--kill-every", "0", "--silence-ms", "20000", "--json", "--log", "info")
        self.assertTrue(any("measuring" in line for line in load.stderr))
        for _ in range(20):
            told = "".join(self.reload(process, "nothing was changed"))
            for line, key in enumerate(("shards", "service", "log"), 1):
                self.assertIn(f"{path}:{line}: {key} ", told)
            time.sleep(0.1)
        load.send_signal(signal.SIGINT)
        code, out, err = self.finish(load)
        self.assertEqual(code, 130, out + err)
        result = json.loads(out)
        self.assertEqual((sum(result["findings"].values()), result["lost_and_told"], result["fired"]), (0, 0, 0), result)
        self.assertEqual(result["sent"], result["received"], result)
        self.assertGreater(result["received"], 0, result)
        self.stop(process)

    def test_sighup_leaves_what_a_flag_says(self):
        path, process, _ = self.started("log = info\n", "--log", "warn")
        self.write(f"log = debug\nsecret = {SECRET}\n")
        self.assertEqual(len(self.reload(process, "needs a restart")), 1)
        self.stop(process)
        self.assertNotIn("debug", process.stderr.read())


class InitTest(ConfigTest):
    def path(self):
        return os.path.join(self.home, "first.conf")

    def init(self, *arguments):
        code, out, err = self.run_tool("init", "--output", self.path(), *arguments)
        self.assertEqual((code, err), (0, ""))
        self.assertIn(f"portolan run --config {self.path()}", out)
        with open(self.path(), encoding="utf-8") as file:
            return file.read()

    def test_configuration_is_whole_and_its_owner_s(self):
        text = self.init("--bind", "127.0.0.1:0")
        self.assertEqual(stat.S_IMODE(os.stat(self.path()).st_mode), 0o600)
        secret = re.search(r"^secret = ([0-9a-f]{64})$", text, re.M).group(1)
        found, err = self.check(self.path(), "--strict")
        self.assertEqual((err, found["secret"][0][0]), ("", "****"))
        node = Node(self.home, "--config", self.path())
        self.addCleanup(self.end_node, node)
        self.assertEqual(self.run_tool("snd", f"{node.id}#x", "--seed", node.address, "--secret",
                                       secret)[0], 0)
        os.unlink(self.path())
        self.assertNotIn(secret, self.init())

    def test_short_secret_is_refused_where_an_address_is_open(self):
        self.assert_fails(2, "the secret has 5 bytes", "bind = 0.0.0.0:4040", arguments=[
            "init", "--output", self.path(), "--secret", "short", "--bind", "0.0.0.0:4040"])
        self.assertFalse(os.path.exists(self.path()))

    def test_what_other_commands_need_is_told(self):
        _, out, _ = self.run_tool("init", "--output", self.path(), "--bind", "127.0.0.1:0")
        command = re.search(r"export (PORTOLAN_SECRET=.*)\n", out).group(1)
        secret = subprocess.run(["sh", "-c", f"{command}; printf %s $PORTOLAN_SECRET"], text=True,
                                stdout=subprocess.PIPE, check=True).stdout
        with open(self.path(), encoding="utf-8") as file:
            self.assertIn(f"secret = {secret}\n", file.read())
        os.unlink(self.path())
        _, out, _ = self.run_tool("init", "--output", self.path(), "--secret-file", "its")
        self.assertIn("--secret-file its\n", out)

    def test_no_secret_is_needed_where_certificates_prove_all(self):
        files = "".join(f"{key} = {value}\n" for key, value in self.certificates().items())
        path = self.write(f"bind = 127.0.0.1:0\nservice = echo\ntls = require\n{files}")
        self.assertEqual(self.check(path, "--bind", "0.0.0.0:0")[1], "")
        node = Node(self.home, "--config", path)
        self.addCleanup(self.end_node, node)
        self.assertFalse(os.path.exists(os.path.join(self.home, ".config")))
        self.assert_prints([1], "cal", f"{node.id}#echo", "echo", "1", "--seed", node.address, *(
            f"--{key}={value}" for key, value in self.certificates().items()), "--tls", "require")

    def certificates(self, **others):
        """Of a node, as options; of `others` another file than the one that fits."""
        files = {"tls-key": "rain.key", "tls-cert": "rain.pem", "tls-ca": "harbour.pem",
                 "tls-crl": "harbour.crl", **{f"tls-{key}": name for key, name in others.items()}}
        for key, name in files.items():
            with open(os.path.join("tests", "data", "tls", name), encoding="utf-8") as file:
                files[key] = self.write(file.read(), key)
        return files

    def test_certificates_that_a_node_cannot_use_are_told_by_check_as_by_run(self):
        for what, others in (("key", {"key": "snow.key"}), ("authorit", {"ca": "rain.pem"})):
            with self.subTest(what=what):
                path = self.write("".join(f"{key} = {value}\n" for key, value in
                                          self.certificates(**others).items()))
                for arguments in ["config", "check", path], ["run", "--config", path, "--bind",
                                                             "127.0.0.1:0", "--secret", SECRET]:
                    self.assert_fails(2, "cannot start", what, arguments=arguments)

    def test_certificate_that_is_not_there_is_told_with_its_line(self):
        path = self.write("log = info\ncert = none.pem\n")
        self.assert_fails(2, f"{path}:2: cert: cannot open", arguments=["config", "check", path])
        self.assert_fails(2, "--cert: cannot open", arguments=[
            "config", "check", path, "--cert", os.path.join(self.home, "none")])

    def test_options_of_run_are_written_and_come_out_as_they_went_in(self):
        options = {"node": "rain", "bind": "0.0.0.0:4041", "seed": "[::1]:4040", "log": "warn",
                   "no-global": "yes", "service": "sink", "announce": "rain:4041", "shards": "2",
                   "framing": "cbor,json", "max-message": "5000", "max-monitors": "8",
                   "max-spawned": "7", "poll-us": "50", "silence-ms": "900", "spawn-rate": "9",
                   "drain-seconds": "2.5", "log-format": "json", "loop": "epoll", "http": "9090",
                   "http-token-file": self.write("token", "token"),
                   "secret-file": self.write(SECRET, "secret"),
                   "accept-secret-file": self.write(SECRET, "other"), "tls": "require",
                   "tls-verify-node": "yes", "tls-anonymous": "guest-",
                   "rules": self.write("# none\n", "rules"),
                   **self.certificates()}
        text = self.init(*(f"--{key}={value}" for key, value in options.items()))
        self.assertNotRegex(text, r"(?m)^secret =")
        found, _ = self.check(self.path())
        self.assertEqual(options, {key: found[key][0][0] for key in options})
        self.assertTrue(all(found[key][0][1].startswith("FILE:") for key in options), found)
        self.assertEqual(set(found) - set(options), {"secret", "cert", "http-token"})

    def test_option_that_is_given_twice_is_written_as_run_would_take_it(self):
        self.init("--node", "rain", "--node", "snow", "--seed", "[::1]:1", "--seed", "[::1]:2")
        found, _ = self.check(self.path())
        self.assertEqual([value for key in ("node", "seed") for value, _ in found[key]],
                         ["snow", "[::1]:1", "[::1]:2"])

    def test_file_that_is_there_is_left_as_it_is(self):
        os.symlink(os.path.join(self.home, "elsewhere"), self.path())
        for what in ("exists", "already"):
            self.assert_fails(5, what, "--output", arguments=["init", "--output", self.path()])
            self.write("mine", "elsewhere")
        with open(self.path(), encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    def test_value_that_a_file_cannot_hold_is_refused(self):
        for arguments in (["--node", "a ;b"], ["--node", "'a'"], ["--node", " a"],
                          ["--secret", "x" * 300], ["--secret", "a\nb"]):
            self.assert_fails(1, "cannot stand in a configuration",
                              arguments=["init", "--output", self.path(), *arguments])
        self.assertFalse(os.path.exists(self.path()))
        self.assert_fails(1, "--shards takes", arguments=["init", "--shards", "0"])

    def test_folder_that_is_not_there_is_one_line(self):
        self.assert_fails(5, "No such file", arguments=["init", "--output", self.path() + "/x"]
                          if os.path.exists(self.path())
                          else ["init", "--output", os.path.join(self.home, "no", "x")])

    def talk(self, *answers):
        """Answers the questions on a terminal; (exit code, all that was shown)."""
        master, slave = pty.openpty()
        process = subprocess.Popen([PORTOLAN, "init", "--output", self.path()], stdin=slave,
                                   stdout=slave, stderr=slave, env=environment(self.home))
        os.close(slave)
        shown, waiting = "", list(answers)
        try:
            while select.select([master], [], [], LIMIT)[0] and (some := os.read(master, 4096)):
                shown += some.decode()
                if shown.endswith("]: ") and waiting:
                    os.write(master, waiting.pop(0))
        except OSError:
            pass  # the other end is closed
        os.close(master)
        return process.wait(LIMIT), shown

    def test_people_are_asked_on_a_terminal(self):
        code, shown = self.talk(b"rain\n", b"nowhere\n", b"127.0.0.1:4047\n", b"\n")
        self.assertEqual(code, 0, shown)
        self.assertIn("bind takes HOST:PORT", shown)
        found, _ = self.check(self.path())
        self.assertEqual(found["node"][0][0], "rain")
        self.assertEqual(found["bind"][0][0], "127.0.0.1:4047")
        self.assertEqual(found["seed"][0][0], "")

    def test_who_does_not_answer_gets_no_file(self):
        code, shown = self.talk(b"\x04")
        self.assertEqual(code, 5, shown)
        self.assertIn("nothing was written", shown)
        self.assertFalse(os.path.exists(self.path()))


class DocumentTest(ConfigTest):
    """docs/configuration.md and README.md are true."""

    def rows(self):
        with open(os.path.join(ROOT, "docs", "configuration.md"), encoding="utf-8") as file:
            return {key: (takes, default) for key, takes, default in
                    re.findall(r"^\| `([a-z-]+)` \| (.*?) \| (.*?) \|", file.read(), re.M)}

    def test_page_names_every_key_and_default(self):
        found, _ = self.check("/dev/null")
        rows = self.rows()
        self.assertEqual(sorted(rows), sorted(found))
        for key, [(value, where), *_] in found.items():
            wanted = f"`{value}`" if value else where.replace("default: ", "")
            self.assertEqual(rows[key][1], wanted, key)

    def test_page_tells_the_true_range_of_every_number(self):
        ranges = {key: match.groups() for key, (takes, _) in self.rows().items()
                  if (match := re.search(r"([\d.]+) to (\d+)$", takes))}
        self.assertEqual(set(ranges), {"max-message", "max-monitors", "max-spawned", "poll-us",
                                       "shards", "silence-ms", "spawn-rate", "drain-seconds"})
        for side, beyond in ((0, -1), (1, 1)):
            good = "".join(f"{key} = {ends[side]}\n" for key, ends in ranges.items())
            self.check(self.write(good))
            bad = "".join(f"{key} = {float(ends[side]) + beyond:.10g}\n"
                          for key, ends in ranges.items())
            self.assertEqual(len(self.mistakes(self.write(bad))), len(ranges))

    def test_page_names_the_words_of_every_choice(self):
        for key, text in (("log", "loud"), ("framing", "xml")):
            (_, told), = self.mistakes(self.write(f"{key} = {text}\n"))
            for word in re.findall(r"`(\w+)`", self.rows()[key][0]):
                self.assertIn(word, told)

    def test_example_of_the_readme_works(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            found = re.search(r"## As a service\n.*?```\n(.*?)```\n```\n(.*?)```", file.read(), re.S)
        address = unused_address()
        for line in found.group(1).strip().split("\n"):
            line = line.replace("127.0.0.1:4060", address).split(" # ")[0].rstrip()
            line = re.sub(r"\brain\.", os.path.join(self.home, "rain."), line)
            if line.endswith(" &"):
                words = line[:-2].split()
                self.assertEqual(words[:2], ["portolan", "run"])
                self.addCleanup(self.end_node, Node(self.home, *words[2:]))
                continue
            done = subprocess.run(["bash", "-ec", line], env=environment(self.home, {
                "PATH": os.path.dirname(PORTOLAN) + ":" + os.environ["PATH"]}), check=False,
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
            self.assertEqual((done.returncode, done.stderr), (0, ""), line)
        self.assertEqual(done.stdout, found.group(2))


class RulesTest(ConfigTest):
    """`acl check`: what other nodes may do."""

    RULES = "allow hub *\n# all others\ndeny * send admin\nallow * send @made *.open\r\n"

    def test_file_alone_is_counted(self):
        path = self.write(self.RULES, "node.rules")
        self.assertEqual(self.run_tool("acl", "check", path), (0, f"{path}: 3 rules\n", ""))

    def test_deciding_line_is_told_and_exit_code_is_the_verdict(self):
        path = self.write(self.RULES, "node.rules")
        for question, code, said in (
                ("hub send admin", 0, f"allowed by {path}:1: allow hub *\n"),
                ("rain send admin", 8, f"denied by {path}:3: deny * send admin\n"),
                ("rain by certificate send a.open", 0,
                 f"allowed by {path}:4: allow * send @made *.open\n"),
                ("rain by anonymous send a.open", 8, f"denied: no rule of {path} fits\n"),
                ("rain global", 8, f"denied: no rule of {path} fits\n")):
            with self.subTest(question=question):
                self.assertEqual(self.run_tool("acl", "check", path, *question.split()),
                                 (code, said, ""))

    def test_mistakes_are_named_by_line(self):
        path = self.write("allow * send x\nlet * in\nallow * sing\n", "node.rules")
        code, out, err = self.run_tool("acl", "check", path, "rain", "send", "x")
        self.assertEqual((code, out), (2, ""))
        self.assertRegex(err, rf"^portolan: {re.escape(path)}:2: 'let' .*\n"
                              rf"portolan: {re.escape(path)}:3: 'sing' .*\n\Z")

    def test_node_does_not_start_with_rules_that_are_wrong(self):
        rules = self.write("allow * sing\n", "node.rules")
        config = self.write("bind = 127.0.0.1:0\nrules = node.rules\n")
        for arguments in (["run", "--config", config], ["config", "check", config]):
            self.assert_fails(2, f"{rules}:1: 'sing' is no action", arguments=arguments)

    def test_what_cannot_be_read_or_asked_is_told(self):
        path = self.write(self.RULES, "node.rules")
        open_path = self.write(self.RULES, "open.rules", mode=0o666)
        for code, what, arguments in (
                (1, "acl check FILE", ["acl"]),
                (1, "acl check FILE", ["acl", "check"]),
                (1, "acl check FILE", ["acl", "ask", path]),
                (1, "One object", ["acl", "check", path, "rain", "send"]),
                (1, "'sing' is no action", ["acl", "check", path, "rain", "sing"]),
                (2, "cannot be opened", ["acl", "check", path + ".not"]),
                (2, "is a folder", ["acl", "check", self.home]),
                (2, "can be written by anybody", ["acl", "check", open_path])):
            with self.subTest(arguments=arguments):
                self.assert_fails(code, what, arguments=arguments)


if __name__ == "__main__":
    unittest.main()
