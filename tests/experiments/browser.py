"""Chromium without a window, spoken to through a pipe by Chrome's own protocol: no driver and no socket."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
from contextlib import contextmanager


def binary():
    """Where Chromium is, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def browsing(folder):
    """A tab."""
    theirs, ours = os.pipe()
    answers, told = os.pipe()
    # The protocol is spoken on descriptors 3 and 4, which only a shell can name.
    flags = f"--headless=new --no-sandbox --disable-gpu --remote-debugging-pipe --user-data-dir={folder}/profile"
    line = f"exec {binary()} {flags} about:blank 3<&{theirs} 4>&{told}"
    chromium = subprocess.Popen(["bash", "-c", line], pass_fds=(theirs, told), stderr=subprocess.DEVNULL)
    os.close(theirs)
    os.close(told)
    try:
        yield Tab(ours, answers)
    finally:
        chromium.kill()
        chromium.wait()
        os.close(ours)
        os.close(answers)


class Tab:
    def __init__(self, ours, answers):
        self.ours, self.answers, self.session, self.sent, self.left, self.events = ours, answers, None, 0, b"", []
        pages = [t for t in self("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self.session = self("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "DOM", "Network"):
            self(f"{domain}.enable")

    def __call__(self, method, **params):
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.ours, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self.sent:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.events.append(answer)

    def _next(self):
        while b"\0" not in self.left:
            ready, _, _ = select.select([self.answers], [], [], 60)
            assert ready, "Chromium has said nothing for a minute"
            self.left += os.read(self.answers, 1 << 16)
        message, _, self.left = self.left.partition(b"\0")
        return json.loads(message)

    def ask(self, expression):
        """The value of a line of JavaScript."""
        return self("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait(self, expression, seconds=90):
        """Until a line of JavaScript is true."""
        end = time.monotonic() + seconds
        while not self.ask(f"Boolean({expression})"):
            assert time.monotonic() < end, f"{expression} is still not true: {self.ask('document.body.innerText')}"
            time.sleep(0.1)

    def upload(self, selector, path):
        """A file given to an input."""
        root = self("DOM.getDocument")["root"]["nodeId"]
        node = self("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def press(self, key):
        """A key."""
        for kind in ("keyDown", "keyUp"):
            more = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            code = {"Tab": 9, "Enter": 13, "ArrowRight": 39}[key]
            self("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def resize(self, width, height=900):
        """The window."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def screenshot(self, path):
        """The whole page as a PNG."""
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", captureBeyondViewport=True)["data"]))
