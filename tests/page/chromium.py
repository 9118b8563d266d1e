"""A headless Chromium, driven by its own protocol: JSON messages, each with a NUL behind it, over two pipes.

  with Chromium() as browser:
      page = browser.page(width=390, dark=True)
      page.go("http://127.0.0.1:9070/")
      page.until("document.title.includes('rain')")

Nothing but Python's standard library.  Whatever waits has an end, after `PATIENCE` seconds.
"""

import base64
import collections
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

NAMES = ("chromium-headless-shell", "chromium", "google-chrome")
PATIENCE = 120
# A connection that was kept has been closed, for it was idle for long, when a starved browser would use it again: the
# page asks once more.
CLOSED_MEANWHILE = "net::ERR_SOCKET_NOT_CONNECTED"


class Wrong(Exception):
    """The browser has said no, or the page has thrown something."""


def find_program():
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise Wrong(f"no browser: install one of {', '.join(NAMES)}")


class Chromium:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        ours_in, its_out = os.pipe()
        its_in, ours_out = os.pipe()
        self.input, self.output = ours_in, ours_out
        self.pending, self.number = b"", 0
        self.answers, self.events = {}, collections.deque()
        self.pages = {}
        arguments = [find_program(), "--headless", "--remote-debugging-pipe", f"--user-data-dir={self.folder.name}",
                     "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions",
                     "--disable-background-networking", "--disable-component-update", "--disable-sync",
                     "--hide-scrollbars", "--force-color-profile=srgb", "--font-render-hinting=none",
                     "--no-proxy-server"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # it refuses root otherwise
        arguments.append("about:blank")

        # The ends may have numbers 3 and 4 already: first out of the way, then into place.
        def move_pipes():
            low = [os.dup2(end, 100 + end) for end in (its_in, its_out)]
            os.dup2(low[0], 3)
            os.dup2(low[1], 4)

        environment = {**os.environ, "HOME": self.folder.name, "XDG_CONFIG_HOME": self.folder.name,
                       "XDG_CACHE_HOME": self.folder.name}
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, close_fds=False,
            preexec_fn=move_pipes, start_new_session=True, env=environment)
        os.close(its_in)
        os.close(its_out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)  # it and its helpers: the group is theirs alone
            self.process.wait()
        os.close(self.input)
        os.close(self.output)
        self.log.close()
        self.folder.cleanup()

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]

    def read(self, seconds):
        """Take in what has come within that time; False: nothing."""
        if not select.select([self.input], [], [], max(0, seconds))[0]:
            return False
        got = os.read(self.input, 1 << 20)
        if not got:
            raise Wrong(f"the browser has ended: {self.said()}")
        *whole, self.pending = (self.pending + got).split(b"\0")
        for text in whole:
            message = json.loads(text)
            if "id" in message:
                self.answers[message["id"]] = message
            elif page := self.pages.get(message.get("sessionId")):
                page.take(message["method"], message["params"])
        return True

    def call(self, method, session=None, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.output, data):]
        deadline = time.monotonic() + PATIENCE
        while self.number not in self.answers:
            if not self.read(deadline - time.monotonic()):
                raise Wrong(f"no answer to {method}: {self.said()}")
        answer = self.answers.pop(self.number)
        if "error" in answer:
            raise Wrong(f"{method}: {answer['error']}")
        return answer["result"]

    def page(self, width=1440, height=900, dark=False, calm=True):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(domain + ".enable")
        page.resize(width, height)
        page.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"}])
        return page


class Page:
    def __init__(self, browser, target, session):
        self.browser, self.target, self.session = browser, target, session
        self.errors = []  # what the console and the browser have found wrong
        self.requests = []  # addresses

    def take(self, method, event):
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(each.get("value", each)) for each in event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            if CLOSED_MEANWHILE in event["entry"]["text"]:
                return
            self.errors.append(f"{event['entry']['text']} {event['entry'].get('url', '')}".strip())
        elif method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=False)

    def go(self, address):
        found = self.call("Page.navigate", url=address)
        if "errorText" in found:
            raise Wrong(f"{address}: {found['errorText']}")
        self.until(f"location.href.startsWith({json.dumps(address)}) && document.readyState === 'complete'")

    def ask(self, expression):
        """The value of a JavaScript expression; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise Wrong(found["exceptionDetails"].get("exception", {}).get("description", expression))
        return found["result"].get("value")

    def until(self, expression, right=bool, seconds=PATIENCE):
        """What the expression comes to, when that is right."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.ask(expression)
            if right(found):
                return found
            if time.monotonic() > deadline:
                raise Wrong(f"still {found!r}: {expression}")
            self.browser.read(0.05)

    def text(self, selector):
        return self.ask(f"document.querySelector({json.dumps(selector)}).textContent")

    def click(self, selector):
        self.ask(f"document.querySelector({json.dumps(selector)}).dispatchEvent("
                 "new MouseEvent('click', {bubbles: true}))")

    def type(self, selector, text):
        self.ask(f"document.querySelector({json.dumps(selector)}).focus()")
        self.ask(f"document.querySelector({json.dumps(selector)}).value = ''")
        self.call("Input.insertText", text=text)

    def press(self, key, code=None, number=0, text=None):
        for kind in ("keyDown", "keyUp"):
            more = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code or key, windowsVirtualKeyCode=number,
                      **more)

    def picture(self, path, whole=True):
        """A PNG of the page, of all its length or of what is seen."""
        if whole:
            width = self.ask("innerWidth")
            height = self.ask("document.documentElement.scrollHeight")
            self.resize(width, height)
            self.ask("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
