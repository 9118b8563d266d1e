#!/usr/bin/env python3
"""portolan completion: what it offers, and that shells offer the same."""

import os
import re
import shutil
import subprocess
import sys
import unittest

sys.dont_write_bytecode = True  # a test leaves nothing in the sources
from tool import LIMIT, PORTOLAN, ToolTest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class CompletionTest(ToolTest):
    def words(self, *before):
        """What may stand in place of the last word."""
        code, out, err = self.run_tool("completion", "words", "--", *before)
        self.assertEqual((code, err), (0, ""))
        return out.splitlines()


class WordsTest(CompletionTest):
    def test_commands_are_those_of_the_help(self):
        offered = self.words("")
        out = self.run_tool("--help")[1]
        named = set(re.findall(r"^  portolan (\w+)", out, re.M))
        self.assertEqual(set(offered), named | {"send", "call", "monitor"})
        self.assertEqual(len(offered), len(set(offered)))

    def test_second_words_are_those_of_the_help(self):
        out = self.run_tool("--help")[1]
        for command in ("db", "config", "acl"):
            named = re.findall(rf"^  portolan {command} (\w+)", out, re.M)
            self.assertEqual(set(self.words(command, "")), set(named))

    def test_options_of_run_are_the_keys_of_a_file_and_what_names_it(self):
        with open(os.path.join(ROOT, "docs", "configuration.md")) as page:
            keys = set(re.findall(r"^\| `([a-z-]+)` \|", page.read(), re.M))
        offered = set(self.words("run", "--"))
        self.assertEqual(offered, {f"--{key}" for key in keys} | {"--config", "--profile", "--help"})

    def test_help_has_every_option_that_is_offered(self):
        for command in self.words(""):
            out = self.run_tool(command, "--help")[1] + self.run_tool("--help")[1]
            for option in self.words(command, "--"):
                self.assertRegex(out, rf"{option}(?![\w-])", command)

    def test_options_are_those_that_the_command_takes(self):
        self.assertIn("--count", self.words("db", "watch", "--"))
        self.assertNotIn("--count", self.words("db", "set", "--"))
        self.assertIn("--hold", self.words("--seed", "127.0.0.1:4040", "db", "set", "--"))
        self.assertEqual(self.words("--"), ["--help", "--version"])
        self.assertEqual(self.words("frob", "--"), ["--help"])

    def test_values_are_offered_behind_their_option_and_behind_its_equals_sign(self):
        self.assertEqual(self.words("run", "--loop", "e"), ["epoll"])
        self.assertEqual(self.words("run", "--loop=e"), ["--loop=epoll"])
        self.assertEqual(self.words("run", "--loop", "epoll", "--lo"), ["--log", "--log-format", "--loop"])
        self.assertEqual(self.words("run", "--node", ""), [])
        for service in self.words("run", "--service", ""):
            self.assertEqual(self.run_tool("init", "--output", os.path.join(
                self.home, service), "--service", service)[0], 0)

    def test_files_are_offered_where_one_is_named(self):
        for before in (["run", "--config"], ["run", "--tls-ca"], ["init", "--output"], ["bench", "--hdr"],
                       ["config", "check"], ["acl", "check"]):
            self.assertEqual(self.words(*before, ""), [":file"])

    def test_bench_has_patterns_and_options_of_its_own(self):
        self.assertIn("fan-out", self.words("bench", ""))
        self.assertIn("--rate-sweep", self.words("bench", "--ra"))
        self.assertEqual(self.words("bench", "--rate-sweep", "o"), ["one-way"])

    def test_nothing_and_nonsense_cost_nothing(self):
        self.assertEqual(self.run_tool("completion", "words"), (0, "\n".join(self.words("")) + "\n", ""))
        self.assertEqual(self.words("x" * 5000, "="), [])
        self.assertEqual(self.words("--=", "--="), [])
        self.assertEqual(self.run_tool("completion", "csh")[0], 1)
        self.assertEqual(self.run_tool("completion")[0], 1)


class ShellsTest(CompletionTest):
    def shell(self, name, *arguments, script):
        """What the shell prints, with portolan on its path and its completion in `script`."""
        if not shutil.which(name):
            self.skipTest(f"there is no {name}")
        code, out, err = self.run_tool("completion", name)
        self.assertEqual((code, err), (0, ""))
        completion = os.path.join(self.home, "completion")
        with open(completion, "w") as file:
            file.write(out)
        for file in ("rain.conf", "rain.pem"):
            open(os.path.join(self.home, file), "w").close()
        done = subprocess.run(
            [name, *arguments, script], cwd=self.home, timeout=LIMIT, text=True,
            env={"HOME": self.home, "PATH": f"{os.path.dirname(PORTOLAN)}:/usr/bin:/bin", "LC_ALL": "C",
                 "COMPLETION": completion},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    CASES = (
        ("portolan run --loop e", ["epoll"]),
        ("portolan db s", ["set"]),
        ("portolan run --config rain.", ["rain.conf", "rain.pem"]),
        ("portolan run --lo", ["--log", "--log-format", "--loop"]),
    )

    def test_bash_offers_the_same(self):
        for line, words in (*self.CASES, ("portolan run --loop=e", ["epoll"]),
                            ("portolan run --service portolan:", [":echo"]),
                            ("portolan run --config=rain.c", ["rain.conf"])):
            script = (f'. "$COMPLETION"; COMP_LINE="{line}"; COMP_POINT=${{#COMP_LINE}}; _portolan; '
                      'printf "%s\\n" "${COMPREPLY[@]}"')
            self.assertEqual(sorted(self.shell("bash", "--norc", "-c", script=script)), words, line)

    def test_zsh_offers_the_same(self):
        """Of its completion only what our function calls is there."""
        stand_in = 'compadd() { shift; print -l -- "$@" }; _files() { print -l -- rain.* }; compset() { }; compdef() { }; '
        for line, words in (*self.CASES, ("portolan run --loop=e", ["--loop=epoll"])):
            script = (f'{stand_in} . "$COMPLETION"; words=({line}); CURRENT=$#words; _portolan')
            self.assertEqual(sorted(self.shell("zsh", "-f", "-c", script=script)), words, line)

    def test_fish_offers_the_same(self):
        for line, words in (*self.CASES, ("portolan run --loop=e", ["--loop=epoll"]),
                            ("portolan run --config=rain.c", ["--config=rain.conf"])):
            script = f'. $COMPLETION; complete -C "{line}"'
            self.assertEqual(sorted(self.shell("fish", "--no-config", "-c", script=script)), words, line)


if __name__ == "__main__":
    unittest.main()
