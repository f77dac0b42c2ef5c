"""A baresip 1.0.0 that answers by itself, plays one tone and records what it hears.

Its recording (module sndfile) is a filter of the receiving side. When a call begins with anything but `sendrecv`,
1.0.0 drops the filters of that side and never puts them back: the sound is played, the file stays empty. Such a phone
is listened to as a person would: what it plays goes to an `aubridge` device named `ear`, and from there by a call
of its second line to a recorder, which is another baresip.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any, Self

import pytest

from tests.sipp.ports import LOOPBACK, free_port

from .tone import is_heard, read_wav, tone, write_wav

LIFETIME = 60
"""Seconds until baresip quits by itself."""
PATIENCE = 15
"""Seconds any single thing may take."""
TICK = 0.05

MODULES = ("g711", "aufile", "aubridge", "sndfile", "account", "menu", "ctrl_tcp")


def installed() -> str:
    """The program."""
    binary = shutil.which("baresip")
    assert binary, "baresip is not installed (Debian: baresip-core)"
    return binary


def modules_folder() -> Path:
    """Where its modules are, beside the program."""
    prefix = Path(installed()).resolve().parents[1]
    places = [prefix / "lib/baresip/modules", prefix / "lib64/baresip/modules", *prefix.glob("lib/*/baresip/modules")]
    return next(place for place in places if place.is_dir())


class Baresip:
    """One phone: `uri` is where it is called, `frequency` what it plays; `held_first`: its calls begin held.

    With `registrar` (a SIP URI) it registers there as `name`@acme.example.com, with `password`. `host` is its address,
    `prefix` the command that runs it there.

    `async with Baresip(...)` waits until it is ready and ends it afterwards. Its control socket (JSON in netstrings)
    serves one client, so there is one connection for its whole life.
    """

    def __init__(
        self,
        name: str,
        frequency: float,
        directory: Path,
        held_first: bool = False,
        registrar: str = "",
        password: str = "",
        host: str = LOOPBACK,
        prefix: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.registrar = registrar
        self.password = password
        self.host = host
        self.prefix = prefix
        self.frequency = frequency
        self.directory = directory
        self.port = free_port(2)  # SIP over TLS would take the one after
        self.control = free_port()
        self.recorder = Baresip("recorder", 200, directory / "recorder") if held_first else None
        self.events: list[dict[str, Any]] = []
        self.replies: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.news = asyncio.Event()

    @property
    def uri(self) -> str:
        return f"sip:{self.name}@{self.host}:{self.port}"

    @property
    def aor(self) -> str:
        """What it calls itself."""
        return f"sip:{self.name}@acme.example.com" if self.registrar else self.uri

    def prepare(self) -> None:
        """Its folder: configuration, account, and the tone it has instead of a microphone."""
        self.directory.mkdir(parents=True)
        sound = self.directory / "tone.wav"
        write_wav(sound, tone(self.frequency, 30))
        modules = "".join(f"module{'_app' if name == 'menu' else ''} {name}.so\n" for name in MODULES)
        (self.directory / "config").write_text(
            f"module_path {modules_folder()}\n"
            f"{modules}"
            f"sip_listen {self.host}:{self.port}\n"
            f"net_interface {self.host}\n"
            f"ctrl_tcp_listen {self.host}:{self.control}\n"
            f"audio_source aufile,{sound}\n"
            "audio_player aubridge,nil\n"
            "audio_alert aubridge,nil\n"
            "ausrc_srate 8000\n"
            "auplay_srate 8000\n"
            f"snd_path {self.directory}\n"
        )
        accounts = f"<{self.uri}>;answermode=auto;regint=0\n"
        if self.registrar:
            login = f"auth_user={self.name};auth_pass={self.password}"
            accounts = f'<{self.aor}>;{login};outbound="{self.registrar}";regint=60;answermode=auto\n'
        if self.recorder:
            accounts += f"<{self.ear}>;regint=0;audio_source=aubridge,ear;audio_player=aubridge,nil\n"
        (self.directory / "accounts").write_text(accounts)

    @property
    def ear(self) -> str:
        """The line that tells the recorder what is heard."""
        return self.uri.replace(f"{self.name}@", "ear@")

    async def __aenter__(self) -> Self:
        self.prepare()
        with (self.directory / "screen.log").open("wb") as screen:
            # It ends as soon as its standard input does, so that stays open.
            self.process = await asyncio.create_subprocess_exec(
                *(*self.prefix, installed(), "-4", "-f", str(self.directory), "-t", str(LIFETIME)),
                cwd=self.directory,
                stdin=asyncio.subprocess.PIPE,
                stdout=screen,
                stderr=screen,
            )
        try:
            async with asyncio.timeout(PATIENCE):
                reader, self.writer = await self.dial_in()
        except TimeoutError:
            await self.end()
            pytest.fail(f"baresip {self.name} is not ready after {PATIENCE} s\n{self.screen()}")
        self.listener = asyncio.create_task(self.listen(reader))
        if self.recorder:
            try:
                await self.wire_the_ear(self.recorder)
            except BaseException:
                await self.__aexit__()
                raise
        return self

    async def wire_the_ear(self, recorder: Baresip) -> None:
        """Have the second line call the recorder, and leave the first line as the one commands are for."""
        await recorder.__aenter__()
        await self.command("uafind", self.ear)
        await self.command("dial", recorder.uri)
        await recorder.happened("CALL_ESTABLISHED")
        await self.command("uafind", self.aor)

    async def dial_in(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The control connection, once baresip listens for it; the SIP port is open by then."""
        while self.process.returncode is None and "baresip is ready" not in self.screen():  # noqa: ASYNC110 (a file)
            await asyncio.sleep(TICK)
        if self.process.returncode is not None:
            pytest.fail(f"baresip {self.name} ended at once\n{self.screen()}")
        return await asyncio.open_connection(self.host, self.control)

    async def __aexit__(self, *_: object) -> None:
        if self.recorder and hasattr(self.recorder, "process"):
            await self.recorder.__aexit__()
        self.listener.cancel()
        await asyncio.gather(self.listener, return_exceptions=True)
        self.writer.close()
        await self.end()

    async def end(self) -> None:
        """SIGTERM would have it say good-bye to a registrar for seconds."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        assert self.process.stdin
        self.process.stdin.close()

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Take in netstrings: replies to commands, and events."""
        try:
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(size + 1))[:-1])
                if message.get("event"):
                    self.events.append(message)
                    self.news.set()
                else:
                    self.replies.put_nowait(message)
        except asyncio.IncompleteReadError:
            return

    async def command(self, command: str, params: str = "") -> str:
        """What it answered; it must have agreed."""
        text = json.dumps({"command": command, "params": params, "token": "test"}).encode()
        self.writer.write(b"%d:%s," % (len(text), text))
        async with asyncio.timeout(PATIENCE):
            reply = await self.replies.get()
        assert reply["ok"], reply
        return str(reply["data"])

    async def happened(self, kind: str, times: int = 1) -> None:
        """Wait until there were so many events of this type (`CALL_ESTABLISHED`, `CALL_CLOSED`, …) on the first line."""
        try:
            async with asyncio.timeout(PATIENCE):
                while [e["type"] for e in self.events if e["accountaor"] == self.aor].count(kind) < times:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            pytest.fail(f"baresip {self.name} had no {kind}, only {[e['type'] for e in self.events]}\n{self.screen()}")

    def heard(self, frequency: float) -> bool:
        """Whether this tone is in a recording; every re-INVITE may begin another one."""
        return any(is_heard(read_wav(path), frequency) for path in self.recordings())

    async def hears(self, frequency: float) -> None:
        """Wait until it does."""
        if self.recorder:
            await self.happened("CALL_REMOTE_SDP", 2)  # the offer that ends the hold; it starts the player anew
            await self.command("auplay", "aubridge,ear")
        try:
            async with asyncio.timeout(PATIENCE):
                while not self.heard(frequency):  # noqa: ASYNC110 (the news is in a file)
                    await asyncio.sleep(10 * TICK)
        except TimeoutError:
            lengths = {path.name: len(read_wav(path)) for path in self.recordings()}
            pytest.fail(f"baresip {self.name} did not hear {frequency} Hz in {lengths}\n{self.screen()}")

    def recordings(self) -> list[Path]:
        """What it heard: `dec` is decoded sound."""
        return self.recorder.recordings() if self.recorder else sorted(self.directory.glob("dump-*-dec.wav"))

    def screen(self) -> str:
        path = self.directory / "screen.log"
        return path.read_text(errors="replace") if path.exists() else ""
