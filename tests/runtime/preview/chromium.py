"""A headless Chromium that tests tell what to do, over its DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.runtime.mqtt_tools import PATIENCE_S

CHROMIUM = shutil.which("chromium")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class CallError(AssertionError):
    """The browser answered a call with an error: the page that it was meant for navigated away, for example."""


class Tab:
    """One page."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._number = 0
        self.complaints: list[str] = []
        """What the page logged as an error: exceptions, violations of the security policy, failed loads."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(PATIENCE_S))
            if message.get("id") == self._number:
                if "error" in message:
                    raise CallError(message["error"])
                return dict(message["result"])
            self._note(message)

    def look_at(self, width: int, height: int, *, scheme: str = "light") -> None:
        """The size of the window, in CSS pixels, and the user's colour scheme."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def value(self, expression: str) -> Any:
        """What an expression (or the promise it gives) evaluates to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Until an expression is true, on the page that a redirection leads to as well."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self._holds(expression):
            assert time.monotonic() < deadline_s, f"it did not happen: {expression}; {self.complaints}"
            time.sleep(0.05)

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _holds(self, expression: str) -> bool:
        try:
            return bool(self.value(expression))
        except CallError:  # the page was left while the expression was evaluated
            return False

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(message["params"]["exceptionDetails"]))
        if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.complaints.append(message["params"]["entry"]["text"])


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """A page in a browser of its own, whose user's data are in `folder`."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(
            _page_of(folder / "DevToolsActivePort"), max_size=None, close_timeout=0.5, proxy=None
        ) as connection:
            yield Tab(connection)
    finally:
        browser.terminate()
        browser.wait(PATIENCE_S)


def _page_of(file: Path) -> str:
    """The address of the only page."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not file.is_file() or len(file.read_text().split()) < 2:
        assert time.monotonic() < deadline_s, "Chromium did not start"
        time.sleep(0.05)
    port, path = file.read_text().split()
    with connect(f"ws://127.0.0.1:{port}{path}", proxy=None) as connection:
        connection.send(json.dumps({"id": 1, "method": "Target.getTargets"}))
        targets = json.loads(connection.recv(PATIENCE_S))["result"]["targetInfos"]
    page = next(target["targetId"] for target in targets if target["type"] == "page")
    return f"ws://127.0.0.1:{port}/devtools/page/{page}"
