"""Drives headless Chromium as a person would, and listens to its console, by the DevTools protocol over pipes."""

import atexit
import base64
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

SECONDS = 60
"""What has not happened by then will not."""
_numbers = count(1)


class Page:
    """A page in a browser, or the browser itself as long as it is attached to none.

    Attributes:
        console: what it has printed, and errors that nobody caught.
    """

    def __init__(self, commands: int, answers: BinaryIO) -> None:
        self._commands, self._answers = commands, answers
        self._session: str | None = None
        self.console: list[str] = []

    def call(self, method: str, **parameters: Any) -> Any:
        """What a method of the protocol returns."""
        number = next(_numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def attach(self, target: str) -> None:
        """Use a page of the browser."""
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, when it is there."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, expression: str) -> Any:
        """The value of an expression as soon as it is true."""
        end = time.monotonic() + SECONDS
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"{expression} is never true"
            time.sleep(0.02)
        return value

    def key(self, key: str, modifiers: int = 0) -> None:
        """Press a key; a letter is typed."""
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, modifiers=modifiers, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, modifiers=modifiers)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Something that a mouse does: mousePressed, mouseMoved, mouseReleased, mouseWheel."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the left button."""
        self.mouse("mousePressed", *start, button="left", buttons=1, clickCount=1)
        self.mouse("mouseMoved", *end, button="left", buttons=1)
        self.mouse("mouseReleased", *end, button="left", clickCount=1)

    def screenshot(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def _next(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has gone"
            text += byte
        message = json.loads(text)
        if message.get("sessionId") != self._session:
            return message
        parameters = message.get("params", {})
        match message.get("method"):
            case "Runtime.consoleAPICalled":
                self.console.append(str([argument.get("value") for argument in parameters["args"]]))
            case "Runtime.exceptionThrown":
                self.console.append(str(parameters["exceptionDetails"]))
            case "Log.entryAdded":
                self.console.append(parameters["entry"]["text"])
        return message


@contextmanager
def opened(
    path: Path, *, size: tuple[int, int] = (900, 600), ratio: float = 1, scheme: str = "light"
) -> Iterator[Page]:
    """A page from a file.

    Args:
        path: of the file.
        size: of the window.
        ratio: pixels of the screen for each of CSS.
        scheme: light or dark.
    """
    browser, page = Page(*_browser()), Page(*_browser())
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    try:
        page.attach(target)
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": ratio, "mobile": False}
        page.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        page.call("Emulation.setEmulatedMedia", features=[scheme_feature])
        page.call("Page.navigate", url=path.absolute().as_uri())
        page.until("document.readyState === 'complete' && document.querySelector('#stage') !== null")
        yield page
    finally:
        browser.call("Target.closeTarget", targetId=target)


@cache
def _browser() -> tuple[int, BinaryIO]:
    """Where commands for a browser go, which all pages share, and where its answers come from."""
    program = shutil.which("chromium")
    assert program
    (command_end, commands), (answers, answer_end) = os.pipe(), os.pipe()
    profile = TemporaryDirectory(ignore_cleanup_errors=True)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    flags += ["--remote-debugging-pipe", f"--user-data-dir={profile.name}", "about:blank"]

    def place() -> None:
        # The browser reads from 3 and writes to 4, which may be taken.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (command_end, answer_end)]
        for end, target in zip(ends, (3, 4), strict=True):
            os.dup2(end, target)

    process = subprocess.Popen(
        [program, *flags], preexec_fn=place, pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(command_end)
    os.close(answer_end)

    replies = open(answers, "rb")  # noqa: SIM115

    def end() -> None:
        replies.close()
        process.terminate()
        process.wait()
        profile.cleanup()

    atexit.register(end)
    return commands, replies
