"""Chromium without a window, driven as a user would drive it: real pointers, fingers and keys.

It speaks the DevTools protocol over two pipes, one JSON object after the other, each ended by a
zero byte; no library is needed for that.
"""

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
HEADLESS = [
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SHIFT = 8  # the modifier of a pointer event
TIMEOUT = 60.0  # seconds


class Page:
    """One page. errors: of its console and its scripts; requests: the addresses it loaded."""

    def __init__(self, sent: BinaryIO, received: BinaryIO) -> None:
        self._sent, self._received = sent, received
        self._rest, self._number, self._session = b"", 0, ""
        self.context = ""
        self.errors: list[str] = []
        self.requests: list[str] = []

    @contextmanager
    def another(self) -> Iterator["Page"]:
        """A page of the same browser that shares nothing with others, closed when it is left."""
        context = self("Target.createBrowserContext")["browserContextId"]
        target = self("Target.createTarget", url="about:blank", browserContextId=context)
        found = self("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self._sent, self._received)
        page._number, page._session, page.context = self._number, found["sessionId"], context
        for domain in ("Page", "Runtime", "Log", "Network"):
            page(f"{domain}.enable")
        yield page
        self._number = page._number
        self("Target.disposeBrowserContext", browserContextId=context)

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one command of the protocol."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._sent.write(json.dumps(message).encode() + b"\0")
        while True:
            reply = self._next()
            if reply.get("id") == self._number:
                assert "error" not in reply, (method, reply["error"])
                return dict(reply["result"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = self._received.read(1 << 20)
            assert part, "the browser went away"
            self._rest += part
        one, self._rest = self._rest.split(b"\0", 1)
        reply = dict(json.loads(one))
        event, params = reply.get("method"), reply.get("params", {})
        if event == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif event == "Runtime.consoleAPICalled":
            self.errors.append(str(params["args"]))
        elif event == "Log.entryAdded":
            self.errors.append(params["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        return reply

    def open(self, file: Path, *, width: int = 1000, height: int = 700, **device: Any) -> None:
        """Open a file in a window of this size, and wait until it is loaded."""
        device = {"deviceScaleFactor": 1, "mobile": False} | device
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, **device)
        self("Page.navigate", url=file.as_uri())
        self.wait("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        answer = self("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + TIMEOUT
        while not self.run(script):
            assert time.monotonic() < end, script

    def frame(self) -> None:
        """Wait until what changed is drawn."""
        self.run("new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))")

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """kind: Moved, Pressed, Released or Wheel."""
        self("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, **more)

    def drag(self, path: Sequence[tuple[float, float]], **more: Any) -> None:
        """Press the left button at the first place, move through the others, and let go."""
        self.mouse("Moved", *path[0])
        self.mouse("Pressed", *path[0], button="left", buttons=1, clickCount=1, **more)
        for place in path[1:]:
            self.mouse("Moved", *place, button="left", buttons=1, **more)
        self.mouse("Released", *path[-1], button="left", clickCount=1, **more)
        self.frame()

    def click(self, x: float, y: float) -> None:
        self.drag([(x, y)])

    def keys(self, *names: str) -> None:
        """Press keys, letters or such as "Escape", one after the other."""
        for name in names:
            text = {"text": name} if len(name) == 1 else {}
            code = {"Backspace": 8, "Escape": 27}.get(name, 0)
            self(
                "Input.dispatchKeyEvent",
                type="keyDown",
                key=name,
                windowsVirtualKeyCode=code,
                **text,
            )
            self("Input.dispatchKeyEvent", type="keyUp", key=name)
        self.frame()

    def touch(self, *fingers: list[tuple[float, float]]) -> None:
        """Put fingers down where their ways begin, move them together, lift them."""
        for step, places in enumerate(zip(*fingers, strict=True)):
            points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
            kind = "touchMove" if step else "touchStart"
            self("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        self("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.frame()

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser, ended when the block is left; `another` opens a page of it."""
    assert BROWSER
    commands, sent = os.pipe()
    received, answers = os.pipe()
    # The protocol has them as 3 and 4: high copies first, so that neither takes the other's place.
    command = f'exec "$@" 3<&{commands} 4>&{answers}'
    process = subprocess.Popen(
        [
            *("bash", "-c", command, "bash", BROWSER, *HEADLESS),
            *("--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank"),
        ],
        pass_fds=(commands, answers),
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    os.close(commands)
    os.close(answers)
    try:
        with os.fdopen(sent, "wb", 0) as out, os.fdopen(received, "rb", 0) as back:
            yield Page(out, back)
    finally:
        process.terminate()
        process.wait()
