"""A headless Chromium, driven over a pipe by its DevTools protocol: keys, clicks, files, pictures.

The protocol is https://chromedevtools.github.io/devtools-protocol/; over a pipe it takes no
library, as its messages end with a zero byte instead of travelling in web sockets.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40}
# Chromium wants its pipes at 3 and 4; moved up first, for they may be there the wrong way round.
_START = (
    "import fcntl, os, sys; "
    "a, b = (fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3]); "
    "os.dup2(a, 3); os.dup2(b, 4); os.execvp(sys.argv[3], sys.argv[3:])"
)


def found_browser() -> str | None:
    """Chromium's program, if there is one."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


class Browser:
    """One window; ``errors`` gathers what its console calls an error, ``asked`` its requests.

    ``choosers`` counts the file choosers that were opened; none of them is shown.

    Args:
        profile: An empty folder for its files.
    """

    def __init__(self, profile: Path) -> None:
        reading, theirs_out = os.pipe()
        theirs_in, self._out = os.pipe()
        command = [
            found_browser(), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-dev-shm-usage", "--disable-background-networking",
            f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._rest, self._number, self._session = reading, b"", 0, None
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.choosers = 0
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")
        self.call("Page.setInterceptFileChooserDialog", enabled=True)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = None
            for message in self._messages(end):
                if "method" in message:
                    self._event(message)
                elif message["id"] == self._number:
                    found = message
            if found:
                assert "error" not in found, f"{method}: {found['error']}"
                return found["result"]
        raise TimeoutError(f"{method}: no answer from the browser")

    def _messages(self, end: float) -> list[dict[str, Any]]:
        ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
        if not ready:
            return []
        data = os.read(self._in, 1 << 20)
        if not data:
            raise ConnectionError("the browser has ended")
        *whole, self._rest = (self._rest + data).split(b"\0")
        return [json.loads(one) for one in whole]

    def _event(self, event: dict[str, Any]) -> None:
        said = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            self.errors.append(said["exceptionDetails"]["text"])
        elif event["method"] == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.errors.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")
        elif event["method"] == "Page.fileChooserOpened":
            self.choosers += 1
        elif event["method"] == "Network.requestWillBeSent":
            self.asked.append(said["request"]["url"])

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, f"{script}: {found['exceptionDetails']}"
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 60.0) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.run(f"!!({script})"):
                return
            time.sleep(0.03)
        raise AssertionError(f"not so after {seconds} s: {script}\n{self.text()}")

    def open(self, url: str, ready: str) -> None:
        """Go to a page and wait until an expression is true in it."""
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.href.startsWith('{url[:20]}')")
        self.wait(ready)

    def text(self) -> str:
        """All words that are seen."""
        return self.run("document.body.innerText")

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        named = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        text = {"Enter": "\r", " ": " "}.get(key)
        down = {"text": text} if text else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **named, **down)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def type(self, text: str) -> None:
        """Type where the focus is."""
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click on the middle of an element with the mouse."""
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'center', behavior: 'instant'}); "
            "const r = e.getBoundingClientRect(); "
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        mouse = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **mouse)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", **mouse)

    def upload(self, selector: str, path: Path) -> None:
        """Choose a file in an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def resize(self, width: int, height: int, phone: bool = False) -> None:
        """Be a window, or a phone, of that many px."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip

    def dark(self, on: bool) -> None:
        """Ask for dark or light pages."""
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))
