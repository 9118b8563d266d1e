"""What `cmake --install` puts somewhere is all that a program outside of the tree needs.

BUILD is the build that is installed, under a prefix of its own.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = os.environ["BUILD"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(ROOT, "packaging", "example")
ANSWER = '["ahoy, sailor"]\n'
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, env=None, cwd=None):
    """What the command said on standard output; it must have gone well."""
    done = subprocess.run(command, env={**os.environ, **(env or {})}, cwd=cwd, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    """The tree is installed once, and then moved, so that nothing can lead to where it was."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="portolan-install-")
        before = os.path.join(cls.folder, "before")
        run("cmake", "--install", BUILD, "--prefix", before)
        cls.prefix = os.path.join(cls.folder, "prefix")
        os.rename(before, cls.prefix)
        cls.header = os.path.join(cls.prefix, "include", "portolan", "portolan.h")
        cls.lib = os.path.dirname(cls.find("libportolan.a"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def find(cls, name):
        found = [os.path.join(folder, name) for folder, _, names in os.walk(cls.prefix)
                 if name in names]
        if len(found) != 1:
            raise AssertionError(f"{name}: {found}")
        return found[0]

    # ---- What the libraries show ----

    def declared(self):
        """The functions that the compiler finds declared in the header itself."""
        listing = os.path.join(self.folder, "declared")
        run("cc", "-fsyntax-only", "-x", "c", "-aux-info", listing, self.header)
        with open(listing) as lines:
            return sorted({match[1] for match in (
                re.match(r"/\* \S*portolan\.h:\d+:\w+ \*/ extern .*?\b(\w+) \(", line)
                for line in lines) if match})

    @staticmethod
    def defined(*command):
        return sorted(re.findall(r"^[0-9a-f]+ \w (\S+)$", run("nm", "--defined-only", *command), re.M))

    def test_shared_library_shows_what_the_header_declares_and_nothing_else(self):
        declared = self.declared()
        self.assertIn("ptl_node_start", declared)
        self.assertEqual(self.defined("-D", os.path.join(self.lib, "libportolan.so.0")), declared)

    def test_static_library_shows_what_the_header_declares_and_nothing_else(self):
        self.assertEqual(self.defined("-g", os.path.join(self.lib, "libportolan.a")), self.declared())

    def test_shared_library_has_a_versioned_name(self):
        dynamic = run("readelf", "-d", os.path.join(self.lib, "libportolan.so"))
        self.assertRegex(dynamic, r"\(SONAME\).*\[libportolan\.so\.0\]")
        self.assertNotRegex(dynamic, r"RPATH|RUNPATH|TEXTREL")

    def test_header_stands_alone(self):
        with open(self.header) as header:
            self.assertNotIn('#include "', header.read())

    # ---- Programs outside of the tree ----

    def pkg_config(self, *arguments):
        return run("pkg-config", *arguments, "portolan",
                   env={"PKG_CONFIG_PATH": os.path.join(self.lib, "pkgconfig")}).split()

    def compile(self, language, compiler, *words):
        """The example of that language, built by one command line."""
        program = os.path.join(self.folder, f"hello-{language}-{len(words)}")
        source = os.path.join(EXAMPLE, language, f"hello.{language}")
        run(compiler, *STRICT, "-o", program, source, *self.pkg_config("--cflags"), *words)
        return program

    def answers(self, program):
        return run(program, env={"LD_LIBRARY_PATH": self.lib})

    def test_pkg_config_is_all_that_a_program_in_c_needs(self):
        program = self.compile("c", "cc", *self.pkg_config("--libs"))
        self.assertEqual(self.answers(program), ANSWER)

    def test_pkg_config_is_all_that_a_program_in_cc_needs(self):
        program = self.compile("cc", "c++", *self.pkg_config("--libs"))
        self.assertEqual(self.answers(program), ANSWER)

    def test_static_library_leaves_its_private_names_to_the_program(self):
        own = os.path.join(self.folder, "own.c")
        with open(own, "w") as text:
            text.write("int ptl_alloc(void);\nint ptl_alloc(void)\n{\n    return 0;\n}\n")
        words = [word for word in self.pkg_config("--static", "--libs") if word != "-lportolan"]
        program = self.compile("c", "cc", own, os.path.join(self.lib, "libportolan.a"), *words)
        self.assertEqual(run(program), ANSWER)
        self.assertNotIn("libportolan", run("readelf", "-d", program))

    def configure(self, source, build):
        run("cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("ninja", "-C", build)
        return os.path.join(build, "hello")

    def test_find_package_is_all_that_a_program_in_c_needs(self):
        program = self.configure(os.path.join(EXAMPLE, "c"), os.path.join(self.folder, "c"))
        self.assertEqual(self.answers(program), ANSWER)

    def test_find_package_is_all_that_a_program_in_cc_needs(self):
        """And it may have the static library."""
        source = os.path.join(self.folder, "cc-source")
        shutil.copytree(os.path.join(EXAMPLE, "cc"), source)
        with open(os.path.join(source, "CMakeLists.txt"), "a") as text:
            text.write("add_executable(alone hello.cc)\n"
                       "target_link_libraries(alone PRIVATE portolan::portolan_static)\n")
        program = self.configure(source, os.path.join(self.folder, "cc"))
        self.assertEqual(self.answers(program), ANSWER)
        alone = os.path.join(os.path.dirname(program), "alone")
        self.assertEqual(run(alone), ANSWER)
        self.assertNotIn("libportolan", run("readelf", "-d", alone))

    def test_packages_and_container_are_built_with_what_the_tree_is(self):
        with open(os.path.join(ROOT, "tools", "dev")) as file:
            needed = re.search(r'RUN_PACKAGES="\n(.*?)^"', file.read(), re.S | re.M)[1]
        needed = set(re.findall(r"^(lib\S+-dev) ", needed, re.M))
        for name, entry in (("debian/control", r"^ (lib\S+-dev),$"),
                            ("Containerfile", r"(?<= )(lib\S+-dev)")):
            with open(os.path.join(ROOT, "packaging", name)) as file:
                listed = file.read().split("\nPackage:")[0]
            self.assertEqual(set(re.findall(entry, listed, re.M)), needed, name)

    # ---- The manual, and what shells complete ----

    PAGES = ("portolan.1", "portolan.conf.5", "portolan.7")

    def words(self, *before):
        return run(os.path.join(self.prefix, "bin", "portolan"), "completion", "words", "--",
                   *before).split()

    def page(self, name):
        return run("man", "-l", self.find(name), env={"MANWIDTH": "200", "LC_ALL": "C.UTF-8"})

    @unittest.skipUnless(shutil.which("man"), "there is no man")
    def test_manual_has_every_command_and_every_option(self):
        page = self.page("portolan.1")
        missing = []
        for command in self.words(""):
            self.assertRegex(page, rf"(?m)^ +portolan {command}\b|\bsend, call and monitor\b")
            if command != "bench": # which has a help of its own
                missing += [option for option in self.words(command, "--")
                            if not re.search(rf"{option}(?![\w-])", page)]
        self.assertEqual(missing, [])

    @unittest.skipUnless(shutil.which("man"), "there is no man")
    def test_manual_has_every_key_of_a_file(self):
        page = self.page("portolan.conf.5")
        for option in self.words("run", "--"):
            if option not in ("--help", "--config", "--profile"):
                self.assertRegex(page, rf"(?m)^ +{option[2:]}(?![\w-])")

    @unittest.skipUnless(shutil.which("man"), "there is no man")
    def test_manual_pages_give_no_cause_for_a_warning(self):
        for page in self.PAGES:
            done = subprocess.run(["man", "--warnings", "-Z", "-l", self.find(page)], text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            if shutil.which("mandoc"):
                self.assertEqual(run("mandoc", "-T", "lint", "-W", "warning", self.find(page)), "")

    def test_completions_are_those_of_the_command(self):
        for shell, name in (("bash", "bash-completion/completions/portolan"),
                            ("zsh", "zsh/site-functions/_portolan"),
                            ("fish", "fish/vendor_completions.d/portolan.fish")):
            with open(os.path.join(self.prefix, "share", name)) as file:
                self.assertEqual(file.read(), run(os.path.join(self.prefix, "bin", "portolan"),
                                                  "completion", shell))

    def test_unit_starts_the_command_that_was_installed_with_it(self):
        with open(self.find("portolan.service")) as unit:
            command = re.search(r"^ExecStart=(\S+) ", unit.read(), re.M)[1]
        self.assertEqual(command, os.path.join(self.folder, "before", "bin", "portolan"))

    def test_configuration_is_put_there_once_and_then_is_its_operator_s(self):
        prefix = os.path.join(self.folder, "twice")
        path = os.path.join(prefix, "etc", "portolan", "portolan.conf")
        run("cmake", "--install", BUILD, "--prefix", prefix)
        with open(path, "a") as file:
            file.write("shards = 3\n")
        run("cmake", "--install", BUILD, "--prefix", prefix)
        command = os.path.join(prefix, "bin", "portolan")
        with open(os.open(os.path.join(os.path.dirname(path), "secret"), os.O_CREAT | os.O_WRONLY, 0o600), "w") as secret:
            secret.write(run(command, "gensecret"))
        self.assertIn("shards = 3", run(command, "config", "check", "--strict", path))
        with open(os.path.join(prefix, "lib", "systemd", "system", "portolan.service")) as unit:
            self.assertIn(f"--config {path}\n", unit.read())

    def test_command_runs_from_there(self):
        self.assertRegex(run(os.path.join(self.prefix, "bin", "portolan"), "--version"), r"^portolan \d")


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
