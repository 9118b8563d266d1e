#!/usr/bin/env python3
"""Tests tools/lint: each rule against a small tree that breaks it, and one that keeps them all."""

import os
import subprocess
import sys
import tempfile
import unittest

LINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lint")
HEADER = "/*\n * {} - a thing.\n */\n#pragma once\n"


class LintTest(unittest.TestCase):
    def lint(self, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            done = subprocess.run(
                [sys.executable, LINT, root], stdout=subprocess.PIPE, text=True, check=False
            )
            self.assertEqual(done.returncode, 1 if done.stdout else 0)
            return done.stdout

    def assert_wrong(self, path, text, what):
        self.assertIn(what, self.lint({path: text}))

    def test_lint_is_content_with_a_tree_that_keeps_the_rules(self):
        files = {
            "io/a.h": HEADER.format("io/a.h"),
            "io/a.c": '#include "io/a.h"\n\n/* read() and errno in a comment */\nint a;\n',
            "io/loop_uring.c": "#include <unistd.h>\nvoid f(void)\n{\n    read(0, 0, 0);\n}\n",
            "engine/b.c": '#include "io/a.h"\nvoid f(void)\n{\n    o->close(x);\n    my_time();\n}\n',
            "tools/c.c": '#include "engine/portolan.h"\n#include <time.h>\n',
            "tests/d.c": '#include "engine/shard/shard.h"\n',
        }
        self.assertEqual(self.lint(files), "")

    def test_lint_keeps_the_floors_apart(self):
        self.assert_wrong("io/a.c", '#include "engine/node/node.h"\n', "io/ may not include")
        self.assert_wrong("io/a.c", '#include "store/db.h"\n', "io/ may not include")
        self.assert_wrong("store/a.c", '#include "io/loop.h"\n', "store/ may not include")
        self.assert_wrong("store/a.c", '#include "engine/node/node.h"\n', "store/ may not include")
        self.assert_wrong("engine/a.c", '#include "tools/run.h"\n', "engine/ may not include")
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

    def test_lint_allows_no_system_call_above_the_loop(self):
        for call in ("read(0, b, 1)", "time(NULL)", "rand()", "clock_gettime(0, &t)", "exit(1)"):
            for path in ("engine/a.c", "store/a.c", "io/cbor.c"):
                self.assert_wrong(path, f"void f(void)\n{{\n    {call};\n}}\n", "a.c:3:"
                                  if "/a.c" in path else "cbor.c:3:")
        self.assert_wrong("engine/a.c", "int f = errno;\n", "errno belongs below the loop")
        self.assert_wrong("engine/a.c", "#include <unistd.h>\n", "<unistd.h> belongs below")
        self.assert_wrong("io/cbor.c", "#include <sys/socket.h>\n", "<sys/socket.h> belongs below")

    def test_lint_wants_memory_from_the_allocator(self):
        self.assert_wrong("engine/a.c", "void *p = malloc(1);\n", "the node's allocator")

    def test_lint_knows_what_is_easily_wrong(self):
        self.assert_wrong("tools/a.c", "int i = sprintf(b, 1);\n", "write snprintf")
        self.assert_wrong("engine/a.c", "int i = atomic_thread_fence(x);\n", "does not know fences")

    def test_lint_knows_one_hash_only(self):
        self.assert_wrong("engine/a.c", "#include <xxhash.h>\n", "write ptl_hash()")
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
