"""A phone in a browser: the page with JsSIP, bundled by esbuild, both out of npm and kept in the user's cache."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.peers.chromium import OPTIONS, PATIENCE, Chromium

HERE = Path(__file__).parent
PACKAGES = ("jssip@3.13.8", "esbuild@0.28.2")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "c2c-b2bua" / "-".join(PACKAGES)


def packages() -> Path:
    """The folder with JsSIP and esbuild; the first time npm gets them."""
    if not CACHE.exists():
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE.parent) as directory:
            fresh = Path(directory) / "fresh"
            command = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", fresh, *PACKAGES)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert not done.returncode, done.stderr
            fresh.rename(CACHE)
    return CACHE / "node_modules"


def bundle(target: Path) -> bytes:
    """Our script and JsSIP in one."""
    modules = packages()
    command = (
        modules / ".bin" / "esbuild",
        HERE / "phone.js",
        "--bundle",
        f"--outfile={target}",
        "--log-level=warning",
    )
    subprocess.run(command, env={**os.environ, "NODE_PATH": str(modules)}, check=True)
    return target.read_bytes()


def fingerprint(certificate: Path) -> str:
    """Of its public key, as Chromium wants it named."""
    key = subprocess.run(("openssl", "x509", "-in", certificate, "-noout", "-pubkey"), capture_output=True, check=True)
    der = subprocess.run(
        ("openssl", "pkey", "-pubin", "-outform", "der"), input=key.stdout, capture_output=True, check=True
    )
    return base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


class JsSip(Chromium):
    """Registers `uri` at `server`, whose certificate it takes, and answers when it is called.

    With `is_relayed` its page speaks of media as if a relay stood between it and everybody else.
    """

    def __init__(
        self, directory: Path, server: str, certificate: Path, uri: str, password: str, is_relayed: bool = False
    ) -> None:
        super().__init__(directory, "")
        directory.mkdir(parents=True, exist_ok=True)
        self.options = (
            *OPTIONS,
            f"--ignore-certificate-errors-spki-list={fingerprint(certificate)}",
            "--autoplay-policy=no-user-gesture-required",
            "--disable-features=WebRtcHideLocalIpsWithMdns",
        )
        self.library = bundle(directory / "phone.js")
        self.settings = {"server": server, "uri": uri, "password": password, "isRelayed": is_relayed}
        self.socket = web.WebSocketResponse()
        self.events: list[dict[str, Any]] = []
        self.news = asyncio.Condition()

    def site(self) -> web.Application:
        """The page, its script, and what they tell each other over."""
        site = web.Application()
        site.router.add_get("/", self.page)
        site.router.add_get("/phone.js", self.jquery)
        site.router.add_get("/talk", self.talk)
        return site

    async def page(self, _request: web.Request) -> web.Response:
        return web.Response(text=(HERE / "page.html").read_text(), content_type="text/html")

    async def talk(self, request: web.Request) -> web.WebSocketResponse:
        await self.socket.prepare(request)
        await self.socket.send_json(self.settings)
        async for message in self.socket:
            async with self.news:
                self.events.append(json.loads(message.data))
                self.news.notify_all()
        return self.socket

    async def hang_up(self) -> None:
        await self.socket.send_str("hang up")

    def named(self, event: str) -> list[dict[str, Any]]:
        """What was told of this, or of an error of the page."""
        return [told for told in self.events if told["event"] in (event, "broken")]

    async def happened(self, event: str, times: int = 1) -> dict[str, Any]:
        """What the page told of this, once it has so many times."""
        try:
            async with asyncio.timeout(PATIENCE), self.news:
                await self.news.wait_for(lambda: self.named(event)[times - 1 :])
        except TimeoutError:
            log = (self.directory / "chromium.log").read_text(errors="replace")[-3000:]
            pytest.fail(f"no {event!r} after {PATIENCE} s: {self.events}\n{log}")
        told = self.named(event)[times - 1]
        assert told["event"] == event, self.events
        return told
