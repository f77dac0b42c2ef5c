"""A headless Chromium that is told what to do (Chrome DevTools Protocol)."""

from __future__ import annotations

import asyncio
import itertools
import re
from pathlib import Path
from typing import Any, Self

from aiohttp import ClientSession, ClientWebSocketResponse

COMMAND = (
    *("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--no-first-run", "--remote-debugging-port=0"),
)
PATIENCE = 60


class Browser:
    """`async with Browser(folder) as browser: await browser.open(url); await browser.run("1 + 1")`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count(1)
        self.complaints: list[str] = []
        """What the page's console said of errors and of its policy."""

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            *COMMAND,
            f"--user-data-dir={self.folder}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert self.process.stderr
        async with asyncio.timeout(PATIENCE):
            while not (found := re.search(rb"ws://(\S+?)/", line := await self.process.stderr.readline())):
                assert line, "Chromium has ended"
        self.session = ClientSession()
        async with self.session.get(f"http://{found[1].decode()}/json/list") as response:
            (page,) = [target for target in await response.json() if target["type"] == "page"]
        self.socket: ClientWebSocketResponse = await self.session.ws_connect(page["webSocketDebuggerUrl"])
        for domain in ("Page", "Runtime", "Log"):
            await self.ask(f"{domain}.enable")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()
        await self.session.close()
        self.process.terminate()
        await self.process.communicate()

    async def ask(self, method: str, until: str = "", **params: Any) -> Any:
        """The result; when `until` is given, once that event has come as well."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": params})
        result = None
        async with asyncio.timeout(PATIENCE):
            while result is None or until:
                said = await self.socket.receive_json()
                if said.get("id") == number:
                    assert "error" not in said, said
                    result = said["result"]
                elif said.get("method") == until:
                    until = ""
                elif said.get("method") == "Log.entryAdded":
                    self.complaints.append(said["params"]["entry"]["text"])
                elif said.get("method") == "Runtime.exceptionThrown":
                    self.complaints.append(said["params"]["exceptionDetails"]["text"])
        return result

    async def open(self, url: str) -> None:
        """Returns when the page is there with everything that belongs to it."""
        await self.ask("Page.navigate", until="Page.loadEventFired", url=url)

    async def run(self, script: str) -> Any:
        """What the expression is, or becomes if it is a promise."""
        answer = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")
