"""A terminal in a test: a program runs on it, keys are typed, and what it shows can be read.

It understands what curses sends to a vt100, and of other terminals' words passes over what only
colours or switches."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

WORD = re.compile(r"\x1b\[([?>]?)([0-9;]*)([@-~])|\x1b[()][0-9A-B]|\x1b([=>78MDE])|[\x00-\x1a\x1c-\x1f]")


class Screen:
    """What stands where."""

    def __init__(self, height, width):
        self.resize(height, width)

    def resize(self, height, width):
        self.height, self.width = height, width
        self.rows = [[" "] * width for _ in range(height)]
        self.y = self.x = self.top = 0
        self.bottom = height - 1

    def text(self):
        return "\n".join("".join(row).rstrip() for row in self.rows)

    def scroll(self, down):
        blank = [" "] * self.width
        if down:
            self.rows.insert(self.top, blank)
            del self.rows[self.bottom + 1]
        else:
            del self.rows[self.top]
            self.rows.insert(self.bottom, blank)

    def put(self, character):
        if self.x >= self.width:
            self.x = 0
            self.line_feed()
        self.rows[self.y][self.x] = character
        self.x += 1

    def line_feed(self):
        if self.y == self.bottom:
            self.scroll(False)
        else:
            self.y = min(self.y + 1, self.height - 1)

    def erase(self, kind, y, x):
        row = self.rows[y]
        begin, end = (x, self.width) if kind == 0 else (0, min(x + 1, self.width)) if kind == 1 else (0, self.width)
        row[begin:end] = [" "] * (end - begin)

    def take(self, final, numbers):
        first = numbers[0] if numbers else 0
        if final in "Hf":
            self.y = min(max(first, 1), self.height) - 1
            self.x = min(max(numbers[1] if len(numbers) > 1 else 1, 1), self.width) - 1
        elif final in "ABCD":
            step = max(first, 1)
            self.y = min(max(self.y + {"A": -step, "B": step}.get(final, 0), 0), self.height - 1)
            self.x = min(max(self.x + {"C": step, "D": -step}.get(final, 0), 0), self.width - 1)
        elif final == "K":
            self.erase(first, self.y, self.x)
        elif final == "J":
            for y in range(self.y if first == 0 else 0, self.height):
                self.erase(first if y == self.y else 2, y, self.x)
        elif final == "r":
            self.top = max(first, 1) - 1
            self.bottom = (numbers[1] if len(numbers) > 1 and numbers[1] else self.height) - 1
            self.y = self.x = 0
        elif final not in "mhlt":
            raise AssertionError(f"a word that no vt100 knows: {final!r} {numbers}")

    def control(self, word):
        if word == "\r":
            self.x = 0
        elif word in ("\n", "D"):
            self.line_feed()
        elif word == "\b":
            self.x = max(self.x - 1, 0)
        elif word == "M":
            if self.y == self.top:
                self.scroll(True)
            else:
                self.y = max(self.y - 1, 0)


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, arguments, environment, limit, height=24, width=100):
        self.limit = limit
        self.screen = Screen(height, width)
        self.raw = b""
        self.rest = ""
        self.master, self.slave = pty.openpty()
        self.set_size(height, width)
        self.before = termios.tcgetattr(self.slave)
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
                for descriptor in range(3):
                    os.dup2(self.slave, descriptor)
                os.closerange(3, 100)
                os.execve(arguments[0], arguments, environment)
            finally:
                os._exit(127)

    def set_size(self, height, width):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def resize(self, height, width):
        self.screen.resize(height, width)
        self.set_size(height, width)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def feed(self, text):
        text = self.rest + text
        at = 0
        while at < len(text):
            if text[at] >= " " and text[at] != "\x1b":
                self.screen.put(text[at])
                at += 1
                continue
            match = WORD.match(text, at)
            if not match:
                break  # the rest of it comes later
            if match[3] and not match[1]:
                self.screen.take(match[3], [int(number or 0) for number in match[2].split(";")])
            elif not match[3]:
                self.screen.control(match[4] or match[0])
            at = match.end()
        self.rest = text[at:]

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                got = os.read(self.master, 65536)
            except OSError:
                return
            self.raw += got
            self.feed(got.decode(errors="replace"))

    def until(self, pattern):
        """The first match of what is shown."""
        deadline = time.monotonic() + self.limit
        while not (match := re.search(pattern, self.screen.text(), re.M)):
            if time.monotonic() > deadline:
                raise AssertionError(f"{pattern!r} is not shown:\n{self.screen.text()}")
            self.read(0.1)
        return match

    def wait(self):
        """The exit code, or the negative number of a signal; the terminal is as it was before."""
        deadline = time.monotonic() + self.limit
        while True:
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                raise AssertionError(f"it does not end:\n{self.screen.text()}")
        self.pid = None
        self.read(0)
        return os.waitstatus_to_exitcode(status)

    def is_as_before(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)
