#!/usr/bin/env python3
"""Tests tools/lint: each rule against a small tree that breaks it, and one that keeps them all."""

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lint")
HEADER = "/*\n * {} - a thing.\n */\n#pragma once\n"


def load(path):
    """tools/lint has no ending, so the import statement does not find it."""
    loader = importlib.machinery.SourceFileLoader("lint", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", loader))
    loader.exec_module(module)
    return module


lint_module = load(LINT)


def write(root, files):
    for path, text in files.items():
        os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as file:
            file.write(text)


def compile_all(root, files, build="build/plain"):
    """Object files where CMake would put them."""
    for path in (path for path in files if path.endswith(".c")):
        made = os.path.join(root, build, "CMakeFiles", "some.dir", path + ".o")
        os.makedirs(os.path.dirname(made), exist_ok=True)
        source = os.path.join(root, path)
        subprocess.run(["cc", "-I", root, "-c", source, "-o", made], check=True)


class LintTest(unittest.TestCase):
    def lint(self, files, **options):
        with tempfile.TemporaryDirectory() as root:
            write(root, files)
            wrong = lint_module.Lint(root, **options).run()
        return "".join(f"{path}:{line}: {what}\n" for path, line, what in wrong)

    def lint_built(self, files):
        with tempfile.TemporaryDirectory() as root:
            write(root, files)
            compile_all(root, files)
            wrong = lint_module.Lint(root, os.path.join(root, "build/plain")).run()
        return "".join(f"{path}:{line}: {what}\n" for path, line, what in wrong)

    def assert_wrong(self, path, text, what):
        self.assertIn(what, self.lint({path: text}))

    def test_lint_is_content_with_a_tree_that_keeps_the_rules(self):
        files = {
            "io/a.h": HEADER.format("io/a.h"),
            "io/a.c": '#include "io/a.h"\n\n/* read() and errno in a comment */\nint a;\n',
            "io/loop_uring.c": "#include <unistd.h>\nvoid f(void)\n{\n    read(0, 0, 0);\n}\n",
            "engine/node/b.c": '#include "io/a.h"\nvoid f(void)\n{\n    o->close(x);\n    my_time();\n}\n',
            "tools/c.c": '#include "engine/portolan.h"\n#include <time.h>\n',
            "tests/d.c": '#include "engine/shard/shard.h"\n',
        }
        self.assertEqual(self.lint(files), "")

    def test_lint_keeps_the_floors_apart(self):
        self.assert_wrong("io/a.c", '#include "engine/node/node.h"\n', "io/ may not include")
        self.assert_wrong("io/a.c", '#include "store/db.h"\n', "io/ may not include")
        self.assert_wrong("store/a.c", '#include "io/loop.h"\n', "store/ may not include")
        self.assert_wrong("store/a.c", '#include "engine/node/node.h"\n', "store/ may not include")
        self.assert_wrong("engine/node/a.c", '#include "tools/run.h"\n', "engine/ may not include")
        self.assert_wrong("tools/a.c", '#include "engine/node/node.h"\n', "tools/ may not include")
        self.assert_wrong("perf/a.cc", '#include "engine/node/node.h"\n', "perf/ may not include")
        self.assertEqual(self.lint({"perf/bench_micro.cc": '#include "engine/shard/ring.h"\n'}), "")

    def test_lint_finds_a_circle_of_headers(self):
        out = self.lint(
            {
                "io/a.h": HEADER.format("io/a.h") + '#include "io/b.h"\n',
                "io/b.h": HEADER.format("io/b.h") + '#include "io/a.h"\n',
            }
        )
        self.assertIn("io/b.h:5: a circle of headers: io/a.h -> io/b.h -> io/a.h", out)

    def test_lint_lets_a_room_include_only_those_below_it(self):
        files = {"engine/port/a.h": HEADER.format("engine/port/a.h")}
        files["engine/link/b.c"] = '#include "engine/port/a.h"\n#include "engine/portolan.h"\n'
        self.assertEqual(self.lint(files), "")
        files["engine/shard/c.c"] = '#include "engine/shard/d.h"\n#include "engine/port/a.h"\n'
        self.assertEqual(
            self.lint(files),
            "engine/shard/c.c:2: engine/shard/ may not include engine/port/a.h, "
            "which is above it\n",
        )

    def test_lint_gives_every_file_of_the_engine_a_room(self):
        self.assertIn("engine/a.c:1: a file of", self.lint({"engine/a.c": ""}))
        self.assertIn("engine/cellar/a.c:1:", self.lint({"engine/cellar/a.c": ""}))

    def test_lint_lets_a_room_call_only_those_below_it(self):
        files = {
            "engine/shard/a.c": "void a(void);\nvoid a(void)\n{\n}\n",
            "engine/port/b.c": "void a(void);\nvoid b(void);\nvoid b(void)\n{\n    a();\n}\n",
        }
        self.assertEqual(self.lint_built(files), "")
        files["engine/message/c.c"] = "void a(void);\nvoid (*c)(void) = a;\n"
        self.assertEqual(
            self.lint_built(files),
            "engine/message/c.c:1: engine/message/ may not call a() of engine/shard/a.c, "
            "above it\n",
        )
        files = {"io/a.c": "void s(void);\nvoid (*a)(void) = s;\n", "store/s.c": "int s;\n"}
        self.assertIn("io/ may not call s() of store/s.c", self.lint_built(files))

    def test_lint_finds_a_circle_of_calls(self):
        for folder in ("io", "store", "engine/port", "tools"):
            files = {
                f"{folder}/a.c": "void b(void);\nvoid (*a)(void) = b;\n",
                f"{folder}/b.c": "extern void (*c)(void);\nvoid b(void)\n{\n    c();\n}\n",
                f"{folder}/c.c": "extern void (*a)(void);\nvoid (**c)(void) = &a;\n",
                f"{folder}/d.c": "void b(void);\nvoid (*d)(void) = b;\n",
            }
            self.assertEqual(
                self.lint_built(files),
                f"{folder}/a.c:1: a circle of calls, 3 files: calls b() of {folder}/b.c "
                f"calls c() of {folder}/c.c calls a() of {folder}/a.c\n",
            )

    def test_lint_says_of_which_files_it_does_not_know_the_calls(self):
        files = {"io/a.c": "int a;\n", "io/b.c": "int b;\n"}
        with tempfile.TemporaryDirectory() as root:
            write(root, files)
            compile_all(root, files)
            os.utime(os.path.join(root, "io/a.c"), (2**32, 2**32))
            command = [sys.executable, LINT]
            loose = subprocess.run(command + [root], capture_output=True, text=True, check=False)
            strict = subprocess.run(
                command + ["--build", os.path.join(root, "build/plain"), root],
                stdout=subprocess.PIPE, text=True, check=False,
            )
        self.assertEqual((loose.returncode, loose.stdout), (0, ""))
        self.assertIn("no object file, or an old one, of 1 sources (io/a.c)", loose.stderr)
        self.assertEqual(strict.returncode, 1)
        self.assertRegex(strict.stdout, r"^io/a\.c:1: .* has no object file of it")

    def test_lint_allows_no_system_call_above_the_loop(self):
        for call in ("read(0, b, 1)", "time(NULL)", "rand()", "clock_gettime(0, &t)", "exit(1)"):
            for path in ("engine/node/a.c", "store/a.c", "io/cbor.c"):
                self.assert_wrong(path, f"void f(void)\n{{\n    {call};\n}}\n", "a.c:3:"
                                  if "/a.c" in path else "cbor.c:3:")
        self.assert_wrong("engine/node/a.c", "int f = errno;\n", "errno belongs below the loop")
        self.assert_wrong("engine/node/a.c", "#include <unistd.h>\n", "<unistd.h> belongs below")
        self.assert_wrong("io/cbor.c", "#include <sys/socket.h>\n", "<sys/socket.h> belongs below")

    def test_lint_wants_memory_from_the_allocator(self):
        self.assert_wrong("engine/node/a.c", "void *p = malloc(1);\n", "the node's allocator")

    def test_lint_knows_what_is_easily_wrong(self):
        self.assert_wrong("tools/a.c", "int i = sprintf(b, 1);\n", "write snprintf")
        self.assert_wrong("engine/node/a.c", "int i = atomic_thread_fence(x);\n", "does not know fences")

    def test_lint_knows_one_hash_only(self):
        self.assert_wrong("engine/node/a.c", "#include <xxhash.h>\n", "write ptl_hash()")
        self.assert_wrong("store/a.c", "int i = XXH3_64bits(b, 1);\n", "write ptl_hash()")
        self.assertEqual(self.lint({"io/hash.c": "#include <xxhash.h>\n"}), "")

    def test_lint_looks_at_the_shape(self):
        self.assert_wrong("io/a.c", "/* " + "x" * 100 + " */\n", "longer than 100 columns")
        self.assert_wrong("io/a.c", "\n" * 901, "more than 900 lines")
        self.assert_wrong("io/a.c", "int\ta;\n", "a tab")
        self.assert_wrong("io/a.c", "int a; \n", "white space at the end")
        self.assert_wrong("io/a.c", "int a;", "no line end")
        self.assert_wrong("io/a.h", "#pragma once\n", "a header opens with the comment")
        self.assert_wrong("io/a.h", "/*\n * io/a.h - a.\n */\n", "no #pragma once")

    def test_lint_finds_what_only_one_machine_has(self):
        self.assert_wrong("README.md", "see /home" + "/joe/x\n", "only one machine has")


if __name__ == "__main__":
    unittest.main()
