"""Headless Chromium, and the site of another origin whose page it opens."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import web

JQUERY = Path("/usr/share/javascript/jquery/jquery.min.js")
PATIENCE = 40
"""Seconds from the start of the browser until its page has told what it was to find out."""
OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # it refuses to run as root with one
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-port=0",
)
PAGE = """<!doctype html>
<title>a page</title>
<script>
window.onerror = function (message) { tell({broken: String(message)}); };
function tell(what) { fetch('/told', {method: 'POST', body: JSON.stringify(what)}); }
function answered(data, _, xhr) { tell({status: xhr.status, data: data, request_id: xhr.getResponseHeader('X-Request-ID'),
  type: xhr.getResponseHeader('Content-Type')}); }
function failed(xhr) { tell({status: xhr.status, data: xhr.responseJSON || null, failed: true,
  type: xhr.getResponseHeader('Content-Type')}); }
</script>
<script src="/jquery.js"></script>
<script>
SCRIPT
</script>
"""


class Chromium:
    """Opens a page with `script` in it, which has jQuery and calls `tell`, or `answered` or `failed` of an `$.ajax`.

    `async with Chromium(...) as page: await page.told()`.
    """

    options: tuple[str, ...] = OPTIONS

    def __init__(self, directory: Path, script: str) -> None:
        self.directory = directory
        self.script = script
        self.library = JQUERY.read_bytes()
        self.process: asyncio.subprocess.Process | None = None
        self.runner = web.AppRunner(self.site())
        self.what: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def site(self) -> web.Application:
        """What the page is made of, and where it tells."""
        site = web.Application()
        site.router.add_get("/", self.page)
        site.router.add_get("/jquery.js", self.jquery)
        site.router.add_post("/told", self.take)
        return site

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(text=PAGE.replace("SCRIPT", self.script), content_type="text/html")

    async def jquery(self, _request: web.Request) -> web.Response:
        return web.Response(body=self.library, content_type="text/javascript")

    async def take(self, request: web.Request) -> web.Response:
        if not self.what.done():
            self.what.set_result(await request.json())
        return web.Response(status=204)

    async def __aenter__(self) -> Self:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.directory.mkdir(parents=True, exist_ok=True)
        binary = shutil.which("chromium")
        assert binary, "Chromium is not installed (Debian: chromium)"
        with (self.directory / "chromium.log").open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(binary, *self.options, f"--user-data-dir={self.directory / 'profile'}"),
                f"http://localhost:{self.runner.addresses[0][1]}/",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that its children can be ended with it
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process:
            if self.process.returncode is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
        await self.runner.cleanup()

    async def told(self) -> Any:
        """What the page told."""
        assert self.process
        ended = asyncio.create_task(self.process.wait())
        done, _ = await asyncio.wait({ended, self.what}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if self.what in done:
            return self.what.result()
        log = (self.directory / "chromium.log").read_text(errors="replace")[-3000:]
        pytest.fail(f"the page told nothing: {'Chromium ended' if done else f'{PATIENCE} s have passed'}\n{log}")
